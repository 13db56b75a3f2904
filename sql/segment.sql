-- segment: clusters of users, and users like those of a seed

CREATE FUNCTION kmeans(
    query text,
    key_type anyelement,
    k integer,
    seed bigint DEFAULT 0,
    runs integer DEFAULT 10,
    max_iterations integer DEFAULT 300,
    tolerance double precision DEFAULT 0.0001,
    standardize boolean DEFAULT true,
    nulls text DEFAULT 'skip',
    silhouette_sample integer DEFAULT 2000)
RETURNS TABLE (
    key anyelement,
    cluster integer,
    distance double precision,
    silhouette double precision,
    size bigint,
    inertia double precision,
    centroid double precision[],
    centroid_standardized double precision[],
    ids bigint[])
AS 'MODULE_PATHNAME', 'socrec_kmeans'
LANGUAGE c STABLE PARALLEL UNSAFE COST 1000000 ROWS 10000;

COMMENT ON FUNCTION kmeans IS
    'clusters of the rows (key, number ...) or (key, svec) of a query by k-means: a row for each key, and one for each cluster with key null';
