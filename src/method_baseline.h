/*
 * method_baseline.h
 *		What is known of ratings without neighbors: the baseline and popularity,
 *		which other methods measure against and fall back to.
 */
#ifndef METHOD_BASELINE_H
#define METHOD_BASELINE_H

#include "method.h"
#include "neighborhood.h"
#include "ratings.h"

typedef struct Baseline
{
	bool is_explicit;
	double user_regularization;
	int32 n_columns;
	double n_users;
	double mean; /* of all ratings; NaN without any, as the next two */
	double minimum;
	double maximum;
	RatingStatistics *statistics; /* mean and bias of columns */
	const int32 *count;           /* of the ratings of each column */
} Baseline;

/* What a user's ratings say, whatever the items. */
typedef struct Taste
{
	int32 n;
	double sum;      /* of ratings */
	double residual; /* sum of rating - mean - bias of the item */
} Taste;

extern NeighborArguments baseline_arguments(Jsonb *options);
extern Baseline *baseline_fit(const Ratings *ratings, bool is_explicit,
							  const NeighborArguments *given, Budget *budget);
extern Baseline *baseline_load(const StoredModel *stored, bool is_explicit, Jsonb *options,
							   Budget *budget);
extern Taste baseline_taste(const Baseline *baseline, const MethodUser *user);
extern Taste baseline_taste_without(const Baseline *baseline, Taste taste, const MethodUser *user,
									int32 column);
extern double baseline_user_mean(Taste taste);
extern double baseline_user_bias(const Baseline *baseline, Taste taste);
extern double baseline_clamp(const Baseline *baseline, double value);
extern MethodPrediction baseline_prediction(const Baseline *baseline, Taste taste, int32 column);

#endif /* METHOD_BASELINE_H */
