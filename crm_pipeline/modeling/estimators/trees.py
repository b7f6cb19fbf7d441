"""What the estimators made of scikit-learn's trees share: attributions along the path of a row."""

from __future__ import annotations

from typing import Any

import numpy as np


def path_terms(tree: Any, node_values: np.ndarray, features: int) -> np.ndarray:
    """Return for every node the change of value on the way from the root, summed by feature (nodes × features).

    Saabas (2014): each split's change belongs to the feature it splits on. ``tree`` is a fitted ``tree_``.
    """
    terms = np.zeros((tree.node_count, features), dtype="float32")
    parents = np.array([0])
    parents = parents[tree.children_left[parents] >= 0]
    while len(parents):
        split = tree.feature[parents]
        following = []
        for children in (tree.children_left[parents], tree.children_right[parents]):
            terms[children] = terms[parents]
            terms[children, split] += node_values[children] - node_values[parents]
            following.append(children)
        below = np.concatenate(following)
        parents = below[tree.children_left[below] >= 0]
    return terms


def forest_terms(
    forest: Any, node_values: list[np.ndarray], values: np.ndarray, features: int
) -> tuple[np.ndarray, float]:
    """Return the mean over the trees of their path terms (n × features), and the mean value of the roots.

    Parameters
    ----------
    forest : fitted scikit-learn forest
    node_values : list of arrays
        The value of every node, tree by tree.
    values : array (n, features)
    features : int
    """
    from scipy.sparse import csr_matrix

    trees = [member.tree_ for member in forest.estimators_]
    tables = [path_terms(tree, own, features) for tree, own in zip(trees, node_values, strict=True)]
    starts = np.cumsum([0, *(tree.node_count for tree in trees)])
    leaves = forest.apply(values.astype("float32")) + starts[:-1]
    n, count = leaves.shape
    pick = csr_matrix(
        (np.full(n * count, 1 / count, dtype="float32"), leaves.ravel(), np.arange(0, n * count + 1, count)),
        shape=(n, starts[-1]),
    )
    return (pick @ np.vstack(tables)).astype(float), float(np.mean([own[0] for own in node_values]))


def node_sums(tree: Any, leaves: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return for every node the sum of ``weights`` (n,) over the rows whose way leads through it, by the ``leaves`` (n,) they end in."""
    sums = np.bincount(leaves, weights, minlength=tree.node_count)
    for node in range(tree.node_count - 1, -1, -1):  # scikit-learn numbers parents before their children
        left, right = tree.children_left[node], tree.children_right[node]
        if left >= 0:
            sums[node] = sums[left] + sums[right]
    return sums
