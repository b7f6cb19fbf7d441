"""The labelled texts of a home: where they lie, and which intents they know. Reading them whole and learning belong to text."""

from collections import Counter
from functools import lru_cache
from pathlib import Path

from crm_pipeline.text.labels import UNKNOWN, parse, slugs

LABELS = Path("labels", "intents.csv")
"""Where `crm-pipeline train-intents` keeps a home's labelled texts."""

STARTER = Path(__file__).parent.parent / "text" / "starter_intents.csv"
"""What a home without labelled texts of its own begins with."""

MOST = 20
"""Intents that have a feature each; the rarer ones are counted as known, not apart."""


def labels_file(home: Path) -> Path:
    """Return the file of a home's labelled texts: its own, else the starter."""
    own = home / LABELS
    return own if own.is_file() else STARTER


def intents_of(home: Path) -> tuple[tuple[str, str], ...]:
    """Return the intents of a home that have a feature each, by slug, as (slug, label): the `MOST` with most examples."""
    path = labels_file(home)
    return _intents(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _intents(path: Path, _: int) -> tuple[tuple[str, str], ...]:
    found = parse(path.read_bytes(), path.name)
    counts = Counter(label for label in found.intents if label != UNKNOWN)
    names = slugs(counts)
    common = sorted(counts, key=lambda label: (-counts[label], label))[:MOST]
    return tuple(sorted((names[label], label) for label in common))
