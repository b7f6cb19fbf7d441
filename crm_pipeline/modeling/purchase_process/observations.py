"""What a purchase process sees of customers: (x, t_x, T), checked and compressed. No model belongs here."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Prediction(NamedTuple):
    """What a model expects of each customer in the next ``days``; three arrays as long as the input."""

    expected_purchases: Floats
    """Mean number of purchase days."""
    probability_alive: Floats
    """Probability that the customer had not dropped out for good at T."""
    probability_no_purchase: Floats
    """Probability of not a single purchase, whether dropped out or not."""


@dataclass(frozen=True)
class Observations:
    """Customers with equal (x, t_x, T) merged into one weighted row, sorted, in units of ``scale``.

    The sort makes every sum over rows independent of the order in which customers came.
    """

    x: Floats
    t_x: Floats
    T: Floats
    weight: Floats
    scale: float
    n: int


def check_customers(x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Give x, t_x, T back as float arrays of one common length.

    Raises
    ------
    ValueError
        A value is not finite or negative, t_x > T, or t_x > 0 with no repeat purchase: no such customer exists.
    """
    columns = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (x, t_x, T)))
    x_, t_, T_ = columns
    if x_.ndim != 1:
        raise ValueError(f"x, t_x and T must be scalars or one-dimensional, found shape {x_.shape}")
    for name, values in (("x", x_), ("t_x", t_), ("T", T_)):
        if not (np.isfinite(values).all() and (values >= 0).all()):
            raise ValueError(f"{name} must be finite and not negative")
    if (t_ > T_).any():
        raise ValueError("t_x must not exceed T: a purchase after the end of the observation")
    if ((x_ == 0) & (t_ > 0)).any():
        raise ValueError("t_x must be 0 where x is 0: a one-time buyer's last purchase is the first")
    return x_, t_, T_


def weighted_sum(weight: Floats, values: Floats) -> float:
    """Σ weight · values without BLAS, whose result depends on how many threads it splits a long sum over."""
    return float((weight * values).sum())


def one_blas_thread() -> AbstractContextManager[object]:
    """For matrices of four rows: waking a second thread costs more than the work, most of all on a busy machine."""
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    return threadpool_limits(limits=1, user_api="blas")


def sum_by(code: NDArray[np.intp], weight: Floats, n: int) -> Floats:
    """Add up the weights of each code 0 … n-1."""
    return np.asarray(np.bincount(code, weights=weight, minlength=n), dtype=np.float64)


def check_days(days: float) -> float:
    """Give the length of the horizon back as a float.

    Raises
    ------
    ValueError
        It is negative or not finite.
    """
    if not (np.isfinite(days) and days >= 0):
        raise ValueError(f"days must be finite and not negative, found {days}")
    return float(days)


def unique_rows(*columns: Floats) -> tuple[tuple[Floats, ...], NDArray[np.intp]]:
    """Return the distinct rows of equally long columns, sorted by the first, second, …, and each row's index there."""
    code = np.zeros(len(columns[0]), dtype=np.int64)
    for values in columns:  # dense codes after every column, so that the product never overflows
        levels, inverse = np.unique(values, return_inverse=True)
        code = code * len(levels) + inverse
        code = np.unique(code, return_inverse=True)[1]
    first = np.zeros(int(code.max(initial=-1)) + 1, dtype=np.intp)
    first[code] = np.arange(len(code))
    return tuple(values[first] for values in columns), code


def observe(x: ArrayLike, t_x: ArrayLike, T: ArrayLike, weights: ArrayLike | None) -> Observations:
    """Check and compress customers for a fit; time is scaled by the weighted mean of T (1 when that is 0).

    Raises
    ------
    ValueError
        As `check_customers`; or a weight is negative, not finite or missing.
    """
    x_, t_, T_ = check_customers(x, t_x, T)
    weight = np.ones(len(x_)) if weights is None else np.asarray(weights, dtype=np.float64)
    if weight.shape != x_.shape or not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError("weights must be one finite, non-negative number per customer")
    (ux, ut, uT), code = unique_rows(x_, t_, T_)
    order = np.lexsort((weight, code))  # float weights are added in one fixed order
    total = sum_by(code[order], weight[order], len(ux))
    mass = float(total.sum())
    mean_T = weighted_sum(total, uT) / mass if mass > 0 else 0.0
    scale = mean_T if mean_T > 0 else 1.0
    return Observations(ux, ut / scale, uT / scale, total, scale, len(x_))
