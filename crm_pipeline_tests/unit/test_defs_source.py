"""The source inside the graph: materializing a raw table reads what changed in its files, as a button of the UI does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from crm_pipeline.defs.build import Built, build_defs
from crm_pipeline.defs.plan import PLAN, plan_asset
from crm_pipeline.home.planning import plan_range
from crm_pipeline.home.project import open_project, source_of
from crm_pipeline.home.source import begin
from crm_pipeline.sources.spec import load_source
from crm_pipeline.sources.sync import sync
from crm_pipeline_tests.unit import sources_world
from crm_pipeline_tests.unit.test_defs_lake import told

MARCH, APRIL = "2020-03-01", "2020-04-01"
HEAD = "order_id,customer_id,ordered_at,amount\n"
COLUMNS = "{order_id: order_id, customer_id: customer_id, ordered_at: ordered_at, amount: amount}"


class World(sources_world.World):
    """An open source of one file a month, synced once, and runs as of the UI: definitions loaded anew for each."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, sources_world.tables(orders="orders-*.csv"))
        self.write("orders-03.csv", HEAD + "a,1,2020-03-01,10\nb,2,2020-03-31,20\n")
        self.sync()
        self.instance = dg.DagsterInstance.ephemeral()

    def load(self) -> Built:
        return build_defs(open_project(self.home), looks_at_source=True)

    def materialize(self, period: str, *assets: str, by: Built | None = None) -> dg.ExecuteInProcessResult:
        names = assets or ("raw/orders", "clean/orders", "rejects/orders")
        return (by or self.load()).job.execute_in_process(
            instance=self.instance,
            partition_key=period,
            asset_selection=[dg.AssetKey(a.split("/")) for a in names],
            raise_on_error=False,
        )

    def clean(self, period: str) -> set[str]:
        return set(self.lake.table("clean/orders", [period]).execute()["order_id"])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_mended_file_is_read_when_its_raw_table_is_materialized(world: World) -> None:
    assert world.materialize(MARCH).success
    assert world.clean(MARCH) == {"a", "b"}
    world.write("orders-03.csv", HEAD + "a,1,2020-03-01,10\nc,2,2020-03-31,20\n")
    assert world.materialize(MARCH, "clean/orders").success
    assert world.clean(MARCH) == {"a", "b"}, "the raw table was not asked for"
    assert world.materialize(MARCH).success
    assert world.clean(MARCH) == {"a", "c"}


def test_a_new_period_appears_without_a_reload(world: World) -> None:
    loaded = world.load()
    world.write("orders-04.csv", HEAD + "d,1,2020-04-02,10\ne,1,2020-04-30,10\n")
    assert world.materialize(APRIL, by=loaded).success
    assert world.clean(APRIL) == {"d", "e"}
    assert loaded.graph.complete(APRIL)


def test_the_files_are_looked_at_once_a_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr("crm_pipeline.home.source.look_at_source", _counted(calls))
    assert world.materialize(MARCH, "raw/orders", "clean/orders", "rejects/orders", "quality/rows").success
    assert len(calls) == 1


def _counted(calls: list[Any]) -> Any:
    from crm_pipeline.home.source import look_at_source

    def counted(*given: Any) -> Any:
        calls.append(given)
        return look_at_source(*given)

    return counted


@pytest.mark.parametrize("what", ["a table", "a column"])
def test_a_new_table_or_column_says_what_to_do_and_the_next_run_has_it(world: World, what: str) -> None:
    assert world.materialize(MARCH).success
    if what == "a table":
        world.yaml(sources_world.tables(orders="orders-*.csv", products="products.csv"))
        world.write("products.csv", "product_id,name\np,Pen\n")
    else:
        world.write("orders-03.csv", "order_id,customer_id,ordered_at,amount,channel\na,1,2020-03-01,10,web\n")
    failed = world.materialize(MARCH)
    assert not failed.success
    named = "clean/products and" if what == "a table" else "raw/orders has other columns"
    assert named in told(failed)
    assert "start the run again" in told(failed)
    assert "Deployment → Code locations → Reload" in told(failed)
    assert world.materialize(MARCH).success


def test_a_period_that_the_source_has_not_is_told(world: World) -> None:
    failed = world.materialize(APRIL)
    assert not failed.success
    assert "has nothing of 2020-04 (it goes from 2020-03 to 2020-03)" in told(failed)
    assert world.lake.manifest("clean/orders", APRIL) is None


def test_inputs_that_were_never_built_are_named_with_what_to_do(world: World) -> None:
    failed = world.materialize(MARCH, "quality/rows")
    assert (
        "quality/rows of 2020-03 reads what was never built: clean/orders of 2020-03; rejects/orders of 2020-03."
        in told(failed)
    )
    assert f"`crm-pipeline run --home {world.home} --through 2020-03`" in told(failed)


def test_a_broken_file_leaves_the_last_good_state_and_one_sentence(world: World) -> None:
    world.materialize(MARCH)
    world.write("orders-03.csv", "order_id,customer_id,amount\na,1,10\n")
    failed = world.materialize(MARCH)
    assert "orders-03.csv" in told(failed)
    assert "ordered_at" in told(failed)
    assert world.clean(MARCH) == {"a", "b"}


def test_the_home_knows_where_its_source_lies_from_wherever_it_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The command may be given a path relative to where it stood; the UI's runs stand elsewhere."""
    monkeypatch.chdir(world.root.parent)
    sync(load_source(Path(world.root.name)), world.lake, world.settings, today=sources_world.TODAY)
    monkeypatch.chdir("/")
    assert source_of(world.home, None, None, Path("sample")) == (world.root / "source.yaml", world.root)
    assert source_of(world.home, Path("other"), None, Path("sample")) == (Path("other"), None)
    assert source_of(world.home, None, Path("moved"), Path("sample")) == (world.root / "source.yaml", Path("moved"))
    assert source_of(tmp_path / "new", None, None, Path("sample")) == (Path("sample"), None)
    world.write("orders-03.csv", HEAD + "z,1,2020-03-01,10\ny,1,2020-03-31,10\n")
    assert world.materialize(MARCH).success
    assert world.clean(MARCH) == {"z", "y"}


def test_a_backfill_counts_nothing_as_built_that_is_withdrawn_as_it_begins(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world.materialize(MARCH).success
    loaded = world.load()
    assert plan_range(loaded.project, loaded.graph, "2020-03", "2020-03", ["clean/*"]).plan == []
    monkeypatch.setattr("crm_pipeline.home.planning.superfluous", lambda *_: {("clean/orders", MARCH)})
    planned = plan_range(loaded.project, loaded.graph, "2020-03", "2020-03", ["clean/*"]).plan
    assert planned == [("clean/orders", MARCH, "not built yet")]


def test_after_a_run_the_views_show_what_was_published(world: World) -> None:
    world.materialize(MARCH)
    with duckdb.connect(str(world.home / "crm.duckdb"), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM clean.orders").fetchall() == [(2,)]


def test_without_a_source_it_says_how_to_name_one(tmp_path: Path) -> None:
    loaded = build_defs(open_project(tmp_path), looks_at_source=True)
    failed = loaded.job.execute_in_process(
        instance=dg.DagsterInstance.ephemeral(),
        partition_key=loaded.project.source.last,
        asset_selection=[dg.AssetKey(["raw", "orders"])],
        raise_on_error=False,
    )
    assert "knows no source yet: start `crm-pipeline ui --source DIR`" in told(failed)


def test_what_left_the_source_is_withdrawn_as_a_run_begins(world: World) -> None:
    world.write("orders-04.csv", HEAD + "d,1,2020-04-02,10\ne,1,2020-04-30,10\n")
    assert world.materialize(APRIL).success
    (world.root / "orders-04.csv").unlink()
    assert world.materialize(MARCH).success
    assert world.lake.manifest("clean/orders", APRIL) is None
    begin(open_project(world.home))
    assert world.lake.manifest("clean/orders", MARCH) is not None


def test_the_plan_is_looked_at_by_materializing_it_and_nothing_is_built(world: World) -> None:
    def look() -> tuple[Any, dict[str, Any]]:
        done = dg.materialize([plan_asset(world.load())], instance=world.instance)
        (event,) = done.get_asset_materialization_events()
        return event.asset_key, {k: v.value for k, v in event.materialization.metadata.items()}

    assert world.materialize(MARCH).success
    before = world.lake.index()
    world.write("orders-03.csv", HEAD + "a,1,2020-03-01,10\nc,2,2020-03-31,20\n")
    key, told = look()
    assert key == PLAN
    assert told["source_files"] == "orders-03.csv is changed"
    assert told["stale"] == len(told["plan"].records) > 0
    assert told["plan"].records[0].data["partition"] == MARCH
    assert world.lake.index() == before
    world.materialize(MARCH, "raw/orders")
    assert look()[1]["source_files"] == "all read"


def test_no_job_looks_at_the_plan(world: World) -> None:
    for job in world.load().definitions.resolve_all_job_defs():
        assert job.name.startswith("__") or PLAN not in job.asset_layer.selected_asset_keys, job.name


def test_a_run_that_only_reads_tells_dagster_what_it_read(world: World) -> None:
    assert world.materialize(MARCH).success
    world.write("orders-03.csv", HEAD + "a,1,2020-03-01,10\nc,2,2020-03-31,20\n")
    assert world.load().definitions.resolve_job_def("read_source").execute_in_process(instance=world.instance).success
    event = world.instance.get_latest_materialization_event(dg.AssetKey(["raw", "orders"]))
    manifest = world.lake.manifest("raw/orders", MARCH)
    assert event is not None
    assert event.asset_materialization is not None
    assert manifest is not None
    assert event.asset_materialization.metadata["content_hash"].value == manifest.content_hash


def test_files_lie_beside_a_source_that_is_named_unless_they_are_named_too(tmp_path):
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "source.yaml").touch()
    for named in (shop, shop / "source.yaml"):
        assert Path(open_project(tmp_path, named).source.files) == shop, "recordings are looked for there"
    assert Path(open_project(tmp_path, shop, tmp_path / "other").source.files) == tmp_path / "other"
