/*
 * ratings.c
 *		Read the rows (user, item, rating) of a query into a sparse matrix.
 *
 * The rows are pushed by the executor into a DestReceiver, which maps both
 * keys to dense numbers and appends 12 bytes to a list of chunks: no tuple is
 * ever stored.  When all have arrived, the keys are put in their final order
 * and a counting sort by row turns the chunks into the compressed form.
 *
 * At its peak that takes 20 bytes a rating (12 in the chunks, 8 in the sort's
 * target) plus the keys.  Every large piece is asked for through
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
} Chunk;

typedef struct RatingReceiver
{
	DestReceiver pub;
	Ratings *ratings;
	bool transpose;
	Progress *progress;
	Oid value_type; /* InvalidOid: the query has no third column, value 1 */
	KeyMap rows;
	KeyMap columns;
	Chunk *first;
	Chunk *last;
} RatingReceiver;

void
ratings_free(Ratings *ratings)
{
	MemoryContextDelete(ratings->budget.context);
}

static bool
receive_rating(TupleTableSlot *slot, DestReceiver *self)
{
	RatingReceiver *receiver = (RatingReceiver *) self;
	Ratings *ratings = receiver->ratings;
	KeyMap *users = receiver->transpose ? &receiver->columns : &receiver->rows;
	KeyMap *items = receiver->transpose ? &receiver->rows : &receiver->columns;
	bool has_value = OidIsValid(receiver->value_type);
	Chunk *chunk = receiver->last;
	Rating *rating;
	int32 user;
	int32 item;
	double value = 1.0;

	slot_getallattrs(slot);
	if (slot->tts_isnull[0] || slot->tts_isnull[1] || (has_value && slot->tts_isnull[2]))
	{
		ratings->n_skipped++;
		return true;
	}
	if (has_value)
		value = query_number(slot->tts_values[2], receiver->value_type);

	user = keys_number(users, slot->tts_values[0]);
	item = keys_number(items, slot->tts_values[1]);

	if (unlikely(!isfinite(value) || !isfinite((float4) value)))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("rating %g of user %s for item %s is not a finite real number", value,
						keys_text(users, users->keys[user]), keys_text(items, items->keys[item])),
				 errhint("Leave such rows out in the source query.")));

	if (chunk == NULL || chunk->n == CHUNK_RATINGS)
	{
		ratings->budget.rows = ratings->n_ratings;
		/* The sort will need 8 bytes a rating beside the chunks. */
		budget_check(&ratings->budget, add_size(sizeof(Chunk), mul_size(8, ratings->n_ratings)),
					 "ratings");
		if (ratings->n_ratings >= MAX_RATINGS)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("more than " INT64_FORMAT " ratings", MAX_RATINGS)));
		if (ratings->n_ratings > 0)
			progress_report(receiver->progress, INT64_FORMAT " ratings read", ratings->n_ratings);
		chunk = MemoryContextAllocHuge(ratings->budget.context, sizeof(Chunk));
		chunk->next = NULL;
		chunk->n = 0;
		if (receiver->last == NULL)
			receiver->first = chunk;
		else
			receiver->last->next = chunk;
		receiver->last = chunk;
	}
	rating = &chunk->ratings[chunk->n++];
	rating->row = receiver->transpose ? item : user;
	rating->column = receiver->transpose ? user : item;
	rating->value = (float4) value;
	ratings->n_ratings++;
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

	if (desc->natts != 2 && desc->natts != 3)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("query returns %d columns, not (user, item) or (user, item, rating)",
							   desc->natts)));
	if (desc->natts == 3)
	{
		Oid type = getBaseType(TupleDescAttr(desc, 2)->atttypid);

		if (!query_is_number(type))
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
							errmsg("rating column \"%s\" is of type %s, not a number",
								   NameStr(TupleDescAttr(desc, 2)->attname),
								   format_type_be(TupleDescAttr(desc, 2)->atttypid)),
							errhint("Cast it in the query, for instance to real.")));
		receiver->value_type = type;
	}
	keys_init(&receiver->rows, &receiver->ratings->budget, TupleDescAttr(desc, user));
	keys_init(&receiver->columns, &receiver->ratings->budget, TupleDescAttr(desc, 1 - user));
}

static void
refuse_duplicate(RatingReceiver *receiver, int32 row, int32 column)
{
	char *row_text = keys_text(&receiver->rows, receiver->ratings->row_keys[row]);
	char *column_text = keys_text(&receiver->columns, receiver->ratings->column_keys[column]);

	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("more than one rating of user %s for item %s",
					receiver->transpose ? column_text : row_text,
					receiver->transpose ? row_text : column_text),
			 errhint("Give one row for each pair, for instance by GROUP BY in the source query.")));
}

#define ST_SORT sort_entries
#define ST_ELEMENT_TYPE KnnEntry
#define ST_COMPARE(a, b) ((a)->column < (b)->column ? -1 : (a)->column > (b)->column)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

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
		}
		following = chunk->next;
		pfree(chunk);
	}
	pfree(next);
}

/*
 * Turn the chunks into the compressed matrix: move every rating to its row,
 * sort the rows, and list the rows of each column.
 */
static void
compress_ratings(RatingReceiver *receiver)
{
	Ratings *ratings = receiver->ratings;
	int32 *row_rank = keys_rank(&receiver->rows, false);
	int32 *column_rank = keys_rank(&receiver->columns, true);
	Datum *row_keys = keys_permute(&receiver->rows, row_rank);
	int64 *next;

	ratings->n_rows = receiver->rows.n;
	ratings->n_columns = receiver->columns.n;
	ratings->row_type = receiver->rows.type;
	ratings->column_type = receiver->columns.type;
	ratings->row_keys = row_keys;
	ratings->column_keys = keys_permute(&receiver->columns, column_rank);
	ratings->row_start = keys_bucket_starts(&receiver->rows, row_rank);
	ratings->column_start = keys_bucket_starts(&receiver->columns, column_rank);
	ratings->entries =
		budget_alloc(&ratings->budget, ratings->n_ratings, sizeof(KnnEntry), "ratings");
	scatter_chunks(receiver, row_rank, column_rank);
	pfree(row_rank);
	pfree(column_rank);

	ratings->column_row =
		budget_alloc(&ratings->budget, ratings->n_ratings, sizeof(int32), "ratings");
	next = budget_alloc(&ratings->budget, ratings->n_columns, sizeof(int64), "keys");
	memcpy(next, ratings->column_start, ratings->n_columns * sizeof(int64));
	for (int32 row = 0; row < ratings->n_rows; row++)
	{
		int64 start = ratings->row_start[row];
		int64 end = ratings->row_start[row + 1];

		if (row % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		sort_entries(ratings->entries + start, end - start);
		for (int64 p = start; p < end; p++)
		{
			int32 column = ratings->entries[p].column;

			if (p > start && ratings->entries[p - 1].column == column)
				refuse_duplicate(receiver, row, column);
			ratings->column_row[next[column]++] = row;
		}
	}
	pfree(next);
}

static double
mean_rating(const Ratings *ratings)
{
	double sum = 0;

	for (int64 p = 0; p < ratings->n_ratings; p++)
		sum += ratings->entries[p].value;
	return ratings->n_ratings > 0 ? sum / ratings->n_ratings : 0;
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
	Budget budget;
	Ratings *ratings;
	RatingReceiver receiver = {
		.pub = {receive_rating, start_ratings, query_ignore, query_ignore, DestTuplestore}};
	TimestampTz started = GetCurrentTimestamp();
	TimestampTz read;

	budget_init(&budget, "fitting");
	ratings = MemoryContextAllocZero(budget.context, sizeof(Ratings));
	ratings->budget = budget;
	receiver.ratings = ratings;
	receiver.transpose = transpose;
	receiver.progress = progress;

	query_run(query, &receiver.pub);
	read = GetCurrentTimestamp();
	compress_ratings(&receiver);
	keys_free(&receiver.rows);
	keys_free(&receiver.columns);

	ratings->mean = mean_rating(ratings);
	ereport(DEBUG1, (errmsg_internal("socrec: read " INT64_FORMAT
									 " ratings in %.3f s, compressed them in %.3f s",
									 ratings->n_ratings, (read - started) / 1e6,
									 (GetCurrentTimestamp() - read) / 1e6)));
	return ratings;
}
