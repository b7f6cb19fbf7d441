"""Shallow gradient boosting, for churn and for demand."""

from typing import Any

from crm_pipeline.modeling.estimators.entry import Context, Entry


def _churn(context: Context) -> Any:
    from crm_pipeline.modeling.learners.boosting import BoostedChurn

    return BoostedChurn(seed=context.seed, threads=context.threads)


def _demand(context: Context) -> Any:
    from crm_pipeline.modeling.learners.boosting import BoostedAmount

    return BoostedAmount(seed=context.seed, threads=context.threads)


ENTRIES = (
    Entry("churn", "gradient_boosting", "XGBoost with trees of depth 3.", 3, _churn),
    Entry("demand", "gradient_boosting", "XGBoost with trees of depth 3 on a Tweedie deviance.", 4, _demand),
)
