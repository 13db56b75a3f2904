/*
 * regression_sparse.h
 *		The rows of a regression in memory, of which most columns are 0.
 */
#ifndef REGRESSION_SPARSE_H
#define REGRESSION_SPARSE_H

#include "regression_data.h"

/* Rows are worth it that have one number other than 0 in so many. */
#define REGRESSION_SPARSE 8

typedef struct RegressionSparse
{
	Budget *budget;
	RegressionShape shape; /* not of family conditional */
	RegressionData rows;   /* without columns */
	int64 *end;            /* where the entries of each row end */
	int64 end_capacity;
	RegressionEntry *entries; /* of the rows one after the other, by column */
	int64 n_entries;
	int64 entry_capacity;
	double *center; /* p: what standardized columns are less than their entries */
} RegressionSparse;

extern void regression_sparse_init(RegressionSparse *sparse, const RegressionData *data);
extern Size regression_sparse_growth(const RegressionSparse *sparse);
extern void regression_sparse_add(RegressionSparse *sparse, const double *x, int32 n, double y,
								  double weight, double offset, int64 cluster);
extern void regression_sparse_free(RegressionSparse *sparse);
extern RegressionReport *regression_sparse_run(RegressionSparse *sparse, RegressionProblem *problem,
											   const RegressionOptions *options);

#endif /* REGRESSION_SPARSE_H */
