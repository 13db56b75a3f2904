/*
 * ratings.c
 *		Read the rows (user, item, rating, time) of a query into a sparse matrix.
 *
 * The rows are pushed by the executor into a DestReceiver, which maps both
 * keys to dense numbers and appends 12 bytes (20 with a time) to a list of
 * chunks: no tuple is ever stored.  When all have arrived, the keys are put in their final order
 * and a counting sort by row turns the chunks into the compressed form.
 *
 * At its peak that takes 20 bytes a rating (12 in the chunks, 8 in the sort's
 * target; with times 16 more) plus the keys.  Every large piece is asked for through
 * budget_alloc, which refuses before it takes when maintenance_work_mem would be
 * passed.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "keys.h"
#include "query.h"
#include "ratings.h"
#include "socrec.h"

typedef struct Rating
{
	int32 row;
	int32 column;
	float4 value;
} Rating;

#define CHUNK_RATINGS 65536
#define MAX_RATINGS INT64CONST(4000000000)

typedef struct Chunk
{
	struct Chunk *next;
	int32 n;
	Rating ratings[CHUNK_RATINGS];
	double times[FLEXIBLE_ARRAY_MEMBER]; /* as many, or none */
} Chunk;

typedef struct RatingReceiver
{
	DestReceiver pub;
	Ratings *ratings;
	bool transpose;
	Progress *progress;
	bool may_have_times;
	Oid value_type; /* InvalidOid: the query has no third column, value 1 */
	Oid time_type;  /* InvalidOid: it has no fourth column */
	KeyMap rows;
	KeyMap columns;
	const KeyMap *known; /* the columns there are; NULL: those that the query returns */
	Chunk *first;
	Chunk *last;
} RatingReceiver;

void
ratings_free(Ratings *ratings)
{
	MemoryContextDelete(ratings->budget.context);
}

/*
 * The time in the fourth column, if there is one: microseconds since 2000, or
 * the number that stands there.
 */
static double
read_time(RatingReceiver *receiver, Datum value)
{
	Oid type = receiver->time_type;
	TimestampTz at;
	double time;

	if (query_is_number(type))
		time = query_number(value, type);
	else
		time = query_time(value, type, &at) ? (double) at : INFINITY;
	if (!isfinite(time))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("a time is not finite"),
				 errhint("Leave such rows out in the source query.")));
	return time;
}

/*
 * Room for a chunk's next rating; begins a new chunk when the last is full.
 */
static Rating *
next_rating(RatingReceiver *receiver, double time)
{
	Ratings *ratings = receiver->ratings;
	Chunk *chunk = receiver->last;
	bool timed = OidIsValid(receiver->time_type);

	if (chunk == NULL || chunk->n == CHUNK_RATINGS)
	{
		Size size = offsetof(Chunk, times) + (timed ? CHUNK_RATINGS * sizeof(double) : 0);

		ratings->budget.rows = ratings->n_ratings;
		/* The sort will need 8 bytes a rating beside the chunks, times as many. */
		budget_check(&ratings->budget, add_size(size, mul_size(timed ? 16 : 8, ratings->n_ratings)),
					 "ratings");
		if (ratings->n_ratings >= MAX_RATINGS)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("more than " INT64_FORMAT " ratings", MAX_RATINGS)));
		if (ratings->n_ratings > 0)
			progress_report(receiver->progress, INT64_FORMAT " ratings read", ratings->n_ratings);
		chunk = MemoryContextAllocHuge(ratings->budget.context, size);
		chunk->next = NULL;
		chunk->n = 0;
		if (receiver->last == NULL)
			receiver->first = chunk;
		else
			receiver->last->next = chunk;
		receiver->last = chunk;
	}
	if (timed)
		chunk->times[chunk->n] = time;
	ratings->n_ratings++;
	return &chunk->ratings[chunk->n++];
}

static bool
receive_rating(TupleTableSlot *slot, DestReceiver *self)
{
	RatingReceiver *receiver = (RatingReceiver *) self;
	Ratings *ratings = receiver->ratings;
	KeyMap *users = receiver->transpose ? &receiver->columns : &receiver->rows;
	KeyMap *items = receiver->transpose ? &receiver->rows : &receiver->columns;
	bool has_value = OidIsValid(receiver->value_type);
	bool has_time = OidIsValid(receiver->time_type);
	Rating *rating;
	int32 user;
	int32 item;
	double value = 1.0;
	double time = 0;

	slot_getallattrs(slot);
	if (slot->tts_isnull[0] || slot->tts_isnull[1] || (has_value && slot->tts_isnull[2]) ||
		(has_time && slot->tts_isnull[3]))
	{
		ratings->n_skipped++;
		return true;
	}
	if (has_value)
		value = query_number(slot->tts_values[2], receiver->value_type);
	if (has_time)
		time = read_time(receiver, slot->tts_values[3]);

	user = keys_number(users, slot->tts_values[0]);
	if (receiver->known == NULL)
		item = keys_number(items, slot->tts_values[1]);
	else
	{
		item = keys_find(items, slot->tts_values[1]);
		if (item < 0)
		{
			/* The row is there, without this rating. */
			users->counts[user]--;
			return true;
		}
		items->counts[item]++;
	}

	if (unlikely(!isfinite(value) || !isfinite((float4) value)))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("rating %g of user %s for item %s is not a finite real number", value,
						keys_text(users, users->keys[user]), keys_text(items, items->keys[item])),
				 errhint("Leave such rows out in the source query.")));

	rating = next_rating(receiver, time);
	rating->row = receiver->transpose ? item : user;
	rating->column = receiver->transpose ? user : item;
	rating->value = (float4) value;
	return true;
}

/*
 * Called with the result's shape before the first row.
 */
static void
start_ratings(DestReceiver *self, int operation, TupleDesc desc)
{
	RatingReceiver *receiver = (RatingReceiver *) self;
	int user = receiver->transpose ? 1 : 0;

	if (desc->natts < 2 || desc->natts > (receiver->may_have_times ? 4 : 3))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg(receiver->may_have_times
							? "query returns %d columns, not (user, item[, rating[, time]])"
							: "query returns %d columns, not (user, item) or (user, item, rating)",
						desc->natts)));
	if (desc->natts >= 3)
	{
		Oid type = getBaseType(TupleDescAttr(desc, 2)->atttypid);

		if (!query_is_number(type))
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
							errmsg("rating column \"%s\" is of type %s, not a number",
								   NameStr(TupleDescAttr(desc, 2)->attname),
								   format_type_be(TupleDescAttr(desc, 2)->atttypid)),
							errhint("Cast it in the query, for instance to real.")));
		receiver->value_type = type;
		receiver->ratings->has_values = true;
	}
	if (desc->natts == 4)
	{
		Oid type = getBaseType(TupleDescAttr(desc, 3)->atttypid);

		if (!query_is_number(type) && !query_is_time(type))
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
							errmsg("time column \"%s\" is of type %s, neither a time nor a number",
								   NameStr(TupleDescAttr(desc, 3)->attname),
								   format_type_be(TupleDescAttr(desc, 3)->atttypid)),
							errhint("Cast it in the query, for instance to timestamptz.")));
		receiver->time_type = type;
	}
	keys_init(&receiver->rows, &receiver->ratings->budget, TupleDescAttr(desc, user));
	if (receiver->known == NULL)
	{
		keys_init(&receiver->columns, &receiver->ratings->budget, TupleDescAttr(desc, 1 - user));
		return;
	}
	keys_check_type(getBaseType(TupleDescAttr(desc, 1)->atttypid), "item", receiver->known->type);
	receiver->columns = *receiver->known;
	receiver->columns.budget = &receiver->ratings->budget;
	receiver->columns.counts =
		budget_alloc(&receiver->ratings->budget, receiver->known->n, sizeof(int32), "keys");
}

/*
 * Report that a row, which is sorted, has two ratings for one column.
 */
static void
refuse_duplicate(RatingReceiver *receiver, int32 row)
{
	const Ratings *ratings = receiver->ratings;
	int64 p = ratings->row_start[row] + 1;
	char *row_text = keys_text(&receiver->rows, ratings->row_keys[row]);
	char *column_text;

	while (ratings->entries[p].column != ratings->entries[p - 1].column)
		p++;
	column_text = keys_text(&receiver->columns, ratings->column_keys[ratings->entries[p].column]);
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("more than one rating of user %s for item %s",
					receiver->transpose ? column_text : row_text,
					receiver->transpose ? row_text : column_text),
			 errhint("Give one row for each pair, for instance by GROUP BY in the source query.")));
}

/*
 * Move the chunks' ratings to their rows.  Tables are mostly filled user by
 * user, so this is close to a copy, where sorting by item first would jump.
 */
static void
scatter_chunks(RatingReceiver *receiver, const int32 *row_rank, const int32 *column_rank)
{
	Ratings *ratings = receiver->ratings;
	int64 *next = budget_alloc(&ratings->budget, ratings->n_rows, sizeof(int64), "keys");

	memcpy(next, ratings->row_start, ratings->n_rows * sizeof(int64));
	for (Chunk *chunk = receiver->first, *following; chunk != NULL; chunk = following)
	{
		CHECK_FOR_INTERRUPTS();
		for (int32 i = 0; i < chunk->n; i++)
		{
			const Rating *rating = &chunk->ratings[i];
			KnnEntry *entry = &ratings->entries[next[row_rank[rating->row]]++];

			entry->column = column_rank[rating->column];
			entry->value = rating->value;
			if (ratings->times != NULL)
				ratings->times[entry - ratings->entries] = chunk->times[i];
		}
		following = chunk->next;
		pfree(chunk);
	}
	pfree(next);
}

/*
 * The rank of columns that keep their numbers.
 */
static int32 *
same_numbers(KeyMap *columns)
{
	int32 *rank = budget_alloc(columns->budget, columns->n, sizeof(int32), "keys");

	for (int32 i = 0; i < columns->n; i++)
		rank[i] = i;
	return rank;
}

/*
 * Turn the chunks into the compressed matrix: number the keys, move every rating
 * to its row, and sort the rows.
 */
static void
compress_ratings(RatingReceiver *receiver)
{
	Ratings *ratings = receiver->ratings;
	int32 *row_rank = keys_rank(&receiver->rows);
	int32 *key_rank = keys_rank(&receiver->columns);
	int32 *column_rank = receiver->known == NULL ? keys_rank_by_count(&receiver->columns, key_rank)
												 : same_numbers(&receiver->columns);
	int32 duplicate;

	ratings->n_rows = receiver->rows.n;
	ratings->n_columns = receiver->columns.n;
	ratings->row_type = receiver->rows.type;
	ratings->column_type = receiver->columns.type;
	ratings->row_keys = keys_permute(&receiver->rows, row_rank);
	ratings->column_keys = keys_permute(&receiver->columns, column_rank);
	ratings->row_start = keys_bucket_starts(&receiver->rows, row_rank);
	ratings->column_start = keys_bucket_starts(&receiver->columns, column_rank);
	ratings->entries =
		budget_alloc(&ratings->budget, ratings->n_ratings, sizeof(KnnEntry), "ratings");
	if (OidIsValid(receiver->time_type))
		ratings->times =
			budget_alloc(&ratings->budget, ratings->n_ratings, sizeof(double), "ratings");
	ratings->column_order =
		budget_alloc(&ratings->budget, ratings->n_columns, sizeof(int32), "keys");
	for (int32 i = 0; i < ratings->n_columns; i++)
		ratings->column_order[column_rank[i]] = key_rank[i];
	pfree(key_rank);
	scatter_chunks(receiver, row_rank, column_rank);
	pfree(row_rank);
	pfree(column_rank);

	duplicate = ratings_index(ratings);
	if (duplicate >= 0)
		refuse_duplicate(receiver, duplicate);
}

static Ratings *
load(const char *query, RatingReceiver *receiver)
{
	Budget budget;
	Ratings *ratings;
	TimestampTz started = GetCurrentTimestamp();
	TimestampTz read;

	budget_init(&budget, "fitting");
	ratings = MemoryContextAllocZero(budget.context, sizeof(Ratings));
	ratings->budget = budget;
	receiver->ratings = ratings;

	query_run(query, &receiver->pub);
	read = GetCurrentTimestamp();
	compress_ratings(receiver);
	keys_free(&receiver->rows);
	if (receiver->known == NULL)
		keys_free(&receiver->columns);

	ereport(DEBUG1, (errmsg_internal("socrec: read " INT64_FORMAT
									 " ratings in %.3f s, compressed them in %.3f s",
									 ratings->n_ratings, (read - started) / 1e6,
									 (GetCurrentTimestamp() - read) / 1e6)));
	return ratings;
}

/*
 * Run the query, which returns (user, item) or (user, item, rating), under the
 * caller's privileges and snapshot, and return its ratings.  Rows with a NULL
 * are skipped and counted.  With transpose, items are the rows of the matrix
 * and users its columns.
 *
 * Errors: not one SELECT; not two or three columns; a key without a hash
 * function; a rating that is no number or not finite as a real; two ratings
 * for one pair; more memory than maintenance_work_mem.
 */
Ratings *
ratings_load(const char *query, bool transpose, Progress *progress)
{
	RatingReceiver receiver = {
		.pub = {receive_rating, start_ratings, query_ignore, query_ignore, DestTuplestore},
		.transpose = transpose,
		.progress = progress};

	return load(query, &receiver);
}

/*
 * The same, the columns being given: they keep their numbers, and ratings of others
 * are left out, without their rows.
 */
Ratings *
ratings_load_known(const char *query, const KeyMap *columns, Progress *progress)
{
	RatingReceiver receiver = {
		.pub = {receive_rating, start_ratings, query_ignore, query_ignore, DestTuplestore},
		.known = columns,
		.progress = progress};

	return load(query, &receiver);
}

/*
 * The same with items as columns, of a query that may return a fourth column: a
 * time, or a number that stands for one.  Errors also: it is neither, or not
 * finite.
 */
Ratings *
ratings_load_timed(const char *query, Progress *progress)
{
	RatingReceiver receiver = {
		.pub = {receive_rating, start_ratings, query_ignore, query_ignore, DestTuplestore},
		.may_have_times = true,
		.progress = progress};

	return load(query, &receiver);
}
