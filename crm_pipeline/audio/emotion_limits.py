"""When nothing is said of how a stretch sounds: it is silent, too short, or unlike the speech that was learned from. No labels.

What is unlike (music, tones, noise, another kind of line) is told by one distance, Mahalanobis's with a shrunk covariance (Ledoit
and Wolf), and its limit by how far the training speakers are from each other: no example of music is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm_pipeline.audio.emotion_stretches import Stretches

SILENT, SHORT, UNLIKE = "silent", "too short", "no speech like that learned from"
"""Reasons."""

QUIETEST = 0.001
"""Level below which a stretch is silent; `crm_pipeline.audio.recordings` makes whatever is heard louder than that."""

SHORTEST, RARELY = 0.5, 0.05
"""Seconds that are never too short; share of the training stretches that may be shorter than the shortest."""

QUANTILE, REFUSED, MARGINS = 0.97, 0.05, (1.0, 1.1, 1.25, 1.5, 2.0)
"""Of the distances of speakers left out; greatest share of unheard speech refused; what the limit is multiplied with until it is."""


@dataclass
class Limits:
    """What a stretch must be like, so that something is said of it.

    Attributes
    ----------
    shortest : float
        Seconds.
    mean, scale, precision : arrays (width,), (width,), (width, width)
        Of the training vectors; of these, standardised, the inverse of the shrunk covariance.
    farthest : float
        Greatest distance.
    refused : float
        Share of speech of speakers left out that would be farther, by limits that never heard it.
    """

    shortest: float
    mean: np.ndarray
    scale: np.ndarray
    precision: np.ndarray
    farthest: float
    refused: float

    def reasons(self, stretches: Stretches) -> np.ndarray:
        """Return for each stretch why nothing is said of it; empty where something is."""
        reasons = np.where(self.distances(stretches.vectors) > self.farthest, UNLIKE, "").astype(object)
        reasons[stretches.seconds < self.shortest] = SHORT
        reasons[stretches.levels < QUIETEST] = SILENT
        return reasons

    def distances(self, vectors: np.ndarray) -> np.ndarray:
        """Return how far vectors are from those learned from: 1 in the mean, were they from the same speakers and many."""
        moved = (vectors.astype(np.float64) - self.mean) / self.scale
        return np.einsum("ij,ij->i", moved @ self.precision, moved) / vectors.shape[1]


def fit(stretches: Stretches, folds: np.ndarray) -> Limits:
    """Return the limits; ``folds`` (n,) hold all of a speaker in the same."""
    shortest = min(SHORTEST, float(np.quantile(stretches.seconds, RARELY)))
    apart = np.zeros(len(stretches))
    for fold in range(folds.max() + 1):
        held = folds == fold
        apart[held] = _shape(stretches.vectors[~held], shortest).distances(stretches.vectors[held])
    limits = _shape(stretches.vectors, shortest)
    for margin in MARGINS:
        limits.farthest, limits.refused = margin * float(np.quantile(apart, QUANTILE)), _refused(apart, folds, margin)
        if limits.refused <= REFUSED:
            break
    return limits


def _refused(apart: np.ndarray, folds: np.ndarray, margin: float) -> float:
    """Return the share that is farther than the other folds allow."""
    each = [apart[folds == fold] > margin * np.quantile(apart[folds != fold], QUANTILE) for fold in np.unique(folds)]
    return float(np.concatenate(each).mean())


def _shape(vectors: np.ndarray, shortest: float) -> Limits:
    from sklearn.covariance import LedoitWolf

    vectors = vectors.astype(np.float64)
    mean, scale = vectors.mean(axis=0), vectors.std(axis=0) + 1e-6
    precision = LedoitWolf(assume_centered=True).fit((vectors - mean) / scale).precision_
    return Limits(shortest, mean, scale, precision, np.inf, 0.0)
