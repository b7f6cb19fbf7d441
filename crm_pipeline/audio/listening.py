"""What is said in many recordings: their speech, piece by piece, to a transcriber, in several processes. No files are kept here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from crm_pipeline.audio.features import cut
from crm_pipeline.audio.recordings import RATE, blocks, outline
from crm_pipeline.audio.spotting import Spotter
from crm_pipeline.audio.transcribers import Transcriber, Transcript, transcriber_of
from crm_pipeline.audio.transcripts import Utterance, joined, to_json, transcribed
from crm_pipeline.text.processes import Work, mapped

MUCH = 120.0
"""Seconds of speech from which a second process pays: it takes seconds to begin."""


def listened_many(
    paths: Sequence[Path | str],
    spoken: Sequence[Sequence[np.ndarray]],
    setting: str,
    watched: Sequence[str],
    processes: int,
) -> list[bytes]:
    """Return what is said in each recording, as JSON: of each channel ``said`` (utterances) and ``watched`` (words).

    Parameters
    ----------
    paths : sequence of Path or str
    spoken : sequence of sequences of ndarray, shape (stretches, 2)
        Of each recording and channel where somebody speaks, as `features.measured` tells.
    setting : str
        The transcriber, see `transcriber_of`.
    watched : sequence of str
    processes : int
        At most so many listen to `MUCH` speech or more; the recordings with most are taken first.
    """
    amounts = [sum(float(np.diff(one).sum()) for one in channels) for channels in spoken]
    order = sorted(range(len(paths)), key=lambda place: -amounts[place])
    batches = [
        pa.record_batch({"path": [str(paths[place])], "spoken": [json.dumps([c.tolist() for c in spoken[place]])]})
        for place in order
    ]
    several = processes if sum(amounts) >= MUCH else 1
    found = dict(zip(order, mapped(_work, (setting, tuple(watched)), batches, several), strict=True))
    return [found[place]["said"][0].as_py() for place in range(len(paths))]


def listened(
    path: Path | str, spoken: Sequence[np.ndarray], transcriber: Transcriber, recorded: int | None = None
) -> list[list[Utterance]]:
    """Return what is said in each channel of a recording; times are seconds of the recording."""
    known = outline(path)
    begins = known.start / RATE
    pieces = [
        np.array([*joined([*map(tuple, one - begins)], (known.stop - known.start) / RATE)]).reshape(-1, 2)
        for one in spoken
    ]
    found: list[list[Utterance]] = [[] for _ in spoken]
    samples = [np.round(one * RATE).astype(int) for one in pieces]
    for channel, start, signal in cut(blocks(path, known=known), samples):
        whole = [(0.0, len(signal) / RATE)]
        for one in transcribed(signal, whole, transcriber, recorded or known.header.rate):
            found[channel].append(_later(one, start / RATE + begins))
    return [sorted(one, key=lambda utterance: utterance.start) for one in found]


def _later(one: Utterance, by: float) -> Utterance:
    words = tuple(replace(w, start=round(w.start + by, 3), end=round(w.end + by, 3)) for w in one.words)
    return replace(one, start=round(one.start + by, 3), end=round(one.end + by, 3), words=words)


@lru_cache(maxsize=1)
def _tools(setting: str, watched: tuple[str, ...]) -> tuple[Transcriber | None, Spotter]:
    """Return what listens; it takes a second or more to load, and the next period needs the same."""
    return transcriber_of(setting, watched), Spotter(watched)


def _work(setting: str, watched: tuple[str, ...]) -> Work:
    transcriber, spotter = _tools(setting, watched)

    def work(batch: pa.RecordBatch) -> pa.RecordBatch:
        told = []
        for path, spoken in zip(batch["path"].to_pylist(), batch["spoken"].to_pylist(), strict=True):
            stretches = [np.array(one).reshape(-1, 2) for one in json.loads(spoken)]
            said = listened(path, stretches, transcriber) if transcriber else [[] for _ in stretches]
            told.append(
                json.dumps(
                    [{"said": json.loads(to_json(one)), "watched": _watched(spotter, one)} for one in said]
                ).encode()
            )
        return pa.record_batch({"said": pa.array(told, pa.binary())})

    return work


def _watched(spotter: Spotter, said: Sequence[Utterance]) -> list[str]:
    return sorted({hit.word for one in said for hit in spotter.spot(Transcript(one.words))})
