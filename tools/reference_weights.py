#!/usr/bin/env python3
"""Reference values for item weights: EASE, SLIM and slope one.

    tools/reference_weights.py path/to/ml-latest-small test/reference

EASE by NumPy's inverse, SLIM by scikit-learn's ElasticNet, slope one by Surprise's
SlopeOne and, weighted, by its formula with dense matrices.  It writes small CSV files
that hold ids and derived numbers only; test/t/weights.pl compares.

What is learned from: the items with at least LEAST ratings, and for slope one the
ratings of which a hash of the two ids is not 0, the others being predicted.
"""

import datetime
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import sklearn
import surprise
from sklearn.linear_model import ElasticNet

LEAST = {"ease": 10, "slim": 50}
EASE = [("binarized", True, 500.0), ("values", False, 100.0), ("values", False, 1.0)]
SLIM = [("binarized", True, 1.0, 10.0), ("values", False, 20.0, 200.0)]


def matrix(frame, least, binarize):
    count = frame.groupby("movieId").size()
    items = count.index[count >= least].to_numpy()
    kept = frame[frame.movieId.isin(items)]
    users = np.unique(kept.userId)
    x = np.zeros((len(users), len(items)))
    x[np.searchsorted(users, kept.userId), np.searchsorted(items, kept.movieId)] = 1 if binarize else kept.rating
    return items, x


def ease(x, l2):
    p = np.linalg.inv(x.T @ x + l2 * np.eye(x.shape[1]))
    b = -p / np.diag(p)
    np.fill_diagonal(b, 0)
    return b


def slim(x, column, l1, l2):
    """The weights in an item's score; scikit-learn's objective is divided by the users."""
    n = len(x)
    net = ElasticNet(alpha=(l1 + l2) / n, l1_ratio=l1 / (l1 + l2), positive=True, fit_intercept=False,
                     tol=1e-10, max_iter=100000)
    others = x.copy()
    others[:, column] = 0
    return net.fit(others, x[:, column]).coef_


def is_tested(frame):
    return (frame.userId * 31 + frame.movieId * 17) % 5 == 0


def slope_one(frame):
    """Predictions of doubled ratings, as Surprise's reads whole numbers only: its own, and the weighted ones."""
    frame = frame.assign(rating=2 * frame.rating)
    train, test = frame[~is_tested(frame)], frame[is_tested(frame)]
    reader = surprise.Reader(rating_scale=(1, 10))
    fitted = surprise.SlopeOne().fit(
        surprise.Dataset.load_from_df(train[["userId", "movieId", "rating"]], reader).build_full_trainset())
    users, items = np.unique(train.userId), np.unique(train.movieId)
    r = np.zeros((len(users), len(items)))
    m = np.zeros_like(r)
    r[np.searchsorted(users, train.userId), np.searchsorted(items, train.movieId)] = train.rating
    m[np.searchsorted(users, train.userId), np.searchsorted(items, train.movieId)] = 1
    rng = np.random.default_rng(0)
    for _, (user, item) in test[["userId", "movieId"]].iloc[rng.choice(len(test), 1200, replace=False)].iterrows():
        if item not in items:
            continue
        u, i = np.searchsorted(users, user), np.searchsorted(items, item)
        both = m[:, [i]] * m
        support = both.sum(0)
        with np.errstate(all="ignore"):
            deviation = (both * (r[:, [i]] - r)).sum(0) / support
        used = (m[u] > 0) & (support > 0)
        if not used.any():
            continue
        value = (support * (deviation + r[u]))[used].sum() / support[used].sum()
        yield user, item, fitted.predict(user, item).est, min(10, max(1, value)), used.sum()


def main(data, target):
    frame = pd.read_csv(os.path.join(data, "ratings.csv"))
    rng = np.random.default_rng(0)
    provenance = (f"# Written on {datetime.date.today()} by tools/reference_weights.py from MovieLens latest-small (2018), with "
                  f"NumPy {np.__version__}, pandas {pd.__version__}, scikit-learn {sklearn.__version__}, Surprise {surprise.__version__}.\n"
                  "# Ids and derived numbers only.\n")
    with open(os.path.join(target, "movielens_weights.csv"), "w") as out:
        out.write(provenance + "method,least,binarize,l1,l2,movie_id,other_id,weight\n")
        for _, binarize, l2 in EASE:
            items, x = matrix(frame, LEAST["ease"], binarize)
            b = ease(x, l2)
            for i in rng.choice(len(items), 25, replace=False):
                for j in np.concatenate([np.argsort(-np.abs(b[i]))[:10], rng.choice(len(items), 10, replace=False)]):
                    if i != j:
                        out.write(f"ease,{LEAST['ease']},{binarize},0,{l2},{items[i]},{items[j]},{b[i, j]:.10g}\n")
        for _, binarize, l1, l2 in SLIM:
            items, x = matrix(frame, LEAST["slim"], binarize)
            for j in rng.choice(len(items), 25, replace=False):
                w = slim(x, j, l1, l2)
                for i in np.flatnonzero(w):
                    out.write(f"slim,{LEAST['slim']},{binarize},{l1},{l2},{items[i]},{items[j]},{w[i]:.10g}\n")
    with open(os.path.join(target, "movielens_slope_one.csv"), "w") as out:
        out.write(provenance + "user_id,movie_id,unweighted,weighted,support\n")
        for user, item, unweighted, weighted, support in slope_one(frame):
            out.write(f"{user},{item},{unweighted:.10g},{weighted:.10g},{support}\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
