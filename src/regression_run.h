/*
 * regression_run.h
 *		A regression from its options to its report, wherever the rows are.
 */
#ifndef REGRESSION_RUN_H
#define REGRESSION_RUN_H

#include "budget.h"
#include "regression_solve.h"

typedef enum RegressionErrors
{
	ERRORS_MODEL,    /* by the curvature of the likelihood */
	ERRORS_ROBUST,   /* by the scores of rows, or choice sets */
	ERRORS_CLUSTERS, /* by the scores of clusters */
	ERRORS_NONE
} RegressionErrors;

/* Where the rows are; argument is for all of its functions. */
typedef struct RegressionSource
{
	/* Weighted means, and mean squared deviations, of the p columns. */
	void (*moments)(void *argument, double *mean, double *square);

	/* From now on columns are less their mean, times their scale. */
	void (*standardize)(void *argument, const double *mean, const double *scale);
	void (*pass)(void *argument, const double *theta, RegressionPart part, double *sums);

	/* The sum of outer products of the scores of clusters, as one block of a vector of m * p
	 * numbers; returns how many clusters there are. */
	int64 (*clusters)(void *argument, const double *theta, double *sums);
	void *argument;
} RegressionSource;

typedef struct RegressionOptions
{
	bool standardize; /* penalties are on coefficients of standardized columns */
	RegressionErrors errors;
	int32 path; /* l1 penalties to fit, the last being that of the problem; 0: only it */
} RegressionOptions;

/* Of the columns as they were, m vectors of p. */
typedef struct RegressionReport
{
	double *mean;      /* p */
	double *deviation; /* p, standard deviations */
	double *estimate;  /* m * p; 0 where nothing is fitted */
	double *error;     /* m * p, standard errors; NaN where there is none */
	uint8 *state;      /* m * p, RegressionColumn */
	int64 n;
	double loss;
	double null_loss;
	double gradient;  /* as regression_gradient_norm */
	double condition; /* NaN when not computed */
	int32 iterations;
	int32 passes;
	bool converged;
	int32 path;            /* rows of the following */
	double *path_l1;       /* path */
	double *path_loss;     /* path */
	double *path_estimate; /* path * m * p */
} RegressionReport;

extern Size regression_run_size(const RegressionProblem *problem, const RegressionOptions *options);
extern void regression_poll(void);
extern RegressionReport *regression_run(Budget *budget, RegressionProblem *problem,
										const RegressionOptions *options,
										const RegressionSource *source);

#endif /* REGRESSION_RUN_H */
