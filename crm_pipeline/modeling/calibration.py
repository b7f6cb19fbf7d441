"""Small pieces of arithmetic on log-odds and expected purchases: the level, and the logistic in one variable. No learner."""

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


def logistic(
    x: np.ndarray, y: np.ndarray, *, slope: float = 0.0, ridge: float, tolerance: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the (intercept, slope) of a logistic regression of y on x and the Hessian there, by Newton's method.

    It begins at (0, ``slope``); ``ridge`` keeps the Hessian invertible; a step below ``tolerance`` is the last.
    """
    design, weights = np.column_stack([np.ones(len(x)), x]), np.array([0.0, slope])
    hessian = np.eye(2)
    for _ in range(25):
        p = expit(design @ weights)
        hessian = (design * (p * (1 - p))[:, None]).T @ design + ridge * np.eye(2)
        step = np.linalg.solve(hessian, design.T @ (y - p))
        weights = weights + step
        if np.abs(step).max() < tolerance:
            break
    return weights, hessian


def expected_purchases(features: pd.DataFrame) -> np.ndarray:
    """Return the purchase days the processes expect in the horizon (mean of those present), nan without any."""
    found = [f"{f}_expected_orders" for f in FAMILIES if f"{f}_expected_orders" in features.columns]
    if not found:
        return np.full(len(features), np.nan)
    return features[found].to_numpy("float64").mean(axis=1)
