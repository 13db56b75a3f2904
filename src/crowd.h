/*
 * crowd.h
 *		What all users together do: how popular items are, how they are rated, how
 *		common an interest in a category is.
 */
#ifndef CROWD_H
#define CROWD_H

#include "events.h"

/* What is counted of an item. */
typedef struct ItemCount
{
	int32 user; /* place + 1 of the one counted last */
	int32 users;
	int64 n_values;
	double sum; /* of values */
} ItemCount;

/* Arrays are by number of the item or by category. */
typedef struct Crowd
{
	Budget *budget;
	KeyMap *items;

	int32 n_known;      /* items whose figures were given: the first ones */
	double *popularity; /* share of users with events of the item */
	double *mean;       /* of its values, NaN if there are none */
	ItemCount *count;   /* NULL where the crowd was given */

	int32 n_categories;
	int64 *category_start; /* n items + 1 */
	int32 *category;       /* those of one item together */
	double *idf;
	int32 *category_users; /* NULL where the crowd was given */
} Crowd;

extern void crowd_load_items(Crowd *crowd, const char *query);
extern void crowd_load_categories(Crowd *crowd, const char *query);
extern void crowd_learn(Crowd *crowd, const Events *events);
extern void crowd_extend(Crowd *crowd, const double *idf, int32 n);

#endif /* CROWD_H */
