"""Files of every format and every kind of damage: right values, right lines, nothing lost, one sentence each."""

from __future__ import annotations

import codecs
import csv
import io
import json
import tempfile
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.sources.reading import distinct_names, look, scan_plain
from crm_pipeline.sources.records import rewrite
from crm_pipeline.sources.spec import Entry
from crm_pipeline_tests.unit.sources_world import ORDERS, World, tables

CON = duckdb.connect()
ENTRY = Entry(files=("a.csv",), delimiter=",")


def world(tmp_path: Path, name: str, content: str | bytes, **entry: str) -> World:
    made = World(tmp_path, tables(orders={"files": name, **entry}))
    made.write(name, content)
    return made


def rows(made: World, *columns: str) -> list[tuple]:
    made.sync()
    names = ("source_line", *columns)
    return [tuple(r[n] for n in names) for r in made.raw("orders", "2020-03-01")]


ONE = [(2, "a", "1", 15_000), (3, "b", "2", 20_000)]
SHOWN = ("order_id", "customer_id", "amount")


def test_csv_and_its_relatives(tmp_path: Path) -> None:
    lines = ["order_id,customer_id,ordered_at,amount", "a,1,2020-03-01,1.5", 'b,"2",2020-03-02,2']
    assert rows(world(tmp_path / "1", "a.csv", "\n".join(lines)), *SHOWN) == ONE
    assert rows(world(tmp_path / "2", "a.csv", "\r\n".join(lines) + "\r\n"), *SHOWN) == ONE
    assert rows(world(tmp_path / "3", "a.csv", b"\xef\xbb\xbf" + "\n".join(lines).encode()), *SHOWN) == ONE
    assert rows(world(tmp_path / "4", "a.csv", "\n".join(lines).replace(",", ";")), *SHOWN) == ONE
    assert rows(world(tmp_path / "5", "a.tsv", "\n".join(lines).replace(",", "\t")), *SHOWN) == ONE
    assert rows(world(tmp_path / "6", "a.csv", "\n".join(lines).replace(",", "^"), delimiter="'^'"), *SHOWN) == ONE
    assert rows(world(tmp_path / "7", "a.csv", "\n".join(lines).encode("utf-16"), encoding="utf-16"), *SHOWN) == ONE
    weird = World(tmp_path / "8", tables(orders="*.csv"))
    weird.write("we[ir]d*name?.csv", "\n".join(lines))
    assert rows(weird, *SHOWN) == ONE


def test_blank_separated_with_leading_blanks(tmp_path: Path) -> None:
    text = " order_id  customer_id ordered_at amount \r\n\r\n  a   1 2020-03-01   1.5\r\n b 2 2020-03-02 2\r\n"
    assert rows(world(tmp_path, "a.txt", text, format="blank"), *SHOWN) == [
        (3, "a", "1", 15_000),
        (4, "b", "2", 20_000),
    ]


def test_files_without_a_header_line(tmp_path: Path) -> None:
    made = world(
        tmp_path,
        "a.csv",
        "a,1,2020-03-01,1.5\nb,2,2020-03-02,2\n",
        header="[order_id, customer_id, ordered_at, amount]",
    )
    assert rows(made, *SHOWN) == [(1, "a", "1", 15_000), (2, "b", "2", 20_000)]


def test_json_lines(tmp_path: Path) -> None:
    good = {"order_id": "a", "customer_id": 1, "ordered_at": "2020-03-01", "amount": 1.5, "tags": ["x"], "new": True}
    text = json.dumps(good) + "\n\n[1]\n{broken\n" + json.dumps({**good, "order_id": "b", "amount": None}) + "\n"
    made = world(tmp_path, "a.jsonl", text)
    assert rows(made, *SHOWN) == [(1, "a", "1", 15_000), (5, "b", "1", None)]
    assert [(r["source_line"], r["reasons"]) for r in made.undated("orders")] == [
        (3, "not a JSON object"),
        (4, "not a JSON object"),
    ]


def test_json_lines_that_are_no_text_are_refused_as_they_stand(tmp_path: Path) -> None:
    line = '{"order_id": "%s", "customer_id": "1", "ordered_at": "2020-03-01", "amount": "1.5"}'
    key = line[:-1] % "d" + ', "\\ud800": 1}'
    deep = '{"a": ' + "[" * 100_000
    made = world(
        tmp_path, "a.jsonl", "\n".join([line % "\\ud83d\\ude00", line % "\\uD83D", line % "\\udc00\\ud800", key, deep])
    )
    assert rows(made, *SHOWN) == [(1, "\U0001f600", "1", 15_000)]
    refused = made.undated("orders")
    assert [r["source_line"] for r in refused] == [2, 3, 4, 5]
    assert all("half of a character" in r["reasons"] for r in refused[:3])
    assert json.loads(refused[0]["content"]) == {"line": line % "\\uD83D"}


def test_excel(tmp_path: Path) -> None:
    from datetime import datetime

    from openpyxl import Workbook

    made = World(tmp_path, tables(orders={"files": "a.xlsx", "sheet": "Orders"}))
    book = Workbook()
    sheet = book.create_sheet("Orders")
    for row in (
        ["order_id", "customer_id", "ordered_at", "amount"],
        ["a", 1.0, datetime(2020, 3, 1, 12), 1.5],
        [None] * 4,
        ["b", 2, "2020-03-02", 2],
    ):
        sheet.append(row)
    book.save(made.root / "a.xlsx")
    assert rows(made, *SHOWN) == [(2, "a", "1", 15_000), (4, "b", "2", 20_000)]
    made.yaml(tables(orders={"files": "a.xlsx", "sheet": "Sales"}))
    with pytest.raises(UsageError, match=r"a.xlsx has no sheet 'Sales': it has Sheet, Orders"):
        made.sync()


def test_parquet_keeps_types_and_rows(tmp_path: Path) -> None:
    made = World(tmp_path, tables(orders="*.parquet"))
    query = "SELECT 'a' AS order_id, 7 AS customer_id, TIMESTAMPTZ '2020-03-01 10:00:00+02' AS ordered_at, 2.1::DOUBLE AS amount"
    made.lake.engine.con.execute(f"COPY ({query}) TO '{made.root}/1.parquet'")
    query = query.replace("TIMESTAMPTZ", "TIMESTAMP").replace("'a'", "'b'")
    made.lake.engine.con.execute(f"COPY ({query}) TO '{made.root}/2.parquet'")
    found = rows(made, "order_id", "customer_id", "amount", "event_at")
    assert [f[:4] for f in found] == [(1, "a", "7", 21_000), (1, "b", "7", 21_000)]
    assert [f[4].hour for f in found] == [8, 10]


def test_several_globs_with_different_columns_into_one_table(tmp_path: Path) -> None:
    made = World(tmp_path)
    made.yaml(
        "  orders:\n    - files: old.csv\n      columns: {order_id: nr, customer_id: who, ordered_at: \"strptime(day, '%d.%m.%Y')\"}\n"
        "    - {files: [new1.csv, new2.csv], columns: {amount: null}}\n"
    )
    made.write("old.csv", "nr,who,day\na,1,01.03.2020\nx,1,32.03.2020\n")
    made.write("new1.csv", ORDERS + "b,2,2020-03-02,5\n")
    made.write("new2.csv", "amount,ordered_at,customer_id,order_id\n5,2020-03-02,2,c\n")
    assert rows(made, "order_id", "entry", "amount") == [(2, "b", 1, None), (2, "c", 1, None), (2, "a", 0, None)]
    assert [(r["source_line"], r["reasons"]) for r in made.undated("orders")] == [
        (3, "ordered_at is not a date or time")
    ]


def test_values_over_several_lines_keep_exact_lines(tmp_path: Path) -> None:
    head = "order_id,customer_id,ordered_at,channel\n"
    text = head + 'a,1,2020-03-01,"two\nlines"\n\nb,2,2020-03-02,"a ""quoted"" one"\nc,3,2020-03-03,5" pipe\n'
    assert rows(world(tmp_path, "a.csv", text), "order_id", "channel") == [
        (2, "a", "two\nlines"),
        (5, "b", 'a "quoted" one'),
        (6, "c", '5" pipe'),
    ]


def test_malformed_lines_are_kept_with_line_and_reason(tmp_path: Path) -> None:
    lines = ["a,1,2020-03-01,1", "b,2,2020-03-01", "c,3,2020-03-01,1,2", 'd,4,2020-03-01,"open', "e,5,2020-03-01,1"]
    text = ORDERS + "\n".join([*lines, 'f,6,2020-03-01,"x"y"', "g,7,2020-03-01,1,"]) + "\n"
    made = world(tmp_path, "a.csv", text)
    report = made.sync()
    assert [(r["source_line"], r["order_id"]) for r in made.raw("orders", "2020-03-01")] == [
        (2, "a"),
        (6, "e"),
        (8, "g"),
    ]
    assert [(r["source_line"], r["reasons"]) for r in made.undated("orders")] == [
        (3, "3 values where the header has 4"),
        (4, "5 values where the header has 4"),
        (5, "a quoted value is not closed or not escaped"),
        (7, "a quoted value is not closed or not escaped"),
    ]
    assert made.undated("orders")[0]["content"] == '{"line":"b,2,2020-03-01"}'
    assert report.conservation["orders"] == {"a.csv": (7, 3, 4)}
    [note] = report.warnings
    assert note.startswith("a.csv: 4 lines that are no rows are kept in rejects, the first is line 3: 3 values")


def test_a_broken_file_does_not_disturb_the_lines_of_others(tmp_path: Path) -> None:
    made = World(tmp_path, tables(orders="*.csv"))
    made.write("1.csv", ORDERS + "a,1,2020-03-01,1\n")
    made.write("2.csv", ORDERS + 'b,1,2020-03-01,"1\n"\nc,1,2020-03-01,1\n')
    made.write("3.csv", ORDERS + "d,1,2020-03-01,1\ne,1,2020-03-01,1\n")
    assert rows(made, "source_file", "order_id") == [
        (2, "1.csv", "a"),
        (2, "2.csv", "b"),
        (4, "2.csv", "c"),
        (2, "3.csv", "d"),
        (3, "3.csv", "e"),
    ]


def test_mixed_encodings(tmp_path: Path) -> None:
    text = (ORDERS + "a,1,2020-03-01,1\n").encode() + b"M\xfcller,2,2020-03-01,1\n"
    made = world(tmp_path, "a.csv", text)
    report = made.sync()
    assert [(r["source_line"], r["reasons"], r["content"]) for r in made.undated("orders")] == [
        (3, "not valid utf-8", '{"line":"M\\\\xfcller,2,2020-03-01,1"}')
    ]
    assert "line 3: not valid utf-8; set 'encoding:' for it in source.yaml (it is read as utf-8" in report.warnings[0]
    made.yaml(tables(orders={"files": "a.csv", "encoding": "latin-1"}))
    assert rows(made, "order_id") == [(2, "a"), (3, "Müller")]


@pytest.mark.parametrize("encoding", ["latin-1", "ISO-8859-1", "iso8859_1", "l1", "u8"])
def test_native_encodings_are_read_as_they_lie_whatever_their_name(tmp_path: Path, encoding: str) -> None:
    signs = [chr(i) for i in (*range(32, 127), *range(0xA1, 0x100)) if chr(i) not in ' ",']
    text = ORDERS + "".join(f"x{sign}y,1,2020-03-01,1\n" for sign in signs)
    made, said = world(tmp_path, "a.csv", text.encode(encoding), encoding=encoding), []
    made.sync(progress=said.append)
    assert [r["order_id"] for r in made.raw("orders", "2020-03-01")] == [f"x{sign}y" for sign in signs]
    assert said == ["orders: reading a.csv"]


@pytest.mark.parametrize(
    ("start", "order"), [(b"", "x\x85y"), (codecs.BOM_UTF8, "xy")], ids=["a control character", "a UTF-8 mark"]
)
def test_latin_1_that_duckdb_cannot_read_is_read_line_by_line(tmp_path: Path, start: bytes, order: str) -> None:
    """DuckDB 2.0 refuses the control characters, and takes the mark for a part of the first value."""
    text = start + f"{order},1,2020-03-01,1\n\xfc,1,2020-03-01,1\n".encode("latin-1")
    header = "[order_id, customer_id, ordered_at, amount]"
    made = world(tmp_path, "a.csv", text, encoding="latin-1", header=header)
    assert rows(made, "order_id") == [(1, order), (2, "ü")]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x89PNG\r\n\x1a\n....", "a.csv is a PNG image, not csv text"),
        (b"%PDF-1.7\n", "a.csv is a PDF document, not csv text"),
        (b"PK\x03\x04....", "a.csv is a ZIP archive or Office document, not csv text"),
        (b"\x1f\x8b\x08....", "a.csv is gzip-compressed, not csv text"),
        (b" <!DOCTYPE html><html>", "a.csv is an HTML page, not csv text"),
        (ORDERS.encode() + b"a,1,\0,\n", "a.csv line 2 holds a NUL byte, so it is not csv text"),
        (ORDERS.encode("utf-16"), "a.csv is UTF-16 text: set 'encoding: utf-16'"),
    ],
)
def test_a_file_that_is_not_csv(tmp_path: Path, content: bytes, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        world(tmp_path, "a.csv", content).sync()


def test_files_that_are_not_parquet_or_excel(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a.parquet is not a Parquet file"):
        world(tmp_path / "1", "a.parquet", ORDERS * 10).sync()
    with pytest.raises(UsageError, match=r"a.xlsx is not an Excel workbook"):
        world(tmp_path / "2", "a.xlsx", ORDERS).sync()


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = world(tmp_path, "a.csv", ORDERS)
    real = Path.open

    def refusing(self: Path, *args: object, **kwargs: object) -> object:
        if self.name == "a.csv":
            raise PermissionError(13, "Permission denied")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refusing)
    with pytest.raises(CrmError, match=r"a.csv cannot be read \(Permission denied\): mend its rights"):
        made.sync()


@given(
    st.lists(
        st.lists(st.text("ab\"', \n\t;é\u2028\x0b", max_size=6), min_size=1, max_size=3).map(
            lambda v: v + [""] * (3 - len(v))
        ),
        max_size=8,
    )
)
@settings(max_examples=60, deadline=None)
def test_what_a_csv_writer_writes_is_read_back(rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["x", "y", "z"], *rows])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        path.write_text(text.getvalue(), encoding="utf-8", newline="")
        made = rewrite(look(CON, path, "a.csv", ENTRY), ENTRY, Path(folder), "0")
        found = pq.read_table(made.rows).to_pylist()
    assert made.bad == 0
    kept = [r for r in rows if any(v.strip() for v in r)]
    assert [[r[c] or "" for c in "xyz"] for r in found if any((r[c] or "").strip() for c in "xyz")] == kept


@given(st.lists(st.lists(st.text("ab\"';,é\xff\xa0\t ", max_size=6), min_size=2, max_size=2), max_size=8))
@settings(max_examples=60, deadline=None)
def test_latin_1_is_scanned_as_a_csv_writer_wrote_it(rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["x", "y", "z"], *(["k", *row] for row in rows)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        path.write_bytes(text.getvalue().encode("latin-1"))
        item = look(CON, path, "a.csv", Entry(files=("a.csv",), delimiter=",", encoding="latin-1"))
        found = CON.execute(f"SELECT * FROM ({scan_plain([(7, item)])}) ORDER BY __line").fetchall()
    assert item.plain
    assert [(y or "", z or "", n, line) for _, y, z, n, line in found] == [(*r, 7, i) for i, r in enumerate(rows, 2)]


@given(st.binary(max_size=120), st.booleans())
@settings(max_examples=80, deadline=None)
def test_rule_7_every_line_of_any_bytes_is_a_row_or_malformed_or_blank(content: bytes, quoted: bool) -> None:
    content = (
        content.replace(b"\0", b",").replace(b"\r", b";") if quoted else content.replace(b"\0", b"").replace(b'"', b",")
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        path.write_bytes(b"x,y\n" + content)
        made = rewrite(look(CON, path, "a.csv", ENTRY), ENTRY, Path(folder), "0")
        values = [v or "" for r in pq.read_table(made.rows).to_pylist() for v in (r["x"], r["y"])]
    lines = content.split(b"\n")
    blank = sum(not line.decode("utf-8", "backslashreplace").strip() for line in lines)
    spanned = sum(v.count("\n") for v in values)
    if not quoted:
        assert made.count + made.bad + blank == len(lines)
    assert made.count + made.bad <= len(lines)
    assert made.count + made.bad + spanned + blank >= len(lines)


def test_column_names_are_told_apart() -> None:
    assert distinct_names(["a", " A ", "", "a"]) == ["a", "A_2", "column_3", "a_3"]
