"""Which periods a source spans and covers whole, table by table, from the days of its events. No files are read here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from crm_pipeline.periods import Calendar
from crm_pipeline.sources.days import Bulk, Strays, find_bulk
from crm_pipeline.sources.index import Index, TableIndex
from crm_pipeline.sources.spec import REQUIRED_TABLES, Source
from crm_pipeline.sources.state import TableSpan


@dataclass(frozen=True)
class Covered:
    """What a source covers.

    Attributes
    ----------
    first, last : str
        Keys of the first and last period in which anything happened (customers alone open none at the beginning).
    complete : datetime
        The moment (UTC) to which the orders are complete.
    complete_until : str or None
        Key of the last period that they cover whole.
    tables : dict of str to TableSpan
        By table with times.
    warnings : list of str
        One sentence each.
    """

    first: str
    last: str
    complete: datetime
    complete_until: str | None
    tables: dict[str, TableSpan]
    warnings: list[str] = field(default_factory=list)


def covered(index: Index, source: Source, calendar: Calendar, horizon: int) -> Covered:
    """Find the span of a source, and to when its orders are complete.

    Outcomes ask about orders, so the orders (or their lines) alone decide what is complete: to the ``complete_through``
    of the source, else to the end of the last day of their bulk. Neither a few rows dated far ahead nor the rows of
    another table complete a period, nor does ``complete_through`` after a silence of more than ``horizon`` periods that
    is far longer than any before.
    """
    bulks = {name: find_bulk(days) for name, table in index.tables.items() if (days := _days(table))}
    asked = next(name for name in REQUIRED_TABLES if name in bulks)
    times = [(n, r) for n, t in index.tables.items() for r in t.records.values() if r.first_at and r.last_at]
    first = _period(min(r.first_at or "" for n, r in times if n != "customers"), calendar)
    last = _period(max(r.last_at or "" for _, r in times), calendar)
    keys = calendar.range(first, last)
    complete, warnings = _complete(bulks[asked], asked, source, calendar, horizon)

    def whole(through: datetime) -> str | None:
        return next((p for p in reversed(keys) if calendar.as_of(p) <= through), None)

    begins = calendar.key(bulks[asked].first)
    tables = {}
    for name, bulk in bulks.items():
        through = complete if name == asked else source.complete_through or _end_of(bulk.last, calendar)
        tables[name] = TableSpan(
            bulk.first.isoformat(), bulk.last.isoformat(), _known_from(bulk.first, begins, calendar), whole(through)
        )
        warnings += _told_of_strays(name, bulk, source)
    return Covered(first, last, complete, whole(complete), tables, warnings)


def _days(table: TableIndex) -> dict[date, int]:
    total: Counter[str] = Counter()
    for record in table.records.values():
        total.update(record.days)
    return {date.fromisoformat(day): rows for day, rows in total.items()}


def _known_from(first: date, begins: str, calendar: Calendar) -> str:
    """Return the first period over which a table tells everything.

    With the table that is asked about, the data begin: its first period counts. A table that begins later tells
    nothing of the days before its first one.
    """
    key = calendar.key(first)
    return key if key <= begins or key == first.isoformat() else calendar.shift(key, 1)


def _complete(bulk: Bulk, table: str, source: Source, calendar: Calendar, horizon: int) -> tuple[datetime, list[str]]:
    given, end = source.complete_through, _end_of(bulk.last, calendar)
    if given is None:
        return end, []
    until = _local(given - timedelta(microseconds=1), calendar).date()
    least = date.fromisoformat(calendar.shift(calendar.key(until), horizon)) - date.fromisoformat(calendar.key(until))
    if not bulk.silent(until, least):
        return given, []
    said = (
        f"{source.path} says complete_through {source.model.complete_through}, but {table} end on {bulk.last}, "
        f"{(until - bulk.last).days} days earlier, and before there were never so many days without one: the data are taken "
        f"as complete until {bulk.last}. Add the rows that are missing; --through scores a later period all the same."
    )
    return end, [said]


def _told_of_strays(name: str, bulk: Bulk, source: Source) -> list[str]:
    found = []
    if bulk.early is not None and name != "customers":
        found.append(
            f"{_rows(name, bulk.early)} {bulk.early.gap.days:,} days before the others, which begin on {bulk.first}: "
            f"every period since is built. Mend the dates, or give 'begins: {bulk.first}' in {source.path}, "
            "and earlier rows are kept in rejects."
        )
    if bulk.late is not None:
        effect = ""
        if name in REQUIRED_TABLES:
            effect = f"they complete no period, the data are taken as complete until {bulk.last}. "
            if source.complete_through is not None:
                effect = "complete_through alone says what is complete. "
        found.append(
            f"{_rows(name, bulk.late)} {bulk.late.gap.days:,} days after the others, which end on {bulk.last}: {effect}"
            f"Mend the dates, or give 'complete_through:' in {source.path} where they are right."
        )
    return found


def _rows(name: str, strays: Strays) -> str:
    dated = f"{strays.first}" if strays.first == strays.last else f"{strays.first} to {strays.last}"
    return f"{strays.rows:,} row{'s' if strays.rows != 1 else ''} of {name}, dated {dated}, lie{'s' if strays.rows == 1 else ''}"


def _period(utc: str, calendar: Calendar) -> str:
    return calendar.key(_local(datetime.fromisoformat(utc), calendar).date())


def _local(utc: datetime, calendar: Calendar) -> datetime:
    return utc.replace(tzinfo=UTC).astimezone(ZoneInfo(calendar.timezone))


def _end_of(day: date, calendar: Calendar) -> datetime:
    return calendar.utc(day + timedelta(days=1))
