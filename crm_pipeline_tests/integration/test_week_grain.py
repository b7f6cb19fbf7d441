"""The same pipeline on weeks: keys are Mondays, windows and horizon count weeks."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.conftest import Built

WEEKLY = {**world.TINY, "grain": "week", "horizon": 2, "windows": [1, 4], "training_cutoffs": 1, "eligibility": 8}


@pytest.mark.slow
def test_weeks_end_to_end(tiny: Built, folder: Path) -> None:
    source = world.write_tiny(folder / "weekly", customers=150, months=("2024-01", "2024-02"), name="weekly")
    home = world.new_home(folder / "weekly_home", WEEKLY)
    world.crm("run", "--source", source, "--home", home, "--through", "2024-02-19")
    assert world.plan(source, home, "--through", "2024-02-19") == []
    lake = world.lake_of(home)
    periods = lake.partitions("features/customers")
    mondays = [str(date(2024, 1, 1) + timedelta(weeks=week)) for week in range(8)]
    assert lake.partitions("lifetime/customers") == mondays
    assert set(periods) <= set(mondays)
    assert periods[-1] == "2024-02-19"
    scores = pd.DataFrame(json.loads(world.crm("scores", "--home", home, "--format", "json").stdout))
    assert set(scores.as_of.str[:10]) == {"2024-02-26"}
    assert set(scores.horizon_end.str[:10]) == {"2024-03-11"}
    features = lake.table("features/customers", ["2024-02-19"]).execute().set_index("customer_id")
    assert {"orders_1", "orders_4"} <= set(features.columns)
    assert set(scores.customer_id[scores.status == "scored"]) <= set(features.index)
    _agree_with_the_files(source, features)
    outcome = lake.table("outcomes/churn", ["2024-02-19"]).execute()
    assert set(outcome.cutoff.astype(str).str[:10]) == {"2024-02-05"}


def _agree_with_the_files(source: Path, features: pd.DataFrame) -> None:
    """Count the orders of the last four weeks straight from the CSV files."""
    orders = pd.concat([pd.read_csv(p, dtype={"customer_id": str}) for p in (source / "orders").glob("*.csv")])
    at = pd.to_datetime(orders.ordered_at)  # local times of the source
    recent = orders[(at >= "2024-01-29") & (at < "2024-02-26") & (orders.amount > 0)]
    counted = recent.groupby("customer_id").size().reindex(features.index).fillna(0).astype(float)
    assert counted.equals(features.orders_4.fillna(0).astype(float))
