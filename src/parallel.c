/*
 * parallel.c
 *		Work in blocks, shared among this process and parallel workers.
 *
 * The area is a dynamic shared memory segment of its own, made before there is
 * any parallel context: so when none can be had, the area is ordinary memory and
 * the leader does all blocks.  The parallel context carries only the handle of
 * the area, the name of the task and the cursor.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#include "parallel.h"

#define LIBRARY "$libdir/socrec"
#define KEY_JOB UINT64CONST(1)

/* What a parallel context needs of shared memory beside the area, amply. */
#define CONTEXT_SIZE (1024 * 1024)

typedef struct ParallelJob
{
	dsm_handle area;
	char task[NAMEDATALEN];
	ParallelCursor cursor;
} ParallelJob;

PGDLLEXPORT void socrec_parallel_worker(dsm_segment *segment, shm_toc *toc);

/*
 * A segment of shared memory that belongs to the current resource owner, or
 * NULL when there is no room for it.
 *
 * What a failed attempt leaves behind belongs to an owner made for it, which is
 * then released as if aborted.
 */
static dsm_segment *
create_segment(Size size)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ResourceOwner attempt = ResourceOwnerCreate(owner, "socrec parallel area");
	dsm_segment *volatile segment = NULL;

	PG_TRY();
	{
		CurrentResourceOwner = attempt;
		segment = dsm_create(size, DSM_CREATE_NULL_IF_MAXSEGMENTS);
	}
	PG_CATCH();
	{
		CurrentResourceOwner = owner;
		MemoryContextSwitchTo(context);
		/* What was wrong may not be known: a file that cannot grow tells no reason. */
		if (ERRCODE_TO_CATEGORY(geterrcode()) == ERRCODE_OPERATOR_INTERVENTION)
			PG_RE_THROW();
		FlushErrorState();
		segment = NULL;
	}
	PG_END_TRY();
	CurrentResourceOwner = owner;
	if (segment != NULL)
	{
		/* Together these two hand it over to the current owner. */
		dsm_pin_mapping(segment);
		dsm_unpin_mapping(segment);
	}
	ResourceOwnerRelease(attempt, RESOURCE_RELEASE_BEFORE_LOCKS, false, false);
	ResourceOwnerRelease(attempt, RESOURCE_RELEASE_LOCKS, false, false);
	ResourceOwnerRelease(attempt, RESOURCE_RELEASE_AFTER_LOCKS, false, false);
	ResourceOwnerDelete(attempt);
	return segment;
}

/*
 * An area of memory for tasks, asked for like any other memory; of shared memory when
 * that is wished, when workers are allowed and there is room for it.
 */
void
parallel_area_alloc(ParallelArea *area, Budget *budget, Size size, bool shared, const char *what)
{
	*area = (ParallelArea){.budget = budget, .size = size};
	budget_check(budget, size, what);
	if (shared && max_parallel_maintenance_workers > 0 && IsUnderPostmaster)
	{
		/* Room that is there now will be there for the parallel context. */
		dsm_segment *reserve = create_segment(CONTEXT_SIZE);

		if (reserve != NULL)
		{
			area->segment = create_segment(size);
			dsm_detach(reserve);
		}
		if (area->segment == NULL)
			ereport(DEBUG1,
					(errmsg_internal("socrec: no shared memory of %zu bytes, no workers", size)));
	}
	if (area->segment != NULL)
	{
		area->memory = dsm_segment_address(area->segment);
		budget->shared += size;
	}
	else
		area->memory = MemoryContextAllocHuge(budget->context, size);
}

/*
 * The same, zeroed.
 */
void
parallel_area_init(ParallelArea *area, Budget *budget, Size size, bool shared, const char *what)
{
	parallel_area_alloc(area, budget, size, shared, what);
	memset(area->memory, 0, size);
}

/*
 * A place for an array in an area of so far that size, at a multiple of a cache line.
 */
Size
parallel_place(Size *size, Size count, Size element)
{
	Size place = *size;

	*size = add_size(place, CACHELINEALIGN(mul_size(count, element)));
	return place;
}

void
parallel_area_free(ParallelArea *area)
{
	if (area->segment != NULL)
	{
		area->budget->shared -= area->size;
		dsm_detach(area->segment);
	}
	else
		pfree(area->memory);
}

/*
 * Take the next block from the cursor; false when there is none left.
 */
bool
parallel_next(ParallelCursor *cursor, uint64 *block)
{
	CHECK_FOR_INTERRUPTS();
	*block = pg_atomic_fetch_add_u64(&cursor->next, 1);
	return *block < cursor->n_blocks;
}

/*
 * No phase is open yet.
 */
void
parallel_phases_init(ParallelPhases *phases, uint64 n_blocks)
{
	phases->n_blocks = n_blocks;
	pg_atomic_init_u64(&phases->finished, 0);
	pg_atomic_init_u64(&phases->open, 0);
	ConditionVariableInit(&phases->opened);
}

/*
 * Wait until the phase is open that a block, counted over all phases, belongs to; false
 * when there will be none.  Whoever works on the blocks before has an end of its own, or
 * an error that ends this wait too.
 */
bool
parallel_phase_wait(ParallelPhases *phases, uint64 block)
{
	while (pg_atomic_read_u64(&phases->open) <= block)
		ConditionVariableSleep(&phases->opened, PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();
	pg_memory_barrier();
	return pg_atomic_read_u64(&phases->open) != PG_UINT64_MAX;
}

/*
 * A block is finished.  True to the one process whose block was the last of its
 * phase: it has all to itself, and must open the next phase.
 */
bool
parallel_phase_finish(ParallelPhases *phases)
{
	pg_memory_barrier();
	return pg_atomic_add_fetch_u64(&phases->finished, 1) == pg_atomic_read_u64(&phases->open);
}

void
parallel_phase_open(ParallelPhases *phases)
{
	pg_memory_barrier();
	pg_atomic_fetch_add_u64(&phases->open, phases->n_blocks);
	ConditionVariableBroadcast(&phases->opened);
}

/*
 * A block is finished, where it is the leader who opens phases.
 */
void
parallel_phase_done(ParallelPhases *phases)
{
	if (parallel_phase_finish(phases))
		ConditionVariableBroadcast(&phases->opened);
}

/*
 * The leader waits until all blocks of the phases opened are finished.
 */
void
parallel_phases_join(ParallelPhases *phases)
{
	while (pg_atomic_read_u64(&phases->finished) < pg_atomic_read_u64(&phases->open))
		ConditionVariableSleep(&phases->opened, PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();
	pg_memory_barrier();
}

void
parallel_phases_end(ParallelPhases *phases)
{
	pg_atomic_write_u64(&phases->open, PG_UINT64_MAX);
	ConditionVariableBroadcast(&phases->opened);
}

static void
start_cursor(ParallelCursor *cursor, uint64 n_blocks)
{
	pg_atomic_init_u64(&cursor->next, 0);
	cursor->n_blocks = n_blocks;
}

/*
 * What a worker does.
 */
void
socrec_parallel_worker(dsm_segment *segment, shm_toc *toc)
{
	ParallelJob *job = shm_toc_lookup(toc, KEY_JOB, false);
	dsm_segment *area = dsm_attach(job->area);
	ParallelTask task;

	if (area == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("could not map dynamic shared memory segment")));
	task = (ParallelTask) load_external_function(LIBRARY, job->task, true, NULL);
	task(dsm_segment_address(area), &job->cursor);
	dsm_detach(area);
}

/*
 * Run the task, an exported function of the given name, over all blocks: in
 * parallel workers, up to max_parallel_maintenance_workers and as many as there
 * are to be had, and in this process.  An error in one of them ends all.
 */
void
parallel_run(ParallelArea *area, ParallelTask task, const char *name, uint64 n_blocks)
{
	ParallelContext *context;
	ParallelJob *job;
	int n_workers = Min((uint64) max_parallel_maintenance_workers, n_blocks / 2);

	if (area->segment == NULL || n_workers == 0 || IsInParallelMode())
	{
		ParallelCursor cursor;

		start_cursor(&cursor, n_blocks);
		task(area->memory, &cursor);
		return;
	}

	/* On an error the end of the transaction, or subtransaction, cleans up. */
	EnterParallelMode();
	context = CreateParallelContext(LIBRARY, "socrec_parallel_worker", n_workers);
	shm_toc_estimate_chunk(&context->estimator, sizeof(ParallelJob));
	shm_toc_estimate_keys(&context->estimator, 1);
	InitializeParallelDSM(context);
	job = shm_toc_allocate(context->toc, sizeof(ParallelJob));
	job->area = dsm_segment_handle(area->segment);
	strlcpy(job->task, name, sizeof(job->task));
	start_cursor(&job->cursor, n_blocks);
	shm_toc_insert(context->toc, KEY_JOB, job);
	if (context->seg != NULL)
		LaunchParallelWorkers(context);
	ereport(DEBUG1, (errmsg_internal("socrec: %s in this process and %d of %d workers", name,
									 context->nworkers_launched, n_workers)));
	task(area->memory, &job->cursor);
	WaitForParallelWorkersToFinish(context);
	DestroyParallelContext(context);
	ExitParallelMode();
}
