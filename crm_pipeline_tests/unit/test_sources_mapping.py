"""Mapping expressions: what is refused and how it is said, and how values become their canonical types."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.contracts.core import Column
from crm_pipeline.errors import UsageError
from crm_pipeline.sources.mapping import bind, present_sql, product_in_money, times_sql, typed_sql, value_sql
from crm_pipeline.sources.scan import Mapped, TableEntry, Terms
from crm_pipeline.sources.spec import Entry
from crm_pipeline.sources.zones import utc_sql

FILE = {"nr": "VARCHAR", "Customer ID": "DOUBLE", "day": "VARCHAR", "total": "VARCHAR", "stamp": "BIGINT"}
TERMS = Terms("month", "UTC", Decimal("0.01"), date(1970, 1, 2), datetime(1970, 1, 2), datetime(2030, 1, 1))
MAPPED = {"order_id": "nr", "customer_id": "customer id", "ordered_at": "day"}


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def bound(con: duckdb.DuckDBPyConnection, **columns: str) -> dict[str, Mapped]:
    entry = Entry(files=("a.csv",), columns={**MAPPED, **columns})
    return bind(con, TableEntry(CANONICAL["orders"], entry, 0, TERMS), FILE, "a.csv")


def test_names_expressions_and_constants(con: duckdb.DuckDBPyConnection) -> None:
    found = bound(
        con,
        amount="CASE WHEN total <> '' THEN total::DOUBLE * 2 END -- twice",
        channel="'web'",
        order_id="concat(nr, '-', source_line)",
    )
    assert found["customer_id"].sql == '"Customer ID"'
    assert (found["amount"].type, found["channel"].type, found["order_id"].plain) == ("DOUBLE", "VARCHAR", False)
    assert set(found) == {"order_id", "customer_id", "ordered_at", "amount", "channel"}


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("totl", r"the file has no column 'totl'; did you mean 'total'\? It has nr, Customer ID, day, total, stamp"),
        ("upper(custmer)", r"the file has no column 'custmer'"),
        ("(SELECT 1)", "has a subquery"),
        ("sum(total::DOUBLE)", r"has the aggregate sum\(\)"),
        ("count(*)", r"has the aggregate count_star\(\)"),
        ("row_number() OVER ()", "has a window function"),
        ("*", "has a star"),
        ("unnest([1, 2])", r"unnest"),
        ("random()", "has random, which is not the same at every reading"),
        ("current_date", "has current_date, which is not the same at every reading"),
        ("now()", "has now, which is not the same at every reading"),
        ("total +", "is not an SQL expression"),
        ("total; DROP TABLE x", "is not an SQL expression"),
        ("total) FROM x --", "is not an SQL expression"),
        ("strptime(stamp, 1)", "cannot be computed"),
    ],
)
def test_what_is_no_scalar_expression_is_one_sentence(
    con: duckdb.DuckDBPyConnection, expression: str, sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        bound(con, amount=expression)
    assert str(caught.value).startswith("a.csv: orders.amount")
    assert "\n" not in str(caught.value)


def test_a_required_column_needs_a_mapping(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(
        UsageError,
        match=r"a.csv: orders.customer_id is required, and no column maps to it.*the file has nr, Customer ID",
    ):
        bound(con, customer_id="")


def test_a_time_is_no_number(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(UsageError, match=r"orders.ordered_at is mapped to a number \(stamp\)"):
        bound(con, ordered_at="stamp")


def typed(con: duckdb.DuckDBPyConnection, kind: str, value: str, unit: str = "0.0001") -> tuple[object, bool]:
    mapped = Mapped(Column("x", kind, ""), "x", "VARCHAR", True)  # type: ignore[arg-type]
    values = f"SELECT {value_sql(mapped, 'x')} AS v FROM (SELECT ?::VARCHAR AS x)"
    sql = f"SELECT {_typed(mapped, Decimal(unit))}, coalesce({present_sql(mapped, 'v')}, false) FROM ({_with_times(mapped, values)})"
    return con.execute(sql, [value]).fetchall()[0]


def _with_times(mapped: Mapped, values: str) -> str:
    local, utc = times_sql(mapped, "v") if mapped.column.kind == "timestamp" else ("NULL", "NULL")
    return f"SELECT *, {local} AS local, {utc} AS utc FROM ({values})"


def _typed(mapped: Mapped, unit: Decimal) -> str:
    if mapped.column.kind == "timestamp":
        return f"coalesce({utc_sql('local', 'Europe/London')}, utc)"
    return typed_sql(mapped, "v", unit)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2011-01-05", datetime(2011, 1, 5)),
        ("2011-07-05", datetime(2011, 7, 4, 23)),
        ("2011-7-5 8:26", datetime(2011, 7, 5, 7, 26)),
        (" 2011-07-05T08:26:00.5 ", datetime(2011, 7, 5, 7, 26, 0, 500_000)),
        ("2011-07-05 08:26:00Z", datetime(2011, 7, 5, 8, 26)),
        ("2011-07-05 08:26:00+02:00", datetime(2011, 7, 5, 6, 26)),
        ("2011-07-05T08:26:00+0200", datetime(2011, 7, 5, 6, 26)),
        ("2011-07-05 08:26:00 -05", datetime(2011, 7, 5, 13, 26)),
        ("2011-13-01", None),
        ("05/07/2011", None),
        ("2011-07-05 08:26 Europe/Paris", None),
        ("20110705", None),
        ("infinity", None),
    ],
)
def test_times(con: duckdb.DuckDBPyConnection, text: str, utc: datetime | None) -> None:
    assert typed(con, "timestamp", text) == (utc, True)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "17850.0", 17850),
        ("int", "1e3", 1000),
        ("int", "2.5", None),
        ("int", "9" * 25, None),
        ("decimal", "1.23456", Decimal("1.23456")),
        ("decimal", "1,5", None),
        ("money", "-12.34", -123_400),
        ("money", "0.00005", 1),
        ("money", "inf", None),
        ("double", "1e400", None),
        ("double", "2.5", 2.5),
        ("bool", "Yes", True),
        ("bool", "0", False),
        ("bool", "perhaps", None),
        ("string", "  x y\u00a0", "x y"),
    ],
)
def test_values(con: duckdb.DuckDBPyConnection, kind: str, text: str, value: object) -> None:
    assert typed(con, kind, text) == (value, True)


@pytest.mark.parametrize("text", ["", "  ", "nan", "NULL", "N/A", "-"])
def test_what_stands_for_nothing_is_missing_not_unreadable(con: duckdb.DuckDBPyConnection, text: str) -> None:
    assert typed(con, "money", text) == (None, False)


FORMS = [
    ("customer_id", "VARCHAR", "17850.0", "17850"),
    ("customer_id", "VARCHAR", "0017850.0", "0017850.0"),
    ("customer_id", "VARCHAR", "a.0", "a.0"),
    ("customer_id", "VARCHAR", "17850.05", "17850.05"),
    ("customer_id", "DOUBLE", 17850.0, "17850"),
    ("customer_id", "DOUBLE", 0.5, "0.5"),
    ("customer_id", "DOUBLE", float("nan"), None),
    ("customer_id", "FLOAT", 17850.0, "17850"),
    ("customer_id", "DECIMAL(18,2)", Decimal("17850"), "17850"),
    ("customer_id", "BIGINT", 17850, "17850"),
    ("channel", "VARCHAR", "17850.0", "17850.0"),
    ("channel", "DOUBLE", 3.0, "3"),
    ("channel", "VARCHAR", "NULL", None),
    ("channel", "VARCHAR", "none", "none"),
    ("body", "VARCHAR", "null", "null"),
    ("name", "VARCHAR", "Null", "Null"),
    *(("customer_id", "VARCHAR", text, None) for text in ("NULL", "nan", "\\N", "#N/A", "None", "NaT", "<NA>", "-")),
    *(("customer_id", "VARCHAR", text, text) for text in ("nano", "nullable", "0", "--")),
]


@pytest.mark.parametrize(("name", "engine", "value", "text"), FORMS)
def test_text_is_the_same_in_whatever_form_a_file_has_it(
    con: duckdb.DuckDBPyConnection, name: str, engine: str, value: object, text: str | None
) -> None:
    mapped = Mapped(Column(name, "string", ""), "x", engine, True)
    sql = typed_sql(mapped, value_sql(mapped, "x"), Decimal("0.01"))
    assert con.execute(f"SELECT {sql} FROM (SELECT ?::{engine} AS x)", [value]).fetchall() == [(text,)]


@pytest.mark.parametrize(
    ("engine", "text"),
    [
        ("TIMESTAMPTZ", "2011-07-05 08:26:00+01"),
        ("TIMESTAMPTZ_NS", "2011-07-05 08:26:00+01"),
        ("TIMESTAMP", "2011-07-05 08:26:00"),
        ("TIMESTAMP_NS", "2011-07-05 08:26:00"),
        ("TIMESTAMP_MS", "2011-07-05 08:26:00"),
        ("TIMESTAMP_S", "2011-07-05 08:26:00"),
    ],
)
def test_times_of_every_engine_type(con: duckdb.DuckDBPyConnection, engine: str, text: str) -> None:
    kind = con.execute(f"DESCRIBE SELECT CAST(? AS {engine}) AS x", [text]).fetchall()[0][1]
    mapped = Mapped(Column("ordered_at", "timestamp", ""), "x", kind, True)
    values = f"SELECT {value_sql(mapped, 'x')} AS v FROM (SELECT ?::{engine} AS x UNION ALL SELECT NULL)"
    found = con.execute(
        f"SELECT {_typed(mapped, Decimal('0.01'))} FROM ({_with_times(mapped, values)})", [text]
    ).fetchall()
    assert found == [(datetime(2011, 7, 5, 7, 26),), (None,)]


def test_any_money_unit(con: duckdb.DuckDBPyConnection) -> None:
    assert typed(con, "money", "12.345", "0.01")[0] == 1235
    assert typed(con, "money", "12.35", "0.05")[0] == 247
    assert typed(con, "money", "12.35", "0.03")[0] == 412


DECIMALS = st.decimals(min_value=-(10**9), max_value=10**9, places=8)
SHORT = st.decimals(min_value=-(10**5), max_value=10**5, places=2)


@given(st.lists(st.tuples(DECIMALS | SHORT | st.integers(-50, 50), DECIMALS | SHORT), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("unit", ["0.0001", "0.01", "1", "0.05"])
def test_a_product_in_money_is_exact_however_it_is_computed(unit: str, pairs: list[tuple[Decimal, Decimal]]) -> None:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t (q DECIMAL(18, 8), p DECIMAL(18, 8))")
        con.executemany("INSERT INTO t VALUES (?, ?)", [[str(q), str(p)] for q, p in pairs])
        found = [row[0] for row in con.execute(f"SELECT {product_in_money('q', 'p', Decimal(unit))} FROM t").fetchall()]
    with localcontext(prec=60):
        exact = [(Decimal(q) * Decimal(p) / Decimal(unit)).quantize(Decimal(1), ROUND_HALF_UP) for q, p in pairs]
    if unit == "0.05":  # by doubles, which hold no more than 15 digits
        assert all(
            a is None or abs(a - b) <= max(abs(b) * Decimal("1e-15"), 1) for a, b in zip(found, exact, strict=True)
        )
    else:
        assert [a for a in found if a is not None] == [b for a, b in zip(found, exact, strict=True) if a is not None]
        assert all(a is not None for a, b in zip(found, exact, strict=True) if abs(b) < 2**62)
