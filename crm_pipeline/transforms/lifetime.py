"""What needs all history, per customer: the period before merged with this one's activity. No windows belong here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ibis
from ibis.expr.types import Table, Value

from crm_pipeline.transforms.columns import optional, whole

ATTRIBUTES = {
    "birth_year": "int64",
    "gender": "string",
    "country": "string",
    "region": "string",
    "acquisition_channel": "string",
}
ORDER_SUMS = (
    "n_orders",
    "order_days",
    "spend",
    "spend_sumsq",
    "gaps",
    "gap_days_sum",
    "gap_days_sumsq",
    "n_returns",
    "returned_amount",
    "n_cancelled",
)
CASE_SUMS = ("cases_opened", "cases_closed")
FIRST = ("first_at", "first_day")
LAST = ("last_at", "last_day", "last_channel")


def customers(
    previous: Table | None, orders: Table, customers: Table | None, others: Mapping[str, Table], period: str
) -> Table:
    """Merge what was known before a period with what happened in it.

    Parameters
    ----------
    previous : Table or None
        This function's result for the period before; None in the first period.
    orders : Table
        ``activity/orders`` of the period.
    customers : Table or None
        ``clean/customers`` of the period (customers created in it), where the source has the table.
    others : mapping of str to Table
        The other activity tables of the period, by name. ``cases`` and ``contacts`` add columns; all make a
        customer known.
    period : str
        Key of the period.

    Returns
    -------
    Table
        customer_id, as_of_period; first_seen_at (first event of any kind); birth_year, gender, country, region,
        acquisition_channel; n_orders, order_days, spend, spend_sumsq (DECIMAL(38,0)), gaps, gap_days_sum,
        gap_days_sumsq (days between all consecutive order days), n_returns, returned_amount, n_cancelled, min_amount,
        max_amount, first_at, last_at, first_day, last_day, last_channel (as in `activity.orders`, over all history);
        opted_out_at (first opt-out), cases_opened, cases_closed. Columns of tables the source lacks are null or 0.
    """
    present = _present(orders, _around(customers, others))
    merged = present if previous is None else _merge(previous, present)
    return merged.mutate(as_of_period=ibis.date(period)).relocate("as_of_period", after="customer_id")


def _around(customers: Table | None, others: Mapping[str, Table]) -> Table | None:
    """One row per customer for all that is not an order: attributes, opt-out, cases, first event."""
    parts = [] if customers is None else [_part(customers, customers.event_at, attributes=True)]
    for name, table in sorted(others.items()):
        if name == "cases":
            parts.append(_part(table, table.first_at, cases_opened=table.n_opened, cases_closed=table.n_closed))
        elif name == "contacts":
            parts.append(_part(table, table.first_at, opted_out_at=table.opted_out_at))
        elif "first_at" in table.columns:
            parts.append(_part(table, table.first_at))
    if not parts:
        return None
    rows = parts[0] if len(parts) == 1 else ibis.union(*parts)
    return rows.group_by("customer_id").aggregate(
        seen_at=rows.seen_at.min(),
        **{name: rows[name].min() for name in ATTRIBUTES},
        opted_out_at=rows.opted_out_at.min(),
        **{name: whole(rows[name].sum()) for name in CASE_SUMS},
    )


def _part(table: Table, seen_at: Value, attributes: bool = False, **given: Value) -> Table:
    """Bring one table to the columns that `_around` unites."""
    return table.select(
        "customer_id",
        # files hold timestamp(6), literals timestamp: one type, or the union is refused
        seen_at=seen_at.cast("timestamp"),
        **{
            name: optional(table, name, dtype).cast(dtype) if attributes else ibis.null(dtype)
            for name, dtype in ATTRIBUTES.items()
        },
        opted_out_at=given.get("opted_out_at", ibis.null("timestamp")).cast("timestamp"),
        **{name: given.get(name, whole(ibis.literal(0))) for name in CASE_SUMS},
    )


def _present(orders: Table, around: Table | None) -> Table:
    """The lifetime of customers as if this period were all there is."""
    if around is None:
        return orders.select(
            "customer_id",
            first_seen_at=orders.seen_at,
            **{name: ibis.null(dtype) for name, dtype in ATTRIBUTES.items()},
            **_order_columns(orders),
            opted_out_at=ibis.null("timestamp"),
            **{name: whole(ibis.literal(0)) for name in CASE_SUMS},
        )
    joined = orders.outer_join(
        around.rename(id="customer_id", seen="seen_at"), orders.customer_id == around.customer_id
    )
    return joined.select(
        customer_id=ibis.coalesce(joined.customer_id, joined.id),
        first_seen_at=_extreme(ibis.least, joined.seen_at, joined.seen),
        **{name: joined[name] for name in ATTRIBUTES},
        **_order_columns(joined),
        opted_out_at=joined.opted_out_at,
        **{name: joined[name].fill_null(0) for name in CASE_SUMS},
    )


def _order_columns(table: Table) -> dict[str, Value]:
    sums = {name: table[name].fill_null(0).cast(table[name].type()) for name in ORDER_SUMS}
    return sums | {name: table[name] for name in ("min_amount", "max_amount", *FIRST, *LAST)}


def _merge(earlier: Table, later: Table) -> Table:
    """Merge two lifetimes, all of the one before all of the other; the gap between them is counted."""
    a, b = earlier.drop("as_of_period"), later.rename({f"{name}_b": name for name in later.columns})
    joined = a.outer_join(b, a.customer_id == b.customer_id_b)

    def both(name: str) -> tuple[Value, Value]:
        return joined[name], joined[f"{name}_b"]

    def added(name: str) -> Value:
        old, new = (value.fill_null(0) for value in both(name))
        return (old + new).cast(earlier[name].type())

    bridge = joined.first_day_b - joined.last_day
    sums = {name: added(name) for name in (*ORDER_SUMS, *CASE_SUMS)}
    sums["gaps"] = sums["gaps"] + bridge.notnull().cast("int64")
    sums["gap_days_sum"] = sums["gap_days_sum"] + bridge.fill_null(0)
    sums["gap_days_sumsq"] = sums["gap_days_sumsq"] + (bridge * bridge).fill_null(0)
    columns = {
        "customer_id": ibis.coalesce(*both("customer_id")),
        "first_seen_at": _extreme(ibis.least, *both("first_seen_at")),
        "opted_out_at": _extreme(ibis.least, *both("opted_out_at")),
        "min_amount": _extreme(ibis.least, *both("min_amount")),
        "max_amount": _extreme(ibis.greatest, *both("max_amount")),
        **sums,
        **{name: ibis.coalesce(*both(name)) for name in (*ATTRIBUTES, *FIRST)},
        **{name: ibis.coalesce(*reversed(both(name))) for name in LAST},
    }
    return joined.select(**{name: columns[name] for name in a.columns})


def _extreme(choose: Callable[..., Value], one: Value, other: Value) -> Value:
    """Return the least or greatest of two values, or the one there is; engines differ in what they do with nulls."""
    return ibis.coalesce(choose(one, other), one, other)
