/*
 * factor.c
 *		A fitted factor model: what every method of the family shares.
 */
#include "postgres.h"

#include "factor.h"

/*
 * Room for a model of that shape, all zero but for what the shape says.
 */
FactorModel *
factor_model_create(const FactorShape *shape, int32 n_items, Budget *budget)
{
	FactorModel *model = budget_alloc(budget, 1, sizeof(FactorModel), "factors");
	FactorPrior *prior = &model->prior;
	Size solved = factor_solved(shape);
	Size samples = shape->n_samples;

	prior->shape = *shape;
	prior->offset = budget_alloc(budget, samples, sizeof(double), "factors");
	prior->noise = budget_alloc(budget, samples, sizeof(double), "factors");
	prior->precision = budget_alloc(budget, samples * solved * solved, sizeof(float), "factors");
	prior->shift = budget_alloc(budget, samples * solved, sizeof(float), "factors");
	model->n_items = n_items;
	model->items =
		budget_alloc(budget, (Size) n_items * factor_length(shape), sizeof(float), "factors");
	return model;
}
