"""What every customer is worth over the next year: purchase process × Gamma-Gamma. Extrapolated; nothing is learned from outcomes.

The purchase process is fitted with the features, in `crm_pipeline.modeling.purchase_process`; the value of a purchase day here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from crm_pipeline.modeling.purchase_process.features import YEAR, customer_rank
from crm_pipeline.modeling.purchase_process.gamma_gamma import GammaGamma, fit_gamma_gamma

BUYERS, REPEATERS = 50, 20
"""Fewest customers with an order, and with two purchase days or more, for which the spread of spend is estimated."""

DEPENDENT = 0.3
"""Rank correlation of frequency and mean spend above which the model's assumption that they are independent is said not to hold."""


class Fitted(NamedTuple):
    """A fitted value of a purchase day, or why there is none.

    Attributes
    ----------
    model : GammaGamma or None
    reason : str
        One sentence on what it was fitted on, or what is missing.
    correlation, rank_correlation : float
        Of purchase days and mean spend on one, over customers with two or more: Pearson's and Spearman's; nan where it is undefined.
    """

    model: GammaGamma | None
    reason: str
    correlation: float = float("nan")
    rank_correlation: float = float("nan")


def fit_value_of_a_day(lifetime: pd.DataFrame, money_unit: float, sample: int, seed: int) -> Fitted:
    """Fit the Gamma-Gamma on all purchase days of a fixed sample of customers.

    Parameters
    ----------
    lifetime : DataFrame
        customer_id, order_days, spend (money units).
    money_unit : float
        Major units in one money unit.
    sample : int
        Most customers the fit uses: by a hash of customer_id and ``seed``, whatever the order of rows.
    """
    known = lifetime[(lifetime["order_days"] > 0) & (lifetime["spend"] > 0)]
    days = known["order_days"].to_numpy("float64")
    if len(known) < BUYERS or (days > 1).sum() < REPEATERS:
        return Fitted(
            None,
            f"{len(known):,} customers with an order, {int((days > 1).sum()):,} of them with two purchase days; "
            f"at least {BUYERS} and {REPEATERS} are needed.",
        )
    chosen = np.argsort(customer_rank(known["customer_id"], seed), kind="stable")[:sample]
    days, spend = days[chosen], known["spend"].to_numpy("float64")[chosen] * money_unit
    model = fit_gamma_gamma(days, spend / days)
    correlation, ranks = _correlations(days, spend / days)
    told = f"Purchase days and mean spend on one: correlation {correlation:.2f}, of ranks {ranks:.2f}, over customers with two or more."
    if abs(ranks) > DEPENDENT:
        told += " The Gamma-Gamma takes them for independent: read values of single customers with care."
    return Fitted(model, told, correlation, ranks)


def _correlations(days: np.ndarray, mean: np.ndarray) -> tuple[float, float]:
    """Return Pearson's and Spearman's correlation among customers with two purchase days or more."""
    again = pd.DataFrame({"days": days, "mean": mean})[days > 1]
    if len(again) < 3 or again.nunique().min() < 2:
        return float("nan"), float("nan")
    return float(again.corr().iloc[0, 1]), float(again.rank().corr().iloc[0, 1])


def value_of_customers(
    lifetime: pd.DataFrame, process: pd.DataFrame, fitted: Fitted, money_unit: float, reason: str
) -> pd.DataFrame:
    """Return the value of every customer of ``lifetime``, in its order: the columns of ``scores/value`` that speak of a customer.

    Parameters
    ----------
    lifetime : DataFrame
        customer_id, order_days, spend (money units).
    process : DataFrame
        ``features/purchase_process`` of the same customers.
    fitted : Fitted
    money_unit : float
    reason : str
        Why a value is extrapolated.
    """
    rows = lifetime.merge(process[["customer_id", *YEAR]], on="customer_id", how="left", validate="one_to_one")
    days, spend = rows["order_days"].to_numpy("float64", na_value=0.0), rows["spend"].to_numpy("float64", na_value=0.0)
    known = (days > 0) & (spend > 0)
    per_day = np.full(len(rows), np.nan)
    if fitted.model is not None:
        per_day[known] = fitted.model.expected_mean(days[known], spend[known] * money_unit / days[known])
    expected = rows[list(YEAR)].to_numpy("float64").mean(axis=1)
    value = expected * per_day
    valued = np.isfinite(value)
    unfitted = "The value of a purchase day was not fitted: " + fitted.reason
    why = np.select([valued, known], [0, 1], 2)  # a NumPy array of sentences takes four bytes a letter and row
    return pd.DataFrame(
        {
            "customer_id": rows["customer_id"],
            "status": _said(why, ["extrapolated", "abstained", "abstained"]),
            "status_reason": _said(why, [reason, unfitted, "never ordered with a positive amount"]),
            "value": value,
            "expected_days": np.where(known, expected, np.nan),
            "spend_per_day": per_day,
            "percentile": pd.Series(value).rank(pct=True) * 100,
            "value_basis": pd.Series("revenue", index=rows.index).where(valued),
        }
    )


def _said(which: np.ndarray, texts: list[str]) -> pd.Series:
    import pyarrow as pa

    return pd.Series(pa.array(texts, pa.string()).take(pa.array(which)).to_numpy(zero_copy_only=False), dtype="str")
