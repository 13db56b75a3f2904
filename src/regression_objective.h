/*
 * regression_objective.h
 *		What a regression minimizes: its penalties, its derivatives from the sums of a
 *		pass, and the systems of equations that they make.
 *
 * No dependency on the server.
 */
#ifndef REGRESSION_OBJECTIVE_H
#define REGRESSION_OBJECTIVE_H

#include "regression.h"

/* Rows of a matrix between two polls: 0.1 s at 4000 columns. */
#define REGRESSION_POLL_ROWS 8

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

static inline int32_t
regression_unknowns(const RegressionProblem *problem)
{
	return problem->shape.m * problem->shape.p;
}

static inline bool
regression_is_intercept(const RegressionProblem *problem, int32_t i)
{
	return problem->intercept && i % problem->shape.p == 0;
}

extern double regression_lasso(const RegressionProblem *problem, int32_t i);
extern void regression_center_classes(const RegressionProblem *problem, double *theta);
extern double regression_objective(const RegressionProblem *problem, const double *theta,
								   const double *sums);
extern void regression_downhill(const RegressionProblem *problem, const RegressionFit *fit,
								const double *theta, const double *sums, double *slope);
extern void regression_fill_blocks(int32_t m, int32_t p, const double *block, double *matrix);
extern void regression_fill_matrix(const RegressionProblem *problem, const double *sums,
								   double *matrix);
extern void regression_factorize(const RegressionProblem *problem, RegressionFit *fit,
								 double *scale, bool find);
extern void regression_substitute(int32_t q, const double *factor, const double *scale, double *b);

#endif /* REGRESSION_OBJECTIVE_H */
