/*
 * gram.c
 *		What pairs of columns of a sparse matrix have in common, one column at a time.
 *
 * The rows that have the column are walked through, and what they hold is added to
 * arrays with one element a column: no search, no hash table.
 */
#include "gram.h"

/*
 * Set the cursor of every row, n_rows of them, to its first entry of that column or
 * of a later one.
 */
void
gram_start(const KnnMatrix *matrix, int32_t column, int64_t *cursor)
{
	for (int32_t row = 0; row < matrix->n_rows; row++)
	{
		int64_t low = matrix->row_start[row];
		int64_t high = matrix->row_start[row + 1];

		while (low < high)
		{
			int64_t middle = low + (high - low) / 2;

			if (matrix->entries[middle].column < column)
				low = middle + 1;
			else
				high = middle;
		}
		cursor[row] = low;
	}
}

/*
 * Add a column of the Gram matrix, the sums over rows of the product of the column
 * with every other and itself, to an array of n_columns elements; with lower only
 * those from the column itself on.
 */
void
gram_products(const KnnMatrix *matrix, int32_t column, bool lower, int64_t *cursor,
			  double *products)
{
	for (int64_t p = matrix->column_start[column]; p < matrix->column_start[column + 1]; p++)
	{
		int32_t row = matrix->column_row[p];
		const KnnEntry *own = matrix->entries + cursor[row]++;
		const KnnEntry *end = matrix->entries + matrix->row_start[row + 1];
		double value = own->value;

		for (const KnnEntry *entry = lower ? own : matrix->entries + matrix->row_start[row];
			 entry < end; entry++)
			products[entry->column] += value * entry->value;
	}
}

/*
 * Add to two arrays of n_columns elements: for every column, the sum over the rows
 * that have both of its value less that of the given column, and their number.
 */
void
gram_differences(const KnnMatrix *matrix, int32_t column, int64_t *cursor, double *differences,
				 int32_t *support)
{
	for (int64_t p = matrix->column_start[column]; p < matrix->column_start[column + 1]; p++)
	{
		int32_t row = matrix->column_row[p];
		double value = matrix->entries[cursor[row]++].value;

		for (int64_t q = matrix->row_start[row]; q < matrix->row_start[row + 1]; q++)
		{
			const KnnEntry *entry = &matrix->entries[q];

			differences[entry->column] += entry->value - value;
			support[entry->column]++;
		}
	}
}
