"""Write, audit, publish: what an asset function returns is published only if it keeps its contract; what is fresh is not computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from crm_pipeline.contracts.outputs import EVALUATION, LEVEL, PREDICTIONS, conform
from crm_pipeline.defs.common import described, graph_of, reads, together
from crm_pipeline.defs.lake import FORCE_TAG, LakeResource, Result, publishes
from crm_pipeline.errors import CrmError
from crm_pipeline.home.contract import contract_of
from crm_pipeline.home.project import Project
from crm_pipeline.settings import load_settings
from crm_pipeline.sources.state import SourceState

TABLES = {"orders": ("order_id", "customer_id", "ordered_at", "amount")}
MAY, JUNE = "2026-05-01", "2026-06-01"
GOOD = [{"task": "churn", "level": "{}"}]
SAID = pd.DataFrame({"customer_id": ["a", "b"], "cutoff": [None, None], "outcome": [0.0, 1.0], "average": [0.1, 0.9]})


class World:
    """Two steps in a home: a level (levels/churn), and an evaluation of two assets that reads the level of a period before."""

    def __init__(self, home: Path) -> None:
        state = SourceState("test", "UTC", "EUR", TABLES, MAY, JUNE, JUNE, closed=True)
        self.project = Project(home, load_settings(home), state)
        self.rows: Any = GOOD
        self.judged: Any = SAID
        self.calls: list[str] = []
        self.read: list[Any] = []
        assets = [self._level(), self._evaluation()]
        graph = graph_of(assets, self.project)
        contracts = {asset: contract_of(self.project, asset) for asset in graph.nodes}
        resource = LakeResource(self.project, lambda: graph, contracts)
        defs = dg.Definitions(
            assets=assets, jobs=[dg.define_asset_job("all", dg.AssetSelection.all())], resources={"lake": resource}
        )
        self.job = defs.resolve_job_def("all")
        self.instance = dg.DagsterInstance.ephemeral()

    def _level(self) -> dg.AssetsDefinition:
        @dg.asset(**described(self.project, "levels/churn", "1", {}))
        @publishes
        def level(context: dg.AssetExecutionContext) -> Result:
            """The level."""
            self.calls.append(f"level {context.partition_key}")
            return Result(conform(self.rows, LEVEL), {"told": "how high"})

        return level

    def _evaluation(self) -> dg.AssetsDefinition:
        ins = {"level": reads("levels/churn", (-1,))}
        both = [described(self.project, f"evaluation/churn{end}", "1", ins) for end in ("_predictions", "")]

        @dg.multi_asset(**together("evaluate", both))
        @publishes
        def evaluation(context: dg.AssetExecutionContext, level: Any, pins: Any) -> dict[str, Any]:
            self.calls.append(f"evaluation {context.partition_key}")
            self.read.append((None if level is None else level.execute().to_dict("records"), pins))
            return {
                "evaluation/churn_predictions": conform(self.judged, PREDICTIONS),
                "evaluation/churn": conform([], EVALUATION),
            }

        return evaluation

    def run(self, period: str, *assets: str, **tags: str) -> dg.ExecuteInProcessResult:
        """Carry out one period, of some assets or all."""
        chosen = [dg.AssetKey(a.split("/")) for a in assets] or None
        return self.job.execute_in_process(
            instance=self.instance, partition_key=period, asset_selection=chosen, raise_on_error=False, tags=tags
        )

    def checks(self, result: dg.ExecuteInProcessResult) -> dict[str, bool]:
        """The verdicts that a run recorded."""
        return {e.asset_key.to_user_string(): e.passed for e in result.get_asset_check_evaluations()}


def told(failed: dg.ExecuteInProcessResult) -> str:
    """What a failed step says."""
    error = next(e for e in failed.all_events if e.is_step_failure).step_failure_data.error
    assert error is not None
    return str(error.cause or error)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_keeps_its_contract_is_published_with_its_content_hash_as_data_version(world: World) -> None:
    done = world.run(MAY)
    assert done.success
    manifest = world.project.lake.manifest("levels/churn", MAY)
    found = {e.asset_key.to_user_string(): e.materialization for e in done.get_asset_materialization_events()}
    level = found["levels/churn"]
    assert manifest is not None
    assert level.tags is not None
    assert level.tags["dagster/data_version"] == manifest.content_hash
    assert (level.metadata["told"].value, level.metadata["reused"].value) == ("how high", False)
    assert world.checks(done) == dict.fromkeys(
        ("levels/churn", "evaluation/churn", "evaluation/churn_predictions"), True
    )


def test_what_is_fresh_is_reused_and_says_what_it_said(world: World) -> None:
    world.run(MAY)
    again = world.run(MAY)
    assert sorted(world.calls) == [f"evaluation {MAY}", f"level {MAY}"]
    level = next(
        e.materialization
        for e in again.get_asset_materialization_events()
        if e.asset_key == dg.AssetKey(["levels", "churn"])
    )
    assert (level.metadata["told"].value, level.metadata["reused"].value) == ("how high", True)
    world.run(MAY, **{FORCE_TAG: "levels/churn"})
    assert world.calls.count(f"level {MAY}") == 2
    assert world.calls.count(f"evaluation {MAY}") == 1


def test_inputs_come_by_name_and_are_pinned(world: World) -> None:
    world.run(MAY)
    world.run(JUNE)
    pinned = world.project.lake.manifest("levels/churn", MAY)
    assert pinned is not None
    assert world.read == [(None, {}), (GOOD, {f"levels/churn@{MAY}": pinned.content_hash})]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (GOOD * 2, "task is repeated in 1 rows"),
        ([{"task": None, "level": "{}"}], "task is missing in 1 rows"),
    ],
)
def test_what_breaks_its_contract_leaves_the_last_good_partition_and_a_failed_check(
    world: World, rows: Any, sentence: str
) -> None:
    world.run(MAY)
    before = world.project.lake.manifest("levels/churn", MAY)
    world.rows = rows
    failed = world.run(MAY, "levels/churn", **{FORCE_TAG: "true"})
    assert not failed.success
    assert not failed.get_asset_materialization_events()
    assert world.checks(failed) == {"levels/churn": False}
    assert f"levels/churn of {MAY} breaks its contract: {sentence}" in told(failed)
    assert "the last good partition stays" in told(failed)
    assert world.project.lake.manifest("levels/churn", MAY) == before


def test_of_a_step_that_makes_two_tables_none_is_published_when_one_is_broken(world: World) -> None:
    world.judged = SAID.drop(columns="outcome").assign(customer_id=["a", "a"])
    failed = world.run(MAY, "evaluation/churn", "evaluation/churn_predictions")
    assert not failed.success
    assert world.checks(failed) == {"evaluation/churn_predictions": False}
    assert world.project.lake.published() == []


def test_one_table_of_a_step_can_be_asked_for_alone(world: World) -> None:
    assert world.run(MAY, "evaluation/churn").success
    assert world.project.lake.published() == [("evaluation/churn", MAY)]


def test_the_check_of_a_step_can_be_asked_for_alone(world: World) -> None:
    """It looks at what is published, computes nothing and publishes nothing."""
    world.run(MAY)
    calls, key = list(world.calls), dg.AssetCheckKey(dg.AssetKey(["evaluation", "churn"]), "contract")
    job = world.job.get_subset(asset_selection=set(), asset_check_selection={key})
    done = job.execute_in_process(instance=world.instance, partition_key=MAY)
    assert world.checks(done) == {"evaluation/churn": True}
    assert not done.get_asset_materialization_events()
    assert world.calls == calls


def test_a_column_of_another_type_is_told(world: World) -> None:
    world.judged = SAID.assign(average=["high", "low"])
    failed = world.run(MAY, "evaluation/churn_predictions")
    assert "column average is string, not float64" in told(failed)


def test_a_foretold_probability_outside_its_range_is_told(world: World) -> None:
    world.judged = SAID.assign(average=[0.1, 1.2])
    failed = world.run(MAY, "evaluation/churn_predictions")
    assert "average is not between 0 and 1 in 1 rows" in told(failed)


def test_a_raw_table_of_another_shape_fails_its_check_and_stops_its_step(tmp_path: Path) -> None:
    """The source sync published it; that it has its columns is looked at when its step runs."""
    from crm_pipeline.defs.build import build_defs

    project = World(tmp_path).project
    lake, built = project.lake, build_defs(project)
    lake.publish(
        "raw/orders", MAY, [lake.stage(pd.DataFrame({"order_id": [1]}))], inputs={}, code_version="1", run_id="sync"
    )
    failed = built.job.execute_in_process(
        instance=dg.DagsterInstance.ephemeral(),
        partition_key=MAY,
        asset_selection=[dg.AssetKey(["raw", "orders"]), dg.AssetKey(["clean", "orders"])],
        raise_on_error=False,
    )
    verdicts = {e.asset_key.to_user_string(): e.passed for e in failed.get_asset_check_evaluations()}
    assert verdicts == {"raw/orders": False}
    assert "raw/orders of 2026-05-01 breaks its contract: column order_id is int64, not text" in told(failed)
    assert lake.manifest("clean/orders", MAY) is None


def because(done: dg.ExecuteInProcessResult, asset: str) -> tuple[Any, Any]:
    """Why an asset changed, and how many rows it has, as its materialization says."""
    events = (e.materialization for e in done.get_asset_materialization_events())
    metadata = next(e.metadata for e in events if e.asset_key.to_user_string() == asset)
    return tuple(metadata[name].value if name in metadata else None for name in ("changed_because", "changed_rows"))  # type: ignore[return-value]


def test_what_is_published_anew_with_other_content_says_why(world: World) -> None:
    made = "evaluation/churn_predictions"
    first = [world.run(period) for period in (MAY, JUNE)]
    assert [because(done, made) for done in first] == [(None, None)] * 2
    world.rows = [{"task": "churn", "level": "[1]"}]
    world.run(MAY, "levels/churn", **{FORCE_TAG: "true"})
    same = world.run(JUNE, made)
    assert because(same, made) == (None, None), "its content is what it was"
    world.judged = pd.concat([SAID, SAID.assign(customer_id=["c", "d"])])
    world.rows = [{"task": "churn", "level": "[2]"}]
    level = world.run(MAY, "levels/churn", **{FORCE_TAG: "true"})
    built_anew = "levels/churn of 2026-05 was built anew from the same inputs and differs"
    assert because(level, "levels/churn") == (built_anew, "1, as before")
    assert because(world.run(JUNE, made), made) == (built_anew, "2 → 4")
    assert because(world.run(JUNE, made), made) == (None, None), "reused"


def test_why_it_changed_is_told_though_an_older_file_is_gone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*given: Any) -> Any:
        raise CrmError("A file is gone.")

    world.run(MAY)
    monkeypatch.setattr("crm_pipeline.defs.changes.causes", gone)
    world.rows = [{"task": "churn", "level": "[1]"}]
    done = world.run(MAY, "levels/churn", **{FORCE_TAG: "true"})
    assert done.success
    assert because(done, "levels/churn")[0] == "why is no longer known: A file is gone."
