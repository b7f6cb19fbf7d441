"""The gate of fairness in the decision: a limit as those of a task, by the newest block, and the same when decided again."""

from __future__ import annotations

from crm_pipeline_tests.unit.test_modeling_promotion import QUARTERS, decision

WHY = "chooses unequally by gender (between groups the share chosen differs by 21 points, surely by 12; fairness_max_gap allows 10)"
FIVE = {
    "average": [0.50, 0.51, 0.50, 0.49, 0.50],
    "logistic": [0.52, 0.53, 0.51, 0.52, 0.52],
    "purchase_process": [0.58, 0.57, 0.58, 0.57, 0.58],
    "baseline_recency": [0.60] * 5,
}


def barred(models: tuple[str, ...], cutoffs: list[str]) -> dict[str, dict[str, str]]:
    return {cutoff: dict.fromkeys(models, WHY) for cutoff in cutoffs}


def test_a_fixed_model_that_chooses_unequally_is_not_promoted_and_it_is_said() -> None:
    three = {name: losses[:3] for name, losses in FIVE.items()}
    assert decision(three)["status"] == "fixed"
    row = decision(three, barred=barred(("average",), QUARTERS[:3]))
    assert (row["champion"], row["status"]) == ("purchase_process", "kept")
    assert f"the fixed model 'average' {WHY}" in row["reason"]


def test_with_four_blocks_the_best_of_the_others_is_chosen() -> None:
    assert decision(FIVE)["champion"] == "average"
    row = decision(FIVE, barred=barred(("average",), QUARTERS))
    assert (row["champion"], row["status"]) == ("logistic", "promoted")
    everyone = decision(FIVE, barred=barred(("average", "logistic", "purchase_process"), QUARTERS))
    assert everyone["status"] == "kept"
    assert WHY in everyone["reason"]


def test_the_newest_block_counts_and_a_champion_in_use_gives_way() -> None:
    older = decision(FIVE, barred=barred(("average",), QUARTERS[:1]))
    assert older["champion"] == "average", "what was seen long ago bars nobody"
    now = decision(FIVE, horizon=3, period="2021-04-01", barred=barred(("average",), QUARTERS[-1:]))
    assert (now["champion"], now["status"]) == ("logistic", "promoted")
    assert f"takes over from 'average', which {WHY}" in now["reason"]
