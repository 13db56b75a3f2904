/*
 * socrec.c
 *		The module itself: there is no state to set up.
 */
#include "postgres.h"

#include "socrec.h"

PG_MODULE_MAGIC;
