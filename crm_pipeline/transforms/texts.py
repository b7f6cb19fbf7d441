"""From the understood messages of a period to mergeable aggregates per customer. Understanding a text does not belong here."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
from ibis.expr.types import BooleanValue, Table

from crm_pipeline.contracts.texts import INTENT_COLUMN, UNKNOWN
from crm_pipeline.periods import Calendar
from crm_pipeline.transforms.columns import local_day, whole

NEGATIVE, POSITIVE = -0.05, 0.05
"""Sentiment below is negative, above positive; the bounds that VADER's authors give (Hutto and Gilbert, ICWSM 2014)."""


def of_customers(messages: Table, period: str, calendar: Calendar, intents: Sequence[tuple[str, str]] = ()) -> Table:
    """Aggregate what customers wrote in a period to one row per customer.

    Parameters
    ----------
    messages : Table
        ``text/messages`` of the period and the one before, in which an answer of this period may have been asked for.
    period : str
        Key of the period.
    calendar : Calendar
    intents : sequence of (slug, label)
        The intents that are counted.

    Returns
    -------
    Table
        The columns of `contracts.texts.activity_columns`. An inbound message is answered by the customer's next
        outbound one.
    """
    start = ibis.literal(calendar.start(period), "timestamp(6)")
    rows = _with_answers(messages)
    rows = rows.mutate(now=rows.event_at >= start, day=local_day(rows.event_at, period, calendar))
    rows = rows.filter(rows.inbound)
    mine = rows.now
    answered = (rows.answer_at >= start).fill_null(False)
    scored = mine & rows.sentiment.notnull()
    negative = (mine & (rows.sentiment < NEGATIVE)).fill_null(False)
    known = (mine & (rows.intent != UNKNOWN)).fill_null(False)
    minutes = (rows.answer_at.epoch_seconds() - rows.event_at.epoch_seconds()) // 60
    made = rows.group_by("customer_id").aggregate(
        period_start=ibis.date(period),
        n_in=rows.count(where=mine),
        n_scored=rows.count(where=scored),
        sentiment_sum=whole((rows.sentiment * 1000).round().sum(where=scored)).fill_null(0),
        n_negative=rows.count(where=negative),
        n_positive=rows.count(where=(mine & (rows.sentiment > POSITIVE)).fill_null(False)),
        last_negative_day=rows.day.max(where=negative),
        n_answered=rows.count(where=answered),
        response_minutes_sum=whole(minutes.sum(where=answered)).fill_null(0),
        n_unanswered=rows.count(where=rows.answer_at.isnull()),
        n_known=rows.count(where=known),
        **{f"{INTENT_COLUMN}{slug}": rows.count(where=_about(rows, label) & mine) for slug, label in intents},
    )
    # a customer whose messages of the period before were all answered in it has nothing to tell of this one
    return made.filter((made.n_in > 0) | (made.n_answered > 0) | (made.n_unanswered > 0))


def _about(rows: Table, label: str) -> BooleanValue:
    return (rows.intent == label).fill_null(False)


def _with_answers(messages: Table) -> Table:
    """Add ``answer_at``, when the customer was next written to; null of what is unanswered."""
    later = ibis.cumulative_window(group_by="customer_id", order_by=[ibis.desc("event_at"), "inbound", "message_id"])
    written = ibis.ifelse(messages.inbound, ibis.null("timestamp(6)"), messages.event_at)
    return messages.mutate(answer_at=written.min().over(later))
