"""MLflow's database after a move of the home, and which models it no longer has."""

import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from crm_pipeline.errors import CrmError
from crm_pipeline.tracking import Tracker
from crm_pipeline.tracking_store import PLACES, any_running, lost_models, relocate


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "a home"
    (home / "mlartifacts" / "models" / "m-1" / "artifacts").mkdir(parents=True)
    (home / "mlartifacts" / "models" / "m-1" / "artifacts" / "MLmodel").write_text("")
    here = (home / "mlartifacts").as_uri()
    with sqlite3.connect(home / "mlflow.db") as con:
        con.execute("CREATE TABLE experiments (name, artifact_location)")
        con.execute("CREATE TABLE runs (artifact_uri, status)")
        con.execute("CREATE TABLE logged_models (model_id, artifact_location)")
        con.execute("CREATE TABLE model_versions (storage_location)")
        con.execute(
            "INSERT INTO experiments VALUES ('Default', '/elsewhere'), ('crm', ?), ('other', ?)", (here, here + "2")
        )
        con.execute("INSERT INTO runs VALUES (?, 'FINISHED')", (here + "/r/artifacts",))
        con.execute(
            "INSERT INTO logged_models VALUES ('m-1', ?), ('m-2', ?)", (here + "/models/m-1", here + "/models/m-2")
        )
        con.execute("INSERT INTO model_versions VALUES (?)", (None,))
    return home


def places(home):
    with sqlite3.connect(home / "mlflow.db") as con:
        return [v for t, c in PLACES for (v,) in con.execute(f"SELECT {c} FROM {t} ORDER BY rowid")]


def test_a_moved_home_points_to_its_own_artifacts_and_to_nothing_else(home):
    before, old = places(home), (home / "mlartifacts").as_uri()
    moved = home.rename(home.parent / "bewegt nach 100%")
    new = (moved / "mlartifacts").as_uri()
    assert relocate(moved / "mlflow.db", moved / "mlartifacts", "crm")
    assert places(moved) == [v and (new + v[len(old) :] if v == old or v.startswith(old + "/") else v) for v in before]
    assert not relocate(moved / "mlflow.db", moved / "mlartifacts", "crm"), "once is enough"


def test_a_home_reached_by_a_link_is_not_rewritten(home):
    before = places(home)
    (home.parent / "link").symlink_to(home)
    assert not relocate(home.parent / "link" / "mlflow.db", home.parent / "link" / "mlartifacts", "crm")
    assert places(home) == before


def test_a_model_without_record_or_without_file_is_lost(home):
    uris = {"models:/m-1", "models:/m-2", "models:/m-3"}
    assert lost_models(home / "mlflow.db", home / "mlartifacts", uris) == {"models:/m-2", "models:/m-3"}
    assert lost_models(home / "none.db", home / "mlartifacts", uris) == uris
    assert not any_running(home / "mlflow.db")


def test_a_tracker_keeps_the_models_last_used_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that serves for weeks must not hold every model it ever read."""
    read: list[str] = []
    monkeypatch.setattr("crm_pipeline.tracking.KEPT", 2)
    tracker = a_tracker(tmp_path, {"learner": "crm_pipeline.modeling.estimators.logistic:SplineLogistic"}, read)
    for uri in "abacab":
        assert tracker.load(uri) == uri
    assert read == ["a", "b", "c", "b"]


@pytest.mark.parametrize("metadata", [None, {"learner": "crm_pipeline.modeling.learners.splines:SplineLogistic"}])
def test_a_model_of_an_earlier_version_is_told_as_that(tmp_path: Path, metadata: Any) -> None:
    with pytest.raises(CrmError, match=r"of a class that this version does not have.* trains it again"):
        a_tracker(tmp_path, metadata, []).load("models:/m-1")


def a_tracker(home: Path, metadata: Any, read: list[str]) -> Tracker:
    """A tracker whose MLflow has models with these metadata, and notes which it loads."""
    tracker = Tracker(home)
    tracker.__dict__["mlflow"] = SimpleNamespace(
        sklearn=SimpleNamespace(load_model=lambda uri: read.append(uri) or uri),
        models=SimpleNamespace(get_model_info=lambda uri: SimpleNamespace(metadata=metadata)),
        exceptions=SimpleNamespace(MlflowException=RuntimeError),
    )
    return tracker
