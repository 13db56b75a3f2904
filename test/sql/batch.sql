-- batch: fitted in memory, every method gives what a model gives

SET search_path = public, socrec;
\set SHOW_CONTEXT never
SET client_min_messages = warning;
\getenv folder PG_ABS_SRCDIR
\set file :folder '/include/compare_methods.sql'
\set ECHO none
\i :file
\set ECHO all
SELECT count(*), count(DISTINCT member) AS members, count(DISTINCT page) AS pages FROM visit;

-- Each option with both methods and both kinds of feedback, or with every other
-- that it could meet, in few models: making one is what takes the time.
SELECT count(compare_methods(m, explicit, o::jsonb))
FROM (VALUES
    ('item_knn', true, '{}'), ('item_knn', false, '{}'), ('user_knn', true, '{}'), ('user_knn', false, '{}'),
    ('popular', true, '{}'), ('popular', false, '{}'), ('baseline', true, '{}'), ('ials', true, '{}'), ('ials', false, '{}'),
    ('ials', false, '{"factors": 5, "solver": "cholesky", "iterations": 3, "regularization_exponent": 0.5, "seed": 3}'),
    ('als', true, '{}'), ('bayes_mf', true, '{"factors": 3, "samples": 4}'), ('bpr', false, '{"factors": 6}'),
    -- the regularization of users is needed again when a user is folded in
    ('baseline', true, '{"user_regularization": 3, "item_regularization": 1, "baseline_epochs": 2}'),
    ('popular', true, '{"user_regularization": 0, "baseline_epochs": 0}'),
    ('item_knn', true, '{"center": "user", "similarity": "pearson", "k": 5}'),
    ('item_knn', true, '{"center": "item", "similarity": "euclidean", "k": 5, "normalize": true, "min_support": 2}'),
    ('item_knn', true, '{"center": "none", "similarity": "adjusted_cosine", "shrinkage": 2.5, "min_similarity": 0.1}'),
    ('item_knn', true, '{"center": "none", "similarity": "pearson", "min_similarity": -1, "shrinkage": 0}'),
    ('item_knn', false, '{"weighting": "bm25", "normalize": true, "k": 3, "seed": 5}'),
    ('item_knn', false, '{"weighting": "none", "min_support": 4, "shrinkage": 0}'),
    ('user_knn', true, '{"center": "user", "similarity": "euclidean", "k": 5, "normalize": true, "min_support": 3}'),
    ('user_knn', true, '{"center": "item", "similarity": "pearson", "k": 5, "shrinkage": 2.5}'),
    ('user_knn', true, '{"center": "baseline", "similarity": "pearson", "min_similarity": -1, "normalize": true, "user_regularization": 2}'),
    ('user_knn', true, '{"center": "none", "weighting": "tfidf", "k": 1}'),
    ('user_knn', false, '{"weighting": "bm25", "normalize": true, "min_similarity": 0.1}'),
    ('hybrid', true, '{"parts": [{"method": "item_knn", "weight": 2}, {"method": "user_knn", "weight": 1}, {"method": "baseline", "weight": 1}, {"method": "popular", "weight": 0.5}]}'),
    ('hybrid', true, '{"depth": 4, "parts": [{"method": "slim", "weight": 2, "label": "a/b"}, {"method": "item_knn", "weight": 0}, {"method": "ials", "weight": 1}, {"method": "baseline", "weight": 3}]}'),
    ('hybrid', true, '{"depth": 6, "parts": [{"method": "slope_one", "weight": 1}, {"method": "slim", "weight": 2}, {"method": "als", "options": {"factors": 3}, "weight": 1}, {"method": "bayes_mf", "options": {"factors": 3, "samples": 4}, "weight": 1}]}'),
    ('hybrid', false, '{"depth": 6, "parts": [{"method": "slim", "weight": 2}, {"method": "bpr", "options": {"factors": 6}, "weight": 1}, {"method": "ials", "weight": 1}]}'),
    ('hybrid', false, '{"depth": 3, "parts": [{"method": "user_knn", "options": {"k": 2}, "weight": 1}, {"method": "user_knn", "label": "wide", "weight": 1}, {"method": "popular", "weight": 0.5}]}'),
    ('hybrid', true, '{"parts": [{"method": "ials", "weight": 1}, {"method": "ials", "label": "small", "options": {"factors": 3}, "weight": 1}]}'),
    ('slim', true, '{"l1": 0.1, "l2": 1, "binarize": true}'), ('slim', false, '{"k": 4, "l1": 0.1, "l2": 1}'),
    ('slim', true, '{"l1": 0.1, "l2": 1, "k": 0, "epochs": 50}'),
    ('slope_one', true, '{}'), ('slope_one', true, '{"k": 5}'), ('slope_one', true, '{"k": 0, "weighted": false}'),
    ('slope_one', true, '{"k": 3, "weighted": false, "user_regularization": 0}')) c(m, explicit, o);

TABLE differences;
SELECT method, explicit, options, lists, predictions, sources FROM difference WHERE lists <> 0 OR predictions <> 0 ORDER BY 1, 2, 3;
-- every fallback is among them
SELECT DISTINCT method, explicit, sources FROM difference WHERE options = '{}' ORDER BY 1, 2;

-- By a model as it is stored, whose ratings have changed.
DELETE FROM difference;
SELECT count(compare_stored(m, explicit, o::jsonb))
FROM (VALUES
    ('item_knn', true, '{}'), ('item_knn', false, '{}'), ('user_knn', true, '{}'), ('user_knn', false, '{}'),
    ('popular', true, '{}'), ('popular', false, '{}'), ('baseline', true, '{"user_regularization": 3}'),
    ('item_knn', true, '{"center": "item", "k": 5, "normalize": true}'),
    ('user_knn', true, '{"center": "user", "similarity": "pearson", "k": 5, "min_similarity": -1, "normalize": true}'),
    ('hybrid', true, '{"parts": [{"method": "item_knn", "weight": 2}, {"method": "user_knn", "weight": 1}, {"method": "baseline", "weight": 1}, {"method": "popular", "weight": 0.5}]}'),
    ('hybrid', true, '{"depth": 4, "parts": [{"method": "slim", "weight": 2, "label": "a/b"}, {"method": "item_knn", "weight": 0}, {"method": "ials", "weight": 1}, {"method": "baseline", "weight": 3}]}'),
    ('hybrid', true, '{"depth": 6, "parts": [{"method": "slope_one", "weight": 1}, {"method": "slim", "weight": 2}, {"method": "als", "options": {"factors": 3}, "weight": 1}, {"method": "bayes_mf", "options": {"factors": 3, "samples": 4}, "weight": 1}]}'),
    ('hybrid', false, '{"depth": 6, "parts": [{"method": "slim", "weight": 2}, {"method": "bpr", "options": {"factors": 6}, "weight": 1}, {"method": "ials", "weight": 1}]}'),
    ('hybrid', false, '{"depth": 3, "parts": [{"method": "user_knn", "options": {"k": 2}, "weight": 1}, {"method": "user_knn", "label": "wide", "weight": 1}, {"method": "popular", "weight": 0.5}]}'),
    ('slim', true, '{"l1": 0.1}'),
    ('slope_one', true, '{}'), ('slope_one', true, '{"weighted": false, "k": 7}'),
    ('als', true, '{"factors": 3}'), ('bayes_mf', true, '{"factors": 3, "samples": 4}'), ('bpr', false, '{"factors": 6}')) c(m, explicit, o);
TABLE differences;

-- materialize: the same in a table, which stays the same table
SELECT rating_count FROM create_model('stored', 'visit', 'member', 'page', 'stars', options => '{"holdout": 0}');
BEGIN;
CALL materialize('stored', 3);
COMMENT ON TABLE stored.recommended IS 'mine';
SELECT count(*), count(DISTINCT member) AS members, max(rank), bool_and(version = 1 AND at = now()) FROM stored.recommended;
COMMIT;
CALL refit('stored');
BEGIN;
CALL materialize('stored');
SELECT count(*) AS differ FROM (TABLE stored.recommended) a FULL JOIN stored.recommend_all() b USING (member, page, rank, score, source)
    WHERE a.version <> 2 OR a.at <> now() OR a.version IS NULL OR b IS NULL;
ROLLBACK;
SELECT count(*), max(rank), max(version) FROM stored.recommended;
SELECT obj_description('stored.recommended'::regclass);
SELECT stored.forget_user('m7');
SELECT count(*) FROM stored.recommended WHERE member = 'm7';
SELECT has_table_privilege('pg_monitor', 'stored.recommended', 'select') AS others_read;
SELECT count(*), max(rank) FROM recommend_all('stored', NULL::text, NULL::text, 2);
SELECT count(*) FROM stored.recommend_all(0);
-- what must fail
SELECT * FROM stored.recommend_all(-1);
SELECT * FROM recommend_all('stored', 1, NULL::text);
SELECT * FROM recommend_all('stored', NULL::text, 1);
SELECT * FROM recommend_all('nowhere', 1, 1);
SELECT * FROM recommend_all(NULL, 1, 1);
CALL materialize('nowhere');
CALL materialize(NULL);
CALL materialize('stored', NULL);
CALL materialize('stored', -3);
SELECT count(*) FROM stored.recommended;
CREATE ROLE socrec_materializer;
SET ROLE socrec_materializer;
CALL materialize('stored');
SELECT * FROM stored.recommend_all();
RESET ROLE;
GRANT USAGE ON SCHEMA stored TO socrec_materializer;
GRANT SELECT ON visit TO socrec_materializer;
SET ROLE socrec_materializer;
SELECT count(*) FROM stored.recommend_all(1);
RESET ROLE;
DROP OWNED BY socrec_materializer;
DROP ROLE socrec_materializer;
-- queries of others: what is read as a model must look like one
SELECT fit_and_recommend('TABLE visit', ''::text, ''::text, 'popular', '{"user_regularization": 1}', 5, q) FROM (VALUES
    (ARRAY['SELECT 1::float8, 1::float8, 1::float8, 1::bigint, 1::bigint', 'SELECT ''p1''::text, 1, 1, 1::float8, 1::float8, 1'])) v(q);
SELECT fit_and_recommend('TABLE visit', ''::text, ''::text, 'popular', '{"user_regularization": 1}', 5, ARRAY['SELECT 1', 'SELECT 1']);
SELECT fit_and_recommend('TABLE visit', ''::text, ''::text, 'popular', '{"user_regularization": 1}', 5,
    ARRAY['SELECT 1::float8, 1::float8, 1::float8, 1::bigint, 1::bigint', 'SELECT ''p1''::text, 1, 1, 1::float8, NULL::float8']);
SELECT fit_and_recommend('TABLE visit', ''::text, ''::text, 'popular', '{"user_regularization": 1}', 5,
    ARRAY['SELECT NULL::float8, 1::float8, 1::float8, 1::bigint, NULL::bigint', 'SELECT ''p1''::text, 1, 1, 1::float8, 1::float8']);
SELECT fit_and_recommend('TABLE visit', ''::text, ''::text, 'popular', '{"user_regularization": 1}', 5, '{}');
SELECT fit_and_recommend('TABLE visit', ''::text, ''::text, 'popular', '{"user_regularization": 1}', 5, ARRAY['SELECT 1', NULL]);
SELECT fit_and_recommend('TABLE visit', ''::text, ''::text, 'user_knn', options, 5, (stored_queries(m))[1:2]) FROM model m WHERE name = 'stored';
SELECT drop_model('stored');

-- no neighbors are wanted: all is left to the fallbacks
SELECT m, (SELECT count(*) FROM batch_recommend('TABLE visit', ''::text, ''::text, m, '{"k": 0}', 100) a
        FULL JOIN batch_recommend('TABLE visit', ''::text, ''::text, 'popular', n => 100) b USING (user_id, rank, item_id, score, source)
        WHERE a IS NULL OR b IS NULL) AS lists,
    (SELECT count(*) FROM batch_predict('TABLE visit', 'TABLE pair', ''::text, ''::text, m, '{"k": 0}') a
        FULL JOIN batch_predict('TABLE visit', 'TABLE pair', ''::text, ''::text, 'baseline') b USING (user_id, item_id, prediction, source, support)
        WHERE a IS NULL OR b IS NULL) AS predictions
FROM unnest(ARRAY['item_knn', 'user_knn']) m;

-- what a list is: of every user n unseen items, by rank
SELECT count(*), count(DISTINCT user_id) AS users, max(rank), bool_and(v.page IS NULL) AS unseen
FROM batch_recommend('SELECT member, page, stars FROM visit', NULL::text, NULL::text, n => 1) b
    LEFT JOIN visit v ON v.member = b.user_id AND v.page = b.item_id;
SELECT count(*) FROM batch_recommend('TABLE visit', ''::text, ''::text, n => 0);
SELECT count(*), bool_and(user_id <> 'most') AS without_full FROM batch_recommend(
    'SELECT * FROM visit UNION ALL SELECT ''most'', ''p25'', 1', ''::text, ''::text, 'popular', n => 1);
-- keys: integers of each width, uuid, a domain; bigint ones beyond 32 bits
SELECT user_id, item_id, rank, round(score::numeric, 6) AS score, source, pg_typeof(user_id), pg_typeof(item_id)
FROM batch_recommend('SELECT u::smallint, i::bigint << 40, r FROM (VALUES (1, 10, 5), (1, 20, 4), (2, 20, 4), (2, 30, 1)) AS v(u, i, r)', 0::smallint, 0::bigint) ORDER BY 1, 3;
SELECT pg_typeof(user_id), pg_typeof(item_id), count(*)
FROM batch_recommend('SELECT md5(member)::uuid, page::varchar, stars FROM visit', NULL::uuid, NULL::varchar) GROUP BY 1, 2;
CREATE DOMAIN page_name AS text;
SELECT count(*) FROM batch_predict('SELECT member, page::page_name, stars FROM visit', 'SELECT member, page FROM visit', ''::text, ''::page_name);

-- pairs: nulls are skipped, repeated ones repeated, unknown ones predicted
SELECT user_id, item_id, prediction, source, support
FROM batch_predict('VALUES (1, 10, 5), (1, 20, 3)', 'VALUES (2, 10), (1, 30), (1, 10), (1, 10), (NULL, 10), (1, NULL), (3, 40)',
    NULL::integer, NULL::integer, 'baseline', '{"item_regularization": 0, "user_regularization": 0}');
SELECT count(*), bool_and(a.prediction = b.prediction) AS same
FROM batch_predict('TABLE visit', 'SELECT ''m7'', page FROM visit, generate_series(1, 100)', ''::text, ''::text) a
    JOIN (SELECT DISTINCT item_id, prediction FROM batch_predict('TABLE visit', 'SELECT ''m7'', page FROM visit', ''::text, ''::text)) b USING (item_id);
SELECT * FROM batch_predict('TABLE visit', 'SELECT member, page FROM visit WHERE false', ''::text, ''::text);

-- no ratings, one, and rows with nulls
SELECT m, (SELECT count(*) FROM batch_recommend('SELECT 1, 2, 3 WHERE false', 0, 0, m)) AS listed, p.*
FROM unnest(ARRAY['item_knn', 'user_knn', 'slim', 'slope_one', 'als', 'bayes_mf', 'popular', 'baseline']) m, batch_predict('SELECT 1, 2, 3 WHERE false', 'SELECT 1, 2', 0, 0, m) p;
SELECT m, p.* FROM unnest(ARRAY['item_knn', 'user_knn', 'slim', 'bpr', 'popular']) m, batch_predict('SELECT 1, 2 WHERE false', 'SELECT 1, 2', 0, 0, m) p;
SELECT m, (SELECT count(*) FROM batch_recommend('SELECT 1, 2, 3', 0, 0, m)) AS listed, p.*
FROM unnest(ARRAY['item_knn', 'user_knn', 'slim', 'slope_one', 'als', 'bayes_mf', 'popular', 'baseline']) m, batch_predict('SELECT 1, 2, 3', 'SELECT 1, 2', 0, 0, m) p;
SELECT user_id, item_id, score FROM batch_recommend('VALUES (1, 1, 1), (1, 2, 1), (2, 1, NULL), (NULL, 3, 1), (3, NULL, 1), (4, 2, 1)', 0, 0, 'popular');

-- names mean what they mean to the caller, whatever they are
CREATE SCHEMA "Robert'); DROP TABLE visit;--";
CREATE TABLE "Robert'); DROP TABLE visit;--"."%s $$ {}" AS TABLE visit;
SET search_path = "Robert'); DROP TABLE visit;--";
SELECT count(*) FROM socrec.batch_recommend('TABLE "%s $$ {}";', ''::text, ''::text, n => 2);
SELECT count(*) FROM socrec.batch_predict('TABLE "%s $$ {}"', 'SELECT member, page FROM "%s $$ {}" -- all', ''::text, ''::text);
SET search_path = public, socrec;
DROP SCHEMA "Robert'); DROP TABLE visit;--" CASCADE;

-- what must fail
SELECT * FROM batch_recommend(NULL, 0, 0);
SELECT * FROM batch_recommend('TABLE visit', ''::text, ''::text, NULL);
SELECT * FROM batch_recommend('TABLE visit', ''::text, ''::text, n => NULL);
SELECT * FROM batch_recommend('TABLE visit', ''::text, ''::text, n => -1);
SELECT * FROM batch_recommend('TABLE visit', ''::text, ''::text, n => 1000001);
SELECT * FROM batch_recommend('TABLE visit', 0, ''::text);
SELECT * FROM batch_recommend('TABLE visit', ''::text, 0);
SELECT * FROM batch_recommend('TABLE nowhere', ''::text, ''::text);
SELECT * FROM batch_recommend('DELETE FROM visit', ''::text, ''::text);
SELECT * FROM batch_recommend('TABLE visit; TABLE visit', ''::text, ''::text);
SELECT * FROM batch_recommend('SELECT member FROM visit', ''::text, ''::text);
SELECT * FROM batch_recommend('SELECT *, 1 FROM visit', ''::text, ''::text);
SELECT * FROM batch_recommend('SELECT member, page, page FROM visit', ''::text, ''::text);
SELECT * FROM batch_recommend('SELECT member, page, 1 FROM visit, generate_series(1, 2) WHERE member = ''one''', ''::text, ''::text);
SELECT * FROM batch_recommend('VALUES (1, 1, ''NaN''::real)', 0, 0);
SELECT * FROM batch_recommend('VALUES (1, 1, ''-Infinity''::float8)', 0, 0);
SELECT * FROM batch_recommend('VALUES (1, 1, -1)', 0, 0, 'item_knn', '{"center": "none", "weighting": "tfidf"}');
SELECT * FROM batch_recommend('TABLE visit', ''::text, ''::text, 'magic');
SELECT * FROM batch_recommend('SELECT member, page FROM visit', ''::text, ''::text, 'baseline');
SELECT * FROM batch_recommend('TABLE visit', ''::text, ''::text, 'item_knn', '{"kk": 5}');
SELECT * FROM batch_recommend('TABLE visit', ''::text, ''::text, 'item_knn', '{"k": -5}');
SELECT * FROM batch_recommend('TABLE visit', ''::text, ''::text, 'user_knn', '{"shrinkage": -1}');
SELECT * FROM batch_recommend('TABLE visit', ''::text, ''::text, 'user_knn', '{"weighting": "bm25"}');
SELECT * FROM batch_recommend('TABLE visit', ''::text, ''::text, 'popular', '{"user_regularization": -1}');
SELECT * FROM batch_predict('TABLE visit', NULL, ''::text, ''::text);
SELECT * FROM batch_predict('TABLE visit', 'SELECT 1', ''::text, ''::text);
SELECT * FROM batch_predict('TABLE visit', 'SELECT 1, page FROM visit', ''::text, ''::text);
SELECT * FROM batch_predict('TABLE visit', 'SELECT member, 1::numeric FROM visit', ''::text, ''::text);
-- functions that are not for users, called by one
SELECT * FROM fit_and_recommend('TABLE visit', ''::text, ''::text, 'magic', '{}', 5);
SELECT * FROM fit_and_recommend('TABLE visit', ''::text, ''::text, 'item_knn', '{}', 5);
SELECT * FROM fit_and_recommend('TABLE visit', ''::text, ''::text, 'item_knn', '[]', 5);
SELECT * FROM fit_and_recommend('TABLE visit', ''::text, ''::text, 'popular',
    '{"item_regularization": "1", "user_regularization": 1, "baseline_epochs": 1}', 5);
SELECT query_width('SELECT 1, 2'), query_width(NULL), query_width('SELECT FROM visit');
SELECT query_width('nonsense');
-- memory is asked for before it is taken
SET maintenance_work_mem = '1MB';
SELECT * FROM batch_recommend('SELECT u, i FROM generate_series(1, 500) u, generate_series(1, 100) i', 0, 0);
SET maintenance_work_mem = '4MB';
SELECT * FROM batch_predict('SELECT u, i, 1 FROM generate_series(1, 20) u, generate_series(1, 100) i',
    'SELECT 1, i % 100 FROM generate_series(1, 1000000) i', 0, 0, 'popular');
SELECT rating_count FROM create_model('stored', 'SELECT u AS user_id, i AS item_id, 1 AS rating FROM generate_series(1, 4000) u, generate_series(1, 50) i WHERE (u * i) % 7 < 3', options => '{"holdout": 0}');
SET maintenance_work_mem = '1MB';
SELECT * FROM stored.recommend_all();
RESET maintenance_work_mem;
SELECT drop_model('stored');

DROP TABLE visit, difference CASCADE;
DROP FUNCTION compare_methods, compare_stored;
DROP DOMAIN page_name;
