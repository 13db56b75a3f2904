/*
 * draw_test.c
 *		The moments of draw.c's distributions, within six standard errors, and its
 *		streams.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "draw.h"

#define N 200000

static void
check(const char *what, double found, double expected, double deviation)
{
	double errors = fabs(found - expected) / (deviation / sqrt(N));

	printf("%s - %s is %.4f, expected %.4f\n", errors < 6 ? "ok" : "not ok", what, found, expected);
}

static void
check_normal(void)
{
	static float values[N];
	double power[5] = {0};
	Draw draw = draw_stream(1, 2, 3);

	draw_normals(&draw, N - 1, values);
	values[N - 1] = (float) draw_normal(&draw);
	for (int i = 0; i < N; i++)
		for (int p = 1; p <= 4; p++)
			power[p] += pow(values[i], p) / N;
	check("mean of normal numbers", power[1], 0, 1);
	check("their variance", power[2], 1, sqrt(2));
	check("their third moment", power[3], 0, sqrt(15));
	check("their fourth moment", power[4], 3, sqrt(96));
}

static void
check_gamma(double shape)
{
	double sum = 0, squares = 0;
	Draw draw = draw_stream(4, 5, 6);

	for (int i = 0; i < N; i++)
	{
		double value = draw_gamma(&draw, shape);

		sum += value / N;
		squares += (value - shape) * (value - shape) / N;
	}
	check("mean of gamma numbers", sum, shape, sqrt(shape));
	/* The fourth central moment is 3 shape^2 + 6 shape. */
	check("their variance", squares, shape, sqrt(2 * shape * shape + 6 * shape));
}

static void
check_wishart(void)
{
	enum
	{
		n = 3
	};
	double mean[n][n] = {{0}};
	double degrees = 7;
	Draw draw = draw_stream(7, 8, 9);

	for (int trial = 0; trial < N; trial++)
	{
		double factor[n * n];

		draw_wishart_factor(&draw, n, degrees, factor);
		for (int i = 0; i < n; i++)
			for (int j = 0; j < n; j++)
				for (int k = 0; k < n; k++)
					mean[i][j] += factor[i * n + k] * factor[j * n + k] / N;
	}
	for (int i = 0; i < n; i++)
		for (int j = 0; j <= i; j++)
			check("an element of the Wishart mean", mean[i][j], i == j ? degrees : 0,
				  sqrt((i == j ? 2 : 1) * degrees));
}

static void
check_below(void)
{
	int count[7] = {0};
	Draw draw = draw_stream(10, 11, 12);

	for (int i = 0; i < N; i++)
		count[draw_below(&draw, 7)]++;
	for (int i = 0; i < 7; i++)
		check("share of one number of seven", (double) count[i] / N, 1.0 / 7, sqrt(6.0 / 49));
}

/* Streams for near numbers have nothing in common, the same one is the same. */
static void
check_streams(void)
{
	Draw first = draw_stream(0, 0, 0);
	Draw again = draw_stream(0, 0, 0);
	double product = 0;

	printf("%s - a stream can be had again\n",
		   draw_bits(&first) == draw_bits(&again) ? "ok" : "not ok");
	for (int i = 0; i < N; i++)
	{
		Draw one = draw_stream(0, 1, i);
		Draw next = draw_stream(0, 1, i + 1);

		product += (draw_uniform(&one) - 0.5) * (draw_uniform(&next) - 0.5) / N;
	}
	check("covariance of neighboring streams", product, 0, 1.0 / 12);
}

int
main(void)
{
	check_normal();
	check_gamma(0.3);
	check_gamma(1);
	check_gamma(40.5);
	check_wishart();
	check_below();
	check_streams();
	return 0;
}
