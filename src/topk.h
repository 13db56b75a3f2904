/*
 * topk.h
 *		The k best of a stream of (score, id): a bounded heap, worst on top.
 *
 * A template like PostgreSQL's simplehash.h: define TOPK_PREFIX and
 * TOPK_SCORE (float or double), then include.  A higher score is better, equal
 * scores are decided by the smaller id, so the result does not depend on the
 * order of the stream.  No dependency on the server.
 *
 *	PREFIX_entry				{score, id} and, where TOPK_PAYLOAD is defined, a payload
 *	PREFIX_heap					{entries, n, capacity}; the caller owns entries
 *	PREFIX_offer(heap, s, id)	take the entry if it is among the best
 *	PREFIX_offer_all(heap, s, n)	offer s[0] to s[n - 1], under their places; none that is NaN
 *								or minus infinity
 *	PREFIX_put(heap, entry)		the same with its payload
 *	PREFIX_build(heap)			make a heap of n entries that stand there in any order
 *	PREFIX_sort(heap)			best first; the heap is then only an array
 *	PREFIX_select(entries, n, place)	the entry that belongs there when sorted, better
 *								ones before it (Hoare's quickselect); of any list
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define TOPK_CONCAT_(a, b) a##_##b
#define TOPK_CONCAT(a, b) TOPK_CONCAT_(a, b)
#define TOPK_NAME(name) TOPK_CONCAT(TOPK_PREFIX, name)
#define TOPK_ENTRY TOPK_NAME(entry)
#define TOPK_HEAP TOPK_NAME(heap)

typedef struct TOPK_ENTRY
{
	TOPK_SCORE score;
	int32_t id;
#ifdef TOPK_PAYLOAD
	TOPK_PAYLOAD payload;
#endif
} TOPK_ENTRY;

typedef struct TOPK_HEAP
{
	TOPK_ENTRY *entries;
	int32_t n;
	int32_t capacity;
} TOPK_HEAP;

static inline bool
TOPK_NAME(better)(TOPK_ENTRY a, TOPK_ENTRY b)
{
	return a.score > b.score || (a.score == b.score && a.id < b.id);
}

/*
 * Put entry where entries[hole] is, below which everything is in order, or at
 * the place further down where it belongs.
 */
static inline void
TOPK_NAME(sift_down)(TOPK_ENTRY *entries, int32_t n, int32_t hole, TOPK_ENTRY entry)
{
	for (;;)
	{
		int32_t child = 2 * hole + 1;

		if (child >= n)
			break;
		if (child + 1 < n && TOPK_NAME(better)(entries[child], entries[child + 1]))
			child++;
		if (!TOPK_NAME(better)(entry, entries[child]))
			break;
		entries[hole] = entries[child];
		hole = child;
	}
	entries[hole] = entry;
}

static inline void
TOPK_NAME(put)(TOPK_HEAP *heap, TOPK_ENTRY entry)
{
	if (heap->n == heap->capacity)
	{
		if (heap->capacity > 0 && TOPK_NAME(better)(entry, heap->entries[0]))
			TOPK_NAME(sift_down)(heap->entries, heap->n, 0, entry);
		return;
	}

	/* Not full: sift up. */
	int32_t hole = heap->n++;

	while (hole > 0 && TOPK_NAME(better)(heap->entries[(hole - 1) / 2], entry))
	{
		heap->entries[hole] = heap->entries[(hole - 1) / 2];
		hole = (hole - 1) / 2;
	}
	heap->entries[hole] = entry;
}

static inline void
TOPK_NAME(offer)(TOPK_HEAP *heap, TOPK_SCORE score, int32_t id)
{
	TOPK_NAME(put)(heap, (TOPK_ENTRY){.score = score, .id = id});
}

static inline void
TOPK_NAME(build)(TOPK_HEAP *heap)
{
	for (int32_t hole = heap->n / 2 - 1; hole >= 0; hole--)
		TOPK_NAME(sift_down)(heap->entries, heap->n, hole, heap->entries[hole]);
}

static inline void
TOPK_NAME(offer_all)(TOPK_HEAP *heap, const TOPK_SCORE *scores, int32_t n)
{
	TOPK_SCORE worst = -INFINITY;

	for (int32_t i = 0; i < n && heap->capacity > 0; i++)
	{
		/* Of equal scores the first is better, so that it is in the heap. */
		if (!(scores[i] > worst))
			continue;
		TOPK_NAME(offer)(heap, scores[i], i);
		if (heap->n == heap->capacity)
			worst = heap->entries[0].score;
	}
}

static inline void
TOPK_NAME(sort)(TOPK_HEAP *heap)
{
	for (int32_t n = heap->n - 1; n > 0; n--)
	{
		TOPK_ENTRY worst = heap->entries[0];

		TOPK_NAME(sift_down)(heap->entries, n, 0, heap->entries[n]);
		heap->entries[n] = worst;
	}
}

static inline void
TOPK_NAME(select)(TOPK_ENTRY *entries, int32_t n, int32_t place)
{
	int32_t low = 0;
	int32_t high = n - 1;

	while (low < high)
	{
		TOPK_ENTRY pivot = entries[low + (high - low) / 2];
		int32_t i = low;
		int32_t j = high;

		while (i <= j)
		{
			while (TOPK_NAME(better)(entries[i], pivot))
				i++;
			while (TOPK_NAME(better)(pivot, entries[j]))
				j--;
			if (i <= j)
			{
				TOPK_ENTRY entry = entries[i];

				entries[i++] = entries[j];
				entries[j--] = entry;
			}
		}
		if (place <= j)
			high = j;
		else if (place >= i)
			low = i;
		else
			break;
	}
}

#undef TOPK_CONCAT_
#undef TOPK_CONCAT
#undef TOPK_NAME
#undef TOPK_ENTRY
#undef TOPK_HEAP
#undef TOPK_PREFIX
#undef TOPK_SCORE
#undef TOPK_PAYLOAD
