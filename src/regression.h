/*
 * regression.h
 *		Regressions for the probability of what somebody does: binary logistic,
 *		multinomial and conditional logit, as passes over the rows.
 *
 * A pass computes at given coefficients a fixed number of sums over the rows; a
 * solver needs nothing else of them.  So the rows may lie in memory, in a table
 * whose rows a query sums up, or on several servers.
 *
 * Coefficients are m vectors of p numbers, one after the other: m is 1, but of the
 * multinomial family the classes without the reference, or all of them.
 *
 * No dependency on the server.
 */
#ifndef REGRESSION_H
#define REGRESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wide.h"

typedef enum RegressionFamily
{
	REGRESSION_LOGISTIC,    /* y is 0 or 1, or a share */
	REGRESSION_MULTINOMIAL, /* y is 0 for the reference class, or 1 to m */
	REGRESSION_CONDITIONAL, /* y is 1 for the one alternative of its set that was chosen */
	REGRESSION_SYMMETRIC    /* multinomial with a vector for each class: y is 0 to m - 1 */
} RegressionFamily;

/* What a pass sums up: the first vector and the blocks of Sums, below. */
typedef enum RegressionPart
{
	REGRESSION_GRADIENT,  /* w (y - P) x */
	REGRESSION_CURVATURE, /* and w P (1 - P) x x' */
	REGRESSION_SCORES,    /* and the outer products of w (y - P) x, for robust errors */
	REGRESSION_PLAIN      /* w x and w x x' */
} RegressionPart;

typedef struct RegressionShape
{
	RegressionFamily family;
	int32_t m;
	int32_t p;
} RegressionShape;

/* Classes with coefficients, at most. */
#define REGRESSION_MAX_CLASSES 1000

/* Rows that are added to sums at once. */
#define REGRESSION_ROWS 8

/*
 * The sums of a pass are one vector of numbers: rows (of choice sets, sets),
 * their weight, the loss, which is -log-likelihood; m * p numbers, the gradient
 * of the log-likelihood; and for each pair k >= l of vectors a block, the lower
 * triangle of a symmetric p by p matrix, row by row.
 */
enum
{
	SUM_ROWS,
	SUM_WEIGHT,
	SUM_LOSS,
	SUM_GRADIENT
};

static inline int32_t
regression_blocks(int32_t m)
{
	return m * (m + 1) / 2;
}

static inline size_t
regression_triangle(int32_t p)
{
	return (size_t) p * (p + 1) / 2;
}

static inline size_t
regression_sums(int32_t m, int32_t p, int32_t blocks)
{
	return SUM_GRADIENT + (size_t) m * p + blocks * regression_triangle(p);
}

/* The blocks that a part has. */
static inline int32_t
regression_part_blocks(RegressionPart part, int32_t m)
{
	return part == REGRESSION_GRADIENT ? 0 : regression_blocks(m);
}

/* An observation; of a choice set, an alternative. */
typedef struct RegressionRow
{
	double y;
	double weight;
	double offset;
	const double *x; /* p */
} RegressionRow;

/* A column of an observation that is not 0. */
typedef struct RegressionEntry
{
	double value;
	int32_t column;
} RegressionEntry;

/* The numbers that regression_add_entries sums up beside the sums of a pass. */
static inline size_t
regression_totals(int32_t m, int32_t p, int32_t blocks)
{
	return m + blocks * ((size_t) p + 1);
}

/* What a choice set adds to sums: rows for regression_add, with m = 1. */
typedef struct RegressionTerms
{
	double *x;      /* as many rows of p as there are alternatives */
	double *first;  /* and so many */
	double *second; /* and so many */
	double weight;
	double loss;
} RegressionTerms;

/* Four sums side by side; the order in which they are added does not depend on the machine. */
ALWAYS_INLINE double
regression_dot(const double *a, const double *b, int32_t n)
{
	double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
	int32_t i = 0;

	for (; i + 4 <= n; i += 4)
	{
		s0 += a[i] * b[i];
		s1 += a[i + 1] * b[i + 1];
		s2 += a[i + 2] * b[i + 2];
		s3 += a[i + 3] * b[i + 3];
	}
	for (; i < n; i++)
		s0 += a[i] * b[i];
	return (s0 + s1) + (s2 + s3);
}

extern double regression_row(const RegressionShape *shape, RegressionPart part, const double *theta,
							 const RegressionRow *row, double *first, double *second);
extern double regression_logistic(RegressionPart part, const double *theta, int32_t p,
								  const double *x, const double *y, const double *weight,
								  const double *offset, double *first, double *second);
extern int32_t regression_choice_set(RegressionPart part, const double *theta, int32_t p,
									 const RegressionRow *rows, int32_t n, RegressionTerms *terms);
extern void regression_add(double *sums, int32_t m, int32_t p, int32_t blocks, const double *x,
						   const double *first, const double *second, int32_t n);
extern double regression_entries_row(const RegressionShape *shape, RegressionPart part,
									 const double *theta, const double *shift,
									 const RegressionRow *row, const RegressionEntry *entries,
									 int32_t n, double *first, double *second);
extern void regression_add_entries(double *sums, double *totals, int32_t m, int32_t p,
								   int32_t blocks, const RegressionEntry *entries, int32_t n,
								   const double *first, const double *second);
extern void regression_center(double *sums, const double *totals, int32_t m, int32_t p,
							  int32_t blocks, const double *center, void (*poll)(void));

#endif /* REGRESSION_H */
