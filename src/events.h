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
	double value;   /* NaN: the event has none */
	int32 user;     /* numbers of the keys */
	int32 item;
} Event;

typedef struct Events
{
	Budget budget; /* of everything below */

	KeyMap users;
	KeyMap items;
	KeyMap occasions;
	int64 n_events;

	Event *events;    /* those of one user together */
	int32 *occasion;  /* of each event, -1: none; NULL: the query has no such column */
	int64 *start;     /* n users + 1, by place in the order of keys */
	int32 *user_rank; /* place of a user's number */
} Events;

extern Events *events_create(const char *task);
extern void events_load(Events *events, const char *query, Progress *progress);
extern void events_free(Events *events);

#endif /* EVENTS_H */
