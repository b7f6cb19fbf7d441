"""Recordings that calls name: what the sync finds of them, which calls it refuses, and what a replaced one changes."""

from __future__ import annotations

import io
import os
import wave
from pathlib import Path

import pytest

from crm_pipeline.contracts.core import HEARD, NAMED
from crm_pipeline.sources import recordings
from crm_pipeline.sources.spec import load_source
from crm_pipeline.sources.state import read_state
from crm_pipeline.sources.sync import pending
from crm_pipeline.text.bodies import masked
from crm_pipeline_tests.unit.sources_world import ORDERS, TODAY, World, tables

APRIL, MAY = "2020-04-01", "2020-05-01"
CALLS = "call_id,customer_id,started_at,audio_path,transcript\n"
GOOD = {"c1": "talks/a.wav", "c2": "talks/gone.wav", "c3": "", "c8": "talks/b.wav"}
BAD = {"c4": "../secret.wav", "c5": "talks/empty.wav", "c6": "talks/notes.wav", "c7": "talks", "c9": "talks/link.wav"}


def wav(samples: int = 800, loud: int = 0) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(loud.to_bytes(2, "little", signed=True) * samples)
    return out.getvalue()


@pytest.fixture
def shop(tmp_path: Path) -> World:
    world = World(tmp_path, tables(orders="orders.csv", calls="calls.csv", customers="people.csv"))
    world.write("orders.csv", ORDERS + "a,1,2020-04-01,1\nb,1,2020-05-31,2\n")
    world.write("people.csv", "customer_id,name\n1,Ada Lovelace\n")
    named = GOOD | BAD
    world.write("calls.csv", CALLS + "".join(f"{call},1,2020-0{4 + (call == 'c8')}-0{call[1]},{path},I am Lovelace\n"
                                             for call, path in named.items()))  # fmt: skip
    (tmp_path / "secret.wav").write_bytes(wav())
    world.write("talks/a.wav", wav())
    world.write("talks/b.wav", wav(900))
    world.write("talks/empty.wav", b"")
    world.write("talks/notes.wav", "we spoke about the weather")
    os.symlink(tmp_path / "secret.wav", world.root / "talks" / "link.wav")
    return world


def test_a_call_of_nobody_known_is_kept_with_its_recording(shop: World) -> None:
    shop.write("calls.csv", CALLS + "c1,,2020-04-01,talks/a.wav,hello\nc2,1,2020-04-02,,\n")
    report = shop.sync()
    clean, rejects = shop.cleaned(report, "calls", APRIL)
    assert [(r["call_id"], r["customer_id"], bool(r["recording"])) for r in clean] == [
        ("c1", None, True),
        ("c2", "1", False),
    ]
    assert not rejects
    assert any(
        w.startswith("calls: 1 of 2 rows have no customer: kept, listed in the call queue") for w in report.warnings
    )


def test_a_recording_is_known_by_its_content_and_a_bad_one_refuses_its_call(shop: World) -> None:
    report = shop.sync()
    clean, rejects = shop.cleaned(report, "calls", APRIL)
    heard = {row["call_id"]: row["recording"] for row in clean}
    assert set(heard) == {"c1", "c2", "c3"}
    assert len(heard["c1"]) == 64
    assert heard["c2"] is heard["c3"] is None, "a call without its recording is a call"
    said = {row["source_line"]: row["reasons"] for row in rejects}
    assert sorted(said.values()) == [
        "its audio_path leads outside the source's folder",
        "its audio_path leads outside the source's folder",
        "its recording cannot be read: it holds no audio in a format that is known (Format not recognised)",
        "its recording cannot be read: it is empty (0 bytes)",
        "its recording cannot be read: there is no such file",
    ]
    assert any("talks/gone.wav" in w and "only counted" in w for w in report.warnings)
    assert any("refused for their recording" in w for w in report.warnings)


def test_a_replaced_recording_changes_the_period_of_its_call_alone(shop: World) -> None:
    shop.sync()
    before, source = shop.hashes(), load_source(shop.root)
    assert pending(source, shop.lake, shop.settings, TODAY) == []
    shop.write("talks/a.wav", wav(loud=99))
    assert [(p.name, p.what) for p in pending(source, shop.lake, shop.settings, TODAY)] == [("talks/a.wav", "changed")]
    assert shop.sync().read == 0, "the table is not read again"
    assert {key for key, h in shop.hashes().items() if before[key] != h} == {("raw/calls", APRIL)}
    shop.write("talks/a.wav", wav())
    shop.sync()
    assert shop.hashes() == before


def test_a_recording_that_appears_or_goes_is_noticed_and_told(shop: World) -> None:
    shop.sync()
    source = load_source(shop.root)
    shop.write("talks/gone.wav", wav())
    (shop.root / "talks" / "b.wav").unlink()
    found = {(p.name, p.what) for p in pending(source, shop.lake, shop.settings, TODAY)}
    assert found == {("talks/gone.wav", "new"), ("talks/b.wav", "gone")}
    report = shop.sync()
    assert any(w.startswith("talks/b.wav is gone") for w in report.warnings)
    assert [r["recording"] for r in shop.cleaned(report, "calls", MAY)[0]] == [None]


def test_without_the_extra_the_calls_are_counted_and_it_is_said(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "readable", lambda: False)
    report = shop.sync()
    assert recordings.MISSING_EXTRA in report.warnings
    assert len(shop.cleaned(report, "calls", APRIL)[0]) == 8
    assert "recordings" not in report.state.inputs


def test_without_the_extra_a_home_that_heard_before_can_still_be_asked(
    shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "recordings" in shop.sync().state.inputs
    shop.write("talks/a.wav", wav(loud=5))
    monkeypatch.setattr(recordings, "readable", lambda: False)
    assert pending(load_source(shop.root), shop.lake, shop.settings, TODAY) == []


def test_a_source_whose_recordings_are_all_broken_has_none(tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders="orders.csv", calls="calls.csv"))
    world.write("orders.csv", ORDERS + "a,1,2020-04-01,1\nb,1,2020-05-31,2\n")
    world.write("calls.csv", CALLS + "c1,1,2020-04-02,talks/empty.wav,hello\n")
    world.write("talks/empty.wav", b"")
    report = world.sync()
    assert "recordings" not in report.state.inputs
    assert len(world.cleaned(report, "calls", APRIL)[1]) == 1


def test_a_transcript_is_masked_and_a_fingerprint_is_not(shop: World) -> None:
    shop.sync()
    raw = shop.lake.table("raw/calls", [APRIL]).to_pyarrow()
    assert [r["transcript"] for r in raw.to_pylist() if r["event"] == NAMED] == ["Ada Lovelace"]
    rows = masked(raw, ()).to_pylist()
    assert {r["transcript"] for r in rows if r["event"] == "started"} == {"I am [name]"}
    heard = {r["audio_path"]: r["content"] for r in raw.to_pylist() if r["event"] == HEARD}
    assert {r["audio_path"]: r["content"] for r in rows if r["event"] == HEARD} == heard


def test_labelled_recordings_count_by_their_content_and_none_outside_the_source_is_opened(shop: World) -> None:
    shop.yaml(tables(orders="orders.csv", calls="calls.csv"), more="labels: {emotion: learn/told.csv}")
    shop.write(
        "learn/told.csv", "path,emotion,speaker\nx.wav,calm,1\n../talks/a.wav,angry,2\n../../secret.wav,calm,3\n"
    )
    shop.write("learn/x.wav", wav(700))
    source = load_source(shop.root)
    known = shop.sync().state.labels["emotion"]
    assert (known.path, known.counts) == ("learn/told.csv", {"angry": 1, "calm": 2})
    assert pending(source, shop.lake, shop.settings, TODAY) == []
    (shop.root.parent / "secret.wav").write_bytes(wav(loud=1))
    assert shop.sync().state.labels["emotion"] == known
    shop.write("learn/x.wav", wav(700, loud=99))
    assert [(p.name, p.what) for p in pending(source, shop.lake, shop.settings, TODAY)] == [("learn/x.wav", "changed")]
    other = shop.sync().state
    assert other.labels["emotion"].version != known.version
    assert read_state(shop.lake.home) == other
    shop.write("learn/told.csv", "path,mood\nx.wav\n")
    report = shop.sync()
    assert report.state.labels == {}
    assert any("labels.emotion is not used: learn/told.csv, line 2: 1 columns" in w for w in report.warnings)


@pytest.mark.parametrize("name", ["a\0b.wav", "x" * 5000, "https://calls.example/1.wav", "/etc/passwd/x"])
def test_what_can_be_no_file_of_the_source_is_opened_nowhere(tmp_path: Path, name: str) -> None:
    found = recordings.look(tmp_path, [name], {})[name]
    assert found.sha256 is None
    assert found.problem in (None, recordings.OUTSIDE)


def test_a_link_that_leads_back_to_itself_is_a_reason(tmp_path: Path) -> None:
    os.symlink("loop.wav", tmp_path / "loop.wav")
    found = recordings.look(tmp_path, ["loop.wav"], {})["loop.wav"]
    assert (found.sha256, found.problem) in (
        (None, "its audio_path is a link that leads back to itself"), (None, None),  # newer Pythons say there is no such file
    )  # fmt: skip
