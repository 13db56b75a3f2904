#!/usr/bin/env python3
"""Daily rates of impressions by way of pandas: COPY out, read_csv, merge_asof of
clicks to the last impression before, counts by day, version, rank and source.

Prints the seconds of all and of COPY and parsing.  Needs pandas and psycopg2; PG*
variables name the server, bench/monitoring.sh makes the tables.
"""
import io
import time

import pandas as pd
import psycopg2

start = time.perf_counter()
cursor = psycopg2.connect("").cursor()


def read(query):
    csv = io.BytesIO()
    cursor.copy_expert(f"COPY ({query}) TO STDOUT WITH (FORMAT csv, HEADER)", csv)
    csv.seek(0)
    return pd.read_csv(csv)


shown = read("SELECT extract(epoch FROM at) AS at, request, user_id, item_id, rank, source, version FROM films.impression ORDER BY at")
clicks = read("SELECT extract(epoch FROM at) AS at, user_id, item_id FROM click ORDER BY at")
parsed = time.perf_counter()

shown["day"] = shown["at"] // 86400
joined = pd.merge_asof(clicks, shown.assign(shown_at=shown["at"]), on="at", by=["user_id", "item_id"], tolerance=2.0 * 86400).dropna(subset=["shown_at"])
place = ["day", "version", "rank", "source"]
answered = joined.drop_duplicates(["request", "item_id"]).groupby(place).size().rename("outcomes")
daily = shown.groupby(place).size().rename("impressions").to_frame().join(answered).fillna({"outcomes": 0})
daily["rate"] = daily["outcomes"] / daily["impressions"]
print(round(time.perf_counter() - start, 3), round(parsed - start, 3))
