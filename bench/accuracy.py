#!/usr/bin/env python3
"""How right methods are, side by side with what else there is, on the same folds.

    bench/accuracy.py TASK FOLDER [PATTERN]

TASK is one of
    ratings   RMSE and MAE of predicted ratings: five folds at random
    generate  no measurement: writes ratings.csv of 3,000 users and 1,500 items with planted
              factors, biases, noise and long tails
    time      lists of 20 for the fifth of the likes that came last
    users     lists of 20 for users that were not there at the fit, in five folds of
              users: from four fifths of their likes to the others
FOLDER has ratings.csv (user, item, rating, time, with a header), and the folds and
results are written there: folds by a fixed seed, once, and a line of results.csv for
each entrant and fold, once.  PATTERN is a regular expression of the entrants that
are to be measured (all).  Prints a Markdown table of means over the folds.

Entrants called socrec: run in the server that PG* variables name, which must be on
this machine, in one process.  The others are those of bench/accuracy_peers.py which
are installed, in one thread.  A like is a rating of 4 and above.  Seconds are of the
processor: for socrec reading the ratings from a table, fitting, and all predictions;
for peers the same without reading.
"""

import csv
import os
import pathlib
import re
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
import pandas as pd
import psycopg

import accuracy_peers

SEED = 20
N_FOLDS = 5
LENGTH = 20
LIKE = 4

PEARSON = {"similarity": "pearson_baseline", "center": "baseline", "k": 100000, "shrinkage": 100}

OWN_RATINGS = {
    "socrec: baseline": ("baseline", {}),
    "socrec: slope_one": ("slope_one", {}),
    "socrec: item_knn": ("item_knn", {}),
    "socrec: user_knn": ("user_knn", {}),
    "socrec: item_knn, pearson_baseline, all neighbors": ("item_knn", PEARSON),
    "socrec: user_knn, pearson_baseline, all neighbors": ("user_knn", PEARSON),
    "socrec: als": ("als", {}),
    "socrec: bayes_mf": ("bayes_mf", {}),
    "socrec: bayes_mf, 32 factors": ("bayes_mf", {"factors": 32}),
}

OWN_LISTS = {
    "socrec: popular": ("popular", {}),
    "socrec: item_knn": ("item_knn", {}),
    "socrec: user_knn": ("user_knn", {}),
    "socrec: ease": ("ease", {}),
    **{f"socrec: ease, unpruned, {l2}": ("ease", {"l2": l2, "k": 0}) for l2 in (100, 300)},
    "socrec: slim": ("slim", {}),
    "socrec: ials": ("ials", {}),
    **{f"socrec: ials, factors {f}, unobserved_weight {w}, regularization {r}":
       ("ials", {"factors": f, "unobserved_weight": w, "regularization": r})
       for f in (64, 128) for w in (0.1, 0.3, 1) for r in (0.001, 0.003, 0.01)},
    "socrec: bpr": ("bpr", {}),
}


def write(frame, path):
    frame.to_csv(path, index=False)


def split_ratings(ratings, folder):
    fold = np.random.default_rng(SEED).permutation(len(ratings)) % N_FOLDS
    for k in range(N_FOLDS):
        write(ratings[fold != k], folder / f"{k}.train.csv")
        write(ratings[fold == k], folder / f"{k}.test.csv")


def split_time(ratings, folder):
    likes = ratings[ratings.rating >= LIKE].sort_values(["time", "user", "item"], kind="stable")
    train = likes[: len(likes) * 4 // 5]
    test = likes[len(likes) * 4 // 5 :]
    write(train, folder / "0.train.csv")
    write(test[test.user.isin(train.user) & test.item.isin(train.item)], folder / "0.test.csv")


def split_users(ratings, folder):
    generator = np.random.default_rng(SEED)
    likes = ratings[ratings.rating >= LIKE]
    likes = likes[likes.groupby("user").user.transform("size") >= 5]
    users = likes.user.unique()
    fold = pd.Series(generator.permutation(len(users)) % N_FOLDS, users)
    hidden = generator.random(len(likes)) < 0.2
    for k in range(N_FOLDS):
        there = likes.user.map(fold).to_numpy() != k
        train = likes[there]
        known = likes.item.isin(train.item).to_numpy()
        write(train, folder / f"{k}.train.csv")
        write(likes[~there & ~hidden & known], folder / f"{k}.seen.csv")
        write(likes[~there & hidden & known], folder / f"{k}.test.csv")


def generate(folder):
    """A rating is a mean, biases, eight factors and noise of deviation 0.6, in halves from 0.5 to 5."""
    generator = np.random.default_rng(SEED)
    n_users, n_items = 3000, 1500
    users, items = (generator.normal(0, 0.45, (n, 8)) for n in (n_users, n_items))
    count = np.minimum(20 + generator.geometric(0.02, n_users), n_items // 2)
    popularity = 1 / (np.arange(n_items) + 20.0)
    user = np.repeat(np.arange(n_users), count)
    item = np.concatenate([generator.choice(n_items, c, False, popularity / popularity.sum()) for c in count])
    rating = (3.5 + generator.normal(0, 0.4, n_users)[user] + generator.normal(0, 0.5, n_items)[item]
              + (users[user] * items[item]).sum(axis=1) + generator.normal(0, 0.6, len(user)))
    rating = np.clip(np.round(rating * 2) / 2, 0.5, 5)
    frame = pd.DataFrame({"user": user, "item": item, "rating": rating, "time": generator.permutation(len(user))})
    write(frame, folder / "ratings.csv")


SPLITS = {"ratings": split_ratings, "time": split_time, "users": split_users}


class Server:
    """One session, its processor's time, and tables of what is fitted to."""

    def __init__(self):
        self.connection = psycopg.connect("", autocommit=True)
        for setting in ("max_parallel_workers_per_gather = 0", "max_parallel_maintenance_workers = 0",
                        "maintenance_work_mem = '4GB'", "client_min_messages = warning", "jit = off"):
            self.run("SET " + setting)
        self.backend = self.connection.info.backend_pid
        self.run("DROP SCHEMA IF EXISTS bench_accuracy CASCADE")
        self.run("CREATE SCHEMA bench_accuracy")

    def run(self, statement, parameters=None):
        return self.connection.execute(statement, parameters)

    def seconds(self):
        fields = open(f"/proc/{self.backend}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def insert(self, table, rows):
        with self.connection.cursor().copy(f"COPY bench_accuracy.{table} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def load(self, table, frame, columns):
        types = ", ".join(f'"{c}" {"float8" if c == "rating" else "integer"}' for c in columns)
        self.run(f"DROP TABLE IF EXISTS bench_accuracy.{table}")
        self.run(f"CREATE TABLE bench_accuracy.{table} ({types})")
        self.insert(table, frame[columns].itertuples(index=False, name=None))
        self.run(f"ANALYZE bench_accuracy.{table}")

    def ratings(self, data, method, options):
        self.load("train", data["train"], ["user", "item", "rating"])
        self.load("test", data["test"], ["user", "item"])
        start = self.seconds()
        rows = self.run(
            "SELECT prediction FROM socrec.batch_predict('SELECT \"user\", item, rating FROM bench_accuracy.train',"
            " 'SELECT \"user\", item FROM bench_accuracy.test', 0, 0, %s, %s::jsonb)"
            " WITH ORDINALITY AS p(user_id, item_id, prediction, source, support, n)", (method, dumps(options)))
        found = pd.DataFrame(rows.fetchall(), columns=["prediction"])
        seconds = self.seconds() - start
        # Users come by key, the pairs of a user in their order.
        order = np.argsort(data["test"].user.to_numpy(), kind="stable")
        predictions = np.empty(len(order))
        predictions[order] = found.prediction
        return predictions, seconds

    def lists(self, data, method, options):
        """The model as it is after the fit; who was not there is asked by recommend_all."""
        self.run("SELECT socrec.drop_model(name) FROM socrec.model WHERE name = 'bench_model'")
        self.load("train", data["train"], ["user", "item"])
        start = self.seconds()
        self.run("SELECT socrec.create_model('bench_model', 'bench_accuracy.train', 'user', 'item', NULL, %s, %s::jsonb)",
                 (method, dumps(options | {"holdout": 0})))
        if "seen" in data:
            self.insert("train", data["seen"][["user", "item"]].itertuples(index=False, name=None))
            self.run("ANALYZE bench_accuracy.train")
        rows = self.run('SELECT "user", array_agg(item ORDER BY rank) FROM bench_model.recommend_all(%s)'
                        ' GROUP BY "user"', (LENGTH,)).fetchall()
        seconds = self.seconds() - start
        self.run("SELECT socrec.drop_model('bench_model')")
        return dict(rows), seconds


def dumps(options):
    import json

    return json.dumps(options)


def rating_metrics(data, predictions):
    error = np.asarray(predictions, float) - data["test"].rating.to_numpy()
    return {"rmse": float(np.sqrt(np.mean(error**2))), "mae": float(np.mean(np.abs(error)))}


def list_metrics(data, lists):
    """Means over users with something to find; the ideal of each is min(length, how much there is)."""
    gain = 1 / np.log2(np.arange(2, LENGTH + 2))
    sums = np.zeros(3)
    groups = data["test"].groupby("user").item.agg(set)
    for user, wanted in groups.items():
        hits = np.array([item in wanted for item in lists.get(user, [])[:LENGTH]] + [False] * LENGTH)[:LENGTH]
        ten = hits[:10]
        precision = np.cumsum(ten) / np.arange(1, 11)
        sums += ((ten * gain[:10]).sum() / gain[: min(10, len(wanted))].sum(),
                 hits.sum() / min(LENGTH, len(wanted)),
                 (ten * precision).sum() / min(10, len(wanted)))
    return dict(zip(("ndcg@10", "recall@20", "map@10"), (sums / len(groups)).tolist()))


def entrants(task):
    server = None

    def own(ask, method, options):
        def run(data):
            nonlocal server
            server = server or Server()
            return getattr(server, ask)(data, method, options)

        return run

    def peer(function):
        def run(data):
            start = time.process_time()
            return function(data), time.process_time() - start

        return run

    if task == "ratings":
        peers, mine, ask = accuracy_peers.RATINGS, OWN_RATINGS, "ratings"
    else:
        peers, mine, ask = accuracy_peers.LISTS, OWN_LISTS, "lists"
    return {k: own(ask, *v) for k, v in mine.items()} | {k: peer(v) for k, v in peers.items()}


def table(results, task):
    names = ("rmse", "mae") if task == "ratings" else ("ndcg@10", "recall@20", "map@10")
    mean = results[results.task == task].groupby("entrant").mean(numeric_only=True)
    mean = mean.sort_values(names[0], ascending=task == "ratings")
    print(f"| | {' | '.join(names)} | seconds |\n|{'---|' * (len(names) + 2)}")
    for entrant, row in mean.iterrows():
        print(f"| {entrant} | {' | '.join(f'{row[n]:.4f}' for n in names)} | {row.seconds:.1f} |")


def main():
    task, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    pattern = sys.argv[3] if len(sys.argv) > 3 else ""
    if task == "generate":
        folder.mkdir(exist_ok=True)
        generate(folder)
        return
    path = folder / "results.csv"
    if not (folder / task).exists():
        (folder / task).mkdir()
        ratings = pd.read_csv(folder / "ratings.csv", names=["user", "item", "rating", "time"], header=0)
        SPLITS[task](ratings, folder / task)
    columns = ["task", "entrant", "fold", "rmse", "mae", "ndcg@10", "recall@20", "map@10", "seconds"]
    if not path.exists():
        path.write_text(",".join(columns) + "\n")
    done = {tuple(r) for r in pd.read_csv(path)[["task", "entrant", "fold"]].itertuples(index=False)}
    folds = len(list((folder / task).glob("*.train.csv")))
    for entrant, run in entrants(task).items():
        if not re.search(pattern, entrant):
            continue
        for fold in range(folds):
            if (task, entrant, fold) in done:
                continue
            data = {p.name.split(".")[1]: pd.read_csv(p) for p in (folder / task).glob(f"{fold}.*.csv")}
            try:
                answer, seconds = run(data)
            except (accuracy_peers.Unable, ImportError, psycopg.errors.InvalidParameterValue) as error:
                print(f"{entrant}: {str(error).splitlines()[0]}", file=sys.stderr)
                break
            metrics = rating_metrics(data, answer) if task == "ratings" else list_metrics(data, answer)
            row = {"task": task, "entrant": entrant, "fold": fold, "seconds": round(seconds, 3)} | metrics
            with open(path, "a", newline="") as file:
                csv.DictWriter(file, columns).writerow(row)
    table(pd.read_csv(path), task)


if __name__ == "__main__":
    main()
