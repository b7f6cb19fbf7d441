"""Linear support vector machine on linear splines, with probabilities by Platt's sigmoid."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_pipeline.modeling.estimators.learner import ProbabilityLearner
from crm_pipeline.modeling.estimators.machines import held_out, machine, squared_hinge
from crm_pipeline.modeling.estimators.rows import folds, sampled
from crm_pipeline.modeling.estimators.splines import SplineEffects, Splines, standardised
from crm_pipeline.modeling.preprocessing import learnable, matrix


class SplineSVM(Splines, ProbabilityLearner):
    """Linear SVM (squared hinge) on linear splines of the signed logs.

    Its log-odds are slope × margin + offset (Platt 1999), fitted on margins that machines of other customers gave, over all cut-offs:
    a sigmoid of the newest cut-off alone would take over that season's level. As they are linear in the margin, attributions stay exact.

    Parameters
    ----------
    knots : int
        Inner knots per feature, at quantiles.
    strength : float
        Weight of the hinge against the ridge penalty (scikit-learn's ``C``), for 20,000 rows; the penalty per row
        stays the same for other sizes.
    parts : int
        Groups of customers that the machines behind the sigmoid leave out in turn.
    rows : int
        Rows fitted at most: those of a fixed sample of customers.
    """

    def __init__(self, knots: int = 3, strength: float = 0.00003, parts: int = 3, rows: int = 100_000):
        self.knots = knots
        self.strength = strength
        self.parts = parts
        self.rows = rows

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> SplineSVM:
        """Fit on the columns of ``X`` (n × features) and labels 0/1."""
        self.columns_ = learnable(X)
        at = sampled(X, self.rows)
        X, y = X.iloc[at], np.asarray(y)[at]
        values, part = matrix(X, self.columns_), folds(X, self.parts)
        effects = SplineEffects(self.knots).fit(values)
        basis, mean, scale = standardised(effects.basis(values))
        slope, shift = sigmoid(held_out(basis, y, part, self._machine), y)
        weights, offset = self._machine(basis, y)
        weights = slope * weights / scale
        self.set_curves(effects, weights, float(slope * offset + shift - mean @ weights), values)
        return self

    def _machine(self, basis: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
        return machine(basis, squared_hinge(y), self.strength * 20_000 / len(y))


def sigmoid(margins: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return slope and offset of the log-odds over margins (n,), fitted to labels 0/1 drawn in by Platt's prior.

    Targets are (N₊ + 1)/(N₊ + 2) and 1/(N₋ + 2) (Platt 1999, section 2.2), so that separable margins have a finite slope.
    """
    from scipy.optimize import minimize

    events = float(np.sum(y))
    target = np.where(y == 1, (events + 1) / (events + 2), 1 / (len(y) - events + 2))
    scale = float(np.std(margins)) or 1.0

    def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        z = at[0] * margins / scale + at[1]
        gap = 1 / (1 + np.exp(-z)) - target
        return float(np.mean(np.logaddexp(0, z) - target * z)), np.array([np.mean(gap * margins) / scale, np.mean(gap)])

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", options={"ftol": 1e-12, "gtol": 1e-8})
    return float(found.x[0] / scale), float(found.x[1])
