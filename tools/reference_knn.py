#!/usr/bin/env python3
"""Reference values for neighbors, predictions and recommendations.

    tools/reference_knn.py path/to/ml-latest-small test/reference

An implementation of the textbook definitions with dense matrices, NumPy and
scikit-learn, written to be compared with and for nothing else.  It writes small
CSV files that hold ids and derived numbers only; test/t/movielens.pl compares.
"""

import datetime
import os
import sys

import numpy as np
import pandas as pd
import scipy
import sklearn
from scipy.special import xlogy
from sklearn.metrics.pairwise import cosine_similarity


class Table:
    """A rating table as matrices users x items: ratings r, presence m."""

    def __init__(self, frame):
        self.users = np.unique(frame.userId)
        self.items = np.unique(frame.movieId)
        u = np.searchsorted(self.users, frame.userId)
        i = np.searchsorted(self.items, frame.movieId)
        self.r = np.zeros((len(self.users), len(self.items)))
        self.m = np.zeros_like(self.r)
        self.r[u, i] = frame.rating
        self.m[u, i] = 1
        self.mean = frame.rating.mean()

    def baseline(self, item_reg=10.0, user_reg=15.0, epochs=10):
        """Biases of users and items by alternating ridge regression, items first."""
        bu = np.zeros(len(self.users))
        bi = np.zeros(len(self.items))
        for _ in range(epochs):
            bi = (self.m * (self.r - self.mean - bu[:, None])).sum(0) / (item_reg + self.m.sum(0))
            bu = (self.m * (self.r - self.mean - bi[None, :])).sum(1) / (user_reg + self.m.sum(1))
        return bu, bi

    def centered(self, center):
        if center == "none":
            return self.r
        if center == "user":
            return self.m * (self.r - (self.r.sum(1) / self.m.sum(1))[:, None])
        if center == "item":
            return self.m * (self.r - (self.r.sum(0) / self.m.sum(0))[None, :])
        bu, bi = self.baseline()
        return self.m * (self.r - self.mean - bu[:, None] - bi[None, :])


def similarity_matrix(x, m, kind, shrinkage=0.0, min_support=1):
    """Similarities of the columns of x, present where m is 1; 0 where undefined."""
    n = m.T @ m
    with np.errstate(all="ignore"):
        if kind == "cosine":
            s = cosine_similarity(x.T)
        elif kind == "corated_cosine":
            s = (x.T @ x) / np.sqrt(((x * x).T @ m) * (m.T @ (x * x)))
        elif kind == "pearson":
            sx = x.T @ m
            vx = (x * x).T @ m - sx * sx / n
            cov = x.T @ x - sx * sx.T / n
            s = cov / np.sqrt(vx * vx.T)
            s[(vx < 1e-9) | (vx.T < 1e-9) | (n < 2)] = 0
        elif kind == "pearson_baseline":
            s = (x.T @ x) / np.sqrt(((x * x).T @ m) * (m.T @ (x * x)))
            s = s * (n - 1) / (n - 1 + shrinkage)
        else:
            a, b = m.sum(0)[:, None], m.sum(0)[None, :]
            if kind == "jaccard":
                s = n / (a + b - n)
            elif kind == "conditional":
                s = n / (a * np.sqrt(b))
            elif kind == "llr":
                s = 2 * sum(xlogy(k, k * len(m) / (p * q)) for k, p, q in (
                    (n, a, b), (a - n, a, len(m) - b), (b - n, len(m) - a, b),
                    (len(m) - a - b + n, len(m) - a, len(m) - b)))
                s[n * len(m) <= a * b] = 0
        if kind != "pearson_baseline":
            s = s * n / (n + shrinkage)
    s[(n < min_support) | ~np.isfinite(s)] = 0
    np.fill_diagonal(s, 0)
    # The model keeps similarities as real, and ties are decided after that.
    return (s if kind == "llr" else np.clip(s, -1, 1)).astype(np.float32)


def nearest(s, counts, k):
    """The k best of every column with s > 0: by similarity, count, key."""
    order = np.lexsort((np.broadcast_to(np.arange(len(s)), s.shape), np.broadcast_to(-counts, s.shape), -s), axis=1)
    result = []
    for column, best in zip(s, order):
        best = best[:k]
        result.append(best[column[best] > 0])
    return result


def predict(table, by, center, k, shrinkage, pairs, kind="cosine"):
    """Predictions r_ui ~ R(u, i) + sum w (r - R) / sum |w|, NaN without a neighbor.

    The rating asked for is left out of what is known of its user.
    """
    x = table.centered(center)
    bu, bi = table.baseline()
    user_mean = table.r.sum(1) / table.m.sum(1)
    item_mean = table.r.sum(0) / table.m.sum(0)
    if by == "item":
        s = similarity_matrix(x, table.m, kind, shrinkage)
        neighbors = nearest(s, table.m.sum(0), k)
    else:
        s = similarity_matrix(x.T, table.m.T, kind, shrinkage)
        neighbors = nearest(s, table.m.sum(1), k)
    low, high = table.r[table.m > 0].min(), table.r[table.m > 0].max()

    def reference(u_mean, u_bias, i):
        return {"none": 0, "user": u_mean, "item": item_mean[i], "baseline": table.mean + u_bias + bi[i]}[center]

    result = []
    for u, i in pairs:
        rated = table.m[u].astype(bool).copy()
        rated[i] = False
        own_mean = table.r[u, rated].mean()
        own_bias = (table.r[u, rated] - table.mean - bi[rated]).sum() / (15 + rated.sum())
        if by == "item":
            near = [j for j in neighbors[i] if rated[j]]
            w = s[i, near].astype(float)
            d = np.array([table.r[u, j] - reference(own_mean, own_bias, j) for j in near])
        else:
            near = [v for v in neighbors[u] if table.m[v, i]]
            w = s[u, near].astype(float)
            d = np.array([table.r[v, i] - reference(user_mean[v], bu[v], i) for v in near])
        if len(near) == 0:
            result.append((np.nan, 0))
        else:
            value = reference(own_mean, own_bias, i) + (w * d).sum() / np.abs(w).sum()
            result.append((min(high, max(low, value)), len(near)))
    return result


def recommend(table, x, k, shrinkage, users, n=10):
    """The n best unseen items by sum of w r, each rated item voting for its neighbors."""
    s = similarity_matrix(x, table.m, "cosine", shrinkage)
    counts = table.m.sum(0)
    votes = np.zeros_like(s, dtype=float)
    for i, near in enumerate(nearest(s, counts, k)):
        votes[i, near] = s[i, near]
    for u in users:
        score = table.r[u] @ votes
        score[table.m[u] > 0] = 0
        best = np.lexsort((np.arange(len(score)), -counts, -score))[:n]
        yield u, [(j, score[j]) for j in best if score[j] > 0]


def tfidf(table):
    idf = np.log((1 + len(table.items)) / (1 + table.m.sum(1)))
    return np.sqrt(table.m) * idf[:, None]


def main(data, target):
    table = Table(pd.read_csv(os.path.join(data, "ratings.csv")))
    rng = np.random.default_rng(2026)
    provenance = (
        f"# Written on {datetime.date.today()} by tools/reference_knn.py from MovieLens latest-small (2018), "
        f"with NumPy {np.__version__}, SciPy {scipy.__version__}, scikit-learn {sklearn.__version__}.\n"
        "# Ids and derived numbers only.\n"
    )

    by_count = np.lexsort((np.arange(len(table.items)), -table.m.sum(0)))
    chosen = np.concatenate([by_count[:15], rng.choice(by_count[15:2000], 15, replace=False),
                             rng.choice(by_count[2000:], 10, replace=False)])
    with open(os.path.join(target, "movielens_neighbors.csv"), "w") as out:
        out.write(provenance + "similarity,shrinkage,min_support,movie_id,rank,neighbor_id,value\n")
        for kind, shrinkage, support in [("cosine", 0, 1), ("cosine", 50, 3), ("corated_cosine", 10, 2),
                                         ("pearson", 25, 2), ("jaccard", 0, 1),
                                         ("pearson_baseline", 100, 2), ("llr", 0, 1), ("conditional", 0, 3)]:
            x = table.centered("baseline" if kind == "pearson_baseline" else "none")
            s = similarity_matrix(x, table.m, kind, shrinkage, support)
            near = nearest(s, table.m.sum(0), 10)
            for i in chosen:
                for rank, j in enumerate(near[i]):
                    out.write(f"{kind},{shrinkage},{support},{table.items[i]},{rank + 1},{table.items[j]},{s[i, j]:.9g}\n")

    rated = np.argwhere(table.m > 0)
    unrated = np.argwhere(table.m == 0)
    pairs = np.concatenate([rated[rng.choice(len(rated), 120, replace=False)],
                            unrated[rng.choice(len(unrated), 40, replace=False)],
                            [(u, i) for u, i in unrated[rng.choice(len(unrated), 60000, replace=False)]
                             if table.m[:, i].sum() > 60][:40]])
    with open(os.path.join(target, "movielens_predictions.csv"), "w") as out:
        out.write(provenance + "method,center,k,shrinkage,user_id,movie_id,prediction,support\n")
        for by, center, k, shrinkage in [("item", "none", 100, 0), ("item", "item", 20, 0), ("item", "baseline", 100, 100),
                                         ("user", "user", 20, 0), ("user", "baseline", 100, 25), ("user", "none", 50, 10)]:
            for (u, i), (value, support) in zip(pairs, predict(table, by, center, k, shrinkage, pairs)):
                out.write(f"{by}_knn,{center},{k},{shrinkage},{table.users[u]},{table.items[i]},"
                          f"{'' if np.isnan(value) else format(value, '.9g')},{support}\n")

    users = rng.choice(len(table.users), 20, replace=False)
    implicit = Table(pd.read_csv(os.path.join(data, "ratings.csv")))
    implicit.r = implicit.m
    with open(os.path.join(target, "movielens_recommendations.csv"), "w") as out:
        out.write(provenance + "feedback,user_id,rank,movie_id,score\n")
        for name, t, x, shrinkage in [("explicit", table, table.centered("baseline"), 100),
                                      ("implicit", implicit, tfidf(implicit), 25)]:
            for u, best in recommend(t, x, 100, shrinkage, users):
                for rank, (j, score) in enumerate(best):
                    out.write(f"{name},{t.users[u]},{rank + 1},{t.items[j]},{score:.9g}\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
