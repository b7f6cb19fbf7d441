"""The fixed, equal average in log-odds, for churn."""

from typing import Any

from crm_pipeline.modeling.estimators.entry import Context, Entry

MEMBERS = ("logistic", "gradient_boosting", "purchase_process")


def _build(context: Context) -> Any:
    from crm_pipeline.modeling.learners.combined import ChurnAverage

    return ChurnAverage([context.members[name] for name in MEMBERS])


ENTRIES = (
    Entry("churn", "average", "Equal average in log-odds of " + ", ".join(MEMBERS) + ".", 5, _build, members=MEMBERS),
)
