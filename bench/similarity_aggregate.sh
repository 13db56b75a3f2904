#!/bin/sh
#
# What the similarity aggregates cost beside PostgreSQL's own corr(x, y), over
# the same rows, in one session, without parallel workers.
#
#   bench/similarity_aggregate.sh [rows [runs]]        default 10000000 9
#
# Connects as the PG* environment variables say, to a database that has socrec;
# psql's options can be set there too (PGOPTIONS='-c jit=off').
#
# The expressions take turns, so that whatever else the machine does hits all
# of them alike; the time printed is the median of the runs of each.  ratio
# compares the times of the whole queries, ratio_above_scan what they take
# above count(*).  Fails if cosine_similarity takes more than 1.3 times as long
# as corr.
set -eu

rows=${1:-10000000}
runs=${2:-9}

psql -X -q -v ON_ERROR_STOP=1 -v rows="$rows" -v runs="$runs" <<'SQL'
SET max_parallel_workers_per_gather = 0;
SET search_path = pg_temp, socrec, public;
SELECT set_config('bench.runs', :'runs', false) AS runs, setseed(0.5) \gset

CREATE TEMPORARY TABLE pairs AS
SELECT 5 * random() AS x, 5 * random() AS y FROM generate_series(1, :rows);
VACUUM ANALYZE pairs;
CREATE TEMPORARY TABLE run (n bigint, expression text, ms double precision);

DO $$
DECLARE
    started timestamptz;
    n bigint;
    expression text;
    result double precision;
BEGIN
    FOR round IN 0 .. current_setting('bench.runs')::integer LOOP
        FOR expression, n IN
            SELECT * FROM unnest(ARRAY[
                'count(*)', 'corr(x, y)', 'cosine_similarity(x, y)',
                'pearson_similarity(x, y)', 'adjusted_cosine(x, y, 2.5)',
                'jaccard_similarity(x, y)', 'euclidean_similarity(x, y)',
                'cosine_similarity(x, y, 3, 50)']) WITH ORDINALITY
        LOOP
            started := clock_timestamp();
            EXECUTE format('SELECT %s FROM pairs', expression) INTO result;
            IF round > 0 THEN -- the first round warms up
                INSERT INTO run
                VALUES (n, expression, 1000 * extract(epoch FROM clock_timestamp() - started));
            END IF;
        END LOOP;
    END LOOP;
END $$;

CREATE TEMPORARY VIEW median AS
SELECT n, expression, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS ms
FROM run GROUP BY n, expression;
\pset footer off
SELECT m.expression, round(m.ms) AS ms, round((m.ms / corr.ms)::numeric, 2) AS ratio,
       round(((m.ms - scan.ms) / (corr.ms - scan.ms))::numeric, 2) AS ratio_above_scan
FROM median m, median scan, median corr
WHERE scan.n = 1 AND corr.n = 2
ORDER BY m.n;
DO $$
BEGIN
    IF (SELECT cosine.ms > 1.3 * corr.ms FROM median cosine, median corr
        WHERE corr.n = 2 AND cosine.n = 3) THEN
        RAISE EXCEPTION 'cosine_similarity takes more than 1.3 times as long as corr';
    END IF;
END $$;
SQL
