-- monitoring: impressions, outcomes, drift, versions
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET extra_float_digits = -6;
SET TimeZone = 'UTC';

-- the interval of a proportion: Wilson (1927); 0 and all; no trials
SELECT round(value::numeric, 6) AS value, round(low::numeric, 6) AS low, round(high::numeric, 6) AS high, n
FROM (VALUES (0, 10), (10, 10), (3, 10), (81, 263), (1, 1000000), (0, 0)) v(s, t), socrec.proportion_interval(s, t);
SELECT round(low::numeric, 6) AS low, round(high::numeric, 6) AS high FROM socrec.proportion_interval(3, 10, 0.99);
SELECT socrec.proportion_interval(NULL, 1);
SELECT socrec.proportion_interval(2, 1);
SELECT socrec.proportion_interval(-1, 1);
SELECT socrec.proportion_interval(1, 1, 1);
SELECT socrec.proportion_interval(1, 1, 'NaN');

-- the stability index: none, some by hand (0.5 added to each count), symmetric, empty bins
SELECT socrec.population_stability_index('{10,20,30}', '{10,20,30}') AS same,
    socrec.population_stability_index('{10,30}', '{30,10}') AS swapped,
    2 * (30.5 / 41 - 10.5 / 41) * ln(30.5 / 10.5) AS by_hand,
    socrec.population_stability_index('{100,0}', '{0,100}') AS opposite,
    socrec.population_stability_index('{0,0}', '{0,0}') AS empty,
    socrec.population_stability_index('{1,2}', NULL) AS nothing;
SELECT socrec.population_stability_index('{1,2}', '{1}');
SELECT socrec.population_stability_index('{}', '{}');
SELECT socrec.population_stability_index('{1,-2}', '{1,1}');
SELECT socrec.population_stability_index('{1,NULL}', '{1,1}');
SELECT socrec.population_stability_index('{1,2}', '{1,NaN}');
SELECT socrec.population_stability_index('{1,2}', '{1,Infinity}');

-- a model, the columns of which are not called as usual; two circles of taste
CREATE TABLE visit (member integer, page text, stars real, PRIMARY KEY (member, page));
CREATE INDEX ON visit (page);
INSERT INTO visit
SELECT u, 'p' || i, 1 + (hashint8extended(u * 1000 + i, 2) & 1) + CASE WHEN (u > 30) = (i > 10) THEN 3 ELSE 0 END
FROM generate_series(1, 60) u, generate_series(1, 20) i
WHERE hashint8extended(u * 1000 + i, 1) & 7 < CASE WHEN (u > 30) = (i > 10) THEN 5 ELSE 1 END;
ANALYZE visit;
SELECT version FROM socrec.create_model('pages', 'visit', 'member', 'page', 'stars', options => '{"holdout": 0.2, "keep_models": 1, "versions": 2}');
SELECT version FROM socrec.create_model('likes', 'SELECT member, page FROM visit WHERE stars > 3', 'member', 'page', NULL, options => '{"holdout": 0}');

-- Impressions.
SELECT * FROM pages.recommend(1, log => true);
SELECT socrec.log_impressions('pages'), socrec.log_impressions('pages'), socrec.log_impressions('likes');
CREATE TABLE plain AS SELECT * FROM pages.recommend(1, 5);
CREATE TABLE logged AS SELECT * FROM pages.recommend(1, true, 5);
SELECT count(*), count(DISTINCT request) FROM logged;
TABLE plain EXCEPT SELECT rank, page, score, source, support FROM logged;
SELECT i.member, i.rank, i.source, i.propensity, i.version, i.at = now() AS is_now, i.request = l.request AS same_request,
    i.score = l.score AS same_score, i.prediction = pages.predict(1, i.page) AS same_prediction
FROM pages.impression i LEFT JOIN logged l USING (rank, page) ORDER BY rank;
-- in one transaction all the same time; what is not asked for is not logged
SELECT count(*), count(request) FROM pages.recommend(2, log => false);
SELECT count(*) FROM pages.recommend(2, 5);
SELECT count(*) > 0, count(request) FROM pages.recommend(NULL, log => true);
SELECT count(*) > 0, count(request) FROM pages.recommend(2, log => NULL);
SELECT count(*) FROM pages.impression WHERE member IS DISTINCT FROM 1;
-- a stranger is served and logged
SELECT count(*), count(DISTINCT request) FROM pages.recommend(999, log => true, n => 3);
SELECT rank, source, prediction IS NOT NULL AS predicted FROM pages.impression WHERE member = 999 ORDER BY rank;
-- options go through: seen items, support
SELECT count(*) FILTER (WHERE v.page IS NOT NULL) > 0 AS seen FROM pages.recommend(1, true, 20, exclude_seen => false) r LEFT JOIN visit v ON v.member = 1 AND v.page = r.page;
SELECT r.* FROM pages.recommend(1, true, 20, true, 100000) r WHERE r.source = 'item_knn';
SELECT count(*) FROM likes.recommend(1, log => true);
SELECT count(*), count(prediction), min(prediction) >= 0 AND max(prediction) <= 1 AS within FROM likes.impression;
INSERT INTO pages.impression (member, page, rank, propensity) VALUES (1, 'p1', 1, 0);
INSERT INTO pages.impression (member, page, rank, propensity) VALUES (1, 'p1', 1, 1.5);
INSERT INTO pages.impression (member, page, rank) VALUES (1, 'p1', 0);
TRUNCATE pages.impression, likes.impression;

-- Outcomes: a click table of other types, with rows that cannot count.
CREATE TABLE click (member bigint, page varchar, at timestamp, kind text, value integer);
SELECT socrec.track_outcomes('pages', 'click', '2 days');
SELECT socrec.track_outcomes('likes', 'SELECT member, page, at FROM click WHERE kind = ''click''', '2 days');
INSERT INTO pages.impression (at, request, member, page, rank, source, prediction, version)
SELECT date_trunc('day', now()) - interval '39 days 12 hours' + make_interval(days => d), md5(format('%s %s', d, u))::uuid, u, 'p' || i, i, 'item_knn', 4 - i / 10.0, 1 + (d > 20)::integer
FROM generate_series(1, 35) d, generate_series(1, 20) u, generate_series(1, 3) i;
INSERT INTO likes.impression (at, request, member, page, rank, source, prediction, version)
SELECT at, request, member, page, rank, source, 0.1, version FROM pages.impression;
INSERT INTO click SELECT u, 'p' || i, date_trunc('day', now()) - interval '39 days 12 hours' + make_interval(days => d, mins => 5), 'click', NULL
FROM generate_series(1, 35) d, generate_series(1, 20) u, generate_series(1, 3) i WHERE (d + u) % 5 < 3 - i;
-- five stars, once given twice (the later counts), once two days too late, once
-- before, once by somebody who was not shown it
INSERT INTO click VALUES
    (1, 'p1', date_trunc('day', now()) - interval '39 days 12 hours' + interval '1 day 1 hour', 'rating', 5),
    (2, 'p2', date_trunc('day', now()) - interval '39 days 12 hours' + interval '1 day 1 hour', 'rating', 1),
    (2, 'p2', date_trunc('day', now()) - interval '39 days 12 hours' + interval '1 day 2 hours', 'rating', 4),
    (3, 'p3', now() - interval '3 days', 'rating', 5),
    (4, 'p1', now() - interval '50 days', 'rating', 5),
    (50, 'p1', now() - interval '30 days', 'rating', 5),
    (NULL, 'p1', now(), 'rating', 5), (1, NULL, now(), 'rating', 5), (1, 'p1', NULL, 'rating', 5);
SELECT kind, count(*) FROM pages.outcome GROUP BY kind ORDER BY kind;
-- attribution: the last impression before, and not after the window
SELECT member, page, rank, version, outcome_at - at AS after, value FROM pages.impression_outcome WHERE kind = 'rating' ORDER BY member, after;
-- the whole view against a join written by hand
SELECT count(*) FROM pages.impression_outcome o WHERE o.kind = 'click';
SELECT count(*) FROM (
    SELECT c.member, c.page, c.at, max(i.at) FROM click c JOIN pages.impression i ON i.member = c.member AND i.page = c.page
        AND i.at <= c.at AND c.at < i.at + interval '2 days'
    WHERE c.kind = 'click' GROUP BY 1, 2, 3
    EXCEPT SELECT o.member, o.page, o.outcome_at, o.at FROM pages.impression_outcome o) d;
-- daily performance adds up, by version and place
SELECT version, rank, kind, sum(impressions) AS impressions, sum(outcomes) AS outcomes, round(sum(outcomes) / sum(impressions), 3) AS rate, sum(value) AS value
FROM pages.daily_performance GROUP BY version, rank, kind ORDER BY kind, version, rank;
SELECT count(DISTINCT day), min(day) = (now() - interval '39 days')::date AS first, min(model), bool_and(rate = outcomes::float8 / impressions AND rate BETWEEN low AND high AND high < 1) AS fits
FROM pages.daily_performance;
-- M, live: (5 - 3.9)^2 + (4 - 3.8)^2 of explicit ratings; the later of two
SELECT day = (now() - interval '39 days')::date AS first, version, n, sse, mse, rmse, mean_predicted, mean_actual FROM pages.daily_error;
-- of implicit feedback every impression counts, once its time is over: here all
SELECT sum(n), sum(sse), sum(mean_actual * n) FROM likes.daily_error;
SELECT count(*), sum((CASE WHEN EXISTS (SELECT FROM click c WHERE c.member = i.member AND c.page = i.page AND c.kind = 'click'
    AND c.at >= i.at AND c.at < i.at + interval '2 days'
    AND NOT EXISTS (SELECT FROM likes.impression j WHERE j.member = i.member AND j.page = i.page AND j.at > i.at AND j.at <= c.at)) THEN 1 ELSE 0 END - 0.1::float8) ^ 2) FROM likes.impression i;
INSERT INTO likes.impression (member, page, rank, prediction) VALUES (1, 'p1', 1, 0.5);
SELECT count(*) FROM likes.realized_error WHERE predicted = 0.5;
DELETE FROM likes.impression WHERE prediction = 0.5;

-- alerts: nothing unusual yet but for what has grown
SELECT model, signal, variable, round(value::numeric, 3) AS value, threshold, exceeded, message FROM socrec.alerts() WHERE signal <> 'staleness';
-- a low threshold alone makes no alert of what can be chance
SELECT model, variable FROM socrec.alerts(error_ratio => 0.5, rate_ratio => 2) WHERE signal IN ('error drift', 'rate drift') AND exceeded;
-- clicks break down in the last week, and with them the prediction
DELETE FROM click WHERE at > date_trunc('day', now()) - interval '11 days' AND page = 'p1';
SELECT model, signal, variable, round(value::numeric, 3) AS value, threshold, message FROM socrec.alert ORDER BY 1, 2;
UPDATE likes.impression SET prediction = 0.9 WHERE at > date_trunc('day', now()) - interval '11 days';
SELECT n, mse, reference_n, reference_mse, round(ratio::numeric, 3) AS ratio, z > 3 AS beyond_chance FROM likes.error_drift;
SELECT model, signal, variable FROM socrec.alert ORDER BY 1, 2;
SELECT signal FROM socrec.alerts(error_ratio => 100, rate_ratio => 0.01) WHERE exceeded;

-- given again, outcomes replace the first ones; without kind, value; a query with names in the caller's path
CREATE SCHEMA shop;
CREATE TABLE shop.sale (who integer, what text, at date);
INSERT INTO shop.sale VALUES (1, 'p1', now() - interval '39 days');
SET search_path = shop, public;
SELECT socrec.track_outcomes('pages', 'SELECT who AS member, what AS page, at + 1 AS at, 100 % 7 AS seven FROM sale -- all', '3 days');
RESET search_path;
SELECT member, page, kind, value FROM pages.outcome;
SELECT kind, count(*), sum(outcomes) FROM pages.daily_performance GROUP BY kind;
TRUNCATE shop.sale;
SELECT kind, count(*), sum(outcomes), max(high) < 0.2 AS little FROM pages.daily_performance GROUP BY kind;
-- refused
SELECT socrec.track_outcomes('pages', 'SELECT member, page FROM click');
SELECT socrec.track_outcomes('pages', 'SELECT who, what FROM shop.sale');
SELECT socrec.track_outcomes('pages', 'nowhere');
SELECT socrec.track_outcomes('pages', 'SELECT 1; DROP TABLE click');
SELECT socrec.track_outcomes('pages', NULL);
SELECT socrec.track_outcomes('pages', 'click', NULL);
SELECT socrec.track_outcomes('pages', 'click', '0');
SELECT socrec.track_outcomes('none', 'click');
SELECT socrec.log_impressions('none');
SELECT socrec.log_impressions(NULL);
SELECT socrec.track_drift('none');
SELECT count(*) FROM pages.daily_performance;

-- Drift of the input.
SELECT socrec.track_drift('pages'), socrec.track_drift('pages'), socrec.track_drift('likes');
SELECT variable, count(*), sum(n), min(low), max(low) FROM pages.reference GROUP BY variable ORDER BY 1;
SELECT variable, sum(n) FROM likes.reference GROUP BY variable ORDER BY 1;
SELECT model, version, variable, n_fitted, n_now, psi, n_added, psi_added, round(noise::numeric, 4) AS noise FROM pages.input_drift ORDER BY variable;
-- more of the same is no drift; another taste, more activity and a new page are
INSERT INTO visit SELECT member + 100, page, stars FROM visit;
SELECT variable, n_fitted, n_now, round(psi::numeric, 4) AS psi, n_added, round(psi_added::numeric, 4) AS psi_added FROM pages.input_drift ORDER BY variable;
SELECT model, signal, variable FROM socrec.alert WHERE signal = 'input drift';
SELECT model, variable FROM socrec.alerts(psi => 0) WHERE signal = 'input drift' AND variable <> 'activity' AND exceeded;
-- what is deleted has not been added
BEGIN;
DELETE FROM visit WHERE member > 100 OR page = 'p1';
SELECT variable, n_fitted - n_now AS lost, psi > 0, n_added, psi_added FROM pages.input_drift WHERE variable <> 'activity' ORDER BY variable;
ROLLBACK;
INSERT INTO visit SELECT u, 'n' || i, 1 FROM generate_series(1, 60) u, generate_series(1, 20) i;
SELECT variable, n_fitted, n_now, psi > 0.2 AS psi, n_added, psi_added > 0.2 AS psi_added FROM pages.input_drift ORDER BY variable;
SELECT model, signal, variable FROM socrec.alert WHERE signal = 'input drift' ORDER BY 1, 3;
-- the index is that of the counts, bin by bin
SELECT variable, psi = socrec.population_stability_index(array_agg(fitted::float8 ORDER BY low), array_agg(now::float8 ORDER BY low)) AS same
FROM (SELECT f.variable, f.low, f.n AS fitted, (
        SELECT count(*) FROM pages.rating r WHERE NOT r.held_out AND r.rating >= f.low
            AND r.rating < coalesce((SELECT min(g.low) FROM pages.reference g WHERE g.variable = f.variable AND g.low > f.low), 'Infinity')) AS now
    FROM pages.reference f WHERE f.variable = 'rating') b JOIN pages.input_drift d USING (variable)
GROUP BY variable, psi;

-- Versions.
SELECT version, replaced_at IS NULL AS present, kept, n FROM pages.version;
CREATE TABLE first_item AS SELECT * FROM pages.item;
CREATE TABLE first_list AS SELECT u, r.* FROM generate_series(1, 10) u, pages.recommend(u) r;
CALL socrec.refit('pages');
SELECT v.version, v.replaced_at IS NULL AS present, v.kept, v.rating_count, v.rating_count = m.rating_count AS same_count, v.n = e.n AS same_n,
    abs(v.sse - e.sse) < 1e-5 * e.sse AND abs(v.mse - e.mse) < 1e-5 * e.mse AND abs(v.rmse - e.rmse) < 1e-5 * e.rmse
        AND abs(v.mae - e.mae) < 1e-5 * e.mae AND v.coverage = e.coverage AS same_error
FROM pages.version v LEFT JOIN socrec.model m ON m.name = 'pages' AND m.version = v.version LEFT JOIN pages.evaluation e ON m.version = v.version ORDER BY 1;
SELECT count(DISTINCT version) FROM pages.reference;
SELECT max(psi) FROM pages.input_drift;
SELECT version, count(*) FROM pages.former_item GROUP BY version;
INSERT INTO pages.impression (member, page, rank) VALUES (1, 'p1', 1);
SELECT max(version) FROM pages.impression WHERE at = (SELECT max(at) FROM pages.impression);
CREATE TABLE second_item AS SELECT * FROM pages.item;
CALL socrec.rollback('pages');
SELECT version, rating_count FROM socrec.model WHERE name = 'pages';
SELECT version, replaced_at IS NULL AS present, kept FROM pages.version ORDER BY 1;
TABLE first_item EXCEPT TABLE pages.item;
SELECT count(*) FROM pages.item;
-- what was seen since is left out of lists; all else is as it was
SELECT count(*) FROM (TABLE first_list EXCEPT SELECT u, r.* FROM generate_series(1, 10) u, pages.recommend(u) r) d JOIN visit v ON v.member = d.u AND v.page = d.page;
SELECT variable FROM pages.input_drift WHERE psi > 0.2 ORDER BY 1;
-- there is none before, but the one after was kept
CALL socrec.rollback('pages');
CALL socrec.rollback('pages', 7);
CALL socrec.rollback('pages', 2);
TABLE second_item EXCEPT TABLE pages.item;
SELECT version, replaced_at IS NULL AS present, kept FROM pages.version ORDER BY 1;
-- the options say how many are kept
CALL socrec.refit('pages');
CALL socrec.refit('pages');
CALL socrec.refit('pages');
SELECT version, replaced_at IS NULL AS present, kept, n IS NOT NULL AS measured FROM pages.version ORDER BY 1;
SELECT DISTINCT version FROM pages.former_item UNION ALL SELECT DISTINCT version FROM pages.former_fit;
SELECT DISTINCT version FROM pages.reference ORDER BY 1;
-- gone back to the one before, then fitted anew: the last one used is kept, not the one with the highest number
CALL socrec.rollback('pages');
CALL socrec.refit('pages');
SELECT version, replaced_at IS NULL AS present, kept FROM pages.version ORDER BY 1;
UPDATE socrec.model SET options = options || '{"keep_models": 0, "versions": 0}' WHERE name = 'pages';
CALL socrec.refit('pages');
SELECT version, replaced_at IS NULL AS present, kept FROM pages.version ORDER BY 1;
SELECT count(*) FROM pages.former_item;
CALL socrec.rollback('pages');
CALL socrec.rollback('none');
CALL socrec.rollback(NULL);
-- a refit that fails leaves all as it was
BEGIN;
SAVEPOINT s;
ALTER TABLE visit RENAME TO gone;
CREATE VIEW visit AS SELECT member, page, stars FROM gone;
UPDATE gone SET stars = 'NaN' WHERE member = 1 AND page = (SELECT min(page) FROM gone WHERE member = 1);
CALL socrec.refit('pages');
ROLLBACK;
SELECT version, replaced_at IS NULL AS present FROM pages.version ORDER BY 1;

-- Models that store users keep them of former versions too, and forget them.
SELECT version FROM socrec.create_model('people', 'visit', 'member', 'page', 'stars', 'user_knn', '{"holdout": 0.1, "keep_models": 2}');
CALL socrec.refit('people');
SELECT socrec.log_impressions('people');
SELECT count(*) > 0 FROM people.recommend(7, log => true);
CREATE TABLE stored AS SELECT * FROM people.user_neighbor;
SELECT (SELECT count(*) FROM people.user_neighbor WHERE member = 7), (SELECT count(*) FROM people.former_user_neighbor WHERE member = 7),
    (SELECT count(*) > 0 FROM people.impression WHERE member = 7);
SELECT people.forget_user(7);
SELECT (SELECT count(*) FROM people.user_neighbor WHERE member = 7), (SELECT count(*) FROM people.former_user_neighbor WHERE member = 7),
    (SELECT count(*) > 0 FROM people.impression WHERE member = 7);
CALL socrec.rollback('people');
SELECT s.member FROM stored s LEFT JOIN people.user_neighbor n ON n.id = s.id AND n.neighbors::text = s.neighbors::text WHERE n.id IS NULL AND s.member <> 7;
-- the measure of a method that stores users; of implicit feedback; of nothing held out
CALL socrec.refit('people');
CALL socrec.refit('likes');
SELECT v.n = e.n AS same_n, abs(v.sse - e.sse) < 1e-5 * e.sse AS same_error, v.coverage = e.coverage AS same_coverage
FROM people.evaluation e, people.version v WHERE v.replaced_at IS NULL;
SELECT version, n, sse FROM likes.version;
SELECT version, options -> 'holdout' AS holdout FROM socrec.create_model('marks', 'SELECT member, page FROM visit', 'member', 'page', NULL);
CALL socrec.refit('marks');
SELECT v.n = e.n AS same_n, abs(v.sse - e.sse) < 1e-5 * e.sse AS same_error, v.coverage = e.coverage AS same_coverage
FROM marks.evaluation e, marks.version v WHERE v.replaced_at IS NULL;
SELECT socrec.drop_model('marks');

-- Hostile names.
CREATE TABLE "Robert'); DROP" ("u%1$I ""x" uuid, "i%s 'y" "char", r real);
INSERT INTO "Robert'); DROP" SELECT md5((u % 40)::text)::uuid, chr(65 + (u * 7 + u % 3) % 20)::"char", 1 + u % 5 FROM generate_series(1, 120) u;
SELECT version FROM socrec.create_model('m%1$s"''x', '"Robert''); DROP"', 'u%1$I "x', 'i%s ''y', 'r', options => '{"holdout": 0, "keep_models": 1}');
CREATE TABLE "100% 'sale" ("u%1$I ""x" uuid, "i%s 'y" "char", at timestamptz);
SELECT socrec.track_outcomes('m%1$s"''x', '"100% ''sale"'), socrec.track_drift('m%1$s"''x');
SELECT count(*) > 0 FROM "m%1$s""'x".recommend(md5('1')::uuid, log => true);
INSERT INTO "100% 'sale" SELECT "u%1$I ""x", "i%s 'y", at FROM "m%1$s""'x".impression WHERE rank = 1;
SELECT model, rank, impressions, outcomes FROM "m%1$s""'x".daily_performance WHERE rank = 1;
SELECT count(*) FROM "m%1$s""'x".input_drift;
CALL socrec.refit('m%1$s"''x');
CALL socrec.rollback('m%1$s"''x');
SELECT DISTINCT signal FROM socrec.alerts() WHERE model LIKE 'm\%%' ORDER BY 1;
SELECT "m%1$s""'x".forget_user(md5('1')::uuid);
SELECT count(*) FROM "m%1$s""'x".impression;
SELECT socrec.drop_model('m%1$s"''x');
-- columns that the tables of a model have themselves
SELECT socrec.create_model('bad', 'SELECT member AS at, page, stars FROM visit', 'at', 'page', 'stars');
SELECT socrec.create_model('bad', 'visit', 'member', 'page', 'stars', options => '{"versions": -1}');
SELECT socrec.create_model('bad', 'visit', 'member', 'page', 'stars', options => '{"keep_models": 1.5}');

-- Privileges: the owner alone sees who was shown what; others log if they may.
CREATE ROLE regress_reader;
GRANT USAGE ON SCHEMA pages TO regress_reader;
GRANT SELECT ON visit, click TO regress_reader;
SET ROLE regress_reader;
SELECT count(*) > 0 FROM pages.recommend(1);
SELECT count(*) > 0 FROM pages.recommend(1, log => true);
SELECT count(*) FROM pages.impression;
SELECT has_table_privilege('pages.daily_performance', 'SELECT'), has_table_privilege('pages.realized_error', 'SELECT');
SELECT count(*) FROM pages.version;
SELECT socrec.log_impressions('people');
SELECT socrec.track_outcomes('pages', 'click');
SELECT socrec.track_drift('likes');
CALL socrec.rollback('pages');
SELECT pages.forget_user(1);
SELECT count(*) FROM socrec.alerts();
SELECT count(*) FROM socrec.alert;
RESET ROLE;
GRANT INSERT ON pages.impression TO regress_reader;
SET ROLE regress_reader;
SELECT count(*) > 0 FROM pages.recommend(1, log => true);
SELECT count(*) FROM pages.impression;
RESET ROLE;
-- a reader that may not write reads on
SET default_transaction_read_only = on;
SELECT count(*) > 0 FROM pages.recommend(1);
SELECT count(*) > 0 FROM pages.recommend(1, log => true);
SELECT count(*) >= 0 FROM socrec.alert;
SELECT count(*) > 0 FROM likes.daily_error;
RESET default_transaction_read_only;

-- All goes with the model, unless somebody else has built on it.
CREATE VIEW chart AS SELECT * FROM likes.daily_performance;
SELECT socrec.drop_model('likes');
DROP VIEW chart;
SELECT socrec.drop_model('likes'), socrec.drop_model('pages'), socrec.drop_model('people');
SELECT nspname FROM pg_namespace WHERE nspname IN ('likes', 'pages', 'people');
DROP TABLE visit, click, plain, logged, first_item, first_list, second_item, stored, "Robert'); DROP", "100% 'sale";
DROP SCHEMA shop CASCADE;
DROP ROLE regress_reader;
