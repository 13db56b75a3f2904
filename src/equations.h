/*
 * equations.h
 *		Small systems of normal equations, and products of short vectors.
 *
 * A symmetric matrix of n rows is kept as its lower triangle, row by row: element
 * (i, j), j <= i, stands at i * (i + 1) / 2 + j.  No dependency on the server.
 *
 * In double precision, as what stands here is compared to 1e-6 and has rows taken off
 * again.  Fits, which solve millions of systems and need no more digits than a factor is
 * stored with, use normal.h: with 64 unknowns and 140 rows it takes 12 us where this takes
 * 31, and its solutions differ by 5e-7 of their largest element.
 */
#ifndef EQUATIONS_H
#define EQUATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EQUATIONS_MAX 2048

/* Elements of the lower triangle of a matrix of n rows. */
static inline size_t
equations_size(int32_t n)
{
	return (size_t) n * (n + 1) / 2;
}

extern void equations_add(double *a, double *b, int32_t n, const float *x, double weight,
						  double target);
extern void equations_add_four(double *a, double *b, int32_t n, const float *const x[4],
							   const double weight[4], const double target[4]);
extern bool equations_factorize(double *a, int32_t n);
extern void equations_forward(const double *l, double *b, int32_t n);
extern void equations_backward(const double *l, double *b, int32_t n);

extern float vector_dot(const float *a, const float *b, int32_t n);
extern void vector_scores(const float *x, const float *rows, int32_t n_rows, int32_t n,
						  float *scores);

#endif /* EQUATIONS_H */
