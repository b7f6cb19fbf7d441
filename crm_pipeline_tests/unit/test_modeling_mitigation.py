"""Thresholds by group: they narrow the gap on customers they were not set on, cost what they cost, and are the same each time."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from crm_pipeline.modeling.fairness import BETWEEN, EVERYONE, Cutoff, compare
from crm_pipeline.modeling.metrics import Contact
from crm_pipeline.modeling.mitigation import mitigate
from crm_pipeline_tests.unit.test_modeling_fairness import AS_OF, world

COLUMNS = ["customer_id", "gender"]


def cutoff(seed: int, n: int = 1500) -> Cutoff:
    said, known = world(n, seed, unfair=1.0)
    known["gender"] = known["gender"].where(known["gender"] != "d")
    return Cutoff(said.drop(columns="fair"), known[COLUMNS], AS_OF)


@pytest.fixture(scope="module")
def later() -> Cutoff:
    return cutoff(2)


@pytest.fixture(scope="module")
def found(later: Cutoff) -> pd.DataFrame:
    return mitigate("churn", cutoff(1), later, attribute="gender", contact=Contact(2, 4))


def values(rows: pd.DataFrame, group: str) -> pd.Series:
    return rows[rows["group"] == group].set_index("metric")["value"]


def test_the_gap_is_narrower_on_rows_that_set_no_threshold(found: pd.DataFrame, later: Cutoff) -> None:
    before = values(compare("churn", later.predictions, later.known, as_of=AS_OF), BETWEEN)
    after = values(found, BETWEEN)
    assert before["selection_rate"] > 0.2
    assert after["mitigated_selection_rate"] < 0.07


def test_equal_odds_narrow_the_gaps_of_both_errors(later: Cutoff) -> None:
    before = values(compare("churn", later.predictions, later.known, as_of=AS_OF), BETWEEN)
    odds = values(mitigate("churn", cutoff(1), later, attribute="gender", constraint="equalized_odds"), BETWEEN)
    for metric in ("false_positive_rate", "false_negative_rate"):
        assert odds[f"mitigated_{metric}"] < before[metric] / 2


def test_what_it_costs_is_told_of_everyone(found: pd.DataFrame, later: Cutoff) -> None:
    whole, rows = values(found, EVERYONE), later.predictions
    chosen, y = rows["model"] >= 0.5, rows["outcome"]
    assert whole["accuracy"] == pytest.approx((chosen == (y > 0)).mean())
    assert whole["profit"] == pytest.approx((chosen * (4 * y - 2)).mean())
    assert whole["selection_rate"] == pytest.approx(chosen.mean())
    assert abs(whole["mitigated_accuracy"] - whole["accuracy"]) < 0.1


def test_the_lots_are_the_same_each_time_whatever_the_order_of_rows(found: pd.DataFrame, later: Cutoff) -> None:
    shuffled = Cutoff(later.predictions.sample(frac=1, random_state=3), later.known, AS_OF)
    again = mitigate("churn", cutoff(1), shuffled, attribute="gender", contact=Contact(2, 4))
    pd.testing.assert_frame_equal(found, again)


def test_where_there_are_no_two_groups_to_learn_from_nothing_is_tried(later: Cutoff) -> None:
    one = cutoff(1)
    alone = Cutoff(one.predictions, one.known.assign(gender="f"), AS_OF)
    sure = Cutoff(one.predictions.assign(outcome=1.0), one.known, AS_OF)
    none = Cutoff(one.predictions.head(0), one.known, date(2025, 1, 1))
    for earlier in (alone, sure, none):
        assert mitigate("churn", earlier, later, attribute="gender").empty
    assert mitigate("churn", one, later, attribute="region").empty


def test_a_model_that_one_of_the_cutoffs_lacks_is_left_out(later: Cutoff) -> None:
    """Read together, cut-offs have the columns of both; fairlearn never ends on a score that is missing."""
    one = cutoff(1)
    lacking = one._replace(predictions=one.predictions.assign(logistic=float("nan")))
    both = later._replace(predictions=later.predictions.assign(logistic=0.4))
    assert set(mitigate("churn", lacking, both, attribute="gender")["model"]) == {"model"}
    assert set(mitigate("churn", both, lacking, attribute="gender")["model"]) == {"model"}
    assert set(compare("churn", lacking.predictions, lacking.known, as_of=AS_OF)["model"]) == {"model"}
