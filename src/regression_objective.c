/*
 * regression_objective.c
 *		What a regression minimizes: its penalties, its derivatives from the sums of a
 *		pass, and the systems of equations that they make.
 *
 * Cholesky's factorization is written out, as it judges each column on the way by what
 * those before it leave of it, which LAPACK's does not tell.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "regression_objective.h"

/* Share of a column's variance that those before it leave, below which it is one of them. */
#define COLLINEAR 1e-9

/* Variance of a standardized column that is but rounding, as of one constant within sets. */
#define NOTHING 1e-16

/*
 * The weight of the l2 penalty of unknown i.
 */
static double
ridge(const RegressionProblem *problem, int32_t i)
{
	double factor = problem->factor[i % problem->shape.p];

	return regression_is_intercept(problem, i) ? 0 : problem->l2 * factor * factor;
}

/*
 * The weight of the l1 penalty of unknown i.
 */
double
regression_lasso(const RegressionProblem *problem, int32_t i)
{
	return regression_is_intercept(problem, i)
			   ? 0
			   : problem->l1 * problem->factor[i % problem->shape.p];
}

/*
 * With classes the penalty is that of one vector for each class, the reference
 * included, of which only differences matter: those vectors that differ so and are
 * shortest have the mean 0.  So it does not depend on which class is the reference.
 */
static double
class_share(const RegressionProblem *problem)
{
	return problem->shape.family == REGRESSION_MULTINOMIAL ? 1.0 / (problem->shape.m + 1) : 0;
}

/* Put a number in its place among n in rising order. */
static void
insert(double *sorted, int32_t n, double value)
{
	for (; n > 0 && sorted[n - 1] > value; n--)
		sorted[n] = sorted[n - 1];
	sorted[n] = value;
}

/*
 * Where each class has its vector, probabilities are the same when a number is
 * taken off the coefficients of a column in all of them: take off that which leaves
 * the least penalty.  It is their median or, with l2, that of them and of
 * mean - l1 / l2 (2 i - m) / m, i = 0 ... m (Li and Osher 2009); the middle where
 * there are many, as Friedman, Hastie and Tibshirani's.
 */
void
regression_center_classes(const RegressionProblem *problem, double *theta)
{
	int32_t m = problem->shape.m;
	int32_t p = problem->shape.p;
	double sorted[2 * REGRESSION_MAX_CLASSES + 1];

	if (problem->shape.family != REGRESSION_SYMMETRIC)
		return;
	for (int32_t j = problem->intercept; j < p; j++)
	{
		double ratio = problem->l1 / (problem->l2 * problem->factor[j]);
		double mean = 0;
		double shift;
		int32_t n = 0;

		for (int32_t k = 0; k < m; k++)
		{
			mean += theta[(size_t) k * p + j] / m;
			insert(sorted, n++, theta[(size_t) k * p + j]);
		}
		for (int32_t i = 0; isfinite(ratio) && i <= m; i++)
			insert(sorted, n++, mean - ratio * (2 * i - m) / m);
		shift = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
		for (int32_t k = 0; k < m; k++)
			theta[(size_t) k * p + j] -= shift;
	}
}

/*
 * The derivative of half the l2 penalty with respect to unknown i.
 */
static double
ridge_slope(const RegressionProblem *problem, const double *theta, int32_t i)
{
	int32_t p = problem->shape.p;
	double total = 0;

	for (int32_t k = 0; k < problem->shape.m; k++)
		total += theta[k * p + i % p];
	return ridge(problem, i) * (theta[i] - total * class_share(problem));
}

/*
 * Loss and penalties at theta, where sums are those of a pass.
 */
double
regression_objective(const RegressionProblem *problem, const double *theta, const double *sums)
{
	double value = sums[SUM_LOSS];

	for (int32_t i = 0; i < regression_unknowns(problem); i++)
	{
		if (problem->l2 > 0)
			value += 0.5 * theta[i] * ridge_slope(problem, theta, i);
		value += regression_lasso(problem, i) * fabs(theta[i]);
	}
	return value;
}

/*
 * The derivative of loss and l2 penalty, downhill; 0 where nothing is fitted.
 */
void
regression_downhill(const RegressionProblem *problem, const RegressionFit *fit, const double *theta,
					const double *sums, double *slope)
{
	for (int32_t i = 0; i < regression_unknowns(problem); i++)
		slope[i] = fit->state[i] != COLUMN_FITTED
					   ? 0
					   : sums[SUM_GRADIENT + i] - ridge_slope(problem, theta, i);
}

/*
 * The matrix that blocks are triangles of, both halves of it.
 */
void
regression_fill_blocks(int32_t m, int32_t p, const double *block, double *matrix)
{
	size_t q = (size_t) m * p;

	for (int32_t k = 0; k < m; k++)
		for (int32_t l = 0; l <= k; l++)
			for (int32_t i = 0; i < p; i++)
				for (int32_t j = 0; j <= i; j++)
				{
					size_t ki = (size_t) k * p + i, kj = (size_t) k * p + j;
					size_t li = (size_t) l * p + i, lj = (size_t) l * p + j;
					double value = *block++;

					matrix[ki * q + lj] = matrix[lj * q + ki] = value;
					matrix[kj * q + li] = matrix[li * q + kj] = value;
				}
}

/*
 * The matrix of second derivatives from the blocks of a pass.
 */
void
regression_fill_matrix(const RegressionProblem *problem, const double *sums, double *matrix)
{
	int32_t p = problem->shape.p;
	int32_t q = regression_unknowns(problem);

	regression_fill_blocks(problem->shape.m, p, sums + SUM_GRADIENT + q, matrix);
	if (problem->l2 > 0)
		for (int32_t i = 0; i < q; i++)
			for (int32_t j = i % p; j < q; j += p)
				matrix[(size_t) i * q + j] += ridge(problem, i) * ((i == j) - class_share(problem));
}

/*
 * Replace the matrix A, scaled to a diagonal of ones, by its lower factor L:
 * D^-1 A D^-1 = L L', D in scale.  A column that is not fitted, or a combination of
 * those before it, becomes one of the identity; find marks the latter.
 */
void
regression_factorize(const RegressionProblem *problem, RegressionFit *fit, double *scale, bool find)
{
	int32_t q = regression_unknowns(problem);
	double *matrix = fit->matrix;

	for (int32_t i = 0; i < q; i++)
		scale[i] = matrix[(size_t) i * q + i] > 0 ? sqrt(matrix[(size_t) i * q + i]) : 0;
	for (int32_t i = 0; i < q; i++)
	{
		double *row = matrix + (size_t) i * q;
		double pivot = 1;

		if (i % REGRESSION_POLL_ROWS == 0)
			problem->poll();
		for (int32_t j = 0; j < i; j++)
		{
			double *other = matrix + (size_t) j * q;

			row[j] =
				scale[i] == 0 || scale[j] == 0
					? 0
					: (row[j] / (scale[i] * scale[j]) - regression_dot(row, other, j)) / other[j];
			/* The column's own row is the identity's. */
			if (scale[j] == 0)
				row[j] = 0;
		}
		pivot -= regression_dot(row, row, i);
		if (find && fit->state[i] == COLUMN_FITTED &&
			(scale[i] * scale[i] <= NOTHING * fit->sums[SUM_WEIGHT] || pivot < COLLINEAR))
			fit->state[i] = COLUMN_COLLINEAR;
		if (fit->state[i] == COLUMN_COLLINEAR || scale[i] == 0 || !(pivot > DBL_EPSILON))
		{
			scale[i] = 0;
			memset(row, 0, i * sizeof(double));
			pivot = 1;
		}
		row[i] = sqrt(pivot);
	}
}

/*
 * Solve A x = b given what regression_factorize has made of A; b becomes x.
 */
void
regression_substitute(int32_t q, const double *factor, const double *scale, double *b)
{
	for (int32_t i = 0; i < q; i++)
	{
		double right = scale[i] == 0 ? 0 : b[i] / scale[i];

		b[i] = (right - regression_dot(factor + (size_t) i * q, b, i)) / factor[(size_t) i * q + i];
	}
	for (int32_t i = q - 1; i >= 0; i--)
	{
		const double *row = factor + (size_t) i * q;

		b[i] /= row[i];
		for (int32_t j = 0; j < i; j++)
			b[j] -= b[i] * row[j];
	}
	for (int32_t i = 0; i < q; i++)
		b[i] = scale[i] == 0 ? 0 : b[i] / scale[i];
}
