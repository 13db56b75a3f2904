#!/usr/bin/env bash
#
# The views that evaluate a behavior model, of each family:
#
#   bench/behavior_views.sh [ROWS]        default 1000000
#
# against the server that PG* variables name: 20 features of a table, of which a fifth of
# the rows is held out; four classes; sets of four alternatives with ten
# features.  Medians of RUNS runs (3) with WORKERS (0) parallel workers.  Prints seconds,
# processor's seconds of the server's process without its workers, and its memory.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

rows=${1:-1000000}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PGOPTIONS="-c max_parallel_workers_per_gather=${WORKERS:-0} -c maintenance_work_mem=2GB -c jit=off -c client_min_messages=error"

features=$(printf 'f%d,' {1..20})
features=${features%,}
sql >/dev/null <<SQL
DROP SCHEMA IF EXISTS bench_logistic, bench_multinomial, bench_conditional CASCADE;
DROP TABLE IF EXISTS socrec_bench;
SELECT setseed(0.5);
CREATE UNLOGGED TABLE socrec_bench AS
SELECT r.*, random() < 1 / (1 + exp(2 - $(printf '0.1 * f%d - ' {1..10})0)) AS y,
    CASE WHEN random() < 0.3 THEN 'a' WHEN f1 > 0.7 THEN 'b' WHEN f2 + random() > 0.8 THEN 'c' ELSE 'd' END AS k, i % 4 = (hashint4(i / 4) & 3) AS chosen
FROM (SELECT i, i / 4 AS choice, $(printf 'random()::real AS f%d, ' {1..20} | sed 's/, $//') FROM generate_series(1, $rows) i) r;
VACUUM ANALYZE socrec_bench;
SELECT socrec.create_behavior_model('bench_logistic', 'socrec_bench', 'y', '{$features}', options => '{"holdout": 0.2}');
SELECT socrec.create_behavior_model('bench_multinomial', 'socrec_bench', 'k', '{$features}', 'multinomial', '{"holdout": 0.2}');
SELECT socrec.create_behavior_model('bench_conditional', 'socrec_bench', 'chosen', '{${features%,f11,*}}', 'conditional', '{"holdout": 0.2, "choice_set": "choice"}');
SQL

for ((run = 0; run < ${RUNS:-3}; run++)); do
    measure scan "SELECT count(f20) FROM socrec_bench"
    measure score "SELECT count(bench_logistic.score(b)) FROM socrec_bench b"
    measure scores "SELECT count(bench_multinomial.score(b)) FROM socrec_bench b"
    for family in logistic multinomial conditional; do
        for view in evaluation calibration lift roc confusion; do
            measure "$family $view" "SELECT count(v) FROM bench_$family.$view v"
        done
    done
done
for name in scan score scores {logistic,multinomial,conditional}" "{evaluation,calibration,lift,roc,confusion}; do
    printf '%-24s %s | %.0f MB\n' "$name" "$(medians "$name")" "$(median <"$scratch/$name.memory")"
done
sql -c "SELECT socrec.drop_model('bench_' || f) FROM unnest('{logistic,multinomial,conditional}'::text[]) f" -c "DROP TABLE socrec_bench" >/dev/null
