/*
 * tally.c
 *		What one scan of a rating table counts.
 *
 * The executor pushes the rows into a DestReceiver, which numbers the keys, adds
 * to the sums of the user and of the item, counts the rating's value and the
 * quarter of an hour of its time, and keeps the pair.  Nothing is sorted here.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "query.h"
#include "tally.h"

/* How often each integer, or each double by its bits, has come. */
typedef struct Counter
{
	uint64 key;
	int64 count;
	char status;
} Counter;

#define SH_PREFIX counter
#define SH_USE_NONDEFAULT_ALLOCATOR
#define SH_ELEMENT_TYPE Counter
#define SH_KEY_TYPE uint64
#define SH_KEY key
#define SH_HASH_KEY(table, k) ((uint32) murmurhash32((uint32) (k) ^ murmurhash32((k) >> 32)))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

static inline void *
counter_allocate(counter_hash *table, Size size)
{
	return budget_alloc(table->private_data, 1, size, "distinct values");
}

static inline void
counter_free(counter_hash *table, void *pointer)
{
	pfree(pointer);
}

typedef struct TallyReceiver
{
	DestReceiver pub;
	Tally *tally;
} TallyReceiver;

static void
count(counter_hash *table, uint64 key, int64 n)
{
	bool found;
	Counter *counter = counter_insert(table, key, &found);

	if (!found)
		counter->count = 0;
	counter->count += n;
}

static uint64
double_bits(double value)
{
	uint64 bits;

	value += 0.0; /* -0 is 0 */
	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static double
bits_double(uint64 bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

#define ST_SORT sort_values
#define ST_ELEMENT_TYPE ValueCount
#define ST_COMPARE(a, b) ((a)->value < (b)->value ? -1 : (a)->value > (b)->value)
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

#define ST_SORT sort_cells
#define ST_ELEMENT_TYPE CellCount
#define ST_COMPARE(a, b) ((a)->cell < (b)->cell ? -1 : (a)->cell > (b)->cell)
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * The distinct ratings, ascending; not for a sketch.
 */
ValueCount *
tally_ratings(Tally *tally, int64 *n)
{
	counter_hash *table = tally->ratings;
	ValueCount *values =
		budget_alloc(&tally->budget, table->members, sizeof(ValueCount), "distinct values");
	counter_iterator iterator;
	Counter *counter;

	*n = 0;
	counter_start_iterate(table, &iterator);
	while ((counter = counter_iterate(table, &iterator)) != NULL)
		values[(*n)++] = (ValueCount){bits_double(counter->key), counter->count};
	sort_values(values, *n);
	return values;
}

/*
 * The quarters of an hour that have ratings, ascending.
 */
CellCount *
tally_cells(Tally *tally, int64 *n)
{
	counter_hash *table = tally->cells;
	CellCount *cells =
		budget_alloc(&tally->budget, table->members, sizeof(CellCount), "distinct times");
	counter_iterator iterator;
	Counter *counter;

	*n = 0;
	counter_start_iterate(table, &iterator);
	while ((counter = counter_iterate(table, &iterator)) != NULL)
		cells[(*n)++] = (CellCount){(int64) counter->key, counter->count};
	sort_cells(cells, *n);
	return cells;
}

/*
 * Go on with a sketch, as there are too many distinct ratings to count each.
 */
static void
start_sketch(Tally *tally)
{
	int64 n;
	ValueCount *values = tally_ratings(tally, &n);

	tally->sketch = budget_alloc(&tally->budget, 1, sizeof(Sketch), "sketch");
	for (int64 i = 0; i < n; i++)
	{
		sketch_add(tally->sketch, values[i].value, values[i].count);
		moments_add(&tally->moments, values[i].value, values[i].count);
	}
	pfree(values);
	counter_destroy(tally->ratings);
	tally->ratings = NULL;
}

static void
count_rating(Tally *tally, double rating)
{
	if (tally->ratings != NULL)
	{
		count(tally->ratings, double_bits(rating), 1);
		if (tally->ratings->members > MAX_DISTINCT_RATINGS)
			start_sketch(tally);
		return;
	}
	sketch_add(tally->sketch, rating, 1);
	moments_add(&tally->moments, rating, 1);
}

/*
 * Make room for the sums of all keys so far.
 */
static void *
grow(Tally *tally, void *array, Size size, const KeyMap *keys, int32 *capacity)
{
	void *grown = budget_alloc(&tally->budget, keys->capacity, size, "keys");

	if (*capacity > 0)
	{
		memcpy(grown, array, *capacity * size);
		pfree(array);
	}
	*capacity = keys->capacity;
	return grown;
}

/*
 * The time of a value, in microseconds since 2000; false when it is infinite or
 * beyond what a timestamp can be.  Numbers are seconds since 1970.
 */
static bool
read_time(Datum value, Oid type, TimestampTz *result)
{
	double seconds;

	if (query_is_time(type))
		return query_time(value, type, result);
	seconds = query_number(value, type) -
			  (double) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
	if (!(fabs(seconds) < 9e12))
		return false;
	*result = (TimestampTz) rint(seconds * USECS_PER_SEC);
	return IS_VALID_TIMESTAMP(*result);
}

/*
 * Count the time of a rating, and return its second, if it is one that pairs can
 * hold.
 */
static int32
count_time(Tally *tally, TimestampTz time)
{
	int64 second = floor_divide(time, USECS_PER_SEC);

	tally->first = Min(tally->first, time);
	tally->last = Max(tally->last, time);
	count(tally->cells, (uint64) floor_divide(time, CELL_USECS), 1);
	return second > PG_INT32_MIN && second <= PG_INT32_MAX ? (int32) second : NO_SECOND;
}

/*
 * Add a rating to the sums of its user and item.
 */
static void
sum_rating(Tally *tally, int32 user, int32 item, double rating)
{
	UserTally *of_user;

	if (user >= tally->user_capacity)
		tally->user =
			grow(tally, tally->user, sizeof(UserTally), &tally->users, &tally->user_capacity);
	if (item >= tally->item_capacity)
		tally->item_sum =
			grow(tally, tally->item_sum, sizeof(double), &tally->items, &tally->item_capacity);
	of_user = &tally->user[user];
	if (tally->users.counts[user] == 1)
		of_user->first = rating;
	of_user->varies |= rating != of_user->first;
	of_user->sum += rating;
	tally->item_sum[item] += rating;
}

static bool
receive_rating(TupleTableSlot *slot, DestReceiver *self)
{
	Tally *tally = ((TallyReceiver *) self)->tally;
	double rating = 1;
	TimestampTz time;
	bool usable;
	bool timed = false;
	int32 user;
	int32 item;

	slot_getallattrs(slot);
	if ((tally->n_rows++ & 0xFFFF) == 0)
	{
		tally->budget.rows = tally->n_rows;
		progress_report(tally->progress, INT64_FORMAT " rows read", tally->n_rows);
	}
	tally->null_users += slot->tts_isnull[0];
	tally->null_items += slot->tts_isnull[1];
	usable = !slot->tts_isnull[0] && !slot->tts_isnull[1];
	if (tally->has_rating)
	{
		bool is_null = slot->tts_isnull[2];

		if (!is_null)
			rating = query_number(slot->tts_values[2], tally->rating_type);
		tally->null_ratings += is_null;
		tally->infinite_ratings += !isfinite(rating);
		usable = usable && !is_null && isfinite(rating);
	}
	if (tally->has_time)
	{
		int column = tally->has_rating ? 3 : 2;
		bool is_null = slot->tts_isnull[column];

		timed = !is_null && read_time(slot->tts_values[column], tally->time_type, &time);
		tally->null_times += is_null;
		tally->infinite_times += !is_null && !timed;
	}
	if (!usable)
		return true;

	tally->n_ratings++;
	user = keys_number(&tally->users, slot->tts_values[0]);
	item = keys_number(&tally->items, slot->tts_values[1]);
	if (tally->has_rating)
	{
		sum_rating(tally, user, item, rating);
		count_rating(tally, rating);
	}
	pairs_add(&tally->pairs, user, item, timed ? count_time(tally, time) : NO_SECOND);
	return true;
}

static void
refuse_type(Form_pg_attribute column, const char *what, const char *wanted, const char *hint)
{
	ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
					errmsg("%s column \"%s\" is of type %s, not %s", what, NameStr(column->attname),
						   format_type_be(column->atttypid), wanted),
					errhint("%s", hint)));
}

/*
 * Called with the result's shape before the first row.
 */
static void
start_tally(DestReceiver *self, int operation, TupleDesc desc)
{
	Tally *tally = ((TallyReceiver *) self)->tally;
	int column = 2;

	if (desc->natts != 2 + tally->has_rating + tally->has_time)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("query returns %d columns, not (user, item%s%s)", desc->natts,
						tally->has_rating ? ", rating" : "", tally->has_time ? ", time" : "")));
	if (tally->has_rating)
	{
		Form_pg_attribute rating = TupleDescAttr(desc, column++);

		tally->rating_type = getBaseType(rating->atttypid);
		if (!query_is_number(tally->rating_type))
			refuse_type(rating, "rating", "a number",
						"Cast it in the source query, for instance to real.");
	}
	if (tally->has_time)
	{
		Form_pg_attribute time = TupleDescAttr(desc, column);

		tally->time_type = getBaseType(time->atttypid);
		if (!query_is_number(tally->time_type) && !query_is_time(tally->time_type))
			refuse_type(time, "time", "a time or seconds since 1970",
						"Cast it in the source query, for instance to timestamptz.");
	}
	keys_init(&tally->users, &tally->budget, TupleDescAttr(desc, 0));
	keys_init(&tally->items, &tally->budget, TupleDescAttr(desc, 1));
	pairs_init(&tally->pairs, &tally->budget, &tally->users, &tally->items, tally->has_time);
}

/*
 * Run the query, which returns user, item, a rating if it has one and a time if
 * it has one, under the caller's privileges and snapshot, and count its rows.
 *
 * Errors: not one SELECT; another number of columns; a key without a hash
 * function; a rating that is no number, a time that is none; more memory for
 * keys, distinct values and times than maintenance_work_mem allows.
 */
Tally *
tally_query(const char *query, bool has_rating, bool has_time, Progress *progress)
{
	Budget budget;
	Tally *tally;
	TallyReceiver receiver = {
		.pub = {receive_rating, start_tally, query_ignore, query_ignore, DestTuplestore}};

	budget_init(&budget, "describing");
	tally = MemoryContextAllocZero(budget.context, sizeof(Tally));
	tally->budget = budget;
	tally->progress = progress;
	tally->has_rating = has_rating;
	tally->has_time = has_time;
	tally->first = DT_NOEND;
	tally->last = DT_NOBEGIN;
	tally->ratings = counter_create(budget.context, 256, &tally->budget);
	tally->cells = counter_create(budget.context, 256, &tally->budget);
	receiver.tally = tally;
	query_run(query, &receiver.pub);
	return tally;
}
