/*
 * sweep.h
 *		Half a sweep of a factorization of ratings: all vectors of one side, users or
 *		items, given those of the other.
 *
 * A rating of user u for item i is mean + bias(u) + bias(i) + <factors(u), factors(i)>
 * and noise.  A vector is [bias | factors], padded with zeros to normal_width().
 *
 * No dependency on the server.
 */
#ifndef SWEEP_H
#define SWEEP_H

#include "draw.h"
#include "knn.h"
#include "normal.h"

/* One side: its ratings, and its vectors. */
typedef struct SweepSide
{
	int32_t n;
	const int64_t *start;    /* n + 1 */
	const KnnEntry *entries; /* the number on the other side, and the rating */
	float *vectors;          /* n * width */
} SweepSide;

/*
 * What vectors obey.  Least squares: a ridge of regularization times the number of
 * ratings.  A draw from the posterior: precision and right side of the prior, in
 * units of the noise's variance, and the deviation of the noise.
 */
typedef struct SweepRule
{
	double mean;
	double regularization;
	const float *precision; /* width * width; NULL: zero */
	const float *shift;     /* width: precision * mean of the prior; NULL: zero */
	double deviation;       /* 0: no draw, the solution */
	uint64_t seed;
	uint64_t purpose; /* the number of the half sweep */
} SweepRule;

extern void sweep_start(SweepSide *side, int32_t n_unknowns, double deviation, uint64_t seed,
						uint64_t purpose);
extern bool sweep_rows(const SweepSide *own, const float *others, const SweepRule *rule,
					   Normal *work, int32_t first, int32_t end, double *squared_error);
extern size_t sweep_prior_doubles(int32_t n_unknowns);
extern void sweep_draw_prior(const SweepSide *side, double noise, Draw draw, Normal *work,
							 double *memory, float *precision, float *shift);
extern double sweep_draw_noise(double squared_error, int64_t n_ratings, Draw draw);

#endif /* SWEEP_H */
