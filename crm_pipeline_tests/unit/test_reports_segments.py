"""The report's kinds of customers: counted, averaged and summed as the scored table says, with how firm they are in words."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pytest

from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.report import render_report
from crm_pipeline.reports.section_segments import segments_view
from crm_pipeline.reports.view import Cell

CARD = {"k": 4, "silhouette": 0.31, "stability": 0.52, "refit_stability": 0.83, "reason": None}
SCORES = pd.DataFrame(
    {
        "customer_id": list("abcde"),
        "segment": ["loyal, big basket", "loyal, big basket", "new", "new", None],
        "last_order_at": pd.to_datetime(
            ["2026-06-30 10:00", "2026-06-20 00:00", "2026-06-25 00:00", "2026-06-15 00:00", None]
        ),
        "orders_12m": [10, 20, 1, 1, 0],
        "spend_12m": [1000.0, 3000.0, 20.0, 40.0, 0.0],
        "churn_probability": [0.1, 0.3, 0.5, None, None],
        "customer_value": [900.0, 1500.0, 200.0, 400.0, None],
    }
)


def data(scores: pd.DataFrame = SCORES, **card: Any) -> ReportData:
    found = pd.DataFrame([CARD | card])
    return ReportData("shop", "2026-06-01", date(2026, 7, 1), date(2026, 10, 1), "EUR", scores, segments=found)


def shown(view: dict[str, Any]) -> list[list[str]]:
    return [[c.text if isinstance(c, Cell) else c for c in row] for row in view["table"].rows]


def test_each_kind_by_hand_the_most_valuable_first() -> None:
    assert shown(segments_view(data())) == [
        ["loyal, big basket", "2", "6", "15.0", "EUR 2,000", "20 %", "EUR 2,400", "80 %"],
        ["new", "2", "11", "1.0", "EUR 30.00", "50 %", "EUR 600", "20 %"],
    ]


@pytest.mark.parametrize(("index", "verdict"), [(0.83, "the groups are firm"), (0.2, "the groups are loose")])
def test_how_firm_the_kinds_are_is_said(index: float, verdict: str) -> None:
    said = " ".join(segments_view(data(refit_stability=index))["found"])
    assert verdict in said
    assert f"{index:.2f}" in said
    assert "4 is the fewest groups" in said


def test_the_first_period_says_nothing_of_the_one_before() -> None:
    said = segments_view(data(stability=None, refit_stability=None))["found"]
    assert len(said) == 1


def test_the_page_says_why_there_are_no_kinds() -> None:
    none = SCORES.assign(segment=None, customer_value=None)
    page = render_report(data(none, k=None, reason="Only 5 customers with an order; 200 are needed."))
    assert "Only 5 customers with an order; 200 are needed." in page
    page = render_report(ReportData("shop", "2026-06-01", date(2026, 7, 1), date(2026, 10, 1), "", pd.DataFrame()))
    assert "No kinds of customers were told apart" in page
    assert "It is extrapolated: no outcome of a whole year has judged it yet." in render_report(data())


def test_where_a_year_has_judged_the_values_the_page_says_of_whom() -> None:
    told = segments_view(
        data(SCORES.assign(value_status=["scored", "scored", "extrapolated", "extrapolated", "abstained"]))
    )["value"]
    assert "those of 2 customers with an order in the last year have an interval" in told
    assert "Those of the other 2 are extrapolated." in told
