/*
 * weights_ease.c
 *		The method ease: weights by linear regression of every item on all others.
 *
 * Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019: the weights B
 * with a zero diagonal that minimize |X - XB|^2 + l2 |B|^2 are, with the inverse
 * P = (X'X + l2 I)^-1,
 *
 *		B[i][j] = -P[i][j] / P[j][j]  for i <> j.
 *
 * The inverse is found in place by the sweep operator (Goodnight, A Tutorial on the
 * SWEEP Operator, The American Statistician 33(3), 1979) on blocks: with S the inverse
 * of the pivot A[k][k], and B[i] = A[i][k] for i <> k,
 *
 *		A[i][j] -= B[i] S B[j]'    A[i][k] = B[i] S    A[k][k] = -S
 *
 * and after all pivots A is -P.  Without exchanges this is as stable as Cholesky's
 * factorization, as the matrix is symmetric and positive definite, takes as many
 * operations, n^3, and is nearly all products of tiles that do not depend on one
 * another.  It is in double precision: single leaves errors of 1e-4 in the weights
 * where ratings are used as they are and l2 is small.
 *
 * Only tiles of the lower triangle are kept, so that this takes 4 bytes for each
 * element of the matrix.  A tile is in column-major order with leading dimension TILE.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "linear.h"
#include "weights.h"

/* Larger tiles are packed less often by BLAS; a product of two still takes only ms. */
#define TILE 512

PGDLLEXPORT void socrec_ease(void *memory, ParallelCursor *cursor);

typedef struct Ease
{
	WeightArea *area;
	const Linear *linear;
	int32 n;
	int32 n_tiles; /* in a row of tiles */
	double *tiles;
	double *panel; /* n_tiles: B[i] */
	int64 *cursor; /* of the rows, for the Gram matrix */
	double *sums;
} Ease;

static int32
count_tiles(int32 n)
{
	return (n + TILE - 1) / TILE;
}

static Size
work_size(int32 n)
{
	Size n_tiles = count_tiles(n);

	return mul_size(n_tiles * (n_tiles + 1) / 2 + n_tiles, TILE * TILE * sizeof(double));
}

/* A row of tiles, or a column, is a block. */
static uint64
phase_blocks(int32 n)
{
	return count_tiles(n);
}

/* One that fills the matrix, two for each pivot, one that reads what came of it. */
static uint64
n_phases(int32 n)
{
	return 2 * (uint64) count_tiles(n) + 2;
}

/* The tile in that row and column, row >= column. */
static inline double *
tile_at(const Ease *ease, int32 row, int32 column)
{
	return ease->tiles + ((Size) row * (row + 1) / 2 + column) * TILE * TILE;
}

static inline double *
panel_at(const Ease *ease, int32 row)
{
	return ease->panel + (Size) row * TILE * TILE;
}

/* Rows, or columns, of the matrix in a row of tiles. */
static inline int32
tile_rows(const Ease *ease, int32 row)
{
	return Min(TILE, ease->n - row * TILE);
}

/*
 * A column of tiles of X'X + l2 I.
 */
static void
fill_column(const Ease *ease, int32 tile_column)
{
	KnnMatrix matrix = weights_matrix(ease->area);
	int32 start = tile_column * TILE;

	gram_start(&matrix, start, ease->cursor);
	for (int32 c = 0; c < tile_rows(ease, tile_column); c++)
	{
		CHECK_FOR_INTERRUPTS();
		memset(ease->sums + start, 0, (ease->n - start) * sizeof(double));
		gram_products(&matrix, start + c, true, ease->cursor, ease->sums);
		ease->sums[start + c] += ease->area->options.l2;
		for (int32 row = tile_column; row < ease->n_tiles; row++)
			memcpy(tile_at(ease, row, tile_column) + c * TILE, ease->sums + row * TILE,
				   tile_rows(ease, row) * sizeof(double));
	}
}

/*
 * The pivot becomes its inverse, negative, both triangles of it.
 */
static void
invert_pivot(const Ease *ease, int32 k)
{
	double *pivot = tile_at(ease, k, k);
	int32 size = tile_rows(ease, k);

	if (ease->linear->dpotrf('L', size, pivot, TILE) != 0 ||
		ease->linear->dpotri('L', size, pivot, TILE) != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the items' ratings are too dependent on one another for l2 = %g",
							   ease->area->options.l2),
						errhint("Raise option \"l2\".")));
	for (int32 column = 0; column < size; column++)
		for (int32 row = column; row < size; row++)
			pivot[column + row * TILE] = pivot[row + column * TILE] = -pivot[row + column * TILE];
}

/*
 * Row i of the pivot's panel: what was there is kept in the panel, and multiplied with
 * the inverse of the pivot in its place.
 */
static void
multiply_panel(const Ease *ease, int32 i, int32 k)
{
	const double *pivot = tile_at(ease, k, k);
	double *before = panel_at(ease, i);
	int32 rows = tile_rows(ease, i);
	int32 columns = tile_rows(ease, k);

	if (i > k)
	{
		double *tile = tile_at(ease, i, k);

		memcpy(before, tile, TILE * TILE * sizeof(double));
		ease->linear->dgemm('N', 'N', rows, columns, columns, -1, before, TILE, pivot, TILE, 0,
							tile, TILE);
	}
	else
	{
		double *tile = tile_at(ease, k, i);

		for (int32 column = 0; column < columns; column++)
			for (int32 row = 0; row < rows; row++)
				before[row + column * TILE] = tile[column + row * TILE];
		ease->linear->dgemm('N', 'T', columns, rows, columns, -1, pivot, TILE, before, TILE, 0,
							tile, TILE);
	}
}

/*
 * Row i of all other tiles, which are not in the pivot's row or column.
 */
static void
update_row(const Ease *ease, int32 i, int32 k)
{
	const double *multiplied = i > k ? tile_at(ease, i, k) : tile_at(ease, k, i);

	for (int32 j = 0; j <= i; j++)
	{
		CHECK_FOR_INTERRUPTS();
		if (j != k)
			ease->linear->dgemm(i > k ? 'N' : 'T', 'T', tile_rows(ease, i), tile_rows(ease, j),
								tile_rows(ease, k), -1, multiplied, TILE, panel_at(ease, j), TILE,
								1, tile_at(ease, i, j), TILE);
	}
}

/*
 * An element of the matrix, wherever it is kept.
 */
static inline double
element(const Ease *ease, int32 row, int32 column)
{
	int32 low = Min(row, column);
	int32 high = Max(row, column);

	return tile_at(ease, high / TILE, low / TILE)[high % TILE + low % TILE * TILE];
}

/*
 * The weights kept of the items in a row of tiles, those largest by magnitude.
 */
static void
keep_weights(const Ease *ease, int32 tile_row)
{
	WeightArea *area = ease->area;
	const int64 *first = PARALLEL_ARRAY(area, first, int64);
	int32 *n_found = PARALLEL_ARRAY(area, n_found, int32);

	/* The diagonal is read over and over, from places far from one another. */
	for (int32 j = 0; j < ease->n; j++)
		ease->sums[j] = -1 / element(ease, j, j);
	for (int32 r = 0; r < tile_rows(ease, tile_row); r++)
	{
		int32 i = tile_row * TILE + r;
		neighbor_heap heap = {.entries = PARALLEL_ARRAY(area, found, neighbor_entry) + first[i],
							  .capacity = (int32) (first[i + 1] - first[i])};

		CHECK_FOR_INTERRUPTS();
		for (int32 j = 0; j < ease->n; j++)
		{
			float4 weight = (float4) (element(ease, i, j) * ease->sums[j]);

			if (weight != 0 && j != i)
				neighbor_offer(&heap, fabsf(weight), j);
		}
		weights_sort(&heap);
		for (int32 e = 0; e < heap.n; e++)
			heap.entries[e].score =
				(float4) (element(ease, i, heap.entries[e].id) * ease->sums[heap.entries[e].id]);
		n_found[i] = heap.n;
	}
}

/*
 * A block of a phase.  Rows are taken from the last, the longest.
 */
static void
do_block(const Ease *ease, int32 phase, int32 block)
{
	int32 row = ease->n_tiles - 1 - block;
	int32 pivot = (phase - 1) / 2;

	if (phase == 0)
		fill_column(ease, block);
	else if (pivot == ease->n_tiles)
		keep_weights(ease, block);
	else if (row == pivot)
		return;
	else if (phase % 2 == 1)
		multiply_panel(ease, row, pivot);
	else
		update_row(ease, row, pivot);
}

void
socrec_ease(void *memory, ParallelCursor *cursor)
{
	WeightArea *area = memory;
	Size n_tiles = count_tiles(area->n_columns);
	Ease ease = {.area = area,
				 .linear = linear_open(),
				 .n = area->n_columns,
				 .n_tiles = (int32) n_tiles,
				 .tiles = PARALLEL_ARRAY(area, work, double)};
	uint64 block;

	ease.panel = ease.tiles + n_tiles * (n_tiles + 1) / 2 * TILE * TILE;
	ease.cursor = MemoryContextAllocHuge(CurrentMemoryContext, area->n_rows * sizeof(int64));
	ease.sums = palloc(area->n_columns * sizeof(double));
	while (parallel_next(cursor, &block))
	{
		int32 phase = (int32) (block / n_tiles);

		parallel_phase_wait(&area->phases, block);
		do_block(&ease, phase, (int32) (block % n_tiles));
		weights_report(block, cursor);
		if (!parallel_phase_finish(&area->phases))
			continue;
		/* The next two are the phases of a pivot. */
		if (phase % 2 == 0 && phase / 2 < ease.n_tiles)
			invert_pivot(&ease, phase / 2);
		parallel_phase_open(&area->phases);
	}
	pfree(ease.cursor);
	pfree(ease.sums);
}

const WeightMethod weight_ease = {.name = "ease",
								  .task = "socrec_ease",
								  .run = socrec_ease,
								  .is_linear = true,
								  .binarizes = true,
								  .work_size = work_size,
								  .phase_blocks = phase_blocks,
								  .n_phases = n_phases};
