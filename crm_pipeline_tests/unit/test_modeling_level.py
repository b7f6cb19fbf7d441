import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from crm_pipeline.modeling.level import Level, log_amount_shift, log_odds_shift, orders_factor, season_level
from crm_pipeline.modeling.purchases import Expected
from crm_pipeline.periods import Calendar

MONTHS = Calendar("month").range("2019-01-01", "2022-12-01")
NOW = Expected(500, 1_000.0, 50_000.0)


def history(ratio: np.ndarray | float, months: list[str] = MONTHS) -> pd.DataFrame:
    """One row per cut-off: 1,000 expected days of 50 each, times ``ratio`` days happened, two orders a day."""
    days = np.broadcast_to(np.round(1_000 * np.asarray(ratio)), len(months)).astype("int64")
    return pd.DataFrame({
        "cutoff": months, "expected_days": 1_000.0, "expected_spend": 50_000.0,
        "days": days, "orders": 2 * days, "spend": 60 * days,
    })  # fmt: skip


def level(table: pd.DataFrame, period: str, horizon: int = 3) -> Level:
    return season_level(table, NOW, period, first=MONTHS[0], horizon=horizon, year=12)


SEASON = np.where(np.array([m[5:7] for m in MONTHS]) == "09", 1.5, 0.95)
"""The three months after the end of September are busy in every year."""


def test_without_a_known_cutoff_no_level_is_set():
    assert level(history(1.0).head(0), "2020-03-01") == Level()
    assert level(history(1.0), "2019-08-01") == Level(), (
        "cut-offs with less than half a year before them are not believed"
    )
    assert (
        season_level(history(1.0), Expected(0, np.nan, np.nan), "2021-09-01", first=MONTHS[0], horizon=3, year=12)
        == Level()
    )


def test_where_what_was_expected_happened_the_forecast_is_what_is_expected():
    found = level(history(1.0), "2021-12-01")
    assert (found.days, found.orders, found.spend) == (
        pytest.approx(1_000),
        pytest.approx(2_000),
        pytest.approx(50_000),
    )


def test_the_season_of_past_years_is_expected_again_shrunk_by_its_noise():
    found = level(history(SEASON), "2021-09-01")
    usual = np.log(SEASON[(i := MONTHS.index("2021-06-01")) - 11 : i + 1].mean())
    weight = 2 * 0.04 / (2 * 0.04 + 0.01 + 2 / 1_500)
    assert found.weight == pytest.approx(weight)
    assert np.log(found.days / 1_000) == pytest.approx(weight * (np.log(1.5) - usual), abs=0.03)
    assert level(history(SEASON), "2021-08-01").days < 1_000


def test_one_season_is_believed_less_than_two_and_few_orders_less_than_many():
    one, two = level(history(SEASON), "2020-09-01"), level(history(SEASON), "2021-09-01")
    assert 0 < one.weight < two.weight < 1
    few = history(SEASON).assign(days=lambda t: t["days"] // 100)
    assert level(few, "2021-09-01").weight < two.weight


def test_growth_is_no_season():
    """Twice the customers in every year, and what the process expects of them: no season, and no trend."""
    growth = 2 ** (np.arange(len(MONTHS)) / 12)
    table = history(1.0).assign(expected_days=1_000 * growth, days=np.round(1_000 * growth).astype("int64"))
    found = level(table, "2021-12-01")
    assert found.days == pytest.approx(1_000, rel=0.01)


def test_the_newest_cutoffs_move_it_half_way():
    ratio = np.where(np.array(MONTHS) >= "2019-11-01", 1.2, 1.0)
    found = level(history(ratio), "2020-05-01")
    assert np.log(found.days / 1_000) == pytest.approx(0.5 * 4_800 / 5_000 * np.log(1.2), rel=0.02)


def test_a_season_that_would_have_made_earlier_cutoffs_worse_is_not_applied():
    """What was high in one year was low in the next: last year's season misleads every time."""
    year = np.arange(len(MONTHS)) // 12
    ratio = np.where((np.arange(len(MONTHS)) % 12 < 6) == (year % 2 == 0), 1.4, 0.7)
    found = level(history(ratio), "2021-11-01")
    assert (found.season, found.weight) == (0.0, 0.0)
    assert "season of last year is not applied, it would have made the totals of the last year worse" in found.sentence
    assert found.shift(MONTHS[8:18]) == 0.0


def test_rule_1_the_level_knows_nothing_after_its_period():
    table = history(SEASON)
    changed = table.assign(days=table["days"].where(table["cutoff"] <= "2021-06-01", 999_999))
    assert level(table, "2021-09-01") == level(changed, "2021-09-01")
    assert level(table[table["cutoff"] <= "2021-06-01"], "2021-09-01") == level(table, "2021-09-01")


def test_a_busy_season_lowers_the_risk_against_the_models_own_cutoffs():
    found = level(history(SEASON), "2021-09-01")
    quiet, busy = ["2021-03-01", "2021-04-01"], ["2020-09-01"]
    facts = {"rate": 0.6, "cutoffs": quiet}
    shift = found.weight * np.log(1.5 / 0.95)
    expected = 0.6 ** np.exp(shift)
    assert log_odds_shift(found, facts) == pytest.approx(np.log(expected / (1 - expected)) - np.log(0.6 / 0.4))
    assert log_odds_shift(found, facts) < 0
    assert log_odds_shift(found, facts | {"cutoffs": busy}) == pytest.approx(0.0)
    assert log_odds_shift(found, facts | {"cutoffs": ["1999-01-01"]}) == 0.0
    assert log_odds_shift(None, facts) == log_odds_shift(Level(), facts) == 0.0


def test_every_models_total_is_moved_to_the_forecast():
    found = level(history(1.0), "2021-12-01")
    assert 700.0 * np.exp(log_amount_shift(found, 700.0, 0.01)) == pytest.approx(500.0)
    assert 100.0 * orders_factor(found, 100.0) == pytest.approx(400.0), "held within a factor of four"
    assert 1_500.0 * orders_factor(found, 1_500.0) == pytest.approx(2_000.0)
    assert (log_amount_shift(Level(), 700.0, 0.01), orders_factor(Level(), 100.0)) == (0.0, 1.0)


def test_a_level_can_be_kept_as_json():
    found = level(history(SEASON), "2021-09-01")
    assert Level(**json.loads(json.dumps(asdict(found)))) == found


def test_weeks_have_years_of_52():
    keys = Calendar("week").range("2019-01-07", "2021-12-27")
    ratio = np.where(np.arange(len(keys)) % 52 == 40, 1.5, 1.0)
    found = season_level(history(ratio, keys), NOW, keys[144], first=keys[0], horizon=13, year=52, grain="week")
    assert found.weight > 0.8
    assert np.log(found.days / 1_000) == pytest.approx(found.weight * np.log(1.5), abs=0.05)
