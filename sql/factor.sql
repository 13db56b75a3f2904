-- factor: items as vectors of factors, users folded in
--
-- What a fit learns is stored twice: by item, where a user is folded in from the
-- items rated, and in blocks of items, which lists are made from.

CREATE FUNCTION item_factors(
    query text,
    item_type anyelement,
    method text,
    options jsonb)
RETURNS TABLE (
    id integer,
    item_id anyelement,
    rating_count integer,
    mean double precision,
    bias double precision,
    norm double precision,
    rating_min real,
    rating_max real,
    factors real[],
    user_count integer,
    prior bytea,
    item_prior bytea)
AS 'MODULE_PATHNAME', 'socrec_item_factors'
LANGUAGE c STABLE PARALLEL UNSAFE COST 1000000 ROWS 10000;

COMMENT ON FUNCTION item_factors IS
    'the factors of every item that a query (user, item[, rating]) returns, with count, mean and bias; options as model_options gives them';

CREATE FUNCTION fold_in_accumulate(bytea, bytea, real[], double precision) RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_fold_in_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10;

COMMENT ON FUNCTION fold_in_accumulate IS 'transition function of fold_in and fold_in_equations';

CREATE FUNCTION fold_in_combine(bytea, bytea) RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_fold_in_combine'
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10;

COMMENT ON FUNCTION fold_in_combine IS 'combine function of fold_in and fold_in_equations';

CREATE FUNCTION fold_in_final(bytea) RETURNS real[]
AS 'MODULE_PATHNAME', 'socrec_fold_in_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100;

COMMENT ON FUNCTION fold_in_final IS 'final function of fold_in';

CREATE AGGREGATE fold_in(prior bytea, factors real[], rating double precision) (
    SFUNC = fold_in_accumulate,
    STYPE = bytea,
    SSPACE = 40000,
    COMBINEFUNC = fold_in_combine,
    FINALFUNC = fold_in_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE fold_in(bytea, real[], double precision) IS
    'factors of a user, from one row for each rated item: what the model knows of all users, the factors of the item, the rating';

CREATE AGGREGATE fold_in_equations(prior bytea, factors real[], rating double precision) (
    SFUNC = fold_in_accumulate,
    STYPE = bytea,
    SSPACE = 40000,
    COMBINEFUNC = fold_in_combine,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE fold_in_equations(bytea, real[], double precision) IS
    'the equations that fold_in solves, for fold_in_without and fold_in_influence';

CREATE FUNCTION fold_in_without(equations bytea, factors real[], rating double precision) RETURNS real[]
AS 'MODULE_PATHNAME', 'socrec_fold_in_without'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100;

COMMENT ON FUNCTION fold_in_without IS 'factors of a user had he not rated an item that he did';

CREATE FUNCTION fold_in_influence(equations bytea, factors real[]) RETURNS real[]
AS 'MODULE_PATHNAME', 'socrec_fold_in_influence'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100;

COMMENT ON FUNCTION fold_in_influence IS
    'what ratings of a user move the score of an item by: the vector whose product with a rated item''s factors is the weight of that rating';

CREATE FUNCTION fold_in_deviation(equations bytea, factors real[]) RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_fold_in_deviation'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100;

COMMENT ON FUNCTION fold_in_deviation IS
    'standard deviation of a rating that the user may give to an item; null where the method does not know it';

CREATE FUNCTION fold_in_contribution(prior bytea, influence real[], factors real[], rating double precision) RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_fold_in_contribution'
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10;

COMMENT ON FUNCTION fold_in_contribution IS
    'what the rating of an item adds to a score; with a null rating, what the score of the item has without any';

CREATE FUNCTION factor_score(real[], real[]) RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_factor_score'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2;

COMMENT ON FUNCTION factor_score IS 'product of the factors of a user and of an item';

CREATE FUNCTION factor_direction(prior bytea, factors real[]) RETURNS real[]
AS 'MODULE_PATHNAME', 'socrec_factor_direction'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION factor_direction IS 'factors of an item without its biases, at length 1';

CREATE FUNCTION factor_exchange(prior bytea, factors real[]) RETURNS real[]
AS 'MODULE_PATHNAME', 'socrec_factor_exchange'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION factor_exchange IS
    'factors of a user in the place of an item''s, so that items can be folded in given users; and of an item so folded in, as they are stored';

CREATE FUNCTION pack_factors_accumulate(internal, integer, double precision, real[]) RETURNS internal
AS 'MODULE_PATHNAME', 'socrec_pack_factors_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION pack_factors_accumulate IS 'transition function of pack_factors';

CREATE FUNCTION pack_factors_final(internal) RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_pack_factors_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION pack_factors_final IS 'final function of pack_factors';

CREATE AGGREGATE pack_factors(id integer, norm double precision, factors real[]) (
    SFUNC = pack_factors_accumulate,
    STYPE = internal,
    SSPACE = 16000,
    FINALFUNC = pack_factors_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE pack_factors(integer, double precision, real[]) IS 'a block of items, for top_factors';

CREATE FUNCTION top_factors_accumulate(internal, bytea, real[], integer, integer[], double precision, boolean) RETURNS internal
AS 'MODULE_PATHNAME', 'socrec_top_factors_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION top_factors_accumulate IS 'transition function of top_factors';

CREATE FUNCTION top_factors_final(internal) RETURNS scored_item[]
AS 'MODULE_PATHNAME', 'socrec_top_factors_final'
LANGUAGE c STABLE PARALLEL SAFE;

COMMENT ON FUNCTION top_factors_final IS 'final function of top_factors';

CREATE AGGREGATE top_factors(
    block bytea,
    factors real[],
    n integer,
    excluded integer[],
    threshold double precision,
    cosine boolean) (
    SFUNC = top_factors_accumulate,
    STYPE = internal,
    SSPACE = 4000,
    FINALFUNC = top_factors_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE top_factors(bytea, real[], integer, integer[], double precision, boolean) IS
    'the n items that score best for a vector, from blocks of items: without the excluded ones and those below a score; by the cosine if wished';

-- What stands in the templates of method.sql where a method has factors.
--
-- Blocks are numbered by falling length of the items' vectors, and the product of two
-- vectors is at most that of their lengths.  So a list is made from the first blocks,
-- and from those of the others that can still hold an item as good as its last.
-- Items come to a block until it fills a page, so that it is read where it lies; those
-- after a number, to the ones that there are.
CREATE FUNCTION factor_template(part text, after integer DEFAULT 0) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE part
        WHEN 'table' THEN '
        CREATE TABLE %1$I.item_block (block integer PRIMARY KEY, bound float8 NOT NULL, items bytea NOT NULL)
            WITH (toast_tuple_target = 8160, vacuum_truncate = off)'
        WHEN 'blocks' THEN '
        INSERT INTO %1$I.item_block
            SELECT (SELECT coalesce(max(b.block) + 1, 0) FROM %1$I.item_block b) + o.block, max(o.length) * 1.00001, socrec.pack_factors(o.id, o.norm, o.factors ORDER BY o.n)
            FROM (SELECT i.id, i.norm, i.factors, i.length, row_number() OVER w AS n,
                    ((row_number() OVER w - 1) / greatest(1, (current_setting(''block_size'')::integer - 88) / (4 * cardinality(i.factors) + 8)))::integer AS block
                FROM (SELECT i.id, i.norm, i.factors, sqrt(socrec.factor_score(i.factors, i.factors)) AS length
                    FROM %1$I.item i WHERE i.id > ' || after || ') i
                WINDOW w AS (ORDER BY i.length DESC, i.id)) o
            GROUP BY o.block
            ORDER BY o.block'
        WHEN 'candidates' THEN '
                WITH taste AS MATERIALIZED (
                    SELECT socrec.fold_in(f.prior, i.factors, r.rating) AS factors, CASE WHEN $3 THEN array_agg(i.id) END AS seen,
                        count(*)::integer AS support
                    FROM %1$I.rating r CROSS JOIN LATERAL (
                            SELECT i.id, i.factors FROM %1$I.item i WHERE i.%3$I %11$s r.%3$I OFFSET 0) i
                        CROSS JOIN (SELECT f.prior FROM %1$I.fit f LIMIT 1) f
                    WHERE r.%2$I %10$s $1
                    HAVING count(*) >= $4),
                first AS MATERIALIZED (
                    SELECT t.factors, t.seen, sqrt(socrec.factor_score(t.factors, t.factors)) AS length,
                        (SELECT socrec.top_factors(b.items, t.factors, $2, t.seen, NULL, false)
                        FROM %1$I.item_block b WHERE b.block < 32) AS items
                    FROM taste t),
                rest AS (
                    SELECT (SELECT socrec.top_factors(b.items, f.factors, $2, f.seen, l.threshold, false)
                        FROM %1$I.item_block b WHERE b.block >= 32 AND b.bound >= l.bound) AS items
                    FROM first f CROSS JOIN LATERAL (
                        SELECT (f.items)[$2].score AS threshold, coalesce((f.items)[$2].score / nullif(f.length, 0), ''-Infinity'') AS bound
                        OFFSET 0) l)
                SELECT row_number() OVER (ORDER BY s.score DESC, s.id)::integer AS rank, s.id, s.score, t.support
                FROM taste t CROSS JOIN (
                    SELECT s.id, s.score FROM first f CROSS JOIN LATERAL unnest(f.items) s
                    UNION ALL
                    SELECT s.id, s.score FROM rest r CROSS JOIN LATERAL unnest(r.items) s) s
                ORDER BY s.score DESC, s.id
                LIMIT $2'
        WHEN 'predictions' THEN '
                SELECT t.n, socrec.factor_score(CASE WHEN p.id IS NULL THEN e.factors
                        ELSE socrec.fold_in_without(e.equations, t.factors, p.rating) END, t.factors) AS residual,
                    e.rated - (p.id IS NOT NULL)::integer AS support
                FROM (
                    SELECT socrec.fold_in(f.prior, p.factors, p.rating) AS factors,
                        socrec.fold_in_equations(f.prior, p.factors, p.rating) AS equations, count(*)::integer AS rated
                    FROM f CROSS JOIN profile p) e
                    CROSS JOIN target t LEFT JOIN profile p ON p.id = t.id
                WHERE t.id IS NOT NULL'
        WHEN 'interval' THEN '
        CREATE FUNCTION %1$I.prediction_interval(target_user %4$s, target_item %5$s, deviations float8 DEFAULT 1.645)
        RETURNS TABLE (prediction float8, deviation float8, low float8, high float8, source text, support integer)
        LANGUAGE sql STABLE PARALLEL SAFE ROWS 1 COST 1000
        BEGIN ATOMIC
            SELECT p.prediction, d.deviation, greatest(f.rating_min, p.prediction - $3 * d.deviation),
                least(f.rating_max, p.prediction + $3 * d.deviation), p.source, p.support
            FROM %1$I.prediction($1, $2) p CROSS JOIN (SELECT * FROM %1$I.fit LIMIT 1) f
                LEFT JOIN LATERAL (
                    SELECT socrec.fold_in_deviation(e.equations, t.factors) AS deviation
                    FROM %1$I.item t CROSS JOIN LATERAL (
                        SELECT socrec.fold_in_equations(f.prior, i.factors, r.rating) AS equations
                        FROM %1$I.rating r CROSS JOIN LATERAL (
                            SELECT i.id, i.factors FROM %1$I.item i WHERE i.%3$I %11$s r.%3$I OFFSET 0) i
                        WHERE r.%2$I %10$s $1 AND i.id <> t.id) e
                    WHERE t.%3$I %11$s $2) d ON true;
        END'
        WHEN 'similar' THEN '
            SELECT s.rank::integer, i.%3$I, s.score
            FROM (SELECT t.id, socrec.factor_direction(f.prior, t.factors) AS factors
                FROM %1$I.item t CROSS JOIN (SELECT f.prior FROM %1$I.fit f LIMIT 1) f
                WHERE t.%3$I %11$s $1 OFFSET 0) t
                CROSS JOIN LATERAL unnest((
                    SELECT socrec.top_factors(b.items, t.factors, $2, ARRAY[t.id], 0, true)
                    FROM %1$I.item_block b)) WITH ORDINALITY AS s(id, score, support, rank)
                JOIN %1$I.item i ON i.id = s.id
            ORDER BY 1;'
        WHEN 'explanation' THEN '
            WITH profile AS MATERIALIZED (
                SELECT r.%3$I AS key, i.factors, r.rating
                FROM %1$I.rating r CROSS JOIN LATERAL (
                    SELECT i.factors FROM %1$I.item i WHERE i.%3$I %11$s r.%3$I OFFSET 0) i
                WHERE r.%2$I %10$s $1),
            influence AS MATERIALIZED (
                SELECT f.prior, t.factors, socrec.fold_in_influence(e.equations, t.factors) AS influence
                FROM %1$I.item t CROSS JOIN (SELECT f.prior FROM %1$I.fit f LIMIT 1) f CROSS JOIN LATERAL (
                    SELECT socrec.fold_in_equations(f.prior, p.factors, p.rating) AS equations FROM profile p) e
                WHERE t.%3$I %11$s $2 AND e.equations IS NOT NULL),
            part AS MATERIALIZED (
                SELECT ''rated item'' AS reason, p.key, p.rating, socrec.factor_score(z.influence, p.factors) AS weight,
                    socrec.fold_in_contribution(z.prior, z.influence, p.factors, p.rating) AS contribution
                FROM influence z CROSS JOIN profile p
                UNION ALL
                SELECT ''without ratings'', NULL, NULL, NULL, b.base
                FROM influence z CROSS JOIN LATERAL (
                    SELECT socrec.fold_in_contribution(z.prior, z.influence, z.factors, NULL) AS base) b
                WHERE b.base <> 0)
            SELECT p.reason, p.key, p.rating, p.weight, p.contribution FROM part p'
    END;
END;

COMMENT ON FUNCTION factor_template IS 'a part of the templates of a model''s objects, of methods with factors';
