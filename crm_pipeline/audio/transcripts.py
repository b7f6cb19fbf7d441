"""Makes utterances of a channel and its stretches of speech: what is said when, and how sure that is. No files."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from crm_pipeline.audio.transcribers import RATE, Transcriber, Transcript, Word
from crm_pipeline.errors import CrmError

LOW = 0.5
"""Confidence below which an utterance is marked."""

PAUSE = 0.4
"""Seconds up to which a silence does not end an utterance."""

LONGEST = 30.0
"""Seconds of an utterance; a longer one is cut."""

EDGE = 0.1
"""Seconds heard before and after a stretch of speech: its first sound is often soft."""


@dataclass(frozen=True)
class Utterance:
    """What is said without a pause.

    Attributes
    ----------
    text : str
    start, end : float
        Of the first and last word, seconds from the channel's start.
    confidence : float
        From 0 to 1: of its words, by their length.
    words : tuple of Word
        With the channel's seconds.
    """

    text: str
    start: float
    end: float
    confidence: float
    words: tuple[Word, ...]

    @property
    def low(self) -> bool:
        """Whether its confidence is below `LOW`."""
        return self.confidence < LOW


def transcribed(
    signal: np.ndarray, stretches: Sequence[tuple[float, float]], transcriber: Transcriber, recorded: int = RATE
) -> tuple[Utterance, ...]:
    """Return what is said in a channel; the silence between the stretches is not listened to.

    Parameters
    ----------
    signal : ndarray of float32, shape (samples,)
        At `RATE`.
    stretches : sequence of (start, end)
        Of speech, in seconds, in the order of time.
    transcriber : Transcriber
    recorded : int
        Samples per second of the recording.
    """
    found = []
    for start, end in joined(stretches, len(signal) / RATE):
        heard = transcriber.transcribe(signal[round(start * RATE) : round(end * RATE)], recorded)
        if heard.words:
            found.append(_utterance(heard, start))
    return tuple(found)


def joined(stretches: Sequence[tuple[float, float]], seconds: float) -> Iterator[tuple[float, float]]:
    """Yield stretches with their edges, those with a short pause between them as one, none longer than `LONGEST`."""
    pieces: list[list[float]] = []
    for start, end in stretches:
        if end <= start:
            continue
        if pieces and start - pieces[-1][1] <= PAUSE and end - pieces[-1][0] <= LONGEST:
            pieces[-1][1] = max(end, pieces[-1][1])
        else:
            pieces.append([start, end])
    before = 0.0
    for start, end in pieces:
        left, right = max(before, start - EDGE), min(seconds, end + EDGE)
        if right <= left:
            continue
        parts = int(np.ceil((right - left) / (LONGEST + 2 * EDGE)))
        cuts = np.linspace(left, right, parts + 1).tolist()
        yield from itertools.pairwise(cuts)
        before = right


def to_json(utterances: Sequence[Utterance]) -> str:
    """Return utterances as JSON."""
    return json.dumps([asdict(utterance) for utterance in utterances], ensure_ascii=False)


def from_json(text: str) -> tuple[Utterance, ...]:
    """Return the utterances that `to_json` wrote.

    Raises
    ------
    CrmError
        If it is not what `to_json` wrote.
    """
    try:
        rows = json.loads(text)
        return tuple(Utterance(**{**row, "words": tuple(Word(**word) for word in row["words"])}) for row in rows)
    except (ValueError, TypeError, KeyError) as error:
        raise CrmError(f"A stored transcript cannot be read ({error}): build it again.") from error


def _utterance(heard: Transcript, start: float) -> Utterance:
    words = tuple(Word(w.text, round(start + w.start, 3), round(start + w.end, 3), w.confidence) for w in heard.words)
    lengths = [max(word.end - word.start, 0.01) for word in words]
    sure = float(np.average([word.confidence for word in words], weights=lengths))
    return Utterance(heard.text, words[0].start, words[-1].end, min(1.0, max(0.0, sure)), words)
