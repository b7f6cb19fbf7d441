"""What programs export is read, or refused in one sentence with the key of source.yaml that mends it."""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from pathlib import Path

import duckdb
import pytest

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.sources.hints import mends
from crm_pipeline.sources.sync import SyncReport
from crm_pipeline_tests.unit.sources_world import World, tables

ROWS = [("a", "1", "2020-03-01", "10.50"), ("b", "2", "2020-03-02", "20"), ("c", "1", "2020-03-03", "7")]
HEAD = ("order_id", "customer_id", "ordered_at", "amount")
RECORDS = [dict(zip(HEAD, row, strict=True)) for row in ROWS]


def _csv(sep: str = ",", end: str = "\n", rows: list[tuple[str, ...]] = ROWS, head: tuple[str, ...] = HEAD) -> str:
    return "".join(sep.join(row) + end for row in [head, *rows])


def _zipped(name: str, text: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(name, text)
    return made.getvalue()


def _read(folder: Path, name: str, content: str | bytes, **keys: str) -> tuple[World, SyncReport]:
    world = World(folder, tables(orders={"files": name, **keys}))
    world.write(name, content)
    return world, world.sync()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("o.csv", "sep=;\n" + _csv(";")),
        ("o.csv", _csv(end="\r")),
        (
            "o.csv",
            _csv(
                ";", rows=[(*r[:3], f"{r[3]}") for r in ROWS], head=("order_id", "customer_id", "ordered_at", "amount")
            ),
        ),
        ("o.csv.gz", gzip.compress(_csv().encode())),
        ("o.zip", _zipped("o.csv", _csv())),
        ("o.json", "\n".join(map(json.dumps, RECORDS))),
        ("o.json", json.dumps(RECORDS)),
        ("o.json", json.dumps(RECORDS, indent=2)),
        ("o.json", json.dumps({"orders": RECORDS})),
        ("o.json", "\ufeff" + json.dumps({"status": "ok", "orders": RECORDS, "errors": [], "ids": [1, 2]}, indent=2)),
        ("o.json", '{"orders": [' + ",\n".join(map(json.dumps, RECORDS)) + "]}"),
        ("o.json.gz", gzip.compress(json.dumps({"name": "export", "amount": 3, "data": RECORDS}).encode())),
        ("o.jsonl.gz", gzip.compress("\n".join(map(json.dumps, RECORDS)).encode())),
    ],
    ids=[
        "sep-line",
        "carriage-return",
        "semicolon",
        "gz",
        "zip",
        "json-is-lines",
        "json-list",
        "json-indented",
        "json-under-a-key",
        "json-document",
        "json-row-a-line-under-a-key",
        "json-gz",
        "jsonl-gz",
    ],
)
def test_what_programs_export_is_read_as_it_lies(tmp_path: Path, name: str, content: str | bytes) -> None:
    world, _ = _read(tmp_path, name, content)
    assert [(r["order_id"], r["customer_id"], r["amount"]) for r in world.raw("orders", "2020-03-01")] == [
        ("a", "1", 105000), ("b", "2", 200000), ("c", "1", 70000),
    ]  # fmt: skip


def test_of_several_lists_in_a_json_document_the_keys_and_the_mend_are_named(tmp_path: Path) -> None:
    text = json.dumps({"orders": RECORDS, "refunds": RECORDS[:1], "people": [{"name": "Maria Secret"}]}, indent=1)
    with pytest.raises(UsageError) as caught:
        _read(tmp_path, "o.json", text)
    said = str(caught.value)
    assert "3 lists of objects: 'orders' (3), 'refunds' (1), 'people' (1)" in said
    assert """jq -c '.["orders"][]' o.json > orders.jsonl""" in said
    assert "Secret" not in said


@pytest.mark.parametrize("indent", [None, 2])
def test_one_row_that_holds_lists_is_a_row(tmp_path: Path, indent: int | None) -> None:
    row = RECORDS[0] | {"lines": [{"product_id": "p", "quantity": 1}], "payments": [{"amount": 3}]}
    world, _ = _read(tmp_path, "o.json", json.dumps(row, indent=indent))
    assert [r["order_id"] for r in world.raw("orders", "2020-03-01")] == ["a"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n"orders": {"a": {"total": 1}}}', "no key of it holds a list of objects"),
        ('{"orders": [\n{"order_id": "a"},\n', "begins as one JSON document and is none"),
        ("[1, 2]", "not one of objects with named values"),
    ],
)
def test_a_json_document_without_rows_is_told_in_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        _read(tmp_path, "o.json", text)


def test_half_a_character_in_a_json_document_refuses_its_row_alone(tmp_path: Path) -> None:
    world, _ = _read(tmp_path, "o.json", json.dumps({"orders": [*RECORDS, RECORDS[0] | {"channel": "\ud83d"}]}))
    assert len(world.raw("orders", "2020-03-01")) == 3
    assert [r["reasons"] for r in world.undated("orders")] == [
        "holds half of a character (a surrogate without its other half)"
    ]


def test_a_broken_first_line_leaves_the_other_json_lines(tmp_path: Path) -> None:
    world, report = _read(tmp_path, "o.jsonl", '{"order_id": "x", \n' + "\n".join(map(json.dumps, RECORDS)))
    assert [r["order_id"] for r in world.raw("orders", "2020-03-01")] == ["a", "b", "c"]
    assert report.undated == {"orders": 1}


def test_lines_before_the_header_are_skipped_and_the_key_is_named(tmp_path: Path) -> None:
    text = "Orders of the year, all\nmade on 2020-04-01\n\n" + _csv()
    with pytest.raises(UsageError, match="Line 4 looks like the header line: give 'skip: 3'"):
        _read(tmp_path / "a", "o.csv", text)
    world, _ = _read(tmp_path / "b", "o.csv", text, skip="3")
    assert [r["source_line"] for r in world.raw("orders", "2020-03-01")] == [5, 6, 7]


def test_the_delimiter_is_what_parts_all_lines_alike(tmp_path: Path) -> None:
    head = ("order_id", "customer_id", "ordered_at", "amount", "note, free, long, text, of, the, clerk")
    world, _ = _read(tmp_path / "a", "o.csv", _csv(";", rows=[(*r, "x") for r in ROWS], head=head))
    assert len(world.raw("orders", "2020-03-01")) == 3
    with pytest.raises(UsageError, match="give 'delimiter: \"~\"'"):
        _read(tmp_path / "b", "o.csv", _csv("~"))
    with pytest.raises(UsageError, match=r"'\|\|' is no delimiter: give one character"):
        _read(tmp_path / "c", "o.csv", _csv("|"), delimiter="'||'")


def test_quotes_escaped_by_a_backslash_are_read(tmp_path: Path) -> None:
    text = _csv(rows=[(*r, '"a \\"big, red\\" one"') for r in ROWS], head=(*HEAD, "channel"))
    world, _ = _read(tmp_path, "o.csv", text)
    assert {r["channel"] for r in world.raw("orders", "2020-03-01")} == {'a "big, red" one'}


@pytest.mark.parametrize(
    ("written", "declared", "named"), [("cp1252", "utf-8", "cp1252"), ("utf-8", "latin-1", "utf-8")]
)
def test_a_wrong_encoding_names_the_one_that_fits(tmp_path: Path, written: str, declared: str, named: str) -> None:
    head, rows = (*HEAD, "Größe"), [(*r, "größer") for r in ROWS]
    with pytest.raises(UsageError, match=f"by its header line: set 'encoding: {named}'"):
        _read(tmp_path / "a", "o.csv", _csv(head=head).encode(written), encoding=declared)
    text = _csv(head=(*HEAD, "size"), rows=rows[:1] + [(*r, "x") for r in ROWS[1:]])
    _, report = _read(tmp_path / "b", "o.csv", text.encode(written), encoding=declared)
    assert re.search(f"{named}", report.warnings[0])
    assert "encoding:" in report.warnings[0]


def test_utf_16_without_a_mark_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'encoding: utf-16-le' fits"):
        _read(tmp_path / "a", "o.csv", _csv().encode("utf-16-le"))
    assert (
        len(
            _read(tmp_path / "b", "o.csv", _csv().encode("utf-16-le"), encoding="utf-16-le")[0].raw(
                "orders", "2020-03-01"
            )
        )
        == 3
    )


def test_no_message_prints_a_row(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        _read(tmp_path / "a", "o.csv", json.dumps({**RECORDS[0], "name": "Maria Secret", "place": "Cologne"}) + "\n")
    assert "Secret" not in str(caught.value)
    with pytest.raises(UsageError, match="is its first line a row") as caught:
        _read(tmp_path / "b", "o.csv", "Maria Secret,7,2020-03-01\n")
    assert "Secret" not in str(caught.value)


def test_blank_rows_are_empty_rows_counted_once(tmp_path: Path) -> None:
    world, report = _read(tmp_path, "o.csv", _csv() + ",,,\n" * 3 + ' , ,"",\n')
    assert {r["reasons"] for r in world.undated("orders")} == {"empty row"}
    assert (report.rows["orders"], report.undated["orders"]) == (7, 4)


def test_where_leaves_rows_out_and_keeps_them_in_rejects(tmp_path: Path) -> None:
    text = _csv(rows=[(*r, s) for r, s in zip(ROWS, ("Won", "Lost", ""), strict=True)], head=(*HEAD, "stage"))
    world, _ = _read(tmp_path / "a", "o.csv", text, where="stage = 'Won'")
    assert [r["order_id"] for r in world.raw("orders", "2020-03-01")] == ["a"]
    assert [r["reasons"] for r in world.undated("orders")] == ["left out by where"] * 2
    with pytest.raises(UsageError, match=r"orders.where: the file has no column 'stge'; did you mean 'stage'\?"):
        _read(tmp_path / "b", "o.csv", text, where="stge = 'Won'")
    with pytest.raises(CrmError, match="they are left out by where"):
        _read(tmp_path / "c", "o.csv", text, where="stage = 'won'")


def test_where_holds_for_a_table_without_times_too(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        tables(
            orders="o.csv",
            products={"files": "p.csv", "where": "kind <> 'test'"},
            customers={"files": "c.csv", "where": "kind <> 'test'"},
        ),
    )
    world.write("o.csv", _csv())
    world.write("p.csv", "product_id,kind\np,real\nq,test\n,\n")
    world.write("c.csv", "customer_id,segment,kind\n1,x,real\n2,x,test\n")
    report = world.sync()
    assert [r["product_id"] for r in world.raw("products", "all")] == ["p"]
    assert sorted(r["reasons"] for r in world.undated("products")) == ["empty row", "left out by where"]
    assert (report.rows["customers"], report.undated["customers"]) == (2, 1)


def test_all_missing_columns_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"orders.order_id, orders.customer_id, orders.ordered_at are required"):
        _read(tmp_path / "a", "o.csv", _csv(head=("nr", "who", "day", "sum")))
    with pytest.raises(UsageError, match=r"no column 'x'; nor 'y' \(orders.ordered_at\)"):
        _read(tmp_path / "b", "o.csv", _csv(), columns="{order_id: x, ordered_at: y}")


def test_a_name_that_yaml_takes_for_yes_or_no_is_to_be_quoted(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="quote it, such as order_id: 'No'"):
        _read(tmp_path, "o.csv", _csv(head=("No", *HEAD[1:])), columns="{order_id: No}")


@pytest.mark.parametrize(
    ("column", "value", "means"),
    [
        ("amount", "1.234,50", "1234.50"),
        ("amount", "12,5", "12.5"),
        ("amount", "$21,042.00", "21042.00"),
        ("amount", "€ 1.234,50", "1234.50"),
        ("amount", "1 234,50 EUR", "1234.50"),
        ("amount", "(12.00)", "-12.00"),
        ("amount", "12.00-", "-12.00"),
        ("amount", "1,234", "1234"),
        ("ordered_at", "44929.25", "2023-01-03 06:00:00"),
        ("ordered_at", "1672704000", "2023-01-03 00:00:00"),
        ("ordered_at", "1672704000000", "2023-01-03 00:00:00"),
        ("ordered_at", "20230103", "2023-01-03 00:00:00"),
        ("ordered_at", "31.01.2023", "2023-01-31 00:00:00"),
        ("ordered_at", "01/31/2023", "2023-01-31 00:00:00"),
        ("ordered_at", "31/01/23 13:05", "2023-01-31 13:05:00"),
        ("ordered_at", "2023-01-03 01:30 PM", "2023-01-03 13:30:00"),
        ("ordered_at", "3 Jan 2023", "2023-01-03 00:00:00"),
        ("ordered_at", "Jan 3, 2023", "2023-01-03 00:00:00"),
    ],
)
def test_the_mapping_that_is_named_reads_the_value(column: str, value: str, means: str) -> None:
    found = mends(CANONICAL["orders"].column(column), "v", value)
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        as_text = "::TIMESTAMP::VARCHAR" if column == "ordered_at" else ""
        assert con.execute(f"SELECT ({found[0]}){as_text} FROM (SELECT ? AS v)", [value]).fetchall() == [(means,)]


@pytest.mark.parametrize("value", ["abc", "", "n.d.", "42"])
def test_no_mapping_is_named_where_none_is_known(value: str) -> None:
    assert mends(CANONICAL["orders"].column("ordered_at"), "v", value) == []


def test_the_value_that_cannot_be_read_is_shown_with_its_mend(tmp_path: Path) -> None:
    text = _csv(
        rows=[(*r[:2], f"0{i + 1}.03.2020", r[3]) for i, r in enumerate(ROWS)],
        head=("order_id", "customer_id", "Order Date", "amount"),
    )
    with pytest.raises(
        CrmError, match=r"\('01.03.2020': for example ordered_at: strptime\(\"Order Date\", '%d.%m.%Y'\)"
    ):
        _read(tmp_path, "o.csv", text, columns="{ordered_at: Order Date}")


@pytest.mark.parametrize("nothing", ["NULL", "nan", "\\N", "#N/A", "None", "nil", "(null)", "#REF!", "(blank)"])
def test_nothing_is_nothing_in_an_id(tmp_path: Path, nothing: str) -> None:
    world, _ = _read(tmp_path, "o.csv", _csv(rows=[(r[0], nothing, *r[2:]) for r in ROWS]))
    assert {r["customer_id"] for r in world.raw("orders", "2020-03-01")} == {None}
