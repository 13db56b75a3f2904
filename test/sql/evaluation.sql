-- evaluation: splits, and methods measured on what they were not fitted to

SET search_path = public, socrec;
SET extra_float_digits = -6;
SET client_min_messages = warning; -- no progress
\set SHOW_CONTEXT never

-- Two circles of tastes; every user likes ten of the twenty items of his own and
-- a few of the other, in the order of time.
CREATE TABLE visit AS
SELECT u AS member, 'page ' || i AS page, (1 + (hashint4extended(u * 1000 + i, 1) & 3))::real AS stars,
    timestamptz '2026-01-01 00:00+00' + (u * 7919 + i * 104729) % 100000 * interval '1 minute' AS seen_at
FROM generate_series(1, 60) u CROSS JOIN generate_series(1, 40) i
WHERE (hashint4extended(u * 1000 + i, 2) & 255) < CASE WHEN (u <= 30) = (i <= 20) THEN 128 ELSE 12 END;
\set query '''SELECT member, page, stars, seen_at FROM visit'''

-- every split: each rating once a fold, tested at most once, and what it promises
CREATE TABLE part AS
SELECT s.split, r.* FROM unnest('{global_time,random,leave_last_out,user_k_fold,strong_generalization}'::text[]) s(split)
    CROSS JOIN LATERAL split_ratings(:query, NULL::integer, NULL::text, s.split, seed => 7) r;
SELECT split, max(fold) AS folds, count(*) = max(fold) * (SELECT count(*) FROM visit) AS complete,
    count(*) FILTER (WHERE part = 'test') AS tested, count(DISTINCT (user_id, item_id)) FILTER (WHERE part = 'test') AS distinct_tested,
    count(*) FILTER (WHERE part = 'profile') > 0 AS has_profiles
FROM part GROUP BY split ORDER BY split;
SELECT max(seen_at) FILTER (WHERE part = 'train') <= min(seen_at) FILTER (WHERE part = 'test') AS train_is_before
FROM part JOIN visit ON member = user_id AND page = item_id WHERE split = 'global_time';
SELECT bool_and(tested = 1 AND last_is_tested) AS last_one FROM (
    SELECT user_id, count(*) FILTER (WHERE part = 'test') AS tested,
        max(seen_at) = max(seen_at) FILTER (WHERE part = 'test') AS last_is_tested
    FROM part JOIN visit ON member = user_id AND page = item_id WHERE split = 'leave_last_out' GROUP BY user_id) u;
SELECT count(*) AS users_trained_and_tested FROM (
    SELECT fold, user_id FROM part WHERE split = 'strong_generalization' GROUP BY fold, user_id
    HAVING bool_or(part = 'train') AND bool_or(part <> 'train')) b;
-- the same seed divides alike, whatever the order of rows; another does not
SELECT count(*) FILTER (WHERE a.part <> b.part) AS same_seed, count(*) FILTER (WHERE a.part <> c.part) > 0 AS other_seed
FROM part a
    JOIN split_ratings('SELECT member, page, stars, seen_at FROM visit ORDER BY seen_at DESC', NULL::integer, NULL::text, 'random', seed => 7) b USING (fold, user_id, item_id)
    JOIN split_ratings(:query, NULL::integer, NULL::text, 'random', seed => 8) c USING (fold, user_id, item_id)
WHERE a.split = 'random';
SELECT count(*) FROM split_ratings('SELECT member, page, stars FROM visit', NULL::integer, NULL::text, 'global_time');
SELECT count(*) FROM split_ratings(:query, NULL::integer, NULL::text, 'sideways');
SELECT count(*) FROM split_ratings(:query, NULL::integer, NULL::text, 'random', folds => 1000);
SELECT count(*) FROM split_ratings(:query, NULL::integer, NULL::text, 'global_time', test_fraction => 1);

-- evaluate: by time, as there is a column of times; baselines beside
CREATE TABLE outcome AS
SELECT * FROM evaluate('visit', 'member', 'page', 'stars', methods => '["item_knn"]', options => '{"replicates": 0}');
SELECT label, method, split, count(*) > 50 AS metrics, min(fold), max(fold) FROM outcome GROUP BY label, method, split ORDER BY label;
-- the test side is small and cold pages are none: the numbers are those of SQL
SELECT o.label, o.value AS sse, o.n FROM outcome o WHERE metric = 'sse' AND segment = 'all' AND fold IS NULL ORDER BY label;
CREATE TABLE train AS SELECT member, page, stars FROM visit JOIN part ON member = user_id AND page = item_id
    WHERE split = 'global_time' AND part = 'train';
ALTER TABLE train ADD PRIMARY KEY (member, page);
CREATE TABLE test AS SELECT member, page, stars FROM visit JOIN part ON member = user_id AND page = item_id
    WHERE split = 'global_time' AND part = 'test';
SELECT name, rating_count FROM create_model('trained', 'train', 'member', 'page', 'stars', options => '{"holdout": 0}');
WITH relevant AS (
    SELECT x.member, x.page FROM test x WHERE x.stars >= (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY stars) FROM train)),
list AS MATERIALIZED (
    SELECT u.member, r.rank, r.page FROM (SELECT DISTINCT member FROM test) u CROSS JOIN LATERAL trained.recommend(u.member, 10) r),
per_user AS (
    SELECT member, precision_at(rank, gain, 10) AS "precision", recall_at(rank, gain, 10) AS recall, hit_rate_at(rank, gain, 10) AS hit_rate,
        binary_ndcg_at(rank, gain, 10) AS ndcg, map_at(rank, gain, 10) AS map, mrr(rank, gain, 10) AS mrr
    FROM (SELECT coalesce(l.member, x.member) AS member, l.rank, CASE WHEN x.page IS NOT NULL THEN 1.0 END AS gain
        FROM list l FULL JOIN relevant x ON x.member = l.member AND x.page = l.page) m
    GROUP BY member)
SELECT m.metric, o.value, abs(o.value - m.value) < 1e-9 AS same, o.n = m.n AS same_users
FROM (SELECT v.metric, avg(v.value) AS value, count(v.value) AS n FROM per_user, LATERAL (VALUES ('precision', "precision"), ('recall', recall),
        ('hit_rate', hit_rate), ('ndcg', ndcg), ('map', map), ('mrr', mrr)) v(metric, value) GROUP BY v.metric) m
    JOIN outcome o ON o.metric = m.metric AND o.cutoff = 10 AND o.segment = 'all' AND o.fold IS NULL AND o.label = 'item_knn'
ORDER BY m.metric;
SELECT o.label, abs(o.value - (SELECT sse(x.stars, trained.predict(x.member, x.page)) FROM test x)) < 1e-3 AS same
FROM outcome o WHERE o.metric = 'sse' AND o.segment = 'all' AND o.fold IS NULL AND o.label = 'item_knn';
SELECT drop_model('trained');

-- A leak that is planted: a page that only the test side knows.  Had a fit seen
-- it, popularity would know it.
INSERT INTO visit SELECT u, 'leak', 4, '2027-01-01' FROM generate_series(1, 60) u;
SELECT o.label, o.value AS hits FROM evaluate('visit', 'member', 'page', 'stars', options => '{"replicates": 0, "test_fraction": 0.05}') o
WHERE o.metric = 'hit_rate' AND o.segment = 'all' AND o.fold IS NULL AND o.cutoff = 20 ORDER BY o.label;
SELECT o.label, o.n FROM evaluate('visit', 'member', 'page', 'stars', options => '{"replicates": 0, "test_fraction": 0.05}') o
WHERE o.metric = 'rmse' AND o.segment = 'cold_items' AND o.fold IS NULL ORDER BY o.label;
DELETE FROM visit WHERE page = 'leak';

-- cross_validate: folds, their mean and deviation
SELECT label, metric, cutoff, value > 0 AS value, low < value AND value < high AS inside, cardinality(fold_values) AS folds,
    abs(mean - (SELECT avg(f) FROM unnest(fold_values) f)) < 1e-12 AS mean, standard_deviation > 0 AS differs
FROM cross_validate('visit', 'member', 'page', 'stars', methods => '[{"method": "item_knn", "options": {"k": 5}, "label": "five"}]', folds => 3,
    options => '{"cutoffs": [10], "replicates": 200}')
WHERE metric IN ('rmse', 'ndcg') ORDER BY label, metric;

-- compare: paired differences to the first
SELECT metric, cutoff, label, reference, abs(value - reference_value - difference) < 1e-12 AS adds_up, low <= difference AND difference <= high AS inside,
    t_p_value BETWEEN 0 AND 1 AS t, wilcoxon_p_value BETWEEN 0 AND 1 AS wilcoxon, n
FROM compare('visit', 'member', 'page', 'stars', methods => '["item_knn", "user_knn"]', split => 'random',
    options => '{"cutoffs": [10], "replicates": 100}')
WHERE metric IN ('mse', 'ndcg') ORDER BY metric, label;

-- of models: each user's metrics go into the model, for its owner
SELECT name FROM create_model('near', 'visit', 'member', 'page', 'stars');
SELECT name FROM create_model('popular one', 'visit', 'member', 'page', 'stars', method => 'popular');
SELECT label, model, method FROM evaluate(model => 'near', options => '{"replicates": 0}') GROUP BY 1, 2, 3 ORDER BY 1;
SELECT count(DISTINCT member) > 20 AS users, count(DISTINCT cutoff) AS cutoffs, count(DISTINCT run) AS runs FROM near.user_metric;
SELECT DISTINCT label, reference FROM compare(models => '{near,popular one}', options => '{"replicates": 10}') ORDER BY 1;
SELECT * FROM evaluate(model => 'far');
SELECT * FROM compare(models => '{near,far}');
SELECT * FROM compare(models => '{near,NULL}');
SELECT name FROM create_model('other', 'SELECT * FROM visit', 'member', 'page', 'stars', method => 'popular');
SELECT * FROM compare(models => '{near,other}');
SELECT drop_model(name) FROM model WHERE name IN ('near', 'popular one', 'other');

-- implicit feedback, and repeated events
INSERT INTO visit SELECT * FROM visit WHERE member < 4;
SELECT label, count(*) FILTER (WHERE metric = 'rmse') AS errors, count(*) FILTER (WHERE metric = 'ndcg') > 0 AS rankings
FROM evaluate('visit', 'member', 'page', NULL, methods => '["item_knn"]', options => '{"replicates": 0}') GROUP BY label ORDER BY label;

-- what cannot be
SELECT * FROM evaluate('visit', 'member', 'page', 'stars');
SELECT * FROM evaluate();
SELECT * FROM evaluate('nowhere');
SELECT * FROM evaluate('visit', 'member', 'page', 'stars', methods => '"item_knn"');
SELECT * FROM evaluate('visit', 'member', 'page', 'stars', methods => '[{"name": "item_knn"}]');
SELECT * FROM evaluate('visit', 'member', 'page', 'stars', methods => '["item_knn", "item_knn"]');
SELECT * FROM evaluate('visit', 'member', 'page', 'stars', methods => '["magic"]');
SELECT * FROM evaluate('visit', 'member', 'page', 'stars', methods => '[{"method": "item_knn", "options": {"kk": 3}}]');
SELECT * FROM evaluate('visit', 'member', 'page', NULL, methods => '["baseline"]');
SELECT * FROM evaluate('visit', 'member', 'page', 'stars', options => '{"cutoffs": []}');
SELECT * FROM evaluate('visit', 'member', 'page', 'stars', options => '{"cutoff": 3}');
SELECT * FROM evaluate('visit', 'member', 'page', NULL, split => 'sideways');
SELECT * FROM evaluate('SELECT member, page, stars FROM visit', 'member', 'page', NULL, split => 'global_time');
SELECT * FROM evaluate('SELECT * FROM visit WHERE false', 'member', 'page', 'stars');

-- tune: every trial commits; the test side is looked at once, with the winner
DELETE FROM visit v WHERE EXISTS (SELECT FROM visit w WHERE (w.member, w.page) = (v.member, v.page) AND w.ctid < v.ctid);
CALL tune('grid', 'visit', 'member', 'page', 'stars', grid => '{"k": [2, 20], "shrinkage": [0, 10]}', metric => 'ndcg', budget => '0 s');
SELECT count(*) AS trials FROM trial;
CALL tune('grid');
SELECT number, options, user_share, value = max(value) OVER () AS best, n FROM trial ORDER BY number;
SELECT t.best = r.options AS best, t.metric, t.cutoff, t.split, t.time_column FROM tuning t JOIN trial r ON r.tuning = t.name AND r.options = t.best;
SELECT e.label, count(*) > 10 AS metrics FROM tuning t JOIN evaluation e USING (run) GROUP BY e.label ORDER BY 1;
-- what is finished stays as it is
CALL tune('grid', model => 'tuned');
SELECT (SELECT count(*) FROM trial) AS trials, (SELECT count(DISTINCT run) FROM evaluation WHERE label = 'best') AS looks,
    m.options @> t.best AS has_best FROM model m, tuning t WHERE m.name = 'tuned';
SELECT drop_model('tuned');
-- no trial sees the test side: other ratings there, the same trials
CREATE TABLE altered AS SELECT member, page, CASE WHEN p.part = 'test' THEN 5 - stars ELSE stars END AS stars, seen_at
    FROM visit JOIN split_ratings(:query, NULL::integer, NULL::text, 'global_time') p ON member = user_id AND page = item_id;
CALL tune('altered', 'altered', 'member', 'page', 'stars', grid => '{"k": [2, 20], "shrinkage": [0, 10]}', metric => 'ndcg');
SELECT count(*) AS same FROM trial a JOIN trial b USING (number, options, value, n) WHERE a.tuning = 'grid' AND b.tuning = 'altered';
SELECT count(DISTINCT e.value) AS measured_differently FROM tuning t JOIN evaluation e USING (run) WHERE e.label = 'best' AND e.metric = 'rmse' AND e.segment = 'all' AND e.fold = 1;
-- halving: all on few users, the best third on more; drawn at random
CALL tune('halved', 'visit', 'member', 'page', NULL, split => 'random', search => 'halving',
    grid => '{"k": {"low": 1, "high": 40, "integer": true}, "shrinkage": {"low": 1, "high": 100, "scale": "log"}, "weighting": ["tfidf", "bm25"]}',
    options => '{"trials": 9, "replicates": 0}');
SELECT rung, count(*), round(min(user_share)::numeric, 3) AS user_share, bool_and((options ->> 'k')::integer BETWEEN 1 AND 39) AS k,
    bool_and((options ->> 'shrinkage')::float8 BETWEEN 1 AND 100) AS shrinkage
FROM trial WHERE tuning = 'halved' GROUP BY rung ORDER BY rung;
SELECT count(DISTINCT number) FROM tuning_candidates('{"k": [1, 2, 3], "center": ["none", "user"]}', 'grid', 1, 0);
-- what cannot be
CALL tune('grid', 'visit', 'member', 'page', 'stars', grid => '{"k": [2]}');
CALL tune('unknown');
CALL tune('bad', 'visit', 'member', 'page', 'stars', grid => '{"k": []}');
CALL tune('bad', 'visit', 'member', 'page', 'stars', grid => '{"k": {"low": 1, "high": 2}}');
CALL tune('bad', 'visit', 'member', 'page', 'stars', grid => '{"kk": [2]}');
CALL tune('bad', 'visit', 'member', 'page', 'stars');
CALL tune('bad', 'visit', 'member', 'page', 'stars', grid => '{"k": [2]}', metric => 'novelty');
CALL tune('bad', 'visit', 'member', 'page', NULL, grid => '{"k": [2]}', metric => 'rmse');
CALL tune('bad', 'visit', 'member', 'page', 'stars', grid => '{"k": [2]}', search => 'luck');
CALL tune('bad', 'visit', 'member', 'page', 'stars', grid => '{"k": [2]}', split => 'user_k_fold');
CALL tune('bad', 'visit', 'member', 'page', 'stars', grid => '{"k": [2]}', options => '{"folds": 3}');
BEGIN;
CALL tune('bad', 'visit', 'member', 'page', 'stars', grid => '{"k": [2]}');
ROLLBACK;
SELECT name FROM tuning ORDER BY name;
SELECT to_regclass('pg_temp.socrec_training');

-- a name that would like to be more
CREATE TABLE "Robert'); DROP" ("us""er" text, "it'em" uuid, "rat%ing" real, "%1$I" timestamptz);
INSERT INTO "Robert'); DROP"
SELECT 'u' || member, md5(page)::uuid, max(stars), max(seen_at) FROM visit GROUP BY member, page;
SELECT label, value > 0 AS measured FROM evaluate('"Robert''); DROP"', 'us"er', 'it''em', 'rat%ing', '%1$I', options => '{"replicates": 0}')
WHERE metric = 'rmse' AND segment = 'all' AND fold IS NULL ORDER BY label;

-- the history is everybody's to read and each one's own to write
CREATE ROLE socrec_evaluator;
GRANT SELECT ON visit TO socrec_evaluator;
SET ROLE socrec_evaluator;
SELECT owner, count(*) > 10 AS rows FROM evaluate('visit', 'member', 'page', NULL, options => '{"replicates": 0}') GROUP BY owner;
DELETE FROM socrec.evaluation WHERE owner = 'socrec_evaluator';
DELETE FROM socrec.evaluation;
CALL tune('grid');
DELETE FROM tuning;
SELECT * FROM evaluate('"Robert''); DROP"', 'us"er', 'it''em', 'rat%ing');
RESET ROLE;
DROP OWNED BY socrec_evaluator;
DROP ROLE socrec_evaluator;

DELETE FROM socrec.evaluation;
DELETE FROM tuning;
DROP TABLE altered, visit, part, outcome, train, test, "Robert'); DROP";
