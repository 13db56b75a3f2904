/*
 * stored.h
 *		What a model has stored, read back for work on many users at once.
 */
#ifndef STORED_H
#define STORED_H

#include "executor/tuptable.h"
#include "utils/array.h"

#include "keys.h"
#include "ratings.h"
#include "svec.h"

/* A table of items, or of users, by rising id; numbers are places in it. */
typedef struct StoredSide
{
	KeyMap keys;
	int32 capacity;
	int32 *id;
	int32 *rating_count;
	double *mean;
	double *bias;
	SVec **neighbors;  /* NULL of one that has none */
	SVec **deviations; /* so */
} StoredSide;

typedef struct StoredModel
{
	Budget budget; /* what all of it was taken from */
	int n_queries;
	char **queries; /* as stored_queries() in SQL gives them, for a method's own ones */
	double mean;    /* of the ratings that it was fitted to, as all of these; NaN without any */
	double minimum;
	double maximum;
	int64 rating_count;
	int64 user_count;
	StoredSide items;
	StoredSide users; /* after stored_load_users */
} StoredModel;

extern StoredModel *stored_load(ArrayType *queries, Progress *progress);
extern StoredModel *stored_load_part(StoredModel *whole, int first, int n, Progress *progress);
extern const char *stored_query(const StoredModel *stored);
extern void stored_load_users(StoredModel *stored, Progress *progress);
extern int32 stored_number(const StoredSide *side, int64 id);
extern neighbor_heap stored_entries(const StoredSide *side, const SVec *stored, const int32 *place,
									double *weight_sum, Budget *budget);
extern void stored_check_columns(TupleDesc desc, int first, const Oid *types, int n);
extern void stored_refuse_nulls(TupleTableSlot *slot, int first, int end);
extern void stored_free(StoredModel *stored);

#endif /* STORED_H */
