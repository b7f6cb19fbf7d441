"""Logistic regression on linear splines, for churn."""

from typing import Any

from crm_pipeline.modeling.estimators.entry import Context, Entry


def _build(context: Context) -> Any:
    from crm_pipeline.modeling.learners.splines import SplineLogistic

    return SplineLogistic()


ENTRIES = (
    Entry("churn", "logistic", "Ridge-penalised logistic regression on linear splines of the features.", 2, _build),
)
