/*
 * ratings_shape.c
 *		Other shapes of a rating matrix: a part of its ratings, and the matrix with
 *		rows and columns exchanged.
 *
 * Both are what ratings_load would have made of the same ratings, without
 * reading them again: rows by key, columns by falling count and then by key, no
 * row or column without a rating.  So whatever is computed of them has the sums
 * in the same order, and is the same to the last bit.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "ratings.h"

/* Rows between two looks for a cancel request. */
#define INTERRUPT_ROWS 1024

/* Entries of a row that is sorted by digits, and how large these are. */
#define LONG_ROW 64
#define RADIX_BITS 8
#define RADIX (1 << RADIX_BITS)

/* A rating and its time, while a row is sorted. */
typedef struct TimedEntry
{
	KnnEntry entry;
	double time;
} TimedEntry;

#define ST_SORT sort_entries
#define ST_ELEMENT_TYPE KnnEntry
#define ST_COMPARE(a, b) ((a)->column < (b)->column ? -1 : (a)->column > (b)->column)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

#define ST_SORT sort_timed_entries
#define ST_ELEMENT_TYPE TimedEntry
#define ST_COMPARE(a, b)                                                                           \
	((a)->entry.column < (b)->entry.column ? -1 : (a)->entry.column > (b)->entry.column)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * Sort the entries of a row by column, a byte of the number at a time (Knuth, The Art
 * of Computer Programming 3, 5.2.5).  For long rows that is some three times as fast
 * as comparing, whose outcome no processor can guess.
 */
static void
sort_long_row(KnnEntry *entries, int64 n, int32 n_columns, KnnEntry *work)
{
	KnnEntry *from = entries;
	KnnEntry *to = work;

	for (int shift = 0; shift < 32 && (n_columns - 1) >> shift > 0; shift += RADIX_BITS)
	{
		int64 start[RADIX + 1] = {0};
		KnnEntry *swap = from;

		for (int64 i = 0; i < n; i++)
			start[((from[i].column >> shift) & (RADIX - 1)) + 1]++;
		for (int digit = 0; digit < RADIX; digit++)
			start[digit + 1] += start[digit];
		for (int64 i = 0; i < n; i++)
			to[start[(from[i].column >> shift) & (RADIX - 1)]++] = from[i];
		from = to;
		to = swap;
	}
	if (from != entries)
		memcpy(entries, from, n * sizeof(KnnEntry));
}

/*
 * Sort a row by column; there is room for the longest, with times if there are any.
 */
static void
sort_row(Ratings *ratings, int64 start, int64 end, void *room)
{
	int64 n = end - start;
	TimedEntry *work = room;

	if (ratings->times == NULL)
	{
		if (n < LONG_ROW)
			sort_entries(ratings->entries + start, n);
		else
			sort_long_row(ratings->entries + start, n, ratings->n_columns, room);
		return;
	}
	for (int64 i = 0; i < n; i++)
		work[i] = (TimedEntry){ratings->entries[start + i], ratings->times[start + i]};
	sort_timed_entries(work, n);
	for (int64 i = 0; i < n; i++)
	{
		ratings->entries[start + i] = work[i].entry;
		ratings->times[start + i] = work[i].time;
	}
}

static int64
longest_row(const Ratings *ratings)
{
	int64 longest = 0;

	for (int32 row = 0; row < ratings->n_rows; row++)
		longest = Max(longest, ratings->row_start[row + 1] - ratings->row_start[row]);
	return longest;
}

/*
 * Write down the rows of each column, when the columns of all rows are in place,
 * and the mean of all ratings.
 */
static void
index_columns(Ratings *ratings)
{
	int64 *next = budget_alloc(&ratings->budget, ratings->n_columns, sizeof(int64), "keys");
	double sum = 0;

	ratings->column_row =
		budget_alloc(&ratings->budget, ratings->n_ratings, sizeof(int32), "ratings");
	memcpy(next, ratings->column_start, ratings->n_columns * sizeof(int64));
	for (int32 row = 0; row < ratings->n_rows; row++)
	{
		if (row % INTERRUPT_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		for (int64 p = ratings->row_start[row]; p < ratings->row_start[row + 1]; p++)
		{
			ratings->column_row[next[ratings->entries[p].column]++] = row;
			sum += ratings->entries[p].value;
		}
	}
	pfree(next);
	ratings->mean = ratings->n_ratings > 0 ? sum / ratings->n_ratings : 0;
}

/*
 * Complete a matrix whose ratings stand in their rows in any order: sort the
 * rows, list the rows of each column, and compute the mean.  Returns a row that
 * has two ratings for one column, -1 when there is none.
 */
int32
ratings_index(Ratings *ratings)
{
	void *work =
		budget_alloc(&ratings->budget, longest_row(ratings),
					 ratings->times != NULL ? sizeof(TimedEntry) : sizeof(KnnEntry), "ratings");
	int32 duplicate = -1;

	for (int32 row = 0; row < ratings->n_rows; row++)
	{
		int64 start = ratings->row_start[row];
		int64 end = ratings->row_start[row + 1];

		if (row % INTERRUPT_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		sort_row(ratings, start, end, work);
		for (int64 p = start + 1; p < end && duplicate < 0; p++)
			if (ratings->entries[p - 1].column == ratings->entries[p].column)
				duplicate = row;
	}
	pfree(work);
	index_columns(ratings);
	return duplicate;
}

/*
 * A matrix with room for so many ratings, in memory of the budget.
 */
static Ratings *
make_ratings(int32 n_rows, int32 n_columns, int64 n_ratings, bool timed, Budget *budget)
{
	Ratings *ratings = budget_alloc(budget, 1, sizeof(Ratings), "ratings");

	ratings->budget = *budget;
	ratings->n_rows = n_rows;
	ratings->n_columns = n_columns;
	ratings->n_ratings = n_ratings;
	ratings->row_keys = budget_alloc(budget, n_rows, sizeof(Datum), "keys");
	ratings->column_keys = budget_alloc(budget, n_columns, sizeof(Datum), "keys");
	ratings->column_order = budget_alloc(budget, n_columns, sizeof(int32), "keys");
	ratings->row_start = budget_alloc(budget, (Size) n_rows + 1, sizeof(int64), "keys");
	ratings->column_start = budget_alloc(budget, (Size) n_columns + 1, sizeof(int64), "keys");
	ratings->entries = budget_alloc(budget, n_ratings, sizeof(KnnEntry), "ratings");
	if (timed)
		ratings->times = budget_alloc(budget, n_ratings, sizeof(double), "ratings");
	return ratings;
}

/* A column and what decides about its number. */
typedef struct ColumnRank
{
	int32 column;
	int32 order;
	int64 count;
} ColumnRank;

static int
compare_ranks(const void *a, const void *b)
{
	const ColumnRank *x = a;
	const ColumnRank *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/*
 * Number the columns that have a count by falling count, then by key.  Returns
 * the rank of each number's column by key, and how many there are; column_map
 * gets the numbers, -1 for columns left out.
 */
static ColumnRank *
number_columns(const Ratings *ratings, const int64 *count, int32 *column_map, int32 *n_columns,
			   Budget *budget)
{
	ColumnRank *ranks = budget_alloc(budget, ratings->n_columns, sizeof(ColumnRank), "keys");
	int32 *by_key = budget_alloc(budget, ratings->n_columns, sizeof(int32), "keys");
	int32 n = 0;

	for (int32 column = 0; column < ratings->n_columns; column++)
	{
		column_map[column] = -1;
		by_key[ratings->column_order[column]] = column;
	}
	for (int32 i = 0; i < ratings->n_columns; i++)
	{
		if (count[by_key[i]] == 0)
			continue;
		ranks[n] = (ColumnRank){.column = by_key[i], .order = n, .count = count[by_key[i]]};
		n++;
	}
	pfree(by_key);
	qsort(ranks, n, sizeof(ColumnRank), compare_ranks);
	for (int32 i = 0; i < n; i++)
		column_map[ranks[i].column] = i;
	*n_columns = n;
	return ranks;
}

static inline bool
is_wanted(uint8 label, uint64 wanted)
{
	return (wanted >> label) & 1;
}

/*
 * The ratings whose label has its bit in `wanted`, 1 << label, as the matrix that
 * ratings_load would have made of them.  Labels, below 64, are one an entry.
 * row_map and column_map get the new number of each row and column, -1 for those
 * left out.  Keys are those of the given ratings, which must stay.
 */
Ratings *
ratings_subset(const Ratings *ratings, const uint8 *labels, uint64 wanted, int32 *row_map,
			   int32 *column_map, Budget *budget)
{
	int64 *count = budget_alloc(budget, ratings->n_columns, sizeof(int64), "keys");
	int32 n_rows = 0;
	int32 n_columns;
	int64 n = 0;
	ColumnRank *ranks;
	Ratings *subset;

	for (int32 row = 0; row < ratings->n_rows; row++)
	{
		int64 before = n;

		if (row % INTERRUPT_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		for (int64 p = ratings->row_start[row]; p < ratings->row_start[row + 1]; p++)
		{
			if (!is_wanted(labels[p], wanted))
				continue;
			count[ratings->entries[p].column]++;
			n++;
		}
		row_map[row] = n > before ? n_rows++ : -1;
	}
	ranks = number_columns(ratings, count, column_map, &n_columns, budget);
	subset = make_ratings(n_rows, n_columns, n, ratings->times != NULL, budget);
	subset->has_values = ratings->has_values;
	subset->row_type = ratings->row_type;
	subset->column_type = ratings->column_type;
	for (int32 i = 0; i < n_columns; i++)
	{
		subset->column_keys[i] = ratings->column_keys[ranks[i].column];
		subset->column_order[i] = ranks[i].order;
		subset->column_start[i + 1] = subset->column_start[i] + ranks[i].count;
	}
	pfree(ranks);
	pfree(count);

	n = 0;
	for (int32 row = 0; row < ratings->n_rows; row++)
	{
		if (row % INTERRUPT_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		if (row_map[row] < 0)
			continue;
		for (int64 p = ratings->row_start[row]; p < ratings->row_start[row + 1]; p++)
		{
			if (!is_wanted(labels[p], wanted))
				continue;
			subset->entries[n] =
				(KnnEntry){column_map[ratings->entries[p].column], ratings->entries[p].value};
			if (ratings->times != NULL)
				subset->times[n] = ratings->times[p];
			n++;
		}
		subset->row_keys[row_map[row]] = ratings->row_keys[row];
		subset->row_start[row_map[row] + 1] = n;
	}
	(void) ratings_index(subset);
	return subset;
}

/*
 * The same ratings with other columns: column_map has, for each column, its number
 * among the new ones, -1 for those left out.  Rows stay, even without a rating.  Keys
 * are those of the ratings and of the new columns, which must stay.
 */
Ratings *
ratings_renumber(const Ratings *ratings, KeyMap *columns, const int32 *column_map, Budget *budget)
{
	Ratings *other;
	int64 n = 0;

	for (int32 column = 0; column < ratings->n_columns; column++)
		if (column_map[column] >= 0)
			n += ratings->column_start[column + 1] - ratings->column_start[column];
	other = make_ratings(ratings->n_rows, columns->n, n, false, budget);
	other->has_values = ratings->has_values;
	other->row_type = ratings->row_type;
	other->column_type = ratings->column_type;
	memcpy(other->row_keys, ratings->row_keys, ratings->n_rows * sizeof(Datum));
	memcpy(other->column_keys, columns->keys, columns->n * sizeof(Datum));
	other->column_order = keys_rank(columns);
	for (int32 column = 0; column < ratings->n_columns; column++)
		if (column_map[column] >= 0)
			other->column_start[column_map[column] + 1] =
				ratings->column_start[column + 1] - ratings->column_start[column];
	for (int32 column = 0; column < columns->n; column++)
		other->column_start[column + 1] += other->column_start[column];
	n = 0;
	for (int32 row = 0; row < ratings->n_rows; row++)
	{
		if (row % INTERRUPT_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		for (int64 p = ratings->row_start[row]; p < ratings->row_start[row + 1]; p++)
		{
			int32 column = column_map[ratings->entries[p].column];

			if (column >= 0)
				other->entries[n++] = (KnnEntry){column, ratings->entries[p].value};
		}
		other->row_start[row + 1] = n;
	}
	(void) ratings_index(other);
	return other;
}

/*
 * The numbers of the rows as columns: by falling count, then by key, in which
 * order the rows are.
 */
static ColumnRank *
number_rows(const Ratings *ratings, Budget *budget)
{
	ColumnRank *ranks = budget_alloc(budget, ratings->n_rows, sizeof(ColumnRank), "keys");

	for (int32 row = 0; row < ratings->n_rows; row++)
		ranks[row] = (ColumnRank){.column = row,
								  .order = row,
								  .count = ratings->row_start[row + 1] - ratings->row_start[row]};
	qsort(ranks, ratings->n_rows, sizeof(ColumnRank), compare_ranks);
	return ranks;
}

/*
 * Rows and columns exchanged: what ratings_load with transpose would have made of
 * the same ratings.  Keys are those of the given ratings, which must stay.
 */
Ratings *
ratings_transpose(const Ratings *ratings, Budget *budget)
{
	Ratings *other = make_ratings(ratings->n_columns, ratings->n_rows, ratings->n_ratings,
								  ratings->times != NULL, budget);
	ColumnRank *ranks = number_rows(ratings, budget);
	int64 *next = budget_alloc(budget, ratings->n_columns, sizeof(int64), "keys");

	other->has_values = ratings->has_values;
	other->row_type = ratings->column_type;
	other->column_type = ratings->row_type;
	for (int32 column = 0; column < ratings->n_columns; column++)
	{
		int32 row = ratings->column_order[column];

		other->row_keys[row] = ratings->column_keys[column];
		other->row_start[row + 1] =
			ratings->column_start[column + 1] - ratings->column_start[column];
	}
	for (int32 row = 0; row < other->n_rows; row++)
	{
		other->row_start[row + 1] += other->row_start[row];
		next[row] = other->row_start[row];
	}
	/* Column by column, so that each row gets them in order. */
	for (int32 i = 0; i < other->n_columns; i++)
	{
		int32 row = ranks[i].column;

		if (i % INTERRUPT_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		other->column_keys[i] = ratings->row_keys[row];
		other->column_order[i] = row;
		other->column_start[i + 1] = other->column_start[i] + ranks[i].count;
		for (int64 p = ratings->row_start[row]; p < ratings->row_start[row + 1]; p++)
		{
			int64 at = next[ratings->column_order[ratings->entries[p].column]]++;

			other->entries[at] = (KnnEntry){i, ratings->entries[p].value};
			if (ratings->times != NULL)
				other->times[at] = ratings->times[p];
		}
	}
	pfree(next);
	pfree(ranks);
	index_columns(other);
	return other;
}
