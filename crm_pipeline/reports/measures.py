"""Curves, bins and paired differences in NumPy, as the report needs them: arrays in, points out. No drawing, no words.

What is one number of a model is in `modeling.metrics`.

Binary tasks: ``y`` is 0/1 and ``p`` a score or probability. Amount tasks: ``y`` and ``p`` are amounts. Both are 1-D,
of one length and without missing values (`paired` drops those).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_pipeline.modeling.metrics import levels

Array = np.ndarray


def paired(outcome: pd.Series, *predictions: pd.Series) -> tuple[Array, ...]:
    """Return the arrays as float64, without the rows where any of them is missing or infinite."""
    columns = [pd.to_numeric(s, errors="coerce").to_numpy(float, na_value=np.nan) for s in (outcome, *predictions)]
    kept = np.all([np.isfinite(c) for c in columns], axis=0)
    return tuple(c[kept] for c in columns)


def thin(size: int, limit: int = 300) -> Array:
    """Return at most ``limit`` indices into ``size`` points, evenly spread, the first and last always among them."""
    if size <= limit:
        return np.arange(size)
    return np.unique(np.linspace(0, size - 1, limit).round().astype(int))


def auc_parts(y: Array, p: Array) -> tuple[Array, Array]:
    """Return DeLong's components: per event the share of non-events scored below, per non-event of events above.

    DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44, eq. 5; computed from one sort.
    """
    _, level = np.unique(p, return_inverse=True)
    positive = y > 0.5
    size = int(level.max()) + 1 if len(level) else 0
    events = np.bincount(level[positive], minlength=size)
    others = np.bincount(level[~positive], minlength=size)
    lower_others = np.cumsum(others) - others / 2
    higher_events = events.sum() - np.cumsum(events) + events / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        above = (lower_others / others.sum())[level[positive]]
        below = (higher_events / events.sum())[level[~positive]]
    return above, below


def auc_difference(y: Array, a: Array, b: Array) -> tuple[float, float]:
    """Return AUC(a) - AUC(b) on the same rows and its standard error (DeLong)."""
    (above_a, below_a), (above_b, below_b) = auc_parts(y, a), auc_parts(y, b)
    if len(above_a) < 2 or len(below_a) < 2:
        return float("nan"), float("nan")
    events, others = above_a - above_b, below_a - below_b
    error = np.sqrt(events.var(ddof=1) / len(events) + others.var(ddof=1) / len(others))
    return float(events.mean()), float(error)


def mean_difference(loss_a: Array, loss_b: Array) -> tuple[float, float]:
    """Return the mean of the paired differences of two losses, and its standard error."""
    difference = loss_a - loss_b
    if len(difference) < 2:
        return float("nan"), float("nan")
    return float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(len(difference)))


def roc_points(y: Array, p: Array) -> tuple[Array, Array]:
    """Return (false positive rate, true positive rate), thinned, from (0, 0) to (1, 1)."""
    if not y.any() or y.all():
        return np.empty(0), np.empty(0)
    named, hits = _named(y, p)
    at = thin(len(named))
    misses = (named - hits)[at] / (named - hits)[-1]
    return np.append(0.0, misses), np.append(0.0, hits[at] / hits[-1])


def pr_points(y: Array, p: Array) -> tuple[Array, Array]:
    """Return (recall, precision), thinned."""
    if not y.any():
        return np.empty(0), np.empty(0)
    named, hits = _named(y, p)
    # The first few dozen rows are noise: start where a hundredth of the rows, at least 20, have been named.
    shown = np.flatnonzero(named >= min(max(20.0, len(y) / 100), len(y)))
    at = shown[thin(len(shown))]
    return hits[at] / hits[-1], hits[at] / named[at]


def gain_points(y: Array, p: Array) -> tuple[Array, Array]:
    """Return (share of customers called, share of all events reached), thinned, from (0, 0) to (1, 1)."""
    if not y.any():
        return np.empty(0), np.empty(0)
    named, hits = _named(y, p)
    at = thin(len(named))
    return np.append(0.0, named[at] / named[-1]), np.append(0.0, hits[at] / hits[-1])


def reached(y: Array, p: Array, share: float) -> float:
    """Return the share of all events among the highest ``share`` of rows, as the metric ``gain`` has it; nan without events."""
    if not y.any():
        return float("nan")
    named, hits = _named(y, p)
    return float(np.interp(share * named[-1], np.append(0.0, named), np.append(0.0, hits)) / hits[-1])


def _named(y: Array, p: Array) -> tuple[Array, Array]:
    """Return how many rows, and events among them, are named by the time that each distinct score is, the highest first."""
    found = levels(y, p, np.ones((1, len(y))))
    return found.named[0], found.hits[0]


def calibration_bins(y: Array, p: Array, bins: int = 10) -> pd.DataFrame:
    """Group rows by quantiles of ``p``: columns predicted, actual, n, low, high.

    ``low`` and ``high`` are the noise band: where the actual share of ``n`` customers lies 19 times in 20 if the
    predictions are right (normal approximation of the binomial).
    """
    if not len(p):
        return pd.DataFrame(columns=["predicted", "actual", "n", "low", "high"])
    edges = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1]))
    group = np.searchsorted(edges, p, side="right")
    n = np.bincount(group)
    kept = n > 0
    predicted = np.bincount(group, weights=p)[kept] / n[kept]
    actual = np.bincount(group, weights=y)[kept] / n[kept]
    n = n[kept]
    half = 1.96 * np.sqrt(np.clip(predicted * (1 - predicted), 0, None) / n)
    low, high = np.clip(predicted - half, 0, 1), np.clip(predicted + half, 0, 1)
    return pd.DataFrame({"predicted": predicted, "actual": actual, "n": n, "low": low, "high": high})


def amount_deciles(y: Array, p: Array, bins: int = 10) -> pd.DataFrame:
    """Group rows by rank of the prediction, 1 = lowest: columns decile, n, predicted, actual (means), low, high.

    ``low`` and ``high`` are 1.96 standard errors around the actual mean.
    """
    columns: dict[str, list[float]] = {k: [] for k in ("decile", "n", "predicted", "actual", "low", "high")}
    for number, rows in enumerate(np.array_split(np.argsort(p, kind="stable"), bins), start=1):
        if not len(rows):
            continue
        actual = float(y[rows].mean())
        half = 1.96 * float(y[rows].std(ddof=1)) / np.sqrt(len(rows)) if len(rows) > 1 else 0.0
        values = (number, len(rows), float(p[rows].mean()), actual, max(actual - half, 0.0), actual + half)
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
    return pd.DataFrame(columns)
