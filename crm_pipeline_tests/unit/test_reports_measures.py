"""Measures, drift and the short tables, each against a formula written out or a case worked by hand."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_pipeline.modeling import metrics
from crm_pipeline.modeling.evaluation import evaluate
from crm_pipeline.reports import drift, measures, summary, words
from crm_pipeline.reports.section_track import ISSUED, judge


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(1)
    p = rng.random(2_000).round(2)
    return (rng.random(2_000) < p).astype(float), p


def test_auc_and_average_precision_are_the_written_formulas(sample):
    y, p = sample
    events, others = p[y == 1][:, None], p[y == 0][None, :]
    assert metrics.plain(metrics.auc, y, p) == pytest.approx(
        ((events > others) + 0.5 * (events == others)).mean(), abs=1e-12
    )
    steps = [(np.mean(y[p >= t]), np.sum(y[p == t]) / y.sum()) for t in np.unique(p)]
    assert metrics.plain(metrics.average_precision, y, p) == pytest.approx(
        sum(precision * gain for precision, gain in steps), abs=1e-12
    )


@given(st.integers(0, 2**32 - 1), st.integers(30, 300), st.sampled_from(["churn", "demand"]))
def test_the_report_says_of_a_model_exactly_what_its_evaluation_says(seed, n, task):
    rng = np.random.default_rng(seed)
    y = np.append([0, 1], rng.integers(0, 2, n)) * (1.0 if task == "churn" else rng.gamma(1, 50, n + 2))
    frame = pd.DataFrame({"cutoff": "2011-05-01", "outcome": y, "predicted": rng.random(n + 2).round(1)})
    said = evaluate(task, frame.assign(customer_id="x").rename(columns={"predicted": "m"})).set_index("metric")["value"]
    (found,) = judge(frame, task)
    assert {name: own[ISSUED] for name, own in found.values.items()} == {name: said[name] for name in found.values}


def test_no_rows_or_one_class_alone_have_no_metric():
    none, one = np.empty(0), np.ones(3)
    for metric in (metrics.auc, metrics.average_precision, metrics.brier, metrics.spearman, metrics.wape):
        assert np.isnan(metrics.plain(metric, none, none))
    assert np.isnan(metrics.plain(metrics.auc, one, one))
    assert np.isnan(metrics.plain(metrics.spearman, one, np.arange(3.0)))


def test_curves_are_thin_and_end_in_the_corners(sample):
    y, _ = sample
    p = np.random.default_rng(2).random(len(y))
    x, hit = measures.roc_points(y, p)
    assert (x[0], hit[0], x[-1], hit[-1]) == (0, 0, 1, 1)
    assert len(x) <= 301
    share, gain = measures.gain_points(y, p)
    assert (share[-1], gain[-1]) == (1, 1)


def test_auc_difference_has_the_error_of_resampling(sample):
    y, p = sample
    rng = np.random.default_rng(3)
    other = p + rng.normal(0, 0.4, len(p))
    gain, error = measures.auc_difference(y, p, other)
    assert gain == pytest.approx(metrics.plain(metrics.auc, y, p) - metrics.plain(metrics.auc, y, other))
    draws = []
    for _ in range(200):
        rows = rng.integers(0, len(y), len(y))
        draws.append(metrics.plain(metrics.auc, y[rows], p[rows]) - metrics.plain(metrics.auc, y[rows], other[rows]))
    assert error == pytest.approx(np.std(draws), rel=0.2)


def test_spearman_wape_total_by_hand():
    y, p = np.array([0.0, 0.0, 10.0, 30.0]), np.array([1.0, 2.0, 9.0, 20.0])
    assert metrics.plain(metrics.spearman, y, p) == pytest.approx(pd.Series(y).corr(pd.Series(p), method="spearman"))
    assert metrics.plain(metrics.wape, y, p) == pytest.approx(14 / 40)
    assert metrics.plain(metrics.total_ratio, y, p) == pytest.approx(32 / 40)
    assert np.isnan(metrics.plain(metrics.wape, np.zeros(3), np.ones(3)))


def test_calibration_band_holds_right_predictions():
    rng = np.random.default_rng(4)
    p = rng.random(200_000)
    bins = measures.calibration_bins((rng.random(len(p)) < p).astype(float), p)
    assert len(bins) == 10
    assert bins["n"].sum() == len(p)
    assert ((bins["actual"] >= bins["low"]) & (bins["actual"] <= bins["high"])).sum() >= 8
    assert len(measures.calibration_bins(np.array([0.0, 1.0]), np.array([0.5, 0.5]))) == 1


def test_deciles_keep_every_row():
    y = np.arange(25.0)
    table = measures.amount_deciles(y, y[::-1].copy())
    assert table["n"].sum() == 25
    assert (table["actual"] * table["n"]).sum() == pytest.approx(y.sum())
    assert len(measures.amount_deciles(y[:3], y[:3])) == 3


def test_psi_is_the_written_formula():
    before, now = np.repeat([0.0, 1.0], [60, 40]), np.repeat([0.0, 1.0], [30, 70])
    value, bins = drift.psi(before, now)
    a, b = (np.array(c) + 0.5 for c in ([60, 40], [30, 70]))
    a, b = a / a.sum(), b / b.sum()
    assert bins == 2
    assert value == pytest.approx(((b - a) * np.log(b / a)).sum())


def test_null_share_is_a_bin_of_its_own():
    values = np.random.default_rng(5).random(1_000)
    holes = np.where(np.arange(1_000) < 400, np.nan, values)
    assert drift.psi(values, holes)[0] > drift.SHIFTED
    assert drift.psi(holes, holes)[0] == 0
    assert np.isfinite(drift.psi(np.full(10, np.nan), values)[0])


def test_chance_limit_holds_for_unchanged_features():
    rng = np.random.default_rng(6)
    found = [drift.psi(rng.normal(size=400), rng.normal(size=600)) for _ in range(300)]
    limit = drift.by_chance(10, 400, 600)
    assert np.mean([value > limit for value, _ in found]) == pytest.approx(0.05, abs=0.04)


def test_feature_drift_names_what_moved():
    rng = np.random.default_rng(7)
    before = pd.DataFrame({"customer_id": ["a"] * 800, "x": rng.random(800), "y": rng.random(800), "old": 1.0})
    now = before.assign(y=before["y"] + 0.5, new=1.0)
    found = drift.feature_drift(before, now.drop(columns="old"))
    assert list(found["feature"]) == ["y", "x"]
    assert list(found["state"]) == ["shifted", "steady"]


def test_a_feature_that_is_known_for_the_first_time_is_no_drift_and_one_that_is_lost_is():
    rng = np.random.default_rng(7)
    now = pd.DataFrame({"customer_id": [f"c{i}" for i in range(800)], "x": rng.random(800), "y": rng.random(800)})
    before = now.assign(x=np.nan, customer_id=[f"b{i}" for i in range(800)])
    assert dict(drift.feature_drift(before, now).set_index("feature")["state"]) == {"x": "new", "y": "steady"}
    assert dict(drift.feature_drift(now, before).set_index("feature")["state"]) == {"x": "shifted", "y": "steady"}
    assert drift.two_sample(before, now)[0] < 0.56
    assert drift.two_sample(now, before)[0] == 1


def test_an_interval_is_no_wider_than_what_is_measured_can_be():
    assert words.span_around(0.761, 0.913, "auc") == "0.000 to 1.000"
    assert words.span_around(0.112, 0.151, "brier") == "0.000 to 0.263"
    assert words.span_around(0.1, 0.3, "bias") == "−0.200 to 0.400"


def test_model_vs_baselines_newest_and_mean():
    rows = [
        ("churn", "logistic", "estimator", "2011-02-01", "auc", 0.70, 0.6, 0.8, 10),
        ("churn", "logistic", "estimator", "2011-05-01", "auc", 0.80, 0.7, 0.9, 12),
        ("churn", "recency", "baseline", "2011-05-01", "AUC", 0.75, None, None, 12),
        ("demand", "linear", "estimator", "2011-05-01", "wape", 0.9, 0.8, 1.0, 12),
        ("demand", "two_part", "estimator", "2011-05-01", "wape", 0.6, 0.5, 0.7, 12),
    ]
    frame = pd.DataFrame(rows, columns=["task", "model", "kind", "cutoff", "metric", "value", "low", "high", "n"])
    table = summary.model_vs_baselines(frame)
    assert list(table["model"]) == ["logistic", "baseline_recency", "two_part", "linear"]
    first = table.iloc[0]
    assert (first["auc"], first["auc_low"], first["auc_high"], first["cutoffs"]) == (0.80, 0.7, 0.9, 2)
    assert first["auc_mean"] == pytest.approx(0.75)
    assert first["auc_reach"] == pytest.approx(12.706 * 0.05, rel=1e-3)  # Student's t of one degree of freedom
    assert np.isnan(table.iloc[1]["auc_reach"])
    assert summary.model_vs_baselines(frame.iloc[:0]).empty


def test_theme_shares_sum_to_one():
    factors = [{"recency": 1.0, "spend": -1.0}, {"recency": 2.0}, None]
    frame = pd.DataFrame({"factors": [json.dumps(f) if f else None for f in factors]})
    shares = summary.theme_shares(frame)
    assert list(shares["theme"]) == ["recency", "spend"]
    assert list(shares["share"]) == [0.75, 0.25]
    assert (shares["raises"] + shares["lowers"]).sum() == pytest.approx(1.0)
    assert shares["customers"].iloc[0] == 2
    assert summary.theme_shares(frame.iloc[2:]).empty


def test_judging_a_published_score_against_the_best_baseline(sample):
    y, p = sample
    record = pd.DataFrame(
        {"cutoff": "2011-05-01", "outcome": y, "predicted": p, "baseline_recency": 0.5, "baseline_rfm": p[::-1]}
    )
    (one,) = judge(record, "churn")
    assert one.verdicts == {"auc": ("ahead", "baseline_recency"), "brier": ("ahead", "baseline_recency")}
    assert one.values["auc"][ISSUED] == metrics.plain(metrics.auc, y, p)
    (same,) = judge(record.assign(baseline_recency=p), "churn")
    assert same.verdicts["brier"][0] == "level"
    (lost,) = judge(record.assign(predicted=1 - p, baseline_recency=p), "churn")
    assert lost.verdicts["auc"] == ("behind", "baseline_recency")


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(1234.5, 0, "1,234"), (-0.001, 2, "0.00"), (-2.5, 1, "\N{MINUS SIGN}2.5"), (None, 1, "–"), (float("nan"), 0, "–")],
)
def test_numbers_in_words(value, decimals, text):
    assert words.number(value, decimals) == text


def frame(seed: int, **moved: float) -> pd.DataFrame:
    """400 customers of three features, some of which lie higher by so much."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({name: rng.normal(moved.get(name, 0.0), 1, 400) for name in ("spend", "orders", "recency")})


def test_a_feature_is_shifted_from_all_only_where_no_earlier_table_is_like_it():
    now = frame(0, spend=5.0, orders=5.0)
    found, compared = drift.shifted_from_all([frame(1), frame(2, orders=5.0), frame(3)], now)
    assert (list(found["feature"]), compared) == (["spend"], 3)
    nearest = drift.feature_drift(frame(3), now).set_index("feature")["psi"]["spend"]
    others = [drift.feature_drift(frame(s), now).set_index("feature")["psi"]["spend"] for s in (1, 2)]
    assert found["psi"].iloc[0] == pytest.approx(min(nearest, *others))


def test_what_was_mostly_missing_is_not_shifted_and_no_table_is_looked_at_in_vain():
    now = frame(0, spend=5.0)
    before = frame(1)
    before.loc[:250, "spend"] = np.nan

    def tables():
        yield before
        raise AssertionError("no feature is left")

    found, compared = drift.shifted_from_all(tables(), now)
    assert (len(found), compared) == (0, 3)
    assert drift.shifted_from_all([], now)[1] == 0


@given(st.lists(st.integers(1, 50), min_size=1, max_size=4), st.floats(0, 3))
def test_a_further_earlier_table_never_makes_more_features_shifted(seeds, high):
    now = frame(0, spend=high, recency=-high)
    few, _ = drift.shifted_from_all([frame(s) for s in seeds], now)
    more, _ = drift.shifted_from_all([frame(s) for s in [*seeds, 99]], now)
    assert set(more["feature"]) <= set(few["feature"])


def test_what_is_reached_is_the_metric_gain_though_the_curve_is_thinned():
    rng = np.random.default_rng(3)
    y, p = (rng.random(7_771) < 0.2).astype(float), rng.random(7_771).round(3)
    found = metrics.probability_metrics(y, p, np.ones((1, len(y))), 0.5)
    for share in (0.1, 0.2):
        assert measures.reached(y, p, share) == pytest.approx(float(found[f"gain_{share * 100:.0f}"][0]), abs=1e-12)
    assert np.isnan(measures.reached(np.zeros(3), np.ones(3), 0.1))
