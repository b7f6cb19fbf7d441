"""Made companies of one kind each (growing, one cohort, shrinking, seasonal, steady): orders with known causes. No pipeline here.

Every customer buys as a Poisson process whose rate is Gamma-distributed over customers, times the season of the day, until an
exponential lifetime ends; what differs between the kinds is when customers come, and the season. Amounts are lognormal around a
level of the customer's own. The kinds are what a forecast of totals must tell apart: growth is no season, a cohort that ages no trend.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

START = date(2021, 1, 1)
MONTH = 365.25 / 12
SEASON = np.array([0.7, 0.75, 0.9, 0.95, 1.0, 0.95, 0.8, 0.75, 1.0, 1.2, 1.6, 1.9])
"""Rate of a calendar month against the mean, for the seasonal kind."""


@dataclass(frozen=True)
class Kind:
    """What makes a company of this kind: monthly growth of acquisition, months of acquisition, and whether it has a season."""

    growth: float = 0.0
    acquired_in: int | None = None
    seasonal: bool = False


KINDS = {
    "growing": Kind(growth=0.05),
    "one quarter": Kind(acquired_in=3),
    "shrinking": Kind(growth=-0.05),
    "seasonal": Kind(seasonal=True),
    "steady": Kind(),
}


def orders(kind: str, *, customers: int = 3_000, months: int = 36, seed: int = 0) -> pd.DataFrame:
    """Return the orders of a made company, in time order.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    customers, months : int
        Customers acquired over all months, and length of the history, which begins on `START`.
    seed : int
        Same seed, same company.

    Returns
    -------
    DataFrame
        order_id, customer_id, ordered_at (date), amount (major units, two places).
    """
    of, draw = KINDS[kind], np.random.default_rng([seed, list(KINDS).index(kind)])
    arriving = (1 + of.growth) ** np.arange(of.acquired_in or months, dtype=float)
    month = draw.choice(len(arriving), customers, p=arriving / arriving.sum())
    came = (month + draw.random(customers)) * MONTH
    rate = draw.gamma(0.9, 1.0 / 55, customers)
    ends = np.minimum(came + draw.exponential(1.0, customers) / draw.gamma(1.2, 1.0 / 500, customers), months * MONTH)
    peak = SEASON.max() if of.seasonal else 1.0
    tries = draw.poisson(rate * peak * (ends - came))
    who = np.repeat(np.arange(customers), tries)
    at = came[who] + draw.random(len(who)) * (ends - came)[who]
    if of.seasonal:
        kept = draw.random(len(who)) * peak < SEASON[(pd.Timestamp(START) + pd.to_timedelta(at, "D")).month - 1]
        who, at = who[kept], at[kept]
    who, at = np.r_[np.arange(customers), who], np.r_[came, at]
    level = draw.normal(3.4, 0.6, customers)
    amount = np.exp(level[who] + draw.normal(0, 0.5, len(who))).round(2)
    table = pd.DataFrame({
        "customer_id": np.char.mod("c%05d", who),
        "ordered_at": pd.Timestamp(START) + pd.to_timedelta(np.floor(at), "D"),
        "amount": np.maximum(amount, 0.01),
    }).sort_values(["ordered_at", "customer_id", "amount"], ignore_index=True)  # fmt: skip
    table.insert(0, "order_id", np.char.mod("o%07d", np.arange(len(table))))
    return table


def write_source(folder: Path, kind: str, **size: int) -> Path:
    """Write a made company as a source (``orders.csv`` and ``source.yaml``) into ``folder``; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    table = orders(kind, **size)
    table.assign(ordered_at=table["ordered_at"].dt.strftime("%Y-%m-%d")).to_csv(folder / "orders.csv", index=False)
    end = (pd.Timestamp(START) + pd.DateOffset(months=size.get("months", 36))).date()
    lines = [f"name: {kind.replace(' ', '_')}", "timezone: UTC", "currency: EUR", f"complete_through: {end}T00:00"]
    lines += ["closed: true", "synthetic: true", "tables:", "  orders:", "    files: orders.csv"]
    (folder / "source.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
