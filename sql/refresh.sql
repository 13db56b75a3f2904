-- refresh: a model follows the changes of its ratings between two fits
--
-- With option track_changes, triggers on the source keep a log of what comes and
-- goes (see track_changes in prepare.sql), and a refresh takes it.

-- Begin to log the changes of a model's source.
CREATE FUNCTION track_model(m model, source_clause text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF source_clause LIKE '(%' THEN
        RAISE invalid_parameter_value
            USING MESSAGE = 'option "track_changes" needs a table as source, not a query',
                  HINT = 'Leave it out: socrec.refresh then reads all ratings.';
    END IF;
    IF 'change' IN (m.user_column, m.item_column, m.rating_column) THEN
        RAISE duplicate_column USING MESSAGE = 'the log of changes has a column "change" of its own',
            HINT = 'Rename the column of the source, or leave out option "track_changes".';
    END IF;
    PERFORM socrec.track_changes(m.name, source_clause::regclass,
        array_remove(ARRAY[m.user_column, m.item_column, m.rating_column], NULL));
    EXECUTE format('CREATE TABLE %I.tracked AS SELECT NULL::jsonb AS state', m.name);
    EXECUTE format('COMMENT ON TABLE %I.tracked IS %L', m.name,
        'what the last fit or refresh found that the log of changes does not tell; null: it cannot be relied on');
END
$$;

COMMENT ON FUNCTION track_model IS 'begins to log the changes of a model''s source';

-- Has nothing changed since the last fit or refresh?
CREATE FUNCTION is_unchanged(m model) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    unchanged boolean := (m.options ->> 'track_changes')::boolean;
BEGIN
    IF unchanged THEN
        EXECUTE format('SELECT coalesce(t.state = $1, false) AND NOT EXISTS (SELECT FROM %1$I.change) FROM %1$I.tracked t', m.name)
            INTO unchanged USING socrec.tracked_state(m.name, NULL);
    END IF;
    RETURN unchanged;
END
$$;

COMMENT ON FUNCTION is_unchanged IS 'whether the log of changes says that a model is up to date';

CREATE PROCEDURE refresh(name text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    -- A refresh or refit of the same model waits here for the one before.
    m socrec.model := socrec.lock_model(name);
    fit_duration interval := m.fit_duration;
    fitted socrec.model;
BEGIN
    PERFORM socrec.refuse_part(name);
    IF socrec.is_unchanged(m) THEN
        m.fitted_at := now();
    ELSE
        m := socrec.fit_model(m);
        m.fit_duration := fit_duration;
    END IF;
    PERFORM socrec.register_fit(m);
    FOR fitted IN SELECT (m).* UNION ALL SELECT * FROM socrec.model_parts(m) LOOP
        EXECUTE format('UPDATE %I.version v SET fitted_at = $2, rating_count = $3, user_count = $4, item_count = $5 WHERE v.version = $1', fitted.name)
            USING fitted.version, fitted.fitted_at, fitted.rating_count, fitted.user_count, fitted.item_count;
    END LOOP;
END
$$;

COMMENT ON PROCEDURE refresh IS 'brings a model up to date with its ratings, as the same version; readers see the old one until commit';
