"""Columns of the plans: what a team does next, in which order, and why. No values here."""

from __future__ import annotations

from crm_pipeline.contracts.column import Output

SERVICE = (
    Output("rank", "int64", "place in the queue: 1 needs a person first"),
    Output("priority", "float64", "from 0 to 1: urgency, risk and value, weighted"),
    Output("urgency", "float64", "from 0 to 1: how pressing the matter is, whoever the customer"),
    Output("customer_id", "text", "the customer; null where the source does not tell who"),
    Output("call_id", "text", "the newest call of the matter in which something was heard, else the newest; null of a case without one"),
    Output("case_id", "text", "the open case; null where the matter is a call alone"),
    Output("called_at", "timestamp[us]", "when that call began", "UTC"),
    Output("n_calls", "int64", "calls of the matter in the days the queue looks back", "calls"),
    Output("case_opened_at", "timestamp[us]", "when the case was opened", "UTC"),
    Output("case_category", "text", "what the case is about"),
    Output("emotion", "text", "how the caller sounds; unknown where that cannot be said, null without a recording"),
    Output("emotion_probability", "float64", "calibrated probability of that", "probability"),
    Output("watched", "text", "the watched words that the caller said, separated by commas"),
    Output("intent", "text", "what the caller's words are about; unknown where no intent is likely enough, null without words or messages"),
    Output("transcript", "text", "what the caller said, as heard, masked"),
    Output("confidence", "float64", "how sure the transcript is", "probability"),
    Output("low_confidence", "bool", "it should be heard before it is believed"),
    Output("churn_probability", "float64", "probability of lapse; null where not scored", "probability"),
    Output("customer_value", "float64", "expected spend over the next year; null where the customer never ordered", "major currency units"),
    Output("value_rank", "float64", "share of the customers with a value who are worth less", "probability"),
    Output("not_contactable_reason", "text", "why nothing may be sold in the call; who refuses marketing is called all the same"),
    Output("suggested_reply", "text", "what to say first, without personal data"),
    Output("reason", "text", "what put the matter here, in words"),
)  # fmt: skip
"""The table ``plans/service``: a row for each open matter of a customer as of the period's end."""

PLANS: dict[str, tuple[Output, ...]] = {"service": SERVICE}
"""The tables ``plans/<name>``."""
