"""Linear regression of an amount on linear splines, with a log link."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_pipeline.modeling.estimators.learner import AmountLearner
from crm_pipeline.modeling.estimators.splines import SplineEffects, Splines, standardised
from crm_pipeline.modeling.preprocessing import learnable, matrix


class SplineAmount(Splines, AmountLearner):
    """Generalised linear regression of the amount: log link, Tweedie deviance, ridge penalty, linear splines.

    Its raw score is the log of the mean itself, zero amounts included; no smearing is needed.

    Parameters
    ----------
    knots : int
        Inner knots per feature, at quantiles.
    penalty : float
        Ridge penalty on the standardised basis (scikit-learn's ``alpha``).
    power : float
        Variance power between 1 (Poisson) and 2 (gamma).
    """

    def __init__(self, knots: int = 3, penalty: float = 1.0, power: float = 1.5):
        self.knots = knots
        self.penalty = penalty
        self.power = power

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> SplineAmount:
        """Fit on the columns of ``X`` (n × features) and amounts of at least 0."""
        from sklearn.linear_model import TweedieRegressor

        self.columns_ = learnable(X)
        values, unit = matrix(X, self.columns_), float(np.mean(y))
        effects = SplineEffects(self.knots).fit(values)
        basis, mean, scale = standardised(effects.basis(values))
        linear = TweedieRegressor(power=self.power, alpha=self.penalty, link="log", max_iter=300)
        linear.fit(basis, np.asarray(y, dtype=float) / unit)
        weights = linear.coef_ / scale
        self.set_curves(effects, weights, float(linear.intercept_ - mean @ weights + np.log(unit)), values)
        return self
