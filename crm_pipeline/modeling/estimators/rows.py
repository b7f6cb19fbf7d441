"""Which rows of a training table a learner fits on, and which it sets aside: by customer, by time. No fitting here.

The tables are indexed by ``cutoff`` and ``customer_id``; without such an index each row is a customer of its own, at one cut-off.
"""

from __future__ import annotations

import numpy as np
import pandas as pd


def customer_hash(X: pd.DataFrame) -> np.ndarray:
    """Return a number per row (n,) that is the same wherever and whenever the customer stands in a table."""
    ids = X.index.get_level_values("customer_id" if "customer_id" in X.index.names else -1)
    return pd.util.hash_array(np.asarray(ids))


def sampled(X: pd.DataFrame, cap: int) -> np.ndarray:
    """Return the places (ascending) of at most ``cap`` rows: those of the customers whose hash is least."""
    if len(X) <= cap:
        return np.arange(len(X))
    return np.sort(np.argsort(customer_hash(X), kind="stable")[:cap])


def folds(X: pd.DataFrame, count: int) -> np.ndarray:
    """Return a fold per row (n,), 0 to ``count`` - 1; a customer's rows share one."""
    return (customer_hash(X) % np.uint64(count)).astype("int64")


def newest(X: pd.DataFrame, share: float) -> np.ndarray:
    """Tell of each row (n,) whether it is of the newest cut-offs that hold at least ``share`` of the rows; of none where one holds all."""
    if "cutoff" not in X.index.names:
        return np.zeros(len(X), dtype=bool)
    codes, _ = pd.factorize(X.index.get_level_values("cutoff"), sort=True)
    sizes = np.bincount(codes)
    after = np.cumsum(sizes[::-1])[::-1]  # rows of a cut-off and of all later ones
    first = np.flatnonzero(after >= share * len(X))[-1]
    return (codes >= first) & (first > 0)
