/*
 * evaluation.c
 *		socrec.evaluate_ratings(): how good methods are on a split of ratings.
 *
 * The ratings are read once.  Each fold is a matrix of the ratings trained on,
 * which is all that a method is fitted to; each method then scores the users that
 * are tested, one after the other, and what is measured of them is added up.
 * Memory of a fold is freed before the next one, that of a method before the next
 * method: all of it comes out of one budget.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "evaluation.h"
#include "keys.h"
#include "socrec.h"

#define MAX_CUTOFF 1000
#define MAX_REPLICATES 100000

/* Arguments; those of the split stand between. */
enum
{
	ARG_QUERY,
	ARG_USER_TYPE,
	ARG_ITEM_TYPE,
	ARG_IS_EXPLICIT,
	ARG_METHODS,
	ARG_METHOD_OPTIONS,
	ARG_SPLIT,
	ARG_CUTOFFS = ARG_SPLIT + SPLIT_ARGS,
	ARG_RELEVANT,
	ARG_REPLICATES,
	ARG_CONFIDENCE,
	ARG_USER_ROWS,
	ARG_PREDICTION_ROWS
};

/* A method with its options, and what was measured of it in all folds. */
typedef struct Contender
{
	const Method *method;
	Jsonb *options;
	Sheet *pooled;
} Contender;

typedef struct Evaluation
{
	ReturnSetInfo *out;
	EvaluationOptions options;
	Ratings *ratings;
	Split *split;
	int32 n_contenders;
	Contender *contenders;
	MemoryContext user_context; /* emptied after every user */
	Progress progress;
} Evaluation;

static int
compare_integers(const void *a, const void *b)
{
	int32 x = *(const int32 *) a;
	int32 y = *(const int32 *) b;

	return x < y ? -1 : x > y;
}

/*
 * Cutoffs, ascending, each once.
 */
static void
parse_cutoffs(ArrayType *array, EvaluationOptions *options)
{
	int32 *cutoffs = (int32 *) ARR_DATA_PTR(array);
	int n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

	if (ARR_NDIM(array) != 1 || ARR_HASNULL(array) || n > MAX_CUTOFFS)
		invalid_argument("cutoffs must be 1 to %d numbers", MAX_CUTOFFS);
	for (int i = 0; i < n; i++)
	{
		if (cutoffs[i] < 1 || cutoffs[i] > MAX_CUTOFF)
			invalid_argument("a cutoff must be between 1 and %d, not %d", MAX_CUTOFF, cutoffs[i]);
		options->cutoffs[i] = cutoffs[i];
	}
	qsort(options->cutoffs, n, sizeof(int32), compare_integers);
	for (int i = 0; i < n; i++)
		if (i == 0 || options->cutoffs[i] != options->cutoffs[i - 1])
			options->cutoffs[options->n_cutoffs++] = options->cutoffs[i];
}

static EvaluationOptions
parse_options(FunctionCallInfo fcinfo)
{
	EvaluationOptions options = {.relevant = NAN};

	options.is_explicit = PG_GETARG_BOOL(ARG_IS_EXPLICIT);
	parse_cutoffs(PG_GETARG_ARRAYTYPE_P(ARG_CUTOFFS), &options);
	if (!PG_ARGISNULL(ARG_RELEVANT))
	{
		options.relevant = PG_GETARG_FLOAT8(ARG_RELEVANT);
		if (!isfinite(options.relevant))
			invalid_argument("relevant must be a finite number, not %g", options.relevant);
		if (!options.is_explicit)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("relevant is for explicit ratings"),
							errhint("Of implicit feedback everything tested is relevant.")));
	}
	options.replicates = PG_GETARG_INT32(ARG_REPLICATES);
	if (options.replicates < 0 || options.replicates > MAX_REPLICATES)
		invalid_argument("replicates must be between 0 and %d, not %d", MAX_REPLICATES,
						 options.replicates);
	options.confidence = PG_GETARG_FLOAT8(ARG_CONFIDENCE);
	if (!(options.confidence > 0 && options.confidence < 1))
		invalid_argument("confidence must be above 0 and below 1, not %g", options.confidence);
	options.user_rows = PG_GETARG_BOOL(ARG_USER_ROWS);
	options.prediction_rows = PG_GETARG_BOOL(ARG_PREDICTION_ROWS);
	return options;
}

/*
 * The methods and their options, of which there must be as many.
 */
static void
parse_contenders(Evaluation *evaluation, ArrayType *methods, ArrayType *options)
{
	Datum *names;
	Datum *jsons;
	int n_options;
	int n;

	if (ARR_NDIM(methods) > 1 || ARR_NDIM(options) > 1 || ARR_HASNULL(methods) ||
		ARR_HASNULL(options))
		invalid_argument("methods and method_options must be plain lists without nulls");
	deconstruct_array(methods, TEXTOID, -1, false, TYPALIGN_INT, &names, NULL, &n);
	deconstruct_array(options, JSONBOID, -1, false, TYPALIGN_INT, &jsons, NULL, &n_options);
	if (n == 0 || n != n_options)
		invalid_argument("methods and method_options must be as many, and at least one, not %d "
						 "and %d",
						 n, n_options);
	evaluation->n_contenders = n;
	evaluation->contenders = palloc0(n * sizeof(Contender));
	for (int i = 0; i < n; i++)
	{
		char *name = TextDatumGetCString(names[i]);

		evaluation->contenders[i].method = method_find(name);
		if (evaluation->contenders[i].method == NULL)
			invalid_argument("unknown method \"%s\"", name);
		evaluation->contenders[i].options = DatumGetJsonbP(jsons[i]);
	}
}

/*
 * Was a prediction made by the method itself?  Where a model has no prediction of
 * its own, the fallback is its way to predict: popular has only the baseline.
 */
static bool
is_own(const Method *method, const char *source)
{
	return strcmp(source, method->name) == 0 ||
		   (strcmp(method->name, "popular") == 0 && strcmp(source, "baseline") == 0);
}

/*
 * Predict a user's tested ratings, and add up the errors by segment.
 */
static void
measure_predictions(const Evaluation *evaluation, const Contender *contender, void *fitted,
					const TestUser *test, UserResult *result, MethodPrediction *predictions)
{
	int32 *columns = palloc(test->n * sizeof(int32));

	for (int32 i = 0; i < test->n; i++)
		columns[i] = test->tested[i].column;
	contender->method->predict(fitted, &test->known, columns, test->n, predictions);
	for (int32 i = 0; i < test->n; i++)
	{
		double error = test->tested[i].value - predictions[i].value;
		double sums[N_ERROR_METRICS] = {error * error, fabs(error),
										is_own(contender->method, predictions[i].source)};
		bool is_cold_item = test->tested[i].column < 0;
		bool counts[N_SEGMENTS] = {true, !test->is_cold && !is_cold_item, test->is_cold,
								   is_cold_item};

		for (Segment segment = 0; segment < N_SEGMENTS; segment++)
		{
			if (!counts[segment])
				continue;
			result->n_predictions[segment]++;
			for (int metric = 0; metric < N_ERROR_METRICS; metric++)
				result->error[segment][metric] += sums[metric];
		}
	}
}

/*
 * Let a fitted method serve all users of a fold, and measure it.
 */
static void
measure_users(Evaluation *evaluation, int32 number, const Fold *fold, void *fitted, Sheet *sheet,
			  Budget *budget)
{
	const EvaluationOptions *options = &evaluation->options;
	const Contender *contender = &evaluation->contenders[number];
	ListWork *work = lists_prepare(fold, options, budget);
	TestUser *test = fold_test_user(fold, budget);

	for (int32 user = 0; user < fold->n_users; user++)
	{
		MemoryContext old = MemoryContextSwitchTo(evaluation->user_context);
		UserResult result = {0};

		CHECK_FOR_INTERRUPTS();
		fold_read_user(fold, user, test);
		result.is_cold = test->is_cold;
		contender->method->score(fitted, &test->known, work->scores);
		lists_measure(work, fold, options, user, test, &result);
		if (options->is_explicit)
		{
			MethodPrediction *predictions = palloc0(test->n * sizeof(MethodPrediction));

			measure_predictions(evaluation, contender, fitted, test, &result, predictions);
			if (options->prediction_rows)
				report_predictions(evaluation->out, fold, number + 1, test, predictions);
		}
		if (options->user_rows)
			report_user(evaluation->out, options, fold, number + 1, test, &result);
		sheet_add(sheet, test->row, &result);
		MemoryContextSwitchTo(old);
		MemoryContextReset(evaluation->user_context);
		if (user % 64 == 0)
			progress_report(&evaluation->progress, "fold %d of %d, %s: %d of %d users",
							fold->number + 1, evaluation->split->n_folds, contender->method->name,
							user, fold->n_users);
	}
	lists_finish(work, fold, options, sheet->catalog);
}

/*
 * Fit a method to a fold and measure it; the sheet gets what was measured.
 */
static void
measure_method(Evaluation *evaluation, int32 number, const Fold *fold, Sheet *sheet)
{
	const Contender *contender = &evaluation->contenders[number];
	TimestampTz started = GetCurrentTimestamp();
	TimestampTz fitted_at;
	Budget budget;
	void *fitted;

	budget_part(&budget, &fold->budget);
	progress_report(&evaluation->progress, "fold %d of %d, fitting %s", fold->number + 1,
					evaluation->split->n_folds, contender->method->name);
	fitted = contender->method->fit(fold->train, evaluation->options.is_explicit,
									contender->options, &budget, &evaluation->progress);
	fitted_at = GetCurrentTimestamp();
	sheet_clear(sheet);
	measure_users(evaluation, number, fold, fitted, sheet, &budget);
	sheet->n_folds = 1;
	sheet->fit_seconds = (fitted_at - started) / 1e6;
	sheet->scoring_seconds = (GetCurrentTimestamp() - fitted_at) / 1e6;
	MemoryContextDelete(budget.context);
	ereport(DEBUG1, (errmsg_internal("socrec: fold %d: fitted %s in %.3f s, measured %d users in "
									 "%.3f s",
									 fold->number + 1, contender->method->name, sheet->fit_seconds,
									 fold->n_users, sheet->scoring_seconds)));
}

/*
 * All folds, all methods.  Of a single fold, its metrics are also those of all.
 */
static void
evaluate(Evaluation *evaluation)
{
	Budget *budget = &evaluation->ratings->budget;
	int32 n_rows = evaluation->ratings->n_rows;
	int32 n_folds = evaluation->split->n_folds;
	Sheet *sheet = sheet_create(&evaluation->options, n_rows, budget);
	Fold fold;

	for (int i = 0; i < evaluation->n_contenders && n_folds > 1; i++)
		evaluation->contenders[i].pooled = sheet_create(&evaluation->options, n_rows, budget);
	for (int32 number = 0; number < n_folds; number++)
	{
		fold_open(&fold, evaluation->ratings, evaluation->split, number, &evaluation->options,
				  budget);
		report_fold(evaluation->out, &fold, &evaluation->options);
		for (int i = 0; i < evaluation->n_contenders; i++)
		{
			measure_method(evaluation, i, &fold, sheet);
			sheet_estimate(sheet);
			report_sheet(evaluation->out, sheet, number + 1, i + 1);
			if (n_folds == 1)
				report_sheet(evaluation->out, sheet, 0, i + 1);
			else
				sheet_pool(evaluation->contenders[i].pooled, sheet);
		}
		fold_close(&fold);
	}
	for (int i = 0; i < evaluation->n_contenders && n_folds > 1; i++)
	{
		sheet_estimate(evaluation->contenders[i].pooled);
		report_sheet(evaluation->out, evaluation->contenders[i].pooled, 0, i + 1);
	}
}

/*
 * evaluate_ratings(query, user_type, item_type, is_explicit, methods,
 * method_options, split, test_fraction, folds, n, seed, cutoffs, relevant,
 * replicates, confidence, user_rows, prediction_rows) measures methods on a split
 * of the ratings of a query (user, item[, rating[, time]]).  method_options are
 * complete, as from socrec.model_options().  Its rows are described in
 * docs/evaluation.md.
 *
 * Errors: those of ratings_load_timed(), of the split and of the methods; arguments
 * out of range; keys of other types than those named.
 */
PG_FUNCTION_INFO_V1(socrec_evaluate_ratings);
Datum
socrec_evaluate_ratings(PG_FUNCTION_ARGS)
{
	Evaluation evaluation = {.out = (ReturnSetInfo *) fcinfo->resultinfo};
	SplitOptions split_options;
	Ratings *ratings;
	TupleDesc desc;

	for (int arg = 0; arg < PG_NARGS(); arg++)
		if (PG_ARGISNULL(arg) && arg != ARG_USER_TYPE && arg != ARG_ITEM_TYPE &&
			arg != ARG_RELEVANT && !(arg >= ARG_SPLIT && arg < ARG_SPLIT + SPLIT_ARGS))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("argument %d must not be null", arg + 1)));
	evaluation.options = parse_options(fcinfo);
	split_options = split_arguments(fcinfo, ARG_SPLIT);
	evaluation.options.seed = split_options.seed;
	parse_contenders(&evaluation, PG_GETARG_ARRAYTYPE_P(ARG_METHODS),
					 PG_GETARG_ARRAYTYPE_P(ARG_METHOD_OPTIONS));
	InitMaterializedSRF(fcinfo, 0);
	desc = evaluation.out->setDesc;
	evaluation.user_context =
		AllocSetContextCreate(CurrentMemoryContext, "socrec user", ALLOCSET_DEFAULT_SIZES);

	progress_start(&evaluation.progress, "evaluation");
	PG_TRY();
	{
		ratings =
			ratings_load_timed(text_to_cstring(PG_GETARG_TEXT_PP(ARG_QUERY)), &evaluation.progress);
		ratings->budget.task = "evaluating";
		evaluation.ratings = ratings;
		evaluation.split = split_ratings(ratings, &split_options, &ratings->budget);
		keys_check_type(ratings->row_type, "user", TupleDescAttr(desc, OUT_USER)->atttypid);
		keys_check_type(ratings->column_type, "item", TupleDescAttr(desc, OUT_ITEM)->atttypid);
		evaluate(&evaluation);
	}
	PG_FINALLY();
	{
		progress_end(&evaluation.progress);
	}
	PG_END_TRY();
	MemoryContextDelete(evaluation.user_context);
	ratings_free(ratings);
	return (Datum) 0;
}
