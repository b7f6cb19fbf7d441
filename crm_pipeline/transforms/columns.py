"""Column expressions that the transforms share: exact sums, local days, optional columns, which raw rows count. No table logic here."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import ibis
from ibis.expr.types import BooleanValue, IntegerValue, NumericValue, Table, TimestampValue, Value

from crm_pipeline.contracts.core import MARKERS, MOVED
from crm_pipeline.periods import Calendar, offsets

DAY = 86_400


def local_day(event_at: TimestampValue, period: str, calendar: Calendar) -> IntegerValue:
    """Return the day of an instant of the period in the business's time zone, as whole days since 1970-01-01.

    The zone's few changes of offset inside the period become constants, so that no engine needs to know time zones.
    """
    changes = offsets(calendar.start(period), calendar.as_of(period), ZoneInfo(calendar.timezone))
    offset: Value = ibis.literal(changes[0][1])
    if len(changes) > 1:
        offset = ibis.cases(*((event_at >= at, seconds) for at, seconds in reversed(changes[1:])), else_=changes[0][1])
    seconds = event_at.epoch_seconds()
    if len(changes) > 1 or changes[0][1]:
        seconds = seconds + offset
    return (seconds // DAY).cast("int64")


def local_time(event_at: TimestampValue, first: str, period: str, calendar: Calendar) -> TimestampValue:
    """Return an instant from the first period to the end of another as the time a clock of the business showed.

    As in `local_day`, the zone's changes of offset become constants; what lies before the first of them is taken as
    having the first offset.
    """
    changes = offsets(calendar.start(first), calendar.as_of(period), ZoneInfo(calendar.timezone))
    shifted = [event_at + ibis.interval(seconds=seconds) if seconds else event_at for _, seconds in changes]
    later = [(event_at >= at, local) for (at, _), local in zip(changes[1:], shifted[1:], strict=True)]
    return ibis.cases(*reversed(later), else_=shifted[0]) if later else shifted[0]


def whole(value: NumericValue) -> IntegerValue:
    """Cast a whole number, such as a sum, to int64.

    An engine may have made it wider (DuckDB sums to HUGEINT) or narrower (a literal) than the int64 that Ibis takes it
    for, and Ibis then drops a plain cast.
    """
    return value.cast("decimal(38, 0)").cast("int64")


def total(column: NumericValue, where: BooleanValue) -> IntegerValue:
    """Sum whole numbers under a condition; 0 where nothing meets it."""
    return whole(column.sum(where=where)).fill_null(0)


def optional(table: Table, name: str, dtype: str) -> Value:
    """Return a column, or typed nulls where the table does not have it."""
    return table[name] if name in table.columns else ibis.null(dtype)


def of_somebody(rows: Table) -> Table:
    """Return the rows that name a customer: what nobody is known of is kept, and counts for no customer."""
    return rows.filter(rows.customer_id.notnull())


def read_rows(raw: Table) -> Table:
    """Return the rows of a raw table that count as read, with ``n_``: 1, and -1 for what was moved to the period before."""
    rows = raw.filter(raw.event.notin([event for event in MARKERS if event != MOVED]))
    return rows.mutate(n_=ibis.ifelse(rows.event == MOVED, -1, 1))
