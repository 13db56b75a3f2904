/*
 * prediction.c
 *		Aggregates that turn neighbors and ratings into predictions and
 *		recommendations.
 *
 * cf_predict and weighted_sum are plain sums.  top_items scores all items for
 * one user: each row it receives is one rated item with its neighbors, and each
 * neighbor gets a share.  Numbers of items are dense and small numbers are
 * popular, so the scores live in pages of an array that are made when first
 * touched: no hashing, and the work is that of the shares alone however many
 * items there are.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "prediction.h"
#include "socrec.h"
#include "sums.h"
#include "svec.h"

/* State of cf_predict and weighted_sum: sum of w * r, sum of |w|. */
#define PREDICTION_SUMS 2

/*
 * Transition of cf_predict and weighted_sum: (state, weight, rating).  A pair
 * with a NULL is absent.
 */
PG_FUNCTION_INFO_V1(socrec_prediction_accumulate);
Datum
socrec_prediction_accumulate(PG_FUNCTION_ARGS)
{
	ArrayType *state;
	float8 *sums;
	float8 weight;
	float8 rating;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		SUMS_RETURN_UNCHANGED();
	weight = PG_GETARG_FLOAT8(1);
	rating = PG_GETARG_FLOAT8(2);
	if (!isfinite(weight) || !isfinite(rating))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("weight %g and rating %g must be finite", weight, rating)));
	state = sums_for_update(fcinfo, PREDICTION_SUMS);
	sums = sums_of(state, PREDICTION_SUMS);
	sums[0] += weight * rating;
	sums[1] += fabs(weight);
	PG_RETURN_ARRAYTYPE_P(state);
}

/*
 * cf_predict: sum of w * r / sum of |w|, NULL without a weight.
 * Sarwar et al., Item-Based Collaborative Filtering, WWW 2001.
 */
PG_FUNCTION_INFO_V1(socrec_cf_predict_final);
Datum
socrec_cf_predict_final(PG_FUNCTION_ARGS)
{
	float8 *sums = final_sums(fcinfo, PREDICTION_SUMS);

	if (sums == NULL || sums[1] == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(sums[0] / sums[1]);
}

/*
 * weighted_sum: R_i(j) = sum over k of w_ik * r_kj, NULL without a pair.
 */
PG_FUNCTION_INFO_V1(socrec_weighted_sum_final);
Datum
socrec_weighted_sum_final(PG_FUNCTION_ARGS)
{
	float8 *sums = final_sums(fcinfo, PREDICTION_SUMS);

	if (sums == NULL)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(sums[0]);
}

/*
 * Combine two states of sums of the same length: (state, state).
 */
PG_FUNCTION_INFO_V1(socrec_combine_sums);
Datum
socrec_combine_sums(PG_FUNCTION_ARGS)
{
	ArrayType *other;
	ArrayType *state;
	float8 *sums;
	float8 *addends;
	int n;

	if (PG_ARGISNULL(1))
		SUMS_RETURN_UNCHANGED();
	other = PG_GETARG_ARRAYTYPE_P(1);
	n = ARR_NDIM(other) == 1 ? ARR_DIMS(other)[0] : 0;
	addends = sums_of(other, n);
	state = sums_for_update(fcinfo, n);
	sums = sums_of(state, n);
	for (int i = 0; i < n; i++)
		sums[i] += addends[i];
	PG_RETURN_ARRAYTYPE_P(state);
}

#define SCORE_PAGE_ITEMS 256

typedef struct ItemScore
{
	double sum;    /* of w * r */
	int32 support; /* rated items that spoke for it */
	bool seen;     /* rated itself */
} ItemScore;

/* Scores of SCORE_PAGE_ITEMS successive items. */
typedef struct ScorePage
{
	ItemScore items[SCORE_PAGE_ITEMS];
	double weight[FLEXIBLE_ARRAY_MEMBER]; /* of |w|, as many, when normalized */
} ScorePage;

typedef struct ItemScores
{
	MemoryContext context;
	int32 n; /* items to return */
	bool normalize;
	bool exclude_seen;
	int32 min_support;
	int32 n_pages; /* room in the directory */
	ScorePage **pages;
} ItemScores;

/*
 * The page of an item, zero when first asked for.
 */
static inline ScorePage *
score_page(ItemScores *scores, int32 id)
{
	int32 page = id / SCORE_PAGE_ITEMS;

	if (unlikely(page >= scores->n_pages))
	{
		int32 n_pages = Max(page + 1, scores->n_pages * 2);
		ScorePage **pages = MemoryContextAllocExtended(
			scores->context, n_pages * sizeof(ScorePage *), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

		if (scores->n_pages > 0)
		{
			memcpy(pages, scores->pages, scores->n_pages * sizeof(ScorePage *));
			pfree(scores->pages);
		}
		scores->pages = pages;
		scores->n_pages = n_pages;
	}
	if (unlikely(scores->pages[page] == NULL))
		scores->pages[page] = MemoryContextAllocZero(
			scores->context, offsetof(ScorePage, weight) +
								 (scores->normalize ? SCORE_PAGE_ITEMS * sizeof(double) : 0));
	return scores->pages[page];
}

static inline ItemScore *
item_score(ItemScores *scores, int32 id)
{
	return &score_page(scores, id)->items[id % SCORE_PAGE_ITEMS];
}

enum
{
	TOP_STATE,
	TOP_ID,
	TOP_NEIGHBORS,
	TOP_RATING,
	TOP_N,
	TOP_NORMALIZE,
	TOP_EXCLUDE_SEEN,
	TOP_MIN_SUPPORT,
	TOP_DEVIATIONS /* not of every form */
};

static ItemScores *
start_scores(FunctionCallInfo fcinfo, MemoryContext context)
{
	ItemScores *scores = MemoryContextAllocZero(context, sizeof(ItemScores));

	for (int arg = TOP_N; arg <= TOP_MIN_SUPPORT; arg++)
		if (PG_ARGISNULL(arg))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("argument %d of top_items must not be null", arg)));
	scores->context = context;
	scores->n = PG_GETARG_INT32(TOP_N);
	if (scores->n < 0 || scores->n > MAX_TOP_ITEMS)
		invalid_argument("n must be between 0 and %d, not %d", MAX_TOP_ITEMS, scores->n);
	scores->normalize = PG_GETARG_BOOL(TOP_NORMALIZE);
	scores->exclude_seen = PG_GETARG_BOOL(TOP_EXCLUDE_SEEN);
	scores->min_support = PG_GETARG_INT32(TOP_MIN_SUPPORT);
	return scores;
}

/*
 * Add what a rating says of an item's neighbors; deviations, of some of these, are
 * added to the rating.
 */
static void
add_scores(ItemScores *scores, const SVec *neighbors, double rating, const SVec *deviations)
{
	int count = svec_count(neighbors);
	const int32 *ids = svec_ids32(neighbors);
	const float4 *weights = svec_weights(neighbors);
	int n_deviations = deviations == NULL ? 0 : svec_count(deviations);
	int next = 0;

	if (svec_is_wide(neighbors) || (count > 0 && ids[0] < 1))
		invalid_argument("numbers of neighbors must be between 1 and %d", PG_INT32_MAX);
	for (int i = 0; i < count; i++)
	{
		ItemScore *score = item_score(scores, ids[i]);
		double value = rating;

		while (next < n_deviations && svec_id(deviations, next) < ids[i])
			next++;
		if (next < n_deviations && svec_id(deviations, next) == ids[i])
			value += svec_weights(deviations)[next];
		score->sum += weights[i] * value;
		score->support++;
	}
	for (int i = 0; i < count && scores->normalize; i++)
		score_page(scores, ids[i])->weight[ids[i] % SCORE_PAGE_ITEMS] += fabsf(weights[i]);
}

/*
 * Transition of top_items: (state, id, neighbors, rating, n, normalize,
 * exclude_seen, min_support[, deviations]), one row for each item that the user rated.
 *
 * A NULL id is an item that the model does not know: skipped.  Without
 * neighbors or rating, the row only marks the item as seen.
 */
PG_FUNCTION_INFO_V1(socrec_top_items_accumulate);
Datum
socrec_top_items_accumulate(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	ItemScores *scores;
	int32 id;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "top_items transition called outside of an aggregate");
	scores = PG_ARGISNULL(TOP_STATE) ? start_scores(fcinfo, context)
									 : (ItemScores *) PG_GETARG_POINTER(TOP_STATE);
	if (PG_ARGISNULL(TOP_ID))
		PG_RETURN_POINTER(scores);
	id = PG_GETARG_INT32(TOP_ID);
	if (id < 1)
		invalid_argument("item numbers count from 1, not %d", id);
	item_score(scores, id)->seen = true;

	if (!PG_ARGISNULL(TOP_NEIGHBORS) && !PG_ARGISNULL(TOP_RATING))
	{
		bool has_deviations = PG_NARGS() > TOP_DEVIATIONS && !PG_ARGISNULL(TOP_DEVIATIONS);
		float8 rating = PG_GETARG_FLOAT8(TOP_RATING);

		if (!isfinite(rating))
			invalid_argument("rating %g must be finite", rating);
		add_scores(scores, PG_GETARG_SVEC_P(TOP_NEIGHBORS), rating,
				   has_deviations ? PG_GETARG_SVEC_P(TOP_DEVIATIONS) : NULL);
	}
	PG_RETURN_POINTER(scores);
}

static inline double
final_score(const ItemScores *scores, const ScorePage *page, int i)
{
	return scores->normalize ? page->items[i].sum / page->weight[i] : page->items[i].sum;
}

/*
 * The result of an aggregate that returns an array of socrec.scored_item: n items
 * as they stand, with what supports them, or NULL without.
 */
Datum
scored_items(FunctionCallInfo fcinfo, const score_entry *entries, int32 n, const int32 *support)
{
	Oid element_type = get_element_type(get_fn_expr_rettype(fcinfo->flinfo));
	TupleDesc desc;
	Datum *elements;

	if (!OidIsValid(element_type))
		elog(ERROR, "could not determine the result type of an aggregate of scored items");
	desc = lookup_rowtype_tupdesc(element_type, -1);
	elements = palloc(Max(n, 1) * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		Datum values[] = {Int32GetDatum(entries[i].id), Float8GetDatum(entries[i].score),
						  Int32GetDatum(support == NULL ? 0 : support[i])};
		bool nulls[] = {false, false, support == NULL};

		elements[i] = HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
	}
	ReleaseTupleDesc(desc);
	PG_RETURN_ARRAYTYPE_P(construct_array(elements, n, element_type, -1, false, TYPALIGN_DOUBLE));
}

/*
 * Final function of top_items: the n best as an array of
 * socrec.scored_item (id, score, support), best first, equal scores by id.
 */
PG_FUNCTION_INFO_V1(socrec_top_items_final);
Datum
socrec_top_items_final(PG_FUNCTION_ARGS)
{
	ItemScores *scores;
	score_heap heap = {0};
	int32 *support;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	scores = (ItemScores *) PG_GETARG_POINTER(0);

	heap.capacity = Min((int64) scores->n, (int64) scores->n_pages * SCORE_PAGE_ITEMS);
	heap.entries = palloc(Max(heap.capacity, 1) * sizeof(score_entry));
	for (int32 page = 0; page < scores->n_pages; page++)
	{
		if (scores->pages[page] == NULL)
			continue;
		for (int i = 0; i < SCORE_PAGE_ITEMS; i++)
		{
			ItemScore *score = &scores->pages[page]->items[i];

			if (score->support < scores->min_support || score->support == 0 ||
				(score->seen && scores->exclude_seen))
				continue;
			score_offer(&heap, final_score(scores, scores->pages[page], i),
						page * SCORE_PAGE_ITEMS + i);
		}
	}
	score_sort(&heap);

	support = palloc(Max(heap.n, 1) * sizeof(int32));
	for (int i = 0; i < heap.n; i++)
		support[i] = item_score(scores, heap.entries[i].id)->support;
	return scored_items(fcinfo, heap.entries, heap.n, support);
}
