#!/usr/bin/env bash
#
# A behavior model and its scores, against the road through Python:
#
#   bench/behavior.sh [ROWS ...]        default 1000000 10000000
#
# against the server that PG* variables name, 20 features of a table.  Medians of
# RUNS runs (3), taking turns; WORKERS (0) parallel workers for both.  PYTHON names an
# interpreter with pandas and scikit-learn: its road is COPY to CSV,
# read_csv, LogisticRegression by lbfgs without a penalty, predict_proba
# (bench/behavior_peer.py).  Prints seconds and processor's seconds of the server's
# process (of copy the server's share of Python's road) and of Python's, memory that
# each had as its own, and how far the logarithmic loss of the two models differs.
# array_score is logistic_score of ten features in an array of reals, array_filter a
# condition on it.  Seconds of the processor are those of one process, without workers.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

runs=${RUNS:-3}
here=$(dirname -- "${BASH_SOURCE[0]}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PGOPTIONS="-c max_parallel_workers_per_gather=${WORKERS:-0} -c max_parallel_maintenance_workers=${WORKERS:-0}
    -c maintenance_work_mem=8GB -c jit=off -c client_min_messages=error"
export OMP_NUM_THREADS=$((${WORKERS:-0} + 1)) OPENBLAS_NUM_THREADS=$((${WORKERS:-0} + 1))

features=$(printf 'f%d,' {1..20})
features=${features%,}

# Features of several scales and distributions, half of them without an effect.
prepare() {
    sql >/dev/null <<SQL
DROP SCHEMA IF EXISTS socrec_bench_model CASCADE;
DROP TABLE IF EXISTS socrec_bench;
SELECT setseed(0.5);
CREATE UNLOGGED TABLE socrec_bench AS
SELECT r.*, random() < 1 / (1 + exp(2 - ($(for i in {1..10}; do printf '%s * f%d + ' "0.$i" "$i"; done) 0))) AS y
FROM (SELECT i AS id, $(for i in {1..20}; do
    case $((i % 3)) in
    0) printf '(random() < 0.2)::integer::real AS f%d,' "$i" ;;
    1) printf '(random() * 10 - 5)::real AS f%d,' "$i" ;;
    2) printf '(-ln(1 - random()))::real AS f%d,' "$i" ;;
    esac
done | sed 's/,$//') FROM generate_series(1, $1) i) r;
VACUUM ANALYZE socrec_bench;
DROP TABLE IF EXISTS socrec_bench_array;
CREATE UNLOGGED TABLE socrec_bench_array AS SELECT ARRAY[f1,f2,f3,f4,f5,f6,f7,f8,f9,f10] AS x FROM socrec_bench;
VACUUM ANALYZE socrec_bench_array;
SQL
}

(($# > 0)) || set -- 1000000 10000000
for rows in "$@"; do
    rm -f "$scratch"/*
    prepare "$rows"
    for ((run = 0; run < runs; run++)); do
        sql -c "DROP SCHEMA IF EXISTS socrec_bench_model CASCADE" >/dev/null
        measure scan "SELECT count(y), sum(f20) FROM socrec_bench"
        measure create "SELECT (socrec.create_behavior_model('socrec_bench_model', 'socrec_bench', 'y', '{$features}')).fit_duration"
        measure fit "SELECT socrec.fit_behavior_model(m) FROM socrec.model m WHERE name = 'socrec_bench_model'"
        measure score "SELECT sum(socrec_bench_model.score(b)) FROM socrec_bench b"
        measure array_scan "SELECT count(x) FROM socrec_bench_array"
        measure array_score "SELECT count(socrec.logistic_score('{1,2,3,4,5,6,7,8,9,10}'::real[], x)) FROM socrec_bench_array"
        measure array_filter "SELECT count(*) FROM socrec_bench_array WHERE socrec.logistic_score('{1,2,3,4,5,6,7,8,9,10}'::real[], x) > 0.9"
        measure loss "SELECT socrec.log_loss(y, socrec_bench_model.score(b)) FROM socrec_bench b"
        measure copy "COPY socrec_bench TO PROGRAM 'cat >/dev/null' WITH (FORMAT csv, HEADER)"
        "${PYTHON:-python3}" "$here/behavior_peer.py" socrec_bench "$scratch"
    done
    echo "$rows rows: seconds | processor's seconds | MB"
    for name in scan create fit score array_scan array_score array_filter copy; do
        printf '  %-12s %s | %.0f\n' "$name" "$(medians "$name")" "$(median <"$scratch/$name.memory")"
    done
    for name in copy_out read python_fit predict python; do
        printf '  %-12s %s\n' "$name" "$(medians "$name")"
    done
    printf '  memory of Python: %.0f MB; its logarithmic loss less ours: %.2g\n' "$(median <"$scratch/python.memory")" \
        "$(paste "$scratch/python.loss" "$scratch/loss.rows" | awk 'NR == 1 {print $1 - $2}')"
done
sql -c "SELECT socrec.drop_model('socrec_bench_model')" -c "DROP TABLE socrec_bench, socrec_bench_array" >/dev/null
