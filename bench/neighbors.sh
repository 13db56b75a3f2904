#!/usr/bin/env bash
#
# create_model with the 100 most cosine-similar items of every item, in as many
# processes as the peers have threads, against the road through Python:
#
#   bench/neighbors.sh TABLE[:PEER,PEER] ...
#
# TABLE has columns user_id, item_id, rating (bench/ratings.sql makes such); peers are
# implicit and sklearn (bench/neighbors_peer.py).  The server is the one that PG*
# variables name, on its own machine and with the right to read /proc of its
# processes.  PYTHON is the interpreter (python3), PROCESSES their number (2), RUNS how
# many of each (3).  Prints a Markdown table of medians.  CPU is that of all processes,
# of peers without the server's; memory is the private memory of all processes and the
# shared memory of the search.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

runs=${RUNS:-3}
processes=${PROCESSES:-2}
python=${PYTHON:-python3}
folder=$(dirname -- "${BASH_SOURCE[0]}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PGOPTIONS="-c jit=off -c maintenance_work_mem=8GB -c max_parallel_workers_per_gather=0 -c max_parallel_maintenance_workers=$((processes - 1))"
options='{"holdout": 0, "center": "none", "shrinkage": 0, "k": 100}'

shared() { du -sk /dev/shm | cut -f 1; }

# Runs create_model; appends seconds, those of its parts, CPU seconds and the peak of
# memory in MB to files in the scratch folder.
fit() {
    local table=$1 peak=0 before pid pids ticks=0 now
    sql -c 'SET client_min_messages = warning; DROP SCHEMA IF EXISTS bench_neighbors CASCADE'
    before=$(shared)
    PGAPPNAME=socrec_neighbors sql -c '\timing on' -c 'SET client_min_messages = debug1' \
        -c "SELECT count(*) FROM socrec.create_model('bench_neighbors', '$table', options => '$options')" >"$scratch/out" 2>&1 &
    local job=$!
    pid=
    while kill -0 $job 2>/dev/null; do
        [[ -n $pid ]] || pid=$(sql -c "SELECT pid FROM pg_stat_activity WHERE application_name = 'socrec_neighbors'" || true)
        if [[ -n $pid ]]; then
            pids=$(sql -c "SELECT pid FROM pg_stat_activity WHERE $pid IN (pid, leader_pid)")
            now=$(for p in $pids; do awk '/RssAnon/ {print $2}' "/proc/$p/status" 2>/dev/null || true; done | awk '{s += $1} END {print s + 0}')
            now=$((now + $(shared) - before))
            ((now <= peak)) || peak=$now
            # Times of children that have ended are lost: the last look counts.
            now=$(for p in $pids; do awk '{print $14 + $15}' "/proc/$p/stat" 2>/dev/null || true; done | awk '{s += $1} END {print s + 0}')
            ((now <= ticks)) || ticks=$now
        fi
        sleep 0.05
    done
    wait $job || { cat "$scratch/out" >&2; exit 1; }
    grep '^Time:' "$scratch/out" | tail -n 1 | awk '{print $2 / 1000}' >>"$scratch/seconds"
    sed -n 's/.*read [0-9]* ratings in \([0-9.]*\) s.*/\1/p' "$scratch/out" >>"$scratch/read"
    sed -n 's/.*compressed them in \([0-9.]*\) s.*/\1/p' "$scratch/out" >>"$scratch/compress"
    sed -n 's/.*found neighbors of [0-9]* in \([0-9.]*\) s.*/\1/p' "$scratch/out" >>"$scratch/found"
    echo "$((peak / 1024))" >>"$scratch/memory"
    awk -v t="$ticks" -v h="$(getconf CLK_TCK)" 'BEGIN {print t / h}' >>"$scratch/cpu"
}

# Median of each column of a peer's lines.
columns() {
    local peer=$1 column
    for column in 1 2 3 4 5 6 7; do cut -d '|' -f $column "$scratch/$peer" | median; done | paste -sd '|'
}

echo "| ratings | | copy out | read | compress | find | copy in | all | CPU | peak memory | ratio |"
echo "|---|---|---|---|---|---|---|---|---|---|---|"
for spec in "$@"; do
    IFS=: read -r table peers <<<"$spec:"
    IFS=, read -r -a peers <<<"${peers%:}"
    n=$(sql -c "SELECT count(*) FROM $table")
    rm -f "$scratch"/*
    for ((i = 0; i < runs; i++)); do
        fit "$table"
        for peer in "${peers[@]}"; do
            "$python" "$folder/neighbors_peer.py" "$peer" "$table" "$processes" 2>>"$scratch/errors" >>"$scratch/$peer" || { cat "$scratch/errors" >&2; exit 1; }
        done
    done
    own=$(median <"$scratch/seconds")
    echo "| $n | socrec | | $(median <"$scratch/read") | $(median <"$scratch/compress") | $(median <"$scratch/found") | | $own | $(median <"$scratch/cpu") | $(median <"$scratch/memory") MB | |"
    for peer in "${peers[@]}"; do
        IFS='|' read -r out in_memory found copied all cpu memory <<<"$(columns "$peer")"
        echo "| $n | $peer | $out | $in_memory | | $found | $copied | $all | $cpu | $memory MB | $(awk -v a="$all" -v b="$own" 'BEGIN {printf "%.1f", a / b}') |"
    done
done
sql -c 'SET client_min_messages = warning; DROP SCHEMA IF EXISTS bench_neighbors CASCADE; DROP TABLE IF EXISTS bench_outside'
