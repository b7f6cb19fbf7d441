"""When a learner that improves step by step stops: judged on later rows of customers it does not know. No learner here."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from crm_pipeline.modeling.estimators.rows import folds, newest

LATER = 0.3
"""Least share of the rows that the newest cut-offs, which are asked, hold."""

ENOUGH = 100
"""Rows that must be known, and asked."""

PATIENCE = 3
"""Epochs in a row without a better one that end the search."""


def known_and_asked(X: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Tell of each row (n,) whether it is learned from, and whether it is judged on, while it is searched when to stop.

    The older cut-offs of one half of the customers are known, the newest of the other half asked: labels of neighbouring
    cut-offs overlap, so that of the same customers the newest would already be half known. With one cut-off only the customers
    are split; with too few rows either way none are known or asked.
    """
    half, late = folds(X, 2), newest(X, LATER)
    known, asked = (half == 0) & ~late, (half == 1) & (late | ~late.any())
    enough = min(known.sum(), asked.sum()) >= ENOUGH
    return known & enough, asked & enough


def best_epoch(losses: Iterable[float]) -> int:
    """Return the epoch, from 1, of the least loss; no more is asked for once `PATIENCE` epochs were no better."""
    least, best = np.inf, 1
    for epoch, loss in enumerate(losses, start=1):
        if loss < least:
            least, best = loss, epoch
        elif epoch - best >= PATIENCE:
            break
    return best


def log_loss(y: np.ndarray, log_odds: np.ndarray) -> float:
    """Return the mean log loss of log-odds (n,) for labels 0/1."""
    return float(np.mean(np.logaddexp(0, log_odds) - y * log_odds))
