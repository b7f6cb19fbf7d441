import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr  # noqa: TID253 (the reference)
from sklearn import metrics  # noqa: TID253 (the reference)

from crm_pipeline.modeling.baselines import baseline_predictions
from crm_pipeline.modeling.evaluation import COLUMNS, evaluate
from crm_pipeline.modeling.metrics import Contact, amount_metrics, probability_metrics, profit_metrics
from crm_pipeline_tests.unit.modeling_world import training_table


@pytest.fixture(scope="module")
def churn() -> pd.DataFrame:
    g = np.random.default_rng(0)
    p = np.round(g.random(3_000), 2)
    y = (g.random(3_000) < p).astype(float)
    keys = {"customer_id": [str(i) for i in range(3_000)], "cutoff": "2020-01-01"}
    return pd.DataFrame({**keys, "outcome": y, "good": p, "baseline_coin": 0.5})


def value(table: pd.DataFrame, model: str, metric: str, column: str = "value") -> float:
    return float(table.loc[(table["model"] == model) & (table["metric"] == metric), column].iloc[0])


def test_churn_metrics_agree_with_scikit_learn_ties_included(churn):
    found = evaluate("churn", churn)
    y, p = churn["outcome"], churn["good"]
    assert list(found.columns) == COLUMNS
    assert value(found, "good", "auc") == pytest.approx(metrics.roc_auc_score(y, p))
    assert value(found, "good", "average_precision") == pytest.approx(metrics.average_precision_score(y, p))
    assert value(found, "good", "brier") == pytest.approx(metrics.brier_score_loss(y, p))
    assert value(found, "good", "log_loss") == pytest.approx(metrics.log_loss(y, p.clip(1e-6, 1 - 1e-6)))
    hard = p >= 0.5
    for name in ("accuracy", "precision", "recall", "f1"):
        assert value(found, "good", name) == pytest.approx(getattr(metrics, f"{name}_score")(y, hard))
    assert value(found, "baseline_coin", "auc") == 0.5
    assert value(found, "baseline_coin", "lift_10") == pytest.approx(1.0)
    assert set(found.loc[found["model"] == "baseline_coin", "kind"]) == {"baseline"}


def test_a_calibrated_model_has_the_calibration_error_of_noise_and_slope_one(churn):
    found = evaluate("churn", churn)
    assert value(found, "good", "calibration_error") < 2 * value(found, "good", "calibration_error_floor")
    assert value(found, "good", "calibration_slope") == pytest.approx(1.0, abs=0.15)


def test_lift_and_gain_of_a_perfect_ranking(churn):
    table = churn.assign(perfect=churn["outcome"] * 0.8 + 0.1)
    found = evaluate("churn", table)
    rate = table["outcome"].mean()
    assert value(found, "perfect", "lift_10") == pytest.approx(1 / rate)
    assert value(found, "perfect", "gain_10") == pytest.approx(0.1 / rate)


def test_intervals_are_those_of_the_bootstrap(churn):
    found = evaluate("churn", churn)
    half = (value(found, "good", "auc", "high") - value(found, "good", "auc", "low")) / 2
    y, p, g = churn["outcome"].to_numpy(), churn["good"].to_numpy(), np.random.default_rng(1)
    draws = [g.integers(0, len(y), len(y)) for _ in range(200)]
    assert half == pytest.approx(1.96 * np.std([metrics.roc_auc_score(y[d], p[d]) for d in draws]), rel=0.25)


def test_intervals_above_the_sample_shrink_with_all_rows(churn):
    big = pd.concat([churn] * 10, ignore_index=True)
    narrow, wide = (evaluate("churn", t) for t in (big, churn))
    width = [value(t, "good", "auc", "high") - value(t, "good", "auc", "low") for t in (narrow, wide)]
    assert width[0] == pytest.approx(width[1] / np.sqrt(10), rel=0.3)


def test_demand_metrics():
    g = np.random.default_rng(0)
    e = np.exp(g.normal(3, 1, 2_000))
    y = e * g.gamma(0.5, 2, 2_000) * (g.random(2_000) < 0.5)
    frame = pd.DataFrame({"customer_id": "x", "cutoff": "2020-01-01", "outcome": y, "m": e, "baseline_zero": 0.0})
    found = evaluate("demand", frame)
    assert value(found, "m", "mae") == pytest.approx(metrics.mean_absolute_error(y, e))
    assert value(found, "m", "mse") == pytest.approx(metrics.mean_squared_error(y, e))
    assert value(found, "m", "rmse") == pytest.approx(metrics.root_mean_squared_error(y, e))
    assert value(found, "m", "r2") == pytest.approx(metrics.r2_score(y, e))
    assert value(found, "m", "spearman") == pytest.approx(spearmanr(y, e).statistic)
    assert value(found, "m", "wape") == pytest.approx(np.abs(y - e).sum() / y.sum())
    assert value(found, "m", "total_ratio") == pytest.approx(e.sum() / y.sum())
    assert value(found, "baseline_zero", "wape") == 1.0
    assert np.isnan(value(found, "baseline_zero", "spearman"))
    assert 0 < value(found, "m", "gini") < 1
    assert value(evaluate("demand", frame.assign(m=y)), "m", "gini") == pytest.approx(1.0)
    unit = y.mean()
    expected = metrics.mean_tweedie_deviance(y / unit, e / unit, power=1.5)
    assert value(found, "m", "deviance") == pytest.approx(expected)


def test_decile_error_is_worked_out_by_hand():
    """Ten customers, ten groups: said 1 to 10, each spends one more than said; the last spends 3: gaps 9 · 1 + 7 of 57."""
    said = np.arange(1.0, 11.0)
    spent = np.r_[said[:9] + 1, 3.0]
    found = amount_metrics(spent, said, np.ones((1, 10)))
    assert found["decile_error"][0] == pytest.approx((9 + 7) / spent.sum())
    assert found["bias"][0] == pytest.approx(55 / 57 - 1)


LAPSED, SAID = np.array([1.0, 0, 1, 0, 0]), np.array([0.9, 0.7, 0.7, 0.3, 0.1])


def test_profit_is_worked_out_by_hand():
    """A contact costs 4 and saves 10: worth it from 0.4. Three are contacted, two of them lapse: 2 · 10 - 3 · 4 of five customers."""
    found = profit_metrics(LAPSED, SAID, np.ones((1, 5)), Contact(4, 10))
    assert {name: float(v[0]) for name, v in found.items()} == pytest.approx(
        {"profit": 8 / 5, "profit_everyone": (20 - 20) / 5, "best_profit": 8 / 5, "best_threshold": 0.7}
    )
    dear = profit_metrics(LAPSED, SAID, np.ones((1, 5)), Contact(9, 10))
    assert (dear["profit"][0], dear["best_profit"][0], dear["best_threshold"][0]) == pytest.approx((1 / 5, 1 / 5, 0.9))
    none = profit_metrics(1 - LAPSED, np.r_[0.9, np.zeros(4)], np.ones((1, 5)), Contact(8, 10))
    assert (none["profit"][0], none["best_profit"][0], none["best_threshold"][0]) == pytest.approx((-8 / 5, 0, 1))


@given(st.integers(0, 10_000), st.floats(0.05, 0.95))
def test_no_threshold_gains_more_than_the_best(seed, cost):
    g = np.random.default_rng(seed)
    p = np.round(g.random(60), 1)
    y, one = (g.random(60) < p).astype(float), np.ones((1, 60))
    found = profit_metrics(y, p, one, Contact(cost, 1.0))
    every = [((y - cost) * (p >= t)).sum() / 60 for t in (*np.unique(p), 2.0)]
    assert found["best_profit"][0] == pytest.approx(max(every))
    assert ((y - cost) * (p >= found["best_threshold"][0])).sum() / 60 == pytest.approx(max(every))


def test_cost_and_saved_value_set_the_threshold_and_stand_beside_every_model(churn):
    found = evaluate("churn", churn, contact=Contact(3, 10))
    hard = churn["good"] >= 0.3
    assert value(found, "good", "recall") == pytest.approx(metrics.recall_score(churn["outcome"], hard))
    assert value(found, "good", "profit") == pytest.approx((10 * churn["outcome"] * hard - 3 * hard).mean())
    assert value(found, "baseline_coin", "profit") == pytest.approx(value(found, "good", "profit_everyone"))
    assert (
        value(found, "good", "profit", "low") < value(found, "good", "profit") < value(found, "good", "profit", "high")
    )
    assert "profit" not in set(evaluate("churn", churn)["metric"])
    amounts = churn.assign(outcome=churn["outcome"] * 7)
    assert "profit" not in set(evaluate("demand", amounts, contact=Contact(3, 10))["metric"])


def test_no_rows_or_one_outcome_give_no_metrics(churn):
    assert evaluate("churn", churn.head(0)).empty
    assert evaluate("churn", churn.assign(outcome=1.0)).empty


def test_baselines_of_churn():
    training = training_table()
    now = training_table(seed=5, cutoffs=["2020-07-01"])
    found = baseline_predictions("churn", training, now, horizon=3)
    assert list(found.columns) == [
        "baseline_recency", "baseline_rfm", "baseline_purchase_process", "baseline_last_season",
    ]  # fmt: skip
    assert found.apply(lambda p: p.between(0, 1).all()).all()
    assert metrics.roc_auc_score(now["churned"], found["baseline_recency"]) > 0.5
    assert found["baseline_recency"].mean() == pytest.approx(training["churned"].mean(), abs=0.05)
    assert found["baseline_last_season"].std() < 1e-12


def test_last_season_takes_last_years_rate_and_who_ordered_then():
    training = training_table(cutoffs=["2019-07-01", "2020-03-01"])
    training["orders_season_ly"] = 1.0 * (training["orders"] + training["orders_all"] > 5)
    now = training_table(seed=5, cutoffs=["2020-07-01"]).assign(orders_season_ly=lambda t: 1.0 * (t["orders_3"] > 2))
    found = baseline_predictions("churn", training, now, horizon=3)["baseline_last_season"]
    assert found[now["orders_season_ly"] == 0].mean() > found[now["orders_season_ly"] > 0].mean()
    then = training.loc[training["cutoff"] == pd.Timestamp("2019-07-01"), "churned"].mean()
    assert found.mean() == pytest.approx(then, abs=0.01)


def test_baselines_of_demand_and_of_nothing():
    training = training_table()
    found = baseline_predictions("demand", training.head(0), training, horizon=3)
    assert list(found.columns) == ["baseline_zero", "baseline_last_spend", "baseline_purchase_process"]
    assert found["baseline_last_spend"].sum() == pytest.approx(training["spend_3"].sum() * 0.0001)
    bare = training[["customer_id", "cutoff", "recency_days"]]
    assert list(baseline_predictions("churn", training.head(0), bare, horizon=3).columns) == []


def test_equal_predictions_are_judged_alike_whatever_the_order_of_rows():
    """Gini of the baseline zero is 0, not ±1; ten bins of one probability are one bin."""
    y = np.sort(np.random.default_rng(0).gamma(1, 1, 1_000))[::-1]
    one = np.ones((1, 1_000))
    for order in (y, y[::-1]):
        assert amount_metrics(order, np.zeros(1_000), one)["gini"][0] == pytest.approx(0.0, abs=1e-12)
        lapsed = (order > 1).astype(float)
        error = probability_metrics(lapsed, np.full(1_000, 0.5), one, 0.5)["calibration_error"][0]
        assert error == pytest.approx(abs(lapsed.mean() - 0.5))


def test_gini_of_halves_is_worked_out_by_hand():
    """Two customers said to spend most spend 3 and 1, two others 0: the curve rises to 4/4 at half of the customers.

    Area under it 1/2 · 1/2 + 1/2 = 3/4, less 1/2 is 1/4; the best order has 3/16 + 7/16 · ... = (3/8 + 7/8 + 1 + 1)/4 - 1/2.
    """
    y, said = np.array([3.0, 0.0, 1.0, 0.0]), np.array([5.0, 2.0, 5.0, 2.0])
    best = (3 / 8 + 7 / 8 + 1 + 1) / 4 - 1 / 2
    assert amount_metrics(y, said, np.ones((1, 4)))["gini"][0] == pytest.approx((1 / 4) / best)
