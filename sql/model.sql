-- model: a recommender is a schema that holds what was learned and the
-- functions and views that use it
--
-- The text of a model's objects comes from the templates in method.sql.

CREATE TABLE model (
    name text PRIMARY KEY,
    owner text NOT NULL,
    source text NOT NULL,
    user_column text NOT NULL,
    item_column text NOT NULL,
    rating_column text,
    method text NOT NULL,
    options jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    fitted_at timestamptz,
    fit_duration interval,
    rating_count bigint,
    user_count bigint,
    item_count bigint
);

COMMENT ON TABLE model IS 'every model of this database; socrec.models shows more';
COMMENT ON COLUMN model.name IS 'the schema that holds the model';
COMMENT ON COLUMN model.owner IS 'the role that created the model and may refit or drop it';
COMMENT ON COLUMN model.source IS 'the table, view or query that the ratings come from';
COMMENT ON COLUMN model.rating_column IS 'null for implicit feedback';
COMMENT ON COLUMN model.options IS 'all options, defaults filled in';
COMMENT ON COLUMN model.rating_count IS 'ratings that the model was fitted on, without those held out';

SELECT pg_catalog.pg_extension_config_dump('model', '');

GRANT SELECT, INSERT, UPDATE, DELETE ON model TO PUBLIC;

-- Everybody who may create a schema may create a model, so everybody may write
-- to the registry: but only rows of roles that they are a member of.  Row-level
-- security would do the same but keep pg_dump from reading the table.
CREATE FUNCTION check_model_owner() RETURNS trigger
LANGUAGE plpgsql PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND NOT pg_has_role(current_user, OLD.owner, 'USAGE')
        OR TG_OP <> 'DELETE' AND NOT pg_has_role(current_user, NEW.owner, 'USAGE') THEN
        RAISE insufficient_privilege
            USING MESSAGE = format('must be owner of model %s', CASE TG_OP WHEN 'DELETE' THEN OLD.name ELSE NEW.name END);
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
EXCEPTION
    -- The owner was dropped or renamed: anybody with rights on the schema may go on.
    WHEN undefined_object THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;

COMMENT ON FUNCTION check_model_owner IS 'lets only its owner write a row of socrec.model';

CREATE TRIGGER check_model_owner BEFORE INSERT OR UPDATE OR DELETE ON model
    FOR EACH ROW EXECUTE FUNCTION check_model_owner();

-- All options of a method: the given ones over the defaults.
CREATE FUNCTION model_options(method text, given jsonb, explicit boolean) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known jsonb := '{"holdout": null, "seed": 0, "item_regularization": 10, "user_regularization": 15, "baseline_epochs": 10}';
    bad record;
BEGIN
    IF method IN ('item_knn', 'user_knn') THEN
        -- Defaults are the best of the search that docs/model.md shows.
        known := known || '{"k": 100, "similarity": "cosine", "min_support": 1, "min_similarity": 0, "normalize": false}'
            || jsonb_build_object(
                'center', CASE WHEN explicit THEN 'baseline' ELSE 'none' END,
                'weighting', CASE WHEN explicit THEN 'none' ELSE 'tfidf' END,
                'shrinkage', CASE WHEN explicit AND method = 'item_knn' THEN 100 ELSE 25 END);
    ELSIF method NOT IN ('popular', 'baseline') OR method IS NULL THEN
        RAISE invalid_parameter_value
            USING MESSAGE = format('unknown method "%s"', method),
                  HINT = 'Use one of: item_knn, user_knn, popular, baseline.';
    ELSIF method = 'baseline' AND NOT explicit THEN
        RAISE invalid_parameter_value
            USING MESSAGE = 'method baseline needs a rating column',
                  HINT = 'For implicit feedback use popular, item_knn or user_knn.';
    END IF;
    IF jsonb_typeof(given) <> 'object' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'options must be a JSON object';
    END IF;
    SELECT g.key, g.value, known -> g.key AS standard INTO bad
        FROM jsonb_each(given) g
        WHERE NOT known ? g.key
            OR jsonb_typeof(g.value) <> CASE g.key WHEN 'holdout' THEN 'number' ELSE jsonb_typeof(known -> g.key) END
        ORDER BY g.key LIMIT 1;
    IF FOUND AND bad.standard IS NULL THEN
        RAISE invalid_parameter_value
            USING MESSAGE = format('method %s has no option "%s"', method, bad.key),
                  HINT = format('Its options are: %s.', (SELECT string_agg(k, ', ' ORDER BY k) FROM jsonb_object_keys(known) k));
    ELSIF FOUND THEN
        RAISE invalid_parameter_value
            USING MESSAGE = format('option "%s" cannot be %s', bad.key, bad.value);
    END IF;
    known := known || given;
    IF NOT coalesce((known ->> 'holdout')::float8 BETWEEN 0 AND 0.9, true) THEN
        RAISE invalid_parameter_value
            USING MESSAGE = format('option "holdout" must be between 0 and 0.9, not %s', known ->> 'holdout');
    END IF;
    RETURN known;
END
$$;

COMMENT ON FUNCTION model_options IS 'all options of a method, the given ones over the defaults';

CREATE FUNCTION check_query(query text) RETURNS void
AS 'MODULE_PATHNAME', 'socrec_check_query'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION check_query IS 'an error unless the text is one SELECT';

-- The source as it stands after FROM: a table or view by its qualified name, or
-- a query in parentheses.
CREATE FUNCTION model_source(source text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    relation regclass;
BEGIN
    IF source IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'source must not be null';
    END IF;
    IF source ~* '^\s*(\(|select\M|with\M|values\M|table\M)' THEN
        source := rtrim(source, E' \t\n;');
        PERFORM socrec.check_query(source);
        RETURN format(E'(%s\n)', source);
    END IF;
    relation := source::regclass;
    RETURN (SELECT format('%I.%I', n.nspname, c.relname)
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.oid = relation);
END
$$;

COMMENT ON FUNCTION model_source IS 'a model''s source as it stands after FROM: a qualified name or a query in parentheses';

-- Create the model's view of the ratings, its only way to them.
CREATE FUNCTION create_rating_view(m model) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    from_clause text := socrec.model_source(m.source);
    holdout float8 := m.options ->> 'holdout';
    held_out text := 'false';
BEGIN
    -- Without a wish: a tenth, but no more than 10,000 ratings, and nothing of
    -- a table too small to spare any.
    IF holdout IS NULL THEN
        EXECUTE 'SELECT CASE WHEN count(*) < 500 THEN 0 ELSE least(0.1, 10000.0 / count(*)) END FROM ' || from_clause || ' AS s'
            INTO holdout;
    END IF;
    -- Chosen by a hash of the pair, so that nothing has to be stored.
    IF holdout > 0 THEN
        held_out := format('hash_record_extended(ROW(s.%I, s.%I), %s) & 1073741823 < %s',
            m.user_column, m.item_column, m.options ->> 'seed', round(holdout * 1073741824));
    END IF;
    IF m.rating_column IS NULL THEN
        EXECUTE format('CREATE VIEW %1$I.rating WITH (security_invoker = true) AS
            SELECT DISTINCT s.%2$I, s.%3$I, 1::float8 AS rating, %4$s AS held_out
            FROM %5$s AS s WHERE s.%2$I IS NOT NULL AND s.%3$I IS NOT NULL',
            m.name, m.user_column, m.item_column, held_out, from_clause);
    ELSE
        EXECUTE format('CREATE VIEW %1$I.rating WITH (security_invoker = true) AS
            SELECT s.%2$I, s.%3$I, s.%6$I::float8 AS rating, %4$s AS held_out
            FROM %5$s AS s WHERE s.%2$I IS NOT NULL AND s.%3$I IS NOT NULL AND s.%6$I IS NOT NULL',
            m.name, m.user_column, m.item_column, held_out, from_clause, m.rating_column);
    END IF;
END
$$;

COMMENT ON FUNCTION create_rating_view IS 'creates the view through which a model reads its ratings';

-- Read the ratings and replace what the model has learned.
CREATE FUNCTION fit_model(m model) RETURNS model
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    started timestamptz := clock_timestamp();
    statement text;
BEGIN
    FOREACH statement IN ARRAY socrec.fit_statements(m) LOOP
        EXECUTE statement;
    END LOOP;
    EXECUTE format('SELECT rating_count, user_count, item_count FROM %I.fit', m.name)
        INTO m.rating_count, m.user_count, m.item_count;
    m.fitted_at := now();
    m.fit_duration := clock_timestamp() - started;
    RETURN m;
END
$$;

COMMENT ON FUNCTION fit_model IS 'fits a model to its ratings and returns its registry row, not yet stored';

CREATE FUNCTION create_model(
    name text,
    source text,
    user_column text DEFAULT 'user_id',
    item_column text DEFAULT 'item_id',
    rating_column text DEFAULT 'rating',
    method text DEFAULT 'item_knn',
    options jsonb DEFAULT '{}')
RETURNS model
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
#variable_conflict use_variable
DECLARE
    m socrec.model;
    statement text;
    reserved text;
BEGIN
    IF name IS NULL OR user_column IS NULL OR item_column IS NULL OR method IS NULL OR options IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'only rating_column may be null';
    END IF;
    IF octet_length(name) NOT BETWEEN 1 AND 63 THEN
        RAISE name_too_long USING MESSAGE = format('a model''s name has 1 to 63 bytes, not %s', octet_length(name));
    END IF;
    SELECT c INTO reserved FROM unnest(ARRAY[user_column, item_column]) c
        WHERE c IN ('rating', 'held_out', 'rank', 'score', 'source', 'support', 'similarity', 'reason',
                    'contribution', 'actual', 'predicted', 'squared_error', 'id', 'rating_count', 'mean',
                    'bias', 'norm', 'neighbors', 'n', 'target_user', 'target_item', 'exclude_seen', 'min_support')
        LIMIT 1;
    IF FOUND THEN
        RAISE duplicate_column
            USING MESSAGE = format('the model has a column "%s" of its own', reserved),
                  HINT = 'Give a query as source that calls this column something else.';
    ELSIF user_column = item_column THEN
        RAISE duplicate_column USING MESSAGE = 'user_column and item_column are the same';
    END IF;

    m.name := name;
    m.owner := current_user;
    m.source := source;
    m.user_column := user_column;
    m.item_column := item_column;
    m.rating_column := rating_column;
    m.method := method;
    m.options := socrec.model_options(method, options, rating_column IS NOT NULL);
    m.created_at := now();

    EXECUTE format('CREATE SCHEMA %I', name);
    PERFORM socrec.create_rating_view(m);
    FOREACH statement IN ARRAY socrec.model_statements(m) LOOP
        EXECUTE statement;
    END LOOP;
    m := socrec.fit_model(m);

    -- A row without its schema is what DROP SCHEMA left behind.
    DELETE FROM socrec.model r WHERE r.name = m.name;
    INSERT INTO socrec.model VALUES (m.*);
    RETURN m;
END
$$;

COMMENT ON FUNCTION create_model IS
    'creates a schema with a recommender fitted to a rating table, and returns its registry row';

-- The registry row of a model that the caller may change, locked.
CREATE FUNCTION lock_model(name text) RETURNS model
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
AS $$
#variable_conflict use_variable
DECLARE
    m socrec.model;
BEGIN
    SELECT * INTO m FROM socrec.model r WHERE r.name = name FOR UPDATE;
    IF NOT FOUND THEN
        RAISE undefined_object
            USING MESSAGE = format('model "%s" does not exist', name),
                  HINT = 'SELECT name FROM socrec.models lists them.';
    END IF;
    IF NOT pg_catalog.pg_has_role(current_user, m.owner, 'USAGE') THEN
        RAISE insufficient_privilege USING MESSAGE = format('must be owner of model %s', name);
    END IF;
    RETURN m;
END
$$;

COMMENT ON FUNCTION lock_model IS 'the registry row of a model, locked until the end of the transaction';

CREATE PROCEDURE refit(name text)
LANGUAGE plpgsql
AS $$
#variable_conflict use_variable
DECLARE
    m socrec.model;
BEGIN
    -- A second refit of the same model waits here for the first.
    m := socrec.fit_model(socrec.lock_model(name));
    UPDATE socrec.model r
        SET fitted_at = m.fitted_at, fit_duration = m.fit_duration, rating_count = m.rating_count,
            user_count = m.user_count, item_count = m.item_count
        WHERE r.name = m.name;
END
$$;

COMMENT ON PROCEDURE refit IS 'fits a model to its ratings as they are now; readers see the old one until commit';

CREATE FUNCTION drop_model(name text, "cascade" boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
#variable_conflict use_variable
DECLARE
    m socrec.model := socrec.lock_model(name);
    routines text;
BEGIN
    IF "cascade" THEN
        EXECUTE format('DROP SCHEMA %I CASCADE', name);
    ELSE
        -- Piece by piece, so that what others have built on it stops the drop.
        SELECT string_agg(p.oid::regprocedure::text, ', ') INTO routines
            FROM pg_catalog.pg_proc p WHERE p.pronamespace = (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = name);
        EXECUTE format('DROP VIEW %1$I.evaluation, %1$I.prediction_error, %1$I.recommendations', name);
        EXECUTE 'DROP FUNCTION ' || routines;
        EXECUTE format('DROP VIEW %I.rating', name);
        EXECUTE format('DROP TABLE %1$I.item, %1$I.fit', name);
        EXECUTE format('DROP TABLE IF EXISTS %I.user_neighbor', name);
        EXECUTE format('DROP SCHEMA %I', name);
    END IF;
    DELETE FROM socrec.model r WHERE r.name = name;
END
$$;

COMMENT ON FUNCTION drop_model IS
    'drops a model; refuses when other objects depend on it, unless cascade';

-- Rows that a model would be fitted on now, NULL where the caller may not look.
CREATE FUNCTION current_rating_count(name text) RETURNS bigint
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE COST 100000
AS $$
DECLARE
    n bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM %I.rating WHERE NOT held_out', name) INTO n;
    RETURN n;
EXCEPTION
    WHEN insufficient_privilege THEN
        RETURN NULL;
END
$$;

COMMENT ON FUNCTION current_rating_count IS 'ratings that a model would be fitted on now';

CREATE VIEW models WITH (security_invoker = true) AS
    SELECT m.name, m.owner, m.source, m.user_column, m.item_column, m.rating_column, m.method, m.options,
        m.created_at, m.fitted_at, m.fit_duration, m.user_count, m.item_count, m.rating_count,
        c.n AS current_rating_count,
        (c.n - m.rating_count)::double precision / nullif(m.rating_count, 0) AS staleness,
        (SELECT sum(pg_catalog.pg_total_relation_size(r.oid))::bigint FROM pg_catalog.pg_class r
            WHERE r.relnamespace = s.oid AND r.relkind = 'r') AS size_bytes
    FROM model m
        JOIN pg_catalog.pg_namespace s ON s.nspname = m.name
        CROSS JOIN LATERAL (SELECT current_rating_count(m.name) AS n) c;

COMMENT ON VIEW models IS 'every model, what it was fitted on, and what has changed since';
COMMENT ON COLUMN models.current_rating_count IS 'ratings that it would be fitted on now, counted when selected; null without the privilege';
COMMENT ON COLUMN models.staleness IS 'ratings now against ratings fitted, as a fraction: 0.1 is 10 % more';
COMMENT ON COLUMN models.size_bytes IS 'size of the model''s tables and indexes';

GRANT SELECT ON models TO PUBLIC;
