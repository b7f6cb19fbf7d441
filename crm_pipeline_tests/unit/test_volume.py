"""The rows of a period against what earlier periods let expect: worked by hand, and by what must never matter."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_pipeline.transforms import volume

YEAR = [100, 110, 120, 130, 140, 150, 150, 140, 130, 120, 200, 300]
"""A company with a Christmas, as months."""

counts = st.lists(st.integers(0, 5_000), max_size=40)


def test_the_expectation_is_the_median_of_the_last_quarter_until_a_year_and_a_quarter_is_known() -> None:
    assert volume.expected([100, 120], 12) is None
    assert volume.expected([100, 120, 500], 12) == 120
    assert volume.expected(YEAR, 12) == 200
    assert volume.expected(YEAR[:8], 52) is None, "of weeks a quarter is 13"


def test_then_it_is_last_years_season_times_the_growth_of_the_last_quarter() -> None:
    known = [*YEAR, 200, 220, 240]  # twice as much as a year ago
    assert volume.expected(known, 12) == 2 * 130
    assert volume.expected([*YEAR, *(2 * n for n in YEAR[:11])], 12) == 2 * 300, "Christmas is expected"


def test_half_a_file_a_double_import_and_an_empty_period_are_unusual_and_the_season_is_not() -> None:
    known = [*YEAR, *(2 * n for n in YEAR[:11])]
    assert volume.judge(600, known, 12).usual
    steady = [100, 104, 98, 101, 97, 103, 99, 102, 100, 98]
    found = volume.judge(100, steady, 12)
    assert (found.expected, found.usual) == (100, True)
    assert found.low == pytest.approx(
        98 / 1.5
    )  # the misses are small: a factor of 1.5 from what is expected and what was last
    assert found.high == pytest.approx(100 * 1.5)
    assert [volume.judge(n, steady, 12).usual for n in (50, 200, 0, 70, 145)] == [False, False, False, True, True]


def test_the_more_the_past_swung_the_wider_is_what_is_usual() -> None:
    swings = [
        100,
        100,
        100,
        130,
        100,
        130,
        100,
        130,
        100,
        130,
    ]  # each 130 misses 100 by a log ratio of 0.26 (0.2612 with halves)
    found = volume.judge(100, swings, 12)
    # the expectation is the median of 130, 100, 130; a miss is to the nearer of it and of the month before
    misses = [min(abs(math.log((n + 0.5) / (e + 0.5))) for e in near)
              for n, near in zip(swings[3:], [(100, 100), (100, 130), (100, 100), (130, 130), (100, 100), (130, 130), (100, 100)],
                                 strict=True)]  # fmt: skip
    limit = 3.5 * 1.4826 * sorted(misses)[3]
    assert limit > math.log(1.5)
    assert found.high == pytest.approx(130 * math.exp(limit))


@given(rows=st.integers(0, 10_000), known=st.lists(st.integers(0, 5_000), max_size=8))
def test_with_too_little_known_nothing_is_said(rows: int, known: list[int]) -> None:
    assert volume.judge(rows, known, 12) == (rows, None, None, None, True)


@given(rows=st.integers(0, 60), known=st.lists(st.integers(0, 19), max_size=40))
def test_of_few_rows_nothing_is_said(rows: int, known: list[int]) -> None:
    found = volume.judge(rows, known, 12)
    assert found.usual or (found.expected or 0) >= volume.FEW


@given(known=counts, rows=st.integers(1, 100_000), season=st.sampled_from([12, 52]))
def test_what_lies_between_the_bounds_is_usual_and_the_bounds_hold_what_is_expected(
    known: list[int], rows: int, season: int
) -> None:
    found = volume.judge(rows, known, season)
    if found.expected is None or found.low is None or found.high is None:
        assert found.usual
        return
    assert 0 < found.low <= found.expected / 1.49 <= found.expected * 1.49 <= found.high
    assert found.usual == (found.low <= rows <= found.high)
    assert not volume.judge(0, known, season).usual, "an empty period never is"
