"""Turns scanned files into raw rows: typed, exploded into events, one Parquet file per source file and period. No publishing.

A source row gives one row for its main event, and one more for each further time it has. Its bucket is the key of the
period in which the event became known, or ``undated`` (no usable time), ``first`` (a customer without a date: known
from the first event), ``all`` (a table without time), ``future`` (announced, not an event yet; not kept).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

import duckdb

from crm_pipeline.contracts.core import Column, TableContract
from crm_pipeline.engine import ZSTD_LEVEL, literal, quote, without
from crm_pipeline.sources.mapping import (
    READABLE,
    computed_sql,
    present_sql,
    product_in_money,
    times_sql,
    typed_sql,
    value_sql,
)
from crm_pipeline.sources.scan import CANCELLED, EMPTY, LEFT_OUT, Mapped, Scan, Terms
from crm_pipeline.sources.zones import local_sql, utc_sql

UNDATED, FIRST, ALL, SNAPSHOT, FUTURE = "undated", "first", "all", "snapshot", "future"

UNNUMBERED = 9_000_000
"""A bucket is a number while rows are sorted, which costs less than its name: of a period the days since the year 1, of
the others one that no day has, from this on."""
PLACES = 10_000_000
"""Above all numbers of buckets: a file's number times this, and the bucket's, is where a row belongs."""
LISTED = 2000
"""Characters of files' names up to which a row holds its file's number in place of the name while it is sorted: a Parquet
file lists all the names."""

ENGINE_TYPES = {
    "string": "VARCHAR", "int": "BIGINT", "decimal": "DECIMAL(18,8)", "money": "BIGINT",
    "timestamp": "TIMESTAMP", "bool": "BOOLEAN", "double": "DOUBLE",
}  # fmt: skip


def raw_schema(contract: TableContract) -> dict[str, str]:
    """Return the columns of ``raw/<table>`` and their engine types."""
    columns = {c.name: ENGINE_TYPES[c.kind] for c in contract.raw_columns}
    extra = {
        "event": "VARCHAR",
        "event_at": "TIMESTAMP",
        "entry": "BIGINT",
        "source_file": "VARCHAR",
        "source_line": "BIGINT",
    }
    return {**columns, **extra, "unreadable": "VARCHAR", "content": "VARCHAR"}


REJECTS_SCHEMA = {
    "source_file": "VARCHAR", "source_line": "BIGINT", "reasons": "VARCHAR", "content": "VARCHAR", "event_at": "TIMESTAMP",
}  # fmt: skip


def split_files(con: duckdb.DuckDBPyConnection, scan: Scan, folder: Path) -> dict[tuple[int, str], list[Path]]:
    """Write the raw rows of scanned files into a new folder; return the Parquet files by file number and bucket."""
    contract = scan.of.contract
    written = _copy(con, raw_query(scan), folder)
    if contract.name == "customers" and any(m.column in contract.snapshot_columns for m in scan.mapped.values()):
        written |= _copy(con, snapshot_query(scan), folder.with_name(folder.name + "s"))
    return written


def _copy(con: duckdb.DuckDBPyConnection, query: str, folder: Path) -> dict[tuple[int, str], list[Path]]:
    folder.mkdir()
    how = f"FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {ZSTD_LEVEL}, PARTITION_BY (__place)"
    # common subexpressions would be taken out of TRY, and raise there; by statistics, columns without a null would be written
    # as such, so that files of one table were not alike
    with without(con, "common_subexpressions,statistics_propagation"):
        con.execute(f"COPY ({query}) TO {literal(str(folder))} ({how})")
    found: dict[tuple[int, str], list[Path]] = {}
    for number, path in enumerate(sorted(folder.rglob("*.parquet"))):
        file, bucket = divmod(int(path.parent.name.partition("=")[2]), PLACES)
        # out of the directories whose names DuckDB would read as further columns
        flat = path.rename(folder / f"{number}.parquet")
        found.setdefault((file, _bucket_of(bucket)), []).append(flat)
    return found


_SPECIAL = (UNDATED, FIRST, ALL, SNAPSHOT, FUTURE)


def _number_of(bucket: str) -> int:
    return UNNUMBERED + _SPECIAL.index(bucket)


def _bucket_of(number: int) -> str:
    return _SPECIAL[number - UNNUMBERED] if number >= UNNUMBERED else date.fromordinal(number + 1).isoformat()


def _place(bucket: str) -> str:
    return f"CAST(__file AS BIGINT) * {PLACES} + {bucket} AS __place"


def raw_query(scan: Scan) -> str:
    """Return the query that makes raw rows, with ``__place``: file and bucket as a number."""
    contract, typed = scan.of.contract, _typed(scan)
    main, problem, bucket = _main_event(scan)
    said = _reasons([m for m in scan.mapped.values() if m.column in contract.raw_columns])
    out = f"CASE WHEN __empty THEN {literal(EMPTY)} WHEN __left_out THEN {literal(LEFT_OUT)} END"
    bucket = f"CASE WHEN __problem IS NOT NULL THEN {_number_of(UNDATED)} ELSE {bucket} END"
    main = f"SELECT *, {main} AS __at FROM typed"
    timed = f"SELECT *, {local_sql('__at', scan.of.terms.timezone)} AS __local, coalesce({out}, {problem}) AS __problem FROM ({main})"
    events = f"SELECT *, {_event(contract, contract.event)} AS __event0, {bucket} AS __bucket0, {said} AS __reasons FROM ({timed})"
    exploded = (
        "SELECT *, __at AS event_at, __event0 AS event, __bucket0 AS __bucket, __reasons AS unreadable FROM events"
    )
    if any(later in scan.mapped for later in contract.later):
        exploded = _exploded(scan)
    selected = [_raw_column(c, scan) for c in contract.raw_columns]
    return (
        f"WITH {typed}, events AS ({events}), exploded AS ({exploded}) "
        f"SELECT {', '.join(selected)}, event, event_at, CAST({scan.of.number} AS BIGINT) AS entry, "
        "__name AS source_file, __line AS source_line, unreadable, "
        "CASE WHEN unreadable IS NOT NULL THEN CAST(to_json(__row) AS VARCHAR) END AS content, "
        f"{_place('__bucket')} FROM exploded"
    )


def states_query(scan: Scan) -> str:
    """Return the query that counts, per file, the states of orders as the files have them; each different one is typed once."""
    mapped, where = scan.mapped["status"], scan.of.entry.where
    kept = f"WHERE TRY(({where}\n)) IS TRUE" if where else ""
    text = mapped.sql if mapped.plain else f"{computed_sql(mapped)}.v"
    counted = f"SELECT __file, {text} AS w, count(*) AS n FROM ({_named(scan)}) {kept} GROUP BY ALL"
    typed = typed_sql(mapped, "v", scan.of.terms.money_unit)
    return (
        f"SELECT __file, lower({typed}) AS state, CAST(sum(n) AS BIGINT) AS n "
        f"FROM (SELECT *, {value_sql(mapped, 'w')} AS v FROM ({counted})) "
        "WHERE state IS NOT NULL GROUP BY ALL ORDER BY n DESC, state"
    )


def values_query(scan: Scan, column: str) -> str:
    """Return the query that counts, per file, the values of a column that is not mapped, in capitals."""
    return (
        f"SELECT __file, upper(trim(CAST({quote(column)} AS VARCHAR))) AS value, count(*) AS n FROM ({scan.query}) "
        "WHERE value <> '' GROUP BY ALL ORDER BY n DESC, value"
    )


def _reasons(mapped: Sequence[Mapped]) -> str:
    """Return the SQL of all that is unusable in a row, null when nothing is."""
    said = [
        f"CASE WHEN b_{m.column.name} THEN {literal(f'{m.column.name} {READABLE[m.column.kind]}')} END" for m in mapped
    ]
    some = " OR ".join(["__problem IS NOT NULL", *(f"b_{m.column.name}" for m in mapped)])
    return f"CASE WHEN __empty OR __left_out THEN __problem WHEN {some} THEN concat_ws('; ', {', '.join(['__problem', *said])}) END"


def snapshot_query(scan: Scan) -> str:
    """Return the query of the columns without history, per source row."""
    contract = scan.of.contract
    wanted = [c for c in contract.columns if c.name in contract.key or c in contract.snapshot_columns]
    selected = [
        f"t_{c.name} AS {c.name}" if c.name in scan.mapped else f"CAST(NULL AS {ENGINE_TYPES[c.kind]}) AS {c.name}"
        for c in wanted
    ]
    return (
        f"WITH {_typed(scan)} SELECT {', '.join(selected)}, CAST({scan.of.number} AS BIGINT) AS entry, "
        "__name AS source_file, __line AS source_line, "
        f"{_place(str(_number_of(SNAPSHOT)))} FROM typed WHERE t_{contract.key[0]} IS NOT NULL AND NOT __left_out"
    )


def _typed(scan: Scan) -> str:
    """Return the CTEs that read, compute (w_), open (v_, f_: failed), type (t_) and judge (b_: unreadable) the mapped values.

    The join after typing keeps DuckDB from computing the types again wherever they are used.
    """
    terms, mapped = scan.of.terms, scan.mapped.values()
    files = _files(scan)
    computed = "".join(f", {m.sql if m.plain else computed_sql(m)} AS w_{m.column.name}" for m in mapped)
    values = "".join(
        f", {value_sql(m, f'w_{m.column.name}' + ('' if m.plain else '.v'))} AS v_{m.column.name}, "
        f"{'false' if m.plain else f'w_{m.column.name} IS NULL'} AS f_{m.column.name}"
        for m in mapped
    )
    left_out = f"TRY(({scan.of.entry.where}\n)) IS NOT TRUE" if scan.of.entry.where else "false"
    times = [(m, *times_sql(m, f"v_{m.column.name}")) for m in mapped if m.column.kind == "timestamp"]
    timed = "".join(f", {local} AS l_{m.column.name}, {utc} AS i_{m.column.name}" for m, local, utc in times)
    typed = "".join(f", {_typed_value(m, terms)} AS t_{m.column.name}" for m in mapped)
    bad = "".join(f", {_unreadable(m)} AS b_{m.column.name}" for m in mapped)
    row = ", ".join(f"{literal(c)}: {quote(c)}" for c in scan.columns)
    joined, extra_columns = "", ""
    if terms.order_times:
        joined = f" LEFT JOIN {terms.order_times} o ON o.order_id = t_order_id"
        extra_columns = ", o.customer_id AS o_customer_id, o.event_at AS o_event_at"
    return (
        f"scan AS ({_named(scan)}), "
        f"computed AS (SELECT __file, __line, {{{row}}} AS __row, {left_out} AS __left_out{computed} FROM scan), "
        f"valued AS (SELECT *{values} FROM computed), timed AS (SELECT *{timed} FROM valued), "
        f"typed0 AS (SELECT v.*, f.name AS __name FROM (SELECT *{typed} FROM timed) v JOIN {files} ON v.__file = f.number), "
        f"typed AS (SELECT typed0.*{bad}, {_empty(scan)} AS __empty{extra_columns} FROM typed0{joined})"
    )


def _files(scan: Scan) -> str:
    """Return the table of the files' names; few are listed by their type, for a text would be copied with each row."""
    names = scan.names.values()
    kind = _one_of(names) if sum(map(len, names)) <= LISTED else "VARCHAR"
    numbers = ", ".join(f"({number}, CAST({literal(name)} AS {kind}))" for number, name in scan.names.items())
    return f"(VALUES {numbers}) AS f(number, name)"


def _one_of(texts: Iterable[str]) -> str:
    """Return the type of a column of a few texts: written and read as text, sorted as numbers."""
    return f"ENUM({', '.join(map(literal, dict.fromkeys(texts)))})"


def _event(contract: TableContract, event: str) -> str:
    return f"CAST({literal(event)} AS {_one_of((contract.event, *contract.later.values()))})"


def _named(scan: Scan) -> str:
    """Return the query of the rows with what expressions may use besides the file's columns: its name, and the line."""
    extra = ", __line AS source_line" if "source_line" not in scan.columns else ""
    used = (scan.of.entry.where, *(m.sql for m in scan.mapped.values()))
    if "source_file" in scan.columns or not any("source_file" in sql.lower() for sql in used):
        return f"SELECT *{extra} FROM ({scan.query})"
    return f"SELECT s.*, CAST(f.name AS VARCHAR) AS source_file{extra} FROM ({scan.query}) s JOIN {_files(scan)} ON s.__file = f.number"


def _typed_value(mapped: Mapped, terms: Terms) -> str:
    name = mapped.column.name
    if mapped.column.kind != "timestamp":
        return typed_sql(mapped, f"v_{name}", terms.money_unit)
    return f"coalesce({utc_sql(f'l_{name}', terms.timezone)}, i_{name})"


def _empty(scan: Scan) -> str:
    """Return whether a row says nothing at all; its text is looked at only where what a row needs is missing."""
    needed = [f"v_{c.name} IS NULL" for c in scan.of.contract.columns if c.required and c.name in scan.mapped]
    blank = literal(r"\{(\s*\"(\\.|[^\"\\])*\":(null|\"(\\[tnr]|\s)*\"),?)*\}")
    return f"CASE WHEN {' AND '.join(needed) or 'true'} THEN regexp_full_match(CAST(to_json(__row) AS VARCHAR), {blank}) ELSE false END"


def _unreadable(mapped: Mapped) -> str:
    name = mapped.column.name
    if mapped.column.kind == "string":
        return f"f_{name}"
    return f"(f_{name} OR ({present_sql(mapped, f'v_{name}')} AND t_{name} IS NULL)) IS TRUE"


def _main_event(scan: Scan) -> tuple[str, str, str]:
    """Return the SQL of the main event's time (``__at``), of why it is unusable (``__problem``), and of the bucket."""
    contract, terms = scan.of.contract, scan.of.terms
    nothing = "CAST(NULL AS TIMESTAMP)", "CAST(NULL AS VARCHAR)"
    if contract.main_time is None:
        return *nothing, str(_number_of(ALL))
    name = contract.main_time
    if terms.order_times:
        at = "o_event_at"
        missing = (
            "CASE WHEN t_order_id IS NULL THEN 'order_id is missing' "
            "ELSE concat('order ''', t_order_id, ''' is not in orders, or has no usable time there') END"
        )
        unreadable = "false"
    elif name in scan.mapped:
        at, unreadable = f"t_{name}", f"b_{name}"
        missing = f"'{name} is missing'" if contract.column(name).required else "NULL"
    else:
        return *nothing, str(_number_of(FIRST))
    problem = (
        f"CASE WHEN {unreadable} THEN '{name} {READABLE['timestamp']}' WHEN {at} IS NULL THEN {missing} "
        f"WHEN {at} < TIMESTAMP '{terms.begins}' THEN '{name} lies before {terms.begins_day}' "
        f"WHEN {at} >= TIMESTAMP '{terms.limit}' THEN '{name} lies in the future' END"
    )
    bucket = f"CASE WHEN __at IS NULL THEN {_number_of(FIRST)} ELSE {_period_sql('__local', terms)} END"
    return at, problem, bucket


def _period_sql(local: str, terms: Terms) -> str:
    """Return the number of the period in which a local time lies."""
    return f"(CAST(date_trunc('{terms.grain}', {local}) AS DATE) - DATE '0001-01-01')"


def _exploded(scan: Scan) -> str:
    """Return the query that gives each dated row one row per event; a further time that is unusable is refused alone."""
    contract, terms = scan.of.contract, scan.of.terms
    own = "{'event': __event0, 'at': __at, 'reasons': __reasons, 'main': true}"
    parts, locals_ = [own], ""
    for name, event in contract.later.items():
        if name not in scan.mapped:
            continue
        locals_ += f", {local_sql(f't_{name}', terms.timezone)} AS __local_{name}"
        problem = (
            f"CASE WHEN b_{name} THEN '{name} {READABLE['timestamp']}' "
            f"WHEN __local_{name} < date_trunc('day', __local) THEN '{name} lies before {contract.main_time}' END"
        )
        reasons = f"nullif(concat_ws('; ', {problem}, __reasons), '')"
        at = f"CASE WHEN ({problem}) IS NULL THEN greatest(t_{name}, __at) ELSE __at END"
        there = f"__at IS NOT NULL AND __bucket0 <> {_number_of(UNDATED)} AND (b_{name} OR t_{name} IS NOT NULL)"
        parts.append(
            f"CASE WHEN {there} THEN {{'event': {_event(contract, event)}, 'at': {at}, 'reasons': {reasons}, 'main': false}} END"
        )
    unnested = f"SELECT *, unnest([{', '.join(parts)}]) AS __e FROM (SELECT *{locals_} FROM events)"
    dated = (
        "SELECT * EXCLUDE (__e), __e.event AS event, __e.at AS event_at, __e.reasons AS unreadable, __e.main AS __of_main "
        f"FROM ({unnested}) WHERE __e IS NOT NULL"
    )
    return (
        f"SELECT *, CASE WHEN __of_main THEN __bucket0 WHEN event_at >= TIMESTAMP '{terms.limit}' THEN {_number_of(FUTURE)} "
        f"ELSE {_period_sql('__event_local', terms)} END AS __bucket "
        f"FROM (SELECT *, {local_sql('event_at', terms.timezone)} AS __event_local FROM ({dated}))"
    )


def _raw_column(column: Column, scan: Scan) -> str:
    contract, terms = scan.of.contract, scan.of.terms
    name, kind = column.name, ENGINE_TYPES[column.kind]
    if contract.name == "order_lines" and name == "customer_id" and terms.order_times:
        return "o_customer_id AS customer_id"
    if contract.name == "order_lines" and name == "amount":
        return f"{product_in_money('t_quantity', 't_unit_price', terms.money_unit)} AS amount"
    if name not in scan.mapped:
        return f"CAST(NULL AS {kind}) AS {name}"
    if contract.name == "orders" and name == "status":
        undated = "".join(f" AND t_{later} IS NULL" for later in contract.later if later in scan.mapped)
        states = ", ".join(literal(s) for s in CANCELLED)
        return f"CASE WHEN lower(t_status) IN ({states}){undated} THEN CAST('cancelled' AS {_one_of(['cancelled'])}) END AS status"
    return f"CAST(t_{name} AS {kind}) AS {name}"
