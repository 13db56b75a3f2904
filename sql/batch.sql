-- batch: recommendations for all users and predictions for many pairs at once, by
-- a method that is fitted in memory and forgotten
--
-- The types of keys are those of two arguments of which nothing else counts, such
-- as NULL::uuid.

CREATE FUNCTION query_width(query text) RETURNS integer
AS 'MODULE_PATHNAME', 'socrec_query_width'
LANGUAGE c STABLE STRICT PARALLEL SAFE COST 1000;

COMMENT ON FUNCTION query_width IS 'the number of columns that a query returns';

CREATE FUNCTION fit_and_recommend(
    query text,
    user_type anyelement,
    item_type anycompatible,
    method text,
    options jsonb,
    n integer)
RETURNS TABLE (
    user_id anyelement,
    rank integer,
    item_id anycompatible,
    score double precision,
    source text)
AS 'MODULE_PATHNAME', 'socrec_fit_and_recommend'
LANGUAGE c STABLE PARALLEL UNSAFE COST 1000000 ROWS 100000;

COMMENT ON FUNCTION fit_and_recommend IS 'batch_recommend, given all options';

CREATE FUNCTION fit_and_predict(
    query text,
    pairs text,
    user_type anyelement,
    item_type anycompatible,
    method text,
    options jsonb)
RETURNS TABLE (
    user_id anyelement,
    item_id anycompatible,
    prediction double precision,
    source text,
    support integer)
AS 'MODULE_PATHNAME', 'socrec_fit_and_predict'
LANGUAGE c STABLE PARALLEL UNSAFE COST 1000000 ROWS 100000;

COMMENT ON FUNCTION fit_and_predict IS 'batch_predict, given all options';

-- Bodies are text, as those of polymorphic functions must be, and qualified: the
-- queries mean what they say in the caller's search_path.

CREATE FUNCTION batch_recommend(
    query text,
    user_type anyelement,
    item_type anycompatible,
    method text DEFAULT 'item_knn',
    options jsonb DEFAULT '{}',
    n integer DEFAULT 10)
RETURNS TABLE (
    user_id anyelement,
    rank integer,
    item_id anycompatible,
    score double precision,
    source text)
LANGUAGE sql STABLE PARALLEL UNSAFE COST 1000000 ROWS 100000
AS $$
    SELECT r.user_id, r.rank, r.item_id, r.score, r.source
    FROM socrec.fit_and_recommend($1, $2, $3, $4,
        socrec.model_options($4, $5, socrec.query_width($1) OPERATOR(pg_catalog.>) 2), $6) r
$$;

COMMENT ON FUNCTION batch_recommend IS
    'the n best unseen items for every user of a query (user, item[, rating]), by a method fitted in memory';

CREATE FUNCTION batch_predict(
    query text,
    pairs text,
    user_type anyelement,
    item_type anycompatible,
    method text DEFAULT 'item_knn',
    options jsonb DEFAULT '{}')
RETURNS TABLE (
    user_id anyelement,
    item_id anycompatible,
    prediction double precision,
    source text,
    support integer)
LANGUAGE sql STABLE PARALLEL UNSAFE COST 1000000 ROWS 100000
AS $$
    SELECT p.user_id, p.item_id, p.prediction, p.source, p.support
    FROM socrec.fit_and_predict($1, $2, $3, $4, $5,
        socrec.model_options($5, $6, socrec.query_width($1) OPERATOR(pg_catalog.>) 2)) p
$$;

COMMENT ON FUNCTION batch_predict IS
    'predicted ratings for pairs (user, item) of a query, by a method fitted in memory to those of another';
