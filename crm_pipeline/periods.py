"""Calendar periods: keys, starts, ends and arithmetic for months and weeks, and a zone's offsets. No data access belongs here.

A period's *key* is the ISO date of its first day (``"2011-08-01"``); its *as_of* is its end, the first
instant of the next period, in the business's time zone. Ends are half-open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from crm_pipeline.errors import UsageError

Grain = Literal["month", "week"]


@dataclass(frozen=True)
class Calendar:
    """Maps between period keys, dates and UTC instants for one grain and one time zone.

    Parameters
    ----------
    grain : {"month", "week"}
        Weeks start on Monday.
    timezone : str
        IANA name of the business's time zone, in which a day, and so a period, begins and ends.
    """

    grain: Grain = "month"
    timezone: str = "UTC"

    def key(self, day: date) -> str:
        """Return the key of the period that contains the local date ``day``."""
        if self.grain == "month":
            return day.replace(day=1).isoformat()
        return (day - timedelta(days=day.weekday())).isoformat()

    def holds(self, key: str) -> bool:
        """Tell whether a text is the key of a period of this grain."""
        try:
            return self.key(date.fromisoformat(key)) == key
        except ValueError:
            return False

    def shift(self, key: str, n: int) -> str:
        """Return the key ``n`` periods later (earlier when negative)."""
        day = date.fromisoformat(key)
        if self.grain == "week":
            return (day + timedelta(weeks=n)).isoformat()
        months = day.year * 12 + day.month - 1 + n
        return date(months // 12, months % 12 + 1, 1).isoformat()

    def distance(self, first: str, last: str) -> int:
        """Return how many periods ``last`` lies after ``first``."""
        a, b = date.fromisoformat(first), date.fromisoformat(last)
        if self.grain == "week":
            return (b - a).days // 7
        return (b.year - a.year) * 12 + b.month - a.month

    def range(self, first: str, last: str) -> list[str]:
        """Return all keys from ``first`` to ``last``, both included, in order."""
        return [self.shift(first, i) for i in range(self.distance(first, last) + 1)]

    def last_of_block(self, key: str, n: int) -> str:
        """Return the newest period up to ``key`` that is the last of a block of ``n``: of 3 months a quarter, of 12 a year.

        Weeks are counted from that of 1970-01-01.
        """
        first = self.key(date(1970, 1, 1))
        return self.shift(key, -((self.distance(first, key) + 1) % n))

    def end_date(self, key: str) -> date:
        """Return the local date on which the period is over: the first day of the next one."""
        return date.fromisoformat(self.shift(key, 1))

    def utc(self, day: date) -> datetime:
        """Return the UTC instant (naive) at which the local ``day`` begins."""
        local = datetime.combine(day, time(), ZoneInfo(self.timezone))
        return local.astimezone(UTC).replace(tzinfo=None)

    def start(self, key: str) -> datetime:
        """Return the UTC instant (naive) at which the period begins."""
        return self.utc(date.fromisoformat(key))

    def as_of(self, key: str) -> datetime:
        """Return the UTC instant (naive) at which the period ends: everything known at it is earlier."""
        return self.utc(self.end_date(key))

    def parse(self, text: str) -> str:
        """Return the key for what a person types: ``2011-08``, ``2011-08-15`` or ``2011-W33``.

        Raises
        ------
        UsageError
            If the text is no period.
        """
        text = text.strip()
        try:
            if re.fullmatch(r"\d{4}-\d{2}", text):
                return self.key(date.fromisoformat(text + "-01"))
            if re.fullmatch(r"\d{4}-W\d{1,2}", text):
                year, week = text.split("-W")
                return self.key(date.fromisocalendar(int(year), int(week), 1))
            return self.key(date.fromisoformat(text))
        except ValueError:
            raise UsageError(
                f"'{text}' is not a period: write a month as 2011-08, a week as 2011-W33, or any day in it as 2011-08-15."
            ) from None

    def label(self, key: str) -> str:
        """Return the short name people use: ``2011-08``, or ``2011-W33`` for a week."""
        if self.grain == "month":
            return key[:7]
        year, week, _ = date.fromisoformat(key).isocalendar()
        return f"{year}-W{week:02d}"


def offsets(start: datetime, end: datetime, zone: ZoneInfo) -> list[tuple[datetime, int]]:
    """Return (UTC instant, seconds east of UTC from then on) for the start and each change up to the end."""

    def seconds(at: datetime) -> int:
        shift = at.replace(tzinfo=UTC).astimezone(zone).utcoffset()
        return int(shift.total_seconds()) if shift else 0

    found = [(start, seconds(start))]
    at = start
    while at < end:
        until = at + timedelta(days=1)
        if seconds(until) != found[-1][1]:
            low, high = at, until
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=(high - low).total_seconds() // 2)
                low, high = (middle, high) if seconds(middle) == found[-1][1] else (low, middle)
            found.append((high, seconds(high)))
        at = until
    return found
