"""Additive models on linear splines: each feature has a piecewise-linear effect. Exact attributions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_pipeline.modeling.learners.base import AmountLearner, ChurnLearner
from crm_pipeline.modeling.preprocessing import learnable, matrix


def signed_log(values: np.ndarray) -> np.ndarray:
    """Return sign(v)·log(1 + |v|): counts and amounts become comparable, zero stays zero."""
    return np.sign(values) * np.log1p(np.abs(values))


def quantile_knots(z: np.ndarray, count: int) -> np.ndarray:
    """Return the distinct quantiles of ``z`` (no nan), its ends included; at most ``count`` inner ones."""
    if z.size == 0:
        return np.array([0.0])
    return np.unique(np.quantile(z, np.linspace(0, 1, count + 2)))


def hinges(z: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Return the basis [z, max(z - k, 0) for inner knots k] (n × 1 + inner)."""
    inner = knots[1:-1]
    return np.column_stack([z, np.maximum(z[:, None] - inner[None, :], 0.0)])


class SplineEffects:
    """Turns a matrix into the spline basis, and fitted weights into one curve per feature.

    Values are signed logs, held within the range seen in training (no extrapolation); a missing value takes the
    median and an indicator of its own.
    """

    def __init__(self, knots: int):
        self.count = knots

    def fit(self, values: np.ndarray) -> SplineEffects:
        """Place the knots at quantiles of each column."""
        z = signed_log(values)
        present = ~np.isnan(z)
        self.knots = [quantile_knots(z[present[:, j], j], self.count) for j in range(z.shape[1])]
        self.middle = np.array(
            [np.median(z[present[:, j], j]) if present[:, j].any() else 0.0 for j in range(z.shape[1])]
        )
        self.gaps = ~present.all(axis=0)
        return self

    def basis(self, values: np.ndarray) -> np.ndarray:
        """Return the columns that a linear learner weighs (n × sum of widths)."""
        z, parts = signed_log(values), []
        for j, knots in enumerate(self.knots):
            missing = np.isnan(z[:, j])
            column = np.clip(np.where(missing, self.middle[j], z[:, j]), knots[0], knots[-1])
            parts.append(hinges(column, knots))
            if self.gaps[j]:
                parts.append(missing[:, None].astype(float))
        return np.hstack(parts)

    def curves(self, weights: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """Return each feature's effect at its knots, and its effect when missing, from the weights of the basis."""
        effects, when_missing, at = [], np.zeros(len(self.knots)), 0
        for j, knots in enumerate(self.knots):
            width = 1 + max(len(knots) - 2, 0)
            own = weights[at : at + width]
            effects.append(hinges(knots, knots) @ own)
            when_missing[j] = float((hinges(self.middle[j : j + 1], knots) @ own)[0])
            at += width
            if self.gaps[j]:
                when_missing[j] += weights[at]
                at += 1
        return effects, when_missing


class _Splines:
    """Fitted curves, centred on the training mean, and their sum. Mixed into the learners below."""

    def _set_curves(self, effects: SplineEffects, weights: np.ndarray, intercept: float, values: np.ndarray) -> None:
        self.knots_ = effects.knots
        self.curves_, self.when_missing_ = effects.curves(weights)
        means = self._effects(values).mean(axis=0)
        self.curves_ = [curve - mean for curve, mean in zip(self.curves_, means, strict=True)]
        self.when_missing_ = self.when_missing_ - means
        self.base_ = float(intercept + means.sum())

    def _effects(self, values: np.ndarray) -> np.ndarray:
        z = signed_log(values)
        out = np.empty(z.shape)
        for j, (knots, curve) in enumerate(zip(self.knots_, self.curves_, strict=True)):
            effect = np.interp(z[:, j], knots, curve)
            out[:, j] = np.where(np.isnan(z[:, j]), self.when_missing_[j], effect)
        return out

    def _raw(self, values: np.ndarray) -> np.ndarray:
        return self.base_ + self._effects(values).sum(axis=1)

    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        return self._effects(values), self.base_


def _standardised(basis: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mean, scale = basis.mean(axis=0), basis.std(axis=0)
    scale[scale < 1e-12] = np.inf  # a constant column gets no weight
    return (basis - mean) / scale, mean, scale


class SplineLogistic(_Splines, ChurnLearner):
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

        self.columns_, self.classes_ = learnable(X), np.array([0, 1])
        values = matrix(X, self.columns_)
        effects = SplineEffects(self.knots).fit(values)
        basis, mean, scale = _standardised(effects.basis(values))
        linear = LogisticRegression(C=self.strength * 20_000 / max(len(X), 1), max_iter=1_000, tol=1e-6).fit(basis, y)
        weights = linear.coef_[0] / scale
        self._set_curves(effects, weights, float(linear.intercept_[0] - mean @ weights), values)
        return self


class SplineLogAmount(_Splines, AmountLearner):
    """Ridge regression of the log amount on linear splines, smeared back to a mean.

    The raw score is the fitted log amount plus the logarithm of the smearing factor (Duan 1983): the ratio of the
    sum of the amounts to the sum of the retransformed fits.

    Parameters
    ----------
    knots : int
        Inner knots per feature, at quantiles.
    penalty : float
        Ridge penalty per row on the standardised basis.
    """

    def __init__(self, knots: int = 5, penalty: float = 0.05):
        self.knots = knots
        self.penalty = penalty

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> SplineLogAmount:
        """Fit on the columns of ``X`` (n × features) and positive amounts."""
        from sklearn.linear_model import Ridge

        self.columns_ = learnable(X)
        values, target = matrix(X, self.columns_), np.log(np.asarray(y, dtype=float))
        effects = SplineEffects(self.knots).fit(values)
        basis, mean, scale = _standardised(effects.basis(values))
        linear = Ridge(alpha=self.penalty * len(X)).fit(basis, target)
        weights = linear.coef_ / scale
        self._set_curves(effects, weights, float(linear.intercept_ - mean @ weights), values)
        self.base_ += float(np.log(np.sum(y) / np.exp(self._raw(values)).sum()))
        return self


class SplineAmount(_Splines, AmountLearner):
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
        basis, mean, scale = _standardised(effects.basis(values))
        linear = TweedieRegressor(power=self.power, alpha=self.penalty, link="log", max_iter=300)
        linear.fit(basis, np.asarray(y, dtype=float) / unit)
        weights = linear.coef_ / scale
        self._set_curves(effects, weights, float(linear.intercept_ - mean @ weights + np.log(unit)), values)
        return self
