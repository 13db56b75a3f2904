-- describe: what a rating table looks like, and pictures of it in a terminal
--
-- Only the source means what it says in the caller's search_path.  Functions
-- that run it have no search_path of their own, so all else in them is qualified;
-- operators written so all have one precedence, hence the parentheses.

CREATE FUNCTION rating_statistics(
    query text,
    has_rating boolean,
    has_time boolean,
    cold integer,
    constant_ratings integer,
    burst_ratings integer,
    burst_seconds integer,
    period text,
    bins integer,
    overlap_work double precision,
    seed bigint)
RETURNS TABLE (section text, metric text, value double precision)
AS 'MODULE_PATHNAME', 'socrec_rating_statistics'
LANGUAGE c STABLE PARALLEL UNSAFE COST 1000000 ROWS 150;

COMMENT ON FUNCTION rating_statistics IS 'the rows of describe_ratings, for a query (user, item[, rating][, time])';

-- All options: the given ones over the defaults.
CREATE FUNCTION describe_options(given jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known jsonb := '{"cold": 5, "constant_ratings": 10, "burst_ratings": 100, "burst_interval": "1 minute",
        "period": "month", "bins": 20, "overlap_work": 500000000, "seed": 42}';
    choices CONSTANT jsonb := '{"period": ["day", "week", "month", "quarter", "year"]}';
    patterns CONSTANT jsonb := '{"seed": "^-?[0-9]{1,18}$", "overlap_work": "^[0-9]{1,18}$", "constant_ratings": "^([2-9]|[1-9][0-9]{1,8})$",
        "bins": "^[1-9][0-9]{0,4}$", "cold": "^[1-9][0-9]{0,8}$", "burst_ratings": "^[1-9][0-9]{0,8}$"}';
    seconds float8;
BEGIN
    known := socrec.check_options('describe_ratings', given, known, choices => choices, patterns => patterns);
    seconds := extract(epoch FROM (known ->> 'burst_interval')::interval);
    IF seconds NOT BETWEEN 1 AND 1e9 THEN
        RAISE invalid_parameter_value
            USING MESSAGE = format('option "burst_interval" cannot be "%s"', given ->> 'burst_interval'),
                  HINT = 'It is an interval of at least a second.';
    END IF;
    RETURN known || jsonb_build_object('burst_seconds', floor(seconds));
END
$$;

COMMENT ON FUNCTION describe_options IS 'all options of describe_ratings, the given ones over the defaults';

CREATE FUNCTION describe_ratings(
    source text,
    user_column text DEFAULT 'user_id',
    item_column text DEFAULT 'item_id',
    rating_column text DEFAULT 'rating',
    time_column text DEFAULT NULL,
    options jsonb DEFAULT '{}')
RETURNS TABLE (section text, metric text, value double precision)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE COST 1000000 ROWS 150
AS $$
DECLARE
    o jsonb := socrec.describe_options($6);
    columns text[] := ARRAY[$2, $3, $4, $5];
BEGIN
    IF $1 IS NULL OR $2 IS NULL OR $3 IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'source, user_column and item_column must not be null';
    END IF;
    RETURN QUERY SELECT s.section, s.metric, s.value FROM socrec.rating_statistics(
        pg_catalog.format('SELECT %s FROM %s AS s',
            (SELECT pg_catalog.string_agg(pg_catalog.format('s.%I', c.name), ', ' ORDER BY c.n)
                FROM ROWS FROM (pg_catalog.unnest(columns)) WITH ORDINALITY AS c(name, n) WHERE c.name IS NOT NULL),
            socrec.from_clause($1, pg_catalog.current_setting('search_path'))),
        $4 IS NOT NULL, $5 IS NOT NULL,
        (o OPERATOR(pg_catalog.->>) 'cold')::pg_catalog.int4,
        (o OPERATOR(pg_catalog.->>) 'constant_ratings')::pg_catalog.int4,
        (o OPERATOR(pg_catalog.->>) 'burst_ratings')::pg_catalog.int4,
        (o OPERATOR(pg_catalog.->>) 'burst_seconds')::pg_catalog.int4,
        o OPERATOR(pg_catalog.->>) 'period',
        (o OPERATOR(pg_catalog.->>) 'bins')::pg_catalog.int4,
        (o OPERATOR(pg_catalog.->>) 'overlap_work')::pg_catalog.float8,
        (o OPERATOR(pg_catalog.->>) 'seed')::pg_catalog.int8) s;
END
$$;

COMMENT ON FUNCTION describe_ratings IS 'statistics of a rating table as rows: size, quality, distributions, popularity, overlap, suspicious users';

CREATE FUNCTION bar(value double precision, max double precision, width integer DEFAULT 40) RETURNS text
AS 'MODULE_PATHNAME', 'socrec_bar'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION bar IS 'a bar of a text chart, value / max of the width long';

CREATE FUNCTION histogram(source text, "column" text, bins integer DEFAULT 20)
RETURNS TABLE (bin integer, low double precision, high double precision, count bigint, bar text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE COST 1000000 ROWS 20
AS $$
#variable_conflict use_column
DECLARE
    -- The numbers of the column, NULL where there is none that is finite.  Bins are
    -- found for quarters, as the distance of two numbers may be too large for one.
    numbers text;
    least float8;
    greatest float8;
    others bigint;
BEGIN
    IF $1 IS NULL OR $2 IS NULL OR $3 IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'source, column and bins must not be null';
    END IF;
    IF $3 OPERATOR(pg_catalog.<) 1 OR $3 OPERATOR(pg_catalog.>) 100000 THEN
        RAISE invalid_parameter_value USING MESSAGE = pg_catalog.format('bins must be between 1 and 100000, not %s', $3);
    END IF;
    numbers := pg_catalog.format('(SELECT CASE WHEN v.x OPERATOR(pg_catalog.>) ''-Infinity'' AND v.x OPERATOR(pg_catalog.<) ''Infinity'' THEN v.x END AS x
        FROM (SELECT s.%I::pg_catalog.float8 AS x FROM %s AS s) v) n',
        $2, socrec.from_clause($1, pg_catalog.current_setting('search_path')));
    EXECUTE pg_catalog.format('SELECT pg_catalog.min(n.x), pg_catalog.max(n.x),
        pg_catalog.count(*) OPERATOR(pg_catalog.-) pg_catalog.count(n.x) FROM %s', numbers)
        INTO least, greatest, others;
    RETURN QUERY EXECUTE pg_catalog.format($query$
        WITH counted AS (
            SELECT CASE WHEN $1 OPERATOR(pg_catalog.<) $2
                    THEN least(pg_catalog.width_bucket(n.x OPERATOR(pg_catalog.*) 0.25::pg_catalog.float8, $1 OPERATOR(pg_catalog.*) 0.25::pg_catalog.float8,
                        $2 OPERATOR(pg_catalog.*) 0.25::pg_catalog.float8, $3), $3) ELSE 1 END AS bin, pg_catalog.count(*) AS count
            FROM %s WHERE n.x IS NOT NULL GROUP BY 1),
        filled AS (
            SELECT b.bin, (b.bin OPERATOR(pg_catalog.-) 1)::pg_catalog.float8 OPERATOR(pg_catalog./) $3 AS f,
                b.bin::pg_catalog.float8 OPERATOR(pg_catalog./) $3 AS g, coalesce(c.count, 0) AS count
            FROM pg_catalog.generate_series(1, CASE WHEN $1 OPERATOR(pg_catalog.<) $2 THEN $3 ELSE 1 END) b(bin)
                LEFT JOIN counted c ON c.bin OPERATOR(pg_catalog.=) b.bin
            WHERE $1 IS NOT NULL)
        SELECT h.bin, h.low, h.high, h.count, h.bar FROM (
            SELECT f.bin,
                ($1 OPERATOR(pg_catalog.*) (1.0::pg_catalog.float8 OPERATOR(pg_catalog.-) f.f)) OPERATOR(pg_catalog.+) ($2 OPERATOR(pg_catalog.*) f.f) AS low,
                CASE WHEN $1 OPERATOR(pg_catalog.<) $2
                    THEN ($1 OPERATOR(pg_catalog.*) (1.0::pg_catalog.float8 OPERATOR(pg_catalog.-) f.g)) OPERATOR(pg_catalog.+) ($2 OPERATOR(pg_catalog.*) f.g)
                    ELSE $2 END AS high,
                f.count, socrec.bar(f.count, pg_catalog.max(f.count) OVER ()) AS bar
            FROM filled f
            UNION ALL SELECT NULL, NULL, NULL, $4, NULL WHERE $4 OPERATOR(pg_catalog.>) 0) h
        ORDER BY h.bin$query$, numbers)
        USING least, greatest, $3, others;
END
$$;

COMMENT ON FUNCTION histogram IS 'a column''s numbers in bins of equal width, with a bar for each';

CREATE FUNCTION correlation_accumulate(double precision[], double precision[])
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_correlation_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION correlation_accumulate IS 'transition function of correlations';

CREATE FUNCTION correlation_combine(double precision[], double precision[])
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_correlation_combine'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION correlation_combine IS 'combine function of correlations';

CREATE FUNCTION correlation_final(double precision[])
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_correlation_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION correlation_final IS 'final function of correlations';

CREATE AGGREGATE correlations(columns double precision[]) (
    SFUNC = correlation_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = correlation_combine,
    FINALFUNC = correlation_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE correlations(double precision[]) IS
    'for rows of k numbers a k x k x 2 array: the correlation of each pair of columns and the rows that have both';

CREATE FUNCTION correlation_matrix(source text, columns text[])
RETURNS TABLE (x text, y text, correlation double precision, n bigint)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE COST 1000000 ROWS 100
AS $$
#variable_conflict use_column
DECLARE
    found float8[];
BEGIN
    IF $1 IS NULL OR $2 IS NULL OR pg_catalog.array_position($2, NULL) IS NOT NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'source and columns must not be null';
    END IF;
    EXECUTE pg_catalog.format('SELECT socrec.correlations(ARRAY[%s]::pg_catalog.float8[]) FROM %s AS s',
        (SELECT pg_catalog.string_agg(pg_catalog.format('s.%I::pg_catalog.float8', c.name), ', ' ORDER BY c.n)
            FROM ROWS FROM (pg_catalog.unnest($2)) WITH ORDINALITY AS c(name, n)),
        socrec.from_clause($1, pg_catalog.current_setting('search_path')))
        INTO found;
    -- Element 2 p - 1 of the flat array is the correlation of pair p, 2 p its rows.
    RETURN QUERY
        SELECT a.name, b.name, pg_catalog.max(f.value) FILTER (WHERE f.place OPERATOR(pg_catalog.%) 2 OPERATOR(pg_catalog.=) 1),
            coalesce(pg_catalog.max(f.value) FILTER (WHERE f.place OPERATOR(pg_catalog.%) 2 OPERATOR(pg_catalog.=) 0), 0)::pg_catalog.int8
        FROM ROWS FROM (pg_catalog.unnest($2)) WITH ORDINALITY AS a(name, n)
            CROSS JOIN ROWS FROM (pg_catalog.unnest($2)) WITH ORDINALITY AS b(name, n)
            LEFT JOIN ROWS FROM (pg_catalog.unnest(found)) WITH ORDINALITY AS f(value, place)
                ON (f.place OPERATOR(pg_catalog.+) 1) OPERATOR(pg_catalog./) 2 OPERATOR(pg_catalog.=)
                    ((a.n OPERATOR(pg_catalog.-) 1) OPERATOR(pg_catalog.*) pg_catalog.cardinality($2) OPERATOR(pg_catalog.+) b.n)
        GROUP BY a.n, a.name, b.n, b.name
        ORDER BY a.n, b.n;
END
$$;

COMMENT ON FUNCTION correlation_matrix IS 'Pearson correlation of every pair of columns, over the rows that have both, in one scan';
