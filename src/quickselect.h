/*
 * quickselect.h
 *		The value at a rank, without sorting.
 */
#ifndef QUICKSELECT_H
#define QUICKSELECT_H

#include "miscadmin.h"

/*
 * The value that would stand at place k if the values were sorted (Hoare's
 * quickselect); moves them.
 */
static inline double
quickselect(double *values, int64 n, int64 k)
{
	int64 low = 0;
	int64 high = n - 1;

	while (low < high)
	{
		double pivot = values[low + (high - low) / 2];
		int64 i = low;
		int64 j = high;

		CHECK_FOR_INTERRUPTS();
		while (i <= j)
		{
			while (values[i] < pivot)
				i++;
			while (values[j] > pivot)
				j--;
			if (i <= j)
			{
				double value = values[i];

				values[i++] = values[j];
				values[j--] = value;
			}
		}
		if (k <= j)
			high = j;
		else if (k >= i)
			low = i;
		else
			break;
	}
	return values[k];
}

#endif /* QUICKSELECT_H */
