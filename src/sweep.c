/*
 * sweep.c
 *		Half a sweep of a factorization of ratings: by alternating least squares
 *		(Zhou, Wilkinson, Schreiber and Pan, Large-Scale Parallel Collaborative
 *		Filtering for the Netflix Prize, AAIM 2008), or by Gibbs sampling
 *		(Salakhutdinov and Mnih, Bayesian Probabilistic Matrix Factorization using
 *		Markov Chain Monte Carlo, ICML 2008).
 *
 * Both solve the same normal equations for each row: the second adds noise to the
 * solution.  A bias is a factor whose counterpart on the other side is 1, so it is
 * solved for, or drawn, together with the others, and shares their prior.
 *
 * What is drawn for a row depends on the seed, the half sweep and the row: rows can
 * be done in any order, by anybody.
 */
#include <math.h>
#include <string.h>

#include "sweep.h"
#include "wide.h"

/*
 * Vectors to begin with: factors drawn with that deviation, biases zero.
 */
void
sweep_start(SweepSide *side, int32_t n_unknowns, double deviation, uint64_t seed, uint64_t purpose)
{
	int32_t width = normal_width(n_unknowns);

	for (int32_t row = 0; row < side->n; row++)
	{
		float *vector = side->vectors + (size_t) row * width;
		Draw draw = draw_stream(seed, purpose, row);

		memset(vector, 0, width * sizeof(float));
		draw_normals(&draw, n_unknowns - 1, vector + 1);
		for (int32_t i = 1; i < n_unknowns; i++)
			vector[i] *= (float) deviation;
	}
}

/*
 * Sum of (rating - prediction)^2 over the ratings of a row.
 */
WIDE_FLOATS static double
row_error(const SweepSide *own, const float *others, double mean, int32_t width, int32_t row)
{
	const float *vector = own->vectors + (size_t) row * width;
	double sum = 0;

	for (int64_t p = own->start[row]; p < own->start[row + 1]; p++)
	{
		const float *other = others + (size_t) own->entries[p].column * width;
		float lanes[NORMAL_LANES] = {0};
		double rest = own->entries[p].value - mean - vector[0] - other[0] + vector[0] * other[0];

		for (int32_t left = 0; left < width; left += NORMAL_LANES)
			for (int32_t lane = 0; lane < NORMAL_LANES; lane++)
				lanes[lane] += vector[left + lane] * other[left + lane];
		for (int32_t lane = 0; lane < NORMAL_LANES; lane++)
			rest -= lanes[lane];
		sum += rest * rest;
	}
	return sum;
}

/*
 * New vectors of the rows from first to before end.  work is for as many unknowns
 * as vectors have.  Adds the squared errors of their ratings, with the new vectors,
 * unless squared_error is NULL.  False, with rows left as they are, where equations
 * have no solution: without a prior and regularization.
 */
bool
sweep_rows(const SweepSide *own, const float *others, const SweepRule *rule, Normal *work,
		   int32_t first, int32_t end, double *squared_error)
{
	int32_t width = work->width;

	for (int32_t row = first; row < end; row++)
	{
		float *vector = own->vectors + (size_t) row * width;
		int64_t count = own->start[row + 1] - own->start[row];

		normal_start(work, rule->precision, rule->shift);
		if (rule->precision == NULL && count == 0)
		{
			memset(vector, 0, width * sizeof(float));
			continue;
		}
		normal_ridge(work, (float) (rule->regularization * count));
		for (int64_t p = own->start[row]; p < own->start[row + 1]; p++)
		{
			const float *other = others + (size_t) own->entries[p].column * width;
			float *x = normal_next(work, own->entries[p].value - (float) rule->mean - other[0]);

			memcpy(x, other, width * sizeof(float));
			x[0] = 1;
		}
		if (!normal_factor(work))
			return false;
		if (rule->deviation > 0)
		{
			Draw draw = draw_stream(rule->seed, rule->purpose, row);

			draw_normals(&draw, work->n, work->noise);
			for (int32_t i = 0; i < work->n; i++)
				work->noise[i] *= (float) rule->deviation;
		}
		normal_solve(work, rule->deviation > 0 ? work->noise : NULL, vector);
		if (squared_error != NULL)
			*squared_error += row_error(own, others, rule->mean, width, row);
	}
	return true;
}

/* Of square matrices in row order, in double precision. */
#define AT(matrix, i, j) (matrix)[(size_t) (i) *n + (j)]

/*
 * Replace the upper triangle of A by R with A = R' R.
 */
static void
factorize(double *matrix, int32_t n)
{
	for (int32_t i = 0; i < n; i++)
	{
		double scale;

		for (int32_t k = 0; k < i; k++)
			for (int32_t j = i; j < n; j++)
				AT(matrix, i, j) -= AT(matrix, k, i) * AT(matrix, k, j);
		scale = 1 / sqrt(AT(matrix, i, i));
		for (int32_t j = i; j < n; j++)
			AT(matrix, i, j) *= scale;
	}
}

/*
 * Replace the n_right columns of X by those of R^-1 X.
 */
static void
solve_upper(const double *factor, int32_t n, double *x, int32_t n_right)
{
	for (int32_t i = n - 1; i >= 0; i--)
	{
		for (int32_t k = i + 1; k < n; k++)
			for (int32_t j = 0; j < n_right; j++)
				x[(size_t) i * n_right + j] -= AT(factor, i, k) * x[(size_t) k * n_right + j];
		for (int32_t j = 0; j < n_right; j++)
			x[(size_t) i * n_right + j] /= AT(factor, i, i);
	}
}

/* Doubles of memory that sweep_draw_prior needs. */
size_t
sweep_prior_doubles(int32_t n_unknowns)
{
	return (size_t) n_unknowns * (3 * n_unknowns + 2);
}

/*
 * The sum over vectors of products of their deviations from mean, upon the identity
 * and what the mean itself deviates from zero: the inverse scale of the posterior.
 */
static void
gather_scatter(const SweepSide *side, const double *mean, Normal *work, double *scatter)
{
	int32_t n = work->n;
	float weight = sqrtf((float) side->n / (side->n + 1));

	normal_start(work, NULL, NULL);
	normal_ridge(work, 1);
	for (int32_t row = -1; row < side->n; row++)
	{
		float *x = normal_next(work, 0);

		memset(x, 0, work->width * sizeof(float));
		for (int32_t i = 0; i < n; i++)
			x[i] = row < 0 ? weight * (float) mean[i]
						   : side->vectors[(size_t) row * work->width + i] - (float) mean[i];
	}
	normal_flush(work);
	for (int32_t i = 0; i < n; i++)
		for (int32_t j = 0; j < n; j++)
			AT(scatter, i, j) =
				work->matrix[(size_t) (i < j ? i : j) * work->width + (i < j ? j : i)];
}

/*
 * Draw the prior of one side's vectors from its posterior given them: a normal
 * distribution whose mean and precision are themselves normal and Wishart, with mean
 * 0 from one observation and the identity as scale, with as many degrees of freedom
 * as there are unknowns (equation 14 of Salakhutdinov and Mnih).  Written as a rule
 * for sweep_rows, in units of the noise's variance.
 */
void
sweep_draw_prior(const SweepSide *side, double noise, Draw draw, Normal *work, double *memory,
				 float *precision, float *shift)
{
	int32_t n = work->n;
	double *inverse_scale = memory;
	double *root = inverse_scale + (size_t) n * n;
	double *drawn = root + (size_t) n * n;
	double *mean = drawn + (size_t) n * n;
	double *deviation = mean + n;

	memset(mean, 0, n * sizeof(double));
	for (int32_t row = 0; row < side->n; row++)
		for (int32_t i = 0; i < n; i++)
			mean[i] += side->vectors[(size_t) row * work->width + i];
	for (int32_t i = 0; i < n; i++)
		mean[i] /= (side->n > 0 ? side->n : 1);
	gather_scatter(side, mean, work, inverse_scale);

	/* With the inverse scale R' R and T T' drawn for the identity: R^-1 T T' R'^-1. */
	factorize(inverse_scale, n);
	draw_wishart_factor(&draw, n, (double) n + side->n, root);
	solve_upper(inverse_scale, n, root, n);
	memset(drawn, 0, (size_t) n * n * sizeof(double));
	for (int32_t i = 0; i < n; i++)
		for (int32_t j = i; j < n; j++)
		{
			for (int32_t k = 0; k < n; k++)
				AT(drawn, i, j) += AT(root, i, k) * AT(root, j, k);
			AT(drawn, j, i) = AT(drawn, i, j);
		}

	/* The mean, whose precision is that times the number of vectors and one. */
	memcpy(root, drawn, (size_t) n * n * sizeof(double));
	factorize(root, n);
	for (int32_t i = 0; i < n; i++)
		deviation[i] = draw_normal(&draw) / sqrt(side->n + 1.0);
	solve_upper(root, n, deviation, 1);
	for (int32_t i = 0; i < n; i++)
		mean[i] = mean[i] * side->n / (side->n + 1.0) + deviation[i];

	memset(precision, 0, (size_t) work->width * work->width * sizeof(float));
	memset(shift, 0, work->width * sizeof(float));
	for (int32_t i = 0; i < n; i++)
	{
		double sum = 0;

		for (int32_t j = 0; j < n; j++)
		{
			sum += AT(drawn, i, j) * mean[j];
			precision[(size_t) i * work->width + j] = (float) (noise * AT(drawn, i, j));
		}
		shift[i] = (float) (noise * sum);
	}
}

/*
 * Draw the variance of the noise: the inverse of a gamma number that one rating with
 * an error of 1 is known of beforehand.
 */
double
sweep_draw_noise(double squared_error, int64_t n_ratings, Draw draw)
{
	return (1 + squared_error) / (2 * draw_gamma(&draw, (1.0 + n_ratings) / 2));
}
