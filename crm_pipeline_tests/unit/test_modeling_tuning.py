"""The search of parameters: none where blocks are few, the same twice, blind to what was not known, of use where defaults are bad."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from crm_pipeline.modeling.estimators.gradient_boosting import BoostedAmount, BoostedChurn
from crm_pipeline.modeling.estimators.stopping import log_loss
from crm_pipeline.modeling.estimators.tuning import _curves, _data, walk_forward
from crm_pipeline.modeling.preprocessing import YEAR_MARK
from crm_pipeline.modeling.training import describe, fit
from crm_pipeline.periods import Calendar
from crm_pipeline_tests.unit.modeling_world import training_table

MONTHS = [f"2021-{m:02d}-01" for m in range(1, 12)]
TRIALS = 4


def rows(cutoffs: list[str], customers: int = 150, signal: float = 0.95) -> tuple[pd.DataFrame, np.ndarray]:
    """Who lapses alternates along x in narrow steps: more than few slow trees with heavy leaves can follow."""
    g, parts = np.random.default_rng(3), []
    for cutoff in cutoffs:
        x = g.random((customers, 2))
        table = pd.DataFrame({"x": x[:, 0], "noise": x[:, 1], YEAR_MARK: g.poisson(1.0, customers).astype(float)})
        table.index = pd.MultiIndex.from_product(
            [[cutoff], [f"c{i}" for i in range(customers)]], names=["cutoff", "customer_id"]
        )
        parts.append(table)
    X = pd.concat(parts)
    odd = np.floor(X["x"].to_numpy() * 8) % 2
    return X, np.where(g.random(len(X)) < signal, odd, 1 - odd)


def tuned_model(X: pd.DataFrame, y: np.ndarray, trials: int = TRIALS) -> BoostedChurn:
    return BoostedChurn(trials=trials, horizon=3, threads=1).fit(X, y)


def test_fewer_than_four_blocks_search_nothing() -> None:
    X, y = rows(MONTHS[:9])  # three blocks of three months
    assert walk_forward(X, 3, "month") == []
    model = tuned_model(X, y)
    assert model.tuning_ == {}
    np.testing.assert_array_equal(model.raw(X), tuned_model(X, y, trials=0).raw(X))
    assert len(walk_forward(rows(MONTHS[:10])[0], 3, "month")) == 3
    no_year = rows(MONTHS[:10])[0].assign(**{YEAR_MARK: np.nan})
    assert walk_forward(no_year, 3, "month") == [], "a cut-off without a year of history before it is no block"


@pytest.mark.parametrize(("grain", "horizon", "freq"), [("month", 3, "MS"), ("week", 13, "4W-MON")])
def test_a_fold_knows_no_outcome_that_reaches_over_its_block(grain, horizon, freq) -> None:  # type: ignore[no-untyped-def]
    cutoffs = [
        str(d.date()) for d in pd.date_range("2021-01-04" if grain == "week" else "2021-01-01", periods=14, freq=freq)
    ]
    X, y = rows(cutoffs, customers=20)
    found, calendar = walk_forward(X, horizon, grain), Calendar(grain)
    assert len(found) >= 3
    keys = X.index.get_level_values("cutoff").to_numpy()
    for learnt, asked in found:
        (block,) = set(keys[asked])
        assert min(calendar.distance(c, block) for c in keys[learnt]) >= horizon
        poisoned = np.where(keys > block, 1 - y, y)
        own = {"objective": "binary:logistic", "nthread": 1}
        one, two = (_curves([_data(X, v, ["x"], (learnt, asked), False)], own, "logloss") for v in (y, poisoned))
        np.testing.assert_array_equal(one, two)


def test_where_the_defaults_are_bad_it_is_better_on_a_later_period() -> None:
    X, y = rows(MONTHS)
    later = X.index.get_level_values("cutoff") == MONTHS[-1]
    model = tuned_model(X[~later], y[~later], trials=5)
    plain = tuned_model(X[~later], y[~later], trials=0)
    assert "it is taken" in model.tuning_["tuning"]
    assert log_loss(y[later], model.raw(X[later])) < log_loss(y[later], plain.raw(X[later])) - 0.02
    again = tuned_model(X[~later], y[~later], trials=5)
    assert again.get_params() == model.get_params()
    assert again.tuning_ == model.tuning_
    np.testing.assert_array_equal(again.raw(X), model.raw(X))
    from sklearn.base import clone

    refit = clone(model).fit(X[~later], y[~later])
    assert refit.tuning_ == {}, "a refit takes what was chosen"
    np.testing.assert_array_equal(refit.raw(X), model.raw(X))


def test_where_there_is_nothing_to_find_the_defaults_stay() -> None:
    X, y = rows(MONTHS[:10], signal=0.5)
    model = tuned_model(X, y, trials=1)  # the defaults themselves, with fewer trees at best
    assert len(json.loads(model.tuning_["tried"])) == 1
    assert model.reg_lambda == BoostedChurn().reg_lambda


def test_a_card_says_what_was_tried_of_either_task() -> None:
    table = training_table(customers=120, cutoffs=MONTHS[:10]).assign(**{YEAR_MARK: 1.0})
    table.loc[::3, YEAR_MARK] = 2.0
    for task, kind in (("churn", BoostedChurn), ("demand", BoostedAmount)):
        model = fit(task, "gradient_boosting", table, horizon=3, seed=0, threads=1, trials=2)
        told = describe(model)["parameters"]
        assert told[f"{kind.__name__}.tuning"].startswith("2 trials over 3 later blocks")
        assert len(json.loads(told[f"{kind.__name__}.tried"])) == 2
