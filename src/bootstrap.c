/*
 * bootstrap.c
 *		Intervals of means over users, and tests of paired differences.
 *
 * The percentile bootstrap (Efron 1979) draws as many users as there are, with
 * replacement, many times over, computes the metric of each such draw, and takes
 * quantiles of what comes out.  Values are sorted before anything is drawn, so
 * that the order in which they were read does not matter: the same values and
 * seed give the same interval.
 */
#include "postgres.h"

#include <math.h>

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "bootstrap.h"
#include "distribution.h"

/* Users drawn between two looks for interrupts. */
#define DRAWS_BETWEEN_CHECKS 1048576

/* The distribution of the signed-rank sum is worked out for so many users. */
#define EXACT_USERS 50
/* And for so many even when there are ties or zeros. */
#define EXACT_USERS_WITH_TIES 13

typedef struct Fraction
{
	double numerator;
	double denominator;
} Fraction;

#define ST_SORT sort_fractions
#define ST_ELEMENT_TYPE Fraction
#define ST_COMPARE(a, b)                                                                           \
	((a)->numerator < (b)->numerator       ? -1                                                    \
	 : (a)->numerator > (b)->numerator     ? 1                                                     \
	 : (a)->denominator < (b)->denominator ? -1                                                    \
										   : (a)->denominator > (b)->denominator)
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

#define ST_SORT sort_numbers
#define ST_ELEMENT_TYPE double
#define ST_COMPARE(a, b) (*(a) < *(b) ? -1 : *(a) > *(b))
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

static void *
allocate(int64 n, Size size)
{
	return MemoryContextAllocExtended(CurrentMemoryContext, mul_size(Max(n, 1), size),
									  MCXT_ALLOC_HUGE);
}

/*
 * A number below n, each as likely (Lemire 2019).
 */
static inline uint64
draw(pg_prng_state *random, uint64 n, uint32 threshold)
{
	uint64 product;

	if (unlikely(n > PG_UINT32_MAX))
		return pg_prng_uint64_range(random, 0, n - 1);
	do
		product = (uint64) pg_prng_uint32(random) * n;
	while (unlikely((uint32) product < threshold));
	return product >> 32;
}

static double
ratio(double numerator, double denominator)
{
	return denominator == 0 ? NAN : numerator / denominator;
}

/*
 * Ratios of sums over draws of n of the n users, those that are numbers first;
 * returns how many are.
 */
static int64
draw_ratios(const Fraction *users, int64 n, int32 replicates, uint64 seed, double *ratios)
{
	pg_prng_state random;
	uint32 threshold = n <= PG_UINT32_MAX ? (uint32) -n % (uint32) n : 0;
	int64 kept = 0;
	int64 draws = 0;

	pg_prng_seed(&random, seed);
	for (int32 i = 0; i < replicates; i++)
	{
		double numerator = 0;
		double denominator = 0;

		for (int64 j = 0; j < n; j++)
		{
			const Fraction *user = &users[draw(&random, n, threshold)];

			numerator += user->numerator;
			denominator += user->denominator;
			if (++draws % DRAWS_BETWEEN_CHECKS == 0)
				CHECK_FOR_INTERRUPTS();
		}
		/* A draw of users that have nothing in the denominator says nothing. */
		ratios[kept] = ratio(numerator, denominator);
		kept += !isnan(ratios[kept]);
	}
	return kept;
}

/*
 * sum(numerators) / sum(denominators) over n users, with the interval of the
 * given confidence (between 0 and 1): quantiles of the ratios of so many draws,
 * interpolated linearly.  denominators NULL: all 1, which makes it the mean.  A
 * user of whom a number is NaN does not count.  NaN without a user, or when the
 * denominators sum to zero; low and high are NaN without replicates.
 */
Estimate
bootstrap_ratio(const double *numerators, const double *denominators, int64 n, int32 replicates,
				double confidence, uint64 seed)
{
	Estimate estimate = {NAN, NAN, NAN};
	Fraction *users = allocate(n, sizeof(Fraction));
	double *ratios;
	double numerator = 0;
	double denominator = 0;
	int64 kept = 0;

	for (int64 i = 0; i < n; i++)
	{
		Fraction user = {numerators[i], denominators == NULL ? 1 : denominators[i]};

		if (!isnan(user.numerator) && !isnan(user.denominator))
			users[kept++] = user;
	}
	sort_fractions(users, kept);
	for (int64 i = 0; i < kept; i++)
	{
		numerator += users[i].numerator;
		denominator += users[i].denominator;
	}
	estimate.value = ratio(numerator, denominator);
	if (!isnan(estimate.value) && replicates > 0)
	{
		ratios = allocate(replicates, sizeof(double));
		kept = draw_ratios(users, kept, replicates, seed, ratios);
		sort_numbers(ratios, kept);
		estimate.low = distribution_quantile(ratios, NULL, kept, (1 - confidence) / 2);
		estimate.high = distribution_quantile(ratios, NULL, kept, (1 + confidence) / 2);
		pfree(ratios);
	}
	pfree(users);
	return estimate;
}

/*
 * log(gamma(a + 1/2) / gamma(a)), without the loss of digits of a difference of
 * two great logarithms.
 */
static double
log_gamma_step(double a)
{
	double square = a * a;

	if (a < 20)
		return lgamma(a + 0.5) - lgamma(a);
	return log(a) / 2 -
		   (1.0 / 8 - (1.0 / 192 - (1.0 / 640 - 17.0 / 14336 / square) / square) / square) / a;
}

/*
 * The continued fraction of the incomplete beta function (DLMF 8.17.22) by
 * Lentz's method; x is below (a + 1) / (a + b + 2), where it converges fast.
 */
static double
beta_fraction(double a, double b, double x)
{
	double c = 1;
	double d = 1 / (1 - (a + b) * x / (a + 1));
	double value = d;

	for (int m = 1; m < 100000; m++)
	{
		double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
		double step;

		d = 1 / (1 + even * d);
		c = 1 + even / c;
		value *= d * c;
		d = 1 / (1 + odd * d);
		c = 1 + odd / c;
		step = d * c;
		value *= step;
		if (fabs(step - 1) < 1e-16)
			break;
	}
	return value;
}

/*
 * Probability that Student's t with so many degrees of freedom is at least as
 * far from zero as t: the incomplete beta function I_x(df / 2, 1 / 2) at x =
 * df / (df + t^2).
 */
static double
student_p_value(double t, double df)
{
	double a = df / 2;
	double square = t * t / df;
	double x = 1 / (1 + square);
	double rest = square / (1 + square); /* 1 - x, with all its digits */
	double factor;

	if (isnan(t))
		return NAN;
	if (isinf(square))
		return 0;
	/* x^a (1 - x)^(1/2) / B(a, 1/2), where gamma(1/2)^2 is pi. */
	factor = exp(log_gamma_step(a) - a * log1p(square)) * sqrt(rest / M_PI);
	if (x < (a + 1) / (a + 2.5))
		return factor * beta_fraction(a, 0.5, x) / a;
	return 1 - factor * beta_fraction(0.5, a, rest) / 0.5;
}

/*
 * Two-sided p of Student's paired test: the mean of n differences against zero.
 * NaN of fewer than two, or when all are zero.
 */
static double
t_p_value(const double *differences, int64 n)
{
	Moments moments = {0};

	for (int64 i = 0; i < n; i++)
		moments_add(&moments, differences[i], 1);
	if (n < 2)
		return NAN;
	return student_p_value(moments.mean / (moments_deviation(&moments) / sqrt(n)), n - 1);
}

/*
 * Two-sided p of a sum of ranks when each sign is as likely: the distribution of
 * the sum by adding one rank after the other.  Ranks are doubled, so that those
 * shared by ties are whole.
 */
static double
exact_p_value(const int64 *doubled, int32 n, int64 sum)
{
	double ways[EXACT_USERS * (EXACT_USERS + 1) + 1] = {1};
	double at_most = 0;
	double at_least = 0;
	double all = 0;
	int64 reach = 0;

	for (int32 i = 0; i < n; i++)
	{
		reach += doubled[i];
		for (int64 s = reach; s >= doubled[i]; s--)
			ways[s] += ways[s - doubled[i]];
	}
	for (int64 s = 0; s <= reach; s++)
	{
		all += ways[s];
		at_most += s <= sum ? ways[s] : 0;
		at_least += s >= sum ? ways[s] : 0;
	}
	return Min(1, 2 * Min(at_most, at_least) / all);
}

/* A difference from zero, to be ranked. */
typedef struct Change
{
	double size;
	bool positive;
} Change;

#define ST_SORT sort_changes
#define ST_ELEMENT_TYPE Change
#define ST_COMPARE(a, b) ((a)->size < (b)->size ? -1 : (a)->size > (b)->size)
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * Two-sided p of Wilcoxon's signed-rank test of n differences.  Zeros are left
 * out and equal sizes share the mean of their ranks.  The distribution is exact
 * up to 50 differences without zeros and ties, and up to 13 with; else normal,
 * its variance corrected for ties and no correction for continuity.  1 when
 * nothing differs, NaN without a user.
 */
static double
wilcoxon_p_value(const double *differences, int64 n)
{
	Change *changes = allocate(n, sizeof(Change));
	int64 doubled[EXACT_USERS];
	int64 m = 0;
	double sum = 0; /* of the doubled ranks of positive differences */
	double tied = 0;
	double variance;
	double z;

	for (int64 i = 0; i < n; i++)
		if (differences[i] != 0)
			changes[m++] = (Change){fabs(differences[i]), differences[i] > 0};
	sort_changes(changes, m);
	for (int64 from = 0, to; from < m; from = to)
	{
		double alike;

		to = from + 1;
		while (to < m && changes[to].size == changes[from].size)
			to++;
		alike = to - from;
		tied += alike * alike * alike - alike;
		for (int64 i = from; i < to; i++)
		{
			sum += changes[i].positive ? from + 1 + to : 0;
			if (i < EXACT_USERS)
				doubled[i] = from + 1 + to;
		}
	}
	pfree(changes);
	if (n == 0)
		return NAN;
	if (m == 0)
		return 1;
	if (n <= EXACT_USERS_WITH_TIES || (n <= EXACT_USERS && m == n && tied == 0))
		return exact_p_value(doubled, m, sum);
	variance = ((double) m * (m + 1.0) * (2.0 * m + 1) - tied / 2) / 24;
	z = (sum / 2 - (double) m * (m + 1.0) / 4) / sqrt(variance);
	return erfc(fabs(z) / M_SQRT2);
}

/*
 * How two models differ on the same n users: the mean of a - b with its
 * bootstrap interval, and p values of two tests that it is zero.  Pairs with a
 * NaN do not count.
 */
PairedTest
paired_test(const double *a, const double *b, int64 n, int32 replicates, double confidence,
			uint64 seed)
{
	PairedTest test;
	double *differences = allocate(n, sizeof(double));
	int64 kept = 0;

	for (int64 i = 0; i < n; i++)
	{
		differences[kept] = a[i] - b[i];
		kept += !isnan(differences[kept]);
	}
	/* Sums then do not depend on the order that pairs came in. */
	sort_numbers(differences, kept);
	test.difference = bootstrap_ratio(differences, NULL, kept, replicates, confidence, seed);
	test.t_p_value = t_p_value(differences, kept);
	test.wilcoxon_p_value = wilcoxon_p_value(differences, kept);
	pfree(differences);
	return test;
}
