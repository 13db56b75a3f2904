/*
 * logistic.c
 *		From weights and features to probabilities: logistic, logistic_score,
 *		softmax and choice_probability.
 *
 * The linear score is z = intercept + sum of weight * feature.  Of it, logistic
 * makes the probability of a yes, and softmax that of one alternative of several:
 * P(y | x) = exp(z_y) / sum over i of exp(z_i), the conditional logit of McFadden
 * (Conditional logit analysis of qualitative choice behavior, 1974).
 *
 * As window functions, softmax and choice_probability read their partition once
 * for the sum and each row once more for its share, so that their memory does not
 * depend on the number of alternatives.
 *
 * Scores are computed in scans of large tables: an array that is stored with a
 * short header is read where it lies, and not copied to be aligned.
 */
#include "postgres.h"

#include <float.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "windowapi.h"

#include "logistic.h"
#include "socrec.h"
#include "sparse.h"
#include "svec.h"

/* Products that are summed up side by side. */
#define LANES 4

/* Bits: more than the range of real and the number of elements take together. */
#define INDEXED_SHIFT 160

/* Elements between two looks for a cancel request; a power of two. */
#define INTERRUPT_ELEMENTS 65536

/* Numbers of an array as they lie in a row, perhaps not aligned. */
typedef struct Vector
{
	int n;
	bool has_nulls;
	Oid type; /* FLOAT4OID or FLOAT8OID */
	const char *data;
} Vector;

static double
checked_score(double z)
{
	if (unlikely(!isfinite(z)))
		invalid_argument("score must be finite, not %s", float8out_internal(z));
	return z;
}

/*
 * A score past the range of numbers as the last one in it.
 */
static inline double
clamped(double z)
{
	return Min(Max(z, -DBL_MAX), DBL_MAX);
}

/*
 * The numbers of an array of real or double precision.
 */
static pg_attribute_always_inline Vector
vector_of(Datum datum)
{
	struct varlena *array = PG_DETOAST_DATUM_PACKED(datum);
	const char *body = VARDATA_ANY(array);
	int32 header[5]; /* dimensions, offset of the data, type, length, lower bound */
	Vector vector = {0};

	memcpy(header, body, 3 * sizeof(int32));
	if (header[0] > 1)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("array must have one dimension, not %d", header[0])));
	vector.type = header[2];
	if (header[0] == 0)
		return vector;
	memcpy(&header[3], body + 3 * sizeof(int32), sizeof(int32));
	vector.n = header[3];
	if (header[1] == 0)
		vector.data = body + ARR_OVERHEAD_NONULLS(1) - VARHDRSZ;
	else
	{
		/* It has a bitmap of NULLs, perhaps with none in it. */
		vector.data = body + header[1] - VARHDRSZ;
		vector.has_nulls = array_contains_nulls(DatumGetArrayTypeP(datum));
	}
	return vector;
}

static inline double
vector_element(const Vector *vector, int i)
{
	float4 narrow;
	float8 wide;

	if (vector->type == FLOAT4OID)
	{
		memcpy(&narrow, vector->data + i * sizeof(float4), sizeof(float4));
		return narrow;
	}
	memcpy(&wide, vector->data + i * sizeof(float8), sizeof(float8));
	return wide;
}

/*
 * A sum of products that is not finite: an error if an element is not, else what
 * the sum is without overflow on the way, or the largest number there is.
 */
static pg_noinline double
overflown_score(const Vector *weights, const Vector *features)
{
	const int shift = DBL_MAX_EXP / 2 + 16;
	double sum = 0;

	for (int i = 0; i < weights->n; i++)
	{
		double w = vector_element(weights, i);
		double x = vector_element(features, i);

		if (!isfinite(w) || !isfinite(x))
			invalid_argument("%s must be finite, not %s", isfinite(w) ? "feature" : "weight",
							 float8out_internal(isfinite(w) ? x : w));
		sum += ldexp(w, -shift) * ldexp(x, -shift);
	}
	return clamped(ldexp(sum, 2 * shift));
}

/*
 * The sum of weight * feature from one element to another, both of one type.
 */
static pg_attribute_always_inline double
dot_part(const Vector *weights, const Vector *features, int from, int to)
{
	double lanes[LANES] = {0};
	int i = from;

	for (; i + LANES <= to; i += LANES)
		for (int lane = 0; lane < LANES; lane++)
			lanes[lane] += vector_element(weights, i + lane) * vector_element(features, i + lane);
	for (; i < to; i++)
		lanes[0] += vector_element(weights, i) * vector_element(features, i);
	return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

/*
 * That of all elements, always in the same order.
 */
static pg_attribute_always_inline double
dot(const Vector *weights, const Vector *features)
{
	int n = weights->n;
	double sum = dot_part(weights, features, 0, Min(n, INTERRUPT_ELEMENTS));

	for (int i = INTERRUPT_ELEMENTS; i < n; i += INTERRUPT_ELEMENTS)
	{
		CHECK_FOR_INTERRUPTS();
		sum += dot_part(weights, features, i, Min(n, i + INTERRUPT_ELEMENTS));
	}
	return sum;
}

/*
 * The linear score of weights and features, without an intercept; false where it
 * is unknown, as one of them has a NULL.  One function for each pair of types.
 */
typedef bool (*LinearScore)(Datum weights, Datum features, double *z);

static pg_attribute_always_inline bool
array_score(Datum weights, Datum features, const Oid type, double *z)
{
	Vector w = vector_of(weights);
	Vector x = vector_of(features);

	if (unlikely(w.n != x.n))
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("%d weights do not fit %d features", w.n, x.n)));
	if (unlikely(w.has_nulls || x.has_nulls))
		return false;
	w.type = x.type = type;
	*z = dot(&w, &x);
	if (unlikely(!isfinite(*z)))
		*z = overflown_score(&w, &x);
	return true;
}

static bool
real_score(Datum weights, Datum features, double *z)
{
	return array_score(weights, features, FLOAT4OID, z);
}

static bool
double_score(Datum weights, Datum features, double *z)
{
	return array_score(weights, features, FLOAT8OID, z);
}

/* Products of numbers of type real cannot overflow. */
static bool
svec_score(Datum weights, Datum features, double *z)
{
	*z = sparse_dot(svec_view(DatumGetSVecP(weights)), svec_view(DatumGetSVecP(features)), NULL);
	return true;
}

/*
 * Weights by subscript, features by id.  A feature is of type real, so that a sum of
 * products that are made so much smaller stays finite; what that does to the
 * smallest of them is far below the precision of a score.
 */
static bool
indexed_score(Datum weights, Datum features, double *z)
{
	Vector w = vector_of(weights);
	SVec *x = DatumGetSVecP(features);
	int n = svec_count(x);
	double sum = 0;

	if (w.has_nulls)
		return false;
	for (int i = 0; i < n; i++)
	{
		int64 id = svec_id(x, i);
		double weight;

		if (id < 1 || id > w.n)
			ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
							errmsg("feature " INT64_FORMAT " has no weight", id),
							errdetail("There are %d weights; features are numbered from 1.", w.n)));
		weight = vector_element(&w, (int) (id - 1));
		if (!isfinite(weight))
			invalid_argument("weight must be finite, not %s", float8out_internal(weight));
		sum += ldexp(weight, -INDEXED_SHIFT) * svec_weights(x)[i];
		if ((i & (INTERRUPT_ELEMENTS - 1)) == INTERRUPT_ELEMENTS - 1)
			CHECK_FOR_INTERRUPTS();
	}
	*z = clamped(ldexp(sum, INDEXED_SHIFT));
	return true;
}

PG_FUNCTION_INFO_V1(socrec_logistic);
Datum
socrec_logistic(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(logistic(checked_score(PG_GETARG_FLOAT8(0))));
}

/* What a function keeps from row to row. */
typedef struct Kept
{
	struct varlena *stored; /* weights as they came, and flat; NULL at first */
	struct varlena *flat;
	MemoryContext row; /* for the arguments of a row, emptied after it */
} Kept;

static Kept *
kept(FmgrInfo *flinfo)
{
	if (flinfo->fn_extra == NULL)
		flinfo->fn_extra = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(Kept));
	return flinfo->fn_extra;
}

/*
 * Weights that may be compressed or out of line, as a vector of thousands that a
 * table has is, in a form that is not: undone once, and not for every row.  They
 * are known by what is stored: bytes, or the number of a value.
 */
static Datum
flat_weights(FmgrInfo *flinfo, Datum weights)
{
	struct varlena *stored = (struct varlena *) DatumGetPointer(weights);
	Kept *memory;

	if (likely(!VARATT_IS_COMPRESSED(stored) && !VARATT_IS_EXTERNAL_ONDISK(stored)))
		return weights;
	memory = kept(flinfo);
	if (memory->stored == NULL || VARSIZE_ANY(memory->stored) != VARSIZE_ANY(stored) ||
		memcmp(memory->stored, stored, VARSIZE_ANY(stored)) != 0)
	{
		MemoryContext caller = MemoryContextSwitchTo(flinfo->fn_mcxt);

		if (memory->stored != NULL)
		{
			pfree(memory->stored);
			pfree(memory->flat);
			memory->stored = NULL;
		}
		memory->flat = PG_DETOAST_DATUM(weights);
		memory->stored = memcpy(palloc(VARSIZE_ANY(stored)), stored, VARSIZE_ANY(stored));
		MemoryContextSwitchTo(caller);
	}
	return PointerGetDatum(memory->flat);
}

/*
 * logistic_score(weights, features, intercept)
 */
static pg_attribute_always_inline Datum
logistic_score(FunctionCallInfo fcinfo, LinearScore score)
{
	double z;

	if (!score(flat_weights(fcinfo->flinfo, PG_GETARG_DATUM(0)), PG_GETARG_DATUM(1), &z))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(logistic(clamped(z + checked_score(PG_GETARG_FLOAT8(2)))));
}

/*
 * softmax(z[]): exp(z) / sum of exp(z) for each element; a NULL is no alternative
 * and stays NULL.
 */
PG_FUNCTION_INFO_V1(socrec_softmax_array);
Datum
socrec_softmax_array(PG_FUNCTION_ARGS)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	ExpSum sum = {0};
	Datum *scores;
	bool *nulls;
	int n;

	deconstruct_array(array, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &scores,
					  &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			exp_sum_add(&sum, checked_score(DatumGetFloat8(scores[i])));
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			scores[i] = Float8GetDatum(exp_sum_share(&sum, DatumGetFloat8(scores[i])));
	PG_RETURN_ARRAYTYPE_P(construct_md_array(scores, nulls, ARR_NDIM(array), ARR_DIMS(array),
											 ARR_LBOUND(array), FLOAT8OID, sizeof(float8),
											 FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * Window functions.  A row whose score is NULL is no alternative: its probability
 * is NULL, and those of the others are as if it were not there.
 */

/* What is known of the partition; zero at its first row. */
typedef struct ChoiceSet
{
	bool complete;
	ExpSum sum;
} ChoiceSet;

/*
 * An argument for the row at a position of the partition, or for the current row if
 * that is negative.  What is passed by reference lasts until the next is asked for.
 */
static inline Datum
argument_at(WindowObject window, int argument, int64 position, bool *is_null)
{
	bool is_out;

	if (position < 0)
		return WinGetFuncArgCurrent(window, argument, is_null);
	return WinGetFuncArgInPartition(window, argument, position, WINDOW_SEEK_HEAD, false, is_null,
									&is_out);
}

/*
 * The score of such a row from the arguments of the window function: z, or weights
 * and features.  False where it is unknown.
 */
static pg_attribute_always_inline bool
alternative_score(FunctionCallInfo fcinfo, int64 position, LinearScore score, double *z)
{
	WindowObject window = PG_WINDOW_OBJECT();
	bool is_null;
	Datum first = argument_at(window, 0, position, &is_null);
	Datum weights;
	Datum features;

	if (is_null)
		return false;
	if (score == NULL)
	{
		*z = checked_score(DatumGetFloat8(first));
		return true;
	}
	weights = flat_weights(fcinfo->flinfo, first);
	if (position >= 0 && weights == first)
		weights = datumCopy(first, false, -1);
	features = argument_at(window, 1, position, &is_null);
	return !is_null && score(weights, features, z);
}

/*
 * The sum over a partition.
 */
static pg_attribute_always_inline ExpSum
partition_sum(FunctionCallInfo fcinfo, LinearScore score)
{
	int64 n = WinGetPartitionRowCount(PG_WINDOW_OBJECT());
	Kept *memory = kept(fcinfo->flinfo);
	ExpSum sum = {0};
	MemoryContext caller;

	/* Arguments are computed in the current context. */
	if (memory->row == NULL)
		memory->row = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "row of a choice set",
											ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(memory->row);
	for (int64 position = 0; position < n; position++)
	{
		double z;

		CHECK_FOR_INTERRUPTS();
		if (alternative_score(fcinfo, position, score, &z))
			exp_sum_add(&sum, z);
		MemoryContextReset(memory->row);
	}
	MemoryContextSwitchTo(caller);
	return sum;
}

/*
 * The probability of the current row among those of its partition.
 */
static pg_attribute_always_inline Datum
window_share(FunctionCallInfo fcinfo, LinearScore score)
{
	ChoiceSet *set = WinGetPartitionLocalMemory(PG_WINDOW_OBJECT(), sizeof(ChoiceSet));
	double z;

	if (!set->complete)
	{
		set->sum = partition_sum(fcinfo, score);
		set->complete = true;
	}
	if (!alternative_score(fcinfo, -1, score, &z))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(exp_sum_share(&set->sum, z));
}

PG_FUNCTION_INFO_V1(socrec_softmax_window);
Datum
socrec_softmax_window(PG_FUNCTION_ARGS)
{
	return window_share(fcinfo, NULL);
}

/*
 * socrec_logistic_score_NAME and socrec_choice_probability_NAME for a pair of types.
 */
#define SCORE_FUNCTION(symbol, body, score)                                                        \
	PG_FUNCTION_INFO_V1(symbol);                                                                   \
	Datum symbol(PG_FUNCTION_ARGS)                                                                 \
	{                                                                                              \
		return body(fcinfo, score);                                                                \
	}

#define SCORE_FUNCTIONS(name)                                                                      \
	SCORE_FUNCTION(socrec_logistic_score_##name, logistic_score, name##_score)                     \
	SCORE_FUNCTION(socrec_choice_probability_##name, window_share, name##_score)

SCORE_FUNCTIONS(real)
SCORE_FUNCTIONS(double)
SCORE_FUNCTIONS(svec)
SCORE_FUNCTIONS(indexed)
