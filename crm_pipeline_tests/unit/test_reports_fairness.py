"""What report and model card say of fairness: figures in plain words, what can be chance, and what was not measured."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pandas as pd

from crm_pipeline.modeling.fairness import compare
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.report import render_report
from crm_pipeline.reports.section_fairness import fairness_view
from crm_pipeline_tests.unit.test_modeling_fairness import AS_OF, world
from crm_pipeline_tests.unit.test_reports_card import card
from crm_pipeline_tests.unit.test_reports_card import data as card_data


def data(unfair: float, **changes: object) -> ReportData:
    """Return what the card's test has, with groups compared under its champion."""
    said, known = world(unfair=unfair)
    found = compare("churn", said.rename(columns={"model": "average", "fair": "logistic"}), known, as_of=AS_OF)
    return replace(card_data(), fairness={"churn": found}, evaluation={}, **changes)


def test_the_report_says_who_is_chosen_more_often_and_how_sure_that_is() -> None:
    page = render_report(data(0.8))
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


def test_of_the_champion_alone_and_of_its_newest_cutoff() -> None:
    of = data(0.8)
    older = of.fairness["churn"].assign(cutoff=date(2025, 10, 1), value=0.987)
    both = replace(of, fairness={"churn": pd.concat([of.fairness["churn"], older])})
    assert fairness_view(both) == fairness_view(of)
    fair = of.fairness["churn"].assign(model=lambda t: t["model"].map({"average": "logistic", "logistic": "average"}))
    assert "surely" not in " ".join(fairness_view(replace(of, fairness={"churn": fair}))[0]["found"]["gaps"][:1])


def test_the_card_has_the_figures_or_says_that_there_are_none() -> None:
    page = card(data(0.8))
    assert "Not measured yet" not in page
    assert "By gender (f most often chosen" in page
    assert "No model reads gender" in page
    assert "Not measured yet" in card(card_data())


def test_what_was_not_measured_is_said() -> None:
    assert "the source tells neither gender" in render_report(replace(card_data(), evaluation={}))
    nothing = data(0.8)
    page = render_report(replace(nothing, fairness={"churn": nothing.fairness["churn"].head(0)}))
    assert "Not measured: no outcome has matured for the champion" in page


def test_a_champion_beyond_the_setting_is_named_at_the_top() -> None:
    page = render_report(data(0.8, unequal={"churn": ["It chooses unequally by gender."]}))
    assert page.index("Churn: It chooses unequally by gender.") < page.index('id="track"')
    assert "It chooses unequally by gender." in card(data(0.8, unequal={"churn": ["It chooses unequally by gender."]}))
