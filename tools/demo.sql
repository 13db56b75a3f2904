-- The story that make demo prints, on the tables of social_network.sql.  What a
-- user would type is shown as it runs.

\set ON_ERROR_STOP 1
\pset footer off
SET client_min_messages = warning;

\echo
\echo '=== A social network ======================================================'
\echo
\echo 'All of it is synthetic, made up by tools/social_network.sql, which planted'
\echo 'two interests in each person for the recommendations to find.'
\echo
SELECT (SELECT count(*) FROM users) AS people, (SELECT count(*) FROM posts) AS posts,
    (SELECT count(DISTINCT topic) FROM posts) AS topics, (SELECT count(*) FROM visits) AS visits,
    (SELECT count(*) FROM likes) AS likes, (SELECT count(*) FROM shares) AS shares;
\echo '=== From raw events to ratings ============================================='
\echo
\echo 'Visits, likes and shares are three event logs. Together they make one rating for'
\echo 'each person and post: the strongest thing that the person did with it, of those'
\echo 'with ten posts or more. The report says what became of every event:'
\echo 'read = dropped + merged + rating.'
\echo
\set ECHO queries
CREATE EXTENSION socrec;

SELECT effect, reason, rows, round((100 * share)::numeric, 1) AS "%"
FROM socrec.create_ratings('actions',
    source => $$
        SELECT user_id, post_id, 'visit' AS action, visited_at AS happened_at FROM visits
        UNION ALL SELECT user_id, post_id, 'like', liked_at FROM likes
        UNION ALL SELECT user_id, post_id, 'share', shared_at FROM shares$$,
    item_column => 'post_id', kind_column => 'action', time_column => 'happened_at',
    weights => '{"visit": 1, "like": 3, "share": 4}',
    options => '{"combine": "max", "min_user_ratings": 10, "min_item_ratings": 10}');

SELECT * FROM actions.rating WHERE user_id = 42 ORDER BY rating DESC, last_at LIMIT 5;
\set ECHO none
\echo '=== What they look like ===================================================='
\echo
\set ECHO queries
SELECT section, metric, round(value::numeric, 3) AS value
FROM socrec.describe_ratings('actions.rating', item_column => 'post_id', time_column => 'last_at')
WHERE section = 'table' AND metric IN ('ratings', 'users', 'items', 'density') OR section = 'popularity' AND metric !~ 'power'
    OR metric ~ 'median' AND section ~ 'ratings per' OR metric ~ 'support >= 5$' AND metric ~ 'share';

SELECT format('%s to %s', low, high) AS posts, count AS people, socrec.bar(count, max(count) OVER (), 40) AS " "
FROM socrec.histogram('SELECT count(*) AS n FROM actions.rating GROUP BY user_id', 'n', 12);
\set ECHO none
\echo '=== Who they are ==========================================================='
\echo
\echo 'One row for each person: how much, when, and with what taste.'
\echo
\set ECHO queries
SELECT name, refreshed_at IS NOT NULL AS stored
FROM socrec.create_profiles('people', source => 'actions.event', item_column => 'post_id',
    value_column => 'weight', time_column => 'at', categories => 'posts', category_column => 'topic',
    attributes => 'SELECT user_id, name FROM users', options => '{"as_of": "2024-06-01", "half_life": "60 days"}');

\x
SELECT user_id, name, events, items, round(recency_days::numeric, 1) AS recency_days, sessions, active_days, peak_hour,
    round(harshness::numeric, 2) AS harshness, round(entropy::numeric, 2) AS entropy, segment, top_interests
FROM people.user_profile WHERE user_id = 42;
\x
SELECT topic, round(weight::numeric, 2) AS weight, socrec.bar(weight, 1, 40) AS " "
FROM people.user_interest WHERE user_id = 42 ORDER BY rank;

SELECT segment, count(*) AS people, socrec.bar(count(*), max(count(*)) OVER (), 40) AS " "
FROM people.user_profile GROUP BY segment ORDER BY 2 DESC;

SELECT segment_id, users, words FROM socrec.segment_users('people', k => 4) ORDER BY segment_id;

SELECT l.rank, l.user_id, round(l.score::numeric, 2) AS score, l.support, p.top_interests
FROM socrec.lookalikes('people', seed_users => ARRAY[42, 43], n => 3) l JOIN people.user_profile p USING (user_id)
ORDER BY l.rank;
\set ECHO none

\echo 'Nothing but plain SQL is needed where more is known. The view "engagement" also'
\echo 'knows who read to the end: 1 opened, 2 read, 3 liked, 4 shared, 5 liked and'
\echo 'shared. No topics, no titles, no interests: this is all that the model will be'
\echo 'given.'
\echo
\echo '=== One statement makes a recommender ======================================'
\echo
\set ECHO queries
SELECT name, method, rating_count, user_count, item_count, fit_duration
FROM socrec.create_model('feed', source => 'engagement',
    user_column => 'user_id', item_column => 'post_id', rating_column => 'rating');
\set ECHO none

\echo '=== What Petra, user 42, did so far ========================================'
\echo
SELECT e.rating, p.topic, p.title
FROM engagement e JOIN posts p USING (post_id)
WHERE e.user_id = 42
ORDER BY e.rating DESC, p.title;

\echo '=== What she might like next ==============================================='
\echo
\set ECHO queries
SELECT r.rank, p.topic, p.title, round(r.score::numeric, 2) AS score, r.source, r.support
FROM feed.recommend(42, 8) r JOIN posts p USING (post_id)
ORDER BY r.rank;
\set ECHO none
\echo '"support" counts those of her ratings that spoke for the post.'
\echo
\echo '=== Why the first of them =================================================='
\echo
SELECT post_id AS first FROM feed.recommend(42, 1) \gset
\set ECHO queries
SELECT p.title AS because_of, e.rating, round(e.similarity::numeric, 3) AS similarity,
    round(e.contribution::numeric, 2) AS contribution
FROM feed.explain(42, :first) e JOIN posts p USING (post_id)
ORDER BY e.contribution DESC
LIMIT 5;
\set ECHO none

\echo '=== Who is like her, and what is like that post ============================'
\echo
\set ECHO queries
SELECT s.rank, u.name, round(s.similarity::numeric, 2) AS similarity
FROM feed.similar_users(42, 3) s JOIN users u USING (user_id)
ORDER BY s.rank;

SELECT s.rank, p.topic, p.title, round(s.similarity::numeric, 2) AS similarity
FROM feed.similar_items(:first, 3) s JOIN posts p USING (post_id)
ORDER BY s.rank;
\set ECHO none

\echo '=== Did it find what was planted? =========================================='
\echo
\echo 'Topics of the ten best posts for each of the 2,000 people, against the person''s'
\echo 'interests, which no model has seen:'
\echo
WITH recommended AS (
    SELECT 1 AS n, 'recommended by feed' AS posts, user_id, post_id FROM feed.recommendations
    UNION ALL
    SELECT 2, 'the same ten for everybody', user_id, post_id FROM users
        CROSS JOIN (SELECT post_id FROM feed.item ORDER BY rating_count DESC, id LIMIT 10) popular
    UNION ALL
    SELECT 3, 'by chance', user_id, post_id FROM users CROSS JOIN posts
)
SELECT r.posts, round(100 * avg((p.topic = i.first_topic)::integer), 1) AS "first interest, %",
    round(100 * avg((p.topic IN (i.first_topic, i.second_topic))::integer), 1) AS "either interest, %"
FROM recommended r JOIN posts p USING (post_id) JOIN interest i USING (user_id)
GROUP BY r.n, r.posts
ORDER BY r.n;

\echo '=== Somebody new arrives ==================================================='
\echo
\echo 'She shares two posts. Nothing is refitted; the next query knows.'
\echo
\set ECHO queries
INSERT INTO users VALUES (2001, 'Nova', now());
INSERT INTO visits
    SELECT 2001, post_id, now(), true FROM posts
    WHERE title IN ('Tonight: Saturn', 'How to find Jupiter');
INSERT INTO shares
    SELECT user_id, post_id, now() FROM visits WHERE user_id = 2001;

SELECT r.rank, p.topic, p.title, r.source, r.support
FROM feed.recommend(2001, 5) r JOIN posts p USING (post_id)
ORDER BY r.rank;
\set ECHO none
\echo 'And when she leaves, deleting her rows is all: the model keeps nothing of her.'
\echo
\set ECHO queries
DELETE FROM visits WHERE user_id = 2001;

SELECT rank, post_id, source FROM feed.recommend(2001, 3) ORDER BY rank;
\set ECHO none

\echo '=== Which visits end in a share? ==========================================='
\echo
\echo 'A view says what was known at each visit: "taste", the share of the person''s visits'
\echo 'that went to the topic, and "appeal", how many of the post''s visitors before shared'
\echo 'it; both as logarithms. A fifth of the people is kept from the fit.'
\echo
\set ECHO queries
CREATE VIEW moment AS
SELECT v.user_id, v.post_id, v.visited_at, s.shared_at IS NOT NULL AS shared,
    ln((count(*) OVER (PARTITION BY v.user_id, p.topic ORDER BY v.visited_at) - 0.5)
        / count(*) OVER (PARTITION BY v.user_id ORDER BY v.visited_at)) AS taste,
    ln((count(s.shared_at) OVER earlier + 4) / (count(*) OVER earlier + 10.0)) AS appeal
FROM visits v JOIN posts p USING (post_id) LEFT JOIN shares s USING (user_id, post_id)
WINDOW earlier AS (PARTITION BY v.post_id ORDER BY v.visited_at GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING);

SELECT name, rating_count AS rows, fit_duration
FROM socrec.create_behavior_model('sharing', source => 'moment', target => 'shared', features => '{taste,appeal}',
    options => '{"std_errors": "cluster", "cluster": "user_id", "holdout": 0.2}');

SELECT term, round(estimate::numeric, 2) AS estimate, round(low::numeric, 2) AS low, round(high::numeric, 2) AS high, round(odds_ratio::numeric, 1) AS odds_ratio
FROM sharing.coefficient ORDER BY id;
\set ECHO none
\echo 'Are the probabilities right? Tenths of the visits of people kept from the fit: what'
\echo 'was predicted for them, and what happened. Bars should have the same length.'
\echo
\set ECHO queries
SELECT bin, n, socrec.bar(mean_probability, 1, 30) AS predicted, socrec.bar(share, 1, 30) AS happened
FROM sharing.calibration WHERE held_out ORDER BY bin;
\set ECHO none
\echo 'Whom to remind? Late visits without a share, the most probable first, and what each'
\echo 'term adds to the log-odds, against an average visit.'
\echo
\set ECHO queries
SELECT u.name, p.title, round(sharing.score(m)::numeric, 2) AS probability, r.why
FROM moment m JOIN users u USING (user_id) JOIN posts p USING (post_id),
    LATERAL (SELECT string_agg(format('%s %s', e.term, to_char((e.value - c.mean) * e.estimate, 'SG0.0')), ', ' ORDER BY c.id) AS why
        FROM sharing.explain(m) e JOIN sharing.coefficient c USING (term) WHERE e.term <> '(intercept)') r
WHERE NOT m.shared AND m.visited_at BETWEEN '2024-05-20' AND '2024-06-01'
ORDER BY probability DESC, u.name LIMIT 5;
\set ECHO none
\echo '=== For dashboards and jobs ================================================'
\echo
\echo 'Tools that read only tables and views:'
\echo
\set ECHO queries
SELECT rank, post_id, round(score::numeric, 2) AS score FROM feed.recommendations WHERE user_id = 42 AND rank <= 3;
\set ECHO none
\echo 'A nightly job, and what there is:'
\echo
\set ECHO queries
CALL socrec.refit('feed');

SELECT name, method, rating_count, staleness, pg_size_pretty(size_bytes) AS size FROM socrec.models;
\set ECHO none
\echo '=== Which method suits these ratings? ======================================'
\echo
\echo 'A fifth of the ratings is set apart; every method learns from the others, makes'
\echo 'a list of ten posts for each person and predicts what was set apart. NDCG tells'
\echo 'how good the lists are, RMSE how far off the predictions. All of it goes into'
\echo 'socrec.evaluation, a history to chart.'
\echo
\set ECHO queries
SELECT metric, label, round(value::numeric, 3) AS value, round(low::numeric, 3) AS low, round(high::numeric, 3) AS high,
    socrec.bar(value, max(value) OVER (PARTITION BY metric), 30) AS " "
FROM socrec.evaluate(model => 'feed', methods => '["user_knn"]', split => 'random', options => '{"folds": 1, "cutoffs": [10]}')
WHERE metric IN ('ndcg', 'rmse') AND segment = 'all' AND fold IS NULL
ORDER BY metric, CASE metric WHEN 'ndcg' THEN -value ELSE value END, label;
\set ECHO none
\echo 'And what of it is chance? Differences to feed, person by person:'
\echo
\set ECHO queries
SELECT metric, label, round(difference::numeric, 3) AS difference, round(low::numeric, 3) AS low,
    round(high::numeric, 3) AS high, round(t_p_value::numeric, 4) AS p, n AS people
FROM socrec.compare(models => '{feed}', methods => '["user_knn"]', split => 'random', options => '{"folds": 1, "cutoffs": [10]}')
WHERE metric IN ('ndcg', 'mse') ORDER BY metric DESC, label;
\set ECHO none
\echo '=== How far off are the predictions of the model in service? ==============='
\echo
\echo 'A tenth of the ratings was held out when the model was made. M is the sum of'
\echo '(actual - predicted) squared over them; smaller is better. The view is there as'
\echo 'long as the model, and a dashboard can read it.'
\echo
\set ECHO queries
SELECT n AS held_out, round(sse) AS "M", round(rmse::numeric, 3) AS rmse, round(mae::numeric, 3) AS mae,
    round(100 * coverage) AS "covered, %"
FROM feed.evaluation;
\set ECHO none
