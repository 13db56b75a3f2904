/*
 * evaluation_lists.c
 *		The list that a method makes for a user, and what is measured of it.
 *
 * Candidates are all items trained on that the user has not rated there: no
 * sample of them, which would change the order of methods (Krichene and Rendle,
 * On Sampled Metrics for Item Recommendation, KDD 2020).
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "common/hashfn.h"
#include "miscadmin.h"

#include "distribution.h"
#include "evaluation.h"
#include "ranking.h"
#include "wide.h"

/* Four scores, in as many vectors as the machine needs for them, and their comparison. */
#define LANES 4
typedef double ScoreLanes
	__attribute__((vector_size(LANES * sizeof(double)), aligned(8), may_alias));
typedef int64 CountLanes __attribute__((vector_size(LANES * sizeof(int64))));

/* In place of a score that the method does not have. */
#define NO_SCORE (-DBL_MAX)

/* Scores that are compared at once. */
#define SCORE_BLOCK 2048

static inline int32
longest_list(const EvaluationOptions *options)
{
	return options->cutoffs[options->n_cutoffs - 1];
}

/*
 * What the lists of one method in one fold are made in.
 */
ListWork *
lists_prepare(const Fold *fold, const EvaluationOptions *options, Budget *budget)
{
	ListWork *work = budget_alloc(budget, 1, sizeof(ListWork), "lists");
	int32 n_columns = fold->train->n_columns;
	int32 longest = longest_list(options);

	work->scores = budget_alloc(budget, n_columns, sizeof(double), "lists");
	work->gains = budget_alloc(budget, n_columns, sizeof(double), "lists");
	work->exposure =
		budget_alloc(budget, (Size) n_columns * options->n_cutoffs, sizeof(int32), "lists");
	work->heap.entries = budget_alloc(budget, longest, sizeof(candidate_entry), "lists");
	work->list_gains = budget_alloc(budget, longest, sizeof(double), "lists");
	work->list_graded = budget_alloc(budget, longest, sizeof(double), "lists");
	work->popular_limit = budget_alloc(budget, options->n_cutoffs, sizeof(int32), "lists");
	work->overlap = budget_alloc(budget, fold->train->n_rows, sizeof(double), "lists");
	work->packed = budget_alloc(budget, (Size) n_columns + 1, sizeof(double), "lists");
	work->packed_columns = budget_alloc(budget, (Size) n_columns + 1, sizeof(int32), "lists");
	work->positives = budget_alloc(budget, n_columns, sizeof(Positive), "lists");
	work->hashes =
		budget_alloc(budget, (Size) fold->n_users * options->n_cutoffs, sizeof(uint64), "lists");
	work->heap.capacity = longest;
	return work;
}

/*
 * Collect the candidates that have a score, by column.
 */
static void
collect_scored(ListWork *work, const Fold *fold, const TestUser *test)
{
	double *restrict packed = work->packed;
	int32 *restrict columns = work->packed_columns;
	double *restrict scores = work->scores;
	int32 n_columns = fold->train->n_columns;
	int32 n = 0;

	for (int32 i = 0; i < test->known.n; i++)
		scores[test->known.ratings[i].column] = NAN;
	/* Without a branch, as which have one is hard to guess. */
	for (int32 column = 0; column < n_columns; column++)
	{
		packed[n] = scores[column];
		columns[n] = column;
		n += !isnan(scores[column]);
	}
	work->n_packed = n;
}

/*
 * Rank the candidates by score: the best into the heap, sorted, best first.  An
 * item without a score comes after all that have one; between equals the smaller
 * column decides, which is the more popular one.
 */
static void
rank_candidates(ListWork *work, const Fold *fold, const TestUser *test)
{
	double worst = -INFINITY;
	int32 scored = 0;
	int32 rated = 0;

	work->heap.n = 0;
	for (int32 i = 0; i < work->n_packed; i++)
	{
		if (work->heap.n == work->heap.capacity && !(work->packed[i] > worst))
			continue;
		candidate_offer(&work->heap, work->packed[i], work->packed_columns[i]);
		worst = work->heap.entries[0].score;
	}
	for (int32 column = 0; column < fold->train->n_columns; column++)
	{
		if (work->heap.n == work->heap.capacity)
			break;
		if (scored < work->n_packed && work->packed_columns[scored] == column)
			scored++;
		else if (rated < test->known.n && test->known.ratings[rated].column == column)
			rated++;
		else
			candidate_offer(&work->heap, NO_SCORE, column);
	}
	candidate_sort(&work->heap);
}

/*
 * How many of n scores are above one.  A loop of comparisons alone, as it runs over
 * all candidates for every relevant item.
 */
WIDE_INTEGERS static int32
count_above(const double *scores, int32 n, double score)
{
	ScoreLanes limit = {score, score, score, score};
	CountLanes lanes = {0};
	int32 count = 0;
	int32 i = 0;

	for (; i + LANES <= n; i += LANES)
		lanes -= (CountLanes) (*(const ScoreLanes *) (scores + i) > limit);
	for (; i < n; i++)
		count += scores[i] > score;
	return count + (int32) (lanes[0] + lanes[1] + lanes[2] + lanes[3]);
}

/*
 * Find the relevant candidates with a score among all with one; of those without,
 * return how many candidates stand before them in the order.
 */
static double
find_positives(ListWork *work, const TestUser *test)
{
	double before = 0;

	work->n_positives = 0;
	for (int32 i = 0; i < test->n; i++)
	{
		int32 column = test->tested[i].column;
		int32 place;

		if (!test->tested[i].is_relevant || column < 0)
			continue;
		place = column_place(work->packed_columns, sizeof(int32), work->n_packed, column);
		if (place < work->n_packed && work->packed_columns[place] == column)
			work->positives[work->n_positives++] = (Positive){work->packed[place], place};
		else
			before += work->n_packed + column - place -
					  column_place(test->known.ratings, sizeof(KnnEntry), test->known.n, column);
	}
	return before;
}

/*
 * The area under the ROC curve of one user: the share of pairs of a relevant
 * candidate and another one in which the relevant one stands before.  The order
 * has no ties.  NaN when there is no such pair.
 *
 * Scores are compared in blocks, each with all relevant ones, that stay in the
 * first-level cache.
 */
static double
measure_auc(ListWork *work, const Fold *fold, const TestUser *test)
{
	int32 n_positives = test->n_warm_relevant;
	double n_negatives = (double) fold->train->n_columns - test->known.n - n_positives;
	double before;

	if (n_positives == 0 || n_negatives == 0)
		return NAN;
	before = find_positives(work, test);
	for (int32 start = 0; start < work->n_packed; start += SCORE_BLOCK)
	{
		const double *block = work->packed + start;
		int32 n = Min(SCORE_BLOCK, work->n_packed - start);

		for (int32 i = 0; i < work->n_positives; i++)
		{
			double score = work->positives[i].score;
			int32 split = Max(0, Min(n, work->positives[i].place - start));

			/* Those of an equal score stand before if their column does. */
			before += count_above(block, split, nextafter(score, -INFINITY)) +
					  count_above(block + split, n - split, score);
		}
	}
	/* The positives before the first, second ... positive. */
	before -= (double) n_positives * (n_positives - 1) / 2;
	return 1 - before / (n_positives * n_negatives);
}

/*
 * The metrics of a ranked list, at every cutoff, against the relevant items given
 * by their gains.
 */
static void
measure_ranking(const ListWork *work, const EvaluationOptions *options, const double *ideal,
				int32 n_ideal, double metrics[MAX_CUTOFFS][N_RANKING_METRICS])
{
	const double *gains = work->list_gains;
	int32 n = work->heap.n;

	for (int i = 0; i < options->n_cutoffs; i++)
	{
		int32 k = options->cutoffs[i];
		double *metric = metrics[i];

		metric[RANKING_PRECISION] = ranking_precision(gains, n, n_ideal, k);
		metric[RANKING_RECALL] = ranking_recall(gains, n, n_ideal, k);
		metric[RANKING_HIT_RATE] = ranking_hit_rate(gains, n, n_ideal, k);
		metric[RANKING_NDCG] = ranking_binary_ndcg(gains, n, n_ideal, k);
		metric[RANKING_GRADED_NDCG] = ranking_ndcg(work->list_graded, n, ideal, n_ideal, k);
		metric[RANKING_AVERAGE_PRECISION] = ranking_average_precision(gains, n, n_ideal, k);
		metric[RANKING_RECIPROCAL_RANK] = ranking_reciprocal_rank(gains, n, n_ideal, k);
	}
}

/*
 * The last column of what a list of the most popular unseen items would be, for
 * every cutoff: columns are numbered by falling popularity.
 */
static void
find_popular_lists(ListWork *work, const Fold *fold, const EvaluationOptions *options,
				   const TestUser *test)
{
	int32 unseen = 0;
	int32 rated = 0;
	int cutoff = 0;

	for (int32 column = 0; column < fold->train->n_columns && cutoff < options->n_cutoffs; column++)
	{
		if (rated < test->known.n && test->known.ratings[rated].column == column)
		{
			rated++;
			continue;
		}
		if (++unseen == options->cutoffs[cutoff])
			work->popular_limit[cutoff++] = column;
	}
	while (cutoff < options->n_cutoffs)
		work->popular_limit[cutoff++] = fold->train->n_columns;
}

/*
 * Intra-list diversity at every cutoff: 1 - the mean cosine of all pairs of items,
 * each the set of users who rated it (Ziegler et al., WWW 2005).  With unit
 * vectors v the sum over pairs follows from |v1 + ... + vk|^2, so the work is
 * that of reading each item's users once.
 */
static void
measure_diversity(ListWork *work, const Fold *fold, const EvaluationOptions *options,
				  UserResult *result)
{
	const Ratings *train = fold->train;
	const int32 *rows = train->column_row;
	double *overlap = work->overlap;
	double pairs = 0; /* sum of cosines */
	int cutoff = 0;

	for (int32 r = 0; r < work->heap.n; r++)
	{
		int32 column = work->heap.entries[r].id;
		int64 start = train->column_start[column];
		int64 end = train->column_start[column + 1];
		double length = 1 / sqrt((double) (end - start));
		double common = 0;

		for (int64 p = start; p < end; p++)
		{
			common += overlap[rows[p]];
			overlap[rows[p]] += length;
		}
		pairs += common * length;
		while (cutoff < options->n_cutoffs &&
			   (r + 1 == options->cutoffs[cutoff] || r + 1 == work->heap.n))
		{
			result->list[cutoff++][LIST_DIVERSITY] =
				r > 0 ? 1 - pairs / ((double) (r + 1) * r / 2) : NAN;
		}
	}
	for (int32 r = 0; r < work->heap.n; r++)
	{
		int32 column = work->heap.entries[r].id;
		int64 end = train->column_start[column + 1];

		for (int64 p = train->column_start[column]; p < end; p++)
			overlap[rows[p]] = 0;
	}
}

/*
 * What is measured of the list at one cutoff, whatever is relevant; serendipity,
 * the share of items that are relevant and not in the popular list, is defined
 * where something is.
 */
static void
measure_list(ListWork *work, const Fold *fold, const EvaluationOptions *options, int cutoff,
			 const TestUser *test, double *metric)
{
	const Ratings *train = fold->train;
	int32 k = options->cutoffs[cutoff];
	int32 n = Min(k, work->heap.n);
	int32 own = 0;
	int32 surprises = 0;
	double information = 0;
	double popularity = 0;

	for (int32 r = 0; r < n; r++)
	{
		int32 column = work->heap.entries[r].id;
		double count = train->column_start[column + 1] - train->column_start[column];

		own += work->heap.entries[r].score != NO_SCORE;
		surprises += work->list_gains[r] > 0 && column > work->popular_limit[cutoff];
		information -= log2(count / train->n_rows);
		popularity += count;
	}
	metric[LIST_USER_COVERAGE] = own > 0;
	metric[LIST_NOVELTY] = n > 0 ? information / n : NAN;
	metric[LIST_POPULARITY] = n > 0 ? popularity / n : NAN;
	metric[LIST_SERENDIPITY] = test->n_relevant > 0 ? (double) surprises / k : NAN;
	metric[LIST_SHORT] = n < k;
}

/*
 * Count what the list exposes, and remember what it was.
 */
static void
record_list(ListWork *work, const Fold *fold, const EvaluationOptions *options, int32 user)
{
	uint64 hash = 0;
	int cutoff = 0;

	for (int32 r = 0; r <= work->heap.n; r++)
	{
		while (cutoff < options->n_cutoffs && (r == options->cutoffs[cutoff] || r == work->heap.n))
			work->hashes[(Size) cutoff++ * fold->n_users + user] = hash;
		if (r == work->heap.n)
			break;
		hash = hash_bytes_uint32_extended((uint32) work->heap.entries[r].id, hash);
		for (int i = cutoff; i < options->n_cutoffs; i++)
			work->exposure[(Size) i * fold->train->n_columns + work->heap.entries[r].id]++;
	}
}

/*
 * Measure the list of one of the fold's users, of whom the method has given the
 * scores of all items in work->scores.
 */
void
lists_measure(ListWork *work, const Fold *fold, const EvaluationOptions *options, int32 user,
			  const TestUser *test, UserResult *result)
{
	collect_scored(work, fold, test);
	rank_candidates(work, fold, test);
	for (int32 i = 0; i < test->n; i++)
		if (test->tested[i].is_relevant && test->tested[i].column >= 0)
			work->gains[test->tested[i].column] = fold->graded ? test->tested[i].value : 1;
	for (int32 r = 0; r < work->heap.n; r++)
	{
		work->list_graded[r] = work->gains[work->heap.entries[r].id];
		work->list_gains[r] = work->list_graded[r] > 0;
	}
	for (int32 i = 0; i < test->n; i++)
		if (test->tested[i].column >= 0)
			work->gains[test->tested[i].column] = 0;

	measure_ranking(work, options, test->ideal, test->n_relevant, result->ranking[0]);
	measure_ranking(work, options, test->warm_ideal, test->n_warm_relevant, result->ranking[1]);
	result->auc = measure_auc(work, fold, test);
	find_popular_lists(work, fold, options, test);
	for (int i = 0; i < options->n_cutoffs; i++)
	{
		measure_list(work, fold, options, i, test, result->list[i]);
		result->list[i][LIST_DIVERSITY] = NAN;
	}
	if (fold->in_sample[user])
		measure_diversity(work, fold, options, result);
	record_list(work, fold, options, user);
}

static int
compare_hashes(const void *a, const void *b)
{
	uint64 x = *(const uint64 *) a;
	uint64 y = *(const uint64 *) b;

	return x < y ? -1 : x > y;
}

static int
compare_counts(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/*
 * The share of n lists that equal another one in all places; sorts the hashes.
 */
static double
share_repeated(uint64 *hashes, int32 n)
{
	int32 repeated = 0;

	qsort(hashes, n, sizeof(uint64), compare_hashes);
	for (int32 i = 0; i < n; i++)
		repeated +=
			(i > 0 && hashes[i] == hashes[i - 1]) || (i + 1 < n && hashes[i] == hashes[i + 1]);
	return (double) repeated / n;
}

/*
 * The metrics of all lists together, when every user has been measured.
 */
void
lists_finish(ListWork *work, const Fold *fold, const EvaluationOptions *options,
			 double catalog[MAX_CUTOFFS][N_CATALOG_METRICS])
{
	int32 n_columns = fold->train->n_columns;

	for (int i = 0; i < options->n_cutoffs; i++)
	{
		const int32 *exposure = work->exposure + (Size) i * n_columns;
		double *counts = work->scores; /* no longer in use */
		int32 exposed = 0;

		CHECK_FOR_INTERRUPTS();
		for (int32 column = 0; column < n_columns; column++)
		{
			counts[column] = exposure[column];
			exposed += exposure[column] > 0;
		}
		qsort(counts, n_columns, sizeof(double), compare_counts);
		catalog[i][CATALOG_COVERAGE] = (double) exposed / n_columns;
		catalog[i][CATALOG_GINI] = gini_coefficient(counts, n_columns);
		catalog[i][CATALOG_REPEATED] =
			share_repeated(work->hashes + (Size) i * fold->n_users, fold->n_users);
	}
}
