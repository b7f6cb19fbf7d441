from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_pipeline.errors import UsageError
from crm_pipeline.periods import Calendar


def test_a_month_ends_where_the_next_begins_in_the_business_time_zone():
    calendar = Calendar("month", "Europe/London")
    assert calendar.as_of("2011-08-01") == calendar.start("2011-09-01") == datetime(2011, 8, 31, 23)
    assert calendar.as_of("2011-01-01") == datetime(2011, 2, 1)


@pytest.mark.parametrize(
    ("grain", "key", "n", "expected"),
    [
        ("month", "2011-01-01", -1, "2010-12-01"),
        ("month", "2011-11-01", 14, "2013-01-01"),
        ("week", "2011-01-03", -1, "2010-12-27"),
    ],
)
def test_shift(grain, key, n, expected):
    calendar = Calendar(grain)
    assert calendar.shift(key, n) == expected
    assert calendar.distance(key, expected) == n


def test_weeks_begin_on_monday():
    assert Calendar("week").key(date(2011, 8, 7)) == "2011-08-01"


@pytest.mark.parametrize("text", ["2011-08", "2011-08-31", " 2011-08-01 "])
def test_parse_takes_what_people_write(text):
    assert Calendar("month").parse(text) == "2011-08-01"


def test_parse_takes_iso_weeks():
    calendar = Calendar("week")
    assert calendar.label(calendar.parse("2011-W33")) == "2011-W33"


@pytest.mark.parametrize("text", ["", "2011-13", "august", "2011/08", "2011-W54"])
def test_parse_says_what_a_period_looks_like(text):
    with pytest.raises(UsageError, match="is not a period"):
        Calendar("month").parse(text)


@pytest.mark.parametrize(
    ("grain", "key", "n", "expected"),
    [
        ("month", "2011-08-01", 1, "2011-08-01"),
        ("month", "2011-08-01", 3, "2011-06-01"),
        ("month", "2011-09-01", 3, "2011-09-01"),
        ("month", "2011-11-01", 12, "2010-12-01"),
        ("week", "1970-01-19", 4, "1970-01-19"),
        ("week", "1970-02-09", 4, "1970-01-19"),
    ],
)
def test_the_last_of_a_block_is_a_quarters_end_and_a_years(grain, key, n, expected):
    assert Calendar(grain).last_of_block(key, n) == expected


@given(st.sampled_from(["month", "week"]), st.dates(date(1950, 1, 1), date(2060, 1, 1)), st.integers(1, 60))
def test_of_n_periods_in_a_row_one_is_the_last_of_a_block(grain, day, n):
    calendar = Calendar(grain)
    keys = calendar.range(calendar.key(day), calendar.shift(calendar.key(day), n - 1))
    assert sum(calendar.last_of_block(key, n) == key for key in keys) == 1
    assert calendar.last_of_block(keys[-1], n) in keys
