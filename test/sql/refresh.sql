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
-- without a word of the triggers that go, too
SET client_min_messages = notice;
SELECT drop_model('pages');
SET client_min_messages = warning;
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


-- neighbors from changes: equal to a full fit, and not by one
CREATE TABLE heard (listener integer, song integer, times real, PRIMARY KEY (listener, song));
INSERT INTO heard
SELECT u, i, 1 + (hashint8extended(u * 1000 + i, 5) & 3)
FROM generate_series(1, 1200) u, generate_series(1, 120) i
WHERE hashint8extended(u * 1000 + i, 4) & 1023 < 9000 / (i + 20) + CASE WHEN u % 5 = i % 5 THEN 60 ELSE 0 END
UNION ALL SELECT 7 * i, 120 + i, 4 FROM generate_series(1, 9) i;
CREATE FUNCTION change_ratings(round integer) RETURNS void LANGUAGE sql AS $$
    DELETE FROM heard WHERE listener = 7 * round AND (song % 4 = round OR song = 120 + round);
    UPDATE heard SET times = 5 - times WHERE listener = 7 * round AND song % 3 = 0 AND times < 5;
    INSERT INTO heard SELECT 7 * round, song, 2 FROM generate_series(round, 120, 19) song ON CONFLICT DO NOTHING;
    INSERT INTO heard SELECT 7 * round, 200 + 2 * round + i, 3 FROM generate_series(0, 1) i;
    INSERT INTO heard SELECT 2000 + round, song, 1 + song % 4 FROM generate_series(1, 60, 7) song;
$$;
-- Neighbors may differ where their similarity is that of the last one.
CREATE FUNCTION difference(a text, b text) RETURNS TABLE (n bigint, numbers boolean, statistics float8, similarity float8, neighbors bigint)
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('
        WITH x AS (SELECT i.id, w.id AS other, w.weight FROM %1$I.item i, svec_unnest(i.neighbors) w(id, weight)),
            y AS (SELECT i.id, w.id AS other, w.weight, min(w.weight) OVER (PARTITION BY i.id) AS least FROM %2$I.item i, svec_unnest(i.neighbors) w(id, weight)),
            z AS (SELECT x.weight AS x, y.weight AS y, coalesce(y.least, min(y.least) OVER (PARTITION BY id)) AS least FROM x FULL JOIN y USING (id, other))
        SELECT (SELECT count(*) FROM x), bool_and((i.id, i.rating_count) IS NOT DISTINCT FROM (o.id, o.rating_count)),
            max(greatest(abs(i.mean - o.mean), abs(i.bias - o.bias), abs(i.norm - o.norm))),
            (SELECT max(abs(z.x - z.y))::float8 FROM z),
            (SELECT count(*) FROM z WHERE (z.x IS NULL OR z.y IS NULL) AND abs(coalesce(z.x, z.y) - z.least) > 1e-5)
        FROM %1$I.item i FULL JOIN %2$I.item o USING (song)', a, b);
END $$;
-- Three refreshes, and one after too many have changed.  The first finds nothing to
-- follow; the bounds that the next two leave are not those of lists made anew.
CREATE FUNCTION follow_changes(rating_column text, options jsonb) RETURNS TABLE (round integer, n bigint, equal boolean, kept bigint, followed boolean)
LANGUAGE plpgsql AS $$
DECLARE
    d record;
BEGIN
    CREATE TEMPORARY TABLE before AS TABLE heard;
    PERFORM create_model('live', 'heard', 'listener', 'song', rating_column, options => '{"track_changes": true, "k": 8, "shrinkage": 25}' || options);
    FOR i IN 1 .. 4 LOOP
        PERFORM change_ratings(i);
        IF i = 4 THEN
            PERFORM change_ratings(5);
        END IF;
        CALL refresh('live');
        PERFORM create_model('full', 'heard', 'listener', 'song', rating_column, options => '{"k": 8, "shrinkage": 25}' || options);
        SELECT * INTO d FROM difference('live', 'full');
        round := i;
        n := d.n;
        equal := d.numbers AND d.statistics < 1e-9 AND d.similarity < 1e-5 AND d.neighbors = 0;
        EXECUTE 'SELECT (SELECT count(*) FROM live.candidate), bool_or(c.bound > 1.0000005 * f.worst) FROM live.candidate c, LATERAL (
            SELECT min(c.products[p] / c.norm / o.norm * c.supports[p] / (c.supports[p] + $1)) AS worst
            FROM generate_subscripts(c.others, 1) p JOIN live.candidate o ON o.id = c.others[p]) f' INTO kept, followed USING coalesce((options ->> 'shrinkage')::float8, 25);
        RETURN NEXT;
        PERFORM drop_model('full');
    END LOOP;
    PERFORM drop_model('live');
    DELETE FROM heard;
    INSERT INTO heard TABLE before;
    DROP TABLE before;
END $$;
SELECT 'implicit, tfidf', f.* FROM follow_changes(NULL, '{"holdout": 0}') f;
SELECT 'implicit, held out', f.* FROM follow_changes(NULL, '{"holdout": 0.2}') f;
SELECT 'implicit, no weights', f.* FROM follow_changes(NULL, '{"weighting": "none", "shrinkage": 0}') f;
SELECT 'explicit', f.* FROM follow_changes('times', '{"center": "none", "shrinkage": 0}') f;
SELECT 'explicit, shrunk', f.* FROM follow_changes('times', '{"center": "none", "shrinkage": 50, "min_support": 3}') f;
SELECT 'explicit, centered', f.* FROM follow_changes('times', '{"center": "user", "shrinkage": 0, "k": 20}') f;
SELECT 'explicit, above', f.* FROM follow_changes('times', '{"center": "none", "shrinkage": 25, "min_similarity": 0.02}') f;
SELECT 'explicit, tfidf', f.* FROM follow_changes('times', '{"center": "none", "weighting": "tfidf", "shrinkage": 0}') f;
SELECT 'one neighbor', f.* FROM follow_changes(NULL, '{"k": 1}') f;
SELECT 'all neighbors', f.* FROM follow_changes(NULL, '{"k": 500}') f;

-- models with factors fold new items in, and leave the others as they are
SELECT version FROM create_model('factors', 'visit', 'member', 'page', NULL, 'ials', '{"factors": 4, "holdout": 0, "track_changes": true}');
CREATE TEMPORARY TABLE before AS SELECT * FROM factors.item;
INSERT INTO visit SELECT u, 'newest', 4 FROM generate_series(1, 20) u;
CALL refresh('factors');
SELECT version, item_count - (SELECT count(*) FROM before) AS added FROM model WHERE name = 'factors';
SELECT count(*) FROM factors.similar_items('newest', 3);
SELECT count(*) AS changed FROM (TABLE before EXCEPT TABLE factors.item) d;
SELECT count(*) FROM factors.change;
CALL refresh('factors');
SELECT drop_model('factors');
DELETE FROM visit WHERE page = 'newest';
DROP TABLE before;

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
DROP FUNCTION change_ratings, difference, follow_changes;
DROP TABLE visit, heard;
