"""What the page says of messages, gathered from the lake's tables: counts over time, words, topics, complaints. No words, no drawing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import ibis
import pandas as pd
from ibis.expr.types import Table

from crm_pipeline.contracts.texts import MASKED_KINDS, WRITTEN_CHANNEL
from crm_pipeline.periods import Calendar
from crm_pipeline.settings import YEAR
from crm_pipeline.transforms.texts import NEGATIVE, POSITIVE

COMPLAINTS = 10
LONGEST = 300
"""Characters of a message that the page shows."""

RISK = ("churn_probability", "value_at_risk", "customer_value")


@dataclass(frozen=True)
class Texts:
    """What customers wrote, of one period and the year before it.

    Attributes
    ----------
    counts : DataFrame
        period, intent, n, n_negative, n_scored, sentiment (mean); of messages from customers, all periods of the last year.
    topics : DataFrame
        topic, label, n, n_scored, sentiment, share, stability; of the period.
    words : DataFrame
        ``text/words`` of the period.
    masked : mapping of str to int
        Kind of personal data to how often it was masked in the period.
    complaints : DataFrame
        The customers' most negative messages of the period: customer_id, event_at, body (masked, cut), sentiment, intent,
        `RISK`; who has most value at risk first, a message a customer.
    """

    counts: pd.DataFrame = field(default_factory=pd.DataFrame)
    topics: pd.DataFrame = field(default_factory=pd.DataFrame)
    words: pd.DataFrame = field(default_factory=pd.DataFrame)
    masked: Mapping[str, int] = field(default_factory=dict)
    complaints: pd.DataFrame = field(default_factory=pd.DataFrame)


def gather_texts(tables: Mapping[str, Table], scores: pd.DataFrame, period: str, calendar: Calendar) -> Texts:
    """Return what the page of a period says of messages.

    Parameters
    ----------
    tables : mapping of str to lazy table
        ``texts`` (``text/messages`` of the last year), ``bodies`` (``clean/messages`` of the period), ``words``, ``topics``,
        ``message_topics``.
    scores : DataFrame
        ``scores/customers`` of the period.
    """
    start = ibis.literal(calendar.start(period), "timestamp(6)")
    written = tables["texts"]
    now = written.filter(written.event_at >= start)
    inbound = written.filter(written.inbound)
    return Texts(
        counts=_counts(inbound, period, calendar),
        topics=_topics(now, tables["message_topics"], tables["topics"]),
        words=tables["words"].execute(),
        masked=_masked(now),
        complaints=_complaints(now, tables["bodies"], scores),
    )


def _told(rows: Table) -> dict[str, Any]:
    return {
        "n": rows.count(),
        "n_scored": rows.sentiment.count(),
        "n_negative": (rows.sentiment < NEGATIVE).sum().fill_null(0),
        "n_positive": (rows.sentiment > POSITIVE).sum().fill_null(0),
        "sentiment": rows.sentiment.mean(),
    }


def _counts(inbound: Table, period: str, calendar: Calendar) -> pd.DataFrame:
    """Count by period and intent; a message belongs to the last period that began before it."""
    starts = [
        (key, calendar.start(key)) for key in calendar.range(calendar.shift(period, 1 - YEAR[calendar.grain]), period)
    ]
    of_period = ibis.cases(*((inbound.event_at >= at, key) for key, at in reversed(starts)), else_=starts[0][0])
    rows = inbound.mutate(period=of_period, intent=inbound.intent.fill_null("unknown"))
    return rows.group_by("period", "intent").aggregate(**_told(rows)).order_by("period", "intent").execute()


def _topics(now: Table, of_messages: Table, topics: Table) -> pd.DataFrame:
    known = topics.group_by("topic").aggregate(share=topics.share.max(), stability=topics.stability.max()).execute()
    told = now.inner_join(of_messages, "message_id")
    found = told.group_by("topic", "label").aggregate(**_told(told)).execute()
    return found.merge(known, on="topic", how="left").sort_values(
        ["n", "topic"], ascending=[False, True], ignore_index=True
    )


def _masked(now: Table) -> dict[str, int]:
    row = now.aggregate(**{kind: now[f"masked_{kind}"].sum().fill_null(0) for kind in MASKED_KINDS}).execute().iloc[0]
    return {kind: int(row[kind]) for kind in MASKED_KINDS}


def _complaints(now: Table, bodies: Table, scores: pd.DataFrame) -> pd.DataFrame:
    felt = now.filter(now.inbound & (now.sentiment < NEGATIVE) & (now.channel == WRITTEN_CHANNEL))
    worst = felt.mutate(rank=ibis.row_number().over(group_by="customer_id", order_by=[felt.sentiment, felt.message_id]))
    worst = worst.filter(worst.rank == 0).select("message_id", "customer_id", "event_at", "sentiment", "intent")
    found = worst.execute()
    risk = scores.reindex(columns=["customer_id", *RISK])
    risk = risk[risk["customer_id"].isin(found["customer_id"])].drop_duplicates("customer_id")
    found = found.merge(risk, on="customer_id", how="left").sort_values(
        ["value_at_risk", "sentiment", "message_id"], ascending=[False, True, True], na_position="last"
    )
    shown = found.head(COMPLAINTS)
    wanted = bodies.filter(bodies.message_id.isin(shown["message_id"].tolist())).select(
        "message_id", body=bodies.body.substr(0, LONGEST + 1)
    )
    texts = wanted.execute() if len(shown) else pd.DataFrame({"message_id": [], "body": []}, dtype="object")
    return shown.merge(texts, on="message_id", how="left").reset_index(drop=True)
