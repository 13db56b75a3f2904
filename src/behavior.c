/*
 * behavior.c
 *		A pass of a regression as one aggregate query, and logistic_regression().
 *
 * A contribution is what a row adds to the sums of a pass, as an array: how many
 * vectors and columns there are, how many blocks, weight and loss; then rows, each of
 * the factors of its vectors, those of its blocks, and its columns.  The
 * aggregate's state is the sums alone, so that combine_sums adds them up.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "distribution.h"
#include "regression_data.h"
#include "regression_run.h"
#include "socrec.h"
#include "sums.h"

/* Sums of a state, at most: 400 MB. */
#define MAX_SUMS (50 * 1024 * 1024)

/* Where the parts of a contribution are. */
enum
{
	ADDS_M,
	ADDS_P,
	ADDS_BLOCKS,
	ADDS_WEIGHT,
	ADDS_LOSS,
	ADDS_ROWS
};

/* And those of the parameters of a pass; then theta, means and scales. */
enum
{
	PARAMETER_FAMILY,
	PARAMETER_PART,
	PARAMETER_M,
	PARAMETER_P,
	PARAMETER_THETA
};

/* The parameters of a pass, as the rows of a query share them. */
typedef struct Pass
{
	RegressionShape shape;
	RegressionPart part;
	const double *theta;
	const double *mean;
	const double *scale;
	RegressionTerms terms; /* memory for a choice set */
	RegressionRow *rows;
	double *x;
	int32 room;            /* alternatives that there is memory for */
	ArrayType *parameters; /* what all this was read from */
} Pass;

/*
 * The numbers of an array of so many dimensions.
 */
static double *
array_numbers(ArrayType *array, int dimensions, const char *name)
{
	if (ARR_NDIM(array) != dimensions || ARR_HASNULL(array) || ARR_ELEMTYPE(array) != FLOAT8OID)
		invalid_argument("%s is not an array of numbers with %d dimensions and no nulls", name,
						 dimensions);
	return (double *) ARR_DATA_PTR(array);
}

static void
not_finite(const char *what, double value)
{
	ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					errmsg("%s %g is not a finite number%s", what, value,
						   isfinite(value) ? " of at least 0" : ""),
					errhint("Leave such rows out in the query, or make the value null.")));
}

/*
 * The parameters, which are read once for all rows unless they differ.
 */
static Pass *
get_pass(FunctionCallInfo fcinfo)
{
	Pass *pass = fcinfo->flinfo->fn_extra;
	MemoryContext context = fcinfo->flinfo->fn_mcxt;
	ArrayType *array;
	double *numbers;
	int32 m, p;

	if (pass != NULL && get_fn_expr_arg_stable(fcinfo->flinfo, 0))
		return pass;
	array = PG_GETARG_ARRAYTYPE_P(0);
	if (pass != NULL && VARSIZE(array) == VARSIZE(pass->parameters) &&
		memcmp(array, pass->parameters, VARSIZE(array)) == 0)
		return pass;
	fcinfo->flinfo->fn_extra = NULL;
	pass = MemoryContextAllocZero(context, sizeof(Pass));
	pass->parameters = MemoryContextAlloc(context, VARSIZE(array));
	memcpy(pass->parameters, array, VARSIZE(array));
	array = pass->parameters;
	numbers = array_numbers(array, 1, "parameters");
	if (ARR_DIMS(array)[0] < PARAMETER_THETA)
		invalid_argument("parameters are incomplete");
	m = (int32) numbers[PARAMETER_M];
	p = (int32) numbers[PARAMETER_P];
	pass->shape = (RegressionShape){(RegressionFamily) numbers[PARAMETER_FAMILY], m, p};
	pass->part = (RegressionPart) numbers[PARAMETER_PART];
	if (m < 1 || m > REGRESSION_MAX_CLASSES || p < 1 || pass->shape.family < REGRESSION_LOGISTIC ||
		pass->shape.family > REGRESSION_SYMMETRIC || pass->part < REGRESSION_GRADIENT ||
		pass->part > REGRESSION_PLAIN ||
		(m != 1 && pass->shape.family != REGRESSION_MULTINOMIAL &&
		 pass->shape.family != REGRESSION_SYMMETRIC) ||
		ARR_DIMS(array)[0] != PARAMETER_THETA + (int64) m * p + 2 * (int64) p)
		invalid_argument("parameters are not those of a regression");
	pass->theta = numbers + PARAMETER_THETA;
	pass->mean = pass->theta + (Size) m * p;
	pass->scale = pass->mean + p;
	fcinfo->flinfo->fn_extra = pass;
	return pass;
}

static void
scale_columns(const Pass *pass, const double *from, double *to)
{
	for (int32 j = 0; j < pass->shape.p; j++)
	{
		to[j] = (from[j] - pass->mean[j]) * pass->scale[j];
		if (!isfinite(to[j]))
			not_finite("feature", from[j]);
	}
}

static void
write_header(double *numbers, const Pass *pass, int32 blocks, double weight, double loss)
{
	numbers[ADDS_M] = pass->shape.m;
	numbers[ADDS_P] = pass->shape.p;
	numbers[ADDS_BLOCKS] = blocks;
	numbers[ADDS_WEIGHT] = weight;
	numbers[ADDS_LOSS] = loss;
}

/*
 * A row with what it weighs and its offset, and memory for its columns.
 */
static RegressionRow
checked_row(double y, double weight, double offset, const double *x)
{
	if (!isfinite(y))
		not_finite("y", y);
	if (!isfinite(weight) || weight < 0)
		not_finite("weight", weight);
	if (!isfinite(offset))
		not_finite("offset", offset);
	return (RegressionRow){y, weight, offset, x};
}

/*
 * regression_contribution(parameters double precision[], y double precision,
 * x double precision[], weight double precision, "offset" double precision)
 */
PG_FUNCTION_INFO_V1(socrec_regression_contribution);
Datum
socrec_regression_contribution(PG_FUNCTION_ARGS)
{
	Pass *pass = get_pass(fcinfo);
	int32 m = pass->shape.m;
	int32 p = pass->shape.p;
	int32 blocks = regression_part_blocks(pass->part, m);
	ArrayType *columns = PG_GETARG_ARRAYTYPE_P(2);
	const double *from = array_numbers(columns, 1, "x");
	ArrayType *result = array_of_zeros(ADDS_ROWS + m + blocks + p, FLOAT8OID, sizeof(float8));
	double *numbers = (double *) ARR_DATA_PTR(result);
	double *x = numbers + ADDS_ROWS + m + blocks;
	RegressionRow row =
		checked_row(PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(3), PG_GETARG_FLOAT8(4), x);

	if (ARR_DIMS(columns)[0] != p)
		invalid_argument("x has %d elements, not %d", ARR_DIMS(columns)[0], p);
	scale_columns(pass, from, x);
	write_header(numbers, pass, blocks, row.weight, 0);
	numbers[ADDS_LOSS] = regression_row(&pass->shape, pass->part, pass->theta, &row,
										numbers + ADDS_ROWS, numbers + ADDS_ROWS + m);
	PG_RETURN_ARRAYTYPE_P(result);
}

/*
 * Memory for a choice set of n alternatives.
 */
static void
reserve(Pass *pass, MemoryContext context, int32 n)
{
	Size columns = mul_size(mul_size(n, pass->shape.p), sizeof(double));

	if (n <= pass->room)
		return;
	pass->room = n;
	pass->rows = MemoryContextAlloc(context, n * sizeof(RegressionRow));
	pass->x = MemoryContextAllocHuge(context, columns);
	pass->terms.x = MemoryContextAllocHuge(context, columns);
	pass->terms.first = MemoryContextAlloc(context, n * sizeof(double));
	pass->terms.second = MemoryContextAlloc(context, n * sizeof(double));
}

/*
 * choice_contribution(parameters double precision[], y double precision[],
 * x double precision[][], weight double precision[], "offset" double precision[])
 * of the alternatives of a choice set; NULL when nothing was chosen.
 */
PG_FUNCTION_INFO_V1(socrec_choice_contribution);
Datum
socrec_choice_contribution(PG_FUNCTION_ARGS)
{
	Pass *pass = get_pass(fcinfo);
	int32 p = pass->shape.p;
	int32 blocks = regression_part_blocks(pass->part, 1);
	ArrayType *y = PG_GETARG_ARRAYTYPE_P(1);
	ArrayType *x = PG_GETARG_ARRAYTYPE_P(2);
	ArrayType *weight = PG_GETARG_ARRAYTYPE_P(3);
	ArrayType *offset = PG_GETARG_ARRAYTYPE_P(4);
	const double *chosen = array_numbers(y, 1, "y");
	const double *columns = array_numbers(x, 2, "x");
	const double *weights = array_numbers(weight, 1, "weight");
	const double *offsets = array_numbers(offset, 1, "offset");
	int32 n = ARR_DIMS(y)[0];
	int32 added;
	ArrayType *result;
	double *next;

	if (ARR_DIMS(x)[0] != n || ARR_DIMS(x)[1] != p || ARR_DIMS(weight)[0] != n ||
		ARR_DIMS(offset)[0] != n || pass->shape.m != 1)
		invalid_argument("the arrays of a choice set are not all of %d alternatives", n);
	reserve(pass, fcinfo->flinfo->fn_mcxt, n);
	for (int32 i = 0; i < n; i++)
	{
		double *to = pass->x + (Size) i * p;

		scale_columns(pass, columns + (Size) i * p, to);
		pass->rows[i] = checked_row(chosen[i], weights[i], offsets[i], to);
	}
	added = regression_choice_set(pass->part, pass->theta, p, pass->rows, n, &pass->terms);
	if (added < 0)
		regression_set_error();
	if (added == 0)
		PG_RETURN_NULL();
	result = array_of_zeros(ADDS_ROWS + added * (1 + blocks + p), FLOAT8OID, sizeof(float8));
	next = (double *) ARR_DATA_PTR(result);
	write_header(next, pass, blocks, pass->terms.weight, pass->terms.loss);
	next += ADDS_ROWS;
	for (int32 i = 0; i < added; i++, next += p)
	{
		*next++ = pass->terms.first[i];
		if (blocks > 0)
			*next++ = pass->terms.second[i];
		memcpy(next, pass->terms.x + (Size) i * p, p * sizeof(double));
	}
	PG_RETURN_ARRAYTYPE_P(result);
}

/*
 * cluster_contribution(sums double precision[]): the sums of a pass over a
 * cluster, of which its score becomes one row.
 */
PG_FUNCTION_INFO_V1(socrec_cluster_contribution);
Datum
socrec_cluster_contribution(PG_FUNCTION_ARGS)
{
	ArrayType *state = PG_GETARG_ARRAYTYPE_P(0);
	const double *sums = array_numbers(state, 1, "sums");
	int32 q = ARR_DIMS(state)[0] - SUM_GRADIENT;
	Pass pass = {.shape = {REGRESSION_LOGISTIC, 1, q}};
	ArrayType *result;
	double *numbers;

	if (q < 1)
		invalid_argument("sums are not those of a pass");
	result = array_of_zeros(ADDS_ROWS + 2 + q, FLOAT8OID, sizeof(float8));
	numbers = (double *) ARR_DATA_PTR(result);
	write_header(numbers, &pass, 1, sums[SUM_WEIGHT], 0);
	numbers[ADDS_ROWS] = numbers[ADDS_ROWS + 1] = 1;
	memcpy(numbers + ADDS_ROWS + 2, sums + SUM_GRADIENT, q * sizeof(double));
	PG_RETURN_ARRAYTYPE_P(result);
}

/*
 * Transition of regression_sums: (state, contribution).  A NULL adds nothing.
 */
PG_FUNCTION_INFO_V1(socrec_regression_accumulate);
Datum
socrec_regression_accumulate(PG_FUNCTION_ARGS)
{
	ArrayType *contribution;
	ArrayType *state;
	const double *numbers;
	double *sums;
	int32 m, p, blocks, width, n;

	if (PG_ARGISNULL(1))
		SUMS_RETURN_UNCHANGED();
	contribution = PG_GETARG_ARRAYTYPE_P(1);
	numbers = array_numbers(contribution, 1, "contribution");
	n = ARR_DIMS(contribution)[0] - ADDS_ROWS;
	m = n > 0 ? (int32) numbers[ADDS_M] : 0;
	p = n > 0 ? (int32) numbers[ADDS_P] : 0;
	blocks = n > 0 ? (int32) numbers[ADDS_BLOCKS] : 0;
	if (m < 1 || p < 1 || m > REGRESSION_MAX_CLASSES || p > MAX_SUMS ||
		(blocks != 0 && blocks != regression_blocks(m)) || n % (width = m + blocks + p) != 0)
		invalid_argument("contribution is not one of a regression");
	if (regression_sums(m, p, blocks) > MAX_SUMS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%d columns for each of %d classes are too many for this solver", p, m)));
	state = sums_for_update(fcinfo, (int) regression_sums(m, p, blocks));
	sums = (double *) ARR_DATA_PTR(state);
	sums[SUM_ROWS] += 1;
	sums[SUM_WEIGHT] += numbers[ADDS_WEIGHT];
	sums[SUM_LOSS] += numbers[ADDS_LOSS];
	for (int32 i = 0; i < n; i += width)
	{
		const double *row = numbers + ADDS_ROWS + i;

		regression_add(sums, m, p, blocks, row + m + blocks, row, row + m, 1);
	}
	PG_RETURN_ARRAYTYPE_P(state);
}

/* State of logistic_regression: all rows. */
typedef struct Rows
{
	Budget budget;
	RegressionData data;
	double l2;
} Rows;

static Rows *
start_rows(MemoryContext context, int32 p, double l2)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	Rows *rows = palloc0(sizeof(Rows));

	budget_init(&rows->budget, "logistic_regression");
	rows->data.budget = &rows->budget;
	rows->data.shape = (RegressionShape){REGRESSION_LOGISTIC, 1, p + 1};
	rows->data.has_weight = true;
	rows->l2 = l2;
	MemoryContextSwitchTo(old);
	return rows;
}

/*
 * Transition of logistic_regression: (state, y, x [, weight, l2]).  A row with a
 * NULL is skipped.
 */
PG_FUNCTION_INFO_V1(socrec_logistic_regression_accumulate);
Datum
socrec_logistic_regression_accumulate(PG_FUNCTION_ARGS)
{
	Rows *rows = PG_ARGISNULL(0) ? NULL : (Rows *) PG_GETARG_POINTER(0);
	MemoryContext context;
	ArrayType *array;
	const double *from;
	double *x;
	double weight = 1;
	double l2 = 0;
	int32 p;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "aggregate function called in non-aggregate context");
	if (PG_NARGS() > 3)
	{
		if (PG_ARGISNULL(4) || !((l2 = PG_GETARG_FLOAT8(4)) >= 0 && isfinite(l2)))
			invalid_argument("l2 must be a number of at least 0");
		weight = PG_ARGISNULL(3) ? 0 : PG_GETARG_FLOAT8(3);
		if (!(weight >= 0 && isfinite(weight)))
			invalid_argument("weight %g is not a number of at least 0", weight);
	}
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || weight == 0)
	{
		if (rows == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(rows);
	}
	array = PG_GETARG_ARRAYTYPE_P(2);
	if (ARR_HASNULL(array))
	{
		if (rows == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(rows);
	}
	/* Without columns it is the share of y. */
	p = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	from = p == 0 ? NULL : array_numbers(array, 1, "x");
	if (rows == NULL)
		rows = start_rows(context, p, l2);
	if (p != rows->data.shape.p - 1)
		invalid_argument("x has %d elements, not %d", p, rows->data.shape.p - 1);
	x = regression_data_add(&rows->data, PG_GETARG_BOOL(1), weight, 0, 0, 0);
	*x++ = 1;
	for (int32 j = 0; j < p; j++)
	{
		if (!isfinite(from[j]))
			not_finite("feature", from[j]);
		x[j] = from[j];
	}
	PG_RETURN_POINTER(rows);
}

/* The result of logistic_regression. */
enum
{
	FIT_INTERCEPT,
	FIT_WEIGHTS,
	FIT_INTERCEPT_ERROR,
	FIT_ERRORS,
	FIT_N,
	FIT_LOG_LIKELIHOOD,
	FIT_NULL_LOG_LIKELIHOOD,
	FIT_ITERATIONS,
	FIT_CONVERGED,
	N_FIT
};

/*
 * Final function of logistic_regression.  NULL without a row, or when y is the same
 * in all of them.
 */
PG_FUNCTION_INFO_V1(socrec_logistic_regression_final);
Datum
socrec_logistic_regression_final(PG_FUNCTION_ARGS)
{
	Rows *state = PG_ARGISNULL(0) ? NULL : (Rows *) PG_GETARG_POINTER(0);
	RegressionProblem problem = {.intercept = true, .max_iterations = 50, .tolerance = 1e-12};
	RegressionOptions options = {0};
	RegressionReport *report;
	RegressionData data;
	Budget budget;
	TupleDesc desc;
	Datum values[N_FIT];
	bool nulls[N_FIT] = {0};
	Size size;
	bool varies = false;

	for (int64 i = 1; state != NULL && i < state->data.n && !varies; i++)
		varies = state->data.y[i] != state->data.y[0];
	if (!varies)
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	/* A state may be asked again: what is scaled is a copy. */
	budget_part(&budget, &state->budget);
	data = state->data;
	data.budget = &budget;
	size = mul_size(data.n, data.shape.p);
	data.x = budget_alloc(&budget, size, sizeof(double), "rows");
	memcpy(data.x, state->data.x, size * sizeof(double));
	problem.shape = data.shape;
	problem.l2 = state->l2;
	problem.errors = data.shape.p <= REGRESSION_MAX_NEWTON;
	report = regression_data_run(&data, &problem, &options);
	for (int32 j = 0; j < data.shape.p; j++)
		if (report->state[j] == COLUMN_COLLINEAR)
			report->estimate[j] = NAN;

	values[FIT_INTERCEPT] = Float8GetDatum(report->estimate[0]);
	values[FIT_WEIGHTS] = array_of_numbers(report->estimate + 1, data.shape.p - 1);
	values[FIT_INTERCEPT_ERROR] = Float8GetDatum(report->error[0]);
	nulls[FIT_INTERCEPT_ERROR] = isnan(report->error[0]);
	values[FIT_ERRORS] = array_of_numbers(report->error + 1, data.shape.p - 1);
	values[FIT_N] = Int64GetDatum(report->n);
	values[FIT_LOG_LIKELIHOOD] = Float8GetDatum(-report->loss);
	values[FIT_NULL_LOG_LIKELIHOOD] = Float8GetDatum(-report->null_loss);
	values[FIT_ITERATIONS] = Int32GetDatum(report->iterations);
	values[FIT_CONVERGED] = BoolGetDatum(report->converged);
	MemoryContextDelete(budget.context);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * chi_square_p_value(chi_square double precision, degrees_of_freedom double precision)
 */
PG_FUNCTION_INFO_V1(socrec_chi_square_p_value);
Datum
socrec_chi_square_p_value(PG_FUNCTION_ARGS)
{
	float8 degrees = PG_GETARG_FLOAT8(1);

	if (!(degrees > 0 && isfinite(degrees)))
		invalid_argument("degrees of freedom %g are not a number greater than 0", degrees);
	if (isnan(PG_GETARG_FLOAT8(0)))
		invalid_argument("chi-square is not a number");
	PG_RETURN_FLOAT8(chi_square_tail(PG_GETARG_FLOAT8(0), degrees));
}
