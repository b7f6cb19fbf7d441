"""What a person should know about the values of a source, counted while reading, in sentences. No reading of files and no cleaning."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

import duckdb

from crm_pipeline.contracts.core import NOBODY, TableContract
from crm_pipeline.contracts.texts import WRITTEN
from crm_pipeline.engine import literal
from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.sources.hints import told
from crm_pipeline.sources.index import Record, TableIndex
from crm_pipeline.sources.mapping import READABLE
from crm_pipeline.sources.scan import CANCELLED, EMPTY, LEFT_OUT, TableEntry

STATUS, CURRENCY, UNREADABLE, LINE, STATES, WHOSE = "status", "currency", "unreadable", "line", "states", "whose"
PRICED = "priced"
UNMAPPED = "unmapped currency"
MONEY_NAMES = re.compile(r"currenc|(^|_)(ccy|curr)($|_)|waehrung|währung|devise|moneda|valuta", re.IGNORECASE)
"""Names of columns that tell a currency."""
NOT_BOUGHT = frozenset(
    {"lost", "open", "draft", "pending", "failed", "failure", "rejected", "declined", "quote", "quoted", "abandoned", "expired", "unpaid",
     "hold", "negotiation", "proposal", "prospect", "prospecting", "lead", "qualified", "refused", "error", "test", "cart", "checkout",
     "created", "wishlist", "incomplete", "unconfirmed", "deleted", "trash", "storniert", "annul", "cancel", *CANCELLED}
)  # fmt: skip
"""Words of a state in which nothing was bought (yet)."""
MOST = 20
"""States that are shown."""
TOPICS = {
    STATUS: "status",
    CURRENCY: "upper(currency)",
    PRICED: "CASE WHEN amount > 0 AND unreadable IS NULL THEN 'yes' END",
}
"""Columns of orders whose values are counted."""

MANY = 0.1
"""Share of a table's rows from which what cannot be read is worth a sentence."""
MANY_AMOUNTS = 0.01
"""The same of amounts: those with a mark between thousands are the largest."""

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
    if any(c.name == "customer_id" and c.always for c in contract.columns):
        asked[WHOSE] = f"CASE WHEN customer_id IS NULL AND unreadable IS NULL THEN {literal(NOBODY)} END"
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


def hints(con: duckdb.DuckDBPyConnection, of: TableEntry, paths: Mapping[str, int]) -> dict[int, dict[str, str]]:
    """Return, per file number, of each reason the first value that was refused for it, in words (`crm_pipeline.sources.hints`)."""
    contract = of.contract
    found: dict[int, dict[str, tuple[int, str]]] = {}
    if not paths or contract.name in WRITTEN:  # what people write is masked before it is shown
        return {}
    rows = con.execute(
        f"SELECT __path, unreadable, min(source_line) AS line, arg_min(content, source_line) FROM "
        f"read_parquet([{', '.join(map(literal, paths))}], filename = '__path') WHERE event = {literal(contract.event)} "
        f"AND unreadable IS NOT NULL AND unreadable NOT LIKE '%''%' GROUP BY ALL ORDER BY line"
    ).fetchall()
    for path, reasons, line, content in rows:
        of_file = found.setdefault(paths[path], {})
        for reason in reasons.split("; "):
            if line < of_file.get(reason, (line + 1, ""))[0]:
                of_file[reason] = (line, _told(of, reason, content))
    return {n: {reason: said for reason, (_, said) in of_file.items()} for n, of_file in found.items()}


def _told(of: TableEntry, reason: str, content: str) -> str:
    column = next((c for c in of.contract.source_columns if reason == f"{c.name} {READABLE[c.kind]}"), None)
    if column is None:
        return ""
    return told(column, of.entry.columns.get(column.name, column.name), json.loads(content))


def sentences(contract: TableContract, table: TableIndex) -> list[str]:
    """Return what a person should know about a table, one sentence each."""
    records = list(table.records.values())
    said = [*_undated_states(contract, records), *_not_bought(contract, records), *_unreadable(contract, records)]
    return [*said, *_of_nobody(contract, records), *_several_currencies(contract, records)]


def currency_column(of: TableEntry, columns: Iterable[str], mapped: Iterable[str]) -> str:
    """Return the column of a file with amounts that seems to tell their currency and is not mapped; empty where none does."""
    if of.contract.name not in ("orders", "order_lines") or "currency" in mapped:
        return ""
    used = " ".join([of.entry.where or "", *(sql or "" for sql in of.entry.columns.values())]).lower()
    return next((c for c in columns if MONEY_NAMES.search(c) and c.lower() not in used), "")


def _several_currencies(contract: TableContract, records: list[Record]) -> list[str]:
    found = _total(records, UNMAPPED)
    if len(found) < 2:
        return []
    column = next(iter(found)).partition(": ")[0]
    listed = ", ".join(
        f"{value.partition(': ')[2]} in {n:,} rows"
        for value, n in sorted(found.items(), key=lambda one: (-one[1], one[0]))[:MOST]
    )
    mend = "map currency to it (orders in another than the source's are then refused), or convert the amounts in their mapping"
    if contract.name == "order_lines":
        mend = "convert the amounts in the mapping of unit_price, or leave rows out by where:"
    return [
        f"{contract.name}: '{column}' has {len(found)} currencies ({listed}), and all amounts are added up: {mend}."
    ]


def states(tables: Mapping[str, TableIndex]) -> dict[str, tuple[int, str]]:
    """Return the states of orders, most frequent first, with their rows and how they are read."""
    records = list(tables["orders"].records.values()) if "orders" in tables else []
    found = sorted(_total(records, STATES).items(), key=lambda one: (-one[1], one[0]))
    return {state: (n, "undone, where it has a day" if state in CANCELLED else "bought") for state, n in found[:MOST]}


def _not_bought(contract: TableContract, records: list[Record]) -> list[str]:
    found = _total(records, STATES) if contract.name == "orders" else {}
    doubtful = {s: n for s, n in found.items() if s not in CANCELLED and NOT_BOUGHT & set(re.findall("[a-z]+", s))}
    if not doubtful:
        return []
    listed = ", ".join(
        f"'{state}' in {n:,} rows" for state, n in sorted(doubtful.items(), key=lambda one: (-one[1], one[0]))[:MOST]
    )
    names = ", ".join(literal(state) for state in sorted(doubtful)[:MOST])
    mend = f"where: lower(…) NOT IN ({names}), with the column that is mapped to status"
    return [
        f"{contract.name}: these states are read as bought: {listed}; if nothing was bought, leave the rows out by {mend}."
    ]


def priced(tables: Mapping[str, TableIndex]) -> bool:
    """Return whether the amounts of orders tell what was paid: one is positive, or too many cannot be read to say that none is.

    Of all files at once, so that an order is counted alike in every period.
    """
    records = list(tables["orders"].records.values()) if "orders" in tables else []
    if not any("amount" in r.columns for r in records):
        return False
    reasons = _total(records, UNREADABLE)
    unread = sum(n for reason, n in reasons.items() if f"amount {READABLE['money']}" in reason.split("; "))
    return bool(_total(records, PRICED)) or unread >= MANY * sum(r.rows for r in records)


def unpaid(tables: Mapping[str, TableIndex]) -> list[str]:
    """Return what is done where orders have no amounts (logs, visits), or none that is positive: they count."""
    orders = tables.get("orders")
    if orders is None or priced(tables):
        return []
    mapped = any("amount" in r.columns for r in orders.records.values())
    if "order_lines" in tables:
        return ["orders: no amount is positive, so the amounts are those of order_lines."] if mapped else []
    what = "orders: no amount is positive" if mapped else "orders has no amounts"
    mend = "Mend the mapping of amount" if mapped else "Map amount"
    so = "each order counts as one, 'spend' is a number of orders, and demand is not foretold"
    return [f"{what}, nor are there order_lines: {so}. {mend} in source.yaml where something was paid."]


def no_time(contract: TableContract, rows: int, where: str, records: list[Record]) -> str:
    """Return the sentence for a table of which no row has a time, with the reason that holds for most."""
    said = f"None of the {rows:,} rows of {contract.name} ({where}) has a usable {contract.main_time}: "
    malformed = next((r.notes[0] for r in records if r.notes and 2 * r.malformed > r.rows), "")
    if malformed:
        return said + malformed
    hinted = {reason: hint for r in reversed(records) for reason, hint in r.hints.items()}
    hint = hinted.get(f"{contract.main_time} {READABLE['timestamp']}", "")
    if not hint and set(hinted) <= {EMPTY, LEFT_OUT} and hinted:
        return f"{said}they are {' or '.join(sorted(hinted))}; mend 'where:' or the files."
    hint = hint or "for another format, strptime(column, '%d/%m/%Y')"
    return f"{said}mend its mapping in source.yaml ({hint})."


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
    if not priced(tables):
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
    amounts = tuple(f"{c.name} {READABLE[c.kind]}" for c in contract.source_columns if c.kind in ("money", "decimal"))
    many = [
        one for one in sorted(reasons) if reasons[one] >= (MANY_AMOUNTS if one.startswith(amounts) else MANY) * rows
    ]
    return [f"{contract.name}: of {rows:,} rows, {_said(records, one, reasons[one])}" for one in many]


def _said(records: Iterable[Record], reason: str, n: int) -> str:
    """Return a reason with its first place and the mend."""
    first = next(r for r in records if reason in r.found.get(LINE, {}))
    column = reason.split(" ", 1)[0]
    hint = first.hints.get(reason.partition("; ")[0], "")
    mend = f"mend the mapping of {column} in source.yaml" + (f" ({hint})" if hint else "")
    return f"{reason} in {n:,}, first in {first.name}:{first.found[LINE][reason]}; {mend}."


def _of_nobody(contract: TableContract, records: list[Record]) -> list[str]:
    n, rows = _total(records, WHOSE).get(NOBODY, 0), sum(r.rows for r in records)
    if not n:
        return []
    queued = ", listed in the call queue" if any("audio_path" in r.columns for r in records) else ""
    mend = "; if the files tell whose they are, map customer_id in source.yaml" if n >= MANY * rows else ""
    return [f"{contract.name}: {n:,} of {rows:,} rows have no customer: kept{queued}, counted for nobody{mend}."]


def _undated_states(contract: TableContract, records: list[Record]) -> list[str]:
    n = sum(_total(records, STATUS).values())
    if not n:
        return []
    what = f"{n:,} of {sum(r.rows for r in records):,} rows have a cancelled status without a date"
    why = "those that an earlier file has as placed were not bought; of the others it was not known before, so they count as placed"
    return [f"{contract.name}: {what}; {why}: map cancelled_at in source.yaml to make them returns."]


def _total(records: Iterable[Record], topic: str) -> dict[str, int]:
    total: dict[str, int] = {}
    for record in records:
        for value, n in record.found.get(topic, {}).items():
            total[value] = total.get(value, 0) + n
    return total
