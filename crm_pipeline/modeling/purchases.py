"""What the purchase process expected of all eligible customers, beside what they did: the evidence of the level. No level here."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import ibis
import numpy as np
import pandas as pd

from crm_pipeline.engine import frame
from crm_pipeline.modeling.purchase_process import fit_mbg_nbd
from crm_pipeline.modeling.purchase_process.features import customer_rank
from crm_pipeline.periods import Calendar

EPOCH = date(1970, 1, 1)

PRIOR_DAYS = 2.0
"""How many purchase days of the average customer stand beside the customer's own in the value of a day."""


EXPECTED_FROM = ("customer_id", "mbg_expected_orders", "spend_all", "order_days_all")
"""Columns of ``features/customers`` that `expected_of` reads."""


class Expected(NamedTuple):
    """Sums over eligible customers, as of one moment.

    Attributes
    ----------
    customers : int
    days : float
        Purchase days expected in the horizon (MBG/NBD).
    spend : float
        Those days × what each customer spends on one, money units.
    """

    customers: int
    days: float
    spend: float


def value_of_a_day(spend: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Return what each customer (n,) spends on a purchase day, shrunk to all: (spend + k·m) / (days + k), k = `PRIOR_DAYS`.

    m is the mean over all purchase days: the form of the Gamma-Gamma model's expectation (Fader, Hardie & Lee 2005).
    """
    mean = float(spend.sum()) / max(float(days.sum()), 1.0)
    return (spend + PRIOR_DAYS * mean) / (days + PRIOR_DAYS)


def expected_of(features: pd.DataFrame) -> Expected:
    """Return what is expected of the customers of ``features/customers``; the sums are nan without a purchase process."""
    ordered = features.sort_values("customer_id")
    if ordered.empty:
        return Expected(0, float("nan"), float("nan"))
    expected, spend, days = (ordered[name].to_numpy("float64") for name in EXPECTED_FROM[1:])
    return Expected(len(ordered), float(expected.sum()), float((expected * value_of_a_day(spend, days)).sum()))


def purchases(
    lifetime: pd.DataFrame,
    since: pd.DataFrame,
    *,
    as_of_day: int,
    eligible_from_day: int,
    horizon_days: int,
    sample: int,
    seed: int,
) -> dict[str, int | float]:
    """Return what a sample of the eligible customers was expected to buy, and bought.

    Parameters
    ----------
    lifetime : DataFrame
        ``lifetime/customers`` at the cut-off: customer_id, first_day, last_day, order_days, spend; only customers who ordered.
    since : DataFrame
        What they did in the horizon after: customer_id, order_days, n_orders, spend.
    as_of_day, eligible_from_day : int
        Days since 1970-01-01: the first day after the cut-off, and the first on which a last order makes eligible.
    horizon_days : int
    sample, seed : int
        Most customers looked at: a fixed choice by a hash of customer_id, the same at every cut-off.

    Returns
    -------
    dict
        customers, expected_days, expected_spend (money units), days, orders, spend (money units), of the eligible ones.
    """
    known = lifetime[lifetime["customer_id"].isin(chosen_of(lifetime["customer_id"], sample, seed))]
    known = known.sort_values("customer_id", key=lambda ids: customer_rank(ids, seed), kind="stable")
    first, last, days, spend = (
        known[name].to_numpy("float64") for name in ("first_day", "last_day", "order_days", "spend")
    )
    who = (days - 1, last - first, as_of_day - first)
    eligible = last >= eligible_from_day
    expected = fit_mbg_nbd(*who).expected_purchases(horizon_days, *(column[eligible] for column in who))
    value = value_of_a_day(spend[eligible], days[eligible])
    did = since.set_index("customer_id").reindex(known["customer_id"][eligible])
    return {
        "customers": int(eligible.sum()),
        "expected_days": float(expected.sum()),
        "expected_spend": float((expected * value).sum()),
        "days": int(did["order_days"].sum()),
        "orders": int(did["n_orders"].sum()),
        "spend": int(did["spend"].sum()),
    }


def purchases_table(
    lifetime: ibis.Table | None,
    orders_since: ibis.Table,
    cutoff: str,
    *,
    calendar: Calendar,
    horizon: int,
    eligibility: int,
    sample: int,
    seed: int,
) -> pd.DataFrame:
    """Return ``outcomes/purchases`` of a cut-off: `purchases` as one row, none where nobody was eligible.

    Parameters
    ----------
    lifetime : Table or None
        ``lifetime/customers`` at the cut-off; None before the source's first period.
    orders_since : Table
        ``activity/orders`` of the horizon after it.
    cutoff : str
        Key of the cut-off's period.
    calendar, horizon, eligibility : Calendar, int, int
        Horizon and eligibility in periods.
    sample, seed : int
        As in `purchases`.
    """
    if lifetime is None:
        return pd.DataFrame()
    columns = ["customer_id", "first_day", "last_day", "order_days", "spend"]
    ordered = lifetime.filter(lifetime.order_days > 0).select(columns)
    ids = frame(ordered.select("customer_id"))["customer_id"]
    chosen = ibis.memtable(
        pd.DataFrame({"customer_id": chosen_of(ids, sample, seed)}), schema={"customer_id": "string"}
    )
    known = frame(ordered.semi_join(chosen, "customer_id").order_by("customer_id"))
    bought = orders_since.filter(orders_since.n_orders > 0).semi_join(chosen, "customer_id")
    sums = {name: bought[name].sum() for name in ("order_days", "n_orders", "spend")}
    as_of, end = (_day(calendar.end_date(calendar.shift(cutoff, i))) for i in (0, horizon))
    row = purchases(
        known,
        frame(bought.group_by("customer_id").aggregate(**sums)),
        as_of_day=as_of,
        eligible_from_day=_day(date.fromisoformat(calendar.shift(cutoff, 1 - eligibility))),
        horizon_days=end - as_of,
        sample=sample,
        seed=seed,
    )
    return pd.DataFrame([{"cutoff": date.fromisoformat(cutoff), **row}] if row["customers"] else [])


def chosen_of(customers: pd.Series, sample: int, seed: int) -> pd.Series:
    """Return the customers who are looked at: at most ``sample``, by a hash of customer_id and ``seed``, in its order."""
    ordered = customers.sort_values(ignore_index=True)
    return ordered.iloc[np.argsort(customer_rank(ordered, seed), kind="stable")[:sample]]


def _day(day: date) -> int:
    return (day - EPOCH).days
