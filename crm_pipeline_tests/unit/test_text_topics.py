"""Topics: found, named, the same for the same input, kept from period to period; too little gives none and says so."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from crm_pipeline.text.topics import fit
from crm_pipeline_tests.unit.test_text_intents import STRANGE

ABOUT = {
    "delivery": ["parcel", "courier", "track", "deliv", "doorstep"],
    "refund": ["refund", "money", "reimburs", "credit", "return"],
    "password": ["password", "login", "account", "lock", "reset"],
    "invoice": ["invoic", "bill", "receipt", "vat", "tax"],
}
FILL = ["pleas", "today", "help", "need", "week", "order", "hello", "thank"]
READABLE = {"deliv": "delivered", "reimburs": "reimbursed", "invoic": "invoice", "track": "tracking"}


def written(count: int, seed: int, about: dict[str, list[str]] = ABOUT) -> tuple[list[list[str]], np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.choice(list(about), count)
    return [[*map(str, rng.choice(about[name], 3)), *map(str, rng.choice(FILL, 2))] for name in truth], truth


def test_planted_topics_are_found_named_and_stable() -> None:
    documents, truth = written(600, 1)
    topics = fit(documents, READABLE, 4, seed=3)
    assert topics.ids == [0, 1, 2, 3]
    assert topics.texts == 600
    said = topics.assign(documents)
    table = pd.crosstab(said["topic"], truth)
    assert table.max(axis=1).sum() / 600 > 0.97
    assert sorted(table.idxmax(axis=1)) == sorted(ABOUT)
    for topic, label in zip(topics.ids, topics.labels, strict=True):
        own = {READABLE.get(stem, stem) for stem in ABOUT[table.idxmax(axis=1)[topic]]}
        assert set(label.split(" · ")) <= own
    assert min(topics.stability) > 0.9
    assert said["weight"].between(0, 1).all()


def test_topics_of_noise_are_not_called_stable() -> None:
    rng = np.random.default_rng(5)
    noise = [[f"w{n}" for n in rng.integers(0, 200, 6)] for _ in range(400)]
    assert np.mean(fit(noise, {}, 5).stability) < 0.6


@pytest.mark.parametrize(
    "documents", [[], [[]] * 100, [["parcel"]] * 100, written(30, 1)[0], [[f"w{i}"] for i in range(500)]]
)
def test_too_little_gives_no_topics_and_says_so(documents: list[list[str]]) -> None:
    topics = fit(documents, {}, 8)
    assert topics.ids == []
    assert topics.reason.startswith("too little for two topics: ")
    said = topics.assign(documents)
    assert len(said) == len(documents)
    assert said["topic"].isna().all()


def test_few_texts_give_fewer_topics() -> None:
    assert 2 <= len(fit(written(70, 1)[0], READABLE, 12).ids) <= 3


def test_same_input_and_seed_same_topics_and_they_come_back_from_skops() -> None:
    from skops.io import dumps, get_untrusted_types, loads

    documents, _ = written(200, 4)
    one, two = (fit(documents, READABLE, 4, seed=1) for _ in range(2))
    assert one.parts.tobytes() == two.parts.tobytes()
    assert (one.labels, one.stability) == (two.labels, two.stability)
    stored = dumps(one)
    again = loads(stored, trusted=get_untrusted_types(data=stored))
    pd.testing.assert_frame_equal(again.assign(documents), one.assign(documents))


def test_an_arrow_column_says_what_lists_say_and_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    documents, _ = written(100, 8)
    column = pa.chunked_array([pa.array([*documents[:50], None, []]), pa.array(documents[50:])])
    topics = fit(documents, READABLE, 4)
    assert fit(column, READABLE, 4).parts.tobytes() == topics.parts.tobytes()
    whole = topics.assign(documents)
    monkeypatch.setattr("crm_pipeline.text.topics.BATCH", 7)
    said = topics.assign(column)
    assert said["topic"].isna().tolist()[50:52] == [True, True]
    pd.testing.assert_frame_equal(said.drop(index=[50, 51]).reset_index(drop=True), whole)


def test_strange_and_unknown_words_belong_to_no_topic_and_break_nothing() -> None:
    documents, _ = written(200, 6)
    strange = [text.split() for text in STRANGE if text != "\ud800"]
    topics = fit([*documents, *strange], READABLE, 4)
    said = topics.assign([["zzz"], [], ["parcel"], *strange])
    assert said["topic"].isna().tolist()[:3] == [True, True, False]
    assert len(said) == 3 + len(strange)
