/*
 * logistic.h
 *		The logistic function, its loss, and sums of exponentials, right over all of
 *		double precision: nothing overflows, and what is small keeps its digits down
 *		to the smallest number.
 *
 * A score z is any finite number.  No dependency on the server.
 */
#ifndef LOGISTIC_H
#define LOGISTIC_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * 1 / (1 + exp(-z)): the probability that belongs to the log-odds z.
 */
static inline double
logistic(double z)
{
	double e = exp(-fabs(z));

	return (z >= 0 ? 1 : e) / (1 + e);
}

/*
 * ln(1 + exp(z)): what -ln P(no) is for the log-odds z of yes, and -ln P(yes) for
 * -z.  Its derivative is logistic(z).
 */
static inline double
log1p_exp(double z)
{
	return fmax(z, 0) + log1p(exp(-fabs(z)));
}

/*
 * exp(z) for z from -708 to 0, by its series about the next multiple of ln 2; within
 * an ulp or two.  No branch, so that a loop becomes one over vectors.
 */
static inline double
exp_negative(double z)
{
	const double shift = 0x1.8p52; /* what is added to it is rounded to a whole number */
	double k = z * 1.4426950408889634 + shift;
	double r, series;
	int64_t power, bits;

	memcpy(&power, &k, sizeof(power));
	k -= shift;
	/* ln 2 in two parts, of which k times the first is exact. */
	r = (z - k * 0x1.62e42feep-1) - k * 0x1.a39ef35793c76p-33;
	series = 1.0 / 6227020800;
	series = series * r + 1.0 / 479001600;
	series = series * r + 1.0 / 39916800;
	series = series * r + 1.0 / 3628800;
	series = series * r + 1.0 / 362880;
	series = series * r + 1.0 / 40320;
	series = series * r + 1.0 / 5040;
	series = series * r + 1.0 / 720;
	series = series * r + 1.0 / 120;
	series = series * r + 1.0 / 24;
	series = series * r + 1.0 / 6;
	series = series * r + 1.0 / 2;
	series = series * r + 1;
	series = series * r + 1;
	memcpy(&bits, &series, sizeof(bits));
	bits += (int64_t) ((uint64_t) power << 52);
	memcpy(&series, &bits, sizeof(bits));
	return series;
}

/*
 * ln(1 + e) for e from 0 to 1, by the series of the inverse hyperbolic tangent, from
 * 1 or the square root of 2 on.  As exp_negative.
 */
static inline double
log1p_share(double e)
{
	double from = e > 0.41421356237309505 ? 0.41421356237309505 : 0;
	double s = (e - from) / (e + from + 2);
	double t = s * s;
	double series = 1.0 / 21;

	series = series * t + 1.0 / 19;
	series = series * t + 1.0 / 17;
	series = series * t + 1.0 / 15;
	series = series * t + 1.0 / 13;
	series = series * t + 1.0 / 11;
	series = series * t + 1.0 / 9;
	series = series * t + 1.0 / 7;
	series = series * t + 1.0 / 5;
	series = series * t + 1.0 / 3;
	series = series * t * s + s;
	return 2 * series + (e > 0.41421356237309505 ? 0.34657359027997264 : 0);
}

/*
 * A sum of exp(z) over scores that come one after the other, as
 * exp(reference) * (sum + error); all zero without a score.
 *
 * A term may be as large as exp(EXP_SUM_ROOM).  A score beyond becomes the new
 * reference, before which all that was summed up vanishes: so rescaling costs no
 * digits.  The sum is compensated (Neumaier 1974), so that probabilities add up
 * to 1 however many there are.
 */
typedef struct ExpSum
{
	double reference;
	double sum;
	double error;
} ExpSum;

#define EXP_SUM_ROOM 100

static inline void
exp_sum_add(ExpSum *sum, double z)
{
	double term;
	double total;

	if (sum->sum == 0)
		sum->reference = z;
	else if (z - sum->reference > EXP_SUM_ROOM)
	{
		double shrink = exp(sum->reference - z);

		sum->sum *= shrink;
		sum->error *= shrink;
		sum->reference = z;
	}
	term = exp(z - sum->reference);
	total = sum->sum + term;
	sum->error += sum->sum >= term ? sum->sum - total + term : term - total + sum->sum;
	sum->sum = total;
}

/*
 * exp(z) as a share of the sum: the probability of an alternative with that score.
 */
static inline double
exp_sum_share(const ExpSum *sum, double z)
{
	return exp(z - sum->reference) / (sum->sum + sum->error);
}

/*
 * The logarithm of the sum.
 */
static inline double
exp_sum_log(const ExpSum *sum)
{
	return sum->reference + log(sum->sum + sum->error);
}

/*
 * Replace n scores by exp(z) / sum of exp(z), and return the logarithm of that
 * sum: -ln P of alternative k is that less the score of k.
 */
static inline double
softmax(double *z, size_t n)
{
	ExpSum sum = {0};

	for (size_t i = 0; i < n; i++)
		exp_sum_add(&sum, z[i]);
	for (size_t i = 0; i < n; i++)
		z[i] = exp_sum_share(&sum, z[i]);
	return exp_sum_log(&sum);
}

#endif /* LOGISTIC_H */
