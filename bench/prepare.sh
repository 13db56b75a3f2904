#!/usr/bin/env bash
#
# From events to ratings, in the database and by way of pandas:
#
#   bench/prepare.sh TABLE:USER:ITEM:VALUE:TIME[:KIND] ...
#
# against the server that PG* variables name, on its own machine and with the
# right to read /proc of its processes.  Medians of RUNS runs (3), no parallel
# workers.  For each table: create_ratings, its dry run, pandas (PYTHON names
# an interpreter that has it); an incremental refresh after CHANGED (1) percent
# of the events have changed, without and with an index on the user, beside a
# rebuild; and 1,000 rows inserted without and with the log.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

runs=${RUNS:-3}
changed=${CHANGED:-1}
here=$(dirname -- "${BASH_SOURCE[0]}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PGOPTIONS="-c max_parallel_workers_per_gather=0 -c jit=off -c client_min_messages=error -c maintenance_work_mem=${MAINTENANCE_WORK_MEM:-256MB}"

# Seconds that a statement takes; the peak of its backend's private memory, in
# MB, goes to $scratch/peak.
timed() {
    PGAPPNAME=socrec_bench sql -c '\timing on' -c "$1" >"$scratch/out" 2>&1 &
    local job=$! pid='' now peak=0
    while kill -0 $job 2>/dev/null; do
        [[ -n $pid ]] || pid=$(sql -c "SELECT pid FROM pg_stat_activity WHERE application_name = 'socrec_bench'" || true)
        now=$(awk '/RssAnon/ {print $2}' "/proc/${pid:-self}/status" 2>/dev/null || true)
        [[ -z $pid || -z $now ]] || ((now <= peak)) || peak=$now
        sleep 0.02
    done
    wait $job || { cat "$scratch/out" >&2; exit 1; }
    awk '/^Time:/ {print $2 / 1000}' "$scratch/out" | tail -n 1
    echo $((peak / 1024)) >>"$scratch/peak"
}

for spec in "$@"; do
    IFS=: read -r table user item value time kind <<<"$spec"
    create() {
        echo "SELECT count(*) FROM socrec.create_ratings('bench', '$table', '$user', '$item', value_column => '$value', time_column => '$time'${kind:+,
            kind_column => '$kind', weights => '{\"view\": 0.2, \"like\": 1, \"share\": 3, \"purchase\": 5, \"unlike\": -1}'}$1)"
    }
    drop="SELECT FROM socrec.drop_ratings('bench')"
    sql -c "SELECT socrec.drop_ratings(name) FROM socrec.rating_set WHERE name = 'bench'"
    rm -f "$scratch/peak"
    for ((i = 0; i < runs; i++)); do
        ((i == 0)) || sql -c "$drop"
        timed "$(create '')"
    done | median >"$scratch/create"
    peak=$(median <"$scratch/peak")
    result=$(sql -c 'SELECT count(*), sum(rating) FROM bench.rating')
    sql -c "$drop"
    for ((i = 0; i < runs; i++)); do timed "$(create ', dry_run => true')"; done | median >"$scratch/dry"
    echo "| $table | create_ratings $(cat "$scratch/create") s | dry run $(cat "$scratch/dry") s | $peak MB | ratings, sum: $result |"
    echo "| table | copy out | read | clean | copy in | total | MB | ratings | sum |"
    for ((i = 0; i < runs; i++)); do
        "${PYTHON:-python3}" "$here/prepare_peer.py" "$table" "$user" "$item" "$value" "$time" ${kind:+"$kind"}
    done | sort -t'|' -k7n | sed -n "$(((runs + 1) / 2))p"

    # What changes is a copy, of which a hundredth gets another value.
    sql -c "DROP TABLE IF EXISTS bench_event; CREATE TABLE bench_event AS TABLE $table; ANALYZE bench_event"
    insert="INSERT INTO bench_event SELECT * FROM $table LIMIT 1000"
    for ((i = 0; i < 9; i++)); do timed "$insert"; done | median >"$scratch/insert"
    table=bench_event
    sql -c "$(create ", options => '{\"incremental\": true, \"trim\": false}'")" >/dev/null
    for ((i = 0; i < 9; i++)); do timed "$insert"; done | median >"$scratch/logged"
    echo "| insert 1,000 rows $(cat "$scratch/insert") s | logged $(cat "$scratch/logged") s |"
    for index in '' "CREATE INDEX ON bench_event ($user)"; do
        sql ${index:+-c "$index"} -c "SELECT FROM socrec.refresh_ratings('bench')"
        for ((i = 0; i < runs; i++)); do
            sql -c "UPDATE bench_event SET $value = '$((i + 2))' WHERE hashtext(ctid::text) % 100 < $changed AND hashtext(ctid::text) >= 0"
            timed "SELECT count(*) FROM socrec.refresh_ratings('bench')"
        done | median >"$scratch/refresh"
        echo "| refresh after $changed %, ${index:-no index} | $(cat "$scratch/refresh") s |"
    done
    for ((i = 0; i < runs; i++)); do
        sql -c 'INSERT INTO bench.change (change) VALUES (0)'
        timed "SELECT count(*) FROM socrec.refresh_ratings('bench')"
    done | median >"$scratch/rebuild"
    echo "| rebuild | $(cat "$scratch/rebuild") s |"
    sql -c "$drop" -c 'DROP TABLE bench_event'
done
