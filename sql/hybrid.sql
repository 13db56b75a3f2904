-- hybrid: a model that blends others, its parts
--
-- A part is a model of its own, NAME/LABEL, over the ratings of the hybrid, with its
-- holdout and its versions; it is made, fitted, kept, brought back and dropped with it.

CREATE FUNCTION hybrid_weights(query text, options jsonb)
RETURNS TABLE (part integer, rank_weight double precision, prediction_weight double precision)
AS 'MODULE_PATHNAME', 'socrec_hybrid_weights'
LANGUAGE c STABLE STRICT PARALLEL UNSAFE COST 1000000 ROWS 5;

COMMENT ON FUNCTION hybrid_weights IS 'the weights of the parts of a hybrid, given or fitted to the ratings of a query; options as model_options gives them';

-- A part as it is given, a name or an object, with its label.
CREATE FUNCTION hybrid_part(given jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part jsonb := CASE jsonb_typeof(given) WHEN 'string' THEN jsonb_build_object('method', given) ELSE given END;
    is_part boolean := CASE jsonb_typeof(part) WHEN 'object' THEN jsonb_typeof(part -> 'method') = 'string'
        AND part - ARRAY['method', 'options', 'label', 'weight'] = '{}'
        AND coalesce(jsonb_typeof(part -> 'options'), 'object') = 'object'
        AND coalesce(jsonb_typeof(part -> 'label'), 'string') = 'string' AND coalesce(part ->> 'label', 'method') <> ''
        AND coalesce(jsonb_typeof(part -> 'weight'), 'number') = 'number' END;
    bad text;
BEGIN
    IF is_part IS NOT TRUE THEN
        RAISE invalid_parameter_value USING MESSAGE = format('a part cannot be %s', given),
            HINT = 'It is the name of a method or an object with "method" and, if wanted, "options", "label" and "weight".';
    END IF;
    IF part ->> 'method' = 'hybrid' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'a part of a hybrid cannot be a hybrid',
            HINT = 'Name the parts of that one.';
    END IF;
    IF (part ->> 'weight')::float8 < 0 THEN
        RAISE invalid_parameter_value USING MESSAGE = format('the weight of a part cannot be %s', part ->> 'weight'),
            HINT = 'Weights are 0 or more; leave all of them out to have them fitted.';
    END IF;
    SELECT o INTO bad FROM jsonb_object_keys(coalesce(part -> 'options', '{}')) o
        WHERE o IN ('holdout', 'track_changes', 'versions', 'keep_models') ORDER BY o LIMIT 1;
    IF FOUND THEN
        RAISE invalid_parameter_value USING MESSAGE = format('a part has no option "%s" of its own', bad),
            HINT = 'Give it to the hybrid.';
    END IF;
    RETURN jsonb_build_object('label', part -> 'method', 'options', '{}'::jsonb) || part;
END
$$;

COMMENT ON FUNCTION hybrid_part IS 'a part of a hybrid as it is given, checked, and with all that can be left out';

-- The options of a hybrid with those of its parts completed; a seed is also theirs.
CREATE FUNCTION hybrid_options(given jsonb, explicit boolean) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    parts jsonb;
    n bigint;
    weighted bigint;
    weight float8;
    label text;
BEGIN
    IF jsonb_typeof(given) IS DISTINCT FROM 'object' OR jsonb_typeof(given -> 'parts') <> 'array' THEN
        RETURN given; -- which socrec.check_options refuses
    END IF;
    SELECT jsonb_agg(p.part || jsonb_build_object('options',
                socrec.model_options(p.part ->> 'method',
                    jsonb_build_object('seed', coalesce(given -> 'seed', '0')) || (p.part -> 'options'), explicit)
                - ARRAY['holdout', 'track_changes', 'versions', 'keep_models']) ORDER BY p.n),
            count(*), count(p.part -> 'weight'), sum((p.part ->> 'weight')::float8)
        INTO parts, n, weighted, weight
        FROM (SELECT e.n, socrec.hybrid_part(e.value) AS part FROM jsonb_array_elements(given -> 'parts') WITH ORDINALITY e(value, n)) p;
    IF n NOT BETWEEN 2 AND 16 THEN
        RAISE invalid_parameter_value USING MESSAGE = format('a hybrid has 2 to 16 parts, not %s', n);
    END IF;
    IF weighted NOT IN (0, n) OR weight = 0 THEN
        RAISE invalid_parameter_value USING MESSAGE = CASE WHEN weight = 0 THEN 'the weights of all parts are 0' ELSE 'some parts have a weight and others have none' END,
            HINT = 'Give a weight to each, or to none to have them fitted.';
    END IF;
    SELECT p.part ->> 'label' INTO label FROM jsonb_array_elements(parts) p(part) GROUP BY 1 HAVING count(*) > 1 LIMIT 1;
    IF FOUND THEN
        RAISE invalid_parameter_value USING MESSAGE = format('more than one part is called "%s"', label),
            HINT = 'Give each a "label" of its own.';
    END IF;
    RETURN given || jsonb_build_object('parts', parts);
END
$$;

COMMENT ON FUNCTION hybrid_options IS 'the options of a hybrid, with those of its parts completed';

-- What a part's row in the registry begins as.
CREATE FUNCTION hybrid_parts(m model) RETURNS SETOF model
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 5
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT m.name || '/' || (p.part ->> 'label'), m.source, m.user_column, m.item_column, m.rating_column, p.part ->> 'method',
        jsonb_build_object('holdout', m.options -> 'holdout', 'track_changes', false, 'versions', m.options -> 'versions',
            'keep_models', m.options -> 'keep_models') || (p.part -> 'options'),
        m.created_at, NULL::timestamptz, NULL::interval, NULL::bigint, NULL::bigint, NULL::bigint, m.version, NULL::text
    FROM jsonb_array_elements(CASE WHEN m.method = 'hybrid' AND jsonb_typeof(m.options -> 'parts') = 'array' THEN m.options -> 'parts' END) WITH ORDINALITY p(part, n)
    ORDER BY p.n;
END;

COMMENT ON FUNCTION hybrid_parts IS 'the parts of a hybrid as they are when it is made; none of other models';

CREATE FUNCTION model_parts(m model) RETURNS SETOF model
LANGUAGE sql STABLE PARALLEL SAFE ROWS 5
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT r.* FROM hybrid_parts(m) WITH ORDINALITY p JOIN model r ON r.name = p.name ORDER BY p.ordinality;
END;

COMMENT ON FUNCTION model_parts IS 'the rows that the parts of a hybrid have in the registry; none of other models';

CREATE FUNCTION refuse_part(name text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    hybrid text;
BEGIN
    -- Of the same owner: nobody can make a part of somebody else's model.
    SELECT m.name INTO hybrid
        FROM socrec.model m JOIN pg_namespace h ON h.nspname = m.name JOIN pg_namespace o ON o.nspname = $1 AND o.nspowner = h.nspowner
        WHERE m.method = 'hybrid' AND EXISTS (SELECT FROM socrec.hybrid_parts(m) p WHERE p.name = $1);
    IF FOUND THEN
        RAISE object_in_use USING MESSAGE = format('model "%s" is a part of model "%s"', name, hybrid),
            HINT = 'Do this with that model.';
    END IF;
END
$$;

COMMENT ON FUNCTION refuse_part IS 'an error if a model is a part of a hybrid, which it is then fitted and dropped with';

-- Create a part, not yet fitted.  Its ratings are the hybrid's.
CREATE FUNCTION build_part(m model, hybrid text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM socrec.check_model(m);
    m.options := socrec.model_options(m.method, jsonb_strip_nulls(m.options), m.rating_column IS NOT NULL);
    EXECUTE format('CREATE SCHEMA %I', m.name);
    EXECUTE format('CREATE VIEW %1$I.rating WITH (security_invoker = true) AS SELECT r.%2$I, r.%3$I, r.rating, r.held_out FROM %4$I.rating r',
        m.name, m.user_column, m.item_column, hybrid);
    PERFORM socrec.execute_all(socrec.model_statements(m));
    DELETE FROM socrec.model r WHERE r.name = m.name;
    INSERT INTO socrec.model VALUES (m.*);
END
$$;

COMMENT ON FUNCTION build_part IS 'creates a part of a hybrid, and stores its row';

CREATE FUNCTION fit_parts(m model) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part socrec.model;
BEGIN
    -- Before the ratings are read: what changes meanwhile shows the next time.
    IF m.method = 'hybrid' AND (m.options ->> 'track_changes')::boolean THEN
        EXECUTE format('DELETE FROM %I.change', m.name);
    END IF;
    -- The first at last: its items are the hybrid's, and should have all of the others'.
    FOR part IN SELECT r.* FROM socrec.hybrid_parts(m) WITH ORDINALITY p JOIN socrec.model r ON r.name = p.name ORDER BY p.ordinality DESC LOOP
        PERFORM socrec.register_fit(socrec.fit_model(part));
    END LOOP;
END
$$;

COMMENT ON FUNCTION fit_parts IS 'fits the parts of a hybrid';

-- What stands in the templates of method.sql where the method is hybrid.

-- A name as it is written in a template.
CREATE FUNCTION quote_template(name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT replace(quote_ident(name), '%', '%%');
END;

COMMENT ON FUNCTION quote_template IS 'a name, quoted to stand in a template of method.sql';

-- Whether its predictions are ratings: those of a part at least are.
CREATE FUNCTION hybrid_rates(m model) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT bool_or(t.rates) FROM hybrid_parts(m) p CROSS JOIN LATERAL methods(p.rating_column IS NOT NULL) t WHERE t.method = p.method;
END;

COMMENT ON FUNCTION hybrid_rates IS 'whether what a hybrid predicts is a rating';

-- The lists of all parts with each item's place in them, from 0 to 1.
CREATE FUNCTION hybrid_lists(m model, exclude_seen text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT '
                SELECT l.number, l.label, l.weight, l.key, coalesce((l.score - min(l.score) OVER w)
                    / nullif(max(l.score) OVER w - min(l.score) OVER w, 0), 1) AS place
                FROM (' || string_agg(format('
                    SELECT p.number, p.label, p.rank_weight AS weight, r.%%3$I AS key, r.score
                    FROM %%1$I.part p CROSS JOIN LATERAL %s.recommend($1, %s, %s) r
                    WHERE p.number = %s AND p.rank_weight > 0 AND r.source = p.method',
                    quote_template(p.name), m.options ->> 'depth', exclude_seen, p.ordinality), '
                    UNION ALL' ORDER BY p.ordinality) || ') l
                WINDOW w AS (PARTITION BY l.number)'
    FROM hybrid_parts(m) WITH ORDINALITY p;
END;

COMMENT ON FUNCTION hybrid_lists IS 'template of a query that returns the lists of all parts of a hybrid';

CREATE FUNCTION hybrid_template(m model, part text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE part
        WHEN 'candidates' THEN '
                SELECT row_number() OVER (ORDER BY s.score DESC, i.id)::integer AS rank, i.id, s.score, s.support
                FROM (SELECT l.key, sum(l.weight * l.place ORDER BY l.number) AS score, count(*)::integer AS support
                    FROM (' || hybrid_lists(m, '$3') || ') l
                    GROUP BY l.key
                    HAVING count(*) >= $4) s
                    JOIN %1$I.item i ON i.%3$I %11$s s.key
                ORDER BY s.score DESC, i.id
                LIMIT $2'
        WHEN 'similar_items' THEN (SELECT '
            SELECT s.rank, s.%3$I, s.similarity FROM ' || quote_template(p.name) || '.similar_items($1, $2) s ORDER BY 1;' FROM hybrid_parts(m) p LIMIT 1)
        WHEN 'similar_users' THEN (SELECT '
            SELECT s.rank, s.%3$I, s.similarity FROM ' || quote_template(p.name) || '.similar_users($1, $2) s ORDER BY 1;' FROM hybrid_parts(m) p LIMIT 1)
        WHEN 'explanation' THEN '
            WITH part AS MATERIALIZED (
                SELECT l.* FROM (' || hybrid_lists(m, 'NOT EXISTS (SELECT FROM %1$I.rating r WHERE r.%2$I %10$s $1 AND r.%3$I %11$s $2)') || ') l
                WHERE l.key %11$s $2)
            SELECT p.label, NULL::%5$s, NULL::float8, p.place, p.weight * p.place
            FROM part p
            UNION ALL
            SELECT ''popularity'', NULL, NULL, NULL, t.rating_count
            FROM %1$I.item t
            WHERE t.%3$I %11$s $2 AND NOT EXISTS (SELECT FROM part)
            ORDER BY 5 DESC, 1;'
        WHEN 'predictions' THEN '
            WITH f AS (SELECT * FROM %1$I.fit LIMIT 1),
            given AS (' || (
                SELECT string_agg(format('
                SELECT p.number, p.prediction_weight AS weight, r.n, r.prediction, r.source, r.support, r.source = p.method AS own
                FROM %%1$I.part p CROSS JOIN LATERAL %s.predictions($1, $2, $3) r
                WHERE p.number = %s AND p.prediction_weight > 0', quote_template(p.name), p.ordinality), '
                UNION ALL' ORDER BY p.ordinality)
                FROM hybrid_parts(m) WITH ORDINALITY p) || '),
            blend AS (
                SELECT g.n, sum(g.weight * (g.prediction' || CASE WHEN hybrid_rates(m) THEN ' - f.rating_mean' ELSE '' END || ') ORDER BY g.number) AS value,
                    count(*) FILTER (WHERE g.own)::integer AS own,
                    (array_agg(g.source ORDER BY g.number))[1] AS source, (array_agg(g.support ORDER BY g.number))[1] AS support
                FROM f CROSS JOIN given g
                GROUP BY g.n)
            SELECT a.n::integer, a.key, ' || CASE WHEN hybrid_rates(m) THEN 'least(f.rating_max, greatest(f.rating_min, f.rating_mean + b.value))' ELSE 'b.value' END || ',
                CASE WHEN b.own > 0 THEN %6$L ELSE b.source END, CASE WHEN b.own > 0 THEN b.own ELSE b.support END
            FROM f CROSS JOIN unnest($2) WITH ORDINALITY a(key, n) JOIN blend b ON b.n = a.n
            ORDER BY a.n;'
    END;
END;

COMMENT ON FUNCTION hybrid_template IS 'a part of the templates of a model''s objects, of hybrids';

-- The statements that fit a hybrid whose parts are fitted: items are numbered and
-- counted as the first part does.
CREATE FUNCTION hybrid_fit_statements(m model) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT ARRAY['DELETE FROM %1$I.fit', 'DELETE FROM %1$I.item', 'DELETE FROM %1$I.part',
        format('INSERT INTO %%1$I.fit SELECT f.rating_mean, f.rating_min, f.rating_max, f.rating_count, f.user_count, f.item_count FROM %s.fit f', first.name),
        format('INSERT INTO %%1$I.item SELECT i.id, i.%%3$I, i.rating_count, i.mean, i.bias, i.norm, NULL FROM %s.item i', first.name),
        format('INSERT INTO %%1$I.part
            SELECT p.part, n.name, n.label, n.method, p.rank_weight, p.prediction_weight
            FROM socrec.hybrid_weights(%s, %s) p JOIN (VALUES %s) n(part, name, label, method) ON n.part = p.part',
            replace(quote_literal(rating_query(m, training => true)), '%', '%%'),
            replace(quote_literal(m.options), '%', '%%'),
            (SELECT string_agg(replace(format('(%s, %L, %L, %L)', p.ordinality, p.name, substr(p.name, length(m.name) + 2), p.method), '%', '%%'),
                ', ' ORDER BY p.ordinality) FROM hybrid_parts(m) WITH ORDINALITY p))]
    FROM (SELECT quote_template(p.name) AS name FROM hybrid_parts(m) p LIMIT 1) first;
END;

COMMENT ON FUNCTION hybrid_fit_statements IS 'templates of the statements that fit a hybrid to its fitted parts';

-- The queries that C reads the parts of a hybrid with: of their weights, then those of
-- each part.
CREATE FUNCTION hybrid_stored_queries(m model) RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part socrec.model;
    counts integer[] := '{}';
    queries text[] := '{}';
BEGIN
    FOR part IN SELECT * FROM socrec.hybrid_parts(m) LOOP
        counts := counts || cardinality(socrec.stored_queries(part));
        queries := queries || socrec.stored_queries(part);
    END LOOP;
    RETURN format('SELECT (%L::integer[])[p.number], p.rank_weight, p.prediction_weight FROM %I.part p ORDER BY p.number', counts, m.name) || queries;
END
$$;

COMMENT ON FUNCTION hybrid_stored_queries IS 'the queries that read what the parts of a hybrid have stored';
