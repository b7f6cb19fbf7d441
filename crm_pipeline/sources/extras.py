"""What follows from many files of a table at once: names, recordings, the snapshot. No reading of files.

Which rows repeat or replace others is told by `crm_pipeline.sources.repeats`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from crm_pipeline.contracts.core import HEARD, NAMED, TableContract
from crm_pipeline.contracts.texts import WRITTEN
from crm_pipeline.engine import Staged, literal, quote
from crm_pipeline.hashing import digest
from crm_pipeline.lake import DataFile, Lake
from crm_pipeline.periods import Calendar
from crm_pipeline.sources.index import Extra, Record, TableIndex
from crm_pipeline.sources.lines import absolute
from crm_pipeline.sources.recordings import Recording
from crm_pipeline.sources.split import ENGINE_TYPES, FIRST, SNAPSHOT, UNDATED, raw_schema
from crm_pipeline.sources.zones import local_sql

File = DataFile | Staged


def digest_of(files: Iterable[tuple[str, File]], *more: str) -> str:
    """Return a hash of what (bucket, file) pairs hold, so that what was made of them can be kept."""
    text = sorted(f"{bucket} {f.rows} {f.content_sum}" for bucket, f in files)
    return digest("\n".join([*text, *more]))


def first_seen(lake: Lake, table: TableIndex, others: Iterable[TableIndex], calendar: Calendar, first: str) -> None:
    """Date the rows without a date by the first event of their customer; without any, at the start of the first period."""
    files = [(FIRST, f) for r in table.records.values() for f in r.buckets.get(FIRST, [])]
    if not files:
        keep(table, FIRST, digest_of(files), dict)
        return
    # lines know their customer from their order, whose rows are read anyway
    events = [e for t in others for e in of_periods(r for r in t.records.values() if "customer_id" in r.columns)]

    def make() -> dict[str, list[File]]:
        return _first_seen(lake, files, events, calendar, first)

    keep(table, FIRST, digest_of([*files, *events], first, calendar.grain, calendar.timezone), make)


def _first_seen(
    lake: Lake, files: list[tuple[str, File]], events: list[tuple[str, File]], calendar: Calendar, first: str
) -> dict[str, list[File]]:
    con, start = lake.engine.con, f"TIMESTAMP '{calendar.start(first)}'"
    parts = [
        f"SELECT customer_id, min(event_at) AS seen FROM {parquet(lake, group)} "
        "WHERE unreadable IS NULL AND customer_id IS NOT NULL GROUP BY customer_id"
        for group in _by_schema(events)
    ]
    seen = " UNION ALL ".join(parts) or "SELECT NULL::VARCHAR AS customer_id, NULL::TIMESTAMP AS seen WHERE false"
    key = f"strftime(date_trunc({literal(calendar.grain)}, {local_sql('event_at', calendar.timezone)}), '%Y-%m-%d')"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE sync_first_seen AS SELECT *, greatest({key}, {literal(first)}) AS __period FROM ("
        f"SELECT r.* REPLACE (coalesce(s.seen, {start}) AS event_at) FROM {parquet(lake, files)} r LEFT JOIN "
        f"(SELECT customer_id, min(seen) AS seen FROM ({seen}) GROUP BY customer_id) s USING (customer_id))"
    )
    periods = [p for (p,) in con.execute("SELECT DISTINCT __period FROM sync_first_seen ORDER BY 1").fetchall()]
    made: dict[str, list[File]] = {
        p: [lake.stage_query(f"SELECT * EXCLUDE (__period) FROM sync_first_seen WHERE __period = {literal(p)}")]
        for p in periods
    }
    con.execute("DROP TABLE sync_first_seen")
    return made


def _by_schema(files: Iterable[tuple[str, File]]) -> list[list[tuple[str, File]]]:
    groups: dict[tuple[str, ...], list[tuple[str, File]]] = {}
    for bucket, file in files:
        groups.setdefault(tuple(file.columns), []).append((bucket, file))
    return list(groups.values())


def snapshot(lake: Lake, contract: TableContract, table: TableIndex) -> None:
    """Keep of every customer the columns without history as the last row has them (by entry, file and line)."""
    files = [(SNAPSHOT, f) for r in table.records.values() for f in r.buckets.get(SNAPSHOT, [])]
    key = contract.key[0]

    def make() -> dict[str, list[File]]:
        names = ", ".join(c.name for c in contract.columns if c.name == key or c in contract.snapshot_columns)
        query = (
            f"SELECT {names} FROM {parquet(lake, files)} "
            f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY entry DESC, source_file DESC, source_line DESC) = 1"
        )
        return {"current": [lake.stage_query(query)]}

    keep(table, SNAPSHOT, digest_of(files), make if files else dict)


def names(lake: Lake, table: TableIndex, customers: TableIndex | None, contract: TableContract, first: str) -> None:
    """Add to each period of messages or calls the names of the customers who wrote or called in it, one marker row each.

    So a period's names are known with its texts: a customer who is renamed changes the periods in which he wrote, and
    no other.
    """
    current = of_extra(customers, SNAPSHOT) if customers is not None else []
    dated = [(max(bucket, first), f) for bucket, f in of_periods(table.records.values())]
    given = {
        "customer_id": "customer_id",
        WRITTEN[contract.name]: "name",
        "event": literal(NAMED),
        "event_at": "event_at",
    }

    def query(files: list[tuple[str, File]]) -> str:
        wrote = f"SELECT customer_id, min(event_at) AS event_at FROM {parquet(lake, files)} GROUP BY customer_id"
        return (
            f"SELECT {marker(contract, given)} FROM ({wrote}) JOIN {parquet(lake, current)} USING (customer_id) "
            "WHERE name IS NOT NULL ORDER BY customer_id"
        )

    key = digest_of([*current, *dated], first)
    keep(table, NAMED, key, lambda: _by_period(lake, dated, query) if current and dated else {})


def recording_names(lake: Lake, calls: TableIndex) -> list[str]:
    """Return the different ``audio_path`` of the calls that have a time."""
    files = of_periods(calls.records.values())
    if not files:
        return []
    query = f"SELECT DISTINCT audio_path FROM {parquet(lake, files)} WHERE audio_path IS NOT NULL ORDER BY 1"
    return [name for (name,) in lake.engine.con.execute(query).fetchall()]


def recordings(
    lake: Lake, calls: TableIndex, contract: TableContract, found: Mapping[str, Recording], first: str
) -> None:
    """Add to each period of ``raw/calls`` what its recordings are, one marker row for each that is there or refused.

    So a recording that is replaced changes the period of its call, and no other.
    """
    dated = [(max(bucket, first), f) for bucket, f in of_periods(calls.records.values())]
    there = sorted((r.name, r.sha256, r.problem) for r in found.values() if r.sha256 or r.problem)
    given = {"audio_path": "audio_path", "event": literal(HEARD), "event_at": "event_at"}
    given |= {"content": "sha256", "unreadable": "problem"}

    def query(files: list[tuple[str, File]]) -> str:
        named = f"SELECT audio_path, min(event_at) AS event_at FROM {parquet(lake, files)} GROUP BY audio_path"
        return f"SELECT {marker(contract, given)} FROM ({named}) JOIN sync_recordings USING (audio_path) ORDER BY audio_path"

    def make() -> dict[str, list[File]]:
        import pyarrow as pa

        columns = [pa.array(values, pa.string()) for values in zip(*there, strict=True)]
        table = pa.table(columns, names=["audio_path", "sha256", "problem"])
        lake.engine.con.register("sync_recordings", table)
        try:
            return _by_period(lake, dated, query)
        finally:
            lake.engine.con.unregister("sync_recordings")

    keep(calls, HEARD, digest_of(dated, first, repr(there)), make if there and dated else dict)


def marker(contract: TableContract, given: Mapping[str, str]) -> str:
    """Return the select list of a marker row: what is given as SQL, all else null."""
    return ", ".join(f"CAST({given.get(n, 'NULL')} AS {t}) AS {quote(n)}" for n, t in raw_schema(contract).items())


def _by_period(
    lake: Lake, dated: list[tuple[str, File]], query: Callable[[list[tuple[str, File]]], str]
) -> dict[str, list[File]]:
    """Stage the rows that a query makes of each period's files; a period without any has none."""
    made: dict[str, list[File]] = {}
    for period in sorted({bucket for bucket, _ in dated}):
        staged = lake.stage_query(query([pair for pair in dated if pair[0] == period]))
        if staged.rows:
            made[period] = [staged]
    return made


def snapshot_schema(contract: TableContract) -> dict[str, str]:
    """Return the columns of ``snapshot/<table>``."""
    return {
        c.name: ENGINE_TYPES[c.kind]
        for c in contract.columns
        if c.name in contract.key or c in contract.snapshot_columns
    }


def keep(table: TableIndex, name: str, key: str, make: Callable[[], dict[str, list[File]]]) -> None:
    """Make an extra of a table, unless it has one of that key."""
    old = table.extras.get(name)
    if old is None or old.key != key:
        table.extras[name] = Extra(key, make())


def of_periods(records: Iterable[Record]) -> list[tuple[str, File]]:
    """Return the (bucket, file) pairs of records whose rows have a time."""
    special = (UNDATED, FIRST, SNAPSHOT)
    return [(b, f) for r in records for b, files in r.buckets.items() if b not in special for f in files]


def of_extra(table: TableIndex, name: str) -> list[tuple[str, File]]:
    """Return the (bucket, file) pairs of an extra; none where the table has no such."""
    extra = table.extras.get(name)
    return [(bucket, f) for bucket, files in extra.buckets.items() for f in files] if extra else []


def parquet(lake: Lake, files: Iterable[tuple[str, File]], *, named: bool = False) -> str:
    """Return the SQL that reads data files together, with ``__path`` where it is asked for."""
    paths = ", ".join(literal(str(absolute(lake, f))) for _, f in files)
    return f"read_parquet([{paths}]{', filename = ' + literal('__path') if named else ''})"
