"""The level of the coming season, set a priori from last year's totals (rule 9). Ranking is learned elsewhere.

A model learns the mean level of its training cut-offs. What the season adds is taken from last year: with
``O(c)`` the total of the h periods after cut-off ``c``, and ``y`` periods in a year,

    ratio(P) = log O(P - y) - log mean over training cut-offs c of O(c),

averaged over the seasons known (for the one k years back, the training cut-offs move back k - 1 years too). It is
applied shrunk by ``k / (k + 1)``: half with one season known, two thirds with two. Without a year of history it is 0.

- churn: the log-intensity of ordering moves by the shrunk ratio of orders, which at the training base rate π moves
  the log-odds of lapsing by logit(π^exp(shift)) - logit(π): one number for all, so the ranking stays.
- demand: log amounts move by the shrunk ratio of spend; then, where the spend of eligible customers is known per
  cut-off, the total moves by the same weight towards last year's total of the season (the seasonal naive forecast)
  times the share of eligible customers in it.

It depends on totals of periods up to P only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pandas as pd

from crm_pipeline.modeling.calibration import logit
from crm_pipeline.periods import Calendar, Grain

LARGEST_SHIFT = float(np.log(2))
"""A season is never believed to more than halve or double the level on the word of last year alone."""

LARGEST_FACTOR = float(np.log(4))
"""Reconciled totals stay within a factor of four of the model's own."""


@dataclass(frozen=True)
class Level:
    """What last year says of the coming season.

    Attributes
    ----------
    log_orders, log_spend : float
        Shrunk shifts of the log-intensity of ordering, and of log amounts.
    seasons : int
        Past seasons they rest on.
    naive_total : float or None
        Last year's spend of the season × the eligible customers' share, in money units.
    sentence : str
        For the report and the score rows.
    evidence : dict
        The totals and ratios behind it, JSON-ready.
    """

    log_orders: float = 0.0
    log_spend: float = 0.0
    seasons: int = 0
    naive_total: float | None = None
    sentence: str = "No level shift: less than a year of history."
    evidence: dict[str, object] = field(default_factory=dict)

    @property
    def weight(self) -> float:
        """How much last year counts: k / (k + 1)."""
        return self.seasons / (self.seasons + 1)


def seasonal_level(
    totals: pd.DataFrame,
    period: str,
    training_cutoffs: Sequence[str],
    *,
    horizon: int,
    year: int,
    grain: Grain = "month",
) -> Level:
    """Return the level for predictions made at the end of ``period``.

    Parameters
    ----------
    totals : DataFrame
        One row per period up to ``period``: ``period_start`` (date or ISO text), ``n_orders``, ``spend`` (money units) of
        all customers. Optional ``eligible_spend``: what those eligible at the end of that period spent in the h periods
        after it (money units), null until known. Later rows are ignored; absent periods count as zero.
    period : str
        Key of P.
    training_cutoffs : sequence of str
        Keys of the cut-offs the model was trained on.
    horizon, year : int
        Periods ahead, and periods in a year.
    """
    calendar = Calendar(grain)
    table = totals.assign(at=[date.fromisoformat(str(p)[:10]).isoformat() for p in totals["period_start"]])
    table = table[table["at"] <= period].set_index("at")
    if table.empty or not training_cutoffs:
        return Level()
    first = min(table.index)
    keys = calendar.range(first, period)
    series = table.reindex(keys)
    now = len(keys) - 1
    trained = [calendar.distance(first, c) for c in training_cutoffs]
    ratios = {
        name: _ratios(series[column].fillna(0).to_numpy("float64"), now, trained, horizon, year)
        for name, column in (("orders", "n_orders"), ("spend", "spend"))
    }
    seasons = min(len(ratios["orders"]), len(ratios["spend"]))
    if not seasons:
        return Level()
    weight = seasons / (seasons + 1)
    shifts = {
        name: float(np.clip(weight * np.mean(found[:seasons]), -LARGEST_SHIFT, LARGEST_SHIFT))
        for name, found in ratios.items()
    }
    naive = _naive_total(series, now, trained, horizon, year)
    evidence: dict[str, object] = {
        "seasons": seasons,
        "weight": round(weight, 4),
        "log_ratio_orders": [round(r, 6) for r in ratios["orders"][:seasons]],
        "log_ratio_spend": [round(r, 6) for r in ratios["spend"][:seasons]],
        "naive_total": naive,
    }
    return Level(shifts["orders"], shifts["spend"], seasons, naive, _sentence(shifts, ratios, seasons), evidence)


def log_odds_shift(level: Level | None, rate: float) -> float:
    """Return what the level adds to the log-odds of lapsing, for a model trained at base rate ``rate``."""
    if level is None or not level.log_orders or not 0 < rate < 1:
        return 0.0
    return float(logit(rate ** np.exp(level.log_orders)) - logit(rate))


def log_amount_shift(level: Level | None, model_total: float, money_unit: float) -> float:
    """Return what the level adds to log amounts, for predictions that sum to ``model_total`` (major units).

    The seasonal shift first; then the total moves towards the seasonal naive forecast, geometrically, by `Level.weight`.
    """
    if level is None or model_total <= 0:
        return 0.0
    shift = level.log_spend
    if level.naive_total is not None and level.naive_total > 0:
        naive = np.log(level.naive_total * money_unit / model_total)
        shift = (1 - level.weight) * shift + level.weight * naive
    return float(np.clip(shift, -LARGEST_FACTOR, LARGEST_FACTOR))


def _window(values: np.ndarray, cutoff: int, horizon: int, last: int) -> float:
    """Return the total of the h periods after position ``cutoff``; nan where they are not all known by ``last``."""
    if cutoff < -1 or cutoff + horizon > last:
        return float("nan")
    return float(values[cutoff + 1 : cutoff + 1 + horizon].sum())


def _ratios(values: np.ndarray, now: int, trained: list[int], horizon: int, year: int) -> list[float]:
    """Return the log ratio of each past season, the newest first."""
    found: list[float] = []
    back = 1
    while now - back * year >= -1:
        season = _window(values, now - back * year, horizon, now)
        windows = [_window(values, c - (back - 1) * year, horizon, now) for c in trained]
        usual = np.array([w for w in windows if np.isfinite(w)])
        if not (season > 0 and usual.size and usual.mean() > 0):
            break
        found.append(float(np.log(season / usual.mean())))
        back += 1
    return found


def _naive_total(series: pd.DataFrame, now: int, trained: list[int], horizon: int, year: int) -> float | None:
    """Return last year's spend of the coming season × the mean share of it that eligible customers had."""
    if "eligible_spend" not in series.columns:
        return None
    spend, eligible = (series[c].to_numpy("float64", na_value=np.nan) for c in ("spend", "eligible_spend"))
    spend = np.nan_to_num(spend)
    season = _window(spend, now - year, horizon, now)
    shares = [eligible[c] / _window(spend, c, horizon, now) for c in trained if 0 <= c <= now - horizon]
    known = np.array([s for s in shares if np.isfinite(s)])
    if not (season > 0 and known.size):
        return None
    return float(season * known.mean())


def _sentence(shifts: dict[str, float], ratios: dict[str, list[float]], seasons: int) -> str:
    percent = {name: np.expm1(np.mean(found[:seasons])) for name, found in ratios.items()}
    years = "one season known" if seasons == 1 else f"{seasons} seasons known"
    return (
        f"Level: a year ago this season had {percent['orders']:+.0%} orders and {percent['spend']:+.0%} spend against the mean of "
        f"the training cut-offs; {years}, so {seasons}/{seasons + 1} of the logarithm is applied "
        f"(orders {np.expm1(shifts['orders']):+.0%}, spend {np.expm1(shifts['spend']):+.0%})."
    )
