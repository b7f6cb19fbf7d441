"""A task and its estimator registered from here get everything that churn and demand have, without a line changed in the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pytest
import yaml

from crm_pipeline.contracts.outputs import Output
from crm_pipeline.defs.run import execute, prepare
from crm_pipeline.modeling import estimators, tasks
from crm_pipeline.modeling.calibration import expit
from crm_pipeline.modeling.explain import contributions
from crm_pipeline.modeling.prediction import predict
from crm_pipeline.modeling.tasks.probability import ProbabilityTask
from crm_pipeline.tracking import Tracker
from crm_pipeline.transforms.outcomes import bought_since
from crm_pipeline_tests import made_companies
from crm_pipeline_tests.integration import outside, world

NAME = "heavy"
ENTRIES = (
    estimators.Entry(NAME, "splines", "Splines.", 2, "crm_pipeline.modeling.estimators.logistic:SplineLogistic"),
    estimators.Entry(NAME, "habit", "Lately or not.", 1, f"{outside.__name__}:{outside.Habit.__name__}", kind="python"),
)


class Heavy(ProbabilityTask):
    """Will a customer order twice or more?"""

    name = NAME
    question = "Two orders or more in the {h} after as_of."
    outcome_told = "Whether those who could be scored {ago} ordered twice or more since."
    score_told = "how likely each active customer is to order twice or more"
    labels = (Output("ordered_twice", "int8", "1: two orders or more in the horizon after"),)
    answers = (Output("probability", "float64", "probability of two orders or more in the horizon"),)
    effect = "chance"
    raises_is_worse = False
    fixed = "splines"
    baselines = ("rate",)

    def outcome(self, features_then: Any, orders_since: Any, cutoff: str) -> Any:
        joined = bought_since(features_then, orders_since)
        twice = (joined.orders.fill_null(0) >= 2).cast("int8")
        return joined.select("customer_id", cutoff=ibis.date(cutoff), ordered_twice=twice)

    def rules(self, training: Any, features: Any, *, horizon: int, money_unit: float) -> Any:
        return {"rate": np.full(len(features), float(training[self.label].mean()))} if len(training) else {}


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("outside")
    source = made_companies.write_source(folder / "source", "steady", customers=900, months=14)
    home = world.new_home(folder / "home", {**world.SMALL, "demand_estimators": ["purchase_process"]})
    tasks.register(Heavy())
    for one in ENTRIES:
        estimators.register(one)
    try:
        execute(prepare(source, home, periods=2))
        yield home
    finally:
        tasks.unregister(NAME)
        for one in ENTRIES:
            estimators.unregister(NAME, one.name)


def test_it_is_learned_judged_chosen_and_scored(home: Path) -> None:
    lake = world.lake_of(home)
    period = lake.partitions(f"scores/{NAME}")[-1]
    scored = lake.table(f"scores/{NAME}", [period]).execute()
    assert scored["probability"].between(0, 1).all()
    assert (scored["model"] == "splines").all()
    assert scored["label_definition"].iloc[0] == "Two orders or more in the 1 month after as_of."
    reasons = scored["reason_1"].dropna()
    assert len(reasons)
    told = ("s the chance against the average customer)", "%")  # the latter: where only the base rate explains it
    assert reasons.str.endswith(told).all()
    judged = lake.table(f"evaluation/{NAME}", [period]).execute()
    assert {"splines", "habit", "baseline_rate"} <= set(judged["model"])
    assert {"auc", "brier", "calibration_slope"} <= set(judged["metric"])
    decision = lake.table(f"models/{NAME}/champion", [period]).execute().iloc[0]
    assert (decision["champion"], decision["task"]) == ("splines", NAME)
    happened = lake.table(f"outcomes/{NAME}", [period]).execute()
    assert set(happened["ordered_twice"]) == {0, 1}
    assert lake.manifest(f"track_record/{NAME}", period) is not None


def test_its_columns_are_described_and_the_report_tells_of_it(home: Path) -> None:
    from crm_pipeline.defs.build import build_defs
    from crm_pipeline.home.project import open_project

    built = build_defs(open_project(home))
    specs = {spec.key.to_user_string(): spec for definition in built.assets for spec in definition.specs}
    columns = {c.name: c for c in specs[f"scores/{NAME}"].metadata["dagster/column_schema"].columns}
    assert columns["probability"].description == "probability of two orders or more in the horizon"
    assert "ordered_twice" in {c.name for c in specs[f"training/{NAME}"].metadata["dagster/column_schema"].columns}
    assert "how likely each active customer is to order twice" in (specs[f"scores/{NAME}"].description or "")
    page = next(iter(sorted((home / "reports").glob("*.html"), reverse=True))).read_text(encoding="utf-8")
    assert "heavy" in page.lower()


def test_an_estimator_stores_and_explains_itself(home: Path) -> None:
    lake, tracker = world.lake_of(home), Tracker(home)
    period = lake.partitions(f"models/{NAME}/habit")[-1]
    card = lake.table(f"models/{NAME}/habit", [period]).execute().iloc[0]
    assert (card["status"], json.loads(card["features"])) == ("fitted", ["recency_days"])
    stored = Path(tracker.mlflow.artifacts.download_artifacts(card["model_uri"]))
    assert (stored / outside.FILE).is_file()
    assert not list(stored.rglob("*.skops"))

    model = tracker.load(card["model_uri"])
    assert isinstance(model, outside.Habit)
    features = lake.table("features/customers", [period]).execute()
    told = contributions(model, features)
    assert list(told.columns) == ["recency_days", "base", "level"]
    said = predict(NAME, model, features)["probability"]
    np.testing.assert_allclose(expit(told.sum(axis=1)), said, atol=1e-12)
    assert said.nunique() == 2


def test_the_settings_can_leave_it_out(home: Path, tmp_path: Path) -> None:
    from crm_pipeline.settings import load_settings

    (tmp_path / "crm.yaml").write_text(yaml.safe_dump({"tasks": ["churn"]}))
    assert tasks.chosen(load_settings(tmp_path)) == ["churn"]
