/*
 * regression_test.c
 *		regression.c against finite differences, and the solvers against what a
 *		solution is: no gradient left, and the covariance an inverse; rows of entries
 *		against all of their numbers.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "regression.h"
#include "regression_objective.h"
#include "regression_solve.h"

#define MAX_P 12
#define MAX_M 4
#define MAX_Q (MAX_P * MAX_M)
#define ROWS 203
#define MAX_SUMS (SUM_GRADIENT + MAX_Q + MAX_M * (MAX_M + 1) / 2 * MAX_P * (MAX_P + 1) / 2)

static int failures = 0;

static void
check(const char *what, double is, double should, double tolerance)
{
	if (!(fabs(is - should) <= tolerance * fmax(1, fabs(should))))
	{
		printf("not ok - %s: %.17g instead of %.17g\n", what, is, should);
		failures++;
	}
}

typedef struct Data
{
	RegressionShape shape;
	double x[ROWS * MAX_P];
	double y[ROWS];
	double weight[ROWS];
	double offset[ROWS];
} Data;

static void
make_data(Data *data, RegressionFamily family, int m, int p)
{
	data->shape = (RegressionShape){family, m, p};
	for (int i = 0; i < ROWS; i++)
	{
		data->x[i * p] = 1;
		for (int j = 1; j < p; j++)
			data->x[i * p + j] = uniform() * 2 - 1;
		data->weight[i] = 0.5 + uniform();
		data->offset[i] = uniform() - 0.5;
		data->y[i] = (int) (uniform() * (m + (family != REGRESSION_SYMMETRIC)));
		/* One of the seven alternatives of a set. */
		if (family == REGRESSION_CONDITIONAL)
			data->y[i] = i % 7 == i / 7 % 7;
	}
}

static void
pass(void *argument, const double *theta, RegressionPart part, double *sums)
{
	Data *data = argument;
	int m = data->shape.m;
	int p = data->shape.p;
	int blocks = regression_part_blocks(part, m);
	double first[REGRESSION_ROWS * MAX_M];
	double second[REGRESSION_ROWS * MAX_M * MAX_M];
	RegressionRow rows[REGRESSION_ROWS];

	memset(sums, 0, regression_sums(m, p, blocks) * sizeof(double));
	for (int i = 0; i < ROWS;)
	{
		bool sets = data->shape.family == REGRESSION_CONDITIONAL;
		int n = sets ? 7 : REGRESSION_ROWS;
		double x[REGRESSION_ROWS * MAX_P];

		n = i + n > ROWS ? ROWS - i : n;
		for (int r = 0; r < n; r++)
		{
			rows[r] = (RegressionRow){data->y[i + r], data->weight[i + r], data->offset[i + r],
									  data->x + (size_t) (i + r) * p};
			if (!sets)
			{
				sums[SUM_LOSS] += regression_row(&data->shape, part, theta, &rows[r], first + r * m,
												 second + r * blocks);
				sums[SUM_WEIGHT] += rows[r].weight;
			}
		}
		if (sets)
		{
			RegressionTerms terms = {.x = x, .first = first, .second = second};
			int added = regression_choice_set(part, theta, p, rows, n, &terms);

			if (added > 0)
			{
				sums[SUM_LOSS] += terms.loss;
				sums[SUM_WEIGHT] += terms.weight;
				regression_add(sums, 1, p, blocks, x, first, second, added);
			}
		}
		else
			regression_add(sums, m, p, blocks, data->x + (size_t) i * p, first, second, n);
		i += n;
	}
}

static void
poll(void)
{
}

/*
 * The sums of the rows less a center, of which what is not 0 is kept as entries.
 */
static void
pass_entries(const Data *data, const double *center, const double *theta, RegressionPart part,
			 double *sums)
{
	int m = data->shape.m;
	int p = data->shape.p;
	int blocks = regression_part_blocks(part, m);
	double *totals = calloc(regression_totals(m, p, blocks), sizeof(double));
	double first[MAX_M], second[MAX_M * MAX_M], shift[MAX_M];

	memset(sums, 0, regression_sums(m, p, blocks) * sizeof(double));
	for (int k = 0; k < m; k++)
		shift[k] = regression_dot(theta + k * p, center, p);
	for (int i = 0; i < ROWS; i++)
	{
		const double *x = data->x + (size_t) i * p;
		RegressionRow row = {data->y[i], data->weight[i], data->offset[i], NULL};
		RegressionEntry *entries;
		int n = 0;

		for (int j = 0; j < p; j++)
			n += x[j] != 0;
		/* On their own, so that what is read beyond them is found. */
		entries = malloc(n * sizeof(RegressionEntry));
		for (int j = 0, e = 0; j < p; j++)
			if (x[j] != 0)
				entries[e++] = (RegressionEntry){x[j], j};
		sums[SUM_LOSS] += regression_entries_row(&data->shape, part, theta, shift, &row, entries, n,
												 first, second);
		sums[SUM_WEIGHT] += row.weight;
		regression_add_entries(sums, totals, m, p, blocks, entries, n, first, second);
		free(entries);
	}
	regression_center(sums, totals, m, p, blocks, center, poll);
	free(totals);
}

/*
 * Entries give the sums of all numbers of the rows: of rows without any, of rows of
 * weight 0, of columns that are never 0 and of one that always is.
 */
static void
test_entries(RegressionFamily family, int m, int p)
{
	static Data data, centered;
	static double sums[MAX_SUMS], of_entries[MAX_SUMS];
	double center[MAX_P];
	double theta[MAX_Q];

	make_data(&data, family, m, p);
	for (int i = 0; i < ROWS; i++)
	{
		for (int j = 1; j < p; j++)
			if (j == 3 || (j != 2 && uniform() < 0.8))
				data.x[i * p + j] = 0;
		if (i % 10 == 0)
			memset(data.x + i * p, 0, p * sizeof(double));
		if (i % 7 == 0)
			data.weight[i] = 0;
	}
	for (int j = 0; j < p; j++)
		center[j] = j == 0 ? 0 : uniform() - 0.5;
	for (int i = 0; i < m * p; i++)
		theta[i] = 2 * uniform() - 1;
	centered = data;
	for (int i = 0; i < ROWS * p; i++)
		centered.x[i] -= center[i % p];
	for (RegressionPart part = REGRESSION_GRADIENT; part <= REGRESSION_PLAIN; part++)
	{
		int n = regression_sums(m, p, regression_part_blocks(part, m));

		pass(&centered, theta, part, sums);
		pass_entries(&data, center, theta, part, of_entries);
		for (int i = 0; i < n; i++)
			check("sum of entries", of_entries[i], sums[i], 1e-12);
	}
}

/*
 * Gradient and curvature of a pass are the differences of its loss and gradient.
 */
static void
test_derivatives(Data *data)
{
	static double sums[MAX_SUMS], more[MAX_SUMS], less[MAX_SUMS];
	int m = data->shape.m;
	int p = data->shape.p;
	double theta[MAX_Q];
	double step = 1e-5;

	for (int i = 0; i < m * p; i++)
		theta[i] = uniform() - 0.5;
	pass(data, theta, REGRESSION_CURVATURE, sums);
	for (int k = 0; k < m; k++)
		for (int j = 0; j < p; j++)
		{
			double old = theta[k * p + j];

			theta[k * p + j] = old + step;
			pass(data, theta, REGRESSION_GRADIENT, more);
			theta[k * p + j] = old - step;
			pass(data, theta, REGRESSION_GRADIENT, less);
			theta[k * p + j] = old;
			check("gradient", sums[SUM_GRADIENT + k * p + j],
				  (less[SUM_LOSS] - more[SUM_LOSS]) / (2 * step), 1e-6);
			for (int l = 0; l <= k; l++)
				for (int i = 0; i <= j; i++)
					check("curvature",
						  sums[SUM_GRADIENT + m * p + (k * (k + 1) / 2 + l) * p * (p + 1) / 2 +
							   j * (j + 1) / 2 + i],
						  (less[SUM_GRADIENT + l * p + i] - more[SUM_GRADIENT + l * p + i]) /
							  (2 * step),
						  1e-6);
		}
}

/*
 * In the solution the derivative of the objective is 0; the covariance times the
 * matrix of second derivatives is the identity.
 */
static void
test_solution(Data *data, double l1, double l2)
{
	static double sums[MAX_SUMS], trial[MAX_SUMS], matrix[MAX_Q * MAX_Q], theta[MAX_Q],
		work[4 * MAX_Q], factor[MAX_P], reach[MAX_P];
	static uint8_t state[MAX_Q];
	int m = data->shape.m;
	int p = data->shape.p;
	int q = m * p;
	RegressionProblem problem = {.shape = data->shape,
								 .intercept = data->shape.family != REGRESSION_CONDITIONAL,
								 .offsets = true,
								 .l1 = l1,
								 .l2 = l2,
								 .factor = factor,
								 .reach = reach,
								 .max_iterations = 50,
								 .tolerance = 1e-12,
								 .pass = pass,
								 .argument = data,
								 .poll = poll};
	RegressionFit fit = {.theta = theta,
						 .sums = sums,
						 .trial = trial,
						 .matrix = matrix,
						 .work = work,
						 .state = state};
	double condition;

	for (int j = 0; j < p; j++)
		factor[j] = reach[j] = 1;
	if (!regression_fit(&problem, &fit) || !fit.converged)
	{
		printf("not ok - convergence\n");
		failures++;
	}
	check("gradient in the solution", regression_gradient_norm(&problem, &fit), 0, 1e-9);
	if (l1 > 0)
		return;
	condition = regression_condition(&problem, &fit);
	if (!(condition > 0.999999 && condition < 1000))
		check("condition", condition, 1, 0);
	regression_covariance(&problem, &fit);
	if (l2 > 0)
		return;
	for (int a = 0; a < q; a++)
		for (int b = 0; b < q; b++)
		{
			double product = 0;

			for (int c = 0; c < q; c++)
			{
				int k = c / p, i = c % p, l = b / p, j = b % p;
				int high = k > l ? k : l, low = k > l ? l : k;
				int down = i > j ? i : j, right = i > j ? j : i;

				if (state[b] != COLUMN_FITTED || state[c] != COLUMN_FITTED)
					continue;
				product +=
					matrix[a * q + c] *
					fit.sums[SUM_GRADIENT + q + (high * (high + 1) / 2 + low) * p * (p + 1) / 2 +
							 down * (down + 1) / 2 + right];
			}
			check("covariance times curvature", product, a == b && state[a] == COLUMN_FITTED, 1e-8);
		}
}

/*
 * A column that others make up is found, and one that decides.
 */
static void
test_problems(void)
{
	static Data data;
	static double sums[MAX_SUMS], trial[MAX_SUMS], matrix[MAX_Q * MAX_Q], theta[MAX_Q],
		work[4 * MAX_Q], one[MAX_P];
	static uint8_t state[MAX_Q];
	RegressionProblem problem = {.shape = {REGRESSION_LOGISTIC, 1, 5},
								 .intercept = true,
								 .factor = one,
								 .reach = one,
								 .max_iterations = 50,
								 .tolerance = 1e-12,
								 .pass = pass,
								 .argument = &data,
								 .poll = poll};
	RegressionFit fit = {.theta = theta,
						 .sums = sums,
						 .trial = trial,
						 .matrix = matrix,
						 .work = work,
						 .state = state};

	for (int j = 0; j < MAX_P; j++)
		one[j] = 1;
	make_data(&data, REGRESSION_LOGISTIC, 1, 5);
	memset(data.offset, 0, sizeof(data.offset));
	for (int i = 0; i < ROWS; i++)
	{
		data.x[i * 5 + 3] = 3 - data.x[i * 5 + 1] + 2 * data.x[i * 5 + 2];
		data.x[i * 5 + 4] = i % 9 == 0;
		if (i % 9 == 0)
			data.y[i] = 1;
	}
	(void) regression_fit(&problem, &fit);
	check("state of a fitted column", state[1], COLUMN_FITTED, 0);
	check("state of a combination", state[3], COLUMN_COLLINEAR, 0);
	check("state of what decides", state[4], COLUMN_SEPARATED, 0);
	/* One row, all but certain, keeps it from infinity: 23 exp(-t) = exp(t - 56), about. */
	data.x[1 * 5 + 4] = -1;
	data.y[1] = 1;
	data.offset[1] = 56;
	problem.offsets = true;
	(void) regression_fit(&problem, &fit);
	check("state of what decides but for one row", state[4], COLUMN_FITTED, 0);
	check("its coefficient", theta[4], 29.5, 0.1);
	problem.offsets = false;
	/* An offset that all rows have is taken off the intercept, however high. */
	make_data(&data, REGRESSION_LOGISTIC, 1, 5);
	memset(data.offset, 0, sizeof(data.offset));
	(void) regression_fit(&problem, &fit);
	problem.offsets = true;
	for (double shift = -1000; shift <= 1000; shift += 125)
	{
		double intercept = theta[0];

		for (int i = 0; i < ROWS; i++)
			data.offset[i] += shift;
		check("fit with an offset", regression_fit(&problem, &fit), true, 0);
		check("intercept with an offset", theta[0], intercept - shift, 1e-9);
	}
	problem.offsets = false;
	for (int i = 0; i < ROWS; i++)
		data.y[i] = 1;
	check("fit to one class", regression_fit(&problem, &fit), false, 0);
}

/* Eight rows at once are those rows one by one, far from 0 as well. */
static void
test_rows(Data *data)
{
	int p = data->shape.p;
	double theta[MAX_P];

	for (int scale = 1; scale <= 10000; scale *= 10)
		for (RegressionPart part = REGRESSION_GRADIENT; part <= REGRESSION_SCORES; part++)
			for (int i = 0; i + REGRESSION_ROWS <= ROWS; i += REGRESSION_ROWS)
			{
				double first[REGRESSION_ROWS], second[REGRESSION_ROWS];
				double loss = 0;
				double at_once;

				for (int j = 0; j < p; j++)
					theta[j] = scale * (uniform() - 0.5);
				at_once = regression_logistic(part, theta, p, data->x + i * p, data->y + i,
											  data->weight + i, data->offset + i, first, second);
				for (int r = 0; r < REGRESSION_ROWS; r++)
				{
					RegressionRow row = {data->y[i + r], data->weight[i + r], data->offset[i + r],
										 data->x + (i + r) * p};
					double one, two;
					double z = regression_dot(theta, row.x, p) + row.offset;
					double e = exp(-fabs(z));

					loss += regression_row(&data->shape, part, theta, &row, &one, &two);
					check("first of a row", first[r], one, 1e-15);
					check("first", one, row.weight * (row.y - (z >= 0 ? 1 : e) / (1 + e)), 1e-15);
					if (part != REGRESSION_GRADIENT)
						check("second of a row", second[r], two, 1e-15);
					if (part == REGRESSION_CURVATURE)
						check("curvature", two, row.weight * e / (1 + e) / (1 + e), 1e-15);
				}
				check("loss of rows", at_once, loss, 1e-14);
			}
}

int
main(void)
{
	static Data data;

	for (int p = 1; p <= MAX_P; p += p < 4 ? 1 : 4)
		for (int m = 1; m <= MAX_M; m++)
		{
			make_data(&data, m == 1 ? REGRESSION_LOGISTIC : REGRESSION_MULTINOMIAL, m, p);
			if (m == 1)
				test_rows(&data);
			test_derivatives(&data);
			test_solution(&data, 0, 0);
			test_solution(&data, 0, 2);
			test_entries(data.shape.family, m, p);
			if (m == 1)
			{
				test_solution(&data, 3, 1);
				continue;
			}
			test_entries(REGRESSION_SYMMETRIC, m, p);
			make_data(&data, REGRESSION_SYMMETRIC, m, p);
			test_derivatives(&data);
			test_solution(&data, 3, 1);
			test_solution(&data, 3, 0);
		}
	make_data(&data, REGRESSION_CONDITIONAL, 1, 6);
	test_derivatives(&data);
	test_solution(&data, 0, 0);
	test_solution(&data, 2, 0);
	test_problems();
	if (failures == 0)
		printf("ok - derivatives, solutions and what has none, and sums of entries\n");
	return failures > 0;
}
