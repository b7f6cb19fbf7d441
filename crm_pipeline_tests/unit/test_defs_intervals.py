"""The step that calibrates intervals: what it reads of a home, what it publishes, and that it knows no later cut-off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from crm_pipeline.contracts.outputs import PREDICTIONS, conform
from crm_pipeline.defs.assets.intervals import interval_assets
from crm_pipeline.defs.common import described, graph_of
from crm_pipeline.defs.lake import LakeResource, publishes
from crm_pipeline.home.contract import contract_of
from crm_pipeline.home.project import Project
from crm_pipeline.modeling.conformal import bands_of
from crm_pipeline.settings import load_settings
from crm_pipeline.sources.state import SourceState

TABLES = {"orders": ("order_id", "customer_id", "ordered_at", "amount")}
PERIODS = ("2026-01-01", "2026-04-01", "2026-07-01")


def said(period: str) -> Any:
    """Return predictions of 400 customers; in the first period there are none."""
    if period == PERIODS[0]:
        return conform([], PREDICTIONS)
    rng = np.random.default_rng(PERIODS.index(period))
    predicted = rng.lognormal(3, 1, 400)
    outcome = predicted * rng.lognormal(0, 0.5, 400) * (rng.random(400) < 0.6)
    cutoff = pd.Timestamp(period) - pd.DateOffset(months=3)
    keys = {"customer_id": [f"c{i}" for i in range(400)], "cutoff": cutoff.date(), "outcome": outcome}
    return conform(pd.DataFrame(keys | {"linear": predicted, "baseline_zero": 0.0}), PREDICTIONS)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    home: Path = tmp_path_factory.mktemp("home")
    state = SourceState("test", "UTC", "EUR", TABLES, PERIODS[0], PERIODS[-1], PERIODS[-1], closed=True)
    project = Project(home, load_settings(home), state)

    @dg.asset(**described(project, "evaluation/demand_predictions", "1", {}))
    @publishes
    def predictions(context: dg.AssetExecutionContext) -> Any:
        """What was foretold."""
        return said(context.partition_key)

    assets = [predictions, *interval_assets(project, "demand")]
    graph = graph_of(assets, project)
    resource = LakeResource(project, lambda: graph, {asset: contract_of(project, asset) for asset in graph.nodes})
    defs = dg.Definitions(assets=assets, jobs=[dg.define_asset_job("all", "*")], resources={"lake": resource})
    for period in PERIODS:
        assert defs.resolve_job_def("all").execute_in_process(partition_key=period).success
    return project


def frame(project: Project, asset: str, period: str) -> pd.DataFrame:
    return project.lake.table(asset, [period]).execute()


def test_intervals_are_calibrated_on_what_is_known_at_the_period(project: Project) -> None:
    assert frame(project, "intervals/demand", PERIODS[0]).empty
    for period, cutoffs in zip(PERIODS[1:], (1, 2), strict=True):
        found = frame(project, "intervals/demand", period)
        assert set(found["model"]) == {"linear", "baseline_zero"}
        made = bands_of(found, "linear")
        assert made is not None
        assert (made.rows, made.cutoffs) == (400 * cutoffs, cutoffs)


def test_coverage_is_that_of_the_cutoffs_that_earlier_ones_calibrated(project: Project) -> None:
    assert frame(project, "evaluation/demand_intervals", PERIODS[1]).empty
    found = frame(project, "evaluation/demand_intervals", PERIODS[2])
    assert {str(c)[:10] for c in found["cutoff"]} == {PERIODS[1]}
    own = found[found["model"] == "linear"].set_index("metric")["value"]
    assert set(own.index) == {"coverage", "coverage_buyers", "coverage_non_buyers", "width"}
    assert own["coverage"] == pytest.approx(0.8, abs=0.08)


def test_a_yes_or_no_task_has_none(project: Project) -> None:
    assert interval_assets(project, "churn") == []
