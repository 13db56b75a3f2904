/*
 * sweep_test.c
 *		sweep.c: least squares against plain loops, draws against the moments that they
 *		must have.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draw.h"
#include "normal.h"
#include "sweep.h"

#define N_ROWS 40
#define N_OTHERS 30
#define N_UNKNOWNS 4
#define WIDTH 8
#define N_DRAWS 60000

static int64_t start[N_ROWS + 1];
static KnnEntry entries[N_ROWS * N_OTHERS];
static float vectors[N_ROWS * WIDTH];
static float others[N_OTHERS * WIDTH];
static SweepSide side = {N_ROWS, start, entries, vectors};
static Normal work;

static void
check(bool ok, const char *what, double error)
{
	printf("%s - %s (%.1e)\n", ok ? "ok" : "not ok", what, error);
}

/* Row r has r % 12 ratings: the first has none, some have fewer than unknowns. */
static void
make_ratings(void)
{
	SweepSide other = {N_OTHERS, NULL, NULL, others};
	Draw draw = draw_stream(1, 1, 1);
	int64_t n = 0;

	sweep_start(&other, N_UNKNOWNS, 0.7, 5, 6);
	for (int row = 0; row < N_ROWS; row++)
	{
		for (int i = 0; i < row % 12; i++)
			entries[n++] =
				(KnnEntry){(row + 2 * i) % N_OTHERS, (float) (1 + draw_below(&draw, 9) / 2.0)};
		start[row + 1] = n;
	}
	for (int i = 0; i < N_OTHERS; i++)
		others[i * WIDTH] = (float) (draw_uniform(&draw) - 0.5);
	normal_init(&work, N_UNKNOWNS, malloc(normal_floats(N_UNKNOWNS) * sizeof(float)));
}

/* Solve a x = b by Gauss and Jordan; both are lost. */
static void
solve(double a[N_UNKNOWNS][N_UNKNOWNS], double *b)
{
	for (int i = 0; i < N_UNKNOWNS; i++)
	{
		double pivot = a[i][i];

		for (int j = 0; j < N_UNKNOWNS; j++)
			a[i][j] /= pivot;
		b[i] /= pivot;
		for (int k = 0; k < N_UNKNOWNS; k++)
		{
			double factor = a[k][i];

			if (k == i)
				continue;
			for (int j = 0; j < N_UNKNOWNS; j++)
				a[k][j] -= factor * a[i][j];
			b[k] -= factor * b[i];
		}
	}
}

/* The solution for a row, and the sum of squared errors that it leaves. */
static double
reference(int row, double mean, const double ridge[N_UNKNOWNS], const double *right, double *x)
{
	double a[N_UNKNOWNS][N_UNKNOWNS] = {{0}};
	double error = 0;

	for (int i = 0; i < N_UNKNOWNS; i++)
	{
		a[i][i] = ridge[i];
		x[i] = right[i];
	}
	for (int64_t p = start[row]; p < start[row + 1]; p++)
	{
		const float *other = others + entries[p].column * WIDTH;

		for (int i = 0; i < N_UNKNOWNS; i++)
		{
			double xi = i == 0 ? 1 : other[i];

			x[i] += xi * (entries[p].value - mean - other[0]);
			for (int j = 0; j < N_UNKNOWNS; j++)
				a[i][j] += xi * (j == 0 ? 1 : other[j]);
		}
	}
	solve(a, x);
	for (int64_t p = start[row]; p < start[row + 1]; p++)
	{
		const float *other = others + entries[p].column * WIDTH;
		double rest = entries[p].value - mean - x[0] - other[0];

		for (int i = 1; i < N_UNKNOWNS; i++)
			rest -= x[i] * other[i];
		error += rest * rest;
	}
	return error;
}

static void
check_least_squares(void)
{
	SweepRule rule = {.mean = 3, .regularization = 0.1};
	double zero[N_UNKNOWNS] = {0};
	double found = 0, expected = 0, error = 0;
	bool solved = sweep_rows(&side, others, &rule, &work, 0, N_ROWS, &found);

	for (int row = 0; row < N_ROWS; row++)
	{
		double count = start[row + 1] - start[row];
		double ridge[N_UNKNOWNS] = {0.1 * count, 0.1 * count, 0.1 * count, 0.1 * count};
		double x[N_UNKNOWNS] = {0};

		if (count > 0)
			expected += reference(row, 3, ridge, zero, x);
		for (int i = 0; i < WIDTH; i++)
			error = fmax(error, fabs(vectors[row * WIDTH + i] - (i < N_UNKNOWNS ? x[i] : 0)));
	}
	check(solved && error < 1e-5, "least squares are those of plain loops", error);
	check(fabs(found / expected - 1) < 1e-5, "and so is the error left", found / expected - 1);
	rule.regularization = 0;
	check(!sweep_rows(&side, others, &rule, &work, 0, N_ROWS, NULL),
		  "fewer ratings than unknowns need regularization", 0);
}

/* Draws of one row: their mean is the solution, their covariance known on the diagonal. */
static void
check_draws(int row)
{
	float precision[WIDTH * WIDTH] = {0};
	float shift[WIDTH] = {1, -1, 0.5f, 2};
	SweepRule rule = {
		.mean = 3, .precision = precision, .shift = shift, .deviation = 0.8, .seed = 9};
	double ridge[N_UNKNOWNS] = {2, 3, 1, 4};
	double right[N_UNKNOWNS] = {1, -1, 0.5, 2};
	double expected[N_UNKNOWNS], sum[N_UNKNOWNS] = {0}, squares[N_UNKNOWNS] = {0};
	double worst_mean = 0, worst_variance = 0;

	for (int i = 0; i < N_UNKNOWNS; i++)
		precision[i * WIDTH + i] = (float) ridge[i];
	reference(row, 3, ridge, right, expected);
	for (int n = 0; n < N_DRAWS; n++)
	{
		rule.purpose = n;
		sweep_rows(&side, others, &rule, &work, row, row + 1, NULL);
		for (int i = 0; i < N_UNKNOWNS; i++)
		{
			double deviation = vectors[row * WIDTH + i] - expected[i];

			sum[i] += deviation / N_DRAWS;
			squares[i] += deviation * deviation / N_DRAWS;
		}
	}
	for (int i = 0; i < N_UNKNOWNS; i++)
	{
		double unit[N_UNKNOWNS] = {0}, a[N_UNKNOWNS][N_UNKNOWNS] = {{0}};

		unit[i] = 1;
		for (int j = 0; j < N_UNKNOWNS; j++)
			a[j][j] = ridge[j];
		for (int64_t p = start[row]; p < start[row + 1]; p++)
			for (int j = 0; j < N_UNKNOWNS; j++)
				for (int k = 0; k < N_UNKNOWNS; k++)
					a[j][k] += (j == 0 ? 1 : others[entries[p].column * WIDTH + j]) *
							   (k == 0 ? 1 : others[entries[p].column * WIDTH + k]);
		solve(a, unit);

		double variance = 0.64 * unit[i];

		worst_mean = fmax(worst_mean, fabs(sum[i]) / sqrt(variance / N_DRAWS));
		worst_variance =
			fmax(worst_variance, fabs(squares[i] / variance - 1) / sqrt(2.0 / N_DRAWS));
	}
	check(worst_mean < 5, "draws have the posterior's mean, in standard errors", worst_mean);
	check(worst_variance < 5, "and its variance", worst_variance);
}

/*
 * Draws of the prior of vectors that deviate from a mean of m by +-d in each element
 * alone: the posterior of mean and precision is known.
 */
static void
check_prior(void)
{
	double *memory = malloc(sweep_prior_doubles(N_UNKNOWNS) * sizeof(double));
	float precision[WIDTH * WIDTH], shift[WIDTH];
	double n = 2 * N_UNKNOWNS;
	double m = 1.5, d = 0.5, noise = 0.25;
	SweepSide own = {2 * N_UNKNOWNS, NULL, NULL, vectors};
	double diagonal = 0, beside = 0, mean = 0, expected[2];
	/* The inverse scale is a I + b 1 1', whose inverse is (I - b / (a + k b) 1 1') / a. */
	double a = 1 + 2 * d * d, b = n / (n + 1) * m * m;

	memset(vectors, 0, sizeof(vectors));
	for (int i = 0; i < 2 * N_UNKNOWNS; i++)
		for (int j = 0; j < N_UNKNOWNS; j++)
			vectors[i * WIDTH + j] = (float) (m + (i / 2 == j ? (i % 2 == 0 ? d : -d) : 0));
	for (int i = 0; i < N_DRAWS; i++)
	{
		sweep_draw_prior(&own, noise, draw_stream(3, 4, i), &work, memory, precision, shift);
		diagonal += precision[0] / noise / N_DRAWS;
		beside += precision[2 * WIDTH + 1] / noise / N_DRAWS;
		/* precision * mean summed over elements, of which the mean takes its share */
		for (int j = 0; j < N_UNKNOWNS; j++)
			mean += shift[j] / noise / N_DRAWS;
	}
	expected[0] = (N_UNKNOWNS + n) / a * (1 - b / (a + N_UNKNOWNS * b));
	expected[1] = (N_UNKNOWNS + n) / a * (-b / (a + N_UNKNOWNS * b));
	check(fabs(diagonal / expected[0] - 1) < 0.02, "precisions drawn have their mean",
		  diagonal / expected[0] - 1);
	check(fabs(beside / expected[1] - 1) < 0.02, "beside the diagonal, too",
		  beside / expected[1] - 1);
	double mean_expected =
		N_UNKNOWNS * (expected[0] + (N_UNKNOWNS - 1) * expected[1]) * m * n / (n + 1);
	check(fabs(mean / mean_expected - 1) < 0.02, "and so have the means", mean / mean_expected - 1);
	free(memory);
}

static void
check_noise(void)
{
	double mean = 0;

	/* An inverse gamma number of shape 50.5 and scale 41 / 2 has mean 20.5 / 49.5. */
	for (int i = 0; i < N_DRAWS; i++)
		mean += sweep_draw_noise(40, 100, draw_stream(1, 2, i)) / N_DRAWS;
	check(fabs(mean / (20.5 / 49.5) - 1) < 0.005, "noise drawn has its mean", mean);
}

int
main(void)
{
	make_ratings();
	check_least_squares();
	check_draws(3);
	check_draws(23);
	check_draws(0);
	check_prior();
	check_noise();
	free(work.matrix);
	return 0;
}
