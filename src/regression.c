/*
 * regression.c
 *		What a row, or a choice set, adds to the sums of a pass.
 */
#include <math.h>
#include <string.h>

#include "logistic.h"
#include "regression.h"
#include "wide.h"

/*
 * The products w r_k r_l or w P_k (1{k = l} - P_l) for k >= l, block by block.
 */
static void
fill_second(RegressionPart part, int32_t m, double weight, const double *probability,
			const double *first, double *second)
{
	if (part == REGRESSION_GRADIENT)
		return;
	for (int32_t k = 0; k < m; k++)
		for (int32_t l = 0; l <= k; l++)
			*second++ = part == REGRESSION_SCORES
							? first[k] * first[l]
							: weight * probability[k] * ((k == l) - probability[l]);
}

/*
 * The factors of a row with score z, for gradient and curvature, and its loss.
 */
ALWAYS_INLINE double
logistic_terms(double z, double y, double weight, double *first, double *second)
{
	double far = -fabs(z);
	double e = exp_negative(far > -708 ? far : -708);
	double likely = 1 / (1 + e);
	double unlikely = e * likely;

	*first = weight * (y - (z >= 0 ? likely : unlikely));
	*second = weight * (likely * unlikely);
	/* ln(1 + exp(z)) - y z, each part of which may be large alone */
	return weight * (log1p_share(e) + ((z >= 0 ? 1 : 0) - y) * z);
}

/*
 * regression_row of the logistic family for REGRESSION_ROWS rows that lie one after
 * the other; weight and offset are NULL where all are 1, or 0.
 */
WIDE_INTEGERS double
regression_logistic(RegressionPart part, const double *theta, int32_t p, const double *x,
					const double *y, const double *weight, const double *offset,
					double *restrict first, double *restrict second)
{
	double z[REGRESSION_ROWS], w[REGRESSION_ROWS], loss[REGRESSION_ROWS];

	for (int r = 0; r < REGRESSION_ROWS; r++)
	{
		z[r] = regression_dot(theta, x + (size_t) r * p, p) + (offset != NULL ? offset[r] : 0);
		w[r] = weight != NULL ? weight[r] : 1;
	}
	for (int r = 0; r < REGRESSION_ROWS; r++)
		loss[r] = logistic_terms(z[r], y[r], w[r], first + r, second + r);
	for (int r = 0; part == REGRESSION_SCORES && r < REGRESSION_ROWS; r++)
		second[r] = first[r] * first[r];
	return ((loss[0] + loss[1]) + (loss[2] + loss[3])) +
		   ((loss[4] + loss[5]) + (loss[6] + loss[7]));
}

/*
 * What a row adds whose m scores are given, without its offset; they are used up.
 */
static double
row_terms(const RegressionShape *shape, RegressionPart part, double *score,
		  const RegressionRow *row, double *first, double *second)
{
	int32_t m = shape->m;
	double weight = row->weight;
	bool reference = shape->family == REGRESSION_MULTINOMIAL;
	double class = row->y - reference;
	double loss = 0;
	ExpSum sum = {0};

	if (part == REGRESSION_PLAIN)
	{
		for (int32_t k = 0; k < m; k++)
			first[k] = weight;
		for (int32_t b = 0; b < regression_blocks(m); b++)
			second[b] = weight;
		return 0;
	}
	if (shape->family == REGRESSION_LOGISTIC)
	{
		double curvature;

		loss = logistic_terms(score[0] + row->offset, row->y, weight, first, &curvature);
		if (part != REGRESSION_GRADIENT)
			second[0] = part == REGRESSION_SCORES ? first[0] * first[0] : curvature;
		return loss;
	}

	/* The reference class has the score 0. */
	if (reference)
		exp_sum_add(&sum, 0);
	for (int32_t k = 0; k < m; k++)
	{
		exp_sum_add(&sum, score[k]);
		if (class == k)
			loss = -weight * score[k];
	}
	loss += weight * exp_sum_log(&sum);
	for (int32_t k = 0; k < m; k++)
	{
		score[k] = exp_sum_share(&sum, score[k]);
		first[k] = weight * ((class == k) - score[k]);
	}
	fill_second(part, m, weight, score, first, second);
	return loss;
}

/*
 * What a row adds: x times first[k] to vector k, x x' times second[b] to block b.
 * Returns the loss, -w ln P(y).
 */
double
regression_row(const RegressionShape *shape, RegressionPart part, const double *theta,
			   const RegressionRow *row, double *first, double *second)
{
	double score[REGRESSION_MAX_CLASSES];
	int32_t p = shape->p;

	for (int32_t k = 0; part != REGRESSION_PLAIN && k < shape->m; k++)
		score[k] = regression_dot(theta + (size_t) k * p, row->x, p);
	return row_terms(shape, part, score, row, first, second);
}

/*
 * regression_row of a row of n entries, of which what all rows are to be less is not
 * taken off: shift is what that adds to each of the m scores.
 */
double
regression_entries_row(const RegressionShape *shape, RegressionPart part, const double *theta,
					   const double *shift, const RegressionRow *row,
					   const RegressionEntry *entries, int32_t n, double *first, double *second)
{
	double score[REGRESSION_MAX_CLASSES];

	for (int32_t k = 0; part != REGRESSION_PLAIN && k < shape->m; k++)
	{
		const double *of_class = theta + (size_t) k * shape->p;

		score[k] = -shift[k];
		for (int32_t e = 0; e < n; e++)
			score[k] += of_class[entries[e].column] * entries[e].value;
	}
	return row_terms(shape, part, score, row, first, second);
}

/*
 * What a choice set adds: alternatives with their mean, weighted by probability,
 * taken off (McFadden 1974).  The weight is that of the chosen alternative.
 *
 * Returns how many rows are in terms: 0 when nothing was chosen, which says
 * nothing; -1 when not one.
 */
int32_t
regression_choice_set(RegressionPart part, const double *theta, int32_t p,
					  const RegressionRow *rows, int32_t n, RegressionTerms *terms)
{
	ExpSum sum = {0};
	double chosen = 0;
	double score = 0;
	double *mean = terms->x;

	terms->weight = 0;
	for (int32_t i = 0; i < n; i++)
	{
		double z = regression_dot(theta, rows[i].x, p) + rows[i].offset;

		exp_sum_add(&sum, z);
		terms->first[i] = z;
		chosen += rows[i].y;
		if (rows[i].y != 0)
		{
			terms->weight = rows[i].weight;
			score = z;
		}
	}
	if (chosen != 1)
		return chosen == 0 ? 0 : -1;
	terms->loss = terms->weight * (exp_sum_log(&sum) - score);
	for (int32_t i = 0; i < n; i++)
	{
		terms->second[i] = exp_sum_share(&sum, terms->first[i]);
		terms->first[i] = terms->weight * (rows[i].y - terms->second[i]);
	}
	/* The sum of what the alternatives give is one score. */
	memset(mean, 0, p * sizeof(double));
	if (part == REGRESSION_SCORES)
	{
		for (int32_t i = 0; i < n; i++)
			for (int32_t j = 0; j < p; j++)
				mean[j] += terms->first[i] * rows[i].x[j];
		terms->first[0] = terms->second[0] = 1;
		return 1;
	}
	for (int32_t i = 0; i < n; i++)
		for (int32_t j = 0; j < p; j++)
			mean[j] += terms->second[i] * rows[i].x[j];
	/* From the last on: the first lies where the mean is. */
	for (int32_t i = n - 1; i >= 0; i--)
	{
		terms->second[i] *= terms->weight;
		for (int32_t j = 0; j < p; j++)
			terms->x[(size_t) i * p + j] = rows[i].x[j] - mean[j];
	}
	return n;
}

/*
 * Add one row to the triangle of a block.
 */
ALWAYS_INLINE void
add_one(double *block, const double *x, double factor, int32_t p)
{
	for (int32_t i = 0; i < p; i++)
	{
		double left = factor * x[i];

		for (int32_t j = 0; j <= i; j++)
			block[j] += left * x[j];
		block += i + 1;
	}
}

/*
 * Add REGRESSION_ROWS rows to the triangle of a block, factors step apart.
 */
ALWAYS_INLINE void
add_eight(double *block, const double *x, const double *factor, int32_t step, int32_t p)
{
	const double *x0 = x, *x1 = x0 + p, *x2 = x1 + p, *x3 = x2 + p;
	const double *x4 = x3 + p, *x5 = x4 + p, *x6 = x5 + p, *x7 = x6 + p;

	for (int32_t i = 0; i < p; i++)
	{
		double f0 = factor[0] * x0[i], f1 = factor[step] * x1[i];
		double f2 = factor[2 * step] * x2[i], f3 = factor[3 * step] * x3[i];
		double f4 = factor[4 * step] * x4[i], f5 = factor[5 * step] * x5[i];
		double f6 = factor[6 * step] * x6[i], f7 = factor[7 * step] * x7[i];

		for (int32_t j = 0; j <= i; j++)
			block[j] += (f0 * x0[j] + f1 * x1[j] + f2 * x2[j] + f3 * x3[j]) +
						(f4 * x4[j] + f5 * x5[j] + f6 * x6[j] + f7 * x7[j]);
		block += i + 1;
	}
}

/*
 * Add n rows, one after the other in x, to the vectors and blocks of sums: first
 * has m factors for each, second so many as there are blocks.
 */
WIDE_FLOATS void
regression_add(double *restrict sums, int32_t m, int32_t p, int32_t blocks,
			   const double *restrict x, const double *restrict first,
			   const double *restrict second, int32_t n)
{
	double *block = sums + SUM_GRADIENT + (size_t) m * p;
	int32_t row = 0;

	for (int32_t i = 0; i < n; i++)
		for (int32_t k = 0; k < m; k++)
			for (int32_t j = 0; j < p; j++)
				sums[SUM_GRADIENT + (size_t) k * p + j] +=
					first[(size_t) i * m + k] * x[(size_t) i * p + j];
	for (; blocks > 0 && row + REGRESSION_ROWS <= n; row += REGRESSION_ROWS)
		for (int32_t b = 0; b < blocks; b++)
			add_eight(block + b * regression_triangle(p), x + (size_t) row * p,
					  second + (size_t) row * blocks + b, blocks, p);
	for (; blocks > 0 && row < n; row++)
		for (int32_t b = 0; b < blocks; b++)
			add_one(block + b * regression_triangle(p), x + (size_t) row * p,
					second[(size_t) row * blocks + b], p);
}

/*
 * Add a row of n entries, in the order of their columns, to sums, and to totals what
 * regression_center needs: the factors of vectors; then of each block its factor, and p
 * sums of entries times it.
 */
void
regression_add_entries(double *restrict sums, double *restrict totals, int32_t m, int32_t p,
					   int32_t blocks, const RegressionEntry *entries, int32_t n,
					   const double *first, const double *second)
{
	double *gradient = sums + SUM_GRADIENT;
	double *block = gradient + (size_t) m * p;

	for (int32_t k = 0; k < m; k++, gradient += p)
	{
		*totals++ += first[k];
		for (int32_t e = 0; e < n; e++)
			gradient[entries[e].column] += first[k] * entries[e].value;
	}
	for (int32_t b = 0; b < blocks; b++, block += regression_triangle(p), totals += p)
	{
		*totals++ += second[b];
		for (int32_t e = 0; e < n; e++)
		{
			double *line = block + regression_triangle(entries[e].column);
			double left = second[b] * entries[e].value;

			totals[entries[e].column] += left;
			for (int32_t f = 0; f <= e; f++)
				line[entries[f].column] += left * entries[f].value;
		}
	}
}

/*
 * Correct sums of entries v for what rows are less, x = v - center:
 *
 *	sum f x    = sum f v - center sum f
 *	sum s x x' = sum s v v' - center (sum s v)' - (sum s v) center' + center center' sum s
 *
 * poll is called now and then.
 */
void
regression_center(double *restrict sums, const double *restrict totals, int32_t m, int32_t p,
				  int32_t blocks, const double *restrict center, void (*poll)(void))
{
	double *line = sums + SUM_GRADIENT;

	for (int32_t k = 0; k < m; k++, line += p, totals++)
		for (int32_t j = 0; j < p; j++)
			line[j] -= center[j] * totals[0];
	for (int32_t b = 0; b < blocks; b++, totals += p + 1)
		for (int32_t i = 0; i < p; i++, line += i)
		{
			const double *sum = totals + 1;
			double left = center[i] * totals[0] - sum[i];

			poll();
			for (int32_t j = 0; j <= i; j++)
				line[j] += left * center[j] - center[i] * sum[j];
		}
}
