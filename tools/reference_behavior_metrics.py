#!/usr/bin/env python3
"""Reference values of every column of the views of behavior models, by scikit-learn.

    tools/reference_behavior_metrics.py bank-additional-full.csv.gz iris.csv test/reference/travel_mode.csv \
        > test/reference/behavior_metrics.csv

The models are fitted here as well, so that nothing is ours; probabilities are rounded
to 13 significant digits, so that what is tied stays tied.  Derived numbers only.
"""

import sys

import numpy as np
import pandas as pd
import scipy
import sklearn
import statsmodels
from scipy import stats
from sklearn import metrics
from sklearn.linear_model import LogisticRegression
from statsmodels.discrete.conditional_models import ConditionalLogit
from statsmodels.stats.proportion import proportion_confint

HEADER = f"""\
# tools/reference_behavior_metrics.py, scikit-learn {sklearn.__version__}, statsmodels {statsmodels.__version__}, SciPy {scipy.__version__}, NumPy {np.__version__}
# bank: weight campaign; iris: weight sepal_width, C = 1, each class against the rest; travel: alternatives of ConditionalLogit
# key: bin or decile, threshold in hundredths, or what happened and what was predicted
model,view,class,key,metric,value"""


def rounded(p):
    return np.array([float(f"{x:.13g}") for x in p])


def say(model, view, key, label="", **values):
    for metric, value in values.items():
        if value is not None and not np.isnan(value):
            print(model, view, label, key, metric, repr(float(value)), sep=",")


def tenths(p, weight):
    """The bin of each row, 0 to 9: where the middle of its weight lies, ties as one."""
    values, which = np.unique(p, return_inverse=True)
    total = np.bincount(which, weight)
    middle = np.cumsum(total) - total / 2
    return np.minimum(10 * middle / total.sum(), 9).astype(int)[which]


def rates(y, selected, weight):
    n, positives = weight.sum(), weight[y].sum()
    found, chosen = weight[y & selected].sum(), weight[selected].sum()
    w = {"sample_weight": weight}
    recall = metrics.recall_score(y, selected, **w)
    fall_out = (chosen - found) / (n - positives)
    return {
        "selected": chosen, "true_positive_rate": recall, "false_positive_rate": fall_out, "youden": recall - fall_out,
        "precision": metrics.precision_score(y, selected, **w) if selected.any() else None,
        "accuracy": metrics.accuracy_score(y, selected, **w), "f1": metrics.f1_score(y, selected, **w)}


def binary(y, p, predicted, weight):
    """The metrics of yes or no."""
    w = {"sample_weight": weight}
    false_rate, true_rate, _ = metrics.roc_curve(y, p, drop_intermediate=False, **w)
    if (weight == 1).all():
        assert abs(stats.ks_2samp(p[y], p[~y]).statistic - np.abs(true_rate - false_rate).max()) < 1e-12
    brier = metrics.brier_score_loss(y, p, **w)
    number = np.minimum(np.floor(p * 10), 9)
    return {
        "n": weight.sum(), "positives": weight[y].sum(), "log_loss": metrics.log_loss(y, p, **w), "brier": brier, "sse": brier * weight.sum(),
        "auc": metrics.roc_auc_score(y, p, **w), "average_precision": metrics.average_precision_score(y, p, **w),
        "ks_statistic": np.abs(true_rate - false_rate).max(),
        "calibration_error": sum(abs((weight * (p - y))[number == b].sum()) for b in range(10)) / weight.sum(),
        "accuracy": metrics.accuracy_score(y, predicted, **w), "precision": metrics.precision_score(y, predicted, **w),
        "recall": metrics.recall_score(y, predicted, **w), "f1": metrics.f1_score(y, predicted, **w)}


def views(model, y, p, weight, label=""):
    """calibration, lift and roc of one class."""
    bins = tenths(p, weight)
    found = 0
    for b in reversed(np.unique(bins)):
        rows = bins == b
        n, positives = weight[rows].sum(), weight[rows & y].sum()
        low, high = proportion_confint(positives, n, method="wilson")
        found += positives
        say(model, "calibration", b + 1, label, n=n, positives=positives, low=p[rows].min(), high=p[rows].max(),
            mean_probability=np.average(p[rows], weights=weight[rows]), share=positives / n, share_low=low, share_high=high)
        say(model, "lift", 10 - b, label, n=n, positives=positives, rate=positives / n,
            lift=positives / n / (weight[y].sum() / weight.sum()), gain=found / weight[y].sum())
    for step in range(0, 101, 7):
        say(model, "roc", step, label, **rates(y, p >= step / 100, weight))


def confusion(model, actual, predicted, weight, names):
    table = metrics.confusion_matrix(actual, predicted, labels=range(len(names)), sample_weight=weight)
    for i, row in enumerate(names):
        for j, column in enumerate(names):
            say(model, "confusion", f"{row} {column}", n=table[i, j] or None)


def bank(path):
    data = pd.read_csv(path, sep=";")
    y, weight = (data.y == "yes").to_numpy(), data.campaign.to_numpy(float)
    x = pd.concat([data[["age", "euribor3m"]], pd.get_dummies(data[["job", "contact", "poutcome"]], drop_first=True, dtype=float)], axis=1)
    x = (x - x.mean()) / x.std()
    fit = LogisticRegression(C=np.inf, tol=1e-14, max_iter=1000, solver="newton-cholesky").fit(x, y, weight)
    p = rounded(fit.predict_proba(x)[:, 1])
    say("bank", "evaluation", "", **binary(y, p, p >= 0.5, weight))
    views("bank", y, p, weight)
    confusion("bank", y, p >= 0.5, weight, ["false", "true"])


def iris(path):
    data = pd.read_csv(path)
    y, weight = data.target.to_numpy(), data.sepal_width.to_numpy(float)
    x = data.drop(columns=["target", "sepal_width"])
    fit = LogisticRegression(C=1, tol=1e-14, max_iter=1000, solver="newton-cholesky").fit(x, y, weight)
    p = fit.predict_proba(x)
    w = {"sample_weight": weight}
    predicted = p.argmax(1)
    one_hot = np.eye(3)[y]
    brier = np.average(((p - one_hot) ** 2).sum(1), weights=weight)
    each = [binary(y == k, rounded(p[:, k]), predicted == k, weight) for k in range(3)]
    say("iris", "evaluation", "", n=weight.sum(), log_loss=metrics.log_loss(y, p, **w), brier=brier, sse=brier * weight.sum(),
        auc=metrics.roc_auc_score(y, p, multi_class="ovr", average="macro", **w), weighted_auc=metrics.roc_auc_score(y, p, multi_class="ovr", average="weighted", **w),
        average_precision=metrics.average_precision_score(one_hot, p, average="macro", **w), calibration_error=np.mean([e["calibration_error"] for e in each]),
        accuracy=metrics.accuracy_score(y, predicted, **w), precision=metrics.precision_score(y, predicted, average="macro", **w),
        recall=metrics.recall_score(y, predicted, average="macro", **w), f1=metrics.f1_score(y, predicted, average="macro", **w))
    for k in range(3):
        say("iris", "class_evaluation", "", str(k), **each[k])
        views("iris", y == k, rounded(p[:, k]), weight, str(k))
    confusion("iris", y, predicted, weight, ["0", "1", "2"])


def travel(path):
    data = pd.read_csv(path, comment="#")
    for mode in ("air", "train", "bus"):
        data[mode] = (data["mode"] == mode).astype(float)
    x = data[["air", "train", "bus", "cost", "wait"]]
    fit = ConditionalLogit(data.chosen, x, groups=data.individual).fit(method="newton", maxiter=100, tol=1e-12, disp=0)
    power = np.exp(x.to_numpy() @ fit.params.to_numpy())
    p = rounded(power / pd.Series(power).groupby(data.individual).transform("sum"))
    y, weight = data.chosen.to_numpy() == 1, np.ones(len(data))
    predicted = p >= pd.Series(p).groupby(data.individual).transform("max")
    all_of = binary(y, p, predicted.to_numpy(), weight)
    sets = y.sum()
    loss = metrics.log_loss(np.ones(sets), p[y], labels=[0, 1])
    size = data.groupby("individual").chosen.transform("size")[y]
    say("travel", "evaluation", "", n=sets, log_loss=loss, brier=all_of["sse"] / sets, accuracy=all_of["recall"], pseudo_r2=1 - loss * sets / np.log(size).sum(),
        **{key: all_of[key] for key in ("sse", "auc", "average_precision", "calibration_error")})
    views("travel", y, p, weight)
    confusion("travel", y, predicted, weight, ["false", "true"])


if __name__ == "__main__":
    print(HEADER)
    bank(sys.argv[1])
    iris(sys.argv[2])
    travel(sys.argv[3])
