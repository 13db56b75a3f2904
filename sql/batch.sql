-- batch: recommendations for all users and predictions for many pairs at once, by
-- a method that is fitted in memory and forgotten, or by a model
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
    n integer,
    stored text[] DEFAULT NULL)
RETURNS TABLE (
    user_id anyelement,
    rank integer,
    item_id anycompatible,
    score double precision,
    source text)
AS 'MODULE_PATHNAME', 'socrec_fit_and_recommend'
LANGUAGE c STABLE PARALLEL UNSAFE COST 1000000 ROWS 100000;

COMMENT ON FUNCTION fit_and_recommend IS 'batch_recommend, given all options; by the model that the queries in stored read, if they are not null';

CREATE FUNCTION fit_and_predict(
    query text,
    pairs text,
    user_type anyelement,
    item_type anycompatible,
    method text,
    options jsonb,
    stored text[] DEFAULT NULL)
RETURNS TABLE (
    user_id anyelement,
    item_id anycompatible,
    prediction double precision,
    source text,
    support integer)
AS 'MODULE_PATHNAME', 'socrec_fit_and_predict'
LANGUAGE c STABLE PARALLEL UNSAFE COST 1000000 ROWS 100000;

COMMENT ON FUNCTION fit_and_predict IS 'batch_predict, given all options; by the model that the queries in stored read, if they are not null';

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

-- By a model as it is stored, from the ratings as they are now.

-- The queries that C reads a model with, in the order in which it knows them: of the
-- fit, of the items, and of what else a method has stored.
CREATE FUNCTION stored_queries(m model) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(socrec.fill_template(m, q.template) ORDER BY q.n)
        || CASE min(f.family) WHEN 'hybrid' THEN socrec.hybrid_stored_queries(m) ELSE '{}' END
    FROM socrec.method_family(m.method) f(family) CROSS JOIN LATERAL unnest(ARRAY['SELECT f.rating_mean, f.rating_min, f.rating_max, f.rating_count, f.user_count FROM %1$I.fit f',
            'SELECT i.%3$I, i.id, i.rating_count, i.mean, i.bias' || CASE WHEN f.family IN ('item_neighbors', 'weights') THEN ', i.neighbors'
                WHEN f.family = 'deviations' THEN ', i.neighbors, i.deviations' ELSE '' END || ' FROM %1$I.item i ORDER BY i.id']
        || CASE f.family WHEN 'user_neighbors' THEN
            ARRAY['SELECT u.%2$I, u.id, u.rating_count, u.mean, u.bias, u.neighbors FROM %1$I.user_neighbor u ORDER BY u.id']
            WHEN 'factors' THEN
            ARRAY['SELECT (SELECT f.prior FROM %1$I.fit f LIMIT 1), i.factors FROM %1$I.item i ORDER BY i.id']
        ELSE '{}' END) WITH ORDINALITY q(template, n)
$$;

COMMENT ON FUNCTION stored_queries IS 'the queries that read what a model has stored';

CREATE FUNCTION recommend_all(name text, user_type anyelement, item_type anycompatible, n integer DEFAULT 10)
RETURNS TABLE (
    user_id anyelement,
    rank integer,
    item_id anycompatible,
    score double precision,
    source text)
LANGUAGE sql STABLE PARALLEL UNSAFE COST 1000000 ROWS 100000
AS $$
    SELECT r.user_id, r.rank, r.item_id, r.score, r.source
    FROM socrec.find_model($1) m CROSS JOIN LATERAL socrec.fit_and_recommend(
        socrec.rating_query(m), $2, $3, m.method, m.options, $4, socrec.stored_queries(m)) r
$$;

COMMENT ON FUNCTION recommend_all IS
    'the n best unseen items of a model for every user; the model''s own function recommend_all knows the types';

-- The rows are deleted and inserted, as a refit does: readers keep the old ones until
-- the commit.
CREATE PROCEDURE materialize(name text, n integer DEFAULT 10)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m socrec.model := socrec.lock_model(name);
BEGIN
    IF to_regclass(format('%I.recommended', name)) IS NULL THEN
        PERFORM socrec.execute_templates(m, ARRAY[
            'CREATE TABLE %1$I.recommended (
                %2$I %4$s %12$s NOT NULL, rank integer NOT NULL, %3$I %5$s %13$s NOT NULL, score float8, source text NOT NULL,
                version integer NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (%2$I, rank)) WITH (vacuum_truncate = off)',
            'COMMENT ON TABLE %1$I.recommended IS ''the best items for every user, as CALL socrec.materialize found them''',
            'COMMENT ON COLUMN %1$I.recommended.version IS ''of the model''']);
        -- Of the tables that there are now.
        PERFORM socrec.execute_templates(m, ARRAY[socrec.forget_statement(m)]);
        PERFORM socrec.hand_over(m);
    END IF;
    EXECUTE format('DELETE FROM %I.recommended', name);
    EXECUTE format('INSERT INTO %1$I.recommended SELECT r.%2$I, r.rank, r.%3$I, r.score, r.source, $2, now() FROM %1$I.recommend_all($1) r',
        name, m.user_column, m.item_column) USING n, m.version;
    EXECUTE format('ANALYZE %I.recommended', name);
END
$$;

COMMENT ON PROCEDURE materialize IS
    'writes the n best items for every user into the model''s table recommended; readers see the old ones until commit';
