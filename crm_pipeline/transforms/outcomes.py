"""What eligible customers bought since a cut-off: what the outcomes of tasks are told from. No features, no models."""

from __future__ import annotations

from ibis.expr.types import Table

from crm_pipeline.transforms.columns import whole


def bought_since(features_then: Table, orders_since: Table) -> Table:
    """Return the customers of ``features/customers`` at a cut-off with their orders and spend since, null for those with none.

    Parameters
    ----------
    features_then : Table
        Its customers are the eligible ones; nothing else of it is used.
    orders_since : Table
        ``activity/orders`` of the h periods after the cut-off.

    Returns
    -------
    Table
        customer_id, orders, spend (money units, placed orders, returns not deducted).
    """
    bought = orders_since.filter(orders_since.n_orders > 0)
    sums = bought.group_by(id=bought.customer_id).aggregate(
        orders=whole(bought.n_orders.sum()), spend=whole(bought.spend.sum())
    )
    eligible = features_then.select("customer_id")
    return eligible.left_join(sums, eligible.customer_id == sums.id)
