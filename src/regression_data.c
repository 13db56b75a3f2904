/*
 * regression_data.c
 *		The rows of a regression in memory, and passes over them.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "regression_data.h"
#include "socrec.h"

/* Rows between two looks for interrupts: 10 ms of work at a thousand columns. */
#define POLL_ROWS 256

void
regression_set_error(void)
{
	ereport(ERROR, (errcode(ERRCODE_CARDINALITY_VIOLATION),
					errmsg("more than one alternative of a choice set was chosen"),
					errhint("Of the rows with the same value in the column of option "
							"\"choice_set\", the target is true for one.")));
}

static int64
next_capacity(const RegressionData *data)
{
	return data->capacity == 0 ? 64 : data->capacity + data->capacity / 2;
}

static Size
row_size(const RegressionData *data)
{
	return sizeof(double) * (data->shape.p + 1 + data->has_weight + data->has_offset) +
		   sizeof(int64) * (data->has_set + data->has_cluster);
}

/*
 * Bytes that the next row needs: 0 as long as there is room.
 */
Size
regression_data_growth(const RegressionData *data)
{
	return data->n < data->capacity
			   ? 0
			   : mul_size(next_capacity(data) - data->capacity, row_size(data));
}

static void *
grow(RegressionData *data, void *array, int64 wanted, Size size)
{
	if (array == NULL)
		return MemoryContextAllocHuge(data->budget->context, mul_size(wanted, size));
	return repalloc_huge(array, mul_size(wanted, size));
}

/*
 * Add a row; its p columns are the caller's to fill in, where the result points to.
 *
 * Errors: more memory than the budget allows.
 */
double *
regression_data_add(RegressionData *data, double y, double weight, double offset, int64 set,
					int64 cluster)
{
	if (data->n == data->capacity)
	{
		int64 wanted = next_capacity(data);

		data->budget->rows = data->n;
		budget_check(data->budget, regression_data_growth(data), "rows");
		data->x = grow(data, data->x, wanted, data->shape.p * sizeof(double));
		data->y = grow(data, data->y, wanted, sizeof(double));
		if (data->has_weight)
			data->weight = grow(data, data->weight, wanted, sizeof(double));
		if (data->has_offset)
			data->offset = grow(data, data->offset, wanted, sizeof(double));
		if (data->has_set)
			data->set = grow(data, data->set, wanted, sizeof(int64));
		if (data->has_cluster)
			data->cluster = grow(data, data->cluster, wanted, sizeof(int64));
		data->capacity = wanted;
	}
	data->y[data->n] = y;
	if (data->has_weight)
		data->weight[data->n] = weight;
	if (data->has_offset)
		data->offset[data->n] = offset;
	if (data->has_set)
		data->set[data->n] = set;
	if (data->has_cluster)
		data->cluster[data->n] = cluster;
	return data->x + (Size) data->n++ * data->shape.p;
}

static double
weight_of(const RegressionData *data, int64 i)
{
	return data->has_weight ? data->weight[i] : 1;
}

/*
 * Weighted means of the columns, and of the squares of what they differ from it.
 */
static void
moments(void *argument, double *mean, double *square)
{
	const RegressionData *data = argument;
	int32 p = data->shape.p;
	double total = 0;

	memset(mean, 0, p * sizeof(double));
	memset(square, 0, p * sizeof(double));
	for (int64 i = 0; i < data->n; i++)
	{
		const double *x = data->x + (Size) i * p;
		double weight = weight_of(data, i);

		if (i % POLL_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		total += weight;
		for (int32 j = 0; j < p; j++)
			mean[j] += weight * x[j];
	}
	for (int32 j = 0; j < p; j++)
		mean[j] /= total;
	for (int64 i = 0; i < data->n; i++)
	{
		const double *x = data->x + (Size) i * p;
		double weight = weight_of(data, i);

		if (i % POLL_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		for (int32 j = 0; j < p; j++)
			square[j] += weight * (x[j] - mean[j]) * (x[j] - mean[j]);
	}
	for (int32 j = 0; j < p; j++)
		square[j] /= total;
}

/*
 * Replace every column by itself less its mean, times its scale.
 */
static void
standardize(void *argument, const double *mean, const double *scale)
{
	RegressionData *data = argument;
	int32 p = data->shape.p;

	for (int64 i = 0; i < data->n; i++)
	{
		double *x = data->x + (Size) i * p;

		if (i % POLL_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		for (int32 j = 0; j < p; j++)
			x[j] = (x[j] - mean[j]) * scale[j];
	}
}

static RegressionRow
row_of(const RegressionData *data, int64 i)
{
	return (RegressionRow){.y = data->y[i],
						   .weight = weight_of(data, i),
						   .offset = data->has_offset ? data->offset[i] : 0,
						   .x = data->x + (Size) i * data->shape.p};
}

/* What a pass over choice sets needs: memory for the largest. */
typedef struct SetPass
{
	const RegressionData *data;
	RegressionRow *rows;
	RegressionTerms terms;
} SetPass;

static SetPass
start_sets(const RegressionData *data)
{
	int32 room = data->largest_set;
	Size columns = mul_size(room, data->shape.p * sizeof(double));

	return (SetPass){.data = data,
					 .rows = palloc(room * sizeof(RegressionRow)),
					 .terms = {.x = palloc_extended(columns, MCXT_ALLOC_HUGE),
							   .first = palloc(room * sizeof(double)),
							   .second = palloc(room * sizeof(double))}};
}

static void
end_sets(SetPass *sets)
{
	pfree(sets->rows);
	pfree(sets->terms.x);
	pfree(sets->terms.first);
	pfree(sets->terms.second);
}

/*
 * Add the choice set that begins with row i to sums.  Returns its rows.
 */
static int64
add_set(SetPass *sets, RegressionPart part, const double *theta, int64 i, double *sums)
{
	const RegressionData *data = sets->data;
	RegressionTerms *terms = &sets->terms;
	int32 p = data->shape.p;
	int32 n = 0;
	int32 added;

	CHECK_FOR_INTERRUPTS();
	for (; i + n < data->n && data->set[i + n] == data->set[i]; n++)
		sets->rows[n] = row_of(data, i + n);
	added = regression_choice_set(part, theta, p, sets->rows, n, terms);
	if (added < 0)
		regression_set_error();
	if (added > 0)
	{
		sums[SUM_ROWS] += 1;
		sums[SUM_WEIGHT] += terms->weight;
		sums[SUM_LOSS] += terms->loss;
		regression_add(sums, 1, p, regression_part_blocks(part, 1), terms->x, terms->first,
					   terms->second, added);
	}
	return n;
}

/*
 * The sums of a pass at theta.
 */
static void
pass(void *argument, const double *theta, RegressionPart part, double *sums)
{
	const RegressionData *data = argument;
	int32 m = data->shape.m;
	int32 p = data->shape.p;
	int32 blocks = regression_part_blocks(part, m);
	double *first = palloc(REGRESSION_ROWS * m * sizeof(double));
	double *second = palloc(REGRESSION_ROWS * Max(blocks, 1) * sizeof(double));

	memset(sums, 0, regression_sums(m, p, blocks) * sizeof(double));
	if (data->shape.family == REGRESSION_CONDITIONAL)
	{
		SetPass sets = start_sets(data);

		for (int64 i = 0; i < data->n;)
			i += add_set(&sets, part, theta, i, sums);
		end_sets(&sets);
	}
	else
		for (int64 i = 0; i < data->n; i += REGRESSION_ROWS)
		{
			int32 n = (int32) Min(REGRESSION_ROWS, data->n - i);

			if (i % POLL_ROWS == 0)
				CHECK_FOR_INTERRUPTS();
			for (int32 r = 0; r < n; r++)
			{
				RegressionRow row = row_of(data, i + r);

				sums[SUM_WEIGHT] += row.weight;
				sums[SUM_LOSS] += regression_row(&data->shape, part, theta, &row, first + r * m,
												 second + r * blocks);
			}
			sums[SUM_ROWS] += n;
			regression_add(sums, m, p, blocks, data->x + (Size) i * p, first, second, n);
		}
	pfree(first);
	pfree(second);
}

/*
 * The sum of outer products of the scores of clusters, as one block of a single
 * vector of m * p numbers, and how many clusters there are.
 */
static int64
clusters(void *argument, const double *theta, double *sums)
{
	const RegressionData *data = argument;
	bool conditional = data->shape.family == REGRESSION_CONDITIONAL;
	int32 m = data->shape.m;
	int32 p = data->shape.p;
	int32 q = m * p;
	SetPass sets = {0};
	double *first = palloc(m * sizeof(double));
	double *score = palloc0(regression_sums(m, p, 0) * sizeof(double));
	double one = 1;
	int64 n = 0;

	if (conditional)
		sets = start_sets(data);
	memset(sums, 0, regression_sums(1, q, 1) * sizeof(double));
	for (int64 i = 0; i < data->n;)
	{
		int64 cluster = data->cluster[i];

		if (conditional)
			i += add_set(&sets, REGRESSION_GRADIENT, theta, i, score);
		else
		{
			RegressionRow row = row_of(data, i++);

			if (i % POLL_ROWS == 0)
				CHECK_FOR_INTERRUPTS();
			(void) regression_row(&data->shape, REGRESSION_GRADIENT, theta, &row, first, NULL);
			regression_add(score, m, p, 0, row.x, first, NULL, 1);
			score[SUM_ROWS] += 1;
		}
		if (i < data->n && data->cluster[i] == cluster)
			continue;
		/* Sets in which nothing was chosen are none. */
		if (score[SUM_ROWS] > 0)
		{
			n++;
			regression_add(sums, 1, q, 1, score + SUM_GRADIENT, &one, &one, 1);
		}
		memset(score, 0, regression_sums(m, p, 0) * sizeof(double));
	}
	if (conditional)
		end_sets(&sets);
	pfree(first);
	pfree(score);
	return n;
}

/*
 * The rows as the source of a regression, which changes them.
 */
RegressionSource
regression_data_source(RegressionData *data)
{
	return (RegressionSource){moments, standardize, pass, clusters, data};
}
