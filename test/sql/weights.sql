-- weights: the conditions that an optimum satisfies, in plain SQL, on random tables

SET search_path = public, socrec;
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET extra_float_digits = -6;
-- Estimates of rows are far too high, and compiling takes seconds.
SET jit = off;
\getenv folder PG_ABS_SRCDIR
\set file :folder '/include/weights.sql'
\set ECHO none
\i :file
\set ECHO all

-- slim: the gradient of |x - Xw|^2 / 2 + l1 sum(w) + l2 |w|^2 / 2 is zero where there is a
-- weight, and at least that where there is none.  Returns how far it is off at most,
-- relative to the largest element of X'X.
CREATE FUNCTION slim_residual(binarize boolean, l1 double precision, l2 double precision, OUT at_weight double precision,
    OUT without double precision, OUT weights bigint)
LANGUAGE sql AS $$
    WITH g AS MATERIALIZED (SELECT * FROM gram(binarize)),
    w AS MATERIALIZED (SELECT * FROM weights('slim',
        jsonb_build_object('k', 0, 'binarize', binarize, 'l1', l1, 'l2', l2, 'epochs', 5000))),
    fitted AS (SELECT g.a, w.b, sum(g.value * w.value) AS value FROM g JOIN w ON w.a = g.b GROUP BY 1, 2),
    gradient AS (
        SELECT w.value AS weight, coalesce(f.value, 0) - coalesce(g.value, 0) + l1 + l2 * coalesce(w.value, 0) AS value
        FROM g FULL JOIN fitted f USING (a, b) FULL JOIN w USING (a, b) WHERE a <> b)
    SELECT max(abs(value)) FILTER (WHERE weight > 0) / (SELECT max(value) FROM g),
        -min(value) FILTER (WHERE weight IS NULL) / (SELECT max(value) FROM g), count(weight) FROM gradient
$$;
SELECT kind, count(*) AS tables, count(*) FILTER (WHERE (r).at_weight < 1e-4 AND coalesce((r).without, 0) < 1e-4) AS solved, min((r).weights) > 20 AS has_weights
FROM generate_series(1, 4) kind, generate_series(1, 6) seed, LATERAL (
    SELECT fill_sample(kind, seed), slim_residual(seed % 2 = 0, (seed % 3) ^ 2 / 4.0, 10 ^ (seed % 2)) AS r OFFSET 0) s
GROUP BY 1 ORDER BY 1;

-- slope_one: means of differences and their number, in double precision
CREATE FUNCTION slope_one_difference(OUT pairs bigint, OUT differ bigint)
LANGUAGE sql AS $$
    WITH w AS MATERIALIZED (SELECT * FROM item_weights('TABLE sample', 'slope_one', '{"k": 0}')),
    found AS (
        SELECT w.item_id AS a, o.item_id AS b, n.weight, coalesce(svec_get(w.deviations, n.id), 0) AS deviation
        FROM w CROSS JOIN LATERAL svec_unnest(w.neighbors) n JOIN w o ON o.id = n.id),
    expected AS (
        SELECT x.item_id AS a, y.item_id AS b, count(*) AS weight, avg(y.rating - x.rating) AS deviation
        FROM sample x JOIN sample y USING (user_id) WHERE x.item_id <> y.item_id GROUP BY 1, 2)
    SELECT count(*), count(*) FILTER (WHERE (f.weight = e.weight AND abs(f.deviation - e.deviation) < 1e-6) IS NOT TRUE)
    FROM found f FULL JOIN expected e USING (a, b)
$$;
SELECT kind, count(*) AS tables, sum((r).differ) AS differ, min((r).pairs) > 100 AS has_pairs
FROM generate_series(1, 4) kind, generate_series(1, 6) seed, LATERAL (SELECT fill_sample(kind, seed), slope_one_difference() AS r OFFSET 0) s
GROUP BY 1 ORDER BY 1;
-- its predictions and lists, from the formula
SELECT fill_sample(1, 3);
SELECT name FROM create_model('sloping', 'sample', method => 'slope_one', options => '{"holdout": 0, "k": 0}');
SELECT name FROM create_model('plain', 'sample', method => 'slope_one', options => '{"holdout": 0, "k": 0, "weighted": false}');
CREATE TABLE expected AS
    SELECT r.user_id, d.b AS item_id, sum(d.n * (r.rating + d.deviation)) / sum(d.n) AS weighted,
        avg(m.mean) + avg(d.deviation) AS unweighted, count(*) AS support
    FROM sample r JOIN (SELECT user_id, avg(rating) AS mean FROM sample GROUP BY 1) m USING (user_id) JOIN (
        SELECT x.item_id AS a, y.item_id AS b, count(*) AS n, avg(y.rating - x.rating) AS deviation
        FROM sample x JOIN sample y USING (user_id) GROUP BY 1, 2) d ON d.a = r.item_id
    WHERE NOT EXISTS (SELECT FROM sample s WHERE s.user_id = r.user_id AND s.item_id = d.b)
    GROUP BY 1, 2;
SELECT count(*), count(*) FILTER (WHERE abs(s.score - e.weighted) < 1e-6 AND s.support = e.support) AS same
FROM expected e FULL JOIN (SELECT u.user_id, r.* FROM (SELECT DISTINCT user_id FROM sample) u, sloping.recommend(u.user_id, 100) r WHERE source = 'slope_one') s USING (user_id, item_id);
SELECT count(*), count(*) FILTER (WHERE abs(s.score - e.unweighted) < 1e-6 AND s.support = e.support) AS same
FROM expected e FULL JOIN (SELECT u.user_id, r.* FROM (SELECT DISTINCT user_id FROM sample) u, plain.recommend(u.user_id, 100) r WHERE source = 'slope_one') s USING (user_id, item_id);
SELECT count(*), count(*) FILTER (WHERE abs(sloping.predict(user_id, item_id) - least(4, greatest(0.5, weighted))) < 1e-6
    AND abs(plain.predict(user_id, item_id) - least(4, greatest(0.5, unweighted))) < 1e-6) AS same
FROM expected WHERE user_id % 12 = 1;
SELECT count(*), count(*) FILTER (WHERE abs(s.score - (SELECT sum(e.contribution) FROM sloping.explain(1, s.item_id) e)) < 1e-9) AS same,
    count(*) FILTER (WHERE abs(p.score - (SELECT sum(e.contribution) FROM plain.explain(1, s.item_id) e)) < 1e-9) AS same
FROM sloping.recommend(1, 100) s JOIN plain.recommend(1, 100) p USING (item_id);
SELECT drop_model('sloping'), drop_model('plain');
DROP TABLE expected;
SELECT * FROM check_model('slim', '{"l1": 0.1, "l2": 1}');

-- serial and parallel are the same
SELECT fill_sample(5, 1);
CREATE TABLE large AS SELECT m, w.* FROM unnest(ARRAY['slim', 'slope_one']) m, item_weights('TABLE sample', m, '{"k": 50}') w;
SET max_parallel_maintenance_workers = 0;
SELECT p.m, count(*), count(*) FILTER (WHERE (w.neighbors, w.deviations) IS NOT DISTINCT FROM (p.neighbors, p.deviations)) AS same
FROM large w JOIN (
    SELECT m, w.* FROM unnest(ARRAY['slim', 'slope_one']) m, item_weights('TABLE sample', m, '{"k": 50}') w) p ON p.m = w.m AND p.id = w.id
GROUP BY 1 ORDER BY 1;
RESET max_parallel_maintenance_workers;
-- a limit on what is kept: of slim, the weights in an item's score; of slope_one, those with most support
SELECT max(n) AS most, count(*) FILTER (WHERE n = 2) > 10 AS limited
FROM (SELECT n.id, count(*) AS n FROM item_weights('TABLE sample', 'slim', '{"k": 2, "l1": 0.1}') w, svec_unnest(w.neighbors) n GROUP BY 1) s;

-- types of keys; one item; nothing
SELECT fill_sample(1, 7);
SELECT pg_typeof(item_id), item_id FROM item_weights('SELECT 1, 7::smallint, 3', 'slim');
SELECT pg_typeof(item_id), item_id, neighbors FROM item_weights_typed('SELECT 1, 7::smallint, 3', NULL::smallint, 'slim');
SELECT * FROM item_weights('SELECT 1, 2, 3 WHERE false', 'slim');

-- what must fail
SELECT * FROM item_weights(NULL);
SELECT * FROM item_weights('TABLE sample', options => NULL);
SELECT * FROM item_weights('TABLE sample', 'popular');
SELECT * FROM item_weights('TABLE nowhere');
SELECT * FROM item_weights('SELECT 1, ''a''::text');
SELECT * FROM item_weights_typed('TABLE sample', NULL::integer);
SELECT * FROM item_weights('VALUES (1, 1, 1), (1, 1, 2)');
SELECT * FROM item_weights('VALUES (1, 1, ''NaN''::real)');
SELECT * FROM item_weights('TABLE sample', 'ease', '{"l2": 0}');
SELECT * FROM item_weights('TABLE sample', 'ease', '{"l2": "much"}');
SELECT * FROM item_weights('TABLE sample', 'ease', '{"k": -1}');
SELECT * FROM item_weights('TABLE sample', 'ease', '{"k": null}');
\set VERBOSITY terse
SELECT * FROM item_weights('SELECT user_id, item_id FROM sample', 'slope_one');
SELECT * FROM item_weights('TABLE sample', 'magic');
SELECT * FROM item_weights('TABLE sample', NULL);
SELECT * FROM item_weights('TABLE sample', 'ease', '{"shrinkage": 5}');
\set VERBOSITY default
SELECT * FROM item_weights('TABLE sample', 'slim', '{"l1": -1}');
SELECT * FROM item_weights('TABLE sample', 'slim', '{"epochs": 0}');
SELECT * FROM item_weights('TABLE sample', 'slope_one', '{"weighted": 1}');
SELECT * FROM fit_item_weights('TABLE sample', NULL::bigint, 'ease', '{}');
-- memory is asked for before it is taken
SET maintenance_work_mem = '1MB';
SELECT * FROM item_weights('SELECT 1, i FROM generate_series(1, 1000) i', 'slim');
SELECT * FROM item_weights('SELECT 1, i, 1 FROM generate_series(1, 1000) i', 'slope_one', '{"k": 0}');
RESET maintenance_work_mem;

DROP TABLE sample, large;
DROP FUNCTION fill_sample, gram, weights, slim_residual, slope_one_difference, check_model(text, jsonb);
