/*
 * keys.h
 *		Keys of any hashable type, mapped to dense numbers.
 */
#ifndef KEYS_H
#define KEYS_H

#include "access/tupdesc.h"
#include "utils/typcache.h"

#include "budget.h"

struct integer_keys_hash;
struct any_keys_hash;

/*
 * One dimension's keys, numbered from 0 in order of arrival, and how often each
 * has come.
 */
typedef struct KeyMap
{
	Oid type; /* domains resolved */
	Oid collation;
	Budget *budget; /* whose memory it takes */
	bool is_integer;
	TypeCacheEntry *typcache;
	struct integer_keys_hash *integers;
	struct any_keys_hash *others;
	int64 last_key; /* rows tend to arrive in runs of one key */
	int32 last_id;
	int32 n;
	int32 capacity;
	Datum *keys;
	int32 *counts;
} KeyMap;

extern void keys_init(KeyMap *map, Budget *budget, Form_pg_attribute column);
extern int32 keys_number(KeyMap *map, Datum datum);
extern int32 keys_find(KeyMap *map, Datum datum);
extern Datum keys_datum(Datum key, Oid type);
extern void keys_check_type(Oid type, const char *what, Oid declared);
extern uint32 keys_hash(KeyMap *map, int32 id);
extern char *keys_text(KeyMap *map, Datum key);
extern int32 *keys_rank(KeyMap *map);
extern int32 *keys_rank_by_count(KeyMap *map, const int32 *key_rank);
extern int64 *keys_bucket_starts(KeyMap *map, const int32 *rank);
extern Datum *keys_permute(KeyMap *map, const int32 *rank);
extern void keys_free(KeyMap *map);

#endif /* KEYS_H */
