import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.modeling.calibration import expit
from crm_pipeline.modeling.estimators.inputs import Inputs
from crm_pipeline.modeling.estimators.machines import machine, squared_hinge, squared_tube
from crm_pipeline.modeling.estimators.neural_network import NetworkChurn
from crm_pipeline.modeling.estimators.random_forest import ForestAmount
from crm_pipeline.modeling.estimators.rows import folds, newest, sampled
from crm_pipeline.modeling.estimators.splines import standardised
from crm_pipeline.modeling.estimators.svm import SplineSVM, sigmoid
from crm_pipeline.modeling.estimators.svr import SplineSVR, log_slope
from crm_pipeline.modeling.estimators.trees import node_sums
from crm_pipeline.modeling.preprocessing import matrix, usable_features
from crm_pipeline_tests.unit.modeling_world import training_table


def indexed(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    return rows[columns].set_index([rows["cutoff"], rows["customer_id"]])


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return training_table()


@pytest.fixture(scope="module")
def columns(rows) -> list[str]:
    return usable_features(rows)[0]


@pytest.fixture(scope="module")
def network(rows, columns) -> NetworkChurn:
    return NetworkChurn().fit(indexed(rows, columns), rows["churned"].to_numpy())


def test_a_customers_rows_share_a_fold_in_any_order(rows, columns):
    X = indexed(rows, columns)
    fold = pd.Series(folds(X, 3), index=X.index)
    by_customer = fold.groupby("customer_id")
    assert (by_customer.min() == by_customer.max()).all()
    assert fold.value_counts(normalize=True).between(0.2, 0.5).all()
    shuffled = X.sample(frac=1, random_state=1)
    np.testing.assert_array_equal(folds(shuffled, 3), fold.loc[shuffled.index])


def test_a_sample_is_of_whole_customers_and_grows_by_adding(rows, columns):
    X = indexed(rows, columns)
    few, more = (set(sampled(X, cap)) for cap in (200, 400))
    assert few < more
    assert len(few) == 200
    customers = X.iloc[sorted(few)].index.get_level_values("customer_id")
    assert customers.nunique() == 50
    np.testing.assert_array_equal(sampled(X, len(X)), np.arange(len(X)))


def test_newest_are_whole_cutoffs_and_never_all(rows, columns):
    X = indexed(rows, columns)
    late = newest(X, 0.3)
    assert sorted(set(X.index.get_level_values("cutoff")[late])) == [
        pd.Timestamp("2020-03-01"),
        pd.Timestamp("2020-04-01"),
    ]
    one = X[X.index.get_level_values("cutoff") == pd.Timestamp("2020-01-01")]
    assert not newest(one, 0.3).any()
    assert not newest(rows[columns], 0.3).any()


@settings(max_examples=25, deadline=None)
@given(slope=st.floats(0.2, 3), shift=st.floats(-2, 2), scale=st.floats(0.01, 100))
def test_the_sigmoid_finds_the_log_odds_behind_labels(slope, shift, scale):
    z = np.linspace(-3, 3, 4_000)
    y = (np.random.default_rng(5).random(len(z)) < expit(slope * z + shift)).astype(int)
    found = sigmoid(z * scale, y)
    assert found[0] * scale == pytest.approx(slope, abs=0.35)
    assert found[1] == pytest.approx(shift, abs=0.35)


def test_the_sigmoid_of_separable_margins_is_finite():
    slope, shift = sigmoid(np.r_[-np.ones(20), np.ones(20)], np.r_[np.zeros(20), np.ones(20)])
    assert expit(slope + shift) == pytest.approx(21 / 22, abs=1e-3)


def test_the_svm_says_probabilities_of_customers_it_has_not_seen(rows, columns):
    unseen = training_table(customers=1_000, seed=7)
    model = SplineSVM().fit(indexed(rows, columns), rows["churned"].to_numpy())
    said = model.predict_proba(unseen)[:, 1]
    bins = pd.qcut(said, 8, labels=False, duplicates="drop")
    gaps = pd.DataFrame({"said": said, "was": unseen["churned"]}).groupby(bins).mean()
    assert (gaps["said"] - gaps["was"]).abs().mean() < 0.05


@settings(max_examples=20, deadline=None)
@given(slope=st.floats(0.1, 2), scale=st.floats(0.01, 100))
def test_the_slope_of_log_amounts_is_found(slope, scale):
    z = np.linspace(-2, 2, 5_000)
    y = np.random.default_rng(2).poisson(3 * np.exp(slope * z))
    assert log_slope(z * scale, y / y.mean()) * scale == pytest.approx(slope, abs=0.1)


def test_a_machine_is_the_one_liblinear_finds(rows, columns):
    from sklearn.svm import LinearSVC, LinearSVR

    X, y = matrix(rows, columns), rows["churned"].to_numpy()
    basis = standardised(np.nan_to_num(np.log1p(X)))[0]
    far = {"dual": False, "tol": 1e-8, "intercept_scaling": 1e3, "C": 0.01, "max_iter": 10_000}
    same = LinearSVC(**far).fit(basis, y)
    weights, offset = machine(basis, squared_hinge(y), 0.01)
    np.testing.assert_allclose([*weights, offset], [*same.coef_[0], same.intercept_[0]], atol=2e-3)
    target = np.log1p(rows["spend"].to_numpy() * 0.0001)
    same = LinearSVR(**far, loss="squared_epsilon_insensitive", epsilon=0.1).fit(basis, target)
    weights, offset = machine(basis, squared_tube(target, 0.1), 0.01)
    np.testing.assert_allclose([*weights, offset], [*same.coef_, *np.ravel(same.intercept_)], atol=2e-3)


@pytest.mark.parametrize("estimator", [SplineSVR, ForestAmount])
def test_totals_of_the_rows_fitted_are_the_actual_ones(rows, columns, estimator):
    y = rows["spend"].to_numpy() * 0.0001
    model = estimator().fit(indexed(rows, columns), y)
    assert model.predict(rows).sum() == pytest.approx(y.sum())


def test_node_sums_are_those_of_the_rows_that_pass(rows, columns):
    model = ForestAmount(trees=2).fit(indexed(rows, columns), rows["spend"].to_numpy() * 0.0001)
    values, weights = matrix(rows, model.columns_).astype("float32"), np.arange(len(rows), dtype=float)
    for member in model.model_.estimators_:
        passed = member.tree_.decision_path(values).T @ weights
        np.testing.assert_allclose(node_sums(member.tree_, member.apply(values), weights), passed)


def test_the_networks_attributions_are_integrated_gradients(rows, network):
    values = matrix(rows.head(40), network.columns_)
    shown, steps = network.inputs_.of(values), 4_000
    total = np.zeros_like(shown)
    for at in (np.arange(steps) + 0.5) / steps:
        active = (at * shown @ network.into_ + network.offsets_) > 0
        total += (active * network.out_) @ network.into_.T / steps
    terms, base = network._terms(values)
    np.testing.assert_allclose(terms, network.inputs_.by_column(shown * total), atol=2e-3)
    np.testing.assert_allclose(base + terms.sum(axis=1), network._raw(values), atol=1e-12)


def test_the_gradient_of_the_networks_is_that_of_their_loss(rows, network):
    shown = network.inputs_.of(matrix(rows.head(64), network.columns_))
    y = rows["churned"].to_numpy()[:64].astype(float)
    weights = [w.astype(float) for w in network._start(shown, y)]

    def loss(number: int, place: int, step: float) -> float:
        moved = [w.copy() for w in weights]
        moved[number].flat[place] += step
        z = network._log_odds(moved, shown)[0]
        return float((np.logaddexp(0, z) - y[:, None] * z).mean(axis=0).sum())

    for number, found in enumerate(network._gradient(weights, shown, y)):
        for place in {0, found.size // 2, found.size - 1}:
            slope = (loss(number, place, 1e-5) - loss(number, place, -1e-5)) / 2e-5
            assert found.flat[place] == pytest.approx(slope, rel=1e-3, abs=1e-6)


def test_the_networks_stop_where_the_newest_of_other_customers_are_foretold_best(rows, columns):
    y = rows["churned"].to_numpy()
    noise = np.random.default_rng(1).permutation(y)
    learned, memorised = (NetworkChurn(rate=0.01).fit(indexed(rows, columns), of).steps_ for of in (y, noise))
    assert memorised < learned


def test_inputs_are_zero_for_the_average_customer_and_held_within_what_was_seen():
    values = np.array([[1.0, np.nan, 5.0], [3.0, 2.0, 5.0], [9.0, 4.0, 5.0]])
    inputs = Inputs().fit(values)
    shown = inputs.of(values)
    assert shown.shape == (3, 4)
    np.testing.assert_allclose(shown.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(inputs.of(np.array([[1e9, np.nan, 7.0]]))[0, [0, 1, 2]], [shown[2, 0], 0, 0])
    np.testing.assert_allclose(inputs.by_column(np.array([[1.0, 2.0, 3.0, 4.0]])), [[1, 6, 3]])
