-- behavior_vectors: arrays and sparse vectors as features of behavior models
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET extra_float_digits = -6;
SET search_path = public, socrec;

-- The same numbers as columns and as vectors: factors[1] and [2] are a and b, interests
-- has d by 7, and e by an id beyond four bytes.
CREATE TABLE visitor AS
    SELECT i AS visitor_id, (i % 41) / 20.0::real - 1 AS a, (i % 29) / 14.0::float8 - 1 AS b,
        CASE i % 3 WHEN 0 THEN 'low' WHEN 1 THEN 'high' ELSE 'middle' END AS c, ((i * 7) % 11)::real AS d, ((i * 3) % 5)::real AS e, 1 + i % 4 AS weight,
        (hashint4(i) & 1048575) / 1048576.0::float8 < logistic(-0.5 + 0.8 * ((i % 41) / 20.0 - 1) - 1.2 * ((i % 29) / 14.0 - 1)
            + 0.05 * ((i * 7) % 11) - 0.2 * ((i * 3) % 5)) AS buys
    FROM generate_series(1, 3000) i;
CREATE VIEW vectors AS
    SELECT *, ARRAY[a, b] AS factors, ARRAY[d, e]::real[] AS reals, svec(ARRAY[7, 5000000000], ARRAY[d, e]) AS interests FROM visitor;

-- The coefficients of a model by the names that a model over plain columns gives them.
CREATE FUNCTION differences(options jsonb, features text[], family text DEFAULT 'logistic', target text DEFAULT 'buys', source text DEFAULT 'vectors')
RETURNS TABLE (terms bigint, same boolean, same_errors boolean, same_scores boolean, executed text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM socrec.create_behavior_model('plain', source, target, '{a,b,c,d,e}', family, options);
    PERFORM socrec.create_behavior_model('trial', source, target, features, family, options);
    RETURN QUERY EXECUTE 'SELECT count(*), bool_and(abs(p.estimate - t.estimate) < 1e-9), bool_and(abs(p.std_error - t.std_error) < 1e-9),
            (SELECT bool_and(abs(x - y) < 1e-9) FROM vectors s, unnest(ARRAY[plain.score(s.*)], ARRAY[trial.score(s.*)]) u(x, y) WHERE visitor_id <= 200), min(f.executed)
        FROM plain.coefficient p FULL JOIN trial.coefficient t ON (t.class IS NOT DISTINCT FROM p.class) AND p.term = CASE term_name(t.term, NULL, t.subscript)
                WHEN ''factors[1]'' THEN ''a'' WHEN ''factors[2]'' THEN ''b'' WHEN ''interests[7]'' THEN ''d'' WHEN ''interests[5000000000]'' THEN ''e''
                WHEN ''reals[1]'' THEN ''d'' WHEN ''reals[2]'' THEN ''e'' ELSE t.term END AND p.level IS NOT DISTINCT FROM t.level, trial.fit f';
    PERFORM socrec.drop_model('plain');
    PERFORM socrec.drop_model('trial');
END
$$;
SELECT o, f, d.* FROM (VALUES ('{}'::jsonb, '{factors,c,interests}'::text[]), ('{}', '{factors,c,reals}'), ('{"execution": "query"}', '{factors,c,interests}'),
    ('{"execution": "memory", "l2": 3, "weight": "weight"}', '{factors,c,interests}'), ('{"std_errors": "robust", "execution": "query"}', '{factors,c,interests}'),
    ('{"std_errors": "cluster", "cluster": "weight"}', '{factors,c,interests}'), ('{"l1": 20, "path": 3}', '{factors,c,interests}'),
    ('{"missing": "impute"}', '{factors,c,interests}'), ('{"offset": "weight", "intercept": false}', '{factors,c,interests}')) v(o, f),
    LATERAL differences(o, f) d;
SELECT d.* FROM differences('{"l2": 1}', '{factors,c,interests}', 'multinomial', 'k', 'SELECT *, visitor_id % 3 AS k FROM vectors') d;
SELECT d.* FROM (VALUES ('memory'), ('query')) v(x), LATERAL differences(jsonb_build_object('choice_set', 's', 'execution', x), '{factors,c,interests}', 'conditional', 'chosen',
    'SELECT *, visitor_id / 4 AS s, visitor_id % 4 = hashint4(visitor_id / 4) & 3 AS chosen FROM vectors') d;

-- Terms have the subscript beside level, and the name column[subscript] in reports.
SELECT name FROM create_behavior_model('trial', 'vectors', 'buys', '{c,factors,interests}', options => '{"l1": 20, "path": 2}');
SELECT id, term, level, subscript, estimate FROM trial.coefficient ORDER BY id;
SELECT step, term, level, subscript, estimate FROM trial.path WHERE step = 2;
SELECT e.* FROM vectors v, trial.explain(v) e WHERE visitor_id = 30;
SELECT p.visitor_id, abs(logistic(sum(e.contribution)) - trial.score(p.*)) < 1e-12 AS adds_up FROM vectors p, trial.explain(p) e WHERE visitor_id IN (1, 5) GROUP BY p.*, 1 ORDER BY 1;
-- An id that no fitted row had counts nothing, an absent one is 0; of an array element i is id i.
SELECT term, logistic(e.estimate) = trial.score(r.*) AS only_the_intercept
FROM (SELECT 'high' AS c, '{0,0}'::integer[] AS factors, '{8:3, -1:2, 5000000001:1}'::svec AS interests) r, LATERAL trial.explain(r) e;
SELECT trial.score(a) = trial.score(b) AS same
FROM (SELECT 'high' AS c, '{0.5,-0.25}'::numeric[] AS factors, '{}'::svec AS interests) a,
    (SELECT 'high' AS c, '{1:0.5, 2:-0.25, 9:4}'::svec AS factors, '{}'::svec AS interests) b;
SELECT trial.score(r) FROM (SELECT 'high' AS c, '{0.5,NULL}'::real[] AS factors, '{}'::svec AS interests) r;
SELECT trial.score(r) FROM (SELECT 'high' AS c, '{0.5,1}'::real[] AS factors, NULL::svec AS interests) r;
-- what does not fit
SELECT trial.score(r) FROM (SELECT 'high' AS c, '{1,2,3}'::real[] AS factors, '{}'::svec AS interests) r;
SELECT trial.score(r) FROM (SELECT 'high' AS c, '{}'::real[] AS factors, '{}'::svec AS interests) r;
SELECT trial.score(r) FROM (SELECT 'high' AS c, '{{1,2}}'::real[] AS factors, '{}'::svec AS interests) r;
SELECT trial.score(r) FROM (SELECT 'high' AS c, '{1,NaN}'::real[] AS factors, '{}'::svec AS interests) r;
SELECT trial.score(r) FROM (SELECT 'high' AS c, '{1,2}'::text[] AS factors, '{}'::svec AS interests) r;
SELECT trial.score(r) FROM (SELECT 'high' AS c, 1 AS factors, '{}'::svec AS interests) r;
SELECT trial.score(r) FROM (SELECT 'high' AS c, '{1,2}'::real[] AS factors, '{1,2}'::real[] AS interests) r;
SELECT trial.score(r) FROM (SELECT 'high' AS c, '{1,2}'::real[] AS factors) r;
SELECT drop_model('trial');

-- A missing element: its row is dropped and counted, or it is the mean of the others.
SELECT name FROM create_behavior_model('trial', 'SELECT *, CASE visitor_id WHEN 1 THEN NULL WHEN 2 THEN ARRAY[NULL, b] ELSE ARRAY[a, b] END AS f,
    CASE WHEN visitor_id <> 3 THEN interests END AS i FROM vectors', 'buys', '{f,i}');
SELECT row_count, dropped_rows FROM trial.fit;
SELECT rating_count, current_rating_count FROM models;
SELECT drop_model('trial');
SELECT name FROM create_behavior_model('trial', 'SELECT *, CASE visitor_id WHEN 1 THEN NULL WHEN 2 THEN ARRAY[NULL, b] ELSE ARRAY[a, b] END AS f,
    CASE WHEN visitor_id <> 3 THEN interests END AS i FROM vectors', 'buys', '{f,i}', options => '{"missing": "impute"}');
SELECT row_count, dropped_rows FROM trial.fit;
SELECT abs(imputed - m) < 1e-12 AS mean FROM trial.coefficient, LATERAL (SELECT CASE term_name(term, level, subscript)
    WHEN 'f[1]' THEN avg(a) FILTER (WHERE visitor_id > 2) WHEN 'f[2]' THEN avg(b) FILTER (WHERE visitor_id > 1) WHEN 'i[7]' THEN avg(d) FILTER (WHERE visitor_id <> 3)
    ELSE avg(e) FILTER (WHERE visitor_id <> 3) END AS m FROM visitor) v WHERE term <> '(intercept)' ORDER BY id;
SELECT subscript, value = imputed AS imputed FROM (SELECT '{1,NULL}'::real[] AS f, NULL::svec AS i) r, trial.explain(r) JOIN trial.coefficient USING (term, subscript) ORDER BY id;
SELECT drop_model('trial');
SELECT create_behavior_model('trial', 'SELECT buys, ARRAY[a, NULL] AS f FROM vectors', 'buys');

-- All-zero elements, and what is a combination of others, are left out by name; a vector that is everywhere empty has no terms.
SELECT name FROM create_behavior_model('trial', 'SELECT buys, ARRAY[a, 0, b, a + b, 1] AS f, svec(ARRAY[-3], ARRAY[1::real]) AS i, ''{}''::svec AS nothing FROM vectors', 'buys');
SELECT term, subscript, estimate, problem FROM trial.coefficient ORDER BY id;
SELECT drop_model('trial');
SELECT name FROM create_behavior_model('trial', 'SELECT buys, ARRAY[a, buys::integer] AS f FROM vectors', 'buys');
SELECT drop_model('trial');
SELECT create_behavior_model('trial', 'SELECT buys, ARRAY[a, a] AS f FROM vectors', 'buys', options => '{"collinear": "error"}');
SELECT create_behavior_model('trial', 'SELECT buys, ''{}''::svec AS nothing FROM vectors', 'buys');

-- A refit has the length and the ids that there are then.
CREATE TABLE history AS SELECT buys, ARRAY[a] AS f, svec(ARRAY[1], ARRAY[d]) AS i FROM visitor;
SELECT name FROM create_behavior_model('trial', 'history', 'buys', options => '{"keep_models": 1}');
UPDATE history h SET f = f || (random() * 0 + f[1] * f[1]), i = i + '{2:1}' WHERE f[1] > 0;
CALL refit('trial');
UPDATE history h SET f = ARRAY[f[1], f[1] * f[1]];
CALL refit('trial');
SELECT term, subscript FROM trial.coefficient ORDER BY id;
SELECT count(trial.score(h)) FROM history h;
CALL rollback('trial');
SELECT term, subscript FROM trial.coefficient ORDER BY id;
SELECT trial.score(h) FROM history h;
-- what is compared knows subscripts, too
SELECT name FROM create_behavior_model('small', 'SELECT buys, f[1:1] AS f FROM history', 'buys');
SELECT name FROM create_behavior_model('large', 'history', 'buys', '{f}');
SELECT degrees_of_freedom FROM likelihood_ratio_test('small', 'large');
SELECT likelihood_ratio_test('large', 'small');
SELECT drop_model('small'), drop_model('large');
-- part of the rows lacks an id, which then counts nothing
UPDATE history SET i = i + '{9:1}' WHERE ctid = (SELECT min(ctid) FROM history);
SELECT drop_model('trial');
SELECT name FROM create_behavior_model('trial', 'history', 'buys', options => '{"l2": 1}');
SELECT subscript, mean > 0 AS occurs FROM trial.coefficient WHERE term = 'i' ORDER BY id;
SELECT metric, cardinality(fold_values), value > 0 AS positive FROM cross_validate(model => 'trial', folds => 3) WHERE metric IN ('n', 'log_loss');
SELECT drop_model('trial');

-- Rows of which most columns are 0 are kept as such, and give what queries give.
CREATE VIEW shopper AS SELECT *, 2000 + a + b * b AS year, visitor_id % 3 AS k, CASE visitor_id % 50 WHEN 0 THEN -1 ELSE 0 END::real AS rare,
    svec(ARRAY[visitor_id % 20, 20 + visitor_id * 7 % 31, 51 + visitor_id / 11 % 17], ARRAY[1, d + 1, 0.5 - e]::real[]) AS basket FROM visitor WHERE visitor_id <= 1000;
CREATE FUNCTION execution_differences(options jsonb, features text[], family text, target text, source text DEFAULT 'shopper') RETURNS TABLE (terms bigint, same boolean, same_errors boolean, same_fit boolean)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM socrec.create_behavior_model('here', source, target, features, family, options || '{"execution": "memory"}');
    PERFORM socrec.create_behavior_model('there', source, target, features, family, options || '{"execution": "query"}');
    RETURN QUERY EXECUTE 'SELECT count(*), bool_and(coalesce(abs(h.estimate - t.estimate) < 1e-8, h.problem = t.problem) AND abs(h.mean - t.mean) < 1e-9), bool_and(abs(h.std_error - t.std_error) < 1e-8),
            bool_and(h.problem IS NOT DISTINCT FROM t.problem AND abs(f.log_likelihood - g.log_likelihood) < 1e-7) FROM here.coefficient h JOIN there.coefficient t USING (id), here.fit f, there.fit g';
    PERFORM socrec.drop_model('here');
    PERFORM socrec.drop_model('there');
END
$$;
SELECT f, t, o, d.* FROM (VALUES ('logistic', 'buys', '{"l2": 1}'::jsonb), ('logistic', 'buys', '{"l2": 0.5, "std_errors": "robust", "weight": "weight"}'),
    ('logistic', 'buys', '{"l2": 1, "std_errors": "cluster", "cluster": "k", "offset": "rare"}'), ('logistic', 'buys', '{"l1": 10, "intercept": false}'),
    ('logistic', 'buys', '{"l2": 2, "standardize": false, "class_weight": {"true": 3}}'), ('multinomial', 'k', '{"l2": 3, "std_errors": "robust"}'), ('multinomial', 'k', '{"l1": 20}'),
    ('multinomial', 'k', '{"l2": 2, "std_errors": "cluster", "cluster": "d", "weight": "weight"}')) v(f, t, o),
    LATERAL execution_differences(o, '{year,c,basket}', f, t) d;
-- rows without any number; and the first are sparse, others are not
SELECT t, d.* FROM (VALUES ('logistic', 'buys', '{"l2": 1}'::jsonb), ('logistic', 'buys', '{"l2": 1, "intercept": false}'), ('multinomial', 'k', '{"l2": 1}')) v(f, t, o),
    LATERAL execution_differences(o, '{basket}', f, t, 'SELECT visitor_id, buys, visitor_id % 3 AS k, CASE WHEN visitor_id % 9 = 0 THEN ''{}''
        WHEN visitor_id <= 1000 THEN svec(ARRAY[visitor_id % 70], ARRAY[d]) ELSE svec(ARRAY(SELECT generate_series(0, 69)), ARRAY(SELECT (visitor_id * j % 71 + 1)::real FROM generate_series(0, 69) j)) END AS basket
        FROM visitor WHERE visitor_id <= 1200') d;
-- rows without any number, and what is refused in a row after those that tell
CREATE FUNCTION fit_sparse(late text, execution text DEFAULT 'memory') RETURNS TABLE (n bigint, log_likelihood float8, estimates float8[], states smallint[]) LANGUAGE sql AS $$
    SELECT n, log_likelihood, estimates[1:2], states[1:2] FROM fit_regression('SELECT (i % 2)::float8, 1::float8, 0::float8, NULL::bigint, NULL::bigint,
        CASE WHEN i < 1100 THEN array_fill(0::float8, ARRAY[70]) ELSE ' || late || ' END FROM generate_series(1, 1100) i',
        70, 'logistic', 2, true, true, false, 0, 0, true, 0, 'model', 25, 1e-8, execution)
$$;
SELECT e, f.* FROM (VALUES ('memory'), ('query')) v(e), fit_sparse('array_fill(0::float8, ARRAY[70])', e) f;
SELECT fit_sparse('array_fill(0::float8, ARRAY[69]) || ''nan''::float8');
SELECT fit_sparse('array_fill(0::float8, ARRAY[69]) || ''-infinity''::float8');
SELECT fit_sparse('array_fill(0::float8, ARRAY[69]) || NULL::float8');
SELECT fit_sparse('array_fill(0::float8, ARRAY[71])');
SELECT fit_sparse('NULL');
-- without a penalty, what is a combination of others is the same
SET client_min_messages = error;
SELECT d.* FROM execution_differences('{}', '{a,basket}', 'logistic', 'buys') d;
SET client_min_messages = warning;

-- types: domains, other numbers, arrays that do not begin at 1, arrays and vectors as categories; dropped columns
CREATE DOMAIN embedding AS real[];
CREATE DOMAIN narrow AS embedding CHECK (cardinality(VALUE) < 5);
CREATE DOMAIN interest AS svec;
ALTER TABLE history ADD d embedding, ADD n narrow, ADD t interest, ADD j integer[], ADD k smallint[], ADD l numeric[], DROP COLUMN f, ADD b bigint[];
UPDATE history SET d = '[0:1]={1,2}', n = ARRAY[i <*> '{1:1}', 2], t = i, j = ARRAY[3, i <*> '{1:1}'], k = '{4}', l = ARRAY[0.5, (i <*> '{1:1}')::numeric ^ 2], b = '{9007199254740993}';
SELECT name FROM create_behavior_model('trial', 'history', 'buys', '{d,n,t,j,k,l,b}', options => '{"l2": 1}');
SELECT term, subscript, mean FROM trial.coefficient ORDER BY id;
SELECT count(trial.score(h)) FROM history h;
SELECT drop_model('trial');
SELECT name FROM create_behavior_model('trial', 'SELECT buys, ARRAY[visitor_id % 2] AS a, ARRAY[c, ''x''] AS c, svec(ARRAY[1], ARRAY[visitor_id % 3 + 1]::real[]) AS v FROM visitor', 'buys',
    options => '{"categorical": ["a", "c", "v"]}');
SELECT term, level, subscript FROM trial.coefficient ORDER BY id;
SELECT drop_model('trial');

-- names and ids that could be read as something else: a level [1] is no element 1
SELECT name FROM create_behavior_model('trial', 'SELECT buys AS x, ARRAY[a, b, 0] AS "f[1]", CASE WHEN d < 3 THEN ''[1]'' ELSE ''1'' END AS s,
    ARRAY[a * b, b * b] AS "it''s %1$s ""so""", svec(ARRAY[-9223372036854775808, 9223372036854775807], ARRAY[d, e]) AS "row" FROM visitor', 'x');
SELECT term_name(term, level, subscript) FROM trial.coefficient ORDER BY id;
SELECT n FROM trial.evaluation;
SELECT max(abs(score - total)) < 1e-12 AS adds_up FROM (
    SELECT trial.score(r.*) AS score, logistic((SELECT sum(contribution) FROM trial.explain(r.*))) AS total FROM trial.sample r LIMIT 100) t;
SELECT drop_model('trial');

-- what cannot be
SELECT create_behavior_model('trial', 'SELECT buys, CASE visitor_id WHEN 7 THEN ARRAY[a] ELSE ARRAY[a, b] END AS f FROM visitor', 'buys');
SELECT create_behavior_model('trial', 'SELECT buys, CASE visitor_id WHEN 7 THEN ARRAY[]::real[] ELSE ARRAY[a, b] END AS f FROM visitor', 'buys', options => '{"execution": "query"}');
SELECT create_behavior_model('trial', 'SELECT buys, ''{}''::real[] AS f FROM visitor', 'buys');
SELECT create_behavior_model('trial', 'SELECT buys, ARRAY[[a, b]] AS f FROM visitor', 'buys');
SELECT create_behavior_model('trial', 'SELECT buys, ARRAY[a, CASE visitor_id WHEN 7 THEN ''infinity''::float8 END, 1] AS f FROM visitor', 'buys', options => '{"missing": "impute"}');
SELECT create_behavior_model('trial', 'SELECT buys, ARRAY[a, ''nan''] AS f FROM visitor', 'buys');
SELECT create_behavior_model('trial', 'SELECT buys, ARRAY[c] AS f FROM visitor', 'buys');
SELECT create_behavior_model('trial', 'SELECT buys, ARRAY[buys] AS f FROM visitor', 'buys');
SELECT create_behavior_model('trial', 'SELECT buys, ARRAY[a::numeric::money] AS f FROM visitor', 'buys');
SELECT create_behavior_model('trial', 'vectors', 'buys', '{interests}', options => '{"reference": {"interests": "7"}}');
SELECT create_behavior_model('trial', 'SELECT buys, array_fill(1, ARRAY[10001]) AS f FROM visitor WHERE visitor_id < 100', 'buys');
SELECT create_behavior_model('trial', 'SELECT buys, svec(ARRAY[visitor_id * 5, visitor_id * 5 + 1, visitor_id * 5 + 2, visitor_id * 5 + 3], ''{1,1,1,1}'') AS i FROM visitor', 'buys');
SELECT create_behavior_model('trial', 'SELECT buys, array_fill(a, ARRAY[4001]) AS f FROM visitor WHERE visitor_id < 100', 'buys', options => '{"l1": 1}');
SET maintenance_work_mem = '1MB';
\set VERBOSITY terse
SELECT create_behavior_model('trial', 'SELECT buys, array_fill(a, ARRAY[60]) AS f FROM visitor', 'buys', options => '{"execution": "memory", "l2": 1}');
SELECT create_behavior_model('trial', 'SELECT buys, svec(ARRAY[visitor_id % 100], ''{1}'') AS i FROM visitor, generate_series(1, 8)', 'buys', options => '{"execution": "memory", "l2": 1}');
\set VERBOSITY default
SELECT name FROM create_behavior_model('trial', 'SELECT buys, svec(ARRAY[visitor_id % 100], ''{1}'') AS i FROM visitor, generate_series(1, 8)', 'buys', options => '{"l2": 1}');
SELECT executed, parameters FROM trial.fit;
SELECT drop_model('trial');
-- what is not 0 fits where all of it would not
SELECT name FROM create_behavior_model('trial', 'SELECT buys, svec(ARRAY[visitor_id % 100], ''{1}'') AS i FROM visitor', 'buys', options => '{"l2": 1}');
SELECT executed, parameters FROM trial.fit;
SELECT drop_model('trial');
-- rows that leave no room for the fit are not kept, be they sparse or not
SELECT name FROM create_behavior_model('trial', 'SELECT buys, svec(ARRAY[g, 150 + visitor_id % 7], ''{1,1}'') AS i FROM visitor, LATERAL (VALUES (visitor_id % 150), (visitor_id % 149), (visitor_id % 148)) v(g)',
    'buys', options => '{"l2": 1}');
SELECT executed, parameters FROM trial.fit;
SELECT drop_model('trial');
SELECT name FROM create_behavior_model('trial', 'SELECT buys, ARRAY(SELECT hashint4(visitor_id * 1000 + j) / 1e9 FROM generate_series(1, 150) j) AS f FROM visitor WHERE visitor_id <= 600', 'buys', options => '{"l2": 1}');
SELECT executed, parameters FROM trial.fit;
SELECT drop_model('trial');
RESET maintenance_work_mem;
SELECT row_features('{a,a}', '{NULL,x}', '{1,1}', '{}', r) FROM (SELECT 1 AS a) r;
SELECT row_features('{a,a}', '{NULL,x}', '{1}', '{}', r) FROM (SELECT 1 AS a) r;
SELECT row_features('{a,b,a,a,c}', '{NULL,x,NULL,NULL,NULL}', '{2,NULL,-1,5,NULL}', '{}', r) FROM (SELECT '{2:3, 5:7}'::svec AS a, 'x' AS b, 4 AS c) r;
SELECT feature_means(f) FROM (VALUES ('{1,NaN,NaN}'::float8[]), ('{2,6,NaN}'), (NULL)) v(f);
SELECT feature_means(f) FROM (VALUES ('{1}'::float8[]), ('{2,6}')) v(f);
SELECT feature_means('{}');

DROP TABLE visitor, history CASCADE;
DROP DOMAIN narrow, embedding, interest;
DROP FUNCTION differences, execution_differences;
