"""Rows that a later export repeats, replaces or continues: orders, cases, baskets without numbers, invoices over midnight."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from crm_pipeline.readiness.report import readiness
from crm_pipeline.settings import Settings
from crm_pipeline.sources.spec import load_source
from crm_pipeline_tests.unit.sources_world import World, tables

YAML = tables(orders="orders*.csv")
HEAD = "order_id,customer_id,ordered_at,amount,status\n"
JAN, FEB = "2019-01-01", "2019-02-01"


def facts(world: World, table: str, period: str, *names: str) -> tuple[list[tuple], dict[str, int]]:
    """Return the clean rows' event and named columns, sorted, and the refused rows by reason."""
    clean, rejects = world.cleaned(world.sync(), table, period)
    reasons: dict[str, int] = {}
    for row in rejects:
        reasons[row["reasons"]] = reasons.get(row["reasons"], 0) + 1
    return sorted((r["event"], *(r[n] for n in names)) for r in clean), reasons


def shop(tmp_path: Path, first: str, second: str, yaml: str = YAML, head: str = HEAD, **more: Any) -> World:
    world = World(tmp_path, yaml, **more)
    world.write("orders-1.csv", head + first)
    if second:
        world.write("orders-2.csv", head + second)
    return world


def test_a_later_export_that_repeats_an_order_with_another_amount_is_an_update(tmp_path: Path) -> None:
    world = shop(tmp_path, "a,1,2019-01-05,10,paid\nb,2,2019-01-06,5,paid\n", "a,1,2019-01-05,12,paid\n")
    kept, refused = facts(world, "orders", JAN, "order_id", "amount")
    assert kept == [("placed", "a", 120_000), ("placed", "b", 50_000)]
    assert refused == {"replaced by a later version": 1}


def test_an_order_that_a_later_export_has_as_cancelled_was_not_bought(tmp_path: Path) -> None:
    world = shop(tmp_path, "a,1,2019-01-05,10,paid\nb,2,2019-01-06,5,paid\n", "a,1,2019-01-05,10,Cancelled\n")
    kept, refused = facts(world, "orders", JAN, "order_id")
    assert kept == [("cancelled", "a"), ("placed", "b")]
    assert refused == {"replaced by a later version": 1}


def test_an_order_that_every_later_export_has_as_cancelled_was_not_bought(tmp_path: Path) -> None:
    world = shop(tmp_path, "a,1,2019-01-05,10,paid\n", "a,1,2019-01-05,10,cancelled\n")
    world.write("orders-3.csv", HEAD + "a,1,2019-01-05,10,cancelled\n")
    kept, refused = facts(world, "orders", JAN, "order_id")
    assert kept == [("cancelled", "a")]
    assert refused == {"replaced by a later version": 1, "exact duplicate of an earlier row": 1}


def test_a_status_that_no_earlier_export_had_otherwise_is_a_snapshot_of_the_day_it_was_read(tmp_path: Path) -> None:
    world = shop(tmp_path, "a,1,2019-01-05,10,cancelled\n", "a,1,2019-01-05,10,cancelled\n")
    assert facts(world, "orders", JAN, "order_id") == ([("placed", "a")], {"exact duplicate of an earlier row": 1})


def test_an_order_that_was_reinstated_stands_as_it_was_first_read(tmp_path: Path) -> None:
    world = shop(tmp_path, "a,1,2019-01-05,10,paid\n", "a,1,2019-01-05,10,void\n")
    world.write("orders-3.csv", HEAD + "a,1,2019-01-05,10,shipped\n")
    clean, rejects = world.cleaned(world.sync(), "orders", JAN)
    assert [(r["event"], r["source_file"]) for r in clean] == [("placed", "orders-1.csv")]
    assert sorted((r["source_file"], r["reasons"]) for r in rejects) == [
        ("orders-2.csv", "replaced by a later version"),
        ("orders-3.csv", "exact duplicate of an earlier row"),
    ]


def test_an_order_that_a_later_export_dates_otherwise_stands_once(tmp_path: Path) -> None:
    world = shop(tmp_path, "a,1,2019-02-05,10,paid\nb,2,2019-01-06,5,paid\n", "a,1,2019-01-05,10,paid\n")
    assert facts(world, "orders", JAN, "order_id") == ([("placed", "a"), ("placed", "b")], {})
    assert facts(world, "orders", FEB, "order_id") == ([], {"replaced by a later version": 1})


def test_what_was_recorded_later_holds_whatever_the_files_are_called(tmp_path: Path) -> None:
    head = "order_id,customer_id,ordered_at,amount,recorded_at\n"
    world = shop(tmp_path, "a,1,2019-01-05,12,2019-03-01\n", "a,1,2019-01-05,10,2019-02-01\n", head=head)
    kept, refused = facts(world, "orders", JAN, "order_id", "amount")
    assert (kept, refused) == ([("placed", "a", 120_000)], {"replaced by a later version": 1})


def test_of_one_file_the_version_recorded_last_holds_and_without_the_first(tmp_path: Path) -> None:
    head = "order_id,customer_id,ordered_at,amount,recorded_at\n"
    rows = "a,1,2019-01-05,10,2019-02-01\na,1,2019-01-05,12,2019-03-01\n"
    world = shop(tmp_path / "dated", rows, "", head=head)
    assert facts(world, "orders", JAN, "amount")[0] == [("placed", 120_000)]
    world = shop(tmp_path / "plain", "a,1,2019-01-05,10,paid\na,1,2019-01-05,12,paid\n", "")
    assert facts(world, "orders", JAN, "amount") == ([("placed", 100_000)], {"order_id repeats an earlier row": 1})


def test_a_number_that_another_customer_has_at_another_time_is_no_version_of_the_order(tmp_path: Path) -> None:
    world = shop(tmp_path, "a,1,2019-01-05,10,paid\n", "a,2,2019-02-05,12,paid\n")
    assert facts(world, "orders", JAN, "customer_id")[0] == [("placed", "1")]
    assert facts(world, "orders", FEB) == ([], {"order_id repeats a row of an earlier period": 1})


@pytest.mark.parametrize("bad", ["a,1,2019-01-05,much,paid", "a,,2019-01-05,12,paid", "a,1,soon,12,paid"])
def test_a_later_row_that_is_refused_replaces_nothing(tmp_path: Path, bad: str) -> None:
    world = shop(tmp_path, "a,1,2019-01-05,10,paid\nb,2,2019-01-06,5,paid\n", bad + "\n")
    assert facts(world, "orders", JAN, "order_id", "amount")[0] == [("placed", "a", 100_000), ("placed", "b", 50_000)]


def test_a_row_in_another_currency_replaces_nothing(tmp_path: Path) -> None:
    head = "order_id,customer_id,ordered_at,amount,currency\n"
    world = shop(tmp_path, "a,1,2019-01-05,10,GBP\n", "a,1,2019-01-05,12,EUR\n", head=head)
    assert facts(world, "orders", JAN, "amount")[0] == [("placed", 100_000)]


def test_an_update_that_comes_later_gives_what_a_fresh_home_has(tmp_path: Path) -> None:
    first, second = (
        "a,1,2019-01-05,10,paid\nb,2,2019-02-06,5,paid\n",
        "a,1,2019-01-05,10,cancelled\nb,2,2019-03-06,7,paid\n",
    )
    world = shop(tmp_path / "grown", first, "")
    world.sync()
    world.write("orders-2.csv", HEAD + second)
    world.sync()
    fresh = shop(tmp_path / "fresh", first, second)
    fresh.sync()
    raw = {key: h for key, h in world.hashes().items() if key[0] != "parts/orders"}
    assert raw == {key: h for key, h in fresh.hashes().items() if key[0] != "parts/orders"}


def test_a_case_that_a_later_export_has_as_closed_is_closed(tmp_path: Path) -> None:
    world = shop(
        tmp_path, "a,1,2019-01-05,10,paid\nb,1,2019-02-05,10,paid\n", "", yaml=YAML + tables(cases="cases*.csv")
    )
    head = "case_id,customer_id,opened_at,closed_at\n"
    world.write("cases-1.csv", head + "c,1,2019-01-20,\n")
    world.write("cases-2.csv", head + "c,1,2019-01-20,2019-02-03\n")
    assert facts(world, "cases", JAN, "case_id") == ([("opened", "c")], {"replaced by a later version": 1})
    assert facts(world, "cases", FEB, "case_id") == ([("closed", "c")], {})


LINES = "order_id,customer_id,ordered_at,product_id,quantity,unit_price\n"


def lines(tmp_path: Path, first: str, second: str) -> World:
    world = World(tmp_path, tables(order_lines="lines*.csv"))
    world.write("lines-1.csv", LINES + first)
    world.write("lines-2.csv", LINES + second)
    return world


def basket(name: str, products: str, quantity: int = 1, at: str = "2019-01-05 10:00") -> str:
    return "".join(f"{name},1,{at},{p},{quantity},2\n" for p in products)


def test_a_basket_that_a_later_export_has_otherwise_is_replaced_whole(tmp_path: Path) -> None:
    first = basket("a", "xyz") + basket("b", "pq") + basket("c", "p")
    world = lines(tmp_path, first, basket("a", "xy") + basket("b", "pq") + basket("c", "p", 4))
    kept, refused = facts(world, "order_lines", JAN, "order_id", "product_id", "amount")
    assert [row[1:] for row in kept] == [
        ("a", "x", 20_000), ("a", "y", 20_000), ("b", "p", 20_000), ("b", "q", 20_000), ("c", "p", 80_000)
    ]  # fmt: skip
    assert refused == {"replaced by a later version": 4, "exact duplicate of an earlier row": 2}


def test_files_that_each_have_a_part_of_the_baskets_are_united(tmp_path: Path) -> None:
    world = lines(tmp_path, basket("a", "xyz") + basket("b", "p"), basket("a", "uvw") + basket("b", "qr"))
    kept, refused = facts(world, "order_lines", JAN, "order_id", "product_id")
    assert (len(kept), refused) == (9, {})


def test_one_invoice_whose_lines_cross_the_end_of_a_month_is_one_order(tmp_path: Path) -> None:
    late, early = "2019-01-31 23:58", "2019-02-01 00:02"
    world = lines(tmp_path, basket("a", "xy", at=late) + basket("b", "x", at=early), basket("a", "z", at=early))
    assert [row[1:] for row in facts(world, "order_lines", JAN, "order_id", "product_id")[0]] == [
        ("a", "x"), ("a", "y"), ("a", "z")
    ]  # fmt: skip
    assert facts(world, "order_lines", FEB, "order_id") == ([("placed", "b")], {})


def test_an_order_of_which_lines_come_days_later_stays_in_both_months(tmp_path: Path) -> None:
    world = lines(tmp_path, basket("a", "xy", at="2019-01-30 12:00"), basket("a", "z", at="2019-02-02 12:00"))
    assert len(facts(world, "order_lines", JAN)[0]) == 2
    assert len(facts(world, "order_lines", FEB)[0]) == 1


def test_lines_take_the_time_of_the_version_of_their_order_that_holds(tmp_path: Path) -> None:
    yaml = YAML + tables(order_lines="lines.csv")
    world = shop(tmp_path, "a,1,2019-02-05,10,paid\nb,2,2019-02-06,5,paid\n", "a,1,2019-01-05,10,paid\n", yaml=yaml)
    world.write("lines.csv", "order_id,product_id,quantity,unit_price\na,x,1,10\nb,x,1,5\n")
    world.sync()
    assert [(r["order_id"], r["customer_id"]) for r in world.raw("order_lines", JAN)] == [("a", "1")]


def test_check_counts_what_was_replaced_and_moved_once(tmp_path: Path) -> None:
    late, early = "2019-01-31 23:58", "2019-02-01 00:02"
    world = lines(
        tmp_path, basket("a", "xy", at=late) + basket("c", "pq"), basket("a", "z", at=early) + basket("c", "pq", 3)
    )
    found = next(t for t in readiness(load_source(world.root), Settings()).tables if t.name == "order_lines")
    assert (found.rows, found.kept, found.refused, found.duplicates) == (7, 5, 2, 2)


@pytest.mark.parametrize("bad", ["12,-3", "2000000000,0"])
def test_a_later_version_that_breaks_the_contract_replaces_nothing(tmp_path: Path, bad: str) -> None:
    head = "order_id,customer_id,ordered_at,amount,discount\n"
    world = shop(tmp_path, "a,1,2019-01-05,10,0\n", f"a,1,2019-01-05,{bad}\n", head=head)
    assert facts(world, "orders", JAN, "amount")[0] == [("placed", 100_000)]


def test_a_call_of_which_a_later_export_has_an_unknown_direction_stays(tmp_path: Path) -> None:
    world = shop(tmp_path, "a,1,2019-01-05,10,paid\n", "", yaml=YAML + tables(calls="calls*.csv"))
    head = "call_id,customer_id,started_at,direction\n"
    world.write("calls-1.csv", head + "c,1,2019-01-20,Inbound\n")
    world.write("calls-2.csv", head + "c,1,2019-01-20,sideways\n")
    assert facts(world, "calls", JAN, "direction")[0] == [("started", "in")]


def test_files_are_in_order_of_the_numbers_in_their_names(tmp_path: Path) -> None:
    world = World(tmp_path, YAML)
    for number in (2, 9, 10):
        world.write(f"orders-{number}.csv", f"{HEAD}a,1,2019-01-05,{number},paid\n")
    assert facts(world, "orders", JAN, "amount")[0] == [("placed", 100_000)]


@pytest.mark.parametrize("numbered", [True, False])
def test_of_an_invoice_over_the_end_of_a_month_the_later_version_holds(tmp_path: Path, numbered: bool) -> None:
    late, early = "2019-01-31 23:58", "2019-02-01 00:02"
    world = World(tmp_path, tables(order_lines="lines*.csv"))
    for export, quantity in ((1, 1), (2, 5)):
        rows = [*basket("a", "xy", at=late).splitlines(), *basket("a", "z", quantity, at=early).splitlines()]
        rows = [f"{row},{i}" if numbered else row for i, row in enumerate(rows)]
        world.write(f"lines-{export}.csv", "\n".join([LINES.strip() + ",line_no" * numbered, *rows, ""]))
    kept = facts(world, "order_lines", JAN, "product_id", "amount")[0]
    assert [row[1:] for row in kept] == [("x", 20_000), ("y", 20_000), ("z", 100_000)]
    assert facts(world, "order_lines", FEB) == ([], {"replaced by a later version": 1})
    found = readiness(load_source(world.root), Settings()).tables[0]
    assert (found.kept, found.refused) == (3, 3)


def test_a_row_of_another_group_in_the_same_place_is_not_replaced(tmp_path: Path) -> None:
    groups = "".join(
        f"    - files: 'o*.csv'\n      where: {name} <> ''\n"
        f"      columns: {{order_id: \"'{name}' || id\", customer_id: c, ordered_at: at, amount: {name}}}\n"
        for name in ("web", "store")
    )
    world = World(tmp_path, "  orders:\n" + groups)
    world.write("o1.csv", "id,c,at,web,store\n1,a,2019-01-05,10,20\n")
    world.write("o2.csv", "id,c,at,web,store\n1,a,2019-01-05,11,\n")
    kept = facts(world, "orders", JAN, "order_id", "amount")[0]
    assert kept == [("placed", "store1", 200_000), ("placed", "web1", 110_000)]


def test_numbers_that_begin_anew_are_said_with_the_rows_that_are_lost_by_them(tmp_path: Path) -> None:
    world = shop(tmp_path, "1,a,2019-01-05,10,paid\n", "1,b,2019-02-05,10,paid\n")
    said = [w for w in world.sync().warnings if "orders-2.csv:2" in w]
    assert len(said) == 1
    assert "1 of 2 rows repeat one with other values, and are refused" in said[0]


@pytest.mark.parametrize("numbered", [True, False])
def test_lines_that_came_back_replace_none_that_were_bought(tmp_path: Path, numbered: bool) -> None:
    world = shop(
        tmp_path, "a,1,2019-01-05,10,paid\nb,2,2019-01-06,5,paid\n", "", yaml=YAML + tables(order_lines="lines*.csv")
    )
    head = "order_id,product_id,quantity,unit_price" + ",line_no" * numbered + "\n"
    for month, quantity in ((1, 2), (2, -2)):
        world.write(f"lines-{month}.csv", head + "".join(f"{o},x,{quantity},5{',1' * numbered}\n" for o in "ab"))
    kept, refused = facts(world, "order_lines", JAN, "order_id", "quantity")
    assert [row[:2] for row in kept] == [("placed", "a"), ("placed", "b"), ("returned", "a"), ("returned", "b")]
    assert refused == {}


@pytest.mark.parametrize("bad", ["much,0", "12,-3"])
def test_lines_follow_their_order_when_its_later_version_is_edited_to_be_refused(tmp_path: Path, bad: str) -> None:
    head, yaml = "order_id,customer_id,ordered_at,amount,discount\n", YAML + tables(order_lines="lines.csv")
    world = shop(tmp_path, "a,1,2019-01-05,10,0\nb,2,2019-02-06,5,0\n", "a,1,2019-02-05,12,0\n", yaml=yaml, head=head)
    world.write("lines.csv", "order_id,product_id,quantity,unit_price\na,x,1,10\nb,x,1,5\n")
    world.sync()
    world.write("orders-2.csv", f"{head}a,1,2019-02-05,{bad}\n")
    world.sync()
    assert [r["order_id"] for r in world.raw("order_lines", JAN)] == ["a"]


def test_shards_of_baskets_of_few_products_are_united(tmp_path: Path) -> None:
    draw = random.Random(4)
    shards: tuple[list[str], list[str]] = ([], [])
    for order in range(60):
        for line in range(draw.randint(3, 6)):
            at = f"2019-01-{order % 28 + 1:02d} 09:00"
            shards[line % 2].append(
                f"o{order},{order % 9},{at},p{draw.randint(1, 8)},{line + 1},{draw.randint(1, 5)}\n"
            )
    world = lines(tmp_path, "".join(shards[0]), "".join(shards[1]))
    kept, refused = facts(world, "order_lines", JAN)
    assert (len(kept), refused) == (len(shards[0]) + len(shards[1]), {})
