"""A home's dagster.yaml: made from the settings, written anew when they change, left alone once a person has edited it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
import yaml

from crm_pipeline.defs.internals import quiet_instance
from crm_pipeline.errors import CrmError
from crm_pipeline.home.instance import EARLIER, NAME, TEMPLATE, dagster_home, is_ours, rendered
from crm_pipeline.settings import Settings

ROOT = Path(__file__).parent.parent.parent


def test_as_many_runs_at_once_as_share_the_memory(tmp_path: Path) -> None:
    path = dagster_home(tmp_path, Settings()) / NAME
    assert yaml.safe_load(path.read_text())["concurrency"]["runs"]["max_concurrent_runs"] == 1
    dagster_home(tmp_path, Settings(concurrent_runs=3))
    assert yaml.safe_load(path.read_text())["concurrency"]["runs"]["max_concurrent_runs"] == 3


def test_what_a_person_edited_stays(tmp_path: Path) -> None:
    path = dagster_home(tmp_path, Settings()) / NAME
    edited = path.read_text().replace("max_concurrent_runs: 1", "max_concurrent_runs: 7")
    path.write_text(edited)
    dagster_home(tmp_path, Settings(concurrent_runs=3))
    assert path.read_text() == edited
    assert not is_ours(path)


def test_what_earlier_versions_wrote_is_replaced_and_what_is_older_still_is_not(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_text("telemetry:\n  enabled: false\n")
    assert not is_ours(path), "its event log lies elsewhere, and would be lost"
    assert all(len(known) == 32 for known in EARLIER)


def test_dagster_reads_it(tmp_path: Path, monkeypatch) -> None:
    folder = dagster_home(tmp_path, Settings())
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_concurrent_runs == 1
        assert queue.tag_concurrency_limits == [{"key": "crm/in_order", "limit": 1}]
        assert instance.run_retries_enabled


def test_the_file_at_the_root_is_the_same_with_the_default_settings() -> None:
    assert rendered(Settings()).startswith((ROOT / "dagster.yaml").read_text())
    assert TEMPLATE.is_file()


def test_the_event_log_is_dagsters_own_with_one_engine(tmp_path: Path, monkeypatch) -> None:
    """What a home's event log holds, Dagster's class reads, and it opens the file once for many statements."""
    import sqlalchemy
    from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage

    folder = dagster_home(tmp_path, Settings())
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    key = dg.AssetKey(["scores", "customers"])
    made: list[str] = []
    real = sqlalchemy.create_engine
    monkeypatch.setattr(sqlalchemy, "create_engine", lambda url, **kw: made.append(str(url)) or real(url, **kw))
    with dg.DagsterInstance.get() as instance:
        for period in ("2024-01-01", "2024-02-01"):
            instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=period))
        known = instance.get_materialized_partitions(key)
    assert known == {"2024-01-01", "2024-02-01"}
    assert len([url for url in made if url.endswith("event_log.db")]) == 1
    assert ConsolidatedSqliteEventLogStorage(str(folder)).get_materialized_partitions(key) == known


def test_a_dagster_yaml_that_names_what_is_not_there_is_one_sentence(tmp_path: Path, monkeypatch) -> None:
    path = dagster_home(tmp_path, Settings()) / NAME
    monkeypatch.setenv("DAGSTER_HOME", str(path.parent))
    cases = [
        ("class: EventLog", "class: Gone"),
        ("max_concurrent_runs: 1", "max_concurrent_runs: soon"),
        ("nux:", "nux"),
    ]
    for right, wrong in cases:
        path.write_text(rendered(Settings()).replace(right, wrong))
        with pytest.raises(CrmError, match=r"cannot be used .*: mend it, or remove it"):
            quiet_instance(path.parent)
