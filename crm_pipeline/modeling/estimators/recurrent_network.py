"""A recurrent network over the orders of each of the last periods, with a linear term of all other features."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from crm_pipeline.modeling.estimators import gru
from crm_pipeline.modeling.estimators.entry import Context
from crm_pipeline.modeling.estimators.inputs import Inputs
from crm_pipeline.modeling.estimators.learner import Learner, ProbabilityLearner, Tabular
from crm_pipeline.modeling.estimators.rows import sampled
from crm_pipeline.modeling.estimators.stopping import known_and_asked
from crm_pipeline.modeling.preprocessing import learnable, matrix

SHORTEST, LENGTH = 3, 12
"""Periods that a sequence has at least, and at most; shorter ones begin with zeros, so that one program fits all."""

BLOCK = 2_048
"""Sequences explained at once, so that their states stay in the processor's cache."""

WITHOUT = "it needs the extra 'deep': pip install --editable '.[deep]' in the clone"
TOO_SHORT = f"features/customers has orders of fewer than {SHORTEST} single periods (orders_m1, orders_m2, and so on)"


def sequence(columns: list[str]) -> list[str]:
    """Return the features that hold the orders of single periods, the oldest first; what lies behind a gap is left out."""
    found = {int(m[1]) for c in columns if (m := re.fullmatch(r"orders_m(\d+)", c))}
    last = next(i for i in range(1, len(found) + 2) if i not in found) - 1
    return [f"orders_m{i}" for i in range(min(last, LENGTH), 0, -1)]


class RecurrentChurn(Tabular, ProbabilityLearner):
    """A gated recurrent unit (Cho et al. 2014) over the orders of each of the last periods, plus a linear term of all other features.

    Both in the log-odds, so that the linear terms are exact; those of the periods are `gru.Network.shares`.

    Parameters
    ----------
    rows : int
        Rows fitted at most: those of a fixed sample of customers.
    seed : int
        Same seed, same model.
    """

    requires = tuple(name for name in Learner.requires if name != "xgboost")

    def __init__(self, rows: int = 100_000, seed: int = 0):
        self.rows = rows
        self.seed = seed

    @classmethod
    def build(cls, context: Context) -> Learner | str:
        """Return it, or what is missing."""
        if len(sequence(context.columns)) < SHORTEST:
            return TOO_SHORT
        return super().build(context) if gru.available() else WITHOUT

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> RecurrentChurn:
        """Fit on the columns of ``X`` (n × features) and labels 0/1."""
        columns = learnable(X)
        orders = sequence(columns)
        self.columns_ = [*orders, *(c for c in columns if c not in orders)]
        self.length_ = len(orders)
        at = sampled(X, self.rows)
        X, y = X.iloc[at], np.asarray(y)[at]
        values = matrix(X, self.columns_)
        self.orders_, self.inputs_ = Inputs().fit(values[:, : self.length_]), Inputs().fit(values[:, self.length_ :])
        self.weights_ = vars(gru.fit(*self._shown(values), y, *known_and_asked(X), self.seed))
        return self

    def _shown(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sequences, begun with zeros where they are shorter than `LENGTH`, and what is beside them."""
        orders = self.orders_.of(values[:, : self.length_])[:, : self.length_]
        return np.pad(orders, ((0, 0), (LENGTH - self.length_, 0))), self.inputs_.of(values[:, self.length_ :])

    def _raw(self, values: np.ndarray) -> np.ndarray:
        network, (orders, beside) = gru.Network(**self.weights_), self._shown(values)
        return network.log_odds(orders, beside)

    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        network, (orders, beside) = gru.Network(**self.weights_), self._shown(values)
        kinds, of = np.unique(orders, axis=0, return_inverse=True)
        terms = [
            network.shares(kinds)[of.ravel(), LENGTH - self.length_ :],
            self.inputs_.by_column(beside * network.linear),
        ]
        return np.hstack(terms), network.level + float(network.of_sequences(np.zeros((1, LENGTH)))[0])
