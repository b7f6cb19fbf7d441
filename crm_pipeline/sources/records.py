"""Reads record by record the files that need care, and keeps what is malformed with its line and reason. No mapping here.

What DuckDB 2.0 could do in its place, and why it does not: with `store_rejects` an unclosed quote takes the good rows
after it along, a line in another encoding loses its bytes, and skipped blank lines and values over several lines leave
the rows without their line numbers. Its JSON writes 1.10 as 1.1, and has no text of a broken line. Its encodings are
in `crm_pipeline.sources.reading.NATIVE`.
"""

from __future__ import annotations

import contextlib
import csv
import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from crm_pipeline.errors import UsageError
from crm_pipeline.sources.documents import document_rows
from crm_pipeline.sources.opening import byte_lines, text_lines
from crm_pipeline.sources.reading import Look, distinct_names, unreadable
from crm_pipeline.sources.spec import Entry

BATCH = 50_000
csv.field_size_limit(1 << 24)
MOST_LINES = 500
"""A quoted value that goes on for longer is taken for one that was never closed."""

HALF = "holds half of a character (a surrogate without its other half)"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class Malformed:
    """A line that is no row: why, and what it says."""

    reason: str
    content: str


@dataclass(frozen=True)
class Rewritten:
    """A file made readable: ``rows`` and ``malformed`` are Parquet files (None when there is none).

    Attributes
    ----------
    count, bad : int
        Rows, and malformed lines.
    example : str
        ``line: reason`` of the first malformed line.
    """

    look: Look
    rows: Path
    malformed: Path | None
    count: int
    bad: int
    example: str = ""


Record = tuple[int, "list[str | None] | Malformed"]

Line = tuple[int, str, bool]
"""Number, text, and whether it could be decoded."""

MALFORMED = pa.schema([("source_line", pa.int64()), ("reasons", pa.string()), ("content", pa.string())])


def rewrite(item: Look, entry: Entry, folder: Path, stem: str) -> Rewritten:
    """Write a file's rows (all text, with ``__source_line``) to Parquet, in batches, malformed lines apart.

    Raises
    ------
    UsageError
        When the file is not of its format at all.
    CrmError
        When it cannot be read.
    """
    try:
        names, records = _opened(item, entry)
        rows = _Writer(
            folder / f"{stem}-rows.parquet",
            pa.schema([("__source_line", pa.int64()), *((n, pa.string()) for n in names)]),
        )
        bad = _Writer(folder / f"{stem}-malformed.parquet", MALFORMED)
        example = ""
        for line, record in records:
            if isinstance(record, Malformed):
                example = example or f"line {line}: {record.reason}"
                bad.add([line, record.reason, record.content])
            else:
                rows.add([line, *record])
    except OSError as error:
        raise unreadable(item.name, error) from error
    columns = dict.fromkeys(names, "VARCHAR")
    return Rewritten(
        replace(item, columns=columns), rows.close(True) or rows.path, bad.close(False), rows.count, bad.count, example
    )


class _Writer:
    """Collects records and writes them in batches of columns."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.schema, self.count = path, schema, 0
        self._waiting: list[list[Any]] = []
        self._writer: pq.ParquetWriter | None = None

    def add(self, record: list[Any]) -> None:
        self._waiting.append(record)
        self.count += 1
        if len(self._waiting) >= BATCH:
            self._flush()

    def close(self, always: bool) -> Path | None:
        """Finish the file; without rows there is one only if ``always``."""
        if always or self._waiting:
            self._flush()
        if self._writer is None:
            return None
        self._writer.close()
        return self.path

    def _flush(self) -> None:
        writer = self._writer = self._writer or pq.ParquetWriter(self.path, self.schema, compression="zstd")
        columns = list(zip(*self._waiting, strict=True)) or [()] * len(self.schema)
        arrays = [pa.array(c, f.type) for c, f in zip(columns, self.schema, strict=True)]
        writer.write_table(pa.Table.from_arrays(arrays, schema=self.schema))
        self._waiting = []


def _opened(item: Look, entry: Entry) -> tuple[list[str], Iterator[Record]]:
    if item.format == "excel":
        return _excel(item, entry)
    if item.format == "jsonl":
        keys = _json_names(item, entry)
        return distinct_names(keys), _json_records(item, entry, keys)
    names = list(item.columns)
    return names, _delimited(item, entry, len(names))


def _lines(item: Look, entry: Entry) -> Iterator[Line]:
    """Yield number, text and whether it could be decoded, line by line."""
    encoding = "utf-8" if entry.encoding == "utf-8-sig" else entry.encoding
    if "16" in encoding or "32" in encoding:
        for number, text in enumerate(text_lines(item.path, encoding, item.cr), 1):
            yield number, text, "�" not in text
        return
    for number, raw in enumerate(byte_lines(item.path, item.cr), 1):
        line = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
        try:
            yield number, line.decode(encoding), True
        except UnicodeDecodeError:
            yield number, line.decode(encoding, "backslashreplace"), False


class _Pushback:
    """Lines of a file, some of which can be given back."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._given_back: deque[Line] = deque()

    def next(self) -> Line | None:
        return self._given_back.popleft() if self._given_back else next(self._lines, None)

    def give_back(self, lines: list[Line]) -> None:
        self._given_back.extendleft(reversed(lines))


def _delimited(item: Look, entry: Entry, width: int) -> Iterator[Record]:
    lines = _Pushback(_lines(item, entry))
    header = not entry.header
    while (line := lines.next()) is not None:
        number, text, decoded = line
        if number <= item.skip or not text.strip():
            continue
        if header:
            header = False
            continue
        if not decoded:
            yield number, Malformed(f"not valid {entry.encoding}", text)
        elif "\0" in text:
            yield number, Malformed("holds a NUL byte", text)
        else:
            values = text.split() if item.format == "blank" else _values(item.delimiter, text, lines)
            yield number, values if isinstance(values, Malformed) else _checked(values, width, text)


def _values(delimiter: str, text: str, lines: _Pushback) -> list[str] | Malformed:
    """Split a line into values; take further lines while a quoted value is open, and give them back if it never closes."""
    if '"' not in text:
        return text.split(delimiter)
    taken: list[Line] = []
    while True:
        whole = [text + "\n", *(line + "\n" for _, line, _ in taken)] if taken else [text]
        try:
            return next(csv.reader(whole, delimiter=delimiter, strict=True))
        except csv.Error as error:
            if "unexpected end" not in str(error):
                lines.give_back(taken)
                return _backslashed(delimiter, text)
        if not _take(taken, lines):
            lines.give_back(taken)
            return Malformed("a quoted value is never closed", text)


def _backslashed(delimiter: str, text: str) -> list[str] | Malformed:
    """Split a line whose quotes within quotes are written with a backslash before them."""
    if '\\"' in text:
        with contextlib.suppress(csv.Error):  # then it is malformed in this way of writing too
            return next(csv.reader([text], delimiter=delimiter, strict=True, doublequote=False, escapechar="\\"))
    return Malformed("a quoted value is not closed or not escaped", text)


def _take(taken: list[Line], lines: _Pushback) -> bool:
    """Take lines up to one with a quote, which may close the value; tell whether there is one."""
    while len(taken) < MOST_LINES and (line := lines.next()) is not None:
        taken.append(line)
        if not line[2]:
            return False
        if '"' in line[1]:
            return True
    return False


def _checked(values: list[str], width: int, text: str) -> list[str | None] | Malformed:
    if len(values) > width and not any(values[width:]):
        values = values[:width]
    if len(values) != width:
        return Malformed(f"{len(values)} values where the header has {width}", text)
    return [value or None for value in values]


def _json_names(item: Look, entry: Entry) -> list[str]:
    names: dict[str, None] = {}
    for _, record in _json_objects(item, entry):
        if isinstance(record, dict):
            names.update(dict.fromkeys(record))
    return list(names)


def _json_records(item: Look, entry: Entry, names: list[str]) -> Iterator[Record]:
    for number, record in _json_objects(item, entry):
        yield number, [_plain(record.get(n)) for n in names] if isinstance(record, dict) else record


def _json_objects(item: Look, entry: Entry) -> Iterator[tuple[int, dict | Malformed]]:
    document = document_rows(item.path, item.name, entry, (text for _, text, _ in _lines(item, entry)))
    if document is not None:
        for number, row in enumerate(document, 1):
            yield number, row if _is_text(row) else Malformed(HALF, json.dumps(row))
        return
    for number, text, decoded in _lines(item, entry):
        if not text.strip():
            continue
        if not decoded:
            yield number, Malformed(f"not valid {entry.encoding}", text)
            continue
        try:
            value = json.loads(text, parse_float=str, parse_int=str)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            yield number, Malformed("not a JSON object", text)
        elif _SURROGATE.search(text) and not _is_text(value):
            yield number, Malformed(HALF, text)
        else:
            yield number, value


def _is_text(value: dict[str, Any]) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | bool) else str(value)


def _excel(item: Look, entry: Entry) -> tuple[list[str], Iterator[Record]]:
    from zipfile import BadZipFile

    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(item.path, read_only=True, data_only=True)
    except (BadZipFile, InvalidFileException, KeyError) as error:
        raise UsageError(
            f"{item.name} is not an Excel workbook (.xlsx): save it as one, or name its format in source.yaml."
        ) from error
    if entry.sheet and entry.sheet not in book.sheetnames:
        raise UsageError(f"{item.name} has no sheet '{entry.sheet}': it has {', '.join(book.sheetnames)}.")
    sheet = book[entry.sheet] if entry.sheet else book[book.sheetnames[0]]
    rows = islice(enumerate(sheet.iter_rows(values_only=True), 1), entry.skip, None)
    names = list(entry.header)
    if not names:
        first = next((row for _, row in rows if any(v is not None for v in row)), ())
        while first and first[-1] is None:
            first = first[:-1]
        names = distinct_names(["" if v is None else str(v) for v in first])
    return names, _excel_records(rows, len(names))


def _excel_records(rows: Iterator[tuple[int, tuple]], width: int) -> Iterator[Record]:
    for number, row in rows:
        values = [_plain(v) for v in row]
        if not any(values):
            continue
        if any(values[width:]):
            yield (
                number,
                Malformed(f"{len(values)} values where the header has {width}", json.dumps(values, ensure_ascii=False)),
            )
        else:
            yield number, (values + [None] * width)[:width]
