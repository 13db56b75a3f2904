/*
 * neighborhood.c
 *		The nearest neighbors of all columns of a rating matrix: options are
 *		checked, ratings centered and weighted, and columns compared in blocks.
 *
 * The computation itself is knn.c.
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "knn.h"
#include "neighborhood.h"
#include "ratings.h"
#include "socrec.h"

#define MAX_NEIGHBORS 100000

/* Ratings in a block of columns, between two reports of progress. */
#define BLOCK_RATINGS 100000

/*
 * The position of a word in a list of choices ending with NULL, or an error
 * that names them all.
 */
static int
parse_choice(const char *what, const char *word, const char *const *choices)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; choices[i] != NULL; i++)
	{
		if (strcmp(word, choices[i]) == 0)
			return i;
		appendStringInfo(&list, "%s%s", i == 0 ? "" : ", ", choices[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown %s \"%s\"", what, word),
			 errhint("Use one of: %s.", list.data)));
}

static double
nonnegative(double value, const char *name)
{
	if (!(value >= 0) || isinf(value))
		invalid_argument("%s must be a finite number of at least 0, not %g", name, value);
	return value;
}

/*
 * The regularization of the baseline, for a matrix whose columns are items, or
 * users.
 */
BaselineOptions
neighborhood_baseline(const NeighborArguments *given, bool users)
{
	double items = given->item_regularization;
	double others = given->user_regularization;
	BaselineOptions options;

	options.column_regularization = nonnegative(users ? others : items, "regularization");
	options.row_regularization = nonnegative(users ? items : others, "regularization");
	options.rows_last = !users; /* always items first, then users */
	options.epochs = given->baseline_epochs;
	if (options.epochs < 0 || options.epochs > 1000)
		invalid_argument("baseline_epochs must be between 0 and 1000, not %d", options.epochs);
	return options;
}

/*
 * Numbers of the options that knn.c takes, but the similarity.
 */
static KnnOptions
knn_options(const NeighborArguments *given)
{
	KnnOptions options = {
		.k = given->k, .min_support = given->min_support, .min_similarity = given->min_similarity};

	if (options.k < 0 || options.k > MAX_NEIGHBORS)
		invalid_argument("k must be between 0 and %d, not %d", MAX_NEIGHBORS, options.k);
	if (options.min_support < 1)
		invalid_argument("min_support must be at least 1, not %d", options.min_support);
	options.shrinkage = nonnegative(given->shrinkage, "shrinkage");
	if (!(options.min_similarity >= -1 && options.min_similarity <= 1))
		invalid_argument("min_similarity must be between -1 and 1, not %g", options.min_similarity);
	return options;
}

/*
 * Check all options, for a matrix whose columns are items, or users.
 */
NeighborOptions
neighborhood_options(const NeighborArguments *given, bool users)
{
	static const char *const similarities[] = {"cosine",    "corated_cosine",  "pearson", "jaccard",
											   "euclidean", "adjusted_cosine", NULL};
	static const char *const item_centers[] = {"none", "user", "item", "baseline", NULL};
	static const char *const user_centers[] = {"none", "item", "user", "baseline", NULL};
	static const char *const weightings[] = {"none", "tfidf", "bm25", NULL};
	NeighborOptions options;
	int similarity;

	options.knn = knn_options(given);
	options.centering = parse_choice("center", given->center, users ? user_centers : item_centers);
	options.weighting = parse_choice("weighting", given->weighting, weightings);
	if (options.weighting != WEIGHT_NONE && options.centering != CENTER_NONE)
		invalid_argument("weighting and center cannot be combined");

	similarity = parse_choice("similarity", given->similarity, similarities);
	if (similarity > KNN_EUCLIDEAN)
	{
		/* Adjusted cosine: off the row's mean, over co-rated pairs. */
		if (options.centering != CENTER_NONE || options.weighting != WEIGHT_NONE)
			invalid_argument("adjusted_cosine centers itself: leave center and weighting at none");
		options.knn.similarity = KNN_CORATED_COSINE;
		options.centering = CENTER_ROW;
	}
	else
		options.knn.similarity = similarity;

	/*
	 * What is taken off a column does not change Pearson's correlation.  An
	 * integer near the mean keeps the sums small, and exact where ratings come
	 * in halves: a correlation of zero is then zero and not noise.
	 */
	if (options.knn.similarity == KNN_PEARSON && options.weighting == WEIGHT_NONE &&
		(options.centering == CENTER_NONE || options.centering == CENTER_COLUMN))
		options.centering = CENTER_ROUNDED;

	options.baseline = neighborhood_baseline(given, users);
	return options;
}

static void
poll_interrupts(void *argument)
{
	CHECK_FOR_INTERRUPTS();
}

static KnnMatrix
knn_matrix(const Ratings *ratings)
{
	return (KnnMatrix){.n_rows = ratings->n_rows,
					   .n_columns = ratings->n_columns,
					   .row_start = ratings->row_start,
					   .entries = ratings->entries,
					   .column_start = ratings->column_start,
					   .column_row = ratings->column_row};
}

/*
 * Heaps for every column, each with the room that it can fill.
 */
static neighbor_heap *
make_heaps(const KnnMatrix *matrix, int32 k, Budget *budget)
{
	neighbor_heap *heaps =
		budget_alloc(budget, matrix->n_columns, sizeof(neighbor_heap), "neighbors");
	neighbor_entry *entries;
	Size total = 0;

	for (int32 column = 0; column < matrix->n_columns && k > 0; column++)
	{
		heaps[column].capacity =
			(int32) Min(knn_capacity(matrix, column, k), matrix->n_columns - 1);
		total += heaps[column].capacity;
	}
	entries = budget_alloc(budget, total, sizeof(neighbor_entry), "neighbors");
	for (int32 column = 0; column < matrix->n_columns; column++)
	{
		heaps[column].entries = entries;
		entries += heaps[column].capacity;
	}
	return heaps;
}

/*
 * What a pass over the columns works in, taken from a part of the budget.
 */
static KnnWorkspace
make_workspace(const KnnMatrix *matrix, KnnSimilarity similarity, Budget *part)
{
	KnnWorkspace work = {.next = -1, .poll = poll_interrupts};

	work.cursor = budget_alloc(part, matrix->n_rows, sizeof(int64), "neighbors");
	work.support = budget_alloc(part, matrix->n_columns, sizeof(int32), "neighbors");
	work.touched = budget_alloc(part, matrix->n_columns, sizeof(int32), "neighbors");
	if (knn_needs_sums(similarity))
		work.sums = budget_alloc(part, matrix->n_columns, sizeof(KnnSums), "neighbors");
	else
		work.xy = budget_alloc(part, matrix->n_columns, sizeof(double), "neighbors");
	work.worst = budget_alloc(part, matrix->n_columns, sizeof(float), "neighbors");
	for (int32 column = 0; column < matrix->n_columns; column++)
		work.worst[column] = -INFINITY;
	return work;
}

/*
 * Fill the heaps, in blocks of columns.
 */
static void
compare_columns(const KnnMatrix *matrix, const KnnOptions *options, Neighborhood *found,
				Budget *budget, Progress *progress)
{
	int64 n_ratings = matrix->row_start[matrix->n_rows];
	int32 first = 0;
	Budget part;
	KnnWorkspace work;

	budget_part(&part, budget);
	work = make_workspace(matrix, options->similarity, &part);
	work.norm = found->norm;
	work.heaps = found->heaps;
	while (first < matrix->n_columns)
	{
		int32 end = first + 1;

		while (end < matrix->n_columns &&
			   matrix->column_start[end] - matrix->column_start[first] < BLOCK_RATINGS)
			end++;
		knn_columns(matrix, options, &work, first, end);
		progress_report(progress, "%.0f %% done", 100.0 * matrix->column_start[end] / n_ratings);
		first = end;
	}
	MemoryContextDelete(part.context);
}

#define ST_SORT sort_by_id
#define ST_ELEMENT_TYPE neighbor_entry
#define ST_COMPARE(a, b) ((a)->id < (b)->id ? -1 : (a)->id > (b)->id)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * The neighbors of all columns, in memory of the budget.  Centers and weights the
 * ratings in place; statistics are those of the matrix before.
 */
Neighborhood *
neighborhood_find(Ratings *ratings, const RatingStatistics *statistics,
				  const NeighborOptions *options, Budget *budget, Progress *progress)
{
	Neighborhood *found = budget_alloc(budget, 1, sizeof(Neighborhood), "neighbors");
	TimestampTz started = GetCurrentTimestamp();
	KnnMatrix matrix;

	ratings_center(ratings, statistics, options->centering);
	ratings_weight(ratings, options->weighting);
	matrix = knn_matrix(ratings);
	found->norm = budget_alloc(budget, matrix.n_columns, sizeof(double), "neighbors");
	knn_norms(&matrix, found->norm);
	found->heaps = make_heaps(&matrix, options->knn.k, budget);
	if (options->knn.k > 0)
		compare_columns(&matrix, &options->knn, found, budget, progress);
	for (int32 column = 0; column < matrix.n_columns; column++)
	{
		if (column % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		sort_by_id(found->heaps[column].entries, found->heaps[column].n);
	}
	ereport(DEBUG1, (errmsg_internal("socrec: found neighbors of %d in %.3f s", ratings->n_columns,
									 (GetCurrentTimestamp() - started) / 1e6)));
	return found;
}
