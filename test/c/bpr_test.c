/*
 * bpr_test.c
 *		bpr.c: on users and items in groups it learns the groups, its loss falls, and
 *		the same seed gives the same; one step goes along the gradient.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpr.h"
#include "draw.h"

#define N_USERS 60
#define N_ITEMS 40
#define N_GROUPS 4
#define RANK 9
#define WIDTH 16

static int64_t start[N_USERS + 1];
static KnnEntry entries[N_USERS * N_ITEMS];

typedef struct Fitted
{
	float users[N_USERS * WIDTH], items[N_ITEMS * WIDTH];
	float user_squares[N_USERS * WIDTH], item_squares[N_ITEMS * WIDTH];
	double first_loss, last_loss;
} Fitted;

static void
check(bool ok, const char *what, double value)
{
	printf("%s - %s (%.4f)\n", ok ? "ok" : "not ok", what, value);
}

/* A user has two in three of the items of a group, and one of another. */
static void
make_ratings(void)
{
	Draw draw = draw_stream(1, 2, 3);
	int64_t n = 0;

	for (int user = 0; user < N_USERS; user++)
	{
		int other = (int) draw_below(&draw, N_ITEMS);

		for (int item = 0; item < N_ITEMS; item++)
			if (item == other ||
				(item % N_GROUPS == user % N_GROUPS && draw_uniform(&draw) < 2.0 / 3))
				entries[n++] = (KnnEntry){item, 1};
		start[user + 1] = n;
	}
}

static BprModel
model_of(Fitted *fitted)
{
	return (BprModel){.n_users = N_USERS,
					  .n_items = N_ITEMS,
					  .start = start,
					  .entries = entries,
					  .users = fitted->users,
					  .items = fitted->items,
					  .user_squares = fitted->user_squares,
					  .item_squares = fitted->item_squares};
}

static void
fit(const BprOptions *options, uint64_t seed, Fitted *fitted)
{
	Draw draw = draw_stream(seed, 0, 0);
	BprModel model = model_of(fitted);

	bpr_start(&model, options, &draw);
	fitted->first_loss = bpr_steps(&model, options, 100, &draw);
	bpr_steps(&model, options, 40000, &draw);
	fitted->last_loss = bpr_steps(&model, options, 2000, &draw);
}

static float
score(const Fitted *fitted, int user, int item)
{
	float sum = 0;

	for (int i = 0; i < WIDTH; i++)
		sum += fitted->users[user * WIDTH + i] * fitted->items[item * WIDTH + i];
	return sum;
}

static bool
has(int user, int item)
{
	for (int64_t p = start[user]; p < start[user + 1]; p++)
		if (entries[p].column == item)
			return true;
	return false;
}

/* Of items that a user does not have: the share of pairs in which one of the group is first. */
static double
held_out_ranking(const Fitted *fitted)
{
	int64_t right = 0, all = 0;

	for (int user = 0; user < N_USERS; user++)
		for (int item = user % N_GROUPS; item < N_ITEMS; item += N_GROUPS)
			for (int other = 0; other < N_ITEMS; other++)
				if (!has(user, item) && !has(user, other) && other % N_GROUPS != user % N_GROUPS)
				{
					all++;
					right += score(fitted, user, item) > score(fitted, user, other);
				}
	return (double) right / all;
}

static void
check_learning(const BprOptions *options)
{
	Fitted fitted, again, other;
	bool padded = true;

	printf("# %s steps\n", options->adagrad ? "AdaGrad's" : "plain");
	fit(options, 7, &fitted);
	fit(options, 7, &again);
	fit(options, 8, &other);
	check(fabs(fitted.first_loss - M_LN2) < 0.1, "the loss begins near that of chance",
		  fitted.first_loss);
	check(fitted.last_loss < 0.25, "and falls", fitted.last_loss);
	check(held_out_ranking(&fitted) > 0.97, "items of the group come first",
		  held_out_ranking(&fitted));
	check(memcmp(fitted.items, again.items, sizeof(fitted.items)) == 0 &&
			  memcmp(fitted.users, again.users, sizeof(fitted.users)) == 0,
		  "the same seed gives the same", 7);
	check(memcmp(fitted.items, other.items, sizeof(fitted.items)) != 0, "another one does not", 8);
	for (int user = 0; user < N_USERS; user++)
		padded = padded && fitted.users[user * WIDTH + RANK] == 1;
	for (int item = 0; item < N_ITEMS; item++)
		for (int i = RANK + 1; i < WIDTH; i++)
			padded = padded && fitted.items[item * WIDTH + i] == 0;
	check(padded, "the user's counterpart of the bias stays 1, and padding 0", padded);
}

/* With one user, who has the first of two items, the step and its loss are known. */
static void
check_step(void)
{
	static const int64_t two_start[2] = {0, 1};
	static const KnnEntry two_entries[1] = {{0, 1}};
	float user[8] = {0.5f, -1, 1};
	float items[16] = {1, 0.25f, 0.3f, 0, 0, 0, 0, 0, -0.5f, 0.75f, -0.2f};
	BprModel model = {
		.n_users = 1, .n_items = 2, .start = two_start, .entries = two_entries, user, items};
	BprOptions options = {.rank = 2, .learning_rate = 0.1, .regularization = 0.02};
	Draw draw = draw_stream(1, 1, 1);
	/* (1.5, -0.5, 0.5) times (0.5, -1, 1) */
	double margin = 1.75, pull = 1 / (1 + exp(1.75));
	double loss = bpr_steps(&model, &options, 1, &draw);
	double expected[3] = {0.5 + 0.1 * (pull * 1.5 - 0.02 * 0.5),
						  0.25 + 0.1 * (pull * -1 - 0.02 * 0.25),
						  -0.2 + 0.1 * (pull * -1 - 0.02 * -0.2)};

	check(fabs(loss - log1p(exp(-margin))) < 1e-6, "the loss of a step", loss);
	check(fabs(user[0] - expected[0]) < 1e-6, "the user's element after it", user[0]);
	check(fabs(items[1] - expected[1]) < 1e-6, "the better item's", items[1]);
	check(fabs(items[10] - expected[2]) < 1e-6, "the worse item's bias", items[10]);
}

/* A user who has all items teaches nothing, and does not hang. */
static void
check_all(void)
{
	static const int64_t all_start[2] = {0, 2};
	static const KnnEntry all_entries[2] = {{0, 1}, {1, 1}};
	float user[8] = {0}, items[16] = {0};
	BprModel model = {
		.n_users = 1, .n_items = 2, .start = all_start, .entries = all_entries, user, items};
	BprOptions options = {.rank = 2, .learning_rate = 0.1};
	Draw draw = draw_stream(1, 1, 1);

	check(bpr_steps(&model, &options, 10, &draw) == 0, "a user with all items", 0);
}

int
main(void)
{
	BprOptions options = {.rank = RANK, .learning_rate = 0.05, .regularization = 0.01};

	make_ratings();
	check_learning(&options);
	options.adagrad = true;
	check_learning(&options);
	check_step();
	check_all();
	return 0;
}
