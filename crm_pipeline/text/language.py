"""Which language a message is written in: what its source says, else what the model that py3langid carries says; null where unsure.

A language is told from a probability of `SURE` on. The rule was chosen on translated sentences of a Linux system's programs
(42,741, in 114 languages) and then tried on Django's (30,095). Of those in 20 European languages (8,000) it told:

=========  =======  ================
letters    told     of these right
=========  =======  ================
4 to 11    0.15     0.992
12 to 19   0.41     0.989
20 to 39   0.71     0.997
40 to 79   0.94     0.999
80 on      0.99     1.000
=========  =======  ================

In all 74 languages that the model knows: 0.56 told, 0.994 of these right. What is written in a language that it does not know
is told as another's in 19 of 100 texts. Of the questions to a bank in Banking77 0.98 are told, all as English.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_pipeline.text.tokens import PLACEHOLDER, as_column

SURE = 0.7
"""Probability from which a language is told."""

FEWEST, MOST = 4, 300
"""Letters below which a text has no language; characters of a text that are looked at."""

ROWS = 20_000

CODES = frozenset(
    re.findall(
        "..",
        "aaabaeafakamanarasavayazbabebgbibmbnbobrbscachcocrcscucvcydadedvdzeeeleneoeseteufafffifjfofrfyga"
        "gdglgngugvhahehihohrhthuhyhziaidieigiiikioisitiujajvkakgkikjkkklkmknkokrkskukvkwkylalblglilnlolt"
        "lulvmgmhmimkmlmnmrmsmtmynanbndnengnlnnnonrnvnyocojomorospapiplpsptqurmrnrorurwsascsdsesgsiskslsm"
        "snsosqsrssstsusvswtatetgthtitktltntotrtstttwtyugukuruzvevivowawoxhyiyozazhzu",
    )
)
"""The codes of ISO 639-1."""

NAMES = {
    name: code
    for code, names in {
        "ar": "arabic ara العربية", "bg": "bulgarian bul български", "cs": "czech ces cze čeština", "da": "danish dan dansk",
        "de": "german deu ger deutsch", "el": "greek ell gre ελληνικά", "en": "english eng", "es": "spanish spa español",
        "et": "estonian est eesti", "fi": "finnish fin suomi", "fr": "french fra fre français", "he": "hebrew heb עברית",
        "hi": "hindi hin", "hr": "croatian hrv hrvatski", "hu": "hungarian hun magyar", "it": "italian ita italiano",
        "ja": "japanese jpn 日本語", "ko": "korean kor 한국어", "lt": "lithuanian lit", "lv": "latvian lav",
        "nl": "dutch nld dut nederlands", "no": "norwegian nor norsk nb nn", "pl": "polish pol polski",
        "pt": "portuguese por português", "ro": "romanian ron rum română", "ru": "russian rus русский",
        "sk": "slovak slk slo", "sl": "slovenian slv slovene", "sv": "swedish swe svenska", "tr": "turkish tur türkçe",
        "uk": "ukrainian ukr українська", "zh": "chinese zho chi mandarin 中文",
    }.items()
    for name in names.split()
}  # fmt: skip
"""Languages as people write them, in lower case; both written forms of Norwegian are one."""


def detect(texts: Sequence[str | None] | pa.Array | pa.ChunkedArray, declared: Any = None) -> pa.Array:
    """Return the language of each message.

    Parameters
    ----------
    texts : sequence or Arrow array of strings
        Masked bodies.
    declared : sequence or Arrow array of strings, optional
        What the source says. It is believed where it names a language (``en``, ``EN``, ``en-GB``, ``eng``, ``English``).

    Returns
    -------
    pyarrow.StringArray
        ISO 639-1 codes; null where the text is too short, or no language is likely enough.
    """
    column = as_column(texts)
    given = pa.nulls(len(column), pa.string()) if declared is None else _named(as_column(declared))
    silent = pc.is_null(given)
    asked = pc.if_else(silent, column, pa.scalar(None, pa.string())).combine_chunks().dictionary_encode()
    told = _told(asked.dictionary).take(asked.indices)
    return pc.coalesce(given, told)


def normalised(declared: str | None) -> str | None:
    """Return the ISO 639-1 code that a source's own word for a language means, or None.

    Examples
    --------
    >>> [normalised(said) for said in ("EN", "de_AT", "pt-BR", "Français", "nob", "?", None)]
    ['en', 'de', 'pt', 'fr', None, None, None]
    """
    said = (declared or "").strip().lower()
    for part in (said, re.split(r"[-_.\s(]", said, maxsplit=1)[0]):
        if part in NAMES:
            return NAMES[part]
        if part in CODES:
            return part
    return None


def _named(declared: pa.ChunkedArray) -> pa.Array:
    asked = declared.combine_chunks().dictionary_encode()
    return pa.array([normalised(said) for said in asked.dictionary.to_pylist()], pa.string()).take(asked.indices)


def _told(texts: pa.Array) -> pa.Array:
    """Return the languages of distinct texts."""
    parts = [_batch(texts.slice(start, ROWS)) for start in range(0, len(texts), ROWS)]
    return pa.concat_arrays(parts) if parts else pa.array([], pa.string())


def _batch(texts: pa.Array) -> pa.Array:
    head = pc.utf8_slice_codeunits(texts, 0, MOST)
    plain = pc.replace_substring_regex(head, PLACEHOLDER.pattern, " ")
    enough = pc.fill_null(pc.match_substring_regex(plain, rf"(?:\pL[^\pL]*){{{FEWEST}}}"), False)
    model = _model()
    found = np.full(len(texts), -1)
    rows = np.flatnonzero(enough.to_numpy(zero_copy_only=False))
    if len(rows):
        best, likely = model.probabilities([_bytes(text) for text in plain.take(pa.array(rows)).to_pylist()])
        found[rows] = np.where(likely >= SURE, best, -1)
    return pa.array(model.codes).take(pa.array(found, mask=found < 0))


def _bytes(text: str) -> bytes:
    """Return what the model reads of a text: as `LanguageIdentifier` prepares it."""
    return unicodedata.normalize("NFC", text.lower() if text.isupper() else text).encode("utf-8", "surrogatepass")


class _Model(NamedTuple):
    """The naive Bayes model of py3langid over the n-grams of bytes that its automaton finds, for the languages of ISO 639-1.

    `LanguageIdentifier.classify` walks the automaton byte by byte in Python, 70 microseconds a message; here a batch of
    messages takes each step together. The result is its own, which a test holds.
    """

    codes: list[str]
    step: np.ndarray
    base: np.ndarray
    feature: np.ndarray
    weights: np.ndarray
    prior: np.ndarray
    code_of: np.ndarray

    def probabilities(self, texts: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Return the number of the likeliest code of each text, and its probability (0 where nothing speaks)."""
        from scipy.sparse import csr_array

        row, feature = self._walk(texts)
        counts = csr_array((np.ones(len(row), np.float32), (row, feature)), shape=(len(texts), len(self.weights)))
        counts.sum_duplicates()
        seen = np.diff(counts.indptr) > 0
        counts.data = np.log1p(counts.data)
        # py3langid's own temperature: the root of the bytes keeps the probabilities honest for texts of any length
        length = np.sqrt(np.fromiter(map(len, texts), np.float32, len(texts)))
        scores = (counts @ self.weights + self.prior) / np.maximum(length, 1)[:, None]
        likely = np.exp(scores - scores.max(axis=1, keepdims=True))
        likely /= likely.sum(axis=1, keepdims=True)
        by_code = np.zeros((len(texts), len(self.codes)), np.float32)
        for column, code in enumerate(self.code_of):
            by_code[:, code] += likely[:, column]
        return by_code.argmax(axis=1), np.where(seen, by_code.max(axis=1), 0)

    def _walk(self, texts: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Return the features that the automaton finds, with the text of each."""
        length = np.fromiter(map(len, texts), np.int64, len(texts))
        order = np.argsort(-length, kind="stable")
        read = np.frombuffer(b"".join(texts), np.uint8)
        start = (np.cumsum(length) - length)[order]
        going = len(texts) - np.searchsorted(np.sort(length), np.arange(1, int(length.max(initial=0)) + 1))
        state = np.zeros(len(texts), np.int64)
        rows, features = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for place, many in enumerate(going):
            state = self.step[self.base[state[:many]] + read[start[:many] + place]]
            met = self.feature[state]
            at = np.flatnonzero(met >= 0)
            rows.append(order[at])
            features.append(met[at])
        return np.concatenate(rows), np.concatenate(features)


@functools.lru_cache(maxsize=1)
def _model() -> _Model:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    made = LanguageIdentifier.from_model_file(MODEL_FILE)
    made.set_languages({label for label in made.labels if label in CODES})
    codes = list(dict.fromkeys(made.nb_classes))
    return _Model(
        codes=codes,
        step=np.asarray(made.tk_nextmove, dtype=np.int32),
        base=np.asarray(made.tk_row, dtype=np.int64) << 8,
        feature=np.asarray(made.tk_output, dtype=np.int32),
        weights=np.asarray(made.nb_ptc, dtype=np.float32),
        prior=np.asarray(made.nb_pc, dtype=np.float32),
        code_of=np.array([codes.index(label) for label in made.nb_classes]),
    )
