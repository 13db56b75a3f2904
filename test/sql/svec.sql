SET search_path = public, socrec;
CREATE SCHEMA test_svec;
SET search_path = test_svec, socrec;

-- What a statement raises, as "SQLSTATE message (detail)".
CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state text;
    message text;
    detail text;
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    RETURN concat(state, ' ', message, ' (' || nullif(detail, '') || ')');
END $$;

-- What an input raises, or what it is read as.
CREATE FUNCTION read(input text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    error text := error_of(format('SELECT %L::svec', input));
BEGIN
    RETURN CASE error WHEN 'no error' THEN input::svec::text ELSE error END;
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

--
-- Text form
--

SELECT '{17:4.5, 23:1}'::svec;
SELECT input, read(input) FROM (VALUES
    ('{}'),
    (' { } '),
    ('{1:2}'),
    ('  { 23 : 1 ,17:+4.5 , -3 : -.5 , 0:5. }  '),
    (E'{\t1\n:\r2}'),
    ('{1:0, 2:1, 3:-0.0, 4:0e10}'),
    ('{1:1e3, 2:1E-3, 3:0.1, 4:16777217, 5:1e+2}'),
    ('{1:3.4028235e38, 2:-3.4028235e38, 3:1e-45, 4:1.1754944e-38}'),
    ('{9223372036854775807:1, -9223372036854775808:2}'),
    ('{2147483648:3, -2147483649:4, 2147483647:5, -2147483648:6}'),
    ('{+5:1, 007:2, -0:3}')) q(input);

-- What is not a vector
SELECT input, read(input) FROM (VALUES
    (''), ('   '), ('17:4.5'), ('['), ('{'), ('{1'), ('{1:'), ('{1:2'), ('{1:2,'), ('{1:2,}'), ('{,}'), ('{1:2 3:4}'),
    ('{1:2}}'), ('{1:2} x'), ('{:2}'), ('{x:2}'), ('{1.5:2}'), ('{1e2:2}'), ('{- 1:2}'), ('{1:x}'), ('{1:2x}'), ('{1:.}'),
    ('{1:-}'), ('{1:1e}'), ('{1:1e+}'), ('{1:0x10}'), ('{1:1.2.3}'), ('{1:1,2}'), ('{"1":2}'), ('{1:"2"}'), ('{1;2}'),
    ('{1:NaN}'), ('{1:nan}'), ('{1:Infinity}'), ('{1:-inf}'), ('{1:NULL}'), ('NULL'),
    ('{1:2, 2:3, 1:4}'), ('{1:0, 1:0}'), ('{3:1, 2:1, 1:1, 2:1, 1:1}'), ('{5:1, 05:2}'),
    ('{9223372036854775808:1}'), ('{-9223372036854775809:1}'), ('{100000000000000000000000:1}'),
    ('{1:1e39}'), ('{1:-1e39}'), ('{1:3.5e38}'), ('{1:1e-46}'), ('{2:1, 1:1e-999}'), ('{1:1e999999999999}'),
    ('{1:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}')) q(input);
SELECT '{17=4.5}'::svec;
-- Not in the middle of a character
SELECT read('{1:2, ä:3}') LIKE '%at character 7 (Expected an integer id, found "ä".)' AS id,
    read('{1:ää}') LIKE '%at character 4 (Expected a finite weight, found "ää".)' AS weight,
    read('{1:x' || repeat('ä', 40) || '}') LIKE '%ä...".)' AS long;

-- Soft errors, where the server has them
DO $$
BEGIN
    IF current_setting('server_version_num')::integer >= 160000 THEN
        EXECUTE $q$
            DO $d$
            BEGIN
                ASSERT pg_input_is_valid('{1:2}', 'svec');
                ASSERT NOT pg_input_is_valid('{1:2', 'svec');
                ASSERT NOT pg_input_is_valid('{1:2, 1:3}', 'svec');
                ASSERT NOT pg_input_is_valid('{1:1e39}', 'svec');
            END $d$ $q$;
    END IF;
END $$;

-- Every float reads back as itself, whatever extra_float_digits says.
SET extra_float_digits = 0;
SELECT '{1:0.1, 2:3.4028235e38, 3:1.1754944e-38, 4:0.33333334}'::svec;
RESET extra_float_digits;
SELECT count(*), bool_and(svec_get(v::text::svec, 1) = w) AS same
FROM (SELECT w, svec(ARRAY[1], ARRAY[w]) AS v
      FROM (SELECT (sin(i) * 10 ^ (i % 70 - 35))::real AS w FROM generate_series(1, 2000) i) q) q;

--
-- Size: 8 bytes, then 8 bytes an element, or 12 if an id needs it
--

SELECT v, pg_column_size(v) FROM (VALUES
    ('{}'::svec), ('{1:1}'), ('{1:1, 2:1, 3:1}'), ('{2147483647:1, -2147483648:1}'), ('{2147483648:1}'), ('{-2147483649:1, 1:1}')) q(v);
-- Narrow again, when the wide id is gone
SELECT v, pg_column_size(v) FROM (SELECT '{1:1, 2147483648:1}'::svec - '{2147483648:1}'::svec AS v) q;
SELECT v, pg_column_size(v) FROM (SELECT svec_top('{1:2, 2147483648:1}', 1) AS v) q;
SELECT v, pg_column_size(v) FROM (SELECT '{1:1, 2147483648:1e-30}'::svec * 1e-30 AS v) q;
SELECT v, pg_column_size(v) FROM (SELECT svec_top('{2147483648:1}', 0) AS v) q;
SELECT v, pg_column_size(v) FROM (SELECT svec_agg(id, w::real) AS v FROM (VALUES (1, 1), (2147483648, 1), (2147483648, -1)) q(id, w)) q;

--
-- Binary form
--

-- A file in COPY's binary format with one row of one column, read through svec's
-- binary input.
CREATE TABLE received (v svec);
CREATE FUNCTION receive(data bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    file bytea := '\x5047434f50590aff0d0a00' || '\x0000000000000000'::bytea || '\x0001' ||
        decode(lpad(to_hex(length(data)), 8, '0'), 'hex') || data || '\xffff';
    octal text := '';
    result text;
BEGIN
    FOR i IN 0 .. length(file) - 1 LOOP
        octal := octal || '\' || (get_byte(file, i) / 64) || (get_byte(file, i) / 8 % 8) || (get_byte(file, i) % 8);
    END LOOP;
    TRUNCATE received;
    result := error_of(format('COPY received FROM PROGRAM %L (FORMAT binary)', format('printf ''%s''', octal)));
    IF result = 'no error' THEN
        SELECT v INTO result FROM received;
    END IF;
    RETURN result;
END $$;

SELECT svec_send('{}'), svec_send('{1:1, -2:-2}'), svec_send('{4294967296:0.5}');
SELECT v, receive(svec_send(v))::svec = v AS same
FROM (VALUES ('{}'::svec), ('{17:4.5, 23:1}'), ('{9223372036854775807:1, -9223372036854775808:-2}')) q(v);
SELECT name, receive(data::bytea) FROM (VALUES
    ('nothing', '\x'),
    ('no count', '\x0001'),
    ('half a count', '\x00010000'),
    ('another version', '\x000200000000'),
    ('negative count', '\x0001ffffffff'),
    ('a count far too large', '\x00017fffffff'),
    ('a count whose size wraps around', '\x000155555556000000000000000000000000'),
    ('fewer elements than counted', '\x00010000000200000000000000013f800000'),
    ('more elements than counted', '\x00010000000000000000000000013f800000'),
    ('trailing byte', '\x00010000000100000000000000013f80000000'),
    ('half an element', '\x0001000000010000000000000001'),
    ('duplicate id', '\x00010000000200000000000000013f80000000000000000000013f800000'),
    ('descending ids', '\x00010000000200000000000000023f80000000000000000000013f800000'),
    ('zero', '\x000100000001000000000000000100000000'),
    ('minus zero', '\x000100000001000000000000000180000000'),
    ('NaN', '\x00010000000100000000000000017fc00000'),
    ('infinity', '\x00010000000100000000000000017f800000'),
    ('minus infinity', '\x0001000000010000000000000001ff800000'),
    ('smallest id first', '\x00010000000280000000000000003f8000007fffffffffffffff3f800000')) q(name, data);

--
-- Constructor
--

SELECT svec(ARRAY[23, 17], ARRAY[1, 4.5]), svec('{}'::bigint[], '{}'), svec(ARRAY[1, 2, 3], ARRAY[0, 1, -0.0]);
SELECT svec('[5:6]={1,2}'::bigint[], '[0:1]={3,4}'::real[]);
SELECT svec(NULL, ARRAY[1.0]), svec(ARRAY[1], NULL);
SELECT error_of(format('SELECT svec(%s)', arguments)) FROM (VALUES
    ('ARRAY[1, 2], ARRAY[1.0]'),
    ('ARRAY[1, NULL], ARRAY[1.0, 2.0]'),
    ('ARRAY[1, 2], ARRAY[1.0, NULL]'),
    ('ARRAY[1, 2, 1], ARRAY[1.0, 2, 3]'),
    ('ARRAY[[1, 2], [3, 4]], ARRAY[1.0, 2, 3, 4]'),
    ('ARRAY[1, 2], ARRAY[[1.0, 2]]'),
    ('ARRAY[1], ARRAY[''NaN''::real]'),
    ('ARRAY[1], ARRAY[''Infinity''::real]'),
    ('ARRAY[1], ARRAY[''-Infinity''::real]')) q(arguments);

--
-- jsonb
--

SELECT '{17:4.5, 23:1, -5:1e-45, 9223372036854775807:1e10}'::svec::jsonb, '{}'::svec::jsonb;
SELECT '{"17": 4.5, "23": 1, "5": 0, "-1": 1e2}'::jsonb::svec, '{}'::jsonb::svec, svec('{"1": 0.1}'::jsonb);
SELECT count(*), bool_and(v::jsonb::svec = v) AS same
FROM (SELECT svec(ARRAY[i, -i], ARRAY[w, (-w / 3)::real]) AS v
      FROM (SELECT i, (sin(i) * 10 ^ (i % 70 - 35))::real AS w FROM generate_series(1, 1000) i) q) q;
SELECT input, error_of(format('SELECT %L::jsonb::svec', input)) FROM (VALUES
    ('[1, 2]'), ('3'), ('"{1:2}"'), ('null'), ('[]'),
    ('{"a": 1}'), ('{"": 1}'), ('{" 1": 1}'), ('{"1 ": 1}'), ('{"1.0": 1}'), ('{"9223372036854775808": 1}'),
    ('{"1": "2"}'), ('{"1": null}'), ('{"1": true}'), ('{"1": [2]}'), ('{"1": {"2": 3}}'),
    ('{"1": 1e39}'), ('{"1": 1e-50}'), ('{"1": 1, "01": 2}'), ('{"1": 1, "+1": 0}')) q(input);
-- Only where asked for or assigned
CREATE TABLE assigned (v svec, j jsonb);
INSERT INTO assigned VALUES ('{"1": 2}'::jsonb, '{1:2}'::svec) RETURNING v, j;
SELECT error_of($$SELECT svec_norm('{"1": 2}'::jsonb)$$);

--
-- Elements
--

SELECT v, svec_length(v), svec_ids(v), svec_weights(v), svec_norm(v), svec_sum(v)
FROM (VALUES ('{}'::svec), ('{7:-2}'), ('{17:4.5, 23:1}'), ('{1:3, 4294967296:4}'), ('{1:3e38, 2:3e38}')) q(v);
SELECT id, svec_get('{-7:1, 17:4.5, 23:1}', id), svec_get('{-7:1, 17:4.5, 4294967296:2}', id), svec_get('{}', id)
FROM (VALUES (17), (23), (-7), (4294967296), (0), (-8), (9223372036854775807), (-9223372036854775808), (NULL)) q(id);
SELECT n, svec_top('{1:5, 2:-9, 3:5, 4:7, 5:5, 6:0.5}', n) FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (2147483647), (NULL)) q(n);
SELECT svec_top('{1:5, 4294967296:9, 4294967297:9}', 1), svec_top('{}', 0), svec_top('{}', 3);
SELECT error_of($$SELECT svec_top('{1:1}', -1)$$);
SELECT * FROM svec_unnest('{17:4.5, 23:1, -3:2, 4294967296:-8}');
SELECT * FROM svec_unnest('{}');
SELECT * FROM svec_unnest(NULL);
SELECT (svec_unnest(v)).* FROM (VALUES ('{1:2, 3:4}'::svec), ('{}'), ('{5:6}')) q(v);

--
-- Arithmetic
--

SELECT '{1:1, 2:2}'::svec + '{2:3, 3:4}', '{1:1, 2:2}'::svec - '{2:3, 3:4}', - '{1:1, 2:-2}'::svec;
SELECT '{1:1, 2:2}'::svec * 2, 0.5 * '{1:1, 2:2}'::svec, '{1:1}'::svec * 0, '{1:1}'::svec * -1;
SELECT '{1:1, 2:2}'::svec + '{1:-1}', '{1:1}'::svec - '{1:1}', '{}'::svec + '{}', '{}'::svec + '{1:1}', '{}'::svec - '{1:1}', '{1:1}'::svec + '{}';
SELECT '{1:1, 2:1e-30}'::svec * 1e-30, '{1:16777216}'::svec + '{1:1}', '{1:16777216}'::svec + '{1:3}', '{1:1e-45}'::svec * 0.5;
SELECT '{1:2, 2:3, 4294967296:5}'::svec <*> '{2:7, 4294967296:2, 5:1}', '{1:1}'::svec <*> '{2:1}', '{}'::svec <*> '{1:1}', '{1:3e38}'::svec <*> '{1:3e38}' > 8e76;
SELECT '{1:3, 2:4}'::svec <=> '{1:3, 2:4}', '{1:3, 2:4}'::svec <=> '{1:9, 2:12}', '{1:1}'::svec <=> '{2:1}', '{1:1}'::svec <=> '{1:-5}',
    round(('{1:1, 2:2}'::svec <=> '{1:3, 3:4}')::numeric, 12) AS by_hand, round((1 - 3 / (sqrt(5) * 5))::numeric, 12) AS formula;
SELECT '{}'::svec <=> '{1:1}', '{1:1}'::svec <=> '{}', '{}'::svec <=> '{}';
SELECT NULL::svec + '{}', NULL::svec <=> '{1:1}', NULL::svec <*> '{1:1}', '{1:1}'::svec * NULL;
-- A vector has distance exactly 0 to itself and to twice itself.
SELECT count(*), bool_and((v <=> v) = 0) AS itself, bool_and((v <=> v * 2) = 0) AS twice, max(v <=> v * 3) < 1e-15 AS thrice
FROM (SELECT svec_agg(j, (1 + abs(sin(i * j)))::real) AS v FROM generate_series(1, 200) i, generate_series(1, 50) j GROUP BY i) q;
SELECT error_of(format('SELECT %s', expression)) FROM (VALUES
    ($$'{1:1, 2:3e38}'::svec + '{2:3e38}'$$),
    ($$'{2:-3e38}'::svec - '{2:3e38}'$$),
    ($$'{1:1, 7:3e38}'::svec * 2$$),
    ($$1e300 * '{4294967296:1}'::svec$$),
    ($$'{1:1}'::svec * 'NaN'$$),
    ($$'Infinity' * '{1:1}'::svec$$),
    ($$'{}'::svec * '-Infinity'$$)) q(expression);

-- Against SQL's own joins: 300 pairs of vectors of very different lengths
CREATE TABLE vectors (n int PRIMARY KEY, v svec);
INSERT INTO vectors
SELECT n, svec_agg(id, w::real)
FROM (SELECT n, CASE WHEN n % 5 = 0 AND id > 100 THEN id + 3000000000 ELSE id END AS id, hashint8(n * 100000 + id + 7) % 9 AS w
      FROM generate_series(1, 25) n, generate_series(1, 400) id
      WHERE abs(hashint8(n * 100000 + id) % 100) < CASE WHEN n % 3 = 0 THEN 2 ELSE 4 * n END) q
GROUP BY n;
CREATE TABLE elements AS SELECT n, id, weight FROM vectors, svec_unnest(v);
CREATE TABLE pairs AS
SELECT a.n AS a, b.n AS b, a.v AS av, b.v AS bv, q.*
FROM vectors a JOIN vectors b ON a.n < b.n, LATERAL (
    SELECT sum(x.weight::float8 * y.weight) AS dot,
        coalesce(svec_agg(coalesce(x.id, y.id), coalesce(x.weight, 0) + coalesce(y.weight, 0)), '{}') AS sum,
        coalesce(svec_agg(coalesce(x.id, y.id), coalesce(x.weight, 0) - coalesce(y.weight, 0)), '{}') AS difference
    FROM (SELECT * FROM elements WHERE n = a.n) x FULL JOIN (SELECT * FROM elements WHERE n = b.n) y USING (id)) q;
SELECT count(*), min(least(svec_length(av), svec_length(bv))) < 10 AS short, max(svec_length(av)) > 300 AS long,
    bool_and((av <*> bv) = coalesce(dot, 0)) AS dot,
    bool_and((av <*> bv) = (bv <*> av)) AS dot_commutes,
    bool_and((av + bv) = sum) AS sum,
    bool_and((bv + av) = sum) AS sum_commutes,
    bool_and((av - bv) = difference) AS difference,
    bool_and((av - bv) = - (bv - av)) AS opposite,
    bool_and(abs((av <=> bv) - (1 - (av <*> bv) / (svec_norm(av) * svec_norm(bv)))) < 1e-15) AS cosine
FROM pairs;
SELECT bool_and(svec_norm(v) = norm) AS norm, bool_and(svec_sum(v) = sum) AS sum, bool_and(svec_length(v) = length) AS length,
    bool_and(svec(svec_ids(v), svec_weights(v)) = v) AS arrays
FROM vectors JOIN (SELECT n, sqrt(sum(weight::float8 ^ 2)) AS norm, sum(weight::float8) AS sum, count(*) AS length FROM elements GROUP BY n) q USING (n);
SELECT bool_and(svec_get(v, id) IS NOT DISTINCT FROM weight) AS get
FROM vectors CROSS JOIN (SELECT DISTINCT id FROM elements) i LEFT JOIN elements USING (n, id);
SELECT bool_and(svec_top(v, k) = top) AS top
FROM vectors, generate_series(1, 20) k, LATERAL (
    SELECT svec_agg(id, weight) AS top FROM (SELECT id, weight FROM elements e WHERE e.n = vectors.n ORDER BY weight DESC, id LIMIT k) q) q;

--
-- Comparison
--

SELECT a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt, svec_cmp(a, b) AS cmp, a, b
FROM (VALUES ('{}'::svec, '{}'::svec), ('{}', '{1:1}'), ('{1:1}', '{1:1}'), ('{1:1}', '{1:2}'), ('{1:1}', '{2:-1}'), ('{1:1, 2:1}', '{1:1}'),
    ('{1:1, 2:1}', '{1:1, 3:1}'), ('{2:1}', '{4294967296:1}'), ('{-4294967296:1}', '{2:1}'), ('{1:-1}', '{1:1}')) q(a, b);
SELECT count(DISTINCT v), count(*) FROM (SELECT v FROM vectors UNION ALL SELECT v * 1 FROM vectors) q;
SELECT string_agg(v::text, ' ' ORDER BY v) FROM (VALUES ('{2:1}'::svec), ('{}'), ('{1:2}'), ('{1:1, 5:1}'), ('{-1:9}'), ('{1:1}')) q(v);
SELECT bool_and(svec_hash(v) = svec_hash(v * 1) AND svec_hash_extended(v, 5) = svec_hash_extended(v * 1, 5)) AS same,
    bool_and(svec_hash(v)::bigint & 4294967295 = svec_hash_extended(v, 0) & 4294967295) AS seed_0,
    bool_and(svec_hash_extended(v, 1) <> svec_hash_extended(v, 2)) AS seeded,
    count(DISTINCT svec_hash(v)) = count(*) AS spread
FROM vectors;
SET enable_mergejoin = off;
SET enable_nestloop = off;
SELECT plan_has('SELECT count(*) FROM vectors a JOIN vectors b USING (v)', 'Hash Join');
SELECT count(*) FROM vectors a JOIN vectors b USING (v);
SET enable_mergejoin = on;
SET enable_hashjoin = off;
SELECT plan_has('SELECT count(*) FROM vectors a JOIN vectors b USING (v)', 'Merge Join');
SELECT count(*) FROM vectors a JOIN vectors b USING (v);
RESET enable_mergejoin;
RESET enable_nestloop;
RESET enable_hashjoin;
CREATE TABLE keys (v svec PRIMARY KEY);
INSERT INTO keys VALUES ('{1:1}'), ('{2:1}'), ('{}');
SELECT error_of($$INSERT INTO keys VALUES ('{2:1.0, 3:0}')$$);

--
-- Storage
--

CREATE TABLE stored (n int, v svec);
INSERT INTO stored SELECT 1, svec_agg(i, (i % 5 + 1)::real) FROM generate_series(1, 50000) i;
INSERT INTO stored SELECT 2, svec_agg(hashint8(i), sin(i)::real) FROM generate_series(1, 50000) i;
INSERT INTO stored SELECT 3, svec_agg(i * 3000000000, 1) FROM generate_series(1, 2000) i;
INSERT INTO stored VALUES (4, '{}'), (5, '{1:1}'), (6, NULL);
SELECT n, svec_length(v), svec_length(v + v), v <*> v = svec_norm(v) ^ 2 OR abs((v <*> v) / svec_norm(v) ^ 2 - 1) < 1e-12 AS norm,
    (SELECT svec_agg(id, weight) FROM svec_unnest(v)) = v AS whole
FROM stored ORDER BY n;
ALTER TABLE stored ALTER v SET STORAGE EXTERNAL;
UPDATE stored SET v = v * 2;
SELECT n, svec_length(v), svec_sum(v) > 1e5 AS sum FROM stored ORDER BY n;

--
-- Aggregates
--

SELECT svec_agg(id, w::real) FROM (VALUES (23, 1), (17, 4), (23, 2.5), (17, 0.5), (5, 0), (6, 1), (6, -1)) q(id, w);
SELECT svec_agg(id, w::real) FROM (VALUES (1, NULL), (NULL, 1), (2, 2)) q(id, w);
SELECT svec_agg(id, w::real) FROM (VALUES (1, NULL), (NULL, 1)) q(id, w);
SELECT svec_agg(id, w::real), svec_agg(id, w::real) FILTER (WHERE w > 1) FROM (VALUES (1, 1)) q(id, w) WHERE false;
SELECT svec_agg(1, 0);
SELECT sum(v), avg(v) FROM (VALUES ('{1:1, 2:2}'::svec), (NULL), ('{2:4, 3:1}'), ('{}'), ('{1:-1}')) q(v);
SELECT sum(v), avg(v) FROM (VALUES (NULL::svec)) q(v);
SELECT sum(v), avg(v) FROM (VALUES ('{}'::svec)) q(v);
SELECT sum(v * w) AS weighted_sum FROM (VALUES ('{1:1, 2:2}'::svec, 2), ('{2:4}', 0.5)) q(v, w);
SELECT error_of(format('SELECT svec_agg(id, w) FROM (VALUES (1, 1), (7, %L::real), (7, 3e38)) q(id, w)', w)) FROM (VALUES ('NaN'), ('Infinity'), ('-Infinity'), ('3e38'), ('1e38')) q(w);
SELECT error_of($$SELECT sum(v) FROM (VALUES ('{7:3e38}'::svec), ('{7:3e38}')) q(v)$$);
SELECT avg(v) FROM (VALUES ('{7:3e38}'::svec), ('{7:3e38}')) q(v);
SELECT svec_length(avg), svec_get(avg, 77) FROM (SELECT avg(svec(ARRAY[i], ARRAY[200])) FROM generate_series(1, 100) i) q;

-- Sums are exact, so the order does not show, even where floats of very
-- different size cancel out.
CREATE TABLE terms AS
SELECT i, i % 7 AS id, (sin(i) * 10 ^ (i % 60 - 30))::real AS w FROM generate_series(1, 20000) i;
INSERT INTO terms SELECT -i, id, -w FROM terms WHERE id < 3;
INSERT INTO terms VALUES (0, 1, 1e-30), (0, 2, -1e-40);
SELECT svec_agg(id, w ORDER BY i) = svec_agg(id, w ORDER BY hashint8(i), w) AS random_order,
    svec_agg(id, w ORDER BY i) = svec_agg(id, w ORDER BY abs(w), i) AS by_size,
    svec_agg(id, w ORDER BY i) = svec_agg(id, w ORDER BY id, w DESC, i) AS by_id
FROM terms;
SELECT svec_agg(id, w) FILTER (WHERE id < 3) FROM terms;

-- Many groups, many duplicates, windows, grouping sets
SELECT count(*), bool_and(v = sum) AS same
FROM (SELECT g, svec_agg(id, 1) AS v FROM (SELECT i % 100 AS g, i / 100 % 13 AS id FROM generate_series(0, 99999) i) q GROUP BY g) a
JOIN (SELECT g, svec(array_agg(id::bigint), array_agg(n::real)) AS sum
      FROM (SELECT i % 100 AS g, i / 100 % 13 AS id, count(*) AS n FROM generate_series(0, 99999) i GROUP BY 1, 2) q GROUP BY g) b USING (g);
SELECT i, sum(v) OVER (ORDER BY i), avg(v) OVER (ORDER BY i), svec_agg(i, i) OVER (ORDER BY i ROWS 1 PRECEDING)
FROM (VALUES (1, '{1:1}'::svec), (2, '{1:2, 2:2}'), (3, NULL), (4, '{3:3}')) q(i, v);
SELECT i % 2 AS i, svec_agg(i, 1), sum(svec(ARRAY[i], ARRAY[2])) FROM generate_series(1, 5) i GROUP BY ROLLUP (i % 2) ORDER BY 1;

-- Parallel, with the same result as serial
CREATE TABLE events AS
SELECT i % 50 AS g, hashint8(i) % 5000 AS id, (sin(i) * 10 ^ (i % 40 - 20))::real AS w FROM generate_series(1, 60000) i;
ANALYZE events;
CREATE VIEW totals AS SELECT svec_agg(id, w) AS v FROM events;
CREATE VIEW groups AS SELECT g, svec_agg(id, w) AS v FROM events GROUP BY g;
CREATE TABLE group_vectors AS SELECT g, v FROM groups;
CREATE VIEW vector_totals AS SELECT sum(v) AS sum, avg(v) AS avg FROM group_vectors;
SET max_parallel_workers_per_gather = 0;
SELECT plan_has('TABLE totals', 'Partial') AS parallel;
CREATE TABLE serial_totals AS TABLE totals;
CREATE TABLE serial_groups AS TABLE groups;
CREATE TABLE serial_vector_totals AS TABLE vector_totals;
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT plan_has('TABLE totals', 'Partial Aggregate') AND plan_has('TABLE totals', 'Gather') AS parallel,
    plan_has('TABLE groups', 'Partial .*Aggregate') AND plan_has('TABLE groups', 'Gather') AS parallel_groups,
    plan_has('TABLE vector_totals', 'Partial Aggregate') AS parallel_sum;
SELECT svec_length(s.v), s.v = p.v AS same FROM serial_totals s, totals p;
SELECT count(*), bool_and(s.v = p.v) AS same FROM serial_groups s JOIN groups p USING (g);
SELECT s.sum = p.sum AS sum, s.avg = p.avg AS avg FROM serial_vector_totals s, vector_totals p;
RESET max_parallel_workers_per_gather;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- States are values: they can be stored, and merged later.
CREATE AGGREGATE svec_state(bigint, real) (SFUNC = svec_agg_accumulate, STYPE = bytea);
CREATE AGGREGATE svec_merge(bytea) (SFUNC = svec_combine, STYPE = bytea, FINALFUNC = svec_agg_final);
CREATE TABLE states AS SELECT g, svec_state(id, w) AS state FROM events GROUP BY g;
INSERT INTO states VALUES (NULL, NULL), (50, svec_agg_accumulate(NULL, 1, 0)), (51, svec_agg_accumulate(NULL, 1, NULL));
SELECT svec_merge(state) = (TABLE totals) AS same FROM states;
SELECT svec_agg_final(svec_combine(s, NULL)), svec_agg_final(svec_combine(NULL, s)), svec_combine(NULL, NULL),
    svec_agg_final(svec_combine(s, s)), svec_avg_final(svec_combine(s, s)), svec_agg_final(svec_sum_accumulate(s, '{1:1, 9:1}'))
FROM (SELECT svec_agg_accumulate(svec_agg_accumulate(NULL, 1, 2), 3, 4) AS s) q;

-- Outside of an aggregate a state is not changed in place.
WITH q AS MATERIALIZED (SELECT svec_agg_accumulate(NULL, 1, 2) AS s)
SELECT svec_agg_final(svec_agg_accumulate(s, 1, 3)) AS three_more, svec_agg_final(svec_combine(s, s)) AS twice, svec_agg_final(s) AS itself
FROM q;

-- What is not a state
SELECT name, error_of(format('SELECT %s', replace(call, '$', quote_literal(state) || '::bytea')))
FROM (VALUES ('svec_agg_final($)'), ('svec_agg_accumulate($, 1, 1)'), ('svec_combine(svec_agg_accumulate(NULL, 1, 1), $)')) c(call),
    (SELECT svec_agg_accumulate(NULL, 1, 1) AS good) g,
    LATERAL (VALUES (1, 'empty', ''::bytea), (2, 'short', substring(good, 1, 10)), (3, 'other magic', set_byte(good, 0, 255)),
        (4, 'too many terms', set_byte(set_byte(good, 12, 255), 19, 255)), (5, 'no room for terms', substring(good, 1, 20)),
        (6, 'negative rows', set_byte(set_byte(good, 4, 255), 11, 255))) s(i, name, state)
ORDER BY c.call, s.i;
-- A value that is not a number
SELECT error_of(format('SELECT svec_agg_final(%L)', bad)), error_of(format('SELECT svec_agg_final(svec_combine(%L, %L))', bad, bad))
FROM (SELECT overlay(svec_agg_accumulate(NULL, 1, 1) PLACING '\xffffffffffffffff'::bytea FROM 29) AS bad) q;
-- Terms in disorder, twice the same id: as good as any
SELECT svec_agg_final(overlay(s PLACING substring(s, 21, 16) FROM 37))
FROM (SELECT svec_agg_accumulate(svec_agg_accumulate(NULL, 2, 1), 1, 4) AS s) q;

SET client_min_messages = warning;
DROP SCHEMA test_svec CASCADE;
