"""The default transcriber: pocketsphinx with the US-English model of its own package, expecting the words of a service.

Its dictionary has 134,000 words and its language model is of everything. Here it expects everyday words, those of the starter
texts and those that are watched. No file of a user is read.
"""

from __future__ import annotations

import csv
import functools
import logging
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crm_pipeline.audio.extra import imported
from crm_pipeline.audio.language import arpa, forms, words_of
from crm_pipeline.audio.transcribers import RATE, Transcript, Word, pcm

EVERYDAY = 300
"""Words of everyday language that are expected: the likeliest of the model's own."""

WATCHED, SOUNDS, GREATEST = 0.01, 4, 0.3
"""Least probability of a watched word of so many sounds, twice that for each more: a long word is hardly heard by mistake; at most
the third. A word's other forms have a tenth."""

LISTENED = {"topn": 2, "maxhmmpf": 1500}
"""Of pocketsphinx's settings those that make it faster; a little worse, too."""

LANGUAGE_WEIGHT = 10.0
"""How much the expectation counts against the sound (pocketsphinx's ``lw``)."""

HISS = -56.0
"""dB of full scale of the white noise that stands above 3.4 kHz where a telephone lets nothing through; from -51 on real speech is
heard worse."""

TELEPHONE = 8000
"""Samples per second up to which a recording has nothing where the model listens too."""

STARTER = Path(__file__).parent.parent / "text" / "starter_intents.csv"

QUIET = -60.0
"""dB of full scale below which a signal holds no speech; the recogniser would make up a word."""

_FRAMES = 100  # a second
_LOG = logging.getLogger(__name__)


class PocketSphinx:
    """pocketsphinx, offline.

    Parameters
    ----------
    watched : sequence of str
        Words and phrases that are to be heard above all.
    everything : bool
        Expect any word of English, with pocketsphinx's own settings: some eight times slower, and better on real speech.

    Raises
    ------
    UsageError
        If it is not installed.

    A watched word that its dictionary does not hold is not expected, and that is logged.
    """

    def __init__(self, watched: Sequence[str] = (), everything: bool = False) -> None:
        asked = sorted({word for phrase in watched for word in words_of(phrase)})
        self.watched = tuple(word for word in asked if word in pronunciations())
        for word in asked:
            if word not in self.watched:
                _LOG.warning(
                    "The watched word '%s' is not in pocketsphinx's dictionary of English: its text will not hold it.",
                    word,
                )
        self.everything = everything
        self.decoder = _decoder(self.watched, everything)

    @property
    def key(self) -> str:
        """Engine, its version and what is set here."""
        from importlib.metadata import version

        if self.everything:
            return f"pocketsphinx {version('pocketsphinx')} en-us everything ({HISS},)"
        settings = (EVERYDAY, WATCHED, SOUNDS, GREATEST, LANGUAGE_WEIGHT, HISS, *LISTENED.values())
        return f"pocketsphinx {version('pocketsphinx')} en-us {settings} {' '.join(self.watched)}".strip()

    def transcribe(self, signal: np.ndarray, recorded: int = RATE) -> Transcript:
        """Return what is said in a signal; nothing of one shorter than a tenth of a second or below `QUIET`."""
        if len(signal) < RATE // 10 or np.square(signal).mean() < 10 ** (QUIET / 10):
            return Transcript()
        decoder = self.decoder
        decoder.reinit_feat()  # else the noise of what was heard before is taken away from this
        decoder.start_utt()
        decoder.process_raw(pcm(hissing(signal) if recorded <= TELEPHONE else signal), full_utt=True)
        decoder.end_utt()
        if decoder.hyp() is None:
            return Transcript()
        heard = (part for part in decoder.seg() if part.word[0] not in "<[")
        return Transcript(
            tuple(
                Word(
                    _bare(part.word),
                    part.start_frame / _FRAMES,
                    (part.end_frame + 1) / _FRAMES,
                    min(1.0, part.prob),
                )
                for part in heard
            )
        )


def hissing(signal: np.ndarray) -> np.ndarray:
    """Return a signal with white noise of the level `HISS`, the same for the same length.

    The model has learned speech of up to 6.8 kHz: filters that get nothing at all are like nothing it knows.
    """
    noise = np.random.default_rng(0).standard_normal(len(signal)).astype(np.float32)
    return signal + np.float32(10 ** (HISS / 20)) * noise


def _decoder(watched: tuple[str, ...], everything: bool) -> Any:
    dictionary = pronunciations()
    if everything:
        return imported("pocketsphinx").Decoder(loglevel="FATAL")
    everyday, likeliest = _everyday()
    sentences = service_sentences()
    own = {word: _least(len(dictionary[word][0].split())) for word in watched}
    least = {form: own[word] / 10 for word in watched for form in forms(word) if form in dictionary} | own
    dictionary = dictionary | {word: _without_r(dictionary[word]) for word in least}
    said = {word for sentence in sentences for word in sentence if word in dictionary}
    vocabulary = sorted({*likeliest, *said, *least})
    with tempfile.TemporaryDirectory() as folder:  # the decoder reads files only, and both at once
        words, language = Path(folder) / "words.dict", Path(folder) / "language.arpa"
        words.write_text("".join(map("{}\n".format, _pronounced(vocabulary, dictionary))), encoding="utf-8")
        language.write_text(arpa(vocabulary, everyday, sentences, least), encoding="utf-8")
        return imported("pocketsphinx").Decoder(
            dict=str(words), lm=str(language), lw=LANGUAGE_WEIGHT, fwdflat=False, loglevel="FATAL", **LISTENED
        )


def _least(sounds: int) -> float:
    return min(GREATEST, WATCHED * 2.0 ** (sounds - SOUNDS))


def _without_r(pronunciations: list[str]) -> list[str]:
    """Return pronunciations and how the British say them: no *r* at the end of a syllable."""
    return list(dict.fromkeys([*pronunciations, *(re.sub(r"\bER\b", "AH", sounds) for sounds in pronunciations)]))


@functools.cache
def pronunciations() -> dict[str, list[str]]:
    """Return how each English word is pronounced, of pocketsphinx's own dictionary."""
    found: dict[str, list[str]] = {}
    place = Path(imported("pocketsphinx").get_model_path()) / "en-us" / "cmudict-en-us.dict"
    for line in place.read_text(encoding="utf-8").splitlines():
        word, sounds = line.split(" ", 1)
        found.setdefault(_bare(word), []).append(sounds)
    return found


@functools.cache
def _everyday() -> tuple[Any, list[str]]:
    """Return probabilities of pocketsphinx's own language model, and its likeliest words."""
    decoder = imported("pocketsphinx").Decoder(loglevel="FATAL")
    model, exp = decoder.get_lm(), decoder.get_logmath().exp

    def probability(*words: str) -> float:
        return float(exp(int(model.prob(list(words)))))

    usual = [word for word in pronunciations() if re.fullmatch(r"[ai]|[a-z][a-z']+", word)]
    return probability, sorted(usual, key=lambda word: -model.prob([word]))[:EVERYDAY]


@functools.cache
def service_sentences() -> list[list[str]]:
    """Return the words of each English starter text."""
    with STARTER.open(encoding="utf-8", newline="") as file:
        return [words_of(row["text"]) for row in csv.DictReader(file) if row["language"] == "en"]


def _pronounced(vocabulary: Sequence[str], dictionary: dict[str, list[str]]) -> list[str]:
    return [
        f"{word}({n}) {sounds}" if n > 1 else f"{word} {sounds}"
        for word in vocabulary
        for n, sounds in enumerate(dictionary[word], 1)
    ]


def _bare(word: str) -> str:
    return word.partition("(")[0]
