"""Whether reasons survive a refit, and partial dependence: right on models that are known, silent where there is too little."""

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.contracts.explanations import DEPENDENCE, REASONS
from crm_pipeline.contracts.outputs import conform
from crm_pipeline.modeling.calibration import expit
from crm_pipeline.modeling.customers import Customers
from crm_pipeline.modeling.dependence import ALIKE, POINTS, dependence, grid
from crm_pipeline.modeling.explain import theme_contributions, told_as
from crm_pipeline.modeling.stability import BAR, agreement, measured, refits, resampled
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.modeling.training import fit
from crm_pipeline_tests.unit.modeling_world import THEMES, training_table

UNIT = 0.0001
OPTIONS = {"horizon": 1, "seed": 1, "money_unit": UNIT}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return training_table(400, seed=3)


@pytest.fixture(scope="module", params=["churn", "demand"])
def champion(request, table):
    return request.param, fit(request.param, "average", table, **OPTIONS, threads=1)


def customers(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["cutoff"] == table["cutoff"].max()].drop(columns=["churned", "spend", "orders"])


def known(table: pd.DataFrame) -> Customers:
    return Customers(ibis.memtable(customers(table)))


def themes(*rows: tuple[float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["recency", "rhythm", "spend"])


def test_agreement_counts_the_first_theme_the_two_strongest_and_the_ranks():
    one = themes((3, 1, 0), (0, -2, 1), (0.9, 1, 0), (0.01, 0.02, 0))
    other = themes((2, 1, 0), (0, 2, 1), (1, 0.9, 0), (0.02, 0.01, 0))
    found = agreement(one, other)
    assert found.customers == 3, "of the last neither says anything"
    assert found.first == pytest.approx(2 / 3)
    assert found.clear == 1.0, "the third's lead was slim"
    assert found.two == 1.0
    assert found.rank == pytest.approx((1 + np.corrcoef([2, 1, 3], [1, 3, 2])[0, 1] + 0.5) / 3)
    assert agreement(themes((3, 0, 0)), themes((0.01, 0, 0))).first == 0.0, "one gives a reason, the other none"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-3, 3)] * 3), min_size=1, max_size=8), st.floats(0.5, 2))
def test_a_model_agrees_with_itself_and_with_what_only_differs_in_base(rows, base):
    table = themes(*rows)
    found = agreement(table, table.assign(base=base, level=-base))
    assert found.customers == (table.abs().max(axis=1) >= 0.05).sum()
    if found.customers:
        assert (found.first, found.clear, found.two) == (1.0, 1.0, 1.0)


def test_what_says_the_same_of_a_customer_is_told_as_one_theme_in_demand_and_apart_in_churn():
    own = {"orders_3": "rhythm", "spend_3": "spend", "recency_days": "recency"}
    assert told_as("churn", own) == own
    assert told_as("demand", own) == {"orders_3": "spend", "spend_3": "spend", "recency_days": "recency"}
    terms = pd.DataFrame({"orders_3": [0.5], "spend_3": [-0.2], "recency_days": [0.1], "base": [1.0]})
    found = theme_contributions(terms, told_as("demand", own))
    assert found.round(6).to_dict("records") == [{"recency": 0.1, "spend": 0.3, "base": 1.0}]


def test_customers_are_drawn_with_all_their_rows(table):
    drawn = resampled(table, np.random.default_rng(0))
    times = drawn.groupby("customer_id").size() / table.groupby("customer_id").size()
    assert set(times.dropna()) <= set(range(1, 12))
    assert drawn["customer_id"].nunique() == pytest.approx(400 * (1 - np.exp(-1)), abs=30)
    assert len(drawn) == pytest.approx(len(table), rel=0.15)


def test_reasons_are_compared_between_two_refits(champion, table):
    task, model = champion
    before = model.raw(table)
    found = measured(task, model, table, known(table), THEMES, **OPTIONS)
    np.testing.assert_array_equal(model.raw(table), before)
    assert found["status"] == "measured"
    assert found["rows"] == len(table)
    assert found["customers"] == 400
    assert BAR <= found["first"] <= found["clear"] <= 1.0
    assert found == measured(task, model, table.sample(frac=1, random_state=1), known(table), THEMES, **OPTIONS)
    row = conform([found | {"task": task}], REASONS).to_pylist()[0]
    assert row["first"] == found["first"]


def test_a_cap_takes_whole_customers_and_is_told(champion, table):
    task, model = champion
    models, rows = refits(task, model, table, **OPTIONS, most=600)
    assert rows == 600
    assert [type(m) for m in models] == [type(model)] * 2
    assert not np.allclose(models[0].raw(table), models[1].raw(table))


def test_where_there_is_too_little_nothing_is_measured(table):
    few = table.assign(churned=(np.arange(len(table)) < 5).astype("int8"))
    found = measured(
        "churn", fit("churn", "average", table, **OPTIONS, threads=1), few, known(table), THEMES, **OPTIONS
    )
    assert found["status"] == "abstained"
    assert found["reason"].endswith("too few of them, or of the others, to learn from again.")
    assert conform([found], REASONS).to_pylist()[0]["first"] is None


def test_partial_dependence_is_the_mean_of_what_the_model_says(champion, table):
    task, model = champion
    rows = customers(table)
    found = dependence(task, model, known(table), THEMES, level=None, money_unit=UNIT)
    assert conform(found, DEPENDENCE).num_rows == len(found)
    assert found["feature"].nunique() == 5
    assert (found.groupby("feature")["point"].max() < POINTS).all()
    assert found["contribution"].is_monotonic_decreasing
    one = found.iloc[3]
    raw = model.raw(rows.assign(**{one["feature"]: one["at"]}))
    said = expit(raw) if task == "churn" else np.exp(raw)
    assert one["said"] == pytest.approx(said.mean()), "all 400 customers"
    assert the_task(task).answer in ("probability", "value")
    assert (found["correlation"].dropna().abs() >= ALIKE).all()
    assert found["alike"].notna().any()
    assert set(found["theme"]) <= {"recency", "rhythm", "spend"}


def test_of_a_spline_partial_dependence_has_the_shape_of_its_curve(table):
    model = fit("churn", "logistic", table, **OPTIONS, threads=1)
    rows = customers(table)
    found = dependence("churn", model, known(table), THEMES, level=None, money_unit=UNIT)
    for _, points in found.groupby("feature"):
        at = rows.iloc[: len(points)].assign(**{points["feature"].iloc[0]: points["at"].to_numpy()})
        own = model.attributions(at)[0][:, model.columns_.index(points["feature"].iloc[0])]
        assert (np.sign(np.diff(own).round(9)) == np.sign(np.diff(points["said"]).round(9))).all()


def test_the_grid_leaves_out_missing_values_and_repeats():
    assert grid(np.array([np.nan, np.nan])).size == 0
    np.testing.assert_array_equal(grid(np.array([1.0] * 50 + [2.0] * 50 + [np.nan] * 10)), [1.0, 2.0])
