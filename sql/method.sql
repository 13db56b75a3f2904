-- method: the text of a model's objects, by method
--
-- Templates are filled by format() in one pass, so that no name of a schema or
-- column, whatever it contains, is read as a template:
--
--   1 schema   2 user column   3 item column   4 user type   5 item type
--   6 method   7 normalize     8 user regularization
--   9 the source of predictions that counts as the method's own
--  10 equality of users   11 equality of items
--  12 collation of users  13 collation of items
--
-- Bodies are SQL-standard ones: names are bound when the model is created.
-- "OFFSET 0" keeps the planner to one index probe for each rated item, where it
-- would otherwise be tempted to read all items.

-- The operator that says whether two keys are equal: the "=" of the type's own
-- schema, where its btree operator class has it.
CREATE FUNCTION equality_operator(type oid) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH RECURSIVE base AS (
        SELECT t.oid, t.typbasetype FROM pg_type t WHERE t.oid = type
        UNION ALL
        SELECT t.oid, t.typbasetype FROM base JOIN pg_type t ON t.oid = base.typbasetype)
    SELECT format('OPERATOR(%I.=)', coalesce(min(n.nspname), 'pg_catalog'))
    FROM base
        JOIN pg_opclass c ON c.opcintype = base.oid AND c.opcdefault
        JOIN pg_am m ON m.oid = c.opcmethod AND m.amname = 'btree'
        JOIN pg_amop a ON a.amopfamily = c.opcfamily AND a.amoplefttype = c.opcintype
            AND a.amoprighttype = c.opcintype AND a.amopstrategy = 3
        JOIN pg_operator o ON o.oid = a.amopopr
        JOIN pg_namespace n ON n.oid = o.oprnamespace
    WHERE base.typbasetype = 0;
END;

COMMENT ON FUNCTION equality_operator IS 'the operator that says whether two values of a type are equal, qualified';

-- What generated SQL must know of a column that holds keys.
CREATE FUNCTION key_column(relation regclass, column_name text, OUT type text, OUT equality text, OUT collation text)
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format_type(a.atttypid, -1), equality_operator(a.atttypid),
        coalesce((SELECT format('COLLATE %I.%I', s.nspname, l.collname)
            FROM pg_collation l JOIN pg_namespace s ON s.oid = l.collnamespace
            WHERE l.oid = a.attcollation), '')
    FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = column_name;
END;

COMMENT ON FUNCTION key_column IS 'the type, equality operator and collation of a column of keys, as they are written';

CREATE FUNCTION fill_template(m model, template text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format(template, m.name, m.user_column, m.item_column, u.type, i.type,
        m.method, coalesce(m.options ->> 'normalize', (method_family(m.method) = 'deviations')::text), m.options ->> 'user_regularization',
        CASE WHEN m.method NOT IN ('popular', 'baseline') THEN m.method
            WHEN m.rating_column IS NULL THEN 'popular' ELSE 'baseline' END,
        u.equality, i.equality, u.collation, i.collation)
    FROM key_column(format('%I.rating', m.name)::regclass, m.user_column) u,
        key_column(format('%I.rating', m.name)::regclass, m.item_column) i;
END;

COMMENT ON FUNCTION fill_template IS 'a template of method.sql with the names of a model';

CREATE FUNCTION execute_templates(m model, templates text[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    template text;
BEGIN
    FOREACH template IN ARRAY templates LOOP
        EXECUTE socrec.fill_template(m, template);
    END LOOP;
END
$$;

COMMENT ON FUNCTION execute_templates IS 'executes templates of method.sql with the names of a model, one after the other';

-- What a rating is measured against: the expression that is taken off it before
-- neighbors are averaged, and added again after.
CREATE FUNCTION reference_rating(m model, user_mean text, user_bias text, item text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE CASE method_family(m.method) WHEN 'weights' THEN 'baseline' WHEN 'deviations' THEN 'none' ELSE m.options ->> 'center' END
        WHEN 'none' THEN '0::float8'
        WHEN 'user' THEN user_mean
        WHEN 'item' THEN item || '.mean'
        WHEN 'baseline' THEN format('(f.rating_mean + %s + %s.bias)', user_bias, item)
    END;
END;

COMMENT ON FUNCTION reference_rating IS 'the expression of what a model measures a rating against';

-- What a rating r counts for in scores: the expression of it.
CREATE FUNCTION scored_rating(m model) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN (m.options ->> 'binarize')::boolean THEN '1::float8'
        WHEN NOT (m.options ->> 'weighted')::boolean THEN '(
            SELECT avg(o.rating) FROM %1$I.rating o JOIN %1$I.item j ON j.%3$I %11$s o.%3$I WHERE o.%2$I %10$s $1)'
        ELSE 'r.rating' END;
END;

COMMENT ON FUNCTION scored_rating IS 'the expression of what a rating counts for in scores';

-- Tables, and the statements that fill them.  A refit leaves empty pages that the
-- next one needs again; cutting them off would lock out readers on replicas.

CREATE FUNCTION table_statements(m model) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT ARRAY[
        'CREATE TABLE %1$I.fit (
            rating_mean float8, rating_min float8, rating_max float8,
            rating_count bigint NOT NULL, user_count bigint NOT NULL, item_count bigint NOT NULL'
            || CASE f.family WHEN 'factors' THEN ', prior bytea, item_prior bytea' ELSE '' END || ')',
        'COMMENT ON TABLE %1$I.fit IS ''what the model was fitted on, one row''',
        'CREATE TABLE %1$I.item (
            id integer PRIMARY KEY, %3$I %5$s %13$s NOT NULL UNIQUE, rating_count integer NOT NULL,
            mean float8 NOT NULL, bias float8 NOT NULL, norm float8 NOT NULL, '
            || CASE f.family WHEN 'factors' THEN 'factors real[]' WHEN 'deviations' THEN 'neighbors socrec.svec, deviations socrec.svec'
                ELSE 'neighbors socrec.svec' END || ')
            WITH (toast_tuple_target = 8160, vacuum_truncate = off)',
        'COMMENT ON TABLE %1$I.item IS ''what the model knows of every item''',
        'COMMENT ON COLUMN %1$I.item.id IS ''number in the model: 1 has the most ratings''',
        'COMMENT ON COLUMN %1$I.item.bias IS ''regularized deviation from the mean of all ratings and from its users''''''',
        'COMMENT ON COLUMN %1$I.item.norm IS ''length of the vector that was compared'''
    ] || CASE WHEN f.family <> 'factors' THEN ARRAY[
        'ALTER TABLE %1$I.item ALTER COLUMN neighbors SET STORAGE EXTERNAL',
        'COMMENT ON COLUMN %1$I.item.neighbors IS ''' || CASE WHEN f.family IN ('weights', 'deviations') THEN 'number of another item, and the weight of a rating in its score'
            ELSE 'most similar items, number and similarity' END || '''']
    || CASE f.family WHEN 'deviations' THEN ARRAY[
        'ALTER TABLE %1$I.item ALTER COLUMN deviations SET STORAGE EXTERNAL',
        'COMMENT ON COLUMN %1$I.item.deviations IS ''number of another item, and how much higher it is rated''']
    ELSE '{}' END
    ELSE ARRAY[
        'ALTER TABLE %1$I.item ALTER COLUMN factors SET STORAGE EXTERNAL',
        'COMMENT ON COLUMN %1$I.item.factors IS ''the vector whose product with that of a user, as socrec.fold_in makes it, is a score''',
        'ALTER TABLE %1$I.fit ALTER COLUMN prior SET STORAGE EXTERNAL, ALTER COLUMN item_prior SET STORAGE EXTERNAL',
        'COMMENT ON COLUMN %1$I.fit.prior IS ''what is common to all users, for socrec.fold_in''',
        'COMMENT ON COLUMN %1$I.fit.item_prior IS ''what is common to all items, to fold new ones in''',
        factor_template('table'),
        'ALTER TABLE %1$I.item_block ALTER COLUMN items SET STORAGE EXTERNAL',
        'CREATE INDEX ON %1$I.item_block (bound)',
        'COMMENT ON TABLE %1$I.item_block IS ''the factors of all items once more, in blocks, for socrec.top_factors''',
        'COMMENT ON COLUMN %1$I.item_block.bound IS ''the most that an item of the block can score for a vector of length 1''']
    END || CASE f.family WHEN 'user_neighbors' THEN ARRAY[
        'CREATE TABLE %1$I.user_neighbor (
            id integer PRIMARY KEY, %2$I %4$s %12$s NOT NULL UNIQUE, rating_count integer NOT NULL,
            mean float8 NOT NULL, bias float8 NOT NULL, norm float8 NOT NULL, neighbors socrec.svec)
            WITH (toast_tuple_target = 8160, vacuum_truncate = off)',
        'ALTER TABLE %1$I.user_neighbor ALTER COLUMN neighbors SET STORAGE EXTERNAL',
        'COMMENT ON TABLE %1$I.user_neighbor IS ''what the model knows of every user''',
        'COMMENT ON COLUMN %1$I.user_neighbor.neighbors IS ''most similar users, number and similarity'''
    ] WHEN 'hybrid' THEN ARRAY[
        'CREATE TABLE %1$I.part (
            number integer PRIMARY KEY, model text NOT NULL, label text NOT NULL, method text NOT NULL,
            rank_weight float8 NOT NULL, prediction_weight float8 NOT NULL)',
        'COMMENT ON TABLE %1$I.part IS ''the models that this one blends''',
        'COMMENT ON COLUMN %1$I.part.rank_weight IS ''of its list, where places go from 0 to 1''',
        'COMMENT ON COLUMN %1$I.part.prediction_weight IS ''of what it predicts'''
    ] WHEN 'baseline' THEN ARRAY['CREATE INDEX ON %1$I.item (bias DESC, id)']
    ELSE '{}' END
    FROM method_family(m.method) f(family);
END;

COMMENT ON FUNCTION table_statements IS 'templates of the statements that create a model''s tables';

CREATE FUNCTION fit_statements(m model, from_changes boolean) RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    baseline text := format('item_regularization => %s, user_regularization => %s, baseline_epochs => %s',
        m.options ->> 'item_regularization', m.options ->> 'user_regularization', m.options ->> 'baseline_epochs');
    neighbors text := format('similarity => %L, min_support => %s, shrinkage => %s, center => %L, weighting => %L, min_similarity => %s, k => %s',
        m.options ->> 'similarity', m.options ->> 'min_support', m.options ->> 'shrinkage', m.options ->> 'center',
        m.options ->> 'weighting', m.options ->> 'min_similarity', m.options ->> 'k');
    family text := socrec.method_family(m.method);
    statements text[];
BEGIN
    IF family = 'hybrid' THEN
        RETURN socrec.hybrid_fit_statements(m);
    END IF;
    -- Deleting keeps the old rows for those who still read them.  One statement
    -- reads the ratings, so that items and users come from one snapshot.
    statements := ARRAY[
        'DELETE FROM %1$I.fit',
        'DELETE FROM %1$I.item',
        format('WITH fitted AS MATERIALIZED (
                SELECT * FROM socrec.' || CASE WHEN from_changes THEN '%6$s%2$s, %3$s)' WHEN family = 'factors' THEN 'item_factors(%1$s, NULL::%%5$s, %%6$L, %5$s::jsonb)'
                    WHEN family IN ('weights', 'deviations') THEN 'fit_item_weights(%1$s, NULL::%%5$s, %%6$L, %5$s::jsonb)'
                    ELSE 'item_neighbors_typed(%1$s, NULL::%%5$s, %2$s, %3$s)' END || '),
            stored AS (
                INSERT INTO %%1$I.item
                SELECT id, item_id, rating_count, mean, bias, norm, ' || CASE family WHEN 'factors' THEN 'factors' WHEN 'deviations' THEN 'neighbors, deviations' ELSE 'neighbors' END || ' FROM fitted)'
            || CASE family WHEN 'user_neighbors' THEN ',
            stored_users AS (
                INSERT INTO %%1$I.user_neighbor
                SELECT id, user_id, rating_count, mean, bias, norm, neighbors
                FROM socrec.user_neighbors_typed(%1$s, NULL::%%4$s, %2$s, %4$s))' ELSE '' END
            || CASE WHEN (m.options ->> 'track_changes')::boolean THEN ',
            taken AS (DELETE FROM %%1$I.change)' ELSE '' END
            || CASE WHEN socrec.follows_changes(m) THEN ',
            forgotten AS (DELETE FROM %%1$I.candidate)' ELSE '' END
            || CASE WHEN from_changes THEN ',
            kept AS (INSERT INTO %%1$I.candidate SELECT id, item_id, norm, bound, others, products, totals, supports FROM fitted)' ELSE '' END || '
            INSERT INTO %%1$I.fit
                SELECT sum(mean * rating_count) / sum(rating_count), min(rating_min), max(rating_max),
                    coalesce(sum(rating_count), 0), coalesce(max(user_count), 0), count(*)'
                || CASE family WHEN 'factors' THEN ', (SELECT prior FROM fitted WHERE id = 1), (SELECT item_prior FROM fitted WHERE id = 1)' ELSE '' END || '
                FROM fitted',
            replace(quote_literal(socrec.rating_query(m, training => true)), '%', '%%'), baseline,
            CASE family WHEN 'item_neighbors' THEN replace(neighbors, '%', '%%') ELSE 'k => 0' END,
            replace(neighbors, '%', '%%'), replace(quote_literal(m.options), '%', '%%'),
            CASE WHEN from_changes THEN socrec.refresh_call(m) END)];
    IF family = 'factors' THEN
        statements := statements || ARRAY['DELETE FROM %1$I.item_block', socrec.factor_template('blocks')];
    END IF;
    IF family = 'user_neighbors' THEN
        statements := ARRAY['DELETE FROM %1$I.user_neighbor'] || statements;
    END IF;
    RETURN statements;
END
$$;

COMMENT ON FUNCTION fit_statements IS 'templates of the statements that fit a model';

-- recommend: the method's own candidates, then popular items to fill up.  The user
-- stands in a subquery, so that the planner sees the average user in a prepared
-- statement from the first call on, and does not plan anew each time for one who is
-- estimated to have a little less than the average.

CREATE FUNCTION recommend_statement(m model) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT '
        CREATE FUNCTION %1$I.recommend(target_user %4$s, n integer DEFAULT 10,
            exclude_seen boolean DEFAULT true, min_support integer DEFAULT 1)
        RETURNS TABLE (rank integer, %3$I %5$s, score float8, source text, support integer)
        LANGUAGE sql STABLE PARALLEL SAFE ROWS 10 COST 1000
        BEGIN ATOMIC
            WITH candidate AS MATERIALIZED (' ||
    CASE WHEN f.family IN ('item_neighbors', 'weights', 'deviations') THEN '
                SELECT t.rank::integer AS rank, t.id, t.score, t.support
                FROM unnest((
                    SELECT socrec.top_items(i.id, i.neighbors, ' || scored_rating(m) || ', $2, %7$s, $3, $4' ||
                        CASE f.family WHEN 'deviations' THEN ', i.deviations' ELSE '' END || ')
                    FROM %1$I.rating r CROSS JOIN LATERAL (
                        SELECT i.id, i.neighbors' || CASE f.family WHEN 'deviations' THEN ', i.deviations' ELSE '' END || ' FROM %1$I.item i WHERE i.%3$I %11$s r.%3$I OFFSET 0) i
                    WHERE r.%2$I %10$s (SELECT $1))) WITH ORDINALITY AS t(id, score, support, rank)'
        WHEN f.family = 'user_neighbors' THEN '
                SELECT row_number() OVER (ORDER BY s.score DESC, i.id)::integer AS rank, i.id, s.score, s.support
                FROM (
                    SELECT r.%3$I, CASE WHEN %7$s THEN socrec.cf_predict(w.weight, r.rating)
                        ELSE socrec.weighted_sum(w.weight, r.rating) END AS score, count(*)::integer AS support
                    FROM %1$I.user_neighbor u CROSS JOIN LATERAL socrec.svec_unnest(u.neighbors) AS w(id, weight)
                        JOIN %1$I.user_neighbor v ON v.id = w.id
                        JOIN %1$I.rating r ON r.%2$I %10$s v.%2$I
                    WHERE u.%2$I %10$s $1
                    GROUP BY r.%3$I
                    HAVING count(*) >= $4) s
                    JOIN %1$I.item i ON i.%3$I %11$s s.%3$I
                WHERE NOT ($3 AND EXISTS (
                    SELECT FROM %1$I.rating r WHERE r.%2$I %10$s $1 AND r.%3$I %11$s s.%3$I))
                ORDER BY s.score DESC, i.id
                LIMIT $2'
        WHEN f.family = 'baseline' THEN '
                SELECT row_number() OVER (ORDER BY i.bias DESC, i.id)::integer AS rank, i.id,
                    f.rating_mean + coalesce(t.bias, 0) + i.bias AS score, i.rating_count AS support
                FROM %1$I.fit f CROSS JOIN (
                        SELECT sum(r.rating - f.rating_mean - i.bias) / nullif(count(*) + %8$s, 0) AS bias
                        FROM %1$I.fit f CROSS JOIN %1$I.rating r JOIN %1$I.item i ON i.%3$I %11$s r.%3$I
                        WHERE r.%2$I %10$s $1) t
                    CROSS JOIN %1$I.item i
                WHERE i.rating_count >= $4 AND NOT ($3 AND EXISTS (
                    SELECT FROM %1$I.rating r WHERE r.%2$I %10$s $1 AND r.%3$I %11$s i.%3$I))
                ORDER BY i.bias DESC, i.id
                LIMIT $2'
        WHEN f.family = 'hybrid' THEN hybrid_template(m, 'candidates')
        WHEN f.family = 'popular' THEN '
                SELECT NULL::integer AS rank, NULL::integer AS id, NULL::float8 AS score, NULL::integer AS support
                WHERE false'
        ELSE factor_template('candidates')
    END || ')
            SELECT c.rank, i.%3$I, c.score, %6$L, c.support
            FROM candidate c JOIN %1$I.item i ON i.id = c.id
            UNION ALL
            SELECT (SELECT count(*) FROM candidate)::integer + (row_number() OVER (ORDER BY p.id))::integer,
                p.%3$I, p.rating_count, ''popular'', p.rating_count
            FROM (
                SELECT i.id, i.%3$I, i.rating_count
                FROM %1$I.item i
                WHERE (SELECT count(*) FROM candidate) < $2
                    AND NOT EXISTS (SELECT FROM candidate c WHERE c.id = i.id)
                    AND NOT ($3 AND EXISTS (
                        SELECT FROM %1$I.rating r WHERE r.%2$I %10$s (SELECT $1) AND r.%3$I %11$s i.%3$I))
                ORDER BY i.id
                LIMIT greatest($2 - (SELECT count(*) FROM candidate), 0)) p
            ORDER BY 1;
        END'
    FROM method_family(m.method) f(family);
END;

COMMENT ON FUNCTION recommend_statement IS 'template of a model''s function recommend';

-- predictions: what the neighbors say; else the baseline; else the mean.  For
-- several items at once, so that the user's ratings are read once.

CREATE FUNCTION prediction_statement(m model) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT '
        CREATE FUNCTION %1$I.predictions(target_user %4$s, target_items %5$s[], training_only boolean DEFAULT false)
        RETURNS TABLE (n integer, %3$I %5$s, prediction float8, source text, support integer)
        LANGUAGE sql STABLE PARALLEL SAFE ROWS 10 COST 1000
        BEGIN ATOMIC' || CASE own.family WHEN 'hybrid' THEN hybrid_template(m, 'predictions') ELSE '
            WITH f AS (SELECT * FROM %1$I.fit LIMIT 1),
            target AS (
                SELECT a.n::integer AS n, a.key, i.id, i.rating_count, i.mean, i.bias, i.' || CASE own.family WHEN 'factors' THEN 'factors' ELSE 'neighbors' END || '
                FROM unnest($2) WITH ORDINALITY AS a(key, n) LEFT JOIN %1$I.item i ON i.%3$I %11$s a.key),
            profile AS MATERIALIZED (
                SELECT i.*, r.rating
                FROM %1$I.rating r CROSS JOIN LATERAL (
                    SELECT i.id, i.mean, i.bias' || CASE own.family WHEN 'deviations' THEN ', i.neighbors, i.deviations' WHEN 'weights' THEN ', i.neighbors'
                        WHEN 'factors' THEN ', i.factors' ELSE '' END || '
                    FROM %1$I.item i WHERE i.%3$I %11$s r.%3$I OFFSET 0) i
                WHERE r.%2$I %10$s $1 AND NOT ($3 AND r.held_out)),
            taste AS (
                SELECT t.n, count(p.id)::integer AS rated, avg(p.rating) AS mean,
                    coalesce(sum(p.rating - f.rating_mean - p.bias) / nullif(count(p.id) + %8$s, 0), 0) AS bias
                FROM f CROSS JOIN target t LEFT JOIN profile p ON p.id IS DISTINCT FROM t.id
                GROUP BY t.n),
            neighborhood AS (' ||
    CASE WHEN own.family IN ('weights', 'deviations') THEN '
                SELECT t.n, socrec.' || CASE WHEN m.rating_column IS NULL THEN 'weighted_sum(w.weight, p.rating)'
                    WHEN own.family = 'deviations' THEN 'cf_predict(w.weight, '
                        || CASE WHEN (m.options ->> 'weighted')::boolean THEN 'p.rating' ELSE 'u.mean' END
                        || ' + coalesce(socrec.svec_get(p.deviations, t.id), 0))'
                    ELSE 'cf_predict(w.weight, p.rating - ' || reference_rating(m, 'u.mean', 'u.bias', 'p') || ')' END || ' AS residual,
                    count(w.weight)::integer AS support
                FROM f CROSS JOIN target t JOIN taste u ON u.n = t.n JOIN profile p ON p.id <> t.id
                    CROSS JOIN LATERAL (SELECT socrec.svec_get(p.neighbors, t.id) AS weight) w
                GROUP BY t.n'
        WHEN own.family = 'item_neighbors' THEN '
                SELECT t.n, socrec.' || CASE WHEN m.rating_column IS NULL THEN
                        'weighted_sum(w.weight, p.rating) / nullif(min(socrec.svec_sum(t.neighbors)), 0)'
                    ELSE 'cf_predict(w.weight, p.rating - ' || reference_rating(m, 'u.mean', 'u.bias', 'p') || ')' END || ' AS residual,
                    count(w.weight)::integer AS support
                FROM f CROSS JOIN target t JOIN taste u ON u.n = t.n JOIN profile p ON p.id <> t.id
                    CROSS JOIN LATERAL (SELECT socrec.svec_get(t.neighbors, p.id) AS weight) w
                GROUP BY t.n'
        WHEN own.family = 'user_neighbors' THEN '
                SELECT t.n, socrec.' || CASE WHEN m.rating_column IS NULL THEN
                        'weighted_sum(w.weight, r.rating) / nullif(min(socrec.svec_sum(u.neighbors)), 0)'
                    ELSE 'cf_predict(w.weight, r.rating - ' || reference_rating(m, 'v.mean', 'v.bias', 't') || ')' END || ' AS residual,
                    count(r.rating)::integer AS support
                FROM f CROSS JOIN target t CROSS JOIN %1$I.user_neighbor u
                    CROSS JOIN LATERAL socrec.svec_unnest(u.neighbors) AS w(id, weight)
                    JOIN %1$I.user_neighbor v ON v.id = w.id
                    JOIN %1$I.rating r ON r.%2$I %10$s v.%2$I AND r.%3$I %11$s t.key AND NOT ($3 AND r.held_out)
                WHERE u.%2$I %10$s $1 AND t.id IS NOT NULL
                GROUP BY t.n'
        WHEN own.family = 'factors' THEN factor_template('predictions')
        ELSE '
                SELECT NULL::integer AS n, NULL::float8 AS residual, NULL::integer AS support
                WHERE false'
    END || ')
            SELECT t.n, t.key, ' ||
    CASE WHEN NOT own.rates THEN '
                coalesce(h.residual, t.rating_count / nullif(f.user_count, 0)::float8, 0),
                CASE WHEN h.residual IS NOT NULL THEN %6$L WHEN t.id IS NOT NULL THEN ''popular'' ELSE ''none'' END,
                CASE WHEN h.residual IS NOT NULL THEN h.support ELSE coalesce(t.rating_count, 0) END'
    ELSE '
                least(f.rating_max, greatest(f.rating_min, coalesce(
                    h.residual + ' || coalesce(reference_rating(m, 'u.mean', 'u.bias', 't'), '0') || ',
                    f.rating_mean + u.bias + coalesce(t.bias, 0)))),
                CASE WHEN h.residual IS NOT NULL THEN %6$L
                    WHEN t.id IS NOT NULL OR u.rated > 0 THEN ''baseline'' ELSE ''mean'' END,
                CASE WHEN h.residual IS NOT NULL THEN h.support ELSE u.rated END'
    END || '
            FROM f CROSS JOIN target t JOIN taste u ON u.n = t.n LEFT JOIN neighborhood h ON h.n = t.n
            ORDER BY t.n;' END || '
        END'
    FROM methods(m.rating_column IS NOT NULL) own WHERE own.method = m.method;
END;

COMMENT ON FUNCTION prediction_statement IS 'template of a model''s function predictions';

-- similar_items and similar_users: from stored neighbors, or the same cosine
-- over the ratings as they are.  Written for items; for users it is filled with
-- the names of users and items exchanged.

CREATE FUNCTION similar_statement(m model, what text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE what
        WHEN 'items' THEN '
        CREATE FUNCTION %1$I.similar_items(target_item %5$s, n integer DEFAULT 10)'
        ELSE '
        CREATE FUNCTION %1$I.similar_users(target_user %5$s, n integer DEFAULT 10)' END || '
        RETURNS TABLE (rank integer, %3$I %5$s, similarity float8)
        LANGUAGE sql STABLE PARALLEL SAFE ROWS 10 COST 1000
        BEGIN ATOMIC' ||
    CASE WHEN (what, f.family) IN (('items', 'item_neighbors'), ('items', 'weights'), ('users', 'user_neighbors')) THEN replace('
            SELECT row_number() OVER (ORDER BY w.weight DESC, w.id)::integer, o.%3$I, w.weight::float8
            FROM %1$I.TABLE t CROSS JOIN LATERAL socrec.svec_unnest(socrec.svec_top(t.neighbors, $2)) AS w(id, weight)
                JOIN %1$I.TABLE o ON o.id = w.id
            WHERE t.%3$I %11$s $1
            ORDER BY 1;',
            'TABLE', CASE what WHEN 'items' THEN 'item' ELSE 'user_neighbor' END)
    WHEN f.family = 'hybrid' THEN hybrid_template(m, 'similar_' || what)
    WHEN (what, f.family) = ('items', 'factors') THEN factor_template('similar')
    ELSE '
            WITH own AS MATERIALIZED (
                SELECT r.%2$I, r.rating FROM %1$I.rating r WHERE r.%3$I %11$s $1),
            shared AS (
                SELECT r.%3$I, socrec.weighted_sum(o.rating, r.rating) AS score
                FROM own o JOIN %1$I.rating r ON r.%2$I %10$s o.%2$I
                WHERE NOT r.%3$I %11$s $1
                GROUP BY r.%3$I),
            compared AS (
                SELECT s.%3$I, s.score / nullif(
                    sqrt((SELECT sum(o.rating ^ 2) FROM own o) *
                        (SELECT sum(r.rating ^ 2) FROM %1$I.rating r WHERE r.%3$I %11$s s.%3$I)), 0) AS similarity
                FROM shared s)
            SELECT row_number() OVER (ORDER BY c.similarity DESC, c.%3$I)::integer, c.%3$I, c.similarity
            FROM compared c
            WHERE c.similarity > 0
            ORDER BY 1
            LIMIT $2;'
    END || '
        END'
    FROM method_family(m.method) f(family);
END;

COMMENT ON FUNCTION similar_statement IS 'template of a model''s functions similar_items and similar_users';

-- explain: parts that add up to the score that recommend gives.

CREATE FUNCTION explain_statement(m model) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT '
        CREATE FUNCTION %1$I.explain(target_user %4$s, target_item %5$s)
        RETURNS TABLE (reason text, ' || CASE own.family WHEN 'user_neighbors' THEN '%2$I %4$s' ELSE '%3$I %5$s' END ||
            ', rating float8, similarity float8, contribution float8)
        LANGUAGE sql STABLE PARALLEL SAFE ROWS 10 COST 1000
        BEGIN ATOMIC' ||
    CASE own.family
        WHEN 'baseline' THEN '
            SELECT e.reason, NULL::%5$s, NULL::float8, NULL::float8, e.contribution
            FROM %1$I.fit f CROSS JOIN %1$I.item t CROSS JOIN LATERAL (
                SELECT coalesce(sum(r.rating - f.rating_mean - i.bias) / nullif(count(*) + %8$s, 0), 0) AS bias
                FROM %1$I.rating r JOIN %1$I.item i ON i.%3$I %11$s r.%3$I
                WHERE r.%2$I %10$s $1) u
                CROSS JOIN LATERAL (VALUES (1, ''mean of all ratings'', f.rating_mean),
                    (2, ''bias of the item'', t.bias), (3, ''bias of the user'', u.bias)) AS e(n, reason, contribution)
            WHERE t.%3$I %11$s $2
            ORDER BY e.n;'
        WHEN 'hybrid' THEN hybrid_template(m, 'explanation')
        WHEN 'popular' THEN '
            SELECT ''popularity'', NULL::%5$s, NULL::float8, NULL::float8, t.rating_count::float8
            FROM %1$I.item t
            WHERE t.%3$I %11$s $2;'
        ELSE CASE WHEN own.family IN ('item_neighbors', 'weights', 'deviations') THEN '
            WITH part AS MATERIALIZED (
                SELECT ''rated item'' AS reason, r.%3$I AS key, r.rating, w.weight, ' || scored_rating(m)
                    || CASE own.family WHEN 'deviations' THEN ' + coalesce(socrec.svec_get(i.deviations, t.id), 0)' ELSE '' END || ' AS scored
                FROM %1$I.item t CROSS JOIN %1$I.rating r
                    CROSS JOIN LATERAL (SELECT i.neighbors' || CASE own.family WHEN 'deviations' THEN ', i.deviations' ELSE '' END || ' FROM %1$I.item i WHERE i.%3$I %11$s r.%3$I OFFSET 0) i
                    CROSS JOIN LATERAL (SELECT socrec.svec_get(i.neighbors, t.id)::float8 AS weight) w
                WHERE t.%3$I %11$s $2 AND r.%2$I %10$s $1 AND w.weight IS NOT NULL)'
            WHEN own.family = 'user_neighbors' THEN '
            WITH part AS MATERIALIZED (
                SELECT ''similar user'' AS reason, r.%2$I AS key, r.rating, w.weight::float8 AS weight, r.rating AS scored
                FROM %1$I.user_neighbor u CROSS JOIN LATERAL socrec.svec_unnest(u.neighbors) AS w(id, weight)
                    JOIN %1$I.user_neighbor v ON v.id = w.id
                    JOIN %1$I.rating r ON r.%2$I %10$s v.%2$I
                WHERE u.%2$I %10$s $1 AND r.%3$I %11$s $2)'
            ELSE factor_template('explanation') END || CASE WHEN own.family = 'factors' THEN '' ELSE '
            SELECT p.reason, p.key, p.rating, p.weight,
                p.weight * p.scored / CASE WHEN %7$s THEN sum(abs(p.weight)) OVER () ELSE 1 END
            FROM part p' END || '
            UNION ALL
            SELECT ''popularity'', NULL, NULL, NULL, t.rating_count
            FROM %1$I.item t
            WHERE t.%3$I %11$s $2 AND NOT EXISTS (SELECT FROM part)
            ORDER BY 5 DESC, 2;'
    END || '
        END'
    FROM method_family(m.method) own(family);
END;

COMMENT ON FUNCTION explain_statement IS 'template of a model''s function explain';

-- How far rows e (actual, predicted, source) are off: what view evaluation says, and
-- what is kept of each version.

CREATE FUNCTION error_columns() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT 'count(*) AS n, socrec.sse(e.actual, e.predicted) AS sse, socrec.mse(e.actual, e.predicted) AS mse,
                socrec.rmse(e.actual, e.predicted) AS rmse, socrec.mae(e.actual, e.predicted) AS mae,
                avg((e.source = %9$L)::integer)::float8 AS coverage';
END;

COMMENT ON FUNCTION error_columns IS 'template of the columns that tell of the error of predictions';

-- All of them, in an order in which they can be created.

CREATE FUNCTION model_statements(m model) RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    statements text[];
    exchanged socrec.model := m;
BEGIN
    exchanged.user_column := m.item_column;
    exchanged.item_column := m.user_column;
    statements := socrec.table_statements(m) || ARRAY[
        'COMMENT ON VIEW %1$I.rating IS ''the ratings as they are now; held_out ones are kept from the model to measure its error''',
        socrec.recommend_statement(m),
        'COMMENT ON FUNCTION %1$I.recommend IS ''the n best items for a user, from the ratings as they are now''',
        'CREATE FUNCTION %1$I.recommend_all(n integer DEFAULT 10)
            RETURNS TABLE (%2$I %4$s, rank integer, %3$I %5$s, score float8, source text)
            LANGUAGE sql STABLE PARALLEL UNSAFE COST 1000000 ROWS 100000
            BEGIN ATOMIC
                SELECT r.user_id, r.rank, r.item_id, r.score, r.source
                FROM socrec.recommend_all(%1$L, NULL::%4$s, NULL::%5$s, $1) r;
            END',
        'COMMENT ON FUNCTION %1$I.recommend_all IS ''the n best unseen items for every user, all at once, from the ratings as they are now''',
        socrec.prediction_statement(m),
        'COMMENT ON FUNCTION %1$I.predictions IS ''predicted ratings of a user for several items, where they came from, and how many ratings spoke for them''',
        'CREATE FUNCTION %1$I.prediction(target_user %4$s, target_item %5$s, training_only boolean DEFAULT false)
            RETURNS TABLE (prediction float8, source text, support integer)
            LANGUAGE sql STABLE PARALLEL SAFE ROWS 1 COST 1000
            BEGIN ATOMIC
                SELECT p.prediction, p.source, p.support FROM %1$I.predictions($1, ARRAY[$2], $3) p;
            END',
        'COMMENT ON FUNCTION %1$I.prediction IS ''predicted rating of a user for an item, where it came from, and how many ratings spoke for it''',
        'CREATE FUNCTION %1$I.predict(target_user %4$s, target_item %5$s) RETURNS float8
            LANGUAGE sql STABLE PARALLEL SAFE COST 10000
            BEGIN ATOMIC SELECT p.prediction FROM %1$I.prediction($1, $2) p; END',
        'COMMENT ON FUNCTION %1$I.predict IS ''predicted rating of a user for an item''',
        socrec.similar_statement(m, 'items'),
        'COMMENT ON FUNCTION %1$I.similar_items IS ''the n most similar items''',
        socrec.explain_statement(m),
        'COMMENT ON FUNCTION %1$I.explain IS ''why recommend scores an item as it does: parts that add up to the score''',
        'CREATE VIEW %1$I.recommendations WITH (security_invoker = true) AS
            SELECT u.%2$I, r.rank, r.%3$I, r.score, r.source, r.support
            FROM (SELECT DISTINCT r.%2$I FROM %1$I.rating r) u CROSS JOIN LATERAL %1$I.recommend(u.%2$I) r',
        'COMMENT ON VIEW %1$I.recommendations IS ''the ten best items for every user; filter by user to compute only that one''',
        'CREATE VIEW %1$I.prediction_error WITH (security_invoker = true) AS
            SELECT h.%2$I, p.%3$I, h.ratings[p.n] AS actual, p.prediction AS predicted, p.source,
                (h.ratings[p.n] - p.prediction) ^ 2 AS squared_error
            FROM (
                SELECT r.%2$I, array_agg(r.%3$I ORDER BY r.%3$I) AS items, array_agg(r.rating ORDER BY r.%3$I) AS ratings
                FROM %1$I.rating r WHERE r.held_out GROUP BY r.%2$I) h
                CROSS JOIN LATERAL %1$I.predictions(h.%2$I, h.items, true) p',
        'COMMENT ON VIEW %1$I.prediction_error IS ''prediction and squared error of every rating that was held out''',
        'CREATE VIEW %1$I.evaluation WITH (security_invoker = true) AS
            SELECT ' || socrec.error_columns() || ' FROM %1$I.prediction_error e',
        'COMMENT ON VIEW %1$I.evaluation IS ''error over the ratings that were held out''',
        'COMMENT ON COLUMN %1$I.evaluation.sse IS ''M, the sum of (actual - predicted)^2''',
        'COMMENT ON COLUMN %1$I.evaluation.coverage IS ''share of predictions made by the method itself, not by its fallback''',
        'GRANT SELECT ON ALL TABLES IN SCHEMA %1$I TO PUBLIC',
        -- What follows tells of single users: for the owner alone.
        'CREATE TABLE %1$I.user_metric (
            run bigint NOT NULL, fold integer, %2$I %4$s %12$s NOT NULL, cutoff integer, n_relevant integer,
            "precision" float8, recall float8, hit_rate float8, ndcg float8, graded_ndcg float8, average_precision float8,
            reciprocal_rank float8, auc float8, squared_error float8, absolute_error float8, n_predictions integer)',
        'COMMENT ON TABLE %1$I.user_metric IS ''how well each user was served in the last evaluation of this model by its owner''',
        'COMMENT ON COLUMN %1$I.user_metric.run IS ''number of the run in socrec.evaluation''',
        'CREATE TABLE %1$I.version (
            version integer PRIMARY KEY, fitted_at timestamptz NOT NULL, fit_duration interval,
            rating_count bigint, user_count bigint, item_count bigint, replaced_at timestamptz, kept boolean NOT NULL DEFAULT false,
            n bigint, sse float8, mse float8, rmse float8, mae float8, coverage float8)',
        'COMMENT ON TABLE %1$I.version IS ''the fits of this model, the present one and former ones''',
        'COMMENT ON COLUMN %1$I.version.replaced_at IS ''null: the present one''',
        'COMMENT ON COLUMN %1$I.version.kept IS ''what it had learned is kept: CALL socrec.rollback can bring it back''',
        'COMMENT ON COLUMN %1$I.version.sse IS ''error over the ratings held out, when a refit made it; view evaluation has it of the first''',
        'GRANT SELECT ON %1$I.version TO PUBLIC',
        socrec.forget_statement(m),
        'COMMENT ON FUNCTION %1$I.forget_user IS ''removes what is stored of a user beside the ratings'''];
    -- Who draws from a posterior knows how sure a prediction is.
    IF m.options ? 'samples' THEN
        statements := statements || ARRAY[socrec.factor_template('interval'),
            'COMMENT ON FUNCTION %1$I.prediction_interval IS ''a predicted rating, its standard deviation, and the range of that many deviations around it'''];
    END IF;
    RETURN ARRAY(SELECT socrec.fill_template(m, s.template)
                 FROM unnest(statements) WITH ORDINALITY s(template, n) ORDER BY s.n)
        || ARRAY[
            socrec.fill_template(exchanged, socrec.similar_statement(m, 'users')),
            socrec.fill_template(m, 'COMMENT ON FUNCTION %1$I.similar_users IS ''the n most similar users''')];
END
$$;

COMMENT ON FUNCTION model_statements IS 'the statements that create a model''s objects';
