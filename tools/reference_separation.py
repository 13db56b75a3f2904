#!/usr/bin/env python3
"""Small random data sets, and which coefficients of a logit of them have no maximum.

    tools/reference_separation.py > test/reference/separation.csv

By linear programs (Konis 2007): the directions along which no outcome becomes less
likely are a cone, and a coefficient is infinite when it is not 0 there. A line is a
data set: the family, how many features, a digit for each coefficient (0: finite, 1:
infinite, 2: of either sign in the cone, so that nothing is said), and rows of y, choice
set and features.
"""

import numpy as np
import scipy
from scipy.optimize import linprog

rng = np.random.default_rng(1)


def draw_features(n, p):
    """Of coins, rare coins, small integers and normal numbers."""
    kinds = [lambda: rng.integers(0, 2, n), lambda: rng.random(n) < 0.15, lambda: rng.integers(-3, 4, n), lambda: np.round(rng.normal(size=n), 3)]
    return np.array([kinds[rng.integers(4)]() for _ in range(p)], float).T


def draw(family):
    """y, choice sets and features, and rows whose products with the coefficients must not be negative."""
    p, n = rng.integers(1, 5), 3 * rng.integers(2, 9)
    x = draw_features(n, p)
    utility = x @ rng.normal(size=(p, 2)) * rng.choice([0.3, 2, 6]) + rng.gumbel(size=(n, 2))
    full = np.c_[np.ones(n), x]
    sets = np.zeros(n, int)
    if family == "logistic":
        y = (utility[:, 0] > rng.gumbel(size=n)).astype(int)
        cone = full * (2 * y - 1)[:, None]
    elif family == "multinomial":
        y = np.c_[rng.gumbel(size=n), utility].argmax(1)
        cone = []
        for row, label in zip(full, y):
            for other in set(range(3)) - {label}:
                difference = np.zeros((3, p + 1))
                difference[label] += row
                difference[other] -= row
                cone.append(difference[1:].ravel())
    else:
        sets = np.arange(n) // 3
        chosen = utility[:, 0].reshape(-1, 3).argmax(1) + 3 * np.arange(n // 3)
        y = np.isin(np.arange(n), chosen).astype(int)
        cone = x[chosen[sets]] - x
    cone = np.array(cone)
    complete = len(set(y)) == (3 if family == "multinomial" else 2)
    if not complete or np.linalg.matrix_rank(cone) < cone.shape[1]:
        return draw(family)
    return y, sets, x, cone


def infinite(cone):
    """A digit for each coefficient."""
    q = cone.shape[1]

    def greatest(j, sign):
        goal = np.zeros(q)
        goal[j] = -sign
        return -linprog(goal, A_ub=-cone, b_ub=np.zeros(len(cone)), bounds=[(-1, 1)] * q, method="highs").fun > 1e-7

    return "".join(str(greatest(j, 1) + greatest(j, -1)) for j in range(q))


def main():
    print(f"# tools/reference_separation.py, NumPy {np.__version__}, SciPy {scipy.__version__}")
    print("family;features;infinite;rows")
    for family, count in (("logistic", 200), ("multinomial", 100), ("conditional", 100)):
        for _ in range(count):
            y, sets, x, cone = draw(family)
            rows = ",".join("{" + ",".join(f"{v:g}" for v in (label, number, *row)) + "}" for label, number, row in zip(y, sets, x))
            print(family, x.shape[1], infinite(cone), "{" + rows + "}", sep=";")


if __name__ == "__main__":
    main()
