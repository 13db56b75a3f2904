/*
 * neighborhood.c
 *		The nearest neighbors of all columns of a rating matrix: options are
 *		checked, ratings centered and weighted, and columns compared in blocks.
 *
 * The computation itself is knn.c; blocks are shared with parallel workers.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "knn.h"
#include "neighborhood.h"
#include "parallel.h"
#include "ratings.h"
#include "socrec.h"

#define MAX_NEIGHBORS 100000

/*
 * Ratings in a block of columns, the least that a process does at a time; there are
 * as many blocks for small tables.
 */
#define BLOCK_RATINGS 100000
#define MIN_BLOCKS 64

/* Additions that are worth parallel workers, which take some 10 ms to start. */
#define PARALLEL_WORK 20e6

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
	return options;
}

/*
 * Check all options, for a matrix whose columns are items, or users.
 */
NeighborOptions
neighborhood_options(const NeighborArguments *given, bool users)
{
	/* The words of KnnSimilarity, and two of what is co-rated cosine of something. */
	static const char *const similarities[] = {
		"cosine", "corated_cosine", "pearson",         "jaccard",          "euclidean",
		"llr",    "conditional",    "adjusted_cosine", "pearson_baseline", NULL};
	static const char *const item_centers[] = {"none", "user", "item", "baseline", NULL};
	static const char *const user_centers[] = {"none", "item", "user", "baseline", NULL};
	static const char *const weightings[] = {"none", "tfidf", "bm25", NULL};
	NeighborOptions options;
	int similarity;

	options.knn = knn_options(given);
	options.centering =
		choice_argument("center", given->center, users ? user_centers : item_centers);
	options.weighting = choice_argument("weighting", given->weighting, weightings);
	if (options.weighting != WEIGHT_NONE && options.centering != CENTER_NONE)
		invalid_argument("weighting and center cannot be combined");

	similarity = choice_argument("similarity", given->similarity, similarities);
	if (similarity <= KNN_CONDITIONAL)
		options.knn.similarity = similarity;
	else
	{
		bool adjusted = similarity == KNN_CONDITIONAL + 1;
		Centering own = adjusted ? CENTER_ROW : CENTER_BASELINE;

		/* Off the row's mean, or off the baseline, over co-rated pairs. */
		if ((options.centering != CENTER_NONE && (adjusted || options.centering != own)) ||
			options.weighting != WEIGHT_NONE)
			invalid_argument("%s centers itself: leave center and weighting at none",
							 similarities[similarity]);
		options.knn.similarity = KNN_CORATED_COSINE;
		options.knn.support_lost = adjusted ? 0 : 1;
		options.centering = own;
	}
	if (!(options.knn.min_similarity >= -1 && options.knn.min_similarity <= 1) &&
		!(options.knn.similarity == KNN_LLR && isfinite(options.knn.min_similarity)))
		invalid_argument("min_similarity must be between -1 and 1, not %g",
						 options.knn.min_similarity);

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
 * The area that processes share: this, and behind it arrays at the given offsets.
 * Each process that takes part has a place of its own for the neighbors that it
 * finds, as both columns of a pair get it as a neighbor.
 */
typedef struct Search
{
	KnnShape shape;
	KnnOptions options;
	int32 n_blocks;
	int32 n_places;
	pg_atomic_uint32 next_place;
	Size n_room;      /* neighbors that fit into a place */
	Size block_start; /* int32, n_blocks + 1: the first column of each block */
	Size capacity;    /* int32, one a column: of its list */
	Size packed;      /* what knn_packed_place lays out */
	Size found;       /* int32, one a column and place: neighbors found */
	Size neighbors;   /* neighbor_entry, n_room a place: lists */
} Search;

/* The leader's, while it is searching. */
static Progress *search_progress = NULL;

PGDLLEXPORT void socrec_find_neighbors(void *memory, ParallelCursor *cursor);

/*
 * Where the arrays stand in the area; returns its size.
 */
static Size
lay_out(Search *search)
{
	KnnPacked packed;
	Size size = 0;
	Size n_columns = search->shape.n_columns;

	(void) parallel_place(&size, 1, sizeof(Search));
	search->packed = parallel_place(&size, 1, knn_packed_place(&packed, &search->shape, NULL));
	search->block_start = parallel_place(&size, (Size) search->n_blocks + 1, sizeof(int32));
	search->capacity = parallel_place(&size, n_columns, sizeof(int32));
	search->found = parallel_place(&size, n_columns * search->n_places, sizeof(int32));
	search->neighbors =
		parallel_place(&size, mul_size(search->n_room, search->n_places), sizeof(neighbor_entry));
	return size;
}

/*
 * The lists of all columns, which lie in the given place; to begin with, or as they
 * were left there.
 */
static neighbor_heap *
lists_of(const Search *search, int32 place)
{
	int32 n_columns = search->shape.n_columns;
	const int32 *capacity = PARALLEL_ARRAY(search, capacity, int32);
	const int32 *found = PARALLEL_ARRAY(search, found, int32) + (Size) place * n_columns;
	neighbor_entry *entries =
		PARALLEL_ARRAY(search, neighbors, neighbor_entry) + place * search->n_room;
	neighbor_heap *lists =
		MemoryContextAllocHuge(CurrentMemoryContext, Max(n_columns, 1) * sizeof(neighbor_heap));

	for (int32 column = 0; column < n_columns; column++)
	{
		lists[column] = (neighbor_heap){entries, found[column], capacity[column]};
		entries += capacity[column];
	}
	return lists;
}

/*
 * The task of each process: the neighbors among pairs of which the first column is
 * in a block that this process has taken.
 */
void
socrec_find_neighbors(void *memory, ParallelCursor *cursor)
{
	Search *search = memory;
	const int32 *block_start = PARALLEL_ARRAY(search, block_start, int32);
	int32 n_columns = search->shape.n_columns;
	int32 place = (int32) pg_atomic_fetch_add_u32(&search->next_place, 1);
	int32 *found = PARALLEL_ARRAY(search, found, int32) + (Size) place * n_columns;
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "socrec neighbors", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	KnnWorkspace work = {.poll = poll_interrupts, .lists = lists_of(search, place)};
	KnnPacked packed;
	uint64 block;

	Assert(place < search->n_places);
	knn_packed_place(&packed, &search->shape, (char *) search + search->packed);
	knn_workspace_place(&work, &search->shape,
						MemoryContextAllocExtended(context,
												   knn_workspace_place(&work, &search->shape, NULL),
												   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
	knn_workspace_fill(&work, &packed, &search->options);
	while (parallel_next(cursor, &block))
	{
		knn_columns(&packed, &search->options, &work, block_start[block], block_start[block + 1]);
		if (search_progress != NULL)
			progress_report(search_progress, "%.0f %% done",
							100.0 * packed.column_start[block_start[block + 1]] /
								search->shape.n_entries);
	}
	for (int32 column = 0; column < n_columns; column++)
	{
		if (work.lists[column].n > search->options.k)
			knn_keep_best(&work.lists[column], search->options.k);
		found[column] = work.lists[column].n;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/*
 * Divide the columns into blocks of about so many ratings, writing their first
 * columns and the end of the last to starts unless that is NULL; returns their
 * number.
 */
static int32
divide_columns(const KnnMatrix *matrix, int64 block_ratings, int32 *starts)
{
	int32 n_blocks = 0;

	for (int32 first = 0; first < matrix->n_columns; n_blocks++)
	{
		int32 end = first + 1;

		while (end < matrix->n_columns &&
			   matrix->column_start[end] - matrix->column_start[first] < block_ratings)
			end++;
		if (starts != NULL)
			starts[n_blocks + 1] = end;
		first = end;
	}
	return n_blocks;
}

/*
 * The additions that a search of all pairs does.
 */
static double
search_work(const KnnMatrix *matrix)
{
	double work = 0;

	for (int32 row = 0; row < matrix->n_rows; row++)
	{
		double n = (double) (matrix->row_start[row + 1] - matrix->row_start[row]);

		work += n * (n - 1) / 2;
	}
	return work;
}

/*
 * Make and fill the area for a search.  Processes beside this one are worth their
 * start only for some work, and must have room for their neighbors.
 */
static void
start_search(ParallelArea *area, const KnnMatrix *matrix, const KnnOptions *options,
			 const double *norm, Budget *budget)
{
	Search layout = {.shape = knn_shape(matrix, norm, options->similarity), .options = *options};
	int64 block_ratings = Max(Min(BLOCK_RATINGS, layout.shape.n_entries / MIN_BLOCKS), 1);
	int32 *capacity = budget_alloc(budget, matrix->n_columns, sizeof(int32), "neighbors");
	int64 *row_next = budget_alloc(budget, matrix->n_rows, sizeof(int64), "neighbors");
	bool shared = max_parallel_maintenance_workers > 0 && search_work(matrix) >= PARALLEL_WORK;
	KnnWorkspace work;
	KnnPacked packed;
	Search *search;
	Size work_size;
	Size size;

	for (int32 column = 0; column < matrix->n_columns; column++)
	{
		capacity[column] = knn_room(matrix, column, options->k);
		layout.n_room += capacity[column];
	}
	layout.n_blocks = divide_columns(matrix, block_ratings, NULL);
	work_size =
		knn_workspace_place(&work, &layout.shape, NULL) + matrix->n_columns * sizeof(neighbor_heap);
	layout.n_places = 1 + (shared ? max_parallel_maintenance_workers : 0);
	size = lay_out(&layout);
	if (shared && !budget_fits(budget, add_size(size, mul_size(work_size, layout.n_places))))
	{
		ereport(DEBUG1, (errmsg_internal("socrec: no room for the neighbors of workers")));
		shared = false;
		layout.n_places = 1;
		size = lay_out(&layout);
	}
	budget_check(budget, add_size(size, mul_size(work_size, layout.n_places)), "neighbors");
	parallel_area_init(area, budget, size, shared, "neighbors");
	search = area->memory;
	*search = layout;
	pg_atomic_init_u32(&search->next_place, 0);
	memcpy(PARALLEL_ARRAY(search, capacity, int32), capacity, matrix->n_columns * sizeof(int32));
	divide_columns(matrix, block_ratings, PARALLEL_ARRAY(search, block_start, int32));
	knn_packed_place(&packed, &search->shape, (char *) search + search->packed);
	knn_packed_fill(&packed, matrix, norm, options->similarity, row_next, poll_interrupts, NULL);
	pfree(row_next);
	pfree(capacity);
}

#define ST_SORT sort_by_id
#define ST_ELEMENT_TYPE neighbor_entry
#define ST_COMPARE(a, b) ((a)->id < (b)->id ? -1 : (a)->id > (b)->id)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * The k best of what all processes have found, by rising number.
 */
static neighbor_heap *
end_search(Search *search, Budget *budget)
{
	int32 n_columns = search->shape.n_columns;
	int32 k = search->options.k;
	int32 n_places = Min((int32) pg_atomic_read_u32(&search->next_place), search->n_places);
	neighbor_heap *found = budget_alloc(budget, n_columns, sizeof(neighbor_heap), "neighbors");
	neighbor_heap **lists = palloc(n_places * sizeof(neighbor_heap *));
	neighbor_heap all = {.entries = palloc((Size) n_places * k * sizeof(neighbor_entry))};
	neighbor_entry *entries;
	Size total = 0;

	for (int32 place = 0; place < n_places; place++)
		lists[place] = lists_of(search, place);
	for (int32 column = 0; column < n_columns; column++)
	{
		for (int32 place = 0; place < n_places; place++)
			found[column].n += lists[place][column].n;
		total += Min(found[column].n, k);
	}
	entries = budget_alloc(budget, total, sizeof(neighbor_entry), "neighbors");
	for (int32 column = 0; column < n_columns; column++)
	{
		if (column % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		all.n = 0;
		for (int32 place = 0; place < n_places; place++)
		{
			const neighbor_heap *list = &lists[place][column];

			memcpy(all.entries + all.n, list->entries, list->n * sizeof(neighbor_entry));
			all.n += list->n;
		}
		if (all.n > k)
			knn_keep_best(&all, k);
		sort_by_id(all.entries, all.n);
		memcpy(entries, all.entries, all.n * sizeof(neighbor_entry));
		found[column] = (neighbor_heap){entries, all.n, all.n};
		entries += all.n;
	}
	for (int32 place = 0; place < n_places; place++)
		pfree(lists[place]);
	pfree(lists);
	pfree(all.entries);
	return found;
}

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
	ParallelArea area;
	KnnMatrix matrix;

	ratings_center(ratings, statistics, options->centering);
	ratings_weight(ratings, options->weighting);
	matrix = knn_matrix(ratings);
	found->norm = budget_alloc(budget, matrix.n_columns, sizeof(double), "neighbors");
	knn_norms(&matrix, found->norm);
	if (options->knn.k == 0 || matrix.n_columns == 0)
		found->heaps = budget_alloc(budget, matrix.n_columns, sizeof(neighbor_heap), "neighbors");
	else
	{
		start_search(&area, &matrix, &options->knn, found->norm, budget);
		search_progress = progress;
		parallel_run(&area, socrec_find_neighbors, "socrec_find_neighbors",
					 ((Search *) area.memory)->n_blocks);
		search_progress = NULL;
		found->heaps = end_search(area.memory, budget);
		parallel_area_free(&area);
	}
	ereport(DEBUG1, (errmsg_internal("socrec: found neighbors of %d in %.3f s", ratings->n_columns,
									 (GetCurrentTimestamp() - started) / 1e6)));
	return found;
}
