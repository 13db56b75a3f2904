#!/usr/bin/env python3
"""A logistic regression and its probabilities by way of scikit-learn: COPY out,
read_csv, LogisticRegression, predict_proba.

    bench/behavior_peer.py TABLE FOLDER

Appends the seconds and processor's seconds of each step to FOLDER/NAME.seconds and
.cpu, as bench/lib.sh does, with the most memory it had and the logarithmic loss.
Needs pandas, scikit-learn and psql; PG* variables name the server.
"""
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

table, folder = sys.argv[1:]


def append(name, value):
    with open(f"{folder}/{name}", "a") as file:
        print(value, file=file)


class Step:
    def __init__(self, name):
        self.name = name

    def __enter__(self):
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def __exit__(self, *error):
        append(f"{self.name}.seconds", time.perf_counter() - self.wall)
        append(f"{self.name}.cpu", time.process_time() - self.cpu)


with Step("python"):
    with tempfile.NamedTemporaryFile() as csv:
        with Step("copy_out"):
            subprocess.run(["psql", "-XqAt", "-c", f"COPY {table} TO STDOUT WITH (FORMAT csv, HEADER)"], stdout=csv, check=True)
        with Step("read"):
            rows = pd.read_csv(csv.name, true_values=["t"], false_values=["f"])
    x, y = rows[[f"f{i}" for i in range(1, 21)]], rows.y
    with Step("python_fit"):
        model = LogisticRegression(C=np.inf, solver="lbfgs", max_iter=1000).fit(x, y)
    with Step("predict"):
        p = model.predict_proba(x)[:, 1]
append("python.memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
append("python.loss", log_loss(y, p))
