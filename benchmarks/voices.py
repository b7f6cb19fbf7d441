"""How well recordings of speakers never heard are told: ``python -m benchmarks.voices`` prints the figures of docs/calls.md.

Reads the spoken digits (fsdd) and the acted emotions (emodb) in the folder that ``CRM_REAL_DATA`` names.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from crm_pipeline.audio.emotion import figures, fit, unheard
from crm_pipeline.audio.emotion_stretches import Stretches, joined, measured
from crm_pipeline.audio.recordings import read

DATA = Path(os.environ.get("CRM_REAL_DATA", "../shared/data"))
OFFICIAL_TEST = 5
"""Recordings of each digit and speaker, the first ones, that are the official test of fsdd."""


class Corpus(NamedTuple):
    """Labelled recordings of several speakers, one element each."""

    stretches: Stretches
    labels: np.ndarray
    speakers: np.ndarray
    numbers: np.ndarray

    def only(self, kept: np.ndarray) -> Corpus:
        """Return some of the recordings."""
        return Corpus(self.stretches.only(kept), *(column[kept] for column in self[1:]))


def main() -> None:
    """Print a line per corpus and way of normalising."""
    for name, corpus in (("emodb", emodb()), ("fsdd", fsdd())):
        for by_speaker in (False, True):
            told = unheard(corpus.stretches, corpus.labels, corpus.speakers, by_speaker=by_speaker)
            right = told.probabilities.argmax(1) == told.truth
            mean, half = over_speakers(right, told.truth, corpus.speakers)
            measured = ", ".join(f"{key} {value:.3f}" for key, value in figures(told).items())
            way = "normalised by speaker" if by_speaker else "on its own"
            print(f"{name}, {way}: {measured}; recall over speakers {mean:.3f} ± {half:.3f}", flush=True)
    print(f"fsdd, official test: accuracy {official(corpus):.3f}")


def over_speakers(right: np.ndarray, truth: np.ndarray, speakers: np.ndarray) -> tuple[float, float]:
    """Return the mean over speakers of the unweighted recall, and half of its 95 % t interval."""
    from scipy.stats import t as student

    each = []
    for speaker in np.unique(speakers):
        own = speakers == speaker
        each.append(np.mean([right[own & (truth == label)].mean() for label in np.unique(truth[own])]))
    return float(np.mean(each)), float(student.ppf(0.975, len(each) - 1) * np.std(each, ddof=1) / np.sqrt(len(each)))


def official(corpus: Corpus) -> float:
    """Return the accuracy on the official test of fsdd, whose speakers were heard in training."""
    learn, probe = corpus.only(corpus.numbers >= OFFICIAL_TEST), corpus.only(corpus.numbers < OFFICIAL_TEST)
    model = fit(learn.stretches, learn.labels, learn.speakers)
    told = np.array(model.labels)[model.probabilities(probe.stretches, probe.speakers).argmax(1)]
    return float((told == probe.labels).mean())


def emodb() -> Corpus:
    """Return the acted emotions: the folder is the label, the name begins with the speaker."""
    paths = sorted((DATA / "emodb").glob("*/*.wav"))
    return _corpus(paths, [(path.parent.name, path.name[:2], 0) for path in paths])


def fsdd() -> Corpus:
    """Return the spoken digits, ``<digit>_<speaker>_<number>.wav``."""
    paths = sorted((DATA / "fsdd" / "recordings").glob("*.wav"))
    return _corpus(paths, [(digit, speaker, int(n)) for digit, speaker, n in (p.stem.split("_") for p in paths)])


def _corpus(paths: list[Path], known: list[tuple[str, str, int]]) -> Corpus:
    if not paths:
        raise SystemExit(f"There are no recordings in {DATA}: set CRM_REAL_DATA to the folder with emodb and fsdd.")
    with ProcessPoolExecutor() as pool:
        parts = list(pool.map(_taken, (paths[at : at + 50] for at in range(0, len(paths), 50))))
    labels, speakers, numbers = (np.array(column) for column in zip(*known, strict=True))
    return Corpus(joined(parts), labels, speakers, numbers)


def _taken(paths: list[Path]) -> Stretches:
    return measured(read(path)[0] for path in paths)


if __name__ == "__main__":
    main()
