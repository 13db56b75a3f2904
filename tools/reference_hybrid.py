#!/usr/bin/env python3
"""The weights of a hybrid of MovieLens latest-small by SciPy, test/reference/hybrid.csv.

Usage: reference_hybrid.py SEED PART... > test/reference/hybrid.csv

psql must connect to a database that has the extension and a table ratings (user_id,
movie_id, rating) by itself.  What the parts, fitted to the training side, say of
the validation side comes from there; the sides, the places in lists and the regressions
are computed here.  The file was made with seed 3 and the parts item_knn, user_knn and
baseline, by SciPy 1.17.1 and NumPy 2.4.6.
"""
import csv
import io
import subprocess
import sys
from collections import defaultdict

import numpy as np
from scipy.optimize import lsq_linear, minimize

PRIOR_RATINGS = 10
RIDGE = 1


def read(query):
    """The rows (user, item, value) of a query."""
    text = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", f"COPY ({query}) TO STDOUT WITH (FORMAT csv)"],
                          check=True, capture_output=True, text=True).stdout
    return {(int(user), int(item)): float(value) for user, item, value in csv.reader(io.StringIO(text))}


def side(seed, validation):
    """The query of a side: a fifth of the ratings by a hash is the validation side."""
    hashed = f"hashint8extended(hash_record_extended(ROW(user_id, movie_id), 0), {seed + 1}) & 1073741823"
    return f"FROM ratings WHERE {hashed} {'<' if validation else '>='} round(0.2 * 1073741824)"


def prediction_weights(seed, parts, validation, mean):
    """Least squares with weights of at least 0, and rows for the prior."""
    given = [read(f"SELECT user_id, item_id, prediction FROM socrec.batch_predict('SELECT user_id, movie_id, rating {side(seed, False)}', "
                  f"'SELECT user_id, movie_id {side(seed, True)}', 0, 0, '{part}')") for part in parts]
    pairs = list(validation)
    x = np.array([[g[pair] - mean for g in given] for pair in pairs])
    y = np.array([validation[pair] - mean for pair in pairs])
    n = len(parts)
    prior = np.sqrt(PRIOR_RATINGS * (x**2).sum() / len(pairs) / n)
    x = np.vstack([x, prior * np.eye(n)])
    y = np.concatenate([y, np.full(n, prior / n)])
    return lsq_linear(x, y, bounds=(0, np.inf), method="bvls", tol=1e-14).x


def places(seed, part):
    """Scores of each list from 0, the lowest, to 1, the highest."""
    lists = defaultdict(dict)
    for (user, item), score in read(
            f"SELECT user_id, item_id, score FROM socrec.batch_recommend('SELECT user_id, movie_id, rating {side(seed, False)}', "
            f"0, 0, '{part}', n => 200) WHERE source = '{part}'").items():
        lists[user][item] = score
    result = {}
    for user, scores in lists.items():
        low, high = min(scores.values()), max(scores.values())
        for item, score in scores.items():
            result[user, item] = (score - low) / (high - low) if high > low else 1
    return result


def rank_weights(seed, parts, validation, mean):
    """Logistic regression with weights of at least 0, in sum 1."""
    users = {user for user, _ in validation}
    given = [places(seed, part) for part in parts]
    pairs = sorted({pair for g in given for pair in g if pair[0] in users})
    x = np.array([[g.get(pair, 0) for g in given] for pair in pairs])
    y = np.array([validation.get(pair, -np.inf) >= mean for pair in pairs], dtype=float)

    def loss(w):
        z = x @ w[:-1] + w[-1]
        p = 1 / (1 + np.exp(-z))
        value = np.logaddexp(0, z).sum() - y @ z + RIDGE * (w[:-1] ** 2).sum() / 2
        return value, np.append(x.T @ (p - y) + RIDGE * w[:-1], (p - y).sum())

    n = len(parts)
    start = np.append(np.zeros(n), np.log(y.mean() / (1 - y.mean())))
    w = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * n + [(None, None)],
                 options={"ftol": 1e-15, "gtol": 1e-8, "maxiter": 10000}).x[:n]
    return w / w.sum()


def main():
    seed, *parts = sys.argv[1:]
    seed = int(seed)
    train = read(f"SELECT user_id, movie_id, rating {side(seed, False)}")
    known_users = {user for user, _ in train}
    known_items = {item for _, item in train}
    mean = sum(train.values()) / len(train)
    validation = {(user, item): rating
                  for (user, item), rating in read(f"SELECT user_id, movie_id, rating {side(seed, True)}").items()
                  if user in known_users and item in known_items}
    weights = zip(parts, rank_weights(seed, parts, validation, mean), prediction_weights(seed, parts, validation, mean))
    print("part,rank_weight,prediction_weight")
    for part, rank, prediction in weights:
        print(f"{part},{rank:.9f},{prediction:.9f}")


if __name__ == "__main__":
    main()
