/*
 * correlation.c
 *		Aggregate correlations: Pearson's correlation of every pair of columns in
 *		one pass.
 *
 * A row comes as an array of k numbers.  The state is a double precision[], so
 * that it passes between workers and servers as it is.  It has two parts.  Rows
 * without a NULL go into one block: their number, the means, and the sums of
 * products of deviations of all pairs.  Rows with a NULL go into a block of each
 * pair of numbers that they have.  The blocks of a pair are combined in the end.
 * Both are updated and combined with deviations from the mean so far (Welford
 * 1962; Chan, Golub and LeVeque 1983), never as plain sums of squares.
 */
#include "postgres.h"

#include <math.h>

#include "socrec.h"
#include "sums.h"

#define MAX_COLUMNS 500

/* Element 0 is k; here are the places of the others. */
#define COMPLETE_N 1
#define COMPLETE_MEANS 2
#define N_PAIRS(k) ((k) * ((k) + 1) / 2)
#define COMPLETE_PRODUCTS(k) (COMPLETE_MEANS + (k))
#define INCOMPLETE(k) (COMPLETE_PRODUCTS(k) + N_PAIRS(k))
#define STATE_SIZE(k) (INCOMPLETE(k) + N_PAIRS(k) * (int) (sizeof(PairMoments) / sizeof(float8)))

/* Of the rows that have both numbers of a pair. */
typedef struct PairMoments
{
	float8 n;
	float8 mean_x;
	float8 mean_y;
	float8 xx; /* sums of products of deviations */
	float8 yy;
	float8 xy;
} PairMoments;

static void
combine_pair(PairMoments *a, const PairMoments *b)
{
	float8 n = a->n + b->n;
	float8 x = b->mean_x - a->mean_x;
	float8 y = b->mean_y - a->mean_y;
	float8 weight;

	if (b->n == 0)
		return;
	weight = a->n * (b->n / n);
	a->mean_x += x * (b->n / n);
	a->mean_y += y * (b->n / n);
	a->xx += b->xx + x * x * weight;
	a->yy += b->yy + y * y * weight;
	a->xy += b->xy + x * y * weight;
	a->n = n;
}

/*
 * The number of columns of a state, after checking that it is one.
 */
static int
state_columns(ArrayType *state)
{
	float8 k = ARR_NDIM(state) == 1 && ARR_DIMS(state)[0] > 0 && !ARR_HASNULL(state) &&
					   ARR_ELEMTYPE(state) == FLOAT8OID
				   ? *(float8 *) ARR_DATA_PTR(state)
				   : 0;

	if (!(k >= 1 && k <= MAX_COLUMNS) || ARR_DIMS(state)[0] != STATE_SIZE((int) k))
		invalid_argument("aggregate state is not one of correlations");
	return (int) k;
}

/*
 * The numbers of a row, and whether each is there; returns how many are.
 */
static int
read_row(ArrayType *row, float8 *numbers, bool *present)
{
	int k = ARR_DIMS(row)[0];
	const float8 *data = (const float8 *) ARR_DATA_PTR(row);
	const bits8 *bitmap = ARR_NULLBITMAP(row);
	int n = 0;

	for (int i = 0; i < k; i++)
	{
		present[i] = bitmap == NULL || (bitmap[i / 8] & (1 << (i % 8))) != 0;
		if (!present[i])
			continue;
		numbers[i] = data[n++];
		if (unlikely(!isfinite(numbers[i])))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("value %g of column %d is not a finite number", numbers[i], i + 1),
					 errhint("Leave such values out in the source query, for instance by "
							 "nullif(x, 'NaN').")));
	}
	return n;
}

/*
 * Transition: (state, row double precision[]).
 */
PG_FUNCTION_INFO_V1(socrec_correlation_accumulate);
Datum
socrec_correlation_accumulate(PG_FUNCTION_ARGS)
{
	ArrayType *row;
	ArrayType *state;
	float8 *sums;
	float8 numbers[MAX_COLUMNS];
	float8 deviations[MAX_COLUMNS];
	bool present[MAX_COLUMNS];
	int k;
	int found;

	if (PG_ARGISNULL(1))
		SUMS_RETURN_UNCHANGED();
	row = PG_GETARG_ARRAYTYPE_P(1);
	k = ARR_NDIM(row) == 1 ? ARR_DIMS(row)[0] : 0;
	if (k < 1 || k > MAX_COLUMNS)
		invalid_argument("correlations need an array of 1 to %d numbers", MAX_COLUMNS);
	if (!PG_ARGISNULL(0) && state_columns(PG_GETARG_ARRAYTYPE_P(0)) != k)
		invalid_argument("array of %d numbers follows arrays of another length", k);
	found = read_row(row, numbers, present);
	state = sums_for_update(fcinfo, STATE_SIZE(k));
	sums = sums_of(state, STATE_SIZE(k));
	sums[0] = k;

	if (found == k)
	{
		float8 *means = sums + COMPLETE_MEANS;
		float8 *product = sums + COMPLETE_PRODUCTS(k);
		float8 inverse = 1 / ++sums[COMPLETE_N];

		for (int i = 0; i < k; i++)
		{
			deviations[i] = numbers[i] - means[i];
			means[i] += deviations[i] * inverse;
		}
		for (int i = 0; i < k; i++)
		{
			float8 old = deviations[i];

			for (int j = i; j < k; j++)
				product[j - i] += old * (numbers[j] - means[j]);
			product += k - i;
		}
	}
	else
	{
		PairMoments *pair = (PairMoments *) (sums + INCOMPLETE(k));

		for (int i = 0; i < k; i++)
			for (int j = i; j < k; j++, pair++)
				if (present[i] && present[j])
				{
					PairMoments one = {1, numbers[i], numbers[j], 0, 0, 0};

					combine_pair(pair, &one);
				}
	}
	PG_RETURN_ARRAYTYPE_P(state);
}

/*
 * Combine two states into the first.
 */
PG_FUNCTION_INFO_V1(socrec_correlation_combine);
Datum
socrec_correlation_combine(PG_FUNCTION_ARGS)
{
	ArrayType *state;
	float8 *a;
	float8 *b;
	float8 *product;
	float8 weight;
	float8 n;
	int k;

	if (PG_ARGISNULL(1))
		SUMS_RETURN_UNCHANGED();
	if (PG_ARGISNULL(0))
		PG_RETURN_DATUM(PG_GETARG_DATUM(1));
	k = state_columns(PG_GETARG_ARRAYTYPE_P(1));
	if (state_columns(PG_GETARG_ARRAYTYPE_P(0)) != k)
		invalid_argument("aggregate states of different lengths");
	state = sums_for_update(fcinfo, STATE_SIZE(k));
	a = sums_of(state, STATE_SIZE(k));
	b = sums_of(PG_GETARG_ARRAYTYPE_P(1), STATE_SIZE(k));

	n = a[COMPLETE_N] + b[COMPLETE_N];
	if (b[COMPLETE_N] > 0)
	{
		weight = a[COMPLETE_N] * (b[COMPLETE_N] / n);
		product = a + COMPLETE_PRODUCTS(k);
		for (int i = 0; i < k; i++)
			for (int j = i; j < k; j++, product++)
				*product += b[product - a] + (b[COMPLETE_MEANS + i] - a[COMPLETE_MEANS + i]) *
												 (b[COMPLETE_MEANS + j] - a[COMPLETE_MEANS + j]) *
												 weight;
		for (int i = 0; i < k; i++)
			a[COMPLETE_MEANS + i] +=
				(b[COMPLETE_MEANS + i] - a[COMPLETE_MEANS + i]) * (b[COMPLETE_N] / n);
		a[COMPLETE_N] = n;
	}
	for (int p = 0; p < N_PAIRS(k); p++)
		combine_pair((PairMoments *) (a + INCOMPLETE(k)) + p,
					 (PairMoments *) (b + INCOMPLETE(k)) + p);
	PG_RETURN_ARRAYTYPE_P(state);
}

/*
 * Final: a k x k x 2 array of the correlation and the number of rows of each pair
 * of columns.  The correlation is NULL when either is constant over those rows.
 */
PG_FUNCTION_INFO_V1(socrec_correlation_final);
Datum
socrec_correlation_final(PG_FUNCTION_ARGS)
{
	ArrayType *state;
	float8 *sums;
	float8 *product;
	PairMoments *pair;
	Datum *values;
	bool *nulls;
	int dims[3];
	int lower[3] = {1, 1, 1};
	int k;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = PG_GETARG_ARRAYTYPE_P(0);
	k = state_columns(state);
	sums = (float8 *) ARR_DATA_PTR(state);
	product = sums + COMPLETE_PRODUCTS(k);
	pair = (PairMoments *) (sums + INCOMPLETE(k));
	values = palloc(2 * k * k * sizeof(Datum));
	nulls = palloc0(2 * k * k * sizeof(bool));
	for (int i = 0; i < k; i++)
		for (int j = i; j < k; j++, pair++, product++)
		{
			/* Row i of the products begins with its own square. */
			float8 *square_j = sums + COMPLETE_PRODUCTS(k) + N_PAIRS(k) - N_PAIRS(k - j);
			PairMoments all = {sums[COMPLETE_N],
							   sums[COMPLETE_MEANS + i],
							   sums[COMPLETE_MEANS + j],
							   *(product - (j - i)),
							   *square_j,
							   *product};
			bool constant;
			float8 r;

			combine_pair(&all, pair);
			constant = !(all.xx > 0 && all.yy > 0);
			r = constant ? 0 : i == j ? 1 : all.xy / sqrt(all.xx) / sqrt(all.yy);
			r = Max(-1, Min(1, r));
			for (int side = 0; side < 2; side++)
			{
				int place = 2 * (side == 0 ? i * k + j : j * k + i);

				values[place] = Float8GetDatum(r);
				nulls[place] = constant;
				values[place + 1] = Float8GetDatum(all.n);
			}
		}
	dims[0] = dims[1] = k;
	dims[2] = 2;
	PG_RETURN_ARRAYTYPE_P(construct_md_array(values, nulls, 3, dims, lower, FLOAT8OID,
											 sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}
