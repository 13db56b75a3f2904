/*
 * regression_data.h
 *		The rows of a regression in memory, and a regression over them.
 */
#ifndef REGRESSION_DATA_H
#define REGRESSION_DATA_H

#include "compatibility.h"
#include "parallel.h"
#include "regression_run.h"

typedef struct RegressionData
{
	Budget *budget;
	RegressionShape shape;
	bool has_weight; /* else all are 1 and not kept */
	bool has_offset; /* else all are 0 and not kept */
	bool has_set;
	bool has_cluster;
	int64 n;
	int64 capacity;
	double *x; /* n * p */
	double *y;
	double *weight;
	double *offset;
	int64 *set;     /* of the alternatives of one choice set: ascending */
	int64 *cluster; /* of the rows of one cluster: ascending */
	int32 largest_set;
	ParallelArea area; /* that these arrays lie in; its memory is NULL: on their own */
} RegressionData;

static inline double
regression_data_weight(const RegressionData *data, int64 i)
{
	return data->has_weight ? data->weight[i] : 1;
}

pg_noreturn extern void regression_set_error(void);
extern bool regression_data_reserve(RegressionData *data, const RegressionProblem *problem,
									const RegressionOptions *options, int64 n, bool if_it_fits);
extern Size regression_data_growth(const RegressionData *data);
extern double *regression_data_add(RegressionData *data, double y, double weight, double offset,
								   int64 set, int64 cluster);
extern void regression_data_free(RegressionData *data);
extern RegressionReport *regression_data_run(RegressionData *data, RegressionProblem *problem,
											 const RegressionOptions *options);

#endif /* REGRESSION_DATA_H */
