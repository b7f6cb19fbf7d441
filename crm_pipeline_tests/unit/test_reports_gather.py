"""What the report's data are gathered from."""

from datetime import date

import ibis
import pandas as pd
import pytest

from crm_pipeline.contracts.core import NOBODY
from crm_pipeline.reports import reading
from crm_pipeline.reports.gather import _amounts, _features, gather
from crm_pipeline.settings import Settings
from crm_pipeline.sources.state import SourceState
from crm_pipeline.transforms.features.catalogue import catalogue


def test_features_of_the_period_and_of_the_newest_before_are_told_apart():
    days = [date.fromisoformat(day) for day in ("2026-04-01", "2026-06-01", "2026-07-01", "2026-07-01")]
    features = ibis.memtable(pd.DataFrame({"customer_id": list("abcd"), "as_of": days, "x": [1, 2, 3, 4]}))
    (now, many), (earlier, one), newest = _features(features, "2026-07-01")
    assert (now["x"].tolist(), many, earlier["x"].tolist(), one, newest) == ([3, 4], 2, [2], 1, "2026-06-01")
    nothing, first, only = _features(features.filter(features.x == 1), "2026-07-01")
    assert (nothing[1], first[1], only) == (0, 1, "2026-04-01")


def test_the_page_reads_few_columns_of_all_and_reasons_of_those_it_lists():
    n = 40
    table = ibis.memtable(pd.DataFrame({
        "customer_id": [f"c{i:02d}" for i in range(n)],
        "status": ["scored"] * (n - 1) + ["abstained"],
        "value_at_risk": [float(i) for i in range(n)],
        "spend_12m": 1.0,
        "customer_value": 5.0,
        "still_active": 0.9,
        "reason_1": [f"why {i}" for i in range(n)],
        "features_hash": "ff",
    }))  # fmt: skip
    found = reading.with_reasons(table, reading.scored(table))
    assert "features_hash" not in found
    assert str(found["status"].dtype) == "category"
    told = found.set_index("customer_id")["reason_1"].dropna()
    assert told["c38"] == "why 38", "who has most at risk among the scored"
    assert "c05" in told.index, "one of the most valuable, by name"
    assert len(told) == 20
    assert len(found) == n


def test_of_many_judged_customers_a_sample_is_drawn(monkeypatch):
    rows = pd.DataFrame({"customer_id": [f"c{i}" for i in range(30)], "outcome": 1.0, "average": 0.5})
    monkeypatch.setattr(reading, "JUDGED", 7)
    found, known = reading.predictions_of(ibis.memtable(rows))
    assert (len(found), known) == (7, 30)


def test_amounts_among_the_features_are_in_major_units():
    known = catalogue(("orders",), Settings())
    told = _amounts(pd.DataFrame({"spend_3": [1_028_500], "orders_3": [2]}), known, 0.0001)
    assert told["spend_3"].tolist() == pytest.approx([102.85])
    assert told["orders_3"].tolist() == [2]


def test_a_source_in_which_nothing_is_paid_has_a_report_without_demand():
    churn = ("champion", "record", "evaluation", "predictions", "leaders", "scored")
    names = ["scores", "segments", "features", "card_churn_average", *(f"{name}_churn" for name in churn)]
    counts = ibis.memtable(
        {"source_table": ["calls"], "source_file": ["c"], "fate": ["clean"], "reasons": [NOBODY], "rows": [4]}
    )
    state = SourceState("visits", "UTC", "", {"orders": ("order_id",)}, "2026-06-01", "2026-07-01", "2026-06-01")
    found = gather({**dict.fromkeys(names), "counts": counts}, state, Settings(), "2026-06-01")
    assert list(found.track_record) == ["churn"]
    assert found.of_nobody == {"calls": 4}
