/*
 * stacking_test.c
 *		stacking.c: against all choices of weights that are zero, and by the conditions
 *		that the best weights of a convex problem fulfill.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "draw.h"
#include "logistic.h"
#include "stacking.h"

#define N 5
#define ROWS 400

static void
check(int ok, const char *what, double value)
{
	printf("%s - %s (%g)\n", ok ? "ok" : "not ok", what, value);
}

/*
 * Solve G x = p over the given inputs, by elimination with pivots; 0 if it cannot be.
 */
static int
solve(const double *gram, const double *product, const int *chosen, int n, double *x)
{
	double a[N][N + 1];

	for (int i = 0; i < n; i++)
	{
		for (int j = 0; j < n; j++)
			a[i][j] = gram[chosen[i] * N + chosen[j]];
		a[i][n] = product[chosen[i]];
	}
	for (int i = 0; i < n; i++)
	{
		int pivot = i;

		for (int k = i; k < n; k++)
			if (fabs(a[k][i]) > fabs(a[pivot][i]))
				pivot = k;
		if (fabs(a[pivot][i]) < 1e-12)
			return 0;
		for (int j = 0; j <= n; j++)
		{
			double swap = a[i][j];

			a[i][j] = a[pivot][j];
			a[pivot][j] = swap;
		}
		for (int k = 0; k < n; k++)
			for (int j = n; k != i && j >= i; j--)
				a[k][j] -= a[k][i] / a[i][i] * a[i][j];
	}
	for (int i = 0; i < n; i++)
		x[i] = a[i][n] / a[i][i];
	return 1;
}

static double
objective(const double *gram, const double *product, const double *weights)
{
	double value = 0;

	for (int i = 0; i < N; i++)
	{
		value -= product[i] * weights[i];
		for (int j = 0; j < N; j++)
			value += 0.5 * weights[i] * gram[i * N + j] * weights[j];
	}
	return value;
}

/*
 * The best of all solutions that have zeros where they choose, and are feasible.
 */
static double
best_of_all(const double *gram, const double *product, int n_bounded)
{
	double best = 0;

	for (int set = 0; set < 1 << N; set++)
	{
		int chosen[N], n = 0, feasible = 1;
		double x[N], weights[N] = {0};

		for (int i = 0; i < N; i++)
			if (set >> i & 1)
				chosen[n++] = i;
		if (!solve(gram, product, chosen, n, x))
			continue;
		for (int i = 0; i < n; i++)
		{
			weights[chosen[i]] = x[i];
			feasible = feasible && (chosen[i] >= n_bounded || x[i] >= 0);
		}
		if (feasible)
			best = fmin(best, objective(gram, product, weights));
	}
	return best;
}

static void
test_minimize(void)
{
	Draw draw = draw_stream(1, 2, 3);
	double worst = 0;
	int zeros = 0, negative = 0;

	for (int trial = 0; trial < 300; trial++)
	{
		double gram[N * N] = {0}, product[N] = {0}, weights[N] = {0};
		int n_bounded = trial % 2 == 0 ? N : N - 1;

		for (int row = 0; row < 20; row++)
		{
			double x[N], common = draw_normal(&draw), y = draw_normal(&draw) - 2 * common;

			for (int i = 0; i < N; i++)
				x[i] = draw_normal(&draw) + 2 * common + (i % 2 == 0 ? -y : y) / 2;
			for (int i = 0; i < N; i++)
			{
				product[i] += x[i] * y;
				for (int j = 0; j < N; j++)
					gram[i * N + j] += x[i] * x[j];
			}
		}
		stacking_minimize(N, n_bounded, gram, product, weights);
		worst = fmax(
			worst, fabs(objective(gram, product, weights) - best_of_all(gram, product, n_bounded)));
		for (int i = 0; i < n_bounded; i++)
		{
			zeros += weights[i] == 0;
			negative += weights[i] < 0;
		}
	}
	check(worst < 1e-9, "weights are the best of all that are not negative", worst);
	check(zeros > 100, "many of them are zero", zeros);
	check(negative == 0, "none is negative", negative);
}

static void
test_singular(void)
{
	double gram[4] = {1, 1, 1, 1}, product[2] = {3, 3}, weights[2] = {0, 0};
	double none[4] = {0, 0, 0, 2}, some[2] = {5, -1}, kept[2] = {0.5, 0.5};

	stacking_minimize(2, 2, gram, product, weights);
	check(fabs(weights[0] + weights[1] - 3) < 1e-12, "two inputs that are the same",
		  weights[0] + weights[1]);
	stacking_minimize(2, 2, none, some, kept);
	check(kept[0] == 0.5, "an input that is nothing keeps its weight", kept[0]);
	check(kept[1] == 0, "one that only harms gets none", kept[1]);
}

static double
loss(const StackingRows *rows, const double *weights)
{
	double sum = 0;

	for (int64_t r = 0; r < rows->n; r++)
	{
		double z = weights[rows->n_inputs];

		for (int i = 0; i < rows->n_inputs; i++)
			z += weights[i] * rows->inputs[r * rows->n_inputs + i];
		sum += log1p_exp(rows->outcome[r] ? -z : z);
	}
	for (int i = 0; i < rows->n_inputs; i++)
		sum += 0.5 * rows->ridge * weights[i] * weights[i];
	return sum;
}

static int pauses;

static void
pause_once(void)
{
	pauses++;
}

static void
test_logistic(void)
{
	static float inputs[ROWS * N];
	static uint8_t outcome[ROWS];
	double weights[N + 1] = {0}, twice[N + 1] = {3, 3, 3, 3, 3, 10};
	double worst = 0, least = 0, apart = 0;
	int zeros = 0;
	Draw draw = draw_stream(4, 5, 6);
	StackingRows rows = {N, ROWS, inputs, outcome, 1, pause_once};

	for (int r = 0; r < ROWS; r++)
	{
		for (int i = 0; i < N; i++)
			inputs[r * N + i] = (float) draw_uniform(&draw);
		outcome[r] =
			draw_uniform(&draw) < logistic(4 * inputs[r * N] - 6 * inputs[r * N + 1] +
										   2 * inputs[r * N + 2] - 3 * inputs[r * N + 3] - 1);
	}
	stacking_logistic(&rows, weights);
	for (int i = 0; i <= N; i++)
	{
		double step = 1e-5, high[N + 1], low[N + 1], slope;

		memcpy(high, weights, sizeof(high));
		memcpy(low, weights, sizeof(low));
		high[i] += step;
		low[i] -= step;
		slope = (loss(&rows, high) - loss(&rows, low)) / (2 * step);
		if (i < N && weights[i] == 0)
		{
			least = fmin(least, slope);
			zeros++;
		}
		else
			worst = fmax(worst, fabs(slope));
	}
	check(worst < 1e-5, "no slope in weights that are positive, and in the constant", worst);
	check(least > -1e-5, "a weight of zero would not help by growing", least);
	check(zeros >= 2 && weights[1] == 0 && weights[3] == 0,
		  "weights that should be negative are zero", zeros);
	check(pauses > 0, "there are pauses", pauses);
	stacking_logistic(&rows, twice);
	for (int i = 0; i <= N; i++)
		apart = fmax(apart, fabs(twice[i] - weights[i]));
	check(apart < 1e-6, "the same from another start", apart);
	memset(outcome, 0, sizeof(outcome));
	stacking_logistic(&rows, weights);
	check(isfinite(weights[N]) && weights[0] >= 0, "one outcome alone: it ends", weights[N]);
}

int
main(void)
{
	test_minimize();
	test_singular();
	test_logistic();
	return 0;
}
