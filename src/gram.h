/*
 * gram.h
 *		What pairs of columns of a sparse matrix have in common, one column at a time.
 *
 * Columns must be taken in ascending order: a cursor for each row remembers where
 * the next one is.  No dependency on the server.
 */
#ifndef GRAM_H
#define GRAM_H

#include "knn.h"

/* Columns between two calls of gram_start, which looks at every row. */
#define GRAM_COLUMNS 256

extern void gram_start(const KnnMatrix *matrix, int32_t column, int64_t *cursor);
extern void gram_products(const KnnMatrix *matrix, int32_t column, bool lower, int64_t *cursor,
						  double *products);
extern void gram_differences(const KnnMatrix *matrix, int32_t column, int64_t *cursor,
							 double *differences, int32_t *support);

#endif /* GRAM_H */
