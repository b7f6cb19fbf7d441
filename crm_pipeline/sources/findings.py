"""What a person should know about the values of a source, counted while reading, in sentences. No reading of files and no cleaning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import duckdb

from crm_pipeline.contracts.core import TableContract
from crm_pipeline.sources.index import Record
from crm_pipeline.sources.reading import literal

STATUS = "status"
Found = dict[str, dict[str, int]]
"""What was counted of a file: topic to value to rows."""


def count(con: duckdb.DuckDBPyConnection, contract: TableContract, paths: Mapping[str, int]) -> dict[int, Found]:
    """Count, per file number, the values of raw rows that people are told about.

    Parameters
    ----------
    paths : mapping of str to int
        Raw Parquet files, each to the number of its source file.
    """
    counted: dict[int, Found] = {}
    for topic in (STATUS,) if contract.name == "orders" and paths else ():
        rows = con.execute(
            f"SELECT __path, {topic}, count(*) FROM read_parquet([{', '.join(map(literal, paths))}], filename = '__path') "
            f"WHERE event = {literal(contract.event)} AND {topic} IS NOT NULL GROUP BY ALL"
        ).fetchall()
        for path, value, n in rows:
            of_file = counted.setdefault(paths[path], {}).setdefault(topic, {})
            of_file[value] = of_file.get(value, 0) + n
    return counted


def sentences(contract: TableContract, records: Iterable[Record]) -> list[str]:
    """Return what a person should know about a table, one sentence each."""
    listed = list(records)
    return [*_undated_states(contract, listed)]


def _undated_states(contract: TableContract, records: list[Record]) -> list[str]:
    n = sum(_total(records, STATUS).values())
    if not n:
        return []
    what = f"{n:,} of {sum(r.rows for r in records):,} rows have a cancelled status without a date"
    why = "it was not known before the file was read, so they count as placed"
    return [f"{contract.name}: {what}; {why}: map cancelled_at in source.yaml to make them returns."]


def _total(records: Iterable[Record], topic: str) -> dict[str, int]:
    total: dict[str, int] = {}
    for record in records:
        for value, n in record.found.get(topic, {}).items():
            total[value] = total.get(value, 0) + n
    return total
