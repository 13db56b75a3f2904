/*
 * neighbors.c
 *		socrec.item_neighbors() and socrec.user_neighbors(): the most similar
 *		items or users of a rating table, with the statistics that predictions
 *		need.
 *
 * Both are one function over a matrix whose columns are the things compared;
 * for users the matrix is read transposed.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

#include "neighborhood.h"
#include "neighbors.h"
#include "ratings.h"
#include "socrec.h"
#include "svec.h"

/*
 * The arguments' positions.  In the form for keys of any type a second
 * argument, of which only the type counts, moves all but the query by one; what
 * else may stand before them, and may be null, by more.
 */
enum
{
	ARG_K = 1,
	ARG_SIMILARITY,
	ARG_MIN_SUPPORT,
	ARG_SHRINKAGE,
	ARG_CENTER,
	ARG_WEIGHTING,
	ARG_MIN_SIMILARITY,
	ARG_ITEM_REGULARIZATION,
	ARG_USER_REGULARIZATION,
	ARG_BASELINE_EPOCHS,
	N_ARGS
};

/*
 * Read and check every argument but the query.
 */
NeighborOptions
neighbors_options(FunctionCallInfo fcinfo, bool users)
{
	int shift = PG_NARGS() - N_ARGS;
	NeighborArguments given;

	for (int arg = 0; arg < PG_NARGS(); arg++)
		if (PG_ARGISNULL(arg) && !(arg >= 1 && arg <= shift))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("argument %d must not be null", arg + 1)));

	given.k = PG_GETARG_INT32(ARG_K + shift);
	given.similarity = text_to_cstring(PG_GETARG_TEXT_PP(ARG_SIMILARITY + shift));
	given.min_support = PG_GETARG_INT32(ARG_MIN_SUPPORT + shift);
	given.shrinkage = PG_GETARG_FLOAT8(ARG_SHRINKAGE + shift);
	given.center = text_to_cstring(PG_GETARG_TEXT_PP(ARG_CENTER + shift));
	given.weighting = text_to_cstring(PG_GETARG_TEXT_PP(ARG_WEIGHTING + shift));
	given.min_similarity = PG_GETARG_FLOAT8(ARG_MIN_SIMILARITY + shift);
	given.item_regularization = PG_GETARG_FLOAT8(ARG_ITEM_REGULARIZATION + shift);
	given.user_regularization = PG_GETARG_FLOAT8(ARG_USER_REGULARIZATION + shift);
	given.baseline_epochs = PG_GETARG_INT32(ARG_BASELINE_EPOCHS + shift);
	return neighborhood_options(&given, users);
}

/*
 * A heap as a vector, numbers counted from 1.
 */
static SVec *
heap_to_svec(const neighbor_heap *heap)
{
	SVec *vector = svec_alloc(heap->n, false);
	int32 *ids = svec_ids32(vector);
	float4 *weights = svec_weights(vector);

	for (int32 i = 0; i < heap->n; i++)
	{
		ids[i] = heap->entries[i].id + 1;
		weights[i] = heap->entries[i].score;
	}
	return vector;
}

/*
 * A key as the type of the result's column; only integers may differ from
 * what the query returned.
 */
static Datum
key_datum(const Ratings *ratings, int32 column, Oid type)
{
	Datum key = ratings->column_keys[column];
	int64 value;

	if (ratings->column_type != INT2OID && ratings->column_type != INT4OID &&
		ratings->column_type != INT8OID)
		return key;
	value = DatumGetInt64(key);
	if (type == INT8OID)
		return key;
	if ((type == INT4OID && value != (int32) value) || (type == INT2OID && value != (int16) value))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("key " INT64_FORMAT " is out of range for type %s", value,
							   format_type_be(type))));
	return type == INT4OID ? Int32GetDatum((int32) value) : Int16GetDatum((int16) value);
}

void
neighbors_check_type(const Ratings *ratings, Oid type, bool users)
{
	bool both_integers = (type == INT2OID || type == INT4OID || type == INT8OID) &&
						 (ratings->column_type == INT2OID || ratings->column_type == INT4OID ||
						  ratings->column_type == INT8OID);

	if (type != ratings->column_type && !both_integers)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the query's %s column is of type %s, not %s", users ? "user" : "item",
						format_type_be(ratings->column_type), format_type_be(type)),
				 errhint("Use %s_neighbors_typed(query, NULL::%s, ...).", users ? "user" : "item",
						 format_type_be(ratings->column_type))));
}

/*
 * What a row of the result says of a column, but NEIGHBORS_NORM and NEIGHBORS_LIST.
 */
void
neighbors_row(Datum *values, const Ratings *ratings, const RatingStatistics *statistics,
			  int32 column, Oid key_type)
{
	int64 count = ratings->column_start[column + 1] - ratings->column_start[column];

	values[0] = Int32GetDatum(column + 1);
	values[1] = key_datum(ratings, column, key_type);
	values[2] = Int32GetDatum((int32) count);
	values[3] = Float8GetDatum(statistics->mean[column]);
	values[4] = Float8GetDatum(statistics->bias[column]);
	values[6] = Float4GetDatum(statistics->minimum[column]);
	values[7] = Float4GetDatum(statistics->maximum[column]);
	values[9] = Int32GetDatum(ratings->n_rows);
}

static Datum
neighbors(FunctionCallInfo fcinfo, bool users)
{
	NeighborOptions options = neighbors_options(fcinfo, users);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext row_context;
	Progress progress;
	Ratings *ratings;
	RatingStatistics *statistics;
	Neighborhood *found;
	Oid key_type;

	InitMaterializedSRF(fcinfo, 0);
	key_type = getBaseType(TupleDescAttr(result->setDesc, 1)->atttypid);

	progress_start(&progress, users ? "user neighbors" : "item neighbors");
	PG_TRY();
	{
		ratings = ratings_load(text_to_cstring(PG_GETARG_TEXT_PP(0)), users, &progress);
		if (ratings->n_ratings > 0)
			neighbors_check_type(ratings, key_type, users);
		statistics = ratings_describe(ratings, &options.baseline, &ratings->budget);
		found = neighborhood_find(ratings, statistics, &options, &ratings->budget, &progress);
	}
	PG_FINALLY();
	{
		progress_end(&progress);
	}
	PG_END_TRY();

	row_context = AllocSetContextCreate(CurrentMemoryContext, "socrec row", ALLOCSET_DEFAULT_SIZES);
	for (int32 column = 0; column < ratings->n_columns; column++)
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);
		Datum values[NEIGHBORS_COLUMNS];
		bool nulls[NEIGHBORS_COLUMNS] = {0};

		CHECK_FOR_INTERRUPTS();
		neighbors_row(values, ratings, statistics, column, key_type);
		values[NEIGHBORS_NORM] = Float8GetDatum(found->norm[column]);
		nulls[NEIGHBORS_LIST] = options.knn.k == 0;
		if (options.knn.k > 0)
			values[NEIGHBORS_LIST] = PointerGetDatum(heap_to_svec(&found->heaps[column]));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	MemoryContextDelete(row_context);
	ratings_free(ratings);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(socrec_item_neighbors);
Datum
socrec_item_neighbors(PG_FUNCTION_ARGS)
{
	return neighbors(fcinfo, false);
}

PG_FUNCTION_INFO_V1(socrec_user_neighbors);
Datum
socrec_user_neighbors(PG_FUNCTION_ARGS)
{
	return neighbors(fcinfo, true);
}
