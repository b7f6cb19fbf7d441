"""The purchase process: formulas against integrals and simulation, fits on simulated, odd and real data."""

from __future__ import annotations

import os
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crm_pipeline.engine import DuckDBEngine
from crm_pipeline.modeling.purchase_process import (
    MBGNBD,
    ParetoNBD,
    fit_mbg_nbd,
    fit_pareto_nbd,
    mbg_nbd,
    pareto_nbd,
    purchase_process_features,
)
from crm_pipeline.modeling.purchase_process.death_first import death_first
from crm_pipeline.modeling.purchase_process.observations import observe

MBG = MBGNBD(0.8, 40.0, 0.7, 2.3, 0.0, True, 1)
PARETO = ParetoNBD(0.6, 50.0, 0.7, 120.0, 0.0, True, 1)
FITS = [fit_mbg_nbd, fit_pareto_nbd]
MODELS = [MBG, PARETO]
REAL_DATA = Path(os.environ.get("CRM_REAL_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")

pytestmark = pytest.mark.filterwarnings("error")


def name(value: object) -> str:
    return getattr(value, "__name__", type(value).__name__)


def simulate(model, n: int, horizon: float, seed: int):
    """Customers of a model watched for T in 60 … 400 days: x, t_x, T and the purchases in the horizon after."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(model.r, 1.0 / model.alpha, n)
    T = rng.uniform(60.0, 400.0, n)
    if isinstance(model, ParetoNBD):
        dies, p = rng.exponential(1.0 / rng.gamma(model.s, 1.0 / model.beta, n)), np.zeros(n)
    else:
        dies, p = np.full(n, np.inf), rng.beta(model.a, model.b, n)
    now, x, t_x, later = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    alive = rng.random(n) >= p
    while alive.any():
        now = now + rng.exponential(1.0, n) / rate
        alive &= (now < dies) & (now <= T + horizon)
        seen = alive & (now <= T)
        x, t_x, later = x + seen, np.where(seen, now, t_x), later + (alive & ~seen)
        alive &= rng.random(n) >= p
    return x, t_x, T, later


@pytest.mark.parametrize("s", [0.05, 0.7, 1.0, 6.0, 40.0])
@pytest.mark.parametrize("m", [0.03, 0.6, 1.0, 7.3, 60.0, 400.0])
def test_death_first_equals_adaptive_quadrature(m, s):
    from scipy.integrate import quad
    from scipy.special import betaln

    ratios = np.array([1e-3, 0.3, 1.0, 40.0, 1e3])
    centre, width = np.log(s / m), np.sqrt(1.0 / s + 1.0 / m)

    def reference(k: float) -> float:
        def density(y: float) -> float:
            return np.exp(s * y - (m + s) * np.logaddexp(0.0, y) - betaln(s, m)) / (1.0 + k * np.exp(-y))

        low, high = min(centre, np.log(k)) - 40.0, max(centre, 5.0) + 40.0 / min(m, 1.0)
        inner = (centre - 5 * width, centre, centre + 5 * width, np.log(k))
        cuts = sorted({low, high, *(float(np.clip(v, low, high)) for v in inner)})
        return sum(quad(density, a, b, limit=200, epsabs=1e-14)[0] for a, b in pairwise(cuts))

    value = death_first(np.full(len(ratios), m), s, ratios)[0]
    np.testing.assert_allclose(value, [reference(k) for k in ratios], rtol=3e-8)


def test_mbg_expected_purchases_equal_the_closed_form():
    from scipy.special import hyp2f1

    x, T = np.array([0.0, 1, 5, 30, 0, 400]), np.array([10.0, 90, 200, 365, 800, 800])
    t_x = np.array([0.0, 30, 190, 300, 0, 790])
    r, alpha, a, b = MBG.r, MBG.alpha, MBG.a, MBG.b
    z = 90.0 / (alpha + T + 90.0)
    series = 1.0 - (1.0 - z) ** (r + x) * hyp2f1(r + x, b + x + 1.0, a + b + x, z)
    closed = (a + b + x) / (a - 1.0) * series * MBG.probability_alive(x, t_x, T)
    np.testing.assert_allclose(MBG.expected_purchases(90.0, x, t_x, T), closed, rtol=1e-9)


@pytest.mark.parametrize("likelihood", [mbg_nbd.Likelihood, pareto_nbd.Likelihood], ids=["mbg", "pareto"])
def test_gradients_equal_differences(likelihood):
    x, t_x, T, _ = simulate(MBG, 300, 1.0, 3)
    function = likelihood(observe(x, t_x, T, None))
    for theta in ([0.2, -0.5, 0.3, -0.6], [-1.0, 2.0, -2.0, 1.0], [3.0, 3.0, 3.0, -3.0], [0.0, 0.0, 0.0, 0.0]):
        steps = 1e-5 * np.eye(4)
        slope = [(function(theta + e)[0] - function(theta - e)[0]) / 2e-5 for e in steps]
        np.testing.assert_allclose(function(np.array(theta))[1], slope, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("model", MODELS, ids=name)
def test_predictions_equal_monte_carlo(model):
    x, t_x, T, later = simulate(model, 60_000, 120.0, 1)
    T_x = T - t_x
    told = model.predict(120.0, x, t_x, T)
    groups = np.minimum(x, 3) * 3 + np.digitize(T_x, [40.0, 150.0])
    groups = np.append(groups, np.full(len(x), 99))  # and everybody
    for outcome, expected in ((later, told.expected_purchases), (later == 0, told.probability_no_purchase)):
        both = pd.DataFrame({"g": groups, "miss": np.tile(outcome - expected, 2)}).groupby("g").miss
        z = both.mean() / (both.std() / np.sqrt(both.size()))
        assert z.abs().max() < 4.0, z


@pytest.mark.parametrize("model", MODELS, ids=name)
def test_no_purchase_is_the_ratio_of_likelihoods(model):
    x, t_x, T, _ = simulate(model, 50, 1.0, 2)
    likelihood = (mbg_nbd if isinstance(model, MBGNBD) else pareto_nbd).Likelihood
    parameters = [v for k, v in vars(model).items() if k not in ("log_likelihood", "converged", "n")]
    theta = np.log(parameters)
    for one in zip(x, t_x, T, strict=True):
        data, longer = observe(*one, None), observe(one[0], one[1], one[2] + 30.0, None)
        unit, unit_longer = scaled(theta, data.scale, model), scaled(theta, longer.scale, model)
        per_day = one[0] * np.log(longer.scale / data.scale)
        ratio = np.exp(likelihood(longer)(unit_longer)[0] - likelihood(data)(unit)[0] - per_day)
        assert model.probability_no_purchase(30.0, *one)[0] == pytest.approx(ratio, rel=1e-8)


def scaled(theta, scale: float, model):
    """Log-parameters with times in units of ``scale``."""
    times = [0, 1, 0, 1] if isinstance(model, ParetoNBD) else [0, 1, 0, 0]
    return theta - np.log(scale) * np.array(times)


@pytest.mark.parametrize("model", MODELS, ids=name)
def test_fit_recovers_the_parameters(model):
    fit = fit_mbg_nbd if isinstance(model, MBGNBD) else fit_pareto_nbd
    x, t_x, T, _ = simulate(model, 30_000, 1.0, 5)
    found = fit(np.round(x), np.round(t_x, 1), np.round(T, 1))
    assert found.converged
    assert found.n == 30_000
    for key, value in vars(model).items():
        if key not in ("log_likelihood", "converged", "n"):
            assert getattr(found, key) == pytest.approx(value, rel=0.2), key
    told, true = found.predict(90.0, x, t_x, T), model.predict(90.0, x, t_x, T)
    np.testing.assert_allclose(told.probability_no_purchase, true.probability_no_purchase, atol=0.03)
    assert told.expected_purchases.sum() == pytest.approx(true.expected_purchases.sum(), rel=0.03)


@pytest.mark.parametrize("model", MODELS, ids=name)
def test_one_time_buyers_fade_with_time(model):
    T = np.arange(1.0, 1500.0, 7.0)
    alive = model.probability_alive(0, 0, T)
    assert (alive < 1.0).all()
    assert (np.diff(alive) < 0).all()
    assert (np.diff(model.expected_purchases(90, 0, 0, T)) < 0).all()


@pytest.mark.parametrize("model", MODELS, ids=name)
def test_predictions_are_stable_at_the_edges(model):
    x = np.array([400, 400, 400, 0, 0, 1, 5000, 799])
    t_x = np.array([799.5, 400, 1, 0, 0, 1e-9, 1e5, 800])
    T = np.array([800, 800, 800, 0, 1e5, 1e5, 2e5, 800])
    for days in (0.0, 1e-6, 90.0, 1e5):
        told = model.predict(days, x, t_x, T)
        assert all(np.isfinite(v).all() and (v >= 0).all() for v in told)
        assert (told.probability_alive <= 1).all()
        assert (told.probability_no_purchase <= 1).all()
        assert (told.expected_purchases + 1e-9 >= 1 - told.probability_no_purchase).all()
    nothing = model.predict(0.0, x, t_x, T)
    np.testing.assert_array_equal(nothing.expected_purchases, 0.0)
    np.testing.assert_allclose(nothing.probability_no_purchase, 1.0, atol=1e-12)
    assert model.probability_alive(400, 799.5, 800)[0] > 0.99
    assert model.probability_alive(400, 400, 800)[0] < 1e-6


def test_expected_purchases_pass_smoothly_through_their_poles():
    def expected(at: float) -> list[float]:
        mbg = MBGNBD(0.8, 40.0, at, 2.3, 0.0, True, 1).expected_purchases(90.0, 3, 50, 100)
        pareto = ParetoNBD(0.6, 50.0, at, 120.0, 0.0, True, 1).expected_purchases(90.0, 3, 50, 100)
        return [mbg[0], pareto[0]]

    beside = np.mean([expected(0.999), expected(1.001)], axis=0)
    for near in (1.0 - 1e-7, 1.0 - 1e-12, 1.0, 1.0 + 1e-12, 1.0 + 1e-7):
        np.testing.assert_allclose(expected(near), beside, rtol=1e-5)


ODD = {
    "five one-time buyers": ([0] * 5, [0] * 5, [3, 10, 40, 80, 90]),
    "one customer": ([2], [10], [30]),
    "all on the first day": ([0] * 4, [0] * 4, [1] * 4),
    "everybody every day": ([99] * 3, [99] * 3, [100] * 3),
    "one giant among one-time buyers": ([4000] + [0] * 50, [4000] + [0] * 50, [4001] + [100] * 50),
    "all gone at once": ([5] * 40, [5] * 40, [3000] * 40),
    "seconds": ([1, 0, 3], [1e-5, 0, 2e-5], [4e-5, 3e-5, 5e-5]),
}


@pytest.mark.parametrize("fit", FITS, ids=name)
@pytest.mark.parametrize("case", ODD)
def test_odd_data_converge(fit, case):
    found = fit(*ODD[case])
    assert found.converged
    assert all(np.isfinite(v).all() for v in found.predict(90, *ODD[case]))
    assert found == fit(*ODD[case])


@pytest.mark.parametrize("fit", FITS, ids=name)
@pytest.mark.parametrize("data", [([], [], []), ([0, 0], [0, 0], [0, 0])], ids=["nobody", "no time"])
def test_nothing_to_learn_from_falls_back(fit, data):
    found = fit(*data)
    assert not found.converged
    assert (found.r, found.alpha) == (1.0, 1.0)
    assert len(found.predict(90, *data).expected_purchases) == len(data[0])


@pytest.mark.parametrize("fit", FITS, ids=name)
@pytest.mark.parametrize("bad", [([0], [5], [9]), ([1], [10], [9]), ([-1], [0], [9]), ([np.nan], [0], [9])])
def test_impossible_customers_are_refused(fit, bad):
    with pytest.raises(ValueError, match="must"):
        fit(*bad)


@pytest.mark.parametrize("fit", FITS, ids=name)
def test_weights_stand_for_repeated_rows(fit):
    x, t_x, T = np.array([0, 2, 5]), np.array([0, 20, 60]), np.array([90, 40, 70])
    times = np.array([30, 5, 2])
    repeated = fit(np.repeat(x, times), np.repeat(t_x, times), np.repeat(T, times))
    weighted = fit(x, t_x, T, weights=times)
    assert {**vars(repeated), "n": 0} == {**vars(weighted), "n": 0}


def lifetimes(n: int) -> pd.DataFrame:
    x, t_x, T, _ = simulate(MBG, n, 1.0, 8)
    first = 15_000 - np.ceil(T).astype(int)
    days = np.floor(t_x).astype(int)
    x = np.where(days > 0, x, 0).astype(int)
    return pd.DataFrame(
        {
            "customer_id": [f"C{i}" for i in range(n)],
            "first_order_day": first,
            "last_order_day": first + np.where(x > 0, days, 0),
            "n_order_days": x + 1,
        }
    )


def test_features_do_not_depend_on_the_order_of_rows():
    lifetime = lifetimes(3000)
    features, mbg, pareto = purchase_process_features(lifetime, 15_000, 92, 1000, 7)
    shuffled = purchase_process_features(lifetime.sample(frac=1.0, random_state=1), 15_000, 92, 1000, 7)
    assert (mbg, pareto) == (shuffled.mbg, shuffled.pareto)
    assert mbg.n == pareto.n == 1000
    again = shuffled.features.set_index("customer_id").loc[features.customer_id].reset_index()
    pd.testing.assert_frame_equal(features, again, check_exact=True)
    assert features.customer_id.tolist() == lifetime.customer_id.tolist()
    assert purchase_process_features(lifetime, 15_000, 92, 1000, 8).mbg != mbg
    assert purchase_process_features(lifetime, 15_000, 92, 5000, 7).mbg.n == 3000


def test_features_of_customers_who_never_ordered_are_null():
    lifetime = lifetimes(50).astype({"first_order_day": "Int64", "last_order_day": "Int64"})
    lifetime.loc[7, ["first_order_day", "last_order_day"]] = pd.NA
    lifetime.loc[7, "n_order_days"] = 0
    features = purchase_process_features(lifetime, 15_000, 92, 100, 7).features
    assert features.loc[7].drop("customer_id").isna().all()
    assert features.drop(index=7).notna().all(axis=None)
    nobody = purchase_process_features(lifetime.loc[[7]], 15_000, 92, 100, 7)
    assert not nobody.mbg.converged
    assert purchase_process_features(lifetime.iloc[:0], 15_000, 92, 100, 7).features.empty


def test_without_customers_the_ids_are_still_text(tmp_path):
    none = pd.DataFrame({"customer_id": [], "first_order_day": [], "last_order_day": [], "n_order_days": []})
    made = purchase_process_features(none, 100, 90, 10, 7).features
    engine = DuckDBEngine("100MB", 1, tmp_path)
    assert engine.stage(made, tmp_path / "x.parquet").columns["customer_id"] == "VARCHAR"


def test_orders_after_as_of_are_refused():
    with pytest.raises(ValueError, match="before day 14900"):
        purchase_process_features(lifetimes(50), 14_900, 92, 100, 7)


# --- real data -------------------------------------------------------------------------------------------------------


def day(text: str) -> int:
    return int(np.datetime64(text, "D").astype(int))


def days_of(when: pd.Series) -> np.ndarray:
    return when.to_numpy().astype("datetime64[D]").astype(int)


def need(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"real data absent: no {path.name} (set CRM_REAL_DATA to its folder)")
    return path


@cache
def cdnow(path: Path) -> pd.DataFrame:
    columns = ["customer_id", "date", "number", "amount"]
    rows = pd.read_csv(path, sep=r"\s+", skiprows=1, names=columns, dtype={"customer_id": str, "date": str})
    rows["day"] = days_of(pd.to_datetime(rows.date, format="%Y%m%d"))
    return rows.loc[rows.amount > 0, ["customer_id", "day"]].drop_duplicates()


@cache
def online_retail(folder: Path) -> pd.DataFrame:
    before = pd.read_parquet(folder / "online_retail_II_year_2009-2010.parquet")
    before = before.rename(columns={"Invoice": "InvoiceNo", "Price": "UnitPrice", "Customer ID": "CustomerID"})
    files = sorted((folder / "by-day").glob("*.csv"))
    columns = ["InvoiceNo", "InvoiceDate", "Quantity", "UnitPrice", "CustomerID"]
    after = pd.concat([pd.read_csv(file, dtype=str, usecols=columns) for file in files])
    rows = pd.concat([before.loc[before.InvoiceDate < "2010-12-01", columns].astype(str), after])
    rows["customer_id"] = pd.to_numeric(rows.CustomerID, errors="coerce")
    rows = rows[rows.customer_id.notna() & ~rows.InvoiceNo.str.startswith("C")]
    rows["amount"] = rows.Quantity.astype(float) * rows.UnitPrice.astype(float)
    rows["day"] = days_of(pd.to_datetime(rows.InvoiceDate))
    orders = rows.groupby(["customer_id", "InvoiceNo"], as_index=False).agg(
        day=("day", "min"), amount=("amount", "sum")
    )
    orders["customer_id"] = orders.customer_id.astype(int).astype(str)
    return orders.loc[orders.amount > 0, ["customer_id", "day"]].drop_duplicates()


def lifetime_at(days: pd.DataFrame, as_of: int) -> pd.DataFrame:
    known = days[days.day < as_of].groupby("customer_id").day
    return known.agg(first_order_day="min", last_order_day="max", n_order_days="count").reset_index()


def orders_in(days: pd.DataFrame, customers: pd.Series, start: int, stop: int) -> np.ndarray:
    counts = days[(days.day >= start) & (days.day < stop)].groupby("customer_id").size()
    return counts.reindex(customers).fillna(0).to_numpy()


def auc(outcome: np.ndarray, score: pd.Series) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(outcome, score))


@pytest.mark.parametrize(("until", "correlation"), [("1998-01-01", 0.60), ("1998-07-01", 0.66)])
def test_cdnow_expected_purchase_days_correlate_with_the_actual_ones(until, correlation):
    days = cdnow(need(REAL_DATA / "cdnow" / "CDNOW_master.txt"))
    as_of, end = day("1997-10-01"), day(until)
    found = purchase_process_features(lifetime_at(days, as_of), as_of, end - as_of, 50_000, 1)
    actual = orders_in(days, found.features.customer_id, as_of, end)
    assert found.mbg.converged
    assert found.pareto.converged
    assert len(actual) == 23_500
    for model in ("mbg", "pareto"):
        assert np.corrcoef(found.features[f"{model}_expected_orders"], actual)[0, 1] > correlation
    if until == "1998-01-01":
        lapsed = actual == 0
        assert auc(lapsed, -found.features.pareto_expected_orders) >= 0.772
        assert auc(lapsed, found.features.pareto_no_order) >= 0.770
        assert auc(lapsed, -found.features.mbg_expected_orders) >= 0.769


def test_online_retail_converges_at_the_ends_of_quarters():
    days = online_retail(need(REAL_DATA / "online_retail"))
    for month in np.arange("2010-06", "2011-10", 3, dtype="datetime64[M]"):
        as_of = day(f"{month}-01")
        found = purchase_process_features(lifetime_at(days, as_of), as_of, 91, 50_000, 1)
        assert found.mbg.converged, month
        assert found.pareto.converged, month
    active = (lifetime_at(days, as_of).last_order_day >= day("2010-09-01")).to_numpy()
    features = found.features[active]
    assert len(features) == 4335
    lapsed = orders_in(days, features.customer_id, as_of, day("2011-12-01")) == 0
    assert auc(lapsed, features.mbg_no_order) >= 0.765
    assert auc(lapsed, features.pareto_no_order) >= 0.763
    assert np.mean((features.mbg_no_order - lapsed) ** 2) < 0.205
