#!/usr/bin/env python3
"""Item weights by EASE and SLIM: here, and by NumPy and scikit-learn.

    bench/weights.py [--slim] [--runs N] TABLE[:ITEMS] ...

TABLE has columns user_id, item_id, rating (bench/ratings.sql makes such), of which
those of the ITEMS items with the most ratings are taken (all).  The server is the one
that PG* variables name, on this machine.  Needs numpy, scipy, psycopg; for SLIM, which is
measured with --slim, scikit-learn, which solves SAMPLE (20) columns: the rest is
extrapolated.

Here:   item_weights, 1000 weights kept of an item, ratings read from the table; workers are the
        server's max_parallel_maintenance_workers (WORKERS, 1) beside the leader.
NumPy:  linalg.inv of the Gram matrix in double precision with THREADS (2) threads, and
        the weights from it; neither reading, nor the Gram matrix, nor choosing counts.

Prints a Markdown table of medians over runs, a run of one after a run of the other.
Seconds of the processor are of all processes or threads.  Memory is the most that was
there at once: of the leader with what it shares, or of the two matrices.
"""

import os
import statistics
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = os.environ.get("THREADS", "2")

import numpy as np
import psycopg
import scipy.sparse

WORKERS = int(os.environ.get("WORKERS", "1"))
SAMPLE = int(os.environ.get("SAMPLE", "20"))
TICK = os.sysconf("SC_CLK_TCK")
L1, L2 = 20.0, 100.0


def server_ticks(connection):
    """Of the session, and of workers that have ended: the postmaster's children."""
    pid = connection.info.backend_pid
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    parent = open(f"/proc/{fields[1]}/stat").read().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:13])) + sum(map(int, parent[13:15]))


def peak(connection):
    for line in open(f"/proc/{connection.info.backend_pid}/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024


def here(query, method, options):
    with psycopg.connect(autocommit=True) as connection:
        connection.execute("SET client_min_messages = error; SET jit = off; SET maintenance_work_mem = '8GB';"
                           f"SET max_parallel_maintenance_workers = {WORKERS}")
        ticks, clock = server_ticks(connection), time.perf_counter()
        connection.execute("SELECT count(*), sum(length(w.neighbors::text)) FILTER (WHERE id = 0)"
                           " FROM socrec.item_weights(%s, %s, %s) w", (query, method, options))
        seconds = time.perf_counter() - clock
        time.sleep(0.2)  # workers end
        return seconds, (server_ticks(connection) - ticks) / TICK, peak(connection)


def numpy_ease(gram):
    n = len(gram)
    clock, work = time.perf_counter(), time.process_time()
    p = np.linalg.inv(gram + L2 * np.eye(n))
    b = -p / np.diag(p)
    b.flat[:: n + 1] = 0
    return time.perf_counter() - clock, time.process_time() - work, 2 * 8 * n * n / 1048576


def sklearn_slim(x):
    from sklearn.linear_model import ElasticNet

    n, items = x.shape
    net = ElasticNet(alpha=(L1 + L2) / n, l1_ratio=L1 / (L1 + L2), positive=True, fit_intercept=False, copy_X=False)
    clock, work = time.perf_counter(), time.process_time()
    for j in np.linspace(0, items - 1, SAMPLE).astype(int):
        start, end = x.indptr[j], x.indptr[j + 1]
        target = x[:, [j]].toarray().ravel()
        kept = x.data[start:end].copy()
        x.data[start:end] = 0
        net.fit(x, target)
        x.data[start:end] = kept
    return [(clock_now - then) * items / SAMPLE for clock_now, then in
            ((time.perf_counter(), clock), (time.process_time(), work))] + [float("nan")]


def row(items, method, who, runs):
    wall, cpu, memory = (statistics.median(column) for column in zip(*runs))
    print(f"| {items} | {method} | {who} | {wall:.1f} s | {cpu:.1f} s | {'' if memory != memory else f'{memory:.0f} MB'} |", flush=True)
    return wall, cpu


def main():
    arguments = sys.argv[1:]
    n_runs = int(arguments.pop(arguments.index("--runs") + 1)) if "--runs" in arguments else 3
    with_slim = "--slim" in arguments
    print("| items | method | by | seconds | of the processor | memory |\n|---|---|---|---|---|---|")
    for table, _, limit in (argument.partition(":") for argument in arguments if not argument.startswith("--")):
        query = f"SELECT user_id, item_id FROM {table}"
        if limit:
            query += f" WHERE item_id IN (SELECT item_id FROM {table} GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {limit})"
        with psycopg.connect() as connection:
            users, items = np.array(connection.execute(query).fetchall()).T
        users, items = (np.unique(keys, return_inverse=True)[1] for keys in (users, items))
        x = scipy.sparse.csc_matrix((np.ones(len(users)), (users, items)))
        gram = (x.T @ x).toarray()
        runs = {"ease": ([], []), "slim": ([], [])}
        for _ in range(n_runs):
            runs["ease"][0].append(here(query, "ease", f'{{"l2": {L2}, "binarize": true}}'))
            runs["ease"][1].append(numpy_ease(gram))
        if with_slim:
            runs["slim"][0].append(here(query, "slim", f'{{"l1": {L1}, "l2": {L2}, "binarize": true}}'))
            runs["slim"][1].append(sklearn_slim(x))
        for method, (ours, theirs) in runs.items():
            if ours:
                a = row(len(gram), method, "socrec", ours)
                b = row(len(gram), method, {"ease": "NumPy", "slim": "scikit-learn"}[method], theirs)
                print(f"| {len(gram)} | {method} | ratio | {b[0] / a[0]:.1f} | {b[1] / a[1]:.1f} | |", flush=True)


main()
