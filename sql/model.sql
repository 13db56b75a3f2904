-- model: a recommender is a schema that holds what was learned and the
-- functions and views that use it
--
-- The text of a model's objects comes from the templates in method.sql.
--
-- Only the source means what it says in the caller's search_path; all else runs
-- with a safe one, so that nobody can slip a function of theirs into it.

GRANT USAGE ON SCHEMA @extschema@ TO PUBLIC;

CREATE TABLE model (
    name text PRIMARY KEY,
    source text NOT NULL,
    user_column text,
    item_column text,
    rating_column text,
    method text NOT NULL,
    options jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    fitted_at timestamptz,
    fit_duration interval,
    rating_count bigint,
    user_count bigint,
    item_count bigint,
    version integer NOT NULL,
    target_column text,
    CHECK (target_column IS NULL AND user_column IS NOT NULL AND item_column IS NOT NULL
        OR target_column IS NOT NULL AND user_column IS NULL AND item_column IS NULL)
);

COMMENT ON TABLE model IS 'every model of this database; socrec.models shows more';
COMMENT ON COLUMN model.name IS 'the schema that holds the model';
COMMENT ON COLUMN model.source IS 'the table, view or query that the ratings come from';
COMMENT ON COLUMN model.rating_column IS 'null for implicit feedback';
COMMENT ON COLUMN model.target_column IS 'what a behavior model predicts; null of a recommender';
COMMENT ON COLUMN model.options IS 'all options, defaults filled in';
COMMENT ON COLUMN model.rating_count IS 'ratings, or rows of a behavior model, that it was fitted on, without those held out';
COMMENT ON COLUMN model.version IS 'number of the fit, from 1; the table version of the model has the others';

SELECT pg_catalog.pg_extension_config_dump('model', '');

GRANT SELECT, INSERT, UPDATE, DELETE ON model TO PUBLIC;

-- Everybody who may create a schema may create a model, so everybody may write
-- to the registry: but of schemas that exist, only their owners.  Row-level
-- security would do the same but keep pg_dump from reading the table.
CREATE FUNCTION check_schema_owner() RETURNS trigger
LANGUAGE plpgsql PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    foreign_schema text;
BEGIN
    SELECT n.nspname INTO foreign_schema FROM pg_namespace n
        WHERE (TG_OP <> 'INSERT' AND n.nspname = OLD.name OR TG_OP <> 'DELETE' AND n.nspname = NEW.name)
            AND NOT pg_has_role(current_user, n.nspowner, 'USAGE');
    IF FOUND THEN
        RAISE insufficient_privilege USING MESSAGE = format('must be owner of %s %s', TG_TABLE_NAME, foreign_schema);
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;

COMMENT ON FUNCTION check_schema_owner IS 'lets only the owner of a schema write its row of a registry';

CREATE TRIGGER check_schema_owner BEFORE INSERT OR UPDATE OR DELETE ON model
    FOR EACH ROW EXECUTE FUNCTION check_schema_owner();

-- The given options over the known ones, which are all there are, with their
-- defaults.  An option is of the type of its default or, where that is null, of
-- the one in types; choices are all the words that some can be, patterns are for
-- the text of others.
CREATE FUNCTION check_options(what text, given jsonb, known jsonb, types jsonb DEFAULT '{}', choices jsonb DEFAULT '{}', patterns jsonb DEFAULT '{}')
RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bad record;
    type text;
BEGIN
    IF jsonb_typeof(given) <> 'object' OR given IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = 'options must be a JSON object';
    END IF;
    SELECT g.key, g.value, known ? g.key AS is_known INTO bad
        FROM jsonb_each(given) g
        WHERE NOT known ? g.key
            OR g.value <> 'null' AND jsonb_typeof(g.value) <> coalesce(types ->> g.key, jsonb_typeof(known -> g.key))
            OR g.value = 'null' AND NOT types ? g.key
            OR g.value <> 'null' AND g.value::text !~ (patterns ->> g.key)
            OR choices ? g.key AND NOT choices -> g.key @> g.value
        ORDER BY g.key LIMIT 1;
    IF FOUND AND NOT bad.is_known THEN
        RAISE invalid_parameter_value
            USING MESSAGE = format('%s has no option "%s"', what, bad.key),
                  HINT = format('Its options are: %s.', (SELECT string_agg(k, ', ' ORDER BY k) FROM jsonb_object_keys(known) k));
    ELSIF FOUND THEN
        type := coalesce(types ->> bad.key, jsonb_typeof(known -> bad.key));
        RAISE invalid_parameter_value
            USING MESSAGE = format('option "%s" cannot be %s', bad.key, bad.value),
                  HINT = coalesce('Use one of: ' || (SELECT string_agg(c, ', ' ORDER BY n)
                      FROM jsonb_array_elements_text(choices -> bad.key) WITH ORDINALITY e(c, n)) || '.',
                      format('It takes a%s; the default is %s.',
                          CASE WHEN jsonb_typeof(bad.value) <> type OR type <> 'number' THEN CASE WHEN type ~ '^[ao]' THEN 'n ' ELSE ' ' END || type
                              WHEN bad.value::text LIKE '-%' THEN ' number of at least 0' WHEN bad.value = '0' THEN ' number above 0' WHEN bad.value::text LIKE '%.%' THEN ' whole number' ELSE 'nother number' END, known -> bad.key));
    END IF;
    RETURN known || given;
END
$$;

COMMENT ON FUNCTION check_options IS 'the given options over the known ones, or an error that says which cannot be';

-- For a set of ratings or profiles that is to be changed: an error unless it is
-- there and the caller's.  An orphan is a row that DROP SCHEMA has left behind.
CREATE FUNCTION check_registered(kind text, registry regclass, name text, is_registered boolean, orphan boolean) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT is_registered OR to_regnamespace(quote_ident(name)) IS NULL AND NOT orphan THEN
        RAISE undefined_object USING MESSAGE = format('%s "%s" do not exist', kind, name),
            HINT = format('SELECT name FROM %s lists them.', registry);
    END IF;
    IF NOT (SELECT pg_has_role(current_user, n.nspowner, 'USAGE') FROM pg_namespace n WHERE n.nspname = $3) THEN
        RAISE insufficient_privilege USING MESSAGE = format('must be owner of %s %s', kind, name);
    END IF;
END
$$;

COMMENT ON FUNCTION check_registered IS 'an error unless a set of ratings or profiles is there and the caller''s';

-- The methods, one row each.  Models of the same family have the same tables and
-- functions.  feedback: what there must be, "ratings", "events" or "any" of the two;
-- rates: a prediction is a rating, where there are ratings, and else how sure a user is to
-- act on an item; options: those that not all methods have.  Their defaults are the best
-- of the searches that docs/model.md, weights.md and factor.md show.
CREATE FUNCTION methods(explicit boolean DEFAULT true)
RETURNS TABLE (method text, family text, feedback text, rates boolean, options jsonb)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 12
BEGIN ATOMIC
    SELECT m.method, m.family, m.feedback, m.rates AND $1,
        m.options::jsonb || CASE WHEN $1 THEN m.of_ratings ELSE m.of_events END::jsonb
    FROM (VALUES
        ('item_knn', 'item_neighbors', 'any', true,
            '{"k": 100, "similarity": "cosine", "min_support": 1, "min_similarity": 0, "normalize": false}',
            '{"center": "baseline", "weighting": "none", "shrinkage": 100}', '{"center": "none", "weighting": "tfidf", "shrinkage": 25}'),
        ('user_knn', 'user_neighbors', 'any', true,
            '{"k": 100, "similarity": "cosine", "min_support": 1, "min_similarity": 0, "normalize": false}',
            '{"center": "baseline", "weighting": "none", "shrinkage": 25}', '{"center": "none", "weighting": "tfidf", "shrinkage": 25}'),
        ('ease', 'weights', 'any', true, '{"k": 1000, "binarize": false}', '{"l2": 3000}', '{"l2": 100}'),
        ('slim', 'weights', 'any', true, '{"k": 200, "epochs": 200, "binarize": false}', '{"l1": 40, "l2": 1000}', '{"l1": 2, "l2": 50}'),
        ('slope_one', 'deviations', 'ratings', true, '{"k": 1000, "weighted": true}', '{}', '{}'),
        ('popular', 'popular', 'any', true, '{}', '{}', '{}'),
        ('baseline', 'baseline', 'ratings', true, '{}', '{}', '{}'),
        ('ials', 'factors', 'any', false, '{"factors": 64, "iterations": 10, "unobserved_weight": 0.3, "regularization": 0.005,
            "regularization_exponent": 1, "solver": "gradients"}', '{}', '{}'),
        ('als', 'factors', 'ratings', true, '{"factors": 32, "iterations": 15, "regularization": 0.12}', '{}', '{}'),
        ('bayes_mf', 'factors', 'ratings', true, '{"factors": 16, "burn_in": 10, "samples": 50, "thin": 2}', '{}', '{}'),
        ('bpr', 'factors', 'events', true, '{"factors": 64, "iterations": 60, "learning_rate": 0.1, "regularization": 0.01, "adagrad": true}', '{}', '{}'),
        ('hybrid', 'hybrid', 'any', true, '{"depth": 200}', '{"parts": ["item_knn", "ials", "bayes_mf"]}', '{"parts": ["item_knn", "ials", "bpr"]}')
        ) m(method, family, feedback, rates, options, of_ratings, of_events);
END;

COMMENT ON FUNCTION methods IS 'the methods and what they are, for ratings or for events';

CREATE FUNCTION method_family(method text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT m.family FROM methods() m WHERE m.method = $1;
END;

COMMENT ON FUNCTION method_family IS 'what the models of a method are like; null of those that are no recommenders';

-- All options of a method: the given ones over the defaults.
CREATE FUNCTION model_options(method text, given jsonb, explicit boolean) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own record;
    known jsonb := '{"holdout": null, "seed": 0, "track_changes": false, "versions": 10, "keep_models": 0, "item_regularization": 10, "user_regularization": 15, "baseline_epochs": 10}';
    choices CONSTANT jsonb := '{"center": ["none", "user", "item", "baseline"], "weighting": ["none", "tfidf", "bm25"],
        "solver": ["gradients", "cholesky"], "similarity": ["cosine", "corated_cosine", "adjusted_cosine", "pearson", "pearson_baseline", "jaccard", "euclidean", "llr", "conditional"]}';
BEGIN
    SELECT * INTO own FROM socrec.methods(explicit) m WHERE m.method = $1;
    IF NOT FOUND THEN
        RAISE invalid_parameter_value
            USING MESSAGE = format('unknown method "%s"', method),
                  HINT = format('Use one of: %s.', (SELECT string_agg(m.method, ', ') FROM socrec.methods() m));
    ELSIF own.feedback = 'ratings' AND NOT explicit THEN
        RAISE invalid_parameter_value
            USING MESSAGE = format('method %s needs a rating column', method),
                  HINT = format('For implicit feedback use one of: %s.',
                      (SELECT string_agg(m.method, ', ') FROM socrec.methods() m WHERE m.feedback <> 'ratings'));
    ELSIF own.feedback = 'events' AND explicit THEN
        RAISE invalid_parameter_value
            USING MESSAGE = format('method %s learns from what users have, not from ratings', method),
                  HINT = 'Leave out the rating column.';
    END IF;
    known := known || own.options;
    IF own.family = 'hybrid' THEN
        known := known - ARRAY['item_regularization', 'user_regularization', 'baseline_epochs'];
        given := socrec.hybrid_options(jsonb_build_object('parts', known -> 'parts') || given, explicit);
    END IF;
    IF given -> 'holdout' = 'null' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'option "holdout" cannot be null', HINT = 'Leave it out for the default.';
    END IF;
    known := socrec.check_options('method ' || method, given, known, '{"holdout": "number"}', choices,
        '{"versions": "^[0-9]{1,4}$", "keep_models": "^[0-9]{1,4}$", "k": "^-?[0-9]{1,9}$", "min_support": "^-?[0-9]{1,9}$", "baseline_epochs": "^-?[0-9]{1,9}$", "depth": "^[1-9][0-9]{0,4}$", "factors": "^-?[0-9]{1,9}$", "epochs": "^-?[0-9]{1,9}$", "iterations": "^-?[0-9]{1,9}$", "burn_in": "^-?[0-9]{1,9}$", "samples": "^-?[0-9]{1,9}$", "thin": "^-?[0-9]{1,9}$", "seed": "^-?[0-9]{1,18}$"}');
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
CREATE FUNCTION from_clause(source text, caller_path text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    relation regclass;
BEGIN
    IF source ~* '^\s*(\(|select\M|with\M|values\M|table\M)' THEN
        source := rtrim(source, E' \t\n;');
        PERFORM socrec.check_query(source);
        RETURN format(E'(%s\n)', source);
    END IF;
    BEGIN
        PERFORM set_config('search_path', caller_path, true);
        relation := source::pg_catalog.regclass;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    EXCEPTION
        WHEN invalid_name THEN
            RAISE syntax_error
                USING MESSAGE = format('source is neither the name of a table or view nor a SELECT query: %s', source);
    END;
    RETURN (SELECT format('%I.%I', n.nspname, c.relname)
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation);
END
$$;

COMMENT ON FUNCTION from_clause IS 'a source as it stands after FROM: a qualified name or a query in parentheses';

-- Run a statement in which names of the caller's stand; the path of whoever calls
-- this is back afterwards.
CREATE FUNCTION execute_for_caller(statement text, caller_path text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_config('search_path', caller_path, true);
    EXECUTE statement;
END
$$;

COMMENT ON FUNCTION execute_for_caller IS 'runs a statement under the search_path of the caller';

CREATE FUNCTION execute_all(statements text[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    statement text;
BEGIN
    FOREACH statement IN ARRAY statements LOOP
        EXECUTE statement;
    END LOOP;
END
$$;

COMMENT ON FUNCTION execute_all IS 'executes statements, one after the other';

-- What is added to a model later belongs to its owner, whoever of those who may
-- adds it: else the others of them could not go on with it.
CREATE FUNCTION hand_over(m model) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM socrec.execute_all(ARRAY(
        SELECT format('ALTER %s %s OWNER TO %I', o.kind, o.name, pg_get_userbyid(n.nspowner))
        FROM pg_namespace n,
            LATERAL (SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.oid::regclass::text FROM pg_class c
                WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'v') AND pg_get_userbyid(c.relowner) = current_user
                UNION ALL SELECT 'FUNCTION', p.oid::regprocedure::text FROM pg_proc p
                WHERE p.pronamespace = n.oid AND pg_get_userbyid(p.proowner) = current_user) o(kind, name)
        WHERE n.nspname = m.name AND pg_get_userbyid(n.nspowner) <> current_user));
END
$$;

COMMENT ON FUNCTION hand_over IS 'gives what its caller has added to a model''s schema to the schema''s owner';

-- Create the model's view of the ratings, its only way to them; and where changes
-- are tracked, that of the ratings that came and went.  The source may
-- be a query full of names of the caller's, so the view is created under the
-- caller's search_path; what this adds to it is qualified.
CREATE FUNCTION create_rating_view(m model, caller_path text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    source_clause text := socrec.from_clause(m.source, caller_path);
    holdout float8 := m.options ->> 'holdout';
    n bigint;
    held_out text := 'false';
    is_unique boolean := true;
    columns text;
    complete text;
BEGIN
    IF (m.options ->> 'track_changes')::boolean THEN
        PERFORM socrec.track_model(m, source_clause);
    END IF;
    -- Without a wish: a tenth, but no more than 10,000 ratings, and nothing of
    -- a table too small to spare any.
    IF holdout IS NULL THEN
        PERFORM set_config('search_path', caller_path, true);
        EXECUTE 'SELECT pg_catalog.count(*) FROM ' OPERATOR(pg_catalog.||) source_clause OPERATOR(pg_catalog.||) ' AS s' INTO n;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        holdout := CASE WHEN n < 500 THEN 0 ELSE least(0.1, 10000.0 / n) END;
    END IF;
    -- Chosen by a hash of the pair, so that nothing has to be stored; of its hash, as
    -- that of a record is a sum, by which items would be held out together for all users.
    IF holdout > 0 THEN
        held_out := format('pg_catalog.hashint8extended(pg_catalog.hash_record_extended(ROW(s.%I, s.%I), 0), %s)
                OPERATOR(pg_catalog.&) 1073741823 OPERATOR(pg_catalog.<) %s',
            m.user_column, m.item_column, m.options ->> 'seed', round(holdout * 1073741824));
    END IF;
    IF m.rating_column IS NULL THEN
        -- Repeated events count once; a unique index says that there are none.
        SELECT count(*) > 0 INTO is_unique
        FROM pg_index x
        WHERE x.indrelid = to_regclass(CASE WHEN source_clause NOT LIKE '(%' THEN source_clause END)
            AND x.indisunique AND x.indimmediate AND x.indisvalid AND x.indpred IS NULL AND x.indexprs IS NULL
            AND NOT EXISTS (
                SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent
                WHERE i.inhparent = x.indrelid AND c.relkind <> 'p')
            AND (SELECT bool_and(a.attname IN (m.user_column, m.item_column)) FROM pg_attribute a
                WHERE a.attrelid = x.indrelid AND a.attnum = ANY ((x.indkey::int2[])[0:x.indnkeyatts - 1]));
    END IF;
    columns := format('s.%1$I, s.%2$I, %3$s::pg_catalog.float8 AS rating, %4$s AS held_out', m.user_column, m.item_column,
        coalesce('s.' || quote_ident(m.rating_column), '1'), held_out);
    complete := format('s.%1$I IS NOT NULL AND s.%2$I IS NOT NULL', m.user_column, m.item_column)
        || coalesce(' AND s.' || quote_ident(m.rating_column) || ' IS NOT NULL', '');
    PERFORM socrec.execute_for_caller(format('CREATE VIEW %I.rating WITH (security_invoker = true) AS SELECT%s %s FROM %s AS s WHERE %s',
        m.name, CASE WHEN is_unique THEN '' ELSE ' DISTINCT' END, columns, source_clause, complete), caller_path);
    IF (m.options ->> 'track_changes')::boolean AND is_unique THEN
        EXECUTE format('CREATE VIEW %1$I.rating_change WITH (security_invoker = true) AS
            SELECT %2$s, s.change FROM %1$I.change AS s WHERE %3$s OR s.change = 0', m.name, columns, complete);
    END IF;
END
$$;

COMMENT ON FUNCTION create_rating_view IS 'creates the view through which a model reads its ratings';

-- The ratings of a model as they are now, or those that it learns from: with their
-- values, unless feedback is implicit.
CREATE FUNCTION rating_query(m model, training boolean DEFAULT false) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT socrec.fill_template(m, 'SELECT r.%2$I, r.%3$I' || CASE WHEN m.rating_column IS NULL THEN '' ELSE ', r.rating' END
        || ' FROM %1$I.rating r' || CASE WHEN training THEN ' WHERE NOT r.held_out' ELSE '' END)
$$;

COMMENT ON FUNCTION rating_query IS 'the query for the ratings of a model (user, item[, rating]): as they are now, or those that it learns from';

-- Read the ratings and replace what the model has learned; if wished, from what has
-- changed in them as far as that goes.
CREATE FUNCTION fit_model(m model, from_changes boolean DEFAULT false) RETURNS model
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    started timestamptz := clock_timestamp();
    is_tracked boolean := (m.options ->> 'track_changes')::boolean;
    view CONSTANT text := CASE WHEN m.target_column IS NULL THEN 'rating' ELSE 'sample' END;
    state jsonb;
BEGIN
    IF to_regclass(format('%I.%I', m.name, view)) IS NULL THEN
        RAISE undefined_table USING MESSAGE = format('model "%s" has lost its view "%s", and with it the way to its source', m.name, view),
            HINT = 'DROP ... CASCADE of something that it read took it along. Drop the model by socrec.drop_model and create it again.';
    ELSIF m.target_column IS NOT NULL THEN
        RETURN socrec.fit_behavior_model(m);
    END IF;
    IF is_tracked THEN
        -- Taken before the ratings are read: what changes meanwhile shows the next time.
        state := socrec.check_tracked(m.name, NULL);
    END IF;
    PERFORM socrec.fit_parts(m);
    PERFORM socrec.execute_templates(m, socrec.fit_statements(m, from_changes));
    IF is_tracked THEN
        EXECUTE format('WITH former AS (DELETE FROM %1$I.tracked RETURNING refreshes)
            INSERT INTO %1$I.tracked SELECT $1, CASE WHEN $2 THEN coalesce((SELECT f.refreshes FROM former f), 0) + 1 ELSE 0 END', m.name)
            USING state, from_changes;
    END IF;
    EXECUTE format('ANALYZE %1$I.fit, %1$I.item (id, %2$I, rating_count, bias)', m.name, m.item_column);
    IF socrec.method_family(m.method) = 'factors' THEN
        EXECUTE format('ANALYZE %I.item_block (block, bound)', m.name);
    END IF;
    EXECUTE format('SELECT rating_count, user_count, item_count FROM %I.fit', m.name)
        INTO m.rating_count, m.user_count, m.item_count;
    m.fitted_at := now();
    m.fit_duration := clock_timestamp() - started;
    RETURN m;
END
$$;

COMMENT ON FUNCTION fit_model IS 'fits a model to its ratings and returns its registry row, not yet stored';

CREATE FUNCTION register_fit(m model) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE model r
        SET fitted_at = m.fitted_at, fit_duration = m.fit_duration, rating_count = m.rating_count,
            user_count = m.user_count, item_count = m.item_count, version = m.version
        WHERE r.name = m.name;
END;

COMMENT ON FUNCTION register_fit IS 'stores what a fit has changed in the registry row of a model';

-- A row without its schema is what DROP SCHEMA left behind.
CREATE FUNCTION register_model(m model) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
    DELETE FROM model r WHERE r.name = m.name;
    INSERT INTO model SELECT (m).*;
END;

COMMENT ON FUNCTION register_model IS 'stores the registry row of a new model';

-- PostgreSQL would cut a schema's name, and another be meant.
CREATE FUNCTION check_name(name text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF octet_length(name) NOT BETWEEN 1 AND 63 THEN
        RAISE name_too_long USING MESSAGE = format('a name has 1 to 63 bytes, not %s', octet_length(name));
    END IF;
END
$$;

COMMENT ON FUNCTION check_name IS 'an error unless a schema can be called so';

-- Refuse what cannot become a model.
CREATE FUNCTION check_model(m model) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF m.name IS NULL OR m.source IS NULL OR m.user_column IS NULL OR m.item_column IS NULL OR m.method IS NULL
        OR m.options IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'only rating_column may be null';
    END IF;
    PERFORM socrec.check_name(m.name);
    IF m.user_column = m.item_column THEN
        RAISE duplicate_column USING MESSAGE = 'user_column and item_column are the same';
    END IF;
    FOR i IN 1 .. 2 LOOP
        IF (ARRAY[m.user_column, m.item_column])[i] IN ('rating', 'held_out', 'rank', 'score', 'source', 'support',
            'similarity', 'reason', 'contribution', 'actual', 'predicted', 'squared_error', 'id', 'rating_count',
            'mean', 'bias', 'norm', 'neighbors', 'factors', 'n', 'target_user', 'target_item', 'target_items', 'exclude_seen', 'min_support', 'training_only',
            'prediction', 'items', 'ratings', 'run', 'fold', 'cutoff', 'n_relevant', 'precision', 'recall', 'hit_rate', 'ndcg',
            'graded_ndcg', 'average_precision', 'reciprocal_rank', 'auc', 'absolute_error', 'n_predictions',
            'version', 'at', 'request', 'propensity', 'kind', 'value') THEN
            RAISE duplicate_column
                USING MESSAGE = format('the model has a column "%s" of its own', (ARRAY[m.user_column, m.item_column])[i]),
                      HINT = 'Give a query as source that calls this column something else.';
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION check_model IS 'an error unless the registry row can become a model';

CREATE FUNCTION build_model(m model, caller_path text) RETURNS model
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM socrec.check_model(m);
    m.options := socrec.model_options(m.method, m.options, m.rating_column IS NOT NULL);
    m.created_at := now();
    EXECUTE format('CREATE SCHEMA %I', m.name);
    PERFORM socrec.create_rating_view(m, caller_path);
    PERFORM socrec.build_part(p, m.name) FROM socrec.hybrid_parts(m) p;
    PERFORM socrec.execute_all(socrec.model_statements(m));
    IF (m.options ->> 'track_changes')::boolean THEN
        PERFORM socrec.execute_templates(m, socrec.tracking_statements(m));
    END IF;
    m := socrec.fit_model(m);
    PERFORM socrec.begin_version(m);
    PERFORM socrec.register_model(m);
    RETURN m;
END
$$;

COMMENT ON FUNCTION build_model IS 'creates what a registry row describes, and stores the row';

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
BEGIN
    RETURN socrec.build_model(
        ROW(name, source, user_column, item_column, rating_column, method, options, NULL, NULL, NULL, NULL, NULL, NULL, 1, NULL)::socrec.model,
        pg_catalog.current_setting('search_path'));
END
$$;

COMMENT ON FUNCTION create_model IS
    'creates a schema with a recommender fitted to a rating table, and returns its registry row';

CREATE FUNCTION find_model(name text, any_kind boolean DEFAULT false) RETURNS model
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m socrec.model;
BEGIN
    SELECT * INTO m FROM socrec.model r WHERE r.name = name;
    IF NOT FOUND OR to_regnamespace(quote_ident(name)) IS NULL THEN
        RAISE undefined_object
            USING MESSAGE = format('model "%s" does not exist', name),
                  HINT = 'SELECT name FROM socrec.models lists them.';
    ELSIF m.target_column IS NOT NULL AND NOT any_kind THEN
        RAISE wrong_object_type USING MESSAGE = format('model "%s" is a behavior model, not a recommender', name);
    END IF;
    RETURN m;
END
$$;

COMMENT ON FUNCTION find_model IS 'the registry row of a model: a recommender, unless any kind will do';

-- The registry row of a model that the caller may change, locked.  An orphan is
-- a row that DROP SCHEMA has left behind.
CREATE FUNCTION lock_model(name text, orphan boolean DEFAULT false, any_kind boolean DEFAULT false) RETURNS model
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m socrec.model;
BEGIN
    IF name IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'name of the model must not be null';
    END IF;
    SELECT * INTO m FROM socrec.model r WHERE r.name = name FOR UPDATE;
    IF NOT FOUND OR NOT orphan THEN
        PERFORM socrec.find_model(name, any_kind);
    END IF;
    IF NOT (SELECT pg_has_role(current_user, n.nspowner, 'USAGE') FROM pg_namespace n WHERE n.nspname = name) THEN
        RAISE insufficient_privilege USING MESSAGE = format('must be owner of model %s', name);
    END IF;
    RETURN m;
END
$$;

COMMENT ON FUNCTION lock_model IS 'the registry row of a model, locked until the end of the transaction';

CREATE PROCEDURE refit(name text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m socrec.model;
BEGIN
    PERFORM socrec.refuse_part(name);
    -- A second refit of the same model waits here for the first.
    m := socrec.lock_model(name, any_kind => true);
    PERFORM socrec.end_version(m, (m.options ->> 'keep_models')::integer > 0);
    m := socrec.fit_model(m);
    EXECUTE format('SELECT max(version) + 1 FROM %I.version', name) INTO m.version;
    PERFORM socrec.register_fit(m);
    PERFORM socrec.begin_version(m);
    IF (m.options ->> 'versions')::integer > 0 THEN
        PERFORM socrec.measure_version(m);
    END IF;
END
$$;

COMMENT ON PROCEDURE refit IS 'fits a model to its ratings as they are now; readers see the old one until commit';

CREATE FUNCTION drop_model(name text, "cascade" boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m socrec.model := socrec.lock_model(name, orphan => true, any_kind => true);
    own_views CONSTANT name[] := '{evaluation,prediction_error,recommendations,outcome,impression_outcome,realized_error,
        daily_performance,daily_error,error_drift,input_drift,
        prediction,calibration,lift,roc,confusion,class_evaluation}';
    statement text;
BEGIN
    PERFORM socrec.refuse_part(name);
    -- What was a part is none any more.
    DELETE FROM socrec.model r WHERE r.name = name;
    IF "cascade" OR to_regnamespace(quote_ident(name)) IS NULL THEN
        PERFORM socrec.drop_model(p.name, "cascade" => true) FROM socrec.model_parts(m) p;
    END IF;
    IF to_regnamespace(quote_ident(name)) IS NULL THEN
        NULL; -- only the row is left
    ELSIF "cascade" THEN
        EXECUTE format('DROP SCHEMA %I CASCADE', name);
    ELSE
        -- Piece by piece, so that what others have built on it stops the drop.
        FOR statement IN
            SELECT 'DROP VIEW ' || string_agg(c.oid::regclass::text, ', ') FROM pg_class c
                WHERE c.relnamespace = quote_ident(name)::regnamespace AND c.relname = ANY (own_views) HAVING count(*) > 0
            UNION ALL
            SELECT 'DROP FUNCTION ' || string_agg(p.oid::regprocedure::text, ', ') FROM pg_proc p
                WHERE p.pronamespace = quote_ident(name)::regnamespace
                    AND p.proname IN ('recommend', 'recommend_all', 'predictions', 'prediction', 'prediction_interval', 'predict', 'similar_items', 'similar_users', 'explain', 'forget_user',
                        'score', 'predict_class', 'classes') HAVING count(*) > 0
            UNION ALL
            SELECT format('SELECT socrec.drop_model(%L)', p.name) FROM socrec.model_parts(m) p
            UNION ALL
            SELECT format('DROP VIEW IF EXISTS %I.%I', name, CASE WHEN m.target_column IS NULL THEN 'rating' ELSE 'sample' END)
            UNION ALL
            SELECT format('DROP VIEW %I.rating_change', name) WHERE to_regclass(format('%I.rating_change', name)) IS NOT NULL
            UNION ALL
            SELECT format('SELECT socrec.untrack_changes(%L)', name) WHERE (m.options ->> 'track_changes')::boolean
            UNION ALL
            SELECT 'DROP TABLE ' || string_agg(c.oid::regclass::text, ', ') FROM pg_class c
                WHERE c.relnamespace = quote_ident(name)::regnamespace AND c.relkind = 'r'
                    AND (c.relname IN ('user_metric', 'version', 'impression', 'reference', 'recommended', 'tracked', 'candidate')
                        OR regexp_replace(c.relname, '^former_', '') = ANY (socrec.learned_tables(m.method))) HAVING count(*) > 0
            UNION ALL
            SELECT format('DROP SCHEMA %I', name)
        LOOP
            EXECUTE statement;
        END LOOP;
    END IF;
END
$$;

COMMENT ON FUNCTION drop_model IS
    'drops a model; refuses when other objects depend on it, unless cascade';

-- Rows that a model would be fitted on now.  NULL of a model that is not the
-- caller's own, even for a superuser: its view runs expressions of its owner's,
-- and looking at a list must not.  NULL also if they cannot be counted.
CREATE FUNCTION current_rating_count(name text) RETURNS bigint
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    n bigint;
BEGIN
    IF (SELECT pg_get_userbyid(s.nspowner) FROM pg_namespace s WHERE s.nspname = name) = current_user THEN
        EXECUTE coalesce((SELECT socrec.behavior_count_query(m) FROM socrec.model m WHERE m.name = name AND m.target_column IS NOT NULL),
            format('SELECT count(*) FROM %I.rating WHERE NOT held_out', name)) INTO n;
    END IF;
    RETURN n;
EXCEPTION
    WHEN OTHERS THEN
        RETURN NULL;
END
$$;

COMMENT ON FUNCTION current_rating_count IS 'ratings, or rows of a behavior model, that a model of the caller''s would be fitted on now';

CREATE VIEW models WITH (security_invoker = true) AS
    SELECT m.name, pg_catalog.pg_get_userbyid(s.nspowner)::text AS owner, m.source, m.user_column, m.item_column,
        m.rating_column, m.target_column, m.method, m.options, m.created_at, m.fitted_at, m.fit_duration,
        m.user_count, m.item_count, m.rating_count, c.n AS current_rating_count,
        (c.n - m.rating_count)::double precision / nullif(m.rating_count, 0) AS staleness,
        (SELECT sum(pg_catalog.pg_total_relation_size(r.oid))::bigint FROM pg_catalog.pg_class r
            WHERE r.relnamespace = s.oid AND r.relkind = 'r') AS size_bytes
    FROM model m
        JOIN pg_catalog.pg_namespace s ON s.nspname = m.name
        CROSS JOIN LATERAL (SELECT current_rating_count(m.name) AS n) c;

COMMENT ON VIEW models IS 'every model, what it was fitted on, and what has changed since';
COMMENT ON COLUMN models.owner IS 'owner of the schema, who may refit and drop the model';
COMMENT ON COLUMN models.current_rating_count IS 'ratings that it would be fitted on now, counted when selected; null of models of others';
COMMENT ON COLUMN models.staleness IS 'ratings now against ratings fitted, as a fraction: 0.1 is 10 % more';
COMMENT ON COLUMN models.size_bytes IS 'size of the model''s tables and indexes';

GRANT SELECT ON models TO PUBLIC;
