"""How the days of a table's events lie: its bulk, and the few rows that lie far from it. Pure; dates in, dates out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate, pairwise

STRAY = 0.02
"""At most this share of the rows, and one row at least, can be strays on each side."""

FACTOR = 3
"""A gap is far longer than usual when it is so many times the longest gap among the other days."""

ENOUGH = 10
"""Fewer gaps than these tell nothing of what is usual."""

LATE, EARLY = timedelta(days=4), timedelta(days=182)
"""No shorter gap sets late, or early, rows apart: a shop begins with few orders, it does not end with few."""


@dataclass(frozen=True)
class Strays:
    """Rows that lie far from the bulk, from ``first`` to ``last``, ``gap`` away from it."""

    rows: int
    first: date
    last: date
    gap: timedelta


@dataclass(frozen=True)
class Bulk:
    """Where the rows of a table lie.

    Attributes
    ----------
    first, last : date
        The days on which the bulk begins and ends.
    usual : timedelta or None
        The longest gap between two days of the bulk's middle; None where there are too few to tell.
    early, late : Strays or None
        What lies far before, or far after.
    """

    first: date
    last: date
    usual: timedelta | None = None
    early: Strays | None = None
    late: Strays | None = None

    def silent(self, until: date, least: timedelta) -> bool:
        """Tell whether the time from the bulk's end to ``until`` is at least ``least`` and far longer than any gap."""
        return self.usual is not None and until - self.last > max(least, FACTOR * self.usual)


def find_bulk(rows: Mapping[date, int]) -> Bulk:
    """Find the bulk of a table's rows by their days.

    The middle is what remains without the first and last 2 % of the rows (one row at least). From there outwards, the
    first gap that is more than three times the middle's longest sets apart what lies beyond.

    Parameters
    ----------
    rows : mapping of date to int
        Rows per local day; not empty.
    """
    days = sorted(rows)
    counts = [rows[day] for day in days]
    allowed = max(1, int(sum(counts) * STRAY))
    low = sum(total <= allowed for total in accumulate(counts))
    high = len(days) - 1 - sum(total <= allowed for total in accumulate(reversed(counts)))
    if high - low < ENOUGH:
        return Bulk(days[0], days[-1])
    usual = max(b - a for a, b in pairwise(days[low : high + 1]))
    far_early, far_late = max(EARLY, FACTOR * usual), max(LATE, FACTOR * usual)
    first = next((i for i in range(low, 0, -1) if days[i] - days[i - 1] > far_early), 0)
    last = next((i for i in range(high, len(days) - 1) if days[i + 1] - days[i] > far_late), len(days) - 1)
    early = Strays(sum(counts[:first]), days[0], days[first - 1], days[first] - days[first - 1]) if first else None
    late = None
    if last < len(days) - 1:
        late = Strays(sum(counts[last + 1 :]), days[last + 1], days[-1], days[last + 1] - days[last])
    return Bulk(days[first], days[last], usual, early, late)
