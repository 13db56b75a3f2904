/*
 * knn.c
 *		Exact nearest neighbors among the columns of a sparse matrix.
 *
 * The similarity of two columns needs sums over the rows that they share.  For
 * one column, the sums with many others come from one sweep: for each row that
 * rated it, add the row's other entries into one accumulator per column
 * (Gustavson's sparse matrix product, one row of the Gram matrix at a time;
 * ACM TOMS 4(3), 1978).
 *
 * Similarity is symmetric, so the sweep for a column visits only the columns
 * after it, and each pair found is offered to the lists of both.
 *
 * Additions to scattered accumulators are as fast as the cache that these lie
 * in.  Therefore columns are divided into tiles, and a sweep visits one.  Columns
 * come by falling count of ratings, so the first tile has most of the entries, and
 * its accumulators stay near; each next tile is twice as wide, up to what an
 * offset of two bytes can tell, as it has fewer entries.  The entries are copied
 * tile by tile, so that what a sweep reads of a row is contiguous; for each entry
 * of a column its value and its place in the row stand in the column's own list,
 * so that sweeps need no search and may come in any order.
 *
 * Ratings are most often multiples of a half or of one.  Then they are kept as
 * integers of two bytes, and one 64-bit addition counts the support in its upper
 * half and sums the products in its lower (KNN_WHOLE).  Bounded by the columns'
 * norms (Cauchy and Schwarz), these sums are exact.  All others are sums of
 * doubles, rows in ascending order; so a result does not depend on how columns are
 * divided into blocks.
 *
 * After a sweep, accumulators are looked through for pairs that may be among the
 * best: in vectors, by a bound that is a little too generous, unless the sweep was
 * so short that the columns met were listed.  Only what is left is computed in
 * full, in double, rounded to float and offered to the lists, where equal
 * similarities are decided by number.
 */
#include <math.h>
#include <string.h>

#include "knn.h"
#include "similarity.h"
#include "wide.h"

/*
 * Values are float: what has been centered is off by some 1e-8, and so is a
 * similarity that would be zero.  It is no neighbor.
 */
#define SIMILARITY_NOISE 1e-7

/* What the bound in float may be off by, which is relative to 1. */
#define BOUND_SLACK 1e-5f

/* Additions between two calls of poll: some milliseconds. */
#define POLL_WORK 4000000

/* Columns of the widest tile: what two bytes can number. */
#define WIDEST_TILE 65536

/* Columns that are looked through at once. */
#define SCAN_COLUMNS 64

/* Entries of a row of the matrix are fetched so many rows ahead. */
#define PREFETCH_ROWS 6
#define CACHE_LINE 64

/* Whole values are multiples of this part of one, or of a larger unit. */
#define UNITS 64

/*
 * Accumulator of KNN_WHOLE: support in the upper half, sum of products in the
 * lower.  A negative sum borrows one from the upper half.
 */
#define WHOLE_ONE (INT64_C(1) << 32)

/* Norms of columns, in units, whose products fit into the lower half. */
#define WHOLE_NORM 46340

typedef struct RealSums
{
	double xy;
	int64_t n;
} RealSums;

ALWAYS_INLINE int32_t
whole_product(int64_t sum)
{
	return (int32_t) sum;
}

ALWAYS_INLINE int32_t
whole_support(int64_t sum)
{
	return (int32_t) (sum >> 32) + (whole_product(sum) < 0);
}

/*
 * Neighbors that a column may have: no more than k, than there are other columns, and
 * than the number of co-ratings.
 */
int32_t
knn_capacity(const KnnMatrix *matrix, int32_t column, int32_t k)
{
	int64_t found = 0;
	int32_t most = k < matrix->n_columns - 1 ? k : matrix->n_columns - 1;

	for (int64_t p = matrix->column_start[column];
		 p < matrix->column_start[column + 1] && found < most; p++)
	{
		int32_t row = matrix->column_row[p];

		found += matrix->row_start[row + 1] - matrix->row_start[row] - 1;
	}
	return found < most ? (int32_t) found : most;
}

/*
 * Room that the list of a column needs, to keep the k best.
 */
int32_t
knn_room(const KnnMatrix *matrix, int32_t column, int32_t k)
{
	return knn_capacity(matrix, column, k + k / 2 + 1);
}

/*
 * The Euclidean norm of each column.
 */
void
knn_norms(const KnnMatrix *matrix, double *norm)
{
	for (int32_t column = 0; column < matrix->n_columns; column++)
		norm[column] = 0;
	for (int64_t p = 0; p < matrix->row_start[matrix->n_rows]; p++)
		norm[matrix->entries[p].column] +=
			(double) matrix->entries[p].value * matrix->entries[p].value;
	for (int32_t column = 0; column < matrix->n_columns; column++)
		norm[column] = sqrt(norm[column]);
}

/*
 * Does the similarity look at who rated, and not at the ratings?
 */
static inline bool
counts_only(KnnSimilarity similarity)
{
	return similarity == KNN_JACCARD || similarity == KNN_LLR || similarity == KNN_CONDITIONAL;
}

/*
 * The largest unit, from one to a 64th, that all values are multiples of, if in it
 * they and the sums of their products are small enough for KNN_WHOLE; else 0.
 */
static double
common_unit(const KnnMatrix *matrix, const double *norm)
{
	int64_t n = matrix->row_start[matrix->n_rows];
	uint32_t bits = UNITS;
	float largest = 0;
	double largest_norm = 0;
	double unit = 1.0 / UNITS;

	for (int64_t p = 0; p < n; p++)
	{
		float units = matrix->entries[p].value * UNITS;
		float size = fabsf(units);

		if (!(size <= INT16_MAX * UNITS) || units != (float) (int32_t) units)
			return 0;
		bits |= (uint32_t) size;
		largest = size > largest ? size : largest;
	}
	for (; (bits & 1) == 0; bits >>= 1)
	{
		unit *= 2;
		largest /= 2;
	}
	for (int32_t column = 0; column < matrix->n_columns; column++)
		largest_norm = fmax(largest_norm, norm[column]);
	return largest <= INT16_MAX && largest_norm / unit < WHOLE_NORM ? unit : 0;
}

static size_t
sums_size(KnnKind kind)
{
	return kind == KNN_WHOLE  ? sizeof(int64_t)
		   : kind == KNN_REAL ? sizeof(RealSums)
							  : sizeof(KnnSums);
}

/*
 * The first column of a tile.  Tiles double in width until they are the widest.
 */
static int32_t
tile_start(const KnnShape *shape, int32_t tile)
{
	int64_t width = shape->first_tile;
	int64_t start = 0;

	for (int32_t i = 0; i < tile && start < shape->n_columns; i++)
	{
		start += width;
		width = width < WIDEST_TILE ? width * 2 : width;
	}
	return start < shape->n_columns ? (int32_t) start : shape->n_columns;
}

static int32_t
widest_tile(const KnnShape *shape)
{
	int32_t widest = 0;

	for (int32_t tile = 0; tile < shape->n_tiles; tile++)
	{
		int32_t width = tile_start(shape, tile + 1) - tile_start(shape, tile);

		widest = width > widest ? width : widest;
	}
	return widest;
}

/*
 * Divide the columns into tiles, of which the first has the given width.
 */
void
knn_divide(KnnShape *shape, int32_t first_tile)
{
	shape->first_tile = first_tile;
	shape->n_tiles = 0;
	while (tile_start(shape, shape->n_tiles) < shape->n_columns)
		shape->n_tiles++;
}

/*
 * How the matrix, whose columns have the given norms, will be packed for a
 * similarity.
 */
KnnShape
knn_shape(const KnnMatrix *matrix, const double *norm, KnnSimilarity similarity)
{
	KnnShape shape = {.kind = KNN_ALL,
					  .n_rows = matrix->n_rows,
					  .n_columns = matrix->n_columns,
					  .n_entries = matrix->row_start[matrix->n_rows]};

	if (counts_only(similarity) || similarity == KNN_COSINE)
	{
		shape.unit = counts_only(similarity) ? 1 : common_unit(matrix, norm);
		shape.kind = shape.unit > 0 ? KNN_WHOLE : KNN_REAL;
	}
	/* Accumulators of the first tile fill a part of the second-level cache. */
	knn_divide(&shape, shape.kind == KNN_WHOLE ? 8192 : shape.kind == KNN_REAL ? 4096 : 2048);
	return shape;
}

/* The next array in a piece of memory; counts its size. */
static void *
place(char *memory, size_t *size, size_t n, size_t element)
{
	void *array = memory == NULL ? NULL : memory + *size;

	*size += (n * element + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	return array;
}

/*
 * Let the matrix's arrays be in the memory, or, if that is NULL, only count what
 * they need.
 */
size_t
knn_packed_place(KnnPacked *packed, const KnnShape *shape, void *memory)
{
	bool whole = shape->kind == KNN_WHOLE;
	size_t n = shape->n_entries;
	size_t size = 0;

	packed->shape = *shape;
	packed->norm = place(memory, &size, shape->n_columns, sizeof(double));
	packed->column_start = place(memory, &size, (size_t) shape->n_columns + 1, sizeof(int64_t));
	packed->slice =
		place(memory, &size, ((size_t) shape->n_rows + 1) * shape->n_tiles, sizeof(uint32_t));
	packed->entries = place(memory, &size, n, whole ? sizeof(KnnWhole) : sizeof(KnnEntry));
	packed->column_row = place(memory, &size, n, sizeof(int32_t));
	packed->column_offset = place(memory, &size, n, sizeof(uint16_t));
	packed->column_value = place(memory, &size, n, whole ? sizeof(int16_t) : sizeof(float));
	return size;
}

/*
 * Pack the entries of one tile, whose columns are first to end - 1, beginning at
 * the place at; returns where they end.  column_start says where the next entry of
 * each column belongs.
 */
static int64_t
pack_tile(KnnPacked *packed, const KnnMatrix *matrix, int32_t tile, int64_t *row_next, int64_t at,
		  float units)
{
	const KnnShape *shape = &packed->shape;
	int32_t first = tile_start(shape, tile);
	int32_t end = tile_start(shape, tile + 1);
	uint32_t *slice = packed->slice + (int64_t) tile * (shape->n_rows + 1);
	bool whole = shape->kind == KNN_WHOLE;

	for (int32_t row = 0; row < shape->n_rows; row++)
	{
		int64_t p = row_next[row];
		int64_t row_end = matrix->row_start[row + 1];

		slice[row] = (uint32_t) at;
		for (; p < row_end && matrix->entries[p].column < end; p++, at++)
		{
			int32_t column = matrix->entries[p].column;
			float value = matrix->entries[p].value;
			int64_t place = packed->column_start[column]++;

			packed->column_row[place] = row;
			packed->column_offset[place] = (uint16_t) (at - slice[row]);
			if (whole)
			{
				int16_t n = units > 0 ? (int16_t) (value * units) : 1;

				((KnnWhole *) packed->entries)[at] = (KnnWhole){(uint16_t) (column - first), n};
				((int16_t *) packed->column_value)[place] = n;
			}
			else
			{
				((KnnEntry *) packed->entries)[at] = (KnnEntry){column - first, value};
				((float *) packed->column_value)[place] = value;
			}
		}
		row_next[row] = p;
	}
	slice[shape->n_rows] = (uint32_t) at;
	return at;
}

/*
 * Pack the matrix; row_next is room for a number a row.
 */
void
knn_packed_fill(KnnPacked *packed, const KnnMatrix *matrix, const double *norm,
				KnnSimilarity similarity, int64_t *row_next, void (*poll)(void *),
				void *poll_argument)
{
	float units = counts_only(similarity) ? 0 : (float) (1 / packed->shape.unit);
	int32_t n = matrix->n_columns;
	int64_t at = 0;

	memcpy(packed->norm, norm, (size_t) n * sizeof(double));
	memcpy(packed->column_start, matrix->column_start, ((size_t) n + 1) * sizeof(int64_t));
	memcpy(row_next, matrix->row_start, (size_t) matrix->n_rows * sizeof(int64_t));
	for (int32_t tile = 0; tile < packed->shape.n_tiles; tile++)
	{
		poll(poll_argument);
		at = pack_tile(packed, matrix, tile, row_next, at, units);
	}
	memcpy(packed->column_start, matrix->column_start, ((size_t) n + 1) * sizeof(int64_t));
}

/*
 * Let the workspace's arrays be in the memory, or, if that is NULL, only count
 * what they need.
 */
size_t
knn_workspace_place(KnnWorkspace *work, const KnnShape *shape, void *memory)
{
	int32_t widest = widest_tile(shape);
	size_t size = 0;

	work->sums = place(memory, &size, widest, sums_size(shape->kind));
	work->listed = place(memory, &size, widest, sizeof(int32_t));
	work->length = place(memory, &size, shape->n_columns, sizeof(float));
	work->bar = place(memory, &size, shape->n_columns, sizeof(float));
	return size;
}

/*
 * Fill the workspace, whose memory is zero.
 */
void
knn_workspace_fill(KnnWorkspace *work, const KnnPacked *packed, const KnnOptions *options)
{
	for (int32_t column = 0; column < packed->shape.n_columns; column++)
	{
		work->length[column] = (float) (packed->norm[column] / packed->shape.unit);
		work->bar[column] =
			work->lists[column].capacity == 0 ? INFINITY : (float) options->min_similarity;
	}
}

/*
 * Count one more pair of values (x of the column swept, the entry's of the other)
 * and return whether it is the other's first.
 */
ALWAYS_INLINE bool
add_pair(const KnnKind kind, void *sums, int32_t other, double x, double y, int32_t product)
{
	bool first;

	if (kind == KNN_WHOLE)
	{
		int64_t *sum = (int64_t *) sums + other;

		first = *sum == 0;
		*sum += WHOLE_ONE + product;
	}
	else if (kind == KNN_REAL)
	{
		RealSums *sum = (RealSums *) sums + other;

		first = sum->n++ == 0;
		sum->xy += x * y;
	}
	else
	{
		KnnSums *sum = (KnnSums *) sums + other;

		first = sum->n == 0;
		sum->n++;
		sum->xy += x * y;
		sum->xx += x * x;
		sum->yy += y * y;
		sum->x += x;
		sum->y += y;
	}
	return first;
}

/* Where the entries of a row behind a column begin, for the p-th row of the column. */
ALWAYS_INLINE uint32_t
entries_behind(const KnnPacked *packed, const uint32_t *slice, int64_t p, bool own_tile)
{
	return slice[packed->column_row[p]] + (own_tile ? packed->column_offset[p] + 1 : 0);
}

ALWAYS_INLINE void
prefetch_entries(const KnnPacked *packed, const uint32_t *slice, int64_t p, bool own_tile,
				 size_t size)
{
	const char *at = (const char *) packed->entries;
	const char *end = at + slice[packed->column_row[p] + 1] * size;

	for (at += entries_behind(packed, slice, p, own_tile) * size; at < end; at += CACHE_LINE)
		__builtin_prefetch(at);
}

/*
 * Add, for every row that rated the column, its entries in the tile, behind the
 * column.  With list, write down the columns met; returns their number.  Kind and
 * list are constants at every call, so that the compiler makes a lean loop for each.
 */
ALWAYS_INLINE int32_t
sweep(const KnnPacked *packed, KnnWorkspace *work, int32_t column, int32_t tile, bool own_tile,
	  const KnnKind kind, const bool list)
{
	const uint32_t *slice = packed->slice + (int64_t) tile * (packed->shape.n_rows + 1);
	const KnnWhole *whole = packed->entries;
	const KnnEntry *real = packed->entries;
	int64_t column_end = packed->column_start[column + 1];
	int64_t until_poll = POLL_WORK;
	int32_t n_listed = 0;

	for (int64_t p = packed->column_start[column]; p < column_end; p++)
	{
		uint32_t end = slice[packed->column_row[p] + 1];
		uint32_t q = entries_behind(packed, slice, p, own_tile);

		if (p + PREFETCH_ROWS < column_end)
			prefetch_entries(packed, slice, p + PREFETCH_ROWS, own_tile,
							 kind == KNN_WHOLE ? sizeof(KnnWhole) : sizeof(KnnEntry));
		until_poll -= end - q;
		if (kind == KNN_WHOLE)
		{
			int32_t x = ((const int16_t *) packed->column_value)[p];

			for (; q < end; q++)
				if (add_pair(kind, work->sums, whole[q].column, 0, 0, x * whole[q].value) && list)
					work->listed[n_listed++] = whole[q].column;
		}
		else
		{
			double x = ((const float *) packed->column_value)[p];

			for (; q < end; q++)
				if (add_pair(kind, work->sums, real[q].column, x, real[q].value, 0) && list)
					work->listed[n_listed++] = real[q].column;
		}
		if (until_poll < 0)
		{
			work->poll(work->poll_argument);
			until_poll = POLL_WORK;
		}
	}
	return n_listed;
}

/* What the other side of a pair must reach, and be. */
typedef struct Bound
{
	bool cosine; /* else only the support counts */
	float min_support;
	float support_lost;
	float shrinkage;
	float bar;         /* of the column swept */
	double norm;       /* of the column swept; in units for KNN_WHOLE */
	const float *bars; /* of the tile's columns */
	const float *lengths;
	const double *norms;
} Bound;

ALWAYS_INLINE int
whole_may_be_near(const Bound *bound, const int64_t *sums, int32_t i)
{
	float xy = (float) whole_product(sums[i]);
	float n = (float) whole_support(sums[i]);
	float bar = bound->bars[i] < bound->bar ? bound->bars[i] : bound->bar;
	float most = (bar - BOUND_SLACK) * ((float) bound->norm * bound->lengths[i]);
	float weight = n - bound->support_lost;

	return (n >= bound->min_support) &
		   (!bound->cosine | (xy * weight >= most * (weight + bound->shrinkage)));
}

ALWAYS_INLINE int
real_may_be_near(const Bound *bound, const RealSums *sums, int32_t i)
{
	double xy = sums[i].xy;
	double n = (double) (int32_t) sums[i].n;
	double bar = bound->bars[i] < bound->bar ? bound->bars[i] : bound->bar;
	double most = (bar - BOUND_SLACK) * (bound->norm * bound->norms[i]);
	double weight = n - bound->support_lost;

	return (n >= bound->min_support) & (xy * weight >= most * (weight + bound->shrinkage));
}

ALWAYS_INLINE int
all_may_be_near(const Bound *bound, const KnnSums *sums, int32_t i)
{
	return sums[i].n >= bound->min_support;
}

/*
 * List those of n columns that may be neighbors; returns their number.  Most often
 * none of SCAN_COLUMNS successive ones is.
 */
#define DEFINE_SCAN(name, sums_type, may_be_near)                                                  \
	WIDE_INTEGERS static int32_t name(const Bound *bound, const sums_type *sums, int32_t from,     \
									  int32_t n, int32_t *listed)                                  \
	{                                                                                              \
		int32_t n_listed = 0;                                                                      \
                                                                                                   \
		for (int32_t start = from; start < n; start += SCAN_COLUMNS)                               \
		{                                                                                          \
			int32_t end = start + SCAN_COLUMNS < n ? start + SCAN_COLUMNS : n;                     \
			int any = 0;                                                                           \
                                                                                                   \
			for (int32_t i = start; i < end; i++)                                                  \
				any |= may_be_near(bound, sums, i);                                                \
			for (int32_t i = start; i < end && any; i++)                                           \
			{                                                                                      \
				listed[n_listed] = i;                                                              \
				n_listed += may_be_near(bound, sums, i);                                           \
			}                                                                                      \
		}                                                                                          \
		return n_listed;                                                                           \
	}

DEFINE_SCAN(scan_whole, int64_t, whole_may_be_near)
DEFINE_SCAN(scan_real, RealSums, real_may_be_near)
DEFINE_SCAN(scan_all, KnnSums, all_may_be_near)

/*
 * Similarity of the other column to the first from the other's accumulator, NaN
 * where it is not defined or rests on too little.
 */
static double
similarity_of(const KnnPacked *packed, const KnnOptions *options, const KnnWorkspace *work,
			  int32_t column, int32_t other, int32_t at)
{
	const KnnSums *sums = (const KnnSums *) work->sums + at;
	double n_column = (double) (packed->column_start[column + 1] - packed->column_start[column]);
	double n_other = (double) (packed->column_start[other + 1] - packed->column_start[other]);
	double n, xy;
	double similarity = NAN;

	if (packed->shape.kind == KNN_WHOLE)
	{
		int64_t whole = ((const int64_t *) work->sums)[at];

		n = whole_support(whole);
		xy = whole_product(whole) * (packed->shape.unit * packed->shape.unit);
	}
	else if (packed->shape.kind == KNN_REAL)
	{
		n = (double) ((const RealSums *) work->sums)[at].n;
		xy = ((const RealSums *) work->sums)[at].xy;
	}
	else
	{
		n = sums->n;
		xy = sums->xy;
	}
	if (n < options->min_support)
		return NAN;
	switch (options->similarity)
	{
		case KNN_COSINE:
			similarity = cosine_from_norms(xy, packed->norm[column], packed->norm[other]);
			break;
		case KNN_CORATED_COSINE:
			similarity = cosine_from_sums(xy, sums->xx, sums->yy);
			break;
		case KNN_PEARSON:
			similarity = pearson_from_sums(n, sums->x, sums->y, sums->xx, sums->yy, xy);
			break;
		case KNN_JACCARD:
			similarity = jaccard_from_counts(n, n_column, n_other);
			break;
		case KNN_EUCLIDEAN:
			similarity = euclidean_from_sum(sums->xx + sums->yy - 2 * xy);
			break;
		case KNN_LLR:
			similarity = llr_from_counts(n, n_column, n_other, packed->shape.n_rows);
			break;
		case KNN_CONDITIONAL:
			similarity = conditional_from_counts(n, n_column, n_other);
			break;
	}
	return similarity_shrink(similarity, n - options->support_lost, options->shrinkage);
}

/*
 * Keep the k best of a longer list, the worst of them last.
 */
void
knn_keep_best(neighbor_heap *list, int32_t k)
{
	neighbor_select(list->entries, list->n, k - 1);
	list->n = k;
}

/*
 * Append a neighbor to a column's list, if it may be among the best.  A list that is
 * full is cut back to these: unlike a heap, which is touched all over, that touches
 * one place most of the time.  A list without room for more than k never fills.
 */
static inline void
offer(KnnWorkspace *work, const KnnOptions *options, int32_t column, double similarity,
	  int32_t neighbor)
{
	neighbor_heap *list = &work->lists[column];

	if (!(similarity > options->min_similarity && fabs(similarity) > SIMILARITY_NOISE) ||
		(float) similarity < work->bar[column])
		return;
	list->entries[list->n++] = (neighbor_entry){(float) similarity, neighbor};
	if (list->n == list->capacity && list->n > options->k)
	{
		knn_keep_best(list, options->k);
		work->bar[column] = list->entries[options->k - 1].score;
	}
}

/*
 * Offer the pairs of the column with those listed, of the tile that begins at
 * first, to the lists of both.
 */
static void
settle(const KnnPacked *packed, const KnnOptions *options, KnnWorkspace *work, int32_t column,
	   int32_t first, int32_t n_listed)
{
	for (int32_t i = 0; i < n_listed; i++)
	{
		int32_t other = first + work->listed[i];
		double similarity = similarity_of(packed, options, work, column, other, work->listed[i]);

		offer(work, options, column, similarity, other);
		if (options->similarity == KNN_CONDITIONAL)
			similarity = similarity_of(packed, options, work, other, column, work->listed[i]);
		offer(work, options, other, similarity, column);
	}
}

/*
 * All pairs of the column with the tile's columns behind it.
 */
ALWAYS_INLINE void
sweep_and_settle(const KnnPacked *packed, const KnnOptions *options, KnnWorkspace *work,
				 int32_t column, int32_t tile, const KnnKind kind, bool list)
{
	int32_t first = tile_start(&packed->shape, tile);
	int32_t width = tile_start(&packed->shape, tile + 1) - first;
	bool own_tile = column >= first;
	int32_t from = own_tile ? column - first + 1 : 0;
	Bound bound = {.cosine = options->similarity == KNN_COSINE,
				   .min_support = (float) options->min_support,
				   .support_lost = (float) options->support_lost,
				   .shrinkage = (float) options->shrinkage,
				   .bar = work->bar[column],
				   .norm = kind == KNN_WHOLE ? work->length[column] : packed->norm[column],
				   .bars = work->bar + first,
				   .lengths = work->length + first,
				   .norms = packed->norm + first};
	int32_t n_listed;

	if (list)
	{
		n_listed = sweep(packed, work, column, tile, own_tile, kind, true);
		settle(packed, options, work, column, first, n_listed);
		for (int32_t i = 0; i < n_listed; i++)
			memset((char *) work->sums + work->listed[i] * sums_size(kind), 0, sums_size(kind));
		return;
	}
	sweep(packed, work, column, tile, own_tile, kind, false);
	n_listed = kind == KNN_WHOLE  ? scan_whole(&bound, work->sums, from, width, work->listed)
			   : kind == KNN_REAL ? scan_real(&bound, work->sums, from, width, work->listed)
								  : scan_all(&bound, work->sums, from, width, work->listed);
	settle(packed, options, work, column, first, n_listed);
	memset((char *) work->sums + from * sums_size(kind), 0, (width - from) * sums_size(kind));
}

/*
 * Will a sweep meet so few entries that a list of them is better than a look at
 * all columns of the tile?
 */
static bool
is_short(const KnnPacked *packed, int32_t column, int32_t tile)
{
	const uint32_t *slice = packed->slice + (int64_t) tile * (packed->shape.n_rows + 1);
	int64_t left = (tile_start(&packed->shape, tile + 1) - tile_start(&packed->shape, tile)) / 8;

	for (int64_t p = packed->column_start[column];
		 p < packed->column_start[column + 1] && left >= 0; p++)
	{
		int32_t row = packed->column_row[p];

		left -= 1 + slice[row + 1] - slice[row];
	}
	return left >= 0;
}

/*
 * Offer every pair (column, other) with first <= column < end, column < other
 * to the lists of both.  After the blocks of all columns, in any order and on
 * any number of workspaces, the k best of all lists of a column are its k most
 * similar columns.
 */
void
knn_columns(const KnnPacked *packed, const KnnOptions *options, KnnWorkspace *work, int32_t first,
			int32_t end)
{
	for (int32_t tile = 0; tile < packed->shape.n_tiles; tile++)
	{
		int32_t tile_end = tile_start(&packed->shape, tile + 1);

		for (int32_t column = first; column < end && column + 1 < tile_end; column++)
		{
			bool list = is_short(packed, column, tile);

			switch (packed->shape.kind)
			{
				case KNN_WHOLE:
					if (list)
						sweep_and_settle(packed, options, work, column, tile, KNN_WHOLE, true);
					else
						sweep_and_settle(packed, options, work, column, tile, KNN_WHOLE, false);
					break;
				case KNN_REAL:
					if (list)
						sweep_and_settle(packed, options, work, column, tile, KNN_REAL, true);
					else
						sweep_and_settle(packed, options, work, column, tile, KNN_REAL, false);
					break;
				case KNN_ALL:
					if (list)
						sweep_and_settle(packed, options, work, column, tile, KNN_ALL, true);
					else
						sweep_and_settle(packed, options, work, column, tile, KNN_ALL, false);
			}
			work->poll(work->poll_argument);
		}
	}
}
