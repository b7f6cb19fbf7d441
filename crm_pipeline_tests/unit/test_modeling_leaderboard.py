"""The leaderboard: worked by hand, whole in what it lists, the same words and figures as the decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from crm_pipeline.contracts.leaderboards import LEADERBOARD
from crm_pipeline.contracts.outputs import conform
from crm_pipeline.modeling.decision import read_decision
from crm_pipeline.modeling.leaderboard import leaderboard
from crm_pipeline.modeling.promotion import decide
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.report import render_report

BLOCKS = ("2010-05-01", "2010-08-01", "2010-11-01", "2011-02-01")
LOSSES = {
    "average": (0.50, 0.52, 0.48, 0.50),
    "logistic": (0.49, 0.54, 0.50, 0.51),
    "baseline_recency": (0.60, 0.58, 0.56, 0.62),
    "baseline_last_season": (0.61, 0.60, 0.59, 0.64),
}


def evaluation(losses: dict[str, tuple[float, ...]]) -> pd.DataFrame:
    rows = [
        {"task": "churn", "model": model, "kind": "baseline" if model.startswith("baseline_") else "estimator",
         "cutoff": date.fromisoformat(cutoff), "metric": metric, "value": value, "low": value, "high": value, "n": 900}
        for model, own in losses.items()
        for cutoff, loss in zip(BLOCKS, own, strict=True)
        if np.isfinite(loss)
        for metric, value in (("log_loss", loss), ("auc", 1 - loss / 2))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def decided(losses: dict[str, tuple[float, ...]]) -> pd.DataFrame:
    names = [name for name in losses if not name.startswith("baseline_")]
    cards = pd.DataFrame([{"task": "churn", "estimator": name, "status": "fitted"} for name in names])
    return decide("churn", evaluation(losses), cards, horizon=3, period="2011-05-01")


def board(losses: dict[str, tuple[float, ...]]) -> pd.DataFrame:
    return leaderboard("churn", evaluation(losses), read_decision(decided(losses).iloc[0]))


def test_the_table_is_what_a_hand_works_out() -> None:
    found = board(LOSSES).set_index("model")
    assert list(found.index) == ["average", "logistic", "baseline_recency", "baseline_last_season"]
    assert list(found["rank"]) == [1, 2, 3, 4]
    assert list(found["role"].fillna("")) == ["champion", "runner-up", "best baseline", ""]
    assert list(found["wins"]) == [3, 1, 0, 0]
    gaps = np.array([-0.01, 0.02, 0.02, 0.01])
    own = found.loc["logistic"]
    assert own["against_champion"] == pytest.approx(gaps.mean())
    assert own["against_champion_error"] == pytest.approx(gaps.std(ddof=1) / 2)
    assert (own["ahead_of_champion"], own["ahead_of_baseline"]) == (1, 4)
    assert found.loc["average", "against_baseline"] == pytest.approx(-0.09)
    assert found.loc["average", "mean_auc"] == pytest.approx(0.75)
    assert found.loc["average", "against_champion"] == 0
    assert pd.isna(found.loc["average", "against_champion_error"]), "beside itself there is nothing to doubt"


def test_it_says_what_the_decision_says() -> None:
    row, found = decided(LOSSES), board(LOSSES)
    compared = read_decision(row.iloc[0]).compared()
    own = found.assign(model=found["model"].str.removeprefix("baseline_")).set_index("model").loc[compared["model"]]
    np.testing.assert_allclose(own["mean_loss"], compared["mean_loss"], atol=1e-6)
    np.testing.assert_allclose(own["against_champion"], compared["difference"], atol=1e-6)


def test_who_missed_a_block_is_listed_after_the_others_without_a_rank() -> None:
    found = board(LOSSES | {"random_forest": (np.nan, 0.1, 0.1, 0.1)})
    last = found.iloc[-1]
    assert (last["model"], last["blocks"], last["wins"]) == ("random_forest", 3, 0)
    assert pd.isna(last["rank"])
    assert found["rank"].iloc[0] == 1, "a mean over easier blocks takes no place from anyone"
    assert conform(found, LEADERBOARD).num_rows == len(found)


def test_without_a_judged_block_it_is_empty_and_keeps_its_columns() -> None:
    nothing = replace(read_decision(decided(LOSSES).iloc[0]), cutoffs=())
    for rows in (evaluation(LOSSES), evaluation({}), pd.DataFrame()):
        found = leaderboard("churn", rows, nothing)
        assert found.empty
        assert {"rank", "mean_auc"} <= set(found.columns)


@settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(st.randoms(use_true_random=False), st.lists(st.floats(0.1, 1.0), min_size=16, max_size=16))
def test_neither_order_nor_values_break_the_bookkeeping(random: Random, values: list[float]) -> None:
    losses = {name: tuple(values[i * 4 : i * 4 + 4]) for i, name in enumerate(LOSSES)}
    rows, decision = evaluation(losses), read_decision(decided(losses).iloc[0])
    found = leaderboard("churn", rows, decision)
    shuffled = rows.iloc[random.sample(range(len(rows)), len(rows))]
    pd.testing.assert_frame_equal(found, leaderboard("churn", shuffled, decision))
    assert found["mean_loss"].is_monotonic_increasing
    assert found["wins"].sum() >= len(decision.cutoffs), "every block is won, an equal loss by several"
    assert (found["role"] == "champion").sum() == 1


def test_the_report_shows_every_model_and_where_the_csv_lies() -> None:
    rows, decision = evaluation(LOSSES), decided(LOSSES)
    data = ReportData("shop", "2011-05-01", date(2011, 6, 1), date(2011, 9, 1), "GBP", pd.DataFrame(), champions=decision,
                      evaluation={"churn": rows}, leaderboards={"churn": board(LOSSES)},
                      leaderboard_files={"churn": "leaderboards/2011-05_churn.csv"})  # fmt: skip
    page = render_report(data)
    assert "Leaderboard: every model and baseline over the 4 blocks of the decision" in page
    assert 'href="leaderboards/2011-05_churn.csv"' in page
    assert "0.0100 ± 0.0071" in page
    assert "Leaderboard" not in render_report(replace(data, leaderboards={}))
