-- tuning: search for the options of a method, on the training side alone
--
-- A tuning is a row, its trials are rows, and each trial commits: so a search
-- that was cancelled or has spent its budget goes on where it stopped.  The
-- test side is looked at once, with the winner.

CREATE TABLE tuning (
    name text PRIMARY KEY,
    owner text NOT NULL,
    source text NOT NULL,
    user_column text NOT NULL,
    item_column text NOT NULL,
    rating_column text,
    time_column text,
    method text NOT NULL,
    grid jsonb NOT NULL,
    search text NOT NULL,
    metric text NOT NULL,
    cutoff integer,
    split text NOT NULL,
    options jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    best jsonb,
    run bigint,
    UNIQUE (name, owner)
);

COMMENT ON TABLE tuning IS 'searches for the best options of a method';
COMMENT ON COLUMN tuning.grid IS 'for each option that is searched its values, or {"low", "high", "scale"}';
COMMENT ON COLUMN tuning.search IS 'grid, random or halving';
COMMENT ON COLUMN tuning.metric IS 'what the best trial is the best in, at cutoff';
COMMENT ON COLUMN tuning.finished_at IS 'null: CALL socrec.tune(name) goes on';
COMMENT ON COLUMN tuning.best IS 'options of the best trial';
COMMENT ON COLUMN tuning.run IS 'the one evaluation of the best trial on the test side, in socrec.evaluation';

CREATE TABLE trial (
    tuning text NOT NULL,
    owner text NOT NULL,
    rung integer NOT NULL,
    number integer NOT NULL,
    options jsonb NOT NULL,
    user_share double precision NOT NULL,
    value double precision,
    low double precision,
    high double precision,
    n bigint,
    fit_duration interval,
    at timestamptz NOT NULL,
    PRIMARY KEY (tuning, rung, number),
    -- Nobody has trials in the tuning of another.
    FOREIGN KEY (tuning, owner) REFERENCES tuning (name, owner) ON UPDATE CASCADE ON DELETE CASCADE
);

COMMENT ON TABLE trial IS 'what tunings have tried';
COMMENT ON COLUMN trial.rung IS 'of a search by halving: each has fewer trials on more users';
COMMENT ON COLUMN trial.options IS 'the options tried; all others are the defaults';
COMMENT ON COLUMN trial.user_share IS 'share of the users of the training side that it was fitted and measured on';

SELECT pg_catalog.pg_extension_config_dump('tuning', '');
SELECT pg_catalog.pg_extension_config_dump('trial', '');

GRANT SELECT, INSERT, UPDATE, DELETE ON tuning TO PUBLIC;
GRANT SELECT, INSERT, DELETE ON trial TO PUBLIC;

CREATE TRIGGER check_row_owner BEFORE INSERT OR UPDATE OR DELETE ON tuning
    FOR EACH ROW EXECUTE FUNCTION check_row_owner();
CREATE TRIGGER check_row_owner BEFORE INSERT OR DELETE ON trial
    FOR EACH ROW EXECUTE FUNCTION check_row_owner();

-- Whether more of a metric is worse.
CREATE FUNCTION is_error_metric(metric text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT metric IN ('sse', 'mse', 'rmse', 'mae');
END;

COMMENT ON FUNCTION is_error_metric IS 'whether less of a metric is better';

-- A number in [0, 1) that depends on the seed and the words alone.  It is asked for
-- every rating of every trial: without a search_path of its own it is inlined.
CREATE FUNCTION hashed_fraction(words text, seed bigint) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT (hashtextextended(words, seed) & 9007199254740991) / 9007199254740992.0::float8;
END;

COMMENT ON FUNCTION hashed_fraction IS 'a number in [0, 1) that depends on its arguments alone';

-- The candidates of a search: all combinations of a grid's values or, drawn at
-- random, some (Bergstra and Bengio, Random Search for Hyper-Parameter
-- Optimization, JMLR 13, 2012).
CREATE FUNCTION tuning_candidates(grid jsonb, search text, trials integer, seed bigint)
RETURNS TABLE (number bigint, options jsonb)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 50
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    bad record;
BEGIN
    IF jsonb_typeof(grid) IS DISTINCT FROM 'object' OR grid = '{}' THEN
        RAISE invalid_parameter_value USING MESSAGE = format('grid must be a JSON object with values for an option at least, not %s', coalesce(grid, 'null')),
            HINT = 'Such as {"k": [50, 100], "shrinkage": {"low": 1, "high": 200, "scale": "log"}}.';
    END IF;
    SELECT g.key, g.value INTO bad FROM jsonb_each(grid) g
        WHERE NOT CASE jsonb_typeof(g.value)
            WHEN 'array' THEN g.value <> '[]'
            WHEN 'object' THEN search <> 'grid' AND g.value - ARRAY['low', 'high', 'scale', 'integer'] = '{}'
                AND coalesce((g.value ->> 'low')::float8 < (g.value ->> 'high')::float8, false)
                AND coalesce(g.value ->> 'scale', 'linear') IN ('linear', 'log')
                AND (coalesce(g.value ->> 'scale', 'linear') = 'linear' OR (g.value ->> 'low')::float8 > 0)
            ELSE false END LIMIT 1;
    IF FOUND THEN
        RAISE invalid_parameter_value USING MESSAGE = format('the values of option "%s" cannot be %s', bad.key, bad.value),
            HINT = 'They are an array or, unless search is grid, {"low", "high"} with, if wanted, "scale": "log" and "integer": true.';
    END IF;
    IF search = 'grid' OR search = 'halving' AND NOT EXISTS (SELECT FROM jsonb_each(grid) g WHERE jsonb_typeof(g.value) = 'object') THEN
        RETURN QUERY
            WITH RECURSIVE k AS (
                SELECT g.key, g.value, row_number() OVER (ORDER BY g.key) AS place FROM jsonb_each(grid) g),
            product AS (
                SELECT '{}'::jsonb AS chosen, 0::bigint AS place, '{}'::bigint[] AS path
                UNION ALL
                SELECT p.chosen || jsonb_build_object(k.key, v.value), k.place, p.path || v.place
                FROM product p JOIN k ON k.place = p.place + 1
                    CROSS JOIN LATERAL jsonb_array_elements(k.value) WITH ORDINALITY v(value, place))
            SELECT row_number() OVER (ORDER BY p.path), p.chosen FROM product p
            WHERE p.place = (SELECT count(*) FROM k) ORDER BY 1;
    ELSE
        RETURN QUERY
            WITH drawn AS (
                SELECT i, g.key, g.value, socrec.hashed_fraction(format('%s %s', g.key, i), seed) AS u,
                    (g.value ->> 'low')::float8 AS low, (g.value ->> 'high')::float8 AS high
                FROM generate_series(1, trials) i CROSS JOIN LATERAL (
                    SELECT e.key, e.value FROM jsonb_each(grid) e) g),
            combined AS (
                SELECT d.i, jsonb_object_agg(d.key, CASE
                    WHEN jsonb_typeof(d.value) = 'array' THEN d.value -> floor(d.u * jsonb_array_length(d.value))::integer
                    WHEN (d.value ->> 'integer')::boolean THEN to_jsonb(floor(x.value)::bigint)
                    ELSE to_jsonb(x.value) END) AS chosen
                FROM drawn d CROSS JOIN LATERAL (
                    SELECT CASE d.value ->> 'scale' WHEN 'log' THEN d.low * (d.high / d.low) ^ d.u
                        ELSE d.low + (d.high - d.low) * d.u END) x(value)
                GROUP BY d.i)
            SELECT row_number() OVER (ORDER BY min(c.i)), c.chosen FROM combined c GROUP BY c.chosen ORDER BY 1;
    END IF;
END
$$;

COMMENT ON FUNCTION tuning_candidates IS 'the options that a search tries';

-- The trial that a tuning makes next; no row when all are done.  Successive
-- halving (Jamieson and Talwalkar, Non-stochastic Best Arm Identification, AISTATS
-- 2016) measures all candidates on few users, the best third of them on three
-- times as many, and so on until all users.
CREATE FUNCTION next_trial(t tuning)
RETURNS TABLE (rung integer, number integer, options jsonb, user_share double precision, done bigint, total bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE candidate AS MATERIALIZED (
        SELECT c.number::integer AS number, c.options
        FROM socrec.tuning_candidates(t.grid, t.search, (t.options ->> 'trials')::integer, (t.options ->> 'seed')::bigint) c),
    size AS (
        SELECT 0 AS rung, count(*) AS n FROM candidate
        UNION ALL
        SELECT s.rung + 1, (s.n + 2) / 3 FROM size s WHERE t.search = 'halving' AND s.n >= 3),
    done AS (
        SELECT r.rung, r.number,
            row_number() OVER (PARTITION BY r.rung ORDER BY r.value * CASE WHEN socrec.is_error_metric(t.metric) THEN 1 ELSE -1 END NULLS LAST, r.number) AS place,
            count(*) OVER (PARTITION BY r.rung) AS n
        FROM socrec.trial r WHERE r.tuning = t.name),
    due AS (
        SELECT 0 AS rung, c.number FROM candidate c
        UNION ALL
        SELECT s.rung, d.number
        FROM size s JOIN size b ON b.rung = s.rung - 1 JOIN done d ON d.rung = b.rung AND d.n = b.n AND d.place <= s.n)
    SELECT u.rung, u.number, c.options, (1 / 3.0::float8) ^ ((SELECT max(s.rung) FROM size s) - u.rung),
        (SELECT count(*) FROM done), (SELECT sum(s.n)::bigint FROM size s)
    FROM due u JOIN candidate c ON c.number = u.number
    WHERE NOT EXISTS (SELECT FROM done d WHERE d.rung = u.rung AND d.number = u.number)
    ORDER BY u.rung, u.number
    LIMIT 1
$$;

COMMENT ON FUNCTION next_trial IS 'the trial that a tuning makes next';

CREATE FUNCTION best_trial(t tuning) RETURNS trial
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT r FROM socrec.trial r
    WHERE r.tuning = t.name AND r.value IS NOT NULL
    ORDER BY r.rung DESC, r.value * CASE WHEN socrec.is_error_metric(t.metric) THEN 1 ELSE -1 END, r.number
    LIMIT 1
$$;

COMMENT ON FUNCTION best_trial IS 'the best trial of a tuning, of those on the most users';

CREATE FUNCTION tuning_options(given jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own CONSTANT text[] := '{trials,cutoff}';
    o jsonb := socrec.check_options('tuning', (SELECT coalesce(jsonb_object_agg(g.key, g.value), '{}') FROM jsonb_each(given) g WHERE g.key = ANY (own)),
        '{"trials": 30, "cutoff": 10}', patterns => '{"trials": "^[1-9][0-9]{0,4}$", "cutoff": "^[1-9][0-9]{0,5}$"}');
BEGIN
    IF given ?| '{folds,cutoffs}' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'a tuning has one fold and one cutoff',
            HINT = 'Options are trials, cutoff and those of evaluate but folds and cutoffs.';
    END IF;
    RETURN socrec.evaluation_options((given - own) || jsonb_build_object('cutoffs', jsonb_build_array(o -> 'cutoff'))) || o;
END
$$;

COMMENT ON FUNCTION tuning_options IS 'all options of a tuning, the given ones over the defaults';

-- The plan of a tuning's outer split: what its winner is measured by.
CREATE FUNCTION tuning_plan(t tuning, methods jsonb, caller_path text) RETURNS evaluation_plan
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT socrec.plan_evaluation(t.source, t.user_column, t.item_column, t.rating_column, t.time_column, methods, NULL, t.split,
        t.options - '{trials,cutoff}'::text[] || CASE t.split WHEN 'random' THEN '{"folds": 1}'::jsonb ELSE '{}' END, caller_path)
$$;

COMMENT ON FUNCTION tuning_plan IS 'the plan by which the winner of a tuning is measured';

-- Store a new tuning, or lock the one of that name.
CREATE FUNCTION start_tuning(t tuning, caller_path text) RETURNS tuning
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    stored socrec.tuning;
    plan socrec.evaluation_plan;
BEGIN
    SELECT * INTO stored FROM socrec.tuning r WHERE r.name = t.name FOR UPDATE;
    IF FOUND AND t.source IS NOT NULL THEN
        RAISE duplicate_object USING MESSAGE = format('tuning "%s" already exists', t.name),
            HINT = format('CALL socrec.tune(%L) goes on with it; DELETE FROM socrec.tuning forgets it.', t.name);
    ELSIF FOUND THEN
        IF NOT pg_has_role(current_user, (SELECT r.oid FROM pg_roles r WHERE r.rolname = stored.owner), 'USAGE') THEN
            RAISE insufficient_privilege USING MESSAGE = format('must be owner of tuning %s', t.name);
        END IF;
        RETURN stored;
    ELSIF t.name IS NULL OR t.source IS NULL THEN
        RAISE undefined_object USING MESSAGE = format('tuning "%s" does not exist', t.name), HINT = 'To begin one, give its source.';
    END IF;
    t.options := socrec.tuning_options(t.options);
    t.metric := coalesce(t.metric, CASE WHEN t.rating_column IS NULL THEN 'ndcg' ELSE 'rmse' END);
    IF t.metric NOT IN ('mse', 'rmse', 'mae', 'auc', 'precision', 'recall', 'hit_rate', 'ndcg', 'graded_ndcg', 'map', 'mrr')
        OR t.rating_column IS NULL AND socrec.is_error_metric(t.metric) THEN
        RAISE invalid_parameter_value USING MESSAGE = format('cannot tune for metric "%s"', t.metric),
            HINT = 'Use one of: mse, rmse, mae (of explicit ratings), auc, precision, recall, hit_rate, ndcg, graded_ndcg, map, mrr.';
    ELSIF t.search NOT IN ('grid', 'random', 'halving') OR t.search IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = format('unknown search "%s"', t.search), HINT = 'Use one of: grid, random, halving.';
    END IF;
    t.cutoff := CASE WHEN t.metric NOT IN ('mse', 'rmse', 'mae', 'auc') THEN (t.options ->> 'cutoff')::integer END;
    plan := socrec.tuning_plan(t, jsonb_build_array(t.method), caller_path);
    t.split := plan.split;
    t.time_column := plan.time_column;
    IF t.split NOT IN ('global_time', 'random', 'leave_last_out') THEN
        RAISE invalid_parameter_value USING MESSAGE = format('cannot tune on split "%s"', t.split),
            HINT = 'Use one with a single test side: global_time, random, leave_last_out.';
    END IF;
    -- Errors in the options come now and not after hours.
    PERFORM socrec.model_options(t.method, c.options, t.rating_column IS NOT NULL)
        FROM socrec.tuning_candidates(t.grid, t.search, (t.options ->> 'trials')::integer, (t.options ->> 'seed')::bigint) c;
    t.owner := current_user;
    t.created_at := now();
    INSERT INTO socrec.tuning VALUES (t.*);
    RETURN t;
END
$$;

COMMENT ON FUNCTION start_tuning IS 'stores a new tuning, or returns the one of that name, locked';

-- Put the training side into a temporary table: what is not there no trial can see.
CREATE FUNCTION load_training_side(t tuning, caller_path text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    plan socrec.evaluation_plan := socrec.tuning_plan(t, jsonb_build_array(t.method), caller_path);
    query text := socrec.evaluation_query(plan);
    time_type text;
BEGIN
    SELECT ', at ' || format_type(r.type, -1) INTO time_type
        FROM socrec.rows_for_caller(format('SELECT pg_catalog.pg_typeof((SELECT s.%I FROM %s AS s LIMIT 0))', plan.time_column, plan.source_clause),
            caller_path) AS r(type regtype)
        WHERE plan.time_column IS NOT NULL;
    IF to_regclass('pg_temp.socrec_training') IS NOT NULL THEN
        DROP TABLE pg_temp.socrec_training;
    END IF;
    EXECUTE format('CREATE TEMPORARY TABLE socrec_training AS
        SELECT s.* FROM socrec.rows_for_caller(%L, %L) AS s(user_id %s, item_id %s, rating float8%s)
            JOIN socrec.rows_for_caller(%L, %2$L) AS p(user_id %3$s, item_id %4$s, rating real, fold integer, part text)
                ON p.user_id %7$s s.user_id AND p.item_id %8$s s.item_id
        WHERE p.part = ''train''', query, caller_path, plan.user_type, plan.item_type, time_type,
        format('SELECT p.* FROM socrec.split_ratings(%L, NULL::%s, NULL::%s, %L, %L, %L, %L, %L) AS p', query, plan.user_type, plan.item_type,
            plan.split, plan.options ->> 'test_fraction', plan.options ->> 'folds', plan.options ->> 'n', plan.options ->> 'seed'),
        socrec.equality_operator(plan.user_type::regtype), socrec.equality_operator(plan.item_type::regtype));
END
$$;

COMMENT ON FUNCTION load_training_side IS 'puts the training side of a tuning into a temporary table';

-- Measure one trial on a split of the training side, and store it.
CREATE FUNCTION run_trial(t tuning, rung integer, number integer, options jsonb, user_share double precision) RETURNS trial
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    plan socrec.evaluation_plan;
    made socrec.trial;
BEGIN
    t.source := format('SELECT * FROM pg_temp.socrec_training WHERE socrec.hashed_fraction(user_id::text, %s) < %s',
        (t.options ->> 'seed')::bigint, user_share);
    t.user_column := 'user_id';
    t.item_column := 'item_id';
    t.rating_column := CASE WHEN t.rating_column IS NOT NULL THEN 'rating' END;
    t.time_column := CASE WHEN t.time_column IS NOT NULL THEN 'at' END;
    plan := socrec.tuning_plan(t, jsonb_build_array(jsonb_build_object('method', t.method, 'options', options)), 'pg_catalog, pg_temp');
    plan.methods := plan.methods[1:1];
    plan.method_options := plan.method_options[1:1];
    EXECUTE format('SELECT $1, $7, $2, $3, $4, $5, max(r.value) FILTER (WHERE m), max(r.low) FILTER (WHERE m), max(r.high) FILTER (WHERE m),
            max(r.n_measured) FILTER (WHERE m), make_interval(secs => max(r.value) FILTER (WHERE r.metric = ''fit_seconds'')), clock_timestamp()
        FROM %s CROSS JOIN LATERAL (SELECT r.metric = $6) x(m) WHERE r.kind = ''metric'' AND r.segment = ''all'' AND r.fold IS NULL',
        socrec.evaluation_result(plan, false))
        INTO made USING t.name, rung, number, options, user_share, t.metric, t.owner;
    INSERT INTO socrec.trial VALUES (made.*);
    RETURN made;
END
$$;

COMMENT ON FUNCTION run_trial IS 'measures one trial of a tuning and stores it';

-- Measure the best trial on the test side, once.
CREATE FUNCTION finish_tuning(t tuning, model text, caller_path text) RETURNS tuning
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    IF t.finished_at IS NULL THEN
        t.best := (socrec.best_trial(t)).options;
        t.run := socrec.run_evaluation(socrec.tuning_plan(t, jsonb_build_array(
            jsonb_build_object('method', t.method, 'options', t.best, 'label', 'best'), jsonb_build_object('method', t.method, 'label', 'default')), caller_path));
        t.finished_at := clock_timestamp();
        UPDATE socrec.tuning r SET best = t.best, run = t.run, finished_at = t.finished_at WHERE r.name = t.name;
    END IF;
    IF model IS NOT NULL THEN
        PERFORM socrec.build_model(ROW(model, t.source, t.user_column, t.item_column, t.rating_column, t.method, t.best,
            NULL, NULL, NULL, NULL, NULL, NULL, 1, NULL)::socrec.model, caller_path);
    END IF;
    RETURN t;
END
$$;

COMMENT ON FUNCTION finish_tuning IS 'measures the best trial of a tuning on the test side and creates a model with its options if asked to';

CREATE PROCEDURE tune(
    name text,
    source text DEFAULT NULL,
    user_column text DEFAULT 'user_id',
    item_column text DEFAULT 'item_id',
    rating_column text DEFAULT 'rating',
    time_column text DEFAULT NULL,
    method text DEFAULT 'item_knn',
    grid jsonb DEFAULT NULL,
    metric text DEFAULT NULL,
    search text DEFAULT 'grid',
    budget interval DEFAULT NULL,
    split text DEFAULT NULL,
    options jsonb DEFAULT '{}',
    model text DEFAULT NULL)
LANGUAGE plpgsql
AS $$
DECLARE
    -- A procedure that commits cannot have a search_path of its own: each
    -- transaction sets a safe one for itself.
    caller_path text := pg_catalog.current_setting('search_path');
    started timestamptz := pg_catalog.clock_timestamp();
    t socrec.tuning;
    next record;
    made socrec.trial;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    t := socrec.start_tuning(ROW($1, $2, $2, $3, $4, $5, $6, $7, $8, $10, $9, NULL, $12, $13, NULL, NULL, NULL, NULL)::socrec.tuning, caller_path);
    IF t.finished_at IS NULL THEN
        PERFORM socrec.load_training_side(t, caller_path);
    END IF;
    COMMIT;
    LOOP
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        -- Another session that goes on with the same tuning takes turns, and may
        -- have finished it.
        SELECT * INTO t FROM socrec.tuning r WHERE r.name = $1 FOR UPDATE;
        IF NOT FOUND THEN
            RAISE undefined_object USING MESSAGE = format('tuning "%s" is no longer there', $1);
        END IF;
        SELECT * INTO next FROM socrec.next_trial(t);
        EXIT WHEN NOT FOUND OR t.finished_at IS NOT NULL;
        IF $11 IS NOT NULL AND clock_timestamp() - started >= $11 THEN
            RAISE NOTICE 'tuning "%": budget spent after % of % trials', t.name, next.done, next.total
                USING HINT = format('CALL socrec.tune(%L) goes on.', t.name);
            DROP TABLE pg_temp.socrec_training;
            RETURN;
        END IF;
        made := socrec.run_trial(t, next.rung, next.number, next.options, next.user_share);
        RAISE NOTICE 'tuning "%": trial % of %: % = % with %', t.name, next.done + 1, next.total, t.metric, round(made.value::numeric, 5), made.options;
        COMMIT;
    END LOOP;
    t := socrec.finish_tuning(t, $14, caller_path);
    IF to_regclass('pg_temp.socrec_training') IS NOT NULL THEN
        DROP TABLE pg_temp.socrec_training;
    END IF;
    RAISE NOTICE 'tuning "%": best options are %', t.name, t.best USING HINT = format('SELECT * FROM socrec.evaluation WHERE run = %s.', t.run);
END
$$;

COMMENT ON PROCEDURE tune IS 'searches the options of a method that are best on a split of the training side, trial by trial; goes on where it stopped';
