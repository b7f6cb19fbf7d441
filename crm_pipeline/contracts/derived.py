"""Columns of what is counted and learned from: activity, lifetime, purchase process, outcomes, training. No values here."""

from __future__ import annotations

from collections.abc import Iterable

from crm_pipeline.contracts.outputs import Output

MONEY = "money units"
DAYS = "days"


def _columns(*rows: tuple[str, ...]) -> tuple[Output, ...]:
    return tuple(Output(*row) for row in rows)


_WHO = Output("customer_id", "text", "the customer")
_WHEN = Output("period_start", "date32", "first day of the period")
_SPAN = _columns(
    ("first_at", "timestamp", "first of them in the period", "UTC"),
    ("last_at", "timestamp", "last of them in the period", "UTC"),
)
_GAPS = _columns(
    ("gaps", "int64", "pairs of consecutive purchase days", "pairs"),
    ("gap_days_sum", "int64", "days between them, added up", DAYS),
    ("gap_days_sumsq", "int64", "squares of the days between them, added up", "days²"),
)
_RETURNS = _columns(
    ("n_returns", "int64", "returns", "returns"),
    ("returned_amount", "int64", "amount returned, as a positive number", MONEY),
    ("n_cancelled", "int64", "orders cancelled", "orders"),
)
_ORDERS = (
    _WHO,
    _WHEN,
    *_columns(
        ("n_orders", "int64", "orders with a positive amount", "orders"),
        ("spend", "int64", "their amounts, added up", MONEY),
        ("spend_sumsq", "decimal(38,0)", "squares of their amounts, added up, for the spread", "money units²"),
        ("min_amount", "int64", "smallest order", MONEY),
        ("max_amount", "int64", "largest order", MONEY),
        ("discount", "int64", "discounts, added up", MONEY),
        ("min_channel", "text", "first sales channel used, in alphabetical order"),
        ("max_channel", "text", "last sales channel used, in alphabetical order: differs where there were two or more"),
        ("last_channel", "text", "sales channel of the last order"),
        ("first_at", "timestamp", "first order", "UTC"),
        ("last_at", "timestamp", "last order", "UTC"),
        ("order_days", "int64", "different days with an order", DAYS),
        ("first_day", "int64", "first of those days, in the business's time zone", "days since 1970-01-01"),
        ("last_day", "int64", "last of those days", "days since 1970-01-01"),
    ),
    *_GAPS,
    *_RETURNS,
    *_columns(
        ("cancelled_amount", "int64", "amount cancelled", MONEY),
        ("seen_at", "timestamp", "first event of any kind: order, return or cancellation", "UTC"),
    ),
)

ACTIVITY: dict[str, tuple[Output, ...]] = {
    "orders": _ORDERS,
    "order_lines": (
        _WHO,
        _WHEN,
        *_columns(
            ("n_lines", "int64", "lines bought, with a positive amount", "lines"),
            ("n_orders", "int64", "different orders among them", "orders"),
            ("n_products", "int64", "products per order, added up over the orders", "products"),
            ("items", "int64", "pieces bought", "pieces"),
        ),
    ),
    "categories": (
        _WHO,
        Output("category", "text", "product category"),
        _WHEN,
        *_columns(
            ("n_lines", "int64", "lines bought of this category", "lines"),
            ("items", "int64", "pieces bought of it", "pieces"),
            ("spend", "int64", "spend on it", MONEY),
        ),
    ),
    "messages": (
        _WHO,
        _WHEN,
        Output("n_messages", "int64", "messages to and from the customer", "messages"),
        Output("n_in", "int64", "messages from the customer", "messages"),
        *_SPAN,
    ),
    "cases": (
        _WHO,
        _WHEN,
        Output("n_opened", "int64", "service cases opened", "cases"),
        Output("n_replied", "int64", "service cases first answered", "cases"),
        Output("n_closed", "int64", "service cases closed", "cases"),
        *_SPAN,
    ),
    "calls": (
        _WHO,
        _WHEN,
        Output("n_calls", "int64", "telephone calls", "calls"),
        Output("n_in", "int64", "calls in which the customer rang", "calls"),
        *_SPAN,
    ),
    "contacts": (
        _WHO,
        _WHEN,
        *_columns(
            ("n_sent", "int64", "campaign contacts sent", "contacts"),
            ("n_control", "int64", "campaigns in which the customer was drawn into the control arm", "campaigns"),
            ("n_opened", "int64", "contacts opened; null where the source does not tell", "contacts"),
            ("n_clicked", "int64", "contacts clicked; null where the source does not tell", "contacts"),
            ("n_converted", "int64", "contacts followed by what the campaign asked for", "contacts"),
            ("opted_out_at", "timestamp", "first opt-out", "UTC"),
        ),
        *_SPAN,
    ),
}

LIFETIME = (
    _WHO,
    *_columns(
        ("as_of_period", "date32", "everything up to the end of this period is counted (its first day)"),
        ("first_seen_at", "timestamp", "first event of any kind", "UTC"),
        ("birth_year", "int64", "year of birth, where the customer table has it"),
        ("gender", "text", "as the customer table has it; never a feature"),
        ("country", "text", "as the customer table has it"),
        ("region", "text", "as the customer table has it"),
        ("acquisition_channel", "text", "how the customer came, as the customer table has it"),
        ("n_orders", "int64", "orders with a positive amount", "orders"),
        ("order_days", "int64", "different days with an order", DAYS),
        ("spend", "int64", "their amounts, added up", MONEY),
        ("spend_sumsq", "decimal(38,0)", "squares of their amounts, added up, for the spread", "money units²"),
    ),
    *_GAPS,
    *_RETURNS,
    *_columns(
        ("min_amount", "int64", "smallest order", MONEY),
        ("max_amount", "int64", "largest order", MONEY),
        ("first_at", "timestamp", "first order", "UTC"),
        ("first_day", "int64", "day of it, in the business's time zone", "days since 1970-01-01"),
        ("last_at", "timestamp", "last order", "UTC"),
        ("last_day", "int64", "day of it", "days since 1970-01-01"),
        ("last_channel", "text", "sales channel of the last order"),
        ("opted_out_at", "timestamp", "first opt-out from campaigns", "UTC"),
        ("cases_opened", "int64", "service cases opened", "cases"),
        ("cases_closed", "int64", "service cases closed", "cases"),
    ),
)

_PROCESS = (("mbg", "MBG/NBD, which lets a customer leave after a purchase"), ("pareto", "Pareto/NBD, any moment"))
PURCHASE_PROCESS = (
    _WHO,
    *(
        column
        for model, title in _PROCESS
        for column in _columns(
            (
                f"{model}_expected_orders",
                "float64",
                f"purchase days expected in the horizon ({title})",
                "purchase days",
            ),
            (f"{model}_alive", "float64", "probability that the customer has not left for good", "probability"),
            (f"{model}_no_order", "float64", "probability of no order in the horizon", "probability"),
            (
                f"{model}_expected_year",
                "float64",
                f"purchase days expected in the next year ({title})",
                "purchase days",
            ),
        )
    ),
)

_CUTOFF = Output("cutoff", "date32", "first day of the period at whose end the customer was looked at")
_AS_OF = Output("as_of", "date32", "everything known before this day was used")
PURCHASES = (
    _CUTOFF,
    *_columns(
        ("customers", "int64", "eligible customers looked at", "customers"),
        ("expected_days", "float64", "purchase days the MBG/NBD expected of them in the horizon", "purchase days"),
        ("expected_spend", "float64", "those days times what each customer spends on one", MONEY),
        ("days", "int64", "purchase days that followed", "purchase days"),
        ("orders", "int64", "orders that followed", "orders"),
        ("spend", "int64", "spend that followed", MONEY),
    ),
)


def outcome_columns(labels: Iterable[Output]) -> tuple[Output, ...]:
    """Return the columns of ``outcomes/<task>``, whose labels these are."""
    return (_WHO, _CUTOFF, *labels)


def training_columns(labels: Iterable[Output], features: Iterable[Output]) -> tuple[Output, ...]:
    """Return the columns of ``training/<task>``, whose labels and features these are."""
    return (_WHO, _CUTOFF, _AS_OF, *labels, *features)


def derived_columns(asset: str, features: Iterable[Output]) -> tuple[Output, ...]:
    """Return the columns of an asset between the clean tables and the models; empty for others, and for what belongs to a task.

    ``features`` are those of the source's tables (`transforms.features.catalogue.columns`).
    """
    layer, _, name = asset.partition("/")
    if layer == "activity":
        return ACTIVITY.get(name, ())
    if asset == "outcomes/purchases":
        return PURCHASES
    return {
        "lifetime/customers": LIFETIME,
        "features/purchase_process": PURCHASE_PROCESS,
        "features/customers": (_WHO, _AS_OF, *features),
    }.get(asset, ())
