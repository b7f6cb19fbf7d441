"""What is said in many recordings: their speech, piece by piece, to a transcriber, in several processes. No files are kept here."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from crm_pipeline.audio import keywords
from crm_pipeline.audio.features import cut
from crm_pipeline.audio.recordings import RATE, blocks, outline
from crm_pipeline.audio.spotting import Hit, Spotter
from crm_pipeline.audio.transcribers import Transcriber, Transcript, transcriber_of
from crm_pipeline.audio.transcripts import Utterance, joined, to_json, transcribed
from crm_pipeline.errors import UsageError
from crm_pipeline.text.processes import Work, mapped

MUCH = 120.0
"""Seconds of speech from which a second process pays: it takes seconds to begin."""

LEARNING = "pocketsphinx"
"""The transcriber that hears watched words worse than what a synthesizer teaches of them."""

_LOG = logging.getLogger(__name__)


def listened_many(
    paths: Sequence[Path | str],
    spoken: Sequence[Sequence[np.ndarray]],
    setting: str,
    watched: Sequence[str],
    processes: int,
    learn: Callable[[tuple[str, ...]], keywords.Keywords] = keywords.learned,
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
    learn : callable
        Returns how watched words sound; by default they are learned, which takes half a minute.
    """
    amounts = [sum(float(np.diff(one).sum()) for one in channels) for channels in spoken]
    order = sorted(range(len(paths)), key=lambda place: -amounts[place])
    batches = [
        pa.record_batch({"path": [str(paths[place])], "spoken": [json.dumps([c.tolist() for c in spoken[place]])]})
        for place in order
    ]
    words = tuple(watched)
    _tools(setting, words)  # what is wrong with a setting is said before anything is learned
    given = (setting, words, _keywords(setting, words, learn) if any(amounts) else None)
    several = processes if sum(amounts) >= MUCH else 1
    found = dict(zip(order, mapped(_work, given, batches, several), strict=True))
    return [found[place]["said"][0].as_py() for place in range(len(paths))]


def listened(
    path: Path | str, spoken: Sequence[np.ndarray], transcriber: Transcriber, recorded: int | None = None
) -> list[list[Utterance]]:
    """Return what is said in each channel of a recording; times are seconds of the recording."""
    found: list[list[Utterance]] = [[] for _ in spoken]
    for channel, start, signal, rate in _pieces(path, spoken):
        for one in transcribed(signal, [(0.0, len(signal) / RATE)], transcriber, recorded or rate):
            found[channel].append(_later(one, start))
    return [sorted(one, key=lambda utterance: utterance.start) for one in found]


def spotted(path: Path | str, spoken: Sequence[np.ndarray], known: keywords.Keywords) -> list[list[Hit]]:
    """Return which watched words sound in each channel of a recording; times are seconds of the recording."""
    found: list[list[tuple[float, np.ndarray]]] = [[] for _ in spoken]
    for channel, start, signal, _ in _pieces(path, spoken):
        found[channel].append((start, keywords.levels(signal)))
    return [known.find(one) for one in found]


def _pieces(path: Path | str, spoken: Sequence[np.ndarray]) -> Iterator[tuple[int, float, np.ndarray, int]]:
    """Yield the channel, the first second, the signal and the recording's rate of each piece of speech."""
    known = outline(path)
    begins = known.start / RATE
    pieces = [
        np.array([*joined([*map(tuple, one - begins)], (known.stop - known.start) / RATE)]).reshape(-1, 2)
        for one in spoken
    ]
    samples = [np.round(one * RATE).astype(int) for one in pieces]
    for channel, start, signal in cut(blocks(path, known=known), samples):
        yield channel, start / RATE + begins, signal, known.header.rate


def _later(one: Utterance, by: float) -> Utterance:
    words = tuple(replace(w, start=round(w.start + by, 3), end=round(w.end + by, 3)) for w in one.words)
    return replace(one, start=round(one.start + by, 3), end=round(one.end + by, 3), words=words)


@lru_cache(maxsize=1)
def _tools(setting: str, watched: tuple[str, ...]) -> tuple[Transcriber | None, Spotter]:
    """Return what listens; it takes a second or more to load, and the next period needs the same."""
    return transcriber_of(setting, watched), Spotter(watched)


def _keywords(
    setting: str, watched: tuple[str, ...], learn: Callable[[tuple[str, ...]], keywords.Keywords]
) -> keywords.Keywords | None:
    """Return how watched words sound, or nothing where the transcriber's own words are the better ones or the only ones."""
    if setting.strip() != LEARNING or not watched:
        return None
    try:
        return learn(watched)
    except UsageError as error:
        _LOG.warning("Watched words are looked for in what is written down, where fewer are found: %s", error)
        return None


def _work(setting: str, watched: tuple[str, ...], known: keywords.Keywords | None) -> Work:
    transcriber, spotter = _tools(setting, watched)

    def work(batch: pa.RecordBatch) -> pa.RecordBatch:
        told = []
        for path, spoken in zip(batch["path"].to_pylist(), batch["spoken"].to_pylist(), strict=True):
            stretches = [np.array(one).reshape(-1, 2) for one in json.loads(spoken)]
            said = listened(path, stretches, transcriber) if transcriber else [[] for _ in stretches]
            hits = spotted(path, stretches, known) if known else [_written(spotter, one) for one in said]
            rows = [
                {"said": json.loads(to_json(one)), "watched": sorted({hit.word for hit in here})}
                for one, here in zip(said, hits, strict=True)
            ]
            told.append(json.dumps(rows).encode())
        return pa.record_batch({"said": pa.array(told, pa.binary())})

    return work


def _written(spotter: Spotter, said: Sequence[Utterance]) -> list[Hit]:
    return [hit for one in said for hit in spotter.spot(Transcript(one.words))]
