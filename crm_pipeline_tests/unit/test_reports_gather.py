"""What the report's data are gathered from."""

from datetime import date

import ibis
import pandas as pd
import pytest

from crm_pipeline.contracts.core import NOBODY
from crm_pipeline.reports.gather import _by_period, gather
from crm_pipeline.settings import Settings
from crm_pipeline.sources.state import SourceState


@pytest.mark.parametrize("kind", [pd.Timestamp, date.fromisoformat, str])
def test_features_of_the_period_and_of_the_newest_before_are_told_apart_whatever_a_day_is_read_as(kind):
    days = ["2026-04-01", "2026-06-01", "2026-07-01", "2026-07-01"]
    features = pd.DataFrame({"as_of": [kind(day) for day in days], "x": [1, 2, 3, 4]})
    now, earlier = _by_period(features, "2026-07-01")
    assert (now["x"].tolist(), earlier["x"].tolist()) == ([3, 4], [2])
    nothing, first = _by_period(features.head(1), "2026-07-01")
    assert (len(nothing), len(first)) == (0, 1)


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
