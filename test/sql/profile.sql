-- profile: who a user is, by what the user did
SET search_path = public, socrec;
SET client_min_messages = warning;
SET timezone = 'UTC';
SET extra_float_digits = -3;
\set SHOW_CONTEXT never

-- by hand: two users, three items, two categories
CREATE TABLE sale (customer text, sku integer, amount numeric, sold_at timestamptz, receipt text);
INSERT INTO sale VALUES
    ('ann', 1, 10, '2026-01-05 00:10+00', 'r1'), ('ann', 2, 20, '2026-01-05 00:40+00', 'r1'),  -- Monday, one session
    ('ann', 1, 30, '2026-01-05 01:10:01+00', 'r2'),                                         -- a second later than the gap
    ('bob', 1, 40, '2026-01-04 23:59:59+00', 'r3'), ('bob', 3, NULL, NULL, NULL),             -- Sunday; no time, no value
    (NULL, 1, 5, '2026-01-05+00', 'r4'), ('bob', NULL, 5, '2026-01-05+00', 'r5');              -- not events
CREATE TABLE product (sku bigint, family text);
INSERT INTO product VALUES (1, 'garden'), (2, 'kitchen'), (3, 'kitchen'), (3, 'garden'), (3, 'garden'), (9, 'pets'), (2, NULL);
SELECT name, storage, options FROM create_profiles('by_hand', 'sale', 'customer', 'sku', 'amount', 'sold_at', 'receipt',
    categories => 'product', category_column => 'family', options => '{"as_of": "2026-01-06 00:00:00Z"}');
\x
SELECT customer, events, items, first_at, last_at, recency_days, frequency, monetary, sessions, active_days, peak_hour,
    value_mean, value_stddev, harshness, entropy, mainstream, recency_score, frequency_score, monetary_score, segment,
    top_interest, top_interests, taste FROM by_hand.user_profile ORDER BY customer;
\x
SELECT id, sku, users, events, popularity, value_mean FROM by_hand.item ORDER BY id;
SELECT c.id, family, users, idf = ln(3.0::float8 / (1 + users)) + 1 AS idf FROM by_hand.category c ORDER BY id;
-- ann: garden twice, kitchen once, both known to everybody; bob: garden twice, kitchen once
SELECT customer, family, round(weight::numeric, 6) AS weight, rank FROM by_hand.user_interest ORDER BY customer, rank;
SELECT * FROM by_hand.fit;
SELECT obj_description('by_hand.user_profile'::regclass) AS profile, count(col_description(attrelid, attnum)) AS commented
FROM pg_attribute WHERE attrelid = 'by_hand.user_profile'::regclass AND attnum > 0;
SELECT drop_profiles('by_hand');
RESET extra_float_digits;

-- at random, against SQL
SELECT setseed(0.3);
CREATE TABLE event AS
    SELECT floor(random() ^ 2 * 200)::integer AS user_id, floor(random() ^ 3 * 60)::bigint AS item_id,
        CASE WHEN random() < 0.9 THEN round((random() * 100)::numeric, 2) END AS amount,
        CASE WHEN random() < 0.95 THEN timestamptz '2025-03-20' + floor(random() * 20 * 86400) * interval '1 second' END AS at,
        CASE WHEN random() < 0.9 THEN floor(random() * 300)::integer END AS visit
    FROM generate_series(1, 6000);
CREATE TABLE topic AS SELECT i AS item_id, (i * 7 + c) % 11 AS topic FROM generate_series(0, 60) i, generate_series(0, 1) c WHERE i % 13 <> 0;
CREATE TABLE person AS SELECT u::bigint AS user_id, 20 + u % 50 AS age, 'city ' || u % 3 AS city FROM generate_series(0, 150) u;
CREATE FUNCTION make(name text, storage text DEFAULT 'table', options jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
    SELECT (create_profiles(name, 'event', value_column => 'amount', time_column => 'at', occasion_column => 'visit', categories => 'topic',
        category_column => 'topic', attributes => 'person', storage => storage,
        options => '{"as_of": "2026-01-01 00:00:00Z", "time_zone": "Europe/Berlin", "half_life": "5 days"}' || options)).name
$$;
-- what the profiles of some users should be, the crowd being given by a set of profiles
CREATE FUNCTION expected(name text) RETURNS TABLE (user_id integer, numbers float8[], texts text[], taste jsonb, interests jsonb)
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format($q$
    WITH e AS (SELECT *, (at AT TIME ZONE 'Europe/Berlin') AS local, row_number() OVER () AS n FROM event WHERE user_id IS NOT NULL AND item_id IS NOT NULL),
    w AS (SELECT e.*, coalesce(0.5 ^ (extract(epoch FROM max(at) OVER (PARTITION BY user_id) - at)::float8 / 432000), 1) AS decay,
            (at - lag(at) OVER (PARTITION BY user_id ORDER BY at) <= interval '30 minutes') IS NOT TRUE AND at IS NOT NULL AS starts FROM e),
    hour AS (SELECT DISTINCT ON (user_id) user_id, (extract(isodow FROM local) - 1) * 24 + extract(hour FROM local) AS hour
        FROM e WHERE at IS NOT NULL GROUP BY 1, 2 ORDER BY user_id, count(*) DESC, hour),
    pair AS (SELECT user_id, item_id, sum(decay * amount) AS value, count(*) AS n FROM w GROUP BY 1, 2),
    interest AS (SELECT user_id, c.id, sum(decay) * c.idf AS weight, count(*) AS n
        FROM w JOIN topic t USING (item_id) JOIN %1$I.category c USING (topic) GROUP BY user_id, c.id, c.idf),
    vector AS (SELECT i.user_id, jsonb_object_agg(id, (weight / norm)::real) AS interests,
            -sum(n / total * log(2.0, n / total)) AS entropy
        FROM interest i JOIN (SELECT i.user_id, sqrt(sum(weight ^ 2)) AS norm, sum(n) AS total FROM interest i GROUP BY 1) s ON s.user_id = i.user_id GROUP BY 1),
    p AS (SELECT user_id, count(*) AS events, count(DISTINCT item_id) AS items, min(at) AS first, max(at) AS last, count(DISTINCT visit) AS visits,
            sum(amount) AS total, count(*) FILTER (WHERE starts) AS sessions, count(DISTINCT local::date) AS days, avg(amount) AS mean, stddev(amount) AS dev,
            avg(i.value_mean - amount::float8) AS harshness
        FROM w JOIN %1$I.item i USING (item_id) GROUP BY 1)
    SELECT p.user_id, ARRAY[events, items, extract(epoch FROM first), extract(epoch FROM last), extract(epoch FROM '2026-01-01Z' - last) / 86400,
            visits, total, sessions, days, hour, mean, dev, harshness, entropy,
            (SELECT avg(coalesce(i.popularity, 0)) FROM pair JOIN %1$I.item i USING (item_id) WHERE pair.user_id = p.user_id)]::float8[],
        ARRAY[age::text, city], coalesce((SELECT jsonb_object_agg(i.id, value::real) FROM pair JOIN %1$I.item i USING (item_id)
            WHERE pair.user_id = p.user_id AND value IS NOT NULL), '{}'), coalesce(v.interests, '{}')
    FROM p LEFT JOIN hour USING (user_id) LEFT JOIN vector v USING (user_id) LEFT JOIN person USING (user_id)$q$, name);
END
$$;
CREATE FUNCTION found(name text) RETURNS TABLE (user_id integer, numbers float8[], texts text[], taste jsonb, interests jsonb)
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT user_id, ARRAY[events, items, extract(epoch FROM first_at), extract(epoch FROM last_at), recency_days,
            frequency, monetary, sessions, active_days, peak_hour, value_mean, value_stddev, harshness, entropy, mainstream]::float8[],
        ARRAY[age::text, city], taste::jsonb, interests::jsonb FROM %I.user_profile', name);
END
$$;
CREATE FUNCTION near(a jsonb, b jsonb) RETURNS boolean LANGUAGE sql AS $$
    SELECT coalesce(bool_and(abs(x.value::float8 - y.value::float8) <= 1e-6 * (1e-3 + abs(x.value::float8))), a = b) IS TRUE
    FROM jsonb_each_text(a) x FULL JOIN jsonb_each_text(b) y USING (key)
$$;
CREATE FUNCTION differences(name text) RETURNS text LANGUAGE sql AS $$
    SELECT format('%s users, %s wrong', count(*), count(*) FILTER (WHERE NOT coalesce(f.texts IS NOT DISTINCT FROM e.texts
        AND near(f.taste, e.taste) AND near(f.interests, e.interests)
        AND (SELECT bool_and(coalesce(abs(a - b) <= 1e-9 * (1 + abs(b)), a IS NULL AND b IS NULL)) FROM unnest(f.numbers, e.numbers) x (a, b)), false)))
    FROM found(name) f FULL JOIN expected(name) e USING (user_id)
$$;
SELECT make('stored');
SELECT differences('stored');
SELECT make('live', 'view');
SELECT differences('live');
SELECT count(*) AS wrong_items FROM (SELECT item_id, users, events, popularity, value_mean::numeric(20, 8) FROM stored.item
    EXCEPT SELECT item_id, count(DISTINCT user_id), count(*), count(DISTINCT user_id) / (SELECT count(DISTINCT user_id) FROM event)::float8,
        avg(amount)::numeric(20, 8) FROM event GROUP BY 1) d;
SELECT bool_and(i.id = r.n - 1) AS by_falling_events FROM stored.item i JOIN (SELECT id, row_number() OVER (ORDER BY events DESC, item_id) AS n FROM stored.item) r USING (id);
SELECT count(*) AS wrong_categories FROM stored.category c JOIN (SELECT topic, count(DISTINCT user_id) AS users FROM event JOIN topic USING (item_id) GROUP BY 1) e USING (topic)
WHERE c.users <> e.users OR abs(c.idf - ln(201.0 / (1 + c.users)) - 1) > 1e-9;
-- scores: a fifth each, but for ties
SELECT score, count(*) FILTER (WHERE k = 'r') AS recency, count(*) FILTER (WHERE k = 'f') AS frequency, count(*) FILTER (WHERE k = 'm') AS monetary
FROM (SELECT 'r' AS k, recency_score AS score FROM stored.user_profile UNION ALL SELECT 'f', frequency_score FROM stored.user_profile
    UNION ALL SELECT 'm', monetary_score FROM stored.user_profile) s GROUP BY 1 ORDER BY 1;
SELECT count(*) AS wrong_scores FROM (SELECT *, 6 - ntile(5) OVER (ORDER BY recency_days) AS r FROM stored.user_profile WHERE recency_days IS NOT NULL) s WHERE r <> recency_score;
SELECT count(*) AS wrong_segments FROM stored.user_profile WHERE segment IS DISTINCT FROM rfm_segment(recency_score, frequency_score, monetary_score);
SELECT count(*) AS wrong_tops FROM stored.user_profile p
WHERE ROW(top_interest::text, top_interests) IS DISTINCT FROM (SELECT ROW((array_agg(topic::text ORDER BY rank))[1], string_agg(topic::text, ', ' ORDER BY rank) FILTER (WHERE rank <= 3))
    FROM stored.user_interest i WHERE i.user_id = p.user_id);
-- storages agree in all
SELECT count(*) AS differences FROM (SELECT * FROM stored.user_profile EXCEPT SELECT * FROM live.user_profile) d;
SELECT count(*) AS differences FROM (TABLE stored.item EXCEPT TABLE live.item) d;
SELECT count(*) AS differences FROM (SELECT id, topic, users, idf FROM stored.category EXCEPT SELECT id, topic, users, idf FROM live.category) d;
SELECT count(*) AS differences FROM (SELECT users, events, recency_cut, frequency_cut, monetary_cut FROM stored.fit EXCEPT SELECT users, events, recency_cut, frequency_cut, monetary_cut FROM live.fit) d;
-- and with parallel scans
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT differences('live');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
SELECT drop_profiles('live');

-- taste as mean, count, logarithm; interests by value
SELECT make('mean', options => '{"taste": "mean", "half_life": null}'), make('count', options => '{"taste": "count", "half_life": null}'),
    make('log', options => '{"taste": "log1p", "half_life": null, "interest_weight": "value"}');
SELECT count(*) AS pairs, count(*) FILTER (WHERE abs(svec_get(m.taste, i.id) - e.mean) > 1e-4 OR svec_get(c.taste, i.id) <> e.n OR abs(svec_get(l.taste, i.id) - ln(1 + e.sum)) > 1e-5) AS wrong
FROM (SELECT user_id, item_id, avg(amount) AS mean, sum(amount) AS sum, count(*) AS n FROM event GROUP BY 1, 2) e
    JOIN mean.activity m USING (user_id) JOIN count.activity c USING (user_id) JOIN log.activity l USING (user_id) JOIN mean.item i USING (item_id);
SELECT count(*) AS users, count(*) FILTER (WHERE NOT near(l.interests::jsonb, v.interests)) AS wrong
FROM log.activity l JOIN (
    SELECT user_id, jsonb_object_agg(id, weight / norm) FILTER (WHERE weight <> 0) AS interests
    FROM (SELECT *, sqrt(sum(weight ^ 2) OVER (PARTITION BY user_id)) AS norm
        FROM (SELECT user_id, c.id, coalesce(sum(amount), 0) * c.idf AS weight FROM event JOIN topic USING (item_id) JOIN log.category c USING (topic) GROUP BY 1, 2, c.idf) w) n
    WHERE norm > 0 GROUP BY 1) v USING (user_id);
SELECT drop_profiles('mean'), drop_profiles('count'), drop_profiles('log');

-- incremental: users with changes are profiled anew, by the crowd as it was learned
CREATE INDEX ON event (user_id);
SELECT make('fresh', options => '{"incremental": true}');
SELECT differences('fresh');
CREATE TABLE before AS SELECT ctid AS place, user_id FROM fresh.activity;
INSERT INTO event VALUES (3, 7, 99.5, '2025-04-12', 7), (3, 1000, 1, '2025-04-13', 8), (777, 8, 12, '2025-04-14', 9), (NULL, 8, 1, NULL, 1);
UPDATE event SET amount = amount + 1 WHERE user_id = 5;
UPDATE event SET user_id = 6 WHERE user_id = 150;
DELETE FROM event WHERE user_id = 9;
SELECT name FROM refresh_profiles('fresh');
SELECT differences('fresh');
SELECT count(*) AS untouched, (SELECT count(*) FROM fresh.activity) AS users, (SELECT count(*) FROM event WHERE user_id = 150) AS events_150
FROM before JOIN fresh.activity a ON a.ctid = before.place AND a.user_id = before.user_id;
SELECT id - (SELECT count(*) FROM fresh.item) AS from_end, users, events, popularity FROM fresh.item WHERE item_id = 1000;
SELECT count(*) AS left_in_log FROM fresh.change;
SELECT users, events FROM fresh.fit;
-- the crowd learned anew is that of profiles made anew
SELECT name FROM refresh_profiles('fresh', relearn => true);
SELECT name FROM refresh_profiles('stored');
SELECT differences('fresh'), differences('stored');
SELECT count(*) AS differences FROM (SELECT * FROM fresh.user_profile EXCEPT SELECT * FROM stored.user_profile) d;
SELECT count(*) AS differences FROM (TABLE fresh.item EXCEPT TABLE stored.item) d;
-- rolled back, nothing is; truncated, all of it goes
BEGIN;
DELETE FROM event WHERE user_id < 100;
ROLLBACK;
SELECT count(*) FROM fresh.change;
BEGIN;
TRUNCATE event;
INSERT INTO event VALUES (1, 1, 1, '2025-04-12', 7);
SELECT name FROM refresh_profiles('fresh');
SELECT differences('fresh');
ROLLBACK;
-- a log that has missed something is not trusted
ALTER TABLE event DISABLE TRIGGER USER;
DELETE FROM event WHERE user_id = 11;
SELECT name FROM refresh_profiles('fresh');
SELECT differences('fresh');
SELECT drop_profiles('fresh'), drop_profiles('stored');
SELECT count(*) AS triggers FROM pg_trigger WHERE tgrelid = 'event'::regclass;

-- text that says numbers and times, seconds, uuid and text keys, no values, no times, decay without
SELECT storage FROM create_profiles('texts', $$SELECT * FROM (VALUES ('a', 'x', '1.5', '2026-01-01 12:00'), ('a', 'y', 'many', 'never'), ('b', 'x', NULL, NULL)) v (user_id, item_id, amount, at)$$,
    value_column => 'amount', time_column => 'at');
SELECT user_id, events, monetary, last_at, value_mean, harshness FROM texts.user_profile ORDER BY user_id;
SELECT storage FROM create_profiles('keys', $$SELECT md5(u::text)::uuid AS user_id, 'i' || u % 2 AS item_id, 1767225600 + u AS at FROM generate_series(1, 3) u$$, time_column => 'at', storage => 'view');
SELECT user_id, frequency, last_at, monetary, taste, entropy, interests, top_interest FROM keys.user_profile ORDER BY user_id;
SELECT storage FROM create_profiles('plain', 'SELECT 1::smallint AS user_id, true AS item_id');
SELECT user_id, events, first_at, recency_days, sessions, monetary, segment, taste, top_interests FROM plain.user_profile;
SELECT storage FROM create_profiles('nothing', 'SELECT 1 AS user_id, 2 AS item_id WHERE false', storage => 'view');
SELECT count(*) FROM nothing.user_profile;
SELECT users, events, recency_cut FROM nothing.fit;
SELECT drop_profiles('texts'), drop_profiles('keys'), drop_profiles('plain'), drop_profiles('nothing');
-- infinite times are none; an event after as_of is not seen
SELECT storage FROM create_profiles('times', $$SELECT 1 AS user_id, 2 AS item_id, t::timestamptz AS at FROM (VALUES ('infinity'), ('2026-01-01'), ('2026-01-03')) v (t)$$,
    time_column => 'at', options => '{"as_of": "2026-01-02"}');
SELECT events, first_at, last_at, recency_days FROM times.user_profile;
SELECT drop_profiles('times');
-- days and hours are those of the time zone, before and after its clocks change
SELECT storage FROM create_profiles('clock', $$SELECT 1 AS user_id, 1 AS item_id, t AS at FROM (VALUES (timestamptz '2025-03-30 00:59:59Z'), ('2025-03-30 01:00Z'), ('1960-07-01 12:00Z')) v (t)$$,
    time_column => 'at', options => '{"time_zone": "Europe/Berlin", "session_gap": "1 second"}');
SELECT sessions, active_days, peak_hour FROM clock.user_profile;
SELECT drop_profiles('clock');

-- names that bite
CREATE TABLE "Robert'); DROP" ("user" text, "it%1$Iem" integer, "va""lue" real, "wh en" date, "o'c" text, "%s" text);
INSERT INTO "Robert'); DROP" VALUES ('u', 1, 2, '2026-01-01', 'x', 'y');
SELECT storage FROM create_profiles('Robert''); DROP', '"Robert''); DROP"', 'user', 'it%1$Iem', 'va"lue', 'wh en', 'o''c', categories => '"Robert''); DROP"',
    category_column => '%s', attributes => 'SELECT "user", 1 AS "a%2$I" FROM "Robert''); DROP"', options => '{"incremental": true}');
INSERT INTO "Robert'); DROP" VALUES ('v', 1, 2, '2026-01-01', 'x', 'z');
SELECT storage FROM refresh_profiles('Robert''); DROP');
SELECT "user", events, top_interests, "a%2$I" FROM "Robert'); DROP".user_profile ORDER BY 1;
SELECT drop_profiles('Robert''); DROP');
SELECT storage FROM create_profiles('Robert''); DROP', '"Robert''); DROP"', 'user', 'it%1$Iem', categories => '"Robert''); DROP"', category_column => '%s', storage => 'view');
SELECT * FROM "Robert'); DROP".user_interest ORDER BY 1;
SELECT drop_profiles('Robert''); DROP');

-- what is refused leaves nothing behind
SELECT create_profiles(NULL, 'event');
SELECT create_profiles('p', 'no_table');
SELECT create_profiles('p', 'event', user_column => 'nobody');
SELECT create_profiles('p', 'event', user_column => 'item_id');
SELECT create_profiles('p', 'event', value_column => 'at');
SELECT create_profiles('p', 'event', time_column => 'amount', value_column => 'amount', options => '{"half_life": "-1 day"}');
SELECT create_profiles('p', 'SELECT 1 AS events, 2 AS item_id', user_column => 'events');
SELECT create_profiles('p', 'event', storage => 'heap');
SELECT create_profiles('p', 'event', options => '{"halflife": "1 day"}');
SELECT create_profiles('p', 'event', options => '{"half_life": "1 day"}');
SELECT create_profiles('p', 'event', options => '{"taste": "mean"}');
SELECT create_profiles('p', 'event', options => '{"interest_weight": "value"}');
SELECT create_profiles('p', 'event', options => '{"taste": "sweet"}');
SELECT create_profiles('p', 'event', options => '{"time_zone": "Mars/Olympus"}');
SELECT create_profiles('p', 'event', time_column => 'at', options => '{"as_of": "infinity"}');
SELECT create_profiles('p', 'event', time_column => 'at', options => '{"session_gap": "-1 second"}');
SELECT create_profiles('p', 'event', storage => 'view', options => '{"incremental": true}');
SELECT create_profiles('p', 'TABLE event', options => '{"incremental": true}');
SELECT create_profiles('p', 'event', categories => 'topic', category_column => NULL);
SELECT create_profiles('p', 'event', categories => 'topic', category_column => 'colour');
SELECT create_profiles('p', 'event', attributes => 'SELECT 1 AS user_id, 2 AS monetary');
SELECT create_profiles('p', 'event', attributes => 'SELECT 1 AS user_id FROM generate_series(1, 2)');
SELECT create_profiles('p', 'event', attributes => 'SELECT 1 AS somebody');
SELECT create_profiles('p', $$SELECT 1 AS user_id, 2 AS item_id, 'NaN'::real AS v$$, value_column => 'v');
SELECT create_profiles('p', 'SELECT 1 AS user_id, 2 AS item_id, 1e300::float8 AS v', value_column => 'v');
SELECT create_profiles('public', 'event');
SET maintenance_work_mem = '1MB';
SELECT create_profiles('p', 'SELECT u AS user_id, u AS item_id FROM generate_series(1, 100000) u');
RESET maintenance_work_mem;
SELECT refresh_profiles('p');
SELECT drop_profiles('p');
SELECT count(*) AS sets, to_regnamespace('p') AS schema FROM profile_set;
-- of the C function itself
SELECT user_activity('SELECT 1, 2', NULL::integer, NULL::integer, NULL, NULL, NULL, NULL, 1, 'UTC', 'count', false);
SELECT user_activity('SELECT 1, 2, 3, now()', NULL::integer, NULL::integer, NULL, NULL, NULL, NULL, 1, 'UTC', 'count', false);
SELECT user_activity('SELECT 1, 2, 3::float8, now()', NULL::bigint, NULL::integer, NULL, NULL, NULL, NULL, 1, 'UTC', 'count', false);
SELECT user_activity('SELECT 1, 2, 3::float8, now()', NULL::integer, NULL::text, NULL, NULL, NULL, NULL, 1, 'UTC', 'count', false);
SELECT user_activity('SELECT 1, 2, 3::float8, now()', NULL::integer, NULL::integer, 'SELECT 2, 3, 4', NULL, NULL, NULL, 1, 'UTC', 'count', false);
SELECT user_activity('SELECT 1, 2, 3::float8, now()', NULL::integer, NULL::integer, 'SELECT 2, -1', NULL, NULL, NULL, 1, 'UTC', 'count', false);
SELECT user_activity('SELECT 1, 2, 3::float8, now()', NULL::integer, NULL::integer, NULL, 'SELECT 2, 1, 0.5::float8, 0.5::float8', NULL, NULL, 1, 'UTC', 'count', false);
SELECT user_activity('SELECT 1, 2, 3::float8, now()', NULL::integer, NULL::integer, 'SELECT 2, 1', 'SELECT 2, 0, 0.5::float8, 0.5::float8', '{1}', NULL, 1, 'UTC', 'count', false);
SELECT user_activity('SELECT 1, 2, 3::float8, now()', NULL::integer, NULL::integer, 'SELECT 2, 1', 'SELECT 2, 0, 0.5::float8, 0.5::float8', '{{1,2}}', NULL, 1, 'UTC', 'count', false);
SELECT user_activity('SELECT 1, 2, 3::float8, now()', NULL::integer, NULL::integer, NULL, NULL, NULL, 0, 1, 'UTC', 'count', false);
SELECT user_activity('SELECT 1, 2, 3::float8, now()', NULL::integer, NULL::integer, NULL, NULL, NULL, NULL, 'NaN', 'UTC', 'count', false);
SELECT user_activity('SELECT 1, 2, 3::float8, now()', NULL::integer, NULL::integer, NULL, NULL, NULL, NULL, 1, 'UTC', NULL, false);
SELECT rfm_segment(0, 1, 1);
SELECT rfm_segment(NULL, 1, 1), rfm_segment(1, NULL, 1), rfm_segment(5, 5, NULL);
SELECT r AS recency, string_agg(rfm_segment(r, f, f), ' | ' ORDER BY f) AS by_frequency FROM generate_series(5, 1, -1) r, generate_series(1, 5) f GROUP BY r ORDER BY r DESC;

-- others may read what they are granted, and change nothing
SELECT name FROM create_profiles('mine', 'event', value_column => 'amount', time_column => 'at');
CREATE ROLE socrec_reader;
SET ROLE socrec_reader;
SELECT count(*) FROM mine.user_profile;
SELECT refresh_profiles('mine');
SELECT drop_profiles('mine');
RESET ROLE;
GRANT USAGE ON SCHEMA mine TO socrec_reader;
GRANT SELECT ON mine.user_profile, mine.activity, mine.fit TO socrec_reader;
SET ROLE socrec_reader;
SET default_transaction_read_only = on;
SELECT count(*) > 100 AS readable FROM mine.user_profile;
SELECT refresh_profiles('mine');
RESET default_transaction_read_only;
RESET ROLE;
REVOKE ALL ON mine.user_profile, mine.activity, mine.fit FROM socrec_reader;
REVOKE USAGE ON SCHEMA mine FROM socrec_reader;
DROP ROLE socrec_reader;
-- what others have built on it stops the drop; a lost schema leaves a row that can be dropped
CREATE VIEW champion AS SELECT user_id FROM mine.user_profile WHERE segment = 'champion';
SELECT drop_profiles('mine');
SELECT count(*) > 0 AS still_there FROM champion;
SELECT drop_profiles('mine', "cascade" => true);
SELECT name FROM create_profiles('mine', 'event');
DROP SCHEMA mine CASCADE;
SELECT refresh_profiles('mine');
SELECT drop_profiles('mine');
DROP TABLE sale, product, event, topic, person, before, "Robert'); DROP";
DROP FUNCTION make, expected, found, near, differences;
