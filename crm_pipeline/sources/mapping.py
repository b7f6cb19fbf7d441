"""Maps the columns of files to canonical columns: checks expressions, and writes the SQL that types them. No reading here."""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import duckdb

from crm_pipeline.engine import literal, quote
from crm_pipeline.errors import UsageError
from crm_pipeline.sources.reading import first_line
from crm_pipeline.sources.scan import Mapped, TableEntry

BLANKS = " \t\r\n\f\v\u00a0"
NOTHING = ("nan", "null", "none", "na", "n/a", "nat", "#n/a", "\\n", "<na>", "-", "nil", "undefined", "(null)", "<null>",
           "[null]", "(none)", "(blank)", "#null!", "#value!", "#ref!", "#name?", "#div/0!", "#num!")  # fmt: skip
"""What stands for a missing number, time, flag or id in text (lower case)."""
NULLS = ("nan", "null", "nat", "#n/a", "n/a", "\\n", "<na>", "(null)", "<null>", "[null]", "#null!", "#value!", "#ref!", "#name?",
         "#div/0!", "#num!")  # fmt: skip
"""What programs write for a missing text (lower case); a person writes none of them, unless in free text."""
WAYS = {"a subquery": " What lies in another file is joined to it before, once: docs/source.md has the command."}
"""What to do instead of what a mapping cannot have."""

FREE = frozenset({"body", "subject", "transcript", "name"})
"""Text that people write, or are called: taken as it is."""

READABLE = {
    "int": "is not a whole number",
    "decimal": "is not a number, or too large",
    "double": "is not a number",
    "money": "is not an amount",
    "bool": "is neither yes nor no",
    "timestamp": "is not a date or time",
    "string": "cannot be read",
}
"""Reason for refusing a value that does not fit its kind."""

LOCAL_TIME = r"\d{4}-\d{1,2}-\d{1,2}([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)?"
OFFSET_TIME = r"\d{4}-\d{1,2}-\d{1,2}[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s*(Z|z|[+-]\d{2}(:?\d{2})?)"
LONGEST, MOST_NAMES = 30, 60
"""Characters of a name, and names, that a sentence shows."""
UNTRIMMED = r"^[\s\x{a0}]|[\s\x{a0}]$"
BINARY = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE")
NUMBERS = (*BINARY, "HUGEINT", "DECIMAL")
TIMES = ("TIMESTAMP", "DATE", "VARCHAR", '"NULL"', "ENUM", "JSON")
CONDITIONS = ("BOOLEAN", "INTEGER", "INTEGER_LITERAL", "BIGINT")
"""Types that are true or false, or 1 or 0."""
VIRTUAL = {"source_line": "BIGINT", "source_file": "VARCHAR"}
"""What expressions may use besides the file's columns."""


class _NoColumn(UsageError):
    """An expression names a column that the file does not have."""

    def __init__(self, said: str, missing: str, field: str) -> None:
        super().__init__(f"{said}; mend it in source.yaml.")
        self.said, self.missing, self.column = said, missing, field.rpartition(".")[2]


def unread(columns: Iterable[str], mapped: Iterable[Mapped], where: str) -> list[str]:
    """Return the columns of a file that neither a mapping nor the condition of its entry names."""
    said = " ".join([where, *(one.sql for one in mapped)]).lower()
    return [name for name in columns if not re.search(rf"(?<!\w){re.escape(name.lower())}(?!\w)", said)]


def bind(con: duckdb.DuckDBPyConnection, of: TableEntry, columns: Mapping[str, str], where: str) -> dict[str, Mapped]:
    """Return how each canonical column comes from the columns of a file; what is not mapped is left out.

    Parameters
    ----------
    columns : mapping of str to str
        The file's columns and their engine types.
    where : str
        Names the file in messages.

    Raises
    ------
    UsageError
        A column that does not exist, an expression that is no scalar SQL, a required column without a mapping.
    """
    found: dict[str, Mapped] = {}
    absent: list[str] = []
    wrong: list[_NoColumn] = []
    if of.entry.where and columns:
        field = f"{where}: {of.contract.name}.where"
        _check_scalar(con, of.entry.where, field)
        kind = _type_of(con, of.entry.where, columns, field)
        if kind not in CONDITIONS:
            raise UsageError(
                f"{field}: '{of.entry.where}' is no condition ({kind}): write one, such as stage = 'Won', in source.yaml."
            )
    lower = {name.lower(): name for name in columns}
    for column in of.contract.source_columns if columns else ():
        text = of.entry.columns.get(column.name, column.name if column.name in columns else "").strip()
        field = f"{where}: {of.contract.name}.{column.name}"
        if text.lower() in lower:
            name = lower[text.lower()]
            found[column.name] = Mapped(column, quote(name), columns[name], True)
        elif text:
            _check_scalar(con, text, field)
            try:
                found[column.name] = Mapped(column, f"({text}\n)", _type_of(con, text, columns, field), False)
            except _NoColumn as error:
                wrong.append(error)
        elif column.required and column.name not in of.given:
            absent.append(f"{of.contract.name}.{column.name}")
        if column.kind == "timestamp" and column.name in found and found[column.name].type.startswith(NUMBERS):
            raise UsageError(
                f"{field} is mapped to a number ({text}): make it a time, for example with strptime(…, '%Y%m%d') or to_timestamp(…)."
            )
        if column.kind == "timestamp" and column.name in found and not found[column.name].type.startswith(TIMES):
            raise UsageError(
                f"{field} is mapped to a {found[column.name].type} ({text}), which has no day: map a date or time in source.yaml."
            )
    if wrong:
        others = "".join(f"; nor '{e.missing}' ({of.contract.name}.{e.column})" for e in wrong[1:])
        said = wrong[0].said + others
        said += "" if said.endswith("?") else "."
        raise UsageError(f"{said} It has {listed(columns)}; mend 'columns:' in source.yaml.")
    if absent:
        are, them = ("is", "it") if len(absent) == 1 else ("are", "them")
        raise UsageError(
            f"{where}: {', '.join(absent)} {are} required, and no column maps to {them}: give {them} under 'columns:' in source.yaml; "
            f"the file has {listed(columns)}."
        )
    return found


@functools.cache
def _forbidden() -> tuple[frozenset[str], frozenset[str]]:
    with duckdb.connect() as con:
        rows = con.execute("SELECT lower(function_name), function_type, stability FROM duckdb_functions()").fetchall()
    scalar = {
        name for name, kind, stability in rows if kind in ("scalar", "macro") and stability in ("CONSISTENT", None)
    }
    aggregates = {name for name, kind, _ in rows if kind == "aggregate"} - scalar
    changing = {name for name, _, stability in rows if stability in ("VOLATILE", "CONSISTENT_WITHIN_QUERY")}
    changing |= {"current_timestamp", "current_time", "localtime", "localtimestamp", "getenv"}
    return frozenset(aggregates | {"unnest"}), frozenset(changing - {"error"})


def _check_scalar(con: duckdb.DuckDBPyConnection, text: str, field: str) -> None:
    parsed = json.loads(con.execute("SELECT json_serialize_sql(?)", [f"SELECT ({text}\n)"]).fetchall()[0][0])
    if parsed.get("error"):
        why = str(parsed.get("error_message", "")).partition("\n")[0]
        raise UsageError(f"{field}: '{text}' is not an SQL expression ({why}): mend it in source.yaml.")
    aggregates, changing = _forbidden()
    selected = [s["node"]["select_list"] for s in parsed["statements"]]
    whats = {"SUBQUERY": "a subquery", "WINDOW": "a window function", "STAR": "a star"}
    for node in _nodes(selected):
        kind = node.get("class")
        name = str(node.get("function_name", "")).lower()
        if kind == "COLUMN_REF" and len(node["column_names"]) == 1:
            name = node["column_names"][0].lower()
            name = name if name.startswith(("current_", "local")) else ""
        what = whats.get(str(kind)) or (f"the aggregate {name}()" if name in aggregates and kind == "FUNCTION" else "")
        if name in changing:
            what = f"{name}, which is not the same at every reading"
        if what:
            raise UsageError(
                f"{field}: '{text}' has {what}: use a scalar expression over the file's columns.{WAYS.get(what, '')}"
            )


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)


def _type_of(con: duckdb.DuckDBPyConnection, text: str, columns: Mapping[str, str], field: str) -> str:
    virtual = {n: t for n, t in VIRTUAL.items() if n not in columns}
    nulls = ", ".join(f"NULL::{kind} AS {quote(name)}" for name, kind in {**virtual, **columns}.items())
    try:
        return con.execute(f"DESCRIBE SELECT ({text}\n) AS v FROM (SELECT {nulls})").fetchall()[0][1]
    except duckdb.Error as error:
        message = first_line(error)
        missing = re.search(r'[Cc]olumn "([^"]+)" not found', message)
        if missing:
            near = difflib.get_close_matches(missing[1], list(columns), n=1, cutoff=0.5)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise _NoColumn(f"{field}: the file has no column '{missing[1]}'{hint}", missing[1], field) from error
        raise UsageError(f"{field}: '{text}' cannot be computed ({message}): mend it in source.yaml.") from error


def listed(columns: Iterable[str]) -> str:
    """Return column names in a sentence: shortened, because a file without a header line has values there."""
    if any(re.fullmatch(r"[\d.,:/ -]*\d[\d.,:/ -]*|[^\s@]+@[^\s@]+", name) for name in columns):
        return "what looks like values, not names (is its first line a row? then give 'header:')"
    names = [name if len(name) <= LONGEST else f"{name[:LONGEST]}…" for name in columns]
    return ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")


def computed_sql(mapped: Mapped) -> str:
    """Return the value of an expression as a struct with the field ``v``; null where computing it fails.

    The common subexpressions of a query must not be shared (`crm_pipeline.sources.split` sees to it): DuckDB 2.0
    takes them out of TRY, and then they raise.
    """
    return f"TRY({{'v': {mapped.sql}}})"


def value_sql(mapped: Mapped, value: str) -> str:
    """Return the mapped value, text trimmed and null when blank; what follows expects it so."""
    if mapped.type != "VARCHAR":
        return value
    trimmed = f"nullif(CASE WHEN regexp_matches({value}, {literal(UNTRIMMED)}) THEN trim({value}, {literal(BLANKS)}) ELSE {value} END, '')"
    if mapped.column.name in FREE:
        return trimmed
    # most values begin and end in a visible letter, which is seen in a third of the time
    return f"CASE WHEN unicode({value}) BETWEEN 33 AND 126 AND unicode(reverse({value})) BETWEEN 33 AND 126 THEN {value} ELSE {trimmed} END"


def present_sql(mapped: Mapped, value: str) -> str:
    """Return whether there is a value at all, so that one that cannot be typed is unreadable rather than missing."""
    if mapped.type != "VARCHAR":
        return f"({value} IS NOT NULL)"
    return f"(lower({value}) NOT IN ({', '.join(literal(n) for n in NOTHING)}))"


def times_sql(mapped: Mapped, value: str) -> tuple[str, str]:
    """Return a time as the source's local time, and as UTC where it says its offset: TIMESTAMPs, at most one of them not null."""
    nothing = "CAST(NULL AS TIMESTAMP)"
    # in microseconds first: not every function takes the finer and coarser kinds (nanoseconds, as pandas writes them)
    if mapped.type.startswith(("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")):
        instant = f"TRY_CAST({value} AS TIMESTAMPTZ)"
        return nothing, f"CASE WHEN isfinite({instant}) THEN make_timestamp(epoch_us({instant})) END"
    if mapped.type.startswith(("TIMESTAMP", "DATE")):
        local = f"TRY_CAST({value} AS TIMESTAMP)"
        return f"CASE WHEN isfinite({local}) THEN {local} END", nothing
    # DuckDB reads an offset only as part of a TIMESTAMPTZ, without blanks, and with a colon
    offset = rf"regexp_replace(regexp_replace({value}, '\s+([+-]\d|[Zz]$)', '\1'), '([+-]\d{{2}})(\d{{2}})$', '\1:\2')"
    local, instant = f"TRY_CAST({value} AS TIMESTAMP)", f"make_timestamp(epoch_us(TRY_CAST({offset} AS TIMESTAMPTZ)))"
    return (
        f"CASE WHEN regexp_full_match({value}, {literal(LOCAL_TIME)}) THEN {local} END",
        f"CASE WHEN regexp_full_match({value}, {literal(OFFSET_TIME)}) THEN {instant} END",
    )


def typed_sql(mapped: Mapped, value: str, money_unit: Decimal) -> str:
    """Return a value that is no time as its canonical type, null when it does not fit."""
    kind, binary = mapped.column.kind, mapped.type.startswith(BINARY)
    text = value if mapped.type == "VARCHAR" else f"CAST({value} AS VARCHAR)"
    if kind == "string":
        return _text_sql(mapped, value)
    if kind == "int" and mapped.type.endswith(("INT", "INTEGER")):
        return f"TRY_CAST({value} AS BIGINT)"
    if kind == "int":
        number = f"TRY_CAST({value} AS DECIMAL(28, 8))"
        return f"CASE WHEN {number} = round({number}) THEN TRY_CAST({number} AS BIGINT) END"
    if kind == "decimal":
        return f"TRY_CAST({value} AS DECIMAL(18, 8))"
    if kind == "money" and _narrow(mapped.type, money_unit):
        return f"CAST({value} * {int(1 / money_unit)} AS BIGINT)"
    if kind == "money":
        return in_money(f"TRY_CAST({value} AS {'DOUBLE' if binary else 'DECIMAL(28, 8)'})", money_unit)
    if kind == "double":
        return f"CASE WHEN isfinite(TRY_CAST({value} AS DOUBLE)) THEN TRY_CAST({value} AS DOUBLE) END"
    yes, no = "'true', 't', 'yes', 'y', '1', '1.0'", "'false', 'f', 'no', 'n', '0', '0.0'"
    return f"CASE WHEN lower({text}) IN ({yes}) THEN true WHEN lower({text}) IN ({no}) THEN false END"


def _text_sql(mapped: Mapped, value: str) -> str:
    """Return a text; an id is written the same whether a program took it for a number (17850.0) or not (17850)."""
    name, is_id = mapped.column.name, mapped.column.name.endswith("_id")
    if mapped.type.startswith(("FLOAT", "DOUBLE", "DECIMAL")):
        whole = f"CAST(CAST({value} AS HUGEINT) AS VARCHAR)"
        text = (
            f"CASE WHEN {value} = trunc({value}) AND abs({value}) < 1e15 THEN {whole} ELSE CAST({value} AS VARCHAR) END"
        )
        return text if mapped.type.startswith("DECIMAL") else f"CASE WHEN isfinite({value}) THEN {text} END"
    if mapped.type != "VARCHAR":
        return f"CAST({value} AS VARCHAR)"
    if name in FREE:
        return value
    nothing = NOTHING if is_id else NULLS
    listed, firsts = ", ".join(map(literal, nothing)), sorted({ord(c) for n in nothing for c in (n[0], n[0].upper())})
    # a list, because IN would be a join of all rows; first letters, because most values begin otherwise
    kept = f"CASE WHEN list_contains([{listed}], lower({value})) THEN NULL ELSE {value} END"
    text = f"CASE WHEN list_contains([{', '.join(map(str, firsts))}], unicode({value})) THEN {kept} ELSE {value} END"
    if not is_id:
        return text
    number = rf"regexp_replace({value}, '^(0|[1-9][0-9]*)\.0+$', '\1')"
    text = f"CASE WHEN suffix({value}, '.0') THEN {number} ELSE {text} END"
    return f"CASE WHEN unicode(reverse({value})) BETWEEN 49 AND 57 THEN {value} ELSE {text} END"


def _narrow(kind: str, money_unit: Decimal) -> bool:
    """Tell whether amounts of an engine type, in money units, fit 18 digits: a fortieth of the time that wider ones take."""
    digits, per = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind), 1 / money_unit
    return digits is not None and per == int(per) and int(digits[1]) + len(str(int(per))) <= 18


def product_in_money(quantity: str, price: str, money_unit: Decimal) -> str:
    """Return the product of two DECIMAL(18,8) columns as whole money units, half away from zero; null where it is too large.

    Whole quantities and prices without parts of a money unit, as nearly all are, are multiplied as numbers of 64 bits.
    """
    exact = f"(CAST({quantity} AS DECIMAL(38, 8)) * CAST({price} AS DECIMAL(38, 8)))"
    slow, per = f"TRY({in_money(exact, money_unit)})", 1 / money_unit
    places = len(str(int(per))) - 1
    if per != 10**places:
        return slow
    # below 2**53 a double holds every whole number
    whole = [
        f"CAST(CAST({value} AS {kind}) AS DECIMAL(18, 8)) = {value}"
        for value, kind in ((price, f"DECIMAL(18, {places})"), (quantity, "BIGINT"))
    ]
    fits = " AND ".join([f"abs({quantity}) < 1000000", f"abs({price}) < 1000000", *whole])
    fast = f"CAST({quantity} AS BIGINT) * CAST(round(CAST({price} AS DOUBLE) * {int(per)}) AS BIGINT)"
    return f"CASE WHEN {fits} THEN {fast} ELSE {slow} END"


def in_money(number: str, money_unit: Decimal) -> str:
    """Return a number of major units as whole money units, half away from zero."""
    per = 1 / money_unit
    scaled = f"{number} * {int(per)}" if per == int(per) else f"CAST({number} AS DOUBLE) / {money_unit}"
    return f"TRY_CAST(round({scaled}) AS BIGINT)"
