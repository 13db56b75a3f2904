-- evaluation: how good methods are on ratings that they have not seen
--
-- The work is done by evaluate_ratings (evaluation_engine.sql): one load of the
-- ratings, then each fold is split, fitted and measured in memory.  Here stand
-- the functions that say what to evaluate, and the history of what came out.

CREATE SEQUENCE evaluation_run;

CREATE TABLE evaluation (
    run bigint NOT NULL,
    at timestamptz NOT NULL,
    owner text NOT NULL,
    source text NOT NULL,
    model text,
    label text NOT NULL,
    method text NOT NULL,
    options jsonb NOT NULL,
    split text NOT NULL,
    split_options jsonb NOT NULL,
    seed bigint NOT NULL,
    fold integer,
    segment text NOT NULL,
    metric text NOT NULL,
    cutoff integer,
    value double precision,
    low double precision,
    high double precision,
    n bigint
);

CREATE INDEX ON evaluation (run);
CREATE INDEX ON evaluation (model, at) WHERE model IS NOT NULL;

COMMENT ON TABLE evaluation IS 'what evaluations have measured: one row a metric, to chart over time';
COMMENT ON COLUMN evaluation.run IS 'number of the call; methods of one run were measured on the same folds';
COMMENT ON COLUMN evaluation.owner IS 'who evaluated';
COMMENT ON COLUMN evaluation.source IS 'the table, view or query that the ratings came from';
COMMENT ON COLUMN evaluation.model IS 'the model whose method and options these are; null for others';
COMMENT ON COLUMN evaluation.label IS 'tells the methods of a run apart';
COMMENT ON COLUMN evaluation.options IS 'all options of the method, defaults filled in';
COMMENT ON COLUMN evaluation.split_options IS 'options of the split and of the measurement, defaults filled in';
COMMENT ON COLUMN evaluation.fold IS 'number of the fold; null: over all folds';
COMMENT ON COLUMN evaluation.segment IS 'all, or the part of the test side: warm, cold_users, cold_items';
COMMENT ON COLUMN evaluation.cutoff IS 'length of the list; null where there is none';
COMMENT ON COLUMN evaluation.low IS 'lower end of the interval by bootstrap over users';
COMMENT ON COLUMN evaluation.high IS 'upper end of the interval by bootstrap over users';
COMMENT ON COLUMN evaluation.n IS 'users or predictions that were measured; null where it is not a mean of such';

SELECT pg_catalog.pg_extension_config_dump('evaluation', '');

GRANT USAGE, SELECT ON SEQUENCE evaluation_run TO PUBLIC;
GRANT SELECT, INSERT, DELETE ON evaluation TO PUBLIC;

-- Anybody may evaluate what he may read, but write and delete only his own rows.
-- The owner of the extension may write those of all, as who restores a dump must,
-- and who could drop them anyway.
CREATE FUNCTION check_row_owner() RETURNS trigger
LANGUAGE plpgsql PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT pg_has_role((SELECT e.extowner FROM pg_extension e WHERE e.extname = 'socrec'), 'USAGE')
        AND EXISTS (SELECT FROM (VALUES (CASE WHEN TG_OP <> 'INSERT' THEN OLD.owner END), (CASE WHEN TG_OP <> 'DELETE' THEN NEW.owner END)) o(owner)
            WHERE o.owner <> current_user AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = o.owner AND pg_has_role(r.oid, 'USAGE'))) THEN
        RAISE insufficient_privilege USING MESSAGE = format('must be owner of the rows of %s', TG_TABLE_NAME);
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;

COMMENT ON FUNCTION check_row_owner IS 'lets everybody write only rows of his own';

CREATE TRIGGER check_row_owner BEFORE INSERT OR DELETE ON evaluation
    FOR EACH ROW EXECUTE FUNCTION check_row_owner();

-- What a call wants to be measured, all names resolved.
CREATE TYPE evaluation_plan AS (
    source text,           -- as given
    source_clause text,    -- as it stands after FROM, under the caller's path
    user_column text,
    item_column text,
    rating_column text,
    time_column text,
    user_type text,
    item_type text,
    models text[],         -- one element a method, like the three that follow
    labels text[],
    methods text[],
    method_options jsonb[],
    split text,
    options jsonb,
    caller_path text
);

COMMENT ON TYPE evaluation_plan IS 'what an evaluation measures, all names resolved';

-- The methods of a plan: the models, then the given methods, each a name or
-- {"method", "options", "label"}, then the baselines that are not among them.
CREATE FUNCTION evaluation_methods(methods jsonb, models text[], is_explicit boolean)
RETURNS TABLE (n bigint, label text, model text, method text, options jsonb)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 5
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    bad text;
BEGIN
    IF jsonb_typeof(methods) <> 'array' THEN
        RAISE invalid_parameter_value USING MESSAGE = format('methods must be a JSON array, not %s', methods),
            HINT = 'Such as ["item_knn", {"method": "item_knn", "options": {"k": 50}}].';
    END IF;
    SELECT e.value::text INTO bad FROM jsonb_array_elements(methods) e
        WHERE coalesce(jsonb_typeof(e.value) <> 'string' AND (jsonb_typeof(e.value) <> 'object'
            OR jsonb_typeof(e.value -> 'method') <> 'string' OR e.value -> 'method' IS NULL
            OR e.value - ARRAY['method', 'options', 'label'] <> '{}'), true) LIMIT 1;
    IF FOUND THEN
        RAISE invalid_parameter_value USING MESSAGE = format('a method cannot be %s', bad),
            HINT = 'It is a name or an object with "method" and, if wanted, "options" and "label".';
    END IF;
    RETURN QUERY
        WITH given AS (
            SELECT m.place, m.name AS label, m.name AS model, r.method, r.options
            FROM unnest(models) WITH ORDINALITY m(name, place) JOIN socrec.model r ON r.name = m.name
            UNION ALL
            SELECT 1000000 + e.place, coalesce(e.value ->> 'label', f.method || coalesce(' ' || nullif(e.value ->> 'options', '{}'), '')),
                NULL, f.method, socrec.model_options(f.method, coalesce(e.value -> 'options', '{}'), is_explicit)
            FROM jsonb_array_elements(methods) WITH ORDINALITY e(value, place)
                CROSS JOIN LATERAL (SELECT coalesce(e.value ->> 'method', e.value #>> '{}') AS method) f),
        all_of_them AS (
            SELECT * FROM given
            UNION ALL
            SELECT 2000000 + b.place, b.name, NULL, b.name, socrec.model_options(b.name, '{}', is_explicit)
            FROM unnest(CASE WHEN is_explicit THEN ARRAY['popular', 'baseline'] ELSE ARRAY['popular'] END) WITH ORDINALITY b(name, place)
            WHERE b.name NOT IN (SELECT g.method FROM given g))
        SELECT row_number() OVER (ORDER BY a.place), a.label, a.model, a.method, a.options FROM all_of_them a ORDER BY 1;
END
$$;

COMMENT ON FUNCTION evaluation_methods IS 'the methods that an evaluation measures, baselines among them';

-- The one column of a source that holds times, NULL when there are none or more.
CREATE FUNCTION only_time_column(source_clause text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN count(*) = 1 THEN min(a.attname::text) END
    FROM pg_attribute a
    WHERE a.attrelid = to_regclass(CASE WHEN source_clause NOT LIKE '(%' THEN source_clause END)
        AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
$$;

COMMENT ON FUNCTION only_time_column IS 'the name of the one column of a relation that holds times';

CREATE FUNCTION evaluation_options(given jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN socrec.check_options('evaluation', given,
        '{"test_fraction": null, "folds": null, "n": null, "seed": 0, "cutoffs": [5, 10, 20], "relevant": null,
            "replicates": 1000, "confidence": 0.95}',
        types => '{"test_fraction": "number", "folds": "number", "n": "number", "relevant": "number"}',
        patterns => '{"folds": "^[0-9]{1,4}$", "n": "^[0-9]{1,9}$", "seed": "^-?[0-9]{1,18}$", "replicates": "^[0-9]{1,7}$",
            "cutoffs": "^\\[[0-9]{1,6}(, [0-9]{1,6})*\\]$"}');
END
$$;

COMMENT ON FUNCTION evaluation_options IS 'all options of an evaluation, the given ones over the defaults';

-- The rows of a query in which names of the caller's stand, for a statement in
-- which none do.
CREATE FUNCTION rows_for_caller(query text, caller_path text) RETURNS SETOF record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_config('search_path', caller_path, true);
    RETURN QUERY EXECUTE query;
END
$$;

COMMENT ON FUNCTION rows_for_caller IS 'the rows of a query under the search_path of the caller';

-- The plan of a call.  Either a source with its columns is given or models, whose
-- source and columns must then be the same.
CREATE FUNCTION plan_evaluation(
    source text, user_column text, item_column text, rating_column text, time_column text,
    methods jsonb, models text[], split text, options jsonb, caller_path text)
RETURNS evaluation_plan
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    plan socrec.evaluation_plan;
    m socrec.model;
    missing text;
BEGIN
    IF (source IS NULL) = (cardinality(coalesce(models, '{}')) = 0) THEN
        RAISE invalid_parameter_value USING MESSAGE = 'give either source or models';
    END IF;
    plan := ROW(source, NULL, user_column, item_column, rating_column, time_column, NULL, NULL, NULL, NULL, NULL, NULL,
        split, socrec.evaluation_options(options), caller_path)::socrec.evaluation_plan;
    IF source IS NULL THEN
        PERFORM socrec.find_model(given) FROM unnest(models) given;
        SELECT * INTO m FROM socrec.model r WHERE r.name = models[1];
        IF EXISTS (SELECT FROM socrec.model r WHERE r.name = ANY (models)
                AND (r.source, r.user_column, r.item_column, r.rating_column) IS DISTINCT FROM
                    (m.source, m.user_column, m.item_column, m.rating_column)) THEN
            RAISE invalid_parameter_value USING MESSAGE = 'the models are of different sources or columns',
                HINT = 'Only methods that are measured on the same ratings can be compared.';
        END IF;
        plan.source := m.source;
        plan.user_column := m.user_column;
        plan.item_column := m.item_column;
        plan.rating_column := m.rating_column;
    END IF;
    IF plan.user_column IS NULL OR plan.item_column IS NULL OR methods IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'user_column, item_column and methods must not be null';
    END IF;
    plan.source_clause := socrec.from_clause(plan.source, caller_path);
    plan.time_column := coalesce(time_column, socrec.only_time_column(plan.source_clause));
    plan.split := coalesce(split, CASE WHEN plan.time_column IS NULL THEN 'random' ELSE 'global_time' END);
    SELECT array_agg(e.model ORDER BY e.n), array_agg(e.label ORDER BY e.n), array_agg(e.method ORDER BY e.n),
            array_agg(e.options ORDER BY e.n)
        INTO plan.models, plan.labels, plan.methods, plan.method_options
        FROM socrec.evaluation_methods(methods, models, plan.rating_column IS NOT NULL) e;
    SELECT label INTO missing FROM unnest(plan.labels) label GROUP BY label HAVING count(*) > 1 LIMIT 1;
    IF FOUND THEN
        RAISE duplicate_object USING MESSAGE = format('two methods are called "%s"', missing),
            HINT = 'Give them a "label" each.';
    END IF;
    -- Nothing is read for this: only the types are asked for.
    SELECT format_type(r.user_type, -1), format_type(r.item_type, -1) INTO plan.user_type, plan.item_type
        FROM socrec.rows_for_caller(format('SELECT pg_catalog.pg_typeof((SELECT s.%1$I FROM %3$s AS s LIMIT 0)),
                pg_catalog.pg_typeof((SELECT s.%2$I FROM %3$s AS s LIMIT 0))',
            plan.user_column, plan.item_column, plan.source_clause), caller_path) AS r(user_type regtype, item_type regtype);
    RETURN plan;
END
$$;

COMMENT ON FUNCTION plan_evaluation IS 'what an evaluation measures, all names resolved';

-- The query of a plan's ratings: (user, item, rating) and the time if there is
-- one.  Repeated events of implicit feedback count once, by the first.
CREATE FUNCTION evaluation_query(plan evaluation_plan) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN plan.rating_column IS NULL
        THEN format('SELECT s.%1$I, s.%2$I, 1::pg_catalog.float8 AS rating%3$s FROM %4$s AS s GROUP BY s.%1$I, s.%2$I',
            plan.user_column, plan.item_column, ', pg_catalog.min(s.' || quote_ident(plan.time_column) || ')', plan.source_clause)
        ELSE format('SELECT s.%1$I, s.%2$I, s.%5$I::pg_catalog.float8 AS rating%3$s FROM %4$s AS s',
            plan.user_column, plan.item_column, ', s.' || quote_ident(plan.time_column), plan.source_clause, plan.rating_column)
        END
$$;

COMMENT ON FUNCTION evaluation_query IS 'the query of the ratings that an evaluation reads';

-- What evaluate_ratings returns for a plan, as it stands after FROM: the query of
-- the ratings alone means what it says in the caller's path.
CREATE FUNCTION evaluation_result(plan evaluation_plan, user_rows boolean) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('socrec.rows_for_caller(%L, %L) AS r(%s)',
        format('SELECT r.* FROM socrec.evaluate_ratings(%L, NULL::%s, NULL::%s, %L, %L::pg_catalog.text[], %L::pg_catalog.jsonb[], %L, %s) AS r',
            socrec.evaluation_query(plan), plan.user_type, plan.item_type, plan.rating_column IS NOT NULL, plan.methods,
            plan.method_options, plan.split,
            (SELECT string_agg(format('%I => %L', o.key, translate(o.value, '[]', '{}')), ', ') || format(', user_rows => %L', user_rows)
                FROM jsonb_each_text(plan.options) o)),
        plan.caller_path,
        (SELECT string_agg(format('%I %s', a.name, CASE a.name WHEN 'user_id' THEN plan.user_type WHEN 'item_id' THEN plan.item_type
                    ELSE format_type(a.type, -1) END), ', ' ORDER BY a.place)
            FROM pg_proc p CROSS JOIN LATERAL ROWS FROM (unnest(p.proargnames), unnest(p.proallargtypes), unnest(p.proargmodes))
                WITH ORDINALITY AS a(name, type, mode, place)
            WHERE p.pronamespace = 'socrec'::regnamespace AND p.proname = 'evaluate_ratings' AND a.mode = 't'))
$$;

COMMENT ON FUNCTION evaluation_result IS 'the rows of evaluate_ratings for a plan, as they stand after FROM';

-- Measure a plan, write what came out into the history and, of models that are
-- the caller's own, each user's into the model; returns the number of the run.
CREATE FUNCTION run_evaluation(plan evaluation_plan) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    number bigint;
    stored text := '';
    m record;
BEGIN
    IF current_setting('transaction_read_only')::boolean THEN
        RAISE read_only_sql_transaction USING MESSAGE = 'cannot keep an evaluation in a read-only transaction',
            HINT = 'socrec.compare and socrec.evaluate_ratings keep nothing and work there.';
    END IF;
    -- A restored database has the rows, but its sequence begins anew: to set it, who
    -- restores would have to be its owner.
    LOOP
        number := nextval('socrec.evaluation_run');
        EXIT WHEN NOT EXISTS (SELECT FROM socrec.evaluation e WHERE e.run = number);
    END LOOP;
    FOR m IN
        SELECT p.name, p.place FROM unnest(plan.models) WITH ORDINALITY p(name, place) JOIN pg_namespace n ON n.nspname = p.name
        WHERE pg_has_role(current_user, n.nspowner, 'USAGE')
    LOOP
        -- Two evaluations of a model take turns: its rows are those of one.
        EXECUTE format('LOCK TABLE %I.user_metric IN SHARE UPDATE EXCLUSIVE MODE', m.name);
        EXECUTE format('DELETE FROM %I.user_metric', m.name);
        stored := stored || format(', user_metric_%s AS (
            INSERT INTO %I.user_metric SELECT $1, r.fold, r.user_id, r.cutoff, r.n_relevant, r."precision", r.recall, r.hit_rate, r.ndcg,
                r.graded_ndcg, r.average_precision, r.reciprocal_rank, r.auc, r.squared_error, r.absolute_error, r.n_predictions
            FROM result r WHERE r.kind = ''user'' AND r.method = %1$s)', m.place, m.name);
    END LOOP;
    EXECUTE format('WITH result AS MATERIALIZED (SELECT r.* FROM %s)%s
        INSERT INTO socrec.evaluation
        SELECT $1, now(), current_user, ($2).source, ($2).models[r.method], ($2).labels[r.method], ($2).methods[r.method],
            ($2).method_options[r.method] - ARRAY[''holdout'', ''seed'', ''versions'', ''keep_models''], ($2).split, ($2).options, (($2).options ->> ''seed'')::bigint,
            r.fold, r.segment, r.metric, r.cutoff, r.value, r.low, r.high, r.n_measured
        FROM result r WHERE r.kind = ''metric''',
        socrec.evaluation_result(plan, stored <> ''), stored)
        USING number, plan;
    RETURN number;
END
$$;

COMMENT ON FUNCTION run_evaluation IS 'measures a plan and returns the number of its run in socrec.evaluation';

CREATE FUNCTION evaluate(
    source text DEFAULT NULL,
    user_column text DEFAULT 'user_id',
    item_column text DEFAULT 'item_id',
    rating_column text DEFAULT 'rating',
    time_column text DEFAULT NULL,
    methods jsonb DEFAULT '[]',
    split text DEFAULT NULL,
    options jsonb DEFAULT '{}',
    model text DEFAULT NULL)
RETURNS SETOF evaluation
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 500
AS $$
DECLARE
    number bigint := socrec.run_evaluation(socrec.plan_evaluation($1, $2, $3, $4, $5, $6,
        CASE WHEN $9 IS NOT NULL THEN ARRAY[$9] END, $7, $8, pg_catalog.current_setting('search_path')));
BEGIN
    RETURN QUERY SELECT e.* FROM socrec.evaluation e WHERE e.run OPERATOR(pg_catalog.=) number;
END
$$;

COMMENT ON FUNCTION evaluate IS
    'measures methods on ratings that they were not fitted to, baselines beside them; kept in socrec.evaluation';

CREATE FUNCTION fold_summary(run bigint)
RETURNS TABLE (label text, metric text, cutoff integer, value double precision, low double precision, high double precision,
    mean double precision, standard_deviation double precision, fold_values double precision[])
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.label, e.metric, e.cutoff, max(e.value) FILTER (WHERE e.fold IS NULL), max(e.low) FILTER (WHERE e.fold IS NULL),
        max(e.high) FILTER (WHERE e.fold IS NULL), avg(e.value ORDER BY e.fold) FILTER (WHERE e.fold IS NOT NULL),
        stddev_samp(e.value ORDER BY e.fold) FILTER (WHERE e.fold IS NOT NULL), array_agg(e.value ORDER BY e.fold) FILTER (WHERE e.fold IS NOT NULL)
    FROM socrec.evaluation e
    WHERE e.run = fold_summary.run AND e.segment = 'all'
    GROUP BY e.label, e.metric, e.cutoff
    ORDER BY e.metric, e.cutoff, 4 DESC, e.label
$$;

COMMENT ON FUNCTION fold_summary IS 'mean and deviation of a run''s metrics over its folds';

CREATE FUNCTION cross_validate(
    source text DEFAULT NULL,
    user_column text DEFAULT 'user_id',
    item_column text DEFAULT 'item_id',
    rating_column text DEFAULT 'rating',
    time_column text DEFAULT NULL,
    methods jsonb DEFAULT '[]',
    folds integer DEFAULT 5,
    split text DEFAULT 'random',
    options jsonb DEFAULT '{}',
    model text DEFAULT NULL)
RETURNS TABLE (label text, metric text, cutoff integer, value double precision, low double precision, high double precision,
    mean double precision, standard_deviation double precision, fold_values double precision[])
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 100
AS $$
DECLARE
    behavior socrec.model;
    number bigint;
BEGIN
    SELECT * INTO behavior FROM socrec.model r WHERE r.name OPERATOR(pg_catalog.=) $10 AND r.target_column IS NOT NULL;
    IF FOUND THEN
        RETURN QUERY SELECT c.* FROM socrec.cross_validate_behavior(behavior, $7) c;
        RETURN;
    END IF;
    number := socrec.run_evaluation(socrec.plan_evaluation($1, $2, $3, $4, $5, $6,
        CASE WHEN $10 IS NOT NULL THEN ARRAY[$10] END, $8,
        $9 OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('folds', $7), pg_catalog.current_setting('search_path')));
    RETURN QUERY SELECT f.* FROM socrec.fold_summary(number) f;
END
$$;

COMMENT ON FUNCTION cross_validate IS 'measures methods on each of several folds, and says how much the folds differ';

-- Differences of every method to the first, user by user on the same folds.  A
-- user's value is the mean over the folds in which he was tested, so that users
-- are independent of each other.
CREATE FUNCTION compare_plan(plan evaluation_plan)
RETURNS TABLE (metric text, cutoff integer, label text, value double precision, reference text, reference_value double precision,
    difference double precision, low double precision, high double precision, t_p_value double precision,
    wilcoxon_p_value double precision, n bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY EXECUTE format('
        WITH result AS MATERIALIZED (SELECT r.* FROM %s),
        per_user AS MATERIALIZED (
            SELECT m.place, m.metric, CASE WHEN m.place > 3 THEN r.cutoff END AS cutoff, r.user_id, array_agg(m.value ORDER BY r.method) AS value
            FROM (
                SELECT method, cutoff, user_id, avg(squared_error / nullif(n_predictions, 0)) AS mse, avg(absolute_error / nullif(n_predictions, 0)) AS mae,
                    avg(auc) AS auc, avg("precision") AS "precision", avg(recall) AS recall, avg(hit_rate) AS hit_rate, avg(ndcg) AS ndcg,
                    avg(graded_ndcg) AS graded_ndcg, avg(average_precision) AS map, avg(reciprocal_rank) AS mrr,
                    row_number() OVER (PARTITION BY method, user_id ORDER BY cutoff) AS n
                FROM result WHERE kind = ''user'' GROUP BY method, cutoff, user_id) r
                CROSS JOIN LATERAL (VALUES (1, ''mse'', r.mse), (2, ''mae'', r.mae), (3, ''auc'', r.auc), (4, ''precision'', r."precision"),
                    (5, ''recall'', r.recall), (6, ''hit_rate'', r.hit_rate), (7, ''ndcg'', r.ndcg), (8, ''graded_ndcg'', r.graded_ndcg),
                    (9, ''map'', r.map), (10, ''mrr'', r.mrr)) m(place, metric, value)
            WHERE m.value IS NOT NULL AND (m.place > 3 OR r.n = 1)
            GROUP BY m.place, m.metric, 3, r.user_id)
        SELECT c.metric, c.cutoff, ($1).labels[c.method], c.value, ($1).labels[1], c.reference_value, (c.test).*
        FROM (
            SELECT u.place, u.metric, u.cutoff, m.method, avg(u.value[m.method]) AS value, avg(u.value[1]) AS reference_value,
                socrec.paired_test(u.value[m.method], u.value[1], ($1.options ->> ''replicates'')::integer,
                    ($1.options ->> ''confidence'')::float8, ($1.options ->> ''seed'')::bigint) AS test
            FROM per_user u CROSS JOIN generate_series(2, cardinality(($1).methods)) m(method)
            WHERE cardinality(u.value) = cardinality(($1).methods)
            GROUP BY u.place, u.metric, u.cutoff, m.method) c
        ORDER BY c.place, c.cutoff, c.method', socrec.evaluation_result(plan, true))
        USING plan;
END
$$;

COMMENT ON FUNCTION compare_plan IS 'compare, all names resolved';

CREATE FUNCTION compare(
    source text DEFAULT NULL,
    user_column text DEFAULT 'user_id',
    item_column text DEFAULT 'item_id',
    rating_column text DEFAULT 'rating',
    time_column text DEFAULT NULL,
    methods jsonb DEFAULT '[]',
    split text DEFAULT NULL,
    options jsonb DEFAULT '{}',
    models text[] DEFAULT NULL)
RETURNS TABLE (metric text, cutoff integer, label text, value double precision, reference text, reference_value double precision,
    difference double precision, low double precision, high double precision, t_p_value double precision,
    wilcoxon_p_value double precision, n bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 100
AS $$
BEGIN
    RETURN QUERY SELECT c.* FROM socrec.compare_plan(socrec.plan_evaluation($1, $2, $3, $4, $5, $6, $9, $7, $8,
        pg_catalog.current_setting('search_path'))) c;
END
$$;

COMMENT ON FUNCTION compare IS 'differences of methods or models on the same users, with intervals and tests';
