/*
 * segment.c
 *		socrec.kmeans(): clusters of the rows of a query.
 *
 * dense.c reads them, kmeans.c finds the clusters.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

#include "dense.h"
#include "kmeans.h"
#include "socrec.h"

#define MAX_CLUSTERS 10000
#define MAX_RUNS 10000
#define MAX_ITERATIONS 1000000
#define MAX_SAMPLE 50000

/* The arguments' positions; of the second only the type counts. */
enum
{
	ARG_QUERY,
	ARG_KEY_TYPE,
	ARG_K,
	ARG_SEED,
	ARG_RUNS,
	ARG_MAX_ITERATIONS,
	ARG_TOLERANCE,
	ARG_STANDARDIZE,
	ARG_NULLS,
	ARG_SILHOUETTE_SAMPLE
};

/* And the result's. */
enum
{
	COLUMN_KEY,
	COLUMN_CLUSTER,
	COLUMN_DISTANCE,
	COLUMN_SILHOUETTE,
	COLUMN_SIZE,
	COLUMN_INERTIA,
	COLUMN_CENTROID,
	COLUMN_Z_SCORE,
	COLUMN_STDDEV,
	COLUMN_IDS,
	N_COLUMNS
};

static double
uniform(void *state)
{
	return pg_prng_double(state);
}

static void
poll_server(void *progress)
{
	CHECK_FOR_INTERRUPTS();
	progress_report(progress, "clustering");
}

static int32
integer_argument(FunctionCallInfo fcinfo, int argument, const char *name, int32 least, int32 most)
{
	int32 value = PG_GETARG_INT32(argument);

	if (value < least || value > most)
		invalid_argument("%s must be between %d and %d, not %d", name, least, most, value);
	return value;
}

static KmeansWorkspace
make_workspace(Budget *budget, int32 n, int32 d, int32 k)
{
	return (KmeansWorkspace){
		.lanes = budget_alloc(budget, kmeans_lanes(k, d), sizeof(float), "centers"),
		.trials =
			budget_alloc(budget, kmeans_lanes(KMEANS_MAX_TRIALS, d), sizeof(float), "centers"),
		.sums = budget_alloc(budget, (Size) k * d, sizeof(double), "centers"),
		.center = budget_alloc(budget, (Size) k * d, sizeof(double), "centers"),
		.count = budget_alloc(budget, k, sizeof(int32), "centers"),
		.moved = budget_alloc(budget, k, sizeof(float), "centers"),
		.separation = budget_alloc(budget, k, sizeof(float), "centers"),
		.distance = budget_alloc(budget, kmeans_lanes(k, 1), sizeof(float), "centers"),
		.upper = budget_alloc(budget, n, sizeof(float), "bounds"),
		.lower = budget_alloc(budget, n, sizeof(float), "bounds"),
		.cluster = budget_alloc(budget, n, sizeof(int32), "bounds")};
}

static KmeansResult
make_result(Budget *budget, int32 n, int32 d, int32 k)
{
	return (KmeansResult){.cluster = budget_alloc(budget, n, sizeof(int32), "clusters"),
						  .distance = budget_alloc(budget, n, sizeof(float), "clusters"),
						  .center = budget_alloc(budget, (Size) k * d, sizeof(double), "centers"),
						  .size = budget_alloc(budget, k, sizeof(int32), "centers"),
						  .inertias = budget_alloc(budget, k, sizeof(double), "centers")};
}

/*
 * Silhouettes of up to m points drawn without replacement, by row; NaN for the
 * others.
 */
static double *
sample_silhouettes(Features *features, const KmeansPoints *points, const KmeansOptions *options,
				   const KmeansResult *result, int32 m)
{
	Budget *budget = &features->budget;
	int32 n = features->n;
	double *silhouette = budget_alloc(budget, n, sizeof(double), "silhouettes");
	int32 *sample = budget_alloc(budget, Min(m, n), sizeof(int32), "silhouettes");
	double *values = budget_alloc(budget, Min(m, n), sizeof(double), "silhouettes");
	double *sums = budget_alloc(budget, 2 * (Size) result->k, sizeof(double), "silhouettes");
	int32 drawn = 0;

	m = Min(m, n);
	for (int32 i = 0; i < n; i++)
	{
		silhouette[i] = NAN;
		/* Knuth's algorithm S: each subset is as likely. */
		if (options->uniform(options->uniform_argument) * (n - i) < m - drawn)
			sample[drawn++] = i;
	}
	kmeans_silhouette(points, sample, drawn, result->cluster, result->k, sums, options, values);
	for (int32 i = 0; i < drawn; i++)
		silhouette[sample[i]] = values[i];
	return silhouette;
}

static Datum
float8_array(const double *values, int32 n)
{
	Datum *elements = palloc(Max(n, 1) * sizeof(Datum));

	for (int32 i = 0; i < n; i++)
		elements[i] = Float8GetDatum(values[i]);
	return PointerGetDatum(
		construct_array(elements, n, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static Datum
int8_array(const int64 *values, int32 n)
{
	Datum *elements = palloc(Max(n, 1) * sizeof(Datum));

	for (int32 i = 0; i < n; i++)
		elements[i] = Int64GetDatum(values[i]);
	return PointerGetDatum(
		construct_array(elements, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * The row of cluster c, numbered from 1; 0 stands for all rows.
 */
static void
put_cluster(ReturnSetInfo *out, const Features *features, const KmeansResult *result, int32 c,
			bool standardized)
{
	int32 d = features->d;
	double *center = palloc0(Max(d, 1) * sizeof(double));
	double *z_score = palloc0(Max(d, 1) * sizeof(double));
	Datum values[N_COLUMNS] = {[COLUMN_CLUSTER] = Int32GetDatum(c)};
	bool nulls[N_COLUMNS] = {
		[COLUMN_KEY] = true, [COLUMN_DISTANCE] = true, [COLUMN_SILHOUETTE] = true};

	for (int32 j = 0; j < d; j++)
	{
		double found = c > 0 ? result->center[(Size) (c - 1) * d + j] : 0;
		double stddev = features->stddev[j];

		center[j] = features->mean[j] + found * (standardized ? stddev : 1);
		z_score[j] = standardized || stddev == 0 ? found : found / stddev;
	}
	values[COLUMN_SIZE] = Int64GetDatum(c > 0 ? result->size[c - 1] : features->n);
	values[COLUMN_INERTIA] = Float8GetDatum(c > 0 ? result->inertias[c - 1] : result->inertia);
	values[COLUMN_CENTROID] = float8_array(center, d);
	values[COLUMN_Z_SCORE] = float8_array(z_score, d);
	values[COLUMN_STDDEV] = float8_array(features->stddev, d);
	if (features->ids != NULL)
		values[COLUMN_IDS] = int8_array(features->ids, d);
	nulls[COLUMN_IDS] = features->ids == NULL;
	tuplestore_putvalues(out->setResult, out->setDesc, values, nulls);
	pfree(center);
	pfree(z_score);
}

/*
 * A row for each key, then one for all and one for each cluster.
 */
static void
put_rows(ReturnSetInfo *out, const Features *features, const KmeansResult *result,
		 const double *silhouette, bool standardized)
{
	Datum values[N_COLUMNS] = {0};
	bool nulls[N_COLUMNS];

	memset(nulls, true, sizeof(nulls));
	for (int32 i = 0; i < features->n; i++)
	{
		if (i % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		values[COLUMN_KEY] = features->keys[i].value;
		values[COLUMN_CLUSTER] = Int32GetDatum(result->cluster[i] + 1);
		values[COLUMN_DISTANCE] = Float8GetDatum(result->distance[i]);
		values[COLUMN_SILHOUETTE] = Float8GetDatum(silhouette[i]);
		nulls[COLUMN_KEY] = features->keys[i].null;
		nulls[COLUMN_CLUSTER] = nulls[COLUMN_DISTANCE] = false;
		nulls[COLUMN_SILHOUETTE] = isnan(silhouette[i]);
		tuplestore_putvalues(out->setResult, out->setDesc, values, nulls);
	}
	memset(nulls, true, sizeof(nulls));
	for (int32 i = 0; i < features->n_skipped; i++)
	{
		values[COLUMN_KEY] = features->skipped[i].value;
		nulls[COLUMN_KEY] = features->skipped[i].null;
		tuplestore_putvalues(out->setResult, out->setDesc, values, nulls);
	}
	for (int32 c = 0; c <= result->k; c++)
		put_cluster(out, features, result, c, standardized);
}

/*
 * kmeans(query, key_type, k, seed, runs, max_iterations, tolerance, standardize,
 * nulls, silhouette_sample) returns a row for each row of the query: its key,
 * cluster (from 1, by falling size), distance to the center and, for a sample,
 * silhouette; cluster NULL where a feature is NULL.  Then, with key NULL, a row
 * for all rows as cluster 0 and one for each cluster: its size, inertia and
 * center, in the features' own units and as z-scores, and the standard deviations
 * of the features.
 *
 * Errors: those of features_load(); arguments out of range; keys of another type
 * than key_type.
 */
PG_FUNCTION_INFO_V1(socrec_kmeans);
Datum
socrec_kmeans(PG_FUNCTION_ARGS)
{
	static const char *const nulls[] = {"skip", "mean", NULL};
	ReturnSetInfo *out = (ReturnSetInfo *) fcinfo->resultinfo;
	Progress progress;
	pg_prng_state random;
	KmeansOptions options = {.uniform = uniform,
							 .uniform_argument = &random,
							 .poll = poll_server,
							 .poll_argument = &progress};
	KmeansResult result = {0};
	Features *features;
	double *silhouette = NULL;
	bool standardize;
	bool impute;
	int32 sample;
	Oid key_type;

	for (int arg = 0; arg < PG_NARGS(); arg++)
		if (PG_ARGISNULL(arg) && arg != ARG_KEY_TYPE)
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("argument %d must not be null", arg + 1)));
	options.k = integer_argument(fcinfo, ARG_K, "k", 1, MAX_CLUSTERS);
	options.runs = integer_argument(fcinfo, ARG_RUNS, "runs", 1, MAX_RUNS);
	options.max_iterations =
		integer_argument(fcinfo, ARG_MAX_ITERATIONS, "max_iterations", 1, MAX_ITERATIONS);
	options.tolerance = PG_GETARG_FLOAT8(ARG_TOLERANCE);
	if (!(options.tolerance >= 0) || isinf(options.tolerance))
		invalid_argument("tolerance must be a finite number of at least 0, not %g",
						 options.tolerance);
	standardize = PG_GETARG_BOOL(ARG_STANDARDIZE);
	impute = choice_argument("treatment of nulls", text_to_cstring(PG_GETARG_TEXT_PP(ARG_NULLS)),
							 nulls) == 1;
	sample = integer_argument(fcinfo, ARG_SILHOUETTE_SAMPLE, "silhouette_sample", 0, MAX_SAMPLE);
	pg_prng_seed(&random, (uint64) PG_GETARG_INT64(ARG_SEED));
	InitMaterializedSRF(fcinfo, 0);
	key_type = TupleDescAttr(out->setDesc, 0)->atttypid;

	progress_start(&progress, "k-means");
	PG_TRY();
	{
		features = features_load(text_to_cstring(PG_GETARG_TEXT_PP(ARG_QUERY)), impute, standardize,
								 "k-means", &progress);
		if (features->key_type != getBaseType(key_type))
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
							errmsg("the query's key is of type %s, not %s",
								   format_type_be(features->key_type), format_type_be(key_type))));
		if (features->n > 0)
		{
			KmeansPoints points = {features->n, features->d, features->values};
			KmeansWorkspace work;
			double variance = 0;

			options.k = Min(options.k, features->n);
			/* As others do: the tolerance is a share of the features' mean variance. */
			for (int32 j = 0; j < features->d; j++)
				variance += standardize ? features->stddev[j] > 0
										: features->stddev[j] * features->stddev[j];
			options.tolerance *= variance / Max(features->d, 1);
			work = make_workspace(&features->budget, features->n, features->d, options.k);
			result = make_result(&features->budget, features->n, features->d, options.k);
			kmeans_fit(&points, &options, &work, &result);
			silhouette = sample_silhouettes(features, &points, &options, &result, sample);
			ereport(DEBUG1,
					(errmsg_internal("socrec: k-means run %d of %d is the best: %d iterations%s",
									 result.run + 1, options.runs, result.iterations,
									 result.converged ? "" : ", not converged")));
		}
	}
	PG_FINALLY();
	{
		progress_end(&progress);
	}
	PG_END_TRY();
	put_rows(out, features, &result, silhouette, standardize);
	features_free(features);
	return (Datum) 0;
}
