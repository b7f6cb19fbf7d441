"""What customers say in calls joins what they write: the source's own transcript first, and what is unsure weighs less."""

from __future__ import annotations

from datetime import datetime

import ibis
import pandas as pd
import pytest

from crm_pipeline.periods import Calendar
from crm_pipeline.text.messages import understand
from crm_pipeline.transforms.texts import of_customers, with_calls, written
from crm_pipeline_tests.unit.texts_world import models

AT = datetime(2020, 4, 2)
ANGRY = "This is terrible, I am very angry and I want to cancel."


def messages() -> ibis.Table:
    return written(
        ibis.memtable(
            pd.DataFrame({"message_id": ["m1"], "customer_id": ["1"], "event_at": [AT], "body": ["Where is it?"]})
        )
    )


def calls(**more: list) -> ibis.Table:
    told = {"call_id": ["c1", "c2", "c3"], "customer_id": ["1", "2", "3"], "event_at": [AT] * 3} | more
    return ibis.memtable(pd.DataFrame(told))


def heard() -> ibis.Table:
    rows = {"call_id": ["c1", "c1", "c2"], "speaker": ["agent", "caller", "both"], "transcript": ["hello", ANGRY, None],
            "confidence": [0.9, 0.25, None]}  # fmt: skip
    return ibis.memtable(pd.DataFrame(rows))


def test_the_callers_words_join_under_the_calls_id() -> None:
    found = with_calls(messages(), calls(), heard()).order_by("message_id").to_pyarrow().to_pylist()
    assert [(r["message_id"], r["channel"], r["confidence"]) for r in found] == [
        ("call:c1", "call", 0.25),
        ("m1", "message", None),
    ]
    assert found[0]["body"] == ANGRY
    assert found[0]["inbound"]


def test_a_transcript_of_the_source_is_taken_before_ours() -> None:
    own = calls(transcript=["typed by the agent", "  ", None], language=["de", "de", "de"])
    found = with_calls(messages(), own, heard()).filter(lambda t: t.channel == "call").to_pyarrow().to_pylist()
    assert [(r["body"], r["confidence"], r["language"]) for r in found] == [("typed by the agent", 1.0, "de")]
    assert with_calls(messages(), own, None).count().execute() == 2


def test_what_is_unsure_weighs_less_and_waits_for_no_answer() -> None:
    about, feels, shape = models()
    sure = with_calls(messages(), calls(transcript=[ANGRY, None, None]), None)
    unsure = with_calls(messages(), calls(), heard())
    felt = {}
    for name, rows in {"sure": sure, "unsure": unsure}.items():
        made = understand(rows.order_by("message_id").to_pyarrow(), about, feels)
        felt[name] = made.to_pylist()[0]
        counted = (
            of_customers(ibis.memtable(made), "2020-04-01", Calendar("month", "UTC"), shape.intents)
            .to_pyarrow()
            .to_pylist()
        )
        assert [(r["n_in"], r["n_unanswered"]) for r in counted] == [(2, 1)], "the message waits, the call does not"
    assert felt["sure"]["sentiment"] < -0.5
    assert felt["unsure"]["sentiment"] == pytest.approx(felt["sure"]["sentiment"] / 4, abs=1e-4)
    assert felt["unsure"]["intent_probability"] == pytest.approx(felt["sure"]["intent_probability"] / 4, abs=1e-5)
