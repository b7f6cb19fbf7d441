"""The contracts: what raw, clean and snapshot hold, the audit of a clean table, the documentation."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import ibis
import pytest

from crm_pipeline.contracts.canonical import CANONICAL, clean_names, lake_columns
from crm_pipeline.contracts.core import IBIS_TYPES, TableContract, audit
from crm_pipeline.contracts.docs import tables_markdown

ORDERS = CANONICAL["orders"]
GOOD: dict[str, Any] = {
    "order_id": "a", "customer_id": "1", "amount": 15_000, "discount": 0, "channel": "web",
    "event": "placed", "event_at": datetime(2020, 3, 1), "source_file": "a.csv",
}  # fmt: skip


def table(*rows: dict[str, Any], contract: TableContract = ORDERS) -> ibis.Table:
    types = {c.name: IBIS_TYPES[c.kind] for c in contract.clean_columns}
    types |= {"event": "string", "event_at": "timestamp(6)", "source_file": "string"}
    schema = ibis.schema({name: types[name] for name in rows[0]})
    return ibis.memtable([tuple(r.values()) for r in rows], schema=schema)


def test_a_clean_table_passes_and_so_does_an_empty_one() -> None:
    good = table(GOOD, {**GOOD, "event": "returned"})
    assert audit(good, ORDERS) == []
    assert audit(good.filter(good.amount < 0), ORDERS) == []


@pytest.mark.parametrize(
    ("change", "failure"),
    [
        ({"customer_id": None}, "customer_id is missing in 1 rows"),
        ({"event_at": None}, "event_at is missing in 1 rows"),
        ({"event": "lost"}, "event is none of placed, cancelled, returned in 1 rows"),
        ({"event": None}, "event is none of placed, cancelled, returned in 1 rows"),
        ({"amount": -1}, "amount is negative in 1 rows"),
        ({"amount": 10**13 + 1}, "amount is above 1000000000 in 1 rows"),
        ({"source_file": None}, "source_file is missing in 1 rows"),
        ({"order_id": "a"}, "order_id, customer_id, event is repeated in 1 rows"),
    ],
)
def test_every_broken_rule_is_named(change: dict[str, Any], failure: str) -> None:
    assert audit(table(GOOD, {**GOOD, "order_id": "b", **change}), ORDERS) == [failure]


def test_events_outside_their_period_are_named() -> None:
    start, end = datetime(2020, 3, 1), datetime(2020, 4, 1)
    rows = table(
        GOOD, {**GOOD, "order_id": "b", "event_at": end}, {**GOOD, "order_id": "c", "event_at": datetime(2020, 2, 29)}
    )
    assert audit(rows, ORDERS, start=start, end=end) == [
        "event_at lies before the period in 1 rows",
        "event_at lies after the period in 1 rows",
    ]


def test_a_wrong_schema_is_named() -> None:
    rows = table(GOOD)
    assert audit(rows.mutate(amount=rows.amount.cast("float64")), ORDERS) == ["column amount is float64, not int64"]
    assert audit(rows.drop("customer_id"), ORDERS) == ["column customer_id is missing"]
    assert audit(rows.mutate(email=rows.channel), ORDERS) == ["column email does not belong into clean/orders"]


def test_values_of_a_closed_list_are_audited() -> None:
    contacts = CANONICAL["contacts"]
    row = {
        "campaign_id": "c",
        "customer_id": "1",
        "arm": "maybe",
        "event": "sent",
        "event_at": datetime(2020, 3, 1),
        "source_file": "a.csv",
    }
    assert audit(table(row, contract=contacts), contacts) == ["arm is not treatment or control in 1 rows"]


@pytest.mark.parametrize("name", list(CANONICAL))
def test_rule_1_what_is_overwritten_in_place_or_personal_is_never_a_fact(name: str) -> None:
    contract = CANONICAL[name]
    hidden = {c.name for c in contract.snapshot_columns} | set(contract.times)
    for layer in ("raw", "clean"):
        assert not hidden & {c.name for c in lake_columns(layer, name, [c.name for c in contract.columns])} - {
            "event_at"
        }


def test_unmapped_optional_columns_are_not_in_the_clean_table() -> None:
    assert clean_names(ORDERS, ["order_id", "customer_id", "ordered_at"]) == ["order_id", "customer_id", "amount"]
    assert [c.name for c in lake_columns("clean", "products", ["product_id", "brand"])] == [
        "product_id",
        "brand",
        "source_file",
    ]


def test_every_column_is_described_and_documented() -> None:
    text = tables_markdown()
    for contract in CANONICAL.values():
        assert contract.rules_markdown() in text
        for column in contract.columns:
            assert column.description
            assert column.derived or column.beside or f"| `{column.name}` |" in text
    assert "- `birth_year`: at least 1,900 and at most 2,030" in text


def test_bounds_hold_for_decimals() -> None:
    lines = CANONICAL["order_lines"]
    row = {
        "order_id": "a", "customer_id": "1", "product_id": "x", "quantity": Decimal(1_000_001), "unit_price": Decimal("-0.01"),
        "amount": 1, "event": "placed", "event_at": datetime(2020, 3, 1), "source_file": "a.csv",
    }  # fmt: skip
    assert audit(table(row, contract=lines), lines) == [
        "quantity is above 1000000 in 1 rows",
        "unit_price is below 0 in 1 rows",
    ]
