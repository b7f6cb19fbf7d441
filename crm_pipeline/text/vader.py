"""VADER's compound of a sentence (Hutto and Gilbert 2014), as its own code says it, faster. Texts and languages do not belong here.

VADER looks at each word of a sentence; here it is asked for those of its lexicon alone, and for negations where a word can be one.
"""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple

PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

NEGATION_PATTERNS = frozenset({"never", "so", "this", "without"})
"""Words that VADER asks for where it looks for a negation, beside its list of negations."""


class _Vader(NamedTuple):
    """VADER; the same without negations; its lexicon without boosters; its negations; its emojis; its other functions."""

    whole: Any
    plain: Any
    lexicon: frozenset[str]
    negations: frozenset[str]
    emojis: frozenset[str]
    functions: Any


class _Word(NamedTuple):
    """A word as VADER reads it, whether it may have a valence, and whether it may negate."""

    read: str
    lower: str
    felt: bool
    negates: bool


@lru_cache(maxsize=2**14)
def compound(sentence: str) -> float:
    """Return what ``polarity_scores(sentence)["compound"]`` is, from -1 to 1."""
    vader = analyzer()
    if not (sentence.isascii() or vader.emojis.isdisjoint(sentence)):
        return vader.whole.polarity_scores(sentence)["compound"]
    words = [*map(_word, sentence.split())]
    at = [place for place, word in enumerate(words) if word.felt]
    if not at:
        return 0.0
    read = [word.read for word in words]
    text = SimpleNamespace(words_and_emoticons=read, is_cap_diff=vader.functions.allcap_differential(read))
    asked = vader.whole if any(word.negates for word in words) else vader.plain
    valences: list[float] = [0] * len(words)
    for place in at:
        if words[place].lower != "kind" or [word.lower for word in words[place + 1 : place + 2]] != ["of"]:
            valences[place] = asked.sentiment_valence(0, text, read[place], place, [])[0]
    if any(word.lower == "but" for word in words):
        valences = vader.whole._but_check(read, valences)
    total = float(sum(valences))
    if total:
        marks = vader.whole._punctuation_emphasis(sentence)
        total += marks if total > 0 else -marks
    return round(vader.functions.normalize(total), 4)


@lru_cache(maxsize=1)
def analyzer() -> _Vader:
    """Return VADER, read once."""
    from vaderSentiment import vaderSentiment as functions

    class Plain(functions.SentimentIntensityAnalyzer):
        @staticmethod
        def _negation_check(valence: float, *_: Any) -> float:
            return valence

    whole = functions.SentimentIntensityAnalyzer()
    return _Vader(
        whole,
        Plain(),
        frozenset(whole.lexicon) - frozenset(functions.BOOSTER_DICT),
        frozenset(functions.NEGATE) | NEGATION_PATTERNS,
        frozenset(whole.emojis),
        functions,
    )


@lru_cache(maxsize=2**16)
def _word(written: str) -> _Word:
    vader = analyzer()
    stripped = written.strip(PUNCTUATION)
    read = written if len(stripped) <= 2 else stripped
    lower = read.lower()
    return _Word(read, lower, lower in vader.lexicon, lower in vader.negations or "n't" in lower)
