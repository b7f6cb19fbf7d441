"""What a table contract is, and what follows from one: refusal rules, audit, column schema. No particular table belongs here.

A `TableContract` is data. From it come the reasons for which a row is refused (`rules`), the audit of a clean
table before it is published (`audit`), and its documentation (`rules_markdown`, `contracts.docs`).
"""

# pyright: reportOperatorIssue=false, reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false
# (Ibis gives a column of a table the widest type, which has no operators)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

import ibis

Kind = Literal["string", "int", "decimal", "money", "timestamp", "bool", "double"]

IBIS_TYPES: Mapping[Kind, str] = {
    "string": "string",
    "int": "int64",
    "decimal": "decimal(18, 8)",
    "money": "int64",
    "timestamp": "timestamp(6)",
    "bool": "boolean",
    "double": "float64",
}
"""Kind of a column to its Ibis type in the lake."""

ARROW_NAMES: Mapping[Kind, str] = {
    "string": "text",
    "int": "int64",
    "decimal": "decimal(18,8)",
    "money": "int64",
    "timestamp": "timestamp",
    "bool": "bool",
    "double": "float64",
}
"""Kind of a column to the type name that people read in the UI and the documentation."""

REPEATED = "repeated"
"""Event of a marker row in ``raw``: ``unreadable`` says why the row of that file and line does not hold, for another of its key does."""

REPLACED = "replaced by a later version"
"""Reason of a row that a later row of its key, or a later export, gives otherwise."""

UNDONE = "undone"
"""Event of a marker row in ``raw/orders``: a later version of the order, which stood as placed before, has a status that undoes it."""

MOVED = "moved"
"""Event of a marker row in ``raw/order_lines``: the line of that file stands in the period before, where its order began."""

NAMED = "named"
"""Event of a marker row in ``raw/messages`` and ``raw/calls``: what is written there is a customer's name, so that it can be masked."""

HEARD = "heard"
"""Event of a marker row in ``raw/calls``: ``content`` is the SHA-256 of its recording, ``unreadable`` what is wrong with that."""

MARKERS = (REPEATED, UNDONE, MOVED, NAMED, HEARD)
"""Events of rows that the sync adds to ``raw``; they are no rows of the source."""

NOBODY = "names no customer"
"""What is said of rows that are kept although nobody knows whose they are."""

MONEY_LIMIT = 10**9
"""Largest credible amount of one row, in major units."""


@dataclass(frozen=True)
class Column:
    """One canonical column.

    Attributes
    ----------
    kind : str
        ``money`` is kept as whole money units; ``decimal`` has eight places, so that a product of two is rounded once, at its end.
    required : bool
        A row without it is refused.
    low, high : int or None
        Bounds, both allowed; money in major units.
    allowed : tuple of str
        The only values; ``aliases`` maps other spellings (lower case) to them.
    lower : bool
        A name of few values, in which capitals mean nothing: kept in lower case.
    personal : bool
        Identifies a person: kept out of everything but the snapshot that is read when acting.
    overwritten : bool
        The CRM changes it in place without a date: only the snapshot has it.
    raw_only : bool
        Used while cleaning, not in the clean table.
    derived : bool
        Made by the pipeline, never mapped.
    always : bool
        In the clean table whether mapped or not, and in any row whether filled or not.
    beside : str
        The mapped column that names a file whose content this one tells of: not in raw, and in the clean table where there are such files.
    """

    name: str
    kind: Kind
    description: str
    required: bool = False
    unit: str = ""
    low: int | None = None
    high: int | None = None
    allowed: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    lower: bool = False
    personal: bool = False
    overwritten: bool = False
    raw_only: bool = False
    derived: bool = False
    always: bool = False
    beside: str = ""


class Described(NamedTuple):
    """A column as the documentation and the UI show it."""

    name: str
    type: str
    description: str
    unit: str = ""


@dataclass(frozen=True, eq=False)
class TableContract:
    """One canonical table; equal to itself alone.

    Attributes
    ----------
    key : tuple of str
        What identifies a row of the source; one row of each key holds, the others are refused.
    later_holds : bool
        Of several rows of a key in several files, the latest version holds; else the first.
    main_time : str or None
        The column that says when the row happened, and so its period; None for an undated dimension.
    event : str
        Name of what happened at ``main_time``.
    later : mapping of str to str
        Further time columns, each to the event it tells; a source row becomes one event row per time it has.
    states : tuple of str
        Events that cleaning derives from the row itself (a negative amount).
    clean_key : tuple of str
        What is unique in the clean table, besides event.
    notes : tuple of str
        Rules that are not columns' rules, in words.
    """

    name: str
    title: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    main_time: str | None = None
    event: str = ""
    later: Mapping[str, str] = field(default_factory=dict)
    states: tuple[str, ...] = ()
    clean_key: tuple[str, ...] = ()
    later_holds: bool = True
    notes: tuple[str, ...] = ()

    @property
    def times(self) -> tuple[str, ...]:
        """Time columns that become events, the main one first."""
        return (*((self.main_time,) if self.main_time else ()), *self.later)

    @property
    def events(self) -> tuple[str, ...]:
        """Every event name that the clean table may hold."""
        return tuple(dict.fromkeys((self.event, *self.states, *self.later.values()))) if self.main_time else ()

    @property
    def source_columns(self) -> tuple[Column, ...]:
        """The columns that a source may map."""
        return tuple(c for c in self.columns if not c.derived and not c.beside)

    @property
    def raw_columns(self) -> tuple[Column, ...]:
        """The columns of ``raw/<table>``: without event times, what is overwritten in place, and what is beside the table."""
        kept = (c for c in self.columns if not c.overwritten and not c.personal and not c.beside)
        return tuple(c for c in kept if c.name not in self.times)

    @property
    def clean_columns(self) -> tuple[Column, ...]:
        """The columns of ``clean/<table>`` that come from the source, or from the files that it names."""
        kept = {c.name for c in self.raw_columns if not c.raw_only}
        return tuple(c for c in self.columns if c.name in kept or c.beside)

    @property
    def snapshot_columns(self) -> tuple[Column, ...]:
        """Columns without history: overwritten in place, or personal."""
        return tuple(c for c in self.columns if c.overwritten or c.personal)

    def column(self, name: str) -> Column:
        """Return a column by name; raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def rules_markdown(self) -> str:
        """Return the rules of the table as a Markdown list, for people."""
        lines = [f"- `{c.name}`: {rule}" for c in self.columns for rule in _column_rules(c)]
        held = "of several, the latest version holds (by `recorded_at`, else by the names of the files)"
        held = held if self.later_holds else "what repeats it later is refused"
        lines.append(f"- `{', '.join(self.key)}` identifies a row: {held}")
        return "\n".join([*lines, *(f"- {note}" for note in self.notes)])


class Rule(NamedTuple):
    """A reason for refusing a row, and the expression that says which rows."""

    reason: str
    broken: ibis.expr.types.BooleanValue


def rules(table: ibis.Table, contract: TableContract, money_unit: float = 0.0001) -> list[Rule]:
    """Return the reasons for which single rows of a typed table are refused.

    Parameters
    ----------
    table : ibis.Table
        Has (some of) the contract's raw columns, typed.
    contract : TableContract
    money_unit : float
        Major units per stored unit, for the bounds of amounts.
    """
    found = []
    for column in contract.raw_columns:
        if column.name not in table.columns:
            continue
        value = table[column.name]
        scale = 1 / money_unit if column.kind == "money" else 1
        if column.required:
            found.append(Rule(f"{column.name} is missing", value.isnull()))
        if column.low is not None:
            found.append(Rule(f"{column.name} is below {column.low}", value < round(column.low * scale)))
        if column.high is not None:
            found.append(Rule(f"{column.name} is above {column.high}", value > round(column.high * scale)))
        if column.allowed:
            known = " or ".join(column.allowed)
            found.append(Rule(f"{column.name} is not {known}", value.notnull() & value.notin(column.allowed)))
    return found


def audit(
    table: ibis.Table,
    contract: TableContract,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[str]:
    """Return what of its contract a clean table breaks, as sentences; empty when it keeps it.

    One aggregate query where all is well. ``start`` and ``end`` (UTC-naive, half-open) bound the event times when given; customers
    may have been created before the first period.
    """
    failures = _schema_failures(table, contract)
    if failures:
        return failures
    counted = {rule.reason: rule.broken.fill_null(False).sum() for rule in rules(table, contract)}
    counted["source_file is missing"] = table.source_file.isnull().sum()
    if contract.main_time:
        counted["event_at is missing"] = table.event_at.isnull().sum()
        counted[f"event is none of {', '.join(contract.events)}"] = (
            table.event.isnull() | table.event.notin(contract.events)
        ).sum()
    for column in contract.clean_columns:
        if column.kind == "money" and column.name in table.columns:
            counted[f"{column.name} is negative"] = (table[column.name] < 0).sum()
    key = _unique_key(table, contract)
    if key:
        distinct = ibis.struct([(name, table[name]) for name in key]).nunique()
        counted[f"{', '.join(key)} is repeated"] = table.count() - distinct
    names = list(counted)
    span = {"first": table.event_at.min(), "last": table.event_at.max()} if contract.main_time else {}
    counts = {f"n{i}": counted[name] for i, name in enumerate(names)}
    row = table.aggregate(**counts, **span).to_pyarrow().to_pylist()[0]
    failures = [f"{name} in {row[f'n{i}']} rows" for i, name in enumerate(names) if row[f"n{i}"]]
    # counted where there are any alone, so that the query above is the same for every period
    if start is not None and contract.name != "customers" and row.get("first") and row["first"] < start:
        failures.append(f"event_at lies before the period in {(table.event_at < start).sum().execute()} rows")
    if end is not None and row.get("last") and row["last"] >= end:
        failures.append(f"event_at lies after the period in {(table.event_at >= end).sum().execute()} rows")
    return failures


def _unique_key(table: ibis.Table, contract: TableContract) -> tuple[str, ...]:
    key = contract.clean_key or contract.key
    if not all(name in table.columns for name in key):
        return ()
    return (*key, "event") if contract.main_time else key


def _schema_failures(table: ibis.Table, contract: TableContract) -> list[str]:
    schema = table.schema()
    expected = {c.name: IBIS_TYPES[c.kind] for c in contract.clean_columns}
    expected["source_file"] = "string"
    if contract.main_time:
        expected |= {"event": "string", "event_at": "timestamp(6)"}
    failures = []
    names = list(schema)
    for name in names:
        if name not in expected:
            failures.append(f"column {name} does not belong into clean/{contract.name}")
        elif schema[name].copy(nullable=True) != ibis.dtype(expected[name]):
            failures.append(f"column {name} is {schema[name]}, not {expected[name]}")
    always = [c.name for c in contract.clean_columns if c.required or c.always] + [n for n in expected if n in _ALWAYS]
    failures += [f"column {name} is missing" for name in always if name not in names]
    return failures


_ALWAYS = ("source_file", "event", "event_at")


def _column_rules(column: Column) -> Sequence[str]:
    said = []
    if column.required:
        said.append("required")
    unit = f" {column.unit}" if column.unit else ""
    if column.low is not None or column.high is not None:
        low = "" if column.low is None else f"at least {column.low:,}"
        high = "" if column.high is None else f"at most {column.high:,}"
        said.append(" and ".join(x for x in (low, high) if x) + unit)
    if column.allowed:
        said.append("one of " + ", ".join(column.allowed))
    return ["; ".join(said)] if said else []
