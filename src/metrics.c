/*
 * metrics.c
 *		Aggregates over pairs (actual, predicted): sse, mse, rmse, mae.
 */
#include "postgres.h"

#include <math.h>

#include "socrec.h"
#include "sums.h"

/* State: pairs, sum of squared errors, sum of absolute errors. */
#define ERROR_SUMS 3

/*
 * Transition of all four: (state, actual, predicted).  A pair with a NULL is
 * skipped: nothing was predicted, or nothing happened.
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
	error = PG_GETARG_FLOAT8(1) - PG_GETARG_FLOAT8(2);
	if (!isfinite(error))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("actual %g and predicted %g must be finite", PG_GETARG_FLOAT8(1),
							   PG_GETARG_FLOAT8(2))));
	state = sums_for_update(fcinfo, ERROR_SUMS);
	sums = sums_of(state, ERROR_SUMS);
	sums[0] += 1;
	sums[1] += error * error;
	sums[2] += fabs(error);
	PG_RETURN_ARRAYTYPE_P(state);
}

/*
 * The final function of a metric, as an expression of the sums; NULL without a
 * pair.
 */
#define ERROR_METRIC(symbol, expression)                                                           \
	PG_FUNCTION_INFO_V1(symbol);                                                                   \
	Datum symbol(PG_FUNCTION_ARGS)                                                                 \
	{                                                                                              \
		float8 *sums = final_sums(fcinfo, ERROR_SUMS);                                             \
                                                                                                   \
		if (sums == NULL)                                                                          \
			PG_RETURN_NULL();                                                                      \
		PG_RETURN_FLOAT8(expression);                                                              \
	}

ERROR_METRIC(socrec_sse_final, sums[1]) /* M = sum of (y - y^)^2 */
ERROR_METRIC(socrec_mse_final, sums[1] / sums[0])
ERROR_METRIC(socrec_rmse_final, sqrt(sums[1] / sums[0]))
ERROR_METRIC(socrec_mae_final, sums[2] / sums[0])
