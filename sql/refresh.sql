-- refresh: a model follows the changes of its ratings between two fits
--
-- With option track_changes, triggers on the source keep a log of what comes and
-- goes (see track_changes in prepare.sql), and a refresh takes it.  Where neighbors
-- follow from what changes, table candidate has what for.

CREATE FUNCTION refreshed_neighbors(
    query text,
    item_type anyelement,
    stored text,
    changes text,
    k integer DEFAULT 100,
    similarity text DEFAULT 'cosine',
    min_support integer DEFAULT 1,
    shrinkage double precision DEFAULT 0,
    center text DEFAULT 'none',
    weighting text DEFAULT 'none',
    min_similarity double precision DEFAULT 0,
    item_regularization double precision DEFAULT 10,
    user_regularization double precision DEFAULT 15,
    baseline_epochs integer DEFAULT 10)
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
    user_count integer,
    bound real,
    others integer[],
    products real[],
    totals real[],
    supports integer[])
AS 'MODULE_PATHNAME', 'socrec_refreshed_neighbors'
LANGUAGE c STABLE PARALLEL UNSAFE COST 1000000 ROWS 10000;

COMMENT ON FUNCTION refreshed_neighbors IS
    'item_neighbors from what was stored of pairs of items and the ratings that changed, with what to store for the next time';

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
    -- Cheaper to write; a crash empties both, and what is not known is read anew.
    EXECUTE format('ALTER TABLE %I.change SET UNLOGGED', m.name);
    EXECUTE format('CREATE UNLOGGED TABLE %I.tracked (state jsonb, refreshes integer NOT NULL)', m.name);
    EXECUTE format('COMMENT ON TABLE %I.tracked IS %L', m.name,
        'what the last fit or refresh found that the log of changes does not tell; null: it cannot be relied on');
END
$$;

COMMENT ON FUNCTION track_model IS 'begins to log the changes of a model''s source';

-- Can the neighbors of a model be had from changes alone?  They can where a pair of
-- items depends on nothing but the ratings of those who rated both, each of which
-- depends on the other ratings of that user alone; and where the log tells which
-- ratings there were: not where repeated events count once.
CREATE FUNCTION follows_changes(m model) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT (m.options ->> 'track_changes')::boolean AND method_family(m.method) = 'item_neighbors' AND m.options ->> 'similarity' = 'cosine'
        AND m.options ->> 'center' IN ('none', 'user') AND m.options ->> 'weighting' IN ('none', 'tfidf')
        AND (m.options ->> 'min_similarity')::float8 >= 0 AND (m.options ->> 'k')::integer > 0
        AND to_regclass(format('%I.rating_change', m.name)) IS NOT NULL;
END;

COMMENT ON FUNCTION follows_changes IS 'whether the neighbors of a model follow from what its log of changes has';

-- Completes the objects of a model that tracks changes.  What can be made anew any
-- time needs no protection from a crash.
CREATE FUNCTION tracking_statements(m model) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT ARRAY['REVOKE ALL ON %1$I.change FROM PUBLIC'] || CASE WHEN socrec.follows_changes(m) THEN ARRAY[
        'REVOKE ALL ON %1$I.rating_change FROM PUBLIC',
        'COMMENT ON VIEW %1$I.rating_change IS ''the log of changes, as ratings''',
        'CREATE UNLOGGED TABLE %1$I.candidate (
            id integer NOT NULL, %3$I %5$s %13$s NOT NULL, norm float8 NOT NULL, bound real NOT NULL,
            others integer[] NOT NULL, products real[] NOT NULL, totals real[] NOT NULL, supports integer[] NOT NULL)
            WITH (toast_tuple_target = 8160)',
        'COMMENT ON TABLE %1$I.candidate IS ''neighbors of every item and more, with what their similarity is made of, for the next refresh; id and others as items were numbered then''',
        'COMMENT ON COLUMN %1$I.candidate.bound IS ''no other item was more similar''',
        'COMMENT ON COLUMN %1$I.candidate.products IS ''sums of the products of the ratings of those who rated both''',
        'COMMENT ON COLUMN %1$I.candidate.totals IS ''sums of the weights of those who rated both, for implicit feedback with tfidf''',
        'COMMENT ON COLUMN %1$I.candidate.supports IS ''number of those who rated both''']
        || ARRAY(SELECT 'ALTER TABLE %1$I.candidate ALTER COLUMN ' || c || ' SET STORAGE EXTERNAL' FROM unnest(ARRAY['others', 'products', 'totals', 'supports']) c)
        ELSE '{}' END
$$;

COMMENT ON FUNCTION tracking_statements IS 'templates of the statements that complete a model that tracks changes';

-- The beginning of the call that fits a model which follows changes, up to the
-- options, as a template.
CREATE FUNCTION refresh_call(m model) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT replace(format('refreshed_neighbors(%L, ', socrec.rating_query(m, training => true)), '%', '%%')
        || 'NULL::%5$s, '
        || replace(format('%L, %L, ',
            socrec.fill_template(m, 'SELECT c.id, c.%3$I, c.norm, c.bound, c.others, c.products, c.totals, c.supports FROM %1$I.candidate c'),
            socrec.fill_template(m, 'SELECT c.%2$I, c.%3$I, c.rating, sum(c.change)::integer FROM %1$I.rating_change c
                WHERE NOT c.held_out OR c.change = 0 GROUP BY 1, 2, 3 HAVING sum(c.change) <> 0 OR min(abs(c.change)) = 0')), '%', '%%')
$$;

COMMENT ON FUNCTION refresh_call IS 'template of the call that fits a model which follows changes, up to the options';

-- Has nothing changed since the last fit or refresh; or so little that it is faster
-- to follow the changes, as the log tells all of them?  Errors of rounding add up
-- over refreshes.
CREATE FUNCTION change_state(m model, OUT unchanged boolean, OUT from_changes boolean)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    max_refreshes CONSTANT integer := 50;
    max_changed_users CONSTANT float8 := 0.002;
    changed_users bigint;
BEGIN
    unchanged := false;
    from_changes := false;
    IF (m.options ->> 'track_changes')::boolean THEN
        EXECUTE format('SELECT coalesce(t.state = $1, false) AND NOT EXISTS (SELECT FROM %1$I.change),
                coalesce(t.state = $1, false) AND t.refreshes < $2 FROM %1$I.tracked t', m.name)
            INTO unchanged, from_changes USING socrec.tracked_state(m.name, NULL), max_refreshes;
        unchanged := coalesce(unchanged, false);
        from_changes := coalesce(from_changes, false) AND socrec.follows_changes(m);
    END IF;
    IF from_changes AND NOT unchanged THEN
        EXECUTE format('SELECT count(DISTINCT c.%I) FROM %I.change c', m.user_column, m.name) INTO changed_users;
        from_changes := changed_users <= max_changed_users * m.user_count;
    END IF;
END
$$;

COMMENT ON FUNCTION change_state IS 'what the log of changes says of a model: nothing has changed, or so little that it is faster to follow it';

CREATE PROCEDURE refresh(name text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    -- A refresh or refit of the same model waits here for the one before.
    m socrec.model := socrec.lock_model(name, any_kind => true);
    fit_duration interval := m.fit_duration;
    fitted socrec.model;
    state record := socrec.change_state(m);
BEGIN
    PERFORM socrec.refuse_part(name);
    IF state.unchanged THEN
        m.fitted_at := now();
    ELSIF socrec.method_family(m.method) = 'factors' THEN
        IF (m.options ->> 'track_changes')::boolean THEN
            EXECUTE format('DELETE FROM %I.change', name);
        END IF;
        PERFORM socrec.fold_in_items(m);
        EXECUTE format('SELECT rating_count, user_count, item_count FROM %I.fit', name) INTO m.rating_count, m.user_count, m.item_count;
    ELSE
        m := socrec.fit_model(m, state.from_changes);
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
