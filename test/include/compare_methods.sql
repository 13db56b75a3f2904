-- Visits of pages, and functions that compare what a method says of them in two ways:
-- compare_methods, of a model and of a fit in memory; compare_stored, of a model one by one
-- and all at once.  What differs is in table difference.

-- 40 users, 25 items, a long tail, ratings in halves; users and items by text
CREATE TABLE visit (member text, page text, stars double precision, PRIMARY KEY (member, page));
INSERT INTO visit
SELECT 'm' || u, 'p' || i, (1 + (hashint4extended(u * 1000 + i, 7) & 7))::double precision / 2
FROM generate_series(1, 40) u, generate_series(1, 25) i
WHERE (hashint4extended(u * 1000 + i, 3) & 1023) < 1400 / (i + 2) + 150;
-- one rating, all items but one, and items and users that are alike
INSERT INTO visit SELECT 'one', 'p1', 4;
INSERT INTO visit SELECT 'most', 'p' || i, 1 + i % 4 FROM generate_series(1, 24) i;
INSERT INTO visit SELECT 'twin', page, stars FROM visit WHERE member = 'm7';

-- Users and items that are asked for: all, and one of each that is unknown.
CREATE VIEW pair AS
SELECT m.member, p.page
FROM (SELECT DISTINCT member FROM visit UNION ALL SELECT 'nobody') m,
    (SELECT DISTINCT page FROM visit UNION ALL SELECT 'nothing') p;

CREATE TABLE difference (method text, explicit boolean, options jsonb, listed bigint, lists bigint, predicted bigint, predictions bigint,
    sources text);

-- Both sides of everything that a model says, and how often they differ.
-- Similarities are single precision and sums run in any order, so values agree to
-- 1e-5; items of one rank may differ where scores are equal.
CREATE FUNCTION compare_methods(method text, explicit boolean, given jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    query text := CASE WHEN explicit THEN 'SELECT member, page, stars FROM visit' ELSE 'SELECT member, page FROM visit' END;
BEGIN
    PERFORM create_model('stored', 'visit', 'member', 'page', CASE WHEN explicit THEN 'stars' END, method, given || '{"holdout": 0}');
    CREATE TEMPORARY TABLE a ON COMMIT DROP AS
        SELECT v.member, r.* FROM (SELECT DISTINCT v.member FROM visit v) v CROSS JOIN LATERAL stored.recommend(v.member, 100) r;
    CREATE TEMPORARY TABLE b ON COMMIT DROP AS
        SELECT * FROM batch_recommend(query, NULL::text, NULL::text, method, given, 100);
    CREATE TEMPORARY TABLE c ON COMMIT DROP AS
        SELECT p.member, s.page, s.prediction, s.source, s.support
        FROM (SELECT p.member, array_agg(p.page) AS pages FROM pair p GROUP BY 1) p
            CROSS JOIN LATERAL stored.predictions(p.member, p.pages, true) s;
    CREATE TEMPORARY TABLE d ON COMMIT DROP AS
        SELECT * FROM batch_predict(query, 'SELECT member, page FROM pair', NULL::text, NULL::text, method, given);
    INSERT INTO difference SELECT method, explicit, given,
        (SELECT count(*) FROM a),
        (SELECT count(*) FROM a FULL JOIN b ON b.user_id = a.member AND b.item_id = a.page
            WHERE (abs(a.score - b.score) < 1e-5 * (1 + abs(a.score)) AND a.source = b.source) IS NOT TRUE)
        + (SELECT count(*) FROM a FULL JOIN b ON b.user_id = a.member AND b.rank = a.rank
            WHERE (abs(a.score - b.score) < 1e-5 * (1 + abs(a.score)) AND a.source = b.source
                AND (a.page = b.item_id OR abs(a.score - b.score) < 1e-9 * (1 + abs(a.score)))) IS NOT TRUE),
        (SELECT count(*) FROM c),
        (SELECT count(*) FROM c FULL JOIN d ON d.user_id = c.member AND d.item_id = c.page
            WHERE (abs(c.prediction - d.prediction) < 1e-5 AND c.source = d.source AND c.support = d.support) IS NOT TRUE),
        (SELECT string_agg(DISTINCT d.source, ', ') FROM d);
    DROP TABLE a, b, c, d;
    PERFORM drop_model('stored');
END
$$;

-- By a model as it is stored: what it says of each user, from ratings that have
-- changed since its fit.  Users and items have come and gone, and ratings of both.
-- (Of users who have gone a model of user_knn still has the neighbors, a batch not.)
CREATE FUNCTION compare_stored(method text, explicit boolean, given jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    CREATE TABLE live AS SELECT * FROM visit WHERE member NOT IN ('m1', 'm2') AND page <> 'p3' AND NOT (member = 'm5' AND page < 'p2');
    PERFORM create_model('stored', 'live', 'member', 'page', CASE WHEN explicit THEN 'stars' END, method, given || '{"holdout": 0.1}');
    DELETE FROM live WHERE member IN ('m8', 'm9') OR page = 'p24' OR member = 'm10' AND page > 'p2';
    INSERT INTO live SELECT * FROM visit WHERE member IN ('m1', 'm5') AND page <> 'p24' ON CONFLICT DO NOTHING;
    INSERT INTO live SELECT member, 'p3', 5 FROM generate_series(20, 30) n, LATERAL (SELECT 'm' || n AS member) m;
    INSERT INTO live VALUES ('newcomer', 'p1', 5), ('newcomer', 'p7', 1), ('stranger', 'p3', 4);
    DELETE FROM live a USING live b WHERE (a.member, a.page) = (b.member, b.page) AND a.ctid < b.ctid;
    CREATE TEMPORARY TABLE a ON COMMIT DROP AS
        SELECT v.member, r.* FROM (SELECT DISTINCT v.member FROM live v) v CROSS JOIN LATERAL stored.recommend(v.member, 100) r;
    CREATE TEMPORARY TABLE b ON COMMIT DROP AS SELECT * FROM stored.recommend_all(100);
    CREATE TEMPORARY TABLE c ON COMMIT DROP AS
        SELECT p.member, s.page, s.prediction, s.source, s.support
        FROM (SELECT p.member, array_agg(p.page) AS pages FROM pair p WHERE p.member NOT IN ('m8', 'm9') GROUP BY 1) p
            CROSS JOIN LATERAL stored.predictions(p.member, p.pages, true) s;
    CREATE TEMPORARY TABLE d ON COMMIT DROP AS
        SELECT p.* FROM model m, fit_and_predict('SELECT member, page' || CASE WHEN explicit THEN ', rating' ELSE '' END || ' FROM stored.rating WHERE NOT held_out',
            'SELECT member, page FROM pair WHERE member NOT IN (''m8'', ''m9'')', NULL::text, NULL::text, m.method, m.options, stored_queries(m)) p WHERE m.name = 'stored';
    INSERT INTO difference SELECT method, explicit, given,
        (SELECT count(*) FROM a),
        (SELECT count(*) FROM a FULL JOIN b USING (member, page)
            WHERE (abs(a.score - b.score) < 1e-6 * (1 + abs(a.score)) AND a.source = b.source) IS NOT TRUE)
        + (SELECT count(*) FROM a FULL JOIN b USING (member, rank)
            WHERE (abs(a.score - b.score) < 1e-6 * (1 + abs(a.score)) AND a.source = b.source
                AND (a.page = b.page OR abs(a.score - b.score) < 1e-9 * (1 + abs(a.score)))) IS NOT TRUE),
        (SELECT count(*) FROM c),
        (SELECT count(*) FROM c FULL JOIN d ON d.user_id = c.member AND d.item_id = c.page
            WHERE (abs(c.prediction - d.prediction) < 1e-6 AND c.source = d.source AND c.support = d.support) IS NOT TRUE),
        (SELECT string_agg(DISTINCT d.source, ', ') FROM d);
    DROP TABLE a, b, c, d;
    PERFORM drop_model('stored');
    DROP TABLE live;
END
$$;

-- What the table says.
CREATE VIEW differences AS
SELECT method, explicit, count(*) AS configurations, sum(listed) AS listed, sum(lists) AS lists_differ, sum(predicted) AS predicted,
    sum(predictions) AS predictions_differ
FROM difference GROUP BY 1, 2 ORDER BY 1, 2;
