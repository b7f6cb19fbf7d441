"""The rules every model is judged beside: recency, RFM, the purchase process, last season; zero and last spend.

Each is set in the simplest way on the training cut-offs only; none gets the seasonal level.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from crm_pipeline.modeling.calibration import FAMILIES, expit, logistic, logit, offset
from crm_pipeline.modeling.tasks import task

PREFIX = "baseline_"
RFM = {"recency_days": -1, "order_days_all": 1, "spend_all": 1}
"""Features of the RFM score, and whether much of one is good: a customer scores high who ordered recently, often and much."""


def looked_at(columns: Sequence[str], horizon: int) -> list[str]:
    """Return the columns of ``features/customers`` that the rules look at: those of the purchase processes, and the few by name."""
    named = {"as_of", *RFM, "orders_season_ly", "spend_season_ly", f"spend_{horizon}"}
    return [c for c in columns if c in named or c.startswith(tuple(f"{family}_" for family in FAMILIES))]


def baseline_predictions(
    name: str, training: pd.DataFrame, features: pd.DataFrame, *, horizon: int, money_unit: float = 0.0001
) -> pd.DataFrame:
    """Return what the baselines of a task say of ``features``: one column ``baseline_<name>`` each, with its index.

    Parameters
    ----------
    name : str
        The task.
    training : DataFrame
        The table the models judged beside them were trained on; may be empty.
    features : DataFrame
        One row per eligible customer, with ``as_of`` where last season's rate is to be looked up.
    horizon : int
        Periods ahead; the last ``horizon`` periods' spend is a baseline of demand.
    money_unit : float
        Major units in one money unit; amounts are returned in major units.
    """
    found = task(name).rules(training, features, horizon=horizon, money_unit=money_unit)
    return pd.DataFrame({PREFIX + rule: values for rule, values in found.items()}, index=features.index)


def lapse_rules(training: pd.DataFrame, features: pd.DataFrame, label: str) -> dict[str, np.ndarray]:
    """Return the probabilities of lapse by rule.

    ``recency`` (logistic on the log of the days since the last order), ``rfm`` (logistic on the sum of three quintile
    scores), ``purchase_process`` (as fitted), ``last_season`` (rates of those who did and did not order in last year's
    season, moved to last year's overall rate where it is known).
    """
    found: dict[str, np.ndarray] = {}
    labels = training[label].to_numpy("float64") if len(training) else np.zeros(0)
    if 0 < labels.sum() < len(labels):
        recency = [np.log1p(t["recency_days"].to_numpy("float64")) for t in (training, features)]
        found["recency"] = _one_variable_logistic(recency[0], labels, recency[1])
        cuts = [np.quantile(training[c].to_numpy("float64"), [0.2, 0.4, 0.6, 0.8]) for c in RFM]
        found["rfm"] = _one_variable_logistic(_rfm(training, cuts), labels, _rfm(features, cuts))
    process = process_log_odds(features)
    if process is not None:
        found["purchase_process"] = expit(process)
    if len(labels):
        found["last_season"] = _last_season(training, features, labels)
    return found


def process_log_odds(features: pd.DataFrame) -> np.ndarray | None:
    """Return the log-odds of no order by the purchase processes (mean of those present), None without any."""
    from crm_pipeline.modeling.estimators.purchase_process import ProcessChurn, families

    if not families(list(features.columns)) or "order_days_all" not in features.columns:
        return None
    return ProcessChurn().fit(features).raw(features)


def _rfm(table: pd.DataFrame, cuts: list[np.ndarray]) -> np.ndarray:
    """Return the RFM score, -4 to 8: the quintiles (0 to 4) of frequency and spend, less that of the days since the last order.

    The equally weighted sum of the three quintile codes (Hughes 1996, "The complete database marketer"), recency counted
    from the longest ago, up to a constant.
    """
    signed = zip(RFM.items(), cuts, strict=True)
    return np.sum([sign * np.searchsorted(cut, table[c].to_numpy("float64")) for (c, sign), cut in signed], axis=0)


def _one_variable_logistic(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return probabilities for ``new`` of a logistic regression of y on x."""
    mean, scale = x.mean(), x.std() or 1.0
    weights, _ = logistic((x - mean) / scale, y, ridge=1e-6)
    return expit(weights[0] + weights[1] * (new - mean) / scale)


def _last_season(training: pd.DataFrame, features: pd.DataFrame, labels: np.ndarray) -> np.ndarray:
    log_odds = np.full(len(features), float(logit(labels.mean())))
    column = "orders_season_ly"
    if column in training.columns and column in features.columns and features[column].notna().any():
        before, now = training[column].to_numpy("float64"), features[column].to_numpy("float64")
        for low, high in ((-np.inf, 0), (0, np.inf)):
            group = (before > low) & (before <= high)
            if group.any():
                log_odds[(now > low) & (now <= high)] = float(logit(labels[group].mean()))
    a_year_ago = _year_ago(training, features)
    if a_year_ago.any():
        log_odds = log_odds + offset(log_odds, labels[a_year_ago].mean())
    return expit(log_odds)


def _year_ago(training: pd.DataFrame, features: pd.DataFrame) -> np.ndarray:
    """Return which training rows are of the cut-off a year before the features' as_of."""
    if "as_of" not in features.columns or "as_of" not in training.columns or not len(features):
        return np.zeros(len(training), dtype=bool)
    then = pd.to_datetime(training["as_of"])
    days = (pd.Timestamp(features["as_of"].iloc[0]) - then).dt.days
    return days.between(363, 367).to_numpy()


def spend_rules(
    features: pd.DataFrame, horizon: int, money_unit: float, mean: float | None = None
) -> dict[str, np.ndarray]:
    """Return the spend by rule, in major units.

    ``zero``, ``mean`` (of the training rows, where it is known), ``last_spend`` (of the last horizon), ``last_season`` (the
    customer's own spend then), ``purchase_process`` (expected purchase days × what the customer spends on one, shrunk).
    """
    found = {"zero": np.zeros(len(features))}
    if mean is not None:
        found["mean"] = np.full(len(features), mean)
    for name, column in (("last_spend", f"spend_{horizon}"), ("last_season", "spend_season_ly")):
        if column in features.columns and features[column].notna().any():
            found[name] = np.nan_to_num(features[column].to_numpy("float64")) * money_unit
    from crm_pipeline.modeling.estimators.purchase_process import ProcessAmount, families

    if families(list(features.columns)) and {"order_days_all", "spend_all"} <= set(features.columns):
        model = ProcessAmount(money_unit=money_unit).fit(features, np.ones(len(features)))
        model.base_ = 0.0  # no total to learn: the process speaks for itself
        found["purchase_process"] = model.predict(features)
    return found
