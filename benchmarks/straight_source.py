"""Reads a source for the straight-line script: the program's own reader over a plain folder. No lake, hashes or manifests."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import ibis

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.engine import DuckDBEngine, Staged
from crm_pipeline.settings import Settings
from crm_pipeline.sources import extras, repeats
from crm_pipeline.sources.index import Index
from crm_pipeline.sources.span import covered
from crm_pipeline.sources.spec import load_source
from crm_pipeline.sources.split import ALL, FIRST, SNAPSHOT, UNDATED, raw_schema
from crm_pipeline.sources.sync import _Sync


class PlainEngine(DuckDBEngine):
    """The program's engine, without looking again at what it wrote: nothing is counted or hashed."""

    def describe_file(self, path: Path) -> Staged:
        """Return the path alone."""
        return Staged(str(path), 0, 0, {})


class Folder:
    """What the reader needs of a lake: a place for files and an engine."""

    def __init__(self, root: Path, settings: Settings) -> None:
        self.home = self.root = root
        self.engine = PlainEngine(settings.memory_limit, settings.threads, root / ".spill")
        (root / "raw").mkdir(parents=True)

    def staging(self) -> Path:
        """Return the folder of raw files."""
        return self.root / "raw"

    def describe_file(self, path: Path) -> Staged:
        """Return the path alone."""
        return self.engine.describe_file(path)

    def stage(self, rows: Any) -> Staged:
        """Write rows."""
        return self.engine.stage(rows, self.staging() / f"{uuid.uuid4().hex}.parquet")

    def stage_query(self, query: str) -> Staged:
        """Write the result of a query."""
        return self.engine.stage_query(query, self.staging() / f"{uuid.uuid4().hex}.parquet")


class World(NamedTuple):
    """A source that was read: ``files[table][period]`` are Parquet files of raw rows."""

    name: str
    timezone: str
    currency: str
    synthetic: bool
    tables: dict[str, tuple[str, ...]]
    files: dict[str, dict[str, list[str]]]
    first: str
    last: str


def read_source(path: Path, folder: Folder, settings: Settings) -> World:
    """Read every file of a source into raw Parquet files by period."""
    source = load_source(path, None)
    place: Any = folder
    work = _Sync(source, place, settings, Index(source.name), lambda _: None, datetime.now(UTC).date())
    work.read_tables()
    span = covered(work.new, source, work.calendar, settings.horizon)
    state, first, last = work._state(span, recorded=False, labels={}), span.first, span.last
    files: dict[str, dict[str, list[str]]] = {}
    for name, table in work.new.tables.items():
        contract = CANONICAL[name]
        others = [t for other, t in work.new.tables.items() if other != name]
        extras.first_seen(place, table, others, work.calendar, first)
        extras.snapshot(place, contract, table)
        repeats.repeats(place, contract, table, source.currency, settings.money_unit)
        found = files.setdefault(name, {})
        for made in (*table.records.values(), *table.extras.values()):
            for bucket, parts in made.buckets.items():
                if bucket not in (UNDATED, FIRST, SNAPSHOT, "current"):
                    key = bucket if bucket == ALL else max(bucket, first)
                    found.setdefault(key, []).extend(str(p.path) for p in parts)
    return World(
        source.name, source.timezone, source.currency, source.model.synthetic, dict(state.tables), files, first,
        state.complete_until or last,
    )  # fmt: skip


def raw_rows(folder: Folder, world: World, table: str, period: str) -> ibis.Table:
    """Return the raw rows of a table and period as a lazy table."""
    return folder.engine.table(world.files[table].get(period, []), raw_schema(CANONICAL[table]))
