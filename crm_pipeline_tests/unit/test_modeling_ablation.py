"""What a group of features is worth: found where they tell something, null where they tell nothing, with honest intervals."""

import ibis
import numpy as np
import pandas as pd
import pytest

from crm_pipeline.contracts.outputs import ABLATION, conform
from crm_pipeline.modeling.ablation import ablate, alone_and_together, worth
from crm_pipeline.modeling.customers import Customers
from crm_pipeline_tests.unit.modeling_world import training_table

CUTOFFS = ["2019-01-01", "2019-02-01", "2019-03-01", "2019-04-01", "2020-03-01"]


def judged(task: str, tells: float, cutoff: str = "2020-03-01") -> pd.DataFrame:
    """Rows of one cut-off; the feature ``sentiment_12`` tells of the outcome so much, ``sentiment_3`` nothing."""
    g = np.random.default_rng(5)
    table = training_table(600, seed=3, cutoffs=CUTOFFS)
    table["sentiment_12"] = tells * (0.5 - table["churned"]) + g.normal(0, 1, len(table))
    table["sentiment_3"] = g.normal(0, 1, len(table))
    now = table[table["cutoff"] == "2020-03-01"]
    training = table[table["cutoff"] < "2020-01-01"]
    of_now = Customers(ibis.memtable(now.drop(columns=["churned", "spend", "orders"])))
    return ablate(
        task, {"texts": ["sentiment_12", "sentiment_3", "not_there"]}, training, of_now, now,
        cutoff=cutoff, level=None, horizon=1, seed=1, threads=1, money_unit=0.0001,
    )  # fmt: skip


@pytest.mark.parametrize(("task", "metric"), [("churn", "log_loss"), ("demand", "deviance")])
def test_features_that_tell_something_are_worth_something(task, metric):
    gaps = {}
    for tells in (0.0, 1.0, 3.0):
        rows = judged(task, tells).set_index("metric")
        gaps[tells] = rows.loc[metric, "without_features"] - rows.loc[metric, "with_features"]
    assert gaps[3.0] > gaps[1.0] > abs(gaps[0.0]), gaps
    rows = conform(judged(task, 1.0).assign(task=task), ABLATION).to_pandas()
    assert set(rows["estimator"]) == {"logistic" if task == "churn" else "linear"}
    assert (rows["n"] == 600).all()


def test_the_same_rows_give_the_same_figures():
    pd.testing.assert_frame_equal(judged("churn", 1.0), judged("churn", 1.0))


def test_the_interval_is_students_over_cutoffs():
    rows = pd.DataFrame({"metric": "log_loss", "with_features": [0.5, 0.5, 0.5, 0.5],
                         "without_features": [0.51, 0.53, 0.52, 0.54]})  # fmt: skip
    found = worth(rows, "log_loss")
    gaps = np.array([0.01, 0.03, 0.02, 0.04])
    reach = 3.182446 * gaps.std(ddof=1) / 2
    assert found == pytest.approx((0.025, 0.025 - reach, 0.025 + reach, 4))
    assert found.shown
    assert not worth(rows.assign(without_features=[0.45, 0.54, 0.51, 0.5]), "log_loss").shown
    one = worth(rows.head(1), "log_loss")
    assert one.blocks == 1
    assert not one.shown
    assert worth(rows.head(0), "log_loss").blocks == 0


def test_each_group_stands_alone_and_with_each_other_once():
    groups = {"tables": ["a", "b"], "texts": ["c"], "audio": ["d"]}
    assert alone_and_together(groups) == {
        "tables": ["a", "b"], "texts": ["c"], "audio": ["d"], "tables and texts": ["a", "b", "c"],
        "tables and audio": ["a", "b", "d"], "texts and audio": ["c", "d"],
    }  # fmt: skip


def test_what_cannot_be_fitted_or_judged_says_nothing():
    table = training_table(600, cutoffs=CUTOFFS)
    now = table[table["cutoff"] == "2020-03-01"]
    few = table.head(10)
    how = {"cutoff": "2020-03-01", "level": None, "horizon": 1, "seed": 1, "threads": 1, "money_unit": 0.0001}
    assert ablate("churn", {"orders": ["orders_3"]}, few, Customers(ibis.memtable(now)), now, **how).empty
    training = table[table["cutoff"] < "2020-01-01"]
    assert ablate(
        "churn", {"orders": ["orders_3"]}, training, Customers(ibis.memtable(now)), now.assign(churned=0), **how
    ).empty
