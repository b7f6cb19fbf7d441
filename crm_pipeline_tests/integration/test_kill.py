"""A run killed with SIGKILL at any moment: the next one finishes and equals an undisturbed one; readers never suffer."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_pipeline.lake import single_file
from crm_pipeline_tests.integration import killing, readers, world
from crm_pipeline_tests.integration.conftest import Built, restore_tiny

PERIOD = "2024-04-01"
"""Its scores are published before, change by the data fix, and are read all the while."""


def arguments(tiny: Built) -> list[str]:
    return ["run", "--source", str(tiny.source), "--home", str(tiny.home), "--through", "2024-05"]


def fix_data(source: Path) -> None:
    """Double every amount of one month, so that what was published before changes too."""
    path = source / "orders" / "2024-04.csv"
    head, *rows = path.read_text().splitlines()
    doubled = [f"{left},{2 * float(amount):.2f}" for left, _, amount in (row.rpartition(",") for row in rows)]
    path.write_text("\n".join([head, *doubled[1:]]) + "\n")


@pytest.fixture(scope="module")
def undisturbed(tiny: Built) -> Iterator[tuple[dict[world.Key, str], float]]:
    """The hashes of a home whose data were mended and run without a kill, and the seconds that took."""
    restore_tiny(tiny)
    fix_data(tiny.source)
    began = time.perf_counter()
    with readers.reading(tiny.home, PERIOD) as seen:
        world.crm(*arguments(tiny))
    took = time.perf_counter() - began
    found = world.hashes(tiny.home)
    assert found["scores/customers", PERIOD] != tiny.hashes["scores/customers", PERIOD]
    check_readers(tiny.home, seen)
    restore_tiny(tiny)
    yield found, took
    restore_tiny(tiny)


def check_readers(home: Path, seen: readers.Seen) -> None:
    """Nobody failed, and whatever was seen is one published generation."""
    assert seen.failures == []
    assert set(seen.reads) == {"crm.duckdb", "hard link", "lake", "command"}
    assert seen.prints[PERIOD] <= readers.published(home, PERIOD)


def staged(home: Path) -> list[Path]:
    """Return what processes have staged; called before the last run, it is what the killed ones left."""
    return list((home / "lake" / ".staging").iterdir())


def check_home(tiny: Built, expected: dict[world.Key, str], left: list[Path]) -> None:
    """The home equals the undisturbed one, and nothing of the killed run is left."""
    assert world.differing(world.hashes(tiny.home), expected, without=("reports/",)) == []
    assert world.plan(tiny.source, tiny.home, "--through", "2024-05") == []
    with sqlite3.connect(tiny.home / "mlflow.db") as con:
        states = {s for (s,) in con.execute("SELECT DISTINCT status FROM runs")}
    assert states <= {"FINISHED", "KILLED", "FAILED"}
    with sqlite3.connect(tiny.home / "dagster" / "history" / "runs.db") as con:
        states = {s for (s,) in con.execute("SELECT DISTINCT status FROM runs")}
    assert states <= {"SUCCESS", "FAILURE"}
    assert not [folder for folder in left if folder.exists()]
    check_files(tiny.home)


def check_files(home: Path) -> None:
    """No data file is without a manifest, every link shows the current file."""
    lake = world.lake_of(home)
    index = lake.index()
    named = {f.path for key in index for m in lake.history(*key) for f in m.files}
    named |= {single_file(manifest) for manifest in index.values()}
    there = {str(p.relative_to(lake.root)) for p in (lake.root / ".data").rglob("*") if p.is_file()}
    assert {p for p in there - named if not p.startswith(".data/parts/")} == set()
    for (asset, period), manifest in index.items():
        link = lake.root / asset / f"period={period}" / "part.parquet"
        assert os.path.samefile(link, lake.root / single_file(manifest)), link


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11])
def test_killed_at_random_moments(tiny: Built, undisturbed: tuple[dict[world.Key, str], float], seed: int) -> None:
    expected, took = undisturbed
    restore_tiny(tiny)
    fix_data(tiny.source)
    chance = random.Random(seed)
    with readers.reading(tiny.home, PERIOD) as seen:
        for _ in range(2):
            process = world.start(*arguments(tiny))
            try:
                process.wait(timeout=chance.uniform(0.25, 0.75) * took)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            process.communicate()
        left = staged(tiny.home)
        world.crm(*arguments(tiny))
    check_home(tiny, expected, left)
    check_readers(tiny.home, seen)


CHAINS = [  # each run is killed at the next point, in the order of a run
    [
        ("between raw tables", 5),
        ("between publishing and recording", 7),
        ("in an open MLflow run", 1),
        ("between history and manifest", 1),
    ],
    [
        ("between raw tables and their index", 1),
        ("before a manifest", 2),
        ("between MLflow and the lake", 1),
        ("between publishing and linking", 2),
        ("before the views", 1),
    ],
]


@pytest.mark.slow
@pytest.mark.parametrize("chain", CHAINS)
def test_killed_between_two_steps_again_and_again(
    tiny: Built, undisturbed: tuple[dict[world.Key, str], float], chain: list[tuple[str, int]]
) -> None:
    restore_tiny(tiny)
    fix_data(tiny.source)
    for point, times in chain:
        command = [sys.executable, killing.__file__, point, str(times), *arguments(tiny)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        died = subprocess.Popen(command, text=True, env=world.environment(), **pipes)
        said, _ = died.communicate(timeout=300)
        assert died.returncode == -signal.SIGKILL, f"'{point}' was not reached:\n{said[-3000:]}"
        scores = world.crm("scores", "--home", tiny.home, "--as-of", PERIOD[:7], "--format", "csv").stdout
        assert scores.count("\n") > 100
    left = staged(tiny.home)
    world.crm(*arguments(tiny))
    check_home(tiny, undisturbed[0], left)


def test_killed_while_the_databases_are_made(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from crm_pipeline_tests.integration.killing import arm; "
        "int(sys.argv[1]) and arm('in the migrations of MLflow', int(sys.argv[1])); "
        "from crm_pipeline.tracking import Tracker; print(Tracker(Path(sys.argv[2])).client.search_experiments())"
    )
    for times, expected in (("40", -signal.SIGKILL), ("0", 0)):
        command = [sys.executable, "-c", code, times, str(tmp_path)]
        done = subprocess.run(
            command, capture_output=True, text=True, env=world.environment(), timeout=300, check=False
        )
        assert done.returncode == expected, done.stderr[-3000:]
    assert "crm_pipeline" in done.stdout
