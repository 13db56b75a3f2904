/*
 * prediction.h
 *		What aggregates that make lists of items share.
 */
#ifndef PREDICTION_H
#define PREDICTION_H

#include "fmgr.h"

#define TOPK_PREFIX score
#define TOPK_SCORE double
#include "topk.h"

/* Items that a list may have. */
#define MAX_TOP_ITEMS 1000000

extern Datum scored_items(FunctionCallInfo fcinfo, const score_entry *entries, int32 n,
						  const int32 *support);

#endif /* PREDICTION_H */
