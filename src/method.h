/*
 * method.h
 *		What every recommendation method can do: fit to ratings, and score users.
 *
 * An evaluation knows methods only through this interface, so a method that is
 * added to the table in method.c is evaluated with no other change.  A fitted
 * method gives what a model of the same ratings and options gives in SQL.
 */
#ifndef METHOD_H
#define METHOD_H

#include <math.h>

#include "utils/jsonb.h"

#include "factor.h"
#include "prediction.h"
#include "ratings.h"
#include "stored.h"

/* A user, as a fitted method sees one. */
typedef struct MethodUser
{
	int32 row;               /* in the ratings fitted to; -1: was not among them */
	const KnnEntry *ratings; /* by column of the ratings fitted to, ascending */
	int32 n;
} MethodUser;

/*
 * The user's rating of a column, NULL without.
 */
static inline const KnnEntry *
method_user_rating(const MethodUser *user, int32 column)
{
	int32 place = column_place(user->ratings, sizeof(KnnEntry), user->n, column);

	return place < user->n && user->ratings[place].column == column ? &user->ratings[place] : NULL;
}

typedef struct MethodPrediction
{
	double value;
	const char *source; /* the method's name, or that of the fallback */
	int32 support;
} MethodPrediction;

typedef struct Method
{
	const char *name;

	/*
	 * Fit to ratings whose rows are users and whose columns are items, which
	 * are read only, and stay in place as long as what was fitted.  Options are
	 * those of socrec.model_options(), complete.  What is returned lies in the
	 * budget's context and goes with it.
	 */
	void *(*fit)(const Ratings *ratings, bool is_explicit, Jsonb *options, Budget *budget,
				 Progress *progress);

	/*
	 * The same, of a model instead of a fit.  The columns of the ratings are the
	 * model's items, numbered as they are stored; the ratings are those that users
	 * have now, and no more than that.
	 */
	void *(*load)(StoredModel *stored, const Ratings *ratings, bool is_explicit, Jsonb *options,
				  Budget *budget, Progress *progress);

	/*
	 * The score of every column for a user, NaN where the method has none.
	 * The list that recommend() makes of them: by falling score, equal ones by
	 * column; then the columns without, by column; without those rated.
	 */
	void (*score)(void *fitted, const MethodUser *user, double *scores);

	/*
	 * Optional, of methods that have a better way to the heads of those lists than by
	 * all scores: as method_lists().
	 */
	void (*lists)(void *fitted, const MethodUser *users, int32 n_users, score_heap *heaps);

	/*
	 * Optional: what score() needs, in one piece of memory, so that other processes can
	 * score.  pack gives the size of it and, unless memory is NULL, writes it there (by
	 * method_pack); unpack gives a fitted method that can score and no more, in the
	 * current context, as long as that piece stays.
	 */
	Size (*pack)(const void *fitted, char *memory);
	void *(*unpack)(char *memory);

	/*
	 * What predictions() gives for n columns; -1 is an item that was not among
	 * the ratings fitted to.
	 */
	void (*predict)(void *fitted, const MethodUser *user, const int32 *columns, int32 n,
					MethodPrediction *predictions);

	/* What it predicts is no rating, given ratings. */
	bool only_ranks;

	/* Of methods with factors: the model that fit makes; NULL of others. */
	FactorFit factorize;
} Method;

extern const Method *method_find(const char *name);

/* method_lists.c */
extern void method_lists(const Method *method, void *fitted, const MethodUser *users, int32 n_users,
						 int32 n_columns, score_heap *heaps, Budget *budget);

/* For the methods: what ratings say about an item that is asked for, */
typedef struct Opinion
{
	double sum; /* of weight * what a rating counts for */
	double weight;
	double magnitude; /* sum of |weight| */
	int32 support;
} Opinion;

/* and about all items that are asked for at once. */
typedef struct Targets
{
	int32 *place; /* of columns: among the opinions, -1 without */
	Opinion *opinions;
	int32 room;
	Budget budget;
} Targets;

extern void targets_init(Targets *targets, int32 n_columns, const Budget *budget);
extern void targets_set(Targets *targets, const int32 *columns, int32 n);
extern void targets_clear(Targets *targets, const int32 *columns, int32 n);

static inline Opinion *
target_opinion(const Targets *targets, int32 column)
{
	return targets->place[column] < 0 ? NULL : &targets->opinions[targets->place[column]];
}

static inline void
opinion_add(Opinion *opinion, double weight, double rating)
{
	opinion->sum += weight * rating;
	opinion->weight += weight;
	opinion->magnitude += fabs(weight);
	opinion->support++;
}

/* For the methods: what is packed, one after the other, and got back in the same order. */
extern void method_pack(Size *size, char *memory, const void *data, Size count, Size element);
extern void method_pack_heaps(Size *size, char *memory, const neighbor_heap *heaps, int32 n);
extern void *method_unpack(Size *at, char *memory, Size count, Size element);
extern neighbor_heap *method_unpack_heaps(Size *at, char *memory, int32 n);

/* For the methods: reading an option, which must be there. */
extern double method_number(Jsonb *options, const char *name);
extern int32 method_whole(Jsonb *options, const char *name, int32 minimum, int32 maximum);
extern bool method_boolean(Jsonb *options, const char *name);
extern Jsonb *method_document(Jsonb *options, const char *name);
extern char *method_word(Jsonb *options, const char *name);

/* For the table of methods alone. */
extern const Method method_item_knn;
extern const Method method_user_knn;
extern const Method method_popular;
extern const Method method_baseline;
extern const Method method_ease;
extern const Method method_slim;
extern const Method method_slope_one;
extern const Method method_ials;
extern const Method method_als;
extern const Method method_bayes_mf;
extern const Method method_bpr;
extern const Method method_hybrid;

#endif /* METHOD_H */
