#!/usr/bin/env bash
#
# What metrics cost, beside plain SQL and the road through Python:
#
#   bench/metrics.sh [ROWS ...]        default 1000000 10000000
#
# against the server that PG* variables name.  Medians of RUNS runs (3), taking
# turns, no parallel workers.  PYTHON names an interpreter with pandas and
# scikit-learn: its road is COPY to CSV, read_csv, roc_auc_score.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

runs=${RUNS:-3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PGOPTIONS='-c max_parallel_workers_per_gather=0 -c jit=off -c client_min_messages=error'

# Seconds that a query takes, to the file of its name.
timed() {
    sql -c '\timing on' -c "$2" | awk '/^Time:/ {print $2 / 1000}' >>"$scratch/$1"
}

python_auc() {
    local started
    started=$(date +%s.%N)
    sql -c "COPY socrec_bench TO STDOUT (FORMAT csv, HEADER)" >"$scratch/rows.csv"
    date +"%s.%N $started" | awk '{print $1 - $2}' >>"$scratch/copy_out"
    "${PYTHON:-python3}" - "$scratch/rows.csv" "$scratch" <<'PYTHON'
import sys, time
import pandas as pd
from sklearn.metrics import roc_auc_score

started = time.monotonic()
rows = pd.read_csv(sys.argv[1], true_values=["t"], false_values=["f"])
read = time.monotonic()
auc = roc_auc_score(rows.label, rows.score)
done = time.monotonic()
for name, value in (("read", read - started), ("roc_auc_score", done - read), ("python_value", auc)):
    print(value, file=open(f"{sys.argv[2]}/{name}", "a"))
PYTHON
    date +"%s.%N $started" | awk '{print $1 - $2}' >>"$scratch/python"
}

(($# > 0)) || set -- 1000000 10000000
for rows in "$@"; do
    rm -f "$scratch"/*
    sql -c "DROP TABLE IF EXISTS socrec_bench" -c "
        CREATE UNLOGGED TABLE socrec_bench AS
        SELECT u AS user_id, label, label::integer * 0.1 + noise AS score
        FROM (
            SELECT i / 100 AS u, hashint4extended(i, 1) & 7 = 0 AS label,
                (hashint4extended(i, 2) & 1099511627775) / 1099511627776.0::float8 AS noise
            FROM generate_series(0, $rows - 1) i) s" -c "VACUUM ANALYZE socrec_bench"
    for ((run = 0; run < runs; run++)); do
        timed scan "SELECT count(*), sum(score) FROM socrec_bench"
        timed auc "SELECT socrec.auc(label, score) FROM socrec_bench"
        timed auc_by_user "SELECT avg(auc) FROM (SELECT socrec.auc(label, score) FROM socrec_bench GROUP BY user_id) u"
        timed rmse "SELECT socrec.rmse(score, label::integer) FROM socrec_bench"
        timed plain_rmse "SELECT sqrt(avg((score - label::integer) ^ 2)) FROM socrec_bench"
        timed log_loss "SELECT socrec.log_loss(label, score / 1.2) FROM socrec_bench"
        timed ndcg "SELECT avg(ndcg) FROM (SELECT socrec.ndcg_at(r, label::integer, 10) AS ndcg FROM (
            SELECT user_id, label, row_number() OVER (PARTITION BY user_id ORDER BY score DESC) AS r FROM socrec_bench) s GROUP BY user_id) u"
        timed ranks "SELECT sum(r) FROM (SELECT row_number() OVER (PARTITION BY user_id ORDER BY score DESC) AS r FROM socrec_bench) s"
        timed interval "SELECT socrec.bootstrap_interval(score) FROM (SELECT score FROM socrec_bench LIMIT 100000) s"
        python_auc
    done
    printf '| %s rows |' "$rows"
    for name in scan auc copy_out read roc_auc_score python auc_by_user rmse plain_rmse log_loss ranks ndcg interval; do
        printf ' %s %.2f |' "$name" "$(median <"$scratch/$name")"
    done
    echo
    sql -c "SELECT abs(socrec.auc(label, score) - $(median <"$scratch/python_value")) < 1e-9 AS same_auc FROM socrec_bench"
done
sql -c "DROP TABLE socrec_bench"
