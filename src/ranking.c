/*
 * ranking.c
 *		How good one ranked list is.
 *
 * What every function here is given is described in ranking.h.  An item is
 * relevant when its gain is greater than zero.
 */
#include "ranking.h"

#include <math.h>

/*
 * Ranks that count: those of the list, up to k.
 */
static int32_t
ranks(int32_t n, int32_t k)
{
	return n < k ? n : k;
}

/*
 * Relevant items among the first k.
 */
static int32_t
hits(const double *gains, int32_t n, int32_t k)
{
	int32_t found = 0;

	for (int32_t r = 0; r < ranks(n, k); r++)
		found += gains[r] > 0;
	return found;
}

/*
 * What a gain at a rank from 0 on is divided by (Järvelin and Kekäläinen 2002,
 * with the logarithm to base 2 from the first rank on).
 */
static double
discount(int32_t r)
{
	return log2(r + 2.0);
}

/*
 * Share of relevant items among k places.  A list shorter than k has not earned
 * more by it: the places that it leaves empty count as misses.
 */
double
ranking_precision(const double *gains, int32_t n, int32_t n_ideal, int32_t k)
{
	return n_ideal == 0 ? NAN : (double) hits(gains, n, k) / k;
}

/*
 * Share of all relevant items, however many, that are among the first k.
 */
double
ranking_recall(const double *gains, int32_t n, int32_t n_ideal, int32_t k)
{
	return n_ideal == 0 ? NAN : (double) hits(gains, n, k) / n_ideal;
}

/*
 * 1 when any of the first k is relevant, else 0.
 */
double
ranking_hit_rate(const double *gains, int32_t n, int32_t n_ideal, int32_t k)
{
	return n_ideal == 0 ? NAN : hits(gains, n, k) > 0;
}

/*
 * 1 / rank of the first relevant item, 0 when there is none among the first k.
 */
double
ranking_reciprocal_rank(const double *gains, int32_t n, int32_t n_ideal, int32_t k)
{
	if (n_ideal == 0)
		return NAN;
	for (int32_t r = 0; r < ranks(n, k); r++)
		if (gains[r] > 0)
			return 1 / (r + 1.0);
	return 0;
}

/*
 * Precision at the rank of each relevant item among the first k, summed and
 * divided by the number of all relevant items, found or not (map_cut of
 * trec_eval).
 */
double
ranking_average_precision(const double *gains, int32_t n, int32_t n_ideal, int32_t k)
{
	double sum = 0;
	int32_t found = 0;

	if (n_ideal == 0)
		return NAN;
	for (int32_t r = 0; r < ranks(n, k); r++)
		if (gains[r] > 0)
			sum += ++found / (r + 1.0);
	return sum / n_ideal;
}

/*
 * Discounted gains of the first k, divided by those of the best possible list of
 * k.  Gains count as they are, not as powers of two; those below zero not at all.
 */
double
ranking_ndcg(const double *gains, int32_t n, const double *ideal, int32_t n_ideal, int32_t k)
{
	double sum = 0;
	double best = 0;

	if (n_ideal == 0)
		return NAN;
	/* In units of the greatest gain, so that no sum overflows. */
	for (int32_t r = 0; r < ranks(n, k); r++)
		if (gains[r] > 0)
			sum += gains[r] / ideal[0] / discount(r);
	for (int32_t r = 0; r < ranks(n_ideal, k); r++)
		best += ideal[r] / ideal[0] / discount(r);
	return sum / best;
}

/*
 * The same when every relevant item has a gain of 1.
 */
double
ranking_binary_ndcg(const double *gains, int32_t n, int32_t n_ideal, int32_t k)
{
	double sum = 0;
	double best = 0;

	if (n_ideal == 0)
		return NAN;
	for (int32_t r = 0; r < ranks(n, k); r++)
		if (gains[r] > 0)
			sum += 1 / discount(r);
	for (int32_t r = 0; r < ranks(n_ideal, k); r++)
		best += 1 / discount(r);
	return sum / best;
}
