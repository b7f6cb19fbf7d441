"""Reads new and changed files of one table into staged raw rows, each file once, and checks that no row is lost."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb

from crm_pipeline.contracts.core import TableContract
from crm_pipeline.engine import Staged, literal, storage_error
from crm_pipeline.errors import CrmError
from crm_pipeline.lake import Lake
from crm_pipeline.sources import findings
from crm_pipeline.sources.index import Record
from crm_pipeline.sources.mapping import Mapped, bind, local_sql
from crm_pipeline.sources.reading import Look, batches, faulty, first_line, plain_path, scan_plain
from crm_pipeline.sources.records import Rewritten, rewrite
from crm_pipeline.sources.spec import Entry
from crm_pipeline.sources.split import ALL, FIRST, FUTURE, REJECTS_SCHEMA, SNAPSHOT, UNDATED, Terms, split_files

Progress = Callable[[str], None]

Written = dict[tuple[int, str], list[Path]]
"""File number and bucket to the Parquet files with their rows."""

NO_DAYS = (ALL, FIRST, FUTURE, SNAPSHOT, UNDATED)
"""Buckets whose rows have no day."""


@dataclass
class Reader:
    """Reads the files of one entry of one table.

    Attributes
    ----------
    given : frozenset of str
        Required columns that come from another table.
    """

    lake: Lake
    contract: TableContract
    entry: Entry
    number: int
    terms: Terms
    given: frozenset[str]

    def read(self, looks: Sequence[Look], records: Sequence[Record], progress: Progress) -> None:
        """Fill the records with the staged data files of the files looked at.

        Raises
        ------
        UsageError
            When a mapping does not fit a file's columns.
        CrmError
            When a file cannot be read, or rows would be lost.
        """
        folder = self.lake.staging() / f"sync-{uuid.uuid4().hex}"
        try:
            folder.mkdir()
            self._read(list(enumerate(looks)), records, folder, progress)
        except (duckdb.Error, OSError) as error:
            found = storage_error(error, folder)
            if found is error and isinstance(error, duckdb.Error):
                names = ", ".join(item.name for item in looks[:3]) + (" …" if len(looks) > 3 else "")
                found = CrmError(
                    f"{names} cannot be read into {self.contract.name}: {first_line(error)}; mend the file or its mapping in source.yaml."
                )
            raise found from error

    def _read(
        self, numbered: list[tuple[int, Look]], records: Sequence[Record], folder: Path, progress: Progress
    ) -> None:
        con = self.lake.engine.con
        plain = [(n, item) for n, item in numbered if item.plain]
        careful = [(n, item) for n, item in numbered if not item.plain]
        for batch in batches(plain):
            mapped = self._bind(batch)
            progress(f"{self.contract.name}: reading {_names(batch)}")
            if not self._plain_batch(batch, mapped, records, folder):
                wrong = faulty(con, batch)
                careful += [(n, item) for n, item in batch if n in wrong]
                rest = [(n, item) for n, item in batch if n not in wrong]
                if rest and not self._plain_batch(rest, mapped, records, folder, again=True):
                    raise CrmError(
                        f"{_names(rest)}: rows would be lost while reading; nothing was published. Please report this."
                    )
        rewritten = []
        for n, item in careful:
            progress(f"{self.contract.name}: reading {item.name} line by line")
            rewritten.append((n, rewrite(item, self.entry, folder, str(n))))
        self._careful(rewritten, records, folder)

    def _bind(self, batch: Sequence[tuple[int, Look]]) -> list[Mapped]:
        first = batch[0][1]
        return bind(self.lake.engine.con, self.contract, self.entry, first.columns, first.name, self.given)

    def _plain_batch(
        self,
        batch: list[tuple[int, Look]],
        mapped: list[Mapped],
        records: Sequence[Record],
        folder: Path,
        *,
        again: bool = False,
    ) -> bool:
        """Read files as they lie; tell whether every file gave as many rows as it has."""
        names = {n: records[n].name for n, _ in batch}
        target = folder / uuid.uuid4().hex
        try:
            written = split_files(
                self.lake.engine.con,
                self.contract,
                scan_plain(batch),
                names,
                self.number,
                mapped,
                list(batch[0][1].columns),
                self.terms,
                target,
            )
        except duckdb.Error as error:
            if (
                again
                or isinstance(error, duckdb.OutOfMemoryException | duckdb.IOException)
                or batch[0][1].format == "parquet"
            ):
                raise
            shutil.rmtree(target, ignore_errors=True)
            return False
        counted = self._counted(written)
        if any(counted.get(n, _Count()).rows != item.rows for n, item in batch):
            for path in (path for paths in written.values() for path in paths):
                path.unlink()
            return False
        sorted_out = _by_file(written)
        for n, _ in batch:
            self._fill(records[n], sorted_out.get(n, {}), counted.get(n, _Count()), mapped, None)
        return True

    def _careful(self, items: list[tuple[int, Rewritten]], records: Sequence[Record], folder: Path) -> None:
        groups: dict[tuple[str, ...], list[tuple[int, Rewritten]]] = {}
        for n, item in items:
            groups.setdefault(tuple(item.look.columns), []).append((n, item))
        for columns, group in groups.items():
            mapped = self._bind([(n, item.look) for n, item in group])
            written = self._split_rewritten(group, mapped, columns, records, folder) if columns else {}
            counted, sorted_out = self._counted(written), _by_file(written)
            for n, item in group:
                count = counted.get(n, _Count())
                if count.rows != item.count:
                    raise CrmError(
                        f"{records[n].name}: {item.count} rows were read and {count.rows} sorted; "
                        "nothing was published. Please report this."
                    )
                self._fill(records[n], sorted_out.get(n, {}), count, mapped, item)

    def _split_rewritten(
        self,
        group: list[tuple[int, Rewritten]],
        mapped: list[Mapped],
        columns: Sequence[str],
        records: Sequence[Record],
        folder: Path,
    ) -> Written:
        numbers = ", ".join(f"({literal(str(item.rows))}, {n})" for n, item in group)
        paths = ", ".join(literal(plain_path(item.rows)) for _, item in group)
        scan = (
            f"SELECT s.* EXCLUDE (__source_line, __path), f.number AS __file, __source_line AS __line FROM read_parquet([{paths}], "
            f"filename = '__path') s JOIN (VALUES {numbers}) AS f(path, number) ON s.__path = f.path"
        )
        names = {n: records[n].name for n, _ in group}
        con, target = self.lake.engine.con, folder / uuid.uuid4().hex
        return split_files(con, self.contract, scan, names, self.number, mapped, columns, self.terms, target)

    def _counted(self, written: Written) -> dict[int, _Count]:
        """Count the main rows per file and bucket, and find the first and last event, in one scan."""
        paths = {str(path): key for key, found in written.items() if key[1] != SNAPSHOT for path in found}
        if not paths:
            return {}
        orphan = (
            "unreadable LIKE '%is not in orders, or has no usable time there%'" if self.terms.order_times else "false"
        )
        rows = self.lake.engine.con.execute(
            f"SELECT __path, count(*) FILTER (event = {literal(self.contract.event)}), min(event_at), max(event_at), "
            f"count(*) FILTER ({orphan}), min(event_at) FILTER (unreadable LIKE '%lies in the future%') "
            f"FROM read_parquet([{', '.join(map(literal, paths))}], filename = '__path') GROUP BY __path"
        ).fetchall()
        counted: dict[int, _Count] = {}
        for path, mains, first, last, orphans, future in rows:
            number, bucket = paths[path]
            found = counted.setdefault(number, _Count())
            found.add(bucket, mains, first, last, orphans, future)
        self._count_days([p for p, key in paths.items() if key[1] not in NO_DAYS], paths, counted)
        kept = {path: number for path, (number, bucket) in paths.items() if bucket not in (UNDATED, FUTURE)}
        for number, values in findings.count(self.lake.engine.con, self.contract, kept).items():
            counted[number].found = values
        return counted

    def _count_days(self, dated: list[str], paths: dict[str, tuple[int, str]], counted: dict[int, _Count]) -> None:
        """Count the main events per local day; by quarters of an hour first, in which no time zone begins a day."""
        if not dated:
            return
        rows = self.lake.engine.con.execute(
            f"SELECT __path, strftime({local_sql('q', self.terms.timezone)}, '%Y-%m-%d') AS day, CAST(sum(n) AS BIGINT) FROM ("
            "SELECT __path, time_bucket(INTERVAL 15 MINUTE, event_at) AS q, count(*) AS n "
            f"FROM read_parquet([{', '.join(map(literal, dated))}], filename = '__path') "
            f"WHERE event = {literal(self.contract.event)} GROUP BY ALL) GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        for path, day, n in rows:
            days = counted[paths[path][0]].days
            days[day] = days.get(day, 0) + n

    def _fill(
        self,
        record: Record,
        written: dict[str, list[Path]],
        count: _Count,
        mapped: list[Mapped],
        item: Rewritten | None,
    ) -> None:
        record.malformed = item.bad if item else 0
        record.rows = count.rows + record.malformed
        record.undated = count.undated + record.malformed
        record.orphans = count.orphans
        record.first_at, record.last_at, record.future = _iso(count.first), _iso(count.last), _iso(count.future)
        record.days = count.days
        record.columns = [m.column.name for m in mapped]
        record.found = count.found
        record.notes = _notes(record, self.entry, item)
        lake = self.lake
        record.buckets = {
            b: [lake.describe_file(p) for p in paths]
            for b, paths in sorted(written.items())
            if b not in (UNDATED, FUTURE)
        }
        refused = self._undated(record, written.get(UNDATED, []), item)
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
        return self.lake.stage_query(f"SELECT {typed} FROM ({' UNION ALL '.join(parts)})")


def _by_file(written: Written) -> dict[int, dict[str, list[Path]]]:
    found: dict[int, dict[str, list[Path]]] = {}
    for (number, bucket), paths in written.items():
        found.setdefault(number, {})[bucket] = paths
    return found


@dataclass
class _Count:
    rows: int = 0
    undated: int = 0
    orphans: int = 0
    first: datetime | None = None
    last: datetime | None = None
    future: datetime | None = None
    days: dict[str, int] = field(default_factory=dict)
    found: findings.Found = field(default_factory=dict)

    def add(
        self,
        bucket: str,
        rows: int,
        first: datetime | None,
        last: datetime | None,
        orphans: int,
        future: datetime | None,
    ) -> None:
        self.orphans += orphans
        if bucket == FUTURE:
            future = first
        else:
            self.rows += rows
        if future is not None:
            self.future = min(self.future or future, future)
        if bucket == UNDATED:
            self.undated += rows
        elif first is not None and last is not None and bucket != FUTURE:
            self.first = min(self.first or first, first)
            self.last = max(self.last or last, last)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _names(batch: Sequence[tuple[int, Look]]) -> str:
    return batch[0][1].name + (f" and {len(batch) - 1} more" if len(batch) > 1 else "")


def _notes(record: Record, entry: Entry, item: Rewritten | None) -> list[str]:
    """Return what a person should know about a file, one sentence each."""
    if not record.rows:
        return [f"{record.name} has no rows."]
    if item is None or not item.bad:
        return []
    mend = "mend the lines"
    if "not valid" in item.example:
        mend = f"set 'encoding:' for it in source.yaml (it is read as {entry.encoding}; latin-1 and cp1252 are usual), or mend the lines"
    many = "1 line that is no row is" if item.bad == 1 else f"{item.bad:,} lines that are no rows are"
    return [f"{record.name}: {many} kept in rejects, the first is {item.example}; {mend}."]
