"""How a voice sounds: a calibrated classifier of labelled stretches of speech, judged on speakers it never heard. No files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pandas as pd

from crm_pipeline.audio import emotion_cnn, emotion_limits, emotion_svm
from crm_pipeline.audio.emotion_cnn import Network
from crm_pipeline.audio.emotion_limits import Limits
from crm_pipeline.audio.emotion_stretches import Stretches
from crm_pipeline.audio.emotion_svm import Machines
from crm_pipeline.contracts.texts import UNKNOWN
from crm_pipeline.text.intents import calibration_error, softmax
from crm_pipeline.text.stored import Stored

KINDS: dict[str, tuple[str, Callable[[np.ndarray, np.ndarray, int, int], Machines | Network]]] = {
    "svm": ("vectors", emotion_svm.fit),
    "cnn": ("images", emotion_cnn.fit),
}
"""Of each kind of classifier: what it is shown of stretches, and what fits it to that, numbers of labels, their count and a seed."""

AVERAGE = "average"
"""What is made of several kinds: the mean of their calibrated log probabilities."""

GROUPS = 10
"""Most folds; with as many speakers or fewer, each is left out once."""

LEAST = 0.4
"""Probability of the likeliest label below which the answer is `UNKNOWN`; an assumption, not fitted."""

LOWEST = 1e-12
"""Least probability of which a log is taken."""

FEWEST = 5
"""Stretches of a speaker with which one is compared, where vectors are normalised by speaker; with fewer nothing is said."""

UNSURE, UNTAUGHT = "no label is likely enough", "there are no labelled recordings to learn from"
ALONE = "too few recordings of its speaker"
"""Reasons; those of a stretch that is not looked at are in `emotion_limits`."""


@dataclass
class EmotionModel(Stored):
    """A fitted classifier of stretches of speech.

    Attributes
    ----------
    labels : list of str
        Sorted.
    classifiers : dict of str to Machines or Network
        By kind; of several the answer is the `AVERAGE`.
    limits : Limits
        What a stretch must be like.
    temperatures : dict of str to float
        By kind; multiplies its scores.
    by_speaker : bool
        Whether vectors are normalised per speaker, which needs several stretches of each.
    measured : dict
        How it did on speakers it had not heard, by `fit`.
    """

    labels: list[str]
    classifiers: dict[str, Machines | Network]
    limits: Limits
    temperatures: dict[str, float]
    by_speaker: bool = False
    measured: dict[str, float] = field(default_factory=dict)

    requires: ClassVar[tuple[str, ...]] = ("scikit-learn", "scipy", "skops", "pandas", "numpy")

    def together(self, other: EmotionModel, found: Unheard) -> EmotionModel:
        """Return the average of two that were fitted to the same; ``found`` is what that said of speakers it never heard."""
        measured = figures(found) | {"refused": self.limits.refused}
        return replace(
            self, classifiers=self.classifiers | other.classifiers, temperatures=found.temperatures, measured=measured
        )

    def predict(self, stretches: Stretches | pd.DataFrame, speakers: Sequence[str] | None = None) -> pd.DataFrame:
        """Return ``emotion``, ``probability``, ``likeliest`` and ``reason`` of each stretch.

        ``emotion`` is the likeliest label, or `UNKNOWN` with the reason, which is empty otherwise. Of what is not speech that can
        be judged there is no likeliest label and no probability.
        """
        if isinstance(stretches, pd.DataFrame):
            stretches = Stretches.of_frame(stretches)
        if not len(stretches):
            return untold(0, "")
        reasons = self.limits.reasons(stretches)
        if self.by_speaker:
            _, places, counts = np.unique(_spoken(stretches, speakers), return_inverse=True, return_counts=True)
            reasons[(reasons == "") & (counts[places] < FEWEST)] = ALONE
        judged = reasons == ""
        probabilities = self.probabilities(stretches, speakers)
        highest = np.where(judged, probabilities.max(axis=1), np.nan)
        reasons[judged & (highest < LEAST)] = UNSURE
        likeliest = np.where(judged, np.array(self.labels, object)[probabilities.argmax(axis=1)], UNKNOWN)
        emotion = np.where(reasons == "", likeliest, UNKNOWN)
        return pd.DataFrame({"emotion": emotion, "probability": highest, "likeliest": likeliest, "reason": reasons})

    def probabilities(self, stretches: Stretches, speakers: Sequence[str] | None = None) -> np.ndarray:
        """Return the probability of each of ``labels`` (n × labels); without ``speakers``, all stretches are one's."""
        if self.by_speaker:
            stretches = replace(stretches, vectors=normalised(stretches.vectors, _spoken(stretches, speakers)))
        return averaged(
            softmax(one.scores(_shown(stretches, kind)) * self.temperatures[kind])
            for kind, one in self.classifiers.items()
        )


def kinds_of(model: str) -> list[str]:
    """Return the kinds that a model is made of: itself, or of the `AVERAGE` all."""
    return [*KINDS] if model == AVERAGE else [model]


def averaged(probabilities: Iterable[np.ndarray]) -> np.ndarray:
    """Return the probabilities whose logs are the mean of those given, but for what makes each row's sum 1; one alone as it is."""
    return softmax(np.mean([np.log(np.maximum(one, LOWEST)) for one in probabilities], axis=0))


def _shown(stretches: Stretches, kind: str) -> np.ndarray:
    shown: np.ndarray = getattr(stretches, KINDS[kind][0])
    return shown


def _spoken(stretches: Stretches, speakers: Sequence[str] | None) -> np.ndarray:
    return np.zeros(len(stretches)) if speakers is None else np.asarray(speakers)


def untold(count: int, reason: str = UNTAUGHT) -> pd.DataFrame:
    """Return what `EmotionModel.predict` does of so many stretches of which nothing can be said."""
    return pd.DataFrame(
        {
            "emotion": pd.Series([UNKNOWN] * count, dtype=object),
            "probability": np.full(count, np.nan),
            "likeliest": pd.Series([UNKNOWN] * count, dtype=object),
            "reason": pd.Series([reason] * count, dtype=object),
        }
    )


@dataclass(frozen=True)
class Unheard:
    """What was said of each stretch by a model that never heard its speaker.

    Attributes
    ----------
    labels : list of str
    truth, folds : arrays of int (n,)
    probabilities : array (n, labels)
        With the temperature that suits the other folds.
    temperatures : dict of str to float
        By kind of classifier, that suits all of them.
    """

    labels: list[str]
    truth: np.ndarray
    folds: np.ndarray
    probabilities: np.ndarray
    temperatures: dict[str, float]

    def together(self, other: Unheard) -> Unheard:
        """Return what the average of both says; of the same stretches."""
        probabilities = averaged([self.probabilities, other.probabilities])
        return replace(self, probabilities=probabilities, temperatures=self.temperatures | other.temperatures)


def fit(
    stretches: Stretches,
    labels: Sequence[str],
    speakers: Sequence[str],
    seed: int = 0,
    by_speaker: bool = False,
    found: Unheard | None = None,
) -> EmotionModel:
    """Return a classifier; at least two labels and two speakers. Same input and seed, same model.

    Parameters
    ----------
    stretches : Stretches
    labels, speakers : sequences of str
    seed : int
    by_speaker : bool
        Normalise the vectors of each speaker by that speaker's own mean and spread.
    found : Unheard, optional
        What `unheard` returned for the same arguments; of its kinds the model is. Without, of the machines alone.
    """
    found = found or unheard(stretches, labels, speakers, seed, by_speaker)
    limits = emotion_limits.fit(stretches, found.folds)
    if by_speaker:
        stretches = replace(stretches, vectors=normalised(stretches.vectors, np.asarray(speakers)))
    classifiers = {
        kind: KINDS[kind][1](_shown(stretches, kind), found.truth, len(found.labels), seed)
        for kind in found.temperatures
    }
    measured = figures(found) | {"refused": limits.refused}
    return EmotionModel(found.labels, classifiers, limits, found.temperatures, by_speaker, measured)


def unheard(
    stretches: Stretches,
    labels: Sequence[str],
    speakers: Sequence[str],
    seed: int = 0,
    by_speaker: bool = False,
    kind: str = "svm",
) -> Unheard:
    """Return what classifiers of a kind of `KINDS` say of speakers that they were not fitted on; arguments as of `fit`."""
    names, truth = np.unique(np.asarray(labels, str), return_inverse=True)
    folds = folds_of(np.asarray(speakers))
    if by_speaker:
        stretches = replace(stretches, vectors=normalised(stretches.vectors, np.asarray(speakers)))
    given, fitted = _shown(stretches, kind), KINDS[kind][1]
    scores = np.full((len(truth), len(names)), -np.inf)
    for fold in range(folds.max() + 1):
        learn, held = folds != fold, folds == fold
        known, codes = np.unique(truth[learn], return_inverse=True)
        if len(known) < 2:
            scores[held] = 0
            continue
        said = fitted(given[learn], codes, len(known), seed).scores(given[held])
        scores[held] = said.min(axis=1, keepdims=True)  # a label that only the left out have is the least likely
        scores[np.ix_(held, known)] = said
    probabilities = np.zeros_like(scores)
    for fold in range(folds.max() + 1):
        held = folds == fold
        probabilities[held] = softmax(scores[held] * _temperature(scores[~held], truth[~held]))
    return Unheard([str(name) for name in names], truth, folds, probabilities, {kind: _temperature(scores, truth)})


def figures(found: Unheard) -> dict[str, float]:
    """Return ``accuracy``, ``uar`` (the mean of the labels' recalls), ``log_loss`` and ``calibration_error``."""
    right = found.probabilities.argmax(axis=1) == found.truth
    chosen = found.probabilities[np.arange(len(right)), found.truth]
    return {
        "accuracy": float(right.mean()),
        "uar": float(np.mean([right[found.truth == label].mean() for label in np.unique(found.truth)])),
        "log_loss": float(-np.log(np.maximum(chosen, LOWEST)).mean()),
        "calibration_error": calibration_error(found.probabilities.max(axis=1), right),
    }


def normalised(vectors: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    """Return the vectors less their speaker's mean, over their speaker's spread."""
    result = np.empty_like(vectors)
    for speaker in np.unique(speakers):
        own = vectors[speakers == speaker]
        result[speakers == speaker] = (own - own.mean(axis=0)) / (own.std(axis=0) + 1e-6)
    return result


def folds_of(speakers: np.ndarray) -> np.ndarray:
    """Return a fold for each stretch, all of a speaker in the same: the largest first, each into the emptiest."""
    names, places, counts = np.unique(speakers, return_inverse=True, return_counts=True)
    sizes, fold = np.zeros(min(GROUPS, len(names)), int), np.zeros(len(names), int)
    for name in np.argsort(-counts, kind="stable"):
        fold[name] = sizes.argmin()
        sizes[fold[name]] += counts[name]
    return fold[places]


def _temperature(scores: np.ndarray, truth: np.ndarray) -> float:
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        chosen = softmax(scores * np.exp(log_temperature))[np.arange(len(truth)), truth]
        return float(-np.log(np.maximum(chosen, LOWEST)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-4.0, 3.0), method="bounded").x))
