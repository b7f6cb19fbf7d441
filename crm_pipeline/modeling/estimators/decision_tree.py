"""One small regression tree of amounts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_pipeline.modeling.estimators.learner import AmountLearner, Tabular
from crm_pipeline.modeling.estimators.trees import path_terms
from crm_pipeline.modeling.preprocessing import learnable, matrix


class TreeAmount(Tabular, AmountLearner):
    """One regression tree grown on log(1 + amount); a leaf says the mean amount of its rows.

    Parameters
    ----------
    depth, leaf : int
        Depth, and least rows in a leaf.
    """

    def __init__(self, depth: int = 6, leaf: int = 100):
        self.depth = depth
        self.leaf = leaf

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> TreeAmount:
        """Fit on the columns of ``X`` (n × features) and amounts of at least 0."""
        from sklearn.tree import DecisionTreeRegressor

        self.columns_ = learnable(X)
        values, amounts = matrix(X, self.columns_).astype("float32"), np.asarray(y, dtype=float)
        self.model_ = DecisionTreeRegressor(max_depth=self.depth, min_samples_leaf=self.leaf, random_state=0)
        self.model_.fit(values, np.log1p(amounts))
        paths = self.model_.decision_path(values)
        rows = np.asarray(paths.sum(axis=0)).ravel()
        self.node_log_means_ = np.log((paths.T @ amounts + amounts.mean()) / (rows + 1))
        return self

    def _raw(self, values: np.ndarray) -> np.ndarray:
        return self.node_log_means_[self.model_.apply(values.astype("float32"))]

    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        table = path_terms(self.model_.tree_, self.node_log_means_, len(self.columns_)).astype(float)
        return table[self.model_.apply(values.astype("float32"))], float(self.node_log_means_[0])
