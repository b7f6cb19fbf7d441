"""Linear regression of the log amount, for demand."""

from typing import Any

from crm_pipeline.modeling.estimators.entry import Context, Entry


def _build(context: Context) -> Any:
    from crm_pipeline.modeling.learners.splines import SplineLogAmount

    return SplineLogAmount()


ENTRIES = (
    Entry("demand", "linear", "Ridge regression of log(1 + spend) on linear splines, smeared to a mean.", 2, _build),
)
