/*
 * bootstrap.h
 *		Intervals of means over users, and tests of paired differences.
 */
#ifndef BOOTSTRAP_H
#define BOOTSTRAP_H

#include "c.h"

typedef struct Estimate
{
	double value;
	double low;
	double high;
} Estimate;

typedef struct PairedTest
{
	Estimate difference; /* mean of a - b */
	double t_p_value;
	double wilcoxon_p_value;
} PairedTest;

/*
 * Percentile bootstrap of sum(numerators) / sum(denominators) over n users;
 * denominators NULL: all 1.  A user of whom a number is NaN does not count: so a
 * metric that is not defined for some users may come as it is.  NaN without a
 * user; no interval (NaN) with 0 replicates.  The order of users does not matter.
 */
extern Estimate bootstrap_ratio(const double *numerators, const double *denominators, int64 n,
								int32 replicates, double confidence, uint64 seed);
extern PairedTest paired_test(const double *a, const double *b, int64 n, int32 replicates,
							  double confidence, uint64 seed);

#endif /* BOOTSTRAP_H */
