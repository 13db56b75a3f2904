/*
 * evaluation_fold.c
 *		One fold of an evaluation: what is trained on, and who is tested on what.
 */
#include "postgres.h"

#include <math.h>

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "evaluation.h"
#include "quickselect.h"

/* Rows between two looks for a cancel request. */
#define INTERRUPT_ROWS 1024

/* Additions that the diversity of lists may take in one fold, some tenths of a second. */
#define DIVERSITY_ADDITIONS INT64CONST(100000000)

/*
 * The lower median of the ratings trained on: the value that at least half of
 * them reach.
 */
static double
median_rating(const Ratings *ratings, Budget *budget)
{
	int64 n = ratings->n_ratings;
	double *values = budget_alloc(budget, n, sizeof(double), "ratings");
	double median;

	for (int64 p = 0; p < n; p++)
		values[p] = ratings->entries[p].value;
	median = quickselect(values, n, (n - 1) / 2);
	pfree(values);
	return median;
}

/*
 * Find the users that are tested, and count what is tested of whom.
 */
static void
find_users(Fold *fold)
{
	const Ratings *ratings = fold->ratings;

	fold->users = budget_alloc(&fold->budget, ratings->n_rows, sizeof(int32), "users");
	for (int32 row = 0; row < ratings->n_rows; row++)
	{
		int64 tested = 0;
		int64 warm = 0;
		bool is_known = fold->row_map[row] >= 0;

		if (row % INTERRUPT_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		for (int64 p = ratings->row_start[row]; p < ratings->row_start[row + 1]; p++)
		{
			int32 column = fold->column_map[ratings->entries[p].column];

			if (fold->labels[p] == PART_PROFILE)
				is_known = is_known || column >= 0;
			if (fold->labels[p] != PART_TEST)
				continue;
			tested++;
			warm += column >= 0;
		}
		if (tested == 0)
			continue;
		fold->users[fold->n_users++] = row;
		fold->n_tested += tested;
		fold->n_cold_items += tested - warm;
		fold->n_cold_users += !is_known;
		if (is_known)
			fold->n_warm += warm;
	}
}

/*
 * Choose the users whose lists' diversity is measured: all, or as many as a bound
 * on the work allows, by chance.
 */
static void
draw_sample(Fold *fold, const EvaluationOptions *options)
{
	const Ratings *train = fold->train;
	int32 longest = Min(options->cutoffs[options->n_cutoffs - 1], train->n_columns);
	int64 additions = Max(1, train->column_start[longest]);
	int64 left = Min((int64) fold->n_users, Max(100, DIVERSITY_ADDITIONS / additions));
	pg_prng_state random;

	pg_prng_seed(&random, options->seed);
	fold->in_sample = budget_alloc(&fold->budget, fold->n_users, sizeof(bool), "users");
	for (int32 user = 0; user < fold->n_users; user++)
	{
		fold->in_sample[user] =
			pg_prng_uint64_range(&random, 0, fold->n_users - user - 1) < (uint64) left;
		left -= fold->in_sample[user];
	}
}

/*
 * Make a fold: only what is trained on goes into `train`, which is all that a
 * method is fitted to.
 */
void
fold_open(Fold *fold, const Ratings *ratings, const Split *split, int32 number,
		  const EvaluationOptions *options, Budget *budget)
{
	uint8 *labels;

	memset(fold, 0, sizeof(Fold));
	budget_part(&fold->budget, budget);
	fold->number = number;
	fold->ratings = ratings;
	labels = budget_alloc(&fold->budget, ratings->n_ratings, 1, "splits");
	split_fold(ratings, split, number, labels);
	fold->labels = labels;
	fold->row_map = budget_alloc(&fold->budget, ratings->n_rows, sizeof(int32), "users");
	fold->column_map = budget_alloc(&fold->budget, ratings->n_columns, sizeof(int32), "items");
	fold->train = ratings_subset(ratings, labels, UINT64CONST(1) << PART_TRAIN, fold->row_map,
								 fold->column_map, &fold->budget);
	fold->relevant = -INFINITY;
	if (options->is_explicit)
		fold->relevant = isnan(options->relevant) ? median_rating(fold->train, &fold->budget)
												  : options->relevant;
	fold->graded = fold->relevant > 0;
	find_users(fold);
	draw_sample(fold, options);
}

void
fold_close(Fold *fold)
{
	MemoryContextDelete(fold->budget.context);
}

/*
 * Room for any of the fold's users.
 */
TestUser *
fold_test_user(const Fold *fold, Budget *budget)
{
	TestUser *test = budget_alloc(budget, 1, sizeof(TestUser), "users");
	const int64 *start = fold->ratings->row_start;
	int64 longest = 0;

	for (int32 user = 0; user < fold->n_users; user++)
		longest = Max(longest, start[fold->users[user] + 1] - start[fold->users[user]]);
	test->tested = budget_alloc(budget, longest, sizeof(TestRating), "users");
	test->ideal = budget_alloc(budget, longest, sizeof(double), "users");
	test->warm_ideal = budget_alloc(budget, longest, sizeof(double), "users");
	test->profile = budget_alloc(budget, longest, sizeof(KnnEntry), "users");
	return test;
}

static int
compare_gains(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return x > y ? -1 : x < y;
}

static int
compare_entries(const void *a, const void *b)
{
	int32 x = ((const KnnEntry *) a)->column;
	int32 y = ((const KnnEntry *) b)->column;

	return x < y ? -1 : x > y;
}

/*
 * Read one of the fold's users: what a method may know of him (the ratings
 * trained on, or his profile), and what he is tested on.
 */
void
fold_read_user(const Fold *fold, int32 user, TestUser *test)
{
	const Ratings *ratings = fold->ratings;
	int32 row = fold->users[user];
	int32 train_row = fold->row_map[row];
	int32 n_profile = 0;

	test->row = row;
	test->n = test->n_relevant = test->n_warm_relevant = 0;
	for (int64 p = ratings->row_start[row]; p < ratings->row_start[row + 1]; p++)
	{
		const KnnEntry *entry = &ratings->entries[p];
		int32 column = fold->column_map[entry->column];
		bool is_relevant = entry->value >= fold->relevant;
		double gain = fold->graded ? entry->value : 1;

		if (fold->labels[p] == PART_PROFILE && column >= 0)
			test->profile[n_profile++] = (KnnEntry){column, entry->value};
		if (fold->labels[p] != PART_TEST)
			continue;
		test->tested[test->n++] = (TestRating){column, entry->column, entry->value, is_relevant};
		if (is_relevant)
			test->ideal[test->n_relevant++] = gain;
		if (is_relevant && column >= 0)
			test->warm_ideal[test->n_warm_relevant++] = gain;
	}
	qsort(test->ideal, test->n_relevant, sizeof(double), compare_gains);
	qsort(test->warm_ideal, test->n_warm_relevant, sizeof(double), compare_gains);
	qsort(test->profile, n_profile, sizeof(KnnEntry), compare_entries);

	test->known = (MethodUser){.row = train_row, .ratings = test->profile, .n = n_profile};
	if (train_row >= 0)
	{
		const int64 *start = &fold->train->row_start[train_row];

		test->known.ratings = &fold->train->entries[start[0]];
		test->known.n = (int32) (start[1] - start[0]);
	}
	test->is_cold = test->known.n == 0;
}
