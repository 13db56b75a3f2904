/*
 * split.h
 *		Which ratings a method may learn from, and which it is tested on.
 */
#ifndef SPLIT_H
#define SPLIT_H

#include "ratings.h"
#include "socrec.h"

typedef enum SplitKind
{
	SPLIT_GLOBAL_TIME,
	SPLIT_RANDOM,
	SPLIT_LEAVE_LAST_OUT,
	SPLIT_USER_K_FOLD,
	SPLIT_STRONG_GENERALIZATION
} SplitKind;

/* What a rating is for, in one fold; the labels that split_fold writes. */
typedef enum SplitPart
{
	PART_TRAIN,
	PART_TEST,
	PART_PROFILE /* of a user who is not trained on: known when he is served */
} SplitPart;

typedef struct SplitOptions
{
	SplitKind kind;
	double test_fraction;
	int32 folds;
	int32 n; /* ratings of a user that are tested; 0: test_fraction of them */
	uint64 seed;
} SplitOptions;

/* Folds are numbered from 0. */
typedef struct Split
{
	int32 n_folds;
	uint8 *test_fold; /* of each rating, in which it is tested; n_folds: in none */
	uint8 *user_fold; /* of each user, in which he is not trained on; NULL: there is none */
} Split;

/* SQL arguments that follow each other: split, test_fraction, folds, n, seed. */
#define SPLIT_ARGS 5

extern const char *const split_part_names[];

extern SplitOptions split_arguments(FunctionCallInfo fcinfo, int first);
extern Split *split_ratings(const Ratings *ratings, const SplitOptions *options, Budget *budget);
extern void split_fold(const Ratings *ratings, const Split *split, int32 fold, uint8 *labels);

#endif /* SPLIT_H */
