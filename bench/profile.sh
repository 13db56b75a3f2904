#!/usr/bin/env bash
# Profiles of all users of an event log, against the bare GROUP BY over the same
# rows that computes count, min, max and avg.
#
#   bench/profile.sh [EVENTS ...]        (default 1000000 10000000)
#
# Events are generated, 100 a user, of 20,000 items with two of 50 categories each.
# Columns: the bare GROUP BY; the live view, read whole; user_activity alone; the
# profiles as a table, written; the same incrementally after 1 % of the users have
# a new event, with an index on the user; peak private memory of the session that
# writes. Medians of RUNS, without JIT.
# Environment: RUNS (5), WORKERS (0: parallel workers of a query), WORK_MEM (4MB),
# MEMORY (maintenance_work_mem, 2GB). Needs the PG* variables of a server on this machine.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

runs=${RUNS:-5}
workers=${WORKERS:-0}
work_mem=${WORK_MEM:-4MB}
memory=${MEMORY:-2GB}
out=$(mktemp)
trap 'rm -f "$out"' EXIT

export PGOPTIONS="-c jit=off -c max_parallel_workers_per_gather=$workers -c work_mem=$work_mem -c maintenance_work_mem=$memory -c client_min_messages=warning"

# Seconds of one statement, the median of several runs; $2 is run before each.
seconds() {
    local statement=$1 before=${2:-SELECT} run
    for ((run = 0; run < runs; run++)); do
        sql -o /dev/null -c "$before" -c '\o' -c '\timing on' -c '\o /dev/null' -c "$statement" | awk '/^Time/ {print $2 / 1000}'
    done | median | xargs printf %.2f
}

# Peak private memory in MB of the server's process while it runs a statement.
peak() {
    local peak=0 now pid
    PGAPPNAME=socrec_peak sql -c "$1" >/dev/null &
    sleep 0.3
    pid=$(sql -At -c "SELECT pid FROM pg_stat_activity WHERE application_name = 'socrec_peak'")
    while now=$(awk '/RssAnon/ { print $2 }' "/proc/$pid/status" 2>/dev/null) && [[ -n $now ]]; do
        ((now <= peak)) || peak=$now
        sleep 0.05
    done
    wait
    echo $((peak / 1024))
}

echo "| events | users | bare GROUP BY | live view | ratio | user_activity | ratio | table | ratio | 1 % refreshed | memory |"
echo "|---|---|---|---|---|---|---|---|---|---|---|"
for events in "${@:-1000000 10000000}"; do
    for n in $events; do
        sql -c "
            DROP SCHEMA IF EXISTS bench_live, bench_table CASCADE;
            DELETE FROM socrec.profile_set WHERE name IN ('bench_live', 'bench_table');
            DROP TABLE IF EXISTS bench_event, bench_category;
            CREATE TABLE bench_event AS
            SELECT abs(hashint8extended(i, 1)) % ($n / 100) AS user_id,
                floor(20000 * ((abs(hashint8extended(i, 2)) % 1000000) / 1e6) ^ 3)::bigint AS item_id,
                (1 + abs(hashint8extended(i, 3)) % 5000 / 100.0)::float8 AS amount,
                timestamptz '2025-01-01' + i * interval '1 year' / $n AS at
            FROM generate_series(1, $n) i;
            CREATE TABLE bench_category AS SELECT i::bigint AS item_id, c * 25 + (i * 7 + c) % 25 AS category
            FROM generate_series(0, 19999) i, generate_series(0, 1) c" -c 'VACUUM ANALYZE bench_event'
        bare=$(seconds 'SELECT user_id, count(*), min(at), max(at), avg(amount) FROM bench_event GROUP BY user_id')
        call="'bench_event', value_column => 'amount', time_column => 'at', categories => 'bench_category'"
        sql -o /dev/null -c "SELECT socrec.create_profiles('bench_live', $call, storage => 'view')"
        live=$(seconds 'SELECT count(taste), sum(monetary), count(segment) FROM bench_live.user_profile')
        activity=$(seconds 'SELECT count(*) FROM bench_live.computed')
        drop="DROP SCHEMA IF EXISTS bench_table CASCADE"
        create="SELECT socrec.create_profiles('bench_table', $call)"
        table=$(seconds "$create" "$drop")
        sql -c "$drop"
        memory_used=$(peak "$create")
        sql -o /dev/null -c "$drop" -c 'CREATE INDEX ON bench_event (user_id)' -c "SELECT socrec.create_profiles('bench_table', $call, options => '{\"incremental\": true}')"
        refresh=$(seconds "SELECT socrec.refresh_profiles('bench_table')" \
            "INSERT INTO bench_event SELECT u, u % 20000, 1, '2026-01-02' FROM generate_series(0, $n / 100 - 1, 100) u")
        awk -v n="$n" -v bare="$bare" -v live="$live" -v activity="$activity" -v t="$table" -v refresh="$refresh" -v m="$memory_used" 'BEGIN {
            printf "| %d | %d | %.2f s | %.2f s | %.2f | %.2f s | %.2f | %.2f s | %.2f | %.2f s | %d MB |\n",
                n, n / 100, bare, live, live / bare, activity, activity / bare, t, t / bare, refresh, m }'
        sql -o /dev/null -c "SELECT socrec.drop_profiles('bench_live'), socrec.drop_profiles('bench_table')" -c 'DROP TABLE bench_event, bench_category'
    done
done
