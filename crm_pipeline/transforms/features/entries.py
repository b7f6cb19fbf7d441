"""The customer features, each once: meaning, unit, source, theme, window and value. How they become a table is in `table`.

To add one, add a `Feature` to a list below: catalogue, contract, documentation, table, its nulls and themes follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import ibis
from ibis.expr.types import Value

from crm_pipeline.transforms.features.entries_audio import audio
from crm_pipeline.transforms.features.entries_texts import texts
from crm_pipeline.transforms.features.feature import Feature, Rows, Shape, quarter, ratio, share, spread, trend

MONTHLY = 12
"""How many single periods before the end have a feature of their own (``orders_m1`` ... ``orders_m12``)."""


def rhythm(shape: Shape) -> list[Feature]:
    """How lately, how often and how regularly the customer buys."""
    q, y, life = quarter(shape), shape.year, "lifetime"
    kept = f"Share of the last {y} periods' orders that fell in the last {q}"
    return [
        Feature("recency_days", "Days since the last order", "days", life, "recency", _recency),
        Feature(
            "tenure_days", "Days since the first order known", "days", life, "rhythm", lambda c: c["today"] - c["first_day"]
        ),
        Feature("orders_all", "Orders in all known history", "orders", life, "rhythm", lambda c: c["n_orders"]),
        Feature("order_days_all", "Purchase days in all known history", "days", life, "rhythm", lambda c: c["order_days"]),
        Feature("gap_mean_days", "Days between two purchase days, on average", "days", life, "rhythm", _gap),
        Feature("gap_sd_days", "Standard deviation of the days between purchase days", "days", life, "rhythm", _gap_sd),
        Feature(
            "gap_cv", "Irregularity: that deviation over that mean; 0 is clockwork", "ratio", life, "rhythm",
            lambda c: ratio(_gap_sd(c), _gap(c)),
        ),
        Feature(
            "recency_over_gap", "Days since the last order over the usual gap", "ratio", life, "recency",
            lambda c: ratio(_recency(c), _gap(c)),
        ),
        *(feature for w in shape.windows for feature in _window(w)),
        *(_single(i) for i in range(1, MONTHLY + 1)),
        Feature("orders_trend", _against("Orders", q), "-1 to 1", "orders", "rhythm", _trend("n_orders", q), 2 * q),
        Feature(
            f"orders_share_{q}_of_{y}", kept, "share", "orders", "rhythm",
            lambda a: ratio(a.sum("n_orders", q), a.sum("n_orders")), y,
        ),
        *process(shape),
    ]  # fmt: skip


def _window(w: int) -> list[Feature]:
    last = f"in the last {w} periods"
    return [
        Feature(f"orders_{w}", f"Orders {last}", "orders", "orders", "rhythm", lambda a: a.sum("n_orders"), w),
        Feature(f"order_days_{w}", f"Purchase days {last}", "days", "orders", "rhythm", lambda a: a.sum("order_days"), w),
        Feature(
            f"active_periods_{w}", f"Periods with an order, of the last {w}", "periods", "orders", "rhythm",
            lambda a: a.count("n_orders"), w,
        ),
    ]  # fmt: skip


def _single(i: int) -> Feature:
    when = "in the period itself" if i == 1 else f"in period {i}, counted back from the end"
    name, value = f"orders_m{i}", lambda a: a.sum("n_orders", but=i - 1)
    return Feature(name, f"Orders {when}", "orders", "orders", "rhythm", value, i)


def process(shape: Shape) -> list[Feature]:
    """What the purchase processes say, fitted in `modeling.purchase_process`."""
    found = []
    for short, model in (("mbg", "MBG/NBD"), ("pareto", "Pareto/NBD")):
        ahead = f"in the next {shape.horizon} periods, by {model}"
        alive = f"Probability that the customer still buys at all, by {model}"
        for part, what, unit, theme in (
            ("expected_orders", f"Purchase days expected {ahead}", "days", "rhythm"),
            ("alive", alive, "probability", "recency"),
            ("no_order", f"Probability of no purchase day {ahead}", "probability", "recency"),
        ):
            name = f"{short}_{part}"
            found.append(Feature(name, what, unit, "purchase_process", theme, _column(name)))  # type: ignore[arg-type]
    return found


def season(shape: Shape) -> list[Feature]:
    """What the customer did at this time last year."""
    y, h = shape.year, shape.horizon
    since = max(y - h, 0)
    same = f"in last year's {h} periods that match the next {h}"
    return [
        Feature(
            "orders_season_ly", f"Orders {same}", "orders", "orders", "season", lambda a: a.sum("n_orders", but=since), y
        ),
        Feature(
            "spend_season_ly", f"Spend {same}", "money units", "orders", "season", lambda a: a.sum("spend", but=since), y
        ),
        Feature(
            "orders_before_season_ly", f"Orders in the {h} periods before those", "orders", "orders", "season",
            lambda a: a.sum("n_orders", but=y), y + h,
        ),
    ]  # fmt: skip


def spend(shape: Shape) -> list[Feature]:
    """How much the customer spends, and on what terms."""
    q, y, unit = quarter(shape), shape.year, "money units"
    last = f"the last {y} periods"
    vary = f"How much order amounts vary in {last}: standard deviation over mean"
    discount = f"Discount over the price before discount, {last}"
    return [
        Feature("spend_all", "Spend in all known history", unit, "lifetime", "spend", lambda c: c["spend"]),
        *(
            Feature(
                f"spend_{w}", f"Spend in the last {w} periods", unit, "orders", "spend", lambda a: a.sum("spend"), w
            )
            for w in shape.windows
        ),
        Feature("spend_trend", _against("Spend", q), "-1 to 1", "orders", "spend", _trend("spend", q), 2 * q),
        Feature(f"order_value_mean_{y}", f"Mean amount of an order in {last}", unit, "orders", "spend", _mean, y),
        Feature(
            f"order_value_max_{y}", f"Largest order in {last}", unit, "orders", "spend", lambda a: a.max("max_amount"), y
        ),
        Feature(
            f"order_value_cv_{y}", vary, "ratio", "orders", "spend",
            lambda a: ratio(spread(a.sum("n_orders"), a.sum("spend"), a.sum("spend_sumsq")), _mean(a)), y,
        ),
        Feature(
            f"discount_share_{y}", discount, "share", "orders", "spend",
            lambda a: ratio(a.sum("discount", none=None), a.sum("spend") + a.sum("discount", none=None)), y,
        ),
    ]  # fmt: skip


def breadth(shape: Shape) -> list[Feature]:
    """How many kinds of goods and channels the customer uses."""
    y = shape.year
    last = f"in the last {y} periods"
    top = f"Share of spend that went to the customer's largest category {last}"
    products = f"Different products in an order, on average {last}"
    channels = f"Sales channels used {last}: 1 is one, 2 is two or more"
    return [
        Feature(
            f"categories_{y}", f"Product categories bought {last}", "categories", "categories", "breadth",
            lambda a: a.count(), y, otherwise=0,
        ),
        Feature(
            f"top_category_share_{y}", top, "share", "categories", "breadth",
            lambda a: ratio(a.max("spend"), a.sum("spend")), y,
        ),
        Feature(
            f"products_per_order_{y}", products, "products", "order_lines", "breadth",
            lambda a: ratio(a.sum("n_products"), a.sum("n_orders")), y,
        ),
        Feature(f"channels_{y}", channels, "channels", "orders", "breadth", _channels, y),
    ]  # fmt: skip


def service(shape: Shape) -> list[Feature]:
    """Returns, cases and calls."""
    y = shape.year
    returned = f"Amount returned over amount ordered in the last {y} periods"
    return [
        *_counts(shape, "returns", "Returns", "returns", "orders", "service", "n_returns"),
        Feature(
            f"return_share_{y}", returned, "share", "orders", "service",
            lambda a: ratio(a.sum("returned_amount"), a.sum("spend")), y,
        ),
        *_counts(shape, "cases", "Cases opened", "cases", "cases", "service", "n_opened"),
        Feature(
            "cases_open", "Cases opened and not yet closed", "cases", "cases", "service",
            lambda c: ibis.greatest(c["cases_opened"] - c["cases_closed"], 0), rows_of="lifetime",
        ),
        *_counts(shape, "calls", "Calls", "calls", "calls", "service", "n_calls"),
    ]  # fmt: skip


def response(shape: Shape) -> list[Feature]:
    """What the customer writes, was sent and answered."""
    y = shape.year
    sent = f"contacts sent in the last {y} periods"
    both = "Messages to and from the customer"
    counts = [
        _counts(shape, "messages", both, "messages", "messages", "messages", "n_messages"),
        _counts(shape, "messages_in", "Messages from the customer", "messages", "messages", "messages", "n_in"),
        _counts(shape, "contacts", "Campaign contacts sent", "contacts", "contacts", "contacts", "n_sent"),
    ]
    return [
        *(feature for same_window in zip(*counts, strict=True) for feature in same_window),
        Feature(
            f"contact_open_share_{y}", f"Opened share of the {sent}", "share", "contacts", "contacts",
            lambda a: share(a.sum("n_opened", none=None), a.sum("n_sent")), y,
        ),
        Feature(
            f"contact_click_share_{y}", f"Clicked share of the {sent}", "share", "contacts", "contacts",
            lambda a: share(a.sum("n_clicked", none=None), a.sum("n_sent")), y,
        ),
    ]  # fmt: skip


ENTRIES: tuple[Callable[[Shape], Iterable[Feature]], ...] = (
    rhythm,
    season,
    spend,
    breadth,
    service,
    response,
    texts,
    audio,
)
"""All features, in column order."""


def _counts(shape: Shape, name: str, what: str, unit: str, source: str, theme: str, column: str) -> list[Feature]:
    """A sum over the last quarter, and one over the year; 0 of who has no rows."""
    return [
        Feature(
            f"{name}_{w}", f"{what} in the last {w} periods", unit, source, theme,  # type: ignore[arg-type]
            lambda a: a.sum(column), w, otherwise=0,
        )
        for w in (quarter(shape), shape.year)
    ]  # fmt: skip


def _column(name: str) -> Callable[[Rows], Value]:
    return lambda c: c[name]


def _recency(c: Rows) -> Value:
    return c["today"] - c["last_day"]


def _gap(c: Rows) -> Value:
    return ratio(c["gap_days_sum"], c["gaps"])


def _gap_sd(c: Rows) -> Value:
    return spread(c["gaps"], c["gap_days_sum"], c["gap_days_sumsq"])


def _mean(a: Rows) -> Value:
    return ratio(a.sum("spend"), a.sum("n_orders"))


def _channels(a: Rows) -> Value:
    one, other = a.min("min_channel"), a.max("max_channel")
    return ibis.cases((one == other, 1), (one != other, 2))


def _trend(column: str, q: int) -> Callable[[Rows], Value]:
    return lambda a: trend(a.sum(column, q), a.sum(column, 2 * q, but=q))


def _against(what: str, q: int) -> str:
    return f"{what} of the last {q} periods against the {q} before: (new - old) / (new + old), 0 with neither"
