"""The sample company's clock: periods, steps, seasons, sales and campaign days. Nothing about customers belongs here.

Times are days (float) since the local midnight that starts the company's first period.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import date

import numpy as np

from crm_pipeline.errors import UsageError
from crm_pipeline.periods import Calendar

HORIZON = {"month": 3, "week": 13}
YEAR = {"month": 12, "week": 52}
END = {"month": date(2026, 7, 1), "week": date(2026, 6, 29)}
STEPS_PER_PERIOD = {"month": 4, "week": 1}
TIMEZONE = "Europe/Berlin"
CAMPAIGN_EVERY_DAYS = 30.0
FIRST_CAMPAIGN_DAY = 8.0

# Log of the shopping season in the middle of each month, January first: December is the peak, January the slump.
SEASON = np.array([-0.25, -0.20, -0.05, 0.0, 0.0, 0.05, 0.05, -0.15, 0.0, 0.10, 0.35, 0.60])
SALES = ((10, 24), (181, 195), (326, 336))  # days of the year on which everything is cheaper


@dataclass(frozen=True)
class Grid:
    """The company's span cut into periods and steps, and h periods beyond it, which only the oracle sees.

    Attributes
    ----------
    keys : tuple of str
        Keys of the periods, ``periods`` of the company and then ``horizon`` of the future.
    step_start, step_days, season, sale : ndarray of float, one per step
        Start and length of a step in days; log season; share of the step in which there is a sale.
    campaign : ndarray of int, one per step
        Number of the campaign that goes out as the step begins, or -1.
    """

    grain: str
    periods: int
    horizon: int
    keys: tuple[str, ...]
    start: date
    end: date
    period_start: np.ndarray
    step_start: np.ndarray
    step_days: np.ndarray
    season: np.ndarray
    sale: np.ndarray
    campaign: np.ndarray

    @property
    def per_period(self) -> int:
        """Steps in a period."""
        return STEPS_PER_PERIOD[self.grain]

    @property
    def steps(self) -> int:
        """Steps of the company's span, without the future."""
        return self.periods * self.per_period

    @property
    def days(self) -> float:
        """Length of the company's span in days."""
        return float(self.period_start[self.periods])

    @property
    def year(self) -> int:
        """Periods in a year."""
        return YEAR[self.grain]

    def calendar(self) -> Calendar:
        """Return the calendar of the company."""
        return Calendar(self.grain, TIMEZONE)  # type: ignore[arg-type]

    def labels(self) -> list[str]:
        """Return the names of the company's periods as files carry them (``2025-03``, ``2025-W33``)."""
        calendar = self.calendar()
        return [calendar.label(key) for key in self.keys[: self.periods]]

    def period_of(self, time: np.ndarray) -> np.ndarray:
        """Return the index of the period that holds each time (days)."""
        return np.searchsorted(self.period_start, time, side="right") - 1

    def seconds(self, time: np.ndarray) -> np.ndarray:
        """Turn days into whole local epoch seconds, between 7 and 23 o'clock.

        Shops sleep at night, and so no time falls into the hour that summer time skips. The map keeps the day and
        the order.
        """
        day = np.floor(time)
        origin = (self.start - date(1970, 1, 1)).days
        return ((day + origin) * 86_400 + 25_200 + np.floor((time - day) * 57_600)).astype(np.int64)


def make_grid(periods: int, grain: str) -> Grid:
    """Build the grid of ``periods`` complete periods that end on a fixed day.

    Raises
    ------
    UsageError
        If the grain is neither month nor week, or there is no period.
    """
    if grain not in HORIZON:
        raise UsageError(f"A sample company has periods of a 'month' or a 'week', not '{grain}'.")
    if periods < 1:
        raise UsageError(f"A sample company needs at least 1 period, found {periods}.")
    calendar, horizon = Calendar(grain, TIMEZONE), HORIZON[grain]  # type: ignore[arg-type]
    end = END[grain]
    first = calendar.shift(end.isoformat(), -periods)
    keys = tuple(calendar.shift(first, i) for i in range(periods + horizon + 1))
    start = date.fromisoformat(first)
    bounds = np.array([(date.fromisoformat(key) - start).days for key in keys], dtype=float)
    k = STEPS_PER_PERIOD[grain]
    edges = np.concatenate([np.linspace(a, b, k, endpoint=False) for a, b in itertools.pairwise(bounds)])
    days = np.diff(np.append(edges, bounds[-1]))
    season, sale = _season(start, edges + days / 2), _sale(start, edges, days)
    return Grid(grain, periods, horizon, keys[:-1], start, end, bounds, edges, days, season, sale, _campaigns(edges))


def _season(start: date, time: np.ndarray) -> np.ndarray:
    day = np.datetime64(start, "s") + (time * 86_400).astype("timedelta64[s]")
    year_start = day.astype("datetime64[Y]").astype("datetime64[s]")
    month = (day - year_start).astype(float) / 86_400 / 365.25 * 12
    return np.interp(month, np.arange(12) + 0.5, SEASON, period=12)


def _sale(start: date, edges: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Share of each step that lies in a sale, by looking at the noon of its days."""
    share = np.zeros(len(edges))
    for i, (begin, length) in enumerate(zip(edges, days, strict=True)):
        noon = np.datetime64(start) + np.arange(int(begin), int(np.ceil(begin + length))).astype("timedelta64[D]")
        of_year = (noon - noon.astype("datetime64[Y]").astype("datetime64[D]")).astype(int) + 1
        share[i] = np.mean([any(a <= d < b for a, b in SALES) for d in of_year])
    return share


def _campaigns(edges: np.ndarray) -> np.ndarray:
    """A campaign goes out with the first step that begins on or after each of its planned days."""
    number = np.full(len(edges), -1)
    planned = np.arange(FIRST_CAMPAIGN_DAY, edges[-1], CAMPAIGN_EVERY_DAYS)
    number[np.searchsorted(edges, planned)] = np.arange(len(planned))
    return number
