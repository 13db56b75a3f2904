/*
 * sparse.c
 *		Sums over the elements of sparse vectors, and exact sums.
 *
 * Two vectors meet where they hold the same id.  Finding these places is a
 * merge of two ascending lists; what is done there comes after it, so that one
 * merge serves every kind of sum.
 *
 * The textbook merge spends its time in branches that no processor can predict.
 * So the merge here has none: a comparison yields 0 or 1, and that is added to
 * the positions.  What limits it then is that each step waits for the one
 * before it, so two merges run side by side in one loop, one from the front and
 * one from the back of the same pair of lists, until they meet.  Where one list
 * is much shorter than the other, each of its ids is searched in the other one
 * with steps that double in length.
 *
 * Lists are treated in pieces of at most SPARSE_MATCHES elements, so that the
 * matches fit into a small array, and come out in ascending order.
 *
 * Sums are taken in double, in four lanes by the number of the term modulo 4,
 * always in the same way: the result is the same on every machine, a . b equals
 * b . a, and a . a equals the sum of the squares of a bit for bit.  The product
 * of two floats is exact in double, so a fused multiplication changes nothing.
 *
 * The functions marked as templates are compiled once for every pair of id
 * widths, because the compiler sees the widths as constants.
 */
#include "sparse.h"

#include <math.h>
#include <string.h>

#define TEMPLATE static inline __attribute__((always_inline))

/* Search rather than merge where one side has this many times more elements (measured). */
#define GALLOP_RATIO 10

/* Ids of either width. */
typedef struct Ids
{
	const void *data;
	bool wide;
	int n;
} Ids;

TEMPLATE int64_t
id_at(Ids ids, int64_t i)
{
	return ids.wide ? ((const int64_t *) ids.data)[i] : ((const int32_t *) ids.data)[i];
}

TEMPLATE Ids
ids_of(SparseView v, bool wide)
{
	Ids ids = {wide ? (const void *) v.ids64 : (const void *) v.ids32, wide, v.n};

	return ids;
}

static inline bool
is_wide(SparseView v)
{
	return v.ids64 != NULL;
}

/*
 * Template: first position in [from, end) whose id is not below the given one,
 * or end.
 */
TEMPLATE int
lower_bound(Ids ids, int from, int end, int64_t id)
{
	while (from < end)
	{
		int middle = from + (end - from) / 2;

		if (id_at(ids, middle) < id)
			from = middle + 1;
		else
			end = middle;
	}
	return from;
}

/*
 * Template: the same, fast where the position is near to from.
 */
TEMPLATE int
gallop(Ids ids, int from, int64_t id)
{
	int64_t step = 1;
	int64_t at = from;

	while (at < ids.n && id_at(ids, at) < id)
	{
		from = (int) at + 1;
		at += step;
		step *= 2;
	}
	return lower_bound(ids, from, at < ids.n ? (int) at : ids.n, id);
}

/*
 * Template: matches between the positions [cursor, end) of a and of b, of which
 * there are at most SPARSE_MATCHES.
 */
TEMPLATE int
match_block(Ids a, Ids b, SparseCursor from, SparseCursor end, SparseMatch *matches)
{
	SparseMatch from_back[SPARSE_MATCHES];
	int64_t i = from.a, j = from.b, n = 0;
	int64_t last_i = end.a - 1, last_j = end.b - 1, n_back = 0;

	while (i < last_i && j < last_j)
	{
		int64_t x = id_at(a, i), y = id_at(b, j);
		int64_t last_x = id_at(a, last_i), last_y = id_at(b, last_j);

		matches[n].a = (int32_t) i;
		matches[n].b = (int32_t) j;
		n += x == y;
		i += x <= y;
		j += y <= x;

		from_back[n_back].a = (int32_t) last_i;
		from_back[n_back].b = (int32_t) last_j;
		n_back += last_x == last_y;
		last_i -= last_x >= last_y;
		last_j -= last_y >= last_x;
	}
	while (i <= last_i && j <= last_j)
	{
		int64_t x = id_at(a, i), y = id_at(b, j);

		matches[n].a = (int32_t) i;
		matches[n].b = (int32_t) j;
		n += x == y;
		i += x <= y;
		j += y <= x;
	}
	while (n_back > 0)
		matches[n++] = from_back[--n_back];
	return (int) n;
}

/*
 * Template: matches of the next piece of two lists of similar length.  A piece
 * ends, in both lists, at the smaller of the two ids that are SPARSE_MATCHES
 * elements away.
 */
TEMPLATE int
match_similar(Ids a, Ids b, SparseCursor *cursor, SparseMatch *matches)
{
	SparseCursor from = *cursor;
	SparseCursor end = {a.n, b.n};

	if (a.n - from.a > SPARSE_MATCHES || b.n - from.b > SPARSE_MATCHES)
	{
		int64_t last_a, last_b;

		end.a = a.n - from.a > SPARSE_MATCHES ? from.a + SPARSE_MATCHES : a.n;
		end.b = b.n - from.b > SPARSE_MATCHES ? from.b + SPARSE_MATCHES : b.n;
		last_a = id_at(a, end.a - 1);
		last_b = id_at(b, end.b - 1);
		if (last_a < last_b)
			end.b = lower_bound(b, from.b, end.b, last_a + 1);
		else if (last_b < last_a)
			end.a = lower_bound(a, from.a, end.a, last_b + 1);
	}
	*cursor = end;
	return match_block(a, b, from, end, matches);
}

/*
 * Template: matches of the next SPARSE_MATCHES elements of a list with a much
 * longer one.
 */
TEMPLATE int
match_short(Ids few, Ids many, int *few_from, int *many_from, SparseMatch *matches, bool few_is_a)
{
	int end = few.n - *few_from > SPARSE_MATCHES ? *few_from + SPARSE_MATCHES : few.n;
	int at = *many_from;
	int n = 0;

	for (int i = *few_from; i < end && at < many.n; i++)
	{
		int64_t id = id_at(few, i);

		at = gallop(many, at, id);
		if (at < many.n && id_at(many, at) == id)
		{
			matches[n].a = few_is_a ? i : at;
			matches[n].b = few_is_a ? at : i;
			n++;
			at++;
		}
	}
	*few_from = end;
	*many_from = at;
	return n;
}

TEMPLATE int
next_matches(Ids a, Ids b, SparseCursor *cursor, SparseMatch *matches)
{
	while (cursor->a < a.n && cursor->b < b.n)
	{
		int n;

		if ((b.n - cursor->b) / GALLOP_RATIO >= a.n - cursor->a)
			n = match_short(a, b, &cursor->a, &cursor->b, matches, true);
		else if ((a.n - cursor->a) / GALLOP_RATIO >= b.n - cursor->b)
			n = match_short(b, a, &cursor->b, &cursor->a, matches, false);
		else
			n = match_similar(a, b, cursor, matches);
		if (n > 0)
			return n;
	}
	return 0;
}

/*
 * Find the next ids, in ascending order, that two vectors have in common.
 * matches has room for SPARSE_MATCHES; the result says how many were found,
 * and is 0 when there are no more.
 */
int
sparse_next_matches(SparseView a, SparseView b, SparseCursor *cursor, SparseMatch *matches)
{
	if (is_wide(a))
	{
		if (is_wide(b))
			return next_matches(ids_of(a, true), ids_of(b, true), cursor, matches);
		return next_matches(ids_of(a, true), ids_of(b, false), cursor, matches);
	}
	if (is_wide(b))
		return next_matches(ids_of(a, false), ids_of(b, true), cursor, matches);
	return next_matches(ids_of(a, false), ids_of(b, false), cursor, matches);
}

/* A sum in four lanes. */
typedef struct Lanes
{
	double lane[4];
} Lanes;

static inline double
lanes_total(const Lanes *sum)
{
	return (sum->lane[0] + sum->lane[1]) + (sum->lane[2] + sum->lane[3]);
}

/*
 * Sum of the products of the weights that have the same id.  n_common, if not
 * NULL, is the number of such ids.
 */
double
sparse_dot(SparseView a, SparseView b, int64_t *n_common)
{
	SparseMatch matches[SPARSE_MATCHES];
	SparseCursor cursor = {0, 0};
	Lanes sum = {{0}};
	int64_t total = 0;
	int n;

	while ((n = sparse_next_matches(a, b, &cursor, matches)) > 0)
	{
		for (int i = 0; i < n; i++)
			sum.lane[(total + i) & 3] +=
				(double) a.weights[matches[i].a] * (double) b.weights[matches[i].b];
		total += n;
	}
	if (n_common)
		*n_common = total;
	return lanes_total(&sum);
}

/*
 * Sum of the squares of the weights.
 */
double
sparse_sum_squares(SparseView v)
{
	Lanes sum = {{0}};
	int i = 0;

	for (; i + 4 <= v.n; i += 4)
		for (int lane = 0; lane < 4; lane++)
			sum.lane[lane] += (double) v.weights[i + lane] * (double) v.weights[i + lane];
	for (; i < v.n; i++)
		sum.lane[i & 3] += (double) v.weights[i] * (double) v.weights[i];
	return lanes_total(&sum);
}

/*
 * Sum of the weights.
 */
double
sparse_sum(SparseView v)
{
	Lanes sum = {{0}};
	int i = 0;

	for (; i + 4 <= v.n; i += 4)
		for (int lane = 0; lane < 4; lane++)
			sum.lane[lane] += v.weights[i + lane];
	for (; i < v.n; i++)
		sum.lane[i & 3] += v.weights[i];
	return lanes_total(&sum);
}

/*
 * Position of an id, or -1 where it is absent.
 */
int
sparse_find(SparseView v, int64_t id)
{
	int at = is_wide(v) ? lower_bound(ids_of(v, true), 0, v.n, id)
						: lower_bound(ids_of(v, false), 0, v.n, id);

	if (at == v.n || (is_wide(v) ? v.ids64[at] : v.ids32[at]) != id)
		return -1;
	return at;
}

static inline uint32_t
float_bits(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static inline float
bits_float(uint32_t bits)
{
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/*
 * -1 or 0.  The compiler is kept from knowing that it is one of these, because
 * it would make a branch of it.
 */
static inline int64_t
mask_of(bool condition)
{
	int64_t mask = -(int64_t) condition;

	__asm__("" : "+r"(mask));
	return mask;
}

/* Ids and weights together. */
typedef struct Elements
{
	Ids ids;
	const float *weights;
} Elements;

/* Where the elements of a sum or a difference go. */
typedef struct Output
{
	int32_t *ids32;
	int64_t *ids64;
	float *weights;
	bool wide;
	bool subtract;
} Output;

TEMPLATE void
put(Output out, int64_t at, int64_t id, float x, float y)
{
	if (out.wide)
		out.ids64[at] = id;
	else
		out.ids32[at] = (int32_t) id;
	out.weights[at] = out.subtract ? x - y : x + y;
}

/*
 * Template: write the sum of element i of a and j of b, of which a mask says
 * whether they take part; at least one does, and if both do their ids are equal.
 */
TEMPLATE void
put_sum(Output out, int64_t at, Elements a, int64_t i, int64_t a_mask, Elements b, int64_t j,
		int64_t b_mask)
{
	put(out, at, (id_at(a.ids, i) & a_mask) | (id_at(b.ids, j) & b_mask),
		bits_float(float_bits(a.weights[i]) & (uint32_t) a_mask),
		bits_float(float_bits(b.weights[j]) & (uint32_t) b_mask));
}

/*
 * Template: see sparse_add, but for the zeros.  As in match_block, one merge
 * runs from each end; the elements from the back are moved down afterwards.
 */
TEMPLATE int64_t
add(Elements a, Elements b, Output out)
{
	int64_t i = 0, j = 0, n = 0;
	int64_t last_i = a.ids.n - 1, last_j = b.ids.n - 1;
	int64_t end = (int64_t) a.ids.n + b.ids.n;
	int64_t back = end;

	while (i < last_i && j < last_j)
	{
		int64_t a_mask = mask_of(id_at(a.ids, i) <= id_at(b.ids, j));
		int64_t b_mask = mask_of(id_at(b.ids, j) <= id_at(a.ids, i));
		int64_t last_a_mask = mask_of(id_at(a.ids, last_i) >= id_at(b.ids, last_j));
		int64_t last_b_mask = mask_of(id_at(b.ids, last_j) >= id_at(a.ids, last_i));

		put_sum(out, n++, a, i, a_mask, b, j, b_mask);
		i -= a_mask;
		j -= b_mask;
		put_sum(out, --back, a, last_i, last_a_mask, b, last_j, last_b_mask);
		last_i += last_a_mask;
		last_j += last_b_mask;
	}
	while (i <= last_i && j <= last_j)
	{
		int64_t a_mask = mask_of(id_at(a.ids, i) <= id_at(b.ids, j));
		int64_t b_mask = mask_of(id_at(b.ids, j) <= id_at(a.ids, i));

		put_sum(out, n++, a, i, a_mask, b, j, b_mask);
		i -= a_mask;
		j -= b_mask;
	}
	for (; i <= last_i; i++)
		put(out, n++, id_at(a.ids, i), a.weights[i], 0);
	for (; j <= last_j; j++)
		put(out, n++, id_at(b.ids, j), 0, b.weights[j]);

	end -= back;
	if (out.wide)
		memmove(out.ids64 + n, out.ids64 + back, end * sizeof(int64_t));
	else
		memmove(out.ids32 + n, out.ids32 + back, end * sizeof(int32_t));
	memmove(out.weights + n, out.weights + back, end * sizeof(float));
	return n + end;
}

/*
 * Close the gaps that elements of weight zero leave; returns the new number.
 */
static int
drop_zeros(int32_t *ids32, int64_t *ids64, float *weights, int64_t n)
{
	int zeros = 0;
	int kept = 0;

	for (int64_t i = 0; i < n; i++)
		zeros += weights[i] == 0;
	if (zeros == 0)
		return (int) n;
	for (int64_t i = 0; i < n; i++)
	{
		if (ids64)
			ids64[kept] = ids64[i];
		else
			ids32[kept] = ids32[i];
		weights[kept] = weights[i];
		kept += weights[i] != 0;
	}
	return kept;
}

TEMPLATE int64_t
add_any(SparseView a, bool a_wide, SparseView b, bool b_wide, bool subtract, Output out)
{
	Elements a_elements = {ids_of(a, a_wide), a.weights};
	Elements b_elements = {ids_of(b, b_wide), b.weights};

	out.wide = a_wide || b_wide;
	if (subtract)
	{
		out.subtract = true;
		return add(a_elements, b_elements, out);
	}
	out.subtract = false;
	return add(a_elements, b_elements, out);
}

/*
 * a + b, or a - b: what becomes zero is left out, what overflows becomes
 * infinite.  The result goes to ids32, or to ids64 if a or b has wide ids, and
 * to weights; each has room for a.n + b.n elements, which is at most INT32_MAX.
 * Returns their number.
 *
 * The sum of two floats rounded to float is what their sum in double rounded to
 * float is, so nothing is gained by using double.
 */
int
sparse_add(SparseView a, SparseView b, bool subtract, int32_t *ids32, int64_t *ids64,
		   float *weights)
{
	Output out = {ids32, ids64, weights, false, false};
	int64_t n;

	if (is_wide(a))
		n = is_wide(b) ? add_any(a, true, b, true, subtract, out)
					   : add_any(a, true, b, false, subtract, out);
	else
		n = is_wide(b) ? add_any(a, false, b, true, subtract, out)
					   : add_any(a, false, b, false, subtract, out);
	return drop_zeros(ids32, is_wide(a) || is_wide(b) ? ids64 : NULL, weights, n);
}

/*
 * factor * v, computed in double and rounded once, with results as in
 * sparse_add; the factor is finite.
 */
int
sparse_scale(SparseView v, double factor, int32_t *ids32, int64_t *ids64, float *weights)
{
	if (is_wide(v))
		memcpy(ids64, v.ids64, v.n * sizeof(int64_t));
	else
		memcpy(ids32, v.ids32, v.n * sizeof(int32_t));
	for (int i = 0; i < v.n; i++)
		weights[i] = (float) (factor * v.weights[i]);
	return drop_zeros(ids32, is_wide(v) ? ids64 : NULL, weights, v.n);
}

/*
 * Exact sums.
 *
 * A sum of doubles is kept as terms that do not overlap, ascending in magnitude,
 * whose mathematical sum is the sum of everything that was added: adding two
 * doubles loses a part, and that part is itself a double.  So the order of
 * addition does not show in the result.  Values of similar magnitude, which is
 * what one meets, need one term.  J. Shewchuk, Discrete and Computational
 * Geometry 18 (1997), sections 2.3 and 2.4; by theorem 10 there, no two terms
 * have bits next to one another, and a double has its bits among 2098, so that
 * there are at most 1049 terms.
 */

/*
 * Add x to a sum of n terms; terms has room for SPARSE_EXACT_TERMS.  Returns the
 * new number of terms, at most n + 1.  Once something is not finite, the sum is
 * one term that is not.
 */
int
sparse_exact_add(double *terms, int n, double x)
{
	int kept = 0;

	for (int i = 0; i < n; i++)
	{
		double y = terms[i];
		double sum = x + y;
		double part = sum - x;
		double lost = (x - (sum - part)) + (y - part);

		if (lost != 0)
			terms[kept++] = lost;
		x = sum;
	}
	if (!isfinite(x))
		kept = 0;
	if (x != 0)
		terms[kept++] = x;
	return kept;
}

/*
 * The double nearest to the sum of the terms, of two equally near ones that with
 * an even mantissa.
 */
double
sparse_exact_value(const double *terms, int n)
{
	double sum, lost = 0;

	if (n == 0)
		return 0;
	sum = terms[--n];
	while (n > 0 && lost == 0)
	{
		double x = sum;
		double y = terms[--n];

		sum = x + y;
		lost = y - (sum - x);
	}

	/* Exactly in the middle so far: what remains below decides. */
	if (n > 0 && ((lost < 0 && terms[n - 1] < 0) || (lost > 0 && terms[n - 1] > 0)))
	{
		double twice = 2 * lost;
		double x = sum + twice;

		if (x - sum == twice)
			sum = x;
	}
	return sum;
}

/*
 * Add up the terms that have the same id, in place: on entry they are sorted by
 * id, on exit an id has just the terms that its exact sum needs, ascending in
 * magnitude, and at least one, which may be zero.  Returns their number.
 */
int64_t
sparse_squash(SparseTerm *terms, int64_t n)
{
	double sum[SPARSE_EXACT_TERMS];
	int64_t kept = 0;

	for (int64_t i = 0; i < n;)
	{
		int64_t id = terms[i].id;
		int n_sum = 0;

		if (i + 1 == n || terms[i + 1].id != id)
		{
			terms[kept++] = terms[i++];
			continue;
		}
		for (; i < n && terms[i].id == id; i++)
			n_sum = sparse_exact_add(sum, n_sum, terms[i].value);
		if (n_sum == 0)
			sum[n_sum++] = 0;
		for (int k = 0; k < n_sum; k++)
		{
			terms[kept].id = id;
			terms[kept++].value = sum[k];
		}
	}
	return kept;
}
