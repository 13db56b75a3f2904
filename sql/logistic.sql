-- logistic: from weights and features to probabilities

CREATE FUNCTION logistic(z double precision)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_logistic'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION logistic IS '1 / (1 + exp(-z)), the probability that belongs to the log-odds z';

-- logistic_score

CREATE FUNCTION logistic_score(weights real[], features real[], intercept double precision DEFAULT 0)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_logistic_score_real'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2;

COMMENT ON FUNCTION logistic_score(real[], real[], double precision) IS
    'logistic of intercept + sum of weight * feature, of arrays';

CREATE FUNCTION logistic_score(weights double precision[], features double precision[], intercept double precision DEFAULT 0)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_logistic_score_double'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2;

COMMENT ON FUNCTION logistic_score(double precision[], double precision[], double precision) IS
    'logistic of intercept + sum of weight * feature, of arrays';

CREATE FUNCTION logistic_score(weights svec, features svec, intercept double precision DEFAULT 0)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_logistic_score_svec'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2;

COMMENT ON FUNCTION logistic_score(svec, svec, double precision) IS
    'logistic of intercept + sum of weight * feature, of sparse vectors, an absent element being zero';

CREATE FUNCTION logistic_score(weights double precision[], features svec, intercept double precision DEFAULT 0)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_logistic_score_indexed'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2;

COMMENT ON FUNCTION logistic_score(double precision[], svec, double precision) IS
    'logistic of intercept + sum of weight * feature, of features whose ids are subscripts of the weights';

-- softmax

CREATE FUNCTION softmax(z double precision)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_softmax_window'
LANGUAGE c WINDOW IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION softmax(double precision) IS
    'window function: exp(z) / sum of exp(z) over the partition, whatever its order and frame';

CREATE FUNCTION softmax(z double precision[])
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'socrec_softmax_array'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION softmax(double precision[]) IS 'exp(z) / sum of exp(z) for each element of an array';

-- choice_probability

CREATE FUNCTION choice_probability(weights real[], features real[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_choice_probability_real'
LANGUAGE c WINDOW IMMUTABLE PARALLEL SAFE COST 2;

COMMENT ON FUNCTION choice_probability(real[], real[]) IS
    'window function: exp(sum of weight * feature) as a share of that over the partition, of arrays';

CREATE FUNCTION choice_probability(weights double precision[], features double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_choice_probability_double'
LANGUAGE c WINDOW IMMUTABLE PARALLEL SAFE COST 2;

COMMENT ON FUNCTION choice_probability(double precision[], double precision[]) IS
    'window function: exp(sum of weight * feature) as a share of that over the partition, of arrays';

CREATE FUNCTION choice_probability(weights svec, features svec)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_choice_probability_svec'
LANGUAGE c WINDOW IMMUTABLE PARALLEL SAFE COST 2;

COMMENT ON FUNCTION choice_probability(svec, svec) IS
    'window function: exp(sum of weight * feature) as a share of that over the partition, of sparse vectors, an absent element being zero';

CREATE FUNCTION choice_probability(weights double precision[], features svec)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_choice_probability_indexed'
LANGUAGE c WINDOW IMMUTABLE PARALLEL SAFE COST 2;

COMMENT ON FUNCTION choice_probability(double precision[], svec) IS
    'window function: exp(sum of weight * feature) as a share of that over the partition, of features whose ids are subscripts of the weights';
