"""Small pieces of level arithmetic on log-odds and expected purchases. No fitting of isotonic or other curves."""

from __future__ import annotations

import numpy as np
import pandas as pd

FAMILIES = ("mbg", "pareto")


def logit(p: np.ndarray | float) -> np.ndarray:
    """Return log(p / (1 - p)), probabilities held within [1e-6, 1 - 1e-6]."""
    held = np.clip(np.asarray(p, dtype=float), 1e-6, 1 - 1e-6)
    return np.log(held) - np.log1p(-held)


def expit(z: np.ndarray | float) -> np.ndarray:
    """Return 1 / (1 + exp(-z)) without overflow."""
    return 1 / (1 + np.exp(-np.clip(np.asarray(z, dtype=float), -60, 60)))


def offset(log_odds: np.ndarray, rate: float, steps: int = 40) -> float:
    """Return d such that the mean of expit(log_odds + d) is ``rate``, by bisection within ±8."""
    low, high = -8.0, 8.0
    for _ in range(steps):
        middle = (low + high) / 2
        if expit(log_odds + middle).mean() < rate:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def expected_purchases(features: pd.DataFrame) -> np.ndarray:
    """Return the purchase days the processes expect in the horizon (mean of those present), nan without any."""
    found = [f"{f}_expected_orders" for f in FAMILIES if f"{f}_expected_orders" in features.columns]
    if not found:
        return np.full(len(features), np.nan)
    return features[found].to_numpy("float64").mean(axis=1)
