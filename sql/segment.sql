-- segment: clusters of users, and users like those of a seed

CREATE FUNCTION kmeans(
    query text,
    key_type anyelement,
    k integer,
    seed bigint DEFAULT 0,
    runs integer DEFAULT 20,
    max_iterations integer DEFAULT 300,
    tolerance double precision DEFAULT 0.0001,
    standardize boolean DEFAULT true,
    nulls text DEFAULT 'skip',
    silhouette_sample integer DEFAULT 2000)
RETURNS TABLE (
    key anyelement,
    cluster integer,
    distance double precision,
    silhouette double precision,
    size bigint,
    inertia double precision,
    centroid double precision[],
    z_score double precision[],
    stddev double precision[],
    ids bigint[])
AS 'MODULE_PATHNAME', 'socrec_kmeans'
LANGUAGE c STABLE PARALLEL UNSAFE COST 1000000 ROWS 10000;

COMMENT ON FUNCTION kmeans IS
    'clusters of the rows (key, number ...) or (key, svec) of a query by k-means: a row for each key and, with key null, one for each cluster and one for all as cluster 0';

CREATE FUNCTION profile_user_type(profiles text, user_column text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format_type(a.atttypid, -1) FROM pg_attribute a
    WHERE a.attrelid = to_regclass(format('%I.user_profile', profiles)) AND a.attname = user_column;
END;

COMMENT ON FUNCTION profile_user_type IS 'the type of the users of a set of profiles';

CREATE FUNCTION lock_profiles(name text, OUT user_column text, OUT user_type text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    user_column := (socrec.lock_profile_set(name)).user_column;
    user_type := socrec.profile_user_type(name, user_column);
END
$$;

COMMENT ON FUNCTION lock_profiles IS 'the user column of a set of profiles, locked until the end of the transaction, and its type';

CREATE FUNCTION segment_options(given jsonb, sparse boolean) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known jsonb := jsonb_build_object('runs', 20, 'max_iterations', 300, 'tolerance', 0.0001, 'standardize', NOT sparse,
        'nulls', 'mean', 'silhouette_sample', 2000,
        'log', '["recency_days", "events", "items", "frequency", "monetary", "sessions", "active_days", "value_mean", "value_stddev"]'::jsonb);
BEGIN
    RETURN socrec.check_options('segment_users', given, known,
        patterns => '{"runs": "^[0-9]{1,9}$", "max_iterations": "^[0-9]{1,9}$", "silhouette_sample": "^[0-9]{1,9}$"}');
END
$$;

COMMENT ON FUNCTION segment_options IS 'all options of segment_users, the given ones over the defaults';

-- Skewed features are taken as logarithms that keep the sign.
CREATE FUNCTION feature_expression(feature text, is_log boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN is_log THEN format('(sign(%1$I::float8) * ln(1 + abs(%1$I::float8)))', feature)
        ELSE format('%I::float8', feature) END;
END;

COMMENT ON FUNCTION feature_expression IS 'the expression of a column of user_profile as a feature';

CREATE FUNCTION feature_words(feature text, z_score double precision, is_interest boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN is_interest THEN format(CASE WHEN z_score > 0 THEN 'much %s' ELSE 'little %s' END, feature)
        ELSE coalesce((
            SELECT CASE WHEN z_score > 0 THEN w.much ELSE w.little END
            FROM (VALUES ('recency_days', 'long not seen', 'seen lately'), ('frequency', 'acts often', 'acts seldom'),
                ('monetary', 'spends much', 'spends little'), ('events', 'many events', 'few events'),
                ('items', 'many items', 'few items'), ('sessions', 'many sessions', 'few sessions'),
                ('active_days', 'active on many days', 'active on few days'), ('value_mean', 'gives high values', 'gives low values'),
                ('value_stddev', 'values vary', 'values vary little'), ('entropy', 'broad interests', 'narrow interests'),
                ('mainstream', 'likes the popular', 'likes the rare'), ('peak_hour', 'late in the day', 'early in the day')
            ) w (feature, much, little) WHERE w.feature = feature_words.feature),
            format(CASE WHEN z_score > 0 THEN 'high %s' ELSE 'low %s' END, feature)) END;
END;

COMMENT ON FUNCTION feature_words IS 'what it means to have much or little of a feature';

CREATE FUNCTION create_segment_tables(profiles text, user_column text, user_type text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    statement text;
BEGIN
    IF to_regclass(format('%I.user_segment', profiles)) IS NOT NULL THEN
        RETURN;
    END IF;
    FOREACH statement IN ARRAY ARRAY[
        'CREATE TABLE %1$I.user_segment (%2$I %3$s PRIMARY KEY, segment_id integer NOT NULL, segment text NOT NULL,
            distance float8 NOT NULL, silhouette float8)',
        'CREATE INDEX ON %1$I.user_segment (segment_id)',
        'COMMENT ON TABLE %1$I.user_segment IS ''the segment of every user, written by socrec.segment_users''',
        'COMMENT ON COLUMN %1$I.user_segment.segment IS ''what the segment is, in words''',
        'COMMENT ON COLUMN %1$I.user_segment.distance IS ''to the middle of the segment, in standard deviations of the features (of interests: Euclidean)''',
        'COMMENT ON COLUMN %1$I.user_segment.silhouette IS ''how well the user sits in the segment, -1 to 1; of a sample, else null''',
        'CREATE TABLE %1$I.segment (segment_id integer PRIMARY KEY, segment text NOT NULL, words text NOT NULL, top_interests text)',
        'COMMENT ON TABLE %1$I.segment IS ''the segments in words''',
        'CREATE TABLE %1$I.segment_centroid (segment_id integer, feature text, value float8 NOT NULL, z_score float8 NOT NULL,
            id bigint, is_log boolean NOT NULL, center float8 NOT NULL, stddev float8 NOT NULL, scale float8 NOT NULL, nulls text NOT NULL, PRIMARY KEY (segment_id, feature))',
        'COMMENT ON TABLE %1$I.segment_centroid IS ''the middle of each segment, a row for each feature''',
        'COMMENT ON COLUMN %1$I.segment_centroid.value IS ''the mean over the segment; of a feature taken as a logarithm, taken back from it''',
        'COMMENT ON COLUMN %1$I.segment_centroid.z_score IS ''how far the middle is from that of all users, in standard deviations''',
        'COMMENT ON COLUMN %1$I.segment_centroid.id IS ''of an interest: its number in table category''',
        'COMMENT ON COLUMN %1$I.segment_centroid.is_log IS ''the feature is taken as sign(x) ln(1 + |x|)''',
        'COMMENT ON COLUMN %1$I.segment_centroid.center IS ''the mean over all users, as the feature is taken''',
        'COMMENT ON COLUMN %1$I.segment_centroid.stddev IS ''the standard deviation over all users, as the feature is taken''',
        'COMMENT ON COLUMN %1$I.segment_centroid.scale IS ''what the feature is divided by for distances: stddev, or 1''',
        'COMMENT ON COLUMN %1$I.segment_centroid.nulls IS ''mean: an absent value counts as center; skip: the user has no segment''',
        'CREATE VIEW %1$I.segment_summary WITH (security_invoker = true) AS
            SELECT s.segment_id, s.segment, count(u.segment_id) AS users,
                count(u.segment_id)::float8 / nullif(sum(count(u.segment_id)) OVER (), 0)::float8 AS share,
                coalesce(sum(u.distance ^ 2), 0) AS inertia, avg(u.silhouette) AS silhouette, s.words, s.top_interests
            FROM %1$I.segment s LEFT JOIN %1$I.user_segment u USING (segment_id)
            GROUP BY s.segment_id',
        'COMMENT ON VIEW %1$I.segment_summary IS ''the segments in words and numbers''',
        'COMMENT ON COLUMN %1$I.segment_summary.inertia IS ''sum of squared distances to the middle''',
        'COMMENT ON COLUMN %1$I.segment_summary.silhouette IS ''mean over the sampled users''',
        'COMMENT ON COLUMN %1$I.segment_summary.words IS ''what is different from all users, and by how many standard deviations''']
    LOOP
        EXECUTE format(statement, profiles, user_column, user_type);
    END LOOP;
END
$$;

COMMENT ON FUNCTION create_segment_tables IS 'creates the tables that segment_users writes';

CREATE FUNCTION feature_query(profiles text, user_column text, features text[], log_features text[]) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    feature text;
    category "char";
BEGIN
    IF features = '{interests}' THEN
        RETURN format('SELECT %I, interests FROM %I.user_profile ORDER BY 1', user_column, profiles);
    END IF;
    FOREACH feature IN ARRAY features LOOP
        SELECT t.typcategory INTO category FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
            WHERE a.attrelid = format('%I.user_profile', profiles)::regclass AND a.attname = feature AND a.attnum > 0;
        IF NOT FOUND THEN
            RAISE undefined_column USING MESSAGE = format('user_profile of profiles "%s" has no column "%s"', profiles, feature);
        ELSIF category <> 'N' THEN
            RAISE datatype_mismatch USING MESSAGE = format('feature "%s" is not a number', feature),
                HINT = 'Features are numeric columns of user_profile, or interests alone.';
        END IF;
    END LOOP;
    -- In the order of users, so that the same seed gives the same segments.
    RETURN format('SELECT %I, %s FROM %I.user_profile ORDER BY 1', user_column,
        (SELECT string_agg(socrec.feature_expression(f, f = ANY (log_features)), ', ' ORDER BY n) FROM unnest(features) WITH ORDINALITY u (f, n)), profiles);
END
$$;

COMMENT ON FUNCTION feature_query IS 'the query of the features of all users of a set of profiles';

-- The column of a set of profiles' categories, or NULL if it has none.
CREATE FUNCTION category_column(profiles text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT a.attname::text FROM pg_attribute a
    WHERE a.attrelid = to_regclass(format('%I.category', profiles)) AND a.attnum = 2;
END;

COMMENT ON FUNCTION category_column IS 'the column of the categories of a set of profiles';

CREATE FUNCTION describe_segments(profiles text, user_column text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format($statement$
        INSERT INTO %1$I.segment (segment_id, segment, words)
        SELECT segment_id, coalesce(string_agg(word, ', ' ORDER BY n) FILTER (WHERE n <= 2 AND abs(z_score) >= 0.5), 'average'),
            coalesce(string_agg(format('%%s (%%sσ)', word, to_char(z_score, 'FMSG990.0')), ', ' ORDER BY n)
                FILTER (WHERE n <= 5 AND abs(z_score) >= 0.5), 'average')
        FROM (SELECT DISTINCT segment_id FROM %1$I.user_segment) u
            LEFT JOIN (SELECT segment_id, z_score, socrec.feature_words(feature, z_score, id IS NOT NULL) AS word,
                    row_number() OVER (PARTITION BY segment_id ORDER BY round(abs(z_score)::numeric, 6) DESC, feature) AS n
                FROM %1$I.segment_centroid) c USING (segment_id)
        GROUP BY segment_id$statement$, profiles);
    IF socrec.category_column(profiles) IS NOT NULL THEN
        EXECUTE format($statement$
            UPDATE %1$I.segment s SET top_interests = i.words
            FROM (
                SELECT m.segment_id, string_agg(c.%2$I::text, ', ' ORDER BY w.weight DESC, c.id) AS words
                FROM (SELECT u.segment_id, socrec.avg(p.interests) AS interests
                        FROM %1$I.user_segment u JOIN %1$I.user_profile p ON p.%3$I %4$s u.%3$I GROUP BY u.segment_id) m
                    CROSS JOIN LATERAL socrec.svec_unnest(socrec.svec_top(m.interests, 3)) AS w(id, weight)
                    JOIN %1$I.category c ON c.id = w.id
                GROUP BY m.segment_id) i
            WHERE i.segment_id = s.segment_id$statement$, profiles, socrec.category_column(profiles), user_column,
            (SELECT socrec.equality_operator(a.atttypid) FROM pg_attribute a
                WHERE a.attrelid = format('%I.user_segment', profiles)::regclass AND a.attnum = 1));
    END IF;
    EXECUTE format('UPDATE %1$I.user_segment u SET segment = s.segment FROM %1$I.segment s WHERE s.segment_id = u.segment_id', profiles);
END
$$;

COMMENT ON FUNCTION describe_segments IS 'puts the segments of a set of profiles into words';

CREATE FUNCTION segment_users(
    profiles text,
    k integer,
    seed bigint DEFAULT 0,
    features text[] DEFAULT NULL,
    options jsonb DEFAULT '{}')
RETURNS TABLE (segment_id integer, segment text, users bigint, share double precision, inertia double precision,
    total_inertia double precision, silhouette double precision, words text, top_interests text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    chosen text[] := coalesce(features, '{recency_days,frequency,monetary,value_mean,entropy,mainstream}');
    sparse boolean := chosen = '{interests}';
    o jsonb;
    logs text[];
    locked record;
    query text;
    names text;
BEGIN
    IF profiles IS NULL OR k IS NULL OR seed IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'profiles, k and seed must not be null';
    END IF;
    IF array_ndims(chosen) IS DISTINCT FROM 1 OR array_position(chosen, NULL) IS NOT NULL
        OR cardinality(chosen) <> (SELECT count(DISTINCT f) FROM unnest(chosen) f) THEN
        RAISE invalid_parameter_value USING MESSAGE = 'features must be a list of different column names';
    END IF;
    o := socrec.segment_options(options, sparse);
    logs := CASE WHEN sparse THEN '{}' ELSE ARRAY(SELECT jsonb_array_elements_text(o -> 'log')) END;
    locked := socrec.lock_profiles(profiles);
    query := socrec.feature_query(profiles, locked.user_column, chosen, logs);
    IF sparse AND socrec.category_column(profiles) IS NULL THEN
        RAISE undefined_table USING MESSAGE = format('profiles "%s" have no categories, and so no interests', profiles);
    END IF;
    PERFORM socrec.create_segment_tables(profiles, locked.user_column, locked.user_type);
    EXECUTE format('DELETE FROM %I.user_segment', profiles);
    EXECUTE format('DELETE FROM %I.segment_centroid', profiles);
    EXECUTE format('DELETE FROM %I.segment', profiles);
    names := CASE WHEN sparse
        THEN format('SELECT x.n, c.%I::text, x.id FROM unnest(f.ids) WITH ORDINALITY x (id, n) JOIN %I.category c ON c.id = x.id',
            socrec.category_column(profiles), profiles)
        ELSE 'SELECT x.n, x.f, NULL::bigint FROM unnest($6) WITH ORDINALITY x (f, n)' END;
    EXECUTE format($statement$
        WITH fit AS MATERIALIZED (
            SELECT * FROM socrec.kmeans($1, NULL::%3$s, $2, $3, ($4 ->> 'runs')::integer, ($4 ->> 'max_iterations')::integer,
                ($4 ->> 'tolerance')::float8, ($4 ->> 'standardize')::boolean, $4 ->> 'nulls', ($4 ->> 'silhouette_sample')::integer)),
        users AS (
            INSERT INTO %1$I.user_segment (%2$I, segment_id, segment, distance, silhouette)
            SELECT key, cluster, '', distance, silhouette FROM fit WHERE key IS NOT NULL AND cluster IS NOT NULL)
        INSERT INTO %1$I.segment_centroid (segment_id, feature, value, z_score, id, is_log, center, stddev, scale, nulls)
        SELECT f.cluster, n.feature,
            CASE WHEN n.feature = ANY ($5) THEN sign(f.centroid[n.n]) * (exp(abs(f.centroid[n.n])) - 1) ELSE f.centroid[n.n] END,
            f.z_score[n.n], n.id, n.feature = ANY ($5), a.centroid[n.n], f.stddev[n.n],
            CASE WHEN ($4 ->> 'standardize')::boolean THEN f.stddev[n.n] ELSE 1 END, $4 ->> 'nulls'
        FROM fit f CROSS JOIN LATERAL (%4$s) n (n, feature, id) CROSS JOIN (SELECT centroid FROM fit WHERE cluster = 0) a
        WHERE f.cluster > 0 AND f.centroid IS NOT NULL AND f.stddev[n.n] > 0 AND cardinality($6) > 0$statement$,
        profiles, locked.user_column, locked.user_type, names)
        USING query, k, seed, o, logs, chosen;
    PERFORM socrec.describe_segments(profiles, locked.user_column);
    EXECUTE format('ANALYZE %I.user_segment', profiles);
    RETURN QUERY EXECUTE format('SELECT segment_id, segment, users, share, inertia, sum(inertia) OVER (), silhouette, words, top_interests
        FROM %I.segment_summary ORDER BY segment_id', profiles);
END
$$;

COMMENT ON FUNCTION segment_users IS
    'clusters the users of a set of profiles by k-means, stores their segments, and returns these in words and numbers';

CREATE FUNCTION assign_segments(profiles text) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    locked record := socrec.lock_profiles(profiles);
    distances text;
    changed bigint;
    same text;
BEGIN
    IF to_regclass(format('%I.segment_centroid', profiles)) IS NULL THEN
        RAISE undefined_table USING MESSAGE = format('profiles "%s" have no segments', profiles),
            HINT = 'Make them with socrec.segment_users.';
    END IF;
    same := (SELECT socrec.equality_operator(a.atttypid) FROM pg_attribute a
        WHERE a.attrelid = format('%I.user_segment', profiles)::regclass AND a.attnum = 1);
    EXECUTE format($statement$
        SELECT string_agg(format('(%%s, %%s)', segment_id, distance), ', ')
        FROM (SELECT segment_id, CASE WHEN bool_or(id IS NOT NULL) THEN
                format('sqrt(greatest(0, (p.interests OPERATOR(socrec.<*>) p.interests) - 2 * (p.interests OPERATOR(socrec.<*>) %%L::socrec.svec) + %%s))',
                    socrec.svec_agg(id, (center + z_score * stddev)::real), sum((center + z_score * stddev) ^ 2))
            ELSE format('sqrt(%%s)', string_agg(format(CASE nulls WHEN 'mean' THEN '(coalesce(%%1$s, %%2$L::float8) - %%2$L::float8 - %%3$L::float8) ^ 2 / %%4$s'
                    ELSE '(%%1$s - %%2$L::float8 - %%3$L::float8) ^ 2 / %%4$s' END,
                socrec.feature_expression(feature, is_log), center, z_score * stddev, scale ^ 2), ' + ' ORDER BY feature)) END AS distance
            FROM %I.segment_centroid GROUP BY segment_id) c$statement$, profiles) INTO distances;
    EXECUTE format('DELETE FROM %1$I.user_segment u WHERE NOT EXISTS (SELECT FROM %1$I.user_profile p WHERE p.%2$I %3$s u.%2$I)',
        profiles, locked.user_column, same);
    IF distances IS NULL THEN
        RETURN 0;
    END IF;
    -- Distances of the fit are rounded to real: only what differs by more is news.
    EXECUTE format($statement$
        WITH changed AS (
            INSERT INTO %1$I.user_segment (%2$I, segment_id, segment, distance)
            SELECT p.%2$I, n.segment_id, s.segment, n.distance
            FROM %1$I.user_profile p
                CROSS JOIN LATERAL (SELECT * FROM (VALUES %3$s) v (segment_id, distance) WHERE distance IS NOT NULL
                    ORDER BY distance, segment_id LIMIT 1) n
                JOIN %1$I.segment s USING (segment_id)
                LEFT JOIN %1$I.user_segment o ON o.%2$I %4$s p.%2$I
            WHERE p.%2$I IS NOT NULL AND (o.segment_id IS NULL OR abs(o.distance - n.distance) > 1e-4 * (1 + n.distance))
            ON CONFLICT (%2$I) DO UPDATE SET segment_id = EXCLUDED.segment_id, segment = EXCLUDED.segment,
                distance = EXCLUDED.distance, silhouette = NULL
            RETURNING 1)
        SELECT count(*) FROM changed$statement$, profiles, locked.user_column, distances, same) INTO changed;
    RETURN changed;
END
$$;

COMMENT ON FUNCTION assign_segments IS
    'sends users to the nearest segment as their profiles are now, without looking for new segments; returns how many are new or have changed';

-- How users of a set of profiles are called and compared; an error if they are
-- not of the given type.
CREATE FUNCTION profile_key(profiles text, type regtype, OUT user_column text, OUT same text)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    user_type regtype;
BEGIN
    SELECT s.user_column, a.atttypid, socrec.equality_operator(a.atttypid) INTO user_column, user_type, same
        FROM socrec.profile_set s JOIN pg_attribute a
            ON a.attrelid = to_regclass(format('%I.user_profile', s.name)) AND a.attname = s.user_column
        WHERE s.name = profiles;
    IF profiles IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'profiles must not be null';
    ELSIF user_column IS NULL THEN
        RAISE undefined_object USING MESSAGE = format('profiles "%s" do not exist', profiles),
            HINT = 'SELECT name FROM socrec.profile_set lists them.';
    ELSIF user_type <> type THEN
        RAISE datatype_mismatch USING MESSAGE = format('users of profiles "%s" are of type %s, not %s', profiles, user_type, type),
            HINT = format('Cast them to %s.', user_type);
    END IF;
END
$$;

COMMENT ON FUNCTION profile_key IS 'how users of a set of profiles are called and compared';

-- The score of every user outside a seed: log-odds of the seed's items, or the
-- cosine to the middle of the seed.
CREATE FUNCTION lookalike_scores(profiles text, seed_users anyarray, options jsonb DEFAULT '{}')
RETURNS TABLE (user_id anyelement, score double precision)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 10000
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    key record;
    known jsonb := '{"method": "log_odds", "shrinkage": 20}';
    weights socrec.svec;
BEGIN
    IF seed_users IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'seed_users must not be null';
    END IF;
    key := socrec.profile_key(profiles, (SELECT t.typelem FROM pg_type t WHERE t.oid = pg_typeof(seed_users)));
    known := socrec.check_options('lookalikes', options, known, choices => '{"method": ["log_odds", "cosine"]}');
    IF (known ->> 'shrinkage')::float8 <= 0 THEN
        RAISE invalid_parameter_value USING MESSAGE = format('option "shrinkage" must be a positive number, not %s', known -> 'shrinkage');
    END IF;
    EXECUTE format($statement$
        WITH seed AS MATERIALIZED (
            SELECT a.taste, socrec.svec_norm(a.taste) AS norm FROM %1$I.activity a
            WHERE a.taste IS NOT NULL AND EXISTS (SELECT FROM unnest($1) s WHERE s %3$s a.%2$I)),
        total AS (SELECT (SELECT count(*) FROM seed) AS n, (SELECT count(*) FROM %1$I.activity a WHERE a.taste IS NOT NULL) AS all_users),
        item AS (
            SELECT t.id, count(*) AS n, sum(t.weight / nullif(s.norm, 0)) AS weight
            FROM seed s CROSS JOIN LATERAL socrec.svec_unnest(s.taste) AS t(id, weight) GROUP BY t.id)
        SELECT CASE $2 ->> 'method'
            WHEN 'cosine' THEN (SELECT socrec.svec_agg(i.id, i.weight::real) FROM item i)
            ELSE (SELECT socrec.svec_agg(i.id::bigint, ln((coalesce(s.n, 0) + c.x * p.x) / (t.n + c.x)
                        / ((greatest(i.users - coalesce(s.n, 0), 0) + c.x * p.x) / (t.all_users - t.n + c.x)))::real)
                FROM total t CROSS JOIN %1$I.item i LEFT JOIN item s ON s.id = i.id
                    CROSS JOIN LATERAL (SELECT ($2 ->> 'shrinkage')::float8) c (x)
                    CROSS JOIN LATERAL (SELECT i.users / t.all_users::float8) p (x)
                WHERE t.n > 0 AND i.users > 0) END$statement$, profiles, key.user_column, key.same)
        INTO weights USING seed_users, known;
    RETURN QUERY EXECUTE format($statement$
        SELECT a.%2$I, (a.taste OPERATOR(socrec.<*>) $2) / socrec.svec_norm(a.taste)
        FROM %1$I.activity a
        WHERE a.%2$I IS NOT NULL AND a.taste IS NOT NULL AND socrec.svec_length(a.taste) > 0 AND $2 IS NOT NULL
            AND NOT EXISTS (SELECT FROM unnest($1) s WHERE s %3$s a.%2$I)$statement$, profiles, key.user_column, key.same)
        USING seed_users, weights;
END
$$;

COMMENT ON FUNCTION lookalike_scores IS 'how much every user outside a seed is like the users in it';

CREATE FUNCTION lookalikes(profiles text, seed_users anyarray, n integer DEFAULT 100, options jsonb DEFAULT '{}')
RETURNS TABLE (rank bigint, user_id anyelement, score double precision, support integer)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    key record := socrec.profile_key(profiles, (SELECT t.typelem FROM pg_type t WHERE t.oid = pg_typeof(seed_users)));
BEGIN
    IF n IS NULL OR n < 0 THEN
        RAISE invalid_parameter_value USING MESSAGE = format('n must be at least 0, not %s', coalesce(n::text, 'null'));
    END IF;
    RETURN QUERY EXECUTE format($statement$
        WITH best AS MATERIALIZED (
            SELECT row_number() OVER (ORDER BY score DESC, user_id) AS rank, user_id, score
            FROM socrec.lookalike_scores($1, $2, $4) ORDER BY score DESC, user_id LIMIT $3),
        seed AS MATERIALIZED (
            SELECT socrec.svec_agg(d.id, 1::real) AS items
            FROM (SELECT DISTINCT t.id FROM %1$I.activity a CROSS JOIN LATERAL socrec.svec_unnest(a.taste) AS t(id, weight)
                WHERE EXISTS (SELECT FROM unnest($2) s WHERE s %3$s a.%2$I)) d)
        SELECT b.rank, b.user_id, b.score,
            (SELECT count(*)::integer FROM unnest(socrec.svec_ids(a.taste)) i(id) WHERE socrec.svec_get(s.items, i.id) IS NOT NULL)
        FROM best b JOIN %1$I.activity a ON a.%2$I %3$s b.user_id CROSS JOIN seed s
        ORDER BY b.rank$statement$, profiles, key.user_column, key.same)
        USING profiles, seed_users, n, options;
END
$$;

COMMENT ON FUNCTION lookalikes IS 'the n users most like those of a seed, outside it';

CREATE FUNCTION evaluate_lookalikes(
    profiles text,
    seed_users anyarray,
    n integer DEFAULT 100,
    seed bigint DEFAULT 0,
    options jsonb DEFAULT '{}',
    OUT seed_size bigint,
    OUT held_out bigint,
    OUT hits bigint,
    OUT "precision" double precision,
    OUT recall double precision,
    OUT lift double precision,
    OUT auc double precision)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    fit seed_users%TYPE;
BEGIN
    IF n IS NULL OR n < 1 OR seed IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = format('n must be at least 1 and seed not null, not %s and %s',
            coalesce(n::text, 'null'), coalesce(seed::text, 'null'));
    END IF;
    -- A hash of the user decides who is held out: the same half for the same seed.
    EXECUTE format('SELECT array_agg(u ORDER BY n) FILTER (WHERE 2 * n <= total) FROM (
            SELECT u, row_number() OVER (ORDER BY hashtextextended(u::text, $2), u::text) AS n, count(*) OVER () AS total
            FROM (SELECT DISTINCT u FROM unnest($1) u WHERE u IS NOT NULL) d) s')
        INTO fit USING seed_users, seed;
    IF fit IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = 'seed_users must have at least two users';
    END IF;
    WITH s AS MATERIALIZED (
        SELECT l.score, l.user_id = ANY (seed_users) AS is_held_out, row_number() OVER (ORDER BY l.score DESC, l.user_id) AS place,
            rank() OVER (ORDER BY l.score) + (count(*) OVER (PARTITION BY l.score) - 1) / 2.0::float8 AS from_below
        FROM socrec.lookalike_scores(profiles, fit, options) l),
    c AS (
        SELECT count(*)::float8 AS users, count(*) FILTER (WHERE is_held_out) AS held_out,
            count(*) FILTER (WHERE is_held_out AND place <= n) AS hits, sum(from_below) FILTER (WHERE is_held_out) AS ranks
        FROM s)
    SELECT cardinality(fit), c.held_out, c.hits, c.hits / nullif(least(n, c.users), 0), c.hits / nullif(c.held_out, 0)::float8,
        (c.hits / nullif(least(n, c.users), 0)) / nullif(c.held_out / nullif(c.users, 0), 0),
        (c.ranks - c.held_out * (c.held_out + 1) / 2.0::float8) / nullif(c.held_out * (c.users - c.held_out), 0)
        INTO seed_size, held_out, hits, "precision", recall, lift, auc
        FROM c;
END
$$;

COMMENT ON FUNCTION evaluate_lookalikes IS
    'keeps a random half of a seed out, ranks the others by similarity to the rest, and says how many of the half are among the first n';

CREATE FUNCTION similar_profiles(profiles text, user_id anyelement, n integer DEFAULT 10)
RETURNS TABLE (rank bigint, similar_user anyelement, similarity double precision)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    key record := socrec.profile_key(profiles, pg_typeof(user_id));
BEGIN
    IF n IS NULL OR n < 0 THEN
        RAISE invalid_parameter_value USING MESSAGE = format('n must be at least 0, not %s', coalesce(n::text, 'null'));
    END IF;
    RETURN QUERY EXECUTE format($statement$
        SELECT row_number() OVER (ORDER BY d.distance, d.%2$I), d.%2$I, 1 - d.distance
        FROM (SELECT b.%2$I, a.taste OPERATOR(socrec.<=>) b.taste AS distance
            FROM %1$I.activity a JOIN %1$I.activity b ON NOT b.%2$I %3$s a.%2$I
            WHERE a.%2$I %3$s $1) d
        WHERE d.distance IS NOT NULL
        ORDER BY d.distance, d.%2$I LIMIT $2$statement$, profiles, key.user_column, key.same)
        USING user_id, n;
END
$$;

COMMENT ON FUNCTION similar_profiles IS 'the n users whose taste is nearest to a user''s by cosine';
