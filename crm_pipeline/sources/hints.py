"""Which mapping would read a value that cannot be read: a value in, an expression for source.yaml out. No data access."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from crm_pipeline.contracts.core import Column

DAYS = ("%Y%m%d", "%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%y", "%m/%d/%y", "%Y/%m/%d", "%Y.%m.%d",
        "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%a %b %d %Y", "%Y-%m-%d")  # fmt: skip
CLOCKS = (
    "",
    " %H:%M",
    " %H:%M:%S",
    " %H:%M:%S.%f",
    " %I:%M %p",
    " %I:%M:%S %p",
    "T%H:%M:%S",
    ", %H:%M",
    ", %H:%M:%S",
)
UNPARTED = ("%Y%m%d%H%M", "%Y%m%d%H%M%S")
"""Ways in which programs write days and times, by `strptime`."""

SERIAL = "TIMESTAMP '1899-12-30' + to_seconds(round({}::DOUBLE * 86400))"
"""A spreadsheet's number of a day, with the time of day as its fraction (ECMA-376, 18.17.4.1: the 1900 date base)."""

LONGEST = 40
"""Characters of a value that a sentence shows."""


def shown(value: str) -> str:
    """Return a value as a sentence shows it."""
    return f"'{value}'" if len(value) <= LONGEST else f"'{value[:LONGEST]}…'"


def mends(column: Column, source: str, value: str) -> list[str]:
    """Return expressions that would read a value like this one, the likeliest first; none where nothing is known.

    Parameters
    ----------
    source : str
        What the expression is over: a column of the file, as SQL.
    """
    if column.kind == "timestamp":
        return [e.format(source) for e in _times(value)]
    if column.kind in ("money", "decimal", "double", "int"):
        found = _number(value)
        return [found.format(source)] if found else []
    if column.kind == "bool":
        return [f"{source} = {_literal(value)}"]
    return []


def told(column: Column, expression: str, row: Mapping[str, str | None]) -> str:
    """Return in words what a refused row has for a column, and the mapping that would read it; empty where it has nothing.

    Parameters
    ----------
    expression : str
        What source.yaml maps to the column.
    row : mapping of str to str
        The row as the file has it; of it, only what the expression names is shown.
    """
    lower = {name.lower(): name for name in row}
    plain = lower.get(expression.lower())
    named = (
        [plain]
        if plain
        else [n for n in row if re.search(rf'(?<![\w"]){re.escape(n)}(?!\w)|"{re.escape(n)}"', expression, re.I)]
    )
    values = {name: str(row[name]).strip() for name in named if row[name] is not None}
    if not values:
        return ""
    name, value = next(iter(values.items()))
    found = mends(column, name if re.fullmatch(r"[A-Za-z_]\w*", name) else '"' + name + '"', value)
    said = ", ".join(map(shown, values.values()))
    if not found:
        return said
    comma = ", a decimal comma" if "'.')" in found[0] else ""
    return f"{said}{comma}: for example {column.name}: {' or '.join(found[:2])}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _times(value: str) -> Iterator[str]:
    if re.fullmatch(r"[2-6]\d{4}(\.\d+|,\d+)?", value):
        yield SERIAL
        return
    if re.fullmatch(r"1\d{9}(\.\d+)?", value):
        yield "to_timestamp({}::DOUBLE)"
        return
    if re.fullmatch(r"1\d{12}", value):
        yield "to_timestamp({}::BIGINT / 1000)"
        return
    for pattern in (*(day + clock for day in DAYS for clock in CLOCKS), *UNPARTED):
        if len(value) != 6 and _fits(value, pattern):
            yield f"strptime({{}}, '{pattern}')"


def _fits(value: str, pattern: str) -> bool:
    try:
        datetime.strptime(value, pattern)
    except ValueError:
        return False
    return True


def _number(value: str) -> str:
    """Return the expression for an amount with a sign, a unit, a decimal comma or points between thousands."""
    digits = re.sub(r"[^0-9.,]", "", value).strip(".,")
    if not digits:
        return ""
    stripped = digits != value.lstrip("-")
    comma = bool(re.search(r",\d{1,2}$", digits) or re.fullmatch(r"\d+,\d{4,}|[\d.]+\.\d{3},\d+|0,\d+", digits))
    keep = "[^0-9,-]" if comma else "[^0-9.-]"
    other = re.search(r"[^0-9.,\s-]", value) or re.search(r"\s", value)
    if comma and not other:
        found = "replace(replace({}, '.', ''), ',', '.')"
    elif stripped or "," in digits:
        found = f"regexp_replace({{}}, '{keep}', '', 'g')"
        found = f"replace({found}, ',', '.')" if comma else found
    else:
        return ""
    if value.startswith("(") and value.endswith(")"):
        return f"CASE WHEN {{0}} LIKE '(%' THEN '-' ELSE '' END || {found.replace('{}', '{0}')}"
    if value.endswith("-"):
        return f"CASE WHEN {{0}} LIKE '%-' THEN '-' ELSE '' END || replace({found.replace('{}', '{0}')}, '-', '')"
    return found
