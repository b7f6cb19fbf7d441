"""Where a sentence ends, said of blank-separated chunks and of the chunk behind them. No words and no languages' models belong here.

nltk's Punkt is not used, even where its data are installed: the same message must give the same content on every machine.
"""

from __future__ import annotations

import re

import numpy as np

from crm_pipeline.text.vocabulary import word_set

NEVER, BEFORE_CAPITAL, BEFORE_HIGH, ALWAYS = 0, 1, 2, 3
"""When a sentence ends at a chunk: never, where the next begins with a capital, with a capital or a digit, always."""

LOW, DIGIT, CAPITAL = 0, 1, 2
"""What a chunk begins with, behind quotes and brackets."""

OPENING, CLOSING = "([{<\"'«“‘„*_", ")]}>\"'»”’*_"
ONLY_MARKS = re.compile(r"""[\])}>"'»”’.?!…。！？｡]+""")
STOPS = re.compile(r"([.?!…。！？｡]+)$")
LETTERS_WITH_DOTS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]?\.?")

ABBREVIATIONS = word_set(
    # titles
    "mr mrs ms dr prof st sr jr messrs mme mlle hr fr frl herr dipl ing mag sig sra dott dña mevr dhr "
    "tel tél fax ref ext ca approx appr cf vgl vs zb ave blvd str "
    # German, French, Spanish, Italian, Dutch
    "bzw bspw evtl ggf inkl exkl zzgl abzgl gem sog zus mwst rd std mio mrd geb betr "
    "env ej aprox pza bijv evt"
)
"""Behind these, and behind single letters (*J.*, *e.g.*, *z.B.*), a full stop is part of the word."""

BEFORE_NUMBERS = word_set(
    "no nos nr nrs num núm art fig vol ch pp pg pag pág mon tue tues wed thu thur thurs fri sat "
    "jan feb mar apr jun jul aug sep sept oct okt nov dec dez janv févr juil min"
)
"""Abbreviations that are also words or stand at the end: a sentence ends there only where the next begins with a capital."""

MAYBE = word_set("etc usw inc ltd co corp bros al dept est usf a.m p.m u.s u.k p.s")
"""Abbreviations that end a sentence where the next begins with a capital or a digit."""


def end_of(chunk: str) -> int:
    """Return when a sentence ends at a chunk: `NEVER`, `BEFORE_CAPITAL`, `BEFORE_HIGH` or `ALWAYS`.

    Examples
    --------
    >>> [end_of(chunk) for chunk in ("card", "Mr.", "no.", "etc.", "wait...", "card.", "really?!)")]
    [0, 0, 1, 2, 2, 3, 3]
    """
    bare = chunk.rstrip(CLOSING)
    found = STOPS.search(bare)
    if found is None:
        return NEVER
    stops, word = found[1], bare[: found.start()].lstrip(OPENING).lower()
    if stops != ".":
        return BEFORE_HIGH if set(stops) <= {".", "…"} else ALWAYS
    if word in MAYBE or (word.isdecimal() and len(word) < 3):
        return BEFORE_HIGH
    if word in BEFORE_NUMBERS:
        return BEFORE_CAPITAL
    return NEVER if word in ABBREVIATIONS or LETTERS_WITH_DOTS.fullmatch(word + ".") else ALWAYS


def start_of(chunk: str) -> int:
    """Return what a chunk begins with, behind quotes and brackets: `CAPITAL`, `DIGIT` or anything else, `LOW`."""
    bare = chunk.lstrip(OPENING)
    return CAPITAL if bare[:1].isupper() else DIGIT if bare[:1].isdecimal() else LOW


def only_marks(chunk: str) -> bool:
    """Return whether a chunk is nothing but closing marks and stops: no sentence begins with it."""
    return ONLY_MARKS.fullmatch(chunk) is not None


def breaks(ends: np.ndarray, starts: np.ndarray, marks: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return at which chunks a sentence ends.

    Parameters
    ----------
    ends, starts, marks : array, one value a chunk
        What `end_of`, `start_of` and `only_marks` say of it.
    last : array of bool
        Whether the chunk is the last of its text.

    Returns
    -------
    array of bool
    """
    if not len(ends):
        return np.zeros(0, dtype=bool)
    begins = np.concatenate([[True], last[:-1]])
    # closing marks that stand alone end what the chunk before them ended
    speaks = np.maximum.accumulate(np.where((marks == 0) | (ends != NEVER) | begins, np.arange(len(ends)), 0))
    said, start, mark = ends[speaks], np.append(starts[1:], LOW), np.append(marks[1:], 0)
    ended = (
        (said == ALWAYS) | ((said == BEFORE_HIGH) & (start != LOW)) | ((said == BEFORE_CAPITAL) & (start == CAPITAL))
    )
    return last | (ended & (mark == 0))
