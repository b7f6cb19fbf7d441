from datetime import date, datetime

import pytest

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
