/*
 * ials.c
 *		Implicit alternating least squares: the method ials.
 *
 * Weights and preferences are factorized by alternating least squares over all
 * cells of the matrix (Hu, Koren and Volinsky, Collaborative Filtering for Implicit
 * Feedback Datasets, ICDM 2008), with the parts that Rendle et al. (Revisiting the
 * Performance of iALS on Item Recommendation Benchmarks, RecSys 2022) found to
 * matter: a weight of unobserved cells, and regularization that grows with the
 * number of ratings.  The loss is
 *
 *		sum over ratings of c (1 - <w, h>)^2 + a0 * sum over all cells of <w, h>^2
 *		+ lambda * (sum over users of (n_u + a0 * items)^nu |w|^2 + the same of items)
 *
 * where c is the rating, or 1 without any.  The second sum is a quadratic form in
 * the Gram matrix of the other side, so that a pass takes time in proportion to the
 * ratings, not the cells.
 *
 * A row is solved by a few steps of conjugate gradients from where it was (Takacs,
 * Pilaszy and Tikk, Applications of the Conjugate Gradient Method for Implicit
 * Feedback Collaborative Filtering, RecSys 2011), which reads the vectors of what
 * was rated once a step, or exactly, by Cholesky.
 *
 * All lies in one area of memory that parallel workers share.  A block of rows
 * depends on nothing that another one of its pass writes, and Gram matrices are
 * sums of parts in one order: so the result is the same whoever does what.
 */
#include "postgres.h"

#include <math.h>

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "equations.h"
#include "factor.h"
#include "method.h"
#include "normal.h"
#include "parallel.h"
#include "wide.h"

/* Floats side by side, a multiple of which a row in the area takes. */
#define LANES NORMAL_LANES

typedef float Lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

/* Blocks of a pass: enough to share evenly, but each worth more than a worker's start. */
#define MAX_BLOCKS 256
#define BLOCK_RATINGS 50000

/* Parts of a Gram matrix, and multiplications that one of them is worth. */
#define MAX_PARTS 32
#define PART_PRODUCTS 100000000

/* The deviation of the factors that a fit starts from is this, by sqrt(rank). */
#define INITIAL_DEVIATION 0.1

typedef struct IalsOptions
{
	int32 rank;
	int32 iterations;
	int32 steps; /* of conjugate gradients; 0: Cholesky */
	double unobserved_weight;
	double regularization;
	double exponent;
	uint64 seed;
} IalsOptions;

/* Users or items; places are offsets from the beginning of the area. */
typedef struct Side
{
	int32 n;
	int32 n_blocks;
	int32 block[MAX_BLOCKS + 1]; /* first row of each */
	int32 n_parts;               /* of the Gram matrix */
	Size start;                  /* int64, n + 1 */
	Size other;                  /* int32, rows of the other side, one a rating */
	Size weight;                 /* float, one a rating; 0: all are 1 */
	Size factors;                /* n * stride floats, zero behind the rank */
} Side;

typedef struct Ials
{
	IalsOptions options;
	int32 stride;
	int32 solving;   /* the side whose rows are solved, or 1 - the side whose Gram is made */
	Size gram;       /* stride * stride floats: of the other side, times a0 */
	Size gram_parts; /* as much for each part */
	Side sides[2];   /* users, items */
} Ials;

/* What the rows of a block are solved in. */
typedef struct Workspace
{
	float *residual;
	float *direction;
	float *product;
} Workspace;

PGDLLEXPORT void socrec_ials_gram(void *memory, ParallelCursor *cursor);
PGDLLEXPORT void socrec_ials_solve(void *memory, ParallelCursor *cursor);

/* Four vectors, which are read together, as lanes. */
typedef struct Rows
{
	const Lanes *row0;
	const Lanes *row1;
	const Lanes *row2;
	const Lanes *row3;
} Rows;

ALWAYS_INLINE float
sum_of(const Lanes *lanes)
{
	float sum = 0;

	for (int lane = 0; lane < LANES / 2; lane++)
		sum += (*lanes)[lane] + (*lanes)[lane + LANES / 2];
	return sum;
}

/*
 * out += a0 * row0 + ... + a3 * row3, of vectors of n lanes.
 */
ALWAYS_INLINE void
add_four(Lanes *restrict out, Rows rows, float a0, float a1, float a2, float a3, int32 n)
{
	for (int32 i = 0; i < n; i++)
		out[i] += (a0 * rows.row0[i] + a1 * rows.row1[i]) + (a2 * rows.row2[i] + a3 * rows.row3[i]);
}

/*
 * The products of four rows with x, in two sums each, so that none waits for its
 * last addition.
 */
ALWAYS_INLINE void
multiply_four(Rows rows, const Lanes *restrict x, int32 n, float *products)
{
	Lanes even0 = {0}, even1 = {0}, even2 = {0}, even3 = {0};
	Lanes odd0 = {0}, odd1 = {0}, odd2 = {0}, odd3 = {0};
	int32 i = 0;

	for (; i + 2 <= n; i += 2)
	{
		even0 += rows.row0[i] * x[i];
		even1 += rows.row1[i] * x[i];
		even2 += rows.row2[i] * x[i];
		even3 += rows.row3[i] * x[i];
		odd0 += rows.row0[i + 1] * x[i + 1];
		odd1 += rows.row1[i + 1] * x[i + 1];
		odd2 += rows.row2[i + 1] * x[i + 1];
		odd3 += rows.row3[i + 1] * x[i + 1];
	}
	if (i < n)
	{
		even0 += rows.row0[i] * x[i];
		even1 += rows.row1[i] * x[i];
		even2 += rows.row2[i] * x[i];
		even3 += rows.row3[i] * x[i];
	}
	even0 += odd0;
	even1 += odd1;
	even2 += odd2;
	even3 += odd3;
	products[0] = sum_of(&even0);
	products[1] = sum_of(&even1);
	products[2] = sum_of(&even2);
	products[3] = sum_of(&even3);
}

/*
 * out += sum over n rows of weight * (target - <row, x>) * row: what is left to
 * explain for target 1, and, with its sign changed, the product of x with the
 * matrix of the equations for target 0.  Four rows at a time: x and out are then
 * read once for all of them, and a row is in the nearest cache when it is added.
 */
WIDE_FLOATS static void
add_rows(const float *factors, const int32 *rows, const float *weights, int64 n, int32 stride,
		 const float *x, float target, float *out)
{
	for (int64 p = 0; p < n; p += 4)
	{
		int32 m = (int32) Min(n - p, 4);
		int64 p1 = p + (m > 1), p2 = p + 2 * (m > 2), p3 = p + 3 * (m > 3);
		Rows four = {(const Lanes *) (factors + (Size) rows[p] * stride),
					 (const Lanes *) (factors + (Size) rows[p1] * stride),
					 (const Lanes *) (factors + (Size) rows[p2] * stride),
					 (const Lanes *) (factors + (Size) rows[p3] * stride)};
		float a[4];

		multiply_four(four, (const Lanes *) x, stride / LANES, a);
		for (int32 k = 0; k < 4; k++)
			a[k] = k < m ? (weights == NULL ? 1 : weights[p + k]) * (target - a[k]) : 0;
		add_four((Lanes *) out, four, a[0], a[1], a[2], a[3], stride / LANES);
	}
}

/*
 * Four rows of a matrix from the given one on; the last one again behind the end.
 */
ALWAYS_INLINE Rows
four_rows(const float *matrix, int32 row, int32 n, int32 stride)
{
	return (Rows){(const Lanes *) (matrix + (Size) row * stride),
				  (const Lanes *) (matrix + (Size) Min(row + 1, n - 1) * stride),
				  (const Lanes *) (matrix + (Size) Min(row + 2, n - 1) * stride),
				  (const Lanes *) (matrix + (Size) Min(row + 3, n - 1) * stride)};
}

/*
 * out += sign * (gram + ridge * I) x.
 */
WIDE_FLOATS static void
add_gram(const float *gram, float ridge, int32 stride, const float *x, float sign, float *out)
{
	for (int32 j = 0; j < stride; j += 4)
		add_four((Lanes *) out, four_rows(gram, j, stride, stride), sign * x[j], sign * x[j + 1],
				 sign * x[j + 2], sign * x[j + 3], stride / LANES);
	for (int32 j = 0; j < stride; j++)
		out[j] += sign * ridge * x[j];
}

/*
 * Sums of squares of n vectors, each a row of stride floats: a Gram matrix.
 */
WIDE_FLOATS static void
add_squares(const float *factors, int32 n, int32 stride, float *gram)
{
	for (int32 row = 0; row < n; row += 4)
	{
		Rows four = four_rows(factors, row, n, stride);
		int32 m = n - row;

		for (int32 j = 0; j < stride; j++)
			add_four((Lanes *) (gram + (Size) j * stride), four, ((const float *) four.row0)[j],
					 m > 1 ? ((const float *) four.row1)[j] : 0,
					 m > 2 ? ((const float *) four.row2)[j] : 0,
					 m > 3 ? ((const float *) four.row3)[j] : 0, stride / LANES);
	}
}

/*
 * The part of a Gram matrix that some rows make.
 */
void
socrec_ials_gram(void *memory, ParallelCursor *cursor)
{
	Ials *ials = memory;
	const Side *side = &ials->sides[1 - ials->solving];
	Size size = (Size) ials->stride * ials->stride;
	uint64 part;

	while (parallel_next(cursor, &part))
	{
		float *gram = PARALLEL_ARRAY(ials, gram_parts, float) + part * size;
		int32 first = (int32) ((int64) side->n * part / side->n_parts);
		int32 end = (int32) ((int64) side->n * (part + 1) / side->n_parts);

		memset(gram, 0, size * sizeof(float));
		add_squares(PARALLEL_AT(ials, side->factors, float) + (Size) first * ials->stride,
					end - first, ials->stride, gram);
	}
}

/*
 * A row by conjugate gradients, from where it was.
 */
static void
solve_gradients(const Ials *ials, const float *factors, const int32 *rows, const float *weights,
				int64 n, float ridge, float *x, const Workspace *work)
{
	const float *gram = PARALLEL_ARRAY(ials, gram, const float);
	int32 stride = ials->stride;
	Size size = stride * sizeof(float);
	float *residual = work->residual;
	float *direction = work->direction;
	float *product = work->product;
	double length;

	memset(residual, 0, size);
	add_rows(factors, rows, weights, n, stride, x, 1, residual);
	add_gram(gram, ridge, stride, x, -1, residual);
	memcpy(direction, residual, size);
	length = vector_dot(residual, residual, stride);
	for (int32 step = 0; step < ials->options.steps && length > 1e-20; step++)
	{
		double before = length;
		float along;
		float turn;

		CHECK_FOR_INTERRUPTS();
		memset(product, 0, size);
		add_rows(factors, rows, weights, n, stride, direction, 0, product);
		add_gram(gram, ridge, stride, direction, -1, product);
		along = (float) (length / -vector_dot(direction, product, stride));
		for (int32 f = 0; f < stride; f++)
		{
			x[f] += along * direction[f];
			residual[f] += along * product[f];
		}
		length = vector_dot(residual, residual, stride);
		turn = (float) (length / before);
		for (int32 f = 0; f < stride; f++)
			direction[f] = residual[f] + turn * direction[f];
	}
}

/*
 * A row exactly.
 */
static void
solve_cholesky(const Ials *ials, const float *factors, const int32 *rows, const float *weights,
			   int64 n, float ridge, float *x, Normal *normal)
{
	normal_start(normal, PARALLEL_ARRAY(ials, gram, const float), NULL);
	normal_ridge(normal, ridge);
	for (int64 p = 0; p < n; p++)
	{
		const float *factor = factors + (Size) rows[p] * ials->stride;
		float scale = weights == NULL ? 1 : sqrtf(weights[p]);
		float *row = normal_next(normal, scale);

		if (p % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
		for (int32 f = 0; f < ials->stride; f++)
			row[f] = scale * factor[f];
	}
	if (!normal_factor(normal))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("equations of method ials are singular"),
						errhint("Raise option \"regularization\".")));
	normal_solve(normal, NULL, x);
}

/*
 * Solve blocks of rows of one side, given the other.
 */
void
socrec_ials_solve(void *memory, ParallelCursor *cursor)
{
	Ials *ials = memory;
	const IalsOptions *options = &ials->options;
	const Side *side = &ials->sides[ials->solving];
	const Side *others = &ials->sides[1 - ials->solving];
	const int64 *start = PARALLEL_AT(ials, side->start, int64);
	const float *factors = PARALLEL_AT(ials, others->factors, float);
	Workspace work = {.residual = palloc(ials->stride * sizeof(float)),
					  .direction = palloc(ials->stride * sizeof(float)),
					  .product = palloc(ials->stride * sizeof(float))};
	Normal normal;
	uint64 block;

	normal_init(&normal, options->rank, palloc(normal_floats(options->rank) * sizeof(float)));
	while (parallel_next(cursor, &block))
		for (int32 row = side->block[block]; row < side->block[block + 1]; row++)
		{
			int64 n = start[row + 1] - start[row];
			const int32 *rows = PARALLEL_AT(ials, side->other, int32) + start[row];
			const float *weights =
				side->weight == 0 ? NULL : PARALLEL_AT(ials, side->weight, float) + start[row];
			float ridge =
				(float) (options->regularization *
						 pow(n + options->unobserved_weight * others->n, options->exponent));
			float *x = PARALLEL_AT(ials, side->factors, float) + (Size) row * ials->stride;

			if (options->steps == 0)
				solve_cholesky(ials, factors, rows, weights, n, ridge, x, &normal);
			else
				solve_gradients(ials, factors, rows, weights, n, ridge, x, &work);
		}
}

/*
 * The Gram matrix of the side that is not solved, times a0.
 */
static void
make_gram(ParallelArea *area)
{
	Ials *ials = area->memory;
	Size size = (Size) ials->stride * ials->stride;
	const float *parts = PARALLEL_ARRAY(ials, gram_parts, float);
	float *gram = PARALLEL_ARRAY(ials, gram, float);
	int32 n_parts = ials->sides[1 - ials->solving].n_parts;

	parallel_run(area, socrec_ials_gram, "socrec_ials_gram", n_parts);
	for (Size i = 0; i < size; i++)
	{
		double sum = 0;

		for (int part = 0; part < n_parts; part++)
			sum += parts[part * size + i];
		gram[i] = (float) (ials->options.unobserved_weight * sum);
	}
}

static void
solve_side(ParallelArea *area, int32 which)
{
	Ials *ials = area->memory;

	ials->solving = which;
	make_gram(area);
	parallel_run(area, socrec_ials_solve, "socrec_ials_solve", ials->sides[which].n_blocks);
}

/*
 * Divide the rows of a side into blocks of about as much work.
 */
static void
divide(Side *side, const int64 *start)
{
	int64 total = start[side->n] + side->n;
	int64 share = Max(BLOCK_RATINGS, total / MAX_BLOCKS + 1);
	int64 end = 0;

	for (int32 row = 0; row < side->n; row++)
		if (start[row] + row >= end)
		{
			side->block[side->n_blocks++] = row;
			end = start[row] + row + share;
		}
	side->block[side->n_blocks] = side->n;
}

static void
place_side(Side *side, int32 n, const Ratings *ratings, int32 stride, bool weighted, Size *size)
{
	side->n = n;
	side->n_parts = (int32) Min(MAX_PARTS, 1 + (double) n * stride * stride / PART_PRODUCTS);
	side->start = parallel_place(size, (Size) n + 1, sizeof(int64));
	side->other = parallel_place(size, ratings->n_ratings, sizeof(int32));
	if (weighted)
		side->weight = parallel_place(size, ratings->n_ratings, sizeof(float));
	side->factors = parallel_place(size, mul_size(n, stride), sizeof(float));
}

/*
 * Copy the ratings to the area, by user and by item; weights must not be negative.
 */
static void
copy_ratings(Ials *ials, const Ratings *ratings)
{
	Side *users = &ials->sides[0];
	Side *items = &ials->sides[1];
	int64 *start = PARALLEL_AT(ials, items->start, int64);
	int64 *next = start + 1;
	int32 *columns = PARALLEL_AT(ials, users->other, int32);
	int32 *rows = PARALLEL_AT(ials, items->other, int32);

	memcpy(PARALLEL_AT(ials, users->start, int64), ratings->row_start,
		   ((Size) users->n + 1) * sizeof(int64));
	/* One place on while they are filled, so that each ends where the next begins. */
	memcpy(next, ratings->column_start, (Size) items->n * sizeof(int64));
	for (int32 row = 0; row < users->n; row++)
	{
		if (row % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		for (int64 p = ratings->row_start[row]; p < ratings->row_start[row + 1]; p++)
		{
			KnnEntry entry = ratings->entries[p];
			int64 to = next[entry.column]++;

			columns[p] = entry.column;
			rows[to] = row;
			if (users->weight == 0)
				continue;
			if (entry.value < 0)
				ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
								errmsg("method ials takes ratings as weights, which must not be %g",
									   entry.value),
								errhint("Give counts or other weights, or no rating column.")));
			PARALLEL_AT(ials, users->weight, float)[p] = entry.value;
			PARALLEL_AT(ials, items->weight, float)[to] = entry.value;
		}
	}
	divide(users, PARALLEL_AT(ials, users->start, int64));
	divide(items, start);
}

static void
start_factors(Ials *ials)
{
	const Side *items = &ials->sides[1];
	float *factors = PARALLEL_AT(ials, items->factors, float);
	/* Of the uniform distribution with that deviation. */
	double limit = INITIAL_DEVIATION * sqrt(3.0 / ials->options.rank);
	pg_prng_state random;

	pg_prng_seed(&random, ials->options.seed);
	for (int32 item = 0; item < items->n; item++)
		for (int32 f = 0; f < ials->options.rank; f++)
			factors[(Size) item * ials->stride + f] =
				(float) (limit * (2 * pg_prng_double(&random) - 1));
}

static IalsOptions
read_options(Jsonb *given)
{
	IalsOptions options = {.rank = (int32) method_number(given, "factors"),
						   .iterations = (int32) method_number(given, "iterations"),
						   .unobserved_weight = method_number(given, "unobserved_weight"),
						   .regularization = method_number(given, "regularization"),
						   .exponent = method_number(given, "regularization_exponent"),
						   .seed = (uint64) (int64) method_number(given, "seed")};
	const char *solver = method_word(given, "solver");

	if (options.rank < 1 || options.rank > FACTOR_MAX_RANK)
		invalid_argument("factors must be between 1 and %d, not %d", FACTOR_MAX_RANK, options.rank);
	if (options.iterations < 1 || options.iterations > 1000)
		invalid_argument("iterations must be between 1 and 1000, not %d", options.iterations);
	if (!(options.unobserved_weight >= 0 && isfinite(options.unobserved_weight)))
		invalid_argument("unobserved_weight must be a number of at least 0, not %g",
						 options.unobserved_weight);
	if (!(options.regularization > 0 && isfinite(options.regularization)))
		invalid_argument("regularization must be greater than 0, not %g", options.regularization);
	if (!(options.exponent >= 0 && options.exponent <= 2))
		invalid_argument("regularization_exponent must be between 0 and 2, not %g",
						 options.exponent);
	if (strcmp(solver, "gradients") == 0)
		options.steps = 3;
	else if (strcmp(solver, "cholesky") != 0)
		invalid_argument("solver must be \"gradients\" or \"cholesky\", not \"%s\"", solver);
	return options;
}

/*
 * The area, with the ratings and the factors that the fit starts from.
 */
static void
open_area(ParallelArea *area, const Ratings *ratings, const IalsOptions *options, Budget *budget)
{
	Ials plan = {.options = *options, .stride = normal_width(options->rank)};
	Size squares = (Size) plan.stride * plan.stride;
	Size size = 0;

	(void) parallel_place(&size, 1, sizeof(Ials));
	place_side(&plan.sides[0], ratings->n_rows, ratings, plan.stride, ratings->has_values, &size);
	place_side(&plan.sides[1], ratings->n_columns, ratings, plan.stride, ratings->has_values,
			   &size);
	plan.gram = parallel_place(&size, squares, sizeof(float));
	plan.gram_parts = parallel_place(
		&size, squares * Max(plan.sides[0].n_parts, plan.sides[1].n_parts), sizeof(float));
	parallel_area_init(area, budget, size, true, "factors");
	*(Ials *) area->memory = plan;
	copy_ratings(area->memory, ratings);
	start_factors(area->memory);
}

/*
 * What is common to all rows of a side: the Gram matrix of the other one.
 */
static void
read_prior(ParallelArea *area, int32 which, FactorPrior *prior)
{
	Ials *ials = area->memory;
	const IalsOptions *options = &ials->options;
	const float *gram = PARALLEL_ARRAY(ials, gram, float);

	prior->target = FACTOR_PREFERENCE;
	prior->regularization = options->regularization;
	prior->exponent = options->exponent;
	prior->count_offset = options->unobserved_weight * ials->sides[1 - which].n;
	ials->solving = which;
	make_gram(area);
	for (int32 i = 0; i < options->rank; i++)
		memcpy(prior->precision + (Size) i * options->rank, gram + (Size) i * ials->stride,
			   options->rank * sizeof(float));
}

/*
 * What was learned: the items' vectors, and what folds users and new items in.
 */
static FactorModel *
read_model(ParallelArea *area, Budget *budget)
{
	Ials *ials = area->memory;
	const IalsOptions *options = &ials->options;
	const Side *items = &ials->sides[1];
	FactorShape shape = {.rank = options->rank, .n_samples = 1};
	FactorModel *model = factor_model_create(&shape, items->n, budget);
	const float *factors = PARALLEL_AT(ials, items->factors, float);

	model->item_prior = factor_prior_create(&shape, budget);
	read_prior(area, 0, &model->prior);
	read_prior(area, 1, model->item_prior);
	for (int32 item = 0; item < items->n; item++)
		memcpy(model->items + (Size) item * shape.rank, factors + (Size) item * ials->stride,
			   shape.rank * sizeof(float));
	return model;
}

FactorModel *
ials_fit(const Ratings *ratings, bool is_explicit, Jsonb *given, Budget *budget, Progress *progress)
{
	IalsOptions options = read_options(given);
	TimestampTz started = GetCurrentTimestamp();
	ParallelArea area;
	FactorModel *model;

	open_area(&area, ratings, &options, budget);
	for (int32 iteration = 0; iteration < options.iterations; iteration++)
	{
		progress_report(progress, "%d of %d iterations", iteration, options.iterations);
		solve_side(&area, 0);
		solve_side(&area, 1);
	}
	model = read_model(&area, budget);
	parallel_area_free(&area);
	ereport(DEBUG1, (errmsg_internal("socrec: factorized by ials in %.3f s",
									 (GetCurrentTimestamp() - started) / 1e6)));
	return model;
}
