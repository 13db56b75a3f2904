SET search_path = public, socrec;
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET jit = off;
\set VERBOSITY terse
\set SHOW_CONTEXT never

-- text that may be a number or a time
SELECT s, parse_number(s) FROM unnest(ARRAY['1.5', ' 2 ', '-3e2', '', 'x', '1,5', '1e999', 'NaN', 'Infinity', NULL]) s;
SELECT s, parse_timestamp(s) FROM unnest(ARRAY['2026-01-02', '2026-01-02 03:04:05+02', '1/2/2026 8:26', '2026-13-01',
    '2026-02-30', 'soon', '', 'infinity', 'epoch', NULL]) s;
SELECT parse_timestamp(repeat('9', 500)), parse_number(repeat('9', 500));

CREATE TABLE event (user_id text, item_id integer, kind text, amount text, at timestamptz);
INSERT INTO event VALUES
    ('ann', 1, 'view', '1', '2026-01-01'), ('ann', 1, 'like', '1', '2026-01-02'), ('ann', 1, 'like', '1', '2026-01-02'),
    (' Ann ', 1, 'share', '2', '2026-01-11'), ('ann', 2, 'like', '1', '2026-01-03'), ('ann', 2, 'unlike', '1', '2026-01-04'),
    ('bob', 1, 'view', '50', '2026-01-05'), ('bob', 2, 'view', '-1', '2026-01-05'), ('bob', 3, 'like', '1', '2025-12-31'),
    ('bob', 3, 'like', 'many', '2026-01-06'), ('bob', 3, 'like', NULL, '2026-01-06'), ('bob', 3, 'like', 'NaN', '2026-01-06'),
    ('bob', 3, 'poke', '1', '2026-01-06'), ('bob', 3, NULL, '1', '2026-01-06'), ('bob', 3, 'like', '1', NULL),
    ('bob', 3, 'like', '1', 'infinity'), (NULL, 1, 'like', '1', '2026-01-07'), ('  ', 1, 'like', '1', '2026-01-07'),
    ('cat', NULL, 'like', '1', '2026-01-07'), ('cat', 2, 'like', '1', '2026-01-08'), ('cat', 1, 'share', '1', '2026-01-08');

-- every way an event can go, and the sum
SELECT * FROM create_ratings('every', 'event', kind_column => 'kind', value_column => 'amount', time_column => 'at',
    weights => '{"view": 0.2, "like": 1, "share": 3, "unlike": -1}',
    options => '{"fold_case": "lower", "since": "2026-01-01", "minimum": 0, "maximum": 10, "keep_rejected": true}');
SELECT sum(rows) FILTER (WHERE effect = 'read') = sum(rows) FILTER (WHERE effect IN ('dropped', 'merged', 'rating')) AS adds_up
FROM prepare_report('every');
SELECT * FROM every.rating ORDER BY user_id, item_id;
SELECT * FROM every.rejected ORDER BY reason, raw_user, raw_item, raw_value;
SELECT drop_ratings('every');

-- storage: the same three ways; clipping; a dry run leaves nothing
CREATE TABLE reports (storage text, effect text, reason text, rows bigint);
DO $$
DECLARE s text;
BEGIN
    FOREACH s IN ARRAY ARRAY['table', 'view', 'materialized view'] LOOP
        INSERT INTO reports SELECT s, effect, reason, rows FROM create_ratings('stored ' || s, 'SELECT * FROM event;', kind_column => 'kind',
            value_column => 'amount', time_column => 'at', weights => '{"view": 0.2, "like": 1, "share": 3, "unlike": -1}', storage => s,
            options => '{"minimum": 0, "maximum": 10, "out_of_range": "clip", "cap": 2, "half_life": "10 days", "as_of": "2026-01-11"}');
    END LOOP;
    INSERT INTO reports SELECT 'dry run', effect, reason, rows FROM create_ratings('dry', 'event', kind_column => 'kind',
        value_column => 'amount', time_column => 'at', weights => '{"view": 0.2, "like": 1, "share": 3, "unlike": -1}',
        options => '{"minimum": 0, "maximum": 10, "out_of_range": "clip", "cap": 2, "half_life": "10 days", "as_of": "2026-01-11"}', dry_run => true);
END
$$;
SELECT effect, reason, rows, count(*) AS ways FROM reports GROUP BY 1, 2, 3 ORDER BY min(CASE effect WHEN 'read' THEN 1 WHEN 'dropped' THEN 2 WHEN 'merged' THEN 3 WHEN 'rating' THEN 4 ELSE 5 END), 2;
SELECT user_id, item_id, round(rating::numeric, 6) AS rating, events FROM "stored view".rating ORDER BY 1, 2;
SELECT count(*) AS differences FROM (
    (TABLE "stored view".rating EXCEPT TABLE "stored table".rating) UNION ALL (TABLE "stored table".rating EXCEPT TABLE "stored view".rating) UNION ALL
    (TABLE "stored view".rating EXCEPT TABLE "stored materialized view".rating) UNION ALL (TABLE "stored materialized view".rating EXCEPT TABLE "stored view".rating)) d;
SELECT name, storage FROM rating_set ORDER BY name;
INSERT INTO event VALUES ('dan', 9, 'like', '1', '2026-01-09');
SELECT n, (SELECT rows FROM prepare_report(n) WHERE effect = 'read') AS read FROM unnest(ARRAY['stored table', 'stored view', 'stored materialized view']) n;
SELECT n, (SELECT rows FROM refresh_ratings(n) WHERE effect = 'read') AS read FROM unnest(ARRAY['stored table', 'stored view', 'stored materialized view']) n;
SELECT drop_ratings(name) FROM rating_set;
DELETE FROM event WHERE user_id = 'dan';

-- rules for repeated pairs, by hand: weights 1, 4, 2 (a repeat of 2) and -1
CREATE TABLE repeated (u bigint, i uuid, w real, t timestamp);
INSERT INTO repeated SELECT 1, '00000000-0000-0000-0000-000000000001', w, timestamp '2026-01-01' + n * interval '1 day'
    FROM unnest(ARRAY[1, 4, 2, 2, -1]) WITH ORDINALITY v(w, n);
INSERT INTO repeated SELECT 1, '00000000-0000-0000-0000-000000000001', 2, '2026-01-04';
CREATE FUNCTION combined(o jsonb) RETURNS double precision LANGUAGE plpgsql AS $$
DECLARE r double precision;
BEGIN
    PERFORM create_ratings('c', 'repeated', 'u', 'i', value_column => 'w', time_column => 't', storage => 'view', options => o);
    SELECT rating INTO r FROM c.rating;
    PERFORM drop_ratings('c');
    RETURN r;
END
$$;
SELECT n AS negative, c AS combine, round(combined(jsonb_build_object('combine', c, 'negative', n))::numeric, 4) AS rating
FROM unnest(ARRAY['subtract', 'drop', 'keep']) n, unnest(ARRAY['sum', 'max', 'last', 'first', 'mean', 'count', 'log1p']) c;
SELECT combined('{"drop_duplicates": false}'), combined('{"window": "2 days", "as_of": "2026-01-05"}'), combined('{"until": "2026-01-04"}');

-- the core: 2 users with 2 items in common stay; a chain unravels
CREATE TABLE chain (user_id integer, item_id text);
INSERT INTO chain VALUES (1, 'a'), (1, 'b'), (2, 'a'), (2, 'b'), (3, 'b'), (3, 'c'), (4, 'c'), (4, 'd'), (5, 'd'), (NULL, 'd');
SELECT * FROM create_ratings('core', 'chain', options => '{"min_user_ratings": 2, "min_item_ratings": 2}');
SELECT * FROM core.rating ORDER BY 1, 2;
SELECT * FROM rating_core('SELECT user_id, item_id FROM chain', NULL::integer, NULL::text, 2, 2) ORDER BY round, 1, 2;
SELECT * FROM rating_core('SELECT user_id, item_id FROM chain WHERE false', NULL::integer, NULL::text, 2, 2);
SELECT rating_core('SELECT user_id, item_id FROM chain', NULL::bigint, NULL::text, 2, 2);
SELECT rating_core('SELECT user_id, item_id FROM chain', NULL::integer, NULL::integer, 2, 2);
SELECT rating_core(NULL, NULL::integer, NULL::text, 2, 2);
-- against the same by deleting in SQL, on random pairs
SELECT setseed(0.42);
CREATE TABLE pairs AS SELECT DISTINCT (random() ^ 2 * 60)::smallint AS u, 'i' || (random() ^ 2 * 80)::integer AS i FROM generate_series(1, 500);
CREATE TABLE left_over AS TABLE pairs;
DO $$
BEGIN
    LOOP
        DELETE FROM left_over WHERE u IN (SELECT u FROM left_over GROUP BY u HAVING count(*) < 5) OR i IN (SELECT i FROM left_over GROUP BY i HAVING count(*) < 4);
        EXIT WHEN NOT FOUND;
    END LOOP;
END
$$;
WITH d AS MATERIALIZED (SELECT * FROM rating_core('SELECT u, i FROM pairs', NULL::smallint, NULL::text, 5, 4)),
    core AS (SELECT * FROM pairs WHERE u NOT IN (SELECT user_id FROM d WHERE user_id IS NOT NULL) AND i NOT IN (SELECT item_id FROM d WHERE item_id IS NOT NULL))
SELECT (SELECT count(*) FROM left_over) BETWEEN 50 AND (SELECT count(*) - 50 FROM pairs) AS something_went_and_stayed,
    (SELECT count(*) FROM ((TABLE core EXCEPT TABLE left_over) UNION ALL (TABLE left_over EXCEPT TABLE core)) x) AS differences;
SELECT drop_ratings('core');

-- incremental: after any change, equal to a rebuild
CREATE TABLE shop (id integer PRIMARY KEY, "user" integer, "it""em" text, amount text, at timestamp);
INSERT INTO shop SELECT n, n % 7, CASE WHEN n % 11 <> 0 THEN 'p' || n % 5 END, CASE WHEN n % 13 = 0 THEN 'x' ELSE (n % 9 - 3)::text END, timestamp '2026-01-01' + (n / 2) * interval '1 hour'
    FROM generate_series(1, 200) n;
SELECT effect, reason, rows FROM create_ratings('Robert''); DROP', 'shop', 'user', 'it"em', value_column => 'amount', time_column => 'at',
    options => '{"incremental": true, "keep_rejected": true, "minimum": -100, "maximum": 4, "out_of_range": "clip", "min_item_ratings": 3}');
CREATE FUNCTION same_as_rebuild() RETURNS text LANGUAGE plpgsql AS $$
DECLARE pairs jsonb; ratings jsonb; rejected jsonb; report jsonb; same boolean;
BEGIN
    report := (SELECT jsonb_agg(r) FROM refresh_ratings('Robert''); DROP') r);
    pairs := (SELECT jsonb_agg(p ORDER BY p) FROM "Robert'); DROP".pair p);
    ratings := (SELECT jsonb_agg(p ORDER BY p) FROM "Robert'); DROP".rating p);
    rejected := (SELECT jsonb_agg(p ORDER BY p::text) FROM "Robert'); DROP".rejected p);
    INSERT INTO "Robert'); DROP".change (change) VALUES (0);
    same := report = (SELECT jsonb_agg(r) FROM refresh_ratings('Robert''); DROP') r);
    RETURN format('report %s, pairs %s, ratings %s, rejected %s', same,
        pairs = (SELECT jsonb_agg(p ORDER BY p) FROM "Robert'); DROP".pair p),
        ratings = (SELECT jsonb_agg(p ORDER BY p) FROM "Robert'); DROP".rating p),
        rejected IS NOT DISTINCT FROM (SELECT jsonb_agg(p ORDER BY p::text) FROM "Robert'); DROP".rejected p));
END
$$;
SELECT same_as_rebuild();
INSERT INTO shop SELECT 1000 + n, n % 3, 'new', '2', '2026-03-01' FROM generate_series(1, 9) n;
SELECT same_as_rebuild();
UPDATE shop SET "it""em" = 'p1', amount = '7' WHERE id % 10 = 0;
UPDATE shop SET amount = 'none' WHERE id IN (3, 4);
SELECT same_as_rebuild();
DELETE FROM shop WHERE "it""em" = 'p2' OR id % 13 = 0;
SELECT same_as_rebuild();
CREATE INDEX ON shop ("user");
INSERT INTO shop VALUES (2000, 1, 'p3', '1', '2026-03-02'), (2001, NULL, 'p3', '1', '2026-03-02');
BEGIN;
DELETE FROM shop;
ROLLBACK;
SELECT same_as_rebuild();
SELECT effect, reason, rows FROM refresh_ratings('Robert''); DROP') WHERE effect IN ('read', 'rating');
TRUNCATE shop;
INSERT INTO shop VALUES (1, 1, 'a', '1', '2026-01-01');
SELECT * FROM refresh_ratings('Robert''); DROP');
SELECT count(*) FROM "Robert'); DROP".change;
CREATE VIEW dependent AS SELECT * FROM "Robert'); DROP".rating;
SELECT drop_ratings('Robert''); DROP');
DROP VIEW dependent;
SELECT drop_ratings('Robert''); DROP');
INSERT INTO shop VALUES (2, 1, 'a', '1', '2026-01-01');

-- partitioned sources are logged row by row, also when written by partition
CREATE TABLE parted (user_id integer, item_id integer) PARTITION BY RANGE (user_id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20);
SELECT effect, rows FROM create_ratings('parts', 'parted', options => '{"incremental": true}');
INSERT INTO parted VALUES (1, 1), (1, 2), (11, 1);
INSERT INTO parted_1 VALUES (2, 1);
UPDATE parted SET user_id = 12 WHERE user_id = 1 AND item_id = 2;
SELECT effect, rows FROM refresh_ratings('parts');
SELECT * FROM parts.rating ORDER BY 1, 2;
-- what changes a partition by itself makes the next refresh a rebuild
CREATE FUNCTION differences() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_ratings('parts');
    RETURN (SELECT count(*) FROM (SELECT user_id, item_id, events FROM parts.rating
        EXCEPT SELECT user_id, item_id, count(*) FROM parted GROUP BY 1, 2) d)
        + (SELECT count(*) FROM (SELECT user_id, item_id, count(*) FROM parted GROUP BY 1, 2
        EXCEPT SELECT user_id, item_id, events FROM parts.rating) d);
END
$$;
TRUNCATE parted_2;
SELECT differences();
CREATE TABLE parted_3 (LIKE parted);
INSERT INTO parted_3 VALUES (21, 1), (21, 1), (22, 5);
ALTER TABLE parted ATTACH PARTITION parted_3 FOR VALUES FROM (20) TO (30);
SELECT differences();
INSERT INTO parted_3 VALUES (23, 1);
SELECT count(*) AS logged FROM parts.change;
SELECT differences();
ALTER TABLE parted DETACH PARTITION parted_3;
SELECT differences();
INSERT INTO parted_3 VALUES (24, 1);
ALTER TABLE parted ATTACH PARTITION parted_3 FOR VALUES FROM (20) TO (30);
TRUNCATE parted_3;
SELECT differences();
-- and so do triggers that were off for a while
ALTER TABLE parted DISABLE TRIGGER ALL;
INSERT INTO parted VALUES (3, 3);
ALTER TABLE parted ENABLE TRIGGER ALL;
SELECT differences();
SELECT drop_ratings('parts');

-- without minimums, a refresh writes the ratings of changed pairs alone
CREATE TABLE plain (user_id text, item_id text, value integer, at timestamp);
INSERT INTO plain SELECT 'u' || n % 7, 'i' || n % 5, n % 4 - 1, timestamp '2026-01-01' + n * interval '1 day' FROM generate_series(1, 100) n;
SELECT effect, reason, rows FROM create_ratings('parts', 'plain', value_column => 'value', time_column => 'at', options => '{"incremental": true}');
CREATE FUNCTION changed_and_equal() RETURNS text LANGUAGE plpgsql AS $$
DECLARE ratings jsonb; report jsonb; written bigint;
BEGIN
    report := (SELECT jsonb_agg(r) FROM refresh_ratings('parts') r);
    ratings := (SELECT jsonb_agg(r ORDER BY r) FROM parts.rating r);
    written := (SELECT count(*) FROM parts.rating WHERE xmin::text = txid_current()::text);
    INSERT INTO parts.change (change) VALUES (0);
    RETURN format('%s written, report %s, ratings %s', written, report = (SELECT jsonb_agg(r) FROM refresh_ratings('parts') r),
        ratings = (SELECT jsonb_agg(r ORDER BY r) FROM parts.rating r));
END
$$;
INSERT INTO plain VALUES ('u1', 'i1', 5, '2026-06-01'), ('new', 'i1', 1, '2026-06-01');
SELECT changed_and_equal();
DELETE FROM plain WHERE user_id = 'u2' AND item_id = 'i3';
UPDATE plain SET value = -100 WHERE user_id = 'u3' AND item_id = 'i3';
UPDATE plain SET item_id = ' i1 ' WHERE user_id = 'new';
SELECT changed_and_equal();
SET TimeZone = 'Asia/Tokyo';
SELECT changed_and_equal();
RESET TimeZone;
ALTER TABLE plain DISABLE TRIGGER ALL;
DELETE FROM plain WHERE user_id = 'u4';
ALTER TABLE plain ENABLE TRIGGER ALL;
SELECT changed_and_equal();
SELECT drop_ratings('parts');
-- what is left by rounding alone is nothing: 0.1 + 0.2 - 0.3
CREATE TABLE rounded (user_id integer, item_id integer, value float8);
INSERT INTO rounded VALUES (1, 1, 0.1), (1, 1, 0.2), (1, 1, -0.3), (1, 2, 0.1), (1, 2, -0.05);
SELECT effect, reason, rows FROM create_ratings('parts', 'rounded', value_column => 'value');
SELECT drop_ratings('parts');
SELECT effect, reason, rows FROM create_ratings('parts', 'rounded', value_column => 'value', storage => 'view');
SELECT drop_ratings('parts');
-- times that decay cannot subtract
INSERT INTO plain VALUES ('u1', 'i1', 1, 'infinity');
SELECT create_ratings('parts', 'plain', time_column => 'at', storage => 'view', options => '{"half_life": "1 day"}');
SELECT count(*) FROM parts.event WHERE decay IS NULL;
SELECT drop_ratings('parts');

-- whoever writes events needs no right on the log
CREATE ROLE socrec_writer;
GRANT INSERT ON chain TO socrec_writer;
SELECT effect, rows FROM create_ratings('guarded', 'chain', options => '{"incremental": true}') WHERE effect = 'rating';
SET ROLE socrec_writer;
INSERT INTO chain VALUES (7, 'z');
SELECT count(*) FROM guarded.change;
SELECT refresh_ratings('guarded');
SELECT drop_ratings('guarded');
RESET ROLE;
SELECT effect, rows FROM refresh_ratings('guarded') WHERE effect = 'rating';
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT create_ratings('late', 'shop', 'user', 'id', options => '{"incremental": true}');
ROLLBACK;
DROP SCHEMA guarded CASCADE;
SELECT refresh_ratings('guarded');
SELECT drop_ratings('guarded');
REVOKE ALL ON chain FROM socrec_writer;
DROP ROLE socrec_writer;

-- nothing in
CREATE TABLE nothing (user_id integer, item_id integer);
SELECT * FROM create_ratings('none', 'nothing', storage => 'view');
SELECT drop_ratings('none');

-- what is refused
SELECT create_ratings('x', 'missing');
SELECT create_ratings('x', 'event', 'nobody');
SELECT create_ratings('x', 'event', 'user_id', 'user_id');
SELECT create_ratings('x', 'event', 'user_id', 'kind');
SELECT create_ratings(NULL, 'event');
SELECT create_ratings('', 'event');
SELECT create_ratings('public', 'event');
SELECT create_ratings('x', 'event', storage => 'index');
SELECT create_ratings('x', 'event', options => '[]');
SELECT create_ratings('x', 'event', options => '{"half_live": "1 day"}');
SELECT create_ratings('x', 'event', options => '{"combine": "median"}');
SELECT create_ratings('x', 'event', options => '{"combine": "last"}');
SELECT create_ratings('x', 'event', options => '{"half_life": "1 day"}');
SELECT create_ratings('x', 'event', time_column => 'at', options => '{"half_life": "-1 day"}');
SELECT create_ratings('x', 'event', time_column => 'at', options => '{"half_life": "1 day", "incremental": true}');
SELECT create_ratings('x', 'event', options => '{"min_user_ratings": -1}');
SELECT create_ratings('x', 'event', options => '{"incremental": true}', storage => 'view');
SELECT create_ratings('x', 'SELECT * FROM event', options => '{"incremental": true}');
SELECT create_ratings('x', 'event', kind_column => 'kind');
SELECT create_ratings('x', 'event', weights => '{"like": 1}');
SELECT create_ratings('x', 'event', kind_column => 'kind', weights => '{"like": "1"}');
SELECT create_ratings('x', 'event', value_column => 'at');
SELECT create_ratings('x', 'SELECT user_id, item_id, true AS at FROM event', time_column => 'at');
SELECT create_ratings('x', 'event; DROP TABLE event');
SELECT prepare_report('x');
SELECT refresh_ratings('x');
SELECT drop_ratings('x');
SELECT track_changes('public', 'pg_catalog.pg_tables', '{tablename}');
SELECT count(*) FROM rating_set;

DROP TABLE event, reports, repeated, chain, pairs, left_over, shop, parted, nothing, plain, rounded;
DROP FUNCTION combined, same_as_rebuild, differences, changed_and_equal;
