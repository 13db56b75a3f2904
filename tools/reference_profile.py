#!/usr/bin/env python3
"""Reference profiles of the users of Online Retail and MovieLens latest-small.

    tools/reference_profile.py path/to/ml-latest-small path/to/onlineretail.csv.gz test/reference

What socrec.create_profiles must say of the two, computed with pandas, NumPy and
scikit-learn; test/t/profile.pl compares.  Written are

    profile_users.csv    columns of user_profile of some users
    profile_vectors.csv  taste and interests of fewer, by item and category
    profile_crowd.csv    some items, all categories
    profile_sums.csv     of each number of all users (and items): how many, their
                         sum, sum of squares, and sum weighted by the id

Derived numbers only.
"""

import os
import sys

import numpy as np
import pandas as pd
import sklearn
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfTransformer

CASES = {
    # name: data, users that are written out, then options
    "retail": ("retail", 20, {"as_of": "2011-12-10", "occasion": True}),
    "retail_mean": ("retail", 500, {"half_life": 90, "session_gap": "1 day", "zone": "Asia/Kolkata", "taste": "mean"}),
    "retail_log": ("retail", 500, {"session_gap": "0", "taste": "log1p"}),
    "films": ("films", 10, {"as_of": "2018-10-01", "zone": "America/New_York", "taste": "mean"}),
    "films_decay": ("films", 20, {"half_life": 180, "zone": "America/New_York", "taste": "log1p"}),
    "films_value": ("films", 50, {"half_life": 180, "taste": "count", "by_value": True}),
}
# Vectors are long: of users whose id is a multiple of these.
TASTE_USERS = {"retail": 500, "films": 150}
INTEREST_USERS = 50

USER_COLUMNS = [
    "events", "items", "first_at", "last_at", "recency_days", "frequency", "monetary", "sessions", "active_days", "peak_hour",
    "value_mean", "value_stddev", "harshness", "entropy", "mainstream", "recency_score", "frequency_score", "monetary_score",
    "segment", "top_interests",
]  # fmt: skip


def read_retail(path):
    lines = pd.read_csv(path, dtype={"StockCode": str, "InvoiceNo": str}, keep_default_na=False, na_values={"CustomerID": [""]})
    lines = lines[lines.CustomerID.notna()]
    # Prices have at most three decimals, so that sums are exact in thousandths.
    price = (lines.UnitPrice * 1000).round().astype("int64")
    assert np.allclose(price / 1000, lines.UnitPrice, rtol=1e-13, atol=0)
    return pd.DataFrame({
        "user": lines.CustomerID.astype("int64"),
        "item": lines.StockCode,
        "mills": lines.Quantity * price,
        "at": pd.to_datetime(lines.InvoiceDate).dt.tz_localize("UTC"),
        "occasion": lines.InvoiceNo,
    }), None


def read_films(folder):
    ratings = pd.read_csv(f"{folder}/ratings.csv")
    events = pd.DataFrame({
        "user": ratings.userId,
        "item": ratings.movieId,
        "mills": (ratings.rating * 1000).astype("int64"),
        "at": pd.to_datetime(ratings.timestamp, unit="s", utc=True),
    })
    movies = pd.read_csv(f"{folder}/movies.csv")
    genres = movies.assign(category=movies.genres.str.split("|")).explode("category")
    return events, genres[["movieId", "category"]].rename(columns={"movieId": "item"}).drop_duplicates()


def seconds(times):
    return (times - pd.Timestamp("1970-01-01", tz="UTC")).dt.total_seconds()


def bits(counts, users):
    """Entropy of the counts of each user, from probabilities."""
    p = counts / counts.groupby(users).transform("sum")
    return (-p * np.log2(p)).groupby(users).sum()


def score(values):
    """1 and the number of cuts below a value, which must be clear of rounding."""
    cuts = np.quantile(values, [0.2, 0.4, 0.6, 0.8])
    distance = np.abs(values.to_numpy()[:, None] - cuts[None, :])
    assert not ((distance > 0) & (distance < 1e-6)).any()
    return 1 + (values.to_numpy()[:, None] > cuts[None, :]).sum(axis=1)


def segment(recency, frequency, monetary):
    value = int(np.ceil((frequency + monetary) / 2))
    if recency > 3:
        if value > 3:
            return "champion"
        if value > 1:
            return "potential loyal"
        return "new" if recency == 5 else "promising"
    if recency == 3:
        return "loyal" if value > 3 else "needs attention" if value == 3 else "about to sleep"
    if value == 5:
        return "cannot lose"
    if value > 2:
        return "at risk"
    return "lost" if (recency, value) == (1, 1) else "hibernating"


def item_table(events):
    by_item = events.groupby("item")
    items = pd.DataFrame({
        "users": by_item.user.nunique(),
        "events": by_item.size(),
        "popularity": by_item.user.nunique() / events.user.nunique(),
        "value_mean": by_item.mills.mean() / 1000,
    })
    order = items.reset_index().sort_values(["events", "item"], ascending=[False, True])["item"]
    return items.assign(id=pd.Series(np.arange(len(order)), index=order))


def when(events, session_gap, zone):
    """Sessions, and by local clocks active days and the peak hour of the week."""
    local = events["at"].dt.tz_convert(zone)
    gaps = events.sort_values(["user", "at"]).groupby("user")["at"].diff()
    hours = pd.crosstab(events.user, local.dt.day_of_week * 24 + local.dt.hour)
    return pd.DataFrame({
        "sessions": 1 + (gaps > pd.Timedelta(session_gap)).groupby(events.user).sum(),
        "active_days": local.dt.date.groupby(events.user).nunique(),
        "peak_hour": hours.sort_index(axis=1).idxmax(axis=1),  # the first of equal ones
    })


def profile(events, items, as_of=None, occasion=False, session_gap="30 minutes", zone="UTC"):
    by_user = events.groupby("user")
    pairs = events.groupby(["user", "item"]).size()
    known = items.popularity.reindex(pairs.index.get_level_values("item")).to_numpy()
    above = events.mills / 1000 - events["item"].map(items.value_mean)
    users = pd.DataFrame({
        "events": by_user.size(),
        "items": by_user["item"].nunique(),
        "first_at": seconds(by_user["at"].min()),
        "last_at": seconds(by_user["at"].max()),
        "frequency": by_user.occasion.nunique() if occasion else by_user.size(),
        "monetary": by_user.mills.sum() / 1000,
        "value_mean": by_user.mills.mean() / 1000,
        "value_stddev": by_user.mills.std() / 1000,
        "harshness": -above.groupby(events.user).mean(),
        "entropy": bits(pairs, pairs.index.get_level_values("user")),
        "mainstream": pd.Series(known, pairs.index).groupby("user").mean(),
    }).join(when(events, session_gap, zone))
    if as_of:
        users["recency_days"] = (pd.Timestamp(as_of, tz="UTC").timestamp() - users.last_at) / 86400
        # 5 is the fifth that was seen last.
        users["recency_score"] = 6 - score(users.recency_days)
        users["frequency_score"] = score(users.frequency)
        users["monetary_score"] = score(users.monetary)
        users["segment"] = [segment(*scores) for scores in users[["recency_score", "frequency_score", "monetary_score"]].to_numpy()]
    return users


def decay(events, half_life):
    """Weights of events, by age at the user's last."""
    if half_life is None:
        return np.ones(len(events))
    age = events.groupby("user")["at"].transform("max") - events["at"]
    return 0.5 ** (age.dt.total_seconds() / 86400 / half_life)


def taste_vectors(events, half_life, taste):
    weight = decay(events, half_life)
    keys = [events.user, events["item"]]
    total = (weight * events.mills / 1000).groupby(keys).sum()
    count = pd.Series(weight, events.index).groupby(keys).sum()
    vectors = {"sum": total, "mean": total / count, "count": count, "log1p": np.log1p(total.clip(lower=0))}[taste]
    return vectors.rename("weight").rename_axis(["user", "key"]).reset_index()


def interest_vectors(events, categories, half_life, by_value):
    weight = decay(events, half_life) * (events.mills / 1000 if by_value else 1)
    labeled = events[["user", "item"]].assign(weight=weight).merge(categories, on="item")
    user, users = pd.factorize(labeled.user, sort=True)
    category, names = pd.factorize(labeled.category, sort=True)
    counts = csr_matrix((labeled.weight, (user, category)))
    transformer = TfidfTransformer(norm="l2", use_idf=True, smooth_idf=True, sublinear_tf=False)
    weights = transformer.fit_transform(counts).tocoo()
    vectors = pd.DataFrame({"user": users[weights.row], "key": names[weights.col], "weight": weights.data})
    vectors = vectors.sort_values(["user", "weight", "key"], ascending=[True, False, True])
    crowd = pd.DataFrame({"users": counts.getnnz(axis=0), "idf": transformer.idf_, "id": np.arange(len(names))}, index=names)
    return vectors, crowd, labeled.groupby(["user", "category"]).size()


class Output:
    def __init__(self):
        self.users, self.vectors, self.crowd, self.sums = [], [], [], []

    def sum_up(self, case, metric, values, ids):
        values, ids = np.asarray(values, dtype=float), np.asarray(ids, dtype=float)
        there = ~np.isnan(values)
        values, ids = values[there], ids[there]
        self.sums.append([case, metric, len(values), values.sum(), (values**2).sum(), (values * ids).sum()])

    def add_vectors(self, case, name, vectors, every):
        self.sum_up(case, name, vectors.weight[vectors.weight.abs() > 1e-9], vectors.user[vectors.weight.abs() > 1e-9])
        for row in vectors[(vectors.user % every == 0) & (vectors.weight.abs() > 1e-9)].itertuples():
            self.vectors.append([case, name, row.user, row.key, f"{row.weight:.9g}"])

    def add_users(self, case, users, every):
        for column in users.columns:
            if column == "segment":
                for name, group in users.groupby("segment"):
                    self.sum_up(case, f"segment {name}", np.ones(len(group)), group.index)
            elif column != "top_interests":
                self.sum_up(case, column, users[column], users.index)
        chosen = users[users.index % every == 0].reindex(columns=USER_COLUMNS)
        self.users += [[case, user, *row] for user, row in zip(chosen.index, chosen.itertuples(index=False))]

    def add_crowd(self, case, kind, crowd, every):
        columns = ["users", "events", "popularity", "value_mean", "idf"]
        for column in columns:
            if column in crowd:
                self.sum_up(case, f"{kind} {column}", crowd[column], crowd.id)
        for key, row in crowd[crowd.id % every == 0].sort_values("id").reindex(columns=["id", *columns]).iterrows():
            self.crowd.append([case, kind, key, *row])

    def write(self, folder):
        with_id = ["name", "user_id"]
        for name, columns, rows in (
            ("users", with_id + USER_COLUMNS, self.users),
            ("vectors", ["name", "vector", "user_id", "key", "weight"], self.vectors),
            ("crowd", ["name", "kind", "key", "id", "users", "events", "popularity", "value_mean", "idf"], self.crowd),
            ("sums", ["name", "metric", "n", "sum", "squares", "weighted"], self.sums),
        ):
            with open(os.path.join(folder, f"profile_{name}.csv"), "w", encoding="utf-8", newline="") as file:
                print(
                    f"# tools/reference_profile.py, pandas {pd.__version__}, NumPy {np.__version__},",
                    f"scikit-learn {sklearn.__version__}, Python {sys.version.split()[0]}",
                    file=file,
                )
                pd.DataFrame(rows, columns=columns).to_csv(file, index=False, float_format="%.15g" if name == "sums" else "%.12g", lineterminator="\n")


def add_case(output, name, events, items, categories, every, half_life=None, taste="sum", by_value=False, **options):
    data = name.split("_")[0]
    users = profile(events, items, **options)
    output.add_vectors(name, "taste", taste_vectors(events, half_life, taste), TASTE_USERS[data])
    if categories is not None:
        interests, crowd, counts = interest_vectors(events, categories, half_life, by_value)
        users["entropy"] = bits(counts, counts.index.get_level_values("user"))
        users["top_interests"] = interests.groupby("user").key.apply(lambda names: ", ".join(names.head(3)))
        output.add_vectors(name, "interest", interests, INTEREST_USERS)
        interests["rank"] = interests.groupby("user").cumcount() + 1
        for (rank, category), group in interests[interests["rank"] <= 3].groupby(["rank", "key"]):
            output.sum_up(name, f"interest {rank} {category}", np.ones(len(group)), group.user)
        if name == "films":
            output.add_crowd(name, "category", crowd, 1)
    output.add_users(name, users, every)


def main():
    films, retail, folder = sys.argv[1:]
    output = Output()
    for data, (events, categories) in {"retail": read_retail(retail), "films": read_films(films)}.items():
        items = item_table(events)
        output.add_crowd(data, "item", items, 50)
        for name, (of, every, options) in CASES.items():
            if of == data:
                add_case(output, name, events, items, categories, every, **options)
    output.write(folder)


if __name__ == "__main__":
    main()
