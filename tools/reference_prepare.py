#!/usr/bin/env python3
"""Reference counts of preparing Online Retail.

    tools/reference_prepare.py path/to/onlineretail.csv.gz > test/reference/online_retail_report.csv

What becomes of the lines of the file under three sets of options, counted with
pandas; test/t/online_retail.pl compares socrec.prepare_report with it.
"""

import sys

import numpy as np
import pandas as pd

CASES = {
    "sum": {},
    "core": {"combine": "log1p", "fold": True, "min_user": 5, "min_item": 10},
    "half_year": {"fold": True, "min_user": 2, "min_item": 2, "since": "2011-03-01", "until": "2011-09-01"},
}


def drop(lines, keep, counts, reason):
    counts[reason] = counts.get(reason, 0) + int((~keep).sum())
    return lines[keep]


def cut_to_core(pairs, min_user, min_item, counts):
    while True:
        before = len(pairs)
        for key, minimum, reason in [("CustomerID", min_user, "user below minimum"), ("item", min_item, "item below minimum")]:
            few = pairs.groupby(key)["item"].transform("size") < minimum
            counts[reason] = counts.get(reason, 0) + int(pairs.n[few].sum())
            pairs = pairs[~few]
        if len(pairs) == before:
            return pairs


def report(lines, combine="sum", fold=False, min_user=0, min_item=0, since=None, until=None):
    counts = {"read": len(lines)}
    item = lines.StockCode.str.strip()
    lines = lines.assign(item=item.str.upper() if fold else item, at=pd.to_datetime(lines.InvoiceDate))
    lines = drop(lines, lines.CustomerID.notna(), counts, "null user")
    lines = drop(lines, lines["item"] != "", counts, "null item")
    if since:
        lines = drop(lines, (lines["at"] >= since) & (lines["at"] < until), counts, "outside window")
    counts["key cleaned"] = int((lines["item"] != lines.StockCode).sum())
    lines = drop(lines, ~lines.duplicated(["CustomerID", "item", "Quantity", "at"]), counts, "duplicate event")
    pairs = (
        lines.assign(returned=lines.Quantity < 0)
        .groupby(["CustomerID", "item"])
        .agg(s=("Quantity", "sum"), n=("Quantity", "size"), returned=("returned", "any"))
        .reset_index()
    )
    cancelled = pairs.returned & (pairs.s <= 0)
    counts["cancelled out"] = int(pairs.n[cancelled].sum())
    pairs = cut_to_core(pairs[~cancelled], min_user, min_item, counts)
    counts["same user and item"] = int(pairs.n.sum() - len(pairs))
    counts["rating"] = len(pairs)
    counts["sum of ratings"] = float((np.log1p(pairs.s) if combine == "log1p" else pairs.s).sum())
    return counts


def main():
    lines = pd.read_csv(
        sys.argv[1], dtype={"StockCode": str, "InvoiceNo": str}, keep_default_na=False, na_values={"CustomerID": [""]}
    )
    print(f"# tools/reference_prepare.py, pandas {pd.__version__}, NumPy {np.__version__}, Python {sys.version.split()[0]}")
    print("name,reason,value")
    for name, options in CASES.items():
        for reason, value in report(lines, **options).items():
            if value:
                print(f"{name},{reason},{value!r}")


if __name__ == "__main__":
    main()
