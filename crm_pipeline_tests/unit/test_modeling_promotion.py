import json

import pandas as pd
import pytest

from crm_pipeline.modeling.promotion import decide

CARDS = pd.DataFrame({
    "estimator": ["average", "gradient_boosting", "logistic", "purchase_process"],
    "status": "fitted",
    "model_version": ["a", "g", "l", "p"],
    "model_uri": ["uri-a", "uri-g", "uri-l", "uri-p"],
})  # fmt: skip
QUARTERS = ["2020-01-01", "2020-04-01", "2020-07-01", "2020-10-01", "2021-01-01"]


def judged(losses: dict[str, list[float]], cutoffs: list[str] | None = None) -> pd.DataFrame:
    rows = []
    for model, values in losses.items():
        for cutoff, value in zip(cutoffs or QUARTERS, values, strict=False):
            rows.append({"task": "churn", "model": model, "cutoff": cutoff, "metric": "log_loss", "value": value})
            rows.append({"task": "churn", "model": model, "cutoff": cutoff, "metric": "auc", "value": 1 - value})
    return pd.DataFrame(rows)


def decision(losses: dict[str, list[float]], cards: pd.DataFrame = CARDS, **options: object) -> pd.Series:
    table = decide("churn", judged(losses), cards, **options)
    assert len(table) == 1
    return table.iloc[0]


def test_without_evaluations_the_fixed_model_stands_unjudged():
    row = decide("churn", pd.DataFrame(), CARDS).iloc[0]
    assert (row["champion"], row["status"], row["blocks"]) == ("average", "unjudged", 0)
    baselines = decision({"baseline_recency": [0.5, 0.6]})
    assert (baselines["status"], baselines["blocks"]) == ("unjudged", 0), (
        "before the first training only baselines are judged"
    )
    assert (row["model_version"], row["model_uri"]) == ("a", "uri-a")


def test_rule_8_with_fewer_than_four_blocks_nothing_is_chosen():
    row = decision({"average": [0.50] * 3, "logistic": [0.40] * 3, "baseline_recency": [0.60] * 3})
    assert (row["champion"], row["status"], row["blocks"]) == ("average", "fixed", 3)
    assert "3 of 3 cut-offs" in row["reason"]
    evidence = json.loads(row["evidence"])
    assert evidence["against_baselines"]["average"]["recency"]["mean"] == pytest.approx(-0.1)


def test_rule_8_what_does_not_beat_the_baselines_is_not_promoted():
    row = decision({"average": [0.5, 0.6, 0.6], "purchase_process": [0.55] * 3, "baseline_recency": [0.55] * 3})
    assert (row["champion"], row["status"]) == ("purchase_process", "kept")
    assert "does not beat 'recency'" in row["reason"]


def test_one_odd_season_does_not_decide_alone():
    row = decision({"average": [0.7, 0.5, 0.5], "baseline_recency": [0.55] * 3})
    assert (row["champion"], row["status"]) == ("average", "fixed")
    assert "better at 2 of 3" in row["reason"]


def test_overlapping_cutoffs_count_once():
    months = ["2020-01-01", "2020-02-01", "2020-03-01", "2020-04-01", "2020-05-01"]
    table = judged({"average": [0.5] * 5, "baseline_recency": [0.6] * 5}, months)
    assert decide("churn", table, CARDS, horizon=3).iloc[0]["blocks"] == 2


def test_with_four_blocks_the_lowest_loss_wins():
    losses = {"average": [0.50] * 5, "logistic": [0.44, 0.46, 0.45, 0.44, 0.46], "baseline_recency": [0.6] * 5}
    row = decision(losses)
    assert (row["champion"], row["status"], row["model_version"]) == ("logistic", "promoted", "l")


def test_among_equals_the_simpler_wins():
    losses = {
        "gradient_boosting": [0.449, 0.449, 0.452, 0.448, 0.451],
        "logistic": [0.452, 0.448, 0.450, 0.452, 0.449],
        "baseline_recency": [0.6] * 5,
    }
    row = decision(losses)
    assert row["champion"] == "logistic"
    assert "simplest within one block standard error of 'gradient_boosting'" in row["reason"]


def test_with_four_blocks_too_the_baselines_must_be_beaten():
    row = decision({"average": [0.6] * 4, "purchase_process": [0.58] * 4, "baseline_recency": [0.5] * 4})
    assert (row["champion"], row["status"]) == ("purchase_process", "kept")


def test_what_stands_in_is_what_was_judged_not_the_baseline_of_its_name():
    """The baseline purchase process is the best there is, the estimator of that name the worst."""
    losses = {"average": [0.6] * 3, "purchase_process": [0.9] * 3, "baseline_purchase_process": [0.5] * 3}
    row = decision(losses)
    assert (row["champion"], row["status"]) == ("average", "kept")
    assert "stands in, unpromoted" in row["reason"]
    row = decision({name: values * 2 for name, values in losses.items()})
    assert (row["champion"], row["status"]) == ("average", "kept")


def demand(figures: dict[str, dict[str, float]], cutoffs: int = 3) -> pd.Series:
    """Decide on demand models with the same figures at every cut-off."""
    rows = [
        {"task": "demand", "model": model, "cutoff": cutoff, "metric": metric, "value": value}
        for model, own in figures.items()
        for metric, value in own.items()
        for cutoff in QUARTERS[:cutoffs]
    ]
    return decide("demand", pd.DataFrame(rows), CARDS, horizon=3).iloc[0]


LAST_SPEND = {"baseline_last_spend": {"deviance": 9.0, "wape": 0.66, "bias": 0.0}}


@pytest.mark.parametrize("cutoffs", [3, 5])
def test_a_demand_model_behind_last_spend_in_wape_is_not_promoted(cutoffs):
    average, process = {"deviance": 1.0, "wape": 0.82, "bias": 0.1}, {"deviance": 1.1, "wape": 0.60, "bias": 0.1}
    row = demand({"average": average, "purchase_process": process, **LAST_SPEND}, cutoffs)
    if cutoffs < 4:
        assert (row["champion"], row["status"]) == ("purchase_process", "kept")
        assert "behind 'last_spend' in WAPE (0.82 against 0.66" in row["reason"]
    else:
        assert (row["champion"], row["status"]) == ("purchase_process", "promoted")


@pytest.mark.parametrize(("bias", "status"), [(0.55, "kept"), (-0.5, "kept"), (0.2, "fixed"), (-0.25, "fixed")])
def test_a_demand_model_off_in_total_by_more_than_a_quarter_is_not_promoted(bias, status):
    row = demand({"average": {"deviance": 1.0, "wape": 0.5, "bias": bias}, **LAST_SPEND})
    assert (row["champion"], row["status"]) == ("average", status)
    assert ("off by" in row["reason"]) == (status == "kept")


def test_what_could_not_be_fitted_is_no_candidate():
    cards = CARDS.assign(status=["abstained", "abstained", "abstained", "fitted"])
    row = decision({"average": [0.5] * 3, "purchase_process": [0.55] * 3, "baseline_recency": [0.6] * 3}, cards)
    assert (row["champion"], row["status"]) == ("purchase_process", "fixed")
    none = decide("churn", pd.DataFrame(), CARDS.assign(status="abstained")).iloc[0]
    assert (none["champion"], none["status"]) == (None, "abstained")
    untrained = decide("churn", pd.DataFrame(), CARDS.head(0)).iloc[0]
    assert (untrained["champion"], untrained["status"]) == (None, "abstained")
    assert untrained["reason"].startswith("No model has been trained yet.")


def test_cutoffs_without_a_year_of_history_do_not_count_where_others_have_one():
    losses = {
        "average": [0.9, 0.9, 0.5, 0.5, 0.5],
        "logistic": [0.1, 0.1, 0.6, 0.6, 0.6],
        "baseline_recency": [0.7] * 5,
    }
    row = decision(losses, whole_from=QUARTERS[2])
    assert (row["champion"], row["status"], row["blocks"]) == ("average", "fixed", 3)
    young = decision(losses, whole_from="2022-01-01")
    assert young["blocks"] == 5, "a young company is judged on what there is"


def test_an_estimator_that_is_a_baseline_need_not_beat_itself():
    losses = {
        "purchase_process": [0.5] * 4,
        "average": [0.6] * 4,
        "baseline_purchase_process": [0.5] * 4,
        "baseline_rfm": [0.7] * 4,
    }
    row = decision(losses)
    assert (row["champion"], row["status"]) == ("purchase_process", "promoted")
    assert "'rfm'" in row["reason"]
