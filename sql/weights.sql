-- weights: what a rating of one item adds to the score of another, learned from all
-- ratings together

CREATE FUNCTION fit_item_weights(
    query text,
    item_type anyelement,
    method text,
    options jsonb)
RETURNS TABLE (
    id integer,
    item_id anyelement,
    rating_count integer,
    mean double precision,
    bias double precision,
    norm double precision,
    rating_min real,
    rating_max real,
    neighbors svec,
    deviations svec,
    user_count integer)
AS 'MODULE_PATHNAME', 'socrec_fit_item_weights'
LANGUAGE c STABLE PARALLEL UNSAFE COST 1000000 ROWS 10000;

COMMENT ON FUNCTION fit_item_weights IS 'item_weights, given all options';

-- Bodies are text, as those of polymorphic functions must be, and qualified: the
-- query means what it says in the caller's search_path.

CREATE FUNCTION item_weights(
    query text,
    method text DEFAULT 'ease',
    options jsonb DEFAULT '{}')
RETURNS TABLE (
    id integer,
    item_id bigint,
    rating_count integer,
    mean double precision,
    bias double precision,
    norm double precision,
    rating_min real,
    rating_max real,
    neighbors svec,
    deviations svec,
    user_count integer)
LANGUAGE sql STABLE PARALLEL UNSAFE COST 1000000 ROWS 10000
AS $$
    SELECT w.*
    FROM socrec.item_weights_typed($1, NULL::bigint, $2, $3) w
$$;

COMMENT ON FUNCTION item_weights IS
    'what a rating of every item that a query (user, item[, rating]) returns adds to the scores of others';

CREATE FUNCTION item_weights_typed(
    query text,
    item_type anyelement,
    method text DEFAULT 'ease',
    options jsonb DEFAULT '{}')
RETURNS TABLE (
    id integer,
    item_id anyelement,
    rating_count integer,
    mean double precision,
    bias double precision,
    norm double precision,
    rating_min real,
    rating_max real,
    neighbors svec,
    deviations svec,
    user_count integer)
LANGUAGE sql STABLE PARALLEL UNSAFE COST 1000000 ROWS 10000
AS $$
    SELECT w.*
    FROM socrec.fit_item_weights($1, $2, $3,
        socrec.model_options($3, $4, socrec.query_width($1) OPERATOR(pg_catalog.>) 2)) w
$$;

COMMENT ON FUNCTION item_weights_typed IS
    'what a rating of every item that a query (user, item[, rating]) returns adds to the scores of others';
