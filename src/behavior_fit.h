/*
 * behavior_fit.h
 *		The query of a regression, and its rows in memory.
 */
#ifndef BEHAVIOR_FIT_H
#define BEHAVIOR_FIT_H

#include "access/tupdesc.h"

#include "regression_data.h"

/* Columns of the query before the features. */
enum
{
	QUERY_Y,
	QUERY_WEIGHT,
	QUERY_OFFSET,
	QUERY_SET, /* the choice set, or the shard where there are none */
	QUERY_CLUSTER,
	QUERY_FEATURES
};

extern TupleDesc regression_describe(const char *query);
extern char *regression_from(const char *query, int columns);
extern RegressionReport *regression_in_memory(const char *query, RegressionData *data,
											  RegressionProblem *problem,
											  const RegressionOptions *options, int64 expected,
											  bool stops);

#endif /* BEHAVIOR_FIT_H */
