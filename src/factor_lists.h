/*
 * factor_lists.h
 *		Lists of the best items for many users at once, of a model with factors.
 */
#ifndef FACTOR_LISTS_H
#define FACTOR_LISTS_H

#include "method.h"

extern int32 *factor_lists_order(const FactorModel *model, Budget *budget);
extern void factor_lists_make(const FactorModel *model, const int32 *order, const MethodUser *users,
							  int32 n_users, score_heap *heaps, Budget *budget);

#endif /* FACTOR_LISTS_H */
