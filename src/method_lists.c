/*
 * method_lists.c
 *		Lists of the best items for many users at once, by any method.
 *
 * A method that can be packed scores in parallel workers, too: the area holds what was
 * fitted, the ratings of the users, and a place for the list of each.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "utils/memutils.h"

#include "method.h"
#include "parallel.h"

#define BLOCK_USERS 64

/* Scores of fewer columns, of all users together, are not worth a worker. */
#define PARALLEL_SCORES 5000000

/* Arrays of doubles with one a column that a process scores with, at most. */
#define SCORE_ARRAYS 2

/* Places are offsets from the beginning of the area. */
typedef struct ListArea
{
	char method[NAMEDATALEN];
	int32 n_users;
	int32 n_columns;
	int32 capacity; /* of a list */
	Size packed;
	Size row;     /* int32, n_users */
	Size start;   /* int64, n_users + 1 */
	Size entries; /* KnnEntry: the users' ratings */
	Size count;   /* int32, n_users: items in the list of each */
	Size lists;   /* score_entry, n_users * capacity */
} ListArea;

PGDLLEXPORT void socrec_method_lists(void *memory, ParallelCursor *cursor);

/*
 * Add to what is packed, or only to its size where memory is NULL.
 */
void
method_pack(Size *size, char *memory, const void *data, Size count, Size element)
{
	Size bytes = mul_size(count, element);

	if (memory != NULL && bytes > 0)
		memcpy(memory + *size, data, bytes);
	*size = add_size(*size, MAXALIGN(bytes));
}

void *
method_unpack(Size *at, char *memory, Size count, Size element)
{
	void *data = memory + *at;

	*at += MAXALIGN(count * element);
	return data;
}

/*
 * Heaps, each with as many entries as it has.
 */
void
method_pack_heaps(Size *size, char *memory, const neighbor_heap *heaps, int32 n)
{
	method_pack(size, memory, heaps, n, sizeof(neighbor_heap));
	for (int32 i = 0; i < n; i++)
		method_pack(size, memory, heaps[i].entries, heaps[i].n, sizeof(neighbor_entry));
}

neighbor_heap *
method_unpack_heaps(Size *at, char *memory, int32 n)
{
	neighbor_heap *heaps =
		MemoryContextAllocHuge(CurrentMemoryContext, Max(n, 1) * sizeof(neighbor_heap));

	memcpy(heaps, method_unpack(at, memory, n, sizeof(neighbor_heap)), n * sizeof(neighbor_heap));
	for (int32 i = 0; i < n; i++)
		heaps[i].entries = method_unpack(at, memory, heaps[i].n, sizeof(neighbor_entry));
	return heaps;
}

/*
 * The list of one user: the best columns, then by their number those without a score,
 * whose score is NaN.  The scores of those rated become minus infinity, which is in no
 * list.
 */
static void
make_list(const Method *method, void *fitted, const MethodUser *user, int32 n_columns,
		  double *scores, score_heap *heap)
{
	method->score(fitted, user, scores);
	for (int32 i = 0; i < user->n; i++)
		scores[user->ratings[i].column] = -INFINITY;
	heap->n = 0;
	score_offer_all(heap, scores, n_columns);
	score_sort(heap);
	for (int32 column = 0; column < n_columns && heap->n < heap->capacity; column++)
		if (isnan(scores[column]))
			heap->entries[heap->n++] = (score_entry){.score = NAN, .id = column};
}

/*
 * The task of each process: the lists of blocks of users.
 */
void
socrec_method_lists(void *memory, ParallelCursor *cursor)
{
	ListArea *area = memory;
	const Method *method = method_find(area->method);
	const int64 *start = PARALLEL_ARRAY(area, start, int64);
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "socrec lists", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	void *fitted = method->unpack(PARALLEL_ARRAY(area, packed, char));
	double *scores = MemoryContextAllocHuge(context, area->n_columns * sizeof(double));
	uint64 block;

	while (parallel_next(cursor, &block))
	{
		int32 first = (int32) block * BLOCK_USERS;

		for (int32 i = first; i < Min(first + BLOCK_USERS, area->n_users); i++)
		{
			MethodUser user = {.row = PARALLEL_ARRAY(area, row, int32)[i],
							   .ratings = PARALLEL_ARRAY(area, entries, KnnEntry) + start[i],
							   .n = (int32) (start[i + 1] - start[i])};
			score_heap heap = {.capacity = area->capacity,
							   .entries = PARALLEL_ARRAY(area, lists, score_entry) +
										  (Size) i * area->capacity};

			CHECK_FOR_INTERRUPTS();
			make_list(method, fitted, &user, area->n_columns, scores, &heap);
			PARALLEL_ARRAY(area, count, int32)[i] = heap.n;
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/*
 * Where the arrays stand in the area; returns its size.
 */
static Size
lay_out(ListArea *area, Size packed, int64 n_ratings)
{
	Size size = 0;

	(void) parallel_place(&size, 1, sizeof(ListArea));
	area->packed = parallel_place(&size, packed, 1);
	area->row = parallel_place(&size, area->n_users, sizeof(int32));
	area->start = parallel_place(&size, (Size) area->n_users + 1, sizeof(int64));
	area->entries = parallel_place(&size, n_ratings, sizeof(KnnEntry));
	area->count = parallel_place(&size, area->n_users, sizeof(int32));
	area->lists =
		parallel_place(&size, mul_size(area->n_users, area->capacity), sizeof(score_entry));
	return size;
}

/*
 * In this process and workers.
 */
static void
share_lists(const Method *method, void *fitted, const MethodUser *users, ListArea *plan, Size size,
			score_heap *heaps, Budget *budget)
{
	ParallelArea shared;
	ListArea *area;
	int64 *start;

	parallel_area_init(&shared, budget, size, true, "lists");
	area = shared.memory;
	*area = *plan;
	strlcpy(area->method, method->name, sizeof(area->method));
	(void) method->pack(fitted, PARALLEL_ARRAY(area, packed, char));
	start = PARALLEL_ARRAY(area, start, int64);
	for (int32 i = 0; i < area->n_users; i++)
	{
		PARALLEL_ARRAY(area, row, int32)[i] = users[i].row;
		memcpy(PARALLEL_ARRAY(area, entries, KnnEntry) + start[i], users[i].ratings,
			   users[i].n * sizeof(KnnEntry));
		start[i + 1] = start[i] + users[i].n;
	}
	parallel_run(&shared, socrec_method_lists, "socrec_method_lists",
				 (area->n_users + BLOCK_USERS - 1) / BLOCK_USERS);
	for (int32 i = 0; i < area->n_users; i++)
	{
		heaps[i].n = PARALLEL_ARRAY(area, count, int32)[i];
		memcpy(heaps[i].entries,
			   PARALLEL_ARRAY(area, lists, score_entry) + (Size) i * area->capacity,
			   heaps[i].n * sizeof(score_entry));
	}
	parallel_area_free(&shared);
}

/*
 * The head of the list that recommend() makes for each user, as far as the heaps have
 * room, all the same: the columns that the user has not rated with the best scores, best
 * first, then by their number those without a score, whose score is NaN.  In parallel
 * workers where it is worth it, the method can be packed and there is memory for it.
 */
void
method_lists(const Method *method, void *fitted, const MethodUser *users, int32 n_users,
			 int32 n_columns, score_heap *heaps, Budget *budget)
{
	bool shared = method->pack != NULL && max_parallel_maintenance_workers > 0 &&
				  (double) n_users * n_columns >= PARALLEL_SCORES;
	double *scores;

	if (method->lists != NULL)
	{
		method->lists(fitted, users, n_users, heaps);
		return;
	}
	if (shared)
	{
		ListArea plan = {.n_users = n_users, .n_columns = n_columns, .capacity = heaps[0].capacity};
		int64 n_ratings = 0;
		Size size;

		for (int32 i = 0; i < n_users; i++)
			n_ratings += users[i].n;
		size = lay_out(&plan, method->pack(fitted, NULL), n_ratings);
		if (budget_fits(budget, add_size(size, mul_size((max_parallel_maintenance_workers + 1) *
															SCORE_ARRAYS * sizeof(double),
														n_columns))))
		{
			share_lists(method, fitted, users, &plan, size, heaps, budget);
			return;
		}
		ereport(DEBUG1, (errmsg_internal("socrec: no room for lists of workers")));
	}
	scores = budget_alloc(budget, n_columns, sizeof(double), "scores");
	for (int32 i = 0; i < n_users; i++)
	{
		CHECK_FOR_INTERRUPTS();
		make_list(method, fitted, &users[i], n_columns, scores, &heaps[i]);
	}
	pfree(scores);
}
