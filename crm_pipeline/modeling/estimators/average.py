"""The fixed, equal averages: in log-odds for churn, in log amounts for demand."""

from typing import Any

from crm_pipeline.modeling.estimators.entry import Context, Entry

CHURN = ("logistic", "gradient_boosting", "purchase_process")
DEMAND = ("linear", "gradient_boosting", "two_part")


def _churn(context: Context) -> Any:
    from crm_pipeline.modeling.learners.combined import ChurnAverage

    return ChurnAverage([context.members[name] for name in CHURN])


def _demand(context: Context) -> Any:
    from crm_pipeline.modeling.learners.combined import AmountAverage

    return AmountAverage([context.members[name] for name in DEMAND])


ENTRIES = (
    Entry("churn", "average", "Equal average in log-odds of " + ", ".join(CHURN) + ".", 5, _churn, members=CHURN),
    Entry(
        "demand", "average", "Equal average in log amounts of " + ", ".join(DEMAND) + ".", 6, _demand, members=DEMAND
    ),
)
