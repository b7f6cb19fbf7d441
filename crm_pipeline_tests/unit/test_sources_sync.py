"""What the sync publishes: periods, events, undated rows, orphans, repeats, snapshots, and what it reads again."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest

from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.periods import Calendar
from crm_pipeline.settings import Settings
from crm_pipeline.sources.index import index_files
from crm_pipeline.sources.publishing import withdraw
from crm_pipeline.sources.state import CARRIED, read_state, write_state
from crm_pipeline_tests.unit.sources_world import ORDERS, World, tables

STATES = "order_id,customer_id,ordered_at,amount,status,cancelled_at,returned_at\n"


@pytest.fixture
def shop(tmp_path: Path) -> World:
    return World(tmp_path, tables(orders="orders*.csv"))


def test_rows_lie_in_the_period_of_their_local_time_and_keep_file_and_line(shop: World) -> None:
    shop.write("orders.csv", ORDERS + "a,1,2020-03-31 23:30,1.5\nb,1,2020-04-01 00:30,2\nc,2,2020-03-31T23:30:00Z,3\n")
    report = shop.sync()
    assert (report.state.first, report.state.last) == ("2020-03-01", "2020-04-01")
    march, april = shop.raw("orders", "2020-03-01"), shop.raw("orders", "2020-04-01")
    assert [(r["order_id"], r["source_line"], r["event_at"], r["amount"]) for r in march] == [
        ("a", 2, datetime(2020, 3, 31, 22, 30), 15_000)
    ]
    assert [(r["order_id"], r["source_line"]) for r in april] == [("b", 3), ("c", 4)]
    assert april[0]["source_file"] == "orders.csv"


def test_complete_through_defaults_to_the_end_of_the_last_day(shop: World) -> None:
    shop.write("orders.csv", ORDERS + "a,1,2020-03-01,1\nb,1,2020-04-29 10:00,2\n")
    report = shop.sync()
    assert report.complete_through == datetime(2020, 4, 29, 23)
    assert report.state.complete_until == "2020-03-01"
    shop.yaml(tables(orders="orders*.csv"), more="timezone: Europe/London\ncomplete_through: 2020-04-30")
    assert shop.sync().state.complete_until == "2020-04-01"


def test_rule_7_nothing_is_lost(shop: World) -> None:
    rows = [
        "a,1,2020-03-01,1",
        "b,1,2020-13-01,2",
        "c,1,,3",
        "d,1,1970-01-01,4",
        "e,1,2031-01-01,5",
        "f,1",
        "g,1,soon,6",
    ]
    shop.write("orders.csv", ORDERS + "\n".join(rows) + "\n")
    report = shop.sync()
    assert report.conservation["orders"] == {"orders.csv": (7, 1, 6)}
    assert [p for p in (shop.lake.root / ".staging").rglob("*") if p.is_file()] == []
    assert [(r["source_line"], r["reasons"]) for r in shop.undated("orders")] == [
        (3, "ordered_at is not a date or time"),
        (4, "ordered_at is missing"),
        (5, "ordered_at lies before 1970-01-02"),
        (6, "ordered_at lies in the future"),
        (7, "2 values where the header has 4"),
        (8, "ordered_at is not a date or time"),
    ]
    assert (
        shop.undated("orders")[0]["content"]
        == '{"order_id":"b","customer_id":"1","ordered_at":"2020-13-01","amount":"2"}'
    )
    assert report.refused == 6


def test_a_value_that_cannot_be_read_keeps_its_row_in_the_period_with_content(shop: World) -> None:
    shop.write("orders.csv", ORDERS + "a,1,2020-03-01,1\nb,1,2020-03-01,12 EUR\n")
    shop.sync()
    good, bad = shop.raw("orders", "2020-03-01")
    assert (good["unreadable"], good["content"]) == (None, None)
    assert bad["unreadable"] == "amount is not an amount"
    assert '"amount":"12 EUR"' in bad["content"]


def test_further_times_become_events_of_their_own_period(shop: World) -> None:
    rows = [
        "a,1,2020-03-01,1,shipped,,",
        "b,1,2020-03-01 10:00,1,cancelled,2020-04-02,",
        "c,1,2020-03-01 10:00,1,returned,,2020-03-01",
        "d,1,2020-03-01,1,Cancelled,,",
        "e,1,2020-03-01,1,,2020-02-01,",
        "f,1,2020-03-01,1,,soon,2020-05-01",
        "g,1,2020-03-01,1,,2031-01-01,",
    ]
    shop.write("orders.csv", STATES + "\n".join(rows) + "\n")
    report = shop.sync()
    march = [(r["order_id"], r["event"], r["status"], r["unreadable"]) for r in shop.raw("orders", "2020-03-01")]
    assert march == [
        ("a", "placed", None, None),
        ("b", "placed", None, None),
        ("c", "placed", None, None),
        ("c", "returned", None, None),
        ("d", "placed", "cancelled", None),
        ("e", "cancelled", None, "cancelled_at lies before ordered_at"),
        ("e", "placed", None, None),
        ("f", "cancelled", None, "cancelled_at is not a date or time"),
        ("f", "placed", None, None),
        ("g", "placed", None, None),
    ]
    assert [(r["order_id"], r["event"]) for r in shop.raw("orders", "2020-04-01")] == [("b", "cancelled")]
    assert [(r["order_id"], r["event"]) for r in shop.raw("orders", "2020-05-01")] == [("f", "returned")]
    assert report.state.last == "2020-05-01"
    assert report.rows["orders"] == 7


def test_rule_1_a_cancellation_to_come_leaves_no_trace_before(tmp_path: Path) -> None:
    early, late = (
        World(tmp_path / "a", tables(orders="orders*.csv")),
        World(tmp_path / "b", tables(orders="orders*.csv")),
    )
    early.write("orders.csv", STATES + "a,1,2020-03-01,1,shipped,,\nb,2,2020-03-02,1,,,\n")
    late.write(
        "orders.csv",
        STATES
        + "a,1,2020-03-01,1,cancelled,2020-04-02,\nb,2,2020-03-02,1,,,2020-05-01\nb,3,2020-04-01,9,,,2020-04-09\n",
    )
    early.sync(), late.sync()
    key = ("raw/orders", "2020-03-01")
    assert early.hashes()[key] == late.hashes()[key]


def test_an_event_still_to_come_is_read_when_its_day_comes(shop: World) -> None:
    shop.write("orders.csv", STATES + "a,1,2020-03-01,1,,2020-07-01,\n")
    assert shop.sync().state.last == "2020-03-01"
    assert shop.sync(today=date(2020, 6, 2)).read == 0
    report = shop.sync(today=date(2020, 7, 1))
    assert (report.read, report.state.last) == (1, "2020-07-01")


@pytest.fixture
def lines(tmp_path: Path) -> World:
    world = World(tmp_path, tables(orders="orders/*.csv", order_lines="lines/*.csv"))
    world.write("orders/1.csv", ORDERS + "a,1,2020-03-01,1\nb,2,2020-03-05,1\n")
    world.write("orders/2.csv", ORDERS + "c,3,2020-04-01,1\n")
    world.write("lines/1.csv", "order_id,product_id,quantity,unit_price\na,x,2,0.3333\nc,y,-1,5\nz,x,1,1\n")
    world.write("lines/2.csv", "order_id,product_id,quantity,unit_price\nb,x,1,1\n")
    return world


def test_lines_take_time_and_customer_of_their_order_and_orphans_are_refused(lines: World) -> None:
    report = lines.sync()
    first, second = lines.raw("order_lines", "2020-03-01")
    assert (first["customer_id"], first["event_at"], first["amount"]) == ("1", datetime(2020, 3, 1), 6_666)
    assert second["customer_id"] == "2"
    assert lines.raw("order_lines", "2020-04-01")[0]["amount"] == -50_000
    orphan = lines.undated("order_lines")
    assert [(r["source_line"], r["reasons"]) for r in orphan] == [
        (4, "order 'z' is not in orders, or has no usable time there")
    ]
    assert report.conservation["order_lines"] == {"lines/1.csv": (3, 2, 1), "lines/2.csv": (1, 1, 0)}
    assert {"customer_id", "ordered_at"} <= set(report.state.tables["order_lines"])


def test_when_orders_change_only_the_lines_they_touch_are_read_again(lines: World, tmp_path: Path) -> None:
    lines.sync()
    lines.write("orders/1.csv", ORDERS + "a,1,2020-03-01,1\nb,2,2020-04-05,1\n")
    assert lines.sync().read == 3  # the orders, lines/2 (order b) and lines/1 (an orphan may have found its order)
    lines.write("orders/3.csv", ORDERS + "z,9,2020-03-03,1\n")
    lines.sync()
    assert lines.undated("order_lines") == []
    lines.write("orders/2.csv", ORDERS + "c,3,2020-04-02,7\n")
    assert lines.sync().read == 2
    fresh = World(tmp_path / "fresh")
    fresh.root = lines.root
    fresh.sync()
    assert fresh.hashes() == lines.hashes()


def test_a_key_repeated_in_a_later_period_is_marked_there(shop: World) -> None:
    shop.write(
        "orders.csv", STATES + "a,1,2020-03-01,1,,2020-04-20,\na,1,2020-04-01,1,,2020-05-01,\na,1,2020-03-09,-1,,,\n"
    )
    shop.sync()
    marks = {
        p: [r for r in shop.raw("orders", p) if r["event"] == "repeated"]
        for p in ("2020-03-01", "2020-04-01", "2020-05-01")
    }
    assert marks["2020-03-01"] == []
    assert [(r["order_id"], r["source_line"], r["unreadable"]) for r in marks["2020-04-01"]] == [
        ("a", 3, "order_id repeats a row of an earlier period")
    ]
    assert [r["source_line"] for r in marks["2020-05-01"]] == [3]


def test_customers_without_a_date_belong_to_the_first_period_and_early_ones_too(shop: World) -> None:
    shop.yaml(tables(orders="orders*.csv", customers="customers.csv"))
    shop.write("orders.csv", ORDERS + "a,1,2020-03-01,1\n")
    shop.write("customers.csv", "customer_id,created_at,segment\n1,,gold\n2,2011-01-01,gold\n3,2020-04-05,\n")
    report = shop.sync()
    assert (report.state.first, report.state.last) == ("2020-03-01", "2020-04-01")
    rows = shop.raw("customers", "2020-03-01")
    assert [(r["customer_id"], r["event_at"]) for r in rows] == [
        ("1", datetime(2020, 3, 1)),
        ("2", datetime(2011, 1, 1)),
    ]
    shop.write("orders2.csv", ORDERS + "b,1,2020-02-01,1\n")
    assert shop.sync().read == 1
    assert [r["event_at"] for r in shop.raw("customers", "2020-02-01")] == [datetime(2020, 2, 1), datetime(2011, 1, 1)]
    assert shop.raw("customers", "2020-03-01") == []


def test_what_is_overwritten_in_place_or_personal_is_only_in_the_snapshot(shop: World) -> None:
    shop.yaml(tables(orders="orders*.csv", customers="customers*.csv"))
    shop.write("orders.csv", ORDERS + "a,1,2020-03-01,1\n")
    head = "customer_id,created_at,segment,consent_marketing,email\n"
    shop.write("customers1.csv", head + "1,2020-03-01,gold,yes,a@example.com\n2,2020-03-01,tin,perhaps,\n")
    shop.write("customers2.csv", head + "1,2020-03-01,silver,no,b@example.com\n")
    shop.sync()
    assert not {"segment", "consent_marketing", "email"} & set(shop.raw("customers", "2020-03-01")[0])
    rows = {r["customer_id"]: r for r in shop.lake.table("snapshot/customers", ["current"]).to_pyarrow().to_pylist()}
    assert (rows["1"]["segment"], rows["1"]["consent_marketing"], rows["1"]["email"]) == (
        "silver",
        False,
        "b@example.com",
    )
    assert rows["2"]["consent_marketing"] is None
    assert all(r["unreadable"] is None for r in shop.raw("customers", "2020-03-01"))


def test_products_lie_in_one_partition(shop: World) -> None:
    shop.yaml(tables(orders="orders*.csv", products="products.csv"))
    shop.write("orders.csv", ORDERS + "a,1,2020-03-01,1\n")
    shop.write("products.csv", "product_id,category,unit_cost\nx,tea,1.25\ny,,abc\n")
    report = shop.sync()
    clean, rejects = shop.cleaned(report, "products", "all")
    assert [(r["product_id"], r["category"], float(r["unit_cost"])) for r in clean] == [("x", "tea", 1.25)]
    assert [r["reasons"] for r in rejects] == ["unit_cost is not a number, or too large"]


def test_every_period_of_the_span_is_published_for_every_table(shop: World) -> None:
    shop.yaml(tables(orders="orders*.csv", messages="messages.csv"))
    shop.write("orders.csv", ORDERS + "a,1,2020-01-01,1\nb,1,2020-04-01,1\n")
    shop.write("messages.csv", "message_id,customer_id,sent_at,body\nm,1,2020-02-01,hello\n")
    shop.sync()
    periods = ["2020-01-01", "2020-02-01", "2020-03-01", "2020-04-01"]
    assert shop.lake.partitions("raw/orders") == shop.lake.partitions("raw/messages") == periods
    assert shop.raw("messages", "2020-04-01") == []
    assert shop.lake.table("raw/messages", periods).count().execute() == 1


def test_weeks_begin_on_monday(tmp_path: Path) -> None:
    shop = World(tmp_path, tables(orders="orders.csv"), grain="week")
    shop.write("orders.csv", ORDERS + "a,1,2020-03-01,1\nb,1,2020-03-02,1\n")
    report = shop.sync()
    assert (report.state.first, report.state.last) == ("2020-02-24", "2020-03-02")


# -- what is read again --------------------------------------------------------------------------


def test_unchanged_files_are_not_read_again_and_a_touched_one_only_hashed(shop: World) -> None:
    for day in (1, 2, 3):
        shop.write(f"orders{day}.csv", ORDERS + f"a{day},1,2020-03-0{day},1\n")
    assert shop.sync().read == 3
    before = shop.hashes()
    os.utime(shop.root / "orders2.csv", ns=(1, 1))
    assert shop.sync().read == 0
    shop.write("orders2.csv", ORDERS + "a2,1,2020-03-02,2\n")
    assert shop.sync().read == 1
    assert shop.hashes() != before


def test_rule_6_an_incremental_sync_equals_a_fresh_one(tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders="orders*.csv"))
    for month in range(1, 5):
        world.write(
            f"orders{month}.csv", ORDERS + "".join(f"{month}-{i},{i},2020-0{month}-0{i + 1},{i}\n" for i in range(5))
        )
    world.sync()
    world.write("orders2.csv", ORDERS + "2-0,9,2020-02-01,7\n1-0,1,2020-03-02,5\n")
    (world.root / "orders4.csv").unlink()
    world.write("orders5.csv", ORDERS + "5-0,1,2020-05-01,1\n")
    world.sync()
    fresh = World(tmp_path / "fresh")
    fresh.root = world.root
    fresh.sync()
    assert fresh.hashes() == world.hashes()


def test_a_period_outside_the_span_is_withdrawn(shop: World) -> None:
    shop.write("orders1.csv", ORDERS + "a,1,2020-03-01,1\n")
    late = shop.write("orders2.csv", ORDERS + "b,1,2020-05-01,1\n")
    shop.sync()
    late.unlink()
    assert shop.sync().state.last == "2020-03-01"
    assert shop.lake.partitions("raw/orders") == ["2020-03-01"]


def test_a_data_file_that_was_collected_is_made_again(shop: World) -> None:
    shop.yaml(tables(orders="orders*.csv", customers="customers.csv"))
    shop.write("orders.csv", ORDERS + "a,1,2020-03-01,1\n")
    shop.write("customers.csv", "customer_id,segment\n1,gold\n")
    report = shop.sync()
    assert report.files == index_files(shop.lake)
    lost = next(f for f in report.files if f.startswith(".data/parts/customers/snapshot"))
    (shop.lake.root / lost).unlink()
    assert shop.sync().read == 1
    assert shop.lake.table("snapshot/customers", ["current"]).count().execute() == 1


def test_a_changed_mapping_reads_again(shop: World) -> None:
    shop.write("orders.csv", ORDERS + "a,1,2020-03-01,1\n")
    shop.sync()
    shop.yaml(tables(orders={"files": "orders*.csv", "columns": "{amount: amount::DOUBLE * 2}"}))
    assert shop.sync().read == 1
    assert shop.raw("orders", "2020-03-01")[0]["amount"] == 20_000


# -- what is wrong with the source ---------------------------------------------------------------


def test_a_home_holds_one_source(shop: World) -> None:
    shop.write("orders.csv", ORDERS + "a,1,2020-03-01,1\n")
    shop.sync()
    shop.yaml(tables(orders="orders*.csv"), name="other")
    with pytest.raises(
        UsageError, match=r"holds the source 'shop', and .*source.yaml is 'other': choose another --home"
    ):
        shop.sync()


def test_nothing_is_published_when_a_file_fails(shop: World) -> None:
    shop.yaml(tables(orders="orders*.csv", messages="messages.csv"))
    shop.write("orders.csv", ORDERS + "a,1,2020-03-01,1\n")
    shop.write("messages.csv", "message_id,customer_id,sent_at\nm,1,2020-02-01\n")
    with pytest.raises(
        UsageError,
        match=r"messages.csv: messages.body is required, and no column maps to it.*message_id, customer_id, sent_at",
    ):
        shop.sync()
    assert shop.hashes() == {}


def test_a_glob_without_files(shop: World) -> None:
    with pytest.raises(
        UsageError, match=r"tables.orders names 'orders\*.csv', which matches no file in .*: mend 'files:'"
    ):
        shop.sync()


def test_a_missing_optional_table_is_said_and_switches_off_nothing(shop: World) -> None:
    shop.yaml(tables(orders="orders*.csv", messages="messages.csv"))
    shop.write("orders.csv", ORDERS + "a,1,2020-03-01,1\n")
    report = shop.sync()
    assert list(report.state.tables) == ["orders"]
    assert "tables.messages names 'messages.csv', which matches no file" in report.warnings[0]


def test_missing_labels_are_said_and_switch_off_nothing(shop: World) -> None:
    shop.yaml(tables(orders="orders*.csv"), more="timezone: Europe/London\ncurrency: GBP\nlabels: {emotion: told.csv}")
    shop.write("orders.csv", ORDERS + "a,1,2020-03-01,1\n")
    [said] = shop.sync().warnings
    assert "labels.emotion names" in said
    assert "told.csv, which does not exist" in said
    shop.write("told.csv", "path,emotion,speaker\n")
    assert shop.sync().warnings == []


def test_a_folder_where_files_should_be(shop: World) -> None:
    (shop.root / "orders").mkdir()
    shop.yaml(tables(orders="orders"))
    with pytest.raises(UsageError, match=r"orders is a folder, not a file"):
        shop.sync()


@pytest.mark.parametrize("text", ["", ORDERS, ORDERS.strip()])
def test_an_empty_table_of_orders(shop: World, text: str) -> None:
    shop.write("orders.csv", text)
    with pytest.raises(CrmError, match=r"The table orders is empty: orders.csv has no rows"):
        shop.sync()


def test_an_empty_file_beside_others_is_noted(shop: World) -> None:
    shop.write("orders1.csv", ORDERS + "a,1,2020-03-01,1\n")
    shop.write("orders2.csv", "")
    assert shop.sync().warnings == ["orders2.csv has no rows."]


def test_no_row_with_a_usable_time(shop: World) -> None:
    shop.write("orders.csv", ORDERS + "a,1,31/12/2019,1\n")
    with pytest.raises(
        CrmError, match=r"None of the 1 rows of orders \(orders.csv\) has a usable ordered_at.*strptime"
    ):
        shop.sync()


# -- what is gone --------------------------------------------------------------------------------


def test_a_file_that_vanished_is_said_with_its_rows_and_periods(shop: World) -> None:
    shop.write("orders1.csv", ORDERS + "a,1,2020-03-01,1\nb,1,2020-04-30 23:30,1\nz,1,never,1\n")
    shop.write("orders2.csv", ORDERS + "c,1,2020-04-01,1\n")
    assert shop.sync().warnings == []
    (shop.root / "orders1.csv").unlink()
    assert shop.sync().warnings == ["orders1.csv is gone: its 3 rows of orders (2020-03 to 2020-04) left the home."]
    assert shop.sync().warnings == []


def test_a_file_of_another_name_with_the_same_content_is_not_gone(shop: World) -> None:
    shop.write("orders1.csv", ORDERS + "a,1,2020-03-01,1\n")
    shop.sync()
    (shop.root / "orders1.csv").rename(shop.root / "orders-2020-03.csv")
    assert shop.sync().warnings == []


def test_a_table_that_vanished_is_said_too(shop: World) -> None:
    shop.yaml(tables(orders="orders*.csv", messages="messages.csv"))
    shop.write("orders.csv", ORDERS + "a,1,2020-03-01,1\n")
    gone = shop.write("messages.csv", "message_id,customer_id,sent_at,body\nm,1,2020-03-01,hello\n")
    shop.sync()
    shop.lake.publish(
        "clean/messages", "2020-03-01", [shop.lake.stage_query("SELECT 1 AS a")], inputs={}, code_version=""
    )
    gone.unlink()
    assert "messages.csv is gone: its 1 row of messages (2020-03) left the home." in shop.sync().warnings
    begin(shop)
    assert {asset for asset, _ in shop.hashes()} == {"raw/orders", "rejects/orders"}


def test_missing_files_fail_is_a_sentence_and_publishes_nothing(shop: World) -> None:
    shop.yaml(tables(orders="orders*.csv"), more="missing_files: fail")
    gone = shop.write("orders1.csv", ORDERS + "a,1,2020-03-01,1\n")
    shop.write("orders2.csv", ORDERS + "c,1,2020-04-01,1\n")
    shop.sync()
    before = shop.hashes()
    gone.unlink()
    for _ in range(2):
        with pytest.raises(
            CrmError, match=r"orders1.csv is gone: its 1 row of orders \(2020-03\) would leave the home; .*put"
        ):
            shop.sync()
    assert shop.hashes() == before


# -- a home after a fix --------------------------------------------------------------------------


def publish(shop: World, asset: str, *periods: str) -> None:
    for period in periods:
        shop.lake.publish(asset, period, [shop.lake.stage_query("SELECT 1 AS a")], inputs={}, code_version="")


def begin(shop: World) -> None:
    """What a run does before it builds."""
    state = read_state(shop.lake.home)
    assert state is not None
    withdraw(shop.lake, read_state(shop.lake.home, CARRIED), state, Calendar(shop.settings.grain, state.timezone))
    write_state(shop.lake.home, state, CARRIED)


def test_what_was_learned_is_withdrawn_with_its_labels(shop: World) -> None:
    shop.write("orders1.csv", ORDERS + "a,1,2020-03-01,1\nb,1,2020-04-01,1\n")
    report = shop.sync()
    publish(shop, "audio/labels", "all")
    calendar = Calendar(shop.settings.grain, report.state.timezone)
    withdraw(shop.lake, None, replace(report.state, tables={**report.state.tables, "calls": ("recording",)}), calendar)
    assert shop.lake.partitions("audio/labels") == ["all"]
    withdraw(shop.lake, None, report.state, calendar, {"audio/labels"})
    assert shop.lake.partitions("audio/labels") == []


def test_what_was_made_of_periods_outside_the_span_is_withdrawn_and_its_history_kept(shop: World) -> None:
    shop.write("orders1.csv", ORDERS + "a,1,2020-03-01,1\nb,1,2020-04-01,1\n")
    late = shop.write("orders2.csv", ORDERS + "b,1,2020-01-01,1\nc,1,2020-05-01,1\n")
    shop.sync()
    publish(shop, "scores/customers", "2020-01-01", "2020-03-01", "2020-04-01", "2020-05-01")
    publish(shop, "models/churn", "all")
    begin(shop)
    late.unlink()
    shop.sync()
    assert len(shop.lake.partitions("scores/customers")) == 4, "to look at the source takes nothing away"
    begin(shop)
    assert shop.lake.partitions("scores/customers") == ["2020-03-01"]  # April is no longer complete
    assert len(shop.lake.history("scores/customers", "2020-05-01")) == 1
    assert not (shop.lake.root / "scores/customers/period=2020-05-01/part.parquet").exists()
    assert shop.lake.partitions("models/churn") == ["all"]


def test_a_period_scored_before_it_was_complete_stays(shop: World) -> None:
    shop.write("orders1.csv", ORDERS + "a,1,2020-03-01,1\nb,1,2020-04-01,1\n")
    shop.sync()
    begin(shop)
    publish(shop, "scores/customers", "2020-04-01")
    shop.sync()
    begin(shop)
    assert shop.lake.partitions("scores/customers") == ["2020-04-01"]


def test_partitions_of_another_grain_are_withdrawn(tmp_path: Path) -> None:
    shop = World(tmp_path, tables(orders="orders*.csv"))
    shop.write("orders.csv", ORDERS + "a,1,2020-06-01,1\nb,1,2020-07-02,1\n")
    shop.sync(today=date(2020, 8, 1))
    publish(shop, "clean/orders", "2020-06-01", "2020-07-01")  # 1 June 2020 is a Monday: the key of a week, too
    begin(shop)
    shop.settings = Settings(grain="week")
    shop.sync(today=date(2020, 8, 1))
    begin(shop)
    assert shop.lake.partitions("clean/orders") == []
    assert shop.lake.partitions("raw/orders") == ["2020-06-01", "2020-06-08", "2020-06-15", "2020-06-22", "2020-06-29"]


def test_customers_without_a_date_are_known_from_their_first_event(shop: World, tmp_path: Path) -> None:
    shop.yaml(tables(orders="orders*.csv", customers="customers.csv", messages="messages.csv"))
    shop.write("orders.csv", ORDERS + "a,1,2020-01-01,1\nb,2,2020-03-31 23:30,1\nc,2,2020-04-09,1\nd,3,2020-04-02,1\n")
    shop.write("messages.csv", "message_id,customer_id,sent_at,body\nm,3,2020-02-05,hello\n")
    shop.write("customers.csv", "customer_id,country\n1,FR\n2,FR\n3,FR\n4,FR\n")
    report = shop.sync()

    def known() -> dict[str, list[tuple[str, datetime]]]:
        periods = shop.lake.partitions("raw/customers")
        return {p: [(r["customer_id"], r["event_at"]) for r in shop.raw("customers", p)] for p in periods}

    assert known() == {
        "2020-01-01": [
            ("1", datetime(2020, 1, 1)),
            ("4", datetime(2020, 1, 1)),
        ],  # who never did anything: from the start
        "2020-02-01": [("3", datetime(2020, 2, 5))],
        "2020-03-01": [("2", datetime(2020, 3, 31, 22, 30))],
        "2020-04-01": [],
    }
    assert report.conservation["customers"] == {"customers.csv": (4, 4, 0)}
    shop.write("orders.csv", ORDERS + "a,1,2020-01-01,1\nc,2,2020-04-09,1\nd,3,2020-04-02,1\n")
    shop.sync()
    assert known()["2020-04-01"] == [("2", datetime(2020, 4, 8, 23))]
    fresh = World(tmp_path / "fresh")
    fresh.root = shop.root
    fresh.sync()
    assert fresh.hashes() == shop.hashes()
