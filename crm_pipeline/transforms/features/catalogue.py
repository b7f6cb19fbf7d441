"""The catalogue of customer features: what follows from the entries, such as the columns and the page. No entries, no computing."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from crm_pipeline.contracts.outputs import Output
from crm_pipeline.transforms.features import entries
from crm_pipeline.transforms.features.feature import Feature, Shape, Theme

THEMES: dict[Theme, str] = {
    "recency": "how long ago the customer last bought",
    "rhythm": "how often and how regularly the customer buys",
    "spend": "how much the customer spends, and on what terms",
    "season": "what the customer did at this time last year",
    "breadth": "how many kinds of goods and channels the customer uses",
    "service": "returns, cases and calls",
    "messages": "what the customer writes",
    "calls": "how the customer speaks in calls that are recorded",
    "contacts": "what the customer was sent, and the response",
}


def history(shape: Shape) -> int:
    """Return how many periods of activity, the last one included, ``features/customers`` reads."""
    return max(shape.eligibility, *(f.window or 0 for f in every(shape)))


def activity_tables(tables: Collection[str]) -> tuple[str, ...]:
    """Return the activity tables that the given canonical tables, and ``recordings`` of calls, give rise to.

    ``orders`` is always there, because it is derived from order lines where a source has no orders.
    """
    present = ["orders"]
    if "order_lines" in tables:
        present.append("order_lines")
        if "products" in tables:
            present.append("categories")
    if "messages" in tables:
        present += ["messages", "texts"]
    present += [name for name in ("cases", "calls", "contacts") if name in tables]
    return (*present, *(["audio"] if "recordings" in tables else []))


def catalogue(tables: Collection[str], shape: Shape) -> list[Feature]:
    """Return the features a source has, in column order.

    Parameters
    ----------
    tables : collection of str
        The canonical tables the source has, and ``recordings``. A feature of an absent table is not in the catalogue.
    shape : Shape
        Windows, horizon and year, in periods.
    """
    return by_source({"lifetime", "purchase_process", *activity_tables(tables)}, shape)


def by_source(present: Collection[str], shape: Shape) -> list[Feature]:
    """Return the features computed from the given sources (names as in `Feature.source`), in column order."""
    return [feature for feature in every(shape) if feature.source in present]


def every(shape: Shape) -> list[Feature]:
    """Return all features there are, in column order."""
    return [feature for of in entries.ENTRIES for feature in of(shape)]


def columns(tables: Collection[str], shape: Shape) -> tuple[Output, ...]:
    """Return the columns of `catalogue`, described."""
    return tuple(Output(f.name, "float64", f.description, f.unit) for f in catalogue(tables, shape))


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
Generated from `crm_pipeline/transforms/features/entries.py` by `catalogue.markdown`; do not edit.

One row of `features/customers` is an eligible customer (an order in the last {shape.eligibility} periods) as of the end
of a period. An *order* is a placed order with an amount above 0, a *purchase day* a day with an order, in the
business's time zone. *Reach* is how many periods back from the end a feature looks: one that would look back further
than the data go is null, not 0. A feature of a table that the source does not have is absent. *From* is the table
under `activity/`, or `lifetime/customers`, or the purchase process. Money units are multiples of the setting
`money_unit`. A source with messages has one feature more for each intent that its labelled texts know, at most 20:
`about_<intent>_{shape.year}`, the share of the customer's messages of the last {shape.year} periods that are about it.""".splitlines()
