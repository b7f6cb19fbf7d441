"""The value of a year once such outcomes exist: boosting learned from them, and both models judged. The Gamma-Gamma lies in `value`."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from crm_pipeline.modeling.customers import Customers
from crm_pipeline.modeling.evaluation import COLUMNS, evaluate
from crm_pipeline.modeling.prediction import raw_scores, said_of
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.modeling.training import Abstained, Model, fit
from crm_pipeline.modeling.value import Fitted, value_of_customers
from crm_pipeline.modeling.value_names import FIXED, LEARNED, LIKE


def learn_value(training: pd.DataFrame, *, year: int, seed: int, threads: int, money_unit: float) -> Model | Abstained:
    """Fit gradient boosting (Tweedie) on what customers spent in the year after past cut-offs.

    Parameters
    ----------
    training : DataFrame
        ``training/value``: customer_id, cutoff, as_of, spend (money units), orders, features.
    year : int
        Periods in a year.
    """
    if training.empty:
        return Abstained("No outcome of a year is known yet of customers with a year of history before.")
    return fit(LIKE, LEARNED, training, horizon=year, seed=seed, threads=threads, money_unit=money_unit)


def learned_value(model: Model, customers: Customers, money_unit: float) -> pd.Series:
    """Return what the fitted model expects each customer to spend in the year (major units), by customer_id."""
    of = the_task(LIKE)
    known = customers.only(of.looked_at(customers.columns, 0))
    said = said_of(LIKE, model, known, raw_scores({"": model}, customers)[""], None, money_unit=money_unit)
    return pd.Series(said[of.answer].to_numpy("float64"), index=known["customer_id"], name=LEARNED)


def foretold_values(
    customers: Customers,
    outcomes: pd.DataFrame,
    lifetime: pd.DataFrame,
    process: pd.DataFrame,
    fitted: Fitted,
    learned: Model | None,
    *,
    cutoff: str,
    year: int,
    money_unit: float,
) -> pd.DataFrame:
    """Return what was foretold of the year after a cut-off, beside what was spent: customers with an order in the year before.

    Parameters
    ----------
    customers : Customers
        ``features/customers`` of the cut-off.
    outcomes, lifetime, process : DataFrame
        ``lifetime/customers`` and ``features/purchase_process`` of the cut-off, and ``outcomes/value`` of the year after it.
    fitted, learned : Fitted, model or None
        The value of a purchase day, fitted on that ``lifetime``; boosting as it was fitted at the cut-off, where it was.

    Returns
    -------
    DataFrame
        customer_id, cutoff, outcome, and a column per model and baseline, major units. Baselines: ``last_spend`` (of the year
        before) and ``mean`` (of that over all).
    """
    known = customers.only([f"spend_{year}"])
    happened = outcomes.set_index("customer_id").reindex(known["customer_id"])
    said = known[["customer_id"]].assign(
        cutoff=date.fromisoformat(cutoff), outcome=the_task(LIKE).actual(happened, money_unit)
    )
    if fitted.model is not None:
        valued = value_of_customers(lifetime, process, fitted, money_unit, "").set_index("customer_id")["value"]
        said[FIXED] = valued.reindex(said["customer_id"]).fillna(0.0).to_numpy("float64")
    if learned is not None:
        said[LEARNED] = learned_value(learned, customers, money_unit).to_numpy("float64")
    last = np.nan_to_num(known[f"spend_{year}"].to_numpy("float64", na_value=np.nan)) * money_unit
    return said.assign(baseline_last_spend=last, baseline_mean=last.mean() if len(last) else np.nan)


def judge_values(said: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the metrics of `foretold_values`, as rows of an evaluation of ``value``."""
    if said.empty:
        return pd.DataFrame(columns=COLUMNS)
    return evaluate(LIKE, said, seed=seed).assign(task="value")


def with_learned(values: pd.DataFrame, learned: pd.Series | None, bands: Any, horizon: str) -> pd.DataFrame:
    """Return rows of ``scores/value`` with what boosting expects beside, and the interval that a judged year calibrated.

    Who has an order in the last year is ``scored`` where there are such bands: of others no year was judged, they stay
    ``extrapolated``.

    Parameters
    ----------
    values : DataFrame
        From `value_of_customers`.
    learned : Series or None
        From `learned_value`; its customers are those with an order in the last year, whether or not there is a model.
    bands : Bands or None
        `crm_pipeline.modeling.conformal.Bands` of the Gamma-Gamma.
    horizon : str
        A year in words.
    """
    none = np.full(len(values), np.nan)
    beside = none if learned is None else learned.reindex(values["customer_id"]).to_numpy("float64")
    rows = values.assign(value_learned=beside, low=none, high=none)
    if bands is None or learned is None:
        return rows
    judged = values["customer_id"].isin(learned.index) & values["value"].notna()
    low, _, high = bands.of(values["value"].fillna(0.0).to_numpy("float64")).T
    reason = f"judged on {bands.rows:,} customers over the {horizon} before, with its interval"
    return rows.assign(
        low=np.where(judged, low, np.nan),
        high=np.where(judged, high, np.nan),
        status=values["status"].where(~judged, "scored"),
        status_reason=values["status_reason"].where(~judged, reason),
    )
