/*
 * stored.c
 *		What a model has stored, read back for work on many users at once.
 *
 * The queries come from SQL, which alone knows the names of a model's relations.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "query.h"
#include "stored.h"

/* The queries, in their order. */
enum
{
	QUERY_FIT,
	QUERY_ITEMS,
	QUERY_OTHERS /* users, or what else a method has stored; not of every method */
};

typedef struct FitReceiver
{
	DestReceiver pub;
	StoredModel *stored;
} FitReceiver;

/*
 * Anybody may call with queries of theirs: refuse other types than those that the
 * rows are read as.
 */
void
stored_check_columns(TupleDesc desc, int first, const Oid *types, int n)
{
	bool same = desc->natts == first + n;

	for (int i = 0; i < n && same; i++)
		same = TupleDescAttr(desc, first + i)->atttypid == types[i];
	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("a query that reads a model returns other columns than a model has")));
}

void
stored_refuse_nulls(TupleTableSlot *slot, int first, int end)
{
	for (int i = first; i < end; i++)
		if (slot->tts_isnull[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("a model has a null where none can be")));
}

static void
start_fit(DestReceiver *self, int operation, TupleDesc desc)
{
	static const Oid types[] = {FLOAT8OID, FLOAT8OID, FLOAT8OID, INT8OID, INT8OID};

	stored_check_columns(desc, 0, types, lengthof(types));
}

/*
 * rating_mean, rating_min, rating_max, rating_count, user_count
 */
static bool
receive_fit(TupleTableSlot *slot, DestReceiver *self)
{
	StoredModel *stored = ((FitReceiver *) self)->stored;

	slot_getallattrs(slot);
	stored_refuse_nulls(slot, 3, 5);
	stored->rating_count = DatumGetInt64(slot->tts_values[3]);
	stored->user_count = DatumGetInt64(slot->tts_values[4]);
	if (slot->tts_isnull[0])
		return true; /* there were no ratings */
	stored_refuse_nulls(slot, 0, 3);
	stored->mean = DatumGetFloat8(slot->tts_values[0]);
	stored->minimum = DatumGetFloat8(slot->tts_values[1]);
	stored->maximum = DatumGetFloat8(slot->tts_values[2]);
	return true;
}

typedef struct SideReceiver
{
	DestReceiver pub;
	Budget *budget;
	StoredSide *side;
	const char *what;
	Progress *progress;
} SideReceiver;

static void
start_side(DestReceiver *self, int operation, TupleDesc desc)
{
	SideReceiver *receiver = (SideReceiver *) self;
	Oid svec = svec_type();
	const Oid types[] = {INT4OID, INT4OID, FLOAT8OID, FLOAT8OID, svec, svec};

	stored_check_columns(desc, 1, types, Min(Max(desc->natts - 1, 4), lengthof(types)));
	keys_init(&receiver->side->keys, receiver->budget, TupleDescAttr(desc, 0));
}

/*
 * An array of the capacity that there is now, with the n elements of the old one.
 */
static void *
enlarge(const SideReceiver *receiver, void *old, int32 n, Size size)
{
	void *array = budget_alloc(receiver->budget, receiver->side->capacity, size, receiver->what);

	if (n > 0)
	{
		memcpy(array, old, n * size);
		pfree(old);
	}
	return array;
}

static void
grow(const SideReceiver *receiver)
{
	StoredSide *side = receiver->side;
	int32 n = side->keys.n;

	side->capacity = Max(1024, 2 * n);
	side->id = enlarge(receiver, side->id, n, sizeof(int32));
	side->rating_count = enlarge(receiver, side->rating_count, n, sizeof(int32));
	side->mean = enlarge(receiver, side->mean, n, sizeof(double));
	side->bias = enlarge(receiver, side->bias, n, sizeof(double));
	side->neighbors = enlarge(receiver, side->neighbors, n, sizeof(SVec *));
	side->deviations = enlarge(receiver, side->deviations, n, sizeof(SVec *));
	progress_report(receiver->progress, "%d %s read", n, receiver->what);
}

/*
 * A copy of the vector in a column, NULL where there is none.
 */
static SVec *
copy_vector(const SideReceiver *receiver, TupleTableSlot *slot, int column)
{
	SVec *vector;
	SVec *copy;

	if (slot->tts_tupleDescriptor->natts <= column || slot->tts_isnull[column])
		return NULL;
	vector = DatumGetSVecP(slot->tts_values[column]);
	copy = budget_alloc(receiver->budget, VARSIZE(vector), 1, receiver->what);
	memcpy(copy, vector, VARSIZE(vector));
	if ((Pointer) vector != DatumGetPointer(slot->tts_values[column]))
		pfree(vector);
	return copy;
}

/*
 * key, id, rating_count, mean, bias[, neighbors[, deviations]]
 */
static bool
receive_side(TupleTableSlot *slot, DestReceiver *self)
{
	SideReceiver *receiver = (SideReceiver *) self;
	StoredSide *side = receiver->side;
	int32 n;

	slot_getallattrs(slot);
	stored_refuse_nulls(slot, 0, 5);
	if (side->keys.n == side->capacity)
		grow(receiver);
	n = keys_number(&side->keys, slot->tts_values[0]);
	side->id[n] = DatumGetInt32(slot->tts_values[1]);
	side->rating_count[n] = DatumGetInt32(slot->tts_values[2]);
	side->mean[n] = DatumGetFloat8(slot->tts_values[3]);
	side->bias[n] = DatumGetFloat8(slot->tts_values[4]);
	side->neighbors[n] = copy_vector(receiver, slot, 5);
	side->deviations[n] = copy_vector(receiver, slot, 6);
	return true;
}

static void
load_side(StoredModel *stored, StoredSide *side, const char *query, const char *what,
		  Progress *progress)
{
	SideReceiver receiver = {
		.pub = {receive_side, start_side, query_ignore, query_ignore, DestTuplestore},
		.budget = &stored->budget,
		.side = side,
		.what = what,
		.progress = progress};

	query_run(query, &receiver.pub);
}

/*
 * The query of what a method has stored beside items.
 */
const char *
stored_query(const StoredModel *stored)
{
	if (stored->n_queries <= QUERY_OTHERS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the queries that read a model are not complete")));
	return stored->queries[QUERY_OTHERS];
}

/*
 * Read the users, for methods that store them.
 */
void
stored_load_users(StoredModel *stored, Progress *progress)
{
	load_side(stored, &stored->users, stored_query(stored), "users", progress);
}

/*
 * The place of an id; -1 if there is none such.
 */
int32
stored_number(const StoredSide *side, int64 id)
{
	int32 n = side->keys.n;
	int32 place;

	/* As a fit numbers them. */
	if (id >= 1 && id <= n && side->id[id - 1] == id)
		return (int32) id - 1;
	if (id < PG_INT32_MIN || id > PG_INT32_MAX)
		return -1;
	place = column_place(side->id, sizeof(int32), n, (int32) id);
	return place < n && side->id[place] == id ? place : -1;
}

/*
 * A vector of neighbors as a model has stored it (NULL: none), by place on their side.
 * Those whom place (NULL: the same) puts nowhere are left out, though their weight counts.
 */
neighbor_heap
stored_entries(const StoredSide *side, const SVec *stored, const int32 *place, double *weight_sum,
			   Budget *budget)
{
	neighbor_heap heap = {0};

	if (stored == NULL)
		return heap;
	heap.capacity = svec_count(stored);
	heap.entries = budget_alloc(budget, heap.capacity, sizeof(neighbor_entry), "neighbors");
	for (int32 i = 0; i < heap.capacity; i++)
	{
		int32 other = stored_number(side, svec_id(stored, i));
		float4 weight = svec_weights(stored)[i];

		*weight_sum += weight;
		if (other >= 0 && place != NULL)
			other = place[other];
		if (other >= 0)
			heap.entries[heap.n++] = (neighbor_entry){.score = weight, .id = other};
	}
	return heap;
}

/*
 * Read a model with its queries, into memory of the budget.
 */
static StoredModel *
read_model(const Budget *budget, char **queries, int n, Progress *progress)
{
	StoredModel *stored;
	FitReceiver receiver = {
		.pub = {receive_fit, start_fit, query_ignore, query_ignore, DestTuplestore}};

	if (n <= QUERY_ITEMS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the queries that read a model are not complete")));
	stored = MemoryContextAllocZero(budget->context, sizeof(StoredModel));
	stored->budget = *budget;
	stored->mean = stored->minimum = stored->maximum = NAN;
	stored->queries = queries;
	stored->n_queries = n;
	receiver.stored = stored;
	query_run(stored->queries[QUERY_FIT], &receiver.pub);
	load_side(stored, &stored->items, stored->queries[QUERY_ITEMS], "items", progress);
	return stored;
}

/*
 * Run the first two queries, under the caller's privileges and snapshot: that of the
 * fit (rating_mean, rating_min, rating_max, rating_count, user_count), and that of the
 * items (key, id, rating_count, mean, bias[, neighbors[, deviations]]) by id.  stored_free frees
 * what is returned.
 *
 * Errors: other columns; more memory than maintenance_work_mem.
 */
StoredModel *
stored_load(ArrayType *queries, Progress *progress)
{
	Budget budget;
	Datum *texts;
	char **copies;
	bool *nulls;
	int n;

	budget_init(&budget, "reading a model");
	if (array_contains_nulls(queries))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the queries that read a model are not complete")));
	deconstruct_array(queries, TEXTOID, -1, false, TYPALIGN_INT, &texts, &nulls, &n);
	copies = MemoryContextAlloc(budget.context, n * sizeof(char *));
	for (int i = 0; i < n; i++)
		copies[i] = MemoryContextStrdup(budget.context, text_to_cstring(DatumGetTextPP(texts[i])));
	return read_model(&budget, copies, n, progress);
}

/*
 * The same of a model that is a part of another, whose n queries from the given one
 * on are its own.  It goes with the whole.
 */
StoredModel *
stored_load_part(StoredModel *whole, int first, int n, Progress *progress)
{
	Budget budget;

	budget_part(&budget, &whole->budget);
	return read_model(&budget, whole->queries + first, Min(n, whole->n_queries - first), progress);
}

void
stored_free(StoredModel *stored)
{
	MemoryContextDelete(stored->budget.context);
}
