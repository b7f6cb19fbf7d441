"""The customers of one period with their features, a batch at a time: a table of them may be larger than memory.

What models say of them lies in `prediction` and `scoring`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import pandas as pd

from crm_pipeline.engine import frame
from crm_pipeline.modeling.estimators.rows import sampled

if TYPE_CHECKING:
    from ibis.expr.types import Table

BATCH = 131_072
"""Customers that are read at once: some 120 MB of features."""


class Customers:
    """One row per customer of a lazy table, always in the order of the ids; fast where its files are sorted by these.

    Parameters
    ----------
    table : Table
        ``customer_id`` (one row each) and features; it is read for as long as its engine keeps it.
    """

    def __init__(self, table: Table) -> None:
        self.table, self.columns = table, tuple(table.columns)

    @cached_property
    def ids(self) -> pd.Series:
        """All ids, sorted."""
        return self.only([])["customer_id"]

    def __len__(self) -> int:
        return len(self.ids)

    def batches(self) -> Iterator[pd.DataFrame]:
        """Yield all columns, at most `BATCH` customers at a time."""
        starts = [str(first) for first in self.ids.iloc[::BATCH]]
        for low, high in pairwise([*starts, None]):
            part = self.table.filter(self.table.customer_id >= low) if len(starts) > 1 else self.table
            yield _sorted(part if high is None else part.filter(part.customer_id < high))

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
