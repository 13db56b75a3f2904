-- factor_fits: the fits of als, bayes_mf and bpr; what is common to methods with factors
-- is tested in factor

SET search_path = public, socrec;
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET extra_float_digits = -9;

-- Ratings of 80 users for 120 items from a planted model: a mean, biases, a factor,
-- and noise of variance 0.16.  Half of them are there, the others are for tests.
CREATE FUNCTION random_from(text) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$ SELECT (hashtextextended($1, 0) & 1048575) / 524288.0 - 1 $$;
CREATE TABLE planted AS
SELECT u AS user_id, i AS item_id, rating::float8, rest < 0 AS known
FROM generate_series(1, 80) u, generate_series(1, 120) i, LATERAL (
    SELECT 3 + random_from('u' || u) + random_from('i' || i) + 1.5 * random_from('v' || u) * random_from('w' || i)
        + 0.4 * sqrt(-2 * ln((random_from(u || '/' || i) + 1.000001) / 2)) * cos(pi() * random_from(u || ':' || i)) AS rating, random_from(u || '?' || i) AS rest) r;
CREATE VIEW rated AS SELECT user_id, item_id, rating FROM planted WHERE known;
SELECT count(*), count(*) FILTER (WHERE known) AS known FROM planted;
CREATE FUNCTION fit(method text, given jsonb DEFAULT '{}', query text DEFAULT 'TABLE rated')
RETURNS TABLE (id integer, item_id integer, factors real[], norm float8, prior bytea) LANGUAGE sql AS $$
    SELECT id, item_id, factors, norm, prior FROM item_factors(query, 0, method, model_options(method, given, method <> 'bpr')) $$;
CREATE FUNCTION folded(prior bytea, item regclass) RETURNS TABLE (user_id integer, factors real[]) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT r.user_id, fold_in($1, i.factors, r.rating) FROM rated r JOIN %s i USING (item_id) GROUP BY 1', item) USING prior;
END $$;

-- als: an item's vector is [1, factor, bias].  From the items after one iteration follow
-- the users', and from these the items after two: both by the normal equations of two
-- unknowns, bias and factor, written out.
CREATE TEMPORARY TABLE first AS SELECT * FROM fit('als', '{"factors": 1, "iterations": 1, "regularization": 0.05}');
CREATE TEMPORARY TABLE second AS SELECT * FROM fit('als', '{"factors": 1, "iterations": 2, "regularization": 0.05}');
SELECT count(*), bool_and(cardinality(factors) = 3 AND factors[1] = 1 AND abs(norm - abs(factors[2])) < 1e-6) AS shape, count(prior) FROM first;
CREATE FUNCTION solved(own text, other text, vectors text) RETURNS TABLE (key integer, bias float8, factor float8)
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('
        SELECT s.key, (s.d * s.x - s.b * s.y) / (s.a * s.d - s.b ^ 2), (s.a * s.y - s.b * s.x) / (s.a * s.d - s.b ^ 2)
        FROM (
            SELECT r.%1$s AS key, count(*) * 1.05 AS a, sum(o.factor) AS b, sum(o.factor ^ 2) + 0.05 * count(*) AS d,
                sum(r.rating - m.mean - o.bias) AS x, sum(o.factor * (r.rating - m.mean - o.bias)) AS y
            FROM rated r JOIN %3$s o(%2$s, bias, factor) USING (%2$s) CROSS JOIN (SELECT avg(rating) AS mean FROM rated) m
            GROUP BY 1) s', own, other, vectors);
END
$$;
CREATE TEMPORARY TABLE users AS SELECT * FROM solved('user_id', 'item_id', '(SELECT item_id, factors[3], factors[2] FROM first)');
SELECT count(*), max(abs(s.bias - i.factors[3]) + abs(s.factor - i.factors[2])) < 1e-5 AS items_solve
FROM solved('item_id', 'user_id', 'users') s JOIN second i ON i.item_id = s.key;
-- a user folded in has the same, the mean added to the bias
SELECT count(*), max(abs(u.bias + m.mean - f.factors[1]) + abs(u.factor - f.factors[2])) < 1e-5 AS folded, bool_and(f.factors[3] = 1) AS ones
FROM users u JOIN folded((SELECT prior FROM first WHERE id = 1), 'first') f ON f.user_id = u.key CROSS JOIN (SELECT avg(rating) AS mean FROM rated) m;
-- a seed gives a model
SELECT count(*) FILTER (WHERE a.factors <> b.factors) AS same_seed, count(*) FILTER (WHERE a.factors <> c.factors) AS other_seed
FROM fit('als', '{"factors": 3}') a JOIN fit('als', '{"factors": 3}') b USING (id) JOIN fit('als', '{"factors": 3, "seed": 1}') c USING (id);

-- Errors on the ratings not seen: biases, a factor, and the posterior, which does not
-- need to know that there is but one.  The noise alone leaves 0.4.
CREATE FUNCTION rmse_of(method text, given jsonb) RETURNS float8 LANGUAGE sql AS $$
    SELECT rmse(p.rating, b.prediction)
    FROM batch_predict('TABLE rated', 'SELECT user_id, item_id FROM planted WHERE NOT known', 0, 0, method, given) b JOIN planted p USING (user_id, item_id) $$;
SELECT round(rmse_of('baseline', '{}')::numeric, 2) > 0.55 AS biases, rmse_of('als', '{"factors": 1, "regularization": 0.02}') < 0.44 AS als,
    rmse_of('bayes_mf', '{"factors": 1}') < 0.43 AS bayes, rmse_of('bayes_mf', '{"factors": 8}') < 0.44 AS more_factors,
    rmse_of('als', '{"factors": 8, "regularization": 0.02}') > 0.46 AS overfits;

-- bayes_mf: a seed gives a model, in parallel or not (this much work is shared)
SET max_parallel_maintenance_workers = 2;
CREATE TEMPORARY TABLE parallel AS SELECT * FROM fit('bayes_mf', '{"factors": 40, "samples": 3, "thin": 2, "burn_in": 100}');
CREATE TEMPORARY TABLE parallel_als AS SELECT * FROM fit('als', '{"factors": 40, "iterations": 100}');
SET max_parallel_maintenance_workers = 0;
SELECT count(*), bool_and(cardinality(p.factors) = 3 * 42) AS shape, count(*) FILTER (WHERE s.factors <> p.factors OR s.prior <> p.prior) AS differ
FROM parallel p JOIN fit('bayes_mf', '{"factors": 40, "samples": 3, "thin": 2, "burn_in": 100}') s USING (id);
SELECT count(*), count(*) FILTER (WHERE s.factors <> p.factors) AS differ FROM parallel_als p JOIN fit('als', '{"factors": 40, "iterations": 100}') s USING (id);
RESET max_parallel_maintenance_workers;
SELECT count(*) FILTER (WHERE a.factors <> b.factors) AS other_seed
FROM fit('bayes_mf', '{"factors": 2, "samples": 2}') a JOIN fit('bayes_mf', '{"factors": 2, "samples": 2, "seed": 1}') b USING (id);

-- A prediction and how sure it is: nine in ten ratings not seen are within, and a user of
-- few ratings is less sure.
SELECT method, item_count FROM create_model('sure', 'rated', method => 'bayes_mf', options => '{"factors": 4, "holdout": 0}');
SELECT count(*), avg((p.rating BETWEEN i.prediction - 1.645 * i.deviation AND i.prediction + 1.645 * i.deviation)::integer) BETWEEN 0.86 AND 0.94 AS covered,
    avg(i.deviation) BETWEEN 0.35 AND 0.55 AS deviation, bool_and(i.low <= i.prediction AND i.prediction <= i.high) AS ordered,
    bool_and(i.low BETWEEN f.rating_min AND f.rating_max AND i.high BETWEEN f.rating_min AND f.rating_max) AS in_range, min(i.source) AS source,
    bool_and(abs(i.prediction - q.prediction) < 1e-9 AND i.support = q.support) AS same
FROM planted p CROSS JOIN LATERAL sure.prediction_interval(p.user_id, p.item_id) i CROSS JOIN LATERAL sure.prediction(p.user_id, p.item_id) q CROSS JOIN sure.fit f
WHERE NOT p.known AND p.user_id % 7 = 1;
BEGIN;
INSERT INTO planted SELECT 1000, item_id, rating, true FROM planted WHERE known AND user_id = 5 AND item_id < 7;
SELECT avg(n.deviation - o.deviation) > 0.05 AS less_sure FROM generate_series(20, 120, 20) i, sure.prediction_interval(1000, i) n, sure.prediction_interval(5, i) o;
ROLLBACK;
SELECT deviation, low = rating_min AS low, high = rating_max AS high, source FROM sure.prediction_interval(-1, 1), sure.fit;
SELECT deviation, source FROM sure.prediction_interval(1, -1);
SELECT prediction = low AND prediction = high AS no_deviations FROM sure.prediction_interval(1, 1, 0);
-- scores are means over the samples; their parts add up
SELECT count(*), bool_and(abs(e.sum - r.score) < 1e-4 AND e.reasons = ARRAY['rated item', 'without ratings']) AS adds_up
FROM generate_series(1, 80, 9) u(user_id) CROSS JOIN LATERAL sure.recommend(u.user_id, 3) r CROSS JOIN LATERAL (
    SELECT sum(contribution), array_agg(DISTINCT reason) AS reasons FROM sure.explain(u.user_id, r.item_id)) e;
SELECT count(*) FROM sure.similar_items(1, 5);
CALL refit('sure');
SELECT drop_model('sure');
SELECT count(*) FROM create_model('plain', 'rated', method => 'als');
SELECT to_regproc('plain.prediction_interval');
SELECT fold_in_deviation(fold_in_equations(f.prior, i.factors, 3), min(i.factors)) FROM plain.fit f, plain.item i WHERE i.id < 4 GROUP BY f.prior;
SELECT count(*), bool_and(abs(e.sum - r.score) < 1e-4) AS adds_up
FROM plain.recommend(3, 5) r CROSS JOIN LATERAL (SELECT sum(contribution) FROM plain.explain(3, r.item_id)) e;
SELECT drop_model('plain');

-- bpr: users of four groups, each with items of its own
CREATE TABLE visits AS
SELECT u AS user_id, i AS item_id FROM generate_series(1, 60) u, generate_series(1, 80) i
WHERE u % 4 = i % 4 AND random_from(u || 'visits' || i) < 0.2 OR random_from(u || 'strays' || i) < -0.97;
SELECT count(*) FILTER (WHERE a.factors <> b.factors) AS same_seed, count(*) FILTER (WHERE a.factors <> c.factors) AS other_seed
FROM fit('bpr', '{"factors": 4}', 'TABLE visits') a JOIN fit('bpr', '{"factors": 4}', 'TABLE visits') b USING (id)
    JOIN fit('bpr', '{"factors": 4, "seed": 1}', 'TABLE visits') c USING (id);
SELECT method FROM create_model('ranked', 'visits', rating_column => NULL, method => 'bpr', options => '{"factors": 8, "regularization": 0.1, "holdout": 0}');
SELECT avg((r.item_id % 4 = u.user_id % 4)::integer) > 0.95 AS own_group, min(r.source) AS source FROM generate_series(1, 60) u(user_id), ranked.recommend(u.user_id, 5) r;
SELECT avg((s.item_id % 4 = i % 4)::integer) > 0.9 AS own_group FROM generate_series(1, 20) i, ranked.similar_items(i, 5) s;
-- a user that comes later is served as well
BEGIN;
INSERT INTO visits SELECT 1000, i FROM generate_series(3, 27, 4) i;
SELECT avg((r.item_id % 4 = 3)::integer) AS own_group FROM ranked.recommend(1000, 5) r;
ROLLBACK;
SELECT count(*), bool_and(abs(e.sum - r.score) < 1e-5) AS adds_up
FROM ranked.recommend(3, 5) r CROSS JOIN LATERAL (SELECT sum(contribution) FROM ranked.explain(3, r.item_id)) e;
SELECT drop_model('ranked');
-- plain steps learn too
SELECT method FROM create_model('ranked', 'visits', rating_column => NULL, method => 'bpr', options => '{"factors": 8, "holdout": 0, "adagrad": false, "regularization": 0.1, "learning_rate": 0.05}');
SELECT avg((r.item_id % 4 = u.user_id % 4)::integer) > 0.9 AS own_group FROM generate_series(1, 60) u(user_id), ranked.recommend(u.user_id, 5) r;
SELECT drop_model('ranked');

-- what there is little of: nothing, one rating, ratings all alike, users of one
SELECT method, (SELECT count(*) FROM fit(method, '{}', 'SELECT 1, 2, 3.0 WHERE false')) AS nothing,
    (SELECT count(*) FROM fit(method, '{}', 'SELECT 1, 2, 3.0')) AS one,
    (SELECT count(*) FROM fit(method, '{}', 'SELECT u, i, 3.0 FROM generate_series(1, 20) u, generate_series(1, 3) i')) AS alike,
    (SELECT count(*) FROM fit(method, '{}', 'SELECT u, u, u FROM generate_series(1, 20) u')) AS ones
FROM unnest(ARRAY['als', 'bayes_mf', 'bpr']) method;
SELECT DISTINCT method, round(prediction::numeric, 2) AS prediction FROM unnest(ARRAY['als', 'bayes_mf']) method CROSS JOIN LATERAL
    batch_predict('SELECT u, i, 3.0 FROM generate_series(1, 20) u, generate_series(1, 3) i WHERE u <> i', 'SELECT 1, 1', 0, 0, method);
SELECT method, sum(abs(prediction + 2)) < 2 AS negative FROM unnest(ARRAY['als', 'bayes_mf']) method CROSS JOIN LATERAL
    batch_predict('SELECT u, i, -2 - 0.1 * (u % 2) FROM generate_series(1, 20) u, generate_series(1, 9) i WHERE u <> i', 'SELECT 1, 1', 0, 0, method) GROUP BY 1 ORDER BY 1;

-- what must fail
SELECT create_model('bad', 'visits', rating_column => NULL, method => 'als');
SELECT create_model('bad', 'visits', rating_column => NULL, method => 'bayes_mf');
SELECT create_model('bad', 'rated', method => 'bpr');
SELECT create_model('bad', 'rated', method => 'als', options => '{"thin": 3}');
SELECT create_model('bad', 'rated', method => 'bayes_mf', options => '{"samples": 1.5}');
SELECT count(*) FROM fit('als', '{"factors": 0}');
SELECT count(*) FROM fit('als', '{"factors": 1025}');
SELECT count(*) FROM fit('als', '{"iterations": 0}');
SELECT count(*) FROM fit('als', '{"regularization": -1}');
SELECT count(*) FROM fit('als', '{"regularization": 0, "factors": 100}');
SELECT count(*) FROM fit('als', '{}', 'SELECT 1, 2');
SELECT count(*) FROM fit('bayes_mf', '{"burn_in": -1}');
SELECT count(*) FROM fit('bayes_mf', '{"thin": 0}');
SELECT count(*) FROM fit('bayes_mf', '{"samples": 0}');
SELECT count(*) FROM fit('bayes_mf', '{"samples": 1000, "factors": 100}');
SELECT count(*) FROM fit('bpr', '{"learning_rate": 0}', 'TABLE visits');
SELECT count(*) FROM fit('bpr', '{"learning_rate": 1e30, "adagrad": false}', 'TABLE visits');
SELECT count(*) FROM fit('bpr', '{"regularization": -0.1}', 'TABLE visits');
SELECT count(*) FROM fit('bpr', '{"iterations": 0}', 'TABLE visits');
SELECT fold_in_deviation(fold_in_equations(prior, factors, 1), '{1}') FROM first WHERE id = 1 GROUP BY prior;
-- memory is asked for before it is taken
SET maintenance_work_mem = '1MB';
SELECT count(*) FROM fit('als', '{"factors": 512, "iterations": 1}');
SELECT count(*) FROM fit('bayes_mf', '{"samples": 200}');
SELECT count(*) FROM fit('bpr', '{"factors": 1024}', 'TABLE visits');
RESET maintenance_work_mem;

DROP TABLE visits;
DROP VIEW rated;
DROP TABLE planted;
DROP FUNCTION fit, folded, solved, rmse_of, random_from;
