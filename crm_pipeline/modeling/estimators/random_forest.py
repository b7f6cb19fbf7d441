"""Random forests of probabilities and of amounts. Missing values go the way the trees learned; attributions are path terms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from crm_pipeline.modeling.calibration import logit
from crm_pipeline.modeling.estimators.entry import Context
from crm_pipeline.modeling.estimators.learner import AmountLearner, ProbabilityLearner, Tabular
from crm_pipeline.modeling.estimators.rows import sampled
from crm_pipeline.modeling.estimators.trees import forest_terms, node_sums
from crm_pipeline.modeling.preprocessing import learnable, matrix

MOST = 15_000
"""Rows that a tree of amounts sees at most."""


class ForestChurn(Tabular, ProbabilityLearner):
    """Random forest; its mean leaf share in log-odds. Missing values go the way the trees learned.

    The attributions are path terms of the probability, stretched by one factor per row so that they sum in log-odds.

    Parameters
    ----------
    trees, leaf : int
        Number of trees, and least rows in a leaf.
    share : float
        Share of the rows each tree sees.
    seed, threads : int
        Same seed, same model.
    """

    def __init__(self, trees: int = 200, leaf: int = 20, share: float = 0.3, seed: int = 0, threads: int = 2):
        self.trees = trees
        self.leaf = leaf
        self.share = share
        self.seed = seed
        self.threads = threads

    @classmethod
    def build(cls, context: Context) -> ForestChurn:
        """Return it with all threads to grow its trees apart: it is the same with any number."""
        return cls(seed=context.seed, threads=context.cores)

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> ForestChurn:
        """Fit on the columns of ``X`` (n × features) and labels 0/1."""
        from sklearn.ensemble import RandomForestClassifier

        self.columns_ = learnable(X)
        self.model_ = RandomForestClassifier(
            n_estimators=self.trees,
            min_samples_leaf=self.leaf,
            max_samples=self.share,
            n_jobs=self.threads,
            random_state=self.seed,
        ).fit(matrix(X, self.columns_).astype("float32"), np.asarray(y))
        self.model_.n_jobs = (
            1  # several threads add the trees' shares in the order in which they end: other last digits every time
        )
        return self

    def _raw(self, values: np.ndarray) -> np.ndarray:
        return logit(self.model_.predict_proba(values.astype("float32"))[:, 1])

    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        shares = [member.tree_.value[:, 0, 1] for member in self.model_.estimators_]
        terms, root = forest_terms(self.model_, shares, values, len(self.columns_))
        base = float(logit(root))
        return _stretch(terms, self._raw(values) - base), base


class ForestAmount(Tabular, AmountLearner):
    """Random forest grown on log(1 + amount), a leaf saying the mean amount of its rows, zero amounts included.

    The raw score is the mean over the trees of the log of what their leaves say: one outlying order in a leaf then moves its
    customers less than in a mean of amounts, and path terms add up without stretching. Its total over the rows fitted is the actual one.

    Parameters
    ----------
    trees, leaf : int
        Number of trees, and least rows in a leaf.
    share : float
        Share of the rows each tree sees, `MOST` at most.
    rows : int
        Rows fitted at most: those of a fixed sample of customers.
    seed, threads : int
        Same seed, same model.
    """

    def __init__(
        self,
        trees: int = 60,
        leaf: int = 20,
        share: float = 0.3,
        rows: int = 100_000,
        seed: int = 0,
        threads: int = 2,
    ):
        self.trees = trees
        self.leaf = leaf
        self.share = share
        self.rows = rows
        self.seed = seed
        self.threads = threads

    @classmethod
    def build(cls, context: Context) -> ForestAmount:
        """Return it with all threads to grow its trees apart: it is the same with any number."""
        return cls(seed=context.seed, threads=context.cores)

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> ForestAmount:
        """Fit on the columns of ``X`` (n × features) and amounts of at least 0."""
        from sklearn.ensemble import RandomForestRegressor

        self.columns_ = learnable(X)
        at = sampled(X, self.rows)
        values, amounts = matrix(X.iloc[at], self.columns_).astype("float32"), np.asarray(y, dtype=float)[at]
        self.model_ = RandomForestRegressor(
            n_estimators=self.trees,
            min_samples_leaf=self.leaf,
            max_samples=min(int(self.share * len(at)), MOST),
            max_features="sqrt",
            n_jobs=self.threads,
            random_state=self.seed,
        ).fit(values, np.log1p(amounts / amounts.mean()))
        self.log_means_ = [
            self._log_means(member.tree_, leaves, amounts)
            for member, leaves in zip(self.model_.estimators_, self.model_.apply(values).T, strict=True)
        ]
        self.log_smear_ = 0.0
        self.log_smear_ = float(np.log(amounts.sum() / np.exp(self._raw(values)).sum()))
        return self

    def _log_means(self, tree: Any, leaves: np.ndarray, amounts: np.ndarray) -> np.ndarray:
        """Return the log mean amount of every node, with one row of the mean amount added so that it is finite."""
        rows = node_sums(tree, leaves, np.ones(len(amounts)))
        return np.log((node_sums(tree, leaves, amounts) + amounts.mean()) / (rows + 1))

    def _raw(self, values: np.ndarray) -> np.ndarray:
        leaves = self.model_.apply(values.astype("float32"))
        said = [log_means[at] for log_means, at in zip(self.log_means_, leaves.T, strict=True)]
        return self.log_smear_ + np.mean(said, axis=0)

    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        terms, base = forest_terms(self.model_, self.log_means_, values, len(self.columns_))
        return terms, base + self.log_smear_


def _stretch(terms: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Scale each row's terms to sum to ``target``; what a near-zero sum cannot carry is spread evenly."""
    total = terms.sum(axis=1)
    usable = np.abs(total) > 1e-3
    factor = np.where(usable, target / np.where(usable, total, 1.0), 1.0)
    factor = np.clip(factor, 0.0, 50.0)
    scaled = terms * factor[:, None]
    return scaled + ((target - scaled.sum(axis=1)) / terms.shape[1])[:, None]
