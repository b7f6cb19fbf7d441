"""Support vector machines over the vectors of stretches of speech. Calibration and choosing do not belong here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

COST, WIDTH = 5.0, 0.5
"""Of a training example on the wrong side; of the radial kernel, divided by the vector's length. Set beforehand, not searched."""

SHARPNESS = 4.0
"""By which the decision between two labels becomes a chance, before the temperature."""


@dataclass
class Machines:
    """Fitted machines, one for each pair of labels.

    Attributes
    ----------
    mean, scale : arrays (width,)
        Of the training vectors.
    machine : sklearn.svm.SVC
    classes : int
    """

    mean: np.ndarray
    scale: np.ndarray
    machine: Any
    classes: int

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Return a score of each label (n × labels): the sum of the log chances in its pairs."""
        decided = self.machine.decision_function(((vectors - self.mean) / self.scale).astype(np.float64))
        if self.classes == 2:
            decided = -decided[:, None]
        scores = np.zeros((len(vectors), self.classes))
        for pair, (one, other) in enumerate(zip(*np.triu_indices(self.classes, 1), strict=True)):
            scores[:, one] -= np.logaddexp(0, -SHARPNESS * decided[:, pair])
            scores[:, other] -= np.logaddexp(0, SHARPNESS * decided[:, pair])
        return scores


def fit(vectors: np.ndarray, codes: np.ndarray, classes: int, seed: int) -> Machines:
    """Return machines fitted to vectors (n, width) and the numbers of their labels, each of which occurs."""
    from sklearn.svm import SVC

    mean, scale = vectors.mean(axis=0), vectors.std(axis=0) + 1e-6
    machine = SVC(
        C=COST, gamma=WIDTH / vectors.shape[1], decision_function_shape="ovo", cache_size=500, random_state=seed
    )
    machine.fit(((vectors - mean) / scale).astype(np.float64), codes)
    return Machines(mean, scale, machine, classes)
