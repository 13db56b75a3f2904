/*
 * linear.c
 *		Finds the module of linear algebra when it is first needed.
 *
 * BLAS and LAPACK are linked with a second module, socrec_blas.c, so that this one
 * loads where they are missing, and sessions that need none do not load them: some
 * start threads as soon as they are loaded, on which a signal handler of
 * PostgreSQL's could then run.  Variables in the environment keep them from it,
 * which must be set before.
 */
#include "postgres.h"

#include "fmgr.h"

#include "linear.h"

#define LIBRARY "$libdir/socrec_blas"

/*
 * See to it that a BLAS that is loaded from now on has no threads.  A parallel
 * worker must call this first of all, as it loads the modules that its leader has.
 */
void
linear_forbid_threads(void)
{
	static const char *const variables[] = {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS",
											"MKL_NUM_THREADS", "BLIS_NUM_THREADS"};

	for (int i = 0; i < lengthof(variables); i++)
		setenv(variables[i], "1", 1);
}

/*
 * The routines of linear algebra.  Call it before any parallel work that needs
 * them: workers load what their leader has loaded.
 *
 * Errors: there is no such module, or what it needs is missing.
 */
const Linear *
linear_open(void)
{
	static const Linear *linear = NULL;
	MemoryContext context = CurrentMemoryContext;

	if (linear != NULL)
		return linear;
	linear_forbid_threads();
	PG_TRY();
	{
		LinearFunction function =
			(LinearFunction) load_external_function(LIBRARY, LINEAR_FUNCTION, true, NULL);

		linear = function();
	}
	PG_CATCH();
	{
		ErrorData *cause;

		MemoryContextSwitchTo(context);
		cause = CopyErrorData();
		FlushErrorState();
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("linear algebra is not available on this server"),
						errdetail("%s.", cause->message),
						errhint("Install BLAS and LAPACK, on Debian the package libopenblas-dev, "
								"and build and install socrec again.")));
	}
	PG_END_TRY();
	return linear;
}
