#!/usr/bin/env bash
#
# Figures of batch recommendations, for one or more rating tables:
#
#   bench/batch.sh TABLE[:USER_COLUMN:ITEM_COLUMN] ...
#
# against the server that PG* variables name.  Prints a line of a Markdown table
# for each table and method: the ten best items of all users by batch_recommend,
# and by the view recommendations of a model that was fitted before; the seconds
# are medians of RUNS runs (3), of MODEL_RUNS (1) for the model; METHODS says
# which methods.  Beside stands the processor's time, which other work on the machine
# disturbs less, for which /proc of the server's processes must be readable here.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

runs=${RUNS:-3}
model_runs=${MODEL_RUNS:-1}
methods=${METHODS:-item_knn user_knn popular baseline}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PGOPTIONS='-c max_parallel_workers_per_gather=0 -c max_parallel_maintenance_workers=0 -c jit=off -c maintenance_work_mem=8GB -c client_min_messages=warning'

# Medians of so many runs of a statement.
seconds() {
    local n=$1 i
    rm -f "$scratch"/*
    for ((i = 0; i < n; i++)); do measure one "$2"; done
    medians one
}

echo "| table | method | batch_recommend | its CPU | create_model | its CPU | its recommendations | its CPU |"
echo "|---|---|---|---|---|---|---|---|"
for spec in "$@"; do
    IFS=: read -r table user item <<<"$spec"
    user=${user:-user_id}
    item=${item:-item_id}
    types="(SELECT $user FROM $table LIMIT 0), (SELECT $item FROM $table LIMIT 0)"
    for method in $methods; do
        batch=$(seconds "$runs" "SELECT count(*) FROM socrec.batch_recommend('SELECT $user, $item, rating FROM $table', $types, '$method')")
        fit='- | -' stored='- | -'
        if ((model_runs > 0)); then
            fit=$(seconds 1 "SELECT count(*) FROM (SELECT socrec.create_model('bench_batch', '$table', '$user', '$item', method => '$method', options => '{\"holdout\": 0}')) m")
            stored=$(seconds "$model_runs" 'SELECT count(*) FROM bench_batch.recommendations')
            sql -c "SELECT socrec.drop_model('bench_batch')" >/dev/null
        fi
        echo "| $table | $method | $batch | $fit | $stored |"
    done
done
