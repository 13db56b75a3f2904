/*
 * distribution_test.c
 *		distribution.c against direct sums, and against values of the zeta function
 *		known in closed form.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "distribution.h"
#include "random.h"

/* The least positive double. */
#define LEAST 0x1p-1074

static int failures = 0;

static void
check(bool ok, const char *what)
{
	printf("%s - %s\n", ok ? "ok" : "not ok", what);
	failures += !ok;
}

static bool
near(double a, double b, double tolerance)
{
	return fabs(a - b) <= tolerance * fmax(fabs(a), fabs(b));
}

static int
compare_doubles(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return x < y ? -1 : x > y;
}

static void
test_moments(void)
{
	Moments moments = {0};
	Moments weighted = {0};

	for (int i = 0; i < 1000; i++)
		moments_add(&moments, 1e9 + i % 4, 1);
	for (int i = 0; i < 4; i++)
		moments_add(&weighted, 1e9 + i, 250);
	check(near(moments.mean, 1e9 + 1.5, 1e-15), "mean far from zero");
	check(near(moments_deviation(&moments), sqrt(1.25 * 1000 / 999), 1e-9), "deviation");
	check(near(moments_deviation(&weighted), sqrt(1.25 * 1000 / 999), 1e-9), "... of weights");
	check(moments.minimum == 1e9 && moments.maximum == 1e9 + 3, "range");
	memset(&moments, 0, sizeof(moments));
	check(isnan(moments_deviation(&moments)), "deviation of nothing");
	for (int i = 0; i < 10; i++)
		moments_add(&moments, 0.1, 1);
	check(moments_deviation(&moments) == 0, "deviation of equal values is zero");
}

static void
test_quantiles(void)
{
	const double values[] = {1, 2, 4, 8};
	const int64_t up_to[] = {1, 3, 3 + 5, 10};
	const double wide[] = {-DBL_MAX, DBL_MAX};

	check(isnan(distribution_quantile(values, NULL, 0, 0.5)), "quantile of nothing");
	check(distribution_quantile(values, NULL, 1, 0.9) == 1, "quantile of one value");
	check(distribution_quantile(values, NULL, 4, 0) == 1, "least");
	check(distribution_quantile(values, NULL, 4, 1) == 8, "greatest");
	check(distribution_quantile(values, NULL, 4, 0.5) == 3, "median between two");
	/* 1 2 2 4 4 4 4 4 8 8 */
	check(distribution_quantile(values, up_to, 4, 0.25) == 2.5, "quantile of counted values");
	check(distribution_quantile(values, up_to, 4, 1) == 8, "greatest of counted values");
	check(near(distribution_quantile(wide, NULL, 2, 0.75), DBL_MAX / 2, 1e-15), "no overflow");
}

static void
test_sketch(void)
{
	enum
	{
		N = 20000
	};
	static double values[N];
	Sketch *sketch = calloc(1, sizeof(Sketch));
	double worst = 0;
	int64_t total = 0;
	double last = -DBL_MAX;
	bool ascending = true;
	double value;

	for (int i = 0; i < N; i++)
	{
		values[i] = i % 7 == 0 ? 0 : exp(1200 * uniform() - 600) * (i % 3 == 0 ? -1 : 1);
		sketch_add(sketch, values[i], 1);
	}
	qsort(values, N, sizeof(double), compare_doubles);
	for (int i = 0; i <= 1000; i++)
	{
		double exact = values[(int) floor(i / 1000.0 * (N - 1))];
		double found = sketch_quantile(sketch, i / 1000.0);

		if (exact != found)
			worst = fmax(worst, fabs(found - exact) / fabs(exact));
	}
	check(worst > 0.001 && worst <= SKETCH_ACCURACY * (1 + 1e-9), "sketch within 1 %");
	for (int cell = 0; cell < SKETCH_CELLS; cell++)
	{
		int64_t count = sketch_cell(sketch, cell, &value);

		total += count;
		ascending = ascending && (count == 0 || value >= last);
		last = count > 0 ? value : last;
	}
	check(total == N && ascending, "cells in order");

	memset(sketch, 0, sizeof(Sketch));
	check(isnan(sketch_quantile(sketch, 0.5)), "sketch of nothing");
	sketch_add(sketch, DBL_MAX, 1);
	sketch_add(sketch, -DBL_MAX, 2);
	sketch_add(sketch, LEAST, 3);
	sketch_add(sketch, -LEAST, 3);
	check(sketch_quantile(sketch, 0) == -DBL_MAX && sketch_quantile(sketch, 1) == DBL_MAX,
		  "ends of the range");
	check(sketch_quantile(sketch, 0.5) == -LEAST || sketch_quantile(sketch, 0.5) == 0,
		  "least double");
	free(sketch);
}

static void
test_inequality(void)
{
	const double equal[] = {3, 3, 3, 3};
	const double one[] = {0, 0, 0, 12};
	double hundred[100];

	for (int i = 0; i < 100; i++)
		hundred[i] = i + 1;
	check(gini_coefficient(equal, 4) == 0, "Gini of equal counts");
	check(gini_coefficient(one, 4) == 0.75, "Gini when one has all");
	check(near(gini_coefficient(hundred, 100), 0.33, 1e-14), "Gini of 1 to 100");
	check(isnan(gini_coefficient(one, 0)), "Gini of nothing");
	check(near(top_share(hundred, 100, 0.01), 100 / 5050.0, 1e-15), "top 1 %");
	check(near(top_share(hundred, 100, 0.07), (94 + 95 + 96 + 97 + 98 + 99 + 100) / 5050.0, 1e-15),
		  "top 7 %, not 8");
	check(top_share(equal, 4, 0.01) == 0.25, "top 1 % of four is one");
	check(long_tail_share(equal, 4, 0.8) == 0 && long_tail_share(equal, 4, 0.75) == 0.25,
		  "long tail of equal counts");
	check(long_tail_share(one, 4, 0.8) == 0.75, "long tail when one has all");
}

/*
 * Draw from a discrete power law by inversion, and fit it.
 */
static void
test_power_law(void)
{
	enum
	{
		N = 50000
	};
	static double counts[N];
	static double value[N];
	static double logarithm[N];
	static int64_t at_least[N];
	static double log_sum[N];
	CountTable table = {0, value, logarithm, at_least, log_sum};
	PowerLaw best = {0};
	PowerLaw first = {0};
	double zeta = M_PI * M_PI / 6; /* zeta(2) */
	const double exponent = 2;
	double log_likelihood[3];

	for (int i = 0; i < N; i++)
	{
		double u = uniform() * zeta;
		double k = 1;

		for (u -= 1; u > 0 && k < 1e5; u -= pow(k, -exponent))
			k++;
		counts[i] = k;
	}
	qsort(counts, N, sizeof(double), compare_doubles);
	count_table_fill(&table, counts, N);
	check(table.at_least[0] == N && table.value[0] == 1, "count table");
	check(power_law_fit(&table, 0, &first), "a fit");
	check(fabs(first.exponent - exponent) < 4 * first.standard_error, "exponent of the sample");
	check(first.distance < 0.01, "distance of the right law is small");

	/* At the maximum of the likelihood, with the curvature that the error says. */
	for (int i = -1; i <= 1; i++)
	{
		double s = first.exponent + 1e-3 * i;
		double sum = 0;
		double m = 2e5;

		for (double k = 1; k < m; k++)
			sum += pow(k, -s);
		sum += pow(m, 1 - s) / (s - 1) + pow(m, -s) / 2 + s * pow(m, -s - 1) / 12;
		log_likelihood[i + 1] = -N * log(sum) - s * log_sum[0];
	}
	check(fabs(log_likelihood[2] - log_likelihood[0]) < 1e-3, "maximum of the likelihood");
	check(near((2 * log_likelihood[1] - log_likelihood[0] - log_likelihood[2]) / 1e-6,
			   1 / (first.standard_error * first.standard_error), 1e-3),
		  "standard error from its curvature");

	for (int64_t from = 0; from < table.n && table.at_least[from] >= 50; from++)
		power_law_fit(&table, from, &best);
	check(best.distance <= first.distance && best.n >= 50, "the best of all minimums");

	/* All counts equal: no law. */
	for (int i = 0; i < N; i++)
		counts[i] = 5;
	count_table_fill(&table, counts, N);
	best.n = 0;
	check(table.n == 1 && !power_law_fit(&table, 0, &best), "no law of equal counts");
	/* So steep that there is hardly one. */
	counts[N - 1] = 1e6;
	count_table_fill(&table, counts, N);
	check(!power_law_fit(&table, 0, &best) || best.exponent > 5, "a steep law");
}

int
main(void)
{
	test_moments();
	test_quantiles();
	test_sketch();
	test_inequality();
	test_power_law();
	return failures > 0;
}
