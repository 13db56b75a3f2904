/*
 * socrec.h
 *		What every file of the extension shares.
 *
 * Include it after postgres.h.
 */
#ifndef SOCREC_H
#define SOCREC_H

#include "fmgr.h"

/*
 * Raise an error about an argument: SQLSTATE 22023, PostgreSQL's style of
 * message (lower case, no full stop, the offending value in it).
 */
#define invalid_argument(...) \
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg(__VA_ARGS__)))

#endif /* SOCREC_H */
