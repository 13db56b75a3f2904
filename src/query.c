/*
 * query.c
 *		Running the text of a query, under the caller's privileges and snapshot.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/numeric.h"
#include "utils/plancache.h"
#include "utils/timestamp.h"

#include "query.h"

/*
 * Make the place of a syntax error one in the query, not in the statement that
 * was given the query.
 */
static void
syntax_error_callback(void *query)
{
	int position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(query);
	}
}

/*
 * Is this the text of one query, and a query that only reads?
 */
void
query_check(const char *query)
{
	ErrorContextCallback callback = {error_context_stack, syntax_error_callback,
									 unconstify(char *, query)};
	List *parsed;

	error_context_stack = &callback;
	parsed = raw_parser(query, RAW_PARSE_DEFAULT);
	error_context_stack = callback.previous;

	if (list_length(parsed) != 1 || !IsA(linitial_node(RawStmt, parsed)->stmt, SelectStmt))
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR),
						errmsg("source is not a single SELECT query: %s", query)));
}

/*
 * check_query(query text): for the SQL functions that build views on a query.
 */
PG_FUNCTION_INFO_V1(socrec_check_query);
Datum
socrec_check_query(PG_FUNCTION_ARGS)
{
	query_check(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

/*
 * The columns of a query, which is analyzed but not run.
 */
TupleDesc
query_describe(const char *query)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext old;
	SPIPlanPtr plan;
	TupleDesc desc;
	int code;

	if ((code = SPI_connect()) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed: %s", SPI_result_code_string(code));
	plan = SPI_prepare(query, 0, NULL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	old = MemoryContextSwitchTo(context);
	desc = ((CachedPlanSource *) linitial(SPI_plan_get_plan_sources(plan)))->resultDesc;
	desc = desc == NULL ? CreateTemplateTupleDesc(0) : CreateTupleDescCopy(desc);
	MemoryContextSwitchTo(old);
	SPI_finish();
	return desc;
}

/*
 * query_width(text) returns integer: the number of columns of a SELECT.
 */
PG_FUNCTION_INFO_V1(socrec_query_width);
Datum
socrec_query_width(PG_FUNCTION_ARGS)
{
	char *query = text_to_cstring(PG_GETARG_TEXT_PP(0));

	query_check(query);
	PG_RETURN_INT32(query_describe(query)->natts);
}

/*
 * Run one SELECT and push its rows into the receiver, whose rStartup sees the
 * shape of the result first.  What the receiver allocates in the current memory
 * context is gone afterwards: it needs one of its own.
 */
void
query_run(const char *query, DestReceiver *receiver)
{
	SPIExecuteOptions options = {.read_only = true, .must_return_tuples = true, .dest = receiver};
	int code;

	query_check(query);
	if ((code = SPI_connect()) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed: %s", SPI_result_code_string(code));
	code = SPI_execute_extended(query, &options);
	if (code != SPI_OK_SELECT)
		elog(ERROR, "query failed: %s", SPI_result_code_string(code));
	SPI_finish();
}

/*
 * For rShutdown and rDestroy of receivers that have nothing to do there.
 */
void
query_ignore(DestReceiver *self)
{
}

/*
 * Is the type, domains resolved, one that query_number can read?
 */
bool
query_is_number(Oid type)
{
	return type == FLOAT8OID || type == FLOAT4OID || type == INT2OID || type == INT4OID ||
		   type == INT8OID || type == NUMERICOID;
}

/*
 * query_number of the other types.
 */
double
query_other_number(Datum value, Oid type)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		case INT8OID:
			return (double) DatumGetInt64(value);
		default:
			return DatumGetFloat8(DirectFunctionCall1(numeric_float8, value));
	}
}

/*
 * Is the type, domains resolved, one that query_time can read?
 */
bool
query_is_time(Oid type)
{
	return type == TIMESTAMPTZOID || type == TIMESTAMPOID || type == DATEOID;
}

/*
 * A time in microseconds since 2000; false when it is infinite or beyond what a
 * timestamp can be.
 */
bool
query_time(Datum value, Oid type, TimestampTz *time)
{
	if (type == DATEOID)
	{
		if (DATE_NOT_FINITE(DatumGetDateADT(value)))
			return false;
		*time = DatumGetDateADT(value) * USECS_PER_DAY;
		return IS_VALID_TIMESTAMP(*time);
	}
	*time = DatumGetTimestampTz(value);
	return !TIMESTAMP_NOT_FINITE(*time);
}
