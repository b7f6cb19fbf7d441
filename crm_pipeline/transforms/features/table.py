"""The table of customer features, from activity windows and lifetime by the entries. No events, no models, no feature here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ibis
from ibis.expr.types import Table, Value

from crm_pipeline.periods import Calendar
from crm_pipeline.transforms.features.catalogue import by_source
from crm_pipeline.transforms.features.feature import EPOCH, Feature, Rows, Shape, Span


def customers(
    windows: Mapping[str, Table],
    lifetime: Table,
    purchase_process: Table | None,
    *,
    period: str,
    first_period: str,
    calendar: Calendar,
    shape: Shape,
    begins: Mapping[str, str] | None = None,
) -> Table:
    """Compute the features of every customer eligible at the end of ``period``.

    Each activity table is read once and reduced by one group-by with conditional aggregates; the results are joined to
    the eligible customers of ``lifetime``. Sums are of whole numbers and divided last, so that they are exact.

    Parameters
    ----------
    windows : mapping of str to Table
        The activity tables the source has, by name (``orders`` at least), over the last `catalogue.history`
        periods. Rows outside that span are ignored.
    lifetime : Table
        ``lifetime/customers`` at the end of the period.
    purchase_process : Table or None
        customer_id and, for mbg and pareto, ``*_expected_orders``, ``*_alive``, ``*_no_order``; None leaves them out.
    period : str
        Key of the period.
    first_period : str
        Key of the first period with orders: a feature that reaches before it is null.
    calendar : Calendar
        Grain and time zone.
    shape : Shape
        Windows, horizon, eligibility and year, in periods; the settings.
    begins : mapping of str to str, optional
        The same, of activity tables whose data begin in another period than the orders.

    Returns
    -------
    Table
        customer_id, as_of (DATE, the first day after the period), then the features of the catalogue as float64.
    """
    first = dict.fromkeys(windows, first_period) | dict(begins or {})
    span = Span(period, calendar, {name: calendar.distance(key, period) + 1 for name, key in first.items()})
    tables = {"lifetime": lifetime.filter(lifetime.last_day >= (span.start(shape.eligibility) - EPOCH).days), **windows}
    if purchase_process is not None:
        tables["purchase_process"] = purchase_process
    features = by_source(tables, shape)
    wanted: dict[str, list[Feature]] = {"lifetime": []}
    for feature in filter(span.reaches, features):
        wanted.setdefault(feature.rows_of or feature.source, []).append(feature)
    parts = {name: _part(name, tables[name], span, chosen, shape) for name, chosen in wanted.items()}
    joined = parts.pop("lifetime").rename(customer_id="lifetime_id")
    for name, part in parts.items():
        joined = joined.left_join(part, [("customer_id", f"{name}_id")])
    return joined.select(
        "customer_id",
        as_of=ibis.literal(calendar.end_date(period)),
        **{f.name: _filled(joined, f) if span.reaches(f) else ibis.null("float64") for f in features},
    )


def _filled(joined: Table, feature: Feature) -> Value:
    value = joined[feature.name]
    return value if feature.otherwise is None else value.fill_null(float(feature.otherwise))


def _part(name: str, table: Table, span: Span, features: Sequence[Feature], shape: Shape) -> Table:
    """Reduce one source to a row per customer: ``<name>_id`` and the values of its features."""
    dated = "period_start" in table.columns
    reach = max(shape.eligibility, *(f.window or 0 for f in features)) if dated else 0
    if dated:
        table = table.filter(table.period_start.between(span.start(reach), span.start(1)))
    if "category" in table.columns:
        table = _by_category(table, span, shape)
    rows = Rows(table, span, reach)
    values = {f.name: f.value(rows.over(f.window)).cast("float64") for f in features}
    key = {f"{name}_id": table.customer_id}
    return table.group_by(**key).aggregate(**values) if name in span.by_table else table.select(**key, **values)


def _by_category(table: Table, span: Span, shape: Shape) -> Table:
    """Add up the last year to a row per customer and category, so that categories can be counted and compared."""
    recent = table.filter(table.period_start >= span.start(shape.year))
    return recent.group_by("customer_id", "category").aggregate(spend=recent.spend.sum())
