"""Penalised maximum likelihood of the purchase processes: starts, bounds, penalty, fallback. No predictions here."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from crm_pipeline.modeling.purchase_process import mbg_nbd, pareto_nbd
from crm_pipeline.modeling.purchase_process.observations import (
    Floats,
    Observations,
    observe,
    one_blas_thread,
    weighted_sum,
)

BOUND = 8.0
"""Log-parameters (time in units of the mean T) stay within ±BOUND, that is 1/2981 … 2981."""
PRIOR_SD = 3.0
"""The penalty is Σ θ²/(2·PRIOR_SD²) over the four log-parameters, once and not per customer: a factor e³ costs 0.5."""

_STARTS = ((-0.5, -0.5, -0.5, 0.5), (0.0, -1.5, -1.0, -1.0), (-1.0, -2.0, 0.0, 1.5), (0.5, 0.5, -1.5, 1.0))
_TOLERANCE = 1e-5  # largest projected gradient per customer at an optimum
_AGREE = 1e-7  # ends that differ by less, in log-likelihood per customer, are one optimum

_Likelihood = Callable[[Floats], tuple[float, Floats]]


def fit_mbg_nbd(x: ArrayLike, t_x: ArrayLike, T: ArrayLike, weights: ArrayLike | None = None) -> mbg_nbd.MBGNBD:
    """Fit the MBG/NBD to customers' (x, t_x, T) in days.

    Parameters
    ----------
    x, t_x, T
        Repeat purchase days after the first, days from the first to the last, days from the first to as_of; one value a
        customer.
    weights
        How many customers each row stands for; default 1.

    Returns
    -------
    MBGNBD
        ``converged`` is False, with the best parameters found, where no start met the tolerance; and False with r =
        a = b = 1 and alpha = the mean T (1 if that is 0), the centre of the penalty, where the weights sum to 0 (no
        customer) or nobody was ever watched (all T = 0). An optimum on a bound counts as converged: data without any
        dropout have none inside.

    Raises
    ------
    ValueError
        See `observe`: values that no customer can have.
    """
    data = observe(x, t_x, T, weights)
    (r, alpha, a, b), value, converged = _maximise(mbg_nbd.Likelihood(data), data)
    return mbg_nbd.MBGNBD(r, alpha * data.scale, a, b, value, converged, data.n)


def fit_pareto_nbd(
    x: ArrayLike, t_x: ArrayLike, T: ArrayLike, weights: ArrayLike | None = None
) -> pareto_nbd.ParetoNBD:
    """Fit the Pareto/NBD; all as in `fit_mbg_nbd`, the fallback being r = s = 1 and alpha = beta = the mean T."""
    data = observe(x, t_x, T, weights)
    (r, alpha, s, beta), value, converged = _maximise(pareto_nbd.Likelihood(data), data)
    return pareto_nbd.ParetoNBD(r, alpha * data.scale, s, beta * data.scale, value, converged, data.n)


class End(NamedTuple):
    """Where a descent ended: value, place, and whether the tolerance was met."""

    value: float
    theta: Floats
    converged: bool


def _maximise(likelihood: _Likelihood, data: Observations) -> tuple[list[float], float, bool]:
    """Parameters in scaled time, log-likelihood per day, and whether the optimum was met.

    Two starts that meet at one optimum settle it; otherwise all are tried and the best end wins.
    """
    mass = float(data.weight.sum())
    if mass == 0.0 or not (data.T[data.weight > 0] > 0).any():
        return [1.0] * 4, 0.0, False

    def objective(theta: Floats) -> tuple[float, Floats]:
        value, gradient = likelihood(theta)
        penalty = float(theta @ theta) / (2.0 * PRIOR_SD**2)
        return (penalty - value) / mass, (theta / PRIOR_SD**2 - gradient) / mass

    ends: list[End] = []
    for start in _STARTS:
        with one_blas_thread():
            ends.append(descend(objective, np.array(start)))
        lowest = min(end.value for end in ends)
        near = [end for end in ends if end.value <= lowest + _AGREE]
        if sum(end.converged for end in near) >= 2:
            break
    best = max(near, key=lambda end: (end.converged, -end.value))
    per_day = weighted_sum(data.weight, data.x) * float(np.log(data.scale))
    return [float(v) for v in np.exp(best.theta)], likelihood(best.theta)[0] - per_day, best.converged


def descend(objective: _Likelihood, start: Floats) -> End:
    """Minimise from a start, within the bounds."""
    from scipy.optimize import minimize

    result = minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(-BOUND, BOUND)] * len(start),
        options={"maxiter": 300, "maxcor": 8, "ftol": 1e-13, "gtol": 1e-7},
    )
    theta = np.clip(result.x, -BOUND, BOUND)
    value, gradient = objective(theta)
    moved = np.clip(theta - gradient, -BOUND, BOUND) - theta  # 0 at an optimum, inside or on a bound
    if not np.isfinite(value):
        return End(np.inf, theta, False)
    return End(float(value), theta, bool(np.abs(moved).max() < _TOLERANCE))
