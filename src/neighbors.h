/*
 * neighbors.h
 *		Arguments and rows of the functions that return neighbors.
 */
#ifndef NEIGHBORS_H
#define NEIGHBORS_H

#include "fmgr.h"

#include "neighborhood.h"
#include "ratings.h"

/* Columns of the result, and the places of two of them. */
#define NEIGHBORS_COLUMNS 10
#define NEIGHBORS_NORM 5
#define NEIGHBORS_LIST 8

extern NeighborOptions neighbors_options(FunctionCallInfo fcinfo, bool users);
extern void neighbors_check_type(const Ratings *ratings, Oid type, bool users);
extern void neighbors_row(Datum *values, const Ratings *ratings, const RatingStatistics *statistics,
						  int32 column, Oid key_type);

#endif /* NEIGHBORS_H */
