/*
 * ranking.h
 *		How good one ranked list is.  No dependency on the server.
 *
 * gains[r] is the gain of the item at rank r + 1: 0 where it is not relevant.
 * ideal has the gains of all relevant items, in the list or not, falling.
 * A metric at k looks at the first k ranks; a list may be shorter than k.
 * All are NaN for a list of a user without relevant items.
 */
#ifndef RANKING_H
#define RANKING_H

#include <stdbool.h>
#include <stdint.h>

extern double ranking_precision(const double *gains, int32_t n, int32_t n_ideal, int32_t k);
extern double ranking_recall(const double *gains, int32_t n, int32_t n_ideal, int32_t k);
extern double ranking_hit_rate(const double *gains, int32_t n, int32_t n_ideal, int32_t k);
extern double ranking_reciprocal_rank(const double *gains, int32_t n, int32_t n_ideal, int32_t k);
extern double ranking_average_precision(const double *gains, int32_t n, int32_t n_ideal, int32_t k);
extern double ranking_ndcg(const double *gains, int32_t n, const double *ideal, int32_t n_ideal,
						   int32_t k);
extern double ranking_binary_ndcg(const double *gains, int32_t n, int32_t n_ideal, int32_t k);

#endif /* RANKING_H */
