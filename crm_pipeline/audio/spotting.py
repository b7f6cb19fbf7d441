"""Finds watched words and phrases in what was heard. Sounds are not looked at here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm_pipeline.audio.language import forms, words_of
from crm_pipeline.audio.transcribers import Transcript
from crm_pipeline.errors import UsageError

THRESHOLD = 0.7
"""Least confidence of a watched word, where none of its own is given."""


@dataclass(frozen=True)
class Hit:
    """A watched word where it was heard: as it is watched for, seconds from the signal's start, confidence from 0 to 1."""

    word: str
    start: float
    end: float
    score: float


class Spotter:
    """Looks for words, in any regular form, and phrases.

    Parameters
    ----------
    words : sequence of str
    thresholds : mapping, optional
        Least confidence by word.
    """

    def __init__(self, words: Sequence[str], thresholds: Mapping[str, float] | None = None) -> None:
        self.watched = {word: tuple(map(forms, words_of(word))) for word in words}
        for word, parts in self.watched.items():
            if not parts:
                raise UsageError(f"The watched word '{word}' has no letter: leave it out.")
        self.thresholds = {word: (thresholds or {}).get(word, THRESHOLD) for word in self.watched}

    @property
    def key(self) -> str:
        """The words with their thresholds."""
        return " ".join(f"{word}>={least:g}" for word, least in sorted(self.thresholds.items()))

    def spot(self, transcript: Transcript) -> list[Hit]:
        """Return every watched word that was heard with its threshold or more, in the order of time."""
        heard = [(word, word.text.lower().strip(".,!?;:\"'")) for word in transcript.words]
        hits = []
        for watched, parts in self.watched.items():
            for at in range(len(heard) - len(parts) + 1):
                here = heard[at : at + len(parts)]
                if all(text in part for (_, text), part in zip(here, parts, strict=True)):
                    score = min(word.confidence for word, _ in here)
                    if score >= self.thresholds[watched]:
                        hits.append(Hit(watched, here[0][0].start, here[-1][0].end, score))
        return sorted(hits, key=lambda hit: (hit.start, hit.word))
