-- hybrid: a model that blends others

SET search_path = public, socrec;
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET extra_float_digits = -6;

CREATE TABLE visit (member text, page text, stars double precision, PRIMARY KEY (member, page));
INSERT INTO visit
SELECT 'm' || u, 'p' || i, (1 + (hashint4extended(u * 1000 + i, 7) & 7))::double precision / 2
FROM generate_series(1, 40) u, generate_series(1, 25) i
WHERE (hashint4extended(u * 1000 + i, 3) & 1023) < 1400 / (i + 2) + 150;

SELECT name, method, rating_count, user_count, item_count, version
FROM create_model('mix', 'visit', 'member', 'page', 'stars', 'hybrid', '{"holdout": 0.1, "keep_models": 2, "depth": 8, "parts":
    [{"method": "item_knn", "weight": 2}, {"method": "user_knn", "weight": 1, "options": {"k": 10}}, {"method": "baseline", "weight": 1, "label": "bias"}]}');
TABLE mix.part ORDER BY number;
SELECT name, method, options FROM model ORDER BY name;
SELECT r.relation, c.relkind FROM (VALUES ('mix.rating'), ('"mix/item_knn".rating'), ('"mix/user_knn".user_neighbor')) r(relation) JOIN pg_class c ON c.oid = r.relation::regclass ORDER BY r.relation COLLATE "C";
-- one holdout, and one number of each item
SELECT p.model, (SELECT count(*) FROM mix.rating r WHERE r.held_out) AS held_out, bool_and(i.id = j.id) AS same
FROM mix.part p, mix.item i, (SELECT 'mix/item_knn' AS model, id, page FROM "mix/item_knn".item UNION ALL
    SELECT 'mix/user_knn', id, page FROM "mix/user_knn".item UNION ALL SELECT 'mix/bias', id, page FROM "mix/bias".item) j
WHERE j.model = p.model AND j.page = i.page GROUP BY 1 ORDER BY 1;

-- a list by its definition: places in the parts' lists from 0 to 1, times the weights
WITH list AS (
    SELECT 0.5 AS weight, * FROM "mix/item_knn".recommend('m1', 8) UNION ALL
    SELECT 0.25, * FROM "mix/user_knn".recommend('m1', 8) UNION ALL
    SELECT 0.25, * FROM "mix/bias".recommend('m1', 8)),
place AS (
    SELECT source, weight, page, (score - min(score) OVER w) / (max(score) OVER w - min(score) OVER w) AS place
    FROM list WHERE source <> 'popular' WINDOW w AS (PARTITION BY source)),
blend AS (
    SELECT page, sum(weight * place) AS score, count(*) AS support FROM place GROUP BY 1)
SELECT r.rank, r.page, r.score, r.source, r.support, abs(r.score - b.score) < 1e-12 AND r.support = b.support AS as_defined,
    r.rank = row_number() OVER (ORDER BY b.score DESC NULLS LAST, i.id) AS in_order
FROM mix.recommend('m1', 100) r LEFT JOIN blend b USING (page) JOIN mix.item i USING (page) ORDER BY r.rank;
SELECT * FROM mix.recommend('m1', 3, min_support => 3);
SELECT count(*), count(*) FILTER (WHERE source = 'hybrid') AS own FROM mix.recommend('nobody', 5);
SELECT count(*) FROM mix.recommend('m1', 0);
SELECT count(*) FROM mix.recommend(NULL, 3);
SELECT bool_or(v.page IS NOT NULL) AS some_seen FROM mix.recommend('m1', 10, false) r LEFT JOIN visit v ON v.member = 'm1' AND v.page = r.page;

-- parts of the score add up, of seen items too
SELECT * FROM mix.explain('m1', (SELECT page FROM mix.recommend('m1', 1)));
SELECT count(*), count(*) FILTER (WHERE abs(e.sum - r.score) > 1e-12) AS differ
FROM mix.recommend('m1', 8) r CROSS JOIN LATERAL (SELECT sum(contribution) FROM mix.explain('m1', r.page)) e WHERE r.source = 'hybrid';
SELECT count(*), count(*) FILTER (WHERE abs(e.sum - r.score) > 1e-12) AS differ
FROM mix.recommend('m1', 8, false) r JOIN visit v ON (v.member, v.page) = ('m1', r.page) CROSS JOIN LATERAL (SELECT sum(contribution) FROM mix.explain('m1', r.page)) e;
SELECT * FROM mix.explain('nobody', 'p1');
SELECT * FROM mix.explain('m1', 'nothing');

-- predictions: the mean and weighted differences from it, within the range of ratings
SELECT p.n, p.page, p.prediction, p.source, p.support, abs(p.prediction - (0.5 * a.prediction + 0.25 * b.prediction + 0.25 * c.prediction)) < 1e-12 AS as_defined
FROM mix.predictions('m1', ARRAY['p1', 'p20', 'p1', 'nothing', NULL]) p
    JOIN "mix/item_knn".predictions('m1', ARRAY['p1', 'p20', 'p1', 'nothing', NULL]) a USING (n)
    JOIN "mix/user_knn".predictions('m1', ARRAY['p1', 'p20', 'p1', 'nothing', NULL]) b USING (n)
    JOIN "mix/bias".predictions('m1', ARRAY['p1', 'p20', 'p1', 'nothing', NULL]) c USING (n) ORDER BY n;
SELECT * FROM mix.prediction('nobody', 'nothing');
SELECT n, sse, rmse, coverage FROM mix.evaluation;
SELECT count(*) AS differ FROM mix.similar_items('p1') a FULL JOIN "mix/item_knn".similar_items('p1') b USING (rank, page, similarity) WHERE a IS NULL OR b IS NULL;
SELECT count(*) AS differ FROM mix.similar_users('m1') a FULL JOIN "mix/item_knn".similar_users('m1') b USING (rank, member, similarity) WHERE a IS NULL OR b IS NULL;

-- parts are fitted, kept, brought back and forgotten with the whole
INSERT INTO visit SELECT 'new', 'p' || i, 5 FROM generate_series(20, 30) i;
CALL refit('mix');
SELECT name, version, rating_count, item_count FROM model ORDER BY name;
SELECT v.version, v.kept, v.n, v.rmse, p.rmse AS part_rmse FROM mix.version v JOIN "mix/bias".version p USING (version, rating_count, kept, n) ORDER BY 1;
CALL rollback('mix');
SELECT name, version, rating_count, item_count FROM model ORDER BY name;
SELECT (SELECT count(*) FROM mix.item) AS whole, (SELECT count(*) FROM "mix/user_knn".item) AS part, (SELECT count(*) FROM mix.part) AS parts;
CALL refresh('mix');
SELECT name, version, rating_count, item_count FROM model ORDER BY name;
SELECT version, rating_count FROM "mix/user_knn".version WHERE replaced_at IS NULL;
SELECT mix.forget_user('m3');
SELECT (SELECT count(*) FROM "mix/user_knn".user_neighbor WHERE member = 'm3') AS now, (SELECT count(*) FROM "mix/user_knn".former_user_neighbor WHERE member = 'm3') AS former;
CALL materialize('mix', 2);
SELECT count(*) = 2 * count(DISTINCT member) AS all_listed FROM mix.recommended;

-- a part is not changed by itself
CALL refit('mix/bias');
CALL refresh('mix/bias');
CALL rollback('mix/bias');
SELECT drop_model('mix/bias');
SELECT drop_model('mix/bias', "cascade" => true);
-- nor can a row of others make it one
CREATE ROLE socrec_rival;
GRANT CREATE ON DATABASE contrib_regression TO socrec_rival;
SET ROLE socrec_rival;
CREATE SCHEMA sun;
CREATE SCHEMA "sun/rise";
INSERT INTO model SELECT 'sun', 's', 'u', 'i', 'r', 'hybrid', '{"parts": [{"label": "rise"}, 5, {}]}', now(), NULL, NULL, NULL, NULL, NULL, 1;
RESET ROLE;
ALTER SCHEMA "sun/rise" OWNER TO CURRENT_USER;
SELECT refuse_part('sun/rise');
ALTER SCHEMA "sun/rise" OWNER TO socrec_rival;
SELECT refuse_part('sun/rise');
UPDATE model SET options = '{"parts": 5}' WHERE name = 'sun';
SELECT refuse_part('sun/rise');
DELETE FROM model WHERE name = 'sun';
DROP SCHEMA sun, "sun/rise";
DROP OWNED BY socrec_rival;
DROP ROLE socrec_rival;
-- what others have built stops the drop
CREATE VIEW on_part AS TABLE "mix/bias".fit;
SELECT drop_model('mix');
SELECT count(*) FROM model;
SELECT drop_model('mix', "cascade" => true);
SELECT (SELECT count(*) FROM model) AS models, count(*) AS schemas FROM pg_namespace WHERE nspname LIKE 'mix%';

-- what DROP SCHEMA leaves behind goes with drop_model
SELECT name FROM create_model('mix', 'visit', 'member', 'page', 'stars', 'hybrid', '{"parts": [{"method": "popular", "weight": 1}, {"method": "baseline", "weight": 1}]}');
DROP SCHEMA mix CASCADE;
SELECT drop_model('mix');
SELECT (SELECT count(*) FROM model) AS models, count(*) AS schemas FROM pg_namespace WHERE nspname LIKE 'mix%';

-- changes are logged for the whole
SELECT name FROM create_model('mix', 'visit', 'member', 'page', 'stars', 'hybrid',
    '{"track_changes": true, "holdout": 0, "parts": [{"method": "item_knn", "weight": 1}, {"method": "popular", "weight": 0}]}');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'visit'::regclass AND NOT tgisinternal;
INSERT INTO visit VALUES ('newer', 'p1', 4), ('newer', 'p31', 4);
SELECT count(*) FROM mix.change;
CALL refresh('mix');
SELECT (SELECT count(*) FROM mix.change) AS logged, (SELECT count(*) FROM mix.item WHERE page = 'p31') AS whole, (SELECT count(*) FROM "mix/item_knn".item WHERE page = 'p31') AS part;
-- a part without weight says nothing
SELECT DISTINCT source, support FROM mix.recommend('m1', 100) WHERE source = 'hybrid';
SELECT drop_model('mix');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'visit'::regclass AND NOT tgisinternal;

-- weights that are fitted: by hand, from what the parts, fitted to the training side,
-- predict for the validation side; a part that repeats another has the same weight
SELECT name FROM create_model('mix', 'visit', 'member', 'page', 'stars', 'hybrid',
    '{"holdout": 0, "seed": 4, "parts": ["item_knn", {"method": "baseline", "options": {"item_regularization": 1}}, {"method": "item_knn", "label": "again"}, "ials"]}');
CREATE VIEW side AS SELECT v.*, hashint8extended(hash_record_extended(ROW(member, page), 0), 4 + 1) & 1073741823 < round(0.2 * 1073741824) AS validation FROM visit v;
CREATE TABLE validation AS
SELECT v.stars - m.mean AS y, a.prediction - m.mean AS x1, b.prediction - m.mean AS x2
FROM (SELECT avg(stars) AS mean FROM side WHERE NOT validation) m, side v
    JOIN batch_predict('SELECT member, page, stars FROM side WHERE NOT validation', 'SELECT member, page FROM side WHERE validation', ''::text, ''::text, 'item_knn') a
        ON (v.member, v.page) = (a.user_id, a.item_id)
    JOIN batch_predict('SELECT member, page, stars FROM side WHERE NOT validation', 'SELECT member, page FROM side WHERE validation', ''::text, ''::text, 'baseline', '{"item_regularization": 1}') b USING (user_id, item_id)
WHERE EXISTS (SELECT FROM side s WHERE s.member = v.member AND NOT s.validation) AND EXISTS (SELECT FROM side s WHERE s.page = v.page AND NOT s.validation);
-- the sum of squares and of the prior of ten ratings, at the weights and close to them; ials predicts no ratings
WITH size AS (SELECT 10 * (2 * sum(x1 * x1) + sum(x2 * x2)) / count(*) / 3 AS prior FROM validation),
near AS (
    SELECT d1, d2, (SELECT sum((y - w.w1 * x1 - w.w2 * x2 - w.w3 * x1) ^ 2) FROM validation)
        + prior * ((w.w1 - 1 / 3.0) ^ 2 + (w.w2 - 1 / 3.0) ^ 2 + (w.w3 - 1 / 3.0) ^ 2) AS loss
    FROM size, generate_series(-1, 1) d1, generate_series(-1, 1) d2, LATERAL (
        SELECT sum(prediction_weight) FILTER (WHERE number = 1) + d1 * 1e-3 AS w1, sum(prediction_weight) FILTER (WHERE number = 2) + d2 * 1e-3 AS w2,
            sum(prediction_weight) FILTER (WHERE number = 3) AS w3 FROM mix.part) w)
SELECT count(*), (SELECT d1 = 0 AND d2 = 0 FROM near ORDER BY loss LIMIT 1) AS is_minimum FROM near;
SELECT abs(sum(rank_weight) - 1) < 1e-12 AS shares, min(prediction_weight) FILTER (WHERE label = 'ials') AS not_ratings,
    count(*) FILTER (WHERE rank_weight < 0 OR prediction_weight < 0) AS negative,
    max(prediction_weight) FILTER (WHERE method = 'item_knn') - min(prediction_weight) FILTER (WHERE method = 'item_knn') < 1e-9 AS same_prediction,
    max(rank_weight) FILTER (WHERE method = 'item_knn') - min(rank_weight) FILTER (WHERE method = 'item_knn') < 1e-6 AS same_rank FROM mix.part;
-- the same by a refit, in a batch, and with another order of parts
CREATE TABLE weights AS TABLE mix.part;
CALL refit('mix');
SELECT count(*) AS differ FROM (TABLE weights EXCEPT TABLE mix.part) d;
SELECT count(*) AS differ FROM mix.recommend_all(5) a FULL JOIN (
    SELECT b.* FROM model m, batch_recommend('SELECT member, page, stars FROM visit', ''::text, ''::text, 'hybrid', m.options, 5) b WHERE m.name = 'mix') b
    ON (a.member, a.rank, a.page) = (b.user_id, b.rank, b.item_id) AND abs(a.score - b.score) < 1e-6 WHERE a IS NULL OR b IS NULL;
SELECT round(max(abs(w.rank_weight - h.rank_weight))::numeric, 6) AS ranks, round(max(abs(w.prediction_weight - h.prediction_weight))::numeric, 9) AS predictions
FROM weights w, hybrid_weights('SELECT member, page, stars FROM visit', model_options('hybrid',
    '{"seed": 4, "parts": ["ials", {"method": "item_knn", "label": "again"}, {"method": "baseline", "options": {"item_regularization": 1}}, "item_knn"]}', true)) h
WHERE h.part = 5 - w.number;
SELECT drop_model('mix');
-- defaults, and where ratings tell nothing: the same weights
SELECT p ->> 'method' AS method, explicit FROM (VALUES (true), (false)) e(explicit), jsonb_array_elements(model_options('hybrid', '{}', explicit) -> 'parts') p;
SELECT * FROM hybrid_weights('SELECT 1, 2, 3 WHERE false', model_options('hybrid', '{}', true));
SELECT * FROM hybrid_weights('SELECT 1, 2, 3', model_options('hybrid', '{}', true));
SELECT * FROM hybrid_weights('SELECT 1, i FROM generate_series(1, 30) i', model_options('hybrid', '{}', false));
SELECT * FROM hybrid_weights('SELECT u, i, 3 FROM generate_series(1, 20) u, generate_series(1, 20) i', model_options('hybrid', '{}', true));
SELECT sum(rank_weight), min(prediction_weight - rank_weight), max(prediction_weight - rank_weight)
FROM hybrid_weights('SELECT member, page FROM visit', model_options('hybrid', '{}', false));

-- fitted apart, parts may have other items: these are found by their keys, in C and in SQL
SELECT name FROM create_model('mix', 'visit', 'member', 'page', 'stars', 'hybrid', '{"holdout": 0, "depth": 9, "parts": [{"method": "item_knn", "weight": 2}, {"method": "user_knn", "weight": 1}, {"method": "slim", "weight": 1}, {"method": "ials", "weight": 1}]}');
DELETE FROM visit WHERE page = 'p2';
INSERT INTO visit SELECT 'm' || u, 'p2' || u % 3, 4 FROM generate_series(1, 40) u ON CONFLICT DO NOTHING;
SELECT count(fit_model(m)) FROM model m WHERE name IN ('mix/user_knn', 'mix/ials');
SELECT (SELECT count(*) FROM mix.item) AS whole, (SELECT count(*) FROM "mix/user_knn".item) AS part, (SELECT count(*) FROM mix.item a JOIN "mix/ials".item b USING (page) WHERE a.id <> b.id) AS renumbered;
SELECT count(*), count(*) FILTER (WHERE a IS NULL OR b IS NULL) AS differ
FROM (SELECT v.member, r.* FROM (SELECT DISTINCT member FROM visit) v, mix.recommend(v.member, 30) r) a
    FULL JOIN mix.recommend_all(30) b ON (a.member, a.page, a.source) = (b.member, b.page, b.source) AND abs(a.score - b.score) < 1e-6;
SELECT count(*), count(*) FILTER (WHERE (abs(a.prediction - b.prediction) < 1e-6 AND a.source = b.source AND a.support = b.support) IS NOT TRUE) AS differ
FROM (SELECT v.member, p.* FROM (SELECT DISTINCT member FROM visit) v, mix.predictions(v.member, ARRAY['p1', 'p2', 'p3', 'p20', 'p21']) p) a
    FULL JOIN (SELECT p.* FROM model m, fit_and_predict('SELECT member, page, rating FROM mix.rating',
        'SELECT member, page FROM (SELECT DISTINCT member FROM visit) v, unnest(ARRAY[''p1'', ''p2'', ''p3'', ''p20'', ''p21'']) page', ''::text, ''::text, m.method, m.options, stored_queries(m)) p WHERE m.name = 'mix') b
    ON (a.member, a.page) = (b.user_id, b.item_id);
SELECT drop_model('mix');

-- implicit feedback, and names of any kind
CREATE SCHEMA "My %s $1 Shop";
CREATE TABLE "My %s $1 Shop"."it's" ("The %1$I user" integer, "it""em" uuid, PRIMARY KEY ("The %1$I user", "it""em"));
INSERT INTO "My %s $1 Shop"."it's" SELECT substr(member, 2)::integer, md5(page)::uuid FROM visit WHERE member ~ '^m\d+$';
SELECT name FROM create_model('it''s a "%I" $1', '"My %s $1 Shop"."it''s"', 'The %1$I user', 'it"em', NULL, 'hybrid',
    '{"holdout": 0.2, "keep_models": 1, "parts": [{"method": "user_knn", "weight": 3, "label": "$1 %s \"''"}, {"method": "user_knn", "label": "%", "options": {"k": 3}, "weight": 1}]}');
SELECT model, label FROM "it's a ""%I"" $1".part ORDER BY number;
CALL refit('it''s a "%I" $1');
CALL rollback('it''s a "%I" $1');
SELECT r.rank, r.score, r.source, r.support FROM "it's a ""%I"" $1".recommend(1, 2) r;
SELECT e.reason, e.contribution FROM "it's a ""%I"" $1".explain(1, (SELECT r."it""em" FROM "it's a ""%I"" $1".recommend(1, 1) r)) e;
SELECT p.prediction BETWEEN 0 AND 1 AS share, p.source, p.support FROM "it's a ""%I"" $1".prediction(1, md5('p1')::uuid) p;
SELECT p.* FROM "it's a ""%I"" $1".prediction(1, md5('nothing')::uuid) p;
SELECT "it's a ""%I"" $1".forget_user(1);
SELECT count(*) FROM "it's a ""%I"" $1".recommend_all(1);
SELECT drop_model('it''s a "%I" $1');
SELECT count(*) FROM model;

-- few or no ratings
CREATE TABLE little (member text, page text, stars double precision);
SELECT rating_count FROM create_model('mix', 'little', 'member', 'page', 'stars', 'hybrid', '{"parts": [{"method": "item_knn", "weight": 1}, {"method": "baseline", "weight": 1}]}');
SELECT * FROM mix.recommend('a');
SELECT * FROM mix.prediction('a', 'x');
SELECT count(*) FROM mix.recommend_all();
INSERT INTO little VALUES ('a', 'x', 3);
CALL refit('mix');
SELECT * FROM mix.recommend('b');
SELECT * FROM mix.prediction('a', 'x');
SELECT drop_model('mix');

-- rights: USAGE on the hybrid is enough for its functions; work for all needs that on the parts
SELECT name FROM create_model('mix', 'visit', 'member', 'page', 'stars', 'hybrid', '{"parts": [{"method": "item_knn", "weight": 1}, {"method": "user_knn", "weight": 1}]}');
CREATE ROLE socrec_blender;
GRANT USAGE ON SCHEMA mix TO socrec_blender;
GRANT SELECT ON visit TO socrec_blender;
SET ROLE socrec_blender;
SELECT count(*) FROM mix.recommend('m1', 3);
SELECT count(*) FROM mix.explain('m1', 'p1');
SELECT mix.predict('m1', 'p1') IS NOT NULL AS predicted;
SELECT count(*) FROM mix.evaluation;
SELECT count(*) FROM mix.recommendations WHERE member = 'm1';
SELECT count(*) FROM mix.recommend_all(1);
CALL refit('mix');
SELECT drop_model('mix');
SELECT mix.forget_user('m1');
RESET ROLE;
SELECT format('GRANT USAGE ON SCHEMA %I TO socrec_blender', model) FROM mix.part \gexec
SET ROLE socrec_blender;
SELECT count(*) > 0 AS listed FROM mix.recommend_all(1);
RESET ROLE;
DROP OWNED BY socrec_blender;
DROP ROLE socrec_blender;
SELECT drop_model('mix');

-- what must fail
SELECT model_options('hybrid', '{"parts": ["item_knn"]}', true);
SELECT model_options('hybrid', '{"parts": []}', true);
SELECT model_options('hybrid', '{"parts": "item_knn"}', true);
SELECT model_options('hybrid', jsonb_build_object('parts', (SELECT jsonb_agg('item_knn'::text) FROM generate_series(1, 17))), true);
SELECT model_options('hybrid', '{"parts": ["item_knn", "user_knn"], "depth": 0}', true);
SELECT model_options('hybrid', '{"parts": ["item_knn", "user_knn"], "depth": 1e9}', true);
SELECT model_options('hybrid', '{"parts": ["item_knn", "user_knn"], "k": 5}', true);
SELECT model_options('hybrid', '{"parts": ["item_knn", "item_knn"]}', true);
\set VERBOSITY terse
SELECT model_options('hybrid', '{"parts": ["item_knn", "wizard"]}', true);
\set VERBOSITY default
SELECT model_options('hybrid', '{"parts": ["item_knn", "baseline"]}', false);
SELECT model_options('hybrid', '{"parts": ["item_knn", {"method": "hybrid"}]}', true);
SELECT model_options('hybrid', '{"parts": ["item_knn", {"method": "user_knn", "weight": 1}]}', true);
SELECT model_options('hybrid', '{"parts": [{"method": "item_knn", "weight": 1}, {"method": "user_knn", "weight": -1}]}', true);
SELECT model_options('hybrid', '{"parts": [{"method": "item_knn", "weight": 0}, {"method": "user_knn", "weight": 0}]}', true);
SELECT model_options('hybrid', '{"parts": ["item_knn", {"method": "user_knn", "weight": "1"}]}', true);
SELECT model_options('hybrid', '{"parts": ["item_knn", {"method": "user_knn", "color": 1}]}', true);
SELECT model_options('hybrid', '{"parts": ["item_knn", {"label": "x"}]}', true);
SELECT model_options('hybrid', '{"parts": ["item_knn", {"method": "user_knn", "label": ""}]}', true);
SELECT model_options('hybrid', '{"parts": ["item_knn", 7]}', true);
SELECT model_options('hybrid', '{"parts": ["item_knn", null]}', true);
SELECT model_options('hybrid', '{"parts": ["item_knn", {"method": "user_knn", "options": {"holdout": 0.5}}]}', true);
SELECT model_options('hybrid', '{"parts": ["item_knn", {"method": "user_knn", "options": {"neighbors": 5}}]}', true);
SELECT create_model(repeat('x', 60), 'visit', 'member', 'page', 'stars', 'hybrid', '{"parts": [{"method": "item_knn", "weight": 1}, {"method": "baseline", "weight": 1}]}');
CREATE SCHEMA "mix/baseline";
SELECT create_model('mix', 'visit', 'member', 'page', 'stars', 'hybrid', '{"parts": [{"method": "item_knn", "weight": 1}, {"method": "baseline", "weight": 1}]}');
DROP SCHEMA "mix/baseline";
SELECT count(*) FROM model;
-- memory is refused before it is taken
SET maintenance_work_mem = '1MB';
SELECT hybrid_weights('SELECT i / 200, i % 200 FROM generate_series(1, 20000) i', model_options('hybrid', '{}', false));
RESET maintenance_work_mem;
-- by hand, with options that SQL would have refused
SELECT hybrid_weights('TABLE visit', '{}');
SELECT hybrid_weights('TABLE visit', '{"depth": 5, "parts": [{"method": "popular", "options": {}}]}');
SELECT hybrid_weights('TABLE visit', '{"depth": 5, "parts": {}}');
SELECT hybrid_weights('TABLE visit', '{"depth": 5, "parts": []}');
SELECT hybrid_weights('TABLE visit', '{"depth": 5, "parts": [1]}');
SELECT hybrid_weights('TABLE visit', '{"depth": 5, "parts": [{"method": "hybrid", "options": {}}]}');
SELECT hybrid_weights('TABLE visit', '{"depth": 0, "parts": [{"method": "popular", "options": {}, "weight": 1}]}');
SELECT hybrid_weights('TABLE visit', '{"depth": 5, "parts": [{"method": "popular", "options": {}, "weight": -1}]}');
SELECT hybrid_weights('TABLE visit', '{"depth": 5, "parts": [{"method": "popular", "options": {}, "weight": 0}]}');

DROP SCHEMA "My %s $1 Shop" CASCADE;
DROP TABLE visit, little, validation, weights CASCADE;
