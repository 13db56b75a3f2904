/*
 * sparse_test.c
 *		The kernels of sparse.c against naive ones, without a server.
 *
 *	cc -std=gnu99 -Isrc -fsanitize=address,undefined test/c/sparse_test.c src/sparse.c -lm
 *
 * Vectors are allocated with not a byte to spare, so that the sanitizer sees
 * every access beyond their ends.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "sparse.h"

static int n_tests = 0;
static int n_failed = 0;

static void
check(bool passed, const char *name)
{
	n_tests++;
	if (!passed)
		n_failed++;
	printf("%sok %d - %s\n", passed ? "" : "not ", n_tests, name);
}

static void *
allocate(size_t size)
{
	void *memory = malloc(size > 0 ? size : 1);

	if (!memory)
		exit(2);
	return memory;
}

/* A vector of these elements in memory of its own. */
static SparseView
make_view(const int64_t *ids, const float *weights, int n, bool wide)
{
	int32_t *ids32 = wide ? NULL : allocate(n * sizeof(int32_t));
	int64_t *ids64 = wide ? allocate(n * sizeof(int64_t)) : NULL;
	float *copy = allocate(n * sizeof(float));
	SparseView view = {n, ids32, ids64, copy};

	for (int i = 0; i < n; i++)
	{
		if (wide)
			ids64[i] = ids[i];
		else
			ids32[i] = (int32_t) ids[i];
		copy[i] = weights[i];
	}
	return view;
}

static void
free_view(SparseView v)
{
	free((void *) v.ids32);
	free((void *) v.ids64);
	free((void *) v.weights);
}

static int64_t
id_of(SparseView v, int i)
{
	return v.ids64 ? v.ids64[i] : v.ids32[i];
}

/*
 * n elements with ids out of [-range / 2, range / 2) and small weights that are
 * multiples of 1/2, so that every sum of them is exact.
 */
static SparseView
random_view(int n, int64_t range, bool wide)
{
	int64_t *ids = allocate(n * sizeof(int64_t));
	float *weights = allocate(n * sizeof(float));
	SparseView view;
	int chosen = 0;

	for (int64_t id = 0; chosen < n; id++)
	{
		if (random_below(range - id) >= n - chosen)
			continue;
		ids[chosen] = id - range / 2;
		weights[chosen] = (float) (1 + random_below(6)) / (random_below(2) ? 2 : -2);
		chosen++;
	}
	view = make_view(ids, weights, n, wide);
	free(ids);
	free(weights);
	return view;
}

/* The textbook merge of all ids; weight 0 where one is absent. */
typedef struct Pair
{
	int64_t id;
	double x, y;
	bool in_a, in_b;
} Pair;

static Pair *
naive_pairs(SparseView a, SparseView b, int *n)
{
	Pair *pairs = allocate((a.n + b.n) * sizeof(Pair));
	int i = 0, j = 0;

	*n = 0;
	while (i < a.n || j < b.n)
	{
		Pair pair = {0, 0, 0, false, false};

		pair.in_a = i < a.n && (j == b.n || id_of(a, i) <= id_of(b, j));
		pair.in_b = j < b.n && (i == a.n || id_of(b, j) <= id_of(a, i));
		pair.id = pair.in_a ? id_of(a, i) : id_of(b, j);
		if (pair.in_a)
			pair.x = a.weights[i++];
		if (pair.in_b)
			pair.y = b.weights[j++];
		pairs[(*n)++] = pair;
	}
	return pairs;
}

static bool
sums_agree(SparseView a, SparseView b, const Pair *pairs, int n)
{
	double naive = 0;
	int64_t naive_common = 0;
	int64_t n_common;
	double dot = sparse_dot(a, b, &n_common);

	for (int i = 0; i < n; i++)
	{
		if (!pairs[i].in_a || !pairs[i].in_b)
			continue;
		naive += pairs[i].x * pairs[i].y;
		naive_common++;
	}
	return dot == naive && n_common == naive_common && sparse_dot(b, a, NULL) == dot;
}

static bool
matches_agree(SparseView a, SparseView b, const Pair *pairs, int n_pairs)
{
	SparseMatch *matches = allocate(SPARSE_MATCHES * sizeof(SparseMatch));
	SparseCursor cursor = {0, 0};
	int at = 0;
	int n;
	bool agree = true;

	while (agree && (n = sparse_next_matches(a, b, &cursor, matches)) > 0)
	{
		for (int i = 0; agree && i < n; i++)
		{
			while (at < n_pairs && !(pairs[at].in_a && pairs[at].in_b))
				at++;
			agree = at < n_pairs && id_of(a, matches[i].a) == pairs[at].id &&
					id_of(b, matches[i].b) == pairs[at].id;
			at++;
		}
	}
	while (at < n_pairs && !(pairs[at].in_a && pairs[at].in_b))
		at++;
	free(matches);
	return agree && at == n_pairs;
}

static bool
add_agrees(SparseView a, SparseView b, bool subtract, const Pair *pairs, int n_pairs)
{
	bool wide = a.ids64 || b.ids64;
	int32_t *ids32 = wide ? NULL : allocate((a.n + b.n) * sizeof(int32_t));
	int64_t *ids64 = wide ? allocate((a.n + b.n) * sizeof(int64_t)) : NULL;
	float *weights = allocate((a.n + b.n) * sizeof(float));
	int n = sparse_add(a, b, subtract, ids32, ids64, weights);
	int at = 0;
	bool agree = true;

	for (int i = 0; agree && i < n_pairs; i++)
	{
		double value = subtract ? pairs[i].x - pairs[i].y : pairs[i].x + pairs[i].y;

		if ((float) value == 0)
			continue;
		agree = at < n && (wide ? ids64[at] : ids32[at]) == pairs[i].id && weights[at] == value;
		at++;
	}
	free(ids32);
	free(ids64);
	free(weights);
	return agree && at == n;
}

static bool
self_agrees(SparseView a)
{
	double squares = 0, sum = 0;

	for (int i = 0; i < a.n; i++)
	{
		squares += (double) a.weights[i] * a.weights[i];
		sum += a.weights[i];
		if (sparse_find(a, id_of(a, i)) != i)
			return false;
		if ((i == 0 || id_of(a, i - 1) < id_of(a, i) - 1) && sparse_find(a, id_of(a, i) - 1) != -1)
			return false;
	}
	return sparse_sum_squares(a) == squares && sparse_sum(a) == sum &&
		   sparse_dot(a, a, NULL) == squares;
}

static void
test_random(void)
{
	const int sizes[] = {0, 1, 2, 3, 4, 5, 17, 100, 127, 128, 129, 300, 2000, 5000};
	const double spreads[] = {1, 1.5, 4, 100};
	const int n_sizes = sizeof(sizes) / sizeof(sizes[0]);
	bool sums = true, matches = true, added = true, subtracted = true, self = true;

	for (int i = 0; i < n_sizes * n_sizes * 4 * 4; i++)
	{
		int n_a = sizes[i % n_sizes];
		int n_b = sizes[i / n_sizes % n_sizes];
		int64_t range =
			(int64_t) (spreads[i / n_sizes / n_sizes % 4] * (n_a > n_b ? n_a : n_b)) + 1;
		int widths = i / n_sizes / n_sizes / 4;
		SparseView a = random_view(n_a, range, widths & 1);
		SparseView b = random_view(n_b, range, widths & 2);
		int n;
		Pair *pairs = naive_pairs(a, b, &n);

		sums = sums && sums_agree(a, b, pairs, n);
		matches = matches && matches_agree(a, b, pairs, n);
		added = added && add_agrees(a, b, false, pairs, n);
		subtracted = subtracted && add_agrees(a, b, true, pairs, n);
		self = self && self_agrees(a);
		free(pairs);
		free_view(a);
		free_view(b);
	}
	check(matches, "matches of random vectors are those of a naive merge");
	check(sums, "sums over common ids are the naive ones");
	check(added, "sums of random vectors are the naive ones");
	check(subtracted, "differences of random vectors are the naive ones");
	check(self, "norm, sum and search within one vector are the naive ones");
}

static void
test_extreme_ids(void)
{
	int64_t ids[] = {INT64_MIN, -1, 0, INT64_MAX};
	int64_t narrow_ids[] = {INT32_MIN, -1, 0, INT32_MAX};
	float weights[] = {1, 2, 3, 4};
	SparseView wide = make_view(ids, weights, 4, true);
	SparseView narrow = make_view(narrow_ids, weights, 4, false);
	int64_t out[8];
	float sum[8];
	int64_t n_common;

	check(sparse_dot(wide, wide, &n_common) == 30 && n_common == 4, "ids at the ends of bigint");
	check(sparse_dot(narrow, narrow, &n_common) == 30 && n_common == 4,
		  "ids at the ends of integer");
	check(sparse_dot(wide, narrow, &n_common) == 13 && n_common == 2,
		  "wide and narrow ids do not mix up");
	check(sparse_add(wide, narrow, false, NULL, out, sum) == 6 && out[0] == INT64_MIN &&
			  out[1] == INT32_MIN && out[5] == INT64_MAX && sum[2] == 4 && sum[3] == 6,
		  "sum of wide and narrow");
	check(sparse_find(wide, INT64_MIN) == 0 && sparse_find(wide, INT64_MAX) == 3 &&
			  sparse_find(narrow, INT64_MIN) == -1 && sparse_find(narrow, INT64_MAX) == -1 &&
			  sparse_find(narrow, INT32_MAX) == 3,
		  "search at the ends");
	free_view(wide);
	free_view(narrow);
}

static void
test_rounding(void)
{
	int64_t ids[] = {1, 2, 3, 4};
	float large[] = {3e38f, -3e38f, 1e-45f, 1};
	float other[] = {3e38f, -3e38f, 1e-45f, -1};
	SparseView a = make_view(ids, large, 4, false);
	SparseView b = make_view(ids, other, 4, false);
	int32_t out[8];
	float sum[8];

	check(sparse_add(a, b, false, out, NULL, sum) == 3 && isinf(sum[0]) && sum[0] > 0 &&
			  isinf(sum[1]) && sum[1] < 0 && sum[2] == 2 * 1e-45f,
		  "overflow is infinite, cancelled elements vanish");
	check(sparse_add(a, b, true, out, NULL, sum) == 1 && out[0] == 4 && sum[0] == 2,
		  "a difference of equal elements vanishes");
	check(sparse_scale(a, 0.25, out, NULL, sum) == 3 && out[2] == 4 && sum[0] == 0.25f * 3e38f,
		  "scaling drops what becomes zero");
	check(sparse_scale(a, 0, out, NULL, sum) == 0, "zero times a vector is empty");
	check(sparse_scale(a, 1e300, out, NULL, sum) == 4 && isinf(sum[0]) && isinf(sum[2]),
		  "scaling by much is infinite");
	check(sparse_sum_squares(a) > 1.7e77 && sparse_dot(a, b, NULL) < 1.9e77,
		  "squares of large weights do not overflow");
	free_view(a);
	free_view(b);
}

/* Dot products and norms of equal vectors agree bit for bit. */
static void
test_self_product(void)
{
	bool same = true;

	for (int n = 0; n < 400; n++)
	{
		int64_t *ids = allocate(n * sizeof(int64_t));
		float *weights = allocate(n * sizeof(float));
		SparseView v;

		for (int i = 0; i < n; i++)
		{
			ids[i] = 3 * i;
			weights[i] = (float) (random_below(1000000) + 1) / 7919;
		}
		v = make_view(ids, weights, n, n % 2);
		same = same && sparse_dot(v, v, NULL) == sparse_sum_squares(v);
		free_view(v);
		free(ids);
		free(weights);
	}
	check(same, "a . a is the sum of squares of a bit for bit");
}

static void
shuffle(double *values, int n)
{
	for (int i = n - 1; i > 0; i--)
	{
		int j = (int) random_below(i + 1);
		double value = values[i];

		values[i] = values[j];
		values[j] = value;
	}
}

static double
exact_sum(const double *values, int n, int *n_terms)
{
	double *terms = allocate(SPARSE_EXACT_TERMS * sizeof(double));
	double sum;

	*n_terms = 0;
	for (int i = 0; i < n; i++)
		*n_terms = sparse_exact_add(terms, *n_terms, values[i]);
	sum = sparse_exact_value(terms, *n_terms);
	free(terms);
	return sum;
}

static void
test_exact(void)
{
	double cancel[] = {1e300, 1, -1e300, 0x1p-60, -1};
	double middle[] = {1, 0x1p-53, 0x1p-200};
	double middle_even[] = {1, 0x1p-53};
	double middle_below[] = {1, 0x1p-52, 0x1p-53, -0x1p-200};
	double infinite[] = {1e308, 1e308, 1, 2, 3};
	double values[2000];
	double first = 0;
	int n;
	int most = 0;
	bool same = true;

	check(exact_sum(cancel, 5, &n) == 0x1p-60 && n == 1, "what large terms hide is kept");
	check(exact_sum(middle, 3, &n) == 1 + 0x1p-52, "a tie is decided by what is below it");
	check(exact_sum(middle_even, 2, &n) == 1, "a tie goes to even");
	check(exact_sum(middle_below, 4, &n) == 1 + 0x1p-52, "a tie may be decided downwards");
	check(!isfinite(exact_sum(infinite, 5, &n)) && n == 1, "overflow is one infinite term");
	check(exact_sum(NULL, 0, &n) == 0 && n == 0, "nothing adds up to zero");

	/* Bits everywhere between the ends of double, in many orders. */
	for (int i = 0; i < 2000; i++)
		values[i] =
			ldexp((double) random_below(INT64_C(1) << 53), (int) random_below(1950) - 1074) *
			(random_below(2) ? 1 : -1);
	for (int round = 0; round < 50; round++)
	{
		double sum = exact_sum(values, 2000, &n);

		if (round == 0)
			first = sum;
		most = n > most ? n : most;
		same = same && memcmp(&sum, &first, sizeof(sum)) == 0;
		shuffle(values, 2000);
	}
	check(same, "the order of addition does not show in an exact sum");
	check(most > 10 && most < SPARSE_EXACT_TERMS, "the terms of an exact sum are bounded");
}

/* Single bits, each far enough from the last not to be merged with it. */
static void
test_exact_worst_case(void)
{
	double values[1049];
	int n;
	int most = 0;

	for (int i = 0; i < 1049; i++)
		values[i] = ldexp(1, 2 * i - 1074);
	for (int round = 0; round < 50; round++)
	{
		(void) exact_sum(values, 1049, &n);
		most = n > most ? n : most;
		shuffle(values, 1049);
	}
	check(most > 30 && most <= 1049, "the worst exact sum stays within its room");
}

static void
test_squash(void)
{
	SparseTerm terms[] = {{-5, 1},  {-5, 2}, {-5, -3}, {0, 1e20}, {0, 1},
						  {0, 0.5}, {7, 0},  {9, 3},   {9, 4}};
	int64_t n = sparse_squash(terms, 9);

	check(n == 5 && terms[0].id == -5 && terms[0].value == 0 && terms[1].id == 0 &&
			  terms[1].value == 1.5 && terms[2].id == 0 && terms[2].value == 1e20 &&
			  terms[3].id == 7 && terms[3].value == 0 && terms[4].id == 9 && terms[4].value == 7,
		  "squash adds equal ids up and keeps what rounding would lose");
	check(sparse_squash(terms, 5) == 5 && sparse_squash(terms, 0) == 0,
		  "squash changes nothing a second time");
}

int
main(void)
{
	test_random();
	test_extreme_ids();
	test_rounding();
	test_self_product();
	test_exact();
	test_exact_worst_case();
	test_squash();
	printf("1..%d\n", n_tests);
	return n_failed > 0;
}
