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
	KNN_EUCLIDEAN,      /* 1 / (1 + distance) over the rows that rated both */
	KNN_LLR,            /* log-likelihood ratio of the sets of rows that rated */
	KNN_CONDITIONAL     /* probability of the other, given the column; not symmetric */
} KnnSimilarity;

typedef struct KnnEntry
{
	int32_t column;
	float value;
} KnnEntry;

typedef struct KnnOptions
{
	KnnSimilarity similarity;
	int32_t k;
	int32_t min_support;   /* rows that must have rated both columns */
	double shrinkage;      /* similarity times n / (n + shrinkage), n being the support */
	int32_t support_lost;  /* less this */
	double min_similarity; /* a neighbor must be above */
} KnnOptions;

/* The matrix as it comes: by row, columns ascending within a row. */
typedef struct KnnMatrix
{
	int32_t n_rows;
	int32_t n_columns;
	const int64_t *row_start;
	const KnnEntry *entries;
	const int64_t *column_start; /* and by column: the rows of each, ascending */
	const int32_t *column_row;
} KnnMatrix;

/* What is summed over the rows that two columns share, and in which numbers. */
typedef enum KnnKind
{
	KNN_WHOLE, /* products and support, all values being multiples of a unit */
	KNN_REAL,  /* products and support */
	KNN_ALL    /* what KnnSums has */
} KnnKind;

typedef struct KnnShape
{
	KnnKind kind;
	int32_t n_rows;
	int32_t n_columns;
	int64_t n_entries;
	int32_t first_tile; /* width of the first tile */
	int32_t n_tiles;
	double unit; /* of values, for KNN_WHOLE */
} KnnShape;

/* An entry of KNN_WHOLE; those of the others are KnnEntry. */
typedef struct KnnWhole
{
	uint16_t column; /* counted from the tile's first, in both */
	int16_t value;   /* in units */
} KnnWhole;

/*
 * The matrix packed for the search: entries tile by tile, within a tile by row,
 * and for each column a list of its rows.  The arrays lie in one piece of memory.
 */
typedef struct KnnPacked
{
	KnnShape shape;
	double *norm; /* Euclidean norm of each column */
	int64_t *column_start;
	void *entries;
	uint32_t *slice;         /* n_rows + 1 a tile: where the entries of each row begin */
	int32_t *column_row;     /* for each entry of a column: its row, */
	uint16_t *column_offset; /* its place among the row's entries of the tile, */
	void *column_value;      /* and its value, int16_t or float */
} KnnPacked;

/* Sums over the rows that rated both columns. */
typedef struct KnnSums
{
	double n, xy, xx, yy, x, y;
} KnnSums;

/* What one process works in; arrays lie in one piece of memory, but lists. */
typedef struct KnnWorkspace
{
	void *sums;           /* of one column with those of a tile; zero between calls */
	int32_t *listed;      /* columns of the tile that may be neighbors */
	float *length;        /* of each column: norm in units */
	float *bar;           /* of each column: what a neighbor must reach */
	neighbor_heap *lists; /* of each column: the best so far and a few more, in no order */
	void (*poll)(void *); /* called every few milliseconds of work */
	void *poll_argument;
} KnnWorkspace;

extern int32_t knn_capacity(const KnnMatrix *matrix, int32_t column, int32_t k);
extern int32_t knn_room(const KnnMatrix *matrix, int32_t column, int32_t k);
extern void knn_norms(const KnnMatrix *matrix, double *norm);
extern KnnShape knn_shape(const KnnMatrix *matrix, const double *norm, KnnSimilarity similarity);
extern void knn_divide(KnnShape *shape, int32_t first_tile);
extern size_t knn_packed_place(KnnPacked *packed, const KnnShape *shape, void *memory);
extern void knn_packed_fill(KnnPacked *packed, const KnnMatrix *matrix, const double *norm,
							KnnSimilarity similarity, int64_t *row_next, void (*poll)(void *),
							void *poll_argument);
extern size_t knn_workspace_place(KnnWorkspace *work, const KnnShape *shape, void *memory);
extern void knn_workspace_fill(KnnWorkspace *work, const KnnPacked *packed,
							   const KnnOptions *options);
extern void knn_columns(const KnnPacked *packed, const KnnOptions *options, KnnWorkspace *work,
						int32_t first, int32_t end);

extern void knn_keep_best(neighbor_heap *list, int32_t k);

#endif /* KNN_H */
