"""Cleaning: what is refused and why, which of several equal rows is kept, and what becomes of signs and states."""

from __future__ import annotations

from pathlib import Path

import ibis
import pytest

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.contracts.core import audit
from crm_pipeline.readiness import readiness
from crm_pipeline.settings import Settings
from crm_pipeline.sources.spec import load_source
from crm_pipeline.transforms.cleaning import clean_table, derive_orders, unknown_customers
from crm_pipeline_tests.unit.sources_world import ORDERS, World, tables

MARCH = "2020-03-01"


def orders(tmp_path: Path, *lines: str, header: str = ORDERS) -> tuple[World, list[dict], dict[int, str]]:
    world = World(tmp_path, tables(orders="orders.csv"))
    world.write("orders.csv", header + "\n".join(lines) + "\n")
    report = world.sync()
    clean, rejects = world.cleaned(report, "orders", MARCH)
    return world, clean, {r["source_line"]: r["reasons"] for r in rejects}


def test_every_reason_is_said_and_the_row_kept(tmp_path: Path) -> None:
    head = "order_id,customer_id,ordered_at,amount,currency,discount\n"
    world, clean, refused = orders(
        tmp_path,
        "a,1,2020-03-01,1,gbp,0.5",
        ",,2020-03-01,1,EUR,",
        "c,1,2020-03-01,2000000000,GBP,",
        "d,1,2020-03-01,x,,-1",
        "e,1,2020-03-01,-5,,-1",
        header=head,
    )
    found = sorted((r["order_id"], r["event"], r["amount"], r["discount"]) for r in clean)
    assert found == [
        ("a", "placed", 10_000, 5_000),
        ("e", "returned", 50_000, 10_000),
    ]
    assert refused == {
        3: "currency is not GBP; order_id is missing; customer_id is missing",
        4: "amount is above 1000000000",
        5: "amount is not an amount; discount is below 0",
    }
    _, rejects = world.cleaned(world.sync(), "orders", MARCH)
    content = {r["source_line"]: r["content"] for r in rejects}
    assert content[4].startswith('{"order_id":"c","customer_id":"1","status":null,"amount":20000000000000')
    assert (
        content[5]
        == '{"order_id":"d","customer_id":"1","ordered_at":"2020-03-01","amount":"x","currency":null,"discount":"-1"}'
    )


def test_of_equal_rows_the_first_is_kept_and_of_equal_keys_the_first_valid_one(tmp_path: Path) -> None:
    _, clean, refused = orders(
        tmp_path,
        "a,1,2020-03-02,1",
        "a,1,2020-03-02,1",
        "a,1,2020-03-02,2",
        "b,1,2020-03-05,x",
        "b,1,2020-03-06,3",
        "b,1,2020-03-04,4",
        "c,1,2020-03-04,4",
        "c,1,2020-03-09,-4",
    )
    assert sorted((r["order_id"], r["event"], r["amount"]) for r in clean) == [
        ("a", "placed", 10_000), ("b", "placed", 40_000), ("c", "placed", 40_000), ("c", "returned", 40_000),
    ]  # fmt: skip
    assert refused == {
        3: "exact duplicate of an earlier row",
        4: "order_id repeats an earlier row",
        5: "amount is not an amount",
        6: "order_id repeats an earlier row",
    }


def test_a_row_marked_as_repeat_of_an_earlier_period_is_refused(tmp_path: Path) -> None:
    world, clean, refused = orders(tmp_path, "a,1,2020-02-02,1", "a,1,2020-03-02,2", "b,1,2020-03-02,1")
    assert [r["order_id"] for r in clean] == ["b"]
    assert refused == {3: "order_id repeats a row of an earlier period"}
    clean, _ = world.cleaned(world.sync(), "orders", "2020-02-01")
    assert [r["order_id"] for r in clean] == ["a"]


def test_rule_1_a_cancelled_state_without_its_date_leaves_the_order_placed(tmp_path: Path) -> None:
    head = "order_id,customer_id,ordered_at,amount,status\n"
    _, clean, _ = orders(
        tmp_path,
        "a,1,2020-03-02,1,Cancelled",
        "b,1,2020-03-02,1,refunded",
        "c,1,2020-03-02,-1,void",
        "d,1,2020-03-02,1,paid",
        header=head,
    )
    assert [(r["order_id"], r["event"]) for r in sorted(clean, key=lambda r: r["order_id"])] == [
        ("a", "placed"), ("b", "placed"), ("c", "returned"), ("d", "placed"),
    ]  # fmt: skip
    assert "status" not in clean[0]


@pytest.mark.parametrize("status", ["cancelled", "Refunded", "void", "returned"])
def test_rule_1_a_status_overwritten_later_changes_nothing_of_the_period(tmp_path: Path, status: str) -> None:
    head = "order_id,customer_id,ordered_at,amount,status,cancelled_at\n"
    _, before, _ = orders(tmp_path / "a", "a,1,2020-03-02,1,shipped,", "b,1,2020-03-03,2,,", header=head)
    _, after, _ = orders(tmp_path / "b", f"a,1,2020-03-02,1,{status},", "b,1,2020-03-03,2,,", header=head)
    assert before == after


@pytest.mark.parametrize(
    ("quantity", "price", "amount"),
    [
        ("10000", "0.00125", 125_000),
        ("-10000", "0.00125", 125_000),
        ("0.00005", "10000", 5_000),
        ("3", "0.00005", 2),  # 0.00015, half away from zero
        ("1000000", "0.00000001", 100),
        ("12", "2.55", 306_000),
    ],
)
def test_the_amount_of_a_line_is_rounded_once(tmp_path: Path, quantity: str, price: str, amount: int) -> None:
    world = World(tmp_path, tables(order_lines="lines.csv"))
    head = "order_id,customer_id,ordered_at,product_id,quantity,unit_price\n"
    world.write("lines.csv", f"{head}a,1,2020-03-02,x,{quantity},{price}\n")
    clean, _ = world.cleaned(world.sync(), "order_lines", MARCH)
    assert [row["amount"] for row in clean] == [amount]


def test_spaces_and_capitals_of_short_lists_are_tidied(tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders="orders.csv", messages="messages.csv"))
    world.write("orders.csv", "order_id,customer_id,ordered_at,amount,channel\na, 1 ,2020-03-01,1,  WEB \n")
    world.write(
        "messages.csv",
        "message_id,customer_id,sent_at,body,direction\nm,1,2020-03-01,Hi,Inbound\nn,1,2020-03-01,Hi,sideways\n",
    )
    report = world.sync()
    clean, _ = world.cleaned(report, "orders", MARCH)
    assert (clean[0]["customer_id"], clean[0]["channel"]) == ("1", "web")
    clean, rejects = world.cleaned(report, "messages", MARCH)
    assert [r["direction"] for r in clean] == ["in"]
    assert [r["reasons"] for r in rejects] == ["direction is not in or out"]


@pytest.fixture
def shop(tmp_path: Path) -> World:
    world = World(tmp_path, tables(orders="orders.csv", order_lines="lines.csv", customers="customers.csv"))
    world.write(
        "orders.csv",
        "order_id,customer_id,ordered_at,status\na,1,2020-03-01,\nb,2,2020-03-01,cancelled\nc,,2020-03-01,\n",
    )
    lines = [
        "a,1,x,2,1.5",
        "a,2,y,-1,3",
        "a,2,y,-2,4",
        "b,1,x,1,1",
        "c,1,x,1,1",
        "a,3,x,0,1",
        "a,4,x,5000000,1",
        "a,5,x,1,-1",
    ]
    world.write("lines.csv", "order_id,line_no,product_id,quantity,unit_price\n" + "\n".join(lines) + "\n")
    world.write("customers.csv", "customer_id\n1\n")
    return world


def _staged(world: World, rows: ibis.Table) -> ibis.Table:
    staged = world.lake.stage(rows)
    return world.lake.engine.table([staged.path], staged.columns)


def test_lines_follow_the_fate_of_their_order(shop: World) -> None:
    report = shop.sync()
    placed = clean_table(
        shop.lake.table("raw/orders", [MARCH]), CANONICAL["orders"], columns=report.state.tables["orders"]
    ).clean
    clean, rejects = shop.cleaned(report, "order_lines", MARCH, orders=_staged(shop, placed))
    assert sorted((r["order_id"], r["line_no"], r["event"], r["quantity"], r["amount"]) for r in clean) == [
        ("a", 1, "placed", 2, 30_000), ("a", 2, "returned", 1, 30_000), ("a", 3, "placed", 0, 0), ("b", 1, "placed", 1, 10_000),
    ]  # fmt: skip
    assert {r["source_line"]: r["reasons"] for r in rejects} == {
        4: "order_id, line_no repeats an earlier row",
        6: "its order is not in orders, or was refused there; customer_id is missing",
        8: "quantity is above 1000000",
        9: "unit_price is below 0",
    }


def test_orders_without_amounts_take_them_from_their_lines(shop: World) -> None:
    report = shop.sync()
    clean, _ = shop.cleaned(report, "orders", MARCH, lines=shop.lake.table("raw/order_lines", [MARCH]))
    amounts = {r["order_id"]: r["amount"] for r in clean}
    assert amounts["a"] == 30_000
    assert amounts["b"] == 10_000


def test_a_customer_unknown_to_customers_is_kept_and_counted(shop: World) -> None:
    report = shop.sync()
    clean, _ = shop.cleaned(report, "orders", MARCH)
    assert {r["customer_id"] for r in clean} == {"1", "2"}
    raw = {name: shop.lake.table(f"raw/{name}", [MARCH]) for name in ("orders", "customers")}
    orders = clean_table(raw["orders"], CANONICAL["orders"]).clean
    assert unknown_customers(orders, raw["customers"]).execute() == 1


def test_orders_are_derived_from_lines_that_have_none(tmp_path: Path) -> None:
    world = World(tmp_path, tables(order_lines="lines.csv"))
    head = "order_id,customer_id,ordered_at,product_id,quantity,unit_price\n"
    rows = [
        "a,1,2020-03-02 10:00,x,2,1.1111",
        "a,1,2020-03-02 09:00,y,1,1",
        "a,1,2020-03-02 11:00,x,-1,1",
        "a,2,2020-03-03,x,1,1",
        "a,1,2020-03-02 10:00,x,2,1.1111",
    ]
    world.write("lines.csv", head + "\n".join(rows) + "\n")
    report = world.sync()
    found = clean_table(
        world.lake.table("raw/order_lines", [MARCH]),
        CANONICAL["order_lines"],
        columns=report.state.tables["order_lines"],
    )
    derived = derive_orders(found.clean)
    assert audit(derived, CANONICAL["orders"]) == []
    assert sorted((r["customer_id"], r["event"], r["amount"], r["event_at"].hour) for r in derived.to_pyarrow().to_pylist()) == [
        ("1", "placed", 54_444, 9), ("1", "returned", 10_000, 11), ("2", "placed", 10_000, 0),
    ]  # fmt: skip


@pytest.mark.parametrize("name", [n for n in CANONICAL if n != "products"])
def test_a_table_with_nothing_but_required_columns_keeps_its_contract(name: str, tmp_path: Path) -> None:
    contract = CANONICAL[name]
    required = [c for c in contract.source_columns if c.required or c.name == contract.main_time]
    values = {"timestamp": "2020-03-01", "decimal": "2", "int": "1"}
    world = World(tmp_path, tables(**{"orders": "orders.csv", name: f"{name}.csv"}))
    world.write("orders.csv", ORDERS + "x,x,2020-03-01,1\n")
    world.write(
        f"{name}.csv",
        ",".join(c.name for c in required) + "\n" + ",".join(values.get(c.kind, "x") for c in required) + "\n",
    )
    report = world.sync()
    found = clean_table(world.lake.table(f"raw/{name}", [MARCH]), contract, columns=report.state.tables[name])
    assert found.rejects.count().execute() == 0
    staged = world.lake.stage(found.clean)
    assert staged.rows == 1
    assert audit(world.lake.engine.table([staged.path], staged.columns), contract) == []


def test_equal_lines_of_one_file_are_kept_and_those_another_file_repeats_are_not(tmp_path: Path) -> None:
    world = World(tmp_path, tables(order_lines="*.csv"))
    head, line = "order_id,customer_id,ordered_at,product_id,quantity,unit_price\n", "a,1,2020-03-01,x,1,2\n"
    world.write("march.csv", head + line * 2 + "b,1,2020-03-01,x,1,2\n")
    world.write("spring.csv", head + line * 2)
    clean, rejects = world.cleaned(world.sync(), "order_lines", "2020-03-01")
    assert [(r["order_id"], r["source_file"]) for r in clean] == [
        ("a", "march.csv"), ("a", "march.csv"), ("b", "march.csv"),
    ]  # fmt: skip
    assert sorted((r["source_file"], r["source_line"], r["reasons"]) for r in rejects) == [
        ("spring.csv", n, "exact duplicate of an earlier row") for n in (2, 3)
    ]
    said = readiness(load_source(world.root), Settings()).warnings
    assert any("1 line is equal to another of the same file" in w for w in said)
