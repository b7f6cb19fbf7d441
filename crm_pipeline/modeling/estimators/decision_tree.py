"""One decision tree, for demand."""

from typing import Any

from crm_pipeline.modeling.estimators.entry import Context, Entry


def _build(context: Context) -> Any:
    from crm_pipeline.modeling.learners.trees import TreeAmount

    return TreeAmount()


ENTRIES = (Entry("demand", "decision_tree", "One regression tree of depth 6; a leaf says its mean spend.", 3, _build),)
