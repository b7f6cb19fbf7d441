"""The level of the coming horizon, set a priori and apart from the ranking (rule 9): a forecast of totals, and what follows from it.

A purchase process that is fitted anew at every cut-off knows how many customers there are and how fresh they are, so the
sum ``E`` of what it expects of the eligible ones follows growth, acquisition and ageing; it knows no season. With ``D`` the
purchase days that followed, the ratio D/E at past cut-offs holds what it does not know. On top of E at P come, in logs,

    season  w · mean over the years k back of ( ln D/E(P - k·y) - ln ΣD/ΣE over the last year's cut-offs )
    trend   ½ · n/(n + 200) · ln ΣD / ΣE·exp(season)  over the last third of a year's cut-offs, n their ΣD

all as ratios of sums, over cut-offs whose outcome is known at P and that have half a year of history before them (the ratios of
younger ones are ruinous). The weight w = k·τ² / (k·τ² + σ² + k/D̄) shrinks by the season's own noise: seasons are
taken to have a standard deviation of τ = 0.2 in logs, to drift by σ = 0.1 from one year to the next, and to be counted on D̄ days.

Both are judged by the same arithmetic on the cut-offs of the last year: what would have made their totals worse is
not applied, and the sentence says so. `benchmarks.levels` compares the rule with what else was tried.

- demand: purchase days, then spend by what a day is worth; every model's total is moved to that forecast.
- churn: the log-intensity of ordering moves by the season against the model's own training cut-offs, which at its base
  rate π moves the log-odds of lapsing by logit(π^exp(shift)) - logit(π): one number for all, so the ranking stays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pandas as pd

from crm_pipeline.modeling.calibration import logit
from crm_pipeline.modeling.purchases import Expected
from crm_pipeline.modeling.tasks import SEASONS_BACK
from crm_pipeline.periods import Calendar, Grain

SEASON_SD, DRIFT_SD = 0.2, 0.1
TREND_WEIGHT, TREND_DAYS = 0.5, 200.0
JUDGED_AT_LEAST = 0.75
"""Of a year's cut-offs, the share that must have been judgeable before a part of the level can be left out."""

LARGEST_SHIFT = float(np.log(2))
"""A season is never believed to more than halve or double the level."""

LARGEST_FACTOR = float(np.log(4))
"""Reconciled totals stay within a factor of four of the model's own."""


@dataclass(frozen=True)
class Level:
    """What is known at P of the level to come; plain values only, so that it can be kept as JSON.

    Attributes
    ----------
    days, orders, spend : float or None
        Forecast totals of the eligible customers in the horizon (spend in money units); None where nothing is forecast.
    season : float
        Mean log of D/E at the same season of past years, 0 where none is known or it is not applied.
    weight : float
        How far the season is believed, 0 to 1.
    ratios : dict
        Cut-off → [E, D], those known at P, by which a model's own training cut-offs are compared.
    sentence : str
        For the report and the asset's metadata.
    """

    days: float | None = None
    orders: float | None = None
    spend: float | None = None
    season: float = 0.0
    weight: float = 0.0
    ratios: dict[str, list[float]] = field(default_factory=dict)
    sentence: str = "No level is set: no cut-off with half a year of history before it is known yet."

    def of_share(self, share: float) -> Level:
        """Return the level of a fixed sample that is so much of the customers: the same, its totals so much of all."""
        totals = {name: getattr(self, name) for name in ("days", "orders", "spend")}
        return replace(self, **{name: total * share for name, total in totals.items() if total is not None})

    def shift(self, cutoffs: Sequence[str]) -> float:
        """Return by how much the log-intensity of ordering lies above that of a model's training cut-offs."""
        known = np.array([self.ratios[c] for c in cutoffs if c in self.ratios], dtype=float).reshape(-1, 2).sum(axis=0)
        if not self.weight or known.min() <= 0:
            return 0.0
        shift = self.weight * (self.season - float(np.log(known[1] / known[0])))
        return float(np.clip(shift, -LARGEST_SHIFT, LARGEST_SHIFT))


def level_to_json(level: Level) -> str:
    """Return a level as JSON text."""
    return json.dumps(asdict(level))


def level_from_json(text: str) -> Level:
    """Read what `level_to_json` wrote."""
    return Level(**json.loads(text))


class _History:
    """Expected and actual purchase days by position in time, and what the rule would have said at each."""

    def __init__(self, expected: np.ndarray, actual: np.ndarray, young: int, horizon: int, year: int) -> None:
        self.expected, self.actual = expected, actual
        self.known = np.isfinite(expected) & np.isfinite(actual) & (expected > 0) & (actual > 0)
        self.known[:young] = False
        self.horizon, self.year, self.recent = horizon, year, max(year // 3, 1)

    def before(self, at: int, count: int) -> np.ndarray:
        """Return the positions of the newest ``count`` cut-offs whose outcome is known at ``at``."""
        return np.flatnonzero(self.known[: max(at - self.horizon + 1, 0)])[-count:]

    def ratio(self, positions: np.ndarray) -> float:
        return float(np.log(self.actual[positions].sum() / self.expected[positions].sum()))

    def season(self, at: int) -> tuple[float, float, int]:
        """Return (mean log ratio of the season in past years, its weight, the years known)."""
        usual = self.before(at, self.year)
        back = [at - k * self.year for k in range(1, SEASONS_BACK + 1)]
        back = [i for i in back if i >= 0 and self.known[i]]
        if not back or not usual.size:
            return 0.0, 0.0, 0
        years, counted = len(back), float(self.actual[back].mean())
        weight = years * SEASON_SD**2 / (years * SEASON_SD**2 + DRIFT_SD**2 + years / counted)
        return float(np.mean([self.ratio(np.array([i])) for i in back])), weight, years

    def seasonal(self, at: int) -> float:
        """Return what the season adds at a position, in logs."""
        mean, weight, years = self.season(at)
        return weight * (mean - self.ratio(self.before(at, self.year))) if years else 0.0

    def trend(self, at: int, with_season: bool) -> float:
        """Return what the newest known cut-offs add at a position, in logs, beside the season or alone."""
        recent = self.before(at, self.recent)
        if not recent.size:
            return 0.0
        said = sum(self.expected[i] * (np.exp(self.seasonal(int(i))) if with_season else 1.0) for i in recent)
        days = float(self.actual[recent].sum())
        return TREND_WEIGHT * days / (days + TREND_DAYS) * float(np.log(days / said))

    def said(self, at: int, with_season: bool, with_trend: bool) -> float:
        """Return the log of forecast over expected days at a position."""
        season = self.seasonal(at) if with_season else 0.0
        return season + (self.trend(at, with_season) if with_trend else 0.0)

    def judged(self, at: int) -> tuple[bool, bool, dict[str, tuple[float, float]]]:
        """Tell whether season and trend are applied, and the mean misses (with, without) of a part that is not."""
        past = [int(i) for i in self.before(at, self.year)]
        truth = np.array([self.ratio(np.array([i])) for i in past])
        misses: dict[str, tuple[float, float]] = {}

        def better(name: str, with_it: tuple[bool, bool], without: tuple[bool, bool]) -> bool:
            own, other = (np.array([self.said(i, *how) for i in past]) for how in (with_it, without))
            had = own != other
            if had.sum() < JUDGED_AT_LEAST * self.year:
                return True
            miss = [float(np.abs(np.expm1(said - truth))[had].mean()) for said in (own, other)]
            if miss[0] > miss[1]:
                misses[name] = (miss[0], miss[1])
            return name not in misses

        season = better("season", (True, True), (False, True))
        trend = better("trend", (season, True), (season, False))
        return season, trend, misses


def season_level(
    history: pd.DataFrame,
    now: Expected,
    period: str,
    *,
    first: str,
    horizon: int,
    year: int,
    grain: Grain = "month",
) -> Level:
    """Return the level for predictions made at the end of ``period``.

    Parameters
    ----------
    history : DataFrame
        One row per known cut-off, ``outcomes/purchases``: cutoff (date or ISO text), expected_days, days, orders, spend,
        expected_spend. Cut-offs whose horizon ends after ``period`` are ignored.
    now : Expected
        What is expected of the customers eligible at the end of ``period``.
    period, first : str
        Keys of P and of the source's first period with orders.
    horizon, year : int
        Periods ahead, and periods in a year.
    """
    if history.empty or not now.days > 0:
        return Level()
    calendar = Calendar(grain)
    table = history.assign(at=[str(c)[:10] for c in history["cutoff"]]).set_index("at").sort_index()
    table = table[table.index <= calendar.shift(period, -horizon)]
    if table.empty:
        return Level()
    begin = min(table.index[0], first)
    keys = calendar.range(begin, period)
    series = table.reindex(keys)
    young = max(calendar.distance(begin, first) + year // 2, 0)
    past = _History(
        series["expected_days"].to_numpy("float64"), series["days"].to_numpy("float64"), young, horizon, year
    )
    at = len(keys) - 1
    known = past.before(at, len(keys))
    if not known.size:
        return Level()
    with_season, with_trend, misses = past.judged(at)
    mean, weight, years = past.season(at)
    season = past.seasonal(at) if with_season else 0.0
    trend = past.trend(at, with_season) if with_trend else 0.0
    days = now.days * float(np.exp(season + trend))
    recent = series.iloc[past.before(at, past.recent)]
    return Level(
        days=days,
        orders=days * float(recent["orders"].sum() / recent["days"].sum()),
        spend=days * now.spend / now.days,
        season=mean if with_season else 0.0,
        weight=weight if with_season else 0.0,
        ratios={keys[i]: [float(past.expected[i]), float(past.actual[i])] for i in known},
        sentence=_sentence(now, season, trend, years, len(recent), misses),
    )


def log_odds_shift(level: Level | None, facts: Mapping[str, object]) -> float:
    """Return what the level adds to the log-odds of lapsing, for a model with these ``facts_``."""
    rate = float(str(facts["rate"]))
    if level is None or not 0 < rate < 1:
        return 0.0
    shift = level.shift(_cutoffs(facts))
    return float(logit(rate ** np.exp(shift)) - logit(rate)) if shift else 0.0


def log_amount_shift(level: Level | None, model_total: float, money_unit: float) -> float:
    """Return what moves log amounts that sum to ``model_total`` (major units) to the level's forecast of spend."""
    if level is None or level.spend is None or not (level.spend > 0 and model_total > 0):
        return 0.0
    return float(np.clip(np.log(level.spend * money_unit / model_total), -LARGEST_FACTOR, LARGEST_FACTOR))


def orders_factor(level: Level | None, expected_orders: float) -> float:
    """Return by what expected orders that sum to ``expected_orders`` are multiplied to meet the level's forecast."""
    if level is None or level.orders is None or not (level.orders > 0 and expected_orders > 0):
        return 1.0
    return float(np.exp(np.clip(np.log(level.orders / expected_orders), -LARGEST_FACTOR, LARGEST_FACTOR)))


def _cutoffs(facts: Mapping[str, object]) -> list[str]:
    found = facts["cutoffs"]
    return [str(c) for c in found] if isinstance(found, list) else []


def _sentence(
    now: Expected, season: float, trend: float, years: int, recent: int, misses: Mapping[str, tuple[float, float]]
) -> str:
    parts = [f"The purchase process expects {now.days:,.0f} purchase days of {now.customers:,} eligible customers"]
    if "season" in misses:
        parts.append(_left_out("the season of last year", *misses["season"]))
    elif years:
        known = f"{years} season{'s' if years > 1 else ''} known"
        parts.append(f"the season changes that by {np.expm1(season):+.0%} ({known})")
    else:
        parts.append("no season is known yet")
    if "trend" in misses:
        parts.append(_left_out("the drift of the newest cut-offs", *misses["trend"]))
    else:
        drift = f"the drift of the newest {recent} known cut-offs" if recent > 1 else "the newest known cut-off"
        parts.append(f"{drift} changes that by {np.expm1(trend):+.0%}")
    return "; ".join(parts) + "."


def _left_out(what: str, with_it: float, without: float) -> str:
    return f"{what} is not applied, it would have made the totals of the last year worse ({with_it:.0%} off, {without:.0%} without)"
