/*
 * pairs.h
 *		The pairs (user, item) of a rating table, and what only they can tell:
 *		duplicates, bursts, items that have users in common.
 */
#ifndef PAIRS_H
#define PAIRS_H

#include "budget.h"
#include "keys.h"

struct PairChunk;

/*
 * All pairs, or those of some users: of the users whose hash is at most
 * `threshold`.
 */
typedef struct Pairs
{
	Budget *budget;
	KeyMap *users;
	KeyMap *items;
	bool has_time;
	int64 capacity;
	int64 n;
	uint32 threshold;
	uint32 *user_hash; /* by number of the user */
	int32 hashed;
	int32 hash_capacity;
	struct PairChunk *first;
	struct PairChunk *last;
} Pairs;

/* A second since 2000, or none. */
#define NO_SECOND PG_INT32_MIN

#define N_SUPPORTS 3
extern const int pair_supports[N_SUPPORTS];

typedef struct PairOptions
{
	int32 burst_ratings;
	int32 burst_seconds;
	double overlap_work;
	int64 seed;
} PairOptions;

typedef struct PairStatistics
{
	int32 n_users; /* whose pairs were kept */
	int64 n_ratings;
	int64 n_pairs;          /* distinct ones */
	int64 n_repeated_pairs; /* of those, that came more than once */
	int32 n_burst_users;
	int32 n_sampled_items; /* compared with all other items */
	double share[N_SUPPORTS];
	double standard_error[N_SUPPORTS];
} PairStatistics;

extern void pairs_init(Pairs *pairs, Budget *budget, KeyMap *users, KeyMap *items, bool has_time);
extern void pairs_add(Pairs *pairs, int32 user, int32 item, int32 second);
extern PairStatistics pairs_examine(Pairs *pairs, const PairOptions *options);

#endif /* PAIRS_H */
