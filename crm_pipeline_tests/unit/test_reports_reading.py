"""What the page reads of all customers: texts as categories, amounts as floats, reasons of those alone whom a list shows."""

from decimal import Decimal

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from crm_pipeline.modeling import customers as batched
from crm_pipeline.reports import reading

ROWS = 50


@pytest.fixture
def table() -> ibis.Table:
    """Scores of 50 customers, as the lake types them."""
    rows = pa.table({
        "customer_id": [f"k{i:02d}" for i in range(ROWS)],
        "status": ["scored"] * ROWS,
        "value_at_risk": [float(i) for i in range(ROWS)],
        "spend_12m": pa.array([Decimal(i) / 100 for i in range(ROWS)], pa.decimal128(18, 2)),
        "still_active": [0.9] * ROWS,
        "recommended_action": [None if i % 7 == 0 else ("call", "mail")[i % 2] for i in range(ROWS)],
        "contactable": [None if i % 5 == 0 else True for i in range(ROWS)],
        "reason_1": [f"because of {i}" for i in range(ROWS)],
        "body": ["no column of the page"] * ROWS,
    })  # fmt: skip
    return ibis.memtable(rows)


def test_the_scores_of_all_customers_are_what_the_table_holds_in_fewer_bytes(table, monkeypatch) -> None:
    whole = reading.scored(table)
    monkeypatch.setattr(batched, "BATCH", 7)
    found = reading.scored(table)
    pd.testing.assert_frame_equal(found, whole)
    assert "body" not in found
    assert list(found["customer_id"]) == [f"k{i:02d}" for i in range(ROWS)]
    assert found["spend_12m"].dtype == float
    assert np.allclose(found["spend_12m"], np.arange(ROWS) / 100)
    assert isinstance(found["recommended_action"].dtype, pd.CategoricalDtype)
    told = table.execute()["recommended_action"]
    assert [None if pd.isna(v) else v for v in found["recommended_action"]] == [None if pd.isna(v) else v for v in told]
    assert found["contactable"].isna().sum() == ROWS / 5


def test_reasons_are_read_of_those_alone_whom_a_list_may_show(table) -> None:
    found = reading.with_reasons(table, reading.scored(table))
    told = found.loc[found["reason_1"].notna(), ["customer_id", "reason_1"]]
    assert list(told["customer_id"]) == [f"k{i}" for i in range(ROWS - 10, ROWS)], "who has most value at risk"
    assert list(told["reason_1"]) == [f"because of {i}" for i in range(ROWS - 10, ROWS)]
    nobody = table.filter(table.customer_id == "nobody")
    assert reading.with_reasons(nobody, reading.scored(nobody)).empty
