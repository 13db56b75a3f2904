/*
 * budget.c
 *		Memory that is accounted for.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "budget.h"

/*
 * A budget of maintenance_work_mem, with a memory context of its own below the
 * current one: deleting the context frees all of it.
 */
void
budget_init(Budget *budget, const char *task)
{
	budget->context =
		AllocSetContextCreate(CurrentMemoryContext, "socrec budget", ALLOCSET_DEFAULT_SIZES);
	budget->total = budget->context;
	budget->limit = (Size) maintenance_work_mem * 1024;
	budget->task = task;
	budget->shared = 0;
	budget->rows = 0;
}

/*
 * A part of a budget: what is taken from it counts toward the whole, but lies in
 * a memory context of its own, which can be deleted before the whole is.
 */
void
budget_part(Budget *part, const Budget *whole)
{
	*part = *whole;
	part->context =
		AllocSetContextCreate(whole->context, "socrec budget part", ALLOCSET_DEFAULT_SIZES);
}

static Size
used_by(const Budget *budget)
{
	return add_size(MemoryContextMemAllocated(budget->total, true), budget->shared);
}

/*
 * Would `more` bytes stay within the limit?
 */
bool
budget_fits(const Budget *budget, Size more)
{
	return add_size(used_by(budget), more) <= budget->limit;
}

/*
 * Refuse to go on when `more` bytes would pass the limit; `what` names what they
 * are for.
 */
void
budget_check(Budget *budget, Size more, const char *what)
{
	Size used = used_by(budget);
	Size needed = add_size(used, more);

	if (needed > budget->limit)
		ereport(
			ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("%s needs at least %zu MB of memory, maintenance_work_mem allows %zu MB",
					budget->task, needed / (1024 * 1024) + 1, budget->limit / (1024 * 1024)),
			 errdetail("%zu MB are in use and %zu MB more are needed for %s, at " INT64_FORMAT
					   " rows.",
					   used / (1024 * 1024), more / (1024 * 1024) + 1, what, budget->rows),
			 errhint(
				 "Raise maintenance_work_mem, for this session or for the role that runs it.")));
}

/*
 * Zeroed memory for count elements of the given size, accounted for.
 */
void *
budget_alloc(Budget *budget, Size count, Size size, const char *what)
{
	Size bytes = mul_size(Max(count, 1), size);

	budget_check(budget, bytes, what);
	return MemoryContextAllocExtended(budget->context, bytes, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}
