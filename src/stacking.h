/*
 * stacking.h
 *		Weights that are not negative, for blending what several models say.
 *
 * No dependency on the server.
 */
#ifndef STACKING_H
#define STACKING_H

#include <stdint.h>

/* Inputs of a regression: models, and the constant. */
#define STACKING_MAX 32

/* Examples to learn a logistic regression from, row by row. */
typedef struct StackingRows
{
	int n_inputs;
	int64_t n;
	const float *inputs;    /* n * n_inputs, of the size of 1 */
	const uint8_t *outcome; /* n: 0 or 1 */
	double ridge;           /* > 0: half of it times the sum of squared weights is a penalty */
	void (*pause)(void);    /* called some times a second, if it is not NULL */
} StackingRows;

extern void stacking_minimize(int n, int n_bounded, const double *gram, const double *product,
							  double *weights);
extern void stacking_logistic(const StackingRows *rows, double *weights);

#endif /* STACKING_H */
