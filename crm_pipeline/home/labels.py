"""The labelled texts and recordings of a home: where they lie, and which labels they know. Measuring and learning belong elsewhere."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from crm_pipeline.errors import UsageError
from crm_pipeline.sources.state import SourceState
from crm_pipeline.text.labels import UNKNOWN, Labelled, parse, slugs, trainable

LABELS = Path("labels", "intents.csv")
"""Where `crm-pipeline train-intents` keeps a home's labelled texts."""

EMOTIONS = Path("labels", "emotions.parquet")
"""Where `crm-pipeline train-emotion` keeps what it measured of a home's labelled recordings."""

TOLD = EMOTIONS.with_suffix(".json")
"""What the definitions must know of that: its version, how many recordings have each label, and which model is learned from them."""

MODELS = ("svm", "cnn", "average")
"""Models of how voices sound, one of which a home's labelled recordings ask for (`crm_pipeline.audio.emotion.KINDS` and their average)."""

STARTER = Path(__file__).parent.parent / "text" / "starter_intents.csv"
"""What a home without labelled texts of its own begins with."""

MOST, MOST_EMOTIONS = 20, 10
"""Intents and emotions that have a feature each; the rarer ones are counted as known, not apart."""


def labels_file(home: Path) -> Path:
    """Return the file of a home's labelled texts: its own, else the starter."""
    own = home / LABELS
    return own if own.is_file() else STARTER


def intents_of(home: Path) -> tuple[tuple[str, str], ...]:
    """Return the intents of a home that have a feature each, by slug, as (slug, label): the `MOST` with most examples."""
    path = labels_file(home)
    return _intents(path, path.stat().st_mtime_ns)


@dataclass(frozen=True)
class EmotionLabels:
    """Labelled recordings that a home learns from.

    Attributes
    ----------
    source : str or None
        Where the source has them, relative to its files; None where they are the home's own.
    version : str
        Follows from their content.
    counts : mapping of str to int
        How many recordings have each label.
    model : str
        One of `MODELS`.
    """

    source: str | None
    version: str
    counts: Mapping[str, int]
    model: str = MODELS[0]

    @property
    def common(self) -> tuple[tuple[str, str], ...]:
        """The labels that have a feature each, by slug, as (slug, label): the `MOST_EMOTIONS` with most recordings."""
        names = slugs(self.counts)
        most = sorted(self.counts, key=lambda label: (-self.counts[label], label))[:MOST_EMOTIONS]
        return tuple(sorted((names[label], label) for label in most))


def emotion_labels(home: Path, source: SourceState) -> EmotionLabels | None:
    """Return the labelled recordings of a home: its own, else the source's; None without, and where there is nothing to hear.

    Raises
    ------
    UsageError
        When someone changed the home's own.
    """
    if "recordings" not in source.inputs:
        return None
    if (home / EMOTIONS).is_file():
        try:
            told = json.loads((home / TOLD).read_text(encoding="utf-8"))
            model = told.get("model", MODELS[0])
            if model not in MODELS:
                raise ValueError(f"its model is {model!r}, not one of {', '.join(MODELS)}")
            return EmotionLabels(None, str(told["version"]), dict(told["counts"]), model)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f"{home / TOLD} cannot be read ({error}): run `crm-pipeline train-emotion` again, or remove {home / EMOTIONS}."
            ) from error
    given = source.labels.get("emotion")
    return EmotionLabels(given.path, given.version, given.counts) if given else None


def kept_labels(path: Path) -> Labelled:
    """Return the labelled texts of a home.

    Raises
    ------
    UsageError
        When someone changed the file so that nothing can be learned from it.
    """
    try:
        return trainable(parse(path.read_bytes(), path.name))
    except (OSError, UsageError) as error:
        raise UsageError(
            f"{path} cannot be learned from ({str(error).rstrip('.')}): run `crm-pipeline train-intents` again, or remove it."
        ) from error


def labelled(found: Labelled) -> dict[str, list[str | None]]:
    """Return labelled texts by column, text, intent, sentiment and language; without any sentiment, with those of the starter below.

    Who labels what messages are about does not mean to unlearn how they feel.
    """
    rows: dict[str, list[str | None]] = {
        "text": [*found.texts], "intent": [*found.intents], "sentiment": [*found.sentiments], "language": [*found.languages],
    }  # fmt: skip
    if not any(found.sentiments):
        starter = kept_labels(STARTER)
        felt = starter.only([sentiment is not None for sentiment in starter.sentiments])
        rows["text"] += felt.texts
        rows["intent"] += [None] * len(felt)
        rows["sentiment"] += felt.sentiments
        rows["language"] += felt.languages
    return rows


@lru_cache(maxsize=8)
def _intents(path: Path, _: int) -> tuple[tuple[str, str], ...]:
    found = kept_labels(path)
    counts = Counter(label for label in found.intents if label != UNKNOWN)
    names = slugs(counts)
    common = sorted(counts, key=lambda label: (-counts[label], label))[:MOST]
    return tuple(sorted((names[label], label) for label in common))
