"""The report on reasons: whether they survive a refit, partial dependence as figure and table, nothing where nothing was measured."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pytest

from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.report import render_report
from crm_pipeline.reports.section_explanations import depends, survives
from crm_pipeline.reports.summary import theme_shares
from crm_pipeline.reports.view import Cell, Draw

REFITS = {"task": "demand", "estimator": "average", "status": "measured", "reason": None,
          "first": 0.849, "clear": 0.972, "two": 0.9, "rank": 0.8, "customers": 1376, "rows": 10057}  # fmt: skip
POINTS = pd.DataFrame(
    [
        ("average", "spend_3", "spend", 1, 0.31, 0, 0.0, 40.0, "orders_3", 0.92),
        ("average", "spend_3", "spend", 1, 0.31, 1, 250.5, 160.0, "orders_3", 0.92),
        ("average", "tenure_days", "rhythm", 2, 0.2, 0, 30.0, 90.0, None, None),
        ("average", "tenure_days", "rhythm", 2, 0.2, 1, 400.0, 80.0, None, None),
    ],
    columns=["estimator", "feature", "theme", "rank", "contribution", "point", "at", "said", "alike", "correlation"],
)
CLEAR = "of 1,376 customers (97 % of the half whose first theme leads clearly)"
REASONS = pd.DataFrame({"theme": ["spend"], "share": [1.0], "raises": [0.5], "lowers": [0.5], "strongest": [1.0]})


def data(points: pd.DataFrame = POINTS, **row: Any) -> ReportData:
    return ReportData(
        "shop", "2026-06-01", date(2026, 7, 1), date(2026, 10, 1), "EUR", pd.DataFrame(), reasons={"demand": REASONS},
        refits={"demand": pd.DataFrame([REFITS | row])}, dependence={"demand": points}, descriptions={"spend_3": "Spend in 3 periods"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({}, f"names the same first theme for 85 % {CLEAR}: the first reason survives a refit."),
        ({"first": 0.61}, f"61 % {CLEAR}: less than 75 %, so the first reason is one of the strongest"),
        ({"status": "abstained", "reason": "Too few rows."}, "Whether these reasons survive a refit was not measured. Too few rows."),
    ],
)  # fmt: skip
def test_whether_reasons_survive_is_said(row: dict[str, Any], said: str) -> None:
    assert said in survives(data(**row), "demand")
    assert said in render_report(data(**row))


def test_dependence_is_drawn_and_features_that_move_together_are_said() -> None:
    figure, table = depends(data(), Draw(data()), "demand")
    assert figure is not None
    assert "tenure_days" in figure.svg
    assert table is not None
    rows = [[c.text if isinstance(c, Cell) else c for c in row] for row in table.rows]
    assert rows == [
        ["spend_3: Spend in 3 periods", "spend", "0.31", "EUR 40.00 → EUR 160", "orders_3"],
        ["tenure_days", "rhythm", "0.20", "EUR 90.00 → EUR 80.00", "–"],
    ]


def test_where_nothing_was_measured_nothing_is_said() -> None:
    nothing = ReportData("shop", "2026-06-01", date(2026, 7, 1), date(2026, 10, 1), "EUR", pd.DataFrame())
    assert survives(nothing, "churn") == ""
    assert depends(nothing, Draw(nothing), "churn") == (None, None)


def test_base_and_level_are_no_themes() -> None:
    scores = pd.DataFrame({"factors": ['{"recency": 0.5, "spend": -0.1, "base": 6.0, "level": 0.2}']})
    shares = theme_shares(scores).set_index("theme")
    assert list(shares.index) == ["recency", "spend"]
    assert shares.loc["recency", ["share", "strongest"]].tolist() == pytest.approx([5 / 6, 1.0])
