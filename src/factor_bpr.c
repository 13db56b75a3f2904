/*
 * factor_bpr.c
 *		The fit of bpr: vectors of items learned by ranking pairs, and the regression
 *		by which a user is folded in.
 *
 * The vectors that were learned of users are thrown away: a user is folded in from
 * the items that he has now.  The loss of BPR is no square, but its second-order
 * expansion about equal scores is: items that the user has should have a difference
 * of 2 to the average of the others.  That gives, for a user with n items,
 *
 *		A = sum over them of x x' + n (NEGATIVES * mean over all items of x x' + RIDGE I)
 *		b = 2 sum over them of x
 *
 * where the biases of items, which the user does not change, are left to the score.
 * With factors expressed in the basis in which what is in parentheses becomes the
 * identity, that is a fold-in like any other.  NEGATIVES and RIDGE are the best of
 * those tried: the vectors found rank as well as those learned, or better.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "bpr.h"
#include "factor.h"
#include "method.h"
#include "normal.h"

#define NEGATIVES 3
#define RIDGE 0.1

/* Elements of vectors that are changed between two checks for interrupts. */
#define INTERRUPT_WORK 4000000

StaticAssertDecl(BPR_MAX_RANK >= FACTOR_MAX_RANK, "the kernel must do as many factors");

/*
 * Learn vectors of users and items, of which those of the items are the result:
 * bpr_width() floats each.  All but them is taken from a part of the budget.
 */
static float *
learn(const Ratings *ratings, const BprOptions *options, double n_iterations, uint64 seed,
	  Budget *budget, Progress *progress)
{
	Size width = bpr_width(options->rank);
	Size n_users = ratings->n_rows * width;
	Size n_items = ratings->n_columns * width;
	BprModel model = {.n_users = ratings->n_rows,
					  .n_items = ratings->n_columns,
					  .start = ratings->row_start,
					  .entries = ratings->entries};
	Draw draw = draw_stream(seed, 0, 0);
	int64 at_once = INTERRUPT_WORK / width;
	int64 n_steps = (int64) (n_iterations * ratings->n_ratings);
	Budget part;

	model.items = budget_alloc(budget, n_items, sizeof(float), "factors");
	budget_part(&part, budget);
	model.users = budget_alloc(&part, n_users, sizeof(float), "factors");
	if (options->adagrad)
	{
		model.user_squares = budget_alloc(&part, n_users, sizeof(float), "factors");
		model.item_squares = budget_alloc(&part, n_items, sizeof(float), "factors");
	}
	bpr_start(&model, options, &draw);
	for (int64 done = 0; done < n_steps; done += at_once)
	{
		double loss = bpr_steps(&model, options, Min(at_once, n_steps - done), &draw);

		CHECK_FOR_INTERRUPTS();
		progress_report(progress, "%.0f %% done, loss %.4f", 100.0 * done / n_steps, loss);
	}
	MemoryContextDelete(part.context);
	return model.items;
}

/*
 * Write the model: factors in the basis in which fold-in regularizes all alike.  The
 * equations' target is 1 instead of 2, so the biases are half as large, too.
 */
static void
write_model(const float *items, int32 rank, FactorModel *model)
{
	int32 width = bpr_width(rank);
	float scale = sqrtf((float) NEGATIVES / Max(model->n_items, 1));
	Normal work;
	float *x;

	normal_init(&work, rank,
				MemoryContextAllocHuge(CurrentMemoryContext, normal_floats(rank) * sizeof(float)));
	normal_start(&work, NULL, NULL);
	normal_ridge(&work, RIDGE);
	for (int32 item = 0; item < model->n_items; item++)
	{
		if (item % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		x = normal_next(&work, 0);
		memset(x, 0, work.width * sizeof(float));
		for (int32 i = 0; i < rank; i++)
			x[i] = scale * items[(Size) item * width + i];
	}
	if (!normal_factor(&work))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("the factors have grown beyond all bounds"),
						errhint("Lower option \"learning_rate\", or raise \"regularization\".")));
	x = work.noise;
	for (int32 item = 0; item < model->n_items; item++)
	{
		const float *from = items + (Size) item * width;
		float *to = model->items + (Size) item * (rank + 1);

		memset(x, 0, work.width * sizeof(float));
		memcpy(x, from, rank * sizeof(float));
		normal_forward(&work, x);
		memcpy(to, x, rank * sizeof(float));
		to[rank] = from[rank] / 2;
	}
	pfree(work.matrix);
}

FactorModel *
bpr_fit(const Ratings *ratings, bool is_explicit, Jsonb *options, Budget *budget,
		Progress *progress)
{
	BprOptions bpr = {.rank = method_whole(options, "factors", 1, FACTOR_MAX_RANK),
					  .learning_rate = method_number(options, "learning_rate"),
					  .regularization = method_number(options, "regularization"),
					  .adagrad = method_boolean(options, "adagrad")};
	int32 iterations = method_whole(options, "iterations", 1, 100000);
	uint64 seed = (uint64) (int64) method_number(options, "seed");
	FactorShape shape = {.rank = bpr.rank, .n_samples = 1, .item_bias = true};
	FactorModel *model;
	float *items;

	if (!(bpr.learning_rate > 0) || isinf(bpr.learning_rate))
		invalid_argument("option \"learning_rate\" must be positive, and is %g", bpr.learning_rate);
	if (!(bpr.regularization >= 0) || isinf(bpr.regularization))
		invalid_argument("option \"regularization\" must not be negative, and is %g",
						 bpr.regularization);
	model = factor_model_create(&shape, ratings->n_columns, budget);
	model->prior.target = FACTOR_PREFERENCE;
	model->prior.regularization = 1;
	model->prior.exponent = 1;
	items = learn(ratings, &bpr, iterations, seed, budget, progress);
	write_model(items, bpr.rank, model);
	pfree(items);
	return model;
}
