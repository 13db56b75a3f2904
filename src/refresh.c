/*
 * refresh.c
 *		socrec.refreshed_neighbors(): the nearest neighbors of items, from what
 *		the last fit or refresh has stored and the ratings that have come and gone
 *		since, with what the next one needs.
 *
 * The pairs are refresh_pairs.c's business.  Here what is stored, whose numbers
 * are those of then, is brought to the numbers of now, and the changed rows are
 * put together as they were.  Whatever does not fit (what is stored was tampered
 * with, or the changes are not those of the ratings) makes a full search of it.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

#include "keys.h"
#include "neighbors.h"
#include "query.h"
#include "refresh.h"
#include "socrec.h"
#include "svec.h"

/* A column as it was stored; others by the numbers of then. */
typedef struct StoredRow
{
	int32 id;
	int32 column; /* its number now */
	StoredColumn stored;
} StoredRow;

typedef struct StoredReceiver
{
	DestReceiver pub;
	const Ratings *ratings;
	Budget *budget;
	KeyMap keys;
	bool fits; /* nothing was found that cannot be */
	StoredRow *rows;
	int32 n;
	int32 capacity;
} StoredReceiver;

typedef struct Change
{
	int32 row;
	int32 column;
	float4 value;
	int32 sign; /* 1: came; -1: went */
} Change;

typedef struct ChangeReceiver
{
	DestReceiver pub;
	const Ratings *ratings;
	Budget *budget;
	KeyMap rows;
	KeyMap *columns;
	bool fits;
	Change *changes;
	int32 n;
	int32 capacity;
} ChangeReceiver;

/*
 * A map of the keys of the ratings to their numbers.
 */
static void
number_keys(KeyMap *map, Budget *budget, Form_pg_attribute attribute, const Datum *keys, int32 n,
			Oid type)
{
	keys_init(map, budget, attribute);
	for (int32 i = 0; i < n; i++)
		keys_number(map, keys_datum(keys[i], type));
}

/*
 * Room for one more element of an array that grows.
 */
static void *
one_more(void *array, int32 n, int32 *capacity, Size size, Budget *budget)
{
	void *larger;

	if (n < *capacity)
		return array;
	*capacity = Max(1024, 2 * *capacity);
	larger = budget_alloc(budget, *capacity, size, "changes");
	if (n > 0)
	{
		memcpy(larger, array, n * size);
		pfree(array);
	}
	return larger;
}

static void
start_stored(DestReceiver *self, int operation, TupleDesc desc)
{
	StoredReceiver *receiver = (StoredReceiver *) self;
	static const Oid types[] = {INT4OID,      InvalidOid,     FLOAT8OID,      FLOAT4OID,
								INT4ARRAYOID, FLOAT4ARRAYOID, FLOAT4ARRAYOID, INT4ARRAYOID};

	if (desc->natts != lengthof(types))
		invalid_argument("stored pairs have %d columns, not %d", desc->natts,
						 (int) lengthof(types));
	for (int i = 0; i < desc->natts; i++)
		if (OidIsValid(types[i]) && TupleDescAttr(desc, i)->atttypid != types[i])
			invalid_argument("column \"%s\" of stored pairs is of type %s, not %s",
							 NameStr(TupleDescAttr(desc, i)->attname),
							 format_type_be(TupleDescAttr(desc, i)->atttypid),
							 format_type_be(types[i]));
	if (receiver->ratings->n_columns > 0)
		keys_check_type(receiver->ratings->column_type, "item", TupleDescAttr(desc, 1)->atttypid);
	number_keys(&receiver->keys, receiver->budget, TupleDescAttr(desc, 1),
				receiver->ratings->column_keys, receiver->ratings->n_columns,
				receiver->ratings->column_type);
}

/*
 * The elements of an array of four-byte numbers, in the given number, or NULL.
 */
static void *
array_of(ArrayType *array, int32 n)
{
	if (ARR_HASNULL(array) || ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) != n)
		return NULL;
	return ARR_DATA_PTR(array);
}

static bool
receive_stored(TupleTableSlot *slot, DestReceiver *self)
{
	StoredReceiver *receiver = (StoredReceiver *) self;
	ArrayType *arrays[4];
	void *elements[4];
	StoredRow *row;
	int32 n;

	slot_getallattrs(slot);
	for (int i = 0; i < 8; i++)
		if (slot->tts_isnull[i])
			receiver->fits = false;
	if (!receiver->fits)
		return true;
	for (int i = 0; i < 4; i++)
		arrays[i] = DatumGetArrayTypePCopy(slot->tts_values[i + 4]);
	n = ArrayGetNItems(ARR_NDIM(arrays[0]), ARR_DIMS(arrays[0]));
	for (int i = 0; i < 4; i++)
		if ((elements[i] = array_of(arrays[i], n)) == NULL)
			receiver->fits = false;
	receiver->rows = one_more(receiver->rows, receiver->n, &receiver->capacity, sizeof(StoredRow),
							  receiver->budget);
	row = &receiver->rows[receiver->n++];
	row->id = DatumGetInt32(slot->tts_values[0]);
	row->column = keys_number(&receiver->keys, slot->tts_values[1]);
	row->stored.norm = DatumGetFloat8(slot->tts_values[2]);
	row->stored.bound = DatumGetFloat4(slot->tts_values[3]);
	row->stored.n_pairs = n;
	row->stored.pairs = budget_alloc(receiver->budget, n, sizeof(StoredPair), "changes");
	for (int32 i = 0; i < n && receiver->fits; i++)
		row->stored.pairs[i] = (StoredPair){
			.column = ((int32 *) elements[0])[i],
			.sums = {.product = ((float *) elements[1])[i],
					 .total = ((float *) elements[2])[i],
					 .support = ((int32 *) elements[3])[i]},
		};
	for (int i = 0; i < 4; i++)
		pfree(arrays[i]);
	return true;
}

#define ST_SORT sort_pairs
#define ST_ELEMENT_TYPE StoredPair
#define ST_COMPARE(a, b) ((a)->column < (b)->column ? -1 : (a)->column > (b)->column)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * Put what was stored in its place, by the numbers of now, without pairs of which
 * the other column has gone.  False if it is not a whole.
 */
static bool
place_stored(StoredReceiver *receiver, StoredPairs *stored)
{
	int32 *column_of = budget_alloc(receiver->budget, receiver->n + 1, sizeof(int32), "changes");

	stored->n_stored = receiver->n;
	stored->n_all = receiver->keys.n;
	stored->columns =
		budget_alloc(receiver->budget, stored->n_all, sizeof(StoredColumn), "changes");
	for (int32 i = 0; i < receiver->n; i++)
	{
		const StoredRow *row = &receiver->rows[i];

		if (row->id < 1 || row->id > receiver->n || column_of[row->id] > 0 ||
			!(row->stored.norm >= 0) || isinf(row->stored.norm))
			return false;
		column_of[row->id] = row->column + 1;
	}
	for (int32 i = 0; i < receiver->n; i++)
	{
		StoredRow *row = &receiver->rows[i];
		StoredPair *pairs = row->stored.pairs;
		int32 n = 0;

		for (int32 p = 0; p < row->stored.n_pairs; p++)
		{
			if (pairs[p].column < 1 || pairs[p].column > receiver->n)
				return false;
			pairs[n] = pairs[p];
			pairs[n].column = column_of[pairs[p].column] - 1;
			if (pairs[n].column < receiver->ratings->n_columns)
				n++;
		}
		row->stored.n_pairs = n;
		sort_pairs(pairs, n);
		stored->columns[row->column] = row->stored;
	}
	return true;
}

static void
start_changes(DestReceiver *self, int operation, TupleDesc desc)
{
	ChangeReceiver *receiver = (ChangeReceiver *) self;
	const Ratings *ratings = receiver->ratings;

	if (desc->natts != 4 || TupleDescAttr(desc, 2)->atttypid != FLOAT8OID ||
		TupleDescAttr(desc, 3)->atttypid != INT4OID)
		invalid_argument("changes are not (user, item, double precision, integer)");
	if (ratings->n_rows > 0)
	{
		keys_check_type(ratings->row_type, "user", TupleDescAttr(desc, 0)->atttypid);
		keys_check_type(ratings->column_type, "item", TupleDescAttr(desc, 1)->atttypid);
	}
	number_keys(&receiver->rows, receiver->budget, TupleDescAttr(desc, 0), ratings->row_keys,
				ratings->n_rows, ratings->row_type);
}

static bool
receive_change(TupleTableSlot *slot, DestReceiver *self)
{
	ChangeReceiver *receiver = (ChangeReceiver *) self;
	Change *change;
	int32 column;

	slot_getallattrs(slot);
	for (int i = 0; i < 4; i++)
		if (slot->tts_isnull[i])
			receiver->fits = false;
	if (!receiver->fits)
		return true;
	column = keys_find(receiver->columns, slot->tts_values[1]);
	receiver->changes = one_more(receiver->changes, receiver->n, &receiver->capacity,
								 sizeof(Change), receiver->budget);
	change = &receiver->changes[receiver->n++];
	change->row = keys_number(&receiver->rows, slot->tts_values[0]);
	change->column = column;
	change->value = (float4) DatumGetFloat8(slot->tts_values[2]);
	change->sign = DatumGetInt32(slot->tts_values[3]);
	if (column < 0 || abs(change->sign) != 1)
		receiver->fits = false;
	return true;
}

#define ST_SORT sort_changes
#define ST_ELEMENT_TYPE Change
#define ST_COMPARE(a, b)                                                                           \
	((a)->row != (b)->row         ? ((a)->row < (b)->row ? -1 : 1)                                 \
	 : (a)->column != (b)->column ? ((a)->column < (b)->column ? -1 : 1)                           \
								  : (a)->sign - (b)->sign)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * One row as it was, from how it is and its changes, which end before the given
 * one; appends its ratings.  Returns their number, or -1 if the changes are not
 * those of the row.
 */
static int64
row_before(const Ratings *ratings, const Change *change, const Change *end, KnnEntry *before)
{
	int32 row = change->row;
	int64 p = row < ratings->n_rows ? ratings->row_start[row] : 0;
	int64 last = row < ratings->n_rows ? ratings->row_start[row + 1] : 0;
	int64 n = 0;

	while (p < last || change < end)
	{
		int32 column = p < last ? ratings->entries[p].column : PG_INT32_MAX;
		bool is = true;
		bool came = false;
		bool went = false;
		float4 was = 0;

		if (change < end && change->column < column)
		{
			column = change->column;
			is = false;
		}
		if (change < end && change->column == column && change->sign < 0)
		{
			went = true;
			was = (change++)->value;
		}
		if (change < end && change->column == column && change->sign > 0)
		{
			came = is && change->value == ratings->entries[p].value;
			if (!came)
				return -1;
			change++;
		}
		/* What has gone and is still there has come again. */
		if ((change < end && change->column == column) || (is && went && !came))
			return -1;
		if (went || (is && !came))
			before[n++] = (KnnEntry){column, went ? was : ratings->entries[p].value};
		p += is;
	}
	return n;
}

/*
 * Center and weight a row in the way of ratings_center and ratings_weight, in a
 * matrix of so many columns.
 */
static void
weight_row(KnnEntry *row, int64 n, const NeighborOptions *options, int32 n_columns)
{
	double idf = refresh_idf(n_columns, n);
	double mean = 0;

	for (int64 i = 0; i < n; i++)
		mean += row[i].value;
	mean /= n;
	for (int64 i = 0; i < n; i++)
		if (options->centering == CENTER_ROW)
			row[i].value = (float4) (row[i].value - mean);
		else if (options->weighting == WEIGHT_TFIDF)
			row[i].value = (float4) (idf * sqrt(row[i].value));
}

/*
 * The rows that have changed as they were, centered and weighted.
 */
static bool
restore_rows(ChangeReceiver *receiver, const NeighborOptions *options, StoredPairs *stored)
{
	const Ratings *ratings = receiver->ratings;
	Budget *budget = receiver->budget;
	int64 room = receiver->n;
	int64 n = 0;
	int64 *row_start = budget_alloc(budget, (Size) receiver->n + 1, sizeof(int64), "changes");
	KnnEntry *entries;

	sort_changes(receiver->changes, receiver->n);
	stored->rows = budget_alloc(budget, receiver->n, sizeof(int32), "changes");
	for (int32 i = 0; i < receiver->n; i++)
	{
		int32 row = receiver->changes[i].row;

		if (i > 0 && row == receiver->changes[i - 1].row)
			continue;
		stored->rows[stored->n_rows++] = row;
		if (row < ratings->n_rows)
			room += ratings->row_start[row + 1] - ratings->row_start[row];
	}
	entries = budget_alloc(budget, room, sizeof(KnnEntry), "changes");
	for (int32 i = 0, row = 0, end; i < receiver->n; i = end, row++)
	{
		int64 added;

		for (end = i; end < receiver->n && receiver->changes[end].row == stored->rows[row];)
			end++;
		CHECK_FOR_INTERRUPTS();
		added = row_before(ratings, &receiver->changes[i], &receiver->changes[end], &entries[n]);
		if (added < 0)
			return false;
		weight_row(&entries[n], added, options, ratings->n_columns);
		n += added;
		row_start[row + 1] = n;
	}
	stored->went = refresh_matrix(stored->n_rows, stored->n_all, row_start, entries, budget);
	return true;
}

/*
 * What is stored and what has changed.  False if they do not fit together and to
 * the ratings.
 */
static bool
read_stored(const Ratings *ratings, const NeighborOptions *options, const char *stored_query,
			const char *change_query, StoredPairs *stored, Budget *budget)
{
	StoredReceiver pairs = {
		.pub = {receive_stored, start_stored, query_ignore, query_ignore, DestTuplestore},
		.ratings = ratings,
		.budget = budget,
		.fits = true};
	ChangeReceiver changes = {
		.pub = {receive_change, start_changes, query_ignore, query_ignore, DestTuplestore},
		.ratings = ratings,
		.budget = budget,
		.columns = &pairs.keys,
		.fits = true};

	query_run(stored_query, &pairs.pub);
	if (!pairs.fits || pairs.n == 0)
		return false;
	query_run(change_query, &changes.pub);
	return changes.fits && place_stored(&pairs, stored) && restore_rows(&changes, options, stored);
}

/*
 * The changed rows as they are, from ratings that have been centered and weighted.
 */
static void
copy_rows(const Ratings *ratings, StoredPairs *stored, Budget *budget)
{
	int64 *row_start = budget_alloc(budget, (Size) stored->n_rows + 1, sizeof(int64), "changes");
	KnnEntry *entries;

	for (int32 i = 0; i < stored->n_rows; i++)
	{
		int32 row = stored->rows[i];

		row_start[i + 1] = row_start[i];
		if (row < ratings->n_rows)
			row_start[i + 1] += ratings->row_start[row + 1] - ratings->row_start[row];
	}
	entries = budget_alloc(budget, row_start[stored->n_rows], sizeof(KnnEntry), "changes");
	for (int32 i = 0; i < stored->n_rows; i++)
		if (stored->rows[i] < ratings->n_rows)
			memcpy(&entries[row_start[i]], &ratings->entries[ratings->row_start[stored->rows[i]]],
				   (row_start[i + 1] - row_start[i]) * sizeof(KnnEntry));
	stored->came = refresh_matrix(stored->n_rows, stored->n_all, row_start, entries, budget);
}

/*
 * The candidates of all columns, from what is stored if that can be, else by a full
 * search.  Centers and weights the ratings in place.
 */
static Candidates *
find_candidates(Ratings *ratings, const RatingStatistics *statistics, NeighborOptions *options,
				const char *stored_query, const char *change_query, Progress *progress)
{
	Budget *budget = &ratings->budget;
	StoredPairs stored = {0};
	Candidates *found = NULL;
	Budget part;
	bool fits;

	budget_part(&part, budget);
	fits = stored_query != NULL && change_query != NULL &&
		   read_stored(ratings, options, stored_query, change_query, &stored, &part);
	ratings_center(ratings, statistics, options->centering);
	ratings_weight(ratings, options->weighting);
	if (fits)
	{
		copy_rows(ratings, &stored, &part);
		found = refresh_changed(ratings, options, &stored, &part, budget);
	}
	MemoryContextDelete(part.context);
	return found != NULL ? found : refresh_all(ratings, statistics, options, budget, progress);
}

/*
 * The neighbors among the candidates of a column as a vector, numbers counted from 1.
 */
static SVec *
neighbor_vector(const candidate_heap *heap, int32 k)
{
	int32 n = Min(heap->n, k);
	SVec *vector = svec_alloc(n, false);

	for (int32 i = 0; i < n; i++)
	{
		svec_ids32(vector)[i] = heap->entries[i].id + 1;
		svec_weights(vector)[i] = heap->entries[i].score;
	}
	return vector;
}

/*
 * The candidates of a column as four arrays: numbers, products, totals, supports.
 */
static void
candidate_arrays(const candidate_heap *heap, Datum *values)
{
	static const Oid types[] = {INT4OID, FLOAT4OID, FLOAT4OID, INT4OID};
	Datum *elements = palloc(Max(heap->n, 1) * sizeof(Datum));

	for (int array = 0; array < 4; array++)
	{
		for (int32 i = 0; i < heap->n; i++)
		{
			const candidate_entry *entry = &heap->entries[i];

			elements[i] = array == 0   ? Int32GetDatum(entry->id + 1)
						  : array == 1 ? Float4GetDatum(entry->payload.product)
						  : array == 2 ? Float4GetDatum(entry->payload.total)
									   : Int32GetDatum(entry->payload.support);
		}
		values[array] = PointerGetDatum(
			construct_array(elements, heap->n, types[array], 4, true, TYPALIGN_INT));
	}
}

static void
put_rows(ReturnSetInfo *result, const Ratings *ratings, const RatingStatistics *statistics,
		 const Candidates *found, int32 k, Oid key_type)
{
	MemoryContext row_context =
		AllocSetContextCreate(CurrentMemoryContext, "socrec row", ALLOCSET_DEFAULT_SIZES);

	for (int32 column = 0; column < ratings->n_columns; column++)
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);
		Datum values[NEIGHBORS_COLUMNS + 5];
		bool nulls[NEIGHBORS_COLUMNS + 5] = {0};

		CHECK_FOR_INTERRUPTS();
		neighbors_row(values, ratings, statistics, column, key_type);
		values[NEIGHBORS_NORM] = Float8GetDatum(found->norm[column]);
		values[NEIGHBORS_LIST] = PointerGetDatum(neighbor_vector(&found->heaps[column], k));
		values[NEIGHBORS_COLUMNS] = Float4GetDatum(found->bound[column]);
		candidate_arrays(&found->heaps[column], &values[NEIGHBORS_COLUMNS + 1]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	MemoryContextDelete(row_context);
}

static char *
text_argument(FunctionCallInfo fcinfo, int arg)
{
	return PG_ARGISNULL(arg) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(arg));
}

/*
 * refreshed_neighbors(query, item_type, stored, changes, the arguments of
 * item_neighbors): its result, and the bound and the pairs to store for the next
 * time.  stored and changes are queries, of (id, item, norm, bound, others,
 * products, totals, supports) as this function has returned it, and of (user, item,
 * rating, change), change being 1 or -1, for all that has changed since; either
 * NULL: all is computed anew.
 *
 * Errors: those of item_neighbors; options with which pairs depend on more than
 * their rows.
 */
PG_FUNCTION_INFO_V1(socrec_refreshed_neighbors);
Datum
socrec_refreshed_neighbors(PG_FUNCTION_ARGS)
{
	NeighborOptions options = neighbors_options(fcinfo, false);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	char *query = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *stored = text_argument(fcinfo, 2);
	char *changes = text_argument(fcinfo, 3);
	Progress progress;
	Ratings *ratings;
	RatingStatistics *statistics;
	Candidates *found;
	Oid key_type;

	if (options.knn.similarity != KNN_COSINE || options.knn.min_similarity < 0 ||
		(options.centering != CENTER_NONE && options.centering != CENTER_ROW) ||
		options.weighting == WEIGHT_BM25 || options.knn.k == 0)
		invalid_argument("neighbors cannot be refreshed with these options");
	InitMaterializedSRF(fcinfo, 0);
	key_type = getBaseType(TupleDescAttr(result->setDesc, 1)->atttypid);

	progress_start(&progress, "item neighbors");
	PG_TRY();
	{
		ratings = ratings_load(query, false, &progress);
		if (ratings->n_ratings > 0)
			neighbors_check_type(ratings, key_type, false);
		statistics = ratings_describe(ratings, &options.baseline, &ratings->budget);
		found = find_candidates(ratings, statistics, &options, stored, changes, &progress);
	}
	PG_FINALLY();
	{
		progress_end(&progress);
	}
	PG_END_TRY();
	put_rows(result, ratings, statistics, found, options.knn.k, key_type);
	ratings_free(ratings);
	return (Datum) 0;
}
