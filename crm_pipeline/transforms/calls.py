"""From the calls of a period that were listened to, to mergeable aggregates per customer. Listening does not belong here."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
from ibis.expr.types import NumericValue, Table

from crm_pipeline.contracts.calls import AGENT, EMOTION_COLUMN
from crm_pipeline.contracts.texts import UNKNOWN
from crm_pipeline.transforms.columns import of_somebody, whole


def of_customers(calls: Table, period: str, emotions: Sequence[tuple[str, str]] = ()) -> Table:
    """Aggregate how customers called in a period to one row per customer.

    Parameters
    ----------
    calls : Table
        ``audio/calls`` of the period. Of a recording with one channel, what is measured is of both who speak in it.
    period : str
        Key of the period.
    emotions : sequence of (slug, label)
        The labels that are counted.

    Returns
    -------
    Table
        The columns of `contracts.calls.heard_columns`; whole numbers, so that sums over periods are exact in any order.
    """
    heard = of_somebody(of_callers(calls))
    felt = heard.emotion != UNKNOWN
    return heard.group_by("customer_id").aggregate(
        period_start=ibis.date(period),
        n_heard=heard.count(),
        call_ms=_thousandths(heard.seconds),
        speech_ms=_thousandths(heard.speech_seconds),
        silence_ms=_thousandths(heard.silence_share * heard.seconds),
        overlap_ms=_thousandths(heard.overlap_share * heard.seconds),
        hold_ms=_thousandths(heard.hold_seconds),
        syllables=_thousandths(heard.speaking_rate * heard.speech_seconds),
        n_pitched=heard.pitch_range.count(),
        pitch_range_sum=_thousandths(heard.pitch_range),
        level_spread_sum=_thousandths(heard.level_spread),
        n_watched=heard.count(where=heard.watched.notnull()),
        n_felt=heard.count(where=felt),
        **{f"{EMOTION_COLUMN}{slug}": heard.count(where=felt & (heard.emotion == label)) for slug, label in emotions},
    )


def of_callers(calls: Table) -> Table:
    """Return the rows of ``audio/calls`` in which something is measured of the caller, or of both where they cannot be told apart."""
    return calls.filter((calls.speaker != AGENT) & calls.reason.isnull())


def _thousandths(value: NumericValue) -> NumericValue:
    return whole((value * 1000).round().sum()).fill_null(0)
