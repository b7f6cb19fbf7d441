"""What an estimator's class must be able to do: be built, fit, predict, explain, be stored. The algorithms are in files of their own.

Raw scores are log-odds of the label 1 (of churning, say), or the logarithm of the mean amount in major money units.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin  # noqa: TID253 (base classes; imported lazily)

from crm_pipeline.modeling.calibration import expit
from crm_pipeline.modeling.estimators.entry import Context
from crm_pipeline.modeling.preprocessing import matrix

CHUNK = 65_536
"""Rows handled at once, so that intermediate arrays stay in the processor's cache and the memory small."""


class Learner(BaseEstimator, ABC):
    """A model with a raw score that can be told as a base plus one term per feature.

    Subclasses implement `fit`, `raw` and `attributions`. Storage is skops's; a model that is not made of scikit-learn's
    and our own parts overrides `log` and `load`, and says in ``requires`` what it needs.

    Attributes
    ----------
    columns_ : list of str
        The features that it uses, known after `fit`; the order of the terms.
    """

    columns_: list[str]
    requires: ClassVar[tuple[str, ...]] = ("scikit-learn", "xgboost", "skops", "pandas", "numpy")
    """Distributions that a stored model needs, recorded with it."""

    @classmethod
    def build(cls, context: Context) -> Learner | str:
        """Return an unfitted model, or a sentence on what is missing; here: by those parameters that the context knows."""
        own = ("seed", "threads", "money_unit", "trials", "horizon", "grain")
        return cls(**{name: getattr(context, name) for name in own if name in cls._get_param_names()})

    @abstractmethod
    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Learner:
        """Fit on the columns of ``X`` (n × features) and labels (n,).

        Rows come in learning order; the index of ``X`` says each one's ``cutoff`` and ``customer_id`` (see `rows`).
        """

    @abstractmethod
    def raw(self, X: pd.DataFrame) -> np.ndarray:
        """Return the raw score of each row (n,)."""

    @abstractmethod
    def attributions(self, X: pd.DataFrame) -> tuple[np.ndarray, float]:
        """Return the terms (n × ``len(columns_)``) and the base; base + row sum is `raw`."""

    def log(self, mlflow: Any, **model: Any) -> Any:
        """Store within the active MLflow run; ``model`` are the arguments every flavour of MLflow takes. Returns its ModelInfo."""
        from skops.io import dumps, get_untrusted_types

        return mlflow.sklearn.log_model(
            self,
            serialization_format="skops",
            skops_trusted_types=list(get_untrusted_types(data=dumps(self))),
            pyfunc_predict_fn="predict_proba" if hasattr(self, "predict_proba") else "predict",
            **model,
        )

    @classmethod
    def load(cls, mlflow: Any, model_uri: str) -> Any:
        """Return the model that `log` stored."""
        return mlflow.sklearn.load_model(model_uri)


class Tabular(Learner):
    """A model over a float matrix of ``columns_``, a chunk of rows at a time. Subclasses implement `fit`, `_raw` and `_terms`."""

    @abstractmethod
    def _raw(self, values: np.ndarray) -> np.ndarray:
        """Return the raw score of each row (n,) of a matrix of ``columns_``."""

    @abstractmethod
    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the terms (n × columns) and the base."""

    def raw(self, X: pd.DataFrame) -> np.ndarray:
        """Return the raw score of each row (n,)."""
        out = np.empty(len(X))
        for start in range(0, len(X), CHUNK):
            stop = start + CHUNK
            out[start:stop] = self._raw(matrix(X.iloc[start:stop], self.columns_))
        return out

    def attributions(self, X: pd.DataFrame) -> tuple[np.ndarray, float]:
        """Return the terms (n × ``len(columns_)``) and the base; base + row sum is `raw`."""
        out, base = np.zeros((len(self.columns_), len(X))).T, 0.0
        for start in range(0, len(X), CHUNK):
            stop = start + CHUNK
            out[start:stop], base = self._terms(matrix(X.iloc[start:stop], self.columns_))
        return out, base


class ProbabilityLearner(ClassifierMixin, Learner):
    """A learner whose raw score is the log-odds of the label 1."""

    classes_ = np.array([0, 1])

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
