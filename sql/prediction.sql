-- prediction: from neighbors and ratings to predictions and recommendations

CREATE FUNCTION combine_sums(double precision[], double precision[])
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_combine_sums'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION combine_sums IS
    'combine function of the aggregates whose state is an array of sums';

CREATE FUNCTION prediction_accumulate(double precision[], double precision, double precision)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_prediction_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION prediction_accumulate IS
    'transition function of cf_predict and weighted_sum';

CREATE FUNCTION cf_predict_final(double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_cf_predict_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION cf_predict_final IS 'final function of cf_predict';

CREATE AGGREGATE cf_predict(weight double precision, rating double precision) (
    SFUNC = prediction_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = cf_predict_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE cf_predict(double precision, double precision) IS
    'predicted rating: sum(weight * rating) / sum(|weight|)';

CREATE FUNCTION weighted_sum_final(double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_weighted_sum_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION weighted_sum_final IS 'final function of weighted_sum';

CREATE AGGREGATE weighted_sum(weight double precision, rating double precision) (
    SFUNC = prediction_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = weighted_sum_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE weighted_sum(double precision, double precision) IS
    'sum(weight * rating), the score R_i(j) of collaborative filtering';

CREATE TYPE scored_item AS (
    id integer,
    score double precision,
    support integer
);

COMMENT ON TYPE scored_item IS
    'an item by its number in a model, its score, and how many rated items spoke for it';

CREATE FUNCTION top_items_accumulate(
    internal, integer, svec, double precision, integer, boolean, boolean, integer)
RETURNS internal
AS 'MODULE_PATHNAME', 'socrec_top_items_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION top_items_accumulate(internal, integer, svec, double precision, integer, boolean, boolean, integer) IS
    'transition function of top_items';

CREATE FUNCTION top_items_final(internal)
RETURNS scored_item[]
AS 'MODULE_PATHNAME', 'socrec_top_items_final'
LANGUAGE c STABLE PARALLEL SAFE;

COMMENT ON FUNCTION top_items_final IS 'final function of top_items';

CREATE AGGREGATE top_items(
    id integer,
    neighbors svec,
    rating double precision,
    n integer,
    normalized boolean,
    exclude_seen boolean,
    min_support integer) (
    SFUNC = top_items_accumulate,
    STYPE = internal,
    SSPACE = 100000,
    FINALFUNC = top_items_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE top_items(integer, svec, double precision, integer, boolean, boolean, integer) IS
    'the n best items for one user, from one row for each rated item: its number, its neighbors, the rating';

-- With deviations, numbered as neighbors are, what a rating says of an item is
-- weight * (rating + deviation).

CREATE FUNCTION top_items_accumulate(
    internal, integer, svec, double precision, integer, boolean, boolean, integer, svec)
RETURNS internal
AS 'MODULE_PATHNAME', 'socrec_top_items_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION top_items_accumulate(internal, integer, svec, double precision, integer, boolean, boolean, integer, svec) IS
    'transition function of top_items with deviations';

CREATE AGGREGATE top_items(
    id integer,
    neighbors svec,
    rating double precision,
    n integer,
    normalized boolean,
    exclude_seen boolean,
    min_support integer,
    deviations svec) (
    SFUNC = top_items_accumulate,
    STYPE = internal,
    SSPACE = 100000,
    FINALFUNC = top_items_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE top_items(integer, svec, double precision, integer, boolean, boolean, integer, svec) IS
    'the n best items for one user, from one row for each rated item: its number, its neighbors, the rating, and what is added to it for each neighbor';
