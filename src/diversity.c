/*
 * diversity.c
 *		What recommendations are like beyond how right they are.
 *
 * Of numbers of exposures, one for each item of the catalog: catalog_coverage,
 * gini and exposure_entropy.  Of lengths of lists, one for each user:
 * user_coverage and short_list_share.  Of lists: repeated_list_share.  Of the
 * rows of lists: novelty and arp.  Of the pairs or vectors of one list:
 * intra_list_diversity.
 */
#include "postgres.h"

#include <math.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "distribution.h"
#include "lists.h"
#include "similarity.h"
#include "socrec.h"
#include "sparse.h"
#include "sums.h"
#include "svec.h"

/* State: rows, rows above zero, sum of counts c, sum of c log2 c. */
#define EXPOSURE_SUMS 4

/* State: rows, those that count; or rows, sum of values. */
#define MEAN_SUMS 2

/*
 * An argument that counts something, NULL being zero: an item that was never
 * shown, a user without a list.
 */
static float8
get_count(FunctionCallInfo fcinfo, int argument)
{
	float8 count = PG_ARGISNULL(argument) ? 0 : PG_GETARG_FLOAT8(argument);

	if (!isfinite(count) || count < 0)
		invalid_argument("count %g must be finite and not negative", count);
	return count;
}

/*
 * Transition of catalog_coverage, user_coverage and exposure_entropy: (state,
 * count).
 */
PG_FUNCTION_INFO_V1(socrec_exposure_accumulate);
Datum
socrec_exposure_accumulate(PG_FUNCTION_ARGS)
{
	float8 count = get_count(fcinfo, 1);
	ArrayType *state = sums_for_update(fcinfo, EXPOSURE_SUMS);
	float8 *sums = sums_of(state, EXPOSURE_SUMS);

	sums[0] += 1;
	if (count > 0)
	{
		sums[1] += 1;
		sums[2] += count;
		sums[3] += count * log2(count);
	}
	PG_RETURN_ARRAYTYPE_P(state);
}

/*
 * Share of rows with a count above zero.
 */
PG_FUNCTION_INFO_V1(socrec_coverage_final);
Datum
socrec_coverage_final(PG_FUNCTION_ARGS)
{
	float8 *sums = final_sums(fcinfo, EXPOSURE_SUMS);

	if (sums == NULL)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(sums[1] / sums[0]);
}

/*
 * Shannon's entropy of the shares c / C in bits, as log2 C - sum(c log2 c) / C.
 */
PG_FUNCTION_INFO_V1(socrec_exposure_entropy_final);
Datum
socrec_exposure_entropy_final(PG_FUNCTION_ARGS)
{
	float8 *sums = final_sums(fcinfo, EXPOSURE_SUMS);

	if (sums == NULL || sums[2] == 0)
		PG_RETURN_NULL();
	/* Of one item it is zero; rounding must not make it less. */
	PG_RETURN_FLOAT8(Max(log2(sums[2]) - sums[3] / sums[2], 0));
}

/*
 * Transition of short_list_share: (state, length, k).
 */
PG_FUNCTION_INFO_V1(socrec_short_list_accumulate);
Datum
socrec_short_list_accumulate(PG_FUNCTION_ARGS)
{
	float8 length = get_count(fcinfo, 1);
	ArrayType *state;
	float8 *sums;

	if (PG_ARGISNULL(2))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("k must not be null")));
	if (PG_GETARG_INT32(2) < 1)
		invalid_argument("k %d is not 1 or greater", PG_GETARG_INT32(2));
	state = sums_for_update(fcinfo, MEAN_SUMS);
	sums = sums_of(state, MEAN_SUMS);
	sums[0] += 1;
	sums[1] += length < PG_GETARG_INT32(2);
	PG_RETURN_ARRAYTYPE_P(state);
}

/*
 * Add a value to a mean.
 */
static Datum
add_to_mean(FunctionCallInfo fcinfo, float8 value)
{
	ArrayType *state = sums_for_update(fcinfo, MEAN_SUMS);
	float8 *sums = sums_of(state, MEAN_SUMS);

	sums[0] += 1;
	sums[1] += value;
	PG_RETURN_ARRAYTYPE_P(state);
}

/*
 * Transition of arp and of intra_list_diversity over pairs: (state, value).
 */
PG_FUNCTION_INFO_V1(socrec_mean_accumulate);
Datum
socrec_mean_accumulate(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1))
		SUMS_RETURN_UNCHANGED();
	if (!isfinite(PG_GETARG_FLOAT8(1)))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("value %g must be finite", PG_GETARG_FLOAT8(1))));
	return add_to_mean(fcinfo, PG_GETARG_FLOAT8(1));
}

/*
 * Transition of novelty: (state, users of the item, all users).  An item that
 * nobody has would be infinitely novel; it takes a decision of the caller's.
 */
PG_FUNCTION_INFO_V1(socrec_novelty_accumulate);
Datum
socrec_novelty_accumulate(PG_FUNCTION_ARGS)
{
	float8 users;
	float8 all;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		SUMS_RETURN_UNCHANGED();
	users = PG_GETARG_FLOAT8(1);
	all = PG_GETARG_FLOAT8(2);
	if (!(users > 0 && users <= all && isfinite(all)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("item has %g of %g users, which is not a share above 0", users, all),
				 errhint("Leave out items that nobody has, with FILTER, or count them as 1.")));
	return add_to_mean(fcinfo, log2(all / users));
}

PG_FUNCTION_INFO_V1(socrec_mean_final);
Datum
socrec_mean_final(PG_FUNCTION_ARGS)
{
	float8 *sums = final_sums(fcinfo, MEAN_SUMS);

	if (sums == NULL)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(sums[1] / sums[0]);
}

PG_FUNCTION_INFO_V1(socrec_intra_list_diversity_final);
Datum
socrec_intra_list_diversity_final(PG_FUNCTION_ARGS)
{
	float8 *sums = final_sums(fcinfo, MEAN_SUMS);

	if (sums == NULL)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(1 - sums[1] / sums[0]);
}

/*
 * Transition of gini: (state, count).
 */
PG_FUNCTION_INFO_V1(socrec_gini_accumulate);
Datum
socrec_gini_accumulate(PG_FUNCTION_ARGS)
{
	const double options[LISTS_OPTIONS] = {0};
	float8 count = get_count(fcinfo, 1);
	Lists *lists = lists_for_update(fcinfo, options);

	lists_append(lists, 0, count);
	PG_RETURN_LISTS(lists);
}

/*
 * NULL when all counts are zero.
 */
PG_FUNCTION_INFO_V1(socrec_gini_final);
Datum
socrec_gini_final(PG_FUNCTION_ARGS)
{
	const Lists *lists;
	double *counts;
	double gini;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	lists = lists_read(fcinfo, 0);
	counts = lists_copy(lists, 0);
	lists_sort(counts, lists->n[0]);
	gini = gini_coefficient(counts, lists->n[0]);
	pfree(counts);
	if (isnan(gini))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(gini);
}

/*
 * Transition of repeated_list_share: (state, list as text).  Of a list its hash
 * of 64 bits is kept, in the place of a number.
 */
PG_FUNCTION_INFO_V1(socrec_repeated_list_accumulate);
Datum
socrec_repeated_list_accumulate(PG_FUNCTION_ARGS)
{
	const double options[LISTS_OPTIONS] = {0};
	Lists *lists;
	text *list;
	uint64 hash;
	double bits;

	if (PG_ARGISNULL(1))
		LISTS_RETURN_UNCHANGED();
	list = PG_GETARG_TEXT_PP(1);
	hash = DatumGetUInt64(
		hash_any_extended((unsigned char *) VARDATA_ANY(list), VARSIZE_ANY_EXHDR(list), 0));
	memcpy(&bits, &hash, sizeof(bits));
	lists = lists_for_update(fcinfo, options);
	lists_append(lists, 0, bits);
	PG_RETURN_LISTS(lists);
}

#define ST_SORT sort_hashes
#define ST_ELEMENT_TYPE uint64
#define ST_COMPARE(a, b) (*(a) < *(b) ? -1 : *(a) > *(b))
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

PG_FUNCTION_INFO_V1(socrec_repeated_list_share_final);
Datum
socrec_repeated_list_share_final(PG_FUNCTION_ARGS)
{
	const Lists *lists;
	uint64 *hashes;
	int64 n;
	int64 repeated = 0;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	lists = lists_read(fcinfo, 0);
	n = lists->n[0];
	if (n == 0)
		PG_RETURN_NULL();
	hashes = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(uint64));
	memcpy(hashes, lists->values[0], n * sizeof(uint64));
	sort_hashes(hashes, n);
	for (int64 i = 0; i < n; i++)
		repeated +=
			(i > 0 && hashes[i - 1] == hashes[i]) || (i + 1 < n && hashes[i + 1] == hashes[i]);
	pfree(hashes);
	PG_RETURN_FLOAT8((double) repeated / n);
}

/*
 * 1 - mean cosine of the pairs of some vectors.  NULL elements, and vectors
 * without elements, whose cosine is not defined, are left out; NULL of fewer than
 * two others.
 */
PG_FUNCTION_INFO_V1(socrec_intra_list_diversity);
Datum
socrec_intra_list_diversity(PG_FUNCTION_ARGS)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	Datum *elements;
	bool *nulls;
	SVec **vectors;
	double *squares;
	double sum = 0;
	int n_elements;
	int n = 0;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_DOUBLE, &elements, &nulls,
					  &n_elements);
	vectors = palloc(Max(n_elements, 1) * sizeof(SVec *));
	squares = palloc(Max(n_elements, 1) * sizeof(double));
	for (int i = 0; i < n_elements; i++)
	{
		if (nulls[i])
			continue;
		vectors[n] = DatumGetSVecP(elements[i]);
		squares[n] = sparse_sum_squares(svec_view(vectors[n]));
		n += squares[n] > 0;
	}
	if (n < 2)
		PG_RETURN_NULL();
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < i; j++)
		{
			int64_t n_common;
			double dot = sparse_dot(svec_view(vectors[i]), svec_view(vectors[j]), &n_common);

			sum += cosine_from_sums(dot, squares[i], squares[j]);
		}
	}
	PG_RETURN_FLOAT8(1 - sum / (n / 2.0 * (n - 1)));
}
