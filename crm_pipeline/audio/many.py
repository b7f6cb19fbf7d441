"""Measures many recordings in several processes. What is measured of one does not belong here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from crm_pipeline.text.processes import Work, mapped

SCHEMA = pa.schema([("measured", pa.large_binary()), ("reason", pa.string())])
"""What `Measured.from_bytes` reads, or else why a recording could not be read."""


MUCH = 4_000_000
"""Bytes of recordings from which a second process pays: two minutes of a telephone call with two channels."""


def measured_many(paths: Sequence[Path | str], processes: int) -> pa.Table:
    """Return what is measured of each recording, a row for each in their order; see `SCHEMA`.

    Parameters
    ----------
    paths : sequence of Path or str
    processes : int
        At most so many measure `MUCH` or more; the largest recordings are taken first, so that all end together.
    """
    order = sorted(range(len(paths)), key=lambda place: -_size(Path(paths[place])))
    batches = [pa.record_batch({"path": pa.array([str(paths[place])])}) for place in order]
    several = processes if sum(map(_size, map(Path, paths))) >= MUCH else 1
    found = dict(zip(order, mapped(_work, (), batches, several), strict=True))
    return pa.Table.from_batches([found[place] for place in range(len(paths))], schema=SCHEMA)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _work() -> Work:
    from crm_pipeline.audio.features import measured
    from crm_pipeline.audio.recordings import Unreadable

    def work(batch: pa.RecordBatch) -> pa.RecordBatch:
        stored: list[bytes | None] = []
        reasons: list[str | None] = []
        for path in batch["path"].to_pylist():
            try:
                stored.append(measured(path).to_bytes())
                reasons.append(None)
            except Unreadable as unreadable:
                stored.append(None)
                reasons.append(unreadable.reason)
        return pa.record_batch([pa.array(stored, pa.large_binary()), pa.array(reasons, pa.string())], schema=SCHEMA)

    return work
