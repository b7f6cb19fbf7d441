"""Estimates which word follows which in calls to a service, and writes it as an ARPA file. Nothing is recognised here.

A recogniser that expects everything is slow and hears anything; one that expects the words of a service, everyday words and
the words that are watched is faster and hears better.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np

START, END = "<s>", "</s>"

SERVICE_SHARE = 0.3
"""Of the words expected, those of the service's sentences; the others are everyday words."""

FEWEST_PAIRS = 5
"""The more of these, the less a pair seen once in the service's sentences counts."""

_SUFFIXES = ("", "s", "es", "'s", "ed", "ing", "er", "ers", "ation", "ations")
_GREATEST_MASS = 0.95  # of the pairs of a word; the rest is for those never seen

Probability = Callable[..., float]
"""Of a word, or of a word after the one before it: ``p(word)``, ``p(word, before)``."""


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, without marks."""
    return re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", text.lower().replace("’", "'"))


def forms(word: str) -> frozenset[str]:
    """Return a word and its regular forms: of ``cancel`` also ``cancels``, ``cancelled``, ``cancellation``."""
    stems = {word, word + word[-1:]} | ({word[:-1]} if word.endswith("e") else set())
    bare = {stem for stem in stems if stem != word}
    return frozenset(
        {word + suffix for suffix in _SUFFIXES} | {stem + suffix for stem in bare for suffix in _SUFFIXES[4:]}
    )


def arpa(
    vocabulary: Sequence[str],
    everyday: Probability,
    sentences: Iterable[Sequence[str]],
    least: dict[str, float],
    frequent: int = 400,
) -> str:
    """Return an ARPA file of words and pairs of words.

    Parameters
    ----------
    vocabulary : sequence of str
        All words that can be recognised.
    everyday : Probability
        Of a word, and of a word after another, in everyday language.
    sentences : iterable of sequences of str
        Of the service; words that are not in the vocabulary split them.
    least : dict
        The least probability of a word, for words that are watched.
    frequent : int
        So many of the likeliest words have their everyday pairs; the others have pairs of the sentences alone.
    """
    names = [*sorted(vocabulary), END]
    known = {START, *names}
    spoken = [[START, *(word if word in known else None for word in said), END] for said in sentences]
    single = _singles(names, everyday, Counter(word for said in spoken for word in said[1:] if word), least)
    followed: dict[str, Counter[str]] = defaultdict(Counter)
    for said in spoken:
        for before, word in itertools.pairwise(said):
            if before and word:
                followed[before][word] += 1
    top = sorted(names[:-1], key=lambda word: -single[word])[:frequent]
    pairs, rest = {}, {}
    for before in sorted({START, *top, *followed}):
        usual = {word: everyday(word, before) for word in [*top, END]} if before == START or before in top else {}
        usual = {word: p for word, p in usual.items() if p > 2 * single[word]}
        pairs[before], rest[before] = _after(usual, followed[before], single)
    lines = ["\\data\\", f"ngram 1={len(names) + 1}", f"ngram 2={sum(map(len, pairs.values()))}", "", "\\1-grams:"]
    lines += [f"-99 {START} {_log(rest[START])}"]
    lines += [f"{_log(single[word])} {word} {_log(rest.get(word, 1))}" for word in names]
    lines += ["", "\\2-grams:"]
    lines += [f"{_log(p)} {before} {word}" for before, row in pairs.items() for word, p in sorted(row.items())]
    return "\n".join([*lines, "", "\\end\\", ""])


def _singles(names: list[str], everyday: Probability, seen: Counter[str], least: dict[str, float]) -> dict[str, float]:
    usual = np.array([everyday(word) for word in names])
    counted = np.array([seen[word] for word in names], float)
    share = SERVICE_SHARE if counted.any() else 0
    p = (1 - share) * usual / usual.sum() + share * counted / max(counted.sum(), 1)
    p = np.maximum(p, [least.get(word, 0) for word in names])
    return dict(zip(names, p / p.sum(), strict=True))


def _after(usual: dict[str, float], seen: Counter[str], single: dict[str, float]) -> tuple[dict[str, float], float]:
    """Return the probabilities of pairs, and the weight of single words for all others."""
    total = seen.total()
    trust = total / (total + 3 * len(seen) + FEWEST_PAIRS)
    row = {
        word: (1 - trust) * usual.get(word, single[word]) + trust * seen[word] / max(total, 1)
        for word in {*usual, *seen}
    }
    mass = sum(row.values())
    if mass > _GREATEST_MASS:
        row = {word: p * _GREATEST_MASS / mass for word, p in row.items()}
        mass = _GREATEST_MASS
    return row, (1 - mass) / (1 - sum(single[word] for word in row))


def _log(p: float) -> str:
    return f"{np.log10(max(p, 1e-9)):.4f}"
