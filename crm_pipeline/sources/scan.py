"""What the steps of reading hand to each other: terms, an entry of a table, mapped columns, one scan. No SQL and no reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from crm_pipeline.contracts.core import Column, TableContract
from crm_pipeline.sources.spec import Entry

EMPTY, LEFT_OUT = "empty row", "left out by where"
"""Why a row of a file is no row of the table."""

CANCELLED = ("cancelled", "canceled", "returned", "refunded", "void", "voided")
"""States of an order that undo it."""


@dataclass(frozen=True)
class Terms:
    """What splitting depends on, besides the files.

    Attributes
    ----------
    begins, limit : datetime
        Event times are credible from ``begins`` to before ``limit`` (UTC); ``begins_day`` is the local day.
    masks : tuple of str or None
        Whether personal data are masked in what is refused of messages: the countries whose telephone numbers are looked for.
    order_times : str
        For order lines with an orders table: the temporary table (order_id, customer_id, event_at); else empty.
    """

    grain: str
    timezone: str
    money_unit: Decimal
    begins_day: date
    begins: datetime
    limit: datetime
    masks: tuple[str, ...] | None = None
    order_times: str = ""


@dataclass(frozen=True)
class TableEntry:
    """One entry of one table: files that are read and mapped alike."""

    contract: TableContract
    entry: Entry
    number: int
    terms: Terms

    @property
    def given(self) -> frozenset[str]:
        """Required columns that come from elsewhere: those of order lines from orders."""
        return frozenset({"customer_id", "ordered_at"} if self.terms.order_times else ())


@dataclass(frozen=True)
class Mapped:
    """A canonical column as an SQL expression over a file's columns; ``type`` is the engine's."""

    column: Column
    sql: str
    type: str
    plain: bool


@dataclass(frozen=True)
class Scan:
    """Files of the same columns, read once for one entry of one table.

    Attributes
    ----------
    query : str
        Gives the files' ``columns``, ``__file`` (number) and ``__line``.
    names : mapping of int to str
        File number to its name in the lake.
    mapped : mapping of str to Mapped
        By canonical column.
    """

    of: TableEntry
    query: str
    names: Mapping[int, str]
    columns: tuple[str, ...]
    mapped: Mapping[str, Mapped]
