-- A small social network.  ALL OF IT IS SYNTHETIC: the people, the posts and
-- what they did were made up by this script and stand for nobody.
--
--   psql -f tools/social_network.sql       creates, in the current schema:
--
--   users     2,000 people
--   posts       600 posts on 8 topics
--   visits      who opened which post, and who read to its end
--   likes       who liked which post
--   shares      who shared which post
--   engagement  a view of the three: 1 opened, 2 read, 3 liked, 4 shared, 5 liked and shared
--   interest    the planted truth: the two topics that each person cares for
--
-- The structure to find: half of the visits go to a person's first topic, a fifth
-- to the second, and the others anywhere; and what a person cares for is liked
-- and shared far more often than what the person happens upon.  Within a topic a
-- few posts draw most of the visits, as a few people make most of them.  A model
-- is given engagement only: neither topics nor interests.
--
-- Deterministic: every choice is a hash of what it is about, so that the data
-- is the same on every machine and in every version of PostgreSQL.

BEGIN;

-- Uniform in [0, 1), a function of a key and of what is being decided.
CREATE FUNCTION pg_temp.chance(key bigint, decision bigint) RETURNS float8
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (hashint8extended(key, decision) & 4503599627370495) / 4503599627370496.0::float8;

CREATE TABLE users (
    user_id integer PRIMARY KEY,
    name text NOT NULL,
    joined_at timestamptz NOT NULL
);

INSERT INTO users
SELECT u.id, f.name || ' ' || l.name,
    timestamptz '2023-01-01 00:00:00+00' + interval '1 hour' * floor(pg_temp.chance(u.id, 1) * 365 * 24)
FROM generate_series(1, 2000) u(id)
    JOIN unnest(string_to_array(
        'Ada Aiko Alma Amir Anna Anton Bela Boris Carla Chen Clara Dario Diego Elena Elif Emil Esther Farid Fatou Felix '
        'Greta Hana Hugo Ida Ines Ivan Jan Jonas Kaya Lars Lea Lina Luis Mai Marek Mila Nadia Nils Noor Olga '
        'Oscar Paula Petra Quinn Rafael Rosa Samir Sofia Tariq Yuki', ' ')) WITH ORDINALITY f(name, n) ON f.n = 1 + u.id % 50
    JOIN unnest(string_to_array(
        'Abel Baker Berg Bloom Castro Costa Dahl Diaz Eriksen Fischer Fontana Garcia Haddad Hansen Ito Jansen Kaplan Keller '
        'Kim Kovacs Lang Lopez Meyer Moreau Nagy Novak Okafor Olsen Park Petrov Quist Rossi Sato Silva Tanaka Unger Vidal '
        'Weber Yilmaz Zeman', ' ')) WITH ORDINALITY l(name, n) ON l.n = 1 + u.id / 50 % 40;

CREATE TABLE posts (
    post_id integer PRIMARY KEY,
    topic text NOT NULL,
    title text NOT NULL,
    author_id integer NOT NULL REFERENCES users,
    created_at timestamptz NOT NULL
);

-- Fifteen subjects in five kinds of titles make the posts of a topic.  The
-- numbers are shuffled, so that they tell nothing of the topic.
CREATE TEMPORARY TABLE topic (topic_id integer, name text, titles text[], subjects text[]) ON COMMIT DROP;

INSERT INTO topic VALUES
(1, 'street food',
    '{"Where to find the best %s","%s like my grandmother made them","A night among the stalls selling %s","%s at home, step by step","In praise of %s"}',
    '{dumplings,tacos,falafel,arepas,noodles,pierogi,samosas,empanadas,crepes,skewers,"spring rolls",pretzels,churros,"flat breads","rice cakes"}'),
(2, 'trail running',
    '{"Sunrise run: %s","What I learned on %s","%s in the rain","A beginner''s guide to %s","Photos from %s"}',
    '{"the ridge path","the river loop","the old mule track","the lake circuit","the forest steps","the coast path","the glacier view","the pine hills","the canyon rim","the vineyard tour","the moor crossing","the waterfall climb","the shepherd''s trail","the dune run","the quarry laps"}'),
(3, 'home gardening',
    '{"When to plant %s","%s on a small balcony","My %s are finally growing","What eats my %s?","Saving the seeds of %s"}',
    '{tomatoes,radishes,beans,peppers,strawberries,lettuces,pumpkins,carrots,herbs,sunflowers,cucumbers,onions,peas,potatoes,dahlias}'),
(4, 'film photography',
    '{"First roll with %s","%s: is it worth it?","Night shots with %s","How to repair %s","A year with %s"}',
    '{"a pinhole camera","a rangefinder","a box camera","a twin lens","an old enlarger","expired film","a red filter","a light meter","a folding camera","slide film","a half-frame camera","a wide lens","a field camera","black and white film","an instant camera"}'),
(5, 'board games',
    '{"Our evening with %s","%s for two players","Rules that everybody gets wrong in %s","How to win at %s","Painting the pieces of %s"}',
    '{"the harbor game","the spice route","the dragon race","the castle builders","the word auction","the lost expedition","the bee hive","the railway game","the potion makers","the island council","the mountain relay","the museum heist","the market day","the star map","the lighthouse"}'),
(6, 'night sky',
    '{"Tonight: %s","How to find %s","%s through binoculars","Sketching %s","Why %s looks different this month"}',
    '{Saturn,Jupiter,Venus,Mars,"the Pleiades","the Orion Nebula",Andromeda,"the Ring Nebula","the Moon''s terminator","the Perseids",Mizar,"the Beehive Cluster",Betelgeuse,"the zodiacal light",Albireo}'),
(7, 'vintage synths',
    '{"%s, demonstrated","Inside %s","A bass line with %s","I sold %s and regret it","Patching %s"}',
    '{"a modular rack","a string machine","an analog sequencer","a vocoder","a drum machine","a tape echo","a ring modulator","a monophonic keyboard","a spring reverb","a filter bank","an electric piano","a sampler","a phaser","a noise box","a theremin"}'),
(8, 'knitting',
    '{"Free pattern: %s","%s in one weekend","Which wool for %s?","Unraveling %s, again","%s for beginners"}',
    '{socks,mittens,"a cardigan","a shawl","a baby blanket","a beanie","leg warmers","a scarf","a tea cozy","a vest","slippers","a cable sweater","a lace collar","a poncho","a cushion"}');

INSERT INTO posts
SELECT row_number() OVER (ORDER BY pg_temp.chance(t.topic_id * 75 + s.n * 5 + k.n, 2)), t.name,
    -- A title begins with a capital, whatever it begins with.
    upper(left(w.title, 1)) || substr(w.title, 2),
    1 + floor(pg_temp.chance(t.topic_id * 75 + s.n * 5 + k.n, 3) * 2000),
    timestamptz '2024-01-01 00:00:00+00'
        + interval '1 minute' * floor(pg_temp.chance(t.topic_id * 75 + s.n * 5 + k.n, 4) * 90 * 24 * 60)
FROM topic t
    CROSS JOIN LATERAL unnest(t.subjects) WITH ORDINALITY s(subject, n)
    CROSS JOIN LATERAL unnest(t.titles) WITH ORDINALITY k(title, n)
    CROSS JOIN LATERAL (SELECT format(k.title, s.subject) AS title) w;

CREATE TABLE interest (
    user_id integer PRIMARY KEY REFERENCES users,
    first_topic text NOT NULL,
    second_topic text NOT NULL
);

COMMENT ON TABLE interest IS 'planted: what each person cares for; no model may see it';

-- Topics are not equally popular, and the second is another than the first.
INSERT INTO interest
SELECT u.user_id, a.name, b.name
FROM users u
    CROSS JOIN LATERAL (SELECT floor(8 * pg_temp.chance(u.user_id, 5) ^ 1.3)::integer AS first,
        1 + floor(7 * pg_temp.chance(u.user_id, 6))::integer AS step) c
    JOIN topic a ON a.topic_id = 1 + c.first
    JOIN topic b ON b.topic_id = 1 + (c.first + c.step) % 8;

CREATE TABLE visits (
    user_id integer NOT NULL,
    post_id integer NOT NULL,
    visited_at timestamptz NOT NULL,
    finished boolean NOT NULL
);

-- Each person makes 15 to 100 visits, most of them few.  Each visit picks a topic
-- and then a post of it by its rank.  Visiting a post again leaves one row.
CREATE TEMPORARY TABLE visit ON COMMIT DROP AS
WITH ranked AS (
    SELECT post_id, topic, created_at, row_number() OVER (PARTITION BY topic ORDER BY pg_temp.chance(post_id, 7)) AS rank
    FROM posts
), drawn AS (
    SELECT i.user_id, i.user_id * 1000::bigint + n AS key, p.pick, i.first_topic, i.second_topic
    FROM interest i
        CROSS JOIN LATERAL generate_series(1, 15 + floor(85 * pg_temp.chance(i.user_id, 8) ^ 3)::integer) n
        CROSS JOIN LATERAL (SELECT pg_temp.chance(i.user_id * 1000::bigint + n, 9) AS pick) p
), aimed AS (
    SELECT v.user_id, v.key,
        CASE WHEN v.pick < 0.5 THEN v.first_topic
            WHEN v.pick < 0.7 THEN v.second_topic
            ELSE (SELECT t.name FROM topic t WHERE t.topic_id = 1 + floor(8 * pg_temp.chance(v.key, 10))::integer) END AS topic,
        1 + floor(75 * pg_temp.chance(v.key, 11) ^ 1.6)::integer AS rank
    FROM drawn v
)
SELECT a.user_id, r.post_id,
    min(r.created_at + interval '1 minute' * floor(10 + pg_temp.chance(a.key, 12) ^ 3 * 60 * 24 * 60)) AS visited_at
FROM aimed a JOIN ranked r USING (topic, rank)
GROUP BY a.user_id, r.post_id;

-- How far a visit goes, from 1 to 5: the topic above all, then how good the post
-- is, how easily the person is pleased, and the mood of the day.
CREATE TEMPORARY TABLE response ON COMMIT DROP AS
SELECT v.user_id, v.post_id, v.visited_at, k.key,
    least(5, greatest(1, round((CASE p.topic WHEN i.first_topic THEN 4.0 WHEN i.second_topic THEN 3.2 ELSE 1.4 END
        + 1.2 * (pg_temp.chance(v.post_id, 13) - 0.5)
        + 1.0 * (pg_temp.chance(v.user_id, 14) - 0.5)
        + 1.6 * (pg_temp.chance(k.key, 15) + pg_temp.chance(k.key, 16) - 1))::numeric))) AS level
FROM visit v JOIN posts p USING (post_id) JOIN interest i USING (user_id)
    CROSS JOIN LATERAL (SELECT v.user_id * 1000::bigint + v.post_id AS key) k;

INSERT INTO visits
SELECT user_id, post_id, visited_at, level >= 2
FROM response
ORDER BY user_id, post_id;

ALTER TABLE visits
    ADD PRIMARY KEY (user_id, post_id),
    ADD FOREIGN KEY (user_id) REFERENCES users,
    ADD FOREIGN KEY (post_id) REFERENCES posts;
CREATE INDEX ON visits (post_id);

CREATE TABLE likes (
    user_id integer NOT NULL,
    post_id integer NOT NULL,
    liked_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, post_id),
    FOREIGN KEY (user_id, post_id) REFERENCES visits ON DELETE CASCADE
);

INSERT INTO likes
SELECT user_id, post_id, visited_at + interval '1 second' * floor(5 + 300 * pg_temp.chance(key, 17))
FROM response
WHERE level IN (3, 5)
ORDER BY user_id, post_id;

CREATE TABLE shares (
    user_id integer NOT NULL,
    post_id integer NOT NULL,
    shared_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, post_id),
    FOREIGN KEY (user_id, post_id) REFERENCES visits ON DELETE CASCADE
);

INSERT INTO shares
SELECT user_id, post_id, visited_at + interval '1 second' * floor(20 + 600 * pg_temp.chance(key, 18))
FROM response
WHERE level IN (4, 5)
ORDER BY user_id, post_id;

CREATE VIEW engagement AS
SELECT v.user_id, v.post_id,
    CASE WHEN l.liked_at IS NOT NULL AND s.shared_at IS NOT NULL THEN 5
        WHEN s.shared_at IS NOT NULL THEN 4
        WHEN l.liked_at IS NOT NULL THEN 3
        WHEN v.finished THEN 2
        ELSE 1 END AS rating
FROM visits v
    LEFT JOIN likes l ON l.user_id = v.user_id AND l.post_id = v.post_id
    LEFT JOIN shares s ON s.user_id = v.user_id AND s.post_id = v.post_id;

COMMENT ON VIEW engagement IS
    'how far a person went with a post: 1 opened, 2 read, 3 liked, 4 shared, 5 liked and shared';

COMMIT;

ANALYZE users, posts, visits, likes, shares, interest;
