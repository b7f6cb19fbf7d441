"""A data fix carried through: by the sensor, whose requests are carried out here at once as its daemon would; and by `backfill`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from crm_pipeline.defs.build import Built, build_defs
from crm_pipeline.defs.instance import open_instance
from crm_pipeline.defs.jobs import ASKED_BY_TAG, REASON_TAG
from crm_pipeline.defs.lake import FORCE_TAG
from crm_pipeline.defs.plan import PLAN
from crm_pipeline.defs.run import execute, prepare_backfill
from crm_pipeline.defs.sensors import NAME, PLAN_TAG
from crm_pipeline.home.project import open_project
from crm_pipeline_tests.integration import world

MENDED = "2024-03"
MONTHS = world.MONTHS[:4]
LATER = ["2024-03-01", "2024-04-01"]


class Daemon:
    """One code server that evaluates the sensor, and a process of its own (definitions loaded anew) for each run it asks for."""

    def __init__(self, home: Path) -> None:
        self.home, self.cursor = home, ""
        self.instance = open_instance(home)
        self.built = self.load()
        self.asked: list[dg.RunRequest] = []

    def load(self) -> Built:
        return build_defs(open_project(self.home), looks_at_source=True)

    def tick(self) -> Any:
        sensor = self.built.definitions.resolve_sensor_def(NAME)
        with dg.build_sensor_context(self.instance, cursor=self.cursor, definitions=self.built.definitions) as context:
            found = sensor.evaluate_tick(context)
        self.cursor = found.cursor or self.cursor
        for event in found.asset_events:
            self.instance.report_runless_asset_event(event)
        return found

    def carry_out(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        self.asked.append(request)
        return (
            self.load()
            .definitions.resolve_job_def(request.job_name)
            .execute_in_process(
                instance=self.instance,
                partition_key=request.partition_key,
                asset_selection=list(request.asset_selection) if request.asset_selection else None,
                tags=dict(request.tags),
                raise_on_error=False,
            )
        )

    def until_idle(self) -> str:
        """Tick and carry out until nothing more is asked for; return why."""
        for _ in range(40):
            found = self.tick()
            if not found.run_requests:
                return found.skip_message
            assert len(found.run_requests) == 1, "one at a time"
            self.carry_out(found.run_requests[0])
        raise AssertionError(f"it never rests: {[r.tags for r in self.asked[-3:]]}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data_fix")


@pytest.fixture(scope="module")
def source(folder: Path) -> Path:
    return world.write_tiny(folder / "source", months=MONTHS)


@pytest.fixture(scope="module")
def daemon(folder: Path, source: Path) -> Iterator[Daemon]:
    home = world.new_home(folder / "home", world.TINY)
    world.crm("run", "--source", source, "--home", home, "--periods", "4")
    daemon = Daemon(home)
    yield daemon
    daemon.instance.dispose()


def mend(source: Path, month: str = MENDED, by: str = "9") -> None:
    """Put a digit before every amount of a month."""
    path = source / "orders" / f"{month}.csv"
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *(",".join([*r.split(",")[:-1], by + r.split(",")[-1]]) for r in rows)]) + "\n")


def test_nothing_is_asked_for_while_nothing_changed(daemon: Daemon) -> None:
    assert daemon.until_idle() == "Nothing is stale through 2024-04."
    assert daemon.asked == []


def test_a_touched_file_of_the_same_content_asks_for_nothing(daemon: Daemon, source: Path) -> None:
    (source / "orders" / f"{MENDED}.csv").touch()
    daemon.until_idle()
    assert daemon.asked == []


def test_a_mended_file_is_read_and_each_stale_partition_is_built_once_in_order(daemon: Daemon, source: Path) -> None:
    before = world.hashes(daemon.home)
    mend(source)
    assert daemon.until_idle() == "Nothing is stale through 2024-04."
    assert world.plan(source, daemon.home, "--periods", "4") == []
    assert [(r.job_name, r.partition_key) for r in daemon.asked] == [
        ("read_source", None),
        *(("everything", period) for period in LATER),
    ]
    assert daemon.asked[0].tags[REASON_TAG] == f"orders/{MENDED}.csv is changed"
    assert "raw/orders@2024-03-01 changed" in daemon.asked[1].tags[REASON_TAG]
    changed = world.differing(before, world.hashes(daemon.home))
    assert {p for _, p in changed} == set(LATER)
    asked = {run.run_id for run in daemon.instance.get_runs(dg.RunsFilter(tags={ASKED_BY_TAG: NAME}))}
    generations = [m for key in changed for m in world.lake_of(daemon.home).history(*key)]
    assert all(m.generation <= 2 for m in generations), "each was built once"
    assert {m.run_id for m in generations if m.generation == 2 and not m.asset.startswith("raw/")} <= asked


def test_what_was_built_in_order_carries_no_warning(daemon: Daemon) -> None:
    for name in ("scores/customers", "reports/period"):
        event = daemon.instance.get_latest_materialization_event(dg.AssetKey(name.split("/")))
        assert event is not None
        assert event.asset_materialization is not None
        assert "stale_inputs" not in event.asset_materialization.metadata, name


def test_the_plan_is_seen_in_the_ui(daemon: Daemon) -> None:
    """As it was once the mended file had been read, and as it was at the end: empty."""
    last, first = (r.asset_observation for r in daemon.instance.fetch_observations(PLAN, limit=10).records[:3:2])
    assert first is not None
    assert last is not None
    assert first.metadata["stale"].value > 10
    assert first.metadata["plan"].value.records[0].data["partition"] == LATER[0]
    assert last.metadata["stale"].value == 0


@pytest.mark.slow
def test_a_period_that_fails_is_tried_twice_then_held_and_the_next_fix_takes_it_up(
    daemon: Daemon, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crm_pipeline.transforms import cleaning

    mend(source, by="2")
    with monkeypatch.context() as broken:
        broken.setattr(cleaning, "clean_table", _fails)
        daemon.asked.clear()
        said = daemon.until_idle()
        assert "Failed 2 times and held, with all that reads it: 2024-03 (crm/plan=" in said
        assert [r.partition_key for r in daemon.asked] == [None, LATER[0], LATER[0]]
        assert daemon.asked[1].tags[PLAN_TAG] == daemon.asked[2].tags[PLAN_TAG]
    assert daemon.tick().run_requests == [], "the same work would fail the same"
    mend(source, by="3")
    assert daemon.until_idle() == "Nothing is stale through 2024-04."
    assert world.plan(source, daemon.home, "--periods", "4") == []


def _fails(*_: Any, **__: Any) -> Any:
    raise ValueError("no memory left")


def test_while_a_run_goes_nothing_is_asked_for(daemon: Daemon, source: Path) -> None:
    from crm_pipeline.defs.instance import PROCESS_TAG
    from crm_pipeline.lake import sign_of_life

    mend(source, by="4")
    run = daemon.instance.create_run_for_job(daemon.built.job, tags={PROCESS_TAG: sign_of_life(daemon.home)})
    daemon.instance.report_engine_event("going", run)
    assert daemon.tick().skip_message == "A run is going: what it leaves stale is asked for after it."
    daemon.instance.delete_run(run.run_id)
    assert daemon.tick().run_requests


# -- by the command ------------------------------------------------------------------------------------


def backfill(daemon: Daemon, source: Path, *more: str, expect: int = 0) -> str:
    done = world.crm("backfill", "--source", source, "--home", daemon.home, *more, expect=expect)
    return done.stdout + done.stderr


def test_a_backfill_says_what_it_costs_and_a_dry_run_builds_nothing(daemon: Daemon, source: Path) -> None:
    mend(source, by="5")
    before = world.hashes(daemon.home)
    said = backfill(daemon, source, "--from", "2024-02", "--to", "2024-03", "--dry-run")
    assert "Backfill of 2024-02 to 2024-03" in said
    assert "What turns out unchanged ends the wave." in said
    raw = set(world.differing(before, world.hashes(daemon.home)))
    assert raw <= {("raw/orders", "2024-03-01")}, "the source was read, nothing was built"


def test_a_backfill_builds_its_periods_and_leaves_later_ones(daemon: Daemon, source: Path) -> None:
    backfill(daemon, source, "--from", "2024-02", "--to", "2024-03")
    assert {item["partition"] for item in world.plan(source, daemon.home, "--periods", "3")} == {"2024-04-01"}
    backfill(daemon, source, "--from", "2024-02")
    assert world.plan(source, daemon.home, "--periods", "3") == []
    assert "Nothing to do: 2024-02 to 2024-04 is fresh." in backfill(daemon, source, "--from", "2024-02")


def test_selected_assets_are_built_alone_and_by_force(daemon: Daemon, source: Path) -> None:
    said = backfill(daemon, source, "--from", "2024-02", "--to", "2024-03", "--select", "clean/*", "--force")
    assert "4 partitions built" in said or "6 partitions built" in said, said
    assert "matches no asset" in backfill(daemon, source, "--from", "2024-02", "--select", "cleen/*", expect=2)
    assert "comes after" in backfill(daemon, source, "--from", "2024-03", "--to", "2024-02", expect=2)
    assert "--from 2030-01 lies outside the data" in backfill(daemon, source, "--from", "2030-01", expect=2)


def test_a_period_that_fails_does_not_lose_the_others(
    daemon: Daemon, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last good partitions of the failed period stay, what does not read it is built, and the same command goes on."""
    from crm_pipeline.transforms import quality

    mend(source, by="6")
    mend(source, month="2024-02", by="6")
    calls = iter([True, False])
    count_rows = quality.count_rows
    with monkeypatch.context() as broken:
        broken.setattr(quality, "count_rows", lambda *a: _fails() if next(calls, False) else count_rows(*a))
        prepared = prepare_backfill(source, daemon.home, None, "2024-01", None)
        summary = execute(prepared, keep_going=True)
    assert list(summary.failures) == ["2024-02-01"]
    assert "no memory left" in summary.failures["2024-02-01"]
    assert summary.held >= 1
    left = world.plan(source, daemon.home, "--periods", "4")
    assert ("quality/rows", "2024-02-01") in {(i["asset"], i["partition"]) for i in left}
    assert ("clean/orders", "2024-03-01") not in {(i["asset"], i["partition"]) for i in left}, "March was built"
    backfill(daemon, source, "--from", "2024-01")
    assert world.plan(source, daemon.home, "--periods", "4") == []


def test_scores_over_stale_inputs_say_so(daemon: Daemon, source: Path) -> None:
    """Whoever materializes scores alone in the UI sees in the metadata that something below is stale."""
    mend(source, by="7")
    daemon.carry_out(daemon.tick().run_requests[0])
    request = dg.RunRequest(
        job_name="everything",
        partition_key=LATER[-1],
        asset_selection=[dg.AssetKey(["scores", "customers"])],
        tags={FORCE_TAG: "true"},
    )
    assert daemon.carry_out(request).success
    event = daemon.instance.get_latest_materialization_event(dg.AssetKey(["scores", "customers"]))
    assert event is not None
    metadata = event.asset_materialization.metadata
    assert metadata["stale_inputs"].value > 5
    assert "`clean/orders` of 2024-03-01" in metadata["stale_inputs_told"].value


# -- what changes the source itself ----------------------------------------------------------------------


def test_a_file_that_is_gone_is_noticed(daemon: Daemon, source: Path) -> None:
    (source / "orders" / "2024-04.csv").unlink()
    daemon.asked.clear()
    daemon.until_idle()
    assert daemon.asked[0].tags[REASON_TAG] == "orders/2024-04.csv is gone"


@pytest.mark.slow
def test_a_new_column_asks_for_a_reload(daemon: Daemon, source: Path) -> None:
    for path in (source / "orders").glob("*.csv"):
        head, *rows = path.read_text().splitlines()
        path.write_text("\n".join([f"{head},channel", *(f"{row},web" for row in rows)]) + "\n")
    said = daemon.until_idle()
    assert "no longer describe it" in said
    assert "Deployment → Code locations → Reload" in said
    daemon.built = daemon.load()
    daemon.until_idle()
    assert world.plan(source, daemon.home) == []
