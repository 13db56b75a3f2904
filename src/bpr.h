/*
 * bpr.h
 *		Bayesian personalized ranking: vectors of users and items such that a user's
 *		items rank before those that the user does not have.
 *
 * The score of an item for a user is <factors(u), factors(i)> + bias(i).  A vector
 * of an item is [factors | bias], that of a user [factors | 1], padded with zeros to
 * bpr_width().
 *
 * No dependency on the server.
 */
#ifndef BPR_H
#define BPR_H

#include "draw.h"
#include "knn.h"

#define BPR_LANES 8
#define BPR_MAX_RANK 1024

typedef struct BprOptions
{
	int32_t rank;
	double learning_rate;
	double regularization;
	bool adagrad; /* each step by the inverse root of the sum of squared gradients */
} BprOptions;

typedef struct BprModel
{
	int32_t n_users;
	int32_t n_items;
	const int64_t *start;    /* n_users + 1 */
	const KnnEntry *entries; /* the items of each user, ascending; values do not matter */
	float *users;            /* n_users * width */
	float *items;            /* n_items * width */
	float *user_squares;     /* for adagrad: of the gradients of each element */
	float *item_squares;
} BprModel;

static inline int32_t
bpr_width(int32_t rank)
{
	return (rank + BPR_LANES) / BPR_LANES * BPR_LANES;
}

extern void bpr_start(BprModel *model, const BprOptions *options, Draw *draw);
extern double bpr_steps(BprModel *model, const BprOptions *options, int64_t n_steps, Draw *draw);

#endif /* BPR_H */
