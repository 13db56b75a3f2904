/*
 * socrec.h
 *		What every file of the extension shares.
 *
 * Include it after postgres.h.
 */
#ifndef SOCREC_H
#define SOCREC_H

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "utils/array.h"

/*
 * Raise an error about an argument: SQLSTATE 22023, PostgreSQL's style of
 * message (lower case, no full stop, the offending value in it).
 */
#define invalid_argument(...)                                                                      \
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg(__VA_ARGS__)))

/*
 * Progress of something long: seen by its own session as NOTICEs and by others
 * in pg_stat_activity.application_name, at most once a second.
 */
typedef struct Progress
{
	const char *what;
	TimestampTz started;
	TimestampTz reported;
} Progress;

/*
 * Quotient rounded down, also of negative numbers; the divisor is positive.
 */
static inline int64
floor_divide(int64 value, int64 divisor)
{
	return value / divisor - (value % divisor < 0);
}

extern ArrayType *array_of_zeros(int n, Oid type, Size element);
extern Datum array_of_numbers(const double *numbers, Size n);
extern int choice_argument(const char *what, const char *word, const char *const *choices);
extern void progress_start(Progress *progress, const char *what);
extern void progress_report(Progress *progress, const char *format, ...) pg_attribute_printf(2, 3);
extern void progress_end(Progress *progress);

#endif /* SOCREC_H */
