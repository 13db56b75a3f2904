/*
 * evaluation.c
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
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
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

/* M = sum of (y - y^)^2 */
PG_FUNCTION_INFO_V1(socrec_sse_final);
Datum
socrec_sse_final(PG_FUNCTION_ARGS)
{
	float8 *sums = final_sums(fcinfo, ERROR_SUMS);

	if (sums == NULL)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(sums[1]);
}

PG_FUNCTION_INFO_V1(socrec_mse_final);
Datum
socrec_mse_final(PG_FUNCTION_ARGS)
{
	float8 *sums = final_sums(fcinfo, ERROR_SUMS);

	if (sums == NULL)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(sums[1] / sums[0]);
}

PG_FUNCTION_INFO_V1(socrec_rmse_final);
Datum
socrec_rmse_final(PG_FUNCTION_ARGS)
{
	float8 *sums = final_sums(fcinfo, ERROR_SUMS);

	if (sums == NULL)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(sqrt(sums[1] / sums[0]));
}

PG_FUNCTION_INFO_V1(socrec_mae_final);
Datum
socrec_mae_final(PG_FUNCTION_ARGS)
{
	float8 *sums = final_sums(fcinfo, ERROR_SUMS);

	if (sums == NULL)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(sums[2] / sums[0]);
}
