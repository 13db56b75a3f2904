-- A rating table with the long tails of MovieLens, the same on every run.
--
--   psql -v table=ratings_1m -v users=7000 -v items=10000 -f bench/ratings.sql
--
-- A user rates 20 + a lognormal number of items (median 70, sigma 1.2, about 140
-- on average); an item is drawn with a probability that falls like
-- 1 / (rank + items / 50) ^ 2, so that a tenth of the items has five sixths of
-- the ratings.  Ratings are 0.5 to 5 in steps of a half: quality of the item,
-- taste of the user for its kind, mood of the user, noise.
\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;

CREATE FUNCTION pg_temp.uniform(a bigint, b bigint, seed bigint) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ((hashint8extended(a * 1000003 + b, seed) & 1073741823) + 0.5) / 1073741824;

DROP TABLE IF EXISTS :"table";
CREATE TABLE :"table" (user_id bigint, item_id bigint, rating real);

INSERT INTO :"table"
SELECT user_id, item_id,
    greatest(1, least(10, round(2 * (3.4
        + 0.9 * (pg_temp.uniform(item_id, 0, 4) - 0.6)
        + 0.8 * (pg_temp.uniform(user_id, item_id % 8, 5) - 0.4)
        + 0.8 * (pg_temp.uniform(user_id, 0, 6) - 0.5)
        + 2.2 * (pg_temp.uniform(user_id, item_id, 7) - 0.5)))))::real / 2
FROM (
    SELECT DISTINCT u AS user_id,
        1 + ((7919 * floor((:items / 50.0) * (1 / (1 - pg_temp.uniform(u, d, 3) * 50.0 / 51) - 1))::bigint) % :items) AS item_id
    FROM (
        SELECT u, least(20 + exp(4.25 + 1.2 * sqrt(-2 * ln(pg_temp.uniform(u, 0, 1)))
            * cos(2 * pi() * pg_temp.uniform(u, 0, 2))), :items / 3)::integer AS n
        FROM generate_series(1, :users) u) n
        CROSS JOIN LATERAL generate_series(1, n.n) d) r
ORDER BY user_id, hashint8(item_id);

ALTER TABLE :"table" ADD PRIMARY KEY (user_id, item_id);
CREATE INDEX ON :"table" (item_id);
VACUUM ANALYZE :"table";
