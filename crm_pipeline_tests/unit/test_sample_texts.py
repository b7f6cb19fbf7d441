"""The made-up messages: wordings and languages, what is planted and what masking makes of it, and the starter of labelled texts."""

from __future__ import annotations

import csv
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyarrow import csv as arrow_csv

from crm_pipeline.sample import wordings, wordings_feelings, wordings_service, write_company
from crm_pipeline.sample.starter import FILE, starter
from crm_pipeline.text.labels import UNKNOWN
from crm_pipeline.text.masking import mask

INTENTS = {*wordings.SERVICE, "leaving"}
HELD_OUT = [
    sentence
    for source in (wordings.SERVICE_HELD_OUT, wordings.FEELINGS_HELD_OUT)
    for by_language in source.values()
    for sentences in by_language.values()
    for sentence in sentences
]


@pytest.fixture(scope="module")
def messages(tmp_path_factory) -> pa.Table:
    out = tmp_path_factory.mktemp("texts") / "out"
    write_company(out, customers=1500, seed=5)
    text = {"include_columns": ["message_id", "client", "body", "subject", "language"], "strings_can_be_null": True}
    told = arrow_csv.read_csv(out / "messages.csv", convert_options=arrow_csv.ConvertOptions(**text))
    told = told.filter(pc.starts_with(told["message_id"], "M")).rename_columns(
        ["message_id", "client", "body", "subject", "told_language"]
    )
    first = pa.array(
        np.unique(np.array(told["message_id"].to_pylist()), return_index=True)[1]
    )  # without the dirty copies
    truth = pq.read_table(out / "truth" / "messages.parquet")
    customers = arrow_csv.read_csv(out / "customers.csv")
    names = customers.select(["customer_no", "name"]).filter(pc.starts_with(customers["customer_no"], "C"))
    names = names.group_by("customer_no").aggregate([("name", "min")])
    return told.take(first).join(truth, "message_id").join(names, "client", "customer_no")


def _some(table: pa.Table, mask_: pa.ChunkedArray) -> list[dict]:
    return table.filter(mask_).to_pylist()


def test_every_message_has_an_intent_a_language_and_a_wording(messages):
    theirs = messages.filter(pc.not_equal(messages["kind"], "reply"))
    for column in ("intent", "language", "wording", "tone"):
        assert theirs[column].null_count == 0, column
    assert set(theirs["intent"].to_pylist()) == INTENTS | {"other"}
    said = theirs.filter(theirs["told_language"].is_valid())
    assert said["told_language"].equals(said["language"])
    assert 0.02 < theirs["told_language"].null_count / len(theirs) < 0.15
    assert 0.3 < pc.mean(pc.equal(theirs["language"], "de")).as_py() < 0.5
    per_intent = theirs.group_by("intent").aggregate([("wording", "count_distinct")])
    assert pc.min(per_intent["wording_count_distinct"]).as_py() >= 8


def test_a_sender_keeps_to_one_language(messages):
    per_sender = messages.group_by("client").aggregate([("language", "count_distinct")])
    assert pc.max(per_sender["language_count_distinct"]).as_py() == 1


def test_held_out_wordings_stand_in_held_out_messages_only(messages):
    pattern = "|".join(re.escape(s).replace(r"\{item\}", ".*").replace(r"\{day\}", ".*") for s in HELD_OUT)
    found = pc.match_substring_regex(messages["body"], pattern)
    assert found.equals(messages["held_out"])
    assert 0.03 < pc.mean(messages["held_out"]).as_py() < 0.15


def test_planted_personal_data_is_masked_and_business_numbers_stay(messages):
    masked = mask(messages["body"], names=messages["name_min"]).texts
    messages = messages.append_column("masked", masked)
    planted = _some(messages, messages["personal_kind"].is_valid())
    assert {row["personal_kind"] for row in planted} == set(wordings.PERSONAL)
    assert all(row["personal_value"] in row["body"] for row in planted)
    survived = [row["masked"] for row in planted if row["personal_value"] in row["masked"]]
    survived += [
        row["masked"] for row in _some(messages, messages["signed"].is_valid()) if row["signed"] in row["masked"]
    ]
    assert survived == []
    numbered = _some(messages, messages["kept_number"].is_valid())
    assert len(numbered) > 100
    assert [row["masked"] for row in numbered if row["kept_number"] not in row["masked"]] == []
    plain = _some(messages, pc.and_(messages["personal_kind"].is_null(), messages["signed"].is_null()))
    assert [(row["body"], row["masked"]) for row in plain if row["body"] != row["masked"]] == []


def test_the_starter_is_labelled_and_holds_no_held_out_wording():
    content = FILE.read_text(encoding="utf-8")
    assert content == starter(), "python -m crm_pipeline.sample.starter writes it anew"
    rows = list(csv.DictReader(content.splitlines()))
    assert 200 <= len(rows) <= 500
    assert {row["intent"] for row in rows} == INTENTS | {UNKNOWN}
    assert {row["sentiment"] for row in rows} == {"negative", "neutral", "positive", ""}
    assert {row["language"] for row in rows} == {"en", "de"}
    held = [re.compile(re.escape(s).replace(r"\{item\}", ".*").replace(r"\{day\}", ".*")) for s in HELD_OUT]
    assert [row["text"] for row in rows for sentence in held if sentence.search(row["text"])] == []
    decoys = [s.split("{")[0] for by_language in wordings.DECOYS.values() for s in sum(by_language.values(), ())]
    assert [row["text"] for row in rows for sentence in decoys if sentence in row["text"]] == []


def test_a_fifth_of_each_groups_wordings_is_held_out_and_stands_in_no_other_group():
    for every, known, held in (
        (wordings_service.SERVICE, wordings.SERVICE, wordings.SERVICE_HELD_OUT),
        (wordings_feelings.FEELINGS, wordings.FEELINGS, wordings.FEELINGS_HELD_OUT),
    ):
        for name, by_language in every.items():
            for language, sentences in by_language.items():
                assert sorted(known[name][language] + held[name][language]) == sorted(set(sentences))
                assert 0.1 < len(held[name][language]) / len(sentences) < 0.3
