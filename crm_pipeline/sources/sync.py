"""Brings a source into the lake: reads what changed, once, and publishes raw partitions. No cleaning and no Dagster here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.contracts.core import TableContract
from crm_pipeline.engine import storage_error
from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.hashing import digest
from crm_pipeline.lake import Lake
from crm_pipeline.periods import Calendar
from crm_pipeline.settings import Settings
from crm_pipeline.sources import extras, findings, lines, reading
from crm_pipeline.sources.files import Progress, Reader
from crm_pipeline.sources.index import Index, Record, TableIndex, load_index, save_index
from crm_pipeline.sources.publishing import publish_table
from crm_pipeline.sources.span import Covered, covered
from crm_pipeline.sources.spec import REQUIRED_TABLES, Entry, Source
from crm_pipeline.sources.split import EPOCH, Terms
from crm_pipeline.sources.state import SourceState, write_state
from crm_pipeline.sources.vanished import vanished
from crm_pipeline.versions import modules_version

READING = tuple(f"crm_pipeline.{name}" for name in ("sources.files", "sources.findings", "contracts.canonical"))
"""What reads a file into raw rows: a change of it, or of what it imports, makes every file be read again."""


@dataclass
class SyncReport:
    """What a sync found and did.

    Attributes
    ----------
    state : SourceState
        The recorded facts, from which the definitions are built.
    complete_through : datetime
        To which moment (UTC) the orders are complete.
    rows, undated : dict of str to int
        Per table: source rows, and those without usable time.
    read : int
        Files read in this sync; the others were unchanged.
    conservation : dict
        Per table and file: ``(rows, rows in periods, undated)``.
    files : list of str
        Lake-relative data files that the sync needs next time.
    warnings : list of str
        One sentence each.
    """

    state: SourceState
    complete_through: datetime
    rows: dict[str, int] = field(default_factory=dict)
    undated: dict[str, int] = field(default_factory=dict)
    read: int = 0
    conservation: dict[str, dict[str, tuple[int, int, int]]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def refused(self) -> int:
        """Source rows that have no usable time, over all tables."""
        return sum(self.undated.values())


def sync(
    source: Source, lake: Lake, settings: Settings, progress: Progress | None = None, today: date | None = None
) -> SyncReport:
    """Read the new and changed files of a source and publish its raw tables.

    Each file is read once; a fingerprint (size and time, else its hash) decides whether it is read again. Nothing
    is published before every file was read and every row accounted for.

    Parameters
    ----------
    progress : callable or None
        Told what is being read.
    today : date or None
        Events after the day after it are not credible; the computer's date by default.

    Raises
    ------
    UsageError
        The source.yaml does not fit its files, or the home holds another source.
    CrmError
        A file cannot be read, no row has a usable time, or the lake cannot be written.
    """
    index = load_index(lake)
    if index.source and index.source != source.name:
        raise UsageError(
            f"The home {lake.home} holds the source '{index.source}', and {source.path} is '{source.name}': "
            "choose another --home, or remove it."
        )
    work = _Sync(source, lake, settings, index, progress or _silent, today or datetime.now(UTC).date())
    try:
        work.read_tables()
        return work.publish()
    except OSError as error:
        raise storage_error(error, lake.home) from error
    finally:
        lines.drop(lake.engine.con)


def _silent(_: str) -> None:
    return


class _Sync:
    """One sync: `read_tables` stages, `publish` makes it visible."""

    def __init__(
        self, source: Source, lake: Lake, settings: Settings, index: Index, progress: Progress, today: date
    ) -> None:
        self.source, self.lake, self.settings, self.old, self.progress = source, lake, settings, index, progress
        self.calendar = Calendar(settings.grain, source.timezone)
        self.limit = self.calendar.utc(today + timedelta(days=2))
        self.new = Index(source.name)
        self.read = 0
        self.warnings: list[str] = []

    # -- reading -----------------------------------------------------------------------------------

    def read_tables(self) -> None:
        """Stage the raw rows of every file that is new or changed."""
        for name, entries in self.source.tables.items():
            table = TableIndex(extras=dict(self.old.tables.get(name, TableIndex()).extras))
            given, times = self._of_orders(name)
            found = [self._records(name, number, entry, times) for number, entry in enumerate(entries)]
            if not any(records for records, _ in found):
                continue
            changed = [r for _, changed in found for r in changed]
            if times:
                changed += self._touched(name, [r for records, _ in found for r in records], changed)
                lines.build_order_times(self.lake, self.new.tables["orders"].records.values()) if changed else None
            for number, (entry, (records, _)) in enumerate(zip(entries, found, strict=True)):
                table.records.update({r.id: r for r in records})
                self._read_entry(
                    CANONICAL[name], entry, number, [r for r in changed if r.entry == number], given, times
                )
            self.new.tables[name] = table
            self.warnings += [note for r in table.records.values() for note in r.notes]
            self.warnings += findings.sentences(CANONICAL[name], table)
        findings.refuse_unusable(self.new.tables, self.source.currency)

    def _of_orders(self, name: str) -> tuple[frozenset[str], str]:
        """For order lines with an orders table: the columns that orders give, and the table of their times."""
        if name == "order_lines" and "orders" in self.new.tables:
            return frozenset({"customer_id", "ordered_at"}), lines.ORDER_TIMES
        return frozenset(), ""

    def _records(self, name: str, number: int, entry: Entry, times: str) -> tuple[list[Record], list[Record]]:
        """Return the records of an entry's files, and those among them that must be read."""
        old = self.old.tables.get(name, TableIndex()).records
        key = self._key(name, number, entry, times)
        records, changed = [], []
        seen: set[str] = set()
        for glob in entry.files:
            paths = self.source.matches(glob)
            if not paths:
                self._nothing_matches(name, glob)
            for path in paths:
                record, same = self._record(number, path, key, old)
                if record.id not in seen:
                    seen.add(record.id)
                    records.append(record)
                    changed += [] if same else [record]
        return records, changed

    def _nothing_matches(self, name: str, glob: str) -> None:
        text = f"{self.source.path}: tables.{name} names '{glob}', which matches no file in {self.source.root}"
        if name in REQUIRED_TABLES:
            raise UsageError(f"{text}: mend 'files:', or say with --files where the files are.")
        self.warnings.append(f"{text}; the table is taken as absent, everything that does not need it works.")

    def _record(self, number: int, path: Path, key: str, old: dict[str, Record]) -> tuple[Record, bool]:
        name = self.source.relative(path)
        try:
            stat = path.stat()
        except OSError as error:
            raise reading.unreadable(name, error) from error
        fresh = Record(number, name, stat.st_size, stat.st_mtime_ns, "", key)
        known = old.get(fresh.id)
        due = known is not None and known.future is not None and datetime.fromisoformat(known.future) < self.limit
        if known is None or known.key != key or due:
            return fresh, False
        if (known.size, known.mtime_ns) == (fresh.size, fresh.mtime_ns):
            return known, True
        try:
            same = known.size == fresh.size and known.sha256 == reading.file_digest(path)
        except OSError as error:
            raise reading.unreadable(name, error) from error
        if same:
            known.mtime_ns = fresh.mtime_ns
        return (known, True) if same else (fresh, False)

    def _touched(self, name: str, records: list[Record], changed: list[Record]) -> list[Record]:
        """Return unchanged line files that must be sorted anew because orders changed."""
        before = self.old.tables.get("orders", TableIndex()).records
        after = self.new.tables["orders"].records
        kept = {i for i in before if i in after and before[i] is after[i]}
        old = [r for i, r in before.items() if i not in kept]
        new = [r for i, r in after.items() if i not in kept]
        unchanged = [r for r in records if not any(r is c for c in changed)]
        if not (old or new) or not unchanged:
            return []
        ids = lines.touched_lines(self.lake, old, new, unchanged)
        return [r for r in unchanged if r.id in ids]

    def _read_entry(
        self,
        contract: TableContract,
        entry: Entry,
        number: int,
        changed: list[Record],
        given: frozenset[str],
        times: str,
    ) -> None:
        looks = []
        for record in changed:
            path = self.source.root / record.name
            looked = reading.look(self.lake.engine.con, path, record.name, entry)
            record.sha256 = looked.sha256
            looks.append(looked)
        if looks:
            model, settings = self.source.model, self.settings
            begins = self.calendar.utc(model.begins or EPOCH)
            terms = Terms(
                settings.grain,
                self.source.timezone,
                settings.money_unit,
                begins,
                self.limit,
                model.begins or EPOCH,
                times,
            )
            Reader(self.lake, contract, entry, number, terms, given).read(looks, changed, self.progress)
            self.read += len(looks)

    def _key(self, name: str, number: int, entry: Entry, times: str) -> str:
        model, settings = self.source.model, self.settings
        parts = [
            modules_version(READING),
            name,
            number,
            entry.model_dump_json(exclude={"files"}),
            times,
            model.timezone,
            model.begins,
        ]
        return _hash(*parts, settings.grain, settings.money_unit)

    # -- publishing --------------------------------------------------------------------------------

    def publish(self) -> SyncReport:
        """Publish what was staged, and record it."""
        for name in REQUIRED_TABLES:
            table = self.new.tables.get(name)
            if table is not None and not any(r.first_at for r in table.records.values()):
                self._no_rows(name, table)
        self._tell_vanished()
        found = covered(self.new, self.source, self.calendar, self.settings.horizon)
        first, last = found.first, found.last
        state = self._state(found)
        self.warnings += found.warnings
        report = SyncReport(state, found.complete, read=self.read, warnings=self.warnings)
        for name, table in self.new.tables.items():
            contract = CANONICAL[name]
            others = [t for other, t in self.new.tables.items() if other != name]
            extras.first_seen(self.lake, contract, table, others, self.calendar, first)
            extras.snapshot(self.lake, contract, table)
            extras.repeats(self.lake, contract, table, first)
            listed = table.records.values()
            report.rows[name] = sum(r.rows for r in listed)
            report.undated[name] = sum(r.undated for r in listed)
            report.conservation[name] = {r.name: (r.rows, r.rows - r.undated, r.undated) for r in listed}
        for name, table in self.new.tables.items():
            publish_table(self.lake, CANONICAL[name], table, self.calendar, first, last)
        save_index(self.lake, self.new)
        write_state(self.lake.home, state)
        report.files = [f.path for f in self.new.files()]
        return report

    def _tell_vanished(self) -> None:
        """Say which files are gone; fail, before anything is published, where the source wants it."""
        gone = vanished(
            self.old,
            self.new,
            lambda day: self.calendar.label(self.calendar.key(date.fromisoformat(day))),
            lambda name: (self.source.root / name).exists(),
        )
        if gone and self.source.model.missing_files == "fail":
            more = f" ({len(gone) - 1} more are gone)" if len(gone) > 1 else ""
            what = gone[0].split(" left the home")[0]
            raise CrmError(
                f"{what} would leave the home{more}; nothing was published: put the file back, or set "
                f"'missing_files: warn' in {self.source.path}."
            )
        self.warnings += gone

    def _no_rows(self, name: str, table: TableIndex) -> None:
        rows, files = sum(r.rows for r in table.records.values()), len(table.records)
        where = next(iter(table.records.values())).name if files == 1 else f"its {files} files"
        if not rows:
            raise CrmError(f"The table {name} is empty: {where} has no rows; there is nothing to score.")
        raise CrmError(
            f"None of the {rows:,} rows of {name} ({where}) has a usable {CANONICAL[name].main_time}: "
            "mend its mapping in source.yaml (for another format, strptime(column, '%d/%m/%Y'))."
        )

    def _state(self, found: Covered) -> SourceState:
        tables = {}
        for name, table in self.new.tables.items():
            mapped = {c for r in table.records.values() for c in r.columns}
            if name == "order_lines" and "orders" in self.new.tables:
                mapped |= {"customer_id", "ordered_at"}
            tables[name] = tuple(c.name for c in CANONICAL[name].source_columns if c.name in mapped)
        return SourceState(
            name=self.source.name,
            timezone=self.source.timezone,
            currency=self.source.currency,
            tables=tables,
            first=found.first,
            last=found.last,
            complete_until=found.complete_until,
            closed=self.source.closed,
            synthetic=self.source.model.synthetic,
            path=str(self.source.path),
            files=str(self.source.root),
            spans=found.tables,
            grain=self.settings.grain,
        )


def _hash(*parts: object) -> str:
    return digest("\n".join(str(p) for p in parts))
