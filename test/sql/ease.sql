-- ease: what needs linear algebra, which a server may be built without

SET search_path = public, socrec;
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET extra_float_digits = -6;
SET jit = off;
\getenv folder PG_ABS_SRCDIR
\set file :folder '/include/weights.sql'
\set ECHO none
\i :file
\set ECHO all

-- ease: but on the diagonal, (X'X + l2 I) (I - B) is zero.  Returns the largest of its
-- elements there, relative to the largest of X'X; with a step of every so manieth column.
CREATE FUNCTION ease_residual(binarize boolean, l2 double precision, step integer DEFAULT 1) RETURNS double precision
LANGUAGE sql AS $$
    WITH g AS MATERIALIZED (SELECT a, b, value + CASE WHEN a = b THEN l2 ELSE 0 END AS value FROM gram(binarize)),
    w AS MATERIALIZED (SELECT * FROM weights('ease', jsonb_build_object('k', 0, 'binarize', binarize, 'l2', l2)) WHERE b % step = 0),
    fitted AS (SELECT g.a, w.b, sum(g.value * w.value) AS value FROM g JOIN w ON w.a = g.b GROUP BY 1, 2)
    SELECT max(abs(coalesce(g.value, 0) - coalesce(f.value, 0))) / (SELECT max(value) FROM g)
    FROM (SELECT * FROM g WHERE b % step = 0) g FULL JOIN fitted f USING (a, b) WHERE a <> b
$$;
SELECT kind, count(*) AS tables, count(*) FILTER (WHERE r < 1e-6) AS solved, bool_and(r > 0) AS rounded
FROM generate_series(1, 4) kind, generate_series(1, 6) seed, LATERAL (
    SELECT fill_sample(kind, seed), ease_residual(seed % 2 = 0, 10 ^ (seed % 3)) AS r OFFSET 0) s
GROUP BY 1 ORDER BY 1;
SELECT fill_sample(5, 1), ease_residual(true, 1, 100) < 1e-6 AS solved;
SELECT options, c.* FROM (VALUES ('{"l2": 5}'), ('{"l2": 5, "binarize": false}')) o(options), check_model('ease', options::jsonb) c;

-- the k largest by magnitude; serial and parallel are the same
CREATE TABLE large AS SELECT * FROM item_weights('TABLE sample', 'ease', '{"k": 50}');
SET max_parallel_maintenance_workers = 0;
SELECT count(*), count(*) FILTER (WHERE w.neighbors = p.neighbors) AS same FROM large w JOIN item_weights('TABLE sample', 'ease', '{"k": 50}') p USING (id);
RESET max_parallel_maintenance_workers;
SELECT fill_sample(1, 7);
CREATE TABLE whole AS SELECT * FROM item_weights('TABLE sample', 'ease', '{"k": 0, "l2": 20, "binarize": true}');
SELECT k, count(*), count(*) FILTER (WHERE p.neighbors = (
        SELECT svec_agg(n.id, n.weight) FROM (
            SELECT n.id, n.weight FROM svec_unnest(w.neighbors) n ORDER BY abs(n.weight) DESC, n.id LIMIT k) n)) AS same
FROM (VALUES (1), (3), (1000)) o(k), LATERAL item_weights('TABLE sample', options => jsonb_build_object('k', k, 'l2', 20, 'binarize', true)) p JOIN whole w USING (id)
GROUP BY 1 ORDER BY 1;

-- a row: the statistics of item_neighbors, the length of what was learned from
SELECT count(*), count(*) FILTER (WHERE (w.id, w.item_id, w.rating_count, w.mean, w.bias, w.rating_min, w.rating_max, w.user_count)
        = (n.id, n.item_id, n.rating_count, n.mean, n.bias, n.rating_min, n.rating_max, n.user_count)) AS same,
    bool_and(abs(w.norm - sqrt(w.rating_count)) < 1e-9 AND w.deviations IS NULL) AS ones
FROM whole w JOIN item_neighbors('TABLE sample', k => 0) n USING (id);

-- implicit feedback; types of keys; one item; nothing
SELECT count(*), count(*) FILTER (WHERE w.neighbors = i.neighbors) AS same
FROM whole w JOIN item_weights('SELECT user_id, item_id FROM sample', options => '{"k": 0, "l2": 20, "binarize": true}') i USING (id);
SELECT pg_typeof(t.item_id), count(*), count(*) FILTER (WHERE w.neighbors = t.neighbors) AS same
FROM whole w JOIN item_weights_typed('SELECT user_id, item_id::text FROM sample', NULL::text, options => '{"k": 0, "l2": 20, "binarize": true}') t USING (id) GROUP BY 1;
SELECT pg_typeof(item_id), item_id FROM item_weights('SELECT 1, 7::smallint, 3');
SELECT * FROM item_weights('SELECT 1, 2, 3 WHERE false');
SELECT item_id, neighbors, norm FROM item_weights('VALUES (1, 1, 0), (1, 2, 5), (2, 2, -5)', 'ease', '{"binarize": false, "l2": 1}');

-- what must fail
SELECT * FROM item_weights('SELECT 1, i, 1e30 + i FROM generate_series(1, 3) i', 'ease', '{"binarize": false, "l2": 1}');
-- memory is asked for before it is taken
SET maintenance_work_mem = '1MB';
SELECT * FROM item_weights('SELECT 1, i FROM generate_series(1, 1000) i');
RESET maintenance_work_mem;

-- Models and fits in memory say the same.
\getenv folder PG_ABS_SRCDIR
\set file :folder '/include/compare_methods.sql'
\set ECHO none
\i :file
\set ECHO all
SELECT count(compare_methods(m, explicit, o::jsonb))
FROM (VALUES
    ('ease', true, '{}'), ('ease', false, '{}'),
    ('ease', true, '{"binarize": true, "l2": 10, "k": 5, "user_regularization": 2}'), ('ease', false, '{"k": 0, "l2": 1}'),
    ('hybrid', true, '{"depth": 4, "parts": [{"method": "ease", "weight": 2, "label": "a/b"}, {"method": "item_knn", "weight": 0}, {"method": "ials", "weight": 1}, {"method": "baseline", "weight": 3}]}')) c(m, explicit, o);
TABLE differences;
SELECT DISTINCT method, explicit, sources FROM difference WHERE options = '{}' ORDER BY 1, 2;
DELETE FROM difference;
SELECT count(compare_stored(m, explicit, o::jsonb)) FROM (VALUES ('ease', true, '{}'), ('ease', false, '{"k": 4}')) c(m, explicit, o);
TABLE differences;
SELECT (SELECT count(*) FROM batch_recommend('SELECT 1, 2, 3 WHERE false', 0, 0, 'ease')) AS listed, p.* FROM batch_predict('SELECT 1, 2, 3 WHERE false', 'SELECT 1, 2', 0, 0, 'ease') p;
SELECT p.* FROM batch_predict('SELECT 1, 2 WHERE false', 'SELECT 1, 2', 0, 0, 'ease') p;
SELECT (SELECT count(*) FROM batch_recommend('SELECT 1, 2, 3', 0, 0, 'ease')) AS listed, p.* FROM batch_predict('SELECT 1, 2, 3', 'SELECT 1, 2', 0, 0, 'ease') p;

DROP TABLE sample, large, whole, visit, difference CASCADE;
DROP FUNCTION fill_sample, gram, weights, ease_residual, check_model(text, jsonb), compare_methods, compare_stored;
