"""Publishes a table's raw partitions from the data files of its records: new ones beside those of unchanged files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from crm_pipeline.contracts.calls import AUDIO
from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.contracts.core import TableContract
from crm_pipeline.contracts.texts import TEXT
from crm_pipeline.engine import Staged
from crm_pipeline.hashing import digest
from crm_pipeline.lake import ALL, DataFile, Lake
from crm_pipeline.periods import Calendar
from crm_pipeline.sources.extras import snapshot_schema
from crm_pipeline.sources.index import TableIndex
from crm_pipeline.sources.split import FIRST, REJECTS_SCHEMA, SNAPSHOT, UNDATED, raw_schema
from crm_pipeline.sources.state import SourceState

OWN_LAYERS = ("raw", "snapshot", "parts")
"""Layers that the sync publishes itself, period by period."""

OF_MESSAGES = {f"text/{name}" for name in TEXT} | {"activity/texts"}
"""What is made of messages alone."""

OF_RECORDINGS = {f"audio/{name}" for name in AUDIO} | {"activity/audio", "plans/service"}
"""What is made of the recordings of calls alone."""

OF_LABELS = {"audio/labels", "audio/emotion_model"}
"""What is made of labelled recordings alone."""

Slot = tuple[list[DataFile | Staged], int]
"""A place in a record's list of files, so that a staged file can be replaced by the published one."""


def publish_table(lake: Lake, contract: TableContract, table: TableIndex, periods: Sequence[str]) -> None:
    """Publish every raw partition of a table, its undated rejects and its snapshot; withdraw periods outside the span.

    Every one of the ``periods`` of the span is published, without rows where there are none. Staged files in the records are
    replaced by the published ones.
    """
    asset, dated = f"raw/{contract.name}", contract.main_time is not None
    wanted: dict[tuple[str, str], list[Slot]]
    wanted = {(asset, key): [] for key in (periods if dated else [ALL])}
    wanted[f"rejects/{contract.name}", UNDATED] = []
    for record in table.records.values():
        for bucket, files in record.buckets.items():
            wanted.setdefault(_place(contract, bucket, periods[0]), []).extend((files, i) for i in range(len(files)))
    for name, extra in table.extras.items():
        for bucket, files in extra.buckets.items():
            place = (f"snapshot/{contract.name}", bucket) if name == SNAPSHOT else _place(contract, bucket, periods[0])
            wanted.setdefault(place, []).extend((files, i) for i in range(len(files)))
    version = digest("\n".join(sorted({r.key for r in table.records.values()})))
    origin = {id(files): f"{r.name} {r.sha256}" for r in table.records.values() for files in r.buckets.values()}
    for (name, partition), slots in wanted.items():
        sources = sorted({origin[id(files)] for files, _ in slots if id(files) in origin})
        with lake.lock(name, partition):
            listed = _adopted(lake, name, partition, slots)
            if partition in (FIRST, SNAPSHOT):
                continue
            schema = {asset: raw_schema, f"snapshot/{contract.name}": snapshot_schema}.get(name)
            lake.publish(
                name, partition, listed, inputs={"source": digest("\n".join(sources))}, code_version=version,
                schema=schema(contract) if schema else REJECTS_SCHEMA, stats={"source_files": len(sources)}, locked=True,
            )  # fmt: skip
    for partition in lake.partitions(asset):
        if (asset, partition) not in wanted:
            lake.remove(asset, partition)
    if not any(SNAPSHOT in r.buckets for r in table.records.values()) and lake.manifest(
        f"snapshot/{contract.name}", "current"
    ):
        lake.remove(f"snapshot/{contract.name}", "current")


def withdraw(
    lake: Lake, carried: SourceState | None, state: SourceState, calendar: Calendar, without: Set[str] = frozenset()
) -> None:
    """Withdraw what a fresh home of this source would not have (`superfluous`); its generations stay.

    A run does so as it begins; to ask for a plan leaves all that was published.
    """
    for asset, partition in sorted(superfluous(lake.published(), carried, state, calendar, without)):
        lake.remove(asset, partition)


def superfluous(
    published: Iterable[tuple[str, str]],
    carried: SourceState | None,
    state: SourceState,
    calendar: Calendar,
    without: Set[str] = frozenset(),
) -> set[tuple[str, str]]:
    """Return the published partitions that a fresh home of this source would not have.

    These are of tables that the source no longer has, and of what was made of them period by period (orders stay: they are
    derived from their lines); of periods outside the span; all of another grain; and, where the complete data end earlier
    than when a run last began, what lies after their end.

    Parameters
    ----------
    published : iterable of (asset, partition)
    carried : SourceState or None
        The source as it was when a run last began.
    state : SourceState
        The source now.
    without : set of str
        Further assets that a fresh home would not have.
    """
    regrained = carried is not None and carried.grain not in ("", state.grain)
    shrunk = carried is not None and not regrained and (state.complete_until or "") < (carried.complete_until or "")
    absent = _made_of(set(CANONICAL) - set(state.tables)) | (
        OF_RECORDINGS if "recordings" not in state.inputs else set()
    )
    found = set()
    for asset, partition in published:
        if asset in absent or asset in without:
            found.add((asset, partition))
        if asset.split("/")[0] in OWN_LAYERS or not partition[:1].isdigit():
            continue
        inside = calendar.holds(partition) and state.first <= partition <= state.last
        if regrained or not inside or (shrunk and partition > (state.complete_until or "")):
            found.add((asset, partition))
    return found


def _made_of(gone: set[str]) -> set[str]:
    """Return the assets of tables, and what is made of them alone."""
    made = {f"{layer}/{name}" for name in gone - {"orders"} for layer in ("clean", "activity", "rejects")}
    made |= {"rejects/orders"} if "orders" in gone else set()
    made |= {"activity/categories"} if gone & {"products", "order_lines"} else set()
    made |= OF_MESSAGES if "messages" in gone else set()
    return made | {f"{layer}/{name}" for name in gone for layer in ("raw", "snapshot")}


def _place(contract: TableContract, bucket: str, first: str) -> tuple[str, str]:
    """Return where a bucket is published; what happened before the source's first period was known in it."""
    if bucket == UNDATED:
        return f"rejects/{contract.name}", UNDATED
    if bucket in (FIRST, SNAPSHOT):
        return f"parts/{contract.name}", bucket
    return f"raw/{contract.name}", bucket if bucket == ALL else max(bucket, first)


def _adopted(lake: Lake, asset: str, partition: str, slots: list[Slot]) -> list[DataFile | Staged]:
    """Put the published files in the places of the staged ones; those that a partition has already are kept."""
    old = lake.manifest(asset, partition)
    kept = {(f.rows, f.content_sum, tuple(f.columns.items())): f for f in (old.files if old else ())}
    for files, i in slots:
        staged = files[i]
        if isinstance(staged, Staged):
            same = kept.get((staged.rows, staged.content_sum, tuple(staged.columns.items())))
            files[i] = same or lake.adopt(asset, partition, staged)
    return [files[i] for files, i in slots]
