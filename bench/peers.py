#!/usr/bin/env python3
"""Item neighbors inside the database against the road through Python.

    bench/peers.py TABLE [RUNS]

TABLE has columns user_id, item_id, rating (bench/ratings.sql makes such).  The
server is the one that PG* variables name.  Needs numpy, scipy, pandas and
scikit-learn; psql does the copying.

Here:   CREATE TABLE AS SELECT ... FROM socrec.item_neighbors(..., k => 100).
Python: COPY to CSV, read it (pandas), make a sparse matrix (SciPy), find the 100
        nearest neighbors of every item by cosine (scikit-learn, brute force, one
        process), write them to CSV, COPY them into a table.

Both use one process.  Prints a Markdown table of medians and how many neighbors
agree.
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

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.neighbors import NearestNeighbors

K = 100


def psql(*commands, **options):
    arguments = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1"]
    for command in commands:
        arguments += ["-c", command]
    return subprocess.run(arguments, check=True, capture_output=True, text=True, **options).stdout


def inside(table):
    start = time.perf_counter()
    psql("SET max_parallel_workers_per_gather = 0", "SET maintenance_work_mem = '8GB'", "SET client_min_messages = warning",
         "DROP TABLE IF EXISTS bench_inside",
         f"CREATE TABLE bench_inside AS SELECT id, item_id, neighbors FROM socrec.item_neighbors("
         f"'SELECT user_id, item_id, rating FROM {table}', k => {K})")
    return {"total": time.perf_counter() - start}


def outside(table):
    seconds = {}
    clock = time.perf_counter()

    def lap(phase):
        nonlocal clock
        now = time.perf_counter()
        seconds[phase] = now - clock
        clock = now

    with tempfile.TemporaryDirectory() as folder:
        exported, found = os.path.join(folder, "ratings.csv"), os.path.join(folder, "neighbors.csv")
        psql(f"\\copy (SELECT user_id, item_id, rating FROM {table}) TO '{exported}' CSV")
        lap("copy out")
        frame = pd.read_csv(exported, names=["user", "item", "rating"], dtype={"rating": np.float32})
        users, u = np.unique(frame.user, return_inverse=True)
        items, i = np.unique(frame.item, return_inverse=True)
        matrix = csr_matrix((frame.rating, (i, u)), shape=(len(items), len(users)))
        lap("read")
        model = NearestNeighbors(n_neighbors=K + 1, metric="cosine", algorithm="brute", n_jobs=1).fit(matrix)
        distance, index = model.kneighbors(matrix)
        lap("fit")
        owner = np.repeat(np.arange(len(items)), index.shape[1])
        keep = owner != index.ravel()
        pd.DataFrame({"item": items[owner[keep]], "neighbor": items[index.ravel()[keep]],
                      "similarity": 1 - distance.ravel()[keep]}).to_csv(found, header=False, index=False)
        psql("SET client_min_messages = warning", "DROP TABLE IF EXISTS bench_outside",
             "CREATE TABLE bench_outside (item_id bigint, neighbor_id bigint, similarity real)",
             f"\\copy bench_outside FROM '{found}' CSV")
        lap("copy in")
    seconds["total"] = sum(seconds.values())
    return seconds


def agreement():
    """Share of the neighbors found here that Python found too."""
    return float(psql("""
        SELECT avg((o.item_id IS NOT NULL)::integer)
        FROM bench_inside b CROSS JOIN LATERAL socrec.svec_unnest(b.neighbors) AS w(id, weight)
            JOIN bench_inside n ON n.id = w.id
            LEFT JOIN bench_outside o ON o.item_id = b.item_id AND o.neighbor_id = n.item_id"""))


def main(table, runs=3):
    ours, theirs = [], []
    for _ in range(runs):
        ours.append(inside(table))
        theirs.append(outside(table))
    median = lambda rows, phase: statistics.median(row[phase] for row in rows)
    n = int(psql(f"SELECT count(*) FROM {table}"))
    print("| ratings | here, neighbors stored | Python: copy out | read | fit | copy in | total | ratio | peak memory of Python | same neighbors |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    print(f"| {n} | {median(ours, 'total'):.1f} s |"
          + "".join(f" {median(theirs, phase):.1f} s |" for phase in ("copy out", "read", "fit", "copy in", "total"))
          + f" {median(theirs, 'total') / median(ours, 'total'):.1f} |"
          f" {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB | {100 * agreement():.2f} % |")
    psql("DROP TABLE bench_inside, bench_outside")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(sys.argv[1], *map(int, sys.argv[2:]))
