/*
 * factor_model.c
 *		What every method with factors shares: the model, and folding a user in.
 */
#include "postgres.h"

#include <math.h>

#include "equations.h"
#include "factor.h"

/*
 * A prior of that shape, all zero but for what the shape says.
 */
static void
init_prior(FactorPrior *prior, const FactorShape *shape, Budget *budget)
{
	Size solved = factor_solved(shape);
	Size samples = shape->n_samples;

	prior->shape = *shape;
	prior->offset = budget_alloc(budget, samples, sizeof(double), "factors");
	prior->noise = budget_alloc(budget, samples, sizeof(double), "factors");
	prior->precision = budget_alloc(budget, samples * solved * solved, sizeof(float), "factors");
	prior->shift = budget_alloc(budget, samples * solved, sizeof(float), "factors");
}

FactorPrior *
factor_prior_create(const FactorShape *shape, Budget *budget)
{
	FactorPrior *prior = budget_alloc(budget, 1, sizeof(FactorPrior), "factors");

	init_prior(prior, shape, budget);
	return prior;
}

/*
 * Room for a model of that shape, all zero but for what the shape says.
 */
FactorModel *
factor_model_create(const FactorShape *shape, int32 n_items, Budget *budget)
{
	FactorModel *model = budget_alloc(budget, 1, sizeof(FactorModel), "factors");

	init_prior(&model->prior, shape, budget);
	model->n_items = n_items;
	model->items =
		budget_alloc(budget, (Size) n_items * factor_length(shape), sizeof(float), "factors");
	return model;
}

/*
 * Doubles that the sums of one user take.
 */
Size
fold_in_sums(const FactorShape *shape)
{
	Size solved = factor_solved(shape);

	return shape->n_samples * (equations_size(solved) + solved);
}

/*
 * Equations whose sums, as they are, stand at the given place.
 */
void
fold_in_init(FoldIn *fold, const FactorPrior *prior, double *sums)
{
	fold->prior = prior;
	fold->n = 0;
	fold->a = sums;
	fold->b = sums + prior->shape.n_samples * equations_size(factor_solved(&prior->shape));
}

void
fold_in_clear(FoldIn *fold)
{
	fold->n = 0;
	memset(fold->a, 0, fold_in_sums(&fold->prior->shape) * sizeof(double));
}

/*
 * The weight of a rating, and what of it the solved elements must explain, in one
 * sample.
 */
static inline double
weight_of(const FactorPrior *prior, double rating)
{
	return prior->target == FACTOR_PREFERENCE ? rating : 1;
}

static inline double
target_of(const FactorPrior *prior, int32 sample, const float *item, double rating)
{
	if (prior->target == FACTOR_PREFERENCE)
		return 1;
	if (prior->shape.item_bias)
		rating -= item[factor_width(&prior->shape) - 1];
	return rating - prior->offset[sample];
}

static void
add(FoldIn *fold, const float *item, double rating, int sign)
{
	const FactorPrior *prior = fold->prior;
	int32 solved = factor_solved(&prior->shape);
	int32 width = factor_width(&prior->shape);

	for (int32 s = 0; s < prior->shape.n_samples; s++, item += width)
		equations_add(fold->a + s * equations_size(solved), fold->b + s * solved, solved, item,
					  sign * weight_of(prior, rating), target_of(prior, s, item, rating));
	fold->n += sign;
}

/*
 * Add a rating, or take one off that was added.
 */
void
fold_in_add(FoldIn *fold, const float *item, double rating)
{
	add(fold, item, rating, 1);
}

void
fold_in_remove(FoldIn *fold, const float *item, double rating)
{
	add(fold, item, rating, -1);
}

/*
 * Add n ratings, of items whose vectors stand at the place of their column or, without
 * places, at the column itself.
 */
void
fold_in_add_all(FoldIn *fold, const KnnEntry *ratings, int32 n, const float *items,
				const int32 *places)
{
	const FactorPrior *prior = fold->prior;
	int32 solved = factor_solved(&prior->shape);
	int32 width = factor_width(&prior->shape);

	for (int32 i = 0; i < n; i += 4)
		for (int32 s = 0; s < prior->shape.n_samples; s++)
		{
			const float *x[4];
			double weight[4];
			double target[4];

			for (int k = 0; k < 4; k++)
			{
				KnnEntry rating = ratings[Min(i + k, n - 1)];
				Size place = places == NULL ? rating.column : places[rating.column];

				x[k] = items + place * factor_length(&prior->shape) + s * width;
				/* Behind the end the last one again, with no weight. */
				weight[k] = i + k < n ? weight_of(prior, rating.value) : 0;
				target[k] = target_of(prior, s, x[k], rating.value);
			}
			equations_add_four(fold->a + s * equations_size(solved), fold->b + s * solved, solved,
							   x, weight, target);
		}
	fold->n += n;
}

/*
 * The factorized matrix of one sample, in l; false if it is singular.
 */
static bool
factorize(const FoldIn *fold, int32 sample, double *l)
{
	const FactorPrior *prior = fold->prior;
	int32 solved = factor_solved(&prior->shape);
	const double *a = fold->a + sample * equations_size(solved);
	const float *precision = prior->precision + (Size) sample * solved * solved;
	double ridge =
		prior->regularization * pow((double) fold->n + prior->count_offset, prior->exponent);

	for (int32 i = 0; i < solved; i++)
	{
		for (int32 j = 0; j <= i; j++)
			*l++ = *a++ + precision[(Size) i * solved + j];
		l[-1] += ridge;
	}
	return equations_factorize(l - equations_size(solved), solved);
}

static double *
workspace(int32 solved)
{
	return palloc((equations_size(solved) + solved) * sizeof(double));
}

/*
 * The user's vector: the score of an item is its product with the item's.  False
 * if the equations have no unique solution.
 */
bool
fold_in_solve(const FoldIn *fold, float *user)
{
	const FactorPrior *prior = fold->prior;
	const FactorShape *shape = &prior->shape;
	int32 solved = factor_solved(shape);
	double *b = workspace(solved);
	double *l = b + solved;
	bool done = true;

	for (int32 s = 0; s < shape->n_samples && done; s++)
	{
		done = factorize(fold, s, l);
		if (!done)
			break;
		for (int32 i = 0; i < solved; i++)
			b[i] = fold->b[s * solved + i] + prior->shift[s * solved + i];
		equations_forward(l, b, solved);
		equations_backward(l, b, solved);
		if (shape->user_bias)
			b[0] += prior->offset[s];
		for (int32 i = 0; i < solved; i++)
			*user++ = (float) (b[i] / shape->n_samples);
		if (shape->item_bias)
			*user++ = (float) (1.0 / shape->n_samples);
	}
	pfree(b);
	return done;
}

/*
 * What a rating moves the score of an item by: z = A^-1 x, so that a rating of
 * item j with weight c and target y adds c * y * <z, x_j> to the score of the item
 * (Hu, Koren and Volinsky 2008, section 5).  Of all samples, divided by their
 * number; zero where a vector has the item's bias.
 */
bool
fold_in_influence(const FoldIn *fold, const float *item, float *influence)
{
	const FactorShape *shape = &fold->prior->shape;
	int32 solved = factor_solved(shape);
	int32 width = factor_width(shape);
	double *b = workspace(solved);
	double *l = b + solved;
	bool done = true;

	memset(influence, 0, factor_length(shape) * sizeof(float));
	for (int32 s = 0; s < shape->n_samples && done; s++, item += width, influence += width)
	{
		done = factorize(fold, s, l);
		if (!done)
			break;
		for (int32 i = 0; i < solved; i++)
			b[i] = item[i];
		equations_forward(l, b, solved);
		equations_backward(l, b, solved);
		for (int32 i = 0; i < solved; i++)
			influence[i] = (float) (b[i] / shape->n_samples);
	}
	pfree(b);
	return done;
}

/*
 * What the rating of an item adds to the score that the influence is of.
 */
double
fold_in_contribution(const FactorPrior *prior, const float *influence, const float *item,
					 double rating)
{
	int32 solved = factor_solved(&prior->shape);
	int32 width = factor_width(&prior->shape);
	double sum = 0;

	for (int32 s = 0; s < prior->shape.n_samples; s++, item += width, influence += width)
		sum += weight_of(prior, rating) * target_of(prior, s, item, rating) *
			   vector_dot(influence, item, solved);
	return sum;
}

/*
 * What the score that the influence is of has without any rating.
 */
double
fold_in_base(const FactorPrior *prior, const float *influence, const float *item)
{
	const FactorShape *shape = &prior->shape;
	int32 solved = factor_solved(shape);
	int32 width = factor_width(shape);
	double sum = 0;

	for (int32 s = 0; s < shape->n_samples; s++, item += width, influence += width)
	{
		double rest = prior->offset[s] + (shape->item_bias ? item[width - 1] : 0);

		sum += rest / shape->n_samples + vector_dot(influence, prior->shift + s * solved, solved);
	}
	return sum;
}

/*
 * Standard deviation of a rating that the user may give to an item: of the noise, of
 * the user's vector in each sample, and between samples.  The mean, of which fold_in_solve
 * has the vector, is left to that.  Negative if the equations have no unique solution.
 */
double
fold_in_deviation(const FoldIn *fold, const float *item)
{
	const FactorPrior *prior = fold->prior;
	const FactorShape *shape = &prior->shape;
	int32 solved = factor_solved(shape);
	double *b = workspace(solved);
	double *l = b + solved;
	double within = 0;
	double sum = 0;
	double squares = 0;

	for (int32 s = 0; s < shape->n_samples; s++, item += factor_width(shape))
	{
		double score = shape->item_bias ? item[solved] : 0;
		double length = 0;

		if (!factorize(fold, s, l))
		{
			pfree(b);
			return -1;
		}
		for (int32 i = 0; i < solved; i++)
			b[i] = fold->b[s * solved + i] + prior->shift[s * solved + i];
		equations_forward(l, b, solved);
		equations_backward(l, b, solved);
		for (int32 i = 0; i < solved; i++)
		{
			score += b[i] * item[i];
			b[i] = item[i];
		}
		/* The variance of <user, item> is item' A^-1 item, in units of the noise's. */
		equations_forward(l, b, solved);
		for (int32 i = 0; i < solved; i++)
			length += b[i] * b[i];
		within += prior->noise[s] * (1 + length);
		sum += score;
		squares += score * score;
	}
	pfree(b);
	sum /= shape->n_samples;
	return sqrt(within / shape->n_samples + Max(squares / shape->n_samples - sum * sum, 0));
}

/*
 * The vector of a user, as fold_in_solve gives it, in the place of an item's: then
 * items can be folded in given users.  And back: by the prior that it was solved with.
 *
 *		[ bias + offset | factors | 1 ] / n_samples  ->  [ 1 | factors | bias ]
 */
void
factor_exchange(const FactorPrior *prior, const float *vector, float *exchanged)
{
	const FactorShape *shape = &prior->shape;
	int32 width = factor_width(shape);
	float samples = (float) shape->n_samples;

	for (int32 s = 0; s < shape->n_samples; s++, vector += width, exchanged += width)
	{
		double bias = shape->user_bias ? samples * vector[0] - prior->offset[s] : 0;

		for (int32 f = shape->user_bias; f < shape->user_bias + shape->rank; f++)
			exchanged[f] = samples * vector[f];
		if (shape->user_bias)
			exchanged[0] = 1;
		if (shape->item_bias)
			exchanged[width - 1] = (float) bias;
	}
}

/*
 * Length of the factors of a vector, without biases.
 */
double
factor_norm(const FactorShape *shape, const float *vector)
{
	int32 width = factor_width(shape);
	double sum = 0;

	for (int32 s = 0; s < shape->n_samples; s++, vector += width)
		for (int32 f = 0; f < shape->rank; f++)
			sum += (double) vector[shape->user_bias + f] * vector[shape->user_bias + f];
	return sqrt(sum);
}

/*
 * A user's equations have no unique solution.
 */
void
factor_singular(void)
{
	ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					errmsg("factors of a user are not determined by the ratings"),
					errhint("Raise option \"regularization\".")));
}
