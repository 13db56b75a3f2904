/*
 * batch.c
 *		Recommendations for all users of a query, and predictions for all pairs of
 *		another, by a method that is fitted in memory and forgotten, or by a model.
 */
#include "postgres.h"

#include <math.h>

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "keys.h"
#include "method.h"
#include "query.h"
#include "ratings.h"
#include "socrec.h"
#include "stored.h"

#define MAX_LIST 1000000

/* Users between two reports of progress. */
#define REPORT_USERS 256

/* Ratings, and items in lists, of users whose lists are made together. */
#define TOGETHER_RATINGS 4000000
#define TOGETHER_ENTRIES 1000000

/* Ratings and a method fitted to them. */
typedef struct Batch
{
	Ratings *ratings;
	StoredModel *stored; /* NULL: fitted here */
	const Method *method;
	void *fitted;
	const int32 *popularity; /* of columns: what they count for without a score */
	Progress progress;
	Budget part; /* of the ratings' budget, for what is fitted and more */
} Batch;

/*
 * Read the ratings and fit the method, or read the model that the queries are of
 * (stored_load).  Keys must be of the types declared.
 */
static void
start_batch(Batch *batch, const char *query, const char *method, Jsonb *options, ArrayType *stored,
			TupleDesc desc, int user_column, int item_column)
{
	bool is_explicit;

	batch->method = method_find(method);
	batch->stored = stored == NULL ? NULL : stored_load(stored, &batch->progress);
	batch->ratings = batch->stored == NULL
						 ? ratings_load(query, false, &batch->progress)
						 : ratings_load_known(query, &batch->stored->items.keys, &batch->progress);
	is_explicit = batch->ratings->has_values;
	keys_check_type(batch->ratings->row_type, "user", TupleDescAttr(desc, user_column)->atttypid);
	keys_check_type(batch->ratings->column_type, "item",
					TupleDescAttr(desc, item_column)->atttypid);
	budget_part(&batch->part, &batch->ratings->budget);
	if (batch->stored == NULL)
	{
		batch->fitted = batch->method->fit(batch->ratings, is_explicit, options, &batch->part,
										   &batch->progress);
		batch->popularity = ratings_counts(batch->ratings, &batch->part);
	}
	else
	{
		batch->fitted = batch->method->load(batch->stored, batch->ratings, is_explicit, options,
											&batch->part, &batch->progress);
		batch->popularity = batch->stored->items.rating_count;
	}
}

static void
end_batch(Batch *batch)
{
	ratings_free(batch->ratings);
	if (batch->stored != NULL)
		stored_free(batch->stored);
}

static MethodUser
batch_user(const Ratings *ratings, int32 row)
{
	int64 start = ratings->row_start[row];

	return (MethodUser){.row = row,
						.ratings = ratings->entries + start,
						.n = (int32) (ratings->row_start[row + 1] - start)};
}

/* Where rows of recommendations go. */
typedef struct ListWriter
{
	ReturnSetInfo *result;
	Datum own; /* the names of the sources, as text */
	Datum popular;
} ListWriter;

/*
 * The list of one user, where the popular ones stand for those without a score.
 */
static void
write_list(const ListWriter *writer, const Batch *batch, int32 row, const score_heap *heap)
{
	const Ratings *ratings = batch->ratings;

	for (int32 i = 0; i < heap->n; i++)
	{
		int32 column = heap->entries[i].id;
		bool scored = !isnan(heap->entries[i].score);
		double score = scored ? heap->entries[i].score : batch->popularity[column];
		Datum values[] = {keys_datum(ratings->row_keys[row], ratings->row_type),
						  Int32GetDatum(i + 1),
						  keys_datum(ratings->column_keys[column], ratings->column_type),
						  Float8GetDatum(score), scored ? writer->own : writer->popular};
		bool nulls[lengthof(values)] = {0};

		tuplestore_putvalues(writer->result->setResult, writer->result->setDesc, values, nulls);
	}
}

/*
 * The lists of all users, many at a time, as memory allows.
 */
static void
write_lists(Batch *batch, ReturnSetInfo *result, int32 n)
{
	const Ratings *ratings = batch->ratings;
	const Method *method = batch->method;
	ListWriter writer = {.result = result,
						 .own = CStringGetTextDatum(method->name),
						 .popular = CStringGetTextDatum("popular")};
	int32 capacity = Min(n, ratings->n_columns);
	bool at_once = method->lists != NULL || method->pack != NULL;
	int32 most = at_once ? TOGETHER_ENTRIES / Max(capacity, 1) + 1 : REPORT_USERS;
	int32 room = Min(ratings->n_rows, most);
	MethodUser *users = budget_alloc(&batch->part, room, sizeof(MethodUser), "lists");
	score_heap *heaps = budget_alloc(&batch->part, room, sizeof(score_heap), "lists");
	score_entry *entries =
		budget_alloc(&batch->part, mul_size(room, capacity), sizeof(score_entry), "lists");
	int32 first = 0;

	while (first < ratings->n_rows)
	{
		int32 n_users = 0;

		while (
			n_users < room && first + n_users < ratings->n_rows &&
			(n_users == 0 || ratings->row_start[first + n_users + 1] - ratings->row_start[first] <
								 TOGETHER_RATINGS))
		{
			users[n_users] = batch_user(ratings, first + n_users);
			heaps[n_users] =
				(score_heap){.capacity = capacity, .entries = entries + (Size) n_users * capacity};
			n_users++;
		}
		progress_report(&batch->progress, "%d of %d users", first, ratings->n_rows);
		method_lists(method, batch->fitted, users, n_users, ratings->n_columns, heaps,
					 &batch->part);
		for (int32 i = 0; i < n_users; i++)
		{
			CHECK_FOR_INTERRUPTS();
			write_list(&writer, batch, first + i, &heaps[i]);
		}
		first += n_users;
	}
}

static void
refuse_nulls(FunctionCallInfo fcinfo, const int *arguments, int n)
{
	for (int i = 0; i < n; i++)
		if (PG_ARGISNULL(arguments[i]))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("argument %d must not be null", arguments[i] + 1)));
}

/*
 * fit_and_recommend(query, user_type, item_type, method, options, n, stored) returns
 * (user, rank, item, score, source): the n best items that each user of a query
 * (user, item[, rating]) has not rated, as a model's recommend() gives them.  If
 * stored is not null, nothing is fitted: its queries read a model (stored_load).
 *
 * Errors: those of ratings_load and of the method's options; keys of other types.
 */
PG_FUNCTION_INFO_V1(socrec_fit_and_recommend);
Datum
socrec_fit_and_recommend(PG_FUNCTION_ARGS)
{
	static const int required[] = {0, 3, 4, 5};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Batch batch;
	int32 n;

	refuse_nulls(fcinfo, required, lengthof(required));
	n = PG_GETARG_INT32(5);
	if (n < 0 || n > MAX_LIST)
		invalid_argument("n must be between 0 and %d, not %d", MAX_LIST, n);
	InitMaterializedSRF(fcinfo, 0);
	progress_start(&batch.progress, "batch recommendations");
	PG_TRY();
	{
		start_batch(&batch, text_to_cstring(PG_GETARG_TEXT_PP(0)),
					text_to_cstring(PG_GETARG_TEXT_PP(3)), PG_GETARG_JSONB_P(4),
					PG_ARGISNULL(6) ? NULL : PG_GETARG_ARRAYTYPE_P(6), result->setDesc, 0, 2);
		write_lists(&batch, result, n);
	}
	PG_FINALLY();
	{
		progress_end(&batch.progress);
	}
	PG_END_TRY();
	end_batch(&batch);
	return (Datum) 0;
}

/* A pair to predict; numbers beyond those of the ratings are unknown keys. */
typedef struct Pair
{
	int32 user;
	int32 item;
} Pair;

typedef struct PairReceiver
{
	DestReceiver pub;
	Batch *batch;
	KeyMap users;
	KeyMap items;
	int64 n;
	int64 capacity;
	Pair *pairs;
} PairReceiver;

/*
 * Give the keys of the ratings the numbers that they have there.
 */
static void
number_known(KeyMap *map, const Datum *keys, int32 n, Oid type)
{
	for (int32 i = 0; i < n; i++)
	{
		if (i % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
		(void) keys_number(map, keys_datum(keys[i], type));
	}
}

static void
start_pairs(DestReceiver *self, int operation, TupleDesc desc)
{
	PairReceiver *receiver = (PairReceiver *) self;
	const Ratings *ratings = receiver->batch->ratings;

	if (desc->natts != 2)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("query of pairs returns %d columns, not (user, item)", desc->natts)));
	keys_init(&receiver->users, &receiver->batch->part, TupleDescAttr(desc, 0));
	keys_init(&receiver->items, &receiver->batch->part, TupleDescAttr(desc, 1));
	keys_check_type(receiver->users.type, "user", ratings->row_type);
	keys_check_type(receiver->items.type, "item", ratings->column_type);
	number_known(&receiver->users, ratings->row_keys, ratings->n_rows, ratings->row_type);
	number_known(&receiver->items, ratings->column_keys, ratings->n_columns, ratings->column_type);
}

static bool
receive_pair(TupleTableSlot *slot, DestReceiver *self)
{
	PairReceiver *receiver = (PairReceiver *) self;

	slot_getallattrs(slot);
	if (slot->tts_isnull[0] || slot->tts_isnull[1])
		return true;
	if (receiver->n == receiver->capacity)
	{
		int64 capacity = Max(1024, receiver->capacity * 2);
		Pair *pairs = budget_alloc(&receiver->batch->part, capacity, sizeof(Pair), "pairs");

		if (receiver->n > 0)
		{
			memcpy(pairs, receiver->pairs, receiver->n * sizeof(Pair));
			pfree(receiver->pairs);
		}
		receiver->pairs = pairs;
		receiver->capacity = capacity;
	}
	receiver->pairs[receiver->n++] = (Pair){keys_number(&receiver->users, slot->tts_values[0]),
											keys_number(&receiver->items, slot->tts_values[1])};
	return true;
}

/*
 * Items of the pairs by user, in the order in which they came: those of user u
 * stand from start[u].
 */
static int32 *
group_pairs(const PairReceiver *receiver, int64 **start)
{
	Budget *budget = &receiver->batch->part;
	int32 n_users = receiver->users.n;
	int32 *items = budget_alloc(budget, receiver->n, sizeof(int32), "pairs");
	int64 *next = budget_alloc(budget, (Size) n_users + 2, sizeof(int64), "pairs");

	/* Two places on, so that the next of each user ends where its own begin. */
	for (int64 i = 0; i < receiver->n; i++)
		next[receiver->pairs[i].user + 2]++;
	for (int32 user = 0; user < n_users; user++)
		next[user + 2] += next[user + 1];
	for (int64 i = 0; i < receiver->n; i++)
		items[next[receiver->pairs[i].user + 1]++] = receiver->pairs[i].item;
	*start = next;
	return items;
}

/* Room for the pairs of one user. */
typedef struct PredictionWork
{
	int32 *columns;
	MethodPrediction *predictions;
} PredictionWork;

/*
 * Predict for one user and n items by their numbers.
 */
static void
write_predictions(const PairReceiver *receiver, ReturnSetInfo *result, int32 user_number,
				  const int32 *items, int32 n, PredictionWork *work)
{
	const Batch *batch = receiver->batch;
	const Ratings *ratings = batch->ratings;
	MethodUser user = {.row = -1};

	if (user_number < ratings->n_rows)
		user = batch_user(ratings, user_number);
	for (int32 i = 0; i < n; i++)
		work->columns[i] = items[i] < ratings->n_columns ? items[i] : -1;
	batch->method->predict(batch->fitted, &user, work->columns, n, work->predictions);
	for (int32 i = 0; i < n; i++)
	{
		const MethodPrediction *prediction = &work->predictions[i];
		Datum values[] = {keys_datum(receiver->users.keys[user_number], receiver->users.type),
						  keys_datum(receiver->items.keys[items[i]], receiver->items.type),
						  Float8GetDatum(prediction->value),
						  CStringGetTextDatum(prediction->source),
						  Int32GetDatum(prediction->support)};
		bool nulls[lengthof(values)] = {false, false, isnan(prediction->value)};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		pfree(DatumGetPointer(values[3]));
	}
}

/* Pairs of a user that are predicted at once. */
#define MAX_TARGETS 8192

static void
predict_pairs(Batch *batch, const char *pairs, ReturnSetInfo *result)
{
	PairReceiver receiver = {
		.pub = {receive_pair, start_pairs, query_ignore, query_ignore, DestTuplestore},
		.batch = batch};
	PredictionWork work;
	int32 *items;
	int64 *start;

	query_run(pairs, &receiver.pub);
	items = group_pairs(&receiver, &start);
	work.columns = budget_alloc(&batch->part, MAX_TARGETS, sizeof(int32), "predictions");
	work.predictions =
		budget_alloc(&batch->part, MAX_TARGETS, sizeof(MethodPrediction), "predictions");
	for (int32 user = 0; user < receiver.users.n; user++)
	{
		if (user % REPORT_USERS == 0)
			progress_report(&batch->progress, "%d of %d users", user, receiver.users.n);
		for (int64 at = start[user]; at < start[user + 1]; at += MAX_TARGETS)
		{
			CHECK_FOR_INTERRUPTS();
			write_predictions(&receiver, result, user, items + at,
							  (int32) Min(MAX_TARGETS, start[user + 1] - at), &work);
		}
	}
}

/*
 * fit_and_predict(query, pairs, user_type, item_type, method, options, stored) returns
 * (user, item, prediction, source, support) for the pairs of the second query,
 * by user, as a model's predictions() gives them.  Pairs with a NULL are skipped.
 *
 * Errors: those of fit_and_recommend; pairs of other types.
 */
PG_FUNCTION_INFO_V1(socrec_fit_and_predict);
Datum
socrec_fit_and_predict(PG_FUNCTION_ARGS)
{
	static const int required[] = {0, 1, 4, 5};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Batch batch;

	refuse_nulls(fcinfo, required, lengthof(required));
	InitMaterializedSRF(fcinfo, 0);
	progress_start(&batch.progress, "batch predictions");
	PG_TRY();
	{
		start_batch(&batch, text_to_cstring(PG_GETARG_TEXT_PP(0)),
					text_to_cstring(PG_GETARG_TEXT_PP(4)), PG_GETARG_JSONB_P(5),
					PG_ARGISNULL(6) ? NULL : PG_GETARG_ARRAYTYPE_P(6), result->setDesc, 0, 1);
		predict_pairs(&batch, text_to_cstring(PG_GETARG_TEXT_PP(1)), result);
	}
	PG_FINALLY();
	{
		progress_end(&batch.progress);
	}
	PG_END_TRY();
	end_batch(&batch);
	return (Datum) 0;
}
