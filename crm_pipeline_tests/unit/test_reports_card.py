"""The model card: everything a reader must know of a champion on one page, and what is missing said to be missing."""

import json
from dataclasses import replace
from datetime import date

import pandas as pd
import pytest

from crm_pipeline.modeling.promotion import decide
from crm_pipeline.reports.card import render_card
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.report import render_report

QUARTERS = ["2010-11-01", "2011-02-01", "2011-05-01"]
CARD = {
    "task": "churn", "estimator": "average", "status": "fitted", "reason": "", "model_version": "3f1c9a", "rows": 4102,
    "customers": 1800, "cutoffs": 6, "events": 1500, "features": json.dumps(["recency_days", "spend_all"]),
    "parameters": "{}", "run_id": "run-7", "model_uri": "models:/m-7", "trained_as_of": date(2011, 9, 1),
}  # fmt: skip


def data(loss: float = 0.5, **changes: object) -> ReportData:
    losses = {"average": loss, "logistic": loss + 0.02, "baseline_recency": 0.58, "baseline_last_season": 0.6}
    rows = [
        {"task": "churn", "model": model, "kind": "baseline" if "_" in model else "estimator",
         "cutoff": date.fromisoformat(cutoff), "metric": metric, "value": value, "low": value - 0.02, "high": value + 0.02,
         "n": 900}
        for model, own in losses.items() for cutoff in QUARTERS for metric, value in (("log_loss", own), ("auc", 1 - own))
    ]  # fmt: skip
    evaluation, cards = pd.DataFrame(rows), pd.DataFrame([CARD, CARD | {"estimator": "logistic"}])
    decision = decide("churn", evaluation, cards, horizon=3, period="2011-08-01")
    made = ReportData("shop", "2011-08-01", date(2011, 9, 1), date(2011, 12, 1), "GBP", pd.DataFrame(), champions=decision,
                      evaluation={"churn": evaluation}, cards=cards)  # fmt: skip
    return replace(made, **changes)


def card(found: ReportData) -> str:
    return render_card(found, "churn", contact="crm@shop.example", versions={"Python": "3.11.9"})


def test_the_card_says_what_the_decision_says_and_nothing_else():
    found = data()
    page, decision = card(found), found.decision("churn")
    assert decision.reason.replace("'", "&#39;") in page
    for told in (
        "No order with a positive amount in the 3 months after as_of", "4,102", "2 </b>".replace(" ", ""), "2010-11, 2011-02 and 2011-05",
        "0.480 to 0.520", "Recency rule", "runner-up", "Mean loss over 3 blocks of time", "Not measured yet",
        "No decision with a legal", "crm@shop.example", "run-7", "models:/m-7", "3.11.9",
    ):  # fmt: skip
        assert told in page, told
    assert "<script" not in page
    assert page == card(data()), "equal data give an equal page"


def test_where_no_model_beats_a_constant_the_card_and_the_report_begin_with_it():
    found = data(loss=0.7)
    line = "No model of churn beats a constant (last season&#39;s rate) over 3 blocks of time: do not rank by it."
    assert line in card(found)
    assert card(found).index(line) < card(found).index("<section>")
    page = render_report(replace(found, evaluation={}))
    assert page.index(line) < page.index('id="track"')
    assert line not in card(data())


def test_the_report_links_to_the_card_beside_it():
    page = render_report(data(evaluation={}, card_pages={"churn": "cards/2011-08_churn.html"}))
    assert 'href="cards/2011-08_churn.html"' in page
    assert "model card" not in render_report(data(evaluation={}))


@pytest.mark.parametrize("changes", [{"evaluation": {}}, {"cards": pd.DataFrame()}, {"synthetic": True}])
def test_what_is_missing_is_said(changes):
    page = card(data(**changes))
    assert ("was not judged yet" in page) == ("evaluation" in changes)
    assert ("No model was fitted" in page) == ("cards" in changes)
    assert ("must not be used on real customers" in page) == ("synthetic" in changes)
