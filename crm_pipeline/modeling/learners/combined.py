"""Models made of models: the equal average in log-odds, and the two-part model of amounts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_pipeline.modeling.calibration import expit
from crm_pipeline.modeling.learners.base import AmountLearner, ChurnLearner, Learner


def union(members: list[Learner]) -> list[str]:
    """Return all columns of the members, each once, in order."""
    return list(dict.fromkeys(c for member in members for c in member.columns_))


def place(member: Learner, columns: list[str]) -> slice | list[int]:
    """Return where the member's columns stand in ``columns``, as a slice (no copy) where they stand together."""
    where = {c: i for i, c in enumerate(columns)}
    at = [where[c] for c in member.columns_]
    together = at == list(range(at[0], at[0] + len(at)))
    return slice(at[0], at[0] + len(at)) if together else at


def mean_raw(members: list[Learner], columns: list[str], values: np.ndarray) -> np.ndarray:
    """Return the mean of the members' raw scores."""
    return np.sum([m._raw(values[:, place(m, columns)]) for m in members], axis=0) / len(members)


def mean_terms(members: list[Learner], columns: list[str], values: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the mean of the members' terms over the union of their columns, and of their bases."""
    terms, base = np.zeros((len(values), len(columns))), 0.0
    for member in members:
        at = place(member, columns)
        own, start = member._terms(values[:, at])
        terms[:, at] += own
        base += start / len(members)
    terms /= len(members)
    return terms, base


class ChurnAverage(ChurnLearner):
    """The equal average, in log-odds, of fitted churn models.

    Parameters
    ----------
    members : list of ChurnLearner
        Already fitted; `fit` fits those that are not.
    """

    def __init__(self, members: list[ChurnLearner]):
        self.members = members

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> ChurnAverage:
        """Fit every member that is not fitted yet on ``X`` (n × features) and labels 0/1."""
        for member in self.members:
            if not hasattr(member, "columns_"):
                member.fit(X, y)
        self.columns_, self.classes_ = union(self.members), np.array([0, 1])
        return self

    def _raw(self, values: np.ndarray) -> np.ndarray:
        return mean_raw(self.members, self.columns_, values)

    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        return mean_terms(self.members, self.columns_, values)


class TwoPart(AmountLearner):
    """P(buys) × mean amount if so (Cragg 1971; Duan et al. 1983): log mean = log P(buys) + log amount + log smearing.

    The smearing factor makes the predicted total of the training rows the actual one.

    Parameters
    ----------
    lapse : ChurnLearner
        Learns the log-odds of buying nothing.
    amounts : list of AmountLearner
        Learn the log amount of buyers; their raw scores are averaged.
    """

    def __init__(self, lapse: ChurnLearner, amounts: list[AmountLearner]):
        self.lapse = lapse
        self.amounts = amounts

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> TwoPart:
        """Fit on the columns of ``X`` (n × features) and amounts of at least 0."""
        bought = np.asarray(y) > 0
        self.lapse.fit(X, (~bought).astype(int))
        for member in self.amounts:
            member.fit(X[bought], np.asarray(y)[bought])
        self.columns_ = union([self.lapse, *self.amounts])
        self.log_smear_ = 0.0
        self.log_smear_ = float(np.log(np.sum(y) / self.predict(X).sum()))
        return self

    def _raw(self, values: np.ndarray) -> np.ndarray:
        lapse = self.lapse._raw(values[:, place(self.lapse, self.columns_)])
        return self.log_smear_ - np.logaddexp(0, lapse) + mean_raw(self.amounts, self.columns_, values)

    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        """Terms of the log amount plus those of the log-odds of buying, stretched per row to the log probability."""
        terms, base = mean_terms(self.amounts, self.columns_, values)
        at = place(self.lapse, self.columns_)
        own, start = self.lapse._terms(values[:, at])
        lapse = start + own.sum(axis=1)
        change = np.logaddexp(0, start) - np.logaddexp(0, lapse)  # of log P(buys), from the base customer
        moved = lapse - start
        near = np.abs(moved) < 1e-6
        slope = np.where(near, -expit(start), change / np.where(near, 1.0, moved))
        terms[:, at] += own * slope[:, None]
        return terms, base + self.log_smear_ - float(np.logaddexp(0, start))


class AmountAverage(AmountLearner):
    """The equal average, in log amounts, of fitted models; its total over the training rows is the actual one.

    Parameters
    ----------
    members : list of AmountLearner
        Already fitted; `fit` fits those that are not.
    """

    def __init__(self, members: list[AmountLearner]):
        self.members = members

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> AmountAverage:
        """Fit every member that is not fitted yet on ``X`` (n × features) and amounts of at least 0."""
        for member in self.members:
            if not hasattr(member, "columns_"):
                member.fit(X, y)
        self.columns_, self.log_smear_ = union(self.members), 0.0
        self.log_smear_ = float(np.log(np.sum(y) / self.predict(X).sum()))
        return self

    def _raw(self, values: np.ndarray) -> np.ndarray:
        return self.log_smear_ + mean_raw(self.members, self.columns_, values)

    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        terms, base = mean_terms(self.members, self.columns_, values)
        return terms, base + self.log_smear_
