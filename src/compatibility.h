/*
 * compatibility.h
 *		What differs between the versions of PostgreSQL.
 *
 * Include it after postgres.h.
 */
#ifndef COMPATIBILITY_H
#define COMPATIBILITY_H

#include "utils/datetime.h"
#include "utils/float.h"

/* 16 took varatt.h out of postgres.h, and brought errors that are not thrown. */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#include "varatt.h"
#else
#define ereturn(context, dummy_value, ...) ereport(ERROR, __VA_ARGS__)
#endif

/* 18 says so before a function, and no more after it. */
#ifndef pg_noreturn
#define pg_noreturn pg_attribute_noreturn()
#endif

/*
 * The number that all of a string says; false if it says none.
 */
static inline bool
number_of_string(char *string, float8 *number)
{
#if PG_VERSION_NUM >= 160000
	ErrorSaveContext errors = {T_ErrorSaveContext};

	*number = float8in_internal(string, NULL, "double precision", string, (Node *) &errors);
	return !errors.error_occurred;
#else
	bool failed = false;

	*number = float8in_internal_opt_error(string, NULL, "double precision", string, &failed);
	return !failed;
#endif
}

/*
 * DecodeDateTime, of which nobody asks what was wrong; 0 if nothing was.
 */
static inline int
decode_date_time(char **fields, int *types, int n, int *kind, struct pg_tm *tm, fsec_t *fraction,
				 int *zone)
{
#if PG_VERSION_NUM >= 160000
	DateTimeErrorExtra extra;

	return DecodeDateTime(fields, types, n, kind, tm, fraction, zone, &extra);
#else
	return DecodeDateTime(fields, types, n, kind, tm, fraction, zone);
#endif
}

#endif /* COMPATIBILITY_H */
