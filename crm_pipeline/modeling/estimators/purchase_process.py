"""The purchase process as an estimator, for churn and for demand. The process itself is fitted with the features."""

from typing import Any

from crm_pipeline.modeling.estimators.entry import Context, Entry

MISSING = "features/customers has no purchase-process columns (mbg_alive, mbg_expected_orders and mbg_no_order, or the Pareto/NBD's)"


def _churn(context: Context) -> Any:
    from crm_pipeline.modeling.learners.process import ProcessChurn, families

    return ProcessChurn() if families(context.columns) and "order_days_all" in context.columns else MISSING


def _demand(context: Context) -> Any:
    from crm_pipeline.modeling.learners.process import ProcessAmount, families

    if not families(context.columns) or not {"order_days_all", "spend_all"} <= set(context.columns):
        return MISSING
    return ProcessAmount(money_unit=context.money_unit)


ENTRIES = (
    Entry(
        "churn",
        "purchase_process",
        "The exact P(no order) of the purchase process, as it was fitted.",
        1,
        _churn,
        rows=0,
        events=0,
    ),
    Entry(
        "demand",
        "purchase_process",
        "Expected purchase days times what the customer spends on one, shrunk to everybody's.",
        1,
        _demand,
    ),
)
