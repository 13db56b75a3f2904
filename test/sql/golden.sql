-- golden: one example worked by hand, through the public functions
--
-- Six ratings of three users for three items.  The expected figures were
-- computed with pencil and pocket calculator; see docs/prediction.md.

SET search_path = public, socrec;
SET extra_float_digits = 0;
SET jit = off; -- small tables without statistics would be compiled for

CREATE TABLE golden (user_id integer, item_id integer, rating real, PRIMARY KEY (user_id, item_id));
INSERT INTO golden VALUES (1, 1, 5), (1, 2, 4), (1, 3, 5), (2, 1, 3), (2, 3, 4), (3, 2, 5);

-- cosine of users and of items over the full vectors: a self-join in which an
-- absent rating is NULL
SELECT p.a, p.b, round(coalesce(cosine_similarity(x.rating, y.rating), 0)::numeric, 9) AS cosine
FROM (VALUES (1, 2), (1, 3), (2, 3)) p(a, b)
    CROSS JOIN (SELECT DISTINCT item_id FROM golden) i
    LEFT JOIN golden x ON x.user_id = p.a AND x.item_id = i.item_id
    LEFT JOIN golden y ON y.user_id = p.b AND y.item_id = i.item_id
GROUP BY p.a, p.b ORDER BY p.a, p.b;

SELECT p.a, p.b, round(cosine_similarity(x.rating, y.rating)::numeric, 9) AS cosine
FROM (VALUES (1, 2), (1, 3), (2, 3)) p(a, b)
    CROSS JOIN (SELECT DISTINCT user_id FROM golden) u
    LEFT JOIN golden x ON x.item_id = p.a AND x.user_id = u.user_id
    LEFT JOIN golden y ON y.item_id = p.b AND y.user_id = u.user_id
GROUP BY p.a, p.b ORDER BY p.a, p.b;

-- the same as neighbor rows, keyed by the items' and users' own numbers
CREATE FUNCTION pairs(kind text) RETURNS TABLE (a integer, b integer, weight real)
LANGUAGE sql AS $$
    WITH n AS (
        SELECT id, item_id AS key, neighbors FROM item_neighbors_typed('SELECT * FROM golden', NULL::integer)
        WHERE kind = 'item'
        UNION ALL
        SELECT id, user_id, neighbors FROM user_neighbors_typed('SELECT * FROM golden', NULL::integer)
        WHERE kind = 'user')
    SELECT n.key, o.key, w.weight
    FROM n CROSS JOIN LATERAL svec_unnest(n.neighbors) AS w(id, weight) JOIN n o ON o.id = w.id
$$;

SELECT a, b, round(weight::numeric, 6) AS cosine FROM pairs('user') ORDER BY a, b;
SELECT a, b, round(weight::numeric, 6) AS cosine FROM pairs('item') ORDER BY a, b;

-- item-based prediction without the item's own rating
SELECT u.user_id, i.item_id, round(cf_predict(w.weight, r.rating)::numeric, 6) AS prediction
FROM (SELECT DISTINCT user_id FROM golden) u CROSS JOIN (SELECT DISTINCT item_id FROM golden) i
    LEFT JOIN pairs('item') w ON w.a = i.item_id
    LEFT JOIN golden r ON r.user_id = u.user_id AND r.item_id = w.b
GROUP BY u.user_id, i.item_id ORDER BY u.user_id, i.item_id;

-- user-based prediction, and the plain weighted sum
SELECT u.user_id, i.item_id, round(cf_predict(w.weight, r.rating)::numeric, 6) AS prediction,
    round(weighted_sum(w.weight, r.rating)::numeric, 6) AS weighted_sum
FROM (SELECT DISTINCT user_id FROM golden) u CROSS JOIN (SELECT DISTINCT item_id FROM golden) i
    LEFT JOIN pairs('user') w ON w.a = u.user_id
    LEFT JOIN golden r ON r.user_id = w.b AND r.item_id = i.item_id
GROUP BY u.user_id, i.item_id ORDER BY u.user_id, i.item_id;

-- all of it again through models
SELECT name, method, rating_count, user_count, item_count
FROM create_model('golden_items', 'golden', method => 'item_knn', options => '{"center": "none", "shrinkage": 0}');
SELECT name, method, rating_count, user_count, item_count
FROM create_model('golden_users', 'golden', method => 'user_knn', options => '{"center": "none", "shrinkage": 0}');

SELECT u.user_id, i.item_id, round(p.prediction::numeric, 6) AS by_items, p.source, p.support,
    round(q.prediction::numeric, 6) AS by_users, q.source, q.support
FROM (SELECT DISTINCT user_id FROM golden) u CROSS JOIN (SELECT DISTINCT item_id FROM golden) i
    CROSS JOIN LATERAL golden_items.prediction(u.user_id, i.item_id) p
    CROSS JOIN LATERAL golden_users.prediction(u.user_id, i.item_id) q
ORDER BY u.user_id, i.item_id;

SELECT user_id, rank, item_id, round(score::numeric, 6) AS score, source, support
FROM golden_items.recommendations ORDER BY user_id, rank;
SELECT user_id, rank, item_id, round(score::numeric, 6) AS score, source, support
FROM golden_users.recommendations ORDER BY user_id, rank;

-- the squared error of given predictions
SELECT sse(actual, predicted), round(mse(actual, predicted)::numeric, 6) AS mse,
    round(rmse(actual, predicted)::numeric, 6) AS rmse, round(mae(actual, predicted)::numeric, 6) AS mae
FROM (VALUES (5, 4.5), (4, 4.0), (5, 5.0), (3, 3.0), (4, 4.0), (5, 4.5)) p(actual, predicted);

SELECT drop_model('golden_items'), drop_model('golden_users');
DROP FUNCTION pairs;
DROP TABLE golden;
