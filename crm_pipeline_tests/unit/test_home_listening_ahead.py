"""Recordings are heard before anybody asks: those of the newest calls first, a piece at a time; what cannot be is left to the asset."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import ibis
import pandas as pd
import pytest

from crm_pipeline.errors import CrmError
from crm_pipeline.home import listening
from crm_pipeline.sources.recordings import Recording

CALLS = pd.DataFrame(
    {
        "audio_path": ["old.wav", None, "new.wav", "twice.wav", "twice.wav", "gone.wav", "broken.wav"],
        "event_at": pd.to_datetime([f"2026-0{n}-01" for n in (1, 6, 5, 4, 2, 3, 3)]),
    }
)
KNOWN = {
    **{name: Recording(name, name[0]) for name in ("old.wav", "new.wav", "twice.wav", "of_labels.wav")},
    "gone.wav": Recording("gone.wav"),
    "broken.wav": Recording("broken.wav", "b", "its recording cannot be read"),
}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    told: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(listening, "remembered", lambda _: KNOWN)
    monkeypatch.setattr(listening, "measured", lambda _, wanted: told.append(("measured", dict(wanted))) or {})
    monkeypatch.setattr(listening, "listened", lambda _, wanted, heard: told.append(("heard", dict(wanted))) or {})
    return told


def project(*inputs: str) -> Any:
    lake = SimpleNamespace(partitions=lambda _: ["2026-01-01"], table=lambda *_: ibis.memtable(CALLS))
    return SimpleNamespace(lake=lake, source=SimpleNamespace(inputs=frozenset(inputs)))


def test_each_recording_of_a_call_once_the_newest_first(told: list[tuple[str, dict[str, str]]]) -> None:
    work = listening.ahead(project("calls", "recordings"))
    next(work)
    assert told == [("measured", {"n": "new.wav"})], "a piece at a time"
    assert len(list(work)) == 5
    assert [(what, *wanted.values()) for what, wanted in told] == [
        (what, name) for name in ("new.wav", "twice.wav", "old.wav") for what in ("measured", "heard")
    ]


def test_a_source_without_recordings_has_none(told: list[tuple[str, dict[str, str]]]) -> None:
    assert list(listening.ahead(project("calls"))) == []
    assert told == []


def test_what_is_not_what_it_was_is_left_to_the_asset(
    told: list[tuple[str, dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(*_: Any) -> None:
        raise CrmError("The recording new.wav is not what it was when the source was read: run again.")

    monkeypatch.setattr(listening, "measured", changed)
    assert list(listening.ahead(project("calls", "recordings"))) == []
