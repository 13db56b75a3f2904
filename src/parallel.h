/*
 * parallel.h
 *		Work in blocks, shared among this process and parallel workers.
 *
 * The leader fills one area of memory and runs a task over it.  A task is an
 * exported function of this library, so that workers find it by name; it takes
 * the numbers of blocks from a cursor until there are none left, and writes what
 * it finds to places in the area that belong to the block.  Then the result is
 * the same whoever does which.
 */
#ifndef SOCREC_PARALLEL_H
#define SOCREC_PARALLEL_H

#include "port/atomics.h"
#include "storage/dsm.h"

#include "budget.h"

typedef struct ParallelArea
{
	void *memory;         /* zeroed */
	dsm_segment *segment; /* NULL: the memory is this process's own */
} ParallelArea;

typedef struct ParallelCursor
{
	pg_atomic_uint64 next;
	uint64 n_blocks;
} ParallelCursor;

typedef void (*ParallelTask)(void *memory, ParallelCursor *cursor);

extern void parallel_area_init(ParallelArea *area, Budget *budget, Size size, bool shared,
							   const char *what);
extern void parallel_area_free(ParallelArea *area);
extern void parallel_run(ParallelArea *area, ParallelTask task, const char *name, uint64 n_blocks);
extern bool parallel_next(ParallelCursor *cursor, uint64 *block);

#endif /* SOCREC_PARALLEL_H */
