#!/usr/bin/env python3
"""The ten best items of every user in a table: here, and by the road through Python.

    bench/recommend_all.py TABLE [METHOD [RUNS]]

TABLE has columns user_id, item_id, rating (bench/ratings.sql makes such); METHOD is
item_knn (plain cosine, 100 neighbors) or ials (64 factors, 10 iterations).  The server
is the one that PG* variables name, on this machine.  Needs numpy, scipy, pandas and
implicit; psql does the copying.

Here:   create_model, then CALL socrec.materialize; workers are the server's
        max_parallel_maintenance_workers (WORKERS, 1).
Python: COPY to CSV, read it (pandas), make a sparse matrix (SciPy), fit implicit's
        CosineRecommender or AlternatingLeastSquares and its recommend for all users
        (THREADS, 2), write CSV, COPY it into a table with the same primary key.

Prints a Markdown table of medians: seconds, the processor's seconds beside them (of the
leading server process, or of Python without psql), and how many of the items agree.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender
from scipy.sparse import csr_matrix

N = 10
THREADS = int(os.environ.get("THREADS", "2"))
SETTINGS = (f"SET max_parallel_maintenance_workers = {os.environ.get('WORKERS', '1')};"
            "SET maintenance_work_mem = '8GB'; SET client_min_messages = warning; SET jit = off;\n")
OPTIONS = {
    "item_knn": '{"holdout": 0, "center": "none", "weighting": "none", "shrinkage": 0, "k": 100}',
    "ials": '{"holdout": 0, "factors": 64, "iterations": 10}',
}
TICK = os.sysconf("SC_CLK_TCK")


def psql(script):
    arguments = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1"]
    return subprocess.run(arguments, input=script, check=True, capture_output=True, text=True).stdout


def measured(statement):
    """Seconds of a statement and of its server process."""
    out = psql(SETTINGS + "SELECT pg_backend_pid() AS backend \\gset\n\\setenv BACKEND :backend\n"
               f"\\timing on\n{statement};\n\\timing off\n"
               "\\! awk '{print \"CPU: \" $14 + $15}' /proc/$BACKEND/stat\n").splitlines()
    wall = next(float(line.split()[1]) / 1000 for line in out if line.startswith("Time:"))
    return wall, next(float(line.split()[1]) / TICK for line in out if line.startswith("CPU:"))


def inside(table, method):
    psql("SELECT socrec.drop_model(name) FROM socrec.model WHERE name = 'bench_all';")
    rating = "'rating'" if method == "item_knn" else "NULL"
    fit = measured(f"SELECT count(*) FROM (SELECT socrec.create_model('bench_all', '{table}', rating_column => {rating}, "
                   f"method => '{method}', options => '{OPTIONS[method]}')) m")
    return {"fit": fit, "recommend and write": measured(f"CALL socrec.materialize('bench_all', {N})")}


def outside(table, method):
    laps = {}
    clock, work = time.perf_counter(), time.process_time()

    def lap(name):
        nonlocal clock, work
        laps[name] = (time.perf_counter() - clock, time.process_time() - work)
        clock, work = time.perf_counter(), time.process_time()

    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "rows.csv")
        psql(f"\\copy (SELECT user_id, item_id, rating FROM {table}) TO '{file}' (FORMAT csv)\n")
        lap("COPY out")
        rows = pd.read_csv(file, names=["user", "item", "rating"], dtype={"rating": np.float32})
        users, user_keys = pd.factorize(rows.user, sort=True)
        items, item_keys = pd.factorize(rows.item, sort=True)
        values = rows.rating.to_numpy() if method == "item_knn" else np.ones(len(rows), np.float32)
        matrix = csr_matrix((values, (users, items)), shape=(len(user_keys), len(item_keys)))
        lap("parse")
        if method == "item_knn":
            model = CosineRecommender(K=100, num_threads=THREADS)
        else:
            model = AlternatingLeastSquares(factors=64, iterations=10, num_threads=THREADS, random_state=1)
        model.fit(matrix, show_progress=False)
        lap("fit")
        best, scores = model.recommend(np.arange(len(user_keys)), matrix, N=N)
        lap("recommend")
        pd.DataFrame({"user": np.repeat(user_keys, N), "rank": np.tile(np.arange(1, N + 1), len(user_keys)),
                      "item": item_keys[best.ravel()], "score": scores.ravel()}).to_csv(file, header=False, index=False)
        psql("DROP TABLE IF EXISTS bench_outside;"
             "CREATE TABLE bench_outside (user_id bigint, rank integer, item_id bigint, score float8, PRIMARY KEY (user_id, rank));\n"
             f"\\copy bench_outside FROM '{file}' (FORMAT csv)\n")
        lap("write back")
    return laps


def row(name, runs):
    phases = {phase: [statistics.median(run[phase][i] for run in runs) for i in (0, 1)] for phase in runs[0]}
    for phase, (wall, cpu) in phases.items():
        print(f"| {name} | {phase} | {wall:.1f} s | {cpu:.1f} s |")
    print(f"| {name} | all | {sum(p[0] for p in phases.values()):.1f} s | {sum(p[1] for p in phases.values()):.1f} s |", flush=True)


def main():
    table = sys.argv[1]
    method = sys.argv[2] if len(sys.argv) > 2 else "item_knn"
    n_runs = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    here, there = [], []
    for _ in range(n_runs):
        here.append(inside(table, method))
        there.append(outside(table, method))
    print(f"{table}, {method}: {psql(f'SELECT count(*), count(DISTINCT user_id), count(DISTINCT item_id) FROM {table};').strip()} ratings, users, items\n")
    print("| road | phase | seconds | of the processor |\n|---|---|---|---|")
    row("socrec", here)
    row("implicit", there)
    same = psql("SELECT round(avg((b.item_id IS NOT NULL)::integer), 4) FROM bench_all.recommended a LEFT JOIN bench_outside b USING (user_id, item_id);")
    print(f"\nItems in both lists: {same.strip()}")
    psql("SELECT socrec.drop_model('bench_all'); DROP TABLE bench_outside;")


main()
