/*
 * split.c
 *		Which ratings a method may learn from, and which it is tested on; also as
 *		socrec.split_ratings().
 *
 * What a split is made of is one byte a rating: the fold in which the rating is
 * tested.  Chance is drawn in the order of the matrix, which follows from the
 * ratings alone, so a seed gives the same folds in whatever order rows arrive.
 */
#include "postgres.h"

#include <math.h>

#include "common/pg_prng.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "keys.h"
#include "quickselect.h"
#include "ratings.h"
#include "socrec.h"
#include "split.h"

#define MAX_FOLDS 200
#define DEFAULT_FOLDS 5
#define DEFAULT_TEST_FRACTION 0.2

/* Rows between two looks for a cancel request. */
#define INTERRUPT_ROWS 1024

static const char *const split_names[] = {
	"global_time", "random", "leave_last_out", "user_k_fold", "strong_generalization", NULL};

const char *const split_part_names[] = {"train", "test", "profile"};

/*
 * Folds, when the split has them; 1 is a single test side.
 */
static int32
parse_folds(FunctionCallInfo fcinfo, int arg, SplitKind kind)
{
	bool has_folds = kind != SPLIT_GLOBAL_TIME && kind != SPLIT_LEAVE_LAST_OUT;
	int32 least = kind == SPLIT_RANDOM ? 1 : 2;
	int32 folds;

	if (PG_ARGISNULL(arg))
		return has_folds ? DEFAULT_FOLDS : 1;
	folds = PG_GETARG_INT32(arg);
	if (!has_folds && folds != 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("split %s has one fold, not %d", split_names[kind], folds),
						errhint("Folds are for random, user_k_fold and strong_generalization.")));
	if (has_folds && (folds < least || folds > MAX_FOLDS))
		invalid_argument("folds must be between %d and %d for split %s, not %d", least, MAX_FOLDS,
						 split_names[kind], folds);
	return folds;
}

/*
 * The options from SQL arguments split, test_fraction, folds, n, seed, the first
 * and the last not NULL.
 */
SplitOptions
split_arguments(FunctionCallInfo fcinfo, int first)
{
	SplitOptions options = {.test_fraction = DEFAULT_TEST_FRACTION};
	bool has_fraction = !PG_ARGISNULL(first + 1);
	bool has_n = !PG_ARGISNULL(first + 3);
	bool by_user;

	if (PG_ARGISNULL(first) || PG_ARGISNULL(first + 4))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("split and seed must not be null")));
	options.kind = choice_argument("split", text_to_cstring(PG_GETARG_TEXT_PP(first)), split_names);
	options.folds = parse_folds(fcinfo, first + 2, options.kind);
	options.seed = (uint64) PG_GETARG_INT64(first + 4);
	by_user = options.kind != SPLIT_GLOBAL_TIME && options.kind != SPLIT_RANDOM;

	if (has_fraction)
	{
		options.test_fraction = PG_GETARG_FLOAT8(first + 1);
		if (!(options.test_fraction > 0 && options.test_fraction < 1))
			invalid_argument("test_fraction must be above 0 and below 1, not %g",
							 options.test_fraction);
		if (options.kind == SPLIT_RANDOM && options.folds > 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a random split into %d folds takes no test_fraction", options.folds),
					 errhint("With folds => 1 there is a single test side.")));
	}
	if (has_n)
	{
		options.n = PG_GETARG_INT32(first + 3);
		if (!by_user)
			invalid_argument("split %s takes no n", split_names[options.kind]);
		if (has_fraction)
			invalid_argument("n and test_fraction cannot be combined");
		if (options.n < 1)
			invalid_argument("n must be at least 1, not %d", options.n);
	}
	else if (options.kind == SPLIT_LEAVE_LAST_OUT && !has_fraction)
		options.n = 1;
	return options;
}

/*
 * Things dealt into groups of given sizes by chance.  Each goes to a group with a
 * probability proportional to the room left there, which is what a random
 * permutation does, without the memory for one.
 */
typedef struct Deal
{
	pg_prng_state *random;
	int64 room[MAX_FOLDS];
	int64 total;
} Deal;

/*
 * Equal groups, the first ones larger by one when it does not come out even.
 */
static void
deal_evenly(Deal *deal, int64 n, int32 groups, pg_prng_state *random)
{
	deal->random = random;
	deal->total = n;
	for (int32 group = 0; group < groups; group++)
		deal->room[group] = n / groups + (group < n % groups);
}

static uint8
deal_one(Deal *deal)
{
	uint64 at = pg_prng_uint64_range(deal->random, 0, deal->total - 1);
	int32 group = 0;

	while (at >= (uint64) deal->room[group])
		at -= deal->room[group++];
	deal->room[group]--;
	deal->total--;
	return group;
}

/*
 * How many of n are a fraction: rounded, but neither none nor all.
 */
static int64
part_of(int64 n, double fraction)
{
	return Max(1, Min(n - 1, (int64) rint(fraction * n)));
}

/*
 * Every rating into one of the folds; or, of one fold, test_fraction of the
 * ratings into its test side.
 */
static void
split_random(const Ratings *ratings, const SplitOptions *options, Split *split)
{
	pg_prng_state random;
	Deal deal;
	int64 n = ratings->n_ratings;

	pg_prng_seed(&random, options->seed);
	deal_evenly(&deal, n, split->n_folds, &random);
	if (split->n_folds == 1)
	{
		/* The second group is tested in fold 1, which there is not. */
		deal.room[0] = part_of(n, options->test_fraction);
		deal.room[1] = n - deal.room[0];
	}
	for (int64 p = 0; p < n; p++)
	{
		if (p % 1048576 == 0)
			CHECK_FOR_INTERRUPTS();
		split->test_fold[p] = deal_one(&deal);
	}
}

/*
 * The last test_fraction of all ratings by time.  Ratings of one instant stay
 * together: on the test side, or on the other when nothing else would be there.
 */
static void
split_global_time(const Ratings *ratings, const SplitOptions *options, Split *split, Budget *budget)
{
	int64 n = ratings->n_ratings;
	double *times = budget_alloc(budget, n, sizeof(double), "times");
	double first = ratings->times[0];
	double last = ratings->times[0];
	double cut;

	for (int64 p = 0; p < n; p++)
	{
		first = Min(first, ratings->times[p]);
		last = Max(last, ratings->times[p]);
	}
	if (first == last)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("all ratings have the same time, which split global_time cannot "
							   "divide")));
	memcpy(times, ratings->times, n * sizeof(double));
	cut = quickselect(times, n, n - part_of(n, options->test_fraction));
	pfree(times);
	for (int64 p = 0; p < n; p++)
	{
		double time = ratings->times[p];

		split->test_fold[p] = (cut > first ? time >= cut : time > first) ? 0 : 1;
	}
}

/* A rating of a user, where the user's last ones are looked for. */
typedef struct Occurrence
{
	double time;
	uint64 chance; /* decides between equal times */
	int32 place;
} Occurrence;

static int
compare_occurrences(const void *a, const void *b)
{
	const Occurrence *x = a;
	const Occurrence *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->chance < y->chance ? -1 : x->chance > y->chance;
}

/*
 * Test a user's last ratings in a fold, n of them or test_fraction; without times
 * any of them.  Users with no more than that stay as they are.
 */
static void
test_last(const Ratings *ratings, const SplitOptions *options, Split *split, int32 row, uint8 fold,
		  Occurrence *work, pg_prng_state *random)
{
	int64 start = ratings->row_start[row];
	int64 count = ratings->row_start[row + 1] - start;
	int64 tested = options->n > 0 ? options->n : part_of(count, options->test_fraction);

	if (count < 2 || tested >= count)
		return;
	for (int64 i = 0; i < count; i++)
		work[i] = (Occurrence){.time = ratings->times != NULL ? ratings->times[start + i] : 0,
							   .chance = pg_prng_uint64(random),
							   .place = (int32) i};
	qsort(work, count, sizeof(Occurrence), compare_occurrences);
	for (int64 i = count - tested; i < count; i++)
		split->test_fold[start + work[i].place] = fold;
}

/*
 * Splits that test some users' last ratings: of all users, or of those of the
 * fold.
 */
static void
split_by_user(const Ratings *ratings, const SplitOptions *options, Split *split, Budget *budget)
{
	pg_prng_state random;
	Deal deal;
	int64 longest = 0;
	Occurrence *work;

	pg_prng_seed(&random, options->seed);
	deal_evenly(&deal, ratings->n_rows, split->n_folds, &random);
	memset(split->test_fold, split->n_folds, ratings->n_ratings);
	for (int32 row = 0; row < ratings->n_rows; row++)
		longest = Max(longest, ratings->row_start[row + 1] - ratings->row_start[row]);
	work = budget_alloc(budget, longest, sizeof(Occurrence), "splits");
	if (options->kind == SPLIT_STRONG_GENERALIZATION)
		split->user_fold = budget_alloc(budget, ratings->n_rows, 1, "splits");
	for (int32 row = 0; row < ratings->n_rows; row++)
	{
		uint8 fold = split->n_folds > 1 ? deal_one(&deal) : 0;

		if (row % INTERRUPT_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		if (split->user_fold != NULL)
			split->user_fold[row] = fold;
		test_last(ratings, options, split, row, fold, work, &random);
	}
	pfree(work);
}

/*
 * Refuse folds in which nothing is tested, or nothing is learned.
 */
static void
check_split(const Ratings *ratings, const SplitOptions *options, const Split *split)
{
	int64 tested[MAX_FOLDS + 1] = {0};

	for (int64 p = 0; p < ratings->n_ratings; p++)
		tested[split->test_fold[p]]++;
	for (int32 fold = 0; fold < split->n_folds; fold++)
		if (tested[fold] == 0)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("split %s leaves nothing to test in fold %d of %d",
								   split_names[options->kind], fold + 1, split->n_folds),
							errdetail("There are " INT64_FORMAT " ratings of %d users.",
									  ratings->n_ratings, ratings->n_rows),
							errhint("Give more ratings, or ask for fewer folds.")));
}

/*
 * Divide ratings.  What is returned lies in the budget's context.
 *
 * Errors: no times where the split needs them; too few ratings or users for the
 * folds; a fold without a test side.
 */
Split *
split_ratings(const Ratings *ratings, const SplitOptions *options, Budget *budget)
{
	Split *split = budget_alloc(budget, 1, sizeof(Split), "splits");
	bool by_user = options->kind != SPLIT_GLOBAL_TIME && options->kind != SPLIT_RANDOM;
	int64 divided = by_user ? ratings->n_rows : ratings->n_ratings;

	if (ratings->times == NULL &&
		(options->kind == SPLIT_GLOBAL_TIME || options->kind == SPLIT_LEAVE_LAST_OUT))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("split %s needs the times of ratings", split_names[options->kind]),
						errhint("Return the time as the query's fourth column, or use a split "
								"without times, such as random.")));
	if (options->folds > divided || ratings->n_ratings < 2)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg(INT64_FORMAT " ratings of %d users cannot be divided by split %s "
											"into folds: %d",
							   ratings->n_ratings, ratings->n_rows, split_names[options->kind],
							   options->folds)));
	split->n_folds = options->folds;
	split->test_fold = budget_alloc(budget, ratings->n_ratings, 1, "splits");
	if (options->kind == SPLIT_RANDOM)
		split_random(ratings, options, split);
	else if (options->kind == SPLIT_GLOBAL_TIME)
		split_global_time(ratings, options, split, budget);
	else
		split_by_user(ratings, options, split, budget);
	check_split(ratings, options, split);
	return split;
}

/*
 * What every rating is for in one fold: labels[p] becomes a SplitPart.
 */
void
split_fold(const Ratings *ratings, const Split *split, int32 fold, uint8 *labels)
{
	for (int32 row = 0; row < ratings->n_rows; row++)
	{
		bool untrained = split->user_fold != NULL && split->user_fold[row] == fold;

		if (row % INTERRUPT_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		for (int64 p = ratings->row_start[row]; p < ratings->row_start[row + 1]; p++)
			labels[p] = split->test_fold[p] == fold ? PART_TEST
						: untrained                 ? PART_PROFILE
													: PART_TRAIN;
	}
}

static void
put_fold(ReturnSetInfo *result, const Ratings *ratings, int32 fold, const uint8 *labels)
{
	Datum parts[lengthof(split_part_names)];

	for (int i = 0; i < lengthof(parts); i++)
		parts[i] = CStringGetTextDatum(split_part_names[i]);
	for (int32 row = 0; row < ratings->n_rows; row++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int64 p = ratings->row_start[row]; p < ratings->row_start[row + 1]; p++)
		{
			const KnnEntry *entry = &ratings->entries[p];
			Datum values[] = {keys_datum(ratings->row_keys[row], ratings->row_type),
							  keys_datum(ratings->column_keys[entry->column], ratings->column_type),
							  Float4GetDatum(entry->value), Int32GetDatum(fold + 1),
							  parts[labels[p]]};
			bool nulls[lengthof(values)] = {0};

			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
	}
}

/*
 * split_ratings(query, user_type, item_type, split, test_fraction, folds, n, seed)
 * returns every rating of a query (user, item[, rating[, time]]) once for each
 * fold, with the part that it has there: train, test or profile.
 *
 * Errors: those of ratings_load_timed(), of split_arguments() and of the split;
 * keys of other types than those named.
 */
PG_FUNCTION_INFO_V1(socrec_split_ratings);
Datum
socrec_split_ratings(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	SplitOptions options = split_arguments(fcinfo, 3);
	Progress progress;
	Ratings *ratings;
	Split *split;
	uint8 *labels;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("query must not be null")));
	InitMaterializedSRF(fcinfo, 0);
	progress_start(&progress, "split");
	PG_TRY();
	{
		ratings = ratings_load_timed(text_to_cstring(PG_GETARG_TEXT_PP(0)), &progress);
		ratings->budget.task = "splitting";
		split = split_ratings(ratings, &options, &ratings->budget);
		keys_check_type(ratings->row_type, "user", TupleDescAttr(result->setDesc, 0)->atttypid);
		keys_check_type(ratings->column_type, "item", TupleDescAttr(result->setDesc, 1)->atttypid);
		labels = budget_alloc(&ratings->budget, ratings->n_ratings, 1, "splits");
		for (int32 fold = 0; fold < split->n_folds; fold++)
		{
			split_fold(ratings, split, fold, labels);
			put_fold(result, ratings, fold, labels);
			progress_report(&progress, "%d of %d folds written", fold + 1, split->n_folds);
		}
	}
	PG_FINALLY();
	{
		progress_end(&progress);
	}
	PG_END_TRY();
	ratings_free(ratings);
	return (Datum) 0;
}
