/*
 * regression_solve.h
 *		Solvers of regressions, which know of the rows only what passes sum up.
 *
 * No dependency on the server.
 */
#ifndef REGRESSION_SOLVE_H
#define REGRESSION_SOLVE_H

#include "regression.h"

/* Unknowns of a Newton step, at most; beyond, gradients have to do. */
#define REGRESSION_MAX_NEWTON 1000

/* Vectors that L-BFGS keeps. */
#define REGRESSION_GRADIENT_ROWS 20

/* Of a direction to infinity, what moves scores by less than this share stays where it is. */
#define REGRESSION_SEPARATED 1e-3

typedef struct RegressionProblem
{
	RegressionShape shape;
	bool intercept; /* column 0 is 1 everywhere; not penalized */
	bool offsets;   /* rows have offsets */
	bool errors;    /* second derivatives are wanted of the solution; not with l1 */

	/*
	 * Minimized is loss + l1 sum |f theta| + l2 / 2 sum (f theta)^2, with a factor f
	 * for each of the p columns.
	 */
	double l1;
	double l2;
	const double *factor;

	const double *reach; /* p: how far a column goes from its mean, about */
	int32_t max_iterations;
	double tolerance;
	void (*pass)(void *argument, const double *theta, RegressionPart part, double *sums);
	void *argument;
	void (*poll)(void); /* called every few milliseconds of work on matrices */
} RegressionProblem;

typedef enum RegressionColumn
{
	COLUMN_FITTED,
	COLUMN_COLLINEAR, /* a combination of columns before it */
	COLUMN_SEPARATED, /* its coefficient grows without bound */
	COLUMN_UNDECIDED  /* others explain everything: its coefficient can be anything */
} RegressionColumn;

/* Everything is the caller's memory. */
typedef struct RegressionFit
{
	double *theta;  /* m * p */
	double *sums;   /* of a pass at theta with curvature */
	double *trial;  /* as many */
	double *matrix; /* (m * p)^2: for the Newton step; then the covariance of theta.
					 * Without curvature REGRESSION_GRADIENT_ROWS * m * p */
	double *work;   /* 4 * m * p; after a fit the last step */
	uint8_t *state; /* m * p: RegressionColumn of each */
	double null_loss;
	double decrement; /* what the last step promised */
	int32_t iterations;
	int32_t passes;
	bool converged;
} RegressionFit;

/*
 * Is it fitted by Newton's method, whose sums have curvature?
 */
static inline bool
regression_uses_newton(const RegressionProblem *problem)
{
	return problem->l1 > 0 || problem->shape.m * problem->shape.p <= REGRESSION_MAX_NEWTON;
}

/*
 * Do some of its passes have curvature?
 */
static inline bool
regression_has_curvature(const RegressionProblem *problem)
{
	return problem->errors || regression_uses_newton(problem);
}

extern bool regression_start(const RegressionProblem *problem, RegressionFit *fit);
extern bool regression_fit(const RegressionProblem *problem, RegressionFit *fit);
extern void regression_newton(const RegressionProblem *problem, RegressionFit *fit);
extern void regression_covariance(const RegressionProblem *problem, RegressionFit *fit);
extern void regression_sandwich(const RegressionProblem *problem, RegressionFit *fit, int32_t m,
								int32_t p, const double *blocks, double *meat, double *result);
extern double regression_condition(const RegressionProblem *problem, RegressionFit *fit);
extern double regression_gradient_norm(const RegressionProblem *problem, const RegressionFit *fit);

#endif /* REGRESSION_SOLVE_H */
