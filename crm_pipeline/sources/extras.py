"""What follows from many files of a table at once: repeated keys, names, recordings, the snapshot. No reading of files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from crm_pipeline.contracts.core import HEARD, NAMED, REPEATED, TableContract
from crm_pipeline.contracts.texts import WRITTEN
from crm_pipeline.engine import Staged, literal, quote
from crm_pipeline.hashing import digest
from crm_pipeline.lake import DataFile, Lake
from crm_pipeline.periods import Calendar
from crm_pipeline.sources.index import Extra, Record, TableIndex
from crm_pipeline.sources.lines import absolute
from crm_pipeline.sources.mapping import local_sql
from crm_pipeline.sources.recordings import Recording
from crm_pipeline.sources.split import ENGINE_TYPES, FIRST, SNAPSHOT, UNDATED, raw_schema

File = DataFile | Staged


def digest_of(files: Iterable[tuple[str, File]], *more: str) -> str:
    """Return a hash of what (bucket, file) pairs hold, so that what was made of them can be kept."""
    text = sorted(f"{bucket} {f.rows} {f.content_sum}" for bucket, f in files)
    return digest("\n".join([*text, *more]))


def first_seen(lake: Lake, table: TableIndex, others: Iterable[TableIndex], calendar: Calendar, first: str) -> None:
    """Date the rows without a date by the first event of their customer; without any, at the start of the first period."""
    files = [(FIRST, f) for r in table.records.values() for f in r.buckets.get(FIRST, [])]
    if not files:
        _keep(table, FIRST, digest_of(files), dict)
        return
    # lines know their customer from their order, whose rows are read anyway
    events = [e for t in others for e in _dated(r for r in t.records.values() if "customer_id" in r.columns)]

    def make() -> dict[str, list[File]]:
        return _first_seen(lake, files, events, calendar, first)

    _keep(table, FIRST, digest_of([*files, *events], first, calendar.grain, calendar.timezone), make)


def _first_seen(
    lake: Lake, files: list[tuple[str, File]], events: list[tuple[str, File]], calendar: Calendar, first: str
) -> dict[str, list[File]]:
    con, start = lake.engine.con, f"TIMESTAMP '{calendar.start(first)}'"
    parts = [
        f"SELECT customer_id, min(event_at) AS seen FROM {_parquet(lake, group)} "
        "WHERE unreadable IS NULL AND customer_id IS NOT NULL GROUP BY customer_id"
        for group in _by_schema(events)
    ]
    seen = " UNION ALL ".join(parts) or "SELECT NULL::VARCHAR AS customer_id, NULL::TIMESTAMP AS seen WHERE false"
    key = f"strftime(date_trunc({literal(calendar.grain)}, {local_sql('event_at', calendar.timezone)}), '%Y-%m-%d')"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE sync_first_seen AS SELECT *, greatest({key}, {literal(first)}) AS __period FROM ("
        f"SELECT r.* REPLACE (coalesce(s.seen, {start}) AS event_at) FROM {_parquet(lake, files)} r LEFT JOIN "
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
            f"SELECT {names} FROM {_parquet(lake, files)} "
            f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY entry DESC, source_file DESC, source_line DESC) = 1"
        )
        return {"current": [lake.stage_query(query)]}

    _keep(table, SNAPSHOT, digest_of(files), make if files else dict)


def names(lake: Lake, table: TableIndex, customers: TableIndex | None, contract: TableContract, first: str) -> None:
    """Add to each period of messages or calls the names of the customers who wrote or called in it, one marker row each.

    So a period's names are known with its texts: a customer who is renamed changes the periods in which he wrote, and
    no other.
    """
    current = _of_extra(customers, SNAPSHOT) if customers is not None else []
    dated = [(max(bucket, first), f) for bucket, f in _dated(table.records.values())]
    given = {
        "customer_id": "customer_id",
        WRITTEN[contract.name]: "name",
        "event": literal(NAMED),
        "event_at": "event_at",
    }

    def query(files: list[tuple[str, File]]) -> str:
        wrote = f"SELECT customer_id, min(event_at) AS event_at FROM {_parquet(lake, files)} GROUP BY customer_id"
        return (
            f"SELECT {_marker(contract, given)} FROM ({wrote}) JOIN {_parquet(lake, current)} USING (customer_id) "
            "WHERE name IS NOT NULL ORDER BY customer_id"
        )

    key = digest_of([*current, *dated], first)
    _keep(table, NAMED, key, lambda: _by_period(lake, dated, query) if current and dated else {})


def recording_names(lake: Lake, calls: TableIndex) -> list[str]:
    """Return the different ``audio_path`` of the calls that have a time."""
    files = _dated(calls.records.values())
    if not files:
        return []
    query = f"SELECT DISTINCT audio_path FROM {_parquet(lake, files)} WHERE audio_path IS NOT NULL ORDER BY 1"
    return [name for (name,) in lake.engine.con.execute(query).fetchall()]


def recordings(
    lake: Lake, calls: TableIndex, contract: TableContract, found: Mapping[str, Recording], first: str
) -> None:
    """Add to each period of ``raw/calls`` what its recordings are, one marker row for each that is there or refused.

    So a recording that is replaced changes the period of its call, and no other.
    """
    dated = [(max(bucket, first), f) for bucket, f in _dated(calls.records.values())]
    there = sorted((r.name, r.sha256, r.problem) for r in found.values() if r.sha256 or r.problem)
    given = {"audio_path": "audio_path", "event": literal(HEARD), "event_at": "event_at"}
    given |= {"content": "sha256", "unreadable": "problem"}

    def query(files: list[tuple[str, File]]) -> str:
        named = f"SELECT audio_path, min(event_at) AS event_at FROM {_parquet(lake, files)} GROUP BY audio_path"
        return f"SELECT {_marker(contract, given)} FROM ({named}) JOIN sync_recordings USING (audio_path) ORDER BY audio_path"

    def make() -> dict[str, list[File]]:
        import pyarrow as pa

        columns = [pa.array(values, pa.string()) for values in zip(*there, strict=True)]
        table = pa.table(columns, names=["audio_path", "sha256", "problem"])
        lake.engine.con.register("sync_recordings", table)
        try:
            return _by_period(lake, dated, query)
        finally:
            lake.engine.con.unregister("sync_recordings")

    _keep(calls, HEARD, digest_of(dated, first, repr(there)), make if there and dated else dict)


def _marker(contract: TableContract, given: Mapping[str, str]) -> str:
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


def repeats(lake: Lake, contract: TableContract, table: TableIndex, first: str) -> None:
    """Mark the rows whose key occurred in an earlier period, with one marker row in each period they have events in.

    A period's markers depend on that period and earlier ones only: where both rows happened in the period itself,
    cleaning sees both and needs no marker.
    """
    files = [(max(bucket, first), f) for bucket, f in _dated(table.records.values())]
    files += _of_extra(table, FIRST)
    if not all(
        any(name in r.columns for r in table.records.values()) or name == contract.main_time for name in contract.key
    ):
        files = []

    def make() -> dict[str, list[File]]:
        return _markers(lake, contract, files)

    several = len({bucket for bucket, _ in files}) > 1
    _keep(table, "repeats", digest_of(files, *contract.key), make if several else dict)


def _keep(table: TableIndex, name: str, key: str, make: Callable[[], dict[str, list[File]]]) -> None:
    old = table.extras.get(name)
    if old is None or old.key != key:
        table.extras[name] = Extra(key, make())


def _markers(lake: Lake, contract: TableContract, files: list[tuple[str, File]]) -> dict[str, list[File]]:
    con = lake.engine.con
    key = [name for name in contract.key if name != contract.main_time]
    con.execute(f"CREATE OR REPLACE TEMP TABLE sync_repeats AS {_repeats_query(lake, contract, files, key)}")
    given = {name: name for name in (*key, "event_at", "entry", "source_file", "source_line")}
    given["event"] = literal(REPEATED)
    given["unreadable"] = literal(f"{', '.join(contract.key)} repeats a row of an earlier period")
    selected = _marker(contract, given)
    periods = [p for (p,) in con.execute("SELECT DISTINCT period FROM sync_repeats ORDER BY 1").fetchall()]
    made: dict[str, list[File]] = {
        p: [lake.stage_query(f"SELECT {selected} FROM sync_repeats WHERE period = {literal(p)}")] for p in periods
    }
    con.execute("DROP TABLE sync_repeats")
    return made


def _repeats_query(lake: Lake, contract: TableContract, files: list[tuple[str, File]], key: list[str]) -> str:
    """Return the query of the rows to mark, with the period each is marked in.

    ``several`` are the keys that occur in more than one source row and period, ``firsts`` the row of each that
    holds. A negative amount of orders is a return, not a repeat.
    """
    numbered = ", ".join(f"({literal(str(absolute(lake, f)))}, {literal(bucket)})" for bucket, f in files)
    main = f"event = {literal(contract.event)}"
    kind = "coalesce(amount < 0, false)" if contract.name == "orders" else "false"
    at = f"min(event_at) FILTER ({main}) OVER (PARTITION BY __source)" if contract.main_time in contract.key else "NULL"
    names = [*key, "__kind", "__main"]
    keys = ", ".join(names)

    def same(a: str, b: str) -> str:
        return " AND ".join(f"{a}.{name} IS NOT DISTINCT FROM {b}.{name}" for name in names)

    row = "event, event_at, entry, source_file, source_line"
    order = "ORDER BY event_at, entry, source_file, source_line"
    return (
        f"WITH read AS (SELECT {', '.join(key)}, {row}, __path, {kind} AS __kind, "
        f"hash(entry, source_file, source_line) AS __source FROM {_parquet(lake, files, named=True)} "
        f"WHERE unreadable IS NULL AND {' AND '.join(f'{name} IS NOT NULL' for name in key)}), "
        f"rows AS (SELECT r.*, p.period, {at} AS __main FROM read r "
        f"JOIN (VALUES {numbered}) AS p(path, period) ON r.__path = p.path), "
        f"several AS (SELECT {keys} FROM rows GROUP BY {keys} "
        "HAVING min(period) <> max(period) AND min(__source) <> max(__source)), "
        f"listed AS (SELECT r.* FROM rows r SEMI JOIN several s ON {same('r', 's')}), "
        f"mains AS (SELECT {keys}, __source, period, {row} FROM listed WHERE {main}), "
        f"firsts AS (SELECT {keys}, first(__source {order}) AS __first, first(period {order}) AS __period "
        f"FROM mains GROUP BY {keys}) "
        f"SELECT DISTINCT l.period, l.entry, l.source_file, l.source_line, l.event_at, {', '.join(f'l.{k}' for k in key)} "
        f"FROM listed l JOIN mains m ON l.__source = m.__source JOIN firsts f ON {same('l', 'f')} "
        "WHERE l.__source <> f.__first AND NOT (m.period = f.__period AND l.period = m.period)"
    )


def _dated(records: Iterable[Record]) -> list[tuple[str, File]]:
    special = (UNDATED, FIRST, SNAPSHOT)
    return [(b, f) for r in records for b, files in r.buckets.items() if b not in special for f in files]


def _of_extra(table: TableIndex, name: str) -> list[tuple[str, File]]:
    extra = table.extras.get(name)
    return [(bucket, f) for bucket, files in extra.buckets.items() for f in files] if extra else []


def _parquet(lake: Lake, files: Iterable[tuple[str, File]], *, named: bool = False) -> str:
    paths = ", ".join(literal(str(absolute(lake, f))) for _, f in files)
    return f"read_parquet([{paths}]{', filename = ' + literal('__path') if named else ''})"
