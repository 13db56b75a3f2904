#!/usr/bin/env bash
#
# describe_ratings against the GROUP BYs that it stands for:
#
#   bench/describe.sh USERS:ITEMS ...          for instance 8000:9900 78000:27000
#   bench/describe.sh TABLE ...                with user_id, item_id, rating, rated_at
#
# on the server that PG* variables name, on its own machine and with the right to
# read /proc of its processes.  For USERS:ITEMS it makes a rating table by
# bench/ratings.sql, adds times, and drops it afterwards.  Prints a Markdown table:
# medians of RUNS (3) runs, serial and with the server's default number of workers
# (WORKERS="0 default"), in MEMORY (1GB).
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

runs=${RUNS:-3}
memory=${MEMORY:-1GB}
here=$(dirname -- "${BASH_SOURCE[0]}")
scratch=$(mktemp -d)
made=bench_describe
trap 'rm -rf "$scratch"' EXIT

# seconds STATEMENT: of the median run.
seconds() {
    for ((i = 0; i < runs; i++)); do
        sql -c '\timing on' -c "$1" | awk '/^Time/ {print $2 / 1000}'
    done | median
}

# peak STATEMENT: the private memory of its process and the dynamic shared memory
# that it has mapped, in MB.
peak() {
    local job peak=0 now leader
    PGAPPNAME=socrec_bench sql -c "$1" >"$scratch/out" &
    job=$!
    while kill -0 $job 2>/dev/null; do
        leader=$(sql -c "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'socrec%' AND backend_type = 'client backend'" || true)
        [[ -z $leader ]] || {
            now=$(awk '/RssAnon/ {n = $2} END {print n}' "/proc/$leader/status" 2>/dev/null || echo 0)
            now=$((${now:-0} + $(awk '/PostgreSQL\./ {mapped = 1; next} /^Rss:/ && mapped {n += $2} /^VmFlags/ {mapped = 0} END {print n + 0}' "/proc/$leader/smaps" 2>/dev/null || echo 0)))
            ((now <= peak)) || peak=$now
        }
        sleep 0.05
    done
    wait $job
    echo $((peak / 1024))
}

echo "| ratings | users | items | workers | by user | by item | by rating | by day | by pair | sum | describe_ratings | ratio | ratio without pairs | peak memory |"
echo "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
for spec in "$@"; do
    table=$spec
    if [[ $spec == *:* ]]; then
        table=$made
        sql -v table=${made}_plain -v users="${spec%:*}" -v items="${spec#*:}" -f "$here/ratings.sql"
        sql -c "DROP TABLE IF EXISTS $made" -c "
            CREATE TABLE $made AS SELECT *, timestamptz '2016-01-01' + interval '1 second' *
                ((hashint8extended(user_id, 1) & 1048575) * 240 + (hashint8extended(item_id, user_id) & 65535)) AS rated_at
            FROM ${made}_plain" -c "DROP TABLE ${made}_plain" -c "VACUUM ANALYZE $made" 2>/dev/null
    fi
    groups=(
        "SELECT user_id, count(*), avg(rating), stddev(rating), min(rated_at), max(rated_at) FROM $table GROUP BY 1"
        "SELECT item_id, count(*), avg(rating) FROM $table GROUP BY 1"
        "SELECT rating, count(*) FROM $table GROUP BY 1"
        "SELECT date_trunc('day', rated_at), count(*) FROM $table GROUP BY 1"
        "SELECT user_id, item_id, count(*) FROM $table GROUP BY 1, 2 HAVING count(*) > 1"
    )
    describe="SELECT count(*) FROM socrec.describe_ratings('$table', time_column => 'rated_at', options => '{\"period\": \"day\"}')"
    n=$(sql -F ' | ' -c "SELECT count(*), count(DISTINCT user_id), count(DISTINCT item_id) FROM $table")
    for workers in ${WORKERS:-0 default}; do
        export PGOPTIONS="-c jit=off -c maintenance_work_mem=$memory -c client_min_messages=warning"
        [[ $workers == default ]] || PGOPTIONS+=' -c max_parallel_workers_per_gather=0 -c max_parallel_maintenance_workers=0'
        line="| $n | $workers |"
        : >"$scratch/sum"
        for query in "${groups[@]}"; do
            seconds "SELECT count(*) FROM ($query) g" >"$scratch/one"
            cat "$scratch/one" >>"$scratch/sum"
            line+=" $(printf %.2f "$(cat "$scratch/one")") |"
        done
        own=$(seconds "$describe")
        line+=$(awk -v own="$own" '{s += $1; last = $1} END {printf " %.2f | %.2f | %.2f | %.2f |", s, own, own / s, own / (s - last)}' "$scratch/sum")
        echo "$line $(peak "$describe") MB |"
    done
    [[ $spec != *:* ]] || sql -c "DROP TABLE $made"
done
