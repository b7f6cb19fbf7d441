"""What the estimators on linear splines share: each feature has a piecewise-linear effect, so that attributions are exact."""

from __future__ import annotations

import numpy as np

from crm_pipeline.modeling.estimators.learner import Tabular


def signed_log(values: np.ndarray) -> np.ndarray:
    """Return sign(v)·log(1 + |v|): counts and amounts become comparable, zero stays zero."""
    z = np.abs(values)
    z += 1
    np.log(z, out=z)  # numpy's own vectorised one; log1p is twice as slow, and nothing here is as small as its gain
    return np.copysign(z, values, out=z)


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


class Splines(Tabular):
    """Fitted curves, centred on the training mean, and their sum."""

    def set_curves(self, effects: SplineEffects, weights: np.ndarray, intercept: float, values: np.ndarray) -> None:
        """Keep the curves that weights of the basis and an intercept stand for, each centred on its mean over ``values``."""
        self.knots_ = effects.knots
        self.curves_, self.when_missing_ = effects.curves(weights)
        means = self._effects(values).mean(axis=0)
        self.curves_ = [curve - mean for curve, mean in zip(self.curves_, means, strict=True)]
        self.when_missing_ = self.when_missing_ - means
        self.base_ = float(intercept + means.sum())

    def _effects(self, values: np.ndarray) -> np.ndarray:
        columns = signed_log(values.T)
        missing = np.isnan(columns)
        for j, (knots, curve) in enumerate(zip(self.knots_, self.curves_, strict=True)):
            columns[j] = np.interp(columns[j], knots, curve)
            columns[j][missing[j]] = self.when_missing_[j]
        return columns.T

    def _raw(self, values: np.ndarray) -> np.ndarray:
        return self.base_ + self._effects(values).sum(axis=1)

    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        return self._effects(values), self.base_


def standardised(basis: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a basis with means 0 and deviations 1, and the means and deviations it had."""
    mean, scale = basis.mean(axis=0), basis.std(axis=0)
    scale[scale < 1e-12] = np.inf  # a constant column gets no weight
    return (basis - mean) / scale, mean, scale
