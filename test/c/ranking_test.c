/*
 * ranking_test.c
 *		ranking.h against lists worked by hand, and on random lists against the
 *		definitions written the long way, and what must hold for any list.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "ranking.h"

#define MAX_LIST 30

static int
result(int number, int wrong, const char *what)
{
	printf("%s %d - %s\n", wrong ? "not ok" : "ok", number, what);
	return wrong > 0;
}

static int
differs(double found, double expected)
{
	return !(fabs(found - expected) <= 1e-14);
}

/*
 * Relevant items have the gains 3, 2, 2 and 1; the list has that of 2 at rank 1,
 * that of 1 at rank 3 and that of 3 at rank 5.
 */
static int
test_by_hand(int number)
{
	const double gains[] = {2, 0, 1, 0, 3};
	const double ideal[] = {3, 2, 2, 1};
	int wrong = 0;

	wrong += differs(ranking_precision(gains, 5, 4, 1), 1);
	wrong += differs(ranking_precision(gains, 5, 4, 3), 2.0 / 3);
	wrong += differs(ranking_precision(gains, 5, 4, 10), 3.0 / 10);
	wrong += differs(ranking_recall(gains, 5, 4, 1), 1.0 / 4);
	wrong += differs(ranking_recall(gains, 5, 4, 10), 3.0 / 4);
	wrong += differs(ranking_hit_rate(gains + 1, 4, 4, 1), 0);
	wrong += differs(ranking_hit_rate(gains + 1, 4, 4, 2), 1);
	wrong += differs(ranking_reciprocal_rank(gains, 5, 4, 5), 1);
	wrong += differs(ranking_reciprocal_rank(gains + 1, 4, 4, 5), 1.0 / 2);
	wrong += differs(ranking_reciprocal_rank(gains + 1, 4, 4, 1), 0);
	wrong += differs(ranking_average_precision(gains, 5, 4, 5), (1 + 2.0 / 3 + 3.0 / 5) / 4);
	wrong += differs(ranking_average_precision(gains, 5, 4, 2), 1.0 / 4);
	wrong +=
		differs(ranking_ndcg(gains, 5, ideal, 4, 3), (2 + 1.0 / 2) / (3 + 2 / log2(3) + 2.0 / 2));
	wrong += differs(ranking_ndcg(gains, 5, ideal, 4, 9),
					 (2 + 1.0 / 2 + 3 / log2(6)) / (3 + 2 / log2(3) + 2.0 / 2 + 1 / log2(5)));
	wrong += differs(ranking_binary_ndcg(gains, 5, 4, 3), (1 + 1.0 / 2) / (1 + 1 / log2(3) + 0.5));
	return result(number, wrong, "lists worked by hand");
}

/*
 * No list, no relevant item, gains near the greatest number.
 */
static int
test_edges(int number)
{
	const double gains[] = {0, 1e308};
	const double ideal[] = {1.5e308, 1e308};
	int wrong = 0;

	wrong += differs(ranking_precision(NULL, 0, 2, 5), 0);
	wrong += differs(ranking_recall(NULL, 0, 2, 5), 0);
	wrong += differs(ranking_hit_rate(NULL, 0, 2, 5), 0);
	wrong += differs(ranking_reciprocal_rank(NULL, 0, 2, 5), 0);
	wrong += differs(ranking_average_precision(NULL, 0, 2, 5), 0);
	wrong += differs(ranking_ndcg(NULL, 0, ideal, 2, 5), 0);
	wrong += differs(ranking_binary_ndcg(NULL, 0, 2, 5), 0);
	wrong += !isnan(ranking_precision(gains, 2, 0, 5));
	wrong += !isnan(ranking_recall(gains, 2, 0, 5));
	wrong += !isnan(ranking_hit_rate(gains, 2, 0, 5));
	wrong += !isnan(ranking_reciprocal_rank(gains, 2, 0, 5));
	wrong += !isnan(ranking_average_precision(gains, 2, 0, 5));
	wrong += !isnan(ranking_ndcg(gains, 2, NULL, 0, 5));
	wrong += !isnan(ranking_binary_ndcg(gains, 2, 0, 5));
	wrong += differs(ranking_ndcg(gains, 2, ideal, 2, 5), (1 / log2(3)) / (1.5 + 1 / log2(3)));
	return result(number, wrong, "edges");
}

static int
falling(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return (x < y) - (x > y);
}

static int
test_random(int number)
{
	int wrong = 0;

	for (int trial = 0; trial < 20000; trial++)
	{
		double gains[MAX_LIST];
		double ideal[2 * MAX_LIST];
		int n = random_below(MAX_LIST + 1);
		int k = 1 + random_below(MAX_LIST + 5);
		int missed = random_below(MAX_LIST);
		int n_ideal = 0;
		double found = 0, first = 0, precisions = 0, gain = 0, best = 0, ones = 0, best_ones = 0;

		for (int r = 0; r < n; r++)
		{
			gains[r] = random_below(3) ? 0 : random_below(6);
			if (gains[r] > 0)
				ideal[n_ideal++] = gains[r];
		}
		for (int i = 0; i < missed; i++)
			ideal[n_ideal++] = 1 + random_below(5);
		if (n_ideal == 0)
			continue;
		qsort(ideal, n_ideal, sizeof(double), falling);
		for (int r = 1; r <= k; r++)
		{
			double share = 0;

			if (r <= n_ideal)
			{
				best += ideal[r - 1] * log(2) / log(r + 1);
				best_ones += log(2) / log(r + 1);
			}
			if (r > n || gains[r - 1] == 0)
				continue;
			for (int s = 1; s <= r; s++)
				share += gains[s - 1] > 0 ? 1.0 / r : 0;
			found++;
			first = first > 0 ? first : 1.0 / r;
			precisions += share;
			gain += gains[r - 1] * log(2) / log(r + 1);
			ones += log(2) / log(r + 1);
		}
		wrong += differs(ranking_precision(gains, n, n_ideal, k), found / k);
		wrong += differs(ranking_recall(gains, n, n_ideal, k), found / n_ideal);
		wrong += differs(ranking_hit_rate(gains, n, n_ideal, k), found > 0);
		wrong += differs(ranking_reciprocal_rank(gains, n, n_ideal, k), first);
		wrong += differs(ranking_average_precision(gains, n, n_ideal, k), precisions / n_ideal);
		wrong += differs(ranking_ndcg(gains, n, ideal, n_ideal, k), gain / best);
		wrong += differs(ranking_binary_ndcg(gains, n, n_ideal, k), ones / best_ones);
		/* The ideal list is perfect. */
		wrong += differs(ranking_ndcg(ideal, n_ideal, ideal, n_ideal, k), 1);
		wrong += differs(ranking_binary_ndcg(ideal, n_ideal, n_ideal, k), 1);
		wrong += differs(ranking_average_precision(ideal, n_ideal, n_ideal, n_ideal), 1);
	}
	return result(number, wrong, "random lists");
}

int
main(void)
{
	int failed = 0;

	printf("1..3\n");
	failed += test_by_hand(1);
	failed += test_edges(2);
	failed += test_random(3);
	return failed > 0;
}
