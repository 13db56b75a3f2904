/*
 * ranking_metrics.c
 *		Metrics of a ranked list, as aggregates over its rows or functions of two
 *		arrays.
 *
 * The aggregates of a ranked list take one user's rows (rank, gain): one row for
 * each item that was recommended or is relevant.  rank is NULL of what was not
 * recommended, gain is NULL or 0 of what is not relevant.  Only relevant rows
 * are kept: those within the first k as pairs of rank and gain in the first list
 * of the state, the gains of all others in the second.  The option is k.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "lists.h"
#include "metrics.h"
#include "ranking.h"
#include "socrec.h"

/* Greatest k, and greatest rank that counts: a list takes 80 MB at most. */
#define MAX_RANK 10000000

/* One user's list, as ranking.h takes it. */
typedef struct RankedList
{
	double *gains;
	int32 n;
	double *ideal;
	int32 n_ideal;
	int32 k;
} RankedList;

/*
 * Transition: add one row of a list to argument 0.  An item that was expected
 * is not found, wherever it stands.
 */
static Datum
accumulate_rank(FunctionCallInfo fcinfo, bool expected, int32 k)
{
	const double options[LISTS_OPTIONS] = {k};
	int64 rank = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1);
	float8 gain = PG_ARGISNULL(2) ? 0 : PG_GETARG_FLOAT8(2);
	Lists *lists;

	if (!PG_ARGISNULL(1) && rank < 1)
		invalid_argument("rank " INT64_FORMAT " is not 1 or greater", rank);
	if (!isfinite(gain) || gain < 0)
		invalid_argument("gain %g must be finite and not negative", gain);
	if (gain == 0)
		LISTS_RETURN_UNCHANGED();
	lists = lists_for_update(fcinfo, options);
	if (rank == 0 || rank > k || expected)
		lists_append(lists, 1, gain);
	else
	{
		lists_append(lists, 0, rank);
		lists_append(lists, 0, gain);
	}
	PG_RETURN_LISTS(lists);
}

/* (state, rank, gain, k), or without k for all ranks */
PG_FUNCTION_INFO_V1(socrec_rank_accumulate);
Datum
socrec_rank_accumulate(PG_FUNCTION_ARGS)
{
	if (PG_NARGS() > 3)
		return accumulate_rank(fcinfo, false, metric_count(fcinfo, 3, "k", MAX_RANK));
	if (!PG_ARGISNULL(1) && PG_GETARG_INT64(1) > MAX_RANK)
		invalid_argument("rank " INT64_FORMAT " is greater than %d", PG_GETARG_INT64(1), MAX_RANK);
	return accumulate_rank(fcinfo, false, MAX_RANK);
}

/* (state, rank, gain, expected, k) */
PG_FUNCTION_INFO_V1(socrec_serendipity_accumulate);
Datum
socrec_serendipity_accumulate(PG_FUNCTION_ARGS)
{
	return accumulate_rank(fcinfo, !PG_ARGISNULL(3) && PG_GETARG_BOOL(3),
						   metric_count(fcinfo, 4, "k", MAX_RANK));
}

/*
 * The ideal list: all gains, falling.
 */
static void
set_ideal(RankedList *list, double *gains, int32 n)
{
	lists_sort(gains, n);
	for (int32 i = 0; i < n / 2; i++)
	{
		double gain = gains[i];

		gains[i] = gains[n - 1 - i];
		gains[n - 1 - i] = gain;
	}
	list->ideal = gains;
	list->n_ideal = n;
}

/*
 * The list of a state, which must not have two items at one rank.
 */
static RankedList
state_list(FunctionCallInfo fcinfo)
{
	const Lists *lists = lists_read(fcinfo, 0);
	const double *pairs = lists->values[0];
	int64 found = lists->n[0] / 2;
	double *ideal = palloc_extended((found + lists->n[1] + 1) * sizeof(double), MCXT_ALLOC_HUGE);
	RankedList list = {0};

	if (!(lists->options[0] >= 1 && lists->options[0] <= MAX_RANK))
		invalid_argument("aggregate state has no k");
	list.k = (int32) lists->options[0];
	for (int64 i = 0; i < found; i++)
	{
		if (!(pairs[2 * i] >= 1 && pairs[2 * i] <= list.k))
			invalid_argument("aggregate state has rank %g", pairs[2 * i]);
		list.n = Max(list.n, (int32) pairs[2 * i]);
	}
	list.gains = palloc0((Size) Max(list.n, 1) * sizeof(double));
	for (int64 i = 0; i < found; i++)
	{
		int32 rank = (int32) pairs[2 * i];

		if (list.gains[rank - 1] != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("rank %d comes twice", rank),
					 errhint("Group by user, and have one row for each item.")));
		list.gains[rank - 1] = ideal[i] = pairs[2 * i + 1];
	}
	if (lists->n[1] > 0)
		memcpy(ideal + found, lists->values[1], lists->n[1] * sizeof(double));
	set_ideal(&list, ideal, (int32) (found + lists->n[1]));
	return list;
}

/*
 * How the items of an array are compared; looked up once a call site.
 */
static TypeCacheEntry *
item_type(FunctionCallInfo fcinfo, Oid type)
{
	TypeCacheEntry *entry = fcinfo->flinfo->fn_extra;

	if (entry == NULL || entry->type_id != type)
	{
		entry = lookup_type_cache(type, TYPECACHE_CMP_PROC_FINFO);
		if (!OidIsValid(entry->cmp_proc_finfo.fn_oid))
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
							errmsg("could not identify a comparison function for type %s",
								   format_type_be(type))));
		fcinfo->flinfo->fn_extra = entry;
	}
	return entry;
}

/* An item of an array, with its place and gain there. */
typedef struct Item
{
	Datum key;
	int32 place;
	double gain;
} Item;

typedef struct ItemOrder
{
	TypeCacheEntry *type;
	Oid collation;
} ItemOrder;

static inline int
compare_items(const Item *a, const Item *b, ItemOrder *order)
{
	int32 result = DatumGetInt32(
		FunctionCall2Coll(&order->type->cmp_proc_finfo, order->collation, a->key, b->key));

	return result != 0 ? result : (a->place > b->place) - (a->place < b->place);
}

static inline bool
same_item(const Item *a, const Item *b, ItemOrder *order)
{
	return DatumGetInt32(FunctionCall2Coll(&order->type->cmp_proc_finfo, order->collation, a->key,
										   b->key)) == 0;
}

#define ST_SORT sort_items
#define ST_ELEMENT_TYPE Item
#define ST_COMPARE(a, b, arg) compare_items(a, b, arg)
#define ST_COMPARE_ARG_TYPE ItemOrder
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * The items of an array in order, each once.  One that comes twice is an error
 * where `distinct` is the name of what must not have any; NULL: it counts once.
 */
static Item *
sorted_items(ArrayType *array, const ArrayType *gains, ItemOrder *order, const char *distinct,
			 int32 *n_items)
{
	Datum *keys;
	bool *nulls;
	int n;
	int32 kept = 0;
	Item *items;

	deconstruct_array(array, ARR_ELEMTYPE(array), order->type->typlen, order->type->typbyval,
					  order->type->typalign, &keys, &nulls, &n);
	items = palloc_extended(Max(n, 1) * sizeof(Item), MCXT_ALLOC_HUGE);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("item %d of an array must not be null", i + 1)));
		items[i] = (Item){keys[i], i, gains == NULL ? 1 : ((double *) ARR_DATA_PTR(gains))[i]};
	}
	sort_items(items, n, order);
	for (int i = 0; i < n; i++)
	{
		if (kept > 0 && same_item(&items[kept - 1], &items[i], order))
		{
			if (distinct != NULL)
				invalid_argument("items %d and %d of %s are the same", items[kept - 1].place + 1,
								 items[i].place + 1, distinct);
			continue;
		}
		items[kept++] = items[i];
	}
	*n_items = kept;
	return items;
}

/*
 * Gains that belong to the relevant items, one each.
 */
static ArrayType *
get_gains(FunctionCallInfo fcinfo, int argument, int n)
{
	ArrayType *gains = PG_GETARG_ARRAYTYPE_P(argument);

	if (ArrayGetNItems(ARR_NDIM(gains), ARR_DIMS(gains)) != n)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("arrays have different lengths: %d items and %d gains", n,
							   ArrayGetNItems(ARR_NDIM(gains), ARR_DIMS(gains)))));
	if (array_contains_nulls(gains))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("gain must not be null")));
	for (int i = 0; i < n; i++)
	{
		double gain = ((double *) ARR_DATA_PTR(gains))[i];

		if (!isfinite(gain) || gain < 0)
			invalid_argument("gain %g must be finite and not negative", gain);
	}
	return gains;
}

/*
 * The list of two arrays: (recommended, relevant [, gains], k).
 */
static RankedList
array_list(FunctionCallInfo fcinfo, bool has_gains)
{
	ArrayType *recommended = PG_GETARG_ARRAYTYPE_P(0);
	ArrayType *relevant = PG_GETARG_ARRAYTYPE_P(1);
	ItemOrder order = {item_type(fcinfo, ARR_ELEMTYPE(recommended)), PG_GET_COLLATION()};
	ArrayType *gains =
		has_gains ? get_gains(fcinfo, 2, ArrayGetNItems(ARR_NDIM(relevant), ARR_DIMS(relevant)))
				  : NULL;
	RankedList list = {.k = metric_count(fcinfo, has_gains ? 3 : 2, "k", MAX_RANK)};
	int32 n_ideal = 0;
	int32 n_wanted;
	Item *wanted =
		sorted_items(relevant, gains, &order, has_gains ? "the relevant ones" : NULL, &n_wanted);
	Item *listed = sorted_items(recommended, NULL, &order, "the list", &list.n);
	double *ideal = palloc_extended(Max(n_wanted, 1) * sizeof(double), MCXT_ALLOC_HUGE);

	list.gains =
		palloc_extended(Max(list.n, 1) * sizeof(double), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int32 i = 0, j = 0; i < n_wanted; i++)
	{
		int32 result = 1;

		if (wanted[i].gain > 0)
			ideal[n_ideal++] = wanted[i].gain;
		while (j < list.n && (result = DatumGetInt32(
								  FunctionCall2Coll(&order.type->cmp_proc_finfo, order.collation,
													listed[j].key, wanted[i].key))) < 0)
			j++;
		if (j < list.n && result == 0)
			list.gains[listed[j].place] = wanted[i].gain;
	}
	set_ideal(&list, ideal, n_ideal);
	return list;
}

static Datum
metric_datum(FunctionCallInfo fcinfo, double value)
{
	if (isnan(value))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(value);
}

/*
 * A metric of a ranked list: the final function of its aggregate, and, where it
 * has a name, the function of two arrays.
 */
#define RANKING_FINAL(symbol, ...)                                                                 \
	PG_FUNCTION_INFO_V1(symbol);                                                                   \
	Datum symbol(PG_FUNCTION_ARGS)                                                                 \
	{                                                                                              \
		RankedList list;                                                                           \
                                                                                                   \
		if (PG_ARGISNULL(0))                                                                       \
			PG_RETURN_NULL();                                                                      \
		list = state_list(fcinfo);                                                                 \
		return metric_datum(fcinfo, __VA_ARGS__);                                                  \
	}

#define RANKING_ARRAY(symbol, has_gains, ...)                                                      \
	PG_FUNCTION_INFO_V1(symbol);                                                                   \
	Datum symbol(PG_FUNCTION_ARGS)                                                                 \
	{                                                                                              \
		RankedList list = array_list(fcinfo, has_gains);                                           \
                                                                                                   \
		return metric_datum(fcinfo, __VA_ARGS__);                                                  \
	}

#define RANKING_METRIC(name, ...)                                                                  \
	RANKING_FINAL(socrec_##name##_final, __VA_ARGS__)                                              \
	RANKING_ARRAY(socrec_##name##_array, false, __VA_ARGS__)

RANKING_METRIC(precision_at, ranking_precision(list.gains, list.n, list.n_ideal, list.k))
RANKING_METRIC(recall_at, ranking_recall(list.gains, list.n, list.n_ideal, list.k))
RANKING_METRIC(hit_rate_at, ranking_hit_rate(list.gains, list.n, list.n_ideal, list.k))
RANKING_METRIC(mrr, ranking_reciprocal_rank(list.gains, list.n, list.n_ideal, list.k))
RANKING_METRIC(map_at, ranking_average_precision(list.gains, list.n, list.n_ideal, list.k))
RANKING_METRIC(binary_ndcg_at, ranking_binary_ndcg(list.gains, list.n, list.n_ideal, list.k))
RANKING_FINAL(socrec_ndcg_at_final,
			  ranking_ndcg(list.gains, list.n, list.ideal, list.n_ideal, list.k))
RANKING_ARRAY(socrec_ndcg_at_array, true,
			  ranking_ndcg(list.gains, list.n, list.ideal, list.n_ideal, list.k))
