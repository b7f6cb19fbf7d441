"""Publishes a table's raw partitions from the data files of its records: new ones beside those of unchanged files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from crm_pipeline.contracts.core import TableContract
from crm_pipeline.engine import Staged
from crm_pipeline.lake import ALL, DataFile, Lake
from crm_pipeline.periods import Calendar
from crm_pipeline.sources.extras import snapshot_schema
from crm_pipeline.sources.index import TableIndex
from crm_pipeline.sources.split import FIRST, REJECTS_SCHEMA, SNAPSHOT, UNDATED, raw_schema
from crm_pipeline.sources.state import SourceState

OWN_LAYERS = ("raw", "snapshot", "parts")
"""Layers that the sync publishes itself, period by period."""

Slot = tuple[list[DataFile | Staged], int]
"""A place in a record's list of files, so that a staged file can be replaced by the published one."""


def publish_table(
    lake: Lake, contract: TableContract, table: TableIndex, calendar: Calendar, first: str, last: str
) -> None:
    """Publish every raw partition of a table, its undated rejects and its snapshot; withdraw periods outside the span.

    Every period of the span is published, without rows where there are none. Staged files in the records are
    replaced by the published ones.
    """
    asset, dated = f"raw/{contract.name}", contract.main_time is not None
    wanted: dict[tuple[str, str], list[Slot]] = {}
    for key in calendar.range(first, last) if dated else [ALL]:
        wanted[asset, key] = []
    wanted[f"rejects/{contract.name}", UNDATED] = []
    for record in table.records.values():
        for bucket, files in record.buckets.items():
            wanted.setdefault(_place(contract, bucket, first), []).extend((files, i) for i in range(len(files)))
    for name, extra in table.extras.items():
        for bucket, files in extra.buckets.items():
            place = (f"snapshot/{contract.name}", bucket) if name == SNAPSHOT else (asset, bucket)
            wanted.setdefault(place, []).extend((files, i) for i in range(len(files)))
    version = _hash(sorted({r.key for r in table.records.values()}))
    origin = {id(files): f"{r.name} {r.sha256}" for r in table.records.values() for files in r.buckets.values()}
    for (name, partition), slots in wanted.items():
        hidden = partition in (FIRST, SNAPSHOT)
        sources = sorted({origin[id(slot)] for slot, _ in slots if id(slot) in origin})
        _publish(lake, contract, name, partition, slots, version, sources, adopt_only=hidden)
    for partition in lake.partitions(asset):
        if (asset, partition) not in wanted:
            lake.remove(asset, partition)
    if not any(SNAPSHOT in r.buckets for r in table.records.values()) and lake.manifest(
        f"snapshot/{contract.name}", "current"
    ):
        lake.remove(f"snapshot/{contract.name}", "current")


def withdraw_tables(lake: Lake, absent: Iterable[str]) -> None:
    """Withdraw the partitions of tables that the source no longer has, and what was made of them period by period.

    Orders stay: they are derived from their lines.
    """
    gone = set(absent)
    made = [f"{layer}/{name}" for name in gone - {"orders"} for layer in ("clean", "activity", "rejects")]
    made += ["rejects/orders"] if "orders" in gone else []
    made += ["activity/categories"] if gone & {"products", "order_lines"} else []
    for asset in made:
        for partition in lake.partitions(asset):
            lake.remove(asset, partition)
    for name in gone:
        for asset in (f"raw/{name}", f"snapshot/{name}"):
            for partition in lake.partitions(asset):
                lake.remove(asset, partition)


def withdraw_periods(lake: Lake, before: SourceState | None, state: SourceState, calendar: Calendar) -> None:
    """Withdraw what was made of raw tables for periods that a fresh home would not have.

    These are periods outside the span, all of another grain, and, where the complete data end earlier than before, what
    lies after their end. The generations stay, so that scores as published can still be judged.
    """
    regrained = before is not None and before.grain not in ("", state.grain)
    shrunk = before is not None and not regrained and (state.complete_until or "") < (before.complete_until or "")
    for asset, partition in lake.published():
        if asset.split("/")[0] in OWN_LAYERS or not partition[:1].isdigit():
            continue
        inside = calendar.holds(partition) and state.first <= partition <= state.last
        if regrained or not inside or (shrunk and partition > (state.complete_until or "")):
            lake.remove(asset, partition)


def _place(contract: TableContract, bucket: str, first: str) -> tuple[str, str]:
    """Return where a bucket is published; what happened before the source's first period was known in it."""
    if bucket == UNDATED:
        return f"rejects/{contract.name}", UNDATED
    if bucket in (FIRST, SNAPSHOT):
        return f"parts/{contract.name}", bucket
    return f"raw/{contract.name}", bucket if bucket == ALL else max(bucket, first)


def _publish(
    lake: Lake,
    contract: TableContract,
    asset: str,
    partition: str,
    slots: list[Slot],
    version: str,
    sources: list[str],
    *,
    adopt_only: bool,
) -> None:
    with lake.lock(asset, partition):
        old = lake.manifest(asset, partition)
        kept = {(f.rows, f.content_sum, tuple(f.columns.items())): f for f in (old.files if old else ())}
        for files, i in slots:
            staged = files[i]
            if isinstance(staged, Staged):
                same = kept.get((staged.rows, staged.content_sum, tuple(staged.columns.items())))
                files[i] = same or lake.adopt(asset, partition, staged)
        if adopt_only:
            return
        listed = [files[i] for files, i in slots]
        schema = {"raw": raw_schema, "snapshot": snapshot_schema}.get(asset.split("/")[0], lambda _: REJECTS_SCHEMA)(
            contract
        )
        lake.publish(
            asset, partition, listed, inputs={"source": _hash(sources)}, code_version=version, schema=schema,
            stats={"source_files": len(sources)}, locked=True,
        )  # fmt: skip


def _hash(parts: Iterable[str]) -> str:
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=12).hexdigest()
