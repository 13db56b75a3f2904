/*
 * distribution.c
 *		Statistics of how values are distributed: moments, quantiles, a sketch for
 *		quantiles of many values, inequality, and the fit of a power law.
 */
#include "distribution.h"

#include <float.h>
#include <math.h>
#include <string.h>

/*
 * Add a value that has come count times (West 1979, Welford's method with
 * weights).
 */
void
moments_add(Moments *moments, double value, double count)
{
	double deviation = value - moments->mean;

	if (moments->n == 0)
		moments->minimum = moments->maximum = value;
	if (value < moments->minimum)
		moments->minimum = value;
	if (value > moments->maximum)
		moments->maximum = value;
	moments->n += count;
	moments->mean += deviation * (count / moments->n);
	moments->squares += count * deviation * (value - moments->mean);
}

/*
 * Standard deviation of a sample (divisor n - 1); NaN of fewer than two values.
 */
double
moments_deviation(const Moments *moments)
{
	return moments->n > 1 ? sqrt(moments->squares / (moments->n - 1)) : NAN;
}

/*
 * The value at a rank from 0 on, among n distinct values of which up_to[i] are
 * at most values[i]; without up_to each has come once.
 */
static double
value_at(const double *values, const int64_t *up_to, int64_t n, int64_t rank)
{
	int64_t low = 0;
	int64_t high = n - 1;

	if (up_to == NULL)
		return values[rank];
	while (low < high)
	{
		int64_t middle = low + (high - low) / 2;

		if (up_to[middle] > rank)
			high = middle;
		else
			low = middle + 1;
	}
	return values[low];
}

/*
 * Quantile of ascending values with linear interpolation, as percentile_cont
 * has it; NaN of no values.
 */
double
distribution_quantile(const double *values, const int64_t *up_to, int64_t n, double fraction)
{
	double position;
	double below;
	double above;

	if (n == 0)
		return NAN;
	position = fraction * (double) ((up_to == NULL ? n : up_to[n - 1]) - 1);
	below = value_at(values, up_to, n, (int64_t) floor(position));
	above = value_at(values, up_to, n, (int64_t) ceil(position));
	position -= floor(position);
	if (isinf(above - below))
		return below * (1 - position) + above * position;
	return below + position * (above - below);
}

/*
 * Bucket i has the values between g^(i-1) and g^i, g = (1 + a) / (1 - a).
 */
static double
log_base(void)
{
	return log1p(2 * SKETCH_ACCURACY / (1 - SKETCH_ACCURACY));
}

void
sketch_add(Sketch *sketch, double value, int64_t count)
{
	int bucket;

	if (sketch->n == 0)
		sketch->minimum = sketch->maximum = value;
	sketch->minimum = fmin(sketch->minimum, value);
	sketch->maximum = fmax(sketch->maximum, value);
	sketch->n += count;
	if (value == 0)
	{
		sketch->zeros += count;
		return;
	}
	bucket = (int) ceil(log(fabs(value)) / log_base()) - SKETCH_LOWEST;
	if (value > 0)
		sketch->positive[bucket] += count;
	else
		sketch->negative[bucket] += count;
}

/*
 * The count of a cell, cells being in the order of their values, and the value
 * that stands for all in it: never off by more than SKETCH_ACCURACY of itself.
 */
int64_t
sketch_cell(const Sketch *sketch, int cell, double *value)
{
	int64_t count;
	double sign = cell < SKETCH_BUCKETS ? -1 : 1;
	int bucket = cell < SKETCH_BUCKETS ? SKETCH_BUCKETS - 1 - cell : cell - SKETCH_BUCKETS - 1;

	if (cell == SKETCH_BUCKETS)
	{
		*value = 0;
		return sketch->zeros;
	}
	count = sign < 0 ? sketch->negative[bucket] : sketch->positive[bucket];
	if (count == 0)
		return 0;
	/* 2 g^i / (g + 1) = g^i (1 - a) */
	*value = sign * exp((bucket + SKETCH_LOWEST) * log_base()) * (1 - SKETCH_ACCURACY);
	*value = fmax(sketch->minimum, fmin(sketch->maximum, *value));
	return count;
}

/*
 * The value at rank floor(fraction (n - 1)), within SKETCH_ACCURACY of itself;
 * NaN of no values.
 */
double
sketch_quantile(const Sketch *sketch, double fraction)
{
	double rank = floor(fraction * (double) (sketch->n - 1));
	int64_t seen = 0;
	double value = NAN;

	for (int cell = 0; cell < SKETCH_CELLS && seen <= rank; cell++)
		seen += sketch_cell(sketch, cell, &value);
	return value;
}

/*
 * Gini's coefficient of ascending counts: 0 when all are equal, near 1 when one
 * has all.  sum((2 i - n - 1) x_i) / (n sum(x_i)), i from 1.
 */
double
gini_coefficient(const double *counts, int64_t n)
{
	double weighted = 0;
	double sum = 0;

	for (int64_t i = 0; i < n; i++)
	{
		weighted += (2.0 * i + 1 - n) * counts[i];
		sum += counts[i];
	}
	return n == 0 ? NAN : weighted / (n * sum);
}

/*
 * The share of the total that the greatest fraction of the counts, rounded up to
 * whole things, have.
 */
double
top_share(const double *counts, int64_t n, double fraction)
{
	/* What is whole but for rounding must not become one more. */
	int64_t top = (int64_t) ceil(fraction * n * (1 - 4 * DBL_EPSILON));
	double sum = 0;
	double top_sum = 0;

	for (int64_t i = 0; i < n; i++)
		sum += counts[i];
	for (int64_t i = n - top; i < n; i++)
		top_sum += counts[i];
	return n == 0 ? NAN : top_sum / sum;
}

/*
 * The share of things that are not needed for the given share of the total, the
 * greatest counts being taken first.
 */
double
long_tail_share(const double *counts, int64_t n, double head)
{
	double sum = 0;
	double needed;
	int64_t i = n;

	for (int64_t k = 0; k < n; k++)
		sum += counts[k];
	needed = head * sum * (1 - 4 * DBL_EPSILON);
	for (double taken = 0; i > 0 && taken < needed; i--)
		taken += counts[i - 1];
	return n == 0 ? NAN : (double) i / n;
}

void
count_table_fill(CountTable *table, const double *counts, int64_t n)
{
	int64_t distinct = 0;

	for (int64_t i = 0; i < n; i++)
		if (i == 0 || counts[i] != counts[i - 1])
		{
			table->value[distinct] = counts[i];
			table->logarithm[distinct] = log(counts[i]);
			table->at_least[distinct] = n - i;
			distinct++;
		}
	table->n = distinct;
	for (int64_t k = distinct - 1; k >= 0; k--)
	{
		bool is_last = k == distinct - 1;
		int64_t copies = table->at_least[k] - (is_last ? 0 : table->at_least[k + 1]);

		table->log_sum[k] = copies * table->logarithm[k] + (is_last ? 0 : table->log_sum[k + 1]);
	}
}

/* B_2j / (2j)!, Bernoulli's numbers. */
static const double bernoulli[] = {1.0 / 12,          -1.0 / 720,
								   1.0 / 30240,       -1.0 / 1209600,
								   1.0 / 47900160,    -691.0 / 1307674368000,
								   1.0 / 74724249600, -3617.0 / 10670622842880000};

#define N_BERNOULLI 8

/* Where the sum of the first terms of zeta ends and the expansion begins. */
static double
expansion_start(double s)
{
	return s + 12;
}

/*
 * Hurwitz's zeta function times scale^s, sum over k of ((a + k) / scale)^-s, with
 * its first and second derivative by s in zeta[1] and zeta[2]: the first terms
 * one by one, the others by the Euler-Maclaurin expansion.  s > 1, a >= 1.
 */
static void
hurwitz_zeta(double s, double a, double log_scale, double zeta[3])
{
	double log_a;
	double term;
	double slope;
	double inverse = 1 / (s - 1);
	double rising = s; /* s (s + 1) ... (s + 2j - 2) */
	double first;      /* derivatives of log(rising) by s */
	double second;

	zeta[0] = zeta[1] = zeta[2] = 0;
	for (; a < expansion_start(s); a++)
	{
		log_a = log(a) - log_scale;
		term = exp(-s * log_a);
		zeta[0] += term;
		zeta[1] -= log_a * term;
		zeta[2] += log_a * log_a * term;
	}
	log_a = log(a) - log_scale;

	term = exp(-s * log_a) * a * inverse;
	slope = -log_a - inverse;
	zeta[0] += term;
	zeta[1] += term * slope;
	zeta[2] += term * (slope * slope + inverse * inverse);

	term = exp(-s * log_a) / 2;
	zeta[0] += term;
	zeta[1] -= log_a * term;
	zeta[2] += log_a * log_a * term;

	first = 1 / s;
	second = -1 / (s * s);
	for (int j = 0; j < N_BERNOULLI; j++)
	{
		double p = s + 2 * j;

		term = bernoulli[j] * rising * exp(-s * log_a) * pow(a, -2 * j - 1);
		slope = first - log_a;
		zeta[0] += term;
		zeta[1] += term * slope;
		zeta[2] += term * (slope * slope + second);
		rising *= (p + 1) * (p + 2);
		first += 1 / (p + 1) + 1 / (p + 2);
		second -= 1 / ((p + 1) * (p + 1)) + 1 / ((p + 2) * (p + 2));
	}
}

/*
 * The exponent of the greatest likelihood of the counts from value[from] on, by
 * Newton's method on the derivative of the log likelihood, which falls all the
 * way; false when the counts are so steep that none is found.
 */
static bool
find_exponent(const CountTable *table, int64_t from, PowerLaw *law, double zeta[3])
{
	double mean_log = table->log_sum[from] / table->at_least[from] - table->logarithm[from];
	double low = 1;
	double s = 1 + 1 / (mean_log + log(table->value[from] / (table->value[from] - 0.5)));

	for (int i = 0; i < 100; i++)
	{
		double slope;
		double curvature;
		double next;

		if (s > 500)
			return false;
		hurwitz_zeta(s, table->value[from], table->logarithm[from], zeta);
		slope = zeta[1] / zeta[0] + mean_log;
		curvature = zeta[2] / zeta[0] - (zeta[1] / zeta[0]) * (zeta[1] / zeta[0]);
		if (slope < 0 && s > low)
			low = s;
		next = s - slope / curvature;
		if (!(next > low))
			next = (s + low) / 2;
		if (fabs(next - s) <= 1e-14 * s)
		{
			law->exponent = s;
			law->standard_error = 1 / sqrt(curvature * table->at_least[from]);
			return true;
		}
		s = next;
	}
	law->exponent = s;
	law->standard_error = 1 / sqrt((zeta[2] / zeta[0] - (zeta[1] / zeta[0]) * (zeta[1] / zeta[0])) *
								   table->at_least[from]);
	return true;
}

/*
 * The greatest difference between the share of counts that are at most x and the
 * law's, over all whole x from value[from] on; one greater than `enough` when it
 * passes that.
 */
static double
law_distance(const CountTable *table, int64_t from, double s, double total, double enough)
{
	double log_scale = table->logarithm[from];
	double expansion[N_BERNOULLI];
	double distance = 0;
	double rising = s;
	double share_below = 0; /* of the counts */

	for (int j = 0; j < N_BERNOULLI; j++)
	{
		expansion[j] = bernoulli[j] * rising;
		rising *= (s + 2 * j + 1) * (s + 2 * j + 2);
	}
	for (int64_t k = from; k < table->n && distance <= enough; k++)
	{
		double a = table->value[k];
		double power = exp(-s * (table->logarithm[k] - log_scale));
		double rest; /* of the law, from a on */

		if (a >= expansion_start(s))
		{
			double inverse = 1 / a;
			double square = inverse * inverse;
			double sum = 0;

			for (int j = N_BERNOULLI - 1; j >= 0; j--)
				sum = sum * square + expansion[j];
			rest = power * (a / (s - 1) + 0.5 + sum * inverse);
		}
		else
		{
			double zeta[3];

			hurwitz_zeta(s, a, log_scale, zeta);
			rest = zeta[0];
		}
		/* At a - 1, up to which no count has been added, and at a. */
		distance = fmax(distance, fabs(share_below - (1 - rest / total)));
		share_below =
			k + 1 < table->n ? 1 - (double) table->at_least[k + 1] / table->at_least[from] : 1;
		distance = fmax(distance, fabs(share_below - (1 - (rest - power) / total)));
	}
	return distance;
}

/*
 * Fit a discrete power law, p(x) = x^-s / zeta(s, minimum), to the counts from
 * value[from] on, by maximum likelihood; take it for the best when its distance
 * is less (Clauset, Shalizi and Newman 2009).  False when it is not.
 */
bool
power_law_fit(const CountTable *table, int64_t from, PowerLaw *best)
{
	PowerLaw law = {.minimum = table->value[from], .n = table->at_least[from]};
	double zeta[3];

	/* One value alone has no exponent. */
	if (from + 1 >= table->n || !find_exponent(table, from, &law, zeta))
		return false;
	law.distance =
		law_distance(table, from, law.exponent, zeta[0], best->n > 0 ? best->distance : 2);
	if (best->n > 0 && !(law.distance < best->distance))
		return false;
	*best = law;
	return true;
}

/*
 * The probability that a chi-square variable is greater than x: the regularized
 * upper incomplete gamma function at half of both, by its series below the mean and
 * by its continued fraction (Lentz's algorithm) above.
 */
double
chi_square_tail(double x, double degrees)
{
	double a = degrees / 2;
	double z = x / 2;
	double front;
	double c, d, h;

	if (!(z > 0))
		return 1;
	if (isinf(z))
		return 0;
	if (degrees == 1)
		return erfc(sqrt(z));
	front = exp(a * log(z) - z - lgamma(a));
	if (z < a + 1)
	{
		double term = 1 / a;
		double sum = term;

		for (double i = a + 1; term > sum * DBL_EPSILON; i++)
			sum += term *= z / i;
		return fmax(1 - front * sum, 0);
	}
	c = 1 / DBL_MIN;
	d = 1 / (z + 1 - a);
	h = d;
	for (int i = 1; i < 10000; i++)
	{
		double numerator = -i * (i - a);
		double denominator = z + 2 * i + 1 - a;
		double change;

		d = 1 / (numerator * d + denominator);
		c = denominator + numerator / c;
		change = c * d;
		h *= change;
		if (fabs(change - 1) < DBL_EPSILON)
			break;
	}
	return front * h;
}

/*
 * How many standard deviations from its mean a normal variable stays within,
 * with the given probability.
 */
static double
normal_bound(double confidence)
{
	double low = 0;
	double high = 40;

	for (int i = 0; i < 64; i++)
	{
		double middle = (low + high) / 2;

		if (erfc(middle / M_SQRT2) > 1 - confidence)
			low = middle;
		else
			high = middle;
	}
	return high;
}

/*
 * Wilson's score interval of a share of successes, which also holds for few trials
 * and rare successes (Brown, Cai and DasGupta, Interval Estimation for a Binomial
 * Proportion, Statistical Science 16(2), 2001); 0 to 1 without trials.
 */
void
proportion_bounds(double successes, double trials, double confidence, double *low, double *high)
{
	double z = normal_bound(confidence);
	double share = successes / trials;
	double center = share + z * z / (2 * trials);
	double half = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials));
	double scale = 1 + z * z / trials;

	*low = successes > 0 ? (center - half) / scale : 0;
	*high = successes < trials ? (center + half) / scale : 1;
}
