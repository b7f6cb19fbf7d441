"""Which generations of the scores the track record takes for published, and which for restated."""

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from crm_pipeline.defs.assets.scores import _editions
from crm_pipeline.engine import Engine
from crm_pipeline.lake import Lake

ASSET, PERIOD = "scores/churn", "2011-03-01"


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
    lake = Lake(tmp_path, Engine("200MB", 1, tmp_path / "spill"))
    for probability in said:
        staged = lake.stage(pd.DataFrame({"customer_id": ["a"], "probability": [probability]}))
        lake.publish(ASSET, PERIOD, [staged], inputs={}, code_version="v")
    for generation in lost:
        (lake.root / ".history" / ASSET / PERIOD / f"{generation:06d}.json").unlink()
    project: Any = SimpleNamespace(lake=lake, source=SimpleNamespace(first="2011-01-01"))
    found = {edition: rows.probability[0] for (edition, _), rows in _editions(project, ASSET, PERIOD).items()}
    assert found == expected
