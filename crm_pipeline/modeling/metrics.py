"""Every metric of one model, over many bootstrap weightings at once; `plain` for one number. What is reported is not said here.

Outcomes ``y`` and what was said of them, ``p``, are 1-D, of one length and without missing values; ``weights`` is b × n.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from crm_pipeline.modeling.calibration import logistic, logit

DEVIANCE_POWER = 1.5
TOP = (0.01, 0.05, 0.1, 0.2)

Metric = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From ``y``, ``p`` and ``weights`` to one value per weighting."""


class Contact(NamedTuple):
    """What a contact costs, and what it saves of one who would have lapsed without it, in major units."""

    cost: float
    saved: float

    @property
    def threshold(self) -> float:
        """Probability from which a contact gains more than it costs (Elkan 2001, equation 2)."""
        return self.cost / self.saved


def plain(metric: Metric, y: np.ndarray, p: np.ndarray) -> float:
    """Return a metric with every row counted once; nan on no rows."""
    return float(metric(y, p, np.ones((1, len(y))))[0]) if len(y) else float("nan")


def probability_metrics(y: np.ndarray, p: np.ndarray, weights: np.ndarray, threshold: float) -> dict[str, np.ndarray]:
    """Return metric → one value per weighting, for outcomes ``y`` (n,), probabilities ``p`` (n,), ``weights`` (b × n)."""
    total, positive = weights.sum(axis=1), weights @ y
    held = np.clip(p, 1e-6, 1 - 1e-6)
    loss = -(y * np.log(held) + (1 - y) * np.log1p(-held))
    found = {"log_loss": weights @ loss / total, "brier": brier(y, p, weights)}
    found |= _ranking(y, p, weights)
    found["calibration_error"] = _calibration_error(y, p, weights) / total
    chosen = p >= threshold
    hit = weights @ (y * chosen)
    picked = weights @ chosen.astype(float)
    found["accuracy"] = (total - picked - positive + 2 * hit) / total
    found["precision"] = _ratio(hit, picked)
    found["recall"] = _ratio(hit, positive)
    found["f1"] = _ratio(2 * hit, picked + positive)
    return found


def profit_metrics(y: np.ndarray, p: np.ndarray, weights: np.ndarray, contact: Contact) -> dict[str, np.ndarray]:
    """Return metric → one value per weighting of what contacts would have gained, per customer in major units.

    ``profit`` of all at or above the threshold that cost and saved value set beforehand, ``profit_everyone`` of a contact with
    everybody; ``best_profit`` and ``best_threshold`` are those that the outcomes show to be the best afterwards (0 and 1 where none
    gains anything).
    """
    total, positive, chosen = weights.sum(axis=1), weights @ y, (p >= contact.threshold).astype(float)
    found_at = levels(y, p, weights)
    gained = np.hstack([np.zeros((len(weights), 1)), contact.saved * found_at.hits - contact.cost * found_at.named])
    best = gained.argmax(axis=1)
    return {
        "profit": (contact.saved * (weights @ (y * chosen)) - contact.cost * (weights @ chosen)) / total,
        "profit_everyone": contact.saved * positive / total - contact.cost,
        "best_profit": np.take_along_axis(gained, best[:, None], axis=1)[:, 0] / total,
        "best_threshold": np.r_[1.0, np.unique(p)[::-1]][best],
    }


def amount_metrics(y: np.ndarray, e: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return metric → one value per weighting, for amounts ``y`` (n,), predictions ``e`` (n,), ``weights`` (b × n)."""
    total, spent = weights.sum(axis=1), weights @ y
    squared, error = weights @ (y - e) ** 2, weights @ np.abs(y - e)
    spread = weights @ y**2 - spent**2 / total
    return {
        "mae": error / total,
        "mse": squared / total,
        "rmse": np.sqrt(squared / total),
        "wape": wape(y, e, weights),
        "total_ratio": total_ratio(y, e, weights),
        "bias": total_ratio(y, e, weights) - 1,
        "r2": 1 - _ratio(squared, spread),
        "spearman": spearman(y, e, weights),
        "gini": _ratio(_gini(y, e, weights), _gini(y, y, weights)),
        "deviance": weights @ deviance(y, e) / total,
        "decile_error": _ratio(_calibration_error(y, e, weights), spent),
    }


def brier(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean squared difference between probability and outcome (Brier 1950)."""
    return weights @ (p - y) ** 2 / weights.sum(axis=1)


def auc(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve, ties counted half; nan where only one class is present."""
    return levels(y, p, weights).auc()


def average_precision(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the precision at each event, averaged over the events; equal scores are named together."""
    return levels(y, p, weights).average_precision()


def wape(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the sum of absolute errors over the sum of actual amounts."""
    return _ratio(weights @ np.abs(y - p), weights @ y)


def total_ratio(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the predicted total over the actual total."""
    return _ratio(weights @ p, weights @ y)


def spearman(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the rank correlation, ties at their mean rank; nan where one side is constant."""
    return _correlation(ranks(y), ranks(p), weights)


@dataclass(frozen=True)
class Levels:
    """The distinct scores, the highest first (b × levels): the weight of a level's events and rows, and of all named by then."""

    events: np.ndarray
    rows: np.ndarray
    hits: np.ndarray
    named: np.ndarray

    def auc(self) -> np.ndarray:
        """Return the share of pairs of an event and another row in which the event has the higher score."""
        others, misses = self.rows - self.events, self.named - self.hits
        wins = (others * (self.hits - self.events / 2)).sum(axis=1)
        return _ratio(wins, self.hits[:, -1] * misses[:, -1])

    def average_precision(self) -> np.ndarray:
        """Return the precision at each event, averaged over the events."""
        precision = self.hits / np.maximum(self.named, 1e-12)
        return _ratio((self.events * precision).sum(axis=1), self.hits[:, -1])


def levels(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> Levels:
    """Return the distinct values of ``p`` from the highest down, of one row at least."""
    order = np.argsort(-p, kind="stable")
    scores = p[order]
    starts = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])
    sorted_weights = weights[:, order]
    events = np.add.reduceat(sorted_weights * y[order], starts, axis=1)
    rows = np.add.reduceat(sorted_weights, starts, axis=1)
    return Levels(events, rows, np.cumsum(events, axis=1), np.cumsum(rows, axis=1))


def deviance(y: np.ndarray, e: np.ndarray, power: float = DEVIANCE_POWER) -> np.ndarray:
    """Return the Tweedie deviance of each row, both sides in units of the mean of ``y``.

    Predictions are held at one thousandth of that mean, because the deviance of a zero prediction is infinite.
    """
    unit = max(float(y.mean()), 1e-9)
    y, e = y / unit, np.maximum(e / unit, 1e-3)
    first = np.maximum(y, 0) ** (2 - power) / ((1 - power) * (2 - power))
    return 2 * (first - y * e ** (1 - power) / (1 - power) + e ** (2 - power) / (2 - power))


def calibration_floor(p: np.ndarray, bins: int = 10) -> float:
    """Return the calibration error that sampling noise alone gives a perfectly calibrated model on these rows."""
    parts = np.array_split(np.sort(p), bins)
    noise = [len(b) * np.sqrt(2 / np.pi * b.mean() * (1 - b.mean()) / len(b)) for b in parts if len(b)]
    return float(np.sum(noise) / max(len(p), 1))


def calibration_slope(y: np.ndarray, p: np.ndarray) -> tuple[float, float]:
    """Return the slope of a logistic regression of the outcome on the log-odds said, and its standard error."""
    z = logit(p)
    if z.std() < 1e-9 or not 0 < y.mean() < 1:
        return float("nan"), float("nan")
    weights, hessian = logistic(z, y, slope=1.0, ridge=1e-9, tolerance=1e-10)
    return float(weights[1]), float(np.sqrt(np.linalg.inv(hessian)[1, 1]))


def _ranking(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return AUC, average precision, lift and gain; equal scores share their ranks."""
    found_at = levels(y, p, weights)
    true, seen = found_at.hits, found_at.named
    all_true, all_seen = true[:, -1], seen[:, -1]
    found = {"auc": found_at.auc(), "average_precision": found_at.average_precision()}
    for share in TOP:
        caught = np.array(
            [np.interp(share * n, s, t) for n, s, t in zip(all_seen, _from0(seen), _from0(true), strict=True)]
        )
        found[f"lift_{share * 100:.0f}"] = _ratio(caught / share, all_true)
        found[f"gain_{share * 100:.0f}"] = _ratio(caught, all_true)
    return found


def _from0(cumulated: np.ndarray) -> np.ndarray:
    return np.hstack([np.zeros((len(cumulated), 1)), cumulated])


def _calibration_error(y: np.ndarray, p: np.ndarray, weights: np.ndarray, bins: int = 10) -> np.ndarray:
    """Return the summed absolute gap between what was said and what happened over ten equally filled bins."""
    order = np.argsort(p, kind="stable")
    gaps = weights[:, order] * (y - p)[order]
    even = np.linspace(0, len(p), bins + 1)[:-1].astype(int)
    starts = np.unique(np.searchsorted(p[order], p[order][even]))  # equal predictions share a bin
    return np.abs(np.add.reduceat(gaps, starts, axis=1)).sum(axis=1)


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the mean ranks, ties shared."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[inverse]


def _correlation(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> np.ndarray:
    a, b = a - a.mean(), b - b.mean()
    total = weights.sum(axis=1)
    ma, mb = weights @ a / total, weights @ b / total
    covariance = weights @ (a * b) / total - ma * mb
    return _ratio(covariance, np.sqrt((weights @ a**2 / total - ma**2) * (weights @ b**2 / total - mb**2)))


def _gini(y: np.ndarray, by: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the area between the line of equality and the gain of ``y`` when sorted by ``by``, the highest first.

    Equal predictions are one step of the curve, a straight line, so that the order of rows says nothing.
    """
    order = np.argsort(-by, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(by[order]) != 0])
    mass = np.add.reduceat(weights[:, order], starts, axis=1)
    amount = np.add.reduceat(weights[:, order] * y[order], starts, axis=1)
    gained = (np.cumsum(amount, axis=1) - amount / 2) / np.maximum(amount.sum(axis=1, keepdims=True), 1e-12)
    return (gained * mass).sum(axis=1) / mass.sum(axis=1) - 0.5


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a / b, nan where b is zero."""
    return np.where(b != 0, a / np.where(b != 0, b, 1.0), np.nan)
