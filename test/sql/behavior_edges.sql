-- behavior_edges: what data and options at the edge of the usual make of behavior
-- models; what is usual is tested in behavior
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET extra_float_digits = -6;
SET search_path = public, socrec;

CREATE TABLE edge AS
    SELECT i, (hashint4(i) & 1023) / 512.0::float8 - 1 AS x, (i % 11)::float8 AS k, i % 5 < 2 AS y, i % 2 = 0 AS half, chr(98 + i % 3) AS f, i % 7 AS g
    FROM generate_series(1, 420) i;

-- An estimate that is 0 is a parameter, but not with l1.
SELECT name FROM create_behavior_model('m', 'SELECT i % 4 < 2 AS x, half FROM edge', 'half');
SELECT term, estimate FROM m.coefficient ORDER BY id;
SELECT parameters, aic = 4 - 2 * log_likelihood AS aic FROM m.fit;
SELECT drop_model('m');
SELECT name FROM create_behavior_model('m', 'SELECT x, k, y FROM edge', 'y', options => '{"l1": 1000}');
SELECT parameters FROM m.fit;
SELECT drop_model('m');

-- A level of rows that are not fitted is none, and no reference.
SELECT name FROM create_behavior_model('m', 'SELECT f, y FROM edge UNION ALL SELECT ''a'', NULL', 'y');
SELECT term, level, problem FROM m.coefficient ORDER BY id;
SELECT drop_model('m');

-- A level is a text, also where its type calls several texts equal: here 1 and 1.0.
SELECT name FROM create_behavior_model('m', 'SELECT CASE i % 3 WHEN 0 THEN 1 WHEN 1 THEN 1.0 ELSE -2 END AS n, y FROM edge', 'y', options => '{"categorical": ["n"]}');
SELECT term, level FROM m.coefficient ORDER BY id;
SELECT drop_model('m');

-- A category of one level is left out as a number that is constant is.
SELECT name FROM create_behavior_model('m', 'SELECT x, ''all'' AS same, 7 AS seven, y FROM edge', 'y');
SELECT term, problem FROM m.coefficient ORDER BY id;
SELECT drop_model('m');
SELECT create_behavior_model('m', 'SELECT x, ''all'' AS same, y FROM edge', 'y', options => '{"collinear": "error"}');

-- A column may have the name of the intercept.
SELECT name FROM create_behavior_model('m', 'SELECT x AS "(intercept)", k, y FROM edge', 'y', options => '{"intercept": false}');
SELECT bool_and(abs(m.score(r) - logistic(a.estimate * "(intercept)" + b.estimate * k)) < 1e-15) AS same
FROM (SELECT x AS "(intercept)", k FROM edge) r, m.coefficient a, m.coefficient b WHERE a.id = 1 AND b.id = 2;
SELECT drop_model('m');

-- Options that would not do what they say.
SELECT create_behavior_model('m', 'edge', 'f', '{x}', 'multinomial', '{"offset": "k"}');
SELECT create_behavior_model('m', 'edge', 'y', '{x}', 'conditional', '{"choice_set": "g", "balanced": true}');
SELECT create_behavior_model('m', 'edge', 'y', '{x}', options => '{"class_weight": {"yes": 2}}');
SELECT create_behavior_model('m', 'edge', 'y', '{x}', options => '{"class_weight": {"true": 0}}');
SELECT create_behavior_model('m', 'edge', 'y', '{x}', options => '{"class_weight": {"true": "2"}}');
SELECT create_behavior_model('m', 'edge', 'y', '{x}', options => '{"class_weight": {"true": 2}, "balanced": true}');


-- An offset of 5 for all is one less 5 in the intercept, also of rare outcomes.
CREATE FUNCTION edge_estimates(source text, features text[], options jsonb, target text DEFAULT 'y', family text DEFAULT 'logistic') RETURNS float8[] LANGUAGE plpgsql AS $$
DECLARE
    result float8[];
BEGIN
    PERFORM socrec.create_behavior_model('m', source, target, features, family, options);
    SELECT array_agg(estimate ORDER BY id) INTO result FROM m.coefficient;
    PERFORM socrec.drop_model('m');
    RETURN result;
END
$$;
SELECT o, abs(a[1] - o - b[1]) < 1e-9 * abs(b[1]) AS intercept, abs(a[2] - b[2]) < 1e-9 AS x
FROM unnest('{5,-5,1000}'::float8[]) o, edge_estimates('SELECT x, i % 50 = 0 AS y FROM edge', '{x}', '{}') a,
    edge_estimates(format('SELECT x, i %% 50 = 0 AS y, %s AS o FROM edge', o), '{x}', '{"offset": "o"}') b;

-- One outcome that weighs a thousand million times the other is fitted to the end.
CREATE VIEW uneven AS SELECT x, k, u.y, CASE WHEN u.y THEN 1e9 ELSE 1 END AS w FROM edge, LATERAL (SELECT x + (i % 7) / 3.0 > 1.2 AS y) u;
SELECT abs(a[2] - b[2]) < 1e-9 AS same
FROM edge_estimates('uneven', '{x,k}', '{"weight": "w"}') a, edge_estimates('uneven', '{x,k}', '{"weight": "w", "tolerance": 1e-16}') b;
DROP VIEW uneven;

-- So is what a penalty alone holds, which weighs little against the rows.
SELECT abs(a[2] - b[2]) < 1e-9 * abs(b[2]) AS same, b[2] > 10 AS far
FROM edge_estimates('SELECT i < 30 AS sure, y OR i < 30 AS y, 1e6 AS w FROM edge', '{sure}', '{"weight": "w", "l2": 0.1, "standardize": false}') a,
    edge_estimates('SELECT i < 30 AS sure, y OR i < 30 AS y, 1e6 AS w FROM edge', '{sure}', '{"weight": "w", "l2": 0.1, "standardize": false, "tolerance": 1e-22}') b;

-- What is no number, in both executions.
SELECT create_behavior_model('m', 'SELECT *, ''nan''::float8 AS o FROM edge', 'y', '{x}', options => '{"offset": "o", "execution": "memory"}');
SELECT create_behavior_model('m', 'SELECT *, ''nan''::float8 AS o FROM edge', 'y', '{x}', options => '{"offset": "o", "execution": "query"}');
SELECT regression_contribution('{1,1,2,1,0,0,0,1}', 'nan', '{1}', 1, 0);
SELECT create_behavior_model('m', 'SELECT *, ''inf''::float8 AS w FROM edge', 'y', '{x}', options => '{"weight": "w", "execution": "query"}');
SELECT create_behavior_model('m', 'SELECT *, i - 2 AS w FROM edge', 'y', '{x}', options => '{"weight": "w", "execution": "memory"}');
SELECT create_behavior_model('m', 'SELECT *, i - 2 AS w FROM edge', 'y', '{x}', options => '{"weight": "w", "execution": "query"}');

-- Without an intercept the first category has all its levels, but those with a reference.
SELECT name FROM create_behavior_model('m', 'SELECT x, f, ''g'' || g AS g, y FROM edge', 'y', options => '{"intercept": false}');
SELECT string_agg(concat_ws('=', term, level), ' ' ORDER BY id) FROM m.coefficient;
SELECT drop_model('m');
SELECT name FROM create_behavior_model('m', 'SELECT f, ''g'' || g AS g, y FROM edge', 'y', options => '{"intercept": false, "reference": {"f": "c"}}');
SELECT string_agg(concat_ws('=', term, level), ' ' ORDER BY id) FROM m.coefficient;
SELECT drop_model('m');
-- It is the same model as with an intercept.
SELECT max(abs(b.e - a.i - coalesce(a.e, 0))) < 1e-9 AS same
FROM (SELECT u.n, u.e, t.e[1] AS i FROM edge_estimates('edge', '{f}', '{}') t(e), unnest(0.0::float8 || t.e[2:]) WITH ORDINALITY u(e, n)) a
    JOIN (SELECT u.n, u.e FROM edge_estimates('edge', '{f}', '{"intercept": false}') t(e), unnest(t.e) WITH ORDINALITY u(e, n)) b USING (n);

-- And a penalty is in units of the standard deviation, not of the distance from 0.
SELECT max(abs(a.e - b.e)) < 1e-8 AS same
FROM unnest(edge_estimates('SELECT x / stddev_pop(x) OVER () AS x, k / stddev_pop(k) OVER () AS k, y FROM edge', '{x,k}', '{"intercept": false, "standardize": false, "l2": 30}'),
        edge_estimates('SELECT x, k, y FROM edge', '{x,k}', '{"intercept": false, "l2": 30}'), (SELECT ARRAY[stddev_pop(x), stddev_pop(k)] FROM edge)) u(a, b, s),
    LATERAL (SELECT u.a) a(e), LATERAL (SELECT u.b * u.s) b(e);

-- Where the reference tells outcomes apart, so does the intercept; where another level does, it stays.
SET client_min_messages = error;
SELECT name FROM create_behavior_model('m', 'SELECT f, y AND f <> ''b'' AS y FROM edge', 'y');
SELECT term, level, round(std_error::numeric, 4) AS std_error, problem FROM m.coefficient ORDER BY id;
SELECT drop_model('m');
SELECT name FROM create_behavior_model('m', 'SELECT f, y AND f <> ''d'' AS y FROM edge', 'y');
SELECT term, level, round(std_error::numeric, 4) AS std_error, problem FROM m.coefficient ORDER BY id;
SELECT drop_model('m');
SELECT (logistic_regression(y, x)).intercept_std_error FROM (VALUES (true, ARRAY[1.0::float8]), (true, '{2}'), (false, '{-1}')) v(y, x);
SET client_min_messages = warning;

-- Columns may be called as a query calls its own: rows of a set, or cluster, stay together.
CREATE VIEW named AS SELECT i / 4 AS set_id, i % 4 = (hashint4(i / 4) & 3) AS chosen, x AS c1, k AS c4, g AS c5, y, k AS q, x * k AS s FROM edge WHERE i BETWEEN 4 AND 419;
SELECT max(abs(u.a - u.b)) < 1e-8 AS same
FROM edge_estimates('named', '{c1,c4,c5}', '{"choice_set": "set_id", "execution": "memory"}', 'chosen', 'conditional') e(a),
    edge_estimates('named', '{c1,c4,c5}', '{"choice_set": "set_id", "execution": "query"}', 'chosen', 'conditional') f(b), unnest(e.a, f.b) u(a, b);
CREATE TABLE edge_errors (execution text, errors float8[]);
SELECT name FROM create_behavior_model('m', 'named', 'y', '{c1,c4,c5,q,s}', options => '{"cluster": "set_id", "std_errors": "cluster", "execution": "memory"}');
INSERT INTO edge_errors SELECT 'memory', array_agg(std_error ORDER BY id) FROM m.coefficient;
SELECT drop_model('m');
SELECT name FROM create_behavior_model('m', 'named', 'y', '{c1,c4,c5,q,s}', options => '{"cluster": "set_id", "std_errors": "cluster", "execution": "query"}');
INSERT INTO edge_errors SELECT 'query', array_agg(std_error ORDER BY id) FROM m.coefficient;
SELECT drop_model('m');
SELECT max(abs(u.a - u.b)) < 1e-8 AS same FROM edge_errors e, edge_errors f, unnest(e.errors, f.errors) u(a, b) WHERE e.execution < f.execution;
DROP TABLE edge_errors;
DROP VIEW named;

-- Clusters whose scores add up to 0 say nothing of errors.
SELECT name FROM create_behavior_model('m', 'SELECT i % 4 < 2 AS x, half AS y, i / 4 AS g FROM edge WHERE i BETWEEN 4 AND 403', 'y', '{x}',
    options => '{"std_errors": "cluster", "cluster": "g"}');
SELECT term, estimate, std_error, z, p_value FROM m.coefficient ORDER BY id;
SELECT drop_model('m');

-- The text of a level must not depend on a session's settings.
SELECT name FROM create_behavior_model('m', 'SELECT CASE WHEN g < 3 THEN 0.1::float8 + 0.2 ELSE -1 END AS n, f, y OR g < 2 AS y FROM edge', 'y', options => '{"categorical": ["n"]}');
SELECT level FROM m.coefficient WHERE term = 'n';
SELECT abs(m.score(r) - logistic(sum(estimate))) < 1e-15 AS same
FROM (SELECT 0.1::float8 + 0.2 AS n, 'b' AS f) r, m.coefficient WHERE level IS NULL OR term = 'n' GROUP BY r;
SELECT drop_model('m');
SELECT create_behavior_model('m', 'SELECT date ''2024-01-01'' + g AS day, y FROM edge', 'y', options => '{"categorical": ["day"]}');

-- Nor is a row of another type taken for one of the reference.
SELECT name FROM create_behavior_model('m', 'SELECT half, y FROM edge', 'y');
SELECT m.score(r) IS NOT NULL AS scored FROM (SELECT 'true' AS half) r;
SELECT m.score(r) FROM (SELECT 1 AS half) r;
SELECT drop_model('m');
SELECT name FROM create_behavior_model('m', 'SELECT g, y FROM edge', 'y', options => '{"categorical": ["g"]}');
SELECT m.score(r) IS NOT NULL AS scored FROM (SELECT 1::numeric AS g) r;
SELECT m.score(r) FROM (SELECT true AS g) r;
SELECT drop_model('m');

-- Models of other weights, or other outcomes, are not nested.
SELECT name FROM create_behavior_model('m', 'SELECT x, f, 2 AS w FROM edge', 'f', '{x}', options => '{"positive": "b", "weight": "w"}');
SELECT name FROM create_behavior_model('m2', 'SELECT x, k, f, 2 AS w FROM edge', 'f', '{x,k}', options => '{"positive": "b"}');
SELECT likelihood_ratio_test('m', 'm2');
SELECT drop_model('m2');
SELECT name FROM create_behavior_model('m2', 'SELECT x, k, f, 2 AS w FROM edge', 'f', '{x,k}', options => '{"positive": "c", "weight": "w"}');
SELECT likelihood_ratio_test('m', 'm2');
SELECT drop_model('m2');
SELECT name FROM create_behavior_model('m2', 'SELECT x, k, f, 3 AS w FROM edge', 'f', '{x,k}', options => '{"positive": "b", "weight": "w"}');
SELECT likelihood_ratio_test('m', 'm2');
SELECT drop_model('m2');
SELECT name FROM create_behavior_model('m2', 'SELECT x, 3 * x AS x3, 1 AS one, k, f, 2 AS w FROM edge', 'f', '{x,x3,one,k}', options => '{"positive": "b", "weight": "w"}');
SELECT degrees_of_freedom FROM likelihood_ratio_test('m', 'm2');
SELECT drop_model(m) FROM unnest('{m,m2}'::text[]) m;

DROP FUNCTION edge_estimates;
DROP TABLE edge;
