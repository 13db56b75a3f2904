#!/usr/bin/env bash
#
# Figures of monitoring, for one or more numbers of impressions:
#
#   bench/monitoring.sh N ...
#
# against the server that PG* variables name, in a database bench_monitoring that
# is made and dropped.  Ten impressions a list, a twentieth of them clicked.  Prints
# a line of a Markdown table for each N: seconds of the views daily_performance and
# daily_error, and of the same daily rates by way of pandas (COPY out, merge_asof);
# medians of RUNS (3).  PYTHON names an interpreter with pandas and psycopg2.  Then
# milliseconds of a recommendation, plain and logged, by pgbench.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

runs=${RUNS:-3}
python=${PYTHON:-python3}
export PGOPTIONS='-c max_parallel_workers_per_gather=0 -c jit=off -c client_min_messages=warning'

psql -XqAt -d postgres -c 'DROP DATABASE IF EXISTS bench_monitoring WITH (FORCE)' -c 'CREATE DATABASE bench_monitoring'
trap 'psql -XqAt -d postgres -c "DROP DATABASE bench_monitoring"' EXIT
export PGDATABASE=bench_monitoring
seconds() {
    for ((i = 0; i < runs; i++)); do
        sql -c '\timing on' -c "$1" | awk '/^Time/ {print $2 / 1000}'
    done | median
}

sql -c 'CREATE EXTENSION socrec' -v table=ratings -v users=1000 -v items=2000 -f "$(dirname "$0")/ratings.sql" >/dev/null
sql >/dev/null <<'SQL'
SELECT socrec.create_model('films', 'SELECT user_id, item_id FROM ratings WHERE rating > 3', rating_column => NULL);
CREATE TABLE click (user_id bigint, item_id bigint, at timestamptz);
SELECT socrec.track_outcomes('films', 'click', '2 days');
SQL

echo "| impressions | clicks | daily_performance | daily_error | pandas | of it COPY and parse |"
echo "|---|---|---|---|---|---|"
for n in "$@"; do
    sql >/dev/null <<SQL
TRUNCATE films.impression, click;
SELECT setseed(0);
INSERT INTO films.impression (at, request, user_id, item_id, rank, score, source, prediction, version)
SELECT '2026-01-01'::timestamptz + l * interval '60 days' / ($n / 10), md5(l::text)::uuid, u, 1 + (random() * 1999)::integer, r, 1, 'item_knn', 0.05, 1
FROM (SELECT l, 1 + (random() * ($n / 50))::integer AS u FROM generate_series(1, $n / 10) l) l, generate_series(1, 10) r;
INSERT INTO click SELECT user_id, item_id, at + random() * interval '1 day' FROM films.impression WHERE random() < 0.1 / rank + 0.02;
VACUUM ANALYZE films.impression, click;
SQL
    performance=$(seconds 'SELECT sum(outcomes) FROM films.daily_performance')
    error=$(seconds 'SELECT sum(sse) FROM films.daily_error')
    peer=$(for ((i = 0; i < runs; i++)); do "$python" "$(dirname "$0")/monitoring_peer.py"; done | sort -n | awk '{a[NR] = $0} END {print a[int((NR + 1) / 2)]}')
    echo "| $n | $(sql -c 'SELECT count(*) FROM click') | $performance s | $error s | ${peer% *} s | ${peer#* } s |"
done

echo
echo "| recommend | ms |"
echo "|---|---|"
for call in 'films.recommend(:u, 10)' 'films.recommend(:u, log => true)'; do
    for ((i = 0; i < runs; i++)); do
        pgbench -n -M prepared -T 5 -f <(printf '%s\n' '\set u random(1, 1000)' "SELECT * FROM $call;") 2>/dev/null | awk '/latency average/ {print $4}'
    done | median | sed "s/.*/| \`$call\` | & |/"
done
