/*
 * knn.h
 *		Exact nearest neighbors among the columns of a sparse matrix.
 *
 * No dependency on the server.
 */
#ifndef KNN_H
#define KNN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOPK_PREFIX neighbor
#define TOPK_SCORE float
#include "topk.h"

typedef enum KnnSimilarity
{
	KNN_COSINE,         /* over all ratings, an absent one is zero */
	KNN_CORATED_COSINE, /* over the rows that rated both columns */
	KNN_PEARSON,        /* over the rows that rated both columns */
	KNN_JACCARD,        /* of the sets of rows that rated */
	KNN_EUCLIDEAN       /* 1 / (1 + distance) over the rows that rated both */
} KnnSimilarity;

typedef struct KnnEntry
{
	int32_t column;
	float value;
} KnnEntry;

/* The matrix, by row (columns ascending within a row) and by column. */
typedef struct KnnMatrix
{
	int32_t n_rows;
	int32_t n_columns;
	const int64_t *row_start;
	const KnnEntry *entries;
	const int64_t *column_start;
	const int32_t *column_row;
} KnnMatrix;

typedef struct KnnOptions
{
	KnnSimilarity similarity;
	int32_t k;
	int32_t min_support;   /* rows that must have rated both columns */
	double shrinkage;      /* similarity times n / (n + shrinkage) */
	double min_similarity; /* a neighbor must be above */
} KnnOptions;

/* Sums over the rows that rated both columns. */
typedef struct KnnSums
{
	double xy, xx, yy, x, y;
} KnnSums;

/* What one pass works in; arrays have one element a column, but cursor. */
typedef struct KnnWorkspace
{
	int64_t *cursor;  /* one a row: position of its first column >= next */
	int32_t next;     /* the column that the cursors stand before, -1 at first */
	double *norm;     /* Euclidean norm of each column */
	double *xy;       /* for KNN_COSINE */
	KnnSums *sums;    /* for the similarities over co-rated pairs */
	int32_t *support; /* number of common rows */
	int32_t *touched; /* columns with support, when they are few */
	neighbor_heap *heaps;
	float *worst;         /* what a neighbor must reach: -infinity until the heap is full */
	void (*poll)(void *); /* called every few milliseconds of work */
	void *poll_argument;
} KnnWorkspace;

/* Which arrays of the workspace a similarity needs. */
static inline bool
knn_needs_sums(KnnSimilarity similarity)
{
	return similarity == KNN_CORATED_COSINE || similarity == KNN_PEARSON ||
		   similarity == KNN_EUCLIDEAN;
}

extern int64_t knn_capacity(const KnnMatrix *matrix, int32_t column, int32_t k);
extern void knn_norms(const KnnMatrix *matrix, double *norm);
extern void knn_columns(const KnnMatrix *matrix, const KnnOptions *options, KnnWorkspace *work,
						int32_t first, int32_t end);

#endif /* KNN_H */
