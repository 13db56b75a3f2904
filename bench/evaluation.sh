#!/usr/bin/env bash
#
# What a whole evaluation costs, against the fit that it contains:
#
#   bench/evaluation.sh USERS:ITEMS ...     for instance 8000:9900 112000:27000
#   bench/evaluation.sh TABLE ...           with user_id, item_id, rating, rated_at
#
# against the server that PG* variables name, on its own machine and with the right
# to read /proc of its processes.  For USERS:ITEMS it makes a rating table by
# bench/ratings.sql, adds times, and drops it afterwards: users begin at any time in
# eight years, and their ratings follow within three, most of them soon.
#
# Prints a line of a Markdown table for each: the fit alone is item_neighbors over
# the training side, stored in a table before; the evaluation is evaluate_ratings
# from all ratings to all metrics.  SPLIT is the split (global_time), METHODS the
# methods as they stand in an SQL array (item_knn).  Medians of RUNS runs (3) that
# take turns, one process, and the processor's time beside, which other work on the
# machine disturbs less.  Peak memory is that of the process, without the server's
# shared buffers.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

runs=${RUNS:-3}
split=${SPLIT:-global_time}
methods=${METHODS:-item_knn}
memory=${MEMORY:-4GB}
here=$(dirname -- "${BASH_SOURCE[0]}")
scratch=$(mktemp -d)
made=bench_evaluation
trap 'rm -rf "$scratch"' EXIT
export PGOPTIONS="-c max_parallel_workers_per_gather=0 -c max_parallel_maintenance_workers=0 -c jit=off -c maintenance_work_mem=$memory -c client_min_messages=warning"

make_table() {
    sql -v table=${made}_plain -v users="${1%:*}" -v items="${1#*:}" -f "$here/ratings.sql"
    sql -c "DROP TABLE IF EXISTS $made" -c "
        CREATE TABLE $made AS SELECT *, timestamptz '2016-01-01' + interval '1 second' * (
            (hashint8extended(user_id, 1) & 1048575) * 240
            + (((hashint8extended(user_id * 100003 + item_id, 2) & 1048575) / 1048576.0::float8) ^ 2 * 94608000)::integer) AS rated_at
        FROM ${made}_plain" -c "DROP TABLE ${made}_plain" -c "VACUUM ANALYZE $made"
}

echo "| ratings | split | fit alone | its CPU | evaluation | its CPU | ratio | ratio of CPU | … fit | … users | tested users | peak memory |"
echo "|---|---|---|---|---|---|---|---|---|---|---|---|"
for spec in "$@"; do
    table=$spec
    if [[ $spec == *:* ]]; then
        make_table "$spec"
        table=$made
    fi
    rm -f "$scratch"/*
    query="SELECT user_id, item_id, rating, rated_at FROM $table"
    types="(SELECT user_id FROM $table LIMIT 0), (SELECT item_id FROM $table LIMIT 0)"
    options=$(sql -c "SELECT array_agg(socrec.model_options(m, '{}', true)) FROM unnest('{$methods}'::text[]) m")
    sql -c "SET client_min_messages = error" -c "DROP TABLE IF EXISTS ${made}_train" -c "CREATE TABLE ${made}_train AS
        SELECT user_id, item_id, rating FROM socrec.split_ratings('$query', $types, '$split') WHERE fold = 1 AND part = 'train'" \
        -c "VACUUM ANALYZE ${made}_train"
    for ((run = 0; run < runs; run++)); do
        measure fit "SELECT count(*) FROM socrec.item_neighbors('SELECT user_id, item_id, rating FROM ${made}_train', k => 100, shrinkage => 100, center => 'baseline')"
        measure whole "SELECT sum(value) FILTER (WHERE metric = 'fit_seconds'), sum(value) FILTER (WHERE metric = 'scoring_seconds'),
            max(n_measured) FILTER (WHERE metric = 'user_coverage')
            FROM socrec.evaluate_ratings('$query', $types, true, '{$methods}', \$\$$options\$\$, '$split') WHERE kind = 'metric' AND fold IS NULL"
    done
    fitted=$(cut -d '|' -f 1 "$scratch/whole.rows" | median)
    scored=$(cut -d '|' -f 2 "$scratch/whole.rows" | median)
    tested=$(cut -d '|' -f 3 "$scratch/whole.rows" | median)
    awk -v n="$(sql -c "SELECT count(*) FROM $table")" -v kind="$split" -v fit="$(median <"$scratch/fit.seconds")" -v fit_cpu="$(median <"$scratch/fit.cpu")" \
        -v whole="$(median <"$scratch/whole.seconds")" -v whole_cpu="$(median <"$scratch/whole.cpu")" -v fitted="$fitted" -v scored="$scored" \
        -v tested="$tested" -v memory="$(median <"$scratch/whole.memory")" 'BEGIN {
        printf "| %d | %s | %.2f s | %.2f s | %.2f s | %.2f s | %.2f | %.2f | %.2f s | %.2f s | %d | %d MB |\n",
            n, kind, fit, fit_cpu, whole, whole_cpu, whole / fit, whole_cpu / fit_cpu, fitted, scored, tested, memory }'
    sql -c "DROP TABLE ${made}_train"
    [[ $spec != *:* ]] || sql -c "DROP TABLE $made"
done
