/*
 * kmeans.c
 *		k-means of dense points.
 *
 * A run starts from centers that greedy k-means++ finds (Arthur and
 * Vassilvitskii 2007: a point becomes the next center with a probability that
 * goes with its squared distance from the centers there are; greedy: of some
 * such candidates the one that leaves the least inertia is taken).  Then points
 * go to their nearest center and centers to the mean of their points in turn
 * (Lloyd 1982) until no point changes its cluster.
 *
 * Most points do not change theirs in most rounds, and bounds tell without
 * looking at the point (Hamerly 2010): `upper` is its distance to its own center
 * or more, `lower` its distance to the nearest other one or less.  A center that
 * moves by x changes neither by more than x.  Where upper < lower, or where
 * upper is less than half the way from the own center to the nearest other one,
 * nothing is to be done.
 *
 * Distances are sums of squared differences, not |x|^2 - 2xc + |c|^2, which
 * loses what is small.  Their loops run over centers, side by side in lanes, so
 * that each sum has the same order, and the result is the same, whatever the
 * width of the machine's vectors.  Sums over points are kept as double and
 * changed by the points that move.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "kmeans.h"

/* Points between two calls of poll. */
#define POLL_POINTS 4096

/* And values of centers that points are compared with, which may be the less. */
#define POLL_DISTANCES 16000000

/*
 * The widest vectors that the machine has.  Without fused multiply-add, which
 * rounds differently.
 */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) &&       \
	!defined(__SANITIZE_ADDRESS__)
#define WIDE_VECTORS __attribute__((target_clones("avx2", "default")))
#else
#define WIDE_VECTORS
#endif

/* Eight floats, in as many vectors as the machine needs for them. */
typedef float Lanes
	__attribute__((vector_size(KMEANS_LANES * sizeof(float)), aligned(4), may_alias));

/*
 * Squared distances of a point to all centers; those past the last one are
 * distances to the point at infinity.
 */
static inline __attribute__((always_inline)) void
distances(const float *restrict x, int32_t d, const float *restrict lanes, int32_t blocks,
		  float *restrict distance)
{
	int32_t b = 0;

	/* Two at a time: one waits for its last addition while the other adds. */
	for (; b + 1 < blocks; b += 2)
	{
		const Lanes *c0 = (const Lanes *) (lanes + (size_t) b * d * KMEANS_LANES);
		const Lanes *c1 = c0 + d;
		Lanes s0 = {0}, s1 = {0};

		for (int32_t j = 0; j < d; j++)
		{
			Lanes t0 = x[j] - c0[j];
			Lanes t1 = x[j] - c1[j];

			s0 += t0 * t0;
			s1 += t1 * t1;
		}
		*(Lanes *) (distance + b * KMEANS_LANES) = s0;
		*(Lanes *) (distance + (b + 1) * KMEANS_LANES) = s1;
	}
	if (b < blocks)
	{
		const Lanes *c0 = (const Lanes *) (lanes + (size_t) b * d * KMEANS_LANES);
		Lanes s0 = {0};

		for (int32_t j = 0; j < d; j++)
		{
			Lanes t0 = x[j] - c0[j];

			s0 += t0 * t0;
		}
		*(Lanes *) (distance + b * KMEANS_LANES) = s0;
	}
}

static int32_t
blocks_of(int32_t k)
{
	return (k + KMEANS_LANES - 1) / KMEANS_LANES;
}

/*
 * Put a center into its lane.
 */
static void
set_lane(float *lanes, int32_t d, int32_t c, const double *center)
{
	float *first = lanes + (size_t) (c / KMEANS_LANES) * d * KMEANS_LANES + c % KMEANS_LANES;

	for (int32_t j = 0; j < d; j++)
		first[j * KMEANS_LANES] = (float) center[j];
}

static void
set_lane_to_point(float *lanes, int32_t d, int32_t c, const float *x)
{
	float *first = lanes + (size_t) (c / KMEANS_LANES) * d * KMEANS_LANES + c % KMEANS_LANES;

	for (int32_t j = 0; j < d; j++)
		first[j * KMEANS_LANES] = x[j];
}

/*
 * Send all lanes to infinity: never the nearest.
 */
static void
clear_lanes(float *lanes, int32_t d, int32_t k)
{
	for (size_t i = 0; i < kmeans_lanes(k, d); i++)
		lanes[i] = INFINITY;
}

/*
 * Draw m points with a probability that goes with their weight; the sum of all
 * weights is positive.
 */
static void
draw_points(const float *weight, int32_t n, double total, int32_t m, const KmeansOptions *options,
			int32_t *drawn)
{
	double threshold[KMEANS_MAX_TRIALS];
	double sum = 0;
	int32_t next = 0;
	int32_t last = 0;

	for (int32_t i = 0; i < m; i++)
	{
		double t = options->uniform(options->uniform_argument) * total;
		int32_t place = i;

		for (; place > 0 && threshold[place - 1] > t; place--)
			threshold[place] = threshold[place - 1];
		threshold[place] = t;
	}
	for (int32_t i = 0; i < n && next < m; i++)
	{
		if (weight[i] <= 0)
			continue;
		sum += weight[i];
		last = i;
		while (next < m && threshold[next] < sum)
			drawn[next++] = i;
	}
	/* Sums in another order may fall short of the total by a rounding. */
	while (next < m)
		drawn[next++] = last;
}

/*
 * The inertia that each candidate, in a lane of trials, would leave.
 */
WIDE_VECTORS static void
try_candidates(const KmeansPoints *points, const float *trials, int32_t m, const float *nearest,
			   int32_t first, int32_t end, double *inertia)
{
	float distance[KMEANS_MAX_TRIALS];

	for (int32_t i = first; i < end; i++)
	{
		distances(points->values + (size_t) i * points->d, points->d, trials, blocks_of(m),
				  distance);
		for (int32_t t = 0; t < m; t++)
			inertia[t] += distance[t] < nearest[i] ? distance[t] : nearest[i];
	}
}

/*
 * Lower each point's squared distance to the nearest center by the one in lane
 * t of trials, and return the sum over these points.
 */
WIDE_VECTORS static double
take_candidate(const KmeansPoints *points, const float *trials, int32_t t, float *nearest,
			   int32_t first, int32_t end)
{
	float distance[KMEANS_MAX_TRIALS];
	double sum = 0;

	for (int32_t i = first; i < end; i++)
	{
		distances(points->values + (size_t) i * points->d, points->d, trials, blocks_of(t + 1),
				  distance);
		if (distance[t] < nearest[i])
			nearest[i] = distance[t];
		sum += nearest[i];
	}
	return sum;
}

/*
 * Choose the first centers, into work->center, by greedy k-means++.  Returns how
 * many: fewer than k if there are fewer distinct points.
 */
static int32_t
choose_centers(const KmeansPoints *points, const KmeansOptions *options, KmeansWorkspace *work)
{
	int32_t n = points->n;
	int32_t d = points->d;
	float *nearest = work->upper;
	int32_t m = 1;
	int32_t drawn[KMEANS_MAX_TRIALS] = {
		(int32_t) (options->uniform(options->uniform_argument) * n)};
	double total = INFINITY;
	int32_t trials = 2 + (int32_t) log((double) options->k);
	int32_t k = 0;

	if (trials > KMEANS_MAX_TRIALS)
		trials = KMEANS_MAX_TRIALS;
	for (int32_t i = 0; i < n; i++)
		nearest[i] = INFINITY;
	for (;;)
	{
		double inertia[KMEANS_MAX_TRIALS] = {0};
		int32_t best = 0;

		clear_lanes(work->trials, d, KMEANS_MAX_TRIALS);
		for (int32_t t = 0; t < m; t++)
			set_lane_to_point(work->trials, d, t, points->values + (size_t) drawn[t] * d);
		for (int32_t first = 0; m > 1 && first < n; first += POLL_POINTS)
		{
			int32_t end = n - first > POLL_POINTS ? first + POLL_POINTS : n;

			options->poll(options->poll_argument);
			try_candidates(points, work->trials, m, nearest, first, end, inertia);
		}
		for (int32_t t = 1; t < m; t++)
			if (inertia[t] < inertia[best])
				best = t;
		for (int32_t j = 0; j < d; j++)
			work->center[(size_t) k * d + j] = points->values[(size_t) drawn[best] * d + j];
		k++;
		if (k == options->k)
			return k;

		total = 0;
		for (int32_t first = 0; first < n; first += POLL_POINTS)
		{
			int32_t end = n - first > POLL_POINTS ? first + POLL_POINTS : n;

			options->poll(options->poll_argument);
			total += take_candidate(points, work->trials, best, nearest, first, end);
		}
		if (total <= 0)
			return k;
		m = trials;
		draw_points(nearest, n, total, m, options, drawn);
	}
}

/*
 * Half the way from each center to the nearest other one.
 */
static void
separate(KmeansWorkspace *work, const KmeansOptions *options, int32_t k, int32_t d)
{
	for (int32_t a = 0; a < k; a++)
	{
		double least = INFINITY;

		options->poll(options->poll_argument);
		for (int32_t b = 0; b < k; b++)
		{
			double sum = 0;

			if (a == b)
				continue;
			for (int32_t j = 0; j < d; j++)
			{
				double t = work->center[(size_t) a * d + j] - work->center[(size_t) b * d + j];

				sum += t * t;
			}
			least = sum < least ? sum : least;
		}
		work->separation[a] = (float) (sqrt(least) / 2);
	}
}

static void
add_point(KmeansWorkspace *work, int32_t c, const float *x, int32_t d, double sign)
{
	double *sum = work->sums + (size_t) c * d;

	for (int32_t j = 0; j < d; j++)
		sum[j] += sign * x[j];
	work->count[c] += (int32_t) sign;
}

/*
 * The centers of a round, and how far the two that went farthest did.
 */
typedef struct Round
{
	int32_t k;
	int32_t farthest;
	float most;
	float second;
	float margin; /* what bounds may be off by, relative */
} Round;

/*
 * Send points first to end - 1 to their nearest centers, those whose bounds
 * leave it open.  Returns how many changed their cluster.
 */
WIDE_VECTORS static int32_t
assign_points(const KmeansPoints *points, KmeansWorkspace *work, const Round *round, int32_t first,
			  int32_t end)
{
	int32_t d = points->d;
	int32_t blocks = blocks_of(round->k);
	float *distance = work->distance;
	int32_t changed = 0;

	for (int32_t i = first; i < end; i++)
	{
		const float *x = points->values + (size_t) i * d;
		int32_t own = work->cluster[i];
		int32_t best = 0;
		float least = INFINITY;
		float second = INFINITY;

		if (own >= 0)
		{
			float upper = work->upper[i] + work->moved[own];
			float lower = work->lower[i] - (own == round->farthest ? round->second : round->most);

			work->upper[i] = upper;
			work->lower[i] = lower;
			if (upper * round->margin <
				(lower > work->separation[own] ? lower : work->separation[own]))
				continue;
		}
		distances(x, d, work->lanes, blocks, distance);
		/* Without branches: nothing tells beforehand which way they go. */
		for (int32_t c = 0; c < round->k; c++)
		{
			float here = distance[c];
			float larger = here > least ? here : least;

			second = larger < second ? larger : second;
			best = here < least ? c : best;
			least = here < least ? here : least;
		}
		work->upper[i] = sqrtf(least);
		work->lower[i] = sqrtf(second);
		if (best == own)
			continue;
		if (own >= 0)
			add_point(work, own, x, d, -1);
		add_point(work, best, x, d, 1);
		work->cluster[i] = best;
		changed++;
	}
	return changed;
}

/*
 * Squared distance of a point to a center.
 */
static double
squared_distance(const float *x, const double *center, int32_t d)
{
	double sum = 0;

	for (int32_t j = 0; j < d; j++)
	{
		double t = x[j] - center[j];

		sum += t * t;
	}
	return sum;
}

/*
 * A cluster that has lost its last point gets the one that is farthest from its
 * center.
 */
static void
fill_cluster(const KmeansPoints *points, const KmeansOptions *options, KmeansWorkspace *work,
			 int32_t empty)
{
	int32_t d = points->d;
	int32_t farthest = -1;
	double most = 0;

	for (int32_t i = 0; i < points->n; i++)
	{
		int32_t own = work->cluster[i];
		double distance;

		if (i % POLL_POINTS == 0)
			options->poll(options->poll_argument);
		if (work->count[own] < 2)
			continue;
		distance =
			squared_distance(points->values + (size_t) i * d, work->center + (size_t) own * d, d);
		if (distance > most)
		{
			most = distance;
			farthest = i;
		}
	}
	if (farthest < 0)
		return;
	add_point(work, work->cluster[farthest], points->values + (size_t) farthest * d, d, -1);
	memset(work->sums + (size_t) empty * d, 0, d * sizeof(double));
	add_point(work, empty, points->values + (size_t) farthest * d, d, 1);
	work->cluster[farthest] = empty;
	/* Bounds that hold for any center. */
	work->upper[farthest] = INFINITY;
	work->lower[farthest] = 0;
}

/*
 * Move the centers to the means of their points.  Returns the sum of their
 * squared moves.
 */
static double
move_centers(KmeansWorkspace *work, Round *round, int32_t d)
{
	double all = 0;

	round->most = round->second = 0;
	round->farthest = -1;
	for (int32_t c = 0; c < round->k; c++)
	{
		double *center = work->center + (size_t) c * d;
		double squares = 0;

		for (int32_t j = 0; j < d && work->count[c] > 0; j++)
		{
			double mean = work->sums[(size_t) c * d + j] / work->count[c];

			squares += (mean - center[j]) * (mean - center[j]);
			center[j] = mean;
		}
		set_lane(work->lanes, d, c, center);
		all += squares;
		work->moved[c] = (float) sqrt(squares);
		if (work->moved[c] > round->most)
		{
			round->second = round->most;
			round->most = work->moved[c];
			round->farthest = c;
		}
		else if (work->moved[c] > round->second)
			round->second = work->moved[c];
	}
	return all;
}

/*
 * Every point's distance to its center, and their squares summed.
 */
static double
measure(const KmeansPoints *points, const KmeansOptions *options, KmeansWorkspace *work)
{
	double inertia = 0;

	for (int32_t first = 0; first < points->n; first += POLL_POINTS)
	{
		int32_t end = points->n - first > POLL_POINTS ? first + POLL_POINTS : points->n;

		options->poll(options->poll_argument);
		for (int32_t i = first; i < end; i++)
		{
			double square =
				squared_distance(points->values + (size_t) i * points->d,
								 work->center + (size_t) work->cluster[i] * points->d, points->d);

			work->upper[i] = (float) sqrt(square);
			inertia += square;
		}
	}
	return inertia;
}

/*
 * One run: work->cluster, ->center, ->count and, as ->upper, distances.
 */
static void
run_once(const KmeansPoints *points, const KmeansOptions *options, KmeansWorkspace *work,
		 KmeansResult *result)
{
	int32_t d = points->d;
	Round round = {.farthest = -1};
	int32_t k = choose_centers(points, options, work);
	double moved = INFINITY;
	int32_t step = (int32_t) (POLL_DISTANCES / kmeans_lanes(k, d)) + 1;

	if (step > POLL_POINTS)
		step = POLL_POINTS;
	round.k = k;
	/* Each rounds d times on the way to a distance, and once a round. */
	round.margin = 1 + (2 * d + options->max_iterations + 64) * FLT_EPSILON;
	clear_lanes(work->lanes, d, options->k);
	for (int32_t c = 0; c < k; c++)
		set_lane(work->lanes, d, c, work->center + (size_t) c * d);
	memset(work->sums, 0, (size_t) k * d * sizeof(double));
	memset(work->count, 0, k * sizeof(int32_t));
	memset(work->moved, 0, k * sizeof(float));
	for (int32_t i = 0; i < points->n; i++)
		work->cluster[i] = -1;

	result->converged = false;
	result->iterations = 0;
	for (;;)
	{
		int32_t changed = 0;

		separate(work, options, k, d);
		for (int32_t first = 0; first < points->n; first += step)
		{
			int32_t end = points->n - first > step ? first + step : points->n;

			options->poll(options->poll_argument);
			changed += assign_points(points, work, &round, first, end);
		}
		for (int32_t c = 0; c < k; c++)
			if (work->count[c] == 0)
			{
				fill_cluster(points, options, work, c);
				changed++;
			}
		result->converged = changed == 0;
		if (result->converged || moved <= options->tolerance ||
			result->iterations >= options->max_iterations)
			break;
		moved = move_centers(work, &round, d);
		result->iterations++;
	}
	result->k = k;
	result->inertia = measure(points, options, work);
}

/*
 * Number the clusters by falling size, equal ones by their centers.
 */
static void
order_clusters(const KmeansPoints *points, KmeansResult *result, const KmeansWorkspace *work)
{
	int32_t d = points->d;
	int32_t k = result->k;
	int32_t *number = work->count; /* of the run's, no longer needed: old to new */
	int32_t *order = (int32_t *) work->moved;

	for (int32_t c = 0; c < k; c++)
	{
		int32_t place = c;

		for (; place > 0; place--)
		{
			int32_t other = order[place - 1];
			int32_t j = 0;

			if (result->size[other] != result->size[c])
			{
				if (result->size[other] > result->size[c])
					break;
				order[place] = other;
				continue;
			}
			while (j < d - 1 &&
				   result->center[(size_t) other * d + j] == result->center[(size_t) c * d + j])
				j++;
			if (result->center[(size_t) other * d + j] <= result->center[(size_t) c * d + j])
				break;
			order[place] = other;
		}
		order[place] = c;
	}
	memcpy(work->center, result->center, (size_t) k * d * sizeof(double));
	for (int32_t place = 0; place < k; place++)
	{
		number[order[place]] = place;
		memcpy(result->center + (size_t) place * d, work->center + (size_t) order[place] * d,
			   d * sizeof(double));
	}
	for (int32_t i = 0; i < points->n; i++)
		result->cluster[i] = number[result->cluster[i]];
}

/*
 * The best of several runs: the clusters of least inertia.
 */
void
kmeans_fit(const KmeansPoints *points, const KmeansOptions *options, KmeansWorkspace *work,
		   KmeansResult *result)
{
	KmeansResult best = *result;

	best.inertia = INFINITY;
	for (int32_t run = 0; run < options->runs; run++)
	{
		run_once(points, options, work, result);
		if (run > 0 && !(result->inertia < best.inertia))
			continue;
		best.k = result->k;
		best.run = run;
		best.iterations = result->iterations;
		best.converged = result->converged;
		best.inertia = result->inertia;
		memcpy(best.cluster, work->cluster, points->n * sizeof(int32_t));
		memcpy(best.distance, work->upper, points->n * sizeof(float));
		memcpy(best.center, work->center, (size_t) result->k * points->d * sizeof(double));
		memcpy(best.size, work->count, result->k * sizeof(int32_t));
	}
	*result = best;
	order_clusters(points, result, work);
	memset(result->size, 0, result->k * sizeof(int32_t));
	memset(result->inertias, 0, result->k * sizeof(double));
	for (int32_t i = 0; i < points->n; i++)
	{
		result->size[result->cluster[i]]++;
		result->inertias[result->cluster[i]] += (double) result->distance[i] * result->distance[i];
	}
}

/*
 * How well each point of a sample sits in its cluster, judged by the sample
 * (Rousseeuw 1987): (b - a) / max(a, b), where a is its mean distance to the
 * others of its cluster and b that to the nearest other cluster; 0 for the only
 * one of its cluster, NaN for all if the sample is of one cluster.  sums has
 * room for 2 * k.
 */
void
kmeans_silhouette(const KmeansPoints *points, const int32_t *sample, int32_t m,
				  const int32_t *cluster, int32_t k, double *sums, const KmeansOptions *options,
				  double *silhouette)
{
	double *count = sums + k;
	int32_t d = points->d;

	for (int32_t i = 0; i < m; i++)
	{
		const float *x = points->values + (size_t) sample[i] * d;
		int32_t own = cluster[sample[i]];
		double a;
		double b = INFINITY;

		memset(sums, 0, 2 * k * sizeof(double));
		for (int32_t other = 0; other < m; other++)
		{
			const float *y = points->values + (size_t) sample[other] * d;
			double square = 0;

			if (((size_t) other * d) % (POLL_POINTS * 8) < d)
				options->poll(options->poll_argument);
			if (other == i)
				continue;
			for (int32_t j = 0; j < d; j++)
			{
				double t = (double) x[j] - y[j];

				square += t * t;
			}
			sums[cluster[sample[other]]] += sqrt(square);
			count[cluster[sample[other]]]++;
		}
		for (int32_t c = 0; c < k; c++)
			if (c != own && count[c] > 0 && sums[c] / count[c] < b)
				b = sums[c] / count[c];
		a = count[own] > 0 ? sums[own] / count[own] : 0;
		silhouette[i] = isinf(b)          ? NAN
						: count[own] == 0 ? 0
						: a < b           ? 1 - a / b
						: a > b           ? b / a - 1
										  : 0;
	}
}
