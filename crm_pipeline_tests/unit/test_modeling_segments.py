"""Segments: kinds that were drawn are found and named, whatever the order of rows; names survive a refit; who has none is told why."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_pipeline.modeling.segment_names import SLACK, Yardsticks, name_segments, rule
from crm_pipeline.modeling.segments import (
    CUSTOMERS,
    MEASURES,
    Segments,
    agreement,
    fit_beside_before,
    fit_segments,
    match,
    measures_of,
    segments_of_customers,
)

YARD = Yardsticks(91.0, 365.0)
DAY = 20_000
KINDS = {
    "loyal": (10, 25, 40, 600),
    "new": (15, 1, 40, 25),
    "slipping": (70, 4, 40, 400),
    "lost, bought once": (600, 1, 40, 600),
    "loyal, big basket": (12, 20, 400, 500),
}
"""Days since the last order, purchase days, spend on one, days since the first order."""


def company(each: int = 80, seed: int = 1, older: int = 0) -> pd.DataFrame:
    """Return the lifetime of customers of every kind, scattered by a fifth; ``older`` days later without another order."""
    rng = np.random.default_rng(seed)
    kinds = np.repeat(np.array(list(KINDS.values()), dtype=float), each, axis=0)
    kinds = kinds * np.exp(rng.normal(0, 0.2, kinds.shape))
    silent, days = kinds[:, 0].round() + 1, np.maximum(kinds[:, 1].round(), 1)
    first = np.where(days > 1, np.maximum(kinds[:, 3].round(), silent + 1), silent)
    return pd.DataFrame(
        {
            "customer_id": [f"c{i:05}" for i in range(len(kinds))],
            "first_day": DAY - older - first,
            "last_day": DAY - older - silent,
            "order_days": days,
            "spend": (kinds[:, 2] * days * 100).round(),
        }
    )


@pytest.fixture(scope="module")
def fitted() -> tuple[pd.DataFrame, Segments]:
    measures = measures_of(company(), DAY, 0.01)
    model = fit_segments(measures, YARD, 7)
    assert isinstance(model, Segments)
    return measures, model


def test_the_kinds_that_were_drawn_are_found_and_named(fitted: tuple[pd.DataFrame, Segments]) -> None:
    measures, model = fitted
    assert set(model.names) == set(KINDS)
    assert max(model.silhouettes, key=lambda k: model.silhouettes[k]) == "5"
    drawn = pd.Series(np.repeat(np.arange(len(KINDS)), 80), index=measures.customer_id)
    assert agreement(drawn, pd.Series(model.assign(measures), index=measures.customer_id)) > 0.95


def test_neither_the_order_of_rows_nor_the_unit_of_money_matters(fitted: tuple[pd.DataFrame, Segments]) -> None:
    assert fit_segments(measures_of(company().sample(frac=1, random_state=2), DAY, 0.01), YARD, 7) == fitted[1]
    cents = fit_segments(measures_of(company(), DAY, 1.0), YARD, 7)
    assert isinstance(cents, Segments)
    assert sorted(cents.names) == sorted(fitted[1].names)


def test_it_is_kept_as_json_and_as_an_estimator(fitted: tuple[pd.DataFrame, Segments]) -> None:
    from crm_pipeline.modeling.segment_model import SegmentModel

    measures, model = fitted
    assert Segments.from_json(model.to_json()) == model
    said = SegmentModel(model.to_json()).predict(measures[list(MEASURES)])
    assert said.tolist() == [model.names[i] for i in model.assign(measures)]


def test_a_refit_keeps_names_and_says_how_stable_it_is() -> None:
    before, now = measures_of(company(older=0), DAY, 0.01), measures_of(company(seed=2), DAY, 0.01)
    model, same = fit_beside_before(before, before, YARD, 7)
    assert isinstance(model, Segments)
    assert same == (1.0, 1.0)
    later, moved = fit_beside_before(now, before, YARD, 7)
    assert isinstance(later, Segments)
    assert set(later.names) == set(model.names)
    assert 0.8 < moved.refit <= 1.0
    _, none = fit_beside_before(now, before.iloc[:5], YARD, 7)
    assert np.isnan(none.customers)
    assert np.isnan(none.refit)


def test_centres_are_matched_with_the_nearest_of_before(fitted: tuple[pd.DataFrame, Segments]) -> None:
    model = fitted[1]
    order = [3, 0, 4, 1, 2]
    centres, scale = np.array(model.centres)[order] + 0.05, np.array(model.scale)
    assert match(centres, scale, model) == order
    centres[1] += 40 * scale
    assert match(centres, scale, model) == [3, None, 4, 1, 2]
    assert match(centres, scale, None) == [None] * 5


CENTRES = st.fixed_dictionaries({
    "recency_days": st.floats(1, 1500), "order_days": st.floats(1, 300), "spend_per_day": st.floats(0.1, 1e5),
    "tenure_days": st.floats(1, 3000),
})  # fmt: skip


@given(st.lists(CENTRES, min_size=1, max_size=8), st.floats(1, 1000))
def test_no_two_segments_have_one_name(centres: list[dict[str, float]], typical: float) -> None:
    fresh = name_segments(centres, YARD, typical, [None] * len(centres))
    assert len(set(fresh)) == len(fresh)
    again = name_segments(centres, YARD, typical, list(reversed(fresh)))
    assert len(set(again)) == len(again)


@given(CENTRES, st.floats(1, 1000))
def test_a_name_depends_on_the_centre_alone_unless_it_hardly_moved(centre: dict[str, float], typical: float) -> None:
    own = rule(centre, YARD, typical)
    assert name_segments([centre], YARD, typical, [own]) == [own]
    assert name_segments([centre], YARD, typical, ["no such name"]) == [own]


def test_a_name_is_kept_at_the_edge_of_its_rule_and_no_further() -> None:
    at = {"recency_days": 44.0, "order_days": 9.0, "spend_per_day": 10.0, "tenure_days": 400.0}
    assert rule(at, YARD, 10.0) == "loyal"
    old = "slipping, once loyal"
    assert name_segments([at], YARD, 10.0, [old]) == [old]
    assert name_segments([{**at, "recency_days": 45.5 / SLACK - 1}], YARD, 10.0, [old]) == ["loyal"]


def test_who_never_ordered_is_told_and_quintiles_count_upwards(fitted: tuple[pd.DataFrame, Segments]) -> None:
    measures, model = fitted
    everyone = pd.Series(["nobody", *measures.customer_id])
    rows = segments_of_customers(everyone, measures, model)
    assert rows.customer_id.tolist() == everyone.tolist()
    assert rows.iloc[0][["status", "status_reason"]].tolist() == ["abstained", "never ordered with a positive amount"]
    told = rows.iloc[1:]
    assert (told.status == "scored").all()
    assert told.status_reason.isna().all()
    for part, column, best in (
        ("recency", "recency_days", "min"),
        ("frequency", "order_days", "max"),
        ("monetary", "spend", "max"),
    ):
        assert set(told[part]) == {1, 2, 3, 4, 5}
        assert told[part].iloc[int(getattr(np, f"arg{best}")(measures[column]))] == 5


def test_too_few_or_too_alike_customers_are_told() -> None:
    few = measures_of(company().iloc[: CUSTOMERS - 1], DAY, 0.01)
    said = fit_segments(few, YARD, 7)
    assert said == "199 customers with an order, at least 200 are needed to find segments."
    rows = segments_of_customers(few.customer_id, few, said)
    assert (rows.status == "abstained").all()
    assert (rows.status_reason == said).all()
    one = company(200)
    alike = one.assign(**{c: one[c].iloc[0] for c in one.columns if c != "customer_id"})
    assert "alike" in str(fit_segments(measures_of(alike, DAY, 0.01), YARD, 7))
    two = alike.assign(spend=lambda t: t.spend + np.arange(len(t)) % 2)
    assert "kinds of customers" in str(fit_segments(measures_of(two, DAY, 0.01), YARD, 7))


def test_a_cohort_of_one_quarter_does_not_fall_apart_by_weeks() -> None:
    rng = np.random.default_rng(4)
    n, first = 600, DAY - 300 - rng.integers(0, 90, 600)
    days = np.where(rng.random(n) < 0.7, 1, 6)
    last = np.where(days == 1, first, DAY - rng.integers(5, 40, n))
    lifetime = pd.DataFrame({
        "customer_id": [f"c{i:03}" for i in range(n)], "first_day": first, "last_day": last, "order_days": days,
        "spend": (days * 100 * np.exp(rng.normal(3, 0.8, n))).round(),
    })  # fmt: skip
    model = fit_segments(measures_of(lifetime, DAY, 0.01), YARD, 7)
    assert isinstance(model, Segments)
    tenure = np.expm1(np.array(model.centres)[:, MEASURES.index("tenure_days")])
    assert np.ptp(tenure) < 20
