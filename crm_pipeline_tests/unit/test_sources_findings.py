"""What a person is told about the values of a source."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline_tests.unit.sources_world import ORDERS, World, tables

STATES = ORDERS.strip() + ",status,cancelled_at\n"


def test_cancelled_states_without_a_date_are_counted(tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders="orders*.csv"))
    world.write("orders1.csv", STATES + "a,1,2020-03-01,1,void,\nb,1,2020-03-02,1,Cancelled,\nc,1,2020-03-02,1,paid,\n")
    world.write("orders2.csv", STATES + "d,1,2020-04-01,1,refunded,\ne,1,2020-04-02,1,cancelled,2020-04-03\n")
    said = [w for w in world.sync().warnings if "cancelled status" in w]
    assert len(said) == 1
    assert said[0].startswith("orders: 3 of 5 rows have a cancelled status without a date")
    assert "cancelled_at" in said[0]
    assert world.sync().warnings == said, "said again though nothing was read again"


def test_nothing_is_said_where_every_cancellation_has_its_date(tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders="orders.csv"))
    world.write("orders.csv", STATES + "a,1,2020-03-01,1,cancelled,2020-03-02\nb,1,2020-03-02,1,paid,\n")
    assert world.sync().warnings == []


MONEY = ORDERS.strip() + ",currency\n"
MIXED = MONEY + "a,1,2020-03-01,1,JPY\nb,1,2020-03-02,1,EUR\nc,1,2020-03-02,1,jpy\nd,1,2020-03-03,1,\n"


def test_two_currencies_and_none_declared_are_not_added_up(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.yaml(tables(orders="orders.csv"), more="timezone: UTC")
    world.write("orders.csv", MIXED)
    with pytest.raises(UsageError, match=r"2 currencies \(JPY in 2 rows, EUR in 1 rows\).*'currency:' in source.yaml"):
        world.sync()
    assert world.lake.index() == {}, "nothing was published"


def test_one_currency_or_a_declared_one_is_no_error(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.yaml(tables(orders="orders.csv"), more="timezone: UTC")
    world.write("orders.csv", MIXED.replace("EUR", "JPY"))
    assert world.sync().warnings == []
    world.yaml(tables(orders="orders.csv"), more="timezone: UTC\ncurrency: JPY")
    world.write("orders.csv", MIXED)
    clean, rejects = world.cleaned(world.sync(), "orders", "2020-03-01")
    assert [r["order_id"] for r in clean] == ["a", "c", "d"]
    assert [r["reasons"] for r in rejects] == ["currency is not JPY"]


@pytest.mark.parametrize(
    ("amounts", "mend"),
    [
        (("825,47", "518,74"), r"'825,47', a decimal comma: for example amount: replace\("),
        (("5.071,96", "1,0"), "'5.071,96', a decimal comma: for example amount: replace"),
        (("€ 3", "12 EUR"), "'€ 3': for example amount: regexp_replace"),
    ],
)
def test_orders_none_of_which_can_be_read_end_in_one_sentence(
    tmp_path: Path, amounts: tuple[str, ...], mend: str
) -> None:
    world = World(tmp_path, tables(orders={"files": "orders.csv", "delimiter": "';'"}))
    rows = [f"{i};1;2020-03-0{i + 1};{amount}" for i, amount in enumerate(amounts)]
    world.write("orders.csv", "order_id;customer_id;ordered_at;amount\n" + "\n".join(rows) + "\n")
    said = r"None of the 2 rows of orders can be used: amount is not an amount in 2, first in orders.csv:2; mend .*"
    with pytest.raises(CrmError, match=said + mend):
        world.sync()


def test_orders_made_of_lines_none_of_which_can_be_read(tmp_path: Path) -> None:
    head = "order_id,customer_id,ordered_at,product_id,quantity,unit_price\n"
    world = World(tmp_path, tables(order_lines="lines.csv"))
    world.write("lines.csv", head + 'a,1,2020-03-01,x,1,"1,5"\n')
    with pytest.raises(CrmError, match="order_lines can be used: unit_price is not a number"):
        world.sync()


def test_lines_that_cannot_be_read_switch_off_nothing_where_orders_have_amounts(tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders="orders.csv", order_lines="lines.csv"))
    world.write("orders.csv", ORDERS + "a,1,2020-03-01,1\n")
    world.write("lines.csv", 'order_id,product_id,quantity,unit_price\na,x,1,"1,5"\n')
    assert (
        world.sync()
        .warnings[0]
        .startswith("order_lines: of 1 rows, unit_price is not a number, or too large in 1, first in")
    )


def test_many_rows_that_cannot_be_read_are_said_and_few_are_not(tmp_path: Path) -> None:
    world, head = World(tmp_path, tables(orders="orders.csv")), "order_id,customer_id,ordered_at,recorded_at\n"
    good = "".join(f"{i},1,2020-03-01,\n" for i in range(18))
    bad = "recorded_at is not a date or time"
    world.write("orders.csv", head + good + "x,1,2020-03-01,abc\n")
    assert not any(bad in said for said in world.sync().warnings)
    world.write("orders.csv", head + good + "x,1,2020-03-01,abc\ny,1,2020-03-01,?\n")
    (said,) = [said for said in world.sync().warnings if bad in said]
    assert said.startswith(f"orders: of 20 rows, {bad} in 2, first in orders.csv:20; mend the mapping of recorded_at")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, True),
        ({"where": "'\"Order Currency\" = ''EUR'''"}, False),
        ({"columns": "{currency: Order Currency}"}, False),
    ],
)
def test_several_currencies_in_a_column_that_nothing_uses_are_said(tmp_path: Path, more: dict, told: bool) -> None:
    world = World(tmp_path)
    world.yaml(tables(orders={"files": "orders.csv", **more}), more="timezone: UTC\ncurrency: EUR")
    world.write(
        "orders.csv",
        ORDERS.strip() + ",Order Currency\na,1,2020-03-01,1,JPY\nb,1,2020-03-02,1,EUR\nc,1,2020-03-02,1,jpy\n",
    )
    said = [w for w in world.sync().warnings if "currencies" in w]
    assert [w.split(", and all")[0] for w in said] == (
        ["orders: 'Order Currency' has 2 currencies (JPY in 2 rows, EUR in 1 rows)"] if told else []
    )
