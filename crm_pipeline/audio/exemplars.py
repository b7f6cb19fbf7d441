"""Has the synthesizer say watched words among others, in many voices: what keywords are learned from. Nothing is learned here."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from crm_pipeline.audio.extra import imported
from crm_pipeline.audio.language import forms, words_of
from crm_pipeline.audio.recordings import RATE
from crm_pipeline.audio.synthesis import Delivery, EspeakNg, Speech

LANGUAGES = ("en-us", "en-gb", "en-gb-scotland", "en-us-nyc")
VARIANTS = (
    *(
        "m1",
        "m2",
        "m4",
        "m5",
        "m6",
        "m8",
        "f1",
        "f4",
        "f5",
        "Alex",
        "Alicia",
        "Andrea",
        "Andy",
        "Annie",
        "Gene",
        "Hugo",
    ),
    *("Jacky", "Lee", "Marco", "Mario", "Michael", "Mike", "Reed", "adam", "anika", "antonio", "belinda", "benjamin"),
    *(
        "caleb",
        "david",
        "ed",
        "edward",
        "grandma",
        "grandpa",
        "ian",
        "iven",
        "john",
        "linda",
        "marcelo",
        "max",
        "miguel",
    ),
    *(
        "norbert",
        "pablo",
        "paul",
        "pedro",
        "quincy",
        "rob",
        "robert",
        "sandro",
        "shelby",
        "steph",
        "travis",
        "victor",
        "zac",
    ),
)
"""Of the synthesizer's voices those that sound like people; m3, m7, f2 and f3 are kept for judging what was learned."""

MOST = 3
"""Words of a sentence before and after a watched word."""

ITSELF = 0.7
"""Of what is said of a watched word, the share of the word as it is watched for; the rest are its other forms."""

PITCH, EXPRESSION, WORDS_A_MINUTE = (20, 85), (10, 95), (115, 185)
STRETCH = (0.92, 1.1)  # of the throat: all resonances move with it
LOW, HIGH, NOISE = (180.0, 320.0), (3300.0, 3700.0), (-50.0, -30.0)  # Hz of the line's ends, dB against the voice
TELEPHONE = 8000
LEVEL = 0.05


@dataclass(frozen=True)
class Exemplar:
    """A signal of `RATE` and the watched words in it: which of them, its start and its end in seconds."""

    signal: np.ndarray
    words: tuple[tuple[int, float, float], ...] = ()


@dataclass(frozen=True)
class Material:
    """What is said.

    Attributes
    ----------
    wanted : sequence of sequences of str
        Of each watched word or phrase what is said of it, as it is watched for first.
    near : sequence of str
        What sounds a little like them and is not watched.
    sentences : sequence of sequences of str
        The words of sentences without any of them.
    """

    wanted: Sequence[Sequence[str]]
    near: Sequence[str]
    sentences: Sequence[Sequence[str]]


def material(
    watched: Sequence[str], known: Collection[str], sentences: Sequence[Sequence[str]], rng: np.random.Generator
) -> Material:
    """Return what is to be said to learn words.

    Parameters
    ----------
    watched : sequence of str
    known : collection of str
        English words; other forms of a watched word are taken from them, and what sounds like it.
    sentences : sequence of sequences of str
    rng : Generator
    """
    wanted = [_said(words_of(word), known) for word in watched]
    inside = {form for word in watched for part in words_of(word) for form in forms(part)}
    others = [word for word in known if word not in inside and re.fullmatch("[a-z]{3,12}", word)]
    near = [one for word in watched for part in words_of(word) for one in _near(part, others, rng)]
    usable = [sentence for sentence in sentences if not inside & set(sentence)]
    return Material(wanted, near, usable or [["hello"]])


def exemplars(given: Material, variants: Sequence[str], count: int, rng: np.random.Generator) -> Iterator[Exemplar]:
    """Yield recordings, each with every watched word once, as many near ones, and pieces of sentences around them."""
    for n in range(count):
        text, places = _among(given, rng)
        yield _spoken(text, places, variants[n % len(variants)], rng)


def others(given: Material, variants: Sequence[str], count: int, rng: np.random.Generator) -> Iterator[Exemplar]:
    """Yield recordings of three sentences each, without a watched word."""
    for n in range(count):
        picked = rng.integers(len(given.sentences), size=3).tolist()
        yield _spoken(". ".join(" ".join(given.sentences[i]) for i in picked), [], variants[n % len(variants)], rng)


def _said(parts: Sequence[str], known: Collection[str]) -> list[str]:
    last = [form for form in sorted(forms(parts[-1])) if form in known and form != parts[-1]]
    return [" ".join([*parts[:-1], form]) for form in (parts[-1], *last)]


def _near(word: str, others: Sequence[str], rng: np.random.Generator, count: int = 40) -> list[str]:
    alike = [one for one in others if one[:3] == word[:3] or one[-4:] == word[-4:]]
    parts = [part for part in (word[: len(word) // 2 + 1], word[len(word) // 2 :]) if part != word]
    return [alike[i] for i in rng.permutation(len(alike))[:count]] + parts


def _among(given: Material, rng: np.random.Generator) -> tuple[str, list[tuple[int, int, int]]]:
    """Return a text, and of each watched word in it which it is and the places of its first letter and after its last."""
    text, places = "", []
    for which in rng.permutation(2 * len(given.wanted)).tolist():
        around = given.sentences[int(rng.integers(len(given.sentences)))]
        cut = int(rng.integers(len(around) + 1))
        before, after = (int(n) for n in rng.integers(MOST + 1, size=2))
        text += "".join(f"{word} " for word in around[max(0, cut - before) : cut])
        if which < len(given.wanted):
            said = given.wanted[which]
            one = said[0] if rng.random() < ITSELF else said[int(rng.integers(len(said)))]
            places.append((which, len(text), len(text) + len(one)))
        else:
            one = given.near[int(rng.integers(len(given.near)))] if given.near else "hello"
        text += " ".join([one, *around[cut : cut + after]]) + (". ", ", ", "? ")[rng.integers(3)]
    return text.strip(), places


def _spoken(text: str, places: Sequence[tuple[int, int, int]], variant: str, rng: np.random.Generator) -> Exemplar:
    voice = f"{LANGUAGES[rng.integers(len(LANGUAGES))]}+{variant}"
    pitch, expression, rate = (int(rng.integers(*span)) for span in (PITCH, EXPRESSION, WORDS_A_MINUTE))
    speech, begins = EspeakNg().timed(text, Delivery(voice, pitch=pitch, expression=expression, rate=rate))
    stretch = float(rng.uniform(*STRETCH))
    signal = _line(Speech(speech.samples, round(speech.rate / stretch)), rng)
    starts = dict(begins) | {len(text): len(speech.samples) / speech.rate}
    found = []
    for which, place, end in places:
        if place in starts:  # short words are sometimes spoken as one, without a beginning of the second
            following = min(at for at in starts if at >= end)
            found += _trimmed(signal, which, starts[place] * stretch, starts[following] * stretch)
    return Exemplar(signal, tuple(found))


def _line(speech: Speech, rng: np.random.Generator) -> np.ndarray:
    """Return speech as a telephone lets it through, with a little noise."""
    signal, soxr = imported("scipy.signal"), imported("soxr")
    slow = soxr.resample(speech.samples.astype(np.float32) / 32768, speech.rate, TELEPHONE, "MQ")
    band = signal.butter(2, (rng.uniform(*LOW), rng.uniform(*HIGH)), "bandpass", fs=TELEPHONE, output="sos")
    slow = signal.sosfilt(band, slow)
    level = np.sqrt(np.square(slow).mean())
    slow += level * 10 ** (rng.uniform(*NOISE) / 20) * rng.standard_normal(len(slow))
    return (soxr.resample(slow, TELEPHONE, RATE, "MQ") * (LEVEL / level)).astype(np.float32)


def _trimmed(signal: np.ndarray, which: int, start: float, end: float) -> list[tuple[int, float, float]]:
    """Return a word without the pause that follows it."""
    step = RATE // 100
    piece = signal[round(start * RATE) : round(end * RATE)]
    power = np.square(piece[: len(piece) // step * step].reshape(-1, step)).mean(axis=1)
    loud = np.flatnonzero(power > power.max(initial=0) * 10**-2.8)
    return [(which, start + loud[0] / 100, start + (loud[-1] + 1) / 100)] if len(power) >= 10 and len(loud) else []
