"""What really happened to those who were eligible a horizon ago: the labels. No features, no models."""

from __future__ import annotations

import ibis
from ibis.expr.types import Table

from crm_pipeline.transforms.columns import whole


def churn(features_then: Table, orders_since: Table, cutoff: str) -> Table:
    """Tell who lapsed: no order in the h periods after the cut-off.

    Parameters
    ----------
    features_then : Table
        ``features/customers`` of the cut-off period: its customers are the eligible ones; nothing else of it is used.
    orders_since : Table
        ``activity/orders`` of the h periods after the cut-off.
    cutoff : str
        Key of the period at whose end the customers were eligible.

    Returns
    -------
    Table
        customer_id, cutoff (DATE), churned (int8, 1 without an order).
    """
    joined = _since(features_then, orders_since)
    return joined.select(
        "customer_id", cutoff=ibis.date(cutoff), churned=(joined.orders.fill_null(0) == 0).cast("int8")
    )


def demand(features_then: Table, orders_since: Table, cutoff: str) -> Table:
    """Tell how much each eligible customer bought in the h periods after the cut-off.

    Parameters as in `churn`.

    Returns
    -------
    Table
        customer_id, cutoff (DATE), spend (int64, money units, placed orders, returns not deducted), orders (int64);
        both 0 without an order.
    """
    joined = _since(features_then, orders_since)
    return joined.select(
        "customer_id",
        cutoff=ibis.date(cutoff),
        spend=joined.spend.fill_null(0).cast("int64"),
        orders=joined.orders.fill_null(0).cast("int64"),
    )


def _since(features_then: Table, orders_since: Table) -> Table:
    """The eligible customers with orders and spend since, null for those with none."""
    bought = orders_since.filter(orders_since.n_orders > 0)
    sums = bought.group_by(id=bought.customer_id).aggregate(
        orders=whole(bought.n_orders.sum()), spend=whole(bought.spend.sum())
    )
    eligible = features_then.select("customer_id")
    return eligible.left_join(sums, eligible.customer_id == sums.id)
