/*
 * regression_data.c
 *		The rows of a regression in memory, and passes over them.
 *
 * A pass is cut into blocks of rows, whose sums are added up in the order of the
 * blocks: so a regression gives the same to the last bit, whoever does which.  The
 * leader runs the solver; workers wait for its next pass.  Rows that are known to be
 * many are read into shared memory, so that workers need no copy of them.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "regression_data.h"
#include "socrec.h"

/* Rows between two looks for interrupts, where rows are not multiplied out. */
#define POLL_ROWS 256

/*
 * Multiply-adds: of a block, a millisecond; of a pass that pays for workers; and what
 * exponential and logarithm of a row are worth.
 */
#define BLOCK_WORK 4e6
#define PARALLEL_WORK 5e7
#define ROW_WORK 64

/* Blocks are so many, at most, and have so many numbers in rows for one in their sums. */
#define MAX_BLOCKS 64
#define BLOCK_ROOM 16

/* What is done to the rows of a block. */
typedef enum Job
{
	JOB_MEANS,       /* weight, and weighted sums of columns */
	JOB_SQUARES,     /* of columns less the parameters, their means */
	JOB_STANDARDIZE, /* parameters: means, and scales */
	JOB_PASS,        /* parameters: theta */
	JOB_CLUSTERS     /* parameters: theta */
} Job;

/* What participants share. */
typedef struct Passes
{
	ParallelPhases phases;
	RegressionData data; /* its pointers are the leader's */
	dsm_handle rows;     /* what its arrays lie in */
	Job job;
	RegressionPart part;
	Size n_sums;      /* of the job at hand */
	Size n_room;      /* sums that a block has room for */
	double numbers[]; /* parameters; then the sums of blocks */
} Passes;

/* What the leader alone has. */
typedef struct Leader
{
	RegressionData *data;
	RegressionProblem *problem;
	const RegressionOptions *options;
	RegressionReport *report;
	ParallelCursor *cursor;
	uint64 block; /* taken and not yet done */
} Leader;

static Leader *leader = NULL;

PGDLLEXPORT void socrec_regression(void *memory, ParallelCursor *cursor);

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
	return Max(64, data->capacity + data->capacity / 2);
}

static Size
row_size(const RegressionData *data)
{
	return sizeof(double) * (data->shape.p + 1 + data->has_weight + data->has_offset) +
		   sizeof(int64) * (data->has_set + data->has_cluster);
}

/*
 * Let the arrays lie one after the other from a place on, with room for n rows, of
 * row_size each.
 */
static void
place_arrays(RegressionData *data, void *place, int64 n)
{
	double *next = place;

	data->x = next;
	data->y = next += (Size) n * data->shape.p;
	next += n;
	if (data->has_weight)
		data->weight = next, next += n;
	if (data->has_offset)
		data->offset = next, next += n;
	if (data->has_set)
		data->set = (int64 *) next, next += n;
	if (data->has_cluster)
		data->cluster = (int64 *) next;
}

/*
 * Bytes that the next row needs: 0 as long as there is room.
 */
Size
regression_data_growth(const RegressionData *data)
{
	return data->n < data->capacity
			   ? 0
			   : mul_size(next_capacity(data) - (data->area.memory == NULL ? data->capacity : 0),
						  row_size(data));
}

/*
 * An array on its own for so many rows of count elements, with what there is of it.
 */
static void *
grow(const RegressionData *data, void *array, Size count, int64 wanted)
{
	Size size = mul_size(mul_size(wanted, count), sizeof(double));
	void *grown;

	if (array != NULL && data->area.memory == NULL)
		return repalloc_huge(array, size);
	grown = MemoryContextAllocHuge(data->budget->context, size);
	if (array != NULL)
		memcpy(grown, array, data->n * count * sizeof(double));
	return grown;
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
		data->x = grow(data, data->x, data->shape.p, wanted);
		data->y = grow(data, data->y, 1, wanted);
		if (data->has_weight)
			data->weight = grow(data, data->weight, 1, wanted);
		if (data->has_offset)
			data->offset = grow(data, data->offset, 1, wanted);
		if (data->has_set)
			data->set = grow(data, data->set, 1, wanted);
		if (data->has_cluster)
			data->cluster = grow(data, data->cluster, 1, wanted);
		if (data->area.memory != NULL)
			parallel_area_free(&data->area);
		data->area = (ParallelArea){0};
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

/*
 * Forget the rows.
 */
void
regression_data_free(RegressionData *data)
{
	void *arrays[] = {data->x, data->y, data->weight, data->offset, data->set, data->cluster};

	if (data->area.memory != NULL)
		parallel_area_free(&data->area);
	else
		for (int i = 0; i < lengthof(arrays); i++)
			if (arrays[i] != NULL)
				pfree(arrays[i]);
	data->x = data->y = data->weight = data->offset = NULL;
	data->set = data->cluster = NULL;
	data->area = (ParallelArea){0};
	data->n = data->capacity = 0;
}

/*
 * The first row of a block: that of a cluster, or choice set, if rows have them.
 */
static int64
block_start(const RegressionData *data, uint64 n_blocks, uint64 block)
{
	const int64 *unit = data->has_cluster ? data->cluster : data->set;
	int64 low = (int64) ((double) data->n * block / n_blocks) / REGRESSION_ROWS * REGRESSION_ROWS;
	int64 high = data->n;
	int64 before;

	if (low == 0 || block == n_blocks)
		return block == n_blocks ? data->n : 0;
	if (unit == NULL)
		return low;
	/* The first one that is of another than the row before. */
	before = unit[low - 1];
	while (low < high)
	{
		int64 middle = low + (high - low) / 2;

		if (unit[middle] > before)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/*
 * Weight, and weighted sums of the columns, of rows from one to before another.
 */
static void
add_means(const RegressionData *data, int64 from, int64 to, double *sums)
{
	int32 p = data->shape.p;

	for (int64 i = from; i < to; i++)
	{
		const double *x = data->x + (Size) i * p;
		double weight = regression_data_weight(data, i);

		if (i % POLL_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		sums[0] += weight;
		for (int32 j = 0; j < p; j++)
			sums[1 + j] += weight * x[j];
	}
}

/*
 * Weighted sums of the squares of what columns differ from their means.
 */
static void
add_squares(const RegressionData *data, const double *mean, int64 from, int64 to, double *sums)
{
	int32 p = data->shape.p;

	for (int64 i = from; i < to; i++)
	{
		const double *x = data->x + (Size) i * p;
		double weight = regression_data_weight(data, i);

		if (i % POLL_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		for (int32 j = 0; j < p; j++)
			sums[j] += weight * (x[j] - mean[j]) * (x[j] - mean[j]);
	}
}

/*
 * Replace every column by itself less its mean, times its scale.
 */
static void
scale_rows(const RegressionData *data, const double *mean, const double *scale, int64 from,
		   int64 to)
{
	int32 p = data->shape.p;

	for (int64 i = from; i < to; i++)
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
						   .weight = regression_data_weight(data, i),
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
 * The sums of choice sets at theta.
 */
static void
add_sets(const RegressionData *data, const double *theta, RegressionPart part, int64 from, int64 to,
		 double *sums)
{
	SetPass sets = start_sets(data);

	while (from < to)
		from += add_set(&sets, part, theta, from, sums);
	end_sets(&sets);
}

/*
 * The sums of rows at theta.
 */
static void
add_rows(const RegressionData *data, const double *theta, RegressionPart part, int64 from, int64 to,
		 double *sums)
{
	int32 m = data->shape.m;
	int32 p = data->shape.p;
	int32 blocks = regression_part_blocks(part, m);
	bool wide = data->shape.family == REGRESSION_LOGISTIC && part != REGRESSION_PLAIN;
	double *first = palloc(REGRESSION_ROWS * m * sizeof(double));
	double *second = palloc(REGRESSION_ROWS * Max(blocks, 1) * sizeof(double));

	for (int64 i = from; i < to; i += REGRESSION_ROWS)
	{
		int32 n = (int32) Min(REGRESSION_ROWS, to - i);

		CHECK_FOR_INTERRUPTS();
		if (wide && n == REGRESSION_ROWS)
			sums[SUM_LOSS] +=
				regression_logistic(part, theta, p, data->x + (Size) i * p, data->y + i,
									data->has_weight ? data->weight + i : NULL,
									data->has_offset ? data->offset + i : NULL, first, second);
		else
			for (int32 r = 0; r < n; r++)
			{
				RegressionRow row = row_of(data, i + r);

				sums[SUM_LOSS] += regression_row(&data->shape, part, theta, &row, first + r * m,
												 second + r * blocks);
			}
		for (int32 r = 0; r < n; r++)
			sums[SUM_WEIGHT] += regression_data_weight(data, i + r);
		sums[SUM_ROWS] += n;
		regression_add(sums, m, p, blocks, data->x + (Size) i * p, first, second, n);
	}
	pfree(first);
	pfree(second);
}

/*
 * The sum of outer products of the scores of clusters, as one block of a single
 * vector of m * p numbers; and how many clusters there are, as rows.
 */
static void
add_clusters(const RegressionData *data, const double *theta, int64 from, int64 to, double *sums)
{
	bool conditional = data->shape.family == REGRESSION_CONDITIONAL;
	int32 m = data->shape.m;
	int32 p = data->shape.p;
	int32 q = m * p;
	SetPass sets = {0};
	double *first = palloc(m * sizeof(double));
	double *score = palloc0(regression_sums(m, p, 0) * sizeof(double));
	double one = 1;

	if (conditional)
		sets = start_sets(data);
	for (int64 i = from; i < to;)
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
		if (i < to && data->cluster[i] == cluster)
			continue;
		/* Sets in which nothing was chosen are none. */
		if (score[SUM_ROWS] > 0)
		{
			sums[SUM_ROWS] += 1;
			regression_add(sums, 1, q, 1, score + SUM_GRADIENT, &one, &one, 1);
		}
		memset(score, 0, regression_sums(m, p, 0) * sizeof(double));
	}
	if (conditional)
		end_sets(&sets);
	pfree(first);
	pfree(score);
}

static double *
block_sums(Passes *passes, uint64 block)
{
	const RegressionShape *shape = &passes->data.shape;

	return passes->numbers + (Size) shape->p * Max(shape->m, 2) + block * passes->n_room;
}

/*
 * Do the job at hand for a block; data is passes->data where this process has it.
 */
static void
do_block(Passes *passes, const RegressionData *data, uint64 block)
{
	uint64 n_blocks = passes->phases.n_blocks;
	int64 from = block_start(data, n_blocks, block);
	int64 to = block_start(data, n_blocks, block + 1);
	const double *parameters = passes->numbers;
	double *sums = block_sums(passes, block);

	memset(sums, 0, passes->n_sums * sizeof(double));
	switch (passes->job)
	{
		case JOB_MEANS:
			add_means(data, from, to, sums);
			break;
		case JOB_SQUARES:
			add_squares(data, parameters, from, to, sums);
			break;
		case JOB_STANDARDIZE:
			scale_rows(data, parameters, parameters + data->shape.p, from, to);
			break;
		case JOB_PASS:
			if (data->shape.family == REGRESSION_CONDITIONAL)
				add_sets(data, parameters, passes->part, from, to, sums);
			else
				add_rows(data, parameters, passes->part, from, to, sums);
			break;
		case JOB_CLUSTERS:
			add_clusters(data, parameters, from, to, sums);
			break;
	}
}

/*
 * The leader has all participants do a job, and adds up the n sums of its blocks.
 */
static void
do_job(Passes *passes, Job job, double *sums, Size n)
{
	ParallelPhases *phases = &passes->phases;

	passes->job = job;
	passes->n_sums = n;
	parallel_phase_open(phases);
	while (leader->block < pg_atomic_read_u64(&phases->open))
	{
		do_block(passes, leader->data, leader->block % phases->n_blocks);
		parallel_phase_done(phases);
		(void) parallel_next(leader->cursor, &leader->block);
	}
	parallel_phases_join(phases);
	memset(sums, 0, n * sizeof(double));
	for (uint64 block = 0; block < phases->n_blocks; block++)
	{
		const double *added = block_sums(passes, block);

		for (Size i = 0; i < n; i++)
			sums[i] += added[i];
	}
}

static void
set_parameters(Passes *passes, const double *numbers, Size n, Size offset)
{
	memcpy(passes->numbers + offset, numbers, n * sizeof(double));
}

/*
 * Weighted means of the columns, and of the squares of what they differ from it.
 */
static void
moments(void *argument, double *mean, double *square)
{
	Passes *passes = argument;
	int32 p = passes->data.shape.p;
	double *sums = palloc((1 + p) * sizeof(double));

	do_job(passes, JOB_MEANS, sums, 1 + p);
	for (int32 j = 0; j < p; j++)
		mean[j] = sums[1 + j] / sums[0];
	set_parameters(passes, mean, p, 0);
	do_job(passes, JOB_SQUARES, square, p);
	for (int32 j = 0; j < p; j++)
		square[j] /= sums[0];
	pfree(sums);
}

static void
standardize(void *argument, const double *mean, const double *scale)
{
	Passes *passes = argument;
	int32 p = passes->data.shape.p;

	set_parameters(passes, mean, p, 0);
	set_parameters(passes, scale, p, p);
	do_job(passes, JOB_STANDARDIZE, NULL, 0);
}

/*
 * The sums of a pass at theta.
 */
static void
pass(void *argument, const double *theta, RegressionPart part, double *sums)
{
	Passes *passes = argument;
	int32 m = passes->data.shape.m;
	int32 p = passes->data.shape.p;

	set_parameters(passes, theta, (Size) m * p, 0);
	passes->part = part;
	do_job(passes, JOB_PASS, sums, regression_sums(m, p, regression_part_blocks(part, m)));
}

static int64
clusters(void *argument, const double *theta, double *sums)
{
	Passes *passes = argument;
	Size q = (Size) passes->data.shape.m * passes->data.shape.p;

	set_parameters(passes, theta, q, 0);
	do_job(passes, JOB_CLUSTERS, sums, regression_sums(1, q, 1));
	return (int64) sums[SUM_ROWS];
}

/*
 * The rows as a worker has them; an area on their own is attached, for as long as the
 * task lasts.
 */
static RegressionData
attach_rows(const Passes *passes, dsm_segment **segment)
{
	RegressionData data = passes->data;

	*segment = dsm_attach(passes->rows);
	if (*segment == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("could not map dynamic shared memory segment")));
	place_arrays(&data, dsm_segment_address(*segment), data.capacity);
	return data;
}

/*
 * The task: of the leader the whole regression, of workers blocks of its passes.
 */
void
socrec_regression(void *memory, ParallelCursor *cursor)
{
	Passes *passes = memory;
	RegressionSource source = {moments, standardize, pass, clusters, passes};
	RegressionData data;
	dsm_segment *segment;
	uint64 block;

	if (leader != NULL)
	{
		leader->cursor = cursor;
		(void) parallel_next(cursor, &leader->block);
		leader->report =
			regression_run(leader->data->budget, leader->problem, leader->options, &source);
		parallel_phases_end(&passes->phases);
		return;
	}
	data = attach_rows(passes, &segment);
	while (parallel_next(cursor, &block) && parallel_phase_wait(&passes->phases, block))
	{
		do_block(passes, &data, block % passes->phases.n_blocks);
		parallel_phase_done(&passes->phases);
	}
	dsm_detach(segment);
}

/*
 * How passes over n rows are done: numbers in the sums of one, blocks, and whether it
 * pays to have workers.
 */
typedef struct Plan
{
	Size n_sums;
	uint64 n_blocks;
	bool shared;
} Plan;

static Plan
plan_passes(const RegressionProblem *problem, const RegressionOptions *options, int64 n)
{
	int32 m = problem->shape.m;
	int32 p = problem->shape.p;
	int32 blocks = regression_has_curvature(problem) ? regression_blocks(m) : 0;
	double work = (double) n * (m * (p + ROW_WORK) + blocks * (double) regression_triangle(p));
	Plan plan = {.n_sums = regression_sums(m, p, blocks), .shared = work > PARALLEL_WORK};

	if (options->errors == ERRORS_CLUSTERS && problem->errors)
		plan.n_sums = Max(plan.n_sums, regression_sums(1, m * p, 1));
	plan.n_blocks = Max(1, Min(Min(MAX_BLOCKS, work / BLOCK_WORK),
							   (double) n * p / ((double) BLOCK_ROOM * plan.n_sums)));
	return plan;
}

static Size
passes_size(const RegressionShape *shape, const Plan *plan)
{
	Size n = add_size(mul_size(shape->p, Max(shape->m, 2)), mul_size(plan->n_sums, plan->n_blocks));

	return add_size(sizeof(Passes), mul_size(n, sizeof(double)));
}

/*
 * Make room for n rows and passes over them, where workers can get at them if that pays.
 * False when they, and what it takes to fit to them, do not fit, if that is asked; more rows can be
 * added all the same.
 */
bool
regression_data_reserve(RegressionData *data, const RegressionProblem *problem,
						const RegressionOptions *options, int64 n, bool if_it_fits)
{
	Plan plan = plan_passes(problem, options, n);
	Size size = mul_size(n, row_size(data));
	Size room = add_size(passes_size(&data->shape, &plan), regression_run_size(problem, options));

	if (if_it_fits && !budget_fits(data->budget, add_size(size, room)))
		return false;
	parallel_area_alloc(&data->area, data->budget, size, plan.shared, "rows");
	place_arrays(data, data->area.memory, n);
	data->capacity = n;
	return true;
}

/*
 * Fit a regression to the rows, which changes them.
 *
 * Errors: as regression_run.
 */
RegressionReport *
regression_data_run(RegressionData *data, RegressionProblem *problem,
					const RegressionOptions *options)
{
	Plan plan = plan_passes(problem, options, data->n);
	Leader own = {.data = data, .problem = problem, .options = options};
	ParallelArea area;
	Passes *passes;

	parallel_area_init(&area, data->budget, passes_size(&data->shape, &plan),
					   data->area.segment != NULL, "the sums of passes");
	passes = area.memory;
	passes->data = *data;
	passes->n_room = plan.n_sums;
	if (data->area.segment != NULL)
		passes->rows = dsm_segment_handle(data->area.segment);
	parallel_phases_init(&passes->phases, plan.n_blocks);
	leader = &own;
	parallel_run(&area, socrec_regression, "socrec_regression", PG_UINT64_MAX);
	leader = NULL;
	parallel_area_free(&area);
	return own.report;
}
