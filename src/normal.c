/*
 * normal.c
 *		Normal equations of least squares with some tens of unknowns.
 *
 * Matrices are kept in tiles' rows: all work on them is one step, C += or -= X' X
 * for a tile of 8 by 8 of C and some rows of X, whose sums stay in registers.  Rows
 * are added with it, and so does the factorization A = R' R subtract from a row of
 * tiles what the rows of R above it explain.
 */
#include <math.h>
#include <string.h>

#include "normal.h"
#include "wide.h"

/* Eight floats, also where they do not lie at a multiple of their size. */
typedef float Lanes __attribute__((vector_size(4 * NORMAL_LANES), aligned(4), may_alias));

#define LANES(p) (*(Lanes *) (p))
#define CONST_LANES(p) (*(const Lanes *) (p))

/* Floats of memory that equations with n unknowns need. */
size_t
normal_floats(int32_t n)
{
	size_t width = normal_width(n);

	return width * (width + 2 + NORMAL_CHUNK);
}

/*
 * Give the equations memory of normal_floats(n).
 */
void
normal_init(Normal *normal, int32_t n, float *memory)
{
	normal->n = n;
	normal->width = normal_width(n);
	normal->n_chunk = 0;
	normal->matrix = memory;
	normal->right = memory + (size_t) normal->width * normal->width;
	normal->noise = normal->right + normal->width;
	normal->chunk = normal->noise + normal->width;
}

/*
 * Begin with a matrix, width by width, and a right side; NULL is zero.
 */
void
normal_start(Normal *normal, const float *matrix, const float *right)
{
	size_t width = normal->width;

	if (matrix != NULL)
		memcpy(normal->matrix, matrix, width * width * sizeof(float));
	else
		memset(normal->matrix, 0, width * width * sizeof(float));
	if (right != NULL)
		memcpy(normal->right, right, width * sizeof(float));
	else
		memset(normal->right, 0, width * sizeof(float));
	normal->n_chunk = 0;
}

/*
 * Add a value to the diagonal.
 */
void
normal_ridge(Normal *normal, float value)
{
	for (int32_t i = 0; i < normal->n; i++)
		normal->matrix[(size_t) i * normal->width + i] += value;
}

/*
 * Add to a tile of a matrix, given by its first element, sign times the products of
 * the columns from left and from top on of the n rows of x.
 */
ALWAYS_INLINE void
update_tile(float *tile, const float *x, int32_t n, int32_t width, int32_t top, int32_t left,
			float sign)
{
	Lanes c0 = {0}, c1 = {0}, c2 = {0}, c3 = {0}, c4 = {0}, c5 = {0}, c6 = {0}, c7 = {0};

	for (int32_t k = 0; k < n; k++)
	{
		const float *row = x + (size_t) k * width;
		Lanes right = CONST_LANES(row + left);
		const float *down = row + top;

		c0 += down[0] * right;
		c1 += down[1] * right;
		c2 += down[2] * right;
		c3 += down[3] * right;
		c4 += down[4] * right;
		c5 += down[5] * right;
		c6 += down[6] * right;
		c7 += down[7] * right;
	}
	LANES(tile) += sign * c0;
	LANES(tile + width) += sign * c1;
	LANES(tile + 2 * width) += sign * c2;
	LANES(tile + 3 * width) += sign * c3;
	LANES(tile + 4 * width) += sign * c4;
	LANES(tile + 5 * width) += sign * c5;
	LANES(tile + 6 * width) += sign * c6;
	LANES(tile + 7 * width) += sign * c7;
}

/*
 * Add the gathered rows to the equations.
 */
WIDE_FLOATS void
normal_flush(Normal *normal)
{
	int32_t width = normal->width;

	for (int32_t top = 0; top < width; top += NORMAL_LANES)
		for (int32_t left = top; left < width; left += NORMAL_LANES)
			update_tile(normal->matrix + (size_t) top * width + left, normal->chunk,
						normal->n_chunk, width, top, left, 1);
	for (int32_t left = 0; left < width; left += NORMAL_LANES)
	{
		Lanes sum = LANES(normal->right + left);

		for (int32_t k = 0; k < normal->n_chunk; k++)
			sum += normal->target[k] * CONST_LANES(normal->chunk + (size_t) k * width + left);
		LANES(normal->right + left) = sum;
	}
	normal->n_chunk = 0;
}

/*
 * Factorize a row of tiles from the one on the diagonal on, from which all has been
 * subtracted that lies above.  False if not positive definite.
 */
ALWAYS_INLINE bool
factor_tiles(float *matrix, int32_t width, int32_t top)
{
	for (int32_t i = 0; i < NORMAL_LANES; i++)
	{
		float *row = matrix + (size_t) (top + i) * width;
		float pivot = row[top + i];
		float scale;

		if (!(pivot > 0) || isinf(pivot))
			return false;
		scale = 1 / sqrtf(pivot);
		for (int32_t left = top; left < width; left += NORMAL_LANES)
			LANES(row + left) *= scale;
		for (int32_t below = i + 1; below < NORMAL_LANES; below++)
		{
			float *other = row + (size_t) (below - i) * width;
			float factor = row[top + below];

			for (int32_t left = top; left < width; left += NORMAL_LANES)
				LANES(other + left) -= factor * LANES(row + left);
		}
	}
	return true;
}

/*
 * Replace the matrix A by R with A = R' R, and the right side b by y with R' y = b.
 * False if A is not positive definite: then both are lost.
 */
WIDE_FLOATS bool
normal_factor(Normal *normal)
{
	int32_t width = normal->width;
	float *matrix = normal->matrix;

	if (normal->n_chunk > 0)
		normal_flush(normal);
	for (int32_t i = normal->n; i < width; i++)
		matrix[(size_t) i * width + i] = 1;
	for (int32_t top = 0; top < width; top += NORMAL_LANES)
	{
		for (int32_t left = top; left < width; left += NORMAL_LANES)
			update_tile(matrix + (size_t) top * width + left, matrix, top, width, top, left, -1);
		if (!factor_tiles(matrix, width, top))
			return false;
	}
	normal_forward(normal, normal->right);
	return true;
}

/*
 * After normal_factor: replace x, width floats, by y with R' y = x.
 */
WIDE_FLOATS void
normal_forward(const Normal *normal, float *x)
{
	int32_t width = normal->width;

	for (int32_t i = 0; i < width; i++)
	{
		const float *row = normal->matrix + (size_t) i * width;
		int32_t next = (i / NORMAL_LANES + 1) * NORMAL_LANES;
		float y = x[i] / row[i];

		for (int32_t j = i + 1; j < next; j++)
			x[j] -= y * row[j];
		for (int32_t left = next; left < width; left += NORMAL_LANES)
			LANES(x + left) -= y * CONST_LANES(row + left);
		x[i] = y;
	}
}

/*
 * After normal_factor: the solution or, with n standard normal numbers as noise, a
 * draw from the distribution; width floats.
 */
WIDE_FLOATS void
normal_solve(const Normal *normal, const float *noise, float *solution)
{
	int32_t width = normal->width;

	memset(solution, 0, width * sizeof(float));
	for (int32_t i = normal->n - 1; i >= 0; i--)
	{
		const float *row = normal->matrix + (size_t) i * width;
		Lanes products = {0};
		float value = normal->right[i] + (noise != NULL ? noise[i] : 0);

		/* The solution is zero up to i as yet, whatever lies below the diagonal. */
		for (int32_t left = i / NORMAL_LANES * NORMAL_LANES; left < width; left += NORMAL_LANES)
			products += CONST_LANES(row + left) * CONST_LANES(solution + left);
		for (int32_t lane = 0; lane < NORMAL_LANES; lane++)
			value -= products[lane];
		solution[i] = value / row[i];
	}
}
