/*
 * bpr.c
 *		Bayesian personalized ranking by stochastic gradient descent (Rendle,
 *		Freudenthaler, Gantner and Schmidt-Thieme, BPR: Bayesian Personalized Ranking
 *		from Implicit Feedback, UAI 2009), with plain steps or those of AdaGrad (Duchi,
 *		Hazan and Singer, JMLR 12, 2011).
 *
 * A step draws one of all pairs of a user and an item that the user has, and another
 * item that the user does not have.  It makes the sigmoid of the difference of their
 * scores larger.
 */
#include <math.h>
#include <string.h>

#include "bpr.h"
#include "wide.h"

/* Draws of an item that a user does not have before the step is given up. */
#define MAX_TRIES 32

#define MAX_WIDTH (BPR_MAX_RANK + BPR_LANES)

/* What AdaGrad's sums of squares begin with, so that the first steps are not huge. */
#define FIRST_SQUARE 0.01f

/*
 * Vectors to begin with: small factors drawn at random, biases zero.
 */
void
bpr_start(BprModel *model, const BprOptions *options, Draw *draw)
{
	int32_t width = bpr_width(options->rank);
	float scale = 0.1f / sqrtf((float) options->rank);

	for (int64_t row = 0; row < (int64_t) model->n_users + model->n_items; row++)
	{
		bool is_user = row < model->n_users;
		float *vector =
			is_user ? model->users + row * width : model->items + (row - model->n_users) * width;

		memset(vector, 0, width * sizeof(float));
		draw_normals(draw, options->rank, vector);
		for (int32_t i = 0; i < options->rank; i++)
			vector[i] *= scale;
		vector[options->rank] = is_user;
	}
	if (options->adagrad)
	{
		for (size_t i = 0; i < (size_t) model->n_users * width; i++)
			model->user_squares[i] = FIRST_SQUARE;
		for (size_t i = 0; i < (size_t) model->n_items * width; i++)
			model->item_squares[i] = FIRST_SQUARE;
	}
}

/*
 * Is the item one of an ascending list?
 */
static bool
has_item(const KnnEntry *entries, int64_t n, int32_t item)
{
	int64_t low = 0;
	int64_t end = n;

	while (low < n)
	{
		int64_t middle = low + (n - low) / 2;

		if (entries[middle].column < item)
			low = middle + 1;
		else
			n = middle;
	}
	return low < end && entries[low].column == item;
}

/*
 * The user of the rating at a position: the last whose ratings start at or before it.
 */
static int32_t
user_at(const BprModel *model, int64_t position)
{
	int32_t low = 0;
	int32_t high = model->n_users;

	while (high - low > 1)
	{
		int32_t middle = low + (high - low) / 2;

		if (model->start[middle] <= position)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/*
 * A step along a vector's gradient: pull * direction - regularization * vector.
 */
ALWAYS_INLINE void
climb(float *restrict vector, float *restrict squares, const float *restrict direction, float pull,
	  const BprOptions *options, int32_t width)
{
	float rate = (float) options->learning_rate;
	float regularization = (float) options->regularization;

	for (int32_t left = 0; left < width; left += BPR_LANES)
	{
		float gradient[BPR_LANES];

		for (int32_t i = 0; i < BPR_LANES; i++)
			gradient[i] = pull * direction[left + i] - regularization * vector[left + i];
		if (options->adagrad)
			for (int32_t i = 0; i < BPR_LANES; i++)
			{
				squares[left + i] += gradient[i] * gradient[i];
				gradient[i] /= sqrtf(squares[left + i]);
			}
		for (int32_t i = 0; i < BPR_LANES; i++)
			vector[left + i] += rate * gradient[i];
	}
}

/*
 * One step for a user, an item that the user has, and one that he does not have.
 * Returns the loss before it.
 */
ALWAYS_INLINE double
step(BprModel *model, const BprOptions *options, int32_t user, int32_t better, int32_t worse,
	 float *restrict difference, float *restrict before)
{
	int32_t width = bpr_width(options->rank);
	size_t at_user = (size_t) user * width;
	size_t at_better = (size_t) better * width;
	size_t at_worse = (size_t) worse * width;
	float *vector = model->users + at_user;
	float lanes[BPR_LANES] = {0};
	float margin = 0;
	float pull;

	for (int32_t left = 0; left < width; left += BPR_LANES)
		for (int32_t lane = 0; lane < BPR_LANES; lane++)
		{
			int32_t i = left + lane;

			difference[i] = model->items[at_better + i] - model->items[at_worse + i];
			before[i] = vector[i];
			lanes[lane] += vector[i] * difference[i];
		}
	for (int32_t lane = 0; lane < BPR_LANES; lane++)
		margin += lanes[lane];
	pull = 1 / (1 + expf(margin));

	climb(vector, options->adagrad ? model->user_squares + at_user : NULL, difference, pull,
		  options, width);
	vector[options->rank] = 1;
	climb(model->items + at_better, options->adagrad ? model->item_squares + at_better : NULL,
		  before, pull, options, width);
	climb(model->items + at_worse, options->adagrad ? model->item_squares + at_worse : NULL, before,
		  -pull, options, width);
	return log1p(exp(-margin));
}

/*
 * Do that many steps.  Returns the mean loss before each: of -log sigmoid(difference).
 */
WIDE_FLOATS double
bpr_steps(BprModel *model, const BprOptions *options, int64_t n_steps, Draw *draw)
{
	int64_t n_ratings = model->start[model->n_users];
	double loss = 0;
	int64_t n_done = 0;
	float difference[MAX_WIDTH];
	float before[MAX_WIDTH];

	for (int64_t n = 0; n < n_steps && n_ratings > 0; n++)
	{
		int64_t position = draw_below(draw, n_ratings);
		int32_t user = user_at(model, position);
		const KnnEntry *entries = model->entries + model->start[user];
		int64_t n_entries = model->start[user + 1] - model->start[user];

		for (int tries = 0; tries < MAX_TRIES; tries++)
		{
			int32_t worse = (int32_t) draw_below(draw, model->n_items);

			if (has_item(entries, n_entries, worse))
				continue;
			loss += step(model, options, user, model->entries[position].column, worse, difference,
						 before);
			n_done++;
			break;
		}
	}
	return n_done > 0 ? loss / n_done : 0;
}
