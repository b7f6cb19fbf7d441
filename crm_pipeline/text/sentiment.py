"""How a text feels, from -1 to 1: the VADER lexicon for English, and a classifier beside it where labels were given. No intents.

VADER (Hutto and Gilbert 2014) is asked once for each distinct sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from crm_pipeline.text import vectors as features
from crm_pipeline.text.intents import FOLDS, calibration_error, folds_of, softmax
from crm_pipeline.text.stored import Stored
from crm_pipeline.text.tokens import PLACEHOLDER
from crm_pipeline.text.vader import compound
from crm_pipeline.text.vectors import Read, Vectors, Words

LONGEST, LONGEST_SENTENCE = 2_000, 500
"""Letters of a text, and of a sentence, that are read."""

BATCH = 4_096
ALPHA = 15.0
"""Of VADER's normalisation: a sum of valences s becomes s / sqrt(s² + 15)."""

SURE = 0.9998
PLAIN = 0.05
"""VADER's own limit: nearer to zero than this is neutral."""

LEAST = 30
"""Labelled texts below which a classifier is not fitted."""

STRENGTH = 4.0
"""Inverse of the ridge penalty (scikit-learn's ``C``)."""

PRIOR_WEIGHT = 2.0
"""How long the lexicon's part of a row is, beside the vectors' parts of about one: the penalty spares what is long."""

SENTENCE = re.compile(r"\s(?:(?<=[.!?。！？]\s)\s*|(?<=[\r\n])[\r\n]*)")
"""Blanks behind a stop, and line breaks. (As it begins with one class of signs, it is quickly found.)"""


@dataclass
class SentimentModel(Stored):
    """A scorer of texts; as it is made, the lexicon alone.

    Attributes
    ----------
    labels : list of str
        The sentiments that were learned, sorted; none without a classifier.
    languages : list of str
        Those of the training texts.
    vectors : Vectors or None
    weights : array (2 + width, labels)
    intercepts : array (labels,)
    temperature : float
    measured : dict
        How the classifier did on texts it had not seen, and the lexicon on the same; empty without a classifier.
    reason : str
        Why there is none.
    """

    labels: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    vectors: Vectors | None = None
    weights: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    intercepts: np.ndarray = field(default_factory=lambda: np.zeros(0))
    temperature: float = 1.0
    measured: dict[str, float] = field(default_factory=dict)
    reason: str = "no text with a labelled sentiment"

    requires: ClassVar[tuple[str, ...]] = (
        "scikit-learn",
        "scipy",
        "nltk",
        "vaderSentiment",
        "skops",
        "pandas",
        "numpy",
    )

    def score(self, texts: Sequence[str | None], languages: Sequence[str | None] | None = None) -> np.ndarray:
        """Return P(positive) - P(negative) of each text (n,); nan where nothing is written, or neither part knows the language.

        The classifier reads the languages it was trained on, the lexicon English; a language that is not known counts as both.
        """
        words, text = pd.factorize(_objects(texts))
        tongues, language = pd.factorize(_objects([""] * len(words) if languages is None else languages))
        pairs, places = np.unique(words * max(len(language), 1) + tongues, return_inverse=True)
        text, language = text[pairs // max(len(language), 1)], language[pairs % max(len(language), 1)]
        known = Words()
        parts = [
            self.of(text[start : start + BATCH], language[start : start + BATCH].astype(str), known)
            for start in range(0, len(pairs), BATCH)
        ]
        return np.concatenate(parts)[places] if parts else np.zeros(0)

    def of(self, texts: np.ndarray, languages: np.ndarray, read: Read | Words) -> np.ndarray:
        """Return what `score` does of texts, each as it comes: they were read, or are by the words given.

        Parameters
        ----------
        texts, languages : arrays of str
        read : Read or Words
            The same texts as they were read; where only the words are given, what has to be read is read with them.
        """
        english = is_english(languages)
        prior = np.zeros(len(texts))
        prior[english] = lexicon(texts[english])
        score = np.where(english, prior, np.nan)
        if self.vectors is not None and (learned := np.isin(languages, ["", *self.languages])).any():
            seen = read if isinstance(read, Read) else read.read(texts)
            score[learned] = _balance(self.probabilities(seen, prior)[learned], self.labels)
        # a number, marks or what was masked say nothing, unless the lexicon knows the sign
        silent = np.fromiter((not _speaks(text) for text in texts), bool, len(texts))
        return np.where(silent & (prior == 0), np.nan, score)

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return `score` of each row's ``text``, in its ``language``, as ``sentiment``."""
        return pd.DataFrame({"sentiment": self.score(rows["text"].tolist(), rows["language"].tolist())})

    def probabilities(self, texts: Sequence[str] | np.ndarray | Read, prior: np.ndarray) -> np.ndarray:
        """Return the probability of each of ``labels`` (n × labels); the prior is the lexicon's score, 0 where it has none."""
        assert self.vectors is not None
        decisions = _rows(self.vectors.transform(texts), prior) @ self.weights + self.intercepts
        return softmax(np.asarray(decisions, dtype=float) * self.temperature)


def fit(
    texts: Sequence[str], sentiments: Sequence[str | None], languages: Sequence[str | None] | None = None, seed: int = 0
) -> SentimentModel:
    """Return a scorer that learned from those texts whose sentiment is given; without enough of them, the lexicon alone."""
    words, labels = _objects(texts), _objects(sentiments)
    language = _objects([""] * len(words) if languages is None else languages).astype(str)
    kinds, counts = np.unique(labels.astype(str), return_counts=True)
    kept = np.isin(labels.astype(str), [kind for kind, count in zip(kinds, counts, strict=True) if kind and count > 1])
    words, labels, language = words[kept], labels[kept], language[kept]
    if len(words) < LEAST or len(set(labels)) < 2:
        return SentimentModel(
            reason=f"{len(words):,} texts with a labelled sentiment of {len(set(labels))} kinds; "
            f"at least {LEAST} of two kinds are needed"
        )
    english = is_english(language)
    prior = np.zeros(len(words))
    prior[english] = lexicon(words[english])
    model = _fitted(words, labels, prior)
    model.languages = sorted({one for one in language if one} or {"en"})
    model.temperature, model.measured = _calibrated(model.labels, words, labels, prior, seed)
    model.measured["lexicon_accuracy"] = (
        float((_by_lexicon(prior) == labels)[english].mean()) if english.any() else np.nan
    )
    model.reason = ""
    return model


def lexicon(texts: Sequence[str] | np.ndarray) -> np.ndarray:
    """Return VADER's compound score of each text (n,), from its sentences' valences added up."""
    split = [SENTENCE.split(text[:LONGEST]) for text in texts]
    rows = np.repeat(np.arange(len(split)), np.fromiter(map(len, split), int, len(split)))
    places, distinct = pd.factorize(np.array([*chain.from_iterable(split)], dtype=object))
    found = np.fromiter((compound(sentence[:LONGEST_SENTENCE]) for sentence in distinct), float, len(distinct))
    held = np.clip(found, -SURE, SURE)
    valence = held * np.sqrt(ALPHA / (1 - held**2))
    summed = np.bincount(rows, weights=valence[places], minlength=len(split))
    return summed / np.sqrt(summed**2 + ALPHA)


def _speaks(text: str) -> bool:
    return text[:1].isalpha() or any(map(str.isalpha, PLACEHOLDER.sub(" ", text)))


def _objects(values: Sequence[str | None]) -> np.ndarray:
    """Return the values as an array of str, a null as nothing."""
    return np.array([value if isinstance(value, str) else "" for value in values], dtype=object)


def is_english(languages: np.ndarray) -> np.ndarray:
    """Tell for which languages VADER is asked (n,): English, or not known."""
    return np.isin(languages, ["", "en"])


def _by_lexicon(prior: np.ndarray) -> np.ndarray:
    return np.select([prior >= PLAIN, prior <= -PLAIN], ["positive", "negative"], "neutral")


def _balance(probabilities: np.ndarray, labels: list[str]) -> np.ndarray:
    signs = np.array([{"positive": 1.0, "negative": -1.0}.get(label, 0.0) for label in labels])
    return probabilities @ signs


def _rows(matrix: Any, prior: np.ndarray) -> Any:
    from scipy.sparse import csr_matrix, hstack

    told = np.column_stack([prior, np.abs(prior)]) * PRIOR_WEIGHT
    return hstack([csr_matrix(told.astype(np.float32)), matrix], format="csr")


def _fitted(texts: np.ndarray, labels: np.ndarray, prior: np.ndarray) -> SentimentModel:
    from sklearn.linear_model import LogisticRegression

    vectors, matrix = features.fit(texts)
    # balanced, so that a text that tells nothing is neither, whatever was labelled most
    fitted = LogisticRegression(C=STRENGTH, max_iter=500, class_weight="balanced").fit(
        _rows(matrix, prior), labels.astype(str)
    )
    weights, intercepts = fitted.coef_.T, fitted.intercept_
    if weights.shape[1] == 1:
        weights, intercepts = np.hstack([np.zeros_like(weights), weights]), np.r_[0.0, intercepts]
    return SentimentModel(
        [*map(str, fitted.classes_)], [], vectors, np.ascontiguousarray(weights, np.float32), intercepts
    )


def _calibrated(
    names: list[str], texts: np.ndarray, labels: np.ndarray, prior: np.ndarray, seed: int
) -> tuple[float, dict[str, float]]:
    """Return the temperature that suits unseen texts, and how good the classifier is on them."""
    from scipy.optimize import minimize_scalar

    folds = folds_of(labels, FOLDS, np.random.default_rng(seed))
    logs = np.zeros((len(texts), len(names)))
    for fold in range(FOLDS):
        held = folds == fold
        if held.any():
            model = _fitted(texts[~held], labels[~held], prior[~held])
            logs[held] = np.log(np.maximum(model.probabilities(texts[held], prior[held]), 1e-12))
    truth = np.searchsorted(names, labels.astype(str))

    def loss(log_temperature: float) -> float:
        chosen = softmax(logs * np.exp(log_temperature))[np.arange(len(truth)), truth]
        return float(-np.log(np.maximum(chosen, 1e-12)).mean())

    best = minimize_scalar(loss, bounds=(-2.0, 3.0), method="bounded")
    found = softmax(logs * np.exp(best.x))
    right = found.argmax(axis=1) == truth
    return float(np.exp(best.x)), {
        "texts": float(len(texts)),
        "accuracy": float(right.mean()),
        "log_loss": float(best.fun),
        "calibration_error": calibration_error(found.max(axis=1), right),
    }
