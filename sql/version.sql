-- version: the fits of a model, one after the other
--
-- A refit replaces what the model has learned.  How good each fit was is kept in
-- the model's table version and, where option keep_models asks for it, what it had
-- learned in tables former_… of the same columns and the number of the version.

CREATE FUNCTION model_version(name text) RETURNS integer
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT m.version FROM model m WHERE m.name = $1;
END;

COMMENT ON FUNCTION model_version IS 'number of the fit that a model is at';

-- The tables that a fit fills.
CREATE FUNCTION learned_tables(method text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN f.family IS NULL THEN ARRAY['fit', 'coefficient', 'path'] ELSE ARRAY['fit', 'item'] END
        || CASE f.family WHEN 'user_neighbors' THEN ARRAY['user_neighbor']
            WHEN 'factors' THEN ARRAY['item_block']
            WHEN 'hybrid' THEN ARRAY['part'] ELSE '{}' END
    FROM method_family(method) f(family);
END;

COMMENT ON FUNCTION learned_tables IS 'the tables of a model that its fit fills';

-- Erasure: what is stored of a user beside the ratings, of the tables that there
-- are now.
CREATE FUNCTION forget_statement(m model) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('CREATE OR REPLACE FUNCTION %%1$I.forget_user(target_user %%4$s) RETURNS void
            LANGUAGE sql VOLATILE PARALLEL UNSAFE
            BEGIN ATOMIC %s END',
        -- A log of changes that lacks some says that all may have changed.
        string_agg(format(CASE t.name WHEN 'change' THEN 'UPDATE %%1$I.%s t SET change = 0, %%2$I = NULL' ELSE 'DELETE FROM %%1$I.%s t' END
            || ' WHERE t.%%2$I %%10$s $1;', t.name), ' ' ORDER BY t.name)
            || coalesce((SELECT string_agg(format(' SELECT %s.forget_user($1);', socrec.quote_template(p.name)), '' ORDER BY p.name)
                FROM socrec.hybrid_parts(m) p), ''))
    FROM unnest(ARRAY['user_metric', 'user_neighbor', 'former_user_neighbor', 'impression', 'recommended', 'change']) t(name)
    WHERE t.name = 'user_metric' OR t.name = ANY (socrec.learned_tables(m.method)) OR to_regclass(format('%I.%I', m.name, t.name)) IS NOT NULL
$$;

COMMENT ON FUNCTION forget_statement IS 'template of a model''s function forget_user';

-- Copy what a model has learned to the tables of former versions.
CREATE FUNCTION keep_learned(m model) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    learned text;
BEGIN
    FOREACH learned IN ARRAY socrec.learned_tables(m.method) LOOP
        IF to_regclass(format('%I.%I', m.name, 'former_' || learned)) IS NULL THEN
            EXECUTE format('CREATE TABLE %1$I.%2$I AS SELECT t.*, 0 AS version FROM %1$I.%3$I t WITH NO DATA',
                m.name, 'former_' || learned, learned);
            PERFORM socrec.hand_over(m);
            EXECUTE format('COMMENT ON TABLE %I.%I IS ''what former versions of the model had learned''', m.name, 'former_' || learned);
            IF m.target_column IS NULL THEN
                EXECUTE socrec.fill_template(m, socrec.forget_statement(m));
            END IF;
        END IF;
        EXECUTE format('INSERT INTO %1$I.%2$I SELECT t.*, %4$s FROM %1$I.%3$I t', m.name, 'former_' || learned, learned, m.version);
    END LOOP;
END
$$;

COMMENT ON FUNCTION keep_learned IS 'copies what a model has learned, to come back to it';

-- Forget former versions that the options do not ask for.
CREATE FUNCTION prune_versions(m model, current_version integer) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    former text;
BEGIN
    EXECUTE format('DELETE FROM %1$I.version v WHERE v.version <> $1 AND v.version NOT IN (
            SELECT o.version FROM %1$I.version o WHERE o.version <> $1 ORDER BY o.replaced_at DESC, o.version DESC LIMIT $2)', m.name)
        USING current_version, greatest((m.options ->> 'versions')::integer, (m.options ->> 'keep_models')::integer);
    EXECUTE format('UPDATE %1$I.version v SET kept = false WHERE v.kept AND v.version NOT IN (
            SELECT o.version FROM %1$I.version o WHERE o.kept ORDER BY o.replaced_at DESC, o.version DESC LIMIT $1)', m.name)
        USING (m.options ->> 'keep_models')::integer;
    FOR former IN
        SELECT 'former_' || t FROM unnest(socrec.learned_tables(m.method)) t
        WHERE to_regclass(format('%I.%I', m.name, 'former_' || t)) IS NOT NULL
    LOOP
        EXECUTE format('DELETE FROM %1$I.%2$I f WHERE f.version NOT IN (SELECT v.version FROM %1$I.version v WHERE v.kept)', m.name, former);
    END LOOP;
END
$$;

COMMENT ON FUNCTION prune_versions IS 'forgets former versions of a model that its options do not ask for';

-- Before another version comes.
CREATE FUNCTION end_version(m model, keeps boolean) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM socrec.end_version(p, keeps) FROM socrec.model_parts(m) p;
    IF keeps THEN
        PERFORM socrec.keep_learned(m);
    END IF;
    EXECUTE format('UPDATE %I.version v SET replaced_at = now(), kept = $2 WHERE v.version = $1', m.name) USING m.version, keeps;
END
$$;

COMMENT ON FUNCTION end_version IS 'writes down that another version of a model replaces the present one, and keeps that if it is wanted';

-- After a fit.
CREATE FUNCTION begin_version(m model) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part socrec.model;
BEGIN
    -- Parts have the versions of the whole.
    FOR part IN SELECT * FROM socrec.model_parts(m) LOOP
        part.version := m.version;
        PERFORM socrec.register_fit(part);
        PERFORM socrec.begin_version(part);
    END LOOP;
    EXECUTE format('INSERT INTO %I.version VALUES ($1, $2, $3, $4, $5, $6)', m.name)
        USING m.version, m.fitted_at, m.fit_duration, m.rating_count, m.user_count, m.item_count;
    PERFORM socrec.prune_versions(m, m.version);
    IF to_regclass(format('%I.reference', m.name)) IS NOT NULL THEN
        PERFORM socrec.store_reference(m);
    END IF;
END
$$;

COMMENT ON FUNCTION begin_version IS 'writes down the version of a model that was just fitted';

-- What view evaluation says, for all users at once: the view looks up the ratings of
-- each user, which takes hours where the source has no index for it.
CREATE FUNCTION measure_version(m model) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    any_held_out boolean;
BEGIN
    IF m.target_column IS NOT NULL THEN
        PERFORM socrec.measure_behavior_version(m);
        RETURN;
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %I.rating WHERE held_out)', m.name) INTO any_held_out;
    IF NOT any_held_out THEN
        RETURN;
    END IF;
    PERFORM socrec.measure_version(p) FROM socrec.model_parts(m) p;
    EXECUTE socrec.fill_template(m, 'UPDATE %1$I.version v SET (n, sse, mse, rmse, mae, coverage) = (
            SELECT ' || socrec.error_columns() || '
            FROM (
                SELECT r.rating AS actual, p.prediction AS predicted, p.source
                FROM socrec.fit_and_predict($2, $3, NULL::%4$s, NULL::%5$s, $4, $5, $6) p
                    JOIN %1$I.rating r ON r.%2$I %10$s p.user_id AND r.%3$I %11$s p.item_id AND r.held_out) e)
        WHERE v.version = $1')
        USING m.version,
            socrec.rating_query(m, training => true),
            socrec.fill_template(m, 'SELECT r.%2$I, r.%3$I FROM %1$I.rating r WHERE r.held_out'),
            m.method, m.options, socrec.stored_queries(m);
END
$$;

COMMENT ON FUNCTION measure_version IS 'measures the version of a model that was just fitted on the ratings held out';

-- What a model had learned at a former version, in place of what it has now.
CREATE FUNCTION restore_version(m model, target integer) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    learned text;
    learned_columns text;
BEGIN
    PERFORM socrec.restore_version(p, target) FROM socrec.model_parts(m) p;
    EXECUTE format('UPDATE %I.version v SET replaced_at = NULL, kept = false WHERE v.version = $1', m.name) USING target;
    FOREACH learned IN ARRAY socrec.learned_tables(m.method) LOOP
        SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO learned_columns FROM pg_attribute a
            WHERE a.attrelid = format('%I.%I', m.name, learned)::regclass AND a.attnum > 0 AND NOT a.attisdropped;
        EXECUTE format('DELETE FROM %I.%I', m.name, learned);
        EXECUTE format('INSERT INTO %1$I.%2$I (%3$s) SELECT %3$s FROM %1$I.%4$I f WHERE f.version = %5$s',
            m.name, learned, learned_columns, 'former_' || learned, target);
    END LOOP;
    IF m.target_column IS NOT NULL THEN
        PERFORM socrec.execute_all(socrec.behavior_function_statements(m, socrec.stored_scorer(m)));
    END IF;
    EXECUTE format('UPDATE socrec.model r
            SET (fitted_at, fit_duration, rating_count, user_count, item_count, version) =
                (SELECT v.fitted_at, v.fit_duration, v.rating_count, v.user_count, v.item_count, v.version FROM %I.version v WHERE v.version = $2)
            WHERE r.name = $1', m.name) USING m.name, target;
    PERFORM socrec.prune_versions(m, target);
END
$$;

COMMENT ON FUNCTION restore_version IS 'puts what a model had learned at a former version in place of the present one';

-- Bring a former version back.  The present one is kept in its stead, so that
-- this can be undone.
CREATE PROCEDURE rollback(name text, version integer DEFAULT NULL)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m socrec.model := socrec.lock_model(name, any_kind => true);
    target integer;
BEGIN
    PERFORM socrec.refuse_part(name);
    EXECUTE format('SELECT v.version FROM %I.version v WHERE v.kept AND CASE WHEN $1 IS NULL THEN v.version < $2 ELSE v.version = $1 END
            ORDER BY v.replaced_at DESC, v.version DESC LIMIT 1', m.name)
        INTO target USING version, m.version;
    IF target IS NULL THEN
        RAISE undefined_object
            USING MESSAGE = CASE WHEN version IS NULL THEN format('no former version of model "%s" is kept', name)
                    ELSE format('version %s of model "%s" is not kept', version, name) END,
                HINT = format('Option "keep_models" says how many are; %I.version lists them.', name);
    END IF;
    PERFORM socrec.end_version(m, true);
    PERFORM socrec.restore_version(m, target);
END
$$;

COMMENT ON PROCEDURE rollback IS 'brings a former version of a model back, by default the one before; refit makes a new one';
