"""What changed a score since the last period: parts that add up, and words for them."""

import json

import numpy as np
import pandas as pd
import pytest

from crm_pipeline.modeling.calibration import logit
from crm_pipeline.modeling.change import change, sentences
from crm_pipeline.modeling.explain import contributions, theme_contributions
from crm_pipeline.modeling.stability import told_themes
from crm_pipeline.modeling.training import fit
from crm_pipeline_tests.unit.modeling_world import THEMES, training_table


def row(answer: float, version: str = "v1", features: str = "f1", task: str = "churn", **factors: float) -> dict:
    said = {"probability": answer} if task == "churn" else {"value": answer}
    return {**said, "model_version": version, "features_hash": features, "factors": json.dumps(factors)}


def told(earlier: dict, now: dict, between: dict | None = None, task: str = "churn") -> list[str]:
    found = change(task, earlier, now, between)
    assert found is not None
    return sentences(found, "month", "EUR")


def test_under_the_same_model_all_but_the_level_is_the_customers_own():
    earlier = row(0.31, recency=0.1, spend=0.2, base=-1.0, level=-0.1)
    now = row(0.54, features="f2", recency=0.9, spend=0.1, base=-1.0, level=0.16)
    assert told(earlier, now) == [
        "Since last month the probability went from 31 % to 54 % (+0.96 log-odds).",
        "The customer’s own part: recency +0.80, spend -0.10.",
        "Not the customer’s doing: the level of the season +0.26.",
    ]


def test_what_another_model_says_of_the_same_features_is_told_apart():
    earlier = row(0.31, recency=0.1, spend=0.2, base=-1.0, level=0.0)
    now = row(0.54, "v2", "f2", recency=0.9, rhythm=0.1, base=-0.9, level=0.0)
    found = change("churn", earlier, now, {"recency": 0.5, "spend": 0.1})
    assert found.own == pytest.approx({"recency": 0.4, "rhythm": 0.1, "spend": -0.1})
    assert (found.model, found.base, found.apart) == (pytest.approx(0.3), pytest.approx(0.1), True)
    assert told(earlier, now, {"recency": 0.5, "spend": 0.1})[1:] == [
        "The customer’s own part: recency +0.40, rhythm +0.10, spend -0.10.",
        "Not the customer’s doing: another model +0.40.",
    ]
    assert told(earlier, now)[1:] == [
        "By theme: recency +0.80, spend -0.20, rhythm +0.10.",
        "Not the customer’s doing: the base of another model +0.10.",
        "The model is another than last time, and how much of the themes’ part is its doing cannot be told from them.",
    ]


def test_amounts_features_that_stayed_and_scores_that_were_none():
    assert told(row(100, task="demand", spend=1.0), row(100, task="demand", spend=1.0), task="demand") == [
        "Since last month the value went from 100.00 to 100.00 EUR (+0.00 log amount).",
        "No feature of the customer changed.",
    ]
    none = row(0.5) | {"factors": None}
    assert change("churn", none, row(0.5, recency=1.0)) is None
    assert change("churn", row(0.5, recency=1.0), row(0.5) | {"factors": np.nan}) is None


def test_the_parts_add_up_to_the_move_of_the_log_odds():
    table = training_table(300, seed=4)
    models = [fit("churn", "average", table, horizon=1, seed=seed, threads=1) for seed in (1, 2)]
    then, now = (table[table["cutoff"] == c].iloc[:20] for c in ("2020-03-01", "2020-04-01"))
    for at in range(20):
        rows = []
        for model, features in zip(models, (then, now), strict=True):
            parts = theme_contributions(contributions(model, features.iloc[[at]]), THEMES).iloc[0]
            probability = model.predict_proba(features.iloc[[at]])[0, 1]
            rows.append(row(probability, f"v{id(model)}", str(id(features)), **parts))
        between = told_themes(models[1], then.iloc[[at]], THEMES).iloc[0].to_dict()
        found = change("churn", *rows, between)
        assert found.moved == pytest.approx(float(np.diff(logit(np.array([found.before, found.after])))[0]), abs=1e-5)
        new = told_themes(models[1], pd.concat([then.iloc[[at]], now.iloc[[at]]]), THEMES)
        assert sum(found.own.values()) == pytest.approx(new.sum(axis=1).diff().iloc[-1], abs=1e-5)
