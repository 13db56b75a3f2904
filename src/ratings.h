/*
 * ratings.h
 *		A rating table in memory: a compressed sparse matrix read from a query.
 */
#ifndef RATINGS_H
#define RATINGS_H

#include "nodes/pg_list.h"

#include "budget.h"
#include "keys.h"
#include "knn.h"
#include "socrec.h"

/*
 * Rows and columns are numbered from 0.  Columns are the things whose vectors
 * a method compares (items, or users when the matrix was read transposed);
 * they are numbered by falling count of ratings, equal counts by key, so that
 * the columns that most rows touch lie together in memory.  Rows are numbered
 * by key.  So the numbering, and with it the order of every sum, depends on
 * the ratings alone and not on the order in which they arrived.
 */
typedef struct Ratings
{
	Budget budget; /* what everything below was taken from */

	int n_rows;
	int n_columns;
	int64 n_ratings;
	int64 n_skipped; /* input rows with a NULL in them */
	double mean;     /* of all ratings */
	bool has_values; /* the query has a column of ratings; else all are 1 */

	Oid row_type; /* as the query returns it, domains resolved */
	Oid column_type;
	Datum *row_keys;
	Datum *column_keys;
	int32 *column_order; /* the rank of each column by key */

	/* By row: columns ascending within each row. */
	int64 *row_start; /* n_rows + 1 */
	KnnEntry *entries;
	double *times; /* of the entries: microseconds since 2000, or as they came; NULL without */

	/* By column: rows ascending within each column. */
	int64 *column_start; /* n_columns + 1 */
	int32 *column_row;
} Ratings;

/*
 * What is taken off a rating before vectors are compared; all but the last by
 * the words of option center, in their order.
 */
typedef enum Centering
{
	CENTER_NONE,
	CENTER_ROW,      /* the mean of the row */
	CENTER_COLUMN,   /* the mean of the column */
	CENTER_BASELINE, /* mean + row bias + column bias */
	CENTER_ROUNDED   /* the mean of the column rounded to an integer */
} Centering;

/* How ratings are weighted before vectors are compared. */
typedef enum Weighting
{
	WEIGHT_NONE,
	WEIGHT_TFIDF,
	WEIGHT_BM25
} Weighting;

typedef struct BaselineOptions
{
	double row_regularization;
	double column_regularization;
	int epochs;
	bool rows_last; /* the rows' biases are computed after the columns' */
} BaselineOptions;

/* One element a column, but row_bias. */
typedef struct RatingStatistics
{
	double *mean;
	float4 *minimum;
	float4 *maximum;
	double *bias;
	double *row_bias;
} RatingStatistics;

/*
 * The place of the first of n columns, ascending and stride bytes apart, that is
 * not before the given one.
 */
static inline int32
column_place(const void *columns, Size stride, int32 n, int32 column)
{
	int32 low = 0;

	while (low < n)
	{
		int32 middle = low + (n - low) / 2;

		if (*(const int32 *) ((const char *) columns + middle * stride) < column)
			low = middle + 1;
		else
			n = middle;
	}
	return low;
}

extern Ratings *ratings_load(const char *query, bool transpose, Progress *progress);
extern Ratings *ratings_load_known(const char *query, const KeyMap *columns, Progress *progress);
extern Ratings *ratings_load_timed(const char *query, Progress *progress);

/* In memory of the given budget, whose context ratings_free deletes. */
extern Ratings *ratings_subset(const Ratings *ratings, const uint8 *labels, uint64 wanted,
							   int32 *row_map, int32 *column_map, Budget *budget);
extern Ratings *ratings_renumber(const Ratings *ratings, KeyMap *columns, const int32 *column_map,
								 Budget *budget);
extern Ratings *ratings_transpose(const Ratings *ratings, Budget *budget);

extern void ratings_free(Ratings *ratings);
extern int32 ratings_index(Ratings *ratings);

extern int32 *ratings_counts(const Ratings *ratings, Budget *budget);
extern RatingStatistics *ratings_describe(const Ratings *ratings, const BaselineOptions *options,
										  Budget *budget);
extern void ratings_center(Ratings *ratings, const RatingStatistics *statistics,
						   Centering centering);
extern void ratings_weight(Ratings *ratings, Weighting weighting);

#endif /* RATINGS_H */
