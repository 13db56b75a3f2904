-- neighbors: exact against a self-join in SQL, and everything that must fail

SET search_path = public, socrec;
\set SHOW_CONTEXT never

-- 200 users, 60 items, a long tail, negative and fractional ratings
CREATE TABLE sample (user_id bigint, item_id bigint, rating double precision, PRIMARY KEY (user_id, item_id));
INSERT INTO sample
SELECT u, i, (1 + (hashint4extended(u * 1000 + i, 7) & 7))::double precision / 2 - 1
FROM generate_series(1, 200) u, generate_series(1, 60) i
WHERE (hashint4extended(u * 1000 + i, 3) & 1023) < 900 / (i + 1) + 30;

-- every value of every pair that shares a user, by plain SQL
CREATE FUNCTION brute_force(similarity text, min_support integer, shrinkage double precision)
RETURNS TABLE (a bigint, b bigint, value double precision)
LANGUAGE sql AS $$
    WITH m AS (SELECT item_id, count(*) AS n, sqrt(sum(rating ^ 2)) AS norm FROM sample GROUP BY item_id),
    r AS (SELECT s.*, avg(rating) OVER (PARTITION BY user_id) AS user_mean FROM sample s),
    p AS (
        SELECT x.item_id AS a, y.item_id AS b, count(*)::double precision AS n, sum(x.rating * y.rating) AS xy,
            sum(x.rating ^ 2) AS xx, sum(y.rating ^ 2) AS yy, corr(x.rating, y.rating) AS pearson,
            sum((x.rating - x.user_mean) * (y.rating - y.user_mean)) AS uxy,
            sum((x.rating - x.user_mean) ^ 2) AS uxx, sum((y.rating - y.user_mean) ^ 2) AS uyy,
            sum((x.rating - y.rating) ^ 2) AS distance
        FROM r x JOIN r y USING (user_id) WHERE x.item_id <> y.item_id GROUP BY 1, 2)
    SELECT p.a, p.b, p.n / (p.n + $3) * CASE $1
        WHEN 'conditional' THEN p.n / (ma.n * sqrt(mb.n))
        WHEN 'llr' THEN CASE WHEN p.n * u.n > ma.n * mb.n THEN (
            SELECT 2 * sum(k * ln(k * u.n / expected)) FROM (VALUES
                (p.n, ma.n * mb.n::double precision), (ma.n - p.n, ma.n * (u.n - mb.n)), (mb.n - p.n, (u.n - ma.n) * mb.n),
                (u.n - ma.n - mb.n + p.n, (u.n - ma.n) * (u.n - mb.n))) t(k, expected) WHERE k > 0) ELSE 0 END
        WHEN 'cosine' THEN p.xy / nullif(ma.norm * mb.norm, 0)
        WHEN 'corated_cosine' THEN p.xy / nullif(sqrt(p.xx * p.yy), 0)
        WHEN 'adjusted_cosine' THEN p.uxy / nullif(sqrt(p.uxx * p.uyy), 0)
        WHEN 'pearson' THEN p.pearson
        WHEN 'jaccard' THEN p.n / (ma.n + mb.n - p.n)
        WHEN 'euclidean' THEN 1 / (1 + sqrt(p.distance)) END
    FROM p JOIN m ma ON ma.item_id = p.a JOIN m mb ON mb.item_id = p.b,
        (SELECT count(DISTINCT user_id)::double precision AS n FROM sample) u
    WHERE p.n >= $2
$$;

-- neighbors by the items' own keys
CREATE FUNCTION found(similarity text, min_support integer, shrinkage double precision, k integer)
RETURNS TABLE (a bigint, b bigint, value double precision)
LANGUAGE sql AS $$
    WITH n AS (
        SELECT * FROM item_neighbors('SELECT * FROM sample', k => $4, similarity => $1, min_support => $2,
            shrinkage => $3))
    SELECT n.item_id, o.item_id, w.weight
    FROM n CROSS JOIN LATERAL svec_unnest(n.neighbors) AS w(id, weight) JOIN n o ON o.id = w.id
$$;

-- all pairs above zero are there, and no others, with the same value
CREATE TABLE configuration AS
SELECT s AS similarity, min_support, shrinkage
FROM unnest(ARRAY['cosine', 'corated_cosine', 'adjusted_cosine', 'pearson', 'jaccard', 'euclidean', 'llr', 'conditional']) s
    CROSS JOIN (VALUES (1, 0), (5, 0), (1, 25), (4, 10)) o(min_support, shrinkage);

SELECT similarity, min_support, shrinkage, count(b.a) AS expected, count(f.a) AS found,
    max(abs(b.value - f.value) / greatest(b.value, 1)) < 1e-6 AS same_values
FROM (SELECT * FROM configuration c, brute_force(c.similarity, c.min_support, c.shrinkage) WHERE value > 1e-7) b
    FULL JOIN (SELECT * FROM configuration c, found(c.similarity, c.min_support, c.shrinkage, 100) WHERE value > 1e-7) f
        USING (similarity, min_support, shrinkage, a, b)
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- the k best of them, equal ones by popularity and then by key
SELECT similarity, k, count(b.a) AS expected, count(f.a) AS found, count(*) FILTER (WHERE b.a = f.a) AS same
FROM (
    SELECT similarity, k, a, b FROM (
        SELECT c.similarity, k, f.a, f.b, row_number() OVER (
            PARTITION BY c.similarity, k, f.a ORDER BY f.value::real DESC, p.n DESC, f.b) AS rank
        FROM configuration c, brute_force(c.similarity, 1, 0) f, (VALUES (1), (3), (10)) o(k),
            (SELECT item_id, count(*) AS n FROM sample GROUP BY 1) p
        WHERE c.min_support = 1 AND c.shrinkage = 0 AND f.value > 1e-7 AND p.item_id = f.b) r
    WHERE rank <= k) b
    FULL JOIN (
        SELECT c.similarity, k, f.a, f.b FROM configuration c, (VALUES (1), (3), (10)) o(k), found(c.similarity, 1, 0, k) f
        WHERE c.min_support = 1 AND c.shrinkage = 0 AND value > 1e-7) f
        USING (similarity, k, a, b)
GROUP BY 1, 2 ORDER BY 1, 2;

-- users are the same with the roles exchanged
SELECT count(*) > 1000 AS enough, count(*) = count(f.value) AND count(*) = count(b.value) AS same_pairs,
    max(abs(b.value - f.value)) < 1e-6 AS same_values
FROM (
    SELECT x.user_id AS a, y.user_id AS b, sum(x.rating * y.rating) / (nx.norm * ny.norm) AS value
    FROM sample x JOIN sample y USING (item_id)
        JOIN (SELECT user_id, sqrt(sum(rating ^ 2)) AS norm FROM sample GROUP BY 1) nx ON nx.user_id = x.user_id
        JOIN (SELECT user_id, sqrt(sum(rating ^ 2)) AS norm FROM sample GROUP BY 1) ny ON ny.user_id = y.user_id
    WHERE x.user_id <> y.user_id AND nx.norm * ny.norm > 0
    GROUP BY x.user_id, y.user_id, nx.norm, ny.norm
    HAVING sum(x.rating * y.rating) > 1e-7) b
    FULL JOIN (
        SELECT n.user_id AS a, o.user_id AS b, w.weight AS value
        FROM user_neighbors('SELECT * FROM sample', k => 1000) n
            CROSS JOIN LATERAL svec_unnest(n.neighbors) AS w(id, weight)
            JOIN user_neighbors('SELECT * FROM sample', k => 0) o ON o.id = w.id
        WHERE w.weight > 1e-7) f USING (a, b);

-- statistics; numbers go by popularity
SELECT count(*) AS items, bool_and(n.rating_count = s.n) AS counts, max(abs(n.mean - s.mean)) < 1e-6 AS means,
    max(abs(n.norm - s.norm)) < 1e-6 AS norms, bool_and(n.rating_min = s.low AND n.rating_max = s.high) AS ranges,
    bool_and(n.id = s.id) AS numbers, min(n.user_count) AS users
FROM item_neighbors('SELECT * FROM sample', k => 0) n
    JOIN (SELECT item_id, count(*) AS n, avg(rating) AS mean, sqrt(sum(rating ^ 2)) AS norm, min(rating) AS low,
            max(rating) AS high, row_number() OVER (ORDER BY count(*) DESC, item_id) AS id
        FROM sample GROUP BY 1) s USING (item_id);

-- one epoch of the baseline by hand: items first
SELECT max(abs(n.bias - s.bias)) < 1e-9 AS biases
FROM item_neighbors('SELECT * FROM sample', k => 0, item_regularization => 4, baseline_epochs => 1) n
    JOIN (SELECT item_id, sum(rating - mean) / (4 + count(*)) AS bias
        FROM sample, (SELECT avg(rating) AS mean FROM sample) m GROUP BY 1) s USING (item_id);

-- and of users, from the items' biases
SELECT max(abs(n.bias - s.bias)) < 1e-9 AS biases
FROM user_neighbors('SELECT * FROM sample', k => 0, item_regularization => 4, user_regularization => 2,
        baseline_epochs => 1) n
    JOIN (SELECT user_id, sum(rating - m.mean - i.bias) / (2 + count(*)) AS bias
        FROM sample, (SELECT avg(rating) AS mean FROM sample) m,
            item_neighbors('SELECT * FROM sample', k => 0, item_regularization => 4, baseline_epochs => 1) i
        WHERE i.item_id = sample.item_id
        GROUP BY 1) s USING (user_id);

-- centering: the cosine of centered ratings
SELECT c.center, max(abs(f.value - e.value)) < 1e-6 AS same_values, count(*) > 500 AS enough
FROM (VALUES ('user'), ('item'), ('baseline')) c(center)
    CROSS JOIN LATERAL (
        SELECT n.item_id AS a, o.item_id AS b, w.weight AS value
        FROM item_neighbors('SELECT * FROM sample', center => c.center) n
            CROSS JOIN LATERAL svec_unnest(n.neighbors) AS w(id, weight)
            JOIN item_neighbors('SELECT * FROM sample', k => 0) o ON o.id = w.id) f
    JOIN LATERAL (
        WITH r AS (
            SELECT s.user_id, s.item_id, s.rating - CASE c.center
                WHEN 'user' THEN avg(s.rating) OVER (PARTITION BY s.user_id)
                WHEN 'item' THEN avg(s.rating) OVER (PARTITION BY s.item_id)
                ELSE avg(s.rating) OVER () + u.bias + i.bias END AS rating
            FROM sample s JOIN user_neighbors('SELECT * FROM sample', k => 0) u USING (user_id)
                JOIN item_neighbors('SELECT * FROM sample', k => 0) i USING (item_id)),
        m AS (SELECT item_id, sqrt(sum(rating ^ 2)) AS norm FROM r GROUP BY 1)
        SELECT x.item_id AS a, y.item_id AS b, sum(x.rating * y.rating) / (mx.norm * my.norm) AS value
        FROM r x JOIN r y USING (user_id) JOIN m mx ON mx.item_id = x.item_id JOIN m my ON my.item_id = y.item_id
        GROUP BY x.item_id, y.item_id, mx.norm, my.norm) e USING (a, b)
GROUP BY 1 ORDER BY 1;

-- pearson_baseline: co-rated cosine of what the baseline leaves, shrunk by n - 1
SELECT max(abs(f.value - e.value)) < 1e-6 AS same_values, count(*) > 300 AS enough, count(*) = count(e.value) AS same_pairs
FROM (
    SELECT n.item_id AS a, o.item_id AS b, w.weight AS value
    FROM item_neighbors('SELECT * FROM sample', similarity => 'pearson_baseline', shrinkage => 100) n
        CROSS JOIN LATERAL svec_unnest(n.neighbors) AS w(id, weight)
        JOIN item_neighbors('SELECT * FROM sample', k => 0) o ON o.id = w.id) f
    LEFT JOIN (
        WITH r AS (
            SELECT s.user_id, s.item_id, s.rating - avg(s.rating) OVER () - u.bias - i.bias AS rating
            FROM sample s JOIN user_neighbors('SELECT * FROM sample', k => 0) u USING (user_id)
                JOIN item_neighbors('SELECT * FROM sample', k => 0) i USING (item_id))
        SELECT x.item_id AS a, y.item_id AS b,
            (count(*) - 1.0) / (count(*) - 1 + 100) * sum(x.rating * y.rating) / sqrt(sum(x.rating ^ 2) * sum(y.rating ^ 2)) AS value
        FROM r x JOIN r y USING (user_id) GROUP BY x.item_id, y.item_id) e USING (a, b);

-- weighting: TF-IDF and BM25
SELECT c.weighting, max(abs(f.value - e.value)) < 1e-6 AS same_values, count(*) > 500 AS enough
FROM (VALUES ('tfidf'), ('bm25')) c(weighting)
    CROSS JOIN LATERAL (
        SELECT n.item_id AS a, o.item_id AS b, w.weight AS value
        FROM item_neighbors('SELECT user_id, item_id, rating + 1 FROM sample', weighting => c.weighting) n
            CROSS JOIN LATERAL svec_unnest(n.neighbors) AS w(id, weight)
            JOIN item_neighbors('SELECT * FROM sample', k => 0) o ON o.id = w.id) f
    JOIN LATERAL (
        WITH t AS (
            SELECT user_id, item_id, rating + 1 AS rating,
                ln((1.0 + (SELECT count(DISTINCT item_id) FROM sample)) / (1.0 + count(*) OVER (PARTITION BY user_id))) AS idf,
                sum(rating + 1) OVER (PARTITION BY item_id)
                    / (SELECT sum(rating + 1) / count(DISTINCT item_id) FROM sample) AS length
            FROM sample),
        r AS (
            SELECT user_id, item_id, idf * CASE c.weighting WHEN 'tfidf' THEN sqrt(rating)
                ELSE rating * 101 / (100 * (0.2 + 0.8 * length) + rating) END AS rating
            FROM t),
        m AS (SELECT item_id, sqrt(sum(rating ^ 2)) AS norm FROM r GROUP BY 1)
        SELECT x.item_id AS a, y.item_id AS b, sum(x.rating * y.rating) / (mx.norm * my.norm) AS value
        FROM r x JOIN r y USING (user_id) JOIN m mx ON mx.item_id = x.item_id JOIN m my ON my.item_id = y.item_id
        GROUP BY x.item_id, y.item_id, mx.norm, my.norm) e USING (a, b)
GROUP BY 1 ORDER BY 1;

-- the order in which ratings arrive does not matter, nor does a parallel scan
CREATE FUNCTION digest(query text) RETURNS text LANGUAGE sql AS $$
    SELECT md5(string_agg(n::text, '' ORDER BY id)) FROM item_neighbors(query, k => 10, center => 'baseline') n
$$;
SELECT count(DISTINCT digest(q)) AS results
FROM unnest(ARRAY['SELECT * FROM sample', 'SELECT * FROM sample ORDER BY rating, md5(user_id::text)',
    'SELECT * FROM sample ORDER BY item_id DESC']) q;
BEGIN;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SELECT digest('SELECT * FROM sample') = current_setting('socrec.serial') AS same
FROM set_config('socrec.serial', digest('SELECT * FROM sample ORDER BY 1, 2'), true);
COMMIT;

-- keys of any type
SELECT n.item_id, n.rating_count, svec_length(n.neighbors) AS neighbors
FROM item_neighbors_typed('SELECT user_id, chr(64 + item_id::integer), rating FROM sample WHERE item_id < 5', NULL::text) n
ORDER BY id;
SELECT n.item_id, n.rating_count
FROM item_neighbors_typed('SELECT user_id::text, lpad(item_id::text, 32, ''0'')::uuid, rating FROM sample WHERE item_id < 3',
    NULL::uuid) n ORDER BY id;
SELECT n.user_id, n.rating_count
FROM user_neighbors_typed('SELECT user_id::smallint, item_id, rating::numeric FROM sample WHERE user_id < 3', NULL::smallint) n
ORDER BY id;
SELECT pg_typeof(item_id), count(*) FROM item_neighbors_typed('SELECT user_id, item_id::integer, rating FROM sample', NULL::integer)
GROUP BY 1;

-- long keys that are stored out of line
CREATE TABLE long_keys (u integer, i text, r integer);
INSERT INTO long_keys SELECT u, repeat(md5(i::text), 500) || i, 1 FROM generate_series(1, 3) u, generate_series(1, 2) i;
SELECT count(*), sum(rating_count), min(length(item_id)) FROM item_neighbors_typed('SELECT * FROM long_keys', NULL::text);

-- a correlation of zero is no neighbor, also where the mean, 13/3, is no real
SELECT user_id, neighbors FROM user_neighbors('
    SELECT 1, i, r FROM unnest(ARRAY[4, 5, 3, 4, 5, 3, 5, 5, 5]) WITH ORDINALITY a(r, i)
    UNION ALL SELECT 2, i, r FROM unnest(ARRAY[4, 4.5, 5, 3, 4.5, 5, 5, 5, 4.5]) WITH ORDINALITY a(r, i)
    UNION ALL VALUES (1, 101, 2), (1, 102, 2), (2, 201, 2), (2, 202, 2)', similarity => 'pearson');

-- implicit feedback: two columns
SELECT id, item_id, rating_count, mean, neighbors FROM item_neighbors('VALUES (1, 1), (1, 2), (2, 1), (2, 2), (3, 1)');

-- edge cases: no rows, one row, NULLs, huge ids, zeros
SELECT * FROM item_neighbors('SELECT * FROM sample WHERE false');
SELECT * FROM item_neighbors('SELECT 1, 2, 3.5');
SELECT item_id, rating_count, neighbors
FROM item_neighbors('VALUES (1, 1, 5), (NULL, 1, 5), (2, NULL, 5), (2, 2, NULL), (2, 1, 4)');
SELECT item_id, rating_count, neighbors
FROM item_neighbors('VALUES (-9223372036854775808, 9223372036854775807, 5), (-9223372036854775808, -9223372036854775808, 5)');
SELECT item_id, norm, neighbors FROM item_neighbors('VALUES (1, 1, 0), (1, 2, 0), (2, 1, 0), (2, 2, 3)');
SELECT item_id, neighbors FROM item_neighbors('VALUES (1, 1, 1), (1, 2, -1), (2, 1, 1), (2, 2, -1)');
SELECT item_id, neighbors
FROM item_neighbors('VALUES (1, 1, 1), (1, 2, -1), (2, 1, 1), (2, 2, -1)', min_similarity => -1.0);
SELECT item_id, neighbors
FROM item_neighbors('VALUES (1, 1, 1), (1, 2, -1), (2, 1, 1), (2, 2, -0.5)', min_similarity => -1.0);

-- everything that must fail
SELECT * FROM item_neighbors('VALUES (1, 1, 5), (2, 1, 4), (1, 1, 3)');
SELECT * FROM user_neighbors('VALUES (1, 7, 5), (2, 7, 4), (1, 7, 3)');
SELECT * FROM item_neighbors('VALUES (1, 2, ''NaN''::real)');
SELECT * FROM item_neighbors('VALUES (1, 2, ''infinity''::float8)');
SELECT * FROM item_neighbors('VALUES (1, 2, 1e300::float8)');
SELECT * FROM item_neighbors('VALUES (1, 2, ''good'')');
SELECT * FROM item_neighbors('SELECT 1');
SELECT * FROM item_neighbors('SELECT 1, 2, 3, 4');
SELECT * FROM item_neighbors('SELECT 1, ''a''::text, 3');
SELECT * FROM item_neighbors_typed('SELECT 1, 70000, 3', NULL::smallint);
SELECT * FROM item_neighbors('SELECT point(1, 2), 1, 3');
SELECT * FROM item_neighbors('SELECT * FROM no_such_table');
SELECT * FROM item_neighbors('DELETE FROM sample RETURNING *');
SELECT * FROM item_neighbors('SELECT 1, 2, 3; DROP TABLE sample');
SELECT * FROM item_neighbors('SELECT * INTO copy FROM sample');
SELECT * FROM item_neighbors('');
SELECT * FROM item_neighbors('nonsense');
SELECT * FROM item_neighbors(NULL);
SELECT * FROM item_neighbors('SELECT * FROM sample', k => -1);
SELECT * FROM item_neighbors('SELECT * FROM sample', k => NULL);
SELECT * FROM item_neighbors('SELECT * FROM sample', k => 100001);
SELECT * FROM item_neighbors('SELECT * FROM sample', similarity => 'cosinus');
SELECT * FROM item_neighbors('SELECT * FROM sample', center => 'mean');
SELECT * FROM item_neighbors('SELECT * FROM sample', weighting => 'idf');
SELECT * FROM item_neighbors('SELECT * FROM sample', weighting => 'tfidf', center => 'item');
SELECT * FROM item_neighbors('SELECT * FROM sample', similarity => 'adjusted_cosine', center => 'item');
SELECT * FROM item_neighbors('SELECT * FROM sample', similarity => 'pearson_baseline', center => 'user');
SELECT * FROM item_neighbors('SELECT user_id, item_id, -1 FROM sample', weighting => 'tfidf');
SELECT * FROM item_neighbors('SELECT * FROM sample', min_support => 0);
SELECT * FROM item_neighbors('SELECT * FROM sample', shrinkage => -1);
SELECT * FROM item_neighbors('SELECT * FROM sample', shrinkage => 'NaN');
SELECT * FROM item_neighbors('SELECT * FROM sample', min_similarity => 2);
SELECT * FROM item_neighbors('SELECT * FROM sample', similarity => 'llr', min_similarity => 'infinity');
SELECT * FROM item_neighbors('SELECT * FROM sample', item_regularization => -1);
SELECT * FROM item_neighbors('SELECT * FROM sample', baseline_epochs => -1);
SELECT item_neighbors('SELECT user_id, item_id, 1 / (user_id - 100) FROM sample');
SELECT count(*) FROM sample;

DROP TABLE sample, configuration, long_keys;
DROP FUNCTION brute_force, found, digest;
