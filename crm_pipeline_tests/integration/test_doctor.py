"""`crm-pipeline doctor` on a real home: sound after a run, says what a kill and a lost file leave, and sound after the mend it names."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crm_pipeline_tests.integration import killing, world
from crm_pipeline_tests.integration.conftest import Built
from crm_pipeline_tests.integration.test_kill import arguments, fix_data


def doctor(home: Path, wrong: bool) -> list[dict[str, str]]:
    done = world.crm("doctor", "--home", home, "--json", expect=int(wrong))
    return json.loads(done.stdout)


def kill_at(point: str, times: int, *command: Any) -> None:
    whole = [sys.executable, killing.__file__, point, str(times), *map(str, command)]
    died = subprocess.run(whole, capture_output=True, text=True, env=world.environment(), timeout=300, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr[-3000:]


def test_a_home_is_sound_after_a_run_and_so_it_is_after_the_doctor(tiny_home: Built) -> None:
    before = {p: p.read_bytes() for p in tiny_home.home.rglob("*") if p.is_file() and not _of_sqlite(p)}
    assert [f for f in doctor(tiny_home.home, wrong=False) if f["severity"] != "note"] == []
    after = {p: p.read_bytes() for p in tiny_home.home.rglob("*") if p.is_file() and not _of_sqlite(p)}
    assert after == before
    assert "Nothing is wrong" in world.crm("doctor", "--home", tiny_home.home).stdout


def _of_sqlite(path: Path) -> bool:
    """SQLite writes its log back when the last reader closes; nothing of it is the doctor's."""
    return path.name.endswith((".db", ".db-wal", ".db-shm"))


@pytest.mark.slow
def test_what_a_killed_run_left_is_said_and_gone_after_the_next(tiny_home: Built) -> None:
    fix_data(tiny_home.source)
    kill_at("between publishing and recording", 7, *arguments(tiny_home))
    said = "\n".join(f["what"] for f in doctor(tiny_home.home, wrong=True))
    assert "1 Dagster runs are STARTED though their process was killed" in said
    assert "Dagster does not know 1 partitions as they are published" in said
    kill_at("in an open MLflow run", 1, *arguments(tiny_home))
    said = "\n".join(f["what"] for f in doctor(tiny_home.home, wrong=True))
    assert "1 MLflow runs are RUNNING though their process has ended" in said
    world.crm(*arguments(tiny_home))
    assert [f for f in doctor(tiny_home.home, wrong=False) if f["severity"] != "note"] == []


@pytest.mark.slow
def test_lost_files_are_said_and_the_mend_that_is_named_brings_them_back(tiny_home: Built) -> None:
    home, lake = tiny_home.home, world.lake_of(tiny_home.home)
    lost = [("raw/orders", "2024-03-01"), ("features/customers", "2024-04-01"), ("scores/churn", "2024-04-01")]
    for key in lost:
        for file in lake.manifest(*key).files:
            (lake.root / file.path).unlink()
    said = "\n".join(f["what"] for f in doctor(home, wrong=True))
    for asset, period in lost:
        assert f"{asset} of {period} is published, but its file is gone" in said
    world.crm("run", "--source", tiny_home.source, "--home", home, "--through", "2024-04")
    assert world.differing(world.hashes(home), tiny_home.hashes, without=world.PUBLISHED) == []
    left = [
        f["what"] for f in doctor(home, wrong=False)
    ]  # a note: no run can bring them back, and nothing of today is wrong
    assert all("earlier generations" in text for text in left), left


@pytest.mark.slow
def test_a_lost_history_and_lost_models_are_mended_by_a_run(tiny_home: Built) -> None:
    """The worst day: of three stores the lake alone is left."""
    home = tiny_home.home
    for gone in (home / "dagster", home / "mlartifacts"):
        shutil.rmtree(gone)
    (home / "mlflow.db").unlink()
    said = "\n".join(f["what"] for f in doctor(home, wrong=True))
    assert "holds no dagster.yaml" in said
    assert "models that published cards name are not in MLflow's store" in said
    world.crm("run", "--source", tiny_home.source, "--home", home, "--through", "2024-05")
    said = "\n".join(f["what"] for f in doctor(home, wrong=True))
    assert "dagster" not in said.lower()
    with sqlite3.connect(home / "mlflow.db") as con:
        assert con.execute("SELECT count(*) FROM runs WHERE status = 'RUNNING'").fetchone() == (0,)
