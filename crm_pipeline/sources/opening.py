"""Opens the bytes of source files: compressed ones unpacked, lines ended in any of the three ways. No columns and no values here."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from crm_pipeline.errors import UsageError

PACKED = (".gz", ".zip")
"""Suffixes of files that hold one compressed file."""

CHUNK = 1 << 20
SINGLE_BYTE = ("iso8859", "cp125", "mac-", "latin")


def packed(path: Path) -> bool:
    """Return whether a file is to be unpacked while it is read."""
    return path.suffix.lower() in PACKED


def opened(path: Path) -> IO[bytes]:
    """Open a file's bytes, unpacked.

    Raises
    ------
    UsageError
        An archive that does not hold exactly one file.
    OSError, EOFError, zlib.error, zipfile.BadZipFile
        When it cannot be read.
    """
    if path.suffix.lower() == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    if path.suffix.lower() != ".zip":
        return path.open("rb")
    archive = zipfile.ZipFile(path)
    inside = [one for one in archive.namelist() if not one.endswith("/") and not one.startswith("__MACOSX/")]
    inside = [one for one in inside if not one.rpartition("/")[2].startswith(".")]
    if len(inside) != 1:
        raise UsageError(
            f"{path.name} holds {len(inside)} files ({', '.join(inside[:3])}): unpack it, and name the table's."
        )
    return archive.open(inside[0])


def byte_lines(path: Path, cr: bool) -> Iterator[bytes]:
    """Yield the lines of a file without their ends; ``cr`` where a carriage return alone ends them."""
    with opened(path) as handle:
        if not cr:
            for raw in handle:
                yield raw.rstrip(b"\r\n")
            return
        rest = b""
        while chunk := handle.read(CHUNK):
            *whole, rest = (rest + chunk).split(b"\r")
            yield from whole
        if rest:
            yield rest


def text_lines(path: Path, encoding: str, cr: bool = False) -> Iterator[str]:
    """Yield the lines of a file as text, without their ends; what cannot be decoded is replaced."""
    with io.TextIOWrapper(opened(path), encoding, errors="replace", newline=None if cr else "\n") as handle:
        for text in handle:
            yield text.rstrip("\r\n")


def fitting(raw: bytes) -> str:
    """Return an encoding in which bytes are text."""
    if raw[1:400:2].count(0) > len(raw[:400]) // 8:
        return "utf-16-le"
    if raw[0:400:2].count(0) > len(raw[:400]) // 8:
        return "utf-16-be"
    for encoding in ("utf-8", "cp1252"):
        try:
            raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"


def single_byte(encoding: str) -> bool:
    """Return whether an encoding (Python's name) takes any byte for a letter, so that UTF-8 read in it looks right to a program."""
    return encoding.startswith(SINGLE_BYTE)
