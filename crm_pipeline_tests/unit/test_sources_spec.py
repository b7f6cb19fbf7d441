"""The source.yaml: what is read from it, and the sentence for everything that can be wrong with it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from crm_pipeline.errors import UsageError
from crm_pipeline.sources.spec import load_source

RECIPES = Path(__file__).parents[2] / "data" / "recipes"
GOOD = "name: shop\ntables:\n  orders: {files: orders.csv}\n"


def load(folder: Path, text: str) -> object:
    (folder / "source.yaml").write_text(text, encoding="utf-8")
    return load_source(folder)


def test_a_folder_or_a_file_and_files_elsewhere(tmp_path: Path) -> None:
    load(tmp_path, GOOD)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "orders.csv").write_text("x")
    source = load_source(tmp_path / "source.yaml", elsewhere)
    assert [source.relative(p) for p in source.matches("*.csv")] == ["orders.csv"]
    assert source.tables["orders"][0].format_of(Path("orders.csv")) == "csv"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2011-12-09T13:00", datetime(2011, 12, 9, 13)),
        ("2011-07-09T13:00", datetime(2011, 7, 9, 12)),
        ("2011-07-09", datetime(2011, 7, 9, 23)),
        ("'2011-07-09'", datetime(2011, 7, 9, 23)),
        ("2011-07-09T13:00:00+02:00", datetime(2011, 7, 9, 11)),
    ],
)
def test_complete_through_is_local_and_a_day_is_meant_whole(tmp_path: Path, text: str, moment: datetime) -> None:
    source = load(tmp_path, GOOD + f"timezone: Europe/London\ncomplete_through: {text}\n")
    assert source.complete_through == moment


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name: [", r"source.yaml line 1, column 8 is not valid YAML"),
        ("- a\n- b", r"source.yaml must hold 'name:', 'timezone:' and 'tables:'; found list"),
        ("name: shop", r"'tables' is missing"),
        (GOOD + "timezome: UTC", r"'timezome' is not known here; did you mean 'timezone'\?"),
        (GOOD + "timezone: Europe/Londn", r"'Europe/Londn' is no time zone; did you mean 'Europe/London'\?"),
        (GOOD + "currency: pounds", r"'currency' is 'pounds': "),
        (GOOD + "complete_through: soon", r"'complete_through': 'soon' is no moment: write it as 2011-12-09T13:00"),
        ("name: shop\ntables:\n  odrers: {files: a.csv}", r"'odrers' is no table; did you mean 'orders'\?"),
        ("name: shop\ntables:\n  customers: {files: a.csv}", r"neither orders nor order_lines"),
        ("name: shop\ntables: orders", r"tables must be 'table: files and columns' lines"),
        (
            "name: shop\ntables:\n  orders: {files: a.csv, colums: {}}",
            r"'tables.orders.0.colums' is not known here; did you mean 'columns'\?",
        ),
        (
            "name: shop\ntables:\n  orders: {files: a.csv, columns: {custmer_id: x}}",
            r"'custmer_id', which is no column of orders; did you mean 'customer_id'\?",
        ),
        (
            "name: shop\ntables:\n  orders: {files: a.csv, format: xml}",
            r"'tables.orders.0.format' is 'xml': input should be 'auto', 'csv'",
        ),
        ("name: shop\ntables:\n  orders: {files: a.csv, encoding: latin-17}", r"'latin-17' is no encoding"),
        ("name: shop\ntables:\n  orders: {columns: {}}", r"'tables.orders.0.files' is missing"),
        (
            "name: shop\ntables:\n  orders: {files: a.csv, columns: [a]}",
            r"columns must be 'canonical column: column or expression' lines",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        load(tmp_path, text)
    assert "source.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_source_yaml(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"source.yaml does not exist: --source must name a source.yaml or a folder that holds one"
    ):
        load_source(tmp_path)


def test_files_elsewhere_must_be_a_folder(tmp_path: Path) -> None:
    load(tmp_path, GOOD)
    with pytest.raises(UsageError, match=r"nowhere is not a folder: --files must name the folder"):
        load_source(tmp_path, tmp_path / "nowhere")


def test_a_yaml_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "source.yaml").write_bytes(b"name: \xff")
    with pytest.raises(UsageError, match=r"is not UTF-8 text \(byte 7\)"):
        load_source(tmp_path)


@pytest.mark.parametrize("name", ["online_retail", "cdnow"])
def test_recipes_are_closed_and_say_how_far_they_are_complete(name: str, tmp_path: Path) -> None:
    source = load_source(RECIPES / f"{name}.yaml", tmp_path)
    assert source.name == name
    assert source.closed
    assert source.complete_through is not None
