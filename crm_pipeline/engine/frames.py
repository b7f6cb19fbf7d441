"""Brings a lazy table into memory as a DataFrame, fast where it has many columns. What is read is not decided here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from ibis.expr.types import Table


def frame(rows: Table) -> pd.DataFrame:
    """Return the rows as `Table.execute` does, each column as Arrow made it.

    `Table.execute` stacks all numbers into one block: of 92 columns of 250,000 customers that takes as long again as the query.
    Dates become days as there (datetime64[s]).
    """
    return framed(rows.to_pyarrow())


def framed(found: pa.Table) -> pd.DataFrame:
    """Return Arrow's rows as `frame` does."""
    import pyarrow as pa

    dates = [field.name for field in found.schema if pa.types.is_date(field.type)]
    made: pd.DataFrame = found.to_pandas(split_blocks=True, date_as_object=False)
    return made.astype(dict.fromkeys(dates, "datetime64[s]"))
