"""The evidence of the level, and the rule on made companies: growth, cohorts and season must not be taken for each other."""

from datetime import date

import ibis
import numpy as np
import pandas as pd
import pytest

from crm_pipeline.modeling.level import season_level
from crm_pipeline.modeling.purchase_process import fit_mbg_nbd
from crm_pipeline.modeling.purchases import EXPECTED_FROM, expected_of, purchases, purchases_table, value_of_a_day
from crm_pipeline.periods import Calendar
from crm_pipeline_tests import made_companies

EPOCH = pd.Timestamp("1970-01-01")


def test_the_value_of_a_day_is_shrunk_to_everybodys():
    """Mean 40 over six days: (100 + 2·40)/(1 + 2) = 60 and (140 + 80)/(5 + 2)."""
    assert value_of_a_day(np.array([100.0, 140.0]), np.array([1.0, 5.0])) == pytest.approx([60.0, 220 / 7])


def test_what_is_expected_of_nobody_is_not_a_number():
    nobody = pd.DataFrame({name: [] for name in EXPECTED_FROM})
    assert expected_of(nobody).customers == 0
    assert np.isnan(expected_of(nobody).days)


def lifetime_at(orders: pd.DataFrame, end: pd.Timestamp) -> pd.DataFrame:
    known = orders[orders["ordered_at"] < end].assign(day=lambda t: (t["ordered_at"] - EPOCH).dt.days)
    grouped = known.groupby("customer_id", as_index=False)
    return grouped.agg(
        first_day=("day", "min"), last_day=("day", "max"), order_days=("day", "nunique"), spend=("amount", "sum")
    )


def row_at(orders: pd.DataFrame, period: str, **more: int) -> dict[str, float]:
    calendar = Calendar("month")
    end, until = (pd.Timestamp(calendar.end_date(calendar.shift(period, i))) for i in (0, 3))
    since = orders[(orders["ordered_at"] >= end) & (orders["ordered_at"] < until)]
    since = since.groupby("customer_id", as_index=False).agg(
        order_days=("ordered_at", "nunique"), n_orders=("order_id", "count"), spend=("amount", "sum")
    )
    days = {"as_of_day": (end - EPOCH).days, "horizon_days": (until - end).days}
    eligible = (pd.Timestamp(calendar.shift(period, -11)) - EPOCH).days
    return purchases(
        lifetime_at(orders, end), since, **days, eligible_from_day=eligible, **{"sample": 50_000, "seed": 1, **more}
    )


def test_only_the_eligible_are_counted_and_only_what_they_did():
    orders = made_companies.orders("steady", customers=400, months=30)
    row = row_at(orders, "2022-12-01")
    known = lifetime_at(orders, pd.Timestamp("2023-01-01"))
    eligible = known[known["last_day"] >= (pd.Timestamp("2022-01-01") - EPOCH).days]
    after = orders[(orders["ordered_at"] >= "2023-01-01") & (orders["ordered_at"] < "2023-04-01")]
    after = after[after["customer_id"].isin(eligible["customer_id"])]
    assert row["customers"] == len(eligible)
    assert row["orders"] == len(after)
    assert row["days"] == len(after.drop_duplicates(["customer_id", "ordered_at"]))
    as_of = (pd.Timestamp("2023-01-01") - EPOCH).days
    model = fit_mbg_nbd(known["order_days"] - 1, known["last_day"] - known["first_day"], as_of - known["first_day"])
    expected = model.expected_purchases(
        90, eligible["order_days"] - 1, eligible["last_day"] - eligible["first_day"], as_of - eligible["first_day"]
    )
    assert row["expected_days"] == pytest.approx(expected.sum())


def test_rule_6_the_order_of_rows_changes_nothing_and_a_sample_is_the_same_customers():
    orders = made_companies.orders("steady", customers=300, months=24)
    shuffled = orders.sample(frac=1.0, random_state=3)
    assert row_at(orders, "2022-06-01") == row_at(shuffled, "2022-06-01")
    few = row_at(orders, "2022-06-01", sample=100)
    assert few == row_at(shuffled, "2022-06-01", sample=100)
    assert few["customers"] <= 100


def test_before_the_first_period_there_is_no_row():
    nothing = ibis.memtable([], schema={"customer_id": "string"})
    args = {"calendar": Calendar("month"), "horizon": 3, "eligibility": 12, "sample": 10, "seed": 1}
    assert purchases_table(None, nothing, "2020-01-01", **args).empty


@pytest.mark.parametrize("kind", made_companies.KINDS)
def test_the_total_of_a_made_company_lies_within_15_percent(kind):
    """In the median of the last nine cut-offs; by last year's totals it was 82 % too high where all customers came at once."""
    orders = made_companies.orders(kind, customers=1_500)
    keys = Calendar("month").range("2021-01-01", "2023-09-01")
    rows = pd.DataFrame([{"cutoff": date.fromisoformat(key), **row_at(orders, key)} for key in keys])
    misses = []
    for key in keys[-9:]:
        now = rows.iloc[keys.index(key)]
        known = expected_of(pd.DataFrame([["c", now["expected_days"], 1.0, 1.0]], columns=list(EXPECTED_FROM)))
        level = season_level(rows, known, key, first=keys[0], horizon=3, year=12)
        misses.append(level.days / now["days"] - 1)
    assert np.median(np.abs(misses)) < 0.15, misses
    assert abs(np.median(misses)) < 0.1, misses
