/*
 * intervals.c
 *		Aggregates over users, bootstrap_interval and paired_test, and the interval of
 *		a proportion.
 *
 * Options of the state: replicates, confidence, and the bits of the seed.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/float.h"

#include "bootstrap.h"
#include "distribution.h"
#include "lists.h"
#include "socrec.h"

#define DEFAULT_REPLICATES 1000
#define DEFAULT_CONFIDENCE 0.95
#define DEFAULT_SEED 0
#define MAX_REPLICATES 1000000

typedef struct BootstrapOptions
{
	int32 replicates;
	float8 confidence;
	int64 seed;
} BootstrapOptions;

/*
 * Options as the state has them, from three arguments, or the usual ones when
 * these are not there.
 */
static void
get_options(FunctionCallInfo fcinfo, int argument, double *options)
{
	BootstrapOptions given = {DEFAULT_REPLICATES, DEFAULT_CONFIDENCE, DEFAULT_SEED};

	if (PG_NARGS() > argument)
	{
		for (int i = argument; i < argument + 3; i++)
			if (PG_ARGISNULL(i))
				ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
								errmsg("replicates, confidence and seed must not be null")));
		given.replicates = PG_GETARG_INT32(argument);
		given.confidence = PG_GETARG_FLOAT8(argument + 1);
		given.seed = PG_GETARG_INT64(argument + 2);
	}
	if (given.replicates < 1 || given.replicates > MAX_REPLICATES)
		invalid_argument("replicates %d is not between 1 and %d", given.replicates, MAX_REPLICATES);
	if (!(given.confidence > 0 && given.confidence < 1))
		invalid_argument("confidence %g is not between 0 and 1", given.confidence);
	options[0] = given.replicates;
	options[1] = given.confidence;
	memcpy(&options[2], &given.seed, sizeof(double));
}

/*
 * The options of a state, which may be made by hand.
 */
static BootstrapOptions
state_options(const Lists *lists)
{
	BootstrapOptions options;

	if (!(lists->options[0] >= 1 && lists->options[0] <= MAX_REPLICATES && lists->options[1] > 0 &&
		  lists->options[1] < 1))
		invalid_argument("aggregate state has no replicates and confidence");
	options.replicates = (int32) lists->options[0];
	options.confidence = lists->options[1];
	memcpy(&options.seed, &lists->options[2], sizeof(double));
	return options;
}

static float8
get_value(FunctionCallInfo fcinfo, int argument)
{
	float8 value = PG_GETARG_FLOAT8(argument);

	if (!isfinite(value))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("value %g must be finite", value)));
	return value;
}

/*
 * Transition: (state, value [, replicates, confidence, seed]).
 */
PG_FUNCTION_INFO_V1(socrec_value_accumulate);
Datum
socrec_value_accumulate(PG_FUNCTION_ARGS)
{
	double options[LISTS_OPTIONS];
	Lists *lists;

	get_options(fcinfo, 2, options);
	if (PG_ARGISNULL(1))
		LISTS_RETURN_UNCHANGED();
	lists = lists_for_update(fcinfo, options);
	lists_append(lists, 0, get_value(fcinfo, 1));
	PG_RETURN_LISTS(lists);
}

/*
 * Transition of ratios and of pairs: (state, a, b [, replicates, confidence,
 * seed]).  A pair with a NULL is skipped.
 */
PG_FUNCTION_INFO_V1(socrec_pair_accumulate);
Datum
socrec_pair_accumulate(PG_FUNCTION_ARGS)
{
	double options[LISTS_OPTIONS];
	Lists *lists;

	get_options(fcinfo, 3, options);
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		LISTS_RETURN_UNCHANGED();
	lists = lists_for_update(fcinfo, options);
	lists_append(lists, 0, get_value(fcinfo, 1));
	lists_append(lists, 1, get_value(fcinfo, 2));
	PG_RETURN_LISTS(lists);
}

/*
 * A row of the result type: n_numbers numbers, of which NaN becomes NULL, and
 * what else there is.
 */
static Datum
make_row(FunctionCallInfo fcinfo, const double *numbers, int n_numbers, int64 n)
{
	TupleDesc desc;
	Datum values[6];
	bool nulls[6];

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	for (int i = 0; i < n_numbers; i++)
	{
		if (isinf(numbers[i]))
			float_overflow_error();
		values[i] = Float8GetDatum(numbers[i]);
		nulls[i] = isnan(numbers[i]);
	}
	values[n_numbers] = Int64GetDatum(n);
	nulls[n_numbers] = false;
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/*
 * A state of pairs may be made by hand with a value too many.
 */
static void
check_pairs(const Lists *lists)
{
	if (lists->n[0] != lists->n[1])
		invalid_argument("aggregate state has " INT64_FORMAT " and " INT64_FORMAT
						 " values, which are no pairs",
						 lists->n[0], lists->n[1]);
}

/*
 * Of values, or of ratios where there is a second list.
 */
PG_FUNCTION_INFO_V1(socrec_bootstrap_interval_final);
Datum
socrec_bootstrap_interval_final(PG_FUNCTION_ARGS)
{
	const Lists *lists;
	BootstrapOptions options;
	Estimate estimate;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	lists = lists_read(fcinfo, 0);
	options = state_options(lists);
	if (lists->n[1] > 0)
		check_pairs(lists);
	estimate =
		bootstrap_ratio(lists->values[0], lists->n[1] > 0 ? lists->values[1] : NULL, lists->n[0],
						options.replicates, options.confidence, (uint64) options.seed);
	return make_row(fcinfo, (double[]){estimate.value, estimate.low, estimate.high}, 3,
					lists->n[0]);
}

PG_FUNCTION_INFO_V1(socrec_paired_test_final);
Datum
socrec_paired_test_final(PG_FUNCTION_ARGS)
{
	const Lists *lists;
	BootstrapOptions options;
	PairedTest test;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	lists = lists_read(fcinfo, 0);
	options = state_options(lists);
	check_pairs(lists);
	test = paired_test(lists->values[0], lists->values[1], lists->n[0], options.replicates,
					   options.confidence, (uint64) options.seed);
	return make_row(fcinfo,
					(double[]){test.difference.value, test.difference.low, test.difference.high,
							   test.t_p_value, test.wilcoxon_p_value},
					5, lists->n[0]);
}

/*
 * (successes, trials, confidence): the share of successes with Wilson's score
 * interval.  Without trials the share is NULL and the interval 0 to 1.
 */
PG_FUNCTION_INFO_V1(socrec_proportion_interval);
Datum
socrec_proportion_interval(PG_FUNCTION_ARGS)
{
	int64 successes = PG_GETARG_INT64(0);
	int64 trials = PG_GETARG_INT64(1);
	float8 confidence = PG_GETARG_FLOAT8(2);
	double low;
	double high;

	if (successes < 0 || successes > trials)
		invalid_argument(INT64_FORMAT " successes of " INT64_FORMAT " trials cannot be", successes,
						 trials);
	if (!(confidence > 0 && confidence < 1))
		invalid_argument("confidence %g is not between 0 and 1", confidence);
	proportion_bounds(successes, trials, confidence, &low, &high);
	return make_row(fcinfo, (double[]){(double) successes / trials, low, high}, 3, trials);
}
