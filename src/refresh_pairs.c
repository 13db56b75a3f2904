/*
 * refresh_pairs.c
 *		The nearest neighbors of all columns, from what was known of pairs of
 *		columns and from the rows that have changed.
 *
 * Of every column more pairs are kept than it has neighbors, k, with the sums
 * that their cosine is made of, and a bound: no other pair was more similar.
 * When rows change,
 *
 *	1. the sums of the pairs kept follow from the changed rows as they were and
 *	   as they are, at the price of these rows alone;
 *	2. what a pair that was not kept can have become is bounded by what it can
 *	   have been and what the changed rows add.  If that does not reach the k-th
 *	   best of what is known, the neighbors are certain;
 *	3. else the sums of the less popular column of the pair are made anew, with
 *	   all others, in one sweep over the ratings of its rows.  These columns are
 *	   short: what is popular changes little by a few rows.
 *
 * With X^2 the square of the largest value, n the support and s the shrinkage,
 * f(n) = n / (n + s), b the lesser of the bounds of both columns, m the ratings of
 * the less popular one then or now, whichever are more, and primes for what is now,
 * a pair that was not kept has
 *
 *		product f(n) <= min(b |i| |j|, m X^2 f(m))
 *		product' f(n') <= product f(n) + product (f(n') - f(n)) + (product' - product) f(n')
 *
 * of which the second part is at most X^2 (n' - n) g, with g the largest value of
 * n s / (n + s)^2 up to n = m, and the third (product' - product) f(m).
 *
 * Where weights depend on the number of columns (tf-idf), sums of pairs of ones
 * follow from the sum of the weights: sum (w + d)^2 = sum w^2 + 2 d sum w + n d^2;
 * pairs that are not kept grow at most like the square of the weight that grows
 * most.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "quickselect.h"
#include "refresh.h"
#include "similarity.h"

/* Below, similarities are as good as none. */
#define NEGLIGIBLE 1e-6

/* A column that has lost more than this part of its length is made anew. */
#define SHORTENED 0.01

/* More than this part of all sums by sweeps: a full search is faster. */
#define SWEEP_SHARE 0.1

/* Allowance for the rounding of bounds. */
#define ROUNDED_UP (1 + 1e-6)

/* The sums of one column with another; small, as they are met in no order. */
typedef struct RunningSums
{
	double product;
	float total;
	int32 support;
} RunningSums;

typedef struct PairSearch
{
	const KnnMatrix *matrix;
	const KnnOptions *options;
	const StoredPairs *stored;
	Candidates *found;
	bool totals;     /* all ratings are 1 and weighted by row */
	double growth;   /* of the products of pairs that are not kept, by other weights */
	double square;   /* of the largest value */
	double shortest; /* largest part that a column not swept was longer, at least 1 */
	bool *swept;     /* columns to make anew */
	double *need;    /* what a pair that is not known must stay below */

	RunningSums *sums; /* of one column with all others */
	int32 *touched;    /* columns that were met with support 0, at most twice */
	int32 n_touched;
} PairSearch;

/*
 * Similarity from the sums of a pair, NaN where there is none.
 */
static inline double
pair_similarity(const PairSearch *search, int32 a, int32 b, double product, int32 support)
{
	const double *norm = search->found->norm;
	double similarity;

	if (support < search->options->min_support)
		return NAN;
	similarity = similarity_shrink(cosine_from_norms(product, norm[a], norm[b]), support,
								   search->options->shrinkage);
	return similarity > search->options->min_similarity && fabs(similarity) > REFRESH_NOISE
			   ? similarity
			   : NAN;
}

/*
 * Offer a pair to the candidates of its first column, most often in vain.
 */
static inline void
offer_pair(const PairSearch *search, int32 column, int32 other, double similarity, PairSums sums)
{
	candidate_heap *heap = &search->found->heaps[column];
	candidate_entry entry = {.score = (float) similarity, .id = other, .payload = sums};

	if (heap->n < heap->capacity || candidate_better(entry, heap->entries[0]))
		candidate_put(heap, entry);
}

/*
 * The matrix of rows that stand one after the other, columns ascending; lists the
 * rows of each column.
 */
KnnMatrix
refresh_matrix(int32 n_rows, int32 n_columns, int64 *row_start, KnnEntry *entries, Budget *budget)
{
	int64 n = row_start[n_rows];
	int64 *column_start = budget_alloc(budget, (Size) n_columns + 1, sizeof(int64), "changes");
	int32 *column_row = budget_alloc(budget, n, sizeof(int32), "changes");

	/* Counts, then the ends of columns, then, filled from behind, their starts. */
	for (int64 p = 0; p < n; p++)
		column_start[entries[p].column]++;
	for (int32 column = 0; column < n_columns; column++)
		column_start[column + 1] += column_start[column];
	for (int32 row = n_rows - 1; row >= 0; row--)
		for (int64 p = row_start[row]; p < row_start[row + 1]; p++)
			column_row[--column_start[entries[p].column]] = row;
	return (KnnMatrix){.n_rows = n_rows,
					   .n_columns = n_columns,
					   .row_start = row_start,
					   .entries = entries,
					   .column_start = column_start,
					   .column_row = column_row};
}

/*
 * The weight of a row that rated so many of all columns, as in ratings_weight.
 */
double
refresh_idf(int32 n_columns, int64 n_rated)
{
	return log((1.0 + n_columns) / (1.0 + n_rated));
}

static double
value_at(const KnnMatrix *matrix, int32 row, int32 column)
{
	int64 low = matrix->row_start[row];
	int64 high = matrix->row_start[row + 1] - 1;

	while (low < high)
	{
		int64 middle = low + (high - low) / 2;

		if (matrix->entries[middle].column < column)
			low = middle + 1;
		else
			high = middle;
	}
	return matrix->entries[low].value;
}

/*
 * Add the sums of a column with all others over a matrix, or take them off.
 */
static void
add_sums(PairSearch *search, const KnnMatrix *matrix, int32 column, int sign)
{
	for (int64 p = matrix->column_start[column]; p < matrix->column_start[column + 1]; p++)
	{
		int32 row = matrix->column_row[p];
		double x = sign * value_at(matrix, row, column);

		CHECK_FOR_INTERRUPTS();
		for (int64 q = matrix->row_start[row]; q < matrix->row_start[row + 1]; q++)
		{
			int32 other = matrix->entries[q].column;
			RunningSums *sums = &search->sums[other];

			if (sums->support == 0)
				search->touched[search->n_touched++] = other;
			sums->product += x * matrix->entries[q].value;
			sums->total += x;
			sums->support += sign;
		}
	}
}

static void
clear_sums(PairSearch *search)
{
	for (int32 i = 0; i < search->n_touched; i++)
		search->sums[search->touched[i]] = (RunningSums){0};
	search->n_touched = 0;
}

/*
 * What the changed rows add to the sums of a column with all others.
 */
static void
add_changes(PairSearch *search, int32 column)
{
	add_sums(search, &search->stored->came, column, 1);
	add_sums(search, &search->stored->went, column, -1);
}

static StoredPair *
find_pair(const StoredColumn *column, int32 other)
{
	int32 low = 0;
	int32 high = column->n_pairs - 1;

	while (low < high)
	{
		int32 middle = low + (high - low) / 2;

		if (column->pairs[middle].column < other)
			low = middle + 1;
		else
			high = middle;
	}
	return low == high && column->pairs[low].column == other ? &column->pairs[low] : NULL;
}

static PairSearch
make_search(const KnnMatrix *matrix, const KnnOptions *options, StoredPairs *stored,
			Candidates *found, Budget *budget)
{
	int32 n = stored->n_all;

	return (PairSearch){.matrix = matrix,
						.options = options,
						.stored = stored,
						.found = found,
						.growth = 1,
						.shortest = 1,
						.swept = budget_alloc(budget, n, sizeof(bool), "changes"),
						.need = budget_alloc(budget, n, sizeof(double), "changes"),
						.sums = budget_alloc(budget, n, sizeof(RunningSums), "changes"),
						.touched = budget_alloc(budget, 2 * (Size) n, sizeof(int32), "changes")};
}

/*
 * Bring stored pairs to weights that count other columns.  False if what that
 * does to the pairs that are not kept has no bound, or to those that are is not
 * known.
 */
static bool
change_weights(PairSearch *search, const Ratings *ratings)
{
	const StoredPairs *stored = search->stored;
	double shift = refresh_idf(ratings->n_columns, stored->n_stored);

	if (ratings->n_columns == stored->n_stored)
		return true;
	if (!search->totals)
		return false;
	search->growth = 0;
	for (int matrix = 0; matrix < 2; matrix++)
	{
		const int64 *start = matrix == 0 ? ratings->row_start : stored->went.row_start;
		int32 n_rows = matrix == 0 ? ratings->n_rows : stored->n_rows;

		for (int32 row = 0; row < n_rows; row++)
		{
			int64 n = start[row + 1] - start[row];
			double then = refresh_idf(stored->n_stored, n);
			double ratio = refresh_idf(ratings->n_columns, n) / then;

			if (n > 1 && then <= 0)
				return false;
			if (n > 1)
				search->growth = Max(search->growth, ratio * ratio);
		}
	}
	for (int32 column = 0; column < ratings->n_columns; column++)
		for (int32 i = 0; i < stored->columns[column].n_pairs; i++)
		{
			PairSums *sums = &stored->columns[column].pairs[i].sums;

			sums->product += shift * (2.0 * sums->total + shift * sums->support);
			sums->total += shift * sums->support;
		}
	return true;
}

/*
 * Step 1: bring the sums of stored pairs up to date.
 */
static void
update_stored(PairSearch *search)
{
	const KnnMatrix *came = &search->stored->came;
	const KnnMatrix *went = &search->stored->went;

	for (int32 column = 0; column < search->matrix->n_columns; column++)
	{
		const StoredColumn *stored = &search->stored->columns[column];

		if (came->column_start[column] == came->column_start[column + 1] &&
			went->column_start[column] == went->column_start[column + 1])
			continue;
		add_changes(search, column);
		for (int32 i = 0; i < stored->n_pairs; i++)
		{
			const RunningSums *change = &search->sums[stored->pairs[i].column];
			PairSums *sums = &stored->pairs[i].sums;

			sums->product += change->product;
			sums->total += search->totals ? change->total : 0;
			sums->support += change->support;
		}
		clear_sums(search);
	}
}

/*
 * What pairs that are not known must stay below, from those that are stored: below
 * the k-th best or, where there are fewer, below what is any similarity.
 */
static void
find_needs(PairSearch *search, Budget *budget)
{
	int32 k = search->options->k;
	Size room = 0;
	double *scores;

	for (int32 column = 0; column < search->matrix->n_columns; column++)
		room = Max(room, search->stored->columns[column].n_pairs);
	scores = budget_alloc(budget, room, sizeof(double), "changes");
	for (int32 column = 0; column < search->matrix->n_columns; column++)
	{
		const StoredColumn *stored = &search->stored->columns[column];
		int32 n = 0;

		for (int32 i = 0; i < stored->n_pairs; i++)
		{
			StoredPair pair = stored->pairs[i];
			double similarity =
				pair_similarity(search, column, pair.column, pair.sums.product, pair.sums.support);

			if (!isnan(similarity))
				scores[n++] = similarity;
		}
		search->need[column] = n < k ? Max(search->options->min_similarity, NEGLIGIBLE)
									 : quickselect(scores, n, n - k);
	}
}

/*
 * Make the stored pairs of which no column is swept candidates of both.
 */
static void
offer_stored(const PairSearch *search)
{
	const StoredColumn *columns = search->stored->columns;

	for (int round = 0; round < 2; round++)
		for (int32 column = 0; column < search->matrix->n_columns; column++)
		{
			candidate_heap *heap = &search->found->heaps[column];

			CHECK_FOR_INTERRUPTS();
			for (int32 i = 0; i < columns[column].n_pairs && !search->swept[column]; i++)
			{
				int32 other = columns[column].pairs[i].column;
				PairSums sums = columns[column].pairs[i].sums;
				double similarity =
					pair_similarity(search, column, other, sums.product, sums.support);

				if (isnan(similarity) || search->swept[other])
					continue;
				if (round == 0 && heap->n < heap->capacity)
					heap->entries[heap->n++] = (candidate_entry){(float) similarity, other, sums};
				else if (round == 1 && find_pair(&columns[other], column) == NULL)
					offer_pair(search, other, column, similarity, sums);
			}
			if (round == 0)
				candidate_build(heap);
		}
}

/*
 * At least the number of ratings of a column, then and now.
 */
static double
most_ratings(const PairSearch *search, int32 column)
{
	const int64 *now = search->matrix->column_start;
	const int64 *went = search->stored->went.column_start;

	return (now[column + 1] - now[column]) + (went[column + 1] - went[column]);
}

/*
 * A pair that is not stored: is it certain that it is no neighbor?  Else its less
 * popular column is to be swept.
 */
static void
bound_pair(PairSearch *search, int32 a, int32 b)
{
	const StoredColumn *x = &search->stored->columns[a];
	const StoredColumn *y = &search->stored->columns[b];
	const KnnOptions *options = search->options;
	float *bound = search->found->bound;
	const RunningSums *change = &search->sums[b];
	double norms = search->found->norm[a] * search->found->norm[b];
	double shrinkage = options->shrinkage;
	double m = Min(most_ratings(search, a), most_ratings(search, b));
	double f = m / (m + shrinkage);
	double steepest = Min(m, shrinkage);
	double product =
		Min(Min(x->bound, y->bound) * x->norm * y->norm * search->growth, m * search->square * f);

	if (!(norms > 0))
		return;
	if (options->min_support > 1)
		product = Max(product, search->square * (options->min_support - 1));
	if (shrinkage > 0)
		product += search->square * Max(change->support, 0) * steepest * shrinkage /
				   ((steepest + shrinkage) * (steepest + shrinkage));
	product = (product + Max(change->product, 0) * f) / norms * ROUNDED_UP;
	if (product < search->need[a] && product < search->need[b])
	{
		bound[a] = Max(bound[a], product);
		bound[b] = Max(bound[b], product);
	}
	else
		search->swept[Max(a, b)] = true;
}

/*
 * Step 2: the columns that must be swept, and the bounds of the others.
 */
static void
find_uncertain(PairSearch *search)
{
	const StoredColumn *columns = search->stored->columns;
	const double *norm = search->found->norm;
	int32 n = search->matrix->n_columns;

	for (int32 column = 0; column < n; column++)
	{
		double longer = norm[column] > 0 ? columns[column].norm / norm[column] : 0;

		/* A column that was not there is known by its rows, as all are new. */
		search->swept[column] = columns[column].norm == 0 || longer > 1 + SHORTENED;
		if (!search->swept[column])
			search->shortest = Max(search->shortest, longer);
	}
	for (int32 column = 0; column < n; column++)
	{
		if (search->swept[column])
			continue;
		add_changes(search, column);
		for (int32 i = 0; i < search->n_touched; i++)
		{
			int32 other = search->touched[i];

			if (other > column && other < n && !search->swept[other] &&
				find_pair(&columns[column], other) == NULL &&
				find_pair(&columns[other], column) == NULL)
				bound_pair(search, column, other);
		}
		clear_sums(search);
	}
	for (int32 column = 0; column < n; column++)
	{
		double bound;

		if (search->swept[column] || norm[column] == 0)
			continue;
		bound = columns[column].bound * search->growth * columns[column].norm / norm[column] *
				search->shortest * ROUNDED_UP;
		if (bound < search->need[column])
			search->found->bound[column] = Max(search->found->bound[column], bound);
		else
			search->swept[column] = true;
	}
}

/*
 * Additions that the sweeps will do, and those of sweeps of all columns.
 */
static void
count_work(const PairSearch *search, int64 *work, int64 *total)
{
	const KnnMatrix *matrix = search->matrix;

	*work = *total = 0;
	for (int32 column = 0; column < matrix->n_columns; column++)
		for (int64 p = matrix->column_start[column]; p < matrix->column_start[column + 1]; p++)
		{
			int32 row = matrix->column_row[p];
			int64 length = matrix->row_start[row + 1] - matrix->row_start[row];

			*total += length;
			*work += search->swept[column] ? length : 0;
		}
}

/*
 * Step 3: make columns anew.
 */
static void
sweep_columns(PairSearch *search)
{
	for (int32 column = 0; column < search->matrix->n_columns; column++)
	{
		if (!search->swept[column])
			continue;
		add_sums(search, search->matrix, column, 1);
		for (int32 i = 0; i < search->n_touched; i++)
		{
			int32 other = search->touched[i];
			const RunningSums *sums = &search->sums[other];
			double similarity =
				pair_similarity(search, column, other, sums->product, sums->support);
			PairSums pair = {sums->product, search->totals ? sums->total : 0, sums->support};

			if (other == column || isnan(similarity))
				continue;
			offer_pair(search, column, other, similarity, pair);
			if (!search->swept[other])
				offer_pair(search, other, column, similarity, pair);
		}
		clear_sums(search);
	}
}

/*
 * The candidates of all columns of ratings that have been centered and weighted,
 * from what was stored, which changes; in memory of the budget, with a part of it
 * to work in.  NULL if that does not say enough, or if a full search is
 * faster.  Only cosine over all ratings can be had in this way, with values that
 * depend on the row alone (its ratings, and the number of columns).
 */
Candidates *
refresh_changed(Ratings *ratings, const NeighborOptions *options, StoredPairs *stored, Budget *part,
				Budget *budget)
{
	KnnMatrix matrix = refresh_whole(ratings);
	Candidates *found = refresh_candidates(&matrix, options->knn.k, budget);
	PairSearch search = make_search(&matrix, &options->knn, stored, found, part);
	int64 work;
	int64 total;

	for (int64 p = 0; p < ratings->n_ratings; p++)
		search.square =
			Max(search.square, (double) ratings->entries[p].value * ratings->entries[p].value);
	for (int64 p = 0; p < stored->went.row_start[stored->n_rows]; p++)
		search.square = Max(search.square,
							(double) stored->went.entries[p].value * stored->went.entries[p].value);
	search.totals = options->weighting == WEIGHT_TFIDF && !ratings->has_values;
	if (options->weighting == WEIGHT_TFIDF && !change_weights(&search, ratings))
		return NULL;
	update_stored(&search);
	find_needs(&search, part);
	find_uncertain(&search);
	count_work(&search, &work, &total);
	ereport(DEBUG1, (errmsg_internal("socrec: %.1f %% of the sums of pairs are made anew",
									 100.0 * work / Max(total, 1))));
	if (work > SWEEP_SHARE * total)
		return NULL;
	refresh_heaps(&matrix, found, budget);
	offer_stored(&search);
	sweep_columns(&search);
	for (int32 column = 0; column < matrix.n_columns; column++)
		if (search.swept[column])
			found->bound[column] = 0;
	refresh_finish(found, matrix.n_columns, &options->knn);
	return found;
}
