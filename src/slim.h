/*
 * slim.h
 *		Non-negative elastic net of one column on all others, given the Gram matrix.
 *
 * No dependency on the server.
 */
#ifndef SLIM_H
#define SLIM_H

#include <stdbool.h>
#include <stdint.h>

typedef struct SlimProblem
{
	int32_t n;
	const float *gram; /* n x n */
	double l1;
	double l2;
	double tolerance; /* relative to the largest weight */
	int32_t epochs;   /* at most */
} SlimProblem;

/* Arrays of n elements, the caller's. */
typedef struct SlimWork
{
	double *weight;   /* the solution */
	double *gradient; /* falling: of the loss without l1 and l2 */
	double *pending;  /* change of a weight that the gradients of others do not know */
	int32_t *active;  /* columns with a weight, or about to have one */
	bool *is_active;
	void (*poll)(void *); /* called every few milliseconds of work */
	void *poll_argument;
} SlimWork;

extern bool slim_solve(const SlimProblem *problem, int32_t column, SlimWork *work);

#endif /* SLIM_H */
