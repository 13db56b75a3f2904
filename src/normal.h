/*
 * normal.h
 *		Normal equations of least squares with some tens of unknowns: gathered row
 *		by row, solved by Cholesky's factorization, or drawn from.
 *
 * What is minimized is the sum of (target - x' row)^2 over rows plus a quadratic
 * that the equations start with.  As a distribution: x is normal, with the matrix
 * as its precision and the solution as its mean.
 *
 * No dependency on the server.
 */
#ifndef NORMAL_H
#define NORMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Floats side by side; vectors are padded with zeros to a multiple of them. */
#define NORMAL_LANES 8

/* Rows that are gathered before they are added to the matrix. */
#define NORMAL_CHUNK 32

typedef struct Normal
{
	int32_t n;     /* unknowns */
	int32_t width; /* n rounded up to whole lanes: the length of every vector here */
	int32_t n_chunk;
	float *matrix; /* width by width in row order, its upper triangle; then its factor */
	float *right;  /* then halfway to the solution */
	float *chunk;  /* rows not yet added */
	float *noise;  /* for the caller's use with normal_solve */
	float target[NORMAL_CHUNK];
} Normal;

static inline int32_t
normal_width(int32_t n)
{
	return (n + NORMAL_LANES - 1) / NORMAL_LANES * NORMAL_LANES;
}

extern size_t normal_floats(int32_t n);
extern void normal_init(Normal *normal, int32_t n, float *memory);
extern void normal_start(Normal *normal, const float *matrix, const float *right);
extern void normal_ridge(Normal *normal, float value);
extern void normal_flush(Normal *normal);
extern bool normal_factor(Normal *normal);
extern void normal_forward(const Normal *normal, float *x);
extern void normal_solve(const Normal *normal, const float *noise, float *solution);

/*
 * Where the next row goes, width floats that the caller fills with zeros at the
 * end; its target is to be given.  Scale both to give a row a weight.
 */
static inline float *
normal_next(Normal *normal, float target)
{
	if (normal->n_chunk == NORMAL_CHUNK)
		normal_flush(normal);
	normal->target[normal->n_chunk] = target;
	return normal->chunk + (size_t) normal->n_chunk++ * normal->width;
}

#endif /* NORMAL_H */
