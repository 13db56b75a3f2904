/*
 * events.c
 *		Read the rows (user, item, value, at[, occasion]) of a query into memory
 *		and sort them by user.
 *
 * As in ratings.c the executor pushes the rows into a DestReceiver, which maps
 * the keys to dense numbers and appends 24 bytes to a list of chunks; a counting
 * sort then moves each to its user.  At its peak that takes 48 bytes an event, 56
 * with occasions, and the keys, all of it from the budget.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "events.h"
#include "query.h"

#define CHUNK_EVENTS 65536
#define MAX_EVENTS INT64CONST(4000000000)

typedef struct Chunk
{
	struct Chunk *next;
	int32 n;
	int32 *occasions; /* NULL: the query has none */
	Event events[CHUNK_EVENTS];
} Chunk;

typedef struct EventReceiver
{
	DestReceiver pub;
	Events *events;
	Progress *progress;
	bool has_occasions;
	Chunk *first;
	Chunk *last;
} EventReceiver;

/* The columns of the query. */
enum
{
	EVENT_USER,
	EVENT_ITEM,
	EVENT_VALUE,
	EVENT_AT,
	EVENT_OCCASION,
	EVENT_COLUMNS
};

/*
 * An empty log.
 */
Events *
events_create(const char *task)
{
	Budget budget;
	Events *events;

	budget_init(&budget, task);
	events = MemoryContextAllocZero(budget.context, sizeof(Events));
	events->budget = budget;
	return events;
}

void
events_free(Events *events)
{
	MemoryContextDelete(events->budget.context);
}

static Chunk *
add_chunk(EventReceiver *receiver)
{
	Events *events = receiver->events;
	Chunk *chunk;

	events->budget.rows = events->n_events;
	/* The sort will need as much again beside the chunks. */
	budget_check(&events->budget,
				 add_size(sizeof(Chunk),
						  mul_size(sizeof(Event) + (receiver->has_occasions ? sizeof(int32) : 0),
								   events->n_events)),
				 "events");
	if (events->n_events >= MAX_EVENTS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("more than " INT64_FORMAT " events", MAX_EVENTS)));
	if (events->n_events > 0)
		progress_report(receiver->progress, INT64_FORMAT " events read", events->n_events);
	chunk = MemoryContextAllocHuge(events->budget.context, sizeof(Chunk));
	chunk->next = NULL;
	chunk->n = 0;
	chunk->occasions = NULL;
	if (receiver->has_occasions)
		chunk->occasions = budget_alloc(&events->budget, CHUNK_EVENTS, sizeof(int32), "occasions");
	if (receiver->last == NULL)
		receiver->first = chunk;
	else
		receiver->last->next = chunk;
	receiver->last = chunk;
	return chunk;
}

static bool
receive_event(TupleTableSlot *slot, DestReceiver *self)
{
	EventReceiver *receiver = (EventReceiver *) self;
	Events *events = receiver->events;
	Chunk *chunk = receiver->last;
	Event *event;

	slot_getallattrs(slot);
	if (slot->tts_isnull[EVENT_USER] || slot->tts_isnull[EVENT_ITEM])
		return true;
	if (chunk == NULL || chunk->n == CHUNK_EVENTS)
		chunk = add_chunk(receiver);
	event = &chunk->events[chunk->n];
	event->user = keys_number(&events->users, slot->tts_values[EVENT_USER]);
	event->item = keys_number(&events->items, slot->tts_values[EVENT_ITEM]);
	event->at = NO_TIME;
	if (!slot->tts_isnull[EVENT_AT])
		event->at = DatumGetTimestampTz(slot->tts_values[EVENT_AT]);
	if (TIMESTAMP_NOT_FINITE(event->at))
		event->at = NO_TIME;
	event->value = NAN;
	if (!slot->tts_isnull[EVENT_VALUE])
	{
		event->value = DatumGetFloat8(slot->tts_values[EVENT_VALUE]);
		if (unlikely(!isfinite(event->value)))
			ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
							errmsg("value %g of user %s and item %s is not finite", event->value,
								   keys_text(&events->users, events->users.keys[event->user]),
								   keys_text(&events->items, events->items.keys[event->item])),
							errhint("Leave such rows out in the source query.")));
	}
	if (receiver->has_occasions)
		chunk->occasions[chunk->n] =
			slot->tts_isnull[EVENT_OCCASION]
				? -1
				: keys_number(&events->occasions, slot->tts_values[EVENT_OCCASION]);
	chunk->n++;
	events->n_events++;
	return true;
}

static void
check_column(TupleDesc desc, int column, Oid type)
{
	Form_pg_attribute attribute = TupleDescAttr(desc, column);

	if (getBaseType(attribute->atttypid) != type)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("column \"%s\" of the query is of type %s, not %s",
							   NameStr(attribute->attname), format_type_be(attribute->atttypid),
							   format_type_be(type))));
}

/*
 * Called with the result's shape before the first row.  Items that are known
 * already keep their numbers.
 */
static void
start_events(DestReceiver *self, int operation, TupleDesc desc)
{
	EventReceiver *receiver = (EventReceiver *) self;
	Events *events = receiver->events;

	if (desc->natts != EVENT_COLUMNS && desc->natts != EVENT_OCCASION)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("query returns %d columns, not (user, item, value, at[, occasion])",
							   desc->natts)));
	check_column(desc, EVENT_VALUE, FLOAT8OID);
	check_column(desc, EVENT_AT, TIMESTAMPTZOID);
	keys_init(&events->users, &events->budget, TupleDescAttr(desc, EVENT_USER));
	if (OidIsValid(events->items.type))
		keys_check_type(events->items.type, "item", TupleDescAttr(desc, EVENT_ITEM)->atttypid);
	else
		keys_init(&events->items, &events->budget, TupleDescAttr(desc, EVENT_ITEM));
	receiver->has_occasions = desc->natts > EVENT_OCCASION;
	if (receiver->has_occasions)
		keys_init(&events->occasions, &events->budget, TupleDescAttr(desc, EVENT_OCCASION));
}

/*
 * Move the events of the chunks to their users, which are in the order of their
 * keys: what is computed does not depend on the order in which the rows came.
 */
static void
sort_by_user(EventReceiver *receiver)
{
	Events *events = receiver->events;
	int64 *next;

	events->user_rank = keys_rank(&events->users);
	events->start = keys_bucket_starts(&events->users, events->user_rank);
	events->events = budget_alloc(&events->budget, events->n_events, sizeof(Event), "events");
	if (receiver->has_occasions)
		events->occasion = budget_alloc(&events->budget, events->n_events, sizeof(int32), "events");
	next = budget_alloc(&events->budget, events->users.n, sizeof(int64), "keys");
	for (int32 user = 0; user < events->users.n; user++)
		next[user] = events->start[events->user_rank[user]];
	for (Chunk *chunk = receiver->first, *following; chunk != NULL; chunk = following)
	{
		CHECK_FOR_INTERRUPTS();
		for (int32 i = 0; i < chunk->n; i++)
		{
			int64 place = next[chunk->events[i].user]++;

			events->events[place] = chunk->events[i];
			if (receiver->has_occasions)
				events->occasion[place] = chunk->occasions[i];
		}
		following = chunk->next;
		if (receiver->has_occasions)
			pfree(chunk->occasions);
		pfree(chunk);
	}
	pfree(next);
}

/*
 * Run the query, which returns (user, item, value double precision, at
 * timestamptz) and perhaps an occasion, under the caller's privileges and
 * snapshot, and keep its events.  Rows without a user or an item are skipped.
 *
 * Errors: not one SELECT; not such columns; a key without a hash function; a
 * value that is not finite; more memory than maintenance_work_mem.
 */
void
events_load(Events *events, const char *query, Progress *progress)
{
	EventReceiver receiver = {
		.pub = {receive_event, start_events, query_ignore, query_ignore, DestTuplestore}};

	receiver.events = events;
	receiver.progress = progress;
	query_run(query, &receiver.pub);
	sort_by_user(&receiver);
}
