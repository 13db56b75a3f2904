-- segment: clusters of users, and users like those of a seed
SET search_path = public, socrec;
SET client_min_messages = warning;
SET extra_float_digits = -8;
\set SHOW_CONTEXT never

-- three groups by hand: centers 1, 11 and 22
CREATE TABLE point (id bigint, x integer, y numeric);
INSERT INTO point VALUES (1, 0, 0), (2, 2, 0), (3, 1, 0), (4, 10, 0), (5, 12, 0), (6, 22, 0);
SELECT key, cluster, distance, silhouette FROM kmeans('SELECT id, x FROM point', NULL::bigint, 3, standardize => false) WHERE key IS NOT NULL ORDER BY key;
SELECT cluster, size, inertia, centroid, z_score, stddev, ids FROM kmeans('SELECT id, x FROM point', NULL::bigint, 3, standardize => false) WHERE key IS NULL ORDER BY cluster;
-- standardized, with a column that is the same everywhere
SELECT cluster, size, inertia, centroid, z_score, stddev FROM kmeans('SELECT id, x, y FROM point', NULL::bigint, 3) WHERE key IS NULL ORDER BY cluster;

-- against SQL: every point has the nearest center, centers are means, the inertia is the sum
CREATE TABLE blob AS
    SELECT i AS id, (i % 4) * 3 + hashint4(i) / 1e9 AS a, (i % 2) * 5 + hashint4(-i) / 1e9 AS b, CASE WHEN i % 50 <> 0 THEN hashint4(7 * i) / 1e9 END AS c
    FROM generate_series(1, 2000) i;
CREATE TABLE fit AS SELECT * FROM kmeans('SELECT id, a, b, c FROM blob WHERE c IS NOT NULL ORDER BY id', NULL::integer, 4, seed => 3);
WITH stat AS (SELECT avg(a) AS ma, stddev_pop(a) AS sa, avg(b) AS mb, stddev_pop(b) AS sb, avg(c) AS mc, stddev_pop(c) AS sc FROM blob WHERE c IS NOT NULL),
    z AS (SELECT id, (a - ma) / sa AS a, (b - mb) / sb AS b, (c - mc) / sc AS c FROM blob, stat WHERE c IS NOT NULL),
    center AS (SELECT cluster, z_score AS v, inertia FROM fit WHERE key IS NULL AND cluster > 0),
    mean AS (SELECT f.cluster, avg(a) AS a, avg(b) AS b, avg(c) AS c, sum(f.distance ^ 2) AS inertia FROM fit f JOIN z ON z.id = f.key GROUP BY f.cluster),
    near AS (SELECT z.id, min(sqrt((z.a - v[1]) ^ 2 + (z.b - v[2]) ^ 2 + (z.c - v[3]) ^ 2)) AS distance FROM z CROSS JOIN center GROUP BY z.id)
SELECT (SELECT max(abs(f.distance - n.distance)) < 1e-6 FROM fit f JOIN near n ON n.id = f.key) AS nearest,
    (SELECT max(abs(m.a - v[1]) + abs(m.b - v[2]) + abs(m.c - v[3])) < 0.05 FROM mean m JOIN center USING (cluster)) AS means,
    (SELECT max(abs(m.inertia / c.inertia - 1)) < 1e-6 FROM mean m JOIN center c USING (cluster)) AS inertias,
    (SELECT sum(inertia) FROM center) / (SELECT inertia FROM fit WHERE cluster = 0) AS total;
-- the silhouettes of a sample, by their definition
WITH stat AS (SELECT avg(a) AS ma, stddev_pop(a) AS sa, avg(b) AS mb, stddev_pop(b) AS sb, avg(c) AS mc, stddev_pop(c) AS sc FROM blob WHERE c IS NOT NULL),
    s AS MATERIALIZED (SELECT f.* FROM kmeans('SELECT id, a, b, c FROM blob WHERE c IS NOT NULL ORDER BY id', NULL::integer, 4, seed => 3, silhouette_sample => 150) f
        WHERE silhouette IS NOT NULL),
    z AS (SELECT s.*, (a - ma) / sa AS a, (b - mb) / sb AS b, (c - mc) / sc AS c FROM blob JOIN s ON s.key = blob.id, stat),
    way AS (SELECT p.key, p.silhouette, p.cluster, q.cluster AS other, avg(sqrt((p.a - q.a) ^ 2 + (p.b - q.b) ^ 2 + (p.c - q.c) ^ 2)) AS d
        FROM z p JOIN z q ON q.key <> p.key GROUP BY 1, 2, 3, 4),
    ab AS (SELECT key, silhouette, min(d) FILTER (WHERE other = cluster) AS a, min(d) FILTER (WHERE other <> cluster) AS b FROM way GROUP BY 1, 2)
SELECT count(*), max(abs(silhouette - (b - a) / greatest(a, b))) < 1e-6 AS as_defined FROM ab;
-- the same seed gives the same; NULLs are skipped, or the mean
SELECT count(*) AS differences FROM (TABLE fit EXCEPT ALL SELECT * FROM kmeans('SELECT id, a, b, c FROM blob WHERE c IS NOT NULL ORDER BY id', NULL::integer, 4, seed => 3)) d;
SELECT count(*) AS rows, count(cluster) AS clustered FROM kmeans('SELECT id, a, b, c FROM blob', NULL::integer, 4) WHERE key IS NOT NULL;
SELECT count(*) AS rows, count(cluster) AS clustered FROM kmeans('SELECT id, a, b, c FROM blob', NULL::integer, 4, nulls => 'mean') WHERE key IS NOT NULL;
SELECT DISTINCT kmeans('SELECT id, NULL::real FROM point WHERE id = 1', NULL::bigint, 2, nulls => 'mean');
SELECT (kmeans('SELECT NULL::text, x FROM point WHERE id = 1', NULL::text, 2)).*;

-- fewer points than clusters, all alike, one, none; a large offset
SELECT cluster, size, inertia FROM kmeans('SELECT id, x FROM point', NULL::bigint, 10) WHERE key IS NULL ORDER BY 1;
SELECT cluster, size, inertia FROM kmeans('SELECT id, 7 FROM point', NULL::bigint, 3) WHERE key IS NULL ORDER BY 1;
SELECT * FROM kmeans('SELECT id, x FROM point WHERE id = 6', NULL::bigint, 1);
SELECT * FROM kmeans('SELECT id, x FROM point WHERE false', NULL::bigint, 1);
SELECT cluster, centroid FROM kmeans('SELECT id, 1e15 + x FROM point', NULL::bigint, 3) WHERE key IS NULL ORDER BY 1;

-- sparse vectors, and keys of other types
SELECT key, cluster, distance, centroid, ids FROM kmeans($$SELECT * FROM (VALUES ('a', '{-1:1}'::svec), ('b', '{-1:1}'), ('c', '{5000000000:2, 3:1}'), ('d', NULL), ('e', '{}')) v$$,
    NULL::text, 2, standardize => false) ORDER BY cluster, key;
SELECT key, cluster FROM kmeans('SELECT md5(id::text)::uuid, x FROM point', NULL::uuid, 3) WHERE key IS NOT NULL ORDER BY key;

-- what is refused
SELECT kmeans('SELECT id, x FROM point', NULL::bigint, 0);
SELECT kmeans('SELECT id, x FROM point', NULL::bigint, NULL);
SELECT kmeans('SELECT id, x FROM point', NULL::integer, 2);
SELECT kmeans('SELECT id, x FROM point', NULL::bigint, 2, runs => 0);
SELECT kmeans('SELECT id, x FROM point', NULL::bigint, 2, max_iterations => 0);
SELECT kmeans('SELECT id, x FROM point', NULL::bigint, 2, tolerance => 'NaN');
SELECT kmeans('SELECT id, x FROM point', NULL::bigint, 2, nulls => 'zero');
SELECT kmeans('SELECT id, x FROM point', NULL::bigint, 2, silhouette_sample => -1);
SELECT kmeans('SELECT id FROM point', NULL::bigint, 2);
SELECT kmeans('SELECT id, x::text AS word FROM point', NULL::bigint, 2);
SELECT kmeans($$SELECT id, 'NaN'::real AS nan FROM point$$, NULL::bigint, 2);
SELECT kmeans($$SELECT id, CASE id WHEN 1 THEN 1e308 ELSE -1e308 END FROM point$$, NULL::bigint, 2);
SELECT kmeans('SELECT 1::bigint, svec_agg(i, 1::real) FROM generate_series(1, 1600) i', NULL::bigint, 2);
SELECT kmeans('DELETE FROM point', NULL::bigint, 2);
SET maintenance_work_mem = '1MB';
SELECT kmeans('SELECT i, i FROM generate_series(1, 100000) i', NULL::integer, 2);
RESET maintenance_work_mem;

-- profiles of 60 users: four families of items, half of the users buy much, a third has not been seen for long
CREATE TABLE log AS
    SELECT 'u' || u AS "it's", 'sku' || f * 10 + (u * 7 + n * 3) % 10 AS sku, (1 + (u + n) % 3) * (1 + u % 2 * 3) AS amount, f,
        timestamptz '2026-01-01 UTC' - interval '1 day' * (CASE WHEN u % 3 = 0 THEN 100 ELSE 2 END + u % 5 + n) AS at
    FROM generate_series(0, 59) u CROSS JOIN LATERAL generate_series(0, 4 + u % 2 * 5) n
        CROSS JOIN LATERAL (SELECT CASE WHEN n = 4 THEN (u + u / 4) % 4 ELSE u % 4 END) g (f);
CREATE TABLE product AS SELECT DISTINCT sku, (ARRAY['garden', 'kitchen', 'office', 'pets'])[f + 1] AS family FROM log;
CREATE TABLE person AS
    SELECT 'u' || u AS "it's", CASE WHEN u <> 8 THEN 20 + u END AS age, NULL::integer AS all_null, 1::numeric AS constant FROM generate_series(0, 59) u;
SELECT name FROM create_profiles('shop', 'log', user_column => 'it''s', item_column => 'sku', value_column => 'amount', time_column => 'at',
    categories => 'product', category_column => 'family', attributes => 'person', options => '{"as_of": "2026-01-01 00:00:00Z"}');

SELECT segment_id, segment, users, share, inertia, silhouette, words, top_interests FROM segment_users('shop', 3);
SELECT segment_id, feature, value, round(z_score::numeric, 5) AS z_score, center, stddev, scale FROM shop.segment_centroid WHERE segment_id = 1 ORDER BY feature;
SELECT segment_id, count(*), sum(distance ^ 2) AS inertia FROM shop.user_segment GROUP BY 1 ORDER BY 1;
-- nothing new, so nobody moves; who comes later gets the nearest segment, who goes is gone
SELECT assign_segments('shop');
CREATE TABLE before AS TABLE shop.user_segment;
DELETE FROM shop.user_segment WHERE segment_id <> 2;
INSERT INTO shop.user_segment VALUES ('nobody', 1, '', 0);
SELECT assign_segments('shop');
SELECT count(*) AS users, count(a.segment_id) AS same, max(abs(a.distance - b.distance)) < 1e-5 AS near
FROM before b LEFT JOIN shop.user_segment a USING ("it's", segment_id, segment);
-- again, otherwise; a view on the result survives
CREATE VIEW on_top AS SELECT * FROM shop.user_segment;
SELECT segment_id, segment, users, words, top_interests FROM segment_users('shop', 2, features => '{interests}');
SELECT segment_id, feature, value, scale FROM shop.segment_centroid ORDER BY 1, 2;
SELECT assign_segments('shop');
DELETE FROM shop.user_segment;
SELECT assign_segments('shop');
SELECT segment_id, users FROM shop.segment_summary ORDER BY 1;
SELECT segment_id, segment, users FROM segment_users('shop', 2, features => '{age,frequency}', options => '{"log": ["frequency"], "nulls": "skip", "runs": 3}');
SELECT assign_segments('shop');
SELECT segment_id, segment, users, total_inertia FROM segment_users('shop', 1, features => '{all_null,constant}');
-- more segments, less inertia
SELECT k, (SELECT min(total_inertia) FROM segment_users('shop', k)) AS inertia FROM generate_series(1, 4) k;

SELECT segment_users('none', 2);
SELECT segment_users(NULL, 2);
SELECT segment_users('shop', 0);
SELECT segment_users('shop', 2, features => '{}');
SELECT segment_users('shop', 2, features => '{age,age}');
SELECT segment_users('shop', 2, features => '{shoe_size}');
SELECT segment_users('shop', 2, features => '{top_interest}');
SELECT segment_users('shop', 2, options => '{"run": 3}');
SELECT segment_users('shop', 2, options => '{"runs": "3"}');
SELECT segment_users('shop', 2, options => '{"nulls": "zero"}');
SELECT segment_users('shop', 2, options => '[]');
SELECT assign_segments('none');
CREATE ROLE socrec_visitor;
GRANT USAGE ON SCHEMA shop TO socrec_visitor;
SET ROLE socrec_visitor;
SELECT segment_users('shop', 2);
SELECT assign_segments('shop');
RESET ROLE;
REVOKE USAGE ON SCHEMA shop FROM socrec_visitor;
DROP ROLE socrec_visitor;

-- look-alikes: of half the buyers of the first family, the other half
SELECT * FROM lookalikes('shop', ARRAY(SELECT 'u' || i FROM generate_series(0, 28, 4) i), 3);
SELECT count(*) AS found FROM lookalikes('shop', ARRAY(SELECT 'u' || i FROM generate_series(0, 28, 4) i), 7) WHERE right(user_id, -1)::integer % 4 = 0;
-- the score by hand
WITH seed AS (SELECT "it's", taste FROM shop.activity WHERE "it's" IN ('u0', 'u4')),
    w AS (SELECT i.id, ln((coalesce(s.n, 0) + 20 * i.users / 60.0) / 22 / ((i.users - coalesce(s.n, 0) + 20 * i.users / 60.0) / 78)) AS w
        FROM shop.item i LEFT JOIN (SELECT t.id, count(*) AS n FROM seed, svec_unnest(taste) t GROUP BY 1) s USING (id)),
    by_hand AS (SELECT a."it's", sum(t.weight * w.w) / sqrt(sum(t.weight ^ 2)) AS score
        FROM shop.activity a, svec_unnest(a.taste) t JOIN w USING (id) WHERE a."it's" NOT IN ('u0', 'u4') GROUP BY 1)
SELECT count(*), max(abs(h.score - l.score)) < 1e-6 AS same
FROM by_hand h JOIN lookalikes('shop', '{u0,u4,u0,NULL}'::text[], 100) l ON l.user_id = h."it's";
SELECT user_id, score FROM lookalikes('shop', '{u0}'::text[], 2, '{"method": "cosine"}');
SELECT rank, similar_user, similarity FROM similar_profiles('shop', 'u0'::text, 2);
SELECT seed_size, held_out, hits, "precision", recall, lift, auc FROM evaluate_lookalikes('shop', ARRAY(SELECT 'u' || i FROM generate_series(0, 56, 4) i), 7);
SELECT count(*) FROM lookalikes('shop', '{}'::text[], 2);
SELECT count(*) FROM lookalikes('shop', '{stranger}'::text[], 2);
SELECT count(*) FROM similar_profiles('shop', 'stranger'::text);
SELECT lookalikes('none', '{u0}'::text[]);
SELECT lookalikes(NULL, '{u0}'::text[]);
SELECT lookalikes('shop', NULL::text[]);
SELECT lookalikes('shop', '{1}'::integer[]);
SELECT lookalikes('shop', '{u0}'::text[], -1);
SELECT lookalikes('shop', '{u0}'::text[], 2, '{"method": "magic"}');
SELECT lookalikes('shop', '{u0}'::text[], 2, '{"shrinkage": 0}');
SELECT lookalikes('shop', '{u0}'::text[], 2, '{"shrink": 1}');
SELECT evaluate_lookalikes('shop', '{u0}'::text[]);
SELECT evaluate_lookalikes('shop', '{u0,u1}'::text[], 0);
SELECT similar_profiles('shop', 1);
SELECT similar_profiles('none', 'u0'::text);

DROP VIEW on_top;
DROP TABLE point, blob, fit, before;
SELECT drop_profiles('shop');
DROP TABLE log, product, person;
