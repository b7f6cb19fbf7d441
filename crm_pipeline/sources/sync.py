"""Brings a source into the lake: reads what changed, once, and publishes raw partitions. No cleaning and no Dagster here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.contracts.texts import MASKING, WRITTEN
from crm_pipeline.engine import storage_error
from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.hashing import digest
from crm_pipeline.lake import Lake
from crm_pipeline.periods import Calendar
from crm_pipeline.settings import Settings
from crm_pipeline.sources import extras, findings, lines, reading, recordings, repeats
from crm_pipeline.sources.files import Progress, Reader
from crm_pipeline.sources.index import Index, Record, TableIndex, load_index, save_index
from crm_pipeline.sources.labels import labelled
from crm_pipeline.sources.publishing import publish_table
from crm_pipeline.sources.scan import TableEntry, Terms
from crm_pipeline.sources.span import Covered, covered
from crm_pipeline.sources.spec import REQUIRED_TABLES, Entry, Source
from crm_pipeline.sources.state import SourceLabels, SourceState, write_state
from crm_pipeline.sources.vanished import vanished
from crm_pipeline.versions import modules_version

READING = tuple(f"crm_pipeline.{name}" for name in ("sources.files", "sources.findings", "contracts.canonical"))
"""What reads a file into raw rows: a change of it, or of what it imports, makes every file be read again."""

EPOCH = date(1970, 1, 2)
"""No event is credible before: an empty time is often written as 1970-01-01."""


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
        lake.clear_staging()


class Pending(NamedTuple):
    """A file that the next sync would read or miss: ``new``, ``changed`` (or read otherwise than now), ``gone``."""

    name: str
    what: str
    size: int = 0
    mtime_ns: int = 0


def pending(source: Source, lake: Lake, settings: Settings, today: date | None = None) -> list[Pending]:
    """Return which files the next sync would read, or miss; by content, and without reading rows.

    Raises
    ------
    UsageError, CrmError
        The source.yaml does not fit its files, or a file cannot be read.
    """
    index = load_index(lake)
    work = _Sync(source, lake, settings, index, _silent, today or datetime.now(UTC).date())
    known = {(name, i) for name, table in index.tables.items() for i in table.records}
    here: dict[tuple[str, str], Record] = {}
    found = []
    for name, entries in source.tables.items():
        sorted_by_orders = name == "order_lines" and any(table == "orders" for table, _ in here)
        for part in work.parts(name, entries, sorted_by_orders):
            records, changed = work.records(part)
            here |= {(name, r.id): r for r in records}
            found += [
                Pending(r.name, "changed" if (name, r.id) in known else "new", r.size, r.mtime_ns) for r in changed
            ]
    gone = (index.tables[name].records[i].name for name, i in sorted(known - here.keys()))
    remembered = recordings.remembered(lake) if recordings.readable() else {}
    heard = [Pending(*change) for change in recordings.changes(source.root, remembered)]
    return [*found, *heard, *(Pending(name, "gone") for name in gone)]


def _maps(table: TableIndex, *columns: str) -> bool:
    return any(name in record.columns for record in table.records.values() for name in columns)


def _silent(_: str) -> None:
    return


@dataclass
class _Sync:
    """One sync: `read_tables` stages, `publish` makes it visible."""

    source: Source
    lake: Lake
    settings: Settings
    old: Index
    progress: Progress
    today: date
    read: int = 0
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.calendar = Calendar(self.settings.grain, self.source.timezone)
        self.new = Index(self.source.name)
        begins, utc = self.source.model.begins or EPOCH, self.calendar.utc
        limit = utc(self.today + timedelta(days=2))
        self.terms = Terms(
            self.settings.grain, self.source.timezone, self.settings.money_unit, begins, utc(begins), limit,
            self.settings.phone_regions if self.settings.mask_text else None,
        )  # fmt: skip

    # -- reading -----------------------------------------------------------------------------------

    def read_tables(self) -> None:
        """Stage the raw rows of every file that is new or changed."""
        for name, entries in self.source.tables.items():
            table = TableIndex(extras=dict(self.old.tables.get(name, TableIndex()).extras))
            of_orders = name == "order_lines" and "orders" in self.new.tables
            parts = self.parts(name, entries, of_orders)
            found = [self.records(part) for part in parts]
            if not any(records for records, _ in found):
                continue
            changed = [r for _, changed in found for r in changed]
            if of_orders:
                changed += self._touched([r for records, _ in found for r in records], changed)
                orders = self.new.tables["orders"]
                held = repeats.held(orders)
                lines.build_order_times(self.lake, orders.records.values(), held) if changed else None
            for part, (records, _) in zip(parts, found, strict=True):
                table.records.update({r.id: r for r in records})
                self._read_entry(part, [r for r in changed if r.entry == part.number])
            self.new.tables[name] = table
            if name == "orders":  # their lines take the time of the version that holds
                repeats.repeats(self.lake, CANONICAL[name], table, self.source.currency, self.settings.money_unit)
            self.warnings += [note for r in table.records.values() for note in r.notes]
            self.warnings += findings.sentences(CANONICAL[name], table)
        self.warnings += findings.unpaid(self.new.tables)
        findings.refuse_unusable(self.new.tables, self.source.currency)

    def parts(self, name: str, entries: Sequence[Entry], of_orders: bool) -> list[TableEntry]:
        """Return the entries of a table as they are read; lines are sorted by their orders' times where these are known."""
        terms = replace(self.terms, order_times=lines.ORDER_TIMES if of_orders else "")
        return [TableEntry(CANONICAL[name], entry, number, terms) for number, entry in enumerate(entries)]

    def records(self, part: TableEntry) -> tuple[list[Record], list[Record]]:
        """Return the records of an entry's files, and those among them that must be read."""
        name = part.contract.name
        old = self.old.tables.get(name, TableIndex()).records
        key = self._key(part)
        records, changed = [], []
        seen: set[str] = set()
        for glob in part.entry.files:
            paths = self.source.matches(glob)
            if not paths:
                self._nothing_matches(name, glob)
            for path in paths:
                record, same = self._record(part.number, path, key, old)
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
        due = known is not None and known.future is not None and datetime.fromisoformat(known.future) < self.terms.limit
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

    def _touched(self, records: list[Record], changed: list[Record]) -> list[Record]:
        """Return unchanged line files that must be sorted anew because orders changed."""
        before = self.old.tables.get("orders", TableIndex()).records
        after = self.new.tables["orders"].records
        kept = {i for i in before if i in after and before[i] is after[i]}
        old = [r for i, r in before.items() if i not in kept]
        new = [r for i, r in after.items() if i not in kept]
        unchanged = [r for r in records if not any(r is c for c in changed)]
        if not (old or new) or not unchanged:
            return []
        may_hold = repeats.may_hold(CANONICAL["orders"], self.source.currency, self.settings.money_unit)
        ids = lines.touched_lines(self.lake, old, new, unchanged, may_hold)
        return [r for r in unchanged if r.id in ids]

    def _read_entry(self, part: TableEntry, changed: list[Record]) -> None:
        looks = []
        for record in changed:
            path = self.source.root / record.name
            looked = reading.look(self.lake.engine.con, path, record.name, part.entry)
            record.sha256 = looked.sha256
            looks.append(looked)
        if looks:
            Reader(self.lake, part, changed, self.progress).read(looks)
            self.read += len(looks)

    def _key(self, part: TableEntry) -> str:
        terms, entry = part.terms, part.entry.model_dump_json(exclude={"files"})
        asked = (terms.order_times, terms.timezone, terms.begins_day, terms.grain, terms.money_unit)
        masked = (modules_version([MASKING]), terms.masks) if part.contract.name in WRITTEN else ()
        read_by = modules_version(READING)
        return digest("\n".join(map(str, (read_by, part.contract.name, part.number, entry, *asked, *masked))))

    # -- publishing --------------------------------------------------------------------------------

    def publish(self) -> SyncReport:
        """Publish what was staged, and record it."""
        for name in REQUIRED_TABLES:
            table = self.new.tables.get(name)
            if table is not None and not any(r.first_at for r in table.records.values()):
                self._no_rows(name, table)
        self._tell_vanished()
        found = covered(self.new, self.source, self.calendar, self.settings.horizon)
        heard = self._heard()
        labels, learned_from = self._labels()
        state = self._state(found, any(r.sha256 and not r.problem for r in heard.values()), labels)
        self.warnings += found.warnings
        report = SyncReport(state, found.complete, read=self.read, warnings=self.warnings)
        for name, table in self.new.tables.items():
            contract = CANONICAL[name]
            others = [t for other, t in self.new.tables.items() if other != name]
            extras.first_seen(self.lake, table, others, self.calendar, found.first)
            extras.snapshot(self.lake, contract, table)
            repeats.repeats(self.lake, contract, table, self.source.currency, self.settings.money_unit)
            self.warnings += repeats.sentences(self.lake, contract, table)
            if name == "order_lines" and "orders" not in self.new.tables:
                repeats.crossing(self.lake, contract, table, self.calendar)
            listed = table.records.values()
            report.rows[name] = sum(r.rows for r in listed)
            report.undated[name] = sum(r.undated for r in listed)
            report.conservation[name] = {r.name: (r.rows, r.rows - r.undated, r.undated) for r in listed}
        customers = self.new.tables.get("customers") if self.settings.mask_text else None
        for name in sorted(WRITTEN.keys() & self.new.tables.keys()):
            told = customers if name == "messages" or _maps(self.new.tables[name], "transcript", "audio_path") else None
            extras.names(self.lake, self.new.tables[name], told, CANONICAL[name], found.first)
        if "calls" in self.new.tables:
            extras.recordings(self.lake, self.new.tables["calls"], CANONICAL["calls"], heard, found.first)
            recordings.remember(self.lake, learned_from | heard)
        for name, table in self.new.tables.items():
            publish_table(self.lake, CANONICAL[name], table, self.calendar.range(found.first, found.last))
        save_index(self.lake, self.new)
        write_state(self.lake.home, state)
        report.files = [f.path for f in self.new.files()]
        return report

    def _heard(self) -> dict[str, recordings.Recording]:
        """Look at the recordings that the calls name, and say what is wrong with some."""
        calls = self.new.tables.get("calls", TableIndex())
        named = extras.recording_names(self.lake, calls) if _maps(calls, "audio_path") else []
        if named and not recordings.readable():
            self.warnings.append(recordings.MISSING_EXTRA)
            named = []
        before = recordings.remembered(self.lake)
        heard = recordings.look(self.source.root, named, before)
        self.warnings += recordings.sentences(before, heard)
        return heard

    def _labels(self) -> tuple[dict[str, SourceLabels], dict[str, recordings.Recording]]:
        """Look at the labelled recordings that the source names, and say what is wrong with them."""
        labels: dict[str, SourceLabels] = {}
        looked: dict[str, recordings.Recording] = {}
        for name, place in self.source.labels.items() if recordings.readable() else ():
            where = f"{self.source.path}: labels.{name}"
            if not place.is_file():
                self.warnings.append(
                    f"{where} names {place}, which does not exist: mend the path or remove the line; everything that does not "
                    "need it works."
                )
                continue
            try:
                labels[name], found = labelled(self.source.root, place, recordings.remembered(self.lake))
                looked |= found
            except UsageError as error:
                self.warnings.append(f"{where} is not used: {error}")
        return labels, looked

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
        raise CrmError(findings.no_time(CANONICAL[name], rows, where, list(table.records.values())))

    def _state(self, found: Covered, recorded: bool, labels: dict[str, SourceLabels]) -> SourceState:
        tables = {}
        for name, table in self.new.tables.items():
            mapped = {c for r in table.records.values() for c in r.columns}
            if name == "orders" and not findings.priced(self.new.tables):
                mapped.discard("amount")
            if name == "order_lines" and "orders" in self.new.tables:
                mapped |= {"customer_id", "ordered_at"}
            if name == "calls" and recorded:
                mapped.add("recording")
            tables[name] = tuple(c.name for c in CANONICAL[name].columns if not c.derived and c.name in mapped)
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
            path=str(self.source.path.absolute()),  # who reads it again may stand in another folder
            files=str(self.source.root),
            spans=found.tables,
            grain=self.settings.grain,
            labels=labels,
        )
