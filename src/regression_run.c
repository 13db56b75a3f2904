/*
 * regression_run.c
 *		A regression from its options to its report, wherever the rows are.
 *
 * Columns are standardized for the solver: on the road from their scale to that of
 * the likelihood digits would be lost.  Coefficients and their covariance are brought
 * back afterwards.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "regression_run.h"

/* A column that varies less, relative to its mean, is constant. */
#define CONSTANT 1e-24

/* How many standard deviations a column of numbers goes from its mean. */
#define REACH 3

/* What memory contexts add, about. */
#define ALLOCATOR_SLACK (64 * 1024)

static double *
numbers(Budget *budget, Size n)
{
	return budget_alloc(budget, n, sizeof(double), "the sums of a pass");
}

/*
 * What kernels call every few milliseconds.
 */
void
regression_poll(void)
{
	CHECK_FOR_INTERRUPTS();
}

/*
 * Standardize the columns, which an intercept allows to be centered, too; so does
 * a choice, where only differences count.
 */
static void
standardize(Budget *budget, RegressionProblem *problem, const RegressionOptions *options,
			const RegressionSource *source, RegressionReport *report, double *scale)
{
	int32 p = problem->shape.p;
	bool centered = problem->intercept || problem->shape.family == REGRESSION_CONDITIONAL;
	double *center = numbers(budget, p);
	double *factor = numbers(budget, p);
	double *reach = numbers(budget, p);

	source->moments(source->argument, report->mean, report->deviation);
	for (int32 j = 0; j < p; j++)
	{
		double mean = report->mean[j];
		double variance = report->deviation[j] > CONSTANT * mean * mean ? report->deviation[j] : 0;
		double square = centered ? variance : variance + mean * mean;

		report->deviation[j] = sqrt(variance);
		center[j] = centered ? mean : 0;
		scale[j] = square > 0 ? 1 / sqrt(square) : 0;
		/* Only a column of zeros and ones has this variance. */
		reach[j] = fabs(variance - mean * (1 - mean)) < 1e-9 * variance
					   ? Max(mean, 1 - mean) * scale[j]
					   : REACH;
		/* In units of the deviation, also where the column is not centered. */
		factor[j] = !options->standardize ? scale[j]
					: centered            ? 1
										  : scale[j] * report->deviation[j];
	}
	if (problem->intercept)
	{
		center[0] = 0;
		scale[0] = 1;
	}
	problem->factor = factor;
	problem->reach = reach;
	source->standardize(source->argument, center, scale);
}

/*
 * Bring coefficients back to the columns as they were: m vectors of p.  Intercepts of
 * which only differences count have the mean 0.
 */
static void
unscale(const RegressionProblem *problem, const double *mean, const double *scale,
		const double *theta, double *estimate)
{
	int32 m = problem->shape.m;
	int32 p = problem->shape.p;
	double center = 0;

	for (Size i = 0; i < (Size) m * p; i++)
		estimate[i] = theta[i] * scale[i % p];
	if (!problem->intercept)
		return;
	for (int32 k = 0; k < m; k++)
	{
		for (int32 j = 1; j < p; j++)
			estimate[(Size) k * p] -= estimate[(Size) k * p + j] * mean[j];
		center += estimate[(Size) k * p] / m;
	}
	for (int32 k = 0; k < m && problem->shape.family == REGRESSION_SYMMETRIC; k++)
		estimate[(Size) k * p] -= center;
}

/*
 * Mark intercepts that run away with coefficients that do.  Of the columns as they
 * were: that of centered ones may stay where it is, and the other way round.
 */
static void
mark_intercepts(const RegressionProblem *problem, const RegressionReport *report,
				const double *scale, RegressionFit *fit)
{
	int32 p = problem->shape.p;

	for (int32 k = 0; problem->intercept && k < problem->shape.m; k++)
	{
		const double *step = fit->work + (Size) k * p;
		uint8 *state = fit->state + (Size) k * p;
		double move = step[0];
		bool moves = false;

		for (int32 j = 1; j < p; j++)
			if (state[j] == COLUMN_SEPARATED)
			{
				move -= step[j] * scale[j] * report->mean[j];
				moves = true;
			}
		if (moves && fabs(move) > REGRESSION_SEPARATED)
			state[0] = COLUMN_UNDECIDED;
	}
}

/*
 * Standard errors from the covariance of the solver's coefficients.
 */
static void
unscale_errors(const RegressionProblem *problem, const RegressionReport *report,
			   const double *scale, const double *covariance)
{
	int32 p = problem->shape.p;
	Size q = (Size) problem->shape.m * p;

	for (Size i = 0; i < q; i++)
	{
		int32 j = i % p;
		double variance = covariance[i * q + i] * scale[j] * scale[j];

		if (problem->intercept && j == 0)
		{
			/* Of a' theta with a = (1, -mean scale ...). */
			variance = 0;
			for (int32 u = 0; u < p; u++)
				for (int32 v = 0; v < p; v++)
					variance += (u == 0 ? 1 : -report->mean[u] * scale[u]) *
								(v == 0 ? 1 : -report->mean[v] * scale[v]) *
								covariance[(i + u) * q + i + v];
		}
		report->error[i] = report->state[i] == COLUMN_FITTED && variance > 0 ? sqrt(variance) : NAN;
	}
}

/*
 * Make the covariance one that holds whatever the distribution of rows, or of
 * clusters.  With few clusters scores add up to more than they vary; the factor for
 * that is G / (G - 1) (n - 1) / (n - q).
 */
static void
make_robust(Budget *budget, const RegressionProblem *problem, const RegressionOptions *options,
			const RegressionSource *source, RegressionFit *fit, int64 n)
{
	int32 m = problem->shape.m;
	int32 p = problem->shape.p;
	Size q = (Size) m * p;
	double *meat = numbers(budget, q * q);
	double *result = numbers(budget, q * q);

	if (options->errors == ERRORS_ROBUST)
	{
		source->pass(source->argument, fit->theta, REGRESSION_SCORES, fit->trial);
		regression_sandwich(problem, fit, m, p, fit->trial + SUM_GRADIENT + q, meat, result);
	}
	else
	{
		double *sums = numbers(budget, regression_sums(1, q, 1));
		int64 clusters = source->clusters(source->argument, fit->theta, sums);
		int64 fitted = 0;
		double factor;

		for (Size i = 0; i < q; i++)
			fitted += fit->state[i] != COLUMN_COLLINEAR;
		if (clusters < 2 || n <= fitted)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg(INT64_FORMAT " clusters of " INT64_FORMAT
												" rows are too few for standard errors",
								   clusters, n)));
		factor = (double) clusters / (clusters - 1) * (n - 1) / (n - fitted);
		for (Size i = 0; i < regression_sums(1, q, 1); i++)
			sums[i] *= factor;
		regression_sandwich(problem, fit, 1, q, sums + SUM_GRADIENT + q, meat, result);
	}
}

/*
 * Fit with l1 penalties that fall in equal ratios from the least that leaves all
 * coefficients 0, each from the solution of the one before.
 */
static void
follow_path(Budget *budget, RegressionProblem *problem, int32 steps, const double *scale,
			RegressionFit *fit, RegressionReport *report)
{
	int32 p = problem->shape.p;
	Size q = (Size) problem->shape.m * p;
	double last = problem->l1;
	double first = last;
	int32 iterations = 0;

	for (Size i = 0; i < q; i++)
		if (problem->factor[i % p] > 0 && !(problem->intercept && i % p == 0))
			first = Max(first, fabs(fit->sums[SUM_GRADIENT + i]) / problem->factor[i % p]);
	report->path = steps;
	report->path_l1 = numbers(budget, steps);
	report->path_loss = numbers(budget, steps);
	report->path_estimate = numbers(budget, steps * q);
	for (int32 s = 0; s < steps; s++)
	{
		problem->l1 = s == steps - 1 ? last : first * pow(last / first, (double) s / (steps - 1));
		fit->iterations = 0;
		regression_newton(problem, fit);
		iterations += fit->iterations;
		report->path_l1[s] = problem->l1;
		report->path_loss[s] = fit->sums[SUM_LOSS];
		unscale(problem, report->mean, scale, fit->theta, report->path_estimate + s * q);
	}
	fit->iterations = iterations;
}

static RegressionFit
make_fit(Budget *budget, const RegressionProblem *problem)
{
	int32 m = problem->shape.m;
	int32 p = problem->shape.p;
	Size q = (Size) m * p;
	bool curved = regression_has_curvature(problem);
	Size sums = regression_sums(m, p, curved ? regression_blocks(m) : 0);

	return (RegressionFit){.theta = numbers(budget, q),
						   .sums = numbers(budget, sums),
						   .trial = numbers(budget, sums),
						   .matrix = numbers(budget, curved ? q * q : q * REGRESSION_GRADIENT_ROWS),
						   .work = numbers(budget, 4 * q),
						   .state = budget_alloc(budget, q, sizeof(uint8), "the sums of a pass")};
}

/*
 * Bytes that regression_run takes from the budget.
 */
Size
regression_run_size(const RegressionProblem *problem, const RegressionOptions *options)
{
	int32 m = problem->shape.m;
	int32 p = problem->shape.p;
	Size q = (Size) m * p;
	bool curved = regression_has_curvature(problem);
	Size n = 6 * (Size) p + 8 * q + options->path * (q + 2) +
			 2 * regression_sums(m, p, curved ? regression_blocks(m) : 0) +
			 q * (curved ? q : REGRESSION_GRADIENT_ROWS);

	if (problem->errors && options->errors != ERRORS_MODEL)
		n += 2 * q * q;
	if (problem->errors && options->errors == ERRORS_CLUSTERS)
		n += regression_sums(1, q, 1);
	return n * sizeof(double) + ALLOCATOR_SLACK;
}

/*
 * Fit the problem, whose shape, intercept, offsets, penalties and limits are given.
 *
 * Errors: a class does not occur; too few clusters; too much memory.
 */
RegressionReport *
regression_run(Budget *budget, RegressionProblem *problem, const RegressionOptions *options,
			   const RegressionSource *source)
{
	int32 p = problem->shape.p;
	Size q = (Size) problem->shape.m * p;
	double *scale = numbers(budget, p);
	RegressionReport *report = budget_alloc(budget, 1, sizeof(RegressionReport), "the report");
	RegressionFit fit = make_fit(budget, problem);

	report->mean = numbers(budget, p);
	report->deviation = numbers(budget, p);
	report->estimate = numbers(budget, q);
	report->error = numbers(budget, q);
	standardize(budget, problem, options, source, report, scale);
	problem->pass = source->pass;
	problem->argument = source->argument;
	problem->poll = regression_poll;
	if (!(options->path > 0 ? regression_start(problem, &fit) : regression_fit(problem, &fit)))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("the target is the same in all rows, or lacks a class"),
				 errhint("There is nothing to tell apart: look at what the source returns.")));
	mark_intercepts(problem, report, scale, &fit);
	if (options->path > 0)
		follow_path(budget, problem, options->path, scale, &fit, report);

	report->n = (int64) fit.sums[SUM_ROWS];
	report->loss = fit.sums[SUM_LOSS];
	report->null_loss = fit.null_loss;
	report->gradient = regression_gradient_norm(problem, &fit);
	report->iterations = fit.iterations;
	report->passes = fit.passes;
	report->converged = fit.converged;
	report->state = fit.state;
	report->condition = NAN;
	unscale(problem, report->mean, scale, fit.theta, report->estimate);
	for (Size i = 0; i < q; i++)
		report->error[i] = NAN;
	if (regression_has_curvature(problem) && problem->l1 == 0)
		report->condition = regression_condition(problem, &fit);
	if (problem->errors)
	{
		regression_covariance(problem, &fit);
		if (options->errors != ERRORS_MODEL)
			make_robust(budget, problem, options, source, &fit, report->n);
		unscale_errors(problem, report, scale, fit.matrix);
	}
	return report;
}
