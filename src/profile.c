/*
 * profile.c
 *		Who a user is, by what the user did: how much, when, and with what taste.
 *
 * The events of all users are in memory, those of one user together (events.c),
 * and what users are compared with is known (crowd.c).  One pass then goes over
 * the users.  Scratch space for items, categories and occasions is marked with
 * the user that used it last, so that nothing has to be cleared between users.
 *
 * Nothing that is computed depends on the current time: ages are counted from
 * the user's own last event, so a stored profile stays right until the user does
 * something again.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "crowd.h"
#include "events.h"
#include "socrec.h"
#include "svec.h"

#define HOURS_OF_WEEK 168
#define TOP_INTERESTS 3

/* Events between two looks for a cancel request: some milliseconds. */
#define INTERRUPT_EVENTS 262144

/* What the weight of an item in the vector of taste is. */
typedef enum Taste
{
	TASTE_SUM,   /* sum of values */
	TASTE_MEAN,  /* their mean */
	TASTE_COUNT, /* number of events */
	TASTE_LOG    /* ln(1 + max(0, sum)) */
} Taste;

typedef struct ProfileOptions
{
	double half_life;   /* microseconds; infinite: no decay */
	double session_gap; /* microseconds */
	pg_tz *zone;
	Taste taste;
	bool interest_by_value; /* instead of by number of events */
} ProfileOptions;

/* What one user did with an item. */
typedef struct ItemScratch
{
	double decayed;      /* number of events */
	double value;        /* sum of values, decayed */
	double value_weight; /* decayed number of events with a value */
	int32 user;          /* place of the user + 1 */
	int32 events;
} ItemScratch;

typedef struct CategoryScratch
{
	double decayed;
	int32 user;
	int32 events;
} CategoryScratch;

/* An interval in which a time zone does not change its offset. */
typedef struct LocalClock
{
	pg_tz *zone;
	pg_time_t from;
	pg_time_t until; /* exclusive */
	int64 offset;    /* seconds east of Greenwich */
} LocalClock;

typedef struct Profiler
{
	ProfileOptions options;
	Events *events;
	Crowd crowd;
	LocalClock clock;
	int32 *item_id; /* by number */

	ItemScratch *item;
	int32 *items; /* those of the user, by number */
	int32 n_items;
	CategoryScratch *category;
	int32 *categories;
	int32 n_categories;
	int32 *occasion_user;
	TimestampTz *times;
	SVecElement *elements;
} Profiler;

/* One user's. */
typedef struct Profile
{
	int64 n_events;
	int64 n_times;
	TimestampTz first;
	TimestampTz last;
	int64 occasions;
	int32 sessions;
	int32 active_days;
	int32 peak_hour;
	int64 n_values; /* events with one */
	double total;   /* of values */
	double mean;
	double squares;   /* of the deviations from the mean */
	int64 n_compared; /* events with a value of an item that has a mean */
	double below;     /* sum of (mean of the item - value) over them */
	double entropy;   /* bits; NaN: of nothing */
	double mainstream;
	SVec *taste;
	SVec *interests;
	int32 top[TOP_INTERESTS];
	int n_top;
} Profile;

#define ST_SORT sort_times
#define ST_ELEMENT_TYPE TimestampTz
#define ST_COMPARE(a, b) (*(a) < *(b) ? -1 : *(a) > *(b))
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * Seconds since 2000-01-01 00:00 on the clocks of a time zone.
 */
static int64
local_seconds(LocalClock *clock, TimestampTz at)
{
	int64 seconds = floor_divide(at, USECS_PER_SEC);
	pg_time_t time = seconds + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;

	if (time < clock->from || time >= clock->until)
	{
		long before;
		long after;
		int is_dst;
		pg_time_t boundary;
		int found =
			pg_next_dst_boundary(&time, &before, &is_dst, &boundary, &after, &is_dst, clock->zone);

		clock->from = time;
		clock->until = found > 0 ? boundary : PG_INT64_MAX;
		clock->offset = found >= 0 ? before : 0;
	}
	return seconds + clock->offset;
}

/*
 * Sessions, days, and the hour of the week, 0 being Monday from midnight on, in
 * which most events are, the first of several.  Two events are of one session if
 * no more than the gap lies between them.
 */
static void
count_times(Profiler *profiler, Profile *profile, TimestampTz *times, int64 n)
{
	int64 hours[HOURS_OF_WEEK] = {0};
	int64 last_day = PG_INT64_MIN;

	for (int64 i = 1; i < n; i++)
		if (times[i - 1] > times[i])
		{
			sort_times(times, n);
			break;
		}
	profile->first = times[0];
	profile->last = times[n - 1];
	for (int64 i = 0; i < n; i++)
	{
		int64 seconds = local_seconds(&profiler->clock, times[i]);
		int64 day = floor_divide(seconds, SECS_PER_DAY);

		/* 2000-01-01 was a Saturday. */
		int64 hour = (floor_divide(seconds, SECS_PER_HOUR) - 48) % HOURS_OF_WEEK;

		if (i % INTERRUPT_EVENTS == 0)
			CHECK_FOR_INTERRUPTS();
		hours[hour < 0 ? hour + HOURS_OF_WEEK : hour]++;
		profile->active_days += day != last_day;
		last_day = day;
		profile->sessions +=
			i == 0 || (double) times[i] - (double) times[i - 1] > profiler->options.session_gap;
	}
	for (int hour = 1; hour < HOURS_OF_WEEK; hour++)
		if (hours[hour] > hours[profile->peak_hour])
			profile->peak_hour = hour;
}

/*
 * One more value (Welford, Technometrics 4(3), 1962).
 */
static inline void
add_value(Profile *profile, double value)
{
	double delta = value - profile->mean;

	profile->n_values++;
	profile->total += value;
	profile->mean += delta / profile->n_values;
	profile->squares += delta * (value - profile->mean);
}

/*
 * Sum up the user's events by item, after their times have been counted.
 */
static void
collect_items(Profiler *profiler, Profile *profile, int32 user)
{
	const Events *events = profiler->events;
	double half_life = profiler->options.half_life;

	profiler->n_items = 0;
	for (int64 p = events->start[user]; p < events->start[user + 1]; p++)
	{
		const Event *event = &events->events[p];
		ItemScratch *item = &profiler->item[event->item];
		double crowd_mean = profiler->crowd.mean[event->item];
		double weight = 1;

		if (p % INTERRUPT_EVENTS == 0)
			CHECK_FOR_INTERRUPTS();
		if (item->user != user + 1)
		{
			*item = (ItemScratch){.user = user + 1};
			profiler->items[profiler->n_items++] = event->item;
		}
		if (event->at != NO_TIME && !isinf(half_life))
			weight = exp2(((double) event->at - (double) profile->last) / half_life);
		item->decayed += weight;
		item->events++;
		if (!isnan(event->value))
		{
			item->value += weight * event->value;
			item->value_weight += weight;
			add_value(profile, event->value);
			if (!isnan(crowd_mean))
			{
				profile->below += crowd_mean - event->value;
				profile->n_compared++;
			}
		}
		if (events->occasion != NULL && events->occasion[p] >= 0)
		{
			int32 *last_user = &profiler->occasion_user[events->occasion[p]];

			profile->occasions += *last_user != user + 1;
			*last_user = user + 1;
		}
	}
	for (int32 i = 0; i < profiler->n_items; i++)
		profile->mainstream += profiler->crowd.popularity[profiler->items[i]];
	profile->mainstream /= profiler->n_items;
}

static SVec *
elements_to_svec(Profiler *profiler, int32 n)
{
	const SVecElement *duplicate;
	SVec *vector = svec_from_elements(profiler->elements, n, &duplicate);

	Assert(duplicate == NULL);
	return vector;
}

/*
 * The weights of the user's items, an error if one is too large.
 */
static SVec *
make_taste(Profiler *profiler)
{
	int32 n = 0;

	for (int32 i = 0; i < profiler->n_items; i++)
	{
		const ItemScratch *item = &profiler->item[profiler->items[i]];
		double weight = item->decayed;

		if (profiler->options.taste != TASTE_COUNT)
		{
			if (item->value_weight == 0)
				continue;
			weight = item->value;
			if (profiler->options.taste == TASTE_MEAN)
				weight /= item->value_weight;
			else if (profiler->options.taste == TASTE_LOG)
				weight = log1p(Max(0, weight));
		}
		if (unlikely(!isfinite((float4) weight)))
			ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
							errmsg("weight %g of item %s is out of range for type real", weight,
								   keys_text(&profiler->events->items,
											 profiler->events->items.keys[profiler->items[i]]))));
		profiler->elements[n++] =
			(SVecElement){profiler->item_id[profiler->items[i]], (float4) weight, i};
	}
	return elements_to_svec(profiler, n);
}

/*
 * Add up what the user did by the categories of the items, an item counting in
 * full for each of its categories.
 */
static void
collect_categories(Profiler *profiler, int32 user)
{
	const Crowd *crowd = &profiler->crowd;

	profiler->n_categories = 0;
	for (int32 i = 0; i < profiler->n_items; i++)
	{
		int32 number = profiler->items[i];
		const ItemScratch *item = &profiler->item[number];

		for (int64 c = crowd->category_start[number]; c < crowd->category_start[number + 1]; c++)
		{
			CategoryScratch *category = &profiler->category[crowd->category[c]];

			if (category->user != user + 1)
			{
				*category = (CategoryScratch){.user = user + 1};
				profiler->categories[profiler->n_categories++] = crowd->category[c];
			}
			category->decayed +=
				profiler->options.interest_by_value ? Max(0, item->value) : item->decayed;
			category->events += item->events;
		}
	}
}

/*
 * Shannon's entropy in bits of the user's events, over categories where there
 * are any, else over items.  Summed in units of 2^-32, so that the result does not
 * depend on the order in which a query brought them.
 */
static double
event_entropy(const Profiler *profiler)
{
	bool by_category = profiler->crowd.category != NULL;
	int32 n = by_category ? profiler->n_categories : profiler->n_items;
	double total = 0;
	int64 sum = 0; /* of n * log2(n) */

	for (int32 i = 0; i < n; i++)
	{
		int32 events = by_category ? profiler->category[profiler->categories[i]].events
								   : profiler->item[profiler->items[i]].events;

		total += events;
		sum += llrint(ldexp(events * log2(events), 32));
	}
	return n == 0 ? NAN : Max(0, log2(total) - ldexp((double) sum, -32) / total);
}

/*
 * Interests: tf * idf over categories, scaled to length 1, and the strongest of
 * them.
 */
static void
make_interests(Profiler *profiler, Profile *profile)
{
	const double *idf = profiler->crowd.idf;
	double squares = 0;
	double top[TOP_INTERESTS];
	int32 n = 0;

	for (int32 i = 0; i < profiler->n_categories; i++)
	{
		int32 id = profiler->categories[i];
		double weight = profiler->category[id].decayed * idf[id];
		int place = profile->n_top;

		squares += weight * weight;
		if (weight <= 0)
			continue;
		while (place > 0 && (weight > top[place - 1] ||
							 (weight == top[place - 1] && id < profile->top[place - 1])))
			place--;
		if (place == TOP_INTERESTS)
			continue;
		profile->n_top = Min(profile->n_top + 1, TOP_INTERESTS);
		for (int later = profile->n_top - 1; later > place; later--)
		{
			top[later] = top[later - 1];
			profile->top[later] = profile->top[later - 1];
		}
		top[place] = weight;
		profile->top[place] = id;
	}
	for (int32 i = 0; squares > 0 && i < profiler->n_categories; i++)
	{
		int32 id = profiler->categories[i];

		profiler->elements[n++] = (SVecElement){
			id, (float4) (profiler->category[id].decayed * idf[id] / sqrt(squares)), i};
	}
	profile->interests = elements_to_svec(profiler, n);
}

/*
 * Profile the user at a place.
 */
static Profile
profile_user(Profiler *profiler, int32 user)
{
	const Events *events = profiler->events;
	Profile profile = {.n_events = events->start[user + 1] - events->start[user]};

	for (int64 p = events->start[user]; p < events->start[user + 1]; p++)
		if (events->events[p].at != NO_TIME)
			profiler->times[profile.n_times++] = events->events[p].at;
	if (profile.n_times > 0)
		count_times(profiler, &profile, profiler->times, profile.n_times);
	collect_items(profiler, &profile, user);
	profile.taste = make_taste(profiler);
	if (profiler->crowd.category != NULL)
	{
		collect_categories(profiler, user);
		make_interests(profiler, &profile);
	}
	profile.entropy = event_entropy(profiler);
	return profile;
}

/*
 * Scratch space, once everything is known.
 */
static void
prepare_scratch(Profiler *profiler)
{
	Events *events = profiler->events;
	Budget *budget = &events->budget;
	int64 most = 0;

	for (int32 user = 0; user < events->users.n; user++)
		most = Max(most, events->start[user + 1] - events->start[user]);
	profiler->item = budget_alloc(budget, events->items.n, sizeof(ItemScratch), "items");
	profiler->items = budget_alloc(budget, events->items.n, sizeof(int32), "items");
	profiler->category =
		budget_alloc(budget, profiler->crowd.n_categories, sizeof(CategoryScratch), "categories");
	profiler->categories =
		budget_alloc(budget, profiler->crowd.n_categories, sizeof(int32), "categories");
	profiler->occasion_user = budget_alloc(budget, events->occasions.n, sizeof(int32), "occasions");
	profiler->times = budget_alloc(budget, most, sizeof(TimestampTz), "times");
	profiler->elements = budget_alloc(budget, Max(events->items.n, profiler->crowd.n_categories),
									  sizeof(SVecElement), "items");
	profiler->clock = (LocalClock){profiler->options.zone, 0, 0, 0};
}

/* The columns of the result. */
enum
{
	OUT_USER,
	OUT_ITEM,
	OUT_ID,
	OUT_USERS,
	OUT_EVENTS,
	OUT_ITEMS,
	OUT_FIRST,
	OUT_LAST,
	OUT_OCCASIONS,
	OUT_SESSIONS,
	OUT_ACTIVE_DAYS,
	OUT_PEAK_HOUR,
	OUT_TOTAL,
	OUT_MEAN,
	OUT_STDDEV,
	OUT_HARSHNESS,
	OUT_ENTROPY,
	OUT_MAINSTREAM,
	OUT_TASTE,
	OUT_INTERESTS,
	OUT_TOP_INTERESTS,
	OUT_COLUMNS
};

typedef struct Row
{
	Datum values[OUT_COLUMNS];
	bool nulls[OUT_COLUMNS];
} Row;

static void
set(Row *row, int column, Datum value)
{
	row->values[column] = value;
	row->nulls[column] = false;
}

static void
set_float(Row *row, int column, double value)
{
	if (!isnan(value))
		set(row, column, Float8GetDatum(value));
}

static Row
user_row(Profiler *profiler, int32 number)
{
	const Events *events = profiler->events;
	Profile profile = profile_user(profiler, events->user_rank[number]);
	Row row;

	memset(row.nulls, true, sizeof(row.nulls));
	set(&row, OUT_USER, keys_datum(events->users.keys[number], events->users.type));
	set(&row, OUT_EVENTS, Int64GetDatum(profile.n_events));
	set(&row, OUT_ITEMS, Int32GetDatum(profiler->n_items));
	set(&row, OUT_OCCASIONS, Int64GetDatum(profile.occasions));
	if (profile.n_times > 0)
	{
		set(&row, OUT_FIRST, TimestampTzGetDatum(profile.first));
		set(&row, OUT_LAST, TimestampTzGetDatum(profile.last));
		set(&row, OUT_SESSIONS, Int32GetDatum(profile.sessions));
		set(&row, OUT_ACTIVE_DAYS, Int32GetDatum(profile.active_days));
		set(&row, OUT_PEAK_HOUR, Int32GetDatum(profile.peak_hour));
	}
	if (profile.n_values > 0)
	{
		set(&row, OUT_TOTAL, Float8GetDatum(profile.total));
		set(&row, OUT_MEAN, Float8GetDatum(profile.mean));
	}
	if (profile.n_values > 1)
		set(&row, OUT_STDDEV, Float8GetDatum(sqrt(profile.squares / (profile.n_values - 1))));
	if (profile.n_compared > 0)
		set(&row, OUT_HARSHNESS, Float8GetDatum(profile.below / profile.n_compared));
	set_float(&row, OUT_ENTROPY, profile.entropy);
	set(&row, OUT_MAINSTREAM, Float8GetDatum(profile.mainstream));
	set(&row, OUT_TASTE, PointerGetDatum(profile.taste));
	if (profile.interests != NULL)
	{
		Datum top[TOP_INTERESTS];

		for (int i = 0; i < profile.n_top; i++)
			top[i] = Int32GetDatum(profile.top[i]);
		set(&row, OUT_INTERESTS, PointerGetDatum(profile.interests));
		set(&row, OUT_TOP_INTERESTS,
			PointerGetDatum(
				construct_array(top, profile.n_top, INT4OID, sizeof(int32), true, TYPALIGN_INT)));
	}
	return row;
}

static Row
item_row(const Profiler *profiler, int32 number)
{
	const Events *events = profiler->events;
	Row row;

	memset(row.nulls, true, sizeof(row.nulls));
	set(&row, OUT_ITEM, keys_datum(events->items.keys[number], events->items.type));
	set(&row, OUT_ID, Int32GetDatum(profiler->item_id[number]));
	if (profiler->crowd.count != NULL)
	{
		set(&row, OUT_USERS, Int64GetDatum(profiler->crowd.count[number].users));
		set(&row, OUT_EVENTS, Int64GetDatum(events->items.counts[number]));
		set(&row, OUT_MAINSTREAM, Float8GetDatum(profiler->crowd.popularity[number]));
		set_float(&row, OUT_MEAN, profiler->crowd.mean[number]);
	}
	return row;
}

static Row
category_row(const Profiler *profiler, int32 category)
{
	Row row;

	memset(row.nulls, true, sizeof(row.nulls));
	set(&row, OUT_ID, Int32GetDatum(category));
	set(&row, OUT_USERS, Int64GetDatum(profiler->crowd.category_users[category]));
	set(&row, OUT_MEAN, Float8GetDatum(profiler->crowd.idf[category]));
	return row;
}

/*
 * All users; the items, unless they were given; the categories likewise.
 */
static void
emit_rows(Profiler *profiler, ReturnSetInfo *result)
{
	int32 n_users = profiler->events->users.n;
	int32 n_items = profiler->events->items.n - profiler->crowd.n_known;
	int32 n_categories = profiler->crowd.category_users != NULL ? profiler->crowd.n_categories : 0;
	MemoryContext row_context =
		AllocSetContextCreate(CurrentMemoryContext, "socrec row", ALLOCSET_DEFAULT_SIZES);

	for (int32 i = 0; i < n_users + n_items + n_categories; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);
		Row row;

		CHECK_FOR_INTERRUPTS();
		if (i < n_users)
			row = user_row(profiler, i);
		else if (i < n_users + n_items)
			row = item_row(profiler, profiler->crowd.n_known + i - n_users);
		else
			row = category_row(profiler, i - n_users - n_items);
		tuplestore_putvalues(result->setResult, result->setDesc, row.values, row.nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	MemoryContextDelete(row_context);
}

static char *
text_argument(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

static ProfileOptions
parse_options(FunctionCallInfo fcinfo, int first)
{
	static const char *const tastes[] = {"sum", "mean", "count", "log1p"};
	ProfileOptions options = {.half_life = INFINITY};
	char *zone = text_argument(fcinfo, first + 2);
	char *taste = text_argument(fcinfo, first + 3);

	if (!PG_ARGISNULL(first))
		options.half_life = PG_GETARG_FLOAT8(first) * USECS_PER_SEC;
	if (!(options.half_life > 0))
		invalid_argument("half_life must be greater than 0");
	if (PG_ARGISNULL(first + 1) || zone == NULL || taste == NULL || PG_ARGISNULL(first + 4))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("session_gap, time_zone, taste and interest_by_value must not be null")));
	options.session_gap = PG_GETARG_FLOAT8(first + 1) * USECS_PER_SEC;
	if (!(options.session_gap >= 0))
		invalid_argument("session_gap must not be negative");
	options.zone = pg_tzset(zone);
	if (options.zone == NULL)
		invalid_argument("time zone \"%s\" is not known", zone);
	options.interest_by_value = PG_GETARG_BOOL(first + 4);
	for (int i = 0; i < lengthof(tastes); i++)
		if (strcmp(taste, tastes[i]) == 0)
		{
			options.taste = i;
			return options;
		}
	invalid_argument("taste cannot be \"%s\"", taste);
}

/*
 * What users are compared with, and the ids of items: by falling number of
 * events, equal ones by key; or the given ones, and those of new items after
 * them.
 */
static void
find_crowd(Profiler *profiler, const char *categories, bool known, ArrayType *idf)
{
	Events *events = profiler->events;

	if (categories != NULL)
		crowd_load_categories(&profiler->crowd, categories);
	if (!known)
	{
		crowd_learn(&profiler->crowd, events);
		profiler->item_id = keys_rank_by_count(&events->items, keys_rank(&events->items));
		return;
	}
	if (idf != NULL && (ARR_NDIM(idf) > 1 || ARR_HASNULL(idf)))
		invalid_argument("weights of categories must be one list without nulls");
	crowd_extend(&profiler->crowd, idf == NULL ? NULL : (double *) ARR_DATA_PTR(idf),
				 idf == NULL ? 0 : ArrayGetNItems(ARR_NDIM(idf), ARR_DIMS(idf)));
	profiler->item_id = budget_alloc(&events->budget, events->items.n, sizeof(int32), "items");
	for (int32 item = 0; item < events->items.n; item++)
		profiler->item_id[item] = item;
}

/*
 * user_activity(events, user_type, item_type, categories, known_items,
 * known_idf, half_life, session_gap, time_zone, taste, interest_by_value) returns
 * one row for each user of the query events (user, item, value, at[, occasion]),
 * each item and each category, distinguished by which of the first three columns
 * are NULL:
 *
 *		harshness	mean of (mean value of the item - value), over events
 *		entropy		bits, of events over categories, else over items
 *		mainstream	mean popularity of the user's items; an item's popularity
 *		taste		id of the item -> weight
 *		interests	category -> tf * idf, of length 1
 *
 * The query categories returns (item, category), with categories numbered from
 * 0.  With known_items, a query (item, id, popularity, mean), and known_idf, by
 * category, users are compared with these and only items that are new come back.
 */
PG_FUNCTION_INFO_V1(socrec_user_activity);
Datum
socrec_user_activity(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Profiler profiler = {{0}};
	char *query = text_argument(fcinfo, 0);
	char *categories = text_argument(fcinfo, 3);
	char *known_items = text_argument(fcinfo, 4);
	Progress progress;

	if (query == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("query must not be null")));
	profiler.options = parse_options(fcinfo, 6);
	InitMaterializedSRF(fcinfo, 0);
	progress_start(&progress, "user profiles");
	PG_TRY();
	{
		Events *events = profiler.events = events_create("profiling");

		profiler.crowd.budget = &events->budget;
		profiler.crowd.items = &events->items;
		if (known_items != NULL)
			crowd_load_items(&profiler.crowd, known_items);
		events_load(events, query, &progress);
		keys_check_type(events->users.type, "user",
						TupleDescAttr(result->setDesc, OUT_USER)->atttypid);
		keys_check_type(events->items.type, "item",
						TupleDescAttr(result->setDesc, OUT_ITEM)->atttypid);
		find_crowd(&profiler, categories, known_items != NULL,
				   PG_ARGISNULL(5) ? NULL : PG_GETARG_ARRAYTYPE_P(5));
		prepare_scratch(&profiler);
		emit_rows(&profiler, result);
		events_free(events);
	}
	PG_FINALLY();
	{
		progress_end(&progress);
	}
	PG_END_TRY();
	return (Datum) 0;
}

/*
 * rfm_segment(recency_score, frequency_score, monetary_score) returns text: the
 * name of a segment, by recency and by the mean of the others, rounded up; NULL
 * without recency or frequency.  Without a monetary score frequency stands alone.
 */
PG_FUNCTION_INFO_V1(socrec_rfm_segment);
Datum
socrec_rfm_segment(PG_FUNCTION_ARGS)
{
	static const char *const segments[5][5] = {
		/* by recency, from long ago to just now; by the others, from low to high */
		{"lost", "hibernating", "at risk", "at risk", "cannot lose"},
		{"hibernating", "hibernating", "at risk", "at risk", "cannot lose"},
		{"about to sleep", "about to sleep", "needs attention", "loyal", "loyal"},
		{"promising", "potential loyal", "potential loyal", "champion", "champion"},
		{"new", "potential loyal", "potential loyal", "champion", "champion"}};
	int scores[3];

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	for (int i = 0; i < 3; i++)
	{
		scores[i] = PG_ARGISNULL(i) ? scores[1] : PG_GETARG_INT32(i);
		if (scores[i] < 1 || scores[i] > 5)
			invalid_argument("score %d is not between 1 and 5", scores[i]);
	}
	PG_RETURN_TEXT_P(cstring_to_text(segments[scores[0] - 1][(scores[1] + scores[2] + 1) / 2 - 1]));
}
