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
-- so are those of lists, whatever is relevant, but diversity
WITH list AS MATERIALIZED (
    SELECT u.member, r.rank, r.page, r.source FROM (SELECT DISTINCT member FROM test) u CROSS JOIN LATERAL trained.recommend(u.member, 10) r),
popular AS MATERIALIZED (
    SELECT u.member, p.page FROM (SELECT DISTINCT member FROM test) u CROSS JOIN LATERAL (SELECT i.page FROM trained.item i
        WHERE NOT EXISTS (SELECT FROM train t WHERE t.member = u.member AND t.page = i.page) ORDER BY i.id LIMIT 10) p),
relevant AS (
    SELECT x.member, x.page FROM test x WHERE x.stars >= (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY stars) FROM train)),
per_user AS (
    SELECT l.member, avg(-log(2, i.rating_count / (SELECT count(DISTINCT t.member)::numeric FROM train t)))::float8 AS novelty, avg(i.rating_count)::float8 AS popularity,
        (count(*) < 10)::integer AS short_lists, bool_or(l.source = 'item_knn')::integer AS user_coverage,
        CASE WHEN EXISTS (SELECT FROM relevant v WHERE v.member = l.member)
            THEN count(*) FILTER (WHERE r.page IS NOT NULL AND p.page IS NULL) / 10.0 END AS serendipity
    FROM list l JOIN trained.item i USING (page) LEFT JOIN relevant r USING (member, page) LEFT JOIN popular p USING (member, page) GROUP BY l.member)
SELECT m.metric, o.value, abs(o.value - m.value) < 1e-9 AS same, o.n = m.n AS same_users
FROM (SELECT v.metric, avg(v.value) AS value, count(v.value) AS n FROM per_user, LATERAL (VALUES ('novelty', novelty), ('popularity', popularity),
        ('short_lists', short_lists), ('user_coverage', user_coverage), ('serendipity', serendipity)) v(metric, value) GROUP BY v.metric) m
    JOIN outcome o ON o.metric = m.metric AND o.cutoff = 10 AND o.segment = 'all' AND o.fold IS NULL AND o.label = 'item_knn'
ORDER BY m.metric;
WITH list AS (SELECT u.member, array_agg(r.page ORDER BY r.rank) AS pages
    FROM (SELECT DISTINCT member FROM test) u CROSS JOIN LATERAL trained.recommend(u.member, 10) r GROUP BY u.member),
exposure AS (SELECT i.page, count(l.member) AS n FROM trained.item i LEFT JOIN list l ON i.page = ANY (l.pages) GROUP BY i.page)
SELECT m.metric, abs(o.value - m.value) < 1e-9 AS same
FROM (SELECT 'catalog_coverage', avg((n > 0)::integer) FROM exposure UNION ALL SELECT 'gini', gini(n) FROM exposure
    UNION ALL SELECT 'repeated_lists', avg((n > 1)::integer) FROM (SELECT count(*) OVER (PARTITION BY pages) AS n FROM list) c) m(metric, value)
    JOIN outcome o ON o.metric = m.metric AND o.cutoff = 10 AND o.fold IS NULL AND o.label = 'item_knn'
ORDER BY m.metric;
-- and the area under the curve, of the order of all pages that were not rated
WITH ranked AS (
    SELECT u.member, r.rank, coalesce(x.stars >= (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY stars) FROM train), false) AS is_relevant
    FROM (SELECT DISTINCT member FROM test) u CROSS JOIN LATERAL trained.recommend(u.member, 100) r
        LEFT JOIN test x ON x.member = u.member AND x.page = r.page)
SELECT abs(o.value - m.value) < 1e-9 AS same, o.n = m.n AS same_users
FROM (SELECT avg(auc), count(auc) FROM (SELECT auc(is_relevant, -rank) FROM ranked GROUP BY member) r(auc)) m(value, n)
    JOIN outcome o ON o.metric = 'auc' AND o.segment = 'all' AND o.fold IS NULL AND o.label = 'item_knn';
SELECT drop_model('trained');
-- the same of thousands of items, of which many are as popular
CREATE TABLE many AS SELECT DISTINCT ON (u, i) u AS member, i AS page, 1 AS stars, n AS seen_at
FROM generate_series(1, 20) u, generate_series(1, 400) n, LATERAL (
    SELECT (hashint4extended(u * 1000 + n, 1) & 4095) * (hashint4extended(u * 1000 + n, 2) & 4095) / 4096) x(i) ORDER BY u, i, n;
CREATE TABLE many_part AS SELECT user_id AS member, item_id AS page, part FROM split_ratings('SELECT * FROM many', 0, 0::bigint);
WITH popular AS (SELECT page, count(*) AS n FROM many_part WHERE part = 'train' GROUP BY page),
ranked AS (
    SELECT u.member, row_number() OVER (PARTITION BY u.member ORDER BY p.n DESC, p.page) AS rank, x.page IS NOT NULL AS is_relevant
    FROM (SELECT DISTINCT member FROM many) u CROSS JOIN popular p LEFT JOIN many_part x ON x.member = u.member AND x.page = p.page AND x.part = 'test'
    WHERE NOT EXISTS (SELECT FROM many_part t WHERE t.member = u.member AND t.page = p.page AND t.part = 'train'))
SELECT m.candidates > 2048 AS many, abs(o.value - m.value) < 1e-9 AS same, o.n_measured = m.n AS same_users
FROM (SELECT avg(auc), count(auc), max(candidates) FROM (SELECT auc(is_relevant, -rank), count(*) FROM ranked GROUP BY member) r(auc, candidates)) m(value, n, candidates)
    JOIN evaluate_ratings('SELECT * FROM many', 0, 0::bigint, false, '{popular}', ARRAY[model_options('popular', '{}', false)], replicates => 0) o
        ON o.metric = 'auc' AND o.segment = 'all' AND o.fold IS NULL AND o.kind = 'metric';
-- and of a method that has a score for few of them: the others follow by popularity
WITH ranked AS (
    SELECT b.user_id, b.rank, b.source, x.page IS NOT NULL AS is_relevant
    FROM batch_recommend('SELECT member, page FROM many_part WHERE part = ''train''', 0, 0::bigint, 'item_knn', '{"k": 2}', 10000) b
        LEFT JOIN many_part x ON x.member = b.user_id AND x.page = b.item_id AND x.part = 'test'),
per_user AS (
    SELECT auc(is_relevant, -rank) AS auc, (count(*) FILTER (WHERE is_relevant AND rank <= 1000))::float8 AS hits,
        count(*) FILTER (WHERE is_relevant AND source = 'popular') AS unscored
    FROM ranked GROUP BY user_id)
SELECT m.metric, m.unscored > 0 AS some_without_score, abs(o.value - m.value) < 1e-9 AS same
FROM (SELECT 'auc', NULL, sum(unscored), avg(auc) FROM per_user
        UNION ALL SELECT 'precision', 1000, sum(unscored), avg(hits) / 1000 FROM per_user) m(metric, cutoff, unscored, value)
    JOIN evaluate_ratings('SELECT * FROM many', 0, 0::bigint, false, '{item_knn}', ARRAY[model_options('item_knn', '{"k": 2}', false)],
        cutoffs => '{1000}', replicates => 0) o
        ON (o.metric, o.cutoff) IS NOT DISTINCT FROM (m.metric, m.cutoff) AND o.segment = 'all' AND o.fold IS NULL AND o.kind = 'metric'
ORDER BY 1;
DROP TABLE many, many_part;

-- A leak that is planted: a page that only the test side knows.  Had a fit seen
-- it, popularity would know it.
INSERT INTO visit SELECT u, 'leak', 4, '2027-01-01' FROM generate_series(1, 60) u;
SELECT o.label, o.value AS hits FROM evaluate('visit', 'member', 'page', 'stars', options => '{"replicates": 0, "test_fraction": 0.05}') o
WHERE o.metric = 'hit_rate' AND o.segment = 'all' AND o.fold IS NULL AND o.cutoff = 20 ORDER BY o.label;
SELECT o.label, o.n FROM evaluate('visit', 'member', 'page', 'stars', options => '{"replicates": 0, "test_fraction": 0.05}') o
WHERE o.metric = 'rmse' AND o.segment = 'cold_items' AND o.fold IS NULL ORDER BY o.label;

-- Segments, with somebody new besides: those of SQL, by count and by error; lists
-- of the popular pages, which are easy to make.
INSERT INTO visit SELECT 61, 'page ' || i, 4, '2027-01-02' FROM generate_series(1, 12) i;
CREATE TABLE late AS SELECT p.user_id AS member, p.item_id AS page, p.rating AS stars, p.part
    FROM split_ratings(:query, NULL::integer, NULL::text, test_fraction => 0.3) p;
CREATE TABLE found AS SELECT * FROM evaluate_ratings(:query, NULL::integer, NULL::text, true, '{popular}', ARRAY[model_options('popular', '{}', true)],
    test_fraction => 0.3, replicates => 0, user_rows => true, prediction_rows => true);
CREATE TABLE kind AS
SELECT l.member, l.page, l.stars, l.stars >= (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY t.stars) FROM late t WHERE t.part = 'train') AS is_relevant,
    EXISTS (SELECT FROM late t WHERE t.part = 'train' AND t.page = l.page) AS is_warm_item,
    EXISTS (SELECT FROM late t WHERE t.part = 'train' AND t.member = l.member) AS is_warm_user
FROM late l WHERE l.part = 'test';
SELECT f.segment, f.n_measured, f.n_measured = s.n AS same, abs(f.value - s.sse) < 1e-6 AS same_errors
FROM (SELECT v.segment, count(*) AS n, sum((p.actual - p.predicted) ^ 2) AS sse
    FROM kind k JOIN found p ON p.kind = 'prediction' AND p.user_id = k.member AND p.item_id = k.page
        CROSS JOIN LATERAL (VALUES ('all', true), ('warm', is_warm_user AND is_warm_item), ('cold_users', NOT is_warm_user), ('cold_items', NOT is_warm_item)) v(segment, counts)
    WHERE v.counts GROUP BY v.segment) s
    FULL JOIN (SELECT * FROM found WHERE kind = 'metric' AND metric = 'sse' AND fold IS NULL) f USING (segment)
ORDER BY 1;
SELECT f.segment, f.n_measured, f.value = s.value AS same
FROM (SELECT avg((is_warm_user AND is_warm_item)::integer)::float8 AS warm, avg((NOT is_warm_item)::integer)::float8 AS cold_items,
        (count(DISTINCT member) FILTER (WHERE NOT is_warm_user))::float8 / count(DISTINCT member) AS cold_users FROM kind) k
    CROSS JOIN LATERAL (VALUES ('warm', warm), ('cold_users', cold_users), ('cold_items', cold_items)) s(segment, value)
    FULL JOIN (SELECT * FROM found WHERE kind = 'fold' AND metric = 'share') f USING (segment)
ORDER BY 1;
WITH popular AS MATERIALIZED (
    SELECT u.member, p.page FROM (SELECT DISTINCT member FROM kind) u CROSS JOIN LATERAL (
        SELECT t.page FROM late t WHERE t.part = 'train' AND NOT EXISTS (SELECT FROM late o WHERE o.part = 'train' AND o.member = u.member AND o.page = t.page)
        GROUP BY t.page ORDER BY count(*) DESC, t.page LIMIT 10) p),
recall AS (
    SELECT k.member, k.is_warm_user, avg((p.page IS NOT NULL)::integer) AS "all", avg((p.page IS NOT NULL)::integer) FILTER (WHERE k.is_warm_item) AS warm
    FROM kind k LEFT JOIN popular p USING (member, page) WHERE k.is_relevant GROUP BY k.member, k.is_warm_user)
SELECT f.segment, f.n_measured = s.n AS same_users, abs(f.value - s.value) < 1e-9 AS same
FROM (SELECT avg("all"), count("all"), avg(warm) FILTER (WHERE is_warm_user), count(warm) FILTER (WHERE is_warm_user),
        avg("all") FILTER (WHERE NOT is_warm_user), count("all") FILTER (WHERE NOT is_warm_user) FROM recall) r(a, na, w, nw, c, nc)
    CROSS JOIN LATERAL (VALUES ('all', a, na), ('warm', w, nw), ('cold_users', c, nc)) s(segment, value, n)
    FULL JOIN (SELECT * FROM found WHERE kind = 'metric' AND metric = 'recall' AND cutoff = 10 AND fold IS NULL) f USING (segment)
ORDER BY 1;
-- of each user what is his own
SELECT count(*) AS users, bool_and(f.n_predictions = k.n AND f.n_relevant = k.relevant AND abs(f.squared_error - k.error) < 1e-6) AS same
FROM (SELECT k.member, count(*) AS n, count(*) FILTER (WHERE k.is_relevant) AS relevant, sum((p.actual - p.predicted) ^ 2) AS error
    FROM kind k JOIN found p ON p.kind = 'prediction' AND p.user_id = k.member AND p.item_id = k.page GROUP BY k.member) k
    FULL JOIN (SELECT * FROM found WHERE kind = 'user' AND cutoff = 10) f ON f.user_id = k.member;
DROP TABLE late, found, kind;
DELETE FROM visit WHERE page = 'leak' OR member = 61;

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
SELECT abs(avg(m.ndcg) - min(e.value)) < 1e-9 AS of_this_model
FROM near.user_metric m JOIN evaluation e ON e.run = m.run AND e.label = 'near' AND e.metric = 'ndcg' AND e.segment = 'all'
    AND e.fold IS NULL AND e.cutoff = m.cutoff
WHERE m.cutoff = 10;
SELECT bool_and(m.n_predictions = t.n) AS of_each_user_his_own
FROM (SELECT member, count(*) AS n FROM test GROUP BY member) t FULL JOIN (SELECT * FROM near.user_metric WHERE cutoff = 10) m USING (member);
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
