"""A new home's periods are built two at once, by two processes: the same as one at a time, also where a period fails or a process dies."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from crm_pipeline.defs import run
from crm_pipeline.defs.run import execute, prepare
from crm_pipeline.errors import CrmError
from crm_pipeline.text.processes import cores
from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.conftest import Built

SETTINGS = {**world.TINY, "threads": 2}
BROKEN = "2024-03-01"

pytestmark = pytest.mark.skipif(cores() < 2, reason="with one core, periods are built one at a time")


def processes(home: Path) -> set[str]:
    """Return the tokens of the processes that carried out the home's runs."""
    with sqlite3.connect(next((home / "dagster").rglob("runs.db"))) as db:
        return {value for (value,) in db.execute("SELECT DISTINCT value FROM run_tags WHERE key = 'crm/process'")}


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]


def test_two_processes_make_what_one_makes_also_where_a_period_failed(
    tiny: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is cut ends the run in one sentence; once it is whole, the same command goes on, and all is as if built alone."""
    monkeypatch.setattr(run, "pays", lambda *_: True)  # for few periods, too, and for one thread
    source, home = world.write_tiny(tmp_path / "source"), world.new_home(tmp_path / "home", world.TINY)
    prepared = prepare(source, home, through=tiny.through)
    (data,) = (home / "lake" / ".data" / "raw" / "orders" / BROKEN).glob("*.parquet")
    whole = data.read_bytes()
    data.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CrmError, match=BROKEN):
        execute(prepared, beside=True)
    kept = world.hashes(home)
    assert {("lifetime/customers", "2024-01-01"), ("lifetime/customers", "2024-02-01")} <= kept.keys()
    assert ("lifetime/customers", BROKEN) not in kept
    data.write_bytes(whole)
    summary = execute(prepare(source, home, through=tiny.through), beside=True)
    assert summary.failures == {}
    assert len(processes(home)) == 3, "this process, and a second one each time"
    assert world.differing(tiny.hashes, world.hashes(home)) == []


@pytest.mark.slow
@pytest.mark.parametrize("which", ["second", "both"])
def test_a_killed_process_loses_nothing(tmp_path: Path, which: str) -> None:
    source = world.write_tiny(tmp_path / "source", months=[f"2024-{n:02}" for n in range(1, 13)])
    alone, home = (world.new_home(tmp_path / name, SETTINGS) for name in ("alone", "home"))
    execute(prepare(source, alone))
    arguments = ("run", "--source", source, "--home", home)
    command = world.start(*arguments)
    deadline = time.monotonic() + 300
    while not any((home / "dagster").rglob("runs.db")) or len(processes(home)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    (second,) = children(command.pid)
    if which == "second":
        os.kill(second, signal.SIGKILL)
        assert "is gone, its periods are built here" in world.finish(command).stderr
    else:
        os.kill(command.pid, signal.SIGKILL)
        command.communicate()
        while Path(f"/proc/{second}").exists():
            assert time.monotonic() < deadline, "a second process outlives the first"
            time.sleep(0.2)
        world.crm(*arguments)
    assert world.differing(world.hashes(alone), world.hashes(home)) == []
    with sqlite3.connect(next((home / "dagster").rglob("runs.db"))) as db:
        assert db.execute("SELECT count(*) FROM runs WHERE status NOT IN ('SUCCESS', 'FAILURE')").fetchall() == [(0,)]
