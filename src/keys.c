/*
 * keys.c
 *		Keys of any hashable type, mapped to dense numbers.
 *
 * Integers have a table of their own by value; other types go through the
 * hash and equality operators of their type.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "compatibility.h"
#include "keys.h"

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

/* The tables of keys grow by themselves; this is how they ask. */
static inline void *
integer_keys_allocate(integer_keys_hash *table, Size size)
{
	return budget_alloc(((KeyMap *) table->private_data)->budget, 1, size, "keys");
}

static inline void
integer_keys_free(integer_keys_hash *table, void *pointer)
{
	pfree(pointer);
}

static inline void *
any_keys_allocate(any_keys_hash *table, Size size)
{
	return budget_alloc(((KeyMap *) table->private_data)->budget, 1, size, "keys");
}

static inline void
any_keys_free(any_keys_hash *table, void *pointer)
{
	pfree(pointer);
}

/*
 * An empty map for the values of a column, its memory taken from the budget.
 */
void
keys_init(KeyMap *map, Budget *budget, Form_pg_attribute column)
{
	memset(map, 0, sizeof(KeyMap));
	map->type = getBaseType(column->atttypid);
	map->collation = column->attcollation;
	map->budget = budget;
	map->is_integer = map->type == INT2OID || map->type == INT4OID || map->type == INT8OID;
	map->last_id = -1;
	if (map->is_integer)
		map->integers = integer_keys_create(map->budget->context, 1024, map);
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
		map->others = any_keys_create(map->budget->context, 1024, map);
	}
}

/*
 * Append a new key and return its number.
 */
static int32
add_key(KeyMap *map, Datum key)
{
	if (map->n == map->capacity)
	{
		int32 capacity = map->capacity == 0 ? 1024 : map->capacity * 2;
		Datum *keys;
		int32 *counts;

		if (map->capacity > PG_INT32_MAX / 2)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("more than %d distinct keys", PG_INT32_MAX / 2)));
		keys = budget_alloc(map->budget, capacity, sizeof(Datum), "keys");
		counts = budget_alloc(map->budget, capacity, sizeof(int32), "keys");
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

static inline int64
integer_key(const KeyMap *map, Datum datum)
{
	return map->type == INT8OID   ? DatumGetInt64(datum)
		   : map->type == INT4OID ? DatumGetInt32(datum)
								  : DatumGetInt16(datum);
}

/*
 * The number of a key, counting one more row for it.
 */
int32
keys_number(KeyMap *map, Datum datum)
{
	bool found;

	if (map->is_integer)
	{
		int64 key = integer_key(map, datum);

		if (map->last_id < 0 || key != map->last_key)
		{
			IntegerKey *entry;

			if (map->integers->members >= map->integers->grow_threshold)
				budget_check(map->budget, mul_size(2 * map->integers->size, sizeof(IntegerKey)),
							 "keys");
			entry = integer_keys_insert(map->integers, key, &found);
			if (!found)
				entry->id = add_key(map, Int64GetDatum(key));
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
			MemoryContext old = MemoryContextSwitchTo(map->budget->context);

			entry->key = datumCopy(datum, map->typcache->typbyval, map->typcache->typlen);
			MemoryContextSwitchTo(old);
			entry->id = add_key(map, entry->key);
		}
		if (toasted)
			pfree(DatumGetPointer(datum));
		map->last_id = entry->id;
	}
	map->counts[map->last_id]++;
	return map->last_id;
}

/*
 * The number of a key, or -1 if it has none.
 */
int32
keys_find(KeyMap *map, Datum datum)
{
	if (map->is_integer)
	{
		IntegerKey *entry = integer_keys_lookup(map->integers, integer_key(map, datum));

		return entry == NULL ? -1 : entry->id;
	}
	else
	{
		/* The operators of the type detoast for themselves. */
		AnyKey *entry = any_keys_lookup(map->others, datum);

		return entry == NULL ? -1 : entry->id;
	}
}

/*
 * A key, where integers are kept as bigint, as a value of its type.
 */
Datum
keys_datum(Datum key, Oid type)
{
	if (type == INT4OID)
		return Int32GetDatum((int32) DatumGetInt64(key));
	if (type == INT2OID)
		return Int16GetDatum((int16) DatumGetInt64(key));
	return key;
}

/*
 * Refuse keys of a type, domains resolved, other than the one declared for them.
 */
void
keys_check_type(Oid type, const char *what, Oid declared)
{
	if (type != getBaseType(declared))
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("the query's %s column is of type %s, not %s", what,
							   format_type_be(type), format_type_be(declared))));
}

/*
 * A hash of a key, the same in whatever order the keys have come.
 */
uint32
keys_hash(KeyMap *map, int32 id)
{
	if (map->is_integer)
		return hash_integer(DatumGetInt64(map->keys[id]));
	return murmurhash32(any_key_hash(map, map->keys[id]));
}

/*
 * A key as text, for messages.
 */
char *
keys_text(KeyMap *map, Datum key)
{
	Oid output;
	bool is_varlena;

	if (map->is_integer)
		return psprintf(INT64_FORMAT, DatumGetInt64(key));
	getTypeOutputInfo(map->type, &output, &is_varlena);
	return OidOutputFunctionCall(output, key);
}

typedef struct KeyOrder
{
	KeyMap *map;
	const int32 *key_rank; /* by falling count, then by this; NULL: by key */
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
	if (order->key_rank != NULL)
	{
		if (map->counts[x] != map->counts[y])
			return map->counts[x] > map->counts[y] ? -1 : 1;
		return order->key_rank[x] < order->key_rank[y] ? -1 : 1;
	}
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
rank_keys(KeyOrder *order)
{
	KeyMap *map = order->map;
	int32 *sorted = budget_alloc(map->budget, map->n, sizeof(int32), "keys");
	int32 *rank = budget_alloc(map->budget, map->n, sizeof(int32), "keys");

	for (int32 i = 0; i < map->n; i++)
		sorted[i] = i;
	qsort_arg(sorted, map->n, sizeof(int32), compare_keys, order);
	for (int32 i = 0; i < map->n; i++)
		rank[sorted[i]] = i;
	pfree(sorted);
	return rank;
}

/*
 * The rank of each key in the order of the type: rank[old number] = new one.
 * Keys of a type without an order keep the order of arrival.
 */
int32 *
keys_rank(KeyMap *map)
{
	return rank_keys(&(KeyOrder){.map = map});
}

/*
 * The rank of each key by falling count, then by its rank among the keys.
 */
int32 *
keys_rank_by_count(KeyMap *map, const int32 *key_rank)
{
	return rank_keys(&(KeyOrder){.map = map, .key_rank = key_rank});
}

/*
 * First position of each bucket, from the counts by old number: starts has
 * n + 1 elements by new number.
 */
int64 *
keys_bucket_starts(KeyMap *map, const int32 *rank)
{
	int64 *starts = budget_alloc(map->budget, (Size) map->n + 1, sizeof(int64), "keys");

	for (int32 i = 0; i < map->n; i++)
		starts[rank[i] + 1] = map->counts[i];
	for (int32 i = 0; i < map->n; i++)
		starts[i + 1] += starts[i];
	return starts;
}

Datum *
keys_permute(KeyMap *map, const int32 *rank)
{
	Datum *keys = budget_alloc(map->budget, map->n, sizeof(Datum), "keys");

	for (int32 i = 0; i < map->n; i++)
		keys[rank[i]] = map->keys[i];
	return keys;
}

void
keys_free(KeyMap *map)
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
