"""Value once a year's outcomes exist: both models judged beside baselines, an interval for whom they spoke of, nothing for others."""

from __future__ import annotations

import ibis
import numpy as np
import pandas as pd
import pytest

from crm_pipeline.modeling.conformal import bands_of, intervals
from crm_pipeline.modeling.customers import Customers
from crm_pipeline.modeling.training import Abstained
from crm_pipeline.modeling.value import Fitted
from crm_pipeline.modeling.value_learned import (
    FIXED,
    LEARNED,
    foretold_values,
    judge_values,
    learn_value,
    learned_value,
    with_learned,
)

UNIT, YEAR = 0.01, 12
CUTOFF = "2022-12-01"


def world(n: int = 1200, seed: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return features and the year's outcomes: what is spent follows last year's spend and a taste that only the features know."""
    rng = np.random.default_rng(seed)
    taste, last = rng.integers(0, 2, n), rng.gamma(2.0, 5_000, n).round()
    spent = last * np.where(taste, 1.5, 0.2) * rng.gamma(8, 1 / 8, n)
    ids = [f"C{i:05d}" for i in range(n)]
    features = pd.DataFrame({"customer_id": ids, "spend_12": last, "taste": taste.astype(float), "noise": rng.normal(size=n),
                             "mbg_expected_orders": rng.gamma(2, 1, n), "pareto_expected_orders": rng.gamma(2, 1, n)})  # fmt: skip
    outcomes = pd.DataFrame({"customer_id": ids, "cutoff": pd.Timestamp(CUTOFF), "spend": spent.round().astype("int64"),
                             "orders": (spent > 0).astype("int64")})  # fmt: skip
    return features, outcomes


def training(seed: int) -> pd.DataFrame:
    features, outcomes = world(seed=seed)
    return outcomes.merge(features, on="customer_id").assign(as_of=pd.Timestamp("2022-01-01"))


@pytest.fixture(scope="module")
def model() -> object:
    return learn_value(training(seed=2), year=YEAR, seed=0, threads=1, money_unit=UNIT)


def said_of(model: object) -> pd.DataFrame:
    features, outcomes = world()
    lifetime = pd.DataFrame({"customer_id": features["customer_id"], "order_days": 3, "spend": features["spend_12"]})
    process = pd.DataFrame(
        {"customer_id": features["customer_id"], "mbg_expected_year": 2.0, "pareto_expected_year": 4.0}
    )
    return foretold_values(
        Customers(ibis.memtable(features)),
        outcomes,
        lifetime,
        process,
        Fitted(_Same(), ""),
        model,
        cutoff=CUTOFF,
        year=YEAR,
        money_unit=UNIT,
    )


class _Same:
    """A value of a purchase day that is the customer's own mean."""

    def expected_mean(self, days: np.ndarray, mean: np.ndarray) -> np.ndarray:
        return mean


def test_both_models_are_judged_beside_the_baselines(model: object) -> None:
    said = said_of(model)
    assert set(said.columns) == {
        "customer_id",
        "cutoff",
        "outcome",
        FIXED,
        LEARNED,
        "baseline_last_spend",
        "baseline_mean",
    }
    features, outcomes = world()
    assert said["outcome"].to_numpy() == pytest.approx(outcomes["spend"].to_numpy() * UNIT)
    assert said[FIXED].to_numpy() == pytest.approx(features["spend_12"].to_numpy() * UNIT), (
        "three days at a third of the spend"
    )
    table = judge_values(said, seed=0)
    assert set(table["task"]) == {"value"}
    wape = table[table["metric"] == "wape"].set_index("model")["value"]
    assert wape[LEARNED] < wape["baseline_last_spend"] < wape["baseline_mean"], (
        "boosting sees the taste, the rule does not"
    )


def test_who_was_judged_has_an_interval_and_who_was_not_stays_extrapolated(model: object) -> None:
    features, _ = world(seed=5)
    bands, _ = intervals("value", said_of(model))
    held = bands_of(bands, FIXED)
    assert held is not None
    values = pd.DataFrame({"customer_id": [*features["customer_id"], "silent", "never"],
                           "value": [*features["spend_12"] * UNIT, 7.0, np.nan],
                           "status": [*["extrapolated"] * (len(features) + 1), "abstained"], "status_reason": "why"})  # fmt: skip
    rows = with_learned(
        values, learned_value(model, Customers(ibis.memtable(features)), UNIT), held, "12 months"
    ).set_index("customer_id")
    assert rows["status"].value_counts().to_dict() == {"scored": len(features), "extrapolated": 1, "abstained": 1}
    known = rows.loc[features["customer_id"]]
    assert (known["low"] <= known["high"]).all()
    assert known["value_learned"].notna().all()
    assert (
        known["status_reason"].iloc[0]
        == f"judged on {held.rows:,} customers over the 12 months before, with its interval"
    )
    assert rows.loc[["silent", "never"], ["low", "high", "value_learned"]].isna().all().all()
    assert set(rows.loc[["silent", "never"], "status_reason"]) == {"why"}


def test_without_outcomes_of_a_year_nothing_is_learned_or_claimed() -> None:
    abstained = learn_value(training(3).head(0), year=YEAR, seed=0, threads=1, money_unit=UNIT)
    assert isinstance(abstained, Abstained)
    assert "No outcome of a year" in abstained.reason
    values = pd.DataFrame({"customer_id": ["a"], "value": [3.0], "status": ["extrapolated"], "status_reason": ["why"]})
    rows = with_learned(values, None, None, "12 months")
    assert (rows["status"].iloc[0], rows["status_reason"].iloc[0]) == ("extrapolated", "why")
    assert rows[["low", "high", "value_learned"]].isna().all().all()
    assert judge_values(pd.DataFrame(), seed=0).empty
