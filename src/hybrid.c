/*
 * hybrid.c
 *		The weights of a hybrid's parts.
 */
#include "postgres.h"

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "method_hybrid.h"
#include "ratings.h"
#include "socrec.h"

void
hybrid_fit_weights(Hybrid *hybrid, Jsonb *options, Progress *progress)
{
	if (!hybrid_read_weights(hybrid, options))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("a hybrid without weights is not supported"),
						errhint("Give every part a \"weight\".")));
}

static void
write_weights(const Hybrid *hybrid, ReturnSetInfo *result)
{
	for (int i = 0; i < hybrid->n_parts; i++)
	{
		Datum values[] = {Int32GetDatum(i + 1), Float8GetDatum(hybrid->parts[i].rank_weight),
						  Float8GetDatum(hybrid->parts[i].prediction_weight)};
		bool nulls[lengthof(values)] = {0};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/*
 * hybrid_weights(query, options) returns (part, rank_weight, prediction_weight) of a
 * hybrid with these options, which are complete, of the ratings of a query
 * (user, item[, rating]).
 *
 * Errors: those of ratings_load and of the parts' fits.
 */
PG_FUNCTION_INFO_V1(socrec_hybrid_weights);
Datum
socrec_hybrid_weights(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Progress progress;

	InitMaterializedSRF(fcinfo, 0);
	progress_start(&progress, "weights of a hybrid");
	PG_TRY();
	{
		Ratings *ratings = ratings_load(text_to_cstring(PG_GETARG_TEXT_PP(0)), false, &progress);
		Jsonb *options = PG_GETARG_JSONB_P(1);
		Hybrid *hybrid = hybrid_create(ratings, ratings->has_values, options, &ratings->budget);

		hybrid_fit_weights(hybrid, options, &progress);
		write_weights(hybrid, result);
		ratings_free(ratings);
	}
	PG_FINALLY();
	{
		progress_end(&progress);
	}
	PG_END_TRY();
	return (Datum) 0;
}
