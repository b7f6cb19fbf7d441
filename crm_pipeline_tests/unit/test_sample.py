"""The made-up company: determinism, dirt, the wrong file, the export as of its day. Its process is judged in test_sample_truth."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from crm_pipeline.errors import UsageError
from crm_pipeline.sample import company, write_company
from crm_pipeline.sample.grid import make_grid


def _hashes(folder: Path) -> dict[str, str]:
    found = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


def _rows(folder: Path, pattern: str, delimiter: str = ",") -> list[dict[str, str]]:
    rows = []
    for path in sorted(folder.glob(pattern)):
        with path.open(encoding="utf-8", newline="") as file:
            rows += list(csv.DictReader(file, delimiter=delimiter))
    return rows


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("shop") / "out"
    return out, write_company(out, customers=400, seed=3)


def test_same_seed_same_bytes_other_seed_others(shop, tmp_path):
    out, _ = shop
    write_company(tmp_path / "again", customers=400, seed=3)
    write_company(tmp_path / "other", customers=400, seed=4)
    assert _hashes(out) == _hashes(tmp_path / "again")
    assert _hashes(out)["orders/2025-03.csv"] != _hashes(tmp_path / "other")["orders/2025-03.csv"]


def test_text_effect_changes_only_the_words(shop, tmp_path):
    out, _ = shop
    write_company(tmp_path / "mute", customers=400, seed=3, text_effect=0.0)
    changed = {name for name, value in _hashes(tmp_path / "mute").items() if _hashes(out)[name] != value}
    assert changed == {"messages.csv", "truth/messages.parquet", "truth/summary.json"}


def test_rows_are_real_ones_and_counted_dirt(shop):
    out, summary = shop
    dirt = json.loads((out / "truth" / "dirt.json").read_text())
    assert dirt == summary["dirt"]
    files = {"orders": "orders/*.csv", "order_lines": "order_lines/*.csv", "products": "products.tsv"}
    for table, real in summary["rows"].items():
        if table == "campaigns":
            assert len((out / "campaigns.jsonl").read_text().splitlines()) == real
            continue
        pattern = files.get(table, f"{table}.csv")
        found = _rows(out, pattern, "\t" if pattern.endswith("tsv") else ",")
        added = sum(n for kind, n in dirt[table].items() if not kind.startswith("whitespace"))
        assert len(found) == real + added, table


def test_every_kind_of_dirt_is_there(shop):
    out, summary = shop
    orders, counts = _rows(out, "orders/*.csv"), summary["dirt"]["orders"]
    extra = [row for row in orders if row["order_no"].startswith("X")]
    assert sum(row["ordered"].startswith("1900") for row in extra) == counts["date_1900"] == 3
    assert sum(row["ordered"].startswith("2099") for row in extra) == counts["date_2099"]
    assert sum(not row["client"] for row in extra) == counts["missing_customer"]
    assert sum(not row["total"] for row in extra) == counts["blank_amount"]
    assert sum(row["total"].startswith("-") for row in extra) == counts["negative_amount"]
    assert sum(row["currency"] == "USD" for row in extra) == counts["other_currency"]
    assert sum(row["client"] != row["client"].strip() for row in orders) == counts["whitespace_and_case_customer_id"]
    readable = sum(_is_time(row["ordered"]) for row in orders)
    assert len(orders) - readable == counts["unreadable_date"]
    twice = [n for n in Counter(tuple(row.values()) for row in orders).values() if n > 1]
    assert len(twice) == counts["exact_duplicate"]
    known = {row["order_no"] for row in orders}
    lines = _rows(out, "order_lines/*.csv")
    assert sum(row["order_no"] not in known for row in lines) == summary["dirt"]["order_lines"]["orphan"]
    assert sum(row["pieces"] == "10000000" for row in lines) == 3
    assert sum(row["birth_year"] == "1066" for row in _rows(out, "customers.csv")) == 3


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def test_the_mend_differs_only_in_the_amounts_of_one_channel(shop):
    out, summary = shop
    assert summary["fix"] == "orders/2026-02.csv"
    assert [p.name for p in (out / "truth" / "fix").rglob("*.csv")] == ["2026-02.csv"]
    wrong, right = _rows(out, summary["fix"]), _rows(out / "truth" / "fix", summary["fix"])
    assert len(wrong) == len(right)
    changed = [(a, b) for a, b in zip(wrong, right, strict=True) if a != b]
    assert changed
    for a, b in changed:
        assert {k for k in a if a[k] != b[k]} == {"total"}
        assert b["channel"].strip().lower() == "app"
        assert float(a["total"]) == pytest.approx(100 * float(b["total"]))
    app = [b for b in right if b["channel"].strip().lower() == "app" and b["total"] not in ("", "0.00")]
    assert len(changed) >= len(app) - 3


def test_nothing_is_later_than_the_export(shop):
    out, summary = shop
    end = summary["complete_through"]
    for pattern in ("orders/*.csv", "messages.csv", "cases.csv", "contacts.csv"):
        for row in _rows(out, pattern):
            times = [
                v for k, v in row.items() if k.endswith("_at") or k in ("ordered", "cancelled", "returned", "booked")
            ]
            assert all(t < end or t.startswith("2099") or not _is_time(t) for t in times)


def test_a_period_file_holds_the_orders_of_its_period(shop):
    out, _ = shop
    for path in (out / "orders").glob("*.csv"):
        months = {row["ordered"][:7] for row in _rows(out, f"orders/{path.name}") if row["order_no"].startswith("O")}
        assert months == {path.stem}


def test_leak_bait_is_planted(shop):
    out, _ = shop
    left = {r["customer_id"]: r["left_at"] for r in pq.read_table(out / "truth" / "customers.parquet").to_pylist()}
    lost = [row["customer_no"].strip() for row in _rows(out, "customers.csv") if row["segment"] == "lost"]
    assert sum(left.get(c) is not None for c in lost) > 0.95 * len(lost) > 20
    kinds = {r["message_id"]: r["kind"] for r in pq.read_table(out / "truth" / "messages.parquet").to_pylist()}
    after = [row for row in _rows(out, "messages.csv") if kinds.get(row["message_id"]) == "after leaving"]
    assert len(after) > 10
    assert all(
        _is_time(r["sent_at"]) is False or datetime.fromisoformat(r["sent_at"]) > left[r["client"]] for r in after
    )
    lag = [
        (datetime.fromisoformat(r["booked"]) - datetime.fromisoformat(r["ordered"])).days
        for r in _rows(out, "orders/*.csv")
        if r["order_no"].startswith("O") and _is_time(r["ordered"])
    ]
    assert 0.003 < sum(days >= 4 for days in lag) / len(lag) < 0.02


def test_source_yaml_names_files_and_columns_that_exist(shop):
    out, _ = shop
    source = yaml.safe_load((out / "source.yaml").read_text())
    assert str(source["complete_through"]) == "2026-07-01 00:00:00"
    assert source["synthetic"] is True
    assert source["closed"] is True
    for table, entry in source["tables"].items():
        found = sorted(out.glob(entry["files"]))
        assert found, table
        if found[0].suffix == ".jsonl":
            columns = set(json.loads(found[0].read_text().splitlines()[0]))
        else:
            columns = set(_rows(out, entry["files"], "\t" if found[0].suffix == ".tsv" else ",")[0])
        named = {c for c in entry["columns"].values() if c.isidentifier()}
        assert named <= columns, table
    assert "synthetic" in (out / "README.txt").read_text()


def test_a_big_company_is_parquet_in_chunks_with_the_dirt_beside(tmp_path, monkeypatch):
    monkeypatch.setattr(company, "TEXT_CUSTOMERS", 100)
    summary = write_company(tmp_path / "big", customers=250, chunk=100, seed=5)
    parts = sorted((tmp_path / "big" / "orders").glob("*.parquet"))
    assert len(parts) == 3
    ids = [i for p in parts for i in pq.read_table(p).column("order_no").to_pylist()]
    assert len(ids) == len(set(ids)) == summary["rows"]["orders"]
    extra = _rows(tmp_path / "big", "extra/orders.csv")
    assert len(extra) == sum(summary["dirt"]["orders"].values())
    source = yaml.safe_load((tmp_path / "big" / "source.yaml").read_text())
    assert [e["files"] for e in source["tables"]["orders"]] == ["orders/*.parquet", "extra/orders.csv"]


def test_weeks_end_on_a_sunday_night(tmp_path):
    summary = write_company(tmp_path / "weeks", customers=60, periods=30, grain="week")
    assert summary["complete_through"] == "2026-06-29"
    assert summary["fix"] == "orders/2026-W22.csv"
    assert len(list((tmp_path / "weeks" / "orders").glob("*.csv"))) == 30
    assert make_grid(30, "week").start.weekday() == 0


def test_wrong_use_is_one_sentence(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match="holds other files"):
        write_company(tmp_path, customers=10)
    for wrong in ({"customers": 0}, {"periods": 0}, {"grain": "day"}, {"text_effect": -1.0}, {"seed": -1}):
        with pytest.raises(UsageError):
            write_company(tmp_path / "new", **wrong)
    assert not (tmp_path / "new").exists()


def test_a_second_sample_replaces_the_first(tmp_path):
    write_company(tmp_path / "s", customers=40, periods=18)
    (tmp_path / "s" / "notes.md").write_text("mine")
    write_company(tmp_path / "s", customers=40, periods=6)
    assert len(list((tmp_path / "s" / "orders").glob("*.csv"))) == 6
    assert (tmp_path / "s" / "notes.md").exists()
