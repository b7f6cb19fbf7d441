"""Rule 3: the same expressions on DuckDB and on Spark write the same content, of the same types and in the same order."""

from __future__ import annotations

import importlib.util
import math
import os
import re
import shutil
import sys
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import ibis
import pyarrow as pa
import pytest

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.engine import DuckDBEngine, Engine, Staged
from crm_pipeline.engine import spark as spark_module
from crm_pipeline.engine.spark import FIXED, SparkEngine, start
from crm_pipeline.errors import CrmError
from crm_pipeline.home.project import open_lake
from crm_pipeline.periods import Calendar
from crm_pipeline.settings import Settings
from crm_pipeline.transforms.cleaning import clean_table, derive_orders
from crm_pipeline.transforms.columns import local_day, local_time, total, whole
from crm_pipeline.transforms.quality import count_rows
from crm_pipeline_tests.unit.sources_world import World, tables

SMALL = {"spark.driver.memory": "1g", "spark.sql.shuffle.partitions": "2"}
PYSPARK = importlib.util.find_spec("pyspark") is not None
JAVA = shutil.which("java") is not None or "JAVA_HOME" in os.environ
needs_spark = pytest.mark.skipif(
    not (PYSPARK and JAVA), reason="PySpark (extra 'spark') is not installed" if not PYSPARK else "there is no Java"
)

EVENTS = pa.table(
    {
        "id": ["a", "b", "c", "d", None, "é", "A"],
        "kind": ["x", "y", "x", None, "y", "x", "z"],
        "at": pa.array(
            [
                datetime(2020, 3, 1), datetime(2020, 3, 29, 0, 59, 59, 999_999), datetime(2020, 3, 29, 1),
                datetime(2020, 3, 31, 23, 59, 59, 100_000), None, datetime(2020, 3, 5, 1, 2, 3), datetime(2020, 3, 1),
            ],
            pa.timestamp("us"),
        ),
        "day": pa.array([date(2020, 3, 1), date(2019, 12, 31), None, date(2024, 2, 29), date(1969, 7, 1)] + [date(2020, 3, 1)] * 2),
        "amount": pa.array([10_000, -5, 3_037_000_500, None, 0, 7, 8], pa.int64()),
        "price": [1.5, -0.0, 1e-5, None, 1e16, 0.1, 2.5],
        "exact": pa.array([Decimal("1.25"), None, Decimal("-3.10"), Decimal(0), Decimal(2), Decimal(1), Decimal(9)], pa.decimal128(18, 2)),
        "tiny": pa.array([*map(Decimal, ("0E-8", "1E-8", "-0.5", "1E9", "1", "2")), None], pa.decimal128(18, 8)),
        "text": ['say "hi"\n', "back\\slash", "", None, "Straße ß", "tab\t", "  x "],
        "yes": [True, False, None, True, None, False, None],
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DuckDBEngine, SparkEngine]]:
    folder = tmp_path_factory.mktemp("engines")
    both = (
        DuckDBEngine("500MB", 1, folder / "duckdb"),
        SparkEngine("500MB", 1, folder / "spark", "local[2]", SMALL),
    )
    yield both
    for engine in both:
        engine.release()


def by_row(t: ibis.Table) -> ibis.Table:
    calendar = Calendar("month", "Europe/London")
    return t.select(
        "id",
        text=t.text,
        lower=t.text.lower(),
        stripped=t.text.strip().nullif(""),
        said=ibis.literal("; ") + t.text.fill_null("null"),
        escaped=t.text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"),
        found=t.text.lower().re_search(r"\bhi"),
        inside=t.text.contains("s"),
        without=(ibis.literal("; ") + t.text).substr(2),
        md5=(ibis.literal("7:") + t.id).hexdigest("md5"),
        at_text=t.at.cast("string"),
        day_text=t.day.cast("string"),
        amount_text=t.amount.cast("string"),
        yes_text=t.yes.cast("string"),
        tiny_text=t.tiny.cast("string"),
        local=local_day(t.at, "2020-03-01", calendar),
        clock=local_time(t.at, "2020-03-01", "2020-03-01", calendar),
        seconds=t.at.epoch_seconds(),
        days=t.day.epoch_days(),
        month_on=t.day + ibis.interval(months=1),
        least=ibis.least(t.amount, 7),
        ratio=t.price / t.price.nullif(0),
        root=ibis.ifelse(t.price < 0, 0.0, t.price).sqrt(),
        rounded=t.price.cast("decimal(38, 4)"),
        either=ibis.coalesce(t.amount, 0),
        chosen=ibis.cases((t.yes, "one"), (t.kind == "x", "two"), else_=ibis.null("string")),
        nothing=ibis.null("string"),
        one=ibis.literal(1),
        flag=ibis.literal(False),
        when=ibis.date("2020-03-01"),
    ).order_by(ibis.desc("at_text"), "id")


def by_group(t: ibis.Table) -> ibis.Table:
    exact = t.amount.cast("decimal(19, 0)")
    return t.group_by("kind").aggregate(
        n=t.count(),
        n_yes=t.count(where=t.yes),
        n_never=t.count(where=t.yes & (t.amount > 10**12)),
        spend=total(t.amount, t.yes),
        all_=whole(t.amount.sum()),
        squares=(exact * exact).sum(where=t.amount > 0).cast("decimal(38, 0)").fill_null(0),
        first=t.at.min(where=t.yes),
        latest=t.id.argmax(t.at, where=t.id.notnull()),
        smallest=t.text.min(),
        different=t.id.nunique(),
        exact=t.exact.sum().cast("decimal(38, 2)"),
        mean=t.amount.mean(),
        some=(t.amount > 0).any(),
    )


def by_window(t: ibis.Table) -> ibis.Table:
    of_kind = ibis.window(group_by="kind", order_by=["at", "id"])
    running = ibis.cumulative_window(order_by=["id", "amount"])
    return t.select(
        "id",
        "kind",
        place=ibis.row_number().over(of_kind),
        before=t.amount.lag().over(of_kind),
        same=t.text.identical_to(t.text.first(include_null=True).over(of_kind)),
        opening=t.amount.first(include_null=True).over(of_kind),
        closing=t.text.last(include_null=True).over(of_kind),
        sum_=whole(t.amount.sum().over(running)),
        rank=ibis.percent_rank().over(group_by=t.amount.isnull(), order_by=t.amount),
        many=t.count().over(ibis.window(group_by="kind")),
    )


def by_join(t: ibis.Table) -> ibis.Table:
    other = t.filter(t.yes.notnull()).select("kind", other=t.id, then=t.at).distinct()
    joined = t.outer_join(other, [t.kind == other.kind, t.at >= other.then])
    mine = joined.select("id", "other", kind=ibis.coalesce(joined.kind, joined.kind_right))
    return ibis.union(mine, t.select("id", other=ibis.null("string"), kind=t.kind)).semi_join(t, "kind")


def as_given(t: ibis.Table) -> ibis.Table:
    return t.mutate(more=1).order_by("id")


def staged(engine: Engine, transform: object, folder: Path, rows: pa.Table = EVENTS) -> Staged:
    file = folder / f"{type(engine).__name__}.parquet"
    return engine.stage(transform(engine.given(rows, "events")), file)  # type: ignore[operator]


def content(engine: Engine, made: Staged) -> list[tuple]:
    return engine.con.execute(f"FROM read_parquet('{made.path}')").fetchall()


@needs_spark
@pytest.mark.parametrize("transform", [by_row, by_group, by_window, by_join, as_given], ids=lambda f: f.__name__)
@pytest.mark.parametrize("rows", [EVENTS, EVENTS.slice(0, 0)], ids=["rows", "nobody"])
def test_rule_3_an_expression_gives_the_same_content(engines, transform, rows, tmp_path: Path) -> None:
    duckdb, spark = (staged(engine, transform, tmp_path, rows) for engine in engines)
    assert spark.columns == duckdb.columns
    one, two = (sorted(map(repr, content(engines[0], made))) for made in (duckdb, spark))
    assert two == one
    assert (spark.content_sum, spark.rows) == (duckdb.content_sum, duckdb.rows)


@needs_spark
def test_rule_6_rows_lie_in_the_order_that_was_asked_for(engines, tmp_path: Path) -> None:
    many = pa.table({"n": [(i * 7919) % 5000 for i in range(5000)], "text": [None, "b"] * 2500})
    said = [
        content(engines[0], staged(e, lambda t: t.mutate(m=t.n * 2).order_by("text", "n"), tmp_path, many))
        for e in engines
    ]
    assert said[0] == said[1]


@needs_spark
def test_files_of_several_periods_are_read_by_name(engines, tmp_path: Path) -> None:
    duckdb, spark = engines
    parts = [pa.table({"a": [1, 2], "b": ["x", "y"]}), pa.table({"b": ["z"], "c": [1.5]})]
    files = [duckdb.stage(part, tmp_path / f"{i}.parquet") for i, part in enumerate(parts)]
    columns = {name: kind for file in files for name, kind in file.columns.items()}

    def summed(engine: Engine, paths: list[str]) -> Staged:
        rows = engine.table(paths, columns, "some/rows")
        engine_file = tmp_path / f"{type(engine).__name__}-{len(paths)}.parquet"
        return engine.stage(rows.mutate(d=rows.a + 1).order_by("b"), engine_file)

    for paths in ([file.path for file in files], [files[0].path], []):
        if len(paths) != 1:
            one, two = (content(duckdb, summed(engine, paths)) for engine in (duckdb, spark))
            assert one == two
    spark.release()
    assert not spark.session.catalog.listTables()


@needs_spark
def test_dirty_rows_are_cleaned_alike(engines, tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders="orders.csv", order_lines="lines.csv"))
    world.write(
        "orders.csv",
        "order_id,customer_id,ordered_at,status,discount\na,1,2020-03-02,Paid,\na,1,2020-03-02,Paid,\na,2,2020-03-03,,-1\n"
        "b,,2020-03-04,void,0.5\nc,3,2020-03-29T01:30:00,,x\nd,4,2020-03-30,,1\n",
    )
    world.write(
        "lines.csv",
        "order_id,product_id,quantity,unit_price,line_no\na,x,2,1.25,1\na,x,2,1.25,1\na,y,-1,3,2\nc,x,0.00000001,1e6,\nz,x,1,1,\n"
        'd,"say ""hi"" \\",x,2,\nd,y,1,0.00005,1\n',
    )
    report = world.sync()
    columns = report.state.tables
    made: dict[str, list[Staged]] = {}
    for engine in engines:
        raw = {name: _in(engine, world, f"raw/{name}") for name in ("orders", "order_lines")}
        orders = clean_table(raw["orders"], CANONICAL["orders"], lines=raw["order_lines"], columns=columns["orders"])
        known = engine.stage(orders.clean, tmp_path / f"{type(engine).__name__}-known.parquet")
        clean = engine.table([known.path], known.columns, "clean/orders")
        lines = clean_table(raw["order_lines"], CANONICAL["order_lines"], orders=clean, columns=columns["order_lines"])
        derived = derive_orders(lines.clean)
        counts = count_rows({"orders": (raw["orders"], orders.clean, orders.rejects)})
        tables_ = [orders.rejects, lines.clean, lines.rejects, derived, counts]
        files = [engine.stage(t, tmp_path / f"{type(engine).__name__}-{i}.parquet") for i, t in enumerate(tables_)]
        made[type(engine).__name__] = [known, *files]
    for one, two in zip(*made.values(), strict=True):
        assert sorted(map(repr, content(engines[0], two))) == sorted(map(repr, content(engines[0], one)))
        assert (two.columns, two.content_sum) == (one.columns, one.content_sum)
    assert all(file.rows for file in made["SparkEngine"])


def _in(engine: Engine, world: World, asset: str) -> ibis.Table:
    (manifest,) = world.lake.snapshot(asset, ["2020-03-01"])
    return engine.table([str(world.lake.root / f.path) for f in manifest.files], manifest.files[0].columns, asset)


@needs_spark
def test_what_is_read_into_memory_is_read_by_duckdb(engines, tmp_path: Path) -> None:
    _, spark = engines
    rows = spark.given(EVENTS, "events")
    assert rows.get_backend().name == "duckdb"
    assert rows.amount.sum().execute() == sum(v for v in EVENTS["amount"].to_pylist() if v)


@needs_spark
@pytest.mark.parametrize("many", [1, 5])
def test_what_a_function_makes_of_parts_is_the_same_and_in_order(engines, many: int, tmp_path: Path) -> None:
    rows = pa.table(
        {"n": [(i * 7919) % 5000 for i in range(5000)], "day": [date(2020, 1, 1 + i % 28) for i in range(5000)]}
    )
    file = engines[0].stage(rows, tmp_path / "rows.parquet")
    weight, said = 3, []
    for engine in engines:
        table = engine.table([file.path], file.columns, "some/rows")
        given = engine.given(pa.table({"n": range(0, 5000, 2)}), "even")
        even = table.semi_join(given, "n")
        parts = [even.filter((even.n % many) == part).order_by("n") for part in range(many)]
        said.append(list(engine.each(lambda part: part.assign(n=part.n * weight), parts, 2)))
    assert [len(said[0]), sum(map(len, said[0]))] == [many, 2500]
    for one, two in zip(*said, strict=True):
        assert one.equals(two)
        assert one.dtypes.equals(two.dtypes)
    assert not list(engines[1].temp_dir.glob("made-*"))


@needs_spark
def test_a_function_that_fails_on_a_worker_says_why(engines, tmp_path: Path) -> None:
    _, spark = engines
    rows = spark.given(EVENTS, "events")
    with pytest.raises(Exception, match="no such column"):
        list(spark.each(lambda part: part["no such column"], [rows, rows], 2))
    assert not list(spark.temp_dir.glob("made-*"))


@needs_spark
def test_workers_without_the_package_are_told_of(engines) -> None:
    def lacks(part: object) -> None:
        raise ModuleNotFoundError("No module named 'crm_pipeline'")

    _, spark = engines
    rows = spark.given(EVENTS, "events")
    with pytest.raises(CrmError, match=r"a Python without crm_pipeline: install .* \(PYSPARK_PYTHON\)"):
        list(spark.each(lacks, [rows, rows], 2))


@needs_spark
def test_answers_that_another_machine_wrote_elsewhere_are_missed(tmp_path: Path) -> None:
    from crm_pipeline.engine.spark_each import Part, each

    parts = [Part((), "SELECT 1 AS n", ibis.schema({"n": "int64"}))] * 3
    with pytest.raises(CrmError, match=r"Of 3 answers of Spark's workers 3 are not seen under .* under the same path"):
        list(each(MagicMock(), len, parts, tmp_path))


@needs_spark
def test_an_option_that_spark_refuses_is_named(engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyspark.errors import PySparkException

    def refuse(rows: ibis.Table) -> None:
        raise PySparkException(
            "Error while instantiating:\nCaused by: X: [INVALID_CONF_VALUE.TYPE_MISMATCH] The value 'lots' in the config \"a\" is "
            "invalid. It should be a/an 'int' value. SQLSTATE: 22022\n\tat a.B"
        )

    monkeypatch.setattr(engines[1], "_show", refuse)
    with pytest.raises(
        CrmError, match=r"^Spark refuses spark_options: The value 'lots' in the config .* 'int' value\.$"
    ):
        staged(engines[1], by_row, tmp_path)


@needs_spark
def test_a_query_that_spark_refuses_is_an_error_and_leaves_nothing(engines, tmp_path: Path) -> None:
    _, spark = engines
    with pytest.raises(Exception, match="CAST_INVALID_INPUT"):
        staged(spark, lambda t: t.mutate(n=t.text.cast("int64")), tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_pyspark_one_sentence_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in ("pyspark", "pyspark.sql", "pyspark.errors", "py4j", "py4j.protocol"):
        monkeypatch.setitem(sys.modules, module, None)
    engine = SparkEngine("100MB", 1, tmp_path, "local[1]")
    assert engine.stage(EVENTS, tmp_path / "rows.parquet").rows == len(EVENTS)
    with pytest.raises(
        CrmError, match=r"needs PySpark: pip install --editable '\.\[spark\]' in the clone, or set engine: duckdb"
    ):
        staged(engine, as_given, tmp_path)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("[JAVA_GATEWAY_EXITED] gone", "needs Java 17"),
        ("no such host", "spark_master spark://nowhere:7077: no such host\\.$"),
        (
            "An error occurred.\n: org.apache.spark.SparkException: All masters are unresponsive.\n\tat a.B(B.java)",
            "All masters",
        ),
        (
            "An error occurred.\n: java.lang.IllegalStateException: Cannot call methods on a stopped SparkContext.",
            "spark_master spark://nowhere:7077: no master answers there; start it, or mend spark_master\\.$",
        ),
    ],
)
@pytest.mark.parametrize("by", ["PySparkException", "Py4JError"])
def test_without_java_one_sentence_says_what_is_missing(
    said: str, told: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refused(Exception):
        pass

    class Other(Exception):
        pass

    class Builder:
        def master(self, name: str) -> Builder:
            return self

        def getOrCreate(self) -> None:
            raise Refused(said)

    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    monkeypatch.setitem(sys.modules, "pyspark", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "py4j", SimpleNamespace())
    monkeypatch.setitem(
        sys.modules, "pyspark.errors", SimpleNamespace(PySparkException={"PySparkException": Refused}.get(by, Other))
    )
    monkeypatch.setitem(sys.modules, "py4j.protocol", SimpleNamespace(Py4JError={"Py4JError": Refused}.get(by, Other)))
    monkeypatch.setitem(sys.modules, "pyspark.sql", SimpleNamespace(SparkSession=SimpleNamespace(builder=Builder())))
    with pytest.raises(CrmError, match=told):
        start("spark://nowhere:7077", {})


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("11.0.2", "it needs Java 17 or newer"),
        ("21.0.1", r"there is Java 21.*spark_options \(spark.driver.memory is banana\)"),
    ],
)
def test_java_that_ends_at_once_is_too_old_or_refuses_the_options(
    version: str, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert re.search(told, spark_module._why_no_java({"spark.driver.memory": "banana"}))


def test_a_setting_chooses_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_module, "start", lambda *_: pytest.fail("Spark starts when it is needed"))
    assert type(open_lake(tmp_path, Settings()).engine) is DuckDBEngine
    set_ = Settings(
        engine="spark", spark_master="local[3]", spark_options={"spark.a": "b", "spark.sql.ansi.enabled": "false"}
    )
    engine = open_lake(tmp_path, set_).engine
    assert isinstance(engine, SparkEngine)
    assert (engine.master, engine.options["spark.a"]) == ("local[3]", "b")
    assert engine.options.items() >= FIXED.items()
    assert math.isclose(engine.given(EVENTS, "events").price.max().execute(), 1e16)
