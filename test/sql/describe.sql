SET search_path = public, socrec;
SET client_min_messages = warning;
SET TimeZone = 'Europe/Berlin';
SET jit = off;
SET extra_float_digits = 0;
\set VERBOSITY terse
\set SHOW_CONTEXT never

-- bars
SELECT v, '[' || bar(v, 10, 5) || ']' AS bar FROM unnest(ARRAY[-1, 0, 0.001, 0.25, 1, 5, 9.9, 10, 20, NULL]) v;
SELECT bar(1, 0), bar(1, -1), length(bar(3, 4)), length(bar(1e300, 1e-300, 7));
SELECT bar('NaN', 1);
SELECT bar(1, 'Infinity');
SELECT bar(1, 1, 0);

-- a table with everything wrong in it, counted by hand
CREATE TABLE dirty (user_id text, item_id uuid, rating double precision, at timestamptz);
INSERT INTO dirty SELECT u, ('00000000-0000-0000-0000-00000000000' || i)::uuid, r, t::timestamptz FROM (VALUES
    ('ann', 1, 5::float8, '2026-03-28 23:30+00'), ('ann', 1, 4, '2026-03-28 22:30+00'), ('ann', 2, 5, '2026-03-31 22:00+00'), ('ann', 1, 4, NULL),
    ('bob', 1, 3, '2025-12-31 23:00+00'), ('bob', 2, 3, '2025-12-31 22:59:59.9+00'), ('bob', 3, 3, '2026-01-01 00:00+00'),
    ('cat', 1, -2, 'infinity'), ('dan', 4, 'NaN', '2026-02-01'), ('eve', 4, '-Infinity', '2026-02-01'), ('fay', 4, NULL, '2026-02-01'),
    (NULL, 1, 5, '2026-02-01'), ('gil', NULL, 5, '2026-02-01'), (NULL, NULL, NULL, NULL)) v(u, i, r, t);
SELECT * FROM describe_ratings('dirty', time_column => 'at', options => '{"cold": 3, "constant_ratings": 3, "burst_ratings": 1, "burst_interval": "61 s"}');
-- the same without ratings, without times, by day, and in bins
SELECT * FROM describe_ratings('dirty', rating_column => NULL, time_column => 'at', options => '{"period": "day"}')
WHERE section IN ('table', 'quality', 'ratings per user', 'ratings over time', 'suspicious users');
SELECT * FROM describe_ratings('SELECT * FROM dirty;', options => '{"bins": 3}') WHERE section IN ('rating histogram', 'suspicious users', 'time');
SELECT metric, value FROM describe_ratings('SELECT user_id, item_id, at::timestamp AS t FROM dirty', rating_column => NULL, time_column => 't', options => '{"period": "week"}') WHERE section = 'ratings over time';
SELECT metric, value FROM describe_ratings('SELECT user_id, item_id, at::date AS t FROM dirty', rating_column => NULL, time_column => 't', options => '{"period": "quarter"}') WHERE section = 'ratings over time';
SELECT metric, value FROM describe_ratings('SELECT user_id, item_id, extract(epoch FROM at) AS t FROM dirty', rating_column => NULL, time_column => 't', options => '{"period": "year"}') WHERE section = 'ratings over time';

SELECT metric, value FROM describe_ratings('SELECT 1 AS user_id, 1 AS item_id, t FROM unnest(ARRAY[''1999-12-31 23:59:59'', ''2000-01-01 00:00'', ''1969-12-31 23:59:59.9'']::timestamp[]) t',
    rating_column => NULL, time_column => 't', options => '{"period": "day"}') WHERE section = 'ratings over time';

-- nothing, and one
SELECT count(*), count(value), count(nullif(value, 0)) AS not_zero FROM describe_ratings('SELECT * FROM dirty WHERE false', time_column => 'at');
SELECT metric, value FROM describe_ratings('SELECT * FROM dirty WHERE false') WHERE section IN ('table', 'overlap');
SELECT * FROM describe_ratings('SELECT 1 AS user_id, 1::smallint AS item_id, 4::numeric AS rating, ''0044-03-15 BC''::date AS at', time_column => 'at')
WHERE value IS DISTINCT FROM 1 AND value IS DISTINCT FROM 4 OR section = 'ratings over time';

-- random ratings, with duplicates, against the same in SQL
SELECT setseed(0.42);
CREATE TABLE sample AS SELECT (random() ^ 3 * 300)::integer AS user_id, 'i' || (random() ^ 3 * 200)::integer AS item_id,
    (random() * 9 + 1)::integer / 2.0::real AS rating, timestamptz '2026-01-01' + random() * interval '90 days' AS at FROM generate_series(1, 8000);
CREATE TABLE found AS SELECT * FROM describe_ratings('sample', time_column => 'at', options => '{"period": "day", "burst_ratings": 2, "burst_interval": "1 hour"}');
CREATE TABLE expected (section text, metric text, value double precision);
CREATE FUNCTION expect(what text, numbers double precision[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO expected
        SELECT what, 'mean', avg(x) FROM unnest(numbers) x UNION ALL SELECT what, 'standard deviation', stddev(x) FROM unnest(numbers) x
        UNION ALL SELECT what, 'minimum', min(x) FROM unnest(numbers) x UNION ALL SELECT what, 'maximum', max(x) FROM unnest(numbers) x
        UNION ALL SELECT what, CASE q WHEN 0.5 THEN 'median' ELSE 'quantile ' || q END, percentile_cont(q::float8) WITHIN GROUP (ORDER BY x)
            FROM unnest(numbers) x, unnest(ARRAY[0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]) q GROUP BY q
$$;
SELECT expect('rating', (SELECT array_agg(rating) FROM sample)),
    expect('ratings per user', (SELECT array_agg(n) FROM (SELECT count(*) AS n FROM sample GROUP BY user_id) u)),
    expect('ratings per item', (SELECT array_agg(n) FROM (SELECT count(*) AS n FROM sample GROUP BY item_id) u)),
    expect('mean rating per user', (SELECT array_agg(n) FROM (SELECT avg(rating) AS n FROM sample GROUP BY user_id) u)),
    expect('mean rating per item', (SELECT array_agg(n) FROM (SELECT avg(rating) AS n FROM sample GROUP BY item_id) u));
CREATE TABLE popularity AS SELECT item_id, count(*) AS n, row_number() OVER (ORDER BY count(*) DESC, item_id) AS rank FROM sample GROUP BY item_id;
INSERT INTO expected
    SELECT 'rating histogram', rating::real::text, count(*) FROM sample GROUP BY rating
    UNION ALL SELECT 'ratings over time', to_char(at, 'YYYY-MM-DD'), count(*) FROM sample GROUP BY 2
    UNION ALL SELECT 'table', m, v FROM (SELECT count(*) AS n, count(DISTINCT user_id) AS u, count(DISTINCT item_id) AS i, count(DISTINCT (user_id, item_id)) AS p FROM sample) s,
        LATERAL (VALUES ('rows', n), ('ratings', n), ('users', u), ('items', i), ('pairs', p), ('density', p::float8 / u / i)) v(m, v)
    UNION ALL SELECT 'quality', 'duplicate ratings', count(*) - count(DISTINCT (user_id, item_id)) FROM sample
    UNION ALL SELECT 'quality', 'repeated pairs', count(*) FROM (SELECT FROM sample GROUP BY user_id, item_id HAVING count(*) > 1) r
    UNION ALL SELECT 'popularity', format('share of top %s %% of items', p), sum(n) FILTER (WHERE rank <= ceil((SELECT count(*) FROM popularity) * p / 100.0)) / sum(n)
        FROM popularity, unnest(ARRAY[1, 5, 20]) p GROUP BY p
    UNION ALL SELECT 'popularity', 'Gini coefficient', sum(abs(a.n - b.n)) / 2.0 / count(*) / avg(a.n) FROM popularity a, popularity b
    UNION ALL SELECT 'popularity', 'long-tail index', count(*) FILTER (WHERE before >= 0.8 * 8000) / count(*)::float8
        FROM (SELECT coalesce(sum(n) OVER (ORDER BY rank ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before FROM popularity) p
    UNION ALL SELECT 'cold start', 'items with fewer than 5 ratings', count(*) FROM popularity WHERE n < 5
    UNION ALL SELECT 'cold start', 'users with one rating', count(*) FROM (SELECT FROM sample GROUP BY user_id HAVING count(*) = 1) u
    UNION ALL SELECT 'overlap', 'share of item pairs with support >= ' || t, count(*) FILTER (WHERE n >= t) / (SELECT count(*) * (count(*) - 1) / 2.0 FROM popularity)
        FROM (SELECT count(*) AS n FROM (SELECT DISTINCT user_id, item_id FROM sample) a JOIN (SELECT DISTINCT user_id, item_id FROM sample) b
            ON a.user_id = b.user_id AND a.item_id < b.item_id GROUP BY a.item_id, b.item_id) p, unnest(ARRAY[1, 5, 20]) t GROUP BY t
    UNION ALL SELECT 'suspicious users', 'constant: 10 or more ratings, variance zero', count(*) FROM (SELECT FROM sample GROUP BY user_id HAVING count(*) >= 10 AND variance(rating) = 0) u
    UNION ALL SELECT 'suspicious users', 'burst: more than 2 ratings within 3600 s', count(DISTINCT user_id) FROM (SELECT user_id,
            count(*) OVER (PARTITION BY user_id ORDER BY date_trunc('second', at) RANGE '1 hour' PRECEDING) AS n FROM sample) w WHERE n > 2;
SELECT count(*) AS compared, count(*) FILTER (WHERE abs(f.value - e.value) <= 1e-12 * greatest(abs(e.value), 1)) AS equal
FROM expected e LEFT JOIN found f USING (section, metric);
SELECT section, metric, e.value, f.value AS found FROM expected e FULL JOIN found f USING (section, metric)
WHERE abs(f.value - e.value) <= 1e-12 * greatest(abs(e.value), 1) IS NOT TRUE
    AND (e.section IS NOT NULL OR section IN ('rating histogram', 'ratings over time')) ORDER BY 1, 2;
-- what SQL cannot say so easily
SELECT section, metric, round(value::numeric, 9) AS value FROM found WHERE metric LIKE 'power-law%' OR section = 'overlap' AND metric NOT LIKE 'share of item%';

-- a sample of the items: the same for the same seed, and not far off
CREATE TABLE overlap_sample AS SELECT seed, metric, value FROM generate_series(1, 40) seed, describe_ratings('sample',
    options => jsonb_build_object('overlap_work', 300000, 'seed', seed)) WHERE section = 'overlap';
SELECT max(value) FILTER (WHERE metric = 'items compared with all') BETWEEN 10 AND 100 AS sampled,
    count(DISTINCT value) FILTER (WHERE metric = 'share of item pairs with support >= 1') > 30 AS differ
FROM overlap_sample;
SELECT o.metric, abs(avg(o.value) - f.value) < 3 * stddev(o.value) / sqrt(40) AS not_biased, stddev(o.value) / sqrt(avg(e.value ^ 2)) BETWEEN 0.7 AND 1.4 AS standard_error_holds
FROM overlap_sample o JOIN found f ON f.metric = o.metric
    JOIN overlap_sample e ON e.seed = o.seed AND e.metric = replace(o.metric, 'share of item pairs with', 'standard error,')
WHERE o.metric LIKE 'share of item pairs%' GROUP BY o.metric, f.value ORDER BY 1;
SELECT count(*) AS differences FROM overlap_sample o JOIN describe_ratings('SELECT * FROM sample ORDER BY at', options => '{"overlap_work": 300000, "seed": 7}') d USING (metric)
WHERE d.section = 'overlap' AND o.seed = 7 AND o.value <> d.value;

-- with and without workers
CREATE TABLE wide AS SELECT u AS user_id, (u * i) % 700 AS item_id, 1 AS rating FROM generate_series(1, 120) u, generate_series(1, 500) i;
SET max_parallel_maintenance_workers = 0;
CREATE TABLE serial AS SELECT * FROM describe_ratings('wide');
SET max_parallel_maintenance_workers = 2;
CREATE TABLE parallel AS SELECT * FROM describe_ratings('wide');
SELECT count(*) FROM serial WHERE section = 'overlap';
SELECT count(*) AS differences FROM (TABLE serial EXCEPT TABLE parallel) d;
RESET max_parallel_maintenance_workers;

-- many distinct ratings: a sketch, off by no more than 1 %
CREATE TABLE fine AS SELECT n % 100 AS user_id, n % 70 AS item_id, CASE WHEN n % 10 = 0 THEN 0 ELSE sinh((n - 20000) / 3000.0) END AS rating FROM generate_series(1, 80000) n;
SELECT d.metric, d.value IS NULL AS is_null, d.value = 0 AS is_zero FROM describe_ratings('fine') d WHERE section = 'rating' AND metric IN ('distinct values', 'quantiles are exact', 'quantile 0.25');
TRUNCATE expected, found;
INSERT INTO found SELECT * FROM describe_ratings('fine');
SELECT expect('rating', (SELECT array_agg(rating) FROM fine));
SELECT metric, CASE WHEN metric LIKE 'quantile%' OR metric = 'median' THEN abs(f.value - e.value) <= 0.0101 * abs(e.value) ELSE abs(f.value - e.value) <= 1e-9 * abs(e.value) END AS close
FROM expected e LEFT JOIN found f USING (section, metric) ORDER BY 1;
SELECT count(*) AS bins, sum(value) FROM found WHERE section = 'rating histogram';
SELECT metric, value FROM describe_ratings('SELECT 1 AS user_id, n AS item_id, CASE n WHEN 1 THEN 1.7e308 WHEN 2 THEN -1.7e308 ELSE n * 1e-310::float8 END AS rating FROM generate_series(1, 66000) n',
    options => '{"bins": 2}') WHERE section = 'rating histogram';

SELECT metric, value FROM describe_ratings('SELECT 1 AS user_id, 1 AS item_id, r AS rating FROM unnest(ARRAY[0, 5e-324]::float8[]) r', options => '{"bins": 1}') WHERE section = 'rating histogram';

-- little memory: pairs of a sample of users, whatever the order; or not even that
CREATE TABLE many AS SELECT (n % 1000)::text AS user_id, (n * 7919) % 2003 AS item_id, 3 AS rating FROM generate_series(1, 100000) n;
SET maintenance_work_mem = '1MB';
TRUNCATE found, expected;
INSERT INTO found SELECT * FROM describe_ratings('many');
INSERT INTO expected SELECT * FROM describe_ratings('SELECT * FROM many ORDER BY item_id');
SELECT f.metric, f.value < 0.6 AND f.value > 0 AS sampled FROM found f WHERE metric LIKE 'share of users%';
SELECT f.value BETWEEN 99999 AND 100001 AS pairs_estimated FROM found f WHERE metric = 'pairs';
SELECT count(*) AS differences FROM (TABLE found EXCEPT TABLE expected) d;
SELECT describe_ratings('SELECT n AS user_id, n AS item_id, 1 AS rating FROM generate_series(1, 200000) n');
RESET maintenance_work_mem;

-- histograms
SELECT * FROM histogram('sample', 'rating', 5);
SELECT * FROM histogram('dirty', 'rating', 3);
SELECT bin, low, high, count FROM histogram('SELECT 7 AS "x y" UNION ALL SELECT 7', 'x y');
SELECT * FROM histogram('SELECT NULL::real AS x UNION ALL SELECT ''NaN''', 'x');
SELECT * FROM histogram('SELECT 1 AS x WHERE false', 'x');
SELECT bin, low, high, count FROM histogram('SELECT x FROM unnest(ARRAY[-1.7e308, 0, 1.7e308]::float8[]) x', 'x', 2);
SELECT histogram('sample', 'rating', 0);
SELECT histogram('sample', NULL);
SELECT histogram('sample', 'item_id');
SELECT histogram('missing', 'rating');

-- correlations, against corr() of pairs, also far from zero and in parallel
CREATE TABLE measure AS SELECT n, 1e7 + x AS a, x * 3 + y AS b, CASE WHEN n % 5 <> 0 THEN y - x END AS c, 8 AS constant, CASE WHEN n % 3 = 0 THEN -y END::real AS "d ""d"
    FROM (SELECT n, random() AS x, random() AS y FROM generate_series(1, 20000) n) r;
SELECT x, y, round(correlation::numeric, 3) AS r, n FROM correlation_matrix('measure', '{a,b,c,constant,"d \"d"}');
CREATE FUNCTION differences() RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM correlation_matrix('measure', '{a,b,c,"d \"d"}') m,
        LATERAL (SELECT corr(v.x, v.y) AS r, count(*) AS n FROM (SELECT (to_jsonb(t) ->> m.x)::float8 AS x, (to_jsonb(t) ->> m.y)::float8 AS y FROM
            (SELECT a - 1e7 AS a, b, c, "d ""d" FROM measure) t) v WHERE v.x IS NOT NULL AND v.y IS NOT NULL) e
    WHERE (m.n = e.n AND abs(m.correlation - e.r) < 1e-7) IS NOT TRUE
$$;
SELECT differences();
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET parallel_leader_participation = off;
SELECT differences();
DO $$
DECLARE plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) SELECT correlations(ARRAY[a, b]) FROM measure' INTO plan;
    RAISE WARNING 'partial aggregate: %', plan::text LIKE '%"Partial Mode": "Partial"%';
END
$$;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET parallel_leader_participation;
-- states combined one by one: of rows with and without NULLs, or of none
CREATE AGGREGATE states(double precision[]) (SFUNC = correlation_accumulate, STYPE = double precision[]);
CREATE AGGREGATE combined(double precision[]) (SFUNC = correlation_combine, STYPE = double precision[], FINALFUNC = correlation_final);
WITH parts AS (SELECT states(ARRAY[a, b, c]) AS s FROM measure GROUP BY n * n % 7 ORDER BY n * n % 7),
    one AS (SELECT combined(s) AS f FROM (TABLE parts UNION ALL SELECT states(ARRAY[NULL, NULL, NULL]::float8[]) UNION ALL SELECT NULL) p),
    other AS (SELECT correlations(ARRAY[a, b, c]) AS f FROM measure)
SELECT count(*), max(abs(x - y)) < 1e-7 AS equal FROM one, other, unnest(one.f, other.f) u(x, y);
DROP AGGREGATE states(double precision[]), combined(double precision[]);
SELECT n % 2 AS half, (correlations(ARRAY[a, b]))[1][2][2] AS rows FROM measure GROUP BY 1 ORDER BY 1;
SELECT * FROM correlation_matrix('SELECT 1 AS a, NULL::real AS b', '{a,b}');
SELECT * FROM correlation_matrix('SELECT 1 AS a WHERE false', '{a}');
SELECT correlation_matrix('SELECT ''NaN''::real AS a', '{a}');
SELECT correlation_matrix('measure', '{}');
SELECT correlation_matrix('measure', '{a,NULL}');
SELECT correlation_matrix('measure', '{a,z}');
SELECT correlations(x) FROM (VALUES (ARRAY[1.0, 2.0]), (ARRAY[1.0])) v(x);
SELECT correlation_accumulate('{2,0,0}', '{1,2}');
SELECT correlation_accumulate('{501,0,0}', '{1,2}'), correlation_final('{}'), correlation_combine('{NaN}', '{1}');
SELECT correlation_combine(correlation_accumulate(NULL, '{1}'), correlation_accumulate(NULL, '{1,2}'));

-- what is refused
SELECT describe_ratings('missing');
SELECT describe_ratings(NULL);
SELECT describe_ratings('dirty', 'nobody');
SELECT describe_ratings('dirty', rating_column => 'at');
SELECT describe_ratings('dirty', time_column => 'user_id');
SELECT describe_ratings('SELECT json ''1'' AS user_id, 1 AS item_id, 1 AS rating');
SELECT describe_ratings('dirty; DROP TABLE dirty');
SELECT describe_ratings('dirty', options => '{"quantile": 1}');
SELECT describe_ratings('dirty', options => '{"cold": "5"}');
SELECT describe_ratings('dirty', options => '{"cold": 0.5}');
SELECT describe_ratings('dirty', options => '{"period": "hour"}');
SELECT describe_ratings('dirty', options => '{"burst_interval": "0 s"}');
SELECT describe_ratings('dirty', options => '[]');
SELECT rating_statistics('SELECT 1', false, false, 5, 10, 100, 60, 'month', 20, 1e8, 42);
SELECT rating_statistics('SELECT 1, 2', false, false, 5, 10, 100, 60, 'hour', 20, 1e8, 42);
SELECT rating_statistics('SELECT 1, 2', false, false, 5, 10, 100, 60, 'day', 0, 1e8, 42);
SELECT rating_statistics('SELECT 1, 2', false, false, 5, 10, 100, 60, 'day', 1, 'NaN', 42);

-- names that need care; only the source follows the caller's search_path
CREATE SCHEMA "Robert'); DROP";
CREATE TABLE "Robert'); DROP"."ra""ting" ("u'ser" integer, "it""em" date, "%I" real);
INSERT INTO "Robert'); DROP"."ra""ting" VALUES (1, '2026-01-01', 3), (1, '2026-01-02', 4);
CREATE FUNCTION "Robert'); DROP".format(text, VARIADIC "any") RETURNS text LANGUAGE internal AS 'text_format';
SET search_path = "Robert'); DROP", pg_catalog;
SELECT metric, value FROM socrec.describe_ratings('"ra""ting"', 'u''ser', 'it"em', '%I') WHERE section = 'table';
SELECT count FROM socrec.histogram('"ra""ting"', '%I', 2);
SELECT n FROM socrec.correlation_matrix('"ra""ting"', '{%I}');
SET search_path = public, socrec;
DROP SCHEMA "Robert'); DROP" CASCADE;

DROP TABLE dirty, sample, found, expected, popularity, overlap_sample, wide, serial, parallel, fine, many, measure;
DROP FUNCTION expect, differences;
