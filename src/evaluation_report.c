/*
 * evaluation_report.c
 *		The rows that an evaluation returns.
 *
 * Four kinds: fold, what a fold is made of; metric, a metric of a method; user,
 * what was measured of one user; prediction, one predicted rating.
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "evaluation.h"
#include "keys.h"

static const char *const segment_names[] = {"all", "warm", "cold_users", "cold_items"};
static const char *const ranking_names[] = {"precision",   "recall", "hit_rate", "ndcg",
											"graded_ndcg", "map",    "mrr"};
static const char *const list_names[] = {"user_coverage", "novelty",     "popularity",
										 "diversity",     "serendipity", "short_lists"};
static const char *const catalog_names[] = {"catalog_coverage", "gini", "repeated_lists"};
static const char *const error_names[] = {"mse", "mae", "coverage"};

/* A row while it is filled: NULL where nothing was put. */
typedef struct Row
{
	Datum values[N_OUT];
	bool nulls[N_OUT];
} Row;

static void
row_start(Row *row, const char *kind, int32 fold, int32 method)
{
	memset(row->nulls, true, sizeof(row->nulls));
	row->values[OUT_KIND] = CStringGetTextDatum(kind);
	row->nulls[OUT_KIND] = false;
	row->values[OUT_FOLD] = Int32GetDatum(fold);
	row->nulls[OUT_FOLD] = fold == 0;
	row->values[OUT_METHOD] = Int32GetDatum(method);
	row->nulls[OUT_METHOD] = method == 0;
}

static void
row_put(Row *row, int column, Datum value)
{
	row->values[column] = value;
	row->nulls[column] = false;
}

/*
 * NaN is NULL.
 */
static void
row_put_number(Row *row, int column, double value)
{
	row->values[column] = Float8GetDatum(value);
	row->nulls[column] = isnan(value);
}

static void
row_write(ReturnSetInfo *out, Row *row)
{
	tuplestore_putvalues(out->setResult, out->setDesc, row->values, row->nulls);
}

/*
 * A row of kind metric or fold: cutoff 0 is none, n < 0 is NULL.
 */
static void
put_metric(ReturnSetInfo *out, const char *kind, int32 fold, int32 method, Segment segment,
		   const char *metric, int32 cutoff, Estimate estimate, double n)
{
	Row row;

	row_start(&row, kind, fold, method);
	row_put(&row, OUT_SEGMENT, CStringGetTextDatum(segment_names[segment]));
	row_put(&row, OUT_METRIC, CStringGetTextDatum(metric));
	if (cutoff > 0)
		row_put(&row, OUT_CUTOFF, Int32GetDatum(cutoff));
	row_put_number(&row, OUT_VALUE, estimate.value);
	row_put_number(&row, OUT_LOW, estimate.low);
	row_put_number(&row, OUT_HIGH, estimate.high);
	if (n >= 0)
		row_put(&row, OUT_N, Int64GetDatum((int64) n));
	row_write(out, &row);
}

static Estimate
plain(double value)
{
	return (Estimate){value, NAN, NAN};
}

/*
 * The metrics that come of the mean squared error of n predictions: M, which is
 * its sum, and the root.
 */
static void
put_squared_errors(ReturnSetInfo *out, int32 fold, int32 method, Segment segment, Estimate mse,
				   double n)
{
	Estimate sse = {mse.value * n, mse.low * n, mse.high * n};
	Estimate rmse = {sqrt(mse.value), sqrt(mse.low), sqrt(mse.high)};

	put_metric(out, "metric", fold, method, segment, "sse", 0, sse, n);
	put_metric(out, "metric", fold, method, segment, "mse", 0, mse, n);
	put_metric(out, "metric", fold, method, segment, "rmse", 0, rmse, n);
}

/*
 * All metrics of a method, in a fold (from 1) or in all of them (0), of a sheet
 * that has been estimated.  Where there is no user or rating of a segment, there
 * is no row.  Metrics of all lists together have no interval; of several folds
 * they are means.
 */
void
report_sheet(ReturnSetInfo *out, const Sheet *sheet, int32 fold, int32 method)
{
	const EvaluationOptions *options = sheet->options;

	for (int32 c = 0; c < sheet->n_columns; c++)
	{
		const SheetColumn *column = &sheet->columns[c];
		Estimate estimate = sheet->estimates[c];
		double n = sheet->totals[c].denominator;
		int32 cutoff = 0;
		const char *name = "auc";

		if (n == 0)
			continue;
		if (column->group == GROUP_ERROR && column->metric == ERROR_SQUARED)
		{
			put_squared_errors(out, fold, method, column->segment, estimate, n);
			continue;
		}
		if (column->group == GROUP_ERROR)
			name = error_names[column->metric];
		else if (column->group != GROUP_AUC)
		{
			name = column->group == GROUP_RANKING ? ranking_names[column->metric]
												  : list_names[column->metric];
			cutoff = options->cutoffs[column->cutoff];
		}
		put_metric(out, "metric", fold, method, column->segment, name, cutoff, estimate, n);
	}
	for (int i = 0; i < options->n_cutoffs; i++)
		for (int metric = 0; metric < N_CATALOG_METRICS; metric++)
			put_metric(out, "metric", fold, method, SEGMENT_ALL, catalog_names[metric],
					   options->cutoffs[i], plain(sheet->catalog[i][metric] / sheet->n_folds), -1);
	put_metric(out, "metric", fold, method, SEGMENT_ALL, "fit_seconds", 0,
			   plain(sheet->fit_seconds), -1);
	put_metric(out, "metric", fold, method, SEGMENT_ALL, "scoring_seconds", 0,
			   plain(sheet->scoring_seconds), -1);
}

/*
 * What a fold is made of.
 */
void
report_fold(ReturnSetInfo *out, const Fold *fold, const EvaluationOptions *options)
{
	const Ratings *train = fold->train;
	int32 number = fold->number + 1;

#define PUT(segment, metric, value, n)                                                             \
	put_metric(out, "fold", number, 0, segment, metric, 0, plain(value), n)
	PUT(SEGMENT_ALL, "train_ratings", train->n_ratings, -1);
	PUT(SEGMENT_ALL, "train_users", train->n_rows, -1);
	PUT(SEGMENT_ALL, "train_items", train->n_columns, -1);
	PUT(SEGMENT_ALL, "test_ratings", fold->n_tested, -1);
	PUT(SEGMENT_ALL, "test_users", fold->n_users, -1);
	if (options->is_explicit)
		PUT(SEGMENT_ALL, "relevant", fold->relevant, -1);
	PUT(SEGMENT_WARM, "share", (double) fold->n_warm / fold->n_tested, fold->n_tested);
	PUT(SEGMENT_COLD_USERS, "share", (double) fold->n_cold_users / fold->n_users, fold->n_users);
	PUT(SEGMENT_COLD_ITEMS, "share", (double) fold->n_cold_items / fold->n_tested, fold->n_tested);
#undef PUT
}

static void
put_user(Row *row, const Fold *fold, const TestUser *test)
{
	const Ratings *ratings = fold->ratings;

	row_put(row, OUT_USER, keys_datum(ratings->row_keys[test->row], ratings->row_type));
}

/*
 * What was measured of one user, a row for each cutoff.
 */
void
report_user(ReturnSetInfo *out, const EvaluationOptions *options, const Fold *fold, int32 method,
			const TestUser *test, const UserResult *result)
{
	Row row;

	row_start(&row, "user", fold->number + 1, method);
	put_user(&row, fold, test);
	row_put(&row, OUT_SEGMENT,
			CStringGetTextDatum(segment_names[test->is_cold ? SEGMENT_COLD_USERS : SEGMENT_WARM]));
	row_put(&row, OUT_RELEVANT, Int32GetDatum(test->n_relevant));
	row_put_number(&row, OUT_AUC, result->auc);
	if (options->is_explicit)
	{
		row_put_number(&row, OUT_SQUARED, result->error[SEGMENT_ALL][ERROR_SQUARED]);
		row_put_number(&row, OUT_ABSOLUTE, result->error[SEGMENT_ALL][ERROR_ABSOLUTE]);
		row_put(&row, OUT_PREDICTIONS, Int32GetDatum(result->n_predictions[SEGMENT_ALL]));
	}
	for (int i = 0; i < options->n_cutoffs; i++)
	{
		row_put(&row, OUT_CUTOFF, Int32GetDatum(options->cutoffs[i]));
		for (int metric = 0; metric < N_RANKING_METRICS; metric++)
			row_put_number(&row, OUT_RANKING + metric, result->ranking[0][i][metric]);
		row_write(out, &row);
	}
}

/*
 * The predictions of a user's tested ratings, in their order.
 */
void
report_predictions(ReturnSetInfo *out, const Fold *fold, int32 method, const TestUser *test,
				   const MethodPrediction *predictions)
{
	const Ratings *ratings = fold->ratings;
	Row row;

	row_start(&row, "prediction", fold->number + 1, method);
	put_user(&row, fold, test);
	for (int32 i = 0; i < test->n; i++)
	{
		const TestRating *tested = &test->tested[i];
		Segment segment = tested->column < 0 ? SEGMENT_COLD_ITEMS
						  : test->is_cold    ? SEGMENT_COLD_USERS
											 : SEGMENT_WARM;

		row_put(&row, OUT_SEGMENT, CStringGetTextDatum(segment_names[segment]));
		row_put(&row, OUT_ITEM,
				keys_datum(ratings->column_keys[tested->whole_column], ratings->column_type));
		row_put_number(&row, OUT_ACTUAL, tested->value);
		row_put_number(&row, OUT_PREDICTED, predictions[i].value);
		row_put(&row, OUT_SOURCE, CStringGetTextDatum(predictions[i].source));
		row_write(out, &row);
	}
}
