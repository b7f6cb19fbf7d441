"""Demand by category, judged: hand-worked hits and shares, beside the rules."""

import pandas as pd
import pytest

from crm_pipeline.contracts.outputs import EVALUATION, conform
from crm_pipeline.modeling.categories import REST
from crm_pipeline.modeling.category_judging import judge_categories

SAID = pd.DataFrame({
    "customer_id": ["a", "a", "b", "b", "c", "c"],
    "category": ["tea", REST, "tea", REST, REST, "tea"],
    "expected_spend": [6.0, 4.0, 3.0, 1.0, 5.0, 1.0],
    "rank": [1, 2, 1, 2, 1, 2],
})  # fmt: skip


def bought(*rows: tuple[str, str, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["customer_id", "category", "spend"])


def test_hits_and_shares_worked_by_hand():
    before = bought(("a", "tea", 9), ("b", "mugs", 30), ("c", "tea", 1))
    since = bought(
        ("a", "tea", 5), ("b", "tea", 1), ("b", "cups", 3), ("b", "mugs", 1), ("z", "tea", 99), ("c", "tea", 0)
    )
    table = judge_categories(SAID, before, since, "2024-01-01")
    found = table.set_index(["model", "metric"])["value"]
    assert set(table["n"]) == {2}, "c bought nothing, z was not scored"
    assert found["next_best", "hit"] == 0.5, "b's cups and mugs, told as one, were more than the tea"
    assert found["next_best", "bought"] == 1.0
    assert found["baseline_favourite", "hit"] == 1.0
    assert found["baseline_popular", "hit"] == 0.5, "mugs are all that is not tea"
    assert found["next_best", "shares_off"] == pytest.approx(abs(10 / 20 - 6 / 10))
    assert found["baseline_last_year", "shares_off"] == pytest.approx(abs(10 / 40 - 6 / 10))
    assert len(conform(table, EVALUATION)) == len(table)


def test_where_nobody_bought_nothing_is_judged():
    assert judge_categories(SAID, bought(("a", "tea", 9)), bought(("a", "tea", 0)), "2024-01-01").empty
    first = judge_categories(SAID, bought(), bought(("a", "tea", 2)), "2024-01-01")
    assert first.set_index(["model", "metric"])["value"]["baseline_favourite", "hit"] == 0.0, (
        "no history: the rest is named"
    )
