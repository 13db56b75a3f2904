/*
 * lists.h
 *		Aggregate states that are two growing lists of numbers.
 *
 * For metrics that need all values at once.  The SQL type of the state is
 * bytea, so it passes between workers and servers as what it is, with no
 * serialization.  Inside an aggregate it is an expanded object, which grows in
 * place; it becomes flat when it leaves:
 *
 *	bytes				what
 *	8 * LISTS_OPTIONS	options
 *	8					length of the first list
 *	8 * length			the first list
 *	the rest			the second list
 *
 * in the byte order of the machine.  Two states combine by appending
 * (socrec.combine_lists), whatever the aggregate.
 */
#ifndef LISTS_H
#define LISTS_H

#include "fmgr.h"
#include "utils/expandeddatum.h"

#define LISTS_OPTIONS 3

/* 500 MB: as text, which is how some servers pass a state on, it is below 1 GB. */
#define LISTS_MAX_VALUES INT64CONST(62500000)

typedef struct Lists
{
	ExpandedObjectHeader header;
	double options[LISTS_OPTIONS]; /* the same for all rows */
	int64 n[2];
	int64 capacity[2];
	double *values[2];
	int64 sorted[2]; /* how long a list was when it was last sorted in place */
} Lists;

extern Lists *lists_for_update(FunctionCallInfo fcinfo, const double *options);
extern const Lists *lists_read(FunctionCallInfo fcinfo, int argument);
extern void lists_append(Lists *lists, int which, double value);
extern double *lists_copy(const Lists *lists, int which);
extern void lists_sort(double *values, int64 n);
extern const double *lists_sorted(const Lists *lists, int which, int width);

#define PG_RETURN_LISTS(lists) PG_RETURN_DATUM(EOHPGetRWDatum(&(lists)->header))

/*
 * Leave a transition or combine function with the state as it came.
 */
#define LISTS_RETURN_UNCHANGED()                                                                   \
	do                                                                                             \
	{                                                                                              \
		if (PG_ARGISNULL(0))                                                                       \
			PG_RETURN_NULL();                                                                      \
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));                                                       \
	} while (0)

#endif /* LISTS_H */
