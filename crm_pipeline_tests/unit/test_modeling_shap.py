"""Our attributions beside those of the `shap` package, wherever both apply."""

import numpy as np
import pandas as pd
import pytest

from crm_pipeline.modeling.explain import theme_contributions
from crm_pipeline.modeling.preprocessing import matrix
from crm_pipeline.modeling.training import fit
from crm_pipeline_tests.unit.modeling_world import THEMES, training_table

FEATURES = ["recency_days", "orders_3", "gap_mean_days", "spend_3", "tenure_days"]
OPTIONS = {"horizon": 1, "seed": 1, "threads": 1}


@pytest.fixture(scope="module")
def shap():
    import shap

    return shap


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return training_table(250, seed=2)[["customer_id", "cutoff", "churned", "spend", "orders", *FEATURES]]


def fitted(table: pd.DataFrame, task: str, name: str):
    model = fit(task, name, table, **OPTIONS)
    return model, matrix(table, model.columns_)


def agree(one: np.ndarray, other: np.ndarray, columns: list[str]) -> tuple[float, float]:
    """Correlation of theme contributions, and share of rows with the same first theme."""
    sums = [theme_contributions(pd.DataFrame(t, columns=columns), THEMES).to_numpy() for t in (one, other)]
    first = [np.abs(t).argmax(axis=1) for t in sums]
    return float(np.corrcoef(*(t.ravel() for t in sums))[0, 1]), float((first[0] == first[1]).mean())


@pytest.mark.parametrize(("task", "name"), [("churn", "logistic"), ("demand", "linear"), ("churn", "svm")])
def test_splines_are_told_by_their_shapley_values(shap, table, task, name):
    model, values = fitted(table, task, name)
    # all 2^5 coalitions against all training rows, without its lasso: exact. (`shap.explainers.Exact` compiles for ten seconds.)
    explainer = shap.KernelExplainer(model._raw, values)
    found = explainer.shap_values(values[:6], nsamples=2 ** len(FEATURES), l1_reg=0, silent=True)
    terms, base = model._terms(values[:6])
    np.testing.assert_allclose(terms, found, atol=1e-6)
    assert base == pytest.approx(float(explainer.expected_value))


@pytest.mark.parametrize("task", ["churn", "demand"])
def test_boosting_is_told_nearly_as_shap_tells_it(shap, table, task):
    model, values = fitted(table, task, "gradient_boosting")
    exact, base = model.exact_terms(values)
    found = shap.TreeExplainer(model.model_, feature_perturbation="tree_path_dependent")(values)
    np.testing.assert_allclose(exact, found.values, atol=1e-4)
    np.testing.assert_allclose(
        base + exact.sum(axis=1) + np.log(getattr(model, "unit_", 1.0)), model._raw(values), atol=1e-4
    )
    correlation, same_first = agree(model._terms(values)[0], found.values, model.columns_)
    assert correlation > 0.98
    assert same_first > 0.8


def test_a_forest_is_told_much_as_shap_tells_it(shap, table):
    model, values = fitted(table, "churn", "random_forest")
    values = values[:100]
    found = shap.TreeExplainer(model.model_, feature_perturbation="tree_path_dependent")(values.astype("float32"))
    correlation, same_first = agree(model._terms(values)[0], found.values[:, :, 1], model.columns_)
    assert correlation > 0.94, "in log-odds here, in probabilities there"
    assert same_first > 0.6, "Saabas's path terms favour the splits near the leaves"
