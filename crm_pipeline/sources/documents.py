"""Reads the rows of a file that is one JSON document: a list of objects, alone or under a key. JSON lines do not belong here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.errors import UsageError
from crm_pipeline.sources.opening import opened
from crm_pipeline.sources.spec import Entry

MOST_JSON = 512 << 20
"""Bytes of a document, which is read at once."""

LOOKED_AT = 20
"""Objects of a list whose names are looked at."""

CANONICAL_NAMES = frozenset(c.name for contract in CANONICAL.values() for c in contract.source_columns)


def document_rows(path: Path, name: str, entry: Entry, lines: Iterable[str]) -> list[dict] | None:
    """Return the rows of a file that is one JSON document; None where it is JSON lines, or nothing that is known.

    Parameters
    ----------
    path : Path
    name : str
        Names the file in messages.
    entry : Entry
    lines : iterable of str
        Those of the file, of which the first two are looked at.

    Raises
    ------
    UsageError
        It is a list, but not of objects; a document with no list of objects, or several; or too large to be read at once.
    """
    first = list(islice((text.lstrip("\ufeff \t") for text in lines if text.strip()), 2))
    start = first[0].rstrip() if first else ""
    if start.startswith("["):
        return _objects(_read(path, name, entry), name)
    if not start.startswith("{"):
        return None
    try:
        alone = json.loads(start, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        known = _over_lines(path, name, entry, start)
        if known is None or _is_row(known, entry):
            return [known] if known is not None else None
        return _under_a_key(known, name, lone=False)
    return None if len(first) > 1 or _is_row(alone, entry) else _under_a_key(alone, name, lone=True)


def _over_lines(path: Path, name: str, entry: Entry, start: str) -> dict[str, Any] | None:
    """Read a document that goes on after its first line; None where that line is one of JSON lines, and broken."""
    surely = start == "{" or start.endswith("[")
    if not surely and path.stat().st_size > MOST_JSON:
        return None
    try:
        return _read(path, name, entry)
    except UsageError:
        if surely:
            raise
        return None


def _read(path: Path, name: str, entry: Entry) -> Any:
    mend = f"write one object per line, for example jq -c '.[]' {name} > {Path(name).stem}.jsonl"
    if path.stat().st_size > MOST_JSON:
        raise UsageError(f"{name} is one JSON document of more than {MOST_JSON >> 20} MB: {mend}.")
    try:
        with opened(path) as handle:
            return json.loads(handle.read().decode(entry.encoding).lstrip("\ufeff"), parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name} begins as one JSON document and is none ({error}): mend it, or {mend}.") from error


def _objects(value: list, name: str) -> list[dict]:
    if not all(isinstance(one, dict) for one in value):
        raise UsageError(
            f"{name} is a JSON list, but not one of objects with named values: write one object per line, for example "
            f"jq -c '.[]' {name} > {Path(name).stem}.jsonl."
        )
    return value


def _lists(value: dict[str, Any]) -> dict[str, list[dict]]:
    """Return the lists of objects by key; empty ones where there are no others."""
    found = {k: v for k, v in value.items() if isinstance(v, list) and all(isinstance(one, dict) for one in v)}
    return {k: v for k, v in found.items() if v} or found


def _under_a_key(value: dict[str, Any], name: str, lone: bool) -> list[dict] | None:
    """Return the rows of a document that lie under its only list of objects; None for one line that has no such list."""
    found = _lists(value)
    if len(found) == 1:
        return next(iter(found.values()))
    if not found:
        if lone:
            return None
        raise UsageError(
            f"{name} is one JSON document over many lines, not one object per line, and no key of it holds a list of objects: "
            "write it so, for example with jq -c."
        )
    keys = ", ".join(f"'{key}' ({len(rows):,})" for key, rows in found.items())
    one = next(iter(found))
    raise UsageError(
        f"{name} is one JSON document with {len(found)} lists of objects: {keys}; write that of this table into a file of its own, "
        f"for example jq -c '.[\"{one}\"][]' {name} > {one}.jsonl."
    )


def _is_row(value: dict[str, Any], entry: Entry) -> bool:
    """Return whether an object alone in its file is itself a row: it has more of the mapped names than what its lists hold."""
    lists, wanted = _lists(value), CANONICAL_NAMES - set(entry.columns) | _words(entry.columns.values())
    inside = (len(set().union(*rows[:LOOKED_AT]) & wanted) for rows in lists.values())
    return len((value.keys() - lists.keys()) & wanted) > max(inside, default=0)


def _words(expressions: Iterable[str]) -> set[str]:
    """Return what may be names of columns in expressions."""
    found: set[str] = set()
    for text in expressions:
        found |= {text.strip(), *re.findall(r"\w+", text)}
    return found
