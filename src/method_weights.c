/*
 * method_weights.c
 *		The methods of item weights: ease, slim and slope_one.
 *
 * A score sums over the user's ratings what each adds to an item: weight * rating, or
 * the weight alone where only the set of items counts.  A predicted rating is the
 * baseline and the weighted average of what the user's ratings differ from theirs.
 *
 * With deviations, of slope_one, both are the average of rating + deviation, weighted;
 * or, without weights, the user's mean and the average deviation.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "method.h"
#include "method_baseline.h"
#include "weights.h"

typedef struct WeightModel
{
	const char *name;
	int32 n_columns;
	neighbor_heap *heaps; /* as in ItemWeights */
	float4 **deviations;
	Baseline *baseline;
	bool binarize;
	bool weighted;  /* of deviations */
	double *weight; /* of columns: sum of weights, for deviations */
	Targets targets;
} WeightModel;

/*
 * What there is whether the weights are learned or read.
 */
static WeightModel *
start(const char *name, const Ratings *ratings, Jsonb *options, Budget *budget)
{
	const WeightMethod *method = weights_method(name);
	WeightModel *model = budget_alloc(budget, 1, sizeof(WeightModel), "weights");

	model->name = name;
	model->n_columns = ratings->n_columns;
	model->binarize = method->binarizes && method_boolean(options, "binarize");
	model->weighted = method->has_deviations && method_boolean(options, "weighted");
	targets_init(&model->targets, ratings->n_columns, budget);
	if (method->has_deviations)
		model->weight = budget_alloc(budget, ratings->n_columns, sizeof(double), "scores");
	return model;
}

static void *
fit_weights(const char *name, const Ratings *ratings, bool is_explicit, Jsonb *options,
			Budget *budget, Progress *progress)
{
	WeightModel *model = start(name, ratings, options, budget);
	NeighborArguments given = baseline_arguments(options);
	ItemWeights *weights;

	model->baseline = baseline_fit(ratings, is_explicit, &given, budget);
	weights = weights_find(ratings, weights_method(name), options, budget, progress);
	model->heaps = weights->heaps;
	model->deviations = weights->deviations;
	return model;
}

/*
 * Deviations as they are stored, where zeros are not, one for each weight.
 */
static float4 *
load_deviations(const neighbor_heap *weights, const neighbor_heap *stored, Budget *budget)
{
	float4 *deviations = budget_alloc(budget, weights->n, sizeof(float4), "weights");
	int32 next = 0;

	for (int32 i = 0; i < weights->n; i++)
	{
		while (next < stored->n && stored->entries[next].id < weights->entries[i].id)
			next++;
		if (next < stored->n && stored->entries[next].id == weights->entries[i].id)
			deviations[i] = stored->entries[next].score;
	}
	return deviations;
}

static void *
load_weights(const char *name, StoredModel *stored, const Ratings *ratings, bool is_explicit,
			 Jsonb *options, Budget *budget, Progress *progress)
{
	WeightModel *model = start(name, ratings, options, budget);
	const StoredSide *items = &stored->items;

	if (model->weight != NULL)
		model->deviations = budget_alloc(budget, ratings->n_columns, sizeof(float4 *), "weights");
	model->baseline = baseline_load(stored, is_explicit, options, budget);
	model->heaps = budget_alloc(budget, ratings->n_columns, sizeof(neighbor_heap), "weights");
	for (int32 column = 0; column < ratings->n_columns; column++)
	{
		double sum = 0;

		CHECK_FOR_INTERRUPTS();
		model->heaps[column] = stored_entries(items, items->neighbors[column], NULL, &sum, budget);
		if (model->deviations != NULL)
		{
			neighbor_heap deviations =
				stored_entries(items, items->deviations[column], NULL, &sum, budget);

			model->deviations[column] = load_deviations(&model->heaps[column], &deviations, budget);
			if (deviations.entries != NULL)
				pfree(deviations.entries);
		}
	}
	return model;
}

/*
 * Mean of the user's ratings, NaN without any.
 */
static double
user_mean(const MethodUser *user)
{
	double sum = 0;

	for (int32 i = 0; i < user->n; i++)
		sum += user->ratings[i].value;
	return sum / user->n;
}

/*
 * The average of rating + deviation, NaN where there is none.
 */
static void
score_deviations(void *fitted, const MethodUser *user, double *scores)
{
	const WeightModel *model = fitted;
	double mean = user_mean(user);

	memset(scores, 0, model->n_columns * sizeof(double));
	memset(model->weight, 0, model->n_columns * sizeof(double));
	for (int32 i = 0; i < user->n; i++)
	{
		int32 column = user->ratings[i].column;
		const neighbor_heap *heap = &model->heaps[column];
		double rating = model->weighted ? user->ratings[i].value : mean;

		for (int32 j = 0; j < heap->n; j++)
		{
			double weight = heap->entries[j].score;

			scores[heap->entries[j].id] += weight * (rating + model->deviations[column][j]);
			model->weight[heap->entries[j].id] += weight;
		}
	}
	/* 0 / 0 is NaN. */
	for (int32 column = 0; column < model->n_columns; column++)
		scores[column] /= model->weight[column];
}

/*
 * Sum over the items rated of weight * rating, NaN where there is no weight.
 */
static void
score_weights(void *fitted, const MethodUser *user, double *scores)
{
	const WeightModel *model = fitted;

	for (int32 column = 0; column < model->n_columns; column++)
		scores[column] = NAN;
	for (int32 i = 0; i < user->n; i++)
	{
		const neighbor_heap *heap = &model->heaps[user->ratings[i].column];
		double rating = model->binarize ? 1 : user->ratings[i].value;

		for (int32 j = 0; j < heap->n; j++)
		{
			double *score = &scores[heap->entries[j].id];
			double part = heap->entries[j].score * rating;

			*score = isnan(*score) ? part : *score + part;
		}
	}
}

/*
 * For scores, the weights and deviations.
 */
static Size
pack(const void *fitted, char *memory)
{
	const WeightModel *model = fitted;
	int32 n = model->n_columns;
	Size size = 0;

	method_pack(&size, memory, model, 1, sizeof(WeightModel));
	method_pack_heaps(&size, memory, model->heaps, n);
	for (int32 column = 0; column < n && model->deviations != NULL; column++)
		method_pack(&size, memory, model->deviations[column], model->heaps[column].n,
					sizeof(float4));
	return size;
}

static void *
unpack(char *memory)
{
	Size at = 0;
	const WeightModel *packed = method_unpack(&at, memory, 1, sizeof(WeightModel));
	int32 n = packed->n_columns;
	WeightModel *model = palloc0(sizeof(WeightModel));

	model->n_columns = n;
	model->binarize = packed->binarize;
	model->weighted = packed->weighted;
	model->heaps = method_unpack_heaps(&at, memory, n);
	if (packed->deviations == NULL)
		return model;
	model->deviations = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(float4 *));
	model->weight = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(double));
	for (int32 column = 0; column < n; column++)
		model->deviations[column] =
			method_unpack(&at, memory, model->heaps[column].n, sizeof(float4));
	return model;
}

/*
 * Collect what the user's ratings say about the columns that are targets.
 */
static void
ask_ratings(const WeightModel *model, const MethodUser *user)
{
	const Baseline *baseline = model->baseline;

	for (int32 i = 0; i < user->n; i++)
	{
		int32 column = user->ratings[i].column;
		const neighbor_heap *heap = &model->heaps[column];
		double rating = user->ratings[i].value;

		if (model->deviations != NULL)
			rating = model->weighted ? rating : 0;
		else if (baseline->is_explicit)
			rating -= baseline->mean + baseline->statistics->bias[column];
		for (int32 j = 0; j < heap->n; j++)
		{
			Opinion *opinion = target_opinion(&model->targets, heap->entries[j].id);

			if (opinion != NULL)
				opinion_add(opinion, heap->entries[j].score,
							model->deviations == NULL ? rating
													  : rating + model->deviations[column][j]);
		}
	}
}

/*
 * From what the ratings say to a prediction; taste is the user's without the column.
 */
static MethodPrediction
conclude(const WeightModel *model, Taste taste, int32 column, const Opinion *opinion)
{
	const Baseline *baseline = model->baseline;
	MethodPrediction prediction = baseline_prediction(baseline, taste, column);
	double bias = baseline_user_bias(baseline, taste);

	if (opinion->support == 0)
		return prediction;
	prediction.source = model->name;
	prediction.support = opinion->support;
	prediction.value = opinion->sum;
	if (model->deviations != NULL)
		prediction.value =
			baseline_clamp(baseline, opinion->sum / opinion->weight +
										 (model->weighted ? 0 : baseline_user_mean(taste)));
	else if (baseline->is_explicit)
		prediction.value = baseline_clamp(
			baseline, baseline->mean + bias + baseline->statistics->bias[column] +
						  (opinion->sum - bias * opinion->weight) / opinion->magnitude);
	return prediction;
}

static void
predict_weights(void *fitted, const MethodUser *user, const int32 *columns, int32 n,
				MethodPrediction *predictions)
{
	WeightModel *model = fitted;
	Taste taste = baseline_taste(model->baseline, user);

	targets_set(&model->targets, columns, n);
	ask_ratings(model, user);
	for (int32 i = 0; i < n; i++)
	{
		Taste without = baseline_taste_without(model->baseline, taste, user, columns[i]);

		predictions[i] = columns[i] < 0 ? baseline_prediction(model->baseline, without, -1)
										: conclude(model, without, columns[i],
												   target_opinion(&model->targets, columns[i]));
	}
	targets_clear(&model->targets, columns, n);
}

#define WEIGHT_METHOD(method, scores)                                                              \
	static void *fit_##method(const Ratings *ratings, bool is_explicit, Jsonb *options,            \
							  Budget *budget, Progress *progress)                                  \
	{                                                                                              \
		return fit_weights(#method, ratings, is_explicit, options, budget, progress);              \
	}                                                                                              \
                                                                                                   \
	static void *load_##method(StoredModel *stored, const Ratings *ratings, bool is_explicit,      \
							   Jsonb *options, Budget *budget, Progress *progress)                 \
	{                                                                                              \
		return load_weights(#method, stored, ratings, is_explicit, options, budget, progress);     \
	}                                                                                              \
                                                                                                   \
	const Method method_##method = {.name = #method,                                               \
									.fit = fit_##method,                                           \
									.load = load_##method,                                         \
									.score = scores,                                               \
									.pack = pack,                                                  \
									.unpack = unpack,                                              \
									.predict = predict_weights}

WEIGHT_METHOD(ease, score_weights);
WEIGHT_METHOD(slim, score_weights);
WEIGHT_METHOD(slope_one, score_deviations);
