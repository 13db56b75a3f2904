/*
 * hybrid.c
 *		The weights of a hybrid's parts, given or fitted.
 *
 * Weights are fitted by stacking (Wolpert, Stacked Generalization, Neural Networks
 * 5(2), 1992): a part of the ratings, the validation side, is kept from the parts, which
 * are fitted to the rest; what they then say of a sample of users is regressed on what
 * those users did.  Of predictions it is a linear regression on the ratings; of places in
 * lists a logistic one on whether the item listed is among the user's validation
 * ratings, of at least the mean where there are ratings.  No weight is negative.
 */
#include "postgres.h"

#include <math.h>

#include "common/pg_prng.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

#include "method_hybrid.h"
#include "ratings.h"
#include "socrec.h"
#include "stacking.h"

#define VALIDATION_SHARE 0.2

/* Users asked: as many as give about so many places, but between two bounds. */
#define PLACES 2000000
#define MIN_USERS 100
#define MAX_USERS 5000

/* The prior of weights of predictions, all the same, counts as so many ratings. */
#define PRIOR_RATINGS 10

/* And that of weights of lists, none, half the squared weights. */
#define LIST_RIDGE 1

enum
{
	SIDE_TRAINING,
	SIDE_VALIDATION
};

typedef struct Stacking
{
	const Ratings *ratings;
	const uint8 *side; /* of each rating */
	int32 *row_map;    /* to the training side, -1 for what is not in it */
	int32 *column_map;
	Hybrid *hybrid; /* fitted to the training side */
	Budget budget;
	int32 n_users;
	int32 *users; /* the sample, by row */

	/* Of one user: what was validated, by column of the training side. */
	int32 n;
	int32 *columns;
	float4 *values;

	/* Of predictions. */
	int64 n_predictions;
	double gram[HYBRID_MAX_PARTS * HYBRID_MAX_PARTS];
	double product[HYBRID_MAX_PARTS];
	double *differences; /* of one user's predictions from the mean: by part and column */

	/* Of places in lists. */
	int64 n_places;
	int64 capacity;
	float *places; /* n_places * parts */
	uint8 *taken;  /* n_places: whether the user has it */
	int64 *place;  /* of columns, for one user; -1 without */
} Stacking;

/*
 * Hashes of keys as those that hash_record_extended() combines.
 */
static uint64 *
hash_keys(const Datum *keys, int32 n, Oid type, Budget *budget)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_HASH_EXTENDED_PROC_FINFO);
	uint64 *hashes = budget_alloc(budget, n, sizeof(uint64), "splits");

	if (!OidIsValid(entry->hash_extended_proc_finfo.fn_oid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("could not identify an extended hash function for type %s",
							   format_type_be(type))));
	for (int32 i = 0; i < n; i++)
	{
		if (i % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
		hashes[i] =
			DatumGetUInt64(FunctionCall2Coll(&entry->hash_extended_proc_finfo, entry->typcollation,
											 keys_datum(keys[i], type), UInt64GetDatum(0)));
	}
	return hashes;
}

/*
 * Choose the validation side: hashint8extended(hash_record_extended(ROW(user, item), 0),
 * seed + 1) & 1073741823 is below a share.  The hash of a record alone is a sum, by
 * which items would go together for all users.
 */
static const uint8 *
choose_sides(const Ratings *ratings, int64 seed, Budget *budget)
{
	uint8 *side = budget_alloc(budget, ratings->n_ratings, 1, "splits");
	uint64 *users = hash_keys(ratings->row_keys, ratings->n_rows, ratings->row_type, budget);
	uint64 *items =
		hash_keys(ratings->column_keys, ratings->n_columns, ratings->column_type, budget);
	uint64 limit = (uint64) rint(VALIDATION_SHARE * (1 << 30));

	for (int32 row = 0; row < ratings->n_rows; row++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int64 p = ratings->row_start[row]; p < ratings->row_start[row + 1]; p++)
		{
			uint64 record = 31 * users[row] + items[ratings->entries[p].column];
			uint64 hash = DatumGetUInt64(DirectFunctionCall2(
				hashint8extended, Int64GetDatum((int64) record), Int64GetDatum(seed + 1)));

			side[p] = (hash & ((1 << 30) - 1)) < limit ? SIDE_VALIDATION : SIDE_TRAINING;
		}
	}
	pfree(users);
	pfree(items);
	return side;
}

/*
 * Read what a user is validated on; false if there is nothing, or nothing to tell it from.
 */
static bool
read_user(Stacking *stacking, int32 row)
{
	const Ratings *ratings = stacking->ratings;

	stacking->n = 0;
	if (stacking->row_map[row] < 0)
		return false;
	for (int64 p = ratings->row_start[row]; p < ratings->row_start[row + 1]; p++)
	{
		int32 column = stacking->column_map[ratings->entries[p].column];

		if (stacking->side[p] != SIDE_VALIDATION || column < 0)
			continue;
		stacking->columns[stacking->n] = column;
		stacking->values[stacking->n++] = ratings->entries[p].value;
	}
	return stacking->n > 0;
}

/*
 * Places that the lists for a user can have together.
 */
static int64
most_places(const Hybrid *hybrid)
{
	return (int64) hybrid->n_parts * Min(hybrid->list.capacity, hybrid->ratings->n_columns);
}

/*
 * Draw users from those with something to validate.
 */
static void
draw_users(Stacking *stacking, int64 seed)
{
	const Ratings *ratings = stacking->ratings;
	const Hybrid *hybrid = stacking->hybrid;
	int32 *eligible = budget_alloc(&stacking->budget, ratings->n_rows, sizeof(int32), "users");
	int64 wanted = PLACES / Max(1, most_places(hybrid));
	int32 n = 0;
	int64 left;
	pg_prng_state random;

	for (int32 row = 0; row < ratings->n_rows; row++)
	{
		if (row % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		if (read_user(stacking, row))
			eligible[n++] = row;
	}
	left = Min(n, Max(MIN_USERS, Min(MAX_USERS, wanted)));
	pg_prng_seed(&random, seed);
	stacking->users = eligible;
	for (int32 i = 0; i < n; i++)
	{
		if (pg_prng_uint64_range(&random, 0, n - i - 1) >= (uint64) left)
			continue;
		eligible[stacking->n_users++] = eligible[i];
		left--;
	}
}

static MethodUser
training_user(const Stacking *stacking, int32 row)
{
	const Ratings *train = stacking->hybrid->ratings;
	int32 own = stacking->row_map[row];

	return (MethodUser){.row = own,
						.ratings = train->entries + train->row_start[own],
						.n = (int32) (train->row_start[own + 1] - train->row_start[own])};
}

/*
 * Sum up, for the linear regression, what the parts predict for the user read.
 */
static void
add_predictions(Stacking *stacking, const MethodUser *user)
{
	Hybrid *hybrid = stacking->hybrid;
	int n_parts = hybrid->n_parts;
	double *x = stacking->differences;

	for (int i = 0; i < n_parts; i++)
	{
		bool can_predict = hybrid_can_predict(hybrid, &hybrid->parts[i]);
		const MethodPrediction *given = can_predict ? hybrid_ask(hybrid, &hybrid->parts[i], user,
																 stacking->columns, stacking->n)
													: NULL;

		for (int32 j = 0; j < stacking->n; j++)
			x[j * n_parts + i] = can_predict ? given[j].value - hybrid->mean : 0;
	}
	for (int32 j = 0; j < stacking->n; j++)
		for (int i = 0; i < n_parts; i++)
		{
			stacking->product[i] += x[j * n_parts + i] * (stacking->values[j] - hybrid->mean);
			for (int k = 0; k < n_parts; k++)
				stacking->gram[i * n_parts + k] += x[j * n_parts + i] * x[j * n_parts + k];
		}
	stacking->n_predictions += stacking->n;
}

/*
 * Make room for the places that the lists of one more user can have.
 */
static void
reserve_places(Stacking *stacking)
{
	Budget *budget = &stacking->budget;
	int n_parts = stacking->hybrid->n_parts;
	int64 needed = stacking->n_places + most_places(stacking->hybrid);
	float *places = stacking->places;
	uint8 *taken = stacking->taken;

	if (needed <= stacking->capacity)
		return;
	stacking->capacity = Max(needed, 2 * stacking->capacity);
	stacking->places =
		budget_alloc(budget, (Size) stacking->capacity * n_parts, sizeof(float), "lists");
	stacking->taken = budget_alloc(budget, stacking->capacity, 1, "lists");
	if (places == NULL)
		return;
	memcpy(stacking->places, places, stacking->n_places * n_parts * sizeof(float));
	memcpy(stacking->taken, taken, stacking->n_places);
	pfree(places);
	pfree(taken);
}

/*
 * Add, for the logistic regression, the places that the parts give to the items that
 * they list for the user read.
 */
static void
add_places(Stacking *stacking, const MethodUser *user)
{
	Hybrid *hybrid = stacking->hybrid;
	int64 first = stacking->n_places;
	double threshold = hybrid->is_explicit ? hybrid->mean : -INFINITY;

	reserve_places(stacking);
	for (int i = 0; i < hybrid->n_parts; i++)
	{
		int32 n = hybrid_list(hybrid, &hybrid->parts[i], user);

		for (int32 j = 0; j < n; j++)
		{
			int64 *place = &stacking->place[hybrid->list.entries[j].id];

			if (*place < first)
				*place = stacking->n_places++;
			stacking->places[*place * hybrid->n_parts + i] = hybrid->list.entries[j].score;
		}
	}
	for (int32 j = 0; j < stacking->n; j++)
	{
		int64 place = stacking->place[stacking->columns[j]];

		if (place >= first && stacking->values[j] >= threshold)
			stacking->taken[place] = 1;
	}
}

/*
 * Weights of predictions: those of the sum of squared errors and of a prior, for which
 * each is the same.
 */
static void
solve_predictions(const Stacking *stacking, Hybrid *hybrid)
{
	int n = hybrid->n_parts;
	double gram[HYBRID_MAX_PARTS * HYBRID_MAX_PARTS];
	double product[HYBRID_MAX_PARTS];
	double weights[HYBRID_MAX_PARTS];
	double squares = 0;
	int n_predicting = 0;

	hybrid_predict_as_ranked(hybrid);
	if (!hybrid->rates || stacking->n_predictions == 0)
		return;
	memcpy(gram, stacking->gram, n * n * sizeof(double));
	memcpy(product, stacking->product, n * sizeof(double));
	for (int i = 0; i < n; i++)
	{
		squares += gram[i * n + i] / stacking->n_predictions;
		n_predicting += hybrid_can_predict(hybrid, &hybrid->parts[i]);
	}
	for (int i = 0; i < n; i++)
	{
		bool can_predict = hybrid_can_predict(hybrid, &hybrid->parts[i]);
		double prior = PRIOR_RATINGS * squares / n_predicting;

		weights[i] = can_predict ? 1.0 / n_predicting : 0;
		gram[i * n + i] += can_predict ? prior : 0;
		product[i] += prior * weights[i];
	}
	stacking_minimize(n, n, gram, product, weights);
	for (int i = 0; i < n; i++)
		hybrid->parts[i].prediction_weight = weights[i];
}

static void
check_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
}

/*
 * Weights of lists, in sum 1; left as they are when the lists tell nothing.
 */
static void
solve_places(const Stacking *stacking, Hybrid *hybrid)
{
	double weights[HYBRID_MAX_PARTS + 1] = {0};
	double sum = 0;
	int64 taken = 0;
	StackingRows rows = {.n_inputs = hybrid->n_parts,
						 .n = stacking->n_places,
						 .inputs = stacking->places,
						 .outcome = stacking->taken,
						 .ridge = LIST_RIDGE,
						 .pause = check_interrupts};

	for (int64 i = 0; i < rows.n; i++)
		taken += rows.outcome[i];
	if (taken == 0 || taken == rows.n)
		return;
	weights[hybrid->n_parts] = log((double) taken / (rows.n - taken));
	stacking_logistic(&rows, weights);
	for (int i = 0; i < hybrid->n_parts; i++)
		sum += weights[i];
	for (int i = 0; i < hybrid->n_parts && sum > 0; i++)
		hybrid->parts[i].rank_weight = weights[i] / sum;
}

/*
 * Fit the parts to the training side, and room for what they say.
 */
static void
prepare(Stacking *stacking, Hybrid *hybrid, Jsonb *options, int64 seed, Progress *progress)
{
	Budget *budget = &stacking->budget;
	const Ratings *ratings = stacking->ratings;
	Ratings *train;
	int64 longest = 0;

	stacking->side = choose_sides(ratings, seed, budget);
	stacking->row_map = budget_alloc(budget, ratings->n_rows, sizeof(int32), "users");
	stacking->column_map = budget_alloc(budget, ratings->n_columns, sizeof(int32), "items");
	train = ratings_subset(ratings, stacking->side, UINT64CONST(1) << SIDE_TRAINING,
						   stacking->row_map, stacking->column_map, budget);
	for (int32 row = 0; row < ratings->n_rows; row++)
		longest = Max(longest, ratings->row_start[row + 1] - ratings->row_start[row]);
	stacking->columns = budget_alloc(budget, longest, sizeof(int32), "predictions");
	stacking->values = budget_alloc(budget, longest, sizeof(float4), "predictions");
	stacking->differences =
		budget_alloc(budget, longest * hybrid->n_parts, sizeof(double), "predictions");
	stacking->place = budget_alloc(budget, train->n_columns, sizeof(int64), "lists");
	for (int32 column = 0; column < train->n_columns; column++)
		stacking->place[column] = -1;
	stacking->hybrid = hybrid_create(train, hybrid->is_explicit, options, budget);
	draw_users(stacking, seed);
	if (stacking->n_users > 0)
		hybrid_fit_parts(stacking->hybrid, progress);
}

/*
 * Give a hybrid the weights that the options have for its parts or, without any, fit
 * them to its ratings.  Where these tell nothing all parts weigh the same.
 */
void
hybrid_fit_weights(Hybrid *hybrid, Jsonb *options, Progress *progress)
{
	Stacking stacking = {.ratings = hybrid->ratings};
	int64 seed;

	if (hybrid_read_weights(hybrid, options))
		return;
	seed = (int64) method_number(options, "seed");
	budget_part(&stacking.budget, &hybrid->budget);
	prepare(&stacking, hybrid, options, seed, progress);
	for (int32 i = 0; i < stacking.n_users; i++)
	{
		MethodUser user = training_user(&stacking, stacking.users[i]);

		CHECK_FOR_INTERRUPTS();
		progress_report(progress, "weights by %d of %d users", i, stacking.n_users);
		(void) read_user(&stacking, stacking.users[i]);
		if (hybrid->rates)
			add_predictions(&stacking, &user);
		add_places(&stacking, &user);
	}
	for (int i = 0; i < hybrid->n_parts; i++)
		hybrid->parts[i].rank_weight = 1.0 / hybrid->n_parts;
	solve_places(&stacking, hybrid);
	solve_predictions(&stacking, hybrid);
	MemoryContextDelete(stacking.budget.context);
}

static void
write_weights(const Hybrid *hybrid, ReturnSetInfo *result)
{
	for (int i = 0; i < hybrid->n_parts; i++)
	{
		Datum values[] = {Int32GetDatum(i + 1), Float8GetDatum(hybrid->parts[i].rank_weight),
						  Float8GetDatum(hybrid->parts[i].prediction_weight)};
		bool nulls[lengthof(values)] = {0};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/*
 * hybrid_weights(query, options) returns (part, rank_weight, prediction_weight) of a
 * hybrid with these options, which are complete, of the ratings of a query
 * (user, item[, rating]).
 *
 * Errors: those of ratings_load and of the parts' fits.
 */
PG_FUNCTION_INFO_V1(socrec_hybrid_weights);
Datum
socrec_hybrid_weights(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Progress progress;

	InitMaterializedSRF(fcinfo, 0);
	progress_start(&progress, "weights of a hybrid");
	PG_TRY();
	{
		Ratings *ratings = ratings_load(text_to_cstring(PG_GETARG_TEXT_PP(0)), false, &progress);
		Jsonb *options = PG_GETARG_JSONB_P(1);
		Hybrid *hybrid = hybrid_create(ratings, ratings->has_values, options, &ratings->budget);

		hybrid_fit_weights(hybrid, options, &progress);
		write_weights(hybrid, result);
		ratings_free(ratings);
	}
	PG_FINALLY();
	{
		progress_end(&progress);
	}
	PG_END_TRY();
	return (Datum) 0;
}
