"""Customer features as of a period's end, from activity windows and lifetime. No events and no models belong here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import ibis
from ibis.expr.types import BooleanValue, FloatingValue, NumericValue, Table, Value

from crm_pipeline.contracts.features import MONTHLY, Feature, Shape, by_source, quarter
from crm_pipeline.periods import Calendar

EPOCH = date(1970, 1, 1)


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
        The activity tables the source has, by name (``orders`` at least), over the last `contracts.features.history`
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
    eligible = lifetime.filter(lifetime.last_day >= _days(span.start(shape.eligibility)))
    parts = {name: build(windows[name], span, shape) for name, build in SOURCES.items() if name in windows}
    if purchase_process is not None:
        parts["purchase_process"] = purchase_process.rename(purchase_process_id="customer_id")
    joined = eligible
    for name, part in parts.items():
        joined = joined.left_join(part, [("customer_id", f"{name}_id")])
    present = {"lifetime", *parts}
    found = _express(joined, present, span, shape)
    columns = {
        f.name: found[f.name].cast("float64") if span.reaches(f) else ibis.null("float64")
        for f in by_source(present, shape)
    }
    return joined.select("customer_id", as_of=ibis.literal(calendar.end_date(period)), **columns)


@dataclass(frozen=True)
class Span:
    """The periods up to ``period``, counted back from it as number 1; per activity table, how many its data cover."""

    period: str
    calendar: Calendar
    by_table: Mapping[str, int]

    @property
    def covered(self) -> int:
        """How many periods the orders cover."""
        return self.by_table["orders"]

    def start(self, i: int) -> date:
        """Return the first day of the i-th period from the end."""
        return date.fromisoformat(self.calendar.shift(self.period, 1 - i))

    def within(self, table: Table, low: int, high: int) -> BooleanValue:
        """Return whether a row lies in the periods ``low + 1`` to ``high`` from the end."""
        day = table.period_start
        if high == low + 1:
            return day == self.start(high)
        return (day >= self.start(high)) & (day <= self.start(low + 1))

    def reaches(self, feature: Feature) -> bool:
        """Return whether the data of the feature's table go back as far as the feature does."""
        covered = self.by_table.get(feature.source)
        return covered is None or (feature.window or 1) <= covered

    def bands(self, cuts: set[int]) -> list[tuple[int, int]]:
        """Return the stretches between neighbouring cuts that lie within the data; each row falls in one at most."""
        inside = sorted(c for c in {0, *cuts} if 0 <= c <= self.covered)
        return list(pairwise(inside))


Reduce = Callable[[Table, Span, Shape], Table]


def _cuts(shape: Shape) -> dict[str, set[int]]:
    """Where each measure of ``activity/orders`` is cut, in periods before the end; a window is a union of bands."""
    y, h, q = shape.year, shape.horizon, quarter(shape)
    windows = {*shape.windows, y}
    season = {max(y - h, 0), y, y + h}
    return {
        "n_orders": {*windows, *season, q, 2 * q, *range(1, MONTHLY + 1)},
        "spend": {*windows, *season, q, 2 * q},
        "order_days": windows,
        "active": windows,
        "n_returns": {q, y},
    }


def _orders(table: Table, span: Span, shape: Shape) -> Table:
    measures: dict[str, NumericValue] = {
        "n_orders": table.n_orders,
        "spend": table.spend,
        "order_days": table.order_days,
        "active": (table.n_orders > 0).cast("int64"),
        "n_returns": table.n_returns,
    }
    year = span.within(table, 0, shape.year)
    bands = {
        f"{name}_{low}_{high}": _sum(measures[name], span.within(table, low, high))
        for name, cuts in _cuts(shape).items()
        for low, high in span.bands(cuts)
    }
    return table.group_by(orders_id=table.customer_id).aggregate(
        **bands,
        year_max=table.max_amount.max(where=year),
        year_sumsq=table.spend_sumsq.sum(where=year).cast("float64"),
        year_discount=table.discount.sum(where=year).cast("float64"),
        year_returned=_sum(table.returned_amount, year),
        year_min_channel=table.min_channel.min(where=year),
        year_max_channel=table.max_channel.max(where=year),
    )


def _order_lines(table: Table, span: Span, shape: Shape) -> Table:
    recent = table.filter(span.within(table, 0, shape.year))
    return recent.group_by(order_lines_id=recent.customer_id).aggregate(
        year_products=recent.n_products.sum().cast("float64"), year_line_orders=recent.n_orders.sum().cast("float64")
    )


def _categories(table: Table, span: Span, shape: Shape) -> Table:
    recent = table.filter(span.within(table, 0, shape.year))
    each = recent.group_by("customer_id", "category").aggregate(spend=recent.spend.sum().cast("float64"))
    return each.group_by(categories_id=each.customer_id).aggregate(
        year_categories=each.count(), year_top=each.spend.max(), year_category_spend=each.spend.sum()
    )


def _counts(name: str, quarterly: Mapping[str, str], yearly: Mapping[str, str]) -> Reduce:
    """Return a reduction to sums over the last quarter and year: result column prefix -> activity column."""

    def reduce(table: Table, span: Span, shape: Shape) -> Table:
        lengths = {"quarter": quarter(shape), "year": shape.year}
        recent = table.filter(span.within(table, 0, shape.year))
        sums = {
            f"{prefix}_{length}": _sum(recent[column], span.within(recent, 0, lengths[length]))
            for length, chosen in (("quarter", quarterly), ("year", {**quarterly, **yearly}))
            for prefix, column in chosen.items()
        }
        return recent.group_by(**{f"{name}_id": recent.customer_id}).aggregate(**sums)

    return reduce


SOURCES: dict[str, Reduce] = {
    "orders": _orders,
    "order_lines": _order_lines,
    "categories": _categories,
    "messages": _counts("messages", {"messages": "n_messages", "messages_in": "n_in"}, {}),
    "cases": _counts("cases", {"cases": "n_opened"}, {}),
    "calls": _counts("calls", {"calls": "n_calls"}, {}),
    "contacts": _counts("contacts", {"contacts": "n_sent"}, {"opened": "n_opened", "clicked": "n_clicked"}),
}
"""How each activity table is reduced to one row per customer; a new table is one entry here."""


def _express(table: Table, present: set[str], span: Span, shape: Shape) -> dict[str, Value]:
    """Return an expression per feature over the joined table, for the features whose source is there."""
    found = _from_lifetime(table, span) | _from_orders(table, span, shape)
    q, y = quarter(shape), shape.year
    if "order_lines" in present:
        found[f"products_per_order_{y}"] = _ratio(table.year_products, table.year_line_orders)
    if "categories" in present:
        found[f"categories_{y}"] = table.year_categories.fill_null(0)
        found[f"top_category_share_{y}"] = _ratio(table.year_top, table.year_category_spend)
    for name in ("messages", "messages_in", "cases", "calls", "contacts"):
        if name.removesuffix("_in") in present:
            found[f"{name}_{q}"] = table[f"{name}_quarter"].fill_null(0)
            found[f"{name}_{y}"] = table[f"{name}_year"].fill_null(0)
    if "cases" in present:
        found["cases_open"] = ibis.greatest(table.cases_opened - table.cases_closed, 0)
    if "contacts" in present:
        sent = table.contacts_year
        found[f"contact_open_share_{y}"] = _share(table.opened_year, sent)
        found[f"contact_click_share_{y}"] = _share(table.clicked_year, sent)
    if "purchase_process" in present:
        for name in (f"{m}_{part}" for m in ("mbg", "pareto") for part in ("expected_orders", "alive", "no_order")):
            found[name] = table[name]
    return found


def _from_lifetime(table: Table, span: Span) -> dict[str, Value]:
    today = _days(span.calendar.end_date(span.period))
    gaps = table.gaps.cast("float64")
    recency = (today - table.last_day).cast("float64")
    mean = _ratio(table.gap_days_sum.cast("float64"), gaps)
    spread = _spread(gaps, table.gap_days_sum.cast("float64"), table.gap_days_sumsq.cast("float64"))
    return {
        "recency_days": recency,
        "tenure_days": today - table.first_day,
        "orders_all": table.n_orders,
        "order_days_all": table.order_days,
        "spend_all": table.spend,
        "gap_mean_days": mean,
        "gap_sd_days": spread,
        "gap_cv": _ratio(spread, mean),
        "recency_over_gap": _ratio(recency, mean),
    }


def _from_orders(table: Table, span: Span, shape: Shape) -> dict[str, Value]:
    q, y, h = quarter(shape), shape.year, shape.horizon
    cuts = _cuts(shape)

    def over(measure: str, low: int, high: int) -> FloatingValue:
        """The sum of a measure over periods ``low + 1`` to ``high`` from the end; null where the data do not reach."""
        inside = [(a, b) for a, b in span.bands(cuts[measure]) if low <= a and b <= high]
        if high > span.covered or not inside:
            return ibis.null("float64")
        first, *rest = (table[f"{measure}_{a}_{b}"] for a, b in inside)
        return sum(rest, first).fill_null(0.0)

    orders_year, spend_year = over("n_orders", 0, y), over("spend", 0, y)
    mean = _ratio(spend_year, orders_year)
    found: dict[str, Value] = {f"orders_m{i}": over("n_orders", i - 1, i) for i in range(1, MONTHLY + 1)}
    for w in shape.windows:
        found |= {
            f"orders_{w}": over("n_orders", 0, w),
            f"order_days_{w}": over("order_days", 0, w),
            f"active_periods_{w}": over("active", 0, w),
            f"spend_{w}": over("spend", 0, w),
        }
    season = max(y - h, 0), y
    one, other = table.year_min_channel, table.year_max_channel
    return found | {
        "orders_trend": _trend(over("n_orders", 0, q), over("n_orders", q, 2 * q)),
        "spend_trend": _trend(over("spend", 0, q), over("spend", q, 2 * q)),
        f"orders_share_{q}_of_{y}": _ratio(over("n_orders", 0, q), orders_year),
        "orders_season_ly": over("n_orders", *season),
        "spend_season_ly": over("spend", *season),
        "orders_before_season_ly": over("n_orders", y, y + h),
        f"order_value_mean_{y}": mean,
        f"order_value_max_{y}": table.year_max,
        f"order_value_cv_{y}": _ratio(_spread(orders_year, spend_year, table.year_sumsq), mean),
        f"discount_share_{y}": _ratio(table.year_discount, spend_year + table.year_discount),
        f"returns_{q}": over("n_returns", 0, q),
        f"returns_{y}": over("n_returns", 0, y),
        f"return_share_{y}": _ratio(table.year_returned, spend_year),
        f"channels_{y}": ibis.cases((one == other, 1), (one != other, 2)),
    }


def _sum(column: NumericValue, where: BooleanValue) -> FloatingValue:
    """Sum whole numbers where a condition holds, as float: exact, in any order, below 2**53."""
    return ibis.ifelse(where, column.cast("float64"), 0.0).sum()


def _ratio(top: NumericValue, bottom: NumericValue) -> FloatingValue:
    """Divide; null where there is nothing to divide by."""
    return top / bottom.nullif(0)


def _share(part: NumericValue, whole: NumericValue) -> FloatingValue:
    """Divide, at most 1: what was sent before a window may be answered in it."""
    share = _ratio(part, whole)
    return ibis.ifelse(share > 1, 1.0, share)


def _trend(new: FloatingValue, old: FloatingValue) -> FloatingValue:
    """Return (new - old) / (new + old): -1 stopped, 0 unchanged or neither, 1 began."""
    return ((new - old) / (new + old).nullif(0)).fill_null(0.0)


def _spread(n: FloatingValue, total: FloatingValue, squares: FloatingValue) -> FloatingValue:
    """Return the sample standard deviation from count, sum and sum of squares; null for fewer than two."""
    variance = (squares - total * total / n.nullif(0)) / (n - 1).nullif(0)
    return ibis.ifelse(variance < 0, 0.0, variance).sqrt()  # below 0 only by rounding


def _days(day: date) -> int:
    return (day - EPOCH).days
