/*
 * weights_fit.c
 *		Item weights: options, the memory that workers share, and what comes of it.
 *
 * The ratings are copied to an area of shared memory, and a method's task fills
 * the room that every column has there for the weights it keeps.
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "linear.h"
#include "method.h"
#include "weights.h"

/* Fewer are learned before workers have started. */
#define PARALLEL_COLUMNS 1000

static const WeightMethod *const weight_methods[] = {&weight_ease, &weight_slim, &weight_slope_one};

/* Of the leader, while it works; workers do not report. */
static Progress *weights_progress = NULL;

/*
 * The method of that name, or an error that names them all.
 */
const WeightMethod *
weights_method(const char *name)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < lengthof(weight_methods); i++)
	{
		if (strcmp(name, weight_methods[i]->name) == 0)
			return weight_methods[i];
		appendStringInfo(&list, "%s%s", i == 0 ? "" : ", ", weight_methods[i]->name);
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("method \"%s\" learns no weights of items", name),
					errhint("Use one of: %s.", list.data)));
}

static double
number_option(Jsonb *options, const char *name, double least, double most)
{
	double value = method_number(options, name);

	if (!(value >= least && value <= most))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"%s\" must be between %g and %g, not %g", name, least, most,
							   value)));
	return value;
}

static WeightOptions
read_options(const WeightMethod *method, Jsonb *options)
{
	WeightOptions read = {.k = (int32) number_option(options, "k", 0, MAX_WEIGHTS)};

	if (method->binarizes)
	{
		read.binarize = method_boolean(options, "binarize");
		/* A regression has no single solution without, slim's is kept from it by l1. */
		read.l2 = number_option(options, "l2", method->is_sparse ? 0 : 1e-6, 1e12);
	}
	if (method->is_sparse)
	{
		read.l1 = number_option(options, "l1", 0, 1e12);
		read.epochs = (int32) number_option(options, "epochs", 1, 100000);
	}
	if (method->has_deviations)
		read.weighted = method_boolean(options, "weighted");
	return read;
}

KnnMatrix
weights_matrix(const WeightArea *area)
{
	return (KnnMatrix){.n_rows = area->n_rows,
					   .n_columns = area->n_columns,
					   .row_start = PARALLEL_ARRAY(area, row_start, int64),
					   .entries = PARALLEL_ARRAY(area, entries, KnnEntry),
					   .column_start = PARALLEL_ARRAY(area, column_start, int64),
					   .column_row = PARALLEL_ARRAY(area, column_row, int32)};
}

/*
 * Tell how far the task is, if this is the leader.
 */
void
weights_report(uint64 block, const ParallelCursor *cursor)
{
	if (weights_progress != NULL)
		progress_report(weights_progress, "%.0f %% done", 100.0 * block / cursor->n_blocks);
}

#define ST_SORT sort_by_id
#define ST_ELEMENT_TYPE neighbor_entry
#define ST_COMPARE(a, b) ((a)->id < (b)->id ? -1 : (a)->id > (b)->id)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * Sort what a column keeps by number.
 */
void
weights_sort(neighbor_heap *heap)
{
	sort_by_id(heap->entries, heap->n);
}

static void
fill_area(WeightArea *area, const Ratings *ratings, const int64 *first)
{
	KnnEntry *entries = PARALLEL_ARRAY(area, entries, KnnEntry);

	memcpy(PARALLEL_ARRAY(area, row_start, int64), ratings->row_start,
		   (ratings->n_rows + 1) * sizeof(int64));
	memcpy(entries, ratings->entries, ratings->n_ratings * sizeof(KnnEntry));
	memcpy(PARALLEL_ARRAY(area, column_start, int64), ratings->column_start,
		   (ratings->n_columns + 1) * sizeof(int64));
	memcpy(PARALLEL_ARRAY(area, column_row, int32), ratings->column_row,
		   ratings->n_ratings * sizeof(int32));
	memcpy(PARALLEL_ARRAY(area, first, int64), first, (ratings->n_columns + 1) * sizeof(int64));
	for (int64 p = 0; p < ratings->n_ratings && area->options.binarize; p++)
		entries[p].value = 1;
}

/*
 * The room that each column has among what is found.  With deviations, columns that no
 * row has together have nothing.
 */
static int64 *
make_room(const Ratings *ratings, const WeightMethod *method, int32 k, Budget *budget)
{
	int64 *first = budget_alloc(budget, (Size) ratings->n_columns + 1, sizeof(int64), "weights");
	int32 most = Max(ratings->n_columns - 1, 0);
	KnnMatrix matrix = {.n_columns = ratings->n_columns,
						.row_start = ratings->row_start,
						.column_start = ratings->column_start,
						.column_row = ratings->column_row};

	if (k > 0)
		most = Min(most, k);
	for (int32 column = 0; column < ratings->n_columns; column++)
		first[column + 1] =
			first[column] + (method->has_deviations ? knn_capacity(&matrix, column, most) : most);
	return first;
}

/*
 * The shared memory of a fit, filled.
 */
static WeightArea *
make_area(ParallelArea *shared, const Ratings *ratings, const WeightMethod *method,
		  const WeightOptions *options, Budget *budget)
{
	int64 *first = make_room(ratings, method, options->k, budget);
	int32 n = ratings->n_columns;
	WeightArea area = {.options = *options, .n_rows = ratings->n_rows, .n_columns = n};
	Size size = 0;

	(void) parallel_place(&size, 1, sizeof(WeightArea));
	area.row_start = parallel_place(&size, (Size) ratings->n_rows + 1, sizeof(int64));
	area.entries = parallel_place(&size, ratings->n_ratings, sizeof(KnnEntry));
	area.column_start = parallel_place(&size, (Size) n + 1, sizeof(int64));
	area.column_row = parallel_place(&size, ratings->n_ratings, sizeof(int32));
	area.first = parallel_place(&size, (Size) n + 1, sizeof(int64));
	area.n_found = parallel_place(&size, n, sizeof(int32));
	area.found = parallel_place(&size, first[n], sizeof(neighbor_entry));
	if (method->has_deviations)
		area.deviations = parallel_place(&size, first[n], sizeof(float4));
	if (method->work_size != NULL)
		area.work = parallel_place(&size, 1, method->work_size(n));
	parallel_area_init(shared, budget, size, n >= PARALLEL_COLUMNS, "the weights of all items");
	*(WeightArea *) shared->memory = area;
	parallel_phases_init(&((WeightArea *) shared->memory)->phases, method->phase_blocks(n));
	fill_area(shared->memory, ratings, first);
	pfree(first);
	return shared->memory;
}

/*
 * What was found, column by column, in memory of the budget.
 */
static void
copy_found(ItemWeights *weights, const WeightArea *area, Budget *budget)
{
	const int64 *first = PARALLEL_ARRAY(area, first, int64);
	const int32 *n_found = PARALLEL_ARRAY(area, n_found, int32);

	if (area->deviations != 0)
		weights->deviations = budget_alloc(budget, area->n_columns, sizeof(float4 *), "weights");
	for (int32 column = 0; column < area->n_columns; column++)
	{
		neighbor_heap *heap = &weights->heaps[column];

		CHECK_FOR_INTERRUPTS();
		heap->n = heap->capacity = n_found[column];
		heap->entries = budget_alloc(budget, heap->n, sizeof(neighbor_entry), "weights");
		memcpy(heap->entries, PARALLEL_ARRAY(area, found, neighbor_entry) + first[column],
			   heap->n * sizeof(neighbor_entry));
		if (weights->deviations == NULL)
			continue;
		weights->deviations[column] = budget_alloc(budget, heap->n, sizeof(float4), "weights");
		memcpy(weights->deviations[column],
			   PARALLEL_ARRAY(area, deviations, float4) + first[column], heap->n * sizeof(float4));
	}
}

/*
 * The same, when what was found of a column is what is added to it.
 */
static void
transpose_found(ItemWeights *weights, const WeightArea *area, Budget *budget)
{
	const int64 *first = PARALLEL_ARRAY(area, first, int64);
	const int32 *n_found = PARALLEL_ARRAY(area, n_found, int32);
	const neighbor_entry *found = PARALLEL_ARRAY(area, found, neighbor_entry);

	for (int32 column = 0; column < area->n_columns; column++)
		for (int32 e = 0; e < n_found[column]; e++)
			weights->heaps[found[first[column] + e].id].capacity++;
	for (int32 column = 0; column < area->n_columns; column++)
		weights->heaps[column].entries = budget_alloc(budget, weights->heaps[column].capacity,
													  sizeof(neighbor_entry), "weights");
	for (int32 column = 0; column < area->n_columns; column++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int32 e = 0; e < n_found[column]; e++)
		{
			neighbor_entry entry = found[first[column] + e];
			neighbor_heap *heap = &weights->heaps[entry.id];

			heap->entries[heap->n++] = (neighbor_entry){.score = entry.score, .id = column};
		}
	}
}

/*
 * Learn the weights of all columns of ratings whose columns are items, in memory of
 * the budget.
 *
 * Errors: an option that is missing or out of range; no room for the weights in the
 * budget; ease without linear algebra, or with a matrix that cannot be inverted.
 */
ItemWeights *
weights_find(const Ratings *ratings, const WeightMethod *method, Jsonb *options, Budget *budget,
			 Progress *progress)
{
	WeightOptions read = read_options(method, options);
	ItemWeights *weights = budget_alloc(budget, 1, sizeof(ItemWeights), "weights");
	TimestampTz started = GetCurrentTimestamp();
	ParallelArea shared;
	WeightArea *area;
	KnnMatrix matrix;
	Budget part;

	if (method->is_linear)
		linear_open();
	budget_part(&part, budget);
	area = make_area(&shared, ratings, method, &read, &part);
	matrix = weights_matrix(area);
	weights->norm = budget_alloc(budget, ratings->n_columns, sizeof(double), "weights");
	knn_norms(&matrix, weights->norm);
	weights->heaps = budget_alloc(budget, ratings->n_columns, sizeof(neighbor_heap), "weights");

	PG_TRY();
	{
		weights_progress = progress;
		parallel_phase_open(&area->phases);
		parallel_run(&shared, method->run, method->task,
					 method->n_phases(ratings->n_columns) * area->phases.n_blocks);
	}
	PG_FINALLY();
	{
		weights_progress = NULL;
	}
	PG_END_TRY();
	if (method->transposed)
		transpose_found(weights, area, budget);
	else
		copy_found(weights, area, budget);
	parallel_area_free(&shared);
	MemoryContextDelete(part.context);
	ereport(DEBUG1, (errmsg_internal("socrec: learned weights of %d in %.3f s", ratings->n_columns,
									 (GetCurrentTimestamp() - started) / 1e6)));
	return weights;
}
