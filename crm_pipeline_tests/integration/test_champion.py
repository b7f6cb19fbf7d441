"""A champion reigns until a challenger beats it or a person rolls it back, and a rebuild comes to the same decision."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from crm_pipeline_tests.integration import world

pytestmark = pytest.mark.slow
BEFORE, NOW, ASSET = "2024-04-01", "2024-05-01", "models/churn/champion"
TWO = {**world.SMALL, "tasks": ["churn"]}


def decided(home: Path, period: str) -> Any:
    return world.lake_of(home).table(ASSET, [period]).execute().iloc[0]


def alias(home: Path) -> Any:
    import mlflow

    uri = f"sqlite:///{home / 'mlflow.db'}"
    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    return client.get_model_version_by_alias("crm_pipeline_churn", "champion")


@pytest.fixture(scope="module")
def source(folder: Path) -> Path:
    return world.write_tiny(folder / "champions", 400, name="champions")


@pytest.fixture(scope="module")
def home(folder: Path, source: Path) -> Path:
    """A home in which the logistic reigned, until a setting put the purchase process in its place, which is rolled back."""
    home = world.new_home(folder / "champions_home", {**TWO, "churn_estimators": ["logistic"]})
    world.crm("run", "--source", source, "--home", home, "--through", "2024-04")
    assert decided(home, BEFORE).champion == "logistic"
    (home / "crm.yaml").write_text(yaml.safe_dump(TWO), encoding="utf-8")
    world.crm("run", "--source", source, "--home", home, "--through", "2024-05")
    assert decided(home, NOW).champion == decided(home, BEFORE).champion == "purchase_process"
    told = world.crm("champion", "--home", home, "--rollback").stdout
    assert "churn: logistic, since 2024-06-01" in told
    return home


def test_the_one_before_reigns_again_in_the_lake_and_in_the_registry(home: Path, source: Path) -> None:
    row = decided(home, NOW)
    assert (row.champion, row.status) == ("logistic", "rolled_back")
    assert row.reason.startswith("Rolled back by hand in 2024-05 from 'purchase_process' to 'logistic'")
    assert (alias(home).tags["model_version"], alias(home).tags["as_of"]) == (row.model_version, NOW)
    scored = world.lake_of(home).table("scores/churn", [NOW]).execute()
    assert set(scored.model_version) == {row.model_version}
    assert decided(home, BEFORE).champion == "purchase_process", "what was before the rollback stays"
    assert world.plan(source, home) == [], "the next run keeps it"


def test_a_rebuild_from_scratch_with_the_same_rollback_decides_the_same(home: Path, source: Path, folder: Path) -> None:
    fresh = world.new_home(folder / "champions_fresh", TWO)
    shutil.copy(home / "rollbacks.json", fresh)
    world.crm("run", "--source", source, "--home", fresh)
    assert decided(fresh, NOW).reason == decided(home, NOW).reason
    assert world.hashes(fresh)[ASSET, NOW] == world.hashes(home)[ASSET, NOW]


def test_the_command_shows_each_task_and_what_stands_beside(home: Path) -> None:
    told = json.loads(world.crm("champion", "--home", home, "--format", "json").stdout)
    assert [one["task"] for one in told] == ["churn"]
    row = decided(home, NOW)
    assert (told[0]["champion"], told[0]["reason"], told[0]["blocks"]) == (row.champion, row.reason, row.blocks)
    page = (home / "reports" / "cards" / "2024-05_churn.html").read_text(encoding="utf-8")
    assert row.reason.replace("'", "&#39;") in page
    assert 'href="cards/2024-05_churn.html"' in (home / "reports" / "2024-05.html").read_text(encoding="utf-8")
    assert row.reason in " ".join(world.crm("champion", "--home", home).stdout.split())
    board = json.loads(world.crm("champion", "--leaderboard", "--home", home, "--format", "json").stdout)["churn"]
    csv = (home / "reports" / "leaderboards" / "2024-05_churn.csv").read_text(encoding="utf-8").splitlines()
    assert {line["model"] for line in board} >= {"logistic", "purchase_process", "baseline_recency"}
    assert len(csv) == len(board) + 1
