"""The page's part *Calls*: counted from the lake's tables, drawn from what was measured, and safe whatever was said."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest

from crm_pipeline.audio.measured import IMAGE, LENGTH, Channel, Measured
from crm_pipeline.contracts.calls import CALLS
from crm_pipeline.contracts.outputs import conform
from crm_pipeline.contracts.plans import SERVICE
from crm_pipeline.periods import Calendar
from crm_pipeline.reports.calls import EMBEDDED, Calls, gather_calls, player
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.plots_calls import words_over_time
from crm_pipeline.reports.report import render_report

P = "2024-05-01"
NASTY = '<script>alert(1)</script> $x^2$ "quoted"'
WINDOWS = json.dumps([{"start": 0.0, "end": 4.0, "emotion": "angry", "probability": 0.81},
                      {"start": 4.0, "end": 6.0, "emotion": "unknown", "probability": None}])  # fmt: skip


def heard(call_id: str, month: int, **told: object) -> dict[str, object]:
    said = [{"start": 61.0, "end": 62.0, "text": f"sure {NASTY}", "confidence": 0.9},
            {"start": 2.0, "end": 3.0, "text": "perhaps", "confidence": 0.2}]  # fmt: skip
    known = {"call_id": call_id, "channel": 2, "speaker": "caller", "recording": f"sha-{call_id}", "emotion": "angry",
             "event_at": datetime(2024, month, 9), "emotion_windows": WINDOWS, "utterances": json.dumps(said)}  # fmt: skip
    return known | told


def matter(rank: int, **told: object) -> dict[str, object]:
    known = {"rank": rank, "priority": 1 / rank, "customer_id": f"c{rank}", "call_id": f"a{rank}", "n_calls": 1,
             "called_at": datetime(2024, 5, 9), "reason": f"said '{NASTY}'", "suggested_reply": "Sorry."}  # fmt: skip
    return known | told


def measured() -> Measured:
    def channel(pitch: float) -> Channel:
        rng = np.random.default_rng(1)
        return Channel({}, "", np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, LENGTH), np.float32), np.zeros((0, *IMAGE), np.uint8),
                       np.zeros(0), np.zeros(0), rng.random(400, np.float32), np.full(60, pitch, np.float32),
                       rng.integers(0, 255, (40, 400), np.uint8))  # fmt: skip

    return Measured(6.0, 2, 8000, "WAV PCM_16", 0.0, 6.0, {}, (channel(float("nan")), channel(180.0)))


@pytest.fixture(scope="module")
def found() -> Calls:
    calls = [heard("a1", 5), heard("a1", 5, channel=1, speaker="agent", utterances=None, emotion="calm", watched="refund"),
             heard("a2", 4, emotion="calm", watched="cancel, refund"), heard("a3", 5, reason="silent", emotion="unknown")]  # fmt: skip
    queue = [matter(1), matter(2), matter(3, call_id=None, called_at=None, case_id="k", case_opened_at=datetime(2024, 5, 2)),
             *(matter(n) for n in range(4, 8)), matter(8, customer_id=None)]  # fmt: skip
    frame = pd.DataFrame(calls)
    columns = [c._replace(type="timestamp[us]") if c.type == "timestamp" else c for c in CALLS]
    tables = (ibis.memtable(conform(frame, columns)), ibis.memtable(conform(pd.DataFrame(queue), SERVICE)))
    return gather_calls(*tables, P, Calendar("month", "UTC"))


def page(calls: Calls | None) -> str:
    return render_report(ReportData("Shop", P, date(2024, 6, 1), date(2024, 9, 1), "EUR", pd.DataFrame(), calls=calls))


def test_of_the_caller_alone_is_counted_and_of_the_head_of_the_queue_each_channel_is_read(found: Calls) -> None:
    assert found.counts.to_dict("records") == [
        {"period": "2024-04-01", "emotion": "calm", "n": 1}, {"period": P, "emotion": "angry", "n": 1}
    ]  # fmt: skip
    assert words_over_time(found.watched).loc["2024-04-01"].to_dict() == {"cancel": 1, "refund": 1}
    assert found.channels[["call_id", "channel"]].to_numpy().tolist() == [["a1", 1], ["a1", 2], ["a2", 2]]


def test_the_page_shows_a_card_each_and_escapes_what_was_said(found: Calls) -> None:
    shown = replace(
        found,
        sounds={"sha-a1": measured()},
        players={"sha-a1": "data:audio/wav;base64,AAAA", "sha-a2": "file:///a2.wav"},
    )
    html = page(shown)
    part = html[html.index('id="calls"') : html.index('id="drift"')]
    assert part.count('<article class="card">') == 5
    assert "<script>" not in part
    assert part.count("<audio") == 1
    assert 'href="file:///a2.wav"' in part
    assert '<mark title="confidence 0.20">perhaps</mark>' in part
    assert part.index("perhaps") < part.index("sure &lt;script"), "by when it was said"
    assert part.count("<image") == 1, "one spectrogram"
    assert "angry 0.81" in part
    assert ">not known<" in part
    assert "None" not in part


def test_a_source_without_recordings_has_no_such_part_and_a_quiet_one_says_so() -> None:
    assert 'id="calls"' not in page(None)
    assert "Nobody waits" in page(Calls())


def test_a_small_recording_stands_in_the_page_and_a_large_or_strange_one_is_linked(tmp_path: Path) -> None:
    for name, size in (("a b.wav", 10), ("large.wav", EMBEDDED + 1), ("call.au", 10)):
        (tmp_path / name).write_bytes(bytes(size))
    found = [player(tmp_path / name) for name in ("a b.wav", "large.wav", "call.au")]
    assert found[0].startswith("data:audio/wav;base64,AAAA")
    assert [address.rsplit("/", 1)[1] for address in found[1:]] == ["large.wav", "call.au"]
    assert all(address.startswith("file:///") for address in found[1:])
