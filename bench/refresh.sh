#!/usr/bin/env bash
#
# What a model costs to bring up to date, and what its log costs those who write:
#
#   bench/refresh.sh TABLE ...
#
# of tables made by bench/ratings.sql, against the server that PG* variables name.
# For each: 1,000 rows inserted without and with the log, in one session; and, of an
# implicit model with the default options, a refit beside refreshes after so many
# percent of the users (PERCENT, "0.01 0.1 1") have rated some more, less and new
# items.  Medians of RUNS runs (3): seconds, and seconds of the processor, of all
# processes of the session: there are no parallel workers.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

runs=${RUNS:-3}
percents=${PERCENT:-0.01 0.1 1}
export PGOPTIONS='-c max_parallel_workers_per_gather=0 -c max_parallel_maintenance_workers=0 -c jit=off -c maintenance_work_mem=4GB -c client_min_messages=error'

# Seconds of the clock and of the processor that a statement takes.
timed() {
    sql -c 'SET client_min_messages = log; SET log_statement_stats = on' -c "$1" 2>&1 |
        awk '/^!.*elapsed/ {used = $2 + $5; elapsed = $8} END {printf "%.3f %.3f\n", elapsed, used}'
}
report() {
    local figures
    figures=$(cat)
    echo "$(cut -d' ' -f1 <<<"$figures" | median) s, processor $(cut -d' ' -f2 <<<"$figures" | median) s"
}

# Milliseconds of an insert of 1,000 rows: median and least of 100 in one session.
insert() {
    {
        echo '\timing on'
        echo "PREPARE i(int) AS INSERT INTO bench_rating SELECT 100000000 + \$1 * 100 + n / 20, (n * 7919 + \$1) % 9973, 3 FROM generate_series(0, 999) n;"
        for ((i = 0; i < 100; i++)); do echo "EXECUTE i($((${1} * 1000 + i)));"; done
    } | sql | awk '/Time/ {print $2}' | tail -n 95 | sort -n | awk '{a[NR] = $1} END {print a[int((NR + 1) / 2)], a[1]}'
}

for table in "$@"; do
    sql -c "SELECT socrec.drop_model(name) FROM socrec.model WHERE name LIKE 'bench%'" \
        -c "DROP TABLE IF EXISTS bench_rating; CREATE TABLE bench_rating (LIKE $table INCLUDING ALL); INSERT INTO bench_rating TABLE $table; ANALYZE bench_rating"
    create="SELECT name FROM socrec.create_model('bench_model', 'bench_rating', rating_column => NULL, options => '{\"track_changes\": true}')"
    for round in 1 2 3; do
        insert $((2 * round)) >>/tmp/bench_refresh.$$.plain
        sql -c "$create" >/dev/null
        insert $((2 * round + 1)) >>/tmp/bench_refresh.$$.logged
        sql -c "SELECT socrec.drop_model('bench_model')" >/dev/null
    done
    echo "$table, insert 1,000 rows, median and least: $(sort -n /tmp/bench_refresh.$$.plain | sed -n 2p) ms; logged $(sort -n /tmp/bench_refresh.$$.logged | sed -n 2p) ms"
    rm -f /tmp/bench_refresh.$$.*
    sql -c 'DELETE FROM bench_rating WHERE user_id >= 100000000' -c 'VACUUM ANALYZE bench_rating' -c "$create" >/dev/null
    for ((i = 0; i < runs; i++)); do timed "CALL socrec.refit('bench_model')"; done | report | sed 's/^/refit: /'
    salt=0
    for percent in $percents; do
        for ((i = 0; i <= runs; i++)); do
            salt=$((salt + 1))
            sql -c "
                CREATE TEMPORARY TABLE changed AS SELECT DISTINCT user_id FROM bench_rating WHERE hashint8extended(user_id, $salt) & 1048575 < $percent * 10485.76;
                DELETE FROM bench_rating r USING changed c WHERE r.user_id = c.user_id AND hashint8extended(r.item_id, $salt) & 31 = 0;
                INSERT INTO bench_rating SELECT c.user_id, r.item_id, 3 FROM changed c JOIN bench_rating r ON r.user_id = c.user_id + 1
                    WHERE hashint8extended(r.item_id, $salt) & 15 = 1 ON CONFLICT DO NOTHING;
                INSERT INTO bench_rating SELECT c.user_id, 1000000 + $salt, 3 FROM changed c LIMIT 3 ON CONFLICT DO NOTHING"
            timed "CALL socrec.refresh('bench_model')"
        done | tail -n "$runs" | report | sed "s/^/refresh after $percent %: /"
        sql -c 'VACUUM bench_model.item'
    done
    timed "CALL socrec.refresh('bench_model')" | report | sed 's/^/refresh, nothing changed: /'
    sql -c "SELECT 'item ' || pg_size_pretty(pg_table_size('bench_model.item')) || ', candidate ' || pg_size_pretty(pg_table_size('bench_model.candidate'))" \
        -c "SELECT socrec.drop_model('bench_model')" -c 'DROP TABLE bench_rating'
done
