"""Will buy × how much: the two-part model of amounts, and the two learners of the log amount that it alone uses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from crm_pipeline.modeling.calibration import expit
from crm_pipeline.modeling.estimators.average import ChurnAverage, mean_raw, mean_terms, place, union
from crm_pipeline.modeling.estimators.entry import Context
from crm_pipeline.modeling.estimators.gradient_boosting import Boosted, BoostedChurn
from crm_pipeline.modeling.estimators.learner import AmountLearner, Tabular
from crm_pipeline.modeling.estimators.logistic import SplineLogistic
from crm_pipeline.modeling.estimators.purchase_process import ProcessAmount, ProcessChurn, families
from crm_pipeline.modeling.estimators.splines import SplineEffects, Splines, standardised
from crm_pipeline.modeling.preprocessing import learnable, matrix


class SplineLogAmount(Splines, AmountLearner):
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
        basis, mean, scale = standardised(effects.basis(values))
        linear = Ridge(alpha=self.penalty * len(X)).fit(basis, target)
        weights = linear.coef_ / scale
        self.set_curves(effects, weights, float(linear.intercept_ - mean @ weights), values)
        self.base_ += float(np.log(np.sum(y) / np.exp(self._raw(values)).sum()))
        return self


class BoostedLogAmount(Boosted, AmountLearner):
    """XGBoost on the squared error of the log amount; the raw score is that fit, not yet smeared."""

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> BoostedLogAmount:
        """Fit on the columns of ``X`` (n × features) and positive amounts."""
        from xgboost import XGBRegressor

        self.columns_ = learnable(X)
        self.model_ = XGBRegressor(**self._of_xgboost())
        self.model_.fit(matrix(X, self.columns_), np.log(np.asarray(y, dtype=float)))
        return self


class TwoPart(Tabular, AmountLearner):
    """P(buys) × mean amount if so (Cragg 1971; Duan et al. 1983): log mean = log P(buys) + log amount + log smearing.

    The smearing factor makes the predicted total of the training rows the actual one.

    Parameters
    ----------
    lapse : Tabular
        Learns the log-odds of buying nothing.
    amounts : list of Tabular
        Learn the log amount of buyers; their raw scores are averaged.
    """

    def __init__(self, lapse: Tabular, amounts: list[Tabular]):
        self.lapse = lapse
        self.amounts = amounts

    @classmethod
    def build(cls, context: Context) -> TwoPart:
        """Return it made of splines, boosting and, where its features are there, the purchase process."""
        own: dict[str, Any] = {"seed": context.seed, "threads": context.threads}
        lapse: list[Tabular] = [SplineLogistic(), BoostedChurn(**own)]
        amounts: list[Tabular] = [SplineLogAmount(), BoostedLogAmount(**own)]
        if families(context.columns) and {"order_days_all", "spend_all"} <= set(context.columns):
            lapse.append(ProcessChurn())
            amounts.append(ProcessAmount(money_unit=context.money_unit, buyers=True))
        return cls(ChurnAverage(lapse), amounts)

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> TwoPart:
        """Fit on the columns of ``X`` (n × features) and amounts of at least 0."""
        bought = np.asarray(y) > 0
        self.lapse.fit(X, (~bought).astype(int))
        for member in self.amounts:
            member.fit(X[bought], np.asarray(y)[bought])
        self.columns_ = union([self.lapse, *self.amounts])
        self.log_smear_ = 0.0
        self.log_smear_ = float(np.log(np.sum(y) / self.predict(X).sum()))
        return self

    def _raw(self, values: np.ndarray) -> np.ndarray:
        lapse = self.lapse._raw(values[:, place(self.lapse, self.columns_)])
        return self.log_smear_ - np.logaddexp(0, lapse) + mean_raw(self.amounts, self.columns_, values)

    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        """Terms of the log amount plus those of the log-odds of buying, stretched per row to the log probability."""
        terms, base = mean_terms(self.amounts, self.columns_, values)
        at = place(self.lapse, self.columns_)
        own, start = self.lapse._terms(values[:, at])
        lapse = start + own.sum(axis=1)
        change = np.logaddexp(0, start) - np.logaddexp(0, lapse)  # of log P(buys), from the base customer
        moved = lapse - start
        near = np.abs(moved) < 1e-6
        slope = np.where(near, -expit(start), change / np.where(near, 1.0, moved))
        terms[:, at] += own * slope[:, None]
        return terms, base + self.log_smear_ - float(np.logaddexp(0, start))
