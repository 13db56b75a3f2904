#!/usr/bin/env python3
"""Reference statistics of MovieLens latest-small and Online Retail.

    tools/reference_describe.py path/to/ml-latest-small path/to/onlineretail.csv.gz > test/reference/statistics.csv

What socrec.describe_ratings must say of the two, computed with pandas, NumPy and
SciPy by other ways: quantiles by sorting, overlap by a matrix product, the power
law by root finding on SciPy's zeta function and sums. test/t/describe.pl compares.
"""

import sys

import numpy as np
import pandas as pd
import scipy
from scipy.optimize import brentq
from scipy.sparse import coo_matrix
from scipy.special import zeta

QUANTILES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]
FIRST_TERMS = 20000


def distribution(section, values):
    values = np.asarray(values, dtype=float)
    yield section, "mean", values.mean()
    yield section, "standard deviation", values.std(ddof=1)
    yield section, "minimum", values.min()
    yield section, "maximum", values.max()
    for q, value in zip(QUANTILES, np.quantile(values, QUANTILES)):
        yield section, "median" if q == 0.5 else f"quantile {q}", value


def log_moments(s, minimum):
    """Mean and variance of log x under p(x) = x^-s / zeta(s, minimum)."""
    k = np.arange(minimum, minimum + FIRST_TERMS, dtype=float)
    m = minimum + FIRST_TERMS  # from here on: the integral, half a term, and the slope
    sums = []
    for power in (0, 1, 2):
        log = np.log(m)
        integral = m ** (1 - s) * {
            0: 1 / (s - 1),
            1: log / (s - 1) + 1 / (s - 1) ** 2,
            2: log**2 / (s - 1) + 2 * log / (s - 1) ** 2 + 2 / (s - 1) ** 3,
        }[power]
        slope = m ** (-s - 1) * (power * log ** max(power - 1, 0) - s * log**power)
        sums.append(np.sum(np.log(k) ** power * k**-s) + integral + log**power * m**-s / 2 - slope / 12)
    assert abs(sums[0] / zeta(s, minimum) - 1) < 1e-11
    mean = sums[1] / sums[0]
    return mean, sums[2] / sums[0] - mean**2


def power_law(counts):
    best = None
    for minimum in np.unique(counts):
        tail = np.sort(counts[counts >= minimum])
        if len(tail) < 50 or tail[0] == tail[-1]:
            break
        observed = np.log(tail).mean()
        s = brentq(lambda s: log_moments(s, minimum)[0] - observed, 1.01, 60, xtol=1e-14)
        error = 1 / np.sqrt(len(tail) * log_moments(s, minimum)[1])
        x = np.arange(minimum, tail[-1] + 1)
        empirical = np.searchsorted(tail, x, side="right") / len(tail)
        distance = np.abs(empirical - (1 - zeta(s, x + 1) / zeta(s, minimum))).max()
        if best is None or distance < best[0]:
            best = distance, s, error, minimum, len(tail)
    for metric, value in zip(["distance", "exponent", "standard error", "minimum", "items"], best):
        yield "popularity", f"power-law {metric}", value


def popularity(counts):
    counts = np.sort(counts)[::-1]
    n, total = len(counts), counts.sum()
    for percent in (1, 5, 20):
        yield "popularity", f"share of top {percent} % of items", counts[: -(-n * percent // 100)].sum() / total
    lorenz = np.concatenate([[0], counts[::-1].cumsum() / total])
    yield "popularity", "Gini coefficient", 1 - np.trapezoid(lorenz, dx=2 / n)
    head = 1 + int(np.argmax(counts.cumsum() >= 0.8 * total))
    yield "popularity", "long-tail index", (n - head) / n
    yield from power_law(counts)


def overlap(ratings):
    pairs = ratings[["user", "item"]].drop_duplicates()
    user, item = pairs.user.factorize()[0], pairs["item"].factorize()[0]
    matrix = coo_matrix((np.ones(len(pairs), dtype=np.int32), (user, item))).tocsr()
    support = (matrix.T @ matrix).tocoo()
    support = support.data[support.row < support.col]
    n = matrix.shape[1]
    yield "overlap", "item pairs", n * (n - 1) // 2
    for t in (1, 5, 20):
        yield "overlap", f"share of item pairs with support >= {t}", (support >= t).sum() / (n * (n - 1) / 2)


def suspicious(ratings):
    by_user = ratings.groupby("user")
    spread = by_user.rating.agg(["size", "nunique"])
    constant = (spread["size"] >= 10) & (spread["nunique"] == 1)
    yield "suspicious users", "constant: 10 or more ratings, variance zero", constant.sum()
    bursts = 0
    for _, times in by_user["second"]:
        times = np.sort(times.to_numpy())
        bursts += (np.arange(len(times)) - np.searchsorted(times, times - 60) + 1).max() > 100
    yield "suspicious users", "burst: more than 100 ratings within 60 s", bursts


def describe(ratings):
    users, items = ratings.user.nunique(), ratings["item"].nunique()
    pairs = ratings.groupby(["user", "item"]).size()
    yield "table", "ratings", len(ratings)
    yield "table", "users", users
    yield "table", "items", items
    yield "table", "pairs", len(pairs)
    yield "table", "density", len(pairs) / users / items
    yield "quality", "duplicate ratings", len(ratings) - len(pairs)
    yield "quality", "repeated pairs", (pairs > 1).sum()
    yield from distribution("rating", ratings.rating)
    yield "rating", "quantiles are exact", int(ratings.rating.nunique() <= 65536)
    for key in ("user", "item"):
        groups = ratings.groupby(key).rating.agg(["size", "mean"])
        yield from distribution(f"ratings per {key}", groups["size"])
        yield from distribution(f"mean rating per {key}", groups["mean"])
        yield "cold start", f"{key}s with fewer than 5 ratings", (groups["size"] < 5).sum()
        yield "cold start", f"{key}s with one rating", (groups["size"] == 1).sum()
    times = pd.to_datetime(ratings.second, unit="s")
    for month, count in times.dt.to_period("M").value_counts().sort_index().items():
        yield "ratings over time", f"{month}-01", count
    yield "time", "first, seconds since 1970", ratings.second.min()
    yield "time", "days from first to last", (ratings.second.max() - ratings.second.min()) / 86400
    yield from popularity(ratings.groupby("item").size().to_numpy())
    yield from overlap(ratings)
    yield from suspicious(ratings)


def main():
    films = pd.read_csv(f"{sys.argv[1]}/ratings.csv").set_axis(["user", "item", "rating", "second"], axis=1)
    lines = pd.read_csv(
        sys.argv[2], dtype={"StockCode": str, "InvoiceNo": str}, keep_default_na=False, na_values={"CustomerID": [""]}
    )
    second = pd.to_datetime(lines.InvoiceDate).astype("datetime64[s]").astype("int64")
    retail = pd.DataFrame({"user": lines.CustomerID, "item": lines.StockCode, "second": second})
    # A rating that differs on every line, so that there are too many to count.
    drift = lines.Quantity * (1 + np.arange(1, len(lines) + 1) / 1e7)
    cases = {
        "films": films,
        "retail": retail.assign(rating=lines.Quantity)[lines.CustomerID.notna()],
        "drift": retail.assign(rating=drift)[lines.CustomerID.notna()],
    }
    print(
        f"# tools/reference_describe.py, pandas {pd.__version__}, NumPy {np.__version__}, "
        f"SciPy {scipy.__version__}, Python {sys.version.split()[0]}"
    )
    print("name,section,metric,value")
    for name, ratings in cases.items():
        for section, metric, value in describe(ratings):
            if name != "drift" or section == "rating":
                metric = f'"{metric}"' if "," in metric else metric
                print(f"{name},{section},{metric},{float(value)!r}")


if __name__ == "__main__":
    main()
