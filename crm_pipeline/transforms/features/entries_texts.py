"""The customer features of what was written, each once, as in `entries`. How they become a table is in `table`."""

from __future__ import annotations

from collections.abc import Callable

from ibis.expr.types import FloatingValue, Value

from crm_pipeline.contracts.texts import INTENT_COLUMN
from crm_pipeline.transforms.features.feature import Feature, Rows, Shape, quarter, ratio

TEXTS = "texts"


def texts(shape: Shape) -> list[Feature]:
    """How the customer's messages feel, what they are about, and whether they were answered."""
    q, y = quarter(shape), shape.year
    feels = "Sentiment of the customer's messages, from -1 to 1, on average over the last"
    against = f"Sentiment of the last {q} periods less that of the {y - q} before"
    complaint = f"Days since the last message with a negative sentiment, of the last {y} periods"
    negative = "Messages from the customer with a negative sentiment in the last"
    answer = f"Hours until a message was answered, on average over the last {y} periods"
    open_ = "Messages of the last two periods without an answer"
    return [
        *(_feature(f"sentiment_{w}", f"{feels} {w} periods", "-1 to 1", _sentiment(w), w) for w in (q, y)),
        _feature("sentiment_trend", against, "difference", lambda a: _mean(a, q) - _mean(a, y, but=q), y),
        *(_feature(f"complaints_{w}", f"{negative} {w} periods", "messages", _complaints, w, 0) for w in (q, y)),
        _feature("complaint_days", complaint, "days", lambda a: a.max("today") - a.max("last_negative_day"), y),
        _feature("messages_unanswered", open_, "messages", lambda a: a.sum("n_unanswered"), 1, 0),
        _feature(f"response_hours_{y}", answer, "hours", _response_hours, y),
        *(_share(slug, label, y) for slug, label in shape.intents),
    ]


def _feature(
    name: str, what: str, unit: str, value: Callable[[Rows], Value], window: int, otherwise: float | None = None
) -> Feature:
    return Feature(name, what, unit, TEXTS, "messages", value, window, otherwise)


def _share(slug: str, label: str, y: int) -> Feature:
    what = f"Share of the customer's messages of the last {y} periods that are about {label}"
    return _feature(
        f"about_{slug}_{y}", what, "share", lambda a: ratio(a.sum(f"{INTENT_COLUMN}{slug}"), a.sum("n_in")), y
    )


def _mean(a: Rows, last: int, but: int = 0) -> FloatingValue:
    return ratio(a.sum("sentiment_sum", last, but), a.sum("n_scored", last, but)) / 1000


def _sentiment(window: int) -> Callable[[Rows], Value]:
    return lambda a: _mean(a, window)


def _complaints(a: Rows) -> Value:
    return a.sum("n_negative")


def _response_hours(a: Rows) -> Value:
    return ratio(a.sum("response_minutes_sum"), a.sum("n_answered")) / 60
