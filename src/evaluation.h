/*
 * evaluation.h
 *		What the parts of an evaluation share: a fold, a user who is tested, what is
 *		measured of him, and the sums of that.
 */
#ifndef EVALUATION_H
#define EVALUATION_H

#include "bootstrap.h"
#include "method.h"
#include "nodes/execnodes.h"
#include "split.h"

#define TOPK_PREFIX candidate
#define TOPK_SCORE double
#include "topk.h"

#define MAX_CUTOFFS 16

typedef struct EvaluationOptions
{
	bool is_explicit;
	int32 n_cutoffs;
	int32 cutoffs[MAX_CUTOFFS]; /* ascending */
	double relevant;            /* least rating that is; NaN: the median of those trained on */
	int32 replicates;
	double confidence;
	uint64 seed;
	bool user_rows;
	bool prediction_rows;
} EvaluationOptions;

/* Of whom or what a metric is; see docs/evaluation.md. */
typedef enum Segment
{
	SEGMENT_ALL,
	SEGMENT_WARM, /* users and items with ratings that were known */
	SEGMENT_COLD_USERS,
	SEGMENT_COLD_ITEMS,
	N_SEGMENTS
} Segment;

/* Of a list and the relevant items; at a cutoff. */
typedef enum RankingMetric
{
	RANKING_PRECISION,
	RANKING_RECALL,
	RANKING_HIT_RATE,
	RANKING_NDCG,
	RANKING_GRADED_NDCG,
	RANKING_AVERAGE_PRECISION,
	RANKING_RECIPROCAL_RANK,
	N_RANKING_METRICS
} RankingMetric;

/* Of a list, whatever is relevant; at a cutoff. */
typedef enum ListMetric
{
	LIST_USER_COVERAGE,
	LIST_NOVELTY,
	LIST_POPULARITY,
	LIST_DIVERSITY,
	LIST_SERENDIPITY,
	LIST_SHORT,
	N_LIST_METRICS
} ListMetric;

/* Of all lists together; at a cutoff. */
typedef enum CatalogMetric
{
	CATALOG_COVERAGE,
	CATALOG_GINI,
	CATALOG_REPEATED,
	N_CATALOG_METRICS
} CatalogMetric;

typedef enum ErrorMetric
{
	ERROR_SQUARED,
	ERROR_ABSOLUTE,
	ERROR_OWN, /* predictions of the method itself */
	N_ERROR_METRICS
} ErrorMetric;

/* One way of dividing the ratings; memory is that of the budget. */
typedef struct Fold
{
	Budget budget;
	int32 number; /* from 0 */
	const Ratings *ratings;
	const uint8 *labels; /* SplitPart of each rating */
	Ratings *train;
	int32 *row_map; /* from all ratings to those trained on, -1: not there */
	int32 *column_map;
	double relevant; /* least rating that is */
	bool graded;     /* ratings are gains */
	int32 n_users;   /* tested */
	int32 *users;    /* their rows */
	bool *in_sample; /* whose lists' diversity is measured */
	int64 n_tested;
	int64 n_warm;       /* tested ratings of known users and items */
	int64 n_cold_items; /* tested ratings of items without training */
	int32 n_cold_users;
} Fold;

/* A user's tested rating. */
typedef struct TestRating
{
	int32 column;       /* of the ratings trained on; -1: not there */
	int32 whole_column; /* of all ratings */
	float4 value;
	bool is_relevant;
} TestRating;

typedef struct TestUser
{
	int32 row;        /* of all ratings */
	MethodUser known; /* what the method may see */
	bool is_cold;     /* nothing */
	int32 n;
	TestRating *tested;
	int32 n_relevant;
	int32 n_warm_relevant; /* among items trained on */
	double *ideal;         /* gains of relevant items, falling */
	double *warm_ideal;
	KnnEntry *profile; /* room for the ratings in known */
} TestUser;

/* What is measured of a user; NaN is not defined. */
typedef struct UserResult
{
	bool is_cold;
	double ranking[2][MAX_CUTOFFS][N_RANKING_METRICS]; /* of all relevant items, of warm ones */
	double auc;
	double list[MAX_CUTOFFS][N_LIST_METRICS];
	int32 n_predictions[N_SEGMENTS];
	double error[N_SEGMENTS][N_ERROR_METRICS]; /* sums over them */
} UserResult;

/* A relevant candidate with a score, and its place among all with one. */
typedef struct Positive
{
	double score;
	int32 place;
} Positive;

/* What making lists works in. */
typedef struct ListWork
{
	double *scores; /* one a column, as are the next two; NaN where there is none */
	double *gains;  /* 0: not relevant */
	int32 *exposure;
	candidate_heap heap;
	double *list_gains;
	double *list_graded;
	int32 *popular_limit; /* by cutoff: the last column of the user's popular list */
	double *overlap;      /* one a row */
	int32 n_packed;       /* candidates that have a score */
	double *packed;       /* theirs */
	int32 *packed_columns;
	int32 n_positives;
	Positive *positives; /* a user's, of those */
	uint64 *hashes;      /* of the lists, by cutoff and user */
} ListWork;

/* A metric that is a ratio of sums over users. */
typedef enum MetricGroup
{
	GROUP_RANKING,
	GROUP_LIST,
	GROUP_AUC,
	GROUP_ERROR
} MetricGroup;

typedef struct SheetColumn
{
	Segment segment;
	MetricGroup group;
	int metric; /* RankingMetric, ListMetric or ErrorMetric */
	int cutoff; /* its place among the cutoffs */
} SheetColumn;

typedef struct SheetCell
{
	double numerator;
	double denominator;
} SheetCell;

/* What is measured of one method, in one fold or in all. */
typedef struct Sheet
{
	Budget *budget;
	const EvaluationOptions *options;
	int32 n_columns;
	SheetColumn *columns;
	int32 n_units;    /* users, or groups of them */
	int32 *unit;      /* of each row */
	SheetCell *cells; /* by unit and column */
	SheetCell *totals;
	Estimate *estimates;
	int32 n_folds; /* the sums below are of */
	double catalog[MAX_CUTOFFS][N_CATALOG_METRICS];
	double fit_seconds;
	double scoring_seconds;
} Sheet;

/* The columns of the result. */
enum
{
	OUT_KIND,
	OUT_FOLD,
	OUT_METHOD,
	OUT_SEGMENT,
	OUT_METRIC,
	OUT_CUTOFF,
	OUT_VALUE,
	OUT_LOW,
	OUT_HIGH,
	OUT_N,
	OUT_USER,
	OUT_ITEM,
	OUT_ACTUAL,
	OUT_PREDICTED,
	OUT_SOURCE,
	OUT_RELEVANT,
	OUT_RANKING, /* as many as RankingMetric */
	OUT_AUC = OUT_RANKING + N_RANKING_METRICS,
	OUT_SQUARED,
	OUT_ABSOLUTE,
	OUT_PREDICTIONS,
	N_OUT
};

/* evaluation_fold.c */
extern void fold_open(Fold *fold, const Ratings *ratings, const Split *split, int32 number,
					  const EvaluationOptions *options, Budget *budget);
extern void fold_close(Fold *fold);
extern TestUser *fold_test_user(const Fold *fold, Budget *budget);
extern void fold_read_user(const Fold *fold, int32 user, TestUser *test);

/* evaluation_lists.c */
extern ListWork *lists_prepare(const Fold *fold, const EvaluationOptions *options, Budget *budget);
extern void lists_measure(ListWork *work, const Fold *fold, const EvaluationOptions *options,
						  int32 user, const TestUser *test, UserResult *result);
extern void lists_finish(ListWork *work, const Fold *fold, const EvaluationOptions *options,
						 double catalog[MAX_CUTOFFS][N_CATALOG_METRICS]);

/* evaluation_sheet.c */
extern Sheet *sheet_create(const EvaluationOptions *options, int32 n_rows, Budget *budget);
extern void sheet_clear(Sheet *sheet);
extern void sheet_add(Sheet *sheet, int32 row, const UserResult *result);
extern void sheet_pool(Sheet *pooled, const Sheet *sheet);
extern void sheet_estimate(Sheet *sheet);

/* evaluation_report.c */
extern void report_sheet(ReturnSetInfo *out, const Sheet *sheet, int32 fold, int32 method);
extern void report_fold(ReturnSetInfo *out, const Fold *fold, const EvaluationOptions *options);
extern void report_user(ReturnSetInfo *out, const EvaluationOptions *options, const Fold *fold,
						int32 method, const TestUser *test, const UserResult *result);
extern void report_predictions(ReturnSetInfo *out, const Fold *fold, int32 method,
							   const TestUser *test, const MethodPrediction *predictions);

#endif /* EVALUATION_H */
