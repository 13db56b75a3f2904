/*
 * weights.h
 *		Item weights: what a rating of one item adds to the score of another, learned
 *		from all ratings together; ease, slim and slope_one.
 */
#ifndef WEIGHTS_H
#define WEIGHTS_H

#include "utils/jsonb.h"

#include "gram.h"
#include "parallel.h"
#include "ratings.h"

#define MAX_WEIGHTS 1000000

typedef struct WeightOptions
{
	int32 k; /* most weights that are kept of a column, 0: all */
	bool binarize;
	double l1;
	double l2;
	int32 epochs;
	bool weighted; /* slope_one: by support */
} WeightOptions;

/* What was learned. */
typedef struct ItemWeights
{
	double *norm; /* of each column of the matrix that was learned from */

	/*
	 * Of each column, by rising number: what it adds to other columns.  With
	 * deviations, one for each of these entries, that is weight * (rating +
	 * deviation), and a score is their sum divided by that of the weights.
	 */
	neighbor_heap *heaps;
	float4 **deviations; /* NULL without */
} ItemWeights;

/*
 * What the workers share: this, followed by the arrays that it gives the places of,
 * counted in bytes from here.
 */
typedef struct WeightArea
{
	WeightOptions options;
	ParallelPhases phases;
	int32 n_rows;
	int32 n_columns;
	Size row_start; /* the matrix, as in KnnMatrix */
	Size entries;
	Size column_start;
	Size column_row;
	Size first;      /* int64, n_columns + 1: room of each column in found */
	Size n_found;    /* int32, n_columns */
	Size found;      /* neighbor_entry */
	Size deviations; /* float4, as many, for slope_one */
	Size work;       /* what the method needs beside */
} WeightArea;

/* How a method is learned. */
typedef struct WeightMethod
{
	const char *name;
	const char *task; /* the name of run */
	ParallelTask run;
	bool is_linear;  /* needs linear algebra */
	bool binarizes;  /* has option binarize */
	bool is_sparse;  /* has options l1 and epochs */
	bool transposed; /* the task finds what is added to a column, not what it adds */
	bool has_deviations;

	Size (*work_size)(int32 n_columns); /* bytes of array work; NULL: none */
	uint64 (*phase_blocks)(int32 n_columns);
	uint64 (*n_phases)(int32 n_columns);
} WeightMethod;

extern const WeightMethod weight_ease;
extern const WeightMethod weight_slim;
extern const WeightMethod weight_slope_one;

extern const WeightMethod *weights_method(const char *name);
extern ItemWeights *weights_find(const Ratings *ratings, const WeightMethod *method, Jsonb *options,
								 Budget *budget, Progress *progress);

/* For the tasks. */
extern void weights_sort(neighbor_heap *heap);
extern KnnMatrix weights_matrix(const WeightArea *area);
extern void weights_report(uint64 block, const ParallelCursor *cursor);

#endif /* WEIGHTS_H */
