"""What bench/accuracy.py compares with: each a function of the folds' data.

RATINGS gives predictions of data["test"], LISTS a dictionary user: list of items.
What a library does not have for a task, or that cannot be imported, is left out.
"""

import itertools

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

LENGTH = 20
SEED = 20


class Unable(Exception):
    """The library cannot do what the task asks for."""


# Ratings


def surprise(name, **options):
    def predict(data):
        import random

        import surprise

        random.seed(SEED)
        np.random.seed(SEED)
        ratings = data["train"]
        reader = surprise.Reader(rating_scale=(ratings.rating.min(), ratings.rating.max()))
        train = surprise.Dataset.load_from_df(ratings[["user", "item", "rating"]], reader).build_full_trainset()
        model = getattr(surprise, name)(**options)
        model.fit(train)
        test = data["test"]
        return [model.predict(u, i).est for u, i in zip(test.user, test.item)]

    return predict


def myfm(rank, iterations):
    def predict(data):
        from myfm import MyFMRegressor
        from sklearn.preprocessing import OneHotEncoder

        train, test = data["train"], data["test"]
        encoder = OneHotEncoder(handle_unknown="ignore").fit(train[["user", "item"]])
        model = MyFMRegressor(rank=rank, random_seed=SEED).fit(
            encoder.transform(train[["user", "item"]]), train.rating.to_numpy(), n_iter=iterations,
            n_kept_samples=iterations - 20, group_shapes=[len(c) for c in encoder.categories_])
        found = model.predict(encoder.transform(test[["user", "item"]]))
        return np.clip(found, train.rating.min(), train.rating.max())

    return predict


QUIET = {"verbose": False}
KNN = {"k": 40, "verbose": False}
PEARSON = {"name": "pearson_baseline", "shrinkage": 100}

RATINGS = {
    "Surprise NormalPredictor": surprise("NormalPredictor"),
    "Surprise BaselineOnly": surprise("BaselineOnly", **QUIET),
    "Surprise KNNBasic": surprise("KNNBasic", **KNN),
    "Surprise KNNWithMeans": surprise("KNNWithMeans", **KNN),
    "Surprise KNNWithZScore": surprise("KNNWithZScore", **KNN),
    "Surprise KNNBaseline": surprise("KNNBaseline", **KNN),
    "Surprise KNNBaseline, items, pearson_baseline": surprise(
        "KNNBaseline", sim_options=PEARSON | {"user_based": False}, **KNN),
    "Surprise KNNBaseline, users, pearson_baseline": surprise(
        "KNNBaseline", sim_options=PEARSON | {"user_based": True}, **KNN),
    **{f"Surprise KNNBaseline, {side}, pearson_baseline, all neighbors": surprise(
        "KNNBaseline", sim_options=PEARSON | {"user_based": side == "users"}, k=100000, verbose=False)
       for side in ("items", "users")},
    "Surprise SlopeOne": surprise("SlopeOne"),
    "Surprise CoClustering": surprise("CoClustering", random_state=SEED),
    "Surprise NMF": surprise("NMF", random_state=SEED),
    "Surprise SVD": surprise("SVD", random_state=SEED),
    "Surprise SVDpp": surprise("SVDpp", random_state=SEED, cache_ratings=True),
    "myfm, 16 factors, 200 iterations": myfm(16, 200),
    "myfm, 16 factors, 500 iterations": myfm(16, 500),
    "myfm, 32 factors, 500 iterations": myfm(32, 500),
}


# Lists


class Matrix:
    """Likes as a matrix, and those of the users that lists are for."""

    def __init__(self, data):
        train = data["train"]
        seen = data.get("seen", train)
        self.items = np.unique(train.item)
        self.is_new = "seen" in data
        self.train = self.make(train)[0]
        asked = seen[seen.user.isin(data["test"].user)]
        self.seen, self.users = self.make(asked)
        # Where the users asked are among the rows of train.
        self.rows = None if self.is_new else np.searchsorted(np.unique(train.user), self.users)

    def make(self, frame):
        users = np.unique(frame.user)
        where = np.searchsorted(users, frame.user), np.searchsorted(self.items, frame.item)
        return csr_matrix((np.ones(len(frame), np.float32), where), (len(users), len(self.items))), users

    def lists(self, scores):
        """The best of dense scores, without what was seen."""
        scores = np.array(scores, float)
        scores[self.seen.nonzero()] = -np.inf
        best = np.argsort(-scores, axis=1, kind="stable")[:, :LENGTH]
        return self.named(best)

    def named(self, numbers):
        return {user: self.items[row].tolist() for user, row in zip(self.users.tolist(), numbers)}


def popular(data):
    matrix = Matrix(data)
    return matrix.lists(np.tile(np.asarray(matrix.train.sum(axis=0)), (len(matrix.users), 1)))


def numpy_ease(regularization):
    """Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019."""

    def recommend(data):
        matrix = Matrix(data)
        gram = np.asarray((matrix.train.T @ matrix.train).todense(), float)
        gram[np.diag_indices_from(gram)] += regularization
        inverse = np.linalg.inv(gram)
        weights = inverse / -np.diag(inverse)
        np.fill_diagonal(weights, 0)
        return matrix.lists(matrix.seen @ weights)

    return recommend


def implicit(module, name, weight=None, **options):
    def recommend(data):
        import importlib

        matrix = Matrix(data)
        model = getattr(importlib.import_module("implicit." + module), name)(**options)
        model.fit(matrix.train, show_progress=False)
        if module in ("cpu.bpr", "cpu.lmf"):
            if matrix.is_new:
                raise Unable("cannot recommend to users who were not there at the fit")
            best, _ = model.recommend(matrix.rows, matrix.train[matrix.rows], N=LENGTH)
        elif module == "cpu.als":
            best, _ = model.recommend(np.arange(len(matrix.users)), matrix.seen, N=LENGTH, recalculate_user=True)
        else:
            best, _ = model.recommend(np.arange(len(matrix.users)), matrix.seen, N=LENGTH)
        return matrix.named(best)

    return recommend


def irspack(name, **options):
    def recommend(data):
        import irspack

        matrix = Matrix(data)
        if "KNN" in name or "IALS" in name or "SLIM" == name[:4]:
            options.setdefault("n_threads", 1)
        model = getattr(irspack, name + "Recommender")(matrix.train, **options)
        model.learn()
        if matrix.is_new:
            return matrix.lists(model.get_score_cold_user(matrix.seen))
        return matrix.lists(model.get_score(matrix.rows))

    return recommend


def grid(label, function, **choices):
    """One entrant for each combination of options."""
    for values in itertools.product(*choices.values()):
        chosen = dict(zip(choices, values))
        text = ", ".join(f"{k} {v}" for k, v in chosen.items())
        yield f"{label}, {text}", function(**chosen)


LISTS = {
    "popular": popular,
    **{f"NumPy EASE, {r}": numpy_ease(r) for r in (100, 300)},
    **dict(grid("implicit als", lambda **o: implicit("cpu.als", "AlternatingLeastSquares", num_threads=1, random_state=SEED, **o),
                factors=(32, 64, 128), alpha=(1, 5, 20), regularization=(0.01, 1, 10))),
    **dict(grid("implicit bpr", lambda **o: implicit("cpu.bpr", "BayesianPersonalizedRanking", num_threads=1, random_state=SEED, **o),
                factors=(32, 64), learning_rate=(0.01, 0.05), iterations=(100, 300))),
    **dict(grid("implicit lmf", lambda **o: implicit("cpu.lmf", "LogisticMatrixFactorization", num_threads=1, random_state=SEED, **o),
                factors=(16, 32), regularization=(0.6, 5))),
    **{f"implicit {m}, K {k}": implicit("nearest_neighbours", m + "Recommender", K=k, num_threads=1)
       for m in ("Cosine", "TFIDF", "BM25") for k in (20, 100, 300)},
    **dict(grid("irspack IALS", lambda **o: irspack("IALS", train_epochs=16, **o),
                n_components=(64, 128), alpha0=(0.03, 0.1, 0.3), reg=(0.001, 0.003, 0.01))),
    **dict(grid("irspack DenseSLIM", lambda **o: irspack("DenseSLIM", **o), reg=(100, 300))),
    **dict(grid("irspack CosineKNN", lambda **o: irspack("CosineKNN", normalize=True, **o),
                shrinkage=(0, 30), feature_weighting=("NONE", "TF_IDF"))),
    **dict(grid("irspack CosineUserKNN", lambda **o: irspack("CosineUserKNN", **o), shrinkage=(0, 30))),
    "irspack RP3beta": irspack("RP3beta", alpha=1, beta=0.4, top_k=100, normalize_weight=True),
    "irspack P3alpha": irspack("P3alpha", alpha=1, top_k=100, normalize_weight=True),
    **dict(grid("irspack SLIM", lambda **o: irspack("SLIM", **o), alpha=(0.05,), l1_ratio=(0.01, 0.1))),
}
