"""From the understood messages of a period to mergeable aggregates per customer. Understanding a text does not belong here."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
from ibis.expr.types import BooleanValue, Table

from crm_pipeline.contracts.calls import AGENT
from crm_pipeline.contracts.canonical import INBOUND
from crm_pipeline.contracts.texts import INTENT_COLUMN, SPOKEN_CHANNEL, UNKNOWN, WRITTEN_CHANNEL
from crm_pipeline.periods import Calendar
from crm_pipeline.transforms.columns import local_day, of_somebody, whole

NEGATIVE, POSITIVE = -0.05, 0.05
"""Sentiment below is negative, above positive; the bounds that VADER's authors give (Hutto and Gilbert, ICWSM 2014)."""


SPOKEN = "call:"
"""What the id of a call begins with as the id of a text."""


def written(messages: Table) -> Table:
    """Return of ``clean/messages`` what a text is understood by: message_id, customer_id, event_at, body, language, inbound.

    Where the source tells no direction, the customer wrote it; where it tells no language, that is null.
    """
    told = messages.columns
    inbound = (
        messages.direction.fill_null(INBOUND[0]).lower().isin(INBOUND) if "direction" in told else ibis.literal(True)
    )
    language = messages.language if "language" in told else ibis.null("string")
    return messages.select("message_id", "customer_id", "event_at", "body", language=language, inbound=inbound)


def with_calls(messages: Table, calls: Table, heard: Table | None) -> Table:
    """Add what customers said in calls to the messages of a period, as messages of the channel `SPOKEN_CHANNEL`.

    Parameters
    ----------
    messages : Table
        message_id, customer_id, event_at, body, inbound, language.
    calls : Table
        ``clean/calls`` of the period. Its own transcript is taken where it has one; it is taken as sure.
    heard : Table or None
        ``audio/calls`` of the period: what the customer says, or both where they cannot be told apart.

    Returns
    -------
    Table
        The messages' columns, channel, and confidence, which is null of what was written.
    """
    own = calls.transcript if "transcript" in calls.columns else ibis.null("string")
    known = calls.select(
        "call_id", "customer_id", "event_at", body=own.strip().nullif(""),
        language=calls.language if "language" in calls.columns else ibis.null("string"),
    )  # fmt: skip
    known = known.mutate(confidence=ibis.ifelse(known.body.notnull(), 1.0, None))
    if heard is not None:
        said = heard.filter((heard.speaker != AGENT) & heard.transcript.notnull())
        joined = known.left_join(said.select("call_id", "transcript", sure=said.confidence), "call_id")
        known = joined.select(
            *(c for c in known.columns if c not in ("body", "confidence")),
            body=joined.body.coalesce(joined.transcript), confidence=joined.confidence.coalesce(joined.sure),
        )  # fmt: skip
    spoken = known.filter(known.body.notnull()).select(
        "customer_id", "event_at", "body", "language", "confidence", message_id=ibis.literal(SPOKEN) + known.call_id,
        inbound=ibis.literal(True), channel=ibis.literal(SPOKEN_CHANNEL),
    )  # fmt: skip
    written = messages.mutate(channel=ibis.literal(WRITTEN_CHANNEL), confidence=ibis.null("float64"))
    return ibis.union(written, spoken.select(written.columns))


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
        outbound one; what was said in a call waits for none.
    """
    start = ibis.literal(calendar.start(period), "timestamp(6)")
    rows = _with_answers(of_somebody(messages))
    rows = rows.mutate(now=rows.event_at >= start, day=local_day(rows.event_at, period, calendar))
    rows = rows.filter(rows.inbound)
    mine = rows.now
    waits = rows.answer_at.isnull() & (rows.channel != SPOKEN_CHANNEL)
    answered = (rows.answer_at >= start).fill_null(False) & (rows.channel != SPOKEN_CHANNEL)
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
        n_unanswered=rows.count(where=waits),
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
