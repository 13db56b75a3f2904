-- behavior_schema: a behavior model's tables and functions, and what fills them: to
-- create, fit, compare and cross-validate it

CREATE FUNCTION behavior_table_statements(m model) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT array_agg(format(t.statement, m.name) ORDER BY t.n) FROM unnest(ARRAY[
        'CREATE TABLE %1$I.coefficient (
            id integer PRIMARY KEY, class text, term text NOT NULL, level text, subscript bigint, estimate float8, std_error float8, z float8, p_value float8,
            odds_ratio float8, low float8, high float8, problem text, mean float8, standard_deviation float8, imputed float8)',
        'COMMENT ON TABLE %1$I.coefficient IS ''what was estimated: one row a term''',
        'COMMENT ON COLUMN %1$I.coefficient.class IS ''of family multinomial: against the reference class or, with l1, which has a row for that as well, by itself''',
        'COMMENT ON COLUMN %1$I.coefficient.term IS ''the column, or (intercept)''',
        'COMMENT ON COLUMN %1$I.coefficient.level IS ''its value that the estimate is for, against the value that has no row; null of numbers''',
        'COMMENT ON COLUMN %1$I.coefficient.subscript IS ''of a vector: the element of an array, or the id of a svec''',
        'COMMENT ON COLUMN %1$I.coefficient.estimate IS ''what one more of the term adds to the log-odds; null if collinear''',
        'COMMENT ON COLUMN %1$I.coefficient.odds_ratio IS ''exp(estimate): what one more of the term multiplies the odds by''',
        'COMMENT ON COLUMN %1$I.coefficient.low IS ''lower end of the 95 %% confidence interval of the estimate''',
        'COMMENT ON COLUMN %1$I.coefficient.high IS ''upper end of the 95 %% confidence interval of the estimate''',
        'COMMENT ON COLUMN %1$I.coefficient.problem IS ''collinear: a combination of terms before it; separated: it tells outcomes apart for certain; undecided: others do''',
        'COMMENT ON COLUMN %1$I.coefficient.mean IS ''of the term in the rows fitted''',
        'COMMENT ON COLUMN %1$I.coefficient.imputed IS ''what stands for a missing value, with option missing = impute''',
        'CREATE TABLE %1$I.fit (
            family text NOT NULL, classes text[], n bigint, row_count bigint, dropped_rows bigint, parameters integer,
            log_likelihood float8, null_log_likelihood float8, pseudo_r2 float8, aic float8, bic float8,
            iterations integer, passes integer, converged boolean, gradient_norm float8, condition_number float8, executed text)',
        'COMMENT ON TABLE %1$I.fit IS ''how the model was fitted, one row''',
        'COMMENT ON COLUMN %1$I.fit.classes IS ''outcomes, the reference first: score gives probabilities in this order''',
        'COMMENT ON COLUMN %1$I.fit.n IS ''observations: rows, or choice sets''',
        'COMMENT ON COLUMN %1$I.fit.dropped_rows IS ''rows with a missing value, or of no weight''',
        'COMMENT ON COLUMN %1$I.fit.pseudo_r2 IS ''McFadden: 1 - log_likelihood / null_log_likelihood''',
        'COMMENT ON COLUMN %1$I.fit.gradient_norm IS ''greatest derivative of the objective, for a row''',
        'COMMENT ON COLUMN %1$I.fit.condition_number IS ''square root of the ratio of the eigenvalues of the information matrix, scaled to a diagonal of ones; above 30 terms are nearly collinear''',
        'COMMENT ON COLUMN %1$I.fit.executed IS ''where the passes ran: memory or query''',
        'CREATE TABLE %1$I.path (
            step integer, l1 float8, log_likelihood float8, nonzero integer, class text, term text, level text, subscript bigint, estimate float8)',
        'COMMENT ON TABLE %1$I.path IS ''estimates along falling l1 penalties, with option path''',
        'COMMENT ON COLUMN %1$I.path.nonzero IS ''terms that are left in the step, intercepts not counted''',
        'CREATE TABLE %1$I.version (
            version integer PRIMARY KEY, fitted_at timestamptz NOT NULL, fit_duration interval,
            rating_count bigint, user_count bigint, item_count bigint, replaced_at timestamptz, kept boolean NOT NULL DEFAULT false,
            n bigint, log_loss float8, accuracy float8)',
        'COMMENT ON TABLE %1$I.version IS ''the fits of this model, the present one and former ones''',
        'COMMENT ON COLUMN %1$I.version.rating_count IS ''rows that it was fitted on''',
        'COMMENT ON COLUMN %1$I.version.log_loss IS ''over the rows held out or, without such, those fitted, when a refit made it''']) WITH ORDINALITY t(statement, n);
END;

COMMENT ON FUNCTION behavior_table_statements IS 'the statements that create a behavior model''s tables';

-- The functions, which carry what was estimated.  They take a row of any type, which
-- a body of SQL-standard form cannot.  An unnest of several arrays is pg_catalog's, and
-- can only be written without it.
CREATE FUNCTION behavior_function_statements(m model, s behavior_scorer) RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1
AS $$
DECLARE
    scores text := socrec.score_expression(m, s, '$1');
    terms text := format('%L::pg_catalog.text[], %L::pg_catalog.text[], %L::pg_catalog.int8[]', s.terms, s.levels, s.subscripts);
    features text := format('socrec.row_features(%s, %L::pg_catalog.float8[], $1)', terms, s.defaults);
    statements text[];
BEGIN
    statements := ARRAY[
        format('CREATE OR REPLACE FUNCTION %I.score(target anyelement) RETURNS float8%s LANGUAGE sql STABLE PARALLEL SAFE COST 20 AS %L',
            m.name, CASE m.method WHEN 'multinomial' THEN '[]' ELSE '' END,
            'SELECT ' || socrec.probability_expression(m, s, '$1')),
        format('COMMENT ON FUNCTION %I.score IS %L', m.name, CASE m.method WHEN 'logistic' THEN 'the probability of a row, by the names of its columns'
            WHEN 'multinomial' THEN 'the probability of each class of fit.classes, of a row by the names of its columns'
            ELSE 'the utility of a row: socrec.softmax(score(r)) OVER (PARTITION BY the set) is its probability' END)];
    IF m.method = 'multinomial' THEN
        statements := statements || ARRAY[
            format('CREATE OR REPLACE FUNCTION %I.classes() RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE AS %L', m.name,
                format('SELECT %L::pg_catalog.text[]', s.classes)),
            format('COMMENT ON FUNCTION %I.classes IS %L', m.name, 'the classes, in the order of probabilities that score returns'),
            format('CREATE OR REPLACE FUNCTION %I.predict_class(target anyelement) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE COST 50 AS %L', m.name,
                format('SELECT socrec.most_probable(%L::pg_catalog.text[], %s)', s.classes, scores)),
            format('COMMENT ON FUNCTION %I.predict_class IS %L', m.name, 'the most probable class of a row'),
            format('CREATE OR REPLACE FUNCTION %I.explain(target anyelement)
                RETURNS TABLE (class text, term text, level text, subscript bigint, value float8, estimate float8, contribution float8)
                LANGUAGE sql STABLE PARALLEL SAFE ROWS 100 COST 100 AS %L', m.name,
                format('SELECT c.class, ''(intercept)'', NULL::pg_catalog.text, NULL::pg_catalog.int8, 1::pg_catalog.float8, c.weight, c.weight
                    FROM ROWS FROM (pg_catalog.unnest(%1$L::pg_catalog.text[]), pg_catalog.unnest(%2$L::pg_catalog.float8[])) WITH ORDINALITY c(class, weight, n)
                    WHERE c.n OPERATOR(pg_catalog.>=) %7$s
                    UNION ALL
                    SELECT c.class, t.term, t.level, t.subscript, t.value, w.weight, t.value OPERATOR(pg_catalog.*) w.weight
                    FROM pg_catalog.unnest(%1$L::pg_catalog.text[]) WITH ORDINALITY c(class, n),
                        unnest(%3$s, %4$s) WITH ORDINALITY t(term, level, subscript, value, n),
                        LATERAL (SELECT (%5$L::pg_catalog.float8[])[(c.n OPERATOR(pg_catalog.-) 1) OPERATOR(pg_catalog.*) %6$s OPERATOR(pg_catalog.+) t.n]) w(weight)
                    WHERE c.n OPERATOR(pg_catalog.>=) %7$s AND (t.level IS NULL AND t.subscript IS NULL OR t.value OPERATOR(pg_catalog.<>) 0)',
                    s.classes, s.intercepts, terms, features, s.weights, cardinality(s.terms),
                    -- Without l1 the first is the reference, which has no coefficients.
                    CASE WHEN (m.options ->> 'l1')::float8 > 0 THEN 1 ELSE 2 END))];
    ELSE
        statements := statements || format('CREATE OR REPLACE FUNCTION %I.explain(target anyelement)
            RETURNS TABLE (term text, level text, subscript bigint, value float8, estimate float8, contribution float8)
            LANGUAGE sql STABLE PARALLEL SAFE ROWS 20 COST 100 AS %L', m.name,
            format('SELECT ''(intercept)'', NULL::pg_catalog.text, NULL::pg_catalog.int8, 1::pg_catalog.float8, i.i, i.i FROM (SELECT %1$L::pg_catalog.float8) i(i) WHERE %2$L
                UNION ALL
                SELECT t.term, t.level, t.subscript, t.value, t.weight, t.value OPERATOR(pg_catalog.*) t.weight
                FROM unnest(%3$s, %4$s, %5$L::pg_catalog.float8[]) t(term, level, subscript, value, weight)
                WHERE t.level IS NULL AND t.subscript IS NULL OR t.value OPERATOR(pg_catalog.<>) 0', s.intercepts[1], m.method = 'logistic', terms, features, s.weights));
    END IF;
    RETURN statements || format('COMMENT ON FUNCTION %I.explain IS %L', m.name, 'what each term adds to the score of a row, before it becomes a probability');
END
$$;

COMMENT ON FUNCTION behavior_function_statements IS 'the statements that create a behavior model''s functions';

-- Write down a fit.
CREATE FUNCTION store_behavior(m model, f behavior_fit) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    -- Half the width of a 95 % confidence interval, in standard errors.
    bound CONSTANT float8 := 1.959963984540054;
    p CONSTANT integer := cardinality(f.terms);
    -- Those that have coefficients: all, or all but the reference.
    classes CONSTANT text[] := CASE m.method WHEN 'multinomial' THEN f.classes[cardinality(f.classes) - cardinality(f.estimates) / p + 1 :] END;
    -- Of a penalty l1 alone a zero says that there is no parameter; of intercepts of all
    -- classes one follows from the others.
    fitted CONSTANT integer := (SELECT count(*) FROM unnest(f.states, f.estimates) u(s, e)
        WHERE s <> 1 AND (e <> 0 OR (m.options ->> 'l1')::float8 = 0))
        - coalesce(cardinality(classes) = cardinality(f.classes) AND socrec.behavior_has_intercept(m), false)::integer;
BEGIN
    EXECUTE format('DELETE FROM %I.coefficient', m.name);
    EXECUTE format('DELETE FROM %I.fit', m.name);
    EXECUTE format('DELETE FROM %I.path', m.name);
    EXECUTE format('INSERT INTO %I.coefficient
            SELECT e.id, ($4)[(e.id - 1) / $9 + 1], t.term, t.level, t.subscript, e.estimate, e.std_error, e.estimate / e.std_error,
                socrec.chi_square_p_value((e.estimate / e.std_error) ^ 2, 1), CASE WHEN abs(e.estimate) < 700 THEN exp(e.estimate) END,
                e.estimate - $10 * e.std_error, e.estimate + $10 * e.std_error,
                CASE e.state WHEN 1 THEN ''collinear'' WHEN 2 THEN ''separated'' WHEN 3 THEN ''undecided'' END, t.mean, t.deviation, t.imputed
            FROM (SELECT u.n::integer AS id, u.state, CASE WHEN u.state <> 1 THEN u.estimate END AS estimate, u.std_error
                    FROM ROWS FROM (unnest($5), unnest($6), unnest($11)) WITH ORDINALITY u(estimate, std_error, state, n)) e
                JOIN unnest($1, $2, $12, $3, $7, $8) WITH ORDINALITY t(term, level, subscript, imputed, mean, deviation, n)
                    ON t.n = (e.id - 1) %% $9 + 1', m.name)
        USING f.terms, f.levels, f.defaults, classes, f.estimates, f.std_errors, f.means, f.deviations, p, bound, f.states, f.subscripts;
    EXECUTE format('INSERT INTO %I.fit VALUES ($1.method, CASE WHEN $1.method <> ''conditional'' THEN $2.classes END, $2.n, $2.row_count, $2.dropped_rows, $3,
            $2.log_likelihood, $2.null_log_likelihood, 1 - $2.log_likelihood / nullif($2.null_log_likelihood, 0),
            2 * $3 - 2 * $2.log_likelihood, $3 * ln($2.n) - 2 * $2.log_likelihood,
            $2.iterations, $2.passes, $2.converged, $2.gradient_norm, $2.condition_number, $2.executed)', m.name)
        USING m, f, fitted;
    EXECUTE format('INSERT INTO %I.path
            SELECT s.step, s.l1, s.log_likelihood, count(*) FILTER (WHERE e.estimate <> 0 AND (t.n > 1 OR NOT $10)) OVER (PARTITION BY s.step), ($6)[(i.id - 1) / $7 + 1], t.term, t.level, t.subscript, e.estimate
            FROM ROWS FROM (unnest($3), unnest($4)) WITH ORDINALITY s(l1, log_likelihood, step)
                CROSS JOIN generate_series(1, $8) i(id)
                JOIN unnest($1, $2, $9) WITH ORDINALITY t(term, level, subscript, n) ON t.n = (i.id - 1) %% $7 + 1
                CROSS JOIN LATERAL (SELECT ($5)[(s.step - 1) * $8 + i.id]) e(estimate)', m.name)
        USING f.terms, f.levels, f.path_l1, f.path_log_likelihood, f.path_estimates, classes, p, cardinality(f.estimates), f.subscripts,
            socrec.behavior_has_intercept(m);
    PERFORM socrec.execute_all(socrec.behavior_function_statements(m, socrec.fitted_scorer(m, f)));
END
$$;

COMMENT ON FUNCTION store_behavior IS 'writes down a fit of a behavior model';

CREATE FUNCTION fit_behavior_model(m model) RETURNS model
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    started timestamptz := clock_timestamp();
    f socrec.behavior_fit := socrec.train_behavior(m, NULL);
    unknown text;
BEGIN
    SELECT k INTO unknown FROM jsonb_object_keys(m.options -> 'class_weight') k WHERE k <> ALL (f.classes) LIMIT 1;
    IF FOUND THEN
        RAISE invalid_parameter_value USING MESSAGE = format('target "%s" has no class "%s" to weigh', m.target_column, unknown),
            HINT = 'Its classes are: ' || socrec.some_values(f.classes);
    END IF;
    PERFORM socrec.store_behavior(m, f);
    m.rating_count := f.row_count;
    m.fitted_at := now();
    m.fit_duration := clock_timestamp() - started;
    RETURN m;
END
$$;

COMMENT ON FUNCTION fit_behavior_model IS 'fits a behavior model and returns its registry row, not yet stored';

CREATE FUNCTION measure_behavior_version(m model) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('UPDATE %1$I.version v SET (n, log_loss, accuracy) = (
            SELECT e.n, e.log_loss, e.accuracy FROM %1$I.evaluation e ORDER BY e.held_out DESC LIMIT 1)
        WHERE v.version = $1', m.name) USING m.version;
END
$$;

COMMENT ON FUNCTION measure_behavior_version IS 'measures the version of a behavior model that was just fitted';

-- What options say of columns must be possible with them.
CREATE FUNCTION check_behavior_columns(m model) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bad record;
BEGIN
    SELECT o.role, a.attname, a.atttypid INTO bad
        FROM unnest('{weight,offset}'::text[]) o(role)
            JOIN pg_attribute a ON a.attrelid = format('%I.sample', m.name)::regclass AND a.attname = m.options ->> o.role
            JOIN pg_type t ON t.oid = a.atttypid
        WHERE t.typcategory <> 'N';
    IF FOUND THEN
        RAISE datatype_mismatch USING MESSAGE = format('the %s "%s" is of type %s, not a number', bad.role, bad.attname, format_type(bad.atttypid, NULL));
    END IF;
    SELECT u.name, u.option, CASE c.kind WHEN 'number' THEN c.kind ELSE 'vector' END AS kind, c.name IS NOT NULL AS is_feature INTO bad
        FROM (SELECT jsonb_array_elements_text(m.options -> 'categorical') AS name, 'categorical' AS option
            UNION ALL SELECT jsonb_object_keys(m.options -> 'reference'), 'reference') u
            LEFT JOIN socrec.behavior_columns(m) c ON c.name = u.name
        WHERE c.name IS NULL OR u.option = 'reference' AND c.kind <> 'category' LIMIT 1;
    IF FOUND THEN
        RAISE undefined_column USING MESSAGE = format(CASE WHEN bad.is_feature THEN 'feature "%1$s" is a %3$s, which has no levels to refer to'
                ELSE 'option "%2$s" names "%1$s", which is not a feature' END, bad.name, bad.option, bad.kind),
            HINT = CASE WHEN bad.is_feature THEN 'Option "categorical" makes a category of it.'
                ELSE 'Features are: ' || socrec.some_values(ARRAY(SELECT jsonb_array_elements_text(m.options -> 'features'))) END;
    END IF;
END
$$;

COMMENT ON FUNCTION check_behavior_columns IS 'an error unless the columns of a behavior model can be what its options say';

CREATE FUNCTION build_behavior_model(m model, features text[], caller_path text) RETURNS model
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wrong text;
BEGIN
    IF m.name IS NULL OR m.source IS NULL OR m.target_column IS NULL OR m.method IS NULL OR m.options IS NULL OR array_position(features, NULL) > 0 THEN
        RAISE null_value_not_allowed USING MESSAGE = 'name, source, target, family, options and each of the features must not be null';
    END IF;
    PERFORM socrec.check_name(m.name);
    SELECT f INTO wrong FROM unnest(features) f GROUP BY f HAVING count(*) > 1 OR f = m.target_column LIMIT 1;
    IF FOUND THEN
        RAISE duplicate_column USING MESSAGE =
            format(CASE wrong WHEN m.target_column THEN 'the target "%s" cannot be a feature' ELSE 'feature "%s" is given more than once' END, wrong);
    END IF;
    m.options := socrec.behavior_options(m.method, m.options);
    m.created_at := now();
    EXECUTE format('CREATE SCHEMA %I', m.name);
    PERFORM socrec.create_sample_view(m, features, caller_path);
    m.options := m.options || jsonb_build_object('features', (
        SELECT coalesce(jsonb_agg(f ORDER BY n), '[]') FROM unnest(coalesce(features, socrec.sample_columns(m))) WITH ORDINALITY u(f, n)
        WHERE features IS NOT NULL OR f <> ALL (socrec.behavior_roles(m))));
    IF m.options -> 'features' = '[]' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'there are no features',
            HINT = 'Name columns of the source; without any, they are all but the target and those that options name.';
    END IF;
    PERFORM socrec.check_behavior_columns(m);
    PERFORM socrec.execute_all(socrec.behavior_table_statements(m));
    m := socrec.fit_behavior_model(m);
    EXECUTE format('CREATE VIEW %I.prediction WITH (security_invoker = true) AS %s', m.name, socrec.prediction_query(m,
        format('%I.score(s.*)', m.name), format('%I.classes()', m.name), 'true'));
    PERFORM socrec.execute_all(socrec.behavior_view_statements(m));
    PERFORM socrec.begin_version(m);
    PERFORM socrec.register_model(m);
    RETURN m;
END
$$;

COMMENT ON FUNCTION build_behavior_model IS 'creates what the registry row of a behavior model describes, and stores the row';

CREATE FUNCTION create_behavior_model(
    name text,
    source text,
    target text,
    features text[] DEFAULT NULL,
    family text DEFAULT 'logistic',
    options jsonb DEFAULT '{}')
RETURNS model
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    RETURN socrec.build_behavior_model(
        ROW(name, source, NULL, NULL, NULL, family, options, NULL, NULL, NULL, NULL, NULL, NULL, 1, target)::socrec.model,
        features, pg_catalog.current_setting('search_path'));
END
$$;

COMMENT ON FUNCTION create_behavior_model IS
    'creates a schema with a model of how probable an outcome is, fitted to the rows of a table or query, and returns its registry row';

-- Is a model better than one with fewer terms by more than chance?
CREATE FUNCTION likelihood_ratio_test(smaller text, larger text,
    OUT chi_square double precision, OUT degrees_of_freedom integer, OUT p_value double precision)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    a socrec.model := socrec.find_model(smaller, any_kind => true);
    b socrec.model := socrec.find_model(larger, any_kind => true);
    r record;
BEGIN
    IF a.target_column IS NULL OR b.target_column IS NULL THEN
        RAISE wrong_object_type USING MESSAGE = format('models "%s" and "%s" are not both behavior models', smaller, larger);
    END IF;
    EXECUTE format('SELECT s.n AS n, l.n AS m, s.log_likelihood AS a, l.log_likelihood AS b, l.parameters - s.parameters AS df,
            s.family = l.family AND s.classes IS NOT DISTINCT FROM l.classes AND $1 AND (NOT $2
                OR abs(s.null_log_likelihood - l.null_log_likelihood) <= 1e-9 * abs(l.null_log_likelihood)) AS same,
            (SELECT string_agg(socrec.term_name(c.term, c.level, c.subscript), '', '' ORDER BY c.id) FROM %1$I.coefficient c WHERE NOT EXISTS (
                SELECT FROM %2$I.coefficient d WHERE (d.class, d.term, d.level, d.subscript) IS NOT DISTINCT FROM (c.class, c.term, c.level, c.subscript))) AS others
        FROM %1$I.fit s, %2$I.fit l', smaller, larger) INTO r
        USING NOT EXISTS (SELECT FROM unnest('{positive,weight,class_weight,balanced,offset,choice_set}'::text[]) o
                WHERE a.options -> o IS DISTINCT FROM b.options -> o),
            a.options -> 'intercept' = b.options -> 'intercept';
    IF NOT r.same OR r.n <> r.m OR a.target_column <> b.target_column OR r.others IS NOT NULL OR r.df <= 0 THEN
        RAISE invalid_parameter_value USING MESSAGE = format('model "%s" is not nested in "%s"', smaller, larger),
            DETAIL = CASE WHEN r.n <> r.m THEN format('They were fitted to %s and %s observations.', r.n, r.m)
                WHEN r.others IS NOT NULL THEN format('It has terms that the other lacks: %s.', r.others)
                WHEN NOT r.same OR a.target_column <> b.target_column THEN 'They do not predict the same of the same rows.'
                ELSE 'It does not have fewer parameters.' END;
    ELSIF (a.options ->> 'l1')::float8 + (a.options ->> 'l2')::float8 + (b.options ->> 'l1')::float8 + (b.options ->> 'l2')::float8 > 0 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'likelihoods of models with a penalty cannot be compared';
    END IF;
    chi_square := 2 * (r.b - r.a);
    degrees_of_freedom := r.df;
    p_value := socrec.chi_square_p_value(greatest(chi_square, 0), r.df);
END
$$;

COMMENT ON FUNCTION likelihood_ratio_test IS 'whether a behavior model is better than one with fewer terms by more than chance';

-- The expression of the fold, 0 to folds - 1, of a row s of the sample: by a hash of
-- its cluster or choice set; else class by class, by cuts through the hashes of a
-- class, so that a rare one is in as many folds as can be.
CREATE FUNCTION behavior_fold(m model, folds integer) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    outcome CONSTANT text := socrec.behavior_outcome(m) || '::text COLLATE "C"';
    hash CONSTANT text := socrec.behavior_hash(m, (m.options ->> 'seed')::bigint + 1, socrec.sample_columns(m));
    usable CONSTANT text := format('FROM %I.sample s WHERE NOT s.held_out AND %s', m.name, socrec.behavior_condition(m));
    fold text := format('(%s %% %s)', hash, folds);
    cuts text;
    shifts text;
    classes text[];
    lonely text;
BEGIN
    IF m.options -> 'choice_set' = 'null' AND m.options -> 'cluster' = 'null' THEN
        -- The number of cuts below the hash; which fold is the first differs, as else
        -- those of rare classes would all be the same.
        EXECUTE format('SELECT string_agg(format(''WHEN %%L THEN %%L::bigint[]'', c.class, c.cuts), '' ''), string_agg(format(''WHEN %%L THEN %%s'', c.class, c.n), '' '')
                FROM (SELECT o.class, row_number() OVER (ORDER BY o.class) AS n, percentile_disc($1) WITHIN GROUP (ORDER BY o.hash + 1) AS cuts
                    FROM (SELECT %s AS class, %s AS hash %s) o GROUP BY 1) c', outcome, hash, usable)
            INTO cuts, shifts USING ARRAY(SELECT i::float8 / folds FROM generate_series(1, folds - 1) i);
        fold := format('((width_bucket(%s, CASE %s %s END) + CASE %s %s END) %% %s)', hash, outcome, cuts, outcome, shifts, folds);
    END IF;
    IF m.method <> 'conditional' THEN
        EXECUTE format('SELECT array_agg(c.class), string_agg(c.class, '', '' ORDER BY c.class) FILTER (WHERE c.folds = 1)
                FROM (SELECT o.class, count(DISTINCT o.fold) AS folds FROM (SELECT %s AS class, %s AS fold %s) o GROUP BY 1) c', outcome, fold, usable)
            INTO classes, lonely;
        IF lonely IS NOT NULL AND cardinality(classes) = 2 THEN
            RAISE invalid_parameter_value USING MESSAGE = format('all rows with target "%s" = %s are in one of %s folds', m.target_column, lonely, folds),
                HINT = 'Without them there is nothing to fit. Equal rows stay together, and so do those of a cluster.';
        ELSIF lonely IS NOT NULL THEN
            RAISE WARNING USING MESSAGE = format('some classes are in one fold alone, where they are predicted with probability 0: %s', lonely),
                HINT = 'Such a row has the greatest log loss that there is, 36.04.';
        END IF;
    END IF;
    RETURN fold;
END
$$;

COMMENT ON FUNCTION behavior_fold IS 'the expression of the part of a cross-validation that a row of a behavior model is in';

-- Fit a behavior model to all but one of several parts and measure it there, in turn.
CREATE FUNCTION cross_validate_behavior(m model, folds integer)
RETURNS TABLE (label text, metric text, cutoff integer, value double precision, low double precision, high double precision,
    mean double precision, standard_deviation double precision, fold_values double precision[])
LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1
AS $$
DECLARE
    part text;
    s socrec.behavior_scorer;
    f socrec.behavior_fit;
    classes text;
    measured jsonb[];
    one jsonb;
BEGIN
    IF folds NOT BETWEEN 2 AND 100 OR folds IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = format('folds must be between 2 and 100, not %s', folds);
    END IF;
    -- Which class is the reference makes no difference to probabilities.
    m.options := m.options || '{"reference_class": null}';
    part := socrec.behavior_fold(m, folds);
    FOR fold IN 0 .. folds - 1 LOOP
        f := socrec.train_behavior(m, format('%s <> %s', part, fold));
        s := socrec.fitted_scorer(m, f);
        classes := format('%L::pg_catalog.text[]', s.classes);
        EXECUTE format('SELECT to_jsonb(r) FROM (%s) r', socrec.metrics_query(m, socrec.behavior_outcomes(m, socrec.prediction_query(m,
            socrec.probability_expression(m, s, 's.*'), classes, format('NOT s.held_out AND %s = %s', part, fold)), classes), NULL)) INTO one;
        measured := measured || one;
    END LOOP;
    RETURN QUERY SELECT m.name, v.key, NULL::integer, avg(v.x), NULL::float8, NULL::float8, avg(v.x), stddev_samp(v.x), array_agg(v.x ORDER BY v.fold)
        FROM (SELECT e.key, (e.value #>> '{}')::float8 AS x, u.fold, e.place
            FROM unnest(measured) WITH ORDINALITY u(one, fold), ROWS FROM (jsonb_each(u.one)) WITH ORDINALITY e(key, value, place)) v
        GROUP BY v.key ORDER BY min(v.place);
END
$$;

COMMENT ON FUNCTION cross_validate_behavior IS 'cross_validate of a behavior model';
