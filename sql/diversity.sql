-- diversity: what recommendations are like beyond how right they are

-- of exposures, a row for each item of the catalog, and of lengths, one for each user

CREATE FUNCTION exposure_accumulate(double precision[], double precision)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_exposure_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION exposure_accumulate IS 'transition function of catalog_coverage, user_coverage and exposure_entropy';

CREATE FUNCTION coverage_final(double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_coverage_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION coverage_final IS 'final function of catalog_coverage and user_coverage';

CREATE AGGREGATE catalog_coverage(exposures double precision) (
    SFUNC = exposure_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = coverage_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE catalog_coverage(double precision) IS
    'share of the items of the catalog that were recommended at all';

CREATE AGGREGATE user_coverage(length double precision) (
    SFUNC = exposure_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = coverage_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE user_coverage(double precision) IS
    'share of the users who have any recommendation';

CREATE FUNCTION exposure_entropy_final(double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_exposure_entropy_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION exposure_entropy_final IS 'final function of exposure_entropy';

CREATE AGGREGATE exposure_entropy(exposures double precision) (
    SFUNC = exposure_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = exposure_entropy_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE exposure_entropy(double precision) IS
    'entropy in bits of how exposures are spread over items';

CREATE FUNCTION gini_accumulate(bytea, double precision)
RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_gini_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION gini_accumulate IS 'transition function of gini';

CREATE FUNCTION gini_final(bytea)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_gini_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION gini_final IS 'final function of gini';

CREATE AGGREGATE gini(exposures double precision) (
    SFUNC = gini_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = gini_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE gini(double precision) IS
    'Gini coefficient: 0 when all items have the same exposures, near 1 when one has them all';

CREATE FUNCTION short_list_accumulate(double precision[], double precision, integer)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_short_list_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION short_list_accumulate IS 'transition function of short_list_share';

CREATE FUNCTION mean_final(double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_mean_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION mean_final IS 'final function of aggregates that are means';

CREATE AGGREGATE short_list_share(length double precision, k integer) (
    SFUNC = short_list_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = mean_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE short_list_share(double precision, integer) IS
    'share of the users whose list has fewer than k items';

CREATE FUNCTION repeated_list_accumulate(bytea, text)
RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_repeated_list_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION repeated_list_accumulate IS 'transition function of repeated_list_share';

CREATE FUNCTION repeated_list_share_final(bytea)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_repeated_list_share_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION repeated_list_share_final IS 'final function of repeated_list_share';

CREATE AGGREGATE repeated_list_share(list text) (
    SFUNC = repeated_list_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = repeated_list_share_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE repeated_list_share(text) IS
    'share of the users whose list is the same as another user''s';

-- of the rows of lists

CREATE FUNCTION novelty_accumulate(double precision[], double precision, double precision)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_novelty_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION novelty_accumulate IS 'transition function of novelty';

CREATE AGGREGATE novelty(item_users double precision, all_users double precision) (
    SFUNC = novelty_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = mean_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE novelty(double precision, double precision) IS
    'mean self-information of recommended items, -log2(item_users / all_users), in bits';

CREATE FUNCTION mean_accumulate(double precision[], double precision)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_mean_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION mean_accumulate IS 'transition function of aggregates that are means';

CREATE AGGREGATE arp(popularity double precision) (
    SFUNC = mean_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = mean_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE arp(double precision) IS
    'average recommendation popularity: mean popularity of recommended items';

-- of the pairs, or the vectors, of one list

CREATE FUNCTION intra_list_diversity_final(double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_intra_list_diversity_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION intra_list_diversity_final IS 'final function of intra_list_diversity';

CREATE AGGREGATE intra_list_diversity(similarity double precision) (
    SFUNC = mean_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = intra_list_diversity_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE intra_list_diversity(double precision) IS
    '1 - mean similarity of the pairs of a list';

CREATE FUNCTION intra_list_diversity(vectors svec[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_intra_list_diversity'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100;

COMMENT ON FUNCTION intra_list_diversity(svec[]) IS '1 - mean cosine of the pairs of some vectors';
