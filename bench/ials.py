#!/usr/bin/env python3
"""Implicit factorization inside the database against the road through Python.

    bench/ials.py TABLE [RUNS]

TABLE has columns user_id, item_id (bench/ratings.sql makes such); every row counts as
one event.  The server is the one that PG* variables name, on this machine.  Needs
numpy, scipy, pandas and implicit; psql does the copying.

Here:   socrec.create_model(..., method => 'ials'), then the lists of all users into
        a table by CALL socrec.materialize.
Python: COPY to CSV, read it (pandas), make a sparse matrix (SciPy), fit implicit's
        AlternatingLeastSquares (64 factors, 10 iterations, its defaults else), write
        the factors to CSV, COPY them into tables; then recommend for all users and
        COPY the lists into a table.

Both use two processors: one worker beside the session here, two threads there.  A
tenth of the ratings, by hash, is kept from both; NDCG@10 is measured on it, over 5,000
users.  Prints Markdown tables of medians, by the clock and of the processor, which other
work on the machine disturbs less.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import implicit
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

N = 10
FACTORS, ITERATIONS, THREADS = 64, 10, 2
LISTS = {"lists", "recommend", "lists back"}
HELD_OUT = "(hashint8extended(user_id, 1) # hashint8extended(item_id, 2)) & 1023 < 102"


def psql(*commands):
    arguments = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1"]
    for command in commands:
        arguments += ["-c", command]
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


DATA_DIRECTORY = psql("SHOW data_directory").strip()


def settings():
    return ("SET max_parallel_workers_per_gather = 0", f"SET max_parallel_maintenance_workers = {THREADS - 1}",
            "SET maintenance_work_mem = '8GB'", "SET client_min_messages = warning")


def processor():
    """Seconds of the processor that this process, those that it started, and the server's that have ended have taken."""
    with open(os.path.join(DATA_DIRECTORY, "postmaster.pid")) as file:
        postmaster = int(file.readline())
    with open(f"/proc/{postmaster}/stat") as file:
        ticks = sum(map(int, file.read().rsplit(")", 1)[1].split()[13:15]))
    times = os.times()
    return ticks / os.sysconf("SC_CLK_TCK") + times.user + times.system + times.children_user + times.children_system


class Laps:
    """Seconds by phase, by the clock and of the processor."""

    def __init__(self):
        self.seconds, self.clock, self.processor = {}, time.perf_counter(), processor()

    def lap(self, phase):
        elapsed = time.perf_counter() - self.clock
        time.sleep(0.3)  # until the server's process has ended
        used = processor()
        self.seconds[phase] = (elapsed, used - self.processor)
        self.clock, self.processor = time.perf_counter(), used


def forget():
    psql("SELECT FROM (SELECT socrec.drop_model(name) FROM socrec.model WHERE name = 'bench_ials') m")


def inside():
    forget()
    laps = Laps()
    psql(*settings(), f"""SELECT FROM socrec.create_model('bench_ials', 'bench_train', rating_column => NULL, method => 'ials',
        options => '{{"holdout": 0, "factors": {FACTORS}, "iterations": {ITERATIONS}, "regularization": 0.03}}') m""")
    laps.lap("fit and store")
    psql(*settings(), f"CALL socrec.materialize('bench_ials', {N})")
    laps.lap("lists")
    return laps.seconds


def outside():
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "rows.csv")
        laps = Laps()
        psql(f"\\copy bench_train TO '{file}' CSV")
        laps.lap("copy out")
        frame = pd.read_csv(file, names=["user", "item"])
        users, u = np.unique(frame.user, return_inverse=True)
        items, i = np.unique(frame.item, return_inverse=True)
        matrix = csr_matrix((np.ones(len(u), dtype=np.float32), (u, i)))
        laps.lap("read")
        model = implicit.als.AlternatingLeastSquares(factors=FACTORS, iterations=ITERATIONS, num_threads=THREADS, random_state=1)
        model.fit(matrix, show_progress=False)
        laps.lap("fit")
        for table, keys, factors in (("user", users, model.user_factors), ("item", items, model.item_factors)):
            pd.DataFrame({"key": keys, "factors": ["{" + ",".join(map("{:.6g}".format, row)) + "}" for row in factors]}).to_csv(
                file, header=False, index=False)
            psql(f"DROP TABLE IF EXISTS bench_{table}", f"CREATE TABLE bench_{table} (key bigint, factors real[])",
                 f"\\copy bench_{table} FROM '{file}' CSV", f"ALTER TABLE bench_{table} ADD PRIMARY KEY (key)")
        laps.lap("write back")
        ids, scores = model.recommend(np.arange(len(users)), matrix, N=N)
        laps.lap("recommend")
        pd.DataFrame({"user": np.repeat(users, N), "rank": np.tile(np.arange(1, N + 1), len(users)), "item": items[ids.ravel()],
                      "score": scores.ravel()}).to_csv(file, header=False, index=False)
        psql("DROP TABLE IF EXISTS bench_lists", "CREATE TABLE bench_lists (user_id bigint, rank integer, item_id bigint, score real)",
             f"\\copy bench_lists FROM '{file}' CSV", "ALTER TABLE bench_lists ADD PRIMARY KEY (user_id, rank)")
        laps.lap("lists back")
        return laps.seconds


def ndcg(table):
    """Of the lists in a table, over users with something held out."""
    return float(psql(f"""
        WITH tested AS (SELECT user_id, array_agg(item_id) AS items FROM bench_test GROUP BY 1 ORDER BY hashint8(user_id) LIMIT 5000)
        SELECT avg(coalesce((SELECT sum(1 / ln(r.rank + 1)) FROM {table} r WHERE r.user_id = t.user_id AND r.rank <= {N} AND r.item_id = ANY (t.items)), 0)
            / (SELECT sum(1 / ln(i + 1)) FROM generate_series(1, least({N}, cardinality(t.items))) i)) FROM tested t"""))


def main():
    table, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
    forget()
    psql("DROP TABLE IF EXISTS bench_train, bench_test",
         f"CREATE TABLE bench_train AS SELECT user_id, item_id FROM {table} WHERE NOT ({HELD_OUT})",
         f"CREATE TABLE bench_test AS SELECT user_id, item_id FROM {table} WHERE {HELD_OUT}", "ALTER TABLE bench_train ADD PRIMARY KEY (user_id, item_id)", "VACUUM ANALYZE bench_train")
    rows = int(psql("SELECT count(*) FROM bench_train"))
    sides = {"socrec": [inside() for _ in range(runs)], "implicit": [outside() for _ in range(runs)]}
    print(f"| {rows:,} ratings | model | its CPU | lists of all users | their CPU | NDCG@{N} | phases |\n|---|---|---|---|---|---|---|")
    for name, measured in sides.items():
        medians = {phase: tuple(statistics.median(run[phase][i] for run in measured) for i in (0, 1)) for phase in measured[0]}
        sums = [sum(seconds[i] for phase, seconds in medians.items() if (phase in LISTS) == lists) for lists in (False, True) for i in (0, 1)]
        print(f"| {name} | " + " | ".join(f"{seconds:.2f} s" for seconds in sums)
              + f" | {ndcg({'socrec': 'bench_ials.recommended', 'implicit': 'bench_lists'}[name]):.4f} | "
              + ", ".join(f"{phase} {clock:.2f} ({cpu:.2f})" for phase, (clock, cpu) in medians.items()) + " |")
    print(f"\npeak memory of Python: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


main()
