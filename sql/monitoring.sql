-- monitoring: what was recommended, what came of it, and what has changed
--
-- Impressions are rows that recommend(…, log => true) writes, outcomes are rows
-- of the user's own tables.  All else is views in the model's schema, for the
-- owner and whom the owner grants them to.

-- recommend with log is PL/pgSQL, as a function that writes is never inlined, and
-- PL/pgSQL keeps its plan where an SQL function would make a new one each time.

-- Templates: 1 schema, 2 user column, 3 item column, 4 user type, 5 item type,
-- 10 and 11 their equality, 12 and 13 their collations, as in method.sql.

CREATE FUNCTION impression_statements(m model) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT ARRAY[
        'CREATE TABLE %1$I.impression (
            at timestamptz NOT NULL DEFAULT now(),
            request uuid NOT NULL DEFAULT gen_random_uuid(),
            %2$I %4$s %12$s NOT NULL,
            %3$I %5$s %13$s NOT NULL,
            rank integer NOT NULL CHECK (rank > 0),
            score float8,
            source text,
            prediction float8,
            propensity float8 NOT NULL DEFAULT 1 CHECK (propensity > 0 AND propensity <= 1),
            version integer NOT NULL DEFAULT socrec.model_version(%1$L))',
        'CREATE INDEX ON %1$I.impression (%2$I, %3$I, at)',
        'CREATE INDEX ON %1$I.impression USING brin (at)',
        'COMMENT ON TABLE %1$I.impression IS ''what was shown to users, as recommend(…, log => true) writes it''',
        'COMMENT ON COLUMN %1$I.impression.request IS ''the same for all items of one list''',
        'COMMENT ON COLUMN %1$I.impression.source IS ''the method that the item came from, or the fallback''',
        'COMMENT ON COLUMN %1$I.impression.prediction IS ''what predict said at the time''',
        'COMMENT ON COLUMN %1$I.impression.propensity IS ''probability with which this item was chosen for this place''',
        'COMMENT ON COLUMN %1$I.impression.version IS ''of the model''',
        'CREATE FUNCTION %1$I.recommend(target_user %4$s, log boolean, n integer DEFAULT 10,
            exclude_seen boolean DEFAULT true, min_support integer DEFAULT 1)
        RETURNS TABLE (rank integer, %3$I %5$s, score float8, source text, support integer, request uuid)
        LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 10 COST 1000
        SET search_path = pg_catalog, pg_temp
        AS $function$
        #variable_conflict use_column
        DECLARE
            ranks integer[];
            keys %5$s[];
            scores float8[];
            sources text[];
            supports integer[];
            request uuid;
        BEGIN
            SELECT array_agg(l.rank), array_agg(l.%3$I), array_agg(l.score), array_agg(l.source), array_agg(l.support)
                INTO ranks, keys, scores, sources, supports
                FROM %1$I.recommend($1, $3, $4, $5) l;
            IF $2 AND $1 IS NOT NULL THEN
                request := gen_random_uuid();
                INSERT INTO %1$I.impression (request, %2$I, %3$I, rank, score, source, prediction, version)
                    SELECT request, $1, p.%3$I, ranks[p.n], scores[p.n], sources[p.n], p.prediction, m.version
                    FROM %1$I.predictions($1, keys) p CROSS JOIN socrec.model m
                    WHERE m.name = %1$L;
            END IF;
            RETURN QUERY SELECT l.*, request FROM unnest(ranks, keys, scores, sources, supports) l;
        END
        $function$',
        'COMMENT ON FUNCTION %1$I.recommend(%4$s, boolean, integer, boolean, integer) IS
            ''the n best items for a user, written to impression if log is true'''];
END;

COMMENT ON FUNCTION impression_statements IS 'templates of the statements that let a model log what it recommends';

CREATE FUNCTION log_impressions(name text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m socrec.model := socrec.lock_model(name);
BEGIN
    IF to_regclass(format('%I.impression', name)) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM socrec.execute_templates(m, socrec.impression_statements(m));
    -- Of the tables that there are now.
    PERFORM socrec.execute_templates(m, ARRAY[socrec.forget_statement(m)]);
    PERFORM socrec.hand_over(m);
END
$$;

COMMENT ON FUNCTION log_impressions IS
    'lets a model log what it recommends: creates its table impression and recommend(target_user, log => true)';

-- The user's outcomes, under the names and types of the model's own columns.
CREATE FUNCTION create_outcome_view(m model, outcomes text, caller_path text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    clause text := socrec.from_clause(outcomes, caller_path);
    present text[];
    absent text;
BEGIN
    -- The names alone: a row of NULLs has them too.
    EXECUTE 'DROP TABLE IF EXISTS pg_temp.socrec_outcome';
    PERFORM socrec.execute_for_caller(format('CREATE TEMPORARY TABLE socrec_outcome ON COMMIT DROP AS SELECT s.* FROM %s AS s LIMIT 0', clause), caller_path);
    SELECT array_agg(a.attname::text) INTO present FROM pg_attribute a
        WHERE a.attrelid = 'pg_temp.socrec_outcome'::regclass AND a.attnum > 0;
    EXECUTE 'DROP TABLE pg_temp.socrec_outcome';
    SELECT c INTO absent FROM unnest(ARRAY[m.user_column, m.item_column, 'at']) c WHERE c <> ALL (present) LIMIT 1;
    IF FOUND THEN
        RAISE undefined_column USING MESSAGE = format('the outcomes have no column "%s"', absent),
            HINT = format('Give a query with the columns %I, %I and at, and kind and value if there are such.', m.user_column, m.item_column);
    END IF;
    PERFORM socrec.execute_for_caller(socrec.fill_template(m, replace(format('CREATE OR REPLACE VIEW %%1$I.outcome WITH (security_invoker = true) AS
            SELECT s.%%2$I::%%4$s %%12$s AS %%2$I, s.%%3$I::%%5$s %%13$s AS %%3$I, s.at::pg_catalog.timestamptz AS at, %s AS kind, %s AS value
            FROM {source} AS s WHERE s.%%2$I IS NOT NULL AND s.%%3$I IS NOT NULL AND s.at IS NOT NULL',
        CASE WHEN 'kind' = ANY (present) THEN 'coalesce(s.kind::pg_catalog.text, ''outcome'')' ELSE '''outcome''::pg_catalog.text' END,
        CASE WHEN 'value' = ANY (present) THEN 's.value::pg_catalog.float8' ELSE 'NULL::pg_catalog.float8' END),
        '{source}', replace(clause, '%', '%%'))), caller_path);
END
$$;

COMMENT ON FUNCTION create_outcome_view IS 'creates the view of what users did after they were shown something';

-- An outcome belongs to the last impression before it, if that is recent enough.
CREATE FUNCTION outcome_statements(m model, attribution interval) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT ARRAY[
        'COMMENT ON VIEW %1$I.outcome IS ''what users did, as the query given to track_outcomes says''',
        format('CREATE OR REPLACE VIEW %%1$I.impression_outcome WITH (security_invoker = true) AS
            SELECT i.at, i.request, o.%%2$I, o.%%3$I, i.rank, i.source, i.version, i.prediction, i.propensity,
                o.at AS outcome_at, o.kind, o.value
            FROM %%1$I.outcome o CROSS JOIN LATERAL (
                SELECT i.* FROM %%1$I.impression i
                WHERE i.%%2$I %%10$s o.%%2$I AND i.%%3$I %%11$s o.%%3$I AND i.at <= o.at AND i.at > o.at - %L::interval
                ORDER BY i.at DESC LIMIT 1) i', attribution),
        format('COMMENT ON VIEW %%1$I.impression_outcome IS ''every outcome within %s of an impression of the same user and item, with the last such impression''', attribution),
        'CREATE OR REPLACE VIEW %1$I.daily_performance WITH (security_invoker = true) AS
            WITH shown AS (
                SELECT i.at::date AS day, i.version, i.rank, i.source, count(*) AS impressions
                FROM %1$I.impression i GROUP BY 1, 2, 3, 4),
            answered AS MATERIALIZED (
                SELECT o.at::date AS day, o.version, o.rank, o.source, o.kind,
                    count(DISTINCT (o.request, o.%3$I)) AS outcomes, sum(o.value) AS value
                FROM %1$I.impression_outcome o GROUP BY 1, 2, 3, 4, 5),
            kind AS (
                SELECT DISTINCT a.kind FROM answered a
                UNION ALL SELECT ''outcome'' WHERE NOT EXISTS (SELECT FROM answered))
            SELECT %1$L::text AS model, s.day, s.version, s.rank, s.source, k.kind, s.impressions, coalesce(a.outcomes, 0) AS outcomes,
                p.value AS rate, p.low, p.high, a.value
            FROM shown s CROSS JOIN kind k
                LEFT JOIN answered a ON a.day = s.day AND a.version = s.version AND a.rank = s.rank
                    AND a.source IS NOT DISTINCT FROM s.source AND a.kind = k.kind
                CROSS JOIN LATERAL socrec.proportion_interval(coalesce(a.outcomes, 0), s.impressions) p',
        'COMMENT ON VIEW %1$I.daily_performance IS ''impressions and what came of them by day, version, place in the list, source and kind of outcome''',
        'COMMENT ON COLUMN %1$I.daily_performance.outcomes IS ''impressions with such an outcome''',
        'COMMENT ON COLUMN %1$I.daily_performance.rate IS ''outcomes / impressions, with its 95 %% Wilson interval''',
        'COMMENT ON COLUMN %1$I.daily_performance.value IS ''sum of the values of all outcomes''',
        CASE WHEN m.rating_column IS NULL THEN format('CREATE OR REPLACE VIEW %%1$I.realized_error WITH (security_invoker = true) AS
            SELECT i.at, i.request, i.%%2$I, i.%%3$I, i.rank, i.source, i.version, i.prediction AS predicted, a.actual,
                (a.actual - i.prediction) ^ 2 AS squared_error
            FROM %%1$I.impression i
                LEFT JOIN (SELECT DISTINCT o.request, o.%%3$I FROM %%1$I.impression_outcome o) o
                    ON o.request = i.request AND o.%%3$I %%11$s i.%%3$I
                CROSS JOIN LATERAL (SELECT (o.request IS NOT NULL)::integer::float8 AS actual) a
            WHERE i.prediction IS NOT NULL AND i.at <= now() - %L::interval', attribution)
        ELSE 'CREATE OR REPLACE VIEW %1$I.realized_error WITH (security_invoker = true) AS
            SELECT DISTINCT ON (o.request, o.%3$I) o.at, o.request, o.%2$I, o.%3$I, o.rank, o.source, o.version, o.prediction AS predicted,
                o.value AS actual, (o.value - o.prediction) ^ 2 AS squared_error
            FROM %1$I.impression_outcome o
            WHERE o.prediction IS NOT NULL AND o.value IS NOT NULL
            ORDER BY o.request, o.%3$I, o.outcome_at DESC' END,
        'COMMENT ON VIEW %1$I.realized_error IS ''' || CASE WHEN m.rating_column IS NULL
            THEN 'predicted and actual behavior of every impression whose time for an outcome is over: actual is 1 if there was one, else 0'
            ELSE 'predicted rating and last value of the outcome of every impression that has one' END || '''',
        'CREATE OR REPLACE VIEW %1$I.daily_error WITH (security_invoker = true) AS
            SELECT %1$L::text AS model, e.at::date AS day, e.version, count(*) AS n, sum(e.squared_error) AS sse,
                avg(e.squared_error) AS mse, sqrt(avg(e.squared_error)) AS rmse, avg(e.predicted) AS mean_predicted, avg(e.actual) AS mean_actual
            FROM %1$I.realized_error e
            GROUP BY 2, 3',
        'COMMENT ON VIEW %1$I.daily_error IS ''squared error of predicted against realized behavior, by day of the impression''',
        'COMMENT ON COLUMN %1$I.daily_error.sse IS ''M, the sum of (actual - predicted)^2''',
        'CREATE OR REPLACE VIEW %1$I.error_drift WITH (security_invoker = true) AS
            SELECT %1$L::text AS model, s.day, s.n, s.mse, s.reference_n, s.reference_mse, s.mse / nullif(s.reference_mse, 0) AS ratio,
                (s.mse - s.reference_mse) / nullif(sqrt(s.variance / nullif(s.n, 0) + s.reference_variance / nullif(s.reference_n, 0)), 0) AS z
            FROM (
                SELECT max(d.day) AS day,
                    count(*) FILTER (WHERE d.is_recent) AS n, avg(d.squared_error) FILTER (WHERE d.is_recent) AS mse,
                    var_samp(d.squared_error) FILTER (WHERE d.is_recent) AS variance,
                    count(*) FILTER (WHERE NOT d.is_recent) AS reference_n, avg(d.squared_error) FILTER (WHERE NOT d.is_recent) AS reference_mse,
                    var_samp(d.squared_error) FILTER (WHERE NOT d.is_recent) AS reference_variance
                FROM (
                    SELECT e.at::date AS day, e.squared_error, e.at::date > max(e.at::date) OVER () - 7 AS is_recent,
                        max(e.at::date) OVER () AS last_day
                    FROM %1$I.realized_error e) d
                WHERE d.day > d.last_day - 35) s
            WHERE s.n > 0',
        'COMMENT ON VIEW %1$I.error_drift IS ''squared error of the last 7 days that have any, against the 28 days before''',
        'COMMENT ON COLUMN %1$I.error_drift.z IS ''the difference in standard errors; beyond 3 it is hardly chance'''];
END;

COMMENT ON FUNCTION outcome_statements IS 'templates of the statements that create the views of what came of a model''s recommendations';

CREATE FUNCTION build_outcomes(name text, outcomes text, attribution interval, caller_path text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    m socrec.model := socrec.lock_model(name);
BEGIN
    IF outcomes IS NULL OR attribution IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'outcomes and attribution must not be null';
    END IF;
    IF attribution <= '0'::interval THEN
        RAISE invalid_parameter_value USING MESSAGE = format('attribution must be positive, not %s', attribution);
    END IF;
    PERFORM socrec.log_impressions(name);
    PERFORM socrec.create_outcome_view(m, outcomes, caller_path);
    PERFORM socrec.execute_templates(m, socrec.outcome_statements(m, attribution));
    PERFORM socrec.hand_over(m);
END
$$;

COMMENT ON FUNCTION build_outcomes IS 'track_outcomes, the caller''s path given';

CREATE FUNCTION track_outcomes(name text, outcomes text, attribution interval DEFAULT '7 days') RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM socrec.build_outcomes($1, $2, $3, pg_catalog.current_setting('search_path'));
END
$$;

COMMENT ON FUNCTION track_outcomes IS
    'joins what users did to what they were shown: creates a model''s views of outcomes, daily performance and realized error';

-- Drift of the input.

CREATE FUNCTION population_stability_index(expected double precision[], actual double precision[]) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    n_bins integer := cardinality(expected);
    bad float8;
BEGIN
    IF n_bins <> cardinality(actual) OR n_bins = 0 THEN
        RAISE array_subscript_error USING MESSAGE = format('arrays of %s and %s counts cannot be compared', n_bins, cardinality(actual));
    END IF;
    SELECT c INTO bad FROM unnest(expected || actual) c WHERE coalesce(NOT (c >= 0 AND c < 'Infinity'), true) LIMIT 1;
    IF FOUND THEN
        RAISE invalid_parameter_value USING MESSAGE = format('a count cannot be %s', coalesce(bad::text, 'null'));
    END IF;
    -- Half a count more in every bin: an empty one would make it infinite.
    RETURN (SELECT sum((a - e) * ln(a / e)) FROM (
        SELECT (e.n + 0.5) / (sum(e.n) OVER () + 0.5 * n_bins) AS e, (e.m + 0.5) / (sum(e.m) OVER () + 0.5 * n_bins) AS a
        FROM unnest(expected, actual) AS e(n, m)) share);
END
$$;

COMMENT ON FUNCTION population_stability_index IS 'how much two distributions, given as counts by bin, differ: Σ (a - e) ln(a / e)';

-- The distributions that are watched, of what is in the view of ratings now: how
-- many ratings have each value, how many users gave how many.
CREATE FUNCTION distribution_query(m model) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN m.rating_column IS NULL THEN '' ELSE '
                SELECT ''rating'' AS variable, r.rating AS x, count(*) AS n FROM %1$I.rating r WHERE NOT r.held_out GROUP BY r.rating
                UNION ALL' END || '
                SELECT ''activity'' AS variable, c.x::float8 AS x, count(*) AS n
                FROM (SELECT count(*) AS x FROM %1$I.rating r WHERE NOT r.held_out GROUP BY r.%2$I) c GROUP BY c.x';
END;

COMMENT ON FUNCTION distribution_query IS 'template of the query for the distributions of a model''s ratings';

-- What the present version was fitted on, in at most ten bins of about the same
-- count, or one for each value if there are at most twenty.
CREATE FUNCTION store_reference(m model) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- A popularity of infinity is for items that have come since.
    EXECUTE socrec.fill_template(m, 'WITH value AS (' || socrec.distribution_query(m) || '
                UNION ALL
                SELECT ''popularity'', i.id::float8, i.rating_count FROM %1$I.item i),
            binned AS (
                SELECT v.*, CASE WHEN count(*) OVER one <= 20 THEN row_number() OVER ordered
                    ELSE ceil(10 * sum(v.n) OVER ordered / sum(v.n) OVER one) END AS bin
                FROM value v WINDOW one AS (PARTITION BY v.variable), ordered AS (one ORDER BY v.x))
            INSERT INTO %1$I.reference (version, variable, low, n)
            SELECT $1, b.variable, CASE WHEN min(min(b.x)) OVER (PARTITION BY b.variable) = min(b.x) THEN ''-Infinity'' ELSE min(b.x) END, sum(b.n)
            FROM binned b GROUP BY b.variable, b.bin
            UNION ALL
            SELECT $1, ''popularity'', ''Infinity'', 0') USING m.version;
    EXECUTE format('DELETE FROM %1$I.reference f WHERE f.version NOT IN (SELECT v.version FROM %1$I.version v)', m.name);
END
$$;

COMMENT ON FUNCTION store_reference IS 'writes down the distributions that a model was fitted on';

CREATE FUNCTION drift_statements(m model) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT ARRAY[
        'CREATE TABLE %1$I.reference (version integer NOT NULL, variable text NOT NULL, low float8 NOT NULL, n bigint NOT NULL,
            PRIMARY KEY (version, variable, low))',
        'COMMENT ON TABLE %1$I.reference IS ''distributions that the versions of the model were fitted on, by bin''',
        'COMMENT ON COLUMN %1$I.reference.low IS ''least value in the bin''',
        'CREATE VIEW %1$I.input_drift WITH (security_invoker = true) AS
            WITH bound AS MATERIALIZED (
                SELECT f.variable, array_agg(f.low ORDER BY f.low) AS lows, array_agg(f.n ORDER BY f.low) AS fitted
                FROM %1$I.reference f WHERE f.version = socrec.model_version(%1$L)
                GROUP BY f.variable),
            value AS MATERIALIZED (' || socrec.distribution_query(m) || '
                UNION ALL
                SELECT ''popularity'', coalesce(i.id::float8, ''Infinity''), c.n
                FROM (SELECT r.%3$I, count(*) AS n FROM %1$I.rating r WHERE NOT r.held_out GROUP BY r.%3$I) c
                    LEFT JOIN %1$I.item i ON i.%3$I %11$s c.%3$I),
            present AS (
                SELECT b.variable, b.fitted, (
                    SELECT array_agg(coalesce(c.n, 0) ORDER BY g.bin)
                    FROM generate_subscripts(b.lows, 1) AS g(bin) LEFT JOIN (
                        SELECT width_bucket(v.x, b.lows) AS bin, sum(v.n) AS n FROM value v WHERE v.variable = b.variable GROUP BY 1) c
                        ON c.bin = g.bin)::float8[] AS counted
                FROM bound b),
            compared AS (
                SELECT p.*, (SELECT sum(n) FROM unnest(p.fitted) n)::bigint AS n_fitted, (SELECT sum(n) FROM unnest(p.counted) n)::bigint AS n_now,
                    CASE WHEN p.variable <> ''activity'' THEN (
                        SELECT array_agg(greatest(c.now - c.fitted, 0) ORDER BY c.bin) FROM unnest(p.counted, p.fitted) WITH ORDINALITY AS c(now, fitted, bin)
                    )::float8[] END AS added
                FROM present p)
            SELECT %1$L::text AS model, socrec.model_version(%1$L) AS version, c.variable, c.n_fitted, c.n_now,
                socrec.population_stability_index(c.fitted::float8[], c.counted) AS psi,
                a.n::bigint AS n_added,
                CASE WHEN a.n > 0 THEN socrec.population_stability_index(c.fitted::float8[], c.added) END AS psi_added,
                (cardinality(c.fitted) - 1) * (1.0::float8 / nullif(c.n_fitted, 0) + 1.0::float8 / nullif(coalesce(a.n, c.n_now), 0)) AS noise
            FROM compared c CROSS JOIN LATERAL (SELECT sum(n) AS n FROM unnest(c.added) n) a',
        'COMMENT ON VIEW %1$I.input_drift IS ''how far the ratings have moved from those that the model was fitted on''',
        'COMMENT ON COLUMN %1$I.input_drift.psi IS ''population stability index of all ratings as they are now''',
        'COMMENT ON COLUMN %1$I.input_drift.psi_added IS ''population stability index of what has come since the fit''',
        'COMMENT ON COLUMN %1$I.input_drift.noise IS ''what chance alone would make of psi_added, or of psi without one'''];
END;

COMMENT ON FUNCTION drift_statements IS 'templates of the statements that create what tells of a model''s drift';

CREATE FUNCTION track_drift(name text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    m socrec.model := socrec.lock_model(name);
BEGIN
    IF to_regclass(format('%I.reference', name)) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM socrec.execute_templates(m, socrec.drift_statements(m));
    PERFORM socrec.hand_over(m);
    PERFORM socrec.store_reference(m);
END
$$;

COMMENT ON FUNCTION track_drift IS
    'writes down the distributions that a model was fitted on, now and at each refit, and creates its view input_drift';

-- All that could need somebody, of the caller's own models: a view of somebody
-- else's runs expressions of theirs, and looking at a list must not.
CREATE FUNCTION alerts(
    staleness double precision DEFAULT 0.5,
    psi double precision DEFAULT 0.2,
    error_ratio double precision DEFAULT 1.2,
    rate_ratio double precision DEFAULT 0.8)
RETURNS TABLE (model text, signal text, variable text, value double precision, threshold double precision, exceeded boolean, message text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10 COST 1000000
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    m record;
BEGIN
    FOR m IN
        SELECT r.name, r.rating_count, r.fitted_at FROM socrec.model r JOIN pg_namespace n ON n.nspname = r.name
        WHERE pg_get_userbyid(n.nspowner) = current_user ORDER BY r.name
    LOOP
        RETURN QUERY SELECT m.name, 'staleness', 'ratings', s.value, $1, abs(s.value) > $1,
            format('ratings have changed by %s %% since the fit of %s', round(100 * s.value), m.fitted_at::date)
            FROM (SELECT (socrec.current_rating_count(m.name) - m.rating_count)::float8 / nullif(m.rating_count, 0) AS value) s;
        IF to_regclass(format('%I.input_drift', m.name)) IS NOT NULL THEN
            RETURN QUERY EXECUTE format('SELECT model, ''input drift'', variable, coalesce(psi_added, psi), $1,
                coalesce(psi_added, psi) > greatest($1, 3 * noise),
                format(''%%s: stability index %%s%%s'', variable, round(coalesce(psi_added, psi)::numeric, 3),
                    CASE WHEN n_added > 0 THEN format('' of %%s that have come since'', n_added) END)
                FROM %I.input_drift ORDER BY variable', m.name) USING $2;
        END IF;
        IF to_regclass(format('%I.error_drift', m.name)) IS NOT NULL THEN
            RETURN QUERY EXECUTE format('SELECT model, ''error drift'', ''squared error'', ratio, $1, ratio > $1 AND z > 3,
                format(''mean squared error %%s against %%s in the weeks before'', round(mse::numeric, 4), round(reference_mse::numeric, 4))
                FROM %I.error_drift WHERE reference_n > 0', m.name) USING $3;
            RETURN QUERY EXECUTE format('
                SELECT s.model, ''rate drift'', s.kind, s.ratio, $1, s.ratio < $1 AND s.z < -3,
                    format(''%%s in %%s impressions against %%s in %%s of the weeks before'', s.outcomes, s.impressions, s.reference_outcomes, s.reference_impressions)
                FROM (
                    SELECT t.*, (t.outcomes::float8 / nullif(t.impressions, 0)) / nullif(t.reference_outcomes::float8 / nullif(t.reference_impressions, 0), 0) AS ratio,
                        (t.outcomes::float8 / nullif(t.impressions, 0) - t.reference_outcomes::float8 / nullif(t.reference_impressions, 0))
                            / nullif(sqrt(t.share * (1 - t.share) * (1.0::float8 / nullif(t.impressions, 0) + 1.0::float8 / nullif(t.reference_impressions, 0))), 0) AS z
                    FROM (
                        SELECT d.model, d.kind, sum(d.outcomes)::float8 / sum(d.impressions) AS share,
                            sum(d.impressions) FILTER (WHERE d.day > d.last_day - 7) AS impressions,
                            sum(d.outcomes) FILTER (WHERE d.day > d.last_day - 7) AS outcomes,
                            sum(d.impressions) FILTER (WHERE d.day <= d.last_day - 7) AS reference_impressions,
                            sum(d.outcomes) FILTER (WHERE d.day <= d.last_day - 7) AS reference_outcomes
                        FROM (SELECT p.*, max(p.day) OVER () AS last_day FROM %I.daily_performance p) d
                        WHERE d.day > d.last_day - 35
                        GROUP BY d.model, d.kind) t) s
                WHERE s.reference_impressions > 0 ORDER BY s.kind', m.name) USING $4;
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION alerts IS 'staleness, drift of input and error, and drop of rates of the caller''s models, each against a threshold';

CREATE VIEW alert WITH (security_invoker = true) AS
    SELECT a.model, a.signal, a.variable, a.value, a.threshold, a.message FROM alerts() a WHERE a.exceeded;

COMMENT ON VIEW alert IS 'what exceeds the usual thresholds in the caller''s models; empty if all is well';

GRANT SELECT ON alert TO PUBLIC;
