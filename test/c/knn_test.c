/*
 * knn_test.c
 *		knn.c and topk.h against brute force, on random matrices with ties.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "knn.h"
#include "random.h"
#include "similarity.h"

#define MAX_ROWS 60
#define MAX_COLUMNS 40

typedef struct Dense
{
	int rows;
	int columns;
	bool present[MAX_ROWS][MAX_COLUMNS];
	float value[MAX_ROWS][MAX_COLUMNS];
	int64_t row_start[MAX_ROWS + 1];
	KnnEntry entries[MAX_ROWS * MAX_COLUMNS];
	int64_t column_start[MAX_COLUMNS + 1];
	int32_t column_row[MAX_ROWS * MAX_COLUMNS];
} Dense;

static void
make_matrix(Dense *d, int rows, int columns, int percent, bool whole)
{
	int64_t n = 0;

	memset(d, 0, sizeof(Dense));
	d->rows = rows;
	d->columns = columns;
	for (int r = 0; r < rows; r++)
	{
		d->row_start[r] = n;
		for (int c = 0; c < columns; c++)
			if (random_below(100) < (uint32_t) percent / (1 + c / 8) + 1)
			{
				d->present[r][c] = true;
				d->value[r][c] = (float) ((int) random_below(11) - 3) / (whole ? 2 : 3);
				d->entries[n++] = (KnnEntry){c, d->value[r][c]};
			}
	}
	d->row_start[rows] = n;
	n = 0;
	for (int c = 0; c < columns; c++)
	{
		d->column_start[c] = n;
		for (int r = 0; r < rows; r++)
			if (d->present[r][c])
				d->column_row[n++] = r;
	}
	d->column_start[columns] = n;
}

/* n log n. */
static double
entropy(double n)
{
	return n > 0 ? n * log(n) : 0;
}

/* From entropies, where knn.c adds up informations. */
static double
brute_llr(double both, double only_a, double only_b, double neither)
{
	double n = both + only_a + only_b + neither;

	if (both * n <= (both + only_a) * (both + only_b))
		return 0;
	return 2 * (entropy(both) + entropy(only_a) + entropy(only_b) + entropy(neither) + entropy(n) -
				entropy(both + only_a) - entropy(only_b + neither) - entropy(both + only_b) -
				entropy(only_a + neither));
}

static double
brute_similarity(const Dense *d, const KnnOptions *o, int a, int b)
{
	double xy = 0, xx = 0, yy = 0, x = 0, y = 0, all_xx = 0, all_yy = 0, n = 0, n_a = 0, n_b = 0;
	double similarity = NAN;

	for (int r = 0; r < d->rows; r++)
	{
		double va = d->value[r][a];
		double vb = d->value[r][b];

		n_a += d->present[r][a];
		n_b += d->present[r][b];
		all_xx += va * va;
		all_yy += vb * vb;
		if (!d->present[r][a] || !d->present[r][b])
			continue;
		n++;
		xy += va * vb;
		xx += va * va;
		yy += vb * vb;
		x += va;
		y += vb;
	}
	if (n < o->min_support)
		return NAN;
	switch (o->similarity)
	{
		case KNN_COSINE:
			similarity = xy / sqrt(all_xx * all_yy);
			break;
		case KNN_CORATED_COSINE:
			similarity = xy / sqrt(xx * yy);
			break;
		case KNN_PEARSON:
			similarity = n < 2 || xx - x * x / n < 1e-9 || yy - y * y / n < 1e-9
							 ? NAN
							 : (xy - x * y / n) / sqrt((xx - x * x / n) * (yy - y * y / n));
			break;
		case KNN_JACCARD:
			similarity = n / (n_a + n_b - n);
			break;
		case KNN_EUCLIDEAN:
			similarity = 1 / (1 + sqrt(fmax(xx + yy - 2 * xy, 0)));
			break;
		case KNN_LLR:
			similarity = brute_llr(n, n_a - n, n_b - n, d->rows - n_a - n_b + n);
			break;
		case KNN_CONDITIONAL:
			similarity = n / n_a / sqrt(n_b);
			break;
	}
	n -= o->support_lost;
	return o->shrinkage > 0 ? similarity * n / (n + o->shrinkage) : similarity;
}

static void
no_poll(void *argument)
{
	(*(int *) argument)++;
}

/* Memory for arrays, cleared. */
static void *
memory(int number, size_t size)
{
	static void *pieces[2];

	free(pieces[number]);
	pieces[number] = calloc(1, size);
	return pieces[number];
}

/*
 * Neighbors in blocks, and tiles, of the given width; the heaps' entries are the caller's.
 */
static void
find(const Dense *d, const KnnOptions *o, int width, neighbor_heap *heaps, neighbor_entry *entries)
{
	KnnMatrix m = {d->rows, d->columns, d->row_start, d->entries, d->column_start, d->column_row};
	double norm[MAX_COLUMNS];
	int64_t row_next[MAX_ROWS];
	int polls = 0;
	KnnWorkspace work = {.lists = heaps, .poll = no_poll, .poll_argument = &polls};
	KnnPacked packed;
	KnnShape shape;

	knn_norms(&m, norm);
	shape = knn_shape(&m, norm, o->similarity);
	if (width < MAX_COLUMNS)
		knn_divide(&shape, width);
	knn_packed_place(&packed, &shape, memory(0, knn_packed_place(&packed, &shape, NULL)));
	knn_packed_fill(&packed, &m, norm, o->similarity, row_next, no_poll, &polls);
	knn_workspace_place(&work, &shape, memory(1, knn_workspace_place(&work, &shape, NULL)));
	for (int c = 0; c < d->columns; c++)
	{
		heaps[c].entries = entries + c * MAX_COLUMNS;
		heaps[c].n = 0;
		heaps[c].capacity = knn_room(&m, c, o->k);
	}
	knn_workspace_fill(&work, &packed, o);
	/* Backwards, to show that the order of blocks does not matter. */
	for (int first = (d->columns - 1) / width * width; first >= 0; first -= width)
		knn_columns(&packed, o, &work, first,
					first + width < d->columns ? first + width : d->columns);
	for (int c = 0; c < d->columns; c++)
	{
		neighbor_heap sorted = {memory(0, MAX_COLUMNS * sizeof(neighbor_entry)), 0, o->k};

		for (int i = 0; i < heaps[c].n; i++)
			neighbor_offer(&sorted, heaps[c].entries[i].score, heaps[c].entries[i].id);
		neighbor_sort(&sorted);
		if (heaps[c].n > o->k)
		{
			/* The best must be the same, whichever way they are found. */
			knn_keep_best(&heaps[c], o->k);
			if (memcmp(&heaps[c].entries[o->k - 1], &sorted.entries[o->k - 1],
					   sizeof(neighbor_entry)) != 0)
				sorted.n = 0;
		}
		heaps[c].n = sorted.n;
		memcpy(heaps[c].entries, sorted.entries, sorted.n * sizeof(neighbor_entry));
	}
}

/*
 * Is the heap of column c what brute force finds?
 */
static bool
check_column(const Dense *d, const KnnOptions *o, int c, const neighbor_heap *heap)
{
	bool used[MAX_COLUMNS] = {false};
	int expected = 0;

	for (int n = 0; n < o->k; n++)
	{
		int best = -1;
		double best_similarity = 0;

		for (int other = 0; other < d->columns; other++)
		{
			double s = other == c || used[other] ? NAN : brute_similarity(d, o, c, other);

			if (s > o->min_similarity && fabs(s) > 1e-7 &&
				(best < 0 || (float) s > (float) best_similarity))
			{
				best = other;
				best_similarity = s;
			}
		}
		if (best < 0)
			break;
		used[best] = true;
		if (n >= heap->n ||
			fabs(heap->entries[n].score - best_similarity) > 1e-6 * fmax(1, best_similarity))
			return false;
		/* A different one is right only if it is as similar. */
		if (heap->entries[n].id != best && fabs(brute_similarity(d, o, c, heap->entries[n].id) -
												best_similarity) > 1e-7 * fmax(1, best_similarity))
			return false;
		expected++;
	}
	return heap->n == expected;
}

static int
test_knn(int number, KnnSimilarity similarity, bool whole, const char *name)
{
	static Dense d;
	static neighbor_entry entries[MAX_COLUMNS * MAX_COLUMNS];
	static neighbor_entry again_entries[MAX_COLUMNS * MAX_COLUMNS];
	neighbor_heap heaps[MAX_COLUMNS];
	neighbor_heap again[MAX_COLUMNS];
	int wrong = 0;

	for (int trial = 0; trial < 400; trial++)
	{
		KnnOptions o = {similarity,          1 + random_below(12),
						1 + random_below(3), random_below(2) ? random_below(20) : 0,
						random_below(2),     random_below(3) ? 0 : -0.9999};

		make_matrix(&d, 1 + random_below(MAX_ROWS), 1 + random_below(MAX_COLUMNS),
					5 + random_below(95), whole);
		find(&d, &o, MAX_COLUMNS, heaps, entries);
		find(&d, &o, 1 + random_below(7), again, again_entries);
		for (int c = 0; c < d.columns; c++)
		{
			wrong += !check_column(&d, &o, c, &heaps[c]);
			wrong += again[c].n != heaps[c].n || memcmp(again[c].entries, heaps[c].entries,
														heaps[c].n * sizeof(neighbor_entry));
		}
	}
	printf("%s %d - %s equals brute force, in one block or many\n", wrong ? "not ok" : "ok", number,
		   name);
	return wrong > 0;
}

static int
test_topk(int number)
{
	int wrong = 0;

	for (int trial = 0; trial < 2000; trial++)
	{
		neighbor_entry entries[50];
		neighbor_heap heap = {entries, 0, random_below(50)};
		float scores[200];
		bool taken[200] = {false};
		int n = random_below(200);

		for (int i = 0; i < n; i++)
			scores[i] = random_below(20);
		for (int i = n - 1; i >= 0; i--)
			neighbor_offer(&heap, scores[i], i);
		neighbor_sort(&heap);
		wrong += heap.n != (n < heap.capacity ? n : heap.capacity);
		for (int i = 0; i < heap.n; i++)
		{
			int best = -1;

			for (int j = 0; j < n; j++)
				if (!taken[j] && (best < 0 || scores[j] > scores[best]))
					best = j;
			taken[best] = true;
			wrong += heap.entries[i].id != best || heap.entries[i].score != scores[best];
		}
	}
	printf("%s %d - the k best, equal ones by number\n", wrong ? "not ok" : "ok", number);
	return wrong > 0;
}

int
main(void)
{
	int failed = 0;

	printf("1..9\n");
	failed += test_topk(1);
	failed += test_knn(2, KNN_COSINE, true, "cosine of halves");
	failed += test_knn(3, KNN_COSINE, false, "cosine of thirds");
	failed += test_knn(4, KNN_CORATED_COSINE, false, "co-rated cosine");
	failed += test_knn(5, KNN_PEARSON, true, "pearson");
	failed += test_knn(6, KNN_JACCARD, false, "jaccard");
	failed += test_knn(7, KNN_EUCLIDEAN, true, "euclidean");
	failed += test_knn(8, KNN_LLR, true, "log-likelihood ratio");
	failed += test_knn(9, KNN_CONDITIONAL, true, "conditional probability");
	return failed > 0;
}
