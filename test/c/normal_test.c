/*
 * normal_test.c
 *		normal.c against plain loops in double precision, on random equations.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "normal.h"
#include "random.h"

#define MAX_N 70
#define MAX_ROWS 150

static double a[MAX_N][MAX_N]; /* the matrix, then its lower factor */
static double b[MAX_N];

/* Cholesky's factorization as in a textbook. */
static void
factorize(int n)
{
	for (int j = 0; j < n; j++)
		for (int i = j; i < n; i++)
		{
			for (int k = 0; k < j; k++)
				a[i][j] -= a[i][k] * a[j][k];
			a[i][j] = i == j ? sqrt(a[i][j]) : a[i][j] / a[j][j];
		}
}

static void
forward(int n, double *x)
{
	for (int i = 0; i < n; i++)
	{
		for (int k = 0; k < i; k++)
			x[i] -= a[i][k] * x[k];
		x[i] /= a[i][i];
	}
}

static void
backward(int n, double *x)
{
	for (int i = n - 1; i >= 0; i--)
	{
		for (int k = i + 1; k < n; k++)
			x[i] -= a[k][i] * x[k];
		x[i] /= a[i][i];
	}
}

/* Random rows given to both, upon a prior of ridge and a right side of ones. */
static void
gather(Normal *normal, int n, int n_rows)
{
	static float prior[(MAX_N + NORMAL_LANES) * (MAX_N + NORMAL_LANES)];
	static float ones[MAX_N + NORMAL_LANES];
	int width = normal_width(n);

	for (int i = 0; i < width; i++)
	{
		ones[i] = i < n;
		for (int j = 0; j < width; j++)
			prior[i * width + j] = i == j && i < n ? 0.5f : 0;
	}
	normal_start(normal, prior, ones);
	normal_ridge(normal, 1);
	for (int i = 0; i < n; i++)
	{
		b[i] = 1;
		for (int j = 0; j < n; j++)
			a[i][j] = i == j ? 1.5 : 0;
	}
	for (int row = 0; row < n_rows; row++)
	{
		float target = (float) (4 * uniform());
		float *x = normal_next(normal, target);

		for (int i = 0; i < width; i++)
			x[i] = i < n ? (float) (uniform() - 0.3) : 0;
		for (int i = 0; i < n; i++)
		{
			b[i] += (double) target * x[i];
			for (int j = 0; j < n; j++)
				a[i][j] += (double) x[i] * x[j];
		}
	}
}

/* The largest error of the solution and of a draw, relative to its size. */
static double
compare(Normal *normal, int n)
{
	float noise[MAX_N + NORMAL_LANES] = {0};
	float found[MAX_N + NORMAL_LANES];
	double expected[MAX_N];
	double error = 0;

	for (int i = 0; i < n; i++)
		noise[i] = (float) (uniform() * 6 - 3);
	factorize(n);
	forward(n, b);
	for (int draw = 0; draw < 2; draw++)
	{
		for (int i = 0; i < n; i++)
			expected[i] = b[i] + (draw ? noise[i] : 0);
		backward(n, expected);
		normal_solve(normal, draw ? noise : NULL, found);
		for (int i = 0; i < n; i++)
			error = fmax(error, fabs(found[i] - expected[i]) / (1 + fabs(expected[i])));
		for (int i = n; i < normal->width; i++)
			error = fmax(error, fabs(found[i]));
	}
	return error;
}

int
main(void)
{
	Normal normal;
	double error = 0;
	float minus_one = -1;

	for (int trial = 0; trial < 400; trial++)
	{
		int n = 1 + (int) (uniform() * MAX_N);
		float *memory = malloc(normal_floats(n) * sizeof(float));

		normal_init(&normal, n, memory);
		gather(&normal, n, (int) (uniform() * MAX_ROWS));
		if (!normal_factor(&normal))
			error = INFINITY;
		else
			error = fmax(error, compare(&normal, n));
		free(memory);
	}
	printf("%s - solutions and draws (largest error %.1e)\n", error < 2e-5 ? "ok" : "not ok",
		   error);

	float *memory = malloc(normal_floats(3) * sizeof(float));

	normal_init(&normal, 3, memory);
	normal_start(&normal, NULL, NULL);
	normal_ridge(&normal, minus_one);
	printf("%s - a matrix that is not positive definite is refused\n",
		   normal_factor(&normal) ? "not ok" : "ok");
	normal_start(&normal, NULL, NULL);
	normal_ridge(&normal, NAN);
	printf("%s - and so is one of no numbers\n", normal_factor(&normal) ? "not ok" : "ok");
	normal_start(&normal, NULL, NULL);
	printf("%s - and one of zeros\n", normal_factor(&normal) ? "not ok" : "ok");
	free(memory);
	return 0;
}
