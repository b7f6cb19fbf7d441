"""Random forest, for churn."""

from typing import Any

from crm_pipeline.modeling.estimators.entry import Context, Entry


def _build(context: Context) -> Any:
    from crm_pipeline.modeling.learners.trees import ForestChurn

    return ForestChurn(seed=context.seed, threads=context.threads)


ENTRIES = (
    Entry("churn", "random_forest", "Random forest of 200 trees with at least 20 customers in a leaf.", 4, _build),
)
