/*
 * method_baseline.c
 *		The methods popular and baseline.
 *
 * The baseline of a rating is mean + bias of the user + bias of the item (Koren,
 * Factor in the Neighbors, ACM TKDD 4(1), 2010).  Biases of items are fitted; that
 * of a user follows from the items' and the user's own ratings, whether the user
 * was there at the fit or not.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "method.h"
#include "method_baseline.h"
#include "neighborhood.h"
#include "ratings.h"

/*
 * The options of the baseline, those of neighbors left at zero.
 */
NeighborArguments
baseline_arguments(Jsonb *options)
{
	return (NeighborArguments){.item_regularization = method_number(options, "item_regularization"),
							   .user_regularization = method_number(options, "user_regularization"),
							   .baseline_epochs = (int) method_number(options, "baseline_epochs")};
}

/*
 * Fit to ratings with items as columns, in memory of the budget.
 */
Baseline *
baseline_fit(const Ratings *ratings, bool is_explicit, const NeighborArguments *given,
			 Budget *budget)
{
	BaselineOptions options = neighborhood_baseline(given, false);
	Baseline *baseline = budget_alloc(budget, 1, sizeof(Baseline), "statistics");

	baseline->is_explicit = is_explicit;
	baseline->user_regularization = given->user_regularization;
	baseline->n_columns = ratings->n_columns;
	baseline->n_users = ratings->n_rows;
	baseline->mean = ratings->n_ratings > 0 ? ratings->mean : NAN;
	baseline->statistics = ratings_describe(ratings, &options, budget);
	baseline->minimum = ratings->n_ratings > 0 ? FLT_MAX : NAN;
	baseline->maximum = ratings->n_ratings > 0 ? -FLT_MAX : NAN;
	for (int32 column = 0; column < ratings->n_columns; column++)
	{
		baseline->minimum = Min(baseline->minimum, baseline->statistics->minimum[column]);
		baseline->maximum = Max(baseline->maximum, baseline->statistics->maximum[column]);
	}
	baseline->count = ratings_counts(ratings, budget);
	return baseline;
}

/*
 * The same of a model, as long as what is stored of it stays.
 */
Baseline *
baseline_load(const StoredModel *stored, bool is_explicit, Jsonb *options, Budget *budget)
{
	Baseline *baseline = budget_alloc(budget, 1, sizeof(Baseline), "statistics");

	*baseline = (Baseline){.is_explicit = is_explicit,
						   .user_regularization = method_number(options, "user_regularization"),
						   .n_columns = stored->items.keys.n,
						   .n_users = stored->user_count,
						   .mean = stored->mean,
						   .minimum = stored->minimum,
						   .maximum = stored->maximum,
						   .count = stored->items.rating_count};
	baseline->statistics = budget_alloc(budget, 1, sizeof(RatingStatistics), "statistics");
	baseline->statistics->mean = stored->items.mean;
	baseline->statistics->bias = stored->items.bias;
	return baseline;
}

static double
residual(const Baseline *baseline, const KnnEntry *rating)
{
	return rating->value - baseline->mean - baseline->statistics->bias[rating->column];
}

Taste
baseline_taste(const Baseline *baseline, const MethodUser *user)
{
	Taste taste = {.n = user->n};

	for (int32 i = 0; i < user->n; i++)
	{
		taste.sum += user->ratings[i].value;
		taste.residual += residual(baseline, &user->ratings[i]);
	}
	return taste;
}

/*
 * The taste as it would be had the user not rated an item, which then does not
 * help to predict itself.
 */
Taste
baseline_taste_without(const Baseline *baseline, Taste taste, const MethodUser *user, int32 column)
{
	const KnnEntry *rating = method_user_rating(user, column);

	if (rating == NULL)
		return taste;
	if (taste.n == 1)
		return (Taste){0};
	taste.n--;
	taste.sum -= rating->value;
	taste.residual -= residual(baseline, rating);
	return taste;
}

/*
 * Mean of the ratings, NaN without any.
 */
double
baseline_user_mean(Taste taste)
{
	return taste.n > 0 ? taste.sum / taste.n : NAN;
}

/*
 * Bias of the user, zero without ratings.
 */
double
baseline_user_bias(const Baseline *baseline, Taste taste)
{
	return taste.n > 0 ? taste.residual / (taste.n + baseline->user_regularization) : 0;
}

/*
 * A predicted rating in the range of those that there are; NaN when there are none.
 */
double
baseline_clamp(const Baseline *baseline, double value)
{
	if (isnan(baseline->mean))
		return NAN;
	return Min(baseline->maximum, Max(baseline->minimum, value));
}

/*
 * The prediction for an item, -1 if unknown, by a user whose taste does not know it:
 * the baseline or, without ratings, the share of users who have the item.
 */
MethodPrediction
baseline_prediction(const Baseline *baseline, Taste taste, int32 column)
{
	double value;

	if (!baseline->is_explicit)
	{
		if (column < 0)
			return (MethodPrediction){0, "none", 0};
		return (MethodPrediction){baseline->count[column] / baseline->n_users, "popular",
								  baseline->count[column]};
	}
	value = baseline->mean + baseline_user_bias(baseline, taste);
	if (column >= 0)
		value += baseline->statistics->bias[column];
	return (MethodPrediction){baseline_clamp(baseline, value),
							  column >= 0 || taste.n > 0 ? "baseline" : "mean", taste.n};
}

static void
predict(const Baseline *baseline, const MethodUser *user, const int32 *columns, int32 n,
		MethodPrediction *predictions)
{
	Taste taste = baseline_taste(baseline, user);

	for (int32 i = 0; i < n; i++)
		predictions[i] = baseline_prediction(
			baseline, baseline_taste_without(baseline, taste, user, columns[i]), columns[i]);
}

static void *
fit_popular(const Ratings *ratings, bool is_explicit, Jsonb *options, Budget *budget,
			Progress *progress)
{
	NeighborArguments given = baseline_arguments(options);

	return baseline_fit(ratings, is_explicit, &given, budget);
}

static void *
load_popular(StoredModel *stored, const Ratings *ratings, bool is_explicit, Jsonb *options,
			 Budget *budget, Progress *progress)
{
	return baseline_load(stored, is_explicit, options, budget);
}

/*
 * The score is the number of ratings.
 */
static void
score_popular(void *fitted, const MethodUser *user, double *scores)
{
	const Baseline *baseline = fitted;

	for (int32 column = 0; column < baseline->n_columns; column++)
		scores[column] = baseline->count[column];
}

static void
predict_popular(void *fitted, const MethodUser *user, const int32 *columns, int32 n,
				MethodPrediction *predictions)
{
	predict(fitted, user, columns, n, predictions);
}

const Method method_popular = {.name = "popular",
							   .fit = fit_popular,
							   .load = load_popular,
							   .score = score_popular,
							   .predict = predict_popular};

typedef struct ColumnBias
{
	int32 column;
	double bias;
} ColumnBias;

/* The baseline, with the columns by falling bias, equal ones by number. */
typedef struct OrderedBaseline
{
	Baseline *baseline;
	ColumnBias *columns;
} OrderedBaseline;

static int
compare_biases(const void *a, const void *b)
{
	const ColumnBias *x = a;
	const ColumnBias *y = b;

	if (x->bias != y->bias)
		return x->bias > y->bias ? -1 : 1;
	return x->column < y->column ? -1 : x->column > y->column;
}

static OrderedBaseline *
order_columns(Baseline *baseline, Budget *budget)
{
	OrderedBaseline *ordered = budget_alloc(budget, 1, sizeof(OrderedBaseline), "statistics");

	ordered->baseline = baseline;
	ordered->columns = budget_alloc(budget, baseline->n_columns, sizeof(ColumnBias), "statistics");
	for (int32 column = 0; column < baseline->n_columns; column++)
		ordered->columns[column] = (ColumnBias){column, baseline->statistics->bias[column]};
	qsort(ordered->columns, baseline->n_columns, sizeof(ColumnBias), compare_biases);
	return ordered;
}

static void *
fit_baseline(const Ratings *ratings, bool is_explicit, Jsonb *options, Budget *budget,
			 Progress *progress)
{
	NeighborArguments given = baseline_arguments(options);

	return order_columns(baseline_fit(ratings, is_explicit, &given, budget), budget);
}

static void *
load_baseline(StoredModel *stored, const Ratings *ratings, bool is_explicit, Jsonb *options,
			  Budget *budget, Progress *progress)
{
	return order_columns(baseline_load(stored, is_explicit, options, budget), budget);
}

/*
 * The score is the baseline itself.  Its order is that of the biases, also where
 * adding the user's makes two of them one number.
 */
static void
score_baseline(void *fitted, const MethodUser *user, double *scores)
{
	const OrderedBaseline *ordered = fitted;
	const Baseline *baseline = ordered->baseline;
	double user_side =
		baseline->mean + baseline_user_bias(baseline, baseline_taste(baseline, user));
	double previous = INFINITY;

	for (int32 i = 0; i < baseline->n_columns; i++)
	{
		const ColumnBias *column = &ordered->columns[i];
		double score = user_side + column->bias;

		if (i > 0 && column->bias == column[-1].bias)
			score = previous;
		else if (score >= previous)
			score = nextafter(previous, -INFINITY);
		scores[column->column] = score;
		previous = score;
	}
}

static void
predict_baseline(void *fitted, const MethodUser *user, const int32 *columns, int32 n,
				 MethodPrediction *predictions)
{
	predict(((OrderedBaseline *) fitted)->baseline, user, columns, n, predictions);
}

const Method method_baseline = {.name = "baseline",
								.fit = fit_baseline,
								.load = load_baseline,
								.score = score_baseline,
								.predict = predict_baseline};
