-- similarity: how alike two vectors are
--
-- Each kind has the same objects: functions over two arrays and over two sparse
-- vectors, and aggregates over pairs (x, y) without and with options.

CREATE FUNCTION similarity_combine(double precision[], double precision[])
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_similarity_combine'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION similarity_combine IS 'combine function of the similarity aggregates';

-- cosine_similarity

CREATE FUNCTION cosine_similarity(
    a real[],
    b real[],
    min_support integer DEFAULT 0,
    shrinkage double precision DEFAULT 0)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_cosine_similarity_array'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION cosine_similarity(real[], real[], integer, double precision) IS
    'cosine of the angle between two arrays';

CREATE FUNCTION cosine_similarity(
    a double precision[],
    b double precision[],
    min_support integer DEFAULT 0,
    shrinkage double precision DEFAULT 0)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_cosine_similarity_array'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION cosine_similarity(double precision[], double precision[], integer, double precision) IS
    'cosine of the angle between two arrays';

CREATE FUNCTION cosine_similarity(
    a svec,
    b svec,
    min_support integer DEFAULT 0,
    shrinkage double precision DEFAULT 0)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_cosine_similarity_svec'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION cosine_similarity(svec, svec, integer, double precision) IS
    'cosine of the angle between two sparse vectors, an absent element being zero';

CREATE FUNCTION cosine_similarity_accumulate(
    double precision[], double precision, double precision)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_cosine_similarity_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION cosine_similarity_accumulate(
    double precision[], double precision, double precision) IS
    'transition function of cosine_similarity';

CREATE FUNCTION cosine_similarity_accumulate(
    double precision[], double precision, double precision, integer, double precision)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_cosine_similarity_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION cosine_similarity_accumulate(
    double precision[], double precision, double precision, integer, double precision) IS
    'transition function of cosine_similarity with options';

CREATE FUNCTION cosine_similarity_final(double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_cosine_similarity_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION cosine_similarity_final IS 'final function of cosine_similarity';

CREATE AGGREGATE cosine_similarity(x double precision, y double precision) (
    SFUNC = cosine_similarity_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = similarity_combine,
    FINALFUNC = cosine_similarity_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE cosine_similarity(double precision, double precision) IS
    'cosine of the angle between x and y over all pairs, a NULL being zero';

CREATE AGGREGATE cosine_similarity(
    x double precision,
    y double precision,
    min_support integer,
    shrinkage double precision) (
    SFUNC = cosine_similarity_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = similarity_combine,
    FINALFUNC = cosine_similarity_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE cosine_similarity(double precision, double precision, integer, double precision) IS
    'cosine of the angle between x and y over all pairs, a NULL being zero; with options';

-- adjusted_cosine

CREATE FUNCTION adjusted_cosine(
    a real[],
    b real[],
    means real[],
    min_support integer DEFAULT 0,
    shrinkage double precision DEFAULT 0)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_adjusted_cosine_array'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION adjusted_cosine(real[], real[], real[], integer, double precision) IS
    'cosine of two arrays, each element taken relative to the mean of its user';

CREATE FUNCTION adjusted_cosine(
    a double precision[],
    b double precision[],
    means double precision[],
    min_support integer DEFAULT 0,
    shrinkage double precision DEFAULT 0)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_adjusted_cosine_array'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION adjusted_cosine(double precision[], double precision[], double precision[], integer, double precision) IS
    'cosine of two arrays, each element taken relative to the mean of its user';

CREATE FUNCTION adjusted_cosine(
    a svec,
    b svec,
    means svec,
    min_support integer DEFAULT 0,
    shrinkage double precision DEFAULT 0)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_adjusted_cosine_svec'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION adjusted_cosine(svec, svec, svec, integer, double precision) IS
    'cosine of two sparse vectors over the ids common to both and to means, each element taken relative to the mean of its user';

CREATE FUNCTION adjusted_cosine_accumulate(
    double precision[], double precision, double precision, double precision)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_adjusted_cosine_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION adjusted_cosine_accumulate(
    double precision[], double precision, double precision, double precision) IS
    'transition function of adjusted_cosine';

CREATE FUNCTION adjusted_cosine_accumulate(
    double precision[], double precision, double precision, double precision, integer, double precision)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_adjusted_cosine_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION adjusted_cosine_accumulate(
    double precision[], double precision, double precision, double precision, integer, double precision) IS
    'transition function of adjusted_cosine with options';

CREATE FUNCTION adjusted_cosine_final(double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_adjusted_cosine_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION adjusted_cosine_final IS 'final function of adjusted_cosine';

CREATE AGGREGATE adjusted_cosine(x double precision, y double precision, user_mean double precision) (
    SFUNC = adjusted_cosine_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = similarity_combine,
    FINALFUNC = adjusted_cosine_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE adjusted_cosine(double precision, double precision, double precision) IS
    'cosine of x and y over complete pairs, each taken relative to the mean of its user';

CREATE AGGREGATE adjusted_cosine(
    x double precision,
    y double precision,
    user_mean double precision,
    min_support integer,
    shrinkage double precision) (
    SFUNC = adjusted_cosine_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = similarity_combine,
    FINALFUNC = adjusted_cosine_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE adjusted_cosine(double precision, double precision, double precision, integer, double precision) IS
    'cosine of x and y over complete pairs, each taken relative to the mean of its user; with options';

-- pearson_similarity

CREATE FUNCTION pearson_similarity(
    a real[],
    b real[],
    min_support integer DEFAULT 0,
    shrinkage double precision DEFAULT 0)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_pearson_similarity_array'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION pearson_similarity(real[], real[], integer, double precision) IS
    'Pearson correlation of two arrays';

CREATE FUNCTION pearson_similarity(
    a double precision[],
    b double precision[],
    min_support integer DEFAULT 0,
    shrinkage double precision DEFAULT 0)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_pearson_similarity_array'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION pearson_similarity(double precision[], double precision[], integer, double precision) IS
    'Pearson correlation of two arrays';

CREATE FUNCTION pearson_similarity(
    a svec,
    b svec,
    min_support integer DEFAULT 0,
    shrinkage double precision DEFAULT 0)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_pearson_similarity_svec'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION pearson_similarity(svec, svec, integer, double precision) IS
    'Pearson correlation of two sparse vectors over their common ids';

CREATE FUNCTION pearson_similarity_accumulate(
    double precision[], double precision, double precision)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_pearson_similarity_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION pearson_similarity_accumulate(
    double precision[], double precision, double precision) IS
    'transition function of pearson_similarity';

CREATE FUNCTION pearson_similarity_accumulate(
    double precision[], double precision, double precision, integer, double precision)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_pearson_similarity_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION pearson_similarity_accumulate(
    double precision[], double precision, double precision, integer, double precision) IS
    'transition function of pearson_similarity with options';

CREATE FUNCTION pearson_similarity_final(double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_pearson_similarity_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION pearson_similarity_final IS 'final function of pearson_similarity';

CREATE AGGREGATE pearson_similarity(x double precision, y double precision) (
    SFUNC = pearson_similarity_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = similarity_combine,
    FINALFUNC = pearson_similarity_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE pearson_similarity(double precision, double precision) IS
    'Pearson correlation of x and y over complete pairs';

CREATE AGGREGATE pearson_similarity(
    x double precision,
    y double precision,
    min_support integer,
    shrinkage double precision) (
    SFUNC = pearson_similarity_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = similarity_combine,
    FINALFUNC = pearson_similarity_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE pearson_similarity(double precision, double precision, integer, double precision) IS
    'Pearson correlation of x and y over complete pairs; with options';

-- jaccard_similarity

CREATE FUNCTION jaccard_similarity(
    a real[],
    b real[],
    min_support integer DEFAULT 0,
    shrinkage double precision DEFAULT 0)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_jaccard_similarity_array'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION jaccard_similarity(real[], real[], integer, double precision) IS
    'Jaccard index of the sets of positions at which two arrays are not zero';

CREATE FUNCTION jaccard_similarity(
    a double precision[],
    b double precision[],
    min_support integer DEFAULT 0,
    shrinkage double precision DEFAULT 0)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_jaccard_similarity_array'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION jaccard_similarity(double precision[], double precision[], integer, double precision) IS
    'Jaccard index of the sets of positions at which two arrays are not zero';

CREATE FUNCTION jaccard_similarity(
    a svec,
    b svec,
    min_support integer DEFAULT 0,
    shrinkage double precision DEFAULT 0)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_jaccard_similarity_svec'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION jaccard_similarity(svec, svec, integer, double precision) IS
    'Jaccard index of the sets of ids of two sparse vectors';

CREATE FUNCTION jaccard_similarity_accumulate(
    double precision[], double precision, double precision)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_jaccard_similarity_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION jaccard_similarity_accumulate(
    double precision[], double precision, double precision) IS
    'transition function of jaccard_similarity';

CREATE FUNCTION jaccard_similarity_accumulate(
    double precision[], double precision, double precision, integer, double precision)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_jaccard_similarity_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION jaccard_similarity_accumulate(
    double precision[], double precision, double precision, integer, double precision) IS
    'transition function of jaccard_similarity with options';

CREATE FUNCTION jaccard_similarity_final(double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_jaccard_similarity_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION jaccard_similarity_final IS 'final function of jaccard_similarity';

CREATE AGGREGATE jaccard_similarity(x double precision, y double precision) (
    SFUNC = jaccard_similarity_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = similarity_combine,
    FINALFUNC = jaccard_similarity_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE jaccard_similarity(double precision, double precision) IS
    'Jaccard index of the sets of rows in which x and y are not NULL';

CREATE AGGREGATE jaccard_similarity(
    x double precision,
    y double precision,
    min_support integer,
    shrinkage double precision) (
    SFUNC = jaccard_similarity_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = similarity_combine,
    FINALFUNC = jaccard_similarity_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE jaccard_similarity(double precision, double precision, integer, double precision) IS
    'Jaccard index of the sets of rows in which x and y are not NULL; with options';

-- euclidean_similarity

CREATE FUNCTION euclidean_similarity(
    a real[],
    b real[],
    min_support integer DEFAULT 0,
    shrinkage double precision DEFAULT 0)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_euclidean_similarity_array'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION euclidean_similarity(real[], real[], integer, double precision) IS
    '1 / (1 + Euclidean distance) of two arrays';

CREATE FUNCTION euclidean_similarity(
    a double precision[],
    b double precision[],
    min_support integer DEFAULT 0,
    shrinkage double precision DEFAULT 0)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_euclidean_similarity_array'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION euclidean_similarity(double precision[], double precision[], integer, double precision) IS
    '1 / (1 + Euclidean distance) of two arrays';

CREATE FUNCTION euclidean_similarity(
    a svec,
    b svec,
    min_support integer DEFAULT 0,
    shrinkage double precision DEFAULT 0)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_euclidean_similarity_svec'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION euclidean_similarity(svec, svec, integer, double precision) IS
    '1 / (1 + Euclidean distance) of two sparse vectors over their common ids';

CREATE FUNCTION euclidean_similarity_accumulate(
    double precision[], double precision, double precision)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_euclidean_similarity_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION euclidean_similarity_accumulate(
    double precision[], double precision, double precision) IS
    'transition function of euclidean_similarity';

CREATE FUNCTION euclidean_similarity_accumulate(
    double precision[], double precision, double precision, integer, double precision)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_euclidean_similarity_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION euclidean_similarity_accumulate(
    double precision[], double precision, double precision, integer, double precision) IS
    'transition function of euclidean_similarity with options';

CREATE FUNCTION euclidean_similarity_final(double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_euclidean_similarity_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION euclidean_similarity_final IS 'final function of euclidean_similarity';

CREATE AGGREGATE euclidean_similarity(x double precision, y double precision) (
    SFUNC = euclidean_similarity_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = similarity_combine,
    FINALFUNC = euclidean_similarity_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE euclidean_similarity(double precision, double precision) IS
    '1 / (1 + Euclidean distance) of x and y over complete pairs';

CREATE AGGREGATE euclidean_similarity(
    x double precision,
    y double precision,
    min_support integer,
    shrinkage double precision) (
    SFUNC = euclidean_similarity_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = similarity_combine,
    FINALFUNC = euclidean_similarity_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE euclidean_similarity(double precision, double precision, integer, double precision) IS
    '1 / (1 + Euclidean distance) of x and y over complete pairs; with options';
