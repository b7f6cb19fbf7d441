"""What a feature is, and what its value may be made of. No particular feature belongs here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import ibis
from ibis.expr.types import BooleanValue, FloatingValue, NumericValue, Table, Value

Theme = Literal["recency", "rhythm", "spend", "season", "breadth", "service", "messages", "calls", "contacts"]


class Shape(Protocol):
    """What of the settings the features depend on; `crm_pipeline.settings.Settings` is one."""

    @property
    def windows(self) -> tuple[int, ...]:
        """Lengths of the feature windows, in periods."""
        ...

    @property
    def horizon(self) -> int:
        """Periods ahead that a score speaks about."""
        ...

    @property
    def eligibility(self) -> int:
        """A customer is eligible with an order in the last so many periods."""
        ...

    @property
    def year(self) -> int:
        """Periods in a year."""
        ...

    @property
    def intents(self) -> tuple[tuple[str, str], ...]:
        """The intents of messages that have a feature each, as (slug, label)."""
        ...

    @property
    def emotions(self) -> tuple[tuple[str, str], ...]:
        """How voices can sound, each with a feature, as (slug, label)."""
        ...


def quarter(shape: Shape) -> int:
    """Return the periods in a quarter: the short window of trends and counts."""
    return shape.year // 4


@dataclass(frozen=True)
class Feature:
    """One column of ``features/customers``.

    Parameters
    ----------
    name : str
        The column.
    description : str
        What it says, for a CRM analyst.
    unit : str
        Unit of the value; ``money units`` are whole multiples of the setting ``money_unit``.
    source : str
        The table under ``activity/`` it is computed from, or ``lifetime`` or ``purchase_process``. Without the table
        there is no such feature; before the table's first period it is null.
    theme : str
        One of `catalogue.THEMES`; reasons are summed by theme.
    value : callable
        From the customer's `Rows` of the source to the number.
    window : int or None
        How many periods before the end it reaches back. Where that is further than the data, it is null.
        None: it uses whatever history there is.
    otherwise : float or None
        The value of a customer of whom the source has no row.
    rows_of : str
        The table whose rows the value is made of, where that is not the source.
    """

    name: str
    description: str
    unit: str
    source: str
    theme: Theme
    value: Callable[[Rows], Value]
    window: int | None = None
    otherwise: float | None = None
    rows_of: str = ""


@dataclass(frozen=True)
class Rows:
    """The rows that a source has of one customer: one a period in an activity table, one in ``lifetime`` and the like.

    Sums are of whole numbers, as float: exact, in any order, below 2**53. What is asked for twice is computed once.

    Attributes
    ----------
    table : Table
        An activity table has none outside the last ``reach`` periods, and says when they began (``start_1`` and so on,
        back from the end); ``lifetime`` says ``today``, the first day after the end, as days since 1970-01-01.
    window : int or None
        The feature's own: what `sum`, `max`, `min` and `count` look back, unless told otherwise.
    """

    table: Table
    reach: int = 0
    window: int | None = None
    found: dict[Any, Any] = field(default_factory=dict)

    def over(self, window: int | None) -> Rows:
        """Return the same rows as a feature of another window sees them."""
        return replace(self, window=window)

    def __getitem__(self, column: str) -> FloatingValue:
        """Return a column of the one row there is."""
        return self.table[column].cast("float64")

    def sum(self, column: str, last: int | None = None, but: int = 0, none: float | None = 0.0) -> FloatingValue:
        """Add up a column over the ``last`` periods, without the newest ``but``; ``none`` where there is nothing to add."""

        def total() -> Value:
            added = self.table[column].sum(where=self._within(last, but)).cast("float64")
            return added if none is None else added.fill_null(none)

        return self._once(("sum", column, last or self.window, but, none), total)

    def max(self, column: str, last: int | None = None) -> Value:
        """Return the largest value of a column over the ``last`` periods."""
        return self.table[column].max(where=self._within(last))

    def min(self, column: str, last: int | None = None) -> Value:
        """Return the smallest value of a column over the ``last`` periods."""
        return self.table[column].min(where=self._within(last))

    def count(self, positive: str | None = None, last: int | None = None) -> NumericValue:
        """Count the rows, where a column is named those in which it is positive: of an activity table, the periods."""
        bought = None if positive is None else self.table[positive] > 0
        within = self._within(last)
        both = bought & within if bought is not None and within is not None else within if bought is None else bought
        return self.table.count(where=both)

    def _within(self, last: int | None, but: int = 0) -> BooleanValue | None:
        last = last or self.window
        if "period_start" not in self.table.columns or last is None or (last >= self.reach and not but):
            return None
        return self._once((last, but), lambda: self._between(last, but))

    def _between(self, last: int, but: int) -> BooleanValue:
        day, start = self.table.period_start, self.table[f"start_{last}"]
        if last == but + 1:
            return day == start
        return day.between(start, self.table[f"start_{but + 1}"]) if but else day >= start

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self.found:
            self.found[key] = make()
        return self.found[key]


def ratio(top: NumericValue, bottom: NumericValue) -> FloatingValue:
    """Divide; null where there is nothing to divide by."""
    return top / bottom.nullif(0)


def share(part: NumericValue, whole: NumericValue) -> FloatingValue:
    """Divide, at most 1: what was sent before a window may be answered in it."""
    found = ratio(part, whole)
    return ibis.ifelse(found > 1, 1.0, found)


def trend(new: FloatingValue, old: FloatingValue) -> FloatingValue:
    """Return (new - old) / (new + old): -1 stopped, 0 unchanged or neither, 1 began."""
    return ratio(new - old, new + old).fill_null(0.0)


def spread(n: FloatingValue, total: FloatingValue, squares: FloatingValue) -> FloatingValue:
    """Return the sample standard deviation from count, sum and sum of squares; null for fewer than two."""
    variance = (squares - total * total / n.nullif(0)) / (n - 1).nullif(0)
    return ibis.ifelse(variance < 0, 0.0, variance).sqrt()  # below 0 only by rounding
