"""What a text is about: a linear classifier of labelled texts with calibrated probabilities and an honest *unknown*. No files.

Linear support vector machines, one class against the rest, on `crm_pipeline.text.vectors`. One temperature makes their decision
values probabilities; it is fitted on folds that the machines had not seen. Whole intents are left out in other folds: what the
machines say of them teaches when to answer `UNKNOWN`, and tells what that costs, without a single text from outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from crm_pipeline.text import vectors as features
from crm_pipeline.text.labels import UNKNOWN
from crm_pipeline.text.stored import Stored
from crm_pipeline.text.unknown import Rule, Trial, cross_checked, learned, signs
from crm_pipeline.text.vectors import Read, Vectors, Words

BATCH = 4_096
"""Texts that are predicted at once."""

FOLDS, LEFT_OUT_FOLDS, LEFT_OUT = 5, 3, 0.15
"""Folds for the temperature; folds in which this share of the intents is left out."""

OUTSIDE = 0.2
"""Share of texts that belong to no intent, for which the rule of `UNKNOWN` is the best; an assumption."""

COST = 0.5
"""Of a training text on the wrong side (scikit-learn's ``C``); by cross-validation on the training part of Banking77."""


@dataclass
class IntentModel(Stored):
    """A fitted classifier of texts.

    Attributes
    ----------
    labels : list of str
        The intents, sorted; without `UNKNOWN`.
    vectors : Vectors
    weights : array (width, classes)
        Of the support vector machines; one more column, the last, where training texts were labelled `UNKNOWN`.
    intercepts : array (classes,)
    temperature : float
        Multiplies decision values.
    rule : Rule or None
        When to answer; null where nothing could teach it (two intents and no text labelled `UNKNOWN`).
    measured : dict
        How it did on texts it had not seen, by `fit`.
    """

    labels: list[str]
    vectors: Vectors
    weights: np.ndarray
    intercepts: np.ndarray
    temperature: float = 1.0
    rule: Rule | None = None
    measured: dict[str, float] = field(default_factory=dict)

    requires: ClassVar[tuple[str, ...]] = ("scikit-learn", "scipy", "nltk", "skops", "pandas", "numpy")

    def predict(self, texts: Sequence[str | None] | pd.DataFrame) -> pd.DataFrame:
        """Return ``intent``, ``probability`` and ``likeliest`` of each text, or of each row's column ``text``.

        ``intent`` is the likeliest one or `UNKNOWN`; the probability is that of the likeliest among all intents, given that
        the text is about one of them. Each distinct text is looked at once, a batch at a time.
        """
        rows = texts["text"] if isinstance(texts, pd.DataFrame) else texts
        given = np.array(["" if text is None or text is pd.NA else text for text in rows], dtype=object)
        places, distinct = pd.factorize(given)
        words = Words()
        parts = [self.said(words.read(distinct[start : start + BATCH])) for start in range(0, len(distinct), BATCH)]
        frame = pd.concat(parts, ignore_index=True) if parts else self.said(words.read([]))
        return frame.iloc[places].reset_index(drop=True)

    def said(self, texts: Read) -> pd.DataFrame:
        """Return what `predict` does of texts that were read; each as it comes."""
        probabilities, found = self._signs(texts)
        answered = found[:, 3] > 0 if self.rule is None else self.rule.answers(found)
        likeliest = np.array(self.labels, dtype=object)[probabilities.argmax(axis=1)]
        intent = np.where(answered, likeliest, UNKNOWN)
        return pd.DataFrame({"intent": intent, "probability": probabilities.max(axis=1), "likeliest": likeliest})

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Return the probability of each of ``labels`` (n × labels), given that a text is about one of them."""
        decisions, _ = self._decisions(self.vectors.transform(texts))
        return softmax(decisions * self.temperature)

    def _decisions(self, matrix: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the intents' decision values and that of `UNKNOWN`, if it was learned."""
        every = np.asarray(matrix @ self.weights) + self.intercepts
        known = len(self.labels)
        return every[:, :known].astype(float), every[:, known].astype(float) if every.shape[1] > known else None

    def _signs(self, texts: Sequence[str] | np.ndarray | Read) -> tuple[np.ndarray, np.ndarray]:
        matrix, known = self.vectors.look(texts)
        decisions, none = self._decisions(matrix)
        probabilities = softmax(decisions * self.temperature)
        return probabilities, signs(decisions, probabilities, known, none)


def fit(texts: Sequence[str], labels: Sequence[str], seed: int = 0, outside: float = OUTSIDE) -> IntentModel:
    """Return a classifier of the labelled texts; at least two intents with two texts each. Same input and seed, same model.

    Parameters
    ----------
    texts, labels : sequences of str
        A label `UNKNOWN` says that a text belongs to no intent: it teaches when not to answer.
    seed : int
    outside : float
        The share of what will be asked that belongs to no intent; the more, the more often the answer is `UNKNOWN`.
    """
    given, named = np.array(texts, dtype=object), np.array(labels, dtype=object)
    rng = np.random.default_rng(seed)
    folds = folds_of(named, FOLDS, rng)
    model = _machines(given, named, seed)
    model.temperature, model.measured = _calibrated(given, named, folds, model.labels, seed)
    trials = list(_trials(given, named, folds, model.temperature, rng))
    if any(trial.outside.any() for trial in trials):
        model.rule = learned(trials, outside)
        found = cross_checked(trials, outside)
        model.measured |= {f"unknown_{name}": value for name, value in found.items() if not np.isnan(value)}
    return model


def softmax(values: np.ndarray) -> np.ndarray:
    """Return exp(values) divided by their sum, row by row, without overflow."""
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def calibration_error(probability: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Return the expected calibration error of the highest probabilities, over bins of equally many rows."""
    parts = np.array_split(np.argsort(probability, kind="stable"), min(bins, max(len(right), 1)))
    gaps = [abs(probability[part].mean() - right[part].mean()) * len(part) for part in parts if len(part)]
    return float(sum(gaps) / max(len(right), 1))


def folds_of(labels: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return a fold for each row (n,), each label spread over them as evenly as can be; -1 for the only row of a label."""
    order = rng.permutation(len(labels))
    begin = rng.integers(count, size=len(labels))
    spread = pd.Series(order).groupby(labels[order]).cumcount().to_numpy()
    codes = pd.factorize(labels, sort=True)[0]
    folds = np.empty(len(labels), int)
    folds[order] = (spread + begin[codes[order]]) % count
    return np.where(np.bincount(codes)[codes] > 1, folds, -1)


def _machines(texts: np.ndarray, labels: np.ndarray, seed: int) -> IntentModel:
    from sklearn.svm import LinearSVC

    vectors, matrix = features.fit(texts)
    fitted = LinearSVC(C=COST, tol=1e-3, random_state=seed).fit(matrix, labels.astype(str))
    weights, intercepts, names = fitted.coef_.T, np.atleast_1d(fitted.intercept_), list(fitted.classes_)
    if len(names) == 2:
        weights, intercepts = np.hstack([-weights, weights]), np.r_[-intercepts, intercepts]
    order = [i for i, name in enumerate(names) if name != UNKNOWN] + [
        i for i, name in enumerate(names) if name == UNKNOWN
    ]
    known = [str(names[i]) for i in order if names[i] != UNKNOWN]
    return IntentModel(known, vectors, np.ascontiguousarray(weights[:, order], np.float32), intercepts[order])


def _calibrated(
    texts: np.ndarray, labels: np.ndarray, folds: np.ndarray, names: list[str], seed: int
) -> tuple[float, dict[str, float]]:
    """Return the temperature that suits unseen texts, and how good the machines are on them."""
    from scipy.optimize import minimize_scalar

    code = {name: place for place, name in enumerate(names)}
    truth = np.array([code.get(label, -1) for label in labels])
    decisions = np.zeros((len(texts), len(names)))
    for fold in range(FOLDS):
        held = (folds == fold) & (truth >= 0)
        if held.any():
            model = _machines(texts[folds != fold], labels[folds != fold], seed)
            decisions[held] = model._decisions(model.vectors.transform(texts[held]))[0]
    decisions, truth = decisions[truth >= 0], truth[truth >= 0]

    def loss(log_temperature: float) -> float:
        chosen = softmax(decisions * np.exp(log_temperature))[np.arange(len(truth)), truth]
        return float(-np.log(np.maximum(chosen, 1e-12)).mean())

    best = minimize_scalar(loss, bounds=(-2.0, 4.0), method="bounded")
    probabilities = softmax(decisions * np.exp(best.x))
    right = probabilities.argmax(axis=1) == truth
    return float(np.exp(best.x)), {
        "accuracy": float(right.mean()),
        "log_loss": float(best.fun),
        "calibration_error": calibration_error(probabilities.max(axis=1), right),
    }


def _trials(
    texts: np.ndarray, labels: np.ndarray, folds: np.ndarray, temperature: float, rng: np.random.Generator
) -> Iterator[Trial]:
    """Yield what machines say of unseen texts when some intents were left out of their training."""
    names = np.unique(labels[labels != UNKNOWN].astype(str))
    size = max(1, round(LEFT_OUT * len(names))) if len(names) > 2 else 0
    shuffled = rng.permutation(names)
    for number in range(LEFT_OUT_FOLDS):
        left = np.isin(labels.astype(str), shuffled[number * size : (number + 1) * size])
        learn = (folds != number) & ~left
        held = ~learn
        if not held.any():
            continue
        model = _machines(texts[learn], labels[learn], number)
        model.temperature = temperature
        probabilities, found = model._signs(texts[held])
        outside = left[held] | (labels[held] == UNKNOWN)
        right = np.array(model.labels, dtype=object)[probabilities.argmax(axis=1)] == labels[held]
        yield Trial(found, right & ~outside, outside)
