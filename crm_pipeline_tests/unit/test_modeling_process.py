import numpy as np
import pandas as pd
import pytest

from crm_pipeline.modeling.baselines import process_log_odds
from crm_pipeline.modeling.estimators.purchase_process import ProcessAmount, ProcessChurn, no_order_log_odds
from crm_pipeline.modeling.purchase_process import MBGNBD

MODEL = MBGNBD(r=0.95, alpha=80.0, a=0.15, b=6.0, log_likelihood=0.0, converged=True, n=500)


@pytest.fixture(scope="module")
def customers() -> pd.DataFrame:
    g = np.random.default_rng(0)
    x = g.poisson(3, 500).astype(float)
    T = g.uniform(100, 600, 500)
    said = MODEL.predict(91, x, np.where(x > 0, T * g.random(500), 0), T)
    return pd.DataFrame({
        "mbg_alive": said.probability_alive,
        "mbg_expected_orders": said.expected_purchases,
        "mbg_no_order": said.probability_no_purchase,
        "order_days_all": x + 1,
        "orders_all": 2 * (x + 1),
        "spend_all": (x + 1) * g.uniform(10, 90, 500),
    })  # fmt: skip


def test_the_probability_of_no_order_is_the_processes_own_exactly(customers):
    model = ProcessChurn().fit(customers)
    assert model.predict_proba(customers)[:, 1] == pytest.approx(customers["mbg_no_order"].to_numpy(), abs=1e-12)
    odds = np.log(customers["mbg_no_order"] / (1 - customers["mbg_no_order"]))
    assert process_log_odds(customers) == pytest.approx(odds.to_numpy())


def test_a_heavy_buyer_of_whom_the_process_is_sure_keeps_the_small_probability():
    one = pd.DataFrame(
        {"mbg_alive": [0.98], "mbg_expected_orders": [3.0], "mbg_no_order": [0.045], "order_days_all": [4.0]}
    )
    assert ProcessChurn().fit(one).predict_proba(one)[0, 1] == pytest.approx(0.045)


def test_the_attribution_of_the_exact_value_adds_up(customers):
    model = ProcessChurn().fit(customers)
    terms, base = model.attributions(customers)
    assert terms.sum(axis=1) + base == pytest.approx(model.raw(customers))
    missed = terms[:, model.columns_.index("mbg_no_order")]
    assert np.abs(missed).mean() < 0.02, "what the explanation's formula misses is small beside the terms"


def test_no_order_is_close_to_the_processes_own_formula(customers):
    rate = customers["mbg_expected_orders"] / customers["mbg_alive"]
    ours = no_order_log_odds(customers["mbg_alive"], rate, customers["order_days_all"])
    exact = np.log(customers["mbg_no_order"] / (1 - customers["mbg_no_order"]))
    gap = np.abs(ours - exact)
    assert gap.mean() < 0.02
    assert gap.max() < 0.2


def test_expected_days_are_multiplied_by_the_value_of_a_day_not_of_an_order(customers):
    """Two orders on every purchase day: a day is worth two orders."""
    model = ProcessAmount(prior=2.0, money_unit=1.0).fit(customers, np.ones(len(customers)))
    model.base_ = 0.0
    days, spend = customers["order_days_all"], customers["spend_all"]
    mean = spend.sum() / days.sum()
    expected = customers["mbg_expected_orders"] * (spend + 2 * mean) / (days + 2)
    assert model.predict(customers) == pytest.approx(expected.to_numpy())


def test_buyers_are_expected_to_buy_on_a_day_at_least(customers):
    model = ProcessAmount(money_unit=1.0, buyers=True).fit(customers, np.ones(len(customers)))
    days, _ = model._logs(customers[model.columns_].to_numpy())
    given = customers["mbg_expected_orders"] / (1 - customers["mbg_no_order"])
    assert np.exp(days) == pytest.approx(np.maximum(given, 1.0).to_numpy())
