/*
 * refresh_full.c
 *		The candidates of all columns by a full search, and what candidates found in
 *		any way have in common.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "refresh.h"

/*
 * One pair more is kept for so many neighbors: enough that those are certain for
 * some time.
 */
#define RESERVE 2

KnnMatrix
refresh_whole(const Ratings *ratings)
{
	return (KnnMatrix){.n_rows = ratings->n_rows,
					   .n_columns = ratings->n_columns,
					   .row_start = ratings->row_start,
					   .entries = ratings->entries,
					   .column_start = ratings->column_start,
					   .column_row = ratings->column_row};
}

/*
 * What is found of columns, with no heaps yet.
 */
Candidates *
refresh_candidates(const KnnMatrix *matrix, int32 k, Budget *budget)
{
	Candidates *found = budget_alloc(budget, 1, sizeof(Candidates), "neighbors");

	found->kept = k + k / RESERVE + 1;
	found->norm = budget_alloc(budget, matrix->n_columns, sizeof(double), "neighbors");
	found->bound = budget_alloc(budget, matrix->n_columns, sizeof(float), "neighbors");
	found->heaps = budget_alloc(budget, matrix->n_columns, sizeof(candidate_heap), "neighbors");
	knn_norms(matrix, found->norm);
	return found;
}

/*
 * Heaps for every column, with the room that it can fill.
 */
void
refresh_heaps(const KnnMatrix *matrix, Candidates *found, Budget *budget)
{
	candidate_entry *entries;
	Size total = 0;

	for (int32 column = 0; column < matrix->n_columns; column++)
	{
		found->heaps[column].capacity =
			(int32) Min(knn_capacity(matrix, column, found->kept), matrix->n_columns - 1);
		total += found->heaps[column].capacity;
	}
	entries = budget_alloc(budget, total, sizeof(candidate_entry), "neighbors");
	for (int32 column = 0; column < matrix->n_columns; column++)
	{
		found->heaps[column].entries = entries;
		entries += found->heaps[column].capacity;
	}
}

#define ST_SORT sort_by_id
#define ST_ELEMENT_TYPE candidate_entry
#define ST_COMPARE(a, b) ((a)->id < (b)->id ? -1 : (a)->id > (b)->id)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * Put the neighbors among the candidates first, by number.  What was not kept is
 * bounded by the worst that was, if there was no more room, and by what is given
 * for columns not swept.
 */
void
refresh_finish(Candidates *found, int32 n_columns, const KnnOptions *options)
{
	for (int32 column = 0; column < n_columns; column++)
	{
		candidate_heap *heap = &found->heaps[column];
		float floor = (float) Max(options->min_similarity, REFRESH_NOISE);

		if (heap->n == found->kept)
			floor = heap->entries[0].score;
		found->bound[column] = Max(found->bound[column], floor);
		if (heap->n > options->k)
			candidate_select(heap->entries, heap->n, options->k);
		sort_by_id(heap->entries, Min(heap->n, options->k));
		if (column % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
	}
}

/* A pair by its more popular column, which comes first. */
typedef struct PairPlace
{
	int32 column; /* whose candidate */
	int32 i;      /* it is */
} PairPlace;

/*
 * The candidates of all columns by the more popular of the two; the first of those
 * of a column, and behind them the end, in start.
 */
static PairPlace *
sort_by_popular(const Candidates *found, int32 n_columns, int64 *start, Budget *budget)
{
	PairPlace *places;

	for (int32 column = 0; column < n_columns; column++)
		for (int32 i = 0; i < found->heaps[column].n; i++)
			start[Min(column, found->heaps[column].entries[i].id)]++;
	for (int32 column = 0; column < n_columns; column++)
		start[column + 1] += start[column];
	places = budget_alloc(budget, start[n_columns], sizeof(PairPlace), "neighbors");
	for (int32 column = n_columns - 1; column >= 0; column--)
		for (int32 i = 0; i < found->heaps[column].n; i++)
			places[--start[Min(column, found->heaps[column].entries[i].id)]] =
				(PairPlace){column, i};
	return places;
}

/* Is a row one of those that rated a column, and with what weight? 0 and 0: no. */
typedef struct RowMark
{
	int32 rated;
	float weight;
} RowMark;

/*
 * The marks of the given rows added up; four at a time, as each addition waits for
 * the one before.
 */
static PairSums
add_marks(const RowMark *marks, const int32 *rows, int64 n)
{
	int32 support[4] = {0};
	double total[4] = {0};
	int64 i = 0;

	for (; i + 4 <= n; i += 4)
		for (int lane = 0; lane < 4; lane++)
		{
			support[lane] += marks[rows[i + lane]].rated;
			total[lane] += marks[rows[i + lane]].weight;
		}
	for (; i < n; i++)
	{
		support[0] += marks[rows[i]].rated;
		total[0] += marks[rows[i]].weight;
	}
	return (PairSums){.total = (total[0] + total[1]) + (total[2] + total[3]),
					  .support = support[0] + support[1] + support[2] + support[3]};
}

/*
 * The sums of all candidates, from their similarity and the rows that rated both:
 * those of the more popular column are marked, those of the other looked up.
 */
static void
fill_sums(const KnnMatrix *matrix, const KnnOptions *options, bool totals, Candidates *found,
		  Budget *budget)
{
	int64 *start = budget_alloc(budget, (Size) matrix->n_columns + 1, sizeof(int64), "neighbors");
	PairPlace *places = sort_by_popular(found, matrix->n_columns, start, budget);
	RowMark *marks = budget_alloc(budget, matrix->n_rows, sizeof(RowMark), "neighbors");
	const int64 *first = matrix->column_start;

	for (int32 column = 0; column < matrix->n_columns; column++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int64 p = first[column]; p < first[column + 1]; p++)
		{
			int32 row = matrix->column_row[p];

			marks[row].rated = 1;
			if (totals) /* all values of a row are its weight */
				marks[row].weight = matrix->entries[matrix->row_start[row]].value;
		}
		for (int64 place = start[column]; place < start[column + 1]; place++)
		{
			candidate_entry *entry = &found->heaps[places[place].column].entries[places[place].i];
			int32 other = Max(places[place].column, entry->id);
			PairSums sums = add_marks(marks, &matrix->column_row[first[other]],
									  first[other + 1] - first[other]);

			entry->payload.support = sums.support;
			entry->payload.total = sums.total;
			entry->payload.product = entry->score * found->norm[column] * found->norm[other] *
									 (sums.support + options->shrinkage) / sums.support;
		}
		for (int64 p = first[column]; p < first[column + 1]; p++)
			marks[matrix->column_row[p]] = (RowMark){0};
	}
}

/*
 * The candidates of all columns of ratings that have been centered and weighted, by
 * a full search.
 */
Candidates *
refresh_all(Ratings *ratings, const RatingStatistics *statistics, const NeighborOptions *options,
			Budget *budget, Progress *progress)
{
	KnnMatrix matrix = refresh_whole(ratings);
	Candidates *found = refresh_candidates(&matrix, options->knn.k, budget);
	NeighborOptions plain = {.knn = options->knn, .baseline = options->baseline};
	Neighborhood *neighborhood;

	plain.knn.k = found->kept;
	neighborhood = neighborhood_find(ratings, statistics, &plain, budget, progress);
	refresh_heaps(&matrix, found, budget);
	for (int32 column = 0; column < matrix.n_columns; column++)
		for (int32 i = 0; i < neighborhood->heaps[column].n; i++)
		{
			neighbor_entry entry = neighborhood->heaps[column].entries[i];

			candidate_offer(&found->heaps[column], entry.score, entry.id);
		}
	fill_sums(&matrix, &options->knn, options->weighting == WEIGHT_TFIDF && !ratings->has_values,
			  found, budget);
	refresh_finish(found, matrix.n_columns, &options->knn);
	return found;
}
