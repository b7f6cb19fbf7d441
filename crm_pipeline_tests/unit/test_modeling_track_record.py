"""The track record keeps the interval that was published with an amount, and the report says how many outcomes it held."""

import numpy as np
import pandas as pd
import pytest

from crm_pipeline.modeling.track_record import as_published
from crm_pipeline.reports.section_track import judge

OUTCOMES = pd.DataFrame({"customer_id": list("abcd"), "cutoff": pd.Timestamp("2024-01-01"), "spend": [0, 500, 900, 4000], "orders": 1,
                         "churned": [1, 0, 0, 0]})  # fmt: skip
RULES = pd.DataFrame({"customer_id": list("abcd"), "baseline_zero": 0.0})


def scores(**own: object) -> pd.DataFrame:
    return pd.DataFrame(
        {"customer_id": list("abcde"), "status": ["scored"] * 4 + ["abstained"], "model": "average"} | own
    )


def record(task: str, **own: object) -> pd.DataFrame:
    editions = {("published", "2024-02-03"): scores(**own)}
    return as_published(task, editions, OUTCOMES, RULES, money_unit=0.01)


def test_an_amounts_interval_as_published_is_judged():
    rows = record(
        "demand", value=[1.0, 5.0, 9.0, 9.0, 1.0], low=[0.0, 4.0, 10.0, 0.0, 0.0], high=[2.0, 6.0, 12.0, 20.0, 1.0]
    )
    assert rows[["low", "high"]].notna().all().all()
    (one,) = judge(rows, "demand")
    assert one.values["coverage"] == {"issued": pytest.approx(0.5)}, "two of four: 9 lies below, 40 above"


def test_without_a_published_interval_nothing_is_claimed():
    (one,) = judge(record("demand", value=np.ones(5)), "demand")
    assert "coverage" not in one.values
    rows = record("churn", probability=np.linspace(0.1, 0.9, 5), low=0.0, high=1.0)
    assert rows[["low", "high"]].isna().all().all(), "that of a probability is no interval of an outcome"
    assert record("churn", probability=0.5).columns.tolist()[:8] == [
        "customer_id", "cutoff", "edition", "published_at", "model", "predicted", "low", "high"
    ]  # fmt: skip
