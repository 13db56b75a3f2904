/*
 * neighborhood.h
 *		The nearest neighbors of all columns of a rating matrix, by the options
 *		that SQL knows.
 */
#ifndef NEIGHBORHOOD_H
#define NEIGHBORHOOD_H

#include "knn.h"
#include "ratings.h"

/* Options as they are given, in words of items and users. */
typedef struct NeighborArguments
{
	int k;
	const char *similarity;
	int min_support;
	double shrinkage;
	const char *center;
	const char *weighting;
	double min_similarity;
	double item_regularization;
	double user_regularization;
	int baseline_epochs;
} NeighborArguments;

/* The same, checked, in words of rows and columns. */
typedef struct NeighborOptions
{
	KnnOptions knn;
	Centering centering;
	Weighting weighting;
	BaselineOptions baseline;
} NeighborOptions;

/* One element a column. */
typedef struct Neighborhood
{
	double *norm;         /* of the vector that was compared */
	neighbor_heap *heaps; /* neighbors by rising number; none for k = 0 */
} Neighborhood;

extern NeighborOptions neighborhood_options(const NeighborArguments *given, bool users);
extern BaselineOptions neighborhood_baseline(const NeighborArguments *given, bool users);
extern Neighborhood *neighborhood_find(Ratings *ratings, const RatingStatistics *statistics,
									   const NeighborOptions *options, Budget *budget,
									   Progress *progress);

#endif /* NEIGHBORHOOD_H */
