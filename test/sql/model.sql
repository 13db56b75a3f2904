-- model: create, use, refit, drop

SET search_path = public, socrec;
SET extra_float_digits = 0;
SET jit = off; -- small tables without statistics would be compiled for
SET client_min_messages = warning;
\set SHOW_CONTEXT never

-- Two circles of users, each with its own 10 items, and items 21 to 25 for all.
CREATE TABLE visit (member integer NOT NULL, page text NOT NULL, stars numeric, PRIMARY KEY (member, page));
INSERT INTO visit
SELECT u, 'p' || i, 1 + (hashint4extended(u * 100 + i, 1) & 3) + CASE WHEN i > 20 THEN 1 ELSE 0 END
FROM generate_series(1, 60) u, generate_series(1, 25) i
WHERE (i > 20 OR (i > 10) = (u > 30)) AND (hashint4extended(u * 100 + i, 2) & 7) < 5;
SELECT count(*) FROM visit;

SELECT name, source, user_column, item_column, rating_column, method, options,
    rating_count, user_count, item_count, fitted_at IS NOT NULL AS fitted, fit_duration > '0' AS took_time
FROM create_model('pages', 'visit', 'member', 'page', 'stars', options => '{"shrinkage": 5, "holdout": 0.2, "seed": 3}');

-- native types, and comments for whoever looks
SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema = 'pages' ORDER BY table_name, ordinal_position;
SELECT p.oid::regprocedure, p.provolatile, p.proparallel, p.prosecdef, obj_description(p.oid, 'pg_proc')
FROM pg_proc p WHERE p.pronamespace = 'pages'::regnamespace ORDER BY p.proname;
SELECT c.relname, c.relkind, obj_description(c.oid, 'pg_class'), has_table_privilege('public', c.oid, 'SELECT') AS readable
FROM pg_class c WHERE c.relnamespace = 'pages'::regnamespace AND c.relkind IN ('r', 'v') ORDER BY 1;

-- recommendations stay in the user's circle, are not seen already, and are ranked
SELECT count(*) AS n, avg((i > 20 OR (i > 10) = (u > 30))::integer) > 0.8 AS in_circle, bool_and(r.source = 'item_knn') AS by_neighbors,
    bool_and(NOT EXISTS (SELECT FROM visit v WHERE v.member = u AND v.page = r.page)) AS unseen
FROM generate_series(1, 60) u CROSS JOIN LATERAL pages.recommend(u, 3) r
    CROSS JOIN LATERAL (SELECT substr(r.page, 2)::integer AS i) x;
SELECT array_agg(rank ORDER BY score DESC) AS ranks FROM pages.recommend(7, 4);

-- the same from the view, which computes one user when asked for one
SELECT (SELECT array_agg(r ORDER BY rank) FROM (SELECT rank, page, score, source, support FROM pages.recommendations WHERE member = 7) r)::text
    = (SELECT array_agg(r ORDER BY rank) FROM pages.recommend(7) r)::text AS same;
CREATE FUNCTION plan_has(query text, pattern text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        IF line ~ pattern THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END
$$;
SET enable_seqscan = off;
SELECT plan_has('SELECT * FROM pages.recommendations WHERE member = 7', 'Index Cond: .*member = 7') AS pushed_down,
    plan_has('SELECT * FROM pages.recommend(7)', 'Function Scan on recommend') AS not_inlined;
RESET enable_seqscan;

-- options of recommend
SELECT count(*) FROM pages.recommend(7, 3);
SELECT count(*) > 0 AS seen_too FROM pages.recommend(7, 20, exclude_seen => false) r JOIN visit v ON v.member = 7 AND v.page = r.page;
SELECT min(support) >= 3 AS supported FROM pages.recommend(7, 20, min_support => 3) WHERE source = 'item_knn';
SELECT count(*) FROM pages.recommend(7, 0);
SELECT * FROM pages.recommend(7, -1);

-- a rating counts the moment that it is there, also for a new user
SELECT source, count(*) FROM pages.recommend(1000) GROUP BY 1;
INSERT INTO visit VALUES (1000, 'p1', 5), (1000, 'p2', 5);
SELECT bool_and(r.source = 'item_knn') AS by_neighbors, bool_and(r.page NOT IN ('p1', 'p2')) AS unseen
FROM pages.recommend(1000, 5) r;
DELETE FROM visit WHERE member = 1000;
SELECT source, count(*) FROM pages.recommend(1000) GROUP BY 1;
-- everything seen: nothing left
INSERT INTO visit SELECT 1001, 'p' || i, 3 FROM generate_series(1, 25) i;
SELECT * FROM pages.recommend(1001);
DELETE FROM visit WHERE member = 1001;

-- explain: the parts add up to the score, whatever the source
SELECT count(*) AS recommended, max(abs(r.score - e.total)) < 1e-9 AS add_up
FROM generate_series(1, 62) u CROSS JOIN LATERAL pages.recommend(u, 25) r
    CROSS JOIN LATERAL (SELECT sum(contribution) AS total FROM pages.explain(u, r.page)) e;
SELECT reason, count(*), bool_and(v.stars = e.rating) AS ratings
FROM pages.recommend(7, 1) r CROSS JOIN LATERAL pages.explain(7, r.page) e LEFT JOIN visit v ON v.member = 7 AND v.page = e.page
GROUP BY 1;

-- prediction and its fallbacks
SELECT p.source, p.support > 0 AS supported, p.prediction BETWEEN 1 AND 5 AS in_range, p.prediction = pages.predict(7, 'p3') AS same
FROM pages.prediction(7, 'p3') p;
SELECT 'unknown item' AS what, source, support > 0 AS supported, abs(prediction - (
    SELECT rating_mean FROM pages.fit)) < 1.5 AS near_mean FROM pages.prediction(7, 'nowhere');
SELECT 'unknown user' AS what, source, support, abs(p.prediction - (
    SELECT f.rating_mean + i.bias FROM pages.fit f, pages.item i WHERE i.page = 'p3')) < 1e-12 AS exact FROM pages.prediction(-1, 'p3') p;
SELECT 'both unknown' AS what, source, support, p.prediction = (SELECT rating_mean FROM pages.fit) AS exact FROM pages.prediction(-1, 'nowhere') p;
SELECT 'null' AS what, source, support FROM pages.prediction(NULL, NULL) p;
-- the rating that is asked for does not help to predict itself
SELECT a.prediction = b.prediction AS same
FROM pages.prediction(7, 'p1') a, LATERAL (SELECT 1) x, pages.prediction(7, 'p1') b;
BEGIN;
CREATE TEMPORARY TABLE before AS SELECT v.page, p.prediction FROM visit v, pages.prediction(7, v.page) p WHERE v.member = 7;
UPDATE visit SET stars = 6 - stars WHERE member = 7 AND page = (SELECT min(page) FROM before);
SELECT b.prediction = p.prediction AS same, b.page = (SELECT min(page) FROM before) AS asked_for
FROM before b, pages.prediction(7, b.page) p ORDER BY 2 DESC, 1 LIMIT 2;
ROLLBACK;

-- similar items and users
SELECT count(*) AS n, bool_and(similarity BETWEEN 0 AND 1) AS in_range, bool_and(page <> 'p3') AS others,
    array_agg(rank ORDER BY similarity DESC, rank) = ARRAY[1, 2, 3] AS ranked
FROM pages.similar_items('p3', 3);
SELECT s.rank, s.member, abs(s.similarity - b.cosine) < 1e-9 AS exact
FROM pages.similar_users(7, 3) s JOIN (
    SELECT y.member, row_number() OVER (ORDER BY sum(x.stars * y.stars) / sqrt(nx.n * ny.n) DESC, y.member) AS rank,
        sum(x.stars * y.stars) / sqrt(nx.n * ny.n) AS cosine
    FROM visit x JOIN visit y USING (page)
        JOIN (SELECT member, sum(stars ^ 2) AS n FROM visit GROUP BY 1) nx ON nx.member = x.member
        JOIN (SELECT member, sum(stars ^ 2) AS n FROM visit GROUP BY 1) ny ON ny.member = y.member
    WHERE x.member = 7 AND y.member <> 7 GROUP BY y.member, nx.n, ny.n) b USING (rank, member)
ORDER BY 1;
SELECT * FROM pages.similar_items('nowhere');
SELECT * FROM pages.similar_users(-1);

-- the holdout: chosen by the pair, unseen by the model, measured by the views
SELECT count(*) FILTER (WHERE held_out) BETWEEN 90 AND 140 AS a_fifth,
    count(*) FILTER (WHERE NOT held_out) = (SELECT rating_count FROM pages.fit) AS rest_fitted,
    sum(rating) FILTER (WHERE NOT held_out) = (SELECT round(sum(mean * rating_count)::numeric, 6) FROM pages.item) AS only_rest
FROM pages.rating;
SELECT e.n = (SELECT count(*) FROM pages.rating WHERE held_out) AS all_of_them, e.sse > 0 AS error,
    abs(e.sse - d.sse) < 1e-9 AS sse, abs(e.mse - d.sse / e.n) < 1e-12 AS mse, abs(e.rmse - sqrt(d.sse / e.n)) < 1e-12 AS rmse,
    abs(e.mae - d.mae) < 1e-12 AS mae, abs(e.coverage - d.coverage) < 1e-12 AS coverage
FROM pages.evaluation e, (
    SELECT sum((actual - predicted) ^ 2) AS sse, avg(abs(actual - predicted)) AS mae,
        avg((source = 'item_knn')::integer) AS coverage FROM pages.prediction_error) d;
-- what is held out does not reach the predictions that are measured
BEGIN;
CREATE TEMPORARY TABLE before AS SELECT * FROM pages.prediction_error;
UPDATE visit v SET stars = 6 - stars FROM pages.rating r WHERE r.held_out AND r.member = v.member AND r.page = v.page;
SELECT count(*) = count(b.member) AS same_rows, bool_and(e.predicted = b.predicted) AS same_predictions,
    bool_and(e.actual = 6 - b.actual) AS other_actuals
FROM pages.prediction_error e FULL JOIN before b USING (member, page);
ROLLBACK;

-- refit: what has changed is learned, what is dropped is forgotten
SELECT name, owner = current_user AS own, method, rating_count = current_rating_count AS fresh, staleness, size_bytes > 0 AS has_size
FROM models;
INSERT INTO visit SELECT u, 'new', 5 FROM generate_series(1, 30) u;
SELECT name, round(staleness::numeric, 3) AS staleness FROM models;
SELECT count(*) FROM pages.similar_items('new');
CALL refit('pages');
SELECT count(*) FROM pages.similar_items('new');
SELECT name, rating_count = current_rating_count AS fresh, staleness FROM models;
CALL refit('nowhere');
CALL refit(NULL);
-- a source that has become wrong leaves the model as it was
BEGIN;
ALTER TABLE visit DROP CONSTRAINT visit_pkey;
INSERT INTO visit SELECT * FROM visit WHERE member = 7;
SAVEPOINT s;
CALL refit('pages');
ROLLBACK TO s;
SELECT count(*) FROM pages.item;
ROLLBACK;
-- an empty source makes an empty model that works
BEGIN;
DELETE FROM visit;
CALL refit('pages');
SELECT rating_count, user_count, item_count FROM model;
SELECT * FROM pages.recommend(7);
SELECT * FROM pages.prediction(7, 'p3');
SELECT * FROM pages.evaluation;
SELECT * FROM pages.explain(7, 'p3');
ROLLBACK;

-- every method has every function
CREATE TABLE method_result (method text, implicit boolean, recommended bigint, sources text, predicted boolean, items bigint, users bigint,
    explained boolean, evaluated boolean);
DO $$
DECLARE
    m text;
    implicit boolean;
BEGIN
    FOREACH m IN ARRAY ARRAY['item_knn', 'user_knn', 'popular', 'baseline'] LOOP
        FOREACH implicit IN ARRAY ARRAY[false, true] LOOP
            CONTINUE WHEN m = 'baseline' AND implicit;
            PERFORM create_model('any', 'visit', 'member', 'page', CASE WHEN NOT implicit THEN 'stars' END, m, '{"holdout": 0.2}');
            INSERT INTO method_result SELECT m, implicit,
                (SELECT count(*) FROM "any".recommendations),
                (SELECT string_agg(DISTINCT r.source, ', ') FROM "any".recommendations r),
                (SELECT bool_and(prediction BETWEEN CASE WHEN implicit THEN 0 ELSE 1 END AND CASE WHEN implicit THEN 1 ELSE 5 END)
                    FROM generate_series(1, 60) u, generate_series(1, 26) i, "any".prediction(u, 'p' || i)),
                (SELECT count(*) FROM "any".similar_items('p3', 4)),
                (SELECT count(*) FROM "any".similar_users(7, 4)),
                (SELECT bool_and(abs(r.score - e.total) < 1e-9) FROM "any".recommendations r,
                    LATERAL (SELECT sum(contribution) AS total FROM "any".explain(r.member, r.page)) e),
                (SELECT rmse > 0 AND n > 0 FROM "any".evaluation);
            PERFORM drop_model('any');
        END LOOP;
    END LOOP;
END
$$;
SELECT * FROM method_result ORDER BY method, implicit;

-- repeated events are one interest, with a unique index or without
CREATE TABLE event (u integer, i integer);
INSERT INTO event SELECT u, i FROM generate_series(1, 5) u, generate_series(1, 5) i, generate_series(1, 2) WHERE (u + i) % 3 > 0;
SELECT rating_count FROM create_model('events', 'event', 'u', 'i', NULL);
SELECT pg_get_viewdef('events.rating') ~ 'DISTINCT' AS merged;
SELECT drop_model('events');
CREATE TABLE interest AS SELECT DISTINCT u, i FROM event;
CREATE UNIQUE INDEX ON interest (i, u);
SELECT rating_count FROM create_model('events', 'interest', 'u', 'i', NULL);
SELECT pg_get_viewdef('events.rating') ~ 'DISTINCT' AS merged;
SELECT drop_model('events');

-- names that a template might use itself; padded and collated keys
CREATE TABLE shop (weight char(4), product varchar(8) COLLATE "C", amount smallint, PRIMARY KEY (weight, product));
INSERT INTO shop SELECT 'k' || u, 'i' || i, 1 + (u * i) % 5 FROM generate_series(1, 9) u, generate_series(1, 9) i WHERE (u + i) % 4 > 0;
DO $$
DECLARE
    m text;
BEGIN
    FOREACH m IN ARRAY ARRAY['item_knn', 'user_knn', 'popular', 'baseline'] LOOP
        PERFORM create_model('shopping', 'shop', 'weight', 'product', 'amount', m, '{"holdout": 0.2}');
        PERFORM * FROM shopping.recommendations r, shopping.explain(r.weight, r.product), shopping.similar_items(r.product), shopping.similar_users(r.weight),
            shopping.prediction_error;
        IF NOT FOUND THEN
            RAISE 'nothing from %', m;
        END IF;
        IF (SELECT attcollation FROM pg_attribute WHERE attrelid = 'shopping.item'::regclass AND attname = 'product') <> '"C"'::regcollation THEN
            RAISE 'collation lost';
        END IF;
        PERFORM drop_model('shopping');
    END LOOP;
END
$$;

-- a query as source; uuid keys; a domain
CREATE DOMAIN member_name AS text CHECK (value <> '');
SELECT rating_count, user_count, item_count
FROM create_model('by_query', 'SELECT member::text::member_name AS who, md5(page)::uuid AS what, avg(stars) AS stars
    FROM visit GROUP BY 1, 2 -- one row a pair;', 'who', 'what', 'stars');
SELECT pg_typeof(member_name), pg_typeof(what), count(*) FROM (
    SELECT s.who AS member_name, r.what FROM by_query.similar_users('7') s, by_query.recommend(s.who) r) x GROUP BY 1, 2;
SELECT drop_model('by_query');

-- hostile names
CREATE SCHEMA "a.b";
CREATE TABLE "a.b"."Robert'); DROP TABLE visit;--" ("%1$I {u}" bigint, "i""%s' $$ %L" integer, "r %I" real);
INSERT INTO "a.b"."Robert'); DROP TABLE visit;--" SELECT u, i, 1 + (u + i) % 5 FROM generate_series(1, 20) u, generate_series(1, 9) i
WHERE (u + i) % 3 > 0;
SELECT rating_count FROM create_model('x"; DROP TABLE visit; -- %s {0}', '"a.b"."Robert''); DROP TABLE visit;--"',
    '%1$I {u}', 'i"%s'' $$ %L', 'r %I', 'user_knn');
SELECT count(*) FROM "x""; DROP TABLE visit; -- %s {0}".recommend(1, 3);
SELECT "i""%s' $$ %L" FROM "x""; DROP TABLE visit; -- %s {0}".recommend(1, 1) LIMIT 1;
CALL refit('x"; DROP TABLE visit; -- %s {0}');
SELECT drop_model('x"; DROP TABLE visit; -- %s {0}');
DROP SCHEMA "a.b" CASCADE;
SELECT count(*) > 300 AS still_there FROM visit;

-- user_knn stores users, and forgets them
SELECT rating_count > 0 AS fitted FROM create_model('people', 'visit', 'member', 'page', 'stars', 'user_knn');
SELECT count(*) FROM people.similar_users(7, 3);
SELECT count(*) FROM people.user_neighbor WHERE member = 7;
SELECT people.forget_user(7);
SELECT count(*) FROM people.user_neighbor WHERE member = 7;
SELECT count(*) FROM people.similar_users(7, 3);
SELECT DISTINCT source FROM people.recommend(7);

-- what must fail, and leave nothing behind
SELECT create_model('bad', 'nowhere');
SELECT create_model('bad', NULL);
SELECT create_model(NULL, 'visit');
SELECT create_model('', 'visit');
SELECT create_model(repeat('x', 64), 'visit');
SELECT create_model('bad', 'visit', 'member', 'nothing', 'stars');
SELECT create_model('bad', 'visit', 'member', 'page', 'page');
SELECT create_model('bad', 'visit', 'page', 'page', 'stars');
SELECT create_model('bad', 'SELECT member AS rank, page, stars FROM visit', 'rank', 'page', 'stars');
SELECT create_model('bad', 'visit', 'member', 'page', 'stars', 'magic');
SELECT create_model('bad', 'visit', 'member', 'page', NULL, 'baseline');
SELECT create_model('bad', 'visit', 'member', 'page', 'stars', options => '{"kk": 5}');
SELECT create_model('bad', 'visit', 'member', 'page', 'stars', options => '{"k": "5"}');
SELECT create_model('bad', 'visit', 'member', 'page', 'stars', options => '[1]');
SELECT create_model('bad', 'visit', 'member', 'page', 'stars', options => '{"holdout": 0.95}');
SELECT create_model('bad', 'visit', 'member', 'page', 'stars', options => '{"holdout": null}');
SELECT create_model('bad', 'visit', 'member', 'page', 'stars', options => '{"similarity": "near"}');
SELECT create_model('bad', 'visit', 'member', 'page', 'stars', options => '{"center": "middle"}');
SELECT create_model('bad', 'visit', 'member', 'page', 'stars', options => '{"center": "none", "weighting": "heavy"}');
SELECT create_model('bad', 'visit', 'member', 'page', 'stars', options => '{"k": 1.5}');
SELECT create_model('bad', 'visit', 'member', 'page', 'stars', options => '{"min_support": 3000000000}');
SELECT create_model('bad', 'SELECT 1 AS user_id) x; DROP TABLE visit; SELECT (1');
SELECT create_model('bad', 'SELECT * FROM visit; DROP TABLE visit');
SELECT create_model('bad', 'DELETE FROM visit RETURNING *');
SELECT create_model('pages', 'visit', 'member', 'page', 'stars');
SELECT nspname FROM pg_namespace WHERE nspname IN ('bad', '');
SELECT name FROM model ORDER BY 1;

-- drop: what others have built on it stops it
CREATE VIEW on_top AS SELECT * FROM pages.item;
SELECT drop_model('pages');
SELECT count(*) > 0 AS still_there FROM pages.item;
SELECT drop_model('pages', "cascade" => true);
SELECT to_regclass('on_top') IS NULL AS gone;
CREATE FUNCTION people.mine() RETURNS integer LANGUAGE sql RETURN 1;
SELECT drop_model('people');
DROP FUNCTION people.mine();
SELECT drop_model('people');
SELECT drop_model('people');
SELECT drop_model(NULL);
-- a schema dropped by hand leaves a row that shows nowhere and is in nobody's way
SELECT rating_count > 0 AS fitted FROM create_model('again', 'visit', 'member', 'page', 'stars');
DROP SCHEMA again CASCADE;
SELECT count(*) FROM models;
CALL refit('again');
SELECT rating_count > 0 AS fitted FROM create_model('again', 'visit', 'member', 'page', 'stars');
DROP SCHEMA again CASCADE;
SELECT drop_model('again');
-- so does a source dropped with all that was built on it, and what is left can be dropped
CREATE TABLE short_lived AS SELECT * FROM visit;
SELECT rating_count > 0 AS fitted FROM create_model('again', 'short_lived', 'member', 'page', 'stars');
DROP TABLE short_lived CASCADE;
CALL refit('again');
SELECT drop_model('again');
SELECT count(*) FROM model;
SELECT nspname FROM pg_namespace WHERE nspname IN ('pages', 'people', 'again', 'any');

DROP TABLE visit, event, interest, method_result, shop;
DROP DOMAIN member_name;
DROP FUNCTION plan_has;
