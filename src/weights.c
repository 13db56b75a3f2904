/*
 * weights.c
 *		socrec.fit_item_weights(), which item_weights() and models call: the weights of
 *		all items of a rating table, with the statistics that predictions need.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "keys.h"
#include "method_baseline.h"
#include "ratings.h"
#include "socrec.h"
#include "svec.h"
#include "weights.h"

/* The columns of the result. */
enum
{
	OUT_ID,
	OUT_ITEM,
	OUT_COUNT,
	OUT_MEAN,
	OUT_BIAS,
	OUT_NORM,
	OUT_MINIMUM,
	OUT_MAXIMUM,
	OUT_NEIGHBORS,
	OUT_DEVIATIONS,
	OUT_USERS,
	N_OUT
};

/*
 * Weights as a vector, numbers counted from 1, or one of the numbers given for them;
 * a vector has no zeros.
 */
static Datum
make_svec(const neighbor_heap *heap, const float4 *values)
{
	SVec *vector = svec_alloc_room(heap->n, false);
	int32 *ids = svec_ids32(vector);
	float4 *weights = svec_weights(vector);
	int n = 0;

	for (int32 i = 0; i < heap->n; i++)
	{
		float4 value = values == NULL ? heap->entries[i].score : values[i];

		if (value == 0)
			continue;
		ids[n] = heap->entries[i].id + 1;
		weights[n++] = value;
	}
	return PointerGetDatum(svec_shrink(vector, n));
}

/*
 * An item's key as it is returned: integers of any width also as bigint.
 */
static Datum
item_datum(const Ratings *ratings, int32 column, Oid type)
{
	return type == INT8OID ? ratings->column_keys[column]
						   : keys_datum(ratings->column_keys[column], ratings->column_type);
}

static void
check_item_type(const Ratings *ratings, Oid type)
{
	Oid found = ratings->column_type;

	if (ratings->n_ratings > 0 && !(type == INT8OID && (found == INT2OID || found == INT4OID)))
		keys_check_type(found, "item", type);
}

static void
put_rows(ReturnSetInfo *result, const Ratings *ratings, const RatingStatistics *statistics,
		 const ItemWeights *weights)
{
	MemoryContext row_context =
		AllocSetContextCreate(CurrentMemoryContext, "socrec row", ALLOCSET_DEFAULT_SIZES);

	for (int32 column = 0; column < ratings->n_columns; column++)
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);
		int64 count = ratings->column_start[column + 1] - ratings->column_start[column];
		Datum values[N_OUT];
		bool nulls[N_OUT] = {0};

		CHECK_FOR_INTERRUPTS();
		values[OUT_ID] = Int32GetDatum(column + 1);
		values[OUT_ITEM] =
			item_datum(ratings, column, TupleDescAttr(result->setDesc, OUT_ITEM)->atttypid);
		values[OUT_COUNT] = Int32GetDatum((int32) count);
		values[OUT_MEAN] = Float8GetDatum(statistics->mean[column]);
		values[OUT_BIAS] = Float8GetDatum(statistics->bias[column]);
		values[OUT_NORM] = Float8GetDatum(weights->norm[column]);
		values[OUT_MINIMUM] = Float4GetDatum(statistics->minimum[column]);
		values[OUT_MAXIMUM] = Float4GetDatum(statistics->maximum[column]);
		values[OUT_NEIGHBORS] = make_svec(&weights->heaps[column], NULL);
		nulls[OUT_DEVIATIONS] = weights->deviations == NULL;
		if (weights->deviations != NULL)
			values[OUT_DEVIATIONS] =
				make_svec(&weights->heaps[column], weights->deviations[column]);
		values[OUT_USERS] = Int32GetDatum(ratings->n_rows);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	MemoryContextDelete(row_context);
}

/*
 * Arguments: a query (user, item[, rating]), a value of the items' type, the method
 * and all its options.
 */
PG_FUNCTION_INFO_V1(socrec_fit_item_weights);
Datum
socrec_fit_item_weights(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const WeightMethod *method;
	NeighborArguments given;
	BaselineOptions baseline;
	Jsonb *options;
	Progress progress;
	Ratings *ratings;

	for (int arg = 0; arg < PG_NARGS(); arg++)
		if (PG_ARGISNULL(arg) && arg != 1)
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("argument %d must not be null", arg + 1)));
	method = weights_method(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	options = PG_GETARG_JSONB_P(3);
	given = baseline_arguments(options);
	baseline = neighborhood_baseline(&given, false);
	InitMaterializedSRF(fcinfo, 0);

	progress_start(&progress, "item weights");
	PG_TRY();
	{
		ratings = ratings_load(text_to_cstring(PG_GETARG_TEXT_PP(0)), false, &progress);
		check_item_type(ratings, TupleDescAttr(result->setDesc, OUT_ITEM)->atttypid);
		put_rows(result, ratings, ratings_describe(ratings, &baseline, &ratings->budget),
				 weights_find(ratings, method, options, &ratings->budget, &progress));
	}
	PG_FINALLY();
	{
		progress_end(&progress);
	}
	PG_END_TRY();
	ratings_free(ratings);
	return (Datum) 0;
}
