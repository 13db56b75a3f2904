-- behavior: regressions and the models made of them
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET extra_float_digits = -6;
SET search_path = public, socrec;

-- Rows that are the same everywhere, from a known model:
-- log-odds = -0.5 + 0.8 a - 1.2 b + 0.4 [c = high], by a hash instead of chance.
CREATE TABLE visitor AS
    SELECT i AS visitor_id, (i % 41) / 20.0::float8 - 1 AS a, (i % 29)::integer AS b_raw, (i % 29) / 14.0::float8 - 1 AS b,
        CASE i % 3 WHEN 0 THEN 'low' WHEN 1 THEN 'high' ELSE 'middle' END AS c, i % 7 = 0 AS d,
        1 + i % 4 AS weight, 'segment ' || i % 2 AS segment,
        (hashint4(i) & 1048575) / 1048576.0::float8 < logistic(-0.5 + 0.8 * ((i % 41) / 20.0 - 1) - 1.2 * ((i % 29) / 14.0 - 1)
            + CASE i % 3 WHEN 1 THEN 0.4 ELSE 0 END) AS buys
    FROM generate_series(1, 4000) i;
CREATE INDEX ON visitor (segment);

-- logistic_regression: one model for each group
SELECT segment, (m).* FROM (SELECT segment, logistic_regression(buys, ARRAY[a, b]) AS m FROM visitor GROUP BY segment) s ORDER BY segment;
SELECT (logistic_regression(buys, ARRAY[a, b], weight, 1.0)).* FROM visitor;
-- it is the maximum: no gradient is left
SELECT abs(sum(e)) < 1e-9 AS intercept, abs(sum(e * a)) < 1e-9 AS a, abs(sum(e * b)) < 1e-9 AS b
FROM (SELECT v.a, v.b, v.buys::integer - logistic_score((m).weights, ARRAY[a, b], (m).intercept) AS e
    FROM visitor v, (SELECT logistic_regression(buys, ARRAY[a, b]) AS m FROM visitor) f) r;
-- weights count as so many rows
SELECT abs((w.m).intercept - (r.m).intercept) < 1e-12 AS same
FROM (SELECT logistic_regression(buys, ARRAY[a, b], weight, 0) AS m FROM visitor) w,
    (SELECT logistic_regression(buys, ARRAY[a, b]) AS m FROM visitor, generate_series(1, weight)) r;
-- nothing to tell apart
SELECT logistic_regression(true, ARRAY[1.0]::float8[]) FROM generate_series(1, 3);
SELECT logistic_regression(true, ARRAY[1.0]::float8[]) WHERE false;
SELECT logistic_regression(y, x) FROM (VALUES (true, NULL::float8[]), (NULL, '{1}'), (false, '{NULL}')) v(y, x);
-- without columns: the log-odds of the share
SELECT (m).intercept, (m).weights, (m).log_likelihood = (m).null_log_likelihood AS null_model FROM (SELECT logistic_regression(n <= 2, '{}') AS m FROM generate_series(1, 6) n) s;
-- a column that others make up, one that is constant, and one that decides
SELECT (logistic_regression(buys, ARRAY[a, 2 * a + 1, 7, b])).weights FROM visitor;
SELECT (logistic_regression(a > 0, ARRAY[a, b])).std_errors FROM visitor;
SELECT logistic_regression(buys, ARRAY[a, 'NaN']) FROM visitor;
SELECT logistic_regression(buys, CASE visitor_id WHEN 1 THEN ARRAY[a] ELSE ARRAY[a, b] END) FROM visitor;
SELECT logistic_regression(buys, ARRAY[a], -1, 0) FROM visitor;
SELECT logistic_regression(buys, ARRAY[a], 1, 'infinity') FROM visitor;

-- A pass is one aggregate query: with parameters family, part, m, p, theta, means and scales.
SELECT regression_sums(regression_contribution('{0,1,1,2, 0,0, 0,0, 1,1}', buys::integer, ARRAY[1, a], 1, 0)) FROM visitor;
SELECT regression_contribution('{0,1,1,2, 0,0, 0,0, 1,1}', 1, ARRAY[1, 2], 3, 0.5);
SELECT regression_contribution('{0,1,1,2, 0,0, 0,0, 1,1}', NULL, ARRAY[1, 2], 3, 0.5);
SELECT regression_contribution('{0,1,1}', 1, ARRAY[1, 2], 3, 0.5);
SELECT regression_contribution('{0,1,1,2, 0,0, 0,0, 1}', 1, ARRAY[1, 2], 3, 0.5);
SELECT regression_contribution('{9,1,1,2, 0,0, 0,0, 1,1}', 1, ARRAY[1, 2], 3, 0.5);
SELECT regression_contribution('{0,1,1,2, 0,0, 0,0, 1,1}', 1, ARRAY[1], 3, 0.5);
SELECT regression_contribution('{0,1,1,2, 0,0, 0,0, 1,1}', 1, ARRAY[1, 'infinity'::float8], 3, 0.5);
SELECT regression_sums('{1,2,1,0,0, 1,2,3}'::float8[]);
SELECT regression_sums('{1,2,3}'::float8[]);
SELECT regression_sums(NULL);
SELECT chi_square_p_value(3.841458820694124, 1), chi_square_p_value(18.307038053275146, 10), chi_square_p_value(1, 10), chi_square_p_value(0, 2),
    chi_square_p_value(-1, 2);
SELECT chi_square_p_value(1, 0);

-- In memory and by queries, the same.
CREATE FUNCTION difference(query text, features integer, family text, classes integer, errors text, l1 float8 DEFAULT 0, l2 float8 DEFAULT 0)
RETURNS float8 LANGUAGE sql AS $$
    SELECT max(abs(coalesce(e.a - e.b, 0)) + abs(coalesce(e.c - e.d, 0)))
    FROM socrec.fit_regression(query, features, family, classes, true, true, true, l1, l2, true, 0, errors, 30, 1e-12, 'memory') m,
        socrec.fit_regression(query, features, family, classes, true, true, true, l1, l2, true, 0, errors, 30, 1e-12, 'query') q,
        unnest(m.estimates, q.estimates, m.std_errors, q.std_errors) e(a, b, c, d)
    WHERE m.converged AND q.converged AND q.executed = 'query' AND m.executed = 'memory' AND m.n = q.n
$$;
SELECT difference('SELECT buys::integer::float8, weight::float8, b / 10, NULL::bigint, (visitor_id / 10)::bigint, a, b, b * b FROM visitor', 3, 'logistic', 2, e) < 1e-8 AS same
FROM unnest('{model,robust,cluster}'::text[]) e;
SELECT difference('SELECT (visitor_id % 3)::float8, weight::float8, 0::float8, NULL::bigint, (visitor_id / 10)::bigint, ARRAY[a, b] FROM visitor', 2, 'multinomial', 3, e, l2 => 0.5) < 1e-8 AS same
FROM unnest('{model,robust,cluster}'::text[]) e;
SELECT difference('SELECT (hashint4(g) & 3 = j)::integer::float8, weight::float8, 0::float8, g::bigint, (g / 20)::bigint, a + j, b * j
    FROM visitor, LATERAL (SELECT visitor_id / 4) s(g), LATERAL (SELECT visitor_id & 3) t(j) WHERE g > 0 ORDER BY g', 2, 'conditional', 2, e) < 1e-8 AS same
FROM unnest('{model,robust,cluster}'::text[]) e;
SELECT difference('SELECT buys::integer::float8, 1::float8, 0::float8, NULL::bigint, NULL::bigint, a, b, a * b, a * a FROM visitor', 4, 'logistic', 2, 'model', l1 => 20, l2 => 3) < 1e-8 AS same;
-- far from zero, and on very different scales
SELECT difference('SELECT buys::integer::float8, 1::float8, 0::float8, NULL::bigint, NULL::bigint, 1e9 + a, b * 1e-6 FROM visitor', 2, 'logistic', 2, 'model') < 1e-3 AS same;

-- more coefficients than Newton's method is for
CREATE VIEW many AS SELECT i, (i % 26)::float8 AS y, (SELECT array_agg(((hashint4(i * 57 + j) & 1023) / 1024.0)::float8 ORDER BY j) FROM generate_series(1, 40) j) AS x
    FROM generate_series(1, 600) i;
SELECT max(abs(a - b)) < 1e-8 AS same, max(abs(e - f)) < 1e-8 AS same_errors, bool_and(m.converged AND m.gradient_norm < 1e-8 AND q.converged) AS converged, count(a), count(e)
FROM socrec.fit_regression('SELECT y, 1::float8, 0::float8, NULL::bigint, NULL::bigint, x FROM many', 40, 'multinomial', 26, true, false, false, 0, 5, true, 0, 'model', 50, 1e-12, 'memory') m,
    socrec.fit_regression('SELECT y, 1::float8, 0::float8, NULL::bigint, NULL::bigint, x FROM many', 40, 'multinomial', 26, true, false, false, 0, 5, true, 0, 'model', 50, 1e-12, 'query') q,
    unnest(m.estimates, q.estimates, m.std_errors, q.std_errors) u(a, b, e, f);
SELECT count(e) FROM socrec.fit_regression('SELECT y, 1::float8, 0::float8, NULL::bigint, NULL::bigint, x FROM many', 40, 'multinomial', 26, true, false, false, 0, 5, true, 0, 'auto', 5, 1e-12, 'memory') m,
    unnest(m.std_errors) e;
SELECT socrec.fit_regression('SELECT y, 1::float8, 0::float8, NULL::bigint, NULL::bigint, x FROM many', 160, 'multinomial', 26, true, false, false, 0, 5, true, 0, 'robust', 5, 1e-12, 'memory');
DROP VIEW many;
-- of shares of levels there are formulas; what follows from the levels is left out
CREATE TABLE shelf AS SELECT j AS level, j % 7 AS week, k <= 1 + j % 3 AS sold FROM generate_series(1, 1100) j, generate_series(1, 4) k;
SET maintenance_work_mem = '512MB';
SELECT name FROM create_behavior_model('trial', 'shelf', 'sold', '{level,week}', options => '{"categorical": ["level", "week"], "std_errors": "model"}');
RESET maintenance_work_mem;
SELECT count(*), count(*) FILTER (WHERE problem = 'collinear') AS collinear, max(abs(c.estimate - CASE WHEN term = '(intercept)' THEN b.odds ELSE s.odds - b.odds END)) < 1e-5 AS estimates,
    max(abs(c.std_error - sqrt(b.variance + CASE WHEN term = '(intercept)' THEN 0 ELSE s.variance END))) < 1e-5 AS errors
FROM trial.coefficient c LEFT JOIN (SELECT level::text, ln(avg(sold::integer) / (1 - avg(sold::integer)))::float8 AS odds, (1 / (4 * avg(sold::integer) * (1 - avg(sold::integer))))::float8 AS variance
        FROM shelf GROUP BY level) s USING (level),
    (SELECT ln(avg(sold::integer) / (1 - avg(sold::integer)))::float8 AS odds, (1 / (4 * avg(sold::integer) * (1 - avg(sold::integer))))::float8 AS variance FROM shelf WHERE level = 1) b;
SELECT drop_model('trial');
DROP TABLE shelf;

-- create_behavior_model
SELECT name, source, user_column, target_column, method, rating_count, version FROM create_behavior_model('buying', 'visitor', 'buys', '{a,b,c,d}');
SELECT id, term, level, estimate, std_error, z, p_value, odds_ratio, low, high, problem, round(mean::numeric, 6) AS mean, standard_deviation FROM buying.coefficient ORDER BY id;
SELECT family, classes, n, row_count, dropped_rows, parameters, log_likelihood, null_log_likelihood, pseudo_r2, aic, bic, converged, executed FROM buying.fit;
SELECT * FROM buying.evaluation;
SELECT held_out, bin, n, mean_probability, share FROM buying.calibration ORDER BY bin;
SELECT decile, n, positives, rate, lift, gain FROM buying.lift ORDER BY decile;
SELECT threshold, selected, true_positive_rate, false_positive_rate, "precision", accuracy FROM buying.roc WHERE selected BETWEEN 1500 AND 2500 ORDER BY threshold;
-- all selected, and none
SELECT bool_and(CASE WHEN threshold = 0 THEN true_positive_rate = 1 AND false_positive_rate = 1 AND selected = 4000 ELSE true_positive_rate <= 1 END) FROM buying.roc;
-- the area under roc is that of evaluation, within what a hundredth of a threshold can hide
SELECT abs(sum((x - lag_x) * (y + lag_y) / 2) - min(auc)) < 0.001 AS same
FROM (SELECT false_positive_rate AS x, true_positive_rate AS y, lag(false_positive_rate) OVER w AS lag_x, lag(true_positive_rate) OVER w AS lag_y
    FROM buying.roc WINDOW w AS (ORDER BY threshold DESC)) r, buying.evaluation;

-- score takes any row with the columns; what explain says adds up to it
SELECT visitor_id, buying.score(v) AS probability FROM visitor v WHERE visitor_id <= 3 ORDER BY 1;
SELECT buying.score(r) FROM (SELECT 0.5::real AS b, 'high'::varchar AS c, true AS d, 1::numeric AS a, 'more' AS e) r;
SELECT max(abs(logistic(e.total) - buying.score(v))) < 1e-12 AS same
FROM visitor v, LATERAL (SELECT sum(contribution) AS total FROM buying.explain(v)) e WHERE visitor_id <= 100;
SELECT * FROM visitor v, buying.explain(v) WHERE visitor_id = 7;
-- a level never seen counts as the reference, a missing value has no score
SELECT buying.score(r) = buying.score(s) AS same FROM (SELECT 0 AS a, 0 AS b, 'huge' AS c, false AS d) r, (SELECT 0 AS a, 0 AS b, 'high' AS c, false AS d) s;
SELECT buying.score(r) FROM (SELECT 0 AS a, NULL::integer AS b, 'high' AS c, false AS d) r;
SELECT buying.score(NULL::visitor);
SELECT buying.score(r) FROM (SELECT 0 AS a, 0 AS b, 'high' AS c) r;
SELECT buying.score(r) FROM (SELECT 'x' AS a, 0 AS b, 'high' AS c, true AS d) r;
SELECT buying.score(r) FROM (SELECT 'nan'::float8 AS a, 0 AS b, 'high' AS c, true AS d) r;
-- rows of two types in one statement
SELECT count(*), count(buying.score(r)) FROM (SELECT 1 AS a, 2 AS b, 'low' AS c, true AS d UNION ALL SELECT 2, 3, 'high', false) r;

-- refit, refresh, rollback, drop_model and models know both kinds
SELECT name, target_column, rating_count, current_rating_count, staleness FROM models;
INSERT INTO visitor SELECT visitor_id + 4000, a, b_raw, b, c, d, weight, segment, NOT buys FROM visitor WHERE visitor_id <= 400;
SELECT current_rating_count, staleness FROM models;
CALL refresh('buying');
SELECT version, n, log_loss, accuracy, kept FROM buying.version ORDER BY 1;
CALL refit('buying');
SELECT version, n, log_loss, accuracy, kept, replaced_at IS NULL AS present FROM buying.version ORDER BY 1;
CALL rollback('buying');
SELECT name, model_version(name) FROM models;
CREATE VIEW list AS SELECT visitor_id, buying.score(v) FROM visitor v;
SELECT drop_model('buying');
DROP VIEW list;
SELECT drop_model('buying');
SELECT count(*) FROM models;
SELECT to_regnamespace('buying');
-- with versions kept, the functions come back as well
SELECT name FROM create_behavior_model('buying', 'visitor', 'buys', '{a,c}', options => '{"keep_models": 1, "missing": "impute", "offset": "b"}');
CREATE TEMP TABLE former AS SELECT visitor_id, buying.score(v) AS score FROM visitor v;
DELETE FROM visitor WHERE visitor_id > 4000;
CALL refit('buying');
SELECT count(*) FILTER (WHERE f.score = buying.score(v)) AS same FROM former f JOIN visitor v USING (visitor_id);
CALL rollback('buying');
SELECT count(*) FILTER (WHERE f.score <> buying.score(v)) AS different FROM former f JOIN visitor v USING (visitor_id);
SELECT buying.score(r) FROM (SELECT NULL::integer AS a, NULL AS c, 0 AS b) r;
-- a recommender's functions refuse it, and the other way round
CALL materialize('buying');
SELECT track_drift('buying');
SELECT compare(models => '{buying}');
SELECT likelihood_ratio_test('buying', 'nothing');
SELECT drop_model('buying');

-- the same model, the target written differently, by queries, and with a penalty that is none
CREATE FUNCTION estimates(source text, target text, features text[], options jsonb, family text DEFAULT 'logistic') RETURNS float8[]
LANGUAGE plpgsql AS $$
DECLARE
    result float8[];
BEGIN
    PERFORM socrec.create_behavior_model('trial', source, target, features, family, options);
    SELECT array_agg(estimate ORDER BY id) INTO result FROM trial.coefficient;
    PERFORM socrec.drop_model('trial');
    RETURN result;
END
$$;
WITH r AS (SELECT estimates('visitor', 'buys', '{a,b,c}', '{}') AS e)
SELECT o, (SELECT max(abs(x - y)) < 1e-8 FROM unnest(r.e, t.e) u(x, y)) AS same
FROM r, (VALUES ('visitor', '{}'::jsonb), ('SELECT a, b, c, buys::integer FROM visitor', '{}'), ('SELECT a, b, c, buys::text FROM visitor', '{"positive": "true"}'),
        ('visitor', '{"execution": "query"}'), ('visitor', '{"execution": "memory"}'), ('visitor', '{"l1": 1e-12}'), ('visitor', '{"missing": "impute"}'),
        ('SELECT a, b, c, buys, 2.5 AS w FROM visitor', '{"weight": "w"}'), ('SELECT a, b, c, buys FROM visitor UNION ALL SELECT NULL, b, c, buys FROM visitor', '{}'),
        ('visitor', '{"class_weight": {"true": 3, "false": 3}}')) s(source, o),
    LATERAL (SELECT estimates(source, 'buys', '{a,b,c}', o) AS e) t;
-- the reference can be chosen; a number can be a category
SELECT name FROM create_behavior_model('trial', 'visitor', 'buys', '{c,weight}', options => '{"reference": {"c": "low"}, "categorical": ["weight"]}');
SELECT term, level FROM trial.coefficient ORDER BY id;
SELECT drop_model('trial');
-- balanced classes: the mean probability is a half
SELECT name FROM create_behavior_model('trial', 'visitor', 'buys', '{a,b}', options => '{"balanced": true}');
SELECT round(avg((p.probability) * (4000 / 2.0 / CASE WHEN actual THEN c.yes ELSE 4000 - c.yes END))::numeric, 6) AS half
FROM trial.prediction p, (SELECT count(*) AS yes FROM visitor WHERE buys) c;
SELECT drop_model('trial');
-- all columns but those with a role; holdout by a hash; rows without a value are counted
SELECT name FROM create_behavior_model('trial', 'SELECT a, nullif(b_raw, 3) AS b, buys, weight FROM visitor', 'buys', options => '{"weight": "weight", "holdout": 0.25, "std_errors": "robust"}');
SELECT term FROM trial.coefficient ORDER BY id;
SELECT n, row_count, dropped_rows FROM trial.fit;
SELECT held_out, n FROM trial.evaluation ORDER BY 1;
SELECT metric, fold_values IS NOT NULL AS folds, value BETWEEN 0.6 AND 0.75 AS plausible FROM cross_validate(model => 'trial', folds => 3) WHERE metric IN ('auc', 'log_loss');
SELECT drop_model('trial');
-- clusters; an l1 penalty with its path
SELECT name FROM create_behavior_model('trial', 'SELECT *, visitor_id / 10 AS g FROM visitor', 'buys', '{a,b}', options => '{"std_errors": "cluster", "cluster": "g"}');
SELECT term, estimate, std_error FROM trial.coefficient ORDER BY id;
SELECT drop_model('trial');
SELECT name FROM create_behavior_model('trial', 'SELECT *, a * b AS ab, a * a AS aa, b * b AS bb FROM visitor', 'buys', '{a,b,ab,aa,bb}', options => '{"l1": 30, "path": 5}');
SELECT term, estimate, std_error FROM trial.coefficient ORDER BY id;
SELECT step, l1, log_likelihood, nonzero, string_agg(term, ' ' ORDER BY term) FILTER (WHERE estimate <> 0) AS terms FROM trial.path GROUP BY 1, 2, 3, 4 ORDER BY 1;
SELECT bool_and(p.estimate = c.estimate) AS same FROM trial.path p JOIN trial.coefficient c USING (term) WHERE p.step = 5;
SELECT drop_model('trial');

-- likelihood-ratio test
SELECT name FROM create_behavior_model('small', 'visitor', 'buys', '{a,b}');
SELECT name FROM create_behavior_model('large', 'visitor', 'buys', '{a,b,c}');
SELECT * FROM likelihood_ratio_test('small', 'large');
SELECT likelihood_ratio_test('large', 'small');
SELECT likelihood_ratio_test('small', 'small');
SELECT drop_model(m) FROM unnest('{small,large}'::text[]) m;

-- collinear and separating features are named
SET client_min_messages = warning;
SELECT name FROM create_behavior_model('trial', 'SELECT *, 2 * a - b AS mix, visitor_id <= 3 AS early, buys OR visitor_id > 3 AS hint FROM visitor', 'buys', '{a,b,mix,hint}');
SELECT term, level, estimate IS NULL AS no_estimate, std_error IS NULL AS no_error, problem FROM trial.coefficient ORDER BY id;
SELECT round(trial.score(v)::numeric, 3) AS score FROM (SELECT *, 0 AS mix, true AS hint FROM visitor) v WHERE visitor_id = 5;
SELECT drop_model('trial');
SELECT create_behavior_model('trial', 'SELECT *, 2 * a - b AS mix FROM visitor', 'buys', '{a,b,mix}', options => '{"collinear": "error"}');
SELECT create_behavior_model('trial', 'SELECT *, buys AS same FROM visitor', 'buys', '{a,same}', options => '{"separation": "error"}');
SELECT name FROM create_behavior_model('trial', 'visitor', 'buys', '{a,b}', options => '{"max_iterations": 1}');
SELECT drop_model('trial');

-- several classes
SELECT name FROM create_behavior_model('choice', 'SELECT *, CASE WHEN buys THEN ''buys'' WHEN d THEN ''looks'' ELSE ''leaves'' END AS what FROM visitor', 'what', '{a,b}', 'multinomial',
    '{"reference_class": "leaves"}');
SELECT id, class, term, estimate, std_error FROM choice.coefficient ORDER BY id;
SELECT classes, n, parameters, log_likelihood, null_log_likelihood FROM choice.fit;
SELECT * FROM choice.evaluation;
SELECT actual, predicted, n FROM choice.confusion ORDER BY 1, 2;
SELECT ARRAY(SELECT round(p::numeric, 6) FROM unnest(choice.score(v)) WITH ORDINALITY u(p, n) ORDER BY n) AS score, choice.predict_class(v)
FROM visitor v WHERE visitor_id <= 2 ORDER BY visitor_id;
SELECT * FROM (SELECT * FROM visitor WHERE visitor_id = 1) v, choice.explain(v);
SELECT choice.score(r), choice.predict_class(r) FROM (SELECT 1 AS a, NULL::integer AS b) r;
SELECT drop_model('choice');
-- with l1 every class has its vector, and every way to them knows of it
CREATE TABLE shopper AS SELECT visitor_id, a, b, a * b AS ab, c, CASE WHEN buys THEN 'buys' WHEN d THEN 'looks' ELSE 'leaves' END AS what FROM visitor;
SELECT name FROM create_behavior_model('choice', 'shopper', 'what', '{a,b,ab,c}', 'multinomial', '{"l1": 40, "path": 4, "keep_models": 1}');
SELECT id, class, term, level, estimate, std_error FROM choice.coefficient ORDER BY id;
SELECT classes, parameters FROM choice.fit;
SELECT step, nonzero, string_agg(class || ' ' || term || coalesce('=' || level, ''), ', ' ORDER BY class, term, level) FILTER (WHERE estimate <> 0 AND term <> '(intercept)') AS terms
FROM choice.path GROUP BY 1, 2 ORDER BY 1;
SELECT bool_and(p.estimate = c.estimate) AS same, count(*) FROM choice.path p JOIN choice.coefficient c ON p.class = c.class AND p.term = c.term AND p.level IS NOT DISTINCT FROM c.level
WHERE p.step = 4;
SELECT count(*) AS classes, max(abs(ln(p.probability / q.probability) - (e.total - lag))) < 1e-9 AS same
FROM (SELECT * FROM shopper WHERE visitor_id = 2) v,
    LATERAL (SELECT x.class, sum(x.contribution) AS total, lag(sum(x.contribution)) OVER (ORDER BY x.class) AS lag FROM choice.explain(v) x GROUP BY 1) e,
    LATERAL (SELECT u.n, u.probability FROM unnest(choice.score(v)) WITH ORDINALITY u(probability, n)) p, choice.fit f,
    LATERAL (SELECT u.n, u.probability FROM unnest(choice.score(v)) WITH ORDINALITY u(probability, n)) q
WHERE f.classes[p.n] = e.class AND (e.lag IS NULL AND q.n = p.n OR q.n = p.n - 1);
CREATE TEMP TABLE earlier AS SELECT visitor_id, choice.score(v) AS score, choice.predict_class(v) AS class FROM shopper v;
UPDATE shopper SET what = 'looks' WHERE visitor_id < 400;
CALL refit('choice');
CALL rollback('choice');
SELECT count(*) FILTER (WHERE e.score <> choice.score(v) OR e.class <> choice.predict_class(v)) AS different FROM earlier e JOIN shopper v USING (visitor_id);
SELECT drop_model('choice');
DROP TABLE earlier, shopper;
-- which class is the reference does not matter to a penalized fit
CREATE FUNCTION probabilities(options jsonb) RETURNS float8[] LANGUAGE plpgsql AS $$
DECLARE
    result float8[];
BEGIN
    PERFORM socrec.create_behavior_model('trial', 'SELECT visitor_id, visitor_id % 3 AS k, a, b FROM visitor', 'k', '{a,b}', 'multinomial', options);
    SELECT array_agg((trial.score(v))[array_position(f.classes, '1')] ORDER BY visitor_id) INTO result FROM visitor v, trial.fit f;
    PERFORM socrec.drop_model('trial');
    RETURN result;
END
$$;
SELECT max(abs(x - y)) < 1e-8 AS same FROM unnest(probabilities('{"l2": 5}'), probabilities('{"l2": 5, "reference_class": "2"}')) u(x, y);
SELECT max(abs(x - y)) < 1e-8 AS same FROM unnest(probabilities('{"l1": 5}'), probabilities('{"l1": 5, "reference_class": "2"}')) u(x, y);
SELECT max(abs(x - y)) < 1e-8 AS same FROM unnest(probabilities('{"l1": 5, "l2": 2}'), probabilities('{"l1": 5, "l2": 2, "execution": "query", "reference_class": "2"}')) u(x, y);

-- conditional logit: one of the alternatives of a set
CREATE VIEW alternative AS
    SELECT s AS set_id, j, (s * 7 + j * 13) % 10 AS price, j = 2 AS second, j = 1 + (hashint4(s) & 1023) * 4 / 1024 AS chosen
    FROM generate_series(1, 500) s, generate_series(1, 4) j;
SELECT name FROM create_behavior_model('choice', 'alternative', 'chosen', '{price,second}', 'conditional', '{"choice_set": "set_id"}');
SELECT term, level, estimate, std_error FROM choice.coefficient ORDER BY id;
SELECT n, row_count, log_likelihood, null_log_likelihood FROM choice.fit;
SELECT n, log_loss, brier, sse, auc, average_precision, calibration_error < 1e-9 AS calibrated, accuracy, pseudo_r2 FROM choice.evaluation;
-- probabilities of a set add up to 1, and choice_probability says the same
SELECT bool_and(abs(total - 1) < 1e-12) AS one FROM (SELECT sum(probability) AS total FROM choice.prediction GROUP BY set_id) s;
SELECT max(abs(p - q)) < 1e-12 AS same FROM (
    SELECT softmax(choice.score(a)) OVER (PARTITION BY set_id) AS p, choice_probability(w, ARRAY[price, second::integer]) OVER (PARTITION BY set_id) AS q
    FROM alternative a, (SELECT array_agg(estimate ORDER BY id) AS w FROM choice.coefficient) c) s;
SELECT metric, round(value::numeric, 6) AS value FROM cross_validate(model => 'choice', folds => 2) WHERE metric IN ('n', 'log_loss');
SELECT drop_model('choice');
-- what is the same for all alternatives of a set says nothing
SELECT name FROM create_behavior_model('trial', 'SELECT *, set_id / 7.0 AS of_set FROM alternative', 'chosen', '{of_set,price}', 'conditional', '{"choice_set": "set_id"}');
SELECT term, estimate, problem FROM trial.coefficient ORDER BY id;
SELECT drop_model('trial');
-- clusters of choice sets: standard errors, and a holdout of whole clusters
SELECT name FROM create_behavior_model('trial', 'SELECT *, set_id / 10 AS person FROM alternative', 'chosen', '{price,second}', 'conditional',
    '{"choice_set": "set_id", "std_errors": "cluster", "cluster": "person", "holdout": 0.3}');
SELECT term, estimate, std_error FROM trial.coefficient ORDER BY id;
SELECT held_out, n FROM trial.evaluation ORDER BY 1;
SELECT max(n) AS sides FROM (SELECT count(DISTINCT held_out) AS n FROM trial.sample GROUP BY person) s;
SELECT drop_model('trial');
SELECT create_behavior_model('trial', 'SELECT *, j / 3 AS person FROM alternative', 'chosen', '{price,second}', 'conditional',
    '{"choice_set": "set_id", "std_errors": "cluster", "cluster": "person"}');
SELECT create_behavior_model('trial', 'SELECT *, 1 AS person FROM alternative', 'chosen', '{price,second}', 'conditional',
    '{"choice_set": "set_id", "std_errors": "cluster", "cluster": "person"}');
-- sets in which nothing was chosen say nothing
SELECT max(abs(x - y)) < 1e-8 AS same FROM unnest(
    estimates('alternative', 'chosen', '{price,second}', '{"choice_set": "set_id"}', 'conditional'),
    estimates('SELECT * FROM alternative UNION ALL SELECT -set_id, j, price, second, false FROM alternative', 'chosen', '{price,second}', '{"choice_set": "set_id"}', 'conditional')) u(x, y);
SELECT create_behavior_model('trial', 'SELECT 1 AS s, i AS x, true AS chosen FROM generate_series(1, 3) i UNION ALL SELECT 2, 1, false', 'chosen', '{x}', 'conditional', '{"choice_set": "s"}');

-- what cannot be
SELECT create_behavior_model(NULL, 'visitor', 'buys');
SELECT create_behavior_model('', 'visitor', 'buys');
SELECT create_behavior_model('trial', 'visitor', 'nothing');
SELECT create_behavior_model('trial', 'visitor', 'buys', '{nothing}');
SELECT create_behavior_model('trial', 'visitor', 'buys', '{}');
SELECT create_behavior_model('trial', 'visitor', 'buys', '{buys}');
SELECT create_behavior_model('trial', 'nowhere', 'buys');
SELECT create_behavior_model('trial', 'visitor', 'buys', '{a}', 'poisson');
SELECT create_behavior_model('trial', 'visitor', 'buys', '{a}', 'conditional');
SELECT create_behavior_model('trial', 'visitor', 'buys', '{a}', options => '{"lambda": 1}');
SELECT create_behavior_model('trial', 'visitor', 'buys', '{a}', options => '{"l2": -1}');
SELECT create_behavior_model('trial', 'visitor', 'buys', '{a}', options => '{"holdout": 1}');
SELECT create_behavior_model('trial', 'visitor', 'buys', '{a}', options => '{"missing": "guess"}');
SELECT create_behavior_model('trial', 'visitor', 'buys', '{a}', options => '{"std_errors": "cluster"}');
SELECT create_behavior_model('trial', 'visitor', 'buys', '{a}', options => '{"path": 3}');
SELECT create_behavior_model('trial', 'visitor', 'buys', '{c}', options => '{"reference": {"c": "huge"}}');
SELECT create_behavior_model('trial', 'visitor', 'buys', '{c}', options => '{"reference": {"d": "huge"}}');
SELECT create_behavior_model('trial', 'visitor', 'c', '{a}');
SELECT create_behavior_model('trial', 'visitor', 'weight', '{a}');
SELECT create_behavior_model('trial', 'visitor', 'c', '{a}', options => '{"positive": "huge"}');
SELECT create_behavior_model('trial', 'SELECT visitor_id % 800 AS k, a, b, weight, segment, d FROM visitor', 'k', '{a,b,weight,segment,d}', 'multinomial', '{"l1": 1}');
SELECT create_behavior_model('trial', 'visitor', 'c', '{a}', 'multinomial', '{"reference_class": "huge"}');
SELECT create_behavior_model('trial', 'SELECT * FROM visitor WHERE false', 'buys', '{a}');
SELECT create_behavior_model('trial', 'SELECT * FROM visitor WHERE visitor_id = 1', 'buys', '{a}');
SELECT create_behavior_model('trial', 'SELECT now() AS at, buys FROM visitor', 'buys', '{at}');
SELECT create_behavior_model('trial', 'SELECT ''nan''::float8 AS x, buys FROM visitor', 'buys', '{x}');
SELECT name FROM create_behavior_model('trial', 'SELECT 1 AS x, buys FROM visitor', 'buys', '{x}');
SELECT drop_model('trial');
SELECT create_behavior_model('trial', 'SELECT a, buys, true AS held_out FROM visitor', 'buys');
SET maintenance_work_mem = '1MB';
SELECT create_behavior_model('trial', 'SELECT v.* FROM visitor v, generate_series(1, 10)', 'buys', '{a,b}', options => '{"execution": "memory"}');
SELECT name FROM create_behavior_model('trial', 'SELECT v.* FROM visitor v, generate_series(1, 10)', 'buys', '{a,b}');
RESET maintenance_work_mem;
SELECT executed, n FROM trial.fit;
SELECT drop_model('trial');
SELECT create_behavior_model('trial', 'visitor', 'buys', '{a,b}') IS NULL AS none;
-- A planner that does not know grouping sets, as those of distributed tables.
CREATE FUNCTION refuse_grouping_sets() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    statements text;
BEGIN
    GET DIAGNOSTICS statements = PG_CONTEXT;
    IF statements LIKE '%GROUPING SETS%' THEN
        RAISE feature_not_supported;
    END IF;
    RETURN true;
END $$;
SELECT name FROM create_behavior_model('here', 'visitor', 'buys', '{a,b_raw,c,d}', options => '{"categorical": ["b_raw"], "holdout": 0.2}');
SELECT name FROM create_behavior_model('there', 'SELECT * FROM visitor WHERE refuse_grouping_sets()', 'buys', '{a,b_raw,c,d}', options => '{"categorical": ["b_raw"], "holdout": 0.2}');
SELECT count(*), bool_and((h.term, h.level, h.estimate) IS NOT DISTINCT FROM (t.term, t.level, t.estimate)) AS same FROM here.coefficient h FULL JOIN there.coefficient t USING (id);
SELECT drop_model('there');
DO $$ BEGIN PERFORM d FROM visitor WHERE refuse_grouping_sets() GROUP BY GROUPING SETS ((d)); END $$;
-- Shards add up their rows by themselves.
SELECT merge_sums(s), merge_sums(s) FILTER (WHERE false) AS none FROM (VALUES ('{1,2}'::float8[]), (NULL), ('{10,20}')) v(s);
SELECT merge_sums(s) FROM (VALUES ('{1,2}'::float8[]), ('{10}')) v(s);
SELECT name FROM create_behavior_model('there', 'SELECT *, nullif(visitor_id % 5, 0) AS shard FROM visitor', 'buys', '{a,b_raw,c,d}',
    options => '{"categorical": ["b_raw"], "holdout": 0.2, "shard": "shard", "execution": "query", "std_errors": "robust"}');
SELECT count(*), max(abs(h.estimate - t.estimate)) < 1e-8 AS same FROM here.coefficient h FULL JOIN there.coefficient t USING (id);
SELECT a.executed, a.n = b.n AS same FROM there.fit a, here.fit b;
SELECT drop_model('here'), drop_model('there');
SELECT create_behavior_model('trial', 'visitor', 'd', '{a}', 'conditional', '{"choice_set": "segment", "shard": "c"}');
-- names and values that could be read as SQL
CREATE TABLE "a'b""c%s" AS SELECT buys AS "it's %1$s ""so""", c || '''%L $$ ''\' AS "c\d%I", a AS "weight" FROM visitor;
SELECT name, target_column FROM create_behavior_model('x''y"z %s $1', '"a''b""c%s"', 'it''s %1$s "so"');
SELECT term, level, estimate FROM "x'y""z %s $1".coefficient ORDER BY id;
SELECT "x'y""z %s $1".score(s) FROM "x'y""z %s $1".sample s LIMIT 1;
SELECT term, level FROM (SELECT * FROM "x'y""z %s $1".sample LIMIT 1) s, "x'y""z %s $1".explain(s);
SELECT n FROM "x'y""z %s $1".evaluation;
CALL refit('x''y"z %s $1');
SELECT drop_model('x''y"z %s $1');
-- a reader needs the schema and the source alone; only the owner may change the model
CREATE ROLE behavior_reader;
GRANT USAGE ON SCHEMA trial TO behavior_reader;
SET ROLE behavior_reader;
SELECT trial.score(r) IS NOT NULL AS scored FROM (SELECT 1 AS a, 2 AS b) r;
SELECT count(*) FROM trial.coefficient;
SELECT count(*) FROM trial.evaluation;
CALL refit('trial');
SELECT drop_model('trial');
RESET ROLE;
SELECT drop_model('trial', "cascade" => true);
REVOKE ALL ON SCHEMA public FROM behavior_reader;
DROP ROLE behavior_reader;
DROP TABLE visitor, "a'b""c%s" CASCADE;
DROP FUNCTION refuse_grouping_sets();
DROP VIEW alternative;
