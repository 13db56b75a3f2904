#!/usr/bin/env python3
"""The road through Python to the 100 most cosine-similar items of every item.

    bench/neighbors_peer.py PEER TABLE THREADS

PEER is "implicit" (CosineRecommender) or "sklearn" (NearestNeighbors, brute force).
TABLE has columns user_id, item_id, rating (bench/ratings.sql makes such); the
server is the one that PG* variables name, psql does the copying.  Needs numpy,
scipy, pandas and the peer.

Out by COPY to CSV, read by pandas, a SciPy matrix, the fit, CSV, COPY into the table
bench_outside.  Prints the seconds of copying out, reading, fitting, copying in and of
all, the CPU seconds of it and psql, not of the server, and the peak memory of the
process in MB, separated by "|".  The start of Python
and of its libraries is not counted.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time

peer, table, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(threads)

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

if peer == "implicit":
    from implicit.nearest_neighbours import CosineRecommender
else:
    from sklearn.neighbors import NearestNeighbors

K = 100


def psql(*commands):
    arguments = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1"]
    for command in commands:
        arguments += ["-c", command]
    subprocess.run(arguments, check=True)


def cpu_seconds():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def neighbors(users, items, ratings, shape):
    """Arrays of item, neighbor, similarity, itself left out."""
    if peer == "implicit":
        model = CosineRecommender(K=K + 1, num_threads=threads)
        model.fit(csr_matrix((ratings, (users, items)), shape=shape), show_progress=False)
        found = model.similarity.tocoo()
        owner, other, similarity = found.row, found.col, found.data
    else:
        matrix = csr_matrix((ratings, (items, users)), shape=shape[::-1])
        model = NearestNeighbors(n_neighbors=K + 1, metric="cosine", algorithm="brute", n_jobs=threads).fit(matrix)
        distance, index = model.kneighbors(matrix)
        owner = np.repeat(np.arange(len(index)), index.shape[1])
        other, similarity = index.ravel(), 1 - distance.ravel()
    keep = owner != other
    return owner[keep], other[keep], similarity[keep]


def main():
    seconds = []
    started = cpu_seconds()
    clock = time.perf_counter()

    def lap():
        nonlocal clock
        now = time.perf_counter()
        seconds.append(now - clock)
        clock = now

    with tempfile.TemporaryDirectory() as folder:
        exported, found = os.path.join(folder, "ratings.csv"), os.path.join(folder, "neighbors.csv")
        psql(f"\\copy (SELECT user_id, item_id, rating FROM {table}) TO '{exported}' CSV")
        lap()
        frame = pd.read_csv(exported, names=["user", "item", "rating"], dtype={"rating": np.float32})
        users, u = np.unique(frame.user, return_inverse=True)
        items, i = np.unique(frame.item, return_inverse=True)
        lap()
        owner, other, similarity = neighbors(u, i, frame.rating.to_numpy(), (len(users), len(items)))
        lap()
        pd.DataFrame({"item": items[owner], "neighbor": items[other], "similarity": similarity}).to_csv(
            found, header=False, index=False)
        psql("SET client_min_messages = warning", "DROP TABLE IF EXISTS bench_outside",
             "CREATE TABLE bench_outside (item_id bigint, neighbor_id bigint, similarity real)",
             f"\\copy bench_outside FROM '{found}' CSV")
        lap()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("|".join(f"{s:.2f}" for s in seconds + [sum(seconds), cpu_seconds() - started]) + f"|{memory:.0f}")


main()
