"""A year backfilled through the UI's API, as an asset backfill and as the backfill of a job: equal to the command, in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.serving import Site, finish_backfill, one_at_a_time, runs, served

MONTHS = tuple(f"2024-{month:02d}" for month in range(1, 13))
PERIODS = [f"{month}-01" for month in MONTHS]
HOUR = 3600

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("year")


@pytest.fixture(scope="module")
def source(folder: Path) -> Path:
    return world.write_tiny(folder / "source", customers=80, months=MONTHS)


@pytest.fixture(scope="module")
def site(folder: Path, source: Path) -> Iterator[Site]:
    home = world.new_home(folder / "home", world.TINY)
    world.crm("run", "--source", source, "--home", home, "--periods", "12")
    with served(home, PERIODS[-1]) as found:
        yield found


def mend(source: Path, rows: int) -> None:
    """Take the last rows from the file of the first month, so that every period is stale."""
    path = source / "orders" / f"{MONTHS[0]}.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-rows]) + "\n")


def assert_equals_the_command(site: Site, source: Path, home: Path) -> None:
    world.new_home(home, world.TINY)
    world.crm("run", "--source", source, "--home", home, "--periods", "12")
    assert world.differing(world.hashes(site.home), world.hashes(home), without=world.PUBLISHED) == []
    assert world.plan(source, site.home, "--periods", "12") == []


def test_an_asset_backfill_of_everything_equals_the_command(site: Site, source: Path, folder: Path) -> None:
    mend(source, 3)
    nodes = site.ask("{ assetNodes { assetKey { path } isMaterializable isPartitioned } }")["assetNodes"]
    keys = [{"path": n["assetKey"]["path"]} for n in nodes if n["isMaterializable"] and n["isPartitioned"]]
    backfill = finish_backfill(site, {"assetSelection": keys, "partitionNames": PERIODS}, seconds=HOUR)
    assert {r["status"] for r in runs(site, dagster__backfill=backfill)} == {"SUCCESS"}
    assert_equals_the_command(site, source, folder / "after_assets")


def test_a_backfill_of_the_job_goes_in_order_and_equals_the_command(site: Site, source: Path, folder: Path) -> None:
    mend(source, 2)
    selector = {"partitionSetName": "everything_partition_set", "repositorySelector": site.where()}
    backfill = finish_backfill(site, {"selector": selector, "partitionNames": PERIODS}, seconds=HOUR)
    found = sorted(runs(site, dagster__backfill=backfill), key=lambda r: r["startTime"])
    assert {r["status"] for r in found} == {"SUCCESS"}
    tags = [{t["key"]: t["value"] for t in r["tags"]} for r in found]
    assert [t["dagster/partition"] for t in tags] == PERIODS
    assert one_at_a_time(found)
    assert_equals_the_command(site, source, folder / "after_job")
