/*
 * sums.h
 *		Aggregate states that are a fixed number of sums.
 *
 * The state is a double precision[] of known length, so it needs no
 * serialization: partial states travel between workers, and between servers,
 * as what they are.  Two states combine by adding element by element
 * (socrec.combine_sums), whatever the aggregate.
 */
#ifndef SUMS_H
#define SUMS_H

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"

#include "socrec.h"

/*
 * The sums of a state, after checking that it is one: anybody may call a
 * transition function by hand.
 */
static inline float8 *
sums_of(ArrayType *state, int n)
{
	if (ARR_NDIM(state) != 1 || ARR_DIMS(state)[0] != n || ARR_HASNULL(state) ||
		ARR_ELEMTYPE(state) != FLOAT8OID)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("aggregate state is not an array of %d numbers", n)));
	return (float8 *) ARR_DATA_PTR(state);
}

/*
 * Argument 0 as a state that may be changed: in place inside an aggregate,
 * else a copy.  A NULL state starts at zero.
 */
static inline ArrayType *
sums_for_update(FunctionCallInfo fcinfo, int n)
{
	ArrayType *state;

	if (!PG_ARGISNULL(0))
	{
		state = AggCheckCallContext(fcinfo, NULL) ? PG_GETARG_ARRAYTYPE_P(0)
												  : PG_GETARG_ARRAYTYPE_P_COPY(0);
		(void) sums_of(state, n);
		return state;
	}

	/* The executor moves it to the aggregate's context. */
	return array_of_zeros(n, FLOAT8OID, sizeof(float8));
}

/*
 * Leave a transition or combine function with the state as it came, for an
 * input that adds nothing.
 */
#define SUMS_RETURN_UNCHANGED()                                                                    \
	do                                                                                             \
	{                                                                                              \
		if (PG_ARGISNULL(0))                                                                       \
			PG_RETURN_NULL();                                                                      \
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));                                                       \
	} while (0)

/*
 * The sums that a final function reads, or NULL when there was no row.
 */
static inline float8 *
final_sums(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(0) ? NULL : sums_of(PG_GETARG_ARRAYTYPE_P(0), n);
}

#endif /* SUMS_H */
