"""The baselines' values against rows worked out by hand: every claim to beat them rests on these."""

import numpy as np
import pandas as pd
import pytest

from crm_pipeline.modeling.baselines import RFM, _rfm, baseline_predictions
from crm_pipeline.modeling.metrics import probability_metrics

TEN = pd.DataFrame({
    "customer_id": [f"c{i}" for i in range(10)],
    "cutoff": pd.Timestamp("2020-01-01"),
    "recency_days": [5.0, 15, 25, 35, 45, 55, 65, 75, 85, 95],
    "order_days_all": [10.0, 9, 8, 7, 6, 5, 4, 3, 2, 1],
    "spend_all": [1_000.0, 900, 800, 700, 600, 500, 400, 300, 200, 100],
    "churned": [0, 0, 1, 0, 0, 1, 0, 1, 1, 1],
})  # fmt: skip


def logistic(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    """The reference: maximum likelihood by many small steps."""
    mean, scale = x.mean(), x.std()
    z, w = (x - mean) / scale, np.zeros(2)
    for _ in range(20_000):
        p = 1 / (1 + np.exp(-(w[0] + w[1] * z)))
        w += 0.1 * np.array([(y - p).sum(), ((y - p) * z).sum()])
    return 1 / (1 + np.exp(-(w[0] + w[1] * (new - mean) / scale)))


def test_the_best_customer_has_the_highest_rfm_score():
    """Quintile cuts of ten even values lie between the 2nd and 3rd, 4th and 5th, ...: codes 0 0 1 1 2 2 3 3 4 4."""
    cuts = [np.quantile(TEN[c], [0.2, 0.4, 0.6, 0.8]) for c in RFM]
    assert _rfm(TEN, cuts).tolist() == [8, 8, 5, 5, 2, 2, -1, -1, -4, -4]


def test_rfm_is_the_logistic_of_that_score():
    said = baseline_predictions("churn", TEN, TEN, horizon=3)["baseline_rfm"]
    score = np.array([8.0, 8, 5, 5, 2, 2, -1, -1, -4, -4])
    assert said.to_numpy() == pytest.approx(logistic(score, TEN["churned"].to_numpy("float64"), score), abs=1e-4)
    assert said.iloc[0] < said.iloc[-1]


def test_rfm_ranks_as_the_usual_rfm_does():
    """Buyers at a rate of their own who leave: a straw man that adds recency to frequency ranks them hardly at all."""
    g = np.random.default_rng(0)
    rate, gone, known = g.gamma(1.0, 1 / 60, 4_000), g.exponential(300, 4_000), g.uniform(30, 700, 4_000)
    bought = g.poisson(rate * np.minimum(gone, known)) + 1
    last = np.minimum(gone, known) * (1 - 1 / (bought + 1))
    churned = (g.random(4_000) < np.exp(-rate * np.clip(gone - known, 0, 90))).astype("int8")
    spend = bought * 100.0
    table = pd.DataFrame({"customer_id": np.arange(4_000).astype(str), "cutoff": "2020-01-01", "spend_all": spend})
    table = table.assign(recency_days=known - last, order_days_all=bought.astype(float), churned=churned)
    learn, judge = table.iloc[::2], table.iloc[1::2].reset_index(drop=True)
    said = baseline_predictions("churn", learn, judge, horizon=3)["baseline_rfm"].to_numpy()
    found = probability_metrics(judge["churned"].to_numpy(), said, np.ones((1, len(judge))), 0.5)
    assert found["auc"][0] > 0.7


def test_recency_is_the_logistic_of_the_log_of_the_days():
    said = baseline_predictions("churn", TEN, TEN, horizon=3)["baseline_recency"]
    days = np.log1p(TEN["recency_days"].to_numpy())
    assert said.to_numpy() == pytest.approx(logistic(days, TEN["churned"].to_numpy("float64"), days), abs=1e-4)


def test_the_purchase_process_says_what_it_says():
    features = TEN.assign(mbg_alive=0.9, mbg_expected_orders=2.0, mbg_no_order=np.linspace(0.1, 0.9, 10))
    said = baseline_predictions("churn", TEN, features, horizon=3)["baseline_purchase_process"]
    assert said.to_numpy() == pytest.approx(np.linspace(0.1, 0.9, 10))


def test_last_season_is_the_rate_of_those_who_did_and_did_not_order_then():
    """Of five who ordered in last year's season 1 lapsed, of five who did not 4."""
    ordered = [1.0, 2, 0, 1, 1, 1, 0, 0, 0, 0]
    learn = TEN.assign(orders_season_ly=ordered)
    said = baseline_predictions("churn", learn, learn, horizon=3)["baseline_last_season"].to_numpy()
    did = np.array(ordered) > 0
    assert said[did] == pytest.approx(np.full(5, 1 / 5))
    assert said[~did] == pytest.approx(np.full(5, 4 / 5))


def test_last_seasons_overall_rate_is_last_years():
    """The cut-off a year before had 30 % of lapses, all of them have 50 %: the mean moves to 30 %."""
    labels = [[0, 0, 0, 0, 0, 0, 0, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 0, 0, 0]]
    asked = TEN.assign(as_of=pd.Timestamp("2021-02-01"), orders_season_ly=0.0)
    ago = [
        TEN.assign(as_of=pd.Timestamp(day), churned=y)
        for day, y in zip(("2020-02-01", "2020-08-01"), labels, strict=True)
    ]
    learn = pd.concat(ago, ignore_index=True).assign(orders_season_ly=0.0)
    said = baseline_predictions("churn", learn, asked, horizon=3)["baseline_last_season"]
    assert said.to_numpy() == pytest.approx(np.full(10, 0.3), abs=1e-6)


def test_demand_zero_mean_last_spend_last_season_and_the_process():
    features = TEN.assign(
        spend_3=[50_000.0, *[np.nan] * 9],
        spend_season_ly=[0.0, 70_000, *[0.0] * 8],
        mbg_alive=0.9,
        mbg_expected_orders=2.0,
        mbg_no_order=0.2,
    )
    learned = TEN.assign(spend=[100.0, *[0.0] * 8, np.nan])
    said = baseline_predictions("demand", learned, features, horizon=3, money_unit=0.01)
    assert said["baseline_zero"].eq(0).all()
    assert said["baseline_mean"].to_numpy() == pytest.approx(np.full(10, 100 / 9 * 0.01))
    assert said["baseline_last_spend"].tolist() == [500.0, *[0.0] * 9]
    assert said["baseline_last_season"].tolist() == [0.0, 700.0, *[0.0] * 8]
    # every day of everybody is worth 100 units, whatever is shrunk: 2 days x 100 x 0.01
    assert said["baseline_purchase_process"].to_numpy() == pytest.approx(np.full(10, 2.0))


def test_what_cannot_be_computed_is_left_out():
    assert list(baseline_predictions("demand", TEN.head(0), TEN, horizon=3)) == ["baseline_zero"]
    assert list(baseline_predictions("churn", TEN.head(0), TEN, horizon=3)) == []
