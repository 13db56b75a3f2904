/*
 * neighbors.c
 *		socrec.item_neighbors() and socrec.user_neighbors(): the most similar
 *		items or users of a rating table, with the statistics that predictions
 *		need.
 *
 * Both are one function over a matrix whose columns are the things compared;
 * for users the matrix is read transposed.  The computation itself is knn.c.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "knn.h"
#include "ratings.h"
#include "socrec.h"
#include "svec.h"

#define MAX_NEIGHBORS 100000

/* Ratings in a block of columns, between two reports of progress. */
#define BLOCK_RATINGS 100000

typedef struct NeighborOptions
{
	KnnOptions knn;
	Centering centering;
	Weighting weighting;
	BaselineOptions baseline;
} NeighborOptions;

/*
 * The arguments' positions.  In the form for keys of any type a second
 * argument, of which only the type counts, moves all but the query by one.
 */
enum
{
	ARG_K = 1,
	ARG_SIMILARITY,
	ARG_MIN_SUPPORT,
	ARG_SHRINKAGE,
	ARG_CENTER,
	ARG_WEIGHTING,
	ARG_MIN_SIMILARITY,
	ARG_ITEM_REGULARIZATION,
	ARG_USER_REGULARIZATION,
	ARG_BASELINE_EPOCHS,
	N_ARGS
};

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
 * Read and check every argument but the query.
 */
static NeighborOptions
parse_options(FunctionCallInfo fcinfo, bool users)
{
	static const char *const similarities[] = {"cosine",    "corated_cosine",  "pearson", "jaccard",
											   "euclidean", "adjusted_cosine", NULL};
	static const char *const item_centers[] = {"none", "user", "item", "baseline", NULL};
	static const char *const user_centers[] = {"none", "item", "user", "baseline", NULL};
	static const char *const weightings[] = {"none", "tfidf", "bm25", NULL};
	NeighborOptions options;
	int similarity;
	int shift = PG_NARGS() - N_ARGS;

	for (int arg = 0; arg < PG_NARGS(); arg++)
		if (PG_ARGISNULL(arg) && !(arg == 1 && shift == 1))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("argument %d must not be null", arg + 1)));

	options.knn.k = PG_GETARG_INT32(ARG_K + shift);
	if (options.knn.k < 0 || options.knn.k > MAX_NEIGHBORS)
		invalid_argument("k must be between 0 and %d, not %d", MAX_NEIGHBORS, options.knn.k);
	options.knn.min_support = PG_GETARG_INT32(ARG_MIN_SUPPORT + shift);
	if (options.knn.min_support < 1)
		invalid_argument("min_support must be at least 1, not %d", options.knn.min_support);
	options.knn.shrinkage = nonnegative(PG_GETARG_FLOAT8(ARG_SHRINKAGE + shift), "shrinkage");
	options.knn.min_similarity = PG_GETARG_FLOAT8(ARG_MIN_SIMILARITY + shift);
	if (!(options.knn.min_similarity >= -1 && options.knn.min_similarity <= 1))
		invalid_argument("min_similarity must be between -1 and 1, not %g",
						 options.knn.min_similarity);

	options.centering =
		parse_choice("center", text_to_cstring(PG_GETARG_TEXT_PP(ARG_CENTER + shift)),
					 users ? user_centers : item_centers);
	options.weighting = parse_choice(
		"weighting", text_to_cstring(PG_GETARG_TEXT_PP(ARG_WEIGHTING + shift)), weightings);
	if (options.weighting != WEIGHT_NONE && options.centering != CENTER_NONE)
		invalid_argument("weighting and center cannot be combined");

	similarity = parse_choice(
		"similarity", text_to_cstring(PG_GETARG_TEXT_PP(ARG_SIMILARITY + shift)), similarities);
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

	options.baseline.column_regularization = nonnegative(
		PG_GETARG_FLOAT8((users ? ARG_USER_REGULARIZATION : ARG_ITEM_REGULARIZATION) + shift),
		"regularization");
	options.baseline.row_regularization = nonnegative(
		PG_GETARG_FLOAT8((users ? ARG_ITEM_REGULARIZATION : ARG_USER_REGULARIZATION) + shift),
		"regularization");
	options.baseline.rows_last = !users; /* always items first, then users */
	options.baseline.epochs = PG_GETARG_INT32(ARG_BASELINE_EPOCHS + shift);
	if (options.baseline.epochs < 0 || options.baseline.epochs > 1000)
		invalid_argument("baseline_epochs must be between 0 and 1000, not %d",
						 options.baseline.epochs);
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
make_heaps(Ratings *ratings, const KnnMatrix *matrix, int32 k)
{
	neighbor_heap *heaps =
		budget_alloc(&ratings->budget, matrix->n_columns, sizeof(neighbor_heap), "neighbors");
	neighbor_entry *entries;
	Size total = 0;

	for (int32 column = 0; column < matrix->n_columns; column++)
	{
		heaps[column].capacity =
			(int32) Min(knn_capacity(matrix, column, k), matrix->n_columns - 1);
		total += heaps[column].capacity;
	}
	entries = budget_alloc(&ratings->budget, total, sizeof(neighbor_entry), "neighbors");
	for (int32 column = 0; column < matrix->n_columns; column++)
	{
		heaps[column].entries = entries;
		entries += heaps[column].capacity;
	}
	return heaps;
}

/*
 * The neighbors of all columns, in blocks of columns.
 */
static KnnWorkspace *
find_neighbors(Ratings *ratings, const KnnOptions *options, Progress *progress)
{
	KnnMatrix matrix = knn_matrix(ratings);
	KnnWorkspace *work = budget_alloc(&ratings->budget, 1, sizeof(KnnWorkspace), "neighbors");
	int32 first = 0;

	work->norm = budget_alloc(&ratings->budget, matrix.n_columns, sizeof(double), "neighbors");
	knn_norms(&matrix, work->norm);
	if (options->k == 0)
		return work;

	work->next = -1;
	work->cursor = budget_alloc(&ratings->budget, matrix.n_rows, sizeof(int64), "neighbors");
	work->support = budget_alloc(&ratings->budget, matrix.n_columns, sizeof(int32), "neighbors");
	work->touched = budget_alloc(&ratings->budget, matrix.n_columns, sizeof(int32), "neighbors");
	if (knn_needs_sums(options->similarity))
		work->sums = budget_alloc(&ratings->budget, matrix.n_columns, sizeof(KnnSums), "neighbors");
	else
		work->xy = budget_alloc(&ratings->budget, matrix.n_columns, sizeof(double), "neighbors");
	work->heaps = make_heaps(ratings, &matrix, options->k);
	work->worst = budget_alloc(&ratings->budget, matrix.n_columns, sizeof(float), "neighbors");
	for (int32 column = 0; column < matrix.n_columns; column++)
		work->worst[column] = -INFINITY;
	work->poll = poll_interrupts;

	while (first < matrix.n_columns)
	{
		int32 end = first + 1;

		while (end < matrix.n_columns &&
			   matrix.column_start[end] - matrix.column_start[first] < BLOCK_RATINGS)
			end++;
		knn_columns(&matrix, options, work, first, end);
		progress_report(progress, "%.0f %% done",
						100.0 * matrix.column_start[end] / ratings->n_ratings);
		first = end;
	}
	return work;
}

static int
compare_ids(const void *a, const void *b)
{
	int32 x = ((const neighbor_entry *) a)->id;
	int32 y = ((const neighbor_entry *) b)->id;

	return x < y ? -1 : x > y;
}

/*
 * A heap as a vector, numbers counted from 1.
 */
static SVec *
heap_to_svec(neighbor_heap *heap)
{
	SVec *vector = svec_alloc(heap->n, false);
	int32 *ids = svec_ids32(vector);
	float4 *weights = svec_weights(vector);

	qsort(heap->entries, heap->n, sizeof(neighbor_entry), compare_ids);
	for (int32 i = 0; i < heap->n; i++)
	{
		ids[i] = heap->entries[i].id + 1;
		weights[i] = heap->entries[i].score;
	}
	return vector;
}

/*
 * A key as the type of the result's column; only integers may differ from
 * what the query returned.
 */
static Datum
key_datum(const Ratings *ratings, int32 column, Oid type)
{
	Datum key = ratings->column_keys[column];
	int64 value;

	if (ratings->column_type != INT2OID && ratings->column_type != INT4OID &&
		ratings->column_type != INT8OID)
		return key;
	value = DatumGetInt64(key);
	if (type == INT8OID)
		return key;
	if ((type == INT4OID && value != (int32) value) || (type == INT2OID && value != (int16) value))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("key " INT64_FORMAT " is out of range for type %s", value,
							   format_type_be(type))));
	return type == INT4OID ? Int32GetDatum((int32) value) : Int16GetDatum((int16) value);
}

static void
check_key_type(const Ratings *ratings, Oid type, bool users)
{
	bool both_integers = (type == INT2OID || type == INT4OID || type == INT8OID) &&
						 (ratings->column_type == INT2OID || ratings->column_type == INT4OID ||
						  ratings->column_type == INT8OID);

	if (type != ratings->column_type && !both_integers)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the query's %s column is of type %s, not %s", users ? "user" : "item",
						format_type_be(ratings->column_type), format_type_be(type)),
				 errhint("Use %s_neighbors_typed(query, NULL::%s, ...).", users ? "user" : "item",
						 format_type_be(ratings->column_type))));
}

static Datum
neighbors(FunctionCallInfo fcinfo, bool users)
{
	NeighborOptions options = parse_options(fcinfo, users);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext row_context;
	Progress progress;
	TimestampTz started;
	Ratings *ratings;
	RatingStatistics *statistics;
	KnnWorkspace *work;
	Oid key_type;

	InitMaterializedSRF(fcinfo, 0);
	key_type = getBaseType(TupleDescAttr(result->setDesc, 1)->atttypid);

	progress_start(&progress, users ? "user neighbors" : "item neighbors");
	PG_TRY();
	{
		ratings = ratings_load(text_to_cstring(PG_GETARG_TEXT_PP(0)), users, &progress);
		if (ratings->n_ratings > 0)
			check_key_type(ratings, key_type, users);
		statistics = ratings_describe(ratings, &options.baseline, &ratings->budget);
		ratings_center(ratings, statistics, options.centering);
		ratings_weight(ratings, options.weighting);
		started = GetCurrentTimestamp();
		work = find_neighbors(ratings, &options.knn, &progress);
		ereport(DEBUG1,
				(errmsg_internal("socrec: found neighbors of %d in %.3f s", ratings->n_columns,
								 (GetCurrentTimestamp() - started) / 1e6)));
	}
	PG_FINALLY();
	{
		progress_end(&progress);
	}
	PG_END_TRY();

	row_context = AllocSetContextCreate(CurrentMemoryContext, "socrec row", ALLOCSET_DEFAULT_SIZES);
	for (int32 column = 0; column < ratings->n_columns; column++)
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);
		Datum values[] = {Int32GetDatum(column + 1),
						  key_datum(ratings, column, key_type),
						  Int32GetDatum((int32) (ratings->column_start[column + 1] -
												 ratings->column_start[column])),
						  Float8GetDatum(statistics->mean[column]),
						  Float8GetDatum(statistics->bias[column]),
						  Float8GetDatum(work->norm[column]),
						  Float4GetDatum(statistics->minimum[column]),
						  Float4GetDatum(statistics->maximum[column]),
						  options.knn.k == 0 ? (Datum) 0
											 : PointerGetDatum(heap_to_svec(&work->heaps[column])),
						  Int32GetDatum(ratings->n_rows)};
		bool nulls[lengthof(values)] = {0};

		CHECK_FOR_INTERRUPTS();
		nulls[8] = options.knn.k == 0;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	MemoryContextDelete(row_context);
	ratings_free(ratings);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(socrec_item_neighbors);
Datum
socrec_item_neighbors(PG_FUNCTION_ARGS)
{
	return neighbors(fcinfo, false);
}

PG_FUNCTION_INFO_V1(socrec_user_neighbors);
Datum
socrec_user_neighbors(PG_FUNCTION_ARGS)
{
	return neighbors(fcinfo, true);
}
