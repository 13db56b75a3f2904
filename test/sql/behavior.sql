-- behavior: regressions and the models made of them
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET extra_float_digits = -6;
SET search_path = public, socrec;

-- Rows that are the same everywhere, from a known model:
-- log-odds = -0.5 + 0.8 a - 1.2 b + 0.4 [c = high], by a hash instead of chance.
CREATE TABLE visitor AS
    SELECT i AS visitor_id, (i % 41) / 20.0::float8 - 1 AS a, (i % 29)::integer AS b_raw, (i % 29) / 14.0::float8 - 1 AS b,
        CASE i % 3 WHEN 0 THEN 'low' WHEN 1 THEN 'high' ELSE 'middle' END AS c, i % 7 = 0 AS d,
        1 + i % 4 AS weight, 'segment ' || i % 2 AS segment,
        (hashint4(i) & 1048575) / 1048576.0::float8 < logistic(-0.5 + 0.8 * ((i % 41) / 20.0 - 1) - 1.2 * ((i % 29) / 14.0 - 1)
            + CASE i % 3 WHEN 1 THEN 0.4 ELSE 0 END) AS buys
    FROM generate_series(1, 4000) i;
CREATE INDEX ON visitor (segment);

-- logistic_regression: one model for each group
SELECT segment, (m).* FROM (SELECT segment, logistic_regression(buys, ARRAY[a, b]) AS m FROM visitor GROUP BY segment) s ORDER BY segment;
SELECT (logistic_regression(buys, ARRAY[a, b], weight, 1.0)).* FROM visitor;
-- it is the maximum: no gradient is left
SELECT abs(sum(e)) < 1e-9 AS intercept, abs(sum(e * a)) < 1e-9 AS a, abs(sum(e * b)) < 1e-9 AS b
FROM (SELECT v.a, v.b, v.buys::integer - logistic_score((m).weights, ARRAY[a, b], (m).intercept) AS e
    FROM visitor v, (SELECT logistic_regression(buys, ARRAY[a, b]) AS m FROM visitor) f) r;
-- weights count as so many rows
SELECT abs((w.m).intercept - (r.m).intercept) < 1e-12 AS same
FROM (SELECT logistic_regression(buys, ARRAY[a, b], weight, 0) AS m FROM visitor) w,
    (SELECT logistic_regression(buys, ARRAY[a, b]) AS m FROM visitor, generate_series(1, weight)) r;
-- nothing to tell apart
SELECT logistic_regression(true, ARRAY[1.0]::float8[]) FROM generate_series(1, 3);
SELECT logistic_regression(true, ARRAY[1.0]::float8[]) WHERE false;
SELECT logistic_regression(y, x) FROM (VALUES (true, NULL::float8[]), (NULL, '{1}'), (false, '{NULL}')) v(y, x);
-- a column that others make up, one that is constant, and one that decides
SELECT (logistic_regression(buys, ARRAY[a, 2 * a + 1, 7, b])).weights FROM visitor;
SELECT (logistic_regression(a > 0, ARRAY[a, b])).std_errors FROM visitor;
SELECT logistic_regression(buys, ARRAY[a, 'NaN']) FROM visitor;
SELECT logistic_regression(buys, CASE visitor_id WHEN 1 THEN ARRAY[a] ELSE ARRAY[a, b] END) FROM visitor;
SELECT logistic_regression(buys, ARRAY[a], -1, 0) FROM visitor;
SELECT logistic_regression(buys, ARRAY[a], 1, 'infinity') FROM visitor;

-- A pass is one aggregate query: with parameters family, part, m, p, theta, means and scales.
SELECT regression_sums(regression_contribution('{0,1,1,2, 0,0, 0,0, 1,1}', buys::integer, ARRAY[1, a], 1, 0)) FROM visitor;
SELECT regression_contribution('{0,1,1,2, 0,0, 0,0, 1,1}', 1, ARRAY[1, 2], 3, 0.5);
SELECT regression_contribution('{0,1,1,2, 0,0, 0,0, 1,1}', NULL, ARRAY[1, 2], 3, 0.5);
SELECT regression_contribution('{0,1,1}', 1, ARRAY[1, 2], 3, 0.5);
SELECT regression_contribution('{0,1,1,2, 0,0, 0,0, 1}', 1, ARRAY[1, 2], 3, 0.5);
SELECT regression_contribution('{9,1,1,2, 0,0, 0,0, 1,1}', 1, ARRAY[1, 2], 3, 0.5);
SELECT regression_contribution('{0,1,1,2, 0,0, 0,0, 1,1}', 1, ARRAY[1], 3, 0.5);
SELECT regression_contribution('{0,1,1,2, 0,0, 0,0, 1,1}', 1, ARRAY[1, 'infinity'::float8], 3, 0.5);
SELECT regression_sums('{1,2,1,0,0, 1,2,3}'::float8[]);
SELECT regression_sums('{1,2,3}'::float8[]);
SELECT regression_sums(NULL);
SELECT chi_square_p_value(3.841458820694124, 1), chi_square_p_value(18.307038053275146, 10), chi_square_p_value(1, 10), chi_square_p_value(0, 2),
    chi_square_p_value(-1, 2);
SELECT chi_square_p_value(1, 0);

-- In memory and by queries, the same.
CREATE FUNCTION difference(query text, features integer, family text, classes integer, errors text, l1 float8 DEFAULT 0, l2 float8 DEFAULT 0)
RETURNS float8 LANGUAGE sql AS $$
    SELECT max(abs(coalesce(e.a - e.b, 0)) + abs(coalesce(e.c - e.d, 0)))
    FROM socrec.fit_regression(query, features, family, classes, true, true, true, l1, l2, true, 0, errors, 30, 1e-12, 'memory') m,
        socrec.fit_regression(query, features, family, classes, true, true, true, l1, l2, true, 0, errors, 30, 1e-12, 'query') q,
        unnest(m.estimates, q.estimates, m.std_errors, q.std_errors) e(a, b, c, d)
    WHERE m.converged AND q.converged AND q.executed = 'query' AND m.executed = 'memory' AND m.n = q.n
$$;
SELECT difference('SELECT buys::integer::float8, weight::float8, b / 10, (visitor_id / 10)::bigint, a, b, b * b FROM visitor', 3, 'logistic', 2, e) < 1e-8 AS same
FROM unnest('{model,robust,cluster}'::text[]) e;
SELECT difference('SELECT (visitor_id % 3)::float8, weight::float8, 0::float8, (visitor_id / 10)::bigint, ARRAY[a, b] FROM visitor', 2, 'multinomial', 3, e, l2 => 0.5) < 1e-8 AS same
FROM unnest('{model,robust,cluster}'::text[]) e;
SELECT difference('SELECT (hashint4(g) & 3 = j)::integer::float8, weight::float8, 0::float8, g::bigint, a + j, b * j
    FROM visitor, LATERAL (SELECT visitor_id / 4) s(g), LATERAL (SELECT visitor_id & 3) t(j) WHERE g > 0 ORDER BY g', 2, 'conditional', 2, e) < 1e-8 AS same
FROM unnest('{model,robust}'::text[]) e;
SELECT difference('SELECT buys::integer::float8, 1::float8, 0::float8, NULL::bigint, a, b, a * b, a * a FROM visitor', 4, 'logistic', 2, 'model', l1 => 20, l2 => 3) < 1e-8 AS same;
-- far from zero, and on very different scales
SELECT difference('SELECT buys::integer::float8, 1::float8, 0::float8, NULL::bigint, 1e9 + a, b * 1e-6 FROM visitor', 2, 'logistic', 2, 'model') < 1e-3 AS same;
