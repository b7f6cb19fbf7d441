"""On real purchases (CDNOW): the same command, judged from the raw file. Skipped where the data are absent."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crm_pipeline_tests.integration import world

PROJECT = Path(__file__).resolve().parents[2]
RECIPE = PROJECT / "data" / "recipes" / "cdnow.yaml"
DATA = Path(os.environ.get("CRM_REAL_DATA") or PROJECT.parent / "shared" / "data")
FEW = {"tasks": ["churn"], "churn_estimators": ["purchase_process"], "training_cutoffs": 1, "evaluation_cutoffs": 1}

pytestmark = pytest.mark.skipif(
    not (DATA / "cdnow" / "CDNOW_master.txt").is_file(),
    reason=f"no CDNOW_master.txt in {DATA / 'cdnow'}: set CRM_REAL_DATA to the folder with the public data",
)


@pytest.fixture(scope="module")
def cdnow(folder: Path) -> Path:
    home = world.new_home(folder / "cdnow_home", FEW)
    world.crm("run", "--source", RECIPE, "--files", DATA / "cdnow", "--home", home, "--through", "1997-09")
    return home


@pytest.fixture(scope="module")
def purchases() -> pd.DataFrame:
    names = ["customer_id", "day", "items", "amount"]
    raw = pd.read_csv(DATA / "cdnow" / "CDNOW_master.txt", sep=r"\s+", header=0, names=names, dtype=str)
    return raw.assign(day=pd.to_datetime(raw.day, format="%Y%m%d"), amount=raw.amount.astype(float))


def bought_next(purchases: pd.DataFrame, customers: pd.Index) -> pd.Series:
    """Return each customer's days with a positive purchase in October to December 1997."""
    later = purchases[(purchases.day >= "1997-10-01") & (purchases.day < "1998-01-01") & (purchases.amount > 0)]
    return later.groupby("customer_id").day.nunique().reindex(customers).fillna(0.0)


def test_everyone_with_a_purchase_is_eligible(cdnow: Path, purchases: pd.DataFrame) -> None:
    features = world.lake_of(cdnow).table("features/customers", ["1997-09-01"]).execute()
    known = purchases[(purchases.day < "1997-10-01") & (purchases.amount > 0)]
    assert set(features.customer_id) == set(known.customer_id)


def test_the_purchase_process_foretells_purchase_days(cdnow: Path, purchases: pd.DataFrame) -> None:
    features = world.lake_of(cdnow).table("features/customers", ["1997-09-01"]).execute().set_index("customer_id")
    actual = bought_next(purchases, features.index)
    for model in ("mbg", "pareto"):
        expected = features[f"{model}_expected_orders"]
        assert np.isfinite(expected).all(), "the fit converged"
        assert features[f"{model}_alive"].between(0, 1).all()
        assert np.corrcoef(expected, actual)[0, 1] >= 0.60
        assert 0.5 <= expected.sum() / actual.sum() <= 2.0


def test_the_scores_rank_who_lapses(cdnow: Path, purchases: pd.DataFrame) -> None:
    from sklearn.metrics import roc_auc_score

    scores = world.lake_of(cdnow).table("scores/churn", ["1997-09-01"]).execute().set_index("customer_id")
    lapsed = bought_next(purchases, scores.index) == 0
    assert roc_auc_score(lapsed, scores.probability.astype(float)) >= 0.76
