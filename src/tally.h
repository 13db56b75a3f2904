/*
 * tally.h
 *		What one scan of a rating table counts.
 */
#ifndef TALLY_H
#define TALLY_H

#include "budget.h"
#include "distribution.h"
#include "keys.h"
#include "pairs.h"
#include "socrec.h"

/* Beyond so many distinct ratings they go into a sketch. */
#define MAX_DISTINCT_RATINGS 65536

struct counter_hash;

typedef struct UserTally
{
	double sum; /* of ratings */
	double first;
	bool varies; /* a rating differs from the first */
} UserTally;

/* A number and how often it has come. */
typedef struct ValueCount
{
	double value;
	int64 count;
} ValueCount;

typedef struct CellCount
{
	int64 cell;
	int64 count;
} CellCount;

/* Times are counted by cells of a quarter of an hour: every time zone of today
 * changes its date between two of them. */
#define CELL_USECS (INT64CONST(900) * USECS_PER_SEC)

typedef struct Tally
{
	Budget budget;
	Progress *progress;
	bool has_rating;
	bool has_time;
	Oid rating_type; /* domains resolved */
	Oid time_type;

	int64 n_rows;
	int64 null_users;
	int64 null_items;
	int64 null_ratings;
	int64 null_times;
	int64 infinite_ratings; /* or not a number */
	int64 infinite_times;   /* or out of range */

	/* Of rows with a user, an item and a finite rating. */
	int64 n_ratings;
	KeyMap users;
	KeyMap items;
	UserTally *user;
	double *item_sum;
	int32 user_capacity;
	int32 item_capacity;
	Pairs pairs;
	struct counter_hash *ratings; /* by value; NULL once there is a sketch */
	Sketch *sketch;
	Moments moments; /* of the sketch's ratings */
	struct counter_hash *cells;
	TimestampTz first;
	TimestampTz last;
} Tally;

extern Tally *tally_query(const char *query, bool has_rating, bool has_time, Progress *progress);
extern ValueCount *tally_ratings(Tally *tally, int64 *n);
extern CellCount *tally_cells(Tally *tally, int64 *n);

#endif /* TALLY_H */
