/*
 * similarity.c
 *		Cosine, Pearson, adjusted cosine, Jaccard and Euclidean similarity: of
 *		two arrays, of two sparse vectors, and as aggregates over pairs (x, y).
 *
 * All of them are one fold: similarity_add (similarity.h) takes a pair at a
 * time, and similarity_from_sums makes the result of the sums.  This file says
 * where the pairs come from.  For every kind of similarity the macro at the end
 * defines the functions that PostgreSQL calls; as the kind is then a constant,
 * the compiler makes a lean loop of its own for each.
 *
 * A similarity that is not defined is NULL.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/array.h"
#include "utils/float.h"

#include "similarity.h"
#include "socrec.h"
#include "sparse.h"
#include "sums.h"
#include "svec.h"

/* State of the aggregates, and as such an array of double precision. */
typedef struct SimilarityState
{
	SimilaritySums sums;
	float8 min_support; /* largest of the rows so far, 0 without the option */
	float8 shrinkage;
} SimilarityState;

#define STATE_LENGTH ((int) (sizeof(SimilarityState) / sizeof(float8)))

/* Elements between two looks for a cancel request; a power of two. */
#define INTERRUPT_ELEMENTS 65536

static pg_noinline void
refuse_value(const char *name, double value)
{
	invalid_argument("%s must be finite, not %s", name, float8out_internal(value));
}

static inline void
check_finite(const char *name, double value)
{
	if (unlikely(!isfinite(value)))
		refuse_value(name, value);
}

/*
 * The options min_support and shrinkage at arguments first and first + 1.
 */
static void
get_options(FunctionCallInfo fcinfo, int first, int32 *min_support, float8 *shrinkage)
{
	if (PG_ARGISNULL(first) || PG_ARGISNULL(first + 1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", PG_ARGISNULL(first) ? "min_support" : "shrinkage")));
	*min_support = PG_GETARG_INT32(first);
	*shrinkage = PG_GETARG_FLOAT8(first + 1);
	if (*min_support < 0)
		invalid_argument("min_support must not be negative: %d", *min_support);
	check_finite("shrinkage", *shrinkage);
	if (*shrinkage < 0)
		invalid_argument("shrinkage must not be negative: %s", float8out_internal(*shrinkage));
}

/*
 * What to return for these sums.  Every value that went into them was finite,
 * so sums that are not have overflowed.
 */
static Datum
similarity_datum(FunctionCallInfo fcinfo, SimilarityKind kind, const SimilaritySums *sums,
				 double min_support, double shrinkage)
{
	double similarity;

	if (!isfinite(sums->xy) || !isfinite(sums->xx) || !isfinite(sums->yy))
		float_overflow_error();
	similarity = similarity_from_sums(kind, sums);
	if (isnan(similarity) || sums->support < min_support)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(similarity_shrink(similarity, sums->support, shrinkage));
}

/*
 * An argument that must be an array of one dimension, or empty, without NULLs.
 */
static ArrayType *
get_vector(FunctionCallInfo fcinfo, int argument)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(argument);

	if (ARR_NDIM(array) > 1)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("array must have one dimension, not %d", ARR_NDIM(array))));
	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("array must not contain nulls"),
				 errhint("Compare vectors with missing elements as svec or with the aggregate.")));
	return array;
}

/*
 * Element i of an array of double precision or real.
 */
static inline double
vector_element(const ArrayType *array, int i)
{
	double value = ARR_ELEMTYPE(array) == FLOAT8OID ? ((float8 *) ARR_DATA_PTR(array))[i]
													: ((float4 *) ARR_DATA_PTR(array))[i];

	check_finite("array element", value);
	return value;
}

/*
 * Similarity of two arrays of equal length, both real[] or both double
 * precision[]: (a, b, [means,] min_support, shrinkage).  A zero is a present
 * value, except where presence is what counts: to the cosine's support and to
 * Jaccard.
 */
static pg_attribute_always_inline Datum
array_similarity(FunctionCallInfo fcinfo, const SimilarityKind kind)
{
	const bool zero_is_absent = kind == SIMILARITY_COSINE || kind == SIMILARITY_JACCARD;
	const int n_vectors = kind == SIMILARITY_ADJUSTED_COSINE ? 3 : 2;
	ArrayType *vectors[3];
	int n = 0;
	int32 min_support;
	float8 shrinkage;
	SimilaritySums sums = {0};

	for (int v = 0; v < n_vectors; v++)
	{
		int length;

		vectors[v] = get_vector(fcinfo, v);
		length = ArrayGetNItems(ARR_NDIM(vectors[v]), ARR_DIMS(vectors[v]));
		if (v > 0 && length != n)
			ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
							errmsg("arrays have different lengths: %d and %d", n, length)));
		n = length;
	}
	get_options(fcinfo, n_vectors, &min_support, &shrinkage);

	for (int i = 0; i < n; i++)
	{
		double x = vector_element(vectors[0], i);
		double y = vector_element(vectors[1], i);
		double mean = n_vectors == 3 ? vector_element(vectors[2], i) : 0;

		similarity_add(kind, &sums, !zero_is_absent || x != 0, x, !zero_is_absent || y != 0, y,
					   mean);
		if (i % INTERRUPT_ELEMENTS == 0)
			CHECK_FOR_INTERRUPTS();
	}
	return similarity_datum(fcinfo, kind, &sums, min_support, shrinkage);
}

/*
 * Sums of the kinds that look at whole vectors, in which what is absent counts
 * as zero.
 */
static void
add_whole_vectors(SimilarityKind kind, SimilaritySums *sums, SparseView a, SparseView b)
{
	int64_t n_common;
	double dot = sparse_dot(a, b, &n_common);
	bool is_cosine = kind == SIMILARITY_COSINE;

	sums->support = n_common;
	sums->xy = is_cosine ? dot : n_common;
	sums->xx = is_cosine ? sparse_sum_squares(a) : a.n;
	sums->yy = is_cosine ? sparse_sum_squares(b) : b.n;
}

/*
 * Sums of the other kinds, over the ids that a and b have in common, and means
 * as well where it is given.
 */
static void
add_common_elements(SimilarityKind kind, SimilaritySums *sums, const SVec *a, const SVec *b,
					const SVec *means)
{
	SparseMatch matches[SPARSE_MATCHES];
	SparseCursor cursor = {0, 0};
	int n;

	while ((n = sparse_next_matches(svec_view(a), svec_view(b), &cursor, matches)) > 0)
	{
		for (int i = 0; i < n; i++)
		{
			double x = svec_weights(a)[matches[i].a];
			double y = svec_weights(b)[matches[i].b];
			double mean = 0;

			if (means != NULL)
			{
				int at = sparse_find(svec_view(means), svec_id(a, matches[i].a));

				if (at < 0)
					continue;
				mean = svec_weights(means)[at];
			}
			similarity_add(kind, sums, true, x, true, y, mean);
		}
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * Similarity of two sparse vectors: (a, b, [means,] min_support, shrinkage).
 */
static Datum
svec_similarity(FunctionCallInfo fcinfo, SimilarityKind kind)
{
	bool has_means = kind == SIMILARITY_ADJUSTED_COSINE;
	SVec *a = PG_GETARG_SVEC_P(0);
	SVec *b = PG_GETARG_SVEC_P(1);
	SVec *means = has_means ? PG_GETARG_SVEC_P(2) : NULL;
	int32 min_support;
	float8 shrinkage;
	SimilaritySums sums = {0};

	get_options(fcinfo, has_means ? 3 : 2, &min_support, &shrinkage);
	if (kind == SIMILARITY_COSINE || kind == SIMILARITY_JACCARD)
		add_whole_vectors(kind, &sums, svec_view(a), svec_view(b));
	else
		add_common_elements(kind, &sums, a, b, means);
	return similarity_datum(fcinfo, kind, &sums, min_support, shrinkage);
}

/*
 * Transition of the aggregates: (state, x, y [, mean] [, min_support,
 * shrinkage]).  A NULL is an absent side.  The options are those of the
 * aggregate call; should they differ from row to row, the largest count, so
 * that the result does not depend on the order of the rows.
 */
static pg_attribute_always_inline Datum
accumulate_pair(FunctionCallInfo fcinfo, const SimilarityKind kind)
{
	const int n_values = kind == SIMILARITY_ADJUSTED_COSINE ? 3 : 2;
	ArrayType *array = sums_for_update(fcinfo, STATE_LENGTH);
	SimilarityState *state = (SimilarityState *) sums_of(array, STATE_LENGTH);
	bool has[3] = {false};
	double value[3] = {0};

	for (int v = 0; v < n_values; v++)
	{
		has[v] = !PG_ARGISNULL(1 + v);
		if (has[v])
		{
			value[v] = PG_GETARG_FLOAT8(1 + v);
			check_finite(v == 0 ? "x" : v == 1 ? "y" : "user_mean", value[v]);
		}
	}
	if (n_values == 2 || has[2])
		similarity_add(kind, &state->sums, has[0], value[0], has[1], value[1], value[2]);
	if (PG_NARGS() > 1 + n_values)
	{
		int32 min_support;
		float8 shrinkage;

		get_options(fcinfo, 1 + n_values, &min_support, &shrinkage);
		state->min_support = Max(state->min_support, min_support);
		state->shrinkage = Max(state->shrinkage, shrinkage);
	}
	PG_RETURN_ARRAYTYPE_P(array);
}

/*
 * Combine function of all of the aggregates: (state, state).
 */
PG_FUNCTION_INFO_V1(socrec_similarity_combine);
Datum
socrec_similarity_combine(PG_FUNCTION_ARGS)
{
	ArrayType *array;
	SimilarityState *state;
	SimilarityState *more;

	if (PG_ARGISNULL(1))
		SUMS_RETURN_UNCHANGED();
	array = sums_for_update(fcinfo, STATE_LENGTH);
	state = (SimilarityState *) sums_of(array, STATE_LENGTH);
	more = (SimilarityState *) sums_of(PG_GETARG_ARRAYTYPE_P(1), STATE_LENGTH);
	similarity_merge(&state->sums, &more->sums);
	state->min_support = Max(state->min_support, more->min_support);
	state->shrinkage = Max(state->shrinkage, more->shrinkage);
	PG_RETURN_ARRAYTYPE_P(array);
}

static Datum
similarity_of_state(FunctionCallInfo fcinfo, SimilarityKind kind)
{
	SimilarityState *state = (SimilarityState *) final_sums(fcinfo, STATE_LENGTH);

	if (state == NULL)
		PG_RETURN_NULL();
	return similarity_datum(fcinfo, kind, &state->sums, state->min_support, state->shrinkage);
}

/*
 * The functions of one kind: socrec_NAME_array(a, b, ...) and
 * socrec_NAME_svec(a, b, ...) for two vectors, socrec_NAME_accumulate(state, x,
 * y, ...) and socrec_NAME_final(state) for the aggregates.
 */
#define SIMILARITY_FUNCTION(symbol, body, kind)                                                    \
	PG_FUNCTION_INFO_V1(symbol);                                                                   \
	Datum symbol(PG_FUNCTION_ARGS)                                                                 \
	{                                                                                              \
		return body(fcinfo, kind);                                                                 \
	}

#define SIMILARITY_FUNCTIONS(name, kind)                                                           \
	SIMILARITY_FUNCTION(socrec_##name##_array, array_similarity, kind)                             \
	SIMILARITY_FUNCTION(socrec_##name##_svec, svec_similarity, kind)                               \
	SIMILARITY_FUNCTION(socrec_##name##_accumulate, accumulate_pair, kind)                         \
	SIMILARITY_FUNCTION(socrec_##name##_final, similarity_of_state, kind)

SIMILARITY_FUNCTIONS(cosine_similarity, SIMILARITY_COSINE)
SIMILARITY_FUNCTIONS(adjusted_cosine, SIMILARITY_ADJUSTED_COSINE)
SIMILARITY_FUNCTIONS(pearson_similarity, SIMILARITY_PEARSON)
SIMILARITY_FUNCTIONS(jaccard_similarity, SIMILARITY_JACCARD)
SIMILARITY_FUNCTIONS(euclidean_similarity, SIMILARITY_EUCLIDEAN)
