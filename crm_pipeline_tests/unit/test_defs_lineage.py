"""Column lineage in the event log of an instance: of tables that are expressions, in every period, and not of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import ibis
import pytest

from crm_pipeline.contracts.outputs import LEVEL, conform
from crm_pipeline.defs import lineage
from crm_pipeline.defs.common import described, graph_of, reads
from crm_pipeline.defs.lake import LakeResource, publishes
from crm_pipeline.home.project import Project
from crm_pipeline.settings import load_settings
from crm_pipeline.sources.state import SourceState

MAY, JUNE = "2026-05-01", "2026-06-01"


class World:
    """A level that is made of nothing, and one that is an expression over it and its own period before."""

    def __init__(self, home: Path) -> None:
        tables = {"orders": ("order_id", "customer_id", "ordered_at", "amount")}
        state = SourceState("test", "UTC", "EUR", tables, MAY, JUNE, JUNE, closed=True)
        self.project = Project(home, load_settings(home), state)
        assets = [self._given(), self._made()]
        graph = graph_of(assets, self.project)
        defs = dg.Definitions(
            assets=assets,
            jobs=[dg.define_asset_job("all", dg.AssetSelection.all())],
            resources={"lake": LakeResource(self.project, lambda: graph, {})},
        )
        self.job, self.instance = defs.resolve_job_def("all"), dg.DagsterInstance.ephemeral()

    def _given(self) -> dg.AssetsDefinition:
        @dg.asset(**{**described(self.project, "levels/churn", "1", {}), "check_specs": []})
        @publishes
        def given(context: dg.AssetExecutionContext) -> Any:
            """A level."""
            return conform([{"task": "churn", "level": "{}"}], LEVEL)

        return given

    def _made(self) -> dg.AssetsDefinition:
        ins = {"one": reads("levels/churn"), "previous": reads("levels/demand", (-1,), optional=True)}

        @dg.asset(**{**described(self.project, "levels/demand", "1", ins), "check_specs": []})
        @publishes
        def made(context: dg.AssetExecutionContext, one: ibis.Table, previous: ibis.Table | None) -> ibis.Table:
            """Another level."""
            level = one.select(task=ibis.literal("demand"), level=one.task + one.level)
            return level if previous is None else level.union(previous.select("task", "level"))

        return made

    def lineage(self, period: str) -> dict[str, dict[str, list[str]] | None]:
        """What a run of a period records, by asset."""
        done = self.job.execute_in_process(instance=self.instance, partition_key=period)
        found: dict[str, dict[str, list[str]] | None] = {}
        for event in done.get_asset_materialization_events():
            told: Any = event.materialization.metadata.get("dagster/column_lineage")
            found[event.materialization.asset_key.to_user_string()] = told and {
                column: [f"{d.asset_key.to_user_string()}.{d.column_name}" for d in deps]
                for column, deps in told.value.deps_by_column.items()
            }
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_expression_tells_its_columns_origins_and_an_arrow_table_none(world: World) -> None:
    first = {"level": ["levels/churn.level", "levels/churn.task"]}
    assert world.lineage(MAY) == {"levels/churn": None, "levels/demand": first}
    later = {"level": [*first["level"], "levels/demand.level"], "task": ["levels/demand.task"]}
    assert world.lineage(JUNE)["levels/demand"] == later


def test_a_reused_partition_keeps_its_lineage(world: World) -> None:
    made = world.lineage(MAY)
    assert world.lineage(MAY) == made


def test_lineage_is_found_once_for_all_periods_that_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    right = lineage.column_origins
    monkeypatch.setattr(lineage, "column_origins", lambda *given: found.append(given) or right(*given))
    known = lineage.Lineages()
    orders = ibis.table({"a": "int64"}, name="orders")
    told = [known.told("x", "1", orders.mutate(b=orders.a + i), {"orders": orders}) for i in range(60)]
    assert len(found) == 1
    assert all(t == told[0] for t in told)
    known.told("x", "2", orders, {"orders": orders})
    assert len(found) == 2
