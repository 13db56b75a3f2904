/*
 * weights_slope_one.c
 *		The method slope_one: how much one item is rated above another, on average.
 *
 * Lemire and Maclachlan, Slope One Predictors for Online Rating-Based Collaborative
 * Filtering, SDM 2005.  The deviation of an item from another is the mean difference of
 * the ratings of the users who rated both, their number its support and weight.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "weights.h"

#define BLOCK_COLUMNS GRAM_COLUMNS

PGDLLEXPORT void socrec_slope_one(void *memory, ParallelCursor *cursor);

static uint64
phase_blocks(int32 n)
{
	return (n + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS;
}

static uint64
n_phases(int32 n)
{
	return 1;
}

/*
 * What a column says of others, those with the most support.
 */
static void
keep_deviations(WeightArea *area, int32 column, const double *differences, const int32 *support)
{
	const int64 *first = PARALLEL_ARRAY(area, first, int64);
	float4 *deviations = PARALLEL_ARRAY(area, deviations, float4) + first[column];
	neighbor_heap heap = {.entries = PARALLEL_ARRAY(area, found, neighbor_entry) + first[column],
						  .capacity = (int32) (first[column + 1] - first[column])};

	for (int32 i = 0; i < area->n_columns; i++)
		if (support[i] > 0 && i != column)
			neighbor_offer(&heap, (float4) support[i], i);
	weights_sort(&heap);
	for (int32 e = 0; e < heap.n; e++)
	{
		neighbor_entry *entry = &heap.entries[e];

		deviations[e] = (float4) (differences[entry->id] / support[entry->id]);
		if (!area->options.weighted)
			entry->score = 1;
	}
	PARALLEL_ARRAY(area, n_found, int32)[column] = heap.n;
}

void
socrec_slope_one(void *memory, ParallelCursor *cursor)
{
	WeightArea *area = memory;
	KnnMatrix matrix = weights_matrix(area);
	int32 n = area->n_columns;
	double *differences = palloc(n * sizeof(double));
	int32 *support = palloc(n * sizeof(int32));
	int64 *row_cursor = MemoryContextAllocHuge(CurrentMemoryContext, area->n_rows * sizeof(int64));
	uint64 block;

	while (parallel_next(cursor, &block))
	{
		int32 start = (int32) block * BLOCK_COLUMNS;

		gram_start(&matrix, start, row_cursor);
		for (int32 column = start; column < Min(start + BLOCK_COLUMNS, n); column++)
		{
			CHECK_FOR_INTERRUPTS();
			memset(differences, 0, n * sizeof(double));
			memset(support, 0, n * sizeof(int32));
			gram_differences(&matrix, column, row_cursor, differences, support);
			keep_deviations(area, column, differences, support);
		}
		weights_report(block, cursor);
	}
}

const WeightMethod weight_slope_one = {.name = "slope_one",
									   .task = "socrec_slope_one",
									   .run = socrec_slope_one,
									   .has_deviations = true,
									   .phase_blocks = phase_blocks,
									   .n_phases = n_phases};
