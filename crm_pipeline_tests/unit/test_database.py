"""The setting database_url: where Dagster and MLflow then look, what is said of a wrong one, and that no password is told."""

from __future__ import annotations

import importlib.util
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from crm_pipeline.database import (
    VARIABLE,
    connected,
    dagster_url,
    mlflow_url,
    name_of,
    open_to_dagster,
    told_of_database,
)
from crm_pipeline.defs.health import settings_found
from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.home.instance import dagster_home, rendered
from crm_pipeline.settings import Settings, load_settings
from crm_pipeline.tracking import Tracker

SECRET = "s3cr%40et"
URL = f"postgresql://crm:{SECRET}@db.example:5433/records"


@given(password=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1))
def test_any_escaped_password_arrives_as_it_is(password: str) -> None:
    setting = Settings(database_url=f"postgres://crm:{quote(password, safe='')}@db.example/records").database_url
    for url in (dagster_url(setting), mlflow_url(setting)):
        parsed = make_url(url)
        assert (parsed.drivername, parsed.password, parsed.host) == ("postgresql+psycopg2", password, "db.example")
    assert repr(Settings(database_url=setting)) == repr(Settings())


def test_mlflow_s_tables_lie_in_a_schema_of_their_own_beside_the_options_that_are_given() -> None:
    assert make_url(mlflow_url(URL)).query["options"] == "-csearch_path=mlflow"
    options = make_url(mlflow_url(URL + "?options=-cstatement_timeout%3D9&sslmode=require")).query
    assert options == {"options": "-cstatement_timeout=9 -csearch_path=mlflow", "sslmode": "require"}
    assert name_of(URL) == "db.example:5433/records"


def test_the_address_stands_in_no_file_of_the_home(tmp_path: Path) -> None:
    path = dagster_home(tmp_path, Settings(database_url=URL)) / "dagster.yaml"
    assert SECRET not in path.read_text()
    read = yaml.safe_load(path.read_text())
    assert read["storage"] == {"postgres": {"postgres_url": {"env": VARIABLE}}}
    assert "event_log_storage" not in read
    dagster_home(tmp_path, Settings())
    assert path.read_text() == rendered(Settings()), "without the setting the history lies in the home again"


def test_the_tracker_of_a_home_takes_its_setting(tmp_path: Path) -> None:
    assert Tracker(tmp_path).uri == f"sqlite:///{tmp_path / 'mlflow.db'}"
    (tmp_path / "crm.yaml").write_text(f"database_url: {URL}\n")
    assert Tracker(tmp_path).uri == mlflow_url(URL)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("database_url", "mysql://crm:s3cret@db/records"),
        ("database_url", "postgresql://crm:s3cret@db"),
        ("database_url", "postgresql://crm:s3cret/@db/records"),
        ("database_url", "postgresql://crm:a@s3cret@db/records"),
        ("alert_webhook", "s3cret"),
    ],
)
def test_a_wrong_secret_is_not_told(tmp_path: Path, field: str, value: str) -> None:
    (tmp_path / "crm.yaml").write_text(f"{field}: {value}\n")
    with pytest.raises(UsageError, match=rf"{field}.*CRM_{field.upper()}\) is no") as told:
        load_settings(tmp_path)
    assert "s3cret" not in str(told.value)


def test_a_server_that_does_not_answer_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with socket.socket() as taken:  # bound, and listening to nobody
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(
            CrmError, match=rf"127\.0\.0\.1:{port}/records cannot be used \(.*refused.*{VARIABLE}"
        ) as told:
            open_to_dagster(f"postgresql://crm:{SECRET}@127.0.0.1:{port}/records")
    assert "s3cr" not in str(told.value)
    assert VARIABLE not in os.environ


def test_a_password_that_no_server_can_be_asked_with_is_one_sentence() -> None:
    with pytest.raises(UsageError, match=rf"{VARIABLE}\) cannot be used: .*null") as told:
        open_to_dagster("postgresql://crm:s3cr%00et@127.0.0.1:1/records")
    assert "s3cr" not in str(told.value)


def test_an_error_of_the_server_is_told_whoever_met_it_and_others_pass() -> None:
    met = ProgrammingError("CREATE TABLE runs", {}, Exception("permission denied for schema public\nLINE 1"))
    with (
        pytest.raises(CrmError, match=r"5433/records cannot be used \(permission denied for schema public\)"),
        told_of_database(URL),
    ):
        raise RuntimeError("a step failed") from met
    for setting, error in ((URL, RuntimeError("other")), ("", met)):
        with pytest.raises(type(error)), told_of_database(setting):
            raise error


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "psycopg2" else real(name))
    with (
        pytest.raises(UsageError, match=r"needs psycopg2: pip install --editable '\.\[postgres\]' in the clone"),
        connected(URL),
    ):
        pass


@pytest.mark.parametrize(
    ("text", "url", "severity", "says"),
    [
        (rendered(Settings(database_url=URL)), URL, None, ""),
        (rendered(Settings(database_url=URL)), "", "error", f"{VARIABLE} does not say here in which"),
        (rendered(Settings()), URL, "warning", "keeps Dagster's history in the home"),
        ("storage: {postgres: {postgres_url: {env: MINE}}}\n" + rendered(Settings()), "", None, ""),
    ],
    ids=["both", "not set here", "set since", "the owner's own"],
)
def test_a_history_that_lies_elsewhere_than_the_setting_says_is_told(
    tmp_path: Path, text: str, url: str, severity: Any, says: str
) -> None:
    (tmp_path / "dagster.yaml").write_text(text)
    found = list(settings_found(tmp_path / "dagster.yaml", Settings(database_url=url)))
    assert [f.severity for f in found] == ([severity] if severity else [])
    assert all(says in f.what for f in found)
