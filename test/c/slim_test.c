/*
 * slim_test.c
 *		gram.c against plain loops, and slim.c against the conditions of an optimum.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gram.h"
#include "random.h"
#include "slim.h"

#define MAX_ROWS 50
#define MAX_COLUMNS 40

static int n_tests = 0;

static void
ok(bool passed, const char *what)
{
	printf("%sok %d - %s\n", passed ? "" : "not ", ++n_tests, what);
}

typedef struct Dense
{
	KnnMatrix matrix;
	bool present[MAX_ROWS][MAX_COLUMNS];
	float value[MAX_ROWS][MAX_COLUMNS];
	int64_t row_start[MAX_ROWS + 1];
	KnnEntry entries[MAX_ROWS * MAX_COLUMNS];
	int64_t column_start[MAX_COLUMNS + 1];
	int32_t column_row[MAX_ROWS * MAX_COLUMNS];
} Dense;

/*
 * Values in halves, negative ones among them unless positive.
 */
static void
make_matrix(Dense *d, int rows, int columns, int percent, bool positive)
{
	int64_t n = 0;

	memset(d, 0, sizeof(Dense));
	for (int r = 0; r < rows; r++)
	{
		d->row_start[r] = n;
		for (int c = 0; c < columns; c++)
			if (random_below(100) < (uint32_t) percent / (1 + c / 8) + 1)
			{
				d->present[r][c] = true;
				d->value[r][c] = (float) ((int) random_below(9) + (positive ? 1 : -3)) / 2;
				d->entries[n++] = (KnnEntry){c, d->value[r][c]};
			}
	}
	d->row_start[rows] = n;
	n = 0;
	for (int c = 0; c < columns; c++)
	{
		d->column_start[c] = n;
		for (int r = 0; r < rows; r++)
			if (d->present[r][c])
				d->column_row[n++] = r;
	}
	d->column_start[columns] = n;
	d->matrix = (KnnMatrix){.n_rows = rows,
							.n_columns = columns,
							.row_start = d->row_start,
							.entries = d->entries,
							.column_start = d->column_start,
							.column_row = d->column_row};
}

/* Sums of values in halves are exact, so everything must be equal. */
static bool
same_products(const Dense *d, int first, bool lower)
{
	int64_t cursor[MAX_ROWS];

	gram_start(&d->matrix, first, cursor);
	for (int column = first; column < d->matrix.n_columns; column++)
	{
		double products[MAX_COLUMNS] = {0};

		gram_products(&d->matrix, column, lower, cursor, products);
		for (int other = 0; other < d->matrix.n_columns; other++)
		{
			double expected = 0;

			for (int r = 0; r < d->matrix.n_rows; r++)
				expected += (double) d->value[r][column] * d->value[r][other];
			if (products[other] != (lower && other < column ? 0 : expected))
				return false;
		}
	}
	return true;
}

static bool
same_differences(const Dense *d, int first)
{
	int64_t cursor[MAX_ROWS];

	gram_start(&d->matrix, first, cursor);
	for (int column = first; column < d->matrix.n_columns; column++)
	{
		double differences[MAX_COLUMNS] = {0};
		int32_t support[MAX_COLUMNS] = {0};

		gram_differences(&d->matrix, column, cursor, differences, support);
		for (int other = 0; other < d->matrix.n_columns; other++)
		{
			double expected = 0;
			int32_t n = 0;

			for (int r = 0; r < d->matrix.n_rows; r++)
				if (d->present[r][column] && d->present[r][other])
				{
					expected += (double) d->value[r][other] - d->value[r][column];
					n++;
				}
			if (differences[other] != expected || support[other] != n)
				return false;
		}
	}
	return true;
}

static void
count_poll(void *argument)
{
	++*(int *) argument;
}

/*
 * Whether no weight is negative, the gradient is zero where there is one and not
 * negative elsewhere.
 */
static bool
is_optimal(const SlimProblem *problem, int32_t column, const double *weight)
{
	int32_t n = problem->n;
	double scale = 0;

	for (int32_t i = 0; i < n; i++)
		scale = fmax(scale, problem->gram[i * n + i]);
	for (int32_t i = 0; i < n; i++)
	{
		double gradient = problem->l1 + problem->l2 * weight[i] - problem->gram[column * n + i];

		for (int32_t j = 0; j < n; j++)
			gradient += problem->gram[i * n + j] * weight[j];
		if (weight[i] < 0 || (i == column && weight[i] != 0))
			return false;
		if (i != column && gradient < -1e-4 * scale)
			return false;
		if (weight[i] > 0 && gradient > 1e-4 * scale)
			return false;
	}
	return true;
}

static void
test_solutions(bool positive, const char *what)
{
	static const double penalties[][2] = {{0, 1}, {0.5, 0.5}, {2, 10}, {1000, 1}};
	static Dense d;
	float gram[MAX_COLUMNS * MAX_COLUMNS];
	double numbers[3][MAX_COLUMNS];
	int32_t active[MAX_COLUMNS];
	bool is_active[MAX_COLUMNS];
	int polls = 0;
	int n_weights = 0;
	bool solved = true;
	bool optimal = true;
	bool empty = true;

	for (int trial = 0; trial < 200; trial++)
	{
		int columns = 2 + random_below(MAX_COLUMNS - 1);
		const double *penalty = penalties[trial % 4];
		SlimProblem problem = {.n = columns,
							   .gram = gram,
							   .l1 = penalty[0],
							   .l2 = penalty[1],
							   .tolerance = 1e-7,
							   .epochs = 100000};
		SlimWork work = {numbers[0], numbers[1], numbers[2], active, is_active, count_poll, &polls};

		make_matrix(&d, 1 + random_below(MAX_ROWS), columns, 60, positive);
		for (int a = 0; a < columns; a++)
			for (int b = 0; b < columns; b++)
			{
				double sum = 0;

				for (int r = 0; r < d.matrix.n_rows; r++)
					sum += (double) d.value[r][a] * d.value[r][b];
				gram[a * columns + b] = (float) sum;
			}
		for (int column = 0; column < columns; column++)
		{
			solved &= slim_solve(&problem, column, &work);
			optimal &= is_optimal(&problem, column, work.weight);
			for (int i = 0; i < columns; i++)
			{
				n_weights += work.weight[i] > 0;
				empty &= penalty[0] < 1000 || work.weight[i] == 0;
			}
		}
	}
	ok(solved, what);
	ok(optimal, "... are optimal");
	ok(empty, "... and empty where l1 is large");
	ok(n_weights > 1000, "... and not elsewhere");
}

int
main(void)
{
	static Dense d;
	bool products = true;
	bool differences = true;

	for (int trial = 0; trial < 500; trial++)
	{
		int columns = 1 + random_below(MAX_COLUMNS);
		int first = random_below(columns);

		make_matrix(&d, random_below(MAX_ROWS + 1), columns, 10 + random_below(80), false);
		products &= same_products(&d, first, trial % 2 == 0);
		differences &= same_differences(&d, first);
	}
	ok(products, "products of columns");
	ok(differences, "differences of columns");
	test_solutions(true, "weights of positive ratings");
	test_solutions(false, "weights of ratings of both signs");
	return 0;
}
