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
DROP TABLE visitor CASCADE;
DROP FUNCTION differences;
