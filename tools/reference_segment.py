#!/usr/bin/env python3
"""Reference inertias of k-means: scikit-learn's best of ten starts.

    tools/reference_segment.py path/to/ml-latest-small path/to/onlineretail.csv.gz > test/reference/segment_inertia.csv

Features of the users of MovieLens latest-small and of the customers of Online
Retail, standardized; test/t/segment.pl computes the same features in SQL and
compares socrec.kmeans.  Derived numbers only.
"""

import sys

import numpy as np
import pandas as pd
import sklearn
from sklearn.cluster import KMeans
from sklearn.preprocessing import StandardScaler


def movielens(folder):
    ratings = pd.read_csv(f"{folder}/ratings.csv")
    movies = pd.read_csv(f"{folder}/movies.csv")
    by_user = ratings.groupby("userId")
    features = pd.DataFrame({
        "ln_n": np.log1p(by_user.size()),
        "mean": by_user.rating.mean(),
        "stddev": by_user.rating.std(ddof=0),
        "span": np.log1p((by_user.timestamp.max() - by_user.timestamp.min()) / 86400),
    })
    genre = ratings[["userId", "movieId"]].merge(movies[["movieId", "genres"]], on="movieId")
    for name in ("Action", "Comedy", "Drama", "Horror", "Romance", "Sci-Fi"):
        has = genre.genres.str.split("|").map(lambda names: name in names)
        features[name] = has.groupby(genre.userId).mean()
    return features


def online_retail(path):
    lines = pd.read_csv(path, dtype={"CustomerID": str, "StockCode": str, "InvoiceNo": str})
    lines = lines[lines.CustomerID.notna() & (lines.Quantity > 0) & (lines.UnitPrice > 0)]
    lines = lines.assign(at=pd.to_datetime(lines.InvoiceDate), amount=lines.Quantity * lines.UnitPrice)
    by_customer = lines.groupby("CustomerID")
    return pd.DataFrame({
        "recency": np.log1p((pd.Timestamp("2011-12-10") - by_customer["at"].max()).dt.total_seconds() / 86400),
        "frequency": np.log1p(by_customer.InvoiceNo.nunique()),
        "monetary": np.log1p(by_customer.amount.sum()),
    })


def main():
    print(f"# tools/reference_segment.py, scikit-learn {sklearn.__version__}, pandas {pd.__version__}, NumPy {np.__version__}:")
    print("# KMeans(n_init=10, random_state=0) on standardized features")
    print("data,n,k,inertia")
    for name, features in (("movielens", movielens(sys.argv[1])), ("online_retail", online_retail(sys.argv[2]))):
        x = StandardScaler().fit_transform(features)
        for k in (2, 3, 4, 5, 6, 8, 10, 15):
            print(f"{name},{len(x)},{k},{KMeans(k, n_init=10, random_state=0).fit(x).inertia_!r}")


if __name__ == "__main__":
    main()
