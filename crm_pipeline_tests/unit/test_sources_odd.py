"""Odd files and mappings: each is read, or told in one sentence without the engine's words and without a row."""

from __future__ import annotations

import datetime as dt
import io
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crm_pipeline.errors import UsageError
from crm_pipeline.readiness import readiness
from crm_pipeline.settings import Settings
from crm_pipeline.sources.spec import load_source
from crm_pipeline_tests.unit.sources_world import ORDERS, World, tables

ONE = ORDERS + "a,1,2019-01-05,10\n"


def world(tmp_path: Path, name: str, content: str | bytes, **entry: str) -> World:
    made = World(tmp_path, tables(orders={"files": name, **entry}))
    made.write(name, content)
    return made


@pytest.mark.parametrize("where", ["amount", "'x'", "[1]"])
def test_a_where_that_is_no_condition_is_said_without_a_value(tmp_path: Path, where: str) -> None:
    with pytest.raises(UsageError, match="is no condition") as said:
        world(tmp_path, "o.csv", ONE, where=json.dumps(where)).sync()
    assert "10" not in str(said.value).replace(str(tmp_path), "")


def test_a_time_of_day_is_no_time(tmp_path: Path) -> None:
    made = io.BytesIO()
    pq.write_table(
        pa.table({"order_id": ["a"], "customer_id": ["1"], "ordered_at": [dt.time(1)], "amount": [1.0]}), made
    )
    with pytest.raises(UsageError, match=r"mapped to a TIME \(ordered_at\), which has no day"):
        world(tmp_path, "o.parquet", made.getvalue()).sync()


def test_names_of_json_that_differ_in_case_are_columns_of_their_own(tmp_path: Path) -> None:
    row = {"order_id": "a", "customer_id": "1", "ordered_at": "2019-01-05", "amount": 10, "Order_ID": "b"}
    made = world(tmp_path, "o.jsonl", json.dumps(row) + "\n")
    made.sync()
    assert [r["order_id"] for r in made.raw("orders", "2019-01-01")] == ["a"]


def test_hidden_files_of_an_archive_are_none(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("d/orders.csv", ONE)
        archive.writestr("d/.DS_Store", "x")
    assert world(tmp_path, "o.csv.zip", made.getvalue()).sync().rows == {"orders": 1}


def test_encodings_are_called_by_their_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'encoding: utf-32'"):
        world(tmp_path / "a", "o.csv", ONE.encode("utf-32")).sync()
    with pytest.raises(UsageError, match="'punycode' is no encoding of files"):
        world(tmp_path / "b", "o.csv", ONE, encoding="punycode").sync()


def test_a_few_amounts_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    plain = "".join(f"{i},{i},2019-01-05,10\n" for i in range(60))
    (said,) = world(tmp_path, "o.csv", f'{ORDERS}{plain}b,2,2019-01-05,"1,234.00"\n').sync().warnings
    assert "amount is not an amount in 1, first in o.csv:62" in said


def test_a_cancellation_in_other_words_is_doubted(tmp_path: Path) -> None:
    head, row = "order_id,customer_id,ordered_at,amount,status\n", "a,1,2019-01-05,10,Cancelled by user\n"
    (said,) = world(tmp_path, "o.csv", head + row).sync().warnings
    assert "read as bought: 'cancelled by user' in 1 rows" in said


def test_check_doubts_an_id_that_many_orders_have(tmp_path: Path) -> None:
    rows = "".join(f"{i},{'?' if i % 4 == 0 else i},2019-0{i % 3 + 1}-05,10\n" for i in range(40))
    found = readiness(load_source(world(tmp_path, "o.csv", ORDERS + rows).root), Settings()).warnings
    assert any("10 of 40 orders are those of one of 31 customers, '?'" in said for said in found)
