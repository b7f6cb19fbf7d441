"""What networks are fed: columns made comparable. No network here."""

from __future__ import annotations

import numpy as np

from crm_pipeline.modeling.estimators.splines import signed_log


class Inputs:
    """Turns a matrix into inputs of mean 0, so that an input of zeros is the average customer.

    Values are signed logs, held within the range seen in training and standardised; a missing one is 0, with an indicator of its own.
    """

    def fit(self, values: np.ndarray) -> Inputs:
        """Learn range, mean and deviation of each column, and which have gaps."""
        z = signed_log(values)
        present = ~np.isnan(z)
        some = present.any(axis=0)
        z[:, ~some] = 0.0
        self.low, self.high, self.mean, scale = (f(z, axis=0) for f in (np.nanmin, np.nanmax, np.nanmean, np.nanstd))
        self.scale = np.where(scale < 1e-12, np.inf, scale)  # a constant column says nothing
        self.gaps = np.flatnonzero(some & ~present.all(axis=0))
        self.missing = 1 - present[:, self.gaps].mean(axis=0)
        return self

    def of(self, values: np.ndarray) -> np.ndarray:
        """Return the inputs (n × columns, then one for each column with gaps)."""
        z = signed_log(values)
        held = (np.clip(z, self.low, self.high) - self.mean) / self.scale
        return np.hstack([np.nan_to_num(held), np.isnan(z[:, self.gaps]) - self.missing])

    def by_column(self, terms: np.ndarray) -> np.ndarray:
        """Return terms of inputs as terms of columns (n × columns)."""
        count = terms.shape[1] - len(self.gaps)
        own = terms[:, :count].copy()
        own[:, self.gaps] += terms[:, count:]
        return own
