"""Linear support vector regression of log amounts on linear splines, led back to a mean."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_pipeline.modeling.estimators.learner import AmountLearner
from crm_pipeline.modeling.estimators.machines import held_out, machine, squared_tube
from crm_pipeline.modeling.estimators.rows import folds, sampled
from crm_pipeline.modeling.estimators.splines import SplineEffects, Splines, standardised
from crm_pipeline.modeling.preprocessing import learnable, matrix


class SplineSVR(Splines, AmountLearner):
    """Linear SVR (squared loss outside a tube) of log(1 + amount / mean amount) on linear splines of the signed logs.

    Most amounts are zero, so that one smearing factor (Duan 1983) would not lead back to a mean. Instead the log of the mean amount
    is slope × fit + offset, estimated by Poisson pseudo-likelihood (Gourieroux, Monfort & Trognon 1984), which asks of the amounts
    only that their mean have this form and keeps their total; the slope on fits that machines of other customers gave, the
    offset then on the rows fitted. As that is linear in the fit, attributions stay exact.

    Parameters
    ----------
    knots : int
        Inner knots per feature, at quantiles.
    strength : float
        Weight of the loss against the ridge penalty (scikit-learn's ``C``), for 20,000 rows; the penalty per row
        stays the same for other sizes.
    tube : float
        Errors of the log amount that cost nothing.
    parts : int
        Groups of customers that the machines behind the slope leave out in turn.
    rows : int
        Rows fitted at most: those of a fixed sample of customers.
    """

    def __init__(
        self, knots: int = 3, strength: float = 0.00003, tube: float = 0.1, parts: int = 3, rows: int = 100_000
    ):
        self.knots = knots
        self.strength = strength
        self.tube = tube
        self.parts = parts
        self.rows = rows

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> SplineSVR:
        """Fit on the columns of ``X`` (n × features) and amounts of at least 0."""
        self.columns_ = learnable(X)
        at = sampled(X, self.rows)
        X, y = X.iloc[at], np.asarray(y, dtype=float)[at]
        values, part, unit = matrix(X, self.columns_), folds(X, self.parts), float(np.mean(y))
        effects, target = SplineEffects(self.knots).fit(values), np.log1p(y / unit)
        basis, mean, scale = standardised(effects.basis(values))
        slope = log_slope(held_out(basis, target, part, self._machine), y / unit)
        weights, offset = self._machine(basis, target)
        weights = slope * weights / scale
        self.set_curves(effects, weights, float(slope * offset - mean @ weights), values)
        self.base_ += float(np.log(np.sum(y) / np.exp(self._raw(values)).sum()))
        return self

    def _machine(self, basis: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
        return machine(basis, squared_tube(target, self.tube), self.strength * 20_000 / len(target))


def log_slope(fits: np.ndarray, y: np.ndarray) -> float:
    """Return the slope of log E(y) over fits (n,), for y of at least 0, by Poisson pseudo-likelihood; its offset is profiled out."""
    from scipy.optimize import minimize_scalar

    centred = (fits - fits.mean()) / (float(np.std(fits)) or 1.0)
    share = y / y.sum()

    def loss(slope: float) -> float:
        """Minus the log of the multinomial likelihood that is left when the offset makes the total the actual one."""
        most = float(np.max(slope * centred))
        return float(np.log(np.exp(slope * centred - most).sum()) + most - slope * (share @ centred))

    found = minimize_scalar(loss, bounds=(0.0, 5.0), method="bounded", options={"xatol": 1e-6})
    return float(found.x / (float(np.std(fits)) or 1.0))
