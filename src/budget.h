/*
 * budget.h
 *		Memory that is accounted for: asked for before it is taken, refused past
 *		maintenance_work_mem.
 */
#ifndef BUDGET_H
#define BUDGET_H

#include "storage/shmem.h" /* add_size, mul_size */
#include "utils/palloc.h"

typedef struct Budget
{
	MemoryContext context; /* what is taken goes there */
	MemoryContext total;   /* holds all that is accounted for: context, or one above it */
	Size limit;            /* bytes that total may grow to */
	const char *task;      /* what it is for, as the subject of a message */
	Size shared;           /* bytes of shared memory, which is in no context */
	int64 rows;            /* read so far, for messages */
} Budget;

extern void budget_init(Budget *budget, const char *task);
extern void budget_part(Budget *part, const Budget *whole);
extern bool budget_fits(const Budget *budget, Size more);
extern void budget_check(Budget *budget, Size more, const char *what);
extern void *budget_alloc(Budget *budget, Size count, Size size, const char *what);

#endif /* BUDGET_H */
