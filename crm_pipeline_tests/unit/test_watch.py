"""The checks that warn, asked of a lake without Dagster: features unlike every cut-off that the models learned from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crm_pipeline.home.project import Project
from crm_pipeline.home.watch import FEATURES, drift_of, watch_of
from crm_pipeline.settings import Settings
from crm_pipeline.sources.state import SourceState

NOW = "2025-06-01"


def project(home: Path, **changes: str) -> Project:
    state = SourceState("t", "UTC", "EUR", {"orders": ()}, "2024-01-01", NOW, changes.get("until", NOW), closed=True)
    return Project(home, Settings(horizon=3, training_cutoffs=6), state)


def publish(of: Project, period: str, seed: int, high: float = 0.0) -> None:
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame({"customer_id": [f"c{i}" for i in range(300)]})
    for name in ("spend_3", "orders_3", "recency_days", "mbg_alive"):
        rows[name] = rng.normal(high if name in ("spend_3", "mbg_alive") else 0.0, 1, 300)
    of.lake.publish(FEATURES, period, [of.lake.stage(rows)], inputs={}, code_version="1", run_id="", stats={})


@pytest.fixture
def learned(tmp_path: Path) -> Project:
    """Features of the six cut-offs that the models of NOW learn from."""
    of = project(tmp_path)
    for number in range(6):
        publish(of, of.calendar.shift(NOW, -3 - number), seed=number + 1)
    return of


def test_features_unlike_every_cutoff_are_named(learned: Project) -> None:
    publish(learned, NOW, seed=9, high=4.0)
    seen = drift_of(learned, NOW)
    assert not seen.usual
    assert seen.said.startswith("features of 2025-06: 1 of 3 are distributed otherwise than at each of the 6 cut-offs")
    assert "spend_3 (median " in seen.said
    assert "mbg_alive" not in seen.said, "it is fitted anew each period"
    assert seen.facts == {"features_shifted": 1, "features_compared": 3, "cutoffs": 6}


def test_features_like_one_cutoff_are_usual(learned: Project) -> None:
    publish(learned, learned.calendar.shift(NOW, -8), seed=7, high=4.0)
    publish(learned, NOW, seed=9, high=4.0)
    assert drift_of(learned, NOW).usual


def test_rule_1_later_periods_and_those_not_learned_from_do_not_matter(learned: Project) -> None:
    publish(learned, NOW, seed=9, high=4.0)
    before = drift_of(learned, NOW)
    for period in ("2025-07-01", "2025-05-01", "2025-04-01", "2024-01-01"):
        publish(learned, period, seed=11, high=4.0)
    assert drift_of(learned, NOW) == before


def test_with_few_cutoffs_or_a_period_that_goes_on_nothing_is_said(learned: Project, tmp_path: Path) -> None:
    publish(learned, NOW, seed=9, high=4.0)
    goes_on = project(tmp_path, until="2025-05-01")
    assert drift_of(goes_on, NOW).usual
    few = project(tmp_path / "few")
    for back in (0, 3, 4, 5, 6):
        publish(few, few.calendar.shift(NOW, -back), seed=back, high=4.0 if back == 0 else 0.0)
    assert drift_of(few, NOW).said == "Too few cut-offs, or a period that is not complete: nothing to say."


def test_which_assets_have_a_check_that_warns(learned: Project) -> None:
    found = {
        a: w.name for a in ("clean/orders", "clean/products", FEATURES, "raw/orders") if (w := watch_of(learned, a))
    }
    assert found == {"clean/orders": "volume", FEATURES: "drift"}
