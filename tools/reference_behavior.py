#!/usr/bin/env python3
"""Reference fits of behavior models by statsmodels and scikit-learn.

    tools/reference_behavior.py bank-additional-full.csv.gz hillstrom.csv.gz iris.csv test/reference/travel_mode.csv \
        > test/reference/behavior_python.csv

Derived numbers only.  Models with the name of one of tools/reference_behavior.R are
the same, fitted by somebody else; iris and those on a penalty of scikit-learn's are
its own.
"""

import sys

import numpy as np
import pandas as pd
import scipy.sparse
import sklearn
import statsmodels
import statsmodels.api as sm
from sklearn.linear_model import LogisticRegression
from statsmodels.discrete.conditional_models import ConditionalLogit

HEADER = f"""\
# tools/reference_behavior.py, statsmodels {statsmodels.__version__}, scikit-learn {sklearn.__version__}, NumPy {np.__version__}
# bank, hillstrom, generated: Logit by Newton's method; channel: MNLogit; travel_mode: ConditionalLogit: as in behavior_r.csv
# robust_error: HC0; clustered_error_adjusted: by g with the factor G / (G - 1) * (n - 1) / (n - k)
# generated_alpha_A_lambda_L: LogisticRegression, saga, C = 1 / (n lambda), l1_ratio = A, on standardized columns, estimates scaled back
# generated_ridge: LogisticRegression, C = 1, of the columns as they are: sum of losses + sum of b^2 / 2, intercept free
# generated_vectors: the same of interests, a sparse matrix of the rows' ids and weights, beside x, an array of x1 to x5
# iris: the same with three classes, one vector for each, all of them penalized; log_likelihood without the penalty
# iris_alpha_A_lambda_L, classes_alpha_A_lambda_L: as in behavior_r.csv by saga, intercepts brought to the mean 0
model,class,term,level,metric,value"""


def say(model, metric, value, label="", term="", level=""):
    print(model, label, term, level, metric, repr(float(value)), sep=",")


def say_terms(model, metric, names, values, label=""):
    for name, value in zip(names, values):
        term, _, level = name.partition("=")
        say(model, metric, value, label, term, level)


def design(data, columns):
    """Columns with an intercept; text as indicators of all levels but the first."""
    parts = {"intercept": np.ones(len(data))}
    for column in columns:
        if data[column].dtype.kind in "if":
            parts[column] = data[column].to_numpy(float)
        else:
            for level in sorted(set(data[column]))[1:]:
                parts[f"{column}={level}"] = (data[column] == level).to_numpy(float)
    return pd.DataFrame(parts)


def logit(model, y, x, groups=None):
    # Newton's steps on columns of one scale, so that nothing is lost to their size.
    scale = x.std(ddof=0).where(lambda s: s > 0, 1.0)

    def fitted(**errors):
        return sm.Logit(y, x / scale).fit(method="newton", maxiter=100, tol=1e-10, disp=0, **errors)

    fit = fitted()
    say_terms(model, "estimate", x.columns, fit.params / scale)
    say_terms(model, "std_error", x.columns, fit.bse / scale)
    say_terms(model, "robust_error", x.columns, fitted(cov_type="HC0").bse / scale)
    if groups is not None:
        clustered = fitted(cov_type="cluster", cov_kwds={"groups": groups})
        say_terms(model, "clustered_error_adjusted", x.columns, clustered.bse / scale)
    say(model, "log_likelihood", fit.llf)
    say(model, "null_log_likelihood", fit.llnull)
    say(model, "aic", fit.aic)
    say(model, "bic", fit.bic)
    say(model, "n", fit.nobs)


def generated_behavior(n):
    i = np.arange(1, n + 1)

    def u(a, b):
        return ((i * i) % 1000003 * a + i * b) % 1000003 / 1000003

    x = pd.DataFrame({
        "x1": u(349, 7919) - 0.5, "x2": 10 * u(5081, 104729), "x3": u(92821, 1299) ** 2,
        "x4": (u(611953, 31) < 0.3).astype(float), "x5": 100 * u(777, 65537) - 50})
    z = -0.5 + x.x1 - 0.2 * x.x2 + 0.5 * x.x3 + x.x4 + 0.03 * x.x5
    e = np.exp(np.stack([0 * z, x.x1 + 0.02 * x.x5, 0.5 - 0.2 * x.x2 + x.x4, x.x3 - x.x1 - 0.5]))
    k = (u(271829, 31415) > np.cumsum(e, 0)[:3] / e.sum(0)).sum(0)
    return x, (u(424243, 485818) < 1 / (1 + np.exp(-z))).astype(int), i % 53, k


def lasso_classes(model, x, y, penalties):
    """Several classes with l1 penalties, of which those of one vector are l1_ratio = 1."""
    standard = (x - x.mean()) / x.std(ddof=0)
    for alpha in (1, 0.5):
        for penalty in penalties:
            fit = LogisticRegression(solver="saga", C=1 / (len(x) * penalty), l1_ratio=alpha, tol=1e-10, max_iter=100000, random_state=0)
            fit.fit(standard, y)
            estimates = fit.coef_ / x.std(ddof=0).to_numpy()
            intercepts = fit.intercept_ - estimates @ x.mean()
            for label, intercept, vector in zip(fit.classes_, intercepts - intercepts.mean(), estimates):
                say_terms(f"{model}_alpha_{alpha:g}_lambda_{penalty:g}", "estimate", ["intercept", *x.columns], [intercept, *vector], str(label))


def generated_interests(n):
    """The ids of each row's interests and their matrix, of whose equal entries the weights add up."""
    i, j = np.meshgrid(np.arange(1, n + 1), np.arange(1, 9), indexing="ij")
    columns = (i * i + 37 * i * j + j * j * j) % 60
    matrix = scipy.sparse.coo_matrix(((1 + j % 3).ravel(), ((i - 1).ravel(), columns.ravel())), shape=(n, 60)).tocsr()
    occur = np.flatnonzero(matrix.getnnz(axis=0))
    return 100000007 * occur, matrix[:, occur]


def main():
    bank, hillstrom, iris, travel = sys.argv[1:]
    print(HEADER)

    bank = pd.read_csv(bank, sep=";")
    bank.columns = [name.replace(".", "_") for name in bank.columns]
    logit("bank", bank.y == "yes", design(bank, bank.columns.drop(["y", "default", "housing", "loan", "duration"])))

    hillstrom = pd.read_csv(hillstrom)
    logit("hillstrom", hillstrom.visit, design(hillstrom, ["recency", "history", "mens", "womens", "zip_code", "newbie", "channel", "segment"]))

    x, y, groups, classes = generated_behavior(4000)
    logit("generated", y, design(x, x.columns), groups)
    standard = (x - x.mean()) / x.std(ddof=0)
    for alpha in (1, 0.5):
        for penalty in (0.1, 0.03, 0.01, 0.001):
            fit = LogisticRegression(solver="saga", C=1 / (len(x) * penalty), l1_ratio=alpha, tol=1e-11, max_iter=100000, random_state=0)
            fit.fit(standard, y)
            estimates = fit.coef_[0] / x.std(ddof=0)
            name = f"generated_alpha_{alpha:g}_lambda_{penalty:g}"
            say_terms(name, "estimate", ["intercept", *x.columns], [fit.intercept_[0] - estimates @ x.mean(), *estimates])
    fit = LogisticRegression(C=1, tol=1e-12, max_iter=100000, solver="newton-cholesky").fit(x, y)
    say_terms("generated_ridge", "estimate", ["intercept", *x.columns], [fit.intercept_[0], *fit.coef_[0]])
    ids, interests = generated_interests(len(x))
    both = scipy.sparse.hstack([x.to_numpy(), interests]).tocsr()
    fit = LogisticRegression(C=1, tol=1e-12, max_iter=100000, solver="newton-cholesky").fit(both, y)
    names = ["intercept", *(f"x={k}" for k in range(1, 6)), *(f"interests={id}" for id in ids)]
    say_terms("generated_vectors", "estimate", names, [fit.intercept_[0], *fit.coef_[0]])

    lasso_classes("classes", x, classes, (0.1, 0.03, 0.01, 0.001))

    # The first class is the reference: Multichannel.
    x = design(hillstrom, ["recency", "history", "mens", "womens", "newbie", "zip_code"])
    scale = x.std(ddof=0).where(lambda s: s > 0, 1.0)
    fit = sm.MNLogit(hillstrom.channel, x / scale).fit(method="newton", maxiter=100, tol=1e-10, disp=0)
    for i, label in enumerate(sorted(set(hillstrom.channel))[1:]):
        say_terms("channel", "estimate", x.columns, fit.params.iloc[:, i] / scale, label)
        say_terms("channel", "std_error", x.columns, fit.bse.iloc[:, i] / scale, label)
    say("channel", "log_likelihood", fit.llf)
    say("channel", "null_log_likelihood", fit.llnull)

    iris = pd.read_csv(iris)
    x, y = iris.drop(columns="target"), iris.target
    fit = LogisticRegression(C=1, tol=1e-13, max_iter=100000, solver="newton-cholesky").fit(x, y)
    for label, intercept, coefficients in zip(fit.classes_, fit.intercept_, fit.coef_):
        say_terms("iris", "estimate", ["intercept", *x.columns], [intercept, *coefficients], str(label))
    lasso_classes("iris", x, y, (0.1, 0.03, 0.01))
    say("iris", "log_likelihood", fit.predict_log_proba(x)[np.arange(len(y)), y].sum())

    travel = pd.read_csv(travel, comment="#")
    for mode in ("air", "train", "bus"):
        travel[mode] = (travel["mode"] == mode).astype(float)
    travel["income_air"] = travel.income * travel.air
    x = travel[["air", "train", "bus", "cost", "wait", "income_air"]]
    fit = ConditionalLogit(travel.chosen, x, groups=travel.individual).fit(method="newton", maxiter=100, tol=1e-10, disp=0)
    say_terms("travel_mode", "estimate", x.columns, fit.params)
    say_terms("travel_mode", "std_error", x.columns, fit.bse)
    say("travel_mode", "log_likelihood", fit.model.loglike(fit.params.to_numpy()))


if __name__ == "__main__":
    main()
