/*
 * svec_merge.c
 *		How long the kernels of src/sparse.c take for two sparse vectors.
 *
 *	cc -O2 -std=gnu99 -Isrc bench/svec_merge.c src/sparse.c -lm -o build/svec_merge
 *	build/svec_merge [elements of a [elements of b]]		default 100 100
 *
 * Every round takes another pair out of some hundred vectors, because a merge of
 * the same pair again and again teaches its branches to the processor.  Prints
 * nanoseconds for one merge, the best of twenty runs, for ids drawn from ranges of
 * 1.5, 3, 10 and 1000 times the number of elements.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sparse.h"

#define VECTORS 512
#define RUNS 20

typedef struct Vectors
{
	int n;
	int32_t *ids32;
	int64_t *ids64;
	float *weights;
} Vectors;

static uint64_t random_state = 1;

/* D. Lehmer's generator with modulus 2^64 (upper bits). */
static uint64_t
random_below(uint64_t limit)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (random_state >> 33) % limit;
}

/*
 * VECTORS vectors of n elements each: ascending ids out of [0, range), chosen
 * with equal probability (D. Knuth, Seminumerical Algorithms, 3.4.2, algorithm S).
 */
static Vectors
make_vectors(int n, int64_t range)
{
	Vectors v = {n, malloc(sizeof(int32_t) * n * VECTORS), malloc(sizeof(int64_t) * n * VECTORS),
				 malloc(sizeof(float) * n * VECTORS)};

	if (!v.ids32 || !v.ids64 || !v.weights)
		exit(2);
	for (int i = 0; i < VECTORS; i++)
	{
		int chosen = 0;

		for (int64_t id = 0; chosen < n; id++)
		{
			if ((int64_t) random_below(range - id) >= n - chosen)
				continue;
			v.ids32[i * n + chosen] = (int32_t) id;
			v.ids64[i * n + chosen] = id;
			v.weights[i * n + chosen] = (float) (1 + random_below(9)) / 2;
			chosen++;
		}
	}
	return v;
}

static SparseView
view_of(const Vectors *v, int i, int wide)
{
	SparseView view = {v->n, wide ? NULL : v->ids32 + i * v->n, wide ? v->ids64 + i * v->n : NULL,
					   v->weights + i * v->n};

	return view;
}

typedef enum Kernel
{
	DOT,
	DOT_WIDE,
	DOT_MIXED,
	SUM,
	SUM_WIDE,
	KERNELS
} Kernel;

static const char *const kernel_name[KERNELS] = {"dot", "dot, wide ids", "dot, mixed ids", "sum",
												 "sum, wide ids"};

static double
run_kernel(Kernel kernel, SparseView a, SparseView b, int32_t *ids32, int64_t *ids64,
		   float *weights)
{
	switch (kernel)
	{
		case DOT:
		case DOT_WIDE:
		case DOT_MIXED:
			return sparse_dot(a, b, NULL);
		default:
			return sparse_add(a, b, false, ids32, ids64, weights);
	}
}

static double
nanoseconds(Kernel kernel, const Vectors *a, const Vectors *b)
{
	int64_t rounds = 1 + 20000000 / (a->n + b->n) / KERNELS;
	int a_wide = kernel == DOT_WIDE || kernel == DOT_MIXED || kernel == SUM_WIDE;
	int b_wide = kernel == DOT_WIDE || kernel == SUM_WIDE;
	int32_t *ids32 = malloc(sizeof(int32_t) * (a->n + b->n));
	int64_t *ids64 = malloc(sizeof(int64_t) * (a->n + b->n));
	float *weights = malloc(sizeof(float) * (a->n + b->n));
	double best = 0;
	volatile double sink;
	double total = 0;

	for (int run = 0; run < RUNS; run++)
	{
		struct timespec start, end;
		double ns;

		clock_gettime(CLOCK_MONOTONIC, &start);
		for (int64_t i = 0; i < rounds; i++)
			total += run_kernel(kernel, view_of(a, (int) (i % VECTORS), a_wide),
								view_of(b, (int) (i * 7 / VECTORS % VECTORS), b_wide), ids32, ids64,
								weights);
		clock_gettime(CLOCK_MONOTONIC, &end);
		ns = ((end.tv_sec - start.tv_sec) * 1e9 + (end.tv_nsec - start.tv_nsec)) / rounds;
		if (run == 0 || ns < best)
			best = ns;
	}
	sink = total;
	(void) sink;
	free(ids32);
	free(ids64);
	free(weights);
	return best;
}

int
main(int argc, char **argv)
{
	int n_a = argc > 1 ? atoi(argv[1]) : 100;
	int n_b = argc > 2 ? atoi(argv[2]) : n_a;
	const double spread[] = {1.5, 3, 10, 1000};

	if (n_a < 1 || n_b < 1 || n_a > 10000 || n_b > 10000)
	{
		fprintf(stderr, "usage: svec_merge [elements of a [elements of b]], 1 to 10000 each\n");
		return 2;
	}
	printf("merge of %d and %d elements, ns (range of ids / elements: 1.5, 3, 10, 1000)\n", n_a,
		   n_b);
	for (int kernel = 0; kernel < KERNELS; kernel++)
	{
		printf("%-16s", kernel_name[kernel]);
		for (int i = 0; i < 4; i++)
		{
			int64_t range = (int64_t) (spread[i] * (n_a > n_b ? n_a : n_b)) + 1;
			Vectors a = make_vectors(n_a, range);
			Vectors b = make_vectors(n_b, range);

			printf(" %8.1f", nanoseconds(kernel, &a, &b));
			free(a.ids32);
			free(a.ids64);
			free(a.weights);
			free(b.ids32);
			free(b.ids64);
			free(b.weights);
		}
		printf("\n");
	}
	return 0;
}
