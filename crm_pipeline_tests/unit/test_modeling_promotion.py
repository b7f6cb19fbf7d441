import json
from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.modeling.decision import read_decision
from crm_pipeline.modeling.promotion import decide
from crm_pipeline.modeling.rollback import Rollback

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
    assert "3 of 3 blocks" in row["reason"]
    evidence = json.loads(row["evidence"])
    assert evidence["against_baselines"]["average"]["recency"]["mean"] == pytest.approx(-0.1)


def test_rule_8_what_does_not_beat_the_baselines_is_not_promoted():
    row = decision({"average": [0.5, 0.6, 0.6], "purchase_process": [0.55] * 3, "baseline_recency": [0.55] * 3})
    assert (row["champion"], row["status"]) == ("purchase_process", "kept")
    assert "does not beat 'recency'" in row["reason"]


def test_one_odd_season_does_not_decide_alone():
    row = decision({"average": [0.7, 0.5, 0.5], "baseline_recency": [0.55] * 3})
    assert (row["champion"], row["status"]) == ("average", "fixed")
    assert "better in 2 of 3" in row["reason"]


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
        "average": [0.50] * 5,
        "baseline_recency": [0.6] * 5,
    }
    row = decision(losses)
    assert row["champion"] == "logistic"
    assert "simplest within one block standard error of 'gradient_boosting'" in row["reason"]


def test_the_simplest_of_equals_is_chosen_among_those_that_beat_the_baselines():
    """The purchase process is the simplest and within a block's error of the best, and does not beat a baseline."""
    losses = {
        "purchase_process": [0.47, 0.43, 0.46, 0.44],
        "logistic": [0.45, 0.44, 0.45, 0.44],
        "average": [0.46, 0.45, 0.46, 0.43],
        "baseline_rfm": [0.452, 0.446, 0.453, 0.447],
    }
    row = decision(losses)
    assert (row["champion"], row["status"]) == ("logistic", "promoted")


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


CLOSE = {
    "average": [0.500, 0.520, 0.510, 0.490],
    "logistic": [0.495, 0.526, 0.503, 0.489],
    "baseline_recency": [0.6] * 4,
}
"""The logistic is better in the mean, and not by more than the blocks differ; by rule the average reigned before."""


def at(period: str, losses: dict[str, list[float]], cards: pd.DataFrame = CARDS, **options: object) -> pd.Series:
    """Decide for a period over quarters."""
    return decision(losses, cards, horizon=3, period=period, **options)


def test_a_challenger_must_beat_the_champion_in_use_beyond_a_block_standard_error():
    row = at("2020-12-01", CLOSE)
    assert (row["champion"], row["status"], row["model_version"]) == ("average", "held", "a")
    assert "'logistic' comes closest" in row["reason"]
    assert (row["since"], row["runner_up"]) == (date(2020, 5, 1), "logistic"), "the first block ended in April"
    row = at("2020-12-01", CLOSE | {"logistic": [0.45, 0.47, 0.46, 0.44]})
    assert (row["champion"], row["status"], row["since"]) == ("logistic", "promoted", date(2021, 1, 1))
    assert (
        "It takes over from 'average' (mean difference of the loss -0.0500, better in 4 of 4 blocks)" in row["reason"]
    )


def test_a_champion_that_passes_the_gates_no_longer_gives_way_to_one_that_does():
    losses = {
        "average": [0.5, 0.5, 0.5, 0.94],
        "logistic": [0.59, 0.6, 0.58, 0.61],
        "baseline_recency": [0.605] * 4,
    }
    row = at("2020-12-01", losses)
    assert (row["champion"], row["status"]) == ("logistic", "promoted")
    assert "takes over from 'average', which does not beat 'recency'" in row["reason"]
    nobody = at("2020-12-01", {**losses, "logistic": [0.61] * 4})
    assert nobody["status"] == "kept", "where nothing passes, nothing is promoted, whoever reigned"


def test_what_only_stood_in_need_not_be_beaten():
    losses = {
        "average": [0.61, 0.605, 0.62, 0.55],
        "logistic": [0.59, 0.6, 0.6, 0.57],
        "baseline_recency": [0.6] * 4,
    }
    row = at("2020-12-01", losses)
    assert (row["champion"], row["status"]) == ("logistic", "promoted")
    assert at("2020-12-01", losses | {"baseline_recency": [0.7] * 4})["status"] == "held", (
        "had it reigned, it had stayed"
    )


def test_a_champion_that_cannot_be_fitted_any_more_reigns_no_longer():
    row = at("2020-12-01", CLOSE, CARDS[CARDS["estimator"] != "average"])
    assert row["champion"] == "logistic"
    assert "'average', the champion before, was not fitted." in row["reason"]


def test_the_fixed_model_that_is_fitted_again_gives_way_to_nobody():
    losses = {
        "average": [float("nan"), 0.5],
        "purchase_process": [0.49] * 2,
        "baseline_recency": [0.6] * 2,
    }
    row = at("2020-06-01", losses)
    assert (row["champion"], row["status"]) == ("average", "fixed")


BACK = Rollback("2020-10-01", "logistic", "average")


def test_a_rollback_stands_until_a_model_beats_it_on_what_happens_after():
    losses = {"average": [0.4] * 4, "logistic": [0.5] * 4, "baseline_recency": [0.6] * 4}
    early = at("2020-10-01", {k: v[:3] for k, v in losses.items()}, rollbacks=[BACK])
    assert (early["champion"], early["status"], early["model_uri"]) == ("logistic", "rolled_back", "uri-l")
    assert "Rolled back by hand in 2020-10 from 'average' to 'logistic'" in early["reason"]
    assert "no block since has been judged yet" in early["reason"]
    assert early["since"] == date(2020, 11, 1)
    before = at("2020-09-01", {k: v[:3] for k, v in losses.items()}, rollbacks=[BACK])
    assert (before["champion"], before["status"]) == ("average", "fixed"), "periods before it are decided as they were"
    row = at("2021-01-01", losses | {"average": [0.4, 0.4, 0.4, 0.55]}, rollbacks=[BACK])
    assert (row["champion"], row["status"]) == ("logistic", "rolled_back"), "what was overruled counts no more"
    assert "'average' comes closest (mean difference of the loss +0.0500, better in 0 of 1 block)" in row["reason"]
    row = at("2021-01-01", losses, rollbacks=[BACK])
    assert (row["champion"], row["status"]) == ("average", "promoted")
    assert (
        "It takes over from 'logistic' (mean difference of the loss -0.1000, better in 1 of 1 block)" in row["reason"]
    )


def test_a_rollback_is_over_once_a_later_decision_went_against_it():
    losses = {"average": [0.4] * 5, "logistic": [0.5] * 4 + [0.3], "baseline_recency": [0.6] * 5}
    row = at("2021-04-01", losses, rollbacks=[BACK])
    assert (row["champion"], row["status"]) == ("average", "promoted"), (
        "it took over a block before; one block is little"
    )
    again = Rollback("2021-04-01", "logistic", "average")
    row = at("2021-04-01", losses, rollbacks=[BACK, again])
    assert (row["champion"], row["status"], row["since"]) == ("logistic", "rolled_back", date(2021, 5, 1))


@given(st.lists(st.tuples(*[st.floats(0.3, 0.7)] * 3), min_size=2, max_size=8), st.booleans())
@settings(max_examples=40, deadline=None)
def test_who_reigns_follows_from_the_evaluations_alone(losses, rolled_back):
    """The champion's date is that of the first of the decisions in a row, each made as if nothing had ever been scored before."""
    quarters = [str(q.start_time.date()) for q in pd.period_range("2020Q1", periods=len(losses) + 1, freq="Q")]
    names = ("average", "logistic", "baseline_recency")
    backs = [Rollback(quarters[2], "logistic", "average")] if rolled_back else []
    rows = []
    for count in range(1, len(losses) + 1):
        known = {name: [own[i] for own in losses[:count]] for i, name in enumerate(names)}
        table = judged(known, quarters[:count])
        made = decide("churn", table, CARDS, horizon=3, period=quarters[count], rollbacks=backs)
        rows.append(made.iloc[0])
    named = [row["champion"] for row in rows]
    first = next(i for i in range(len(named)) if set(named[i:]) == {named[-1]})
    expected = rows[first]["as_of"]
    if rows[-1]["status"] == "rolled_back":
        assert rows[-1]["since"] <= date.fromisoformat(quarters[-1]) + timedelta(days=31)
    else:
        assert rows[-1]["since"] == expected


def test_the_row_tells_who_came_second_over_which_blocks_and_whether_a_constant_is_beaten():
    losses = {"average": [0.5, 0.52, 0.51], "logistic": [0.55] * 3, "baseline_last_season": [0.6] * 3}
    told = read_decision(at("2020-09-01", losses))
    assert (told.runner_up, told.cutoffs, told.blocks) == ("logistic", tuple(QUARTERS[:3]), 3)
    assert (told.beats_constant, told.no_use, told.since) == (True, "", "2020-05-01")
    compared = told.compared()
    assert compared["model"].tolist() == ["average", "logistic", "last_season"]
    assert compared["role"].tolist() == ["champion", "runner-up", "baseline"]
    assert compared["difference"].tolist() == pytest.approx([0.0, 0.04, 0.09])
    useless = {"average": [0.61] * 3, "logistic": [0.65] * 3, "baseline_last_season": [0.6] * 3}
    told = read_decision(decision(useless))
    assert told.no_use.startswith("No model of churn beats a constant (last season's rate) over 3 blocks of time")


@pytest.mark.parametrize(
    ("reach", "told"), [(0.01, ""), (0.02, ""), (0.2, "No model of churn surely ranks better than chance (AUC 0.5)")]
)
def test_a_model_whose_auc_may_be_chance_ranks_nobody(reach, told):
    """Three blocks narrow the interval: 0.03 above chance, each a reach of 0.04, is 0.023 in all."""
    losses = {"average": [0.47] * 3, "logistic": [0.48] * 3, "baseline_last_season": [0.6] * 3}
    table = judged(losses)
    low = table["value"] - 2 * reach
    row = decide("churn", table.assign(low=low, high=table["value"] + 2 * reach), CARDS).iloc[0]
    assert read_decision(row).no_use.startswith(told)
    assert bool(row["beats_constant"]) == (not told)
    assert (read_decision(row).no_use == "") == (not told)


def test_the_row_counts_the_blocks_that_its_words_count():
    """The fixed model was judged once, what stands in for it three times: one block is what the decision rests on."""
    losses = {
        "average": [float("nan"), float("nan"), 0.7],
        "purchase_process": [0.5] * 3,
        "baseline_recency": [0.6] * 3,
    }
    row = decision(losses)
    told = read_decision(row)
    assert (row["champion"], row["status"], row["blocks"]) == ("purchase_process", "kept", 1)
    assert told.reason.startswith("1 block of time")
    assert told.cutoffs == (QUARTERS[2],)
