"""Customers read in batches: what is said of them is the same however many are read at once."""

from __future__ import annotations

from datetime import date

import ibis
import numpy as np
import pandas as pd
import pytest

from crm_pipeline.contracts.outputs import conform_each, score_columns
from crm_pipeline.engine import DuckDBEngine
from crm_pipeline.modeling import customers as module
from crm_pipeline.modeling.baselines import baseline_predictions
from crm_pipeline.modeling.customers import Customers
from crm_pipeline.modeling.estimators.rows import sampled
from crm_pipeline.modeling.evaluation import foretold
from crm_pipeline.modeling.level import Level
from crm_pipeline.modeling.scoring import Release, abstain, score
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.modeling.training import fit
from crm_pipeline_tests.unit.modeling_world import THEMES, training_table

UNIT = 0.0001
LEVEL = Level(days=200.0, orders=300.0, spend=9e8)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return training_table(300, seed=4)


@pytest.fixture(scope="module", params=["churn", "demand"])
def champion(request, table):
    return request.param, fit(request.param, "average", table, horizon=3, seed=1, threads=1)


def now(table: pd.DataFrame) -> Customers:
    rows = table[table["cutoff"] == table["cutoff"].max()].drop(columns=["churned", "spend", "orders"])
    return Customers(ibis.memtable(rows.sample(frac=1, random_state=2)))


def release(task: str) -> Release:
    day = date(2020, 4, 1)
    return Release(task, day, date(2020, 7, 1), "label", "average", "v", "r", "EUR", UNIT, 3, 12, "month")


def test_batches_are_all_rows_in_the_order_of_the_ids(table, monkeypatch):
    whole = next(now(table).batches())
    assert whole["customer_id"].is_monotonic_increasing
    monkeypatch.setattr(module, "BATCH", 37)
    parts = list(now(table).batches())
    assert {len(part) for part in parts[:-1]} == {37}
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)
    few = now(table).only(["recency_days", "not_there"])
    pd.testing.assert_frame_equal(few, whole[["customer_id", "recency_days"]])
    for cap in (10, 10_000):
        expected = whole.iloc[sampled(whole.set_index("customer_id"), cap)].reset_index(drop=True)
        pd.testing.assert_frame_equal(now(table).sample(cap), expected)


def test_scores_do_not_depend_on_how_many_are_read_at_once(champion, table, monkeypatch):
    task, model = champion
    found = []
    for size, threads in ((10_000, 1), (41, 1), (41, 3), (1, 2)):
        monkeypatch.setattr(module, "BATCH", size)
        rows = score(model, now(table), release(task), LEVEL, THEMES, threads=threads)
        found.append(pd.concat(rows, ignore_index=True))
    answers = [c.name for c in the_task(task).answers]
    for other in found[1:]:
        pd.testing.assert_frame_equal(other[answers], found[0][answers], rtol=1e-12)
        pd.testing.assert_frame_equal(
            other.drop(columns=[*answers, "low", "high"]), found[0].drop(columns=[*answers, "low", "high"])
        )
    assert found[0]["percentile"].max() == 100
    if task == "demand":
        assert found[0]["value"].sum() == pytest.approx(LEVEL.spend * UNIT), "reconciled over all, not in each batch"


def test_predictions_to_be_judged_do_not_either(champion, table, monkeypatch):
    task, model = champion
    known = table[table["cutoff"] < table["cutoff"].max()]
    outcomes = table[table["cutoff"] == table["cutoff"].max()]
    found = []
    for size, threads in ((10_000, 1), (29, 2)):
        monkeypatch.setattr(module, "BATCH", size)
        found.append(
            foretold(
                task, {"one": model}, now(table), outcomes, known,
                cutoff="2020-03-01", level=LEVEL, horizon=3, money_unit=UNIT, threads=threads,
            )
        )  # fmt: skip
    pd.testing.assert_frame_equal(found[0], found[1], rtol=1e-12)
    assert any(c.startswith("baseline_") for c in found[0])


def test_nobody_is_scored_where_nobody_is(champion, table):
    task, model = champion
    nobody = Customers(ibis.memtable(table.head(0)))
    assert list(score(model, nobody, release(task), None, THEMES)) == []
    assert (
        conform_each(abstain(nobody, release(task), "why"), score_columns(the_task(task).answers)).read_all().num_rows
        == 0
    )


def test_a_reader_is_staged_as_a_table_is(champion, table, tmp_path, monkeypatch):
    task, model = champion
    columns, engine = score_columns(the_task(task).answers), DuckDBEngine("1GB", 1, tmp_path)
    monkeypatch.setattr(module, "BATCH", 100)

    def rows():
        return conform_each(score(model, now(table), release(task), None, THEMES), columns)

    one = engine.stage(rows(), tmp_path / "one.parquet")
    other = engine.stage(rows().read_all(), tmp_path / "other.parquet")
    assert (one.rows, one.content_sum, one.columns) == (other.rows, other.content_sum, other.columns)
    assert one.rows == len(now(table))


def test_of_many_a_fixed_sample_is_judged_and_its_total_is_so_much_of_all(champion, table):
    task, model = champion
    outcomes = table[table["cutoff"] == table["cutoff"].max()]
    known = table[table["cutoff"] < table["cutoff"].max()]
    options = {"cutoff": "2020-03-01", "level": LEVEL, "horizon": 3, "money_unit": UNIT}
    all_of_them = foretold(task, {"one": model}, now(table), outcomes, known, **options)
    some = foretold(task, {"one": model}, now(table), outcomes, known, **options, most=120)
    assert len(some) == 120
    assert set(some["customer_id"]) == set(now(table).sample(120)["customer_id"])
    if task == "demand":
        assert some["one"].sum() == pytest.approx(LEVEL.spend * UNIT * 120 / len(all_of_them))
    else:
        both = some.merge(all_of_them, on="customer_id")
        np.testing.assert_allclose(both["one_x"], both["one_y"], rtol=1e-12)


def test_a_task_looks_at_no_other_features_than_it_says(champion, table):
    """Of all customers together only these are in memory: with the others the answers and the baselines are the same."""
    task, model = champion
    of, last = the_task(task), table["cutoff"].max()
    features = next(now(table).batches())
    few = features[["customer_id", *of.looked_at(list(features.columns), 3)]]
    assert 3 < few.shape[1] < features.shape[1]
    known = table[table["cutoff"] < last]
    rules = [baseline_predictions(task, known, rows, horizon=3, money_unit=UNIT) for rows in (features, few)]
    pd.testing.assert_frame_equal(*rules)
    raw = model.raw(features)
    pd.testing.assert_frame_equal(*(of.say(model, rows, raw, raw + 0.1, LEVEL) for rows in (features, few)))


@pytest.mark.parametrize("task", ["churn", "demand"])
def test_rule_6_a_forest_says_the_same_to_the_bit_whatever_the_threads(task, table):
    one, several = (fit(task, "random_forest", table, horizon=3, seed=1, threads=n) for n in (1, 2))
    said = one.raw(table)
    for _ in range(5):
        np.testing.assert_array_equal(several.raw(table), said)
