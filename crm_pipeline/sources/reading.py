"""Looks at source files and makes them scannable by the engine, each with the line of every row. No mapping belongs here.

Plain delimited text (UTF-8 and Latin-1) and Parquet are scanned by DuckDB as they lie. Whatever needs care (other
encodings, broken lines, values over several lines, blank-separated text, JSON lines, Excel) is rewritten once by
`crm_pipeline.sources.records`, which says why.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import duckdb

from crm_pipeline.engine import literal, quote
from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.sources.opening import CHUNK, byte_lines, fitting, opened, packed, single_byte, text_lines
from crm_pipeline.sources.spec import Entry, Format

DELIMITERS = ",;\t|"
SAMPLE = 50
"""Lines that are looked at to tell a delimiter and a header line."""

_SEP = re.compile(r"\ufeff?sep=(.)", re.IGNORECASE)
"""The first line by which a spreadsheet is told the delimiter."""

NATIVE = {"utf-8": "utf-8", "utf-8-sig": "utf-8", "iso8859-1": "latin-1"}
"""Encodings (Python's names) to DuckDB's. Its utf-16 reads big-endian text as no rows and refuses what lies beyond 16 bits;
the others, cp1252 among them, need an extension that would be downloaded."""

MAGIC = (
    (b"\x89PNG", "a PNG image"), (b"\xff\xd8\xff", "a JPEG image"), (b"GIF8", "a GIF image"), (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or Office document"), (b"\x1f\x8b", "gzip-compressed"), (b"BZh", "bzip2-compressed"),
    (b"PAR1", "a Parquet file"), (b"SQLite format 3", "an SQLite database"), (b"\xd0\xcf\x11\xe0", "an old Office document"),
)  # fmt: skip
"""First bytes of files that are no text, and what they are."""


@dataclass(frozen=True)
class Look:
    """What a first look at a file tells.

    Attributes
    ----------
    columns : dict of str to str
        Name to the engine's type; all VARCHAR for text.
    lines : int
        Lines (text) or rows (Parquet).
    plain : bool
        DuckDB may read it as it lies.
    header : int
        Lines before the first row.
    skip : int
        Lines before the header line.
    cr : bool
        Lines are ended by a carriage return alone.
    fits : str
        Another encoding that its bytes speak for; empty when they fit the one it is read in.
    """

    path: Path
    name: str
    sha256: str
    format: Format
    columns: dict[str, str]
    delimiter: str = ""
    lines: int = 0
    plain: bool = False
    header: int = 1
    encoding: str = "utf-8"
    skip: int = 0
    cr: bool = False
    fits: str = ""

    @property
    def rows(self) -> int:
        """Rows a plain file must have."""
        return max(self.lines - self.header, 0)


def look(con: duckdb.DuckDBPyConnection, path: Path, name: str, entry: Entry) -> Look:
    """Read a file once: its hash, its columns, and whether it is what its format says.

    Raises
    ------
    UsageError
        When it is not of its format.
    CrmError
        When it cannot be read.
    """
    kind = entry.format_of(path)
    try:
        if kind in ("csv", "tsv", "blank", "jsonl"):
            return _look_text(path, name, kind, entry)
        digest = file_digest(path)
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise UsageError(f"{name} cannot be unpacked ({error}): put a whole file there.") from error
    except OSError as error:
        raise unreadable(name, error) from error
    if packed(path):
        raise UsageError(f"{name} is a compressed {kind} file, and text alone is unpacked while reading: unpack it.")
    if kind == "parquet":
        return _look_parquet(con, path, name, digest)
    return Look(path, name, digest, kind, {})


def unreadable(name: str, error: OSError) -> CrmError:
    """Return the sentence for a file that the system does not let us read."""
    if isinstance(error, IsADirectoryError):
        return UsageError(f"{name} is a folder, not a file: name the files in it, such as '{name}/*.csv'.")
    return CrmError(
        f"{name} cannot be read ({os.strerror(error.errno or 0)}): mend its rights or the disk, and run again."
    )


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _look_parquet(con: duckdb.DuckDBPyConnection, path: Path, name: str, digest: str) -> Look:
    source = f"read_parquet({literal(plain_path(path))})"
    try:
        columns = {r[0]: r[1] for r in con.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
        rows = con.execute(f"SELECT sum(num_rows) FROM parquet_file_metadata({literal(plain_path(path))})").fetchall()[
            0
        ][0]
    except duckdb.Error as error:
        raise UsageError(
            f"{name} is not a Parquet file ({first_line(error)}): name its format in source.yaml, or mend the file."
        ) from error
    return Look(path, name, digest, "parquet", columns, "", int(rows), True, 0)


def _look_text(path: Path, name: str, kind: Format, entry: Entry) -> Look:
    digest, lines, last = hashlib.sha256(), 0, b"\n"
    plain = kind in ("csv", "tsv") and not packed(path)
    encoding = NATIVE.get(codecs.lookup(entry.encoding).name)
    decoder, letters = codecs.getincrementaldecoder(encoding or "utf-8")(), _Letters(entry.encoding)
    first, cr = True, False
    with opened(path) as handle:
        while chunk := handle.read(CHUNK):
            if first:
                _refuse_binary(chunk[:8192], name, kind, entry.encoding)
                # a mark that says UTF-8 would become a value of a file without a header line
                plain = plain and not (encoding == "latin-1" and chunk.startswith(codecs.BOM_UTF8))
                first = False
            digest.update(chunk)
            letters.see(chunk)
            lines, cr = lines + chunk.count(b"\n"), cr or b"\r" in chunk
            last = chunk[-1:]
            plain = plain and encoding is not None and b"\0" not in chunk and _decodes(decoder, chunk)
    cr = cr and not lines
    lines += last != b"\n"
    made = Look(
        path, name, file_digest(path) if packed(path) else digest.hexdigest(), kind, {}, lines=lines, plain=plain and not cr,
        encoding=encoding or "", skip=entry.skip, cr=cr, fits=letters.fits,
    )  # fmt: skip
    if kind == "jsonl" or not lines:
        return replace(made, plain=False)
    return _with_header(made, entry)


class _Letters:
    """Looks whether bytes are text in an encoding, and in which other they are if not."""

    def __init__(self, encoding: str) -> None:
        self.fits = ""
        name = codecs.lookup(encoding).name
        self._single = single_byte(name)
        self._decoder = codecs.getincrementaldecoder("utf-8" if self._single else name)()
        self._known = False

    def see(self, chunk: bytes) -> None:
        """Look at a further chunk."""
        if self._known or (self._single and chunk.isascii()):
            return
        fails = not _decodes(self._decoder, chunk)
        self._known = fails
        if self._single:  # any bytes are letters in it, but text that happens to be UTF-8 is UTF-8
            self.fits = "" if fails else "utf-8"
        elif fails:
            self.fits = fitting(chunk)


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes) -> bool:
    try:
        decoder.decode(chunk)
    except UnicodeDecodeError:
        return False
    return True


def _refuse_binary(start: bytes, name: str, kind: str, encoding: str) -> None:
    found = next((what for magic, what in MAGIC if start.startswith(magic)), None)
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        found = "an HTML page"
    if found:
        raise UsageError(
            f"{name} is {found}, not {kind} text: put the table's own file there, or name its format in source.yaml."
        )
    if "16" in encoding or "32" in encoding:
        return
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise UsageError(f"{name} is UTF-32 text: set 'encoding: utf-32' for it in source.yaml.")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UsageError(f"{name} is UTF-16 text: set 'encoding: utf-16' for it in source.yaml.")
    if b"\0" in start:
        line, fits = start[: start.index(b"\0")].count(b"\n") + 1, fitting(start)
        found = f"; 'encoding: {fits}' fits" if fits.startswith("utf-16") else ""
        raise UsageError(
            f"{name} line {line} holds a NUL byte, so it is not {kind} text: "
            f"put the table's own file there, or set 'encoding:' for it{found}."
        )


def _with_header(made: Look, entry: Entry) -> Look:
    sample = _sample(made, entry.encoding)
    _refuse_mojibake(made, entry)
    said = _SEP.fullmatch(sample[0]) if sample else None
    if said and not made.skip:
        made, sample = replace(made, skip=1), sample[1:]
    text = sample[0] if sample else ""
    if text.startswith(("{", "[{")):
        raise UsageError(
            f"{made.name} looks like JSON, not {made.format} text: name it .jsonl, or "
            "set 'format: jsonl' for it in source.yaml."
        )
    if made.format == "blank":
        names, delimiter = text.split(), ""
    else:
        delimiter = entry.delimiter or (said[1] if said else "\t" if made.format == "tsv" else _delimiter(sample))
        try:
            names = next(csv.reader([text], delimiter=delimiter), [])
        except csv.Error as error:
            raise UsageError(
                f"{made.name} line 1 is no header line ({error}): mend it, or give 'header:' in source.yaml."
            ) from error
    columns = dict.fromkeys(distinct_names(entry.header or names), "VARCHAR")
    multiline = text.count('"') % 2 == 1
    return replace(
        made, columns=columns, delimiter=delimiter, plain=made.plain and not multiline,
        header=made.skip + (0 if entry.header else 1),
    )  # fmt: skip


def _sample(made: Look, encoding: str) -> list[str]:
    """Return the first lines that are not blank, from the header line on."""
    lines = text_lines(made.path, "utf-8-sig" if encoding == "utf-8" else encoding, made.cr)
    return list(islice((line for line in islice(lines, made.skip, None) if line.strip()), SAMPLE))


def _refuse_mojibake(made: Look, entry: Entry) -> None:
    """Refuse a header line in another encoding: its columns would be given names that nobody can map."""
    raw = next((line for line in islice(byte_lines(made.path, made.cr), made.skip, None) if line.strip()), b"")
    if made.fits and not raw.isascii() and fitting(raw) != entry.encoding:
        raise UsageError(
            f"{made.name} is not {entry.encoding} text by its header line: set 'encoding: {made.fits}' for it in source.yaml."
        )


def _widths(lines: Sequence[str], delimiter: str) -> list[int]:
    try:
        return [len(row) for row in csv.reader(lines, delimiter=delimiter)]
    except csv.Error:
        return [1]


def _delimiter(sample: Sequence[str]) -> str:
    """Return what parts the values: what parts most lines as it does the header line; of several, what gives most columns."""

    def fit(delimiter: str) -> tuple[bool, float, int]:
        widths = _widths(sample, delimiter)
        return widths[:1] > [1], sum(w == widths[0] for w in widths) / max(len(widths), 1), sum(widths[:1])

    return max(DELIMITERS, key=fit)


def header_hint(look: Look, entry: Entry) -> str:
    """Return which key of source.yaml would mend a header line that is none; empty where none would."""
    if look.format not in ("csv", "tsv") or entry.header:
        return ""
    sample = _sample(look, entry.encoding)
    rest = sample[1:]
    for delimiter in dict.fromkeys((look.delimiter, *DELIMITERS)):
        widths = _widths(rest, delimiter)
        usual = max(set(widths), key=widths.count, default=1)
        if usual > max(1, *_widths(sample[:1], delimiter)):
            text = rest[widths.index(usual)] if len(widths) == len(rest) else ""
            for number, line in enumerate(text_lines(look.path, entry.encoding, look.cr), 1):
                if text and line == text and number > 1:
                    return f" Line {number} looks like the header line: give 'skip: {number - 1}' in source.yaml."
    if len(look.columns) == 1 and sample:
        for mark in dict.fromkeys(ch for ch in sample[0] if not ch.isalnum() and ch not in " _\"'-."):
            if len(set(_widths(sample, mark))) == 1:
                return f" Its values seem to be parted by '{mark}': give 'delimiter: \"{mark}\"' in source.yaml."
    return ""


def distinct_names(names: Sequence[str]) -> list[str]:
    """Return column names that are not empty and differ in more than case."""
    found: list[str] = []
    lower: set[str] = set()
    for position, raw in enumerate(names, 1):
        name = base = raw.strip() or f"column_{position}"
        n = 1
        while name.lower() in lower:
            n += 1
            name = f"{base}_{n}"
        lower.add(name.lower())
        found.append(name)
    return found


def scan_plain(group: Sequence[tuple[int, Look]]) -> str:
    """Return the query that reads plain files of one format and header: their columns, ``__file`` and ``__line``.

    ``group`` pairs each file with its number. Line numbers of text hold only if every file has as many rows as
    `Look.rows` says; the caller checks that.
    """
    first = group[0][1]
    files = "[" + ", ".join(literal(plain_path(item.path)) for _, item in group) + "]"
    before, numbers = 0, []
    for number, item in group:
        numbers.append(f"({literal(str(item.path))}, {number}, {before - item.header})")
        before += item.rows
    numbered = f"(VALUES {', '.join(numbers)}) AS f(path, number, before)"
    names = ", ".join(quote(c) for c in first.columns)
    if first.format == "parquet":
        source = f"read_parquet({files}, filename = '__path', file_row_number = true)"
        return f"SELECT {names}, f.number AS __file, file_row_number + 1 AS __line FROM {source} s JOIN {numbered} ON s.__path = f.path"
    columns = ", ".join(f"{literal(c)}: 'VARCHAR'" for c in first.columns)
    source = (
        f"read_csv({files}, auto_detect = false, header = {'true' if first.header > first.skip else 'false'}, "
        f"skip = {first.skip}, delim = {literal(first.delimiter)}, "
        f"quote = '\"', escape = '\"', columns = {{{columns}}}, filename = '__path', "
        f"encoding = {literal(first.encoding)}, strict_mode = true, max_line_size = 16777216)"
    )
    rows = f"SELECT *, row_number() OVER () AS __row FROM {source}"
    return f"SELECT {names}, f.number AS __file, __row - f.before AS __line FROM ({rows}) s JOIN {numbered} ON s.__path = f.path"


def faulty(con: duckdb.DuckDBPyConnection, group: Sequence[tuple[int, Look]]) -> set[int]:
    """Return the numbers of the files that DuckDB cannot read row for line (broken, or values over several lines)."""
    found = set()
    for number, item in group:
        try:
            rows = con.execute(f"SELECT count(*) FROM ({scan_plain([(number, item)])})").fetchall()[0][0]
        except duckdb.Error as error:
            if isinstance(error, duckdb.OutOfMemoryException):
                raise
            rows = -1
        if rows != item.rows:
            found.add(number)
    return found


def plain_path(path: Path) -> str:
    """Return a path that DuckDB does not take for a glob."""
    text = str(path)
    return "".join(f"[{ch}]" if ch in "*?[" else ch for ch in text)


def first_line(error: Exception) -> str:
    """Return the first line of an engine's message, without its class."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return text.partition("Error: ")[2] or text


def batches(
    items: Sequence[tuple[int, Look]], most_files: int = 400, most_lines: int = 4_000_000
) -> Iterator[list[tuple[int, Look]]]:
    """Split files that can be scanned together (same format, header, delimiter) into batches."""
    groups: dict[tuple, list[tuple[int, Look]]] = {}
    for number, item in items:
        groups.setdefault(
            (item.format, tuple(item.columns.items()), item.delimiter, item.header, item.skip), []
        ).append((number, item))
    for group in groups.values():
        batch: list[tuple[int, Look]] = []
        for number, item in group:
            if batch and (len(batch) >= most_files or sum(i.lines for _, i in batch) + item.lines > most_lines):
                yield batch
                batch = []
            batch.append((number, item))
        yield batch
