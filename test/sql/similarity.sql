SET search_path = public, socrec;
CREATE SCHEMA test_similarity;
SET search_path = test_similarity, socrec;

-- What a statement raises, as "SQLSTATE message".
CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

-- Whether the plan of a query has a line that matches.
CREATE FUNCTION plan_has(query text, pattern text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        IF line ~ pattern THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END $$;

-- Ten digits are the same on every machine.
CREATE FUNCTION r(double precision) RETURNS numeric
LANGUAGE sql IMMUTABLE AS 'SELECT trim_scale(round($1::numeric, 10))';

--
-- Two vectors, by hand
--

-- As arrays: 11 / sqrt(30 * 61); -15 / sqrt(14 * 18.75); -17 / sqrt(15 * 20);
-- {1, 2, 4} and {1, 2, 3}; 1 / (1 + sqrt(4 + 4 + 36 + 25))
SELECT r(cosine_similarity(a, b)) AS cosine,
       r(pearson_similarity(a, b)) AS pearson,
       r(adjusted_cosine(a, b, means)) AS adjusted,
       r(jaccard_similarity(a, b)) AS jaccard,
       r(euclidean_similarity(a, b)) AS euclidean
FROM (VALUES ('{1,2,0,5}'::double precision[], '{3,4,6,0}'::double precision[],
              '{2,3,3,3}'::double precision[])) v (a, b, means);
SELECT r(cosine_similarity(a, b)) AS cosine,
       r(pearson_similarity(a, b)) AS pearson,
       r(adjusted_cosine(a, b, means)) AS adjusted,
       r(jaccard_similarity(a, b)) AS jaccard,
       r(euclidean_similarity(a, b)) AS euclidean
FROM (VALUES ('{1,2,0,5}'::real[], '{3,4,6,0}'::real[], '{2,3,3,3}'::real[])) v (a, b, means);

-- As sparse vectors a zero is absent: cosine and Jaccard are the same, the
-- others see the ids 1 and 2 only: (1, 3), (2, 4); (-1, 1), (-1, 1);
-- 1 / (1 + sqrt(4 + 4))
SELECT r(cosine_similarity(a, b)) AS cosine,
       r(pearson_similarity(a, b)) AS pearson,
       r(adjusted_cosine(a, b, means)) AS adjusted,
       r(jaccard_similarity(a, b)) AS jaccard,
       r(euclidean_similarity(a, b)) AS euclidean
FROM (VALUES ('{1:1, 2:2, 4:5}'::svec, '{1:3, 2:4, 3:6}'::svec,
              '{1:2, 2:3, 3:3, 4:3}'::svec)) v (a, b, means);

-- As rows, a NULL being absent: like sparse vectors
SELECT r(cosine_similarity(x, y)) AS cosine,
       r(pearson_similarity(x, y)) AS pearson,
       r(adjusted_cosine(x, y, mean)) AS adjusted,
       r(jaccard_similarity(x, y)) AS jaccard,
       r(euclidean_similarity(x, y)) AS euclidean
FROM (VALUES (1, 3, 2), (2, 4, 3), (NULL, 6, 3), (5, NULL, 3), (NULL, NULL, 3)) v (x, y, mean);

-- Equal is exactly 1, opposite exactly -1, nothing in common 0
SELECT cosine_similarity(a, a) AS cosine, pearson_similarity(a, a) AS pearson,
       adjusted_cosine(a, a, b) AS adjusted, jaccard_similarity(a, a) AS jaccard,
       euclidean_similarity(a, a) AS euclidean,
       cosine_similarity(a, c) AS opposite, pearson_similarity(a, c) AS opposite
FROM (VALUES ('{0.1,0.7,3.3}'::double precision[], '{1,1,1}'::double precision[],
              '{-0.1,-0.7,-3.3}'::double precision[])) v (a, b, c);
SELECT cosine_similarity(a, a) AS cosine, pearson_similarity(a, a) AS pearson,
       adjusted_cosine(a, a, b) AS adjusted, jaccard_similarity(a, a) AS jaccard,
       euclidean_similarity(a, a) AS euclidean
FROM (VALUES ('{1:0.1, 2:0.7, 5:3.3}'::svec, '{1:1, 2:1, 5:1}'::svec)) v (a, b);
SELECT cosine_similarity('{1,0}'::real[], '{0,1}'::real[]) AS cosine,
       jaccard_similarity('{1,0}'::real[], '{0,1}'::real[]) AS jaccard,
       cosine_similarity('{1:1}'::svec, '{2:1}'::svec) AS cosine_svec,
       jaccard_similarity('{1:1}'::svec, '{2:1}'::svec) AS jaccard_svec;

-- Not defined: a zero vector, no variance, nothing there, nothing in common
SELECT cosine_similarity('{0,0}'::real[], '{1,2}'::real[]) AS zero,
       cosine_similarity('{0,0}'::real[], '{0,0}'::real[]) AS zeros,
       pearson_similarity('{0.1,0.1,0.1}'::double precision[], '{1,2,3}') AS constant,
       pearson_similarity('{1}'::real[], '{2}'::real[]) AS one,
       adjusted_cosine('{1,2}'::real[], '{3,4}'::real[], '{1,2}'::real[]) AS at_mean,
       jaccard_similarity('{0,0}'::real[], '{0,0}'::real[]) AS no_union,
       num_nulls(cosine_similarity('{}'::real[], '{}'::real[]),
                 pearson_similarity('{}'::real[], '{}'::real[]),
                 adjusted_cosine('{}'::real[], '{}'::real[], '{}'::real[]),
                 jaccard_similarity('{}'::real[], '{}'::real[]),
                 euclidean_similarity('{}'::real[], '{}'::real[])) AS empty;
SELECT num_nulls(cosine_similarity(a, b), pearson_similarity(a, b), adjusted_cosine(a, b, b),
                 euclidean_similarity(a, b)) AS undefined,
       jaccard_similarity(a, b) AS jaccard
FROM (VALUES ('{}'::svec, '{1:1}'::svec), ('{1:1}', '{}'), ('{}', '{}')) v (a, b);
SELECT pearson_similarity('{1:1, 2:2}'::svec, '{2:1, 3:2}'::svec) AS one_common,
       pearson_similarity('{1:1, 2:2}'::svec, '{3:1, 4:2}'::svec) AS none_common,
       euclidean_similarity('{1:1, 2:2}'::svec, '{3:1, 4:2}'::svec) AS none_common,
       adjusted_cosine('{1:1, 2:2}'::svec, '{1:2, 2:1}'::svec, '{3:1}'::svec) AS no_mean;

-- Strict
SELECT num_nulls(cosine_similarity(NULL::real[], '{1}'), cosine_similarity('{1}'::real[], NULL),
                 cosine_similarity('{1}'::real[], '{1}', NULL),
                 cosine_similarity(NULL::svec, '{1:1}'::svec)) AS nulls;

-- A large mean takes nothing away: 39 / 42; 5 / sqrt(6 * 5)
SELECT r(pearson_similarity(a, b)) AS pearson, r(adjusted_cosine(a, b, c)) AS adjusted,
       (SELECT r(pearson_similarity(x, y)) FROM unnest(a, b) u (x, y)) AS aggregate
FROM (VALUES ('{100000001,100000003,100000004}'::double precision[],
              '{100000001,100000002,100000004}'::double precision[],
              '{100000002,100000002,100000002}'::double precision[])) v (a, b, c);

-- Far from 1, and too far
SELECT r(cosine_similarity('{1e-150,0}'::double precision[], '{1e-150,1e-150}')) AS small,
       r(cosine_similarity('{1e150,0}'::double precision[], '{1e150,1e150}')) AS large,
       r(cosine_similarity('{1e38,0}'::real[], '{1e38,1e38}'::real[])) AS large_real,
       cosine_similarity('{1e-200}'::double precision[], '{1}') AS square_is_zero;
SELECT error_of('SELECT ' || call) AS error, call
FROM (VALUES ($$cosine_similarity('{1e200}'::float8[], '{1}')$$),
             ($$cosine_similarity('{1}'::float8[], '{-1e200}')$$),
             ($$pearson_similarity('{1e308,-1e308}'::float8[], '{1,2}')$$),
             ($$adjusted_cosine('{1e308}'::float8[], '{1}', '{-1e308}')$$),
             ($$euclidean_similarity('{1e200}'::float8[], '{1}')$$),
             ($$jaccard_similarity('{1e308}'::float8[], '{1}')$$),
             ($$(SELECT cosine_similarity(x, 1) FROM (VALUES (1e200), (1)) v (x))$$),
             ($$(SELECT cosine_similarity(1, x) FROM (VALUES (1e200), (1)) v (x))$$),
             ($$(SELECT pearson_similarity(x, x) FROM (VALUES (1e200), (1)) v (x))$$),
             ($$(SELECT euclidean_similarity(x, 1) FROM (VALUES (1e200), (1)) v (x))$$)) v (call);

-- Ids of both widths, negative and largest: 28 / sqrt(21 * 40); (1, 2), (2, 3),
-- (4, 5); 3 of 5; (-1, 0), (3, 4)
SELECT r(cosine_similarity(a, b)) AS cosine, r(cosine_similarity(b, a)) AS turned,
       r(pearson_similarity(a, b)) AS pearson, jaccard_similarity(a, b) AS jaccard,
       r(adjusted_cosine(a, b, c)) AS adjusted, r(12 / sqrt(10 * 16.0)) AS by_hand
FROM (VALUES ('{-5:1, 7:2, 8:4}'::svec,
              '{-9223372036854775808:1, -5:2, 7:3, 8:5, 9223372036854775807:1}'::svec,
              '{-6:9, -5:2, 6:9, 8:1, 9:9}'::svec)) v (a, b, c);
SELECT cosine_similarity(a, a) AS cosine, jaccard_similarity(a, b) AS jaccard,
       euclidean_similarity(a, b) AS euclidean
FROM (VALUES ('{1:1, 9223372036854775807:2}'::svec,
              '{2:1, 9223372036854775807:2}'::svec)) v (a, b);

--
-- Options
--

-- Both not zero in 2 positions, which is the support of cosine and Jaccard; all
-- 4 count for the others.  2 / 2.5 and 4 / 4.5 remain with a shrinkage of 0.5.
SELECT min_support,
       r(cosine_similarity(a, b, min_support, 0.5)) AS cosine,
       r(pearson_similarity(a, b, min_support, 0.5)) AS pearson,
       r(adjusted_cosine(a, b, means, min_support, 0.5)) AS adjusted,
       r(jaccard_similarity(a, b, min_support, 0.5)) AS jaccard,
       r(euclidean_similarity(a, b, min_support, 0.5)) AS euclidean
FROM (VALUES ('{1,2,0,5}'::double precision[], '{3,4,6,0}'::double precision[],
              '{2,3,3,3}'::double precision[])) v (a, b, means),
     unnest(ARRAY[0, 2, 3, 4, 5]) AS min_support;
SELECT min_support,
       r(cosine_similarity(a, b, min_support, 0.5)) AS cosine,
       r(pearson_similarity(a, b, min_support, 0.5)) AS pearson,
       r(adjusted_cosine(a, b, means, min_support, 0.5)) AS adjusted,
       r(jaccard_similarity(a, b, min_support, 0.5)) AS jaccard,
       r(euclidean_similarity(a, b, min_support, 0.5)) AS euclidean
FROM (VALUES ('{1:1, 2:2, 4:5}'::svec, '{1:3, 2:4, 3:6}'::svec,
              '{1:2, 2:3, 3:3, 4:3}'::svec)) v (a, b, means),
     unnest(ARRAY[0, 2, 3]) AS min_support;
SELECT min_support,
       r(cosine_similarity(x, y, min_support, 0.5)) AS cosine,
       r(pearson_similarity(x, y, min_support, 0.5)) AS pearson,
       r(adjusted_cosine(x, y, mean, min_support, 0.5)) AS adjusted,
       r(jaccard_similarity(x, y, min_support, 0.5)) AS jaccard,
       r(euclidean_similarity(x, y, min_support, 0.5)) AS euclidean
FROM (VALUES (1, 3, 2), (2, 4, 3), (NULL, 6, 3), (5, NULL, 3), (NULL, NULL, 3)) v (x, y, mean),
     unnest(ARRAY[0, 2, 3]) AS min_support
GROUP BY min_support ORDER BY min_support;
SELECT cosine_similarity('{1,2}'::real[], '{1,2}'::real[], shrinkage => 2) AS half,
       cosine_similarity('{1:1}'::svec, '{1:1}'::svec, min_support => 2) AS below;

-- Those that differ from row to row: the largest counts, also that of a row
-- that is otherwise skipped.  3 of 3 with 3 / (3 + 3); 3 of 4.
SELECT cosine_similarity(x, x, min_support, shrinkage) AS half
FROM (VALUES (1, 1, 1), (2, 3, 0), (NULL, 2, 3), (3, 0, 2)) v (x, min_support, shrinkage);
SELECT cosine_similarity(x, x, min_support, shrinkage) AS below
FROM (VALUES (1, 1, 1), (2, 3, 0), (NULL, 4, 3), (3, 0, 2)) v (x, min_support, shrinkage);

--
-- What must be refused
--
SELECT error_of('SELECT ' || call) AS error, call
FROM (VALUES ($$cosine_similarity('{1,2}'::real[], '{1}'::real[])$$),
             ($$cosine_similarity('{}'::real[], '{1}'::real[])$$),
             ($$jaccard_similarity('{1,2,3}'::float8[], '{1}')$$),
             ($$adjusted_cosine('{1,2}'::real[], '{1,2}'::real[], '{1,2,3}'::real[])$$),
             ($$cosine_similarity('{{1,2}}'::real[], '{{1,2}}'::real[])$$),
             ($$pearson_similarity('{1,2}'::real[], '{{1,2}}'::real[])$$),
             ($$cosine_similarity('{1,NULL}'::real[], '{1,2}'::real[])$$),
             ($$euclidean_similarity('{1,2}'::float8[], '{1,NULL}')$$),
             ($$cosine_similarity('{1,NaN}'::real[], '{1,2}'::real[])$$),
             ($$jaccard_similarity('{1,2}'::real[], '{1,NaN}'::real[])$$),
             ($$cosine_similarity('{1,Infinity}'::float8[], '{1,2}')$$),
             ($$euclidean_similarity('{-Infinity}'::real[], '{-Infinity}'::real[])$$),
             ($$adjusted_cosine('{1}'::real[], '{1}'::real[], '{NaN}'::real[])$$),
             ($$cosine_similarity('{1}'::real[], '{1}'::real[], -1)$$),
             ($$cosine_similarity('{1}'::real[], '{1}'::real[], 0, -0.5)$$),
             ($$cosine_similarity('{1}'::real[], '{1}'::real[], 0, 'NaN')$$),
             ($$cosine_similarity('{1:1}'::svec, '{1:1}'::svec, 0, 'Infinity')$$),
             ($$adjusted_cosine('{1:1}'::svec, '{1:1}'::svec, '{1:1}'::svec, -2)$$)) v (call);
SELECT error_of(format('SELECT %s FROM (VALUES (1::float8, 2::float8), (%s)) v (x, y)', call, line))
       AS error, call, line
FROM (VALUES ($$cosine_similarity(x, y)$$, $$'NaN', 1$$),
             ($$cosine_similarity(x, y)$$, $$NULL, '-Infinity'$$),
             ($$pearson_similarity(x, y)$$, $$1, 'Infinity'$$),
             ($$pearson_similarity(x, y)$$, $$NULL, 'Infinity'$$),
             ($$adjusted_cosine(x, 1, y)$$, $$1, 'NaN'$$),
             ($$jaccard_similarity(x, y)$$, $$'NaN', 1$$),
             ($$euclidean_similarity(x, y)$$, $$'Infinity', 'Infinity'$$),
             ($$cosine_similarity(x, y, -1, 0)$$, $$1, 1$$),
             ($$cosine_similarity(x, y, 1, -3)$$, $$1, 1$$),
             ($$cosine_similarity(x, y, 1, 'NaN')$$, $$1, 1$$),
             ($$cosine_similarity(x, y, NULL, 0)$$, $$1, 1$$),
             ($$cosine_similarity(x, y, 1, NULL)$$, $$1, 1$$)) v (call, line);

-- No row, and no row with a value
SELECT num_nulls(cosine_similarity(x, y), pearson_similarity(x, y), adjusted_cosine(x, y, x),
                 jaccard_similarity(x, y), euclidean_similarity(x, y),
                 cosine_similarity(x, y, 0, 0)) AS no_row
FROM (VALUES (1, 1)) v (x, y) WHERE false;
SELECT num_nulls(cosine_similarity(x, y), pearson_similarity(x, y), adjusted_cosine(x, y, x),
                 jaccard_similarity(x, y), euclidean_similarity(x, y)) AS all_null
FROM (VALUES (NULL::int, NULL::int), (NULL, NULL)) v (x, y);
SELECT pearson_similarity(x, y) AS one_pair, adjusted_cosine(x, y, m) AS no_mean,
       euclidean_similarity(x, m) AS no_pair, pearson_similarity(0.1, y) AS constant,
       cosine_similarity(x, m) AS cosine, jaccard_similarity(x, m) AS jaccard
FROM (VALUES (1, 2, NULL), (NULL, 3, 2), (NULL, NULL, 3), (NULL, 5, 3)) v (x, y, m);

--
-- A rating table compared with itself
--
CREATE TABLE film_rating (person text, film text, rating real, PRIMARY KEY (person, film));
INSERT INTO film_rating VALUES
    ('Ann', 'Alien', 5), ('Ann', 'Brazil', 3), ('Ann', 'Casablanca', 1),
    ('Ben', 'Alien', 4), ('Ben', 'Brazil', 2),
    ('Cleo', 'Alien', 1), ('Cleo', 'Brazil', 5), ('Cleo', 'Casablanca', 4),
    ('Dan', 'Casablanca', 5), ('Dan', 'Duel', 2);

-- The mean of Ann is 3, of Ben 3, of Cleo 10 / 3, of Dan 3.5
SELECT a.film, b.film AS other, count(*) AS support,
       r(cosine_similarity(a.rating, b.rating)) AS cosine,
       r(pearson_similarity(a.rating, b.rating)) AS pearson,
       r(adjusted_cosine(a.rating, b.rating, m.mean)) AS adjusted,
       r(euclidean_similarity(a.rating, b.rating)) AS euclidean,
       r(cosine_similarity(a.rating, b.rating, 2, 1)) AS cosine_2_1
FROM film_rating a
JOIN film_rating b USING (person)
JOIN (SELECT person, avg(rating) AS mean FROM film_rating GROUP BY person) m USING (person)
WHERE a.film < b.film
GROUP BY a.film, b.film
ORDER BY a.film, b.film;

-- Over the inner join the cosine is that of the co-rated pairs, over the full
-- join that of the whole vectors: Ann (5, 1), Cleo (1, 4); Ben (4, 0), Dan (0, 5)
CREATE VIEW both_films AS
SELECT alien.rating AS alien, casablanca.rating AS casablanca
FROM (SELECT * FROM film_rating WHERE film = 'Alien') alien
FULL JOIN (SELECT * FROM film_rating WHERE film = 'Casablanca') casablanca USING (person);
SELECT r(cosine_similarity(alien, casablanca) FILTER (WHERE num_nulls(alien, casablanca) = 0))
           AS co_rated,
       r(9 / sqrt((25 + 1) * (1 + 16.0))) AS by_hand,
       r(cosine_similarity(alien, casablanca)) AS whole,
       r(9 / sqrt((25 + 1 + 16) * (1 + 16 + 25.0))) AS by_hand,
       jaccard_similarity(alien, casablanca) AS jaccard
FROM both_films;

--
-- Random data: against the formulas in SQL, and form against form
--
SELECT setseed(0.42);
CREATE TABLE pairs AS
SELECT i, i % 20 AS grp,
       CASE WHEN random() < 0.8 THEN 0.5 + 4.5 * random() END AS x,
       CASE WHEN random() < 0.8 THEN 0.5 + 4.5 * random() END AS y,
       2 + random() AS mean
FROM generate_series(1, 10000) i;
ANALYZE pairs;

CREATE VIEW aggregated AS
SELECT grp, cosine_similarity(x, y) AS cosine, pearson_similarity(x, y) AS pearson,
       adjusted_cosine(x, y, mean) AS adjusted, jaccard_similarity(x, y) AS jaccard,
       euclidean_similarity(x, y) AS euclidean,
       cosine_similarity(x, y, 320, 50) AS cosine_320_50
FROM pairs GROUP BY grp;

CREATE VIEW defined AS
WITH sums AS (
    SELECT grp, count(*) FILTER (WHERE num_nulls(x, y) = 0)::float8 AS n,
           count(*) FILTER (WHERE num_nulls(x, y) < 2) AS n_any,
           sum(x * y) / sqrt(sum(x * x) * sum(y * y)) AS cosine,
           corr(x, y) AS pearson,
           sum((x - mean) * (y - mean)) AS uv,
           sum((x - mean) ^ 2) FILTER (WHERE y IS NOT NULL) AS uu,
           sum((y - mean) ^ 2) FILTER (WHERE x IS NOT NULL) AS vv,
           sum((x - y) ^ 2) AS dd
    FROM pairs GROUP BY grp)
SELECT grp, cosine, pearson, uv / sqrt(uu * vv) AS adjusted, n / n_any AS jaccard,
       1 / (1 + sqrt(dd)) AS euclidean,
       CASE WHEN n >= 320 THEN cosine * n / (n + 50) END AS cosine_320_50
FROM sums;

-- How far apart two relations of similarities by group are: values compared,
-- how many of them are NULL in both, and whether all others agree
CREATE FUNCTION apart(one text, other text, OUT n bigint, OUT nulls bigint, OUT equal boolean)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format($q$
        SELECT count(*), count(*) FILTER (WHERE num_nulls(a.value, b.value) = 2),
               bool_and(num_nulls(a.value, b.value) = 2
                        OR coalesce(abs(a.value - b.value) < 1e-12, false))
        FROM (SELECT grp, key, value::float8
              FROM %s t, jsonb_each_text(to_jsonb(t) - 'grp') j) a
        FULL JOIN (SELECT grp, key, value::float8
                   FROM %s t, jsonb_each_text(to_jsonb(t) - 'grp') j) b
        USING (grp, key) $q$, one, other) INTO n, nulls, equal;
END $$;
SELECT n, nulls BETWEEN 1 AND 19 AS some_below_support, equal FROM apart('aggregated', 'defined');

-- The comparison sees a difference
SELECT * FROM apart('(SELECT 1 AS grp, 0.5 AS s)', '(SELECT 1 AS grp, 0.500000000002 AS s)');
SELECT * FROM apart('(SELECT 1 AS grp, 0.5 AS s)', '(SELECT 1 AS grp, NULL AS s)');
SELECT * FROM apart('(SELECT 1 AS grp, 0.5 AS s)', '(SELECT 2 AS grp, 0.5 AS s)');

-- Arrays against aggregates: where both sides are present, all kinds agree
SELECT n, nulls BETWEEN 1 AND 19 AS some_below_support, equal
FROM apart(
    $$(SELECT grp, cosine_similarity(x, y) AS cosine, pearson_similarity(x, y) AS pearson,
              adjusted_cosine(x, y, mean) AS adjusted, jaccard_similarity(x, y) AS jaccard,
              euclidean_similarity(x, y, 320, 50) AS euclidean
       FROM (SELECT grp, array_agg(x) AS x, array_agg(y) AS y, array_agg(mean) AS mean
             FROM pairs WHERE num_nulls(x, y) = 0 GROUP BY grp) p)$$,
    $$(SELECT grp, cosine_similarity(x, y) AS cosine, pearson_similarity(x, y) AS pearson,
              adjusted_cosine(x, y, mean) AS adjusted, jaccard_similarity(x, y) AS jaccard,
              euclidean_similarity(x, y, 320, 50) AS euclidean
       FROM pairs WHERE num_nulls(x, y) = 0 GROUP BY grp)$$);

-- Sparse vectors against aggregates; wide ids, and arrays with zeros, against
-- sparse vectors
CREATE TABLE vectors AS
SELECT grp, ('{' || string_agg(i || ':' || x, ', ' ORDER BY i) || '}')::svec AS x,
       ('{' || string_agg(i || ':' || y, ', ' ORDER BY i) || '}')::svec AS y,
       ('{' || string_agg(i || ':' || mean, ', ' ORDER BY i) || '}')::svec AS mean,
       ('{' || string_agg(wide || ':' || x, ', ' ORDER BY i) || '}')::svec AS x_wide,
       ('{' || string_agg(wide || ':' || y, ', ' ORDER BY i) || '}')::svec AS y_wide,
       array_agg(coalesce(x, 0) ORDER BY i) AS x_array,
       array_agg(coalesce(y, 0) ORDER BY i) AS y_array
FROM (SELECT i, (i - 5000) * 1000000000::bigint AS wide, grp, x::real AS x, y::real AS y,
             mean::real AS mean FROM pairs) p
GROUP BY grp;
SELECT n, nulls BETWEEN 1 AND 19 AS some_below_support, equal
FROM apart(
    $$(SELECT grp, cosine_similarity(x, y) AS cosine, pearson_similarity(x, y) AS pearson,
              adjusted_cosine(x, y, mean) AS adjusted, jaccard_similarity(x, y) AS jaccard,
              euclidean_similarity(x, y, 320, 50) AS euclidean
       FROM vectors)$$,
    $$(SELECT grp, cosine_similarity(x, y) AS cosine, pearson_similarity(x, y) AS pearson,
              adjusted_cosine(x, y, mean) AS adjusted, jaccard_similarity(x, y) AS jaccard,
              euclidean_similarity(x, y, 320, 50) AS euclidean
       FROM (SELECT grp, x::real AS x, y::real AS y, mean::real AS mean FROM pairs) p
       GROUP BY grp)$$);
SELECT * FROM apart(
    $$(SELECT grp, cosine_similarity(x_wide, y_wide) AS cosine,
              pearson_similarity(x_wide, y_wide) AS pearson,
              jaccard_similarity(x_wide, y_wide) AS jaccard,
              euclidean_similarity(x_wide, y_wide) AS euclidean FROM vectors)$$,
    $$(SELECT grp, cosine_similarity(x, y) AS cosine,
              pearson_similarity(x, y) AS pearson,
              jaccard_similarity(x, y) AS jaccard,
              euclidean_similarity(x, y) AS euclidean FROM vectors)$$);
SELECT n, nulls BETWEEN 1 AND 38 AS some_below_support, equal
FROM apart(
    $$(SELECT grp, cosine_similarity(x_array, y_array, 320, 9) AS cosine,
              jaccard_similarity(x_array, y_array, 320, 9) AS jaccard FROM vectors)$$,
    $$(SELECT grp, cosine_similarity(x, y, 320, 9) AS cosine,
              jaccard_similarity(x, y, 320, 9) AS jaccard FROM vectors)$$);

--
-- Partial aggregates
--

-- In parallel workers
CREATE VIEW aggregated_all AS
SELECT 0 AS grp, cosine_similarity(x, y) AS cosine, pearson_similarity(x, y) AS pearson,
       adjusted_cosine(x, y, mean) AS adjusted, jaccard_similarity(x, y) AS jaccard,
       euclidean_similarity(x, y) AS euclidean,
       cosine_similarity(x, y, 6000, 500) AS cosine_shrunk,
       pearson_similarity(x, y, 6000, 500) AS pearson_shrunk,
       adjusted_cosine(x, y, mean, 6000, 500) AS adjusted_shrunk,
       jaccard_similarity(x, y, 6000, 500) AS jaccard_shrunk,
       euclidean_similarity(x, y, 9000, 500) AS euclidean_below
FROM pairs;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE serial AS SELECT * FROM aggregated_all;
CREATE TABLE serial_groups AS SELECT * FROM aggregated;
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT view, plan_has('SELECT * FROM ' || view, 'Gather') AS gather,
       plan_has('SELECT * FROM ' || view, 'Partial (Hash|Group)?Aggregate') AS partial,
       plan_has('SELECT * FROM ' || view, 'Finalize (Hash|Group)?Aggregate') AS finalize
FROM unnest(ARRAY['aggregated_all', 'aggregated']) AS view;
SELECT * FROM apart('aggregated_all', 'serial');
SELECT n, equal FROM apart('aggregated', 'serial_groups');

-- By partition, which needs no worker: some of the partial states are those of
-- one row, or there is none
CREATE TABLE pairs_parts (LIKE pairs) PARTITION BY LIST (i);
CREATE TABLE pairs_one PARTITION OF pairs_parts FOR VALUES IN (1);
CREATE TABLE pairs_none PARTITION OF pairs_parts FOR VALUES IN (-1);
CREATE TABLE pairs_rest PARTITION OF pairs_parts DEFAULT;
INSERT INTO pairs_parts SELECT * FROM pairs;
ANALYZE pairs_parts;
CREATE VIEW aggregated_parts AS
SELECT grp, cosine_similarity(x, y) AS cosine, pearson_similarity(x, y) AS pearson,
       adjusted_cosine(x, y, mean) AS adjusted, jaccard_similarity(x, y) AS jaccard,
       euclidean_similarity(x, y) AS euclidean,
       cosine_similarity(x, y, 320, 50) AS cosine_320_50
FROM pairs_parts GROUP BY grp;
SET max_parallel_workers_per_gather = 0;
SET enable_partitionwise_aggregate = on;
SELECT plan_has('SELECT * FROM aggregated_parts', 'Partial (Hash|Group)?Aggregate') AS partial,
       plan_has('SELECT * FROM aggregated_parts', 'Finalize (Hash|Group)?Aggregate') AS finalize;
SELECT n, equal FROM apart('aggregated_parts', 'serial_groups');
RESET enable_partitionwise_aggregate;
RESET max_parallel_workers_per_gather;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- In a window, where the final function reads one state many times
SELECT count(running), bool_and(abs(running - again) < 1e-12) AS equal
FROM (SELECT i, pearson_similarity(x, y) OVER (ORDER BY i) AS running
      FROM pairs WHERE i <= 50) w,
     LATERAL (SELECT corr(x, y) AS again FROM pairs p WHERE p.i <= w.i) l
WHERE i > 10;

--
-- The functions behind the aggregates, called by hand
--

-- A fold with a fresh call context for each row, in parts that are combined
CREATE FUNCTION fold(name text, more_arguments text DEFAULT '') RETURNS double precision
LANGUAGE plpgsql AS $$
DECLARE
    part double precision[];
    state double precision[];
    result double precision;
    p pairs;
BEGIN
    FOR p IN SELECT * FROM pairs WHERE grp = 7 ORDER BY i LOOP
        EXECUTE format('SELECT %I($1, $2, $3 %s)', name || '_accumulate', more_arguments)
            INTO part USING part, p.x, p.y, p.mean;
        IF p.i % 2000 = 7 THEN
            EXECUTE 'SELECT similarity_combine($1, $2)' INTO state USING state, part;
            part := NULL;
        END IF;
    END LOOP;
    EXECUTE 'SELECT similarity_combine($1, $2)' INTO state USING state, part;
    EXECUTE format('SELECT %I($1)', name || '_final') INTO result USING state;
    RETURN result;
END $$;
SELECT * FROM apart(
    $$(SELECT 7 AS grp, fold('cosine_similarity') AS cosine,
              fold('pearson_similarity') AS pearson,
              fold('adjusted_cosine', ', $4') AS adjusted,
              fold('jaccard_similarity') AS jaccard,
              fold('euclidean_similarity') AS euclidean,
              fold('cosine_similarity', ', 300, 50') AS cosine_shrunk)$$,
    $$(SELECT grp, cosine_similarity(x, y) AS cosine, pearson_similarity(x, y) AS pearson,
              adjusted_cosine(x, y, mean) AS adjusted, jaccard_similarity(x, y) AS jaccard,
              euclidean_similarity(x, y) AS euclidean,
              cosine_similarity(x, y, 300, 50) AS cosine_shrunk
       FROM pairs WHERE grp = 7 GROUP BY grp)$$);

-- Nothing combined with something is that; no argument is changed in place
CREATE TABLE states AS
SELECT pearson_similarity_accumulate(
           pearson_similarity_accumulate(NULL, 1, 2, 1, 3), 3, 5, 1, 3) AS state;
SELECT similarity_combine(NULL, NULL) AS nothing,
       similarity_combine(state, NULL) = state AS equal,
       similarity_combine(NULL, state) = state AS equal,
       similarity_combine(array_fill(0::float8, ARRAY[10]), state) = state AS equal,
       similarity_combine(state, array_fill(0::float8, ARRAY[10])) = state AS equal,
       pearson_similarity_accumulate(state, NULL, NULL) = state AS equal,
       pearson_similarity_final(NULL) AS nothing
FROM states;
SELECT r(pearson_similarity_final(state)) AS before,
       r(pearson_similarity_final(pearson_similarity_accumulate(state, 2, 1))) AS one_more,
       r(pearson_similarity_final(similarity_combine(state, state))) AS doubled,
       r(pearson_similarity_final(state)) AS as_before
FROM (SELECT array_cat(state, '{}') AS state FROM states OFFSET 0) in_memory;

-- States that no transition made
SELECT error_of('SELECT ' || replace(call, '$', quote_literal(state) || '::float8[]')) AS error,
       call, count(*) AS states
FROM unnest(ARRAY['{}', '{1,2}', '{1,2,3,4,5,6,7,8,9,10,11}', '{1,2,3,4,5,6,7,8,9,NULL}',
                  '{{1,2,3,4,5},{6,7,8,9,10}}']) AS state,
     unnest(ARRAY['cosine_similarity_accumulate($, 1, 2)',
                  'adjusted_cosine_accumulate($, 1, 2, 3, 4, 5)',
                  'similarity_combine($, array_fill(0::float8, ARRAY[10]))',
                  'similarity_combine(array_fill(0::float8, ARRAY[10]), $)',
                  'similarity_combine(NULL, $)',
                  'pearson_similarity_final($)']) WITH ORDINALITY c (call, n)
GROUP BY error, call, n ORDER BY n;
SELECT error_of($$SELECT cosine_similarity_final('{NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN}')$$);
SELECT error_of($$SELECT jaccard_similarity_final('{0,0,Infinity,0,0,0,0,0,0,0}')$$);
SELECT cosine_similarity_final('[5:14]={2,1,1,1,0,0,0,0,0,0}') AS other_bounds,
       cosine_similarity_final('{-1,5,-1,-1,-9,-9,-9,-9,-9,-9}') AS nonsense;
CREATE AGGREGATE forged(float8, float8) (
    SFUNC = cosine_similarity_accumulate, STYPE = float8[], INITCOND = '{0,0}',
    FINALFUNC = cosine_similarity_final);
SELECT forged(x, y) FROM pairs;

-- What lets a planner, here or on another server, split the aggregates
SELECT p.proname, count(*) AS aggregates,
       bool_and(a.aggcombinefn = 'similarity_combine'::regproc) AS combine,
       bool_and(a.aggserialfn = 0 AND a.aggdeserialfn = 0) AS no_serial,
       bool_and(a.aggtranstype = 'float8[]'::regtype) AS typed_state,
       bool_and(p.proparallel = 's') AS parallel_safe
FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid
WHERE p.pronamespace = 'socrec'::regnamespace
    AND p.proname IN ('cosine_similarity', 'pearson_similarity', 'adjusted_cosine',
                      'jaccard_similarity', 'euclidean_similarity')
GROUP BY p.proname ORDER BY p.proname;

SET client_min_messages = warning;
DROP SCHEMA test_similarity CASCADE;
