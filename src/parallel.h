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
#include "storage/condition_variable.h"
#include "storage/dsm.h"

#include "budget.h"

typedef struct ParallelArea
{
	void *memory;
	dsm_segment *segment; /* NULL: the memory is this process's own */
	Budget *budget;       /* that it was taken from */
	Size size;
} ParallelArea;

/* An array in the area, and one that stands where a member of the area, a Size, says. */
#define PARALLEL_AT(area, offset, type) ((type *) ((char *) (area) + (offset)))
#define PARALLEL_ARRAY(area, member, type) PARALLEL_AT(area, (area)->member, type)

typedef struct ParallelCursor
{
	pg_atomic_uint64 next;
	uint64 n_blocks;
} ParallelCursor;

/*
 * Work that goes in phases, each of n_blocks blocks, one after the other: blocks of
 * one begin when all of the one before are finished.  It lies in the area.
 *
 * A phase is opened by whoever has finished the one before (parallel_phase_finish), or
 * all are by the leader, who may not know how many there will be (parallel_phase_done,
 * parallel_phases_join, parallel_phases_end).
 */
typedef struct ParallelPhases
{
	uint64 n_blocks;
	pg_atomic_uint64 finished; /* blocks, of all phases */
	pg_atomic_uint64 open;     /* blocks that may begin, of all phases */
	ConditionVariable opened;
} ParallelPhases;

typedef void (*ParallelTask)(void *memory, ParallelCursor *cursor);

extern void parallel_area_alloc(ParallelArea *area, Budget *budget, Size size, bool shared,
								const char *what);
extern void parallel_area_init(ParallelArea *area, Budget *budget, Size size, bool shared,
							   const char *what);
extern Size parallel_place(Size *size, Size count, Size element);
extern void parallel_area_free(ParallelArea *area);
extern void parallel_run(ParallelArea *area, ParallelTask task, const char *name, uint64 n_blocks);
extern bool parallel_next(ParallelCursor *cursor, uint64 *block);
extern void parallel_phases_init(ParallelPhases *phases, uint64 n_blocks);
extern bool parallel_phase_wait(ParallelPhases *phases, uint64 block);
extern bool parallel_phase_finish(ParallelPhases *phases);
extern void parallel_phase_open(ParallelPhases *phases);
extern void parallel_phase_done(ParallelPhases *phases);
extern void parallel_phases_join(ParallelPhases *phases);
extern void parallel_phases_end(ParallelPhases *phases);

#endif /* SOCREC_PARALLEL_H */
