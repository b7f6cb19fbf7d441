"""Shallow gradient boosting (XGBoost), explained by its approximate tree contributions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from crm_pipeline.modeling.estimators.learner import AmountLearner, ProbabilityLearner, Tabular
from crm_pipeline.modeling.preprocessing import learnable, matrix


class Boosted(Tabular):
    """Raw score and contributions of a fitted booster. Missing values go the way the trees learned.

    Parameters
    ----------
    trees, rate, depth, min_child_weight
        Number of trees, learning rate, depth of a tree, and least sum of hessians in a leaf.
    seed, threads : int
        Same seed and threads, same model.
    """

    model_: Any

    def __init__(
        self,
        trees: int = 120,
        rate: float = 0.05,
        depth: int = 3,
        min_child_weight: float = 20.0,
        seed: int = 0,
        threads: int = 2,
    ):
        self.trees = trees
        self.rate = rate
        self.depth = depth
        self.min_child_weight = min_child_weight
        self.seed = seed
        self.threads = threads

    def _raw(self, values: np.ndarray) -> np.ndarray:
        return self.model_.predict(values, output_margin=True).astype(float)

    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        """Approximate contributions (Saabas 2014); `exact_terms` gives TreeSHAP, some twenty times slower."""
        return self._contributions(values, approximate=True)

    def exact_terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the exact TreeSHAP contributions (Lundberg et al. 2020) and their base, to measure agreement."""
        return self._contributions(values, approximate=False)

    def _contributions(self, values: np.ndarray, approximate: bool) -> tuple[np.ndarray, float]:
        from xgboost import DMatrix

        data = DMatrix(values, nthread=self.threads)
        found = self.model_.get_booster().predict(data, pred_contribs=True, approx_contribs=approximate)
        return found[:, :-1].astype(float), float(found[0, -1]) if len(found) else 0.0

    def _of_xgboost(self) -> dict[str, Any]:
        return {
            "n_estimators": self.trees,
            "learning_rate": self.rate,
            "max_depth": self.depth,
            "min_child_weight": self.min_child_weight,
            "subsample": 0.7,
            "colsample_bytree": 0.5,
            "reg_lambda": 5.0,
            "tree_method": "hist",
            "n_jobs": self.threads,
            "random_state": self.seed,
        }


class BoostedChurn(Boosted, ProbabilityLearner):
    """XGBoost on the log loss."""

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> BoostedChurn:
        """Fit on the columns of ``X`` (n × features) and labels 0/1."""
        from xgboost import XGBClassifier

        self.columns_ = learnable(X)
        self.model_ = XGBClassifier(**self._of_xgboost())
        self.model_.fit(matrix(X, self.columns_), np.asarray(y))
        return self


class BoostedAmount(Boosted, AmountLearner):
    """XGBoost on a Tweedie deviance: its raw score is the log mean, zero amounts included.

    Parameters
    ----------
    power : float
        Variance power between 1 (Poisson) and 2 (gamma).
    trees, rate, depth, min_child_weight, seed, threads
        As in `Boosted`.
    """

    def __init__(
        self,
        trees: int = 120,
        rate: float = 0.05,
        depth: int = 3,
        min_child_weight: float = 20.0,
        power: float = 1.5,
        seed: int = 0,
        threads: int = 2,
    ):
        self.trees = trees
        self.rate = rate
        self.depth = depth
        self.min_child_weight = min_child_weight
        self.power = power
        self.seed = seed
        self.threads = threads

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> BoostedAmount:
        """Fit on the columns of ``X`` (n × features) and amounts of at least 0."""
        from xgboost import XGBRegressor

        self.columns_ = learnable(X)
        self.unit_ = float(np.mean(y))  # boosting starts at the mean, whatever the currency
        own = {"objective": "reg:tweedie", "tweedie_variance_power": self.power, "base_score": 1.0}
        self.model_ = XGBRegressor(**self._of_xgboost(), **own)
        self.model_.fit(matrix(X, self.columns_), np.asarray(y, dtype=float) / self.unit_)
        return self

    def _raw(self, values: np.ndarray) -> np.ndarray:
        return super()._raw(values) + np.log(self.unit_)

    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        terms, base = super()._terms(values)
        return terms, base + float(np.log(self.unit_))
