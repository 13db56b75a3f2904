/*
 * socrec.c
 *		The module itself, and what its long-running functions share.
 */
#include "postgres.h"

#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "socrec.h"

PG_MODULE_MAGIC;

void
progress_start(Progress *progress, const char *what)
{
	progress->what = what;
	progress->started = progress->reported = GetCurrentTimestamp();
}

/*
 * Tell that a fraction (0 to 1) of the work is done.
 */
void
progress_report(Progress *progress, double fraction)
{
	TimestampTz now = GetCurrentTimestamp();
	char name[NAMEDATALEN];

	if (!TimestampDifferenceExceeds(progress->reported, now, 1000))
		return;
	progress->reported = now;
	snprintf(name, sizeof(name), "socrec: %s %.0f %%", progress->what, 100 * fraction);
	pgstat_report_appname(name);
	ereport(NOTICE, (errmsg("%s: %.0f %% done after %.0f s", progress->what, 100 * fraction,
							(now - progress->started) / 1e6)));
}

/*
 * Give the session its own name back.  Call it on success and on error.
 */
void
progress_end(Progress *progress)
{
	if (progress->reported != progress->started)
		pgstat_report_appname(application_name);
}
