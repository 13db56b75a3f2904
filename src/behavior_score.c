/*
 * behavior_score.c
 *		The features of a row, whatever its type, by the names of its columns, and
 *		what a model says to them.
 *
 * A feature is a column of numbers or, with a level, whether a column has the value
 * that is written so.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "query.h"
#include "socrec.h"

/* Where a feature comes from. */
typedef struct Feature
{
	char *column;
	char *level; /* NULL: a number */
	int level_length;
	int attribute; /* place in the row, from 0 */
} Feature;

/* What is kept between rows. */
typedef struct RowReader
{
	MemoryContext context;   /* of everything here */
	ArrayType *arguments[2]; /* columns and levels that the features were made of */
	int n;
	Feature *features;
	Oid row_type;
	int32 row_modifier;
	TupleDesc desc;
	Oid *types;        /* of the row's columns, domains resolved */
	FmgrInfo *outputs; /* of columns with levels */
	Datum *values;     /* of the row at hand */
	bool *nulls;
} RowReader;

static bool
same_array(const ArrayType *a, const ArrayType *b)
{
	return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
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
 * A reader for the columns and levels that are the given arguments, made once
 * unless they differ.
 */
static RowReader *
get_reader(FunctionCallInfo fcinfo, int argument)
{
	RowReader *reader = fcinfo->flinfo->fn_extra;
	ArrayType *arrays[2];
	Datum *texts[2];
	bool *nulls[2];
	int n[2];
	MemoryContext old;

	if (reader != NULL && get_fn_expr_arg_stable(fcinfo->flinfo, argument) &&
		get_fn_expr_arg_stable(fcinfo->flinfo, argument + 1))
		return reader;
	if (reader == NULL)
		check_row(fcinfo);
	for (int i = 0; i < 2; i++)
		arrays[i] = PG_GETARG_ARRAYTYPE_P(argument + i);
	if (reader != NULL)
	{
		if (same_array(arrays[0], reader->arguments[0]) &&
			same_array(arrays[1], reader->arguments[1]))
			return reader;
		fcinfo->flinfo->fn_extra = NULL;
		MemoryContextDelete(reader->context);
	}
	old = MemoryContextSwitchTo(
		AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "socrec row reader", ALLOCSET_SMALL_SIZES));
	reader = palloc0(sizeof(RowReader));
	reader->context = CurrentMemoryContext;
	for (int i = 0; i < 2; i++)
	{
		reader->arguments[i] = (ArrayType *) palloc(VARSIZE(arrays[i]));
		memcpy(reader->arguments[i], arrays[i], VARSIZE(arrays[i]));
		deconstruct_array(arrays[i], TEXTOID, -1, false, TYPALIGN_INT, &texts[i], &nulls[i], &n[i]);
	}
	if (n[0] != n[1])
		invalid_argument("%d columns do not have %d levels", n[0], n[1]);
	reader->n = n[0];
	reader->features = palloc0(Max(n[0], 1) * sizeof(Feature));
	for (int i = 0; i < reader->n; i++)
	{
		if (nulls[0][i])
			invalid_argument("column %d is null", i + 1);
		reader->features[i].column = TextDatumGetCString(texts[0][i]);
		if (!nulls[1][i])
		{
			reader->features[i].level = TextDatumGetCString(texts[1][i]);
			reader->features[i].level_length = (int) strlen(reader->features[i].level);
		}
	}
	MemoryContextSwitchTo(old);
	fcinfo->flinfo->fn_extra = reader;
	return reader;
}

/*
 * Find the features in rows of a type.
 */
static void
match_columns(RowReader *reader, Oid type, int32 modifier)
{
	MemoryContext old = MemoryContextSwitchTo(reader->context);
	TupleDesc desc = lookup_rowtype_tupdesc_copy(type, modifier);

	reader->desc = desc;
	reader->types = palloc(desc->natts * sizeof(Oid));
	reader->outputs = palloc0(desc->natts * sizeof(FmgrInfo));
	reader->values = palloc(desc->natts * sizeof(Datum));
	reader->nulls = palloc(desc->natts * sizeof(bool));
	for (int a = 0; a < desc->natts; a++)
		reader->types[a] = getBaseType(TupleDescAttr(desc, a)->atttypid);
	for (int i = 0; i < reader->n; i++)
	{
		Feature *feature = &reader->features[i];
		int a = 0;

		while (a < desc->natts &&
			   (TupleDescAttr(desc, a)->attisdropped ||
				strcmp(NameStr(TupleDescAttr(desc, a)->attname), feature->column) != 0))
			a++;
		if (a == desc->natts)
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
							errmsg("the row has no column \"%s\"", feature->column),
							errhint("A row to score has the columns that the model was fitted on, "
									"by the same names.")));
		feature->attribute = a;
		if (feature->level == NULL && !query_is_number(reader->types[a]))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" is of type %s, not a number", feature->column,
							format_type_be(TupleDescAttr(desc, a)->atttypid)),
					 errhint("The model was fitted on numbers: cast the column, NULL as well.")));
		if (feature->level != NULL && reader->outputs[a].fn_oid == InvalidOid)
		{
			Oid output;
			bool is_varlena;

			getTypeOutputInfo(reader->types[a], &output, &is_varlena);
			fmgr_info_cxt(output, &reader->outputs[a], reader->context);
		}
	}
	reader->row_type = type;
	reader->row_modifier = modifier;
	MemoryContextSwitchTo(old);
}

/*
 * The value of a column as a cast to text gives it.
 */
static char *
value_text(RowReader *reader, int attribute, int *length)
{
	Oid type = reader->types[attribute];
	char *text;

	if (type == BOOLOID)
		text = DatumGetBool(reader->values[attribute]) ? "true" : "false";
	else
		text = OutputFunctionCall(&reader->outputs[attribute], reader->values[attribute]);
	*length = (int) strlen(text);
	while (type == BPCHAROID && *length > 0 && text[*length - 1] == ' ')
		(*length)--;
	return text;
}

/*
 * The features of a row, into x.  A missing value has the default, where there are
 * defaults; false when there are none.
 */
static bool
read_features(RowReader *reader, HeapTupleHeader row, const double *defaults, double *x)
{
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(row), .t_data = row};
	const char *text = NULL;
	int text_attribute = -1;
	int length = 0;

	if (reader->desc == NULL || HeapTupleHeaderGetTypeId(row) != reader->row_type ||
		HeapTupleHeaderGetTypMod(row) != reader->row_modifier)
		match_columns(reader, HeapTupleHeaderGetTypeId(row), HeapTupleHeaderGetTypMod(row));
	heap_deform_tuple(&tuple, reader->desc, reader->values, reader->nulls);
	for (int i = 0; i < reader->n; i++)
	{
		const Feature *feature = &reader->features[i];
		int a = feature->attribute;

		if (reader->nulls[a])
		{
			if (defaults == NULL)
				return false;
			x[i] = defaults[i];
		}
		else if (feature->level == NULL)
		{
			x[i] = query_number(reader->values[a], reader->types[a]);
			if (!isfinite(x[i]))
				ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
								errmsg("value %g of column \"%s\" is not a finite number", x[i],
									   feature->column)));
		}
		else
		{
			/* Levels of one column lie side by side. */
			if (text_attribute != a)
				text = value_text(reader, a, &length);
			text_attribute = a;
			x[i] = length == feature->level_length && memcmp(text, feature->level, length) == 0;
		}
	}
	return true;
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
 * row_features(columns text[], levels text[], defaults double precision[], row
 * anyelement): NULL when a value is missing and there are no defaults.
 */
PG_FUNCTION_INFO_V1(socrec_row_features);
Datum
socrec_row_features(PG_FUNCTION_ARGS)
{
	RowReader *reader = get_reader(fcinfo, 0);
	const double *defaults = numbers_argument(fcinfo, 2, reader->n, "defaults");
	double *x = palloc(Max(reader->n, 1) * sizeof(double));
	Datum *elements = palloc(Max(reader->n, 1) * sizeof(Datum));

	if (!read_features(reader, PG_GETARG_HEAPTUPLEHEADER(3), defaults, x))
		PG_RETURN_NULL();
	for (int i = 0; i < reader->n; i++)
		elements[i] = Float8GetDatum(x[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(elements, reader->n, FLOAT8OID, sizeof(float8),
										  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * row_score(intercept double precision, columns text[], levels text[], weights
 * double precision[], defaults double precision[], row anyelement): intercept plus
 * the sum of weight times feature.
 */
PG_FUNCTION_INFO_V1(socrec_row_score);
Datum
socrec_row_score(PG_FUNCTION_ARGS)
{
	RowReader *reader = get_reader(fcinfo, 1);
	const double *weights = numbers_argument(fcinfo, 3, reader->n, "weights");
	const double *defaults = numbers_argument(fcinfo, 4, reader->n, "defaults");
	double few[64];
	double *x = reader->n <= lengthof(few) ? few : palloc(reader->n * sizeof(double));
	double score = PG_GETARG_FLOAT8(0);

	if (weights == NULL && reader->n > 0)
		invalid_argument("weights are missing");
	if (!read_features(reader, PG_GETARG_HEAPTUPLEHEADER(5), defaults, x))
		PG_RETURN_NULL();
	for (int i = 0; i < reader->n; i++)
		score += weights[i] * x[i];
	PG_RETURN_FLOAT8(score);
}

/*
 * row_scores(intercepts double precision[], columns text[], levels text[], weights
 * double precision[], defaults double precision[], row anyelement): as row_score for
 * several classes, whose weights follow each other.
 */
PG_FUNCTION_INFO_V1(socrec_row_scores);
Datum
socrec_row_scores(PG_FUNCTION_ARGS)
{
	RowReader *reader = get_reader(fcinfo, 1);
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	int m = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	const double *intercepts = numbers_argument(fcinfo, 0, m, "intercepts");
	const double *weights = numbers_argument(fcinfo, 3, m * reader->n, "weights");
	const double *defaults = numbers_argument(fcinfo, 4, reader->n, "defaults");
	double *x = palloc(Max(reader->n, 1) * sizeof(double));
	Datum *scores = palloc(Max(m, 1) * sizeof(Datum));

	if (m == 0 || (weights == NULL && reader->n > 0))
		invalid_argument("weights are missing");
	if (!read_features(reader, PG_GETARG_HEAPTUPLEHEADER(5), defaults, x))
		PG_RETURN_NULL();
	for (int k = 0; k < m; k++)
	{
		double score = intercepts[k];

		for (int i = 0; i < reader->n; i++)
			score += weights[(Size) k * reader->n + i] * x[i];
		scores[k] = Float8GetDatum(score);
	}
	PG_RETURN_ARRAYTYPE_P(
		construct_array(scores, m, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}
