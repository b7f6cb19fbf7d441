"""Parquet files joined by their bytes hold the rows of all, for DuckDB and pyarrow alike."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crm_pipeline.engine import DuckDBEngine
from crm_pipeline.engine.joining import join_files

ROWS = "SELECT i, nullif(i % 7, 3) AS few, 'text ' || (i % 1000) AS t, TIMESTAMP '2026-01-01' AS at, i::DECIMAL(18, 8) AS d"


@pytest.fixture
def engine(tmp_path: Path) -> DuckDBEngine:
    return DuckDBEngine("1GB", 2, tmp_path / "spill")


def test_rows_of_all(tmp_path: Path, engine: DuckDBEngine) -> None:
    paths = [tmp_path / f"{n}.parquet" for n in range(3)]
    for n, (path, rows) in enumerate(zip(paths, (300_000, 1, 5000), strict=True)):
        engine.stage_query(f"{ROWS} FROM range({n * 10**6}, {n * 10**6 + rows}) r(i)", path)
    assert join_files(paths, tmp_path / "all.parquet")
    expected = duckdb.sql(f"SELECT * FROM read_parquet({[str(p) for p in paths]}) ORDER BY i").to_arrow_table()
    read = pq.read_table(tmp_path / "all.parquet")
    assert read.sort_by("i").equals(expected.cast(read.schema))
    assert duckdb.sql(f"SELECT * FROM '{tmp_path}/all.parquet' ORDER BY i").to_arrow_table().equals(expected)
    # by statistics of the row groups, which must be those of their own rows
    assert duckdb.sql(f"SELECT count(*) FROM '{tmp_path}/all.parquet' WHERE i >= 2000000").fetchall() == [(5000,)]


def test_rows_of_many_groups(tmp_path: Path) -> None:
    table = pa.table({"i": list(range(2000)), "nested": [[{"a": i, "b": str(i)}] * (i % 3) for i in range(2000)]})
    for name, size in (("a", 50), ("b", 7)):
        pq.write_table(
            table, tmp_path / f"{name}.parquet", row_group_size=size, write_page_index=True, compression="gzip"
        )
    assert join_files([tmp_path / "a.parquet", tmp_path / "b.parquet"], tmp_path / "all.parquet")
    assert pq.read_table(tmp_path / "all.parquet").equals(pa.concat_tables([table, table]))
    assert pq.ParquetFile(tmp_path / "all.parquet").num_row_groups == 40 + 286
    assert duckdb.sql(f"SELECT sum(i), count(*) FROM '{tmp_path}/all.parquet'").fetchall() == [(2 * 1999000, 4000)]


def test_other_columns_are_left_to_the_engine(tmp_path: Path, engine: DuckDBEngine) -> None:
    engine.stage_query("SELECT 1 AS i", tmp_path / "a.parquet")
    engine.stage_query("SELECT 1 AS i, 2 AS j", tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_bytes(b"no Parquet at all")
    assert not join_files([tmp_path / "a.parquet", tmp_path / "b.parquet"], tmp_path / "all.parquet")
    assert not join_files([tmp_path / "a.parquet", tmp_path / "c.parquet"], tmp_path / "all.parquet")
    assert not (tmp_path / "all.parquet").exists()


def test_files_are_alike_whatever_rows_they_have(tmp_path: Path, engine: DuckDBEngine) -> None:
    engine.con.execute("CREATE TEMP TABLE t AS SELECT 1 AS i, 'a' AS t")
    engine.stage_query("SELECT * FROM t", tmp_path / "a.parquet")
    engine.stage_query("SELECT 2 AS i, CAST(NULL AS VARCHAR) AS t", tmp_path / "b.parquet")
    assert join_files([tmp_path / "a.parquet", tmp_path / "b.parquet"], tmp_path / "all.parquet")
    assert duckdb.sql(f"FROM '{tmp_path}/all.parquet' ORDER BY i").fetchall() == [(1, "a"), (2, None)]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no Parquet file"])
def test_what_is_no_parquet_file_is_not_joined(tmp_path: Path, engine: DuckDBEngine, content: bytes) -> None:
    engine.stage_query(f"{ROWS} FROM range(5) r(i)", tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(content)
    assert not join_files([tmp_path / "a.parquet", tmp_path / "b.parquet"], tmp_path / "all.parquet")
