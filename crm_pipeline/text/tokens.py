"""Sentences, tokens, words and stems of a whole column of messages. What a language knows of a word is in `vocabulary`.

The meaning is nltk's: the sentences of a text, each split by ``word_tokenize(sentence, preserve_line=True)``, blanks of any
kind being one blank. The speed comes from asking nltk once for each distinct chunk between blanks: the rules of its Treebank
tokenizer look over a blank in two cases only, a quote at the beginning of a sentence and a full stop at its end.
"""

from __future__ import annotations

import functools
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_pipeline.text import sentences as ends
from crm_pipeline.text.vocabulary import content

ROWS, LETTERS = 50_000, 32 * 2**20
"""A batch has at most so many messages, and ends with the message that makes it longer than so many bytes."""

KEPT = 400_000
"""Distinct chunks from which a batch begins with an empty table: the memory is bounded, the result is the same."""

LONGEST_CHUNK = 1_000
"""Letters without a blank from which a chunk is one token: no text of a customer, and nltk's patterns are slow on it."""

PLACEHOLDER = re.compile(r"\[(?:email|phone|card|iban|url|name)\]")
"""What masking leaves of personal data: a token of its own, and no word."""

SCHEMA = pa.schema(
    {
        "language": pa.string(),
        "n_sentences": pa.int32(),
        "n_tokens": pa.int32(),
        "words": pa.list_(pa.string()),
        "stems": pa.list_(pa.string()),
    }
)

FIRST, LAST = 2, 1
"""Bits of a chunk's place in its sentence."""

_SIMPLE = re.compile(r"([^\W_]+(?:[-/._][^\W_]+|[:,][0-9][^\W_]*)*)([,.?!;:]?)")
_CONTRACTED = re.compile("cannot|gimme|gonna|gotta|lemme|wanna", re.IGNORECASE)
_CLOSING = re.compile(r"""[\])}>"'»”’]+""")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")


def process(
    texts: Sequence[str | None] | pa.Array | pa.ChunkedArray, languages: Sequence[str | None] | None = None
) -> pa.Table:
    """Count and stem a column of messages.

    Parameters
    ----------
    texts : sequence or Arrow array of strings
        Masked bodies; None counts as empty.
    languages : sequence or Arrow array of strings, optional
        ISO 639-1 code of each message; None where it is not known (read as English).

    Returns
    -------
    pyarrow.Table
        One row a message, in order: ``language`` (as given), ``n_sentences``, ``n_tokens`` (words and numbers; no marks and
        no placeholders), and two lists of equal length, the ``words`` that carry content, in lower case, and their
        ``stems``. Stop words, marks, numbers and placeholders are in neither.
    """
    return Reader().process(texts, languages)


class Reader:
    """Processes one column after the other, and remembers what it met: the result is that of `process`, sooner."""

    def __init__(self) -> None:
        self._table = _Table()

    def process(
        self, texts: Sequence[str | None] | pa.Array | pa.ChunkedArray, languages: Sequence[str | None] | None = None
    ) -> pa.Table:
        """Count and stem a column of messages, as the function does."""
        column = as_column(texts)
        codes = as_column(pa.nulls(len(column), pa.string()) if languages is None else languages)
        parts = []
        for start, stop in _batches(column):
            if len(self._table.ids) > KEPT:
                self._table = _Table()
            said = codes.slice(start, stop - start)
            columns = self._table.rows(column.slice(start, stop - start).to_pylist(), said.to_pylist())
            parts.append(pa.record_batch([_whole(said), *columns], schema=SCHEMA))
        return pa.Table.from_batches(parts, schema=SCHEMA)


def tokens(text: str) -> list[str]:
    """Return the Treebank tokens of a text, sentence by sentence, in the letters it was written in.

    Examples
    --------
    >>> tokens("I can't pay. Write to [email]!")
    ['I', 'ca', "n't", 'pay', '.', 'Write', 'to', '[email]', '!']
    """
    table = _Table(lower=False)
    return [table.tokens[token] for token in table.flat([_spaced(text).split()])[0].tolist()]


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, with single blanks.

    Examples
    --------
    >>> sentences("Dear Mr. Bell, it broke.  Please send 2.50 back, e.g. today")
    ['Dear Mr. Bell, it broke.', 'Please send 2.50 back, e.g. today']
    """
    chunks = _spaced(text).split()
    if not chunks:
        return []
    stops = np.flatnonzero(_Table().cut([chunks])[2]) + 1
    return [" ".join(chunks[a:b]) for a, b in zip([0, *stops[:-1]], stops, strict=True)]


def readable(words: pa.ChunkedArray | pa.Array, stems: pa.ChunkedArray | pa.Array) -> dict[str, str]:
    """Return for each stem the word that most often stood for it, of equally many the first of the alphabet.

    Parameters
    ----------
    words, stems : Arrow arrays of lists
        As `process` returned them.
    """
    flat = pa.table({"word": _flat(words), "stem": _flat(stems)})
    counted = flat.group_by(["stem", "word"]).aggregate([([], "count_all")])
    ordered = counted.sort_by([("count_all", "ascending"), ("word", "descending")])
    return dict(zip(ordered["stem"].to_pylist(), ordered["word"].to_pylist(), strict=True))


def as_column(values: Sequence[str | None] | pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    """Return strings, however they came, as an Arrow column."""
    if isinstance(values, pa.ChunkedArray):
        return values.cast(pa.string())
    found = values.cast(pa.string()) if isinstance(values, pa.Array) else pa.array(values, pa.string())
    return pa.chunked_array([found])


def segmented(chinese: str) -> str:
    """Return a Chinese text with blanks between its words; between its characters where the extra ``chinese`` is missing."""
    cut = _jieba()
    return " ".join(cut(chinese)) if cut is not None else _HAN.sub(r" \g<0> ", chinese)


class _Table:
    """Distinct chunks and what became of each in each place of a sentence, and distinct tokens and what a language says of them."""

    def __init__(self, lower: bool = True) -> None:
        self.lower = lower
        self.ids = _Ids(self._meet)
        self.end, self.start, self.marks, self.through = array("b"), array("b"), array("b"), array("b")
        self.quoted, self.dotted = array("b"), array("b")
        self.chunks: list[str] = []
        self.known: dict[int, tuple[int, ...]] = {}
        self.token_ids = _Ids(self._token)
        self.tokens: list[str] = []
        self.is_word = array("b")
        self.contents: dict[str | None, tuple[array[int], array[int]]] = {}
        self.term_ids = _Ids(lambda term: self.terms.append(term))
        self.terms: list[str] = []

    def rows(self, texts: list[str | None], languages: list[str | None]) -> list[pa.Array]:
        """Return the columns behind ``language`` for one batch."""
        given = zip(texts, languages, strict=True)
        split = [_prepared(text, language).split() if text else [] for text, language in given]
        flat, row, n_sentences = self.flat(split)
        words = np.frombuffer(self.is_word, dtype=np.int8)[flat] if len(flat) else np.zeros(0, np.int8)
        n_tokens = np.bincount(row, weights=words, minlength=len(texts)).astype(np.int32)
        word, stem = self._contents(flat, row, languages)
        kept = stem >= 0
        offsets = np.concatenate([[0], np.cumsum(np.bincount(row[kept], minlength=len(texts)))]).astype(np.int32)
        terms = pa.array(self.terms, pa.string())
        lists = [pa.ListArray.from_arrays(pa.array(offsets), terms.take(pa.array(ids[kept]))) for ids in (word, stem)]
        return [pa.array(n_sentences), pa.array(n_tokens), *lists]

    def flat(self, split: list[list[str]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return all tokens' ids one after the other, the row of each, and the sentences of each row."""
        ids, row, stops = self.cut(split)
        n_sentences = np.bincount(row[stops], minlength=len(split)).astype(np.int32)
        if not len(ids):
            return np.zeros(0, np.int64), np.zeros(0, np.int64), n_sentences
        keys, which = np.unique(self._places(ids, stops), return_inverse=True)
        of = [self._tokens(key) for key in keys.tolist()]
        lengths = np.fromiter(map(len, of), np.int64, len(of))
        starts = np.cumsum(lengths) - lengths
        pool = np.fromiter(chain.from_iterable(of), np.int64, int(lengths.sum()))
        many = lengths[which]
        shift = np.repeat(starts[which] - (np.cumsum(many) - many), many)
        return pool[shift + np.arange(len(shift))], np.repeat(row, many), n_sentences

    def cut(self, split: list[list[str]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return each chunk's id, its row, and whether a sentence ends with it."""
        lengths = np.fromiter(map(len, split), np.int64, len(split))
        count = int(lengths.sum())
        ids = np.fromiter(map(self.ids.__getitem__, chain.from_iterable(split)), np.int64, count)
        row = np.repeat(np.arange(len(split)), lengths)
        if not count:
            return ids, row, np.zeros(0, dtype=bool)
        last = np.append(row[1:] != row[:-1], True)
        end, start, marks = (_seen(flag)[ids] for flag in (self.end, self.start, self.marks))
        return ids, row, ends.breaks(end, start, marks, last)

    def _places(self, ids: np.ndarray, stops: np.ndarray) -> np.ndarray:
        """Return for each chunk its id and, where its tokens depend on it, its place in the sentence, as one number."""
        begins = np.concatenate([[True], stops[:-1]])
        # nltk's last full stop may be followed by closing marks: the chunk before those is last too
        through = _seen(self.through)[ids].astype(bool) & ~begins
        real = np.maximum.accumulate(np.where(through, 0, np.arange(len(ids))))
        edges = np.bincount(real[stops], minlength=len(ids) + 1) - np.bincount(
            np.flatnonzero(stops) + 1, minlength=len(ids) + 1
        )
        closes = np.cumsum(edges)[:-1] > 0
        first = begins & _seen(self.quoted)[ids].astype(bool)
        final = closes & _seen(self.dotted)[ids].astype(bool)
        return ids * 4 + first * FIRST + final * LAST

    def _tokens(self, key: int) -> tuple[int, ...]:
        if key not in self.known:
            found = _treebank(self.chunks[key // 4], key % 4)
            self.known[key] = tuple(self.token_ids[token.lower() if self.lower else token] for token in found)
        return self.known[key]

    def _contents(
        self, flat: np.ndarray, row: np.ndarray, languages: list[str | None]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of the word and the stem of each token, -1 where it carries no content."""
        word, stem = np.full(len(flat), -1, np.int32), np.full(len(flat), -1, np.int32)
        numbers = {language: number for number, language in enumerate(Counter(languages))}
        spoken = np.fromiter((numbers[language] for language in languages), np.int32, len(languages))[row]
        for language, number in numbers.items():
            at = slice(None) if len(numbers) == 1 else np.flatnonzero(spoken == number)
            words, stems = self._known(language)
            word[at], stem[at] = _seen(words)[flat[at]], _seen(stems)[flat[at]]
        return word, stem

    def _known(self, language: str | None) -> tuple[array[int], array[int]]:
        """Return the words and stems of all tokens so far in a language."""
        words, stems = self.contents.setdefault(language, (array("i"), array("i")))
        for number in range(len(words), len(self.tokens)):
            found = content(self.tokens[number], language) if self.is_word[number] else None
            words.append(-1 if found is None else self.term_ids[found[0]])
            stems.append(-1 if found is None else self.term_ids[found[1]])
        return words, stems

    def _meet(self, chunk: str) -> None:
        plain = chunk.isalnum()
        self.chunks.append(chunk)
        self.end.append(ends.NEVER if plain else ends.end_of(chunk))
        self.start.append(ends.start_of(chunk))
        self.marks.append(not plain and ends.only_marks(chunk))
        self.through.append(_CLOSING.fullmatch(chunk) is not None and _treebank(f"x. {chunk}", FIRST | LAST)[0] == "x")
        self.quoted.append(chunk[0] in "\"'")
        self.dotted.append(not chunk[-1].isalnum())

    def _token(self, token: str) -> None:
        self.tokens.append(token)
        self.is_word.append(PLACEHOLDER.fullmatch(token) is None and any(map(str.isalnum, token)))


class _Ids(dict[str, int]):
    """Numbers strings in the order in which they are met, and tells of each new one."""

    def __init__(self, meet: Callable[[str], object]) -> None:
        super().__init__()
        self.meet = meet

    def __missing__(self, key: str) -> int:
        number = self[key] = len(self)
        self.meet(key)
        return number


def _treebank(chunk: str, place: int) -> list[str]:
    """Return nltk's tokens of a chunk at a place of its sentence; what has no rule to meet is answered without nltk."""
    if PLACEHOLDER.fullmatch(chunk) or len(chunk) > LONGEST_CHUNK:
        return [chunk]
    simple = _SIMPLE.fullmatch(chunk)
    if simple is not None and not _CONTRACTED.search(chunk):
        word, mark = simple.groups()
        return [word, mark] if mark and (mark != "." or place & LAST) else [chunk]
    before, after = ("" if place & FIRST else "x "), ("" if place & LAST else " x")
    found = _nltk()(before + chunk + after)
    return found[len(before) // 2 : len(found) - len(after) // 2]


@functools.lru_cache(maxsize=1)
def _nltk() -> Callable[[str], list[str]]:
    from nltk.tokenize import NLTKWordTokenizer

    return NLTKWordTokenizer().tokenize


@functools.lru_cache(maxsize=1)
def _jieba() -> Callable[[str], Iterable[str]] | None:
    try:
        import jieba
    except ImportError:
        return None
    jieba.setLogLevel("WARNING")
    return jieba.cut


def _prepared(text: str, language: str | None) -> str:
    return _spaced(segmented(text) if language == "zh" else text)


def _spaced(text: str) -> str:
    """Return a text with blanks around its placeholders."""
    return PLACEHOLDER.sub(lambda found: f" {found.group()} ", text) if "[" in text else text


def _batches(column: pa.ChunkedArray) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each batch."""
    size = pc.fill_null(pc.binary_length(column), 0).to_numpy()
    total = np.cumsum(size, dtype=np.int64)
    start = 0
    while start < len(size):
        longest = int(np.searchsorted(total, LETTERS + (total[start - 1] if start else 0))) + 1
        stop = min(start + ROWS, longest, len(size))
        yield start, stop
        start = stop


def _whole(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)


def _flat(lists: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    return pc.list_flatten(lists)


def _seen(flags: array[int]) -> np.ndarray:
    """Return a growing array as NumPy's, to be used at once and not kept."""
    return np.array(flags, dtype=np.int8 if flags.typecode == "b" else np.int32)
