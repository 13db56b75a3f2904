-- svec: a sparse vector, bigint id -> real weight

CREATE TYPE svec;

CREATE FUNCTION svec_in(cstring)
RETURNS svec
AS 'MODULE_PATHNAME', 'socrec_svec_in'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION svec_in IS 'input function of svec';

CREATE FUNCTION svec_out(svec)
RETURNS cstring
AS 'MODULE_PATHNAME', 'socrec_svec_out'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION svec_out IS 'output function of svec';

CREATE FUNCTION svec_recv(internal)
RETURNS svec
AS 'MODULE_PATHNAME', 'socrec_svec_recv'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION svec_recv IS 'binary input function of svec';

CREATE FUNCTION svec_send(svec)
RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_svec_send'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION svec_send IS 'binary output function of svec';

CREATE TYPE svec (
    INPUT = svec_in,
    OUTPUT = svec_out,
    RECEIVE = svec_recv,
    SEND = svec_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = extended
);

COMMENT ON TYPE svec IS 'sparse vector of real weights by bigint id, like {17:4.5, 23:1}';

-- Constructor and casts.  COST, here and below, is that of vectors of 100 elements.

CREATE FUNCTION svec(ids bigint[], weights real[])
RETURNS svec
AS 'MODULE_PATHNAME', 'socrec_svec_from_arrays'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 30;

COMMENT ON FUNCTION svec(bigint[], real[]) IS 'sparse vector of ids and their weights; zeros are left out';

CREATE FUNCTION svec(object jsonb)
RETURNS svec
AS 'MODULE_PATHNAME', 'socrec_svec_from_jsonb'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000;

COMMENT ON FUNCTION svec(jsonb) IS 'sparse vector of a jsonb object like {"17": 4.5, "23": 1}';

CREATE FUNCTION svec_to_jsonb(v svec)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'socrec_svec_to_jsonb'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1500;

COMMENT ON FUNCTION svec_to_jsonb IS 'jsonb object with the ids of a sparse vector as keys';

CREATE CAST (jsonb AS svec) WITH FUNCTION svec(jsonb) AS ASSIGNMENT;

COMMENT ON CAST (jsonb AS svec) IS 'sparse vector of a jsonb object';

CREATE CAST (svec AS jsonb) WITH FUNCTION svec_to_jsonb(svec) AS ASSIGNMENT;

COMMENT ON CAST (svec AS jsonb) IS 'jsonb object with ids as keys';

-- Elements

CREATE FUNCTION svec_length(v svec)
RETURNS integer
AS 'MODULE_PATHNAME', 'socrec_svec_length'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION svec_length IS 'number of elements (which are not zero)';

CREATE FUNCTION svec_get(v svec, id bigint)
RETURNS real
AS 'MODULE_PATHNAME', 'socrec_svec_get'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2;

COMMENT ON FUNCTION svec_get IS 'weight of an id, NULL if it is absent';

CREATE FUNCTION svec_top(v svec, n integer)
RETURNS svec
AS 'MODULE_PATHNAME', 'socrec_svec_top'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 80;

COMMENT ON FUNCTION svec_top IS 'the n elements of largest weight, of equal weights those with smaller ids';

CREATE FUNCTION svec_ids(v svec)
RETURNS bigint[]
AS 'MODULE_PATHNAME', 'socrec_svec_ids'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION svec_ids IS 'ids in ascending order';

CREATE FUNCTION svec_weights(v svec)
RETURNS real[]
AS 'MODULE_PATHNAME', 'socrec_svec_weights'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION svec_weights IS 'weights in the order of ids';

CREATE FUNCTION svec_unnest(v svec)
RETURNS TABLE (id bigint, weight real)
AS 'MODULE_PATHNAME', 'socrec_svec_unnest'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 300 ROWS 100;

COMMENT ON FUNCTION svec_unnest IS 'rows (id, weight) in the order of ids';

CREATE FUNCTION svec_norm(v svec)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_svec_norm'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5;

COMMENT ON FUNCTION svec_norm IS 'Euclidean norm: root of the sum of squared weights';

CREATE FUNCTION svec_sum(v svec)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_svec_sum'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5;

COMMENT ON FUNCTION svec_sum IS 'sum of the weights of one vector';

-- Arithmetic

CREATE FUNCTION svec_add(a svec, b svec)
RETURNS svec
AS 'MODULE_PATHNAME', 'socrec_svec_add'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 50;

COMMENT ON FUNCTION svec_add IS 'implementation of + operator';

CREATE FUNCTION svec_subtract(a svec, b svec)
RETURNS svec
AS 'MODULE_PATHNAME', 'socrec_svec_subtract'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 50;

COMMENT ON FUNCTION svec_subtract IS 'implementation of - operator';

CREATE FUNCTION svec_negate(v svec)
RETURNS svec
AS 'MODULE_PATHNAME', 'socrec_svec_negate'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5;

COMMENT ON FUNCTION svec_negate IS 'implementation of unary - operator';

CREATE FUNCTION svec_multiply(v svec, factor double precision)
RETURNS svec
AS 'MODULE_PATHNAME', 'socrec_svec_multiply'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5;

COMMENT ON FUNCTION svec_multiply(svec, double precision) IS 'implementation of * operator';

CREATE FUNCTION svec_multiply(factor double precision, v svec)
RETURNS svec
AS 'MODULE_PATHNAME', 'socrec_svec_multiply_left'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5;

COMMENT ON FUNCTION svec_multiply(double precision, svec) IS 'implementation of * operator';

CREATE FUNCTION svec_dot(a svec, b svec)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_svec_dot'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 25;

COMMENT ON FUNCTION svec_dot IS 'implementation of <*> operator';

CREATE FUNCTION svec_cosine_distance(a svec, b svec)
RETURNS double precision
AS 'MODULE_PATHNAME', 'socrec_svec_cosine_distance'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 35;

COMMENT ON FUNCTION svec_cosine_distance IS 'implementation of <=> operator';

CREATE OPERATOR + (
    LEFTARG = svec, RIGHTARG = svec, FUNCTION = svec_add,
    COMMUTATOR = +
);

COMMENT ON OPERATOR + (svec, svec) IS 'sum of two sparse vectors';

CREATE OPERATOR - (
    LEFTARG = svec, RIGHTARG = svec, FUNCTION = svec_subtract
);

COMMENT ON OPERATOR - (svec, svec) IS 'difference of two sparse vectors';

CREATE OPERATOR - (
    RIGHTARG = svec, FUNCTION = svec_negate
);

COMMENT ON OPERATOR - (NONE, svec) IS 'sparse vector with the opposite weights';

CREATE OPERATOR * (
    LEFTARG = svec, RIGHTARG = double precision, FUNCTION = svec_multiply,
    COMMUTATOR = *
);

COMMENT ON OPERATOR * (svec, double precision) IS 'sparse vector times a number';

CREATE OPERATOR * (
    LEFTARG = double precision, RIGHTARG = svec, FUNCTION = svec_multiply,
    COMMUTATOR = *
);

COMMENT ON OPERATOR * (double precision, svec) IS 'number times a sparse vector';

CREATE OPERATOR <*> (
    LEFTARG = svec, RIGHTARG = svec, FUNCTION = svec_dot,
    COMMUTATOR = <*>
);

COMMENT ON OPERATOR <*> (svec, svec) IS 'dot product: sum of the products of weights of the same id';

CREATE OPERATOR <=> (
    LEFTARG = svec, RIGHTARG = svec, FUNCTION = svec_cosine_distance,
    COMMUTATOR = <=>
);

COMMENT ON OPERATOR <=> (svec, svec) IS '1 - cosine of the angle; NULL if a vector is empty';

-- Comparison: element by element in the order of ids, by id and then by weight

CREATE FUNCTION svec_eq(a svec, b svec)
RETURNS boolean
AS 'MODULE_PATHNAME', 'socrec_svec_eq'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2;

COMMENT ON FUNCTION svec_eq IS 'implementation of = operator';

CREATE FUNCTION svec_ne(a svec, b svec)
RETURNS boolean
AS 'MODULE_PATHNAME', 'socrec_svec_ne'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2;

COMMENT ON FUNCTION svec_ne IS 'implementation of <> operator';

CREATE FUNCTION svec_lt(a svec, b svec)
RETURNS boolean
AS 'MODULE_PATHNAME', 'socrec_svec_lt'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2;

COMMENT ON FUNCTION svec_lt IS 'implementation of < operator';

CREATE FUNCTION svec_le(a svec, b svec)
RETURNS boolean
AS 'MODULE_PATHNAME', 'socrec_svec_le'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2;

COMMENT ON FUNCTION svec_le IS 'implementation of <= operator';

CREATE FUNCTION svec_ge(a svec, b svec)
RETURNS boolean
AS 'MODULE_PATHNAME', 'socrec_svec_ge'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2;

COMMENT ON FUNCTION svec_ge IS 'implementation of >= operator';

CREATE FUNCTION svec_gt(a svec, b svec)
RETURNS boolean
AS 'MODULE_PATHNAME', 'socrec_svec_gt'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2;

COMMENT ON FUNCTION svec_gt IS 'implementation of > operator';

CREATE FUNCTION svec_cmp(a svec, b svec)
RETURNS integer
AS 'MODULE_PATHNAME', 'socrec_svec_cmp'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2;

COMMENT ON FUNCTION svec_cmp IS 'less-equal-greater: -1, 0 or 1';

CREATE FUNCTION svec_hash(v svec)
RETURNS integer
AS 'MODULE_PATHNAME', 'socrec_svec_hash'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20;

COMMENT ON FUNCTION svec_hash IS 'hash';

CREATE FUNCTION svec_hash_extended(v svec, seed bigint)
RETURNS bigint
AS 'MODULE_PATHNAME', 'socrec_svec_hash_extended'
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20;

COMMENT ON FUNCTION svec_hash_extended IS 'hash with a seed';

CREATE OPERATOR = (
    LEFTARG = svec, RIGHTARG = svec, FUNCTION = svec_eq,
    COMMUTATOR = =, NEGATOR = <>,
    RESTRICT = eqsel, JOIN = eqjoinsel,
    HASHES, MERGES
);

COMMENT ON OPERATOR = (svec, svec) IS 'equal';

CREATE OPERATOR <> (
    LEFTARG = svec, RIGHTARG = svec, FUNCTION = svec_ne,
    COMMUTATOR = <>, NEGATOR = =,
    RESTRICT = neqsel, JOIN = neqjoinsel
);

COMMENT ON OPERATOR <> (svec, svec) IS 'not equal';

CREATE OPERATOR < (
    LEFTARG = svec, RIGHTARG = svec, FUNCTION = svec_lt,
    COMMUTATOR = >, NEGATOR = >=,
    RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);

COMMENT ON OPERATOR < (svec, svec) IS 'less than';

CREATE OPERATOR <= (
    LEFTARG = svec, RIGHTARG = svec, FUNCTION = svec_le,
    COMMUTATOR = >=, NEGATOR = >,
    RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);

COMMENT ON OPERATOR <= (svec, svec) IS 'less than or equal';

CREATE OPERATOR >= (
    LEFTARG = svec, RIGHTARG = svec, FUNCTION = svec_ge,
    COMMUTATOR = <=, NEGATOR = <,
    RESTRICT = scalargesel, JOIN = scalargejoinsel
);

COMMENT ON OPERATOR >= (svec, svec) IS 'greater than or equal';

CREATE OPERATOR > (
    LEFTARG = svec, RIGHTARG = svec, FUNCTION = svec_gt,
    COMMUTATOR = <, NEGATOR = <=,
    RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);

COMMENT ON OPERATOR > (svec, svec) IS 'greater than';

CREATE OPERATOR CLASS svec_ops DEFAULT FOR TYPE svec USING btree AS
    OPERATOR 1 <,
    OPERATOR 2 <=,
    OPERATOR 3 =,
    OPERATOR 4 >=,
    OPERATOR 5 >,
    FUNCTION 1 svec_cmp(svec, svec);

COMMENT ON OPERATOR CLASS svec_ops USING btree IS 'order of sparse vectors, for DISTINCT, ORDER BY and merge joins';

CREATE OPERATOR CLASS svec_ops DEFAULT FOR TYPE svec USING hash AS
    OPERATOR 1 =,
    FUNCTION 1 svec_hash(svec),
    FUNCTION 2 svec_hash_extended(svec, bigint);

COMMENT ON OPERATOR CLASS svec_ops USING hash IS 'equality of sparse vectors';

-- Aggregates.  Their state is a flat bytea that needs no serialization, so that
-- partial states travel between workers, and between servers, as they are.

CREATE FUNCTION svec_agg_accumulate(bytea, bigint, real)
RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_svec_agg_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 5;

COMMENT ON FUNCTION svec_agg_accumulate IS 'transition function of svec_agg';

CREATE FUNCTION svec_sum_accumulate(bytea, svec)
RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_svec_sum_accumulate'
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 300;

COMMENT ON FUNCTION svec_sum_accumulate IS 'transition function of sum(svec) and avg(svec)';

CREATE FUNCTION svec_combine(bytea, bytea)
RETURNS bytea
AS 'MODULE_PATHNAME', 'socrec_svec_combine'
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100;

COMMENT ON FUNCTION svec_combine IS 'combine function of svec_agg, sum(svec) and avg(svec)';

CREATE FUNCTION svec_agg_final(bytea)
RETURNS svec
AS 'MODULE_PATHNAME', 'socrec_svec_agg_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 500;

COMMENT ON FUNCTION svec_agg_final IS 'final function of svec_agg and sum(svec)';

CREATE FUNCTION svec_avg_final(bytea)
RETURNS svec
AS 'MODULE_PATHNAME', 'socrec_svec_avg_final'
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 500;

COMMENT ON FUNCTION svec_avg_final IS 'final function of avg(svec)';

CREATE AGGREGATE svec_agg(id bigint, weight real) (
    SFUNC = svec_agg_accumulate,
    STYPE = bytea,
    SSPACE = 2048,
    COMBINEFUNC = svec_combine,
    FINALFUNC = svec_agg_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE svec_agg(bigint, real) IS
    'sparse vector of ids and weights; weights of the same id are added up';

CREATE AGGREGATE sum(svec) (
    SFUNC = svec_sum_accumulate,
    STYPE = bytea,
    SSPACE = 8192,
    COMBINEFUNC = svec_combine,
    FINALFUNC = svec_agg_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE sum(svec) IS 'sum of sparse vectors';

CREATE AGGREGATE avg(svec) (
    SFUNC = svec_sum_accumulate,
    STYPE = bytea,
    SSPACE = 8192,
    COMBINEFUNC = svec_combine,
    FINALFUNC = svec_avg_final,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE avg(svec) IS 'sum of sparse vectors divided by their number; an absent element counts as zero';
