#!/usr/bin/env python3
"""Reference values for an evaluation.

    tools/reference_evaluation.py path/to/ml-latest-small test/reference

The metrics of item_knn, popular and baseline, with their default options, on two
splits that need no chance: by one instant (global_time), and each user's last
rating (leave_last_out).  Of a user's ratings of one instant only the one of the
smallest movieId is used, so that the last one is not in doubt.  Written from the
definitions in docs/evaluation.md with dense matrices, NumPy and scikit-learn; it
writes numbers only, which test/t/evaluation.pl compares.
"""

import datetime
import os
import sys

import numpy as np
import pandas as pd
import scipy
import sklearn

from reference_knn import Table, similarity_matrix

CUTOFFS = [5, 10, 20]


class Fold:
    def __init__(self, train, test):
        self.table = Table(train)
        self.test = test
        self.counts = self.table.m.sum(0)
        self.order = np.lexsort((self.table.items, -self.counts))  # most popular first
        self.rank = np.empty(len(self.order), int)
        self.rank[self.order] = np.arange(len(self.order))
        values = np.sort(train.rating.to_numpy())
        self.relevant = values[(len(values) - 1) // 2]
        self.bu, self.bi = self.table.baseline()
        self.low, self.high = values[0], values[-1]

    def known(self, user):
        """Ratings of a user by item, 0 where there is none."""
        t = self.table
        place = np.searchsorted(t.users, user)
        if place < len(t.users) and t.users[place] == user:
            return t.r[place], t.m[place] > 0
        return np.zeros(len(t.items)), np.zeros(len(t.items), bool)

    def user_bias(self, ratings, rated):
        return (ratings[rated] - self.table.mean - self.bi[rated]).sum() / (rated.sum() + 15) if rated.any() else 0.0

    def item(self, movie):
        place = np.searchsorted(self.table.items, movie)
        return place if place < len(self.table.items) and self.table.items[place] == movie else None


class Baseline:
    name = own = "baseline"

    def __init__(self, fold):
        self.fold = fold

    def scores(self, ratings, rated):
        return self.fold.table.mean + self.fold.user_bias(ratings, rated) + self.fold.bi

    def predict(self, ratings, rated, item):
        f = self.fold
        value = f.table.mean + f.user_bias(ratings, rated) + (0 if item is None else f.bi[item])
        own = item is not None or rated.any()
        return min(f.high, max(f.low, value)), "baseline" if own else "mean"


class Popular(Baseline):
    name = "popular"

    def scores(self, ratings, rated):
        return self.fold.counts.astype(float)


class ItemKnn(Baseline):
    name = own = "item_knn"

    def __init__(self, fold):
        super().__init__(fold)
        t = fold.table
        s = similarity_matrix(t.centered("baseline"), t.m, "cosine", 100)
        self.weights = np.zeros_like(s)
        for column in range(len(s)):
            best = fold.order[np.argsort(-s[column, fold.order], kind="stable")[:100]]
            best = best[s[column, best] > 0]
            self.weights[column, best] = s[column, best]

    def scores(self, ratings, rated):
        rows = self.weights[rated].astype(float)
        scores = ratings[rated] @ rows
        scores[(rows > 0).sum(0) == 0] = np.nan
        return scores

    def predict(self, ratings, rated, item):
        f = self.fold
        near = [] if item is None else np.flatnonzero((self.weights[item] > 0) & rated)
        if len(near) == 0:
            return super().predict(ratings, rated, item)
        w = self.weights[item, near].astype(float)
        bias = f.table.mean + f.user_bias(ratings, rated)
        value = bias + f.bi[item] + (w * (ratings[near] - bias - f.bi[near])).sum() / w.sum()
        return min(f.high, max(f.low, value)), "item_knn"


def ranking(hits, gains, ideal, k):
    """The metrics at k of a list with the given hits and gains."""
    n, hits, gains = len(ideal), hits[:k], gains[:k]
    discount = 1 / np.log2(np.arange(2, k + 2))
    found = np.flatnonzero(hits)
    best = np.sort(ideal)[::-1][:k]
    return {
        "precision": hits.sum() / k, "recall": hits.sum() / n, "hit_rate": float(hits.any()),
        "ndcg": (hits * discount[:len(hits)]).sum() / discount[:min(n, k)].sum(),
        "graded_ndcg": (gains * discount[:len(gains)]).sum() / (best * discount[:len(best)]).sum(),
        "map": (np.cumsum(hits)[found] / (found + 1)).sum() / n,
        "mrr": 1 / (found[0] + 1) if len(found) else 0.0}


def gini(counts):
    x = np.sort(counts)
    return (np.arange(1, len(x) + 1) * 2 - len(x) - 1) @ x / (len(x) * x.sum())


def evaluate(fold, method):
    """Lists of values by (segment, metric, cutoff)."""
    values, t = {}, fold.table
    unit = t.m / np.sqrt(fold.counts)

    def add(segment, metric, cutoff, value):
        values.setdefault((segment, metric, cutoff), []).append(value)

    lists = {k: [] for k in CUTOFFS}
    for user, tested in fold.test.groupby("userId"):
        ratings, rated = fold.known(user)
        warm = rated.any()
        items = [fold.item(m) for m in tested.movieId]
        actual = tested.rating.to_numpy()

        for item, value in zip(items, actual):
            predicted, source = method.predict(ratings, rated, item)
            segments = ["all"] + (["cold_items"] if item is None else []) + (
                [] if warm else ["cold_users"]) + (["warm"] if warm and item is not None else [])
            for segment in segments:
                add(segment, "mse", 0, (value - predicted) ** 2)
                add(segment, "mae", 0, abs(value - predicted))
                add(segment, "coverage", 0, float(source == method.own))

        scores = method.scores(ratings, rated)
        candidates = fold.order[~rated[fold.order]]
        scores = np.where(np.isnan(scores), -np.inf, scores)
        ordered = candidates[np.argsort(-scores[candidates], kind="stable")]
        gain = np.zeros(len(t.items))
        for item, value in zip(items, actual):
            if item is not None and value >= fold.relevant:
                gain[item] = value
        ideal = actual[actual >= fold.relevant]
        warm_ideal = gain[gain > 0]
        top = ordered[:max(CUTOFFS)]
        gains = gain[top]
        for k in CUTOFFS:
            chosen = top[:k]
            lists[k].append(tuple(chosen))
            for segment, best in [("all", ideal), ("warm" if warm else None, warm_ideal),
                                  (None if warm else "cold_users", ideal)]:
                if segment is not None and len(best):
                    for metric, value in ranking(gains > 0, gains, best, k).items():
                        add(segment, metric, k, value)
            add("all", "user_coverage", k, float((scores[chosen] > -np.inf).any()))
            add("all", "novelty", k, -np.log2(fold.counts[chosen] / len(t.users)).mean())
            add("all", "popularity", k, fold.counts[chosen].mean())
            cosines = unit[:, chosen].T @ unit[:, chosen]
            add("all", "diversity", k, 1 - cosines[np.triu_indices(k, 1)].mean())
            add("all", "short_lists", k, float(len(chosen) < k))
            if len(ideal):
                add("all", "serendipity", k, len(set(chosen[gains[:k] > 0]) - set(candidates[:k])) / k)
        positive = gain[ordered] > 0
        if positive.any() and not positive.all():
            below = np.cumsum(~positive[::-1])[::-1]
            value = below[positive].sum() / (positive.sum() * (~positive).sum())
            for segment in ["all", "warm" if warm else "cold_users"]:
                add(segment, "auc", 0, value)

    result = {key: (np.mean(v), len(v)) for key, v in values.items()}
    for segment in ["all", "warm", "cold_users", "cold_items"]:
        if (segment, "mse", 0) in result:
            mse, n = result[segment, "mse", 0]
            result[segment, "rmse", 0] = np.sqrt(mse), n
            result[segment, "sse", 0] = mse * n, n
    for k in CUTOFFS:
        exposure = np.bincount(np.concatenate(lists[k]), minlength=len(t.items))
        result["all", "catalog_coverage", k] = (exposure > 0).mean(), -1
        result["all", "gini", k] = gini(exposure), -1
        result["all", "repeated_lists", k] = np.mean([lists[k].count(x) > 1 for x in lists[k]]), -1
    return result


def main(data, target):
    frame = pd.read_csv(os.path.join(data, "ratings.csv"))
    frame = frame.sort_values("movieId").groupby(["userId", "timestamp"], as_index=False).first()
    cut = np.sort(frame.timestamp)[len(frame) - round(0.2 * len(frame))]
    last = frame.groupby("userId").timestamp.transform("max") == frame.timestamp
    last &= frame.groupby("userId").timestamp.transform("size") > 1
    with open(os.path.join(target, "movielens_evaluation.csv"), "w") as out:
        out.write(f"# Written on {datetime.date.today()} by tools/reference_evaluation.py from MovieLens latest-small (2018), "
                  f"with NumPy {np.__version__}, SciPy {scipy.__version__}, scikit-learn {sklearn.__version__}.\n"
                  "# Derived numbers only.\n"
                  "split,method,segment,metric,cutoff,value,n\n")
        for split, tested in [("global_time", frame.timestamp >= cut), ("leave_last_out", last)]:
            fold = Fold(frame[~tested], frame[tested])
            for kind in [ItemKnn, Popular, Baseline]:
                for (segment, metric, k), (value, n) in sorted(evaluate(fold, kind(fold)).items()):
                    out.write(f"{split},{kind.name},{segment},{metric},{k},{value:.12g},{n}\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
