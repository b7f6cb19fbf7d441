"""Texts as rows of a sparse matrix: tf-idf of stems, of what stands beside or with what, and of the letters of words. No labels.

The letters' n-grams of a text are the sum of its words', so that they are counted once per distinct word; two stems that stand
beside each other, or in the same text, are one integer. What a text costs is a look at its words and sparse products.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

LONGEST = 4_000
"""Letters of a text that are read: what it is about stands at its beginning."""

LONGEST_WORD = 40
TOGETHER = 60
"""Distinct stems of a text that are paired, the first: pairs grow with the square."""

N_GRAMS = (2, 3, 4, 5)
NUMBER, SOME_NUMBER = re.compile(r"\d{4,}"), "0000"
"""Long numbers are one word: which order it is says nothing of what is asked."""

WORD = re.compile(r"\w+(?:['’]\w+)?|[?!]")


class Block(NamedTuple):
    """A part of a row: in how many texts a feature must stand to be one, and how long the part is."""

    least: int
    length: float


BLOCKS = {
    "stems": Block(1, 0.7),
    "beside": Block(1, 1.0),
    "together": Block(2, 1.5),
    "letters": Block(2, 1.0),
}
"""Lengths and minima were chosen by cross-validation on the training part of Banking77."""

Places = tuple[np.ndarray, np.ndarray]
"""Row and code of each occurrence."""


@dataclass
class Vectors:
    """The features of some training texts, and what each weighs.

    Attributes
    ----------
    stems, grams : list of str
        Their places are the codes of the stems and of the letters' n-grams; a pair of stems is ``first * len(stems) + second``.
    codes, idf : dict
        For each of `BLOCKS` the codes of its features, sorted, and their weights.
    """

    stems: list[str]
    grams: list[str]
    codes: dict[str, np.ndarray]
    idf: dict[str, np.ndarray]

    @property
    def width(self) -> int:
        """How many features there are."""
        return sum(map(len, self.codes.values()))

    def transform(self, texts: Sequence[str] | np.ndarray) -> Any:
        """Return the texts as a CSR matrix (n × `width`) of float32; a block of a row is as long as `BLOCKS` says, or zero."""
        return self.look(texts)[0]

    def look(self, texts: Sequence[str] | np.ndarray) -> tuple[Any, np.ndarray]:
        """Return what `transform` does, and the share of each text's words whose stem is known (n,), 0 without words."""
        read, stems = _read(texts, _Codes(self.stems)), len(self.stems)
        found = _occurrences(read, stems, _Codes(self.grams))
        counted = {name: _counted(places, self.codes[name], len(texts)) for name, places in found.items()}
        sizes = np.bincount(read.rows, minlength=len(texts))
        known = np.bincount(read.rows, weights=read.stems >= 0, minlength=len(texts)) / np.maximum(sizes, 1)
        return _weighted(counted, self.idf), known


def fit(texts: Sequence[str] | np.ndarray) -> tuple[Vectors, Any]:
    """Return the features of the texts, and the texts as a CSR matrix of them."""
    stems, grams = _Codes(), _Codes()
    read = _read(texts, stems)
    found = _occurrences(read, len(stems), grams)
    codes: dict[str, np.ndarray] = {}
    idf: dict[str, np.ndarray] = {}
    counted: dict[str, Any] = {}
    for name, places in found.items():
        every = np.unique(places[1])
        matrix = _counted(places, every, len(texts))
        texts_with = np.bincount(matrix.indices, minlength=len(every))
        kept = np.flatnonzero(texts_with >= min(BLOCKS[name].least, max(len(texts) // 2, 1)))
        codes[name], counted[name] = every[kept], matrix[:, kept]
        idf[name] = (np.log((1 + len(texts)) / (1 + texts_with[kept])) + 1).astype(np.float32)
    names = list(grams)
    vectors = Vectors(list(stems), [names[code] for code in codes["letters"]], codes, idf)
    codes["letters"] = np.arange(len(vectors.grams))
    return vectors, _weighted(counted, idf)


class _Codes(dict[str, int]):
    """Numbers of names: given ones, and -1 for others; or, made without any, the next number for a new name."""

    def __init__(self, names: Sequence[str] | None = None) -> None:
        super().__init__(zip(names or (), range(len(names or ())), strict=True))
        self._open = names is None

    def __missing__(self, name: str) -> int:
        if not self._open:
            return -1
        self[name] = len(self)
        return self[name]


class _Read(NamedTuple):
    """Words in the order in which they are written: in which text, which distinct word, which stem; and the distinct words."""

    rows: np.ndarray
    words: np.ndarray
    stems: np.ndarray
    distinct: np.ndarray


def _read(texts: Sequence[str] | np.ndarray, stems: _Codes) -> _Read:
    split = [WORD.findall(NUMBER.sub(SOME_NUMBER, text[:LONGEST].lower())) for text in texts]
    rows = np.repeat(np.arange(len(texts)), np.fromiter(map(len, split), int, len(split)))
    words, distinct = pd.factorize(np.array([*chain.from_iterable(split)], dtype=object))
    numbers = np.fromiter((stems[_stem(word[:LONGEST_WORD])] for word in distinct), int, len(distinct))
    return _Read(rows, words, numbers[words], distinct)


@lru_cache(maxsize=2**17)
def _stem(word: str) -> str:
    return _stemmer().stem(word)


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    from nltk.stem.snowball import SnowballStemmer

    return SnowballStemmer("english")


def _occurrences(read: _Read, size: int, grams: _Codes) -> dict[str, Places]:
    known = read.stems >= 0
    rows, codes = read.rows[known], read.stems[known]
    beside = known[:-1] & known[1:] & (read.rows[:-1] == read.rows[1:])
    return {
        "stems": (rows, codes),
        "beside": (read.rows[:-1][beside], read.stems[:-1][beside] * size + read.stems[1:][beside]),
        "together": _together(rows, codes, size),
        "letters": _letters(read, grams),
    }


def _together(rows: np.ndarray, codes: np.ndarray, size: int) -> Places:
    """Return every pair of distinct stems of a text, whatever their order."""
    distinct = np.unique(rows * max(size, 1) + codes)
    rows, codes = distinct // max(size, 1), distinct % max(size, 1)
    starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]]) if len(rows) else np.zeros(0, int)
    sizes = np.minimum(np.diff(np.r_[starts, len(rows)]), TOGETHER)
    found: list[Places] = []
    for count in np.unique(sizes[sizes > 1]):
        first, second = np.triu_indices(count, 1)
        begin = starts[sizes == count][:, None]
        pairs = codes[begin + first] * size + codes[begin + second]
        found.append((np.repeat(rows[begin[:, 0]], len(first)), pairs.ravel()))
    if not found:
        return np.zeros(0, int), np.zeros(0, int)
    return np.concatenate([rows for rows, _ in found]), np.concatenate([pairs for _, pairs in found])


def _letters(read: _Read, grams: _Codes) -> Places:
    """Return the n-grams of the letters of each word, a blank before and behind it."""
    spelled = []
    for word in read.distinct:
        padded = f" {word[:LONGEST_WORD]} "
        spelled.append([grams[padded[i : i + n]] for n in N_GRAMS for i in range(max(len(padded) - n + 1, 0))])
    lengths = np.fromiter(map(len, spelled), int, len(spelled))
    flat = np.fromiter(chain.from_iterable(spelled), int, int(lengths.sum()))
    starts = np.r_[0, np.cumsum(lengths)][:-1]
    times = lengths[read.words]
    within = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
    codes = flat[np.repeat(starts[read.words], times) + within] if len(flat) else flat
    rows = np.repeat(read.rows, times)
    return rows[codes >= 0], codes[codes >= 0]


def _counted(places: Places, codes: np.ndarray, rows: int) -> Any:
    """Return how often each of the codes (sorted) stands in each row."""
    from scipy.sparse import csr_matrix

    if not len(codes):
        return csr_matrix((rows, 0), dtype=np.float32)
    row, column = places
    if codes[-1] >= len(codes):  # else every number is its own place, and there are no others
        at = np.minimum(np.searchsorted(codes, column), len(codes) - 1)
        found = codes[at] == column
        row, column = row[found], at[found]
    matrix = csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(rows, len(codes)))
    matrix.sum_duplicates()
    return matrix


def _weighted(counted: dict[str, Any], idf: dict[str, np.ndarray]) -> Any:
    from scipy.sparse import hstack

    parts = []
    for name, matrix in counted.items():
        part = matrix.copy()
        part.data = (1 + np.log(part.data)) * idf[name][part.indices]
        lengths = np.sqrt(np.asarray(part.multiply(part).sum(axis=1)).ravel())
        per_row = np.divide(BLOCKS[name].length, lengths, out=np.zeros_like(lengths), where=lengths > 0)
        part.data *= np.repeat(per_row, np.diff(part.indptr)).astype(np.float32)
        parts.append(part)
    return hstack(parts, format="csr", dtype=np.float32)
