#!/usr/bin/env python3
"""From events to ratings by way of pandas: COPY out, read_csv, the cleaning of
create_ratings, COPY back, the same indexes.

    bench/prepare_peer.py TABLE USER ITEM VALUE TIME [KIND]

against the server that PG* variables name.  Prints one line of Markdown: the
seconds of each step, the peak memory of the process, the number of ratings and
their sum.  Needs pandas and psycopg2.
"""
import io
import resource
import sys
import time

import numpy as np
import pandas as pd
import psycopg2

WEIGHTS = {"view": 0.2, "like": 1, "share": 3, "purchase": 5, "unlike": -1}
table, user, item, value, at = sys.argv[1:6]
kind = sys.argv[6] if len(sys.argv) > 6 else None
columns = [c for c in (user, item, value, at, kind) if c]
clock = [time.perf_counter()]

connection = psycopg2.connect("")
cursor = connection.cursor()
csv = io.BytesIO()
cursor.copy_expert(f"COPY (SELECT {', '.join(columns)} FROM {table}) TO STDOUT WITH (FORMAT csv, HEADER)", csv)
clock.append(time.perf_counter())

csv.seek(0)
events = pd.read_csv(csv, dtype=str, keep_default_na=False, na_values=[""])
del csv
clock.append(time.perf_counter())

for key in (user, item):
    events[key] = events[key].str.strip(" \t\n\r").replace("", np.nan)
events["n"] = pd.to_numeric(events[value], errors="coerce")
events["t"] = pd.to_datetime(events[at], errors="coerce", utc=True)
events["w"] = events["n"] * (events[kind].map(WEIGHTS) if kind else 1)
events = events[events[user].notna() & events[item].notna() & np.isfinite(events["w"]) & events["t"].notna()]
events = events.drop_duplicates([user, item, "n", "t"] + ([kind] if kind else []))
events["size"] = events["w"].abs()
ratings = events.groupby([user, item], sort=False).agg(rating=("w", "sum"), events=("w", "size"), last_at=("t", "max"), least=("w", "min"),
                                                           size=("size", "sum"))
ratings = ratings[(ratings["least"] >= 0) | (ratings["rating"] > 1e-12 * ratings["size"])].drop(columns=["least", "size"]).reset_index()
clock.append(time.perf_counter())

csv = io.StringIO()
ratings.to_csv(csv, header=False, index=False)
csv.seek(0)
cursor.execute(f"DROP TABLE IF EXISTS bench_rating; CREATE TABLE bench_rating "
               f"({user} text, {item} text, rating float8, events bigint, last_at timestamptz)")
cursor.copy_expert("COPY bench_rating FROM STDIN WITH (FORMAT csv)", csv)
cursor.execute(f"CREATE UNIQUE INDEX ON bench_rating ({user}, {item}); CREATE INDEX ON bench_rating ({item}); ANALYZE bench_rating")
connection.commit()
clock.append(time.perf_counter())

steps = " | ".join(f"{b - a:.1f}" for a, b in zip(clock, clock[1:]))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(f"| {table} | {steps} | {clock[-1] - clock[0]:.1f} | {peak} | {len(ratings)} | {ratings['rating'].sum():.6g} |")
