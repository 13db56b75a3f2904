-- factor: items as vectors of factors, users folded in

SET search_path = public, socrec;
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET extra_float_digits = -9;

-- 60 users, 200 items, a long tail
CREATE TABLE seen (user_id integer, item_id integer, rating real, PRIMARY KEY (user_id, item_id));
INSERT INTO seen
SELECT u, i, 1 + (hashint4extended(u * 1000 + i, 7) & 3)
FROM generate_series(1, 60) u, generate_series(1, 200) i
WHERE (hashint4extended(u * 1000 + i, 3) & 1023) < CASE WHEN u % 3 = i % 3 THEN 4000 ELSE 800 END / (i / 4 + 4);
CREATE INDEX ON seen (item_id);
SELECT count(*), count(DISTINCT user_id) AS users, count(DISTINCT item_id) AS items FROM seen;

-- Two factors, iterated until nothing moves.  Then the users' factors solve their
-- equations given the items, and the items theirs given the users: written out.
CREATE FUNCTION options(more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT model_options('ials', '{"factors": 2, "iterations": 300, "solver": "cholesky", "unobserved_weight": 0.2, "regularization": 0.05,
        "regularization_exponent": 0.8}' || more, true) $$;
CREATE TEMPORARY TABLE item AS
    SELECT id, item_id, rating_count, norm, factors, user_count, prior FROM item_factors('TABLE seen', 0, 'ials', options());
SELECT count(*), bool_and(cardinality(factors) = 2 AND abs(norm - sqrt(factors[1] ^ 2 + factors[2] ^ 2)) < 1e-6) AS lengths, min(user_count), max(user_count),
    count(prior) AS priors, bool_and(rating_count = (SELECT count(*) FROM seen s WHERE s.item_id = i.item_id)) AS counts
FROM item i;
CREATE TEMPORARY TABLE folded AS
    SELECT s.user_id, fold_in((SELECT prior FROM item WHERE id = 1), i.factors, s.rating) AS factors
    FROM seen s JOIN item i USING (item_id) GROUP BY 1;
CREATE FUNCTION equations(own text, other text, other_table text) RETURNS TABLE (key integer, solution float8[])
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('
        WITH all_cells AS (SELECT 0.2 * sum(factors[1] ^ 2) AS a, 0.2 * sum(factors[1] * factors[2]) AS b, 0.2 * sum(factors[2] ^ 2) AS d,
            0.2 * count(*) AS n FROM %3$s),
        one AS (
            SELECT s.%1$s AS key, c.a + sum(s.rating * o.factors[1] ^ 2) + r.ridge AS a, c.b + sum(s.rating * o.factors[1] * o.factors[2]) AS b,
                c.d + sum(s.rating * o.factors[2] ^ 2) + r.ridge AS d, sum(s.rating * o.factors[1]) AS x, sum(s.rating * o.factors[2]) AS y
            FROM seen s JOIN %3$s o USING (%2$s) JOIN (
                SELECT %1$s, 0.05 * (count(*) + (SELECT n FROM all_cells)) ^ 0.8 AS ridge FROM seen GROUP BY 1) r USING (%1$s) CROSS JOIN all_cells c
            GROUP BY 1, c.a, c.b, c.d, r.ridge)
        SELECT o.key, ARRAY[(o.d * o.x - o.b * o.y) / (o.a * o.d - o.b ^ 2), (o.a * o.y - o.b * o.x) / (o.a * o.d - o.b ^ 2)] FROM one o', own, other, other_table);
END
$$;
SELECT count(*), bool_and(abs(f.factors[1] - e.solution[1]) + abs(f.factors[2] - e.solution[2]) < 1e-5) AS users_solve
FROM folded f JOIN equations('user_id', 'item_id', 'item') e ON e.key = f.user_id;
SELECT count(*), bool_and(abs(i.factors[1] - e.solution[1]) + abs(i.factors[2] - e.solution[2]) < 1e-4) AS items_solve
FROM item i JOIN equations('item_id', 'user_id', 'folded') e ON e.key = i.item_id;
-- conjugate gradients come to the same; up to the sign of factors, which scores do not have
CREATE TEMPORARY TABLE other AS
    SELECT i.id, i.item_id, i.factors, i.prior FROM item_factors('TABLE seen', 0, 'ials', options('{"solver": "gradients"}')) i;
SELECT count(*), max(abs(factor_score(f.factors, i.factors) - factor_score(g.factors, o.factors))) < 1e-4 AS same
FROM folded f JOIN (
        SELECT s.user_id, fold_in((SELECT prior FROM other WHERE id = 1), o.factors, s.rating) AS factors
        FROM seen s JOIN other o USING (item_id) GROUP BY 1) g USING (user_id)
    CROSS JOIN item i JOIN other o USING (id);
-- a seed gives a model, another one another; without ratings all weigh 1
SELECT count(*) FILTER (WHERE a.factors <> b.factors) AS same_seed, count(*) FILTER (WHERE a.factors <> c.factors) > 190 AS other_seed,
    count(*) FILTER (WHERE d.factors <> e.factors) AS ones
FROM item_factors('TABLE seen', 0, 'ials', options('{"iterations": 2}')) a
    JOIN item_factors('TABLE seen', 0, 'ials', options('{"iterations": 2}')) b USING (id)
    JOIN item_factors('TABLE seen', 0, 'ials', options('{"iterations": 2, "seed": 1}')) c USING (id)
    JOIN item_factors('SELECT user_id, item_id FROM seen', 0, 'ials', options('{"iterations": 2}')) d USING (id)
    JOIN item_factors('SELECT user_id, item_id, 1 FROM seen', 0, 'ials', options('{"iterations": 2}')) e USING (id);

-- states of fold_in combine, by hand and in any order
SELECT bool_and(abs(a.factors[1] - f.factors[1]) + abs(a.factors[2] - f.factors[2]) < 1e-6) AS combined
FROM folded f JOIN (
    SELECT e.user_id, fold_in_final(fold_in_combine((array_agg(e.equations))[1], (array_agg(e.equations))[2])) AS factors
    FROM (
        SELECT s.user_id, s.item_id % 2 = 1 AS odd, fold_in_equations((SELECT prior FROM item WHERE id = 1), i.factors, s.rating) AS equations
        FROM seen s JOIN item i USING (item_id) GROUP BY 1, 2) e
    GROUP BY 1) a USING (user_id);
SELECT fold_in_combine(NULL, NULL), fold_in_combine(e, NULL) = e AS same, fold_in_combine(NULL, e) = e AS same
FROM (SELECT fold_in_equations(prior, factors, 1) AS e FROM item WHERE id = 1) e;
-- a null is absent
SELECT fold_in(prior, NULL, 1), fold_in(prior, factors, NULL), fold_in(NULL, factors, 1), fold_in(prior, factors, 1) FILTER (WHERE false) FROM item WHERE id = 1;
-- without a rating: as if it had never been there
SELECT count(*), bool_and(abs((fold_in_without(e.equations, i.factors, s.rating))[1] - w.factors[1]) < 1e-5) AS without
FROM (SELECT s.user_id, fold_in_equations((SELECT prior FROM item WHERE id = 1), i.factors, s.rating) AS equations
        FROM seen s JOIN item i USING (item_id) GROUP BY 1) e
    JOIN seen s ON s.user_id = e.user_id AND s.item_id % 5 = 0 JOIN item i USING (item_id) CROSS JOIN LATERAL (
        SELECT fold_in((SELECT prior FROM item WHERE id = 1), j.factors, t.rating) AS factors
        FROM seen t JOIN item j USING (item_id) WHERE t.user_id = s.user_id AND t.item_id <> s.item_id) w;
SELECT fold_in_without(fold_in_equations(prior, factors, 1), min(factors), 1) FROM item WHERE id = 1 GROUP BY prior;

-- blocks: lists are those of all scores sorted
SELECT t.* FROM unnest((
    SELECT top_factors(b.block, ARRAY[1, 2, 3], 3, ARRAY[4, 7], 0.5, false)
    FROM (SELECT pack_factors(n, sqrt(2), ARRAY[n % 4, 1 - n % 2, 0]::real[]) AS block FROM generate_series(1, 12) n GROUP BY n % 3) b)) t;
SELECT t.* FROM unnest((
    SELECT top_factors(b.block, ARRAY[0.6, 0.8], 20, NULL, NULL, true)
    FROM (SELECT pack_factors(n, sqrt((n % 3) ^ 2 + (n % 2) ^ 2), ARRAY[n % 3, n % 2]) AS block FROM generate_series(1, 6) n) b)) t;
SELECT top_factors(NULL, ARRAY[1], 3, NULL, NULL, false), top_factors(pack_factors, ARRAY[1], 0, '{}', NULL, NULL), top_factors(pack_factors, NULL, 3, NULL, NULL, false),
    top_factors(pack_factors, ARRAY[1], 3, NULL, NULL, false) FILTER (WHERE false)
FROM (SELECT pack_factors(1, 1, ARRAY[1])) p;
SELECT pack_factors(1, 1, ARRAY[1]) FILTER (WHERE false);

-- A model of so many factors that it has more blocks than every list reads.
SELECT method, options ->> 'factors' AS factors, rating_count, user_count, item_count
FROM create_model('wide', 'seen', rating_column => NULL, method => 'ials',
    options => '{"holdout": 0, "factors": 500, "iterations": 2, "unobserved_weight": 0.01, "regularization": 0.1}');
SELECT count(*) > 40 AS many, bool_and(bound >= next) AS falling
FROM (SELECT bound, coalesce(lead(bound) OVER (ORDER BY block), 0) AS next FROM wide.item_block) b;
SELECT count(*), count(*) FILTER (WHERE r.item_id <> s.item_id OR abs(r.score - s.score) > 1e-6 OR r.source <> 'ials' OR r.support <> s.n) AS differ
FROM generate_series(1, 60) u(user_id) CROSS JOIN LATERAL wide.recommend(u.user_id, 7) r
    JOIN (
        SELECT f.user_id, i.item_id, f.n, factor_score(f.factors, i.factors) AS score,
            row_number() OVER (PARTITION BY f.user_id ORDER BY factor_score(f.factors, i.factors) DESC, i.id) AS rank
        FROM (SELECT s.user_id, count(*) AS n, fold_in(t.prior, i.factors, 1) AS factors
            FROM seen s JOIN wide.item i USING (item_id) CROSS JOIN wide.fit t GROUP BY 1) f CROSS JOIN wide.item i
        WHERE NOT EXISTS (SELECT FROM seen s WHERE (s.user_id, s.item_id) = (f.user_id, i.item_id))) s USING (user_id, rank);
-- what was rated too; no ratings enough; nobody; none
SELECT count(*) FILTER (WHERE s IS NOT NULL) > 0 AS seen, count(*) FROM wide.recommend(1, 50, exclude_seen => false) r LEFT JOIN seen s ON (s.user_id, s.item_id) = (1, r.item_id);
SELECT source, count(*) FROM wide.recommend(1, 5, min_support => 1000) GROUP BY 1;
SELECT source, count(*) FROM wide.recommend(-1, 5) GROUP BY 1;
SELECT count(*) FROM wide.recommend(1, 0);
SELECT count(*), count(DISTINCT item_id) FROM wide.recommend(1, 1000);
-- the parts of a score add up to it
SELECT count(*), bool_and(abs(e.sum - r.score) < 1e-5 * (1 + abs(r.score)) AND e.reasons = ARRAY['rated item']) AS adds_up
FROM generate_series(1, 60, 7) u(user_id) CROSS JOIN LATERAL wide.recommend(u.user_id, 3) r CROSS JOIN LATERAL (
    SELECT sum(contribution), array_agg(DISTINCT reason) AS reasons FROM wide.explain(u.user_id, r.item_id)) e;
SELECT reason, contribution FROM wide.explain(-1, 1);
-- cosine of factors
SELECT count(*), bool_and(abs(s.similarity - factor_score(a.factors, b.factors) / (a.norm * b.norm)) < 1e-6) AS cosine, bool_and(s.item_id <> 5) AS others
FROM wide.similar_items(5, 10) s JOIN wide.item b USING (item_id), wide.item a WHERE a.item_id = 5;
SELECT count(*) = 1 AS best FROM wide.similar_items(5, 1) s WHERE s.similarity >= (
    SELECT max(factor_score(a.factors, b.factors) / (a.norm * b.norm)) - 1e-6 FROM wide.item a, wide.item b WHERE a.item_id = 5 AND b.item_id <> 5);
SELECT count(*) FROM wide.similar_items(-1);
SELECT count(*) > 0 AS users FROM wide.similar_users(1);
-- a rating counts at once, and a user is erased with his ratings
BEGIN;
INSERT INTO seen SELECT 1000, item_id FROM seen WHERE user_id = 2;
SELECT count(*) FILTER (WHERE a.item_id <> b.item_id) AS differ, count(*) FROM wide.recommend(1000) a JOIN wide.recommend(2) b USING (rank);
ROLLBACK;
SELECT source, count(*) FROM wide.recommend(1000) GROUP BY 1;
-- a refit, a former version, and the end
CALL refit('wide');
SELECT version, kept FROM wide.version ORDER BY 1;
SELECT relname FROM pg_class WHERE relnamespace = 'wide'::regnamespace AND relkind = 'r' ORDER BY 1;
SELECT drop_model('wide');
SELECT count(create_model('kept', 'seen', method => 'ials', options => '{"factors": 8, "keep_models": 1, "iterations": 1}'));
CREATE TEMPORARY TABLE former AS SELECT u AS user_id, r.* FROM generate_series(1, 60) u, kept.recommend(u) r;
DELETE FROM seen WHERE user_id = 60;
CALL refit('kept');
CALL rollback('kept');
SELECT count(*) FROM former f FULL JOIN (SELECT u AS user_id, r.* FROM generate_series(1, 59) u, kept.recommend(u) r) r USING (user_id, rank)
WHERE user_id < 60 AND (f.item_id <> r.item_id OR f.score <> r.score) IS NOT FALSE;
-- new items are folded in from the users who rated them, if those are known
SELECT count(create_model('grown', 'seen', rating_column => NULL, method => 'ials', options => '{"factors": 8, "holdout": 0, "iterations": 20, "unobserved_weight": 0.2}'));
SELECT fold_in_items(m) FROM model m WHERE name = 'grown';
BEGIN;
INSERT INTO seen SELECT user_id, 1000 + item_id, rating FROM seen WHERE item_id IN (4, 5, 6);
INSERT INTO seen VALUES (2000, 1000, 1), (2000, 4, 1), (2001, 1001, 1), (1, 1001, 1);
SELECT fold_in_items(m) FROM model m WHERE name = 'grown';
SELECT i.id - f.item_count + 5 AS n, i.item_id, i.rating_count, abs(i.norm - sqrt(factor_score(i.factors, i.factors))) < 1e-5 AS norm,
    (SELECT s.item_id FROM grown.similar_items(i.item_id, 2) s WHERE s.item_id < 1000 LIMIT 1) AS like
FROM grown.item i, grown.fit f WHERE i.item_id >= 1000 ORDER BY i.id;
-- as a fit would, had it known the users as they are now
SELECT count(*), bool_and(abs(factor_score(w.factors, i.factors) - factor_score(w.factors, x.factors)) < 1e-3) AS same
FROM grown.fit f CROSS JOIN grown.item i CROSS JOIN LATERAL (
        SELECT fold_in(f.item_prior, u.factors, 1) AS factors
        FROM seen s CROSS JOIN LATERAL (
            SELECT fold_in(f.prior, j.factors, 1) AS factors FROM seen t JOIN grown.item j USING (item_id)
            WHERE t.user_id = s.user_id AND j.item_id < 1000) u
        WHERE s.item_id = i.item_id) x
    CROSS JOIN LATERAL (SELECT fold_in(f.prior, j.factors, 1) AS factors FROM grown.item j WHERE j.id % 10 = 3) w
WHERE i.item_id >= 1000;
SELECT fold_in_items(m) FROM model m WHERE name = 'grown';
SELECT count(*) = (SELECT count(*) FROM grown.item) AS all_in_blocks, count(*) = (SELECT item_count FROM grown.fit) AS counted
FROM grown.item i CROSS JOIN LATERAL unnest((SELECT top_factors(b.items, i.factors, 1000, NULL, NULL, false) FROM grown.item_block b)) t WHERE i.id = 1;
SELECT count(*) > 0 AS recommended FROM seen s CROSS JOIN LATERAL grown.recommend(s.user_id, 20) r WHERE s.item_id = 7 AND r.item_id > 1000;
ROLLBACK;
SELECT drop_model('grown');
-- of ratings, with biases: an item that is folded in from all its users is where the fit left it
CREATE TEMPORARY TABLE rated AS
    SELECT f.* FROM item_factors('TABLE seen', 0, 'als', model_options('als', '{"factors": 3, "iterations": 400, "regularization": 0.3}', true)) f;
SELECT count(*), bool_and(abs(i.factors[2] - x.factors[2]) + abs(i.factors[3] - x.factors[3]) + abs(i.factors[4] - x.factors[4]) + abs(i.factors[5] - x.factors[5]) < 1e-3) AS same,
    bool_and(cardinality(x.factors) = 5 AND x.factors[1] = 1) AS shape, bool_or(abs(i.factors[5]) > 0.01) AS biased
FROM rated i CROSS JOIN rated p CROSS JOIN LATERAL (
    SELECT factor_exchange(p.item_prior, fold_in(p.item_prior, u.factors, s.rating)) AS factors
    FROM seen s CROSS JOIN LATERAL (
        SELECT factor_exchange(p.prior, fold_in(p.prior, j.factors, t.rating)) AS factors FROM seen t JOIN rated j USING (item_id) WHERE t.user_id = s.user_id) u
    WHERE s.item_id = i.item_id) x
WHERE p.id = 1 AND i.id % 7 = 1;
-- predictions are preferences, also of ratings that are weights
SELECT source, min(prediction) > -1 AS low, max(prediction) < 2 AS high FROM kept.prediction_error e
    CROSS JOIN LATERAL (SELECT e.predicted) p(prediction) GROUP BY 1 ORDER BY 1;
SELECT drop_model('kept');

-- no ratings, and one
SELECT rating_count, item_count FROM create_model('none', 'SELECT 1 AS user_id, 1 AS item_id WHERE false', rating_column => NULL, method => 'ials');
SELECT * FROM none.recommend(1);
SELECT * FROM none.prediction(1, 1);
SELECT * FROM none.similar_items(1);
SELECT drop_model('none');
SELECT rating_count, item_count FROM create_model('one', 'SELECT 1 AS user_id, 1 AS item_id', rating_column => NULL, method => 'ials');
SELECT rank, item_id, source, support FROM one.recommend(1, exclude_seen => false);
SELECT source, support FROM one.prediction(1, 1);
SELECT drop_model('one');

-- what must fail
SELECT * FROM item_factors('TABLE seen', 0, 'item_knn', options());
SELECT * FROM item_factors('TABLE seen', ''::text, 'ials', options());
SELECT * FROM item_factors(NULL, 0, 'ials', options());
SELECT * FROM item_factors('TABLE seen', 0, 'ials', '{}');
SELECT count(*) FROM item_factors('TABLE seen', 0, 'ials', options() || '{"factors": 0}');
SELECT count(*) FROM item_factors('TABLE seen', 0, 'ials', options() || '{"factors": 1025}');
SELECT count(*) FROM item_factors('TABLE seen', 0, 'ials', options() || '{"iterations": 0}');
SELECT count(*) FROM item_factors('TABLE seen', 0, 'ials', options() || '{"regularization": 0}');
SELECT count(*) FROM item_factors('TABLE seen', 0, 'ials', options() || '{"unobserved_weight": -1}');
SELECT count(*) FROM item_factors('TABLE seen', 0, 'ials', options() || '{"regularization_exponent": 3}');
SELECT count(*) FROM item_factors('TABLE seen', 0, 'ials', options() || '{"solver": "magic"}');
SELECT count(*) FROM item_factors('VALUES (1, 1, -1)', 0, 'ials', options());
SELECT create_model('bad', 'seen', method => 'ials', options => '{"solver": "magic"}');
SELECT create_model('bad', 'seen', method => 'ials', options => '{"factors": 1.5}');
SELECT create_model('bad', 'SELECT 1 AS factors, 1 AS item_id', 'factors', rating_column => NULL, method => 'ials');
SELECT fold_in(prior, ARRAY[1, 2, 3], 1) FROM item WHERE id = 1;
SELECT fold_in(prior, ARRAY[1, NULL], 1) FROM item WHERE id = 1;
SELECT fold_in(prior, ARRAY[[1, 2]], 1) FROM item WHERE id = 1;
SELECT fold_in(prior, factors, 'NaN') FROM item WHERE id = 1;
SELECT fold_in('\x00', factors, 1) FROM item WHERE id = 1;
SELECT fold_in(prior || '\x00', factors, 1) FROM item WHERE id = 1;
SELECT fold_in(substr(prior, 1, 40), factors, 1) FROM item WHERE id = 1;
SELECT fold_in_final(prior) FROM item WHERE id = 1;
SELECT fold_in_combine(a, b) FROM (SELECT fold_in_equations(prior, factors, 1) AS a FROM item WHERE id = 1) a,
    (SELECT fold_in_equations(prior, factors, 1) AS b FROM item_factors('TABLE seen', 0, 'ials', options('{"factors": 3, "iterations": 1}')) WHERE id = 1) b;
SELECT fold_in_influence(fold_in_equations(prior, factors, 1), '{1}') FROM item WHERE id = 1;
SELECT factor_score('{1, 2}', '{1}');
SELECT factor_score('{}', '{}');
SELECT top_factors('\x00', ARRAY[1], 3, NULL, NULL, false);
SELECT top_factors(pack_factors, ARRAY[1, 2], 3, NULL, NULL, false) FROM (SELECT pack_factors(1, 1, ARRAY[1])) p;
SELECT top_factors(pack_factors, ARRAY[1], -1, NULL, NULL, false) FROM (SELECT pack_factors(1, 1, ARRAY[1])) p;
SELECT top_factors(pack_factors, ARRAY[1], 1, ARRAY[NULL]::integer[], NULL, false) FROM (SELECT pack_factors(1, 1, ARRAY[1])) p;
SELECT pack_factors(n, n, CASE n WHEN 1 THEN ARRAY[1] ELSE ARRAY[1, 2] END) FROM generate_series(1, 2) n;
SELECT pack_factors(n, NULL, ARRAY[1]) FROM generate_series(1, 2) n;
-- memory is asked for before it is taken
SET maintenance_work_mem = '1MB';
SELECT count(*) FROM item_factors('TABLE seen', 0, 'ials', options('{"factors": 256, "iterations": 1}'));
RESET maintenance_work_mem;

DROP FUNCTION options, equations;
DROP TABLE seen;
