"""Value: the Gamma-Gamma against an integral, simulation and the published fit; every customer valued, or told why not."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_pipeline.modeling.purchase_process.gamma_gamma import GammaGamma, fit_gamma_gamma, log_likelihood
from crm_pipeline.modeling.value import BUYERS, Fitted, fit_value_of_a_day, value_of_customers

REAL_DATA = Path(os.environ.get("CRM_REAL_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
PUBLISHED = GammaGamma(6.25, 3.74, 15.44, 0.0, True, 946)
"""Fader & Hardie (2013), section 4: the 946 repeat buyers of the CDNOW 1/10 sample, weeks 1 to 39."""

pytestmark = pytest.mark.filterwarnings("error")


def drawn(model: GammaGamma, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return purchases and mean spend of customers of a model."""
    rng = np.random.default_rng(seed)
    x = 1.0 + rng.poisson(2.0, n)
    rate = rng.gamma(model.q, 1.0 / model.gamma, n)
    return x, rng.gamma(model.p * x) / (rate * x)


def test_likelihood_is_the_integral_over_customers() -> None:
    from scipy import integrate, stats

    theta = np.log([2.0, 1.5, 0.8])  # p, q - 1, γ
    for x, mean in ((1.0, 0.4), (4.0, 2.5)):

        def joint(rate: float, x: float = x, mean: float = mean) -> float:
            return float(
                stats.gamma.pdf(mean, 2.0 * x, scale=1 / (rate * x)) * stats.gamma.pdf(rate, 2.5, scale=1 / 0.8)
            )

        said = log_likelihood(theta, np.array([x]), np.array([mean]), np.ones(1))[0]
        assert said == pytest.approx(np.log(integrate.quad(joint, 0, 60)[0]), abs=1e-6)


def test_gradient_is_that_of_the_likelihood() -> None:
    x, mean = drawn(PUBLISHED, 200, 3)
    theta, step = np.array([0.4, 0.9, 0.2]), 1e-5
    _, gradient = log_likelihood(theta, x, mean / 35, np.ones(200))
    for i, at in enumerate(np.eye(3) * step):
        up, down = (log_likelihood(theta + sign * at, x, mean / 35, np.ones(200))[0] for sign in (1, -1))
        assert gradient[i] == pytest.approx((up - down) / (2 * step), rel=1e-5)


def test_what_was_drawn_is_found_again_in_any_order_and_unit() -> None:
    x, mean = drawn(PUBLISHED, 20_000, 1)
    found = fit_gamma_gamma(x, mean)
    assert found.converged
    assert (found.p, found.q, found.gamma) == pytest.approx((6.25, 3.74, 15.44), rel=0.15)
    assert found.population_mean == pytest.approx(PUBLISHED.population_mean, rel=0.02)
    order = np.random.default_rng(2).permutation(len(x))
    assert fit_gamma_gamma(x[order], mean[order]) == found
    cents = fit_gamma_gamma(x, mean * 100)
    assert (cents.p, cents.q, cents.gamma) == pytest.approx((found.p, found.q, 100 * found.gamma), rel=1e-3)


@pytest.mark.skipif(not (REAL_DATA / "cdnow" / "CDNOW_master.txt").is_file(), reason="no CDNOW data")
def test_near_the_published_fit_on_cdnow() -> None:
    """The paper has p 6.25, q 3.74, γ 15.44 of a tenth of these customers; all of them have about that mean and spread."""
    names = ["customer_id", "day", "n", "amount"]
    raw = pd.read_csv(REAL_DATA / "cdnow" / "CDNOW_master.txt", sep=r"\s+", header=0, names=names)
    days = raw[raw.day <= 19970930].groupby(["customer_id", "day"]).amount.sum().reset_index()
    repeat = days[days.groupby("customer_id").cumcount() > 0].groupby("customer_id").amount.agg(["count", "mean"])
    repeat = repeat[repeat["mean"] > 0]
    found = fit_gamma_gamma(repeat["count"], repeat["mean"])
    assert found.converged
    assert (found.p, found.q, found.gamma) == pytest.approx((6.25, 3.74, 15.44), rel=0.2)
    assert found.population_mean == pytest.approx(PUBLISHED.population_mean, rel=0.1)


@given(st.integers(1, 500), st.floats(0.01, 1e6), st.floats(1.0, 1e4))
def test_expectation_lies_between_everybodys_and_the_customers_own(x: int, mean: float, more: float) -> None:
    low, high = sorted([PUBLISHED.population_mean, mean])
    said = float(PUBLISHED.expected_mean(x, mean))
    assert low * (1 - 1e-9) <= said <= high * (1 + 1e-9)
    assert abs(float(PUBLISHED.expected_mean(x + more, mean)) - mean) <= abs(said - mean) * (1 + 1e-9)


def test_customers_that_nobody_can_be_are_refused() -> None:
    for x, mean in (([], []), ([0], [3.0]), ([1], [0.0]), ([1], [np.nan])):
        with pytest.raises(ValueError, match="every customer needs"):
            fit_gamma_gamma(x, mean)


@pytest.fixture(scope="module")
def company() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Customers of a Gamma-Gamma world in hundredths, a third of them with one purchase; one who never ordered."""
    days, mean = drawn(PUBLISHED, 600, 5)
    days[::3] = 1
    ids = [f"c{i:03}" for i in range(601)]
    spend = np.append(np.maximum((days * mean * 100).round(), 1), 0).astype("int64")
    lifetime = pd.DataFrame({"customer_id": ids, "order_days": np.append(days, 0).astype("int64"), "spend": spend})
    expected = np.append(np.linspace(0, 12, 600), np.nan)
    return lifetime, pd.DataFrame({"customer_id": ids, "mbg_expected_year": expected, "pareto_expected_year": expected})


def test_everyone_who_ordered_has_a_value_and_who_did_not_is_told(company: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    lifetime, process = company
    fitted = fit_value_of_a_day(lifetime, 0.01, 1000, 7)
    assert abs(fitted.rank_correlation) < 0.15, "drawn independently"
    assert "independent" not in fitted.reason
    said = value_of_customers(lifetime, process.sample(frac=1, random_state=1), fitted, 0.01, "extrapolated: so")
    assert said.customer_id.tolist() == lifetime.customer_id.tolist()
    valued = said.iloc[:-1]
    assert (valued.status == "extrapolated").all()
    assert (valued.value >= 0).all()
    np.testing.assert_allclose(valued.value, valued.expected_days * valued.spend_per_day)
    assert valued.percentile.max() == 100
    assert said.iloc[-1][["status", "status_reason"]].tolist() == ["abstained", "never ordered with a positive amount"]
    assert said.iloc[-1][["value", "percentile", "value_basis"]].isna().all()
    again = fit_value_of_a_day(lifetime.sample(frac=1, random_state=3), 0.01, 1000, 7)
    assert again == fitted


def test_dependence_on_frequency_is_told(company: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    lifetime = company[0].assign(spend=lambda t: t.spend * t.order_days**2)
    fitted = fit_value_of_a_day(lifetime, 0.01, 1000, 7)
    assert fitted.rank_correlation > 0.3
    assert "takes them for independent" in fitted.reason


def test_too_few_customers_are_told(company: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    lifetime, process = (table.iloc[: BUYERS - 1] for table in company)
    fitted = fit_value_of_a_day(lifetime, 0.01, 1000, 7)
    assert fitted.model is None
    said = value_of_customers(lifetime, process, fitted, 0.01, "")
    assert said.value.isna().all()
    assert said.status_reason.str.contains("49 customers with an order").all()
    nobody = value_of_customers(lifetime.iloc[:0], process.iloc[:0], Fitted(None, "none"), 0.01, "")
    assert nobody.empty
