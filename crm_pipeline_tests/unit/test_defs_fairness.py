"""The asset that compares groups: where there is one, what it reads of a home, and attributes as they were known at the cut-off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import ibis
import numpy as np
import pandas as pd
import pytest

from crm_pipeline.contracts.outputs import PREDICTIONS, conform
from crm_pipeline.defs.assets.fairness import fairness_assets
from crm_pipeline.defs.common import described, graph_of
from crm_pipeline.defs.lake import LakeResource, publishes
from crm_pipeline.home.contract import contract_of
from crm_pipeline.home.project import Project
from crm_pipeline.settings import Settings
from crm_pipeline.sources.state import SourceState
from crm_pipeline.transforms.lifetime import ATTRIBUTES

ORDERS = ("order_id", "customer_id", "ordered_at", "amount")
TABLES = {"orders": ORDERS, "customers": ("customer_id", "gender", "region")}
PERIODS = ("2026-01-01", "2026-04-01", "2026-07-01")
N = 400


def project_of(home: Path, tables: dict[str, tuple[str, ...]], **settings: Any) -> Project:
    state = SourceState("test", "UTC", "EUR", tables, PERIODS[0], PERIODS[-1], PERIODS[-1], closed=True)
    return Project(home, Settings(**settings), state)


def said(period: str) -> pd.DataFrame:
    rng = np.random.default_rng(PERIODS.index(period))
    women, p = np.arange(N) % 2 == 0, rng.random(N)
    outcome = (rng.random(N) < p).astype("float64")
    cutoff = (pd.Timestamp(period) - pd.DateOffset(months=3)).date()
    keys = {"customer_id": [f"c{i}" for i in range(N)], "cutoff": cutoff, "outcome": outcome}
    return pd.DataFrame(keys | {"logistic": np.clip(p + 0.25 * women, 0, 1), "baseline_rfm": 0.5})


def known(period: str) -> pd.DataFrame:
    """Return who was known then: every other one a woman; the region was told of half of them only later."""
    rows = pd.DataFrame({"customer_id": [f"c{i}" for i in range(N)], "gender": ["f", "m"] * (N // 2)})
    region = np.where(np.arange(N) < (N // 2 if period == PERIODS[0] else N), "north", None)
    region[::3] = np.where(region[::3] == "north", "south", None)
    return rows.assign(region=region)


def ran(project: Project) -> Project:
    """Run the asset in a home with predictions and attributes."""

    @dg.asset(**described(project, "evaluation/churn_predictions", "1", {}))
    @publishes
    def predictions(context: dg.AssetExecutionContext) -> Any:
        """What was foretold."""
        first = context.partition_key == PERIODS[0]
        return conform([] if first else said(context.partition_key), PREDICTIONS)

    @dg.asset(**{**described(project, "lifetime/customers", "1", {}), "check_specs": []})
    @publishes
    def lifetime(context: dg.AssetExecutionContext) -> Any:
        """Who was known."""
        schema = {"customer_id": "string", **{n: ATTRIBUTES[n] for n in ("gender", "region")}}
        rows = ibis.memtable(known(context.partition_key), schema=schema)
        return rows.mutate(as_of_period=ibis.date(context.partition_key))

    assets = [predictions, lifetime, *fairness_assets(project, "churn")]
    graph = graph_of(assets, project)
    contracts = {a: contract_of(project, a) for a in graph.nodes if a != "lifetime/customers"}
    resource = LakeResource(project, lambda: graph, contracts)
    defs = dg.Definitions(assets=assets, jobs=[dg.define_asset_job("all", "*")], resources={"lake": resource})
    for period in PERIODS:
        assert defs.resolve_job_def("all").execute_in_process(partition_key=period).success
    return project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return ran(project_of(tmp_path_factory.mktemp("home"), TABLES))


def frame(project: Project, period: str) -> pd.DataFrame:
    return project.lake.table("evaluation/churn_fairness", [period]).execute()


def test_groups_are_compared_as_soon_as_an_outcome_is_known(project: Project) -> None:
    assert frame(project, PERIODS[0]).empty
    found = frame(project, PERIODS[1])
    assert set(found["attribute"]) == {"gender", "region"}
    assert set(found["model"]) == {"logistic"}
    assert {str(c)[:10] for c in found["cutoff"]} == {PERIODS[0]}
    gap = found[(found["group"] == "(between groups)") & (found["metric"] == "selection_rate")]
    assert gap.set_index("attribute")["low"]["gender"] > 0.1


def test_rule_1_attributes_are_those_known_at_the_cutoff(project: Project) -> None:
    unknown = [
        rows.loc[(rows["attribute"] == "region") & (rows["group"] == "(unknown)"), "n"].max()
        for rows in (frame(project, period) for period in PERIODS[1:])
    ]
    assert unknown[0] == N // 2
    assert pd.isna(unknown[1]), "told by then"


def test_where_the_source_tells_no_groups_there_is_no_asset(tmp_path: Path) -> None:
    for tables in ({"orders": ORDERS}, {"orders": ORDERS, "customers": ("customer_id", "name")}):
        assert fairness_assets(project_of(tmp_path, tables), "churn") == []
    assert len(fairness_assets(project_of(tmp_path, TABLES), "demand")) == 1


def test_thresholds_by_group_are_set_at_the_cutoff_before_and_judged_at_this(tmp_path: Path) -> None:
    found = ran(project_of(tmp_path, TABLES, fairness_mitigate="gender"))
    assert not frame(found, PERIODS[1])["metric"].str.startswith("mitigated_").any(), "no cut-off before had matured"
    rows = frame(found, PERIODS[2])
    gaps = rows[(rows["attribute"] == "gender") & (rows["group"] == "(between groups)")].set_index("metric")["value"]
    assert gaps["mitigated_selection_rate"] < gaps["selection_rate"] / 2
    assert {"accuracy", "mitigated_accuracy"} <= set(rows.loc[rows["group"] == "(everyone)", "metric"])
    assert not rows["metric"].str.contains("profit").any(), "nothing is known of what a contact costs"
