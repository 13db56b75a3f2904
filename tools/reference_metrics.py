#!/usr/bin/env python3
"""Reference values of the metrics, on random rows with ties and edge cases.

    tools/reference_metrics.py test/reference

Writes metrics_rows.csv and metrics_lists.csv, what the metrics are computed of,
and metrics_expected.csv, what they must be by scikit-learn, SciPy, ranx and NumPy;
test/t/metrics.pl compares. Where a package has another definition, the value is
worked out here from the formula, which a comment says.
"""

import csv
import sys
from fractions import Fraction
from importlib.metadata import version

import numpy as np
import ranx
import scipy
import sklearn
from scipy import stats
from sklearn import metrics
from sklearn.calibration import calibration_curve
from sklearn.metrics.pairwise import cosine_similarity

random = np.random.default_rng(20)
rows, lists, expected = [], [], []


def expect(kind, case, metric, value, k=""):
    expected.append((kind, case, metric, k, "" if value is None or np.isnan(value) else repr(float(value))))


def errors():
    for case, (n, offset, digits) in enumerate([(1, 0, 1), (2, 0, 1), (7, 0, 0), (50, 3, 1), (300, 1e6, 6), (200, -5, 12)]):
        y = np.round(random.normal(offset, 2, n), digits)
        p = np.round(y + random.normal(0.3, 1, n), digits)
        rows.extend(("error", case, a, b) for a, b in zip(y, p))
        expect("error", case, "sse", ((y - p) ** 2).sum())
        expect("error", case, "mse", metrics.mean_squared_error(y, p))
        expect("error", case, "rmse", metrics.root_mean_squared_error(y, p))
        expect("error", case, "mae", metrics.mean_absolute_error(y, p))
        expect("error", case, "r2", metrics.r2_score(y, p) if n > 1 else None)


def expected_calibration_error(label, p, bins):
    """Bins have their lower bound, and probabilities are the decimal numbers that they are written as."""
    number = np.array([min(int(Fraction(repr(float(x))) * bins), bins - 1) for x in p])
    return sum(abs((p - label)[number == b].sum()) for b in range(bins)) / len(p)


def probabilities():
    cases = [(1, 3), (2, 1), (30, 1), (100, 2), (500, 12), (40, 0)]
    for case, (n, digits) in enumerate(cases):
        p = np.round(random.beta(0.7, 1.3, n), digits)
        label = (random.random(n) < p).astype(int)
        if digits == 12:  # surely right and surely wrong
            p[:4], label[:4] = [0, 1, 0, 1], [0, 1, 1, 0]
        rows.extend(("probability", case, a, b) for a, b in zip(label, p))
        expect("probability", case, "log_loss", metrics.log_loss(label, p, labels=[0, 1]))
        expect("probability", case, "brier", metrics.brier_score_loss(label, p, pos_label=1))
        for bins in (1, 7, 10):
            value = expected_calibration_error(label, p, bins)
            expect("probability", case, "calibration_error", value, bins)
            if digits == 12:  # nothing on a bound, where scikit-learn has the upper one
                share, mean = calibration_curve(label, p, n_bins=bins)
                count = np.histogram(p, bins, (0, 1))[0]
                assert abs((np.abs(share - mean) * count[count > 0]).sum() / n - value) < 1e-12


def scores():
    cases = [(1, 1, 0.5), (2, 1, 0.5), (5, 0, 0.5), (50, 1, 0.3), (400, 1, 0.05), (300, 15, 0.5), (20, 0, 0), (20, 0, 1), (60, -1, 0.5)]
    for case, (n, digits, share) in enumerate(cases):
        label = (random.random(n) < share).astype(int)
        if 0 < share < 1 and n > 1:
            label[:2] = [0, 1]
        score = np.round(random.normal(label, 1.5, n), digits)
        rows.extend(("score", case, a, b) for a, b in zip(label, score))
        expect("score", case, "auc", metrics.roc_auc_score(label, score) if 0 < label.sum() < n else None)
        # scikit-learn says 0 where there is no positive; here it is not defined.
        expect("score", case, "average_precision", metrics.average_precision_score(label, score) if label.any() else None)


def ranked_lists():
    n_users, n_items, qrels, run = 60, 60, {}, {}
    for user in range(n_users):
        relevant = random.choice(n_items, random.integers(0, 20), replace=False)
        gain = {int(i): int(random.integers(1, 6)) for i in relevant}
        length = 0 if user == 1 else int(random.integers(1, 30))
        recommended = [int(i) for i in random.choice(n_items, length, replace=False)]
        rank = {i: r + 1 for r, i in enumerate(recommended)}
        for item in sorted(set(rank) | set(gain)):
            lists.append((user, item, rank.get(item, ""), gain.get(item, "")))
        if gain and rank:
            qrels[str(user)] = {str(i): g for i, g in gain.items()}
            run[str(user)] = {str(i): float(n_items - r) for i, r in rank.items()}
        for k in (1, 3, 10, 50):
            for metric in ("precision_at", "recall_at", "hit_rate_at", "mrr", "map_at", "ndcg_at", "binary_ndcg_at"):
                if not gain:  # ranx leaves such users out
                    expect("list", user, metric, None, k)
                elif not rank:
                    expect("list", user, metric, 0, k)
    binary = {user: {item: 1 for item in gains} for user, gains in qrels.items()}
    for k in (1, 3, 10, 50):
        for metric, name, truth in (
            ("precision_at", "precision", binary), ("recall_at", "recall", binary), ("hit_rate_at", "hit_rate", binary),
            ("mrr", "mrr", binary), ("map_at", "map", binary), ("ndcg_at", "ndcg", qrels), ("binary_ndcg_at", "ndcg", binary),
        ):
            found = ranx.Run(run)
            ranx.evaluate(ranx.Qrels(truth), found, [f"{name}@{k}"], return_mean=False)
            for user in run:
                value = found.scores[f"{name}@{k}"][user]
                if metric in ("ndcg_at", "binary_ndcg_at"):
                    # ranx cuts the ideal list at the length of a shorter list; here only at k.
                    gains = sorted(truth[user].values(), reverse=True)
                    best = sum(g / np.log2(r + 2) for r, g in enumerate(gains[:k]))
                    order = sorted(run[user], key=run[user].get, reverse=True)
                    dcg = sum(truth[user].get(i, 0) / np.log2(r + 2) for r, i in enumerate(order[:k]))
                    if len(order) >= min(k, len(gains)):
                        assert abs(value - dcg / best) < 1e-12
                    value = dcg / best
                    # scikit-learn agrees over a catalog in which the list comes first.
                    items = [str(i) for i in range(n_items)]
                    ndcg = metrics.ndcg_score([[truth[user].get(i, 0) for i in items]],
                                              [[run[user].get(i, 0) if truth[user].get(i, 0) or i in run[user] else -1 for i in items]],
                                              k=k, ignore_ties=True)
                    if len(order) >= k:
                        assert abs(ndcg - value) < 1e-12
                expect("list", int(user), metric, value, k)


def pairs():
    cases = [(1, 1), (2, 1), (5, 0), (10, 0), (10, 9), (13, 0), (14, 0), (40, 9), (50, 12), (51, 12), (60, 0), (200, 1), (1000, 9), (3, 5)]
    for case, (n, digits) in enumerate(cases):
        a = np.round(random.normal(0, 1, n), digits)
        b = np.round(a + random.normal(0.15, 1, n), digits) if case != 13 else a
        # Differences that are equal but for rounding are no ties: make them quarters.
        if digits <= 1:
            a, b = np.round(a * 4) / 4, np.round(b * 4) / 4
        rows.extend(("pair", case, x, y) for x, y in zip(a, b))
        expect("pair", case, "difference", (a - b).mean())
        expect("pair", case, "t_p_value", stats.ttest_rel(a, b).pvalue if n > 1 and (a != b).any() else None)
        expect("pair", case, "wilcoxon_p_value", stats.wilcoxon(a, b).pvalue)
        if n >= 60:
            interval = stats.bootstrap((a - b,), np.mean, method="percentile", n_resamples=20000, rng=1, confidence_level=0.9)
            expect("pair", case, "low", interval.confidence_interval.low)
            expect("pair", case, "high", interval.confidence_interval.high)
            expect("pair", case, "standard_error", interval.standard_error)
            ratio = stats.bootstrap((a, b + 3), lambda x, y, axis: x.sum(axis) / y.sum(axis), paired=True, vectorized=True,
                                    method="percentile", n_resamples=20000, rng=2, confidence_level=0.9)
            expect("pair", case, "ratio", a.sum() / (b + 3).sum())
            expect("pair", case, "ratio_low", ratio.confidence_interval.low)
            expect("pair", case, "ratio_high", ratio.confidence_interval.high)
            expect("pair", case, "ratio_standard_error", ratio.standard_error)


def exposures():
    for case, n in enumerate((1, 2, 10, 300)):
        count = random.negative_binomial(0.5, 0.05, n)
        count[0] += case > 0
        rows.extend(("exposure", case, c, c % 7 + 1) for c in count)
        any_count = count.sum() > 0
        expect("exposure", case, "catalog_coverage", (count > 0).mean())
        expect("exposure", case, "gini", np.abs(np.subtract.outer(count, count)).mean() / 2 / count.mean() if any_count else None)
        expect("exposure", case, "exposure_entropy", stats.entropy(count, base=2) if any_count else None)
        expect("exposure", case, "novelty", -np.log2((count % 7 + 1) / 10).mean())
        expect("exposure", case, "arp", (count % 7 + 1).mean())


def vectors():
    for case, n in enumerate((2, 5, 20)):
        vector = random.integers(-8, 9, (n, 12)) / 4 * (random.random((n, 12)) < 0.6)
        vector[:, 0] = 0.25
        for v in vector:
            rows.append(("vector", case, "{" + ",".join(f"{i}:{w}" for i, w in enumerate(v) if w) + "}", ""))
        upper = np.triu_indices(n, 1)
        expect("vector", case, "intra_list_diversity", 1 - cosine_similarity(vector)[upper].mean())


def weighted_scores():
    """a is {label,weight}.  Bins: a row is where the middle of its weight lies, ties as one."""
    for case, (n, digits, kind) in enumerate([(2, 1, "whole"), (40, 1, "whole"), (300, 2, "whole"), (400, 12, "real"), (60, 0, "real"), (200, 2, "none")]):
        label = (random.random(n) < 0.4).astype(int)
        label[:2] = [0, 1]
        score = np.round(random.beta(1 + label, 2), digits)
        weight = {"whole": random.integers(0, 5, n).astype(float), "real": np.round(random.gamma(0.5, 2, n), 9), "none": np.ones(n)}[kind]
        weight[:2] = [1, 2] if kind != "none" else 1
        rows.extend(("weighted", case, f"{{{y},{float(w)!r}}}", s) for y, w, s in zip(label, weight, score))
        expect("weighted", case, "log_loss", metrics.log_loss(label, score, labels=[0, 1], sample_weight=weight))
        expect("weighted", case, "brier_score", metrics.brier_score_loss(label, score, pos_label=1, sample_weight=weight))
        expect("weighted", case, "auc", metrics.roc_auc_score(label, score, sample_weight=weight))
        expect("weighted", case, "average_precision", metrics.average_precision_score(label, score, sample_weight=weight))
        fpr, tpr, _ = metrics.roc_curve(label, score, sample_weight=weight, drop_intermediate=False)
        expect("weighted", case, "ks_statistic", np.abs(tpr - fpr).max())
        if kind == "none":
            assert abs(np.abs(tpr - fpr).max() - stats.ks_2samp(score[label == 1], score[label == 0]).statistic) < 1e-12
        for bins in (1, 7, 10):
            number = np.array([min(int(Fraction(repr(float(x))) * bins), bins - 1) for x in score])
            difference = sum(abs((weight * (score - label))[number == b].sum()) for b in range(bins))
            expect("weighted", case, "calibration_error", difference / weight.sum(), bins)
            below = np.array([weight[score < s].sum() for s in score])
            tied = np.array([weight[score == s].sum() for s in score])
            number = np.minimum(bins * (below + tied / 2) / weight.sum(), bins - 1).astype(int)
            present = [b for b in range(bins) if weight[number == b].sum() > 0]
            expect("weighted", case, "calibration_curve_bins", len(present), bins)
            for field, of in (("n", np.ones(n)), ("mean_probability", score), ("share", label)):
                values = [np.average(of[number == b], weights=weight[number == b]) * (weight[number == b].sum() if field == "n" else 1) for b in present]
                expect("weighted", case, f"calibration_curve_{field}", np.dot(values, np.arange(1, len(present) + 1)), bins)


def write(name, header, content):
    with open(f"{sys.argv[1]}/{name}", "w", newline="") as file:
        file.write(f"# tools/reference_metrics.py, scikit-learn {sklearn.__version__}, SciPy {scipy.__version__}, "
                   f"ranx {version('ranx')}, NumPy {np.__version__}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([repr(float(x)) if isinstance(x, np.floating) else x for x in row] for row in content)


for part in (errors, probabilities, scores, ranked_lists, pairs, exposures, vectors, weighted_scores):
    part()
write("metrics_rows.csv", ["kind", "number", "a", "b"], rows)
write("metrics_lists.csv", ["number", "item", "rank", "gain"], lists)
write("metrics_expected.csv", ["kind", "number", "metric", "k", "value"], expected)
