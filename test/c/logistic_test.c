/*
 * logistic_test.c
 *		logistic.h against arithmetic with longer numbers.
 */
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "logistic.h"

#define MAX_N 1000

static int n_tests = 0;
static int n_failed = 0;

static void
check(bool condition, const char *what)
{
	printf("%s %d - %s\n", condition ? "ok" : "not ok", ++n_tests, what);
	n_failed += !condition;
}

/* Do they differ by less than so many units of the result's last place? */
static bool
close_to(double value, long double exact, double units)
{
	double unit = nextafter(fabs((double) exact), INFINITY) - fabs((double) exact);

	return fabsl(value - exact) <= units * unit;
}

static void
test_functions(void)
{
	bool right = true;
	bool loss = true;

	for (double z = -750; z <= 750; z += 0.0625)
	{
		long double e = expl(z);

		right = right && close_to(logistic(z), z > 0 ? 1 / (1 + expl(-z)) : e / (1 + e), 2.5);
		loss = loss && close_to(log1p_exp(z), z > 0 ? z + log1pl(expl(-z)) : log1pl(e), 2.5);
	}
	check(right, "logistic has all its digits");
	check(loss, "so has log1p_exp");
	check(logistic(DBL_MAX) == 1 && logistic(-DBL_MAX) == 0 && logistic(-0.0) == 0.5,
		  "logistic at the ends");
	check(log1p_exp(DBL_MAX) == DBL_MAX && log1p_exp(-DBL_MAX) == 0, "log1p_exp at the ends");
	check(isnan(logistic(NAN)), "NaN stays");
}

/* The functions without branches, where they are for. */
static void
test_series(void)
{
	bool right = true;
	bool loss = true;

	for (double z = 0; z >= -708; z -= 0.0009765625 * 1.37)
	{
		double e = exp_negative(z);

		right = right && close_to(e, expl(z), 1.5);
		loss = loss && close_to(log1p_share(e), log1pl(e), 2.5);
	}
	check(right, "exp_negative has its digits");
	check(loss, "so has log1p_share");
	check(exp_negative(0) == 1 && log1p_share(0) == 0 && close_to(log1p_share(1), logl(2), 1),
		  "exp_negative and log1p_share at the ends");
}

/* Scores of several kinds, and their shares in longer numbers. */
static void
test_softmax(const char *what, int n, double (*score)(int i))
{
	double z[MAX_N];
	double p[MAX_N];
	long double sum = 0;
	long double total = 0;
	double largest = -INFINITY;
	double log_sum;
	bool right = true;

	for (int i = 0; i < n; i++)
	{
		z[i] = p[i] = score(i);
		largest = fmax(largest, z[i]);
	}
	log_sum = softmax(p, n);
	for (int i = 0; i < n; i++)
		sum += expl((long double) z[i] - largest);
	for (int i = 0; i < n; i++)
	{
		long double exact = expl((long double) z[i] - largest) / sum;

		/* Rounding of the difference counts as often as the difference is large. */
		right = right && close_to(p[i], exact, 4 + fmin(fabs(z[i] - largest), 750));
		total += p[i];
	}
	check(right && fabsl(total - 1) < 1e-15 && close_to(log_sum, largest + logl(sum), 2), what);
}

static double
waves(int i)
{
	return 5 * sin(i);
}

static double
rises(int i)
{
	return 0.8 * i;
}

static double
falls(int i)
{
	return -0.8 * i;
}

static double
leaps(int i)
{
	return (i % 7 - 3) * 150.0 + i % 3;
}

static double
extreme(int i)
{
	return (i % 3 - 1) * DBL_MAX;
}

static double
equal(int i)
{
	return -1e300;
}

int
main(void)
{
	double none = 0;

	test_functions();
	test_series();
	test_softmax("softmax of waves", MAX_N, waves);
	test_softmax("of rising scores", MAX_N, rises);
	test_softmax("of falling scores", MAX_N, falls);
	test_softmax("of leaps past the room", MAX_N, leaps);
	test_softmax("of extreme scores", MAX_N, extreme);
	test_softmax("of equal scores", MAX_N, equal);
	test_softmax("of one", 1, rises);
	check(softmax(&none, 0) == -INFINITY, "the logarithm of no sum");
	printf("1..%d\n", n_tests);
	return n_failed > 0;
}
