-- neighbors: the most similar items or users of a rating table
--
-- Each function comes in two forms: for bigint keys, and "typed", with a second
-- argument whose type is that of the keys, such as NULL::uuid.  (One polymorphic
-- argument with a default would be simpler, but the type of the result is then
-- lost when arguments are named.)  Columns of a result that has a polymorphic one among
-- them have to be written out each time: no composite type can stand for them.

CREATE FUNCTION item_neighbors(
    query text,
    k integer DEFAULT 100,
    similarity text DEFAULT 'cosine',
    min_support integer DEFAULT 1,
    shrinkage double precision DEFAULT 0,
    center text DEFAULT 'none',
    weighting text DEFAULT 'none',
    min_similarity double precision DEFAULT 0,
    item_regularization double precision DEFAULT 10,
    user_regularization double precision DEFAULT 15,
    baseline_epochs integer DEFAULT 10)
RETURNS TABLE (
    id integer,
    item_id bigint,
    rating_count integer,
    mean double precision,
    bias double precision,
    norm double precision,
    rating_min real,
    rating_max real,
    neighbors svec,
    user_count integer)
AS 'MODULE_PATHNAME', 'socrec_item_neighbors'
LANGUAGE c STABLE PARALLEL UNSAFE COST 1000000 ROWS 10000;

COMMENT ON FUNCTION item_neighbors(text, integer, text, integer, double precision, text, text,
    double precision, double precision, double precision, integer) IS
    'the k most similar items of every item that a query (user, item[, rating]) returns, with count, mean and bias';

CREATE FUNCTION item_neighbors_typed(
    query text,
    item_type anyelement,
    k integer DEFAULT 100,
    similarity text DEFAULT 'cosine',
    min_support integer DEFAULT 1,
    shrinkage double precision DEFAULT 0,
    center text DEFAULT 'none',
    weighting text DEFAULT 'none',
    min_similarity double precision DEFAULT 0,
    item_regularization double precision DEFAULT 10,
    user_regularization double precision DEFAULT 15,
    baseline_epochs integer DEFAULT 10)
RETURNS TABLE (
    id integer,
    item_id anyelement,
    rating_count integer,
    mean double precision,
    bias double precision,
    norm double precision,
    rating_min real,
    rating_max real,
    neighbors svec,
    user_count integer)
AS 'MODULE_PATHNAME', 'socrec_item_neighbors'
LANGUAGE c STABLE PARALLEL UNSAFE COST 1000000 ROWS 10000;

COMMENT ON FUNCTION item_neighbors_typed(text, anyelement, integer, text, integer, double precision, text, text,
    double precision, double precision, double precision, integer) IS
    'the k most similar items of every item that a query (user, item[, rating]) returns, with count, mean and bias';

CREATE FUNCTION user_neighbors(
    query text,
    k integer DEFAULT 100,
    similarity text DEFAULT 'cosine',
    min_support integer DEFAULT 1,
    shrinkage double precision DEFAULT 0,
    center text DEFAULT 'none',
    weighting text DEFAULT 'none',
    min_similarity double precision DEFAULT 0,
    item_regularization double precision DEFAULT 10,
    user_regularization double precision DEFAULT 15,
    baseline_epochs integer DEFAULT 10)
RETURNS TABLE (
    id integer,
    user_id bigint,
    rating_count integer,
    mean double precision,
    bias double precision,
    norm double precision,
    rating_min real,
    rating_max real,
    neighbors svec,
    item_count integer)
AS 'MODULE_PATHNAME', 'socrec_user_neighbors'
LANGUAGE c STABLE PARALLEL UNSAFE COST 1000000 ROWS 10000;

COMMENT ON FUNCTION user_neighbors(text, integer, text, integer, double precision, text, text,
    double precision, double precision, double precision, integer) IS
    'the k most similar users of every user that a query (user, item[, rating]) returns, with count, mean and bias';

CREATE FUNCTION user_neighbors_typed(
    query text,
    user_type anyelement,
    k integer DEFAULT 100,
    similarity text DEFAULT 'cosine',
    min_support integer DEFAULT 1,
    shrinkage double precision DEFAULT 0,
    center text DEFAULT 'none',
    weighting text DEFAULT 'none',
    min_similarity double precision DEFAULT 0,
    item_regularization double precision DEFAULT 10,
    user_regularization double precision DEFAULT 15,
    baseline_epochs integer DEFAULT 10)
RETURNS TABLE (
    id integer,
    user_id anyelement,
    rating_count integer,
    mean double precision,
    bias double precision,
    norm double precision,
    rating_min real,
    rating_max real,
    neighbors svec,
    item_count integer)
AS 'MODULE_PATHNAME', 'socrec_user_neighbors'
LANGUAGE c STABLE PARALLEL UNSAFE COST 1000000 ROWS 10000;

COMMENT ON FUNCTION user_neighbors_typed(text, anyelement, integer, text, integer, double precision, text, text,
    double precision, double precision, double precision, integer) IS
    'the k most similar users of every user that a query (user, item[, rating]) returns, with count, mean and bias';
