/*
 * socrec.c
 *		The module itself, and what functions share: arrays, words as arguments, and progress.
 */
#include "postgres.h"

#include <math.h>

#include "access/parallel.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "storage/shmem.h"
#include "utils/array.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "linear.h"
#include "socrec.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	if (IsParallelWorker())
		linear_forbid_threads();
}

/*
 * An array of one dimension (none of 0 elements) without NULLs, to be filled in.
 */
ArrayType *
array_of_zeros(int n, Oid type, Size element)
{
	Size size = add_size(ARR_OVERHEAD_NONULLS(1), mul_size(n, element));
	ArrayType *array;

	if (n == 0)
		return construct_empty_array(type);
	array = palloc0(size);
	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->elemtype = type;
	ARR_DIMS(array)[0] = n;
	ARR_LBOUND(array)[0] = 1;
	return array;
}

/*
 * Numbers as an array; what is not a number is null.
 */
Datum
array_of_numbers(const double *numbers, Size n)
{
	Datum *values = palloc(Max(n, 1) * sizeof(Datum));
	bool *nulls = palloc(Max(n, 1) * sizeof(bool));
	int count = (int) n;
	int lower = 1;

	for (Size i = 0; i < n; i++)
	{
		values[i] = Float8GetDatum(numbers[i]);
		nulls[i] = isnan(numbers[i]);
	}
	return PointerGetDatum(construct_md_array(values, nulls, 1, &count, &lower, FLOAT8OID,
											  sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * The place of a word in a list of choices that ends with NULL, or an error that names
 * them all.
 */
int
choice_argument(const char *what, const char *word, const char *const *choices)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; choices[i] != NULL; i++)
	{
		if (strcmp(word, choices[i]) == 0)
			return i;
		appendStringInfo(&list, "%s%s", i == 0 ? "" : ", ", choices[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown %s \"%s\"", what, word),
			 errhint("Use one of: %s.", list.data)));
}

void
progress_start(Progress *progress, const char *what)
{
	progress->what = what;
	progress->started = progress->reported = GetCurrentTimestamp();
}

/*
 * Tell how far the work is, if a second has passed since the last time.
 */
void
progress_report(Progress *progress, const char *format, ...)
{
	TimestampTz now = GetCurrentTimestamp();
	char done[NAMEDATALEN];
	char name[NAMEDATALEN];
	va_list args;

	if (!TimestampDifferenceExceeds(progress->reported, now, 1000))
		return;
	progress->reported = now;
	va_start(args, format);
	vsnprintf(done, sizeof(done), format, args);
	va_end(args);
	snprintf(name, sizeof(name), "socrec: %s: %s", progress->what, done);
	pgstat_report_appname(name);
	ereport(NOTICE,
			(errmsg("%s: %s after %.0f s", progress->what, done, (now - progress->started) / 1e6)));
}

/*
 * Give the session its own name back.  Call it on success and on error.
 */
void
progress_end(Progress *progress)
{
	if (progress->reported != progress->started)
		pgstat_report_appname(application_name);
}
