"""What the rest of the package may ask of an engine, and what it gets. No engine is chosen or configured here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import duckdb
    import ibis
    import pandas as pd
    import pyarrow as pa

    from crm_pipeline.engine.ranges import InRanges

Made = TypeVar("Made")

TOLD = frozenset({"model_uri", "change_since_last", "reasons_changed"})
"""Columns that never count for staleness but must be right: where a model lies, what changed since before."""

VOLATILE = frozenset({"run_id", "scored_at", "published_at", "fitted_at"}) | TOLD
"""Columns that are never content: `TOLD`, and those that say when and by which run a row was first made."""


@dataclass(frozen=True)
class Staged:
    """A Parquet file that is written but not yet published.

    Attributes
    ----------
    rows : int
    content_sum : int
        Sum of the row hashes without volatile columns: order-independent, and additive over files.
    columns : dict[str, str]
        Column name to DuckDB's type name, whatever the engine.
    told_sum : int
        The same sum with the columns of `TOLD`; zero where there are none.
    """

    path: str
    rows: int
    content_sum: int
    columns: dict[str, str]
    told_sum: int = 0


class Engine(Protocol):
    """What runs the table layers. Its files are the same whichever engine wrote them, and so are their content hashes.

    Attributes
    ----------
    con : duckdb.DuckDBPyConnection
        DuckDB reads sources and describes files, whatever the engine.
    ibis : ibis backend
        Reads lazy tables into memory.
    """

    con: duckdb.DuckDBPyConnection
    ibis: Any

    @property
    def at_once(self) -> int | None:
        """Customers whose features are computed at once (`in_ranges`); None: all of them."""

    def limit(self, memory_limit: str) -> None:
        """Take another memory limit, such as ``"4GB"``, for this process from now on."""

    def table(self, paths: Sequence[str], columns: dict[str, str], name: str = "staged") -> ibis.Table:
        """Return the rows of Parquet files as a lazy table, good until `release`; typed and empty without files.

        ``columns`` (name to DuckDB's type) are those of the files together: they are not read to find out.
        """

    def given(self, rows: pa.Table, name: str) -> ibis.Table:
        """Return rows in memory as a lazy table, good until `release`: what they say is no part of the query."""

    def stage(self, rows: ibis.Table | InRanges | Any, path: Path) -> Staged:
        """Write a lazy table (whole, or in ranges), an Arrow table or reader, or a DataFrame to one Parquet file and describe it.

        Raises
        ------
        CrmError
            When the disk is full or cannot be written, or the memory limit was reached even with spilling.
        """

    def stage_query(self, query: str, path: Path) -> Staged:
        """Write the result of a query of `con` to a Parquet file and describe it; raises as `stage` does."""

    def describe_file(self, path: Path) -> Staged:
        """Count, hash and describe a Parquet file that lies in the staging directory."""

    def release(self) -> None:
        """Let go of the lazy tables there are; call it between steps."""

    def each(self, work: Callable[[pd.DataFrame], Made], parts: Sequence[ibis.Table], threads: int) -> Iterator[Made]:
        """Yield what a function makes of the rows of each lazy table, in order: by so many threads, or where the engine computes.

        The function is pure; it and what it makes can be pickled.
        """

    def once(self, transform: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Return what a pure function makes of lazy tables and plain values; for tables of the same form it is built once."""
