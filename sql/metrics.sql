-- metrics: how good predictions, rankings and lists are

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
