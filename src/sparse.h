/*
 * sparse.h
 *		Sums over the elements of sparse vectors, and exact sums.
 *
 * No dependency on the server.
 */
#ifndef SPARSE_H
#define SPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A sparse vector that somebody else owns: n ids, strictly ascending, in one of
 * two widths (the other pointer is NULL), and n weights, finite and not zero.
 */
typedef struct SparseView
{
	int n;
	const int32_t *ids32;
	const int64_t *ids64;
	const float *weights;
} SparseView;

/* Positions in two vectors that hold the same id. */
typedef struct SparseMatch
{
	int32_t a, b;
} SparseMatch;

/* What lies before these positions is done; all zero at first. */
typedef struct SparseCursor
{
	int32_t a, b;
} SparseCursor;

/* Room for what one call of sparse_next_matches finds. */
#define SPARSE_MATCHES 128

extern int sparse_next_matches(SparseView a, SparseView b, SparseCursor *cursor,
							   SparseMatch *matches);
extern double sparse_dot(SparseView a, SparseView b, int64_t *n_common);
extern double sparse_sum_squares(SparseView v);
extern double sparse_sum(SparseView v);

extern int sparse_find(SparseView v, int64_t id);
extern int sparse_add(SparseView a, SparseView b, bool subtract, int32_t *ids32, int64_t *ids64,
					  float *weights);
extern int sparse_scale(SparseView v, double factor, int32_t *ids32, int64_t *ids64,
						float *weights);

/* One term of the exact sum that belongs to an id. */
typedef struct SparseTerm
{
	int64_t id;
	double value;
} SparseTerm;

/* An exact sum of doubles never needs more terms than this; see sparse.c. */
#define SPARSE_EXACT_TERMS 1050

extern int sparse_exact_add(double *terms, int n, double x);
extern double sparse_exact_value(const double *terms, int n);
extern int64_t sparse_squash(SparseTerm *terms, int64_t n);

#endif /* SPARSE_H */
