/*
 * distribution.h
 *		Statistics of how values are distributed.
 *
 * Knows nothing of PostgreSQL: the caller brings the memory and may stop between
 * calls.
 */
#ifndef DISTRIBUTION_H
#define DISTRIBUTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Mean and spread of weighted values, as they come. */
typedef struct Moments
{
	double n;
	double mean;
	double squares; /* sum of squared deviations from the mean */
	double minimum;
	double maximum;
} Moments;

extern void moments_add(Moments *moments, double value, double count);
extern double moments_deviation(const Moments *moments);

extern double distribution_quantile(const double *values, const int64_t *up_to, int64_t n,
									double fraction);

/*
 * Quantiles with a bounded relative error, whatever the number of values:
 * DDSketch (Masson, Rim and Lee 2019).  There is a bucket for every value that
 * a double can have, so that none is ever merged away.
 */
#define SKETCH_ACCURACY 0.01
#define SKETCH_LOWEST (-37230) /* index of the smallest positive double */
#define SKETCH_BUCKETS 72730   /* up to the index of the greatest one */

typedef struct Sketch
{
	int64_t n;
	int64_t zeros;
	double minimum;
	double maximum;
	int64_t positive[SKETCH_BUCKETS];
	int64_t negative[SKETCH_BUCKETS];
} Sketch;

#define SKETCH_CELLS (2 * SKETCH_BUCKETS + 1)

extern void sketch_add(Sketch *sketch, double value, int64_t count);
extern int64_t sketch_cell(const Sketch *sketch, int cell, double *value);
extern double sketch_quantile(const Sketch *sketch, double fraction);

extern double chi_square_tail(double x, double degrees);
extern void proportion_bounds(double successes, double trials, double confidence, double *low,
							  double *high);

/* How evenly things share a total; counts ascend. */
extern double gini_coefficient(const double *counts, int64_t n);
extern double top_share(const double *counts, int64_t n, double fraction);
extern double long_tail_share(const double *counts, int64_t n, double head);

/*
 * The distinct counts of things, ascending, as a fit of a power law needs them.
 * Arrays have room for an element of each thing.
 */
typedef struct CountTable
{
	int64_t n;         /* distinct counts */
	double *value;     /* the count */
	double *logarithm; /* of it */
	int64_t *at_least; /* things with that count or more */
	double *log_sum;   /* of the logarithms of their counts */
} CountTable;

typedef struct PowerLaw
{
	double minimum; /* the least count that it holds for */
	int64_t n;      /* things from there on */
	double exponent;
	double standard_error;
	double distance; /* Kolmogorov-Smirnov */
} PowerLaw;

extern void count_table_fill(CountTable *table, const double *counts, int64_t n);
extern bool power_law_fit(const CountTable *table, int64_t from, PowerLaw *best);

#endif /* DISTRIBUTION_H */
