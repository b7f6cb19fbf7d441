"""Rows in memory: what `frame` gives is what Ibis gives, of every type that a table of customers has."""

import gc
import weakref
from datetime import date
from pathlib import Path

import ibis
import numpy as np
import pandas as pd

from crm_pipeline.engine import DuckDBEngine, frame


def test_a_frame_is_what_ibis_makes_of_the_rows():
    rows = ibis.memtable(
        pd.DataFrame(
            {
                "customer_id": ["b", None, "a"],
                "as_of": [date(2024, 1, 1)] * 3,
                "x": [1.5, np.nan, -0.0],
                "n": np.array([1, 2, 3], "int64"),
                "churned": np.array([0, 1, 1], "int8"),
                "cutoff": pd.to_datetime(["2024-01-01", "2024-02-01", None]),
            }
        )
    ).mutate(as_of=ibis.date("2024-01-01"))
    for some in (rows, rows.filter(rows.n > 5)):
        pd.testing.assert_frame_equal(frame(some), some.execute())


def test_frames_that_expressions_hold_are_let_go_between_steps(tmp_path: Path) -> None:
    engine = DuckDBEngine("200MB", 1, tmp_path / "spill")
    held = []
    for step in range(3):
        ids = pd.DataFrame({"customer_id": [f"{step}-{i}" for i in range(1000)]})
        some = ibis.memtable(ids)
        written = engine.stage(ids, tmp_path / f"{step}.parquet")
        rows = engine.table([written.path], written.columns).semi_join(some, "customer_id")
        assert engine.ibis.to_pyarrow(rows).num_rows == 1000
        held.append(weakref.ref(ids))
        del ids, some, rows
        engine.release()
    gc.collect()
    listed = engine.con.execute("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchall()
    assert listed == [(0,)]
    assert [ref() for ref in held] == [None] * 3
    again = ibis.memtable(pd.DataFrame({"a": [1]}))
    for _ in range(2):
        assert list(engine.ibis.execute(again).a) == [1], "a frame that is asked for again after a step is seen again"
        engine.release()
