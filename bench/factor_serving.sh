#!/usr/bin/env bash
#
# Serving from a model with factors:
#
#   bench/factor_serving.sh [ITEMS[:FACTORS] ...]
#
# against the server that PG* variables name, on this machine.  For each number of items
# (27000 and 1000000 with 64 factors) it makes a table of ratings by bench/ratings.sql and
# a model, and calls recommend for users by chance, prepared, one call a transaction, by
# pgbench for SECONDS (10) with one and with two clients.  "Processor" is what the
# server's process takes of it for a call, which other work on the machine disturbs less.
# Then the model's factors are replaced by vectors of equal length in a thousand
# directions by chance, where nothing can be left out: all items are scored.
set -euo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
source "$here/lib.sh"

seconds=${SECONDS_EACH:-10}
users=20000
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PGOPTIONS='-c jit=off -c maintenance_work_mem=4GB -c max_parallel_workers_per_gather=0 -c client_min_messages=warning'

printf '\\set u random(1, %s)\nSELECT * FROM bench_serving.recommend(:u);\n' "$users" >"$scratch/recommend"

# Calls a second with so many clients, and 99 % of the latencies.
calls() {
    rm -f "$scratch"/log*
    pgbench -n -M prepared -c "$1" -j "$1" -T "$seconds" -l --log-prefix="$scratch/log" -f "$scratch/recommend" >"$scratch/out" 2>/dev/null
    printf '%s | %s ms | ' "$(awk '/^tps/ {printf "%.0f", $3}' "$scratch/out")" \
        "$(cat "$scratch"/log* | awk '{print $3 / 1000}' | sort -n | awk '{a[NR] = $1} END {printf "%.2f", a[int(NR * 0.99)]}')"
}

# Milliseconds of the processor that a call takes, of 500 in one session.
processor() {
    measure call "DO \$\$ BEGIN FOR n IN 1 .. 500 LOOP PERFORM count(*) FROM bench_serving.recommend(1 + (n * 7919) % $users); END LOOP; END \$\$"
    awk -v n=500 '{printf "%.2f ms |", 1000 * $1 / n}' "$scratch/call.cpu"
    rm -f "$scratch"/call.*
}

row() { echo "| $1 | $(calls 1)$(calls 2)$(processor)"; }

echo "| items | calls/s, 1 client | 99 % | 2 clients | 99 % | processor |"
echo "|---|---|---|---|---|---|"
for spec in "${@:-27000:64}"; do
    items=${spec%%:*}
    factors=64
    [[ $spec == *:* ]] && factors=${spec##*:}
    psql -Xq -v table=bench_serving_rating -v users=$users -v items="$items" -f "$here/ratings.sql"
    sql >/dev/null <<SQL
SELECT socrec.create_model('bench_serving', 'bench_serving_rating', rating_column => NULL, method => 'ials',
    options => '{"holdout": 0, "iterations": 3, "regularization": 0.03, "factors": $factors}');
-- those that nobody rated, like the last that somebody did
INSERT INTO bench_serving.item SELECT last.id + n, -n, 1, 1, 0, last.norm, last.factors
FROM (SELECT * FROM bench_serving.item ORDER BY id DESC LIMIT 1) last, generate_series(1, $items - last.id) n;
DELETE FROM bench_serving.item_block;
SELECT socrec.execute_templates(m, ARRAY[socrec.factor_template('blocks')]) FROM socrec.model m WHERE name = 'bench_serving';
VACUUM ANALYZE bench_serving.item, bench_serving.item_block;
SQL
    row "$items × $factors, fitted"
    sql >/dev/null <<SQL
CREATE TEMPORARY TABLE direction AS
    SELECT d.n, array_agg(sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()))::real[] AS factors FROM generate_series(0, 996) d(n), generate_series(1, $factors) GROUP BY 1;
UPDATE bench_serving.item i SET factors = (
    SELECT array_agg(x / sqrt(socrec.factor_score(d.factors, d.factors)) ORDER BY n)::real[] FROM unnest(d.factors) WITH ORDINALITY f(x, n))
FROM direction d WHERE d.n = i.id % 997;
VACUUM FULL bench_serving.item;
TRUNCATE bench_serving.item_block;
SELECT socrec.execute_templates(m, ARRAY[socrec.factor_template('blocks')]) FROM socrec.model m WHERE name = 'bench_serving';
VACUUM ANALYZE bench_serving.item, bench_serving.item_block;
SQL
    row "$items × $factors, all scored"
    sql -c "SELECT socrec.drop_model('bench_serving')" -c 'DROP TABLE bench_serving_rating' >/dev/null
done
