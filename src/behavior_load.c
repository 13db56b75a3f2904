/*
 * behavior_load.c
 *		The rows of a regression's query in memory, and the regression over them.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "behavior_fit.h"
#include "query.h"
#include "regression_sparse.h"
#include "socrec.h"

/* Rows that tell whether they are sparse, and columns that are worth it. */
#define SAMPLE_ROWS 1000
#define SPARSE_COLUMNS 64

/* Takes the rows as they come. */
typedef struct RowReceiver
{
	DestReceiver pub;
	RegressionData *data;
	RegressionSparse *sparse; /* takes rows in the place of data, or NULL */
	Progress *progress;
	bool intercept;
	bool stops; /* when memory is short, instead of an error */
	Size room;  /* bytes that a fit takes; these are left then */
	bool stopped;
	bool is_array; /* the features are one array */
	Oid *types;
} RowReceiver;

/* Looks at the first rows. */
typedef struct SampleReceiver
{
	DestReceiver pub;
	int64 rows;
	int64 present; /* numbers other than 0 */
} SampleReceiver;

/*
 * Refuse a value that is null, or no finite number.
 */
static pg_noinline void
refuse_value(TupleTableSlot *slot, int column, double value)
{
	const char *name = NameStr(TupleDescAttr(slot->tts_tupleDescriptor, column)->attname);

	if (slot->tts_isnull[column])
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("column \"%s\" of the query of a regression is null", name)));
	ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					errmsg("value %g of column \"%s\" is not a finite number", value, name),
					errhint("Leave such rows out in the source, or make the value null.")));
}

static pg_attribute_always_inline double
finite_number(TupleTableSlot *slot, int column, Oid type)
{
	double value;

	if (unlikely(slot->tts_isnull[column]))
		refuse_value(slot, column, 0);
	value = query_number(slot->tts_values[column], type);
	if (unlikely(!isfinite(value)))
		refuse_value(slot, column, value);
	return value;
}

/*
 * The elements of the array of features.
 */
static ArrayType *
feature_array(RowReceiver *receiver, TupleTableSlot *slot)
{
	RegressionData *data = receiver->data;
	ArrayType *array;
	int n;

	if (slot->tts_isnull[QUERY_FEATURES])
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the features are null")));
	array = DatumGetArrayTypeP(slot->tts_values[QUERY_FEATURES]);
	n = ARR_NDIM(array) == 1 ? ARR_DIMS(array)[0] : 0;
	if (n + receiver->intercept != data->shape.p)
		invalid_argument("an array of features has %d elements, not %d", n,
						 data->shape.p - receiver->intercept);
	if (ARR_HASNULL(array))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("an array of features has a null")));
	return array;
}

/*
 * Keep a row; no more are wanted when it does not fit, and that may be.
 */
static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *receiver = (RowReceiver *) self;
	RegressionData *data = receiver->data;
	RegressionSparse *sparse = receiver->sparse;
	int64 rows = sparse != NULL ? sparse->rows.n : data->n;
	ArrayType *array = NULL;
	double y, weight, offset;
	int64 cluster;
	Size growth;
	int32 p;

	slot_getallattrs(slot);
	if (receiver->is_array)
		array = feature_array(receiver, slot);
	growth = sparse != NULL ? regression_sparse_growth(sparse) : regression_data_growth(data);
	if (growth > 0 && receiver->stops &&
		!budget_fits(data->budget, add_size(growth, receiver->room)))
	{
		receiver->stopped = true;
		return false;
	}
	if (rows % 65536 == 0 && rows > 0)
		progress_report(receiver->progress, INT64_FORMAT " rows read", rows);
	y = finite_number(slot, QUERY_Y, FLOAT8OID);
	weight = finite_number(slot, QUERY_WEIGHT, FLOAT8OID);
	if (weight < 0)
		invalid_argument("weight %g is not a finite number of at least 0", weight);
	offset = finite_number(slot, QUERY_OFFSET, FLOAT8OID);
	cluster = slot->tts_isnull[QUERY_CLUSTER] ? 0 : DatumGetInt64(slot->tts_values[QUERY_CLUSTER]);
	p = data->shape.p - receiver->intercept;
	for (int32 j = 0; array != NULL && j < p; j++)
	{
		double feature = ((double *) ARR_DATA_PTR(array))[j];

		if (!isfinite(feature))
			invalid_argument("feature %g is not a finite number", feature);
	}
	if (sparse != NULL)
		regression_sparse_add(sparse, (double *) ARR_DATA_PTR(array), p, y, weight, offset,
							  cluster);
	else
	{
		double *x = regression_data_add(
			data, y, weight, offset,
			slot->tts_isnull[QUERY_SET] ? 0 : DatumGetInt64(slot->tts_values[QUERY_SET]), cluster);

		if (receiver->intercept)
			*x++ = 1;
		if (array != NULL)
			memcpy(x, ARR_DATA_PTR(array), p * sizeof(double));
		for (int32 j = 0; array == NULL && j < p; j++)
			x[j] = finite_number(slot, QUERY_FEATURES + j, receiver->types[j]);
	}
	if (array != NULL && (Pointer) array != DatumGetPointer(slot->tts_values[QUERY_FEATURES]))
		pfree(array);
	return true;
}

/*
 * Called with the result's shape before the first row.
 */
static void
start_rows(DestReceiver *self, int operation, TupleDesc desc)
{
	RowReceiver *receiver = (RowReceiver *) self;
	int n = desc->natts - QUERY_FEATURES;

	receiver->is_array = n == 1 && TupleDescAttr(desc, QUERY_FEATURES)->atttypid == FLOAT8ARRAYOID;
	receiver->types = MemoryContextAlloc(receiver->data->budget->context, n * sizeof(Oid));
	for (int j = 0; j < n; j++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, QUERY_FEATURES + j);

		receiver->types[j] = getBaseType(column->atttypid);
		if (!receiver->is_array && !query_is_number(receiver->types[j]))
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
							errmsg("feature \"%s\" is of type %s, not a number",
								   NameStr(column->attname), format_type_be(column->atttypid)),
							errhint("Cast it to a number in a query as source.")));
	}
	if (!receiver->is_array && n + receiver->intercept != receiver->data->shape.p)
		invalid_argument("the query returns %d features, not %d", n,
						 receiver->data->shape.p - receiver->intercept);
}

/*
 * How many alternatives a choice set has at most.
 */
static void
measure_sets(RegressionData *data)
{
	int64 start = 0;

	if (!data->has_set)
		return;
	for (int64 i = 1; i <= data->n; i++)
	{
		if (i < data->n && data->set[i] == data->set[i - 1])
			continue;
		if (i - start > PG_INT32_MAX / 2)
			invalid_argument("a choice set has " INT64_FORMAT " alternatives", i - start);
		data->largest_set = Max(data->largest_set, (int32) (i - start));
		start = i;
	}
}

/*
 * The query whose rows are kept in memory: choice sets and clusters are numbers, and
 * rows of the same one follow each other.
 */
static char *
write_load(const char *query, const RegressionData *data)
{
	TupleDesc desc = regression_describe(query);
	const char *order = data->has_set ? (data->has_cluster ? "q.c5, q.c4" : "q.c4") : "q.c5";
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT ");
	for (int j = 0; j < desc->natts; j++)
	{
		if (j == QUERY_SET && data->has_set)
			appendStringInfo(&text, "pg_catalog.dense_rank() OVER (ORDER BY %s)", order);
		else if (j == QUERY_CLUSTER && data->has_cluster)
			appendStringInfoString(&text, "pg_catalog.dense_rank() OVER (ORDER BY c5)");
		else if (j == QUERY_SET || j == QUERY_CLUSTER)
			appendStringInfoString(&text, "NULL::pg_catalog.int8");
		else
			appendStringInfo(&text, "c%d", j + 1);
		appendStringInfo(&text, " AS %s%s",
						 quote_identifier(NameStr(TupleDescAttr(desc, j)->attname)),
						 j < desc->natts - 1 ? ", " : " ");
	}
	appendStringInfoString(&text, regression_from(query, desc->natts));
	if (data->has_set || data->has_cluster)
		appendStringInfo(&text, " ORDER BY %s", order);
	return text.data;
}

/*
 * Read the rows into memory.  False when they do not fit, and that may be.
 */
static bool
load_rows(const char *query, RegressionData *data, RegressionSparse *sparse,
		  const RegressionProblem *problem, const RegressionOptions *options, bool stops)
{
	Progress progress;
	RowReceiver receiver = {
		.pub = {receive_row, start_rows, query_ignore, query_ignore, DestTuplestore},
		.data = data,
		.sparse = sparse,
		.progress = &progress,
		.intercept = problem->intercept,
		.stops = stops,
		.room = regression_run_size(problem, options)};

	progress_start(&progress, "regression");
	query_run(write_load(query, data), &receiver.pub);
	progress_end(&progress);
	if (receiver.stopped)
		return false;
	if ((sparse != NULL ? sparse->rows.n : data->n) == 0)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errmsg("there are no rows to fit")));
	if (sparse == NULL)
		measure_sets(data);
	return true;
}

/*
 * Count what is not 0 in the arrays of the first rows.
 */
static bool
count_numbers(TupleTableSlot *slot, DestReceiver *self)
{
	SampleReceiver *sample = (SampleReceiver *) self;
	Datum value;
	bool null;

	value = slot_getattr(slot, QUERY_FEATURES + 1, &null);
	if (!null)
	{
		ArrayType *array = DatumGetArrayTypeP(value);
		int n = ARR_HASNULL(array) ? 0 : ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

		for (int j = 0; j < n; j++)
			sample->present += ((double *) ARR_DATA_PTR(array))[j] != 0;
		if ((Pointer) array != DatumGetPointer(value))
			pfree(array);
	}
	return ++sample->rows < SAMPLE_ROWS;
}

static void
start_sample(DestReceiver *self, int operation, TupleDesc desc)
{
}

/*
 * Are most columns 0 in most rows, and many?  The first ones tell.
 */
static bool
rows_are_sparse(const char *query, const RegressionShape *shape)
{
	SampleReceiver sample = {
		.pub = {count_numbers, start_sample, query_ignore, query_ignore, DestTuplestore}};
	TupleDesc desc;

	if (shape->family == REGRESSION_CONDITIONAL || shape->p < SPARSE_COLUMNS)
		return false;
	desc = regression_describe(query);
	if (desc->natts != QUERY_FEATURES + 1 ||
		TupleDescAttr(desc, QUERY_FEATURES)->atttypid != FLOAT8ARRAYOID)
		return false;
	query_run(query, &sample.pub);
	return (sample.present + sample.rows * shape->m) * REGRESSION_SPARSE < sample.rows * shape->p;
}

/*
 * The regression over rows in memory, of which so many are expected, or 0.  NULL when
 * they do not fit, and that may be; nothing of them is kept then.
 */
RegressionReport *
regression_in_memory(const char *query, RegressionData *data, RegressionProblem *problem,
					 const RegressionOptions *options, int64 expected, bool stops)
{
	RegressionSparse sparse;

	if (rows_are_sparse(query, &problem->shape))
	{
		regression_sparse_init(&sparse, data);
		if (load_rows(query, data, &sparse, problem, options, stops))
			return regression_sparse_run(&sparse, problem, options);
		regression_sparse_free(&sparse);
		return NULL;
	}
	if (expected > 0 && !regression_data_reserve(data, problem, options, expected, stops))
		return NULL;
	if (load_rows(query, data, NULL, problem, options, stops))
		return regression_data_run(data, problem, options);
	regression_data_free(data);
	return NULL;
}
