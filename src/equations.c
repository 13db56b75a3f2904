/*
 * equations.c
 *		Small systems of normal equations, and products of short vectors.
 */
#include <math.h>

#include "equations.h"
#include "wide.h"

/* Eight floats or doubles, in as many vectors as the machine needs for them. */
#define LANES 8
typedef float Lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));
typedef double WideLanes
	__attribute__((vector_size(LANES * sizeof(double)), aligned(8), may_alias));

/*
 * a += weight * x x', b += weight * target * x.
 */
WIDE_FLOATS void
equations_add(double *a, double *b, int32_t n, const float *x, double weight, double target)
{
	double wide[EQUATIONS_MAX];

	for (int32_t i = 0; i < n; i++)
		wide[i] = x[i];
	for (int32_t i = 0; i < n; i++)
	{
		double factor = weight * wide[i];
		double *restrict row = a + equations_size(i);

		for (int32_t j = 0; j <= i; j++)
			row[j] += factor * wide[j];
		b[i] += factor * target;
	}
}

/*
 * The same for four vectors at once: a is then read and written once for all of them.
 */
WIDE_FLOATS void
equations_add_four(double *a, double *b, int32_t n, const float *const x[4], const double weight[4],
				   const double target[4])
{
	double wide0[EQUATIONS_MAX], wide1[EQUATIONS_MAX], wide2[EQUATIONS_MAX], wide3[EQUATIONS_MAX];

	for (int32_t i = 0; i < n; i++)
	{
		wide0[i] = x[0][i];
		wide1[i] = x[1][i];
		wide2[i] = x[2][i];
		wide3[i] = x[3][i];
	}
	for (int32_t i = 0; i < n; i++)
	{
		double f0 = weight[0] * wide0[i];
		double f1 = weight[1] * wide1[i];
		double f2 = weight[2] * wide2[i];
		double f3 = weight[3] * wide3[i];
		double *restrict row = a + equations_size(i);

		for (int32_t j = 0; j <= i; j++)
			row[j] += (f0 * wide0[j] + f1 * wide1[j]) + (f2 * wide2[j] + f3 * wide3[j]);
		b[i] += (f0 * target[0] + f1 * target[1]) + (f2 * target[2] + f3 * target[3]);
	}
}

ALWAYS_INLINE double
dot(const double *a, const double *b, int32_t n)
{
	WideLanes lanes = {0};
	double sum = 0;
	int32_t i = 0;

	for (; i + LANES <= n; i += LANES)
		lanes += *(const WideLanes *) (a + i) * *(const WideLanes *) (b + i);
	for (; i < n; i++)
		sum += a[i] * b[i];
	for (int lane = 0; lane < LANES; lane++)
		sum += lanes[lane];
	return sum;
}

/*
 * Cholesky: replace a by l with l l' = a.  False where a is not positive definite.
 */
WIDE_FLOATS bool
equations_factorize(double *a, int32_t n)
{
	double column[EQUATIONS_MAX];

	for (int32_t k = 0; k < n; k++)
	{
		double *pivot = a + equations_size(k) + k;
		double scale;

		/* The diagonal of what is left has only become smaller. */
		if (!(*pivot > 0))
			return false;
		*pivot = sqrt(*pivot);
		scale = 1 / *pivot;
		for (int32_t i = k + 1; i < n; i++)
		{
			double *restrict row = a + equations_size(i);

			row[k] *= scale;
			column[i] = row[k];
			for (int32_t j = k + 1; j <= i; j++)
				row[j] -= column[i] * column[j];
		}
	}
	return true;
}

/*
 * Solve l y = b in place.
 */
WIDE_FLOATS void
equations_forward(const double *l, double *b, int32_t n)
{
	for (int32_t i = 0; i < n; i++)
	{
		const double *row = l + equations_size(i);

		b[i] = (b[i] - dot(row, b, i)) / row[i];
	}
}

/*
 * Solve l' y = b in place.
 */
WIDE_FLOATS void
equations_backward(const double *l, double *b, int32_t n)
{
	for (int32_t i = n - 1; i >= 0; i--)
	{
		const double *row = l + equations_size(i);

		b[i] /= row[i];
		for (int32_t j = 0; j < i; j++)
			b[j] -= row[j] * b[i];
	}
}

ALWAYS_INLINE float
dot_lanes(const float *a, const float *b, int32_t n)
{
	Lanes even = {0}, odd = {0};
	float sum = 0;
	int32_t i = 0;

	/* Two sums, so that one need not wait for the other. */
	for (; i + 2 * LANES <= n; i += 2 * LANES)
	{
		even += *(const Lanes *) (a + i) * *(const Lanes *) (b + i);
		odd += *(const Lanes *) (a + i + LANES) * *(const Lanes *) (b + i + LANES);
	}
	if (i + LANES <= n)
	{
		even += *(const Lanes *) (a + i) * *(const Lanes *) (b + i);
		i += LANES;
	}
	for (; i < n; i++)
		sum += a[i] * b[i];
	even += odd;
	for (int lane = 0; lane < LANES / 2; lane++)
		sum += even[lane] + even[lane + LANES / 2];
	return sum;
}

/*
 * The product of two vectors.  Its order is the same everywhere, so that two places
 * that compute one score agree.
 */
WIDE_FLOATS float
vector_dot(const float *a, const float *b, int32_t n)
{
	return dot_lanes(a, b, n);
}

/*
 * The products of a vector with rows of a matrix.
 */
WIDE_FLOATS void
vector_scores(const float *x, const float *rows, int32_t n_rows, int32_t n, float *scores)
{
	for (int32_t row = 0; row < n_rows; row++)
		scores[row] = dot_lanes(x, rows + (size_t) row * n, n);
}
