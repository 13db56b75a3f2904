-- prediction: cf_predict, weighted_sum, top_items

SET search_path = public, socrec;
SET extra_float_digits = 0;

-- the sums themselves; a pair with a NULL is absent
SELECT cf_predict(w, r), weighted_sum(w, r)
FROM (VALUES (0.5, 4), (0.25, 2), (-0.25, 1), (NULL, 5), (0.9, NULL)) t(w, r);
SELECT cf_predict(w, r), weighted_sum(w, r) FROM (VALUES (0.0, 4.0)) t(w, r);
SELECT cf_predict(w, r), weighted_sum(w, r) FROM (VALUES (NULL::real, 4.0)) t(w, r);
SELECT cf_predict(w, r), weighted_sum(w, r) FROM (VALUES (1, 2)) t(w, r) WHERE false;
SELECT cf_predict('NaN', 1);
SELECT weighted_sum(1, '-infinity');

-- a window of them
SELECT x, cf_predict(1, x) OVER (ORDER BY x ROWS 1 PRECEDING) FROM generate_series(1, 4) x;

-- partial states combine
CREATE TABLE pair AS
SELECT i % 7 AS g, (i % 13 - 6)::double precision / 8 AS w, (i % 10)::double precision / 2 AS r
FROM generate_series(1, 20000) i;
ANALYZE pair;
CREATE FUNCTION plan_has(query text, node text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        IF line LIKE '%' || node || '%' THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END
$$;
CREATE TABLE serial AS
SELECT g, cf_predict(w, r), weighted_sum(w, r) FROM pair GROUP BY g;
BEGIN;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;
SELECT plan_has('SELECT g, cf_predict(w, r), weighted_sum(w, r) FROM pair GROUP BY g', 'Partial') AS partial,
    plan_has('SELECT g, cf_predict(w, r), weighted_sum(w, r) FROM pair GROUP BY g', 'Finalize') AS finalize;
SELECT count(*) AS groups, max(abs(p.cf_predict - s.cf_predict)) < 1e-12 AS same_prediction,
    max(abs(p.weighted_sum - s.weighted_sum)) < 1e-9 AS same_sum
FROM (SELECT g, cf_predict(w, r), weighted_sum(w, r) FROM pair GROUP BY g) p JOIN serial s USING (g);
COMMIT;
SELECT combine_sums(NULL, NULL), combine_sums('{1,2}', NULL), combine_sums(NULL, '{1,2}'), combine_sums('{1,2}', '{3,4}');

-- states made by hand are refused
SELECT combine_sums('{1,2}', '{1,2,3}');
SELECT combine_sums('{{1,2},{3,4}}', '{1,2}');
SELECT prediction_accumulate('{1}', 1, 1);
SELECT prediction_accumulate('{1,NULL}', 1, 1);
SELECT prediction_accumulate('{{1,2}}', 1, 1);
SELECT cf_predict_final('{}');
SELECT cf_predict_final(NULL), weighted_sum_final(NULL), weighted_sum_final('{3,4}');
-- outside of an aggregate a state is not changed in place
WITH s AS MATERIALIZED (SELECT ARRAY[1, 2]::double precision[] AS state)
SELECT prediction_accumulate(state, 2, 3), state FROM s;

-- top_items: items 1 to 3 are rated; 4 and 5 are not
CREATE TABLE rated (id integer, neighbors svec, rating double precision);
INSERT INTO rated VALUES
    (1, '{2:0.5, 4:0.5, 5:0.25}', 4),
    (2, '{1:0.5, 4:0.25}', 2),
    (3, '{5:1}', 1);
SELECT t.* FROM unnest((SELECT top_items(id, neighbors, rating, 10, false, true, 1) FROM rated)) t;
SELECT t.* FROM unnest((SELECT top_items(id, neighbors, rating, 10, true, true, 1) FROM rated)) t;
SELECT t.* FROM unnest((SELECT top_items(id, neighbors, rating, 10, false, false, 1) FROM rated)) t;
SELECT t.* FROM unnest((SELECT top_items(id, neighbors, rating, 10, false, true, 2) FROM rated)) t;
SELECT t.* FROM unnest((SELECT top_items(id, neighbors, rating, 1, false, true, 1) FROM rated)) t;
SELECT t.* FROM unnest((SELECT top_items(id, neighbors, rating, 0, false, true, 1) FROM rated)) t;
-- equal scores go by number, whatever the order of the rows
SELECT top_items(id, neighbors, rating, 2, false, true, 1)
FROM (VALUES (9, '{7:1, 3:1, 5:1}'::svec, 1)) t(id, neighbors, rating);
-- unknown items are skipped; without neighbors or rating a row only marks as seen
SELECT top_items(id, neighbors, rating, 9, false, true, 1)
FROM (VALUES (NULL, '{7:1}'::svec, 1), (4, NULL, 1), (5, '{4:1, 6:1}', 2), (6, '{8:1}', NULL)) t(id, neighbors, rating);
SELECT top_items(id, neighbors, rating, 9, false, true, 1) FROM rated WHERE false;
-- numbers far apart
SELECT top_items(1, '{2147483647:1, 2:0.5}', 2, 9, false, true, 1);
-- many items against plain SQL, in groups
CREATE TABLE many AS
SELECT g, id, (hashint4extended(id, g) & 7)::double precision AS rating,
    (SELECT svec_agg(n, (((hashint8extended(id * 1000 + n, 5) & 63) + 1) / 64.0)::real)
     FROM generate_series(1, 2000) n WHERE n <> id AND (hashint8extended(id * 5000 + n, 9) & 15) = 0) AS neighbors
FROM generate_series(1, 3) g, generate_series(1, 600, 7) id;
WITH brute AS (
    SELECT * FROM (
        SELECT m.g, w.id, sum(w.weight * m.rating) AS score, count(*) AS support,
            row_number() OVER (PARTITION BY m.g ORDER BY sum(w.weight * m.rating) DESC, w.id) AS rank
        FROM many m CROSS JOIN LATERAL svec_unnest(m.neighbors) w
        WHERE NOT EXISTS (SELECT FROM many o WHERE o.g = m.g AND o.id = w.id)
        GROUP BY m.g, w.id) b WHERE rank <= 50),
top AS (
    SELECT g, t.* FROM (SELECT g, top_items(id, neighbors, rating, 50, false, true, 1) AS items FROM many GROUP BY g) m
        CROSS JOIN LATERAL unnest(m.items) WITH ORDINALITY t(id, score, support, rank))
SELECT count(b.id) AS expected, count(t.id) AS found, max(abs(b.score - t.score)) < 1e-9 AS same_scores,
    bool_and(b.support = t.support) AS same_support
FROM brute b FULL JOIN top t USING (g, id, rank);

-- with deviations, which are added to the rating, of some neighbors
SELECT top_items(id, neighbors, rating, 9, true, true, 1, deviations)
FROM (VALUES (1, '{2:1,3:2}'::svec, 4, '{2:-1,7:3}'::svec), (5, '{2:3,3:2,4:1}', 2, NULL), (6, NULL, 1, '{2:1}'), (7, '{4:1}', NULL, '{4:1}'),
    (NULL, '{2:1}', 1, '{2:1}')) v(id, neighbors, rating, deviations);
SELECT top_items(1, '{2:2}', 1, 9, false, true, 1, '{2:0.5}');

-- must fail
SELECT top_items(0, '{1:1}', 1, 9, false, true, 1);
SELECT top_items(1, '{0:1}', 1, 9, false, true, 1);
SELECT top_items(1, '{-3:1}', 1, 9, false, true, 1);
SELECT top_items(1, '{5000000000:1}', 1, 9, false, true, 1);
SELECT top_items(1, '{2:1}', 'NaN', 9, false, true, 1);
SELECT top_items(1, '{2:1}', 1, -1, false, true, 1);
SELECT top_items(1, '{2:1}', 1, 1000001, false, true, 1);
SELECT top_items(1, '{2:1}', 1, NULL, false, true, 1);

DROP TABLE pair, serial, rated, many;
DROP FUNCTION plan_has;
