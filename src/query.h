/*
 * query.h
 *		Running the text of a query, under the caller's privileges and snapshot.
 */
#ifndef QUERY_H
#define QUERY_H

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "tcop/dest.h"

extern void query_check(const char *query);
extern TupleDesc query_describe(const char *query);
extern void query_run(const char *query, DestReceiver *receiver);
extern void query_ignore(DestReceiver *self);

extern bool query_is_number(Oid type);
extern double query_other_number(Datum value, Oid type);
extern bool query_is_time(Oid type);
extern bool query_time(Datum value, Oid type, TimestampTz *time);

/*
 * A number of a type that query_is_number knows.  Inline, as it is asked for each value
 * of a table.
 */
static inline double
query_number(Datum value, Oid type)
{
	if (type == FLOAT8OID)
		return DatumGetFloat8(value);
	if (type == FLOAT4OID)
		return DatumGetFloat4(value);
	return query_other_number(value, type);
}

#endif /* QUERY_H */
