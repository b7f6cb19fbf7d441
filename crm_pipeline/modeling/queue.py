"""The order of the call queue, and its reasons in words. Which matters are open is in `transforms.matters`.

Priority is a sum of six terms, each from 0 to 1, by `WEIGHTS`; nothing is learned. More of any of them never lowers it.

====================  ======  ==========================================================================================
term                  weight  value
====================  ======  ==========================================================================================
emotion                 0.30  how pressing the label is (`EMOTIONS`) times its probability
watched                 0.25  1 if the caller said a watched word, shrunk
intent                  0.10  how pressing the intent is (`INTENTS`), shrunk
case                    0.10  days since the open case was opened, over `CASE_DAYS`; at most 1
churn                   0.15  probability of lapse
value                   0.10  share of the customers with a value who are worth less
====================  ======  ==========================================================================================

What is shrunk is multiplied with (1 + confidence) / 2: words that the transcriber is unsure of count half. What is not known counts
nothing. Urgency is the sum of the first four over their weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from crm_pipeline.contracts.texts import UNKNOWN

WEIGHTS = {"emotion": 0.30, "watched": 0.25, "intent": 0.10, "case": 0.10, "churn": 0.15, "value": 0.10}
PRESSING = ("emotion", "watched", "intent", "case")
"""Terms that tell of the matter, not of the customer."""

EMOTIONS = {
    **dict.fromkeys(("angry", "anger", "furious"), 1.0),
    **dict.fromkeys(("frustrated", "frustration", "annoyed", "upset", "disgust", "disgusted"), 0.8),
    **dict.fromkeys(("sad", "sadness", "fear", "fearful", "anxious", "anxiety"), 0.6),
}
"""How pressing a label is; one that is not named here is not."""

INTENTS = {"leaving": 1.0, **dict.fromkeys(("damaged", "wrong item"), 0.6), **dict.fromkeys(("delivery", "invoice"), 0.4)}  # fmt: skip
"""How pressing an intent is; one that is not named here is not."""

CASE_DAYS = 14.0
WORTH_SAYING, TOP = 1 / 3, 0.9
"""Probability of lapse and share of customers from which the reason says so."""

WATCHED_REPLIES = {
    "lawyer": "We take this seriously. The head of our service team will call you back today.",
    "supervisor": "You asked for a supervisor. One will call you back today.",
    "cancel": "You asked us to cancel. A colleague will call you back today, to put it right or to settle it.",
    "refund": "You asked for your money back. A colleague will look into it and call you back today with an answer.",
}
INTENT_REPLIES = {
    "leaving": "We are sorry that you think of leaving. A colleague will call you back today to hear what went wrong.",
    "damaged": "We are sorry that your goods arrived damaged. We will replace them, or return your money: tell us which you prefer.",
    "wrong item": "We are sorry that you got the wrong item. We will send the right one and have the other collected.",
    "delivery": "We are looking for your delivery, and will call you back today with the day on which it arrives.",
    "invoice": "A colleague will look at your invoice and call you back today.",
    "account": "We will help you into your account: a colleague will call you back today.",
    "prices": "Thank you for asking about our prices. A colleague will call you back with the answer.",
    "product": "Thank you for your question. Somebody who knows the product will call you back.",
    "praise": "Thank you for your kind words. We have told the team.",
}
SORRY = "We are sorry about the trouble. A colleague will call you back today and see to it in person."
OF_A_CASE = "Your case is still open. A colleague will tell you today where it stands."
OTHERWISE = "Thank you for your call. Is there anything that we can still do for you?"


def queue(matters: pd.DataFrame, end: datetime) -> pd.DataFrame:
    """Return the matters with urgency, priority, rank, suggested reply and reason, the most pressing first.

    Parameters
    ----------
    matters : DataFrame
        By `transforms.matters`.
    end : datetime
        The end of the period (UTC).

    Ties are broken by value, then by the ids: equal matters give equal queues.
    """
    rows = matters.copy()
    terms = pd.DataFrame(_terms(rows, end), index=rows.index)
    weighted = terms * pd.Series(WEIGHTS)
    pressing = sum(WEIGHTS[name] for name in PRESSING)
    rows["urgency"] = (weighted[list(PRESSING)].sum(axis=1) / pressing).round(6)
    rows["priority"] = weighted.sum(axis=1).round(6)
    order = rows.assign(worth=rows["customer_value"].fillna(-np.inf)).sort_values(
        ["priority", "worth", "call_id", "case_id", "customer_id"], ascending=[False, False, True, True, True]
    )
    rows = rows.loc[order.index].reset_index(drop=True)
    told = rows.to_dict("records")
    return rows.assign(
        rank=np.arange(1, len(rows) + 1),
        suggested_reply=pd.Series([reply(row) for row in told], dtype="object"),
        reason=pd.Series([reason(row, end) for row in told], dtype="object"),
    )


def _terms(rows: pd.DataFrame, end: datetime) -> dict[str, pd.Series]:
    sure = (1 + rows["confidence"].astype("float64").fillna(0.0)) / 2
    emotion = rows["emotion"].astype("object").map(lambda label: EMOTIONS.get(_lower(label), 0.0)).astype("float64")
    intent = rows["intent"].astype("object").map(lambda label: INTENTS.get(_lower(label), 0.0)).astype("float64")
    days = (pd.Timestamp(end) - pd.to_datetime(rows["case_opened_at"])) / pd.Timedelta(days=1)
    return {
        "emotion": emotion * rows["emotion_probability"].astype("float64").fillna(0.0),
        "watched": rows["watched"].notna() * sure,
        "intent": intent * sure,
        "case": (days.astype("float64") / CASE_DAYS).clip(0, 1).fillna(0.0),
        "churn": rows["churn_probability"].astype("float64").fillna(0.0),
        "value": rows["value_rank"].astype("float64").fillna(0.0),
    }


def reply(row: Mapping[str, Any]) -> str:
    """Return what to say first: by a watched word, else by the intent, else by how the caller sounds, else by the case."""
    said = {word.strip().lower() for word in _text(row["watched"]).split(",")}
    for word, text in WATCHED_REPLIES.items():
        if word in said:
            return text
    if _lower(row["intent"]) in INTENT_REPLIES:
        return INTENT_REPLIES[_lower(row["intent"])]
    if said != {""} or EMOTIONS.get(_lower(row["emotion"])):
        return SORRY
    return OF_A_CASE if _text(row["case_id"]) else OTHERWISE


def reason(row: Mapping[str, Any], end: datetime) -> str:
    """Return what put a matter where it stands, in words."""
    parts = []
    if EMOTIONS.get(_lower(row["emotion"])) and pd.notna(row["emotion_probability"]):
        parts.append(f"sounds {row['emotion']} ({row['emotion_probability']:.2f})")
    if _text(row["watched"]):
        parts.append("said " + " and ".join(f"'{word.strip()}'" for word in row["watched"].split(",")))
    if _text(row["intent"]) and row["intent"] != UNKNOWN:
        parts.append(f"about '{row['intent']}'")
    if _text(row["case_id"]):
        days = (pd.Timestamp(end) - pd.Timestamp(row["case_opened_at"])).days
        about = f" ({row['case_category']})" if _text(row["case_category"]) else ""
        parts.append(f"case open for {days} day{'' if days == 1 else 's'}{about}")
    if row["n_calls"] > 1:
        parts.append(f"{row['n_calls']:.0f} calls")
    if pd.notna(row["churn_probability"]) and row["churn_probability"] >= WORTH_SAYING:
        parts.append(f"churn risk {row['churn_probability']:.2f}")
    if pd.notna(row["value_rank"]) and row["value_rank"] >= TOP:
        parts.append("in the top tenth by value")
    unknown = [] if _text(row["customer_id"]) else ["whose it is, is not known"]
    return "; ".join([", ".join(parts) or "nothing pressing", *unknown, *_heard(row)])


def _heard(row: Mapping[str, Any]) -> list[str]:
    """Say how well the call was heard, where that is a reason for doubt."""
    if not _text(row["call_id"]):
        return []
    if _text(row["silent"]):
        return [f"the call was not heard: {row['silent']}"]
    if not _text(row["transcript"]):
        return ["no words were heard"]
    return ["heard with low confidence"] if row["low_confidence"] else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _lower(value: Any) -> str:
    return _text(value).strip().lower()
