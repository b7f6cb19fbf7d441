"""What every learner shares: probabilities or means from one raw score, and that score as a sum over features.

Raw scores are log-odds of churning, or the logarithm of the mean amount in major money units.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin  # noqa: TID253 (base classes; imported lazily)

from crm_pipeline.modeling.calibration import expit
from crm_pipeline.modeling.preprocessing import matrix

CHUNK = 65_536
"""Rows handled at once, so that intermediate arrays stay in the processor's cache and the memory small."""


class Learner(BaseEstimator):
    """A model whose raw score is a base plus one term per feature.

    Subclasses implement `fit`, `_raw` and `_terms` over a float matrix of ``columns_``.
    """

    columns_: list[str]

    def _raw(self, values: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        raise NotImplementedError

    def raw(self, X: pd.DataFrame) -> np.ndarray:
        """Return the raw score of each row (n,)."""
        out = np.empty(len(X))
        for start in range(0, len(X), CHUNK):
            stop = start + CHUNK
            out[start:stop] = self._raw(matrix(X.iloc[start:stop], self.columns_))
        return out

    def attributions(self, X: pd.DataFrame) -> tuple[np.ndarray, float]:
        """Return the terms (n × ``len(columns_)``) and the base; base + row sum is `raw`."""
        out, base = np.zeros((len(X), len(self.columns_))), 0.0
        for start in range(0, len(X), CHUNK):
            stop = start + CHUNK
            out[start:stop], base = self._terms(matrix(X.iloc[start:stop], self.columns_))
        return out, base


class ChurnLearner(ClassifierMixin, Learner):
    """A learner whose raw score is the log-odds of the label 1."""

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Return the probabilities of 0 and of 1 (n × 2)."""
        p = expit(self.raw(X))
        return np.column_stack([1 - p, p])

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return the likelier label of each row (n,)."""
        return (self.raw(X) > 0).astype("int64")


class AmountLearner(RegressorMixin, Learner):
    """A learner whose raw score is the logarithm of the expected amount."""

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return the expected amount of each row (n,), in the label's unit."""
        return np.exp(self.raw(X))
