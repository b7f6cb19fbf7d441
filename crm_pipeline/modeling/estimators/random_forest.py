"""Random forest. Missing values go the way the trees learned; its attributions are path terms."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_pipeline.modeling.calibration import logit
from crm_pipeline.modeling.estimators.learner import ProbabilityLearner, Tabular
from crm_pipeline.modeling.estimators.trees import path_terms
from crm_pipeline.modeling.preprocessing import learnable, matrix


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
        return self

    def _raw(self, values: np.ndarray) -> np.ndarray:
        return logit(self.model_.predict_proba(values.astype("float32"))[:, 1])

    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        from scipy.sparse import csr_matrix

        tables, roots, starts, at = [], [], [], 0
        for member in self.model_.estimators_:
            share = member.tree_.value[:, 0, 1]
            tables.append(path_terms(member.tree_, share, len(self.columns_)))
            roots.append(share[0])
            starts.append(at)
            at += member.tree_.node_count
        leaves = self.model_.apply(values.astype("float32")) + np.array(starts)
        n, count = leaves.shape
        pick = csr_matrix(
            (np.full(n * count, 1 / count, dtype="float32"), leaves.ravel(), np.arange(0, n * count + 1, count)),
            shape=(n, at),
        )
        terms, root = (pick @ np.vstack(tables)).astype(float), float(np.mean(roots))
        base = float(logit(root))
        return _stretch(terms, self._raw(values) - base), base


def _stretch(terms: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Scale each row's terms to sum to ``target``; what a near-zero sum cannot carry is spread evenly."""
    total = terms.sum(axis=1)
    usable = np.abs(total) > 1e-3
    factor = np.where(usable, target / np.where(usable, total, 1.0), 1.0)
    factor = np.clip(factor, 0.0, 50.0)
    scaled = terms * factor[:, None]
    return scaled + ((target - scaled.sum(axis=1)) / terms.shape[1])[:, None]
