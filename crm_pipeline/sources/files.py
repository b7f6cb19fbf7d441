"""Reads new and changed files of one table into staged raw rows, each file once, and checks that no row is lost."""

from __future__ import annotations

import codecs
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from importlib import import_module
from pathlib import Path

import duckdb

from crm_pipeline.contracts.texts import MASKING, WRITTEN
from crm_pipeline.engine import Staged, literal, storage_error
from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.lake import Lake
from crm_pipeline.sources import findings
from crm_pipeline.sources.index import Record
from crm_pipeline.sources.mapping import LONGEST, bind, unread
from crm_pipeline.sources.opening import single_byte
from crm_pipeline.sources.reading import Look, batches, faulty, first_line, header_hint, plain_path, scan_plain
from crm_pipeline.sources.records import Rewritten, rewrite
from crm_pipeline.sources.scan import Scan, TableEntry
from crm_pipeline.sources.spec import Entry
from crm_pipeline.sources.split import (
    ALL,
    FIRST,
    FUTURE,
    REJECTS_SCHEMA,
    SNAPSHOT,
    UNDATED,
    split_files,
    states_query,
    values_query,
)
from crm_pipeline.sources.zones import local_sql

Progress = Callable[[str], None]

MOST_STATES = 1000
"""Files × states that are counted, the most frequent; a column of more is none of states."""

NO_DAYS = (ALL, FIRST, FUTURE, SNAPSHOT, UNDATED)
"""Buckets whose rows have no day."""


@dataclass
class _Sorted:
    """What a file gave: counts of its main rows, first and last event, and by bucket the files with its rows."""

    rows: int = 0
    undated: int = 0
    orphans: int = 0
    first: datetime | None = None
    last: datetime | None = None
    future: datetime | None = None
    days: dict[str, int] = field(default_factory=dict)
    found: findings.Found = field(default_factory=dict)
    hints: dict[str, str] = field(default_factory=dict)
    buckets: dict[str, list[Path]] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


@dataclass
class Reader:
    """Reads files of one entry of one table into their records."""

    lake: Lake
    of: TableEntry
    records: Sequence[Record]
    progress: Progress

    @cached_property
    def folder(self) -> Path:
        """Where the reading puts its files."""
        return self.lake.staging() / f"sync-{uuid.uuid4().hex}"

    def read(self, looks: Sequence[Look]) -> None:
        """Fill the records with the staged data files of the files looked at, one each.

        Raises
        ------
        UsageError
            When a mapping does not fit a file's columns.
        CrmError
            When a file cannot be read, or rows would be lost.
        """
        try:
            self.folder.mkdir()
            self._read(list(enumerate(looks)))
        except (duckdb.Error, OSError) as error:
            found = storage_error(error, self.folder)
            if found is error and isinstance(error, duckdb.Error):
                names = ", ".join(item.name for item in looks[:3]) + (" …" if len(looks) > 3 else "")
                found = CrmError(
                    f"{names} cannot be read into {self.of.contract.name}: {first_line(error)}; "
                    "mend the file or its mapping in source.yaml."
                )
            raise found from error

    def _read(self, numbered: list[tuple[int, Look]]) -> None:
        table = self.of.contract.name
        careful = [(n, item) for n, item in numbered if not item.plain]
        for batch in batches([(n, item) for n, item in numbered if item.plain]):
            self.progress(f"{table}: reading {_names(batch)}")
            if not self._plain_batch(batch):
                wrong = faulty(self.lake.engine.con, batch)
                careful += [(n, item) for n, item in batch if n in wrong]
                rest = [(n, item) for n, item in batch if n not in wrong]
                if rest and not self._plain_batch(rest, again=True):
                    raise CrmError(
                        f"{_names(rest)}: rows would be lost while reading; nothing was published. Please report this."
                    )
        groups: dict[tuple[str, ...], list[tuple[int, Rewritten]]] = {}
        for n, item in careful:
            self.progress(f"{table}: reading {item.name} line by line")
            made = rewrite(item, self.of.entry, self.folder, str(n))
            groups.setdefault(tuple(made.look.columns), []).append((n, made))
        for group in groups.values():
            self._rewritten(group)

    def _plain_batch(self, batch: list[tuple[int, Look]], *, again: bool = False) -> bool:
        """Read files as they lie; tell whether every file gave as many rows as it has."""
        try:
            given = self._sorted(scan_plain(batch), batch)
        except duckdb.Error as error:
            left = isinstance(error, duckdb.OutOfMemoryException | duckdb.IOException)
            if again or left or batch[0][1].format == "parquet":
                raise
            return False
        if any(given[n].rows != item.rows for n, item in batch):
            for path in (p for one in given.values() for paths in one.buckets.values() for p in paths):
                path.unlink()
            return False
        for n, item in batch:
            self._fill(n, given[n], None, item)
        return True

    def _rewritten(self, group: list[tuple[int, Rewritten]]) -> None:
        numbers = ", ".join(f"({literal(str(item.rows))}, {n})" for n, item in group)
        paths = ", ".join(literal(plain_path(item.rows)) for _, item in group)
        query = (
            f"SELECT s.* EXCLUDE (__source_line, __path), f.number AS __file, __source_line AS __line FROM read_parquet([{paths}], "
            f"filename = '__path') s JOIN (VALUES {numbers}) AS f(path, number) ON s.__path = f.path"
        )
        given = self._sorted(query, [(n, item.look) for n, item in group])
        for n, item in group:
            if given[n].rows != item.count:
                raise CrmError(
                    f"{item.look.name}: {item.count} rows were read and {given[n].rows} sorted; "
                    "nothing was published. Please report this."
                )
            self._fill(n, given[n], item, item.look)

    def _sorted(self, query: str, batch: list[tuple[int, Look]]) -> dict[int, _Sorted]:
        """Write what a query reads of files of the same columns as raw rows, sorted, and count them."""
        con, first = self.lake.engine.con, batch[0][1]
        given = {n: _Sorted() for n, _ in batch}
        try:
            mapped = bind(con, self.of, first.columns, first.name)
        except UsageError as error:
            raise UsageError(f"{error}{header_hint(first, self.of.entry)}") from error
        if not first.columns:
            return given
        scan = Scan(self.of, query, {n: item.name for n, item in batch}, tuple(first.columns), mapped)
        target = self.folder / uuid.uuid4().hex
        try:
            written = split_files(con, scan, target)
        except duckdb.Error:
            shutil.rmtree(target, ignore_errors=True)
            raise
        for (n, bucket), paths in written.items():
            given[n].buckets[bucket] = paths
        for one in given.values():
            one.columns, one.unread = list(mapped), unread(first.columns, mapped.values(), self.of.entry.where or "")
        self._count(given)
        if self.of.contract.name == "orders" and "status" in mapped:
            for n, state, rows in con.execute(states_query(scan)).fetchmany(MOST_STATES):
                given[n].found.setdefault(findings.STATES, {})[state[:LONGEST]] = rows
        column = findings.currency_column(self.of, first.columns, mapped)
        for n, value, rows in con.execute(values_query(scan, column)).fetchmany(MOST_STATES) if column else ():
            given[n].found.setdefault(findings.UNMAPPED, {})[f"{column}: {value[:LONGEST]}"] = rows
        return given

    def _count(self, given: dict[int, _Sorted]) -> None:
        """Count the main rows per file, and find the first and last event, in one scan."""
        of_file = {
            str(path): (n, bucket)
            for n, one in given.items()
            for bucket, paths in one.buckets.items()
            if bucket != SNAPSHOT
            for path in paths
        }
        if not of_file:
            return
        con, main = self.lake.engine.con, f"event = {literal(self.of.contract.event)}"
        numbers = ", ".join(f"({literal(path)}, {n}, {literal(bucket)})" for path, (n, bucket) in of_file.items())
        orphan = "unreadable LIKE '%is not in orders, or has no usable time there%'"
        rows = con.execute(
            f"SELECT f.number, count(*) FILTER ({main} AND f.bucket <> '{FUTURE}'), "
            f"count(*) FILTER ({main} AND f.bucket = '{UNDATED}'), "
            f"count(*) FILTER ({orphan if self.of.terms.order_times else 'false'}), "
            + "".join(f"{f}(event_at) FILTER (f.bucket NOT IN ('{UNDATED}', '{FUTURE}')), " for f in ("min", "max"))
            + f"min(event_at) FILTER (f.bucket = '{FUTURE}' OR unreadable LIKE '%lies in the future%') "
            f"FROM read_parquet([{', '.join(map(literal, of_file))}], filename = '__path') r "
            f"JOIN (VALUES {numbers}) AS f(path, number, bucket) ON r.__path = f.path GROUP BY f.number"
        ).fetchall()
        for n, *counts in rows:
            one = given[n]
            one.rows, one.undated, one.orphans, one.first, one.last, one.future = counts
        self._count_days({path: n for path, (n, bucket) in of_file.items() if bucket not in NO_DAYS}, given)
        kept = {path: n for path, (n, bucket) in of_file.items() if bucket not in (UNDATED, FUTURE)}
        for n, values in findings.count(con, self.of.contract, kept).items():
            given[n].found = values
        refused = {path: n for path, (n, bucket) in of_file.items() if bucket != FUTURE}
        for n, told in findings.hints(con, self.of, refused).items():
            given[n].hints = told

    def _count_days(self, dated: dict[str, int], given: dict[int, _Sorted]) -> None:
        """Count the main events per local day; by quarters of an hour first, in which no time zone begins a day."""
        if not dated:
            return
        rows = self.lake.engine.con.execute(
            f"SELECT __path, strftime({local_sql('q', self.of.terms.timezone)}, '%Y-%m-%d') AS day, CAST(sum(n) AS BIGINT) FROM ("
            "SELECT __path, time_bucket(INTERVAL 15 MINUTE, event_at) AS q, count(*) AS n "
            f"FROM read_parquet([{', '.join(map(literal, dated))}], filename = '__path') "
            f"WHERE event = {literal(self.of.contract.event)} GROUP BY ALL) GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        for path, day, n in rows:
            days = given[dated[path]].days
            days[day] = days.get(day, 0) + n

    def _fill(self, number: int, given: _Sorted, item: Rewritten | None, look: Look) -> None:
        record, lake = self.records[number], self.lake
        record.malformed = item.bad if item else 0
        record.rows = given.rows + record.malformed
        record.undated = given.undated + record.malformed
        record.orphans = given.orphans
        record.first_at, record.last_at, record.future = _iso(given.first), _iso(given.last), _iso(given.future)
        record.days, record.columns, record.found, record.hints = given.days, given.columns, given.found, given.hints
        record.unread = given.unread
        record.notes = _notes(record, self.of.entry, item, look)
        record.buckets = {
            b: [lake.describe_file(p) for p in paths]
            for b, paths in sorted(given.buckets.items())
            if b not in (UNDATED, FUTURE)
        }
        refused = self._undated(record, given.buckets.get(UNDATED, []), item)
        if refused is not None:
            record.buckets[UNDATED] = [refused]

    def _undated(self, record: Record, paths: list[Path], item: Rewritten | None) -> Staged | None:
        """Stage the rows without usable time and the malformed lines as one file of ``rejects``."""
        parts = []
        if paths:
            listed = ", ".join(literal(str(p)) for p in paths)
            parts.append(
                f"SELECT source_file, source_line, unreadable AS reasons, content, NULL AS event_at FROM read_parquet([{listed}])"
            )
        if item is not None and item.malformed is not None:
            text = "CAST(to_json({'line': content}) AS VARCHAR)"
            parts.append(
                f"SELECT {literal(record.name)} AS source_file, source_line, reasons, {text} AS content, "
                f"NULL AS event_at FROM read_parquet({literal(str(item.malformed))})"
            )
        if not parts:
            return None
        typed = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in REJECTS_SCHEMA.items())
        query = f"SELECT {typed} FROM ({' UNION ALL '.join(parts)})"
        regions = self.of.terms.masks
        if self.of.contract.name not in WRITTEN or regions is None:
            return self.lake.stage_query(query)
        refused = self.lake.engine.con.sql(query).to_arrow_table()
        return self.lake.stage(import_module(MASKING).masked(refused, regions))


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _names(batch: Sequence[tuple[int, Look]]) -> str:
    return batch[0][1].name + (f" and {len(batch) - 1} more" if len(batch) > 1 else "")


def _notes(record: Record, entry: Entry, item: Rewritten | None, look: Look) -> list[str]:
    """Return what a person should know about a file, one sentence each."""
    if not record.rows:
        return [f"{record.name} has no rows."]
    if look.fits and single_byte(codecs.lookup(entry.encoding).name):
        wrong = f"{record.name} is {look.fits} text, but read as {entry.encoding}, in which its letters come out wrong"
        return [f"{wrong}: set 'encoding: {look.fits}' for it in source.yaml."]
    if item is None or not item.bad:
        return []
    mend = "mend the lines"
    if "not valid" in item.example:
        mend = f"set 'encoding:' for it in source.yaml (it is read as {entry.encoding}; {look.fits or 'cp1252'} fits), or mend the lines"
    many = "1 line that is no row is" if item.bad == 1 else f"{item.bad:,} lines that are no rows are"
    return [f"{record.name}: {many} kept in rejects, the first is {item.example}; {mend}."]
