-- An event log as applications write it, the same on every run.
--
--   psql -v table=events_1m -v events=1000000 -f bench/events.sql
--
-- 20 events a user on average and 50 an item, both drawn with a long tail; five
-- kinds (view, like, share, purchase, unlike), a quantity, times within a year.
-- All columns are text: 2 % lack the user, 1 % the item, 1 % have a value or a
-- time that cannot be read, 3 % have white space around the item, 5 % repeat
-- the event before.
\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;

CREATE FUNCTION pg_temp.uniform(a bigint, seed bigint) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ((hashint8extended(a, seed) & 1073741823) + 0.5) / 1073741824;

DROP TABLE IF EXISTS :"table";
CREATE TABLE :"table" (user_id text, item_id text, kind text, quantity text, at text);

INSERT INTO :"table"
SELECT CASE WHEN pg_temp.uniform(n, 1) > 0.02 THEN 'u' || floor(pg_temp.uniform(n, 2) ^ 2 * :events / 20)::bigint END,
    CASE WHEN pg_temp.uniform(n, 3) > 0.01 THEN CASE WHEN pg_temp.uniform(n, 4) < 0.03 THEN ' ' ELSE '' END
        || 'item-' || floor(pg_temp.uniform(n, 5) ^ 3 * :events / 50)::bigint END,
    (ARRAY['view', 'view', 'view', 'view', 'view', 'view', 'like', 'like', 'share', 'purchase', 'purchase', 'unlike'])
        [1 + floor(pg_temp.uniform(n, 6) * 12)::integer],
    CASE WHEN pg_temp.uniform(n, 7) < 0.005 THEN 'n/a' ELSE (1 + floor(pg_temp.uniform(n, 8) ^ 4 * 10)::integer)::text END,
    CASE WHEN pg_temp.uniform(n, 9) < 0.005 THEN 'unknown'
        ELSE to_char(timestamp '2025-01-01' + floor(pg_temp.uniform(n, 10) * 31536000) * interval '1 second', 'YYYY-MM-DD HH24:MI:SS') END
FROM (SELECT i - CASE WHEN pg_temp.uniform(i, 11) < 0.05 THEN 1 ELSE 0 END AS n FROM generate_series(1, :events) i) e;
VACUUM ANALYZE :"table";
