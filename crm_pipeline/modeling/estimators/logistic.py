"""Logistic regression on linear splines."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_pipeline.modeling.estimators.learner import ProbabilityLearner
from crm_pipeline.modeling.estimators.splines import SplineEffects, Splines, standardised
from crm_pipeline.modeling.preprocessing import learnable, matrix


class SplineLogistic(Splines, ProbabilityLearner):
    """Ridge-penalised logistic regression on linear splines of the signed logs.

    Parameters
    ----------
    knots : int
        Inner knots per feature, at quantiles.
    strength : float
        Inverse of the ridge penalty on the standardised basis (scikit-learn's ``C``), for 20,000 rows;
        the penalty per row stays the same for other sizes.
    """

    def __init__(self, knots: int = 5, strength: float = 0.0005):
        self.knots = knots
        self.strength = strength

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> SplineLogistic:
        """Fit on the columns of ``X`` (n × features) and labels 0/1."""
        from sklearn.linear_model import LogisticRegression

        self.columns_ = learnable(X)
        values = matrix(X, self.columns_)
        effects = SplineEffects(self.knots).fit(values)
        basis, mean, scale = standardised(effects.basis(values))
        linear = LogisticRegression(C=self.strength * 20_000 / max(len(X), 1), max_iter=1_000, tol=1e-6).fit(basis, y)
        weights = linear.coef_[0] / scale
        self.set_curves(effects, weights, float(linear.intercept_[0] - mean @ weights), values)
        return self
