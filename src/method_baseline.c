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

	baseline->ratings = ratings;
	baseline->is_explicit = is_explicit;
	baseline->user_regularization = given->user_regularization;
	baseline->statistics = ratings_describe(ratings, &options, budget);
	baseline->minimum = FLT_MAX;
	baseline->maximum = -FLT_MAX;
	for (int32 column = 0; column < ratings->n_columns; column++)
	{
		baseline->minimum = Min(baseline->minimum, baseline->statistics->minimum[column]);
		baseline->maximum = Max(baseline->maximum, baseline->statistics->maximum[column]);
	}
	return baseline;
}

static double
residual(const Baseline *baseline, const KnnEntry *rating)
{
	return rating->value - baseline->ratings->mean - baseline->statistics->bias[rating->column];
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
	int32 place = column_place(user->ratings, sizeof(KnnEntry), user->n, column);

	if (place == user->n || user->ratings[place].column != column)
		return taste;
	if (taste.n == 1)
		return (Taste){0};
	taste.n--;
	taste.sum -= user->ratings[place].value;
	taste.residual -= residual(baseline, &user->ratings[place]);
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
	if (baseline->ratings->n_ratings == 0)
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
	const Ratings *ratings = baseline->ratings;
	double value;
	int32 count;

	if (!baseline->is_explicit)
	{
		if (column < 0)
			return (MethodPrediction){0, "none", 0};
		count = (int32) (ratings->column_start[column + 1] - ratings->column_start[column]);
		return (MethodPrediction){(double) count / ratings->n_rows, "popular", count};
	}
	value = ratings->mean + baseline_user_bias(baseline, taste);
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

/*
 * The score is the number of ratings.
 */
static void
score_popular(void *fitted, const MethodUser *user, double *scores)
{
	const Ratings *ratings = ((Baseline *) fitted)->ratings;

	for (int32 column = 0; column < ratings->n_columns; column++)
		scores[column] = ratings->column_start[column + 1] - ratings->column_start[column];
}

static void
predict_popular(void *fitted, const MethodUser *user, const int32 *columns, int32 n,
				MethodPrediction *predictions)
{
	predict(fitted, user, columns, n, predictions);
}

const Method method_popular = {
	.name = "popular", .fit = fit_popular, .score = score_popular, .predict = predict_popular};

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

static void *
fit_baseline(const Ratings *ratings, bool is_explicit, Jsonb *options, Budget *budget,
			 Progress *progress)
{
	NeighborArguments given = baseline_arguments(options);
	OrderedBaseline *ordered = budget_alloc(budget, 1, sizeof(OrderedBaseline), "statistics");

	ordered->baseline = baseline_fit(ratings, is_explicit, &given, budget);
	ordered->columns = budget_alloc(budget, ratings->n_columns, sizeof(ColumnBias), "statistics");
	for (int32 column = 0; column < ratings->n_columns; column++)
		ordered->columns[column] =
			(ColumnBias){column, ordered->baseline->statistics->bias[column]};
	qsort(ordered->columns, ratings->n_columns, sizeof(ColumnBias), compare_biases);
	return ordered;
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
		baseline->ratings->mean + baseline_user_bias(baseline, baseline_taste(baseline, user));
	double previous = INFINITY;

	for (int32 i = 0; i < baseline->ratings->n_columns; i++)
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

const Method method_baseline = {
	.name = "baseline", .fit = fit_baseline, .score = score_baseline, .predict = predict_baseline};
