"""The purchase process as an estimator: its probability of no order; its expected purchases × order value.

The process itself is fitted with the features, in `crm_pipeline.modeling.purchase_process`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_pipeline.modeling.calibration import FAMILIES, logit
from crm_pipeline.modeling.estimators.entry import Context
from crm_pipeline.modeling.estimators.learner import AmountLearner, ProbabilityLearner, Tabular
from crm_pipeline.modeling.preprocessing import matrix

PARTS = ("alive", "expected_orders", "no_order")
"""What each process says of a customer: P(still buys at all), purchase days expected, P(no purchase day), in the horizon."""

MISSING = "features/customers has no purchase-process columns (mbg_alive, mbg_expected_orders and mbg_no_order, or the Pareto/NBD's)"


def families(columns: list[str]) -> list[str]:
    """Return the processes all of whose features are among ``columns``."""
    return [f for f in FAMILIES if all(f"{f}_{part}" in columns for part in PARTS)]


def no_order_log_odds(
    alive: np.ndarray | float, rate: np.ndarray | float, order_days: np.ndarray | float
) -> np.ndarray:
    """Return about what log-odds of no purchase day a customer with other parts would have; only to explain with.

    The exact probability is the process's own (``<family>_no_order``). What it would be with the silence or the rate of
    somebody else follows here: given that the customer is alive, purchases are a gamma mixture of Poissons with mean
    ``rate`` and a shape of about the purchase days so far, so none happens with probability (1 + rate/shape)^-shape.

    Parameters
    ----------
    alive : array (n,)
        Probability that the customer still buys at all.
    rate : array (n,)
        Purchase days expected in the horizon if so.
    order_days : array (n,)
        Purchase days so far, at least 1.
    """
    return logit(1 - alive * -np.expm1(-order_days * np.log1p(rate / order_days)))


class ProcessChurn(Tabular, ProbabilityLearner):
    """The exact P(no order) of the purchase processes present, averaged in log-odds. Learns nothing but the reference customer.

    The attribution splits each log-odds between ``<family>_alive`` (silence) and ``<family>_expected_orders`` (the rate
    if alive) as the Shapley value of that two-player game, against the median customer of the training table, with
    `no_order_log_odds` for the customers that do not exist; by what that misses the exact value stands with ``<family>_no_order``.
    """

    @classmethod
    def build(cls, context: Context) -> ProcessChurn | str:
        """Return it, or what is missing."""
        return cls() if families(context.columns) and "order_days_all" in context.columns else MISSING

    def fit(self, X: pd.DataFrame, y: np.ndarray | None = None) -> ProcessChurn:
        """Keep the median customer of ``X`` as reference; labels are not used."""
        found = families(list(X.columns))
        self.columns_ = [*(f"{f}_{part}" for f in found for part in PARTS), "order_days_all"]
        values = matrix(X, self.columns_)
        self.reference_ = np.array([
            [np.nanmedian(part) if len(part) else 0.5 for part in self._parts(values, f)[:2]] for f in range(len(found))
        ])  # fmt: skip
        return self

    def _parts(self, values: np.ndarray, family: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        at = len(PARTS) * family
        alive = np.clip(np.nan_to_num(values[:, at], nan=0.5), 1e-9, 1.0)
        rate = np.nan_to_num(values[:, at + 1], nan=0.5) / alive
        return alive, rate, np.maximum(np.nan_to_num(values[:, -1], nan=1.0), 1.0)

    def _exact(self, values: np.ndarray, family: int) -> np.ndarray:
        return logit(np.nan_to_num(values[:, len(PARTS) * family + 2], nan=0.5))

    def _raw(self, values: np.ndarray) -> np.ndarray:
        count = len(self.reference_)
        return np.sum([self._exact(values, f) for f in range(count)], axis=0) / count

    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        terms, count = np.zeros((len(values), len(self.columns_))), len(self.reference_)
        base = 0.0
        for f, (alive_ref, rate_ref) in enumerate(self.reference_):
            alive, rate, days = self._parts(values, f)
            full, start = no_order_log_odds(alive, rate, days), float(no_order_log_odds(alive_ref, rate_ref, 2.0))
            only_alive = no_order_log_odds(alive, rate_ref, days)
            only_rate = no_order_log_odds(alive_ref, rate, days)
            silence = (only_alive - start + full - only_rate) / 2
            own = (silence, full - start - silence, self._exact(values, f) - full)
            for part, term in enumerate(own):
                terms[:, len(PARTS) * f + part] = term / count
            base += start / count
        return terms, base


class ProcessAmount(Tabular, AmountLearner):
    """Expected purchase days × what the customer spends on such a day, shrunk to everybody's; total as in training.

    The value of a day is (spend_all + k·m) / (order_days_all + k), with m the mean over all purchase days and k =
    ``prior`` days: the form of the Gamma-Gamma model's expectation (Fader, Hardie & Lee 2005).

    Parameters
    ----------
    prior : float
        How many purchase days of the average customer stand beside the customer's own.
    money_unit : float
        Major units in one unit of ``spend_all``.
    buyers : bool
        Speak of those who buy at all: purchase days given at least one, expected / (1 - P(no order)). Fit it on buyers then.
    """

    def __init__(self, prior: float = 2.0, money_unit: float = 0.0001, buyers: bool = False):
        self.prior = prior
        self.money_unit = money_unit
        self.buyers = buyers

    @classmethod
    def build(cls, context: Context) -> ProcessAmount | str:
        """Return it, or what is missing."""
        there = families(context.columns) and {"order_days_all", "spend_all"} <= set(context.columns)
        return cls(money_unit=context.money_unit) if there else MISSING

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> ProcessAmount:
        """Fit the mean value of a day and the ratio of actual to expected totals; ``y`` in major units."""
        self.families_ = families(list(X.columns))
        self.columns_ = [*(f"{f}_{part}" for f in self.families_ for part in ("expected_orders", "no_order"))]
        self.columns_ += ["order_days_all", "spend_all"]
        values = matrix(X, self.columns_)
        self.mean_day_ = float(np.nansum(values[:, -1]) / max(np.nansum(values[:, -2]), 1.0))
        self.base_ = 0.0
        orders, value = self._logs(values)
        self.reference_ = np.array([np.median(orders), np.median(value)])
        self.base_ = float(np.log(np.sum(y) / np.exp(orders + value).sum()))
        return self

    def _logs(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        count = 2 * len(self.families_)
        expected = np.nan_to_num(np.maximum(values[:, 0:count:2], 1e-6), nan=1e-6)
        if self.buyers:
            any_day = np.clip(1.0 - np.nan_to_num(values[:, 1:count:2], nan=0.5), 1e-6, 1.0)
            expected = np.maximum(expected / any_day, 1.0)
        days, spend = np.nan_to_num(values[:, -2]), np.nan_to_num(values[:, -1])
        value = (spend + self.prior * self.mean_day_) / (days + self.prior) * self.money_unit
        return np.log(expected).mean(axis=1), np.log(np.maximum(value, 1e-9))

    def _raw(self, values: np.ndarray) -> np.ndarray:
        orders, value = self._logs(values)
        return self.base_ + orders + value

    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        terms, count = np.zeros((len(values), len(self.columns_))), len(self.families_)
        orders, value = self._logs(values)
        terms[:, 0 : 2 * count : 2] = ((orders - self.reference_[0]) / count)[:, None]
        terms[:, -1] = value - self.reference_[1]
        return terms, self.base_ + float(self.reference_.sum())
