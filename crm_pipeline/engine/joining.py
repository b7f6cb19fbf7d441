"""Makes one Parquet file of several by copying their bytes: only the footer is written anew. No rows are read here."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

MAGIC = b"PAR1"
CHUNK = 2**24

# Thrift's compact protocol
BOOLEANS, DOUBLE, BINARY, LIST, SET, STRUCT = (1, 2), 7, 8, 9, 10, 12
INTEGERS = (4, 5, 6)

# Fields of the footer, as parquet.thrift numbers them
SCHEMA, ROWS, GROUPS = 2, 3, 4
COLUMNS, GROUP_OFFSET, ORDINAL = 1, 5, 7
CHUNK_OFFSET, CHUNK_META = 2, 3
INDEXES = (4, 5, 6, 7)
"""Offsets and lengths of page indexes, which are left out: readers do without."""
PAGES = (9, 10, 11)
BLOOM = (14, 15)

Fields = dict[int, tuple[int, Any]]
"""A struct: by field its type and value."""


def join_files(paths: Sequence[Path], target: Path) -> bool:
    """Write the rows of Parquet files one after another; tell whether it could be done, which needs files of one schema.

    What a file says besides (index pages, bloom filters, who wrote it) is the first one's, or left out.
    """
    footers = [footer for footer in map(_footer, paths) if footer is not None]
    if len(footers) < len(paths) or any(footer[SCHEMA] != footers[0][SCHEMA] for footer in footers):
        return False
    groups: list[Fields] = []
    with target.open("wb") as out:
        out.write(MAGIC)
        for path, footer in zip(paths, footers, strict=True):
            _append(path, footer, out, groups)
        rows = sum(footer[ROWS][1] for footer in footers)
        text = _struct(footers[0] | {ROWS: (INTEGERS[-1], rows), GROUPS: (LIST, (STRUCT, groups))})
        out.write(text + struct.pack("<I", len(text)) + MAGIC)
    return True


def _append(path: Path, footer: Fields, out: BinaryIO, groups: list[Fields]) -> None:
    """Copy the pages of a file, and take its row groups with their places moved."""
    moved = out.tell() - len(MAGIC)
    for group in footer[GROUPS][1][1]:
        for column in group[COLUMNS][1][1]:
            meta = column[CHUNK_META][1]
            _move(meta, PAGES, moved)
            _move(column, (CHUNK_OFFSET,), moved)
            for fields, name in [*((meta, name) for name in BLOOM), *((column, name) for name in INDEXES)]:
                fields.pop(name, None)
        _move(group, (GROUP_OFFSET,), moved)
        group.pop(ORDINAL, None)  # a number of 16 bits, and there may be more
        groups.append(group)
    with path.open("rb") as read:
        left = _footer_begins(read) - len(MAGIC)
        read.seek(len(MAGIC))
        while left and (chunk := read.read(min(left, CHUNK))):
            out.write(chunk)
            left -= len(chunk)


def _move(fields: Fields, names: Sequence[int], moved: int) -> None:
    """Move the places that are told; 0 tells none."""
    for name in names:
        kind, place = fields.get(name, (0, 0))
        if place:
            fields[name] = (kind, place + moved)


def _footer_begins(read: BinaryIO) -> int:
    if read.seek(0, os.SEEK_END) < 8:
        return -1
    read.seek(-8, os.SEEK_END)
    size, magic = struct.unpack("<I4s", read.read(8))
    return read.tell() - 8 - size if magic == MAGIC else -1


def _footer(path: Path) -> Fields | None:
    """Return what the footer of a file says; None where it is encrypted, or holds what is not known here."""
    with path.open("rb") as read:
        begins = _footer_begins(read)
        if begins < 0:
            return None
        read.seek(begins)
        try:
            return _Reader(read.read()).struct()
        except (ValueError, IndexError):
            return None


class _Reader:
    """Reads what Thrift's compact protocol has written."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def zigzag(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def take(self, size: int) -> bytes:
        self.at += size
        return self.data[self.at - size : self.at]

    def struct(self) -> Fields:
        found: Fields = {}
        field = 0
        while head := self.take(1)[0]:
            field = field + (head >> 4) if head >> 4 else self.zigzag()
            kind = head & 15
            found[field] = (kind, kind == 1 if kind in BOOLEANS else self.value(kind))
        return found

    def value(self, kind: int) -> Any:
        if kind in INTEGERS:
            return self.zigzag()
        if kind == BINARY:
            return self.take(self.varint())
        if kind == STRUCT:
            return self.struct()
        if kind in (LIST, SET):
            head = self.take(1)[0]
            size, of = head >> 4, head & 15
            size = self.varint() if size == 15 else size
            return of, [self.value(of) for _ in range(size)]
        if kind == DOUBLE:
            return self.take(8)
        if kind in (*BOOLEANS, 3):  # of a list, where each is a byte
            return self.take(1)
        raise ValueError(f"unknown type {kind}")


def _varint(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _zigzag(value: int) -> bytes:
    return _varint(value << 1 if value >= 0 else (-value << 1) - 1)


def _struct(fields: Fields) -> bytes:
    made, last = bytearray(), 0
    for field, (kind, value) in sorted(fields.items()):
        head, step = (1 if value else 2) if kind in BOOLEANS else kind, field - last
        made += bytes([step << 4 | head]) if 0 < step < 16 else bytes([head]) + _zigzag(field)
        made += b"" if kind in BOOLEANS else _value(kind, value)
        last = field
    return bytes(made) + b"\0"


def _value(kind: int, value: Any) -> bytes:
    if kind in INTEGERS:
        return _zigzag(value)
    if kind == BINARY:
        return _varint(len(value)) + value
    if kind == STRUCT:
        return _struct(value)
    if kind in (LIST, SET):
        of, items = value
        head = bytes([len(items) << 4 | of]) if len(items) < 15 else bytes([0xF0 | of]) + _varint(len(items))
        return head + b"".join(_value(of, item) for item in items)
    return bytes(value)
