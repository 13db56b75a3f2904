-- behavior: how probable it is that somebody does something, learned from rows
--
-- A pass over the rows is one aggregate query,
--
--   SELECT regression_sums(regression_contribution(parameters, y, x, weight, "offset"))
--
-- whose state is an array of sums: so it runs in parallel workers and on servers
-- that each have a part of the rows.

CREATE FUNCTION regression_contribution(parameters double precision[], y double precision, x double precision[],
    weight double precision, "offset" double precision)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_regression_contribution'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION regression_contribution IS 'what a row adds to the sums of a pass of a regression';

CREATE FUNCTION choice_contribution(parameters double precision[], y double precision[], x double precision[],
    weight double precision[], "offset" double precision[])
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_choice_contribution'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 50;

COMMENT ON FUNCTION choice_contribution IS 'what a choice set adds to the sums of a pass of a conditional logit';

CREATE FUNCTION cluster_contribution(sums double precision[])
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_cluster_contribution'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION cluster_contribution IS 'what a cluster of rows adds to the sums of a pass, for standard errors';

CREATE FUNCTION regression_accumulate(double precision[], double precision[])
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_regression_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10;

COMMENT ON FUNCTION regression_accumulate IS 'transition function of regression_sums';

CREATE AGGREGATE regression_sums(contribution double precision[]) (
    SFUNC = regression_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE regression_sums(double precision[]) IS 'the sums of a pass of a regression: rows, weight, loss, gradient and curvature';

CREATE AGGREGATE merge_sums(sums double precision[]) (
    SFUNC = combine_sums,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE merge_sums(double precision[]) IS 'the sum of arrays, element by element, such as those of regression_sums over parts of the rows';

-- logistic_regression: a model for each group

CREATE TYPE logistic_fit AS (
    intercept double precision,
    weights double precision[],
    intercept_std_error double precision,
    std_errors double precision[],
    n bigint,
    log_likelihood double precision,
    null_log_likelihood double precision,
    iterations integer,
    converged boolean
);

COMMENT ON TYPE logistic_fit IS 'a logistic regression: what logistic_score needs, and how sure it is';

CREATE FUNCTION logistic_regression_accumulate(internal, boolean, double precision[])
RETURNS internal
AS 'MODULE_PATHNAME', 'socrec_logistic_regression_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION logistic_regression_accumulate(internal, boolean, double precision[]) IS 'transition function of logistic_regression';

CREATE FUNCTION logistic_regression_accumulate(internal, boolean, double precision[], double precision, double precision)
RETURNS internal
AS 'MODULE_PATHNAME', 'socrec_logistic_regression_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION logistic_regression_accumulate(internal, boolean, double precision[], double precision, double precision) IS
    'transition function of logistic_regression with weights and a penalty';

CREATE FUNCTION logistic_regression_final(internal)
RETURNS logistic_fit
AS 'MODULE_PATHNAME', 'socrec_logistic_regression_final'
LANGUAGE c STABLE PARALLEL SAFE COST 10000;

COMMENT ON FUNCTION logistic_regression_final IS 'final function of logistic_regression';

CREATE AGGREGATE logistic_regression(y boolean, x double precision[]) (
    SFUNC = logistic_regression_accumulate,
    STYPE = internal,
    SSPACE = 1000000,
    FINALFUNC = logistic_regression_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE logistic_regression(boolean, double precision[]) IS
    'logistic regression of y on x and an intercept, of the rows of a group';

CREATE AGGREGATE logistic_regression(y boolean, x double precision[], weight double precision, l2 double precision) (
    SFUNC = logistic_regression_accumulate,
    STYPE = internal,
    SSPACE = 1000000,
    FINALFUNC = logistic_regression_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE logistic_regression(boolean, double precision[], double precision, double precision) IS
    'logistic regression of weighted rows with the penalty l2 / 2 * sum of squares of weights';

-- The work behind a behavior model.  The query returns y, weight and offset as double
-- precision; the choice set or, in other families, the shard; the cluster; and
-- features: numbers, or one array of them.  If it is sharded, a pass adds up what its
-- shards add up themselves.
CREATE FUNCTION fit_regression(
    query text,
    features integer,
    family text,
    classes integer,
    intercept boolean,
    has_weight boolean,
    has_offset boolean,
    l1 double precision,
    l2 double precision,
    standardize boolean,
    path integer,
    errors text,
    max_iterations integer,
    tolerance double precision,
    execution text,
    expected_rows bigint DEFAULT 0,
    sharded boolean DEFAULT false,
    OUT estimates double precision[],
    OUT std_errors double precision[],
    OUT states smallint[],
    OUT means double precision[],
    OUT deviations double precision[],
    OUT n bigint,
    OUT log_likelihood double precision,
    OUT null_log_likelihood double precision,
    OUT iterations integer,
    OUT passes integer,
    OUT converged boolean,
    OUT gradient_norm double precision,
    OUT condition_number double precision,
    OUT executed text,
    OUT path_l1 double precision[],
    OUT path_log_likelihood double precision[],
    OUT path_estimates double precision[])
AS 'MODULE_PATHNAME', 'socrec_fit_regression'
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 1000000;

COMMENT ON FUNCTION fit_regression IS 'a regression over the rows of a query';

-- Rows of any type, by the names of their columns

CREATE FUNCTION row_features(columns text[], levels text[], subscripts bigint[], defaults double precision[], "row" anyelement)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_row_features'
LANGUAGE c STABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION row_features IS 'the features of a row, by the names of its columns';

CREATE FUNCTION row_score(intercept double precision, columns text[], levels text[], subscripts bigint[], weights double precision[],
    defaults double precision[], "row" anyelement)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_row_score'
LANGUAGE c STABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION row_score IS 'intercept + sum of weight * feature of a row, by the names of its columns';

CREATE FUNCTION row_scores(intercepts double precision[], columns text[], levels text[], subscripts bigint[], weights double precision[],
    defaults double precision[], "row" anyelement)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_row_scores'
LANGUAGE c STABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION row_scores IS 'the scores of several classes, as row_score';

CREATE FUNCTION feature_means_accumulate(double precision[], double precision[])
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_feature_means_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION feature_means_accumulate IS 'transition function of feature_means';

CREATE FUNCTION feature_means_final(double precision[])
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_feature_means_final'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION feature_means_final IS 'final function of feature_means';

CREATE AGGREGATE feature_means(features double precision[]) (
    SFUNC = feature_means_accumulate,
    STYPE = double precision[],
    FINALFUNC = feature_means_final,
    COMBINEFUNC = combine_sums,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE feature_means(double precision[]) IS 'the means of features over rows, NaN left out';

CREATE FUNCTION most_probable(classes text[], scores double precision[])
RETURNS text
AS 'MODULE_PATHNAME', 'socrec_most_probable'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION most_probable IS 'the class with the greatest score';

CREATE FUNCTION chi_square_p_value(chi_square double precision, degrees_of_freedom double precision)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_chi_square_p_value'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION chi_square_p_value IS 'the probability that a chi-square variable is greater';
