-- behavior_model: a behavior model is a schema, as a recommender is
--
-- Its view sample is the only way to the source.  A feature, or term, is a column of
-- numbers, whether a column has a value (its level), or an element of a vector (by its
-- subscript).  What is estimated is stored in coefficient; the functions
-- score and explain carry it in their text, so that a scan over rows to score reads
-- no table of the model's, and a refit replaces them.  What writes numbers as text
-- sets extra_float_digits, as a session may have fewer digits.

CREATE TYPE behavior_scorer AS (
    intercepts double precision[],
    terms text[],
    levels text[],
    subscripts bigint[],
    weights double precision[],
    defaults double precision[],
    classes text[]
);

COMMENT ON TYPE behavior_scorer IS 'what a behavior model needs to score a row: vectors of weights one after the other';

CREATE FUNCTION behavior_options(family text, given jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known CONSTANT jsonb := '{"weight": null, "offset": null, "choice_set": null, "cluster": null, "shard": null, "positive": null,
        "reference_class": null, "reference": {}, "class_weight": {}, "balanced": false, "categorical": [], "missing": "drop", "intercept": true,
        "l1": 0, "l2": 0, "standardize": true, "path": 0, "std_errors": "auto", "collinear": "drop", "separation": "warn",
        "max_iterations": 50, "tolerance": 1e-12, "execution": "auto", "holdout": 0, "seed": 0, "versions": 10, "keep_models": 0}';
    types CONSTANT jsonb := '{"weight": "string", "offset": "string", "choice_set": "string", "cluster": "string", "shard": "string",
        "positive": "string", "reference_class": "string"}';
    choices CONSTANT jsonb := '{"missing": ["drop", "impute"], "std_errors": ["auto", "model", "robust", "cluster", "none"],
        "collinear": ["drop", "error"], "separation": ["warn", "error"], "execution": ["auto", "memory", "query"]}';
    patterns CONSTANT jsonb := '{"path": "^[0-9]{1,4}$", "max_iterations": "^[1-9][0-9]{0,5}$", "versions": "^[0-9]{1,4}$",
        "keep_models": "^[0-9]{1,4}$", "seed": "^-?[0-9]{1,18}$", "l1": "^[0-9.e+]+$", "l2": "^[0-9.e+]+$", "tolerance": "^[0-9.]*[1-9][0-9.]*$"}';
    options jsonb;
BEGIN
    IF family NOT IN ('logistic', 'multinomial', 'conditional') OR family IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = format('unknown family "%s"', family),
            HINT = 'Use one of: logistic, multinomial, conditional.';
    END IF;
    options := socrec.check_options('family ' || family, given, known, types, choices, patterns);
    IF (options ->> 'holdout')::float8 NOT BETWEEN 0 AND 0.9 THEN
        RAISE invalid_parameter_value
            USING MESSAGE = format('option "holdout" must be between 0 and 0.9, not %s', options ->> 'holdout');
    ELSIF (family = 'conditional') <> (options -> 'choice_set' <> 'null') THEN
        RAISE invalid_parameter_value USING MESSAGE = CASE family WHEN 'conditional' THEN 'family conditional needs option "choice_set"'
                ELSE format('family %s has no choice sets', family) END,
            HINT = CASE family WHEN 'conditional' THEN 'It names the column that says which rows are alternatives to each other.'
                ELSE 'Family conditional has.' END;
    ELSIF family = 'multinomial' AND options -> 'offset' <> 'null' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'option "offset" is not for family multinomial',
            HINT = 'What is added to the scores of all classes makes no difference.';
    ELSIF family = 'conditional' AND (options -> 'class_weight' <> '{}' OR options -> 'balanced' <> 'false') THEN
        RAISE invalid_parameter_value USING MESSAGE = 'options "class_weight" and "balanced" are not for family conditional',
            HINT = 'Option "weight" says what a choice counts.';
    ELSIF options -> 'class_weight' <> '{}' AND options -> 'balanced' <> 'false' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'options "class_weight" and "balanced" cannot both be given';
    ELSIF EXISTS (SELECT FROM jsonb_each(options -> 'class_weight') c WHERE jsonb_typeof(c.value) <> 'number' OR c.value <= '0') THEN
        RAISE invalid_parameter_value USING MESSAGE = format('option "class_weight" must have numbers greater than 0, not %s', options -> 'class_weight');
    ELSIF family = 'conditional' AND options -> 'shard' <> 'null' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'option "shard" is not for family conditional',
            HINT = 'The alternatives of a choice set are gathered before they are summed up.';
    ELSIF (options ->> 'std_errors' = 'cluster') <> (options -> 'cluster' <> 'null') THEN
        RAISE invalid_parameter_value USING MESSAGE = CASE options -> 'cluster' WHEN 'null' THEN 'option "std_errors" is "cluster", but option "cluster" names no column'
                ELSE 'option "cluster" has a meaning only where option "std_errors" is "cluster"' END,
            HINT = 'Give both: {"std_errors": "cluster", "cluster": "customer_id"}.';
    ELSIF options -> 'positive' <> 'null' AND family = 'multinomial' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'family multinomial predicts every class: it has no option "positive"',
            HINT = 'Family logistic predicts one value against all others.';
    ELSIF options -> 'reference_class' <> 'null' AND family <> 'multinomial' THEN
        RAISE invalid_parameter_value USING MESSAGE = format('family %s has no option "reference_class"', family),
            HINT = 'Option "positive" says which value is to be predicted.';
    ELSIF options ->> 'path' <> '0' AND options ->> 'l1' = '0' THEN
        RAISE invalid_parameter_value USING MESSAGE = format('a path of %s steps needs a penalty "l1"', options ->> 'path'),
            HINT = 'It leads from the least penalty that leaves nothing down to "l1".';
    END IF;
    RETURN options;
END
$$;

COMMENT ON FUNCTION behavior_options IS 'all options of a family of behavior models, the given ones over the defaults';

-- What of a row s of the sample to compare with the text of a value, byte by byte.
-- Columns of which that is true anyway are left as they are, for servers of foreign
-- tables to compare them.
CREATE FUNCTION behavior_comparand(m model, name text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format(CASE WHEN a.atttypid IN ('boolean'::regtype, 'smallint'::regtype, 'integer'::regtype, 'bigint'::regtype)
            OR a.atttypid IN ('text'::regtype, 'varchar'::regtype) AND c.collisdeterministic THEN 's.%I' ELSE 's.%I::text COLLATE "C"' END, a.attname)
    FROM pg_attribute a LEFT JOIN pg_collation c ON c.oid = a.attcollation
    WHERE a.attrelid = format('%I.sample', m.name)::regclass AND a.attname = behavior_comparand.name;
END;

COMMENT ON FUNCTION behavior_comparand IS 'the expression of a column of a behavior model, to compare with a value';

-- The columns of a model's sample that are not features.
CREATE FUNCTION behavior_roles(m model) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT array_remove(ARRAY[m.target_column, m.options ->> 'weight', m.options ->> 'offset', m.options ->> 'choice_set',
        m.options ->> 'cluster', m.options ->> 'shard'], NULL);
END;

COMMENT ON FUNCTION behavior_roles IS 'the columns of a behavior model that are not features';

CREATE FUNCTION behavior_has_intercept(m model) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT m.method <> 'conditional' AND (m.options ->> 'intercept')::boolean;
END;

COMMENT ON FUNCTION behavior_has_intercept IS 'whether the first term of a behavior model is the intercept';

-- The share of rows to hold out, by a hash: of whole clusters, or else choice sets, or
-- else of what the model sees of a row, so that equal rows are on one side.  The hash of
-- a hash, as that of a record is a sum.
CREATE FUNCTION behavior_hash(m model, seed bigint, sample_columns text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT format('(pg_catalog.hashint8extended(pg_catalog.hash_record_extended(ROW(%s), 0), %s) OPERATOR(pg_catalog.&) 1073741823)',
        string_agg(format('s.%I', c.name), ', ' ORDER BY c.n), seed)
    FROM unnest(CASE WHEN m.options -> 'cluster' <> 'null' THEN ARRAY[m.options ->> 'cluster']
        WHEN m.options -> 'choice_set' <> 'null' THEN ARRAY[m.options ->> 'choice_set'] ELSE array_remove(sample_columns, m.options ->> 'shard') END) WITH ORDINALITY c(name, n);
END;

COMMENT ON FUNCTION behavior_hash IS 'the expression of a number below 2^30 that tells the rows of a behavior model apart';

-- An error that says which of the columns that a model needs its source lacks; none
-- when it is something else that is wrong.
CREATE FUNCTION report_missing_column(m model, listed text[], source_clause text, caller_path text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    hint text;
BEGIN
    PERFORM socrec.execute_for_caller(format('SELECT FROM %s AS s LIMIT 0', source_clause), caller_path);
    FOR i IN 1 .. cardinality(listed) LOOP
        BEGIN
            PERFORM socrec.execute_for_caller(format('SELECT s.%I FROM %s AS s LIMIT 0', listed[i], source_clause), caller_path);
        EXCEPTION
            WHEN undefined_column OR syntax_error THEN
                GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
                RAISE undefined_column USING MESSAGE = format('the source has no column "%s", which is to be %s', listed[i],
                        coalesce((SELECT CASE r.role WHEN 'target' THEN 'the target' ELSE format('the %s', replace(r.role, '_', ' ')) END
                            FROM jsonb_each_text(m.options || jsonb_build_object('target', m.target_column)) r(role, name)
                            WHERE r.name = listed[i] AND r.role IN ('target', 'weight', 'offset', 'choice_set', 'cluster', 'shard') LIMIT 1), 'a feature')),
                    HINT = coalesce(nullif(replace(hint, '"s.', '"'), ''), 'Names of columns are as they are in the catalog: upper and lower case differ.');
        END;
    END LOOP;
END
$$;

COMMENT ON FUNCTION report_missing_column IS 'an error that names a column that a behavior model needs and its source lacks';

-- Create the view sample, under the caller's search_path: the columns listed, or all.
CREATE FUNCTION create_sample_view(m model, features text[], caller_path text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    source_clause text := socrec.from_clause(m.source, caller_path);
    listed text[] := ARRAY(SELECT c FROM unnest(socrec.behavior_roles(m) || features) WITH ORDINALITY u(c, n) GROUP BY c ORDER BY min(n));
    own text;
BEGIN
    BEGIN
        IF features IS NULL THEN
            PERFORM socrec.execute_for_caller(format('CREATE VIEW %I.sample AS SELECT s.* FROM %s AS s', m.name, source_clause), caller_path);
            -- A role that is no column is an error of the view, below.
            SELECT array_agg(c.name ORDER BY c.n) INTO listed FROM (
                SELECT u.name, min(u.n) AS n FROM (
                    SELECT a.attname::text, a.attnum FROM pg_attribute a WHERE a.attrelid = format('%I.sample', m.name)::regclass AND a.attnum > 0
                    UNION ALL SELECT r, 10000 FROM unnest(listed) r) u(name, n)
                GROUP BY 1) c;
            EXECUTE format('DROP VIEW %I.sample', m.name);
        END IF;
        -- The view prediction has the column of the choice sets beside its own.
        own := CASE WHEN 'held_out' = ANY (listed) THEN 'held_out'
            WHEN m.options ->> 'choice_set' IN ('actual', 'predicted', 'probability', CASE WHEN m.options -> 'weight' <> 'null' THEN 'weight' END)
                THEN m.options ->> 'choice_set' END;
        IF own IS NOT NULL THEN
            RAISE duplicate_column USING MESSAGE = format('the model has a column "%s" of its own', own),
                HINT = 'Give a query as source that calls this column something else.';
        END IF;
        PERFORM socrec.execute_for_caller(format('CREATE VIEW %I.sample WITH (security_invoker = true) AS SELECT %s, %s AS held_out FROM %s AS s',
            m.name, (SELECT string_agg(format('s.%I', c), ', ' ORDER BY n) FROM unnest(listed) WITH ORDINALITY u(c, n)),
            CASE WHEN (m.options ->> 'holdout')::float8 > 0 THEN format('%s OPERATOR(pg_catalog.<) %s',
                socrec.behavior_hash(m, (m.options ->> 'seed')::bigint, listed), round((m.options ->> 'holdout')::float8 * 1073741824))
            ELSE 'false' END, source_clause), caller_path);
    EXCEPTION
        WHEN undefined_column OR syntax_error THEN
            PERFORM socrec.report_missing_column(m, listed, source_clause, caller_path);
            RAISE;
        WHEN invalid_table_definition THEN
            RAISE invalid_table_definition USING MESSAGE = format('the source cannot be read again later: %s', SQLERRM),
                HINT = 'A model keeps a view of its source, which cannot be a temporary table: give it one that stays.';
    END;
END
$$;

COMMENT ON FUNCTION create_sample_view IS 'creates the view through which a behavior model reads its source';

CREATE FUNCTION sample_columns(m model) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
    WHERE a.attrelid = format('%I.sample', m.name)::regclass AND a.attnum > 0 AND a.attname <> 'held_out';
END;

COMMENT ON FUNCTION sample_columns IS 'the columns of a behavior model''s sample that are the source''s';

-- The features that a model has: columns of the sample, and what they are: number,
-- category, array or svec.  Errors say which cannot be.
CREATE FUNCTION behavior_columns(m model)
RETURNS TABLE (n integer, name text, kind text, ordering text)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    c record;
BEGIN
    FOR c IN
        SELECT f.n, f.name, a.atttypid, t.typcategory, f.name IN (SELECT jsonb_array_elements_text(m.options -> 'categorical')) AS wanted,
            b.base = 'socrec.svec'::regtype AS is_svec, e.typcategory AS element_category
        FROM jsonb_array_elements_text(m.options -> 'features') WITH ORDINALITY f(name, n)
            JOIN pg_attribute a ON a.attrelid = format('%I.sample', m.name)::regclass AND a.attname = f.name
            JOIN pg_type t ON t.oid = a.atttypid
            CROSS JOIN LATERAL (WITH RECURSIVE d(type) AS (
                    SELECT a.atttypid UNION ALL SELECT x.typbasetype FROM d JOIN pg_type x ON x.oid = d.type AND x.typbasetype <> 0)
                SELECT d.type FROM d JOIN pg_type x ON x.oid = d.type AND x.typbasetype = 0) b(base)
            LEFT JOIN pg_type u ON u.oid = b.base AND u.typcategory = 'A'
            LEFT JOIN pg_type e ON e.oid = u.typelem
        ORDER BY f.n
    LOOP
        n := c.n;
        name := c.name;
        kind := CASE WHEN c.wanted OR c.typcategory IN ('S', 'B', 'E') THEN 'category' WHEN c.typcategory = 'N' THEN 'number'
            WHEN c.is_svec THEN 'svec' WHEN c.element_category = 'N' THEN 'array' END;
        ordering := CASE WHEN c.typcategory = 'S' THEN format('s.%I::text COLLATE "C"', c.name) ELSE format('s.%I', c.name) END;
        IF kind IS NULL THEN
            RAISE datatype_mismatch
                USING MESSAGE = format('feature "%s" is of type %s, neither a number, nor a vector, nor a category', c.name, format_type(c.atttypid, NULL)),
                      HINT = 'Compute numbers from it in a query as source, or name it in option "categorical".';
        END IF;
        IF kind = 'category' AND (c.typcategory IN ('D', 'T') OR c.atttypid = 'bytea'::regtype) THEN
            RAISE datatype_mismatch
                USING MESSAGE = format('feature "%s" is of type %s, whose text depends on settings', c.name, format_type(c.atttypid, NULL)),
                      HINT = 'Compute a text from it in a query as source, such as to_char(at, ''YYYY-MM-DD'').';
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

COMMENT ON FUNCTION behavior_columns IS 'the columns that are features of a behavior model';

-- The condition that a row s of the sample has a value in a column of this kind, and
-- of an array all elements.
CREATE FUNCTION presence_condition(name text, kind text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN format(CASE kind WHEN 'array' THEN 'num_nulls(VARIADIC s.%I) = 0' ELSE 's.%I IS NOT NULL' END, name);

COMMENT ON FUNCTION presence_condition IS 'the condition that a column of a behavior model has a value';

-- The condition of a row s of the sample that can be fitted.
CREATE FUNCTION behavior_condition(m model) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT string_agg(presence_condition(u.c, k.kind), ' AND ') || coalesce(' AND s.' || quote_ident(m.options ->> 'weight') || ' <> 0', '')
    FROM (SELECT unnest(array_remove(behavior_roles(m), m.options ->> 'shard')) UNION
        SELECT jsonb_array_elements_text(CASE m.options ->> 'missing' WHEN 'drop' THEN m.options -> 'features' ELSE '[]' END)) u(c)
        LEFT JOIN behavior_columns(m) k ON k.name = u.c;
END;

COMMENT ON FUNCTION behavior_condition IS 'the condition of a row that a behavior model can be fitted on';

CREATE FUNCTION behavior_count_query(m model) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT format('SELECT count(*) FROM %I.sample s WHERE NOT s.held_out AND %s', m.name, behavior_condition(m));
END;

COMMENT ON FUNCTION behavior_count_query IS 'the query of how many rows a behavior model would be fitted on';

-- What happened in a row s of the sample, as a boolean, or the class as text.
CREATE FUNCTION behavior_outcome(m model) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    category "char";
BEGIN
    SELECT t.typcategory INTO category FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = format('%I.sample', m.name)::regclass AND a.attname = m.target_column;
    IF m.method = 'multinomial' THEN
        RETURN format('s.%I::text COLLATE "C"', m.target_column);
    ELSIF m.options -> 'positive' <> 'null' THEN
        RETURN format('(%s = %L)', socrec.behavior_comparand(m, m.target_column), m.options ->> 'positive');
    ELSIF category = 'B' THEN
        RETURN format('s.%I', m.target_column);
    ELSIF category = 'N' THEN
        RETURN format('(s.%I = 1)', m.target_column);
    END IF;
    RAISE datatype_mismatch USING MESSAGE = format('target "%s" is neither boolean nor a number', m.target_column),
        HINT = 'Option "positive" says which value is to be predicted; family multinomial predicts several.';
END
$$;

COMMENT ON FUNCTION behavior_outcome IS 'the expression of what happened in a row of a behavior model';

-- The query of the levels of categories, by the number of the column, from one scan
-- or from a scan for each; NULL without categories.  A level is a text, also where a
-- type calls texts equal.
CREATE FUNCTION level_query(m model, condition text, one_scan boolean) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format(CASE WHEN one_scan THEN 'WITH s AS MATERIALIZED (SELECT %1$s FROM %2$s GROUP BY GROUPING SETS (%3$s)) ' ELSE '' END
            || 'SELECT u.n, array_agg(u.level ORDER BY u.place) AS levels
            FROM (SELECT v.n, v.level, min(v.place) AS place FROM (%4$s) v GROUP BY 1, 2) u GROUP BY 1',
        string_agg(format('%s, grouping(s.%I) AS "is other than %s"', c.columns, c.name, c.n), ', ' ORDER BY c.n),
        r.rows, string_agg(format('(s.%1$I, s.%1$I::text COLLATE "C")', c.name), ', ' ORDER BY c.n),
        string_agg(format('SELECT %2$s AS n, s."text of %2$s" AS level, row_number() OVER (ORDER BY %3$s, s."text of %2$s") AS place
            FROM %4$s s.%1$I IS NOT NULL', c.name, c.n, c.ordering, CASE WHEN one_scan THEN format('s WHERE s."is other than %s" = 0 AND', c.n)
                ELSE format('(SELECT %s FROM %s GROUP BY 1, 2) s WHERE', c.columns, r.rows) END), ' UNION ALL ' ORDER BY c.n))
    FROM (SELECT *, format('s.%1$I, s.%1$I::text COLLATE "C" AS "text of %2$s"', name, n) AS columns FROM behavior_columns(m) WHERE kind = 'category') c,
        format('%I.sample s WHERE NOT s.held_out AND %s', m.name, condition) r(rows)
    GROUP BY r.rows;
END;

COMMENT ON FUNCTION level_query IS 'the query of the levels that the categories of a behavior model have';

CREATE FUNCTION behavior_levels(m model, condition text)
RETURNS TABLE (n integer, levels text[])
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    query CONSTANT text := socrec.level_query(m, condition, one_scan => true);
BEGIN
    IF query IS NOT NULL THEN
        RETURN QUERY EXECUTE query;
    END IF;
EXCEPTION WHEN feature_not_supported THEN
    -- Planners of distributed tables may not know grouping sets.
    RETURN QUERY EXECUTE socrec.level_query(m, condition, one_scan => false);
END
$$;

COMMENT ON FUNCTION behavior_levels IS 'the levels that the categories of a behavior model have, by the number of the column';

-- The subscripts of a vector that are terms: the elements of an array, whose length
-- is that of the first; or the ids that occur in a svec.
CREATE FUNCTION vector_subscripts(m model, name text, kind text, condition text) RETURNS bigint[]
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    most CONSTANT integer := 10000;
    subscripts bigint[];
BEGIN
    EXECUTE format(CASE kind WHEN 'array' THEN 'SELECT ARRAY(SELECT * FROM generate_series(1, least(f.length, $1 + 1)))
                FROM (SELECT cardinality(s.%1$I) AS length FROM %2$I.sample s WHERE s.%1$I IS NOT NULL AND NOT s.held_out AND %3$s LIMIT 1) f'
            ELSE 'SELECT array_agg(i.id ORDER BY i.id) FROM (SELECT e.id FROM (
                SELECT unnest(socrec.svec_ids(s.%1$I)) AS id FROM %2$I.sample s WHERE NOT s.held_out AND %3$s) e GROUP BY e.id LIMIT $1 + 1) i' END,
            name, m.name, condition)
        INTO subscripts USING most;
    IF kind = 'array' AND subscripts = '{}' THEN
        RAISE array_subscript_error USING MESSAGE = format('column "%s" has an array without elements', name);
    ELSIF cardinality(subscripts) > most THEN
        RAISE program_limit_exceeded USING MESSAGE = format('column "%s" has more than %s %s', name, most, CASE kind WHEN 'array' THEN 'elements' ELSE 'ids' END),
            HINT = CASE kind WHEN 'array' THEN 'Make fewer of them in the source.' ELSE 'Leave rare ids out in the source, or sum the vectors up by categories.' END;
    END IF;
    RETURN coalesce(subscripts, '{}');
END
$$;

COMMENT ON FUNCTION vector_subscripts IS 'the subscripts of a vector that are terms of a behavior model';

-- One feature after the other, as terms: the column; or its levels but for the
-- first, or the one that option reference names; or its subscripts.  Without an
-- intercept the first column of levels has all of them.  Of part of the rows, a
-- reference may be missing.
CREATE FUNCTION behavior_terms(m model, condition text, is_part boolean)
RETURNS TABLE (term text, level text, subscript bigint)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    c record;
    base text;
    -- Without an intercept levels need none to compare with, of one column.
    complete boolean := m.method <> 'conditional' AND NOT socrec.behavior_has_intercept(m);
BEGIN
    FOR c IN
        SELECT k.name, k.kind, l.levels
        FROM socrec.behavior_columns(m) k LEFT JOIN socrec.behavior_levels(m, condition) l USING (n) ORDER BY k.n
    LOOP
        IF c.kind IN ('array', 'svec') THEN
            RETURN QUERY SELECT c.name, NULL::text, u FROM unnest(socrec.vector_subscripts(m, c.name, c.kind, condition)) u;
            CONTINUE;
        ELSIF c.kind = 'number' THEN
            RETURN QUERY SELECT c.name, NULL::text, NULL::bigint;
            CONTINUE;
        END IF;
        base := coalesce(m.options -> 'reference' ->> c.name, CASE WHEN NOT complete THEN c.levels[1] END);
        complete := false;
        IF is_part AND base <> ALL (c.levels) THEN
            base := c.levels[1];
        END IF;
        IF cardinality(c.levels) > 10000 THEN
            RAISE program_limit_exceeded USING MESSAGE = format('column "%s" has %s values, more than 10000', c.name, cardinality(c.levels)),
                HINT = 'Is it a key? Leave it out, or group its values in the source.';
        ELSIF base <> ALL (c.levels) THEN
            RAISE invalid_parameter_value USING MESSAGE = format('column "%s" has no value "%s" to refer to', c.name, base),
                HINT = 'Its values are: ' || socrec.some_values(c.levels);
        END IF;
        RETURN QUERY SELECT c.name, u, NULL::bigint FROM unnest(array_remove(c.levels, base)) u;
    END LOOP;
END
$$;

COMMENT ON FUNCTION behavior_terms IS 'the features of a behavior model as terms';

-- A term as one word.
CREATE FUNCTION term_name(term text, level text, subscript bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN term || coalesce('=' || level, '') || coalesce('[' || subscript || ']', '');

COMMENT ON FUNCTION term_name IS 'the name of a term of a behavior model: a column, column=level or column[subscript]';

-- A list of values for a hint.
CREATE FUNCTION some_values("values" text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
RETURN array_to_string("values"[:10], ', ') || CASE WHEN cardinality("values") > 10 THEN format(', and %s more.', cardinality("values") - 10) ELSE '.' END;

COMMENT ON FUNCTION some_values IS 'the first ten of some values, as text';

-- How many rows of the sample have no value, column by column; NULL when all have.
CREATE FUNCTION missing_values(m model) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    names text[] := socrec.sample_columns(m);
    counts bigint[];
BEGIN
    EXECUTE format('SELECT ARRAY[%s] FROM %I.sample s WHERE NOT s.held_out',
        (SELECT string_agg(format('count(*) FILTER (WHERE (%s) IS NOT TRUE)', socrec.presence_condition(u.c, k.kind)), ', ' ORDER BY u.n)
            FROM unnest(names) WITH ORDINALITY u(c, n) LEFT JOIN socrec.behavior_columns(m) k ON k.name = u.c), m.name) INTO counts;
    RETURN (SELECT string_agg(format('"%s" in %s rows', c, k), ', ' ORDER BY k DESC, c) FROM unnest(names, counts) u(c, k) WHERE k > 0);
END
$$;

COMMENT ON FUNCTION missing_values IS 'in how many rows of a behavior model each column has no value, as text';

-- The classes of the target, the reference first, their rows and the dropped rows.
CREATE FUNCTION behavior_classes(m model, condition text, OUT classes text[], OUT counts bigint[], OUT dropped bigint)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    outcome text := socrec.behavior_outcome(m);
    bad text;
    "values" text[];
BEGIN
    EXECUTE format('SELECT array_agg(o.class ORDER BY o.class <> $1, o.class) FILTER (WHERE o.n > 0),
                array_agg(o.n ORDER BY o.class <> $1, o.class) FILTER (WHERE o.n > 0), coalesce(sum(o.dropped), 0), min(o.bad)
            FROM (SELECT g.outcome::text COLLATE "C" AS class, g.n, g.total - g.n AS dropped, g.bad
                FROM (SELECT %1$s AS outcome, count(*) FILTER (WHERE %2$s) AS n, count(*) AS total, %4$s AS bad
                    FROM %3$I.sample s WHERE NOT s.held_out GROUP BY 1) g) o',
            outcome, condition, m.name,
            CASE WHEN m.method = 'multinomial' OR m.options -> 'positive' <> 'null' OR outcome = format('s.%I', m.target_column) THEN 'NULL::text'
                ELSE format('min(s.%1$I::text) FILTER (WHERE s.%1$I NOT IN (0, 1))', m.target_column) END)
        INTO classes, counts, dropped, bad USING m.options ->> 'reference_class';
    IF bad IS NOT NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = format('target "%s" has the value %s, not 0 or 1', m.target_column, bad),
            HINT = 'Option "positive" says which value is to be predicted; family multinomial predicts several.';
    ELSIF classes IS NULL AND dropped = 0 THEN
        RAISE no_data_found USING MESSAGE = 'there are no rows to fit',
            HINT = CASE (m.options ->> 'holdout')::float8 WHEN 0 THEN 'Look at what the source returns.' ELSE 'Look at what the source returns and at option "holdout".' END;
    ELSIF classes IS NULL THEN
        RAISE no_data_found USING MESSAGE = format('there are no rows to fit: all %s lack a value or weight', dropped),
            DETAIL = coalesce('Missing is: ' || socrec.missing_values(m) || '.', 'Their weight is 0.'),
            HINT = 'Leave out columns that are empty; {"missing": "impute"} fills gaps of features.';
    ELSIF cardinality(classes) < 2 THEN
        EXECUTE format('SELECT ARRAY(SELECT DISTINCT s.%1$I::text FROM %2$I.sample s WHERE s.%1$I IS NOT NULL ORDER BY 1)', m.target_column, m.name) INTO "values";
        RAISE invalid_parameter_value USING MESSAGE = format('there is nothing to tell apart: all %s rows have the same outcome', counts[1]),
            HINT = format('Values of the target "%s" are: %s', m.target_column, socrec.some_values("values"));
    ELSIF m.method = 'multinomial' AND cardinality(classes) > 1001 THEN
        RAISE program_limit_exceeded USING MESSAGE = format('target "%s" has %s classes, more than 1001', m.target_column, cardinality(classes)),
            HINT = 'Is it a key, or a number? Group its values in the source.';
    ELSIF m.method = 'multinomial' AND classes[1] <> m.options ->> 'reference_class' THEN
        RAISE invalid_parameter_value USING MESSAGE = format('target "%s" has no class "%s" to refer to', m.target_column, m.options ->> 'reference_class'),
            HINT = 'Its classes are: ' || socrec.some_values(classes);
    END IF;
END
$$;

COMMENT ON FUNCTION behavior_classes IS 'the classes of a behavior model''s target, the reference first, with their counts';

-- What a row weighs: its own weight times that of its class.
CREATE FUNCTION behavior_weight(m model, classes text[], counts bigint[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET extra_float_digits = 1
BEGIN ATOMIC
    SELECT coalesce('s.' || quote_ident(m.options ->> 'weight') || '::float8', '1::float8')
        || coalesce((SELECT format(' * CASE %s::text COLLATE "C" ', behavior_outcome(m))
                || string_agg(format('WHEN %L THEN %s::float8', c.class, w.weight), ' ') || ' ELSE 1 END'
            FROM unnest(classes, counts) c(class, n),
                LATERAL (SELECT CASE WHEN (m.options ->> 'balanced')::boolean
                    THEN (SELECT sum(k) FROM unnest(counts) k)::float8 / (cardinality(classes) * c.n)
                    ELSE coalesce((m.options -> 'class_weight' ->> c.class)::float8, 1) END) w(weight)
            WHERE m.options -> 'class_weight' <> '{}' OR (m.options ->> 'balanced')::boolean), '');
END;

COMMENT ON FUNCTION behavior_weight IS 'the expression of what a row of a behavior model weighs';

-- A cluster of a conditional logit is one of whole choice sets.
CREATE FUNCTION check_choice_sets(m model) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    torn text;
BEGIN
    IF m.options -> 'choice_set' = 'null' OR m.options -> 'cluster' = 'null' THEN
        RETURN;
    END IF;
    EXECUTE format('SELECT s.%1$I::text FROM %2$I.sample s WHERE s.%1$I IS NOT NULL GROUP BY s.%1$I HAVING count(DISTINCT s.%3$I) > 1 ORDER BY 1 LIMIT 1',
        m.options ->> 'choice_set', m.name, m.options ->> 'cluster') INTO torn;
    IF torn IS NOT NULL THEN
        RAISE cardinality_violation USING MESSAGE = format('choice set "%s" has more than one value of cluster "%s"', torn, m.options ->> 'cluster'),
            HINT = 'A cluster is made of whole choice sets, such as all those of a person.';
    END IF;
END
$$;

COMMENT ON FUNCTION check_choice_sets IS 'refuses choice sets that lie in several clusters';

-- What a fit gives, and what is needed to write it down.
CREATE TYPE behavior_fit AS (
    terms text[],
    levels text[],
    subscripts bigint[],
    defaults double precision[],
    classes text[],
    row_count bigint,
    dropped_rows bigint,
    estimates double precision[],
    std_errors double precision[],
    states smallint[],
    means double precision[],
    deviations double precision[],
    n bigint,
    log_likelihood double precision,
    null_log_likelihood double precision,
    iterations integer,
    passes integer,
    converged boolean,
    gradient_norm double precision,
    condition_number double precision,
    executed text,
    path_l1 double precision[],
    path_log_likelihood double precision[],
    path_estimates double precision[]
);

COMMENT ON TYPE behavior_fit IS 'a fitted behavior model, not yet stored';

-- Fit a model to the rows of its sample for which the condition holds; NULL: all.
CREATE FUNCTION train_behavior(m model, condition text, OUT f behavior_fit)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1
AS $$
DECLARE
    usable text := concat_ws(' AND ', condition, socrec.behavior_condition(m));
    has_intercept CONSTANT boolean := socrec.behavior_has_intercept(m);
    query text;
    rows_clause text;
    features text;
    counts bigint[];
BEGIN
    PERFORM socrec.check_choice_sets(m);
    SELECT c.classes, c.counts, c.dropped INTO f.classes, counts, f.dropped_rows FROM socrec.behavior_classes(m, usable) c;
    f.row_count := (SELECT sum(c) FROM unnest(counts) c);
    SELECT array_agg(t.term ORDER BY n), array_agg(t.level ORDER BY n), array_agg(t.subscript ORDER BY n), '{}'
        INTO f.terms, f.levels, f.subscripts, f.defaults
        FROM socrec.behavior_terms(m, usable, condition IS NOT NULL) WITH ORDINALITY t(term, level, subscript, n);
    IF f.terms IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = 'no feature has more than one value';
    END IF;
    rows_clause := format('%I.sample s, LATERAL (SELECT %s) x WHERE NOT s.held_out AND %s', m.name,
        (SELECT string_agg(DISTINCT format('s.%I', t), ', ') FROM unnest(f.terms) t), usable);
    features := format('socrec.row_features(%L::text[], %L::text[], %L::bigint[], ', f.terms, f.levels, f.subscripts);
    IF m.options ->> 'missing' = 'impute' THEN
        -- A missing value is the mean of what it could be; so of levels it is their shares.
        EXECUTE format('SELECT socrec.feature_means(%s%L, x.*)) FROM %s', features, array_fill('NaN'::float8, ARRAY[cardinality(f.terms)]), rows_clause)
            INTO f.defaults;
    END IF;
    query := format('SELECT %1$s::float8, %2$s, %3$s::float8, %4$s, %5$s, %6$s FROM %7$s',
        CASE m.method WHEN 'multinomial' THEN format('(array_position(%L::text[], %s::text) - 1)', f.classes, socrec.behavior_comparand(m, m.target_column))
            ELSE socrec.behavior_outcome(m) || '::integer' END,
        socrec.behavior_weight(m, f.classes, counts), coalesce('s.' || quote_ident(m.options ->> 'offset'), '0'),
        coalesce('s.' || quote_ident(coalesce(m.options ->> 'choice_set', m.options ->> 'shard')), 'NULL'),
        coalesce('s.' || quote_ident(m.options ->> 'cluster'), 'NULL'),
        -- Numbers alone are read faster as columns, and shards know nothing of rows.
        CASE WHEN m.options ->> 'missing' = 'drop' AND num_nonnulls(VARIADIC f.subscripts) = 0
                AND (num_nonnulls(VARIADIC f.levels) = 0 OR m.options ->> 'shard' IS NOT NULL)
            THEN (SELECT format(CASE WHEN count(*) > 1500 THEN 'ARRAY[%s]::float8[]' ELSE '%s' END, string_agg(CASE WHEN u.level IS NULL THEN format('s.%I', u.term)
                    ELSE format('(%s = %L)::integer', socrec.behavior_comparand(m, u.term), u.level) END, ', ' ORDER BY u.n))
                FROM ROWS FROM (unnest(f.terms), unnest(f.levels)) WITH ORDINALITY u(term, level, n))
            ELSE format('%s%L, x.*)', features, f.defaults) END,
        rows_clause);
    SELECT CASE WHEN has_intercept THEN '(intercept)'::text || f.terms ELSE f.terms END,
        CASE WHEN has_intercept THEN NULL::text || f.levels ELSE f.levels END,
        CASE WHEN has_intercept THEN NULL::bigint || f.subscripts ELSE f.subscripts END,
        CASE WHEN f.defaults <> '{}' THEN CASE WHEN has_intercept THEN 1::float8 || f.defaults ELSE f.defaults END END,
        f.classes, f.row_count, f.dropped_rows, r.* INTO f
        FROM socrec.fit_regression(query, cardinality(f.terms), m.method, cardinality(f.classes), has_intercept,
        m.options -> 'weight' <> 'null' OR m.options -> 'class_weight' <> '{}' OR (m.options ->> 'balanced')::boolean,
        m.options -> 'offset' <> 'null', (m.options ->> 'l1')::float8, (m.options ->> 'l2')::float8,
        (m.options ->> 'standardize')::boolean, (m.options ->> 'path')::integer, m.options ->> 'std_errors',
        (m.options ->> 'max_iterations')::integer, (m.options ->> 'tolerance')::float8, m.options ->> 'execution', f.row_count,
        m.options ->> 'shard' IS NOT NULL) r;
    PERFORM socrec.report_problems(m, f);
END
$$;

COMMENT ON FUNCTION train_behavior IS 'fits a behavior model to part of its rows';

-- Say by name what the data did not allow.
CREATE FUNCTION report_problems(m model, f behavior_fit) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    collinear text;
    separated text;
BEGIN
    SELECT string_agg(DISTINCT name, ', ') FILTER (WHERE state = 1), string_agg(DISTINCT name, ', ') FILTER (WHERE state = 2)
        INTO collinear, separated
        FROM (SELECT s.state, socrec.term_name(t.term, t.level, t.subscript) AS name
            FROM unnest(f.states) WITH ORDINALITY s(state, n)
                JOIN unnest(f.terms, f.levels, f.subscripts) WITH ORDINALITY t(term, level, subscript, n) ON t.n = (s.n - 1) % cardinality(f.terms) + 1) u;
    -- A column with one level, or none, has no term.
    SELECT coalesce(string_agg(u.name, ', '), '') INTO collinear FROM (
        SELECT collinear AS name WHERE collinear IS NOT NULL UNION ALL
        SELECT x FROM jsonb_array_elements_text(m.options -> 'features') x WHERE x <> ALL (f.terms)) u;
    IF collinear <> '' THEN
        IF m.options ->> 'collinear' = 'error' THEN
            RAISE data_exception USING MESSAGE = format('some features are constant or combinations of features before them: %s', collinear),
                HINT = 'Leave them out, or use option "l2".';
        END IF;
        RAISE WARNING USING MESSAGE = format('left out, as they are constant%s or combinations of features before them: %s',
            CASE m.method WHEN 'conditional' THEN ' within choice sets' ELSE '' END, collinear);
    END IF;
    -- L-BFGS does not look for separation, but may have left nothing to explain.
    IF separated IS NULL AND (m.options ->> 'l1')::float8 = 0 AND (m.options ->> 'l2')::float8 = 0 AND f.log_likelihood > 1e-6 * f.null_log_likelihood THEN
        separated := 'all of them together';
    END IF;
    IF separated IS NOT NULL THEN
        IF m.options ->> 'separation' = 'error' THEN
            RAISE data_exception USING MESSAGE = format('some features tell the outcomes apart for certain: %s', separated),
                HINT = 'Leave them out, merge levels, or use option "l2".';
        END IF;
        RAISE WARNING USING MESSAGE = format('the likelihood has no maximum, as these tell outcomes apart for certain: %s', separated),
            HINT = 'Their estimates have no standard errors and say no more than "large". Leave them out, merge levels, or use option "l2".';
    ELSIF NOT f.converged THEN
        RAISE WARNING USING MESSAGE = format('the fit has not converged after %s iterations: the gradient is %s for a row', f.iterations, f.gradient_norm::real),
            HINT = 'Option "max_iterations" allows more.';
    END IF;
END
$$;

COMMENT ON FUNCTION report_problems IS 'warns of features that are collinear or separate outcomes, and of a fit that has not converged';

-- The offset is a feature of weight 1; the reference class, where it has no
-- coefficients, has zeros.
CREATE FUNCTION fitted_scorer(m model, f behavior_fit, OUT s behavior_scorer)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1
AS $$
DECLARE
    p CONSTANT integer := cardinality(f.terms);
    first CONSTANT integer := CASE WHEN socrec.behavior_has_intercept(m) THEN 2 ELSE 1 END;
    has_offset CONSTANT boolean := m.options -> 'offset' <> 'null';
BEGIN
    s.classes := f.classes;
    s.terms := f.terms[first:];
    s.levels := f.levels[first:];
    s.subscripts := f.subscripts[first:];
    s.defaults := coalesce(f.defaults[first:], '{}');
    IF m.method = 'multinomial' AND cardinality(f.estimates) < cardinality(f.classes) * p THEN
        s.intercepts := '{0}';
        s.weights := array_fill(0::float8, ARRAY[p - first + 1]);
    END IF;
    FOR k IN 0 .. cardinality(f.estimates) / p - 1 LOOP
        s.intercepts := s.intercepts || CASE first WHEN 2 THEN f.estimates[k * p + 1] ELSE 0 END;
        s.weights := s.weights || array_replace(f.estimates[k * p + first : k * p + p], NULL, 0::float8);
        IF has_offset THEN
            s.weights := s.weights || 1::float8;
        END IF;
    END LOOP;
    IF has_offset THEN
        s.terms := s.terms || (m.options ->> 'offset');
        s.levels := s.levels || NULL::text;
        s.subscripts := s.subscripts || NULL::bigint;
        s.defaults := CASE WHEN s.defaults <> '{}' THEN s.defaults || 0::float8 ELSE '{}' END;
    END IF;
END
$$;

COMMENT ON FUNCTION fitted_scorer IS 'what a fitted behavior model needs to score a row';

-- The same of the fit that is stored.
CREATE FUNCTION stored_scorer(m model) RETURNS behavior_scorer
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1
AS $$
DECLARE
    f socrec.behavior_fit;
BEGIN
    EXECUTE format('SELECT array_agg(c.term ORDER BY c.id) FILTER (WHERE c.id <= n.p), array_agg(c.level ORDER BY c.id) FILTER (WHERE c.id <= n.p),
            array_agg(c.subscript ORDER BY c.id) FILTER (WHERE c.id <= n.p),
            CASE WHEN $1 THEN array_agg(c.imputed ORDER BY c.id) FILTER (WHERE c.id <= n.p) END, array_agg(c.estimate ORDER BY c.id), min(t.classes)
        FROM %1$I.coefficient c, %1$I.fit t,
            (SELECT count(*) / greatest(count(DISTINCT class), 1) AS p FROM %1$I.coefficient) n', m.name)
        INTO f.terms, f.levels, f.subscripts, f.defaults, f.estimates, f.classes USING m.options ->> 'missing' = 'impute';
    RETURN socrec.fitted_scorer(m, f);
END
$$;

COMMENT ON FUNCTION stored_scorer IS 'what a stored behavior model needs to score a row';

-- The expression of what a model says to a row: log-odds, utility, or an array of
-- scores of classes.  As a probability, where a row has one.
CREATE FUNCTION score_expression(m model, s behavior_scorer, "row" text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1
BEGIN ATOMIC
    SELECT format(CASE m.method WHEN 'multinomial' THEN 'socrec.row_scores(%L::pg_catalog.float8[]' ELSE 'socrec.row_score(%L::pg_catalog.float8' END
            || ', %L::pg_catalog.text[], %L::pg_catalog.text[], %L::pg_catalog.int8[], %L::pg_catalog.float8[], %L::pg_catalog.float8[], %s)',
        CASE m.method WHEN 'multinomial' THEN s.intercepts::text ELSE s.intercepts[1]::text END,
        s.terms, s.levels, s.subscripts, s.weights, s.defaults, "row");
END;

CREATE FUNCTION probability_expression(m model, s behavior_scorer, "row" text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1
BEGIN ATOMIC
    SELECT format(CASE m.method WHEN 'logistic' THEN 'socrec.logistic(%s)' WHEN 'multinomial' THEN 'socrec.softmax(%s)' ELSE '%s' END,
        score_expression(m, s, "row"));
END;

COMMENT ON FUNCTION probability_expression IS 'the expression of the probability that a behavior model gives a row, or the utility of an alternative';
COMMENT ON FUNCTION score_expression IS 'the expression of what a behavior model says to a row';
