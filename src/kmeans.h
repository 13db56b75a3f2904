/*
 * kmeans.h
 *		k-means of dense points.
 *
 * No dependency on the server.
 */
#ifndef KMEANS_H
#define KMEANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Distances from one point are computed to so many centers at once. */
#define KMEANS_LANES 8

/* Candidates for each further center when a start is looked for, at most. */
#define KMEANS_MAX_TRIALS 16

/* Points, one after the other; near the origin, as floats are finest there. */
typedef struct KmeansPoints
{
	int32_t n;
	int32_t d;
	const float *values; /* n * d */
} KmeansPoints;

typedef struct KmeansOptions
{
	int32_t k;
	int32_t runs;
	int32_t max_iterations;    /* of a run */
	double tolerance;          /* a run ends when the squared moves of all centers are not more */
	double (*uniform)(void *); /* random numbers, 0 <= u < 1 */
	void *uniform_argument;
	void (*poll)(void *); /* called every few milliseconds of work */
	void *poll_argument;
} KmeansOptions;

/* What a run works in; the caller's memory. */
typedef struct KmeansWorkspace
{
	float *lanes;      /* kmeans_lanes(k, d): centers, side by side in blocks of KMEANS_LANES */
	float *trials;     /* kmeans_lanes(KMEANS_MAX_TRIALS, d) */
	double *sums;      /* k * d: of the points of each cluster */
	double *center;    /* k * d */
	int32_t *count;    /* k */
	float *moved;      /* k: how far each center went */
	float *separation; /* k: half the way to the nearest other center */
	float *distance;   /* kmeans_lanes(k, 1) */
	float *upper;      /* n: not less than the distance to the own center */
	float *lower;      /* n: not more than the distance to any other */
	int32_t *cluster;  /* n */
} KmeansWorkspace;

/* The caller's memory as well, k and n as asked for. */
typedef struct KmeansResult
{
	int32_t k;   /* clusters found: fewer when there are fewer distinct points */
	int32_t run; /* the best one, from 0 */
	int32_t iterations;
	bool converged;   /* no point changed its cluster any more */
	double inertia;   /* sum of squared distances to the own center */
	int32_t *cluster; /* n, clusters by falling size */
	float *distance;  /* n, to the own center */
	double *center;   /* k * d */
	int32_t *size;    /* k */
	double *inertias; /* k */
} KmeansResult;

/* Elements of an array that holds k centers of d values in lanes. */
static inline size_t
kmeans_lanes(int32_t k, int32_t d)
{
	return (size_t) (k + KMEANS_LANES - 1) / KMEANS_LANES * KMEANS_LANES * d;
}

extern void kmeans_fit(const KmeansPoints *points, const KmeansOptions *options,
					   KmeansWorkspace *work, KmeansResult *result);
extern void kmeans_silhouette(const KmeansPoints *points, const int32_t *sample, int32_t m,
							  const int32_t *cluster, int32_t k, double *sums,
							  const KmeansOptions *options, double *silhouette);

#endif /* KMEANS_H */
