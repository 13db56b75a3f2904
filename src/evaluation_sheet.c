/*
 * evaluation_sheet.c
 *		The sums that metrics are made of, by user, and their bootstrap intervals.
 *
 * Every metric that is a mean is a sum over users of numerators divided by one of
 * denominators.  A user who is tested in several folds has one pair of sums, so
 * that what is drawn by the bootstrap are users.  All metrics of a method are
 * computed on the same draws: a draw adds whole rows of the sheet, which costs
 * little more than drawing for one metric alone.
 */
#include "postgres.h"

#include <math.h>

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "distribution.h"
#include "evaluation.h"

/* More users than this are drawn in as many groups, put together by chance. */
#define MAX_UNITS 4096

/*
 * The columns of a sheet: for each segment what is defined there.
 */
static void
list_columns(Sheet *sheet)
{
	const EvaluationOptions *options = sheet->options;
	int32 n = 0;

	for (Segment segment = 0; segment < N_SEGMENTS; segment++)
	{
		for (int i = 0; i < options->n_cutoffs && segment != SEGMENT_COLD_ITEMS; i++)
		{
			for (int metric = 0; metric < N_RANKING_METRICS; metric++)
				sheet->columns[n++] = (SheetColumn){segment, GROUP_RANKING, metric, i};
			for (int metric = 0; metric < N_LIST_METRICS && segment == SEGMENT_ALL; metric++)
				sheet->columns[n++] = (SheetColumn){segment, GROUP_LIST, metric, i};
		}
		if (segment != SEGMENT_COLD_ITEMS)
			sheet->columns[n++] = (SheetColumn){segment, GROUP_AUC};
		for (int metric = 0; metric < N_ERROR_METRICS && options->is_explicit; metric++)
			sheet->columns[n++] = (SheetColumn){segment, GROUP_ERROR, metric};
	}
	sheet->n_columns = n;
}

/*
 * An empty sheet for the users of a matrix.
 */
Sheet *
sheet_create(const EvaluationOptions *options, int32 n_rows, Budget *budget)
{
	Sheet *sheet = budget_alloc(budget, 1, sizeof(Sheet), "metrics");
	int32 capacity = N_SEGMENTS * (options->n_cutoffs * (N_RANKING_METRICS + N_LIST_METRICS) + 1 +
								   N_ERROR_METRICS);
	pg_prng_state random;

	sheet->budget = budget;
	sheet->options = options;
	sheet->columns = budget_alloc(budget, capacity, sizeof(SheetColumn), "metrics");
	list_columns(sheet);
	sheet->n_units = Min(n_rows, MAX_UNITS);
	sheet->unit = budget_alloc(budget, n_rows, sizeof(int32), "metrics");
	pg_prng_seed(&random, options->seed);
	for (int32 row = 0; row < n_rows; row++)
		sheet->unit[row] =
			n_rows <= MAX_UNITS ? row : (int32) pg_prng_uint64_range(&random, 0, MAX_UNITS - 1);
	sheet->cells = budget_alloc(budget, (Size) sheet->n_units * sheet->n_columns, sizeof(SheetCell),
								"metrics");
	sheet->estimates = budget_alloc(budget, sheet->n_columns, sizeof(Estimate), "metrics");
	sheet->totals = budget_alloc(budget, sheet->n_columns, sizeof(SheetCell), "metrics");
	return sheet;
}

void
sheet_clear(Sheet *sheet)
{
	memset(sheet->cells, 0, (Size) sheet->n_units * sheet->n_columns * sizeof(SheetCell));
	memset(sheet->catalog, 0, sizeof(sheet->catalog));
	sheet->fit_seconds = sheet->scoring_seconds = 0;
	sheet->n_folds = 0;
}

/*
 * What a user adds to a column; a denominator of 0 is nothing.
 */
static SheetCell
cell_of(const SheetColumn *column, const UserResult *result)
{
	Segment segment = column->segment;
	double value;

	if (column->group == GROUP_ERROR)
		return (SheetCell){result->error[segment][column->metric], result->n_predictions[segment]};
	if ((segment == SEGMENT_WARM && result->is_cold) ||
		(segment == SEGMENT_COLD_USERS && !result->is_cold))
		return (SheetCell){0, 0};
	if (column->group == GROUP_RANKING)
		value = result->ranking[segment == SEGMENT_WARM][column->cutoff][column->metric];
	else
		value = column->group == GROUP_LIST ? result->list[column->cutoff][column->metric]
											: result->auc;
	return isnan(value) ? (SheetCell){0, 0} : (SheetCell){value, 1};
}

void
sheet_add(Sheet *sheet, int32 row, const UserResult *result)
{
	SheetCell *cells = sheet->cells + (Size) sheet->unit[row] * sheet->n_columns;

	for (int32 c = 0; c < sheet->n_columns; c++)
	{
		SheetCell cell = cell_of(&sheet->columns[c], result);

		cells[c].numerator += cell.numerator;
		cells[c].denominator += cell.denominator;
	}
}

/*
 * Add a fold's sheet to that of all folds.
 */
void
sheet_pool(Sheet *pooled, const Sheet *sheet)
{
	for (Size i = 0; i < (Size) sheet->n_units * sheet->n_columns; i++)
	{
		pooled->cells[i].numerator += sheet->cells[i].numerator;
		pooled->cells[i].denominator += sheet->cells[i].denominator;
	}
	for (int i = 0; i < sheet->options->n_cutoffs; i++)
		for (int metric = 0; metric < N_CATALOG_METRICS; metric++)
			pooled->catalog[i][metric] += sheet->catalog[i][metric];
	pooled->fit_seconds += sheet->fit_seconds;
	pooled->scoring_seconds += sheet->scoring_seconds;
	pooled->n_folds += sheet->n_folds;
}

/* What the bootstrap draws from: the columns and units that have something. */
typedef struct Draws
{
	int32 n_units;
	int32 width;        /* numbers a unit */
	double *values;     /* by unit: numerators, then denominators that differ */
	int32 n_columns;    /* of the sheet, with something */
	int32 *column;      /* their numbers in the sheet */
	int32 *divided;     /* places of their denominators in a unit's values */
	double *replicates; /* by column */
} Draws;

/*
 * Do two columns have the same denominators?  Most metrics share theirs: one for
 * each user with something relevant.
 */
static bool
same_denominators(const Sheet *sheet, int32 a, int32 b)
{
	for (int32 unit = 0; unit < sheet->n_units; unit++)
	{
		const SheetCell *cells = sheet->cells + (Size) unit * sheet->n_columns;

		if (cells[a].denominator != cells[b].denominator)
			return false;
	}
	return true;
}

/*
 * Leave out units and columns without anything, and denominators that are there
 * already.
 */
static void
compact_sheet(const Sheet *sheet, Draws *draws, Budget *budget)
{
	int32 *first = budget_alloc(budget, sheet->n_columns, sizeof(int32), "metrics");
	int32 n_denominators = 0;

	draws->column = budget_alloc(budget, sheet->n_columns, sizeof(int32), "metrics");
	draws->divided = budget_alloc(budget, sheet->n_columns, sizeof(int32), "metrics");
	for (int32 c = 0; c < sheet->n_columns; c++)
		if (sheet->totals[c].denominator > 0)
			draws->column[draws->n_columns++] = c;
	for (int32 i = 0; i < draws->n_columns; i++)
	{
		int32 d = 0;

		while (d < n_denominators && !same_denominators(sheet, first[d], draws->column[i]))
			d++;
		if (d == n_denominators)
			first[n_denominators++] = draws->column[i];
		draws->divided[i] = draws->n_columns + d;
	}
	draws->width = draws->n_columns + n_denominators;
	draws->values =
		budget_alloc(budget, (Size) sheet->n_units * draws->width, sizeof(double), "metrics");
	for (int32 unit = 0; unit < sheet->n_units; unit++)
	{
		const SheetCell *cells = sheet->cells + (Size) unit * sheet->n_columns;
		double *values = draws->values + (Size) draws->n_units * draws->width;
		bool is_tested = false;

		for (int32 i = 0; i < draws->n_columns; i++)
			values[i] = cells[draws->column[i]].numerator;
		for (int32 d = 0; d < n_denominators; d++)
		{
			values[draws->n_columns + d] = cells[first[d]].denominator;
			is_tested = is_tested || values[draws->n_columns + d] > 0;
		}
		draws->n_units += is_tested;
	}
	pfree(first);
}

/*
 * Draw as many units as there are, with replacement, and divide the sums: as often
 * as asked for.
 */
static void
draw_replicates(Draws *draws, const EvaluationOptions *options, double *sums)
{
	pg_prng_state random;

	pg_prng_seed(&random, options->seed);
	for (int32 replicate = 0; replicate < options->replicates; replicate++)
	{
		CHECK_FOR_INTERRUPTS();
		memset(sums, 0, draws->width * sizeof(double));
		for (int32 i = 0; i < draws->n_units; i++)
		{
			/* A number below n: of so few units each is as likely. */
			int32 unit = ((uint64) pg_prng_uint32(&random) * draws->n_units) >> 32;
			const double *values = draws->values + (Size) unit * draws->width;

			for (int32 v = 0; v < draws->width; v++)
				sums[v] += values[v];
		}
		for (int32 i = 0; i < draws->n_columns; i++)
			draws->replicates[(Size) i * options->replicates + replicate] =
				sums[i] / sums[draws->divided[i]];
	}
}

static int
compare_doubles(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/*
 * The percentile interval of a column; draws without a user who counts say
 * nothing.
 */
static void
find_interval(const EvaluationOptions *options, double *replicates, Estimate *estimate)
{
	int32 kept = 0;

	for (int32 i = 0; i < options->replicates; i++)
		if (isfinite(replicates[i]))
			replicates[kept++] = replicates[i];
	qsort(replicates, kept, sizeof(double), compare_doubles);
	estimate->low = distribution_quantile(replicates, NULL, kept, (1 - options->confidence) / 2);
	estimate->high = distribution_quantile(replicates, NULL, kept, (1 + options->confidence) / 2);
}

/*
 * Every column's total and estimate: the ratio of sums, and its percentile
 * bootstrap interval (Efron 1979) over users.  NaN where there is nothing.
 */
void
sheet_estimate(Sheet *sheet)
{
	const EvaluationOptions *options = sheet->options;
	Draws draws = {0};
	Budget part;

	memset(sheet->totals, 0, sheet->n_columns * sizeof(SheetCell));
	for (int32 unit = 0; unit < sheet->n_units; unit++)
		for (int32 c = 0; c < sheet->n_columns; c++)
		{
			const SheetCell *cell = &sheet->cells[(Size) unit * sheet->n_columns + c];

			sheet->totals[c].numerator += cell->numerator;
			sheet->totals[c].denominator += cell->denominator;
		}
	for (int32 c = 0; c < sheet->n_columns; c++)
		sheet->estimates[c] =
			(Estimate){sheet->totals[c].numerator / sheet->totals[c].denominator, NAN, NAN};
	if (options->replicates == 0)
		return;

	budget_part(&part, sheet->budget);
	compact_sheet(sheet, &draws, &part);
	draws.replicates = budget_alloc(&part, (Size) draws.n_columns * options->replicates,
									sizeof(double), "metrics");
	draw_replicates(&draws, options, budget_alloc(&part, draws.width, sizeof(double), "metrics"));
	for (int32 i = 0; i < draws.n_columns; i++)
		find_interval(options, draws.replicates + (Size) i * options->replicates,
					  &sheet->estimates[draws.column[i]]);
	MemoryContextDelete(part.context);
}
