/*
 * bootstrap.h
 *		Intervals of means over users, and tests of paired differences.
 */
#ifndef BOOTSTRAP_H
#define BOOTSTRAP_H

#include "c.h"

typedef struct Interval
{
	double value;
	double low;
	double high;
} Interval;

typedef struct PairedTest
{
	Interval difference; /* mean of a - b */
	double t_p_value;
	double wilcoxon_p_value;
} PairedTest;

/*
 * Percentile bootstrap of sum(numerators) / sum(denominators) over n users;
 * denominators NULL: all 1.  NaN without a user.
 */
extern Interval bootstrap_ratio(const double *numerators, const double *denominators, int64 n,
								int32 replicates, double confidence, uint64 seed);
extern PairedTest paired_test(const double *a, const double *b, int64 n, int32 replicates,
							  double confidence, uint64 seed);

#endif /* BOOTSTRAP_H */
