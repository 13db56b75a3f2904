#!/usr/bin/env bash
#
# A behavior model of rows that lie behind foreign tables, by what travels:
#
#   bench/behavior_distributed.sh [ROWS ...]        default 300000 1000000
#
# against the server that PG* variables name, which is also the two that have a part of
# the rows each: over a socket, but on the same processors.  Ten numbers and a
# category.  Medians of RUNS runs (3), taking turns.  Prints seconds, and processor's
# seconds of the process that asks.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

runs=${RUNS:-3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PGOPTIONS="-c max_parallel_workers_per_gather=0 -c max_parallel_maintenance_workers=0 -c enable_partitionwise_aggregate=on
    -c maintenance_work_mem=4GB -c jit=off -c client_min_messages=error"

features=$(printf 'f%d,' {1..10})category
columns="shard integer, $(printf 'f%d float8, ' {1..10}) category text, y boolean"

clean() {
    sql >/dev/null <<SQL
DROP SCHEMA IF EXISTS socrec_bench_model CASCADE;
DROP TABLE IF EXISTS socrec_bench, socrec_bench_here, socrec_bench_1, socrec_bench_2;
DROP SERVER IF EXISTS socrec_bench CASCADE;
SQL
}

prepare() {
    clean
    sql >/dev/null <<SQL
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
SELECT format('CREATE SERVER socrec_bench FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L,
    extensions ''socrec'', async_capable ''true'', fetch_size ''10000'')', split_part(current_setting('unix_socket_directories'), ',', 1),
    current_setting('port'), current_database()) \gexec
CREATE USER MAPPING FOR CURRENT_USER SERVER socrec_bench;
CREATE TABLE socrec_bench ($columns) PARTITION BY LIST (shard);
SELECT setseed(0.5);
CREATE UNLOGGED TABLE socrec_bench_here AS
SELECT i % 2 AS shard, $(printf 'random() AS f%d, ' {1..10}) (ARRAY['x', 'y', 'z'])[1 + i % 3] AS category, random() < 0.2 + 0.01 * (i % 50) AS y
FROM generate_series(1, $1) i;
CREATE UNLOGGED TABLE socrec_bench_1 AS SELECT * FROM socrec_bench_here WHERE shard = 0;
CREATE UNLOGGED TABLE socrec_bench_2 AS SELECT * FROM socrec_bench_here WHERE shard = 1;
CREATE FOREIGN TABLE socrec_bench_a PARTITION OF socrec_bench FOR VALUES IN (0) SERVER socrec_bench OPTIONS (table_name 'socrec_bench_1');
CREATE FOREIGN TABLE socrec_bench_b PARTITION OF socrec_bench FOR VALUES IN (1) SERVER socrec_bench OPTIONS (table_name 'socrec_bench_2');
VACUUM ANALYZE socrec_bench_here, socrec_bench_1, socrec_bench_2;
ANALYZE socrec_bench_a, socrec_bench_b;
SQL
}

# fit NAME TABLE OPTIONS
fit() {
    sql -c "DROP SCHEMA IF EXISTS socrec_bench_model CASCADE" >/dev/null
    measure "$1" "SELECT (socrec.create_behavior_model('socrec_bench_model', '$2', 'y', '{$features}', options => '$3')).fit_duration"
}

(($# > 0)) || set -- 300000 1000000
for rows in "$@"; do
    rm -f "$scratch"/*
    prepare "$rows"
    for ((run = 0; run < runs; run++)); do
        fit here_memory socrec_bench_here '{"execution": "memory"}'
        fit here_query socrec_bench_here '{"execution": "query"}'
        fit memory socrec_bench '{"execution": "memory"}'
        fit query socrec_bench '{"execution": "query"}'
        fit shard socrec_bench '{"execution": "query", "shard": "shard"}'
    done
    echo "$rows rows, $(sql -c 'SELECT passes FROM socrec_bench_model.fit') passes: seconds | processor's seconds"
    for name in here_memory here_query memory query shard; do
        printf '  %-12s %s\n' "$name" "$(medians "$name")"
    done
done
clean
