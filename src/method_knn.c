/*
 * method_knn.c
 *		The methods item_knn and user_knn.
 *
 * Two definitions of neighborhood, on purpose.  A score sums over the neighbors
 * of the items that the user rated (Deshpande and Karypis, Item-Based Top-N
 * Recommendation Algorithms, ACM TOIS 22(1), 2004), or over the ratings of the
 * user's neighbors; a prediction averages over the neighbors of the item asked for
 * that the user rated (Sarwar et al., WWW 2001), or over the user's neighbors who
 * rated it.
 *
 * What a user needs lies in arrays with one element a column, which are written
 * and cleared for that user's ratings alone: no search for a number.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "knn.h"
#include "method.h"
#include "method_baseline.h"
#include "neighborhood.h"
#include "ratings.h"

/* What a rating is measured against before neighbors are averaged. */
typedef enum Reference
{
	REFERENCE_NONE,
	REFERENCE_USER,
	REFERENCE_ITEM,
	REFERENCE_BASELINE
} Reference;

typedef struct Knn
{
	const char *name;
	const Ratings *ratings;
	Baseline *baseline;
	Reference reference;
	bool normalize;

	/* Of columns for item_knn; of rows for user_knn, as numbers of rows. */
	neighbor_heap *neighbors;
	double *weight_sum; /* of all neighbors */

	/* Of rows, for user_knn. */
	double *row_mean;
	double *row_bias;

	/* Of columns; clear between two calls. */
	double *weight;  /* sum of |weight|, when normalized */
	float4 *rating;  /* item_knn: the user's, NaN without */
	Targets targets; /* user_knn */
} Knn;

static Reference
parse_reference(const char *center)
{
	return strcmp(center, "user") == 0       ? REFERENCE_USER
		   : strcmp(center, "item") == 0     ? REFERENCE_ITEM
		   : strcmp(center, "baseline") == 0 ? REFERENCE_BASELINE
											 : REFERENCE_NONE;
}

/*
 * What both methods have, but the baseline and the neighbors.
 */
static Knn *
start(const char *name, const Ratings *ratings, Jsonb *options, Budget *budget)
{
	Knn *knn = budget_alloc(budget, 1, sizeof(Knn), "neighbors");
	char *center = method_word(options, "center");

	knn->name = name;
	knn->ratings = ratings;
	knn->reference = parse_reference(center);
	knn->normalize = method_boolean(options, "normalize");
	if (knn->normalize)
		knn->weight = budget_alloc(budget, ratings->n_columns, sizeof(double), "scores");
	pfree(center);
	return knn;
}

/*
 * The same for a fit, the options being read into given.
 */
static Knn *
start_fit(const char *name, const Ratings *ratings, bool is_explicit, Jsonb *options,
		  NeighborArguments *given, Budget *budget)
{
	Knn *knn = start(name, ratings, options, budget);

	*given = baseline_arguments(options);
	given->k = (int) method_number(options, "k");
	given->similarity = method_word(options, "similarity");
	given->min_support = (int) method_number(options, "min_support");
	given->shrinkage = method_number(options, "shrinkage");
	given->center = method_word(options, "center");
	given->weighting = method_word(options, "weighting");
	given->min_similarity = method_number(options, "min_similarity");

	knn->baseline = baseline_fit(ratings, is_explicit, given, budget);
	return knn;
}

static void
prepare_items(Knn *knn, Budget *budget)
{
	int32 n = knn->ratings->n_columns;

	knn->rating = budget_alloc(budget, n, sizeof(float4), "predictions");
	for (int32 column = 0; column < n; column++)
		knn->rating[column] = NAN;
}

static void
prepare_users(Knn *knn, Budget *budget)
{
	const Ratings *ratings = knn->ratings;

	knn->neighbors = budget_alloc(budget, ratings->n_rows, sizeof(neighbor_heap), "neighbors");
	knn->row_mean = budget_alloc(budget, ratings->n_rows, sizeof(double), "statistics");
	knn->row_bias = budget_alloc(budget, ratings->n_rows, sizeof(double), "statistics");
	targets_init(&knn->targets, ratings->n_columns, budget);
}

static void
sum_weights(Knn *knn, int32 n, Budget *budget)
{
	knn->weight_sum = budget_alloc(budget, n, sizeof(double), "neighbors");
	for (int32 i = 0; i < n; i++)
		for (int32 j = 0; j < knn->neighbors[i].n; j++)
			knn->weight_sum[i] += knn->neighbors[i].entries[j].score;
}

static void *
fit_item_knn(const Ratings *ratings, bool is_explicit, Jsonb *options, Budget *budget,
			 Progress *progress)
{
	NeighborArguments given;
	Knn *knn = start_fit(method_item_knn.name, ratings, is_explicit, options, &given, budget);
	NeighborOptions checked = neighborhood_options(&given, false);
	Ratings compared = *ratings;
	Budget part;

	budget_part(&part, budget);
	compared.budget = part;
	if (checked.centering != CENTER_NONE || checked.weighting != WEIGHT_NONE)
	{
		compared.entries = budget_alloc(&part, ratings->n_ratings, sizeof(KnnEntry), "ratings");
		memcpy(compared.entries, ratings->entries, ratings->n_ratings * sizeof(KnnEntry));
	}
	knn->neighbors =
		neighborhood_find(&compared, knn->baseline->statistics, &checked, budget, progress)->heaps;
	MemoryContextDelete(part.context);

	sum_weights(knn, ratings->n_columns, budget);
	prepare_items(knn, budget);
	return knn;
}

/*
 * Neighbors are found among the columns of the matrix with users as columns, and
 * renumbered to the rows that the users have in the one given.
 */
static void *
fit_user_knn(const Ratings *ratings, bool is_explicit, Jsonb *options, Budget *budget,
			 Progress *progress)
{
	NeighborArguments given;
	Knn *knn = start_fit(method_user_knn.name, ratings, is_explicit, options, &given, budget);
	NeighborOptions checked = neighborhood_options(&given, true);
	Ratings untimed = *ratings;
	Ratings *users;
	RatingStatistics *statistics;
	neighbor_heap *heaps;
	Budget part;

	untimed.times = NULL;
	budget_part(&part, budget);
	users = ratings_transpose(&untimed, &part);
	statistics = ratings_describe(users, &checked.baseline, &part);
	heaps = neighborhood_find(users, statistics, &checked, budget, progress)->heaps;

	prepare_users(knn, budget);
	for (int32 user = 0; user < users->n_columns; user++)
	{
		int32 row = users->column_order[user];

		for (int32 i = 0; i < heaps[user].n; i++)
			heaps[user].entries[i].id = users->column_order[heaps[user].entries[i].id];
		knn->neighbors[row] = heaps[user];
		knn->row_mean[row] = statistics->mean[user];
		knn->row_bias[row] = statistics->bias[user];
	}
	pfree(heaps);
	MemoryContextDelete(part.context);

	sum_weights(knn, ratings->n_rows, budget);
	return knn;
}

static void *
load_item_knn(StoredModel *stored, const Ratings *ratings, bool is_explicit, Jsonb *options,
			  Budget *budget, Progress *progress)
{
	Knn *knn = start(method_item_knn.name, ratings, options, budget);

	knn->baseline = baseline_load(stored, is_explicit, options, budget);
	knn->neighbors = budget_alloc(budget, ratings->n_columns, sizeof(neighbor_heap), "neighbors");
	knn->weight_sum = budget_alloc(budget, ratings->n_columns, sizeof(double), "neighbors");
	for (int32 column = 0; column < ratings->n_columns; column++)
	{
		CHECK_FOR_INTERRUPTS();
		knn->neighbors[column] = stored_entries(&stored->items, stored->items.neighbors[column],
												NULL, &knn->weight_sum[column], budget);
	}
	prepare_items(knn, budget);
	return knn;
}

/*
 * Users whom the model has stored and who have no ratings now have nothing to say,
 * and are not asked for.
 */
static void *
load_user_knn(StoredModel *stored, const Ratings *ratings, bool is_explicit, Jsonb *options,
			  Budget *budget, Progress *progress)
{
	Knn *knn = start(method_user_knn.name, ratings, options, budget);
	int32 *number = budget_alloc(budget, ratings->n_rows, sizeof(int32), "neighbors");
	int32 *place;

	knn->baseline = baseline_load(stored, is_explicit, options, budget);
	stored_load_users(stored, progress);
	keys_check_type(stored->users.keys.type, "user", ratings->row_type);
	place = budget_alloc(budget, stored->users.keys.n, sizeof(int32), "neighbors");
	for (int32 i = 0; i < stored->users.keys.n; i++)
		place[i] = -1;
	for (int32 row = 0; row < ratings->n_rows; row++)
	{
		number[row] =
			keys_find(&stored->users.keys, keys_datum(ratings->row_keys[row], ratings->row_type));
		if (number[row] >= 0)
			place[number[row]] = row;
	}
	prepare_users(knn, budget);
	knn->weight_sum = budget_alloc(budget, ratings->n_rows, sizeof(double), "neighbors");
	for (int32 row = 0; row < ratings->n_rows; row++)
	{
		CHECK_FOR_INTERRUPTS();
		if (number[row] < 0)
			continue;
		knn->neighbors[row] = stored_entries(&stored->users, stored->users.neighbors[number[row]],
											 place, &knn->weight_sum[row], budget);
		knn->row_mean[row] = stored->users.mean[number[row]];
		knn->row_bias[row] = stored->users.bias[number[row]];
	}
	pfree(number);
	pfree(place);
	return knn;
}

/*
 * A score is -0.0 as long as nothing was added to it.  What is added is never
 * that, nor is any sum of such: so the loops that add need no branch.
 */
static inline double
share(float4 weight, float4 rating)
{
	return (double) weight * rating + 0.0;
}

static void
start_scores(const Knn *knn, double *scores)
{
	int32 n = knn->ratings->n_columns;

	for (int32 column = 0; column < n; column++)
		scores[column] = -0.0;
	if (knn->normalize)
		memset(knn->weight, 0, n * sizeof(double));
}

static void
end_scores(const Knn *knn, double *scores)
{
	int32 n = knn->ratings->n_columns;
	const double untouched = -0.0;
	const double none = NAN;
	uint64 untouched_bits;
	uint64 none_bits;

	memcpy(&untouched_bits, &untouched, sizeof(uint64));
	memcpy(&none_bits, &none, sizeof(uint64));
	for (int32 column = 0; column < n; column++)
	{
		uint64 bits;

		memcpy(&bits, &scores[column], sizeof(uint64));
		bits = bits == untouched_bits ? none_bits : bits;
		memcpy(&scores[column], &bits, sizeof(uint64));
	}
	if (!knn->normalize)
		return;
	for (int32 column = 0; column < n; column++)
		scores[column] /= knn->weight[column];
}

/*
 * Sum over the items rated of similarity * rating, one row of the model for each.
 */
static void
score_item_knn(void *fitted, const MethodUser *user, double *scores)
{
	const Knn *knn = fitted;

	start_scores(knn, scores);
	for (int32 i = 0; i < user->n; i++)
	{
		neighbor_heap heap = knn->neighbors[user->ratings[i].column];
		float4 rating = user->ratings[i].value;

		for (int32 j = 0; j < heap.n; j++)
			scores[heap.entries[j].id] += share(heap.entries[j].score, rating);
		for (int32 j = 0; j < heap.n && knn->normalize; j++)
			knn->weight[heap.entries[j].id] += fabsf(heap.entries[j].score);
	}
	end_scores(knn, scores);
}

/*
 * Sum over the user's neighbors of similarity * rating; none without neighbors,
 * which a user has who was there at the fit.
 */
static void
score_user_knn(void *fitted, const MethodUser *user, double *scores)
{
	const Knn *knn = fitted;
	const Ratings *ratings = knn->ratings;
	const neighbor_heap *heap = user->row < 0 ? NULL : &knn->neighbors[user->row];

	start_scores(knn, scores);
	for (int32 i = 0; heap != NULL && i < heap->n; i++)
	{
		const KnnEntry *entries = ratings->entries;
		float4 weight = heap->entries[i].score;
		int64 start = ratings->row_start[heap->entries[i].id];
		int64 end = ratings->row_start[heap->entries[i].id + 1];

		for (int64 p = start; p < end; p++)
			scores[entries[p].column] += share(weight, entries[p].value);
		for (int64 p = start; p < end && knn->normalize; p++)
			knn->weight[entries[p].column] += fabsf(weight);
	}
	end_scores(knn, scores);
}

/*
 * For scores, the columns and the neighbors: of columns, or of rows with their ratings.
 */
static Size
pack_knn(const void *fitted, char *memory, bool by_rows)
{
	const Knn *knn = fitted;
	const Ratings *ratings = knn->ratings;
	Size size = 0;

	method_pack(&size, memory, ratings, 1, sizeof(Ratings));
	method_pack(&size, memory, &knn->normalize, 1, sizeof(bool));
	method_pack_heaps(&size, memory, knn->neighbors,
					  by_rows ? ratings->n_rows : ratings->n_columns);
	if (by_rows)
	{
		method_pack(&size, memory, ratings->row_start, (Size) ratings->n_rows + 1, sizeof(int64));
		method_pack(&size, memory, ratings->entries, ratings->n_ratings, sizeof(KnnEntry));
	}
	return size;
}

static void *
unpack_knn(char *memory, bool by_rows)
{
	Size at = 0;
	Ratings *ratings = palloc0(sizeof(Ratings));
	Knn *knn = palloc0(sizeof(Knn));
	const Ratings *packed = method_unpack(&at, memory, 1, sizeof(Ratings));

	ratings->n_rows = packed->n_rows;
	ratings->n_columns = packed->n_columns;
	ratings->n_ratings = packed->n_ratings;
	knn->ratings = ratings;
	knn->normalize = *(bool *) method_unpack(&at, memory, 1, sizeof(bool));
	knn->neighbors =
		method_unpack_heaps(&at, memory, by_rows ? ratings->n_rows : ratings->n_columns);
	if (by_rows)
	{
		ratings->row_start = method_unpack(&at, memory, (Size) ratings->n_rows + 1, sizeof(int64));
		ratings->entries = method_unpack(&at, memory, ratings->n_ratings, sizeof(KnnEntry));
	}
	if (knn->normalize)
		knn->weight =
			MemoryContextAllocHuge(CurrentMemoryContext, ratings->n_columns * sizeof(double));
	return knn;
}

static Size
pack_item_knn(const void *fitted, char *memory)
{
	return pack_knn(fitted, memory, false);
}

static void *
unpack_item_knn(char *memory)
{
	return unpack_knn(memory, false);
}

static Size
pack_user_knn(const void *fitted, char *memory)
{
	return pack_knn(fitted, memory, true);
}

static void *
unpack_user_knn(char *memory)
{
	return unpack_knn(memory, true);
}

/*
 * What a rating of an item is measured against, given the user's side of it.
 */
static inline double
reference_rating(const Knn *knn, double user_mean, double user_bias, int32 column)
{
	switch (knn->reference)
	{
		case REFERENCE_USER:
			return user_mean;
		case REFERENCE_ITEM:
			return knn->baseline->statistics->mean[column];
		case REFERENCE_BASELINE:
			return knn->baseline->mean + user_bias + knn->baseline->statistics->bias[column];
		default:
			return 0;
	}
}

/*
 * From what neighbors say about a column to a prediction; taste is the user's
 * without it, weight_sum that of all neighbors, had they spoken.
 */
static MethodPrediction
conclude(const Knn *knn, Taste taste, int32 column, const Opinion *opinion, double weight_sum)
{
	const Baseline *baseline = knn->baseline;
	MethodPrediction prediction = baseline_prediction(baseline, taste, column);
	double value;

	if (opinion->support == 0 || (baseline->is_explicit ? opinion->magnitude : weight_sum) == 0)
		return prediction;
	prediction.source = knn->name;
	prediction.support = opinion->support;
	if (!baseline->is_explicit)
	{
		prediction.value = opinion->sum / weight_sum;
		return prediction;
	}
	value = opinion->sum / opinion->magnitude +
			reference_rating(knn, baseline_user_mean(taste), baseline_user_bias(baseline, taste),
							 column);
	/* No mean of the user's to add: the value stays that of the baseline. */
	if (!isnan(value))
		prediction.value = baseline_clamp(baseline, value);
	return prediction;
}

static MethodPrediction
predict_from_items(const Knn *knn, Taste taste, int32 column)
{
	const neighbor_heap *heap = &knn->neighbors[column];
	double user_mean = baseline_user_mean(taste);
	double user_bias = baseline_user_bias(knn->baseline, taste);
	bool is_explicit = knn->baseline->is_explicit;
	Opinion opinion = {0};

	for (int32 i = 0; i < heap->n; i++)
	{
		int32 other = heap->entries[i].id;
		double rating = knn->rating[other];

		if (isnan(rating))
			continue;
		opinion_add(&opinion, heap->entries[i].score,
					is_explicit ? rating - reference_rating(knn, user_mean, user_bias, other)
								: rating);
	}
	return conclude(knn, taste, column, &opinion, knn->weight_sum[column]);
}

/*
 * Average over the neighbors of each item that the user rated.
 */
static void
predict_item_knn(void *fitted, const MethodUser *user, const int32 *columns, int32 n,
				 MethodPrediction *predictions)
{
	const Knn *knn = fitted;
	Taste taste = baseline_taste(knn->baseline, user);

	for (int32 i = 0; i < user->n; i++)
		knn->rating[user->ratings[i].column] = user->ratings[i].value;
	for (int32 i = 0; i < n; i++)
	{
		Taste without = baseline_taste_without(knn->baseline, taste, user, columns[i]);

		predictions[i] = columns[i] < 0 ? baseline_prediction(knn->baseline, without, -1)
										: predict_from_items(knn, without, columns[i]);
	}
	for (int32 i = 0; i < user->n; i++)
		knn->rating[user->ratings[i].column] = NAN;
}

/*
 * Collect what a user's neighbors say about the columns that are targets.
 */
static void
ask_neighbors(const Knn *knn, const neighbor_heap *heap)
{
	const Ratings *ratings = knn->ratings;
	bool is_explicit = knn->baseline->is_explicit;

	for (int32 i = 0; i < heap->n; i++)
	{
		int32 row = heap->entries[i].id;

		for (int64 p = ratings->row_start[row]; p < ratings->row_start[row + 1]; p++)
		{
			int32 column = ratings->entries[p].column;
			double rating = ratings->entries[p].value;
			Opinion *opinion = target_opinion(&knn->targets, column);

			if (opinion == NULL)
				continue;
			if (is_explicit)
				rating -= reference_rating(knn, knn->row_mean[row], knn->row_bias[row], column);
			opinion_add(opinion, heap->entries[i].score, rating);
		}
	}
}

/*
 * Average over the user's neighbors who rated each item.
 */
static void
predict_user_knn(void *fitted, const MethodUser *user, const int32 *columns, int32 n,
				 MethodPrediction *predictions)
{
	Knn *knn = fitted;
	Taste taste = baseline_taste(knn->baseline, user);
	double weight_sum = user->row < 0 ? 0 : knn->weight_sum[user->row];

	targets_set(&knn->targets, columns, n);
	if (user->row >= 0)
		ask_neighbors(knn, &knn->neighbors[user->row]);
	for (int32 i = 0; i < n; i++)
	{
		Taste without = baseline_taste_without(knn->baseline, taste, user, columns[i]);

		predictions[i] = columns[i] < 0
							 ? baseline_prediction(knn->baseline, without, -1)
							 : conclude(knn, without, columns[i],
										target_opinion(&knn->targets, columns[i]), weight_sum);
	}
	targets_clear(&knn->targets, columns, n);
}

const Method method_item_knn = {.name = "item_knn",
								.fit = fit_item_knn,
								.load = load_item_knn,
								.score = score_item_knn,
								.pack = pack_item_knn,
								.unpack = unpack_item_knn,
								.predict = predict_item_knn};

const Method method_user_knn = {.name = "user_knn",
								.fit = fit_user_knn,
								.load = load_user_knn,
								.score = score_user_knn,
								.pack = pack_user_knn,
								.unpack = unpack_user_knn,
								.predict = predict_user_knn};
