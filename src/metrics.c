/*
 * metrics.c
 *		Aggregates over predictions: sse, mse, rmse, mae and r2 of pairs (actual,
 *		predicted), log_loss, brier and calibration_error of pairs (label,
 *		probability).
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "utils/float.h"

#include "metrics.h"
#include "socrec.h"
#include "sums.h"

/* State: pairs, sum of squared errors, sum of absolute errors. */
#define ERROR_SUMS 3

/* State: pairs, sum of squared errors, mean of actual, sum of squared deviations. */
#define R2_SUMS 4

/* State: sum of weights, of logarithmic losses and of squared errors. */
#define PROBABILITY_SUMS 3

/* State, for each bin: sum of weights, of probabilities, and of weights of positives. */
#define BIN_SUMS 3

/*
 * The weight of a row, 1 for an aggregate without weights; NULL is 0, the weight of
 * a row that is not there.
 */
float8
metric_weight(FunctionCallInfo fcinfo, int argument)
{
	float8 weight = 1;

	if (PG_NARGS() > argument)
		weight = PG_ARGISNULL(argument) ? 0 : PG_GETARG_FLOAT8(argument);
	if (!(weight >= 0 && isfinite(weight)))
		invalid_argument("weight %g is not a finite number of at least 0", weight);
	return weight;
}

/*
 * A whole number from 1 to most.
 */
int32
metric_count(FunctionCallInfo fcinfo, int argument, const char *name, int32 most)
{
	int32 n;

	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", name)));
	n = PG_GETARG_INT32(argument);
	if (n < 1 || n > most)
		invalid_argument("%s %d is not between 1 and %d", name, n, most);
	return n;
}

/*
 * How many bins, DEFAULT_BINS for an aggregate without such an option.
 */
int32
metric_bins(FunctionCallInfo fcinfo, int argument)
{
	return PG_NARGS() > argument ? metric_count(fcinfo, argument, "bins", MAX_BINS) : DEFAULT_BINS;
}

/*
 * actual - predicted
 */
static float8
prediction_error(float8 actual, float8 predicted)
{
	float8 error = actual - predicted;

	if (!isfinite(error))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("actual %g and predicted %g must be finite", actual, predicted)));
	return error;
}

/*
 * Transition of sse, mse, rmse and mae: (state, actual, predicted).  A pair with
 * a NULL is skipped: nothing was predicted, or nothing happened.
 */
PG_FUNCTION_INFO_V1(socrec_error_accumulate);
Datum
socrec_error_accumulate(PG_FUNCTION_ARGS)
{
	ArrayType *state;
	float8 *sums;
	float8 error;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		SUMS_RETURN_UNCHANGED();
	error = prediction_error(PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2));
	state = sums_for_update(fcinfo, ERROR_SUMS);
	sums = sums_of(state, ERROR_SUMS);
	sums[0] += 1;
	sums[1] += error * error;
	sums[2] += fabs(error);
	PG_RETURN_ARRAYTYPE_P(state);
}

/*
 * A result, unless sums overflowed.
 */
static Datum
finite_datum(float8 value)
{
	if (!isfinite(value))
		float_overflow_error();
	return Float8GetDatum(value);
}

/*
 * The final function of a metric, as an expression of so many sums; NULL without
 * a pair.
 */
#define SUMS_METRIC(symbol, n_sums, expression)                                                    \
	PG_FUNCTION_INFO_V1(symbol);                                                                   \
	Datum symbol(PG_FUNCTION_ARGS)                                                                 \
	{                                                                                              \
		float8 *sums = final_sums(fcinfo, n_sums);                                                 \
                                                                                                   \
		if (sums == NULL)                                                                          \
			PG_RETURN_NULL();                                                                      \
		return finite_datum(expression);                                                           \
	}

SUMS_METRIC(socrec_sse_final, ERROR_SUMS, sums[1]) /* M = sum of (y - y^)^2 */
SUMS_METRIC(socrec_mse_final, ERROR_SUMS, sums[1] / sums[0])
SUMS_METRIC(socrec_rmse_final, ERROR_SUMS, sqrt(sums[1] / sums[0]))
SUMS_METRIC(socrec_mae_final, ERROR_SUMS, sums[2] / sums[0])

/*
 * Add so many pairs with their mean and deviations to those of a state
 * (Chan, Golub and LeVeque 1983).
 */
static void
add_moments(float8 *sums, const float8 *other)
{
	float8 n = sums[0] + other[0];
	float8 step = other[2] - sums[2];

	if (other[0] == 0)
		return;
	sums[1] += other[1];
	sums[3] += other[3] + step * step * sums[0] * (other[0] / n);
	sums[2] += step * (other[0] / n);
	sums[0] = n;
}

/*
 * Transition of r2: (state, actual, predicted).
 */
PG_FUNCTION_INFO_V1(socrec_r2_accumulate);
Datum
socrec_r2_accumulate(PG_FUNCTION_ARGS)
{
	ArrayType *state;
	float8 error;
	float8 pair[R2_SUMS];

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		SUMS_RETURN_UNCHANGED();
	error = prediction_error(PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2));
	pair[0] = 1;
	pair[1] = error * error;
	pair[2] = PG_GETARG_FLOAT8(1);
	pair[3] = 0;
	state = sums_for_update(fcinfo, R2_SUMS);
	add_moments(sums_of(state, R2_SUMS), pair);
	PG_RETURN_ARRAYTYPE_P(state);
}

PG_FUNCTION_INFO_V1(socrec_r2_combine);
Datum
socrec_r2_combine(PG_FUNCTION_ARGS)
{
	ArrayType *state;

	if (PG_ARGISNULL(1))
		SUMS_RETURN_UNCHANGED();
	state = sums_for_update(fcinfo, R2_SUMS);
	add_moments(sums_of(state, R2_SUMS), sums_of(PG_GETARG_ARRAYTYPE_P(1), R2_SUMS));
	PG_RETURN_ARRAYTYPE_P(state);
}

/*
 * 1 - squared errors / squared deviations of actual from its mean; NULL where
 * actual does not vary.
 */
PG_FUNCTION_INFO_V1(socrec_r2_final);
Datum
socrec_r2_final(PG_FUNCTION_ARGS)
{
	float8 *sums = final_sums(fcinfo, R2_SUMS);

	if (sums == NULL || sums[3] == 0)
		PG_RETURN_NULL();
	return finite_datum(1 - sums[1] / sums[3]);
}

static float8
get_probability(FunctionCallInfo fcinfo, int argument)
{
	float8 probability = PG_GETARG_FLOAT8(argument);

	/* Catches NaN as well. */
	if (!(probability >= 0 && probability <= 1))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("probability %g is not between 0 and 1", probability)));
	return probability;
}

/*
 * Transition of log_loss and brier: (state, label, probability [, weight]).  For
 * the logarithm, a probability is at least the distance of 1 to the next number,
 * and as far from 1.
 */
PG_FUNCTION_INFO_V1(socrec_probability_accumulate);
Datum
socrec_probability_accumulate(PG_FUNCTION_ARGS)
{
	ArrayType *state;
	float8 *sums;
	float8 wrong; /* probability of the other label */
	float8 weight;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		SUMS_RETURN_UNCHANGED();
	weight = metric_weight(fcinfo, 3);
	wrong = get_probability(fcinfo, 2);
	if (weight == 0)
		SUMS_RETURN_UNCHANGED();
	if (PG_GETARG_BOOL(1))
		wrong = 1 - wrong;
	state = sums_for_update(fcinfo, PROBABILITY_SUMS);
	sums = sums_of(state, PROBABILITY_SUMS);
	sums[0] += weight;
	sums[1] -= weight * log1p(-Min(Max(wrong, DBL_EPSILON), 1 - DBL_EPSILON));
	sums[2] += weight * wrong * wrong;
	PG_RETURN_ARRAYTYPE_P(state);
}

SUMS_METRIC(socrec_log_loss_final, PROBABILITY_SUMS, sums[1] / sums[0])
SUMS_METRIC(socrec_brier_final, PROBABILITY_SUMS, sums[2] / sums[0])

/*
 * Transition of calibration_error: (state, label, probability [[, weight], bins]).
 * A bin has its lower bound, the last its upper one as well.
 */
PG_FUNCTION_INFO_V1(socrec_calibration_accumulate);
Datum
socrec_calibration_accumulate(PG_FUNCTION_ARGS)
{
	bool weighted = PG_NARGS() > 4;
	int32 bins = metric_bins(fcinfo, weighted ? 4 : 3);
	float8 weight = weighted ? metric_weight(fcinfo, 3) : 1;
	ArrayType *state;
	float8 *bin;
	float8 probability;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		SUMS_RETURN_UNCHANGED();
	probability = get_probability(fcinfo, 2);
	if (weight == 0)
		SUMS_RETURN_UNCHANGED();
	state = sums_for_update(fcinfo, bins * BIN_SUMS);
	bin = sums_of(state, bins * BIN_SUMS) + Min((int) (probability * bins), bins - 1) * BIN_SUMS;
	bin[0] += weight;
	bin[1] += weight * probability;
	bin[2] += PG_GETARG_BOOL(1) ? weight : 0;
	PG_RETURN_ARRAYTYPE_P(state);
}

/*
 * Expected calibration error: the difference between the mean probability and the
 * share of positives of each bin, weighted by its weight.
 */
PG_FUNCTION_INFO_V1(socrec_calibration_error_final);
Datum
socrec_calibration_error_final(PG_FUNCTION_ARGS)
{
	ArrayType *state;
	float8 *sums;
	float8 n = 0;
	float8 difference = 0;
	int length;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = PG_GETARG_ARRAYTYPE_P(0);
	length = ARR_NDIM(state) == 1 ? ARR_DIMS(state)[0] : 0;
	sums = sums_of(state, length / BIN_SUMS * BIN_SUMS);
	for (int i = 0; i < length; i += BIN_SUMS)
	{
		n += sums[i];
		difference += fabs(sums[i + 1] - sums[i + 2]);
	}
	if (n == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(difference / n);
}
