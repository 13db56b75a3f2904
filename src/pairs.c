/*
 * pairs.c
 *		The pairs (user, item) of a rating table, and what only they can tell:
 *		duplicates, bursts, items that have users in common.
 *
 * Pairs are kept in chunks as they come, 8 bytes each and 4 for the time.  When
 * more have come than there is memory for, those of half of the users are thrown
 * away, by a hash of the user's key, and so on: what is left in the end does not
 * depend on the order in which they came.
 *
 * A counting sort then lists the items of each user.  A stamp on each item, the
 * last user who had it, finds duplicates with no sort of the lists.  From the
 * lists, and the users of an item, follow the items that have users in common
 * with it: that is the heavy part, done in parallel, item by item.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "pairs.h"
#include "parallel.h"

#define CHUNK_PAIRS 65536

/* The work, in look-ups, that pays for starting workers. */
#define PARALLEL_WORK 2e7

/* Look-ups between two checks for interrupts. */
#define INTERRUPT_WORK (1 << 22)

const int pair_supports[N_SUPPORTS] = {1, 5, 20};

typedef struct Pair
{
	int32 user;
	int32 item;
} Pair;

typedef struct PairChunk
{
	struct PairChunk *next;
	int32 n;
	Pair pairs[CHUNK_PAIRS];
	int32 seconds[FLEXIBLE_ARRAY_MEMBER]; /* CHUNK_PAIRS with times, else none */
} PairChunk;

/*
 * What the workers share: this, followed by the arrays that it gives the places
 * of, counted in bytes from here.
 */
typedef struct Overlap
{
	int32 n_users;
	int32 n_items;
	int32 n_samples;
	Size user_start;   /* int64, n_users + 1: into item */
	Size item;         /* int32: of each user */
	Size sample;       /* int32, n_samples: the item */
	Size sample_start; /* int64, n_samples + 1: into sample_user */
	Size sample_user;  /* int32: of each sampled item */
	Size support;      /* int32, n_samples * N_SUPPORTS: items with that support */
} Overlap;

PGDLLEXPORT void socrec_overlap(void *memory, ParallelCursor *cursor);

#define ST_SORT sort_seconds
#define ST_ELEMENT_TYPE int32
#define ST_COMPARE(a, b) (*(a) < *(b) ? -1 : *(a) > *(b))
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

typedef struct HashedItem
{
	uint64 hash;
	int32 item;
} HashedItem;

#define ST_SORT sort_hashed_items
#define ST_ELEMENT_TYPE HashedItem
#define ST_COMPARE(a, b) ((a)->hash < (b)->hash ? -1 : (a)->hash > (b)->hash)
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * No pairs yet.  They may take six tenths of the budget, counting what the sort
 * and the lists of the items will need beside them; keys have the rest.
 */
void
pairs_init(Pairs *pairs, Budget *budget, KeyMap *users, KeyMap *items, bool has_time)
{
	memset(pairs, 0, sizeof(Pairs));
	pairs->budget = budget;
	pairs->users = users;
	pairs->items = items;
	pairs->has_time = has_time;
	pairs->capacity = budget->limit / 10 * 6 / (has_time ? 24 : 16);
	pairs->capacity = Max(pairs->capacity - CHUNK_PAIRS, CHUNK_PAIRS / 8);
	pairs->threshold = PG_UINT32_MAX;
}

static void
hash_users(Pairs *pairs)
{
	if (pairs->users->n > pairs->hash_capacity)
	{
		int32 capacity = pairs->users->capacity;
		uint32 *hashes = budget_alloc(pairs->budget, capacity, sizeof(uint32), "keys");

		if (pairs->hash_capacity > 0)
		{
			memcpy(hashes, pairs->user_hash, pairs->hashed * sizeof(uint32));
			pfree(pairs->user_hash);
		}
		pairs->user_hash = hashes;
		pairs->hash_capacity = capacity;
	}
	for (; pairs->hashed < pairs->users->n; pairs->hashed++)
		pairs->user_hash[pairs->hashed] = keys_hash(pairs->users, pairs->hashed);
}

static PairChunk *
add_chunk(Pairs *pairs)
{
	Size size = offsetof(PairChunk, seconds) + (pairs->has_time ? CHUNK_PAIRS * sizeof(int32) : 0);
	PairChunk *chunk;

	budget_check(pairs->budget, size, "ratings");
	chunk = MemoryContextAllocHuge(pairs->budget->context, size);
	chunk->next = NULL;
	chunk->n = 0;
	if (pairs->last == NULL)
		pairs->first = chunk;
	else
		pairs->last->next = chunk;
	pairs->last = chunk;
	return chunk;
}

/*
 * Throw away the pairs of users beyond the threshold, moving the others up.
 */
static void
drop_pairs(Pairs *pairs)
{
	PairChunk *to = pairs->first;
	int32 n = 0; /* in that chunk */
	PairChunk *following;

	pairs->n = 0;
	for (PairChunk *from = pairs->first; from != NULL; from = from->next)
	{
		int32 from_n = from->n;

		CHECK_FOR_INTERRUPTS();
		for (int32 i = 0; i < from_n; i++)
		{
			if (pairs->user_hash[from->pairs[i].user] > pairs->threshold)
				continue;
			if (n == CHUNK_PAIRS)
			{
				to->n = n;
				to = to->next;
				n = 0;
			}
			to->pairs[n] = from->pairs[i];
			if (pairs->has_time)
				to->seconds[n] = from->seconds[i];
			n++;
			pairs->n++;
		}
	}
	to->n = n;
	following = to->next;
	to->next = NULL;
	pairs->last = to;
	while (following != NULL)
	{
		PairChunk *gone = following;

		following = gone->next;
		pfree(gone);
	}
}

/*
 * Make do with the memory that is left: keys may have taken more than their part.
 * Beside the chunks the lists need up to 12 bytes a pair, 24 a user and 40 an
 * item.
 */
static void
fit_pairs(Pairs *pairs)
{
	Size per_key = (Size) pairs->users->n * 24 + (Size) pairs->items->n * 40 + 1024;

	while (pairs->n > 0 && pairs->threshold > 0 &&
		   MemoryContextMemAllocated(pairs->budget->context, true) + per_key +
				   (Size) pairs->n * (pairs->has_time ? 12 : 8) >
			   pairs->budget->limit)
	{
		pairs->threshold >>= 1;
		drop_pairs(pairs);
	}
}

void
pairs_add(Pairs *pairs, int32 user, int32 item, int32 second)
{
	PairChunk *chunk = pairs->last;

	if (user >= pairs->hashed)
		hash_users(pairs);
	if (pairs->threshold < PG_UINT32_MAX && pairs->user_hash[user] > pairs->threshold)
		return;
	if (chunk == NULL || chunk->n == CHUNK_PAIRS)
		chunk = add_chunk(pairs);
	chunk->pairs[chunk->n].user = user;
	chunk->pairs[chunk->n].item = item;
	if (pairs->has_time)
		chunk->seconds[chunk->n] = second;
	chunk->n++;
	pairs->n++;
	while (pairs->n > pairs->capacity && pairs->threshold > 0)
	{
		pairs->threshold >>= 1;
		drop_pairs(pairs);
	}
}

/*
 * Choose the items that are compared with all others: all of them when the sum
 * over users of the squared number of their items, the look-ups that takes, is at
 * most the work allowed; else those with the least hashes, as many as it allows.
 */
static int32
choose_samples(Pairs *pairs, const PairOptions *options, double work, int32 **samples)
{
	int32 n_items = pairs->items->n;
	int32 n = work <= options->overlap_work
				  ? n_items
				  : (int32) Max(1.0, floor(n_items * (options->overlap_work / work)));
	HashedItem *hashed;

	*samples = budget_alloc(pairs->budget, n_items, sizeof(int32), "item samples");
	if (n == n_items)
	{
		for (int32 item = 0; item < n_items; item++)
			(*samples)[item] = item;
		return n;
	}

	hashed = budget_alloc(pairs->budget, n_items, sizeof(HashedItem), "item samples");
	for (int32 item = 0; item < n_items; item++)
	{
		uint64 hash = keys_hash(pairs->items, item) +
					  UINT64CONST(0x9E3779B97F4A7C15) * ((uint64) options->seed + 1);

		if (item % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
		/* The finalizer of MurmurHash3, so that seeds give unrelated orders. */
		hash ^= hash >> 33;
		hash *= UINT64CONST(0xFF51AFD7ED558CCD);
		hash ^= hash >> 33;
		hash *= UINT64CONST(0xC4CEB9FE1A85EC53);
		hash ^= hash >> 33;
		hashed[item] = (HashedItem){hash, item};
	}
	sort_hashed_items(hashed, n_items);
	/* Of equal hashes all or none, whatever order they have. */
	while (n < n_items && hashed[n].hash == hashed[n - 1].hash)
		n++;
	for (int32 i = 0; i < n; i++)
		(*samples)[i] = hashed[i].item;
	pfree(hashed);
	return n;
}

/*
 * Move the chunks' items, and seconds if any, to the lists of their users.
 */
static void
scatter_chunks(Pairs *pairs, const int64 *user_start, int32 *items, int32 *seconds)
{
	int64 *next = budget_alloc(pairs->budget, pairs->users->n, sizeof(int64), "keys");
	PairChunk *following;

	memcpy(next, user_start, pairs->users->n * sizeof(int64));
	for (PairChunk *chunk = pairs->first; chunk != NULL; chunk = following)
	{
		CHECK_FOR_INTERRUPTS();
		for (int32 i = 0; i < chunk->n; i++)
		{
			int64 place = next[chunk->pairs[i].user]++;

			items[place] = chunk->pairs[i].item;
			if (seconds != NULL)
				seconds[place] = chunk->seconds[i];
		}
		following = chunk->next;
		pfree(chunk);
	}
	pairs->first = pairs->last = NULL;
	pfree(next);
}

/*
 * The number of users with more than burst_ratings ratings within burst_seconds.
 */
static int32
count_bursts(const PairOptions *options, int32 n_users, const int64 *user_start, int32 *seconds)
{
	int32 n_bursts = 0;

	for (int32 user = 0; user < n_users; user++)
	{
		int32 *times = seconds + user_start[user];
		int64 n = user_start[user + 1] - user_start[user];
		bool sorted = true;

		if (user % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		if (n <= options->burst_ratings)
			continue;
		for (int64 i = 1; i < n && sorted; i++)
			sorted = times[i - 1] <= times[i];
		if (!sorted)
			sort_seconds(times, n);
		for (int64 i = 0; i + options->burst_ratings < n; i++)
			if (times[i] != NO_SECOND &&
				(int64) times[i + options->burst_ratings] - times[i] <= options->burst_seconds)
			{
				n_bursts++;
				break;
			}
	}
	return n_bursts;
}

/*
 * Leave every item once in the list of its user, closing the gaps.
 */
static void
drop_duplicates(Pairs *pairs, int64 *user_start, int32 *items, PairStatistics *result)
{
	/* The last user that an item was seen with, plus 1; and whether twice. */
	int32 *stamp = budget_alloc(pairs->budget, pairs->items->n, sizeof(int32), "duplicates");
	int32 *repeated = budget_alloc(pairs->budget, pairs->items->n, sizeof(int32), "duplicates");
	int64 place = 0;

	for (int32 user = 0; user < pairs->users->n; user++)
	{
		int64 start = user_start[user];

		if (user % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		user_start[user] = place;
		for (int64 p = start; p < user_start[user + 1]; p++)
		{
			int32 item = items[p];

			if (stamp[item] != user + 1)
			{
				stamp[item] = user + 1;
				items[place++] = item;
			}
			else if (repeated[item] != user + 1)
			{
				repeated[item] = user + 1;
				result->n_repeated_pairs++;
			}
		}
	}
	user_start[pairs->users->n] = place;
	result->n_pairs = place;
	pfree(stamp);
	pfree(repeated);
}

/*
 * List the users of the sampled items.
 */
static void
list_sample_users(Pairs *pairs, Overlap *overlap)
{
	const int64 *user_start = PARALLEL_ARRAY(overlap, user_start, int64);
	const int32 *items = PARALLEL_ARRAY(overlap, item, int32);
	const int32 *sample = PARALLEL_ARRAY(overlap, sample, int32);
	int64 *sample_start = PARALLEL_ARRAY(overlap, sample_start, int64);
	int32 *sample_user = PARALLEL_ARRAY(overlap, sample_user, int32);
	int64 n_pairs = user_start[overlap->n_users];
	/* Of each item: its number in the sample plus 1, and the next free place. */
	int32 *sampled = budget_alloc(pairs->budget, overlap->n_items, sizeof(int32), "item samples");
	int64 *next =
		budget_alloc(pairs->budget, (Size) overlap->n_samples + 1, sizeof(int64), "item samples");

	for (int32 s = 0; s < overlap->n_samples; s++)
		sampled[sample[s]] = s + 1;
	for (int64 p = 0; p < n_pairs; p++)
	{
		if (p % (1 << 20) == 0)
			CHECK_FOR_INTERRUPTS();
		next[sampled[items[p]]]++;
	}
	for (int32 s = 0; s < overlap->n_samples; s++)
	{
		sample_start[s + 1] = sample_start[s] + next[s + 1];
		next[s + 1] = sample_start[s];
	}
	for (int32 user = 0; user < overlap->n_users; user++)
	{
		if (user % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		for (int64 p = user_start[user]; p < user_start[user + 1]; p++)
		{
			int32 s = sampled[items[p]];

			if (s > 0)
				sample_user[next[s]++] = user;
		}
	}
	pfree(sampled);
	pfree(next);
}

/*
 * Count the other items by their users in common with one sampled item: those
 * with at least each of pair_supports.  `common` is zero for every item, and is
 * left so.
 */
static void
count_overlap(Overlap *overlap, uint64 s, int32 *common)
{
	const int64 *user_start = PARALLEL_ARRAY(overlap, user_start, int64);
	const int32 *items = PARALLEL_ARRAY(overlap, item, int32);
	const int32 *users = PARALLEL_ARRAY(overlap, sample_user, int32);
	int32 self = PARALLEL_ARRAY(overlap, sample, int32)[s];
	int64 start = PARALLEL_ARRAY(overlap, sample_start, int64)[s];
	int64 end = PARALLEL_ARRAY(overlap, sample_start, int64)[s + 1];
	int32 *support = PARALLEL_ARRAY(overlap, support, int32) + s * N_SUPPORTS;
	int64 work = 0;
	int64 checked = 0;
	int32 found[N_SUPPORTS] = {0};

	for (int64 u = start; u < end; u++)
	{
		const int32 *item = items + user_start[users[u]];
		const int32 *last = items + user_start[users[u] + 1];

		work += last - item;
		for (; item < last; item++)
			common[*item]++;
		if (work - checked > INTERRUPT_WORK)
		{
			CHECK_FOR_INTERRUPTS();
			checked = work;
		}
	}
	common[self] = 0;

	/* Read all counts, or only those touched, whichever is less. */
	if (work > overlap->n_items / 8)
	{
		for (int32 i = 0; i < overlap->n_items; i++)
		{
			found[0] += common[i] >= pair_supports[0];
			found[1] += common[i] >= pair_supports[1];
			found[2] += common[i] >= pair_supports[2];
		}
		memset(common, 0, overlap->n_items * sizeof(int32));
	}
	else
		for (int64 u = start; u < end; u++)
			for (int64 p = user_start[users[u]]; p < user_start[users[u] + 1]; p++)
			{
				int32 n = common[items[p]];

				common[items[p]] = 0;
				found[0] += n >= pair_supports[0];
				found[1] += n >= pair_supports[1];
				found[2] += n >= pair_supports[2];
			}
	memcpy(support, found, sizeof(found));
}

/*
 * The task of this process and the workers: a block is a sampled item.
 */
void
socrec_overlap(void *memory, ParallelCursor *cursor)
{
	Overlap *overlap = memory;
	int32 *common = MemoryContextAllocExtended(
		CurrentMemoryContext, overlap->n_items * sizeof(int32), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	uint64 s;

	while (parallel_next(cursor, &s))
		count_overlap(overlap, s, common);
	pfree(common);
}

/*
 * From the items compared to all pairs: the mean share of the other items, and
 * the standard error of that mean of a sample without replacement.
 */
static void
estimate_overlap(Overlap *overlap, PairStatistics *result)
{
	const int32 *support = PARALLEL_ARRAY(overlap, support, int32);
	double n = overlap->n_items;
	double m = overlap->n_samples;

	result->n_sampled_items = overlap->n_samples;
	for (int t = 0; t < N_SUPPORTS; t++)
	{
		double sum = 0;
		double squares = 0;

		for (int32 s = 0; s < overlap->n_samples; s++)
			sum += support[s * N_SUPPORTS + t];
		for (int32 s = 0; s < overlap->n_samples; s++)
			squares +=
				(support[s * N_SUPPORTS + t] - sum / m) * (support[s * N_SUPPORTS + t] - sum / m);
		result->share[t] = sum / m / (n - 1);
		result->standard_error[t] =
			m == n ? 0 : sqrt(squares / (m - 1) / m * (1 - m / n)) / (n - 1);
	}
}

/*
 * Give every array of the overlap its place, and return the size of all.
 */
static Size
lay_out(Overlap *overlap, int64 n_ratings, int64 n_sample_users)
{
	Size size = 0;

	(void) parallel_place(&size, 1, sizeof(Overlap));
	overlap->user_start = parallel_place(&size, (Size) overlap->n_users + 1, sizeof(int64));
	overlap->item = parallel_place(&size, n_ratings, sizeof(int32));
	overlap->sample = parallel_place(&size, overlap->n_samples, sizeof(int32));
	overlap->sample_start = parallel_place(&size, (Size) overlap->n_samples + 1, sizeof(int64));
	overlap->sample_user = parallel_place(&size, n_sample_users, sizeof(int32));
	overlap->support =
		parallel_place(&size, mul_size(overlap->n_samples, N_SUPPORTS), sizeof(int32));
	return size;
}

/*
 * Everything that the pairs can tell; they are gone afterwards.
 *
 * Overlap is that of the users kept: with a sample of users, the share of item
 * pairs with that much support among them.
 */
PairStatistics
pairs_examine(Pairs *pairs, const PairOptions *options)
{
	PairStatistics result = {0};
	Overlap layout = {.n_users = pairs->users->n, .n_items = pairs->items->n};
	ParallelArea area;
	Overlap *overlap;
	int64 *user_start;
	int32 *seconds = NULL;
	int32 *samples;
	int64 n_sample_users = 0;
	double work = 0;

	if (pairs->n == 0)
		return result;
	fit_pairs(pairs);
	result.n_ratings = pairs->n;
	user_start = budget_alloc(pairs->budget, (Size) layout.n_users + 1, sizeof(int64), "keys");
	for (PairChunk *chunk = pairs->first; chunk != NULL; chunk = chunk->next)
	{
		CHECK_FOR_INTERRUPTS();
		for (int32 i = 0; i < chunk->n; i++)
			user_start[chunk->pairs[i].user + 1]++;
	}
	for (int32 user = 0; user < layout.n_users; user++)
	{
		result.n_users += user_start[user + 1] > 0;
		work += (double) user_start[user + 1] * user_start[user + 1];
		user_start[user + 1] += user_start[user];
	}

	layout.n_samples = choose_samples(pairs, options, work, &samples);
	for (int32 s = 0; s < layout.n_samples; s++)
		n_sample_users += pairs->items->counts[samples[s]];
	n_sample_users = Min(n_sample_users, pairs->n);
	parallel_area_init(&area, pairs->budget, lay_out(&layout, pairs->n, n_sample_users),
					   Min(work, options->overlap_work) >= PARALLEL_WORK, "ratings");
	overlap = area.memory;
	*overlap = layout;
	memcpy(PARALLEL_ARRAY(overlap, user_start, int64), user_start,
		   ((Size) layout.n_users + 1) * sizeof(int64));
	memcpy(PARALLEL_ARRAY(overlap, sample, int32), samples, layout.n_samples * sizeof(int32));
	pfree(user_start);
	pfree(samples);
	user_start = PARALLEL_ARRAY(overlap, user_start, int64);

	if (pairs->has_time)
		seconds = budget_alloc(pairs->budget, pairs->n, sizeof(int32), "times");
	scatter_chunks(pairs, user_start, PARALLEL_ARRAY(overlap, item, int32), seconds);
	if (seconds != NULL)
	{
		result.n_burst_users = count_bursts(options, layout.n_users, user_start, seconds);
		pfree(seconds);
	}
	drop_duplicates(pairs, user_start, PARALLEL_ARRAY(overlap, item, int32), &result);
	list_sample_users(pairs, overlap);
	parallel_run(&area, socrec_overlap, "socrec_overlap", layout.n_samples);
	estimate_overlap(overlap, &result);
	parallel_area_free(&area);
	return result;
}
