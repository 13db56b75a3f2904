/*
 * behavior_fit.c
 *		socrec.fit_regression(): a regression over the rows of a query.
 *
 * The rows are read into memory once and passed over there; or every pass is one
 * aggregate query, which reads them where they are.  Both give the same.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "behavior_fit.h"
#include "query.h"
#include "socrec.h"

/* The arguments' positions. */
enum
{
	ARG_QUERY,
	ARG_FEATURES,
	ARG_FAMILY,
	ARG_CLASSES,
	ARG_INTERCEPT,
	ARG_HAS_WEIGHT,
	ARG_HAS_OFFSET,
	ARG_L1,
	ARG_L2,
	ARG_STANDARDIZE,
	ARG_PATH,
	ARG_ERRORS,
	ARG_MAX_ITERATIONS,
	ARG_TOLERANCE,
	ARG_EXECUTION,
	ARG_EXPECTED_ROWS,
	ARG_SHARDED
};

/* Columns of the result. */
enum
{
	FIT_ESTIMATES,
	FIT_ERRORS,
	FIT_STATES,
	FIT_MEANS,
	FIT_DEVIATIONS,
	FIT_N,
	FIT_LOG_LIKELIHOOD,
	FIT_NULL_LOG_LIKELIHOOD,
	FIT_ITERATIONS,
	FIT_PASSES,
	FIT_CONVERGED,
	FIT_GRADIENT_NORM,
	FIT_CONDITION,
	FIT_EXECUTION,
	FIT_PATH_L1,
	FIT_PATH_LOG_LIKELIHOOD,
	FIT_PATH_ESTIMATES,
	N_FIT
};

/* The words of argument execution, in their order. */
enum
{
	IN_MEMORY,
	IN_QUERIES,
	WHERE_IT_FITS
};

#define MAX_FEATURES 1000000

/* Coefficients that an l1 penalty or standard errors take: their matrix has 128 MB. */
#define MAX_MATRIX 4000

/* Passes by queries. */
typedef struct QueryPasses
{
	RegressionShape shape;
	Budget *budget;
	const char *plain;   /* text of the query of a pass over single rows */
	const char *one;     /* and of that for the likelihood, which may be over choice sets */
	const char *cluster; /* and of that over clusters */
	double *center;      /* what is taken off columns, and what they are multiplied by */
	double *scale;
} QueryPasses;

/*
 * The columns of a query, which is analyzed but not run.
 */
TupleDesc
regression_describe(const char *query)
{
	TupleDesc desc = query_describe(query);

	for (int i = 0; i <= QUERY_OFFSET; i++)
		if (desc->natts <= QUERY_FEATURES || TupleDescAttr(desc, i)->atttypid != FLOAT8OID)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("the query of a regression returns y, weight and offset of type "
							"double precision, choice set or shard, cluster, and features")));
	return desc;
}

/*
 * A query as a source whose columns are called c1, c2 ....
 */
char *
regression_from(const char *query, int columns)
{
	StringInfoData from;

	initStringInfo(&from);
	appendStringInfo(&from, "FROM (%s\n) q (c1", query);
	for (int j = 2; j <= columns; j++)
		appendStringInfo(&from, ", c%d", j);
	appendStringInfoChar(&from, ')');
	return from.data;
}

/*
 * The query of sums over contributions; a shard's first, where there are such.
 */
static char *
write_sums(const char *contribution, const char *from, bool sharded)
{
	char *sums = psprintf("SELECT socrec.regression_sums(%s) AS s %s", contribution, from);

	if (sharded)
		return psprintf("SELECT socrec.merge_sums(s.s) FROM (%s GROUP BY c4) s", sums);
	return sums;
}

/*
 * The queries of passes: parameters are $1.  The features are written as one array.
 */
static void
write_queries(QueryPasses *passes, const char *query, bool intercept, bool sharded)
{
	TupleDesc desc = regression_describe(query);
	StringInfoData features;
	const char *from = regression_from(query, desc->natts);
	const char *call;

	initStringInfo(&features);
	if (TupleDescAttr(desc, desc->natts - 1)->atttypid == FLOAT8ARRAYOID)
		appendStringInfo(&features, intercept ? "pg_catalog.array_prepend(1::float8, c%d)" : "c%d",
						 QUERY_FEATURES + 1);
	else
	{
		appendStringInfo(&features, "ARRAY[%s", intercept ? "1" : "");
		for (int j = QUERY_FEATURES + 1; j <= desc->natts; j++)
			appendStringInfo(&features, "%sc%d", j > QUERY_FEATURES + 1 || intercept ? ", " : "",
							 j);
		appendStringInfoString(&features, "]::float8[]");
	}
	call = psprintf("socrec.regression_contribution($1, c1, %s, c2, c3)", features.data);
	passes->plain = write_sums(call, from, sharded);
	if (passes->shape.family == REGRESSION_CONDITIONAL)
	{
		from = psprintf("FROM (SELECT pg_catalog.array_agg(c1) AS y, pg_catalog.array_agg(%s) "
						"AS x, pg_catalog.array_agg(c2) AS w, pg_catalog.array_agg(c3) AS o, "
						"c5 %s GROUP BY c4, c5) s",
						features.data, from);
		call = "socrec.choice_contribution($1, s.y, s.x, s.w, s.o)";
	}
	passes->one = write_sums(call, from, sharded);
	passes->cluster = psprintf("SELECT socrec.regression_sums(socrec.cluster_contribution(s.s)) "
							   "FROM (SELECT socrec.regression_sums(%s) AS s %s GROUP BY c5) s",
							   call, from);
}

/*
 * Run the query of a pass at theta; result has room for n sums.
 */
static void
run_pass(QueryPasses *passes, const char *query, const double *theta, RegressionPart part,
		 double *result, Size n)
{
	int32 p = passes->shape.p;
	Size q = (Size) passes->shape.m * p;
	ParamListInfo parameters = makeParamList(1);
	SPIExecuteOptions options = {.read_only = true, .params = parameters};
	ArrayType *array = array_of_zeros((int) (4 + q + 2 * p), FLOAT8OID, sizeof(float8));
	double *next = (double *) ARR_DATA_PTR(array);
	bool null;
	ArrayType *sums;

	*next++ = passes->shape.family;
	*next++ = part;
	*next++ = passes->shape.m;
	*next++ = p;
	memcpy(next, theta, q * sizeof(double));
	memcpy(next += q, passes->center, p * sizeof(double));
	memcpy(next += p, passes->scale, p * sizeof(double));
	parameters->params[0] = (ParamExternData){
		.value = PointerGetDatum(array), .pflags = PARAM_FLAG_CONST, .ptype = FLOAT8ARRAYOID};

	SPI_connect();
	if (SPI_execute_extended(query, &options) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "query of a pass failed");
	sums = (ArrayType *) PG_DETOAST_DATUM_COPY(
		SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
	if (null)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errmsg("there are no rows to fit")));
	if (ARR_NDIM(sums) != 1 || ARR_DIMS(sums)[0] != n)
		elog(ERROR, "a pass returns %d sums, not %zu",
			 ArrayGetNItems(ARR_NDIM(sums), ARR_DIMS(sums)), n);
	memcpy(result, ARR_DATA_PTR(sums), n * sizeof(double));
	SPI_finish();
	pfree(array);
}

static void
query_pass(void *argument, const double *theta, RegressionPart part, double *sums)
{
	QueryPasses *passes = argument;
	int32 m = passes->shape.m;

	run_pass(passes, passes->one, theta, part, sums,
			 regression_sums(m, passes->shape.p, regression_part_blocks(part, m)));
}

static int64
query_clusters(void *argument, const double *theta, double *sums)
{
	QueryPasses *passes = argument;

	run_pass(passes, passes->cluster, theta, REGRESSION_GRADIENT, sums,
			 regression_sums(1, passes->shape.m * passes->shape.p, 1));
	return (int64) sums[SUM_ROWS];
}

static void
query_standardize(void *argument, const double *mean, const double *scale)
{
	QueryPasses *passes = argument;

	memcpy(passes->center, mean, passes->shape.p * sizeof(double));
	memcpy(passes->scale, scale, passes->shape.p * sizeof(double));
}

/*
 * Means and mean squared deviations by a pass over rows as they are; where too many
 * digits are lost in the difference of squares, by a second one over rows less
 * their means.
 */
static void
query_moments(void *argument, double *mean, double *square)
{
	QueryPasses *passes = argument;
	RegressionShape shape = passes->shape;
	int32 p = shape.p;
	Size n = regression_sums(1, p, 1);
	double *sums = budget_alloc(passes->budget, n, sizeof(double), "the sums of a pass");
	double *theta = palloc0(p * sizeof(double));
	bool exact = false;

	passes->shape = (RegressionShape){REGRESSION_LOGISTIC, 1, p};
	for (int32 j = 0; j < p; j++)
	{
		passes->center[j] = mean[j] = 0;
		passes->scale[j] = 1;
	}
	for (int round = 0; round < 2 && !exact; round++)
	{
		const double *block = sums + SUM_GRADIENT + p;

		run_pass(passes, passes->plain, theta, REGRESSION_PLAIN, sums, n);
		exact = true;
		for (int32 j = 0; j < p; j++)
		{
			double change = sums[SUM_GRADIENT + j] / sums[SUM_WEIGHT];

			/* On the diagonal. */
			block += j;
			square[j] = fmax(*block++ / sums[SUM_WEIGHT] - change * change, 0);
			mean[j] += change;
			passes->center[j] = mean[j];
			exact = exact && (square[j] > 1e-6 * mean[j] * mean[j] || mean[j] == 0);
		}
	}
	passes->shape = shape;
	pfree(theta);
}

/*
 * Which standard errors: those that cost little, unless others are asked for.
 */
static void
read_errors(FunctionCallInfo fcinfo, RegressionProblem *problem, RegressionOptions *options)
{
	static const char *const words[] = {"model", "robust", "cluster", "none", "auto", NULL};
	int64 q = (int64) problem->shape.m * problem->shape.p;
	int word = choice_argument("kind of standard errors",
							   text_to_cstring(PG_GETARG_TEXT_PP(ARG_ERRORS)), words);

	if (word > ERRORS_NONE)
		word = q > REGRESSION_MAX_NEWTON ? ERRORS_NONE : ERRORS_MODEL;
	options->errors = word;
	problem->errors = problem->l1 == 0 && word != ERRORS_NONE;
	if (problem->errors && q > MAX_MATRIX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg(INT64_FORMAT
							   " coefficients are too many for standard errors, which take %d",
							   q, MAX_MATRIX),
						errhint("Use option \"std_errors\": \"none\".")));
}

/*
 * The problem and its options, as the arguments say.
 */
static void
read_arguments(FunctionCallInfo fcinfo, RegressionProblem *problem, RegressionOptions *options)
{
	static const char *const families[] = {"logistic", "multinomial", "conditional", NULL};
	int32 features = PG_GETARG_INT32(ARG_FEATURES);
	int32 classes = PG_GETARG_INT32(ARG_CLASSES);

	problem->shape.family =
		choice_argument("family", text_to_cstring(PG_GETARG_TEXT_PP(ARG_FAMILY)), families);
	problem->shape.m = problem->shape.family == REGRESSION_MULTINOMIAL ? classes - 1 : 1;
	if (problem->shape.m < 1 || classes > REGRESSION_MAX_CLASSES)
		invalid_argument("a target of %d classes is not between 2 and %d", classes,
						 REGRESSION_MAX_CLASSES);
	problem->intercept =
		PG_GETARG_BOOL(ARG_INTERCEPT) && problem->shape.family != REGRESSION_CONDITIONAL;
	problem->shape.p = features + problem->intercept;
	if (features < 0 || problem->shape.p < 1 || features > MAX_FEATURES)
		invalid_argument("%d features are not between 1 and %d", features, MAX_FEATURES);
	problem->offsets = PG_GETARG_BOOL(ARG_HAS_OFFSET);
	problem->l1 = PG_GETARG_FLOAT8(ARG_L1);
	problem->l2 = PG_GETARG_FLOAT8(ARG_L2);
	if (!(problem->l1 >= 0 && problem->l2 >= 0 && isfinite(problem->l1 + problem->l2)))
		invalid_argument("penalties l1 %g and l2 %g must be at least 0", problem->l1, problem->l2);
	/* Sparse are the coefficients of each class, not what they differ by from a reference. */
	if (problem->l1 > 0 && problem->shape.family == REGRESSION_MULTINOMIAL)
		problem->shape = (RegressionShape){REGRESSION_SYMMETRIC, classes, problem->shape.p};
	if (problem->l1 > 0 && (int64) problem->shape.m * problem->shape.p > MAX_MATRIX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 problem->shape.m == 1
					 ? errmsg("%d columns are too many for an l1 penalty, which takes %d",
							  problem->shape.p, MAX_MATRIX)
					 : errmsg("%d columns for each of %d classes are too many for an l1 penalty, "
							  "which takes %d coefficients",
							  problem->shape.p, problem->shape.m, MAX_MATRIX),
				 errhint("Use option \"l2\", which takes any number.")));
	problem->max_iterations = PG_GETARG_INT32(ARG_MAX_ITERATIONS);
	problem->tolerance = PG_GETARG_FLOAT8(ARG_TOLERANCE);
	if (problem->max_iterations < 1 || !(problem->tolerance > 0))
		invalid_argument("max_iterations and tolerance must be greater than 0");
	options->standardize = PG_GETARG_BOOL(ARG_STANDARDIZE);
	options->path = PG_GETARG_INT32(ARG_PATH);
	if (options->path < 0 || options->path == 1 || options->path > 1000 ||
		(options->path > 0 && problem->l1 == 0))
		invalid_argument("a path has 2 to 1000 steps and a penalty l1, not %d steps",
						 options->path);
	read_errors(fcinfo, problem, options);
}

/*
 * The regression by queries.
 */
static RegressionReport *
run_queries(const char *query, Budget *budget, RegressionProblem *problem,
			const RegressionOptions *options, bool sharded)
{
	QueryPasses passes = {.budget = budget, .shape = problem->shape};
	RegressionSource source = {query_moments, query_standardize, query_pass, query_clusters,
							   &passes};

	passes.center = budget_alloc(budget, problem->shape.p, sizeof(double), "the sums of a pass");
	passes.scale = budget_alloc(budget, problem->shape.p, sizeof(double), "the sums of a pass");
	write_queries(&passes, query, problem->intercept, sharded);
	return regression_run(budget, problem, options, &source);
}

/*
 * The report as a row.
 */
static Datum
report_datum(FunctionCallInfo fcinfo, const RegressionProblem *problem,
			 const RegressionReport *report, const char *execution)
{
	Size q = (Size) problem->shape.m * problem->shape.p;
	TupleDesc desc;
	Datum values[N_FIT];
	bool nulls[N_FIT] = {0};
	Datum *states = palloc(q * sizeof(Datum));

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	for (Size i = 0; i < q; i++)
		states[i] = Int16GetDatum(report->state[i]);
	values[FIT_ESTIMATES] = array_of_numbers(report->estimate, q);
	values[FIT_ERRORS] = array_of_numbers(report->error, q);
	values[FIT_STATES] = PointerGetDatum(
		construct_array(states, (int) q, INT2OID, sizeof(int16), true, TYPALIGN_SHORT));
	values[FIT_MEANS] = array_of_numbers(report->mean, problem->shape.p);
	values[FIT_DEVIATIONS] = array_of_numbers(report->deviation, problem->shape.p);
	values[FIT_N] = Int64GetDatum(report->n);
	values[FIT_LOG_LIKELIHOOD] = Float8GetDatum(-report->loss);
	values[FIT_NULL_LOG_LIKELIHOOD] = Float8GetDatum(-report->null_loss);
	values[FIT_ITERATIONS] = Int32GetDatum(report->iterations);
	values[FIT_PASSES] = Int32GetDatum(report->passes);
	values[FIT_CONVERGED] = BoolGetDatum(report->converged);
	values[FIT_GRADIENT_NORM] = Float8GetDatum(report->gradient);
	values[FIT_CONDITION] = Float8GetDatum(report->condition);
	nulls[FIT_CONDITION] = isnan(report->condition);
	values[FIT_EXECUTION] = CStringGetTextDatum(execution);
	for (int i = FIT_PATH_L1; i < N_FIT; i++)
		nulls[i] = report->path == 0;
	if (report->path > 0)
	{
		double *likelihood = palloc(report->path * sizeof(double));

		for (int32 s = 0; s < report->path; s++)
			likelihood[s] = -report->path_loss[s];
		values[FIT_PATH_L1] = array_of_numbers(report->path_l1, report->path);
		values[FIT_PATH_LOG_LIKELIHOOD] = array_of_numbers(likelihood, report->path);
		values[FIT_PATH_ESTIMATES] = array_of_numbers(report->path_estimate, report->path * q);
	}
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/*
 * fit_regression(query text, ...): see sql/behavior.sql.
 */
PG_FUNCTION_INFO_V1(socrec_fit_regression);
Datum
socrec_fit_regression(PG_FUNCTION_ARGS)
{
	static const char *const executions[] = {"memory", "query", "auto", NULL};
	const char *query = text_to_cstring(PG_GETARG_TEXT_PP(ARG_QUERY));
	RegressionProblem problem = {0};
	RegressionOptions options = {0};
	int execution =
		choice_argument("execution", text_to_cstring(PG_GETARG_TEXT_PP(ARG_EXECUTION)), executions);
	int64 expected = PG_GETARG_INT64(ARG_EXPECTED_ROWS);
	Budget budget;
	RegressionData data = {.budget = &budget};
	RegressionReport *report = NULL;
	Datum result;

	read_arguments(fcinfo, &problem, &options);
	query_check(query);
	budget_init(&budget, "the regression");
	data.shape = problem.shape;
	data.has_weight = PG_GETARG_BOOL(ARG_HAS_WEIGHT);
	data.has_offset = problem.offsets;
	data.has_set = problem.shape.family == REGRESSION_CONDITIONAL;
	data.has_cluster = options.errors == ERRORS_CLUSTERS;
	if (execution != IN_QUERIES)
		report = regression_in_memory(query, &data, &problem, &options, expected,
									  execution == WHERE_IT_FITS);
	execution = report != NULL ? IN_MEMORY : IN_QUERIES;
	if (report == NULL)
		report = run_queries(query, &budget, &problem, &options,
							 PG_GETARG_BOOL(ARG_SHARDED) && !data.has_set);
	result = report_datum(fcinfo, &problem, report, executions[execution]);
	regression_data_free(&data);
	MemoryContextDelete(budget.context);
	PG_RETURN_DATUM(result);
}
