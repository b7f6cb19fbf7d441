import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from crm_pipeline.modeling.level import Level, log_amount_shift, log_odds_shift, seasonal_level
from crm_pipeline.periods import Calendar

MONTHS = Calendar("month").range("2019-01-01", "2021-12-01")
FACTS = {"rate": 0.6, "cutoffs": ["2020-03-01", "2020-04-01"]}


def totals(through: str = "2021-12-01") -> pd.DataFrame:
    """Every December has three times the orders of the other months."""
    keys = [m for m in MONTHS if m <= through]
    orders = [300 if m[5:7] == "12" else 100 for m in keys]
    return pd.DataFrame({"period_start": keys, "n_orders": orders, "spend": [o * 1_000 for o in orders]})


def at(period: str, cutoffs: list[str], through: str = "2021-12-01", **more: object) -> Level:
    return seasonal_level(totals(through).assign(**more), period, cutoffs, horizon=3, year=12)


def test_half_of_last_years_ratio_with_one_season_known():
    level = at("2020-09-01", FACTS["cutoffs"])
    assert level.shift("orders", FACTS["cutoffs"]) == (pytest.approx(np.log(500 / 300) / 2), 1)
    assert "one season known, so 1/2" in level.sentence


def test_two_thirds_with_two_seasons_known():
    shift, seasons = at("2021-09-01", ["2021-03-01"]).shift("orders", ["2021-03-01"])
    assert (shift, seasons) == (pytest.approx(np.log(500 / 300) * 2 / 3), 2)


def test_no_shift_without_a_year_of_history():
    level = at("2019-09-01", ["2019-03-01"])
    assert level.shift("orders", ["2019-03-01"]) == (0.0, 0)
    assert log_odds_shift(level, {"rate": 0.6, "cutoffs": ["2019-03-01"]}) == 0.0
    assert "less than a year" in level.sentence
    assert seasonal_level(totals().head(0), "2019-09-01", [], horizon=3, year=12) == Level()


def test_rule_1_the_level_knows_nothing_after_its_period():
    early = at("2020-09-01", FACTS["cutoffs"], through="2020-09-01")
    changed = totals()
    changed.loc[changed["period_start"] > "2020-09-01", ["n_orders", "spend"]] = 999_999
    late = seasonal_level(changed, "2020-09-01", FACTS["cutoffs"], horizon=3, year=12)
    assert early == late


def test_a_busy_season_lowers_the_risk_and_raises_the_amount():
    level = at("2020-09-01", FACTS["cutoffs"])
    shift = log_odds_shift(level, FACTS)
    expected = 0.6 ** np.exp(np.log(500 / 300) / 2)
    assert shift == pytest.approx(np.log(expected / (1 - expected)) - np.log(0.6 / 0.4))
    assert log_amount_shift(level, FACTS, 1_000.0, 1.0) == pytest.approx(np.log(500 / 300) / 2)
    assert log_odds_shift(None, FACTS) == 0.0


def test_the_ratio_is_taken_against_the_models_own_cutoffs():
    cutoffs = ["2020-03-01", "2019-09-01"]
    level = at("2020-09-01", cutoffs)
    assert level.shift("orders", cutoffs)[0] < level.shift("orders", cutoffs[:1])[0]


def test_totals_move_half_way_to_the_seasonal_naive_forecast():
    eligible = {"eligible_spend": [240_000.0 if m in FACTS["cutoffs"] else np.nan for m in MONTHS]}
    level = at("2020-09-01", FACTS["cutoffs"], **eligible)
    assert level.naive_total == pytest.approx(500_000 * 0.8)
    shift = log_amount_shift(level, FACTS, 100_000.0, 1.0)
    assert shift == pytest.approx((np.log(500 / 300) / 2 + np.log(4)) / 2)
    assert log_amount_shift(level, FACTS, 1.0, 1.0) == pytest.approx(np.log(4)), "held within a factor of four"


def test_a_level_can_be_kept_as_json():
    level = at("2020-09-01", FACTS["cutoffs"])
    assert Level(**json.loads(json.dumps(asdict(level)))) == level


def test_weeks_have_years_of_52():
    keys = Calendar("week").range("2019-01-07", "2020-12-28")
    table = pd.DataFrame({"period_start": keys, "n_orders": 10, "spend": 100})
    level = seasonal_level(table, keys[60], [keys[40]], horizon=13, year=52, grain="week")
    assert level.shift("orders", [keys[40]]) == (pytest.approx(0.0), 1)
