"""The fixed, equal averages of fitted models: in log-odds, and in log amounts. What other models of models need is here too."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_pipeline.modeling.estimators.entry import Context
from crm_pipeline.modeling.estimators.learner import AmountLearner, ProbabilityLearner, Tabular


def union(members: list[Tabular]) -> list[str]:
    """Return all columns of the members, each once, in order."""
    return list(dict.fromkeys(c for member in members for c in member.columns_))


def place(member: Tabular, columns: list[str]) -> slice | list[int]:
    """Return where the member's columns stand in ``columns``, as a slice (no copy) where they stand together."""
    where = {c: i for i, c in enumerate(columns)}
    at = [where[c] for c in member.columns_]
    together = at == list(range(at[0], at[0] + len(at)))
    return slice(at[0], at[0] + len(at)) if together else at


def mean_raw(members: list[Tabular], columns: list[str], values: np.ndarray) -> np.ndarray:
    """Return the mean of the members' raw scores."""
    return np.sum([m._raw(values[:, place(m, columns)]) for m in members], axis=0) / len(members)


def mean_terms(members: list[Tabular], columns: list[str], values: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the mean of the members' terms over the union of their columns, and of their bases."""
    terms, base = np.zeros((len(values), len(columns))), 0.0
    for member in members:
        at = place(member, columns)
        own, start = member._terms(values[:, at])
        terms[:, at] += own
        base += start / len(members)
    terms /= len(members)
    return terms, base


class Average(Tabular):
    """The equal average of the raw scores of fitted models.

    Parameters
    ----------
    members : list of Tabular
        Already fitted; `fit` fits those that are not.
    """

    def __init__(self, members: list[Tabular]):
        self.members = members

    @classmethod
    def build(cls, context: Context) -> Average:
        """Return the average of the members of the context."""
        return cls(list(context.members.values()))

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Average:
        """Fit every member that is not fitted yet on ``X`` (n × features) and the labels."""
        for member in self.members:
            if not hasattr(member, "columns_"):
                member.fit(X, y)
        self.columns_ = union(self.members)
        return self

    def _raw(self, values: np.ndarray) -> np.ndarray:
        return mean_raw(self.members, self.columns_, values)

    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        return mean_terms(self.members, self.columns_, values)


class ChurnAverage(Average, ProbabilityLearner):
    """The equal average, in log-odds, of fitted probabilities."""


class AmountAverage(Average, AmountLearner):
    """The equal average, in log amounts, of fitted models; its total over the training rows is the actual one."""

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> AmountAverage:
        """Fit every member that is not fitted yet on ``X`` (n × features) and amounts of at least 0."""
        super().fit(X, y)
        self.log_smear_ = 0.0
        self.log_smear_ = float(np.log(np.sum(y) / self.predict(X).sum()))
        return self

    def _raw(self, values: np.ndarray) -> np.ndarray:
        return self.log_smear_ + super()._raw(values)

    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        terms, base = super()._terms(values)
        return terms, base + self.log_smear_
