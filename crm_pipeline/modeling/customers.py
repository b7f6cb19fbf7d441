"""The customers of one period with their features, a batch at a time: a table of them may be larger than memory.

What models say of them lies in `prediction` and `scoring`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import pandas as pd

from crm_pipeline.engine import Engine, frame, in_order
from crm_pipeline.modeling.estimators.rows import sampled

if TYPE_CHECKING:
    from ibis.expr.types import Table

Made = TypeVar("Made")

BATCH = 131_072
"""Customers that are read at once: some 120 MB of features."""


class Customers:
    """One row per customer of a lazy table, always in the order of the ids; fast where its files are sorted by these.

    Parameters
    ----------
    table : Table
        ``customer_id`` (one row each) and features; it is read for as long as its engine keeps it.
    engine : Engine, optional
        Works on batches, see `each`; None: the threads of this process.
    """

    def __init__(self, table: Table, engine: Engine | None = None) -> None:
        self.table, self.columns, self.engine = table, tuple(table.columns), engine

    @cached_property
    def ids(self) -> pd.Series:
        """All ids, sorted."""
        return self.only([])["customer_id"]

    def __len__(self) -> int:
        return len(self.ids)

    def batches(self) -> Iterator[pd.DataFrame]:
        """Yield all columns, at most `BATCH` customers at a time."""
        yield from map(frame, self._parts())

    def each(self, work: Callable[[pd.DataFrame], Made], threads: int = 1) -> Iterator[Made]:
        """Yield what a pure function makes of each of `batches`, in order, of ``threads`` at once."""
        if self.engine is None:
            return in_order(work, self.batches(), threads)
        return self.engine.each(work, self._parts(), threads)

    def _parts(self) -> list[Table]:
        """Return the batches as lazy tables."""
        starts = [str(first) for first in self.ids.iloc[::BATCH]]
        parts = []
        for low, high in pairwise([*starts, None]):
            part = self.table.filter(self.table.customer_id >= low) if len(starts) > 1 else self.table
            parts.append(part if high is None else part.filter(part.customer_id < high))
        return [part.order_by("customer_id") for part in parts]

    def only(self, names: Sequence[str]) -> pd.DataFrame:
        """Return customer_id and those columns that there are of ``names``, of all customers."""
        wanted = {"customer_id", *names}
        return _sorted(self.table.select(*(name for name in self.columns if name in wanted)))

    def sample(self, cap: int) -> pd.DataFrame:
        """Return all columns of at most ``cap`` customers: those whose hash is least."""
        return _sorted(self.at_most(cap).table)

    def at_most(self, cap: int) -> Customers:
        """Return these customers, or of more than ``cap`` a fixed sample of so many: those whose hash is least."""
        import ibis

        if len(self) <= cap:
            return self
        chosen = self.ids.iloc[sampled(pd.DataFrame(index=pd.Index(self.ids, name="customer_id")), cap)]
        return Customers(self.table.semi_join(ibis.memtable(chosen.to_frame()), "customer_id"))


def _sorted(table: Table) -> pd.DataFrame:
    return frame(table.order_by("customer_id"))
