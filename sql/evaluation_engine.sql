-- evaluation, the engine: splits of ratings, and methods measured on them, in
-- memory from one read of the ratings

CREATE FUNCTION split_ratings(
    query text,
    user_type anyelement,
    item_type anycompatible,
    split text DEFAULT 'global_time',
    test_fraction double precision DEFAULT NULL,
    folds integer DEFAULT NULL,
    n integer DEFAULT NULL,
    seed bigint DEFAULT 0)
RETURNS TABLE (user_id anyelement, item_id anycompatible, rating real, fold integer, part text)
AS 'MODULE_PATHNAME', 'socrec_split_ratings'
LANGUAGE c STABLE PARALLEL UNSAFE COST 1000000 ROWS 100000;

COMMENT ON FUNCTION split_ratings IS
    'the ratings of a query (user, item, rating, time), each once for every fold, and whether it is there to train, to test, or the profile of a test user';

CREATE FUNCTION evaluate_ratings(
    query text,
    user_type anyelement,
    item_type anycompatible,
    is_explicit boolean,
    methods text[],
    method_options jsonb[],
    split text DEFAULT 'global_time',
    test_fraction double precision DEFAULT NULL,
    folds integer DEFAULT NULL,
    n integer DEFAULT NULL,
    seed bigint DEFAULT 0,
    cutoffs integer[] DEFAULT '{5,10,20}',
    relevant double precision DEFAULT NULL,
    replicates integer DEFAULT 1000,
    confidence double precision DEFAULT 0.95,
    user_rows boolean DEFAULT false,
    prediction_rows boolean DEFAULT false)
RETURNS TABLE (
    kind text,
    fold integer,
    method integer,
    segment text,
    metric text,
    cutoff integer,
    value double precision,
    low double precision,
    high double precision,
    n_measured bigint,
    user_id anyelement,
    item_id anycompatible,
    actual double precision,
    predicted double precision,
    source text,
    n_relevant integer,
    "precision" double precision,
    recall double precision,
    hit_rate double precision,
    ndcg double precision,
    graded_ndcg double precision,
    average_precision double precision,
    reciprocal_rank double precision,
    auc double precision,
    squared_error double precision,
    absolute_error double precision,
    n_predictions integer)
AS 'MODULE_PATHNAME', 'socrec_evaluate_ratings'
LANGUAGE c STABLE PARALLEL UNSAFE COST 1000000 ROWS 1000;

COMMENT ON FUNCTION evaluate_ratings IS
    'methods measured on a split of the ratings of a query (user, item, rating, time): metrics of each fold and of all, and if asked for rows of users and predictions';
