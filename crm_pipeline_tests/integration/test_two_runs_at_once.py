"""Runs of one home at the same time: all end well, and the home is as if one had run."""

import shutil
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.conftest import Built


@pytest.mark.slow
def test_two_runs_of_a_new_home(tiny_home: Built, folder: Path) -> None:
    home = world.new_home(folder / "two_home", world.TINY)
    command = ["run", "--source", tiny_home.source, "--home", home, "--through", tiny_home.through]
    both = [world.start(*command), world.start(*command)]
    done = [world.finish(process) for process in both]
    assert not any(word in d.stderr for d in done for word in ("locked", "Traceback", "STEP_START"))
    assert world.differing(world.hashes(home), tiny_home.hashes) == []
    assert world.plan(tiny_home.source, home, "--through", tiny_home.through) == []


@pytest.mark.slow
def test_two_backfills_at_once_one_of_them_killed(tiny_home: Built, folder: Path) -> None:
    """No lock error, no half partition, nothing left RUNNING or STARTED; the one that lives, or the next, ends the work."""
    home = world.new_home(folder / "killed_backfill_home", world.TINY)
    first = f"{tiny_home.through[:4]}-01"
    command = ["backfill", "--source", tiny_home.source, "--home", home, "--from", first, "--to", tiny_home.through]
    killed, living = world.start(*command), world.start(*command)
    end = time.monotonic() + 120
    while not list((home / "lake" / ".manifests").glob("features/customers/*.json")):
        assert time.monotonic() < end
        assert killed.poll() is None
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    done = world.finish(living)
    assert "Traceback" not in done.stderr
    assert not any(word in done.stderr for word in ("locked", "STEP_START"))
    found = {
        key: digest for key, digest in world.hashes(home).items() if key in tiny_home.hashes
    }  # it has more periods
    assert world.differing(found, tiny_home.hashes, without=world.PUBLISHED) == []
    world.crm(*command)
    with sqlite3.connect(home / "mlflow.db") as db:
        assert db.execute("SELECT count(*) FROM runs WHERE status = 'RUNNING'").fetchall() == [(0,)]
    with sqlite3.connect(home / "dagster" / "history" / "runs.db") as db:
        assert db.execute("SELECT count(*) FROM runs WHERE status NOT IN ('SUCCESS', 'FAILURE')").fetchall() == [(0,)]


@pytest.mark.slow
def test_sqlite_holds_under_a_backfill_of_24_runs_six_at_once(tiny_home: Built, folder: Path) -> None:
    """Six processes train the models of four periods again: no lock error in Dagster's event log or MLflow's store."""
    home = folder / "many_home"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(tiny_home.home, home)
    with sqlite3.connect(home / "dagster" / "history" / "runs.db") as db:
        before = db.execute("SELECT count(*) FROM runs").fetchall()[0][0]
    command = ["backfill", "--source", tiny_home.source, "--home", home, "--from", "2024-01", "--to", tiny_home.through]
    many = [world.start(*command, "--select", "models/churn/*", "--force") for _ in range(6)]
    said = "".join(done.stdout + done.stderr for done in map(world.finish, many))
    assert not any(word in said for word in ("locked", "Traceback", "OperationalError"))
    with sqlite3.connect(home / "dagster" / "history" / "runs.db") as db:
        assert db.execute("SELECT status, count(*) FROM runs GROUP BY 1").fetchall() == [("SUCCESS", before + 24)]
    with sqlite3.connect(home / "mlflow.db") as db:
        assert db.execute("SELECT DISTINCT status FROM runs").fetchall() == [("FINISHED",)]
    lake = world.lake_of(home)
    generations = {key: {m.content_hash for m in lake.history(*key)} for key in lake.index()}
    assert [key for key, contents in generations.items() if len(contents) > 1] == []
    found = {key: content for key, content in world.hashes(home).items() if key in tiny_home.hashes}
    assert world.differing(found, tiny_home.hashes) == []
