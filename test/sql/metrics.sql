-- metrics: squared and absolute error

SET search_path = public, socrec;
SET extra_float_digits = 0;

SELECT sse(y, p), mse(y, p), rmse(y, p), mae(y, p)
FROM (VALUES (1, 2), (3, 3), (5, 2.5), (NULL, 4), (4, NULL)) t(y, p);
SELECT sse(y, p), mse(y, p), rmse(y, p), mae(y, p) FROM (VALUES (1, 2)) t(y, p) WHERE false;
SELECT sse(y, p), mse(y, p), rmse(y, p), mae(y, p) FROM (VALUES (1, NULL::real)) t(y, p);
SELECT sse(1, 'NaN');
SELECT mae('infinity', 1);
SELECT sse(1e308, -1e308);

-- against plain SQL, serial and parallel
CREATE TABLE outcome AS
SELECT i % 5 AS g, (hashint4extended(i, 1) & 255)::double precision / 50 AS y,
    (hashint4extended(i, 2) & 255)::double precision / 50 AS p
FROM generate_series(1, 20000) i;
ANALYZE outcome;
CREATE TABLE serial AS SELECT g, sse(y, p), mse(y, p), rmse(y, p), mae(y, p) FROM outcome GROUP BY g;
SELECT count(*) AS groups, max(abs(s.sse - e)) < 1e-6 AS sse, max(abs(s.mse - e / n)) < 1e-10 AS mse,
    max(abs(s.rmse - sqrt(e / n))) < 1e-10 AS rmse, max(abs(s.mae - a)) < 1e-10 AS mae
FROM serial s JOIN (
    SELECT g, sum((y - p) ^ 2) AS e, count(*) AS n, avg(abs(y - p)) AS a FROM outcome GROUP BY g) b USING (g);
BEGIN;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;
SELECT max(abs(s.sse - p.sse)) < 1e-8 AS sse, max(abs(s.mse - p.mse)) < 1e-12 AS mse,
    max(abs(s.rmse - p.rmse)) < 1e-12 AS rmse, max(abs(s.mae - p.mae)) < 1e-12 AS mae
FROM serial s JOIN (SELECT g, sse(y, p), mse(y, p), rmse(y, p), mae(y, p) FROM outcome GROUP BY g) p USING (g);
COMMIT;

-- states made by hand are refused
SELECT error_accumulate('{1,2}', 1, 1);
SELECT rmse_final('{1,2,3,4}');
SELECT sse_final(NULL), mse_final(NULL), rmse_final(NULL), mae_final(NULL);

DROP TABLE outcome, serial;
