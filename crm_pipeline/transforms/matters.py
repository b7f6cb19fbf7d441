"""The open matters of customers: recent calls and open cases, with what is known of each. No order and no words here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

import ibis
from ibis.expr.types import BooleanValue, StringValue, Table

from crm_pipeline.contracts.calls import AGENT
from crm_pipeline.contracts.canonical import INBOUND
from crm_pipeline.contracts.texts import SPOKEN_CHANNEL
from crm_pipeline.transforms.columns import optional
from crm_pipeline.transforms.texts import SPOKEN

HEARD = ("emotion", "emotion_probability", "watched", "transcript", "confidence", "low_confidence")
"""What a call's matter takes from the caller's channel."""

KNOWN = ("churn_probability", "customer_value", "not_contactable_reason")
"""What a matter takes from the scored customer."""


def matters(
    calls: Table,
    heard: Table,
    customers: Table,
    cases: Table | None,
    texts: Table | None,
    end: datetime,
    days: int,
    watched: Sequence[str] = (),
) -> Table:
    """Return a row for each open matter of a customer.

    A call belongs to the customer's newest case that was opened before it and is open at the end; calls of a customer
    that belong to no such case are one matter. Where nobody knows who called, every call is a matter of its own.

    Parameters
    ----------
    calls : Table
        ``clean/calls``; those from customers in the last ``days`` before the end count.
    heard : Table
        ``audio/calls`` of the same periods.
    customers : Table
        ``scores/customers`` of the period.
    cases : Table or None
        ``clean/cases`` as far back as a case can be open; None where the source has none.
    texts : Table or None
        ``text/messages`` of the same periods as the calls; None where the source has no messages to learn intents from.
    end : datetime
        The end of the period (UTC, exclusive): nothing that happened later is looked at.
    days : int
    watched : sequence of str
        Looked for, as they are written, in the transcripts that the source itself gives; these, and its emotions, count before
        what is heard.

    Returns
    -------
    Table
        customer_id, case_id, case_opened_at, case_category, call_id, called_at, n_calls, silent (why nothing was heard in the
        call), intent, `HEARD`, `KNOWN` and value_rank.
    """
    since = ibis.literal(end - timedelta(days=days), "timestamp(6)")
    until = ibis.literal(end, "timestamp(6)")
    recent = calls.filter((calls.event_at >= since) & (calls.event_at < until) & _inbound(calls))
    recent = recent.select("call_id", "customer_id", called_at=recent.event_at, **_own(recent, watched))
    found = _of_cases(_with_intent(_with_sound(recent, heard), texts), _open(cases, until))
    return found.left_join(_known(customers), "customer_id").drop("customer_id_right")


def _inbound(calls: Table) -> BooleanValue:
    direction = optional(calls, "direction", "string")
    return direction.isnull() | direction.lower().isin(INBOUND)


def _with_sound(calls: Table, heard: Table) -> Table:
    """Return the calls with what is heard of the caller; a recording has one channel of the caller, or one of both."""
    caller = heard.filter(heard.speaker != AGENT).select("call_id", "reason", *HEARD)
    joined = calls.left_join(caller, "call_id")
    silent = ibis.ifelse(joined.call_id_right.isnull(), ibis.literal("it has no recording"), joined.reason)
    typed, labelled = joined.own_transcript.notnull(), joined.own_emotion.notnull()
    return joined.mutate(
        silent=ibis.ifelse(typed | labelled, ibis.null("string"), silent),
        emotion=joined.own_emotion.coalesce(joined.emotion),
        emotion_probability=ibis.ifelse(labelled, 1.0, joined.emotion_probability),
        transcript=joined.own_transcript.coalesce(joined.transcript),
        confidence=ibis.ifelse(typed, 1.0, joined.confidence),
        low_confidence=ibis.ifelse(typed, False, joined.low_confidence),
        watched=ibis.ifelse(typed, joined.own_watched, joined.watched),
    ).drop("call_id_right", "reason", "own_transcript", "own_emotion", "own_watched")


def _own(calls: Table, watched: Sequence[str]) -> dict[str, StringValue]:
    """Return what the source itself says of its calls: transcript, emotion, and the watched words in that transcript."""
    transcript = optional(calls, "transcript", "string").strip().nullif("")
    emotion = optional(calls, "emotion", "string").strip().lower().nullif("")
    found = ibis.literal("")
    for word in watched:
        said = transcript.lower().re_search(rf"\b{re.escape(word.lower())}")
        found = found + ibis.ifelse(said.fill_null(False), ibis.literal(f", {word}"), ibis.literal(""))
    return {"own_transcript": transcript, "own_emotion": emotion, "own_watched": found.substr(2).nullif("")}


def _with_intent(calls: Table, texts: Table | None) -> Table:
    """Return the calls with what their words are about, as the text room says."""
    if texts is None:
        return calls.mutate(intent=ibis.null("string"))
    spoken = texts.filter(texts.channel == SPOKEN_CHANNEL).select("intent", message_id=texts.message_id)
    about = calls.mutate(message_id=ibis.literal(SPOKEN) + calls.call_id)
    return about.left_join(spoken, "message_id").drop("message_id", "message_id_right")


def _open(cases: Table | None, until: ibis.Value) -> Table:
    """Return the cases that were opened and not closed before the end."""
    kinds = {"case_id": "string", "owner": "string", "case_opened_at": "timestamp(6)", "case_category": "string"}
    if cases is None:
        return ibis.memtable([], schema=ibis.schema(kinds))
    known = cases.filter(cases.event_at < until)
    closed = known.filter(known.event == "closed").select("case_id")
    opened = known.filter(known.event == "opened").anti_join(closed, "case_id")
    return opened.select(
        "case_id", owner=opened.customer_id, case_opened_at=opened.event_at, case_category=optional(opened, "category", "string")
    )  # fmt: skip


def _of_cases(calls: Table, cases: Table) -> Table:
    joined = calls.left_join(cases, [calls.customer_id == cases.owner, calls.called_at >= cases.case_opened_at]).drop(
        "owner"
    )
    newest = ibis.row_number().over(group_by=joined.call_id, order_by=[joined.case_opened_at.desc(), joined.case_id])
    own = joined.mutate(place=newest).filter(lambda t: t.place == 0).drop("place")
    matter = [own.customer_id, own.case_id, ibis.ifelse(own.customer_id.isnull(), own.call_id, ibis.null("string"))]
    best = ibis.row_number().over(group_by=matter, order_by=[own.silent.notnull(), own.called_at.desc(), own.call_id])
    counted = own.mutate(place=best, n_calls=own.call_id.count().over(ibis.window(group_by=matter)))
    called = counted.filter(counted.place == 0).drop("place")
    without = cases.anti_join(called, "case_id").rename(customer_id="owner")
    schema = called.schema()
    nothing = {name: ibis.null(kind) for name, kind in schema.items() if name not in without.columns}
    without = without.mutate(**nothing | {"n_calls": ibis.literal(0, "int64")})
    return called.union(without.select(*schema))


def _known(customers: Table) -> Table:
    value = customers.customer_value
    rank = ibis.percent_rank().over(group_by=value.isnull(), order_by=value)
    return customers.select("customer_id", *KNOWN, value_rank=ibis.ifelse(value.notnull(), rank, ibis.null("float64")))
