/*
 * method_hybrid.h
 *		A blend of methods: the parts, and how the lists of several become one.
 */
#ifndef METHOD_HYBRID_H
#define METHOD_HYBRID_H

#include "method.h"

#define TOPK_PREFIX listed
#define TOPK_SCORE double
#include "topk.h"

#define HYBRID_MAX_PARTS 16

typedef struct HybridPart
{
	const Method *method;
	Jsonb *options; /* of the method */
	double rank_weight;
	double prediction_weight;
	void *fitted;

	/* Of a stored part whose items are not numbered as the hybrid's; else NULL. */
	const Ratings *ratings; /* with the part's columns */
	const int32 *column;    /* the part's number of the hybrid's columns, -1 without */
	const int32 *whole;     /* the other way */
} HybridPart;

typedef struct Hybrid
{
	Budget budget;
	const Ratings *ratings; /* that the parts are fitted to, or of the users of a model */
	bool is_explicit;
	bool rates;  /* its predictions are ratings: those of a part at least are */
	double mean; /* of the ratings fitted to; NaN without any, as the next two */
	double minimum;
	double maximum;
	int32 n_parts;
	HybridPart parts[HYBRID_MAX_PARTS];

	/* Room for one user. */
	double *scores; /* of one part */
	KnnEntry *profile;
	int32 profile_size;
	listed_heap list;
	int32 *columns; /* targets in a part's numbers */
	MethodPrediction *predictions;
	int32 n_predictions;
} Hybrid;

extern Hybrid *hybrid_create(const Ratings *ratings, bool is_explicit, Jsonb *options,
							 Budget *budget);
extern bool hybrid_read_weights(Hybrid *hybrid, Jsonb *options);
extern bool hybrid_can_predict(const Hybrid *hybrid, const HybridPart *part);
extern void hybrid_predict_as_ranked(Hybrid *hybrid);
extern void hybrid_fit_parts(Hybrid *hybrid, Progress *progress);
extern int32 hybrid_list(Hybrid *hybrid, HybridPart *part, const MethodUser *user);
extern const MethodPrediction *hybrid_ask(Hybrid *hybrid, HybridPart *part, const MethodUser *user,
										  const int32 *columns, int32 n);

/* hybrid.c */
extern void hybrid_fit_weights(Hybrid *hybrid, Jsonb *options, Progress *progress);

#endif /* METHOD_HYBRID_H */
