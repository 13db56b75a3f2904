/*
 * svec_ops.c
 *		Sparse vectors: arithmetic, comparison, elements, aggregates.
 *
 * The aggregates svec_agg, sum and avg share one state: a bytea that holds terms
 * (id, weight) as they come, with room for more.  When the room is used up the
 * terms are sorted, those of the same id are added up, and if that does not free
 * half of the room the state doubles; so n rows take O(n log n) time, and the
 * memory depends on the number of different ids and not on that of rows.
 *
 * Sums are exact (see sparse.c) and rounded once, at the end.  That is why the
 * result is the same bit for bit, whatever the order of the rows and however
 * they were spread over workers.
 *
 * Being an ordinary flat value the state travels between processes as it is.
 * Within an aggregate it is changed in place, which the executor allows; when it
 * grows the new value is returned, and the executor copies it to where the state
 * lives and frees the old one.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/array.h"

#include "similarity.h"
#include "socrec.h"
#include "sparse.h"
#include "svec.h"

#define TOPK_PREFIX top
#define TOPK_SCORE float
#include "topk.h"

/*
 * Arithmetic.
 */

static SVec *
checked_result(SVec *v)
{
	svec_check_range(v);
	AssertSVec(v);
	return v;
}

static SVec *
add(const SVec *a, const SVec *b, bool subtract)
{
	bool wide = svec_is_wide(a) || svec_is_wide(b);
	SVec *v = svec_alloc_room((int64) svec_count(a) + svec_count(b), wide);
	int n = sparse_add(svec_view(a), svec_view(b), subtract, wide ? NULL : svec_ids32(v),
					   wide ? svec_ids64(v) : NULL, svec_weights(v));

	return checked_result(svec_shrink(v, n));
}

static SVec *
scale(const SVec *a, double factor)
{
	bool wide = svec_is_wide(a);
	SVec *v = svec_alloc_room(svec_count(a), wide);
	int n = sparse_scale(svec_view(a), factor, wide ? NULL : svec_ids32(v),
						 wide ? svec_ids64(v) : NULL, svec_weights(v));

	return checked_result(svec_shrink(v, n));
}

static double
finite_factor(double factor)
{
	if (!isfinite(factor))
		invalid_argument("factor %g is not finite", factor);
	return factor;
}

PG_FUNCTION_INFO_V1(socrec_svec_add);
Datum
socrec_svec_add(PG_FUNCTION_ARGS)
{
	PG_RETURN_SVEC_P(add(PG_GETARG_SVEC_P(0), PG_GETARG_SVEC_P(1), false));
}

PG_FUNCTION_INFO_V1(socrec_svec_subtract);
Datum
socrec_svec_subtract(PG_FUNCTION_ARGS)
{
	PG_RETURN_SVEC_P(add(PG_GETARG_SVEC_P(0), PG_GETARG_SVEC_P(1), true));
}

PG_FUNCTION_INFO_V1(socrec_svec_negate);
Datum
socrec_svec_negate(PG_FUNCTION_ARGS)
{
	PG_RETURN_SVEC_P(scale(PG_GETARG_SVEC_P(0), -1));
}

PG_FUNCTION_INFO_V1(socrec_svec_multiply);
Datum
socrec_svec_multiply(PG_FUNCTION_ARGS)
{
	PG_RETURN_SVEC_P(scale(PG_GETARG_SVEC_P(0), finite_factor(PG_GETARG_FLOAT8(1))));
}

PG_FUNCTION_INFO_V1(socrec_svec_multiply_left);
Datum
socrec_svec_multiply_left(PG_FUNCTION_ARGS)
{
	PG_RETURN_SVEC_P(scale(PG_GETARG_SVEC_P(1), finite_factor(PG_GETARG_FLOAT8(0))));
}

PG_FUNCTION_INFO_V1(socrec_svec_dot);
Datum
socrec_svec_dot(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(
		sparse_dot(svec_view(PG_GETARG_SVEC_P(0)), svec_view(PG_GETARG_SVEC_P(1)), NULL));
}

/*
 * 1 - cosine of the angle between two vectors; NULL if one of them is empty.
 */
PG_FUNCTION_INFO_V1(socrec_svec_cosine_distance);
Datum
socrec_svec_cosine_distance(PG_FUNCTION_ARGS)
{
	SparseView a = svec_view(PG_GETARG_SVEC_P(0));
	SparseView b = svec_view(PG_GETARG_SVEC_P(1));
	double cosine =
		cosine_from_sums(sparse_dot(a, b, NULL), sparse_sum_squares(a), sparse_sum_squares(b));

	if (isnan(cosine))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(1 - cosine);
}

PG_FUNCTION_INFO_V1(socrec_svec_norm);
Datum
socrec_svec_norm(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(sqrt(sparse_sum_squares(svec_view(PG_GETARG_SVEC_P(0)))));
}

PG_FUNCTION_INFO_V1(socrec_svec_sum);
Datum
socrec_svec_sum(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(sparse_sum(svec_view(PG_GETARG_SVEC_P(0))));
}

/*
 * Comparison.  Equal vectors are equal byte for byte.  The order is that of the
 * lists of (id, weight): the first element that differs decides, by id and then
 * by weight, and a list comes after its own beginning.
 */

static bool
same(const SVec *a, const SVec *b)
{
	return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
}

static int
compare(const SVec *a, const SVec *b)
{
	int n_a = svec_count(a);
	int n_b = svec_count(b);
	const float4 *a_weights = svec_weights(a);
	const float4 *b_weights = svec_weights(b);

	for (int i = 0; i < n_a && i < n_b; i++)
	{
		if (svec_id(a, i) != svec_id(b, i))
			return svec_id(a, i) < svec_id(b, i) ? -1 : 1;
		if (a_weights[i] != b_weights[i])
			return a_weights[i] < b_weights[i] ? -1 : 1;
	}
	return (n_a > n_b) - (n_a < n_b);
}

/* Support functions of an index must not leak what they detoast. */
#define COMPARISON_FUNCTION(name, type, expression)                                                \
	PG_FUNCTION_INFO_V1(socrec_svec_##name);                                                       \
	Datum socrec_svec_##name(PG_FUNCTION_ARGS)                                                     \
	{                                                                                              \
		SVec *a = PG_GETARG_SVEC_P(0);                                                             \
		SVec *b = PG_GETARG_SVEC_P(1);                                                             \
		int result = expression;                                                                   \
                                                                                                   \
		PG_FREE_IF_COPY(a, 0);                                                                     \
		PG_FREE_IF_COPY(b, 1);                                                                     \
		PG_RETURN_##type(result);                                                                  \
	}

COMPARISON_FUNCTION(eq, BOOL, same(a, b))
COMPARISON_FUNCTION(ne, BOOL, !same(a, b))
COMPARISON_FUNCTION(lt, BOOL, compare(a, b) < 0)
COMPARISON_FUNCTION(le, BOOL, compare(a, b) <= 0)
COMPARISON_FUNCTION(ge, BOOL, compare(a, b) >= 0)
COMPARISON_FUNCTION(gt, BOOL, compare(a, b) > 0)
COMPARISON_FUNCTION(cmp, INT32, compare(a, b))

PG_FUNCTION_INFO_V1(socrec_svec_hash);
Datum
socrec_svec_hash(PG_FUNCTION_ARGS)
{
	SVec *v = PG_GETARG_SVEC_P(0);
	Datum hash = hash_any((unsigned char *) v->data, VARSIZE(v) - SVEC_HEADER_SIZE);

	PG_FREE_IF_COPY(v, 0);
	PG_RETURN_DATUM(hash);
}

PG_FUNCTION_INFO_V1(socrec_svec_hash_extended);
Datum
socrec_svec_hash_extended(PG_FUNCTION_ARGS)
{
	SVec *v = PG_GETARG_SVEC_P(0);
	Datum hash = hash_any_extended((unsigned char *) v->data, VARSIZE(v) - SVEC_HEADER_SIZE,
								   PG_GETARG_INT64(1));

	PG_FREE_IF_COPY(v, 0);
	PG_RETURN_DATUM(hash);
}

/*
 * Elements.
 */

PG_FUNCTION_INFO_V1(socrec_svec_length);
Datum
socrec_svec_length(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(svec_count(PG_GETARG_SVEC_P(0)));
}

PG_FUNCTION_INFO_V1(socrec_svec_get);
Datum
socrec_svec_get(PG_FUNCTION_ARGS)
{
	SparseView view = svec_view(PG_GETARG_SVEC_P(0));
	int at = sparse_find(view, PG_GETARG_INT64(1));

	if (at < 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT4(view.weights[at]);
}

/*
 * svec_top(v, n): the n elements of largest weight, of equal ones those with the
 * smaller id.
 */
PG_FUNCTION_INFO_V1(socrec_svec_top);
Datum
socrec_svec_top(PG_FUNCTION_ARGS)
{
	SVec *v = PG_GETARG_SVEC_P(0);
	int n = PG_GETARG_INT32(1);
	int count = svec_count(v);
	const float4 *weights = svec_weights(v);
	top_heap heap = {0};
	top_entry worst;
	SVec *result;
	int n_result = 0;

	if (n < 0)
		invalid_argument("number of elements must not be negative: %d", n);
	if (n >= count)
		PG_RETURN_SVEC_P(v);
	result = svec_alloc(n, svec_is_wide(v));
	if (n == 0)
		PG_RETURN_SVEC_P(svec_shrink(result, 0));

	/* Positions are in the order of ids, so they decide like ids. */
	heap.capacity = n;
	heap.entries = palloc(n * sizeof(top_entry));
	for (int i = 0; i < count; i++)
		top_offer(&heap, weights[i], i);
	worst = heap.entries[0];
	for (int i = 0; i < count; i++)
	{
		if (weights[i] < worst.score || (weights[i] == worst.score && i > worst.id))
			continue;
		if (svec_is_wide(v))
			svec_ids64(result)[n_result] = svec_ids64(v)[i];
		else
			svec_ids32(result)[n_result] = svec_ids32(v)[i];
		svec_weights(result)[n_result++] = weights[i];
	}
	Assert(n_result == n);
	pfree(heap.entries);
	PG_RETURN_SVEC_P(svec_shrink(result, n));
}

/*
 * svec_unnest(v): rows (id, weight) in the order of ids.
 */
PG_FUNCTION_INFO_V1(socrec_svec_unnest);
Datum
socrec_svec_unnest(PG_FUNCTION_ARGS)
{
	FuncCallContext *context;
	const SVec *v;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		context = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(context->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &context->tuple_desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		context->tuple_desc = BlessTupleDesc(context->tuple_desc);
		context->user_fctx = svec_checked((SVec *) PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(0)));
		context->max_calls = svec_count(context->user_fctx);
		MemoryContextSwitchTo(old);
	}

	context = SRF_PERCALL_SETUP();
	v = context->user_fctx;
	if (context->call_cntr < context->max_calls)
	{
		int i = (int) context->call_cntr;
		Datum values[2] = {Int64GetDatum(svec_id(v, i)), Float4GetDatum(svec_weights(v)[i])};
		bool nulls[2] = {false, false};
		HeapTuple tuple = heap_form_tuple(context->tuple_desc, values, nulls);

		SRF_RETURN_NEXT(context, HeapTupleGetDatum(tuple));
	}
	SRF_RETURN_DONE(context);
}

PG_FUNCTION_INFO_V1(socrec_svec_ids);
Datum
socrec_svec_ids(PG_FUNCTION_ARGS)
{
	const SVec *v = PG_GETARG_SVEC_P(0);
	int n = svec_count(v);
	ArrayType *array = array_of_zeros(n, INT8OID, sizeof(int64));

	for (int i = 0; i < n; i++)
		((int64 *) ARR_DATA_PTR(array))[i] = svec_id(v, i);
	PG_RETURN_ARRAYTYPE_P(array);
}

PG_FUNCTION_INFO_V1(socrec_svec_weights);
Datum
socrec_svec_weights(PG_FUNCTION_ARGS)
{
	const SVec *v = PG_GETARG_SVEC_P(0);
	int n = svec_count(v);
	ArrayType *array = array_of_zeros(n, FLOAT4OID, sizeof(float4));

	memcpy(ARR_DATA_PTR(array), svec_weights(v), n * sizeof(float4));
	PG_RETURN_ARRAYTYPE_P(array);
}

/*
 * Aggregates.
 */

#define ST_SORT sort_terms
#define ST_ELEMENT_TYPE SparseTerm
#define ST_COMPARE(a, b) (((a)->id > (b)->id) - ((a)->id < (b)->id))
#define ST_SCOPE static
#define ST_CHECK_FOR_INTERRUPTS
#define ST_DEFINE
#include "lib/sort_template.h"

/* "svec" and a version, in the byte order of the machine. */
#define STATE_MAGIC 0x73766501

/* Room for fewer terms is not worth the trouble. */
#define STATE_MIN_TERMS 14

/* Half a gigabyte: a result, and a vector to be added to it. */
#define STATE_MAX_TERMS (2 * SVEC_MAX_ELEMENTS)

/* The room for terms follows from the length. */
typedef struct SumState
{
	int32 vl_len_; /* varlena header (do not touch directly!) */
	uint32 magic;
	int64 n_rows;  /* vectors or elements that were added */
	int64 n_terms; /* terms in use */
	SparseTerm terms[FLEXIBLE_ARRAY_MEMBER];
} SumState;

#define STATE_HEADER_SIZE offsetof(SumState, terms)

static inline int64
state_capacity(const SumState *state)
{
	return (VARSIZE(state) - STATE_HEADER_SIZE) / sizeof(SparseTerm);
}

/*
 * Argument arg as state, after checking that it is one: anybody may call a
 * transition function by hand.  What the terms say is not checked, because no
 * content is invalid: the final function sorts them and looks at every sum.
 *
 * The state is the argument itself, or a copy if that is asked for or if the
 * argument is compressed or, as bytea may be, not aligned.
 */
static SumState *
get_state(FunctionCallInfo fcinfo, int arg, bool copy)
{
	SumState *state = (SumState *) PG_GETARG_BYTEA_P(arg);

	if (copy || (char *) state != (char *) MAXALIGN(state))
	{
		SumState *argument = state;

		state = palloc(VARSIZE(argument));
		memcpy(state, argument, VARSIZE(argument));
	}
	if (VARSIZE(state) < STATE_HEADER_SIZE || state->magic != STATE_MAGIC || state->n_terms < 0 ||
		state->n_terms > state_capacity(state) || state->n_rows < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid state of an svec aggregate")));
	return state;
}

/*
 * An empty state with room for at least so many terms, but no more than
 * STATE_MAX_TERMS.  Its size is a power of two, as memory contexts allocate
 * nothing else.
 */
static SumState *
make_state(int64 capacity)
{
	const Size most = STATE_HEADER_SIZE + STATE_MAX_TERMS * sizeof(SparseTerm);
	Size size = Min(pg_nextpower2_64(STATE_HEADER_SIZE + capacity * sizeof(SparseTerm)), most);
	SumState *state = palloc0(size);

	SET_VARSIZE(state, size);
	state->magic = STATE_MAGIC;
	return state;
}

static void
add_up_terms(SumState *state)
{
	sort_terms(state->terms, state->n_terms);
	state->n_terms = sparse_squash(state->terms, state->n_terms);
}

/*
 * Argument 0 as a state that may be changed and has room for n more terms: in
 * place inside an aggregate, else a copy.  A NULL state is an empty one.
 */
static SumState *
state_for_update(FunctionCallInfo fcinfo, int64 n)
{
	SumState *state, *larger;
	int64 wanted;

	if (PG_ARGISNULL(0))
		return make_state(Max(n, STATE_MIN_TERMS));
	state = get_state(fcinfo, 0, !AggCheckCallContext(fcinfo, NULL));
	if (state->n_terms + n <= state_capacity(state))
		return state;

	/* Room for as many terms again keeps the time for sorting in bounds. */
	add_up_terms(state);
	if (state->n_terms > SVEC_MAX_ELEMENTS || n > SVEC_MAX_ELEMENTS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("svec cannot have more than %d elements", SVEC_MAX_ELEMENTS)));
	wanted = state->n_terms + Max(n, state->n_terms);
	if (wanted <= state_capacity(state))
		return state;
	larger = make_state(wanted);
	larger->n_rows = state->n_rows;
	larger->n_terms = state->n_terms;
	memcpy(larger->terms, state->terms, state->n_terms * sizeof(SparseTerm));
	return larger;
}

/* What to return where a row adds nothing. */
static Datum
unchanged_state(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/*
 * Transition function of svec_agg(id, weight).
 */
PG_FUNCTION_INFO_V1(socrec_svec_agg_accumulate);
Datum
socrec_svec_agg_accumulate(PG_FUNCTION_ARGS)
{
	SumState *state;
	SparseTerm *term;
	int64 id;
	float4 weight;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return unchanged_state(fcinfo);
	id = PG_GETARG_INT64(1);
	weight = PG_GETARG_FLOAT4(2);
	if (unlikely(!isfinite(weight)))
		invalid_argument("weight %g of id " INT64_FORMAT " is not finite", weight, id);

	state = state_for_update(fcinfo, 1);
	term = &state->terms[state->n_terms++];
	term->id = id;
	term->value = weight;
	state->n_rows++;
	PG_RETURN_BYTEA_P(state);
}

/*
 * Transition function of sum(svec) and avg(svec).
 */
PG_FUNCTION_INFO_V1(socrec_svec_sum_accumulate);
Datum
socrec_svec_sum_accumulate(PG_FUNCTION_ARGS)
{
	SumState *state;
	SparseTerm *term;
	SVec *v;
	const float4 *weights;
	int n;

	if (PG_ARGISNULL(1))
		return unchanged_state(fcinfo);
	v = PG_GETARG_SVEC_P(1);
	weights = svec_weights(v);
	n = svec_count(v);

	state = state_for_update(fcinfo, n);
	term = &state->terms[state->n_terms];
	for (int i = 0; i < n; i++, term++)
	{
		term->id = svec_id(v, i);
		term->value = weights[i];
	}
	state->n_terms += n;
	state->n_rows++;
	PG_RETURN_BYTEA_P(state);
}

/*
 * Combine function of all of them.
 */
PG_FUNCTION_INFO_V1(socrec_svec_combine);
Datum
socrec_svec_combine(PG_FUNCTION_ARGS)
{
	SumState *state, *other;

	if (PG_ARGISNULL(1))
		return unchanged_state(fcinfo);
	other = get_state(fcinfo, 1, false);
	if (PG_ARGISNULL(0))
		PG_RETURN_BYTEA_P(other);

	if (other->n_terms > SVEC_MAX_ELEMENTS)
	{
		other = get_state(fcinfo, 1, true);
		add_up_terms(other);
	}
	state = state_for_update(fcinfo, other->n_terms);
	memcpy(state->terms + state->n_terms, other->terms, other->n_terms * sizeof(SparseTerm));
	state->n_terms += other->n_terms;
	state->n_rows += other->n_rows;
	PG_RETURN_BYTEA_P(state);
}

/*
 * Replace the terms of each id by their sum, divided and rounded to float; drop
 * those that become zero.  Returns the number of ids.
 */
static int64
round_sums(SparseTerm *terms, int64 n, double divisor)
{
	double values[SPARSE_EXACT_TERMS];
	int64 n_ids = 0;

	sort_terms(terms, n);
	n = sparse_squash(terms, n);
	for (int64 i = 0; i < n;)
	{
		int64 id = terms[i].id;
		int n_values = 0;
		float4 weight;

		for (; i < n && terms[i].id == id; i++)
			values[n_values++] = terms[i].value;
		weight = (float4) (sparse_exact_value(values, n_values) / divisor);
		if (weight != 0)
		{
			terms[n_ids].id = id;
			terms[n_ids++].value = weight;
		}
	}
	return n_ids;
}

/*
 * The vector of the sums, divided by a number.
 */
static SVec *
state_total(const SumState *state, double divisor)
{
	SparseTerm *terms = palloc(Max(state->n_terms, 1) * sizeof(SparseTerm));
	int64 n;
	bool wide;
	SVec *v;

	/* The state stays as it is: it may be added to afterwards. */
	memcpy(terms, state->terms, state->n_terms * sizeof(SparseTerm));
	n = round_sums(terms, state->n_terms, divisor);
	wide = n > 0 && !(svec_is_narrow_id(terms[0].id) && svec_is_narrow_id(terms[n - 1].id));
	v = svec_alloc((int) n, wide);
	for (int64 i = 0; i < n; i++)
	{
		if (wide)
			svec_ids64(v)[i] = terms[i].id;
		else
			svec_ids32(v)[i] = (int32) terms[i].id;
		svec_weights(v)[i] = (float4) terms[i].value;
	}
	pfree(terms);
	return checked_result(v);
}

PG_FUNCTION_INFO_V1(socrec_svec_agg_final);
Datum
socrec_svec_agg_final(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_SVEC_P(state_total(get_state(fcinfo, 0, false), 1));
}

PG_FUNCTION_INFO_V1(socrec_svec_avg_final);
Datum
socrec_svec_avg_final(PG_FUNCTION_ARGS)
{
	SumState *state;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = get_state(fcinfo, 0, false);
	PG_RETURN_SVEC_P(state_total(state, state->n_rows));
}
