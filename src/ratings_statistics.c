/*
 * ratings_statistics.c
 *		Means and baselines of a rating matrix, and the changes to its values
 *		that precede a comparison of columns: centering and weighting.
 *
 * All sums run over the matrix by row, so their order is fixed.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "miscadmin.h"

#include "ratings.h"
#include "socrec.h"

/* Ratings between two looks for a cancel request: some milliseconds. */
#define INTERRUPT_RATINGS 1048576

static inline int64
row_count(const Ratings *ratings, int32 row)
{
	return ratings->row_start[row + 1] - ratings->row_start[row];
}

static inline int64
column_count(const Ratings *ratings, int32 column)
{
	return ratings->column_start[column + 1] - ratings->column_start[column];
}

/*
 * How many ratings each column has.
 */
int32 *
ratings_counts(const Ratings *ratings, Budget *budget)
{
	int32 *count = budget_alloc(budget, ratings->n_columns, sizeof(int32), "statistics");

	for (int32 column = 0; column < ratings->n_columns; column++)
		count[column] = (int32) column_count(ratings, column);
	return count;
}

/*
 * Biases of the columns, given those of the rows:
 *		b_c = sum(r - mean - b_r) / (column_regularization + count)
 */
static void
fit_column_biases(const Ratings *ratings, RatingStatistics *statistics, double regularization)
{
	memset(statistics->bias, 0, ratings->n_columns * sizeof(double));
	for (int32 row = 0; row < ratings->n_rows; row++)
	{
		for (int64 p = ratings->row_start[row]; p < ratings->row_start[row + 1]; p++)
			statistics->bias[ratings->entries[p].column] +=
				ratings->entries[p].value - ratings->mean - statistics->row_bias[row];
		if (row % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	for (int32 column = 0; column < ratings->n_columns; column++)
		statistics->bias[column] /= regularization + column_count(ratings, column);
}

/*
 * Biases of the rows, given those of the columns.
 */
static void
fit_row_biases(const Ratings *ratings, RatingStatistics *statistics, double regularization)
{
	for (int32 row = 0; row < ratings->n_rows; row++)
	{
		double sum = 0;

		for (int64 p = ratings->row_start[row]; p < ratings->row_start[row + 1]; p++)
			sum += ratings->entries[p].value - ratings->mean -
				   statistics->bias[ratings->entries[p].column];
		statistics->row_bias[row] = sum / (regularization + row_count(ratings, row));
		if (row % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
	}
}

/*
 * The baseline mean + row bias + column bias, by alternating ridge regression
 * from zero (Koren, Factor in the Neighbors, ACM TKDD 4(1), 2010).  The side
 * that comes last follows from the other one and its own ratings: anyone who
 * has those can compute it again without the model.
 */
static void
fit_baseline(const Ratings *ratings, RatingStatistics *statistics, const BaselineOptions *options)
{
	for (int epoch = 0; epoch < options->epochs; epoch++)
	{
		if (!options->rows_last)
			fit_row_biases(ratings, statistics, options->row_regularization);
		fit_column_biases(ratings, statistics, options->column_regularization);
		if (options->rows_last)
			fit_row_biases(ratings, statistics, options->row_regularization);
	}
}

/*
 * Mean, minimum, maximum and bias of every column, bias of every row, in memory
 * of the given budget.
 */
RatingStatistics *
ratings_describe(const Ratings *ratings, const BaselineOptions *options, Budget *budget)
{
	RatingStatistics *statistics = budget_alloc(budget, 1, sizeof(RatingStatistics), "statistics");

	statistics->mean = budget_alloc(budget, ratings->n_columns, sizeof(double), "statistics");
	statistics->minimum = budget_alloc(budget, ratings->n_columns, sizeof(float4), "statistics");
	statistics->maximum = budget_alloc(budget, ratings->n_columns, sizeof(float4), "statistics");
	statistics->bias = budget_alloc(budget, ratings->n_columns, sizeof(double), "statistics");
	statistics->row_bias = budget_alloc(budget, ratings->n_rows, sizeof(double), "statistics");

	for (int32 column = 0; column < ratings->n_columns; column++)
	{
		statistics->minimum[column] = FLT_MAX;
		statistics->maximum[column] = -FLT_MAX;
	}
	for (int64 p = 0; p < ratings->n_ratings; p++)
	{
		int32 column = ratings->entries[p].column;
		float4 value = ratings->entries[p].value;

		if (p % INTERRUPT_RATINGS == 0)
			CHECK_FOR_INTERRUPTS();
		statistics->mean[column] += value;
		statistics->minimum[column] = Min(statistics->minimum[column], value);
		statistics->maximum[column] = Max(statistics->maximum[column], value);
	}
	for (int32 column = 0; column < ratings->n_columns; column++)
		statistics->mean[column] /= column_count(ratings, column);
	fit_baseline(ratings, statistics, options);
	return statistics;
}

/*
 * Take the row's mean, the column's mean (or that mean rounded) or the baseline
 * off every rating.
 */
void
ratings_center(Ratings *ratings, const RatingStatistics *statistics, Centering centering)
{
	if (centering == CENTER_NONE)
		return;
	for (int32 row = 0; row < ratings->n_rows; row++)
	{
		double row_mean = 0;

		if (row % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		for (int64 p = ratings->row_start[row]; p < ratings->row_start[row + 1]; p++)
			row_mean += ratings->entries[p].value;
		row_mean /= row_count(ratings, row);

		for (int64 p = ratings->row_start[row]; p < ratings->row_start[row + 1]; p++)
		{
			int32 column = ratings->entries[p].column;
			double center = ratings->mean + statistics->row_bias[row] + statistics->bias[column];

			if (centering == CENTER_ROW)
				center = row_mean;
			else if (centering == CENTER_COLUMN)
				center = statistics->mean[column];
			else if (centering == CENTER_ROUNDED)
				center = rint(statistics->mean[column]);
			ratings->entries[p].value = (float4) (ratings->entries[p].value - center);
		}
	}
}

/*
 * Weight every rating by how telling its row is, idf = ln((1 + C) / (1 + n))
 * with C columns of which the row rated n (who rates everything says little):
 *
 *		tfidf	sqrt(r) * idf
 *		bm25	r * (K1 + 1) / (K1 * (1 - B + B * length / mean length) + r) * idf
 *
 * with length the sum of a column's ratings, K1 = 100, B = 0.8 (Robertson and
 * Zaragoza, The Probabilistic Relevance Framework, 2009; the constants are
 * those in use for interaction counts).  Ratings must not be negative.
 */
void
ratings_weight(Ratings *ratings, Weighting weighting)
{
	const double k1 = 100;
	const double b = 0.8;
	double *length;
	double total = 0;

	if (weighting == WEIGHT_NONE)
		return;
	length = budget_alloc(&ratings->budget, ratings->n_columns, sizeof(double), "weights");
	for (int64 p = 0; p < ratings->n_ratings; p++)
	{
		if (p % INTERRUPT_RATINGS == 0)
			CHECK_FOR_INTERRUPTS();
		if (ratings->entries[p].value < 0)
			ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
							errmsg("rating %g is negative, weighting needs ratings of at least 0",
								   ratings->entries[p].value)));
		length[ratings->entries[p].column] += ratings->entries[p].value;
		total += ratings->entries[p].value;
	}
	for (int32 row = 0; row < ratings->n_rows; row++)
	{
		double idf;

		if (row % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		idf = log((1.0 + ratings->n_columns) / (1.0 + row_count(ratings, row)));

		for (int64 p = ratings->row_start[row]; p < ratings->row_start[row + 1]; p++)
		{
			double value = ratings->entries[p].value;
			double relative =
				total > 0 ? length[ratings->entries[p].column] / (total / ratings->n_columns) : 0;

			ratings->entries[p].value =
				(float4) (idf * (weighting == WEIGHT_TFIDF
									 ? sqrt(value)
									 : value * (k1 + 1) / (k1 * (1 - b + b * relative) + value)));
		}
	}
	pfree(length);
}
