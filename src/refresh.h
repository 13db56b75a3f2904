/*
 * refresh.h
 *		Neighbors that follow the changes of the ratings.
 */
#ifndef REFRESH_H
#define REFRESH_H

#include "knn.h"
#include "neighborhood.h"
#include "ratings.h"

/* Sums over the rows that rated both columns of a pair. */
typedef struct PairSums
{
	float product; /* of their values */
	float total;   /* of the weights of the rows, where all ratings are 1; else 0 */
	int32 support; /* number of rows */
} PairSums;

#define TOPK_PREFIX candidate
#define TOPK_SCORE float
#define TOPK_PAYLOAD PairSums
#include "topk.h"

typedef struct StoredPair
{
	int32 column; /* the other one */
	PairSums sums;
} StoredPair;

/* What was stored of a column. */
typedef struct StoredColumn
{
	double norm;
	float bound; /* no pair that is not stored was more similar */
	int32 n_pairs;
	StoredPair *pairs; /* by rising column */
} StoredColumn;

/*
 * What the last fit or refresh has left, in the present numbers of columns, and
 * the rows that have changed since.  Columns that have gone are numbered behind
 * those that there are.
 */
typedef struct StoredPairs
{
	int32 n_all;           /* columns that are or were there */
	int32 n_stored;        /* columns that were */
	StoredColumn *columns; /* n_all; norm 0: it was not there */
	int32 n_rows;          /* rows that have changed */
	int32 *rows;           /* their numbers now; n_rows of the ratings and above: gone */
	KnnMatrix came;        /* these rows as they are, centered and weighted like the ratings */
	KnnMatrix went;        /* and as they were, in the weights of now */
} StoredPairs;

/* One element a column. */
typedef struct Candidates
{
	int32 kept; /* pairs that are kept of a column, k of them as its neighbors */
	double *norm;
	float *bound;
	candidate_heap *heaps; /* the neighbors first, by number; then the others */
} Candidates;

/* Below, a similarity is noise and no neighbor; see knn.c. */
#define REFRESH_NOISE 1e-7

extern KnnMatrix refresh_whole(const Ratings *ratings);
extern Candidates *refresh_candidates(const KnnMatrix *matrix, int32 k, Budget *budget);
extern void refresh_heaps(const KnnMatrix *matrix, Candidates *found, Budget *budget);
extern void refresh_finish(Candidates *found, int32 n_columns, const KnnOptions *options);
extern KnnMatrix refresh_matrix(int32 n_rows, int32 n_columns, int64 *row_start, KnnEntry *entries,
								Budget *budget);
extern double refresh_idf(int32 n_columns, int64 n_rated);
extern Candidates *refresh_all(Ratings *ratings, const RatingStatistics *statistics,
							   const NeighborOptions *options, Budget *budget, Progress *progress);
extern Candidates *refresh_changed(Ratings *ratings, const NeighborOptions *options,
								   StoredPairs *stored, Budget *part, Budget *budget);

#endif /* REFRESH_H */
