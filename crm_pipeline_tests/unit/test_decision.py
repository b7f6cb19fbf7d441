"""What is said of a champion comes from its decision row alone, in the report as elsewhere."""

import pandas as pd
import pytest

from crm_pipeline.modeling.decision import MEANING, read_decision
from crm_pipeline.modeling.promotion import REIGNING
from crm_pipeline.reports.summary import contact_line, model_vs_baselines


def test_means_are_taken_over_the_blocks_of_the_decision():
    days = ["2020-01-01", "2020-04-01", "2020-07-01"]
    rows = pd.DataFrame({
        "task": "churn", "model": "average", "kind": "estimator", "cutoff": days, "metric": "auc",
        "value": [0.5, 0.7, 0.9], "low": 0.4, "high": 1.0, "n": 100.0,
    })  # fmt: skip
    whole, counted = model_vs_baselines(rows), model_vs_baselines(rows, days[1:])
    assert (whole["cutoffs"].iloc[0], counted["cutoffs"].iloc[0]) == (3, 2)
    assert whole["auc_mean"].iloc[0] == pytest.approx(0.7)
    assert counted["auc_mean"].iloc[0] == pytest.approx(0.8)
    assert whole["auc"].iloc[0] == counted["auc"].iloc[0] == 0.9


def test_every_status_has_a_meaning_and_a_bare_row_can_be_read():
    assert set(REIGNING) < set(MEANING)
    bare = read_decision({"task": "churn", "status": "abstained", "reason": "No model has been trained yet."})
    assert (bare.champion, bare.blocks, bare.no_use, bare.cutoffs) == (None, 0, "", ())
    assert bare.compared().empty


def test_what_a_contact_gains_is_said_where_its_cost_is_known():
    frame = pd.DataFrame({"model": ["average"], "profit": [0.314], "profit_everyone": [-1.2], "best_threshold": [0.22]})
    told = contact_line(frame, "average", 0.25)
    assert told.startswith("A contact pays from a probability of 25%")
    assert "'average' would have gained 0.31 a customer by it, contacting everyone -1.20" in told
    assert contact_line(frame, "average", None) == contact_line(frame, "logistic", 0.25) == ""
    assert contact_line(frame.drop(columns="profit"), "average", 0.25) == ""
