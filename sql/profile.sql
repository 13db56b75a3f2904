-- profile: a schema that holds who the users of an event log are
--
--   event         the columns of the log that matter, the only way to it
--   item_category the categories of items, if there are any
--   item          what all users together do with an item; likewise category
--   activity      what each user did, independent of the current time
--   fit           the time that ages are counted from, quantiles of all users
--   user_profile  all there is to say about a user
--
-- item, category, activity and fit are tables, or views that follow the log.

CREATE FUNCTION user_activity(
    events text,
    user_type anyelement,
    item_type anycompatible,
    categories text,
    known_items text,
    known_idf double precision[],
    half_life double precision,
    session_gap double precision,
    time_zone text,
    taste text,
    interest_by_value boolean)
RETURNS TABLE (
    user_id anyelement,
    item_id anycompatible,
    id integer,
    users bigint,
    events bigint,
    items integer,
    first_at timestamptz,
    last_at timestamptz,
    occasions bigint,
    sessions integer,
    active_days integer,
    peak_hour integer,
    total double precision,
    mean double precision,
    stddev double precision,
    harshness double precision,
    entropy double precision,
    mainstream double precision,
    taste svec,
    interests svec,
    top_interests integer[])
AS 'MODULE_PATHNAME', 'socrec_user_activity'
LANGUAGE c STABLE PARALLEL UNSAFE COST 1000000 ROWS 100000;

COMMENT ON FUNCTION user_activity IS
    'what each user of a query (user, item, value, at[, occasion]) did, and all users with each item and category';

CREATE FUNCTION rfm_segment(recency_score integer, frequency_score integer, monetary_score integer) RETURNS text
AS 'MODULE_PATHNAME', 'socrec_rfm_segment'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION rfm_segment IS 'the name of a segment by scores of recency, frequency and monetary value, each from 1 to 5';

CREATE TABLE profile_set (
    name text PRIMARY KEY,
    source text NOT NULL,
    user_column text NOT NULL,
    item_column text NOT NULL,
    value_column text,
    time_column text,
    occasion_column text,
    categories text,
    category_column text,
    attributes text,
    storage text NOT NULL,
    options jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    refreshed_at timestamptz,
    tracked jsonb
);

COMMENT ON TABLE profile_set IS 'every set of profiles made by create_profiles';
COMMENT ON COLUMN profile_set.name IS 'the schema that holds it';
COMMENT ON COLUMN profile_set.categories IS 'where the categories of items come from';
COMMENT ON COLUMN profile_set.attributes IS 'where attributes of users come from';
COMMENT ON COLUMN profile_set.storage IS 'table or view';
COMMENT ON COLUMN profile_set.options IS 'all options, defaults filled in';
COMMENT ON COLUMN profile_set.refreshed_at IS 'null for views, which are always fresh';
COMMENT ON COLUMN profile_set.tracked IS 'of incremental profiles: what the last refresh found that the log does not tell; null: it cannot be relied on';

SELECT pg_catalog.pg_extension_config_dump('profile_set', '');

GRANT SELECT, INSERT, UPDATE, DELETE ON profile_set TO PUBLIC;

CREATE TRIGGER check_schema_owner BEFORE INSERT OR UPDATE OR DELETE ON profile_set
    FOR EACH ROW EXECUTE FUNCTION check_schema_owner();

-- All options: the given ones over the defaults.
CREATE FUNCTION profile_options(given jsonb, has_value boolean, has_time boolean) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known jsonb := jsonb_build_object('as_of', null, 'half_life', null, 'session_gap', '30 minutes',
        'time_zone', current_setting('TimeZone'), 'taste', CASE WHEN has_value THEN 'sum' ELSE 'count' END,
        'interest_weight', 'events', 'incremental', false);
    types CONSTANT jsonb := '{"as_of": "string", "half_life": "string"}';
    choices CONSTANT jsonb := '{"taste": ["sum", "mean", "count", "log1p"], "interest_weight": ["events", "value"]}';
BEGIN
    known := socrec.check_options('create_profiles', given, known, types, choices);
    IF NOT has_time AND coalesce(known ->> 'as_of', known ->> 'half_life') IS NOT NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = 'options "as_of" and "half_life" need a time_column';
    END IF;
    IF NOT has_value AND (known ->> 'taste' <> 'count' OR known ->> 'interest_weight' = 'value') THEN
        RAISE invalid_parameter_value
            USING MESSAGE = format('option %s needs a value_column',
                CASE WHEN known ->> 'taste' <> 'count' THEN format('"taste": "%s"', known ->> 'taste') ELSE '"interest_weight": "value"' END);
    END IF;
    IF (known ->> 'half_life')::interval <= '0' OR (known ->> 'session_gap')::interval < '0' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'half_life must be a positive interval, session_gap not a negative one';
    END IF;
    IF NOT isfinite((known ->> 'as_of')::timestamptz) THEN
        RAISE invalid_parameter_value USING MESSAGE = format('as_of cannot be %s', known ->> 'as_of');
    END IF;
    -- A time means what it says here and now, whoever refreshes later and where.
    RETURN known || jsonb_build_object('as_of', (known ->> 'as_of')::timestamptz);
END
$$;

COMMENT ON FUNCTION profile_options IS 'all options of create_profiles, the given ones over the defaults';

-- Refuse what cannot become a set of profiles.
CREATE FUNCTION check_profile_set(p profile_set) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bad text;
BEGIN
    IF p.name IS NULL OR p.source IS NULL OR p.user_column IS NULL OR p.item_column IS NULL OR p.storage IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'name, source, user_column, item_column and storage must not be null';
    END IF;
    PERFORM socrec.check_name(p.name);
    IF p.storage NOT IN ('table', 'view') THEN
        RAISE invalid_parameter_value USING MESSAGE = format('storage cannot be "%s"', p.storage), HINT = 'Use one of: table, view.';
    END IF;
    IF p.storage <> 'table' AND (p.options ->> 'incremental')::boolean THEN
        RAISE invalid_parameter_value USING MESSAGE = 'option "incremental" needs storage "table"';
    END IF;
    IF p.categories IS NOT NULL AND p.category_column IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'category_column must not be null';
    END IF;
    SELECT c INTO bad FROM unnest(ARRAY[p.user_column, p.item_column, p.category_column]) c GROUP BY c HAVING count(*) > 1 AND c IS NOT NULL;
    IF FOUND THEN
        RAISE duplicate_column USING MESSAGE = format('two of the columns are called "%s"', bad);
    END IF;
    SELECT c INTO bad FROM unnest(ARRAY[p.user_column, p.item_column, p.category_column]) c
        WHERE c IN ('value', 'at', 'occasion', 'id', 'users', 'popularity', 'idf', 'category_id', 'weight', 'rank', 'change',
            'total', 'mean', 'stddev', 'occasions') OR c = ANY (socrec.profile_columns());
    IF FOUND THEN
        RAISE duplicate_column USING MESSAGE = format('profiles have a column "%s" of their own', bad),
            HINT = 'Give a query as source that calls this column something else.';
    END IF;
END
$$;

COMMENT ON FUNCTION check_profile_set IS 'an error unless the registry row can become a set of profiles';

CREATE FUNCTION profile_columns() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT ARRAY['events', 'items', 'first_at', 'last_at', 'recency_days', 'frequency', 'monetary', 'sessions', 'active_days', 'peak_hour',
        'value_mean', 'value_stddev', 'harshness', 'entropy', 'mainstream', 'recency_score', 'frequency_score', 'monetary_score',
        'segment', 'top_interest', 'top_interests', 'taste', 'interests'];
END;

COMMENT ON FUNCTION profile_columns IS 'the columns of a view user_profile beside the user and attributes';

-- A template with the names of a set of profiles:
--   %1$I schema  %2$I user  %3$I item  %4$I category  %5$s, %6$s types of user and item
--   %7$s, %8$s their equality  %9$s, %10$s their collation  %11$s where item and category are numbered
CREATE FUNCTION profile_template(p profile_set, template text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format(template, p.name, p.user_column, p.item_column, p.category_column, u.type, i.type,
        u.equality, i.equality, u.collation, i.collation, CASE p.storage WHEN 'table' THEN 'category' ELSE 'category_number' END)
    FROM socrec.key_column(format('%I.event', p.name)::regclass, p.user_column) u,
        socrec.key_column(format('%I.event', p.name)::regclass, p.item_column) i;
$$;

COMMENT ON FUNCTION profile_template IS 'a template with the names of a set of profiles';

-- The call of user_activity for all users, or for those that the log names,
-- compared with the crowd that is stored.
CREATE FUNCTION activity_call(p profile_set, changed_only boolean) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('socrec.user_activity(%L, NULL::%s, NULL::%s, %L, %L, %s, %L, %s, %L, %L, %L)',
        profile_template(p, 'SELECT e.%2$I, e.%3$I, e.value, e.at' || CASE WHEN p.occasion_column IS NULL THEN '' ELSE ', e.occasion' END || ' FROM %1$I.event e'
            || CASE WHEN changed_only THEN ' WHERE EXISTS (SELECT FROM %1$I.change c WHERE c.%2$I %7$s e.%2$I)' ELSE '' END),
        profile_template(p, '%5$s'), profile_template(p, '%6$s'),
        CASE WHEN p.categories IS NOT NULL THEN profile_template(p, 'SELECT %3$I, category_id FROM %1$I.item_category') END,
        CASE WHEN changed_only THEN profile_template(p, 'SELECT %3$I, id, popularity, value_mean FROM %1$I.item ORDER BY id') END,
        CASE WHEN changed_only AND p.categories IS NOT NULL THEN profile_template(p, '(SELECT array_agg(idf ORDER BY id) FROM %1$I.category)') ELSE 'NULL' END,
        extract(epoch FROM (p.options ->> 'half_life')::interval)::float8,
        extract(epoch FROM (p.options ->> 'session_gap')::interval)::float8,
        p.options ->> 'time_zone', p.options ->> 'taste', p.options ->> 'interest_weight' = 'value');
END;

COMMENT ON FUNCTION activity_call IS 'the call of user_activity for a set of profiles';

-- The columns of activity and of item, from those of user_activity.
CREATE FUNCTION activity_query(p profile_set, relation text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('SELECT %s, a.events, a.items, a.first_at, a.last_at, %s AS frequency, a.total AS monetary, a.sessions, a.active_days, a.peak_hour,
            a.mean AS value_mean, a.stddev AS value_stddev, a.harshness, a.entropy, a.mainstream, a.taste, a.interests, a.top_interests
            FROM %s a WHERE a.user_id IS NOT NULL',
        profile_template(p, 'a.user_id %9$s AS %2$I'), CASE WHEN p.occasion_column IS NULL THEN 'a.events' ELSE 'a.occasions' END, relation);
END;

COMMENT ON FUNCTION activity_query IS 'the query of activity over the result of user_activity';

CREATE FUNCTION item_query(p profile_set, relation text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('SELECT a.id, %s, a.users, a.events, a.mainstream AS popularity, a.mean AS value_mean FROM %s a WHERE a.item_id IS NOT NULL',
        profile_template(p, 'a.item_id %10$s AS %3$I'), relation);
END;

COMMENT ON FUNCTION item_query IS 'the query of item over the result of user_activity';

-- The query of fit over activity: cuts between the five scores of recency,
-- frequency and monetary value.
CREATE FUNCTION fit_query(p profile_set, relation text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('SELECT q.as_of, count(a.events) AS users, coalesce(sum(a.events), 0)::bigint AS events,
            percentile_cont(''{0.2,0.4,0.6,0.8}''::float8[]) WITHIN GROUP (ORDER BY extract(epoch FROM q.as_of - a.last_at)::float8 / 86400) AS recency_cut,
            percentile_cont(''{0.2,0.4,0.6,0.8}''::float8[]) WITHIN GROUP (ORDER BY a.frequency::float8) AS frequency_cut,
            percentile_cont(''{0.2,0.4,0.6,0.8}''::float8[]) WITHIN GROUP (ORDER BY a.monetary) AS monetary_cut
        FROM (SELECT %s AS as_of) q LEFT JOIN %s a ON true GROUP BY q.as_of',
        coalesce(quote_literal(p.options ->> 'as_of') || '::timestamptz', 'now()'), relation);
END;

COMMENT ON FUNCTION fit_query IS 'the query of fit over activity';

-- The query of the view user_profile.  attributes are further columns, from t.
CREATE FUNCTION user_profile_query(p profile_set, attributes text, attribute_clause text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    score CONSTANT text := '((%1$s > a.%2$s[1])::integer + (%1$s > a.%2$s[2])::integer + (%1$s > a.%2$s[3])::integer + (%1$s > a.%2$s[4])::integer)';
    has_categories boolean := p.categories IS NOT NULL;
    live text := '';
BEGIN
    -- Live, activity is to be computed once for both the users and the cuts.
    IF p.storage = 'view' THEN
        live := format('WITH activity AS MATERIALIZED (%s), category AS (%s), fit AS (%s) ',
            socrec.activity_query(p, format('%I.computed', p.name)),
            CASE WHEN has_categories THEN socrec.profile_template(p, 'SELECT id, %4$I FROM %1$I.category_number') ELSE 'SELECT' END,
            socrec.fit_query(p, 'activity'));
    END IF;
    RETURN live || socrec.profile_template(p, format('SELECT p.%%2$I, p.events, p.items, p.first_at, p.last_at, p.recency_days,
            p.frequency, p.monetary, p.sessions, p.active_days, p.peak_hour, p.value_mean, p.value_stddev, p.harshness, p.entropy, p.mainstream,
            p.recency_score, p.frequency_score, p.monetary_score,
            socrec.rfm_segment(p.recency_score, p.frequency_score, p.monetary_score) AS segment,
            %1$s AS top_interest, %2$s AS top_interests, p.taste, p.interests%3$s
        FROM (SELECT a.*, 5 - %4$s AS recency_score, 1 + %5$s AS frequency_score, 1 + %6$s AS monetary_score
            FROM (SELECT a.*, extract(epoch FROM f.as_of - a.last_at)::float8 / 86400 AS recency_days, f.recency_cut, f.frequency_cut, f.monetary_cut
                FROM %7$s a CROSS JOIN %8$s f) a) p %9$s %10$s',
        CASE WHEN has_categories THEN 'c1.%4$I' ELSE 'NULL::text' END,
        CASE WHEN has_categories THEN 'nullif(concat_ws('', '', c1.%4$I, c2.%4$I, c3.%4$I), '''')' ELSE 'NULL::text' END,
        replace(attributes, '%', '%%'),
        format(score, 'a.recency_days', 'recency_cut'), format(score, 'a.frequency', 'frequency_cut'), format(score, 'a.monetary', 'monetary_cut'),
        CASE p.storage WHEN 'view' THEN 'activity' ELSE '%1$I.activity' END,
        CASE p.storage WHEN 'view' THEN 'fit' ELSE '%1$I.fit' END,
        CASE WHEN has_categories THEN (SELECT string_agg(format('LEFT JOIN %2$s c%1$s ON c%1$s.id = p.top_interests[%1$s]', n,
            CASE p.storage WHEN 'view' THEN 'category' ELSE '%1$I.category' END), ' ') FROM generate_series(1, 3) n) ELSE '' END,
        replace(attribute_clause, '%', '%%')));
END
$$;

COMMENT ON FUNCTION user_profile_query IS 'the query of the view user_profile';

-- The view event.  The source may be a query full of names of the caller's, so
-- the view is created under the caller's search_path; what this adds to it is
-- qualified.
CREATE FUNCTION create_event_view(p profile_set, source_clause text, caller_path text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    statement text;
    value_type regtype;
    time_type regtype;
BEGIN
    statement := format('SELECT pg_catalog.pg_typeof((SELECT %1$s FROM %3$s AS s LIMIT 0)), pg_catalog.pg_typeof((SELECT %2$s FROM %3$s AS s LIMIT 0))',
        coalesce('s.' || quote_ident(p.value_column), 'NULL::pg_catalog.float8'), coalesce('s.' || quote_ident(p.time_column), 'NULL::pg_catalog.timestamptz'),
        source_clause);
    PERFORM set_config('search_path', caller_path, true);
    EXECUTE statement INTO value_type, time_type;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    statement := format('CREATE VIEW %1$I.event WITH (security_invoker = true) AS
        SELECT e.* FROM (SELECT s.%2$I, s.%3$I, %4$s AS value, %5$s AS at, %6$s AS occasion FROM %7$s AS s) e
        WHERE e.%2$I IS NOT NULL AND e.%3$I IS NOT NULL%8$s',
        p.name, p.user_column, p.item_column,
        CASE WHEN p.value_column IS NULL THEN 'NULL::pg_catalog.float8'
            ELSE socrec.as_number(format('s.%I', p.value_column), value_type, format('value_column "%s"', p.value_column)) END,
        CASE WHEN p.time_column IS NULL THEN 'NULL::pg_catalog.timestamptz'
            ELSE socrec.as_time(format('s.%I', p.time_column), time_type, format('time_column "%s"', p.time_column)) END,
        coalesce('s.' || quote_ident(p.occasion_column), 'NULL::pg_catalog.text'), source_clause,
        CASE WHEN p.options ->> 'as_of' IS NULL THEN '' ELSE format(' AND (e.at OPERATOR(pg_catalog.<=) %L::pg_catalog.timestamptz) IS NOT FALSE', p.options ->> 'as_of') END);
    PERFORM socrec.execute_for_caller(statement, caller_path);
    EXECUTE format('COMMENT ON VIEW %I.event IS ''the columns of the event log that profiles are made of''', p.name);
END
$$;

COMMENT ON FUNCTION create_event_view IS 'creates the view event of a set of profiles';

-- Number the categories, and say which item has which.
CREATE FUNCTION create_category_views(p profile_set, caller_path text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    statement text := format('CREATE VIEW %I.category_source WITH (security_invoker = true) AS SELECT DISTINCT s.%I, s.%I FROM %s AS s',
        p.name, p.item_column, p.category_column, socrec.from_clause(p.categories, caller_path));
BEGIN
    PERFORM socrec.execute_for_caller(statement, caller_path);
    EXECUTE socrec.profile_template(p, 'COMMENT ON VIEW %1$I.category_source IS ''the categories of items, as they are given''');
    EXECUTE socrec.profile_template(p, CASE p.storage WHEN 'table'
        THEN 'CREATE TABLE %1$I.category AS SELECT NULL::integer AS id, s.%4$I, NULL::bigint AS users, NULL::float8 AS idf FROM %1$I.category_source s WITH NO DATA'
        ELSE 'CREATE VIEW %1$I.category_number WITH (security_invoker = true) AS
            SELECT (row_number() OVER (ORDER BY s.%4$I))::integer - 1 AS id, s.%4$I FROM %1$I.category_source s WHERE s.%4$I IS NOT NULL GROUP BY s.%4$I' END);
    IF p.storage = 'table' THEN
        EXECUTE socrec.profile_template(p, 'ALTER TABLE %1$I.category ADD PRIMARY KEY (id), ADD UNIQUE (%4$I)');
    ELSE
        EXECUTE socrec.profile_template(p, 'COMMENT ON VIEW %1$I.category_number IS ''the categories, numbered''');
    END IF;
    EXECUTE socrec.profile_template(p, format('CREATE VIEW %%1$I.item_category WITH (security_invoker = true) AS
        SELECT s.%%3$I::%%6$s %%10$s AS %%3$I, c.id AS category_id FROM %%1$I.category_source s JOIN %%1$I.%%11$I c ON c.%%4$I %s s.%%4$I',
        (SELECT socrec.equality_operator(a.atttypid) FROM pg_attribute a
            WHERE a.attrelid = format('%I.category_source', p.name)::regclass AND a.attname = p.category_column)));
    EXECUTE socrec.profile_template(p, 'COMMENT ON VIEW %1$I.item_category IS ''the categories of each item, by number''');
END
$$;

COMMENT ON FUNCTION create_category_views IS 'creates what a set of profiles knows of categories';

-- Attributes of users, joined to the profiles: further columns of user_profile,
-- and where they come from.
CREATE FUNCTION create_attribute_view(p profile_set, caller_path text, OUT columns text, OUT clause text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    statement text;
    bad text;
    is_unique boolean;
BEGIN
    columns := '';
    clause := '';
    IF p.attributes IS NULL THEN
        RETURN;
    END IF;
    statement := format('CREATE VIEW %I.attribute WITH (security_invoker = true) AS SELECT s.* FROM %s AS s', p.name,
        socrec.from_clause(p.attributes, caller_path));
    PERFORM socrec.execute_for_caller(statement, caller_path);
    EXECUTE format('COMMENT ON VIEW %I.attribute IS ''what else is known of users''', p.name);
    SELECT min(a.attname) FILTER (WHERE a.attname = ANY (socrec.profile_columns())),
            coalesce(string_agg(format(', t.%I', a.attname), '' ORDER BY a.attnum) FILTER (WHERE a.attname <> p.user_column), '')
        INTO bad, columns
        FROM pg_attribute a WHERE a.attrelid = format('%I.attribute', p.name)::regclass AND a.attnum > 0;
    IF bad IS NOT NULL THEN
        RAISE duplicate_column USING MESSAGE = format('attribute "%s" is called as a column of the profiles', bad),
            HINT = 'Give a query as attributes that calls it something else.';
    END IF;
    EXECUTE format('SELECT count(*) = count(DISTINCT t.%1$I) FROM %2$I.attribute t WHERE t.%1$I IS NOT NULL', p.user_column, p.name) INTO is_unique;
    IF NOT is_unique THEN
        RAISE unique_violation USING MESSAGE = format('attributes have more than one row for some "%s"', p.user_column);
    END IF;
    clause := socrec.profile_template(p, 'LEFT JOIN %1$I.attribute t ON t.%2$I %7$s p.%2$I');
END
$$;

COMMENT ON FUNCTION create_attribute_view IS 'creates the view of attributes of a set of profiles';

-- The relations between the sources and the view user_profile.
CREATE FUNCTION create_profile_relations(p profile_set) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kind text := upper(p.storage);
    create_relation text := CASE p.storage WHEN 'table' THEN 'CREATE TABLE %1$I.%2$I AS %3$s WITH NO DATA'
        ELSE 'CREATE VIEW %1$I.%2$I WITH (security_invoker = true) AS %3$s' END;
    computed text := format('(SELECT * FROM %s)', socrec.activity_call(p, false));
BEGIN
    IF p.storage = 'view' THEN
        EXECUTE format('CREATE VIEW %I.computed WITH (security_invoker = true) AS SELECT * FROM %s', p.name, socrec.activity_call(p, false));
        EXECUTE format('COMMENT ON VIEW %I.computed IS ''users, items and categories, computed from all events''', p.name);
        computed := format('%I.computed', p.name);
        IF p.categories IS NOT NULL THEN
            EXECUTE socrec.profile_template(p, 'CREATE VIEW %1$I.category WITH (security_invoker = true) AS
                SELECT n.id, n.%4$I, coalesce(c.users, 0) AS users, c.mean AS idf
                FROM %1$I.category_number n LEFT JOIN %1$I.computed c ON c.id = n.id AND c.user_id IS NULL AND c.item_id IS NULL');
        END IF;
    END IF;
    EXECUTE format(create_relation, p.name, 'item', socrec.item_query(p, computed));
    EXECUTE format(create_relation, p.name, 'activity', socrec.activity_query(p, computed));
    EXECUTE format(create_relation, p.name, 'fit', socrec.fit_query(p, format('%I.activity', p.name)));
    IF p.storage = 'table' THEN
        EXECUTE socrec.profile_template(p, 'ALTER TABLE %1$I.item ADD PRIMARY KEY (id), ADD UNIQUE (%3$I)');
        EXECUTE socrec.profile_template(p, 'ALTER TABLE %1$I.activity ADD PRIMARY KEY (%2$I)');
        -- Numbers hardly compress, and trying costs more than the rest of the write;
        -- and nobody plans by statistics of vectors.
        EXECUTE format('ALTER TABLE %I.activity ALTER COLUMN taste SET STORAGE EXTERNAL, ALTER COLUMN taste SET STATISTICS 0,
            ALTER COLUMN interests SET STATISTICS 0', p.name);
    END IF;
    EXECUTE format('COMMENT ON %s %I.item IS ''what all users together did with each item, by falling number of events''', kind, p.name);
    EXECUTE format('COMMENT ON %s %I.activity IS ''what each user did, and with what taste''', kind, p.name);
    EXECUTE format('COMMENT ON %s %I.fit IS ''the time that ages are counted from, and the cuts between scores''', kind, p.name);
    IF p.categories IS NOT NULL THEN
        EXECUTE format('COMMENT ON %s %I.category IS ''the categories: how many users have an interest, and the weight that follows''', kind, p.name);
    END IF;
END
$$;

COMMENT ON FUNCTION create_profile_relations IS 'creates what a set of profiles stores, or the views in its place';

CREATE FUNCTION create_profile_views(p profile_set, attribute_columns text, attribute_clause text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    comments CONSTANT jsonb := jsonb_build_object(
        'events', 'number of events', 'items', 'number of different items', 'first_at', 'time of the first event', 'last_at', 'time of the last event',
        'recency_days', 'days since the last event', 'frequency', 'number of occasions, or of events where none are known', 'monetary', 'sum of values',
        'sessions', 'events with no long gap between them make one session', 'active_days', 'days with an event',
        'peak_hour', 'hour of the week with most events, 0 is Monday from 0:00 to 1:00', 'value_mean', 'mean of values', 'value_stddev', 'standard deviation of values',
        'harshness', 'how far the values are below what others give the same items, on average', 'entropy', 'bits, 0: always the same, log2 of the number if all alike',
        'mainstream', 'share of users that know the user''s items, on average', 'recency_score', '5: among the fifth seen last', 'frequency_score', '5: among the most frequent fifth',
        'monetary_score', '5: among the fifth of most value', 'segment', 'what the three scores mean', 'top_interest', 'the strongest interest', 'top_interests', 'the three strongest',
        'taste', 'id of the item -> weight', 'interests', 'id of the category -> weight, of length 1');
    line record;
BEGIN
    EXECUTE format('CREATE VIEW %I.user_profile WITH (security_invoker = true) AS %s', p.name,
        socrec.user_profile_query(p, attribute_columns, attribute_clause));
    EXECUTE format('COMMENT ON VIEW %I.user_profile IS ''who each user is, by what the user did''', p.name);
    FOR line IN SELECT * FROM jsonb_each_text(comments) LOOP
        EXECUTE format('COMMENT ON COLUMN %I.user_profile.%I IS %L', p.name, line.key, line.value);
    END LOOP;
    IF p.categories IS NOT NULL THEN
        EXECUTE socrec.profile_template(p, 'CREATE VIEW %1$I.user_interest WITH (security_invoker = true) AS
            SELECT a.%2$I, c.%4$I, u.weight::float8 AS weight, rank() OVER (PARTITION BY a.%2$I ORDER BY u.weight DESC, u.id) AS rank
            FROM %1$I.activity a CROSS JOIN LATERAL socrec.svec_unnest(a.interests) u JOIN %1$I.category c ON c.id = u.id');
        EXECUTE format('COMMENT ON VIEW %I.user_interest IS ''the interests of each user, a row each''', p.name);
    END IF;
END
$$;

COMMENT ON FUNCTION create_profile_views IS 'creates the views that a set of profiles is made for';

CREATE FUNCTION build_profile_set(p profile_set, caller_path text) RETURNS profile_set
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    source_clause text;
    attribute_columns text;
    attribute_clause text;
BEGIN
    p.options := socrec.profile_options(p.options, p.value_column IS NOT NULL, p.time_column IS NOT NULL);
    IF p.categories IS NULL THEN
        p.category_column := NULL;
    END IF;
    PERFORM socrec.check_profile_set(p);
    source_clause := socrec.from_clause(p.source, caller_path);
    EXECUTE format('CREATE SCHEMA %I', p.name);
    PERFORM socrec.create_event_view(p, source_clause, caller_path);
    IF (p.options ->> 'incremental')::boolean THEN
        IF source_clause LIKE '(%' THEN
            RAISE invalid_parameter_value USING MESSAGE = 'incremental profiles need a table as source, not a query';
        END IF;
        PERFORM socrec.track_changes(p.name, source_clause::regclass, ARRAY[p.user_column]);
        p.tracked := socrec.tracked_state(p.name, p.time_column);
    END IF;
    IF p.categories IS NOT NULL THEN
        PERFORM socrec.create_category_views(p, caller_path);
    END IF;
    SELECT columns, clause INTO attribute_columns, attribute_clause FROM socrec.create_attribute_view(p, caller_path);
    PERFORM socrec.create_profile_relations(p);
    PERFORM socrec.create_profile_views(p, attribute_columns, attribute_clause);
    p.created_at := now();
    IF p.storage = 'table' THEN
        PERFORM socrec.learn_profiles(p);
        p.refreshed_at := now();
    END IF;
    -- A row without its schema is what DROP SCHEMA left behind.
    DELETE FROM socrec.profile_set o WHERE o.name = p.name;
    INSERT INTO socrec.profile_set VALUES (p.*);
    RETURN p;
END
$$;

COMMENT ON FUNCTION build_profile_set IS 'creates what a registry row describes, and stores the row';

-- Compute all users, and what they are compared with, anew.
CREATE FUNCTION learn_profiles(p profile_set) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    has_categories boolean := p.categories IS NOT NULL;
BEGIN
    EXECUTE format('DELETE FROM %I.item', p.name);
    EXECUTE format('DELETE FROM %I.activity', p.name);
    IF has_categories THEN
        EXECUTE format('DELETE FROM %I.category', p.name);
        EXECUTE socrec.profile_template(p, 'INSERT INTO %1$I.category (id, %4$I)
            SELECT row_number() OVER (ORDER BY s.%4$I) - 1, s.%4$I FROM %1$I.category_source s WHERE s.%4$I IS NOT NULL GROUP BY s.%4$I');
    END IF;
    -- In one statement, so that the log of changes is of the same snapshot.
    EXECUTE format('WITH a AS MATERIALIZED (SELECT * FROM %s)%s, item AS (INSERT INTO %I.item %s)%s INSERT INTO %I.activity %s',
        socrec.activity_call(p, false),
        CASE WHEN (p.options ->> 'incremental')::boolean THEN format(', taken AS (DELETE FROM %I.change)', p.name) ELSE '' END,
        p.name, socrec.item_query(p, 'a'),
        CASE WHEN has_categories THEN format(', category AS (UPDATE %I.category c SET users = a.users, idf = a.mean FROM a
            WHERE a.user_id IS NULL AND a.item_id IS NULL AND a.id = c.id)', p.name) ELSE '' END,
        p.name, socrec.activity_query(p, 'a'));
    IF has_categories THEN
        -- Nobody has an interest in what has no item with events: as if nobody had it.
        EXECUTE format('UPDATE %1$I.category SET users = 0, idf = ln((1 + (SELECT count(*) FROM %1$I.activity))::float8) + 1 WHERE users IS NULL', p.name);
        EXECUTE format('ANALYZE %I.category', p.name);
    END IF;
    EXECUTE format('ANALYZE %I.item', p.name);
    EXECUTE format('ANALYZE %I.activity', p.name);
    PERFORM socrec.fit_profiles(p);
END
$$;

COMMENT ON FUNCTION learn_profiles IS 'computes profiles anew, and what users are compared with';

-- The cuts between scores, from the activity that is stored.
CREATE FUNCTION fit_profiles(p profile_set) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('DELETE FROM %I.fit', p.name);
    EXECUTE format('INSERT INTO %I.fit %s', p.name, socrec.fit_query(p, format('%I.activity', p.name)));
    EXECUTE format('ANALYZE %I.fit', p.name);
END
$$;

COMMENT ON FUNCTION fit_profiles IS 'computes the cuts between scores anew';

-- Compute the users anew that the log of changes names.
CREATE FUNCTION update_profiles(p profile_set) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    columns text := (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = format('%I.activity', p.name)::regclass AND a.attnum > 0 AND a.attname <> p.user_column);
BEGIN
    EXECUTE format('ANALYZE %I.change', p.name);
    -- A truncation that comes between leaves the log as it is, for the next time.
    EXECUTE socrec.profile_template(p, format($statement$
        WITH taken AS (DELETE FROM %%1$I.change WHERE NOT EXISTS (SELECT FROM %%1$I.change WHERE change = 0) RETURNING %%2$I),
        a AS MATERIALIZED (SELECT * FROM %1$s),
        item AS (INSERT INTO %%1$I.item %2$s),
        gone AS (DELETE FROM %%1$I.activity o USING (SELECT DISTINCT %%2$I FROM taken) t
            WHERE o.%%2$I %%7$s t.%%2$I AND NOT EXISTS (SELECT FROM a WHERE a.user_id %%7$s t.%%2$I))
        INSERT INTO %%1$I.activity %3$s
            ON CONFLICT (%%2$I) DO UPDATE SET (%4$s) = ROW(%5$s)$statement$,
        replace(socrec.activity_call(p, true), '%', '%%'), replace(socrec.item_query(p, 'a'), '%', '%%'),
        replace(socrec.activity_query(p, 'a'), '%', '%%'), replace(columns, '%', '%%'),
        (SELECT string_agg('EXCLUDED.' || replace(c, '%', '%%'), ', ') FROM regexp_split_to_table(columns, ', ') c)));
    PERFORM socrec.fit_profiles(p);
END
$$;

COMMENT ON FUNCTION update_profiles IS 'computes the profiles of users with changes anew';

CREATE FUNCTION create_profiles(
    name text,
    source text,
    user_column text DEFAULT 'user_id',
    item_column text DEFAULT 'item_id',
    value_column text DEFAULT NULL,
    time_column text DEFAULT NULL,
    occasion_column text DEFAULT NULL,
    categories text DEFAULT NULL,
    category_column text DEFAULT 'category',
    attributes text DEFAULT NULL,
    storage text DEFAULT 'table',
    options jsonb DEFAULT '{}')
RETURNS profile_set
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    caller_path text := pg_catalog.current_setting('search_path');
    p socrec.profile_set := ROW($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, NULL, NULL, NULL);
BEGIN
    RETURN socrec.build_profile_set(p, caller_path);
END
$$;

COMMENT ON FUNCTION create_profiles IS 'creates a schema with the profiles of the users of an event log';

-- The registry row of profiles that the caller may change, locked.
CREATE FUNCTION lock_profile_set(name text, orphan boolean DEFAULT false) RETURNS profile_set
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    p socrec.profile_set;
BEGIN
    SELECT * INTO p FROM socrec.profile_set s WHERE s.name = name FOR UPDATE;
    PERFORM socrec.check_registered('profiles', 'socrec.profile_set', name, p.name IS NOT NULL, orphan);
    RETURN p;
END
$$;

COMMENT ON FUNCTION lock_profile_set IS 'the registry row of a set of profiles, locked until the end of the transaction';

CREATE FUNCTION refresh_profiles(name text, relearn boolean DEFAULT false) RETURNS profile_set
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    -- A second refresh of the same profiles waits here for the first.
    p socrec.profile_set := socrec.lock_profile_set(name);
    incremental boolean := (p.options ->> 'incremental')::boolean;
    before jsonb := p.tracked;
    truncated boolean;
BEGIN
    IF p.storage = 'view' THEN
        RETURN p;
    END IF;
    IF incremental THEN
        -- Taken before the events are read: what changes meanwhile shows the next time.
        p.tracked := socrec.check_tracked(p.name, p.time_column);
        EXECUTE format('SELECT EXISTS (SELECT FROM %I.change WHERE change = 0)', p.name) INTO truncated;
    END IF;
    relearn := relearn OR NOT incremental OR truncated OR coalesce(p.tracked <> before, true);
    IF relearn THEN
        PERFORM socrec.learn_profiles(p);
    ELSE
        PERFORM socrec.update_profiles(p);
    END IF;
    p.refreshed_at := now();
    UPDATE socrec.profile_set s SET refreshed_at = p.refreshed_at, tracked = p.tracked WHERE s.name = name;
    RETURN p;
END
$$;

COMMENT ON FUNCTION refresh_profiles IS 'brings profiles up to date with their events: all, or with option incremental those that have changed';

CREATE FUNCTION drop_profiles(name text, "cascade" boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    p socrec.profile_set := socrec.lock_profile_set(name, orphan => true);
    relation record;
BEGIN
    IF to_regnamespace(quote_ident(name)) IS NULL THEN
        NULL; -- only the row is left
    ELSIF "cascade" THEN
        EXECUTE format('DROP SCHEMA %I CASCADE', name);
    ELSE
        -- Piece by piece, so that what others have built on it stops the drop.
        FOR relation IN
            SELECT r.name, CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind
            FROM unnest(ARRAY['segment_summary', 'segment_centroid', 'segment', 'user_segment', 'user_interest', 'user_profile',
                    'attribute', 'fit', 'activity', 'item', 'item_category', 'category', 'computed', 'category_number',
                    'category_source', 'event'])
                    WITH ORDINALITY r(name, n)
                JOIN pg_class c ON c.relname = r.name AND c.relnamespace = quote_ident(name)::regnamespace
            ORDER BY r.n
        LOOP
            EXECUTE format('DROP %s IF EXISTS %I.%I', relation.kind, name, relation.name);
        END LOOP;
        IF (p.options ->> 'incremental')::boolean THEN
            PERFORM socrec.untrack_changes(name);
        END IF;
        EXECUTE format('DROP SCHEMA %I', name);
    END IF;
    DELETE FROM socrec.profile_set s WHERE s.name = name;
END
$$;

COMMENT ON FUNCTION drop_profiles IS 'drops profiles and what came with them; refuses when other objects depend on them, unless cascade';
