/*
 * metrics.h
 *		Arguments that metrics have in common.
 */
#ifndef METRICS_H
#define METRICS_H

#include "fmgr.h"

#define DEFAULT_BINS 10
#define MAX_BINS 10000

extern float8 metric_weight(FunctionCallInfo fcinfo, int argument);
extern int32 metric_count(FunctionCallInfo fcinfo, int argument, const char *name, int32 most);
extern int32 metric_bins(FunctionCallInfo fcinfo, int argument);

#endif /* METRICS_H */
