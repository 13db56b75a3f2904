/*
 * score_metrics.c
 *		Metrics of scored rows that need all scores in order: auc, average_precision,
 *		ks_statistic and calibration_curve.
 *
 * The state has the scores of positives in its first list and those of negatives in
 * its second, each followed by its weight when there are weights.  All metrics
 * come from one walk over the distinct scores, from the greatest down.  Their order
 * in the state says nothing, so they are sorted where they lie, and aggregates
 * over the same arguments, which share a state, share the work.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "distribution.h"
#include "lists.h"
#include "metrics.h"
#include "socrec.h"

/* Options of a state: numbers for each row, and bins or 0. */
#define OPTION_WIDTH 0
#define OPTION_BINS 1

/* Confidence of the interval of a bin's share. */
#define BIN_CONFIDENCE 0.95

/*
 * Add (label, score) in arguments 1 and 2 to the state.  A row with a NULL, or of no
 * weight, is skipped.
 */
static Datum
accumulate_score(FunctionCallInfo fcinfo, const double *options, float8 weight)
{
	Lists *lists;
	float8 score;
	int which;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || weight == 0)
		LISTS_RETURN_UNCHANGED();
	score = PG_GETARG_FLOAT8(2);
	if (!isfinite(score))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("score %g must be finite", score)));
	lists = lists_for_update(fcinfo, options);
	which = PG_GETARG_BOOL(1) ? 0 : 1;
	lists_append(lists, which, score);
	if (options[OPTION_WIDTH] == 2)
		lists_append(lists, which, weight);
	PG_RETURN_LISTS(lists);
}

/*
 * Transition of auc, average_precision and ks_statistic, and of calibration_curve
 * without options: (state, label, score [, weight]).
 */
PG_FUNCTION_INFO_V1(socrec_score_accumulate);
Datum
socrec_score_accumulate(PG_FUNCTION_ARGS)
{
	const double options[LISTS_OPTIONS] = {PG_NARGS() > 3 ? 2 : 1};

	return accumulate_score(fcinfo, options, metric_weight(fcinfo, 3));
}

/*
 * Transition of calibration_curve: (state, label, probability [, weight], bins).
 */
PG_FUNCTION_INFO_V1(socrec_curve_accumulate);
Datum
socrec_curve_accumulate(PG_FUNCTION_ARGS)
{
	bool weighted = PG_NARGS() > 4;
	const double options[LISTS_OPTIONS] = {weighted ? 2 : 1, metric_bins(fcinfo, weighted ? 4 : 3)};

	return accumulate_score(fcinfo, options, weighted ? metric_weight(fcinfo, 3) : 1);
}

/* A walk over distinct scores, falling. */
typedef struct Walk
{
	const double *values[2];
	int64 left[2]; /* numbers not yet passed */
	int width;
	double total[2]; /* weight of positives and negatives */

	/* Where it is: */
	double score;
	double weight[2]; /* of rows with this score */
	double passed[2]; /* of rows with greater scores */
} Walk;

static double
weight_at(const Walk *walk, int which, int64 i)
{
	return walk->width == 2 ? walk->values[which][i + 1] : 1;
}

/*
 * Begin a walk over the state in argument 0, after checking that it is one: anybody
 * may call a final function by hand.  False when there is none, or no positive or, if
 * both are needed, no negative.
 */
static bool
start_walk(FunctionCallInfo fcinfo, bool both, Walk *walk)
{
	const Lists *lists;

	if (PG_ARGISNULL(0))
		return false;
	lists = lists_read(fcinfo, 0);
	*walk = (Walk){.width = lists->options[OPTION_WIDTH] == 2 ? 2 : 1};
	for (int which = 0; which < 2; which++)
	{
		walk->values[which] = lists_sorted(lists, which, walk->width);
		walk->left[which] = lists->n[which];
		for (int64 i = 0; i < lists->n[which]; i += walk->width)
		{
			double weight = weight_at(walk, which, i);

			if (!(weight > 0))
				invalid_argument("aggregate state has the weight %g", weight);
			walk->total[which] += weight;
		}
		if (isinf(walk->total[which]))
			float_overflow_error();
	}
	return walk->total[0] > 0 && (!both || walk->total[1] > 0);
}

/*
 * Go to the next score; false at the end.
 */
static bool
next_score(Walk *walk)
{
	if (walk->left[0] + walk->left[1] == 0)
		return false;
	CHECK_FOR_INTERRUPTS();
	walk->score = -INFINITY;
	for (int which = 0; which < 2; which++)
		if (walk->left[which] > 0)
			walk->score = Max(walk->score, walk->values[which][walk->left[which] - walk->width]);
	for (int which = 0; which < 2; which++)
	{
		walk->passed[which] += walk->weight[which];
		walk->weight[which] = 0;
		while (walk->left[which] > 0 &&
			   walk->values[which][walk->left[which] - walk->width] == walk->score)
		{
			walk->left[which] -= walk->width;
			walk->weight[which] += weight_at(walk, which, walk->left[which]);
		}
	}
	return true;
}

/*
 * Area under the ROC curve: the probability that a positive has a greater score
 * than a negative, an equal one counting half (Mann and Whitney 1947); of weighted
 * rows, of a pair drawn by weight.  Exact without weights, as sums of halves below
 * 2^53 are.  NULL when there is only one class.
 */
PG_FUNCTION_INFO_V1(socrec_auc_final);
Datum
socrec_auc_final(PG_FUNCTION_ARGS)
{
	Walk walk;
	double in_order = 0;

	if (!start_walk(fcinfo, true, &walk))
		PG_RETURN_NULL();
	while (next_score(&walk))
		in_order += walk.weight[1] * (walk.passed[0] + walk.weight[0] / 2);
	PG_RETURN_FLOAT8(Min(in_order / walk.total[0] / walk.total[1], 1));
}

/*
 * Average precision: the sum over distinct scores, falling, of what recall gains
 * there times the precision of all rows with that score or more; nothing is
 * interpolated.  NULL without a positive.
 */
PG_FUNCTION_INFO_V1(socrec_average_precision_final);
Datum
socrec_average_precision_final(PG_FUNCTION_ARGS)
{
	Walk walk;
	double sum = 0;

	if (!start_walk(fcinfo, false, &walk))
		PG_RETURN_NULL();
	while (next_score(&walk))
	{
		double positive = walk.passed[0] + walk.weight[0];

		if (walk.weight[0] > 0)
			sum += walk.weight[0] * (positive / (positive + walk.passed[1] + walk.weight[1]));
	}
	PG_RETURN_FLOAT8(Min(sum / walk.total[0], 1));
}

/*
 * Kolmogorov-Smirnov statistic of two samples: how far apart the distributions of
 * the scores of positives and negatives are at most, which is the greatest
 * difference of true and false positive rate.  NULL when there is only one class.
 */
PG_FUNCTION_INFO_V1(socrec_ks_statistic_final);
Datum
socrec_ks_statistic_final(PG_FUNCTION_ARGS)
{
	Walk walk;
	double greatest = 0;

	if (!start_walk(fcinfo, true, &walk))
		PG_RETURN_NULL();
	while (next_score(&walk))
		greatest = Max(greatest, fabs((walk.passed[0] + walk.weight[0]) / walk.total[0] -
									  (walk.passed[1] + walk.weight[1]) / walk.total[1]));
	PG_RETURN_FLOAT8(Min(greatest, 1));
}

/* A bin of rows that follow each other in order of their probability. */
typedef struct Bin
{
	double n; /* weight */
	double positives;
	double low;
	double high;
	double sum; /* of probabilities */
} Bin;

static Datum
bin_row(TupleDesc desc, int number, const Bin *bin)
{
	Datum values[9];
	bool nulls[9] = {false};
	double low;
	double high;

	proportion_bounds(bin->positives, bin->n, BIN_CONFIDENCE, &low, &high);
	values[0] = Int32GetDatum(number);
	values[1] = Float8GetDatum(bin->n);
	values[2] = Float8GetDatum(bin->positives);
	values[3] = Float8GetDatum(bin->low);
	values[4] = Float8GetDatum(bin->high);
	values[5] = Float8GetDatum(bin->sum / bin->n);
	values[6] = Float8GetDatum(bin->positives / bin->n);
	values[7] = Float8GetDatum(low);
	values[8] = Float8GetDatum(high);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/*
 * Bins of the same weight, as far as rows allow: a row is in the bin in which the
 * middle of its weight lies, when weights lie end to end in order of probability;
 * rows of equal probability lie there as one.  So bins do not depend on the order of
 * rows, and may be fewer than wanted.
 */
PG_FUNCTION_INFO_V1(socrec_calibration_curve_final);
Datum
socrec_calibration_curve_final(PG_FUNCTION_ARGS)
{
	Walk walk;
	double wanted;
	double total;
	Bin *bins;
	Datum *rows;
	int n_bins;
	int n = 0;
	Oid type = get_element_type(get_fn_expr_rettype(fcinfo->flinfo));
	TupleDesc desc;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	wanted = lists_read(fcinfo, 0)->options[OPTION_BINS];
	if (!(wanted >= 0 && wanted <= MAX_BINS))
		invalid_argument("aggregate state has %g bins", wanted);
	n_bins = wanted >= 1 ? (int) wanted : DEFAULT_BINS;
	/* Rows of one class have a curve, too. */
	(void) start_walk(fcinfo, false, &walk);
	total = walk.total[0] + walk.total[1];
	bins = palloc0(n_bins * sizeof(Bin));
	while (next_score(&walk))
	{
		double weight = walk.weight[0] + walk.weight[1];
		double middle = total - walk.passed[0] - walk.passed[1] - weight / 2;
		Bin *bin = &bins[(int) Max(0, Min(floor(n_bins * middle / total), n_bins - 1))];

		if (!(walk.score >= 0 && walk.score <= 1))
			ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
							errmsg("probability %g is not between 0 and 1", walk.score)));
		if (bin->n == 0)
			bin->high = walk.score;
		bin->low = walk.score;
		bin->n += weight;
		bin->positives += walk.weight[0];
		bin->sum += weight * walk.score;
	}
	desc = lookup_rowtype_tupdesc(type, -1);
	rows = palloc(n_bins * sizeof(Datum));
	for (int i = 0; i < n_bins; i++)
		if (bins[i].n > 0)
			rows[n++] = bin_row(desc, i + 1, &bins[i]);
	ReleaseTupleDesc(desc);
	PG_RETURN_ARRAYTYPE_P(construct_array(rows, n, type, -1, false, TYPALIGN_DOUBLE));
}
