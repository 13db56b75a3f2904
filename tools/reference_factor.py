#!/usr/bin/env python3
"""Reference losses of implicit alternating least squares.

    tools/reference_factor.py path/to/ml-latest-small test/reference

Alternating least squares over the dense matrix, every row solved exactly with NumPy
in double precision, from several random starts; written to be compared with and for
nothing else.  It writes a small CSV file; test/t/factor.pl compares.
"""

import datetime
import os
import sys

import numpy as np
import pandas as pd

RANK, ITERATIONS, UNOBSERVED, REGULARIZATION, STARTS = 16, 15, 0.3, 0.005, 6


def solve(observed, others, exponent):
    """Rows of factors given those of the other side."""
    gram = UNOBSERVED * others.T @ others
    rows = np.empty((observed.shape[0], RANK))
    for i, has in enumerate(observed):
        x = others[has]
        ridge = REGULARIZATION * (has.sum() + UNOBSERVED * len(others)) ** exponent
        rows[i] = np.linalg.solve(gram + x.T @ x + ridge * np.eye(RANK), x.sum(axis=0))
    return rows


def loss(observed, w, h, exponent):
    score = w @ h.T
    total = ((1 - score[observed]) ** 2).sum() + UNOBSERVED * (score ** 2).sum()
    for side, other, has in ((w, h, observed.sum(axis=1)), (h, w, observed.sum(axis=0))):
        total += REGULARIZATION * ((has + UNOBSERVED * len(other)) ** exponent * (side ** 2).sum(axis=1)).sum()
    return total


def main():
    data, out = sys.argv[1:]
    frame = pd.read_csv(os.path.join(data, "ratings.csv"))
    users, u = np.unique(frame.userId, return_inverse=True)
    items, i = np.unique(frame.movieId, return_inverse=True)
    observed = np.zeros((len(users), len(items)), dtype=bool)
    observed[u, i] = True
    with open(os.path.join(out, "movielens_factor_losses.csv"), "w", encoding="ascii") as file:
        file.write(f"# made by tools/reference_factor.py on {datetime.date.today()} with NumPy {np.__version__} from MovieLens latest-small:\n"
                   f"# the loss after {ITERATIONS} iterations with {RANK} factors, unobserved weight {UNOBSERVED}, regularization {REGULARIZATION}\n"
                   "regularization_exponent,start,loss\n")
        for exponent in (1.0, 0.5):
            for start in range(STARTS):
                h = np.random.default_rng(start).normal(0, 0.1 / np.sqrt(RANK), (len(items), RANK))
                for _ in range(ITERATIONS):
                    w = solve(observed, h, exponent)
                    h = solve(observed.T, w, exponent)
                file.write(f"{exponent},{start},{loss(observed, solve(observed, h, exponent), h, exponent):.3f}\n")


main()
