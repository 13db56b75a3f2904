/*
 * regression_sparse.c
 *		The rows of a regression in memory, of which most columns are 0, and passes
 *		over them.
 *
 * Of a standardized row, x = v - c, the entries v are kept, most of them 0; what is
 * taken off, c, is that of all rows.  So a row's score is theta' v - theta' c, and the
 * sums of a pass follow from those over entries:
 *
 *	sum f x      = sum f v - c sum f
 *	sum s x x'   = sum s v v' - c (sum s v)' - (sum s v) c' + c c' sum s
 *
 * A column without any 0 is centered in its entries and has c = 0, as digits would be
 * lost where its mean is far greater than its deviation.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "regression_sparse.h"

/* Rows between two looks for interrupts. */
#define POLL_ROWS 256

/* The sums of a pass, and what corrects them. */
typedef struct SparsePass
{
	const RegressionSparse *sparse;
	RegressionPart part;
	const double *theta;
	RegressionShape scores; /* whose columns are the scores of vectors */
	double *identity;       /* m * m: theta of that shape */
	double *shift;          /* m: theta' c */
	double *score;          /* m, of a row */
	double *first;          /* m */
	double *second;         /* blocks */
} SparsePass;

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
		growth += sizeof(SparseEntry) *
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
	SparseEntry *next;

	budget_check(sparse->budget, regression_sparse_growth(sparse), "rows");
	if (sparse->rows.n == sparse->end_capacity)
	{
		sparse->end_capacity = next_capacity(sparse->end_capacity, 0);
		sparse->end = grow(sparse, sparse->end, sparse->end_capacity * sizeof(int64));
	}
	if (wanted > sparse->entry_capacity)
	{
		sparse->entry_capacity = next_capacity(sparse->entry_capacity, wanted);
		sparse->entries =
			grow(sparse, sparse->entries, sparse->entry_capacity * sizeof(SparseEntry));
	}
	next = sparse->entries + sparse->n_entries;
	if (first > 0)
		*next++ = (SparseEntry){1, 0};
	for (int32 j = 0; j < n; j++)
		if (x[j] != 0)
			*next++ = (SparseEntry){x[j], first + j};
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
static SparseEntry *
row_entries(const RegressionSparse *sparse, int64 i, int32 *n)
{
	int64 start = i == 0 ? 0 : sparse->end[i - 1];

	if (i % POLL_ROWS == 0)
		CHECK_FOR_INTERRUPTS();
	*n = (int32) (sparse->end[i] - start);
	return sparse->entries + start;
}

static double
weight_of(const RegressionSparse *sparse, int64 i)
{
	return sparse->rows.has_weight ? sparse->rows.weight[i] : 1;
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
		const SparseEntry *entries = row_entries(sparse, i, &n);
		double weight = weight_of(sparse, i);

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
		const SparseEntry *entries = row_entries(sparse, i, &n);
		double weight = weight_of(sparse, i);

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
	int64 *present = palloc0(p * sizeof(int64));

	for (int64 e = 0; e < sparse->n_entries; e++)
		present[sparse->entries[e].column]++;
	for (int32 j = 0; j < p; j++)
		sparse->center[j] = present[j] == sparse->rows.n ? 0 : mean[j] * scale[j];
	for (int64 i = 0; i < sparse->rows.n; i++)
	{
		int32 n;
		SparseEntry *entries = row_entries(sparse, i, &n);

		for (int32 e = 0; e < n; e++)
		{
			int32 j = entries[e].column;

			entries[e].value = present[j] == sparse->rows.n
								   ? (entries[e].value - mean[j]) * scale[j]
								   : entries[e].value * scale[j];
		}
	}
	pfree(present);
}

static SparsePass
start_pass(const RegressionSparse *sparse, const double *theta, RegressionPart part)
{
	int32 m = sparse->shape.m;
	int32 p = sparse->shape.p;
	int32 blocks = regression_part_blocks(part, m);
	SparsePass pass = {.sparse = sparse,
					   .part = part,
					   .theta = theta,
					   .scores = {sparse->shape.family, m, m},
					   .identity = palloc0((Size) m * m * sizeof(double)),
					   .shift = palloc(m * sizeof(double)),
					   .score = palloc(m * sizeof(double)),
					   .first = palloc(m * sizeof(double)),
					   .second = palloc(Max(blocks, 1) * sizeof(double))};

	for (int32 k = 0; k < m; k++)
	{
		pass.identity[k * m + k] = 1;
		pass.shift[k] = regression_dot(theta + (Size) k * p, sparse->center, p);
	}
	return pass;
}

static void
end_pass(SparsePass *pass)
{
	pfree(pass->identity);
	pfree(pass->shift);
	pfree(pass->score);
	pfree(pass->first);
	pfree(pass->second);
}

/*
 * The factors of row i for gradient and blocks, as regression_row; returns its loss.
 */
static double
pass_row(SparsePass *pass, int64 i, const SparseEntry *entries, int32 n)
{
	const RegressionSparse *sparse = pass->sparse;
	RegressionRow row = {.y = sparse->rows.y[i],
						 .weight = weight_of(sparse, i),
						 .offset = sparse->rows.has_offset ? sparse->rows.offset[i] : 0,
						 .x = pass->score};

	for (int32 k = 0; k < sparse->shape.m; k++)
	{
		const double *theta = pass->theta + (Size) k * sparse->shape.p;
		double score = -pass->shift[k];

		for (int32 e = 0; e < n; e++)
			score += theta[entries[e].column] * entries[e].value;
		pass->score[k] = score;
	}
	return regression_row(&pass->scores, pass->part, pass->identity, &row, pass->first,
						  pass->second);
}

/*
 * Add the outer product of a row, times a factor, to the triangle of a block, and its
 * part in the sum of rows.
 */
static void
add_outer(double *block, double *sum, const SparseEntry *entries, int32 n, double factor)
{
	for (int32 e = 0; e < n; e++)
	{
		double *line = block + regression_triangle(entries[e].column);
		double left = factor * entries[e].value;

		sum[entries[e].column] += left;
		for (int32 f = 0; f <= e; f++)
			line[entries[f].column] += left * entries[f].value;
	}
}

/*
 * Correct the triangle of a block for what rows are less than their entries: sum is that
 * of entries, total that of factors.
 */
static void
center_block(double *block, const double *sum, double total, const double *center, int32 p)
{
	for (int32 j = 0; j < p; j++, block += j)
	{
		double left = center[j] * total - sum[j];

		CHECK_FOR_INTERRUPTS();
		for (int32 k = 0; k <= j; k++)
			block[k] += left * center[k] - center[j] * sum[k];
	}
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
	double *gradient = sums + SUM_GRADIENT;
	double *block = gradient + (Size) m * p;
	double *first = palloc0(m * sizeof(double));
	double *second = palloc0(Max(blocks, 1) * sizeof(double));
	double *entry_sums = palloc_extended(mul_size(Max(blocks, 1), p * sizeof(double)),
										 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	memset(sums, 0, regression_sums(m, p, blocks) * sizeof(double));
	sums[SUM_ROWS] = sparse->rows.n;
	for (int64 i = 0; i < sparse->rows.n; i++)
	{
		int32 n;
		const SparseEntry *entries = row_entries(sparse, i, &n);

		sums[SUM_WEIGHT] += weight_of(sparse, i);
		sums[SUM_LOSS] += pass_row(&pass, i, entries, n);
		for (int32 k = 0; k < m; k++)
		{
			first[k] += pass.first[k];
			for (int32 e = 0; e < n; e++)
				gradient[(Size) k * p + entries[e].column] += pass.first[k] * entries[e].value;
		}
		for (int32 b = 0; b < blocks; b++)
		{
			second[b] += pass.second[b];
			add_outer(block + b * regression_triangle(p), entry_sums + (Size) b * p, entries, n,
					  pass.second[b]);
		}
	}
	for (int32 k = 0; k < m; k++)
		for (int32 j = 0; j < p; j++)
			gradient[(Size) k * p + j] -= sparse->center[j] * first[k];
	for (int32 b = 0; b < blocks; b++)
		center_block(block + b * regression_triangle(p), entry_sums + (Size) b * p, second[b],
					 sparse->center, p);
	pfree(first);
	pfree(second);
	pfree(entry_sums);
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
	Size q = (Size) m * p;
	SparsePass pass = start_pass(sparse, theta, REGRESSION_GRADIENT);
	double *score = palloc0(q * sizeof(double));
	const int64 *cluster = sparse->rows.cluster;
	double one = 1;
	int64 n_clusters = 0;

	memset(sums, 0, regression_sums(1, (int32) q, 1) * sizeof(double));
	for (int64 i = 0; i < sparse->rows.n; i++)
	{
		int32 n;
		const SparseEntry *entries = row_entries(sparse, i, &n);

		(void) pass_row(&pass, i, entries, n);
		for (int32 k = 0; k < m; k++)
		{
			double *of_vector = score + (Size) k * p;

			for (int32 e = 0; e < n; e++)
				of_vector[entries[e].column] += pass.first[k] * entries[e].value;
			for (int32 j = 0; j < p; j++)
				of_vector[j] -= sparse->center[j] * pass.first[k];
		}
		if (i + 1 < sparse->rows.n && cluster[i + 1] == cluster[i])
			continue;
		CHECK_FOR_INTERRUPTS();
		n_clusters++;
		regression_add(sums, 1, (int32) q, 1, score, &one, &one, 1);
		memset(score, 0, q * sizeof(double));
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
