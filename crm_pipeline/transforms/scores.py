"""The scored customer table: every known customer with risk, value, reasons and what to do. No models are run here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import ibis
from ibis.expr.types import BooleanColumn, NumericValue, Table, Value

from crm_pipeline.contracts import actions
from crm_pipeline.contracts.actions import HIGH, LIKELY_ACTIVE, MEDIUM
from crm_pipeline.periods import Calendar
from crm_pipeline.transforms.columns import local_time, whole

TIERS = ((0.9, "top 10 %"), (0.7, "next 20 %"), (0.3, "middle 40 %"))
"""Percent rank of expected spend from which a tier begins; below is ``low 30 %``."""


@dataclass(frozen=True)
class Frame:
    """What is the same for every row of one period.

    Attributes
    ----------
    calendar : Calendar
        Gives the time zone of what a person reads.
    first, period : str
        The source's first period, and the one that is scored.
    as_of, horizon_end : date
    eligibility : str
        The window of eligibility in words, such as ``12 months``.
    unit : float
        Major units in one money unit.
    has_cases, has_opt_outs : bool
        Whether the source has the table, and days of opting out.
    model_age : int
        Periods since the models that score were trained.
    """

    calendar: Calendar
    first: str
    period: str
    as_of: date
    horizon_end: date
    label_definition: str
    eligibility: str
    unit: float
    has_cases: bool
    has_opt_outs: bool
    run_id: str
    scored_at: datetime
    release: str
    model_age: int


def customers(
    lifetime: Table,
    orders: Table,
    churn: Table | None,
    demand: Table | None,
    frame: Frame,
    *,
    categories: Table | None = None,
    next_best: Table | None = None,
    contacts: Table | None = None,
    texts: Table | None = None,
    value: Table | None = None,
    segments: Table | None = None,
    process: Table | None = None,
    previous: Table | None = None,
) -> Table:
    """Join what is known and what is predicted of every known customer, after the output contract.

    Parameters
    ----------
    lifetime : Table
        ``lifetime/customers`` of the period: decides who is in the table.
    orders, categories, contacts, texts : Table
        Activity of the last year.
    churn, demand : Table or None
        ``scores/churn`` and ``scores/demand`` of the period; None when the task is off.
    next_best : Table or None
        ``scores/categories`` of the period: its first category stands in where nothing was bought in the last year.
    value, segments : Table or None
        ``scores/value`` and ``scores/segments`` of the period.
    process : Table or None
        ``features/purchase_process`` of the period: who is still likely active.
    previous : Table or None
        ``scores/customers`` of the period before, when it was published.
    """
    table = lifetime.select("customer_id", "last_at", "opted_out_at", "last_channel", "cases_opened", "cases_closed")
    table = _left(table, _last_year(orders))
    table = _left(table, _prefixed(churn, "c_", CHURN) if churn is not None else None)
    table = _left(table, _prefixed(demand, "d_", DEMAND) if demand is not None else None)
    table = _left(table, _favourite(categories) if categories is not None else None)
    table = _left(table, _next(next_best) if next_best is not None else None)
    table = _left(table, _in_control(contacts) if contacts is not None else None)
    table = _left(table, _felt(texts) if texts is not None else None)
    table = _left(table, _prefixed(value, "v_", VALUE) if value is not None else None)
    table = _left(table, segments.select("customer_id", "segment") if segments is not None else None)
    table = _left(table, _active(process) if process is not None else None)
    table = _left(table, _before(previous) if previous is not None else None)
    table = table.mutate(**_values(table))
    return table.select(**_columns(table, frame))


CHURN = ("status", "status_reason", "probability", "percentile", "reason_1", "reason_2", "reason_3", "features_hash")
DEMAND = ("status", "status_reason", "value", "median", "low", "high", "expected_orders", "features_hash")
VALUE = ("status", "value", "value_basis")


def _left(table: Table, other: Table | None) -> Table:
    if other is None:
        return table
    joined = table.left_join(other, "customer_id")
    return joined.drop(*(c for c in joined.columns if c.endswith("_right")))


def _prefixed(table: Table, prefix: str, names: tuple[str, ...]) -> Table:
    return table.select("customer_id", **{prefix + name: table[name] for name in names})


def _last_year(orders: Table) -> Table:
    return orders.group_by("customer_id").aggregate(
        orders_year=whole(orders.n_orders.sum()), spend_year=whole(orders.spend.sum())
    )


def _favourite(categories: Table) -> Table:
    spent = categories.group_by("customer_id", "category").aggregate(spend=categories.spend.sum())
    rank = ibis.row_number().over(group_by="customer_id", order_by=[spent.spend.desc(), spent.category])
    return spent.mutate(rank=rank).filter(lambda t: t.rank == 0).select("customer_id", favourite="category")


def _next(divided: Table) -> Table:
    return divided.filter(divided["rank"] == 1).select("customer_id", first_category="category")


def _in_control(contacts: Table) -> Table:
    return contacts.group_by("customer_id").aggregate(in_control=contacts.n_control.sum() > 0)


def _felt(texts: Table) -> Table:
    scored = texts.n_scored.sum().cast("float64").nullif(0)
    return texts.group_by("customer_id").aggregate(felt=texts.sentiment_sum.sum().cast("float64") / scored / 1000)


def _active(process: Table) -> Table:
    alive = (process.mbg_alive + process.pareto_alive) / 2
    return process.select("customer_id", active=ibis.ifelse(alive.isnan(), ibis.null("float64"), alive))


def _before(previous: Table) -> Table:
    return previous.select("customer_id", before=previous.churn_probability, reason_before=previous.reason_1)


def _values(table: Table) -> Mapping[str, Value]:
    """Return the value at risk (probability of lapse × spend in the horizon if still active), and the percent ranks of it and of spend."""
    risk = _or_null(table, "c_probability")
    spend = _or_null(table, "d_value")
    worth = spend / ibis.greatest(_or_null(table, "active").fill_null(1.0), LIKELY_ACTIVE)
    at_risk = risk * worth
    return {"at_risk": at_risk, "risk_rank": _percent_rank(at_risk), "spend_rank": _percent_rank(spend)}


def _percent_rank(value: NumericValue) -> NumericValue:
    return ibis.percent_rank().over(group_by=value.isnull(), order_by=value)


def _or_null(table: Table, name: str, kind: str = "float64") -> NumericValue:
    return table[name] if name in table.columns else ibis.null(kind)


def _text(table: Table, name: str) -> Value:
    return table[name] if name in table.columns else ibis.null("string")


def _columns(table: Table, frame: Frame) -> dict[str, Value]:
    task = "c" if "c_status" in table.columns else "d"
    scored = (table[f"{task}_status"] == "scored").fill_null(False)
    risk, spend = _or_null(table, "c_probability"), _or_null(table, "d_value")
    open_cases = ibis.greatest(table.cases_opened - table.cases_closed, 0) if frame.has_cases else ibis.null("int64")
    opted_out = table.opted_out_at.notnull()
    return {
        "customer_id": table.customer_id,
        "as_of": ibis.literal(frame.as_of),
        "horizon_end": ibis.literal(frame.horizon_end),
        "label_definition": ibis.literal(frame.label_definition),
        "status": ibis.ifelse(scored, "scored", "abstained"),
        "status_reason": _why_not(table, table[f"{task}_status_reason"], scored, frame),
        "last_order_at": local_time(table.last_at, frame.first, frame.period, frame.calendar),
        "orders_12m": _or_null(table, "orders_year", "int64").fill_null(0),
        "spend_12m": _or_null(table, "spend_year", "int64").fill_null(0) * frame.unit,
        "churn_probability": risk,
        "churn_percentile": _or_null(table, "c_percentile"),
        "churn_bucket": ibis.cases((risk >= HIGH, "high"), (risk >= MEDIUM, "medium"), (risk.notnull(), "low")),
        "change_since_last": risk - _or_null(table, "before"),
        "reason_1": _text(table, "c_reason_1"),
        "reason_2": _text(table, "c_reason_2"),
        "reason_3": _text(table, "c_reason_3"),
        "reasons_changed": table.reason_before != _text(table, "c_reason_1")
        if "reason_before" in table.columns
        else ibis.null("boolean"),
        "expected_orders": _or_null(table, "d_expected_orders"),
        "expected_spend": spend,
        "median_spend": _or_null(table, "d_median"),
        "expected_spend_low": _or_null(table, "d_low"),
        "expected_spend_high": _or_null(table, "d_high"),
        "next_category": ibis.coalesce(_text(table, "favourite"), _text(table, "first_category")),
        "customer_value": _or_null(table, "v_value"),
        "value_basis": _text(table, "v_value_basis"),
        "value_status": _text(table, "v_status"),
        "still_active": _or_null(table, "active"),
        "value_at_risk": table.at_risk,
        "value_tier": ibis.cases(
            *((spend.notnull() & (table.spend_rank >= share), name) for share, name in TIERS),
            (spend.notnull(), "low 30 %"),
        ),
        "segment": _text(table, "segment"),
        "sentiment": _or_null(table, "felt"),
        "open_cases": open_cases,
        "contactable": ~opted_out if frame.has_opt_outs else ibis.null("boolean"),
        "not_contactable_reason": ibis.ifelse(opted_out, "opted out", ibis.null("string")),
        "preferred_channel": _text(table, "last_channel"),
        "in_control_group": table.in_control.fill_null(False)
        if "in_control" in table.columns
        else ibis.null("boolean"),
        "recommended_action": _action(table, scored, risk, open_cases, opted_out),
        "action_basis": ibis.ifelse(scored, "rule", ibis.null("string")),
        "action_expected_gain": ibis.null("float64"),
        "action_gain_low": ibis.null("float64"),
        "action_gain_high": ibis.null("float64"),
        "scoring_release": ibis.ifelse(scored, frame.release, ibis.null("string")),
        "features_hash": table[f"{task}_features_hash"],
        "run_id": ibis.literal(frame.run_id),
        "scored_at": ibis.literal(frame.scored_at).cast("timestamp"),
        "model_age_periods": ibis.ifelse(scored, ibis.literal(frame.model_age, "int64"), ibis.null("int64")),
    }


def _why_not(table: Table, reason: Value, scored: BooleanColumn, frame: Frame) -> Value:
    gone = ibis.literal(f"no order with a positive amount in the last {frame.eligibility}")
    return ibis.cases(
        (scored, _no_demand(table) if "c_status" in table.columns else ibis.null("string")),
        (reason.notnull(), reason),
        (table.last_at.isnull(), ibis.literal("never ordered with a positive amount")),
        else_=gone,
    )


def _no_demand(table: Table) -> Value:
    """Say why whoever has a churn score has none of demand; null where there is one, or demand is not asked."""
    if "d_status" not in table.columns:
        return ibis.null("string")
    why = ibis.literal("no demand score: ") + table.d_status_reason.fill_null("none was made")
    return ibis.ifelse((table.d_status == "scored").fill_null(False), ibis.null("string"), why)


def _control(table: Table) -> Value:
    return table.in_control.fill_null(False) if "in_control" in table.columns else ibis.literal(False)


def _action(
    table: Table, scored: BooleanColumn, risk: NumericValue, open_cases: NumericValue, opted_out: BooleanColumn
) -> Value:
    """Return the first of `actions.RULES` that holds."""
    valued = table.at_risk.notnull() & (table.risk_rank >= actions.VALUED)
    gone = (_or_null(table, "active") < LIKELY_ACTIVE).fill_null(False)
    return ibis.cases(
        (~scored, ibis.null("string")),
        (opted_out, actions.OPTED_OUT),
        (_control(table), actions.CONTROL),
        ((open_cases > 0).fill_null(False), actions.SETTLE),
        ((risk >= HIGH) & valued, actions.CALL),
        ((risk >= MEDIUM) & valued, actions.OFFER),
        ((risk >= MEDIUM) & gone, actions.WIN_BACK),
        (risk >= HIGH, actions.REMIND),
        else_=actions.LEAVE,
    )
