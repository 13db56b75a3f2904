/*
 * stacking.c
 *		Weights that are not negative, for blending what several models say: linear
 *		ones (Breiman, Stacked Regressions, Machine Learning 24, 1996, who found that
 *		they should not be negative) and logistic ones.
 */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "logistic.h"
#include "stacking.h"

#define MAX_SWEEPS 100000
#define MAX_STEPS 100
#define MAX_HALVINGS 50
#define PAUSE_ROWS 8192

/*
 * Minimize w'Gw / 2 - p'w over w of which the first n_bounded are not negative, by
 * one weight after the other (Franc, Hlavac and Navara, Sequential Coordinate-Wise
 * Algorithm for the Non-negative Least Squares Problem, CAIP 2005).  G is n by n,
 * symmetric and positive semidefinite.  Weights hold the start, and get the result; one
 * whose diagonal element is 0 stays as it is.
 */
void
stacking_minimize(int n, int n_bounded, const double *gram, const double *product, double *weights)
{
	for (int sweep = 0; sweep < MAX_SWEEPS; sweep++)
	{
		double moved = 0;
		double largest = 0;

		for (int i = 0; i < n; i++)
		{
			double slope = -product[i];
			double old = weights[i];

			if (!(gram[i * n + i] > 0))
				continue;
			for (int j = 0; j < n; j++)
				slope += gram[i * n + j] * weights[j];
			weights[i] = old - slope / gram[i * n + i];
			if (i < n_bounded && weights[i] < 0)
				weights[i] = 0;
			moved = fmax(moved, fabs(weights[i] - old));
			largest = fmax(largest, fabs(weights[i]));
		}
		if (moved <= 1e-15 * largest)
			break;
	}
}

/* Of the loss at some weights, the constant being the last of them. */
typedef struct Slope
{
	double loss;
	double gradient[STACKING_MAX];
	double hessian[STACKING_MAX * STACKING_MAX];
} Slope;

static void
add_row(const float *inputs, int n_inputs, double outcome, const double *weights, Slope *slope)
{
	int n = n_inputs + 1;
	double row[STACKING_MAX];
	double z = 0;
	double probability, curve;

	for (int i = 0; i < n; i++)
	{
		row[i] = i < n_inputs ? inputs[i] : 1;
		z += weights[i] * row[i];
	}
	probability = logistic(z);
	curve = probability * (1 - probability);
	slope->loss += log1p_exp(outcome > 0 ? -z : z);
	for (int i = 0; i < n; i++)
	{
		slope->gradient[i] += (probability - outcome) * row[i];
		for (int j = 0; j <= i; j++)
			slope->hessian[i * n + j] += curve * row[i] * row[j];
	}
}

/*
 * The sum over rows of -ln P(outcome), and the penalty, with its first two derivatives.
 */
static void
measure(const StackingRows *rows, const double *weights, Slope *slope)
{
	int n = rows->n_inputs + 1;

	memset(slope, 0, sizeof(Slope));
	for (int64_t i = 0; i < rows->n; i++)
	{
		if (i % PAUSE_ROWS == 0 && rows->pause != NULL)
			rows->pause();
		add_row(rows->inputs + i * rows->n_inputs, rows->n_inputs, rows->outcome[i], weights,
				slope);
	}
	for (int i = 0; i < rows->n_inputs; i++)
	{
		slope->loss += 0.5 * rows->ridge * weights[i] * weights[i];
		slope->gradient[i] += rows->ridge * weights[i];
		slope->hessian[i * n + i] += rows->ridge;
	}
	for (int i = 0; i < n; i++)
		for (int j = 0; j < i; j++)
			slope->hessian[j * n + i] = slope->hessian[i * n + j];
}

/*
 * A logistic regression with weights that are not negative and a constant, which is
 * not bounded, by Newton's method: each step minimizes the second-order expansion of
 * the loss under the bounds, and is halved until the loss falls.
 *
 * Weights, n_inputs + 1 with the constant last, hold the start, and get the result.
 * Both outcomes should be among the rows: with one alone the constant grows without end,
 * and the search stops after some steps.
 */
void
stacking_logistic(const StackingRows *rows, double *weights)
{
	int n = rows->n_inputs + 1;
	Slope slope;

	measure(rows, weights, &slope);
	for (int step = 0; step < MAX_STEPS; step++)
	{
		double product[STACKING_MAX], target[STACKING_MAX], tried[STACKING_MAX];
		double descent = 0;
		double loss = slope.loss;

		for (int i = 0; i < n; i++)
		{
			product[i] = -slope.gradient[i];
			for (int j = 0; j < n; j++)
				product[i] += slope.hessian[i * n + j] * weights[j];
			target[i] = weights[i];
		}
		stacking_minimize(n, rows->n_inputs, slope.hessian, product, target);
		for (int i = 0; i < n; i++)
			descent += slope.gradient[i] * (target[i] - weights[i]);
		if (!(descent < -1e-14 * loss))
			break;
		for (int halving = 0; halving < MAX_HALVINGS; halving++)
		{
			double length = ldexp(1, -halving);

			for (int i = 0; i < n; i++)
				tried[i] = weights[i] + length * (target[i] - weights[i]);
			measure(rows, tried, &slope);
			if (slope.loss <= loss + 1e-4 * length * descent)
				break;
		}
		if (!(slope.loss < loss))
			break;
		memcpy(weights, tried, n * sizeof(double));
	}
}
