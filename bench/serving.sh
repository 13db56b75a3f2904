#!/usr/bin/env bash
#
# Serving one user a call: films.recommend($1) by pgbench, prepared statements, users
# drawn at random.
#
#   bench/serving.sh TABLE[:METHOD] ...
#
# TABLE has columns user_id (1 to their number), item_id, rating (bench/ratings.sql
# makes such); METHOD is item_knn unless given, with its default options.  The server is
# the one that PG* variables name, on its own machine and with the right to read /proc of
# its processes; it should have room for the table in shared_buffers.  CLIENTS (2),
# SECONDS_EACH (20).  Prints a Markdown table; CPU is that of the server's processes a
# call, which other work on the machine changes less than it does the rest.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

clients=${CLIENTS:-2}
seconds=${SECONDS_EACH:-20}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PGOPTIONS='-c maintenance_work_mem=8GB -c client_min_messages=warning'

# CPU seconds of the processes that serve pgbench.
cpu() {
    local pid
    for pid in $(sql -c "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench'"); do
        awk '{print $14 + $15}' "/proc/$pid/stat" 2>/dev/null || true
    done | awk -v h="$(getconf CLK_TCK)" '{s += $1} END {print s / h}'
}

echo "| method | ratings | users | ratings a user | clients | calls/s | p50 | p99 | CPU a call |"
echo "|---|---|---|---|---|---|---|---|---|"
for spec in "$@"; do
    IFS=: read -r table method <<<"$spec:item_knn"
    method=${method%%:*}
    sql -c 'DROP SCHEMA IF EXISTS bench_serving CASCADE'
    sql -c "SELECT count(*) FROM socrec.create_model('bench_serving', '$table', method => '$method')" >/dev/null
    sql -c "VACUUM ANALYZE bench_serving.item" -c "VACUUM $table"
    IFS='|' read -r n users <<<"$(sql -c "SELECT count(*), max(user_id) FROM $table")"
    cat >"$scratch/recommend.sql" <<SQL
\set user random(1, $users)
SELECT * FROM bench_serving.recommend(:user);
SQL
    # The first seconds fill caches.
    pgbench -n -M prepared -c "$clients" -j "$clients" -T 5 -f "$scratch/recommend.sql" >/dev/null 2>&1
    pgbench -n -M prepared -c "$clients" -j "$clients" -T "$seconds" -f "$scratch/recommend.sql" --log --log-prefix="$scratch/latency" \
        >"$scratch/out" 2>&1 &
    job=$!
    sleep 1
    before=$(cpu)
    first=$(cat "$scratch"/latency.* 2>/dev/null | wc -l)
    sleep $((seconds - 2))
    used=$(awk -v a="$before" -v b="$(cpu)" 'BEGIN {print b - a}')
    calls=$(($(cat "$scratch"/latency.* | wc -l) - first))
    wait $job
    tps=$(awk '/^tps/ {printf "%.0f", $3}' "$scratch/out")
    sort -n -k 3 "$scratch"/latency.* |
        awk '{a[NR] = $3} END {printf "%.2f|%.2f\n", a[int(NR * 0.5)] / 1000, a[int(NR * 0.99)] / 1000}' >"$scratch/percentiles"
    rm -f "$scratch"/latency.*
    IFS='|' read -r p50 p99 <"$scratch/percentiles"
    awk -v m="$method" -v n="$n" -v u="$users" -v c="$clients" -v t="$tps" -v p50="$p50" -v p99="$p99" -v s="$used" -v k="$calls" 'BEGIN {
        printf "| %s | %d | %d | %.0f | %d | %d | %.2f ms | %.2f ms | %.2f ms |\n", m, n, u, n / u, c, t, p50, p99, 1000 * s / k }'
done
sql -c "SELECT socrec.drop_model('bench_serving')" >/dev/null
