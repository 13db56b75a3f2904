/*
 * equations_test.c
 *		equations.c against products written out, on random systems of all sizes.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "equations.h"
#include "random.h"

#define MAX_N 70
#define ROWS 104

static int failures = 0;

static void
check(int condition, const char *what, int n)
{
	if (condition)
		return;
	failures++;
	printf("not ok - %s, n = %d\n", what, n);
}

/*
 * Sums of weighted rows, against the same written out; then a solution, which the
 * sums must take back to the right side.
 */
static void
test_system(int32_t n)
{
	static float rows[ROWS][MAX_N];
	static double a[MAX_N * (MAX_N + 1) / 2];
	static double l[MAX_N * (MAX_N + 1) / 2];
	static double b[MAX_N];
	static double x[MAX_N];
	double worst = 0;

	memset(a, 0, sizeof(a));
	memset(b, 0, sizeof(b));
	for (int k = 0; k < ROWS; k++)
	{
		for (int32_t i = 0; i < n; i++)
			rows[k][i] = (float) (2 * uniform() - 1);
		if (k < ROWS / 2)
			equations_add(a, b, n, rows[k], k % 3, k % 5 - 2);
	}
	for (int k = ROWS / 2; k < ROWS; k += 4)
	{
		const float *four[4] = {rows[k], rows[k + 1], rows[k + 2], rows[k + 3]};
		double weight[4] = {k % 3, (k + 1) % 3, (k + 2) % 3, (k + 3) % 3};
		double target[4] = {k % 5 - 2, (k + 1) % 5 - 2, (k + 2) % 5 - 2, (k + 3) % 5 - 2};

		equations_add_four(a, b, n, four, weight, target);
	}
	for (int32_t i = 0; i < n; i++)
	{
		double right = 0;

		for (int k = 0; k < ROWS; k++)
			right += (k % 3) * (double) rows[k][i] * (k % 5 - 2);
		worst = fmax(worst, fabs(right - b[i]));
		for (int32_t j = 0; j <= i; j++)
		{
			double sum = 0;

			for (int k = 0; k < ROWS; k++)
				sum += (k % 3) * (double) rows[k][i] * rows[k][j];
			worst = fmax(worst, fabs(sum - a[equations_size(i) + j]));
		}
	}
	check(worst < 1e-12, "sums", n);

	for (int32_t i = 0; i < n; i++)
		a[equations_size(i) + i] += 0.5;
	memcpy(l, a, sizeof(a));
	memcpy(x, b, sizeof(b));
	check(equations_factorize(l, n), "factorized", n);
	equations_forward(l, x, n);
	equations_backward(l, x, n);
	worst = 0;
	for (int32_t i = 0; i < n; i++)
	{
		double sum = -b[i];

		for (int32_t j = 0; j < n; j++)
			sum += (j <= i ? a[equations_size(i) + j] : a[equations_size(j) + i]) * x[j];
		worst = fmax(worst, fabs(sum));
	}
	check(worst < 1e-10, "solved", n);
}

static void
test_products(int32_t n)
{
	static float x[MAX_N];
	static float rows[7 * MAX_N];
	float scores[7];

	for (int32_t i = 0; i < n; i++)
		x[i] = (float) (2 * uniform() - 1);
	for (int32_t i = 0; i < 7 * n; i++)
		rows[i] = (float) (2 * uniform() - 1);
	vector_scores(x, rows, 7, n, scores);
	for (int row = 0; row < 7; row++)
	{
		double sum = 0;

		for (int32_t i = 0; i < n; i++)
			sum += (double) x[i] * rows[row * n + i];
		check(fabs(sum - scores[row]) < 1e-5, "products", n);
		check(scores[row] == vector_dot(x, rows + row * n, n), "the same product", n);
	}
}

int
main(void)
{
	double indefinite[] = {1, 2, 1};
	double zero[] = {0};
	double none[] = {NAN};

	for (int32_t n = 1; n <= MAX_N; n++)
	{
		test_system(n);
		test_products(n);
	}
	check(!equations_factorize(indefinite, 2), "indefinite", 2);
	check(!equations_factorize(zero, 1), "zero", 1);
	check(!equations_factorize(none, 1), "not a number", 1);
	if (failures == 0)
		printf("ok - systems and products of all sizes up to %d\n", MAX_N);
	return failures != 0;
}
