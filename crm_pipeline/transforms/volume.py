"""Whether a period has about as many rows as the periods before it let expect. Counts alone: no tables, no files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

MILD = math.log(1.5)
"""Log ratio that is never worth a warning: a third fewer rows, or half as many more."""

WIDE = 3.5 * 1.4826
"""How many times the median miss of the past a count may be off."""

LEARNED = 6
"""Misses of the past that must be known before anything is said."""

FEW = 20
"""Expected rows below which nothing is said: chance alone halves and doubles such counts."""


class Volume(NamedTuple):
    """The rows of a period against what earlier periods let expect.

    Attributes
    ----------
    expected, low, high : float or None
        None where too little is known to say.
    usual : bool
        Whether the rows lie between low and high; True where nothing can be said.
    """

    rows: int
    expected: float | None
    low: float | None
    high: float | None
    usual: bool


def judge(rows: int, earlier: Sequence[int], season: int) -> Volume:
    """Hold a period's rows against the seasonal expectation of the earlier ones.

    A count is unusual when it lies far outside what spans the expectation (`expected`) and the period just before: a season that
    shifts by a few weeks, or a level that moved, is near one of the two. Far is more than 3.5 × 1.4826 × the median miss, in log
    ratio, of the earlier periods, each held against what came before it (the modified z-score of Iglewicz & Hoaglin 1993, How to
    Detect and Handle Outliers, about zero), and never less than a factor of 1.5.

    Parameters
    ----------
    rows : int
        Of the period.
    earlier : sequence of int
        Rows of the periods before it, the oldest first.
    season : int
        Periods in a year.
    """
    forecast = expected(earlier, season)
    known = range(_quarter(season), len(earlier))
    if forecast is None or forecast < FEW or len(known) < LEARNED:
        return Volume(rows, None, None, None, usual=True)
    misses = [min(abs(_log_ratio(earlier[i], e)) for e in _expectations(earlier[:i], season)) for i in known]
    limit = max(MILD, WIDE * median(misses))
    near = _expectations(earlier, season)
    low, high = min(near) * math.exp(-limit), max(near) * math.exp(limit)
    return Volume(rows, forecast, low, high, usual=low <= rows <= high)


def expected(earlier: Sequence[int], season: int) -> float | None:
    """Return the rows that a period should have by the earlier ones; None while less than a quarter of a year is known.

    From a year and a quarter on: the same period a year ago, times the last quarter over the same quarter a year ago (the
    seasonal naive forecast with growth; Hyndman & Athanasopoulos 2021, Forecasting: Principles and Practice, 5.2). Before that,
    the median of the last quarter.

    Parameters
    ----------
    earlier : sequence of int
        Rows of the periods before it, the oldest first.
    season : int
        Periods in a year.
    """
    recent = _quarter(season)
    if len(earlier) < recent:
        return None
    then = sum(earlier[-season - recent : -season]) if len(earlier) >= season + recent else 0
    if then and earlier[-season]:
        return earlier[-season] * sum(earlier[-recent:]) / then
    return float(median(earlier[-recent:]))


def _expectations(earlier: Sequence[int], season: int) -> list[float]:
    """Return what a count may be near to; a period before that is empty says nothing."""
    forecast = expected(earlier, season)
    return [float(e) for e in (forecast, earlier[-1]) if e is not None and (e or e is forecast)]


def _quarter(season: int) -> int:
    return max(3, season // 4)


def _log_ratio(rows: float, forecast: float) -> float:
    return math.log((rows + 0.5) / (forecast + 0.5))
