/*
 * kmeans_test.c
 *		kmeans.c against plain Lloyd and brute force, on random points with ties.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kmeans.h"
#include "random.h"

#define MAX_POINTS 300
#define MAX_D 30
#define MAX_K 40

static double
uniform_for(void *argument)
{
	return uniform();
}

static void
no_poll(void *argument)
{
	(*(int *) argument)++;
}

static float values[MAX_POINTS * MAX_D];
static int32_t cluster[MAX_POINTS];
static float distance[MAX_POINTS];
static double center[MAX_K * MAX_D];
static int32_t size[MAX_K];
static double inertias[MAX_K];

static KmeansResult
fit(const KmeansPoints *points, KmeansOptions *options)
{
	static float lanes[(MAX_K + KMEANS_LANES) * MAX_D];
	static float trials[KMEANS_MAX_TRIALS * MAX_D];
	static double sums[MAX_K * MAX_D];
	static double work_center[MAX_K * MAX_D];
	static int32_t count[MAX_K];
	static float moved[MAX_K];
	static float separation[MAX_K];
	static float lane_distance[MAX_K + KMEANS_LANES];
	static float upper[MAX_POINTS];
	static float lower[MAX_POINTS];
	static int32_t work_cluster[MAX_POINTS];
	KmeansWorkspace work = {lanes,      trials,        sums,  work_center, count,       moved,
							separation, lane_distance, upper, lower,       work_cluster};
	KmeansResult result = {.cluster = cluster,
						   .distance = distance,
						   .center = center,
						   .size = size,
						   .inertias = inertias};
	static int polls;

	options->uniform = uniform_for;
	options->poll = no_poll;
	options->poll_argument = &polls;
	kmeans_fit(points, options, &work, &result);
	return result;
}

static double
square(const KmeansPoints *points, int32_t i, const double *c)
{
	double sum = 0;

	for (int32_t j = 0; j < points->d; j++)
		sum += pow(points->values[(size_t) i * points->d + j] - c[j], 2);
	return sum;
}

/* On a grid (with many ties and equal points) or not, in groups or not. */
static KmeansPoints
make_points(void)
{
	KmeansPoints points = {1 + random_below(MAX_POINTS), 1 + random_below(MAX_D), values};
	int32_t groups = 1 + random_below(8);
	int grid = random_below(3);

	for (int32_t i = 0; i < points.n; i++)
	{
		int32_t group = random_below(groups);

		for (int32_t j = 0; j < points.d; j++)
		{
			double v = (group * 7 + j * 3) % 11 + uniform() + uniform();

			values[i * points.d + j] = (float) (grid == 0 ? floor(v / 4) : v);
		}
	}
	return points;
}

/*
 * Every point is with its nearest center, every center the mean of its points,
 * sizes and inertias add up, and clusters come by falling size.
 */
static int
check(const KmeansPoints *points, const KmeansResult *r)
{
	int wrong = 0;
	double total = 0;
	int32_t all = 0;

	for (int32_t c = 0; c < r->k; c++)
	{
		double mean[MAX_D] = {0};
		double inertia = 0;
		int32_t n = 0;

		for (int32_t i = 0; i < points->n; i++)
		{
			if (r->cluster[i] != c)
				continue;
			n++;
			inertia += square(points, i, r->center + c * points->d);
			for (int32_t j = 0; j < points->d; j++)
				mean[j] += points->values[(size_t) i * points->d + j];
		}
		for (int32_t j = 0; r->converged && n > 0 && j < points->d; j++)
			wrong += fabs(mean[j] / n - r->center[c * points->d + j]) > 1e-9;
		wrong += n != r->size[c] || n == 0;
		wrong += c > 0 && r->size[c] > r->size[c - 1];
		wrong += fabs(inertia - r->inertias[c]) > 1e-5 * (1 + inertia);
		total += inertia;
		all += n;
	}
	wrong += all != points->n || fabs(total - r->inertia) > 1e-9 * (1 + total);
	for (int32_t i = 0; i < points->n; i++)
	{
		double own = square(points, i, r->center + r->cluster[i] * points->d);

		wrong += fabs(sqrt(own) - r->distance[i]) > 1e-5 * (1 + sqrt(own));
		for (int32_t c = 0; c < r->k; c++)
			wrong += square(points, i, r->center + c * points->d) < own - 1e-4 * (1 + own);
	}
	return wrong;
}

static int
test_fit(int number)
{
	int wrong = 0;

	for (int trial = 0; trial < 600; trial++)
	{
		KmeansPoints points = make_points();
		KmeansOptions options = {.k = 1 + random_below(points.n < MAX_K ? points.n : MAX_K),
								 .runs = 1 + random_below(3),
								 .max_iterations = random_below(4) ? 1000 : 1 + random_below(3),
								 .tolerance = 0};
		uint64_t start = random_state;
		KmeansResult first = fit(&points, &options);
		int32_t clusters[MAX_POINTS];

		wrong += check(&points, &first);
		wrong += options.max_iterations == 1000 && !first.converged;
		memcpy(clusters, cluster, sizeof(clusters));
		random_state = start;
		wrong += fit(&points, &options).inertia != first.inertia ||
				 memcmp(clusters, cluster, points.n * sizeof(int32_t));
	}
	printf("%s %d - nearest centers, means, sums; the same for the same numbers\n",
		   wrong ? "not ok" : "ok", number);
	return wrong > 0;
}

/*
 * Fewer distinct points than clusters: each has its own.
 */
static int
test_few(int number)
{
	int wrong = 0;

	for (int trial = 0; trial < 200; trial++)
	{
		int32_t distinct = 1 + random_below(10);
		KmeansPoints points = {MAX_POINTS, 1 + random_below(5), values};
		KmeansOptions options = {
			.k = distinct + random_below(20), .runs = 2, .max_iterations = 100};
		KmeansResult r;

		for (int32_t i = 0; i < points.n; i++)
			for (int32_t j = 0; j < points.d; j++)
				values[i * points.d + j] = (float) (i % distinct * 1000 + j);
		r = fit(&points, &options);
		wrong += r.k != distinct || r.inertia > 1e-6;
		wrong += check(&points, &r);
	}
	printf("%s %d - no more clusters than distinct points\n", wrong ? "not ok" : "ok", number);
	return wrong > 0;
}

/*
 * Clusters far apart are found whatever the start.
 */
static int
test_planted(int number)
{
	int wrong = 0;

	for (int trial = 0; trial < 200; trial++)
	{
		int32_t k = 2 + random_below(10);
		KmeansPoints points = {MAX_POINTS, 2 + random_below(10), values};
		KmeansOptions options = {.k = k, .runs = 5, .max_iterations = 100};
		KmeansResult r;

		for (int32_t i = 0; i < points.n; i++)
			for (int32_t j = 0; j < points.d; j++)
				values[i * points.d + j] =
					(float) (j == i % k % 2 ? i % k * 100 : 0) + (float) uniform();
		r = fit(&points, &options);
		for (int32_t i = k; i < points.n; i++)
			wrong += r.cluster[i] != r.cluster[i % k];
	}
	printf("%s %d - clusters far apart are found\n", wrong ? "not ok" : "ok", number);
	return wrong > 0;
}

static int
test_silhouette(int number)
{
	int wrong = 0;
	static double sums[2 * MAX_K];
	double silhouette[MAX_POINTS];

	for (int trial = 0; trial < 100; trial++)
	{
		KmeansPoints points = make_points();
		KmeansOptions options = {
			.k = 1 + random_below(points.n < 6 ? points.n : 6), .runs = 1, .max_iterations = 100};
		KmeansResult r = fit(&points, &options);
		int32_t sample[MAX_POINTS];
		int32_t m = 0;

		for (int32_t i = 0; i < points.n; i++)
			if (random_below(2))
				sample[m++] = i;
		kmeans_silhouette(&points, sample, m, r.cluster, r.k, sums, &options, silhouette);
		for (int32_t i = 0; i < m; i++)
		{
			double mean[MAX_K] = {0};
			int32_t n[MAX_K] = {0};
			double b = INFINITY;
			double a;
			double expected;

			for (int32_t o = 0; o < m; o++)
			{
				double there[MAX_D];

				for (int32_t j = 0; j < points.d; j++)
					there[j] = values[(size_t) sample[o] * points.d + j];
				mean[r.cluster[sample[o]]] += o == i ? 0 : sqrt(square(&points, sample[i], there));
				n[r.cluster[sample[o]]] += o != i;
			}
			for (int32_t c = 0; c < r.k; c++)
				if (c != r.cluster[sample[i]] && n[c] > 0)
					b = fmin(b, mean[c] / n[c]);
			a = n[r.cluster[sample[i]]] > 0 ? mean[r.cluster[sample[i]]] / n[r.cluster[sample[i]]]
											: -1;
			expected = isinf(b) ? NAN : a < 0 || (a == 0 && b == 0) ? 0 : (b - a) / fmax(a, b);
			wrong +=
				isnan(expected) != isnan(silhouette[i]) || fabs(expected - silhouette[i]) > 1e-9;
		}
	}
	printf("%s %d - silhouettes\n", wrong ? "not ok" : "ok", number);
	return wrong > 0;
}

int
main(void)
{
	int failed = 0;

	printf("1..4\n");
	failed += test_fit(1);
	failed += test_few(2);
	failed += test_planted(3);
	failed += test_silhouette(4);
	return failed > 0;
}
