/*
 * factor.c
 *		Factor models in SQL: fitting items, folding users in, scoring blocks of items.
 *
 * A user's vector is the result of an aggregate over the items rated; a list of items
 * is one of another aggregate over blocks, in which the vectors of items lie side by
 * side.  A block fits on a page of a table and is read where it lies.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "compatibility.h"
#include "equations.h"
#include "factor.h"
#include "keys.h"
#include "method.h"
#include "method_baseline.h"
#include "neighborhood.h"
#include "prediction.h"
#include "ratings.h"
#include "socrec.h"

#define PG_GETARG_FLOATS(n, length, wanted)                                                        \
	factor_elements(PG_GETARG_ARRAYTYPE_P(n), length, wanted)

/*
 * Transition of fold_in: (state, prior, factors, rating), one row for each item that
 * the user rated.  A row with a NULL is absent.
 */
PG_FUNCTION_INFO_V1(socrec_fold_in_accumulate);
Datum
socrec_fold_in_accumulate(PG_FUNCTION_ARGS)
{
	bytea *state;
	FactorPrior prior;
	FoldIn fold;
	float8 rating;

	if (PG_ARGISNULL(2) || PG_ARGISNULL(3) || (PG_ARGISNULL(0) && PG_ARGISNULL(1)))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	rating = PG_GETARG_FLOAT8(3);
	if (!isfinite(rating))
		invalid_argument("rating %g must be finite", rating);
	if (PG_ARGISNULL(0))
		state = equations_pack(PG_GETARG_BYTEA_P(1));
	else
		state =
			AggCheckCallContext(fcinfo, NULL) ? PG_GETARG_BYTEA_P(0) : PG_GETARG_BYTEA_P_COPY(0);
	state = equations_unpack(state, &prior, &fold);
	fold_in_add(&fold, PG_GETARG_FLOATS(2, NULL, factor_length(&prior.shape)), rating);
	equations_store_count(&fold);
	PG_RETURN_BYTEA_P(state);
}

/*
 * Combine two states of fold_in: (state, state).
 */
PG_FUNCTION_INFO_V1(socrec_fold_in_combine);
Datum
socrec_fold_in_combine(PG_FUNCTION_ARGS)
{
	bytea *state;
	FactorPrior prior;
	FactorPrior other_prior;
	FoldIn fold;
	FoldIn other;

	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	if (PG_ARGISNULL(0))
		PG_RETURN_BYTEA_P(PG_GETARG_BYTEA_P_COPY(1));
	state = equations_unpack(AggCheckCallContext(fcinfo, NULL) ? PG_GETARG_BYTEA_P(0)
															   : PG_GETARG_BYTEA_P_COPY(0),
							 &prior, &fold);
	(void) equations_unpack(PG_GETARG_BYTEA_P(1), &other_prior, &other);
	if (fold_in_sums(&prior.shape) != fold_in_sums(&other_prior.shape))
		invalid_argument("equations of different models cannot be combined");
	for (Size i = 0; i < fold_in_sums(&prior.shape); i++)
		fold.a[i] += other.a[i];
	fold.n += other.n;
	equations_store_count(&fold);
	PG_RETURN_BYTEA_P(state);
}

static Datum
solved_vector(const FoldIn *fold)
{
	ArrayType *user = array_of_zeros(factor_length(&fold->prior->shape), FLOAT4OID, sizeof(float4));

	if (!fold_in_solve(fold, (float *) ARR_DATA_PTR(user)))
		factor_singular();
	PG_RETURN_ARRAYTYPE_P(user);
}

/*
 * Final function of fold_in: the user's vector, NULL without a rating.
 */
PG_FUNCTION_INFO_V1(socrec_fold_in_final);
Datum
socrec_fold_in_final(PG_FUNCTION_ARGS)
{
	FactorPrior prior;
	FoldIn fold;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	(void) equations_unpack(PG_GETARG_BYTEA_P(0), &prior, &fold);
	return solved_vector(&fold);
}

/*
 * fold_in_without(equations, factors, rating): the user's vector had he not rated an
 * item that he did; NULL if he rated no other.
 */
PG_FUNCTION_INFO_V1(socrec_fold_in_without);
Datum
socrec_fold_in_without(PG_FUNCTION_ARGS)
{
	FactorPrior prior;
	FoldIn fold;
	const float *item;

	(void) equations_unpack(PG_GETARG_BYTEA_P_COPY(0), &prior, &fold);
	item = PG_GETARG_FLOATS(1, NULL, factor_length(&prior.shape));
	if (fold.n <= 1)
		PG_RETURN_NULL();
	fold_in_remove(&fold, item, PG_GETARG_FLOAT8(2));
	return solved_vector(&fold);
}

/*
 * fold_in_influence(equations, factors): what the user's ratings move the score of an
 * item by, as a vector.
 */
PG_FUNCTION_INFO_V1(socrec_fold_in_influence);
Datum
socrec_fold_in_influence(PG_FUNCTION_ARGS)
{
	FactorPrior prior;
	FoldIn fold;
	ArrayType *influence;
	const float *item;

	(void) equations_unpack(PG_GETARG_BYTEA_P(0), &prior, &fold);
	item = PG_GETARG_FLOATS(1, NULL, factor_length(&prior.shape));
	influence = array_of_zeros(factor_length(&prior.shape), FLOAT4OID, sizeof(float4));
	if (!fold_in_influence(&fold, item, (float *) ARR_DATA_PTR(influence)))
		factor_singular();
	PG_RETURN_ARRAYTYPE_P(influence);
}

/*
 * fold_in_deviation(equations, factors): the standard deviation of a rating of the
 * user for an item; NULL where the model has no variance of the noise.
 */
PG_FUNCTION_INFO_V1(socrec_fold_in_deviation);
Datum
socrec_fold_in_deviation(PG_FUNCTION_ARGS)
{
	FactorPrior prior;
	FoldIn fold;
	const float *item;
	double deviation;

	(void) equations_unpack(PG_GETARG_BYTEA_P(0), &prior, &fold);
	item = PG_GETARG_FLOATS(1, NULL, factor_length(&prior.shape));
	if (prior.noise[0] == 0)
		PG_RETURN_NULL();
	deviation = fold_in_deviation(&fold, item);
	if (deviation < 0)
		factor_singular();
	PG_RETURN_FLOAT8(deviation);
}

/*
 * fold_in_contribution(prior, influence, factors, rating): what the rating of an item
 * adds to a score; without a rating, what the score of the item itself starts from.
 */
PG_FUNCTION_INFO_V1(socrec_fold_in_contribution);
Datum
socrec_fold_in_contribution(PG_FUNCTION_ARGS)
{
	FactorPrior *prior;
	const float *influence;
	const float *item;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	prior = factor_prior_unpack(PG_GETARG_BYTEA_P(0));
	influence = PG_GETARG_FLOATS(1, NULL, factor_length(&prior->shape));
	item = PG_GETARG_FLOATS(2, NULL, factor_length(&prior->shape));
	PG_RETURN_FLOAT8(PG_ARGISNULL(3)
						 ? fold_in_base(prior, influence, item)
						 : fold_in_contribution(prior, influence, item, PG_GETARG_FLOAT8(3)));
}

/*
 * factor_score(factors, factors): the product of two vectors.
 */
PG_FUNCTION_INFO_V1(socrec_factor_score);
Datum
socrec_factor_score(PG_FUNCTION_ARGS)
{
	int32 n;
	const float *a = PG_GETARG_FLOATS(0, &n, 0);
	const float *b = PG_GETARG_FLOATS(1, NULL, n);

	PG_RETURN_FLOAT8(vector_dot(a, b, n));
}

/*
 * factor_direction(prior, factors): the factors alone, without biases, at length 1;
 * zero if they are.
 */
PG_FUNCTION_INFO_V1(socrec_factor_direction);
Datum
socrec_factor_direction(PG_FUNCTION_ARGS)
{
	FactorPrior *prior = factor_prior_unpack(PG_GETARG_BYTEA_P(0));
	const FactorShape *shape = &prior->shape;
	const float *item = PG_GETARG_FLOATS(1, NULL, factor_length(shape));
	double norm = factor_norm(shape, item);
	ArrayType *direction = array_of_zeros(factor_length(shape), FLOAT4OID, sizeof(float4));
	float *out = (float *) ARR_DATA_PTR(direction);
	int32 width = factor_width(shape);

	for (int32 s = 0; s < shape->n_samples && norm > 0; s++)
		for (int32 f = shape->user_bias; f < shape->user_bias + shape->rank; f++)
			out[s * width + f] = (float) (item[s * width + f] / norm);
	PG_RETURN_ARRAYTYPE_P(direction);
}

/*
 * factor_exchange(prior, factors): a user's vector in the place of an item's, and back.
 */
PG_FUNCTION_INFO_V1(socrec_factor_exchange);
Datum
socrec_factor_exchange(PG_FUNCTION_ARGS)
{
	FactorPrior *prior = factor_prior_unpack(PG_GETARG_BYTEA_P(0));
	int32 length = factor_length(&prior->shape);
	ArrayType *exchanged = array_of_zeros(length, FLOAT4OID, sizeof(float4));

	factor_exchange(prior, PG_GETARG_FLOATS(1, NULL, length), (float *) ARR_DATA_PTR(exchanged));
	PG_RETURN_ARRAYTYPE_P(exchanged);
}

/*
 * A block of items: their numbers, the norms of their factors, and their vectors one
 * after the other.
 */
#define BLOCK_VERSION 1

typedef struct FactorBlock
{
	int32 vl_len_; /* varlena header (do not touch directly!) */
	uint8 version;
	uint8 flags;
	uint16 reserved;
	int32 n;
	int32 length;                      /* of a vector */
	int32 data[FLEXIBLE_ARRAY_MEMBER]; /* n numbers; then floats: n norms, n vectors */
} FactorBlock;

static Size
block_size(Size n, Size length)
{
	return offsetof(FactorBlock, data) + n * (2 + length) * sizeof(int32);
}

/* The state of pack_factors: a block that grows. */
typedef struct BlockBuilder
{
	int32 n;
	int32 length;
	int32 capacity;
	int32 *ids;
	float *norms;
	float *vectors;
} BlockBuilder;

static void
grow_block(BlockBuilder *block, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);

	block->capacity *= 2;
	if (block_size(block->capacity, block->length) > MaxAllocSize)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("block of %d items of %d factors is too large", block->n, block->length)));
	block->ids = repalloc(block->ids, block->capacity * sizeof(int32));
	block->norms = repalloc(block->norms, block->capacity * sizeof(float));
	block->vectors =
		repalloc(block->vectors, (Size) block->capacity * block->length * sizeof(float));
	MemoryContextSwitchTo(old);
}

/*
 * Transition of pack_factors: (state, id, norm, factors), one row for each item.
 */
PG_FUNCTION_INFO_V1(socrec_pack_factors_accumulate);
Datum
socrec_pack_factors_accumulate(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	BlockBuilder *block = PG_ARGISNULL(0) ? NULL : (BlockBuilder *) PG_GETARG_POINTER(0);
	int32 length;
	const float *vector;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "pack_factors transition called outside of an aggregate");
	for (int i = 1; i <= 3; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("argument %d of pack_factors must not be null", i)));
	vector = PG_GETARG_FLOATS(3, &length, block == NULL ? 0 : block->length);
	if (length > FACTOR_MAX_LENGTH)
		invalid_argument("vector of factors has more than %d elements", FACTOR_MAX_LENGTH);
	if (block == NULL)
	{
		block = MemoryContextAllocZero(context, sizeof(BlockBuilder));
		block->length = length;
		block->capacity = 16;
		block->ids = MemoryContextAlloc(context, block->capacity * sizeof(int32));
		block->norms = MemoryContextAlloc(context, block->capacity * sizeof(float));
		block->vectors =
			MemoryContextAlloc(context, (Size) block->capacity * length * sizeof(float));
	}
	if (block->n == block->capacity)
		grow_block(block, context);
	block->ids[block->n] = PG_GETARG_INT32(1);
	block->norms[block->n] = (float) PG_GETARG_FLOAT8(2);
	memcpy(block->vectors + (Size) block->n * length, vector, length * sizeof(float));
	block->n++;
	PG_RETURN_POINTER(block);
}

PG_FUNCTION_INFO_V1(socrec_pack_factors_final);
Datum
socrec_pack_factors_final(PG_FUNCTION_ARGS)
{
	const BlockBuilder *block;
	FactorBlock *packed;
	Size size;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	block = (BlockBuilder *) PG_GETARG_POINTER(0);
	size = block_size(block->n, block->length);
	packed = palloc0(size);
	SET_VARSIZE(packed, size);
	packed->version = BLOCK_VERSION;
	packed->n = block->n;
	packed->length = block->length;
	memcpy(packed->data, block->ids, block->n * sizeof(int32));
	memcpy(packed->data + block->n, block->norms, block->n * sizeof(float));
	memcpy(packed->data + 2 * block->n, block->vectors,
		   (Size) block->n * block->length * sizeof(float));
	PG_RETURN_BYTEA_P((bytea *) packed);
}

/*
 * A block, after checking that it is one.
 */
static const FactorBlock *
block_of(bytea *value, int32 length)
{
	const FactorBlock *block = (const FactorBlock *) value;

	if (VARSIZE(value) < offsetof(FactorBlock, data) || block->version != BLOCK_VERSION ||
		block->n < 0 || block->length < 1 || block->length > FACTOR_MAX_LENGTH ||
		block_size(block->n, block->length) != VARSIZE(value))
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("value is not a block of factors")));
	if (block->length != length)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("vector of factors has %d elements, not %d", length, block->length)));
	return block;
}

/* The state of top_factors. */
typedef struct FactorList
{
	score_heap heap;
	double least; /* score that an item must reach */
	bool cosine;
	int32 length;
	float *user;
	int32 n_excluded;
	int32 *excluded; /* ascending */
	int32 capacity;  /* of scores */
	float *scores;
	MemoryContext context;
} FactorList;

enum
{
	TOP_STATE,
	TOP_BLOCK,
	TOP_USER,
	TOP_N,
	TOP_EXCLUDED,
	TOP_LEAST,
	TOP_COSINE
};

static int
compare_ids(const void *a, const void *b)
{
	int32 x = *(const int32 *) a;
	int32 y = *(const int32 *) b;

	return x < y ? -1 : x > y;
}

static FactorList *
start_list(FunctionCallInfo fcinfo, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	FactorList *list = palloc0(sizeof(FactorList));
	const float *user = PG_GETARG_FLOATS(TOP_USER, &list->length, 0);
	int32 n = PG_ARGISNULL(TOP_N) ? -1 : PG_GETARG_INT32(TOP_N);

	if (n < 0 || n > MAX_TOP_ITEMS)
		invalid_argument("n must be between 0 and %d, not %d", MAX_TOP_ITEMS, n);
	list->context = context;
	list->heap.capacity = n;
	list->heap.entries = palloc(Max(n, 1) * sizeof(score_entry));
	list->least = PG_ARGISNULL(TOP_LEAST) ? -INFINITY : PG_GETARG_FLOAT8(TOP_LEAST);
	list->cosine = !PG_ARGISNULL(TOP_COSINE) && PG_GETARG_BOOL(TOP_COSINE);
	list->user = palloc(list->length * sizeof(float));
	memcpy(list->user, user, list->length * sizeof(float));
	if (!PG_ARGISNULL(TOP_EXCLUDED))
	{
		ArrayType *excluded = PG_GETARG_ARRAYTYPE_P(TOP_EXCLUDED);

		if (ARR_HASNULL(excluded) || ARR_ELEMTYPE(excluded) != INT4OID || ARR_NDIM(excluded) > 1)
			invalid_argument("numbers of items must be an array without nulls");
		list->n_excluded = ARR_NDIM(excluded) == 0 ? 0 : ARR_DIMS(excluded)[0];
		list->excluded = palloc(Max(list->n_excluded, 1) * sizeof(int32));
		memcpy(list->excluded, ARR_DATA_PTR(excluded), list->n_excluded * sizeof(int32));
		qsort(list->excluded, list->n_excluded, sizeof(int32), compare_ids);
	}
	MemoryContextSwitchTo(old);
	return list;
}

static void
offer_block(FactorList *list, const FactorBlock *block)
{
	const int32 *ids = block->data;
	const float *norms = (const float *) (block->data + block->n);

	if (list->capacity < block->n)
	{
		list->capacity = block->n;
		list->scores = MemoryContextAlloc(list->context, block->n * sizeof(float));
	}
	vector_scores(list->user, norms + block->n, block->n, block->length, list->scores);
	for (int32 i = 0; i < block->n; i++)
	{
		double score = list->scores[i];

		if (list->cosine)
			score = norms[i] > 0 ? score / norms[i] : 0;
		if (!(score >= list->least) ||
			bsearch(&ids[i], list->excluded, list->n_excluded, sizeof(int32), compare_ids) != NULL)
			continue;
		score_offer(&list->heap, score, ids[i]);
		if (list->heap.n == list->heap.capacity)
			list->least = list->heap.entries[0].score;
	}
}

/*
 * Transition of top_factors: (state, block, factors, n, excluded, least, cosine), one
 * row for each block of items.  A block that is NULL is absent; without a vector
 * there is no list.
 */
PG_FUNCTION_INFO_V1(socrec_top_factors_accumulate);
Datum
socrec_top_factors_accumulate(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	FactorList *list;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "top_factors transition called outside of an aggregate");
	if (PG_ARGISNULL(TOP_USER))
		PG_RETURN_NULL();
	list = PG_ARGISNULL(TOP_STATE) ? start_list(fcinfo, context)
								   : (FactorList *) PG_GETARG_POINTER(TOP_STATE);
	if (!PG_ARGISNULL(TOP_BLOCK) && list->heap.capacity > 0)
		offer_block(list, block_of(PG_GETARG_BYTEA_P(TOP_BLOCK), list->length));
	PG_RETURN_POINTER(list);
}

/*
 * Final function of top_factors: the n best as an array of socrec.scored_item, best
 * first, equal scores by id.
 */
PG_FUNCTION_INFO_V1(socrec_top_factors_final);
Datum
socrec_top_factors_final(PG_FUNCTION_ARGS)
{
	score_heap sorted;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	sorted = ((FactorList *) PG_GETARG_POINTER(0))->heap;
	/* A copy, as a final function may be called again. */
	sorted.entries = palloc(Max(sorted.n, 1) * sizeof(score_entry));
	memcpy(sorted.entries, ((FactorList *) PG_GETARG_POINTER(0))->heap.entries,
		   sorted.n * sizeof(score_entry));
	score_sort(&sorted);
	return scored_items(fcinfo, sorted.entries, sorted.n, NULL);
}

static ArrayType *
item_array(const FactorModel *model, int32 item)
{
	int32 length = factor_length(&model->prior.shape);
	ArrayType *array = array_of_zeros(length, FLOAT4OID, sizeof(float4));

	memcpy(ARR_DATA_PTR(array), model->items + (Size) item * length, length * sizeof(float));
	return array;
}

/*
 * One row for each item; the priors stand in the first.
 */
static void
write_items(ReturnSetInfo *result, const Ratings *ratings, const RatingStatistics *statistics,
			const FactorModel *model)
{
	MemoryContext row_context =
		AllocSetContextCreate(CurrentMemoryContext, "socrec row", ALLOCSET_DEFAULT_SIZES);
	int32 length = factor_length(&model->prior.shape);

	for (int32 column = 0; column < ratings->n_columns; column++)
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);
		const float *vector = model->items + (Size) column * length;
		Datum values[] = {Int32GetDatum(column + 1),
						  keys_datum(ratings->column_keys[column], ratings->column_type),
						  Int32GetDatum((int32) (ratings->column_start[column + 1] -
												 ratings->column_start[column])),
						  Float8GetDatum(statistics->mean[column]),
						  Float8GetDatum(statistics->bias[column]),
						  Float8GetDatum(factor_norm(&model->prior.shape, vector)),
						  Float4GetDatum(statistics->minimum[column]),
						  Float4GetDatum(statistics->maximum[column]),
						  PointerGetDatum(item_array(model, column)),
						  Int32GetDatum(ratings->n_rows),
						  (Datum) 0,
						  (Datum) 0};
		bool nulls[lengthof(values)] = {0};

		CHECK_FOR_INTERRUPTS();
		nulls[10] = column > 0;
		nulls[11] = column > 0 || model->item_prior == NULL;
		if (!nulls[10])
			values[10] = PointerGetDatum(factor_prior_pack(&model->prior));
		if (!nulls[11])
			values[11] = PointerGetDatum(factor_prior_pack(model->item_prior));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	MemoryContextDelete(row_context);
}

/*
 * item_factors(query, item_type, method, options) returns (id, item, rating_count,
 * mean, bias, norm, rating_min, rating_max, factors, user_count, prior, item_prior): the items of
 * a query (user, item[, rating]) with their factors by a method, whose options are
 * those of model_options.
 *
 * Errors: those of ratings_load and of the method's options; a method without factors.
 */
PG_FUNCTION_INFO_V1(socrec_item_factors);
Datum
socrec_item_factors(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const Method *method;
	Jsonb *options;
	NeighborArguments given;
	BaselineOptions baseline;
	Ratings *ratings;
	RatingStatistics *statistics;
	FactorModel *model;
	Progress progress;

	for (int arg = 0; arg < PG_NARGS(); arg++)
		if (PG_ARGISNULL(arg) && arg != 1)
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("argument %d must not be null", arg + 1)));
	method = method_find(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	if (method->factorize == NULL)
		invalid_argument("method %s has no factors", method->name);
	options = PG_GETARG_JSONB_P(3);
	given = baseline_arguments(options);
	baseline = neighborhood_baseline(&given, false);
	InitMaterializedSRF(fcinfo, 0);
	progress_start(&progress, "item factors");
	PG_TRY();
	{
		ratings = ratings_load(text_to_cstring(PG_GETARG_TEXT_PP(0)), false, &progress);
		keys_check_type(ratings->column_type, "item", TupleDescAttr(result->setDesc, 1)->atttypid);
		statistics = ratings_describe(ratings, &baseline, &ratings->budget);
		model =
			method->factorize(ratings, ratings->has_values, options, &ratings->budget, &progress);
	}
	PG_FINALLY();
	{
		progress_end(&progress);
	}
	PG_END_TRY();
	write_items(result, ratings, statistics, model);
	ratings_free(ratings);
	return (Datum) 0;
}
