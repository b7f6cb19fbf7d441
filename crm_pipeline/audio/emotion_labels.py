"""Recordings labelled with how they sound: a CSV's content read, the recordings measured, what is odd about them said. No learning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from crm_pipeline.audio.emotion_limits import QUIETEST
from crm_pipeline.audio.emotion_stretches import Stretches, measured
from crm_pipeline.audio.recordings import Unreadable, blocks
from crm_pipeline.errors import UsageError
from crm_pipeline.text.labels import decoded, many, rows_of, some
from crm_pipeline.text.processes import mapped

COLUMNS = {
    "path": ("path", "file", "filename", "file_name", "recording", "audio", "wav"),
    "emotion": ("emotion", "label", "mood", "category", "class", "target"),
    "speaker": ("speaker", "speaker_id", "actor", "voice"),
}
"""What a column of a labelled file may be called, the likeliest first; the speaker may be absent."""

LONGEST = 60
"""Seconds of a recording that are looked at, from its first sound."""

TOGETHER = 8
"""Recordings that a process measures before it takes the next."""

_MEASURED = pa.schema(
    {
        "seconds": pa.float64(),
        "level": pa.float64(),
        "vector": pa.binary(),
        "image": pa.binary(),
        "refused": pa.string(),
    }
)


@dataclass(frozen=True)
class Labelled:
    """Labelled recordings, one element each.

    Attributes
    ----------
    name : str
        Of the file, for messages.
    rows : DataFrame
        ``path`` as given, ``emotion``, ``speaker``, ``line``; and what was measured, after `taken`.
    known_speakers : bool
        Whether the file says who speaks; else each recording is taken for a speaker of its own.
    notes : list of str
        What was left out or is odd, one sentence each.
    """

    name: str
    rows: pd.DataFrame
    known_speakers: bool
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def stretches(self) -> Stretches:
        """What was measured."""
        return Stretches.of_frame(self.rows)


def parse(content: bytes, name: str) -> Labelled:
    """Return the labelled recordings of a CSV file's content (UTF-8, UTF-16 with its mark, or Latin-1), not yet measured.

    Raises
    ------
    UsageError
        When a column is missing or a line cannot be read.
    """
    lines = rows_of(decoded(content), name)
    _, header = next(lines, (1, []))
    places = _places(header, name)
    found = []
    for line, row in lines:
        if len(row) != len(header):
            raise UsageError(
                f"{name}, line {line}: {len(row)} columns where the header has {len(header)}; put quotation marks around "
                "a path that holds the delimiter."
            )
        values = {what: row[place].strip() for what, place in places.items()}
        found.append({"speaker": "", **values, "line": line})
    rows = pd.DataFrame(found, columns=["path", "emotion", "speaker", "line"])
    notes = []
    for column in ("path", "emotion"):
        empty = rows[column] == ""
        if empty.any():
            notes.append(
                f"{name}: {many(int(empty.sum()), 'line')} without {column} left out, the first is line {rows.line[empty].iloc[0]}."
            )
            rows = rows[~empty]
    nobody = rows["speaker"] == ""
    if nobody.any():
        what = (
            "no column with the speaker"
            if "speaker" not in places
            else many(int(nobody.sum()), "line") + " without speaker"
        )
        notes.append(
            f"{name}: {what} (such as {', '.join(COLUMNS['speaker'][:3])}): each of these recordings is taken for a speaker of its "
            "own, so that the figures are not of unheard speakers and may be too good."
        )
        rows = rows.assign(speaker=rows["speaker"].where(~nobody, "recording " + rows["path"]))
    return Labelled(name, rows.reset_index(drop=True), not nobody.any(), notes)


def taken(found: Labelled, folder: Path, within: Path | None = None, processes: int = 2) -> Labelled:
    """Return the recordings measured; those that cannot be used are left out, and said.

    Parameters
    ----------
    found : Labelled
    folder : Path
        What relative paths are relative to.
    within : Path, optional
        A recording outside this folder is refused.
    processes : int
    """
    folder = folder.resolve()
    places = [(folder / path).resolve() for path in found.rows["path"]]
    batches = [
        pa.RecordBatch.from_pydict({"path": [str(one) for one in places[at : at + TOGETHER]]})
        for at in range(0, len(places), TOGETHER)
    ]
    parts = mapped(_measurer, (str(within.resolve()) if within else "",), batches, processes)
    table = pa.Table.from_batches(parts, _MEASURED).to_pandas()
    rows = pd.concat([found.rows, table], axis=1)
    refused = rows["refused"] != ""
    notes = found.notes + [
        f"{found.name}, line {row.line}: {row.path} left out: {row.refused}." for row in rows[refused].itertuples()
    ]
    rows = rows[~refused].drop(columns="refused")
    again = rows.duplicated(["emotion", "speaker", "vector"] if found.known_speakers else ["emotion", "vector"])
    if again.any():
        notes.append(
            f"{found.name}: {many(int(again.sum()), 'repetition')} of a recording left out, the first in line {rows.line[again].iloc[0]}."
        )
        rows = rows[~again]
    return Labelled(found.name, rows.reset_index(drop=True), found.known_speakers, notes)


def trainable(found: Labelled) -> Labelled:
    """Return them, if there is something to learn.

    Raises
    ------
    UsageError
        With fewer than two labels or two speakers.
    """
    for column, what in (("emotion", "label"), ("speaker", "speaker")):
        count = found.rows[column].nunique()
        if count < 2:
            why = f" ({found.notes[-1].rstrip('.')})" if not len(found) and found.notes else ""
            raise UsageError(
                f"{found.name} has usable recordings of {many(count, what)}: at least two are needed{why}."
            )
    return found


def _places(header: list[str], name: str) -> dict[str, int]:
    names = [cell.strip().casefold() for cell in header]
    places = {what: names.index(one) for what, known in COLUMNS.items() for one in known[::-1] if one in names}
    for what in ("path", "emotion"):
        if what not in places:
            raise UsageError(
                f"{name}, line 1: no column with the {what} (such as {', '.join(COLUMNS[what][:3])}); it has "
                f"{some(header, 8) or 'none'}: name it so."
            )
    return places


def _measurer(folder: str) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    def work(batch: pa.RecordBatch) -> pa.RecordBatch:
        rows = [_measured(Path(path), folder) for path in batch.column("path").to_pylist()]
        return pa.RecordBatch.from_pylist(rows, _MEASURED)

    return work


def _measured(path: Path, folder: str) -> dict[str, object]:
    nothing = {"seconds": 0.0, "level": 0.0, "vector": b"", "image": b""}
    if folder and not path.is_relative_to(folder):
        return nothing | {"refused": f"it lies outside {folder}"}
    try:
        signal = next(blocks(path, LONGEST), np.zeros((1, 0), np.float32))
    except Unreadable as error:
        return nothing | {"refused": error.reason}
    one = measured([signal.mean(axis=0)])
    if one.levels[0] < QUIETEST:
        return nothing | {"refused": "it is silent"}
    return one.to_frame().iloc[0].to_dict() | {"refused": ""}
