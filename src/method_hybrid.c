/*
 * method_hybrid.c
 *		The method hybrid: a weighted blend of other methods, its parts.
 *
 * A score is the sum over the parts of weight * place in the part's list, where a
 * list is the part's `depth` best unseen items, and the place of an item goes from 0,
 * the lowest score listed, to 1, the highest; one that is not listed counts 0.  So
 * scores of any scale can be added (CombSUM: Fox and Shaw, Combination of Multiple
 * Searches, TREC-2, 1994; scaled as by Lee, Analyses of Multiple Evidence Combination,
 * SIGIR 1997).  A prediction is mean + sum of weight * (the part's prediction - mean).
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "method.h"
#include "method_hybrid.h"
#include "query.h"
#include "ratings.h"
#include "socrec.h"
#include "stored.h"

#define MAX_DEPTH 100000

/* The queries of a model's own, after those of every method: first the parts. */
#define QUERY_PARTS 2

/*
 * Smallest and largest rating, and the mean.
 */
static void
describe_range(Hybrid *hybrid, const Ratings *ratings)
{
	hybrid->mean = hybrid->minimum = hybrid->maximum = NAN;
	if (ratings->n_ratings == 0)
		return;
	hybrid->mean = ratings->mean;
	hybrid->minimum = FLT_MAX;
	hybrid->maximum = -FLT_MAX;
	for (int64 p = 0; p < ratings->n_ratings; p++)
	{
		if (p % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
		hybrid->minimum = Min(hybrid->minimum, ratings->entries[p].value);
		hybrid->maximum = Max(hybrid->maximum, ratings->entries[p].value);
	}
}

/*
 * A hybrid of the parts that the options name, without weights and not fitted.  Errors:
 * options that SQL would have refused.
 */
Hybrid *
hybrid_create(const Ratings *ratings, bool is_explicit, Jsonb *options, Budget *budget)
{
	Hybrid *hybrid = budget_alloc(budget, 1, sizeof(Hybrid), "scores");
	Jsonb *parts = method_document(options, "parts");
	int n = JB_ROOT_IS_ARRAY(parts) ? (int) JB_ROOT_COUNT(parts) : 0;

	if (n < 1 || n > HYBRID_MAX_PARTS)
		invalid_argument("a hybrid has 1 to %d parts, not %d", HYBRID_MAX_PARTS, n);
	hybrid->budget = *budget;
	hybrid->ratings = ratings;
	hybrid->is_explicit = is_explicit;
	hybrid->n_parts = n;
	hybrid->list.capacity = method_whole(options, "depth", 1, MAX_DEPTH);
	for (int i = 0; i < n; i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(&parts->root, i);
		Jsonb *part = value->type == jbvBinary ? JsonbValueToJsonb(value) : parts;

		hybrid->parts[i].method = method_find(method_word(part, "method"));
		hybrid->parts[i].options = method_document(part, "options");
		if (hybrid->parts[i].method == &method_hybrid)
			invalid_argument("a part of a hybrid cannot be a hybrid");
		hybrid->rates = hybrid->rates || (is_explicit && !hybrid->parts[i].method->only_ranks);
	}
	hybrid->list.entries =
		budget_alloc(budget, hybrid->list.capacity, sizeof(listed_entry), "scores");
	return hybrid;
}

/*
 * Whether the predictions of a part are of the kind that those of the hybrid are.
 */
bool
hybrid_can_predict(const Hybrid *hybrid, const HybridPart *part)
{
	return !hybrid->rates || !part->method->only_ranks;
}

/*
 * Give the parts that can predict the weights that they have for lists, in sum 1, and
 * the same weight if they have none.
 */
void
hybrid_predict_as_ranked(Hybrid *hybrid)
{
	double sum = 0;
	int n = 0;

	for (int i = 0; i < hybrid->n_parts; i++)
	{
		if (!hybrid_can_predict(hybrid, &hybrid->parts[i]))
			continue;
		sum += hybrid->parts[i].rank_weight;
		n++;
	}
	for (int i = 0; i < hybrid->n_parts; i++)
	{
		HybridPart *part = &hybrid->parts[i];

		part->prediction_weight = !hybrid_can_predict(hybrid, part) ? 0
								  : sum > 0                         ? part->rank_weight / sum
																	: 1.0 / n;
	}
}

/*
 * Take the weights that the options give; false if they give none.
 */
bool
hybrid_read_weights(Hybrid *hybrid, Jsonb *options)
{
	Jsonb *parts = method_document(options, "parts");
	double sum = 0;

	for (int i = 0; i < hybrid->n_parts; i++)
	{
		Jsonb *part = JsonbValueToJsonb(getIthJsonbValueFromContainer(&parts->root, i));

		if (getKeyJsonValueFromContainer(&part->root, "weight", strlen("weight"), NULL) == NULL)
			return false;
		hybrid->parts[i].rank_weight = method_number(part, "weight");
		sum += hybrid->parts[i].rank_weight;
		if (!(hybrid->parts[i].rank_weight >= 0))
			invalid_argument("the weight of a part cannot be negative");
	}
	if (!(sum > 0 && sum < INFINITY))
		invalid_argument("the weights of parts must have a positive sum");
	for (int i = 0; i < hybrid->n_parts; i++)
		hybrid->parts[i].rank_weight /= sum;
	hybrid_predict_as_ranked(hybrid);
	return true;
}

/*
 * Fit every part to the hybrid's ratings.
 */
void
hybrid_fit_parts(Hybrid *hybrid, Progress *progress)
{
	describe_range(hybrid, hybrid->ratings);
	for (int i = 0; i < hybrid->n_parts; i++)
	{
		HybridPart *part = &hybrid->parts[i];

		progress_report(progress, "part %d of %d, %s", i + 1, hybrid->n_parts, part->method->name);
		part->fitted = part->method->fit(hybrid->ratings, hybrid->is_explicit, part->options,
										 &hybrid->budget, progress);
	}
	hybrid->scores =
		budget_alloc(&hybrid->budget, hybrid->ratings->n_columns, sizeof(double), "scores");
}

static void *
fit_hybrid(const Ratings *ratings, bool is_explicit, Jsonb *options, Budget *budget,
		   Progress *progress)
{
	Hybrid *hybrid = hybrid_create(ratings, is_explicit, options, budget);

	hybrid_fit_weights(hybrid, options, progress);
	hybrid_fit_parts(hybrid, progress);
	return hybrid;
}

/* What a model knows of its parts. */
typedef struct PartReceiver
{
	DestReceiver pub;
	Hybrid *hybrid;
	int n;
	int32 n_queries[HYBRID_MAX_PARTS];
} PartReceiver;

static void
start_parts(DestReceiver *self, int operation, TupleDesc desc)
{
	static const Oid types[] = {INT4OID, FLOAT8OID, FLOAT8OID};

	stored_check_columns(desc, 0, types, lengthof(types));
}

/*
 * n_queries, rank_weight, prediction_weight
 */
static bool
receive_part(TupleTableSlot *slot, DestReceiver *self)
{
	PartReceiver *receiver = (PartReceiver *) self;
	HybridPart *part = &receiver->hybrid->parts[receiver->n];

	slot_getallattrs(slot);
	stored_refuse_nulls(slot, 0, 3);
	if (receiver->n < receiver->hybrid->n_parts)
	{
		receiver->n_queries[receiver->n] = DatumGetInt32(slot->tts_values[0]);
		part->rank_weight = DatumGetFloat8(slot->tts_values[1]);
		part->prediction_weight = DatumGetFloat8(slot->tts_values[2]);
	}
	receiver->n++;
	return true;
}

/*
 * Translate between the columns of the hybrid and of a part, unless they are the same:
 * the ratings may have changed between the fits of two parts.
 */
static void
match_columns(Hybrid *hybrid, HybridPart *part, KeyMap *whole, KeyMap *own)
{
	int32 *column = budget_alloc(&hybrid->budget, whole->n, sizeof(int32), "keys");
	int32 *back = budget_alloc(&hybrid->budget, own->n, sizeof(int32), "keys");
	bool same = whole->n == own->n;

	for (int32 i = 0; i < whole->n; i++)
		column[i] = -1;
	for (int32 i = 0; i < own->n; i++)
	{
		if (i % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
		back[i] = keys_find(whole, keys_datum(own->keys[i], own->type));
		same = same && back[i] == i;
		if (back[i] >= 0)
			column[back[i]] = i;
	}
	if (same)
	{
		pfree(column);
		pfree(back);
		return;
	}
	part->column = column;
	part->whole = back;
	part->ratings = ratings_renumber(hybrid->ratings, own, column, &hybrid->budget);
}

static void
load_part(Hybrid *hybrid, HybridPart *part, StoredModel *whole, int first, int n_queries,
		  Progress *progress)
{
	StoredModel *stored = stored_load_part(whole, first, n_queries, progress);

	keys_check_type(stored->items.keys.type, "item", whole->items.keys.type);
	match_columns(hybrid, part, &whole->items.keys, &stored->items.keys);
	part->fitted =
		part->method->load(stored, part->ratings == NULL ? hybrid->ratings : part->ratings,
						   hybrid->is_explicit, part->options, &hybrid->budget, progress);
}

static void *
load_hybrid(StoredModel *stored, const Ratings *ratings, bool is_explicit, Jsonb *options,
			Budget *budget, Progress *progress)
{
	Hybrid *hybrid = hybrid_create(ratings, is_explicit, options, budget);
	PartReceiver receiver = {
		.pub = {receive_part, start_parts, query_ignore, query_ignore, DestTuplestore},
		.hybrid = hybrid};
	int first = QUERY_PARTS + 1;
	int32 widest = ratings->n_columns;

	hybrid->mean = stored->mean;
	hybrid->minimum = stored->minimum;
	hybrid->maximum = stored->maximum;
	query_run(stored_query(stored), &receiver.pub);
	if (receiver.n != hybrid->n_parts)
		invalid_argument("a hybrid of %d parts cannot have %d", hybrid->n_parts, receiver.n);
	for (int i = 0; i < hybrid->n_parts; i++)
	{
		HybridPart *part = &hybrid->parts[i];

		load_part(hybrid, part, stored, first, receiver.n_queries[i], progress);
		first += receiver.n_queries[i];
		if (part->ratings != NULL)
			widest = Max(widest, part->ratings->n_columns);
	}
	hybrid->scores = budget_alloc(budget, widest, sizeof(double), "scores");
	return hybrid;
}

/*
 * Make room for at least n elements, without what was in it.
 */
static void *
make_room(Hybrid *hybrid, void *old, Size n, Size size)
{
	if (old != NULL)
		pfree(old);
	return budget_alloc(&hybrid->budget, n, size, "predictions");
}

static int
compare_entries(const void *a, const void *b)
{
	int32 x = ((const KnnEntry *) a)->column;
	int32 y = ((const KnnEntry *) b)->column;

	return x < y ? -1 : x > y;
}

/*
 * A user as a part sees one.
 */
static MethodUser
user_of_part(Hybrid *hybrid, const HybridPart *part, const MethodUser *user)
{
	MethodUser own = {.row = user->row};

	if (part->column == NULL)
		return *user;
	if (user->n > hybrid->profile_size)
	{
		hybrid->profile = make_room(hybrid, hybrid->profile, user->n, sizeof(KnnEntry));
		hybrid->profile_size = user->n;
	}
	for (int32 i = 0; i < user->n; i++)
	{
		int32 column = part->column[user->ratings[i].column];

		if (column >= 0)
			hybrid->profile[own.n++] = (KnnEntry){column, user->ratings[i].value};
	}
	qsort(hybrid->profile, own.n, sizeof(KnnEntry), compare_entries);
	own.ratings = hybrid->profile;
	return own;
}

/*
 * The list of a part for a user, into hybrid->list by the hybrid's columns (-1: it has
 * none such), with places 0 to 1 as scores, best first.  Returns its length.
 */
int32
hybrid_list(Hybrid *hybrid, HybridPart *part, const MethodUser *user)
{
	MethodUser own = user_of_part(hybrid, part, user);
	listed_heap *list = &hybrid->list;
	double lowest, range;

	part->method->score(part->fitted, &own, hybrid->scores);
	for (int32 i = 0; i < own.n; i++)
		hybrid->scores[own.ratings[i].column] = NAN;
	list->n = 0;
	listed_offer_all(list, hybrid->scores,
					 part->ratings == NULL ? hybrid->ratings->n_columns : part->ratings->n_columns);
	listed_sort(list);
	if (list->n == 0)
		return 0;
	lowest = list->entries[list->n - 1].score;
	range = list->entries[0].score - lowest;
	for (int32 i = 0; i < list->n; i++)
	{
		listed_entry *entry = &list->entries[i];

		entry->score = range > 0 ? (entry->score - lowest) / range : 1;
		if (part->whole != NULL)
			entry->id = part->whole[entry->id];
	}
	return list->n;
}

static void
score_hybrid(void *fitted, const MethodUser *user, double *scores)
{
	Hybrid *hybrid = fitted;

	for (int32 column = 0; column < hybrid->ratings->n_columns; column++)
		scores[column] = NAN;
	for (int i = 0; i < hybrid->n_parts; i++)
	{
		HybridPart *part = &hybrid->parts[i];
		int32 n = part->rank_weight > 0 ? hybrid_list(hybrid, part, user) : 0;

		for (int32 j = 0; j < n; j++)
		{
			const listed_entry *entry = &hybrid->list.entries[j];
			double share = part->rank_weight * entry->score;

			if (entry->id >= 0)
				scores[entry->id] = isnan(scores[entry->id]) ? share : scores[entry->id] + share;
		}
	}
}

/*
 * What a part predicts for n columns, until the next call.
 */
const MethodPrediction *
hybrid_ask(Hybrid *hybrid, HybridPart *part, const MethodUser *user, const int32 *columns, int32 n)
{
	MethodUser own = user_of_part(hybrid, part, user);

	if (n > hybrid->n_predictions)
	{
		hybrid->columns = make_room(hybrid, hybrid->columns, n, sizeof(int32));
		hybrid->predictions = make_room(hybrid, hybrid->predictions, n, sizeof(MethodPrediction));
		hybrid->n_predictions = n;
	}
	for (int32 i = 0; i < n; i++)
		hybrid->columns[i] =
			columns[i] < 0 || part->column == NULL ? columns[i] : part->column[columns[i]];
	part->method->predict(part->fitted, &own, hybrid->columns, n, hybrid->predictions);
	return hybrid->predictions;
}

/*
 * Add to a blend what the next part predicts.  The support is the number of parts that
 * spoke for themselves; as long as none did, the source is the first part's fallback.
 */
static void
add_prediction(MethodPrediction *blend, const MethodPrediction *given, const HybridPart *part,
			   double mean, bool is_first)
{
	if (is_first)
		*blend = (MethodPrediction){mean, given->source, given->support};
	if (strcmp(given->source, part->method->name) == 0)
	{
		blend->support = blend->source == method_hybrid.name ? blend->support + 1 : 1;
		blend->source = method_hybrid.name;
	}
	blend->value += part->prediction_weight * (given->value - mean);
}

static void
predict_hybrid(void *fitted, const MethodUser *user, const int32 *columns, int32 n,
			   MethodPrediction *predictions)
{
	Hybrid *hybrid = fitted;
	double mean = hybrid->rates ? hybrid->mean : 0;
	bool is_first = true;

	for (int i = 0; i < hybrid->n_parts; i++)
	{
		HybridPart *part = &hybrid->parts[i];
		const MethodPrediction *given;

		if (!(part->prediction_weight > 0))
			continue;
		given = hybrid_ask(hybrid, part, user, columns, n);
		for (int32 j = 0; j < n; j++)
			add_prediction(&predictions[j], &given[j], part, mean, is_first);
		is_first = false;
	}
	for (int32 j = 0; j < n && hybrid->rates; j++)
		if (!isnan(predictions[j].value))
			predictions[j].value = Min(hybrid->maximum, Max(hybrid->minimum, predictions[j].value));
}

const Method method_hybrid = {.name = "hybrid",
							  .fit = fit_hybrid,
							  .load = load_hybrid,
							  .score = score_hybrid,
							  .predict = predict_hybrid};
