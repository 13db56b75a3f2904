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
