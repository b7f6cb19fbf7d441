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
