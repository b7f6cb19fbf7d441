"""The three daily uses with a real daemon and browser: the schedule, a data fix, a backfill. Screenshots go to `CRM_SCREENSHOTS`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.browser import Page
from crm_pipeline_tests.integration.serving import Site, finish_backfill, one_at_a_time, runs, served, visited

MONTHS = world.MONTHS[:4]
PERIODS = [f"{month}-01" for month in MONTHS]
MENDED = "2024-03"

DRY_RUN = """
mutation($s: ScheduleSelector!, $t: Float) { scheduleDryRun(selectorData: $s, timestamp: $t) { __typename
  ... on DryRunInstigationTick { evaluationResult { skipReason error { message }
    runRequests { runKey jobName tags { key value } } } } } }"""
SWITCH_ON = (
    "mutation($s: SensorSelector!) { startSensor(sensorSelector: $s) { __typename ... on PythonError { message } } }"
)
SWITCH_OFF = "mutation($id: String!) { stopSensor(id: $id) { __typename ... on PythonError { message } } }"
SENSOR = """
query($s: SensorSelector!) { sensorOrError(sensorSelector: $s) { ... on Sensor { id
  sensorState { status ticks(limit: 1) { status skipReason runIds error { message } } } } } }"""


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("daily")


@pytest.fixture(scope="module")
def source(folder: Path) -> Path:
    return world.write_tiny(folder / "source", months=MONTHS)


@pytest.fixture(scope="module")
def site(folder: Path, source: Path) -> Iterator[Site]:
    """A home scored up to the month before the last, served without naming its source: it knows it."""
    home = world.new_home(folder / "home", world.TINY)
    world.crm("run", "--source", source, "--home", home, "--through", MONTHS[-2], "--periods", "3")
    with served(home, PERIODS[-1]) as found:
        yield found


@pytest.fixture(scope="module")
def page(site: Site) -> Iterator[Page]:
    with visited(site) as found:
        found.resize(1400, 900)
        yield found


def photograph(page: Page, name: str) -> None:
    """Keep what is on the screen, where a folder for it was named."""
    kept = os.environ.get("CRM_SCREENSHOTS")
    if kept:
        Path(kept).mkdir(parents=True, exist_ok=True)
        time.sleep(2)
        page.photograph(Path(kept, f"{name}.png"))


def test_the_schedule_fires_at_a_periods_end_and_its_run_scores_it(site: Site, page: Page) -> None:
    moment = datetime(2024, 5, 3, 6, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    where = {**site.where(), "scheduleName": "period_end"}
    told = site.ask(DRY_RUN, s=where, t=moment)["scheduleDryRun"]["evaluationResult"]
    assert told["error"] is None
    (request,) = told["runRequests"]
    tags = {tag["key"]: tag["value"] for tag in request["tags"]}
    assert (tags["dagster/partition"], tags["crm/asked_by"]) == (PERIODS[-1], "period_end")

    run_id = site.launch([], PERIODS[-1], job="everything", **tags)  # as the page that tests a schedule launches it
    assert site.ended(run_id) == "SUCCESS"
    assert " - DEBUG - " not in (site.home.parent / f"{site.home.name}.ui.log").read_text(), (
        "the terminal stays readable"
    )
    page.open(f"{site.dagster}/runs/{run_id}")
    page.wait("everything", "table_orders", "Success", seconds=60)
    photograph(page, "run")
    scores = world.crm("scores", "--home", site.home, "--as-of", MONTHS[-1], "--format", "json").stdout
    assert f'"as_of": "{datetime(2024, 5, 1):%Y-%m-%d}"' in scores or MONTHS[-1] in scores

    page.open(f"{site.dagster}/assets/scores/customers?view=lineage&lineageScope=upstream")
    page.wait("7_scores", "6_evaluation", "champion", seconds=60)
    photograph(page, "lineage_upstream")


def test_a_corrected_file_is_carried_through_by_the_sensor_each_partition_once(
    site: Site, page: Page, source: Path, folder: Path
) -> None:
    path = source / "orders" / f"{MENDED}.csv"
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *(",".join([*r.split(",")[:-1], "9" + r.split(",")[-1]]) for r in rows)]) + "\n")
    where = {**site.where(), "sensorName": "after_a_data_fix"}
    assert site.ask(SWITCH_ON, s=where)["startSensor"]["__typename"] == "Sensor"
    end = time.monotonic() + 600
    while True:
        state = site.ask(SENSOR, s=where)["sensorOrError"]
        tick = (state["sensorState"]["ticks"] or [{}])[0]
        assert not tick.get("error"), tick["error"]["message"]
        if str(tick.get("skipReason")).startswith("Nothing is stale"):
            break
        assert time.monotonic() < end, f"{tick}, {[(r['pipelineName'], r['status']) for r in runs(site)]}"
        time.sleep(2)
    page.open(
        f"{site.dagster}/locations/{where['repositoryName']}@{where['repositoryLocationName']}/sensors/{where['sensorName']}"
    )
    page.wait("after_a_data_fix", seconds=60)
    photograph(page, "sensor")
    page.open(f"{site.dagster}/runs")
    page.wait("everything", "read_source", seconds=60)
    photograph(page, "runs_after_a_fix")
    site.ask(SWITCH_OFF, id=state["id"])

    asked = runs(site, crm__asked_by="after_a_data_fix")
    assert [r["pipelineName"] for r in asked] == ["read_source", "everything", "everything"]
    assert {r["status"] for r in asked} == {"SUCCESS"}
    assert [{t["key"]: t["value"] for t in r["tags"]}["crm/period"] for r in asked[1:]] == PERIODS[2:]
    built = [(tuple(m["assetKey"]["path"]), m["partition"]) for r in asked for m in r["assetMaterializations"]]
    assert len(built) == len(set(built)), "each partition once"

    fresh = world.new_home(folder / "fresh", world.TINY)
    world.crm("run", "--source", source, "--home", fresh, "--periods", "4")
    assert world.differing(world.hashes(site.home), world.hashes(fresh), without=world.PUBLISHED) == []


def test_a_backfill_launched_in_the_ui_reads_a_mended_file_and_goes_layer_by_layer(site: Site, source: Path) -> None:
    """As the button Materialize all over a selection of layers and two periods does it."""
    path = source / "orders" / f"{MONTHS[-1]}.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-3]) + "\n")
    selection = ["raw/orders", "clean/orders", "rejects/orders", "activity/orders"]
    keys = [{"path": name.split("/")} for name in selection]
    finish_backfill(site, {"assetSelection": keys, "partitionNames": PERIODS[-2:]})
    lake = world.lake_of(site.home)
    rows = sum(lake.snapshot(f"{layer}/orders", [PERIODS[-1]])[0].rows for layer in ("clean", "rejects"))
    assert rows == world.rows_of_csv(path)
    spent = lake.table("activity/orders", [PERIODS[-1]]).n_orders.sum().execute()
    assert spent == lake.snapshot("clean/orders", [PERIODS[-1]])[0].rows


def test_a_backfill_of_a_job_goes_period_by_period(site: Site, source: Path) -> None:
    where = site.where()
    backfill = finish_backfill(
        site,
        {
            "selector": {"partitionSetName": "refresh_data_partition_set", "repositorySelector": where},
            "partitionNames": PERIODS[::-1],
        },
    )
    found = runs(site, dagster__backfill=backfill)
    assert {r["status"] for r in found} == {"SUCCESS"}
    assert len(found) == len(PERIODS)
    assert one_at_a_time(found)
    left = {item["asset"].split("/")[0] for item in world.plan(source, site.home, "--periods", "4")}
    assert not left & {"raw", "clean", "rejects", "activity", "lifetime", "features", "outcomes"}
