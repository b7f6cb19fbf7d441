import numpy as np
import pandas as pd
import pytest

from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.modeling.estimators import names
from crm_pipeline.modeling.explain import contributions, theme_contributions
from crm_pipeline.modeling.level import Level
from crm_pipeline.modeling.prediction import level_shift, predict
from crm_pipeline.modeling.preprocessing import comparable_cutoffs, matrix, usable_features
from crm_pipeline.modeling.tasks import tasks
from crm_pipeline.modeling.training import Abstained, describe, fit
from crm_pipeline_tests.unit.modeling_world import THEMES, training_table

OPTIONS = {"horizon": 3, "seed": 1, "threads": 1}
FITTED = {task: [name for name in names(task) if name != "recurrent_network"] for task in tasks()}
"""All but the one that compiles for seconds: test_modeling_recurrent."""
EVERY = [(task, name) for task, own in FITTED.items() for name in own]
STORED = [
    ("churn", "average"),
    ("churn", "svm"),
    ("churn", "random_forest"),
    ("churn", "neural_network"),
    ("demand", "average"),
    ("demand", "svr"),
    ("demand", "random_forest"),
]


@pytest.fixture(scope="module")
def training() -> pd.DataFrame:
    return training_table()


@pytest.fixture(scope="module")
def models(training):
    found = {}
    for task in tasks():
        own = {}
        for name in FITTED[task]:
            own[name] = fit(task, name, training, members=own, **OPTIONS)
        found[task] = own
    return found


def test_every_estimator_of_the_issue_is_there():
    assert set(names("churn")) >= {
        "logistic", "svm", "random_forest", "gradient_boosting", "neural_network", "recurrent_network", "purchase_process",
        "average",
    }  # fmt: skip
    assert set(names("demand")) >= {
        "linear", "svr", "decision_tree", "random_forest", "gradient_boosting", "two_part", "purchase_process",
    }  # fmt: skip
    assert names("churn")[-1] == "average"


@pytest.mark.parametrize(("lapsed", "linear"), [(0, True), (1, False)])
def test_where_nobody_or_everybody_lapsed_what_needs_both_abstains_and_the_others_go_on(lapsed, linear):
    training = training_table(120)
    spend = (1 - lapsed) * np.maximum(training["spend"], 10_000)
    one_sided = training.assign(churned=lapsed, orders=1 - lapsed, spend=spend)
    found = {name: fit("demand", name, one_sided, **OPTIONS) for name in ("linear", "two_part", "average")}
    assert isinstance(found["linear"], Abstained) != linear
    assert isinstance(found["two_part"], Abstained)
    assert "0 rows with" in found["two_part"].reason
    assert isinstance(found["average"], Abstained)
    churn = {name: fit("churn", name, one_sided, **OPTIONS) for name in ("logistic", "purchase_process", "average")}
    assert isinstance(churn["logistic"], Abstained)
    assert not isinstance(churn["purchase_process"], Abstained)
    assert "0 rows of the rarer outcome" in churn["average"].reason


@pytest.mark.parametrize(("task", "name"), EVERY)
def test_predicts_better_than_chance_and_within_bounds(models, training, task, name):
    said = predict(task, models[task][name], training)
    if task == "churn":
        assert said["probability"].between(0, 1).all()
        means = said["probability"].groupby(training["churned"]).mean()
        assert means[1] > means[0] + 0.1
        assert (said["low"] <= said["probability"]).all()
        assert (said["high"] >= said["probability"]).all()
    else:
        assert (said["value"] > 0).all()
        assert said["value"].corr(training["spend"], method="spearman") > 0.4
        assert (said["low"] <= said["median"]).all()
        assert (said["median"] <= said["high"]).all()
        assert said["expected_orders"].sum() == pytest.approx(training["orders"].sum(), rel=0.01)


@pytest.mark.parametrize(
    "name",
    ["linear", "svr", "gradient_boosting", "random_forest", "two_part", "purchase_process", "average", "decision_tree"],
)
def test_amounts_are_means_not_medians(models, training, name):
    total = predict("demand", models["demand"][name], training)["value"].sum()
    assert total == pytest.approx(training["spend"].sum() * 0.0001, rel=0.05)


@pytest.mark.parametrize(("task", "name"), EVERY)
def test_rule_10_attributions_sum_to_the_raw_score(models, training, task, name):
    model, level = models[task][name], a_level()
    table = contributions(model, training, level_shift(task, model, model.raw(training), level))
    said = predict(task, model, training, level=level).iloc[:, 0]
    raw = np.log(said / (1 - said)) if task == "churn" else np.log(said)
    np.testing.assert_allclose(table.sum(axis=1), raw, atol=2e-4)
    themes = theme_contributions(table, THEMES)
    np.testing.assert_allclose(themes.sum(axis=1), table.sum(axis=1))
    assert set(themes.columns) <= {"recency", "rhythm", "spend", "base", "level"}


@pytest.mark.parametrize(("task", "name"), STORED)
def test_rule_6_the_order_of_rows_does_not_matter(training, task, name):
    shuffled = training.sample(frac=1, random_state=3)
    a, b = (fit(task, name, rows, **OPTIONS) for rows in (training, shuffled))
    pd.testing.assert_frame_equal(predict(task, a, training), predict(task, b, training))


@pytest.mark.parametrize(("task", "name"), STORED)
def test_a_model_survives_skops(models, training, task, name):
    from skops.io import dumps, get_untrusted_types, loads

    model = models[task][name]
    stored = dumps(model)
    again = loads(stored, trusted=get_untrusted_types(data=stored))
    pd.testing.assert_frame_equal(predict(task, model, training), predict(task, again, training))


def test_null_and_constant_columns_are_left_out_with_a_reason(models, training):
    used, left_out = usable_features(training)
    assert left_out == {
        "always_null": "missing in 100% of the 4 training cut-offs",
        "constant": "the same for every customer",
    }
    assert "gap_mean_days" in used
    card = describe(models["churn"]["logistic"])
    assert card["status"] == "fitted"
    assert "always_null" not in card["features"]
    assert card["cutoffs"] == 4
    assert card["left_out"] == left_out


def test_a_feature_missing_in_more_than_a_fifth_of_the_cutoffs_is_left_out(training):
    table = training.assign(
        late=np.where(training["cutoff"] < pd.Timestamp("2020-03-01"), np.nan, training["orders_3"])
    )
    table.loc[table["cutoff"] == table["cutoff"].max(), "gone"] = np.nan
    assert "late" in usable_features(table)[1]
    assert "late" in usable_features(table[table["cutoff"] > pd.Timestamp("2020-02-01")])[0]


def test_personal_attributes_are_never_features(training):
    table = training.assign(birth_year=np.arange(len(training)) % 60 + 1940.0)
    assert "birth_year" not in usable_features(table)[0]


def test_cutoffs_with_less_history_give_way_to_those_with_a_year():
    table = training_table(customers=600)
    table["orders_season_ly"] = np.where(table["cutoff"] < pd.Timestamp("2020-03-01"), np.nan, 1.0)
    assert [str(c)[:7] for c in comparable_cutoffs(table, 3)] == ["2020-03", "2020-04"]
    few = table[table["customer_id"] < "c00200"]
    assert len(comparable_cutoffs(few, 3)) == 4, "too few rows would be left"
    young = table.drop(columns="orders_season_ly")
    young.loc[young["cutoff"] == pd.Timestamp("2020-01-01"), "orders_3"] = np.nan
    assert [str(c)[:7] for c in comparable_cutoffs(young, 3)] == ["2020-02", "2020-03", "2020-04"]


def test_too_little_data_abstains_and_says_what_is_missing(training):
    few = fit("churn", "logistic", training.head(100), **OPTIONS)
    assert few == Abstained("100 training rows, at least 300 are needed: more customers or more periods.")
    single = fit("churn", "logistic", training.assign(churned=1), **OPTIONS)
    assert isinstance(single, Abstained)
    assert "0 rows of the rarer outcome" in single.reason
    average = fit("churn", "average", training.head(100), **OPTIONS)
    assert isinstance(average, Abstained)
    assert "100 training rows" in average.reason
    assert describe(average)["status"] == "abstained"
    nothing = fit("demand", "two_part", training.assign(spend=0, orders=0), **OPTIONS)
    assert "0 rows with an order" in nothing.reason


def test_no_purchase_process_columns_abstains_but_two_part_goes_on(training):
    without = training.drop(columns=["mbg_alive", "mbg_expected_orders", "mbg_no_order"])
    assert isinstance(fit("churn", "purchase_process", without, **OPTIONS), Abstained)
    model = fit("demand", "two_part", without, **OPTIONS)
    assert predict("demand", model, without)["expected_orders"].sum() == pytest.approx(
        without["orders"].sum(), rel=0.05
    )


def test_the_purchase_process_needs_no_training_rows(training):
    model = fit("churn", "purchase_process", training.head(0), **OPTIONS)
    said = predict("churn", model, training)
    assert said["probability"].between(0, 1).all()
    assert said["low"].isna().all()


def test_scoring_nobody_gives_empty_tables(models, training):
    for task in tasks():
        assert predict(task, models[task]["average"], training.head(0)).empty
        assert contributions(models[task]["average"], training.head(0)).empty


def test_a_feature_that_disappears_is_named(models, training):
    with pytest.raises(CrmError, match="orders_3"):
        predict("churn", models["churn"]["logistic"], training.drop(columns="orders_3"))


def test_an_unknown_estimator_is_named():
    with pytest.raises(UsageError, match="average"):
        fit("churn", "oracle", training_table(10), **OPTIONS)


def test_approximate_contributions_agree_with_exact_ones(models, training):
    model = models["churn"]["gradient_boosting"]
    values = matrix(training.head(300), model.columns_)
    both = [pd.DataFrame(t, columns=model.columns_) for t in (model._terms(values)[0], model.exact_terms(values)[0])]
    assert np.corrcoef(*(t.to_numpy().ravel() for t in both))[0, 1] > 0.9
    first = [theme_contributions(t, THEMES).abs().to_numpy().argmax(axis=1) for t in both]
    assert (first[0] == first[1]).mean() > 0.7


def a_level() -> Level:
    ratios = {c: [100.0, 100.0] for c in ("2020-01-01", "2020-02-01", "2020-03-01", "2020-04-01")}
    return Level(days=1_800.0, orders=2_000.0, spend=3e9, season=float(np.log(1.5)), weight=0.5, ratios=ratios)


def test_rule_9_the_level_moves_all_scores_by_one_number(models, training):
    for task in tasks():
        plain, moved = (predict(task, models[task]["average"], training, level=x).iloc[:, 0] for x in (None, a_level()))
        gap = np.log(moved / (1 - moved)) - np.log(plain / (1 - plain)) if task == "churn" else np.log(moved / plain)
        assert gap.std() < 1e-6
        assert gap.mean() < -0.05 if task == "churn" else moved.sum() == pytest.approx(3e9 * 0.0001)


def test_rule_9_every_models_totals_meet_the_forecast(models, training):
    for model in models["demand"].values():
        said = predict("demand", model, training, level=a_level())
        assert said["value"].sum() == pytest.approx(3e9 * 0.0001)
        assert said["expected_orders"].sum() == pytest.approx(2_000.0)
