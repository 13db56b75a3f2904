/*
 * factor_lists.c
 *		Lists of the best items for many users at once, of a model with factors.
 *
 * Items stand by falling length of their vectors, in tiles that stay in the cache
 * while they are scored for a block of users.  The product of two vectors is at most
 * that of their lengths: so a user is done with a tile whose longest vector cannot
 * reach the last item of the user's list, and with all after it.  Blocks of users are
 * shared among workers; what they read and write lies in one area.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "equations.h"
#include "factor_lists.h"
#include "parallel.h"

#define TILE_ITEMS 256
#define BLOCK_USERS 64

/* Of a score that is a sum of single precision products. */
#define SCORE_SLACK 1.00001

/* Places are offsets from the beginning of the area. */
typedef struct ListArea
{
	int32 n_users;
	int32 n_items;
	int32 length;   /* of a vector */
	int32 capacity; /* of a list */
	Size prior;     /* a packed one */
	Size column;    /* int32, n_items: of the items by falling length */
	Size place;     /* int32, n_items: of the columns among them */
	Size vectors;   /* float, n_items * length, by falling length */
	Size bound;     /* float, a tile: the greatest length in it */
	Size start;     /* int64, n_users + 1 */
	Size entries;   /* KnnEntry: the users' ratings */
	Size count;     /* int32, n_users: items in the list of each */
	Size lists;     /* score_entry, n_users * capacity */
} ListArea;

PGDLLEXPORT void socrec_factor_lists(void *memory, ParallelCursor *cursor);

/* A user while lists are made. */
typedef struct ListUser
{
	MethodUser known;
	double length; /* of the vector */
	score_heap heap;
	bool is_done;
} ListUser;

/*
 * Fold a user in: the vector and its length.
 */
static void
open_user(const ListArea *area, int32 number, FoldIn *fold, float *vector, ListUser *user)
{
	const int64 *start = PARALLEL_ARRAY(area, start, const int64);
	const int32 *place = PARALLEL_ARRAY(area, place, const int32);
	const float *vectors = PARALLEL_ARRAY(area, vectors, const float);

	user->known.ratings = PARALLEL_ARRAY(area, entries, const KnnEntry) + start[number];
	user->known.n = (int32) (start[number + 1] - start[number]);
	user->heap = (score_heap){.capacity = area->capacity,
							  .entries = PARALLEL_ARRAY(area, lists, score_entry) +
										 (Size) number * area->capacity};
	user->is_done = user->known.n == 0 || area->capacity == 0;
	if (user->is_done)
		return;
	fold_in_clear(fold);
	fold_in_add_all(fold, user->known.ratings, user->known.n, vectors, place);
	if (!fold_in_solve(fold, vector))
		factor_singular();
	user->length = sqrt(vector_dot(vector, vector, area->length)) * SCORE_SLACK;
}

/*
 * Of a user without ratings no item has a score.
 */
static void
list_unscored(const ListArea *area, score_heap *heap)
{
	for (int32 column = 0; heap->n < Min(heap->capacity, area->n_items); column++)
		heap->entries[heap->n++] = (score_entry){.score = NAN, .id = column};
}

/*
 * Offer the items of a tile to a user's list.
 */
static void
offer_tile(const ListArea *area, int32 tile, const float *vector, ListUser *user)
{
	const int32 *columns = PARALLEL_ARRAY(area, column, const int32) + tile * TILE_ITEMS;
	const float *vectors = PARALLEL_ARRAY(area, vectors, const float);
	float bound = PARALLEL_ARRAY(area, bound, const float)[tile];
	int32 n = Min(TILE_ITEMS, area->n_items - tile * TILE_ITEMS);
	score_heap *heap = &user->heap;
	double worst = heap->n < heap->capacity ? -INFINITY : heap->entries[0].score;
	float scores[TILE_ITEMS];

	if (user->length * bound < worst)
	{
		user->is_done = true;
		return;
	}
	vector_scores(vector, vectors + (Size) tile * TILE_ITEMS * area->length, n, area->length,
				  scores);
	for (int32 i = 0; i < n; i++)
	{
		if (!(scores[i] >= worst) || method_user_rating(&user->known, columns[i]) != NULL)
			continue;
		score_offer(heap, scores[i], columns[i]);
		if (heap->n == heap->capacity)
			worst = heap->entries[0].score;
	}
}

/*
 * The lists of blocks of users.
 */
void
socrec_factor_lists(void *memory, ParallelCursor *cursor)
{
	ListArea *area = memory;
	FactorPrior *prior = factor_prior_unpack(PARALLEL_ARRAY(area, prior, bytea));
	float *vectors = palloc((Size) BLOCK_USERS * area->length * sizeof(float));
	int32 n_tiles = (area->n_items + TILE_ITEMS - 1) / TILE_ITEMS;
	ListUser users[BLOCK_USERS];
	FoldIn fold;
	uint64 block;

	fold_in_init(&fold, prior, palloc(fold_in_sums(&prior->shape) * sizeof(double)));
	while (parallel_next(cursor, &block))
	{
		int32 first = (int32) block * BLOCK_USERS;
		int32 n = Min(BLOCK_USERS, area->n_users - first);
		int32 n_open = n;

		for (int32 i = 0; i < n; i++)
			open_user(area, first + i, &fold, vectors + (Size) i * area->length, &users[i]);
		for (int32 tile = 0; tile < n_tiles && n_open > 0; tile++)
		{
			CHECK_FOR_INTERRUPTS();
			n_open = 0;
			for (int32 i = 0; i < n; i++)
				if (!users[i].is_done)
				{
					offer_tile(area, tile, vectors + (Size) i * area->length, &users[i]);
					n_open++;
				}
		}
		for (int32 i = 0; i < n; i++)
		{
			score_sort(&users[i].heap);
			if (users[i].known.n == 0)
				list_unscored(area, &users[i].heap);
			PARALLEL_ARRAY(area, count, int32)[first + i] = users[i].heap.n;
		}
	}
}

static void
copy_items(ListArea *area, const FactorModel *model, const int32 *order)
{
	for (int32 i = 0; i < model->n_items; i++)
	{
		const float *vector = model->items + (Size) order[i] * area->length;
		float *bound = &PARALLEL_ARRAY(area, bound, float)[i / TILE_ITEMS];

		if (i % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		PARALLEL_ARRAY(area, column, int32)[i] = order[i];
		PARALLEL_ARRAY(area, place, int32)[order[i]] = i;
		memcpy(PARALLEL_ARRAY(area, vectors, float) + (Size) i * area->length, vector,
			   area->length * sizeof(float));
		if (i % TILE_ITEMS == 0)
			*bound = sqrtf(vector_dot(vector, vector, area->length));
	}
}

static void
copy_users(ListArea *area, const MethodUser *users)
{
	int64 *start = PARALLEL_ARRAY(area, start, int64);
	KnnEntry *entries = PARALLEL_ARRAY(area, entries, KnnEntry);

	for (int32 i = 0; i < area->n_users; i++)
	{
		memcpy(entries + start[i], users[i].ratings, users[i].n * sizeof(KnnEntry));
		start[i + 1] = start[i] + users[i].n;
	}
}

/* An item and the length of its vector. */
typedef struct LongItem
{
	int32 item;
	float length;
} LongItem;

#define ST_SORT sort_lengths
#define ST_ELEMENT_TYPE LongItem
#define ST_COMPARE(a, b)                                                                           \
	((a)->length != (b)->length ? ((a)->length > (b)->length ? -1 : 1)                             \
								: ((a)->item > (b)->item) - ((a)->item < (b)->item))
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * The items by falling length of their vectors, equal ones by number.
 */
int32 *
factor_lists_order(const FactorModel *model, Budget *budget)
{
	int32 length = factor_length(&model->prior.shape);
	int32 *order = budget_alloc(budget, model->n_items, sizeof(int32), "lists");
	LongItem *lengths = budget_alloc(budget, model->n_items, sizeof(LongItem), "lists");

	for (int32 item = 0; item < model->n_items; item++)
	{
		const float *vector = model->items + (Size) item * length;

		lengths[item] = (LongItem){item, sqrtf(vector_dot(vector, vector, length))};
	}
	sort_lengths(lengths, model->n_items);
	for (int32 i = 0; i < model->n_items; i++)
		order[i] = lengths[i].item;
	pfree(lengths);
	return order;
}

/*
 * The best items of each user into a heap of his, best first, all with the same
 * room: as factor_lists.h says.
 */
void
factor_lists_make(const FactorModel *model, const int32 *order, const MethodUser *users,
				  int32 n_users, score_heap *heaps, Budget *budget)
{
	ListArea plan = {.n_users = n_users,
					 .n_items = model->n_items,
					 .length = factor_length(&model->prior.shape),
					 .capacity = n_users > 0 ? heaps[0].capacity : 0};
	bytea *prior = factor_prior_pack(&model->prior);
	int32 n_blocks = (n_users + BLOCK_USERS - 1) / BLOCK_USERS;
	int64 n_ratings = 0;
	Size size = 0;
	ParallelArea shared;
	ListArea *area;

	for (int32 i = 0; i < n_users; i++)
		n_ratings += users[i].n;
	(void) parallel_place(&size, 1, sizeof(ListArea));
	plan.prior = parallel_place(&size, VARSIZE(prior), 1);
	plan.column = parallel_place(&size, plan.n_items, sizeof(int32));
	plan.place = parallel_place(&size, plan.n_items, sizeof(int32));
	plan.vectors = parallel_place(&size, mul_size(plan.n_items, plan.length), sizeof(float));
	plan.bound = parallel_place(&size, plan.n_items / TILE_ITEMS + 1, sizeof(float));
	plan.start = parallel_place(&size, (Size) n_users + 1, sizeof(int64));
	plan.entries = parallel_place(&size, n_ratings, sizeof(KnnEntry));
	plan.count = parallel_place(&size, n_users, sizeof(int32));
	plan.lists = parallel_place(&size, mul_size(n_users, plan.capacity), sizeof(score_entry));
	parallel_area_init(&shared, budget, size, true, "lists");
	area = shared.memory;
	*area = plan;
	memcpy(PARALLEL_ARRAY(area, prior, char), prior, VARSIZE(prior));
	pfree(prior);
	copy_items(area, model, order);
	copy_users(area, users);
	parallel_run(&shared, socrec_factor_lists, "socrec_factor_lists", n_blocks);
	for (int32 i = 0; i < n_users; i++)
	{
		heaps[i].n = PARALLEL_ARRAY(area, count, int32)[i];
		memcpy(heaps[i].entries,
			   PARALLEL_ARRAY(area, lists, score_entry) + (Size) i * plan.capacity,
			   heaps[i].n * sizeof(score_entry));
	}
	parallel_area_free(&shared);
}
