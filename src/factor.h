/*
 * factor.h
 *		A fitted factor model: vectors of items, and how a user is folded in.
 *
 * Only the item side is kept.  Given its items, a factor model that was fitted by
 * least squares, or whose posterior is Gaussian, is a linear regression for each
 * user: the user's factors are the solution of normal equations over the ratings
 * that the user has now.  So every method of the family is described by the same
 * few numbers, and is stored, folded in, scored and explained by the same code.
 *
 * A vector of an item, of one sample, has `width` elements:
 *
 *		[ 1 if user_bias | rank factors | the item's bias if item_bias ]
 *
 * and that of a user, which the score is the dot product with,
 *
 *		[ the user's bias | rank factors | 1 ]
 *
 * of which the first `solved` elements are solved for.  A method that averages
 * over samples of a posterior has n_samples such vectors an item, one after the
 * other; the others have one.  Then
 *
 *		score(u, i) = mean over samples s of  offset[s] + <user[s], item[s]>.
 *
 * Folding in, for each sample, a user with n ratings (weights c, targets y):
 *
 *		A = precision + regularization * (n + count_offset)^exponent * I + sum c x x'
 *		b = shift + sum c y x		(x: the solved part of the item's vector)
 *		user = A^-1 b
 *
 * This is the user's half of alternating least squares (Hu, Koren and Volinsky,
 * ICDM 2008; Zhou et al., AAIM 2008; Rendle et al., Revisiting the Performance of
 * iALS, RecSys 2022), and the mean of a user's conditional posterior (Salakhutdinov
 * and Mnih, Bayesian PMF by MCMC, ICML 2008), in units of the noise's variance.
 */
#ifndef FACTOR_H
#define FACTOR_H

#include "utils/array.h"
#include "utils/jsonb.h"

#include "compatibility.h"
#include "ratings.h"

/* What a user's ratings say to the equations. */
typedef enum FactorTarget
{
	FACTOR_PREFERENCE, /* the rating is the weight, the target is 1 */
	FACTOR_RATING      /* the weight is 1, the target rating - offset - item's bias */
} FactorTarget;

typedef struct FactorShape
{
	int32 rank;      /* factors, without biases */
	int32 n_samples; /* 1 but for methods that sample a posterior */
	bool user_bias;  /* the first element of an item's vector is 1 */
	bool item_bias;  /* the last one is the item's bias */
} FactorShape;

/* What is common to all users. */
typedef struct FactorPrior
{
	FactorShape shape;
	FactorTarget target;
	double regularization; /* >= 0; of every solved element */
	double exponent;       /* nu: 0 makes the regularization the same for every user */
	double count_offset;   /* >= 0; iALS: unobserved weight * items */
	double *offset;        /* n_samples; added to every score, such as the mean; needs user_bias */
	double *noise;         /* n_samples; variance of a rating, for deviations; 0: unknown */
	float *precision;      /* n_samples * solved * solved, symmetric; zeros if there is none */
	float *shift;          /* n_samples * solved: precision * mean of the prior */
} FactorPrior;

/*
 * All lies in the budget's context.  Items are numbered as the columns of the
 * ratings that the model was fitted to; an item's vector is finite.
 */
typedef struct FactorModel
{
	FactorPrior prior;
	FactorPrior
		*item_prior; /* the same for items, given users: folds new items in; NULL: none do */
	int32 n_items;
	float *items; /* n_items * n_samples * width, item by item */
} FactorModel;

static inline int32
factor_solved(const FactorShape *shape)
{
	return shape->user_bias + shape->rank;
}

/* Elements of one sample's vector. */
static inline int32
factor_width(const FactorShape *shape)
{
	return shape->user_bias + shape->rank + shape->item_bias;
}

/* Elements of a whole vector. */
static inline int32
factor_length(const FactorShape *shape)
{
	return shape->n_samples * factor_width(shape);
}

/* Bounds of what may be asked for. */
#define FACTOR_MAX_RANK 1024
#define FACTOR_MAX_LENGTH 16384

/*
 * A fit: reads its own options (method_number and so on), which SQL has completed,
 * and checks them.  Ratings have users as rows and items as columns, and are read
 * only; is_explicit as in method.h.  Serial and parallel fits agree to 1e-5.
 */
typedef FactorModel *(*FactorFit)(const Ratings *ratings, bool is_explicit, Jsonb *options,
								  Budget *budget, Progress *progress);

/* The fits: ials.c, factor_sweeps.c, factor_bpr.c. */
extern FactorModel *ials_fit(const Ratings *ratings, bool is_explicit, Jsonb *options,
							 Budget *budget, Progress *progress);
extern FactorModel *als_fit(const Ratings *ratings, bool is_explicit, Jsonb *options,
							Budget *budget, Progress *progress);
extern FactorModel *bayes_mf_fit(const Ratings *ratings, bool is_explicit, Jsonb *options,
								 Budget *budget, Progress *progress);
extern FactorModel *bpr_fit(const Ratings *ratings, bool is_explicit, Jsonb *options,
							Budget *budget, Progress *progress);

/* The normal equations of one user, of all samples. */
typedef struct FoldIn
{
	const FactorPrior *prior;
	int64 n;   /* ratings */
	double *a; /* n_samples * equations_size(solved) */
	double *b; /* n_samples * solved */
} FoldIn;

/* factor_model.c */
extern FactorModel *factor_model_create(const FactorShape *shape, int32 n_items, Budget *budget);
extern Size fold_in_sums(const FactorShape *shape);
extern void fold_in_init(FoldIn *fold, const FactorPrior *prior, double *sums);
extern void fold_in_clear(FoldIn *fold);
extern void fold_in_add(FoldIn *fold, const float *item, double rating);
extern void fold_in_add_all(FoldIn *fold, const KnnEntry *ratings, int32 n, const float *items,
							const int32 *places);
extern void fold_in_remove(FoldIn *fold, const float *item, double rating);
extern bool fold_in_solve(const FoldIn *fold, float *user);
extern bool fold_in_influence(const FoldIn *fold, const float *item, float *influence);
extern double fold_in_contribution(const FactorPrior *prior, const float *influence,
								   const float *item, double rating);
extern double fold_in_base(const FactorPrior *prior, const float *influence, const float *item);
extern double fold_in_deviation(const FoldIn *fold, const float *item);
extern FactorPrior *factor_prior_create(const FactorShape *shape, Budget *budget);
extern void factor_exchange(const FactorPrior *prior, const float *vector, float *exchanged);
pg_noreturn extern void factor_singular(void);
extern double factor_norm(const FactorShape *shape, const float *vector);

/* factor_pack.c */
extern bytea *factor_prior_pack(const FactorPrior *prior);
extern FactorPrior *factor_prior_unpack(bytea *packed);
extern FactorModel *factor_model_unpack(bytea *packed_prior, int32 n_items, Budget *budget);
extern float *factor_elements(ArrayType *array, int32 *length, int32 wanted);
extern bytea *equations_pack(bytea *packed_prior);
extern bytea *equations_unpack(bytea *packed, FactorPrior *prior, FoldIn *fold);
extern void equations_store_count(const FoldIn *fold);

#endif /* FACTOR_H */
