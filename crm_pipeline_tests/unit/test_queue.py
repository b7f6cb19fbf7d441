"""The call queue: which matters are open, in which order, and why."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.modeling.queue import INTENTS, WEIGHTS, queue
from crm_pipeline.transforms.matters import HEARD, KNOWN, matters

END = datetime(2026, 7, 1)
TEXTS_SCHEMA = {"message_id": "string", "channel": "string", "intent": "string"}
CALLER = {"emotion": "calm", "emotion_probability": 0.9, "watched": None, "transcript": "where is it", "confidence": 0.8,
          "low_confidence": False, "reason": None, "speaker": "caller"}  # fmt: skip
HEARD_SCHEMA = {"call_id": "string", "emotion": "string", "emotion_probability": "float64", "watched": "string",
                "transcript": "string", "confidence": "float64", "low_confidence": "boolean", "reason": "string",
                "speaker": "string"}  # fmt: skip
CALLS_SCHEMA = {"call_id": "string", "customer_id": "string", "event_at": "timestamp(6)", "direction": "string"}
CASES_SCHEMA = {
    "case_id": "string",
    "customer_id": "string",
    "event": "string",
    "event_at": "timestamp(6)",
    "category": "string",
}
CUSTOMERS_SCHEMA = {"customer_id": "string", "churn_probability": "float64", "customer_value": "float64",
                    "not_contactable_reason": "string"}  # fmt: skip


def table(rows: list[dict[str, Any]], schema: dict[str, str]) -> ibis.Table:
    return ibis.memtable([{name: row.get(name) for name in schema} for row in rows], schema=ibis.schema(schema))


def call(call_id: str, customer: str | None, days: float, direction: str | None = "in") -> dict[str, Any]:
    return {"call_id": call_id, "customer_id": customer, "event_at": END - timedelta(days=days), "direction": direction}


def heard(call_id: str, **told: Any) -> dict[str, Any]:
    return CALLER | {"call_id": call_id} | told


def case(case_id: str, customer: str | None, days: float, event: str = "opened") -> dict[str, Any]:
    at = END - timedelta(days=days)
    return {"case_id": case_id, "customer_id": customer, "event": event, "event_at": at, "category": "invoice"}


def found(
    calls: list[dict[str, Any]], recorded: list[dict[str, Any]], cases: list[dict[str, Any]] | None = None
) -> pd.DataFrame:
    people = sorted({row["customer_id"] for row in [*calls, *(cases or [])] if row["customer_id"]})
    scored = [
        {"customer_id": who, "churn_probability": 0.2, "customer_value": float(n)} for n, who in enumerate(people)
    ]
    opened = None if cases is None else table(cases, CASES_SCHEMA)
    known = table(scored, CUSTOMERS_SCHEMA)
    texts = [
        {"message_id": f"call:{row['call_id']}", "channel": "call", "intent": f"of {row['call_id']}"}
        for row in recorded
    ]
    texts += [{"message_id": row["call_id"], "channel": "message", "intent": "leaving"} for row in calls]
    spoken = table(texts, TEXTS_SCHEMA)
    made = matters(table(calls, CALLS_SCHEMA), table(recorded, HEARD_SCHEMA), known, opened, spoken, END, 30)
    return made.execute().sort_values(["customer_id", "case_id"], ignore_index=True)


def test_a_call_belongs_to_the_newest_open_case_before_it_and_calls_without_one_are_one_matter() -> None:
    calls = [call("a1", "A", 20), call("a2", "A", 10), call("a3", "A", 1), call("b1", "B", 3), call("b2", "B", 2)]
    cases = [
        case("old", "A", 40), case("new", "A", 15), case("done", "A", 5), case("done", "A", 4, "closed"),
        case("silent", "C", 200),
    ]  # fmt: skip
    rows = found(calls, [heard("a2"), heard("b2")], cases)
    seen = [
        tuple(None if pd.isna(v) else v for v in row)
        for row in rows[["customer_id", "case_id", "call_id", "n_calls"]].to_numpy()
    ]
    assert seen == [("A", "new", "a2", 2), ("A", "old", "a1", 1), ("B", None, "b2", 2), ("C", "silent", None, 0)]
    assert rows.intent.dropna().tolist() == ["of a2", "of b2"]
    assert rows.silent.dropna().tolist() == ["it has no recording"], (
        "of the old case; a2 was heard, and is told before a3"
    )


def test_every_call_and_case_of_nobody_known_is_a_matter_of_its_own() -> None:
    calls = [call("n1", None, 3), call("n2", None, 2), call("a1", "A", 1)]
    rows = found(calls, [heard("n1", watched="cancel"), heard("a1")], [case("k", None, 4), case("own", "A", 9)])
    seen = [
        tuple(None if pd.isna(v) else v for v in row) for row in rows[["customer_id", "case_id", "call_id"]].to_numpy()
    ]
    assert sorted(seen, key=str) == [("A", "own", "a1"), (None, "k", None), (None, None, "n1"), (None, None, "n2")]
    ordered = queue(rows, END)
    assert ordered.call_id.iloc[0] == "n1", "a watched word counts, whoever said it"
    assert ordered.customer_id.isna().iloc[0]
    assert "whose it is, is not known" in ordered.reason.iloc[0]
    assert ordered[["churn_probability", "customer_value"]].iloc[0].isna().all()


def test_rule_1_what_is_known_at_the_end_alone_makes_a_matter() -> None:
    """A call or a closing after the end, a call too long ago, one that the company made."""
    calls = [call("late", "A", -1), call("early", "B", 31), call("ours", "C", 1, "out"), call("kept", "D", 30)]
    rows = found(calls, [], [case("k", "E", 3), case("k", "E", -2, "closed"), case("later", "F", -1)])
    assert rows.customer_id.tolist() == ["D", "E"]


def test_the_agent_is_not_taken_for_the_caller() -> None:
    rows = found([call("a", "A", 1)], [heard("a", speaker="agent", watched="cancel"), heard("a", transcript="hello")])
    assert rows.watched.isna().all()
    assert rows.transcript.tolist() == ["hello"]


def matter(**told: Any) -> dict[str, Any]:
    nothing = dict.fromkeys((*HEARD, *KNOWN, "case_id", "case_category", "silent", "value_rank"))
    known = {"customer_id": "A", "call_id": "a", "called_at": END, "n_calls": 1, "case_opened_at": pd.NaT}
    return (
        nothing
        | {"emotion": "unknown", "transcript": "hello", "confidence": 0.9, "low_confidence": False}
        | known
        | told
    )


def ranked(*rows: dict[str, Any], intents: list[str | None] | None = None) -> pd.DataFrame:
    return queue(pd.DataFrame(list(rows)).assign(intent=intents or [None] * len(rows)), END)


def test_an_angry_caller_who_says_cancel_is_in_the_first_decile_and_a_calm_question_is_not() -> None:
    rng = np.random.default_rng(1)
    calls, recorded = [], []
    for n in range(100):
        calls.append(call(f"c{n:03}", f"C{n:03}", float(rng.uniform(0, 30))))
        angry, cancels = n % 10 in (0, 5), n % 10 in (0, 3)
        word = {"watched": "cancel" if cancels else None, "confidence": 0.4, "low_confidence": True}
        recorded.append(heard(f"c{n:03}", emotion="angry" if angry else "calm", emotion_probability=0.7, **word))
    rows = queue(found(calls, recorded), END)
    first = {row.call_id for row in rows.itertuples() if row.rank <= 10}
    assert first == {f"c{n:03}" for n in range(0, 100, 10)}


def test_the_reason_says_what_counted_and_how_well_it_was_heard() -> None:
    loud = matter(
        emotion="angry", emotion_probability=0.874, watched="cancel, refund", confidence=0.4, low_confidence=True,
        churn_probability=0.62, value_rank=0.95, case_id="k", case_opened_at=END - timedelta(days=12, hours=3), n_calls=2,
    )  # fmt: skip
    quiet = matter(call_id="b", transcript=None, confidence=None, emotion=None, silent="it has no recording")
    rows = ranked(quiet, loud, intents=[None, "leaving"])
    assert rows.reason.tolist() == [
        (
            "sounds angry (0.87), said 'cancel' and 'refund', about 'leaving', case open for 12 days, 2 calls, churn risk 0.62, "
            "in the top tenth by value; heard with low confidence"
        ),
        "nothing pressing; the call was not heard: it has no recording",
    ]
    assert "to put it right" in rows.suggested_reply[0]
    assert rows["rank"].tolist() == [1, 2]


def test_priority_lies_between_0_and_1_and_reaches_both() -> None:
    most = matter(emotion="angry", emotion_probability=1.0, watched="cancel", confidence=1.0, churn_probability=1.0,
                  value_rank=1.0, case_id="k", case_opened_at=END - timedelta(days=99))  # fmt: skip
    rows = ranked(matter(call_id="b"), most, intents=[None, "leaving"])
    assert sum(WEIGHTS.values()) == pytest.approx(1)
    assert rows.priority.tolist() == rows.urgency.tolist() == [1, 0]


SHARE = st.floats(0, 1)


@settings(max_examples=40, deadline=None)
@given(SHARE, SHARE, SHARE, SHARE, st.sampled_from([None, "cancel"]), st.sampled_from([None, *INTENTS]), st.data())
def test_more_of_a_sign_never_lowers_the_priority(
    emotion: float, sure: float, risk: float, value: float, watched: str | None, intent: str | None, data: st.DataObject
) -> None:
    less = {"emotion": "angry", "emotion_probability": emotion, "confidence": sure, "churn_probability": risk,
            "value_rank": value, "watched": watched}  # fmt: skip
    name = data.draw(st.sampled_from(sorted(less)))
    more = less | {
        name: less[name]
        if name == "emotion"
        else "cancel"
        if name == "watched"
        else data.draw(st.floats(less[name], 1))
    }
    rows = ranked(matter(**less, call_id="less"), matter(**more, call_id="more"), intents=[intent, intent])
    by = rows.set_index("call_id").priority
    assert by["more"] >= by["less"]


def test_equal_matters_in_any_order_give_one_queue_and_ties_go_by_value() -> None:
    rows = [matter(call_id=f"c{n}", customer_value=None if n % 3 else float(n)) for n in range(9)]
    one, other = ranked(*rows), ranked(*rows[::-1])
    assert one.call_id.tolist() == other.call_id.tolist() == ["c6", "c3", "c0", "c1", "c2", "c4", "c5", "c7", "c8"]


def test_no_matter_at_all_is_an_empty_queue() -> None:
    assert queue(found([], [], []), END).empty


def test_what_the_source_itself_says_of_a_call_counts_before_what_is_heard() -> None:
    told = {"transcript": "Cancelled twice, cancel again", "emotion": " Angry "}
    calls = table([call("a", "A", 1) | told, call("b", "B", 1) | {"transcript": " ", "emotion": None}],
                  CALLS_SCHEMA | {"transcript": "string", "emotion": "string"})  # fmt: skip
    known = table([], CUSTOMERS_SCHEMA)
    words = ["cancel", "lawyer", "c++"]
    made = matters(calls, table([heard("a", transcript="candle")], HEARD_SCHEMA), known, None, None, END, 30, words)
    a, b = made.execute().sort_values("customer_id").to_dict("records")
    assert (a["transcript"], a["emotion"], a["watched"]) == ("Cancelled twice, cancel again", "angry", "cancel")
    assert (a["emotion_probability"], a["confidence"], a["low_confidence"]) == (1.0, 1.0, False)
    assert b["silent"] == "it has no recording"
    assert pd.isna(b["transcript"])
