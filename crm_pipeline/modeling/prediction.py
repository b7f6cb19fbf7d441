"""What a fitted model says of customers: probabilities, amounts with intervals, and the level applied. No fitting."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_pipeline.modeling.calibration import expected_purchases, expit
from crm_pipeline.modeling.level import Level, log_amount_shift, log_odds_shift, orders_factor
from crm_pipeline.modeling.tasks import TASKS
from crm_pipeline.modeling.training import Model

NORMAL_80 = 1.2815515655446004
"""Half width of the central 80 % of a normal distribution, in standard deviations."""

MONEY_UNIT = 0.0001


def level_shift(
    task: str, model: Model, raw: np.ndarray, level: Level | None, *, money_unit: float = MONEY_UNIT
) -> float:
    """Return what the level adds to every raw score: log-odds for churn, log amount for demand.

    For demand it depends on the sum over ``raw``, which must then be the scores of all customers of the period.
    """
    if TASKS[task].kind == "binary":
        return log_odds_shift(level, model.facts_)
    return log_amount_shift(level, float(np.exp(raw).sum()), money_unit)


def predict(
    task: str, model: Model, features: pd.DataFrame, *, level: Level | None = None, money_unit: float = MONEY_UNIT
) -> pd.DataFrame:
    """Return the predictions of one period, one row per row of ``features``, with its index.

    Parameters
    ----------
    task : str
    model : fitted model
    features : DataFrame
        All eligible customers of the period (amounts are reconciled to a total over them).
    level : Level, optional
        From `seasonal_level`; None leaves the level of the training cut-offs.
    money_unit : float
        Major units in one money unit.

    Returns
    -------
    DataFrame
        churn: ``probability``, and ``low``, ``high``: the 80 % range of levels that single training periods showed
        around the model (null with one training cut-off).
        demand, in major units: ``value`` (the mean), ``median``, ``low``, ``high`` (quantiles 50, 10 and 90 % of actual
        over predicted among the training rows of the same predicted decile, buyers and non-buyers together),
        ``expected_orders``.
    """
    raw = model.raw(features)
    moved = raw + level_shift(task, model, raw, level, money_unit=money_unit)
    if TASKS[task].kind == "binary":
        reach = NORMAL_80 * model.facts_["level_spread"]
        columns = {"probability": expit(moved), "low": expit(moved - reach), "high": expit(moved + reach)}
        return pd.DataFrame(columns, index=features.index)
    return _amounts(model, features, np.exp(raw), np.exp(moved), level)


def _amounts(
    model: Model, features: pd.DataFrame, own: np.ndarray, value: np.ndarray, level: Level | None
) -> pd.DataFrame:
    facts = model.facts_
    group = np.searchsorted(facts["decile_edges"], own, side="right")
    low, median, high = (facts["ratio_quantiles"][group] * value[:, None]).T
    expected = expected_purchases(features) * facts["orders_factor"]
    by_amount = value * facts["orders_per_amount"]
    orders = np.where(np.isfinite(expected), expected, by_amount)
    orders = orders * orders_factor(level, float(orders.sum()))
    columns = {"value": value, "median": median, "low": low, "high": high, "expected_orders": orders}
    return pd.DataFrame(columns, index=features.index)
