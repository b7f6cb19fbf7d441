"""Which Dagster runs are taken for killed: those whose process is gone, not those of another container or host."""

from types import SimpleNamespace
from typing import Any

import pytest

from crm_pipeline.defs.instance import PROCESS_TAG, close_killed_runs
from crm_pipeline.lake import sign_of_life


class Instance:
    def __init__(self, *tags: dict[str, str]) -> None:
        self.runs = [SimpleNamespace(tags=t) for t in tags]
        self.failed: list[Any] = []

    def get_runs(self, _: Any) -> list[Any]:
        return self.runs

    def report_run_failed(self, run: Any, message: str) -> None:
        self.failed.append(run)


@pytest.mark.parametrize(
    ("tags", "killed"),
    [
        (lambda home: {PROCESS_TAG: sign_of_life(home)}, 0),
        (lambda home: {PROCESS_TAG: "0" * 32}, 1),
        (lambda home: {}, 0),
        (lambda home: {PROCESS_TAG: sign_of_life(home / "elsewhere")}, 1),
    ],
    ids=["going on", "process gone", "not ours", "of another home"],
)
def test_only_the_runs_of_dead_processes_are_closed(tmp_path, tags: Any, killed: int) -> None:
    instance: Any = Instance(tags(tmp_path))
    assert close_killed_runs(instance, tmp_path) == killed
    assert len(instance.failed) == killed
