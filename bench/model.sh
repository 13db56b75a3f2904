#!/usr/bin/env bash
#
# Figures of fitting and serving, for one or more rating tables:
#
#   bench/model.sh TABLE[:USER_COLUMN:ITEM_COLUMN] ...
#
# against the server that PG* variables name, on its own machine and with the
# right to read /proc of its processes (as root, or as the server's user).
# Prints a Markdown table a line for each rating table: medians of RUNS runs
# (5), latencies over SECONDS (10) of pgbench with prepared statements, one user
# a call drawn at random, one client.  One process, no parallel workers.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

runs=${RUNS:-5}
seconds=${SECONDS_EACH:-10}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PGOPTIONS='-c max_parallel_workers_per_gather=0 -c jit=off -c maintenance_work_mem=8GB -c client_min_messages=warning'

# Runs a statement, sampling the private memory of its backend; prints the
# seconds it took (in $scratch/seconds, a line a run) and the peak in MB.
measured() {
    local statement=$1 peak=0 pid now
    PGAPPNAME=socrec_bench sql -c '\timing on' -c 'SET client_min_messages = debug1' -c "$statement" >"$scratch/out" 2>&1 &
    local job=$!
    pid=
    while kill -0 $job 2>/dev/null; do
        [[ -n $pid ]] || pid=$(sql -c "SELECT pid FROM pg_stat_activity WHERE application_name = 'socrec_bench'" || true)
        if [[ -n $pid ]]; then
            now=$(awk '/RssAnon/ {print $2}' "/proc/$pid/status" 2>/dev/null || true)
            [[ -z $now ]] || ((now <= peak)) || peak=$now
        fi
        sleep 0.01
    done
    wait $job || { cat "$scratch/out" >&2; exit 1; }
    grep '^Time:' "$scratch/out" | tail -n 1 | awk '{print $2 / 1000}' >>"$scratch/seconds"
    sed -n 's/.*read [0-9]* ratings in \([0-9.]*\) s.*/\1/p' "$scratch/out" >>"$scratch/read"
    sed -n 's/.*found neighbors of [0-9]* in \([0-9.]*\) s.*/\1/p' "$scratch/out" >>"$scratch/found"
    echo "$((peak / 1024))" >>"$scratch/peak"
}

echo "| table | ratings | users | items | plain scan | read, M rows/s | read and compress | neighbors, k = 100 | whole fit | peak memory | bytes a rating | recommend p50 | p99 | model size |"
echo "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
for spec in "$@"; do
    IFS=: read -r table user item <<<"$spec"
    user=${user:-user_id}
    item=${item:-item_id}
    query="SELECT $user, $item, rating FROM $table"
    IFS='|' read -r n users items <<<"$(sql -c "SELECT count(*), count(DISTINCT $user), count(DISTINCT $item) FROM $table")"

    for ((i = 0; i < runs; i++)); do
        sql -c '\timing on' -c "SELECT count(*), sum(rating) FROM $table" | awk '/^Time/ {print $2 / 1000}'
    done | median >"$scratch/scan"

    rm -f "$scratch"/{seconds,read,found,peak}
    for ((i = 0; i < runs; i++)); do
        measured "SELECT count(*) FROM socrec.item_neighbors('$query', k => 0, baseline_epochs => 0)"
    done
    read_seconds=$(median <"$scratch/read")
    load_seconds=$(median <"$scratch/seconds")

    rm -f "$scratch"/{seconds,read,found,peak}
    for ((i = 0; i < runs; i++)); do
        sql -c 'DROP SCHEMA IF EXISTS bench_model CASCADE'
        measured "SELECT count(*) FROM socrec.create_model('bench_model', '$table', '$user', '$item')"
    done
    sql -c 'VACUUM bench_model.item'

    cat >"$scratch/recommend.sql" <<SQL
\set user random(1, $users)
SELECT * FROM bench_model.recommend(:user);
SQL
    pgbench -n -M prepared -T "$seconds" -f "$scratch/recommend.sql" --log --log-prefix="$scratch/latency" >/dev/null 2>&1
    sort -n -k 3 "$scratch"/latency.* | awk '{a[NR] = $3} END {printf "%.2f|%.2f\n", a[int(NR * 0.5)] / 1000, a[int(NR * 0.99)] / 1000}' >"$scratch/percentiles"
    rm -f "$scratch"/latency.*
    IFS='|' read -r p50 p99 <"$scratch/percentiles"
    size=$(sql -c "SELECT pg_size_pretty(size_bytes) FROM socrec.models WHERE name = 'bench_model'")

    awk -v t="$table" -v n="$n" -v u="$users" -v i="$items" -v scan="$(cat "$scratch/scan")" -v r="$read_seconds" -v l="$load_seconds" \
        -v k="$(median <"$scratch/found")" -v f="$(median <"$scratch/seconds")" -v m="$(median <"$scratch/peak")" \
        -v p50="$p50" -v p99="$p99" -v size="$size" 'BEGIN {
        printf "| %s | %d | %d | %d | %.2f s | %.1f | %.2f s | %.2f s | %.2f s | %d MB | %.1f | %.2f ms | %.2f ms | %s |\n",
            t, n, u, i, scan, n / r / 1e6, l, k, f, m, m * 1048576 / n, p50, p99, size }'
    sql -c "SELECT socrec.drop_model('bench_model')" >/dev/null
done
