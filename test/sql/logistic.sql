-- logistic: from weights and features to probabilities

CREATE SCHEMA test_logistic;
SET search_path = test_logistic, socrec;
\set SHOW_CONTEXT never
SET client_min_messages = warning;

-- What a statement raises, as "SQLSTATE message".
CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

-- All digits, where a cast gives 15.
CREATE FUNCTION digits(double precision) RETURNS numeric
LANGUAGE sql IMMUTABLE AS 'SELECT $1::text::numeric';

-- Ten digits are the same on every machine.
CREATE FUNCTION r(double precision) RETURNS numeric
LANGUAGE sql IMMUTABLE AS 'SELECT trim_scale(round($1::numeric, 10))';

--
-- logistic
--

-- ln 3 are the log-odds of 3 : 1
SELECT z, logistic(z) FROM unnest('{0,40,-800,1e308,-1e308}'::double precision[]) z;
SELECT r(logistic(ln(3))) AS three_quarters, r(logistic(-ln(3))) AS a_quarter;

-- against numeric arithmetic with 60 digits, also where exp(z) is no longer normal
SELECT bool_and(abs(digits(logistic(z)) - e / (1 + e)) <= 4.5e-16 * e / (1 + e) + 5e-324) AS right
FROM generate_series(-737.25, 40, 0.25) z, LATERAL (SELECT exp(z + 0e-400) AS e) x;
SELECT logistic(-745) = '4.94065645841246544e-324' AS smallest, logistic(-746) AS below,
    bool_and(logistic(z) <= logistic(z + 0.01)) AS rises
FROM generate_series(-746, 40, 0.37) z;
SELECT bool_and(abs(logistic(z) + logistic(-z) - 1) <= 2.3e-16) AS adds_up FROM generate_series(-36, 36, 0.125) z;

--
-- logistic_score: 0.5 - 2 + 3 * 0.25 = -0.75
--
SELECT r(logistic_score('{-2,3}'::real[], '{1,0.25}', 0.5)) AS reals,
    r(logistic_score('{-2,3}'::double precision[], '{1,0.25}'::double precision[], 0.5)) AS doubles,
    r(logistic_score('{7:-2, 9:3, 11:5}'::svec, '{7:1, 9:0.25, 10:8}'::svec, 0.5)) AS sparse,
    r(logistic_score('{-2,9,3}'::double precision[], '{1:1, 3:0.25}'::svec, 0.5)) AS indexed,
    r(logistic(-0.75)) AS as_logistic;
SELECT r(logistic_score(weights => '{1}'::double precision[], features => '{2}'::real[])) AS mixed,
    logistic_score('{}'::real[], '{}') AS empty, logistic_score('{}'::double precision[], '{}'::svec) AS empty_indexed,
    logistic_score('{1}'::double precision[], '{}'::svec, 1) = logistic(1) AS only_intercept;

-- of any length, and however the array is stored: with a short or a long header, out
-- of line, compressed, with a bitmap of NULLs that has none
CREATE TABLE stored (n integer, w double precision[], x real[]);
INSERT INTO stored
SELECT n, array_agg(sin(i) / sqrt(n) ORDER BY i), array_agg(cos(i * 1.7)::real ORDER BY i)
FROM unnest(ARRAY[1, 2, 3, 4, 5, 9, 10, 11, 31, 100, 5000, 200000]) n, generate_series(1, n) i GROUP BY n;
INSERT INTO stored VALUES (6000, array_fill(0.001::double precision, ARRAY[6000]), array_fill(0.25::real, ARRAY[6000]));
UPDATE stored SET w = (w || NULL)[1:n], x = (x || NULL)[1:n] WHERE n IN (5, 31);
SELECT n, abs(s - e) < 1e-6 AS real, abs(d - e) < 1e-13 AS double, abs(i - e) < 1e-13 AS indexed, abs(sparse - e) < 1e-6 AS sparse
FROM stored, LATERAL (SELECT logistic(sum(a * b)) AS e FROM unnest(w, x) u (a, b)) e,
    LATERAL (SELECT logistic_score(w::real[], x) AS s, logistic_score(w, x::double precision[]) AS d,
        logistic_score(w, svec(array(SELECT generate_series(1, n)), x)) AS i,
        logistic_score(svec(array(SELECT generate_series(1, n)), w::real[]), svec(array(SELECT generate_series(1, n)), x)) AS sparse) s
ORDER BY n;

-- products past the range of numbers
SELECT logistic_score('{1e308,1}'::double precision[], '{10,-1}') AS yes,
    logistic_score('{1e308}'::double precision[], '{-1e308}') AS no,
    logistic_score('{1e308,1e308,1}'::double precision[], '{10,-10,0}') AS balanced,
    logistic_score('{1e308,-1e308}'::double precision[], '{1:1e30, 2:1e30}'::svec) AS balanced_indexed,
    logistic_score('{1e308}'::double precision[], '{1:-1e30}'::svec) AS no_indexed,
    logistic_score('{3e38,3e38}'::real[], '{3e38,-3e38}') AS balanced_reals,
    logistic_score('{1e308}'::double precision[], '{-1e308}'::double precision[], 1e308) AS with_intercept;

-- unknown
SELECT logistic(NULL) IS NULL AND logistic_score(NULL::real[], '{1}') IS NULL AND logistic_score('{1}'::real[], NULL) IS NULL
    AND logistic_score('{1}'::real[], '{1}', NULL) IS NULL AS nothing,
    logistic_score('{1,2}'::real[], '{1,NULL}') AS feature, logistic_score('{1,NULL}'::double precision[], '{1,2}'::double precision[]) AS weight,
    logistic_score('{1,NULL}'::double precision[], '{1:1}'::svec) AS weight_indexed;

SELECT call, error_of(format('SELECT %s', call)) AS error
FROM unnest(ARRAY[
    $$logistic('NaN')$$, $$logistic('Infinity')$$,
    $$logistic_score('{1,2}'::real[], '{1}')$$, $$logistic_score('{{1,2}}'::real[], '{1,2}')$$,
    $$logistic_score('{1,2}'::real[], '{1,NaN}')$$, $$logistic_score('{1,-Infinity}'::real[], '{1,0}')$$,
    $$logistic_score('{1,2}'::double precision[], '{Infinity,1}')$$, $$logistic_score('{1}'::real[], '{1}', 'NaN')$$,
    $$logistic_score('{1,2}'::double precision[], '{3:1}'::svec)$$, $$logistic_score('{1,2}'::double precision[], '{0:1}'::svec)$$,
    $$logistic_score('{1,NaN}'::double precision[], '{2:1}'::svec)$$]) call;

--
-- softmax of an array
--
SELECT softmax(ARRAY[0, ln(2), ln(5)]) AS eighths, softmax('{}'::double precision[]) AS empty, softmax('{-1e308}'::double precision[]) AS one,
    softmax('{1e308,-1e308,1e308}'::double precision[]) AS extreme, softmax('{NULL,3,NULL,3}'::double precision[]) AS unknown, softmax('{NULL}'::double precision[]) AS all_unknown, softmax(NULL::double precision[]) AS null,
    softmax('{{7,7},{7,7}}'::double precision[]) AS shape;

-- tails below the normal numbers, whichever comes first, and beyond room to the reference
SELECT softmax('{0,-745,-746,-720}'::double precision[]) AS falls, softmax('{-720,-746,-745,0}'::double precision[]) AS rises,
    softmax('{0,101,-300}'::double precision[]) = ARRAY[exp(-101), 1, exp(-401)] AS jumps;

-- against numeric arithmetic; and the shares add up to 1, exactly summed
CREATE FUNCTION shares_are_right(z double precision[]) RETURNS boolean LANGUAGE sql AS $$
    SELECT bool_and(abs(digits(p) - e / total) <= 1e-13 * e / total + 1e-323) AND abs(sum(digits(p)) - 1) <= 1e-15
    FROM (SELECT p, e, sum(e) OVER () AS total
        FROM (SELECT u.p, exp(digits(u.z) - max(digits(u.z)) OVER () + 0e-400) AS e FROM unnest(z, softmax(z)) u (z, p)) x) s $$;
SELECT shares_are_right(array_agg(sin(i) * 3 ORDER BY i)) AS even, shares_are_right(array_agg(i * 0.7::double precision ORDER BY i)) AS rising,
    shares_are_right(array_agg(i * -0.7::double precision ORDER BY i)) AS falling, shares_are_right(array_agg(1e5 + round(sin(i * i) * 19200) / 64 ORDER BY i)) AS wild
FROM generate_series(1, 900) i;
SELECT abs(sum(digits(p)) - 1) <= 1e-15 AS many FROM unnest(softmax(array(SELECT ln(i::double precision) FROM generate_series(1, 50000) i))) p;

SELECT call, error_of(format('SELECT %s', call)) AS error
FROM unnest(ARRAY[$$softmax('{1,NaN}'::double precision[])$$, $$softmax('{1,-Infinity}'::double precision[])$$, $$softmax(1::double precision)$$]) call;

--
-- softmax as a window function
--
CREATE TABLE alternative (choice_set integer, name text, z double precision, x real[], s svec);
INSERT INTO alternative VALUES
    (1, 'bus', 0, '{1,2}', '{1:1,2:2}'), (1, 'train', ln(2), '{2,1}', '{1:2,2:1}'), (1, 'car', ln(5), '{0,3}', '{2:3}'),
    (2, 'bus', 1e308, '{1,2}', '{1:1,2:2}'), (2, 'train', -1e308, '{0,0}', '{}'), (2, 'walk', NULL, NULL, NULL),
    (3, 'walk', -1e308, '{5,5}', '{1:5,2:5}'), (4, 'none', NULL, '{1,NULL}', NULL);
SELECT choice_set, name, softmax(z) OVER (PARTITION BY choice_set) AS p,
    softmax(z) OVER (PARTITION BY choice_set ORDER BY name ROWS CURRENT ROW) AS whatever_the_frame
FROM alternative ORDER BY 1, 2;
SELECT name, softmax(z) OVER () FROM alternative WHERE false;
SELECT bool_and(w = a) AS same_as_array
FROM (SELECT i, softmax(sin(i)) OVER (ORDER BY i) AS w, (softmax(array_agg(sin(i)) OVER (ORDER BY i ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)))[i] AS a
    FROM generate_series(1, 200) i) x;

-- a partition that does not fit into work_mem, with scores that are computed
SET work_mem = '64kB';
SELECT count(*), abs(sum(digits(p)) - 1) <= 1e-15 AS adds_up, sum((repeat('x', 100) || i)::text::bytea IS NULL::integer) AS nothing
FROM (SELECT i, softmax((length(repeat('x', 100) || i) * sin(i))::double precision) OVER () AS p FROM generate_series(1, 20000) i) x;
RESET work_mem;
SELECT error_of('SELECT softmax(z) OVER () FROM (VALUES (1::double precision), (''NaN'')) v (z)') AS error;

--
-- choice_probability: exp(0.5 x1 - x2) / sum over the set
--
SELECT choice_set, name,
    r(choice_probability('{0.5,-1}'::real[], x) OVER w) AS reals,
    r(choice_probability('{0.5,-1}'::double precision[], x::double precision[]) OVER w) AS doubles,
    r(choice_probability('{1:0.5,2:-1}'::svec, s) OVER w) AS sparse,
    r(choice_probability('{0.5,-1}'::double precision[], s) OVER w) AS indexed,
    r(softmax(0.5 * x[1] - x[2]) OVER w) AS as_softmax
FROM alternative WINDOW w AS (PARTITION BY choice_set) ORDER BY 1, 2;

-- weights that differ from row to row, and those of a subquery, out of line
SELECT name, r(choice_probability(ARRAY[z, 1], x::double precision[]) OVER ()) AS p, r(softmax(z * x[1] + x[2]) OVER ()) AS same
FROM alternative WHERE choice_set = 1 ORDER BY 1;
SET work_mem = '64kB';
SELECT n, count(*), bool_and(abs(p - e) < 1e-14) AS right
FROM (SELECT n, choice_probability((SELECT w FROM stored WHERE n = 5000), x) OVER (PARTITION BY n) AS p,
        softmax(z) OVER (PARTITION BY n) AS e
    FROM (SELECT s.n, y.x, (SELECT sum(a * b) FROM unnest((SELECT w FROM stored WHERE n = 5000), y.x) u (a, b)) AS z
        FROM unnest(ARRAY[1, 2]) s (n), generate_series(1, 20) i,
            LATERAL (SELECT array_agg(sin(i * j)) AS x FROM generate_series(1, 5000) j) y) q) p
GROUP BY n ORDER BY n;
RESET work_mem;
SELECT error_of(format('SELECT choice_probability(%s) OVER () FROM alternative', arguments)) AS error
FROM unnest(ARRAY[$$'{1}'::real[], x$$, $$'{1}'::double precision[], s$$, $$'{1,NaN}'::real[], x$$]) arguments;
SELECT choice_probability(NULL::real[], x) OVER () AS unknown FROM alternative WHERE choice_set = 1;

-- in parallel workers
CREATE TABLE scored AS SELECT ARRAY[sin(i), cos(i)] AS x FROM generate_series(1, 20000) i;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SELECT round(sum(logistic_score('{1,2}'::double precision[], x))::numeric, 6) AS parallel FROM scored;
SET max_parallel_workers_per_gather = 0;
SELECT round(sum(logistic_score('{1,2}'::double precision[], x))::numeric, 6) AS serial FROM scored;

DROP SCHEMA test_logistic CASCADE;
