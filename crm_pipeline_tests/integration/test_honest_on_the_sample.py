"""The sample company's known truth: how near the champion comes to the oracle, and that nothing is learned where nothing is to learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crm_pipeline.modeling.customers import Customers
from crm_pipeline.modeling.evaluation import evaluate, foretold
from crm_pipeline.modeling.promotion import decide
from crm_pipeline.modeling.training import fit
from crm_pipeline_tests.integration import world

pytestmark = pytest.mark.slow

LATEST = "2026-06-01"
MEMBERS = ["purchase_process", "logistic", "gradient_boosting", "average"]
SETTINGS = {"tasks": ["churn"], "churn_estimators": MEMBERS, "training_stride": 3}


@pytest.fixture(scope="module")
def source(folder: Path) -> Path:
    world.crm("sample", "--out", folder / "truthful", "--recordings", "0")
    return folder / "truthful"


@pytest.fixture(scope="module")
def home(folder: Path, source: Path) -> Path:
    made = world.new_home(folder / "truthful_home", SETTINGS)
    world.crm("run", "--source", source, "--home", made)
    return made


def test_the_champion_reaches_nine_tenths_of_the_oracles_auc(home: Path, source: Path) -> None:
    from sklearn.metrics import roc_auc_score

    lake = world.lake_of(home)
    champion = lake.table("models/churn/champion", [LATEST]).execute()["champion"].iloc[0]
    oracle = pd.read_parquet(source / "truth" / "oracle.parquet")
    shares = {}
    for period in ("2026-03-01", LATEST):
        said = lake.table("evaluation/churn_predictions", [period]).execute()
        said, then = said.assign(cutoff=said["cutoff"].astype(str)), oracle.assign(cutoff=oracle["cutoff"].astype(str))
        rows = said.merge(then, on=["customer_id", "cutoff"], validate="one_to_one")
        assert len(rows) >= 0.99 * len(said), "planted errors made up a few customers"
        assert (rows["outcome"] == rows["no_order"]).mean() > 0.99, "planted errors move a few"
        best = roc_auc_score(rows["outcome"], rows["no_order_probability"])
        shares[period] = roc_auc_score(rows["outcome"], rows[champion]) / best
    assert min(shares.values()) >= 0.9, shares


def test_with_labels_shuffled_nothing_is_learned_and_nothing_promoted(home: Path) -> None:
    from sklearn.metrics import roc_auc_score

    lake, generator = world.lake_of(home), np.random.default_rng(5)
    label = "churned"

    def mixed(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(**{label: rows.groupby("cutoff")[label].transform(generator.permutation)})

    options: dict[str, Any] = {"horizon": 3, "seed": 0, "threads": 1}
    judged = []
    for then, known in (("2025-12-01", "2026-03-01"), ("2026-03-01", LATEST)):
        table = mixed(lake.table("training/churn", [then]).execute())
        models: dict[str, Any] = {}
        for name in MEMBERS:
            models[name] = fit("churn", name, table, **options, members=models)
        customers = Customers(lake.table("features/customers", [then]))
        outcomes = mixed(lake.table("outcomes/churn", [known]).execute())
        said = foretold(
            "churn", models, customers, outcomes, table, cutoff=then, level=None, horizon=3, money_unit=0.01
        )
        y = said["outcome"].to_numpy()
        noise = np.sqrt((len(y) + 1) / (12 * (y == 1).sum() * (y == 0).sum()))  # of an AUC, where ranks say nothing
        for name in MEMBERS:
            assert abs(roc_auc_score(y, said[name]) - 0.5) < 3.5 * noise, name
        judged.append(evaluate("churn", said, then))
    cards = pd.DataFrame({"estimator": MEMBERS, "status": "fitted"})
    row = decide("churn", pd.concat(judged), cards, horizon=3).iloc[0]
    assert row["status"] == "kept", row["reason"]
    assert row["beats_constant"] is not True


def test_the_leak_bait_is_no_feature(home: Path, source: Path) -> None:
    """Segment and consents are overwritten in place: as of today they tell who left."""
    table = world.lake_of(home).table("training/churn", [LATEST])
    bait = ("segment", "consent")
    assert [c for c in table.columns if any(word in c for word in bait)] == []
    header = next(source.glob("customers*")).read_text(encoding="utf-8").partition("\n")[0]
    assert all(word in header for word in ("segment", "optin", "profiling")), "it was there to be taken"
