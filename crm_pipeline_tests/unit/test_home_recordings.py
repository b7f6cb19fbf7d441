"""What was made of recordings is kept by their content: made once, forgotten with them, and never of another file."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_pipeline.errors import CrmError
from crm_pipeline.home.project import Project
from crm_pipeline.home.recordings import FOLDER, forget, made_of
from crm_pipeline.settings import Settings
from crm_pipeline.sources import recordings
from crm_pipeline.sources.state import SourceState
from crm_pipeline_tests.unit.test_sources_recordings import wav


@pytest.fixture
def home(tmp_path: Path) -> Project:
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(wav(800 + ord(name[0])))
    state = SourceState("shop", "UTC", "", {}, "2020-01-01", "2020-01-01", None, files=str(tmp_path))
    project = Project(tmp_path / "home", Settings(), state)
    recordings.remember(project.lake, recordings.look(tmp_path, ["a.wav", "b.wav"], {}))
    return project


def made(home: Project, version: str = "1", asked: list[str] | None = None) -> dict[str, bytes]:
    wanted = {r.sha256: r.name for r in recordings.remembered(home.lake).values() if r.sha256}

    def make(paths: dict[str, Path]) -> list[bytes]:
        asked.extend(p.name for p in paths.values()) if asked is not None else None
        return [p.name.encode() for p in paths.values()]

    return dict(made_of(home, "measured", version, wanted, make))


def test_nothing_is_made_twice_but_of_another_version_anew(home: Project) -> None:
    asked: list[str] = []
    first = made(home, asked=asked)
    assert sorted(first.values()) == [b"a.wav", b"b.wav"]
    assert made(home, asked=asked) == first
    assert sorted(asked) == ["a.wav", "b.wav"]
    made(home, "2", asked)
    assert len(asked) == 4
    assert [path.name for path in (home.home / FOLDER).iterdir()] == ["measured-2"]


def test_what_was_made_goes_with_its_recording(home: Project) -> None:
    first = sorted(made(home))
    forget(home.home, first[:1])
    assert [path.name for path in (home.home / FOLDER).glob("*/*")] == first[:1]


def test_a_file_that_changed_under_the_run_is_not_taken_for_what_it_was(home: Project) -> None:
    (home.home.parent / "a.wav").write_bytes(wav(900, loud=7))
    with pytest.raises(CrmError, match=r"The recording a\.wav is not what it was when the source was read: run again"):
        made(home)
