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

DROP TABLE edge;
