/*
 * method_factor.c
 *		Methods with factors: ials, als, bayes_mf, bpr.
 *
 * A user is folded in, as factor.h describes, whether the ratings were fitted to or
 * not: so a score is that of a model, which keeps no users.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/array.h"

#include "equations.h"
#include "factor_lists.h"
#include "method.h"
#include "method_baseline.h"
#include "query.h"
#include "stored.h"

typedef struct Factorization
{
	const char *name;
	FactorModel *model;
	Baseline *baseline;
	FoldIn fold;
	float *user;
	float *scores;
	int32 *order; /* of items, once there were lists */
	Budget budget;
} Factorization;

/*
 * What both ways to a model need, which is there.
 */
static Factorization *
start(const Method *method, FactorModel *model, Budget *budget)
{
	Factorization *fitted = budget_alloc(budget, 1, sizeof(Factorization), "factors");
	const FactorShape *shape = &model->prior.shape;
	double *sums = budget_alloc(budget, fold_in_sums(shape), sizeof(double), "factors");

	fitted->name = method->name;
	fitted->model = model;
	fitted->budget = *budget;
	fold_in_init(&fitted->fold, &model->prior, sums);
	fitted->user = budget_alloc(budget, factor_length(shape), sizeof(float), "factors");
	fitted->scores = budget_alloc(budget, model->n_items, sizeof(float), "scores");
	return fitted;
}

static void *
fit(const Method *method, const Ratings *ratings, bool is_explicit, Jsonb *options, Budget *budget,
	Progress *progress)
{
	FactorModel *model = method->factorize(ratings, is_explicit, options, budget, progress);
	Factorization *fitted = start(method, model, budget);
	NeighborArguments given = baseline_arguments(options);

	/* What is no rating falls back to popularity, as with implicit feedback. */
	fitted->baseline = baseline_fit(ratings, model->prior.target == FACTOR_RATING, &given, budget);
	return fitted;
}

/* Items as they are read, by rising id. */
typedef struct FactorReceiver
{
	DestReceiver pub;
	Budget *budget;
	int32 n_items; /* that there must be */
	int32 n;
	FactorModel *model; /* once there is a row */
} FactorReceiver;

static void
start_factors(DestReceiver *self, int operation, TupleDesc desc)
{
	if (desc->natts != 2 || TupleDescAttr(desc, 0)->atttypid != BYTEAOID ||
		TupleDescAttr(desc, 1)->atttypid != FLOAT4ARRAYOID)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("the query of factors returns other columns than a model has")));
}

/*
 * prior, factors
 */
static bool
receive_factors(TupleTableSlot *slot, DestReceiver *self)
{
	FactorReceiver *receiver = (FactorReceiver *) self;
	ArrayType *factors;
	int32 length;

	slot_getallattrs(slot);
	if (slot->tts_isnull[0] || slot->tts_isnull[1] || receiver->n == receiver->n_items)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("a model has a null, or a row more, where none can be")));
	if (receiver->model == NULL)
		receiver->model = factor_model_unpack(DatumGetByteaP(slot->tts_values[0]),
											  receiver->n_items, receiver->budget);
	factors = DatumGetArrayTypeP(slot->tts_values[1]);
	length = factor_length(&receiver->model->prior.shape);
	memcpy(receiver->model->items + (Size) receiver->n++ * length,
		   factor_elements(factors, NULL, length), length * sizeof(float));
	if ((Pointer) factors != DatumGetPointer(slot->tts_values[1]))
		pfree(factors);
	return true;
}

static void *
load(const Method *method, StoredModel *stored, const Ratings *ratings, bool is_explicit,
	 Jsonb *options, Budget *budget, Progress *progress)
{
	FactorReceiver receiver = {
		.pub = {receive_factors, start_factors, query_ignore, query_ignore, DestTuplestore},
		.budget = budget,
		.n_items = stored->items.keys.n};
	const FactorShape none = {.rank = 1, .n_samples = 1};
	Factorization *fitted;

	query_run(stored_query(stored), &receiver.pub);
	if (receiver.model == NULL)
		receiver.model = factor_model_create(&none, 0, budget);
	if (receiver.n != receiver.n_items)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("a model has factors of %d items, not of %d", receiver.n,
							   receiver.n_items)));
	fitted = start(method, receiver.model, budget);
	fitted->baseline =
		baseline_load(stored, receiver.model->prior.target == FACTOR_RATING, options, budget);
	return fitted;
}

static inline const float *
item_vector(const FactorModel *model, int32 column)
{
	return model->items + (Size) column * factor_length(&model->prior.shape);
}

static void
fold_in(Factorization *fitted, const MethodUser *user)
{
	fold_in_clear(&fitted->fold);
	fold_in_add_all(&fitted->fold, user->ratings, user->n, fitted->model->items, NULL);
}

static void
solve(Factorization *fitted)
{
	if (!fold_in_solve(&fitted->fold, fitted->user))
		factor_singular();
}

/*
 * The product of the user's vector with those of all items; none without ratings.
 */
static void
score(void *opaque, const MethodUser *user, double *scores)
{
	Factorization *fitted = opaque;
	const FactorModel *model = fitted->model;

	if (user->n == 0)
	{
		for (int32 column = 0; column < model->n_items; column++)
			scores[column] = NAN;
		return;
	}
	fold_in(fitted, user);
	solve(fitted);
	vector_scores(fitted->user, model->items, model->n_items, factor_length(&model->prior.shape),
				  fitted->scores);
	for (int32 column = 0; column < model->n_items; column++)
		scores[column] = fitted->scores[column];
}

static void
lists(void *opaque, const MethodUser *users, int32 n_users, score_heap *heaps)
{
	Factorization *fitted = opaque;

	if (fitted->order == NULL)
		fitted->order = factor_lists_order(fitted->model, &fitted->budget);
	factor_lists_make(fitted->model, fitted->order, users, n_users, heaps, &fitted->budget);
}

/*
 * The score as a rating, of the user without the rating of the item asked for.
 */
static void
predict(void *opaque, const MethodUser *user, const int32 *columns, int32 n,
		MethodPrediction *predictions)
{
	Factorization *fitted = opaque;
	const Baseline *baseline = fitted->baseline;
	const FactorModel *model = fitted->model;
	Taste taste = baseline_taste(baseline, user);
	float *all = palloc(factor_length(&model->prior.shape) * sizeof(float));

	fold_in(fitted, user);
	if (user->n > 0)
	{
		solve(fitted);
		memcpy(all, fitted->user, factor_length(&model->prior.shape) * sizeof(float));
	}
	for (int32 i = 0; i < n; i++)
	{
		Taste without = baseline_taste_without(baseline, taste, user, columns[i]);
		const float *vector = all;
		const float *item;
		double value;

		predictions[i] = baseline_prediction(baseline, without, columns[i]);
		if (columns[i] < 0 || without.n == 0)
			continue;
		item = item_vector(model, columns[i]);
		if (without.n < taste.n)
		{
			double rating = method_user_rating(user, columns[i])->value;

			fold_in_remove(&fitted->fold, item, rating);
			solve(fitted);
			fold_in_add(&fitted->fold, item, rating);
			vector = fitted->user;
		}
		value = vector_dot(vector, item, factor_length(&model->prior.shape));
		predictions[i] =
			(MethodPrediction){baseline->is_explicit ? baseline_clamp(baseline, value) : value,
							   fitted->name, without.n};
	}
	pfree(all);
}

/*
 * A method of the family: all but the fit is common to them.
 */
#define FACTOR_METHOD(method, fit_of_method, ranks)                                                \
	static void *fit_##method(const Ratings *ratings, bool is_explicit, Jsonb *options,            \
							  Budget *budget, Progress *progress)                                  \
	{                                                                                              \
		return fit(&method_##method, ratings, is_explicit, options, budget, progress);             \
	}                                                                                              \
	static void *load_##method(StoredModel *stored, const Ratings *ratings, bool is_explicit,      \
							   Jsonb *options, Budget *budget, Progress *progress)                 \
	{                                                                                              \
		return load(&method_##method, stored, ratings, is_explicit, options, budget, progress);    \
	}                                                                                              \
	const Method method_##method = {.name = #method,                                               \
									.fit = fit_##method,                                           \
									.load = load_##method,                                         \
									.score = score,                                                \
									.lists = lists,                                                \
									.predict = predict,                                            \
									.only_ranks = ranks,                                           \
									.factorize = fit_of_method}

FACTOR_METHOD(ials, ials_fit, true);
FACTOR_METHOD(als, als_fit, false);
FACTOR_METHOD(bayes_mf, bayes_mf_fit, false);
FACTOR_METHOD(bpr, bpr_fit, true);
