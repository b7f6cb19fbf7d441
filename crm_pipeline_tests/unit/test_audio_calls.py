"""The table of calls that were listened to, and what it makes of a customer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import ibis
import numpy as np
import pytest

from crm_pipeline.audio.emotion import fit
from crm_pipeline.audio.emotion_stretches import Stretches
from crm_pipeline.audio.measured import IMAGE, LENGTH, Channel, Measured
from crm_pipeline.audio.tables import calls_table, masked
from crm_pipeline.contracts.calls import CHANNEL
from crm_pipeline.transforms.calls import of_customers

SAID = [
    {"text": "my name is lovelace", "start": 0.5, "end": 1.5, "confidence": 0.9, "words": []},
    {"text": "i want a refund", "start": 2.0, "end": 3.0, "confidence": 0.3, "words": []},
]


def channel(values: bool = True, windows: int = 0, **told: float) -> Channel:
    known = {c.name: 1.0 for c in CHANNEL} | told if values else None
    empty = np.zeros(0)
    return Channel(
        known, "" if values else "0.0 s of speech are heard in it, less than 0.3 s", np.zeros((0, 2)),
        np.zeros((windows, 2)), np.zeros((windows, LENGTH), np.float32), np.zeros((windows, *IMAGE), np.uint8),
        np.ones(windows), np.ones(windows), empty, empty, np.zeros((40, 0), np.uint8),
    )  # fmt: skip


def recording(*channels: Channel) -> Measured:
    call = {"seconds": 10.0, "overlap_share": 0.1, "hold_seconds": 0.0, "longest_silence": 1.0}
    return Measured(10.0, len(channels), 8000, "WAV PCM_16", 0.0, 10.0, call, channels)


def call(n: int, sha: str, customer: str | None = "1") -> dict[str, Any]:
    return {"call_id": f"c{n}", "customer_id": customer, "event_at": datetime(2020, 4, n), "recording": sha}


def nothing(channels: int = 1) -> list[dict[str, Any]]:
    return [{"said": [], "watched": []} for _ in range(channels)]


def test_a_row_for_each_channel_with_who_speaks_in_it() -> None:
    heard = {
        "two": recording(channel(), channel(values=False)),
        "one": recording(channel()),
        "none": "it holds no sample",
    }
    said = {"two": [{"said": SAID, "watched": ["refund"]}, *nothing()], "one": nothing()}
    table = calls_table([call(1, "two"), call(2, "one"), call(3, "none")], heard, said, None, caller_channel=1)
    rows = table.to_pylist()
    assert [(r["call_id"], r["channel"], r["speaker"]) for r in rows] == [
        ("c1", 1, "caller"), ("c1", 2, "agent"), ("c2", 1, "both"), ("c3", 1, "both"),
    ]  # fmt: skip
    assert rows[0]["transcript"] == "my name is lovelace i want a refund"
    assert rows[0]["confidence"] == pytest.approx(0.6)
    assert rows[0]["watched"] == "refund"
    assert [len(json.loads(r["utterances"])) if r["utterances"] else None for r in rows] == [2, None, None, None]
    assert [r["reason"] for r in rows] == [
        None,
        "0.0 s of speech are heard in it, less than 0.3 s",
        None,
        "it holds no sample",
    ]
    assert {r["emotion"] for r in rows} == {"unknown"}
    assert "no labelled recordings" in rows[0]["emotion_reason"]


def test_what_was_said_is_masked_in_both_columns() -> None:
    table = calls_table([call(1, "a")], {"a": recording(channel())}, {"a": [{"said": SAID, "watched": []}]}, None, 2)
    row = masked(table, {"1": "Ada Lovelace"}, ("GB",)).to_pylist()[0]
    assert "lovelace" not in row["transcript"] + row["utterances"]
    assert [one["end"] for one in json.loads(row["utterances"])] == [1.5, 3.0]


def test_sums_of_a_customer_are_of_the_caller_alone_and_whole() -> None:
    loud = channel(speech_seconds=4.0, silence_share=0.6, speaking_rate=5.0, pitch_range=float("nan"))
    heard = {"a": recording(channel(speech_seconds=9.0), loud), "b": recording(channel(values=False))}
    said = {"a": [*nothing(), {"said": SAID, "watched": ["refund"]}], "b": nothing()}
    table = calls_table(
        [call(1, "a"), call(2, "a"), call(3, "b", "2"), call(4, "a", None)], heard, said, None, caller_channel=2
    )
    made = of_customers(ibis.memtable(table), "2020-04-01", (("angry", "angry"),)).to_pyarrow().to_pylist()
    assert len(made) == 1, "of who was not heard there is nothing to tell, nor of who is not known"
    row = made[0]
    assert (row["customer_id"], row["n_heard"], row["call_ms"], row["speech_ms"]) == ("1", 2, 20_000, 8_000)
    assert (row["silence_ms"], row["overlap_ms"], row["syllables"], row["n_watched"]) == (12_000, 2_000, 40_000, 2)
    assert (row["n_pitched"], row["n_felt"], row["emotion_angry"]) == (0, 0, 0)


def test_a_channel_sounds_like_the_mean_of_its_windows_by_their_length() -> None:
    rng = np.random.default_rng(0)
    labels = ["angry", "calm"] * 60
    vectors = rng.normal(size=(120, LENGTH)).astype("f4") + np.array([2.0, -2.0] * 60, "f4")[:, None]
    stretches = Stretches(vectors, np.zeros((120, *IMAGE), "f4"), np.ones(120), np.full(120, 0.05))
    model = fit(stretches, labels, [f"speaker {n // 12}" for n in range(120)])
    angry, calm = rng.normal(size=(2, LENGTH)).astype("f4") + np.array([[2.0], [-2.0]], "f4")
    heard = channel(windows=3)
    heard = replace(
        heard, vectors=np.stack([angry, calm, angry + 99]), lengths=np.array([3.0, 1.0, 9.0]), levels=np.full(3, 0.05)
    )
    (row,) = calls_table([call(1, "a")], {"a": recording(heard)}, {"a": nothing()}, model, 1).to_pylist()
    each = model.probabilities(heard.stretches())[:2, 0]
    assert row["emotion"] == "angry"
    assert row["emotion_reason"] is None
    assert row["emotion_probability"] == pytest.approx(each @ [0.75, 0.25])
    windows = json.loads(row["emotion_windows"])
    assert [one["emotion"] for one in windows] == ["angry", "calm", "unknown"], "the last is like no speech"
    assert windows[2]["probability"] is None
