"""What was read of every source file, and where its rows lie in the lake: the memory of the sync, as JSON. No reading of tables."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path

from crm_pipeline.engine import Staged
from crm_pipeline.errors import CrmError
from crm_pipeline.lake import DataFile, Lake

VERSION = 3


@dataclass
class Record:
    """What is known of one source file read for one entry of one table.

    Attributes
    ----------
    key : str
        Hash of everything but the file that its rows depend on: mapping, reader code, settings.
    rows : int
        Rows and malformed lines of the file: each is in a period or undated.
    undated, malformed, orphans : int
        Rows without usable time (malformed lines and orphans among them).
    first_at, last_at : str or None
        ISO times (UTC) of the first and last credible event.
    future : str or None
        ISO time of the earliest event that is still to come: read again after that.
    unread : list of str
        The file's own columns that nothing is read from.
    notes : list of str
        What a person should know about the file, one sentence each.
    days : dict
        Local day (ISO) to the main events of that day.
    found : dict
        Topic to value to rows: what `crm_pipeline.sources.findings` tells of.
    hints : dict
        Reason to the first value that was refused for it, and the mapping that would read it, in words.
    buckets : dict
        Bucket to the data files that hold its rows.
    """

    entry: int
    name: str
    size: int
    mtime_ns: int
    sha256: str
    key: str
    rows: int = 0
    undated: int = 0
    malformed: int = 0
    orphans: int = 0
    first_at: str | None = None
    last_at: str | None = None
    future: str | None = None
    columns: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    days: dict[str, int] = field(default_factory=dict)
    found: dict[str, dict[str, int]] = field(default_factory=dict)
    hints: dict[str, str] = field(default_factory=dict)
    buckets: dict[str, list[DataFile | Staged]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Identifies the file within its table."""
        return f"{self.entry}:{self.name}"


@dataclass
class Extra:
    """Data files made from many records (customers without a date, snapshots, markers of repeated keys)."""

    key: str
    buckets: dict[str, list[DataFile | Staged]] = field(default_factory=dict)


@dataclass
class TableIndex:
    """The records of one table by id, and what was made from many of them."""

    records: dict[str, Record] = field(default_factory=dict)
    extras: dict[str, Extra] = field(default_factory=dict)


@dataclass
class Index:
    """The memory of the sync of one home."""

    source: str = ""
    tables: dict[str, TableIndex] = field(default_factory=dict)

    def files(self) -> Iterator[DataFile | Staged]:
        """Yield every data file that the index refers to."""
        for table in self.tables.values():
            holders: list[Record | Extra] = [*table.records.values(), *table.extras.values()]
            for holder in holders:
                for files in holder.buckets.values():
                    yield from files


def load_index(lake: Lake) -> Index:
    """Read the index of a home, empty before the first sync; files that are gone make their record forgotten.

    Raises
    ------
    CrmError
        When it is damaged.
    """
    path = _path(lake)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] != VERSION:
            return Index(data["source"])
        schemas = data["schemas"]
        tables = {name: _table(lake, raw, schemas) for name, raw in data["tables"].items()}
        return Index(data["source"], tables)
    except FileNotFoundError:
        return Index()
    except (ValueError, TypeError, KeyError) as error:
        raise CrmError(f"{path} is damaged ({error}): remove it, and the source is read anew.") from error


def save_index(lake: Lake, index: Index) -> None:
    """Write the index atomically; every file it refers to must be in the lake."""
    schemas: list[dict[str, str]] = []
    tables = {
        name: {
            "records": [_with_files(r, schemas) for r in table.records.values()],
            "extras": {k: _with_files(e, schemas) for k, e in table.extras.items()},
        }
        for name, table in index.tables.items()
    }
    data = {"version": VERSION, "source": index.source, "schemas": schemas, "tables": tables}
    temporary = lake.staging() / uuid.uuid4().hex
    temporary.write_text(json.dumps(data, separators=(",", ":")), encoding="utf-8")
    os.replace(temporary, _path(lake))


def index_files(lake: Lake) -> list[str]:
    """Return the lake-relative paths of the files that the index needs, so that garbage collection keeps them."""
    return [f.path for f in load_index(lake).files()]


def _table(lake: Lake, raw: dict, schemas: list[dict[str, str]]) -> TableIndex:
    records = [Record(**{**r, "buckets": _data_files(r["buckets"], schemas)}) for r in raw["records"]]
    extras = {name: Extra(e["key"], _data_files(e["buckets"], schemas)) for name, e in raw["extras"].items()}
    holders: list[Record | Extra] = [*records, *extras.values()]
    gone = lake.storage.missing(f.path for holder in holders for files in holder.buckets.values() for f in files)
    return TableIndex(
        {r.id: r for r in records if not _lacks(r, gone)},
        {name: e for name, e in extras.items() if not _lacks(e, gone)},
    )


def _lacks(holder: Record | Extra, gone: Set[str]) -> bool:
    return any(f.path in gone for files in holder.buckets.values() for f in files)


def _with_files(holder: Record | Extra, schemas: list[dict[str, str]]) -> dict:
    """Return a holder as plain data, its files as [path, rows, content_sum, number of their schema]."""
    data = dict(vars(holder))
    data["buckets"] = {
        bucket: [[f.path, f.rows, f.content_sum, _number(f.columns, schemas)] for f in files]
        for bucket, files in holder.buckets.items()
    }
    return data


def _number(columns: dict[str, str], schemas: list[dict[str, str]]) -> int:
    if columns not in schemas:
        schemas.append(columns)
    return schemas.index(columns)


def _data_files(raw: dict[str, list], schemas: list[dict[str, str]]) -> dict[str, list[DataFile | Staged]]:
    return {
        bucket: [DataFile(path, rows, content_sum, schemas[number]) for path, rows, content_sum, number in files]
        for bucket, files in raw.items()
    }


def _path(lake: Lake) -> Path:
    return lake.root / "source-index.json"
