"""The data-readiness report: counts, examples, tasks and the proposed horizon."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crm_pipeline.home.project import Project
from crm_pipeline.readiness import readiness, render_readiness
from crm_pipeline.readiness.horizon import comebacks, proposed, untold
from crm_pipeline.readiness.tasks import Facts, tasks
from crm_pipeline.settings import Settings
from crm_pipeline.sources.spec import load_source
from crm_pipeline_tests.unit.sources_world import ORDERS, World, tables


def test_the_report_counts_and_shows_an_example_of_every_refusal(tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders="orders.csv", customers="customers.csv", messages="gone.csv"))
    rows = [f"{m}-{i},{i},20{18 + m // 12}-{m % 12 + 1:02d}-05,1" for m in range(20) for i in range(m % 3, 5)]
    world.write(
        "orders.csv",
        ORDERS + "\n".join([*rows, "x,1,2018-13-01,1", "y,,2018-03-01,1", "z,,2018-04-01,1", rows[0]]) + "\n",
    )
    world.write("customers.csv", "customer_id,segment\n1,a\n2,a\n1,a\n")
    found = readiness(load_source(world.root), Settings())
    orders = next(t for t in found.tables if t.name == "orders")
    assert (orders.rows, orders.kept, orders.refused, orders.duplicates) == (len(rows) + 4, len(rows), 4, 1)
    assert orders.unknown_customers == sum(row.split(",")[1] not in "12" for row in rows)
    assert (orders.first, orders.last) == ("2018-01-05", "2019-08-05")
    assert [(r.reason, r.rows, r.example) for r in orders.refusals] == [
        ("customer_id is missing", 2, f"orders.csv:{len(rows) + 3}"),
        ("exact duplicate of an earlier row", 1, f"orders.csv:{len(rows) + 5}"),
        ("ordered_at is not a date or time", 1, f"orders.csv:{len(rows) + 2}"),
    ]
    assert "status" in orders.missing
    assert "messages" in found.absent
    assert "matches no file" in found.warnings[0]
    assert {t.name: t.possible for t in found.tasks}["churn"]
    assert json.loads(json.dumps(found.to_dict()))["source"] == "shop"
    assert "ordered_at is not a date or time" in _printed(found)


def _printed(found: Any) -> str:
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=160).print(render_readiness(found))
    return out.getvalue()


def test_ids_written_as_numbers_are_the_same_customers(tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders="orders.parquet", customers="customers.csv"))
    at = (
        pd.to_datetime(["2020-03-01", "2020-03-02", "2020-03-03"])
        .tz_localize("Europe/Berlin")
        .astype("datetime64[ns, Europe/Berlin]")
    )
    frame = pd.DataFrame({"order_id": ["a", "b", "c"], "customer_id": [17850.0, 17851.0, np.nan], "ordered_at": at})
    frame.assign(amount=1.5).to_parquet(world.root / "orders.parquet")
    world.write("customers.csv", "customer_id\n17850\n17851\nNULL\n")
    found = readiness(load_source(world.root), Settings())
    orders, customers = (next(t for t in found.tables if t.name == n) for n in ("orders", "customers"))
    assert (orders.kept, orders.unknown_customers, customers.kept) == (2, 0, 2)
    assert [r.reason for r in orders.refusals] == ["customer_id is missing"]
    assert not any("does not have" in w for w in found.warnings)


def test_orders_of_unknown_customers_are_said_with_an_example(tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders="orders.csv", customers="customers.csv"))
    world.write("orders.csv", ORDERS + "a,C-1,2020-03-01,1\nb,C-2,2020-03-02,1\n")
    world.write("customers.csv", "customer_id\n1\n2\n")
    said = [w for w in readiness(load_source(world.root), Settings()).warnings if "does not have" in w]
    assert len(said) == 1
    assert said[0].startswith(
        "orders: 2 of 2 rows, of 2 of 2 customers, name customers that customers does not have (such as 'C-1', where customers has '1')"
    )
    world.write("orders.csv", ORDERS + "a,1,2020-03-01,1\nb,2,2020-03-02,1\nc,3,2020-03-02,1\n")
    said = [w for w in readiness(load_source(world.root), Settings()).warnings if "does not have" in w]
    assert len(said) == 1
    assert said[0].startswith(
        "orders: 1 of 3 rows, of 1 of 3 customers, name customers that customers does not have; all 2 of"
    )


@pytest.mark.parametrize("transcript", [False, True])
def test_calls_without_recordings_and_without_customers_are_kept_and_told(tmp_path: Path, transcript: bool) -> None:
    world = World(
        tmp_path, tables(orders="orders.csv", customers="customers.csv", calls="calls.csv", cases="cases.csv")
    )
    world.write("orders.csv", ORDERS + "".join(f"{m},1,2020-{m:02d}-05,1\n" for m in range(1, 6)))
    world.write("customers.csv", "customer_id\n1\n")
    more = ",transcript", ",where is it"
    rows = [f"c{n},{'' if n < 12 else n % 2 + 1},2020-02-05{more[1] * transcript}" for n in range(340)]
    world.write("calls.csv", "\n".join([f"call_id,customer_id,started_at{more[0] * transcript}", *rows, ""]))
    world.write("cases.csv", "case_id,opened_at,closed_at\nk,2020-02-05,2020-02-06\n")
    found = readiness(load_source(world.root), Settings())
    calls, cases = (next(t for t in found.tables if t.name == n) for n in ("calls", "cases"))
    assert (calls.kept, calls.refused, calls.without_customer, calls.unknown_customers) == (340, 0, 12, 164)
    assert (cases.kept, cases.refused, cases.without_customer) == (2, 0, 2)
    assert found.to_dict()["tables"][1]["without_customer"] == 0
    said = [w for w in found.warnings if "no customer" in w]
    assert said == [
        "cases: 1 of 1 rows have no customer: kept, counted for nobody; if the files tell whose they are, map customer_id in source.yaml.",
        "calls: 12 of 340 rows have no customer: kept, counted for nobody.",
    ]
    blocks = {t.name: t.blocks for t in found.tasks}
    assert "calls.audio_path is not mapped" in blocks["audio (calls)"][0]
    assert blocks["churn"] == [] or "judged" in blocks["churn"][0]


def test_what_blocks_a_task_is_said() -> None:
    facts = Facts({"orders": ("order_id",), "contacts": ("arm",), "calls": ("audio_path",)}, periods=3, bought=0)
    blocks = {t.name: t.blocks for t in tasks(facts, Settings())}
    assert "no order has a positive amount" in blocks["churn"][0]
    assert "3 months are covered whole, 4 are needed" in blocks["churn"][1]
    assert "contacts.arm names no control arm" in blocks["response"][0]
    assert blocks["text (intent, sentiment)"] == ["there is no table messages"]
    written = tasks(replace(facts, tables={**facts.tables, "messages": ("body",)}), Settings())
    assert next(t for t in written if t.name.startswith("text")).possible
    assert "no recording" in blocks["audio (calls)"][0]
    heard = {t.name: t for t in tasks(replace(facts, recordings=3), Settings())}
    assert heard["audio (calls)"].possible
    ready = {t.name: t for t in tasks(replace(facts, periods=5, bought=9), Settings())}
    assert ready["churn"].possible
    assert "trained but not judged" in ready["churn"].blocks[0]


@pytest.mark.parametrize(
    ("settings", "periods", "said"),
    [
        (
            {},
            9,
            ["judged on at most 1 outcome of 3 months one after another", "no season is known yet: 19 whole months"],
        ),
        ({}, 16, ["judged on at most 1 outcome of 3 months", "no season is known yet"]),
        ({}, 21, ["judged on at most 3 outcomes of 3 months one after another, so no model is chosen by them"]),
        ({}, 24, []),
        ({"evaluation_cutoffs": 2}, 60, ["judged on at most 2 outcomes of 3 months one after another"]),
        ({"grain": "week"}, 103, ["judged on at most 3 outcomes of 13 weeks one after another"]),
        ({"grain": "week"}, 104, []),
    ],
)
def test_what_this_history_allows_is_said(settings: dict[str, Any], periods: int, said: list[str]) -> None:
    facts = Facts({"orders": ("order_id",)}, periods=periods, bought=9)
    blocks = next(t for t in tasks(facts, Settings(**settings)) if t.name == "churn").blocks
    assert len(blocks) == len(said), blocks
    assert all(found.startswith(text) for found, text in zip(blocks, said, strict=True)), blocks
    assert not said or "fixed average stands" in blocks[0]


def test_comebacks_are_counted_over_all_cutoffs() -> None:
    active = np.zeros((100, 10), dtype=bool)
    active[:, 0] = True
    active[:40, 3] = True  # 40 of 100 come back after two silent periods
    [one] = comebacks(active, 12, [2])
    assert (one.horizon, one.follow, one.cutoffs) == (2, 6, 2)
    assert (one.eligible, one.silent) == (200, 160)
    assert one.back == pytest.approx(40 / 160)
    assert proposed([one], 3)[0] == 2


def test_without_enough_data_the_default_horizon_is_kept() -> None:
    assert proposed(comebacks(np.ones((50, 4), dtype=bool), 12, [1, 3]), 3)[0] == 3


def _orders(states: tuple[str, ...] = ("",), amounts: tuple[str, ...] = ("5",), who: int = 25) -> str:
    return "order_id,customer_id,ordered_at,amount,status\n" + "".join(
        f"{i},{i % who},2019-{i // who + 1:02d}-{i % 27 + 1:02d},{amounts[i % len(amounts)]},{states[i % len(states)]}\n"
        for i in range(100)
    )


def test_check_shows_the_states_of_orders_and_how_each_is_read(tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders="orders.csv"))
    world.write("orders.csv", _orders(("Won", "Lost", "Closed Lost", "cancelled")))
    found = readiness(load_source(world.root), Settings())
    assert found.states == {
        "cancelled": (25, "undone, where it has a day"),
        "closed lost": (25, "bought"),
        "lost": (25, "bought"),
        "won": (25, "bought"),
    }
    said = next(w for w in found.warnings if "read as bought" in w)
    assert "'closed lost' in 25 rows, 'lost' in 25 rows" in said
    assert "where: lower(…) NOT IN ('closed lost', 'lost')" in said
    assert "won" not in said


def test_check_tells_customers_without_a_positive_amount_apart(tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders="orders.csv"))
    world.write("orders.csv", _orders(amounts=("0", "0", "0", "0", "5")))
    found = readiness(load_source(world.root), Settings())
    assert (found.customers, found.customers_without_amount) == (5, 20)


def test_check_doubts_an_id_that_every_order_has_anew(tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders="orders.csv"))
    world.write("orders.csv", _orders())
    assert not any("one order" in w for w in readiness(load_source(world.root), Settings()).warnings)
    text = "order_id,customer_id,ordered_at,amount\n" + "".join(
        f"{i},c{i},2019-01-{i % 27 + 1:02d},5\n" for i in range(60)
    )
    world.write("orders.csv", text)
    assert any(
        "each of the 60 customers has one order" in w for w in readiness(load_source(world.root), Settings()).warnings
    )


def test_check_says_which_last_period_is_left_out(tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders="orders.csv"))
    world.write("orders.csv", _orders())
    said = readiness(load_source(world.root), Settings()).warnings[-1]
    assert said.startswith("2019-04 is not covered whole (the data are complete to 2019-04-")
    assert "as of the end of 2019-03" in said


def test_the_reason_why_no_horizon_can_be_proposed_is_the_true_one() -> None:
    assert untold(np.zeros((5, 9), dtype=bool), 12, [1, 3]) == "no complete period has an order with a positive amount"
    assert untold(np.ones((50, 3), dtype=bool), 12, [1, 3]).startswith("3 complete periods are too few")
    assert "0 fell silent at most: 30 are needed" in untold(np.ones((50, 20), dtype=bool), 12, [1, 3])


def test_orders_without_amounts_count_and_churn_is_foretold_alone(tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders={"files": "orders.csv", "columns": "{amount: ''}"}))
    world.write("orders.csv", _orders(amounts=("0",)).replace("2019-04", "2019-09"))
    found = readiness(load_source(world.root), Settings())
    possible = {t.name: t.possible for t in found.tasks}
    assert (found.customers, possible["churn"], possible["demand"]) == (25, True, False)
    assert any("each order counts as one" in w for w in found.warnings)
    assert Project(world.home, Settings(), world.sync().state).tasks == ["churn"]


@pytest.mark.parametrize("none", [("0",), ("", "0", "-3")])
def test_orders_of_which_no_amount_is_positive_count_as_well(tmp_path: Path, none: tuple[str, ...]) -> None:
    world = World(tmp_path, tables(orders="*.csv"))
    world.write("orders.csv", _orders(amounts=none).replace("2019-04", "2019-09"))
    found = readiness(load_source(world.root), Settings())
    tasks_of = {t.name: t for t in found.tasks}
    assert (tasks_of["churn"].possible, tasks_of["demand"].possible) == (True, False)
    assert tasks_of["demand"].blocks[0].startswith("no order has a positive amount, so each counts as one")
    assert any(w.startswith("orders: no amount is positive, nor are there order_lines: each") for w in found.warnings)
    assert "amount" not in found.tables[0].missing, "it is mapped"
    report = world.sync()
    assert Project(world.home, Settings(), report.state).tasks == ["churn"]
    clean, rejects = world.cleaned(report, "orders", report.state.first)
    assert {(r["event"], r["amount"]) for r in clean} - {("returned", 30_000)} == {("placed", 10_000)}
    assert not rejects


def test_a_source_that_gets_a_positive_amount_is_as_if_it_had_always_had_it(tmp_path: Path) -> None:
    world, fresh = (World(tmp_path / name, tables(orders="*.csv")) for name in ("kept", "fresh"))
    files = {"a.csv": ORDERS + "a,1,2020-03-01,0\nb,2,2020-04-01,0\n", "b.csv": ORDERS + "c,1,2020-05-01,7\n"}
    world.write("a.csv", files["a.csv"])
    assert "amount" not in world.sync().state.tables["orders"]
    for one in (world, fresh):
        for name, text in files.items():
            one.write(name, text)
    reports = [one.sync() for one in (world, fresh)]
    assert reports[0].state.tables == reports[1].state.tables
    assert reports[0].state.paid
    assert world.cleaned(reports[0], "orders", "2020-03-01") == fresh.cleaned(reports[1], "orders", "2020-03-01")
    assert world.cleaned(reports[0], "orders", "2020-03-01")[0][0]["amount"] == 0
    (world.root / "b.csv").unlink()
    assert not world.sync().state.paid, "and without it as before"


def test_amounts_that_cannot_be_read_are_not_taken_for_none(tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders="orders.csv"))
    world.write("orders.csv", ORDERS + 'a,1,2020-03-01,0\nb,2,2020-04-01,"7,50"\n')
    report = world.sync()
    assert report.state.paid
    assert not any("counts as one" in w for w in report.warnings)


def test_where_no_amount_is_positive_the_lines_tell_it(tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders="orders.csv", order_lines="lines.csv"))
    world.write("orders.csv", ORDERS + "a,1,2020-03-01,0\nb,2,2020-04-01,0\n")
    world.write("lines.csv", "order_id,product_id,quantity,unit_price\na,p,2,3\n")
    report = world.sync()
    assert report.state.paid
    assert "orders: no amount is positive, so the amounts are those of order_lines." in report.warnings
    lines = world.lake.table("raw/order_lines", ["2020-03-01"])
    assert [r["amount"] for r in world.cleaned(report, "orders", "2020-03-01", lines=lines)[0]] == [60_000]


def test_columns_of_the_files_that_nothing_is_read_from_are_named(tmp_path: Path) -> None:
    yaml = (
        "name: shop\ntimezone: UTC\ncurrency: EUR\ntables:\n  orders:\n    files: o*.csv\n    where: kind <> 'test'\n"
        "    columns: {order_id: nr, customer_id: who, ordered_at: day, amount: CAST(total AS INT) + CAST(fee AS INT)}\n"
    )
    world = World(tmp_path, yaml)
    world.write("o1.csv", "nr,who,day,total,fee,kind,Note,nr_old\na,1,2020-03-01,5,1,x,hi,7\n")
    world.write("o2.csv", "nr,who,day,total,fee,kind,colour\nb,2,2020-04-01,5,1,x,red\n")
    found = readiness(load_source(world.root), Settings())
    assert found.tables[0].unread == ["Note", "nr_old", "colour"]
    assert "Note, nr_old, colour" in _printed(found)
