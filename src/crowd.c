/*
 * crowd.c
 *		What all users together do, which a single user is compared with.
 *
 * The crowd is either learned from the events in memory, or given: that of an
 * earlier time, so that a few users can be profiled alone and still be measured
 * with the same rule as all others.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "crowd.h"
#include "query.h"

/* Rows with an item in front, from a query. */
typedef struct CrowdReceiver
{
	DestReceiver pub;
	Crowd *crowd;
	int64 n; /* pairs */
	int64 capacity;
	struct ItemCategory *pairs;
} CrowdReceiver;

typedef struct ItemCategory
{
	int32 item;
	int32 category;
} ItemCategory;

/*
 * Zeroed room for n elements, with those of the old array in front.
 */
static void *
grow(Budget *budget, void *old, int64 n_old, int64 n, Size size)
{
	void *grown = budget_alloc(budget, n, size, "items");

	if (old != NULL)
	{
		memcpy(grown, old, n_old * size);
		pfree(old);
	}
	return grown;
}

static void
check_columns(TupleDesc desc, int n, const Oid *types, const char *shape)
{
	bool fits = desc->natts == n;

	for (int i = 0; fits && i < n; i++)
		fits = !OidIsValid(types[i]) || getBaseType(TupleDescAttr(desc, i)->atttypid) == types[i];
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("query does not return %s", shape)));
}

static void
start_items(DestReceiver *self, int operation, TupleDesc desc)
{
	static const Oid types[] = {InvalidOid, INT4OID, FLOAT8OID, FLOAT8OID};
	Crowd *crowd = ((CrowdReceiver *) self)->crowd;

	check_columns(desc, lengthof(types), types,
				  "(item, id integer, popularity double precision, mean double precision)");
	keys_init(crowd->items, crowd->budget, TupleDescAttr(desc, 0));
}

static bool
receive_item(TupleTableSlot *slot, DestReceiver *self)
{
	CrowdReceiver *receiver = (CrowdReceiver *) self;
	Crowd *crowd = receiver->crowd;
	int32 number;

	slot_getallattrs(slot);
	number = slot->tts_isnull[0] ? -1 : keys_number(crowd->items, slot->tts_values[0]);
	if (number != crowd->n_known || slot->tts_isnull[1] ||
		DatumGetInt32(slot->tts_values[1]) != number)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
						errmsg("ids of known items are not 0, 1, 2, ... in this order"),
						errhint("Refresh the profiles with relearn => true.")));
	if (crowd->n_known >= receiver->capacity)
	{
		int64 capacity = Max(1024, receiver->capacity * 2);

		crowd->popularity =
			grow(crowd->budget, crowd->popularity, crowd->n_known, capacity, sizeof(double));
		crowd->mean = grow(crowd->budget, crowd->mean, crowd->n_known, capacity, sizeof(double));
		receiver->capacity = capacity;
	}
	crowd->popularity[number] = slot->tts_isnull[2] ? 0 : DatumGetFloat8(slot->tts_values[2]);
	crowd->mean[number] = slot->tts_isnull[3] ? NAN : DatumGetFloat8(slot->tts_values[3]);
	crowd->n_known++;
	return true;
}

/*
 * Take the items of a query (item, id, popularity, mean), their ids being the
 * numbers 0, 1, 2, ..., into a map that is still empty.
 */
void
crowd_load_items(Crowd *crowd, const char *query)
{
	CrowdReceiver receiver = {
		.pub = {receive_item, start_items, query_ignore, query_ignore, DestTuplestore}};

	receiver.crowd = crowd;
	query_run(query, &receiver.pub);
}

static void
start_categories(DestReceiver *self, int operation, TupleDesc desc)
{
	static const Oid types[] = {InvalidOid, INT4OID};

	check_columns(desc, lengthof(types), types, "(item, category integer)");
	keys_check_type(((CrowdReceiver *) self)->crowd->items->type, "item",
					TupleDescAttr(desc, 0)->atttypid);
}

static bool
receive_category(TupleTableSlot *slot, DestReceiver *self)
{
	CrowdReceiver *receiver = (CrowdReceiver *) self;
	Crowd *crowd = receiver->crowd;
	ItemCategory *pair;
	int32 item;

	slot_getallattrs(slot);
	if (slot->tts_isnull[0] || slot->tts_isnull[1])
		return true;
	item = keys_find(crowd->items, slot->tts_values[0]);
	if (item < 0)
		return true;
	if (receiver->n == receiver->capacity)
	{
		int64 capacity = Max(1024, receiver->capacity * 2);

		CHECK_FOR_INTERRUPTS();
		receiver->pairs =
			grow(crowd->budget, receiver->pairs, receiver->n, capacity, sizeof(ItemCategory));
		receiver->capacity = capacity;
	}
	pair = &receiver->pairs[receiver->n++];
	pair->item = item;
	pair->category = DatumGetInt32(slot->tts_values[1]);
	if (pair->category < 0)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
						errmsg("category %d is negative", pair->category)));
	crowd->n_categories = Max(crowd->n_categories, pair->category + 1);
	return true;
}

/*
 * Take the categories of the items with events from a query (item, category),
 * categories being small numbers; other items are passed over.
 */
void
crowd_load_categories(Crowd *crowd, const char *query)
{
	CrowdReceiver receiver = {
		.pub = {receive_category, start_categories, query_ignore, query_ignore, DestTuplestore}};
	int32 n_items = crowd->items->n;
	int64 *next;

	receiver.crowd = crowd;
	query_run(query, &receiver.pub);
	crowd->category_start =
		budget_alloc(crowd->budget, (Size) n_items + 1, sizeof(int64), "categories");
	crowd->category = budget_alloc(crowd->budget, receiver.n, sizeof(int32), "categories");
	for (int64 i = 0; i < receiver.n; i++)
		crowd->category_start[receiver.pairs[i].item + 1]++;
	for (int32 item = 0; item < n_items; item++)
		crowd->category_start[item + 1] += crowd->category_start[item];
	next = budget_alloc(crowd->budget, n_items, sizeof(int64), "categories");
	memcpy(next, crowd->category_start, n_items * sizeof(int64));
	for (int64 i = 0; i < receiver.n; i++)
		crowd->category[next[receiver.pairs[i].item]++] = receiver.pairs[i].category;
	pfree(next);
	if (receiver.pairs != NULL)
		pfree(receiver.pairs);
}

/*
 * Count one user's events, and the user once for each item and category.
 */
static void
count_user(Crowd *crowd, const Events *events, int32 user, int32 *category_user)
{
	for (int64 p = events->start[user]; p < events->start[user + 1]; p++)
	{
		const Event *event = &events->events[p];
		ItemCount *count = &crowd->count[event->item];

		if (!isnan(event->value))
		{
			count->n_values++;
			count->sum += event->value;
		}
		if (count->user == user + 1)
			continue;
		count->user = user + 1;
		count->users++;
		if (crowd->category == NULL)
			continue;
		for (int64 c = crowd->category_start[event->item];
			 c < crowd->category_start[event->item + 1]; c++)
		{
			int32 category = crowd->category[c];

			crowd->category_users[category] += category_user[category] != user + 1;
			category_user[category] = user + 1;
		}
	}
}

/*
 * Learn the crowd from events:
 *
 *		popularity	users of the item / users
 *		mean		of the item's values
 *		idf			ln((1 + users) / (1 + users of the category)) + 1
 *
 * the last being the smoothed inverse document frequency, which is never 0
 * (Salton and Buckley, Information Processing and Management 24(5), 1988).
 */
void
crowd_learn(Crowd *crowd, const Events *events)
{
	int32 n_items = crowd->items->n;
	int32 n_users = events->users.n;
	int32 *category_user =
		budget_alloc(crowd->budget, crowd->n_categories, sizeof(int32), "categories");

	crowd->count = budget_alloc(crowd->budget, n_items, sizeof(ItemCount), "items");
	crowd->category_users =
		budget_alloc(crowd->budget, crowd->n_categories, sizeof(int32), "categories");
	for (int32 user = 0; user < n_users; user++)
	{
		if (user % 256 == 0)
			CHECK_FOR_INTERRUPTS();
		count_user(crowd, events, user, category_user);
	}
	crowd->popularity = budget_alloc(crowd->budget, n_items, sizeof(double), "items");
	crowd->mean = budget_alloc(crowd->budget, n_items, sizeof(double), "items");
	for (int32 item = 0; item < n_items; item++)
	{
		const ItemCount *count = &crowd->count[item];

		crowd->popularity[item] = (double) count->users / n_users;
		crowd->mean[item] = count->n_values > 0 ? count->sum / count->n_values : NAN;
	}
	crowd->idf = budget_alloc(crowd->budget, crowd->n_categories, sizeof(double), "categories");
	for (int32 category = 0; category < crowd->n_categories; category++)
		crowd->idf[category] = log((1.0 + n_users) / (1.0 + crowd->category_users[category])) + 1;
	pfree(category_user);
}

/*
 * A given crowd knows nothing of items that have come since; the idf of each
 * category is given as well.
 */
void
crowd_extend(Crowd *crowd, const double *idf, int32 n)
{
	int32 n_items = crowd->items->n;

	if (n < crowd->n_categories)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("an item has category %d, of %d with a weight", crowd->n_categories - 1, n),
				 errhint("Refresh the profiles with relearn => true.")));
	crowd->n_categories = n;
	crowd->idf = budget_alloc(crowd->budget, n, sizeof(double), "categories");
	if (n > 0)
		memcpy(crowd->idf, idf, n * sizeof(double));
	crowd->popularity =
		grow(crowd->budget, crowd->popularity, crowd->n_known, n_items, sizeof(double));
	crowd->mean = grow(crowd->budget, crowd->mean, crowd->n_known, n_items, sizeof(double));
	for (int32 item = crowd->n_known; item < n_items; item++)
		crowd->mean[item] = NAN;
}
