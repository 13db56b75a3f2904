/*
 * describe.c
 *		socrec.rating_statistics(), the rows of describe_ratings(), and
 *		socrec.bar(), a bar of a text chart.
 *
 * Counting is done by tally.c and pairs.c, statistics of what they counted by
 * distribution.c; here they become rows.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "distribution.h"
#include "pairs.h"
#include "socrec.h"
#include "tally.h"

/* A power law is fitted from a count on that at least so many items reach. */
#define POWER_LAW_ITEMS 50
/* And from at most so many different ones. */
#define POWER_LAW_FITS 1000

typedef enum Period
{
	PERIOD_DAY,
	PERIOD_WEEK,
	PERIOD_MONTH,
	PERIOD_QUARTER,
	PERIOD_YEAR
} Period;

typedef struct DescribeOptions
{
	bool has_rating;
	bool has_time;
	int32 cold;
	int32 constant_ratings;
	Period period;
	int32 bins;
	PairOptions pairs;
} DescribeOptions;

/* Rows on their way out. */
typedef struct Report
{
	Tuplestorestate *rows;
	TupleDesc desc;
	const char *section;
	Budget *budget;
} Report;

#define ST_SORT sort_numbers
#define ST_ELEMENT_TYPE double
#define ST_COMPARE(a, b) (*(a) < *(b) ? -1 : *(a) > *(b))
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

static const struct
{
	const char *metric;
	double fraction;
} quantiles[] = {{"quantile 0.01", 0.01}, {"quantile 0.05", 0.05}, {"quantile 0.25", 0.25},
				 {"median", 0.5},         {"quantile 0.75", 0.75}, {"quantile 0.95", 0.95},
				 {"quantile 0.99", 0.99}};

/*
 * One row; what is not defined is NULL.
 */
static void
put(Report *report, const char *metric, double value)
{
	Datum values[] = {CStringGetTextDatum(report->section), CStringGetTextDatum(metric),
					  Float8GetDatum(value)};
	bool nulls[] = {false, false, !isfinite(value)};

	tuplestore_putvalues(report->rows, report->desc, values, nulls);
	pfree(DatumGetPointer(values[0]));
	pfree(DatumGetPointer(values[1]));
}

static void
put_moments(Report *report, const Moments *moments)
{
	bool any = moments->n > 0;

	put(report, "mean", any ? moments->mean : NAN);
	put(report, "standard deviation", moments_deviation(moments));
	put(report, "minimum", any ? moments->minimum : NAN);
	put(report, "maximum", any ? moments->maximum : NAN);
}

/*
 * The rows that describe n numbers, which it sorts.
 */
static void
put_distribution(Report *report, const char *section, double *numbers, int64 n)
{
	Moments moments = {0};

	report->section = section;
	sort_numbers(numbers, n);
	for (int64 i = 0; i < n; i++)
		moments_add(&moments, numbers[i], 1);
	put_moments(report, &moments);
	for (int i = 0; i < lengthof(quantiles); i++)
		put(report, quantiles[i].metric,
			distribution_quantile(numbers, NULL, n, quantiles[i].fraction));
}

static void
put_table(Report *report, const Tally *tally, const PairStatistics *pairs)
{
	double kept = (double) pairs->n_ratings / tally->n_ratings;

	report->section = "table";
	put(report, "rows", tally->n_rows);
	put(report, "ratings", tally->n_ratings);
	put(report, "users", tally->users.n);
	put(report, "items", tally->items.n);
	put(report, "pairs", tally->n_ratings > 0 ? rint(pairs->n_pairs / kept) : 0);
	put(report, "density", pairs->n_pairs / kept / tally->users.n / tally->items.n);
	put(report, "share of users in the sample", (double) pairs->n_users / tally->users.n);

	report->section = "quality";
	put(report, "null users", tally->null_users);
	put(report, "null items", tally->null_items);
	if (tally->has_rating)
	{
		put(report, "null ratings", tally->null_ratings);
		put(report, "ratings not finite", tally->infinite_ratings);
	}
	if (tally->has_time)
	{
		put(report, "null times", tally->null_times);
		put(report, "times not finite", tally->infinite_times);
	}
	put(report, "duplicate ratings",
		tally->n_ratings > 0 ? rint((pairs->n_ratings - pairs->n_pairs) / kept) : 0);
	put(report, "repeated pairs", tally->n_ratings > 0 ? rint(pairs->n_repeated_pairs / kept) : 0);
}

/*
 * A number as text, as short as its type allows.
 */
static char *
number_text(double value, Oid type)
{
	char *text = palloc(Max(DOUBLE_SHORTEST_DECIMAL_LEN, FLOAT_SHORTEST_DECIMAL_LEN));

	if (type == FLOAT4OID)
		float_to_shortest_decimal_buf((float4) value, text);
	else
		double_to_shortest_decimal_buf(value, text);
	return text;
}

/*
 * The ratings in bins of equal width, when there are more values than bins.
 */
static void
put_bins(Report *report, const int64 *counts, const Moments *moments, int32 bins)
{
	for (int32 bin = 0; bin < bins; bin++)
	{
		double low = bin / (double) bins;
		double high = (bin + 1) / (double) bins;

		low = moments->minimum * (1 - low) + moments->maximum * low;
		high = moments->minimum * (1 - high) + moments->maximum * high;
		put(report, psprintf("[%.10g, %.10g%c", low, high, bin + 1 < bins ? ')' : ']'),
			counts[bin]);
	}
}

static int32
bin_of(double value, const Moments *moments, int32 bins)
{
	double range = moments->maximum - moments->minimum;
	double place = (value - moments->minimum) / range;

	/* Halves, for a range greater than any double. */
	if (isinf(range))
		place = (value / 2 - moments->minimum / 2) / (moments->maximum / 2 - moments->minimum / 2);
	return (int32) Min(place * bins, bins - 1);
}

/*
 * Sections rating and rating histogram, from the counts of all values.
 */
static void
put_exact_ratings(Report *report, Tally *tally, int32 bins)
{
	int64 n;
	ValueCount *counted = tally_ratings(tally, &n);
	double *values = budget_alloc(report->budget, n, sizeof(double), "distinct values");
	int64 *up_to = budget_alloc(report->budget, n, sizeof(int64), "distinct values");
	int64 *counts = budget_alloc(report->budget, bins, sizeof(int64), "bins");
	Moments moments = {0};

	for (int64 i = 0; i < n; i++)
	{
		values[i] = counted[i].value;
		up_to[i] = counted[i].count + (i > 0 ? up_to[i - 1] : 0);
		moments_add(&moments, counted[i].value, counted[i].count);
	}
	report->section = "rating";
	put(report, "distinct values", n);
	put(report, "quantiles are exact", 1);
	put_moments(report, &moments);
	for (int i = 0; i < lengthof(quantiles); i++)
		put(report, quantiles[i].metric,
			distribution_quantile(values, up_to, n, quantiles[i].fraction));

	report->section = "rating histogram";
	if (n <= bins)
	{
		for (int64 i = 0; i < n; i++)
			put(report, number_text(values[i], tally->rating_type), counted[i].count);
		return;
	}
	for (int64 i = 0; i < n; i++)
		counts[bin_of(values[i], &moments, bins)] += counted[i].count;
	put_bins(report, counts, &moments, bins);
}

/*
 * The same from a sketch.
 */
static void
put_sketched_ratings(Report *report, Tally *tally, int32 bins)
{
	int64 *counts = budget_alloc(report->budget, bins, sizeof(int64), "bins");

	report->section = "rating";
	put(report, "distinct values", NAN);
	put(report, "quantiles are exact", 0);
	put_moments(report, &tally->moments);
	for (int i = 0; i < lengthof(quantiles); i++)
		put(report, quantiles[i].metric, sketch_quantile(tally->sketch, quantiles[i].fraction));

	report->section = "rating histogram";
	for (int cell = 0; cell < SKETCH_CELLS; cell++)
	{
		double value;
		int64 count = sketch_cell(tally->sketch, cell, &value);

		if (count > 0)
			counts[bin_of(value, &tally->moments, bins)] += count;
	}
	put_bins(report, counts, &tally->moments, bins);
}

/*
 * Numbers of ratings as doubles, not yet sorted.
 */
static double *
count_numbers(Report *report, const KeyMap *keys)
{
	double *numbers = budget_alloc(report->budget, keys->n, sizeof(double), "counts");

	for (int32 i = 0; i < keys->n; i++)
		numbers[i] = keys->counts[i];
	return numbers;
}

/*
 * Sections ratings per user and ratings per item, and of explicit ratings mean
 * rating per user and per item.  Returns the ascending numbers of ratings of the
 * items.
 */
static double *
put_per_key(Report *report, const Tally *tally)
{
	double *of_users = count_numbers(report, &tally->users);
	double *of_items = count_numbers(report, &tally->items);

	put_distribution(report, "ratings per user", of_users, tally->users.n);
	put_distribution(report, "ratings per item", of_items, tally->items.n);
	if (tally->has_rating)
	{
		double *of_item = budget_alloc(report->budget, tally->items.n, sizeof(double), "means");

		for (int32 i = 0; i < tally->users.n; i++)
			of_users[i] = tally->user[i].sum / tally->users.counts[i];
		for (int32 i = 0; i < tally->items.n; i++)
			of_item[i] = tally->item_sum[i] / tally->items.counts[i];
		put_distribution(report, "mean rating per user", of_users, tally->users.n);
		put_distribution(report, "mean rating per item", of_item, tally->items.n);
	}
	return of_items;
}

/*
 * The first day of the period that a day is in, both as Julian days.
 */
static int
period_start(int day, Period period)
{
	int year;
	int month;
	int day_of_month;

	/* Day 0 was a Monday. */
	if (period == PERIOD_WEEK)
		return day - day % 7;
	if (period == PERIOD_DAY)
		return day;
	j2date(day, &year, &month, &day_of_month);
	if (period == PERIOD_YEAR)
		month = 1;
	else if (period == PERIOD_QUARTER)
		month -= (month - 1) % 3;
	return date2j(year, month, 1);
}

#define ST_SORT sort_days
#define ST_ELEMENT_TYPE CellCount
#define ST_COMPARE(a, b) ((a)->cell < (b)->cell ? -1 : (a)->cell > (b)->cell)
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * Section time, and ratings over time by the first day of each period that has
 * any, in the session's time zone unless the times have none.
 */
static void
put_times(Report *report, Tally *tally, Period period)
{
	bool has_zone = tally->time_type != TIMESTAMPOID && tally->time_type != DATEOID;
	int64 n;
	CellCount *cells = tally_cells(tally, &n);
	double epoch = (double) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;

	report->section = "time";
	put(report, "first, seconds since 1970",
		n > 0 ? tally->first / (double) USECS_PER_SEC + epoch : NAN);
	put(report, "last, seconds since 1970",
		n > 0 ? tally->last / (double) USECS_PER_SEC + epoch : NAN);
	put(report, "days from first to last",
		n > 0 ? (tally->last / (double) USECS_PER_DAY - tally->first / (double) USECS_PER_DAY)
			  : NAN);

	for (int64 i = 0; i < n; i++)
	{
		struct pg_tm tm;
		fsec_t fraction;
		int zone;

		if (i % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
		/* A cell's middle, which is a time even where its start is before all. */
		if (timestamp2tm(cells[i].cell * CELL_USECS + CELL_USECS / 2, has_zone ? &zone : NULL, &tm,
						 &fraction, NULL, NULL) != 0)
			ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
							errmsg("timestamp out of range")));
		cells[i].cell = period_start(date2j(tm.tm_year, tm.tm_mon, tm.tm_mday), period);
	}
	sort_days(cells, n);

	report->section = "ratings over time";
	for (int64 i = 0, count = 0; i < n; i++)
	{
		struct pg_tm tm = {0};
		char text[MAXDATELEN + 1];

		count += cells[i].count;
		if (i + 1 < n && cells[i + 1].cell == cells[i].cell)
			continue;
		j2date((int) cells[i].cell, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
		EncodeDateOnly(&tm, USE_ISO_DATES, text);
		put(report, text, count);
		count = 0;
	}
}

/*
 * The power law of the items' numbers of ratings whose distance is least.
 */
static PowerLaw
fit_power_law(Report *report, const double *counts, int64 n)
{
	CountTable table;
	PowerLaw best = {.minimum = NAN, .exponent = NAN, .standard_error = NAN, .distance = NAN};
	int64 candidates = 0;
	int64 fits;

	table.value = budget_alloc(report->budget, n, sizeof(double), "counts");
	table.logarithm = budget_alloc(report->budget, n, sizeof(double), "counts");
	table.at_least = budget_alloc(report->budget, n, sizeof(int64), "counts");
	table.log_sum = budget_alloc(report->budget, n, sizeof(double), "counts");
	count_table_fill(&table, counts, n);
	while (candidates < table.n && table.at_least[candidates] >= POWER_LAW_ITEMS)
		candidates++;
	fits = Min(candidates, POWER_LAW_FITS);
	for (int64 i = 0; i < fits; i++)
	{
		CHECK_FOR_INTERRUPTS();
		power_law_fit(&table, i * candidates / fits, &best);
	}
	return best;
}

static void
put_popularity(Report *report, const double *counts, int64 n)
{
	PowerLaw law = fit_power_law(report, counts, n);

	report->section = "popularity";
	put(report, "Gini coefficient", gini_coefficient(counts, n));
	put(report, "share of top 1 % of items", top_share(counts, n, 0.01));
	put(report, "share of top 5 % of items", top_share(counts, n, 0.05));
	put(report, "share of top 20 % of items", top_share(counts, n, 0.2));
	put(report, "long-tail index", long_tail_share(counts, n, 0.8));
	put(report, "power-law exponent", law.exponent);
	put(report, "power-law standard error", law.standard_error);
	put(report, "power-law minimum", law.minimum);
	put(report, "power-law items", law.n > 0 ? law.n : NAN);
	put(report, "power-law distance", law.distance);
}

static void
put_cold(Report *report, const char *what, const KeyMap *keys, int32 cold)
{
	int64 few = 0;
	int64 one = 0;

	for (int32 i = 0; i < keys->n; i++)
	{
		few += keys->counts[i] < cold;
		one += keys->counts[i] == 1;
	}
	report->section = "cold start";
	put(report, psprintf("%s with fewer than %d ratings", what, cold), few);
	put(report, psprintf("%s with one rating", what), one);
}

static void
put_overlap(Report *report, const PairStatistics *pairs, double n_users, double n_items)
{
	report->section = "overlap";
	put(report, "item pairs", n_items > 0 ? n_items * (n_items - 1) / 2 : 0);
	put(report, "items compared with all", pairs->n_sampled_items);
	put(report, "share of users counted", (double) pairs->n_users / n_users);
	for (int t = 0; t < N_SUPPORTS; t++)
	{
		bool any = pairs->n_ratings > 0;

		put(report, psprintf("share of item pairs with support >= %d", pair_supports[t]),
			any ? pairs->share[t] : NAN);
		put(report, psprintf("standard error, support >= %d", pair_supports[t]),
			any ? pairs->standard_error[t] : NAN);
	}
}

static void
put_suspicious(Report *report, const Tally *tally, const PairStatistics *pairs,
			   const DescribeOptions *options)
{
	report->section = "suspicious users";
	if (tally->has_rating)
	{
		int64 constant = 0;

		for (int32 i = 0; i < tally->users.n; i++)
			constant +=
				tally->users.counts[i] >= options->constant_ratings && !tally->user[i].varies;
		put(report,
			psprintf("constant: %d or more ratings, variance zero", options->constant_ratings),
			constant);
	}
	if (tally->has_time)
		put(report,
			psprintf("burst: more than %d ratings within %d s", options->pairs.burst_ratings,
					 options->pairs.burst_seconds),
			pairs->n_users > 0
				? rint((double) pairs->n_burst_users * tally->users.n / pairs->n_users)
				: 0);
}

static void
put_all(Report *report, Tally *tally, const DescribeOptions *options)
{
	PairStatistics pairs;
	double *item_counts;

	progress_report(tally->progress, "comparing items after " INT64_FORMAT " rows", tally->n_rows);
	pairs = pairs_examine(&tally->pairs, &options->pairs);
	put_table(report, tally, &pairs);
	if (tally->has_rating)
	{
		if (tally->sketch == NULL)
			put_exact_ratings(report, tally, options->bins);
		else
			put_sketched_ratings(report, tally, options->bins);
	}
	item_counts = put_per_key(report, tally);
	if (tally->has_time)
		put_times(report, tally, options->period);
	put_popularity(report, item_counts, tally->items.n);
	put_cold(report, "users", &tally->users, options->cold);
	put_cold(report, "items", &tally->items, options->cold);
	put_overlap(report, &pairs, tally->users.n, tally->items.n);
	put_suspicious(report, tally, &pairs, options);
}

static Period
parse_period(const char *word)
{
	static const char *const words[] = {"day", "week", "month", "quarter", "year"};

	for (int i = 0; i < lengthof(words); i++)
		if (strcmp(word, words[i]) == 0)
			return (Period) i;
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown period \"%s\"", word),
					errhint("Use one of: day, week, month, quarter, year.")));
}

static int32
integer_between(int32 value, int32 low, int32 high, const char *name)
{
	if (value < low || value > high)
		invalid_argument("%s must be between %d and %d, not %d", name, low, high, value);
	return value;
}

static DescribeOptions
parse_options(FunctionCallInfo fcinfo)
{
	DescribeOptions options;

	for (int i = 0; i < PG_NARGS(); i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("arguments of rating_statistics must not be null")));
	options.has_rating = PG_GETARG_BOOL(1);
	options.has_time = PG_GETARG_BOOL(2);
	options.cold = integer_between(PG_GETARG_INT32(3), 1, PG_INT32_MAX, "cold");
	options.constant_ratings =
		integer_between(PG_GETARG_INT32(4), 2, PG_INT32_MAX, "constant_ratings");
	options.pairs.burst_ratings =
		integer_between(PG_GETARG_INT32(5), 1, PG_INT32_MAX, "burst_ratings");
	options.pairs.burst_seconds =
		integer_between(PG_GETARG_INT32(6), 0, PG_INT32_MAX, "burst_seconds");
	options.period = parse_period(text_to_cstring(PG_GETARG_TEXT_PP(7)));
	options.bins = integer_between(PG_GETARG_INT32(8), 1, 100000, "bins");
	options.pairs.overlap_work = PG_GETARG_FLOAT8(9);
	if (!(options.pairs.overlap_work >= 0))
		invalid_argument("overlap_work must be at least 0, not %g", options.pairs.overlap_work);
	options.pairs.seed = PG_GETARG_INT64(10);
	return options;
}

/*
 * rating_statistics(query, has_rating, has_time, cold, constant_ratings,
 * burst_ratings, burst_seconds, period, bins, overlap_work, seed) returns the
 * rows of describe_ratings, for a query (user, item[, rating][, time]).
 */
PG_FUNCTION_INFO_V1(socrec_rating_statistics);
Datum
socrec_rating_statistics(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	DescribeOptions options = parse_options(fcinfo);
	Progress progress;
	Tally *tally;
	Report report;

	InitMaterializedSRF(fcinfo, 0);
	progress_start(&progress, "describe");
	PG_TRY();
	{
		tally = tally_query(text_to_cstring(PG_GETARG_TEXT_PP(0)), options.has_rating,
							options.has_time, &progress);
		report = (Report){result->setResult, result->setDesc, NULL, &tally->budget};
		put_all(&report, tally, &options);
	}
	PG_FINALLY();
	{
		progress_end(&progress);
	}
	PG_END_TRY();
	MemoryContextDelete(tally->budget.context);
	return (Datum) 0;
}

/*
 * bar(value, max, width) returns text: a bar of value / max of the width in
 * characters, to the eighth of a character in a UTF8 database and to the whole
 * one in any other.  A positive value is never without a bar.
 */
PG_FUNCTION_INFO_V1(socrec_bar);
Datum
socrec_bar(PG_FUNCTION_ARGS)
{
	static const char *const eighths[] = {"▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	double value = PG_GETARG_FLOAT8(0);
	double max = PG_GETARG_FLOAT8(1);
	int32 width = integer_between(PG_GETARG_INT32(2), 1, 10000, "width");
	bool is_utf8 = GetDatabaseEncoding() == PG_UTF8;
	int steps = is_utf8 ? 8 : 1;
	StringInfoData bar;
	int length; /* in steps */

	if (!isfinite(value) || !isfinite(max))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("value %g and max %g must be finite", value, max)));
	initStringInfo(&bar);
	if (value > 0 && max > 0)
	{
		length = (int) rint(Min(value / max, 1) * width * steps);
		length = Max(length, 1);
		for (int i = 0; i < length / steps; i++)
			appendStringInfoString(&bar, is_utf8 ? "█" : "#");
		if (length % steps > 0)
			appendStringInfoString(&bar, eighths[length % steps - 1]);
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(bar.data, bar.len));
}
