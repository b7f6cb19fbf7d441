"""Lifetime: merging period by period loses nothing and carries what was known first."""

import ibis
import pandas as pd
import pytest

from crm_pipeline.periods import Calendar
from crm_pipeline.transforms import lifetime
from crm_pipeline_tests.unit.features_world import Order, Shape, World, fetch

WORLD = World(Calendar("month", "UTC"), Shape(windows=(1, 3), horizon=3, eligibility=12, year=12))
DAY = 1440


def test_gaps_within_and_between_periods():
    days = [0, 10, 40, 41, 41, 100]
    _, life = WORLD.history([Order("a", d * DAY) for d in days] + [Order("b", 5 * DAY)], "2019-06-01")
    made = fetch(life).set_index("customer_id")
    a = made.loc["a"]
    assert (a.n_orders, a.order_days, a.gaps, a.gap_days_sum) == (6, 5, 4, 100)
    assert a.gap_days_sumsq == 10**2 + 30**2 + 1 + 59**2
    assert (a.last_day - a.first_day, a.first_at, a.last_at) == (
        100, pd.Timestamp("2019-01-01"), pd.Timestamp("2019-04-11"),
    )  # fmt: skip
    b = made.loc["b"]
    assert (b.gaps, b.gap_days_sum, b.gap_days_sumsq, b.spend) == (0, 0, 0, 100_000)


def test_returns_alone_make_a_customer_known_without_an_order():
    orders = [Order("a", DAY, event="returned", amount=7), Order("a", 50 * DAY, amount=9)]
    _, early = WORLD.history(orders, "2019-01-01")
    row = fetch(early).iloc[0]
    assert (row.n_orders, row.n_returns, row.returned_amount, row.gaps) == (0, 1, 7, 0)
    assert pd.isna(row.first_at)
    _, later = WORLD.history(orders, "2019-02-01")
    row = fetch(later).iloc[0]
    assert (row.n_orders, row.gaps, row.min_amount, row.first_seen_at) == (1, 0, 9, pd.Timestamp("2019-01-02"))


def test_squares_of_large_amounts_do_not_overflow():
    amount = 9 * 10**17
    _, life = WORLD.history([Order("a", DAY, amount=amount), Order("a", 40 * DAY, amount=amount)], "2019-02-01")
    assert int(fetch(life).spend_sumsq.iloc[0]) == 2 * amount**2


def test_attributes_opt_out_and_cases_are_carried():
    orders, _ = WORLD.history([Order("a", DAY)], "2019-01-01")
    at = pd.Timestamp("2019-01-03")
    created = ibis.memtable(pd.DataFrame({"customer_id": ["a", "new"], "event_at": [at, at], "gender": ["f", None]}))
    cases = ibis.memtable(pd.DataFrame({"customer_id": ["a"], "n_opened": [2], "n_closed": [0], "first_at": [at]}))
    contacts = ibis.memtable(
        pd.DataFrame({"customer_id": ["c", "a"], "first_at": [at, at], "opted_out_at": [pd.NaT, at]})
    )
    first = lifetime.customers(None, orders, created, {"cases": cases, "contacts": contacts}, "2019-01-01")
    first = WORLD.store(first)
    none = WORLD.store(orders.filter(False))
    closed = ibis.memtable(pd.DataFrame({"customer_id": ["a"], "n_opened": [0], "n_closed": [1], "first_at": [at]}))
    second = lifetime.customers(first, none, created.filter(False), {"cases": closed}, "2019-02-01")
    assert second.columns == first.columns
    made = fetch(second).set_index("customer_id")
    assert sorted(made.index) == ["a", "c", "new"]
    a = made.loc["a"]
    assert (a.gender, a.cases_opened, a.cases_closed, a.opted_out_at) == ("f", 2, 1, at)
    assert (made.loc["c", "n_orders"], made.loc["new", "first_seen_at"]) == (0, at)


@pytest.mark.parametrize("known", [True, False])
def test_a_period_without_events_changes_nothing(known):
    orders = [Order("a", DAY)] if known else []
    before, after = (
        fetch(WORLD.history(orders, p)[1]).drop(columns="as_of_period") for p in ("2019-01-01", "2019-03-01")
    )
    pd.testing.assert_frame_equal(before, after)
