"""Shallow gradient boosting (XGBoost), explained by its approximate tree contributions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from crm_pipeline.modeling.estimators.learner import AmountLearner, ProbabilityLearner, Tabular
from crm_pipeline.modeling.preprocessing import learnable, matrix
from crm_pipeline.periods import Grain

OWN = {"n_estimators": "trees", "learning_rate": "rate", "max_depth": "depth", "colsample_bytree": "colsample"}
"""XGBoost's name of a parameter to the learner's, where they differ."""


class Boosted(Tabular):
    """Raw score and contributions of a fitted booster. Missing values go the way the trees learned.

    Parameters
    ----------
    trees, rate, depth, min_child_weight
        Number of trees, learning rate, depth of a tree, and least sum of hessians in a leaf.
    reg_lambda, subsample, colsample
        L2 penalty of a leaf, and the shares of rows and of features that a tree sees.
    trials : int
        Candidates of a search (`tuning`) that may replace the parameters above when there are enough blocks of time; 0: none.
    horizon, grain
        Periods a label spans: what the search keeps apart.
    seed, threads : int
        Same seed and threads, same model.

    Attributes
    ----------
    tuning_ : dict
        What the search says of itself; empty without one.
    """

    model_: Any

    def __init__(
        self,
        trees: int = 120,
        rate: float = 0.05,
        depth: int = 3,
        min_child_weight: float = 20.0,
        reg_lambda: float = 5.0,
        subsample: float = 0.7,
        colsample: float = 0.5,
        trials: int = 0,
        horizon: int = 0,
        grain: Grain = "month",
        seed: int = 0,
        threads: int = 2,
    ):
        self.trees = trees
        self.rate = rate
        self.depth = depth
        self.min_child_weight = min_child_weight
        self.reg_lambda = reg_lambda
        self.subsample = subsample
        self.colsample = colsample
        self.trials = trials
        self.horizon = horizon
        self.grain = grain
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

    def _tune(self, X: pd.DataFrame, y: np.ndarray, objective: dict[str, Any], by_mean: bool = False) -> None:
        """Take what a search over blocks of time finds better than the parameters, if one is asked for and there are enough."""
        self.tuning_: dict[str, str] = {}
        if not self.trials:
            return
        from crm_pipeline.modeling.estimators.tuning import tuned

        found = tuned(
            X,
            np.asarray(y),
            columns=self.columns_,
            defaults=self._of_xgboost(),
            objective=objective,
            by_mean=by_mean,
            trials=self.trials,
            horizon=self.horizon,
            grain=self.grain,
        )
        chosen = {OWN.get(name, name): value for name, value in found.chosen.items()}
        self.set_params(**chosen, trials=0)  # a clone that is fitted again takes what was chosen
        self.tuning_ = dict(found.told)

    def _of_xgboost(self) -> dict[str, Any]:
        return {
            "n_estimators": self.trees,
            "learning_rate": self.rate,
            "max_depth": self.depth,
            "min_child_weight": self.min_child_weight,
            "subsample": self.subsample,
            "colsample_bytree": self.colsample,
            "reg_lambda": self.reg_lambda,
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
        self._tune(X, y, {"objective": "binary:logistic", "eval_metric": "logloss"})
        self.model_ = XGBClassifier(**self._of_xgboost())
        self.model_.fit(matrix(X, self.columns_), np.asarray(y))
        return self


class BoostedAmount(Boosted, AmountLearner):
    """XGBoost on a Tweedie deviance: its raw score is the log mean, zero amounts included.

    Parameters
    ----------
    power : float
        Variance power between 1 (Poisson) and 2 (gamma).
    trees, rate, depth, min_child_weight, reg_lambda, subsample, colsample, trials, horizon, grain, seed, threads
        As in `Boosted`.
    """

    def __init__(
        self,
        trees: int = 120,
        rate: float = 0.05,
        depth: int = 3,
        min_child_weight: float = 20.0,
        reg_lambda: float = 5.0,
        subsample: float = 0.7,
        colsample: float = 0.5,
        trials: int = 0,
        horizon: int = 0,
        grain: Grain = "month",
        power: float = 1.5,
        seed: int = 0,
        threads: int = 2,
    ):
        self.trees = trees
        self.rate = rate
        self.depth = depth
        self.min_child_weight = min_child_weight
        self.reg_lambda = reg_lambda
        self.subsample = subsample
        self.colsample = colsample
        self.trials = trials
        self.horizon = horizon
        self.grain = grain
        self.power = power
        self.seed = seed
        self.threads = threads

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> BoostedAmount:
        """Fit on the columns of ``X`` (n × features) and amounts of at least 0."""
        from xgboost import XGBRegressor

        self.columns_ = learnable(X)
        self.unit_ = float(np.mean(y))  # boosting starts at the mean, whatever the currency
        own = {"objective": "reg:tweedie", "tweedie_variance_power": self.power, "base_score": 1.0}
        self._tune(X, y, own | {"eval_metric": f"tweedie-nloglik@{self.power}"}, by_mean=True)
        self.model_ = XGBRegressor(**self._of_xgboost(), **own)
        self.model_.fit(matrix(X, self.columns_), np.asarray(y, dtype=float) / self.unit_)
        return self

    def _raw(self, values: np.ndarray) -> np.ndarray:
        return super()._raw(values) + np.log(self.unit_)

    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        terms, base = super()._terms(values)
        return terms, base + float(np.log(self.unit_))
