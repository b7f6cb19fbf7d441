"""What customers wrote, counted by period and turned into features: against sums worked out row by row."""

from datetime import datetime, timedelta

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.contracts.audit import audit_output
from crm_pipeline.contracts.texts import activity_columns
from crm_pipeline.periods import Calendar
from crm_pipeline.transforms import features, texts
from crm_pipeline.transforms.features.catalogue import activity_tables, catalogue
from crm_pipeline_tests.unit.features_world import Shape

CALENDAR = Calendar("month", "Europe/Berlin")
P = "2024-05-01"
START = CALENDAR.start(P)
INTENTS = (("delivery", "delivery"), ("leaving", "cancel my account"))
SCHEMA = {
    "message_id": "string", "customer_id": "string", "event_at": "timestamp(6)", "channel": "string", "inbound": "boolean",
    "sentiment": "float64", "intent": "string",
}  # fmt: skip


def table(rows: list[dict]) -> ibis.Table:
    full = [dict.fromkeys(SCHEMA) | {"message_id": str(i), "customer_id": "a", "channel": "message", "inbound": True, **row}
            for i, row in enumerate(rows)]  # fmt: skip
    frame = pd.DataFrame(full, columns=list(SCHEMA)).astype({"sentiment": "float64"})
    return ibis.memtable(frame, schema=ibis.schema(SCHEMA))


def counted(rows: list[dict]) -> pd.DataFrame:
    made = texts.of_customers(table(rows), P, CALENDAR, INTENTS)
    assert audit_output(made, activity_columns(INTENTS), ("customer_id",)) == []
    return made.execute().set_index("customer_id")


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def test_sentiment_intents_and_complaints_are_those_of_the_period():
    row = counted(
        [
            {"event_at": at(-1), "sentiment": -0.9, "intent": "delivery"},
            {"event_at": at(1), "sentiment": -0.5, "intent": "delivery"},
            {"event_at": at(50), "sentiment": -0.0501, "intent": "unknown"},
            {"event_at": at(60), "sentiment": 0.8, "intent": "cancel my account"},
            {"event_at": at(70), "sentiment": None, "intent": None},
            {"event_at": at(80), "inbound": False, "sentiment": 1.0, "intent": "delivery"},
        ]
    ).loc["a"]
    assert (row.n_in, row.n_scored, row.n_negative, row.n_positive, row.n_known) == (4, 3, 2, 1, 2)
    assert row.sentiment_sum == -500 - 50 + 800
    assert (row.intent_delivery, row.intent_leaving) == (1, 1)
    assert row.last_negative_day == (datetime(2024, 5, 3) - datetime(1970, 1, 1)).days, "the day in Berlin"


def test_what_is_said_in_a_call_of_nobody_known_counts_for_nobody():
    rows = counted(
        [{"event_at": at(1)}, {"event_at": at(2), "customer_id": None, "channel": "call", "sentiment": -1.0}]
    )
    assert rows.index.tolist() == ["a"]


def test_an_answer_counts_in_the_period_in_which_it_comes():
    row = counted(
        [
            {"event_at": at(-30)},  # answered before the period
            {"event_at": at(-20), "inbound": False},
            {"event_at": at(-2)},  # answered in it, after 3 hours
            {"event_at": at(1), "inbound": False},
            {"event_at": at(5)},  # both answered by the same
            {"event_at": at(6)},
            {"event_at": at(7), "inbound": False},
            {"event_at": at(9)},  # not yet
            {"event_at": at(9), "customer_id": "b", "inbound": False},
        ]
    )
    assert "b" not in row.index, "nothing came from b"
    one = row.loc["a"]
    assert (one.n_in, one.n_answered, one.response_minutes_sum, one.n_unanswered) == (3, 3, (3 + 2 + 1) * 60, 1)


def test_who_wrote_only_before_is_told_while_unanswered_alone():
    rows = counted([{"event_at": at(-2), "customer_id": "a"}, {"event_at": at(-3), "customer_id": "b"},
                    {"event_at": at(-1), "customer_id": "b", "inbound": False}])  # fmt: skip
    assert list(rows.index) == ["a"]
    assert (rows.loc["a"].n_in, rows.loc["a"].n_unanswered) == (0, 1)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-100, 100), st.booleans(), st.sampled_from("ab"), st.sampled_from([None, -0.7, 0.0, 0.3])
        ),
        max_size=12,
        unique_by=lambda r: r[0],
    )
)
def test_every_message_is_answered_or_not(drawn):
    rows = [{"event_at": at(h), "inbound": i, "customer_id": c, "sentiment": s} for h, i, c, s in drawn]
    made = counted(rows)
    for who in "ab":
        mine = sorted((h, i) for h, i, c, _ in drawn if c == who)
        asked = [h for h, i in mine if i]
        answers = {h: min((x for x, i in mine if not i and x > h), default=None) for h in asked}
        now = {h: a for h, a in answers.items() if a is not None and a >= 0}
        expected = (
            sum(h >= 0 for h in asked),
            len(now),
            sum((a - h) * 60 for h, a in now.items()),
            sum(a is None for a in answers.values()),
        )
        if not any(expected):
            assert who not in made.index
            continue
        row = made.loc[who]
        assert (row.n_in, row.n_answered, row.response_minutes_sum, row.n_unanswered) == expected


def test_the_features_of_texts():
    shape = Shape((1, 3), 3, 12, 12, INTENTS)
    starts = pd.to_datetime(["2024-05-01", "2024-04-01", "2023-12-01"])
    rows = pd.DataFrame({"customer_id": "a", "period_start": starts.date, "n_in": [2, 1, 4], "n_scored": [2, 1, 1],
                         "sentiment_sum": [-1000, 400, 900], "n_negative": [2, 0, 0], "n_positive": [0, 1, 1],
                         "last_negative_day": [19_850, None, None], "n_answered": [1, 0, 3],
                         "response_minutes_sum": [120, 0, 60], "n_unanswered": [1, 1, 0], "n_known": [2, 1, 1],
                         "intent_delivery": [2, 0, 1], "intent_leaving": [0, 0, 0]})  # fmt: skip
    rows = rows.astype({"last_negative_day": "Int64"})
    life = pd.DataFrame({"customer_id": ["a", "b"], "first_day": 19_000, "last_day": 19_850, "n_orders": 3, "order_days": 3,
                         "spend": 100, "gaps": 2, "gap_days_sum": 50, "gap_days_sumsq": 1300})  # fmt: skip
    windows = {"texts": ibis.memtable(rows)}
    dates = ibis.memtable(features.dates(P, {"texts": "2023-01-01"}, CALENDAR, shape))
    known = (
        features.customers(windows, ibis.memtable(life), None, dates, shape=shape).execute().set_index("customer_id")
    )
    a, b = known.loc["a"], known.loc["b"]
    assert a.sentiment_3 == pytest.approx(-0.6 / 3)
    assert a.sentiment_12 == pytest.approx(0.3 / 4)
    assert a.sentiment_trend == pytest.approx(-0.2 - 0.9)
    assert (a.complaints_3, a.messages_unanswered, a.response_hours_12) == (2, 1, pytest.approx(0.75))
    assert a.complaint_days == CALENDAR.end_date(P).toordinal() - datetime(1970, 1, 1).toordinal() - 19_850
    assert a.about_delivery_12 == pytest.approx(3 / 7)
    assert (b.complaints_12, b.messages_unanswered) == (0, 0)
    assert b[["sentiment_3", "complaint_days", "about_delivery_12"]].isna().all(), "who wrote nothing felt nothing"


def test_no_messages_no_texts():
    assert "texts" not in activity_tables(["orders", "cases"])
    assert activity_tables(["orders", "messages", "calls"]) == ("orders", "messages", "texts", "calls")
    shape = Shape((1, 3), 3, 12, 12, INTENTS)
    assert not any(f.source == "texts" for f in catalogue(["orders", "cases"], shape))
    about = [f.name for f in catalogue(["orders", "messages"], shape) if f.name.startswith("about_")]
    assert about == ["about_delivery_12", "about_leaving_12"]
