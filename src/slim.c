/*
 * slim.c
 *		Non-negative elastic net of one column on all others, given the Gram matrix.
 *
 * For the column j with the Gram matrix G, this finds the weights w that minimize
 *
 *		w'Gw / 2 - G[j]'w + l1 sum(w) + l2 w'w / 2,  w >= 0 and w[j] = 0
 *
 * which is |x[j] - Xw|^2 / 2 and the penalties (Ning and Karypis, SLIM: Sparse Linear
 * Methods for Top-N Recommender Systems, ICDM 2011), by coordinate descent with
 * covariance updates (Friedman, Hastie and Tibshirani, Regularization Paths for
 * Generalized Linear Models via Coordinate Descent, J. Stat. Software 33(1), 2010).
 *
 * Sweeps go over the columns that are active, as they have a weight or want one, and
 * bring the gradients of these alone up to date.  When they change no more, the gradients of all
 *columns show which others want one.
 */
#include <math.h>
#include <string.h>

#include "slim.h"

/* Additions between two calls of poll. */
#define POLL_WORK (1 << 22)

/*
 * The best value of a weight, the others as they are.
 */
static inline double
best_weight(const SlimProblem *problem, const SlimWork *work, int32_t i)
{
	double diagonal = problem->gram[(int64_t) i * problem->n + i];
	double value = work->gradient[i] + diagonal * work->weight[i] - problem->l1;

	return value > 0 ? value / (diagonal + problem->l2) : 0;
}

/*
 * Set the active weights one after the other; returns the largest change.
 */
static double
sweep(const SlimProblem *problem, SlimWork *work, int32_t n_active)
{
	double largest = 0;

	for (int32_t a = 0; a < n_active; a++)
	{
		int32_t i = work->active[a];
		const float *row = problem->gram + (int64_t) i * problem->n;
		double change = best_weight(problem, work, i) - work->weight[i];

		if (change == 0)
			continue;
		work->weight[i] += change;
		work->pending[i] += change;
		for (int32_t b = 0; b < n_active; b++)
			work->gradient[work->active[b]] -= change * row[work->active[b]];
		if (fabs(change) > largest)
			largest = fabs(change);
	}
	return largest;
}

/*
 * Bring the gradients of the columns that are not active up to date.
 */
static void
settle(const SlimProblem *problem, SlimWork *work, int32_t n_active)
{
	for (int32_t a = 0; a < n_active; a++)
	{
		int32_t i = work->active[a];
		const float *row = problem->gram + (int64_t) i * problem->n;
		double change = work->pending[i];

		if (change == 0)
			continue;
		work->pending[i] = 0;
		for (int32_t other = 0; other < problem->n; other++)
			if (!work->is_active[other])
				work->gradient[other] -= change * row[other];
	}
}

/*
 * Make active what wants a weight; returns the number of active columns.
 */
static int32_t
activate(const SlimProblem *problem, SlimWork *work, int32_t column, int32_t n_active)
{
	for (int32_t i = 0; i < problem->n; i++)
		if (!work->is_active[i] && i != column && work->gradient[i] > problem->l1)
		{
			work->is_active[i] = true;
			work->active[n_active++] = i;
		}
	return n_active;
}

/*
 * Once most active columns have no weight, go on without them; returns the number of
 * active columns.
 */
static int32_t
deactivate(const SlimProblem *problem, SlimWork *work, int32_t n_active)
{
	int32_t n_positive = 0;
	int32_t kept = 0;

	for (int32_t a = 0; a < n_active; a++)
		n_positive += work->weight[work->active[a]] > 0;
	if (2 * n_positive > n_active)
		return n_active;
	settle(problem, work, n_active);
	for (int32_t a = 0; a < n_active; a++)
	{
		int32_t i = work->active[a];

		if (work->weight[i] > 0)
			work->active[kept++] = i;
		else
			work->is_active[i] = false;
	}
	return kept;
}

static void
poll(SlimWork *work, int64_t *done, int64_t more)
{
	*done += more;
	if (*done < POLL_WORK)
		return;
	*done = 0;
	work->poll(work->poll_argument);
}

/*
 * Leave the weights of the column in work.  False if they still changed by more than
 * the tolerance after the last epoch.
 */
bool
slim_solve(const SlimProblem *problem, int32_t column, SlimWork *work)
{
	const float *target = problem->gram + (int64_t) column * problem->n;
	int32_t n_active = 0;
	int32_t known = -1;
	int64_t done = 0;

	memset(work->weight, 0, problem->n * sizeof(double));
	memset(work->pending, 0, problem->n * sizeof(double));
	memset(work->is_active, 0, problem->n * sizeof(bool));
	for (int32_t i = 0; i < problem->n; i++)
		work->gradient[i] = target[i];
	n_active = activate(problem, work, column, n_active);
	for (int32_t epoch = 0; epoch < problem->epochs; epoch++)
	{
		double change = sweep(problem, work, n_active);
		double largest = 0;

		poll(work, &done, (int64_t) n_active * n_active);
		for (int32_t a = 0; a < n_active; a++)
			if (work->weight[work->active[a]] > largest)
				largest = work->weight[work->active[a]];
		if (change > problem->tolerance * largest)
		{
			n_active = deactivate(problem, work, n_active);
			continue;
		}
		settle(problem, work, n_active);
		poll(work, &done, (int64_t) n_active * problem->n);
		known = n_active;
		n_active = activate(problem, work, column, n_active);
		if (n_active == known)
			return true;
	}
	return n_active == 0;
}
