"""Demand by category: it adds up both ways, follows what a customer bought, the season and, where that is little, everybody."""

from __future__ import annotations

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.modeling import categories
from crm_pipeline.modeling.categories import (
    MOST,
    REST,
    STRENGTHS,
    Divided,
    by_category,
    divided,
    forecast_shares,
    in_all,
    named,
    prior_strength,
)

PERIODS = [str(p)[:10] for p in pd.period_range("2024-01", "2025-12", freq="M").to_timestamp()]


def bought(*rows: tuple[str, str, str, int, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["customer_id", "category", "period_start", "n_lines", "spend"])


def divided_of(history: pd.DataFrame, demand: pd.DataFrame) -> tuple[pd.DataFrame, Divided]:
    history = history.assign(period_start=pd.to_datetime(history["period_start"]))
    days = ibis.memtable(history, schema={"customer_id": "string", "category": "string", "period_start": "timestamp",
                                          "n_lines": "int64", "spend": "int64"})  # fmt: skip
    scored = ibis.memtable(demand, schema={"customer_id": "string", "value": "float64"})
    found = by_category(days.mutate(period_start=days.period_start.date()), scored, PERIODS, 12, 3, seed=1)
    parts = list(found.rows())
    columns = ["customer_id", "category", "expected_spend", "share", "rank"]
    return (pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)), found


def company(seed: int = 0, n: int = 300) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Customers with tastes of their own over two years, and what each is expected to spend."""
    rng = np.random.default_rng(seed)
    tastes = rng.dirichlet([0.6, 0.3, 0.1, 0.5], n)
    rows = [
        (f"c{i:03}", "abcd"[category], period, 1, int(rng.integers(1, 9)) * 100 * (category + 1))
        for i in range(n)
        for period in PERIODS
        if rng.random() < 0.3
        for category in rng.choice(4, size=2, p=tastes[i])
    ]
    history = bought(*rows).groupby(["customer_id", "category", "period_start"], as_index=False).sum()
    return history, pd.DataFrame({"customer_id": [f"c{i:03}" for i in range(n)], "value": rng.gamma(1.0, 40.0, n)})


def test_it_adds_up_for_every_customer_and_every_category() -> None:
    history, demand = company()
    rows, found = divided_of(history, demand)
    shares = found.told
    assert shares is not None
    assert len(rows) == 300 * 4
    mine = rows.groupby("customer_id")["expected_spend"].sum()
    assert np.allclose(mine, demand.set_index("customer_id")["value"], rtol=1e-12)
    total = rows.groupby("category")["expected_spend"].sum()
    assert np.allclose(total, shares.forecast * demand["value"].sum(), rtol=1e-6)
    assert np.allclose(rows.groupby("customer_id")["share"].sum(), 1.0)
    first = rows[rows["rank"] == 1].set_index("customer_id")["expected_spend"]
    assert (first >= rows.groupby("customer_id")["expected_spend"].max() - 1e-9).all()
    told = in_all(found)
    assert told["expected_spend"].is_monotonic_decreasing
    assert told["share"].sum() == pytest.approx(1)


def test_the_order_of_rows_and_customers_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    history, demand = company()
    rows, _ = divided_of(history, demand)
    monkeypatch.setattr(categories, "BATCH", 7)
    again, _ = divided_of(history.sample(frac=1, random_state=3), demand.sample(frac=1, random_state=4))
    pd.testing.assert_frame_equal(rows, again)


def test_who_bought_one_thing_only_gets_it_and_who_bought_nothing_gets_everybodys() -> None:
    history, demand = company()
    faithful = bought(*(("faithful", "c", period, 3, 900) for period in PERIODS[-12:]))
    two = pd.DataFrame({"customer_id": ["faithful", "new"], "value": [100.0, 100.0]})
    rows, _ = divided_of(pd.concat([history, faithful]), pd.concat([demand, two]))
    mine = rows.set_index(["customer_id", "category"])["share"]
    assert rows.groupby("customer_id")["category"].first()["faithful"] == "c"
    assert mine["faithful", "c"] > mine["new", "c"] + 0.3


@pytest.mark.parametrize(("periods", "expected"), [(6, 0.5), (12, None), (24, 0.8)])
def test_the_season_moves_the_share_the_more_seasons_are_known(periods: int, expected: float | None) -> None:
    """Gifts are 80 % of the first three periods of a year and 40 % of the others; the horizon is these three."""
    gifts = [80.0 if n % 12 < 3 else 40.0 for n in range(24)][-periods:] if periods > 6 else [50.0] * 6
    totals = pd.DataFrame([gifts, [100 - g for g in gifts]], index=["gifts", "other"])
    forecast, recent, season = forecast_shares(totals, 12, 3)
    assert recent["gifts"] == pytest.approx(0.5)
    assert forecast.sum() == pytest.approx(1)
    if expected is None:  # one season: halfway in logarithms
        odds = np.sqrt(0.8 / 0.2)
        assert forecast["gifts"] == pytest.approx(odds / (1 + odds), rel=0.02)
    else:
        assert forecast["gifts"] == pytest.approx(expected, rel=0.02)
    assert np.isnan(season["gifts"]) == (periods < 12)


def test_what_moves_by_chance_alone_does_not_move_the_forecast() -> None:
    totals = pd.DataFrame(np.random.default_rng(2).gamma(40, 1.0, (5, 24)), index=list("abcde"))
    forecast, recent, season = forecast_shares(totals, 12, 3)
    assert (forecast - recent).abs().max() < 0.35 * (season - recent).abs().max()


def test_a_strong_prior_where_all_buy_alike_and_a_weak_one_where_each_buys_one_thing() -> None:
    rng = np.random.default_rng(5)
    prior = np.array([0.5, 0.3, 0.2])
    alike = rng.multinomial(20, prior, 500).astype(float)
    apart = 20.0 * np.eye(3)[rng.choice(3, 500, p=prior)]
    assert prior_strength(alike, prior) > 50
    assert prior_strength(apart, prior) < 0.5
    true = np.array([rng.multinomial(12, p) for p in rng.dirichlet(4 * prior, 4000)]).astype(float)
    assert prior_strength(true, prior) == pytest.approx(4, rel=0.25)
    assert prior_strength(np.eye(3), prior) == STRENGTHS[-1], "single lines say nothing"


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 30), k=st.integers(1, 6), zeros=st.booleans())
def test_both_margins_are_met_whatever_they_are(seed: int, n: int, k: int, zeros: bool) -> None:
    rng = np.random.default_rng(seed)
    expected = rng.gamma(0.5, 100, n) * (rng.random(n) < 0.7 if zeros else 1)
    shares = rng.dirichlet(np.full(k, 0.7), n) + 1e-4
    shares /= shares.sum(axis=1, keepdims=True)
    totals = rng.dirichlet(np.full(k, 3.0)) * expected.sum()
    table = divided(expected, shares, totals)
    assert (table >= 0).all()
    assert np.allclose(table.sum(axis=1), expected, rtol=1e-9, atol=1e-12)
    assert np.allclose(table.sum(axis=0), totals, rtol=2e-3, atol=1e-6 * max(expected.sum(), 1))


def test_small_categories_are_one() -> None:
    history = bought(*((f"c{i}", f"k{i:02}", PERIODS[0], 1, 1000 - i) for i in range(MOST + 5)))
    found = named(ibis.memtable(history)).execute()
    assert found["category"].nunique() == MOST + 1
    assert found["spend"].sum() == history["spend"].sum()
    assert set(found.loc[found["category"] == REST, "customer_id"]) == {f"c{i}" for i in range(MOST, MOST + 5)}


def test_without_purchases_or_customers_there_is_nothing() -> None:
    history, demand = company(n=3)
    for h, d in ((history.iloc[:0], demand), (history, demand.iloc[:0]), (history.assign(spend=0), demand)):
        rows, found = divided_of(h, d)
        assert rows.empty
        assert found.told is None
        assert in_all(found).empty
    nothing, _ = divided_of(history, demand.assign(value=0.0))
    assert (nothing["expected_spend"] == 0).all()
    assert np.allclose(nothing.groupby("customer_id")["share"].sum(), 1)
