/*
 * behavior_score.c
 *		The features of a row, whatever its type, by the names of its columns, and
 *		what a model says to them.
 *
 * A model has terms, and those of a column lie side by side: one of a column of
 * numbers; one for each level of a category, which is 1 where the column has the value
 * that is written so; one for each subscript of a vector, the elements of an array
 * or the ids of a svec.  Of a row the terms are listed that can be other than 0: so a
 * category takes one, and a svec those ids that it has.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "query.h"
#include "socrec.h"
#include "sums.h"
#include "svec.h"

/* The arguments that say what the terms are, in this order. */
enum
{
	TERM_COLUMNS,
	TERM_LEVELS,
	TERM_SUBSCRIPTS,
	N_TERM_ARGUMENTS
};

/* A value of a category. */
typedef struct Level
{
	char *text;
	int length;
	int term;
} Level;

/* A column of rows, and its terms. */
typedef struct TermColumn
{
	char *name;
	int first; /* its terms are first ... first + n - 1 */
	int n;
	Level *levels; /* of a category, n by length and bytes; NULL of others */
	int64 *ids;    /* of a vector, n ascending; NULL of others */
	int attribute; /* place in the row, from 0 */
	Oid type;      /* domains resolved */
	FmgrInfo output;
	Oid element; /* of an array: of what type elements are, and how they are stored */
	int16 element_length;
	bool element_by_value;
	char element_align;
} TermColumn;

/* What is kept between rows. */
typedef struct RowReader
{
	MemoryContext context; /* of everything here */
	bool stable;           /* the arguments are those of all rows */
	ArrayType *arguments[N_TERM_ARGUMENTS];
	int n; /* terms */
	int n_columns;
	TermColumn *columns;
	Oid row_type;
	int32 row_modifier;
	TupleDesc desc;
	Datum *values; /* of the row at hand */
	bool *nulls;
	int n_present; /* terms of it that can be other than 0, with what they are */
	int *present;
	double *x;
} RowReader;

static bool
same_array(const ArrayType *a, const ArrayType *b)
{
	return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
}

static int
compare_text(const char *a, int a_length, const char *b, int b_length)
{
	return a_length != b_length ? (a_length > b_length) - (a_length < b_length)
								: memcmp(a, b, a_length);
}

static int
compare_levels(const void *a, const void *b)
{
	const Level *x = a;
	const Level *y = b;

	return compare_text(x->text, x->length, y->text, y->length);
}

/*
 * An error unless the last argument is a row, which its type does not ensure.
 */
static void
check_row(FunctionCallInfo fcinfo)
{
	Oid type = get_fn_expr_argtype(fcinfo->flinfo, PG_NARGS() - 1);

	if (!type_is_rowtype(type))
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("a behavior model takes a row, not a value of type %s",
							   format_type_be(type)),
						errhint("Name the table: SELECT churn.score(c) FROM customer c.")));
}

/*
 * The terms as columns, from their names, levels and subscripts.
 */
static void
make_columns(RowReader *reader, Datum *const *values, bool *const *nulls)
{
	Level *levels = palloc(Max(reader->n, 1) * sizeof(Level));
	int64 *ids = palloc(Max(reader->n, 1) * sizeof(int64));
	TermColumn *column = NULL;

	reader->columns = palloc0(Max(reader->n, 1) * sizeof(TermColumn));
	for (int i = 0; i < reader->n; i++)
	{
		bool has_level = !nulls[TERM_LEVELS][i];
		bool has_id = !nulls[TERM_SUBSCRIPTS][i];
		int64 id = has_id ? DatumGetInt64(values[TERM_SUBSCRIPTS][i]) : 0;
		char *name;

		if (nulls[TERM_COLUMNS][i] || (has_level && has_id))
			invalid_argument("term %d has no column, or both a level and a subscript", i + 1);
		name = TextDatumGetCString(values[TERM_COLUMNS][i]);
		if (column == NULL || strcmp(column->name, name) != 0 || !(has_level || has_id) ||
			has_level != (column->levels != NULL) || has_id != (column->ids != NULL) ||
			(has_id && id <= column->ids[column->n - 1]))
		{
			column = &reader->columns[reader->n_columns++];
			column->name = name;
			column->first = i;
			column->levels = has_level ? levels + i : NULL;
			column->ids = has_id ? ids + i : NULL;
		}
		if (has_level)
		{
			char *level = TextDatumGetCString(values[TERM_LEVELS][i]);

			levels[i] = (Level){level, (int) strlen(level), i};
		}
		ids[i] = id;
		column->n++;
	}
	for (int c = 0; c < reader->n_columns; c++)
		if (reader->columns[c].levels != NULL)
			qsort(reader->columns[c].levels, reader->columns[c].n, sizeof(Level), compare_levels);
}

/*
 * A reader for the terms that the arguments from this one on say, made once unless
 * they differ.
 */
static RowReader *
get_reader(FunctionCallInfo fcinfo, int argument)
{
	static const Oid types[] = {TEXTOID, TEXTOID, INT8OID};
	RowReader *reader = fcinfo->flinfo->fn_extra;
	ArrayType *arrays[N_TERM_ARGUMENTS];
	Datum *values[N_TERM_ARGUMENTS];
	bool *nulls[N_TERM_ARGUMENTS];
	int n[N_TERM_ARGUMENTS];
	bool same;
	MemoryContext old;

	if (reader != NULL && reader->stable)
		return reader;
	if (reader == NULL)
		check_row(fcinfo);
	for (int i = 0; i < N_TERM_ARGUMENTS; i++)
		arrays[i] = PG_GETARG_ARRAYTYPE_P(argument + i);
	if (reader != NULL)
	{
		same = true;
		for (int i = 0; i < N_TERM_ARGUMENTS && same; i++)
			same = same_array(arrays[i], reader->arguments[i]);
		if (same)
			return reader;
		fcinfo->flinfo->fn_extra = NULL;
		MemoryContextDelete(reader->context);
	}
	old = MemoryContextSwitchTo(
		AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "socrec row reader", ALLOCSET_SMALL_SIZES));
	reader = palloc0(sizeof(RowReader));
	reader->context = CurrentMemoryContext;
	for (int i = 0; i < N_TERM_ARGUMENTS; i++)
	{
		reader->arguments[i] = (ArrayType *) palloc(VARSIZE(arrays[i]));
		memcpy(reader->arguments[i], arrays[i], VARSIZE(arrays[i]));
		if (types[i] == TEXTOID)
			deconstruct_array(arrays[i], TEXTOID, -1, false, TYPALIGN_INT, &values[i], &nulls[i],
							  &n[i]);
		else
			deconstruct_array(arrays[i], INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
							  &values[i], &nulls[i], &n[i]);
		if (n[i] != n[0])
			invalid_argument("%d columns do not have %d levels or subscripts", n[0], n[i]);
	}
	reader->stable = true;
	for (int i = 0; i < N_TERM_ARGUMENTS; i++)
		reader->stable = reader->stable && get_fn_expr_arg_stable(fcinfo->flinfo, argument + i);
	reader->n = n[0];
	reader->present = palloc(Max(reader->n, 1) * sizeof(int));
	reader->x = palloc(Max(reader->n, 1) * sizeof(double));
	make_columns(reader, values, nulls);
	MemoryContextSwitchTo(old);
	fcinfo->flinfo->fn_extra = reader;
	return reader;
}

/*
 * Can a value of this type be written as one of the levels?  Of numbers and booleans
 * it is easy to say.
 */
static bool
has_levels(const TermColumn *column)
{
	for (int i = 0; i < column->n; i++)
	{
		const char *text = column->levels[i].text;
		char *end;

		if (column->type == BOOLOID && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
			return true;
		(void) strtod(text, &end);
		if (query_is_number(column->type) && end != text && *end == '\0')
			return true;
	}
	return column->type != BOOLOID && !query_is_number(column->type);
}

/*
 * Can a column of this type have such terms?  What is to be known of the type, too.
 */
static void
match_type(RowReader *reader, TermColumn *column, Oid type)
{
	Oid output;
	bool is_varlena;

	column->type = getBaseType(type);
	column->element = InvalidOid;
	if (column->levels != NULL)
	{
		if (!has_levels(column))
			ereport(
				ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" is of type %s, which has no value \"%s\"", column->name,
						format_type_be(type), column->levels[0].text),
				 errhint("The model was fitted on categories: cast the column to their type.")));
		getTypeOutputInfo(column->type, &output, &is_varlena);
		fmgr_info_cxt(output, &column->output, reader->context);
	}
	else if (column->ids == NULL)
	{
		if (!query_is_number(column->type))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" is of type %s, not a number", column->name,
							format_type_be(type)),
					 errhint("The model was fitted on numbers: cast the column, NULL as well.")));
	}
	else if (column->type != svec_type())
	{
		column->element = get_element_type(column->type);
		if (OidIsValid(column->element))
			column->element = getBaseType(column->element);
		if (!query_is_number(column->element))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" is of type %s, neither an array of numbers nor a svec",
							column->name, format_type_be(type))));
		if (column->ids[0] != 1 || column->ids[column->n - 1] != column->n)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" is of type %s, not a svec as in the rows that the "
							"model was fitted on",
							column->name, format_type_be(type))));
		get_typlenbyvalalign(column->element, &column->element_length, &column->element_by_value,
							 &column->element_align);
	}
}

/*
 * Find the columns in rows of a type.
 */
static void
match_columns(RowReader *reader, Oid type, int32 modifier)
{
	MemoryContext old = MemoryContextSwitchTo(reader->context);
	TupleDesc desc = lookup_rowtype_tupdesc_copy(type, modifier);

	reader->desc = desc;
	reader->values = palloc(desc->natts * sizeof(Datum));
	reader->nulls = palloc(desc->natts * sizeof(bool));
	for (int c = 0; c < reader->n_columns; c++)
	{
		TermColumn *column = &reader->columns[c];
		int a = 0;

		while (a < desc->natts &&
			   (TupleDescAttr(desc, a)->attisdropped ||
				strcmp(NameStr(TupleDescAttr(desc, a)->attname), column->name) != 0))
			a++;
		if (a == desc->natts)
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
							errmsg("the row has no column \"%s\"", column->name),
							errhint("A row to score has the columns that the model was fitted on, "
									"by the same names.")));
		column->attribute = a;
		match_type(reader, column, TupleDescAttr(desc, a)->atttypid);
	}
	reader->row_type = type;
	reader->row_modifier = modifier;
	MemoryContextSwitchTo(old);
}

static inline void
add_present(RowReader *reader, int term, double value)
{
	reader->present[reader->n_present] = term;
	reader->x[reader->n_present++] = value;
}

static void
add_number(RowReader *reader, const TermColumn *column, int term, double value)
{
	if (unlikely(!isfinite(value)))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("value %g of column \"%s\" is not a finite number", value, column->name),
				 errhint("Leave such rows out, or make the value null.")));
	add_present(reader, term, value);
}

/*
 * The term of the level that a value is, as a cast to text writes it.
 */
static void
add_level(RowReader *reader, TermColumn *column, Datum value)
{
	char digits[DOUBLE_SHORTEST_DECIMAL_LEN];
	const char *text;
	int length;
	int low = 0;
	int high = column->n;

	if (column->type == BOOLOID)
		text = DatumGetBool(value) ? "true" : "false";
	else if (column->type == FLOAT8OID || column->type == FLOAT4OID)
	{
		/* All digits, whatever the session's extra_float_digits. */
		if (column->type == FLOAT8OID)
			double_to_shortest_decimal_buf(DatumGetFloat8(value), digits);
		else
			float_to_shortest_decimal_buf(DatumGetFloat4(value), digits);
		text = digits;
	}
	else
		text = OutputFunctionCall(&column->output, value);
	length = (int) strlen(text);
	while (column->type == BPCHAROID && length > 0 && text[length - 1] == ' ')
		length--;
	while (low < high)
	{
		int middle = (low + high) / 2;
		const Level *level = &column->levels[middle];
		int order = compare_text(text, length, level->text, level->length);

		if (order == 0)
		{
			add_present(reader, level->term, 1);
			return;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
}

/*
 * The elements of an array.  False when one is missing, without defaults.
 */
static bool
add_elements(RowReader *reader, const TermColumn *column, Datum value, const double *defaults)
{
	ArrayType *array = DatumGetArrayTypeP(value);
	const bits8 *bitmap = ARR_NULLBITMAP(array);
	const char *next = ARR_DATA_PTR(array);
	int n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	bool complete = true;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("column \"%s\" has an array of %d dimensions, not one", column->name,
							   ARR_NDIM(array))));
	if (n != column->n)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("column \"%s\" has an array of %d elements, not %d", column->name, n,
							   column->n),
						errhint("A model takes arrays of one length, that of its fit.")));
	for (int i = 0; i < n && complete; i++)
	{
		int term = column->first + i;

		if (bitmap != NULL && !(bitmap[i / 8] & (1 << (i % 8))))
		{
			complete = defaults != NULL;
			if (complete)
				add_present(reader, term, defaults[term]);
			continue;
		}
		add_number(reader, column, term,
				   query_number(fetch_att(next, column->element_by_value, column->element_length),
								column->element));
		next = att_addlength_pointer(next, column->element_length, next);
		next = (const char *) att_align_nominal(next, column->element_align);
	}
	if ((Pointer) array != DatumGetPointer(value))
		pfree(array);
	return complete;
}

/*
 * Those ids of a sparse vector that are terms.
 */
static void
add_ids(RowReader *reader, const TermColumn *column, Datum value)
{
	SVec *v = DatumGetSVecP(value);
	SparseView terms = {.n = column->n, .ids64 = column->ids};
	SparseView row = svec_view(v);
	SparseCursor cursor = {0, 0};
	SparseMatch matches[SPARSE_MATCHES];
	int n;

	while ((n = sparse_next_matches(terms, row, &cursor, matches)) > 0)
		for (int i = 0; i < n; i++)
			add_present(reader, column->first + matches[i].a, row.weights[matches[i].b]);
	if ((Pointer) v != DatumGetPointer(value))
		pfree(v);
}

/*
 * List the terms of a row that can be other than 0.  A missing value has the
 * defaults of its terms, where there are defaults; false when there are none.
 */
static bool
read_row(RowReader *reader, HeapTupleHeader row, const double *defaults)
{
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(row), .t_data = row};

	if (reader->desc == NULL || HeapTupleHeaderGetTypeId(row) != reader->row_type ||
		HeapTupleHeaderGetTypMod(row) != reader->row_modifier)
		match_columns(reader, HeapTupleHeaderGetTypeId(row), HeapTupleHeaderGetTypMod(row));
	heap_deform_tuple(&tuple, reader->desc, reader->values, reader->nulls);
	reader->n_present = 0;
	for (int c = 0; c < reader->n_columns; c++)
	{
		TermColumn *column = &reader->columns[c];
		Datum value = reader->values[column->attribute];

		if (reader->nulls[column->attribute])
		{
			if (defaults == NULL)
				return false;
			for (int i = column->first; i < column->first + column->n; i++)
				add_present(reader, i, defaults[i]);
		}
		else if (column->levels != NULL)
			add_level(reader, column, value);
		else if (column->ids == NULL)
			add_number(reader, column, column->first, query_number(value, column->type));
		else if (OidIsValid(column->element))
		{
			if (!add_elements(reader, column, value, defaults))
				return false;
		}
		else
			add_ids(reader, column, value);
	}
	return true;
}

/*
 * The score of the row that was read by one vector of weights.
 */
static double
weigh(const RowReader *reader, double intercept, const double *weights)
{
	for (int i = 0; i < reader->n_present; i++)
		intercept += weights[reader->present[i]] * reader->x[i];
	return intercept;
}

/*
 * The elements of an array of n numbers, or NULL when it is empty.
 */
static const double *
numbers_argument(FunctionCallInfo fcinfo, int argument, int n, const char *name)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(argument);
	int length = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

	if (length == 0)
		return NULL;
	if (length != n || ARR_HASNULL(array))
		invalid_argument("%s are %d numbers, not %d without null", name, length, n);
	return (const double *) ARR_DATA_PTR(array);
}

/*
 * row_features(columns text[], levels text[], subscripts bigint[], defaults double
 * precision[], row anyelement): NULL when a value is missing and there are no defaults.
 */
PG_FUNCTION_INFO_V1(socrec_row_features);
Datum
socrec_row_features(PG_FUNCTION_ARGS)
{
	RowReader *reader = get_reader(fcinfo, 0);
	const double *defaults = numbers_argument(fcinfo, 3, reader->n, "defaults");
	ArrayType *result;

	if (!read_row(reader, PG_GETARG_HEAPTUPLEHEADER(4), defaults))
		PG_RETURN_NULL();
	result = array_of_zeros(reader->n, FLOAT8OID, sizeof(float8));
	for (int i = 0; i < reader->n_present; i++)
		((double *) ARR_DATA_PTR(result))[reader->present[i]] = reader->x[i];
	PG_RETURN_ARRAYTYPE_P(result);
}

/*
 * row_score(intercept double precision, columns text[], levels text[], subscripts
 * bigint[], weights double precision[], defaults double precision[], row anyelement):
 * intercept plus the sum of weight times feature.
 */
PG_FUNCTION_INFO_V1(socrec_row_score);
Datum
socrec_row_score(PG_FUNCTION_ARGS)
{
	RowReader *reader = get_reader(fcinfo, 1);
	const double *weights = numbers_argument(fcinfo, 4, reader->n, "weights");
	const double *defaults = numbers_argument(fcinfo, 5, reader->n, "defaults");

	if (weights == NULL && reader->n > 0)
		invalid_argument("weights are missing");
	if (!read_row(reader, PG_GETARG_HEAPTUPLEHEADER(6), defaults))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(weigh(reader, PG_GETARG_FLOAT8(0), weights));
}

/*
 * row_scores(intercepts double precision[], columns text[], levels text[], subscripts
 * bigint[], weights double precision[], defaults double precision[], row anyelement): as
 * row_score for several classes, whose weights follow each other.
 */
PG_FUNCTION_INFO_V1(socrec_row_scores);
Datum
socrec_row_scores(PG_FUNCTION_ARGS)
{
	RowReader *reader = get_reader(fcinfo, 1);
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	int m = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	const double *intercepts = numbers_argument(fcinfo, 0, m, "intercepts");
	const double *weights = numbers_argument(fcinfo, 4, m * reader->n, "weights");
	const double *defaults = numbers_argument(fcinfo, 5, reader->n, "defaults");
	ArrayType *result;
	double *scores;

	if (m == 0 || (weights == NULL && reader->n > 0))
		invalid_argument("weights are missing");
	if (!read_row(reader, PG_GETARG_HEAPTUPLEHEADER(6), defaults))
		PG_RETURN_NULL();
	result = array_of_zeros(m, FLOAT8OID, sizeof(float8));
	scores = (double *) ARR_DATA_PTR(result);
	for (int k = 0; k < m; k++)
		scores[k] = weigh(reader, intercepts[k], weights + (Size) k * reader->n);
	PG_RETURN_ARRAYTYPE_P(result);
}

/*
 * Transition of feature_means: (state, features).  The state is sums and then counts;
 * a NaN, which is what a missing value has been made, is left out of them.
 */
PG_FUNCTION_INFO_V1(socrec_feature_means_accumulate);
Datum
socrec_feature_means_accumulate(PG_FUNCTION_ARGS)
{
	ArrayType *features;
	ArrayType *state;
	const double *x;
	double *sums;
	int n;

	if (PG_ARGISNULL(1))
		SUMS_RETURN_UNCHANGED();
	features = PG_GETARG_ARRAYTYPE_P(1);
	n = ArrayGetNItems(ARR_NDIM(features), ARR_DIMS(features));
	if (n == 0)
		invalid_argument("there are no features");
	x = sums_of(features, n);
	state = sums_for_update(fcinfo, 2 * n);
	sums = (double *) ARR_DATA_PTR(state);
	for (int i = 0; i < n; i++)
	{
		bool missing = isnan(x[i]);

		sums[i] += missing ? 0 : x[i];
		sums[n + i] += !missing;
	}
	PG_RETURN_ARRAYTYPE_P(state);
}

/*
 * Final function of feature_means.  A feature that is always missing has 0.
 */
PG_FUNCTION_INFO_V1(socrec_feature_means_final);
Datum
socrec_feature_means_final(PG_FUNCTION_ARGS)
{
	ArrayType *state = PG_GETARG_ARRAYTYPE_P(0);
	int n = ArrayGetNItems(ARR_NDIM(state), ARR_DIMS(state)) / 2;
	const double *sums = sums_of(state, 2 * n);
	ArrayType *means = array_of_zeros(n, FLOAT8OID, sizeof(float8));

	for (int i = 0; i < n; i++)
		((double *) ARR_DATA_PTR(means))[i] = sums[n + i] > 0 ? sums[i] / sums[n + i] : 0;
	PG_RETURN_ARRAYTYPE_P(means);
}

/*
 * most_probable(classes text[], scores double precision[]): the class with the
 * greatest score, the first of those.
 */
PG_FUNCTION_INFO_V1(socrec_most_probable);
Datum
socrec_most_probable(PG_FUNCTION_ARGS)
{
	ArrayType *classes = PG_GETARG_ARRAYTYPE_P(0);
	int n = ArrayGetNItems(ARR_NDIM(classes), ARR_DIMS(classes));
	const double *scores = numbers_argument(fcinfo, 1, n, "scores");
	int best = 0;
	Datum class;
	bool is_null;

	if (n == 0 || scores == NULL)
		PG_RETURN_NULL();
	for (int i = 1; i < n; i++)
		if (scores[i] > scores[best])
			best = i;
	best += ARR_LBOUND(classes)[0];
	class = array_get_element(PG_GETARG_DATUM(0), 1, &best, -1, -1, false, TYPALIGN_INT, &is_null);
	if (is_null)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(class);
}
