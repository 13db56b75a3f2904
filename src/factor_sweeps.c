/*
 * factor_sweeps.c
 *		The fits of als and bayes_mf: sweeps over users and items in turn.
 *
 * Ratings by user and by item, and the vectors of both, lie in one area of memory
 * that workers share.  Half a sweep is a phase: its blocks are rows of one side, cut
 * so that they cost the same.  Whoever finishes the last block does what comes
 * between two phases, draws the next prior and keeps a sample, which depends on what
 * lies in the area alone.  So the workers are started once, and the model is the
 * same, to the last bit, whoever did what.
 */
#include "postgres.h"

#include <math.h>

#include "access/parallel.h"
#include "miscadmin.h"

#include "factor.h"
#include "method.h"
#include "parallel.h"
#include "sweep.h"

/* Multiply-adds of one block, some milliseconds, and of a fit that pays for workers. */
#define BLOCK_WORK 2.5e7
#define PARALLEL_WORK 1e9

#define MAX_BLOCKS 65536

/* Purposes of random draws; half sweeps count from 0 in each. */
#define DRAW_START 0
#define DRAW_ROWS (UINT64CONST(1) << 32)
#define DRAW_PRIOR (UINT64CONST(2) << 32)
#define DRAW_NOISE (UINT64CONST(3) << 32)

enum
{
	USERS,
	ITEMS
};

/* What a fit is asked for. */
typedef struct SweepPlan
{
	int32 rank;
	bool sampling;         /* draws from the posterior, not least squares */
	double regularization; /* of least squares, times the number of ratings */
	double start_deviation;
	int32 n_sweeps;
	int32 burn_in; /* sweeps before samples are kept */
	int32 thin;    /* every which sweep is kept */
	int32 n_samples;
	uint64 seed;
} SweepPlan;

/* Where things lie in the area, counted in bytes from its beginning. */
typedef struct SweepPlaces
{
	Size start[2];     /* int64, n + 1, of the rows of users and items */
	Size entries[2];   /* KnnEntry, n_ratings */
	Size vectors[2];   /* float, n * width */
	Size precision[2]; /* float, width * width: the prior that they were drawn with */
	Size shift[2];     /* float, width */
	Size cut[2];       /* int32, n_blocks + 1: the rows of each block */
	Size error;        /* double, n_blocks: squared error after the items' half sweep */
	Size samples;      /* float, n_samples * sample_floats() */
	Size noise;        /* double, n_samples */
} SweepPlaces;

/* What the workers share, followed by its arrays. */
typedef struct SweepArea
{
	ParallelPhases phases;
	SweepPlan plan;
	SweepPlaces places;
	int32 n[2]; /* users and items */
	int32 width;
	int64 n_ratings;
	double mean;
	double noise;
	bool failed; /* equations had no solution */
} SweepArea;

PGDLLEXPORT void socrec_sweep(void *memory, ParallelCursor *cursor);

/* Of the fit that this process leads; workers tell nobody. */
static Progress *leader_progress = NULL;

/* Floats of a sample: vectors of the items, then precision and shift of the users' prior. */
static Size
sample_floats(const SweepArea *area)
{
	return (Size) area->width * ((Size) area->n[ITEMS] + area->width + 1);
}

static SweepSide
area_side(SweepArea *area, int side)
{
	return (SweepSide){.n = area->n[side],
					   .start = PARALLEL_ARRAY(area, places.start[side], int64),
					   .entries = PARALLEL_ARRAY(area, places.entries[side], KnnEntry),
					   .vectors = PARALLEL_ARRAY(area, places.vectors[side], float)};
}

static Normal *
make_equations(const SweepArea *area)
{
	Normal *work = palloc(sizeof(Normal));
	int32 n_unknowns = area->plan.rank + 1;

	normal_init(
		work, n_unknowns,
		MemoryContextAllocHuge(CurrentMemoryContext, normal_floats(n_unknowns) * sizeof(float)));
	return work;
}

/*
 * Draw the prior of the side whose half sweep is next.
 */
static void
draw_prior(SweepArea *area, uint64 half, Normal *work)
{
	int side = half % 2;
	SweepSide own = area_side(area, side);
	double *memory = palloc(sweep_prior_doubles(work->n) * sizeof(double));

	sweep_draw_prior(&own, area->noise, draw_stream(area->plan.seed, DRAW_PRIOR + half, 0), work,
					 memory, PARALLEL_ARRAY(area, places.precision[side], float),
					 PARALLEL_ARRAY(area, places.shift[side], float));
	pfree(memory);
}

/*
 * Keep the items' vectors, and the users' prior with them.
 */
static void
keep_sample(SweepArea *area, int32 n)
{
	Size n_vectors = (Size) area->width * area->n[ITEMS];
	Size n_matrix = (Size) area->width * area->width;
	float *sample = PARALLEL_ARRAY(area, places.samples, float) + n * sample_floats(area);

	memcpy(sample, PARALLEL_ARRAY(area, places.vectors[ITEMS], float), n_vectors * sizeof(float));
	memcpy(sample + n_vectors, PARALLEL_ARRAY(area, places.precision[USERS], float),
		   n_matrix * sizeof(float));
	memcpy(sample + n_vectors + n_matrix, PARALLEL_ARRAY(area, places.shift[USERS], float),
		   area->width * sizeof(float));
	PARALLEL_ARRAY(area, places.noise, double)[n] = area->noise;
}

/*
 * What comes after a half sweep, of which nobody is at work now.
 */
static void
finish_half(SweepArea *area, uint64 half, Normal *work)
{
	const SweepPlan *plan = &area->plan;
	int32 sweep = half / 2 - plan->burn_in;

	if (half % 2 == ITEMS)
	{
		double error = 0;

		if (sweep >= 0 && sweep % plan->thin == plan->thin - 1)
			keep_sample(area, sweep / plan->thin);
		for (uint64 block = 0; block < area->phases.n_blocks; block++)
			error += PARALLEL_ARRAY(area, places.error, double)[block];
		if (plan->sampling)
			area->noise = sweep_draw_noise(error, area->n_ratings,
										   draw_stream(plan->seed, DRAW_NOISE + half, 0));
	}
	if (plan->sampling)
		draw_prior(area, half + 1, work);
}

/*
 * One block of a half sweep.
 */
static void
sweep_block(SweepArea *area, uint64 half, uint64 block, Normal *work)
{
	int side = half % 2;
	SweepSide own = area_side(area, side);
	const int32 *cut = PARALLEL_ARRAY(area, places.cut[side], int32);
	SweepRule rule = {.mean = area->mean,
					  .regularization = area->plan.regularization,
					  .seed = area->plan.seed,
					  .purpose = DRAW_ROWS + half};
	double error = 0;

	if (area->plan.sampling)
	{
		rule.precision = PARALLEL_ARRAY(area, places.precision[side], float);
		rule.shift = PARALLEL_ARRAY(area, places.shift[side], float);
		rule.deviation = sqrt(area->noise);
	}
	if (!sweep_rows(&own, PARALLEL_ARRAY(area, places.vectors[1 - side], float), &rule, work,
					cut[block], cut[block + 1],
					side == ITEMS && area->plan.sampling ? &error : NULL))
		area->failed = true;
	PARALLEL_ARRAY(area, places.error, double)[block] = error;
}

/*
 * The task: blocks of half sweeps, one after the other.
 */
void
socrec_sweep(void *memory, ParallelCursor *cursor)
{
	SweepArea *area = memory;
	uint64 n_blocks = area->phases.n_blocks;
	Normal *work = make_equations(area);
	uint64 block;

	while (parallel_next(cursor, &block))
	{
		parallel_phase_wait(&area->phases, block);
		if (!area->failed)
			sweep_block(area, block / n_blocks, block % n_blocks, work);
		if (leader_progress != NULL)
			progress_report(leader_progress, "%.0f %% done", 100.0 * block / cursor->n_blocks);
		if (parallel_phase_finish(&area->phases))
		{
			if (!area->failed)
				finish_half(area, block / n_blocks, work);
			parallel_phase_open(&area->phases);
		}
	}
}

/*
 * Lay out the area's arrays; returns its size.
 */
static Size
lay_out(SweepArea *area)
{
	SweepPlaces *places = &area->places;
	Size n_matrix = (Size) area->width * area->width;
	Size size = 0;

	(void) parallel_place(&size, 1, sizeof(SweepArea));
	for (int side = USERS; side <= ITEMS; side++)
	{
		places->start[side] = parallel_place(&size, area->n[side] + 1, sizeof(int64));
		places->entries[side] = parallel_place(&size, area->n_ratings, sizeof(KnnEntry));
		places->vectors[side] =
			parallel_place(&size, (Size) area->n[side] * area->width, sizeof(float));
		places->precision[side] = parallel_place(&size, n_matrix, sizeof(float));
		places->shift[side] = parallel_place(&size, area->width, sizeof(float));
		places->cut[side] = parallel_place(&size, area->phases.n_blocks + 1, sizeof(int32));
	}
	places->error = parallel_place(&size, area->phases.n_blocks, sizeof(double));
	places->samples =
		parallel_place(&size, mul_size(area->plan.n_samples, sample_floats(area)), sizeof(float));
	places->noise = parallel_place(&size, area->plan.n_samples, sizeof(double));
	return size;
}

/*
 * The ratings by user and by item.
 */
static void
copy_ratings(SweepArea *area, const Ratings *ratings)
{
	int64 *start = PARALLEL_ARRAY(area, places.start[ITEMS], int64);
	KnnEntry *entries = PARALLEL_ARRAY(area, places.entries[ITEMS], KnnEntry);

	memcpy(PARALLEL_ARRAY(area, places.start[USERS], int64), ratings->row_start,
		   (ratings->n_rows + 1) * sizeof(int64));
	memcpy(PARALLEL_ARRAY(area, places.entries[USERS], KnnEntry), ratings->entries,
		   ratings->n_ratings * sizeof(KnnEntry));
	/* Filling moves each column's start to its end, which is the start of the next. */
	memcpy(start + 1, ratings->column_start, ratings->n_columns * sizeof(int64));
	for (int32 row = 0; row < ratings->n_rows; row++)
	{
		if (row % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		for (int64 p = ratings->row_start[row]; p < ratings->row_start[row + 1]; p++)
			entries[start[ratings->entries[p].column + 1]++] =
				(KnnEntry){row, ratings->entries[p].value};
	}
}

/*
 * Cut the rows of a side into blocks of about the same cost: that of a row is its
 * ratings and, for the factorization, a third of its width.
 */
static void
cut_blocks(SweepArea *area, int side)
{
	const int64 *start = PARALLEL_ARRAY(area, places.start[side], int64);
	int32 *cut = PARALLEL_ARRAY(area, places.cut[side], int32);
	double per_row = area->width / 3.0;
	double total = area->n_ratings + per_row * area->n[side];
	uint64 n_blocks = area->phases.n_blocks;
	uint64 block = 0;

	for (int32 row = 0; row <= area->n[side]; row++)
		while (block < n_blocks && start[row] + per_row * row >= total * block / n_blocks)
			cut[block++] = row;
	while (block <= n_blocks)
		cut[block++] = area->n[side];
}

/*
 * Half a sweep's multiply-adds, of the side that has more.
 */
static double
half_work(const Ratings *ratings, int32 width)
{
	return (ratings->n_ratings + Max(ratings->n_rows, ratings->n_columns) * (width / 3.0)) * width *
		   width / 2;
}

static double
rating_variance(const Ratings *ratings)
{
	double sum = 0;

	for (int64 p = 0; p < ratings->n_ratings; p++)
	{
		double deviation = ratings->entries[p].value - ratings->mean;

		sum += deviation * deviation;
	}
	return sum / Max(ratings->n_ratings, 1);
}

static void
fill_area(SweepArea *area, const Ratings *ratings)
{
	copy_ratings(area, ratings);
	for (int side = USERS; side <= ITEMS; side++)
	{
		SweepSide own = area_side(area, side);

		cut_blocks(area, side);
		sweep_start(&own, area->plan.rank + 1, area->plan.start_deviation, area->plan.seed,
					DRAW_START + side);
	}
	/* Of ratings that are all alike, too, so that draws have a deviation. */
	area->noise = Max(rating_variance(ratings), 1e-6);
}

/*
 * A model from what the area holds in the end.
 */
static FactorModel *
make_model(SweepArea *area, Budget *budget)
{
	const SweepPlan *plan = &area->plan;
	FactorShape shape = {
		.rank = plan->rank, .n_samples = plan->n_samples, .user_bias = true, .item_bias = true};
	FactorModel *model = factor_model_create(&shape, area->n[ITEMS], budget);
	FactorPrior *prior = &model->prior;
	int32 solved = factor_solved(&shape);
	int32 width = area->width;

	prior->target = FACTOR_RATING;
	prior->regularization = plan->regularization;
	prior->exponent = plan->sampling ? 0 : 1;
	for (int32 s = 0; s < plan->n_samples; s++)
	{
		const float *sample = PARALLEL_ARRAY(area, places.samples, float) + s * sample_floats(area);
		const float *precision = sample + (Size) width * area->n[ITEMS];
		const float *shift = precision + (Size) width * width;

		prior->offset[s] = area->mean;
		for (int32 item = 0; item < area->n[ITEMS]; item++)
		{
			const float *from = sample + (Size) item * width;
			float *to =
				model->items + (Size) item * factor_length(&shape) + s * factor_width(&shape);

			to[0] = 1;
			memcpy(to + 1, from + 1, plan->rank * sizeof(float));
			to[solved] = from[0];
		}
		if (!plan->sampling)
			continue;
		prior->noise[s] = PARALLEL_ARRAY(area, places.noise, double)[s];
		for (int32 i = 0; i < solved; i++)
			memcpy(prior->precision + ((Size) s * solved + i) * solved,
				   precision + (Size) i * width, solved * sizeof(float));
		memcpy(prior->shift + (Size) s * solved, shift, solved * sizeof(float));
	}
	/* Least squares treat both sides alike. */
	if (!plan->sampling)
		model->item_prior = prior;
	return model;
}

/*
 * Do the sweeps of a plan.
 */
static FactorModel *
fit(const SweepPlan *plan, const Ratings *ratings, Budget *budget, Progress *progress)
{
	int32 width = normal_width(plan->rank + 1);
	double work = half_work(ratings, width);
	double n_blocks = work / BLOCK_WORK;
	bool shared = work * 2 * plan->n_sweeps > PARALLEL_WORK;
	SweepArea layout = {.plan = *plan,
						.n = {ratings->n_rows, ratings->n_columns},
						.width = width,
						.n_ratings = ratings->n_ratings,
						.mean = ratings->mean};
	ParallelArea parallel;
	SweepArea *area;
	FactorModel *model;
	Size size;

	layout.phases.n_blocks = Min(MAX_BLOCKS, Max(shared ? 16 : 1, n_blocks));
	size = lay_out(&layout);
	parallel_area_init(&parallel, budget, size, shared, "factors");
	area = parallel.memory;
	*area = layout;
	fill_area(area, ratings);
	parallel_phases_init(&area->phases, layout.phases.n_blocks);
	if (plan->sampling)
		draw_prior(area, 0, make_equations(area));
	parallel_phase_open(&area->phases);

	leader_progress = progress;
	parallel_run(&parallel, socrec_sweep, "socrec_sweep",
				 layout.phases.n_blocks * 2 * plan->n_sweeps);
	leader_progress = NULL;
	if (area->failed)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("the equations of a user or an item have no solution in single precision"),
				 errhint("Raise option \"regularization\", or lower \"factors\".")));
	model = make_model(area, budget);
	parallel_area_free(&parallel);
	return model;
}

/*
 * What both plans take from the options; ratings must be explicit.
 */
static SweepPlan
common_plan(const char *method, bool is_explicit, Jsonb *options)
{
	if (!is_explicit)
		invalid_argument("method %s needs ratings", method);
	return (SweepPlan){.rank = method_whole(options, "factors", 1, FACTOR_MAX_RANK),
					   .seed = (uint64) (int64) method_number(options, "seed")};
}

/*
 * Biased matrix factorization by alternating least squares, the regularization
 * weighted by the number of ratings.
 */
FactorModel *
als_fit(const Ratings *ratings, bool is_explicit, Jsonb *options, Budget *budget,
		Progress *progress)
{
	SweepPlan plan = common_plan("als", is_explicit, options);

	plan.regularization = method_number(options, "regularization");
	if (!(plan.regularization >= 0) || isinf(plan.regularization))
		invalid_argument("option \"regularization\" must not be negative, and is %g",
						 plan.regularization);
	plan.n_sweeps = method_whole(options, "iterations", 1, 10000);
	plan.burn_in = plan.n_sweeps - 1;
	plan.thin = 1;
	plan.n_samples = 1;
	/* Small, so that biases explain what they can first. */
	plan.start_deviation = 0.1 / sqrt(plan.rank);
	return fit(&plan, ratings, budget, progress);
}

/*
 * Bayesian matrix factorization with biases by Gibbs sampling.
 */
FactorModel *
bayes_mf_fit(const Ratings *ratings, bool is_explicit, Jsonb *options, Budget *budget,
			 Progress *progress)
{
	SweepPlan plan = common_plan("bayes_mf", is_explicit, options);

	plan.sampling = true;
	plan.burn_in = method_whole(options, "burn_in", 0, 10000);
	plan.thin = method_whole(options, "thin", 1, 1000);
	plan.n_samples = method_whole(options, "samples", 1, 1000);
	if (plan.n_samples * (plan.rank + 2) > FACTOR_MAX_LENGTH)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("%d samples of %d factors and two biases are more than %d elements",
							   plan.n_samples, plan.rank, FACTOR_MAX_LENGTH),
						errhint("Lower option \"samples\" or \"factors\".")));
	plan.n_sweeps = plan.burn_in + plan.thin * plan.n_samples;
	plan.start_deviation = 0.1;
	return fit(&plan, ratings, budget, progress);
}
