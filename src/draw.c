/*
 * draw.c
 *		Random draws that depend on a seed alone.
 *
 * The generator is SplitMix64 (Steele, Lea and Flood, Fast Splittable Pseudorandom
 * Number Generators, OOPSLA 2014): a counter and a mixing function, so that a
 * stream costs nothing to begin.
 */
#include <math.h>

#include "draw.h"

static uint64_t
mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/*
 * The stream of draws for a purpose and a number under a seed.
 */
Draw
draw_stream(uint64_t seed, uint64_t purpose, uint64_t number)
{
	return (Draw){mix(mix(mix(seed + UINT64_C(0x9e3779b97f4a7c15)) + purpose) + number)};
}

uint64_t
draw_bits(Draw *draw)
{
	draw->state += UINT64_C(0x9e3779b97f4a7c15);
	return mix(draw->state);
}

/*
 * One of 0 to n - 1, for n below 2^32; the bias is far below what a sample can show.
 */
int64_t
draw_below(Draw *draw, int64_t n)
{
	uint64_t bits = draw_bits(draw);
	uint64_t high = (bits >> 32) * (uint64_t) n;
	uint64_t low = (bits & 0xffffffff) * (uint64_t) n;

	return (int64_t) ((high + (low >> 32)) >> 32);
}

/*
 * Strictly between 0 and 1.
 */
double
draw_uniform(Draw *draw)
{
	return ((draw_bits(draw) >> 12) + 0.5) * 0x1p-52;
}

/*
 * Two independent standard normal numbers by Marsaglia's polar method.
 */
static void
draw_pair(Draw *draw, double *first, double *second)
{
	double x, y, square, scale;

	do
	{
		x = 2 * draw_uniform(draw) - 1;
		y = 2 * draw_uniform(draw) - 1;
		square = x * x + y * y;
	} while (square >= 1 || square == 0);
	scale = sqrt(-2 * log(square) / square);
	*first = x * scale;
	*second = y * scale;
}

double
draw_normal(Draw *draw)
{
	double first, second;

	draw_pair(draw, &first, &second);
	return first;
}

/*
 * n standard normal numbers.
 */
void
draw_normals(Draw *draw, int32_t n, float *values)
{
	for (int32_t i = 0; i < n; i += 2)
	{
		double first, second;

		draw_pair(draw, &first, &second);
		values[i] = (float) first;
		if (i + 1 < n)
			values[i + 1] = (float) second;
	}
}

/*
 * A number of the gamma distribution of that shape, which is positive, and scale 1:
 * Marsaglia and Tsang, A Simple Method for Generating Gamma Variables, ACM TOMS 26(3), 2000.
 */
double
draw_gamma(Draw *draw, double shape)
{
	double boost = 1;
	double d, c;

	if (shape < 1)
	{
		boost = pow(draw_uniform(draw), 1 / shape);
		shape += 1;
	}
	d = shape - 1.0 / 3;
	c = 1 / sqrt(9 * d);
	for (;;)
	{
		double x = draw_normal(draw);
		double v = 1 + c * x;

		if (v <= 0)
			continue;
		v = v * v * v;
		if (log(draw_uniform(draw)) < 0.5 * x * x + d - d * v + d * log(v))
			return boost * d * v;
	}
}

/*
 * A lower triangular matrix T, n by n in row order, with T T' of the Wishart
 * distribution of the identity: Bartlett's decomposition.  degrees > n - 1.
 */
void
draw_wishart_factor(Draw *draw, int32_t n, double degrees, double *factor)
{
	for (int32_t i = 0; i < n; i++)
		for (int32_t j = 0; j < n; j++)
		{
			double *entry = &factor[i * n + j];

			if (j > i)
				*entry = 0;
			else if (j < i)
				*entry = draw_normal(draw);
			else
				*entry = sqrt(2 * draw_gamma(draw, (degrees - i) / 2));
		}
}
