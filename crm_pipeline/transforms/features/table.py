"""The table of customer features, from activity windows and lifetime by the entries. No events, no models, no feature here.

The expression is the same for every period: which one it is stands in a table of one row (`dates`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import ibis
from ibis.expr.types import Table, Value

from crm_pipeline.periods import Calendar
from crm_pipeline.transforms.features.catalogue import by_source, history
from crm_pipeline.transforms.features.feature import Feature, Rows, Shape

if TYPE_CHECKING:
    import pyarrow as pa


def dates(period: str, begins: Mapping[str, str], calendar: Calendar, shape: Shape) -> pa.Table:
    """Return the one row that says which period it is: what `customers` need not be built and compiled anew for.

    Parameters
    ----------
    period : str
        Key of the period.
    begins : mapping of str to str
        By activity table, the key of the first period with data: a feature that reaches before it is null.
    calendar : Calendar
        Grain of the periods.
    shape : Shape
        Windows, horizon, eligibility and year, in periods; the settings.

    Returns
    -------
    pyarrow.Table
        as_of, the first day after the period; start_1, start_2, ..., the first day of the period, of the one before it
        and so on; per activity table ``<table>_covered``, how many periods up to the end its data cover.
    """
    import pyarrow as pa

    starts = {f"start_{i}": calendar.shift(period, 1 - i) for i in range(1, history(shape) + 1)}
    days = {name: date.fromisoformat(key) for name, key in starts.items()}
    covered = {f"{name}_covered": calendar.distance(first, period) + 1 for name, first in begins.items()}
    return pa.Table.from_pylist([{"as_of": calendar.end_date(period), **days, **covered}])


def customers(
    windows: Mapping[str, Table], lifetime: Table, purchase_process: Table | None, dates: Table, *, shape: Shape
) -> Table:
    """Compute the features of every customer eligible at the end of a period.

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
    dates : Table
        What `dates` returns, for all tables of ``windows``.
    shape : Shape
        Windows, horizon, eligibility and year, in periods; the settings.

    Returns
    -------
    Table
        customer_id, as_of (DATE, the first day after the period), then the features of the catalogue as float64; in the order of
        customer_id, by which customers are read in batches.
    """
    end = dates.select(
        "as_of",
        *(f"{name}_covered" for name in windows),
        today=dates.as_of.epoch_days(),
        since=dates[f"start_{shape.eligibility}"].epoch_days(),
    )
    known = lifetime.cross_join(end)
    eligible = known.filter(known.last_day >= known.since)
    tables = {"lifetime": eligible, **windows}
    if purchase_process is not None:
        tables["purchase_process"] = purchase_process
    features = by_source(tables, shape)
    wanted: dict[str, list[Feature]] = {"lifetime": []}
    for feature in features:
        wanted.setdefault(feature.rows_of or feature.source, []).append(feature)
    joined = _part("lifetime", eligible, wanted.pop("lifetime"), ["as_of", *(f"{name}_covered" for name in windows)])
    joined = joined.rename(customer_id="lifetime_id")
    for name, chosen in wanted.items():
        part = (
            _activity(name, windows[name], dates, chosen, shape)
            if name in windows
            else _part(name, tables[name], chosen)
        )
        joined = joined.left_join(part, [("customer_id", f"{name}_id")])
    told = {f.name: _told(joined, f, f.source in windows) for f in features}
    return joined.select("customer_id", "as_of", **told).order_by("customer_id")


def _told(joined: Table, feature: Feature, dated: bool) -> Value:
    """The feature's value; null where the data of its table do not go back as far as it does."""
    value = joined[feature.name]
    value = value if feature.otherwise is None else value.fill_null(float(feature.otherwise))
    return ibis.ifelse(joined[f"{feature.source}_covered"] >= (feature.window or 1), value, None) if dated else value


def _part(name: str, table: Table, features: Sequence[Feature], more: Sequence[str] = ()) -> Table:
    """Take from a source of a row per customer: ``<name>_id``, the values of its features, and ``more`` columns."""
    rows = Rows(table)
    return table.select(*more, **{f"{name}_id": table.customer_id}, **_values(rows, features))


def _activity(name: str, table: Table, dates: Table, features: Sequence[Feature], shape: Shape) -> Table:
    """Reduce an activity table to a row per customer: ``<name>_id`` and the values of its features."""
    reach = max(shape.eligibility, *(f.window or 0 for f in features))
    starts = dates.select(*(f"start_{i}" for i in range(1, reach + 1)), today=dates.as_of.epoch_days())
    dated = table.cross_join(starts)
    table = dated.filter(dated.period_start.between(dated[f"start_{reach}"], dated.start_1))
    if "category" in table.columns:
        table = _by_category(table, shape)
    rows = Rows(table, reach)
    return table.group_by(**{f"{name}_id": table.customer_id}).aggregate(**_values(rows, features))


def _values(rows: Rows, features: Sequence[Feature]) -> dict[str, Value]:
    return {f.name: f.value(rows.over(f.window)).cast("float64") for f in features}


def _by_category(table: Table, shape: Shape) -> Table:
    """Add up the last year to a row per customer and category, so that categories can be counted and compared."""
    recent = table.filter(table.period_start >= table[f"start_{shape.year}"])
    return recent.group_by("customer_id", "category").aggregate(spend=recent.spend.sum())
