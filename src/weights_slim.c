/*
 * weights_slim.c
 *		The method slim: sparse weights of every item on all others.
 *
 * The Gram matrix is filled by column, then each column of weights is solved for by
 * slim.c, which are what is added to one item.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "slim.h"
#include "weights.h"

#define BLOCK_COLUMNS 64

/* Of a weight against the largest, when a column is solved. */
#define TOLERANCE 1e-5

PGDLLEXPORT void socrec_slim(void *memory, ParallelCursor *cursor);

static Size
work_size(int32 n)
{
	return mul_size(mul_size(n, n), sizeof(float4));
}

static uint64
phase_blocks(int32 n)
{
	return (n + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS;
}

/* One for the Gram matrix, one for the weights. */
static uint64
n_phases(int32 n)
{
	return 2;
}

static void
poll_interrupts(void *argument)
{
	CHECK_FOR_INTERRUPTS();
}

/*
 * Columns of the Gram matrix, whole ones.
 */
static void
fill_columns(const WeightArea *area, int32 start, int32 end, int64 *cursor, double *sums)
{
	KnnMatrix matrix = weights_matrix(area);
	int32 n = area->n_columns;

	gram_start(&matrix, start, cursor);
	for (int32 column = start; column < end; column++)
	{
		float4 *gram = PARALLEL_ARRAY(area, work, float4) + (Size) column * n;

		CHECK_FOR_INTERRUPTS();
		memset(sums, 0, n * sizeof(double));
		gram_products(&matrix, column, false, cursor, sums);
		for (int32 i = 0; i < n; i++)
			gram[i] = (float4) sums[i];
	}
}

/*
 * The largest weights that are added to a column.
 */
static void
keep_weights(WeightArea *area, int32 column, const double *weight)
{
	const int64 *first = PARALLEL_ARRAY(area, first, int64);
	neighbor_heap heap = {.entries = PARALLEL_ARRAY(area, found, neighbor_entry) + first[column],
						  .capacity = (int32) (first[column + 1] - first[column])};

	for (int32 i = 0; i < area->n_columns; i++)
		if ((float4) weight[i] > 0)
			neighbor_offer(&heap, (float4) weight[i], i);
	weights_sort(&heap);
	PARALLEL_ARRAY(area, n_found, int32)[column] = heap.n;
}

void
socrec_slim(void *memory, ParallelCursor *cursor)
{
	WeightArea *area = memory;
	int32 n = area->n_columns;
	SlimProblem problem = {.n = n,
						   .gram = PARALLEL_ARRAY(area, work, float4),
						   .l1 = area->options.l1,
						   .l2 = area->options.l2,
						   .tolerance = TOLERANCE,
						   .epochs = area->options.epochs};
	SlimWork work = {.weight = palloc(n * sizeof(double)),
					 .gradient = palloc(n * sizeof(double)),
					 .pending = palloc(n * sizeof(double)),
					 .active = palloc(n * sizeof(int32)),
					 .is_active = palloc(n * sizeof(bool)),
					 .poll = poll_interrupts};
	int64 *row_cursor = MemoryContextAllocHuge(CurrentMemoryContext, area->n_rows * sizeof(int64));
	uint64 block;

	while (parallel_next(cursor, &block))
	{
		int32 start = (int32) (block % area->phases.n_blocks) * BLOCK_COLUMNS;
		int32 end = Min(start + BLOCK_COLUMNS, n);

		parallel_phase_wait(&area->phases, block);
		if (block < area->phases.n_blocks)
			fill_columns(area, start, end, row_cursor, work.gradient);
		else
			for (int32 column = start; column < end; column++)
			{
				CHECK_FOR_INTERRUPTS();
				slim_solve(&problem, column, &work);
				keep_weights(area, column, work.weight);
			}
		weights_report(block, cursor);
		if (parallel_phase_finish(&area->phases))
			parallel_phase_open(&area->phases);
	}
}

const WeightMethod weight_slim = {.name = "slim",
								  .task = "socrec_slim",
								  .run = socrec_slim,
								  .binarizes = true,
								  .is_sparse = true,
								  .transposed = true,
								  .work_size = work_size,
								  .phase_blocks = phase_blocks,
								  .n_phases = n_phases};
