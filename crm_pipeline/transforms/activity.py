"""From the clean events of a period to mergeable aggregates per customer. No windows and no ratios belong here."""

from __future__ import annotations

from collections.abc import Collection

import ibis
from ibis.expr.types import BooleanValue, Table, Value

from crm_pipeline.contracts.canonical import INBOUND
from crm_pipeline.periods import Calendar
from crm_pipeline.transforms.columns import local_day, of_somebody, optional, total, whole


def orders(orders: Table, period: str, calendar: Calendar) -> Table:
    """Aggregate a period's order events to one row per customer.

    Parameters
    ----------
    orders : Table
        ``clean/orders`` of the period: customer_id, event (placed | cancelled | returned), event_at (UTC),
        amount (money units, >= 0), and discount and channel where the source has them.
    period : str
        Key of the period; all events lie in it.
    calendar : Calendar
        Gives the days of the business's time zone.

    Returns
    -------
    Table
        customer_id, period_start; of placed orders with amount > 0: n_orders, spend, spend_sumsq (DECIMAL(38,0)),
        min_amount, max_amount, discount, min_channel and max_channel (in alphabetical order), last_channel (of the last
        day, the alphabetically last of several), first_at, last_at, order_days, first_day, last_day (local days since
        1970-01-01), gaps, gap_days_sum, gap_days_sumsq (days between consecutive order days in the period);
        n_returns, returned_amount, n_cancelled, cancelled_amount; seen_at (first event of any kind).
    """
    daily = _daily(orders, period, calendar)
    days = ibis.window(group_by=["customer_id", daily.n_orders > 0], order_by="day")
    daily = daily.mutate(gap=ibis.ifelse(daily.n_orders > 0, daily.day - daily.day.lag().over(days), None))
    return daily.group_by("customer_id").aggregate(period_start=ibis.date(period), **_of_period(daily))


def _of_period(daily: Table) -> dict[str, Value]:
    """The aggregates of a customer's days."""
    bought = daily.n_orders > 0
    first_day, last_day = daily.day.min(where=bought), daily.day.max(where=bought)
    order_days = daily.count(where=bought)
    return {
        "n_orders": whole(daily.n_orders.sum()),
        "spend": whole(daily.spend.sum()),
        "spend_sumsq": daily.spend_sumsq.sum().cast("decimal(38, 0)"),
        "min_amount": daily.min_amount.min(),
        "max_amount": daily.max_amount.max(),
        "discount": whole(daily.discount.sum()),
        "min_channel": daily.min_channel.min(),
        "max_channel": daily.max_channel.max(),
        "last_channel": daily.max_channel.argmax(daily.day, where=daily.max_channel.notnull()),
        "first_at": daily.first_at.min(),
        "last_at": daily.last_at.max(),
        "order_days": order_days,
        "first_day": first_day,
        "last_day": last_day,
        "gaps": ibis.greatest(order_days - 1, 0),
        "gap_days_sum": (last_day - first_day).fill_null(0),
        "gap_days_sumsq": whole((daily.gap * daily.gap).sum()).fill_null(0),
        "n_returns": whole(daily.n_returns.sum()),
        "returned_amount": whole(daily.returned_amount.sum()),
        "n_cancelled": whole(daily.n_cancelled.sum()),
        "cancelled_amount": whole(daily.cancelled_amount.sum()),
        "seen_at": daily.seen_at.min(),
    }


def _daily(orders: Table, period: str, calendar: Calendar) -> Table:
    """One row per customer and local day, with the sums of the day."""
    events = orders.select(
        "customer_id",
        "event",
        "event_at",
        "amount",
        discount=optional(orders, "discount", "int64"),
        channel=optional(orders, "channel", "string"),
        day=local_day(orders.event_at, period, calendar),
    )
    bought = (events.event == "placed") & (events.amount > 0)
    returned, cancelled = events.event == "returned", events.event == "cancelled"
    exact = events.amount.cast("decimal(19, 0)")
    return events.group_by("customer_id", "day").aggregate(
        n_orders=events.count(where=bought),
        spend=total(events.amount, bought),
        spend_sumsq=(exact * exact).sum(where=bought).cast("decimal(38, 0)").fill_null(0),
        min_amount=events.amount.min(where=bought),
        max_amount=events.amount.max(where=bought),
        discount=whole(events.discount.sum(where=bought)),
        min_channel=events.channel.min(where=bought),
        max_channel=events.channel.max(where=bought),
        first_at=events.event_at.min(where=bought),
        last_at=events.event_at.max(where=bought),
        n_returns=events.count(where=returned),
        returned_amount=total(events.amount, returned),
        n_cancelled=events.count(where=cancelled),
        cancelled_amount=total(events.amount, cancelled),
        seen_at=events.event_at.min(),
    )


def order_lines(lines: Table, period: str) -> Table:
    """Aggregate a period's placed order lines to one row per customer.

    Parameters
    ----------
    lines : Table
        ``clean/order_lines`` of the period: order_id, customer_id, product_id, event, quantity, amount.
    period : str
        Key of the period.

    Returns
    -------
    Table
        customer_id, period_start, n_lines (placed, amount > 0), n_orders (distinct orders among them), n_products
        (different products per order, summed over orders), items (sum of quantities, rounded).
    """
    bought = lines.filter(lines.event == "placed", lines.amount > 0)
    pairs = bought.group_by("customer_id", "order_id", "product_id").aggregate(
        n_lines=bought.count(), items=whole(bought.quantity.sum().round())
    )
    per_order = pairs.group_by("customer_id", "order_id").aggregate(
        n_lines=whole(pairs.n_lines.sum()), n_products=pairs.count(), items=whole(pairs.items.sum())
    )
    return per_order.group_by("customer_id").aggregate(
        period_start=ibis.date(period),
        n_lines=whole(per_order.n_lines.sum()),
        n_orders=per_order.count(),
        n_products=whole(per_order.n_products.sum()),
        items=whole(per_order["items"].sum()),
    )


def categories(lines: Table, products: Table, period: str) -> Table:
    """Aggregate a period's placed order lines to one row per customer and product category.

    Parameters
    ----------
    lines : Table
        ``clean/order_lines`` of the period.
    products : Table
        ``clean/products``: product_id, category. Lines of products without a category are left out.
    period : str
        Key of the period.

    Returns
    -------
    Table
        customer_id, category, period_start, n_lines, items, spend (money units).
    """
    named = products.filter(products.category.notnull()).select("product_id", "category")
    bought = lines.filter(lines.event == "placed", lines.amount > 0).inner_join(named, "product_id")
    return bought.group_by("customer_id", "category").aggregate(
        period_start=ibis.date(period),
        n_lines=bought.count(),
        items=whole(bought.quantity.sum().round()),
        spend=whole(bought.amount.sum()),
    )


def messages(messages: Table, period: str) -> Table:
    """Aggregate a period's messages: customer_id, period_start, n_messages, n_in, first_at, last_at.

    n_in counts those from the customer. A message without a direction counts as one from the customer.
    """
    return messages.group_by("customer_id").aggregate(
        period_start=ibis.date(period),
        n_messages=messages.count(),
        n_in=messages.count(where=_inbound(messages)),
        first_at=messages.event_at.min(),
        last_at=messages.event_at.max(),
    )


def cases(cases: Table, period: str) -> Table:
    """Aggregate a period's case events: customer_id, period_start, n_opened, n_replied, n_closed, first_at, last_at."""
    cases = of_somebody(cases)
    return cases.group_by("customer_id").aggregate(
        period_start=ibis.date(period),
        n_opened=cases.count(where=cases.event == "opened"),
        n_replied=cases.count(where=cases.event == "replied"),
        n_closed=cases.count(where=cases.event == "closed"),
        first_at=cases.event_at.min(),
        last_at=cases.event_at.max(),
    )


def calls(calls: Table, period: str) -> Table:
    """Aggregate a period's calls: customer_id, period_start, n_calls, n_in (the customer rang), first_at, last_at.

    A call without a direction counts as one from the customer.
    """
    calls = of_somebody(calls)
    return calls.group_by("customer_id").aggregate(
        period_start=ibis.date(period),
        n_calls=calls.count(),
        n_in=calls.count(where=_inbound(calls)),
        first_at=calls.event_at.min(),
        last_at=calls.event_at.max(),
    )


def contacts(contacts: Table, period: str, told: Collection[str] = ("opened_at", "clicked_at")) -> Table:
    """Aggregate a period's campaign contacts to one row per customer.

    Parameters
    ----------
    contacts : Table
        ``clean/contacts`` of the period: customer_id, event (sent | opened | clicked | converted | opted_out),
        event_at, arm. A customer in the control arm is not contacted: the row only records the draw.
    told : collection of str
        What the source tells of a contact: where it does not tell openings or clicks, their counts are null, not 0.

    Returns
    -------
    Table
        customer_id, period_start, n_sent, n_control, n_opened, n_clicked, n_converted, opted_out_at, first_at, last_at.
    """
    control = (optional(contacts, "arm", "string").lower() == "control").fill_null(False)
    sent, unknown = contacts.event == "sent", ibis.null("int64")
    return contacts.group_by("customer_id").aggregate(
        period_start=ibis.date(period),
        n_sent=contacts.count(where=sent & ~control),
        n_control=contacts.count(where=sent & control),
        n_opened=contacts.count(where=contacts.event == "opened") if "opened_at" in told else unknown,
        n_clicked=contacts.count(where=contacts.event == "clicked") if "clicked_at" in told else unknown,
        n_converted=contacts.count(where=(contacts.event == "converted") & ~control),
        opted_out_at=contacts.event_at.min(where=contacts.event == "opted_out"),
        first_at=contacts.event_at.min(),
        last_at=contacts.event_at.max(),
    )


def _inbound(table: Table) -> BooleanValue:
    direction = optional(table, "direction", "string")
    return direction.isnull() | direction.lower().isin(INBOUND)
