"""Which generations of the scores the track record takes for published, and which for restated."""

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from crm_pipeline.defs.assets.scores import _editions
from crm_pipeline.engine import DuckDBEngine
from crm_pipeline.lake import Lake
from crm_pipeline.periods import Calendar

ASSET, PERIOD = "scores/churn", "2011-03-01"


def home_of(lake: Lake, first: str = "2011-01-01", grain: Any = "month") -> Any:
    return SimpleNamespace(lake=lake, source=SimpleNamespace(first=first), calendar=Calendar(grain))


@pytest.mark.parametrize(
    ("said", "lost", "expected"),
    [
        ([0.1], [], {"published": 0.1}),
        ([0.1, 0.9], [], {"published": 0.1, "restated": 0.9}),
        ([0.1, 0.5, 0.9], [2], {"published": 0.1, "restated": 0.9}),
        ([0.1, 0.9, 0.1], [], {"published": 0.1}),
        ([0.1, 0.9], [1], {"restated": 0.9}),
        ([], [], {}),
    ],
)
def test_only_the_first_generation_is_called_published(tmp_path, said: list, lost: list, expected: dict) -> None:
    lake = Lake(tmp_path, DuckDBEngine("200MB", 1, tmp_path / "spill"))
    for probability in said:
        staged = lake.stage(pd.DataFrame({"customer_id": ["a"], "probability": [probability]}))
        lake.publish(ASSET, PERIOD, [staged], inputs={}, code_version="v", grain="month")
    for generation in lost:
        (lake.root / ".history" / ASSET / PERIOD / f"{generation:06d}.json").unlink()
    project = home_of(lake)
    found = {edition: rows.probability[0] for (edition, _), rows in _editions(project, ASSET, PERIOD).items()}
    assert found == expected


def test_what_was_said_of_a_month_is_not_what_was_said_of_the_week_of_the_same_monday(tmp_path) -> None:
    lake, monday = Lake(tmp_path, DuckDBEngine("200MB", 1, tmp_path / "spill")), "2024-01-01"
    for probability, grain in ((0.1, "month"), (0.7, "week"), (0.9, "week"), (0.1, "month")):
        staged = lake.stage(pd.DataFrame({"customer_id": ["a"], "probability": [probability]}))
        lake.remove(ASSET, monday)
        lake.publish(ASSET, monday, [staged], inputs={}, code_version="v", grain=grain)
    found = {
        grain: {
            e: rows.probability[0] for (e, _), rows in _editions(home_of(lake, monday, grain), ASSET, monday).items()
        }
        for grain in ("month", "week")
    }
    assert found == {"month": {"published": 0.1}, "week": {"published": 0.7, "restated": 0.9}}
