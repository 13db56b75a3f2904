/*
 * dense.h
 *		A table of numbers in memory: a dense matrix read from a query.
 */
#ifndef DENSE_H
#define DENSE_H

#include "budget.h"
#include "socrec.h"

/* Columns of a matrix, at most. */
#define MAX_FEATURES 1599

typedef struct FeatureKey
{
	Datum value;
	bool null;
} FeatureKey;

typedef struct Features
{
	Budget budget; /* of everything below */
	Oid key_type;  /* as the query returns it, domains resolved */

	int32 n; /* rows with values, in the order of the query */
	int32 d;
	FeatureKey *keys;
	float4 *values; /* n * d, row by row, less the mean, and scaled if so wished */
	int64 *ids;     /* d: of the sparse vectors' columns; NULL for numbers */
	double *mean;   /* d */
	double *stddev; /* d; 0 for a constant column */

	int32 n_skipped; /* rows with a NULL in them */
	FeatureKey *skipped;
} Features;

extern Features *features_load(const char *query, bool impute, bool standardize, const char *task,
							   Progress *progress);
extern void features_free(Features *features);

#endif /* DENSE_H */
