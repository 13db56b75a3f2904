-- refresh: a model follows the changes of its ratings

SET search_path = public, socrec;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\set VERBOSITY terse

CREATE TABLE visit (member integer, page text, stars real, PRIMARY KEY (member, page));
INSERT INTO visit
SELECT u, 'p' || i, 1 + (hashint8extended(u * 100 + i, 5) & 3) + CASE WHEN u % 3 = i % 3 THEN 1 ELSE 0 END
FROM generate_series(1, 60) u, generate_series(1, 25) i
WHERE hashint8extended(u * 100 + i, 4) & 7 < CASE WHEN u % 3 = i % 3 THEN 5 ELSE 2 END;

-- a model without a log reads everything again, as the same version
SELECT version, item_count FROM create_model('plain', 'visit', 'member', 'page', 'stars');
INSERT INTO visit SELECT u, 'new', 4 FROM generate_series(1, 9) u;
CALL refresh('plain');
SELECT version, rating_count = (SELECT count(*) FROM plain.rating WHERE NOT held_out) AS fresh, item_count FROM model;
SELECT count(*), min(rating_count) = (SELECT rating_count FROM model) AS counts, min(fitted_at) = (SELECT fitted_at FROM model) AS time FROM plain.version;
SELECT rank, page FROM plain.similar_items('new', 3);
CALL refresh('nowhere');
CALL refresh(NULL);
SELECT drop_model('plain');

-- a model that tracks changes knows what has come and gone
SELECT name FROM create_model('pages', 'visit', 'member', 'page', 'stars', options => '{"track_changes": true, "holdout": 0}');
SELECT count(*) FROM pages.change;
SELECT tgname ~ '^socrec_(insert|update|delete)(_row)?_[0-9]+_pages$|^socrec_truncate_[0-9]+_pages$' AS named, count(*)
FROM pg_trigger WHERE tgrelid = 'visit'::regclass AND NOT tgisinternal GROUP BY 1;
INSERT INTO visit VALUES (1, 'fresh', 2), (2, 'fresh', 3);
UPDATE visit SET stars = 5 WHERE member = 2 AND page = 'fresh';
DELETE FROM visit WHERE member = 9;
SELECT change, count(*) FROM pages.change GROUP BY 1 ORDER BY 1;
CALL refresh('pages');
SELECT count(*) FROM pages.change;
SELECT version, rating_count = (SELECT count(*) FROM visit) AS fresh FROM model;
-- nothing has changed: nothing to do
CREATE TEMPORARY TABLE before AS SELECT i.ctid AS place, i.id FROM pages.item i;
CALL refresh('pages');
SELECT count(*) = (SELECT count(*) FROM before) AS untouched FROM pages.item i JOIN before b ON b.id = i.id AND b.place = i.ctid;
DROP TABLE before;
-- a truncation; a refit takes the log as well
BEGIN;
TRUNCATE visit;
INSERT INTO visit VALUES (1, 'p1', 3), (1, 'p2', 4), (2, 'p1', 5), (2, 'p2', 1);
CALL refresh('pages');
SELECT page, rating_count FROM pages.item ORDER BY id;
DELETE FROM visit WHERE page = 'p2';
CALL refit('pages');
SELECT count(*) FROM pages.change;
SELECT page, rating_count FROM pages.item ORDER BY id;
ROLLBACK;
-- changes that triggers do not see are looked for anew
BEGIN;
ALTER TABLE visit DISABLE TRIGGER USER;
DELETE FROM visit WHERE page = 'p3';
SET client_min_messages = notice;
CALL refresh('pages');
SET client_min_messages = warning;
SELECT count(*) FROM pages.item WHERE page = 'p3';
ROLLBACK;
-- who is forgotten is not in the log either
BEGIN;
DELETE FROM visit WHERE member = 7;
SELECT count(*) > 0 AS logged FROM pages.change WHERE member = 7;
SELECT pages.forget_user(7);
SELECT count(*) AS logged FROM pages.change WHERE member = 7;
CALL refresh('pages');
SELECT rating_count = (SELECT count(*) FROM visit) AS fresh FROM model;
ROLLBACK;
SELECT drop_model('pages');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'visit'::regclass AND NOT tgisinternal;

-- every method, two models of one source, and a refresh after a rollback
CREATE FUNCTION compare_models(a text, b text) RETURNS TABLE (item_counts boolean, ids boolean, statistics boolean, neighbors boolean)
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT (SELECT count(*) FROM %1$I.item) = (SELECT count(*) FROM %2$I.item), bool_and(x.id = y.id),
        bool_and((x.rating_count, x.mean, x.bias) = (y.rating_count, y.mean, y.bias)), bool_and(x.neighbors IS NOT DISTINCT FROM y.neighbors)
        FROM %1$I.item x LEFT JOIN %2$I.item y USING (page)', a, b);
END $$;
DO $$
DECLARE
    m text;
    result record;
BEGIN
    FOREACH m IN ARRAY ARRAY['item_knn', 'user_knn', 'popular', 'baseline'] LOOP
        PERFORM create_model('one', 'visit', 'member', 'page', 'stars', m, '{"track_changes": true, "holdout": 0.1, "keep_models": 1}');
        PERFORM create_model('two', 'visit', 'member', 'page', 'stars', m, '{"track_changes": true, "holdout": 0.1}');
        CALL refit('one');
        CALL rollback('one');
        INSERT INTO visit SELECT 1000 + u, 'p' || u, 3 FROM generate_series(1, 5) u;
        CALL refresh('one');
        CALL refit('two');
        SELECT * INTO result FROM compare_models('one', 'two');
        IF result IS DISTINCT FROM (true, true, true, true) THEN
            RAISE '%: %', m, result;
        END IF;
        IF m = 'user_knn' THEN
            PERFORM FROM (TABLE one.user_neighbor EXCEPT TABLE two.user_neighbor) d;
            IF FOUND THEN
                RAISE 'users differ';
            END IF;
        END IF;
        PERFORM drop_model('one'), drop_model('two');
        DELETE FROM visit WHERE member > 1000;
    END LOOP;
END
$$;

-- partitions
CREATE TABLE parted (member integer, page text, stars real, PRIMARY KEY (member, page)) PARTITION BY RANGE (member);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (30);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (30) TO (100);
INSERT INTO parted SELECT * FROM visit WHERE member < 61;
SELECT name FROM create_model('parts', 'parted', 'member', 'page', 'stars', options => '{"track_changes": true}');
UPDATE parted_1 SET stars = 1 WHERE member = 3;
SELECT count(*) > 2 AS logged FROM parts.change;
CALL refresh('parts');
ALTER TABLE parted DETACH PARTITION parted_1;
SELECT count(*) FROM parts.change;
CALL refresh('parts');
SELECT user_count = (SELECT count(DISTINCT member) FROM parted) AS fresh FROM parts.fit;
SELECT drop_model('parts', true);
SELECT count(*) FROM pg_trigger t WHERE t.tgrelid IN ('parted'::regclass, 'parted_2'::regclass) AND NOT t.tgisinternal;
DROP TABLE parted, parted_1;

-- hostile names
CREATE SCHEMA "a.b";
CREATE TABLE "a.b"."Robert'); DROP TABLE visit;--" ("%1$I {u}" bigint, "i""%s' $$ %L" integer, "r %I" real);
INSERT INTO "a.b"."Robert'); DROP TABLE visit;--" SELECT u, i, 1 + (u + i) % 5 FROM generate_series(1, 20) u, generate_series(1, 9) i
WHERE (u + i) % 3 > 0;
SELECT rating_count FROM create_model('x"; DROP TABLE visit; -- %s {0}', '"a.b"."Robert''); DROP TABLE visit;--"',
    '%1$I {u}', 'i"%s'' $$ %L', 'r %I', options => '{"track_changes": true}');
DELETE FROM "a.b"."Robert'); DROP TABLE visit;--" WHERE "%1$I {u}" = 5;
CALL refresh('x"; DROP TABLE visit; -- %s {0}');
SELECT rating_count FROM model;
SELECT drop_model('x"; DROP TABLE visit; -- %s {0}');
DROP SCHEMA "a.b" CASCADE;
SELECT count(*) > 300 AS still_there FROM visit;

-- what must fail, and leave nothing behind
SELECT create_model('bad', 'SELECT member, page, stars FROM visit', 'member', 'page', 'stars', options => '{"track_changes": true}');
CREATE VIEW visits AS SELECT * FROM visit;
SELECT create_model('bad', 'visits', 'member', 'page', 'stars', options => '{"track_changes": true}');
DROP VIEW visits;
CREATE TABLE odd (member integer, page text, change real);
SELECT create_model('bad', 'odd', 'member', 'page', 'change', options => '{"track_changes": true}');
DROP TABLE odd;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT create_model('bad', 'visit', 'member', 'page', 'stars', options => '{"track_changes": true}');
ROLLBACK;
SELECT create_model('bad', 'visit', 'member', 'page', 'stars', options => '{"track_changes": 1}');
SELECT nspname FROM pg_namespace WHERE nspname = 'bad';
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'visit'::regclass AND NOT tgisinternal;

DROP FUNCTION compare_models;
DROP TABLE visit;
