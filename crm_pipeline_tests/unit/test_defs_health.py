"""What the doctor says of Dagster's side: killed and waiting runs, an event log that disagrees, an old dagster.yaml."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test
from dagster._daemon.types import DaemonHeartbeat

from crm_pipeline.defs.health import runs_found, settings_found, versions_found
from crm_pipeline.defs.instance import PROCESS_TAG, reconcile
from crm_pipeline.errors import CrmError
from crm_pipeline.home.instance import rendered
from crm_pipeline.lake import Graph, Manifest, Node, sign_of_life
from crm_pipeline.periods import Calendar
from crm_pipeline.settings import Settings

MAY = "2026-05-01"


@pytest.fixture
def instance() -> Any:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def a_run(instance: Any, status: str, **tags: str) -> None:
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("l"), "r"), "j")
    create_run_for_test(instance, job_name="j", status=dg.DagsterRunStatus[status], tags=tags, remote_job_origin=origin)


@pytest.mark.parametrize(
    ("status", "token", "says"),
    [
        ("STARTED", "0" * 32, "1 Dagster runs are STARTED though their process was killed"),
        ("STARTED", "mine", None),
        ("SUCCESS", "0" * 32, None),
        ("QUEUED", None, "1 runs of the UI are QUEUED and no daemon is there"),
        ("STARTED", None, "1 runs of the UI are STARTED and no daemon is there"),
    ],
)
def test_a_run_that_waits_for_nobody_is_said(
    instance: Any, tmp_path: Path, status: str, token: str | None, says: str | None
) -> None:
    tags = {} if token is None else {PROCESS_TAG: sign_of_life(tmp_path) if token == "mine" else token}
    a_run(instance, status, **tags)
    found = list(runs_found(instance, tmp_path))
    assert [f.severity for f in found] == ["warning"] * bool(says)
    assert says is None or (found[0].what.startswith(says) and f"--home {tmp_path}" in found[0].mend)


@pytest.mark.parametrize(("ago", "waits"), [(10, False), (3600, True)])
def test_what_is_queued_while_a_daemon_beats_is_in_order(
    instance: Any, tmp_path: Path, ago: float, waits: bool
) -> None:
    a_run(instance, "QUEUED")
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - ago, "SENSOR", "d", []))
    assert bool(list(runs_found(instance, tmp_path))) is waits


class _Lake:
    def __init__(self, *manifests: Manifest) -> None:
        self.manifests = {(m.asset, m.partition): m for m in manifests}

    def index(self) -> dict[tuple[str, str], Manifest]:
        return self.manifests


def test_a_partition_that_the_event_log_does_not_know_is_said_until_it_was_told(instance: Any, tmp_path: Path) -> None:
    graph = Graph([Node("clean/orders", "1"), Node("raw/orders", "1", source=True)], Calendar("month"), MAY, MAY, MAY)
    manifests = [
        Manifest(asset, MAY, 1, "h1", (), {}, 3, {}, "1", "r", "2026-06-01T00:00:00+00:00")
        for asset in ("clean/orders", "raw/orders", "other/thing")
    ]
    lake: Any = _Lake(*manifests)
    (said,) = versions_found(instance, tmp_path, manifests, graph)
    assert "does not know 1 partitions as they are published, first clean/orders of 2026-05-01" in said.what
    assert reconcile(instance, lake, graph) == 2, "sources are told too"
    assert list(versions_found(instance, tmp_path, manifests, graph)) == []
    changed = [Manifest("clean/orders", MAY, 2, "h2", (), {}, 3, {}, "1", "r", "2026-06-01T00:00:00+00:00")]
    assert len(list(versions_found(instance, tmp_path, changed, graph))) == 1


@pytest.mark.parametrize(
    ("text", "lacking"),
    [
        (rendered(Settings()), None),
        ("telemetry: {enabled: true}\n", "event_log_storage"),
        (rendered(Settings()).replace("  free_slots_after_run_end_seconds: 60\n", ""), "run_monitoring.free_slots"),
        (rendered(Settings()) + "storage: {postgres: {}}\n", None),
        (rendered(Settings()).replace("enabled: true", "enabled: false"), None),
    ],
    ids=["as it is", "an old one", "one line less", "on a server", "another value"],
)
def test_a_dagster_yaml_that_lacks_what_this_version_sets_is_said(
    tmp_path: Path, text: str, lacking: str | None
) -> None:
    (tmp_path / "dagster.yaml").write_text(text)
    found = list(settings_found(tmp_path / "dagster.yaml", Settings()))
    assert bool(found) is bool(lacking)
    assert lacking is None or lacking in found[0].what


@pytest.mark.parametrize("text", ["a: [", "- a\n", "just words\n"])
def test_a_dagster_yaml_that_is_no_settings_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "dagster.yaml"
    path.write_text(text)
    with pytest.raises(CrmError, match=r"dagster\.yaml (is not valid YAML|must hold 'name: value' lines)"):
        list(settings_found(path, Settings()))
