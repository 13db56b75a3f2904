-- neighbors: exact against a self-join in SQL, and everything that must fail

SET search_path = public, socrec;

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
        WHEN 'cosine' THEN p.xy / nullif(ma.norm * mb.norm, 0)
        WHEN 'corated_cosine' THEN p.xy / nullif(sqrt(p.xx * p.yy), 0)
        WHEN 'adjusted_cosine' THEN p.uxy / nullif(sqrt(p.uxx * p.uyy), 0)
        WHEN 'pearson' THEN p.pearson
        WHEN 'jaccard' THEN p.n / (ma.n + mb.n - p.n)
        WHEN 'euclidean' THEN 1 / (1 + sqrt(p.distance)) END
    FROM p JOIN m ma ON ma.item_id = p.a JOIN m mb ON mb.item_id = p.b
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
SELECT s AS similarity, min_support, shrinkage, count(b.a) = count(f.a) AND count(*) > 1000 AS same_pairs,
    max(abs(b.value - f.value)) < 1e-6 AS same_values
FROM unnest(ARRAY['cosine', 'corated_cosine', 'adjusted_cosine', 'pearson', 'jaccard', 'euclidean']) s
    CROSS JOIN (VALUES (1, 0), (5, 0), (1, 25), (4, 10)) o(min_support, shrinkage)
    CROSS JOIN LATERAL (
        SELECT * FROM brute_force(s, min_support, shrinkage) WHERE value > 1e-7) b
    FULL JOIN LATERAL (SELECT * FROM found(s, min_support, shrinkage, 100)) f
        ON f.a = b.a AND f.b = b.b
WHERE coalesce(f.value, 1) > 1e-7
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
