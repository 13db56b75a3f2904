-- prepare, the views: the queries and statements that make what prepare.sql
-- describes, written from a row of rating_set

-- Expressions of the view event, from the types of the view source.

CREATE FUNCTION source_type(r rating_set, column_name text) RETURNS regtype
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT a.atttypid::regtype FROM pg_attribute a
    WHERE a.attrelid = format('%I.source', r.name)::regclass AND a.attname = column_name;
END;

COMMENT ON FUNCTION source_type IS 'the type of a column of the view source';

CREATE FUNCTION key_expression(r rating_set, column_name text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN t.typcategory <> 'S' OR r.options ->> 'fold_case' = 'none' AND NOT (r.options ->> 'trim')::boolean
        THEN format('s.%I', column_name)
        ELSE format('nullif(%s, '''')::%s%s',
            format(CASE r.options ->> 'fold_case' WHEN 'none' THEN '%s' ELSE (r.options ->> 'fold_case') || '(%s)' END,
                format(CASE WHEN (r.options ->> 'trim')::boolean THEN 'btrim(%s, E'' \t\n\r'')' ELSE '%s' END,
                    format('s.%I::text', column_name))),
            format_type(a.atttypid, a.atttypmod),
            coalesce((SELECT format(' COLLATE %I.%I', n.nspname, l.collname)
                FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace WHERE l.oid = a.attcollation), '')) END
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = format('%I.source', r.name)::regclass AND a.attname = column_name;
END;

COMMENT ON FUNCTION key_expression IS 'the expression of a cleaned key';

CREATE FUNCTION number_expression(r rating_set) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN r.value_column IS NULL THEN '1::float8'
        ELSE as_number('s.value', source_type(r, 'value'), format('value_column "%s"', r.value_column)) END;
END;

COMMENT ON FUNCTION number_expression IS 'the expression of an event''s value as a number';

CREATE FUNCTION time_expression(r rating_set) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN r.time_column IS NULL THEN 'NULL::timestamptz'
        ELSE as_time('s.at', source_type(r, 'at'), format('time_column "%s"', r.time_column)) END;
END;

COMMENT ON FUNCTION time_expression IS 'the expression of an event''s time';

-- The query of the view event, over a relation with the columns of the view
-- source.  For whoever reads all events once, every expression of an event is
-- computed once; else a condition on the keys can be taken to an index.
CREATE FUNCTION event_query(r rating_set, relation text, once boolean DEFAULT false) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    o CONSTANT jsonb := r.options;
    as_of text := coalesce(quote_literal(o ->> 'as_of') || '::timestamptz', 'now()');
    kind_weight text := '1::float8';
    reasons text := '';
    outside text[] := '{}';
    number text := 'c.number';
    user_key text := socrec.key_expression(r, r.user_column);
    item_key text := socrec.key_expression(r, r.item_column);
BEGIN
    IF r.time_column IS NOT NULL THEN
        reasons := reasons || ' WHEN c.raw_at IS NULL THEN ''null time'' WHEN c.at IS NULL OR NOT isfinite(c.at) THEN ''unparsable time''';
        IF o ->> 'window' IS NOT NULL THEN
            outside := outside || format('c.at < %s - %L::interval OR c.at > %s', as_of, o ->> 'window', as_of);
        END IF;
        IF o ->> 'since' IS NOT NULL THEN
            outside := outside || format('c.at < %L::timestamptz', o ->> 'since');
        END IF;
        IF o ->> 'until' IS NOT NULL THEN
            outside := outside || format('c.at >= %L::timestamptz', o ->> 'until');
        END IF;
        IF outside <> '{}' THEN
            reasons := reasons || format(' WHEN %s THEN ''outside window''', array_to_string(outside, ' OR '));
        END IF;
    END IF;
    IF r.kind_column IS NOT NULL THEN
        kind_weight := (SELECT 'CASE s.kind::text' || string_agg(format(' WHEN %L THEN %L::float8', w.key, w.value #>> '{}'), '') || ' END'
            FROM jsonb_each(r.weights) w);
        reasons := reasons || ' WHEN c.kind_weight IS NULL THEN ''unknown kind''';
    END IF;
    IF r.value_column IS NOT NULL THEN
        reasons := reasons || ' WHEN c.raw_value IS NULL THEN ''null value'' WHEN c.number IS NULL THEN ''unparsable value'''
            || ' WHEN c.number IN (''NaN'', ''Infinity'', ''-Infinity'') THEN ''value not finite''';
    END IF;
    IF coalesce(o ->> 'minimum', o ->> 'maximum') IS NOT NULL THEN
        number := concat('least(', o ->> 'maximum', CASE WHEN o ->> 'maximum' IS NOT NULL THEN ', ' END,
            'greatest(', o ->> 'minimum', CASE WHEN o ->> 'minimum' IS NOT NULL THEN ', ' END, 'c.number))');
        IF o ->> 'out_of_range' = 'drop' THEN
            reasons := reasons || format(' WHEN c.number <> %s THEN ''value out of range''', number);
            number := 'c.number';
        END IF;
    END IF;
    IF o ->> 'negative' = 'drop' THEN
        reasons := reasons || format(' WHEN c.kind_weight * %s < 0 THEN ''negative''', number);
    END IF;
    RETURN format('SELECT c.%2$I, c.%3$I, c.kind, c.number AS value, c.at, c.kind_weight * %8$s AS weight, %9$s AS decay,
            c.cleaned, %10$s AS clipped,
            CASE WHEN c.%2$I IS NULL THEN ''null user'' WHEN c.%3$I IS NULL THEN ''null item''%11$s END AS reason,
            c.raw_user, c.raw_item, c.raw_value, c.raw_at
        FROM (SELECT %4$s AS %2$I, %5$s AS %3$I, %12$s AS kind, %6$s AS number, %7$s AS at, %13$s AS kind_weight,
                %14$s AS cleaned, s.%2$I AS raw_user, s.%3$I AS raw_item, s.value AS raw_value, s.at AS raw_at
            FROM %1$s s%15$s) c%15$s',
        relation, r.user_column, r.item_column, user_key, item_key,
        socrec.number_expression(r), socrec.time_expression(r), number,
        CASE WHEN o ->> 'half_life' IS NULL THEN '1::float8'
            ELSE format('CASE WHEN isfinite(c.at) THEN exp(-0.693147180559945309 * greatest(0, extract(epoch FROM %s - c.at)::float8) / %s) END', as_of,
                extract(epoch FROM (o ->> 'half_life')::interval)::float8) END,
        CASE WHEN number = 'c.number' THEN 'false' ELSE format('c.number <> %s', number) END,
        reasons, CASE WHEN r.kind_column IS NULL THEN 'NULL::text' ELSE 's.kind::text' END, kind_weight,
        concat_ws(' OR ', 'false',
            CASE WHEN user_key <> format('s.%I', r.user_column) THEN format('s.%I::text <> (%s)::text', r.user_column, user_key) END,
            CASE WHEN item_key <> format('s.%I', r.item_column) THEN format('s.%I::text <> (%s)::text', r.item_column, item_key) END),
        CASE WHEN once THEN ' OFFSET 0' ELSE '' END);
END
$$;

COMMENT ON FUNCTION event_query IS 'the query that cleans and judges events';

-- The rule that combines the weights w of a pair's events, as an aggregate.
CREATE FUNCTION combine_expression(r rating_set) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE rule
        WHEN 'sum' THEN 'sum(e.w)'
        WHEN 'log1p' THEN 'ln(1 + greatest(0, sum(e.w)))'
        WHEN 'count' THEN 'sum(sign(e.w))'
        ELSE format(CASE WHEN r.options ->> 'negative' = 'subtract'
                THEN 'coalesce(%s FILTER (WHERE e.w >= 0)%s, 0) + coalesce(sum(e.w) FILTER (WHERE e.w < 0), 0)' ELSE '%s%s' END,
            CASE rule WHEN 'max' THEN 'max(e.w)' WHEN 'mean' THEN 'avg(e.w)'
                WHEN 'first' THEN '(array_agg(e.w ORDER BY e.at, e.w DESC)'
                WHEN 'last' THEN '(array_agg(e.w ORDER BY e.at DESC, e.w DESC)' END,
            CASE WHEN rule IN ('first', 'last') THEN ')[1]' ELSE '' END) END
    FROM (SELECT r.options ->> 'combine' AS rule) o;
END;

COMMENT ON FUNCTION combine_expression IS 'the aggregate that combines the events of a pair';

-- A key to group by, and the way back from it: text is compared byte by byte,
-- where that is the same, since a language's order costs several times as much.
CREATE FUNCTION grouping_key(r rating_set, column_name text, back boolean DEFAULT false) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT quote_ident(column_name) || CASE WHEN l.collisdeterministic AND a.atttypid IN ('text'::regtype, 'varchar'::regtype)
        THEN CASE WHEN back THEN format(' COLLATE %I.%I', n.nspname, l.collname) ELSE ' COLLATE pg_catalog."C"' END ELSE '' END
    FROM pg_attribute a LEFT JOIN pg_collation l ON l.oid = a.attcollation LEFT JOIN pg_namespace n ON n.oid = l.collnamespace
    WHERE a.attrelid = format('%I.event', r.name)::regclass AND a.attname = column_name;
END;

COMMENT ON FUNCTION grouping_key IS 'a key to group by, or what it was before';

-- The query of pair, over a relation with the columns of the view event.  Beside
-- a row for each pair it has one, without a pair, for each reason to drop or
-- change an event, and how many there were.  The relation is read twice: so a
-- condition on the keys goes through to it.
CREATE FUNCTION pair_query(r rating_set, relation text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    copies text := '1';
    events text := format('(SELECT * FROM %s WHERE reason IS NULL)', relation);
BEGIN
    IF (r.options ->> 'drop_duplicates')::boolean THEN
        events := format('(SELECT %1$I, %2$I, weight, decay, at, count(*) AS copies FROM %3$s WHERE reason IS NULL
            GROUP BY %1$I, %2$I, kind, value, at, weight, decay)', r.user_column, r.item_column, relation);
        copies := 'e.copies';
    END IF;
    RETURN format('SELECT p.%1$I, p.%2$I, %5$s
            FROM (SELECT e.%1$I, e.%2$I, %6$s AS combined, count(*) AS events, %7$s AS duplicates,
                    min(e.at) AS first_at, max(e.at) AS last_at, bool_or(e.w < 0) AS has_negative, sum(abs(e.w)) AS magnitude
                FROM (SELECT %1$I, %2$I, weight * decay AS w, at, %8$s AS copies FROM %4$s e) e
                GROUP BY e.%1$I, e.%2$I) p
        UNION ALL
        SELECT NULL, NULL, NULL, c.n, 0, NULL, NULL, false, c.reason
            FROM (SELECT reason, count(*) AS n, count(*) FILTER (WHERE cleaned) AS cleaned, count(*) FILTER (WHERE clipped) AS clipped
                FROM %3$s GROUP BY reason) s
            CROSS JOIN LATERAL (VALUES (s.reason, CASE WHEN s.reason IS NOT NULL THEN s.n END),
                (''key cleaned'', CASE WHEN s.reason IS NULL THEN s.cleaned END),
                (''value clipped'', CASE WHEN s.reason IS NULL THEN s.clipped END)) c (reason, n)
            WHERE c.n > 0',
        r.user_column, r.item_column, relation, events, socrec.pair_columns(r), socrec.combine_expression(r),
        CASE copies WHEN '1' THEN '0::bigint' ELSE '(sum(e.copies) - count(*))::bigint' END, copies);
END
$$;

COMMENT ON FUNCTION pair_query IS 'the query that combines events into pairs and counts the others';

-- What the query of pair says of a pair, but for the keys.  What is left of
-- weights that cancel out but for rounding counts as nothing, whatever the order
-- of additions.
CREATE FUNCTION pair_columns(r rating_set) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('%s AS rating, p.events, p.duplicates, p.first_at, p.last_at, %s AS capped, CASE WHEN %s THEN ''cancelled out'' END AS reason',
        CASE WHEN r.options ->> 'cap' IS NULL THEN 'p.combined' ELSE format('least(p.combined, %L::float8)', r.options ->> 'cap') END,
        CASE WHEN r.options ->> 'cap' IS NULL THEN 'false' ELSE format('p.combined > %L::float8', r.options ->> 'cap') END,
        CASE WHEN r.options ->> 'negative' = 'subtract' THEN 'p.has_negative AND p.combined <= 1e-12 * p.magnitude' ELSE 'false' END);
END;

COMMENT ON FUNCTION pair_columns IS 'what is said of a pair';

-- The same as pair_query over all events, which are read, cleaned and sorted
-- once: those that are dropped make a group for each reason beside the pairs.
CREATE FUNCTION pair_query_once(r rating_set) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    events text := format('(SELECT CASE WHEN reason IS NULL THEN %1$I END AS %1$I, CASE WHEN reason IS NULL THEN %2$I END AS %2$I, reason,
            CASE WHEN reason IS NULL THEN weight * decay END AS w, CASE WHEN reason IS NULL THEN at END AS at,
            %3$s, cleaned, clipped FROM (%4$s) e)',
        r.user_column, r.item_column,
        CASE WHEN (r.options ->> 'drop_duplicates')::boolean THEN 'CASE WHEN reason IS NULL THEN kind END AS kind, CASE WHEN reason IS NULL THEN value END AS value'
            ELSE '1 AS copies' END,
        socrec.event_query(r, format('%I.source', r.name), once => true));
    user_key text := socrec.grouping_key(r, r.user_column);
    item_key text := socrec.grouping_key(r, r.item_column);
    counts text := 'count(*) FILTER (WHERE e.cleaned) AS cleaned, count(*) FILTER (WHERE e.clipped) AS clipped';
BEGIN
    IF (r.options ->> 'drop_duplicates')::boolean THEN
        -- Of events alike in all else, weight and decay are alike.
        events := format('(SELECT %1$s AS %3$I, %2$s AS %4$I, reason, min(w) AS w, at, count(*) AS copies, %5$s FROM %6$s e
            GROUP BY %1$s, %2$s, reason, kind COLLATE "C", value, at)', user_key, item_key, r.user_column, r.item_column, counts, events);
        counts := 'sum(e.cleaned)::bigint AS cleaned, sum(e.clipped)::bigint AS clipped';
    END IF;
    RETURN format('WITH p AS MATERIALIZED (
            SELECT %1$s AS %3$I, %2$s AS %4$I, reason, %5$s AS combined, count(*) AS events, (sum(e.copies) - count(*))::bigint AS duplicates,
                min(e.at) AS first_at, max(e.at) AS last_at, bool_or(e.w < 0) AS has_negative, sum(abs(e.w)) AS magnitude, %6$s
            FROM %7$s e GROUP BY %1$s, %2$s, reason)
        SELECT %8$s AS %3$I, %9$s AS %4$I, %10$s FROM p WHERE p.reason IS NULL
        UNION ALL
        SELECT NULL, NULL, NULL, p.events + p.duplicates, 0, NULL, NULL, false, p.reason FROM p WHERE p.reason IS NOT NULL
        UNION ALL
        SELECT NULL, NULL, NULL, c.n, 0, NULL, NULL, false, c.reason
            FROM (SELECT sum(cleaned)::bigint AS cleaned, sum(clipped)::bigint AS clipped FROM p WHERE p.reason IS NULL) s
            CROSS JOIN LATERAL (VALUES (''key cleaned'', s.cleaned), (''value clipped'', s.clipped)) c (reason, n)
            WHERE c.n > 0',
        user_key, item_key, r.user_column, r.item_column, socrec.combine_expression(r), counts, events,
        socrec.grouping_key(r, r.user_column, back => true), socrec.grouping_key(r, r.item_column, back => true), socrec.pair_columns(r));
END
$$;

COMMENT ON FUNCTION pair_query_once IS 'the query that combines all events into pairs and counts the others, in one pass';

-- The statements that create what stands on the view source.
CREATE FUNCTION rating_set_statements(r rating_set, once boolean) RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    o CONSTANT jsonb := r.options;
    has_minimum boolean := greatest((o ->> 'min_user_ratings')::integer, (o ->> 'min_item_ratings')::integer) > 1;
    create_stored text := CASE r.storage WHEN 'view' THEN 'CREATE VIEW %s WITH (security_invoker = true) AS '
        WHEN 'table' THEN 'CREATE TABLE %s AS ' ELSE 'CREATE MATERIALIZED VIEW %s AS ' END;
    with_data text := CASE r.storage WHEN 'table' THEN ' WITH NO DATA' ELSE '' END;
    pair text := format('%I.pair', r.name);
    core text := '';
    final_reason text := 'p.reason';
    same text[] := socrec.key_operators(r);
    statements text[];
BEGIN
    IF has_minimum THEN
        SELECT format('WITH d AS MATERIALIZED (SELECT * FROM socrec.rating_core(%L, NULL::%s, NULL::%s, %s, %s)) ',
                format('SELECT %I, %I FROM %s WHERE reason IS NULL', r.user_column, r.item_column, pair),
                format_type(u.atttypid, -1), format_type(i.atttypid, -1), o ->> 'min_user_ratings', o ->> 'min_item_ratings')
            INTO core
            FROM pg_attribute u, pg_attribute i
            WHERE u.attrelid = format('%I.event', r.name)::regclass AND u.attname = r.user_column
                AND i.attrelid = u.attrelid AND i.attname = r.item_column;
        final_reason := 'CASE WHEN p.reason IS NOT NULL THEN p.reason WHEN u.round < coalesce(i.round, 2147483647) THEN ''user below minimum''
            WHEN i.round IS NOT NULL THEN ''item below minimum'' END';
    END IF;
    statements := ARRAY[
        format('COMMENT ON VIEW %I.event IS ''every event: its weight, and why it is dropped if it is''', r.name),
        format(create_stored, pair) || CASE WHEN once THEN socrec.pair_query_once(r) ELSE socrec.pair_query(r, format('%I.event', r.name)) END || with_data,
        format('COMMENT ON %s %s IS ''the events of each user and item combined; rows without a user count what else happened''', upper(r.storage), pair),
        format('CREATE VIEW %1$I.outcome WITH (security_invoker = true) AS %4$sSELECT p.%2$I, p.%3$I, p.rating, p.events, p.duplicates, p.first_at, p.last_at, p.capped,
            %5$s AS reason FROM %1$I.pair p %6$s', r.name, r.user_column, r.item_column, core, final_reason,
            CASE WHEN has_minimum THEN format('LEFT JOIN d u ON u.user_id %1$s p.%2$I LEFT JOIN d i ON i.item_id %3$s p.%4$I',
                same[1], r.user_column, same[2], r.item_column) ELSE '' END),
        format('COMMENT ON VIEW %I.outcome IS ''the pairs, and why one gives no rating if it does not''', r.name),
        format(create_stored, format('%I.rating', r.name)) || format('SELECT %2$I, %3$I, rating, events, last_at FROM %1$I.outcome WHERE reason IS NULL',
            r.name, r.user_column, r.item_column) || with_data,
        format('COMMENT ON %s %I.rating IS ''one rating for each user and item''', upper(r.storage), r.name),
        format($view$CREATE VIEW %1$I.report WITH (security_invoker = true) AS
            WITH o AS MATERIALIZED (
                SELECT reason, %2$I IS NULL AS no_pair, sum(events) AS events, sum(duplicates) AS duplicates,
                    count(*) AS pairs, count(*) FILTER (WHERE capped) AS capped
                FROM %1$I.outcome GROUP BY 1, 2),
            line (step, effect, reason, rows) AS (
                SELECT 1, 'read', NULL, sum(events) FILTER (WHERE reason NOT IN ('key cleaned', 'value clipped') OR reason IS NULL) + sum(duplicates) FROM o
                UNION ALL
                SELECT 2, 'dropped', reason, events FROM o WHERE reason NOT IN ('key cleaned', 'value clipped')
                UNION ALL
                SELECT 2, 'dropped', 'duplicate event', nullif(sum(duplicates), 0) FROM o
                UNION ALL
                SELECT 3, 'merged', 'same user and item', nullif(sum(events - pairs), 0) FROM o WHERE reason IS NULL
                UNION ALL
                SELECT 4, 'rating', NULL, coalesce(sum(pairs), 0) FROM o WHERE reason IS NULL
                UNION ALL
                SELECT 5, 'changed', reason, events FROM o WHERE reason IN ('key cleaned', 'value clipped')
                UNION ALL
                SELECT 5, 'changed', 'rating capped', nullif(sum(capped), 0) FROM o WHERE reason IS NULL)
            SELECT step, effect, reason, coalesce(rows, 0)::bigint AS rows,
                rows::float8 / nullif(sum(rows) FILTER (WHERE step = 1) OVER (), 0)::float8 AS share
            FROM line WHERE rows IS NOT NULL OR step = 1$view$, r.name, r.user_column),
        format('COMMENT ON VIEW %I.report IS ''what became of the events: read = dropped + merged + rating''', r.name)];
    IF (o ->> 'keep_rejected')::boolean THEN
        statements := statements || format('CREATE TABLE %1$I.rejected AS SELECT raw_user, raw_item, kind, raw_value, raw_at, reason FROM %1$I.event WITH NO DATA', r.name);
    ELSE
        statements := statements || format('CREATE VIEW %1$I.rejected WITH (security_invoker = true) AS
            SELECT raw_user, raw_item, kind, raw_value, raw_at, reason FROM %1$I.event WHERE reason IS NOT NULL', r.name);
    END IF;
    RETURN statements;
END
$$;

COMMENT ON FUNCTION rating_set_statements IS 'the statements that create a set of ratings on its view source';

-- The statements that create the indexes of what a set of ratings stores.
CREATE FUNCTION rating_set_indexes(r rating_set) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN r.storage = 'view' THEN '{}' ELSE ARRAY[
            format('CREATE UNIQUE INDEX ON %I.rating (%I, %I)', r.name, r.user_column, r.item_column),
            format('CREATE INDEX ON %I.rating (%I)', r.name, r.item_column)] END
        || CASE WHEN (r.options ->> 'incremental')::boolean THEN ARRAY[
            format('CREATE UNIQUE INDEX ON %I.pair (%I, %I)', r.name, r.user_column, r.item_column),
            format('CREATE UNIQUE INDEX ON %I.pair (reason) WHERE %I IS NULL', r.name, r.user_column)] ELSE '{}' END;
END;

COMMENT ON FUNCTION rating_set_indexes IS 'the statements that create the indexes of a set of ratings';

-- The columns of the log as those of the view source.
CREATE FUNCTION source_columns(r rating_set) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('%1$I, %2$I, %3$s AS kind, %4$s AS value, %5$s AS at', r.user_column, r.item_column,
        coalesce(quote_ident(r.kind_column), 'NULL::text'), coalesce(quote_ident(r.value_column), 'NULL::text'),
        coalesce(quote_ident(r.time_column), 'NULL::text'));
END;

COMMENT ON FUNCTION source_columns IS 'the columns of the log as those of the view source';
