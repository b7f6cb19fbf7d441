"""What a person should know about the values of a source, counted while reading, in sentences. No reading of files and no cleaning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import duckdb

from crm_pipeline.contracts.core import TableContract
from crm_pipeline.engine import literal
from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.sources.index import Record, TableIndex

STATUS, CURRENCY, UNREADABLE, LINE = "status", "currency", "unreadable", "line"
TOPICS = {STATUS: "status", CURRENCY: "upper(currency)"}
"""Columns of orders whose values are counted."""

MANY = 0.1
"""Share of a table's rows from which what cannot be read is worth a sentence."""

QUOTED = r"'[^']*'"

Found = dict[str, dict[str, int]]
"""What was counted of a file: topic to value to rows (under ``LINE``, to the first line)."""


def count(con: duckdb.DuckDBPyConnection, contract: TableContract, paths: Mapping[str, int]) -> dict[int, Found]:
    """Count, per file number, the values of raw rows that people are told about.

    Parameters
    ----------
    paths : mapping of str to int
        Raw Parquet files, each to the number of its source file.
    """
    counted: dict[int, Found] = {}
    if not paths:
        return counted
    main = f"FROM read_parquet([{', '.join(map(literal, paths))}], filename = '__path') WHERE event = {literal(contract.event)}"
    asked = {UNREADABLE: f"regexp_replace(unreadable, {literal(QUOTED)}, '…', 'g')"}
    asked |= TOPICS if contract.name == "orders" else {}
    for topic, value in asked.items():
        query = (
            f"SELECT __path, {value} AS value, count(*), min(source_line) {main} GROUP BY ALL HAVING value IS NOT NULL"
        )
        for path, found, n, line in con.execute(query).fetchall():
            of_file = counted.setdefault(paths[path], {})
            of_topic, lines = of_file.setdefault(topic, {}), of_file.setdefault(LINE, {})
            of_topic[found] = of_topic.get(found, 0) + n
            lines[found] = min(lines.get(found, line), line)
    return counted


def sentences(contract: TableContract, table: TableIndex) -> list[str]:
    """Return what a person should know about a table, one sentence each."""
    records = list(table.records.values())
    return [*_undated_states(contract, records), *_unreadable(contract, records)]


def refuse_unusable(tables: Mapping[str, TableIndex], currency: str) -> None:
    """Raise when no score can be right: amounts of several currencies, or orders none of which can be read.

    Parameters
    ----------
    currency : str
        The source's, empty where it declares none.

    Raises
    ------
    UsageError
        Several currencies and none declared.
    CrmError
        No row of orders (or of the lines that orders are made of) can be read.
    """
    orders = tables.get("orders")
    found = _total(orders.records.values(), CURRENCY) if orders else {}
    if len(found) > 1 and not currency:
        listed = ", ".join(f"{name} in {n:,} rows" for name, n in sorted(found.items(), key=lambda kv: (-kv[1], kv[0])))
        raise UsageError(
            f"orders has amounts in {len(found)} currencies ({listed}), which cannot be added up: give 'currency:' in source.yaml "
            "(rows in another are then refused), or convert them in the mapping of amount."
        )
    needed = ["orders"] if orders else []
    if orders is None or not any("amount" in r.columns for r in orders.records.values()):
        needed.append("order_lines")
    for name in needed:
        if name in tables:
            _some_readable(name, list(tables[name].records.values()))


def _some_readable(name: str, records: list[Record]) -> None:
    reasons = _total(records, UNREADABLE)
    rows = sum(r.rows - r.undated for r in records)
    if not rows or sum(reasons.values()) < rows:
        return
    reason = max(reasons, key=lambda one: (reasons[one], one))
    raise CrmError(f"None of the {rows:,} rows of {name} can be used: {_said(records, reason, reasons[reason])}")


def _unreadable(contract: TableContract, records: list[Record]) -> list[str]:
    reasons, rows = _total(records, UNREADABLE), sum(r.rows for r in records)
    many = [reason for reason in sorted(reasons) if reasons[reason] >= MANY * rows]
    return [f"{contract.name}: of {rows:,} rows, {_said(records, one, reasons[one])}" for one in many]


def _said(records: Iterable[Record], reason: str, n: int) -> str:
    """Return a reason with its first place and the mend."""
    first = next(r for r in records if reason in r.found.get(LINE, {}))
    column = reason.split(" ", 1)[0]
    mend = f"mend the mapping of {column} in source.yaml"
    if "not an amount" in reason or "not a number" in reason:
        mend += f" (for a decimal comma, replace(replace({column}, '.', ''), ',', '.'))"
    return f"{reason} in {n:,}, first in {first.name}:{first.found[LINE][reason]}; {mend}."


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
