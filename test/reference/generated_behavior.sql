-- A table generated_behavior, the same as in tools/reference_behavior.R and .py: of y,
-- the log-odds are -0.5 + x1 - 0.2 x2 + 0.5 x3 + x4 + 0.03 x5; of class k, the scores are
-- 0, x1 + 0.02 x5, 0.5 - 0.2 x2 + x4 and x3 - x1 - 0.5.
CREATE FUNCTION pg_temp.u(i bigint, a bigint, b bigint) RETURNS double precision
LANGUAGE sql IMMUTABLE AS 'SELECT ((i * i % 1000003 * a + i * b) % 1000003)::double precision / 1000003';

CREATE TABLE generated_behavior AS
SELECT x.*, pg_temp.u(i, 424243, 485818) < 1 / (1 + exp(-(-0.5 + x1 - 0.2 * x2 + 0.5 * x3 + x4 + 0.03 * x5))) AS y,
    0.5 + pg_temp.u(i, 31337, 2718) AS w, pg_temp.u(i, 161803, 577) - 0.5 AS o, (i % 53)::integer AS g, i,
    (SELECT count(*) FROM unnest(ARRAY[e1, e1 + e2, e1 + e2 + e3]) c WHERE pg_temp.u(i, 271829, 31415) > c / (e1 + e2 + e3 + e4)) AS k
FROM generate_series(1, 4000) i, LATERAL (
    SELECT pg_temp.u(i, 349, 7919) - 0.5 AS x1, 10 * pg_temp.u(i, 5081, 104729) AS x2, pg_temp.u(i, 92821, 1299) ^ 2 AS x3,
        (pg_temp.u(i, 611953, 31) < 0.3)::integer::double precision AS x4, 100 * pg_temp.u(i, 777, 65537) - 50 AS x5) x,
    LATERAL (SELECT 1::float8 AS e1, exp(x1 + 0.02 * x5) AS e2, exp(0.5 - 0.2 * x2 + x4) AS e3, exp(x3 - x1 - 0.5) AS e4) e;
