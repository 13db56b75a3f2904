/*
 * ratings.c
 *		Read the rows (user, item, rating) of a query into a sparse matrix.
 *
 * The rows are pushed by the executor into a DestReceiver, which maps both
 * keys to dense numbers and appends 12 bytes to a list of chunks: no tuple is
 * ever stored.  When all have arrived, the keys are put in their final order
 * and a counting sort by row turns the chunks into the compressed form.
 *
 * At its peak that takes 20 bytes a rating (12 in the chunks, 8 in the sort's
 * target) plus the keys.  Every large piece is asked for through
 * ratings_alloc, which refuses before it takes when maintenance_work_mem would
 * be passed.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parser.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "ratings.h"
#include "socrec.h"

/* Keys of the integer types, by value. */
typedef struct IntegerKey
{
	int64 key;
	int32 id;
	char status;
} IntegerKey;

/* The finalizer of MurmurHash3: keys in steps must not pile up. */
static inline uint32
hash_integer(uint64 key)
{
	key ^= key >> 33;
	key *= UINT64CONST(0xFF51AFD7ED558CCD);
	key ^= key >> 33;
	key *= UINT64CONST(0xC4CEB9FE1A85EC53);
	return (uint32) (key ^ (key >> 33));
}

#define SH_PREFIX integer_keys
#define SH_USE_NONDEFAULT_ALLOCATOR
#define SH_ELEMENT_TYPE IntegerKey
#define SH_KEY_TYPE int64
#define SH_KEY key
#define SH_HASH_KEY(table, k) hash_integer(k)
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

/* Keys of any other hashable type, through the type's own operators. */
typedef struct AnyKey
{
	Datum key;
	uint32 hash;
	int32 id;
	char status;
} AnyKey;

typedef struct KeyMap KeyMap;

static inline uint32 any_key_hash(KeyMap *map, Datum key);
static inline bool any_key_equal(KeyMap *map, Datum a, Datum b);

#define SH_PREFIX any_keys
#define SH_USE_NONDEFAULT_ALLOCATOR
#define SH_ELEMENT_TYPE AnyKey
#define SH_KEY_TYPE Datum
#define SH_KEY key
#define SH_HASH_KEY(table, k) any_key_hash((table)->private_data, k)
#define SH_EQUAL(table, a, b) any_key_equal((table)->private_data, a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(table, entry) ((entry)->hash)
#define SH_SCOPE static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

/* One dimension's keys, numbered in order of arrival while loading. */
struct KeyMap
{
	Oid type; /* domains resolved */
	Oid collation;
	Ratings *ratings; /* whose memory it takes */
	bool is_integer;
	TypeCacheEntry *typcache;
	integer_keys_hash *integers;
	any_keys_hash *others;
	int64 last_key; /* rows tend to arrive in runs of one key */
	int32 last_id;
	int32 n;
	int32 capacity;
	Datum *keys;
	int32 *counts;
};

static inline uint32
any_key_hash(KeyMap *map, Datum key)
{
	return DatumGetUInt32(FunctionCall1Coll(&map->typcache->hash_proc_finfo, map->collation, key));
}

static inline bool
any_key_equal(KeyMap *map, Datum a, Datum b)
{
	return DatumGetBool(FunctionCall2Coll(&map->typcache->eq_opr_finfo, map->collation, a, b));
}

typedef struct Rating
{
	int32 row;
	int32 column;
	float4 value;
} Rating;

#define CHUNK_RATINGS 65536
#define MAX_RATINGS INT64CONST(4000000000)

typedef struct Chunk
{
	struct Chunk *next;
	int32 n;
	Rating ratings[CHUNK_RATINGS];
} Chunk;

typedef struct RatingReceiver
{
	DestReceiver pub;
	Ratings *ratings;
	bool transpose;
	Progress *progress;
	Oid value_type; /* InvalidOid: the query has no third column, value 1 */
	KeyMap rows;
	KeyMap columns;
	Chunk *first;
	Chunk *last;
} RatingReceiver;

/*
 * Refuse to go on when `more` bytes would take the matrix past its limit.
 */
static void
check_memory(Ratings *ratings, Size more, const char *what)
{
	Size used = MemoryContextMemAllocated(ratings->context, true);
	Size needed = add_size(used, more);

	if (needed > ratings->memory_limit)
		ereport(
			ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("fitting needs at least %zu MB of memory, maintenance_work_mem allows %zu MB",
					needed / (1024 * 1024) + 1, ratings->memory_limit / (1024 * 1024)),
			 errdetail("%zu MB are in use and %zu MB more are needed for %s, at " INT64_FORMAT
					   " ratings.",
					   used / (1024 * 1024), more / (1024 * 1024) + 1, what, ratings->n_ratings),
			 errhint("Raise maintenance_work_mem, for this session or for the role that fits.")));
}

/*
 * Zeroed memory for count elements of the given size, accounted for; `what`
 * names it in the error.
 */
void *
ratings_alloc(Ratings *ratings, Size count, Size size, const char *what)
{
	Size bytes = mul_size(Max(count, 1), size);

	check_memory(ratings, bytes, what);
	return MemoryContextAllocExtended(ratings->context, bytes, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/* The tables of keys grow by themselves; this is how they ask. */
static inline void *
integer_keys_allocate(integer_keys_hash *table, Size size)
{
	return ratings_alloc(((KeyMap *) table->private_data)->ratings, 1, size, "keys");
}

static inline void
integer_keys_free(integer_keys_hash *table, void *pointer)
{
	pfree(pointer);
}

static inline void *
any_keys_allocate(any_keys_hash *table, Size size)
{
	return ratings_alloc(((KeyMap *) table->private_data)->ratings, 1, size, "keys");
}

static inline void
any_keys_free(any_keys_hash *table, void *pointer)
{
	pfree(pointer);
}

void
ratings_free(Ratings *ratings)
{
	MemoryContextDelete(ratings->context);
}

static void
init_key_map(KeyMap *map, Ratings *ratings, Form_pg_attribute column)
{
	memset(map, 0, sizeof(KeyMap));
	map->type = getBaseType(column->atttypid);
	map->collation = column->attcollation;
	map->ratings = ratings;
	map->is_integer = map->type == INT2OID || map->type == INT4OID || map->type == INT8OID;
	map->last_id = -1;
	if (map->is_integer)
		map->integers = integer_keys_create(ratings->context, 1024, map);
	else
	{
		map->typcache =
			lookup_type_cache(map->type, TYPECACHE_EQ_OPR_FINFO | TYPECACHE_HASH_PROC_FINFO |
											 TYPECACHE_CMP_PROC_FINFO);
		if (!OidIsValid(map->typcache->hash_proc_finfo.fn_oid) ||
			!OidIsValid(map->typcache->eq_opr_finfo.fn_oid))
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
							errmsg("column \"%s\" cannot be a key: type %s has no hash function",
								   NameStr(column->attname), format_type_be(column->atttypid)),
							errhint("Cast it to a type that can be hashed, such as text.")));
		map->others = any_keys_create(ratings->context, 1024, map);
	}
}

/*
 * Append a new key and return its number.
 */
static int32
add_key(KeyMap *map, Ratings *ratings, Datum key)
{
	if (map->n == map->capacity)
	{
		int32 capacity = map->capacity == 0 ? 1024 : map->capacity * 2;
		Datum *keys;
		int32 *counts;

		if (map->capacity > PG_INT32_MAX / 2)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("more than %d distinct keys", PG_INT32_MAX / 2)));
		keys = ratings_alloc(ratings, capacity, sizeof(Datum), "keys");
		counts = ratings_alloc(ratings, capacity, sizeof(int32), "keys");
		if (map->n > 0)
		{
			memcpy(keys, map->keys, map->n * sizeof(Datum));
			memcpy(counts, map->counts, map->n * sizeof(int32));
			pfree(map->keys);
			pfree(map->counts);
		}
		map->keys = keys;
		map->counts = counts;
		map->capacity = capacity;
	}
	map->keys[map->n] = key;
	return map->n++;
}

/*
 * The number of a key, counting one more rating for it.
 */
static int32
number_key(KeyMap *map, Ratings *ratings, Datum datum)
{
	bool found;

	if (map->is_integer)
	{
		int64 key = map->type == INT8OID   ? DatumGetInt64(datum)
					: map->type == INT4OID ? DatumGetInt32(datum)
										   : DatumGetInt16(datum);

		if (map->last_id < 0 || key != map->last_key)
		{
			IntegerKey *entry;

			if (map->integers->members >= map->integers->grow_threshold)
				check_memory(ratings, mul_size(2 * map->integers->size, sizeof(IntegerKey)),
							 "keys");
			entry = integer_keys_insert(map->integers, key, &found);
			if (!found)
				entry->id = add_key(map, ratings, Int64GetDatum(key));
			map->last_key = key;
			map->last_id = entry->id;
		}
	}
	else
	{
		bool toasted =
			map->typcache->typlen == -1 && (VARATT_IS_EXTERNAL(DatumGetPointer(datum)) ||
											VARATT_IS_COMPRESSED(DatumGetPointer(datum)));
		AnyKey *entry;

		if (toasted)
			datum = PointerGetDatum(PG_DETOAST_DATUM(datum));
		entry = any_keys_insert(map->others, datum, &found);
		if (!found)
		{
			MemoryContext old = MemoryContextSwitchTo(ratings->context);

			entry->key = datumCopy(datum, map->typcache->typbyval, map->typcache->typlen);
			MemoryContextSwitchTo(old);
			entry->id = add_key(map, ratings, entry->key);
		}
		if (toasted)
			pfree(DatumGetPointer(datum));
		map->last_id = entry->id;
	}
	map->counts[map->last_id]++;
	return map->last_id;
}

/*
 * A key as text, for messages.
 */
static char *
key_text(KeyMap *map, Datum key)
{
	Oid output;
	bool is_varlena;

	if (map->is_integer)
		return psprintf(INT64_FORMAT, DatumGetInt64(key));
	getTypeOutputInfo(map->type, &output, &is_varlena);
	return OidOutputFunctionCall(output, key);
}

static double
rating_value(RatingReceiver *receiver, TupleTableSlot *slot)
{
	Datum value = slot->tts_values[2];

	switch (receiver->value_type)
	{
		case FLOAT8OID:
			return DatumGetFloat8(value);
		case FLOAT4OID:
			return DatumGetFloat4(value);
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		case INT8OID:
			return (double) DatumGetInt64(value);
		default:
			return DatumGetFloat8(DirectFunctionCall1(numeric_float8, value));
	}
}

static bool
receive_rating(TupleTableSlot *slot, DestReceiver *self)
{
	RatingReceiver *receiver = (RatingReceiver *) self;
	Ratings *ratings = receiver->ratings;
	KeyMap *users = receiver->transpose ? &receiver->columns : &receiver->rows;
	KeyMap *items = receiver->transpose ? &receiver->rows : &receiver->columns;
	bool has_value = OidIsValid(receiver->value_type);
	Chunk *chunk = receiver->last;
	Rating *rating;
	int32 user;
	int32 item;
	double value = 1.0;

	slot_getallattrs(slot);
	if (slot->tts_isnull[0] || slot->tts_isnull[1] || (has_value && slot->tts_isnull[2]))
	{
		ratings->n_skipped++;
		return true;
	}
	if (has_value)
		value = rating_value(receiver, slot);

	user = number_key(users, ratings, slot->tts_values[0]);
	item = number_key(items, ratings, slot->tts_values[1]);

	if (unlikely(!isfinite(value) || !isfinite((float4) value)))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("rating %g of user %s for item %s is not a finite real number", value,
						key_text(users, users->keys[user]), key_text(items, items->keys[item])),
				 errhint("Leave such rows out in the source query.")));

	if (chunk == NULL || chunk->n == CHUNK_RATINGS)
	{
		/* The sort will need 8 bytes a rating beside the chunks. */
		check_memory(ratings, add_size(sizeof(Chunk), mul_size(8, ratings->n_ratings)), "ratings");
		if (ratings->n_ratings >= MAX_RATINGS)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("more than " INT64_FORMAT " ratings", MAX_RATINGS)));
		progress_report(receiver->progress, INT64_FORMAT " ratings read", ratings->n_ratings);
		chunk = MemoryContextAllocHuge(ratings->context, sizeof(Chunk));
		chunk->next = NULL;
		chunk->n = 0;
		if (receiver->last == NULL)
			receiver->first = chunk;
		else
			receiver->last->next = chunk;
		receiver->last = chunk;
	}
	rating = &chunk->ratings[chunk->n++];
	rating->row = receiver->transpose ? item : user;
	rating->column = receiver->transpose ? user : item;
	rating->value = (float4) value;
	ratings->n_ratings++;
	return true;
}

/*
 * Called with the result's shape before the first row.
 */
static void
start_ratings(DestReceiver *self, int operation, TupleDesc desc)
{
	RatingReceiver *receiver = (RatingReceiver *) self;
	int user = receiver->transpose ? 1 : 0;

	if (desc->natts != 2 && desc->natts != 3)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("query returns %d columns, not (user, item) or (user, item, rating)",
							   desc->natts)));
	if (desc->natts == 3)
	{
		Oid type = getBaseType(TupleDescAttr(desc, 2)->atttypid);

		if (type != FLOAT8OID && type != FLOAT4OID && type != INT2OID && type != INT4OID &&
			type != INT8OID && type != NUMERICOID)
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
							errmsg("rating column \"%s\" is of type %s, not a number",
								   NameStr(TupleDescAttr(desc, 2)->attname),
								   format_type_be(TupleDescAttr(desc, 2)->atttypid)),
							errhint("Cast it in the query, for instance to real.")));
		receiver->value_type = type;
	}
	init_key_map(&receiver->rows, receiver->ratings, TupleDescAttr(desc, user));
	init_key_map(&receiver->columns, receiver->ratings, TupleDescAttr(desc, 1 - user));
}

static void
ignore_receiver(DestReceiver *self)
{
}

/*
 * Final numbers of a dimension's keys: rank[old] = new.  By falling count when
 * by_count, then by key in the order of the type; a type without an order
 * keeps the order of arrival.
 */
typedef struct KeyOrder
{
	KeyMap *map;
	bool by_count;
	uint64 comparisons;
} KeyOrder;

static int
compare_keys(const void *a, const void *b, void *arg)
{
	KeyOrder *order = arg;
	KeyMap *map = order->map;
	int32 x = *(const int32 *) a;
	int32 y = *(const int32 *) b;

	/* Nothing is lost when the sort is left: it only permutes numbers. */
	if ((++order->comparisons & 0xFFFF) == 0)
		CHECK_FOR_INTERRUPTS();
	if (order->by_count && map->counts[x] != map->counts[y])
		return map->counts[x] > map->counts[y] ? -1 : 1;
	if (map->is_integer)
	{
		int64 kx = DatumGetInt64(map->keys[x]);
		int64 ky = DatumGetInt64(map->keys[y]);

		return kx < ky ? -1 : kx > ky ? 1 : 0;
	}
	if (OidIsValid(map->typcache->cmp_proc_finfo.fn_oid))
	{
		int cmp = DatumGetInt32(FunctionCall2Coll(&map->typcache->cmp_proc_finfo, map->collation,
												  map->keys[x], map->keys[y]));

		if (cmp != 0)
			return cmp;
	}
	return x < y ? -1 : x > y ? 1 : 0;
}

static int32 *
rank_keys(Ratings *ratings, KeyMap *map, bool by_count)
{
	KeyOrder order = {map, by_count, 0};
	int32 *sorted = ratings_alloc(ratings, map->n, sizeof(int32), "keys");
	int32 *rank = ratings_alloc(ratings, map->n, sizeof(int32), "keys");

	for (int32 i = 0; i < map->n; i++)
		sorted[i] = i;
	qsort_arg(sorted, map->n, sizeof(int32), compare_keys, &order);
	for (int32 i = 0; i < map->n; i++)
		rank[sorted[i]] = i;
	pfree(sorted);
	return rank;
}

/*
 * First position of each bucket, from the counts by old number: starts has
 * n + 1 elements by new number.
 */
static int64 *
bucket_starts(Ratings *ratings, KeyMap *map, const int32 *rank)
{
	int64 *starts = ratings_alloc(ratings, (Size) map->n + 1, sizeof(int64), "keys");

	for (int32 i = 0; i < map->n; i++)
		starts[rank[i] + 1] = map->counts[i];
	for (int32 i = 0; i < map->n; i++)
		starts[i + 1] += starts[i];
	return starts;
}

static Datum *
permute_keys(Ratings *ratings, KeyMap *map, const int32 *rank)
{
	Datum *keys = ratings_alloc(ratings, map->n, sizeof(Datum), "keys");

	for (int32 i = 0; i < map->n; i++)
		keys[rank[i]] = map->keys[i];
	return keys;
}

static void
refuse_duplicate(RatingReceiver *receiver, Datum *row_keys, int32 row, int32 column)
{
	char *row_text = key_text(&receiver->rows, row_keys[row]);
	char *column_text = key_text(&receiver->columns, receiver->ratings->column_keys[column]);

	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("more than one rating of user %s for item %s",
					receiver->transpose ? column_text : row_text,
					receiver->transpose ? row_text : column_text),
			 errhint("Give one row for each pair, for instance by GROUP BY in the source query.")));
}

#define ST_SORT sort_entries
#define ST_ELEMENT_TYPE KnnEntry
#define ST_COMPARE(a, b) ((a)->column < (b)->column ? -1 : (a)->column > (b)->column)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * Move the chunks' ratings to their rows.  Tables are mostly filled user by
 * user, so this is close to a copy, where sorting by item first would jump.
 */
static void
scatter_chunks(RatingReceiver *receiver, const int32 *row_rank, const int32 *column_rank)
{
	Ratings *ratings = receiver->ratings;
	int64 *next = ratings_alloc(ratings, ratings->n_rows, sizeof(int64), "keys");

	memcpy(next, ratings->row_start, ratings->n_rows * sizeof(int64));
	for (Chunk *chunk = receiver->first, *following; chunk != NULL; chunk = following)
	{
		CHECK_FOR_INTERRUPTS();
		for (int32 i = 0; i < chunk->n; i++)
		{
			const Rating *rating = &chunk->ratings[i];
			KnnEntry *entry = &ratings->entries[next[row_rank[rating->row]]++];

			entry->column = column_rank[rating->column];
			entry->value = rating->value;
		}
		following = chunk->next;
		pfree(chunk);
	}
	pfree(next);
}

/*
 * Turn the chunks into the compressed matrix: move every rating to its row,
 * sort the rows, and list the rows of each column.
 */
static void
compress_ratings(RatingReceiver *receiver)
{
	Ratings *ratings = receiver->ratings;
	int32 *row_rank = rank_keys(ratings, &receiver->rows, false);
	int32 *column_rank = rank_keys(ratings, &receiver->columns, true);
	Datum *row_keys = permute_keys(ratings, &receiver->rows, row_rank);
	int64 *next;

	ratings->n_rows = receiver->rows.n;
	ratings->n_columns = receiver->columns.n;
	ratings->column_type = receiver->columns.type;
	ratings->column_keys = permute_keys(ratings, &receiver->columns, column_rank);
	ratings->row_start = bucket_starts(ratings, &receiver->rows, row_rank);
	ratings->column_start = bucket_starts(ratings, &receiver->columns, column_rank);
	ratings->entries = ratings_alloc(ratings, ratings->n_ratings, sizeof(KnnEntry), "ratings");
	scatter_chunks(receiver, row_rank, column_rank);
	pfree(row_rank);
	pfree(column_rank);

	ratings->column_row = ratings_alloc(ratings, ratings->n_ratings, sizeof(int32), "ratings");
	next = ratings_alloc(ratings, ratings->n_columns, sizeof(int64), "keys");
	memcpy(next, ratings->column_start, ratings->n_columns * sizeof(int64));
	for (int32 row = 0; row < ratings->n_rows; row++)
	{
		int64 start = ratings->row_start[row];
		int64 end = ratings->row_start[row + 1];

		if (row % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		sort_entries(ratings->entries + start, end - start);
		for (int64 p = start; p < end; p++)
		{
			int32 column = ratings->entries[p].column;

			if (p > start && ratings->entries[p - 1].column == column)
				refuse_duplicate(receiver, row_keys, row, column);
			ratings->column_row[next[column]++] = row;
		}
	}
	pfree(next);
	pfree(row_keys);
}

static double
mean_rating(const Ratings *ratings)
{
	double sum = 0;

	for (int64 p = 0; p < ratings->n_ratings; p++)
		sum += ratings->entries[p].value;
	return ratings->n_ratings > 0 ? sum / ratings->n_ratings : 0;
}

static void
free_key_map(KeyMap *map)
{
	if (map->integers != NULL)
		integer_keys_destroy(map->integers);
	if (map->others != NULL)
		any_keys_destroy(map->others);
	if (map->capacity > 0)
	{
		pfree(map->keys);
		pfree(map->counts);
	}
}

/*
 * Make the place of a syntax error one in the query, not in the statement that
 * was given the query.
 */
static void
syntax_error_callback(void *query)
{
	int position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(query);
	}
}

/*
 * Is this the text of one query, and a query that only reads?
 */
static void
check_query(const char *query)
{
	ErrorContextCallback callback = {error_context_stack, syntax_error_callback,
									 unconstify(char *, query)};
	List *parsed;

	error_context_stack = &callback;
	parsed = raw_parser(query, RAW_PARSE_DEFAULT);
	error_context_stack = callback.previous;

	if (list_length(parsed) != 1 || !IsA(linitial_node(RawStmt, parsed)->stmt, SelectStmt))
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR),
						errmsg("source is not a single SELECT query: %s", query)));
}

/*
 * check_query(query text): for the SQL functions that build views on a query.
 */
PG_FUNCTION_INFO_V1(socrec_check_query);
Datum
socrec_check_query(PG_FUNCTION_ARGS)
{
	check_query(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

/*
 * Run the query, which returns (user, item) or (user, item, rating), under the
 * caller's privileges and snapshot, and return its ratings.  Rows with a NULL
 * are skipped and counted.  With transpose, items are the rows of the matrix
 * and users its columns.
 *
 * Errors: not one SELECT; not two or three columns; a key without a hash
 * function; a rating that is no number or not finite as a real; two ratings
 * for one pair; more memory than maintenance_work_mem.
 */
Ratings *
ratings_load(const char *query, bool transpose, Progress *progress)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "socrec ratings", ALLOCSET_DEFAULT_SIZES);
	Ratings *ratings = MemoryContextAllocZero(context, sizeof(Ratings));
	RatingReceiver receiver = {
		.pub = {receive_rating, start_ratings, ignore_receiver, ignore_receiver, DestTuplestore}};
	SPIExecuteOptions options = {.read_only = true, .must_return_tuples = true};
	TimestampTz started = GetCurrentTimestamp();
	TimestampTz read;
	int code;

	ratings->context = context;
	ratings->memory_limit = (Size) maintenance_work_mem * 1024;
	receiver.ratings = ratings;
	receiver.transpose = transpose;
	receiver.progress = progress;
	options.dest = &receiver.pub;

	check_query(query);
	if ((code = SPI_connect()) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed: %s", SPI_result_code_string(code));
	code = SPI_execute_extended(query, &options);
	if (code != SPI_OK_SELECT)
		elog(ERROR, "query failed: %s", SPI_result_code_string(code));
	read = GetCurrentTimestamp();
	compress_ratings(&receiver);
	free_key_map(&receiver.rows);
	free_key_map(&receiver.columns);
	SPI_finish();

	ratings->mean = mean_rating(ratings);
	ereport(DEBUG1, (errmsg_internal("socrec: read " INT64_FORMAT
									 " ratings in %.3f s, compressed them in %.3f s",
									 ratings->n_ratings, (read - started) / 1e6,
									 (GetCurrentTimestamp() - read) / 1e6)));
	return ratings;
}
