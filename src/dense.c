/*
 * dense.c
 *		Read the rows (key, number, number ...) or (key, svec) of a query into a
 *		dense matrix.
 *
 * Numbers are read as double, a buffer that grows by half; when all have
 * arrived each column is shifted by its mean and scaled, and only then they
 * become floats, in the same memory.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "dense.h"
#include "query.h"
#include "svec.h"

/* An element of a sparse row. */
typedef struct FeatureEntry
{
	int64 id;
	float4 weight;
	int32 row;
} FeatureEntry;

/* Takes the rows as they come. */
typedef struct FeatureReceiver
{
	DestReceiver pub;
	Features *features;
	Progress *progress;
	bool impute; /* a missing number becomes the column's mean; else its row is skipped */
	bool key_by_value;
	int16 key_length;
	bool sparse;
	Oid *types; /* of the columns after the key, domains resolved */
	char **names;
	int32 capacity; /* rows that there is room for */
	double *values; /* n * d; NaN for a missing number */
	int32 skipped_capacity;
	int64 n_entries;
	int64 entry_capacity;
	FeatureEntry *entries;
} FeatureReceiver;

/*
 * Room for one more element in an array that grows by half.
 */
static void *
grow(Budget *budget, void *array, int64 capacity, int64 wanted, Size size)
{
	if (array == NULL)
		return budget_alloc(budget, wanted, size, "rows");
	budget_check(budget, mul_size(wanted - capacity, size), "rows");
	return repalloc_huge(array, mul_size(wanted, size));
}

static int64
next_capacity(int64 capacity)
{
	return capacity == 0 ? 1024 : capacity + capacity / 2;
}

static Datum
copy_key(FeatureReceiver *receiver, Datum key, bool null)
{
	MemoryContext old;
	Datum copy;

	if (null || receiver->key_by_value)
		return key;
	if (receiver->key_length == -1)
		key = PointerGetDatum(PG_DETOAST_DATUM(key));
	old = MemoryContextSwitchTo(receiver->features->budget.context);
	copy = datumCopy(key, false, receiver->key_length);
	MemoryContextSwitchTo(old);
	return copy;
}

static void
skip_row(FeatureReceiver *receiver, Datum key, bool null)
{
	Features *features = receiver->features;
	Budget *budget = &features->budget;

	if (features->n_skipped == receiver->skipped_capacity)
	{
		int32 capacity = receiver->skipped_capacity;
		int64 wanted = next_capacity(capacity);

		features->skipped = grow(budget, features->skipped, capacity, wanted, sizeof(FeatureKey));
		receiver->skipped_capacity = (int32) wanted;
	}
	features->skipped[features->n_skipped++] = (FeatureKey){copy_key(receiver, key, null), null};
}

/*
 * Room for one more row; its values are the caller's to fill in.
 */
static void
add_row(FeatureReceiver *receiver, Datum key, bool null)
{
	Features *features = receiver->features;
	Budget *budget = &features->budget;

	if (features->n == receiver->capacity)
	{
		int64 wanted = next_capacity(receiver->capacity);

		if (wanted > PG_INT32_MAX)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("more than %d rows", features->n)));
		budget->rows = features->n;
		progress_report(receiver->progress, "%d rows read", features->n);
		features->keys =
			grow(budget, features->keys, receiver->capacity, wanted, sizeof(FeatureKey));
		if (!receiver->sparse)
			receiver->values = grow(budget, receiver->values, receiver->capacity, wanted,
									mul_size(features->d, sizeof(double)));
		receiver->capacity = (int32) wanted;
	}
	features->keys[features->n++] = (FeatureKey){copy_key(receiver, key, null), null};
}

static void
add_entries(FeatureReceiver *receiver, const SVec *v)
{
	int n = svec_count(v);

	if (receiver->n_entries + n > receiver->entry_capacity)
	{
		int64 wanted = Max(next_capacity(receiver->entry_capacity), receiver->n_entries + n);

		receiver->entries = grow(&receiver->features->budget, receiver->entries,
								 receiver->entry_capacity, wanted, sizeof(FeatureEntry));
		receiver->entry_capacity = wanted;
	}
	for (int i = 0; i < n; i++)
		receiver->entries[receiver->n_entries++] =
			(FeatureEntry){svec_id(v, i), svec_weights(v)[i], receiver->features->n - 1};
}

static void
add_numbers(FeatureReceiver *receiver, TupleTableSlot *slot)
{
	Features *features = receiver->features;
	double *values = receiver->values + (Size) (features->n - 1) * features->d;

	for (int32 j = 0; j < features->d; j++)
	{
		if (slot->tts_isnull[j + 1])
		{
			values[j] = NAN;
			continue;
		}
		values[j] = query_number(slot->tts_values[j + 1], receiver->types[j]);
		if (isnan(values[j]) || isinf(values[j]))
			ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
							errmsg("value %g of column \"%s\" is not a finite number", values[j],
								   receiver->names[j]),
							errhint("Leave such rows out in the query, or make the value null.")));
	}
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	FeatureReceiver *receiver = (FeatureReceiver *) self;

	slot_getallattrs(slot);
	for (int j = 1; j < slot->tts_tupleDescriptor->natts; j++)
		if (slot->tts_isnull[j] && (receiver->sparse || !receiver->impute))
		{
			skip_row(receiver, slot->tts_values[0], slot->tts_isnull[0]);
			return true;
		}
	add_row(receiver, slot->tts_values[0], slot->tts_isnull[0]);
	if (receiver->sparse)
		add_entries(receiver, DatumGetSVecP(slot->tts_values[1]));
	else
		add_numbers(receiver, slot);
	return true;
}

/*
 * Called with the result's shape before the first row.
 */
static void
start_rows(DestReceiver *self, int operation, TupleDesc desc)
{
	FeatureReceiver *receiver = (FeatureReceiver *) self;
	Features *features = receiver->features;
	MemoryContext context = features->budget.context;

	if (desc->natts < 2 || desc->natts - 1 > MAX_FEATURES)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("query returns %d columns, not a key and 1 to %d features",
							   desc->natts, MAX_FEATURES)));
	features->key_type = getBaseType(TupleDescAttr(desc, 0)->atttypid);
	get_typlenbyval(features->key_type, &receiver->key_length, &receiver->key_by_value);
	receiver->sparse =
		desc->natts == 2 && getBaseType(TupleDescAttr(desc, 1)->atttypid) == svec_type();
	features->d = receiver->sparse ? 0 : desc->natts - 1;
	receiver->types = MemoryContextAlloc(context, desc->natts * sizeof(Oid));
	receiver->names = MemoryContextAlloc(context, desc->natts * sizeof(char *));
	for (int32 j = 0; j < features->d; j++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, j + 1);

		receiver->types[j] = getBaseType(column->atttypid);
		receiver->names[j] = MemoryContextStrdup(context, NameStr(column->attname));
		if (!query_is_number(receiver->types[j]))
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
							errmsg("feature \"%s\" is of type %s, not a number", receiver->names[j],
								   format_type_be(column->atttypid)),
							errhint("Features are numbers, or one sparse vector (svec).")));
	}
}

static int
compare_ids(const void *a, const void *b)
{
	int64 x = *(const int64 *) a;
	int64 y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

static int
compare_ids_arg(const void *a, const void *b, void *arg)
{
	return compare_ids(a, b);
}

/*
 * Make the sparse rows dense: one column for each id that occurs, by id.
 */
static void
densify(FeatureReceiver *receiver)
{
	Features *features = receiver->features;
	Budget *budget = &features->budget;
	int64 *ids = budget_alloc(budget, receiver->n_entries, sizeof(int64), "ids");
	int64 n = 0;

	for (int64 i = 0; i < receiver->n_entries; i++)
		ids[i] = receiver->entries[i].id;
	qsort_interruptible(ids, receiver->n_entries, sizeof(int64), compare_ids_arg, NULL);
	for (int64 i = 0; i < receiver->n_entries; i++)
		if (i == 0 || ids[i] != ids[i - 1])
			ids[n++] = ids[i];
	if (n > MAX_FEATURES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the sparse vectors have " INT64_FORMAT " ids, at most %d can be clustered",
						n, MAX_FEATURES),
				 errhint("Use vectors over categories instead of items.")));
	features->d = (int32) n;
	features->ids = ids;
	receiver->values =
		budget_alloc(budget, mul_size(features->n, Max(n, 1)), sizeof(double), "rows");
	for (int64 i = 0; i < receiver->n_entries; i++)
	{
		const FeatureEntry *entry = &receiver->entries[i];
		int64 *place = bsearch(&entry->id, ids, n, sizeof(int64), compare_ids);

		if (i % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
		receiver->values[(Size) entry->row * n + (place - ids)] = entry->weight;
	}
	if (receiver->entries != NULL)
		pfree(receiver->entries);
}

/*
 * Means and standard deviations of the columns over what is there.  A column
 * that is the same everywhere, or nowhere there, has standard deviation 0.
 */
static void
describe(Features *features, const double *values)
{
	int32 d = features->d;
	double *count = budget_alloc(&features->budget, d, sizeof(double), "columns");
	const double **first = budget_alloc(&features->budget, d, sizeof(double *), "columns");
	bool *varies = budget_alloc(&features->budget, d, sizeof(bool), "columns");

	features->mean = budget_alloc(&features->budget, d, sizeof(double), "columns");
	features->stddev = budget_alloc(&features->budget, d, sizeof(double), "columns");
	for (int32 i = 0; i < features->n; i++)
	{
		const double *row = values + (Size) i * d;

		if (i % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		for (int32 j = 0; j < d; j++)
		{
			if (isnan(row[j]))
				continue;
			if (first[j] == NULL)
				first[j] = &row[j];
			varies[j] = varies[j] || row[j] != *first[j];
			/* A running mean cannot overflow as a sum could. */
			features->mean[j] += (row[j] - features->mean[j]) / ++count[j];
		}
	}
	for (int32 i = 0; i < features->n; i++)
	{
		const double *row = values + (Size) i * d;

		if (i % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		for (int32 j = 0; j < d; j++)
			if (!isnan(row[j]))
				features->stddev[j] += (row[j] - features->mean[j]) * (row[j] - features->mean[j]);
	}
	for (int32 j = 0; j < d; j++)
	{
		if (!isfinite(features->stddev[j]))
			ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
							errmsg("the variance of feature %d is out of range", j + 1)));
		features->stddev[j] = varies[j] ? sqrt(features->stddev[j] / count[j]) : 0;
	}
}

/*
 * Run the query and return its rows as a matrix: each column less its mean and,
 * if standardize, divided by its standard deviation (that of the population; a
 * constant column becomes 0).  Rows with a NULL are skipped, or with impute have
 * the mean there; keys may be anything.
 *
 * Errors: not one SELECT; features that are no numbers and not one svec; a
 * number that is not finite; too many ids; more memory than
 * maintenance_work_mem.
 */
Features *
features_load(const char *query, bool impute, bool standardize, const char *task,
			  Progress *progress)
{
	Budget budget;
	Features *features;
	FeatureReceiver receiver = {
		.pub = {receive_row, start_rows, query_ignore, query_ignore, DestTuplestore}};
	double *values;
	float4 *matrix;
	int32 d;

	budget_init(&budget, task);
	features = MemoryContextAllocZero(budget.context, sizeof(Features));
	features->budget = budget;
	receiver.features = features;
	receiver.progress = progress;
	receiver.impute = impute;
	query_run(query, &receiver.pub);
	if (receiver.sparse)
		densify(&receiver);
	d = features->d;
	values = receiver.values;
	describe(features, values);

	/* Each float lies before the double that is read next. */
	matrix = (float4 *) values;
	for (int32 i = 0; i < features->n; i++)
	{
		if (i % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		for (int32 j = 0; j < d; j++)
		{
			Size at = (Size) i * d + j;
			double value;

			memcpy(&value, &values[at], sizeof(double));
			value = isnan(value) ? 0 : value - features->mean[j];
			if (standardize)
				value = features->stddev[j] > 0 ? value / features->stddev[j] : 0;
			matrix[at] = (float4) value;
			if (isinf(matrix[at]))
				ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
								errmsg("a value of feature %d is out of range", j + 1)));
		}
	}
	if (features->n > 0 && d > 0)
		matrix = repalloc_huge(matrix, mul_size(mul_size(features->n, d), sizeof(float4)));
	features->values = matrix;
	return features;
}

void
features_free(Features *features)
{
	MemoryContextDelete(features->budget.context);
}
