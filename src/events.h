/*
 * events.h
 *		An event log in memory, sorted by user.
 */
#ifndef EVENTS_H
#define EVENTS_H

#include "datatype/timestamp.h"

#include "budget.h"
#include "keys.h"
#include "socrec.h"

/* An event without a time, or with an infinite one. */
#define NO_TIME DT_NOBEGIN

typedef struct Event
{
	TimestampTz at; /* or NO_TIME */
	float4 value;   /* NaN: the event has none */
	int32 user;     /* numbers of the keys */
	int32 item;     /* */
	int32 occasion; /* -1: the event belongs to none */
} Event;

/* The values of a user's or an item's events. */
typedef struct ValueSums
{
	int64 n;
	double sum;
	double mean;
	double squares; /* of the deviations from the mean */
} ValueSums;

typedef struct Events
{
	Budget budget; /* of everything below */

	KeyMap users;
	KeyMap items;
	KeyMap occasions;
	int64 n_events;
	int64 n_skipped; /* rows without a user or without an item */

	ValueSums *user_values; /* by number */
	ValueSums *item_values;
	int32 user_capacity;
	int32 item_capacity;

	Event *events;    /* those of one user together */
	int64 *start;     /* n users + 1, by place in the order of keys */
	int32 *user_rank; /* place of a user's number */
} Events;

extern Events *events_create(const char *task);
extern void events_load(Events *events, const char *query, Progress *progress);
extern void events_free(Events *events);

#endif /* EVENTS_H */
