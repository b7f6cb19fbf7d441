"""Texts as rows of a sparse matrix: tf-idf of stems, of what stands beside or with what, and of the letters of words. No labels.

The letters' n-grams of a text are the sum of its words', so that they are counted once per distinct word; two stems that stand
beside each other, or in the same text, are one integer. What a text costs is a look at its words and sparse products.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

LONGEST = 4_000
"""Letters of a text that are read: what it is about stands at its beginning."""

LONGEST_WORD = 40

KEPT = 200_000
"""Distinct words from which a table of them is begun anew: the memory is bounded, the result is the same."""

TABLE = 2**23
"""Codes up to which the place of each stands in a table, for a batch of texts."""

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

    def transform(self, texts: Sequence[str] | np.ndarray | Read) -> Any:
        """Return the texts as a CSR matrix (n × `width`) of float32; a block of a row is as long as `BLOCKS` says, or zero."""
        return self.look(texts)[0]

    def look(self, texts: Sequence[str] | np.ndarray | Read) -> tuple[Any, np.ndarray]:
        """Return what `transform` does, and the share of each text's words whose stem is known (n,), 0 without words."""
        read = texts if isinstance(texts, Read) else Words().read(texts)
        known = read.words.known_to(self)
        stems = known.stems_of(read.ids)
        found = _occurrences(read, stems, len(self.stems))
        counted = {name: _counted(places, self.codes[name], read.size) for name, places in found.items()}
        counted["letters"] = _letters(read, known)
        share = np.bincount(read.rows, weights=stems >= 0, minlength=read.size)
        return _weighted(counted, self.idf), share / np.maximum(read.lengths, 1)


def fit(texts: Sequence[str] | np.ndarray) -> tuple[Vectors, Any]:
    """Return the features of the texts, and the texts as a CSR matrix of them."""
    stems, grams = _Codes(), _Codes()
    read = Words().read(texts)
    known = _Known(stems, grams)
    known.meet(read.words.met)
    codes: dict[str, np.ndarray] = {}
    idf: dict[str, np.ndarray] = {}
    counted: dict[str, Any] = {}
    for name, places in _occurrences(read, known.stems_of(read.ids), len(stems)).items():
        codes[name] = np.unique(places[1])
        counted[name] = _counted(places, codes[name], read.size)
    codes["letters"], counted["letters"] = np.arange(len(grams)), _letters(read, known)
    for name, matrix in counted.items():
        texts_with = np.bincount(matrix.indices, minlength=len(codes[name]))
        kept = np.flatnonzero(texts_with >= min(BLOCKS[name].least, max(len(texts) // 2, 1)))
        codes[name], counted[name] = codes[name][kept], matrix[:, kept]
        counted[name].sort_indices()
        idf[name] = (np.log((1 + len(texts)) / (1 + texts_with[kept])) + 1).astype(np.float32)
    names = list(grams)
    vectors = Vectors(list(stems), [names[code] for code in codes["letters"]], codes, idf)
    codes["letters"] = np.arange(len(vectors.grams))
    return vectors, _weighted(counted, idf)


class Words:
    """Distinct words as they are met, and what they are to each `Vectors` that looked: a word is stemmed and spelled once."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.met: list[str] = []
        self._ids = _Ids(self.met)
        self._chunks = _Chunks(self._ids)
        self._known: dict[int, tuple[Vectors, _Known]] = {}

    def read(self, texts: Sequence[str] | np.ndarray) -> Read:
        """Return the words of some texts. What was read before must have been looked at: a table that grew too long is begun anew."""
        if max(len(self.met), len(self._chunks)) > KEPT:
            self._begin()
        split = [text[:LONGEST].lower().split() for text in texts]
        many = np.fromiter(map(len, split), np.int64, len(split))
        chunks = np.fromiter(map(self._chunks.__getitem__, chain.from_iterable(split)), np.int64, int(many.sum()))
        ends = np.array(self._chunks.ends, np.int64)
        begins, sizes = ends[chunks], ends[chunks + 1] - ends[chunks]
        behind = np.cumsum(sizes)
        ids = np.array(self._chunks.words, np.int64)[np.repeat(begins - behind + sizes, sizes) + np.arange(sizes.sum())]
        until = np.r_[0, behind][np.cumsum(many)]
        return Read(self, ids, np.diff(until, prepend=0))

    def known_to(self, vectors: Vectors) -> _Known:
        """Return what all words so far are to the vectors."""
        if id(vectors) not in self._known:
            self._known[id(vectors)] = vectors, _Known(_Codes(vectors.stems), _Codes(vectors.grams))
        known = self._known[id(vectors)][1]
        known.meet(self.met)
        return known


class Read:
    """Texts as words in the order in which they are written.

    Attributes
    ----------
    ids : array
        Of the words of all texts, one after the other, in ``words``.
    lengths, rows : arrays
        Words of each text; the text of each word.
    size : int
        How many texts.
    """

    def __init__(self, words: Words, ids: np.ndarray, lengths: np.ndarray) -> None:
        self.words, self.ids, self.lengths, self.size = words, ids, lengths, len(lengths)
        self.rows = np.repeat(np.arange(self.size), lengths)


class _Ids(dict[str, int]):
    """Numbers of words, in the order in which they are met; a long number is any long number."""

    def __init__(self, met: list[str]) -> None:
        super().__init__()
        self._met = met

    def __missing__(self, word: str) -> int:
        plain = NUMBER.sub(SOME_NUMBER, word)
        if plain != word:
            return self[plain]
        self[word] = len(self._met)
        self._met.append(word)
        return self[word]


class _Chunks(dict[str, int]):
    """Numbers of what stands between two blanks, and the words of each, one after the other: no word reaches over a blank."""

    def __init__(self, ids: _Ids) -> None:
        super().__init__()
        self._ids = ids
        self.words, self.ends = array("i"), array("i", [0])

    def __missing__(self, chunk: str) -> int:
        number = self[chunk] = len(self)
        self.words.extend(map(self._ids.__getitem__, WORD.findall(chunk)))
        self.ends.append(len(self.words))
        return number


class _Known:
    """The stem and the letters' n-grams of each word, as codes; those without one are -1, or left out."""

    def __init__(self, stems: _Codes, grams: _Codes) -> None:
        self._stem_codes, self._gram_codes = stems, grams
        self._stems, self.grams, self.ends = array("i"), array("i"), array("i", [0])

    @property
    def width(self) -> int:
        """How many n-grams there are."""
        return len(self._gram_codes)

    def meet(self, words: Sequence[str]) -> None:
        """Look at the words that were not met before."""
        for place in range(len(self._stems), len(words)):
            word = words[place][:LONGEST_WORD]
            self._stems.append(self._stem_codes[_stem(word)])
            padded = f" {word} "
            grams = [self._gram_codes[padded[i : i + n]] for n in N_GRAMS for i in range(len(padded) - n + 1)]
            self.grams.extend(code for code in grams if code >= 0)
            self.ends.append(len(self.grams))

    def stems_of(self, ids: np.ndarray) -> np.ndarray:
        """Return the stem of each word."""
        return np.array(self._stems, np.int32).astype(np.int64)[ids]


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


@lru_cache(maxsize=2**17)
def _stem(word: str) -> str:
    return _stemmer().stem(word)


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    from nltk.stem.snowball import SnowballStemmer

    return SnowballStemmer("english")


def _occurrences(read: Read, stems: np.ndarray, size: int) -> dict[str, Places]:
    known = stems >= 0
    rows, codes = read.rows[known], stems[known]
    beside = known[:-1] & known[1:] & (read.rows[:-1] == read.rows[1:])
    return {
        "stems": (rows, codes),
        "beside": (read.rows[:-1][beside], stems[:-1][beside] * size + stems[1:][beside]),
        "together": _together(rows, codes, size),
    }


def _together(rows: np.ndarray, codes: np.ndarray, size: int) -> Places:
    """Return every pair of distinct stems of a text, whatever their order."""
    distinct = np.sort(rows * max(size, 1) + codes)
    distinct = distinct[np.r_[True, distinct[1:] != distinct[:-1]]] if len(distinct) else distinct
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


def _letters(read: Read, known: _Known) -> Any:
    """Return how often each n-gram of letters stands in the words of each text, a blank before and behind a word."""
    from scipy.sparse import csr_matrix

    # as the words are written and not sorted: so a row is added up alike, whatever was read before it
    written = csr_matrix(
        (np.ones(len(read.ids), np.float32), read.ids, np.r_[0, np.cumsum(read.lengths)]),
        shape=(read.size, len(known.ends) - 1),
    )
    spelled = csr_matrix(
        (np.ones(len(known.grams), np.float32), np.array(known.grams, np.int32), np.array(known.ends, np.int32)),
        shape=(len(known.ends) - 1, known.width),
    )
    return written @ spelled


def _counted(places: Places, codes: np.ndarray, rows: int) -> Any:
    """Return how often each of the codes (sorted) stands in each row."""
    from scipy.sparse import csr_matrix

    if not len(codes):
        return csr_matrix((rows, 0), dtype=np.float32)
    row, column = places
    if codes[-1] >= len(codes):  # else every number is its own place, and there are no others
        at = _places_of(column, codes)
        found = at >= 0
        row, column = row[found], at[found]
    matrix = csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(rows, len(codes)))
    matrix.sum_duplicates()
    return matrix


def _places_of(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return where each value stands among the codes (sorted), -1 where it does not."""
    wide = int(codes[-1]) + 1
    if wide <= TABLE and values.max(initial=0) < TABLE:  # a look into a table, where it is not too large
        table = np.full(max(wide, int(values.max(initial=0)) + 1), -1, np.int32)
        table[codes] = np.arange(len(codes), dtype=np.int32)
        return table[values]
    at = np.minimum(np.searchsorted(codes, values), len(codes) - 1)
    return np.where(codes[at] == values, at, -1)


def _weighted(counted: dict[str, Any], idf: dict[str, np.ndarray]) -> Any:
    from scipy.sparse import hstack

    parts = []
    for name, matrix in counted.items():
        part = matrix.copy()
        often = np.flatnonzero(part.data > 1)
        part.data[often] = 1 + np.log(part.data[often])
        part.data *= idf[name][part.indices]
        lengths = np.sqrt(_squares(part))
        per_row = np.divide(BLOCKS[name].length, lengths, out=np.zeros_like(lengths), where=lengths > 0)
        part.data *= np.repeat(per_row, np.diff(part.indptr)).astype(np.float32)
        parts.append(part)
    return hstack(parts, format="csr", dtype=np.float32)


def _squares(matrix: Any) -> np.ndarray:
    """Return the sum of each row's squares, to the last digit that of ``matrix.multiply(matrix)``, which takes five times as long."""
    squares, starts, forward = matrix.data**2, matrix.indptr, matrix.has_canonical_format
    if not forward:  # that turns the rows of a matrix whose columns are not sorted
        squares, starts = np.ascontiguousarray(squares[::-1]), matrix.nnz - starts[::-1]
    sums = np.zeros(matrix.shape[0], matrix.dtype)
    filled = np.flatnonzero(np.diff(starts))
    sums[filled] = np.add.reduceat(squares, starts[filled]) if len(filled) else 0
    return sums if forward else sums[::-1]
