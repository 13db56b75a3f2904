/*
 * similarity_test.c
 *		The formulas and sums of similarity.h, without a server.
 *
 *	cc -std=gnu99 -Isrc -fsanitize=address,undefined test/c/similarity_test.c -lm
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "random.h"
#include "similarity.h"

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

static void
check_near(double value, double expected, double tolerance, const char *name)
{
	bool passed = fabs(value - expected) <= tolerance;

	check(passed, name);
	if (!passed)
		printf("# is %.17g, should be %.17g\n", value, expected);
}

static void
test_cosine(void)
{
	/* (1, 2) and (3, 4) */
	check_near(cosine_from_sums(11, 5, 25), 0.98386991009990743, 1e-15, "cosine by hand");
	check_near(cosine_from_norms(11, sqrt(5), 5), 0.98386991009990743, 1e-15,
			   "cosine from norms by hand");
	check(cosine_from_sums(0, 5, 25) == 0, "orthogonal vectors have cosine 0");
	check(cosine_from_sums(-11, 11, 11) == -1, "opposite vectors have cosine -1");
	check(isnan(cosine_from_sums(0, 0, 25)) && isnan(cosine_from_sums(0, 25, 0)) &&
			  isnan(cosine_from_sums(0, 0, 0)),
		  "cosine of a zero vector is undefined");
	check(isnan(cosine_from_norms(0, 0, 5)) && isnan(cosine_from_norms(0, 5, 0)),
		  "cosine from a zero norm is undefined");
	check(cosine_from_sums(5 + 1e-14, 5, 5) == 1 && cosine_from_sums(-5 - 1e-14, 5, 5) == -1,
		  "rounding noise is clamped");
	check(cosine_from_norms(5 + 1e-14, sqrt(5), sqrt(5)) == 1,
		  "rounding noise is clamped, from norms");
	check_near(cosine_from_sums(1e-200, 1e-200, 4e-200), 0.5, 1e-15,
			   "product of squared norms that underflows");
	check_near(cosine_from_sums(1e200, 1e200, 4e200), 0.5, 1e-15,
			   "product of squared norms that overflows");
	check(isnan(cosine_from_sums(NAN, NAN, 1)), "cosine of NaN is NaN");

	bool equal_is_one = true;

	for (int i = 0; i < 1000; i++)
	{
		double square = 1e-3 + 100 * uniform();

		equal_is_one = equal_is_one && cosine_from_sums(square, square, square) == 1;
	}
	check(equal_is_one, "equal vectors have cosine 1 exactly");
}

static void
test_pearson(void)
{
	/* (1, 2), (2, 4), (3, 5): 3 / sqrt(2 * 14/3) */
	check_near(pearson_from_sums(3, 6, 11, 14, 45, 25), 0.98198050606196574, 1e-14,
			   "Pearson by hand");
	check(isnan(pearson_from_sums(0, 0, 0, 0, 0, 0)), "Pearson of nothing is undefined");
	check(isnan(pearson_from_sums(1, 2, 3, 4, 9, 6)), "Pearson of one pair is undefined");
	check(isnan(pearson_from_sums(3, 6, 6, 12, 14, 12)), "Pearson of a constant x is undefined");
	check(isnan(pearson_from_sums(3, 6, 6, 14, 12, 12)), "Pearson of a constant y is undefined");

	double sum = 0;
	double square = 0;

	for (int i = 0; i < 1000; i++)
	{
		sum += 0.1;
		square += 0.1 * 0.1;
	}
	check(square != sum * sum / 1000 &&
			  isnan(pearson_from_sums(1000, sum, sum, square, square, square)),
		  "Pearson of a constant is undefined in spite of rounding noise");
	check(pearson_from_sums(2, 1, 1, 1, 1, 1) == 1, "Pearson of two pairs");
}

static void
test_others(void)
{
	check(jaccard_from_counts(2, 3, 4) == 0.4, "Jaccard by hand");
	check(jaccard_from_counts(0, 3, 4) == 0, "disjoint sets have Jaccard 0");
	check(jaccard_from_counts(0, 0, 3) == 0, "an empty set and another have Jaccard 0");
	check(isnan(jaccard_from_counts(0, 0, 0)), "Jaccard of empty sets is undefined");

	check(euclidean_from_sum(0) == 1, "Euclidean similarity of equal vectors is 1");
	check_near(euclidean_from_sum(25), 1.0 / 6, 1e-16, "Euclidean by hand");
	check(euclidean_from_sum(-1e-12) == 1, "a distance below zero is rounding noise");
	check(isnan(euclidean_from_sum(NAN)), "Euclidean similarity of NaN is NaN");

	check(similarity_shrink(0.8, 25, 0) == 0.8, "no shrinkage");
	check_near(similarity_shrink(0.8, 25, 75), 0.2, 1e-16, "shrinkage by hand");
	check(similarity_shrink(0.8, 0, 0) == 0.8, "no support and no shrinkage");
	check(similarity_shrink(0.8, 0, 100) == 0, "no support");
	check(isnan(similarity_shrink(NAN, 25, 75)), "undefined stays undefined");
}

/* Pairs to fold: about every fifth x and every fifth y is absent. */
#define N_PAIRS 500

typedef struct Pair
{
	bool has_x;
	bool has_y;
	double x;
	double y;
	double mean;
} Pair;

static SimilaritySums
fold(SimilarityKind kind, const Pair *pairs, int n)
{
	SimilaritySums sums = {0};

	for (int i = 0; i < n; i++)
		similarity_add(kind, &sums, pairs[i].has_x, pairs[i].x, pairs[i].has_y, pairs[i].y,
					   pairs[i].mean);
	return sums;
}

/* The definition of a similarity, in as many passes as it takes. */
static double
by_definition(SimilarityKind kind, const Pair *pairs, int n)
{
	long double xy = 0;
	long double xx = 0;
	long double yy = 0;
	long double mean_x = 0;
	long double mean_y = 0;
	int n_x = 0;
	int n_y = 0;
	int n_both = 0;

	for (int i = 0; i < n; i++)
	{
		n_x += pairs[i].has_x;
		n_y += pairs[i].has_y;
		if (pairs[i].has_x && pairs[i].has_y)
		{
			n_both++;
			mean_x += pairs[i].x;
			mean_y += pairs[i].y;
		}
	}
	mean_x /= n_both;
	mean_y /= n_both;
	if (kind == SIMILARITY_JACCARD)
		return (double) n_both / (n_x + n_y - n_both);
	for (int i = 0; i < n; i++)
	{
		const Pair *pair = &pairs[i];
		bool both = pair->has_x && pair->has_y;
		long double u = pair->x;
		long double v = pair->y;

		if (!both && kind != SIMILARITY_COSINE)
			continue;
		if (kind == SIMILARITY_COSINE)
		{
			u = pair->has_x ? u : 0;
			v = pair->has_y ? v : 0;
		}
		if (kind == SIMILARITY_ADJUSTED_COSINE)
		{
			u -= pair->mean;
			v -= pair->mean;
		}
		if (kind == SIMILARITY_PEARSON)
		{
			u -= mean_x;
			v -= mean_y;
		}
		if (kind == SIMILARITY_EUCLIDEAN)
			u = v = u - v;
		xy += u * v;
		xx += u * u;
		yy += v * v;
	}
	if (kind == SIMILARITY_EUCLIDEAN)
		return (double) (1 / (1 + sqrtl(xx)));
	return (double) (xy / sqrtl(xx * yy));
}

static bool
same_sums(const SimilaritySums *a, const SimilaritySums *b)
{
	return memcmp(a, b, sizeof(SimilaritySums)) == 0;
}

static void
test_fold(SimilarityKind kind, const char *kind_name, const Pair *pairs)
{
	char name[100];
	SimilaritySums nothing = {0};
	SimilaritySums all = fold(kind, pairs, N_PAIRS);
	double expected = by_definition(kind, pairs, N_PAIRS);
	double worst = 0;
	SimilaritySums sums;

	snprintf(name, sizeof(name), "%s of many pairs as defined", kind_name);
	check_near(similarity_from_sums(kind, &all), expected, 1e-13, name);

	for (int split = 0; split <= N_PAIRS; split++)
	{
		SimilaritySums rest = fold(kind, pairs + split, N_PAIRS - split);

		sums = fold(kind, pairs, split);
		similarity_merge(&sums, &rest);
		if (sums.support != all.support)
			worst = INFINITY;
		worst = fmax(worst, fabs(similarity_from_sums(kind, &sums) - expected));
	}
	snprintf(name, sizeof(name), "%s merged from two parts, split anywhere", kind_name);
	check_near(worst, 0, 1e-13, name);

	sums = all;
	similarity_merge(&sums, &nothing);
	similarity_merge(&nothing, &all);
	snprintf(name, sizeof(name), "%s merged with nothing, on either side", kind_name);
	check(same_sums(&sums, &all) && same_sums(&nothing, &all), name);

	sums = (SimilaritySums){0};
	snprintf(name, sizeof(name), "%s of nothing is undefined", kind_name);
	check(isnan(similarity_from_sums(kind, &sums)), name);
}

static void
test_running_means(void)
{
	const double far = 1e8;
	SimilaritySums sums = {0};
	SimilaritySums more = {0};

	/* deviations: -5/3, 1/3, 4/3 of 1, 3, 4; -4/3, -1/3, 5/3 of 1, 2, 4 */
	similarity_add(SIMILARITY_PEARSON, &sums, true, far + 1, true, far + 1, 0);
	similarity_add(SIMILARITY_PEARSON, &sums, true, far + 3, true, far + 2, 0);
	similarity_add(SIMILARITY_PEARSON, &sums, true, far + 4, true, far + 4, 0);
	check_near(similarity_from_sums(SIMILARITY_PEARSON, &sums), 39.0 / 42, 1e-15,
			   "Pearson of values with a large mean");

	sums = more = (SimilaritySums){0};
	for (int i = 0; i < 1000; i++)
	{
		similarity_add(SIMILARITY_PEARSON, &sums, true, 0.1, true, i, 0);
		similarity_add(SIMILARITY_PEARSON, &more, true, 0.1, true, -i, 0);
	}
	similarity_merge(&sums, &more);
	check(sums.xx == 0 && sums.yy > 0 && isnan(similarity_from_sums(SIMILARITY_PEARSON, &sums)),
		  "what does not vary has variance zero exactly, merged or not");
}

int
main(void)
{
	Pair pairs[N_PAIRS];

	for (int i = 0; i < N_PAIRS; i++)
	{
		pairs[i].has_x = uniform() > 0.2;
		pairs[i].has_y = uniform() > 0.2;
		/* What is absent must not be looked at. */
		pairs[i].x = pairs[i].has_x ? 5 * uniform() : NAN;
		pairs[i].y = pairs[i].has_y ? 5 * uniform() - 1 : NAN;
		pairs[i].mean = 2 + uniform();
	}
	test_cosine();
	test_pearson();
	test_others();
	test_fold(SIMILARITY_COSINE, "cosine", pairs);
	test_fold(SIMILARITY_ADJUSTED_COSINE, "adjusted cosine", pairs);
	test_fold(SIMILARITY_PEARSON, "Pearson", pairs);
	test_fold(SIMILARITY_JACCARD, "Jaccard", pairs);
	test_fold(SIMILARITY_EUCLIDEAN, "Euclidean", pairs);
	test_running_means();
	printf("1..%d\n", n_tests);
	return n_failed > 0;
}
