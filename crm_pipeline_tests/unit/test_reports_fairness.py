"""What report and model card say of fairness: figures in plain words, what can be chance, and what was not measured."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache

import pandas as pd

from crm_pipeline.modeling.fairness import BETWEEN, compare
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.report import render_report
from crm_pipeline.reports.section_fairness import OF_CHOICES, fairness_view
from crm_pipeline_tests.unit.test_modeling_fairness import AS_OF, world
from crm_pipeline_tests.unit.test_reports_card import card
from crm_pipeline_tests.unit.test_reports_card import data as card_data


@cache
def plain() -> ReportData:
    """Return what the card's test has."""
    return replace(card_data(), evaluation={})


def data(**changes: object) -> ReportData:
    """Return the same, with groups compared under its champion, which is unfair."""
    return replace(compared(), **changes)


@cache
def compared() -> ReportData:
    said, known = world(unfair=0.8)
    found = compare("churn", said.rename(columns={"model": "average", "fair": "logistic"}), known, as_of=AS_OF)
    return replace(plain(), fairness={"churn": found})


def told(of: ReportData) -> str:
    return repr(fairness_view(of))


def test_the_report_says_who_is_chosen_more_often_and_how_sure_that_is() -> None:
    page = render_report(data())
    assert (
        "Average of three as it was fitted at the end of 2026-01, held against what happened in the 3 months after."
        in page
    )
    assert "a probability of 50 % or more" in page
    assert "By gender (f most often chosen, m least): the share chosen differs by " in page
    assert "points (surely, " in page
    assert "By region (" in page
    assert "which can be chance, 0 to " in page
    assert "fewer than 30: not judged" in page
    assert "no proof of unfairness" in page


def test_where_nobody_or_everybody_is_chosen_no_group_is_called_the_most_often_chosen() -> None:
    of = data()
    rates, errors = (of.fairness["churn"]["metric"].isin(names) for names in (OF_CHOICES[:1], OF_CHOICES[1:]))
    between = of.fairness["churn"]["group"] == BETWEEN
    for value, said in ((0.0, "nobody was chosen in any group"), (1.0, "everybody was chosen in every group")):
        all_same = of.fairness["churn"].assign(value=lambda t, v=value: t["value"].mask(rates & ~between, v))
        all_same["value"] = all_same["value"].mask((rates | errors) & between, 0.0)
        gap = fairness_view(replace(of, fairness={"churn": all_same}))[0]["found"]["gaps"][0]
        assert gap.startswith(
            f"By gender {said}, so the choices leave nothing to compare: said minus happened differs by "
        )
        assert "missed" not in gap
    tie = of.fairness["churn"].assign(value=lambda t: t["value"].mask(rates & ~between, 0.25))
    assert "By gender (all groups equally often chosen): " in told(replace(of, fairness={"churn": tie}))


def test_of_the_champion_alone_and_of_its_newest_cutoff() -> None:
    of = data()
    older = of.fairness["churn"].assign(cutoff=date(2025, 10, 1), value=0.987)
    both = replace(of, fairness={"churn": pd.concat([of.fairness["churn"], older])})
    assert fairness_view(both) == fairness_view(of)
    fair = of.fairness["churn"].assign(model=lambda t: t["model"].map({"average": "logistic", "logistic": "average"}))
    assert "surely" not in " ".join(fairness_view(replace(of, fairness={"churn": fair}))[0]["found"]["gaps"][:1])


def test_the_card_has_the_figures_or_says_that_there_are_none() -> None:
    page = card(data())
    assert "Not measured yet" not in page
    assert "By gender (f most often chosen" in page
    assert "No model reads gender" in page
    assert "Not measured yet" in card(plain())
    assert "It chooses unequally by gender." in card(data(unequal={"churn": ["It chooses unequally by gender."]}))


def test_what_was_not_measured_is_said() -> None:
    assert "the source tells neither gender" in render_report(plain())
    nothing = data()
    page = told(replace(nothing, fairness={"churn": nothing.fairness["churn"].head(0)}))
    assert "Not measured: no outcome has matured for the champion" in page


def test_what_thresholds_by_group_would_have_given_and_cost_is_said() -> None:
    of, attribute = data(), "gender"
    own = of.fairness["churn"].loc[lambda t: t["attribute"] == attribute]
    tried = own[own["metric"].isin(["selection_rate", "false_positive_rate"])]
    tried = tried.assign(metric="mitigated_" + tried["metric"], value=tried["value"] / 4, chosen_from=float("nan"))
    whole = tried.head(4).assign(group="(everyone)", model="average", value=[0.61, 0.52, 0.683, 0.7])
    whole["metric"] = ["selection_rate", "mitigated_selection_rate", "accuracy", "mitigated_accuracy"]
    found = pd.concat([of.fairness["churn"], tried, whole])
    page = render_report(replace(of, fairness={"churn": found}))
    assert (
        "Thresholds by gender, set at the cut-off before and judged here, would have given: the share chosen: " in page
    )
    assert "chosen of all 52.0 % instead of 61.0 %; right choices 70.0 % instead of 68.3 %." in page
    assert "Thresholds by" not in told(of)
