"""The level of the coming season, set a priori from last year's totals (rule 9). Ranking is learned elsewhere.

A model learns the mean level of the cut-offs it was trained on. What the coming season adds is taken from last year:
with ``O(c)`` the total of the h periods after cut-off ``c``, and ``y`` periods in a year,

    ratio = log O(P - y) - log mean over the model's training cut-offs c of O(c),

averaged over the seasons known (for the one k years back, the training cut-offs move back k - 1 years too). It is
applied shrunk by ``k / (k + 1)``: half with one season known, two thirds with two. Without a year of history it is 0.

- churn: the log-intensity of ordering moves by the shrunk ratio of orders, which at the model's base rate π moves the
  log-odds of lapsing by logit(π^exp(shift)) - logit(π): one number for all, so the ranking stays.
- demand: log amounts move by the shrunk ratio of spend; then, where the spend of eligible customers is known per
  cut-off, the total moves by the same weight towards last year's total of the season (the seasonal naive forecast)
  times the share of eligible customers in it.

It depends on totals of periods up to P only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

KINDS = {"orders": "n_orders", "spend": "spend"}


@dataclass(frozen=True)
class Level:
    """What past years say of the coming season; plain values only, so that it can be kept as JSON.

    Attributes
    ----------
    season : dict
        ``orders`` and ``spend`` (money units) of the coming season one, two, ... years ago.
    windows : dict
        Cut-off → ``orders`` and ``spend``: totals of the h periods after it, and after the same cut-off one, two, ...
        years earlier (null where not known).
    naive_total : float or None
        Last year's spend of the season × the eligible customers' share of it, in money units.
    sentence : str
        For the report and the asset's metadata.
    """

    season: dict[str, list[float]] = field(default_factory=dict)
    windows: dict[str, dict[str, list[float | None]]] = field(default_factory=dict)
    naive_total: float | None = None
    sentence: str = "No level shift: less than a year of history."

    def shift(self, kind: str, cutoffs: Sequence[str]) -> tuple[float, int]:
        """Return the shrunk log ratio of ``orders`` or ``spend`` against these training cut-offs, and the seasons known."""
        ratios = []
        for back, season in enumerate(self.season.get(kind, [])):
            known = [self.windows[c][kind] for c in cutoffs if c in self.windows]
            usual = np.array([w[back] for w in known if back < len(w) and w[back] is not None], dtype=float)
            if not (season > 0 and usual.size and usual.mean() > 0):
                break
            ratios.append(float(np.log(season / usual.mean())))
        if not ratios:
            return 0.0, 0
        shrunk = len(ratios) / (len(ratios) + 1) * float(np.mean(ratios))
        return float(np.clip(shrunk, -LARGEST_SHIFT, LARGEST_SHIFT)), len(ratios)


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
        One row per period up to ``period``: ``period_start`` (date or ISO text), ``n_orders``, ``spend`` (money units)
        of all customers. Optional ``eligible_spend``: what those eligible at the end of that period spent in the h
        periods after it (money units), null until known. Later rows are ignored; absent periods count as zero.
    period : str
        Key of P.
    training_cutoffs : sequence of str
        Keys of the cut-offs that models may be trained on; each model uses those it was trained on.
    horizon, year : int
        Periods ahead, and periods in a year.
    """
    if totals.empty or not training_cutoffs:
        return Level()
    calendar = Calendar(grain)
    table = totals.assign(at=[str(p)[:10] for p in totals["period_start"]])
    table = table[table["at"] <= period].set_index("at")
    if table.empty:
        return Level()
    first = min(table.index)
    series = table.reindex(calendar.range(first, period))
    now = len(series) - 1
    values = {kind: series[column].fillna(0).to_numpy("float64") for kind, column in KINDS.items()}
    years = range(1, (now + 1) // year + 1)
    season = {k: [_window(v, now - b * year, horizon, now) or 0.0 for b in years] for k, v in values.items()}
    at = {c: calendar.distance(first, date.fromisoformat(c).isoformat()) for c in training_cutoffs}
    windows = {
        c: {k: [_window(v, position - (b - 1) * year, horizon, now) for b in years] for k, v in values.items()}
        for c, position in at.items()
    }
    level = Level(season, windows, _naive_total(series, now, list(at.values()), horizon, year))
    return Level(season, windows, level.naive_total, _sentence(level, training_cutoffs))


def log_odds_shift(level: Level | None, facts: Mapping[str, object]) -> float:
    """Return what the level adds to the log-odds of lapsing, for a model with these ``facts_``."""
    rate = float(str(facts["rate"]))
    if level is None or not 0 < rate < 1:
        return 0.0
    shift, _ = level.shift("orders", _cutoffs(facts))
    return float(logit(rate ** np.exp(shift)) - logit(rate)) if shift else 0.0


def log_amount_shift(level: Level | None, facts: Mapping[str, object], model_total: float, money_unit: float) -> float:
    """Return what the level adds to log amounts, for predictions that sum to ``model_total`` (major units).

    The seasonal shift first; then the total moves towards the seasonal naive forecast by k / (k + 1), in logs.
    """
    if level is None or model_total <= 0:
        return 0.0
    shift, seasons = level.shift("spend", _cutoffs(facts))
    if seasons and level.naive_total is not None and level.naive_total > 0:
        weight = seasons / (seasons + 1)
        naive = float(np.log(level.naive_total * money_unit / model_total))
        shift = (1 - weight) * shift + weight * naive
    return float(np.clip(shift, -LARGEST_FACTOR, LARGEST_FACTOR))


def orders_factor(level: Level | None, facts: Mapping[str, object]) -> float:
    """Return by what expected orders are multiplied."""
    return float(np.exp(level.shift("orders", _cutoffs(facts))[0])) if level is not None else 1.0


def _cutoffs(facts: Mapping[str, object]) -> list[str]:
    found = facts["cutoffs"]
    return [str(c) for c in found] if isinstance(found, list) else []


def _window(values: np.ndarray, cutoff: int, horizon: int, last: int) -> float | None:
    """Return the total of the h periods after position ``cutoff``, None where they are not all known."""
    if cutoff < -1 or cutoff + horizon > last:
        return None
    return float(values[cutoff + 1 : cutoff + 1 + horizon].sum())


def _naive_total(series: pd.DataFrame, now: int, trained: list[int], horizon: int, year: int) -> float | None:
    """Return last year's spend of the coming season × the mean share of it that eligible customers had."""
    if "eligible_spend" not in series.columns:
        return None
    spend, eligible = (series[c].to_numpy("float64", na_value=np.nan) for c in ("spend", "eligible_spend"))
    spend = np.nan_to_num(spend)
    season = _window(spend, now - year, horizon, now)
    windows = {c: _window(spend, c, horizon, now) for c in trained if c >= 0}
    known = [eligible[c] / window for c, window in windows.items() if window and np.isfinite(eligible[c])]
    return float(season * np.mean(known)) if season and known else None


def _sentence(level: Level, cutoffs: Sequence[str]) -> str:
    (orders, seasons), (spend, _) = level.shift("orders", cutoffs), level.shift("spend", cutoffs)
    if not seasons:
        return Level.sentence
    whole = (seasons + 1) / seasons
    years = "one season known" if seasons == 1 else f"{seasons} seasons known"
    return (
        f"Level: the coming season had {np.expm1(whole * orders):+.0%} orders and {np.expm1(whole * spend):+.0%} spend last "
        f"year against the mean of the {len(cutoffs)} training cut-offs; {years}, so {seasons}/{seasons + 1} of the logarithm "
        f"is applied (orders {np.expm1(orders):+.0%}, spend {np.expm1(spend):+.0%}; a model trained on fewer cut-offs "
        "applies the ratio to its own)."
    )
