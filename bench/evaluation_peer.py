#!/usr/bin/env python3
"""An evaluation of item neighbors inside the database against the road through Python.

    bench/evaluation_peer.py TABLE [RUNS [SPLIT]]

TABLE has columns user_id, item_id, rating, rated_at (bench/evaluation.sh tells how to
make such); SPLIT is global_time or random, that is five folds.  The server is the one
that PG* variables name.  Needs numpy, scipy, pandas, scikit-learn and ranx; psql does
the copying.

Here:   socrec.evaluate_ratings with plain cosines and all metrics with their intervals.
Python: COPY to CSV, read it (pandas), divide, find the 100 nearest neighbors of every
        item by cosine (scikit-learn, brute force), score all items for all tested users
        and take the best 20 (SciPy, NumPy), their precision, recall, hit rate, NDCG,
        MAP and MRR at 5, 10, 20 (ranx), predict all tested ratings and their RMSE and
        MAE.  No AUC, no novelty, diversity or coverage, no intervals: these would come
        on top.

Both use one process.  Prints a Markdown table of medians, and what both find.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
import pandas as pd
import ranx
from scipy.sparse import csr_matrix
from sklearn.neighbors import NearestNeighbors

pd.options.future.infer_string = False  # ranx wants objects
K = 100
CUTOFFS = (5, 10, 20)
METRICS = [f"{metric}@{k}" for metric in ("precision", "recall", "hit_rate", "ndcg", "map", "mrr") for k in CUTOFFS]
PHASES = ("copy out", "read", "divide", "fit", "lists", "predictions", "metrics")


def psql(*commands):
    arguments = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1"]
    for command in commands:
        arguments += ["-c", command]
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


def inside(table, split):
    start = time.perf_counter()
    rows = psql("SET max_parallel_workers_per_gather = 0", "SET max_parallel_maintenance_workers = 0", "SET jit = off",
                "SET maintenance_work_mem = '8GB'", "SET client_min_messages = warning", f"""
        SELECT string_agg(metric || ' ' || value, ',') FILTER (WHERE segment = 'all' AND (metric = 'rmse' OR metric = 'ndcg' AND cutoff = 10))
        FROM socrec.evaluate_ratings('SELECT user_id, item_id, rating, rated_at FROM {table}', (SELECT user_id FROM {table} LIMIT 0),
            (SELECT item_id FROM {table} LIMIT 0), true, '{{item_knn}}',
            ARRAY[socrec.model_options('item_knn', '{{"center": "none", "shrinkage": 0, "k": {K}}}', true)], '{split}')
        WHERE kind = 'metric' AND fold IS NULL""")
    seconds = time.perf_counter() - start
    found = dict(pair.split() for pair in rows.strip().split(","))
    return {"total": seconds, "ndcg": float(found["ndcg"]), "rmse": float(found["rmse"])}


def divisions(frame, split):
    """Which rows are tested, for each fold."""
    if split == "random":
        fold = np.random.default_rng(0).permutation(len(frame)) % 5
        return [fold == f for f in range(5)]
    cut = np.partition(frame.time.to_numpy(), len(frame) - round(0.2 * len(frame)))[len(frame) - round(0.2 * len(frame))]
    return [frame.time.to_numpy() >= cut]


def fit(rated):
    """Neighbors of the columns of a matrix, one row an item."""
    n_items = rated.shape[1]
    model = NearestNeighbors(n_neighbors=min(K + 1, n_items), metric="cosine", algorithm="brute", n_jobs=1).fit(rated.T)
    distance, index = model.kneighbors(rated.T)
    owner = np.repeat(np.arange(n_items), index.shape[1])
    weight = (1 - distance).ravel()
    keep = (owner != index.ravel()) & (weight > 1e-12)
    return csr_matrix((weight[keep].astype(np.float32), (owner[keep], index.ravel()[keep])), shape=(n_items, n_items))


def best(rated, neighbors, users, fallback):
    """The best unseen items of users with their scores; those without any by popularity."""
    chosen, values = [], []
    for start in range(0, len(users), 500):
        rows = rated[users[start:start + 500]]
        scores = (rows @ neighbors).toarray()
        scores = np.where(scores == 0, fallback, scores)
        scores[rows.nonzero()] = -np.inf
        top = np.argpartition(-scores, max(CUTOFFS), axis=1)[:, :max(CUTOFFS)]
        value = np.take_along_axis(scores, top, 1)
        chosen.append(top)
        values.append(value)
    return np.concatenate(chosen), np.concatenate(values)


def predict(rated, neighbors, u, i, mean):
    predicted = np.full(len(u), mean)
    presence = csr_matrix((np.ones_like(rated.data), rated.indices, rated.indptr), rated.shape)
    order = np.argsort(u, kind="stable")
    users, begins = np.unique(u[order], return_index=True)
    begins = np.append(begins, len(u))
    for start in range(0, len(users), 500):
        chunk = users[start:start + 500]
        pairs = order[begins[start]:begins[start + len(chunk)]]
        row = np.searchsorted(chunk, u[pairs])
        above = (rated[chunk] @ neighbors.T).toarray()[row, i[pairs]]
        below = (presence[chunk] @ neighbors.T).toarray()[row, i[pairs]]
        predicted[pairs] = np.where(below > 0, above / np.where(below > 0, below, 1), mean)
    return predicted


def text(numbers):
    """Numbers as ranx wants its ids."""
    return numbers.astype(str).astype(object).to_numpy()


def measure(frame, tested, lap):
    train, test = frame[~tested], frame[tested]
    n_users, n_items = frame.u.max() + 1, frame.i.max() + 1
    rated = csr_matrix((train.rating, (train.u, train.i)), shape=(n_users, n_items))
    counts = np.bincount(train.i, minlength=n_items)
    relevant = test[test.rating >= np.sort(train.rating)[(len(train) - 1) // 2]]
    fallback = np.where(counts > 0, counts / (counts.max() + 1.0) - 2, -np.inf)
    lap("divide")
    neighbors = fit(rated)
    lap("fit")
    users = np.unique(test.u)
    chosen, values = best(rated, neighbors, users, fallback)
    lap("lists")
    warm = (counts[test.i] > 0)
    predicted = np.full(len(test), train.rating.mean())
    predicted[warm] = predict(rated, neighbors, test.u.to_numpy()[warm], test.i.to_numpy()[warm], train.rating.mean())
    error = test.rating.to_numpy() - predicted
    lap("predictions")
    qrels = ranx.Qrels.from_df(pd.DataFrame({"q_id": text(relevant.u), "doc_id": text(relevant.i), "score": 1}))
    run = ranx.Run.from_df(pd.DataFrame({"q_id": np.repeat(text(pd.Series(users)), chosen.shape[1]), "doc_id": text(pd.Series(chosen.ravel())),
                                         "score": values.ravel().astype(float)}))
    metrics = ranx.evaluate(qrels, run, METRICS, make_comparable=True)
    lap("metrics")
    return metrics["ndcg@10"], (error ** 2).mean()


def outside(table, split):
    seconds = dict.fromkeys(PHASES, 0)
    clock = time.perf_counter()

    def lap(phase):
        nonlocal clock
        now = time.perf_counter()
        seconds[phase] += now - clock
        clock = now

    with tempfile.TemporaryDirectory() as folder:
        exported = os.path.join(folder, "ratings.csv")
        psql(f"\\copy (SELECT user_id, item_id, rating, extract(epoch FROM rated_at) FROM {table}) TO '{exported}' CSV")
        lap("copy out")
        frame = pd.read_csv(exported, names=["user", "item", "rating", "time"], dtype={"rating": np.float32})
        frame["u"] = np.unique(frame.user, return_inverse=True)[1]
        frame["i"] = np.unique(frame.item, return_inverse=True)[1]
        lap("read")
        found = [measure(frame, tested, lap) for tested in divisions(frame, split)]
    seconds["total"] = sum(seconds.values())
    seconds["ndcg"] = statistics.mean(ndcg for ndcg, _ in found)
    seconds["rmse"] = statistics.mean(mse for _, mse in found) ** 0.5
    return seconds


def main(table, runs="3", split="global_time"):
    ours, theirs = [], []
    for _ in range(int(runs)):
        ours.append(inside(table, split))
        theirs.append(outside(table, split))
    median = lambda rows, phase: statistics.median(row[phase] for row in rows)
    n = int(psql(f"SELECT count(*) FROM {table}"))
    print("| ratings | split | here | " + " | ".join("Python: " * (phase == PHASES[0]) + phase for phase in PHASES)
          + " | total | ratio | peak memory of Python | NDCG@10 here, there | RMSE here, there |")
    print("|---" * (len(PHASES) + 8) + "|")
    print(f"| {n} | {split} | {median(ours, 'total'):.1f} s |"
          + "".join(f" {median(theirs, phase):.1f} s |" for phase in PHASES + ("total",))
          + f" {median(theirs, 'total') / median(ours, 'total'):.1f} |"
          f" {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB |"
          f" {median(ours, 'ndcg'):.4f}, {median(theirs, 'ndcg'):.4f} | {median(ours, 'rmse'):.4f}, {median(theirs, 'rmse'):.4f} |")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
