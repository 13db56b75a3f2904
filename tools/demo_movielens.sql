-- The story that make demo DATA=FOLDER prints, on a MovieLens data set loaded
-- into the tables movies and ratings.  What a user would type is shown as it runs.

\set ON_ERROR_STOP 1
\pset footer off
SET client_min_messages = warning;

\echo
\echo '=== Films and their ratings ================================================'
\echo
SELECT (SELECT count(*) FROM ratings) AS ratings, count(*) AS movies,
    (SELECT count(DISTINCT user_id) FROM ratings) AS users
FROM movies;

\echo '=== One statement makes a recommender ======================================'
\echo
\set ECHO queries
CREATE EXTENSION socrec;

SELECT name, method, rating_count, user_count, item_count, fit_duration
FROM socrec.create_model('films', source => 'ratings', item_column => 'movie_id');
\set ECHO none

-- Somebody with neither few ratings nor many.
SELECT user_id AS person
FROM (SELECT user_id, count(*) AS n FROM ratings GROUP BY user_id) u
ORDER BY abs(n - 100), user_id
LIMIT 1 \gset

\echo '=== The favorites of one of the users ======================================'
\echo
\set ECHO queries
SELECT r.rating, m.title, m.genres
FROM ratings r JOIN movies m USING (movie_id)
WHERE r.user_id = :person
ORDER BY r.rating DESC, m.title
LIMIT 8;
\set ECHO none

\echo '=== What to watch next ====================================================='
\echo
\set ECHO queries
SELECT r.rank, m.title, m.genres, round(r.score::numeric, 2) AS score, r.source, r.support
FROM films.recommend(:person, 10) r JOIN movies m USING (movie_id)
ORDER BY r.rank;
\set ECHO none
\echo '"support" counts those of the user''s ratings that spoke for the film.'
\echo
\echo '=== Why the first of them =================================================='
\echo
SELECT movie_id AS first FROM films.recommend(:person, 1) \gset
\set ECHO queries
SELECT m.title AS because_of, e.rating, round(e.similarity::numeric, 3) AS similarity,
    round(e.contribution::numeric, 2) AS contribution
FROM films.explain(:person, :first) e JOIN movies m USING (movie_id)
ORDER BY e.contribution DESC
LIMIT 5;
\set ECHO none

\echo '=== Films like the best known one =========================================='
\echo
SELECT movie_id AS known FROM films.item ORDER BY rating_count DESC, id LIMIT 1 \gset
SELECT title AS known_title FROM movies WHERE movie_id = :known \gset
\echo :known_title
\echo
\set ECHO queries
SELECT s.rank, m.title, round(s.similarity::numeric, 2) AS similarity
FROM films.similar_items(:known, 6) s JOIN movies m USING (movie_id)
ORDER BY s.rank;
\set ECHO none

\echo '=== Somebody new arrives ==================================================='
\echo
\echo 'With five stars for the three best known science fiction films. Nothing is'
\echo 'refitted; the next query knows.'
\echo
\set ECHO queries
INSERT INTO ratings (user_id, movie_id, rating)
    SELECT -1, i.movie_id, 5
    FROM films.item i JOIN movies m USING (movie_id)
    WHERE m.genres LIKE '%Sci-Fi%'
    ORDER BY i.rating_count DESC, i.id
    LIMIT 3
RETURNING (SELECT title FROM movies m WHERE m.movie_id = ratings.movie_id);

SELECT r.rank, m.title, m.genres, r.support
FROM films.recommend(-1, 6) r JOIN movies m USING (movie_id)
ORDER BY r.rank;
\set ECHO none
\echo '=== What there is =========================================================='
\echo
\set ECHO queries
SELECT name, method, rating_count, round(staleness::numeric, 6) AS staleness, pg_size_pretty(size_bytes) AS size
FROM socrec.models;
\set ECHO none
\echo '=== Which method suits these ratings? ======================================'
\echo
\echo 'A fifth of the ratings is set apart; every method learns from the others, makes'
\echo 'a list of ten films for each user and predicts what was set apart. NDCG tells'
\echo 'how good the lists are, RMSE how far off the predictions.'
\echo
\set ECHO queries
SELECT metric, label, round(value::numeric, 3) AS value, round(low::numeric, 3) AS low, round(high::numeric, 3) AS high,
    socrec.bar(value, max(value) OVER (PARTITION BY metric), 30) AS " "
FROM socrec.evaluate(model => 'films', methods => '["user_knn"]', split => 'random', options => '{"folds": 1, "cutoffs": [10]}')
WHERE metric IN ('ndcg', 'rmse') AND segment = 'all' AND fold IS NULL
ORDER BY metric, CASE metric WHEN 'ndcg' THEN -value ELSE value END, label;
\set ECHO none
\echo '=== How far off are the predictions of the model in service? ==============='
\echo
\echo 'A tenth of the ratings, 10,000 at most, was held out when the model was made.'
\echo 'M is the sum of (actual - predicted) squared over them; smaller is better.'
\echo
\set ECHO queries
SELECT n AS held_out, round(sse) AS "M", round(rmse::numeric, 3) AS rmse, round(mae::numeric, 3) AS mae,
    round(100 * coverage) AS "covered, %"
FROM films.evaluation;
\set ECHO none
