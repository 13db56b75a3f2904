/*
 * regression_solve.h
 *		Solvers of regressions, which know of the rows only what passes sum up.
 *
 * No dependency on the server.
 */
#ifndef REGRESSION_SOLVE_H
#define REGRESSION_SOLVE_H

#include "regression_objective.h"

/* Unknowns of a Newton step, at most; beyond, gradients have to do. */
#define REGRESSION_MAX_NEWTON 1000

/* Vectors that L-BFGS keeps. */
#define REGRESSION_GRADIENT_ROWS 20

/* Of a direction to infinity, what moves scores by less than this share stays where it is. */
#define REGRESSION_SEPARATED 1e-3

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
