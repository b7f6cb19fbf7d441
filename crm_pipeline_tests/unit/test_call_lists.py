"""Whom to save and whom to win back: who is in which list, and in which order."""

from decimal import Decimal

import numpy as np
import pandas as pd

from crm_pipeline.reports.call_lists import call_lists

SCORES = pd.DataFrame({
    "customer_id": list("abcdefgh"),
    "status": ["scored", "scored", "extrapolated", "abstained", "scored", "scored", "scored", "scored"],
    "value_at_risk": [5.0, 9.0, 9.0, 99.0, 50.0, np.nan, 5.0, 70.0],
    "customer_value": [50.0, 90.0, 80.0, 99.0, 500.0, 10.0, 60.0, 700.0],
    "spend_12m": [1.0, 20.0, 30.0, 9.0, 90.0, 40.0, 5.0, 100.0],
    "churn_probability": [0.5, 0.1, 0.9, 0.9, 0.9, 0.9, 0.5, 0.2],
    "still_active": [0.5, 0.9, np.nan, 0.9, 0.9, 0.1, 0.4, 0.9],
    "contactable": [None, True, None, True, False, True, None, True],
    "recommended_action": ["call", "call", "call", None, "call", "win-back mail", "win-back mail", "leave alone"],
})  # fmt: skip


def ids(scores: pd.DataFrame, **options: bool) -> list[list[str]]:
    return [list(one.rows["customer_id"]) for one in call_lists(scores, **options)]


def test_who_is_likely_active_is_saved_by_value_at_risk_and_who_is_likely_gone_won_back_by_spend():
    assert ids(SCORES) == [["c", "b", "a"], ["f", "g"]]
    assert [one.title for one in call_lists(SCORES)] == ["Save", "Win back"]
    held = SCORES.assign(in_control_group=[False, True, False, False, False, False, None, False])
    assert ids(held) == [["c", "a"], ["f", "g"]]
    assert ids(SCORES.astype({"contactable": "boolean"})) == ids(SCORES)
    assert ids(SCORES.drop(columns="still_active")) == [["c", "b", "a", "g"], []]
    assert len(call_lists(SCORES, 2)[0].rows) == 2
    assert all(one.rows.empty for one in call_lists(pd.DataFrame()))


def test_a_list_to_act_on_holds_nobody_whose_action_is_to_leave_alone():
    for action in ("leave alone", "leave alone (control group)", "do not contact (opted out)"):
        assert ids(SCORES.assign(recommended_action=action)) == [[], []]


def test_an_empty_list_says_why() -> None:
    save, back = call_lists(SCORES)
    assert save.nobody == back.nobody == ""
    save, back = call_lists(SCORES.assign(recommended_action="leave alone", still_active=0.9))
    assert save.nobody == (
        "Nobody: of 6 who are still likely active and may be contacted, none has an action that asks for contact (6 leave alone)."
    )
    assert back.nobody == "Nobody: of those who were scored and may be contacted, none is likely gone."
    nothing = call_lists(SCORES.assign(value_at_risk=np.nan))
    assert [one.nobody for one in nothing] == ["", ""], "the tasks say why nobody has a value"


def test_where_no_model_is_of_use_there_is_one_list_by_value_and_no_order_to_call_in():
    (one,) = call_lists(SCORES, by_value=True)
    assert list(one.rows["customer_id"]) == ["h", "b", "c", "g", "a", "f"]
    assert "no order in which to call" in one.told
    turned = SCORES.assign(churn_probability=1 - SCORES["churn_probability"], value_at_risk=1.0, still_active=0.1)
    assert ids(turned, by_value=True) == ids(SCORES, by_value=True)


def test_of_many_the_first_are_those_of_sorting_all_ties_included() -> None:
    rng = np.random.default_rng(3)
    many = pd.DataFrame({
        "customer_id": rng.permutation([f"k{i:04d}" for i in range(500)]), "status": "scored", "still_active": 0.9,
        "value_at_risk": [*rng.integers(0, 40, 480).astype(float), *[np.nan] * 20], "churn_probability": rng.integers(0, 3, 500) / 4,
    })  # fmt: skip
    known = many[many["value_at_risk"].notna()]
    ordered = known.sort_values(["value_at_risk", "churn_probability", "customer_id"], ascending=[False, False, True])
    assert ids(many)[0] == list(ordered["customer_id"].head(10))
    exact = many.assign(value_at_risk=[None if np.isnan(v) else Decimal(int(v)) for v in many["value_at_risk"]])
    assert ids(exact)[0] == ids(many)[0], "money read exactly is ordered as floats are"
