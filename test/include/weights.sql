-- Random ratings, the Gram matrix of them, and weights by key.

-- Random ratings in halves, of kind 1: a long tail; 2: negative ones and ties; 3: users
-- whose ratings are all alike, and users with one; 4: huge ids; 5: many items
CREATE TABLE sample (user_id bigint, item_id bigint, rating double precision, PRIMARY KEY (user_id, item_id));
CREATE FUNCTION fill_sample(kind integer, seed integer) RETURNS void
LANGUAGE sql AS $$
    TRUNCATE sample;
    INSERT INTO sample
    SELECT u * CASE kind WHEN 4 THEN 4000000000000000 ELSE 1 END, i * CASE kind WHEN 4 THEN -900000000000000 ELSE 1 END,
        CASE kind WHEN 2 THEN (h & 3) - 1.5 WHEN 3 THEN 1 + u % 4 ELSE (1 + (h & 7)) / 2.0 END
    FROM generate_series(1, 60) u, generate_series(1, CASE kind WHEN 5 THEN 1800 ELSE 15 + seed % 10 END) i,
        hashint8extended(u * 1000 + i, seed) h
    WHERE (h >> 8) & 1023 < 1500 / (i + 2) + CASE kind WHEN 5 THEN 20 ELSE 100 + u END AND NOT (kind = 3 AND u % 5 = 0 AND i <> 1 + u % 3);
$$;

-- The Gram matrix of the ratings, as they are or as ones, and weights by key.
CREATE FUNCTION gram(binarize boolean) RETURNS TABLE (a bigint, b bigint, value double precision)
LANGUAGE sql AS $$
    SELECT x.item_id, y.item_id, sum(CASE WHEN binarize THEN 1 ELSE x.rating * y.rating END)
    FROM sample x JOIN sample y USING (user_id) GROUP BY 1, 2
$$;
CREATE FUNCTION weights(method text, options jsonb, OUT a bigint, OUT b bigint, OUT value double precision) RETURNS SETOF record
LANGUAGE sql AS $$
    WITH w AS MATERIALIZED (SELECT * FROM item_weights('TABLE sample', method, options))
    SELECT w.item_id, o.item_id, n.weight FROM w CROSS JOIN LATERAL svec_unnest(w.neighbors) n JOIN w o ON o.id = n.id
$$;

-- Whether explain adds up, similar items are the largest weights
CREATE FUNCTION check_model(method text, options jsonb) RETURNS TABLE (explained boolean, similar_items boolean)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM create_model('fitted', 'sample', method => method, options => options || '{"holdout": 0}');
    RETURN QUERY EXECUTE 'SELECT (SELECT count(*) > 0 AND bool_and(abs(r.score - s.sum) < 1e-9)
            FROM fitted.recommend(2, 100) r, LATERAL (SELECT sum(e.contribution) FROM fitted.explain(2, r.item_id) e) s),
        (SELECT string_agg(item_id::text, '','' ORDER BY rank) FROM fitted.similar_items(3, 3)) = (
            SELECT string_agg(o.item_id::text, '','' ORDER BY n.weight DESC) FROM (
                SELECT n.* FROM fitted.item i, svec_unnest(i.neighbors) n WHERE i.item_id = 3 ORDER BY n.weight DESC LIMIT 3) n
                JOIN fitted.item o ON o.id = n.id)';
    PERFORM drop_model('fitted');
END
$$;
