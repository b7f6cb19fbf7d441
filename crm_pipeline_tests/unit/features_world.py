"""A tiny company for the tests of features: orders in a list, run through activity, lifetime and features by period."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import ibis
import pandas as pd
from ibis.backends import BaseBackend

from crm_pipeline.periods import Calendar
from crm_pipeline.transforms import activity, features, lifetime

FIRST = date(2019, 1, 1)
SCHEMA = {
    "order_id": "string",
    "customer_id": "string",
    "event": "string",
    "event_at": "timestamp",
    "amount": "int64",
    "discount": "int64",
    "channel": "string",
}


@dataclass(frozen=True)
class Order:
    """An event of an order, ``minute`` minutes after 2019-01-01 00:00 UTC."""

    customer: str
    minute: int
    amount: int = 100_000
    event: str = "placed"
    discount: int | None = None
    channel: str | None = None

    @property
    def at(self) -> datetime:
        return datetime.combine(FIRST, datetime.min.time()) + timedelta(minutes=self.minute)


@dataclass(frozen=True)
class Shape:
    windows: tuple[int, ...]
    horizon: int
    eligibility: int
    year: int
    intents: tuple[tuple[str, str], ...] = ()
    emotions: tuple[tuple[str, str], ...] = ()


def order_frame(orders: list[Order], calendar: Calendar) -> pd.DataFrame:
    """The orders with the local day of each."""
    zone = ZoneInfo(calendar.timezone)
    rows = [
        (
            o.customer,
            o.at.replace(tzinfo=ZoneInfo("UTC")).astimezone(zone).date(),
            o.event,
            o.amount,
            o.discount,
            o.channel,
        )
        for o in orders
    ]
    frame = pd.DataFrame(rows, columns=["customer", "day", "event", "amount", "discount", "channel"])
    return frame.astype({"discount": "float64"})


@functools.cache
def connection() -> BaseBackend:
    return ibis.duckdb.connect(threads=1)


def fetch(table: ibis.Table) -> pd.DataFrame:
    """Execute and return as a frame."""
    return connection().to_pyarrow(table).to_pandas()


@dataclass(frozen=True)
class World:
    calendar: Calendar
    shape: Shape

    @property
    def first(self) -> str:
        return self.calendar.key(FIRST)

    def clean(self, orders: list[Order], period: str) -> list[tuple]:
        """The rows of ``clean/orders`` of a period."""
        start, end = self.calendar.start(period), self.calendar.as_of(period)
        return [
            (str(i), o.customer, o.event, o.at, o.amount, o.discount, o.channel)
            for i, o in enumerate(orders)
            if start <= o.at < end
        ]

    def store(self, table: ibis.Table) -> ibis.Table:
        """Compute a table now, as the lake does between two steps."""
        return ibis.memtable(connection().to_pyarrow(table))

    def history(self, orders: list[Order], period: str) -> tuple[ibis.Table, ibis.Table]:
        """Activity of all periods up to ``period``, and the lifetime at its end, merged period by period."""
        parts, previous = [], None
        for key in self.calendar.range(self.first, period):
            rows = self.clean(orders, key)
            if previous is not None and key != period and not rows:
                continue
            clean = ibis.memtable(rows, schema=SCHEMA)
            parts.append(self.store(activity.orders(clean, key, self.calendar)))
            previous = self.store(lifetime.customers(previous, parts[-1], None, {}, key))
        return (ibis.union(*parts) if len(parts) > 1 else parts[0]), previous

    def features(
        self,
        orders: list[Order],
        period: str,
        others: Mapping[str, ibis.Table] | None = None,
        seen_to: str | None = None,
    ) -> pd.DataFrame:
        """``features/customers`` by customer; ``seen_to``: activity up to that later period is passed in too."""
        known, life = self.history(orders, period)
        if seen_to is not None:
            known, _ = self.history(orders, seen_to)
        windows = {"orders": known, **(others or {})}
        dates = ibis.memtable(features.dates(period, dict.fromkeys(windows, self.first), self.calendar, self.shape))
        table = features.customers(windows, life, None, dates, shape=self.shape)
        return fetch(table).set_index("customer_id").sort_index()
