/*
 * knn.c
 *		Exact nearest neighbors among the columns of a sparse matrix.
 *
 * The similarity of two columns needs sums over the rows that they share.  For
 * one column, the sums with all others come from one sweep: for each row that
 * rated it, add the row's other entries into one accumulator per column
 * (Gustavson's sparse matrix product, one row of the Gram matrix at a time;
 * ACM TOMS 4(3), 1978).
 *
 * Similarity is symmetric, so the sweep for a column visits only the columns
 * after it, and each pair found is offered to the heaps of both.  As columns
 * are numbered by falling count of ratings, the sweeps of the popular ones are
 * long and run over neighboring accumulators, those of the long tail are short.
 * A cursor per row marks where the column stands in it, since columns are
 * swept in order.
 *
 * After a sweep the accumulators are read and cleared: all of them in order
 * when the sweep was long, else only those on a list of touched columns.
 *
 * Sums are accumulated in double, rows in ascending order, so that a result
 * does not depend on how columns are divided into blocks.  Similarities are
 * rounded to float before they are compared, and equal ones are decided by
 * number.
 */
#include <math.h>

#include "knn.h"
#include "similarity.h"

/*
 * Values are float: what has been centered is off by some 1e-8, and so is a
 * similarity that would be zero.  It is no neighbor.
 */
#define SIMILARITY_NOISE 1e-7

/* Additions between two calls of poll: some milliseconds. */
#define POLL_WORK 4000000

/* How a sweep accumulates. */
typedef enum SweepKind
{
	SWEEP_XY,         /* products */
	SWEEP_XY_SUPPORT, /* products and support */
	SWEEP_SUPPORT,    /* support */
	SWEEP_SUMS        /* all sums and support */
} SweepKind;

#define always_inline static inline __attribute__((always_inline))

/*
 * Room that the heap of a column needs: no more than k, and no more than the
 * number of co-ratings.
 */
int64_t
knn_capacity(const KnnMatrix *matrix, int32_t column, int32_t k)
{
	int64_t found = 0;

	for (int64_t p = matrix->column_start[column];
		 p < matrix->column_start[column + 1] && found < k; p++)
	{
		int32_t row = matrix->column_row[p];

		found += matrix->row_start[row + 1] - matrix->row_start[row] - 1;
	}
	return found < k ? found : k;
}

void
knn_norms(const KnnMatrix *matrix, double *norm)
{
	for (int32_t column = 0; column < matrix->n_columns; column++)
		norm[column] = 0;
	for (int64_t p = 0; p < matrix->row_start[matrix->n_rows]; p++)
		norm[matrix->entries[p].column] +=
			(double) matrix->entries[p].value * matrix->entries[p].value;
	for (int32_t column = 0; column < matrix->n_columns; column++)
		norm[column] = sqrt(norm[column]);
}

/*
 * Add, for every row that rated the column, the entries behind it.  With list,
 * also write down the columns met for the first time; returns their number.
 * Kind and list are constants at every call, so that the compiler makes a lean
 * loop for each.
 */
always_inline int32_t
sweep(const KnnMatrix *matrix, KnnWorkspace *work, int32_t column, const SweepKind kind,
	  const bool list)
{
	int32_t n_touched = 0;
	int64_t until_poll = POLL_WORK;

	for (int64_t p = matrix->column_start[column]; p < matrix->column_start[column + 1]; p++)
	{
		int32_t row = matrix->column_row[p];
		int64_t at = work->cursor[row]++;
		int64_t end = matrix->row_start[row + 1];
		double x = matrix->entries[at].value;

		for (int64_t q = at + 1; q < end; q++)
		{
			int32_t other = matrix->entries[q].column;
			double y = matrix->entries[q].value;

			if (list && work->support[other] == 0)
				work->touched[n_touched++] = other;
			if (kind != SWEEP_XY)
				work->support[other]++;
			if (kind == SWEEP_XY || kind == SWEEP_XY_SUPPORT)
				work->xy[other] += x * y;
			if (kind == SWEEP_SUMS)
			{
				KnnSums *sums = &work->sums[other];

				sums->xy += x * y;
				sums->xx += x * x;
				sums->yy += y * y;
				sums->x += x;
				sums->y += y;
			}
		}
		until_poll -= end - at;
		if (until_poll < 0)
		{
			work->poll(work->poll_argument);
			until_poll = POLL_WORK;
		}
	}
	return n_touched;
}

/*
 * Similarity of two columns from the accumulators of the second, NaN where it
 * is not defined.
 */
always_inline double
similarity_of(const KnnMatrix *matrix, const KnnOptions *options, const KnnWorkspace *work,
			  int32_t column, int32_t other, const SweepKind kind)
{
	const KnnSums *sums = &work->sums[other];
	double n = kind == SWEEP_XY ? 0 : work->support[other];
	double similarity = NAN;

	switch (options->similarity)
	{
		case KNN_COSINE:
			similarity = cosine_from_norms(work->xy[other], work->norm[column], work->norm[other]);
			break;
		case KNN_CORATED_COSINE:
			similarity = cosine_from_sums(sums->xy, sums->xx, sums->yy);
			break;
		case KNN_PEARSON:
			similarity = pearson_from_sums(n, sums->x, sums->y, sums->xx, sums->yy, sums->xy);
			break;
		case KNN_JACCARD:
			similarity = jaccard_from_counts(
				n, matrix->column_start[column + 1] - matrix->column_start[column],
				matrix->column_start[other + 1] - matrix->column_start[other]);
			break;
		case KNN_EUCLIDEAN:
			similarity = euclidean_from_sum(sums->xx + sums->yy - 2 * sums->xy);
			break;
	}
	if (kind == SWEEP_XY)
		return similarity; /* neither support nor shrinkage asked for */
	if (n < options->min_support)
		return NAN;
	return similarity_shrink(similarity, n, options->shrinkage);
}

/*
 * Offer a neighbor to a column's heap, most often in vain.
 */
always_inline void
offer(KnnWorkspace *work, int32_t column, float similarity, int32_t neighbor)
{
	neighbor_heap *heap = &work->heaps[column];

	if (similarity < work->worst[column])
		return;
	neighbor_offer(heap, similarity, neighbor);
	if (heap->n == heap->capacity)
		work->worst[column] = heap->n > 0 ? heap->entries[0].score : INFINITY;
}

/*
 * Offer the pair to both columns' heaps and clear its accumulators.
 */
always_inline void
settle(const KnnMatrix *matrix, const KnnOptions *options, KnnWorkspace *work, int32_t column,
	   int32_t other, const SweepKind kind)
{
	double similarity = similarity_of(matrix, options, work, column, other, kind);

	if (similarity > options->min_similarity && fabs(similarity) > SIMILARITY_NOISE)
	{
		offer(work, column, (float) similarity, other);
		offer(work, other, (float) similarity, column);
	}
	if (kind != SWEEP_XY)
		work->support[other] = 0;
	if (kind == SWEEP_XY || kind == SWEEP_XY_SUPPORT)
		work->xy[other] = 0;
	if (kind == SWEEP_SUMS)
		work->sums[other] = (KnnSums){0};
}

always_inline void
sweep_and_settle(const KnnMatrix *matrix, const KnnOptions *options, KnnWorkspace *work,
				 int32_t column, const SweepKind kind, const bool list)
{
	int32_t n_touched = sweep(matrix, work, column, kind, list);

	if (list)
		for (int32_t i = 0; i < n_touched; i++)
			settle(matrix, options, work, column, work->touched[i], kind);
	else
		for (int32_t other = column + 1; other < matrix->n_columns; other++)
			if (kind == SWEEP_XY ? work->xy[other] != 0 : work->support[other] != 0)
				settle(matrix, options, work, column, other, kind);
}

/*
 * Additions that the sweep for a column will do, counted up to enough.
 */
static int64_t
sweep_length(const KnnMatrix *matrix, const KnnWorkspace *work, int32_t column, int64_t enough)
{
	int64_t length = 0;

	for (int64_t p = matrix->column_start[column];
		 p < matrix->column_start[column + 1] && length < enough; p++)
	{
		int32_t row = matrix->column_row[p];

		length += matrix->row_start[row + 1] - work->cursor[row];
	}
	return length;
}

/*
 * Set the cursors to the first entry whose column is at least the given one.
 */
static void
place_cursors(const KnnMatrix *matrix, int64_t *cursor, int32_t column)
{
	for (int32_t row = 0; row < matrix->n_rows; row++)
	{
		int64_t low = matrix->row_start[row];
		int64_t high = matrix->row_start[row + 1];

		while (low < high)
		{
			int64_t middle = low + (high - low) / 2;

			if (matrix->entries[middle].column < column)
				low = middle + 1;
			else
				high = middle;
		}
		cursor[row] = low;
	}
}

/*
 * Offer every pair (column, other) with first <= column < end, column < other
 * to the heaps of both.  After the blocks of all columns, in any order and on
 * any number of workspaces whose heaps are then merged, each heap holds the k
 * most similar columns.
 */
void
knn_columns(const KnnMatrix *matrix, const KnnOptions *options, KnnWorkspace *work, int32_t first,
			int32_t end)
{
	bool needs_support = options->min_support > 1 || options->shrinkage > 0;

	if (work->next != first)
		place_cursors(matrix, work->cursor, first);
	for (int32_t column = first; column < end; column++)
	{
		/* A list of touched columns pays while it is shorter than a scan. */
		int64_t rest = matrix->n_columns - column;
		bool list = sweep_length(matrix, work, column, rest / 4 + 1) <= rest / 4;

		if (knn_needs_sums(options->similarity))
		{
			if (list)
				sweep_and_settle(matrix, options, work, column, SWEEP_SUMS, true);
			else
				sweep_and_settle(matrix, options, work, column, SWEEP_SUMS, false);
		}
		else if (options->similarity == KNN_JACCARD)
		{
			if (list)
				sweep_and_settle(matrix, options, work, column, SWEEP_SUPPORT, true);
			else
				sweep_and_settle(matrix, options, work, column, SWEEP_SUPPORT, false);
		}
		else if (list)
			sweep_and_settle(matrix, options, work, column, SWEEP_XY_SUPPORT, true);
		else if (needs_support)
			sweep_and_settle(matrix, options, work, column, SWEEP_XY_SUPPORT, false);
		else
			sweep_and_settle(matrix, options, work, column, SWEEP_XY, false);
		work->poll(work->poll_argument);
	}
	work->next = end;
}
