/*
 * prepare.c
 *		What turning events into ratings needs of C: text that may or may not be
 *		a number or a time, and the k-core of a rating table.
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "compatibility.h"
#include "keys.h"
#include "ratings.h"
#include "socrec.h"

/*
 * parse_number(text) returns double precision: the number that a text says, as
 * PostgreSQL reads it, or NULL if it says none.
 */
PG_FUNCTION_INFO_V1(socrec_parse_number);
Datum
socrec_parse_number(PG_FUNCTION_ARGS)
{
	char *string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	float8 number;

	if (!number_of_string(string, &number))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(number);
}

/*
 * parse_timestamp(text) returns timestamptz: the time that a text says, as
 * PostgreSQL reads it under the session's TimeZone and DateStyle, or NULL if it
 * says none.
 */
PG_FUNCTION_INFO_V1(socrec_parse_timestamp);
Datum
socrec_parse_timestamp(PG_FUNCTION_ARGS)
{
	char *string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char work[MAXDATELEN + MAXDATEFIELDS];
	char *fields[MAXDATEFIELDS];
	int types[MAXDATEFIELDS];
	int n;
	int kind;
	int zone;
	struct pg_tm tm;
	fsec_t fraction;
	TimestampTz result;

	if (ParseDateTime(string, work, sizeof(work), fields, types, MAXDATEFIELDS, &n) != 0 ||
		decode_date_time(fields, types, n, &kind, &tm, &fraction, &zone) != 0)
		PG_RETURN_NULL();
	switch (kind)
	{
		case DTK_DATE:
			if (tm2timestamp(&tm, fraction, &zone, &result) != 0)
				PG_RETURN_NULL();
			break;
		case DTK_EPOCH:
			result = SetEpochTimestamp();
			break;
		case DTK_LATE:
			TIMESTAMP_NOEND(result);
			break;
		case DTK_EARLY:
			TIMESTAMP_NOBEGIN(result);
			break;
		default:
			PG_RETURN_NULL();
	}
	PG_RETURN_TIMESTAMPTZ(result);
}

/* What is left of a rating table while it is being cut down. */
typedef struct Core
{
	const Ratings *ratings;
	int32 *user_count; /* ratings left */
	int32 *item_count;
	int32 *user_round; /* in which it went, 0: it is still there */
	int32 *item_round;
} Core;

/*
 * Users with too few ratings go in this round, and their ratings with them.
 */
static bool
drop_users(Core *core, int32 minimum, int32 round)
{
	const Ratings *ratings = core->ratings;
	bool dropped = false;

	for (int32 user = 0; user < ratings->n_rows; user++)
	{
		if (user % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		if (core->user_round[user] != 0 || core->user_count[user] >= minimum)
			continue;
		core->user_round[user] = round;
		dropped = true;
		for (int64 p = ratings->row_start[user]; p < ratings->row_start[user + 1]; p++)
			core->item_count[ratings->entries[p].column]--;
	}
	return dropped;
}

static bool
drop_items(Core *core, int32 minimum, int32 round)
{
	const Ratings *ratings = core->ratings;
	bool dropped = false;

	for (int32 item = 0; item < ratings->n_columns; item++)
	{
		if (item % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		if (core->item_round[item] != 0 || core->item_count[item] >= minimum)
			continue;
		core->item_round[item] = round;
		dropped = true;
		for (int64 p = ratings->column_start[item]; p < ratings->column_start[item + 1]; p++)
			core->user_count[ratings->column_row[p]]--;
	}
	return dropped;
}

/*
 * Cut the table down until every user left has at least min_user ratings of
 * items left, and every item left min_item of users left (the k-core of a
 * bipartite graph: Seidman 1983).  What is left does not depend on the order;
 * the rounds do: users go in odd ones, items in even ones.
 */
static Core
find_core(Ratings *ratings, int32 min_user, int32 min_item)
{
	Core core = {ratings};
	bool more = true;

	core.user_count = budget_alloc(&ratings->budget, ratings->n_rows, sizeof(int32), "counts");
	core.item_count = budget_alloc(&ratings->budget, ratings->n_columns, sizeof(int32), "counts");
	core.user_round = budget_alloc(&ratings->budget, ratings->n_rows, sizeof(int32), "counts");
	core.item_round = budget_alloc(&ratings->budget, ratings->n_columns, sizeof(int32), "counts");
	for (int32 user = 0; user < ratings->n_rows; user++)
		core.user_count[user] = ratings->row_start[user + 1] - ratings->row_start[user];
	for (int32 item = 0; item < ratings->n_columns; item++)
		core.item_count[item] = ratings->column_start[item + 1] - ratings->column_start[item];
	for (int32 round = 1; more; round += 2)
	{
		more = drop_users(&core, min_user, round);
		more = drop_items(&core, min_item, round + 1) || more;
	}
	return core;
}

/*
 * rating_core(query, user_type, item_type, min_user_ratings, min_item_ratings)
 * returns one row for each user and each item of a query (user, item) that is
 * not in the core, with the other column NULL, and the round in which it went.
 */
PG_FUNCTION_INFO_V1(socrec_rating_core);
Datum
socrec_rating_core(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Progress progress;
	Ratings *ratings;
	Core core;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(3) || PG_ARGISNULL(4))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("query and minimums must not be null")));
	InitMaterializedSRF(fcinfo, 0);
	progress_start(&progress, "rating core");
	PG_TRY();
	{
		ratings = ratings_load(text_to_cstring(PG_GETARG_TEXT_PP(0)), false, &progress);
		core = find_core(ratings, PG_GETARG_INT32(3), PG_GETARG_INT32(4));
	}
	PG_FINALLY();
	{
		progress_end(&progress);
	}
	PG_END_TRY();
	if (ratings->n_ratings > 0)
	{
		keys_check_type(ratings->row_type, "user", TupleDescAttr(result->setDesc, 0)->atttypid);
		keys_check_type(ratings->column_type, "item", TupleDescAttr(result->setDesc, 1)->atttypid);
	}

	for (int32 user = 0; user < ratings->n_rows; user++)
	{
		Datum values[] = {keys_datum(ratings->row_keys[user], ratings->row_type), (Datum) 0,
						  Int32GetDatum(core.user_round[user])};
		bool nulls[] = {false, true, false};

		if (core.user_round[user] != 0)
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	for (int32 item = 0; item < ratings->n_columns; item++)
	{
		Datum values[] = {(Datum) 0, keys_datum(ratings->column_keys[item], ratings->column_type),
						  Int32GetDatum(core.item_round[item])};
		bool nulls[] = {true, false, false};

		if (core.item_round[item] != 0)
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	ratings_free(ratings);
	return (Datum) 0;
}
