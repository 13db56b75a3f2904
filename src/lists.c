/*
 * lists.c
 *		Aggregate states that are two growing lists of numbers.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "compatibility.h"
#include "lists.h"
#include "socrec.h"

/* Bytes before the lists. */
#define FLAT_HEADER (LISTS_OPTIONS * sizeof(double) + sizeof(int64))

static Size lists_flat_size(ExpandedObjectHeader *header);
static void lists_flatten(ExpandedObjectHeader *header, void *result, Size size);

static const ExpandedObjectMethods lists_methods = {lists_flat_size, lists_flatten};

static Size
lists_flat_size(ExpandedObjectHeader *header)
{
	const Lists *lists = (const Lists *) header;

	return VARHDRSZ + FLAT_HEADER + (lists->n[0] + lists->n[1]) * sizeof(double);
}

static void
lists_flatten(ExpandedObjectHeader *header, void *result, Size size)
{
	const Lists *lists = (const Lists *) header;
	char *data = VARDATA(result);

	SET_VARSIZE(result, size);
	memcpy(data, lists->options, sizeof(lists->options));
	memcpy(data + sizeof(lists->options), &lists->n[0], sizeof(int64));
	data += FLAT_HEADER;
	for (int i = 0; i < 2; i++)
	{
		/* An empty list has no memory of its own. */
		if (lists->n[i] > 0)
			memcpy(data, lists->values[i], lists->n[i] * sizeof(double));
		data += lists->n[i] * sizeof(double);
	}
}

/*
 * Room for `more` further values in a list.
 */
static void
reserve(Lists *lists, int which, int64 more)
{
	int64 wanted = lists->n[which] + more;
	Size bytes;

	if (unlikely(lists->n[0] + lists->n[1] + more > LISTS_MAX_VALUES))
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("aggregate state cannot have more than " INT64_FORMAT " values",
							   LISTS_MAX_VALUES),
						errhint("Aggregate by groups, or a sample of the rows.")));
	if (wanted <= lists->capacity[which])
		return;
	wanted = Max(wanted, Min(Max(8, 2 * lists->capacity[which]), LISTS_MAX_VALUES));
	bytes = wanted * sizeof(double);
	lists->values[which] = lists->values[which] == NULL
							   ? MemoryContextAllocHuge(lists->header.eoh_context, bytes)
							   : repalloc_huge(lists->values[which], bytes);
	lists->capacity[which] = wanted;
}

static void
append(Lists *lists, int which, const char *values, int64 n)
{
	if (n == 0)
		return;
	reserve(lists, which, n);
	memcpy(lists->values[which] + lists->n[which], values, n * sizeof(double));
	lists->n[which] += n;
}

static Lists *
make_lists(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "socrec lists", ALLOCSET_SMALL_SIZES);
	Lists *lists = MemoryContextAllocZero(context, sizeof(Lists));

	EOH_init_header(&lists->header, &lists_methods, context);
	return lists;
}

/*
 * A flat state as an object, after checking that it is one: anybody may call a
 * transition function by hand.
 */
static Lists *
expand(Datum flat, MemoryContext parent)
{
	struct varlena *state = PG_DETOAST_DATUM(flat);
	Size size = VARSIZE(state) - VARHDRSZ;
	const char *data = VARDATA(state);
	int64 n_values;
	int64 n;
	Lists *lists;

	if (size < FLAT_HEADER || (size - FLAT_HEADER) % sizeof(double) != 0)
		invalid_argument("aggregate state of %zu bytes is not one of two lists", size);
	n_values = (size - FLAT_HEADER) / sizeof(double);
	memcpy(&n, data + LISTS_OPTIONS * sizeof(double), sizeof(n));
	if (n < 0 || n > n_values)
		invalid_argument("aggregate state of " INT64_FORMAT
						 " values cannot have a first list of " INT64_FORMAT,
						 n_values, n);
	lists = make_lists(parent);
	memcpy(lists->options, data, sizeof(lists->options));
	data += FLAT_HEADER;
	append(lists, 0, data, n);
	append(lists, 1, data + n * sizeof(double), n_values - n);
	return lists;
}

/*
 * An argument's object, when it is one of ours and, if to be written to, may be.
 */
static Lists *
expanded_argument(Datum datum, bool for_update)
{
	struct varlena *pointer = (struct varlena *) DatumGetPointer(datum);
	Lists *lists;

	if (for_update ? !VARATT_IS_EXTERNAL_EXPANDED_RW(pointer)
				   : !VARATT_IS_EXTERNAL_EXPANDED(pointer))
		return NULL;
	lists = (Lists *) DatumGetEOHP(datum);
	return lists->header.eoh_methods == &lists_methods ? lists : NULL;
}

/*
 * Argument 0 as a state that may be changed: in place inside an aggregate, else
 * a copy.  A NULL state starts empty.  Options, of which there are
 * LISTS_OPTIONS, must be those that the state began with.
 */
Lists *
lists_for_update(FunctionCallInfo fcinfo, const double *options)
{
	MemoryContext context = CurrentMemoryContext;
	Lists *lists = NULL;

	if (AggCheckCallContext(fcinfo, &context) && !PG_ARGISNULL(0))
		lists = expanded_argument(PG_GETARG_DATUM(0), true);
	if (PG_ARGISNULL(0))
	{
		lists = make_lists(context);
		memcpy(lists->options, options, sizeof(lists->options));
	}
	else if (lists == NULL)
		lists = expand(PG_GETARG_DATUM(0), context);
	if (memcmp(lists->options, options, sizeof(lists->options)) != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("options of an aggregate must be the same for all rows")));
	return lists;
}

/*
 * A state to be read, which a final function may do more than once.
 */
const Lists *
lists_read(FunctionCallInfo fcinfo, int argument)
{
	Lists *lists = expanded_argument(PG_GETARG_DATUM(argument), false);

	return lists != NULL ? lists : expand(PG_GETARG_DATUM(argument), CurrentMemoryContext);
}

void
lists_append(Lists *lists, int which, double value)
{
	reserve(lists, which, 1);
	lists->values[which][lists->n[which]++] = value;
}

/*
 * A list in memory of its own, to be sorted.
 */
double *
lists_copy(const Lists *lists, int which)
{
	Size bytes = lists->n[which] * sizeof(double);
	double *copy = MemoryContextAllocHuge(CurrentMemoryContext, Max(bytes, sizeof(double)));

	if (bytes > 0)
		memcpy(copy, lists->values[which], bytes);
	return copy;
}

#define ST_SORT sort_numbers
#define ST_ELEMENT_TYPE double
#define ST_COMPARE(a, b) (*(a) < *(b) ? -1 : *(a) > *(b))
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* A number with another that goes where it goes. */
typedef struct Pair
{
	double key;
	double value;
} Pair;

#define ST_SORT sort_pairs
#define ST_ELEMENT_TYPE Pair
#define ST_COMPARE(a, b) ((a)->key < (b)->key ? -1 : (a)->key > (b)->key)
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * A state made by hand may have a NaN, which has no place in any order.
 */
static void
refuse_nan(const double *values, int64 n)
{
	for (int64 i = 0; i < n; i++)
		if (isnan(values[i]))
			invalid_argument("aggregate state has a NaN");
}

/*
 * Ascending.
 */
void
lists_sort(double *values, int64 n)
{
	refuse_nan(values, n);
	sort_numbers(values, n);
}

/*
 * A list of numbers (width 1), or of pairs by their first number (width 2),
 * ascending.  It is sorted where it lies, once for all final functions that read
 * it: so only for states in which the order of a list says nothing.
 */
const double *
lists_sorted(const Lists *lists, int which, int width)
{
	double *values = lists->values[which];
	int64 n = lists->n[which];

	if (n % width != 0)
		invalid_argument("aggregate state of " INT64_FORMAT " values is not one of pairs", n);
	if (n > 0 && lists->sorted[which] != n)
	{
		refuse_nan(values, n);
		if (width == 1)
			sort_numbers(values, n);
		else
			sort_pairs((Pair *) values, n / 2);
		/* What the state says is the same: no reader will mind. */
		((Lists *) lists)->sorted[which] = n;
	}
	return values;
}

PG_FUNCTION_INFO_V1(socrec_combine_lists);
Datum
socrec_combine_lists(PG_FUNCTION_ARGS)
{
	const Lists *other;
	Lists *lists;

	if (PG_ARGISNULL(1))
		LISTS_RETURN_UNCHANGED();
	other = lists_read(fcinfo, 1);
	lists = lists_for_update(fcinfo, other->options);
	for (int i = 0; i < 2; i++)
		append(lists, i, (const char *) other->values[i], other->n[i]);
	PG_RETURN_LISTS(lists);
}
