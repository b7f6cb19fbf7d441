"""What a source spans and to when it is complete: by the orders, without rows that lie far from the others."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_pipeline.sources.days import ENOUGH, find_bulk
from crm_pipeline.sources.state import read_state
from crm_pipeline_tests.unit.sources_world import ORDERS, World, tables

MESSAGES = "message_id,customer_id,sent_at,body\n"


def daily(first: date, last: date, step: int = 1) -> str:
    """Orders of three customers in turn, one every ``step`` days."""
    days = range(0, (last - first).days + 1, step)
    return ORDERS + "".join(f"{first + timedelta(d)}-{d},{d % 3},{first + timedelta(d)},5\n" for d in days)


@pytest.fixture
def shop(tmp_path: Path) -> World:
    world = World(tmp_path, tables(orders="orders*.csv", messages="messages.csv"), grain="month")
    world.write("orders.csv", daily(date(2020, 1, 5), date(2020, 2, 16)))
    world.write("messages.csv", MESSAGES + "m,1,2020-02-01,hello\n")
    return world


def test_completeness_follows_the_orders_and_not_another_table(shop: World) -> None:
    shop.write("messages.csv", MESSAGES + "m0,1,2019-12-24,early\nm,1,2020-03-31 23:00,late\n")
    report = shop.sync()
    assert (report.state.first, report.state.last) == ("2019-12-01", "2020-03-01")
    assert report.complete_through == datetime(2020, 2, 17)
    assert report.state.complete_until == "2020-01-01"
    orders, messages = report.state.spans["orders"], report.state.spans["messages"]
    assert (orders.first, orders.last, orders.complete_until) == ("2020-01-05", "2020-02-16", "2020-01-01")
    assert (messages.first, messages.last, messages.complete_until) == ("2019-12-24", "2020-03-31", "2020-03-01")
    assert report.state.known_from("orders") == "2020-01-01"
    assert read_state(shop.home) == report.state


def test_a_table_that_begins_later_is_known_from_its_first_whole_period(shop: World) -> None:
    shop.write("messages.csv", MESSAGES + "m,1,2020-02-02,hello\n")
    assert shop.sync().state.known_from("messages") == "2020-03-01"
    shop.write("messages.csv", MESSAGES + "m,1,2020-02-01,hello\n")
    assert shop.sync().state.known_from("messages") == "2020-02-01"
    shop.write("messages.csv", MESSAGES + "m,1,2020-01-31,hello\n")
    assert shop.sync().state.known_from("messages") == "2020-01-01"


@pytest.mark.parametrize("ahead", [date(2020, 2, 29), date(2020, 3, 31), date(2020, 5, 2)])
def test_a_row_dated_ahead_of_the_others_completes_no_period(shop: World, ahead: date) -> None:
    shop.write("orders2.csv", ORDERS + f"typo,1,{ahead},5\n")
    report = shop.sync()
    assert report.state.complete_until == "2020-01-01"
    assert report.state.last == ahead.replace(day=1).isoformat()
    assert report.conservation["orders"]["orders2.csv"] == (1, 1, 0)
    assert len(report.warnings) == 1
    assert f"1 row of orders, dated {ahead}, lies {(ahead - date(2020, 2, 16)).days} days after" in report.warnings[0]
    assert "taken as complete until 2020-02-16" in report.warnings[0]
    assert "'complete_through:'" in report.warnings[0]


def test_complete_through_of_the_source_wins_over_a_row_dated_ahead(shop: World) -> None:
    shop.write("orders2.csv", ORDERS + "typo,1,2020-03-15,5\n")
    shop.yaml(tables(orders="orders*.csv"), more="complete_through: 2020-02-29")
    report = shop.sync()
    assert report.complete_through == datetime(2020, 3, 1)
    assert report.state.complete_until == "2020-02-01"


def test_a_silence_at_the_end_is_a_warning_and_completes_no_period(tmp_path: Path) -> None:
    shop = World(tmp_path, tables(orders="orders*.csv"))
    shop.write("orders.csv", daily(date(2019, 1, 1), date(2019, 6, 30), 2))
    shop.write("orders2.csv", ORDERS + "last,1,2020-02-29,5\n")
    shop.yaml(tables(orders="orders*.csv"), more="complete_through: 2020-02-29")
    report = shop.sync()
    assert report.state.complete_until == "2019-06-01"
    assert "says complete_through 2020-02-29, but orders end on 2019-06-30, 244 days earlier" in report.warnings[0]
    assert "never so many days without one" in report.warnings[0]
    shop.yaml(tables(orders="orders*.csv"), more="complete_through: 2019-07-31")
    assert shop.sync().complete_through == datetime(2019, 8, 1)


def test_a_lone_early_date_is_said_with_the_key_that_bounds_it(shop: World) -> None:
    shop.write("orders2.csv", ORDERS + "typo,1,1980-03-31,5\n")
    report = shop.sync()
    assert report.state.first == "1980-03-01"
    assert report.state.known_from("orders") == "2020-01-01"
    assert "1 row of orders, dated 1980-03-31, lies 14,524 days before the others" in report.warnings[0]
    assert "'begins: 2020-01-05'" in report.warnings[0]
    shop.yaml(tables(orders="orders*.csv"), more="begins: 2020-01-05")
    mended = shop.sync()
    assert (mended.state.first, mended.warnings) == ("2020-01-01", [])
    assert mended.conservation["orders"]["orders2.csv"] == (1, 0, 1)


def test_strays_on_both_sides_do_not_hide_each_other() -> None:
    rows = {date(2020, 1, 1) + timedelta(d): 3 for d in range(60)} | {date(1980, 1, 1): 1, date(2024, 1, 1): 1}
    bulk = find_bulk(rows)
    assert (bulk.first, bulk.last) == (date(2020, 1, 1), date(2020, 2, 29))
    assert bulk.early is not None
    assert bulk.late is not None
    assert (bulk.early.rows, bulk.late.rows) == (1, 1)


def test_a_shop_that_begins_with_few_orders_or_pauses_has_no_strays() -> None:
    start = date(2020, 1, 1)
    growing = {start: 1, start + timedelta(40): 1} | {start + timedelta(60 + d): 2 for d in range(100)}
    assert find_bulk(growing).early is None
    paused = {start + timedelta(d): 2 for d in range(200) if not 80 <= d < 140}
    assert (find_bulk(paused).early, find_bulk(paused).late) == (None, None)


@given(st.dictionaries(st.dates(date(2000, 1, 1), date(2010, 1, 1)), st.integers(1, 5), min_size=1))
def test_few_days_are_never_judged_and_strays_are_few(rows: dict[date, int]) -> None:
    bulk = find_bulk(rows)
    outside = sum(n for day, n in rows.items() if not bulk.first <= day <= bulk.last)
    assert outside == sum(s.rows for s in (bulk.early, bulk.late) if s is not None)
    assert outside <= 2 * max(1, sum(rows.values()) // 50)
    if len(rows) <= ENOUGH:
        assert (bulk.first, bulk.last) == (min(rows), max(rows))
