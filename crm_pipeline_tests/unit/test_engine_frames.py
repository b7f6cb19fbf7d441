"""Rows in memory: what `frame` gives is what Ibis gives, of every type that a table of customers has."""

from datetime import date

import ibis
import numpy as np
import pandas as pd

from crm_pipeline.engine import frame


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
