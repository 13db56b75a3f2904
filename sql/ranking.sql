-- ranking: how good a ranked list is
--
-- Aggregates take the rows of one user's list (rank, gain, k): one for each item
-- that was recommended or is relevant. Functions take it as two arrays.

CREATE FUNCTION rank_accumulate(bytea, bigint, double precision)
RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_rank_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION rank_accumulate(bytea, bigint, double precision) IS 'transition function of mrr';

CREATE FUNCTION rank_accumulate(bytea, bigint, double precision, integer)
RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_rank_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION rank_accumulate(bytea, bigint, double precision, integer) IS 'transition function of the metrics of a ranked list';

-- precision_at

CREATE FUNCTION precision_at_final(bytea)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_precision_at_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION precision_at_final IS 'final function of precision_at';

CREATE AGGREGATE precision_at(rank bigint, gain double precision, k integer) (
    SFUNC = rank_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = precision_at_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE precision_at(bigint, double precision, integer) IS
    'of one user''s list: relevant items among the first k, divided by k';

CREATE FUNCTION precision_at(
    recommended anycompatiblearray,
    relevant anycompatiblearray,
    k integer)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_precision_at_array'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION precision_at(anycompatiblearray, anycompatiblearray, integer) IS 'relevant items among the first k, divided by k';

-- recall_at

CREATE FUNCTION recall_at_final(bytea)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_recall_at_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION recall_at_final IS 'final function of recall_at';

CREATE AGGREGATE recall_at(rank bigint, gain double precision, k integer) (
    SFUNC = rank_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = recall_at_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE recall_at(bigint, double precision, integer) IS
    'of one user''s list: relevant items among the first k, divided by all relevant ones';

CREATE FUNCTION recall_at(
    recommended anycompatiblearray,
    relevant anycompatiblearray,
    k integer)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_recall_at_array'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION recall_at(anycompatiblearray, anycompatiblearray, integer) IS 'relevant items among the first k, divided by all relevant ones';

-- hit_rate_at

CREATE FUNCTION hit_rate_at_final(bytea)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_hit_rate_at_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION hit_rate_at_final IS 'final function of hit_rate_at';

CREATE AGGREGATE hit_rate_at(rank bigint, gain double precision, k integer) (
    SFUNC = rank_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = hit_rate_at_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE hit_rate_at(bigint, double precision, integer) IS
    'of one user''s list: 1 if any of the first k items is relevant, else 0';

CREATE FUNCTION hit_rate_at(
    recommended anycompatiblearray,
    relevant anycompatiblearray,
    k integer)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_hit_rate_at_array'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION hit_rate_at(anycompatiblearray, anycompatiblearray, integer) IS '1 if any of the first k items is relevant, else 0';

-- mrr

CREATE FUNCTION mrr_final(bytea)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_mrr_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION mrr_final IS 'final function of mrr';

CREATE AGGREGATE mrr(rank bigint, gain double precision, k integer) (
    SFUNC = rank_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = mrr_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE mrr(bigint, double precision, integer) IS
    'of one user''s list: 1 / rank of the first relevant item among the first k, 0 without one; its avg() over users is MRR';

CREATE AGGREGATE mrr(rank bigint, gain double precision) (
    SFUNC = rank_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = mrr_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE mrr(bigint, double precision) IS
    'of one user''s list: 1 / rank of the first relevant item, 0 without one; its avg() over users is MRR';

CREATE FUNCTION mrr(
    recommended anycompatiblearray,
    relevant anycompatiblearray,
    k integer)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_mrr_array'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION mrr(anycompatiblearray, anycompatiblearray, integer) IS '1 / rank of the first relevant item among the first k, 0 without one; its avg() over users is MRR';

-- map_at

CREATE FUNCTION map_at_final(bytea)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_map_at_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION map_at_final IS 'final function of map_at';

CREATE AGGREGATE map_at(rank bigint, gain double precision, k integer) (
    SFUNC = rank_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = map_at_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE map_at(bigint, double precision, integer) IS
    'of one user''s list: average precision of the first k items; its avg() over users is MAP';

CREATE FUNCTION map_at(
    recommended anycompatiblearray,
    relevant anycompatiblearray,
    k integer)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_map_at_array'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION map_at(anycompatiblearray, anycompatiblearray, integer) IS 'average precision of the first k items; its avg() over users is MAP';

-- ndcg_at

CREATE FUNCTION ndcg_at_final(bytea)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_ndcg_at_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION ndcg_at_final IS 'final function of ndcg_at';

CREATE AGGREGATE ndcg_at(rank bigint, gain double precision, k integer) (
    SFUNC = rank_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = ndcg_at_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE ndcg_at(bigint, double precision, integer) IS
    'of one user''s list: discounted gains of the first k items, divided by those of the best list of k';

CREATE FUNCTION ndcg_at(
    recommended anycompatiblearray,
    relevant anycompatiblearray,
    gains double precision[],
    k integer)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_ndcg_at_array'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION ndcg_at(anycompatiblearray, anycompatiblearray, double precision[], integer) IS 'discounted gains of the first k items, divided by those of the best list of k';

-- binary_ndcg_at

CREATE FUNCTION binary_ndcg_at_final(bytea)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_binary_ndcg_at_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION binary_ndcg_at_final IS 'final function of binary_ndcg_at';

CREATE AGGREGATE binary_ndcg_at(rank bigint, gain double precision, k integer) (
    SFUNC = rank_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = binary_ndcg_at_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE binary_ndcg_at(bigint, double precision, integer) IS
    'of one user''s list: ndcg_at with a gain of 1 for every relevant item';

CREATE FUNCTION binary_ndcg_at(
    recommended anycompatiblearray,
    relevant anycompatiblearray,
    k integer)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_binary_ndcg_at_array'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION binary_ndcg_at(anycompatiblearray, anycompatiblearray, integer) IS 'ndcg_at with a gain of 1 for every relevant item';

-- serendipity

CREATE FUNCTION serendipity_accumulate(bytea, bigint, double precision, boolean, integer)
RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_serendipity_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION serendipity_accumulate IS 'transition function of serendipity';

CREATE AGGREGATE serendipity(rank bigint, gain double precision, expected boolean, k integer) (
    SFUNC = serendipity_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = precision_at_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE serendipity(bigint, double precision, boolean, integer) IS
    'of one user''s list: relevant items among the first k that were not to be expected, divided by k';
