"""The catalogue of customer features: what each means, its unit, source, theme and reach. No computing belongs here."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

Theme = Literal["recency", "rhythm", "spend", "season", "breadth", "service", "messages", "contacts"]

THEMES: dict[Theme, str] = {
    "recency": "how long ago the customer last bought",
    "rhythm": "how often and how regularly the customer buys",
    "spend": "how much the customer spends, and on what terms",
    "season": "what the customer did at this time last year",
    "breadth": "how many kinds of goods and channels the customer uses",
    "service": "returns, cases and calls",
    "messages": "what the customer writes",
    "contacts": "what the customer was sent, and the response",
}

MONTHLY = 12
"""How many single periods before the end have a feature of their own (``orders_m1`` ... ``orders_m12``)."""


class Shape(Protocol):
    """What of the settings the features depend on; `crm_pipeline.settings.Settings` is one."""

    @property
    def windows(self) -> tuple[int, ...]:
        """Lengths of the feature windows, in periods."""
        ...

    @property
    def horizon(self) -> int:
        """Periods ahead that a score speaks about."""
        ...

    @property
    def eligibility(self) -> int:
        """A customer is eligible with an order in the last so many periods."""
        ...

    @property
    def year(self) -> int:
        """Periods in a year."""
        ...


@dataclass(frozen=True)
class Feature:
    """One column of ``features/customers``.

    Parameters
    ----------
    name : str
        The column.
    description : str
        What it says, for a CRM analyst.
    unit : str
        Unit of the value; ``money units`` are whole multiples of the setting ``money_unit``.
    source : str
        The table under ``activity/`` it is computed from, or ``lifetime`` or ``purchase_process``.
    theme : str
        One of `THEMES`; reasons are summed by theme.
    window : int or None
        How many periods before the end it reaches back. Where that is further than the data, it is null.
        None: it uses whatever history there is.
    """

    name: str
    description: str
    unit: str
    source: str
    theme: Theme
    window: int | None = None


def quarter(shape: Shape) -> int:
    """Return the periods in a quarter: the short window of trends and counts."""
    return shape.year // 4


def history(shape: Shape) -> int:
    """Return how many periods of activity, the last one included, ``features/customers`` reads."""
    return max(*shape.windows, shape.eligibility, shape.year + shape.horizon, 2 * quarter(shape), MONTHLY)


def activity_tables(tables: Collection[str]) -> tuple[str, ...]:
    """Return the activity tables that the given canonical tables give rise to.

    ``orders`` is always there, because it is derived from order lines where a source has no orders.
    """
    present = ["orders"]
    if "order_lines" in tables:
        present.append("order_lines")
        if "products" in tables:
            present.append("categories")
    return (*present, *(name for name in ("messages", "cases", "calls", "contacts") if name in tables))


def catalogue(tables: Collection[str], shape: Shape) -> list[Feature]:
    """Return the features a source has, in column order.

    Parameters
    ----------
    tables : collection of str
        The canonical tables the source has. A feature of an absent table is not in the catalogue.
    shape : Shape
        Windows, horizon and year, in periods.
    """
    return by_source({"lifetime", "purchase_process", *activity_tables(tables)}, shape)


def by_source(present: Collection[str], shape: Shape) -> list[Feature]:
    """Return the features computed from the given sources (names as in `Feature.source`), in column order."""
    every = [*_orders(shape), *_season(shape), *_spend(shape), *_breadth(shape), *_service(shape), *_response(shape)]
    return [feature for feature in every if feature.source in present]


def markdown(features: Iterable[Feature], shape: Shape) -> str:
    """Return the catalogue as a Markdown page, one table per theme."""
    features = list(features)
    lines = ["# Features", "", *_preamble(shape)]
    for theme, meaning in THEMES.items():
        rows = [f for f in features if f.theme == theme]
        if rows:
            lines += [
                "",
                f"## {theme}: {meaning}",
                "",
                "| feature | meaning | unit | from | reach |",
                "|---|---|---|---|---|",
            ]
            lines += [f"| `{f.name}` | {f.description} | {f.unit} | {f.source} | {f.window or 'all'} |" for f in rows]
    return "\n".join(lines) + "\n"


def _preamble(shape: Shape) -> list[str]:
    return f"""\
Generated from `crm_pipeline/contracts/features.py` by its function `markdown`; do not edit.

One row of `features/customers` is an eligible customer (an order in the last {shape.eligibility} periods) as of the end
of a period. An *order* is a placed order with an amount above 0, a *purchase day* a day with an order, in the
business's time zone. *Reach* is how many periods back from the end a feature looks: one that would look back further
than the data go is null, not 0. A feature of a table that the source does not have is absent. *From* is the table
under `activity/`, or `lifetime/customers`, or the purchase process. Money units are multiples of the setting
`money_unit`.""".splitlines()


def _orders(shape: Shape) -> list[Feature]:
    q, y, life = quarter(shape), shape.year, "lifetime"
    found = [
        Feature("recency_days", "Days since the last order", "days", life, "recency"),
        Feature("tenure_days", "Days since the first order known", "days", life, "rhythm"),
        Feature("orders_all", "Orders in all known history", "orders", life, "rhythm"),
        Feature("order_days_all", "Purchase days in all known history", "days", life, "rhythm"),
        Feature("gap_mean_days", "Days between two purchase days, on average", "days", life, "rhythm"),
        Feature("gap_sd_days", "Standard deviation of the days between purchase days", "days", life, "rhythm"),
        Feature("gap_cv", "Irregularity: that deviation over that mean; 0 is clockwork", "ratio", life, "rhythm"),
        Feature("recency_over_gap", "Days since the last order over the usual gap", "ratio", life, "recency"),
    ]
    for w in shape.windows:
        found += [
            Feature(f"orders_{w}", f"Orders in the last {w} periods", "orders", "orders", "rhythm", w),
            Feature(f"order_days_{w}", f"Purchase days in the last {w} periods", "days", "orders", "rhythm", w),
            Feature(f"active_periods_{w}", f"Periods with an order, of the last {w}", "periods", "orders", "rhythm", w),
        ]
    for i in range(1, MONTHLY + 1):
        when = "in the period itself" if i == 1 else f"in period {i}, counted back from the end"
        found.append(Feature(f"orders_m{i}", f"Orders {when}", "orders", "orders", "rhythm", i))
    share = f"Share of the last {y} periods' orders that fell in the last {q}"
    return [
        *found,
        Feature("orders_trend", _against("Orders", q), "-1 to 1", "orders", "rhythm", 2 * q),
        Feature(f"orders_share_{q}_of_{y}", share, "share", "orders", "rhythm", y),
        *_process(shape),
    ]


def _process(shape: Shape) -> list[Feature]:
    found = []
    for short, model in (("mbg", "MBG/NBD"), ("pareto", "Pareto/NBD")):
        expected = f"Purchase days expected in the next {shape.horizon} periods, by {model}"
        alive = f"Probability that the customer still buys at all, by {model}"
        nothing = f"Probability of no purchase day in the next {shape.horizon} periods, by {model}"
        found += [
            Feature(f"{short}_expected_orders", expected, "days", "purchase_process", "rhythm"),
            Feature(f"{short}_alive", alive, "probability", "purchase_process", "recency"),
            Feature(f"{short}_no_order", nothing, "probability", "purchase_process", "recency"),
        ]
    return found


def _season(shape: Shape) -> list[Feature]:
    y, h = shape.year, shape.horizon
    same = f"in last year's {h} periods that match the next {h}"
    return [
        Feature("orders_season_ly", f"Orders {same}", "orders", "orders", "season", y),
        Feature("spend_season_ly", f"Spend {same}", "money units", "orders", "season", y),
        Feature(
            "orders_before_season_ly", f"Orders in the {h} periods before those", "orders", "orders", "season", y + h
        ),
    ]


def _spend(shape: Shape) -> list[Feature]:
    q, y, unit = quarter(shape), shape.year, "money units"
    last = f"the last {y} periods"
    vary = f"How much order amounts vary in {last}: standard deviation over mean"
    discount = f"Discount over the price before discount, {last}"
    return [
        Feature("spend_all", "Spend in all known history", unit, "lifetime", "spend"),
        *(Feature(f"spend_{w}", f"Spend in the last {w} periods", unit, "orders", "spend", w) for w in shape.windows),
        Feature("spend_trend", _against("Spend", q), "-1 to 1", "orders", "spend", 2 * q),
        Feature(f"order_value_mean_{y}", f"Mean amount of an order in {last}", unit, "orders", "spend", y),
        Feature(f"order_value_max_{y}", f"Largest order in {last}", unit, "orders", "spend", y),
        Feature(f"order_value_cv_{y}", vary, "ratio", "orders", "spend", y),
        Feature(f"discount_share_{y}", discount, "share", "orders", "spend", y),
    ]


def _breadth(shape: Shape) -> list[Feature]:
    y = shape.year
    last = f"in the last {y} periods"
    top = f"Share of spend that went to the customer's largest category {last}"
    products = f"Different products in an order, on average {last}"
    channels = f"Sales channels used {last}: 1 is one, 2 is two or more"
    return [
        Feature(f"categories_{y}", f"Product categories bought {last}", "categories", "categories", "breadth", y),
        Feature(f"top_category_share_{y}", top, "share", "categories", "breadth", y),
        Feature(f"products_per_order_{y}", products, "products", "order_lines", "breadth", y),
        Feature(f"channels_{y}", channels, "channels", "orders", "breadth", y),
    ]


def _service(shape: Shape) -> list[Feature]:
    q, y = quarter(shape), shape.year
    share = f"Amount returned over amount ordered in the last {y} periods"
    return [
        *(
            Feature(f"returns_{w}", f"Returns in the last {w} periods", "returns", "orders", "service", w)
            for w in (q, y)
        ),
        Feature(f"return_share_{y}", share, "share", "orders", "service", y),
        *(
            Feature(f"cases_{w}", f"Cases opened in the last {w} periods", "cases", "cases", "service", w)
            for w in (q, y)
        ),
        Feature("cases_open", "Cases opened and not yet closed", "cases", "cases", "service"),
        *(Feature(f"calls_{w}", f"Calls in the last {w} periods", "calls", "calls", "service", w) for w in (q, y)),
    ]


def _response(shape: Shape) -> list[Feature]:
    q, y = quarter(shape), shape.year
    found = []
    for w in (q, y):
        last = f"in the last {w} periods"
        found += [
            Feature(
                f"messages_{w}", f"Messages to and from the customer {last}", "messages", "messages", "messages", w
            ),
            Feature(f"messages_in_{w}", f"Messages from the customer {last}", "messages", "messages", "messages", w),
            Feature(f"contacts_{w}", f"Campaign contacts sent {last}", "contacts", "contacts", "contacts", w),
        ]
    sent = f"contacts sent in the last {y} periods"
    return [
        *found,
        Feature(f"contact_open_share_{y}", f"Opened share of the {sent}", "share", "contacts", "contacts", y),
        Feature(f"contact_click_share_{y}", f"Clicked share of the {sent}", "share", "contacts", "contacts", y),
    ]


def _against(what: str, q: int) -> str:
    return f"{what} of the last {q} periods against the {q} before: (new - old) / (new + old), 0 with neither"
