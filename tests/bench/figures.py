"""The figures of merit of a detector, computed from its scores (larger is stranger) and p-values. NumPy only."""

import math

import numpy as np


def auroc(inside, outside):
    """The probability that an outside score exceeds an inside one, a tie counting half (Mann-Whitney U)."""
    scores = np.concatenate([inside, outside])
    values, position, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[position]  # from 1; tied scores share their mean rank
    u = ranks[len(inside) :].sum() - len(outside) * (len(outside) + 1) / 2
    return u / (len(inside) * len(outside))


def fpr95(inside, outside):
    """The share of outside images that pass under the limit which 95% of the inside images pass."""
    limit = np.quantile(inside, 0.95, method="higher")
    return float(np.mean(outside <= limit))


def false_alarms(p_values, alpha, calibrated_on):
    """The share of in-distribution p-values <= alpha, and the standard error to expect of it.

    Two samples are finite: the images tested, and the reference images that the p-values are ranks among.
    """
    rate = float(np.mean(p_values <= alpha))
    error = math.sqrt(alpha * (1 - alpha) * (1 / len(p_values) + 1 / calibrated_on))
    return {"alpha": alpha, "rate": rate, "standard_error": error}


def ks_uniform(p_values):
    """The largest vertical distance between the empirical distribution of the p-values and the uniform one."""
    ordered = np.sort(p_values)
    n = len(ordered)
    above = np.arange(1, n + 1) / n - ordered
    below = ordered - np.arange(n) / n
    return float(max(above.max(), below.max()))
