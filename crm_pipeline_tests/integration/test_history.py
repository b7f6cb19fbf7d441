"""A home that is used for long: scores published here and there, settings that change, the home moved, models lost."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import yaml

from crm_pipeline.tracking_store import PLACES
from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.conftest import Built

pytestmark = pytest.mark.slow

SCORED = ("2024-02", "2024-05")
"""Not a horizon (one month) apart; what lies between is scored by nobody."""


@pytest.fixture(scope="module")
def used(folder: Path) -> Iterator[Built]:
    """A home that published two periods, the second after a setting had changed."""
    source = world.write_tiny(folder / "history_source", name="history")
    home = world.new_home(folder / "history_home", world.TINY)
    world.crm("run", "--source", source, "--home", home, "--through", SCORED[0])
    (home / "crm.yaml").write_text(yaml.safe_dump({**world.TINY, "evaluation_cutoffs": 4}))
    done = world.crm("run", "--source", source, "--home", home, "--through", SCORED[1])
    yield Built(source, home, SCORED[1], world.hashes(home), done.stdout)
    shutil.rmtree(home)


def text_of(page: Path) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8")))


def test_every_published_score_that_is_due_is_judged_and_shown(used: Built) -> None:
    lake = world.lake_of(used.home)
    assert lake.partitions("scores/churn") == ["2024-02-01", "2024-05-01"]
    record = lake.table("track_record/churn", ["2024-03-01"]).execute()
    assert len(record) > 50
    assert set(record.edition) == {"published"}
    assert record.outcome.notna().all()
    assert "No published churn score has met its outcome" not in text_of(used.home / "reports" / "2024-05.html")
    assert "2024-02" in text_of(used.home / "reports" / "2024-05.html").split("met its outcome is counted")[1][:3000]


def test_a_setting_changed_in_a_used_home_plans_what_it_needs(used: Built) -> None:
    assert world.plan(used.source, used.home, "--through", SCORED[1]) == []
    lake = world.lake_of(used.home)
    assert set(lake.partitions("evaluation/churn")) >= {"2024-02-01", "2024-03-01", "2024-04-01", "2024-05-01"}


def test_the_report_counts_source_rows_up_to_the_end_of_the_period(used: Built) -> None:
    for period in SCORED:
        months = [m for m in world.MONTHS if m <= period]
        rows = sum(world.rows_of_csv(used.source / "orders" / f"{m}.csv") for m in months)
        table = text_of(used.home / "reports" / f"{period}.html").split("Source rows up to the end of this period")[1]
        assert re.search(rf"\borders {rows:,} ", table), f"{rows:,} rows of orders: {table[:500]}"


def paths_in(home: Path) -> set[str]:
    with sqlite3.connect(home / "mlflow.db") as con:
        found = {
            place for table, column in PLACES for (place,) in con.execute(f"SELECT {column} FROM {table}") if place
        }
    return {place for place in found if place.startswith("file:")}


def test_a_moved_home_runs_shows_and_explains(used: Built, folder: Path) -> None:
    moved = folder / "moved to another place"
    shutil.copytree(used.home, folder / "to_be_moved")
    (folder / "to_be_moved").rename(moved)
    hidden = used.home.rename(folder / "hidden")
    try:
        world.crm("run", "--source", used.source, "--home", moved, "--through", SCORED[1], "--force")
        assert world.differing(world.hashes(moved), used.hashes) == []
        assert all(place.startswith((moved / "mlartifacts").as_uri()) for place in paths_in(moved))
        scores = world.crm("scores", "--home", moved, "--format", "csv").stdout
        customer = scores.splitlines()[1].split(",")[0]
        assert customer in world.crm("explain", customer, "--home", moved).stdout
        with duckdb.connect(str(moved / "crm.duckdb"), read_only=True) as con:
            assert con.execute("SELECT count(*) FROM scores.customers").fetchall()[0][0] > 100
    finally:
        hidden.rename(used.home)
        shutil.rmtree(moved)


def test_a_lost_model_is_trained_again_by_the_next_run_that_reads_it(used: Built, folder: Path) -> None:
    home = folder / "lost_home"
    shutil.copytree(used.home, home)
    shutil.rmtree(home / "mlartifacts" / "models")
    (home / "crm.yaml").write_text(yaml.safe_dump({**world.TINY, "evaluation_cutoffs": 3}))
    planned = world.plan(used.source, home, "--through", SCORED[1])
    assert {
        "asset": "models/churn/purchase_process",
        "partition": "2024-05-01",
        "reason": "its model is lost",
    } in planned
    world.crm("run", "--source", used.source, "--home", home, "--through", SCORED[1], "--force")
    lake = world.lake_of(home)
    for asset in ("models/churn/purchase_process", "models/churn/champion"):
        uri = lake.table(asset, ["2024-05-01"]).model_uri.execute()[0]
        assert (home / "mlartifacts" / "models" / uri.removeprefix("models:/") / "artifacts" / "MLmodel").exists(), (
            asset
        )
    shutil.rmtree(home)


def test_an_earlier_period_scored_later_fills_in_the_change_since_then(used: Built) -> None:
    lake = world.lake_of(used.home)
    before = lake.manifest("scores/customers", "2024-05-01")
    assert before is not None
    assert lake.read([before]).change_since_last.execute().isna().all()
    world.crm("run", "--source", used.source, "--home", used.home, "--through", "2024-04")
    now = lake.table("scores/customers", ["2024-05-01"]).execute().set_index("customer_id")
    then = lake.table("scores/customers", ["2024-04-01"]).execute().set_index("customer_id")
    change = (now.churn_probability - then.churn_probability).dropna()
    assert len(change) > 50
    assert (now.change_since_last[change.index] - change).abs().max() < 1e-12
    assert lake.manifest("scores/customers", "2024-05-01").content_hash == before.content_hash
    for period in SCORED:
        assert world.plan(used.source, used.home, "--through", period) == []
