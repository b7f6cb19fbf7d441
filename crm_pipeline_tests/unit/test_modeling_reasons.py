import json

import numpy as np
import pandas as pd
import pytest

from crm_pipeline.modeling.reasons import factors_json, top_reasons
from crm_pipeline.reports.call_lists import WHY, reasons_told

THEMES = [
    "breadth",
    "calls",
    "contacts",
    "messages",
    "recency",
    "rhythm",
    "season",
    "service",
    "spend",
    "base",
    "level",
]


def customer(**features: float) -> pd.DataFrame:
    usual = {
        "recency_days": 94.0, "gap_mean_days": 21.0, "order_days_all": 7.0, "tenure_days": 300.0, "orders_all": 7.0,
        "orders_3": 2.0, "orders_6": 7.0, "spend_3": 500_000.0, "spend_6": 1_500_000.0, "spend_12": 2_000_000.0,
        "order_value_mean_12": 200_000.0, "orders_season_ly": 1.0, "categories_12": 3.0, "returns_12": 1.0,
        "cases_12": 2.0, "cases_open": 1.0, "messages_in_3": 2.0, "messages_in_12": 5.0, "contacts_12": 4.0,
        "contact_open_share_12": 0.25,
    }  # fmt: skip
    return pd.DataFrame([{**usual, **features}])


def first_reason(theme: str, pull: float, task: str = "churn", **features: float) -> str:
    themes = pd.DataFrame([dict.fromkeys(THEMES, 0.0) | {theme: pull}])
    found = top_reasons(task, themes, customer(**features), currency="EUR")
    assert found[["reason_2", "reason_3"]].isna().all(axis=None)
    return found["reason_1"].iloc[0]


@pytest.mark.parametrize(
    ("theme", "pull", "features", "text"),
    [
        ("recency", 1, {}, "no order for 94 days, usually every 21 (raises the risk)"),
        ("recency", -1, {"recency_days": 1}, "last order 1 day ago, usually every 21 (lowers the risk)"),
        ("recency", 1, {"gap_mean_days": np.nan, "order_days_all": 1}, "last order 94 days ago, the only one so far (raises the risk)"),
        ("rhythm", 1, {}, "ordered 2 times in the last 3 months, 5 in the 3 before (raises the risk)"),
        ("rhythm", 1, {"orders_3": 0}, "no order in the last 3 months, 7 in the 3 before (raises the risk)"),
        ("rhythm", -1, {}, "ordered on 7 days in 300 (lowers the risk)"),
        ("rhythm", 1, {"orders_6": 2, "order_days_all": 1}, "ordered on one day only in 300 (raises the risk)"),
        ("spend", 1, {}, "spent EUR 50 in the last 3 months, EUR 100 in the 3 before (raises the risk)"),
        ("spend", -1, {}, "spent EUR 200 in the last 12 months, EUR 20 an order (lowers the risk)"),
        ("season", -1, {}, "1 order in the same 3 months last year (lowers the risk)"),
        ("season", 1, {"orders_season_ly": 0}, "no order in the same 3 months last year (raises the risk)"),
        ("breadth", -1, {}, "bought in 3 categories in the last 12 months (lowers the risk)"),
        ("service", 1, {}, "1 return, 2 cases in the last 12 months, 1 still open (raises the risk)"),
        ("messages", 1, {}, "wrote twice in the last 3 months, 5 in 12 months (raises the risk)"),
        (
            "messages", 1,
            {"sentiment_3": -0.4, "about_late_delivery_12": 0.6, "about_praise_12": 0.4, "messages_unanswered": 1},
            "wrote twice in the last 3 months, 5 in 12 months, mostly about late delivery, negative, 1 unanswered (raises the risk)",
        ),
        ("calls", -1, {}, "no recorded call in the last 12 months (lowers the risk)"),
        (
            "calls", 1, {"heard_speech_12": 0.61, "heard_watched_12": 0.5, "heard_as_angry_12": 0.67, "heard_as_calm_12": 0.33},
            ("spoke 61 % of the time in recorded calls of the last 12 months, sounding angry in 67 %, "
             "a watched word in 50 % of them (raises the risk)"),
        ),
        ("contacts", -1, {}, "4 campaign contacts in the last 12 months, 25 % opened (lowers the risk)"),
    ],
)  # fmt: skip
def test_rule_10_reasons_are_words_with_the_customers_numbers(theme, pull, features, text):
    assert first_reason(theme, pull, **features) == text.removesuffix(")") + " against the average customer)"


def test_reasons_of_demand_speak_of_the_amount():
    assert first_reason("rhythm", -1, "demand").endswith(
        "5 in the 3 before (lowers the amount against the average customer)"
    )


@pytest.mark.parametrize(
    ("days", "pull", "text"),
    [
        (132, -1, "last order 132 days ago (lowers the risk against the average customer)"),
        (10, 1, "last order 10 days ago (raises the risk against the average customer)"),
        (132, 1, "no order for 132 days, usually every 85 (raises the risk against the average customer)"),
        (10, -1, "last order 10 days ago, usually every 85 (lowers the risk against the average customer)"),
    ],
)
def test_a_reasons_words_and_sign_do_not_contradict_each_other(days, pull, text):
    assert first_reason("recency", pull, recency_days=days, gap_mean_days=85.0) == text


@pytest.mark.parametrize(
    ("base", "pulls", "first"),
    [
        (4.0, {"recency": -0.6, "spend": -0.4}, "the average customer's risk is 98 %"),
        (-4.0, {"recency": 0.6}, "the average customer's risk is 2 %"),
        (4.0, {"recency": 0.6, "spend": -0.4}, "no order for 94 days"),
        (-4.0, {"recency": -0.6}, "last order 94 days ago"),
        (0.2, {"recency": -0.6}, "last order 94 days ago"),
        (-1.2, {"recency": 0.6}, "no order for 94 days"),
    ],
)
def test_where_every_reason_speaks_against_the_score_the_base_rate_is_the_reason(base, pulls, first):
    themes = pd.DataFrame([dict.fromkeys(THEMES, 0.0) | pulls | {"base": base}])
    found = top_reasons("churn", themes, customer()).iloc[0]
    assert found["reason_1"].startswith(first)
    if first.startswith("the average"):
        assert found["reason_2"].startswith(("no order", "last order"))
    amounts = top_reasons("demand", themes, customer()).iloc[0]
    assert not amounts["reason_1"].startswith("the average")


def test_the_three_strongest_themes_in_order_and_small_ones_not_at_all():
    pulls = {"recency": 0.5, "rhythm": -0.9, "spend": 0.2, "season": 0.1, "service": 0.01, "base": 5.0, "level": 5.0}
    found = top_reasons("churn", pd.DataFrame([dict.fromkeys(THEMES, 0.0) | pulls]), customer()).iloc[0]
    assert found["reason_1"].endswith("(lowers the risk against the average customer)")
    assert found["reason_2"].startswith("no order for 94 days")
    assert found["reason_3"].startswith("spent")
    quiet = top_reasons("churn", pd.DataFrame([dict.fromkeys(THEMES, 0.01)]), customer())
    assert quiet.isna().all(axis=None)


def test_a_source_with_orders_only_still_has_words():
    features = customer()[["recency_days", "gap_mean_days", "order_days_all", "tenure_days"]]
    for theme in THEMES[:9]:
        themes = pd.DataFrame([dict.fromkeys(THEMES, 0.0) | {theme: 1.0}])
        assert top_reasons("churn", themes, features)["reason_1"].notna().all()


def test_nobody_and_many():
    themes = pd.DataFrame([dict.fromkeys(THEMES, 0.3)])
    assert top_reasons("churn", themes.head(0), customer().head(0)).empty
    many = top_reasons(
        "churn", pd.concat([themes] * 50, ignore_index=True), pd.concat([customer()] * 50, ignore_index=True)
    )
    assert many.drop_duplicates().shape == (1, 3)


def test_factors_are_json():
    table = pd.DataFrame({"recency": [0.12346, -0.0], "base": [1.0, 2.0]}, index=[7, 9])
    found = factors_json(table)
    assert list(found.index) == [7, 9]
    assert json.loads(found[7]) == {"recency": 0.1235, "base": 1.0}
    assert json.loads(found[9]) == {"recency": 0.0, "base": 2.0}
    assert factors_json(table.head(0)).empty


def test_under_a_heading_that_says_it_no_reason_says_what_it_is_compared_with():
    row = {
        "reason_1": "no order for 9 days (raises the risk against the average customer)",
        "reason_2": None,
        "reason_3": "x",
    }
    assert reasons_told(row) == "no order for 9 days (raises the risk); x"
    assert reasons_told({"reason_1": None}) == ""
    assert WHY == "why, against the average customer"
