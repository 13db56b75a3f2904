-- prepare: a schema that holds the ratings that an event log stands for
--
--   source   the columns of the log that matter, as they are
--   event    each of them cleaned and judged: its weight, or why it is dropped
--   pair     the events of each user and item combined into one rating
--   outcome  the pairs, with those dropped by the minimums
--   rating   what is left
--   report   what became of every event
--
-- One of pair and rating is a view, a materialized view or a table; all else is
-- a view, so that the report and the ratings cannot disagree.

CREATE FUNCTION parse_number(string text) RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_parse_number'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION parse_number IS 'the number that a text says, or NULL if it says none';

CREATE FUNCTION parse_timestamp(string text) RETURNS timestamptz
AS 'MODULE_PATHNAME', 'socrec_parse_timestamp'
LANGUAGE c STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION parse_timestamp IS 'the time that a text says, or NULL if it says none';

CREATE FUNCTION rating_core(
    query text,
    user_type anyelement,
    item_type anycompatible,
    min_user_ratings integer,
    min_item_ratings integer)
RETURNS TABLE (user_id anyelement, item_id anycompatible, round integer)
AS 'MODULE_PATHNAME', 'socrec_rating_core'
LANGUAGE c STABLE PARALLEL UNSAFE COST 1000000 ROWS 1000;

COMMENT ON FUNCTION rating_core IS
    'the users and the items of a query (user, item) that are not in its core, where all have enough ratings of one another';

-- What to write for an expression of some type where a number, or a time, is
-- meant; `what` names the expression in an error.

CREATE FUNCTION as_number(expression text, type regtype, what text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    CASE (SELECT typcategory FROM pg_type WHERE oid = type)
        WHEN 'N' THEN RETURN expression || '::pg_catalog.float8';
        WHEN 'B' THEN RETURN expression || '::pg_catalog.int4::pg_catalog.float8';
        WHEN 'S' THEN RETURN format('socrec.parse_number(%s::pg_catalog.text)', expression);
        ELSE RAISE datatype_mismatch USING MESSAGE = format('%s is of type %s, not a number or text', what, type);
    END CASE;
END
$$;

COMMENT ON FUNCTION as_number IS 'an expression as a number, by its type';

CREATE FUNCTION as_time(expression text, type regtype, what text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    CASE (SELECT typcategory FROM pg_type WHERE oid = type)
        WHEN 'D' THEN RETURN expression || '::pg_catalog.timestamptz';
        WHEN 'N' THEN RETURN format('pg_catalog.to_timestamp(%s::pg_catalog.float8)', expression);
        WHEN 'S' THEN RETURN format('socrec.parse_timestamp(%s::pg_catalog.text)', expression);
        ELSE RAISE datatype_mismatch USING MESSAGE = format('%s is of type %s, not a time, seconds since 1970 or text', what, type);
    END CASE;
END
$$;

COMMENT ON FUNCTION as_time IS 'an expression as a time, by its type';

CREATE TABLE rating_set (
    name text PRIMARY KEY,
    source text NOT NULL,
    user_column text NOT NULL,
    item_column text NOT NULL,
    kind_column text,
    value_column text,
    time_column text,
    weights jsonb,
    storage text NOT NULL,
    options jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    refreshed_at timestamptz,
    tracked jsonb
);

COMMENT ON TABLE rating_set IS 'every set of ratings made by create_ratings';
COMMENT ON COLUMN rating_set.name IS 'the schema that holds it';
COMMENT ON COLUMN rating_set.storage IS 'table, view or materialized view';
COMMENT ON COLUMN rating_set.options IS 'all options, defaults filled in';
COMMENT ON COLUMN rating_set.refreshed_at IS 'null for views, which are always fresh';
COMMENT ON COLUMN rating_set.tracked IS 'of incremental ratings: what the last refresh found that the log does not tell; null: it cannot be relied on';

SELECT pg_catalog.pg_extension_config_dump('rating_set', '');

GRANT SELECT, INSERT, UPDATE, DELETE ON rating_set TO PUBLIC;

CREATE TRIGGER check_schema_owner BEFORE INSERT OR UPDATE OR DELETE ON rating_set
    FOR EACH ROW EXECUTE FUNCTION check_schema_owner();

-- Keep a log, SCHEMA.change, of the rows that come to and go from a table: the
-- given columns of each, with change 1 for a row that came and -1 for one that
-- went; a row with change 0 says that the table was truncated.  What is logged
-- commits with the change itself, so whoever takes log and table in one snapshot
-- misses nothing and counts nothing twice.
CREATE FUNCTION track_changes(schema text, source regclass, columns text[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kind "char" := (SELECT relkind FROM pg_class WHERE oid = source);
    list text := (SELECT string_agg(DISTINCT quote_ident(c), ', ') FROM unnest(columns) c);
    rows text[];
    event text;
    name text;
    level text;
    mode text;
BEGIN
    IF kind IS NULL OR kind NOT IN ('r', 'p')
        OR kind = 'r' AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = source) THEN
        RAISE wrong_object_type
            USING MESSAGE = format('changes of %s cannot be tracked', source),
                  HINT = 'They can be of a plain or a partitioned table.';
    END IF;
    -- A snapshot older than the lock below would miss what was committed between.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE invalid_transaction_state
            USING MESSAGE = 'changes can be tracked only from a READ COMMITTED transaction on';
    END IF;
    EXECUTE format('CREATE TABLE %I.change AS SELECT %s, NULL::smallint AS change FROM %s WITH NO DATA', schema, list, source);
    EXECUTE format('COMMENT ON TABLE %I.change IS ''rows that came to (1) and went from (-1) the source since the last refresh; 0: all went''', schema);
    -- Whoever changes the source fills the log, with or without rights on it: so
    -- the function runs as its owner.  It writes there and nowhere else.
    rows := ARRAY(SELECT (SELECT string_agg(a.alias || '.' || quote_ident(d.c), ', ' ORDER BY d.c) FROM (SELECT DISTINCT unnest(columns) AS c) d)
        FROM unnest(ARRAY['OLD', 'NEW', 'old_rows', 'new_rows']) WITH ORDINALITY a(alias, n) ORDER BY a.n);
    list := (SELECT string_agg(quote_ident(d.c), ', ' ORDER BY d.c) FROM (SELECT DISTINCT unnest(columns) AS c) d);
    EXECUTE format('CREATE FUNCTION %I.log_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS %L',
        schema, format($body$
        BEGIN
            IF TG_OP = 'TRUNCATE' THEN
                INSERT INTO %1$I.change (change) VALUES (0);
            ELSIF TG_LEVEL = 'ROW' THEN
                IF TG_OP <> 'INSERT' THEN
                    INSERT INTO %1$I.change (%2$s, change) VALUES (%3$s, -1);
                END IF;
                IF TG_OP <> 'DELETE' THEN
                    INSERT INTO %1$I.change (%2$s, change) VALUES (%4$s, 1);
                END IF;
            ELSE
                IF TG_OP <> 'INSERT' THEN
                    INSERT INTO %1$I.change (%2$s, change) SELECT %5$s, -1 FROM old_rows;
                END IF;
                IF TG_OP <> 'DELETE' THEN
                    INSERT INTO %1$I.change (%2$s, change) SELECT %6$s, 1 FROM new_rows;
                END IF;
            END IF;
            RETURN NULL;
        END $body$, schema, list, rows[1], rows[2], rows[3], rows[4]));
    EXECUTE format('REVOKE ALL ON FUNCTION %I.log_change() FROM PUBLIC', schema);
    -- A plain table is logged by statement, which costs least; but what comes by
    -- logical replication fires row triggers alone.
    FOR event, name, level, mode IN
        SELECT e, format('socrec_%s_%s_%s', e || CASE l WHEN 'ROW' THEN '_row' ELSE '' END, quote_ident(schema)::regnamespace::oid, left(schema, 30)),
            CASE WHEN l = 'ROW' OR e = 'truncate' THEN '' ELSE 'REFERENCING'
                || CASE WHEN e <> 'delete' THEN ' NEW TABLE AS new_rows' ELSE '' END
                || CASE WHEN e <> 'insert' THEN ' OLD TABLE AS old_rows' ELSE '' END END || ' FOR EACH ' || l,
            CASE WHEN kind = 'p' OR e = 'truncate' THEN 'ENABLE ALWAYS' WHEN l = 'ROW' THEN 'ENABLE REPLICA' ELSE 'ENABLE' END
        FROM unnest(ARRAY['insert', 'update', 'delete', 'truncate']) e, unnest(ARRAY['STATEMENT', 'ROW']) l
        WHERE CASE WHEN e = 'truncate' THEN l = 'STATEMENT' ELSE kind = 'r' OR l = 'ROW' END
    LOOP
        EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s %s EXECUTE FUNCTION %I.log_change()', name, event, source, level, schema);
        EXECUTE format('ALTER TABLE %s %s TRIGGER %I', source, mode, name);
    END LOOP;
END
$$;

COMMENT ON FUNCTION track_changes IS 'logs the rows that come to and go from a table in a table called change';

CREATE FUNCTION untrack_changes(schema text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $$
BEGIN
    -- With its triggers, which only CASCADE drops from a table of somebody else; of them
    -- there is nothing to tell.
    EXECUTE format('DROP FUNCTION %I.log_change() CASCADE', schema);
    EXECUTE format('DROP TABLE %I.change', schema);
END
$$;

COMMENT ON FUNCTION untrack_changes IS 'ends what track_changes began';

-- What must be as it was for a log of changes to be complete: partitions, which
-- come and go without an event, and settings, which give times another meaning.
-- A partition that was attached anew has a new trigger, one that was truncated a
-- new file.  NULL where the log cannot be complete: triggers have been dropped,
-- disabled or enabled in another way, or the table has got children.
CREATE FUNCTION tracked_state(schema text, time_column text) RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH log AS (SELECT t.*, c.relkind FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE t.tgfoid = to_regprocedure(format('%I.log_change()', schema)))
    SELECT jsonb_build_object(
        'settings', (SELECT DISTINCT current_setting('TimeZone') || ' ' || current_setting('DateStyle')
            FROM log o JOIN pg_attribute a ON a.attrelid = o.tgrelid
            WHERE o.tgparentid = 0 AND a.attname = time_column AND a.atttypid <> 'timestamptz'::regtype),
        'partitions', coalesce(jsonb_agg(jsonb_build_array(t.tgrelid::regclass::text, t.oid::bigint, pg_relation_filenode(t.tgrelid)::bigint) ORDER BY t.oid)
            FILTER (WHERE t.tgparentid <> 0), '[]'))
    FROM log t
    HAVING count(*) FILTER (WHERE t.tgparentid = 0) = max(CASE t.relkind WHEN 'r' THEN 7 ELSE 4 END) FILTER (WHERE t.tgparentid = 0)
        -- The lowest bit of tgtype says row, the sixth truncate.
        AND bool_and(t.tgenabled = CASE WHEN t.tgparentid <> 0 OR t.relkind = 'p' OR t.tgtype & 32 > 0 THEN 'A' WHEN t.tgtype & 1 > 0 THEN 'R' ELSE 'O' END)
        AND NOT bool_or(t.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = t.tgrelid))
$$;

COMMENT ON FUNCTION tracked_state IS 'what a log of changes does not tell, or null if it cannot be complete';

CREATE FUNCTION check_tracked(schema text, time_column text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    state jsonb := socrec.tracked_state(schema, time_column);
BEGIN
    IF state IS NULL THEN
        RAISE WARNING USING MESSAGE = format('not all changes of the source of %I are logged, so every refresh is a rebuild', schema),
            HINT = 'Its triggers have been dropped, disabled or enabled in another way, or it has got children. Drop and create anew.';
    END IF;
    RETURN state;
END
$$;

COMMENT ON FUNCTION check_tracked IS 'tracked_state, with a warning if it is null';

-- All options: the given ones over the defaults.
CREATE FUNCTION rating_options(given jsonb, has_time boolean) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known jsonb := jsonb_build_object('combine', 'sum', 'negative', 'subtract', 'half_life', null, 'as_of', null,
        'window', null, 'since', null, 'until', null, 'minimum', null, 'maximum', null, 'out_of_range', 'drop',
        'cap', null, 'min_user_ratings', 0, 'min_item_ratings', 0, 'trim', true, 'fold_case', 'none',
        'drop_duplicates', has_time, 'incremental', false, 'keep_rejected', false);
    types CONSTANT jsonb := '{"half_life": "string", "as_of": "string", "window": "string", "since": "string", "until": "string",
        "minimum": "number", "maximum": "number", "cap": "number"}';
    choices CONSTANT jsonb := '{"combine": ["sum", "max", "last", "first", "mean", "count", "log1p"],
        "negative": ["subtract", "drop", "keep"], "out_of_range": ["drop", "clip"], "fold_case": ["none", "lower", "upper"]}';
    bad record;
BEGIN
    known := socrec.check_options('create_ratings', given, known, types, choices,
        '{"min_user_ratings": "^[0-9]{1,9}$", "min_item_ratings": "^[0-9]{1,9}$"}');
    IF NOT has_time THEN
        SELECT o.key INTO bad FROM jsonb_each(known) o
            WHERE o.key IN ('half_life', 'as_of', 'window', 'since', 'until') AND o.value <> 'null'
                OR o.key = 'combine' AND o.value IN ('"first"', '"last"')
            ORDER BY o.key LIMIT 1;
        IF FOUND THEN
            RAISE invalid_parameter_value
                USING MESSAGE = format('option "%s" needs a time_column', bad.key || CASE bad.key WHEN 'combine' THEN '": "' || (known ->> 'combine') ELSE '' END);
        END IF;
    END IF;
    IF (known ->> 'half_life')::interval <= '0' OR (known ->> 'window')::interval <= '0' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'half_life and window must be positive intervals';
    END IF;
    IF (known ->> 'incremental')::boolean AND known ->> 'as_of' IS NULL
        AND (known ->> 'half_life' IS NOT NULL OR known ->> 'window' IS NOT NULL) THEN
        RAISE invalid_parameter_value
            USING MESSAGE = 'incremental ratings that decay or have a window need option "as_of"',
                  HINT = 'With a moving time every rating changes with every refresh.';
    END IF;
    -- A time means what it says here and now, whoever refreshes later and where.
    RETURN known || (SELECT jsonb_object_agg(t, (known ->> t)::timestamptz) FROM unnest(ARRAY['as_of', 'since', 'until']) t);
END
$$;

COMMENT ON FUNCTION rating_options IS 'all options of create_ratings, the given ones over the defaults';

-- The operators by which users and items are equal.
CREATE FUNCTION key_operators(r rating_set) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(socrec.equality_operator(a.atttypid) ORDER BY a.attname = r.item_column)
    FROM pg_attribute a
    WHERE a.attrelid = format('%I.event', r.name)::regclass AND a.attname IN (r.user_column, r.item_column)
$$;

COMMENT ON FUNCTION key_operators IS 'the operators by which users and items are equal';

-- Bring pair and the rejected events up to date, in one statement so that all
-- of it, and the log of changes, is of one snapshot; where a pair alone decides
-- on its rating, the ratings of the pairs that have changed too.  Returns whether
-- it did the latter.
CREATE FUNCTION refresh_pairs(r rating_set) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    incremental boolean := (r.options ->> 'incremental')::boolean;
    keeps boolean := (r.options ->> 'keep_rejected')::boolean;
    everything boolean := NOT incremental OR r.refreshed_at IS NULL;
    alone boolean := greatest((r.options ->> 'min_user_ratings')::integer, (r.options ->> 'min_item_ratings')::integer) <= 1;
    nestloop text := current_setting('enable_nestloop');
    same text[] := socrec.key_operators(r);
BEGIN
    IF NOT everything THEN
        everything := coalesce(r.tracked <> socrec.tracked_state(r.name, r.time_column), true);
    END IF;
    IF NOT everything THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %I.change WHERE change = 0)', r.name) INTO everything;
    END IF;
    IF everything THEN
        EXECUTE format('DELETE FROM %I.pair', r.name);
        IF keeps THEN
            EXECUTE format('DELETE FROM %I.rejected', r.name);
        END IF;
        EXECUTE format('WITH pair AS (INSERT INTO %1$I.pair %2$s)%3$s%4$s SELECT', r.name,
            socrec.pair_query_once(r),
            CASE WHEN incremental THEN format(', taken AS (DELETE FROM %I.change)', r.name) ELSE '' END,
            CASE WHEN keeps THEN format(', rejected AS (INSERT INTO %1$I.rejected SELECT raw_user, raw_item, kind, raw_value, raw_at, reason
                FROM %1$I.event WHERE reason IS NOT NULL)', r.name) ELSE '' END);
        RETURN false;
    END IF;
    EXECUTE format('ANALYZE %I.change', r.name);
    -- The planner cannot guess how much is in the log; where no index leads from
    -- a pair to its events, a nested loop would read the source once for each.
    IF NOT EXISTS (
        SELECT FROM pg_trigger t JOIN pg_index x ON x.indrelid = t.tgrelid
            JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]
        WHERE t.tgfoid = to_regprocedure(format('%I.log_change()', r.name)) AND x.indisvalid AND x.indpred IS NULL
            AND a.attname IN (r.user_column, r.item_column) AND socrec.key_expression(r, a.attname) = format('s.%I', a.attname)) THEN
        PERFORM set_config('enable_nestloop', 'off', true);
    END IF;
    -- A truncation that comes between leaves the log as it is, for the next time.
    EXECUTE format($statement$
        WITH taken AS (DELETE FROM %1$I.change WHERE NOT EXISTS (SELECT FROM %1$I.change WHERE change = 0) RETURNING *),
        came AS MATERIALIZED (%4$s), went AS MATERIALIZED (%5$s),
        judged AS (SELECT came.*, 1 AS change FROM came UNION ALL SELECT went.*, -1 FROM went),
        touched AS MATERIALIZED (SELECT DISTINCT %2$I, %3$I FROM judged WHERE reason IS NULL),
        -- Only what the join leaves is worth being judged.
        fresh_event AS (SELECT e.* FROM (SELECT e.* FROM touched t JOIN %1$I.event e ON e.%2$I %8$s t.%2$I AND e.%3$I %9$s t.%3$I OFFSET 0) e WHERE e.reason IS NULL),
        fresh AS MATERIALIZED (SELECT * FROM (%6$s) p WHERE %2$I IS NOT NULL),
        gone AS (DELETE FROM %1$I.pair p USING touched t
            WHERE p.%2$I %8$s t.%2$I AND p.%3$I %9$s t.%3$I
                AND NOT EXISTS (SELECT FROM fresh f WHERE f.%2$I %8$s t.%2$I AND f.%3$I %9$s t.%3$I)),
        kept AS (INSERT INTO %1$I.pair SELECT * FROM fresh ON CONFLICT (%2$I, %3$I) DO UPDATE
            SET rating = EXCLUDED.rating, events = EXCLUDED.events, duplicates = EXCLUDED.duplicates, first_at = EXCLUDED.first_at,
                last_at = EXCLUDED.last_at, capped = EXCLUDED.capped, reason = EXCLUDED.reason)%10$s%7$s
        INSERT INTO %1$I.pair (events, duplicates, capped, reason)
            SELECT c.n, 0, false, c.reason
            FROM (SELECT reason, sum(change)::bigint AS n FROM judged WHERE reason IS NOT NULL GROUP BY reason
                UNION ALL SELECT 'key cleaned', sum(change) FROM judged WHERE reason IS NULL AND cleaned
                UNION ALL SELECT 'value clipped', sum(change) FROM judged WHERE reason IS NULL AND clipped) c
            WHERE c.n <> 0
            ON CONFLICT (reason) WHERE %2$I IS NULL DO UPDATE SET events = pair.events + EXCLUDED.events$statement$,
        r.name, r.user_column, r.item_column,
        socrec.event_query(r, format('(SELECT %s FROM taken WHERE change = 1)', socrec.source_columns(r))),
        socrec.event_query(r, format('(SELECT %s FROM taken WHERE change = -1)', socrec.source_columns(r))),
        socrec.pair_query(r, 'fresh_event'),
        CASE WHEN keeps THEN format($statement$, stored AS (
            SELECT ctid AS place, ROW(r.*)::text AS image, row_number() OVER (PARTITION BY ROW(r.*)::text) AS n FROM %1$I.rejected r),
        balance AS (
            SELECT raw_user, raw_item, kind, raw_value, raw_at, reason,
                sum(change) AS n
            FROM judged WHERE reason IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6),
        unrejected AS (DELETE FROM %1$I.rejected WHERE ctid = ANY (ARRAY(
            SELECT s.place FROM stored s
                JOIN balance b ON s.image = ROW(b.raw_user, b.raw_item, b.kind, b.raw_value, b.raw_at, b.reason)::text
                WHERE s.n <= -b.n))),
        rejected AS (INSERT INTO %1$I.rejected SELECT raw_user, raw_item, kind, raw_value, raw_at, reason
            FROM balance CROSS JOIN LATERAL generate_series(1, n))$statement$, r.name) ELSE '' END, same[1], same[2],
        CASE WHEN alone THEN format($statement$,
        rating_gone AS (DELETE FROM %1$I.rating r USING touched t
            WHERE r.%2$I %4$s t.%2$I AND r.%3$I %5$s t.%3$I
                AND NOT EXISTS (SELECT FROM fresh f WHERE f.reason IS NULL AND f.%2$I %4$s t.%2$I AND f.%3$I %5$s t.%3$I)),
        rating_kept AS (INSERT INTO %1$I.rating AS r SELECT %2$I, %3$I, rating, events, last_at FROM fresh WHERE reason IS NULL
            ON CONFLICT (%2$I, %3$I) DO UPDATE SET rating = EXCLUDED.rating, events = EXCLUDED.events, last_at = EXCLUDED.last_at
            WHERE (r.rating, r.events, r.last_at) IS DISTINCT FROM (EXCLUDED.rating, EXCLUDED.events, EXCLUDED.last_at))$statement$,
            r.name, r.user_column, r.item_column, same[1], same[2]) ELSE '' END);
    PERFORM set_config('enable_nestloop', nestloop, true);
    EXECUTE format('DELETE FROM %I.pair WHERE %I IS NULL AND events = 0', r.name, r.user_column);
    RETURN alone;
END
$$;

COMMENT ON FUNCTION refresh_pairs IS 'brings the pairs of a set of ratings up to date with its events';

CREATE FUNCTION refresh_rating_set(r rating_set) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    same text[] := socrec.key_operators(r);
BEGIN
    IF r.storage = 'materialized view' AND r.refreshed_at IS NOT NULL THEN
        EXECUTE format('REFRESH MATERIALIZED VIEW %I.pair', r.name);
        EXECUTE format('REFRESH MATERIALIZED VIEW %I.rating', r.name);
    ELSIF r.storage = 'table' THEN
        IF socrec.refresh_pairs(r) THEN
            RETURN;
        END IF;
        EXECUTE format('ANALYZE %I.pair', r.name);
        IF r.refreshed_at IS NULL THEN
            EXECUTE format('INSERT INTO %1$I.rating SELECT %2$I, %3$I, rating, events, last_at FROM %1$I.outcome WHERE reason IS NULL',
                r.name, r.user_column, r.item_column);
            EXECUTE format('ANALYZE %I.rating', r.name);
            RETURN;
        END IF;
        EXECUTE format($statement$
            WITH new AS MATERIALIZED (SELECT %2$I, %3$I, rating, events, last_at FROM %1$I.outcome WHERE reason IS NULL),
            gone AS (DELETE FROM %1$I.rating r WHERE NOT EXISTS (SELECT FROM new n WHERE n.%2$I %4$s r.%2$I AND n.%3$I %5$s r.%3$I))
            INSERT INTO %1$I.rating SELECT n.* FROM new n
                WHERE NOT EXISTS (SELECT FROM %1$I.rating r WHERE r.%2$I %4$s n.%2$I AND r.%3$I %5$s n.%3$I
                    AND r.rating = n.rating AND r.events = n.events AND r.last_at IS NOT DISTINCT FROM n.last_at)
                ON CONFLICT (%2$I, %3$I) DO UPDATE SET rating = EXCLUDED.rating, events = EXCLUDED.events, last_at = EXCLUDED.last_at
            $statement$, r.name, r.user_column, r.item_column, same[1], same[2]);
        EXECUTE format('ANALYZE %I.rating', r.name);
    END IF;
END
$$;

COMMENT ON FUNCTION refresh_rating_set IS 'refreshes what a set of ratings stores';

-- Refuse what cannot become a set of ratings.
CREATE FUNCTION check_rating_set(r rating_set) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bad record;
BEGIN
    IF r.name IS NULL OR r.source IS NULL OR r.user_column IS NULL OR r.item_column IS NULL OR r.storage IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'name, source, user_column, item_column and storage must not be null';
    END IF;
    PERFORM socrec.check_name(r.name);
    IF r.user_column = r.item_column THEN
        RAISE duplicate_column USING MESSAGE = 'user_column and item_column are the same';
    END IF;
    IF r.storage NOT IN ('table', 'view', 'materialized view') THEN
        RAISE invalid_parameter_value USING MESSAGE = format('storage cannot be "%s"', r.storage),
            HINT = 'Use one of: table, view, materialized view.';
    END IF;
    IF (r.options ->> 'incremental')::boolean OR (r.options ->> 'keep_rejected')::boolean THEN
        IF r.storage <> 'table' THEN
            RAISE invalid_parameter_value USING MESSAGE = 'options "incremental" and "keep_rejected" need storage "table"';
        END IF;
    END IF;
    SELECT c INTO bad FROM unnest(ARRAY[r.user_column, r.item_column]) c
        WHERE c IN ('kind', 'value', 'at', 'weight', 'decay', 'cleaned', 'clipped', 'reason', 'raw_user', 'raw_item', 'raw_value', 'raw_at',
            'rating', 'events', 'duplicates', 'first_at', 'last_at', 'capped', 'change', 'number', 'kind_weight', 'copies', 'combined', 'has_negative', 'magnitude', 'w');
    IF FOUND THEN
        RAISE duplicate_column USING MESSAGE = format('the ratings have a column "%s" of their own', bad.c),
            HINT = 'Give a query as source that calls this column something else.';
    END IF;
    IF (r.kind_column IS NULL) <> (r.weights IS NULL) THEN
        RAISE invalid_parameter_value USING MESSAGE = 'kind_column and weights go together';
    END IF;
    IF r.weights IS NOT NULL AND (jsonb_typeof(r.weights) <> 'object' OR r.weights = '{}'
        OR EXISTS (SELECT FROM jsonb_each(CASE jsonb_typeof(r.weights) WHEN 'object' THEN r.weights ELSE '{}' END) w WHERE jsonb_typeof(w.value) <> 'number')) THEN
        RAISE invalid_parameter_value USING MESSAGE = format('weights must be a JSON object of numbers, not %s', r.weights),
            HINT = 'For instance {"like": 1, "share": 3, "view": 0.2}.';
    END IF;
END
$$;

COMMENT ON FUNCTION check_rating_set IS 'an error unless the registry row can become a set of ratings';

CREATE FUNCTION build_rating_set(r rating_set, caller_path text, once boolean) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    source_clause text;
    statement text;
BEGIN
    r.options := socrec.rating_options(r.options, r.time_column IS NOT NULL);
    PERFORM socrec.check_rating_set(r);
    source_clause := socrec.from_clause(r.source, caller_path);
    EXECUTE format('CREATE SCHEMA %I', r.name);
    statement := format('CREATE VIEW %I.source WITH (security_invoker = true) AS SELECT %s FROM %s AS s', r.name,
        (SELECT format('s.%1$I, s.%2$I, %3$s AS kind, %4$s AS value, %5$s AS at', r.user_column, r.item_column,
            coalesce('s.' || quote_ident(r.kind_column), 'NULL::pg_catalog.text'), coalesce('s.' || quote_ident(r.value_column), 'NULL::pg_catalog.text'),
            coalesce('s.' || quote_ident(r.time_column), 'NULL::pg_catalog.text'))), source_clause);
    PERFORM socrec.execute_for_caller(statement, caller_path);
    IF (r.options ->> 'incremental')::boolean THEN
        IF source_clause LIKE '(%' THEN
            RAISE invalid_parameter_value USING MESSAGE = 'incremental ratings need a table as source, not a query';
        END IF;
        PERFORM socrec.track_changes(r.name, source_clause::regclass,
            array_remove(ARRAY[r.user_column, r.item_column, r.kind_column, r.value_column, r.time_column], NULL));
    END IF;
    EXECUTE format('CREATE VIEW %I.event WITH (security_invoker = true) AS %s', r.name,
        socrec.event_query(r, format('%I.source', r.name)));
    PERFORM socrec.execute_all(socrec.rating_set_statements(r, once));
    r.created_at := now();
    r.tracked := CASE WHEN (r.options ->> 'incremental')::boolean THEN socrec.tracked_state(r.name, r.time_column) END;
    PERFORM socrec.refresh_rating_set(r);
    PERFORM socrec.execute_all(socrec.rating_set_indexes(r));
    r.refreshed_at := CASE WHEN r.storage <> 'view' THEN now() END;
    -- A row without its schema is what DROP SCHEMA left behind.
    DELETE FROM socrec.rating_set o WHERE o.name = r.name;
    INSERT INTO socrec.rating_set VALUES (r.*);
END
$$;

COMMENT ON FUNCTION build_rating_set IS 'creates what a registry row describes, and stores the row';

CREATE FUNCTION prepare_report(name text)
RETURNS TABLE (effect text, reason text, rows bigint, share double precision)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (SELECT FROM socrec.rating_set r WHERE r.name = $1) THEN
        RAISE undefined_object USING MESSAGE = format('ratings "%s" do not exist', $1),
            HINT = 'SELECT name FROM socrec.rating_set lists them.';
    END IF;
    RETURN QUERY EXECUTE format('SELECT effect, reason, rows, share FROM %I.report ORDER BY step, rows DESC, reason', $1);
END
$$;

COMMENT ON FUNCTION prepare_report IS 'what became of the events of a set of ratings: read = dropped + merged + rating';

CREATE FUNCTION create_ratings(
    name text,
    source text,
    user_column text DEFAULT 'user_id',
    item_column text DEFAULT 'item_id',
    kind_column text DEFAULT NULL,
    value_column text DEFAULT NULL,
    time_column text DEFAULT NULL,
    weights jsonb DEFAULT NULL,
    storage text DEFAULT 'table',
    options jsonb DEFAULT '{}',
    dry_run boolean DEFAULT false)
RETURNS TABLE (effect text, reason text, rows bigint, share double precision)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
#variable_conflict use_column
DECLARE
    caller_path text := pg_catalog.current_setting('search_path');
    r socrec.rating_set := ROW($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NULL, NULL, NULL);
    lines jsonb;
BEGIN
    IF NOT dry_run THEN
        PERFORM socrec.build_rating_set(r, caller_path, once => r.storage <> 'view');
        RETURN QUERY SELECT * FROM socrec.prepare_report($1);
        RETURN;
    END IF;
    -- Make it as a view, read the report, and undo all.
    BEGIN
        r.storage := 'view';
        r.options := $10 OPERATOR(pg_catalog.||) '{"incremental": false, "keep_rejected": false}';
        PERFORM socrec.build_rating_set(r, caller_path, once => true);
        lines := (SELECT pg_catalog.jsonb_agg(p) FROM socrec.prepare_report($1) p);
        RAISE triggered_action_exception USING MESSAGE = 'dry run';
    EXCEPTION
        WHEN triggered_action_exception THEN
            IF lines IS NULL THEN
                RAISE;
            END IF;
    END;
    RETURN QUERY SELECT l.* FROM pg_catalog.jsonb_to_recordset(lines) AS l (effect text, reason text, rows bigint, share float8);
END
$$;

COMMENT ON FUNCTION create_ratings IS
    'creates a schema with the ratings that an event log stands for, and returns what became of the events';

-- The registry row of ratings that the caller may change, locked.
CREATE FUNCTION lock_rating_set(name text, orphan boolean DEFAULT false) RETURNS rating_set
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    r socrec.rating_set;
BEGIN
    SELECT * INTO r FROM socrec.rating_set s WHERE s.name = name FOR UPDATE;
    PERFORM socrec.check_registered('ratings', 'socrec.rating_set', name, r.name IS NOT NULL, orphan);
    RETURN r;
END
$$;

COMMENT ON FUNCTION lock_rating_set IS 'the registry row of a set of ratings, locked until the end of the transaction';

CREATE FUNCTION refresh_ratings(name text)
RETURNS TABLE (effect text, reason text, rows bigint, share double precision)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    -- A second refresh of the same ratings waits here for the first.
    r socrec.rating_set := socrec.lock_rating_set($1);
    state jsonb;
BEGIN
    IF (r.options ->> 'incremental')::boolean THEN
        -- Taken before the events are read: what changes meanwhile shows the next time.
        state := socrec.check_tracked(r.name, r.time_column);
    END IF;
    PERFORM socrec.refresh_rating_set(r);
    UPDATE socrec.rating_set s SET refreshed_at = now(), tracked = state WHERE s.name = $1 AND s.storage <> 'view';
    RETURN QUERY SELECT * FROM socrec.prepare_report($1);
END
$$;

COMMENT ON FUNCTION refresh_ratings IS 'brings ratings up to date with their events, and returns what became of the events';

CREATE FUNCTION drop_ratings(name text, "cascade" boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    r socrec.rating_set := socrec.lock_rating_set(name, orphan => true);
BEGIN
    IF to_regnamespace(quote_ident(name)) IS NULL THEN
        NULL; -- only the row is left
    ELSIF "cascade" THEN
        EXECUTE format('DROP SCHEMA %I CASCADE', name);
    ELSE
        -- Piece by piece, so that what others have built on it stops the drop.
        EXECUTE format('DROP %2$s %1$I.rejected', name, CASE WHEN (r.options ->> 'keep_rejected')::boolean THEN 'TABLE' ELSE 'VIEW' END);
        EXECUTE format('DROP VIEW %I.report', name);
        EXECUTE format('DROP %2$s %1$I.rating', name, upper(r.storage));
        EXECUTE format('DROP VIEW %I.outcome', name);
        EXECUTE format('DROP %2$s %1$I.pair', name, upper(r.storage));
        EXECUTE format('DROP VIEW %I.event', name);
        EXECUTE format('DROP VIEW %I.source', name);
        IF (r.options ->> 'incremental')::boolean THEN
            PERFORM socrec.untrack_changes(name);
        END IF;
        EXECUTE format('DROP SCHEMA %I', name);
    END IF;
    DELETE FROM socrec.rating_set s WHERE s.name = name;
END
$$;

COMMENT ON FUNCTION drop_ratings IS 'drops ratings and what came with them; refuses when other objects depend on them, unless cascade';
