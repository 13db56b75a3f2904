-- metrics: how good predictions, rankings and lists are; rankings in ranking.sql,
-- what is beyond being right in diversity.sql

CREATE FUNCTION error_accumulate(double precision[], double precision, double precision)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_error_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION error_accumulate IS 'transition function of sse, mse, rmse and mae';

CREATE FUNCTION sse_final(double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_sse_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION sse_final IS 'final function of sse';

CREATE AGGREGATE sse(actual double precision, predicted double precision) (
    SFUNC = error_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = sse_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE sse(double precision, double precision) IS
    'sum of squared errors, M = sum((actual - predicted)^2)';

CREATE FUNCTION mse_final(double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_mse_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION mse_final IS 'final function of mse';

CREATE AGGREGATE mse(actual double precision, predicted double precision) (
    SFUNC = error_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = mse_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE mse(double precision, double precision) IS 'mean squared error';

CREATE FUNCTION rmse_final(double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_rmse_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION rmse_final IS 'final function of rmse';

CREATE AGGREGATE rmse(actual double precision, predicted double precision) (
    SFUNC = error_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = rmse_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE rmse(double precision, double precision) IS 'root of the mean squared error';

CREATE FUNCTION mae_final(double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_mae_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION mae_final IS 'final function of mae';

CREATE AGGREGATE mae(actual double precision, predicted double precision) (
    SFUNC = error_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = mae_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE mae(double precision, double precision) IS 'mean absolute error';

-- r2

CREATE FUNCTION r2_accumulate(double precision[], double precision, double precision)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_r2_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION r2_accumulate IS 'transition function of r2';

CREATE FUNCTION r2_combine(double precision[], double precision[])
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_r2_combine'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION r2_combine IS 'combine function of r2';

CREATE FUNCTION r2_final(double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_r2_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION r2_final IS 'final function of r2';

CREATE AGGREGATE r2(actual double precision, predicted double precision) (
    SFUNC = r2_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = r2_combine,
    FINALFUNC = r2_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE r2(double precision, double precision) IS
    'coefficient of determination: 1 - squared errors / squared deviations of actual from its mean';

-- of probabilities: label is what happened

CREATE FUNCTION probability_accumulate(double precision[], boolean, double precision)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_probability_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION probability_accumulate(double precision[], boolean, double precision) IS
    'transition function of log_loss and brier_score';

CREATE FUNCTION probability_accumulate(double precision[], boolean, double precision, double precision)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_probability_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION probability_accumulate(double precision[], boolean, double precision, double precision) IS
    'transition function of log_loss and brier_score with weights';

CREATE FUNCTION log_loss_final(double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_log_loss_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION log_loss_final IS 'final function of log_loss';

CREATE AGGREGATE log_loss(label boolean, probability double precision) (
    SFUNC = probability_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = log_loss_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE log_loss(boolean, double precision) IS
    'mean of -ln(probability of the label), probabilities being cut off at 2^-52 and 1 - 2^-52';

CREATE AGGREGATE log_loss(label boolean, probability double precision, weight double precision) (
    SFUNC = probability_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = log_loss_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE log_loss(boolean, double precision, double precision) IS
    'weighted mean of -ln(probability of the label)';

CREATE FUNCTION brier_final(double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_brier_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION brier_final IS 'final function of brier and brier_score';

CREATE AGGREGATE brier(label boolean, probability double precision) (
    SFUNC = probability_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = brier_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE brier(boolean, double precision) IS
    'Brier score: mean squared difference of probability and label';

CREATE AGGREGATE brier_score(label boolean, probability double precision) (
    SFUNC = probability_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = brier_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE brier_score(boolean, double precision) IS
    'Brier score: mean squared difference of probability and label; the same as brier';

CREATE AGGREGATE brier_score(label boolean, probability double precision, weight double precision) (
    SFUNC = probability_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = brier_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE brier_score(boolean, double precision, double precision) IS
    'Brier score: weighted mean squared difference of probability and label';

CREATE FUNCTION calibration_accumulate(double precision[], boolean, double precision)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_calibration_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION calibration_accumulate(double precision[], boolean, double precision) IS 'transition function of calibration_error';

CREATE FUNCTION calibration_accumulate(double precision[], boolean, double precision, integer)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_calibration_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION calibration_accumulate(double precision[], boolean, double precision, integer) IS 'transition function of calibration_error with a number of bins';

CREATE FUNCTION calibration_accumulate(double precision[], boolean, double precision, double precision, integer)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_calibration_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION calibration_accumulate(double precision[], boolean, double precision, double precision, integer) IS
    'transition function of calibration_error with weights and a number of bins';

CREATE FUNCTION calibration_error_final(double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_calibration_error_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION calibration_error_final IS 'final function of calibration_error';

CREATE AGGREGATE calibration_error(label boolean, probability double precision) (
    SFUNC = calibration_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = calibration_error_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE calibration_error(boolean, double precision) IS
    'expected calibration error in 10 bins of equal width';

CREATE AGGREGATE calibration_error(label boolean, probability double precision, bins integer) (
    SFUNC = calibration_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = calibration_error_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE calibration_error(boolean, double precision, integer) IS
    'expected calibration error in bins of equal width';

CREATE AGGREGATE calibration_error(label boolean, probability double precision, weight double precision, bins integer) (
    SFUNC = calibration_accumulate,
    STYPE = double precision[],
    COMBINEFUNC = combine_sums,
    FINALFUNC = calibration_error_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE calibration_error(boolean, double precision, double precision, integer) IS
    'expected calibration error of weighted rows in bins of equal width';

-- of scores; the state has them all

CREATE FUNCTION combine_lists(bytea, bytea)
RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_combine_lists'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION combine_lists IS 'combine function of aggregates whose state is two lists of numbers';

CREATE FUNCTION score_accumulate(bytea, boolean, double precision)
RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_score_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION score_accumulate(bytea, boolean, double precision) IS
    'transition function of auc, average_precision, ks_statistic and calibration_curve';

CREATE FUNCTION score_accumulate(bytea, boolean, double precision, double precision)
RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_score_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION score_accumulate(bytea, boolean, double precision, double precision) IS
    'transition function of auc, average_precision and ks_statistic with weights';

CREATE FUNCTION auc_final(bytea)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_auc_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION auc_final IS 'final function of auc';

CREATE AGGREGATE auc(label boolean, score double precision) (
    SFUNC = score_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = auc_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE auc(boolean, double precision) IS
    'area under the ROC curve: probability that a positive has a greater score than a negative, ties counting half';

CREATE AGGREGATE auc(label boolean, score double precision, weight double precision) (
    SFUNC = score_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = auc_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE auc(boolean, double precision, double precision) IS
    'area under the ROC curve of weighted rows';

CREATE FUNCTION average_precision_final(bytea)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_average_precision_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION average_precision_final IS 'final function of average_precision';

CREATE AGGREGATE average_precision(label boolean, score double precision) (
    SFUNC = score_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = average_precision_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE average_precision(boolean, double precision) IS
    'sum over distinct scores, falling, of the gain in recall times the precision there';

CREATE AGGREGATE average_precision(label boolean, score double precision, weight double precision) (
    SFUNC = score_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = average_precision_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE average_precision(boolean, double precision, double precision) IS
    'average precision of weighted rows';

CREATE FUNCTION ks_statistic_final(bytea)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_ks_statistic_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION ks_statistic_final IS 'final function of ks_statistic';

CREATE AGGREGATE ks_statistic(label boolean, score double precision) (
    SFUNC = score_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = ks_statistic_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE ks_statistic(boolean, double precision) IS
    'Kolmogorov-Smirnov statistic: the greatest difference of true and false positive rate';

CREATE AGGREGATE ks_statistic(label boolean, score double precision, weight double precision) (
    SFUNC = score_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = ks_statistic_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE ks_statistic(boolean, double precision, double precision) IS
    'Kolmogorov-Smirnov statistic of weighted rows';

CREATE TYPE calibration_bin AS (
    bin integer,
    n double precision,
    positives double precision,
    low double precision,
    high double precision,
    mean_probability double precision,
    share double precision,
    share_low double precision,
    share_high double precision
);

COMMENT ON TYPE calibration_bin IS
    'rows from one probability to another: their number or weight, the mean probability, and the share of positives with its Wilson score interval';

CREATE FUNCTION curve_accumulate(bytea, boolean, double precision, integer)
RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_curve_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION curve_accumulate(bytea, boolean, double precision, integer) IS 'transition function of calibration_curve with a number of bins';

CREATE FUNCTION curve_accumulate(bytea, boolean, double precision, double precision, integer)
RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_curve_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION curve_accumulate(bytea, boolean, double precision, double precision, integer) IS
    'transition function of calibration_curve with weights and a number of bins';

CREATE FUNCTION calibration_curve_final(bytea)
RETURNS calibration_bin[]
AS 'MODULE_PATHNAME', 'socrec_calibration_curve_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION calibration_curve_final IS 'final function of calibration_curve';

CREATE AGGREGATE calibration_curve(label boolean, probability double precision) (
    SFUNC = score_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = calibration_curve_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE calibration_curve(boolean, double precision) IS
    'tenths of the rows by probability, for a look at how it compares to what happened';

CREATE AGGREGATE calibration_curve(label boolean, probability double precision, bins integer) (
    SFUNC = curve_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = calibration_curve_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE calibration_curve(boolean, double precision, integer) IS
    'bins of as many rows each by probability';

CREATE AGGREGATE calibration_curve(label boolean, probability double precision, weight double precision, bins integer) (
    SFUNC = curve_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = calibration_curve_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE calibration_curve(boolean, double precision, double precision, integer) IS
    'bins of the same weight by probability';

-- intervals over users, and two models on the same users

CREATE TYPE bootstrap_estimate AS (
    value double precision,
    low double precision,
    high double precision,
    n bigint
);

COMMENT ON TYPE bootstrap_estimate IS 'a mean or ratio over n users with its bootstrap interval';

CREATE TYPE paired_difference AS (
    difference double precision,
    low double precision,
    high double precision,
    t_p_value double precision,
    wilcoxon_p_value double precision,
    n bigint
);

COMMENT ON TYPE paired_difference IS 'the mean difference over n pairs with its bootstrap interval and p values of two tests';

CREATE FUNCTION value_accumulate(bytea, double precision)
RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_value_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION value_accumulate(bytea, double precision) IS 'transition function of bootstrap_interval';

CREATE FUNCTION value_accumulate(bytea, double precision, integer, double precision, bigint)
RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_value_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION value_accumulate(bytea, double precision, integer, double precision, bigint) IS 'transition function of bootstrap_interval with options';

CREATE FUNCTION pair_accumulate(bytea, double precision, double precision)
RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_pair_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION pair_accumulate(bytea, double precision, double precision) IS 'transition function of paired_test and of bootstrap_interval of a ratio';

CREATE FUNCTION pair_accumulate(bytea, double precision, double precision, integer, double precision, bigint)
RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_pair_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION pair_accumulate(bytea, double precision, double precision, integer, double precision, bigint) IS 'transition function of paired_test and of bootstrap_interval of a ratio, with options';

CREATE FUNCTION bootstrap_interval_final(bytea)
RETURNS bootstrap_estimate
AS 'MODULE_PATHNAME', 'socrec_bootstrap_interval_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION bootstrap_interval_final IS 'final function of bootstrap_interval';

CREATE AGGREGATE bootstrap_interval(value double precision) (
    SFUNC = value_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = bootstrap_interval_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE bootstrap_interval(double precision) IS
    'mean over users with its percentile bootstrap interval: 1000 replicates, confidence 0.95 and seed 0';

CREATE AGGREGATE bootstrap_interval(numerator double precision, denominator double precision) (
    SFUNC = pair_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = bootstrap_interval_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE bootstrap_interval(double precision, double precision) IS
    'ratio of sums over users with its percentile bootstrap interval: 1000 replicates, confidence 0.95 and seed 0';

CREATE AGGREGATE bootstrap_interval(value double precision, replicates integer, confidence double precision, seed bigint) (
    SFUNC = value_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = bootstrap_interval_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE bootstrap_interval(double precision, integer, double precision, bigint) IS
    'mean over users with its percentile bootstrap interval';

CREATE AGGREGATE bootstrap_interval(numerator double precision, denominator double precision, replicates integer, confidence double precision, seed bigint) (
    SFUNC = pair_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = bootstrap_interval_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE bootstrap_interval(double precision, double precision, integer, double precision, bigint) IS
    'ratio of sums over users with its percentile bootstrap interval';

CREATE FUNCTION paired_test_final(bytea)
RETURNS paired_difference
AS 'MODULE_PATHNAME', 'socrec_paired_test_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION paired_test_final IS 'final function of paired_test';

CREATE AGGREGATE paired_test(a double precision, b double precision) (
    SFUNC = pair_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = paired_test_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE paired_test(double precision, double precision) IS
    'mean of a - b over users with its bootstrap interval, paired t-test and Wilcoxon signed-rank test: 1000 replicates, confidence 0.95 and seed 0';

CREATE AGGREGATE paired_test(a double precision, b double precision, replicates integer, confidence double precision, seed bigint) (
    SFUNC = pair_accumulate,
    STYPE = bytea,
    COMBINEFUNC = combine_lists,
    FINALFUNC = paired_test_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE paired_test(double precision, double precision, integer, double precision, bigint) IS
    'mean of a - b over users with its bootstrap interval, paired t-test and Wilcoxon signed-rank test';

CREATE FUNCTION proportion_interval(successes bigint, trials bigint, confidence double precision DEFAULT 0.95,
    OUT value double precision, OUT low double precision, OUT high double precision, OUT n bigint)
AS 'MODULE_PATHNAME', 'socrec_proportion_interval'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION proportion_interval IS 'the share of successes with its Wilson score interval';
