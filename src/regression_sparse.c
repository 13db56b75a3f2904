/*
 * regression_sparse.c
 *		The rows of a regression in memory, of which most columns are 0, and passes
 *		over them.
 *
 * Of a standardized row, x = v - c, the entries v are kept, most of them 0; what is
 * taken off, c, is that of all rows.  So a row's score is theta' v - theta' c, and the
 * sums of a pass follow from those over entries, see regression_center.
 *
 * A column without any 0 is centered in its entries and has c = 0, as digits would be
 * lost where its mean is far greater than its deviation.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "regression_sparse.h"

void
regression_sparse_init(RegressionSparse *sparse, const RegressionData *data)
{
	*sparse = (RegressionSparse){.budget = data->budget, .shape = data->shape, .rows = *data};
	sparse->rows.shape.p = 0;
}

static int64
next_capacity(int64 capacity, int64 wanted)
{
	return Max(Max(1024, wanted), capacity + capacity / 2);
}

/*
 * Bytes that the next row may need.
 */
Size
regression_sparse_growth(const RegressionSparse *sparse)
{
	int64 wanted = sparse->n_entries + sparse->shape.p;
	Size growth = regression_data_growth(&sparse->rows);

	if (sparse->rows.n == sparse->end_capacity)
		growth += sizeof(int64) * (next_capacity(sparse->end_capacity, 0) - sparse->end_capacity);
	if (wanted > sparse->entry_capacity)
		growth += sizeof(RegressionEntry) *
				  (next_capacity(sparse->entry_capacity, wanted) - sparse->entry_capacity);
	return growth;
}

static void *
grow(const RegressionSparse *sparse, void *array, Size size)
{
	return array == NULL ? MemoryContextAllocHuge(sparse->budget->context, size)
						 : repalloc_huge(array, size);
}

/*
 * Add a row, whose last n columns are x; the one before them, if there is one, is 1.
 *
 * Errors: more memory than the budget allows.
 */
void
regression_sparse_add(RegressionSparse *sparse, const double *x, int32 n, double y, double weight,
					  double offset, int64 cluster)
{
	int64 wanted = sparse->n_entries + sparse->shape.p;
	int32 first = sparse->shape.p - n;
	Size growth = regression_sparse_growth(sparse);
	RegressionEntry *next;

	sparse->budget->rows = sparse->rows.n;
	if (growth > 0)
		budget_check(sparse->budget, growth, "rows");
	if (sparse->rows.n == sparse->end_capacity)
	{
		sparse->end_capacity = next_capacity(sparse->end_capacity, 0);
		sparse->end = grow(sparse, sparse->end, sparse->end_capacity * sizeof(int64));
	}
	if (wanted > sparse->entry_capacity)
	{
		sparse->entry_capacity = next_capacity(sparse->entry_capacity, wanted);
		sparse->entries =
			grow(sparse, sparse->entries, sparse->entry_capacity * sizeof(RegressionEntry));
	}
	next = sparse->entries + sparse->n_entries;
	if (first > 0)
		*next++ = (RegressionEntry){1, 0};
	for (int32 j = 0; j < n; j++)
		if (x[j] != 0)
			*next++ = (RegressionEntry){x[j], first + j};
	sparse->n_entries = next - sparse->entries;
	sparse->end[sparse->rows.n] = sparse->n_entries;
	(void) regression_data_add(&sparse->rows, y, weight, offset, 0, cluster);
}

/*
 * Forget the rows.
 */
void
regression_sparse_free(RegressionSparse *sparse)
{
	if (sparse->end != NULL)
		pfree(sparse->end);
	if (sparse->entries != NULL)
		pfree(sparse->entries);
	regression_data_free(&sparse->rows);
	sparse->end = NULL;
	sparse->entries = NULL;
	sparse->n_entries = sparse->entry_capacity = sparse->end_capacity = 0;
}

/*
 * The entries of a row, and how many there are.
 */
static RegressionEntry *
row_entries(const RegressionSparse *sparse, int64 i, int32 *n)
{
	int64 start = i == 0 ? 0 : sparse->end[i - 1];

	CHECK_FOR_INTERRUPTS();
	*n = (int32) (sparse->end[i] - start);
	return sparse->entries + start;
}

/*
 * Weighted means of the columns, and of the squares of what they differ from it.
 */
static void
moments(void *argument, double *mean, double *square)
{
	const RegressionSparse *sparse = argument;
	int32 p = sparse->shape.p;
	double *present = palloc0(p * sizeof(double)); /* weight of the rows with an entry */
	double total = 0;
	int32 n;

	memset(mean, 0, p * sizeof(double));
	memset(square, 0, p * sizeof(double));
	for (int64 i = 0; i < sparse->rows.n; i++)
	{
		const RegressionEntry *entries = row_entries(sparse, i, &n);
		double weight = regression_data_weight(&sparse->rows, i);

		total += weight;
		for (int32 e = 0; e < n; e++)
		{
			mean[entries[e].column] += weight * entries[e].value;
			present[entries[e].column] += weight;
		}
	}
	for (int32 j = 0; j < p; j++)
		mean[j] /= total;
	for (int64 i = 0; i < sparse->rows.n; i++)
	{
		const RegressionEntry *entries = row_entries(sparse, i, &n);
		double weight = regression_data_weight(&sparse->rows, i);

		for (int32 e = 0; e < n; e++)
		{
			double difference = entries[e].value - mean[entries[e].column];

			square[entries[e].column] += weight * difference * difference;
		}
	}
	for (int32 j = 0; j < p; j++)
		square[j] = (square[j] + Max(total - present[j], 0) * mean[j] * mean[j]) / total;
	pfree(present);
}

/*
 * Let every column be itself less its mean, times its scale.
 */
static void
standardize(void *argument, const double *mean, const double *scale)
{
	RegressionSparse *sparse = argument;
	int32 p = sparse->shape.p;
	int64 *present = palloc0(p * sizeof(int64)); /* rows with an entry */
	int32 n;

	for (int64 i = 0; i < sparse->rows.n; i++)
	{
		const RegressionEntry *entries = row_entries(sparse, i, &n);

		for (int32 e = 0; e < n; e++)
			present[entries[e].column]++;
	}
	for (int32 j = 0; j < p; j++)
		sparse->center[j] = present[j] == sparse->rows.n ? 0 : mean[j] * scale[j];
	for (int64 i = 0; i < sparse->rows.n; i++)
	{
		RegressionEntry *entries = row_entries(sparse, i, &n);

		for (int32 e = 0; e < n; e++)
		{
			int32 j = entries[e].column;
			double kept =
				present[j] == sparse->rows.n ? entries[e].value - mean[j] : entries[e].value;

			entries[e].value = kept * scale[j];
		}
	}
	pfree(present);
}

/* What the rows of a pass need. */
typedef struct SparsePass
{
	RegressionPart part;
	const double *theta;
	double *shift;  /* m: theta' c */
	double *first;  /* m, of a row */
	double *second; /* blocks, of a row */
	double *totals; /* as regression_add_entries */
} SparsePass;

static SparsePass
start_pass(const RegressionSparse *sparse, const double *theta, RegressionPart part)
{
	int32 m = sparse->shape.m;
	int32 p = sparse->shape.p;
	int32 blocks = regression_part_blocks(part, m);
	Size totals = mul_size(regression_totals(m, p, blocks), sizeof(double));
	SparsePass pass = {.part = part,
					   .theta = theta,
					   .shift = palloc(m * sizeof(double)),
					   .first = palloc(m * sizeof(double)),
					   .second = palloc(Max(blocks, 1) * sizeof(double)),
					   .totals = palloc_extended(totals, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO)};

	for (int32 k = 0; k < m; k++)
		pass.shift[k] = regression_dot(theta + (Size) k * p, sparse->center, p);
	return pass;
}

static void
end_pass(SparsePass *pass)
{
	pfree(pass->shift);
	pfree(pass->first);
	pfree(pass->second);
	pfree(pass->totals);
}

/*
 * Add row i to sums, which are to be corrected by the totals of the pass.
 */
static void
add_row(const RegressionSparse *sparse, SparsePass *pass, int64 i, double *sums)
{
	int32 n;
	const RegressionEntry *entries = row_entries(sparse, i, &n);
	RegressionRow row = {.y = sparse->rows.y[i],
						 .weight = regression_data_weight(&sparse->rows, i),
						 .offset = sparse->rows.has_offset ? sparse->rows.offset[i] : 0};

	sums[SUM_ROWS] += 1;
	sums[SUM_WEIGHT] += row.weight;
	sums[SUM_LOSS] += regression_entries_row(&sparse->shape, pass->part, pass->theta, pass->shift,
											 &row, entries, n, pass->first, pass->second);
	regression_add_entries(sums, pass->totals, sparse->shape.m, sparse->shape.p,
						   regression_part_blocks(pass->part, sparse->shape.m), entries, n,
						   pass->first, pass->second);
}

/*
 * The sums of a pass at theta.
 */
static void
pass_rows(void *argument, const double *theta, RegressionPart part, double *sums)
{
	const RegressionSparse *sparse = argument;
	int32 m = sparse->shape.m;
	int32 p = sparse->shape.p;
	int32 blocks = regression_part_blocks(part, m);
	SparsePass pass = start_pass(sparse, theta, part);

	memset(sums, 0, regression_sums(m, p, blocks) * sizeof(double));
	for (int64 i = 0; i < sparse->rows.n; i++)
		add_row(sparse, &pass, i, sums);
	regression_center(sums, pass.totals, m, p, blocks, sparse->center, regression_poll);
	end_pass(&pass);
}

/*
 * The sum of outer products of the scores of clusters, as one block of a single
 * vector of m * p numbers, and how many clusters there are.
 */
static int64
pass_clusters(void *argument, const double *theta, double *sums)
{
	const RegressionSparse *sparse = argument;
	int32 m = sparse->shape.m;
	int32 p = sparse->shape.p;
	int32 q = m * p;
	SparsePass pass = start_pass(sparse, theta, REGRESSION_GRADIENT);
	double *score = palloc0(regression_sums(m, p, 0) * sizeof(double));
	const int64 *cluster = sparse->rows.cluster;
	double one = 1;
	int64 n_clusters = 0;

	memset(sums, 0, regression_sums(1, q, 1) * sizeof(double));
	for (int64 i = 0; i < sparse->rows.n; i++)
	{
		add_row(sparse, &pass, i, score);
		if (i + 1 < sparse->rows.n && cluster[i + 1] == cluster[i])
			continue;
		n_clusters++;
		regression_center(score, pass.totals, m, p, 0, sparse->center, regression_poll);
		regression_add(sums, 1, q, 1, score + SUM_GRADIENT, &one, &one, 1);
		memset(score, 0, regression_sums(m, p, 0) * sizeof(double));
		memset(pass.totals, 0, regression_totals(m, p, 0) * sizeof(double));
	}
	pfree(score);
	end_pass(&pass);
	return n_clusters;
}

/*
 * Fit a regression to the rows, which changes them.
 *
 * Errors: as regression_run.
 */
RegressionReport *
regression_sparse_run(RegressionSparse *sparse, RegressionProblem *problem,
					  const RegressionOptions *options)
{
	RegressionSource source = {moments, standardize, pass_rows, pass_clusters, sparse};

	sparse->center = budget_alloc(sparse->budget, sparse->shape.p, sizeof(double), "columns");
	return regression_run(sparse->budget, problem, options, &source);
}
