/*
 * similarity.h
 *		How alike two vectors are, computed from sums over their elements.
 *
 * The first half holds the formulas, the second half the sums that they need,
 * gathered pair by pair.  One set of sums serves all similarities, because each
 * of them is about sums of products of some values u and v made from a pair
 * (x, y):
 *
 *	cosine				u = x, v = y, an absent one being 0
 *	adjusted cosine		u = x - mean, v = y - mean, the mean being given
 *	Pearson				u = x - mean of x, v = y - mean of y, both running
 *	Jaccard				u, v = 1 where x or y is present, 0 where it is absent
 *	Euclidean			u = v = x - y
 *
 * Everything is double.  A similarity that is not defined is NaN.  No
 * dependency on the server.
 */
#ifndef SIMILARITY_H
#define SIMILARITY_H

#include <float.h>
#include <math.h>
#include <stdbool.h>

/*
 * A variance below this part of the raw second moment is rounding noise, where
 * it is computed as a difference of raw sums.
 */
#define SIMILARITY_VARIANCE_NOISE 1e-12

/* Take rounding noise off a value that cannot be outside of [-1, 1]. */
static inline double
similarity_clamp(double similarity)
{
	return similarity > 1 ? 1 : similarity < -1 ? -1 : similarity;
}

/*
 * Cosine of the angle between two vectors, from their inner product and their
 * squared norms; NaN if a norm is zero.  Vectors that are equal have exactly 1.
 */
static inline double
cosine_from_sums(double xy, double xx, double yy)
{
	double norms_squared = xx * yy;

	if (!(xx > 0 && yy > 0))
		return NAN;
	if (norms_squared < DBL_MIN || norms_squared > DBL_MAX)
		return similarity_clamp(xy / sqrt(xx) / sqrt(yy));
	return similarity_clamp(xy / sqrt(norms_squared));
}

/*
 * The same from the norms themselves, for data that is not near the limits of
 * double (float is not).
 */
static inline double
cosine_from_norms(double xy, double norm_x, double norm_y)
{
	if (!(norm_x > 0 && norm_y > 0))
		return NAN;
	return similarity_clamp(xy / (norm_x * norm_y));
}

/*
 * Pearson's correlation of n pairs from raw sums; NaN for fewer than two pairs
 * or where x or y does not vary.  Raw sums lose what is small beside the mean:
 * they do for ratings, not for values like 100000001, 100000002.
 */
static inline double
pearson_from_sums(double n, double sx, double sy, double sxx, double syy, double sxy)
{
	double xx = sxx - sx * sx / n;
	double yy = syy - sy * sy / n;

	if (!(n >= 2 && xx > SIMILARITY_VARIANCE_NOISE * sxx && yy > SIMILARITY_VARIANCE_NOISE * syy))
		return NAN;
	return cosine_from_sums(sxy - sx * sy / n, xx, yy);
}

/*
 * Jaccard's index of two sets, from the sizes of their intersection and of the
 * sets; NaN if both are empty.
 */
static inline double
jaccard_from_counts(double both, double n_x, double n_y)
{
	double either = n_x + n_y - both;

	return either > 0 ? both / either : NAN;
}

/* x times the logarithm of x / y, which is 0 for x = 0. */
static inline double
similarity_information(double x, double y)
{
	return x > 0 ? x * log(x / y) : 0;
}

/*
 * Log-likelihood ratio, -2 log lambda, of the hypothesis that who is in one set is
 * so independently of the other, from the sizes of the intersection, of the sets and
 * of what both are subsets of; 0 where they have less in common than by chance.
 * T. Dunning: Accurate Methods for the Statistics of Surprise and Coincidence,
 * Computational Linguistics 19(1), 1993.
 */
static inline double
llr_from_counts(double both, double n_x, double n_y, double n)
{
	double expected = n_x * n_y / n;
	double only_x = n_x - both;
	double only_y = n_y - both;
	double neither = n - n_x - n_y + both;

	if (!(both > expected))
		return 0;
	return 2 * (similarity_information(both, expected) +
				similarity_information(only_x, n_x - expected) +
				similarity_information(only_y, n_y - expected) +
				similarity_information(neither, n - n_x - n_y + expected));
}

/*
 * Probability of the second set given the first, divided by the square root of the
 * second's size, so that it is not only large sets that are likely.
 * M. Deshpande, G. Karypis: Item-Based Top-N Recommendation Algorithms, ACM TOIS
 * 22(1), 2004, with alpha = 1/2.
 */
static inline double
conditional_from_counts(double both, double n_x, double n_y)
{
	return both / (n_x * sqrt(n_y));
}

/*
 * 1 / (1 + distance) from the squared Euclidean distance.
 */
static inline double
euclidean_from_sum(double squared_distance)
{
	return 1 / (1 + sqrt(squared_distance < 0 ? 0 : squared_distance));
}

/*
 * Draw a similarity that rests on n pairs towards zero by n / (n + shrinkage).
 * Y. Koren, R. Bell: Advances in Collaborative Filtering, Recommender Systems
 * Handbook, 2011, section on similarity measures.
 */
static inline double
similarity_shrink(double similarity, double n, double shrinkage)
{
	return shrinkage > 0 ? similarity * (n / (n + shrinkage)) : similarity;
}

typedef enum SimilarityKind
{
	SIMILARITY_COSINE,
	SIMILARITY_ADJUSTED_COSINE,
	SIMILARITY_PEARSON,
	SIMILARITY_JACCARD,
	SIMILARITY_EUCLIDEAN
} SimilarityKind;

/* All zero is the state before the first pair. */
typedef struct SimilaritySums
{
	double support; /* pairs of which both sides are present */
	double xy;      /* sum of u * v */
	double xx;      /* sum of u * u */
	double yy;      /* sum of v * v */
	/* For Pearson, else zero: the first pair, and the means relative to it. */
	double origin_x;
	double origin_y;
	double mean_x;
	double mean_y;
} SimilaritySums;

static inline void
similarity_add_products(SimilaritySums *sums, double u, double v)
{
	sums->xy += u * v;
	sums->xx += u * u;
	sums->yy += v * v;
}

/*
 * The running means and the products of deviations from them, by Welford's
 * recurrence (Technometrics 4(3), 1962).  All is relative to the first pair, so
 * that nothing is lost to a large mean, and the sum of squares of a value that
 * does not vary is exactly zero.  To be called before the pair is counted.
 */
static inline void
similarity_add_deviations(SimilaritySums *sums, double x, double y)
{
	double weight = 1 / (sums->support + 1);
	double dx, dy;

	if (sums->support == 0)
	{
		sums->origin_x = x;
		sums->origin_y = y;
	}
	x -= sums->origin_x;
	y -= sums->origin_y;
	dx = x - sums->mean_x;
	dy = y - sums->mean_y;
	sums->mean_x += dx * weight;
	sums->mean_y += dy * weight;
	sums->xy += dx * (y - sums->mean_y);
	sums->xx += dx * (x - sums->mean_x);
	sums->yy += dy * (y - sums->mean_y);
}

/*
 * Add one pair.  x counts only if has_x, y only if has_y; mean is that of the
 * adjusted cosine.
 */
static inline void
similarity_add(SimilarityKind kind, SimilaritySums *sums, bool has_x, double x, bool has_y,
			   double y, double mean)
{
	bool both = has_x && has_y;

	switch (kind)
	{
		case SIMILARITY_COSINE:
			similarity_add_products(sums, has_x ? x : 0, has_y ? y : 0);
			break;
		case SIMILARITY_ADJUSTED_COSINE:
			if (both)
				similarity_add_products(sums, x - mean, y - mean);
			break;
		case SIMILARITY_PEARSON:
			if (both)
				similarity_add_deviations(sums, x, y);
			break;
		case SIMILARITY_JACCARD:
			similarity_add_products(sums, has_x ? 1 : 0, has_y ? 1 : 0);
			break;
		case SIMILARITY_EUCLIDEAN:
			if (both)
				similarity_add_products(sums, x - y, x - y);
			break;
	}
	sums->support += both ? 1 : 0;
}

/*
 * Add the sums over other pairs.  The correction for different means is that of
 * T. Chan, G. Golub, R. LeVeque (The American Statistician 37(3), 1983); where
 * there are no means it is zero.
 */
static inline void
similarity_merge(SimilaritySums *sums, const SimilaritySums *more)
{
	double support = sums->support + more->support;
	double share = support > 0 ? more->support / support : 0;
	double weight = sums->support * share;
	double dx, dy;

	if (sums->support == 0)
	{
		sums->origin_x = more->origin_x;
		sums->origin_y = more->origin_y;
	}
	dx = more->origin_x - sums->origin_x + (more->mean_x - sums->mean_x);
	dy = more->origin_y - sums->origin_y + (more->mean_y - sums->mean_y);
	sums->support = support;
	sums->xy += more->xy + weight * dx * dy;
	sums->xx += more->xx + weight * dx * dx;
	sums->yy += more->yy + weight * dy * dy;
	sums->mean_x += share * dx;
	sums->mean_y += share * dy;
}

static inline double
similarity_from_sums(SimilarityKind kind, const SimilaritySums *sums)
{
	switch (kind)
	{
		case SIMILARITY_COSINE:
		case SIMILARITY_ADJUSTED_COSINE:
		case SIMILARITY_PEARSON:
			return cosine_from_sums(sums->xy, sums->xx, sums->yy);
		case SIMILARITY_JACCARD:
			return jaccard_from_counts(sums->xy, sums->xx, sums->yy);
		case SIMILARITY_EUCLIDEAN:
			return sums->support > 0 ? euclidean_from_sum(sums->xx) : NAN;
	}
	return NAN;
}

#endif /* SIMILARITY_H */
