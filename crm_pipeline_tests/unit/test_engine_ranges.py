"""What is computed in ranges of a key is what is computed at once, in the same order."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.engine import DuckDBEngine, InRanges, in_ranges
from crm_pipeline.engine.spark import SparkEngine

IDS = st.lists(st.text(max_size=3), unique=True, max_size=9)


@settings(max_examples=30, deadline=None)
@given(IDS, IDS, st.integers(1, 4))
def test_ranges_hold_each_row_once_and_in_order(
    tmp_path_factory, mine: list[str], others: list[str], at_once: int
) -> None:
    folder = tmp_path_factory.mktemp("ranges")
    engine = DuckDBEngine("200MB", 1, folder)
    known = engine.given(pa.table({"id": pa.array(sorted({*mine, *others}), pa.string())}), "known")
    rows = engine.given(
        pa.table({"id": pa.array(mine, pa.string()), "n": pa.array(range(len(mine)), pa.int64())}), "rows"
    )
    table = rows.mutate(more=rows.n * 2).order_by("id")
    ranged = in_ranges(table, "id", known, at_once)
    assert isinstance(ranged, InRanges) == (len({*mine, *others}) > at_once)
    whole, parts = engine.stage(table, folder / "whole.parquet"), engine.stage(ranged, folder / "parts.parquet")
    assert (parts.rows, parts.content_sum, parts.columns) == (whole.rows, whole.content_sum, whole.columns)
    said = [engine.con.execute(f"FROM read_parquet('{made.path}')").fetchall() for made in (whole, parts)]
    assert said[0] == said[1]
    assert sorted(path.name for path in folder.glob("*.parquet")) == ["parts.parquet", "whole.parquet"]


def test_ranges_are_of_equal_size() -> None:
    engine = DuckDBEngine("200MB", 1, Path())
    known = engine.given(pa.table({"id": [f"{i:03}" for i in range(100)]}), "known")
    ranged = in_ranges(known, "id", known, 99)
    assert isinstance(ranged, InRanges)
    assert [int(part.count().execute()) for part in ranged.parts()] == [50, 50]


@pytest.mark.parametrize(("limit", "wanted"), [("512MiB", 131_072), ("4GiB", 1_048_576)])
def test_how_many_are_computed_at_once_goes_by_the_memory_limit(limit: str, wanted: int, tmp_path: Path) -> None:
    engine = DuckDBEngine("100MB", 1, tmp_path)
    engine.limit(limit)
    assert engine.at_once == wanted
    assert SparkEngine(limit, 1, tmp_path, "local[1]").at_once is None


def test_a_range_that_fails_leaves_nothing(tmp_path: Path) -> None:
    engine = DuckDBEngine("200MB", 1, tmp_path)
    known = engine.given(pa.table({"id": ["a", "b", "c"], "text": ["1", "2", "x"]}), "known")
    ranged = in_ranges(known.mutate(n=known.text.cast("int64")), "id", known, 1)
    with pytest.raises(duckdb.Error, match="Could not convert"):
        engine.stage(ranged, tmp_path / "parts.parquet")
    assert not list(tmp_path.glob("*.parquet"))
