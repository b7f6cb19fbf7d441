"""SQL that turns times of a zone into UTC and back, a dozen times faster than the engine's own. No reading of values here.

The engine asks its calendar for every single time. Of the latest `YEARS` the zone's changes of offset stand in the query instead, as
a tree of comparisons; earlier times are left to the engine.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from crm_pipeline.engine import literal
from crm_pipeline.periods import offsets

YEARS = 8
"""Up to the end of this one: so many changes take less to plan than they save on a small file."""


def local_sql(utc: str, timezone: str) -> str:
    """Return a UTC-naive time as the local time of a zone; ``utc`` is a column, for it is named often."""
    if timezone == "UTC":
        return utc
    slow = f"({utc} AT TIME ZONE 'UTC' AT TIME ZONE {literal(timezone)})"
    until = _until()
    leaves = [(at, _shifted(utc, seconds)) for at, seconds in _offsets(timezone, until)]
    return _tree(utc, [(datetime.min, slow), *leaves, (until, slow)])


def utc_sql(local: str, timezone: str) -> str:
    """Return a local time of a zone as UTC-naive; ``local`` is a column, for it is named often.

    Of an hour that the clocks show twice it is the later one, of one that they skip the offset before it: as the engine does.
    """
    if timezone == "UTC":
        return local
    slow = f"({local} AT TIME ZONE {literal(timezone)} AT TIME ZONE 'UTC')"
    until = _until()
    known = _offsets(timezone, until)
    leaves = [(at + timedelta(seconds=seconds), _shifted(local, -seconds)) for at, seconds in known]
    return _tree(local, [(datetime.min, slow), *leaves, (until + timedelta(seconds=known[-1][1]), slow)])


def _shifted(value: str, seconds: int) -> str:
    return f"{value} {'+' if seconds > 0 else '-'} INTERVAL {abs(seconds)} SECOND" if seconds else value


def _tree(value: str, leaves: Sequence[tuple[datetime, str]]) -> str:
    """Return the expression that holds from each time on, by halving."""
    if len(leaves) == 1:
        return leaves[0][1]
    middle = len(leaves) // 2
    before, after = _tree(value, leaves[:middle]), _tree(value, leaves[middle:])
    return f"CASE WHEN {value} < TIMESTAMP '{leaves[middle][0]}' THEN {before} ELSE {after} END"


def _until() -> datetime:
    return datetime(datetime.now(UTC).year + 1, 1, 1)


@functools.cache
def _offsets(timezone: str, until: datetime) -> tuple[tuple[datetime, int], ...]:
    """Return (UTC instant, seconds east of UTC from then on) for `YEARS` before a time, and each change up to it."""
    return tuple(offsets(until.replace(year=until.year - YEARS), until, ZoneInfo(timezone)))
