"""Topics of messages: parts that many texts share, found without labels (NMF), named by their words.

Reference: Lee and Seung, Learning the parts of objects by non-negative matrix factorization, Nature 401 (1999).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

TEXTS_PER_TOPIC = 20
"""Fewer texts than this for each topic are too few: there are no topics then."""

LEAST_TEXTS, MOST_SHARE = 3, 0.5
"""A word counts that stands in at least so many texts, and in no greater share of them."""

REFITS = 4
LABEL_WORDS = 3
BATCH = 16_384

Documents: TypeAlias = Sequence[Sequence[str]] | pa.Array | pa.ChunkedArray
"""The stems of each text: lists, or an Arrow column of lists; a null is a text without words."""


class _Words(NamedTuple):
    """The stems of all texts, one after the other: in which text, which of the distinct ones."""

    texts: int
    rows: np.ndarray
    codes: np.ndarray
    distinct: list[str]


@dataclass
class Topics:
    """Fitted topics.

    Attributes
    ----------
    stems : list of str
        Sorted.
    idf : array (stems,)
    parts : array (topics, stems)
        What each topic says of each stem; rows of length one.
    ids : list of int
        Their numbers, from 0.
    labels : list of str
        A topic's words, the weightiest first.
    stability : list of float
        Of each topic: the mean cosine similarity with its like in refits on texts drawn anew.
    texts : int
        How many had words and were learned from.
    reason : str
        Why there are none.
    """

    stems: list[str] = field(default_factory=list)
    idf: np.ndarray = field(default_factory=lambda: np.zeros(0))
    parts: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    ids: list[int] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    stability: list[float] = field(default_factory=list)
    texts: int = 0
    reason: str = ""

    def assign(self, documents: Documents) -> pd.DataFrame:
        """Return ``topic`` (an id, null where no word is of any) and ``weight``, its share of what is of a topic, of each text's stems."""
        if not self.ids:
            return pd.DataFrame(
                {"topic": pd.array([None] * len(documents), "Int64"), "weight": np.full(len(documents), np.nan)}
            )
        column = _column(documents)
        best, weight = np.zeros(len(column), int), np.zeros(len(column))
        for start in range(0, len(column), BATCH):
            rows = _weighted(_counted(_words(column.slice(start, BATCH)), self.stems), self.idf)
            shares = _shares(rows, self.parts)
            best[start : start + BATCH], weight[start : start + BATCH] = shares.argmax(axis=1), shares.max(axis=1)
        none = weight <= 0
        ids = pd.array(np.array(self.ids)[best], "Int64")
        ids[none] = pd.NA
        return pd.DataFrame({"topic": ids, "weight": np.where(none, np.nan, weight)})


def fit(
    documents: Documents,
    readable: Mapping[str, str],
    count: int,
    seed: int = 0,
) -> Topics:
    """Return the topics of texts; same input and seed, same topics.

    Parameters
    ----------
    documents : sequence of sequences of str, or Arrow column of lists
        The stems of each text, stop words left out.
    readable : mapping
        For a stem the word that a label shows; the stem itself where it has none.
    count : int
        Topics at most.
    seed : int
    """
    column = _column(documents)
    words = _words(column.filter(pc.greater(pc.list_value_length(column), 0)))
    used = words.texts
    count = min(count, used // TEXTS_PER_TOPIC)
    stems = _vocabulary(words)
    count = min(count, len(stems) // LABEL_WORDS)
    if count < 2:
        there = f"{used:,} texts with words, {len(stems):,} words in at least {LEAST_TEXTS} of them and in at most half"
        return Topics(texts=used, reason=f"too little for two topics: {there}")
    counts = _counted(words, stems)
    idf = np.log((1 + used) / (1 + np.bincount(counts.indices, minlength=len(stems)))) + 1
    matrix = _weighted(counts, idf)
    parts = _parts(matrix, count, seed)
    return Topics(
        stems=stems,
        idf=idf,
        parts=parts,
        ids=list(range(len(parts))),
        labels=_labels(parts, stems, readable),
        stability=_stability(matrix, parts, seed),
        texts=used,
    )


def _column(documents: Documents) -> pa.Array | pa.ChunkedArray:
    if isinstance(documents, pa.Array | pa.ChunkedArray):
        return documents
    return pa.array([list(document) for document in documents], pa.list_(pa.string()))


def _words(column: pa.Array | pa.ChunkedArray) -> _Words:
    """Return the stems of a column's texts."""
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    lengths = np.asarray(lists.value_lengths().fill_null(0))
    encoded = lists.flatten().dictionary_encode()
    rows = np.repeat(np.arange(len(lists)), lengths)
    return _Words(len(lists), rows, np.asarray(encoded.indices), encoded.dictionary.to_pylist())


def _vocabulary(words: _Words) -> list[str]:
    """Return the stems that count, sorted."""
    pairs = np.unique(words.rows.astype(np.int64) * max(len(words.distinct), 1) + words.codes)
    texts = np.bincount(pairs % max(len(words.distinct), 1), minlength=len(words.distinct))
    counting = np.flatnonzero((texts >= LEAST_TEXTS) & (texts <= MOST_SHARE * words.texts))
    return sorted(words.distinct[code] for code in counting)


def _counted(words: _Words, stems: list[str]) -> Any:
    """Return how often each of the stems stands in each text (texts × stems), as a CSR matrix."""
    from scipy.sparse import csr_matrix

    place = {stem: number for number, stem in enumerate(stems)}
    column_of = np.fromiter((place.get(stem, -1) for stem in words.distinct), int, len(words.distinct))
    columns = column_of[words.codes]
    kept = columns >= 0
    matrix = csr_matrix((np.ones(kept.sum()), (words.rows[kept], columns[kept])), shape=(words.texts, len(stems)))
    matrix.sum_duplicates()
    return matrix


def _weighted(counts: Any, idf: np.ndarray) -> Any:
    """Return tf-idf, (1 + log count) × idf, rows of length one."""
    from sklearn.preprocessing import normalize

    matrix = counts.copy()
    matrix.data = (1 + np.log(matrix.data)) * idf[matrix.indices]
    return normalize(matrix)


def _parts(matrix: Any, count: int, seed: int) -> np.ndarray:
    """Return the topics of the rows (count × stems), rows of length one; empty ones are left out."""
    from sklearn.decomposition import NMF

    model = NMF(count, init="nndsvda", solver="cd", max_iter=400, tol=1e-4, random_state=seed)
    model.fit(matrix)
    lengths = np.linalg.norm(model.components_, axis=1)
    return model.components_[lengths > 0] / lengths[lengths > 0, None]


def _shares(rows: Any, parts: np.ndarray, steps: int = 30) -> np.ndarray:
    """Return of each row the shares of the parts (n × parts), zeros where it has nothing of any; by multiplicative updates."""
    seen = np.asarray(rows @ parts.T)
    inner = parts @ parts.T
    weights = seen.copy()
    for _ in range(steps):
        weights *= seen / np.maximum(weights @ inner, 1e-12)
    total = weights.sum(axis=1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 1e-9)


def _labels(parts: np.ndarray, stems: list[str], readable: Mapping[str, str]) -> list[str]:
    """Return each topic's words; a word that two topics would show first is told by the words that follow."""
    labels: list[str] = []
    for part in parts:
        order = np.lexsort((np.arange(len(part)), -part))
        words = [readable.get(stems[place], stems[place]) for place in order[: 3 * LABEL_WORDS] if part[place] > 0]
        size = LABEL_WORDS
        while " · ".join(words[:size]) in labels and size < len(words):
            size += 1
        labels.append(" · ".join(words[:size]))
    return labels


def _matched(similarity: np.ndarray) -> list[tuple[int, int]]:
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(-similarity)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _stability(matrix: Any, parts: np.ndarray, seed: int) -> list[float]:
    """Return how like itself each topic is in fits to texts drawn with replacement, in the mean."""
    rng = np.random.default_rng(seed)
    likeness = np.zeros((REFITS, len(parts)))
    for refit in range(REFITS):
        drawn = np.sort(rng.integers(matrix.shape[0], size=matrix.shape[0]))
        others = _parts(matrix[drawn], len(parts), seed + 1 + refit)
        similarity = parts @ others.T
        for mine, other in _matched(similarity):
            likeness[refit, mine] = similarity[mine, other]
    return [float(value) for value in likeness.mean(axis=0)]
