"""Lazy tables that are too much to be computed at once: one range of a key after another. Which ones is decided by their assets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibis.expr.types import Table


@dataclass(frozen=True)
class InRanges:
    """A lazy table of a row per key that is computed range by range: no range depends on rows of another.

    Attributes
    ----------
    rows : Table
        All of it, in the order of the key.
    key : str
        A column of texts.
    starts : tuple of str
        The first key of each range, in order; the first range has all that comes before, too.
    """

    rows: Table
    key: str
    starts: tuple[str, ...]

    def parts(self) -> Iterator[Table]:
        """Yield the ranges, in order."""
        key = self.rows[self.key]
        for place, (low, high) in enumerate(pairwise([*self.starts, None])):
            part = self.rows if place == 0 else self.rows.filter(key >= low)
            yield part if high is None else part.filter(key < high)


def in_ranges(rows: Table, key: str, keys: Table, at_once: int | None) -> Table | InRanges:
    """Return rows to be computed in ranges of equal size where there are more keys than can be ``at_once`` (None: all can).

    ``keys`` is a table that is at hand and has each key once, also such as ``rows`` has not.
    """
    if at_once is None or (many := int(keys.count().execute())) <= at_once:
        return rows
    ids = keys.select(key).order_by(key).to_pyarrow().column(key)
    size = ceil(many / ceil(many / at_once))
    return InRanges(rows, key, tuple(str(ids[place]) for place in range(0, many, size)))
