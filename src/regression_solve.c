/*
 * regression_solve.c
 *		Solvers of regressions, which know of the rows only what passes sum up.
 *
 * Newton's method with step halving, where a step minimizes the quadratic that a
 * pass gives: by Cholesky's factorization or, with an l1 penalty, by coordinate
 * descent (Friedman, Hastie and Tibshirani 2010).  For many columns L-BFGS (Liu and
 * Nocedal 1989), which needs gradients alone.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "regression_solve.h"

/* A step that moves scores no farther is followed by one that does not matter. */
#define SHORT 1e-4

/* A step that moves scores so far while it promises nothing may lead to infinity. */
#define MOVES 0.05

/* What is followed to know: rows told apart wrongly there have a derivative of 1. */
#define FAR 1e4

/* A step that moves scores farther than this leaves what the quadratic is like. */
#define REASONABLE 32

#define MAX_HALVINGS 30
#define MAX_SWEEPS 100000

/* Steps that L-BFGS remembers. */
#define MEMORY (REGRESSION_GRADIENT_ROWS / 2)

/* Iterations of L-BFGS for one of Newton's method that is allowed. */
#define GRADIENT_STEPS 20

/*
 * The step that minimizes the quadratic with an l1 penalty, by coordinate descent.
 * slope is where the quadratic goes down from theta, and is lost.  Returns what
 * the step promises.
 */
static double
descend(const RegressionProblem *problem, const RegressionFit *fit, double *slope, double *step)
{
	int32_t q = regression_unknowns(problem);
	const double *matrix = fit->matrix;
	double promise = 0;
	double largest = DBL_MAX;
	double goal = 1e-8 * problem->tolerance * fit->sums[SUM_WEIGHT];

	memset(step, 0, q * sizeof(double));
	for (int32_t sweep = 0; sweep < MAX_SWEEPS && largest > goal; sweep++)
	{
		largest = 0;
		for (int32_t i = 0; i < q; i++)
		{
			const double *row = matrix + (size_t) i * q;
			double old = fit->theta[i] + step[i];
			double threshold = regression_lasso(problem, i);
			double z = slope[i] + row[i] * old;
			double new = 0;
			double change;

			if (fit->state[i] != COLUMN_FITTED || row[i] <= 0)
				continue;
			if (fabs(z) > threshold)
				new = (z - copysign(threshold, z)) / row[i];
			change = new - old;
			if (change == 0)
				continue;
			step[i] += change;
			promise += change * slope[i] - 0.5 * row[i] * change * change -
					   threshold * (fabs(new) - fabs(old));
			for (int32_t j = 0; j < q; j++)
				slope[j] -= row[j] * change;
			largest = fmax(largest, row[i] * change * change);
		}
		problem->poll();
	}
	return 2 * promise;
}

/*
 * How far a step moves the scores of rows, about.
 */
static double
step_length(const RegressionProblem *problem, const RegressionFit *fit, const double *step)
{
	double length = 0;

	for (int32_t i = 0; i < regression_unknowns(problem); i++)
		if (fit->state[i] == COLUMN_FITTED && !regression_is_intercept(problem, i))
			length = fmax(length, fabs(step[i]) * problem->reach[i % problem->shape.p]);
	return length;
}

/*
 * Try theta + step, halved until the objective does not grow; where probabilities
 * are all but certain the quadratic has a minimum very far away, and what comes
 * after it is a step of a reasonable length.  False when the objective grows
 * whatever the step; else theta and sums are those after it.
 */
static bool
take_step(const RegressionProblem *problem, RegressionFit *fit, double *step, RegressionPart part,
		  double *theta)
{
	int32_t q = regression_unknowns(problem);
	double before = regression_objective(problem, fit->theta, fit->sums);

	for (int halving = 0; halving < MAX_HALVINGS; halving++)
	{
		double after;
		double shorter;
		double *other = fit->sums;

		for (int32_t i = 0; i < q; i++)
			theta[i] = fit->theta[i] + step[i];
		problem->pass(problem->argument, theta, part, fit->trial);
		fit->passes++;
		after = regression_objective(problem, theta, fit->trial);
		if (after <= before + 1e-11 * fabs(before))
		{
			memcpy(fit->theta, theta, q * sizeof(double));
			fit->sums = fit->trial;
			fit->trial = other;
			return true;
		}
		shorter = halving == 0 ? fmin(0.5, REASONABLE / step_length(problem, fit, step)) : 0.5;
		for (int32_t i = 0; i < q; i++)
			step[i] *= shorter;
	}
	return false;
}

/*
 * Is every row told apart from the other outcomes?
 */
static bool
is_complete(const RegressionFit *fit)
{
	return fit->sums[SUM_LOSS] < 1e-6 * fit->null_loss;
}

/*
 * Does the likelihood still grow however far one goes on from theta by steps like
 * the last?  Then it has no maximum (Albert and Anderson 1984): what the step moves
 * tells outcomes apart for certain.  The step becomes one that moves scores by 1.
 */
static bool
leads_away(const RegressionProblem *problem, RegressionFit *fit, double *step, double *theta)
{
	int32_t q = regression_unknowns(problem);
	double length = step_length(problem, fit, step);

	if (problem->l1 > 0 || problem->l2 > 0 || !(length > MOVES))
		return false;
	for (int32_t i = 0; i < q; i++)
	{
		step[i] = fit->state[i] == COLUMN_FITTED ? step[i] / length : 0;
		theta[i] = fit->theta[i] + FAR * step[i];
	}
	if (is_complete(fit))
		return true;
	problem->pass(problem->argument, theta, REGRESSION_GRADIENT, fit->trial);
	fit->passes++;
	/* What is not separated moves a little as well, by what is left to its minimum. */
	return regression_dot(fit->trial + SUM_GRADIENT, step, q) > -1e-7 * fit->sums[SUM_WEIGHT];
}

/*
 * Mark the columns whose coefficients a direction to infinity moves.  When nothing is
 * left to be told apart, the others cannot be estimated either.
 */
static void
mark_separated(const RegressionProblem *problem, RegressionFit *fit, const double *step)
{
	for (int32_t i = 0; i < regression_unknowns(problem); i++)
		if (fit->state[i] == COLUMN_FITTED)
		{
			if (!regression_is_intercept(problem, i) &&
				fabs(step[i]) * problem->reach[i % problem->shape.p] > REGRESSION_SEPARATED)
				fit->state[i] = COLUMN_SEPARATED;
			else if (is_complete(fit))
				fit->state[i] = COLUMN_UNDECIDED;
		}
}

/*
 * Was that the last step, which promised nothing?  One that moves scores
 * nevertheless may be on its way to a minimum where only a penalty holds a
 * coefficient, or a few rows: unless it leads away, others follow until they are
 * short, or promise no less than the one before or next to nothing, by rounding.
 */
static bool
is_last(const RegressionProblem *problem, RegressionFit *fit, double *step, double before,
		double *theta)
{
	double least = problem->tolerance * fit->null_loss;

	if (fit->decrement > least)
		return false;
	if (problem->l1 > 0 || fit->decrement > 0.9 * before || fit->decrement < 1e-5 * least ||
		step_length(problem, fit, step) < (problem->l2 > 0 ? SHORT : MOVES))
		return true;
	return leads_away(problem, fit, step, theta);
}

/*
 * Newton's method from theta on, where sums are those of a pass with curvature.
 */
void
regression_newton(const RegressionProblem *problem, RegressionFit *fit)
{
	int32_t q = regression_unknowns(problem);
	double *step = fit->work;
	double *slope = fit->work + q;
	double *scale = fit->work + 2 * (size_t) q;
	double *theta = fit->work + 3 * (size_t) q;
	double before = DBL_MAX;
	bool moved = true;

	fit->converged = false;
	while (!fit->converged && moved && fit->iterations < problem->max_iterations)
	{
		fit->iterations++;
		regression_downhill(problem, fit, fit->theta, fit->sums, slope);
		regression_fill_matrix(problem, fit->sums, fit->matrix);
		if (problem->l1 > 0)
			fit->decrement = descend(problem, fit, slope, step);
		else
		{
			regression_factorize(problem, fit, scale, false);
			memcpy(step, slope, q * sizeof(double));
			regression_substitute(q, fit->matrix, scale, step);
			fit->decrement = regression_dot(step, slope, q);
		}
		if (!isfinite(fit->decrement))
			break;
		moved = take_step(problem, fit, step, REGRESSION_CURVATURE, theta);
		regression_center_classes(problem, fit->theta);
		/* What is left after a step is of the order of its square.  Of rare outcomes rows say
		 * little. */
		fit->converged = is_last(problem, fit, step, before, theta);
		before = fit->decrement;
	}
	if (leads_away(problem, fit, step, theta))
		mark_separated(problem, fit, step);
}

/*
 * The direction of L-BFGS from the gradient, by its two loops; the last count
 * changes of theta and of the gradient are in rings of MEMORY.
 */
static void
quasi_newton(int32_t q, const double *changes, const double *slopes, int32_t count, double *step)
{
	double alpha[MEMORY];
	int32_t first = count > MEMORY ? count - MEMORY : 0;

	for (int32_t c = count - 1; c >= first; c--)
	{
		const double *s = changes + (size_t) (c % MEMORY) * q;
		const double *y = slopes + (size_t) (c % MEMORY) * q;

		alpha[c % MEMORY] = regression_dot(s, step, q) / regression_dot(s, y, q);
		for (int32_t i = 0; i < q; i++)
			step[i] -= alpha[c % MEMORY] * y[i];
	}
	if (count > 0)
	{
		const double *s = changes + (size_t) ((count - 1) % MEMORY) * q;
		const double *y = slopes + (size_t) ((count - 1) % MEMORY) * q;
		double length = regression_dot(s, y, q) / regression_dot(y, y, q);

		for (int32_t i = 0; i < q; i++)
			step[i] *= length;
	}
	for (int32_t c = first; c < count; c++)
	{
		const double *s = changes + (size_t) (c % MEMORY) * q;
		const double *y = slopes + (size_t) (c % MEMORY) * q;
		double beta = regression_dot(y, step, q) / regression_dot(s, y, q);

		for (int32_t i = 0; i < q; i++)
			step[i] += (alpha[c % MEMORY] - beta) * s[i];
	}
}

/*
 * L-BFGS from theta on, where sums are those of a pass.  The matrix is the memory
 * of its rings, 2 * MEMORY * m * p numbers.
 */
static void
regression_lbfgs(const RegressionProblem *problem, RegressionFit *fit)
{
	int32_t q = regression_unknowns(problem);
	double *changes = fit->matrix;
	double *slopes = fit->matrix + (size_t) MEMORY * q;
	double *step = fit->work;
	double *slope = fit->work + q;
	double *theta = fit->work + 2 * (size_t) q;
	int32_t count = 0;

	fit->converged = false;
	regression_downhill(problem, fit, fit->theta, fit->sums, slope);
	while (fit->iterations < GRADIENT_STEPS * problem->max_iterations)
	{
		double *change = changes + (size_t) (count % MEMORY) * q;
		double *turn = slopes + (size_t) (count % MEMORY) * q;

		memcpy(step, slope, q * sizeof(double));
		quasi_newton(q, changes, slopes, count, step);
		/* The first step: of length 1 in the scores of rows. */
		if (count == 0)
			for (int32_t i = 0; i < q; i++)
				step[i] /= fit->sums[SUM_WEIGHT] / 4;
		fit->decrement = regression_dot(step, slope, q);
		/* Unlike a step of Newton's, the last one is no better than what it promised. */
		fit->converged = fit->decrement <= 1e-6 * problem->tolerance * fit->sums[SUM_WEIGHT];
		if (fit->converged)
			break;
		fit->iterations++;
		memcpy(change, fit->theta, q * sizeof(double));
		memcpy(turn, slope, q * sizeof(double));
		if (!take_step(problem, fit, step, REGRESSION_GRADIENT, theta))
			break;
		regression_downhill(problem, fit, fit->theta, fit->sums, slope);
		for (int32_t i = 0; i < q; i++)
		{
			change[i] = fit->theta[i] - change[i];
			turn[i] -= slope[i];
		}
		if (regression_dot(change, turn, q) > DBL_EPSILON * regression_dot(turn, turn, q))
			count++;
	}
}

/*
 * Minimize from theta on, where sums are those of a pass.
 */
static void
minimize(const RegressionProblem *problem, RegressionFit *fit)
{
	fit->iterations = 0;
	if (regression_uses_newton(problem))
		regression_newton(problem, fit);
	else
		regression_lbfgs(problem, fit);
}

static void
pass(const RegressionProblem *problem, RegressionFit *fit, RegressionPart part)
{
	problem->pass(problem->argument, fit->theta, part, fit->sums);
	fit->passes++;
}

/*
 * Set the intercepts to what the shares of the classes say, given a pass at 0,
 * where all are equally probable.  False when a class does not occur.
 */
static bool
start_intercepts(const RegressionProblem *problem, RegressionFit *fit)
{
	int32_t m = problem->shape.m;
	int32_t p = problem->shape.p;
	bool symmetric = problem->shape.family == REGRESSION_SYMMETRIC;
	double each = fit->sums[SUM_WEIGHT] / (m + !symmetric);
	double reference = fit->sums[SUM_WEIGHT];

	for (int32_t k = 0; k < m && !symmetric; k++)
		reference -= fit->sums[SUM_GRADIENT + (size_t) k * p] + each;
	for (int32_t k = 0; k < m; k++)
	{
		double weight = fit->sums[SUM_GRADIENT + (size_t) k * p] + each;

		if (weight <= 1e-12 * each || reference <= 1e-12 * each)
			return false;
		fit->theta[(size_t) k * p] = log(weight / reference);
	}
	return true;
}

/*
 * Does the intercept that fits lie beyond value, in the direction of sign?
 */
static bool
falls_short(const RegressionProblem *problem, RegressionFit *fit, double value, double sign)
{
	fit->theta[0] = value;
	pass(problem, fit, REGRESSION_GRADIENT);
	return fit->sums[SUM_GRADIENT] * sign > 0;
}

/*
 * Set the intercept to the one that fits the offsets, within 1, given a pass at 0:
 * where the gradient, which falls, changes its sign.  False when there is none.
 */
static bool
start_offsets(const RegressionProblem *problem, RegressionFit *fit)
{
	double sign = fit->sums[SUM_GRADIENT] > 0 ? 1 : -1;
	double near = 0;
	double far = sign;

	while (falls_short(problem, fit, far, sign))
	{
		if (fabs(far) > 1e9)
			return false;
		near = far;
		far *= 2;
	}
	while (fabs(far - near) > 1)
	{
		double middle = (near + far) / 2;

		if (falls_short(problem, fit, middle, sign))
			near = middle;
		else
			far = middle;
	}
	fit->theta[0] = (near + far) / 2;
	return true;
}

/*
 * Fit the intercepts alone, and keep the loss that is left.  False when a class
 * does not occur, so that there is nothing to fit.
 */
bool
regression_start(const RegressionProblem *problem, RegressionFit *fit)
{
	int32_t q = regression_unknowns(problem);
	bool newton = regression_uses_newton(problem);
	bool dependent = regression_has_curvature(problem) && problem->l1 == 0 && problem->l2 == 0;
	RegressionPart part = newton ? REGRESSION_CURVATURE : REGRESSION_GRADIENT;

	fit->passes = 0;
	memset(fit->state, COLUMN_FITTED, q);
	memset(fit->theta, 0, q * sizeof(double));
	if (problem->intercept)
	{
		bool with_offsets = problem->offsets && problem->shape.family == REGRESSION_LOGISTIC;

		pass(problem, fit, REGRESSION_GRADIENT);
		if (!(with_offsets ? start_offsets(problem, fit) : start_intercepts(problem, fit)))
			return false;
	}
	pass(problem, fit, part);
	fit->null_loss = fit->sums[SUM_LOSS];
	if (problem->intercept && problem->offsets)
	{
		for (int32_t i = 0; i < q; i++)
			fit->state[i] = regression_is_intercept(problem, i) ? COLUMN_FITTED : COLUMN_COLLINEAR;
		minimize(problem, fit);
		memset(fit->state, COLUMN_FITTED, q);
		fit->null_loss = fit->sums[SUM_LOSS];
	}
	/* Without a penalty, what columns before it make up is left out. */
	if (dependent)
	{
		if (!newton)
			pass(problem, fit, REGRESSION_CURVATURE);
		regression_fill_matrix(problem, fit->sums, fit->matrix);
		regression_factorize(problem, fit, fit->work, true);
	}
	return true;
}

/*
 * Fit the problem: Newton's method up to REGRESSION_MAX_NEWTON unknowns, or with
 * l1, else L-BFGS.  False as regression_start.  In the end sums are those at theta,
 * with curvature if there is some.
 */
bool
regression_fit(const RegressionProblem *problem, RegressionFit *fit)
{
	if (!regression_start(problem, fit))
		return false;
	minimize(problem, fit);
	if (regression_has_curvature(problem) && !regression_uses_newton(problem))
		pass(problem, fit, REGRESSION_CURVATURE);
	return true;
}

/*
 * Replace the matrix by the covariance of theta: the inverse of the second
 * derivatives, 0 for what is not fitted.  Sums are those of a pass with curvature.
 */
void
regression_covariance(const RegressionProblem *problem, RegressionFit *fit)
{
	int32_t q = regression_unknowns(problem);
	double *matrix = fit->matrix;
	double *scale = fit->work;
	double *column = fit->work + q;

	regression_fill_matrix(problem, fit->sums, matrix);
	regression_factorize(problem, fit, scale, false);
	/* L becomes its inverse: row by row, from the rows above. */
	for (int32_t i = 0; i < q; i++)
	{
		double *row = matrix + (size_t) i * q;
		double pivot = row[i];

		if (i % REGRESSION_POLL_ROWS == 0)
			problem->poll();
		memset(column, 0, (i + 1) * sizeof(double));
		for (int32_t k = 0; k < i; k++)
		{
			const double *other = matrix + (size_t) k * q;

			if (row[k] != 0)
				for (int32_t j = 0; j <= k; j++)
					column[j] -= row[k] * other[j];
		}
		for (int32_t j = 0; j < i; j++)
			row[j] = column[j] / pivot;
		row[i] = 1 / pivot;
	}
	/* Then the inverse of L L' is its transpose times it: from the last rows, upper triangle. */
	for (int32_t i = 0; i < q; i++)
	{
		memset(column, 0, q * sizeof(double));
		if (i % REGRESSION_POLL_ROWS == 0)
			problem->poll();
		for (int32_t k = i; k < q; k++)
		{
			const double *row = matrix + (size_t) k * q;

			for (int32_t j = 0; j <= i; j++)
				column[j] += row[i] * row[j];
		}
		/* Row i of L^-1 is not read any more, but its last part above is. */
		for (int32_t j = 0; j <= i; j++)
			matrix[(size_t) j * q + i] =
				scale[i] == 0 || scale[j] == 0 ? 0 : column[j] / (scale[i] * scale[j]);
	}
	for (int32_t i = 0; i < q; i++)
		for (int32_t j = 0; j < i; j++)
			matrix[(size_t) i * q + j] = matrix[(size_t) j * q + i];
}

/*
 * Make the covariance of theta a robust one: itself times the sum of outer products
 * of scores times itself (Huber 1967, White 1980).  The sum is given as blocks of m
 * vectors of p, of any such shape; meat and result are the caller's memory, as
 * large as the matrix.
 */
void
regression_sandwich(const RegressionProblem *problem, RegressionFit *fit, int32_t m, int32_t p,
					const double *blocks, double *meat, double *result)
{
	int32_t q = regression_unknowns(problem);
	double *row = fit->work;

	regression_fill_blocks(m, p, blocks, meat);
	for (int32_t i = 0; i < q; i++)
	{
		const double *left = fit->matrix + (size_t) i * q;

		if (i % REGRESSION_POLL_ROWS == 0)
			problem->poll();
		for (int32_t j = 0; j < q; j++)
			row[j] = regression_dot(left, meat + (size_t) j * q, q);
		for (int32_t j = 0; j < q; j++)
			result[(size_t) i * q + j] = regression_dot(row, fit->matrix + (size_t) j * q, q);
	}
	memcpy(fit->matrix, result, (size_t) q * q * sizeof(double));
}

/*
 * The condition number: the square root of the ratio of the greatest to the
 * smallest eigenvalue of the second derivatives, scaled to a diagonal of ones, of
 * what is fitted.  By power iteration, which finds about two digits.  The matrix is
 * lost.
 */
double
regression_condition(const RegressionProblem *problem, RegressionFit *fit)
{
	int32_t q = regression_unknowns(problem);
	double *scale = fit->work;
	double *vector = fit->work + q;
	double *next = fit->work + 2 * (size_t) q;
	double eigenvalue[2] = {1, 1};

	for (int inverse = 0; inverse < 2; inverse++)
	{
		regression_fill_matrix(problem, fit->sums, fit->matrix);
		if (inverse)
			regression_factorize(problem, fit, scale, false);
		for (int32_t i = 0; i < q; i++)
		{
			double diagonal = fit->matrix[(size_t) i * q + i];

			if (!inverse)
				scale[i] = fit->state[i] == COLUMN_COLLINEAR || diagonal <= 0 ? 0 : sqrt(diagonal);
			/* Not an eigenvector of anything likely. */
			vector[i] = scale[i] == 0 ? 0 : 1 + 0.5 * sin(i + 1);
		}
		for (int iteration = 0; iteration < 100; iteration++)
		{
			double length = sqrt(regression_dot(vector, vector, q));

			if (length == 0)
				return 1;
			problem->poll();
			/* With x of length 1: D^-1 A D^-1 x, or D A^-1 D x. */
			for (int32_t i = 0; i < q; i++)
			{
				vector[i] /= length;
				next[i] = scale[i] == 0 ? 0 : inverse ? vector[i] * scale[i] : vector[i] / scale[i];
			}
			if (inverse)
			{
				regression_substitute(q, fit->matrix, scale, next);
				memcpy(vector, next, q * sizeof(double));
			}
			else
				for (int32_t i = 0; i < q; i++)
					vector[i] = regression_dot(fit->matrix + (size_t) i * q, next, q);
			for (int32_t i = 0; i < q; i++)
				vector[i] = scale[i] == 0 ? 0
							: inverse     ? vector[i] * scale[i]
										  : vector[i] / scale[i];
		}
		eigenvalue[inverse] = sqrt(regression_dot(vector, vector, q));
	}
	return sqrt(eigenvalue[0] * eigenvalue[1]);
}

/*
 * The greatest derivative of the objective per weight of 1, which is 0 in the
 * minimum.
 */
double
regression_gradient_norm(const RegressionProblem *problem, const RegressionFit *fit)
{
	double largest = 0;
	double *slope = fit->work;

	regression_downhill(problem, fit, fit->theta, fit->sums, slope);
	for (int32_t i = 0; i < regression_unknowns(problem); i++)
	{
		double threshold = regression_lasso(problem, i);
		double value = fit->theta[i] == 0 ? fmax(fabs(slope[i]) - threshold, 0)
										  : fabs(slope[i] - copysign(threshold, fit->theta[i]));

		largest = fmax(largest, value);
	}
	return largest / fit->sums[SUM_WEIGHT];
}
