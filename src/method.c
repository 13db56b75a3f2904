/*
 * method.c
 *		The table of methods, and what all of them need to read their options.
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "method.h"
#include "socrec.h"

static const Method *const methods[] = {&method_item_knn, &method_user_knn,  &method_ease,
										&method_slim,     &method_slope_one, &method_popular,
										&method_baseline, &method_ials,      &method_als,
										&method_bayes_mf, &method_bpr,       &method_hybrid};

/*
 * The method of that name, or an error that names them all.
 */
const Method *
method_find(const char *name)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < lengthof(methods); i++)
	{
		if (strcmp(name, methods[i]->name) == 0)
			return methods[i];
		appendStringInfo(&list, "%s%s", i == 0 ? "" : ", ", methods[i]->name);
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown method \"%s\"", name),
					errhint("Use one of: %s.", list.data)));
}

/*
 * The value of an option.  SQL has checked options and filled in defaults, but
 * anybody may call a function by hand.
 */
static JsonbValue *
option(Jsonb *options, const char *name, enum jbvType type)
{
	JsonbValue *value = NULL;

	if (JB_ROOT_IS_OBJECT(options))
		value = getKeyJsonValueFromContainer(&options->root, name, strlen(name), NULL);
	if (value == NULL || value->type != type)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("options lack \"%s\", or it is of another type", name),
						errhint("socrec.model_options() completes options.")));
	return value;
}

double
method_number(Jsonb *options, const char *name)
{
	JsonbValue *value = option(options, name, jbvNumeric);

	return DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value->val.numeric)));
}

/*
 * One that must be a whole number within bounds.
 */
int32
method_whole(Jsonb *options, const char *name, int32 minimum, int32 maximum)
{
	double value = method_number(options, name);

	if (!(value >= minimum && value <= maximum) || value != floor(value))
		invalid_argument("option \"%s\" must be a whole number from %d to %d, not %g", name,
						 minimum, maximum, value);
	return (int32) value;
}

bool
method_boolean(Jsonb *options, const char *name)
{
	return option(options, name, jbvBool)->val.boolean;
}

char *
method_word(Jsonb *options, const char *name)
{
	JsonbValue *value = option(options, name, jbvString);

	return pnstrdup(value->val.string.val, value->val.string.len);
}

/*
 * One that is an object or an array.
 */
Jsonb *
method_document(Jsonb *options, const char *name)
{
	return JsonbValueToJsonb(option(options, name, jbvBinary));
}

void
targets_init(Targets *targets, int32 n_columns, const Budget *budget)
{
	*targets = (Targets){.budget = *budget};
	targets->place = budget_alloc(&targets->budget, n_columns, sizeof(int32), "predictions");
	for (int32 column = 0; column < n_columns; column++)
		targets->place[column] = -1;
}

/*
 * Ask for n columns, of which -1 is unknown: nothing has been said about them.
 */
void
targets_set(Targets *targets, const int32 *columns, int32 n)
{
	if (n > targets->room)
	{
		if (targets->opinions != NULL)
			pfree(targets->opinions);
		targets->opinions = NULL;
		targets->opinions = budget_alloc(&targets->budget, n, sizeof(Opinion), "predictions");
		targets->room = n;
	}
	for (int32 i = 0; i < n; i++)
	{
		targets->opinions[i] = (Opinion){0};
		if (columns[i] >= 0)
			targets->place[columns[i]] = i;
	}
}

void
targets_clear(Targets *targets, const int32 *columns, int32 n)
{
	for (int32 i = 0; i < n; i++)
		if (columns[i] >= 0)
			targets->place[columns[i]] = -1;
}
