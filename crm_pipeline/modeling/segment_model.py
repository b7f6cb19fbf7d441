"""The fitted segments as MLflow stores and shows them: an estimator whose prediction is a name. What is fitted is in `segments`."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClusterMixin  # noqa: TID253 (base classes; imported lazily)

from crm_pipeline.modeling.estimators.learner import Learner
from crm_pipeline.modeling.segments import Segments


class SegmentModel(ClusterMixin, BaseEstimator):
    """Segments that were fitted.

    Parameters
    ----------
    segments : str
        As `Segments.to_json` tells them.
    """

    requires: ClassVar[tuple[str, ...]] = Learner.requires
    log = Learner.log
    load = staticmethod(Learner.load)

    def __init__(self, segments: str = ""):
        self.segments = segments

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return the segment of each row (n,) of measures."""
        fitted = Segments.from_json(self.segments)
        return np.array(fitted.names, dtype=object)[fitted.assign(X)]
