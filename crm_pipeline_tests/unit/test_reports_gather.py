"""What the report's data are gathered from."""

from datetime import date

import pandas as pd
import pytest

from crm_pipeline.reports.gather import _by_period


@pytest.mark.parametrize("kind", [pd.Timestamp, date.fromisoformat, str])
def test_features_of_the_period_and_of_the_newest_before_are_told_apart_whatever_a_day_is_read_as(kind):
    days = ["2026-04-01", "2026-06-01", "2026-07-01", "2026-07-01"]
    features = pd.DataFrame({"as_of": [kind(day) for day in days], "x": [1, 2, 3, 4]})
    now, earlier = _by_period(features, "2026-07-01")
    assert (now["x"].tolist(), earlier["x"].tolist()) == ([3, 4], [2])
    nothing, first = _by_period(features.head(1), "2026-07-01")
    assert (len(nothing), len(first)) == (0, 1)
